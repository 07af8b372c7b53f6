//! Binaries in memory, and who may use them when.
//!
//! A plug-in keeps what it learnt about its host in statics, of which a process has one set per
//! binary. Libraries of the same binary therefore share one Load and one Unload, and hosts that
//! look different to the plug-in take turns.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Condvar, LazyLock, Mutex, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use super::core::lock;
use super::error::{HostError, Result};
use super::library::EntryPoints;
use super::options::{HostOptions, Suites};
use crate::types::ColourStyle;

/// A binary that was mapped, to be unmapped or not.
#[derive(Debug)]
pub(super) struct Module(Option<libloading::Library>);

impl Module {
    /// Maps a binary with everything that it needs, and finds its entry points.
    pub(super) fn open(path: &Path) -> Result<(Self, EntryPoints)> {
        let refuse = |reason: String| HostError::Load {
            path: path.to_owned(),
            reason,
        };
        let library = map(path).map_err(|error| refuse(said(&error)))?;
        let missing = |name: &str| {
            refuse(format!(
                "it does not export {name}, as every OpenFX plug-in must"
            ))
        };
        // SAFETY: OpenFX defines the types of both functions.
        let get_number_of_plugins = *unsafe { library.get(b"OfxGetNumberOfPlugins\0") }
            .map_err(|_| missing("OfxGetNumberOfPlugins"))?;
        // SAFETY: as above.
        let get_plugin =
            *unsafe { library.get(b"OfxGetPlugin\0") }.map_err(|_| missing("OfxGetPlugin"))?;
        let entry = EntryPoints {
            get_number_of_plugins,
            get_plugin,
        };
        Ok((Self(Some(library)), entry))
    }

    /// A binary that is not ours to unmap.
    pub(super) fn linked() -> Self {
        Self(None)
    }

    /// Gives the binary up. It stays mapped unless `unmap`: threads and thread-local destructors
    /// of the plug-in may still run in it.
    pub(super) fn release(&mut self, unmap: bool) {
        if let Some(library) = self.0.take()
            && !unmap
        {
            std::mem::forget(library);
        }
    }
}

#[cfg(unix)]
fn map(path: &Path) -> std::result::Result<libloading::Library, libloading::Error> {
    use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
    // SAFETY: loading a plug-in runs its initialisers, which is what loading it means. All of its
    // symbols are resolved now, so that a missing one is an error here and not a crash later.
    unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) }.map(Into::into)
}

#[cfg(not(unix))]
fn map(path: &Path) -> std::result::Result<libloading::Library, libloading::Error> {
    // SAFETY: loading a plug-in runs its initialisers, which is what loading it means.
    unsafe { libloading::Library::new(path) }
}

/// The loader's own words.
fn said(error: &libloading::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

/// What a plug-in keeps about its host.
#[derive(Debug, Clone, PartialEq)]
struct Face {
    name: String,
    api_version: (i32, i32),
    suites: Suites,
    colour_style: ColourStyle,
    missing: Vec<String>,
}

#[derive(Debug)]
struct Use {
    face: Face,
    holders: Vec<ThreadId>,
    /// Load or Unload is being sent.
    busy: bool,
}

static USES: LazyLock<Mutex<HashMap<usize, Use>>> = LazyLock::new(Mutex::default);
static FREED: Condvar = Condvar::new();

/// So long a library waits for others of the same binary to go.
const PATIENCE: Duration = Duration::from_secs(600);

/// The right to use a binary.
#[derive(Debug)]
pub(super) struct Lease {
    key: usize,
    thread: ThreadId,
    /// Whether it is this one that has to send Load.
    pub(super) first: bool,
}

impl Lease {
    /// Waits until no library with a host that looks different uses the binary.
    pub(super) fn take(entry: &EntryPoints, options: &HostOptions) -> Result<Self> {
        let key = entry.get_plugin as usize;
        let face = Face {
            name: options.name.clone(),
            api_version: options.api_version,
            suites: options.suites,
            colour_style: options.colour_style,
            missing: options.quirks.missing_properties.clone(),
        };
        let thread = thread::current().id();
        let deadline = Instant::now() + PATIENCE;
        let mut uses = lock(&USES);
        loop {
            match uses.get_mut(&key) {
                None => {
                    uses.insert(
                        key,
                        Use {
                            face,
                            holders: vec![thread],
                            busy: true,
                        },
                    );
                    return Ok(Self {
                        key,
                        thread,
                        first: true,
                    });
                }
                Some(used) if !used.busy && used.face == face => {
                    used.holders.push(thread);
                    return Ok(Self {
                        key,
                        thread,
                        first: false,
                    });
                }
                Some(used) if !used.busy && used.holders.contains(&thread) => {
                    return Err(HostError::Request(
                        "this thread already has a library of the same plug-in binary with other \
                         host options; drop that one first, since a plug-in knows one host at a \
                         time"
                            .into(),
                    ));
                }
                Some(_) => {}
            }
            let rest = deadline.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return Err(HostError::Request(
                    "another library of the same plug-in binary, with other host options, has \
                     not been dropped for ten minutes"
                        .into(),
                ));
            }
            uses = FREED
                .wait_timeout(uses, rest)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Load has been sent.
    pub(super) fn loaded(&self) {
        if let Some(used) = lock(&USES).get_mut(&self.key) {
            used.busy = false;
        }
        FREED.notify_all();
    }

    /// Gives the right back; runs `unload` first where it is the last one.
    pub(super) fn give_back(&self, unload: impl FnOnce()) {
        let last = match lock(&USES).get_mut(&self.key) {
            Some(used) => {
                if let Some(at) = used.holders.iter().position(|t| *t == self.thread) {
                    used.holders.swap_remove(at);
                }
                used.busy |= used.holders.is_empty();
                used.holders.is_empty()
            }
            None => false,
        };
        if last {
            // Not under the lock: the plug-in may take its time.
            unload();
            lock(&USES).remove(&self.key);
        }
        FREED.notify_all();
    }
}
