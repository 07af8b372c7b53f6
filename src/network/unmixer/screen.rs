//! The screen's colour at each place, at an eighth of the size: measured on the plate where the
//! network sees clean screen.

use super::light::{Input, MEAN, SCALE, STD, clamp, linear, sigmoid};
use super::map::Rows;

/// The brightest that a colour can be, encoded: that of the plates that it was trained on.
const TOP: f32 = 1.25;
/// Means that are mixed: of 3 × 3, of 3 × 3 blocks, of 15 × 15 blocks about, of the whole picture.
const REACHES: usize = 4;
/// Pixels along each side of a block.
const BLOCK: usize = 4;

/// Planes at an eighth of the size.
#[derive(Debug)]
pub(super) struct Screen {
    /// Encoded.
    pub(super) colour: Vec<f32>,
    /// Linear.
    pub(super) light: Vec<f32>,
    /// The direction in which its chroma is measured, over the square of its length.
    pub(super) axis: Vec<f32>,
}

/// Some planes of one size.
struct Planes {
    values: Vec<f32>,
    width: usize,
    height: usize,
}

impl Planes {
    fn new(count: usize, width: usize, height: usize) -> Self {
        Self {
            values: vec![0.0; count * width * height],
            width,
            height,
        }
    }

    fn pixels(&self) -> usize {
        self.width * self.height
    }

    fn count(&self) -> usize {
        self.values.len() / self.pixels()
    }

    fn each(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.pixels())
    }

    /// Sums over `side` × `side` pixels around each, with 0 beyond the picture, over their number.
    fn means(&self, side: usize) -> Self {
        let mut means = Self::new(self.count(), self.width, self.height);
        let reach = side / 2;
        let answers = means.values.chunks_exact_mut(self.width * self.height);
        let mut columns = vec![0.0; self.width];
        for (plane, answer) in self.each().zip(answers) {
            for (y, answer) in answer.chunks_exact_mut(self.width).enumerate() {
                columns.fill(0.0);
                for row in y.saturating_sub(reach)..(y + reach + 1).min(self.height) {
                    let row = &plane[row * self.width..][..self.width];
                    columns
                        .iter_mut()
                        .zip(row)
                        .for_each(|(sum, value)| *sum += value);
                }
                for (x, answer) in answer.iter_mut().enumerate() {
                    let seen = x.saturating_sub(reach)..(x + reach + 1).min(self.width);
                    *answer = columns[seen].iter().sum::<f32>() / (side * side) as f32;
                }
            }
        }
        means
    }

    /// Means of blocks, in place of which there is a pixel.
    fn blocks(&self) -> Self {
        let mut blocks = Self::new(self.count(), self.width / BLOCK, self.height / BLOCK);
        let (width, pixels) = (blocks.width, blocks.width * blocks.height);
        for (plane, answer) in self.each().zip(blocks.values.chunks_exact_mut(pixels)) {
            for (y, row) in plane.chunks_exact(self.width).enumerate() {
                let answer = &mut answer[y / BLOCK * width..][..width];
                for (answer, values) in answer.iter_mut().zip(row.as_chunks::<BLOCK>().0) {
                    *answer += values.iter().sum::<f32>() / (BLOCK * BLOCK) as f32;
                }
            }
        }
        blocks
    }

    /// Colours out of sums of weighted ones, and the sum of the weights.
    fn colours(&self) -> Self {
        let pixels = self.pixels();
        let (sums, weights) = self.values.split_at(3 * pixels);
        let colours = sums.chunks_exact(pixels).flat_map(|plane| {
            let pairs = plane.iter().zip(weights);
            pairs.map(|(sum, weight)| sum / (weight + 1e-4))
        });
        Self {
            values: colours.collect(),
            width: self.width,
            height: self.height,
        }
    }

    /// As many times larger along each side.
    fn enlarged(&self, factor: usize) -> Self {
        let (width, height) = (self.width * factor, self.height * factor);
        let mut large = Self::new(self.count(), width, height);
        let columns: Vec<_> = (0..width)
            .map(|x| super::direct::between(x, factor, self.width))
            .collect();
        let mut blended = vec![0.0; self.width];
        for (plane, answer) in self
            .each()
            .zip(large.values.chunks_exact_mut(width * height))
        {
            for (y, answer) in answer.chunks_exact_mut(width).enumerate() {
                let (above, below, share) = super::direct::between(y, factor, self.height);
                let [above, below] =
                    [above, below].map(|row| &plane[row * self.width..][..self.width]);
                for ((to, above), below) in blended.iter_mut().zip(above).zip(below) {
                    *to = above + (below - above) * share;
                }
                for (answer, (left, right, share)) in answer.iter_mut().zip(&columns) {
                    *answer = blended[*left] + (blended[*right] - blended[*left]) * share;
                }
            }
        }
        large
    }
}

/// The plate, encoded, at an eighth of the size: a row of one of its planes.
pub(super) fn thumbnail(input: Input<'_>, channel: usize, row: usize, answer: &mut [f32]) {
    answer.fill(0.0);
    for y in 0..SCALE {
        let plate = input.row(row * SCALE + y)[channel];
        for (sum, values) in answer.iter_mut().zip(plate.as_chunks::<SCALE>().0) {
            *sum += values.iter().sum::<f32>();
        }
    }
    let pixels = (SCALE * SCALE) as f32;
    for mean in answer {
        *mean = *mean / pixels * STD[channel] + MEAN[channel];
    }
}

impl Screen {
    /// Out of the plate's [`thumbnail`], three planes, and what the network says of each place:
    /// trust, the four reaches, and a correction of the colour.
    pub(super) fn measure(thumbnail: &[f32], said: Rows<'_>) -> Self {
        let (width, height) = (said.width, said.height);
        let pixels = width * height;
        let channels = said.channels;
        let said = |index: usize| {
            let row = &said.row(index / width)[(index % width + 1) * channels..];
            &row[..1 + REACHES + 3]
        };
        let mut sums = Planes::new(4, width, height);
        for index in 0..pixels {
            let trust = sigmoid(2.0 * said(index)[0]);
            for channel in 0..3 {
                let at = channel * pixels + index;
                sums.values[at] = thumbnail[at] * trust;
            }
            sums.values[3 * pixels + index] = trust;
        }
        let blocks = sums.blocks();
        let near = blocks.means(3);
        let wide = near.means(13);
        let whole = blocks.each().map(|plane| {
            let sum: f64 = plane.iter().map(|value| f64::from(*value)).sum();
            (sum / blocks.pixels() as f64) as f32
        });
        let whole: Vec<f32> = whole.collect();
        let near = near.colours().enlarged(BLOCK);
        let wide = wide.colours().enlarged(BLOCK);
        let closest = sums.means(3).colours();
        let mut screen = Self {
            colour: vec![0.0; 3 * pixels],
            light: vec![0.0; 3 * pixels],
            axis: vec![0.0; 3 * pixels],
        };
        for index in 0..pixels {
            let said = said(index);
            let reaches = &said[1..=REACHES];
            let most = reaches.iter().copied().fold(f32::MIN, f32::max);
            let shares: [f32; REACHES] = std::array::from_fn(|reach| (reaches[reach] - most).exp());
            let total: f32 = shares.iter().sum();
            let light: [f32; 3] = std::array::from_fn(|channel| {
                let at = channel * pixels + index;
                let means = [
                    closest.values[at],
                    near.values[at],
                    wide.values[at],
                    whole[channel] / (whole[3] + 1e-4),
                ];
                let mixed: f32 = means
                    .iter()
                    .zip(shares)
                    .map(|(mean, share)| mean * share)
                    .sum();
                let more = said[1 + REACHES + channel].tanh() * 0.15;
                let colour = clamp(mixed / total + more, 0.0, TOP);
                screen.colour[at] = colour;
                screen.light[at] = linear(colour);
                screen.light[at]
            });
            let grey = light.iter().sum::<f32>() / 3.0;
            let chroma = light.map(|light| light - grey);
            let square: f32 = chroma.iter().map(|value| value * value).sum();
            for (channel, chroma) in chroma.into_iter().enumerate() {
                screen.axis[channel * pixels + index] = chroma / (square + 1e-4);
            }
        }
        screen
    }
}
