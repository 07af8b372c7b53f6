//! A strict headless host.
//!
//! It loads a plug-in bundle, describes it, makes instances, feeds them pictures from memory and
//! renders: everything that a compositing program does with an effect, without a window. The
//! command line renders with it; tests run it with [`HostOptions::strict`], where every rule of
//! OpenFX that the plug-in breaks becomes a [`Violation`].
//!
//! ```no_run
//! use std::sync::Arc;
//! use ofx::host::{Bundle, HostImage, HostOptions, Layout, Library, RenderRequest, StillClip};
//! use ofx::{Context, RectI};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let library = Library::load(&Bundle::open("Some.ofx.bundle")?, HostOptions::strict())?;
//! let plugin = library.plugins()[0].identifier.clone();
//! let instance = library.create(&plugin, Context::Filter)?;
//! let plate = HostImage::new(RectI::new(0, 0, 1920, 1080), Layout::default())?;
//! instance.connect("Source", Arc::new(StillClip::new(plate)))?;
//! let picture = instance.render(&RenderRequest::at(1.0))?;
//! println!("{}", picture.bounds());
//! library.assert_clean();
//! # Ok(())
//! # }
//! ```

mod bundle;
mod clip;
mod context;
mod core;
mod describe;
mod description;
mod error;
mod image;
mod instance;
mod library;
mod module;
mod object;
mod options;
mod plugin;
mod property;
mod registry;
mod request;
mod resource;
mod shim;
mod suites;
mod value;
mod violations;

pub use bundle::{ARCHITECTURE, Bundle, BundleInfo};
pub use clip::{ClipFormat, ClipSource, FnClip, StillClip, scaled};
pub use description::{
    Choice, ClipDescription, Description, ParamDescription, Properties, PropertyValue,
};
pub use error::{HostError, RenderFailure, Result};
pub use image::{HostImage, Layout};
pub use instance::{Instance, ParamState};
pub use library::{EntryPoints, Library, PluginInfo};
pub use options::{HostOptions, Project, Quirks, Suites};
pub use request::{
    AbortHandle, ClipPreference, Identity, Message, MessageKind, Preferences, RenderRequest,
    Sequence,
};
pub use value::{ParamType, Value};
pub use violations::{Violation, rule};
