//! Moving a matte's edges, outwards or inwards, by any fraction of a pixel.
//!
//! Growing takes the largest value under a disc around each pixel; shrinking the smallest, which
//! is growing of `1 - alpha`. So every contour of a soft edge moves by the radius, and the edge's
//! own softness stays. What lies outside the picture counts for nothing: a subject that the frame
//! cuts is not eaten from there.
//!
//! The disc is worked line by line. A line of the half-width `w` takes the mean of what the whole
//! half-widths below and above `w` would take, by the fraction; the disc's outermost line, beyond
//! its radius, fades in by the fraction of the radius. Both are continuous, so that an animated
//! radius moves an edge smoothly, across and down alike. Pixels that are not square, and proxies,
//! make the disc an ellipse in pixels.

use std::ops::Range;

use rayon::prelude::*;

use super::Rows;
use super::flat::{self, Flats};
use crate::keyer::settings::PixelScale;

/// Rows that one task works on; neighbours overlap by the disc's reach, which is then done twice.
const BAND: usize = 64;
/// No scale makes a larger radius, in pixels; a broken one must not either.
const LARGEST: f64 = 1024.0;
/// Fractions below this are none.
const SLIVER: f64 = 1e-3;

/// The disc, and whether it grows or shrinks.
#[derive(Debug, Clone)]
pub(super) struct Disc {
    /// From the outermost to the middle, so that half-widths ascend.
    lines: Vec<Line>,
    /// The weight of the line beyond the last whole one; 0 for none.
    fade: f32,
    /// 1 to grow, -1 to shrink: the largest of the negatives is the negative of the smallest.
    sign: f32,
}

/// A line of the disc, and its mirror image on the other side of the middle.
#[derive(Debug, Clone, PartialEq)]
struct Line {
    /// Rows from the middle.
    distance: usize,
    /// Half-width: whole pixels and the fraction of one more.
    whole: usize,
    part: f32,
}

/// Whole pixels, and the fraction of one more.
fn split(length: f64) -> (usize, f32) {
    let whole = (length + SLIVER).floor();
    let part = (length - whole).max(0.0);
    (
        whole as usize,
        if part < SLIVER { 0.0 } else { part as f32 },
    )
}

impl Disc {
    /// The disc that moves edges by `radius` full-scale pixels, inwards when it is below 0; `None`
    /// when that is nothing.
    pub(super) fn new(radius: f32, scale: PixelScale) -> Option<Self> {
        let axis = |scale: f64| (f64::from(radius).abs() * scale).clamp(0.0, LARGEST);
        let (across, down) = (axis(scale.x), axis(scale.y));
        if !(across >= SLIVER || down >= SLIVER) {
            return None;
        }
        let (last, fade) = split(down);
        let lines = (0..=last).rev().map(|distance| {
            let height = distance as f64 / down.max(SLIVER);
            let (whole, part) = split(across * (1.0 - height * height).max(0.0).sqrt());
            Line {
                distance,
                whole,
                part,
            }
        });
        Some(Self {
            lines: lines.collect(),
            fade,
            sign: if radius < 0.0 { -1.0 } else { 1.0 },
        })
    }

    /// Rows to either side that it looks at.
    pub(super) fn reach(&self) -> usize {
        self.lines.len() - 1 + usize::from(self.fade > 0.0)
    }

    /// Fills `out` from `source`, which holds its rows and [`reach`](Self::reach) more on either
    /// side, as far as the picture goes.
    pub(super) fn apply(&self, source: &Rows<'_>, out: &mut Rows<'_>) {
        let (width, top) = (out.planes.width(), out.first);
        if width == 0 {
            return;
        }
        let band = BAND.max(2 * self.reach());
        let flats = Flats::of(source);
        out.planes
            .data_mut()
            .par_chunks_mut(band * width)
            .enumerate()
            .for_each(|(index, out)| self.band(source, &flats, top + index * band, width, out));
    }

    /// Columns to either side that it looks at.
    fn across(&self) -> usize {
        self.lines.last().map_or(0, |line| line.whole + 1)
    }

    /// The rows from `first` on: where all that the disc reaches has one value, that is it.
    fn band(&self, source: &Rows<'_>, flats: &Flats, first: usize, width: usize, out: &mut [f32]) {
        let (all, reach) = (source.range(), self.reach());
        let end = first + out.len() / width;
        let reached = first.saturating_sub(reach).max(all.start)..(end + reach).min(all.end);
        let flat = flat::around(&flats.down(reached), self.across());
        flat::runs(&flat, width, |columns, value| match value {
            Some(value) => out
                .chunks_exact_mut(width)
                .for_each(|row| row[columns.clone()].fill(value)),
            None => {
                let from = columns.start.saturating_sub(self.across());
                let seen = from..(columns.end + self.across()).min(width);
                let mut part = vec![0.0; (end - first) * seen.len()];
                self.part(source, first, &seen, &mut part);
                let own = columns.start - from..columns.end - from;
                for (row, part) in out
                    .chunks_exact_mut(width)
                    .zip(part.chunks_exact(seen.len()))
                {
                    row[columns.clone()].copy_from_slice(&part[own.clone()]);
                }
            }
        });
    }

    /// The rows from `first` on of the columns `seen`, as if there were no others.
    fn part(&self, source: &Rows<'_>, first: usize, seen: &Range<usize>, out: &mut [f32]) {
        let width = seen.len();
        let end = first + out.len() / width;
        let reach = self.reach();
        let mut wide = Widened::new(width);
        let mut mean = vec![0.0; width];
        let mut beyond = vec![f32::NEG_INFINITY; if self.fade > 0.0 { out.len() } else { 0 }];
        out.fill(f32::NEG_INFINITY);
        let all = source.range();
        let gather = |target: &mut [f32], y: usize, distance: usize, row: &[f32]| {
            let below = (distance > 0).then_some(y + distance);
            for y in [y.checked_sub(distance), below].into_iter().flatten() {
                if (first..end).contains(&y) {
                    let start = (y - first) * width;
                    raise(&mut target[start..start + width], row);
                }
            }
        };
        for y in first.saturating_sub(reach).max(all.start)..(end + reach).min(all.end) {
            wide.load(&source.row(y)[seen.clone()], self.sign);
            if self.fade > 0.0 {
                gather(&mut beyond, y, reach, wide.row());
            }
            for line in &self.lines {
                wide.widen_to(line.whole);
                if line.part == 0.0 {
                    gather(out, y, line.distance, wide.row());
                } else {
                    wide.between(line.part, &mut mean);
                    gather(out, y, line.distance, &mean);
                }
            }
        }
        for (value, beyond) in out.iter_mut().zip(&beyond) {
            let over = beyond - *value;
            *value += self.fade * if over > 0.0 { over } else { 0.0 };
        }
        for value in out {
            *value *= self.sign;
        }
    }
}

/// `larger of both` for each value.
#[inline]
fn raise(row: &mut [f32], other: &[f32]) {
    for (value, other) in row.iter_mut().zip(other) {
        *value = if *other > *value { *other } else { *value };
    }
}

/// A row in which each pixel holds the largest value up to some half-width around it.
struct Widened {
    /// One place more on either side, of which nothing comes.
    now: Vec<f32>,
    next: Vec<f32>,
    half_width: usize,
    /// Whether `next` holds one half-width more.
    ahead: bool,
}

impl Widened {
    fn new(width: usize) -> Self {
        Self {
            now: vec![f32::NEG_INFINITY; width + 2],
            next: vec![f32::NEG_INFINITY; width + 2],
            half_width: 0,
            ahead: false,
        }
    }

    fn load(&mut self, row: &[f32], sign: f32) {
        let width = row.len();
        for (value, source) in self.now[1..=width].iter_mut().zip(row) {
            *value = sign * source;
        }
        self.half_width = 0;
        self.ahead = false;
    }

    fn row(&self) -> &[f32] {
        &self.now[1..self.now.len() - 1]
    }

    fn look_ahead(&mut self) {
        if self.ahead {
            return;
        }
        let width = self.now.len() - 2;
        let (left, here, right) = (&self.now[..width], &self.now[1..=width], &self.now[2..]);
        for (((to, left), here), right) in self.next[1..=width]
            .iter_mut()
            .zip(left)
            .zip(here)
            .zip(right)
        {
            let side = if *left > *right { *left } else { *right };
            *to = if side > *here { side } else { *here };
        }
        self.ahead = true;
    }

    fn widen_to(&mut self, half_width: usize) {
        while self.half_width < half_width {
            self.look_ahead();
            std::mem::swap(&mut self.now, &mut self.next);
            self.half_width += 1;
            self.ahead = false;
        }
    }

    /// Between this half-width and the next.
    fn between(&mut self, part: f32, out: &mut [f32]) {
        self.look_ahead();
        for ((out, now), next) in out.iter_mut().zip(&self.now[1..]).zip(&self.next[1..]) {
            *out = now + part * (next - now);
        }
    }
}
