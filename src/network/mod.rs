//! Prediction: from a network input to alpha and foreground.
//!
//! This module sees tensors only. [`keyer`](crate::keyer) makes them from pictures and turns the
//! answers back into pictures; the plug-in decides which model, device and size.
//!
//! * [`service`]: the one object that a process has; everything below hangs off it.
//! * [`runtime`]: finds ONNX Runtime and loads it, once.
//! * [`device`]: who says where the network runs, and what is actually there; [`probes`] remembers it.
//! * [`model`]: manifests and model files; [`models`]: where they are looked for; [`onnx`] reads
//!   signatures; [`checksum`] proves that a file is the one that its manifest means.
//! * [`greenformer`]: CorridorKey's own network, from its checkpoint; `proto` writes its graphs.
//! * [`unmixer`]: the shipped model's network, computed here on a processor; `winograd`, `simd` and
//!   `aligned` are what it shares with the refiner of [`greenformer`].
//! * [`engine`]: one model on one device at one size: built, run, checked.
//! * [`picture`]: what a network is to see, written where it wants it.
//! * `half`: a stored network in 16-bit floats.
//! * [`session`]: the engines that are kept, and for how long.
//! * [`cache`]: the predictions that are kept.
//! * [`tiles`]: how a frame that is too large for one piece falls into several; `refined`:
//!   CorridorKey's own network in two, the session and the refiner.
//! * [`options`]: everything that environment variables can say.

mod aligned;
pub mod cache;
pub mod checksum;
mod crew;
pub mod device;
pub mod engine;
pub mod error;
pub mod gate;
pub mod greenformer;
mod half;
pub mod model;
pub mod models;
pub mod onnx;
pub mod options;
pub mod picture;
pub mod probes;
pub(crate) mod proto;
mod refined;
pub mod runtime;
pub mod service;
pub mod session;
mod simd;
mod staging;
mod tiled;
pub mod tiles;
pub mod unmixer;
mod winograd;
mod worker;

#[cfg(test)]
#[path = "../../tests/support/onnx.rs"]
mod test_graphs;
#[cfg(test)]
#[path = "../../tests/support/models.rs"]
mod test_models;
#[cfg(test)]
#[path = "../../tests/support/weights.rs"]
mod test_weights;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

pub use device::{Device, DeviceChoice, Precision, PrecisionChoice};
pub use error::{Error, Result};
pub use model::Model;
pub use models::Models;
pub use picture::Picture;
pub use service::{Answer, Outcome, Request, Service};

/// How often work that takes long asks whether it is still wanted.
pub const POLL: Duration = Duration::from_millis(10);

/// Whoever waits for a prediction, and may stop wanting it.
///
/// Called on the thread that called into this module and on no other, because a host answers only
/// the thread that it gave the render to.
pub trait Control {
    /// True when the work should stop; asked about every [`POLL`].
    fn aborted(&self) -> bool;
}

/// Any closure that says whether to stop.
impl<F: Fn() -> bool> Control for F {
    fn aborted(&self) -> bool {
        self()
    }
}

/// [`Error::Aborted`] when the work is no longer wanted.
///
/// # Errors
/// [`Error::Aborted`].
pub fn check(control: &dyn Control) -> Result<()> {
    if control.aborted() {
        Err(Error::Aborted)
    } else {
        Ok(())
    }
}

static MODULE: OnceLock<PathBuf> = OnceLock::new();

/// Says where the plug-in's own binary lies, from which the bundle's library and models are found.
/// The first word counts; without it only environment variables and the user's folder are used.
///
/// The *host's* executable is never a starting point: hosts carry ONNX Runtimes of their own.
pub fn set_module_path(path: impl Into<PathBuf>) {
    let _ = MODULE.set(path.into());
}

/// What [`set_module_path`] said.
pub fn module_path() -> Option<&'static Path> {
    MODULE.get().map(PathBuf::as_path)
}
