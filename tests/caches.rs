//! What is kept between renders of the real bundle, and what must not be.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{difference, frame, hint, instance, load, plate, ran, render, status};
use ofx::Context;
use ofx::host::{HostImage, HostOptions, Instance, Layout, RenderRequest};

const FLOAT: Layout = Layout::FLOAT_RGBA;

#[test]
fn a_change_behind_the_network_does_not_run_it() {
    let library = load(
        &common::bundle_with_test_models("cache"),
        HostOptions::strict(),
    );
    let bounds = frame(128, 96);
    let node = instance(
        &library,
        Context::General,
        &plate(bounds, FLOAT),
        Some(&hint(bounds, FLOAT)),
    );
    node.set_str("model", "pass").unwrap();
    render(&node, "processed");
    assert!(ran(&node), "the first frame needs the network");
    for (id, value) in [
        ("despillStrength", "0.25"),
        ("despeckle", "false"),
        ("despeckleSize", "50"),
        ("despeckleMethod", "corridorKey"),
        ("output", "matte"),
        ("output", "composite"),
        ("output", "sourceMatte"),
        // The model has no refiner.
        ("refinerStrength", "2"),
    ] {
        node.set_str(id, value).unwrap();
        node.render(&RenderRequest::at(1.0)).unwrap();
        assert!(!ran(&node), "{id} = {value} must not run the network");
    }
    // Another node with the same plate and the same upstream settings shares the prediction.
    let twin = instance(
        &library,
        Context::General,
        &plate(bounds, FLOAT),
        Some(&hint(bounds, FLOAT)),
    );
    twin.set_str("model", "pass").unwrap();
    render(&twin, "processed");
    assert!(!ran(&twin), "instances share predictions");
    for (id, value) in [
        ("hintSource", "screen"),
        ("inputColor", "srgb"),
        ("resolution", "512"),
    ] {
        node.set_str(id, value).unwrap();
        node.render(&RenderRequest::at(1.0)).unwrap();
        assert!(ran(&node), "{id} = {value} must run the network");
    }
    node.press("purgeCaches").unwrap();
    node.render(&RenderRequest::at(1.0)).unwrap();
    assert!(ran(&node), "an emptied cache has nothing");
    library.assert_clean();
}

#[test]
fn a_foreground_that_was_not_shown_at_first_is_there_later() {
    let library = load(
        &common::bundle_with_test_models("later"),
        HostOptions::strict(),
    );
    // The network sees it smaller.
    let bounds = frame(700, 420);
    let (plate, hint) = (plate(bounds, FLOAT), hint(bounds, FLOAT));
    let node = instance(&library, Context::General, &plate, Some(&hint));
    node.set_str("model", "pass").unwrap();
    node.set_str("resolution", "512").unwrap();
    let stages = || status(&node, "statusTime");
    for output in ["processed", "foreground", "composite"] {
        node.press("purgeCaches").unwrap();
        let fresh = render(&node, output);
        assert!(ran(&node));
        node.press("purgeCaches").unwrap();
        render(&node, "matte");
        assert!(ran(&node));
        render(&node, "matte");
        assert!(!stages().contains("enlarge"), "{}", stages());
        // Made at the plate's size then, and kept.
        for enlarges in [true, false] {
            let later = render(&node, output);
            assert!(!ran(&node), "{output} is made of what the network said");
            assert_eq!(stages().contains("enlarge"), enlarges, "{}", stages());
            assert_eq!(difference(&fresh, &later), 0.0, "{output}");
        }
    }
    library.assert_clean();
}

#[test]
fn what_a_model_does_not_see_does_not_run_it() {
    let library = load(
        &common::bundle_with_test_models("unseen"),
        HostOptions::strict(),
    );
    let bounds = frame(128, 96);
    let (plate, hint) = (plate(bounds, FLOAT), hint(bounds, FLOAT));
    // A model for both screens sees the plate as it is, whatever the colour; despill does not.
    let node = instance(&library, Context::General, &plate, Some(&hint));
    node.set_str("model", "both").unwrap();
    node.set_str("screenColor", "green").unwrap();
    let green = render(&node, "foreground");
    assert!(ran(&node));
    node.set_str("screenColor", "blue").unwrap();
    let blue = render(&node, "foreground");
    assert!(!ran(&node), "another colour is no other picture to it");
    assert!(difference(&green, &blue) > 0.1, "but another spill");
    assert!(status(&node, "statusReading").contains("blue screen"));
    // A hint that is made from the colour is another one.
    node.set_str("hintSource", "screen").unwrap();
    render(&node, "foreground");
    assert!(ran(&node));
    node.set_str("screenColor", "green").unwrap();
    render(&node, "foreground");
    assert!(ran(&node), "the hint is keyed from the colour");

    let node = instance(&library, Context::General, &plate, Some(&hint));
    node.set_str("model", "refined").unwrap();
    for strength in ["0.5", "1.5"] {
        node.set_str("refinerStrength", strength).unwrap();
        render(&node, "matte");
        assert!(ran(&node), "a refiner is part of the network");
    }
    library.assert_clean();
}

#[test]
fn the_panel_finds_the_render_of_another_instance() {
    let library = load(
        &common::bundle_with_test_models("panel"),
        HostOptions::strict(),
    );
    let bounds = frame(160, 96);
    let (plate, hint) = (plate(bounds, FLOAT), hint(bounds, FLOAT));
    let node = || {
        let node = instance(&library, Context::General, &plate, Some(&hint));
        node.set_str("model", "pass").unwrap();
        node
    };
    let panel = node();
    assert!(status(&panel, "statusModel").contains("no render of this node is known"));
    // Hosts render on an instance that lives for a frame.
    let clone = node();
    clone.set_str("despillStrength", "0.75").unwrap();
    render(&clone, "processed");
    drop(clone);
    assert_eq!(status(&panel, "statusModel"), "Test pass 1");
    assert_eq!(status(&panel, "statusSize"), "160 x 96");
    // Of a node that is set otherwise it says nothing.
    panel.set_str("resolution", "512").unwrap();
    assert!(status(&panel, "statusModel").contains("no render of this node is known"));
    assert_eq!(status(&panel, "statusSize"), "");
    library.assert_clean();
}

#[test]
fn four_renders_of_one_frame_run_the_network_once() {
    let library = load(
        &common::bundle_with_test_models("together"),
        HostOptions::strict(),
    );
    let bounds = frame(320, 192);
    let (plate, hint) = (plate(bounds, FLOAT), hint(bounds, FLOAT));
    let nodes: Vec<Instance> = (0..4)
        .map(|_| instance(&library, Context::General, &plate, Some(&hint)))
        .collect();
    let pictures: Vec<HostImage> = std::thread::scope(|scope| {
        let threads: Vec<_> = nodes
            .iter()
            .map(|node| scope.spawn(|| render(node, "processed")))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    for picture in &pictures[1..] {
        assert_eq!(difference(&pictures[0], picture), 0.0);
    }
    let runs = nodes.iter().filter(|node| ran(node)).count();
    assert_eq!(
        runs, 1,
        "one of the four runs the network, the others wait for it"
    );
    library.assert_clean();
}

#[test]
fn an_abort_leaves_no_message_and_nothing_cached() {
    let library = load(
        &common::bundle_with_test_models("abort"),
        HostOptions::strict(),
    );
    let bounds = frame(320, 192);
    let node = instance(
        &library,
        Context::General,
        &plate(bounds, FLOAT),
        Some(&hint(bounds, FLOAT)),
    );
    let handle = node.abort_handle();
    handle.abort();
    let failure = node
        .render(&RenderRequest::at(1.0))
        .expect_err("an aborted render has no picture");
    assert_eq!(failure.message, None);
    assert!(node.message().is_none());
    handle.reset();
    render(&node, "processed");
    assert!(ran(&node), "nothing of the aborted frame was kept");
    library.assert_clean();
}
