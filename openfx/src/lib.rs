//! OpenFX for Rust.
//!
//! OpenFX is the C interface through which compositing and editing programs load image effects.
//! This crate has both of its ends:
//!
//! * the plug-in side (always built): safe handles over the host's suites, and one panic-safe
//!   entry point;
//! * the host side (feature `host`): a strict headless host that runs a plug-in bundle and reports
//!   every rule that the plug-in breaks.
//!
//! The C declarations come from the `openfx` package's `sys` layer and stay inside this crate.

pub mod types;

#[cfg(feature = "host")]
pub mod host;

pub use types::{
    Components, Context, Depth, Field, Premultiplication, RectD, RectI, Scale, Status,
};

/// The C declarations of OpenFX 1.5, in one flat name space.
#[allow(
    unused_imports,
    reason = "the two sides of the crate use different parts"
)]
pub(crate) mod sys {
    pub(crate) use openfx::sys::generic::core::*;
    pub(crate) use openfx::sys::generic::property::*;
    pub(crate) use openfx::sys::image_effect_v1::gpu_render::*;
    pub(crate) use openfx::sys::image_effect_v1::image_effect::*;
    pub(crate) use openfx::sys::image_effect_v1::memory::*;
    pub(crate) use openfx::sys::image_effect_v1::message::*;
    pub(crate) use openfx::sys::image_effect_v1::multi_thread::*;
    pub(crate) use openfx::sys::image_effect_v1::param::*;
    pub(crate) use openfx::sys::image_effect_v1::progress::*;
    pub(crate) use openfx::sys::image_effect_v1::time_line::*;
}
