//! The refiner's first convolution, and its last.

use super::picture::{BLOCKS, Change, Pixel, Sums, block};
use super::products::{Held, MOST, add, put};
use crate::network::simd::{LANES, Simd, Work};

/// What the first convolution sees of a pixel: the plate, the coarse alpha and foreground, and a 0.
pub(super) type Seen = [f32; 8];
/// Channels of it that count.
pub(super) const SEEN: usize = 7;
/// Pixels along each side that a filter looks at.
const SIDE: usize = 3;
/// Numbers of a row of them.
const ROW: usize = SIDE * size_of::<Seen>() / size_of::<f32>();
/// Pixels that [`filters`] fills.
pub(super) const FILTERS: usize = SIDE * ROW;
/// Planes of the answer.
pub(super) const ANSWERS: usize = 4;

/// The first convolution's filters: `[64 outputs][7 inputs][3][3]` to `[3][3][8 inputs][64 outputs]`.
pub(super) fn filters(weight: &[f32], filters: &mut [Pixel]) {
    let each = size_of::<Seen>() / size_of::<f32>();
    for (index, weight) in weight.as_chunks::<{ SIDE * SIDE }>().0.iter().enumerate() {
        let (output, input) = (index / SEEN, index % SEEN);
        for (place, weight) in weight.iter().enumerate() {
            filters[place * each + input][output] = *weight;
        }
    }
}

/// The first convolution, of one row.
pub(super) struct First<'a, 'b> {
    /// Of [`filters`].
    pub(super) filters: &'a [Pixel],
    pub(super) bias: &'a Pixel,
    /// The row above, the row and the one below, each with a pixel more before and behind.
    pub(super) seen: [&'a [Seen]; SIDE],
    pub(super) answer: &'b mut [Pixel],
    /// To which those of the answer are added.
    pub(super) sums: &'b mut Sums,
}

impl Work for First<'_, '_> {
    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let mut done = 0;
        while done < self.answer.len() {
            done += match (self.answer.len() - done).min(S::PIXELS) {
                MOST.. => self.group::<S, MOST>(simd, done),
                4.. => self.group::<S, 4>(simd, done),
                2.. => self.group::<S, 2>(simd, done),
                _ => self.group::<S, 1>(simd, done),
            };
        }
        // Short sums in 32 bits, which are added up in 64.
        for pixels in self.answer.chunks(256) {
            for cb in 0..BLOCKS {
                let (mut sums, mut squares) = (simd.splat(0.0), simd.splat(0.0));
                for pixel in pixels {
                    let value = simd.load(block(pixel, cb));
                    sums = simd.add(sums, value);
                    squares = simd.fma(value, value, squares);
                }
                self.sums.include(simd, cb, sums, squares);
            }
        }
    }
}

impl First<'_, '_> {
    /// The answers of `N` pixels, from `begin` on.
    #[inline(always)]
    fn group<S: Simd, const N: usize>(&mut self, simd: S, begin: usize) -> usize {
        if S::WHOLE {
            self.blocks::<S, N, BLOCKS>(simd, begin, 0);
        } else {
            for cb in 0..BLOCKS {
                self.blocks::<S, N, 1>(simd, begin, cb);
            }
        }
        N
    }

    /// Their blocks from `first` on.
    #[inline(always)]
    fn blocks<S: Simd, const N: usize, const C: usize>(
        &mut self,
        simd: S,
        begin: usize,
        first: usize,
    ) {
        let bias: [_; C] = std::array::from_fn(|c| simd.load(block(self.bias, first + c)));
        let mut held: Held<S, N, C> = [bias; N];
        let filters = self.filters.as_chunks::<ROW>().0;
        for (row, filters) in self.seen.iter().zip(filters) {
            let row = row[begin..begin + N + SIDE - 1].as_flattened();
            for (index, weights) in filters.iter().enumerate() {
                let each = size_of::<Seen>() / size_of::<f32>();
                let values = std::array::from_fn(|n| row[n * each + index]);
                add(simd, &mut held, first, weights, values);
            }
        }
        if let Some(answer) = self.answer[begin..].first_chunk_mut() {
            put(simd, first, held, answer);
        }
    }
}

/// The last convolution, of one row: a sum over the channels for each of the planes.
pub(super) struct Last<'a, 'b> {
    pub(super) weights: &'a [Pixel; ANSWERS],
    pub(super) bias: &'a [f32; ANSWERS],
    /// What it looks at: this row changed, with the shortcut added, and clipped.
    pub(super) given: &'a [Pixel],
    pub(super) change: &'a Change,
    pub(super) shortcut: &'a [Pixel],
    /// A row of each plane.
    pub(super) answer: &'b mut [[f32; ANSWERS]],
}

impl Work for Last<'_, '_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let pixels = self.given.iter().zip(self.shortcut).zip(self.answer);
        for ((given, shortcut), answer) in pixels {
            let mut sums = [simd.splat(0.0); ANSWERS];
            for cb in 0..BLOCKS {
                let scale = simd.load(block(&self.change.scale, cb));
                let shift = simd.load(block(&self.change.shift, cb));
                let value = simd.fma(simd.load(block(given, cb)), scale, shift);
                let value = simd.clip(simd.add(value, simd.load(block(shortcut, cb))));
                for (sum, weights) in sums.iter_mut().zip(self.weights) {
                    *sum = simd.fma(value, simd.load(block(weights, cb)), *sum);
                }
            }
            for ((answer, sum), bias) in answer.iter_mut().zip(sums).zip(self.bias) {
                let mut lanes = [0.0; LANES];
                simd.store(sum, &mut lanes);
                let mut half = LANES / 2;
                while half > 0 {
                    for lane in 0..half {
                        lanes[lane] += lanes[lane + half];
                    }
                    half /= 2;
                }
                *answer = lanes[0] + bias;
            }
        }
    }
}
