//! Sums of products that stay in registers until they are complete.

use super::picture::{BLOCKS, CHANNELS, Pixel, block, block_mut};
use crate::network::simd::Simd;

/// Pixels whose sums are held at the same time, at most.
pub(super) const MOST: usize = 6;

/// The sums of `N` pixels in `C` blocks of channels.
pub(super) type Held<S, const N: usize, const C: usize> = [[<S as Simd>::Lanes; C]; N];

/// Adds to the sums of each pixel one value of it times the weights, from block `first` on.
#[inline(always)]
pub(super) fn add<S: Simd, const N: usize, const C: usize>(
    simd: S,
    held: &mut Held<S, N, C>,
    first: usize,
    weights: &Pixel,
    values: [f32; N],
) {
    let weights: [_; C] = std::array::from_fn(|c| simd.load(block(weights, first + c)));
    for (sums, value) in held.iter_mut().zip(values) {
        let value = simd.splat(value);
        for (sum, weight) in sums.iter_mut().zip(weights) {
            *sum = simd.fma(value, weight, *sum);
        }
    }
}

/// Multiplies each pixel with the matrix `[64 inputs][64 outputs]`, in its place.
#[inline(always)]
pub(super) fn multiply<S: Simd>(simd: S, matrix: &[Pixel; CHANNELS], pixels: &mut [Pixel]) {
    let mut rest = pixels;
    for groups in (1..=rest.len().div_ceil(S::PIXELS.min(MOST))).rev() {
        // About as many in each: a small group waits for its sums.
        let (now, later) = rest.split_at_mut(rest.len().div_ceil(groups));
        match now.len() {
            6 => group::<S, 6>(simd, matrix, now),
            5 => group::<S, 5>(simd, matrix, now),
            4 => group::<S, 4>(simd, matrix, now),
            3 => group::<S, 3>(simd, matrix, now),
            2 => group::<S, 2>(simd, matrix, now),
            _ => group::<S, 1>(simd, matrix, now),
        }
        rest = later;
    }
}

/// [`multiply`] for `N` pixels.
#[inline(always)]
fn group<S: Simd, const N: usize>(simd: S, matrix: &[Pixel; CHANNELS], pixels: &mut [Pixel]) {
    let Some(pixels) = pixels.first_chunk_mut::<N>() else {
        return;
    };
    if S::WHOLE {
        let sums = product::<S, N, BLOCKS>(simd, 0, matrix, pixels);
        put(simd, 0, sums, pixels);
    } else {
        let mut answers = [[0.0; CHANNELS]; N];
        for cb in 0..BLOCKS {
            put(
                simd,
                cb,
                product::<S, N, 1>(simd, cb, matrix, pixels),
                &mut answers,
            );
        }
        *pixels = answers;
    }
}

/// The product's blocks from `first` on.
#[inline(always)]
fn product<S: Simd, const N: usize, const C: usize>(
    simd: S,
    first: usize,
    matrix: &[Pixel; CHANNELS],
    pixels: &[Pixel; N],
) -> Held<S, N, C> {
    let mut held = [[simd.splat(0.0); C]; N];
    for (channel, weights) in matrix.iter().enumerate() {
        let values = std::array::from_fn(|n| pixels[n][channel]);
        add(simd, &mut held, first, weights, values);
    }
    held
}

/// Stores sums, from block `first` on.
#[inline(always)]
pub(super) fn put<S: Simd, const N: usize, const C: usize>(
    simd: S,
    first: usize,
    held: Held<S, N, C>,
    pixels: &mut [Pixel; N],
) {
    for (pixel, sums) in pixels.iter_mut().zip(held) {
        for (c, sum) in sums.into_iter().enumerate() {
            simd.store(sum, block_mut(pixel, first + c));
        }
    }
}
