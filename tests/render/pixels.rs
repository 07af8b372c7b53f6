//! Where pixels come from and where they go: rows of either order, every depth and set of components,
//! any window, either field.

use ofx::host::{Layout, RenderRequest};
use ofx::{Components, Context, Depth, Field, RectI};

use super::FLOAT;
use super::common::{
    OUTPUTS, difference, frame, hint, instance, is_subject, library, picture, plate, render,
    transparent,
};

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
    for output in OUTPUTS {
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
        // Some hosts name both fields where the material has none.
        let both = node.render(&RenderRequest {
            field: Field::Both,
            ..RenderRequest::at(1.0)
        });
        assert_eq!(difference(&whole, &both.unwrap()), 0.0, "{output}");
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
