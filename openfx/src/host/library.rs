//! A plug-in library in memory.

use std::ffi::c_int;
use std::sync::Arc;

use super::bundle::Bundle;
use super::description::Description;
use super::error::Result;
use super::instance::Instance;
use super::options::HostOptions;
use super::violations::Violation;
use crate::types::Context;

/// One plug-in of a library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginInfo {
    /// Its unique name.
    pub identifier: String,
    /// Its version, major and minor.
    pub version: (u32, u32),
}

/// The two or three functions by which a host gets at the plug-ins of a library.
#[derive(Debug, Clone, Copy)]
pub struct EntryPoints {
    /// `OfxGetNumberOfPlugins`.
    pub get_number_of_plugins: unsafe extern "C" fn() -> c_int,
    /// `OfxGetPlugin`.
    pub get_plugin: unsafe extern "C" fn(c_int) -> *const openfx::sys::generic::core::OfxPlugin,
}

/// A plug-in library, loaded. Dropping it sends Unload.
#[derive(Debug, Clone)]
pub struct Library(Arc<()>);

impl Library {
    /// Loads the bundle's binary and sends `setHost` and Load to each of its plug-ins.
    pub fn load(_bundle: &Bundle, _options: HostOptions) -> Result<Self> {
        todo!()
    }

    /// The same for a plug-in that is linked into this program.
    ///
    /// # Safety
    /// The functions must be those of an OpenFX plug-in library.
    pub unsafe fn from_entry_points(_entry: EntryPoints, _options: HostOptions) -> Result<Self> {
        todo!()
    }

    /// The plug-ins of the library.
    pub fn plugins(&self) -> Vec<PluginInfo> {
        todo!()
    }

    /// What a plug-in says about itself in a context.
    pub fn describe(&self, _identifier: &str, _context: Context) -> Result<Description> {
        todo!()
    }

    /// A new instance.
    pub fn create(&self, _identifier: &str, _context: Context) -> Result<Instance> {
        todo!()
    }

    /// Every rule broken so far.
    pub fn violations(&self) -> Vec<Violation> {
        todo!()
    }

    /// Every rule broken since the last call.
    pub fn take_violations(&self) -> Vec<Violation> {
        todo!()
    }

    /// Panics with a list when any rule was broken.
    pub fn assert_clean(&self) {
        todo!()
    }
}
