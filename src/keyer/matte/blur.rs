//! The blur of a matte: a Gaussian, across and down on their own, the border repeated.

use super::flat::{self, Flats};
use super::{Rows, for_rows};
use crate::keyer::settings::PixelScale;

/// No scale makes a larger deviation, in pixels; a broken one must not either.
const LARGEST: f64 = 341.0;
/// Columns that are summed together.
const BLOCK: usize = 16;

/// A symmetric kernel: the weight of the middle, then of each distance.
#[derive(Debug, Clone)]
pub(super) struct Gaussian(Vec<f32>);

impl Gaussian {
    /// Across and down, for a deviation in full-scale pixels; `None` when neither does anything.
    pub(super) fn pair(sigma: f32, scale: PixelScale) -> Option<[Self; 2]> {
        let pair = [scale.x, scale.y].map(|scale| Self::new(f64::from(sigma) * scale));
        pair.iter().any(|one| one.radius() > 0).then_some(pair)
    }

    /// The Gaussian out to three deviations, its sum 1.
    fn new(sigma: f64) -> Self {
        // Below this the nearest neighbour has no weight that a float would show.
        if sigma.is_nan() || sigma < 0.15 {
            return Self(vec![1.0]);
        }
        let sigma = sigma.min(LARGEST);
        let radius = (3.0 * sigma).ceil() as usize;
        let exact: Vec<f64> = (0..=radius)
            .map(|distance| (-0.5 * (distance as f64 / sigma).powi(2)).exp())
            .collect();
        let sum = exact[0] + 2.0 * exact[1..].iter().sum::<f64>();
        Self(exact.iter().map(|weight| (weight / sum) as f32).collect())
    }

    /// Pixels to either side that have a weight.
    pub(super) fn radius(&self) -> usize {
        self.0.len() - 1
    }
}

/// Fills `out` from `source`, which holds its rows and the radius of `down` more on either side,
/// as far as the picture goes.
pub(super) fn blur(source: &Rows<'_>, out: &mut Rows<'_>, across: &Gaussian, down: &Gaussian) {
    let (first, radius) = (out.first, across.radius());
    let (flats, all) = (Flats::of(source), source.range());
    for_rows(&mut out.planes, |line, out| {
        let (y, width) = (first + line, out.len());
        let reached = y.saturating_sub(down.radius())..=y + down.radius();
        let reached = (*reached.start()).max(all.start)..(*reached.end() + 1).min(all.end);
        let flat = flats.down(reached);
        let mut padded = vec![0.0; width + 2 * radius];
        let inner = &mut padded[radius..radius + width];
        flat::runs(&flat, width, |columns, value| match value {
            Some(value) => inner[columns].fill(value),
            None => vertical(source, y, down, columns.start, &mut inner[columns]),
        });
        let (left, right) = (inner[0], inner[width - 1]);
        padded[..radius].fill(left);
        padded[radius + width..].fill(right);
        let flat = flat::around(&flat, radius);
        flat::runs(&flat, width, |columns, value| match value {
            Some(value) => out[columns].fill(value),
            None => {
                let reached = columns.start..columns.end + 2 * radius;
                horizontal(&padded[reached], across, &mut out[columns]);
            }
        });
    });
}

/// Down the columns from `x0` on, rows beyond the picture's being its outermost.
fn vertical(source: &Rows<'_>, y: usize, kernel: &Gaussian, x0: usize, out: &mut [f32]) {
    let all = source.range();
    let row = |y: isize| source.row((y.max(all.start as isize) as usize).min(all.end - 1));
    let y = y as isize;
    let pairs: Vec<(&[f32], &[f32], f32)> = (0..)
        .zip(&kernel.0)
        .map(|(distance, weight)| (row(y - distance), row(y + distance), *weight))
        .collect();
    for (x, out) in (x0..).step_by(BLOCK).zip(out.chunks_mut(BLOCK)) {
        let mut sums = [0.0; BLOCK];
        for (index, (above, below, weight)) in pairs.iter().enumerate() {
            let (above, below) = (&above[x..x + out.len()], &below[x..x + out.len()]);
            add(&mut sums, above, below, *weight, index == 0);
        }
        out.copy_from_slice(&sums[..out.len()]);
    }
}

/// Across a row that has the radius more on either side.
fn horizontal(padded: &[f32], kernel: &Gaussian, out: &mut [f32]) {
    let radius = kernel.radius();
    for (x, out) in (0..).step_by(BLOCK).zip(out.chunks_mut(BLOCK)) {
        let mut sums = [0.0; BLOCK];
        for (distance, weight) in kernel.0.iter().enumerate() {
            let left = &padded[x + radius - distance..][..out.len()];
            let right = &padded[x + radius + distance..][..out.len()];
            add(&mut sums, left, right, *weight, distance == 0);
        }
        out.copy_from_slice(&sums[..out.len()]);
    }
}

/// Adds a pair of neighbours, or the middle, which is on its own.
#[inline(always)]
fn add(sums: &mut [f32; BLOCK], one: &[f32], other: &[f32], weight: f32, middle: bool) {
    if let (Ok(one), Ok(other)) = (
        <&[f32; BLOCK]>::try_from(one),
        <&[f32; BLOCK]>::try_from(other),
    ) {
        for ((sum, one), other) in sums.iter_mut().zip(one).zip(other) {
            *sum += weight * if middle { *one } else { one + other };
        }
    } else {
        for ((sum, one), other) in sums.iter_mut().zip(one).zip(other) {
            *sum += weight * if middle { *one } else { one + other };
        }
    }
}
