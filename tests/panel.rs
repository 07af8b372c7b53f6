//! The panel: what is greyed out, and what the buttons do.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{frame, hint, instance, load, plate, render, status};
use ofx::Context;
use ofx::host::{HostOptions, Layout, Quirks, StillClip};

const FLOAT: Layout = Layout::FLOAT_RGBA;

#[test]
fn what_has_no_effect_is_greyed_out() {
    let library = load(
        &common::bundle_with_test_models("greyed"),
        HostOptions::strict(),
    );
    let bounds = frame(64, 48);
    let node = instance(&library, Context::General, &plate(bounds, FLOAT), None);
    let enabled = |id: &str| node.param_state(id).unwrap().enabled;
    for (id, value, what, wanted) in [
        ("despeckle", "false", "despeckleSize", false),
        ("despeckle", "true", "despeckleSize", true),
        ("screenMeasure", "picked", "screenPick", true),
        ("screenMeasure", "measured", "screenPick", false),
        ("hintSource", "screen", "hintChannel", false),
        ("hintSource", "hint", "hintChannel", true),
        ("screenColor", "blue", "screenMeasure", false),
        ("screenColor", "auto", "screenMeasure", true),
    ] {
        node.set_str(id, value).unwrap();
        assert_eq!(enabled(what), wanted, "{what} after {id} = {value}");
    }
    library.assert_clean();
}

#[test]
fn what_makes_no_sense_is_hidden_and_left_grey_where_it_cannot_be() {
    let library = load(
        &common::bundle_with_test_models("hiding"),
        HostOptions::strict(),
    );
    let bounds = frame(64, 48);
    let node = instance(&library, Context::General, &plate(bounds, FLOAT), None);
    let state = |id: &str| {
        let state = node.param_state(id).unwrap();
        (state.secret, state.enabled)
    };
    let (shown, hidden) = ((false, true), (true, false));
    // A new node.
    for id in ["screenPick", "detailShrink", "detailFeather"] {
        assert_eq!(state(id), hidden, "{id} of a new node");
    }
    for (id, value, what, wanted) in [
        ("sourceDetail", "true", "detailShrink", shown),
        ("sourceDetail", "true", "detailFeather", shown),
        ("sourceDetail", "false", "detailShrink", hidden),
        ("sourceDetail", "false", "detailFeather", hidden),
        ("screenMeasure", "picked", "screenPick", shown),
        ("screenMeasure", "measured", "screenPick", hidden),
        // What looks another way only is neither.
        ("output", "matte", "despillStrength", shown),
        ("output", "processed", "stabilise", shown),
    ] {
        node.set_str(id, value).unwrap();
        assert_eq!(state(what), wanted, "{what} after {id} = {value}");
    }
    library.assert_clean();
}

#[test]
fn warming_up_builds_the_session_that_the_first_frame_needs() {
    let library = load(
        &common::bundle_with_test_models("warm"),
        HostOptions::strict(),
    );
    let bounds = frame(160, 96);
    let source = plate(bounds, FLOAT);
    let node = instance(
        &library,
        Context::General,
        &source,
        Some(&hint(bounds, FLOAT)),
    );
    node.set_str("model", "pass").unwrap();
    node.press("warmUp").unwrap();
    assert_eq!(status(&node, "statusSize"), "160 x 96");
    assert!(status(&node, "statusTime").contains("warmed up"));
    render(&node, "matte");
    assert_eq!(status(&node, "statusSize"), "160 x 96");
    // What cannot be warmed up says why.
    node.set_str("model", "nowhere").unwrap();
    assert!(node.press("warmUp").is_err());
    let said = node.message().expect("a button that fails says why").text;
    assert!(said.contains("nowhere"), "{said}");
    node.set_str("model", "pass").unwrap();
    node.disconnect("Source").unwrap();
    assert!(node.press("warmUp").is_err());
    library.assert_clean();
}

#[test]
fn hosts_that_hide_half_of_the_panel_have_no_trouble_with_it() {
    let library = load(
        &common::bundle_with_test_models("hidden"),
        HostOptions {
            quirks: Quirks::melt(),
            api_version: (1, 4),
            ..HostOptions::strict()
        },
    );
    let node = library.create(common::ID, Context::Filter).unwrap();
    node.connect(
        "Source",
        std::sync::Arc::new(StillClip::new(plate(frame(64, 48), FLOAT))),
    )
    .unwrap();
    for (id, value) in [("screenMeasure", "picked"), ("hintGrow", "2")] {
        node.set_str(id, value).unwrap();
    }
    library.assert_clean();
}
