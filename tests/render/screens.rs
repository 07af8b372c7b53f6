//! The shipped model on plain plates of every screen colour: not a test of its quality, but of
//! everything being joined to it the right way.

use std::sync::Arc;

use ofx::Context;
use ofx::host::{HostImage, HostOptions, Library};

use super::FLOAT;
use super::common::{
    self, frame, hint, instance, is_subject, library, load, picture, plate, render, set, status,
};

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
            set(
                &node,
                &[
                    ("inputColor", "srgb"),
                    ("screenColor", colour),
                    ("despillStrength", "1"),
                ],
            );
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
