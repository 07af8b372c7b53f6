//! Renders at a tenth of the scale: the full picture made smaller, whatever an artist has set.

use std::sync::Arc;

use ofx::host::{HostImage, Instance, RenderRequest, scaled};
use ofx::{Context, RectI, Scale};

use crate::FLOAT;
use crate::common::{frame, hint, library, picture, plate, set, transparent};

const TENTH: Scale = Scale { x: 0.1, y: 0.1 };

fn at(node: &Instance, scale: Scale, window: Option<RectI>) -> HostImage {
    node.render(&RenderRequest {
        scale,
        window,
        ..RenderRequest::at(1.0)
    })
    .unwrap()
}

/// Mean difference of two mattes, and the sum of the first over the second's.
fn compared(one: &HostImage, other: &HostImage) -> (f32, f32) {
    let bounds = one.bounds();
    assert_eq!(bounds, other.bounds());
    let (mut differing, mut sums) = (0.0, [0.0; 2]);
    for y in bounds.y1..bounds.y2 {
        for x in bounds.x1..bounds.x2 {
            let [a, b] = [one, other].map(|image| image.pixel(x, y).unwrap()[3]);
            differing += (a - b).abs();
            sums[0] += a;
            sums[1] += b;
        }
    }
    let pixels = bounds.width() as f32 * bounds.height() as f32;
    (differing / pixels, sums[0] / sums[1])
}

#[test]
fn a_tenth_is_the_full_picture_made_smaller() {
    let library = library();
    let bounds = frame(1280, 960);
    let node = transparent(
        &library,
        Context::General,
        &plate(bounds, FLOAT),
        Some(&hint(bounds, FLOAT)),
    );
    node.set_str("output", "matte").unwrap();
    for (id, value) in [
        ("shrinkGrow", "0"),
        ("shrinkGrow", "-25"),
        ("shrinkGrow", "25"),
        ("edgeBlur", "25"),
        ("hintGrow", "-25"),
        ("hintBlur", "25"),
    ] {
        node.set_str(id, value).unwrap();
        let (full, tenth) = (at(&node, Scale::ONE, None), at(&node, TENTH, None));
        let full = scaled(&full, TENTH).unwrap();
        let (difference, ratio) = compared(&tenth, &full);
        assert!(difference < 0.006, "{id} {value}: {difference}");
        assert!((ratio - 1.0).abs() < 0.03, "{id} {value}: {ratio}");
        // A window of one pixel is that pixel of the whole, at the corners and at an edge.
        let RectI { x2, y2, .. } = tenth.bounds();
        for (x, y) in [(0, 0), (x2 - 1, y2 - 1), (76, y2 - 15), (40, y2 / 2)] {
            let window = RectI::new(x, y, x + 1, y + 1);
            let one = at(&node, TENTH, Some(window));
            assert_eq!(one.bounds(), window);
            assert_eq!(one.pixel(x, y), tenth.pixel(x, y), "{id} {value}: {x} {y}");
        }
        node.set_str(id, "0").unwrap();
    }
    library.assert_clean();
}

#[test]
fn what_is_a_speck_or_a_hole_at_full_scale_is_one_at_a_tenth() {
    let library = library();
    let bounds = frame(1280, 960);
    // A subject with a large and a small hole, and a large and a small island far from it.
    let squares: Arc<HostImage> = picture(bounds, FLOAT, |x, y| {
        let within = |left: i32, top: i32, side: i32| {
            (left..left + side).contains(&x) && (top..top + side).contains(&y)
        };
        let subject = within(100, 100, 600) && !within(200, 200, 120) && !within(500, 500, 40);
        let islands = within(900, 200, 120) || within(1000, 700, 40);
        [f32::from(u8::from(subject || islands)); 4]
    });
    let node = transparent(
        &library,
        Context::General,
        &plate(bounds, FLOAT),
        Some(&squares),
    );
    // 40 x 40 pixels are too few, 120 x 120 are not.
    let clean_up = [
        ("despeckle", "true"),
        // The hint is the matte here, and would keep all that it covers.
        ("despeckleMethod", "corridorKey"),
        ("despeckleSize", "6400"),
        ("holeSize", "6400"),
        ("output", "matte"),
    ];
    set(&node, &clean_up);
    for (scale, name) in [(1.0, "full scale"), (0.1, "a tenth")] {
        let matte = at(&node, Scale { x: scale, y: scale }, None);
        let alpha = |x: i32, y: i32| {
            let on = |value: i32| (f64::from(value) * scale) as i32;
            matte.pixel(on(x), on(959 - y)).unwrap()[3]
        };
        for (x, y, wanted, what) in [
            (400, 400, 1.0, "the subject"),
            (260, 260, 0.0, "the large hole"),
            (520, 520, 1.0, "the small hole"),
            (960, 260, 1.0, "the large island"),
            (1020, 720, 0.0, "the small island"),
            (1200, 500, 0.0, "the screen"),
        ] {
            let found = alpha(x, y);
            assert!((found - wanted).abs() < 0.05, "{what} at {name}: {found}");
        }
    }
    library.assert_clean();
}
