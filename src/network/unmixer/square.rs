//! Convolutions of 3 × 3, see [`winograd`](crate::network::winograd).

use super::map::{Rows, block, block_mut};
use super::matrix::{Matrix, Product, Start};
use crate::network::simd::{LANES, Simd, Work};
use crate::network::winograd::{PLACES, SEEN, TILE, back, there};

/// Weights and bias.
#[derive(Debug)]
pub(super) struct Square {
    /// A term for each place.
    pub(super) filters: Matrix,
    pub(super) bias: Vec<f32>,
    /// How far from each other the pixels are that a filter looks at.
    pub(super) dilation: usize,
}

/// Numbers that the tiles of a batch and their products may take: they stay in a processor's cache.
const BATCH: usize = 1_500_000 / size_of::<f32>();
/// Tiles of a batch at most; the weights of a place are fetched once for all of them.
const MOST: usize = 64;

impl Square {
    /// Channels that it looks at.
    pub(super) fn inputs(&self) -> usize {
        self.filters.run()
    }

    /// Channels of its answer.
    pub(super) fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// Tiles of a batch.
    fn batch(&self) -> usize {
        (BATCH / (PLACES * (self.inputs() + self.outputs()))).clamp(1, MOST)
    }

    /// Tiles of rows that are worked together in a picture of this width.
    fn across(&self, width: usize) -> usize {
        width.div_ceil(TILE * self.dilation) * self.dilation
    }

    /// Rows that a task should have in a picture of this width.
    pub(super) fn rows(&self, width: usize) -> usize {
        let each = self.across(width) * self.dilation;
        TILE * self.dilation * (self.batch() / each).max(1)
    }

    /// Numbers of room that a task needs.
    pub(super) fn room(&self) -> usize {
        PLACES * stride(self.batch()) * (self.inputs() + self.outputs())
    }
}

/// Tiles from one place to the next. An odd number: so the places of a tile do not compete for the
/// same lines of a cache.
fn stride(tiles: usize) -> usize {
    tiles | 1
}

/// A convolution for some rows.
pub(super) struct Squares<'a, 'b> {
    pub(super) layer: &'a Square,
    pub(super) given: Rows<'a>,
    /// The first of the rows in the picture.
    pub(super) first: usize,
    /// The rows, each with the pixel before and the one behind.
    pub(super) answer: &'b mut [f32],
    /// The answer is added to what is there.
    pub(super) add: bool,
    /// Nothing below 0 is left.
    pub(super) clip: bool,
    pub(super) room: &'b mut [f32],
}

/// A tile: its first row and column among the rows.
#[derive(Clone, Copy)]
struct Tile {
    row: usize,
    column: usize,
}

impl Work for Squares<'_, '_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let layer = self.layer;
        let (d, across) = (layer.dilation, layer.across(self.given.width));
        let stride_of_rows = (self.given.width + 2) * layer.outputs();
        let rows = self.answer.len() / stride_of_rows;
        // Rows above each other, of one phase and then the next.
        let down = rows.div_ceil(TILE * d) * d;
        let tiles = across * down;
        let batches = tiles.div_ceil(layer.batch());
        // About as many in each.
        let each = tiles.div_ceil(batches);
        let (seen, products) = self
            .room
            .split_at_mut(PLACES * stride(each) * layer.inputs());
        let mut begin = 0;
        while begin < tiles {
            let batch = begin..(begin + each).min(tiles);
            let tile = move |index: usize| {
                let (row, column) = (index / across, index % across);
                let columns = across / d;
                Tile {
                    row: row / d * TILE * d + row % d,
                    column: column % columns * TILE * d + column / columns,
                }
            };
            for (to, index) in batch.clone().enumerate() {
                evaluate(
                    simd,
                    self.given,
                    self.first,
                    d,
                    tile(index),
                    seen,
                    [stride(each), to],
                );
            }
            let places = seen.chunks_exact(stride(each) * layer.inputs());
            let answers = products.chunks_exact_mut(stride(each) * layer.outputs());
            for (place, (seen, answer)) in places.zip(answers).enumerate().take(PLACES) {
                let product = Product {
                    matrix: &layer.filters,
                    first: place,
                    terms: &[seen],
                    step: layer.inputs(),
                    count: batch.len(),
                    start: Start::Zero,
                    answer,
                    clip: false,
                };
                product.work();
            }
            for (from, index) in batch.clone().enumerate() {
                let tile = tile(index);
                let answers = Answers {
                    rows: self.answer,
                    count: rows,
                    stride: stride_of_rows,
                    width: self.given.width,
                    add: self.add,
                    clip: self.clip,
                };
                answers.interpolate(simd, layer, tile, products, [stride(each), from]);
            }
            begin = batch.end;
        }
    }
}

/// Evaluates a tile in each place.
#[inline(always)]
fn evaluate<S: Simd>(
    simd: S,
    given: Rows<'_>,
    first: usize,
    d: usize,
    tile: Tile,
    seen: &mut [f32],
    [stride, to]: [usize; 2],
) {
    let channels = given.channels;
    let rows: [&[f32]; SEEN] =
        std::array::from_fn(|i| given.row((first + tile.row + i * d).wrapping_sub(d)));
    // Beyond the picture, the pixels beside it.
    let columns: [usize; SEEN] = std::array::from_fn(|j| {
        (tile.column + j * d + 1)
            .saturating_sub(d)
            .min(given.width + 1)
            * channels
    });
    for cb in (0..channels).step_by(LANES) {
        // Loops: the compiler does not always follow closures in here.
        let mut evaluated = [[simd.splat(0.0); SEEN]; SEEN];
        for (evaluated, column) in evaluated.iter_mut().zip(columns) {
            let mut values = [simd.splat(0.0); SEEN];
            for (value, row) in values.iter_mut().zip(rows) {
                *value = simd.load(block(row, column + cb));
            }
            *evaluated = there(simd, values);
        }
        for i in 0..SEEN {
            let mut row = [simd.splat(0.0); SEEN];
            for (value, column) in row.iter_mut().zip(&evaluated) {
                *value = column[i];
            }
            for (j, value) in there(simd, row).into_iter().enumerate() {
                let at = ((SEEN * i + j) * stride + to) * channels + cb;
                simd.store(value, block_mut(seen, at));
            }
        }
    }
}

/// Where answers are put.
struct Answers<'b> {
    rows: &'b mut [f32],
    count: usize,
    stride: usize,
    width: usize,
    add: bool,
    clip: bool,
}

impl Answers<'_> {
    /// Makes the answers of a tile out of the products.
    #[inline(always)]
    fn interpolate<S: Simd>(
        self,
        simd: S,
        layer: &Square,
        tile: Tile,
        products: &[f32],
        [stride, from]: [usize; 2],
    ) {
        let (d, channels) = (layer.dilation, layer.outputs());
        for cb in (0..channels).step_by(LANES) {
            let bias = simd.load(block(&layer.bias, cb));
            let mut columns = [[simd.splat(0.0); TILE]; SEEN];
            for (j, column) in columns.iter_mut().enumerate() {
                let mut values = [simd.splat(0.0); SEEN];
                for (i, value) in values.iter_mut().enumerate() {
                    let at = ((SEEN * i + j) * stride + from) * channels + cb;
                    *value = simd.load(block(products, at));
                }
                *column = back(simd, values);
            }
            for i in 0..TILE {
                let row = tile.row + i * d;
                if row >= self.count {
                    break;
                }
                let answer = &mut self.rows[row * self.stride..][..self.stride];
                let mut row = [simd.splat(0.0); SEEN];
                for (value, column) in row.iter_mut().zip(&columns) {
                    *value = column[i];
                }
                for (j, value) in back(simd, row).into_iter().enumerate() {
                    let column = tile.column + j * d;
                    if column >= self.width {
                        break;
                    }
                    let answer = block_mut(answer, (column + 1) * channels + cb);
                    let mut value = simd.add(value, bias);
                    if self.add {
                        value = simd.add(value, simd.load(answer));
                    }
                    if self.clip {
                        value = simd.clip(value);
                    }
                    simd.store(value, answer);
                }
            }
        }
    }
}
