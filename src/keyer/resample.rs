//! Changing a picture's size, in the two ways that the network was trained and judged with.
//!
//! * **Into** the network: *antialiased bilinear*, a triangle as wide as the reduction. Per axis
//!   with `scale = in / out`: half-width `max(scale, 1)`, centre `(i + 0.5) scale`, weights
//!   `1 - |(k - centre + 0.5) / half-width|`, normalised, cut at the border. An enlarged axis is
//!   plain bilinear. Source: PyTorch's `interpolate(mode="bilinear", antialias=True)`.
//! * **Back** to the plate: *Lanczos of order 4*, 8 taps, half-pixel centres, the border repeated,
//!   never widened for a reduction, never limited: `sinc(d) sinc(d / 4)`, normalised. Source:
//!   OpenCV's `INTER_LANCZOS4`.
//!
//! Both are separable, so an axis is a list of weights, and one row of the result is made on its
//! own: first down the columns, then across with four rows side by side: those of four planes, or
//! four of one plane. Rows therefore are the same whoever asks for them, and each costs the same.

mod flow;

use std::ops::Range;

use rayon::prelude::*;

use super::error::Result;
use super::image::{Planes, Size};
use super::scratch::Pool;

pub(super) use flow::Flow;

/// Which weights are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// Antialiased bilinear.
    Triangle,
    /// Lanczos of order 4, not antialiased.
    Lanczos4,
}

/// Results of an axis whose weights one task finds, at least.
const RESULTS: usize = 128;

/// The weights of one axis: every result is a sum over `taps` neighbours from `starts[i]` on.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    taps: usize,
    starts: Vec<usize>,
    weights: Vec<f32>,
    identity: bool,
}

impl Axis {
    /// The axis that makes `output` values of `input` values. Both are at least 1.
    ///
    /// # Panics
    /// When one of them is 0.
    pub fn new(kernel: Kernel, input: usize, output: usize) -> Self {
        assert!(input > 0 && output > 0, "an axis has at least one value");
        // In parallel: a large plate's two axes have thousands of results with sixteen sines each.
        let tap_lists: Vec<(usize, Vec<f64>)> = (0..output)
            .into_par_iter()
            .with_min_len(RESULTS)
            .map(|index| match kernel {
                Kernel::Triangle => triangle(input, output, index),
                Kernel::Lanczos4 => lanczos4(input, output, index),
            })
            .collect();
        let taps = tap_lists
            .iter()
            .map(|(_, weights)| weights.len())
            .max()
            .unwrap_or(1);
        let mut axis = Self {
            taps,
            starts: Vec::with_capacity(output),
            weights: Vec::with_capacity(output * taps),
            identity: input == output,
        };
        for (start, weights) in &tap_lists {
            // Lists shorter than the longest get zeros, on whichever side there is room.
            let moved = (*start).min(input - taps);
            let before = start - moved;
            axis.starts.push(moved);
            axis.weights.extend((0..taps).map(|tap| {
                tap.checked_sub(before)
                    .and_then(|tap| weights.get(tap))
                    .map_or(0.0, |weight| *weight as f32)
            }));
        }
        axis
    }

    /// The neighbours of one result: the first one's number, and the weights from it on.
    fn taps(&self, index: usize) -> (usize, &[f32]) {
        (
            self.starts[index],
            &self.weights[index * self.taps..(index + 1) * self.taps],
        )
    }
}

/// Antialiased bilinear weights of result `index`.
fn triangle(input: usize, output: usize, index: usize) -> (usize, Vec<f64>) {
    let scale = input as f64 / output as f64;
    let reach = scale.max(1.0);
    let centre = (index as f64 + 0.5) * scale;
    // Truncation, as the original has it; below 0 the border cuts.
    let first = ((centre - reach + 0.5) as i64).max(0) as usize;
    let last = ((centre + reach + 0.5) as usize).min(input);
    let mut weights: Vec<f64> = (first..last)
        .map(|k| (1.0 - ((k as f64 - centre + 0.5) / reach).abs()).max(0.0))
        .collect();
    normalise(&mut weights);
    (first, weights)
}

/// Lanczos weights of result `index`, those beyond the border added to the border's.
fn lanczos4(input: usize, output: usize, index: usize) -> (usize, Vec<f64>) {
    let position = (index as f64 + 0.5) * (input as f64 / output as f64) - 0.5;
    let floor = position.floor();
    let fraction = position - floor;
    let mut weights: Vec<f64> = (0..8)
        .map(|tap| {
            let d = fraction + 3.0 - f64::from(tap);
            sinc(d) * sinc(d / 4.0)
        })
        .collect();
    normalise(&mut weights);
    let last = input - 1;
    let clamp = |k: f64| k.clamp(0.0, last as f64) as usize;
    let first = clamp(floor - 3.0);
    let mut folded = vec![0.0; clamp(floor + 4.0) - first + 1];
    for (tap, weight) in weights.iter().enumerate() {
        folded[clamp(floor - 3.0 + tap as f64) - first] += weight;
    }
    (first, folded)
}

/// sin(πd) / (πd).
fn sinc(d: f64) -> f64 {
    let angle = std::f64::consts::PI * d;
    if angle.abs() < 1e-9 {
        1.0
    } else {
        angle.sin() / angle
    }
}

fn normalise(weights: &mut [f64]) {
    let sum: f64 = weights.iter().sum();
    for weight in weights {
        *weight /= sum;
    }
}

/// Two axes: everything that is known before the pixels are.
#[derive(Debug, Clone, PartialEq)]
pub struct Resampler {
    x: Axis,
    y: Axis,
    from: Size,
    to: Size,
}

/// What one thread needs to make rows.
#[derive(Debug, Clone, Default)]
pub struct RowScratch {
    columns: Vec<f32>,
    lanes: Vec<[f32; 4]>,
}

impl RowScratch {
    /// Room for `N` rows of the source's width, and for as many side by side. What is in there is of
    /// no account, and what was larger stays.
    fn room<const N: usize>(&mut self, width: usize) -> (&mut [f32], &mut [[f32; 4]]) {
        if self.columns.len() < N * width {
            self.columns.resize(N * width, 0.0);
        }
        if self.lanes.len() < width {
            self.lanes.resize(width, [0.0; 4]);
        }
        (&mut self.columns[..N * width], &mut self.lanes[..width])
    }
}

/// A plane to be resampled: rows of `stride` values, of which the resampler's width is used.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The values.
    pub data: &'a [f32],
    /// From a row's first value to the next row's.
    pub stride: usize,
}

impl<'a> Source<'a> {
    /// One plane of a picture.
    pub fn plane(planes: &'a Planes, channel: usize) -> Self {
        Self {
            data: planes.plane(channel),
            stride: planes.width(),
        }
    }

    fn row(&self, y: usize, width: usize) -> &'a [f32] {
        &self.data[y * self.stride..][..width]
    }
}

impl Resampler {
    /// The way from one size to another. Both have pixels.
    ///
    /// # Panics
    /// When one of the sizes is empty.
    pub fn new(kernel: Kernel, from: Size, to: Size) -> Self {
        Self {
            x: Axis::new(kernel, from.width, to.width),
            y: Axis::new(kernel, from.height, to.height),
            from,
            to,
        }
    }

    /// Values in a row of the result.
    pub(super) fn width(&self) -> usize {
        self.to.width
    }

    /// Rows of the result.
    pub(super) fn height(&self) -> usize {
        self.to.height
    }

    /// Makes row `y` of the result for up to four planes at once. `map` is applied to every
    /// sample before it is weighed.
    ///
    /// # Panics
    /// When `N` exceeds 4, the sources are smaller than `from`, or a row of `out` is not `to.width`
    /// long.
    pub fn row<const N: usize>(
        &self,
        source: [Source<'_>; N],
        y: usize,
        scratch: &mut RowScratch,
        out: [&mut [f32]; N],
        map: impl Fn(f32) -> f32 + Copy,
    ) {
        let out = out.map(|row| &mut row[..self.to.width]);
        self.lines(source.map(|source| (source, y)), 0, scratch, out, map);
    }

    /// Makes parts of up to four rows at once, each of a plane and a row of the result of its own: the
    /// columns from `x0` on, as many as a row of `out` has. All are equally long.
    ///
    /// # Panics
    /// As [`row`](Self::row).
    pub(super) fn lines<const N: usize>(
        &self,
        lines: [(Source<'_>, usize); N],
        x0: usize,
        scratch: &mut RowScratch,
        out: [&mut [f32]; N],
        map: impl Fn(f32) -> f32 + Copy,
    ) {
        assert!(
            (1..=4).contains(&N),
            "rows are made for at most four planes at once"
        );
        let wanted = x0..x0 + out[0].len();
        if self.x.identity || wanted.is_empty() {
            for ((source, y), out) in lines.iter().zip(out) {
                self.down(source, *y, x0, out, map);
            }
            return;
        }
        let needed = self.x.starts[wanted.start]..self.x.starts[wanted.end - 1] + self.x.taps;
        let (columns, lanes) = scratch.room::<N>(needed.len());
        for ((source, y), columns) in lines.iter().zip(columns.chunks_exact_mut(needed.len())) {
            self.down(source, *y, needed.start, columns, map);
        }
        side_by_side::<N>(columns, lanes);
        self.across(lanes, needed.start, wanted, out);
    }

    /// Makes rows of a plane from row `y` of the result on: `out` has `stride` values for each, of which
    /// the first are written.
    ///
    /// # Panics
    /// As [`row`](Self::row), and when `stride` is less than the width of the result.
    pub(super) fn rows(
        &self,
        source: Source<'_>,
        y: usize,
        scratch: &mut RowScratch,
        out: &mut [f32],
        stride: usize,
        map: impl Fn(f32) -> f32 + Copy,
    ) {
        let mut y = y;
        let mut fours = out.chunks_exact_mut(TOGETHER * stride);
        for four in &mut fours {
            let mut rows = four.chunks_exact_mut(stride);
            let out = [(); TOGETHER].map(|()| rows.next().unwrap_or_default());
            let out = out.map(|row| &mut row[..self.to.width]);
            let lines = [0, 1, 2, 3].map(|line| (source, y + line));
            self.lines(lines, 0, scratch, out, map);
            y += TOGETHER;
        }
        for row in fours.into_remainder().chunks_exact_mut(stride) {
            self.row([source], y, scratch, [row], map);
            y += 1;
        }
    }

    /// Down the columns: row `y` of the result in the source's columns from `x0` on.
    #[inline]
    fn down(
        &self,
        source: &Source<'_>,
        y: usize,
        x0: usize,
        out: &mut [f32],
        map: impl Fn(f32) -> f32,
    ) {
        if self.y.identity {
            let row = &source.row(y, self.from.width)[x0..];
            for (out, value) in out.iter_mut().zip(row) {
                *out = map(*value);
            }
            return;
        }
        let (start, weights) = self.y.taps(y);
        const BLOCK: usize = 16;
        let mut blocks = out.chunks_exact_mut(BLOCK);
        let mut x = x0;
        for block in &mut blocks {
            let mut sums = [0.0_f32; BLOCK];
            for (row, weight) in (start..).zip(weights) {
                let values = &source.data[row * source.stride + x..][..BLOCK];
                for (sum, value) in sums.iter_mut().zip(values) {
                    *sum += weight * map(*value);
                }
            }
            block.copy_from_slice(&sums);
            x += BLOCK;
        }
        for out in blocks.into_remainder() {
            *out = (start..).zip(weights).fold(0.0, |sum, (row, weight)| {
                sum + weight * map(source.data[row * source.stride + x])
            });
            x += 1;
        }
    }

    /// Across: the columns `wanted` of all rows at once, a row in each lane. `lanes` are the source's
    /// columns from `base` on.
    #[inline]
    fn across<const N: usize>(
        &self,
        lanes: &[[f32; 4]],
        base: usize,
        wanted: Range<usize>,
        out: [&mut [f32]; N],
    ) {
        // The number of taps is known to the compiler where it is the one of every enlargement, or of
        // a plate that is brought to about half its size.
        match self.x.taps {
            HALF => self.across_taps(lanes, base, wanted, out, HALF),
            LANCZOS => self.across_taps(lanes, base, wanted, out, LANCZOS),
            taps => self.across_taps(lanes, base, wanted, out, taps),
        }
    }

    #[inline(always)]
    fn across_taps<const N: usize>(
        &self,
        lanes: &[[f32; 4]],
        base: usize,
        wanted: Range<usize>,
        mut out: [&mut [f32]; N],
        taps: usize,
    ) {
        let starts = &self.x.starts[wanted.clone()];
        let weights = &self.x.weights[wanted.start * taps..wanted.end * taps];
        let sum = |start: usize, weights: &[f32]| {
            let mut sums = [0.0_f32; 4];
            for (values, weight) in lanes[start - base..][..taps].iter().zip(weights) {
                for (sum, value) in sums.iter_mut().zip(values) {
                    *sum += weight * value;
                }
            }
            sums
        };
        // Four results at a time, so that sums do not wait for each other and whole vectors are
        // written.
        let (starts, last_starts) = starts.as_chunks::<4>();
        let (fours, last) = weights.split_at(4 * taps * starts.len());
        for (index, (starts, weights)) in
            starts.iter().zip(fours.chunks_exact(4 * taps)).enumerate()
        {
            let mut sums = [[0.0_f32; 4]; 4];
            for ((sums, start), weights) in
                sums.iter_mut().zip(starts).zip(weights.chunks_exact(taps))
            {
                *sums = sum(*start, weights);
            }
            for (lane, out) in out.iter_mut().enumerate() {
                out[4 * index..][..4].copy_from_slice(&sums.map(|sums| sums[lane]));
            }
        }
        let first = 4 * starts.len();
        for (index, (start, weights)) in last_starts.iter().zip(last.chunks_exact(taps)).enumerate()
        {
            let sums = sum(*start, weights);
            for (out, sum) in out.iter_mut().zip(sums) {
                out[first + index] = sum;
            }
        }
    }
}

/// Taps of a Lanczos kernel of order 4.
const LANCZOS: usize = 8;
/// Taps of a triangle for a reduction by up to 2, as from 3840 to 2048.
const HALF: usize = 4;
/// Rows of one plane that are made at once: as many as there are lanes.
pub(super) const TOGETHER: usize = 4;

/// Puts `N` rows, which lie one after the other, side by side: a row in each lane.
fn side_by_side<const N: usize>(rows: &[f32], lanes: &mut [[f32; 4]]) {
    let mut rows = rows.chunks_exact(lanes.len());
    let rows: [&[f32]; N] = [(); N].map(|()| rows.next().unwrap_or_default());
    let rows = rows.map(|row| &row[..lanes.len()]);
    for (x, lanes) in lanes.iter_mut().enumerate() {
        // All of them are written, so that whole vectors are.
        *lanes = std::array::from_fn(|lane| rows.get(lane).map_or(0.0, |row| row[x]));
    }
}

/// A whole picture in another size, rows in parallel.
///
/// # Panics
/// When one of the sizes is empty.
pub fn resize(planes: &Planes, to: Size, kernel: Kernel) -> Planes {
    let mut out = Planes::new(to.width, to.height, planes.channels());
    resize_into(planes, &mut out, kernel);
    out
}

/// The same, into a picture of as many channels.
///
/// # Panics
/// When one of the sizes is empty, or the numbers of channels differ.
pub fn resize_into(planes: &Planes, out: &mut Planes, kernel: Kernel) {
    assert_eq!(planes.channels(), out.channels(), "channels");
    let to = out.size();
    let resampler = Resampler::new(kernel, planes.size(), to);
    for channel in 0..planes.channels() {
        let source = Source::plane(planes, channel);
        out.plane_mut(channel)
            .par_chunks_mut(TOGETHER * to.width)
            .enumerate()
            .for_each_init(RowScratch::default, |scratch, (four, rows)| {
                let y = TOGETHER * four;
                resampler.rows(source, y, scratch, rows, to.width, |value| value);
            });
    }
}

/// As [`resize_into`] for a picture that becomes larger, with something done to every value of the
/// result: across first, since there are few rows yet, and then down. What lies between is lent by
/// `pool`.
///
/// # Errors
/// When memory is short.
///
/// # Panics
/// As [`resize_into`].
pub(super) fn enlarge_into(
    planes: &Planes,
    out: &mut Planes,
    kernel: Kernel,
    pool: &Pool,
    finish: impl Fn(f32) -> f32 + Sync,
) -> Result<()> {
    let (from, to) = (planes.size(), out.size());
    let mut wide = pool.planes(to.width, from.height, planes.channels())?;
    resize_into(planes, &mut wide, kernel);
    let resampler = Resampler::new(kernel, wide.size(), to);
    for channel in 0..planes.channels() {
        let source = Source::plane(&wide, channel);
        out.plane_mut(channel)
            .par_chunks_exact_mut(to.width)
            .enumerate()
            .for_each(|(y, row)| {
                resampler.down(&source, y, 0, row, |value| value);
                row.iter_mut().for_each(|value| *value = finish(*value));
            });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
