//! The screen's colour as a smooth function of position: a clean plate as far as the plate itself
//! tells, for uneven light.
//!
//! On a grid of some hundred cells across, the means over what is screen for certain are fitted by a
//! surface of second order, robustly: cells that are far off it (a seam, a marker, a subject's edge)
//! count less each time, and not at all in the end. What the surface cannot follow (a hot spot, a
//! shadow) is added back where the screen was seen, and fades to the surface where it was not. The
//! result never leaves the range of what was seen. All of it depends on the whole plate alone, not
//! on windows; a proxy is brought to the same grid.

use rayon::prelude::*;

use super::super::colour::srgb::{self, Negative};
use super::super::error::Result;
use super::super::image::{Planes, Size};
use super::super::resample::{Kernel, resize};
use super::super::settings::Screen;
use super::{Look, Small, Typical, blurred, pixel};

/// Long side of the grid.
const GRID: usize = 120;
/// A cell counts when this part of it is screen.
const COVERED: f32 = 0.25;
/// With fewer cells than this there is one colour for all.
const ENOUGH: usize = 24;

/// An estimate of the plate without its subject.
#[derive(Debug, Clone, PartialEq)]
pub struct ScreenPlate {
    /// Linear light, Rec. 709 primaries: a small grid over the whole picture.
    grid: Planes,
    size: Size,
}

/// Estimates the plate without its subject; `None` where there is no screen to speak of.
///
/// # Errors
/// As [`hint_from_screen`](super::hint_from_screen).
pub fn screen_plate(look: &Look<'_>, screen: Screen) -> Result<Option<ScreenPlate>> {
    look.check()?;
    let small = Small::new(look, screen);
    let Some(typical) = Typical::of(&small, look.picked(), screen)? else {
        return Ok(None);
    };
    let mut grid = Model::fit(&small, &typical).colours;
    srgb::row_to_linear(grid.data_mut(), Negative::Clamp);
    let size = look.plate.size;
    Ok(Some(ScreenPlate { grid, size }))
}

impl ScreenPlate {
    /// Size of the picture that it is an estimate of.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Red, green and blue in linear light (Rec. 709 primaries) in row `y`, for the columns from
    /// `x0` on, linear between the grid's points. The three rows are equally long.
    pub fn row(&self, y: usize, x0: usize, out: [&mut [f32]; 3]) {
        let (above, below, down) = between(y, self.size.height, self.grid.height());
        for (channel, out) in out.into_iter().enumerate() {
            let (above, below) = (self.grid.row(channel, above), self.grid.row(channel, below));
            for (x, out) in (x0..).zip(out.iter_mut()) {
                let (left, right, across) = between(x, self.size.width, self.grid.width());
                let top = above[left] + across * (above[right] - above[left]);
                let low = below[left] + across * (below[right] - below[left]);
                *out = top + down * (low - top);
            }
        }
    }
}

/// The two grid points beside a pixel, and how far it is from the first to the second.
fn between(position: usize, pixels: usize, points: usize) -> (usize, usize, f32) {
    let at = (position as f32 + 0.5) * (points as f32 / pixels as f32) - 0.5;
    let at = at.clamp(0.0, (points - 1) as f32);
    let first = at as usize;
    (first, (first + 1).min(points - 1), at - first as f32)
}

/// The fitted colours.
pub(super) struct Model {
    /// sRGB-encoded: three planes of the grid.
    pub(super) colours: Planes,
}

/// Mean colours of the cells, and how much each counts.
struct Cells {
    size: Size,
    colours: Planes,
    weights: Vec<f32>,
}

impl Model {
    pub(super) fn fit(small: &Small<'_>, typical: &Typical) -> Self {
        let mut cells = Cells::new(small, typical);
        let seen = cells.weights.iter().filter(|weight| **weight > 0.0).count();
        if seen < ENOUGH {
            let mut colours = Planes::new(cells.size.width, cells.size.height, 3);
            for (channel, value) in typical.colour.into_iter().enumerate() {
                colours.plane_mut(channel).fill(value);
            }
            return Self { colours };
        }
        let mut range = [(0.0, 0.0); 3];
        range
            .par_iter_mut()
            .enumerate()
            .for_each(|(channel, range)| *range = cells.range(channel));
        let surface = cells.surface();
        let mut colours = cells.with_detail(&surface);
        for (channel, (least, most)) in range.into_iter().enumerate() {
            for value in colours.plane_mut(channel) {
                *value = value.clamp(least, most);
            }
        }
        Self { colours }
    }
}

impl Cells {
    fn new(small: &Small<'_>, typical: &Typical) -> Self {
        let from = small.picture.size();
        let factor = from.long().div_ceil(GRID).max(1);
        let size = Size::new(from.width.div_ceil(factor), from.height.div_ceil(factor));
        let width = from.width;
        let mut parts = Planes::new(width, from.height, 4);
        let [red, green, blue, covered] = parts.planes_mut();
        red.par_chunks_exact_mut(width)
            .zip(green.par_chunks_exact_mut(width))
            .zip(blue.par_chunks_exact_mut(width))
            .zip(covered.par_chunks_exact_mut(width))
            .enumerate()
            .for_each(|(y, (((red, green), blue), covered))| {
                let colours = [0, 1, 2].map(|channel| small.picture.row(channel, y));
                for (x, covered) in covered.iter_mut().enumerate() {
                    if small.is_certain(typical, y * width + x) {
                        red[x] = colours[0][x];
                        green[x] = colours[1][x];
                        blue[x] = colours[2][x];
                        *covered = 1.0;
                    }
                }
            });
        let parts = resize(&parts, size, Kernel::Triangle);
        let weights: Vec<f32> = parts
            .plane(3)
            .iter()
            .map(|weight| if *weight >= COVERED { *weight } else { 0.0 })
            .collect();
        let mut colours = Planes::new(size.width, size.height, 3);
        for channel in 0..3 {
            let sums = parts.plane(channel).iter().zip(parts.plane(3));
            for (colour, (sum, weight)) in colours.plane_mut(channel).iter_mut().zip(sums) {
                *colour = if *weight >= COVERED {
                    sum / weight
                } else {
                    0.0
                };
            }
        }
        Self {
            size,
            colours,
            weights,
        }
    }

    /// The least and greatest value that was seen in a channel, but for strays.
    fn range(&self, channel: usize) -> (f32, f32) {
        let mut seen: Vec<f32> = self
            .colours
            .plane(channel)
            .iter()
            .zip(&self.weights)
            .filter(|(_, weight)| **weight > 0.0)
            .map(|(value, _)| *value)
            .collect();
        let stray = seen.len() / 500;
        let last = seen.len() - 1 - stray;
        let most = *seen.select_nth_unstable_by(last, f32::total_cmp).1;
        let least = *seen.select_nth_unstable_by(stray, f32::total_cmp).1;
        (least, most)
    }

    /// The surface of second order through the cells; what is far off it loses its weight.
    ///
    /// By one thread: the cells are so few that waking others takes longer.
    fn surface(&mut self) -> [[f64; TERMS]; 3] {
        let mut seen: Vec<Seen> = (0..self.weights.len())
            .filter(|cell| self.weights[*cell] > 0.0)
            .map(|cell| {
                Seen::new(
                    self.terms(cell),
                    pixel(&self.colours, cell),
                    self.weights[cell],
                )
            })
            .collect();
        let mut off = vec![0.0_f32; seen.len()];
        let mut ranked = off.clone();
        let mut surface = [[0.0; TERMS]; 3];
        for _ in 0..5 {
            surface = least_squares(&seen);
            for (off, cell) in off.iter_mut().zip(&seen) {
                let (terms, colour) = (cell.terms(), cell.colour());
                let fitted = at(&surface, terms);
                *off = (0..3).fold(0.0, |most: f32, c| {
                    most.max((fitted[c] - colour[c] as f32).abs())
                });
            }
            ranked.copy_from_slice(&off);
            let middle = ranked.len() / 2;
            let median = *ranked.select_nth_unstable_by(middle, f32::total_cmp).1;
            // Tukey's weights: nothing counts beyond six times the median deviation.
            let limit = (6.0 * median).max(0.02);
            for (cell, off) in seen.iter_mut().zip(&off) {
                let part = (1.0 - (off / limit).powi(2)).max(0.0);
                cell.weight = cell.whole * part * part;
            }
        }
        let weights = self.weights.iter_mut().filter(|weight| **weight > 0.0);
        for (weight, cell) in weights.zip(&seen) {
            *weight = cell.weight;
        }
        surface
    }

    /// The surface, and around what was seen the rest that it does not follow.
    fn with_detail(&self, surface: &[[f64; TERMS]; 3]) -> Planes {
        let Size { width, height } = self.size;
        let radius = self.size.long() / 12;
        let weights = Planes::of_exact(width, height, 1, self.weights.clone());
        let around = blurred(&weights, radius);
        let mut out = Planes::new(width, height, 3);
        let surface: Vec<[f32; 3]> = (0..self.weights.len())
            .map(|cell| at(surface, &self.terms(cell)))
            .collect();
        let planes = out.data_mut().par_chunks_exact_mut(surface.len());
        planes.enumerate().for_each(|(channel, out)| {
            let fitted: Vec<f32> = surface.iter().map(|colour| colour[channel]).collect();
            let rest = (0..fitted.len())
                .map(|cell| (self.colours.plane(channel)[cell] - fitted[cell]) * self.weights[cell])
                .collect();
            let rest = blurred(&Planes::of_exact(width, height, 1, rest), radius);
            for (cell, out) in out.iter_mut().enumerate() {
                // A little of nothing everywhere, which decides where the screen was not seen.
                *out = fitted[cell] + rest.data()[cell] / (around.data()[cell] + 0.05);
            }
        });
        out
    }

    /// 1, u, v, u², uv, v² with u and v from -1 to 1 over the picture, the squares less their means.
    fn terms(&self, cell: usize) -> [f64; TERMS] {
        let place = |at: usize, of: usize| (2 * at + 1) as f64 / of as f64 - 1.0;
        let u = place(cell % self.size.width, self.size.width);
        let v = place(cell / self.size.width, self.size.height);
        [1.0, u, v, u * u - 1.0 / 3.0, u * v, v * v - 1.0 / 3.0]
    }
}

/// A cell in which the screen was seen.
struct Seen {
    /// Its terms, its colour (sRGB-encoded), and a 0 that makes them even.
    values: [f64; TERMS + 4],
    /// The part of it that is screen.
    whole: f32,
    /// How much it counts.
    weight: f32,
}

impl Seen {
    fn new(terms: [f64; TERMS], colour: [f32; 3], weight: f32) -> Self {
        let mut values = [0.0; TERMS + 4];
        values[..TERMS].copy_from_slice(&terms);
        values[TERMS..TERMS + 3].copy_from_slice(&colour.map(f64::from));
        Self {
            values,
            whole: weight,
            weight,
        }
    }

    fn terms(&self) -> &[f64; TERMS] {
        self.values.first_chunk().unwrap_or(&[0.0; TERMS])
    }

    fn colour(&self) -> &[f64] {
        &self.values[TERMS..]
    }
}

/// The surface that is nearest to the cells, for each channel.
fn least_squares(seen: &[Seen]) -> [[f64; TERMS]; 3] {
    // What the three have in common, and their right sides in the last columns.
    let mut matrix = [[0.0; TERMS + 4]; TERMS];
    let mut total = 0.0;
    for cell in seen.iter().filter(|cell| cell.weight > 0.0) {
        let weight = f64::from(cell.weight);
        total += weight;
        for (term, row) in matrix.iter_mut().enumerate() {
            let weighted = weight * cell.values[term];
            for (sum, value) in row.iter_mut().zip(&cell.values) {
                *sum += weighted * value;
            }
        }
    }
    // A little resistance to slopes, and more to bends, keeps a corner of screen from making a
    // steep surface of its noise.
    for (term, row) in matrix.iter_mut().enumerate() {
        row[term] += total * [1e-9, 1e-4, 1e-4, 1e-3, 1e-3, 1e-3][term] + 1e-12;
    }
    [0, 1, 2].map(|channel| {
        let of_channel = |row: &[f64; TERMS + 4]| {
            let mut out = [row[TERMS + channel]; TERMS + 1];
            out[..TERMS].copy_from_slice(&row[..TERMS]);
            out
        };
        solved(matrix.each_ref().map(of_channel))
    })
}

/// Terms of the surface.
const TERMS: usize = 6;

/// The surface's colour in a cell of these terms.
fn at(surface: &[[f64; TERMS]; 3], terms: &[f64; TERMS]) -> [f32; 3] {
    surface.map(|of| {
        let value: f64 = of.iter().zip(terms).map(|(of, term)| of * term).sum();
        value as f32
    })
}

/// Solves a positive system, its right side in the last column.
fn solved(mut m: [[f64; TERMS + 1]; TERMS]) -> [f64; TERMS] {
    for k in 0..TERMS {
        let (above, below) = m.split_at_mut(k + 1);
        let pivot = &above[k];
        for row in below {
            let factor = row[k] / pivot[k];
            for (value, pivot) in row.iter_mut().zip(pivot).skip(k) {
                *value -= factor * pivot;
            }
        }
    }
    let mut out = [0.0; TERMS];
    for k in (0..TERMS).rev() {
        let known: f64 = (k + 1..TERMS)
            .map(|column| m[k][column] * out[column])
            .sum();
        out[k] = (m[k][TERMS] - known) / m[k][k];
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::super::colour::Light;
    use super::super::Overview;
    use super::*;

    /// The light on a screen: brighter in the middle, and a slope.
    fn light(u: f32, v: f32) -> f32 {
        0.9 - 0.35 * (u - 0.55).powi(2) - 0.3 * (v - 0.4).powi(2) - 0.15 * u
    }

    fn scene(size: Size) -> Planes {
        let mut planes = Planes::new(size.width, size.height, 3);
        for y in 0..size.height {
            for x in 0..size.width {
                let (u, v) = (x as f32 / size.width as f32, y as f32 / size.height as f32);
                let subject = (0.3..0.6).contains(&u) && v > 0.35;
                let marker = x * 480 / size.width % 80 < 5 && y * 480 / size.width % 80 < 5;
                let colour = if subject {
                    [0.6, 0.45, 0.4]
                } else if marker {
                    [0.05, 0.35, 0.1]
                } else {
                    [0.2, 0.8, 0.3].map(|part| part * light(u, v))
                };
                for (channel, value) in colour.into_iter().enumerate() {
                    planes.row_mut(channel, y)[x] = value;
                }
            }
        }
        planes
    }

    fn estimate(plate: &Planes) -> ScreenPlate {
        let look = Look {
            plate: &Overview::new(plate, Light::Srgb).unwrap(),
            picked: None,
            taken: None,
        };
        screen_plate(&look, Screen::Green).unwrap().unwrap()
    }

    #[test]
    fn the_clean_plate_follows_the_light_behind_the_subject_too() {
        let size = Size::new(640, 360);
        let plate = scene(size);
        let clean = estimate(&plate);
        assert_eq!(clean.size(), size);
        let mut rows = [vec![0.0; 640], vec![0.0; 640], vec![0.0; 640]];
        for y in (0..360).step_by(7) {
            clean.row(y, 0, rows.each_mut().map(Vec::as_mut_slice));
            for x in (0..640).step_by(7) {
                let light = light(x as f32 / 640.0, y as f32 / 360.0);
                for (channel, part) in [0.2, 0.8, 0.3].into_iter().enumerate() {
                    let found = srgb::linear_to_srgb(rows[channel][x]);
                    let wanted = part * light;
                    assert!(
                        (found - wanted).abs() < 0.03,
                        "{found} for {wanted} at {x} {y}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_part_of_a_row_is_the_row_and_a_proxy_is_the_picture() {
        let plate = scene(Size::new(640, 360));
        let clean = estimate(&plate);
        let row = |clean: &ScreenPlate, y, x0, length| {
            let mut rows = [vec![0.0; length], vec![0.0; length], vec![0.0; length]];
            clean.row(y, x0, rows.each_mut().map(Vec::as_mut_slice));
            rows
        };
        let whole = row(&clean, 77, 0, 640);
        let part = row(&clean, 77, 100, 31);
        assert_eq!(part[1], whole[1][100..131]);
        let proxy = scene(Size::new(64, 36));
        let small = estimate(&proxy);
        let proxy = row(&small, 18, 0, 64);
        let full = row(&clean, 184, 0, 640);
        for x in 0..64 {
            let (a, b) = (proxy[1][x], full[1][10 * x + 5]);
            assert!((a - b).abs() < 0.04, "{a} and {b} at {x}");
        }
    }
}
