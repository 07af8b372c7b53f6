//! Rows of a result made while the source's rows go by.
//!
//! [`Resampler::row`] looks the source's rows up, as often as they are needed; a reduction needs
//! each of them for two rows of the result or three. A flow is handed the source's rows one after
//! the other and adds each to all rows of the result that it is part of: so a source that must be
//! read or decoded first is so once, and several results can be made of one reading. The result is
//! that of [`Resampler::row`].

use std::ops::Range;

use super::{Axis, Resampler, side_by_side};

/// Rows of a result, for `N` planes at once, at most four.
pub(in crate::keyer) struct Flow<'a, const N: usize> {
    resampler: &'a Resampler,
    /// Rows of the result that are not yet complete.
    rows: Range<usize>,
    /// Where they go: a row every `stride` values.
    out: [&'a mut [f32]; N],
    stride: usize,
    /// The sums of the rows that the source's row is part of, each of `N` rows of the source's
    /// width; row `y` of the result has the place `y` modulo their number.
    sums: Vec<f32>,
    lanes: Vec<[f32; 4]>,
}

impl<'a, const N: usize> Flow<'a, N> {
    /// Makes the rows `rows` of the result, of which `out` has `stride` values for each.
    ///
    /// # Panics
    /// When `out` is too short or `N` exceeds 4.
    pub(in crate::keyer) fn new(
        resampler: &'a Resampler,
        rows: Range<usize>,
        out: [&'a mut [f32]; N],
        stride: usize,
    ) -> Self {
        assert!(N <= 4, "rows are made for at most four planes at once");
        assert!(stride >= resampler.to.width, "rows of the result fit");
        for out in &out {
            assert!(
                out.len() >= rows.len() * stride,
                "there is room for all rows"
            );
        }
        let width = resampler.from.width;
        let lanes = if resampler.x.identity { 0 } else { width };
        Self {
            resampler,
            out,
            stride,
            sums: vec![0.0; at_once(&resampler.y, &rows) * N * width],
            lanes: vec![[0.0; 4]; lanes],
            rows,
        }
    }

    /// Adds row `y` of the source to the rows that it is part of, and calls `finish` with each that
    /// is complete with it. Rows come in order, each one of
    /// [`source_rows`](Resampler::source_rows) once; others change nothing.
    pub(in crate::keyer) fn take(
        &mut self,
        y: usize,
        source: [&[f32]; N],
        mut finish: impl FnMut(&mut [f32]),
    ) {
        let resampler = self.resampler;
        let width = resampler.from.width;
        let slots = self.sums.len() / (N * width);
        for row in self.rows.clone() {
            let (start, weights) = down(&resampler.y, row);
            let Some(tap) = y.checked_sub(start) else {
                break;
            };
            let sums = &mut self.sums[row % slots * N * width..][..N * width];
            // Lists of weights are filled up with zeros to one length.
            if tap == 0 || weights[tap] != 0.0 {
                for (sums, source) in sums.chunks_exact_mut(width).zip(source) {
                    add(sums, &source[..width], weights[tap], tap == 0);
                }
            }
            if tap + 1 < weights.len() {
                continue;
            }
            let sums: &[f32] = sums;
            let mut out = self.out.each_mut().map(|out| {
                let (row, rest) = std::mem::take(out).split_at_mut(self.stride);
                *out = rest;
                &mut row[..resampler.to.width]
            });
            if resampler.x.identity {
                for (out, sums) in out.iter_mut().zip(sums.chunks_exact(width)) {
                    out.copy_from_slice(sums);
                }
            } else {
                side_by_side::<N>(sums, &mut self.lanes);
                let rows = out.each_mut().map(|row| &mut **row);
                resampler.across(&self.lanes, 0, 0..resampler.to.width, rows);
            }
            out.into_iter().for_each(&mut finish);
            self.rows.start = row + 1;
        }
    }
}

/// `sums += weight * values`, or, for the first of them, `sums = weight * values`.
fn add(sums: &mut [f32], values: &[f32], weight: f32, first: bool) {
    if first {
        for (sum, value) in sums.iter_mut().zip(values) {
            *sum = weight * value;
        }
    } else {
        for (sum, value) in sums.iter_mut().zip(values) {
            *sum += weight * value;
        }
    }
}

/// The neighbours of a row, without those of no weight where nothing changes.
fn down(axis: &Axis, row: usize) -> (usize, &[f32]) {
    if axis.identity {
        (row, &[1.0])
    } else {
        axis.taps(row)
    }
}

/// The most rows of a result that one row of the source is part of.
fn at_once(axis: &Axis, rows: &Range<usize>) -> usize {
    let reach = |row| {
        let (start, weights) = down(axis, row);
        let end = start + weights.len();
        (row..rows.end)
            .take_while(|later| down(axis, *later).0 < end)
            .count()
    };
    rows.clone().map(reach).max().unwrap_or(0).max(1)
}

impl Resampler {
    /// The rows of the source that some rows of the result are made of.
    pub(in crate::keyer) fn source_rows(&self, rows: Range<usize>) -> Range<usize> {
        if rows.is_empty() {
            return 0..0;
        }
        let (first, _) = down(&self.y, rows.start);
        let (last, weights) = down(&self.y, rows.end - 1);
        first..last + weights.len()
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::image::{Planes, Size};
    use super::super::{Kernel, RowScratch, Source};
    use super::*;

    /// A picture without a pattern.
    fn picture(size: Size) -> Planes {
        let mut planes = Planes::new(size.width, size.height, 3);
        for (i, value) in planes.data_mut().iter_mut().enumerate() {
            *value = ((i * 7919) % 1013) as f32 / 1000.0 - 0.2;
        }
        planes
    }

    #[test]
    fn rows_that_go_by_give_what_rows_that_are_looked_up_give() {
        let from = Size::new(53, 37);
        let planes = picture(from);
        for kernel in [Kernel::Triangle, Kernel::Lanczos4] {
            for to in [(53, 37), (20, 11), (53, 5), (9, 37), (70, 90), (1, 1)] {
                let to = Size::new(to.0, to.1);
                let resampler = Resampler::new(kernel, from, to);
                for rows in [0..to.height, to.height / 3..to.height / 2 + 1] {
                    let stride = to.width + 3;
                    let mut out = [0, 1, 2].map(|_| vec![f32::NAN; rows.len() * stride]);
                    let mut flow = Flow::new(
                        &resampler,
                        rows.clone(),
                        out.each_mut().map(Vec::as_mut_slice),
                        stride,
                    );
                    let mut finished = 0;
                    // More rows than are needed.
                    for y in 0..from.height {
                        let source = [0, 1, 2].map(|channel| planes.row(channel, y));
                        flow.take(y, source, |_| finished += 1);
                    }
                    assert_eq!(finished, 3 * rows.len());
                    let mut scratch = RowScratch::default();
                    let mut wanted = [0, 1, 2].map(|_| vec![0.0; to.width]);
                    for (line, y) in rows.clone().enumerate() {
                        resampler.row(
                            [0, 1, 2].map(|channel| Source::plane(&planes, channel)),
                            y,
                            &mut scratch,
                            wanted.each_mut().map(Vec::as_mut_slice),
                            |value| value,
                        );
                        for (out, wanted) in out.iter().zip(&wanted) {
                            assert_eq!(out[line * stride..][..to.width], wanted[..]);
                        }
                    }
                    let needed = resampler.source_rows(rows.clone());
                    assert!(needed.end <= from.height && !needed.is_empty());
                }
            }
        }
    }
}
