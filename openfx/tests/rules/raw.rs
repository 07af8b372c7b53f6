//! A plug-in in the bare C interface, to be good or bad as a test wants it.
//!
//! Every test makes a plug-in of its own with [`plugin!`]: a function that gets each action first
//! and passes on to [`decent`] what it does not want to spoil.

use std::ffi::{CStr, c_int, c_void};
use std::ptr::{null, null_mut};

pub(crate) use openfx::sys::generic::core::*;
pub(crate) use openfx::sys::generic::property::*;
pub(crate) use openfx::sys::image_effect_v1::image_effect::*;
pub(crate) use openfx::sys::image_effect_v1::memory::*;
pub(crate) use openfx::sys::image_effect_v1::message::*;
pub(crate) use openfx::sys::image_effect_v1::multi_thread::*;
pub(crate) use openfx::sys::image_effect_v1::param::*;
pub(crate) use openfx::sys::image_effect_v1::progress::*;
pub(crate) use openfx::sys::image_effect_v1::time_line::*;

pub(crate) type Set = OfxPropertySetHandle;

/// One action, as it reached the plug-in.
#[derive(Clone, Copy)]
pub(crate) struct Call {
    pub(crate) action: &'static CStr,
    pub(crate) handle: *mut c_void,
    pub(crate) incoming: Set,
    pub(crate) outgoing: Set,
    pub(crate) host: *mut OfxHost,
}

// SAFETY: tests take a call to other threads on purpose; the host takes its calls from anywhere.
unsafe impl Send for Call {}
// SAFETY: as above.
unsafe impl Sync for Call {}

impl Call {
    pub(crate) fn is(&self, action: &CStr) -> bool {
        self.action == action
    }

    /// A suite of the host; null when it has none.
    pub(crate) fn fetch<T>(&self, name: &CStr, version: c_int) -> *const T {
        // SAFETY: the host's structure outlives everything.
        unsafe {
            let host = *self.host;
            host.fetchSuite.unwrap()(host.host, name.as_ptr(), version).cast()
        }
    }

    pub(crate) fn property(&self) -> &'static OfxPropertySuiteV1 {
        // SAFETY: every host has this suite, and keeps it.
        unsafe { &*self.fetch(c"OfxPropertySuite", 1) }
    }

    pub(crate) fn effect(&self) -> &'static OfxImageEffectSuiteV1 {
        // SAFETY: every host has this suite, and keeps it.
        unsafe { &*self.fetch(c"OfxImageEffectSuite", 1) }
    }

    pub(crate) fn param(&self) -> &'static OfxParameterSuiteV1 {
        // SAFETY: every host has this suite, and keeps it.
        unsafe { &*self.fetch(c"OfxParameterSuite", 1) }
    }

    /// An optional suite that the host is known to have.
    pub(crate) fn suite<T>(&self, name: &CStr, version: c_int) -> &'static T {
        let suite = self.fetch::<T>(name, version);
        assert!(!suite.is_null(), "{name:?} {version}");
        // SAFETY: not null, and the host keeps it.
        unsafe { &*suite }
    }

    pub(crate) fn set_str(&self, set: Set, name: &CStr, index: c_int, value: &CStr) -> c_int {
        // SAFETY: C strings, and a handle that the host looks up.
        unsafe { self.property().propSetString.unwrap()(set, name.as_ptr(), index, value.as_ptr()) }
    }

    pub(crate) fn set_int(&self, set: Set, name: &CStr, index: c_int, value: c_int) -> c_int {
        // SAFETY: a C string, and a handle that the host looks up.
        unsafe { self.property().propSetInt.unwrap()(set, name.as_ptr(), index, value) }
    }

    pub(crate) fn set_double(&self, set: Set, name: &CStr, index: c_int, value: f64) -> c_int {
        // SAFETY: a C string, and a handle that the host looks up.
        unsafe { self.property().propSetDouble.unwrap()(set, name.as_ptr(), index, value) }
    }

    pub(crate) fn set_doubles(&self, set: Set, name: &CStr, values: &[f64]) -> c_int {
        let count = values.len() as c_int;
        // SAFETY: a C string, and as many values as said.
        unsafe {
            self.property().propSetDoubleN.unwrap()(set, name.as_ptr(), count, values.as_ptr())
        }
    }

    pub(crate) fn int(&self, set: Set, name: &CStr, index: c_int) -> Result<c_int, c_int> {
        let mut value = 0;
        // SAFETY: a C string, a handle that the host looks up, and a place for the value.
        match unsafe {
            self.property().propGetInt.unwrap()(set, name.as_ptr(), index, &raw mut value)
        } {
            0 => Ok(value),
            status => Err(status),
        }
    }

    pub(crate) fn double(&self, set: Set, name: &CStr, index: c_int) -> Result<f64, c_int> {
        let mut value = 0.0;
        // SAFETY: a C string, a handle that the host looks up, and a place for the value.
        match unsafe {
            self.property().propGetDouble.unwrap()(set, name.as_ptr(), index, &raw mut value)
        } {
            0 => Ok(value),
            status => Err(status),
        }
    }

    pub(crate) fn pointer(&self, set: Set, name: &CStr) -> *mut c_void {
        let mut value = null_mut();
        // SAFETY: a C string, a handle that the host looks up, and a place for the value.
        unsafe {
            self.property().propGetPointer.unwrap()(set, name.as_ptr(), 0, &raw mut value);
        }
        value
    }

    /// The properties of the effect at hand.
    pub(crate) fn props(&self) -> Set {
        let mut set = null_mut();
        // SAFETY: a handle that the host looks up, and a place for the answer.
        unsafe { self.effect().getPropertySet.unwrap()(self.handle.cast(), &raw mut set) };
        set
    }

    pub(crate) fn param_set(&self) -> OfxParamSetHandle {
        let mut set = null_mut();
        // SAFETY: a handle that the host looks up, and a place for the answer.
        unsafe { self.effect().getParamSet.unwrap()(self.handle.cast(), &raw mut set) };
        set
    }

    pub(crate) fn define_clip(&self, name: &CStr, components: &[&CStr]) -> Set {
        let mut set = null_mut();
        // SAFETY: handles that the host looks up, a C string, and a place for the answer.
        unsafe {
            self.effect().clipDefine.unwrap()(self.handle.cast(), name.as_ptr(), &raw mut set);
        }
        for (index, component) in components.iter().enumerate() {
            self.set_str(
                set,
                kOfxImageEffectPropSupportedComponents,
                index as c_int,
                component,
            );
        }
        set
    }

    pub(crate) fn define_param(&self, kind: &CStr, name: &CStr) -> (c_int, Set) {
        let mut set = null_mut();
        // SAFETY: handles that the host looks up, C strings, and a place for the answer.
        let status = unsafe {
            self.param().paramDefine.unwrap()(
                self.param_set(),
                kind.as_ptr(),
                name.as_ptr(),
                &raw mut set,
            )
        };
        (status, set)
    }

    pub(crate) fn param_handle(&self, name: &CStr) -> OfxParamHandle {
        let mut param = null_mut();
        // SAFETY: handles that the host looks up, a C string, and a place for the answer.
        unsafe {
            self.param().paramGetHandle.unwrap()(
                self.param_set(),
                name.as_ptr(),
                &raw mut param,
                null_mut(),
            );
        }
        param
    }

    pub(crate) fn clip(&self, name: &CStr) -> OfxImageClipHandle {
        let mut clip = null_mut();
        // SAFETY: handles that the host looks up, a C string, and a place for the answer.
        unsafe {
            self.effect().clipGetHandle.unwrap()(
                self.handle.cast(),
                name.as_ptr(),
                &raw mut clip,
                null_mut(),
            );
        }
        clip
    }

    pub(crate) fn image(&self, clip: &CStr, time: f64) -> Result<Set, c_int> {
        let mut image = null_mut();
        // SAFETY: a handle that the host looks up, and a place for the answer.
        match unsafe {
            self.effect().clipGetImage.unwrap()(self.clip(clip), time, null(), &raw mut image)
        } {
            0 => Ok(image),
            status => Err(status),
        }
    }

    pub(crate) fn release(&self, image: Set) -> c_int {
        // SAFETY: a handle that the host looks up.
        unsafe { self.effect().clipReleaseImage.unwrap()(image) }
    }

    pub(crate) fn time(&self) -> f64 {
        self.double(self.incoming, kOfxPropTime, 0).unwrap()
    }

    /// Four numbers of a rectangle.
    pub(crate) fn rect(&self, set: Set, name: &CStr) -> [c_int; 4] {
        std::array::from_fn(|index| self.int(set, name, index as c_int).unwrap())
    }
}

/// Float RGBA memory of an image.
pub(crate) struct Pixels {
    data: *mut c_void,
    row_bytes: isize,
    pub(crate) bounds: [c_int; 4],
}

impl Pixels {
    pub(crate) fn of(call: &Call, image: Set) -> Self {
        Self {
            data: call.pointer(image, kOfxImagePropData),
            row_bytes: call.int(image, kOfxImagePropRowBytes, 0).unwrap() as isize,
            bounds: call.rect(image, kOfxImagePropBounds),
        }
    }

    /// The address of a pixel, which may lie outside on purpose.
    pub(crate) fn at(&self, x: c_int, y: c_int) -> *mut [f32; 4] {
        let across = (x - self.bounds[0]) as isize * 16;
        let up = (y - self.bounds[1]) as isize * self.row_bytes;
        self.data.wrapping_byte_offset(across + up).cast()
    }
}

/// Writes grey to a window of the output.
pub(crate) fn paint(call: &Call, window: [c_int; 4]) {
    let image = call.image(c"Output", call.time()).unwrap();
    let pixels = Pixels::of(call, image);
    for y in window[1]..window[3] {
        for x in window[0]..window[2] {
            // SAFETY: inside the image, or in the guard bytes around it.
            unsafe { pixels.at(x, y).write([0.5; 4]) };
        }
    }
    call.release(image);
}

pub(crate) fn window(call: &Call) -> [c_int; 4] {
    call.rect(call.incoming, kOfxImageEffectPropRenderWindow)
}

/// What a plug-in does that breaks no rule: it paints everything grey.
pub(crate) fn decent(call: &Call) -> c_int {
    if call.is(kOfxActionDescribe) {
        let props = call.props();
        call.set_str(props, kOfxPropLabel, 0, c"Test");
        for (index, context) in [kOfxImageEffectContextFilter, kOfxImageEffectContextGeneral]
            .into_iter()
            .enumerate()
        {
            call.set_str(
                props,
                kOfxImageEffectPropSupportedContexts,
                index as c_int,
                context,
            );
        }
        call.set_str(
            props,
            kOfxImageEffectPropSupportedPixelDepths,
            0,
            kOfxBitDepthFloat,
        );
        call.set_int(props, kOfxImageEffectPropSupportsTiles, 0, 0);
        call.set_str(
            props,
            kOfxImageEffectPluginRenderThreadSafety,
            0,
            kOfxImageEffectRenderFullySafe,
        );
        kOfxStatOK
    } else if call.is(kOfxImageEffectActionDescribeInContext) {
        for clip in [c"Source", c"Output"] {
            call.define_clip(clip, &[kOfxImageComponentRGBA]);
        }
        let hint = call.define_clip(c"Hint", &[kOfxImageComponentRGBA]);
        call.set_int(hint, kOfxImageClipPropOptional, 0, 1);
        let (_, amount) = call.define_param(kOfxParamTypeDouble, c"amount");
        call.set_double(amount, kOfxParamPropMin, 0, 0.0);
        call.set_double(amount, kOfxParamPropMax, 0, 1.0);
        let (_, text) = call.define_param(kOfxParamTypeString, c"text");
        call.set_int(text, kOfxParamPropAnimates, 0, 0);
        call.define_param(kOfxParamTypePushButton, c"button");
        kOfxStatOK
    } else if call.is(kOfxImageEffectActionRender) {
        paint(call, window(call));
        kOfxStatOK
    } else {
        kOfxStatReplyDefault
    }
}

/// Makes a plug-in that answers every action with a function of a [`Call`], and gives its entry
/// points.
#[macro_export]
macro_rules! plugin {
    ($body:expr) => {{
        static HOST: std::sync::atomic::AtomicPtr<$crate::raw::OfxHost> =
            std::sync::atomic::AtomicPtr::new(std::ptr::null_mut());

        fn act(call: &$crate::raw::Call) -> std::ffi::c_int {
            let body: fn(&$crate::raw::Call) -> std::ffi::c_int = $body;
            body(call)
        }

        unsafe extern "C" fn set_host(host: *mut $crate::raw::OfxHost) {
            HOST.store(host, std::sync::atomic::Ordering::SeqCst);
            act(&$crate::raw::Call {
                action: c"setHost",
                handle: std::ptr::null_mut(),
                incoming: std::ptr::null_mut(),
                outgoing: std::ptr::null_mut(),
                host,
            });
        }

        unsafe extern "C" fn main_entry(
            action: *const std::ffi::c_char,
            handle: *const std::ffi::c_void,
            incoming: $crate::raw::Set,
            outgoing: $crate::raw::Set,
        ) -> std::ffi::c_int {
            act(&$crate::raw::Call {
                // SAFETY: the host's actions are constants.
                action: unsafe { std::ffi::CStr::from_ptr(action) },
                handle: handle.cast_mut(),
                incoming,
                outgoing,
                host: HOST.load(std::sync::atomic::Ordering::SeqCst),
            })
        }

        static PLUGIN: $crate::raw::OfxPlugin = $crate::raw::OfxPlugin {
            pluginApi: c"OfxImageEffectPluginAPI".as_ptr(),
            apiVersion: 1,
            pluginIdentifier: c"test".as_ptr(),
            pluginVersionMajor: 1,
            pluginVersionMinor: 0,
            setHost: Some(set_host),
            mainEntry: Some(main_entry),
        };

        unsafe extern "C" fn count() -> std::ffi::c_int {
            1
        }

        unsafe extern "C" fn get(nth: std::ffi::c_int) -> *const $crate::raw::OfxPlugin {
            if nth == 0 {
                &raw const PLUGIN
            } else {
                std::ptr::null()
            }
        }

        ofx::host::EntryPoints {
            get_number_of_plugins: count,
            get_plugin: get,
        }
    }};
}
