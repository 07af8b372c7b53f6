//! Several renders, instances and libraries at once.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Barrier};
use std::thread;

use ofx::host::{HostError, HostOptions, Layout, Quirks, RenderRequest, Suites, Value};
use ofx::{Context, RectI};

use crate::gain::{GAIN, MOST, SAFE};
use crate::{instance, library, picture, plated, still, turn};

const BOUNDS: RectI = RectI {
    x1: 0,
    y1: 0,
    x2: 33,
    y2: 17,
};

#[test]
fn instances_render_side_by_side() {
    let _turn = turn();
    let library = library(HostOptions::strict());
    let source = picture(BOUNDS, Layout::default());
    thread::scope(|scope| {
        for nth in 0..6 {
            let library = library.clone();
            let source = &source;
            scope.spawn(move || {
                let gain = f64::from(nth) / 2.0;
                let instance = plated(&library, Context::Filter, BOUNDS);
                instance.set("gain", Value::Double(gain)).unwrap();
                for _ in 0..10 {
                    let image = instance.render(&RenderRequest::at(1.0)).unwrap();
                    for (x, y) in [(0, 0), (32, 16), (5, 11)] {
                        let want = source.pixel(x, y).unwrap()[2] * gain as f32;
                        assert!((image.pixel(x, y).unwrap()[2] - want).abs() < 1e-6);
                    }
                }
            });
        }
    });
    library.assert_clean();
}

fn most_at_once(identifier: &str) -> u32 {
    let library = library(HostOptions::strict());
    let instance = library.create(identifier, Context::Filter).unwrap();
    instance.set_str("mode", "slow").unwrap();
    instance
        .connect("Source", still(BOUNDS, Layout::default()))
        .unwrap();
    MOST.store(0, Ordering::SeqCst);
    let together = Arc::new(Barrier::new(4));
    thread::scope(|scope| {
        for time in 0..4 {
            let (instance, together) = (instance.clone(), Arc::clone(&together));
            scope.spawn(move || {
                together.wait();
                instance
                    .render(&RenderRequest::at(f64::from(time)))
                    .unwrap();
            });
        }
    });
    drop(instance);
    library.assert_clean();
    MOST.load(Ordering::SeqCst)
}

#[test]
fn renders_of_one_instance_are_side_by_side_as_far_as_the_plugin_allows() {
    let _turn = turn();
    assert!(most_at_once(GAIN) > 1);
    assert_eq!(most_at_once(SAFE), 1);
}

#[test]
fn a_host_that_starts_the_plugin_anew_for_every_instance_on_every_thread() {
    let _turn = turn();
    let library = library(HostOptions {
        quirks: Quirks::melt(),
        ..HostOptions::strict()
    });
    thread::scope(|scope| {
        for nth in 0..4 {
            let library = &library;
            scope.spawn(move || {
                for _ in 0..8 {
                    let instance = plated(library, Context::Filter, BOUNDS);
                    instance.set("gain", Value::Int(nth)).unwrap();
                    let image = instance.render(&RenderRequest::at(1.0)).unwrap();
                    let want = 0.2 * nth as f32;
                    assert!((image.pixel(3, 3).unwrap()[2] - want).abs() < 1e-6);
                }
            });
        }
    });
    library.assert_clean();
}

#[test]
fn edits_wait_for_renders() {
    let _turn = turn();
    let library = library(HostOptions::strict());
    let instance = plated(&library, Context::Filter, BOUNDS);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..20 {
                    let image = instance.render(&RenderRequest::at(1.0)).unwrap();
                    let low = image.pixel(0, 0).unwrap()[2];
                    let high = image.pixel(32, 16).unwrap()[2];
                    assert_eq!(low, high, "the gain changed within a picture");
                }
            });
        }
        for nth in 0..40 {
            let gain = f64::from(nth % 7);
            instance.set("gain", Value::Double(gain)).unwrap();
        }
    });
    library.assert_clean();
}

#[test]
fn libraries_of_different_hosts_take_turns() {
    let _turn = turn();
    let first = library(HostOptions::strict());
    let entry = ofx::host::EntryPoints {
        get_number_of_plugins: crate::exported::OfxGetNumberOfPlugins,
        get_plugin: crate::exported::OfxGetPlugin,
    };
    let other = HostOptions {
        suites: Suites::NONE,
        ..HostOptions::strict()
    };
    // SAFETY: these are the entry points that `ofx::export!` made.
    let refused = unsafe { ofx::host::Library::from_entry_points(entry, other.clone()) };
    assert!(matches!(refused, Err(HostError::Request(_))));
    let same = library(HostOptions::strict());
    let waiting = thread::spawn(move || library(other).plugins().len());
    let instance = instance(&first, Context::Filter);
    drop(first);
    drop(same);
    assert!(!waiting.is_finished(), "an instance keeps its library");
    drop(instance);
    assert_eq!(waiting.join().unwrap(), 2);
}
