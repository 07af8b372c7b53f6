//! One row of pixels from any stored format to interleaved RGBA floats, and back.
//!
//! Loops are written per format, so that the compiler can make vectors of them: a 4K frame is
//! converted in both directions at about the speed of memory.

use half::f16;
use half::slice::HalfFloatSliceExt;

use crate::types::{Components, Depth};

/// The value that an integer sample stands for, 0..=1.
fn from_byte(v: u8) -> f32 {
    f32::from(v) / 255.0
}

fn from_short(v: u16) -> f32 {
    f32::from(v) / 65535.0
}

/// Rounds to the nearest sample; values beyond 0..=1 are clamped and NaN becomes 0.
fn to_byte(v: f32) -> u8 {
    // A float-to-integer cast saturates and takes NaN to 0.
    (v.clamp(0.0, 1.0) * 255.0 + 0.5) as u8
}

fn to_short(v: f32) -> u16 {
    (v.clamp(0.0, 1.0) * 65535.0 + 0.5) as u16
}

/// Spreads stored channels over RGBA. RGB reads alpha 1; Alpha reads colour 0.
fn spread<T: Copy>(components: Components, from: &[T], to: &mut [f32], value: impl Fn(T) -> f32) {
    match components {
        Components::Rgba => {
            for (out, v) in to.iter_mut().zip(from) {
                *out = value(*v);
            }
        }
        Components::Rgb => {
            for (out, v) in to.chunks_exact_mut(4).zip(from.chunks_exact(3)) {
                out[0] = value(v[0]);
                out[1] = value(v[1]);
                out[2] = value(v[2]);
                out[3] = 1.0;
            }
        }
        Components::Alpha => {
            for (out, v) in to.chunks_exact_mut(4).zip(from) {
                out[..3].fill(0.0);
                out[3] = value(*v);
            }
        }
    }
}

/// Takes from RGBA the channels that are stored.
fn gather<T: Copy>(components: Components, from: &[f32], to: &mut [T], value: impl Fn(f32) -> T) {
    match components {
        Components::Rgba => {
            for (out, v) in to.iter_mut().zip(from) {
                *out = value(*v);
            }
        }
        Components::Rgb => {
            for (out, v) in to.chunks_exact_mut(3).zip(from.chunks_exact(4)) {
                out[0] = value(v[0]);
                out[1] = value(v[1]);
                out[2] = value(v[2]);
            }
        }
        Components::Alpha => {
            for (out, v) in to.iter_mut().zip(from.chunks_exact(4)) {
                *out = value(v[3]);
            }
        }
    }
}

/// A sample type whose every bit pattern is a value, so that bytes can be seen as samples.
///
/// # Safety
/// Implemented only for plain numbers without padding or forbidden bit patterns.
unsafe trait Sample: Copy {}
// SAFETY: a plain number.
unsafe impl Sample for u16 {}
// SAFETY: a plain number; `f16` is transparent over `u16`.
unsafe impl Sample for f16 {}
// SAFETY: a plain number.
unsafe impl Sample for f32 {}

/// The bytes as samples; `None` when they are not aligned or not a whole number of them.
fn samples<T: Sample>(bytes: &[u8]) -> Option<&[T]> {
    // SAFETY: `T: Sample` has no forbidden bit pattern; `align_to` keeps within the slice.
    let (before, samples, after) = unsafe { bytes.align_to::<T>() };
    (before.is_empty() && after.is_empty()).then_some(samples)
}

fn samples_mut<T: Sample>(bytes: &mut [u8]) -> Option<&mut [T]> {
    // SAFETY: as in `samples`; every value of `T` is valid as bytes.
    let (before, samples, after) = unsafe { bytes.align_to_mut::<T>() };
    (before.is_empty() && after.is_empty()).then_some(samples)
}

/// A row's bytes seen as floats. Rows of this module's images are aligned, so `None` means that
/// the depth is not float.
pub(super) fn floats(depth: Depth, row: &[u8]) -> Option<&[f32]> {
    if depth == Depth::Float {
        samples(row)
    } else {
        None
    }
}

/// As [`floats`], to write.
pub(super) fn floats_mut(depth: Depth, row: &mut [u8]) -> Option<&mut [f32]> {
    if depth == Depth::Float {
        samples_mut(row)
    } else {
        None
    }
}

/// Reads a stored row into interleaved RGBA, four values a pixel. `scratch` is for the caller to
/// keep between rows.
pub(super) fn read(
    depth: Depth,
    components: Components,
    row: &[u8],
    rgba: &mut [f32],
    scratch: &mut Vec<f32>,
) {
    match depth {
        Depth::Byte => spread(components, row, rgba, from_byte),
        Depth::Short => {
            if let Some(row) = samples::<u16>(row) {
                spread(components, row, rgba, from_short);
            }
        }
        Depth::Half => {
            if let Some(row) = samples::<f16>(row) {
                scratch.resize(row.len(), 0.0);
                row.convert_to_f32_slice(scratch);
                spread(components, scratch, rgba, |v| v);
            }
        }
        Depth::Float => {
            if let Some(row) = samples::<f32>(row) {
                spread(components, row, rgba, |v| v);
            }
        }
    }
}

/// Writes interleaved RGBA into a stored row.
pub(super) fn write(
    depth: Depth,
    components: Components,
    rgba: &[f32],
    row: &mut [u8],
    scratch: &mut Vec<f32>,
) {
    match depth {
        Depth::Byte => gather(components, rgba, row, to_byte),
        Depth::Short => {
            if let Some(row) = samples_mut::<u16>(row) {
                gather(components, rgba, row, to_short);
            }
        }
        Depth::Half => {
            if let Some(row) = samples_mut::<f16>(row) {
                scratch.resize(row.len(), 0.0);
                gather(components, rgba, scratch, |v| v);
                row.convert_from_f32_slice(scratch);
            }
        }
        Depth::Float => {
            if let Some(row) = samples_mut::<f32>(row) {
                gather(components, rgba, row, |v| v);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_round_to_nearest_and_clamp() {
        assert_eq!(
            [0.0, 0.5, 1.0, -3.0, 7.0, f32::NAN, f32::INFINITY].map(to_byte),
            [0, 128, 255, 0, 255, 0, 255]
        );
        for v in 0..=255u8 {
            assert_eq!(to_byte(from_byte(v)), v);
        }
        for v in 0..=65535u16 {
            assert_eq!(to_short(from_short(v)), v);
        }
    }

    #[test]
    fn channels_that_are_not_stored_read_as_documented() {
        let mut rgba = [9.0; 8];
        spread(Components::Rgb, &[1u8, 2, 3, 4, 5, 6], &mut rgba, |v| {
            f32::from(v)
        });
        assert_eq!(rgba, [1.0, 2.0, 3.0, 1.0, 4.0, 5.0, 6.0, 1.0]);
        spread(Components::Alpha, &[7u8, 8], &mut rgba, f32::from);
        assert_eq!(rgba, [0.0, 0.0, 0.0, 7.0, 0.0, 0.0, 0.0, 8.0]);
    }
}
