//! The loops that turn stored pixels into planes of `f32` and back.
//!
//! Plates are large (a 4K float frame is 142 MB), so every loop here runs over one row with the
//! depth and the number of components fixed at compile time, and with no test per pixel. Depths
//! other than float go through a block of `f32` small enough to stay in the first-level cache:
//! widening it is a straight loop over contiguous values, which the compiler vectorises.

use half::f16;
use half::slice::HalfFloatSliceExt;

/// Pixels in one block.
const BLOCK: usize = 256;

/// A stored channel that can be widened to and narrowed from `f32`, many at a time.
pub(crate) trait Stored: Copy {
    /// Integers are scaled so that the largest is 1; floats keep their value.
    fn widen(from: &[Self], to: &mut [f32]);
    /// The inverse: integers are clamped and rounded to the nearest, and a NaN becomes 0; a half
    /// beyond its range becomes an infinity.
    fn narrow(from: &[f32], to: &mut [Self]);
}

impl Stored for u8 {
    fn widen(from: &[Self], to: &mut [f32]) {
        for (to, &from) in to.iter_mut().zip(from) {
            *to = f32::from(from) / 255.0;
        }
    }

    fn narrow(from: &[f32], to: &mut [Self]) {
        for (to, &from) in to.iter_mut().zip(from) {
            // After clamping, the low bits of the integer are the whole of it.
            *to = quantise(from, 255.0) as Self;
        }
    }
}

impl Stored for u16 {
    fn widen(from: &[Self], to: &mut [f32]) {
        for (to, &from) in to.iter_mut().zip(from) {
            *to = f32::from(from) / 65535.0;
        }
    }

    fn narrow(from: &[f32], to: &mut [Self]) {
        for (to, &from) in to.iter_mut().zip(from) {
            *to = quantise(from, 65535.0) as Self;
        }
    }
}

impl Stored for f16 {
    fn widen(from: &[Self], to: &mut [f32]) {
        from.convert_to_f32_slice(to);
    }

    fn narrow(from: &[f32], to: &mut [Self]) {
        to.convert_from_f32_slice(from);
    }
}

/// `value` × `top`, clamped to 0 … `top` and rounded to the nearest whole number; 0 for a NaN.
#[inline(always)]
#[allow(
    clippy::manual_clamp,
    reason = "`clamp` keeps a NaN, where `max` returns its other argument"
)]
fn quantise(value: f32, top: f32) -> i32 {
    let scaled = value.max(0.0).min(1.0) * top + 0.5;
    // SAFETY: between 0.5 and 65535.5, and never a NaN.
    unsafe { scaled.to_int_unchecked() }
}

/// Where one output plane takes its values from.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Pick {
    /// The component at this place of the pixel.
    Component(usize),
    /// A constant.
    Constant(f32),
}

/// Fills `planes[i][at..at + pixels]` from a row of `f32` pixels of `C` components.
pub(crate) fn split_f32<const C: usize>(
    row: &[f32],
    picks: &[Pick],
    planes: &mut [&mut [f32]],
    at: usize,
) {
    let (pixels, _) = row.as_chunks::<C>();
    let range = at..at + pixels.len();
    let mut done = 0;
    // Colour is nearly always wanted whole: one pass over the pixels instead of three.
    if C >= 3
        && let (
            [
                Pick::Component(0),
                Pick::Component(1),
                Pick::Component(2),
                ..,
            ],
            [r, g, b, ..],
        ) = (picks, &mut *planes)
    {
        let (r, g, b) = (
            &mut r[range.clone()],
            &mut g[range.clone()],
            &mut b[range.clone()],
        );
        for (((pixel, r), g), b) in pixels.iter().zip(r).zip(g).zip(b) {
            (*r, *g, *b) = (pixel[0], pixel[1], pixel[2]);
        }
        done = 3;
    }
    for (pick, plane) in picks.iter().zip(planes).skip(done) {
        let plane = &mut plane[range.clone()];
        match *pick {
            Pick::Component(c) => {
                for (value, pixel) in plane.iter_mut().zip(pixels) {
                    *value = pixel[c];
                }
            }
            Pick::Constant(value) => plane.fill(value),
        }
    }
}

/// The same from a row of any other depth.
pub(crate) fn split_stored<T: Stored, const C: usize>(
    row: &[T],
    picks: &[Pick],
    planes: &mut [&mut [f32]],
    at: usize,
) {
    let mut block = [0.0; 4 * BLOCK];
    let mut at = at;
    for part in row.chunks(C * BLOCK) {
        let block = &mut block[..part.len()];
        T::widen(part, block);
        split_f32::<C>(block, picks, planes, at);
        at += part.len() / C;
    }
}

/// Writes planes (red, green, blue, alpha) into a row of `f32` pixels of `C` components: all four,
/// the first three, or alpha alone.
pub(crate) fn join_f32<const C: usize>(planes: &[&[f32]; 4], row: &mut [f32]) {
    let [r, g, b, a] = planes;
    if C == 1 {
        row.copy_from_slice(a);
        return;
    }
    let (pixels, _) = row.as_chunks_mut::<C>();
    let colour = pixels.iter_mut().zip(*r).zip(*g).zip(*b);
    if C == 4 {
        for ((((pixel, &r), &g), &b), &a) in colour.zip(*a) {
            pixel.copy_from_slice(&[r, g, b, a]);
        }
    } else {
        for (((pixel, &r), &g), &b) in colour {
            pixel.copy_from_slice(&[r, g, b]);
        }
    }
}

/// [`join_f32`] for four components, past the processor's caches: what is written is not fetched
/// first, which is half of what writing costs, and other things stay in the caches. For pictures
/// that are larger than these; the row starts at a multiple of 16 bytes, or is joined as usual.
pub(crate) fn stream_f32(planes: &[&[f32]; 4], row: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if row.as_ptr().addr().is_multiple_of(16) {
        use std::arch::x86_64::{_MM_TRANSPOSE4_PS, _mm_loadu_ps, _mm_sfence, _mm_stream_ps};
        let (groups, rest) = row.as_chunks_mut::<16>();
        let done = 4 * groups.len();
        let [r, g, b, a] = planes.map(|plane| plane[..done].as_chunks::<4>().0);
        for ((((group, r), g), b), a) in groups.iter_mut().zip(r).zip(g).zip(b).zip(a) {
            // SAFETY: each pointer is to the four or sixteen values of its chunk; groups of 64
            // bytes start at multiples of 16, as the row does. Every x86-64 processor has SSE.
            unsafe {
                let mut pixels = [r, g, b, a].map(|plane| _mm_loadu_ps(plane.as_ptr()));
                let [one, two, three, four] = &mut pixels;
                _MM_TRANSPOSE4_PS(one, two, three, four);
                for (index, pixel) in pixels.into_iter().enumerate() {
                    _mm_stream_ps(group.as_mut_ptr().add(4 * index), pixel);
                }
            }
        }
        join_f32::<4>(&planes.map(|plane| &plane[done..]), rest);
        // SAFETY: as above. Whoever is told that the row is written finds it written.
        unsafe { _mm_sfence() };
        return;
    }
    join_f32::<4>(planes, row);
}

/// The same into a row of any other depth.
pub(crate) fn join_stored<T: Stored, const C: usize>(planes: &[&[f32]; 4], row: &mut [T]) {
    let mut block = [0.0; 4 * BLOCK];
    for (index, part) in row.chunks_mut(C * BLOCK).enumerate() {
        let first = index * BLOCK;
        let range = first..first + part.len() / C;
        let block = &mut block[..part.len()];
        let [r, g, b, a] = planes;
        let planes = [
            &r[range.clone()],
            &g[range.clone()],
            &b[range.clone()],
            &a[range],
        ];
        join_f32::<C>(&planes, block);
        T::narrow(block, part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streaming_writes_what_joining_does() {
        for length in 0..40 {
            let values: Vec<f32> = (0..4 * length).map(|i| i as f32 * 0.7 - 3.0).collect();
            let mut parts = values.chunks(length.max(1));
            let planes = [(); 4].map(|()| parts.next().unwrap_or_default());
            let mut joined = vec![0.0; 4 * length];
            join_f32::<4>(&planes, &mut joined);
            // One of the four starts at a multiple of 16 bytes.
            for start in 0..4 {
                let mut streamed = vec![9.0; 4 * length + 8];
                stream_f32(&planes, &mut streamed[start..start + 4 * length]);
                assert_eq!(streamed[start..start + 4 * length], joined[..]);
                assert!(streamed[..start].iter().all(|value| *value == 9.0));
                assert!(
                    streamed[start + 4 * length..]
                        .iter()
                        .all(|value| *value == 9.0)
                );
            }
        }
    }
}
