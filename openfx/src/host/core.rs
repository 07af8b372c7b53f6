//! What all effects of a library share: the host as the plug-in sees it, and the record.

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::context;
use super::options::HostOptions;
use super::property::{PropertySet, Refusal, SetKind};
use super::registry::{self, Handle, Kind, Object};
use super::violations::Recorder;
use super::{shim, suites};
use crate::sys;
use crate::types::{COLOUR_CONFIG, ColourStyle, Context, Status};

/// Locks whatever the last holder did.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One host, as one plug-in library gets to know it.
pub(crate) struct Host {
    pub(crate) id: u32,
    pub(crate) options: Arc<HostOptions>,
    pub(crate) recorder: Recorder,
    /// The structure that `setHost` is given; never freed, see [`Host::new`].
    raw: usize,
    /// Every suite that was asked for, by name and version: whether it was there.
    pub(crate) fetched: Mutex<BTreeMap<(String, i32), bool>>,
}

impl Host {
    pub(crate) fn new(options: HostOptions) -> Arc<Self> {
        shim::install();
        let options = Arc::new(options);
        let id = registry::host_id();
        let props = Arc::new(PropertySet::new(SetKind::Host, "the host".into(), &options));
        fill(&props, &options);
        let handle = Handle::new(id, Kind::Properties, Object::Properties(props));
        // OpenFX promises the host's structure for as long as the plug-in's binary is in memory,
        // which is beyond our sight: it and the handle in it are never taken back.
        let raw = Box::leak(Box::new(sys::OfxHost {
            host: registry::pointer(handle.id()),
            fetchSuite: Some(suites::fetch_suite),
        }));
        let raw = std::ptr::from_mut(raw).expose_provenance();
        std::mem::forget(handle);
        let host = Arc::new(Self {
            id,
            options,
            recorder: Recorder::default(),
            raw,
            fetched: Mutex::default(),
        });
        registry::enter_host(&host);
        host
    }

    /// What `setHost` is given.
    pub(crate) fn raw(&self) -> *mut sys::OfxHost {
        std::ptr::with_exposed_provenance_mut(self.raw)
    }

    /// Writes down a broken rule.
    pub(crate) fn violate(&self, rule: &'static str, detail: impl Into<String>) {
        let detail = detail.into();
        let detail = match context::current() {
            Some(frame) => format!("in {}: {detail}", frame.action.name().to_string_lossy()),
            None => detail,
        };
        self.recorder.record(rule, detail);
    }

    /// Writes down a refusal's rule, if it has one, and gives its status.
    pub(crate) fn refuse(&self, refusal: Refusal) -> Status {
        if let Some(rule) = refusal.rule {
            self.violate(rule, refusal.detail);
        }
        refusal.status
    }
}

/// Blames whoever can be blamed: the host of the handle, the host of the action on this thread, or
/// all.
pub(crate) fn blame(handle: *const c_void, rule: &'static str, detail: &str) {
    let one = registry::host_of(handle)
        .or_else(|| context::current().map(|frame| Arc::clone(&frame.host)))
        .or_else(context::set_host);
    match one {
        Some(host) => host.violate(rule, detail),
        None => registry::hosts()
            .iter()
            .for_each(|host| host.violate(rule, detail)),
    }
}

fn fill(props: &PropertySet, options: &HostOptions) {
    let version = [options.version.0, options.version.1, options.version.2];
    props.put_str(sys::kOfxPropName, &options.name);
    props.put_str(sys::kOfxPropLabel, &options.label);
    props.put::<c_int>(sys::kOfxPropVersion, version.to_vec());
    props.put_str(
        sys::kOfxPropVersionLabel,
        &format!("{}.{}.{}", version[0], version[1], version[2]),
    );
    props.put::<c_int>(
        sys::kOfxPropAPIVersion,
        vec![options.api_version.0, options.api_version.1],
    );
    props.put::<c_int>(
        sys::kOfxImageEffectHostPropIsBackground,
        vec![c_int::from(options.background)],
    );
    if options.api_version >= (1, 5) {
        props.put_str(
            sys::kOfxImageEffectPropColourManagementStyle,
            &options.colour_style.ofx_name().to_string_lossy(),
        );
        if options.colour_style != ColourStyle::None {
            props.put_str(
                sys::kOfxImageEffectPropColourManagementAvailableConfigs,
                COLOUR_CONFIG,
            );
        }
    }
    let owned = |names: Vec<&CStr>| names.into_iter().map(CStr::to_owned).collect::<Vec<_>>();
    props.put::<*mut c_char>(
        sys::kOfxImageEffectPropSupportedComponents,
        owned(options.components.iter().map(|c| c.ofx_name()).collect()),
    );
    props.put::<*mut c_char>(
        sys::kOfxImageEffectPropSupportedPixelDepths,
        owned(options.depths.iter().map(|d| d.ofx_name()).collect()),
    );
    props.put::<*mut c_char>(
        sys::kOfxImageEffectPropSupportedContexts,
        owned(Context::ALL.iter().map(|c| c.ofx_name()).collect()),
    );
}
