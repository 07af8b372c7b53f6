//! Colour through the real bundle in the watching host: one scene in several encodings, what the
//! host says about it, and what comes out.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::sync::Arc;

use common::{
    difference, frame, instance, is_subject, library, load, picture, render, set, status,
    test_bundle,
};
use corridorkey::keyer::Encoding;
use ofx::host::{HostImage, HostOptions, Instance, Layout, Library};
use ofx::{ColourStyle, Context, RectI};

const FLOAT: Layout = Layout::FLOAT_RGBA;
const BOUNDS: RectI = RectI {
    x1: 0,
    y1: 0,
    x2: 320,
    y2: 180,
};

/// Linear light of the scene: a subject that goes a little above white, before a green screen.
fn light(x: i32, y: i32) -> [f32; 3] {
    let grain = ((x * 7 + y * 13) % 11) as f32 / 11.0 * 0.01;
    match is_subject(x, y, BOUNDS.x2, BOUNDS.y2) {
        true => [1.1 + grain, 0.45 - grain, 0.3],
        false => [0.05, 0.35 + grain, 0.07 - grain],
    }
}

/// The scene as a clip of this encoding.
fn scene(encoding: Encoding) -> Arc<HostImage> {
    picture(frame(BOUNDS.x2, BOUNDS.y2), FLOAT, |x, y| {
        let [r, g, b] = encoding.from_linear(light(x, y));
        [r, g, b, 1.0]
    })
}

/// A node that shows what surrounds the network, with a hint that is made of the plate's colour.
fn node(library: &Library, plate: &Arc<HostImage>, input: &str) -> Instance {
    let node = instance(library, Context::General, plate, None);
    set(
        &node,
        &[
            ("model", "pass"),
            ("despeckle", "false"),
            ("despillStrength", "0"),
            // The transparent model's alpha is not the scene's: nothing is to be unmixed by it.
            ("restoreRange", "false"),
            ("screenColor", "green"),
            // By its label: hosts older than 1.5 know no ids.
            ("hintSource", "Screen Key"),
            ("inputColor", input),
        ],
    );
    node
}

/// One scene gives one matte, however it is encoded; the foreground comes out as the plate went
/// in, or as linear light.
#[test]
fn one_scene_in_every_encoding_is_one_key() {
    let library = library();
    let linear = node(&library, &scene(Encoding::Linear), "linear");
    let matte = render(&linear, "matte");
    let straight = render(&linear, "foreground");
    let processed = render(&linear, "processed");
    for encoding in [
        Encoding::AcesCg,
        Encoding::LogC3,
        Encoding::SLog3,
        Encoding::AppleLog,
        Encoding::Bt1886,
    ] {
        let plate = scene(encoding);
        let own = node(&library, &plate, encoding.id());
        let far = difference(&render(&own, "matte"), &matte);
        assert!(far < 2e-3, "the matte of {}: {far}", encoding.id());
        let foreground = render(&own, "foreground");
        let far = (0..BOUNDS.y2)
            .flat_map(|y| (0..BOUNDS.x2).map(move |x| (x, y)))
            .flat_map(|(x, y)| {
                let (a, b) = (foreground.pixel(x, y).unwrap(), plate.pixel(x, y).unwrap());
                [0, 1, 2].map(|c| (a[c] - b[c]).abs())
            })
            .fold(0.0, f32::max);
        assert!(far < 2e-3, "the foreground of {}: {far}", encoding.id());
        // Converted straight, multiplied after.
        let multiplied = render(&own, "processed");
        for (x, y) in [(5, 5), (100, 130), (96, 126), (250, 140)] {
            let (colour, out) = (
                foreground.pixel(x, y).unwrap(),
                multiplied.pixel(x, y).unwrap(),
            );
            for channel in 0..3 {
                assert!((colour[channel] * out[3] - out[channel]).abs() < 1e-5);
            }
        }
        own.set_str("outputColor", "linear").unwrap();
        let far = difference(&render(&own, "foreground"), &straight);
        assert!(far < 5e-3, "{} as linear light: {far}", encoding.id());
        let far = difference(&render(&own, "processed"), &processed);
        assert!(far < 5e-3, "{} as linear light: {far}", encoding.id());
        assert!(status(&own, "statusTime").contains("stored prediction"));
        let matted = render(&own, "sourceMatte");
        let [r, ..] = light(100, 180 - 1 - 126);
        let [red, _, _, alpha] = matted.pixel(100, 126).unwrap();
        assert!((red - r * alpha).abs() < 5e-3, "{red} {r} {alpha}");
    }
    library.assert_clean();
}

/// Data is not converted, whatever the output's colour.
#[test]
fn data_is_never_converted() {
    let library = library();
    let node = node(&library, &scene(Encoding::LogC3), "logc3");
    for output in ["matte", "hint"] {
        node.set_str("outputColor", "same").unwrap();
        let same = render(&node, output);
        node.set_str("outputColor", "linear").unwrap();
        assert_eq!(difference(&render(&node, output), &same), 0.0, "{output}");
    }
    library.assert_clean();
}

fn managed(style: ColourStyle, source: &str) -> HostOptions {
    HostOptions {
        colour_style: style,
        colourspaces: vec![
            ("Source".into(), source.into()),
            ("Hint".into(), "ofx_raw".into()),
        ],
        ..HostOptions::strict()
    }
}

/// A host that manages colour is believed, and told what comes out.
#[test]
fn colour_is_negotiated_with_hosts_that_can() {
    for style in [ColourStyle::Core, ColourStyle::Full, ColourStyle::Ocio] {
        let library = load(test_bundle(), managed(style, "ACEScg"));
        let plate = scene(Encoding::AcesCg);
        let auto = node(&library, &plate, "auto");
        let picture = render(&auto, "processed");
        let line = status(&auto, "statusReading");
        let told = "ACEScg (Auto: the host calls it ACEScg)";
        assert!(line.starts_with(told), "{line}");
        let named = node(&library, &plate, "acescg");
        assert_eq!(difference(&render(&named, "processed"), &picture), 0.0);

        let preferences = auto.clip_preferences().unwrap();
        assert_eq!(preferences.colourspaces["Hint"], ["ofx_raw"]);
        assert!(!preferences.colourspaces.contains_key("Source"));
        let space = |output: &str, colour: &str| {
            auto.set_str("output", output).unwrap();
            auto.set_str("outputColor", colour).unwrap();
            auto.clip_preferences().unwrap().output_colourspace
        };
        assert_eq!(space("processed", "same").as_deref(), Some("ACEScg"));
        assert_eq!(
            space("processed", "linear").as_deref(),
            Some("lin_rec709_srgb")
        );
        assert_eq!(space("matte", "linear").as_deref(), Some("ofx_raw"));
        library.assert_clean();
    }
}

/// A name that nobody knows is said, and read as this host's floats are.
#[test]
fn an_unknown_colour_space_is_said() {
    let library = load(test_bundle(), managed(ColourStyle::Core, "Bob's log"));
    let plate = scene(Encoding::Linear);
    let auto = node(&library, &plate, "auto");
    let picture = render(&auto, "processed");
    let line = status(&auto, "statusReading");
    assert!(line.starts_with("Linear (Rec.709) (Auto: "), "{line}");
    assert!(
        line.contains("Bob's log, which is not known here"),
        "{line}"
    );
    let linear = node(&library, &plate, "linear");
    assert_eq!(difference(&render(&linear, "processed"), &picture), 0.0);
    library.assert_clean();
}

/// Hosts without colour management lose nothing but the negotiation.
#[test]
fn other_hosts_go_by_name_and_depth() {
    let older = HostOptions {
        api_version: (1, 4),
        ..managed(ColourStyle::Full, "ACEScg")
    };
    let resolve = HostOptions {
        name: "DaVinciResolve".into(),
        ..HostOptions::strict()
    };
    for (options, label) in [
        (managed(ColourStyle::None, "ACEScg"), "Linear (Rec.709)"),
        (older, "Linear (Rec.709)"),
        (resolve, "BT.1886 (gamma 2.4)"),
    ] {
        let library = load(test_bundle(), options);
        let node = node(&library, &scene(Encoding::Linear), "auto");
        render(&node, "matte");
        let line = status(&node, "statusReading");
        assert!(line.starts_with(&format!("{label} (Auto: ")), "{line}");
        let preferences = node.clip_preferences().unwrap();
        assert!(preferences.colourspaces.is_empty());
        assert_eq!(preferences.output_colourspace, None);
        library.assert_clean();
    }
}
