//! The host's function tables, resolved once when the host loads the plug-in.
//!
//! OpenFX forbids fetching suites in `setHost`, and some hosts abort when a suite is fetched that
//! they lack. So only the suites in use are fetched, at Load, into one table of plain function
//! pointers; the optional ones are `Option`s.
//!
//! A table lives as long as the process, because hosts load, unload and describe repeatedly and
//! from several threads. Loading again with the same host finds the same table; only a host whose
//! functions differ costs another (small, leaked) one.

use std::collections::HashMap;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::host_info::HostInfo;
use crate::param::ParamKind;
use crate::sys::{
    OfxHost, OfxImageClipHandle, OfxImageEffectHandle, OfxParamHandle, OfxParamSetHandle,
    OfxPropertySetHandle, OfxRectD, OfxStatus, OfxTime,
};
use crate::{sys, types};

/// Declares a table of the functions in use, and how to take it from the suite of the headers.
macro_rules! table {
    (
        $(#[$meta:meta])*
        $table:ident from $suite:ident $name:literal version $version:literal {
            $( $field:ident = $member:ident: $type:ty ),+ $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy)]
        pub(crate) struct $table { $( pub(crate) $field: $type ),+ }

        impl $table {
            const NAME: &'static str = $name;
            const VERSION: c_int = $version;

            /// # Safety
            /// `suite` points to the suite of this name and version.
            unsafe fn take(suite: NonNull<c_void>, addresses: &mut Vec<usize>) -> Result<Self> {
                // SAFETY: the caller says what it points to; the copy needs no lifetime.
                let suite = unsafe { suite.cast::<sys::$suite>().read_unaligned() };
                let table = Self {
                    $( $field: suite.$member.ok_or(Error::IncompleteSuite {
                        suite: $name,
                        function: stringify!($member),
                    })? ),+
                };
                $( addresses.push(table.$field as *const () as usize); )+
                Ok(table)
            }
        }
    };
}

table! {
    /// Property sets.
    PropertyTable from OfxPropertySuiteV1 "OfxPropertySuite" version 1 {
        set_string = propSetString: unsafe extern "C" fn(
            OfxPropertySetHandle, *const c_char, c_int, *const c_char) -> OfxStatus,
        set_double = propSetDouble: unsafe extern "C" fn(
            OfxPropertySetHandle, *const c_char, c_int, f64) -> OfxStatus,
        set_int = propSetInt: unsafe extern "C" fn(
            OfxPropertySetHandle, *const c_char, c_int, c_int) -> OfxStatus,
        get_pointer = propGetPointer: unsafe extern "C" fn(
            OfxPropertySetHandle, *const c_char, c_int, *mut *mut c_void) -> OfxStatus,
        get_string = propGetString: unsafe extern "C" fn(
            OfxPropertySetHandle, *const c_char, c_int, *mut *mut c_char) -> OfxStatus,
        get_double = propGetDouble: unsafe extern "C" fn(
            OfxPropertySetHandle, *const c_char, c_int, *mut f64) -> OfxStatus,
        get_int = propGetInt: unsafe extern "C" fn(
            OfxPropertySetHandle, *const c_char, c_int, *mut c_int) -> OfxStatus,
        get_dimension = propGetDimension: unsafe extern "C" fn(
            OfxPropertySetHandle, *const c_char, *mut c_int) -> OfxStatus,
    }
}

table! {
    /// Effects, their clips and images.
    EffectTable from OfxImageEffectSuiteV1 "OfxImageEffectSuite" version 1 {
        get_property_set = getPropertySet: unsafe extern "C" fn(
            OfxImageEffectHandle, *mut OfxPropertySetHandle) -> OfxStatus,
        get_param_set = getParamSet: unsafe extern "C" fn(
            OfxImageEffectHandle, *mut OfxParamSetHandle) -> OfxStatus,
        clip_define = clipDefine: unsafe extern "C" fn(
            OfxImageEffectHandle, *const c_char, *mut OfxPropertySetHandle) -> OfxStatus,
        clip_get_handle = clipGetHandle: unsafe extern "C" fn(
            OfxImageEffectHandle, *const c_char, *mut OfxImageClipHandle,
            *mut OfxPropertySetHandle) -> OfxStatus,
        clip_get_property_set = clipGetPropertySet: unsafe extern "C" fn(
            OfxImageClipHandle, *mut OfxPropertySetHandle) -> OfxStatus,
        clip_get_image = clipGetImage: unsafe extern "C" fn(
            OfxImageClipHandle, OfxTime, *const OfxRectD, *mut OfxPropertySetHandle) -> OfxStatus,
        clip_release_image = clipReleaseImage: unsafe extern "C" fn(
            OfxPropertySetHandle) -> OfxStatus,
        clip_get_region_of_definition = clipGetRegionOfDefinition: unsafe extern "C" fn(
            OfxImageClipHandle, OfxTime, *mut OfxRectD) -> OfxStatus,
        abort = abort: unsafe extern "C" fn(OfxImageEffectHandle) -> c_int,
    }
}

table! {
    /// Parameters.
    ParameterTable from OfxParameterSuiteV1 "OfxParameterSuite" version 1 {
        define = paramDefine: unsafe extern "C" fn(
            OfxParamSetHandle, *const c_char, *const c_char,
            *mut OfxPropertySetHandle) -> OfxStatus,
        get_handle = paramGetHandle: unsafe extern "C" fn(
            OfxParamSetHandle, *const c_char, *mut OfxParamHandle,
            *mut OfxPropertySetHandle) -> OfxStatus,
        get_property_set = paramGetPropertySet: unsafe extern "C" fn(
            OfxParamHandle, *mut OfxPropertySetHandle) -> OfxStatus,
        get_value = paramGetValue: unsafe extern "C" fn(OfxParamHandle, ...) -> OfxStatus,
        get_value_at_time = paramGetValueAtTime: unsafe extern "C" fn(
            OfxParamHandle, OfxTime, ...) -> OfxStatus,
        set_value = paramSetValue: unsafe extern "C" fn(OfxParamHandle, ...) -> OfxStatus,
    }
}

table! {
    /// Brackets around changes of parameters that are undone as one. Poor hosts have none.
    EditTable from OfxParameterSuiteV1 "the edit blocks of OfxParameterSuite" version 1 {
        begin = paramEditBegin: unsafe extern "C" fn(
            OfxParamSetHandle, *const c_char) -> OfxStatus,
        end = paramEditEnd: unsafe extern "C" fn(OfxParamSetHandle) -> OfxStatus,
    }
}

table! {
    /// Messages, first version: shown once.
    MessageTableV1 from OfxMessageSuiteV1 "OfxMessageSuite" version 1 {
        message = message: unsafe extern "C" fn(
            *mut c_void, *const c_char, *const c_char, *const c_char, ...) -> OfxStatus,
    }
}

table! {
    /// Messages, second version: shown until cleared.
    MessageTableV2 from OfxMessageSuiteV2 "OfxMessageSuite" version 2 {
        set_persistent = setPersistentMessage: unsafe extern "C" fn(
            *mut c_void, *const c_char, *const c_char, *const c_char, ...) -> OfxStatus,
        clear_persistent = clearPersistentMessage: unsafe extern "C" fn(
            *mut c_void) -> OfxStatus,
    }
}

table! {
    /// Progress bars.
    ProgressTable from OfxProgressSuiteV1 "OfxProgressSuite" version 1 {
        start = progressStart: unsafe extern "C" fn(*mut c_void, *const c_char) -> OfxStatus,
        update = progressUpdate: unsafe extern "C" fn(*mut c_void, f64) -> OfxStatus,
        end = progressEnd: unsafe extern "C" fn(*mut c_void) -> OfxStatus,
    }
}

/// What the host offers for messages.
#[derive(Clone, Copy)]
pub(crate) enum Messages {
    /// Messages that stay until cleared.
    Persistent(MessageTableV2),
    /// Messages that are shown once.
    Once(MessageTableV1),
    /// Nothing.
    Absent,
}

/// Everything that the plug-in side calls in a host.
pub(crate) struct Suites {
    pub(crate) property: PropertyTable,
    pub(crate) effect: EffectTable,
    pub(crate) parameter: ParameterTable,
    pub(crate) edits: Option<EditTable>,
    pub(crate) messages: Messages,
    pub(crate) progress: Option<ProgressTable>,
    pub(crate) host: HostInfo,
    /// Kinds of the parameters that were described, for hosts that do not tell them again.
    pub(crate) kinds: Mutex<HashMap<&'static str, ParamKind>>,
    /// Messages on show, by effect instance.
    pub(crate) posted: Mutex<HashMap<usize, String>>,
    /// Addresses of the host and of every function: what makes two tables the same.
    addresses: Vec<usize>,
}

type FetchSuite = unsafe extern "C" fn(OfxPropertySetHandle, *const c_char, c_int) -> *const c_void;

impl Suites {
    /// Fetches what the host offers.
    ///
    /// # Safety
    /// `host` is null or the pointer that a host handed to `setHost`, still valid.
    unsafe fn resolve(host: *mut OfxHost) -> Result<Self> {
        if host.is_null() {
            return Err(Error::NotLoaded);
        }
        // SAFETY: not null, and valid as the caller promises.
        let OfxHost {
            host: properties,
            fetchSuite: fetch,
        } = unsafe { host.read_unaligned() };
        let fetch: FetchSuite = fetch.ok_or(Error::IncompleteSuite {
            suite: "OfxHost",
            function: "fetchSuite",
        })?;
        let fetch = |name: &CStr, version| {
            // SAFETY: the host's own function with the host's own handle and a terminated name.
            let suite = unsafe { fetch(properties, name.as_ptr(), version) };
            NonNull::new(suite.cast_mut())
        };
        let missing = |suite, version| Error::MissingSuite { suite, version };

        let mut addresses = vec![host.addr(), properties.addr()];
        macro_rules! required {
            ($table:ident, $name:expr) => {{
                let suite = fetch($name, $table::VERSION)
                    .ok_or_else(|| missing($table::NAME, $table::VERSION))?;
                // SAFETY: the host returned it under this name and version.
                unsafe { $table::take(suite, &mut addresses)? }
            }};
        }
        macro_rules! optional {
            ($table:ident, $name:expr) => {
                match fetch($name, $table::VERSION) {
                    None => None,
                    // SAFETY: the host returned it under this name and version.
                    Some(suite) => match unsafe { $table::take(suite, &mut addresses) } {
                        Ok(table) => Some(table),
                        Err(error) => {
                            log::warn!("doing without {}: {error}", $table::NAME);
                            None
                        }
                    },
                }
            };
        }
        let property = required!(PropertyTable, sys::kOfxPropertySuite);
        let effect = required!(EffectTable, sys::kOfxImageEffectSuite);
        let parameter = required!(ParameterTable, sys::kOfxParameterSuite);
        let edits = optional!(EditTable, sys::kOfxParameterSuite);
        let messages = match optional!(MessageTableV2, sys::kOfxMessageSuite) {
            Some(table) => Messages::Persistent(table),
            None => match optional!(MessageTableV1, sys::kOfxMessageSuite) {
                Some(table) => Messages::Once(table),
                None => Messages::Absent,
            },
        };
        let progress = optional!(ProgressTable, sys::kOfxProgressSuite);
        let host = NonNull::new(properties).map_or_else(HostInfo::default, |properties| {
            // SAFETY: the host's own property set, valid as long as the host.
            unsafe { HostInfo::read(&property, properties) }
        });
        Ok(Self {
            property,
            effect,
            parameter,
            edits,
            messages,
            progress,
            host,
            kinds: Mutex::default(),
            posted: Mutex::default(),
            addresses,
        })
    }

    fn is_same(&self, other: &Self) -> bool {
        self.addresses == other.addresses && self.host == other.host
    }

    /// Remembers the kind of a described parameter.
    pub(crate) fn remember_kind(&self, id: &'static str, kind: ParamKind) {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        kinds.insert(id, kind);
    }

    /// The kind with which a parameter was described.
    pub(crate) fn known_kind(&self, id: &str) -> Option<ParamKind> {
        let kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        kinds.get(id).copied()
    }

    /// Remembers the message on show for an instance; says whether it is another one than before.
    pub(crate) fn remember_message(&self, instance: usize, text: &str) -> bool {
        let mut posted = self.posted.lock().unwrap_or_else(PoisonError::into_inner);
        posted.insert(instance, text.to_owned()).as_deref() != Some(text)
    }

    /// Forgets the message on show for an instance; says whether there was one.
    pub(crate) fn forget_message(&self, instance: usize) -> bool {
        let mut posted = self.posted.lock().unwrap_or_else(PoisonError::into_inner);
        posted.remove(&instance).is_some()
    }
}

/// The host of one plug-in, and the tables resolved from it.
///
/// One static of this type belongs to every exported plug-in; `export!` makes it.
#[doc(hidden)]
pub struct HostState {
    host: AtomicPtr<OfxHost>,
    current: AtomicPtr<Suites>,
    tables: Mutex<Vec<&'static Suites>>,
}

impl HostState {
    /// No host yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            host: AtomicPtr::new(ptr::null_mut()),
            current: AtomicPtr::new(ptr::null_mut()),
            tables: Mutex::new(Vec::new()),
        }
    }

    /// Keeps the host's pointer; nothing is called here, as OpenFX demands.
    pub(crate) fn set_host(&self, host: *mut OfxHost) {
        self.host.store(host, Ordering::Release);
    }

    /// Resolves the suites of the host that was set last.
    pub(crate) fn load(&self) -> Result<&'static Suites> {
        // SAFETY: null, or what the host handed to setHost; it stays valid until Unload.
        let fresh = unsafe { Suites::resolve(self.host.load(Ordering::Acquire))? };
        // The host has been asked everything by now: no lock is held across a call into it.
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let table: &'static Suites = match tables.iter().find(|known| known.is_same(&fresh)) {
            Some(known) => known,
            None => {
                let leaked: &'static Suites = Box::leak(Box::new(fresh));
                tables.push(leaked);
                leaked
            }
        };
        self.current
            .store(ptr::from_ref(table).cast_mut(), Ordering::Release);
        Ok(table)
    }

    /// The table of the last Load.
    pub(crate) fn suites(&self) -> Result<&'static Suites> {
        // SAFETY: null, or a leaked table, written once before it was stored here.
        unsafe { self.current.load(Ordering::Acquire).as_ref() }.ok_or(Error::NotLoaded)
    }
}

impl Default for HostState {
    fn default() -> Self {
        Self::new()
    }
}

/// `Ok` for `kOfxStatOK`, the status otherwise.
pub(crate) fn check(status: OfxStatus) -> std::result::Result<(), types::Status> {
    let status = types::Status::from_raw(status);
    if status.is_ok() { Ok(()) } else { Err(status) }
}
