//! OpenFX for Rust.
//!
//! OpenFX is the C interface through which compositing and editing programs load image effects.
//! This crate has both of its ends:
//!
//! * the plug-in side (always built): safe handles over the host's suites, and one panic-safe
//!   entry point. A plug-in implements [`Plugin`], names itself to [`export!`], and holds no
//!   unsafe code of its own;
//! * the host side (feature `host`): a strict headless host that runs a plug-in bundle and reports
//!   every rule that the plug-in breaks.
//!
//! Handles ([`Effect`], [`Clip`], [`Param`], [`Props`]) are small and `Copy`, and live no longer
//! than the action that they came with. Images are guards that give themselves back to the host.
//! OpenFX counts y upwards; [`pixels`] is where rows get their order.
//!
//! The C declarations come from the `openfx` package's `sys` layer and stay inside this crate.

mod action;
mod clip;
mod convert;
mod descriptor;
mod dispatch;
mod effect;
mod error;
mod export;
mod host_info;
mod message;
mod module_path;
mod param;
mod params;
pub mod pixels;
mod plugin;
mod props;
mod show;
mod status;
mod suites;
mod text;
pub mod types;

#[cfg(feature = "host")]
pub mod host;

pub use action::{
    ChangeKind, ChangeReason, ClipPreferences, FramesNeeded, Handled, Identity, InstanceChanged,
    RegionsOfInterest, RenderArgs, SequenceArgs,
};
pub use clip::{Clip, Image, OUTPUT, OutputImage, SOURCE};
pub use descriptor::{ClipDescriptor, EffectDescriptor, FieldExtraction, ThreadSafety};
pub use effect::{Edit, Effect};
pub use error::{Error, Result};
pub use host_info::HostInfo;
pub use message::{MessageKind, Progress};
pub use module_path::module_path;
pub use param::{Param, ParamKind};
pub use params::{CacheInvalidation, DoubleType, ParamDescriptor, ParamSetDescriptor, StringMode};
pub use pixels::{Channel, ImageView, ImageViewMut, LayoutError, RowMut};
pub use plugin::{ActionError, Plugin, Rendered};
pub use props::Props;
pub use show::show;
pub use types::{
    ColourStyle, Components, Context, Depth, Field, Premultiplication, RectD, RectI, Scale, Status,
};

/// What `export!` expands to; not part of the interface.
#[doc(hidden)]
pub mod __export {
    pub use crate::export::{Exported, PluginRecord, host_answer, record_at};
    pub use crate::suites::HostState;
}

/// The C declarations of OpenFX 1.5, in one flat name space.
#[allow(
    unused_imports,
    reason = "the two sides of the crate use different parts"
)]
pub(crate) mod sys {
    pub(crate) use openfx::sys::generic::core::*;
    pub(crate) use openfx::sys::generic::property::*;
    pub(crate) use openfx::sys::image_effect_v1::colour::*;
    pub(crate) use openfx::sys::image_effect_v1::gpu_render::*;
    pub(crate) use openfx::sys::image_effect_v1::image_effect::*;
    pub(crate) use openfx::sys::image_effect_v1::memory::*;
    pub(crate) use openfx::sys::image_effect_v1::message::*;
    pub(crate) use openfx::sys::image_effect_v1::multi_thread::*;
    pub(crate) use openfx::sys::image_effect_v1::param::*;
    pub(crate) use openfx::sys::image_effect_v1::progress::*;
    pub(crate) use openfx::sys::image_effect_v1::time_line::*;
}
