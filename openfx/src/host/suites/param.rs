//! The parameter suite. The functions with open argument lists are in `shim.c`.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::sync::Arc;

use super::{a_param, answer, give, needed, null, param_set, text};
use crate::host::context;
use crate::host::core::lock;
use crate::host::object::{Effect, Param, Stage};
use crate::host::property::SetKind;
use crate::host::registry;
use crate::host::shim::{
    Argument, ofx_host_derivative, ofx_host_get_value, ofx_host_get_value_at, ofx_host_integral,
    ofx_host_set_value, ofx_host_set_value_at,
};
use crate::host::value::{ParamType, Value};
use crate::host::violations::rule;
use crate::sys::{
    OfxParamHandle, OfxParamSetHandle, OfxParameterSuiteV1, OfxPropertySetHandle, OfxRangeD,
    OfxStatus,
};
use crate::types::Status;

pub(super) static SUITE: OfxParameterSuiteV1 = OfxParameterSuiteV1 {
    paramDefine: Some(define),
    paramGetHandle: Some(get_handle),
    paramSetGetPropertySet: Some(set_properties),
    paramGetPropertySet: Some(param_properties),
    paramGetValue: Some(ofx_host_get_value),
    paramGetValueAtTime: Some(ofx_host_get_value_at),
    paramGetDerivative: Some(ofx_host_derivative),
    paramGetIntegral: Some(ofx_host_integral),
    paramSetValue: Some(ofx_host_set_value),
    paramSetValueAtTime: Some(ofx_host_set_value_at),
    paramGetNumKeys: Some(key_count),
    paramGetKeyTime: Some(key_time),
    paramGetKeyIndex: Some(key_index),
    paramDeleteKey: Some(delete_key),
    paramDeleteAllKeys: Some(delete_all_keys),
    paramCopy: Some(copy),
    paramEditBegin: Some(edit_begin),
    paramEditEnd: Some(edit_end),
};

unsafe extern "C" fn define(
    set: OfxParamSetHandle,
    kind: *const c_char,
    name: *const c_char,
    properties: *mut OfxPropertySetHandle,
) -> OfxStatus {
    answer("paramDefine", || {
        let effect = param_set(set, "paramDefine")?;
        let handle = set.cast_const().cast();
        // SAFETY: the plug-in vouches for its strings.
        let (kind, name): (&CStr, &CStr) = unsafe {
            (
                needed(handle, "paramDefine", kind)?,
                needed(handle, "paramDefine", name)?,
            )
        };
        let (kind, name) = (kind.to_string_lossy(), name.to_string_lossy());
        if !matches!(effect.stage, Stage::InContext(_)) {
            effect.host.violate(
                rule::DEFINE_OUTSIDE,
                format!("parameter {name} was defined outside DescribeInContext"),
            );
            return Err(Status::ERR_BAD_HANDLE);
        }
        let kind = ParamType::from_ofx(&kind)
            .filter(|kind| {
                *kind != ParamType::StrChoice || effect.host.options.api_version >= (1, 5)
            })
            .ok_or_else(|| {
                effect.host.violate(
                    rule::PARAM_KIND,
                    format!("parameter {name} was defined as {kind}, which this host lacks"),
                );
                Status::ERR_UNSUPPORTED
            })?;
        if effect.host.options.quirks.no_string_parameters
            && (kind == ParamType::String || *lock(&effect.refusing_params))
        {
            *lock(&effect.refusing_params) = true;
            return Err(Status::ERR_UNSUPPORTED);
        }
        if name.is_empty() || effect.param(&name).is_some() {
            effect.host.violate(
                rule::DEFINE_TWICE,
                format!("parameter \"{name}\" was defined twice, or has no name"),
            );
            return Err(Status::ERR_EXISTS);
        }
        let props = effect.new_set(SetKind::Param(kind), format!("parameter {name}"));
        let param = effect.add_param(&name, kind, props);
        // Nothing but a name to show is better than nothing.
        param.props.put_str(crate::sys::kOfxPropLabel, &name);
        param
            .props
            .put_str(crate::sys::kOfxParamPropScriptName, &name);
        if properties.is_null() {
            return Ok(());
        }
        // SAFETY: not null; the plug-in vouches for the place.
        unsafe {
            give(
                handle,
                "paramDefine",
                properties,
                registry::pointer(param.props_handle.id()),
            )
        }
    })
}

unsafe extern "C" fn get_handle(
    set: OfxParamSetHandle,
    name: *const c_char,
    param: *mut OfxParamHandle,
    properties: *mut OfxPropertySetHandle,
) -> OfxStatus {
    answer("paramGetHandle", || {
        let effect = param_set(set, "paramGetHandle")?;
        let handle = set.cast_const().cast();
        // SAFETY: the plug-in vouches for its string.
        let name = unsafe { needed(handle, "paramGetHandle", name) }?.to_string_lossy();
        let Some(found) = effect.param(&name) else {
            // A host that refused the definition has no reason to complain.
            if !effect.host.options.quirks.no_string_parameters {
                effect.host.violate(
                    rule::NAME_UNKNOWN,
                    format!("parameter \"{name}\" was asked for, which was never defined"),
                );
            }
            return Err(Status::ERR_UNKNOWN);
        };
        // SAFETY: the plug-in vouches for both places; either may be null.
        unsafe {
            if !param.is_null() {
                param.write(registry::pointer(found.handle.id()));
            }
            if !properties.is_null() {
                properties.write(registry::pointer(found.props_handle.id()));
            }
        }
        Ok(())
    })
}

unsafe extern "C" fn set_properties(
    set: OfxParamSetHandle,
    properties: *mut OfxPropertySetHandle,
) -> OfxStatus {
    answer("paramSetGetPropertySet", || {
        let effect = param_set(set, "paramSetGetPropertySet")?;
        let id = effect.handle(|handles| &handles.param_props);
        // SAFETY: the plug-in vouches for the place.
        unsafe {
            give(
                set.cast_const().cast(),
                "paramSetGetPropertySet",
                properties,
                registry::pointer(id),
            )
        }
    })
}

unsafe extern "C" fn param_properties(
    param: OfxParamHandle,
    properties: *mut OfxPropertySetHandle,
) -> OfxStatus {
    answer("paramGetPropertySet", || {
        let found = a_param(param, "paramGetPropertySet")?;
        // SAFETY: the plug-in vouches for the place.
        unsafe {
            give(
                param.cast_const().cast(),
                "paramGetPropertySet",
                properties,
                registry::pointer(found.props_handle.id()),
            )
        }
    })
}

/// For `shim.c`: how many values of which kind the arguments are. It complains of nothing: the
/// function called next does.
pub(in crate::host) unsafe extern "C" fn shape(param: *mut c_void, kind: *mut c_int) -> c_int {
    let found = match registry::find(param) {
        Ok(registry::Object::Param(param)) => param.kind,
        _ => return 0,
    };
    let letter = match found {
        kind if kind.arity() == 0 => 0,
        kind if kind.is_integral() => b'i',
        kind if kind.is_text() => b's',
        _ => b'd',
    };
    // SAFETY: the shim gives the address of its own variable.
    unsafe { kind.write(c_int::from(letter)) };
    c_int::try_from(found.arity()).unwrap_or(0)
}

fn instance_of(param: &Param, name: &str) -> Result<Arc<Effect>, Status> {
    let effect = param.effect.upgrade().ok_or(Status::ERR_BAD_HANDLE)?;
    if !matches!(effect.stage, Stage::Instance(_)) {
        effect.host.violate(
            rule::PARAM_KIND,
            format!(
                "{name} was called on parameter {} of a descriptor, which has no value",
                param.name
            ),
        );
        return Err(Status::ERR_BAD_HANDLE);
    }
    if param.kind.arity() == 0 {
        effect.host.violate(
            rule::PARAM_KIND,
            format!(
                "{name} was called on parameter {}, whose type ({}) has no value",
                param.name,
                param.kind.ofx_name()
            ),
        );
        return Err(Status::ERR_UNSUPPORTED);
    }
    Ok(effect)
}

/// For `shim.c`: writes a value to the places of the caller.
pub(in crate::host) unsafe extern "C" fn get(
    param: *mut c_void,
    time: *const f64,
    out: *const *mut c_void,
    count: c_int,
) -> c_int {
    answer("paramGetValue", || {
        let found = a_param(param, "paramGetValue")?;
        let effect = instance_of(&found, "paramGetValue")?;
        if effect.host.options.quirks.no_integer_values
            && matches!(found.kind, ParamType::Integer | ParamType::Choice)
        {
            return Err(Status::ERR_MISSING_HOST_FEATURE);
        }
        let quirks = &effect.host.options.quirks;
        if quirks.unreadable.contains(&found.name) {
            return Err(Status::FAILED);
        }
        // SAFETY: the shim gives null or the address of its own variable.
        let time = (!time.is_null()).then(|| unsafe { time.read() });
        if time.is_some_and(|time| !time.is_finite()) {
            effect.host.violate(
                rule::PARAM_RANGE,
                format!(
                    "parameter {} was read at a time that is no number",
                    found.name
                ),
            );
            return Err(Status::ERR_VALUE);
        }
        // Without a time the current one is meant.
        let time = time.or_else(|| {
            let frame = effect.frame()?;
            frame.picture.as_ref().map(|picture| picture.time)
        });
        let value = found.value(time).ok_or(Status::ERR_UNSUPPORTED)?;
        let mut strange = quirks.strange_choices.iter();
        let value = match strange.find(|(name, _)| *name == found.name) {
            Some((_, index)) => Value::Choice(*index),
            None => value,
        };
        let places = usize::try_from(count).unwrap_or(0);
        // SAFETY: the shim gives the address of an array of at least `count` places.
        let out = unsafe { std::slice::from_raw_parts(out, places) };
        if out.iter().any(|place| place.is_null()) {
            return Err(null(param, "paramGetValue"));
        }
        let whole = |index: usize, v: i32| {
            if let Some(place) = out.get(index) {
                // SAFETY: a place of this parameter's kind is an int's; the plug-in vouches.
                unsafe { place.cast::<c_int>().write(v) };
            }
        };
        let real = |index: usize, v: f64| {
            if let Some(place) = out.get(index) {
                // SAFETY: a place of this parameter's kind is a double's; the plug-in vouches.
                unsafe { place.cast::<f64>().write(v) };
            }
        };
        match &value {
            Value::Int(v) | Value::Choice(v) => whole(0, *v),
            Value::Bool(v) => whole(0, i32::from(*v)),
            Value::Ints(v) => v.iter().enumerate().for_each(|(i, v)| whole(i, *v)),
            Value::Double(v) => real(0, *v),
            Value::Rgb(v) => v.iter().enumerate().for_each(|(i, v)| real(i, *v)),
            Value::Doubles(v) => v.iter().enumerate().for_each(|(i, v)| real(i, *v)),
            Value::Str(v) => {
                if let Some(place) = out.first() {
                    // SAFETY: a text's place is a char pointer's; the plug-in vouches.
                    unsafe { place.cast::<*const c_char>().write(found.pin(v)) };
                }
            }
        }
        Ok(())
    })
}

/// Whether the action on this thread (or, from a thread of the plug-in's own, the one that is
/// running) lets parameters be set.
fn may_set(effect: &Effect, param: &Param) -> Result<(), Status> {
    let frame = context::current_of(effect.id()).or_else(|| effect.frame());
    if frame
        .as_ref()
        .is_some_and(|frame| frame.action.may_set_params())
    {
        return Ok(());
    }
    effect.host.violate(
        rule::PARAM_SET_IN_ACTION,
        format!(
            "parameter {} was set {}, which is not allowed",
            param.name,
            frame.map_or_else(
                || "outside any action".into(),
                |frame| format!("during {}", frame.action.name().to_string_lossy())
            )
        ),
    );
    Err(Status::FAILED)
}

fn store(effect: &Effect, param: &Param, time: Option<f64>, value: Value) -> Result<(), Status> {
    if let Some(reason) = param.refuse(&value) {
        effect.host.violate(
            rule::PARAM_RANGE,
            format!("parameter {} was set to {value}: {reason}", param.name),
        );
        return Err(Status::ERR_VALUE);
    }
    if time.is_some_and(|time| !time.is_finite() || !param.animates()) {
        effect.host.violate(
            rule::PARAM_KIND,
            format!(
                "a key was set on parameter {}, which does not animate",
                param.name
            ),
        );
        return Err(Status::ERR_UNSUPPORTED);
    }
    if param.set(time, value) {
        let mut edited = lock(&effect.edited);
        if !edited.contains(&param.name) {
            edited.push(param.name.clone());
        }
    }
    Ok(())
}

/// For `shim.c`: sets a value from the arguments of the caller.
pub(in crate::host) unsafe extern "C" fn set(
    param: *mut c_void,
    time: *const f64,
    values: *const Argument,
    count: c_int,
) -> c_int {
    answer("paramSetValue", || {
        let found = a_param(param, "paramSetValue")?;
        let effect = instance_of(&found, "paramSetValue")?;
        may_set(&effect, &found)?;
        // SAFETY: the shim gives null or the address of its own variable.
        let time = (!time.is_null()).then(|| unsafe { time.read() });
        let n = usize::try_from(count).unwrap_or(0);
        // SAFETY: the shim gives the address of an array of at least `count` arguments.
        let values = unsafe { std::slice::from_raw_parts(values, n) };
        let kind = found.kind;
        let value = if kind.is_text() {
            // SAFETY: the shim filled the field that this kind has.
            let words = unsafe { values.first().and_then(|value| text(value.text)) };
            let words = words.ok_or_else(|| null(param, "paramSetValue"))?;
            let words = words.to_str().map_err(|_| {
                effect.host.violate(
                    rule::PARAM_RANGE,
                    format!(
                        "parameter {} was set to a text that is not UTF-8",
                        found.name
                    ),
                );
                Status::ERR_VALUE
            })?;
            Value::Str(words.to_owned())
        } else if kind.is_integral() {
            // SAFETY: the shim filled the field that this kind has.
            let v: Vec<i32> = values.iter().map(|v| unsafe { v.whole }).collect();
            match (kind, v.first()) {
                (ParamType::Integer, Some(v)) => Value::Int(*v),
                (ParamType::Choice, Some(v)) => Value::Choice(*v),
                (ParamType::Boolean, Some(v)) => Value::Bool(*v != 0),
                _ => Value::Ints(v),
            }
        } else {
            // SAFETY: the shim filled the field that this kind has.
            let v: Vec<f64> = values.iter().map(|v| unsafe { v.real }).collect();
            match (kind, v.as_slice()) {
                (ParamType::Double, [v]) => Value::Double(*v),
                (ParamType::Rgb, [r, g, b]) => Value::Rgb([*r, *g, *b]),
                _ => Value::Doubles(v),
            }
        };
        store(&effect, &found, time, value)
    })
}

unsafe extern "C" fn key_count(param: OfxParamHandle, count: *mut c_uint) -> OfxStatus {
    answer("paramGetNumKeys", || {
        let found = a_param(param, "paramGetNumKeys")?;
        let keys = c_uint::try_from(found.key_times().len()).unwrap_or(c_uint::MAX);
        // SAFETY: the plug-in vouches for the place.
        unsafe { give(param.cast_const().cast(), "paramGetNumKeys", count, keys) }
    })
}

unsafe extern "C" fn key_time(param: OfxParamHandle, nth: c_uint, time: *mut f64) -> OfxStatus {
    answer("paramGetKeyTime", || {
        let found = a_param(param, "paramGetKeyTime")?;
        let key = found.key_times().get(nth as usize).copied();
        let key = key.ok_or(Status::ERR_BAD_INDEX)?;
        // SAFETY: the plug-in vouches for the place.
        unsafe { give(param.cast_const().cast(), "paramGetKeyTime", time, key) }
    })
}

unsafe extern "C" fn key_index(
    param: OfxParamHandle,
    time: f64,
    direction: c_int,
    index: *mut c_int,
) -> OfxStatus {
    answer("paramGetKeyIndex", || {
        let found = a_param(param, "paramGetKeyIndex")?;
        let keys = found.key_times();
        let at = match direction.signum() {
            0 => keys.iter().position(|key| *key == time),
            1 => keys.iter().position(|key| *key > time),
            _ => keys.iter().rposition(|key| *key < time),
        };
        let at = at
            .and_then(|at| c_int::try_from(at).ok())
            .ok_or(Status::FAILED)?;
        // SAFETY: the plug-in vouches for the place.
        unsafe { give(param.cast_const().cast(), "paramGetKeyIndex", index, at) }
    })
}

fn delete(param: OfxParamHandle, time: Option<f64>, name: &str) -> OfxStatus {
    answer(name, || {
        let found = a_param(param, name)?;
        let effect = instance_of(&found, name)?;
        may_set(&effect, &found)?;
        if found.delete_keys(time) {
            Ok(())
        } else {
            Err(Status::ERR_BAD_INDEX)
        }
    })
}

unsafe extern "C" fn delete_key(param: OfxParamHandle, time: f64) -> OfxStatus {
    delete(param, Some(time), "paramDeleteKey")
}

unsafe extern "C" fn delete_all_keys(param: OfxParamHandle) -> OfxStatus {
    delete(param, None, "paramDeleteAllKeys")
}

unsafe extern "C" fn copy(
    to: OfxParamHandle,
    from: OfxParamHandle,
    offset: f64,
    range: *const OfxRangeD,
) -> OfxStatus {
    answer("paramCopy", || {
        let (to, from) = (a_param(to, "paramCopy")?, a_param(from, "paramCopy")?);
        let effect = instance_of(&to, "paramCopy")?;
        instance_of(&from, "paramCopy")?;
        may_set(&effect, &to)?;
        if to.kind != from.kind {
            effect.host.violate(
                rule::PARAM_KIND,
                format!(
                    "parameter {} was copied to {} of another type",
                    from.name, to.name
                ),
            );
            return Err(Status::ERR_VALUE);
        }
        // SAFETY: the plug-in gives null or vouches for its range.
        let range = (!range.is_null()).then(|| unsafe { range.read() });
        let keys = from.key_times();
        if keys.is_empty() {
            let value = from.value(None).ok_or(Status::ERR_UNSUPPORTED)?;
            return store(&effect, &to, None, value);
        }
        for time in keys {
            if range.is_some_and(|range| time < range.min || time > range.max) {
                continue;
            }
            let value = from.value(Some(time)).ok_or(Status::ERR_UNSUPPORTED)?;
            store(&effect, &to, Some(time + offset), value)?;
        }
        Ok(())
    })
}

unsafe extern "C" fn edit_begin(set: OfxParamSetHandle, name: *const c_char) -> OfxStatus {
    answer("paramEditBegin", || {
        let effect = param_set(set, "paramEditBegin")?;
        // SAFETY: the plug-in vouches for its string.
        unsafe { needed(set.cast_const().cast(), "paramEditBegin", name) }?;
        *lock(&effect.edits) += 1;
        Ok(())
    })
}

unsafe extern "C" fn edit_end(set: OfxParamSetHandle) -> OfxStatus {
    answer("paramEditEnd", || {
        let effect = param_set(set, "paramEditEnd")?;
        let mut open = lock(&effect.edits);
        if *open == 0 {
            drop(open);
            effect.host.violate(
                rule::PARAM_EDIT,
                "an edit block was closed that had not been opened",
            );
            return Err(Status::FAILED);
        }
        *open -= 1;
        Ok(())
    })
}
