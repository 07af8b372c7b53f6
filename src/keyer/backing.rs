//! The light of the screen behind the subject, and whether a plate has light beyond 0..1.
//!
//! Both are looked at once, when the network runs, and kept with its answer. The screen's light is
//! a coarse grid: the mean of the plate, in linear light, where the network says that there is
//! nothing in front of it, spread smoothly over where there is.

use rayon::prelude::*;

use super::colour::Encoding;
use super::error::{Error, Result};
use super::geometry::Geometry;
use super::image::{Planes, Size};
use super::scratch::{Lease, Pool};
use super::survey::sweep;

/// Cells along the longer side.
const CELLS: usize = 24;
/// Rows and columns that are looked at for the screen's light, along the longer side.
const SAMPLES: usize = 1024;
/// Alpha below which there is nothing in front of the screen.
const CLEAR: f32 = 0.01;

/// See the [module](self). The default knows of no screen and of no light beyond 0..1.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Backing {
    /// Three planes of cells, linear light; `None` where no screen is seen.
    grid: Option<Planes>,
    /// Plate's pixels in a cell.
    cell: [f32; 2],
    beyond: bool,
}

/// Sums of red, green and blue, and the number of samples, for each cell of a line.
type Line = Vec<[f64; 4]>;

/// A plate's light where it is looked at for the screen's, and whether any of it lies beyond 0..1.
#[derive(Debug)]
pub struct Samples<'p> {
    /// Red, green and blue, linear, of every `stride`th pixel of every `stride`th row.
    planes: Lease<'p>,
    stride: usize,
    plate: Size,
    beyond: bool,
}

impl<'p> Samples<'p> {
    /// Room for the samples of a plate.
    pub(super) fn room(plate: Size, pool: &'p Pool) -> Result<Self> {
        let stride = plate.long().div_ceil(SAMPLES);
        let (across, down) = (plate.width.div_ceil(stride), plate.height.div_ceil(stride));
        Ok(Self {
            planes: pool.planes(across, down, 3)?,
            stride,
            plate,
            beyond: false,
        })
    }

    /// Room for all the rows, from the first on.
    pub(super) fn rows(&mut self) -> SampleRows<'_> {
        SampleRows {
            width: self.planes.width(),
            stride: self.stride,
            first: 0,
            out: self.planes.planes_mut(),
        }
    }

    pub(super) fn set_beyond(&mut self, beyond: bool) {
        self.beyond = beyond;
    }
}

/// Room for the samples of some rows of a plate.
pub(super) struct SampleRows<'a> {
    /// Samples in a row.
    width: usize,
    stride: usize,
    /// The first of the sampled rows, in samples.
    first: usize,
    out: [&'a mut [f32]; 3],
}

impl<'a> SampleRows<'a> {
    /// Those of the plate's rows up to `end`; what remains are those from there on.
    pub(super) fn split_off(&mut self, end: usize) -> SampleRows<'a> {
        let end = end.div_ceil(self.stride);
        let length = (end - self.first) * self.width;
        let out = self.out.each_mut().map(|out| {
            let (here, rest) = std::mem::take(out).split_at_mut(length);
            *out = rest;
            here
        });
        let first = std::mem::replace(&mut self.first, end);
        SampleRows {
            first,
            out,
            ..*self
        }
    }

    /// Takes the samples of row `y`, if it has any: one of the rows there is room for.
    pub(super) fn take(&mut self, y: usize, source: [&[f32]; 3], encoding: Encoding) {
        if !y.is_multiple_of(self.stride) {
            return;
        }
        let start = (y / self.stride - self.first) * self.width;
        let mut rows = self
            .out
            .each_mut()
            .map(|out| &mut out[start..start + self.width]);
        for (row, source) in rows.iter_mut().zip(source) {
            let samples = source.iter().step_by(self.stride);
            row.iter_mut()
                .zip(samples)
                .for_each(|(to, from)| *to = *from);
        }
        encoding.rows_to_linear(rows);
    }
}

impl Backing {
    /// Looks at a plate (three planes in `encoding`) with the network's alpha for it.
    ///
    /// # Errors
    /// When a picture has other planes than said, or is not the geometry's, or memory is short.
    pub fn new(
        plate: &Planes,
        encoding: Encoding,
        alpha: &Planes,
        geometry: &Geometry,
    ) -> Result<Self> {
        geometry.check(plate, alpha)?;
        let unpooled = Pool::new(0);
        let mut samples = Samples::room(geometry.plate, &unpooled)?;
        let rows = Some(samples.rows());
        let beyond = sweep(plate, encoding, geometry.plate, vec![], rows);
        samples.set_beyond(beyond);
        Self::of(&samples, alpha, geometry)
    }

    /// The same for a plate that was looked at in passing.
    ///
    /// # Errors
    /// When alpha has other planes than one, or the pictures are not the geometry's.
    pub fn of(samples: &Samples<'_>, alpha: &Planes, geometry: &Geometry) -> Result<Self> {
        alpha.check("predicted alpha", &[1], "1")?;
        alpha.check_size("predicted alpha", geometry.network)?;
        let size = samples.plate;
        if size != geometry.plate {
            return Err(Error::SizeMismatch {
                what: "plate",
                expected: geometry.plate,
                found: size,
            });
        }
        let stride = samples.stride;
        let side = size.long().div_ceil(CELLS);
        let (across, down) = (size.width.div_ceil(side), size.height.div_ceil(side));
        // Where a plate's pixel lies in the network's picture.
        let column = |x: usize| (2 * x + 1) * geometry.content.width / (2 * size.width);
        let row = |y: usize| (2 * y + 1) * geometry.content.height / (2 * size.height);
        let lines: Vec<Line> = (0..down)
            .into_par_iter()
            .map(|line| {
                let mut sums = vec![[0.0; 4]; across];
                let end = ((line + 1) * side).min(size.height);
                for y in (line * side).div_ceil(stride)..end.div_ceil(stride) {
                    let rgb = [0, 1, 2].map(|channel| samples.planes.row(channel, y));
                    let alpha = alpha.row(0, row(y * stride));
                    for x in 0..rgb[0].len() {
                        let at = x * stride;
                        if alpha[column(at)] < CLEAR {
                            let sum = &mut sums[at / side];
                            for (sum, row) in sum.iter_mut().zip(&rgb) {
                                *sum += f64::from(row[x]);
                            }
                            sum[3] += 1.0;
                        }
                    }
                }
                sums
            })
            .collect();
        Ok(Self {
            grid: spread(&lines, across),
            cell: [side as f32; 2],
            beyond: samples.beyond,
        })
    }

    /// Whether the plate has light below 0 or above 1.
    pub fn beyond(&self) -> bool {
        self.beyond
    }

    /// The screen's light in the columns from `x0` on of row `y`, linear between the cells'
    /// middles; 0 where no screen is seen. The three rows are equally long.
    pub(super) fn row(&self, y: usize, x0: usize, out: [&mut [f32]; 3]) {
        let Some(grid) = &self.grid else {
            out.into_iter().for_each(|out| out.fill(0.0));
            return;
        };
        let [wide, tall] = self.cell;
        let (above, below, down) = neighbours(y, tall, grid.height());
        let (mut from, end) = (x0, x0 + out[0].len());
        let mut out = out;
        // From one cell's middle to the next, where the light is a straight line.
        while from < end {
            let (left, right, _) = neighbours(from, wide, grid.width());
            let middle = (left as f32 + 1.5) * wide - 0.5;
            let next = if right == left {
                end
            } else {
                middle.ceil() as usize
            };
            let to = next.clamp(from + 1, end);
            for (channel, out) in out.iter_mut().enumerate() {
                let (above, below) = (grid.row(channel, above), grid.row(channel, below));
                let light = |cell: usize| above[cell] + down * (below[cell] - above[cell]);
                let (light, rise) = (light(left), light(right) - light(left));
                for (step, out) in out[from - x0..to - x0].iter_mut().enumerate() {
                    let across = position(from + step, wide, grid.width()) - left as f32;
                    *out = light + across * rise;
                }
            }
            from = to;
        }
    }
}

/// Where a pixel lies among the cells' middles.
#[inline(always)]
fn position(pixel: usize, cell: f32, cells: usize) -> f32 {
    ((pixel as f32 + 0.5) / cell - 0.5).clamp(0.0, (cells - 1) as f32)
}

/// The two cells whose middles a pixel lies between, and how far it is from the first.
fn neighbours(pixel: usize, cell: f32, cells: usize) -> (usize, usize, f32) {
    let position = position(pixel, cell, cells);
    let first = position as usize;
    (first, (first + 1).min(cells - 1), position - first as f32)
}

/// Means of the samples around each cell, nearer ones counting more.
fn spread(lines: &[Line], across: usize) -> Option<Planes> {
    let known: Vec<(usize, usize, [f64; 4])> = lines
        .iter()
        .enumerate()
        .flat_map(|(y, line)| line.iter().enumerate().map(move |(x, sum)| (x, y, *sum)))
        .filter(|(_, _, sum)| sum[3] > 0.0)
        .collect();
    if known.is_empty() {
        return None;
    }
    let mut grid = Planes::new(across, lines.len(), 3);
    for y in 0..lines.len() {
        for x in 0..across {
            let mut total = [0.0; 4];
            for (column, line, sum) in &known {
                let square = (x.abs_diff(*column).pow(2) + y.abs_diff(*line).pow(2)) as f64;
                let weight = (1.0 + square).powi(-3);
                for (total, sum) in total.iter_mut().zip(sum) {
                    *total += weight * sum;
                }
            }
            for channel in 0..3 {
                grid.row_mut(channel, y)[x] = (total[channel] / total[3]) as f32;
            }
        }
    }
    Some(grid)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::geometry::{Fit, SizeRule};
    use super::super::settings::Resolution;
    use super::*;

    fn geometry(size: Size) -> Geometry {
        let rule = SizeRule {
            fit: Fit::Aspect,
            multiple: 32,
            min: 32,
            max_long: 128,
            auto_long: 128,
        };
        Geometry::new(size, size, &rule, Resolution::Auto).unwrap()
    }

    /// A screen that is lit from the left, and a subject in the middle of it.
    fn scene(size: Size, subject: f32) -> (Planes, Planes, Geometry) {
        let geometry = geometry(size);
        let mut plate = Planes::new(size.width, size.height, 3);
        let inside = |u: f32, v: f32| (u - 0.5).hypot(v - 0.5) < 0.25;
        for y in 0..size.height {
            for x in 0..size.width {
                let (u, v) = (x as f32 / size.width as f32, y as f32 / size.height as f32);
                for channel in 0..3 {
                    let screen = [0.05, 0.6, 0.1][channel] * (1.3 - 0.6 * u);
                    plate.row_mut(channel, y)[x] = if inside(u, v) { subject } else { screen };
                }
            }
        }
        let network = geometry.network;
        let mut alpha = Planes::new(network.width, network.height, 1);
        for y in 0..network.height {
            for x in 0..network.width {
                let (u, v) = (
                    x as f32 / geometry.content.width as f32,
                    y as f32 / geometry.content.height as f32,
                );
                // A little more than the subject, as a soft edge is.
                alpha.row_mut(0, y)[x] = if (u - 0.5).hypot(v - 0.5) < 0.28 {
                    1.0
                } else {
                    0.0
                };
            }
        }
        (plate, alpha, geometry)
    }

    #[test]
    fn the_screen_is_continued_behind_the_subject() {
        let size = Size::new(240, 160);
        let (plate, alpha, geometry) = scene(size, 0.5);
        let backing = Backing::new(&plate, Encoding::Linear, &alpha, &geometry).unwrap();
        assert!(!backing.beyond());
        let mut rows = [vec![0.0; 240], vec![0.0; 240], vec![0.0; 240]];
        for y in [5, 80, 155] {
            backing.row(y, 0, rows.each_mut().map(Vec::as_mut_slice));
            for x in (0..240).step_by(17) {
                for channel in 0..3 {
                    let light = [0.05, 0.6, 0.1][channel] * (1.3 - 0.6 * x as f32 / 240.0);
                    let found = rows[channel][x];
                    assert!(
                        (found / light - 1.0).abs() < 0.15,
                        "{x} {y}: {found} {light}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_row_is_straight_between_the_cells_middles_and_the_same_in_every_window() {
        for size in [Size::new(240, 160), Size::new(7, 5), Size::new(311, 40)] {
            let (plate, alpha, geometry) = scene(size, 0.5);
            let backing = Backing::new(&plate, Encoding::Linear, &alpha, &geometry).unwrap();
            let grid = backing.grid.as_ref().unwrap();
            for y in 0..size.height {
                let row = |x0: usize, length: usize| {
                    let mut row = [0, 1, 2].map(|_| vec![0.0; length]);
                    backing.row(y, x0, row.each_mut().map(Vec::as_mut_slice));
                    row
                };
                let whole = row(0, size.width);
                let (above, below, down) = neighbours(y, backing.cell[1], grid.height());
                for x in 0..size.width {
                    let (left, right, across) = neighbours(x, backing.cell[0], grid.width());
                    for (channel, whole) in whole.iter().enumerate() {
                        let mean = |y: usize| {
                            let row = grid.row(channel, y);
                            row[left] + across * (row[right] - row[left])
                        };
                        let wanted = mean(above) + down * (mean(below) - mean(above));
                        let found = whole[x];
                        assert!((found - wanted).abs() < 1e-6, "{x} {y}: {found} {wanted}");
                    }
                }
                let x0 = (y * 13) % size.width;
                let length = (size.width - x0).min(1 + y % 40);
                for (part, whole) in row(x0, length).iter().zip(&whole) {
                    assert_eq!(part, &whole[x0..x0 + length]);
                }
            }
        }
    }

    #[test]
    fn light_beyond_white_and_black_is_found_and_no_screen_is_none() {
        let size = Size::new(70, 50);
        for (value, beyond) in [(0.5, false), (1.0, false), (1.5, true), (-0.01, true)] {
            let (mut plate, alpha, geometry) = scene(size, 0.5);
            plate.row_mut(1, 25)[35] = value;
            let backing = Backing::new(&plate, Encoding::Linear, &alpha, &geometry).unwrap();
            assert_eq!(backing.beyond(), beyond, "{value}");
        }
        let (mut plate, mut alpha, geometry) = scene(size, 0.5);
        alpha.data_mut().fill(1.0);
        plate.data_mut()[3] = f32::NAN;
        let backing = Backing::new(&plate, Encoding::Srgb, &alpha, &geometry).unwrap();
        let mut rows = [[1.0; 10]; 3];
        backing.row(3, 60, rows.each_mut().map(|row| &mut row[..]));
        assert!(rows.iter().all(|row| *row == [0.0; 10]));
        assert!(!backing.beyond(), "what is not a number is black");
    }
}
