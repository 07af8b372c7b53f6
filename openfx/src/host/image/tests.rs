//! Pictures survive every layout, and rows are where their coordinates say.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;

fn ramp(bounds: RectI) -> Vec<f32> {
    (0..bounds.width() * bounds.height() * 4)
        .map(|i| (i % 251) as f32 / 250.0)
        .collect()
}

#[test]
fn every_layout_gives_back_what_was_put_in() {
    let bounds = RectI::new(-3, 5, 4, 9);
    let rgba = ramp(bounds);
    for depth in Depth::ALL {
        let tolerance = match depth {
            Depth::Byte => 0.5 / 255.0 + 1e-6,
            Depth::Short => 1e-5,
            Depth::Half => 5e-4,
            Depth::Float => 0.0,
        };
        for components in Components::ALL {
            for (flipped, padding) in [(false, 0), (true, 0), (false, 5), (true, 64)] {
                let layout = Layout {
                    depth: *depth,
                    components: *components,
                    flipped,
                    padding,
                };
                let image = HostImage::from_rgba_f32(bounds, &rgba, layout).unwrap();
                assert_eq!(image.row_bytes() < 0, flipped);
                assert!(image.row_bytes().unsigned_abs() >= 7 * layout.pixel_bytes() + padding);
                let back = image.to_rgba_f32();
                for (i, (want, got)) in rgba.iter().zip(&back).enumerate() {
                    let want = match (components, i % 4) {
                        (Components::Rgb, 3) => 1.0,
                        (Components::Alpha, 0..=2) => 0.0,
                        _ => *want,
                    };
                    assert!((want - got).abs() <= tolerance, "{layout:?} at {i}");
                }
            }
        }
    }
}

#[test]
fn the_first_float_is_the_upper_left_pixel() {
    let bounds = RectI::new(10, 20, 12, 22);
    let rgba: Vec<f32> = (0..16).map(|v| v as f32).collect();
    for flipped in [false, true] {
        let layout = Layout {
            flipped,
            ..Layout::default()
        };
        let image = HostImage::from_rgba_f32(bounds, &rgba, layout).unwrap();
        assert_eq!(image.pixel(10, 21).unwrap(), [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(image.pixel(11, 20).unwrap(), [12.0, 13.0, 14.0, 15.0]);
        assert!(image.pixel(12, 20).is_none() && image.pixel(10, 22).is_none());
        // SAFETY: `data` is the pixel (x1, y1) and one row up is `row_bytes` further.
        let (low, high) = unsafe {
            let low = image.data();
            (
                low.cast::<f32>().read_unaligned(),
                low.offset(image.row_bytes()).cast::<f32>().read_unaligned(),
            )
        };
        assert_eq!((low, high), (8.0, 0.0));
        assert_eq!(image.as_rgba_f32().is_some(), flipped);
    }
}

#[test]
fn converting_moves_pixels_by_their_coordinates() {
    let bounds = RectI::new(0, 0, 4, 3);
    let image = HostImage::from_rgba_f32(bounds, &ramp(bounds), Layout::default()).unwrap();
    let wider = RectI::new(-1, 1, 3, 5);
    let layout = Layout {
        depth: Depth::Half,
        flipped: true,
        padding: 2,
        ..Layout::default()
    };
    let moved = image.converted(wider, layout).unwrap();
    for y in wider.y1..wider.y2 {
        for x in wider.x1..wider.x2 {
            let want = image.pixel(x, y).unwrap_or([0.0; 4]);
            let got = moved.pixel(x, y).unwrap();
            for c in 0..4 {
                assert!((want[c] - got[c]).abs() < 1e-3, "({x}, {y})");
            }
        }
    }
}

#[test]
fn pictures_that_cannot_be_are_errors() {
    let wrong = HostImage::from_rgba_f32(RectI::new(0, 0, 2, 2), &[0.0; 15], Layout::default());
    assert!(wrong.unwrap_err().to_string().contains("15 floats"));
    let huge = RectI::new(i32::MIN, 0, i32::MAX, 1);
    assert!(HostImage::new(huge, Layout::default()).is_err());
    let empty = HostImage::from_rgba_f32(RectI::default(), &[], Layout::default()).unwrap();
    assert!(empty.to_rgba_f32().is_empty() && empty.row(0).is_none());
}
