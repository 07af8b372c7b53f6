//! Reading a clip on another pixel grid than its own.

use std::ops::Range;

use ofx::{Channel, ImageView, RectI};

use super::fetch::{Grid, Placed};

/// Reads a clip whose pixels have another size than those that are wanted: linearly between its
/// pixels where they are larger, and as a weighted mean over all that lie under a pixel where they
/// are smaller. What lies beyond the clip's edges counts for nothing there, so that a picture does
/// not fade towards them; a pixel whose centre lies beyond them is 0.
pub(super) struct Sampler<'a> {
    view: ImageView<'a>,
    channels: &'a [Channel],
    columns: Vec<Taps>,
    /// From the highest row down.
    rows: Vec<Taps>,
    /// The clip's columns that any pixel takes something from.
    span: Range<i32>,
}

/// The clip's pixels that a pixel is made of, and their weights, which sum up to 1; none for a
/// pixel beyond the clip.
struct Taps {
    first: i32,
    weights: Vec<f32>,
}

impl Taps {
    /// `ratio` is the number of the clip's pixels in one that is wanted, `from..to` the clip.
    fn new(pixel: i32, ratio: f64, from: i32, to: i32) -> Self {
        let centre = (f64::from(pixel) + 0.5) * ratio;
        if !(centre >= f64::from(from) && centre <= f64::from(to)) {
            return Self {
                first: from,
                weights: Vec::new(),
            };
        }
        let reach = ratio.max(1.0);
        let first = ((centre - reach).floor() as i32).max(from);
        let last = ((centre + reach).ceil() as i32).min(to);
        let weight = |x: i32| 1.0 - (f64::from(x) + 0.5 - centre).abs() / reach;
        let weights: Vec<f64> = (first..last).map(|x| weight(x).max(0.0)).collect();
        let sum: f64 = weights.iter().sum();
        Self {
            first,
            weights: weights.iter().map(|weight| (weight / sum) as f32).collect(),
        }
    }

    fn range(&self) -> Range<i32> {
        self.first..self.first + self.weights.len() as i32
    }
}

impl<'a> Sampler<'a> {
    pub(super) fn new(
        image: &Placed<'a>,
        grid: &Grid,
        region: RectI,
        channels: &'a [Channel],
    ) -> Self {
        let across =
            (image.grid.scale.x / image.grid.pixel_aspect) / (grid.scale.x / grid.pixel_aspect);
        let up = image.grid.scale.y / grid.scale.y;
        let bounds = image.view.bounds();
        let columns: Vec<Taps> = (region.x1..region.x2)
            .map(|x| Taps::new(x, across, bounds.x1, bounds.x2))
            .collect();
        let rows = (region.y1..region.y2)
            .rev()
            .map(|y| Taps::new(y, up, bounds.y1, bounds.y2))
            .collect();
        let ranges = || {
            columns
                .iter()
                .map(Taps::range)
                .filter(|range| !range.is_empty())
        };
        let first = ranges().map(|range| range.start).min().unwrap_or(0);
        let last = ranges().map(|range| range.end).max().unwrap_or(0);
        Self {
            view: image.view,
            channels,
            columns,
            rows,
            span: first..last,
        }
    }

    /// Reads row `row` of the region, counted from the highest.
    pub(super) fn row(&self, row: usize, mut out: Vec<&mut [f32]>) {
        let length = self.span.len();
        let mut stored = vec![vec![0.0; length]; self.channels.len()];
        let mut sums = stored.clone();
        let taps = &self.rows[row];
        for (y, weight) in taps.range().zip(&taps.weights) {
            let mut slices: Vec<&mut [f32]> = stored.iter_mut().map(Vec::as_mut_slice).collect();
            self.view
                .read_row(y, self.span.start, self.channels, &mut slices);
            for (sums, stored) in sums.iter_mut().zip(&stored) {
                for (sum, value) in sums.iter_mut().zip(stored) {
                    *sum += weight * value;
                }
            }
        }
        for (out, sums) in out.iter_mut().zip(&sums) {
            for (value, taps) in out.iter_mut().zip(&self.columns) {
                let from = (taps.first - self.span.start).max(0) as usize;
                let pixels = sums.get(from..).unwrap_or_default();
                *value = pixels
                    .iter()
                    .zip(&taps.weights)
                    .map(|(value, weight)| value * weight)
                    .sum();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_sum_to_one_and_stay_inside() {
        for ratio in [0.25, 0.5, 0.7, 1.0, 1.3, 2.0, 4.0] {
            for pixel in -5..40 {
                let taps = Taps::new(pixel, ratio, -3, 11);
                let centre = (f64::from(pixel) + 0.5) * ratio;
                assert_eq!(taps.weights.is_empty(), !(-3.0..=11.0).contains(&centre));
                if taps.weights.is_empty() {
                    continue;
                }
                assert!(taps.range().start >= -3 && taps.range().end <= 11);
                let sum: f32 = taps.weights.iter().sum();
                assert!((sum - 1.0).abs() < 1e-6, "{sum}");
            }
        }
    }
}
