//! Plates, hints and masks that nobody means to key, through a real host with every control on:
//! each output is a finite picture, the same in every window, or a sentence.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::sync::Arc;

use common::{OUTPUTS, connect, frame, instance, library, picture, plate, set, wide};
use ofx::host::{HostImage, Instance, Layout, Library, RenderRequest};
use ofx::{Components, Context, Depth, RectI, Scale};

const FLOAT: Layout = Layout::FLOAT_RGBA;
/// Everything that is off by default, and edges that reach over many pixels.
const EVERYTHING: [(&str, &str); 12] = [
    ("upsampling", "guided"),
    ("sourceDetail", "true"),
    ("restoreRange", "true"),
    ("clipBlack", "0.05"),
    ("clipWhite", "0.9"),
    ("matteGamma", "1.4"),
    ("shrinkGrow", "-1.7"),
    ("edgeBlur", "2.3"),
    ("holeSize", "50"),
    ("despillMethod", "neutral"),
    ("hintGrow", "-2.5"),
    ("hintBlur", "3"),
];

/// A plate's pixel at a column and row.
type Pixel = fn(i32, i32) -> [f32; 4];

/// A node with every control on; `model` is empty for the shipped one.
fn node(library: &Library, model: &str, plate: &Arc<HostImage>) -> Instance {
    let node = instance(library, Context::General, plate, None);
    node.set_str("model", model).unwrap();
    set(&node, &EVERYTHING);
    node
}

/// Renders every output whole, as a small proxy, and one pixel of it.
fn look(node: &Instance, bounds: RectI, what: &str) {
    for output in OUTPUTS {
        node.set_str("output", output).unwrap();
        let whole = match node.render(&RenderRequest::at(1.0)) {
            Ok(whole) => whole,
            Err(failure) => {
                let sentence = failure.to_string();
                assert_eq!(output, "screen", "{what}: {sentence}");
                assert!(sentence.contains("screen was found"), "{what}: {sentence}");
                continue;
            }
        };
        assert_eq!(whole.bounds(), bounds, "{what}, {output}");
        let finite = whole.to_rgba_f32().iter().all(|value| value.is_finite());
        assert!(finite, "{what}, {output} is finite");
        let (x, y) = ((bounds.x1 + bounds.x2) / 2, (bounds.y1 + bounds.y2) / 2);
        let window = RectI {
            x1: x,
            y1: y,
            x2: x + 1,
            y2: y + 1,
        };
        let one = node.render(&RenderRequest {
            window: Some(window),
            ..RenderRequest::at(1.0)
        });
        let one = one.unwrap_or_else(|failure| panic!("{what}, {output}: {failure}"));
        assert_eq!(one.pixel(x, y), whole.pixel(x, y), "{what}, {output}");
        let proxy = node.render(&RenderRequest {
            scale: Scale { x: 0.1, y: 0.1 },
            ..RenderRequest::at(1.0)
        });
        match proxy {
            Ok(proxy) => {
                let finite = proxy.to_rgba_f32().iter().all(|value| value.is_finite());
                assert!(finite, "{what}, {output} as a proxy is finite");
            }
            Err(failure) => {
                let sentence = failure.to_string();
                assert_eq!(output, "screen", "{what} as a proxy: {sentence}");
            }
        }
    }
}

#[test]
fn plates_that_nobody_means_to_key_give_pictures() {
    let library = library();
    let bounds = frame(96, 64);
    let plates: [(&str, Pixel); 8] = [
        ("all green", |_, _| [0.1, 0.6, 0.15, 1.0]),
        ("no green", |x, _| [0.4, 0.0, 0.02 * (x % 7) as f32, 1.0]),
        ("grey", |_, _| [0.4, 0.4, 0.4, 1.0]),
        ("black", |_, _| [0.0; 4]),
        ("white", |_, _| [1.0; 4]),
        ("below black", |_, _| [-0.5, -2.0, -0.1, 1.0]),
        ("not numbers", |_, _| {
            [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::NAN]
        }),
        ("blinding", |x, y| [1e30, (x * y) as f32, -1e30, 1.0]),
    ];
    for (what, pixel) in plates {
        let plate = picture(bounds, FLOAT, pixel);
        look(&node(&library, "pass", &plate), bounds, what);
        look(&node(&library, "", &plate), bounds, what);
    }
    for (width, height) in [(1, 1), (1, 40), (40, 1), (3, 2)] {
        let bounds = frame(width, height);
        let node = node(&library, "", &plate(bounds, FLOAT));
        look(&node, bounds, &format!("{width} x {height}"));
    }
    library.assert_clean();
}

#[test]
fn hints_and_masks_of_every_kind_and_size_give_pictures() {
    let library = library();
    let bounds = frame(96, 64);
    let node = node(&library, "pass", &plate(bounds, FLOAT));
    let away = RectI {
        x1: 500,
        y1: -900,
        x2: 510,
        y2: -890,
    };
    let larger = RectI {
        x1: -40,
        y1: -30,
        x2: 200,
        y2: 150,
    };
    for (place, where_it_lies) in [("of its size", bounds), ("away", away), ("larger", larger)] {
        for value in [0.0, 1.0, -3.0, 40.0, f32::NAN, f32::INFINITY] {
            for components in [Components::Alpha, Components::Rgb, Components::Rgba] {
                let layout = Layout {
                    components,
                    depth: Depth::Float,
                    ..FLOAT
                };
                let guide = picture(where_it_lies, layout, |_, _| [value; 4]);
                for clip in ["Hint", "InM", "OutM"] {
                    // Masks are of one channel.
                    if clip != "Hint" && components != Components::Alpha {
                        continue;
                    }
                    connect(&node, clip, &guide);
                    for output in ["processed", "matte", "hint"] {
                        let what = format!("{clip} {place} of {value}, {components:?}, {output}");
                        let found = common::render(&node, output);
                        let finite = found.to_rgba_f32().iter().all(|value| value.is_finite());
                        assert!(finite, "{what}");
                    }
                    node.disconnect(clip).unwrap();
                }
            }
        }
    }
    library.assert_clean();
}

#[test]
fn rgb_and_anamorphic_plates_of_every_depth_give_every_output() {
    let library = library();
    let bounds = frame(96, 64);
    for depth in [Depth::Byte, Depth::Short, Depth::Half, Depth::Float] {
        for components in [Components::Rgb, Components::Rgba] {
            let layout = Layout {
                depth,
                components,
                ..FLOAT
            };
            let what = format!("{depth:?} {components:?}, anamorphic");
            let plate = wide(plate(bounds, layout));
            look(&node(&library, "pass", &plate), bounds, &what);
        }
    }
    library.assert_clean();
}
