//! Where pictures lie: regions, proxies, pixel aspects, and plates whose edges move.

use std::sync::Arc;

use ofx::host::{ClipFormat, FnClip, HostImage, HostOptions, Project, RenderRequest, StillClip};
use ofx::{Context, RectD, RectI, Scale};

use super::common::{
    difference, frame, hint, instance, library, load, picture, plate, render, status, test_bundle,
    transparent, wide,
};
use super::{FLOAT, Still};

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
    let library = load(test_bundle(), options);
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
