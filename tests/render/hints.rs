//! How a hint comes to the plate: where it lies, at which scale, and which of its channels is read.

use std::sync::Arc;

use ofx::host::{ClipFormat, FnClip, Layout, RenderRequest, StillClip};
use ofx::{Components, Context, RectD, RectI, Scale};

use super::common::{frame, hint, library, picture, plate, render, status, transparent};
use super::{FLOAT, Still};

#[test]
fn a_hint_lies_where_it_lies_and_is_nothing_beyond() {
    let library = library();
    let bounds = frame(128, 80);
    let patch = RectI {
        x1: -20,
        y1: 30,
        x2: 50,
        y2: 140,
    };
    let white = picture(
        patch,
        Layout {
            components: Components::Alpha,
            ..FLOAT
        },
        |_, _| [1.0; 4],
    );
    let node = transparent(
        &library,
        Context::General,
        &plate(bounds, FLOAT),
        Some(&white),
    );
    for output in ["matte", "hint"] {
        let found = render(&node, output);
        for y in 0..80 {
            for x in 0..128 {
                let inside = x < 50 && y >= 30;
                let expected = if inside { 1.0 } else { 0.0 };
                assert_eq!(
                    found.pixel(x, y).unwrap()[3],
                    expected,
                    "{output} at {x}, {y}"
                );
            }
        }
    }
    library.assert_clean();
}

/// A hint at a scale of its own, whatever is asked for.
fn at_own_scale(
    bounds: RectI,
    scale: f64,
    pixel: impl Fn(i32, i32) -> f32,
) -> Arc<FnClip<impl Fn(f64, Scale) -> Still>> {
    let image = picture(bounds, FLOAT, |x, y| [pixel(x, y); 4]);
    let mut image = Arc::into_inner(image).unwrap();
    image.scale = Scale { x: scale, y: scale };
    let region = RectD::from_pixels(bounds, image.scale, 1.0);
    let image = Arc::new(image);
    Arc::new(FnClip::new(ClipFormat::default(), region, move |_, _| {
        Some(image.clone())
    }))
}

#[test]
fn a_hint_of_another_scale_neither_fades_at_the_edge_nor_aliases() {
    let library = library();
    let bounds = frame(128, 96);
    let node = transparent(
        &library,
        Context::General,
        &plate(bounds, FLOAT),
        Some(&hint(bounds, FLOAT)),
    );
    node.connect("Hint", at_own_scale(frame(64, 48), 0.5, |_, _| 0.9))
        .unwrap();
    let shown = render(&node, "hint");
    for (x, y) in [(0, 0), (127, 95), (0, 50), (64, 0), (64, 50)] {
        let found = shown.pixel(x, y).unwrap()[3];
        assert!((found - 0.9).abs() < 1e-5, "{found} at {x}, {y}");
    }
    // Beyond its edge there is still nothing.
    node.connect("Hint", at_own_scale(frame(32, 48), 0.5, |_, _| 0.9))
        .unwrap();
    let shown = render(&node, "hint");
    assert!((shown.pixel(63, 50).unwrap()[3] - 0.9).abs() < 1e-5);
    assert_eq!(shown.pixel(64, 50).unwrap()[3], 0.0);
    // Every other column of a full hint, under a proxy.
    node.connect("Hint", at_own_scale(bounds, 1.0, |x, _| (x % 2) as f32))
        .unwrap();
    let quarter = Scale { x: 0.25, y: 0.25 };
    let proxy = node
        .render(&RenderRequest {
            scale: quarter,
            ..RenderRequest::at(1.0)
        })
        .unwrap();
    for x in 1..31 {
        let found = proxy.pixel(x, 12).unwrap()[3];
        assert!((found - 0.5).abs() < 0.02, "{found} at {x}");
    }
    library.assert_clean();
}

#[test]
fn a_hint_in_the_alpha_of_a_plate_means_the_same_in_every_frame() {
    let library = library();
    let bounds = frame(96, 64);
    let green = plate(bounds, FLOAT);
    let node = transparent(&library, Context::General, &green, None);
    // The roto is out of shot, in it, and fills it.
    let shot: [fn(i32) -> f32; 3] = [|_| 0.0, |x| if x < 48 { 1.0 } else { 0.0 }, |_| 1.0];
    for alpha in shot {
        let rotoed = picture(bounds, FLOAT, |x, y| {
            let [r, g, b, _] = green.pixel(x, 63 - y).unwrap();
            [r, g, b, alpha(x)]
        });
        node.connect("Hint", Arc::new(StillClip::new(rotoed)))
            .unwrap();
        let matte = render(&node, "matte");
        for x in [3, 40, 60, 90] {
            assert_eq!(matte.pixel(x, 20).unwrap()[3], alpha(x), "at {x}");
        }
        let line = status(&node, "statusReading");
        assert!(line.contains("hint: alpha of the Hint input"), "{line}");
    }
    // A black and white matte whose alpha says nothing is read all the same.
    let matte = picture(bounds, FLOAT, |x, _| {
        let value = if x < 48 { 0.8 } else { 0.0 };
        [value, value, value, 1.0]
    });
    node.connect("Hint", Arc::new(StillClip::new(matte)))
        .unwrap();
    let found = render(&node, "matte");
    assert_eq!(found.pixel(60, 20).unwrap()[3], 0.0);
    assert_eq!(found.pixel(20, 20).unwrap()[3], 0.8);
    library.assert_clean();
}
