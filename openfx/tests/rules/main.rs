//! Every rule that the host watches over, each broken by a plug-in that does nothing else wrong.
#![cfg(feature = "host")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod describing;
mod handles;
mod images;
mod params;
mod properties;
mod raw;
mod saying;
mod suites;

use std::sync::Arc;

use ofx::host::{
    EntryPoints, HostImage, HostOptions, Instance, Layout, Library, RenderRequest, StillClip, rule,
};
use ofx::{Context, RectI};

use raw::decent;

fn load(entry: EntryPoints) -> Library {
    load_as(entry, HostOptions::strict())
}

fn load_as(entry: EntryPoints, options: HostOptions) -> Library {
    // SAFETY: the entry points are those of `plugin!`.
    unsafe { Library::from_entry_points(entry, options) }.unwrap()
}

/// An instance with its source connected.
fn ready(library: &Library) -> Instance {
    let instance = library.create("test", Context::Filter).unwrap();
    let plate = HostImage::new(RectI::new(0, 0, 16, 9), Layout::default()).unwrap();
    instance
        .connect("Source", Arc::new(StillClip::new(plate)))
        .unwrap();
    instance
}

/// Runs a plug-in through a whole life with one render.
fn live(library: &Library) {
    let _ = ready(library).render(&RenderRequest::at(1.0));
}

/// The rules broken, each once.
fn rules(library: &Library) -> Vec<&'static str> {
    let mut rules: Vec<_> = library
        .violations()
        .iter()
        .map(|violation| violation.rule)
        .collect();
    rules.dedup();
    rules
}

/// Lives, and has broken exactly this rule.
#[track_caller]
fn breaks(entry: EntryPoints, rule: &str) {
    let library = load(entry);
    live(&library);
    assert_eq!(rules(&library), [rule], "{:#?}", library.violations());
}

#[test]
fn a_decent_plugin_breaks_no_rule() {
    let library = load(plugin!(decent));
    let instance = ready(&library);
    for context in Context::ALL {
        library.create("test", *context).unwrap();
    }
    for window in [None, Some(RectI::new(3, 2, 9, 8))] {
        let image = instance
            .render(&RenderRequest {
                window,
                ..RenderRequest::at(1.0)
            })
            .unwrap();
        assert!(image.to_rgba_f32().iter().all(|v| *v == 0.5));
    }
    drop(instance);
    library.assert_clean();
}

#[test]
fn assert_clean_lists_what_was_broken() {
    let library = load(plugin!(|call| {
        call.int(call.props(), c"OfxPropNonsense", 0).ok();
        decent(call)
    }));
    live(&library);
    let panic = std::panic::catch_unwind(|| library.assert_clean()).unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(text.contains("[property.unknown]"), "{text}");
    assert!(text.contains("OfxPropNonsense"), "{text}");
    assert!(!library.take_violations().is_empty());
    library.assert_clean();
    assert_eq!(rule::PROPERTY_UNKNOWN, "property.unknown");
}
