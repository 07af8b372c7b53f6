//! What each output is, and what the host is told of its alpha.

use ofx::{Context, Premultiplication};

use super::FLOAT;
use super::common::{frame, hint, instance, library, plate, render, transparent};

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
