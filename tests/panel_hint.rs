//! What the artist tells the network: every source of a hint, its channel, its shape, the masks, the
//! screen's colour, and what happens where something is missing.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::sync::Arc;

use common::{
    connect, difference, frame, hint, instance, is_subject, library, picture, plate, ran, render,
    set, status, wide,
};
use ofx::host::{ClipFormat, FnClip, HostImage, Instance, Layout, Library, RenderRequest, Value};
use ofx::{Components, Context, Depth, Premultiplication, RectD, RectI, Scale};

const FLOAT: Layout = Layout::FLOAT_RGBA;
const ALPHA: Layout = Layout {
    components: Components::Alpha,
    ..FLOAT
};

/// A node with the transparent test model: the matte is the hint.
fn node(library: &Library, plate: &Arc<HostImage>, hint: Option<&Arc<HostImage>>) -> Instance {
    let node = instance(library, Context::General, plate, hint);
    set(
        &node,
        &[
            ("model", "pass"),
            ("despeckle", "false"),
            ("screenColor", "green"),
        ],
    );
    node
}

/// Alpha of the matte at a pixel, y upwards.
fn at(image: &HostImage, x: i32, y: i32) -> f32 {
    image.pixel(x, y).unwrap()[3]
}

/// White left of a column.
fn left_of(bounds: RectI, column: i32, layout: Layout) -> Arc<HostImage> {
    picture(bounds, layout, move |x, _| {
        [if x < column { 1.0 } else { 0.0 }; 4]
    })
}

fn message(node: &Instance) -> String {
    let failure = node.render(&RenderRequest::at(1.0)).unwrap_err();
    failure.message.expect("a failure has a message")
}

#[test]
fn every_source_is_what_its_name_says() {
    let library = library();
    let bounds = frame(128, 96);
    let source = picture(bounds, FLOAT, |x, y| {
        let [r, g, b] = match is_subject(x, y, 128, 96) {
            true => [0.75, 0.5, 0.42],
            false => [0.12, 0.62, 0.2],
        };
        [r, g, b, if x < 64 { 0.25 } else { 0.75 }]
    });
    let node = node(&library, &source, Some(&left_of(bounds, 20, FLOAT)));
    for (source, values, word) in [
        ("auto", [1.0, 0.0], "the Hint input"),
        ("hint", [1.0, 0.0], "the Hint input"),
        ("sourceAlpha", [0.25, 0.75], "alpha of the plate"),
        ("screen", [0.0, 0.0], "keyed from the screen"),
    ] {
        node.set_str("hintSource", source).unwrap();
        let matte = render(&node, "matte");
        assert_eq!([at(&matte, 4, 4), at(&matte, 120, 4)], values, "{source}");
        let line = status(&node, "statusReading");
        assert!(line.contains(word), "{source}: {line}");
        // The middle of the disc is what the screen is not.
        if source == "screen" {
            assert!(at(&matte, 38, 67) > 0.99);
        }
        // Output = Hint shows exactly what the network was given.
        assert_eq!(difference(&matte, &render(&node, "hint")), 0.0, "{source}");
    }
    node.disconnect("Hint").unwrap();
    node.set_str("hintSource", "auto").unwrap();
    let matte = render(&node, "matte");
    assert!(at(&matte, 38, 67) > 0.99 && at(&matte, 4, 4) == 0.0);
    node.set_str("hintSource", "hint").unwrap();
    assert!(message(&node).contains("nothing is connected to Hint"));
    library.assert_clean();
}

#[test]
fn an_opaque_matte_is_never_solid_white() {
    let library = library();
    let bounds = frame(64, 48);
    let green = plate(bounds, FLOAT);
    let matte = |alpha: f32, premultiplication| {
        let image = picture(bounds, FLOAT, |x, _| {
            let value = if x < 32 { 0.8 } else { 0.1 };
            [value, value, value, alpha]
        });
        let mut image = Arc::into_inner(image).unwrap();
        image.premultiplication = premultiplication;
        Arc::new(image)
    };
    let node = node(&library, &green, None);
    for premultiplication in [
        Premultiplication::Opaque,
        Premultiplication::Premultiplied,
        Premultiplication::Unpremultiplied,
    ] {
        connect(&node, "Hint", &matte(1.0, premultiplication));
        let found = render(&node, "matte");
        assert!(
            (at(&found, 5, 5) - 0.8).abs() < 1e-6,
            "{premultiplication:?}"
        );
        assert!(
            (at(&found, 60, 5) - 0.1).abs() < 1e-6,
            "{premultiplication:?}"
        );
        assert!(status(&node, "statusReading").contains("luminance"));
    }
    // A clip that the host calls opaque is read the same on every frame, whatever its alpha.
    connect(&node, "Hint", &matte(0.5, Premultiplication::Opaque));
    assert!((at(&render(&node, "matte"), 5, 5) - 0.8).abs() < 1e-6);
    // And the channel that is named is the channel that is read.
    node.set_str("hintChannel", "alpha").unwrap();
    assert_eq!(at(&render(&node, "matte"), 60, 5), 0.5);
    library.assert_clean();
}

#[test]
fn alpha_only_and_rgb_clips_are_read() {
    let library = library();
    let bounds = frame(64, 48);
    let rgb = Layout {
        components: Components::Rgb,
        ..FLOAT
    };
    for source in [FLOAT, rgb] {
        let node = node(&library, &plate(bounds, source), None);
        for layout in [ALPHA, rgb, FLOAT] {
            connect(&node, "Hint", &left_of(bounds, 32, layout));
            let matte = render(&node, "matte");
            assert_eq!([at(&matte, 5, 5), at(&matte, 60, 5)], [1.0, 0.0]);
        }
    }
    // An RGB plate has no alpha to be a hint.
    let node = node(&library, &plate(bounds, rgb), None);
    node.set_str("hintSource", "sourceAlpha").unwrap();
    assert!(message(&node).contains("has no alpha"));
    library.assert_clean();
}

#[test]
fn the_hint_is_shaped_before_the_network_sees_it() {
    let library = library();
    let bounds = frame(96, 64);
    let half = picture(bounds, FLOAT, |x, _| [if x < 48 { 0.5 } else { 0.0 }; 4]);
    let node = node(&library, &plate(bounds, FLOAT), Some(&half));
    let row = |node: &Instance| {
        let matte = render(node, "matte");
        assert_eq!(difference(&matte, &render(node, "hint")), 0.0);
        [20, 45, 50, 80].map(|x| at(&matte, x, 30))
    };
    assert_eq!(row(&node), [0.5, 0.5, 0.0, 0.0]);
    for (id, value, wanted) in [
        ("hintGrow", "4", [0.5, 0.5, 0.5, 0.0]),
        ("hintGrow", "-4", [0.5, 0.0, 0.0, 0.0]),
        ("hintGain", "1.5", [0.75, 0.75, 0.0, 0.0]),
        ("hintGamma", "0.5", [0.25, 0.25, 0.0, 0.0]),
        ("hintInvert", "true", [0.5, 0.5, 1.0, 1.0]),
    ] {
        let before = node.get(id).unwrap();
        node.set_str(id, value).unwrap();
        let found = row(&node);
        for (found, wanted) in found.into_iter().zip(wanted) {
            assert!((found - wanted).abs() < 1e-6, "{id} = {value}: {found}");
        }
        node.set(id, before).unwrap();
    }
    node.set_str("hintBlur", "12").unwrap();
    let [a, b, c, d] = row(&node);
    assert!((a - 0.5).abs() < 0.02 && b < 0.45 && c > 0.05 && d < 0.02);
    // A proxy grows by as much of the picture.
    node.set_str("hintBlur", "0").unwrap();
    node.set_str("hintGrow", "8").unwrap();
    let proxy = node
        .render(&RenderRequest {
            scale: Scale { x: 0.5, y: 0.5 },
            ..RenderRequest::at(1.0)
        })
        .unwrap();
    assert!(at(&proxy, 26, 15) > 0.4 && at(&proxy, 30, 15) < 0.1);
    library.assert_clean();
}

#[test]
fn masks_hold_hint_and_matte_wherever_they_lie() {
    let library = library();
    let bounds = frame(96, 64);
    let node = node(
        &library,
        &plate(bounds, FLOAT),
        Some(&left_of(bounds, 48, FLOAT)),
    );
    // Masks of other sizes and origins than the plate's: where they are not, they say nothing.
    let solid = |x1, y1, x2, y2| picture(RectI { x1, y1, x2, y2 }, ALPHA, |_, _| [1.0; 4]);
    connect(&node, "InM", &solid(60, -20, 200, 20));
    connect(&node, "OutM", &solid(-30, 40, 20, 300));
    let holds = |image: &HostImage| {
        // Upper left, lower left, upper right, lower right.
        [(5, 60), (5, 5), (90, 60), (90, 5)].map(|(x, y)| at(image, x, y))
    };
    for output in ["matte", "hint"] {
        assert_eq!(
            holds(&render(&node, output)),
            [0.0, 1.0, 0.0, 1.0],
            "{output}"
        );
    }
    let line = status(&node, "statusReading");
    assert!(line.contains("InM") && line.contains("OutM"), "{line}");
    // The model of the next test gives no alpha at all: what is left is what the masks hold.
    let before = holds(&render(&node, "matte"));
    node.set_str("masksOnMatte", "false").unwrap();
    render(&node, "matte");
    assert!(!ran(&node), "the matte's masks are not the network's");
    assert_eq!(holds(&render(&node, "matte")), before);
    for clip in ["InM", "OutM"] {
        node.disconnect(clip).unwrap();
        render(&node, "matte");
        assert!(ran(&node), "{clip} feeds the network");
    }
    assert_eq!(holds(&render(&node, "matte")), [1.0, 1.0, 0.0, 0.0]);
    library.assert_clean();
}

/// A clip's image at a time, if it has one.
type Still = Option<Arc<HostImage>>;

/// A clip with images on some frames only, each filled with the frame's number over a hundred.
fn on_frames(
    bounds: RectI,
    range: (f64, f64),
    has: impl Fn(f64) -> bool + Send + Sync + 'static,
) -> Arc<FnClip<impl Fn(f64, Scale) -> Still>> {
    let format = ClipFormat {
        range,
        ..ClipFormat::default()
    };
    let region = RectD::from_pixels(bounds, Scale { x: 1.0, y: 1.0 }, 1.0);
    Arc::new(FnClip::new(format, region, move |time, _| {
        has(time).then(|| picture(bounds, FLOAT, |_, _| [time as f32 / 100.0; 4]))
    }))
}

#[test]
fn a_missing_hint_is_an_error_or_the_nearest_never_nothing() {
    let library = library();
    let bounds = frame(64, 48);
    let node = node(&library, &plate(bounds, FLOAT), None);
    node.connect(
        "Hint",
        on_frames(bounds, (10.0, 40.0), |time| {
            (10.0..=30.0).contains(&time) && time != 20.0
        }),
    )
    .unwrap();
    node.set_str("output", "matte").unwrap();
    let render = |time: f64| node.render(&RenderRequest::at(time));
    let failure = render(5.0).unwrap_err();
    let text = failure.message.unwrap();
    assert!(
        text.contains("no image at frame 5") && text.contains("Nearest Frame"),
        "{text}"
    );
    node.set_str("hintMissing", "nearest").unwrap();
    for (time, of) in [
        (5.0, 0.10),
        (20.0, 0.19),
        (25.0, 0.25),
        (35.0, 0.30),
        (90.0, 0.30),
    ] {
        let matte = render(time).unwrap();
        assert!((at(&matte, 5, 5) - of).abs() < 1e-6, "at {time}");
    }
    assert!(status(&node, "statusReading").contains("at frame 30"));
    // A clip that has none anywhere is never taken for an empty one.
    node.connect("Hint", on_frames(bounds, (1.0, 3.0), |_| false))
        .unwrap();
    let text = render(2.0).unwrap_err().message.unwrap();
    assert!(text.contains("nor at any frame near it"), "{text}");
    // Masks follow the same rule.
    node.disconnect("Hint").unwrap();
    node.set_str("hintMissing", "error").unwrap();
    node.connect("OutM", on_frames(bounds, (1.0, 3.0), |_| false))
        .unwrap();
    let text = render(2.0).unwrap_err().message.unwrap();
    assert!(
        text.contains("OutM input is connected but has no image"),
        "{text}"
    );
    library.assert_clean();
}

#[test]
fn the_screen_can_be_analysed_once_and_its_colour_is_the_clips_own() {
    let library = library();
    let bounds = frame(160, 96);
    let node = node(&library, &plate(bounds, FLOAT), None);
    node.set_str("screenColor", "auto").unwrap();
    let enabled = |id: &str| node.param_state(id).unwrap().enabled;
    assert!(!enabled("screenPick"));
    let measured = render(&node, "hint");
    for space in ["linear", "srgb"] {
        node.set_str("inputColor", space).unwrap();
        node.press("analyseScreen").unwrap();
        assert_eq!(node.get("screenMeasure").unwrap(), Value::Choice(1));
        assert!(enabled("screenPick"));
        let Value::Rgb([r, g, b]) = node.get("screenPick").unwrap() else {
            panic!("screenPick is a colour");
        };
        // The values that the plate has, in whatever space it is read.
        for (found, wanted) in [(r, 0.12), (g, 0.63), (b, 0.19)] {
            assert!((found - wanted).abs() < 0.012, "{space}: {found}");
        }
        let picked = render(&node, "hint");
        for (x, y) in [(38, 67), (48, 67), (5, 5), (150, 90)] {
            let (a, b) = (at(&measured, x, y), at(&picked, x, y));
            assert!((a - b).abs() < 0.02, "{space} at {x}, {y}: {a} and {b}");
        }
        assert!(status(&node, "statusReading").contains("green screen"));
    }
    // It says which screen it is, too.
    node.set("screenPick", Value::Rgb([0.1, 0.2, 0.8])).unwrap();
    render(&node, "hint");
    assert!(status(&node, "statusReading").contains("blue screen"));
    // A colour that no such screen has is refused, not followed.
    node.set_str("screenColor", "green").unwrap();
    assert!(message(&node).contains("Screen Pick"));
    node.set_str("screenMeasure", "measured").unwrap();
    render(&node, "hint");
    // Without a screen there is nothing to store.
    let grey = picture(bounds, FLOAT, |_, _| [0.4, 0.4, 0.4, 1.0]);
    connect(&node, "Source", &grey);
    assert!(node.press("analyseScreen").is_err());
    assert_eq!(node.get("screenMeasure").unwrap(), Value::Choice(0));
    library.assert_clean();
}

#[test]
fn what_cannot_be_keyed_fails_or_is_replaced_and_always_says_why() {
    let library = library();
    let bounds = frame(64, 48);
    let source = plate(bounds, FLOAT);
    let node = node(&library, &source, None);
    node.set_str("model", "nowhere").unwrap();
    assert!(message(&node).contains("nowhere"));
    for (policy, wanted) in [("black", None), ("plate", Some(&source))] {
        node.set_str("onFailure", policy).unwrap();
        let found = node.render(&RenderRequest::at(1.0)).unwrap();
        for (x, y) in [(0, 0), (20, 30), (63, 47)] {
            let wanted = wanted.map_or([0.0; 4], |source| source.pixel(x, y).unwrap());
            assert_eq!(found.pixel(x, y).unwrap(), wanted, "{policy}");
        }
        let said = node.message().expect("the reason stays on show");
        assert!(said.text.contains("nowhere"), "{}", said.text);
        // Another part of the picture, and no more than it.
        let window = RectI {
            x1: 10,
            y1: 5,
            x2: 11,
            y2: 6,
        };
        node.render(&RenderRequest {
            window: Some(window),
            ..RenderRequest::at(1.0)
        })
        .unwrap();
    }
    // An abort is no failure to make up for.
    let handle = node.abort_handle();
    handle.abort();
    assert!(node.render(&RenderRequest::at(1.0)).is_err());
    handle.reset();
    node.set_str("model", "pass").unwrap();
    render(&node, "matte");
    assert!(node.message().is_none(), "a key clears it");
    library.assert_clean();
}

#[test]
fn the_network_runs_again_when_a_control_feeds_it_and_then_only() {
    let library = library();
    let bounds = frame(96, 64);
    let keyed = node(&library, &plate(bounds, FLOAT), None);
    let hinted = node(&library, &plate(bounds, FLOAT), Some(&hint(bounds, FLOAT)));
    render(&keyed, "matte");
    render(&hinted, "matte");
    let changes = |node: &Instance, id: &str, value: &str| {
        node.set_str(id, value).unwrap();
        node.render(&RenderRequest::at(1.0)).unwrap();
        ran(node)
    };
    for (id, value) in [
        ("hintGrow", "3"),
        ("hintBlur", "2"),
        ("hintGain", "1.25"),
        ("hintGamma", "1.5"),
        ("hintInvert", "true"),
    ] {
        assert!(changes(&keyed, id, value), "{id} feeds the network");
        assert!(changes(&hinted, id, value), "{id} feeds the network");
    }
    for (id, value) in [
        ("masksOnMatte", "false"),
        ("hintMissing", "nearest"),
        ("onFailure", "plate"),
    ] {
        assert!(!changes(&keyed, id, value), "{id} does not");
        assert!(!changes(&hinted, id, value), "{id} does not");
    }
    assert!(changes(&keyed, "screenMeasure", "picked"));
    assert!(changes(&keyed, "screenPick", "0.1,0.7,0.3"));
    // Where the hint is given and the screen is named, its colour is not the network's.
    assert!(!changes(&hinted, "screenMeasure", "picked"));
    assert!(!changes(&hinted, "screenPick", "0.1,0.7,0.3"));
    library.assert_clean();
}

#[test]
fn odd_plates_give_a_picture() {
    let library = library();
    let pictures: [(RectI, [f32; 4]); 6] = [
        (frame(96, 64), [0.1, 0.6, 0.15, 1.0]),
        (frame(96, 64), [0.0; 4]),
        (frame(96, 64), [0.4, 0.3, 0.35, 1.0]),
        (frame(96, 64), [f32::NAN, f32::INFINITY, -1.0, 1.0]),
        (frame(1, 1), [0.1, 0.6, 0.15, 1.0]),
        (frame(3, 200), [-0.2, 3.0, 0.5, 1.0]),
    ];
    for (bounds, colour) in pictures {
        let node = node(&library, &picture(bounds, FLOAT, |_, _| colour), None);
        set(&node, &[("hintGrow", "-2.5"), ("hintBlur", "3")]);
        for source in ["auto", "sourceAlpha"] {
            node.set_str("hintSource", source).unwrap();
            for output in ["processed", "matte", "hint"] {
                let found = render(&node, output);
                for value in found.pixel(bounds.x2 - 1, bounds.y2 - 1).unwrap() {
                    assert!(value.is_finite(), "{output} of {colour:?}");
                }
            }
        }
        // A small proxy.
        let proxy = node
            .render(&RenderRequest {
                scale: Scale { x: 0.1, y: 0.1 },
                ..RenderRequest::at(1.0)
            })
            .unwrap();
        assert!(proxy.pixel(0, 0).unwrap()[3].is_finite());
    }
    // A hint that is empty, and one that is full, of bytes.
    let byte = Layout {
        depth: Depth::Byte,
        ..ALPHA
    };
    let bounds = frame(64, 48);
    let node = node(&library, &plate(bounds, FLOAT), None);
    for value in [0.0, 1.0] {
        connect(&node, "Hint", &picture(bounds, byte, |_, _| [value; 4]));
        let matte = render(&node, "matte");
        assert_eq!(at(&matte, 30, 30), value);
        let line = status(&node, "statusReading");
        assert!(line.contains(&format!("{value} everywhere")), "{line}");
    }
    library.assert_clean();
}

#[test]
fn anamorphic_hints_grow_as_square_ones_do() {
    let library = library();
    let bounds = frame(96, 64);
    let node = node(
        &library,
        &wide(plate(bounds, FLOAT)),
        Some(&wide(left_of(bounds, 48, FLOAT))),
    );
    node.set_str("hintGrow", "8").unwrap();
    // Eight square pixels are four of these.
    let hint = render(&node, "hint");
    assert_eq!([at(&hint, 51, 30), at(&hint, 52, 30)], [1.0, 0.0]);
    library.assert_clean();
}
