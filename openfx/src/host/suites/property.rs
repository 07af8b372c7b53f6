//! The property suite.

use std::ffi::{CStr, CString, c_char, c_int, c_void};

use super::{answer, give, needed, null, properties};
use crate::host::context;
use crate::host::core::blame;
use crate::host::property::{Action, Address, PropertySet, Refusal, SetKind, Store};
use crate::host::registry;
use crate::host::violations::rule;
use crate::sys::{
    OfxPropertySetHandle as Set, OfxPropertySuiteV1, OfxStatus, kOfxPropInstanceData,
};
use crate::types::Status;

pub(super) static SUITE: OfxPropertySuiteV1 = OfxPropertySuiteV1 {
    propSetPointer: Some(set_pointer),
    propSetString: Some(set_string),
    propSetDouble: Some(set_double),
    propSetInt: Some(set_int),
    propSetPointerN: Some(set_pointer_n),
    propSetStringN: Some(set_string_n),
    propSetDoubleN: Some(set_double_n),
    propSetIntN: Some(set_int_n),
    propGetPointer: Some(get::<*mut c_void>),
    propGetString: Some(get::<*mut c_char>),
    propGetDouble: Some(get::<f64>),
    propGetInt: Some(get::<c_int>),
    propGetPointerN: Some(get_n::<*mut c_void>),
    propGetStringN: Some(get_n::<*mut c_char>),
    propGetDoubleN: Some(get_n::<f64>),
    propGetIntN: Some(get_n::<c_int>),
    propReset: Some(reset),
    propGetDimension: Some(get_dimension),
};

/// The status of a refusal, its rule noted.
fn refused(set: Set, refusal: Refusal) -> Status {
    match registry::host_of(set.cast_const().cast()) {
        Some(host) => host.refuse(refusal),
        None => {
            if let Some(rule) = refusal.rule {
                blame(set.cast_const().cast(), rule, &refusal.detail);
            }
            refusal.status
        }
    }
}

/// # Safety
/// `name` must be null or a NUL-terminated string; `set` is only looked up.
unsafe fn set_one<T: Store>(
    call: &str,
    set: Set,
    name: *const c_char,
    index: c_int,
    value: T::Kept,
) -> OfxStatus {
    answer(call, || {
        let properties = properties(set, call)?;
        // SAFETY: the caller vouches for the string.
        let name = unsafe { needed(set.cast_const().cast(), call, name) }?;
        properties
            .set::<T>(name, index, value)
            .map_err(|refusal| refused(set, refusal))
    })
}

/// # Safety
/// As [`set_one`]; `values` must be null or valid for reading `count` of them.
unsafe fn set_many<T: Store, V: Copy>(
    call: &str,
    set: Set,
    name: *const c_char,
    count: c_int,
    values: *const V,
    keep: impl Fn(V) -> Result<T::Kept, Status>,
) -> OfxStatus {
    answer(call, || {
        let handle = set.cast_const().cast();
        let properties = properties(set, call)?;
        // SAFETY: the caller vouches for the string.
        let name = unsafe { needed(handle, call, name) }?;
        let n = usize::try_from(count).unwrap_or(0);
        if n > 0 && values.is_null() {
            return Err(null(handle, call));
        }
        let values = (0..n)
            // SAFETY: the caller vouches for `count` values, and `index` is below it.
            .map(|index| keep(unsafe { values.add(index).read() }))
            .collect::<Result<Vec<_>, _>>()?;
        properties
            .set_n::<T>(name, count, values)
            .map_err(|refusal| refused(set, refusal))
    })
}

unsafe extern "C" fn set_pointer(
    set: Set,
    name: *const c_char,
    index: c_int,
    value: *mut c_void,
) -> OfxStatus {
    // SAFETY: the plug-in vouches for its string.
    unsafe { set_one::<*mut c_void>("propSetPointer", set, name, index, Address(value)) }
}

unsafe extern "C" fn set_string(
    set: Set,
    name: *const c_char,
    index: c_int,
    value: *const c_char,
) -> OfxStatus {
    answer("propSetString", || {
        // SAFETY: the plug-in vouches for its string.
        let value: &CStr = unsafe { needed(set.cast_const().cast(), "propSetString", value) }?;
        // SAFETY: as above.
        let status =
            unsafe { set_one::<*mut c_char>("propSetString", set, name, index, value.to_owned()) };
        match Status::from_raw(status) {
            Status::OK => Ok(()),
            other => Err(other),
        }
    })
}

unsafe extern "C" fn set_double(
    set: Set,
    name: *const c_char,
    index: c_int,
    value: f64,
) -> OfxStatus {
    // SAFETY: the plug-in vouches for its string.
    unsafe { set_one::<f64>("propSetDouble", set, name, index, value) }
}

unsafe extern "C" fn set_int(
    set: Set,
    name: *const c_char,
    index: c_int,
    value: c_int,
) -> OfxStatus {
    // SAFETY: the plug-in vouches for its string.
    unsafe { set_one::<c_int>("propSetInt", set, name, index, value) }
}

unsafe extern "C" fn set_pointer_n(
    set: Set,
    name: *const c_char,
    count: c_int,
    values: *const *mut c_void,
) -> OfxStatus {
    // SAFETY: the plug-in vouches for its string and its values.
    unsafe {
        set_many::<*mut c_void, _>("propSetPointerN", set, name, count, values, |value| {
            Ok(Address(value))
        })
    }
}

unsafe extern "C" fn set_string_n(
    set: Set,
    name: *const c_char,
    count: c_int,
    values: *const *const c_char,
) -> OfxStatus {
    let keep = |value| -> Result<CString, Status> {
        // SAFETY: the plug-in vouches for its strings.
        unsafe { needed(set.cast_const().cast(), "propSetStringN", value) }.map(CStr::to_owned)
    };
    // SAFETY: the plug-in vouches for its string and its values.
    unsafe { set_many::<*mut c_char, _>("propSetStringN", set, name, count, values, keep) }
}

unsafe extern "C" fn set_double_n(
    set: Set,
    name: *const c_char,
    count: c_int,
    values: *const f64,
) -> OfxStatus {
    // SAFETY: the plug-in vouches for its string and its values.
    unsafe { set_many::<f64, _>("propSetDoubleN", set, name, count, values, Ok) }
}

unsafe extern "C" fn set_int_n(
    set: Set,
    name: *const c_char,
    count: c_int,
    values: *const c_int,
) -> OfxStatus {
    // SAFETY: the plug-in vouches for its string and its values.
    unsafe { set_many::<c_int, _>("propSetIntN", set, name, count, values, Ok) }
}

/// Hosts have crashed when an instance that is being destroyed was asked for anything but the data
/// that the plug-in left with it.
fn destroying(properties: &PropertySet, name: &CStr) {
    if properties.kind() == SetKind::EffectInstance
        && name != kOfxPropInstanceData
        && let Some(frame) = context::current()
        && frame.action == Action::DestroyInstance
    {
        frame.host.violate(
            rule::DESTROY_READ,
            format!(
                "{} of {} was read",
                name.to_string_lossy(),
                properties.owner()
            ),
        );
    }
}

unsafe extern "C" fn get<T: Store>(
    set: Set,
    name: *const c_char,
    index: c_int,
    value: *mut T,
) -> OfxStatus {
    answer("propGet", || {
        let handle = set.cast_const().cast();
        let properties = properties(set, "propGet")?;
        // SAFETY: the plug-in vouches for its string.
        let name = unsafe { needed(handle, "propGet", name) }?;
        destroying(&properties, name);
        let found = properties
            .get::<T>(name, index)
            .map_err(|refusal| refused(set, refusal))?;
        // SAFETY: the plug-in vouches for the place.
        unsafe { give(handle, "propGet", value, found) }
    })
}

unsafe extern "C" fn get_n<T: Store>(
    set: Set,
    name: *const c_char,
    count: c_int,
    values: *mut T,
) -> OfxStatus {
    answer("propGetN", || {
        let handle = set.cast_const().cast();
        let properties = properties(set, "propGetN")?;
        // SAFETY: the plug-in vouches for its string.
        let name = unsafe { needed(handle, "propGetN", name) }?;
        let (found, refusal) = properties.get_n::<T>(name, count);
        if !found.is_empty() && values.is_null() {
            return Err(null(handle, "propGetN"));
        }
        for (index, value) in found.into_iter().enumerate() {
            // SAFETY: the plug-in vouches for `count` places, and no more values are found.
            unsafe { values.add(index).write(value) };
        }
        match refusal {
            Some(refusal) => Err(refused(set, refusal)),
            None => Ok(()),
        }
    })
}

unsafe extern "C" fn reset(set: Set, name: *const c_char) -> OfxStatus {
    answer("propReset", || {
        let properties = properties(set, "propReset")?;
        // SAFETY: the plug-in vouches for its string.
        let name = unsafe { needed(set.cast_const().cast(), "propReset", name) }?;
        properties
            .reset(name)
            .map_err(|refusal| refused(set, refusal))
    })
}

unsafe extern "C" fn get_dimension(set: Set, name: *const c_char, count: *mut c_int) -> OfxStatus {
    answer("propGetDimension", || {
        let handle = set.cast_const().cast();
        let properties = properties(set, "propGetDimension")?;
        // SAFETY: the plug-in vouches for its string.
        let name = unsafe { needed(handle, "propGetDimension", name) }?;
        let found = properties
            .dimension(name)
            .map_err(|refusal| refused(set, refusal))?;
        // SAFETY: the plug-in vouches for the place.
        unsafe { give(handle, "propGetDimension", count, found) }
    })
}
