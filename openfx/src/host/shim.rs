//! The Rust end of `shim.c`.
//!
//! The C functions are named here only to be put into the suites' tables; the functions of Rust
//! that they call are handed to them once, so that this crate exports no C symbol.

use std::ffi::{c_char, c_double, c_int, c_void};
use std::sync::Once;

use super::suites::{message, param};
use crate::sys::{OfxParamHandle, OfxStatus};

/// One argument of `paramSetValue`; which field counts depends on the parameter.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) union Argument {
    pub(super) whole: c_int,
    pub(super) real: c_double,
    pub(super) text: *const c_char,
}

#[repr(C)]
struct Hooks {
    shape: unsafe extern "C" fn(*mut c_void, *mut c_int) -> c_int,
    get: unsafe extern "C" fn(*mut c_void, *const f64, *const *mut c_void, c_int) -> c_int,
    set: unsafe extern "C" fn(*mut c_void, *const f64, *const Argument, c_int) -> c_int,
    say: unsafe extern "C" fn(
        c_int,
        c_int,
        *mut c_void,
        *const c_char,
        *const c_char,
        *const c_char,
    ) -> c_int,
}

unsafe extern "C" {
    fn ofx_host_install(functions: *const Hooks);
    pub(super) fn ofx_host_get_value(param: OfxParamHandle, ...) -> OfxStatus;
    pub(super) fn ofx_host_get_value_at(param: OfxParamHandle, time: f64, ...) -> OfxStatus;
    pub(super) fn ofx_host_set_value(param: OfxParamHandle, ...) -> OfxStatus;
    pub(super) fn ofx_host_set_value_at(param: OfxParamHandle, time: f64, ...) -> OfxStatus;
    pub(super) fn ofx_host_derivative(param: OfxParamHandle, time: f64, ...) -> OfxStatus;
    pub(super) fn ofx_host_integral(param: OfxParamHandle, from: f64, to: f64, ...) -> OfxStatus;
    pub(super) fn ofx_host_message_v1(
        handle: *mut c_void,
        kind: *const c_char,
        id: *const c_char,
        format: *const c_char,
        ...
    ) -> OfxStatus;
    pub(super) fn ofx_host_message_v2(
        handle: *mut c_void,
        kind: *const c_char,
        id: *const c_char,
        format: *const c_char,
        ...
    ) -> OfxStatus;
    pub(super) fn ofx_host_persistent_message(
        handle: *mut c_void,
        kind: *const c_char,
        id: *const c_char,
        format: *const c_char,
        ...
    ) -> OfxStatus;
}

/// Makes the C functions ready. Called before any plug-in can see them.
pub(super) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let hooks = Hooks {
            shape: param::shape,
            get: param::get,
            set: param::set,
            say: message::say,
        };
        // SAFETY: the C side copies the structure, whose layout is the one declared there, and
        // `Once` keeps two threads from doing it at once.
        unsafe { ofx_host_install(&raw const hooks) };
    });
}
