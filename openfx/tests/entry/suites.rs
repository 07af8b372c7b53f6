//! The functions of the fake host's suites.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::mem::transmute;
use std::ptr;

use openfx::sys::generic::core::*;
use openfx::sys::generic::property::*;
use openfx::sys::image_effect_v1::image_effect::*;
use openfx::sys::image_effect_v1::message::*;
use openfx::sys::image_effect_v1::param::*;
use openfx::sys::image_effect_v1::progress::*;

use crate::fake::{FakeClip, FakeEffect, FakeParam, Set, Value};

unsafe fn set<'a>(handle: OfxPropertySetHandle) -> &'a mut Set {
    // SAFETY: every handle that this host hands out is a set that outlives the call.
    unsafe { &mut *handle.cast::<Set>() }
}

unsafe fn effect<'a>(handle: *mut c_void) -> &'a mut FakeEffect {
    // SAFETY: as for sets.
    unsafe { &mut *handle.cast::<FakeEffect>() }
}

unsafe fn text(text: *const c_char) -> String {
    // SAFETY: the plug-in side passes terminated strings.
    unsafe { CStr::from_ptr(text) }.to_str().unwrap().to_owned()
}

unsafe fn write(
    handle: OfxPropertySetHandle,
    name: *const c_char,
    index: c_int,
    value: Value,
) -> OfxStatus {
    // SAFETY: see `set` and `text`.
    let (set, name) = unsafe { (set(handle), text(name)) };
    if set.strict && !set.values.contains_key(&name) {
        return kOfxStatErrUnknown;
    }
    let values = set.values.entry(name).or_default();
    let index = usize::try_from(index).unwrap();
    match index.cmp(&values.len()) {
        std::cmp::Ordering::Less => values[index] = value,
        std::cmp::Ordering::Equal => values.push(value),
        std::cmp::Ordering::Greater => return kOfxStatErrBadIndex,
    }
    kOfxStatOK
}

unsafe fn read(
    handle: OfxPropertySetHandle,
    name: *const c_char,
    index: c_int,
) -> Result<Value, OfxStatus> {
    // SAFETY: see `set` and `text`.
    let (set, name) = unsafe { (set(handle), text(name)) };
    set.read.push(name.clone());
    let values = set.values.get(&name).ok_or(kOfxStatErrUnknown)?;
    values
        .get(usize::try_from(index).unwrap())
        .cloned()
        .ok_or(kOfxStatErrBadIndex)
}

macro_rules! accessors {
    ($setter:ident, $getter:ident, $type:ty, $value:ident) => {
        unsafe extern "C" fn $setter(
            handle: OfxPropertySetHandle,
            name: *const c_char,
            index: c_int,
            value: $type,
        ) -> OfxStatus {
            // SAFETY: the arguments are passed on.
            unsafe { write(handle, name, index, Value::$value(value)) }
        }

        unsafe extern "C" fn $getter(
            handle: OfxPropertySetHandle,
            name: *const c_char,
            index: c_int,
            to: *mut $type,
        ) -> OfxStatus {
            // SAFETY: the arguments are passed on.
            match unsafe { read(handle, name, index) } {
                Ok(Value::$value(value)) => {
                    // SAFETY: the caller gives a place.
                    unsafe { *to = value };
                    kOfxStatOK
                }
                Ok(_) => kOfxStatErrValue,
                Err(status) => status,
            }
        }
    };
}

accessors!(set_int, get_int, c_int, Int);
accessors!(set_double, get_double, f64, Double);
accessors!(set_pointer, get_pointer, *mut c_void, Pointer);

unsafe extern "C" fn set_string(
    handle: OfxPropertySetHandle,
    name: *const c_char,
    index: c_int,
    value: *const c_char,
) -> OfxStatus {
    // SAFETY: the arguments are passed on.
    unsafe { write(handle, name, index, Value::Kept(value)) }
}

/// Hands out a string after spoiling the one before.
fn hand_out(scratch: &mut CString, text: String) -> *mut c_char {
    let mut spoilt = std::mem::take(scratch).into_bytes();
    spoilt.fill(b'?');
    drop(spoilt);
    *scratch = CString::new(text).unwrap();
    scratch.as_ptr().cast_mut()
}

unsafe extern "C" fn get_string(
    handle: OfxPropertySetHandle,
    name: *const c_char,
    index: c_int,
    to: *mut *mut c_char,
) -> OfxStatus {
    // SAFETY: the arguments are passed on.
    match unsafe { read(handle, name, index) } {
        Ok(value @ (Value::Own(_) | Value::Kept(_))) => {
            // SAFETY: see `set`; the caller gives a place.
            unsafe { *to = hand_out(&mut set(handle).scratch, value.text()) };
            kOfxStatOK
        }
        Ok(_) => kOfxStatErrValue,
        Err(status) => status,
    }
}

unsafe extern "C" fn get_dimension(
    handle: OfxPropertySetHandle,
    name: *const c_char,
    to: *mut c_int,
) -> OfxStatus {
    // SAFETY: see `set` and `text`.
    let (set, name) = unsafe { (set(handle), text(name)) };
    let count = set.values.get(&name).map_or(0, Vec::len);
    // SAFETY: the caller gives a place.
    unsafe { *to = count as c_int };
    kOfxStatOK
}

static PROPERTY: OfxPropertySuiteV1 = OfxPropertySuiteV1 {
    propSetPointer: Some(set_pointer),
    propSetString: Some(set_string),
    propSetDouble: Some(set_double),
    propSetInt: Some(set_int),
    propSetPointerN: None,
    propSetStringN: None,
    propSetDoubleN: None,
    propSetIntN: None,
    propGetPointer: Some(get_pointer),
    propGetString: Some(get_string),
    propGetDouble: Some(get_double),
    propGetInt: Some(get_int),
    propGetPointerN: None,
    propGetStringN: None,
    propGetDoubleN: None,
    propGetIntN: None,
    propReset: None,
    propGetDimension: Some(get_dimension),
};

unsafe extern "C" fn effect_props(
    handle: OfxImageEffectHandle,
    to: *mut OfxPropertySetHandle,
) -> OfxStatus {
    // SAFETY: see `effect`; the caller gives a place.
    unsafe { *to = effect(handle.cast()).props.handle() };
    kOfxStatOK
}

unsafe extern "C" fn effect_params(
    handle: OfxImageEffectHandle,
    to: *mut OfxParamSetHandle,
) -> OfxStatus {
    // SAFETY: the caller gives a place.
    unsafe { *to = handle.cast() };
    kOfxStatOK
}

unsafe extern "C" fn clip_define(
    handle: OfxImageEffectHandle,
    name: *const c_char,
    to: *mut OfxPropertySetHandle,
) -> OfxStatus {
    // SAFETY: see `effect` and `text`; the caller gives a place.
    unsafe {
        let clip = effect(handle.cast()).clips.entry(text(name)).or_default();
        *to = clip.props.handle();
    }
    kOfxStatOK
}

unsafe extern "C" fn clip_get(
    handle: OfxImageEffectHandle,
    name: *const c_char,
    to: *mut OfxImageClipHandle,
    props: *mut OfxPropertySetHandle,
) -> OfxStatus {
    // SAFETY: see `effect` and `text`; the caller gives places.
    unsafe {
        let Some(clip) = effect(handle.cast()).clips.get_mut(&text(name)) else {
            return kOfxStatErrUnknown;
        };
        *props = clip.props.handle();
        *to = ptr::from_mut(clip.as_mut()).cast();
    }
    kOfxStatOK
}

unsafe extern "C" fn clip_props(
    handle: OfxImageClipHandle,
    to: *mut OfxPropertySetHandle,
) -> OfxStatus {
    // SAFETY: a clip of this host; the caller gives a place.
    unsafe { *to = (*handle.cast::<FakeClip>()).props.handle() };
    kOfxStatOK
}

unsafe extern "C" fn clip_image(
    handle: OfxImageClipHandle,
    _time: f64,
    _region: *const OfxRectD,
    to: *mut OfxPropertySetHandle,
) -> OfxStatus {
    // SAFETY: a clip of this host.
    let clip = unsafe { &mut *handle.cast::<FakeClip>() };
    if let Some(image) = &mut clip.image {
        // SAFETY: the caller gives a place.
        unsafe { *to = image.handle() };
    }
    clip.status
}

unsafe extern "C" fn clip_release(handle: OfxPropertySetHandle) -> OfxStatus {
    // SAFETY: see `set`.
    unsafe { set(handle) }.released += 1;
    kOfxStatOK
}

unsafe extern "C" fn clip_region(
    handle: OfxImageClipHandle,
    _time: f64,
    to: *mut OfxRectD,
) -> OfxStatus {
    // SAFETY: a clip of this host.
    let clip = unsafe { &mut *handle.cast::<FakeClip>() };
    if let Some(region) = clip.region {
        // SAFETY: the caller gives a place.
        unsafe { *to = region };
    }
    clip.status
}

unsafe extern "C" fn abort(handle: OfxImageEffectHandle) -> c_int {
    // SAFETY: see `effect`.
    c_int::from(unsafe { effect(handle.cast()) }.aborted)
}

static EFFECT: OfxImageEffectSuiteV1 = OfxImageEffectSuiteV1 {
    getPropertySet: Some(effect_props),
    getParamSet: Some(effect_params),
    clipDefine: Some(clip_define),
    clipGetHandle: Some(clip_get),
    clipGetPropertySet: Some(clip_props),
    clipGetImage: Some(clip_image),
    clipReleaseImage: Some(clip_release),
    clipGetRegionOfDefinition: Some(clip_region),
    abort: Some(abort),
    imageMemoryAlloc: None,
    imageMemoryFree: None,
    imageMemoryLock: None,
    imageMemoryUnlock: None,
};

unsafe extern "C" fn param_define(
    handle: OfxParamSetHandle,
    kind: *const c_char,
    name: *const c_char,
    to: *mut OfxPropertySetHandle,
) -> OfxStatus {
    // SAFETY: see `effect` and `text`.
    let (effect, kind, name) = unsafe { (effect(handle.cast()), text(kind), text(name)) };
    if kind == kOfxParamTypePage.to_str().unwrap() {
        return kOfxStatErrUnsupported;
    }
    let param = effect.params.entry(name).or_default();
    param.kind = kind;
    // SAFETY: the caller gives a place.
    unsafe { *to = param.props.handle() };
    kOfxStatOK
}

unsafe extern "C" fn param_get(
    handle: OfxParamSetHandle,
    name: *const c_char,
    to: *mut OfxParamHandle,
    props: *mut OfxPropertySetHandle,
) -> OfxStatus {
    // SAFETY: see `effect` and `text`; the caller gives places.
    unsafe {
        let Some(param) = effect(handle.cast()).params.get_mut(&text(name)) else {
            return kOfxStatErrUnknown;
        };
        *props = param.props.handle();
        *to = ptr::from_mut(param.as_mut()).cast();
    }
    kOfxStatOK
}

unsafe extern "C" fn param_props(
    handle: OfxParamHandle,
    to: *mut OfxPropertySetHandle,
) -> OfxStatus {
    // SAFETY: a parameter of this host; the caller gives a place.
    unsafe { *to = (*handle.cast::<FakeParam>()).props.handle() };
    kOfxStatOK
}

unsafe extern "C" fn param_value(
    handle: OfxParamHandle,
    a: *mut c_void,
    b: *mut c_void,
    c: *mut c_void,
) -> OfxStatus {
    // SAFETY: a parameter of this host.
    let param = unsafe { &mut *handle.cast::<FakeParam>() };
    for (value, place) in param.values.clone().into_iter().zip([a, b, c]) {
        // SAFETY: the caller gives as many places as a parameter of this kind has values.
        unsafe {
            match value {
                Value::Int(value) => *place.cast::<c_int>() = value,
                Value::Double(value) => *place.cast::<f64>() = value,
                Value::Pointer(value) => *place.cast::<*mut c_void>() = value,
                value => {
                    *place.cast::<*mut c_char>() = hand_out(&mut param.scratch, value.text());
                }
            }
        }
    }
    param.status
}

unsafe extern "C" fn param_value_at(
    handle: OfxParamHandle,
    time: f64,
    a: *mut c_void,
    b: *mut c_void,
    c: *mut c_void,
) -> OfxStatus {
    // SAFETY: a parameter of this host; the places are passed on.
    unsafe {
        let status = param_value(handle, a, b, c);
        if let [Value::Double(value)] = (&*handle.cast::<FakeParam>()).values[..] {
            *a.cast::<f64>() = value + time;
        }
        status
    }
}

/// Setting an int or a string; both are passed like a pointer.
unsafe extern "C" fn param_set(handle: OfxParamHandle, value: *const c_void) -> OfxStatus {
    // SAFETY: a parameter of this host.
    let param = unsafe { &mut *handle.cast::<FakeParam>() };
    param.values = vec![if param.kind == kOfxParamTypeString.to_str().unwrap() {
        // SAFETY: the plug-in side passes a terminated string for this kind.
        Value::Own(unsafe { text(value.cast()) })
    } else {
        Value::Int(value.addr() as c_int)
    }];
    param.status
}

fn parameter() -> OfxParameterSuiteV1 {
    // SAFETY: with these arguments, functions with and without variable arguments are called in
    // the same way on the platforms that this test is built for.
    unsafe {
        OfxParameterSuiteV1 {
            paramDefine: Some(param_define),
            paramGetHandle: Some(param_get),
            paramSetGetPropertySet: None,
            paramGetPropertySet: Some(param_props),
            paramGetValue: Some(transmute::<
                *const c_void,
                unsafe extern "C" fn(OfxParamHandle, ...) -> OfxStatus,
            >(param_value as *const c_void)),
            paramGetValueAtTime: Some(transmute::<
                *const c_void,
                unsafe extern "C" fn(OfxParamHandle, f64, ...) -> OfxStatus,
            >(param_value_at as *const c_void)),
            paramGetDerivative: None,
            paramGetIntegral: None,
            paramSetValue: Some(transmute::<
                *const c_void,
                unsafe extern "C" fn(OfxParamHandle, ...) -> OfxStatus,
            >(param_set as *const c_void)),
            paramSetValueAtTime: None,
            paramGetNumKeys: None,
            paramGetKeyTime: None,
            paramGetKeyIndex: None,
            paramDeleteKey: None,
            paramDeleteAllKeys: None,
            paramCopy: None,
            paramEditBegin: None,
            paramEditEnd: None,
        }
    }
}

unsafe extern "C" fn message(
    handle: *mut c_void,
    kind: *const c_char,
    id: *const c_char,
    format: *const c_char,
    argument: *const c_char,
) -> OfxStatus {
    // SAFETY: see `effect` and `text`.
    unsafe {
        assert_eq!(text(format), "%s");
        let effect = effect(handle);
        effect.message = Some([text(kind), text(id), text(argument)]);
        effect.posted += 1;
    }
    kOfxStatOK
}

unsafe extern "C" fn clear_message(handle: *mut c_void) -> OfxStatus {
    // SAFETY: see `effect`.
    let effect = unsafe { effect(handle) };
    effect.message = None;
    effect.cleared += 1;
    kOfxStatOK
}

type MessageFn = unsafe extern "C" fn(
    *mut c_void,
    *const c_char,
    *const c_char,
    *const c_char,
    ...
) -> OfxStatus;

fn message_fn() -> Option<MessageFn> {
    // SAFETY: as in `parameter`.
    Some(unsafe { transmute::<*const c_void, MessageFn>(message as *const c_void) })
}

unsafe extern "C" fn progress_start(handle: *mut c_void, _label: *const c_char) -> OfxStatus {
    // SAFETY: see `effect`.
    unsafe { effect(handle) }.bars.0 += 1;
    kOfxStatOK
}

unsafe extern "C" fn progress_update(handle: *mut c_void, fraction: f64) -> OfxStatus {
    // SAFETY: see `effect`.
    let effect = unsafe { effect(handle) };
    effect.progress.push(fraction);
    if effect.cancelled {
        kOfxStatReplyNo
    } else {
        kOfxStatOK
    }
}

unsafe extern "C" fn progress_end(handle: *mut c_void) -> OfxStatus {
    // SAFETY: see `effect`.
    unsafe { effect(handle) }.bars.1 += 1;
    kOfxStatOK
}

pub(crate) unsafe extern "C" fn fetch_suite(
    host: OfxPropertySetHandle,
    name: *const c_char,
    version: c_int,
) -> *const c_void {
    // SAFETY: see `set` and `text`.
    let (host, name) = unsafe { (set(host), text(name)) };
    host.fetched.push((name.clone(), version));
    if !host
        .offered
        .iter()
        .any(|(offer, v)| offer.to_str().unwrap() == name && *v == version)
    {
        return ptr::null();
    }
    fn leak<T>(suite: T) -> *const c_void {
        ptr::from_ref(Box::leak(Box::new(suite))).cast()
    }
    match (name.as_str(), version) {
        ("OfxPropertySuite", 1) => ptr::from_ref(&PROPERTY).cast(),
        ("OfxImageEffectSuite", 1) => ptr::from_ref(&EFFECT).cast(),
        ("OfxParameterSuite", 1) => leak(parameter()),
        ("OfxMessageSuite", 1) => leak(OfxMessageSuiteV1 {
            message: message_fn(),
        }),
        ("OfxMessageSuite", 2) => leak(OfxMessageSuiteV2 {
            message: message_fn(),
            setPersistentMessage: message_fn(),
            clearPersistentMessage: Some(clear_message),
        }),
        ("OfxProgressSuite", 1) => leak(OfxProgressSuiteV1 {
            progressStart: Some(progress_start),
            progressUpdate: Some(progress_update),
            progressEnd: Some(progress_end),
        }),
        _ => ptr::null(),
    }
}
