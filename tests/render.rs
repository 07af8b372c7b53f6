//! Renders of the real bundle in the watching host: where pixels come from, where they go, and
//! that nothing about window, depth, row order or scale changes what they are.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::path::Path;
use std::sync::{Arc, OnceLock};

use common::{
    ID, difference, frame, hint, instance, is_subject, load, picture, plate, render, status,
};
use ofx::host::{
    ClipFormat, FnClip, HostImage, HostOptions, Instance, Layout, Library, Project, Quirks,
    RenderRequest, StillClip, Suites,
};
use ofx::{Components, Context, Depth, Field, Premultiplication, RectD, RectI, Scale};

const FLOAT: Layout = Layout::FLOAT_RGBA;

fn pass_bundle() -> &'static Path {
    static COPY: OnceLock<std::path::PathBuf> = OnceLock::new();
    COPY.get_or_init(|| common::bundle_with_test_models("render"))
}

/// A library whose nodes can use the transparent test model `pass`.
fn library() -> Library {
    load(pass_bundle(), HostOptions::strict())
}

/// A node that shows what surrounds the network: the transparent model, nothing cleaned.
fn transparent(
    library: &Library,
    context: Context,
    plate: &Arc<HostImage>,
    hint: Option<&Arc<HostImage>>,
) -> Instance {
    let node = instance(library, context, plate, hint);
    node.set_str("model", "pass").unwrap();
    node.set_str("despeckle", "false").unwrap();
    node.set_str("despillStrength", "0").unwrap();
    node.set_str("screenColor", "green").unwrap();
    node
}

#[test]
fn the_picture_stands_upright_for_both_row_orders() {
    let library = library();
    let bounds = frame(160, 96);
    for source_flipped in [false, true] {
        for hint_flipped in [false, true] {
            for out_flipped in [false, true] {
                let plate = plate(
                    bounds,
                    Layout {
                        flipped: source_flipped,
                        padding: 12,
                        ..FLOAT
                    },
                );
                let hint = hint(
                    bounds,
                    Layout {
                        flipped: hint_flipped,
                        components: Components::Alpha,
                        ..FLOAT
                    },
                );
                let node = transparent(&library, Context::General, &plate, Some(&hint));
                node.set_str("output", "matte").unwrap();
                let output = Layout {
                    flipped: out_flipped,
                    padding: 4,
                    ..FLOAT
                };
                let matte = node
                    .render(&RenderRequest {
                        output,
                        ..RenderRequest::at(1.0)
                    })
                    .unwrap();
                for y in 0..96 {
                    for x in 0..160 {
                        // `pixel` counts y upwards, as OpenFX does; the function counts from the top.
                        let expected = if is_subject(x, 95 - y, 160, 96) {
                            0.9
                        } else {
                            0.0
                        };
                        let found = matte.pixel(x, y).unwrap();
                        assert!(
                            (found[3] - expected).abs() < 1e-6,
                            "alpha at {x}, {y}: {found:?}"
                        );
                    }
                }
            }
        }
    }
    library.assert_clean();
}

#[test]
fn every_depth_and_every_set_of_components_is_read_and_written() {
    let library = library();
    let bounds = RectI {
        x1: -5,
        y1: 3,
        x2: 66,
        y2: 58,
    };
    let reference = {
        let node = transparent(
            &library,
            Context::General,
            &plate(bounds, FLOAT),
            Some(&hint(bounds, FLOAT)),
        );
        node.set_str("inputColor", "srgb").unwrap();
        render(&node, "foreground")
    };
    for depth in [Depth::Byte, Depth::Short, Depth::Half, Depth::Float] {
        for components in [Components::Rgba, Components::Rgb] {
            for hint_components in [Components::Alpha, Components::Rgb, Components::Rgba] {
                let plate = plate(
                    bounds,
                    Layout {
                        depth,
                        components,
                        padding: 8,
                        ..FLOAT
                    },
                );
                let hint = hint(
                    bounds,
                    Layout {
                        depth,
                        components: hint_components,
                        ..FLOAT
                    },
                );
                let node = transparent(&library, Context::General, &plate, Some(&hint));
                node.set_str("inputColor", "srgb").unwrap();
                node.set_str("output", "foreground").unwrap();
                let output = Layout { depth, ..FLOAT };
                let found = node
                    .render(&RenderRequest {
                        output,
                        ..RenderRequest::at(1.0)
                    })
                    .unwrap();
                let step = match depth {
                    Depth::Byte => 1.01 / 255.0,
                    Depth::Short => 1.5 / 65535.0,
                    Depth::Half => 1e-3,
                    Depth::Float => 1e-6,
                };
                let off = difference(&reference, &found);
                assert!(
                    off <= step,
                    "{depth:?} {components:?} hint {hint_components:?}: off by {off}"
                );
            }
        }
    }
    library.assert_clean();
}

#[test]
fn a_pixel_is_the_same_in_every_window() {
    let library = library();
    let bounds = RectI {
        x1: 11,
        y1: -7,
        x2: 211,
        y2: 113,
    };
    let node = instance(
        &library,
        Context::General,
        &plate(bounds, FLOAT),
        Some(&hint(bounds, FLOAT)),
    );
    node.set_str("model", "pass").unwrap();
    for output in [
        "processed",
        "matte",
        "foreground",
        "composite",
        "hint",
        "sourceMatte",
        "screen",
        "status",
    ] {
        let whole = render(&node, output);
        assert_eq!(whole.bounds(), bounds);
        for window in [
            RectI {
                x1: 11,
                y1: -7,
                x2: 12,
                y2: -6,
            },
            RectI {
                x1: 210,
                y1: 112,
                x2: 211,
                y2: 113,
            },
            RectI {
                x1: 30,
                y1: 10,
                x2: 95,
                y2: 11,
            },
            RectI {
                x1: 50,
                y1: -7,
                x2: 51,
                y2: 113,
            },
            RectI {
                x1: 37,
                y1: 20,
                x2: 141,
                y2: 77,
            },
        ] {
            let part = node
                .render(&RenderRequest {
                    window: Some(window),
                    ..RenderRequest::at(1.0)
                })
                .unwrap();
            for y in window.y1..window.y2 {
                for x in window.x1..window.x2 {
                    assert_eq!(
                        part.pixel(x, y),
                        whole.pixel(x, y),
                        "{output} at {x}, {y} of {window:?}"
                    );
                }
            }
        }
    }
    library.assert_clean();
}

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

#[test]
fn a_proxy_shows_the_same_picture_through_the_same_network_size() {
    let library = library();
    let bounds = frame(256, 192);
    let node = transparent(
        &library,
        Context::General,
        &plate(bounds, FLOAT),
        Some(&hint(bounds, FLOAT)),
    );
    let whole = render(&node, "matte");
    let size = status(&node, "statusSize");
    assert_eq!(size, "256 x 192");
    let half = Scale { x: 0.5, y: 0.5 };
    let proxy = node
        .render(&RenderRequest {
            scale: half,
            ..RenderRequest::at(1.0)
        })
        .unwrap();
    assert_eq!(proxy.bounds(), frame(128, 96));
    assert_eq!(
        status(&node, "statusSize"),
        size,
        "a proxy must not change what the network sees"
    );
    // Well inside the disc and well outside of it, both agree.
    for (x, y) in [(77, 134), (20, 20), (230, 180)] {
        let (a, b) = (
            whole.pixel(x, y).unwrap()[3],
            proxy.pixel(x / 2, y / 2).unwrap()[3],
        );
        assert!((a - b).abs() < 1e-3, "at {x}, {y}: {a} and {b}");
    }
    library.assert_clean();
}

#[test]
fn anamorphic_plates_are_addressed_in_their_own_pixels() {
    let library = library();
    let wide = |image: Arc<HostImage>| {
        let mut image = Arc::into_inner(image).unwrap();
        image.pixel_aspect = 2.0;
        Arc::new(image)
    };
    let bounds = frame(96, 64);
    let node = transparent(
        &library,
        Context::General,
        &wide(plate(bounds, FLOAT)),
        Some(&wide(hint(bounds, FLOAT))),
    );
    let matte = render(&node, "matte");
    assert_eq!(matte.bounds(), bounds);
    let square = transparent(
        &library,
        Context::General,
        &plate(bounds, FLOAT),
        Some(&hint(bounds, FLOAT)),
    );
    assert_eq!(difference(&matte, &render(&square, "matte")), 0.0);
    library.assert_clean();
}

#[test]
fn outputs_are_what_their_names_say() {
    let library = library();
    let bounds = frame(64, 64);
    let source = plate(bounds, FLOAT);
    let node = transparent(
        &library,
        Context::General,
        &source,
        Some(&hint(bounds, FLOAT)),
    );
    node.set_str("inputColor", "linear").unwrap();
    let [processed, matte, foreground, composite, source_matte] = [
        "processed",
        "matte",
        "foreground",
        "composite",
        "sourceMatte",
    ]
    .map(|output| render(&node, output));
    for (x, y) in [(20, 45), (5, 5), (45, 51), (63, 0)] {
        let plate = source.pixel(x, y).unwrap();
        let [_, _, _, alpha] = matte.pixel(x, y).unwrap();
        assert_eq!(matte.pixel(x, y).unwrap(), [alpha; 4]);
        let straight = foreground.pixel(x, y).unwrap();
        assert_eq!(straight[3], alpha);
        for c in 0..3 {
            // The transparent model gives the plate back: through sRGB and back to linear light.
            assert!(
                (straight[c] - plate[c]).abs() < 1e-5,
                "{straight:?} of {plate:?}"
            );
            assert!((processed.pixel(x, y).unwrap()[c] - straight[c] * alpha).abs() < 1e-6);
            assert!((source_matte.pixel(x, y).unwrap()[c] - plate[c] * alpha).abs() < 1e-6);
        }
        let over = composite.pixel(x, y).unwrap();
        assert_eq!(over[3], 1.0);
        // The first square of the checker is sRGB 0.15, which is 0.0196 in linear light.
        let grey = 0.019_607;
        for c in 0..3 {
            assert!(
                (over[c] - (straight[c] * alpha + grey * (1.0 - alpha))).abs() < 1e-4,
                "{over:?}"
            );
        }
    }
    library.assert_clean();
}

#[test]
fn values_beyond_white_and_below_black_pass_through_half_and_float() {
    let library = library();
    let bounds = frame(64, 32);
    let source = picture(bounds, FLOAT, |x, _| {
        [if x < 32 { 6.0 } else { 0.5 }, 0.25, 0.25, 1.0]
    });
    let solid = picture(bounds, FLOAT, |_, _| [1.0; 4]);
    let node = transparent(&library, Context::General, &source, Some(&solid));
    node.set_str("hintChannel", "alpha").unwrap();
    let found = render(&node, "processed").pixel(10, 10).unwrap();
    assert!((found[0] - 6.0).abs() < 1e-3, "{found:?}");
    library.assert_clean();
}

#[test]
fn preferences_tell_the_truth_about_alpha() {
    let library = library();
    let bounds = frame(64, 64);
    let node = instance(&library, Context::General, &plate(bounds, FLOAT), None);
    for (output, expected) in [
        ("processed", Premultiplication::Premultiplied),
        ("matte", Premultiplication::Premultiplied),
        ("foreground", Premultiplication::Unpremultiplied),
        ("composite", Premultiplication::Opaque),
        ("hint", Premultiplication::Premultiplied),
        ("sourceMatte", Premultiplication::Premultiplied),
        ("screen", Premultiplication::Opaque),
        ("status", Premultiplication::Opaque),
    ] {
        node.set_str("output", output).unwrap();
        assert_eq!(
            node.clip_preferences().unwrap().premultiplication,
            expected,
            "{output}"
        );
    }
    library.assert_clean();
}

#[test]
fn regions_are_the_clips_own() {
    let library = library();
    let bounds = RectI {
        x1: -10,
        y1: 20,
        x2: 90,
        y2: 80,
    };
    let patch = RectI {
        x1: 0,
        y1: 0,
        x2: 30,
        y2: 40,
    };
    let node = instance(
        &library,
        Context::General,
        &plate(bounds, FLOAT),
        Some(&hint(patch, FLOAT)),
    );
    let one = Scale { x: 1.0, y: 1.0 };
    let region = node.region_of_definition(1.0, one).unwrap();
    assert_eq!(
        (region.x1, region.y1, region.x2, region.y2),
        (-10.0, 20.0, 90.0, 80.0)
    );
    let asked = node.regions_of_interest(1.0, one, region).unwrap();
    let source = asked["Source"];
    let hint = asked["Hint"];
    assert_eq!(
        (source.x1, source.y1, source.x2, source.y2),
        (-10.0, 20.0, 90.0, 80.0)
    );
    assert_eq!((hint.x1, hint.y1, hint.x2, hint.y2), (0.0, 0.0, 30.0, 40.0));
    library.assert_clean();
}

/// A clip's image at a time, if it has one.
type Still = Option<Arc<HostImage>>;

/// A clip that is everywhere by OpenFX's word, and has this picture.
fn everywhere(image: Arc<HostImage>) -> Arc<FnClip<impl Fn(f64, Scale) -> Still>> {
    let (least, most) = (f64::from(i32::MIN), f64::from(i32::MAX));
    let region = RectD::new(least, least, most, most);
    Arc::new(FnClip::new(ClipFormat::default(), region, move |_, _| {
        Some(image.clone())
    }))
}

#[test]
fn a_clip_that_is_everywhere_is_asked_for_where_the_plate_is() {
    let project = Project {
        size: (96.0, 64.0),
        extent: (96.0, 64.0),
        ..Project::default()
    };
    let options = HostOptions {
        project,
        ..HostOptions::strict()
    };
    let library = load(pass_bundle(), options);
    let bounds = frame(96, 64);
    let solid = picture(bounds, FLOAT, |_, _| [0.5; 4]);
    let node = transparent(
        &library,
        Context::General,
        &plate(bounds, FLOAT),
        Some(&solid),
    );
    node.connect("Hint", everywhere(solid.clone())).unwrap();
    let whole = RectD::new(0.0, 0.0, 96.0, 64.0);
    let one = Scale { x: 1.0, y: 1.0 };
    let asked = node.regions_of_interest(1.0, one, whole).unwrap();
    assert_eq!(asked["Hint"], whole, "not of four billion pixels");
    assert_eq!(render(&node, "matte").pixel(95, 63).unwrap(), [0.5; 4]);
    // A plate that is everywhere is the project's.
    node.connect("Source", everywhere(plate(bounds, FLOAT)))
        .unwrap();
    assert_eq!(node.region_of_definition(1.0, one).unwrap(), whole);
    let matte = render(&node, "matte");
    assert_eq!(matte.bounds(), bounds);
    assert_eq!(matte.pixel(95, 63).unwrap(), [0.5; 4]);
    library.assert_clean();
}

#[test]
fn a_field_is_written_and_the_other_is_left_alone() {
    let library = library();
    // An odd lowest row: fields are counted from row 0, not from the picture's edge.
    let bounds = RectI {
        x1: 0,
        y1: -3,
        x2: 64,
        y2: 45,
    };
    let node = transparent(
        &library,
        Context::General,
        &plate(bounds, FLOAT),
        Some(&hint(bounds, FLOAT)),
    );
    for output in ["processed", "hint"] {
        let whole = render(&node, output);
        for (field, parity) in [(Field::Lower, 0), (Field::Upper, 1)] {
            let found = node
                .render(&RenderRequest {
                    field,
                    ..RenderRequest::at(1.0)
                })
                .unwrap();
            for y in bounds.y1..bounds.y2 {
                let pixel = found.pixel(7, y).unwrap();
                if y.rem_euclid(2) == parity {
                    assert_eq!(pixel, whole.pixel(7, y).unwrap(), "{field:?}, row {y}");
                } else {
                    // The strict host leaves numbers there that no render makes.
                    assert!(pixel[0].is_nan(), "{field:?} wrote row {y}: {pixel:?}");
                }
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
fn a_breathing_region_moves_nothing_inside() {
    let library = library();
    // A picture that is larger than the network: what moves there is the sampling grid.
    let whole = frame(1000, 600);
    let wave = |x: i32, y: i32| {
        let value = (x as f32 * 0.11).sin() * (y as f32 * 0.07).cos();
        [0.5 + 0.4 * value; 4]
    };
    let node = transparent(&library, Context::General, &plate(whole, FLOAT), None);
    node.set_str("resolution", "512").unwrap();
    let mut frames = Vec::new();
    for (left, low, right, high) in [(0, 0, 0, 0), (7, 5, 0, 3), (2, 0, 5, 1)] {
        let bounds = RectI {
            x1: left,
            y1: low,
            x2: 1000 - right,
            y2: 600 - high,
        };
        // Both pictures stay where they are; only their edges move.
        let cut = |pixel: &dyn Fn(i32, i32) -> [f32; 4]| {
            picture(bounds, FLOAT, |x, y| pixel(x + left, y + high))
        };
        node.connect(
            "Source",
            Arc::new(StillClip::new(cut(&|_, _| [0.1, 0.6, 0.2, 1.0]))),
        )
        .unwrap();
        node.connect("Hint", Arc::new(StillClip::new(cut(&wave))))
            .unwrap();
        let matte = render(&node, "matte");
        frames.push((matte, status(&node, "statusSize")));
    }
    let (still, size) = &frames[0];
    for (matte, moved) in &frames[1..] {
        assert_eq!(moved, size, "the session stays the same");
        for y in (60..540).step_by(7) {
            for x in (60..940).step_by(7) {
                let (a, b) = (still.pixel(x, y).unwrap()[3], matte.pixel(x, y).unwrap()[3]);
                assert!((a - b).abs() < 1e-5, "{a} and {b} at {x}, {y}");
            }
        }
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

#[test]
fn a_jacket_does_not_change_the_screen_of_a_shot() {
    let library = library();
    let bounds = frame(96, 64);
    for part in [0, 30, 60] {
        let source = picture(bounds, FLOAT, |x, _| {
            if x < part {
                [0.05, 0.1, 0.6, 1.0]
            } else {
                [0.1, 0.6, 0.15, 1.0]
            }
        });
        let node = instance(&library, Context::General, &source, None);
        node.set_str("model", "pass").unwrap();
        render(&node, "matte");
        let line = status(&node, "statusReading");
        assert!(line.contains("green screen (Auto)"), "{part}: {line}");
        assert!(line.starts_with("Linear (Rec.709) (Auto: "), "{line}");
    }
    library.assert_clean();
}

/// The shipped model on a plain plate: not a test of its quality, but of everything being joined
/// to it the right way.
fn keys_plainly(library: &Library, context: Context, colour: &str, with_hint: bool) {
    let bounds = frame(256, 160);
    let swap = |[r, g, b, a]: [f32; 4]| {
        if colour == "blue" {
            [r, b, g, a]
        } else {
            [r, g, b, a]
        }
    };
    let green = plate(bounds, FLOAT);
    let source = picture(bounds, FLOAT, |x, y| {
        let pixel = swap(green.pixel(x, 159 - y).unwrap());
        // Skin stays skin; only the screen changes colour.
        if is_subject(x, y, 256, 160) {
            swap(pixel)
        } else {
            pixel
        }
    });
    let hint = hint(bounds, FLOAT);
    let node = instance(library, context, &source, with_hint.then_some(&hint));
    node.set_str("inputColor", "srgb").unwrap();
    let matte = render(&node, "matte");
    let (mut inside, mut outside, mut n, mut m) = (0.0, 0.0, 0.0, 0.0);
    for y in 0..160 {
        for x in 0..256 {
            let alpha = f64::from(matte.pixel(x, y).unwrap()[3]);
            if is_subject(x, 159 - y, 256, 160) {
                inside += alpha;
                n += 1.0;
            } else {
                outside += alpha;
                m += 1.0;
            }
        }
    }
    assert!(
        inside / n > 0.93,
        "{colour}, hint {with_hint}: the subject is {:.3} solid",
        inside / n
    );
    assert!(
        outside / m < 0.03,
        "{colour}, hint {with_hint}: the screen is {:.3} solid",
        outside / m
    );
    let spill = render(&node, "foreground").pixel(77, 112).unwrap();
    assert!(
        (spill[0] - 0.76).abs() < 0.06 && (spill[1] - 0.5).abs() < 0.06,
        "the skin keeps its colour: {spill:?}"
    );
}

#[test]
fn the_shipped_model_keys_green_and_blue_with_and_without_a_hint() {
    let library = load(common::bundle(), HostOptions::strict());
    for colour in ["green", "blue"] {
        for with_hint in [true, false] {
            keys_plainly(&library, Context::General, colour, with_hint);
        }
    }
    library.assert_clean();
}

/// A red screen is keyed as the green one whose channels changed places: the hint, the network and
/// despill all know the colour. (The shipped model knows blue screens and sees them as they are.)
#[test]
fn a_red_screen_is_a_green_one_with_channels_exchanged() {
    let library = load(common::bundle(), HostOptions::strict());
    let bounds = frame(256, 160);
    let green = plate(bounds, FLOAT);
    for with_hint in [true, false] {
        let hint = hint(bounds, FLOAT);
        let keyed = |colour: &str, source: &Arc<HostImage>| {
            let hint = with_hint.then_some(&hint);
            let node = instance(&library, Context::General, source, hint);
            for (id, value) in [
                ("inputColor", "srgb"),
                ("screenColor", colour),
                ("despillStrength", "1"),
            ] {
                node.set_str(id, value).unwrap();
            }
            let pictures =
                ["matte", "hint", "foreground", "screen"].map(|output| render(&node, output));
            assert!(status(&node, "statusReading").contains(&format!("{colour} screen")));
            pictures
        };
        let wanted = keyed("green", &green);
        let subject = wanted[0].pixel(77, 112).unwrap()[3];
        assert!(subject > 0.9 && wanted[0].pixel(3, 3).unwrap()[3] < 0.05);
        let swap = |[red, green, blue, alpha]: [f32; 4]| [green, red, blue, alpha];
        let source = picture(bounds, FLOAT, |x, y| swap(green.pixel(x, 159 - y).unwrap()));
        let found = keyed("red", &source);
        for (index, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
            let data = index < 2;
            for (x, y) in (0..160).flat_map(|y| (0..256).map(move |x| (x, y))) {
                let wanted = wanted.pixel(x, y).unwrap();
                let wanted = if data { wanted } else { swap(wanted) };
                for (found, wanted) in found.pixel(x, y).unwrap().into_iter().zip(wanted) {
                    assert!(
                        (found - wanted).abs() < 1e-3,
                        "hint {with_hint}, picture {index} at {x}, {y}: {found} {wanted}"
                    );
                }
            }
        }
    }
    library.assert_clean();
}

#[test]
fn poor_hosts_get_the_same_key() {
    let melt = HostOptions {
        quirks: Quirks::melt(),
        api_version: (1, 4),
        ..HostOptions::strict()
    };
    let demo = HostOptions {
        quirks: Quirks::host_demo(),
        api_version: (1, 4),
        ..HostOptions::strict()
    };
    let bare = HostOptions {
        suites: Suites::NONE,
        ..HostOptions::strict()
    };
    for options in [melt, demo, bare] {
        let takes_no_choice = options.quirks == Quirks::host_demo();
        let library = load(pass_bundle(), options);
        let bounds = frame(128, 96);
        let source = plate(
            bounds,
            Layout {
                depth: Depth::Byte,
                flipped: true,
                ..FLOAT
            },
        );
        let node = library.create(ID, Context::Filter).unwrap();
        node.connect("Source", Arc::new(StillClip::new(source)))
            .unwrap();
        let found = node.render(&RenderRequest::at(1.0)).unwrap();
        // The middle of the disc is kept, the corner is not.
        assert!(found.pixel(38, 67).unwrap()[3] > 0.8);
        assert!(found.pixel(2, 2).unwrap()[3] < 0.1);
        let mut violations = library.take_violations();
        // A host that took no parameters has no `output` that preferences could depend on.
        violations
            .retain(|violation| !(takes_no_choice && violation.rule == "describe.incomplete"));
        assert!(violations.is_empty(), "{violations:?}");
    }
}
