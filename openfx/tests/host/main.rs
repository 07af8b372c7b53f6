//! The headless host with a plug-in that keeps the rules: what the host promises to its callers.
#![cfg(feature = "host")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod describe;
mod edits;
mod gain;
mod images;
mod modules;
mod quirks;
mod threads;

use std::ffi::c_int;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ofx::host::{
    ClipSource, EntryPoints, HostImage, HostOptions, Instance, Layout, Library, StillClip,
};
use ofx::{Context, RectI};

#[allow(
    clashing_extern_declarations,
    reason = "the exported functions answer with a record that begins with an OfxPlugin"
)]
mod exported {
    use super::c_int;
    unsafe extern "C" {
        pub(super) fn OfxGetNumberOfPlugins() -> c_int;
        pub(super) fn OfxGetPlugin(nth: c_int) -> *const openfx::sys::generic::core::OfxPlugin;
    }
}

/// The plug-in keeps a log that all tests share, so they take turns.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    gain::take_log();
    turn
}

fn library(options: HostOptions) -> Library {
    let entry = EntryPoints {
        get_number_of_plugins: exported::OfxGetNumberOfPlugins,
        get_plugin: exported::OfxGetPlugin,
    };
    // SAFETY: these are the entry points that `ofx::export!` made.
    unsafe { Library::from_entry_points(entry, options) }.unwrap()
}

fn instance(library: &Library, context: Context) -> Instance {
    library.create(gain::GAIN, context).unwrap()
}

/// A picture in which every pixel is another: red counts columns, green rows, from the lower left.
fn picture(bounds: RectI, layout: Layout) -> HostImage {
    let rgba: Vec<f32> = (bounds.y1..bounds.y2)
        .rev()
        .flat_map(|y| {
            (bounds.x1..bounds.x2).flat_map(move |x| {
                [
                    (x - bounds.x1) as f32 / 255.0,
                    (y - bounds.y1) as f32 / 255.0,
                    0.2,
                    0.8,
                ]
            })
        })
        .collect();
    HostImage::from_rgba_f32(bounds, &rgba, layout).unwrap()
}

fn still(bounds: RectI, layout: Layout) -> Arc<dyn ClipSource> {
    Arc::new(StillClip::new(picture(bounds, layout)))
}

/// An instance of the gain with a plain picture on Source.
fn plated(library: &Library, context: Context, bounds: RectI) -> Instance {
    let instance = instance(library, context);
    instance
        .connect("Source", still(bounds, Layout::default()))
        .unwrap();
    instance
}
