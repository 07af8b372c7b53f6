//! The hint as the artist shapes it before the network sees it, and the masks that hold hint and
//! matte: inside (kept whatever the key says) and outside (garbage, never kept).
//!
//! Lengths are in full-scale square pixels, brought to the render's by [`PixelScale`]; fractions of
//! a pixel count, so that a proxy shows what the full picture does and an animated slider moves
//! smoothly.

use rayon::prelude::*;

use super::error::Result;
use super::image::Planes;
use super::settings::PixelScale;

/// What is done to a hint, in the order of the fields.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HintShape {
    /// Subject and screen change places.
    pub invert: bool,
    /// A factor; what exceeds 1 is 1.
    pub gain: f32,
    /// The value becomes `value ^ (1 / gamma)`: above 1 soft edges become more solid.
    pub gamma: f32,
    /// Grows by so many pixels, or shrinks where it is negative; its shape is a square.
    pub grow: f32,
    /// Blurs with a Gaussian (three boxes) whose sigma is half of this.
    pub blur: f32,
}

impl Default for HintShape {
    /// Leaves every hint as it is.
    fn default() -> Self {
        Self {
            invert: false,
            gain: 1.0,
            gamma: 1.0,
            grow: 0.0,
            blur: 0.0,
        }
    }
}

impl HintShape {
    /// True when hints stay as they are, to the bit.
    pub fn changes_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Shapes a hint of one plane, 0..1, in place. The picture's border is repeated: what touches
    /// it neither shrinks nor fades there.
    ///
    /// # Errors
    /// When the picture is empty or not of one plane, or memory is short.
    pub fn apply(&self, hint: &mut Planes, scale: PixelScale) -> Result<()> {
        hint.check("hint", &[1], "1")?;
        if self.changes_nothing() {
            return Ok(());
        }
        self.levels(hint);
        let (x, y) = (scale.x as f32, scale.y as f32);
        if self.grow != 0.0 {
            along_both(hint, self.grow * x, self.grow * y, grow_line)?;
        }
        if self.blur > 0.0 {
            along_both(hint, self.blur * x, self.blur * y, blur_line)?;
        }
        Ok(())
    }

    /// What happens to each pixel on its own.
    fn levels(&self, hint: &mut Planes) {
        let power = 1.0 / self.gamma;
        if !self.invert && self.gain == 1.0 && power == 1.0 {
            return;
        }
        hint.data_mut().par_chunks_mut(CHUNK).for_each(|values| {
            for value in values {
                let turned = if self.invert { 1.0 - *value } else { *value };
                let gained = (turned * self.gain).clamp(0.0, 1.0);
                *value = if power == 1.0 {
                    gained
                } else {
                    gained.powf(power)
                };
            }
        });
    }
}

/// Holds a hint or a matte to the masks, in place: nowhere less than `inside`, and nothing where
/// `outside` is 1. Outside has the last word. All have as many values; masks are 0..1.
///
/// # Panics
/// When the numbers of values differ.
pub fn hold_to_masks(values: &mut [f32], inside: Option<&[f32]>, outside: Option<&[f32]>) {
    for mask in [inside, outside].into_iter().flatten() {
        assert_eq!(
            mask.len(),
            values.len(),
            "masks are as large as the picture"
        );
    }
    for (value, inside) in values.iter_mut().zip(inside.unwrap_or_default()) {
        *value = value.max(*inside);
    }
    for (value, outside) in values.iter_mut().zip(outside.unwrap_or_default()) {
        *value *= 1.0 - outside;
    }
}

/// Values that one task works on.
const CHUNK: usize = 1 << 16;

/// What one thread needs to work on lines.
#[derive(Debug, Default)]
struct Scratch {
    line: Vec<f32>,
    ahead: Vec<f32>,
    behind: Vec<f32>,
}

/// Applies `line(values, amount, scratch)` to every row, and then to every column.
fn along_both(
    hint: &mut Planes,
    across: f32,
    down: f32,
    line: impl Fn(&mut [f32], f32, &mut Scratch) + Sync,
) -> Result<()> {
    let (width, height) = (hint.width(), hint.height());
    let mut turned = Planes::try_new(height, width, 1)?;
    let rows = |planes: &mut Planes, length: usize, amount: f32| {
        planes
            .data_mut()
            .par_chunks_exact_mut(length)
            .for_each_init(Scratch::default, |scratch, row| line(row, amount, scratch));
    };
    rows(hint, width, across);
    transpose(hint, &mut turned);
    rows(&mut turned, height, down);
    transpose(&turned, hint);
    Ok(())
}

/// Rows become columns, in blocks that stay in the cache. One plane.
pub(super) fn transpose(from: &Planes, to: &mut Planes) {
    const BLOCK: usize = 16;
    let (width, height) = (from.width(), from.height());
    let source = from.data();
    to.data_mut()
        .par_chunks_mut(BLOCK * height)
        .enumerate()
        .for_each(|(block, out)| {
            let x0 = block * BLOCK;
            for y0 in (0..height).step_by(BLOCK) {
                for (line, out) in out.chunks_exact_mut(height).enumerate() {
                    let rows = y0..(y0 + BLOCK).min(height);
                    for (y, out) in rows.clone().zip(&mut out[rows]) {
                        *out = source[y * width + x0 + line];
                    }
                }
            }
        });
}

/// The greatest (of a negative amount, the least) of the neighbours within so many pixels. Between
/// two whole radii the result lies between theirs.
fn grow_line(values: &mut [f32], amount: f32, scratch: &mut Scratch) {
    let radius = amount.abs().min(values.len() as f32);
    let whole = radius.floor();
    let rest = radius - whole;
    let turn = amount < 0.0;
    if turn {
        values.iter_mut().for_each(|value| *value = -*value);
    }
    let mut line = std::mem::take(&mut scratch.line);
    line.clear();
    line.extend_from_slice(values);
    greatest(&line, whole as usize, scratch, values);
    if rest > 0.0 {
        let mut more = std::mem::take(&mut scratch.line);
        more.resize(line.len(), 0.0);
        greatest(&line, whole as usize + 1, scratch, &mut more);
        for (value, more) in values.iter_mut().zip(&more) {
            *value += rest * (more - *value);
        }
    }
    scratch.line = line;
    if turn {
        values.iter_mut().for_each(|value| *value = -*value);
    }
}

/// The greatest of `2 radius + 1` neighbours, in a number of steps that does not depend on the
/// radius: the line is cut into pieces of that length, and the greatest so far is kept from both
/// ends of each. Source: van Herk, Gil and Werman.
fn greatest(line: &[f32], radius: usize, scratch: &mut Scratch, out: &mut [f32]) {
    if radius == 0 {
        out.copy_from_slice(line);
        return;
    }
    let length = line.len();
    let piece = 2 * radius + 1;
    let Scratch { ahead, behind, .. } = scratch;
    ahead.clear();
    ahead.extend_from_slice(line);
    behind.clear();
    behind.extend_from_slice(line);
    for i in 1..length {
        if i % piece != 0 {
            ahead[i] = ahead[i].max(ahead[i - 1]);
        }
    }
    for i in (0..length - 1).rev() {
        if (i + 1) % piece != 0 {
            behind[i] = behind[i].max(behind[i + 1]);
        }
    }
    let tail = (length - 1) / piece * piece;
    for (i, out) in out.iter_mut().enumerate() {
        let last = i + radius;
        *out = match i.checked_sub(radius) {
            // All from the beginning on, which is less than a piece.
            None => ahead[last.min(length - 1)],
            Some(first) if last < length => behind[first].max(ahead[last]),
            // All up to the end, which may be in the last piece or reach into it.
            Some(first) => behind[first].max(behind[tail.max(first)]),
        };
    }
}

/// Three box blurs that together have the variance of a Gaussian whose sigma is half of `amount`;
/// the ends are repeated. The outermost pixels of a box count by a fraction.
fn blur_line(values: &mut [f32], amount: f32, scratch: &mut Scratch) {
    // What each of the three boxes has of the variance.
    let sigma = f64::from(amount) / 2.0;
    let variance = sigma * sigma / 3.0;
    // The widest whole box that has no more, and the weight of one more pixel at either end that
    // makes up for the rest. A box of 2 n + 1 pixels has the variance n (n + 1) / 3.
    let whole = (((1.0 + 12.0 * variance).sqrt() - 1.0) / 2.0).floor();
    let width = 2.0 * whole + 1.0;
    let missing = variance - whole * (whole + 1.0) / 3.0;
    let part = missing * width / (2.0 * ((whole + 1.0).powi(2) - variance));
    if whole == 0.0 && part < 1e-4 {
        return;
    }
    let total = width + 2.0 * part;
    let reach = whole as isize;
    let line = &mut scratch.line;
    let last = values.len() as isize - 1;
    for _ in 0..3 {
        line.clear();
        line.extend_from_slice(values);
        let at = |i: isize| f64::from(line[i.clamp(0, last) as usize]);
        let mut sum: f64 = (-reach..=reach).map(at).sum();
        for (i, value) in (0..).zip(values.iter_mut()) {
            let edges = at(i - reach - 1) + at(i + reach + 1);
            *value = ((sum + part * edges) / total) as f32;
            sum += at(i + reach + 1) - at(i - reach);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use proptest::prelude::*;

    fn square(size: usize, from: usize, to: usize) -> Planes {
        let mut planes = Planes::new(size, size, 1);
        for y in from..to {
            planes.row_mut(0, y)[from..to].fill(1.0);
        }
        planes
    }

    fn shaped(hint: &Planes, shape: HintShape, scale: PixelScale) -> Planes {
        let mut hint = hint.clone();
        shape.apply(&mut hint, scale).unwrap();
        hint
    }

    fn sum(planes: &Planes) -> f32 {
        planes.data().iter().sum()
    }

    #[test]
    fn a_square_grows_and_shrinks_by_pixels_and_parts_of_them() {
        let hint = square(60, 20, 40);
        let grown = |grow| {
            let shape = HintShape {
                grow,
                ..HintShape::default()
            };
            sum(&shaped(&hint, shape, PixelScale::ONE))
        };
        assert_eq!(grown(3.0), 26.0 * 26.0);
        assert_eq!(grown(-4.0), 12.0 * 12.0);
        assert_eq!(grown(-30.0), 0.0);
        assert_eq!(grown(500.0), 3600.0);
        let half = grown(0.5);
        assert!((half - 21.0 * 21.0).abs() < 1e-2, "{half}");
        // A proxy and an anamorphic plate grow by as much of the picture.
        let shape = HintShape {
            grow: 4.0,
            ..HintShape::default()
        };
        let scale = PixelScale { x: 0.5, y: 0.25 };
        assert_eq!(sum(&shaped(&hint, shape, scale)), 24.0 * 22.0);
    }

    #[test]
    fn what_touches_the_border_stays_there() {
        let mut hint = Planes::new(30, 20, 1);
        hint.data_mut().fill(1.0);
        for shape in [
            HintShape {
                grow: -7.5,
                ..HintShape::default()
            },
            HintShape {
                blur: 9.0,
                ..HintShape::default()
            },
        ] {
            let out = shaped(&hint, shape, PixelScale::ONE);
            assert!(out.data().iter().all(|v| (v - 1.0).abs() < 1e-6));
        }
    }

    #[test]
    fn a_blur_keeps_the_sum_and_has_its_sigma() {
        let mut hint = Planes::new(101, 101, 1);
        hint.row_mut(0, 50)[50] = 1.0;
        for blur in [1.0, 5.0, 14.0_f32] {
            let shape = HintShape {
                blur,
                ..HintShape::default()
            };
            let out = shaped(&hint, shape, PixelScale::ONE);
            assert!((sum(&out) - 1.0).abs() < 1e-4);
            let variance: f32 = (0..101)
                .map(|x| {
                    (x as f32 - 50.0).powi(2) * (0..101).map(|y| out.row(0, y)[x]).sum::<f32>()
                })
                .sum();
            let wanted = (blur / 2.0).powi(2);
            assert!(
                (variance - wanted).abs() < 0.01 * wanted,
                "{blur}: {variance}"
            );
        }
    }

    #[test]
    fn levels_are_gain_gamma_and_inversion() {
        let hint = Planes::from_vec(3, 1, 1, vec![0.0, 0.25, 1.0]).unwrap();
        let levels = |invert, gain, gamma| {
            let shape = HintShape {
                invert,
                gain,
                gamma,
                ..HintShape::default()
            };
            shaped(&hint, shape, PixelScale::ONE).into_vec()
        };
        assert_eq!(levels(true, 1.0, 1.0), [1.0, 0.75, 0.0]);
        assert_eq!(levels(false, 2.0, 1.0), [0.0, 0.5, 1.0]);
        assert_eq!(levels(false, 1.0, 2.0), [0.0, 0.5, 1.0]);
        assert_eq!(levels(false, 0.0, 1.0), [0.0, 0.0, 0.0]);
    }

    #[test]
    fn outside_has_the_last_word() {
        let mut values = [0.5, 0.5, 0.5, 0.5];
        let inside = [0.0, 1.0, 0.2, 1.0];
        let outside = [0.0, 0.0, 1.0, 0.75];
        hold_to_masks(&mut values, Some(&inside), Some(&outside));
        assert_eq!(values, [0.5, 1.0, 0.0, 0.25]);
        hold_to_masks(&mut values, None, None);
        assert_eq!(values, [0.5, 1.0, 0.0, 0.25]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn growing_is_the_greatest_neighbour(
            line in prop::collection::vec(0.0_f32..1.0, 1..60), radius in 0_usize..70,
        ) {
            let mut out = line.clone();
            grow_line(&mut out, radius as f32, &mut Scratch::default());
            let mut least = line.clone();
            grow_line(&mut least, -(radius as f32), &mut Scratch::default());
            for i in 0..line.len() {
                let near = &line[i.saturating_sub(radius)..(i + radius + 1).min(line.len())];
                prop_assert_eq!(out[i], near.iter().copied().fold(0.0, f32::max));
                prop_assert_eq!(least[i], near.iter().copied().fold(1.0, f32::min));
            }
        }

        #[test]
        fn rows_and_columns_change_places(width in 1_usize..70, height in 1_usize..70) {
            let mut from = Planes::new(width, height, 1);
            for (i, value) in from.data_mut().iter_mut().enumerate() {
                *value = i as f32;
            }
            let mut to = Planes::new(height, width, 1);
            transpose(&from, &mut to);
            for y in 0..height {
                for x in 0..width {
                    prop_assert_eq!(to.row(0, x)[y], from.row(0, y)[x]);
                }
            }
        }
    }
}
