//! Convolutions of 3 × 3 with a quarter of the multiplications.
//!
//! A tile of 4 × 4 answers depends on 6 × 6 pixels. Both are taken as polynomials, evaluated in six
//! places along each side, multiplied there and turned back: 36 products for each pair of channels
//! instead of 144 (Winograd's F(4 × 4, 3 × 3); Lavin and Gray, "Fast Algorithms for Convolutional
//! Neural Networks", 2015). The places are 0, ±√½, ±√2 and infinity, which lose fewer digits than
//! the usual 0, ±1, ±2 and infinity. For all tiles of a batch, the products of one place are a
//! product of matrices.
//!
//! A dilated convolution is d × d convolutions that are not, each of every d-th row and column.

use std::f32::consts::{FRAC_1_SQRT_2, SQRT_2};

use super::simd::Simd;

/// Answers along each side of a tile.
pub(super) const TILE: usize = 4;
/// Pixels along each side that a tile depends on.
pub(super) const SEEN: usize = TILE + 2;
/// Places in which the polynomials are multiplied.
pub(super) const PLACES: usize = SEEN * SEEN;

/// A filter, row by row, in each place.
pub(super) fn filter(weight: &[f32; 9]) -> [f32; PLACES] {
    const ROOT: f64 = std::f64::consts::SQRT_2;
    const HALF: f64 = std::f64::consts::FRAC_1_SQRT_2;
    // 1, p and p² over the product of the place's distances to the other finite ones.
    const EVALUATE: [[f64; 3]; SEEN] = [
        [1.0, 0.0, 0.0],
        [1.0 / -1.5, HALF / -1.5, 0.5 / -1.5],
        [1.0 / -1.5, -HALF / -1.5, 0.5 / -1.5],
        [1.0 / 6.0, ROOT / 6.0, 2.0 / 6.0],
        [1.0 / 6.0, -ROOT / 6.0, 2.0 / 6.0],
        [0.0, 0.0, 1.0],
    ];
    let dot = |a: [f64; 3], b: [f64; 3]| a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
    let column = |x: usize| [0, 3, 6].map(|row| f64::from(weight[row + x]));
    let columns = [column(0), column(1), column(2)];
    let mut places = [0.0; PLACES];
    for (i, down) in EVALUATE.into_iter().enumerate() {
        let row = columns.map(|column| dot(down, column));
        for (j, across) in EVALUATE.into_iter().enumerate() {
            places[SEEN * i + j] = dot(across, row) as f32;
        }
    }
    places
}

/// Evaluates one side of a tile in each place: the polynomials that are 0 in all other places.
#[inline(always)]
pub(super) fn there<S: Simd>(simd: S, d: [S::Lanes; SEEN]) -> [S::Lanes; SEEN] {
    let times = |factor, a, b| simd.fma(simd.splat(factor), a, b);
    let scaled = |factor, a| simd.mul(simd.splat(factor), a);
    let even = times(-2.0, d[2], d[4]);
    let odd = times(FRAC_1_SQRT_2, d[3], scaled(-SQRT_2, d[1]));
    let far_even = times(-0.5, d[2], d[4]);
    let far_odd = times(SQRT_2, d[3], scaled(-FRAC_1_SQRT_2, d[1]));
    [
        times(-2.5, d[2], simd.add(d[0], d[4])),
        simd.add(even, odd),
        simd.sub(even, odd),
        simd.add(far_even, far_odd),
        simd.sub(far_even, far_odd),
        times(-2.5, d[3], simd.add(d[1], d[5])),
    ]
}

/// One side of a tile's answers, out of the products in each place: sums of the places' powers.
#[inline(always)]
pub(super) fn back<S: Simd>(simd: S, m: [S::Lanes; SEEN]) -> [S::Lanes; TILE] {
    let times = |factor, a, b| simd.fma(simd.splat(factor), a, b);
    let scaled = |factor, a| simd.mul(simd.splat(factor), a);
    let (even, odd) = (simd.add(m[1], m[2]), simd.sub(m[1], m[2]));
    let (far_even, far_odd) = (simd.add(m[3], m[4]), simd.sub(m[3], m[4]));
    let third = times(2.0 * SQRT_2, far_odd, m[5]);
    [
        simd.add(m[0], simd.add(even, far_even)),
        times(FRAC_1_SQRT_2, odd, scaled(SQRT_2, far_odd)),
        times(0.5, even, scaled(2.0, far_even)),
        times(0.5 * FRAC_1_SQRT_2, odd, third),
    ]
}
