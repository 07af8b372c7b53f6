//! The matte and the foreground's colour, through the real bundle: what an artist turns after the
//! network has run.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::sync::Arc;

use common::{
    difference, frame, hint, is_subject, library, picture, plate, ran, render, set, transparent,
    wide,
};
use ofx::host::{HostImage, Instance, Layout, Library, RenderRequest};
use ofx::{Context, RectI, Scale};

const FLOAT: Layout = Layout::FLOAT_RGBA;

/// A transparent node of the General context.
fn node(library: &Library, plate: &Arc<HostImage>, hint: &Arc<HostImage>) -> Instance {
    transparent(library, Context::General, plate, Some(hint))
}

#[test]
fn no_control_of_matte_or_foreground_runs_the_network() {
    let library = library();
    let bounds = frame(128, 96);
    let node = node(&library, &plate(bounds, FLOAT), &hint(bounds, FLOAT));
    render(&node, "processed");
    assert!(ran(&node), "the first frame needs the network");
    for (id, value) in [
        ("clipBlack", "0.2"),
        ("clipWhite", "0.95"),
        ("matteGamma", "1.5"),
        ("shrinkGrow", "-2.5"),
        ("edgeBlur", "1.5"),
        ("despeckle", "true"),
        ("despeckleMethod", "corridorKey"),
        ("holeSize", "200"),
        ("despillStrength", "1"),
        ("despillMethod", "doubleAverage"),
        ("despillMethod", "limit"),
        ("despillMethod", "neutral"),
        ("sourceDetail", "true"),
        ("detailShrink", "0"),
        ("detailFeather", "2"),
        ("restoreRange", "true"),
    ] {
        let before = node.render(&RenderRequest::at(1.0)).unwrap();
        node.set_str(id, value).unwrap();
        let after = node.render(&RenderRequest::at(1.0)).unwrap();
        assert!(!ran(&node), "{id} = {value} must not run the network");
        // There are no holes and no light beyond white, and the model gives the plate back.
        let changes = id.starts_with("clip")
            || matches!(id, "matteGamma" | "shrinkGrow" | "edgeBlur")
            || id.starts_with("despill");
        assert!(
            !changes || difference(&before, &after) > 0.0,
            "{id} = {value}"
        );
    }
    library.assert_clean();
}

#[test]
fn the_matte_is_shaped_in_the_plates_own_pixels() {
    let library = library();
    let bounds = frame(256, 192);
    let node = node(&library, &plate(bounds, FLOAT), &hint(bounds, FLOAT));
    set(&node, &[("clipWhite", "0.8"), ("shrinkGrow", "6.5")]);
    let matte = render(&node, "matte");
    // The bar's lower edge is at v = 0.25, 48 rows from the top; row 0 of the image is the lowest.
    let edge: f32 = (40..70)
        .map(|row| matte.pixel(180, 191 - row).unwrap()[3])
        .sum();
    assert!((edge - (8.0 + 6.5)).abs() < 1e-3, "{edge}");
    // A proxy moves the edge as far in the picture.
    let half = Scale { x: 0.5, y: 0.5 };
    let proxy = node
        .render(&RenderRequest {
            scale: half,
            ..RenderRequest::at(1.0)
        })
        .unwrap();
    let edge: f32 = (20..35)
        .map(|row| proxy.pixel(90, 95 - row).unwrap()[3])
        .sum();
    assert!((edge - (4.0 + 3.25)).abs() < 0.3, "{edge}");
    library.assert_clean();
}

#[test]
fn a_shaped_pixel_is_the_same_in_every_window() {
    let library = library();
    let bounds = RectI {
        x1: 11,
        y1: -7,
        x2: 171,
        y2: 93,
    };
    let node = node(&library, &plate(bounds, FLOAT), &hint(bounds, FLOAT));
    set(
        &node,
        &[
            ("despeckle", "true"),
            ("despeckleMethod", "corridorKey"),
            ("holeSize", "100"),
            ("clipBlack", "0.1"),
            ("matteGamma", "0.7"),
            ("shrinkGrow", "-3.3"),
            ("edgeBlur", "2.2"),
            ("despillStrength", "0.8"),
            ("sourceDetail", "true"),
            ("restoreRange", "true"),
        ],
    );
    for output in ["processed", "matte", "foreground", "composite"] {
        let whole = render(&node, output);
        for (x1, y1, x2, y2) in [
            (11, -7, 12, -6),
            (60, 60, 61, 61),
            (40, 20, 150, 23),
            (90, -7, 91, 93),
        ] {
            let window = RectI { x1, y1, x2, y2 };
            let part = node
                .render(&RenderRequest {
                    window: Some(window),
                    ..RenderRequest::at(1.0)
                })
                .unwrap();
            for y in y1..y2 {
                for x in x1..x2 {
                    assert_eq!(part.pixel(x, y), whole.pixel(x, y), "{output} {x} {y}");
                }
            }
        }
    }
    library.assert_clean();
}

#[test]
fn light_beyond_white_and_below_black_comes_back_exactly() {
    let library = library();
    let bounds = frame(96, 64);
    let source = picture(bounds, FLOAT, |x, y| {
        let grain = ((x * 7 + y * 13) % 11) as f32 / 11.0;
        [6.0 * grain, 0.4 + 0.1 * grain, -0.2 * grain, 1.0]
    });
    let solid = picture(bounds, FLOAT, |_, _| [1.0; 4]);
    let node = node(&library, &source, &solid);
    set(&node, &[("hintChannel", "alpha"), ("restoreRange", "true")]);
    for detail in ["true", "false"] {
        set(&node, &[("sourceDetail", detail)]);
        for output in ["processed", "foreground"] {
            let found = render(&node, output);
            let mut exact = 0;
            for y in 0..64 {
                for x in 0..96 {
                    let (own, found) = (source.pixel(x, y).unwrap(), found.pixel(x, y).unwrap());
                    for channel in 0..3 {
                        // Within 0..1 the model's colour stays, unless detail is asked for.
                        if detail == "true" || !(0.0..=1.0).contains(&own[channel]) {
                            assert_eq!(found[channel], own[channel], "{output} {x} {y}");
                            exact += 1;
                        }
                    }
                }
            }
            assert!(exact > 4000);
        }
    }
    // The original's way: nothing of the plate comes back, and nothing is below black.
    set(
        &node,
        &[("restoreRange", "false"), ("sourceDetail", "false")],
    );
    let found = render(&node, "foreground");
    assert!((0..96).all(|x| found.pixel(x, 20).unwrap()[2] >= 0.0));
    library.assert_clean();
}

#[test]
fn an_anamorphic_plate_is_grown_as_a_circle_is_seen() {
    let library = library();
    let bounds = frame(128, 192);
    let node = node(
        &library,
        &wide(plate(bounds, FLOAT)),
        &wide(hint(bounds, FLOAT)),
    );
    let before = render(&node, "matte");
    set(&node, &[("shrinkGrow", "8")]);
    let after = render(&node, "matte");
    // The bar's right end moves by 4 columns, its upper and lower sides by 8 rows each: 8 pixels
    // that are as wide as two rows are high would be twice as far.
    assert!(is_subject(92, 38, 128, 192));
    let (column, row) = (92, 191 - 38);
    let sum = |image: &HostImage, pixels: &mut dyn Iterator<Item = (i32, i32)>| -> f32 {
        pixels
            .map(|(x, y)| image.pixel(x, y).unwrap()[3] / 0.9)
            .sum()
    };
    let across = |image| sum(image, &mut (95..128).map(|x| (x, row)));
    let down = |image| sum(image, &mut (110..192).map(|y| (column, y)));
    let moved = (
        across(&after) - across(&before),
        down(&after) - down(&before),
    );
    assert!(
        (moved.0 - 4.0).abs() < 1e-3 && (moved.1 - 16.0).abs() < 1e-3,
        "{moved:?}"
    );
    library.assert_clean();
}
