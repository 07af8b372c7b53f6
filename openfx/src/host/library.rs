//! A plug-in library in memory.

use std::collections::BTreeMap;
use std::ffi::c_int;
use std::fmt;
use std::sync::Arc;

use super::bundle::Bundle;
use super::core::{Host, lock};
use super::describe;
use super::description::Description;
use super::error::{HostError, Result};
use super::instance::Instance;
use super::module::{Lease, Module};
use super::object::Effect;
use super::options::HostOptions;
use super::plugin::Plugin;
use super::property::Action;
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

/// The two functions by which a host gets at the plug-ins of a library.
#[derive(Debug, Clone, Copy)]
pub struct EntryPoints {
    /// `OfxGetNumberOfPlugins`.
    pub get_number_of_plugins: unsafe extern "C" fn() -> c_int,
    /// `OfxGetPlugin`.
    pub get_plugin: unsafe extern "C" fn(c_int) -> *const openfx::sys::generic::core::OfxPlugin,
}

/// A plug-in library, loaded. Copies share it, and so do its instances; Unload is sent when the
/// last is dropped.
///
/// A plug-in keeps its host in statics. Libraries of one binary therefore share one Load, and
/// [`Library::load`] waits while a library with other host options uses the same binary.
#[derive(Clone)]
pub struct Library(Arc<Loaded>);

pub(crate) struct Loaded {
    pub(crate) host: Arc<Host>,
    plugins: Vec<Arc<Plugin>>,
    module: Module,
    lease: Lease,
}

impl Library {
    /// Loads the bundle's binary and sends `setHost` and Load to each of its plug-ins.
    ///
    /// # Errors
    /// [`HostError::Load`] when it cannot be loaded or is no OpenFX library, [`HostError::Action`]
    /// when a plug-in refuses to be loaded, [`HostError::Request`] when the options contradict
    /// themselves or another library stands in the way.
    pub fn load(bundle: &Bundle, options: HostOptions) -> Result<Self> {
        check(&options)?;
        let (module, entry) = Module::open(&bundle.binary)?;
        Self::start(module, entry, options, &bundle.binary)
    }

    /// The same for a plug-in that is linked into this program.
    ///
    /// # Safety
    /// The functions must be those of an OpenFX plug-in library: the structures that they give
    /// must be right and stay where they are.
    ///
    /// # Errors
    /// As [`Library::load`].
    pub unsafe fn from_entry_points(entry: EntryPoints, options: HostOptions) -> Result<Self> {
        check(&options)?;
        Self::start(
            Module::linked(),
            entry,
            options,
            std::path::Path::new("this program"),
        )
    }

    fn start(
        module: Module,
        entry: EntryPoints,
        options: HostOptions,
        path: &std::path::Path,
    ) -> Result<Self> {
        let refuse = |reason: String| HostError::Load {
            path: path.to_owned(),
            reason,
        };
        let lease = Lease::take(&entry, &options)?;
        let host = Host::new(options);
        // From here on dropping `loaded` gives the lease back.
        let mut loaded = Loaded {
            host,
            plugins: Vec::new(),
            module,
            lease,
        };
        // SAFETY: the function has this type in OpenFX.
        let count = unsafe { (entry.get_number_of_plugins)() };
        let mut refusals = Vec::new();
        for nth in 0..count.clamp(0, 10_000) {
            // SAFETY: the function has this type in OpenFX, and the index is in range; what it
            // gives stays where it is as long as the binary, which outlives the plug-in.
            match unsafe { Plugin::read((entry.get_plugin)(nth)) } {
                Ok(plugin) => loaded.plugins.push(Arc::new(plugin)),
                Err(reason) => refusals.push(reason),
            }
        }
        if loaded.plugins.is_empty() {
            loaded.lease.loaded();
            return Err(refuse(if refusals.is_empty() {
                format!("it says that it holds {count} plug-ins")
            } else {
                refusals.join("; ")
            }));
        }
        for reason in refusals {
            log::warn!("{}: {reason}", path.display());
        }
        let mut result = Ok(());
        if loaded.lease.first {
            for (nth, plugin) in loaded.plugins.iter().enumerate() {
                plugin.meet(&loaded.host);
                result = plugin
                    .tell(&loaded.host, None, Action::Load)
                    .check(Action::Load, None);
                if result.is_err() {
                    // Those that are not loaded must not be unloaded.
                    loaded.plugins.truncate(nth);
                    break;
                }
            }
        }
        loaded.lease.loaded();
        result.map(|()| Self(Arc::new(loaded)))
    }

    /// The plug-ins of the library.
    #[must_use]
    pub fn plugins(&self) -> Vec<PluginInfo> {
        self.0
            .plugins
            .iter()
            .map(|plugin| PluginInfo {
                identifier: plugin.identifier.clone(),
                version: plugin.version,
            })
            .collect()
    }

    /// What a plug-in says about itself in a context. It is asked once; later calls repeat the
    /// answer, see [`Library::forget_descriptions`].
    ///
    /// # Errors
    /// [`HostError::UnknownPlugin`], [`HostError::UnsupportedContext`], or [`HostError::Action`]
    /// when the plug-in fails to describe itself.
    pub fn describe(&self, identifier: &str, context: Context) -> Result<Description> {
        let descriptor = self.descriptor(identifier, context)?;
        Ok(describe::description(&descriptor, context))
    }

    /// Has every plug-in describe itself again when it is next asked for.
    pub fn forget_descriptions(&self) {
        for plugin in &self.0.plugins {
            let mut retired = lock(&plugin.retired);
            retired.extend(lock(&plugin.described).take());
            retired.extend(lock(&plugin.contexts).drain().map(|(_, effect)| effect));
        }
    }

    /// A new instance, with nothing connected and every parameter at its default.
    ///
    /// # Errors
    /// As [`Library::describe`], and [`HostError::Action`] when the plug-in refuses.
    pub fn create(&self, identifier: &str, context: Context) -> Result<Instance> {
        let plugin = self.plugin(identifier)?;
        if self.0.host.options.quirks.reload_per_instance {
            plugin.meet(&self.0.host);
            plugin
                .tell(&self.0.host, None, Action::Load)
                .check(Action::Load, None)?;
            let general = describe::describe(&self.0.host, plugin)?;
            let descriptor = describe::in_context(&self.0.host, plugin, &general, context);
            let descriptor = descriptor.inspect_err(|_| general.close())?;
            let own = vec![general, Arc::clone(&descriptor)];
            return Instance::create(&self.0, plugin, &descriptor, context, own);
        }
        let descriptor = self.descriptor(identifier, context)?;
        Instance::create(&self.0, plugin, &descriptor, context, Vec::new())
    }

    /// Every rule broken so far, oldest first.
    #[must_use]
    pub fn violations(&self) -> Vec<Violation> {
        self.0.host.recorder.all()
    }

    /// Every rule broken since the last call, oldest first.
    #[must_use]
    pub fn take_violations(&self) -> Vec<Violation> {
        self.0.host.recorder.take()
    }

    /// For tests: makes sure that no rule was broken.
    ///
    /// # Panics
    /// With a list of the violations, if there are any.
    #[track_caller]
    pub fn assert_clean(&self) {
        let violations = self.violations();
        assert!(
            violations.is_empty(),
            "the plug-in broke {} rule(s) of OpenFX:\n{}",
            violations.len(),
            violations
                .iter()
                .map(|violation| format!("  {violation}\n"))
                .collect::<String>()
        );
    }

    /// Every suite that was asked for, by name and version, and whether it was there.
    #[must_use]
    pub fn fetched_suites(&self) -> BTreeMap<(String, i32), bool> {
        lock(&self.0.host.fetched).clone()
    }

    fn plugin(&self, identifier: &str) -> Result<&Arc<Plugin>> {
        self.0
            .plugins
            .iter()
            .find(|plugin| plugin.identifier == identifier)
            .ok_or_else(|| HostError::UnknownPlugin {
                identifier: identifier.to_owned(),
                known: self
                    .0
                    .plugins
                    .iter()
                    .map(|plugin| plugin.identifier.as_str())
                    .collect::<Vec<_>>()
                    .join(", "),
            })
    }

    fn descriptor(&self, identifier: &str, context: Context) -> Result<Arc<Effect>> {
        let plugin = self.plugin(identifier)?;
        // The lock is held throughout, so that two threads do not describe twice.
        let mut contexts = lock(&plugin.contexts);
        if let Some(descriptor) = contexts.get(&context) {
            return Ok(Arc::clone(descriptor));
        }
        let mut described = lock(&plugin.described);
        let general = match &*described {
            Some(general) => Arc::clone(general),
            None => {
                let general = describe::describe(&self.0.host, plugin)?;
                described.insert(general).clone()
            }
        };
        let descriptor = describe::in_context(&self.0.host, plugin, &general, context)?;
        contexts.insert(context, Arc::clone(&descriptor));
        Ok(descriptor)
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Library")
            .field("plugins", &self.plugins())
            .finish_non_exhaustive()
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        for plugin in &self.plugins {
            let mut effects = std::mem::take(&mut *lock(&plugin.retired));
            effects.extend(lock(&plugin.contexts).drain().map(|(_, effect)| effect));
            effects.extend(lock(&plugin.described).take());
            effects.iter().for_each(|effect| effect.close());
        }
        self.lease.give_back(|| {
            for plugin in &self.plugins {
                plugin.tell(&self.host, None, Action::Unload);
            }
        });
        self.module.release(self.host.options.quirks.unmap);
    }
}

/// Options that no host could have.
fn check(options: &HostOptions) -> Result<()> {
    let refuse = |what: &str| {
        Err(HostError::Request(format!(
            "the host options are wrong: {what}"
        )))
    };
    if options.depths.is_empty() || options.components.is_empty() {
        return refuse("a host has at least one depth and one kind of components");
    }
    if options.name.is_empty() || options.name.contains('\0') || options.label.contains('\0') {
        return refuse("a host has a name, and no NUL in it");
    }
    let rate = options.project.frame_rate;
    let aspect = options.project.pixel_aspect;
    if !(rate.is_finite() && rate > 0.0 && aspect.is_finite() && aspect > 0.0) {
        return refuse("a project's frame rate and pixel aspect are above zero");
    }
    Ok(())
}
