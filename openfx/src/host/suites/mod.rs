//! The suites, as plug-ins call them.
//!
//! Each function is a shell: it turns handles and C strings into safe things, calls one safe
//! function, and writes the result down. A panic in this host must not unwind into C, so every
//! shell runs inside [`call`].

mod effect;
mod memory;
pub(super) mod message;
pub(super) mod param;
mod progress;
mod property;
mod thread;
mod time_line;

use std::any::Any;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

pub(super) use memory::reclaim as reclaim_memory;

use super::context;
use super::core::{blame, lock};
use super::object::{Clip, Effect, Param};
use super::options::{HostOptions, Suites};
use super::property::PropertySet;
use super::registry::{self, Missing, Object};
use super::violations::rule;
use crate::sys::{self, OfxPropertySetHandle, OfxStatus};
use crate::types::Status;

/// Runs the body of a suite function, whose answer after a panic is `otherwise`.
fn call<R>(name: &str, otherwise: R, body: impl FnOnce() -> R) -> R {
    if let Some(host) = context::set_host() {
        host.violate(
            rule::CALL_IN_SET_HOST,
            format!("{name} was called from within setHost"),
        );
    }
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic: Box<dyn Any + Send>| {
        let text = panic
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("no message");
        log::error!("the headless host panicked in {name}: {text}");
        otherwise
    })
}

/// As [`call`], for functions that answer with a status.
fn answer(name: &str, body: impl FnOnce() -> Result<(), Status>) -> OfxStatus {
    call(name, Status::FAILED, || match body() {
        Ok(()) => Status::OK,
        Err(status) => status,
    })
    .raw()
}

/// The C string at an address; `None` for null.
///
/// # Safety
/// The address must be null or that of a NUL-terminated string that outlives `'a`.
unsafe fn text<'a>(address: *const c_char) -> Option<&'a CStr> {
    // SAFETY: not null, and the caller vouches for the rest.
    (!address.is_null()).then(|| unsafe { CStr::from_ptr(address) })
}

/// As [`text`], where null is a violation.
///
/// # Safety
/// As [`text`].
unsafe fn needed<'a>(
    handle: *const c_void,
    call: &str,
    address: *const c_char,
) -> Result<&'a CStr, Status> {
    // SAFETY: the caller vouches for it.
    unsafe { text(address) }.ok_or_else(|| null(handle, call))
}

/// Notes a null pointer where there must be none.
fn null(handle: *const c_void, call: &str) -> Status {
    blame(
        handle,
        rule::NULL,
        &format!("{call} was given a null pointer"),
    );
    Status::ERR_VALUE
}

/// Writes a result where the plug-in wants it.
///
/// # Safety
/// `to` must be null or valid for writing a `T`.
unsafe fn give<T>(handle: *const c_void, call: &str, to: *mut T, value: T) -> Result<(), Status> {
    if to.is_null() {
        return Err(null(handle, call));
    }
    // SAFETY: not null, and the caller vouches for the rest.
    unsafe { to.write(value) };
    Ok(())
}

/// Notes a handle that leads nowhere, or to something else than the call is about.
fn bad_handle(handle: *const c_void, call: &str, found: Result<Object, Missing>) -> Status {
    let (rule, what) = match found {
        Ok(_) => (rule::HANDLE_BAD, "a handle of another kind of thing".into()),
        Err(Missing::Null) => (rule::HANDLE_BAD, "a null handle".into()),
        Err(Missing::Never) => (
            rule::HANDLE_BAD,
            "a handle that this host never gave out".into(),
        ),
        Err(Missing::Dead(kind)) => (
            rule::HANDLE_DEAD,
            format!("the handle of a {kind} that is gone"),
        ),
    };
    blame(handle, rule, &format!("{call} was given {what}"));
    Status::ERR_BAD_HANDLE
}

macro_rules! finders {
    ($( $name:ident($variant:pat => $result:expr): $type:ty; )+) => { $(
        fn $name<T>(handle: *const T, call: &str) -> Result<$type, Status> {
            match registry::find(handle) {
                Ok($variant) => Ok($result),
                other => Err(bad_handle(handle.cast(), call, other)),
            }
        }
    )+ };
}

finders! {
    effect(Object::Effect(effect) => effect): Arc<Effect>;
    param_set(Object::ParamSet(effect) => effect): Arc<Effect>;
    a_param(Object::Param(param) => param): Arc<Param>;
    a_clip(Object::Clip(clip) => clip): Arc<Clip>;
}

fn properties<T>(handle: *const T, call: &str) -> Result<Arc<PropertySet>, Status> {
    match registry::find(handle) {
        Ok(Object::Properties(set)) => Ok(set),
        Ok(Object::Image(image)) => Ok(Arc::clone(&image.props)),
        other => Err(bad_handle(handle.cast(), call, other)),
    }
}

/// Notes the use of a suite that this host does not offer.
fn offered(
    handle: *const c_void,
    name: &str,
    has: impl FnOnce(&Suites) -> bool,
) -> Result<(), Status> {
    match registry::options_of(handle) {
        Some(options) if !has(&options.suites) => {
            blame(
                handle,
                rule::SUITE_ABSENT,
                &format!("{name} was called, which is of a suite that this host does not offer"),
            );
            Err(Status::ERR_UNSUPPORTED)
        }
        _ => Ok(()),
    }
}

/// `fetchSuite` of the host structure.
///
/// # Safety
/// `name` must be null or a NUL-terminated string.
pub(super) unsafe extern "C" fn fetch_suite(
    host: OfxPropertySetHandle,
    name: *const c_char,
    version: c_int,
) -> *const c_void {
    call("fetchSuite", std::ptr::null(), || {
        let handle = host.cast_const().cast();
        // SAFETY: the plug-in vouches for its string.
        let Some(name) = (unsafe { text(name) }) else {
            let _ = null(handle, "fetchSuite");
            return std::ptr::null();
        };
        let Some(options) =
            registry::options_of(handle).filter(|_| properties(host, "fetchSuite").is_ok())
        else {
            blame(
                handle,
                rule::SUITE_WRONG_HOST,
                "fetchSuite was given a host handle that is not a host's",
            );
            return std::ptr::null();
        };
        let suite = suite(&options, name, version);
        if let Some(host) = registry::host_of(handle) {
            lock(&host.fetched).insert(
                (name.to_string_lossy().into_owned(), version),
                suite.is_some(),
            );
        }
        suite.unwrap_or(std::ptr::null())
    })
}

fn suite(options: &HostOptions, name: &CStr, version: c_int) -> Option<*const c_void> {
    let offers = &options.suites;
    let table: [(&CStr, c_int, bool, *const c_void); 10] = [
        (
            sys::kOfxPropertySuite,
            1,
            true,
            (&raw const property::SUITE).cast(),
        ),
        (
            sys::kOfxImageEffectSuite,
            1,
            true,
            (&raw const effect::SUITE).cast(),
        ),
        (
            sys::kOfxParameterSuite,
            1,
            true,
            (&raw const param::SUITE).cast(),
        ),
        (
            sys::kOfxMessageSuite,
            1,
            offers.message_v1,
            (&raw const message::SUITE_V1).cast(),
        ),
        (
            sys::kOfxMessageSuite,
            2,
            offers.message_v2,
            (&raw const message::SUITE_V2).cast(),
        ),
        (
            sys::kOfxProgressSuite,
            1,
            offers.progress_v1,
            (&raw const progress::SUITE_V1).cast(),
        ),
        (
            sys::kOfxProgressSuite,
            2,
            offers.progress_v2,
            (&raw const progress::SUITE_V2).cast(),
        ),
        (
            sys::kOfxMemorySuite,
            1,
            offers.memory,
            (&raw const memory::SUITE).cast(),
        ),
        (
            sys::kOfxMultiThreadSuite,
            1,
            offers.multi_thread,
            (&raw const thread::SUITE).cast(),
        ),
        (
            sys::kOfxTimeLineSuite,
            1,
            offers.time_line,
            (&raw const time_line::SUITE).cast(),
        ),
    ];
    table
        .into_iter()
        .find(|(known, number, offered, _)| *known == name && *number == version && *offered)
        .map(|(_, _, _, suite)| suite)
}
