//! The outputs that are not the key itself: over a background, the screen alone, and the status.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::sync::Arc;

use common::{
    connect, difference, frame, hint, instance, is_subject, library, picture, plate, ran, render,
    set, status,
};
use ofx::host::{HostImage, Instance, Layout, Library, RenderRequest};
use ofx::{Context, Premultiplication, RectI, Scale};

const FLOAT: Layout = Layout::FLOAT_RGBA;

fn node(library: &Library, plate: &Arc<HostImage>, hint: Option<&Arc<HostImage>>) -> Instance {
    let node = instance(library, Context::General, plate, hint);
    set(
        &node,
        &[
            ("model", "pass"),
            ("despeckle", "false"),
            ("despillStrength", "0"),
        ],
    );
    node
}

#[test]
fn a_composite_lies_over_the_background_where_it_is() {
    let library = library();
    let bounds = frame(96, 64);
    let source = plate(bounds, FLOAT);
    let node = node(&library, &source, Some(&hint(bounds, FLOAT)));
    let over_checker = render(&node, "composite");
    // A background of its own bounds: what it does not cover is black behind the subject.
    let patch = RectI {
        x1: -40,
        y1: -10,
        x2: 50,
        y2: 200,
    };
    let opaque = picture(patch, FLOAT, |_, _| [0.2, 0.3, 4.0, 1.0]);
    connect(&node, "Bg", &opaque);
    let found = render(&node, "composite");
    assert!(!ran(&node));
    let matte = render(&node, "matte");
    let foreground = render(&node, "foreground");
    for (x, y) in [
        (0, 0),
        (20, 20),
        (29, 45),
        (49, 63),
        (50, 63),
        (90, 5),
        (65, 51),
    ] {
        let alpha = matte.pixel(x, y).unwrap()[3];
        let behind = if x < 50 { [0.2, 0.3, 4.0] } else { [0.0; 3] };
        let (found, front) = (found.pixel(x, y).unwrap(), foreground.pixel(x, y).unwrap());
        for c in 0..3 {
            let wanted = front[c] * alpha + behind[c] * (1.0 - alpha);
            assert!((found[c] - wanted).abs() < 1e-4, "{found:?} at {x}, {y}");
        }
        assert_eq!(found[3], 1.0);
    }
    // A background with alpha lies over black, whichever way it is multiplied.
    for (told, value) in [
        (Premultiplication::Unpremultiplied, 0.8),
        (Premultiplication::Premultiplied, 0.4),
    ] {
        let half = picture(bounds, FLOAT, |_, _| [value, value, value, 0.5]);
        let mut half = Arc::into_inner(half).unwrap();
        half.premultiplication = told;
        connect(&node, "Bg", &Arc::new(half));
        let found = render(&node, "composite").pixel(2, 2).unwrap();
        assert!((found[0] - 0.4).abs() < 1e-5, "{told:?}: {found:?}");
    }
    // It is converted as the plate is, and a proxy shows the same.
    node.set_str("inputColor", "srgb").unwrap();
    let solid = picture(bounds, FLOAT, |_, _| [0.5, 0.5, 0.5, 1.0]);
    connect(&node, "Bg", &solid);
    assert!((render(&node, "composite").pixel(2, 2).unwrap()[1] - 0.5).abs() < 1e-4);
    let proxy = node
        .render(&RenderRequest {
            scale: Scale { x: 0.5, y: 0.5 },
            ..RenderRequest::at(1.0)
        })
        .unwrap();
    assert!((proxy.pixel(1, 1).unwrap()[1] - 0.5).abs() < 1e-4);
    node.disconnect("Bg").unwrap();
    node.set_str("inputColor", "auto").unwrap();
    let again = render(&node, "composite");
    assert_eq!(difference(&again, &over_checker), 0.0);
    library.assert_clean();
}

#[test]
fn the_screen_is_a_clean_plate_in_the_hosts_own_values() {
    let library = library();
    let bounds = frame(160, 96);
    // Light falls off towards the right.
    let light = |x: i32| 1.0 - 0.4 * x as f32 / 160.0;
    let source = picture(bounds, FLOAT, |x, y| match is_subject(x, y, 160, 96) {
        true => [0.75, 0.5, 0.42, 1.0],
        false => [0.1 * light(x), 0.6 * light(x), 0.2 * light(x), 1.0],
    });
    let node = node(&library, &source, None);
    for space in ["linear", "srgb"] {
        node.set_str("inputColor", space).unwrap();
        let screen = render(&node, "screen");
        assert_eq!(
            status(&node, "statusModel"),
            "not needed to show the screen"
        );
        for (x, y) in [(5, 5), (48, 67), (110, 76), (150, 50)] {
            let found = screen.pixel(x, y).unwrap();
            for (found, wanted) in found[..3].iter().zip([0.1, 0.6, 0.2]) {
                let wanted = wanted * light(x);
                assert!(
                    (found - wanted).abs() < 0.03,
                    "{space}: {found} for {wanted} at {x}, {y}"
                );
            }
            assert_eq!(found[3], 1.0);
        }
    }
    // Without a screen it says so.
    let grey = picture(bounds, FLOAT, |_, _| [0.4, 0.4, 0.4, 1.0]);
    connect(&node, "Source", &grey);
    let failure = node.render(&RenderRequest::at(1.0)).unwrap_err();
    assert!(
        failure
            .message
            .unwrap()
            .contains("no green screen was found")
    );
    library.assert_clean();
}

#[test]
fn the_status_shows_what_is_worth_a_look() {
    let library = library();
    let bounds = frame(100, 20);
    // The transparent model gives the hint as alpha: five bands of it.
    let bands = picture(bounds, FLOAT, |x, _| {
        [[0.0, 0.02, 0.5, 0.98, 1.0][(x / 20) as usize]; 4]
    });
    let node = node(&library, &plate(bounds, FLOAT), Some(&bands));
    node.set_str("inputColor", "srgb").unwrap();
    let found = render(&node, "status");
    for (band, wanted) in [
        [0.0; 3],
        [0.1, 0.25, 0.9],
        [0.5; 3],
        [0.95, 0.85, 0.1],
        [1.0; 3],
    ]
    .into_iter()
    .enumerate()
    {
        let [r, g, b, a] = found.pixel(band as i32 * 20 + 10, 10).unwrap();
        for (found, wanted) in [r, g, b].into_iter().zip(wanted) {
            assert!((found - wanted).abs() < 1e-4, "band {band}: {found}");
        }
        assert_eq!(a, 1.0);
    }
    library.assert_clean();
}
