//! The panel: what is greyed out, and what the buttons do.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::fmt::Debug;

use common::{connect, frame, hint, instance, library, load, plate, render, set, status};
use ofx::Context;
use ofx::host::{HostOptions, Instance, Layout, Library, Quirks};

const FLOAT: Layout = Layout::FLOAT_RGBA;

/// A node with a plate and nothing else.
fn fresh(library: &Library) -> Instance {
    instance(
        library,
        Context::General,
        &plate(frame(64, 48), FLOAT),
        None,
    )
}

/// Makes changes one after the other; after each, `state` of the control that it is about is as told.
fn follows<T: PartialEq + Debug>(
    node: &Instance,
    state: impl Fn(&str) -> T,
    changes: &[(&str, &str, &str, T)],
) {
    for (id, value, what, wanted) in changes {
        node.set_str(id, value).unwrap();
        assert_eq!(&state(what), wanted, "{what} after {id} = {value}");
    }
}

#[test]
fn what_has_no_effect_is_greyed_out() {
    let library = library();
    let node = fresh(&library);
    let enabled = |id: &str| node.param_state(id).unwrap().enabled;
    follows(
        &node,
        enabled,
        &[
            ("despeckle", "false", "despeckleSize", false),
            ("despeckle", "false", "despeckleMethod", false),
            ("despeckle", "true", "despeckleSize", true),
            ("despeckle", "true", "despeckleMethod", true),
            ("screenMeasure", "picked", "screenPick", true),
            ("screenMeasure", "measured", "screenPick", false),
            ("hintSource", "screen", "hintChannel", false),
            ("hintSource", "hint", "hintChannel", true),
            ("screenColor", "blue", "screenMeasure", false),
            ("screenColor", "auto", "screenMeasure", true),
        ],
    );
    library.assert_clean();
}

#[test]
fn what_makes_no_sense_is_hidden_and_left_grey_where_it_cannot_be() {
    let library = library();
    let node = fresh(&library);
    let state = |id: &str| {
        let state = node.param_state(id).unwrap();
        (state.secret, state.enabled)
    };
    let (shown, hidden) = ((false, true), (true, false));
    // A new node.
    for id in ["screenPick", "detailShrink", "detailFeather"] {
        assert_eq!(state(id), hidden, "{id} of a new node");
    }
    follows(
        &node,
        state,
        &[
            ("sourceDetail", "true", "detailShrink", shown),
            ("sourceDetail", "true", "detailFeather", shown),
            ("sourceDetail", "false", "detailShrink", hidden),
            ("sourceDetail", "false", "detailFeather", hidden),
            ("screenMeasure", "picked", "screenPick", shown),
            ("screenMeasure", "measured", "screenPick", hidden),
            // What looks another way only is neither.
            ("output", "matte", "despillStrength", shown),
            ("output", "processed", "stabilise", shown),
        ],
    );
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
    connect(&node, "Source", &plate(frame(64, 48), FLOAT));
    set(&node, &[("screenMeasure", "picked"), ("hintGrow", "2")]);
    library.assert_clean();
}
