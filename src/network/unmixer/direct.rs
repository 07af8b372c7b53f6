//! Convolutions of single pixels, of 3 × 3 and of 4 × 4 with a stride, and what is done to rows
//! between them.

use super::map::{Rows, block, block_mut};
use super::matrix::{Matrix, Product, Start};
use crate::network::simd::{LANES, Simd, Work};

/// Weights and bias.
#[derive(Debug)]
pub(super) struct Direct {
    /// A term for each row of the filter.
    pub(super) matrix: Matrix,
    pub(super) bias: Vec<f32>,
    pub(super) inputs: usize,
    /// Pixels along each side of a filter.
    pub(super) side: usize,
    pub(super) stride: usize,
}

/// Rows of a filter at most.
const SIDE: usize = 4;

impl Direct {
    /// Takes over the bias of one that is added to it.
    pub(super) fn include(&mut self, other: &Self) {
        for (bias, more) in self.bias.iter_mut().zip(&other.bias) {
            *bias += more;
        }
    }

    /// Channels of its answer.
    pub(super) fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// Rows above the one that an answer stands for.
    pub(super) fn above(&self) -> usize {
        (self.side - 1) / 2
    }

    /// The convolution for one row.
    pub(super) fn row(&self, step: Step<'_, '_>) {
        let mut terms: [&[f32]; SIDE] = [&[]; SIDE];
        // Rows begin with the pixel beside the picture.
        let skipped = (1 - self.above()) * self.inputs;
        for (term, row) in terms.iter_mut().zip(step.seen) {
            *term = &row[skipped..];
        }
        let product = Product {
            matrix: &self.matrix,
            first: 0,
            terms: &terms[..self.side],
            step: self.stride * self.inputs,
            count: step.answer.len() / self.outputs(),
            start: if step.add {
                Start::Sum
            } else {
                Start::Bias(&self.bias)
            },
            answer: step.answer,
            clip: step.clip,
        };
        product.work();
    }
}

/// What a convolution does to a row.
pub(super) struct Step<'a, 'b> {
    /// As many rows as the filter has, each with the pixel before and the one behind.
    pub(super) seen: &'a [&'a [f32]],
    /// Pixel by pixel.
    pub(super) answer: &'b mut [f32],
    /// Without bias the answer is added to what is there.
    pub(super) add: bool,
    /// Nothing below 0 is left.
    pub(super) clip: bool,
}

/// A convolution of whole rows of a map.
pub(super) struct Convolve<'a, 'b> {
    pub(super) layer: &'a Direct,
    pub(super) given: Rows<'a>,
    /// The first of the rows in the picture.
    pub(super) first: usize,
    /// The rows, each with the pixel before and the one behind.
    pub(super) answer: &'b mut [f32],
    pub(super) clip: bool,
}

impl Convolve<'_, '_> {
    /// Works it out.
    pub(super) fn work(self) {
        let layer = self.layer;
        let width = self.given.width / layer.stride;
        let outputs = layer.outputs();
        for (index, answer) in self
            .answer
            .chunks_exact_mut((width + 2) * outputs)
            .enumerate()
        {
            let top = (self.first + index) * layer.stride;
            let seen: [&[f32]; SIDE] = std::array::from_fn(|row| match row < layer.side {
                true => self.given.row((top + row).wrapping_sub(layer.above())),
                false => &[],
            });
            let step = Step {
                seen: &seen[..layer.side],
                answer: &mut answer[outputs..(width + 1) * outputs],
                add: false,
                clip: self.clip,
            };
            layer.row(step);
        }
    }
}

/// A filter of each channel by itself, then a convolution with a stride of 2.
pub(super) struct Settled<'a, 'b> {
    /// Nine weights, each for all channels.
    pub(super) settle: &'a [f32],
    pub(super) layer: &'a Direct,
    pub(super) given: Rows<'a>,
    /// The first of the rows in the smaller picture.
    pub(super) first: usize,
    /// The rows, each with the pixel before and the one behind.
    pub(super) answer: &'b mut [f32],
    /// [`Self::room`] numbers.
    pub(super) room: &'b mut [f32],
}

impl Settled<'_, '_> {
    /// Numbers of room for so many rows of pictures of this width and these channels.
    pub(super) fn room(rows: usize, width: usize, channels: usize) -> usize {
        (2 * rows + 1) * (width + 2) * channels
    }
}

impl Work for Settled<'_, '_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { layer, given, .. } = self;
        let channels = given.channels;
        let stride = (given.width + 2) * channels;
        let (width, outputs) = (given.width / 2, layer.outputs());
        let answers = self.answer.chunks_exact_mut((width + 2) * outputs);
        // The row above the first one, and two for each.
        let settled = &mut self.room[..(2 * answers.len() + 1) * stride];
        for (index, settled) in settled.chunks_exact_mut(stride).enumerate() {
            settled.fill(0.0);
            let row = (2 * self.first + index).wrapping_sub(1);
            if row >= given.height {
                continue;
            }
            let seen = [row.wrapping_sub(1), row, row + 1].map(|row| given.row(row));
            for at in (channels..stride - channels).step_by(LANES) {
                let channel = at % channels;
                let mut sum = simd.splat(0.0);
                for (row, seen) in seen.iter().enumerate() {
                    for column in 0..3 {
                        let weight = block(self.settle, (3 * row + column) * channels + channel);
                        let value = block(seen, at + column * channels - channels);
                        sum = simd.fma(simd.load(value), simd.load(weight), sum);
                    }
                }
                simd.store(sum, block_mut(settled, at));
            }
        }
        for (index, answer) in answers.enumerate() {
            let seen = &settled[2 * index * stride..][..3 * stride];
            let (first, others) = seen.split_at(stride);
            let (second, third) = others.split_at(stride);
            let step = Step {
                seen: &[first, second, third],
                answer: &mut answer[outputs..(width + 1) * outputs],
                add: false,
                clip: true,
            };
            layer.row(step);
        }
    }
}

/// A picture that is enlarged, linearly, by a whole number.
#[derive(Clone, Copy)]
pub(super) struct Enlarge<'a> {
    pub(super) given: Rows<'a>,
    pub(super) factor: usize,
}

impl Enlarge<'_> {
    /// Numbers of room that a row needs.
    fn room(&self) -> usize {
        (self.given.width + 2) * self.given.channels
    }
}

/// A row of the larger picture.
pub(super) struct Enlarged<'a, 'b> {
    pub(super) picture: Enlarge<'a>,
    pub(super) row: usize,
    /// Pixel by pixel.
    pub(super) answer: &'b mut [f32],
    /// It is added to what is there.
    pub(super) add: bool,
    /// As many numbers as the smaller picture's row.
    pub(super) room: &'b mut [f32],
}

impl Work for Enlarged<'_, '_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Enlarge { given, factor } = self.picture;
        let channels = given.channels;
        let (above, below, share) = between(self.row, factor, given.height);
        let room = &mut self.room[..self.picture.room()];
        let (above, below, share) = (given.row(above), given.row(below), simd.splat(share));
        for at in (channels..room.len() - channels).step_by(LANES) {
            let above = simd.load(block(above, at));
            let more = simd.sub(simd.load(block(below, at)), above);
            simd.store(simd.fma(more, share, above), block_mut(room, at));
        }
        for (column, answer) in self.answer.chunks_exact_mut(channels).enumerate() {
            let (left, right, share) = between(column, factor, given.width);
            let share = simd.splat(share);
            for cb in (0..channels).step_by(LANES) {
                let left = simd.load(block(room, (left + 1) * channels + cb));
                let right = simd.load(block(room, (right + 1) * channels + cb));
                let mut value = simd.fma(simd.sub(right, left), share, left);
                let answer = block_mut(answer, cb);
                if self.add {
                    value = simd.add(value, simd.load(answer));
                }
                simd.store(value, answer);
            }
        }
    }
}

/// Between which of `length` pixels the middle of a pixel of a `factor` times larger picture lies,
/// and the share of the second one. Beyond the outermost pixels there are the same once more.
#[inline(always)]
pub(super) fn between(at: usize, factor: usize, length: usize) -> (usize, usize, f32) {
    let place = (2 * at + 1) as f32 / (2 * factor) as f32 - 0.5;
    let begin = (place.max(0.0) as usize).min(length - 1);
    let share = (place - begin as f32).max(0.0);
    (begin, (begin + 1).min(length - 1), share)
}
