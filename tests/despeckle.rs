//! Despeckle through the real bundle: what goes, and that nothing else does.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{connect, frame, instance, library, picture, plate, ran, render, set};
use ofx::host::{HostImage, Instance, Layout, Library, RenderRequest};
use ofx::{Context, RectI, Scale};

const FLOAT: Layout = Layout::FLOAT_RGBA;
const WIDTH: i32 = 640;
const HEIGHT: i32 = 480;

/// A matte of row and column, row 0 on top.
type Matte = fn(i32, i32) -> f32;

/// How far a pixel lies outside a square.
fn outside(x: i32, y: i32, left: i32, top: i32, side: i32) -> i32 {
    let beyond = |at: i32, from: i32| (from - at).max(at - (from + side - 1)).max(0);
    beyond(x, left).max(beyond(y, top))
}

/// A soft subject with a faint whisker and a loose hair near it, a drop beside it, and two marks far
/// away, one solid with soft sides and one faint.
fn shot(x: i32, y: i32) -> f32 {
    let soft = |distance: i32| 1.0 - 0.1 * distance as f32;
    let subject = soft(outside(x, y, 60, 100, 150));
    let whisker = if (219..420).contains(&x) && (180..182).contains(&y) {
        0.06
    } else {
        0.0
    };
    let hair = if (430..470).contains(&x) && y == 190 {
        0.2
    } else {
        0.0
    };
    let drop = soft(outside(x, y, 120, 268, 6));
    let mark = soft(outside(x, y, 540, 60, 10));
    let smudge = if outside(x, y, 500, 380, 40) == 0 {
        0.15
    } else {
        0.0
    };
    [subject, whisker, hair, drop, mark, smudge]
        .into_iter()
        .fold(0.0, f32::max)
}

/// A node whose network answers with twice the hint, so that nothing of the matte up to 0.99 is
/// asked for by the hint.
fn node(library: &Library, matte: Matte) -> Instance {
    let bounds = frame(WIDTH, HEIGHT);
    // Where the matte is 1 the hint is one half, which asks for nothing yet.
    let hint = picture(bounds, FLOAT, |x, y| [0.5 * matte(x, y); 4]);
    let node = instance(
        library,
        Context::General,
        &plate(bounds, FLOAT),
        Some(&hint),
    );
    set(
        &node,
        &[
            ("model", "refined"),
            ("refinerStrength", "2"),
            ("screenColor", "green"),
            ("hintChannel", "alpha"),
            ("output", "matte"),
        ],
    );
    node
}

/// Alpha at a pixel, row 0 on top.
fn alpha(image: &HostImage, x: i32, y: i32) -> f32 {
    image.pixel(x, image.bounds().y2 - 1 - y).unwrap()[3]
}

fn with(node: &Instance, settings: &[(&str, &str)]) -> HostImage {
    set(node, settings);
    render(node, "matte")
}

#[test]
fn marks_go_without_a_ring_and_all_else_stays_bit_for_bit() {
    let library = library();
    let node = node(&library, shot);
    let off = with(&node, &[("despeckle", "false")]);
    assert_eq!(alpha(&off, 545, 65), 1.0, "the mark is there");
    assert_eq!(alpha(&off, 400, 180), 0.06, "the whisker is there");
    // Nothing is set but Despeckle itself: this is how a new node does it.
    let on = with(&node, &[("despeckle", "true")]);
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            let marks = outside(x, y, 540, 60, 10) < 15 || outside(x, y, 500, 380, 40) < 15;
            let wanted = if marks { 0.0 } else { alpha(&off, x, y) };
            assert_eq!(alpha(&on, x, y), wanted, "{x} {y}");
        }
    }
    // The original's way is there, and takes more: whisker and hair.
    let original = with(&node, &[("despeckleMethod", "corridorKey")]);
    assert_eq!(alpha(&original, 400, 180), 0.0);
    assert_eq!(alpha(&original, 450, 190), 0.0);
    assert_eq!(alpha(&original, 545, 65), 0.0);
    assert_eq!(alpha(&original, 130, 150), 1.0);
    // A size below the marks keeps them.
    set(&node, &[("despeckleMethod", "islands")]);
    let small = with(&node, &[("despeckleSize", "30")]);
    assert_eq!(alpha(&small, 545, 65), 1.0);
    library.assert_clean();
}

#[test]
fn what_the_hint_or_the_inside_mask_covers_stays() {
    let library = library();
    let bounds = frame(WIDTH, HEIGHT);
    let node = node(&library, shot);
    let of_mark = |x: i32, y: i32| outside(x, y, 540, 60, 10) < 10;
    // A hint that covers one pixel of the mark; the network sees it, too, and doubles it.
    let hint = picture(bounds, FLOAT, |x, y| {
        let covered = (x, y) == (545, 65);
        [if covered { 0.6 } else { 0.5 * shot(x, y) }; 4]
    });
    connect(&node, "Hint", &hint);
    let hinted = render(&node, "matte");
    assert!(ran(&node), "another hint is another prediction");
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            if of_mark(x, y) && (x, y) != (545, 65) {
                assert_eq!(alpha(&hinted, x, y), shot(x, y), "{x} {y}");
            }
        }
    }
    assert_eq!(alpha(&hinted, 520, 400), 0.0, "nothing asks for the smudge");
    // A hint that is keyed from the screen asks for nothing: where everything is too small, all goes
    // but what the mask covers.
    let screened = picture(bounds, FLOAT, |x, y| match shot(x, y) > 0.5 {
        true => [0.8, 0.4, 0.4, 1.0],
        false => [0.1, 0.7, 0.2, 1.0],
    });
    connect(&node, "Source", &screened);
    set(&node, &[("hintSource", "screen"), ("refinerStrength", "1")]);
    let keyed = render(&node, "matte");
    assert_eq!(alpha(&keyed, 130, 150), 1.0);
    set(&node, &[("despeckleSize", "1000000")]);
    let nothing = render(&node, "matte");
    assert_eq!(alpha(&nothing, 130, 150), 0.0);
    let mask = picture(bounds, FLOAT, |x, y| {
        [f32::from(u8::from(outside(x, y, 540, 60, 10) == 0)); 4]
    });
    connect(&node, "InM", &mask);
    let masked = render(&node, "matte");
    assert_eq!(alpha(&masked, 130, 150), 0.0);
    assert_eq!(alpha(&masked, 545, 65), 1.0);
    library.assert_clean();
}

#[test]
fn a_pixel_is_the_same_in_every_window() {
    let library = library();
    let node = node(&library, shot);
    let whole = render(&node, "matte");
    for window in [
        RectI::new(0, 0, 1, 1),
        RectI::new(530, 400, 640, 480),
        RectI::new(200, 290, 500, 301),
        RectI::new(545, 0, 546, 480),
    ] {
        let part = node
            .render(&RenderRequest {
                window: Some(window),
                ..RenderRequest::at(1.0)
            })
            .unwrap();
        for y in window.y1..window.y2 {
            for x in window.x1..window.x2 {
                assert_eq!(part.pixel(x, y), whole.pixel(x, y), "{x} {y}");
            }
        }
    }
    library.assert_clean();
}

#[test]
fn a_proxy_drops_what_full_scale_drops() {
    let library = library();
    let node = node(&library, |x, y| {
        let subject = outside(x, y, 60, 100, 150) == 0;
        // 24 x 24 pixels are enough, 16 x 16 are not.
        let islands = outside(x, y, 400, 100, 24) == 0 || outside(x, y, 400, 300, 16) == 0;
        // Half a pixel of the proxy wide.
        let whisker = (209..390).contains(&x) && y == 200;
        match (subject || islands, whisker) {
            (true, _) => 1.0,
            (false, true) => 0.4,
            (false, false) => 0.0,
        }
    });
    for scale in [1.0, 0.5] {
        let matte = node
            .render(&RenderRequest {
                scale: Scale { x: scale, y: scale },
                ..RenderRequest::at(1.0)
            })
            .unwrap();
        let at = |x: i32, y: i32| {
            let on = |value: i32| (f64::from(value) * scale) as i32;
            alpha(&matte, on(x), on(y))
        };
        assert!((at(412, 112) - 1.0).abs() < 0.01, "at {scale}");
        assert!(at(408, 308) == 0.0, "at {scale}");
        assert!(at(380, 200) > 0.1, "at {scale}");
    }
    library.assert_clean();
}
