//! The refiner's convolutions, from 64 to 64 channels; see [`winograd`](crate::network::winograd).

use super::picture::{BLOCKS, CHANNELS, Change, Pixel, Rows, Sums, block, block_mut};
use super::products::multiply;
use crate::network::simd::{Simd, Work};
pub(super) use crate::network::winograd::TILE;
use crate::network::winograd::{PLACES, SEEN, back, filter, there};

/// Pixels that [`filters`] fills.
pub(super) const FILTERS: usize = PLACES * CHANNELS;

/// Evaluates filters in each place: `[64 outputs][64 inputs][3][3]` to `[36][64 inputs][64 outputs]`.
pub(super) fn filters(weight: &[f32], filters: &mut [Pixel]) {
    for (index, weight) in weight.as_chunks().0.iter().enumerate() {
        let (output, input) = (index / CHANNELS, index % CHANNELS);
        for (place, value) in filter(weight).into_iter().enumerate() {
            filters[place * CHANNELS + input][output] = value;
        }
    }
}

/// A convolution of a few tiles, and what is before and behind it.
pub(super) struct Batch<'a, 'b> {
    /// Of [`filters`].
    pub(super) filters: &'a [Pixel],
    pub(super) bias: &'a Pixel,
    /// How far from each other the pixels are that a filter looks at.
    pub(super) dilation: usize,
    /// What it looks at: these rows changed, with the shortcut added, and clipped. Beyond them, and
    /// beside, is 0.
    pub(super) given: Rows<'a>,
    pub(super) change: &'a Change,
    pub(super) shortcut: Option<Rows<'a>>,
    /// Where what it looks at is kept, of the rows and columns of `answer`.
    pub(super) kept: Option<[&'b mut [Pixel]; TILE]>,
    /// Rows that are `dilation` apart, a multiple of `4 × dilation` pixels of each.
    pub(super) answer: [&'b mut [Pixel]; TILE],
    /// Where `answer` begins in the picture.
    pub(super) top: usize,
    pub(super) left: usize,
    /// To which those of the answer are added.
    pub(super) sums: &'b mut Sums,
    /// [`room`] for so many tiles.
    pub(super) room: &'b mut [Pixel],
}

/// How many pixels of room a batch of so many tiles needs.
pub(super) fn room(tiles: usize) -> usize {
    PLACES * stride(tiles)
}

/// Pixels from one place to the next. An odd number: so the places of a tile do not compete for the
/// same lines of a cache.
fn stride(tiles: usize) -> usize {
    tiles | 1
}

impl Work for Batch<'_, '_> {
    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let tiles = self.answer[0].len() / TILE;
        let stride = stride(tiles);
        self.evaluate(simd, stride);
        let places = self.room.chunks_exact_mut(stride);
        let filters = self.filters.as_chunks::<CHANNELS>().0;
        for (pixels, filter) in places.zip(filters) {
            multiply(simd, filter, &mut pixels[..tiles]);
        }
        self.interpolate(simd, stride);
    }
}

impl Batch<'_, '_> {
    /// The tiles: their numbers, and where in a row of `answer` they begin.
    #[inline(always)]
    fn tiles(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let d = self.dilation;
        let each = self.answer[0].len() / (TILE * d);
        (0..d).flat_map(move |phase| {
            (0..each).map(move |index| (phase * each + index, phase + TILE * d * index))
        })
    }

    /// The rows of a picture that the tiles depend on.
    #[inline(always)]
    fn seen<'r>(&self, rows: Option<Rows<'r>>) -> [Option<&'r [Pixel]>; SEEN] {
        let d = self.dilation;
        std::array::from_fn(|i| rows?.row((self.top + i * d).checked_sub(d)?))
    }

    /// Evaluates each tile in each place.
    #[inline(always)]
    fn evaluate<S: Simd>(&mut self, simd: S, stride: usize) {
        let (d, width) = (self.dilation, self.given.width);
        let given = self.seen(Some(self.given));
        let shortcut = self.seen(self.shortcut);
        for (tile, first) in self.tiles() {
            for cb in 0..BLOCKS {
                let scale = simd.load(block(&self.change.scale, cb));
                let shift = simd.load(block(&self.change.shift, cb));
                let mut columns = [[simd.splat(0.0); SEEN]; SEEN];
                for (j, evaluated) in columns.iter_mut().enumerate() {
                    let mut values = [simd.splat(0.0); SEEN];
                    // Left of the picture it is beyond all widths.
                    let column = (self.left + first + j * d).wrapping_sub(d);
                    if column < width {
                        for (value, (given, shortcut)) in
                            values.iter_mut().zip(given.iter().zip(&shortcut))
                        {
                            let Some(given) = given else { continue };
                            let mut sum =
                                simd.fma(simd.load(block(&given[column], cb)), scale, shift);
                            if let Some(shortcut) = shortcut {
                                sum = simd.add(sum, simd.load(block(&shortcut[column], cb)));
                            }
                            *value = simd.clip(sum);
                        }
                    }
                    if let (1..=TILE, Some(kept)) = (j, &mut self.kept) {
                        let column = first + (j - 1) * d;
                        for (row, value) in kept.iter_mut().zip(&values[1..]) {
                            simd.store(*value, block_mut(&mut row[column], cb));
                        }
                    }
                    *evaluated = there(simd, values);
                }
                let rows: [[_; SEEN]; SEEN] =
                    std::array::from_fn(|i| std::array::from_fn(|j| columns[j][i]));
                for (i, row) in rows.into_iter().enumerate() {
                    for (j, value) in there(simd, row).into_iter().enumerate() {
                        let to = &mut self.room[(SEEN * i + j) * stride + tile];
                        simd.store(value, block_mut(to, cb));
                    }
                }
            }
        }
    }

    /// Makes the answers of the products.
    #[inline(always)]
    fn interpolate<S: Simd>(&mut self, simd: S, stride: usize) {
        let d = self.dilation;
        let mut sums = [[simd.splat(0.0); 2]; BLOCKS];
        for (tile, first) in self.tiles() {
            for (cb, [values, squares]) in sums.iter_mut().enumerate() {
                let bias = simd.load(block(self.bias, cb));
                let mut columns = [[simd.splat(0.0); TILE]; SEEN];
                for (j, answers) in columns.iter_mut().enumerate() {
                    let products = std::array::from_fn(|i| {
                        simd.load(block(&self.room[(SEEN * i + j) * stride + tile], cb))
                    });
                    *answers = back(simd, products);
                }
                for (i, answer) in self.answer.iter_mut().enumerate() {
                    let row = back(simd, std::array::from_fn(|j| columns[j][i]));
                    for (j, value) in row.into_iter().enumerate() {
                        let value = simd.add(value, bias);
                        *values = simd.add(*values, value);
                        *squares = simd.fma(value, value, *squares);
                        simd.store(value, block_mut(&mut answer[first + j * d], cb));
                    }
                }
            }
        }
        for (cb, [values, squares]) in sums.into_iter().enumerate() {
            self.sums.include(simd, cb, values, squares);
        }
    }
}
