//! Hosts that offer less than the specification asks for.

use std::sync::Arc;

use ofx::host::{HostOptions, Layout, Quirks, RenderRequest, StillClip, Suites};
use ofx::{Context, Depth};

use super::FLOAT;
use super::common::{ID, frame, load, plate, test_bundle};

#[test]
fn poor_hosts_get_the_same_key() {
    let melt = HostOptions {
        quirks: Quirks::melt(),
        api_version: (1, 4),
        ..HostOptions::strict()
    };
    let demo = HostOptions {
        quirks: Quirks::host_demo(),
        api_version: (1, 4),
        ..HostOptions::strict()
    };
    let bare = HostOptions {
        suites: Suites::NONE,
        ..HostOptions::strict()
    };
    for options in [melt, demo, bare] {
        let takes_no_choice = options.quirks == Quirks::host_demo();
        let library = load(test_bundle(), options);
        let bounds = frame(128, 96);
        let source = plate(
            bounds,
            Layout {
                depth: Depth::Byte,
                flipped: true,
                ..FLOAT
            },
        );
        let node = library.create(ID, Context::Filter).unwrap();
        node.connect("Source", Arc::new(StillClip::new(source)))
            .unwrap();
        let found = node.render(&RenderRequest::at(1.0)).unwrap();
        // The middle of the disc is kept, the corner is not.
        assert!(found.pixel(38, 67).unwrap()[3] > 0.8);
        assert!(found.pixel(2, 2).unwrap()[3] < 0.1);
        let mut violations = library.take_violations();
        // A host that took no parameters has no `output` that preferences could depend on.
        violations
            .retain(|violation| !(takes_no_choice && violation.rule == "describe.incomplete"));
        assert!(violations.is_empty(), "{violations:?}");
    }
}
