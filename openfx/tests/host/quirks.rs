//! A plug-in that keeps the rules gets along with hosts that lack things.

use ofx::host::{HostError, HostOptions, Layout, Quirks, RenderRequest, Suites, Value};
use ofx::{Context, RectI};

use crate::gain::{GAIN, take_log};
use crate::{library, picture, plated, turn};

const BOUNDS: RectI = RectI {
    x1: 0,
    y1: 0,
    x2: 12,
    y2: 9,
};

fn renders(options: HostOptions, context: Context) {
    let library = library(options);
    let instance = plated(&library, context, BOUNDS);
    instance.set("gain", Value::Double(2.0)).unwrap();
    let image = instance.render(&RenderRequest::at(1.0)).unwrap();
    let [r, ..] = picture(BOUNDS, Layout::default()).pixel(7, 3).unwrap();
    assert_eq!(image.pixel(7, 3).unwrap()[0], 2.0 * r);
    drop(instance);
    library.assert_clean();
}

#[test]
fn a_host_like_melt() {
    let _turn = turn();
    for _ in 0..3 {
        renders(
            HostOptions {
                quirks: Quirks::melt(),
                api_version: (1, 4),
                ..HostOptions::strict()
            },
            Context::Filter,
        );
    }
    let log = take_log();
    assert!(!log.iter().any(|line| line.starts_with("changed")));
    assert!(!log.contains(&"is identity".to_owned()));
}

#[test]
fn a_host_like_the_demonstration_host() {
    let _turn = turn();
    // The plug-in under test needs its text, so that this much of the demonstration host is left
    // out; the refusal itself is below.
    renders(
        HostOptions {
            quirks: Quirks {
                no_string_parameters: false,
                ..Quirks::host_demo()
            },
            ..HostOptions::strict()
        },
        Context::General,
    );
}

#[test]
fn a_host_may_refuse_parameters() {
    let _turn = turn();
    let library = library(HostOptions {
        quirks: Quirks::host_demo(),
        ..HostOptions::strict()
    });
    let error = library.describe(GAIN, Context::Filter).unwrap_err();
    assert!(matches!(error, HostError::Action { .. }), "{error}");
    assert!(error.to_string().contains("DescribeInContext"), "{error}");
}

#[test]
fn a_host_like_natron() {
    let _turn = turn();
    renders(
        HostOptions {
            quirks: Quirks {
                probe_region: true,
                ..Quirks::default()
            },
            api_version: (1, 4),
            ..HostOptions::strict()
        },
        Context::General,
    );
}

#[test]
fn a_host_without_optional_suites() {
    let _turn = turn();
    for suites in [
        Suites::NONE,
        Suites {
            message_v2: false,
            ..Suites::ALL
        },
        Suites {
            progress_v2: false,
            ..Suites::ALL
        },
        Suites {
            progress_v1: false,
            progress_v2: false,
            ..Suites::ALL
        },
    ] {
        let options = HostOptions {
            suites,
            ..HostOptions::strict()
        };
        renders(options.clone(), Context::Filter);
        let library = library(options);
        let instance = plated(&library, Context::Filter, BOUNDS);
        instance.set_str("mode", "fail").unwrap();
        let failure = instance.render(&RenderRequest::at(1.0)).unwrap_err();
        let can_say = suites.message_v1 || suites.message_v2;
        assert_eq!(failure.message.is_some(), can_say);
        assert_eq!(instance.message().is_some(), suites.message_v2);
        drop(instance);
        library.assert_clean();
    }
}
