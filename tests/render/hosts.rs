//! Hosts that offer less than the specification asks for, or do what few plug-ins expect.

use std::thread;

use ofx::host::{HostImage, HostOptions, Layout, Library, Quirks, RenderRequest, Suites};
use ofx::{Components, Context, Depth, RectI, Scale};

use super::FLOAT;
use super::common::{
    self, ID, connect, difference, frame, hint, load, picture, plate, render, set, test_bundle,
};

const BOUNDS: RectI = RectI {
    x1: 0,
    y1: 0,
    x2: 128,
    y2: 96,
};

/// A frame of a new node that has a plate alone, keyed by the screen's colour.
fn keyed(library: &Library) -> HostImage {
    let node = library.create(ID, Context::Filter).unwrap();
    connect(&node, "Source", &plate(BOUNDS, FLOAT));
    set(&node, &[("model", "pass"), ("screenColor", "Green")]);
    render(&node, "Matte")
}

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
    let layout = Layout {
        depth: Depth::Byte,
        flipped: true,
        ..FLOAT
    };
    // Of a size that the shipped model keys: demonstration hosts can name no other.
    let source = plate(frame(256, 160), layout);
    let key = |library: &Library| {
        let node = library.create(ID, Context::Filter).unwrap();
        connect(&node, "Source", &source);
        node.render(&RenderRequest::at(1.0)).unwrap()
    };
    let library = load(test_bundle(), HostOptions::strict());
    let wanted = key(&library);
    library.assert_clean();
    drop(library);
    // The middle of the disc is kept, the corner is not. How well the model does it is not asked here.
    let subject = wanted.pixel(77, 112).unwrap()[3];
    let screen = wanted.pixel(2, 2).unwrap()[3];
    assert!(subject > 0.5 && screen < 0.1, "{subject} and {screen}");
    for options in [melt, demo, bare] {
        let takes_no_choice = options.quirks == Quirks::host_demo();
        let library = load(test_bundle(), options);
        assert_eq!(difference(&wanted, &key(&library)), 0.0);
        let mut violations = library.take_violations();
        // A host that took no parameters has no `output` that preferences could depend on.
        violations
            .retain(|violation| !(takes_no_choice && violation.rule == "describe.incomplete"));
        assert!(violations.is_empty(), "{violations:?}");
    }
}

/// Natron: OpenFX 1.4, General, no half, the region asked for at half scale before anything is
/// connected, masks connected and disconnected as they are switched on and off.
#[test]
fn a_host_like_natron_gets_the_same_key() {
    let options = HostOptions {
        quirks: Quirks {
            probe_region: true,
            ..Quirks::default()
        },
        api_version: (1, 4),
        depths: vec![Depth::Float, Depth::Short, Depth::Byte],
        ..HostOptions::strict()
    };
    let library = load(test_bundle(), options);
    let node = library.create(ID, Context::General).unwrap();
    let alpha = Layout {
        components: Components::Alpha,
        ..FLOAT
    };
    connect(&node, "Source", &plate(BOUNDS, FLOAT));
    connect(&node, "Hint", &hint(BOUNDS, alpha));
    set(&node, &[("model", "pass"), ("despeckle", "false")]);
    let keyed = render(&node, "Matte");
    let (subject, screen) = ((38, 67), (2, 2));
    let at = |image: &HostImage, (x, y): (i32, i32)| image.pixel(x, y).unwrap()[3];
    assert_eq!((at(&keyed, subject), at(&keyed, screen)), (0.9, 0.0));
    let solid = picture(BOUNDS, alpha, |_, _| [1.0; 4]);
    for (mask, wanted) in [("InM", 1.0), ("OutM", 0.0)] {
        connect(&node, mask, &solid);
        let held = render(&node, "Matte");
        assert_eq!((at(&held, subject), at(&held, screen)), (wanted, wanted));
        node.disconnect(mask).unwrap();
        assert_eq!(difference(&keyed, &render(&node, "Matte")), 0.0, "{mask}");
    }
    let proxy = node
        .render(&RenderRequest {
            scale: Scale { x: 0.5, y: 0.5 },
            ..RenderRequest::at(1.0)
        })
        .unwrap();
    assert_eq!(proxy.bounds(), frame(64, 48));
    assert!((at(&proxy, (19, 33)) - 0.9).abs() < 1e-3);
    drop(node);
    library.assert_clean();
}

/// melt makes a plug-in anew for every frame: setHost, Load, Describe, DescribeInContext,
/// CreateInstance, Render and DestroyInstance, on several threads at a time.
#[test]
fn a_host_that_starts_it_anew_for_every_frame_in_parallel_gets_one_key() {
    let options = HostOptions {
        quirks: Quirks::melt(),
        api_version: (1, 4),
        ..HostOptions::strict()
    };
    let library = load(test_bundle(), options);
    let first = keyed(&library);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..3 {
                    assert_eq!(difference(&first, &keyed(&library)), 0.0);
                }
            });
        }
    });
    library.assert_clean();
}

/// HostSupport and Natron may close a binary that they are done with, while threads of ONNX Runtime
/// live on in it: it must stay where it is, and work when it is opened again.
#[cfg(target_os = "linux")]
#[test]
fn a_host_that_unmaps_it_finds_it_whole() {
    let bundle = common::bundle_with_test_models("unmapped");
    let options = HostOptions {
        quirks: Quirks {
            unmap: true,
            ..Quirks::default()
        },
        ..HostOptions::strict()
    };
    let mut pictures = Vec::new();
    for _ in 0..2 {
        let library = load(&bundle, options.clone());
        pictures.push(keyed(&library));
        library.assert_clean();
        drop(library);
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let ours = |line: &str| line.contains("/unmapped/") && line.ends_with("CorridorKey.ofx");
        assert!(maps.lines().any(ours), "its code is still there");
    }
    assert_eq!(difference(&pictures[0], &pictures[1]), 0.0);
}
