//! Brings a hint to the frame of its plate.
//!
//! Hints are often made at half size, and then they are scaled. A hint of another shape belongs to
//! another plate, and then nobody can know where it should lie.

use corridorkey::keyer::Planes;
use corridorkey::keyer::resample::{Kernel, resize};

use crate::picture::{Kind, Picture, Placement, Size, frame};

/// The hint in the source's frame: as it is when both frames have the same size, scaled (bilinear,
/// antialiased) when they have the same shape to within half a pixel.
///
/// # Errors
/// A sentence that names both sizes.
pub(crate) fn fit(mut hint: Picture, source: &Placement) -> Result<Picture, String> {
    let (from, to) = (hint.placement.display, source.display);
    if from != to {
        // PNG knows no pixel aspect: such a hint has its plate's.
        let stretch = match hint.kind {
            Kind::Exr => hint.placement.pixel_aspect / source.pixel_aspect,
            Kind::Png => 1.0,
        };
        if !same_shape(from, to, stretch) {
            return Err(format!(
                "the hint is {from} pixels and the source is {to}: a hint may have another size but \
                 must have the same shape; render it again at the source's size"
            ));
        }
        let failed = |error: corridorkey::keyer::Error| error.to_string();
        let pixels = frame(&hint.placement, &hint.pixels);
        let planes =
            Planes::from_interleaved(from.width, from.height, 4, &pixels).map_err(failed)?;
        hint.pixels = resize(&planes, to, Kernel::Triangle).to_interleaved();
        hint.placement = Placement::whole(to);
    }
    hint.placement.pixel_aspect = source.pixel_aspect;
    Ok(hint)
}

/// True when some scale brings `from`, its width times `stretch`, to `to` within half a pixel of
/// the smaller of the two, as rounding a size does.
fn same_shape(from: Size, to: Size, stretch: f64) -> bool {
    let from = (from.width as f64 * stretch, from.height as f64);
    let to = (to.width as f64, to.height as f64);
    let fits = |large: (f64, f64), small: (f64, f64)| {
        let low = ((small.0 - 0.5) / large.0).max((small.1 - 0.5) / large.1);
        let high = ((small.0 + 0.5) / large.0).min((small.1 + 0.5) / large.1);
        low <= high
    };
    if from.0 * from.1 >= to.0 * to.1 {
        fits(from, to)
    } else {
        fits(to, from)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::picture::{Channels, Sample};

    fn size(width: usize, height: usize) -> Size {
        Size { width, height }
    }

    fn picture(placement: Placement, kind: Kind, value: impl Fn(usize, usize) -> f32) -> Picture {
        let Size { width, height } = placement.data;
        let pixels = (0..height)
            .flat_map(|y| (0..width).map(move |x| (x, y)))
            .flat_map(|(x, y)| [value(x, y), value(x, y), value(x, y), 1.0])
            .collect();
        Picture {
            kind,
            sample: Sample::Byte,
            channels: Channels::Grey,
            placement,
            pixels,
        }
    }

    #[test]
    fn rounded_sizes_are_the_same_shape_and_others_are_not() {
        for (from, to) in [
            (size(960, 540), size(1920, 1080)),
            (size(960, 540), size(1920, 1081)),
            (size(960, 541), size(1920, 1081)),
            (size(3840, 2160), size(1920, 1080)),
            (size(683, 384), size(1366, 768)),
            (size(512, 288), size(1920, 1080)),
            (size(1, 1), size(31, 31)),
        ] {
            assert!(same_shape(from, to, 1.0), "{from} {to}");
            assert!(same_shape(to, from, 1.0), "{to} {from}");
        }
        for (from, to) in [
            (size(960, 540), size(1920, 1084)),
            (size(1024, 1024), size(1920, 1080)),
            (size(1080, 1920), size(1920, 1080)),
            (size(1918, 1080), size(1920, 1080)),
        ] {
            assert!(!same_shape(from, to, 1.0), "{from} {to}");
            assert!(!same_shape(to, from, 1.0), "{to} {from}");
        }
        assert!(same_shape(size(960, 1080), size(1920, 1080), 2.0));
    }

    #[test]
    fn a_half_size_hint_is_scaled_without_a_shift() {
        let hint = picture(Placement::whole(size(8, 4)), Kind::Png, |x, _| x as f32);
        let source = Placement {
            pixel_aspect: 2.0,
            ..Placement::whole(size(16, 8))
        };
        let fitted = fit(hint, &source).unwrap();
        assert_eq!(fitted.placement.data, size(16, 8));
        assert_eq!(fitted.placement.pixel_aspect, 2.0);
        // A ramp stays a ramp: pixel centres at (x + 0.5) / 2 - 0.5, the border repeated.
        for y in 0..8 {
            for x in 0..16 {
                let expected = ((x as f32 + 0.5) / 2.0 - 0.5).clamp(0.0, 7.0);
                let value = fitted.pixels[(y * 16 + x) * 4];
                assert!((value - expected).abs() < 1e-5, "{x} {value} {expected}");
            }
        }
    }

    #[test]
    fn a_hint_with_its_own_data_window_stays_where_it_is() {
        let placement = Placement {
            x: 2,
            y: 1,
            data: size(3, 2),
            ..Placement::whole(size(8, 4))
        };
        let hint = picture(placement.clone(), Kind::Exr, |_, _| 1.0);
        let fitted = fit(hint, &Placement::whole(size(8, 4))).unwrap();
        assert_eq!(fitted.placement, placement);
        assert_eq!(fitted.pixels.len(), 3 * 2 * 4);
    }

    #[test]
    fn a_hint_of_another_shape_is_refused_with_both_sizes() {
        let hint = picture(Placement::whole(size(10, 10)), Kind::Png, |_, _| 0.0);
        let error = fit(hint, &Placement::whole(size(19, 10))).unwrap_err();
        assert!(
            error.contains("10x10") && error.contains("19x10"),
            "{error}"
        );
    }
}
