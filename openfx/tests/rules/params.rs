//! Rules about parameters.

use std::ffi::{CStr, c_char};
use std::ptr::null;

use ofx::Context;
use ofx::host::{HostOptions, Quirks, Value, rule};

use crate::raw::*;
use crate::{breaks, decent, live, load, load_as, plugin, ready, rules};

fn set_double(call: &Call, name: &CStr, value: f64) -> i32 {
    // SAFETY: a double for a double parameter.
    unsafe { call.param().paramSetValue.unwrap()(call.param_handle(name), value) }
}

fn set_text(call: &Call, name: &CStr, value: &CStr) -> i32 {
    // SAFETY: a C string for a string parameter.
    unsafe { call.param().paramSetValue.unwrap()(call.param_handle(name), value.as_ptr()) }
}

#[test]
fn set_while_rendering() {
    breaks(
        plugin!(|call| {
            if call.is(kOfxImageEffectActionRender) {
                assert_eq!(set_double(call, c"amount", 0.5), kOfxStatFailed);
            }
            decent(call)
        }),
        rule::PARAM_SET_IN_ACTION,
    );
}

#[test]
fn set_in_other_actions_that_forbid_it() {
    for action in [
        kOfxImageEffectActionGetClipPreferences,
        kOfxImageEffectActionIsIdentity,
        kOfxImageEffectActionGetRegionOfDefinition,
        kOfxImageEffectActionBeginSequenceRender,
    ] {
        use std::sync::Mutex;
        static WHEN: Mutex<&CStr> = Mutex::new(c"");
        *WHEN.lock().unwrap() = action;
        breaks(
            plugin!(|call| {
                if call.is(&WHEN.lock().unwrap()) {
                    set_double(call, c"amount", 0.5);
                }
                decent(call)
            }),
            rule::PARAM_SET_IN_ACTION,
        );
    }
}

#[test]
fn set_where_it_may_be() {
    let library = load(plugin!(|call| {
        if call.is(kOfxActionCreateInstance) {
            assert_eq!(set_double(call, c"amount", 0.25), kOfxStatOK);
        }
        if call.is(kOfxActionInstanceChanged) {
            assert_eq!(set_text(call, c"text", c"changed \xc3\xa9"), kOfxStatOK);
        }
        decent(call)
    }));
    let instance = library.create("test", Context::General).unwrap();
    assert_eq!(instance.get("amount").unwrap(), Value::Double(0.25));
    instance.press("button").unwrap();
    assert_eq!(
        instance.get("text").unwrap(),
        Value::Str("changed é".into())
    );
    drop(instance);
    library.assert_clean();
}

#[test]
fn out_of_range() {
    breaks(
        plugin!(|call| {
            if call.is(kOfxActionCreateInstance) {
                assert_eq!(set_double(call, c"amount", 1.5), kOfxStatErrValue);
                assert_eq!(set_double(call, c"amount", f64::NAN), kOfxStatErrValue);
            }
            decent(call)
        }),
        rule::PARAM_RANGE,
    );
    breaks(
        plugin!(|call| {
            if call.is(kOfxActionCreateInstance) {
                assert_eq!(set_text(call, c"text", c"\xff\xfe"), kOfxStatErrValue);
            }
            decent(call)
        }),
        rule::PARAM_RANGE,
    );
}

#[test]
fn without_a_value() {
    breaks(
        plugin!(|call| {
            if call.is(kOfxActionCreateInstance) {
                let mut value = 0.0f64;
                let button = call.param_handle(c"button");
                // SAFETY: a place for a value, which the host must not write to.
                let status = unsafe { call.param().paramGetValue.unwrap()(button, &raw mut value) };
                assert_eq!(status, kOfxStatErrUnsupported);
            }
            decent(call)
        }),
        rule::PARAM_KIND,
    );
}

#[test]
fn key_on_a_parameter_that_does_not_animate() {
    breaks(
        plugin!(|call| {
            if call.is(kOfxActionCreateInstance) {
                let text = call.param_handle(c"text");
                // SAFETY: a C string for a string parameter.
                let status = unsafe {
                    call.param().paramSetValueAtTime.unwrap()(text, 2.0, c"later".as_ptr())
                };
                assert_eq!(status, kOfxStatErrUnsupported);
            }
            decent(call)
        }),
        rule::PARAM_KIND,
    );
}

#[test]
fn read_to_nowhere() {
    breaks(
        plugin!(|call| {
            if call.is(kOfxActionCreateInstance) {
                let amount = call.param_handle(c"amount");
                let nowhere: *const f64 = null();
                // SAFETY: null is what is tested.
                let status = unsafe { call.param().paramGetValue.unwrap()(amount, nowhere) };
                assert_eq!(status, kOfxStatErrValue);
            }
            decent(call)
        }),
        rule::NULL,
    );
}

#[test]
fn edit_blocks_left_open_or_never_opened() {
    breaks(
        plugin!(|call| {
            if call.is(kOfxActionCreateInstance) {
                // SAFETY: a handle that the host looks up, and a C string.
                unsafe {
                    call.param().paramEditBegin.unwrap()(call.param_set(), c"Edit".as_ptr());
                }
            }
            decent(call)
        }),
        rule::PARAM_EDIT,
    );
    breaks(
        plugin!(|call| {
            if call.is(kOfxActionCreateInstance) {
                // SAFETY: a handle that the host looks up.
                unsafe { call.param().paramEditEnd.unwrap()(call.param_set()) };
            }
            decent(call)
        }),
        rule::PARAM_EDIT,
    );
}

#[test]
fn changes_without_end() {
    let library = load(plugin!(|call| {
        if call.is(kOfxActionInstanceChanged) {
            let mut value = 0.0f64;
            let amount = call.param_handle(c"amount");
            // SAFETY: a place for a double.
            unsafe { call.param().paramGetValue.unwrap()(amount, &raw mut value) };
            set_double(call, c"amount", (value + 0.01).fract());
        }
        decent(call)
    }));
    library
        .create("test", Context::General)
        .unwrap()
        .press("button")
        .unwrap();
    assert_eq!(rules(&library), [rule::PARAM_EDIT]);
}

#[test]
fn values_of_every_kind_cross_the_interface() {
    let library = load(plugin!(|call| {
        let status = decent(call);
        if call.is(kOfxImageEffectActionDescribeInContext) {
            for (kind, name) in [
                (kOfxParamTypeInteger, c"i"),
                (kOfxParamTypeBoolean, c"b"),
                (kOfxParamTypeInteger2D, c"i2"),
                (kOfxParamTypeInteger3D, c"i3"),
                (kOfxParamTypeDouble2D, c"d2"),
                (kOfxParamTypeDouble3D, c"d3"),
                (kOfxParamTypeRGB, c"rgb"),
                (kOfxParamTypeRGBA, c"rgba"),
                (kOfxParamTypeCustom, c"custom"),
            ] {
                assert_eq!(call.define_param(kind, name).0, kOfxStatOK);
            }
        }
        if call.is(kOfxActionInstanceChanged) {
            let suite = call.param();
            let (get, set) = (suite.paramGetValue.unwrap(), suite.paramSetValue.unwrap());
            let at = suite.paramGetValueAtTime.unwrap();
            let (mut i, mut d) = ([0i32; 3], [0.0f64; 4]);
            let mut text: *const c_char = null();
            // SAFETY: every call has as many places or values of the type as the kind says.
            unsafe {
                assert_eq!(set(call.param_handle(c"i"), -7), 0);
                assert_eq!(set(call.param_handle(c"b"), 1), 0);
                assert_eq!(set(call.param_handle(c"i2"), 1, 2), 0);
                assert_eq!(set(call.param_handle(c"i3"), 3, 4, 5), 0);
                assert_eq!(set(call.param_handle(c"d2"), 0.5f64, -0.5f64), 0);
                assert_eq!(set(call.param_handle(c"rgb"), 0.1f64, 0.2f64, 0.3f64), 0);
                let rgba = call.param_handle(c"rgba");
                assert_eq!(set(rgba, 0.1f64, 0.2f64, 0.3f64, 0.4f64), 0);
                assert_eq!(set(call.param_handle(c"custom"), c"any".as_ptr()), 0);
                assert_eq!(get(call.param_handle(c"i"), &raw mut i[0]), 0);
                assert_eq!(i[0], -7);
                assert_eq!(get(call.param_handle(c"b"), &raw mut i[0]), 0);
                assert_eq!(i[0], 1);
                let i3 = call.param_handle(c"i3");
                let places = (&raw mut i[0], &raw mut i[1], &raw mut i[2]);
                assert_eq!(get(i3, places.0, places.1, places.2), 0);
                assert_eq!(i, [3, 4, 5]);
                let places = (&raw mut d[0], &raw mut d[1], &raw mut d[2], &raw mut d[3]);
                assert_eq!(at(rgba, 5.0, places.0, places.1, places.2, places.3), 0);
                assert_eq!(d, [0.1, 0.2, 0.3, 0.4]);
                assert_eq!(get(call.param_handle(c"custom"), &raw mut text), 0);
                assert_eq!(CStr::from_ptr(text), c"any");
            }
        }
        status
    }));
    let instance = library.create("test", Context::General).unwrap();
    instance.press("button").unwrap();
    assert_eq!(instance.get("i2").unwrap(), Value::Ints(vec![1, 2]));
    assert_eq!(instance.get("d2").unwrap(), Value::Doubles(vec![0.5, -0.5]));
    instance.set_str("d3", "1 2 3").unwrap();
    assert_eq!(
        instance.get("d3").unwrap(),
        Value::Doubles(vec![1.0, 2.0, 3.0])
    );
    drop(instance);
    library.assert_clean();
}

#[test]
fn keys_can_be_counted_and_found() {
    let library = load(plugin!(|call| {
        if call.is(kOfxActionCreateInstance) {
            let suite = call.param();
            let amount = call.param_handle(c"amount");
            let (mut count, mut time, mut index) = (0u32, 0.0f64, 0i32);
            // SAFETY: handles that the host looks up, and places for the answers.
            unsafe {
                for (time, value) in [(1.0, 0.0f64), (5.0, 0.5), (9.0, 1.0)] {
                    suite.paramSetValueAtTime.unwrap()(amount, time, value);
                }
                suite.paramGetNumKeys.unwrap()(amount, &raw mut count);
                assert_eq!(count, 3);
                suite.paramGetKeyTime.unwrap()(amount, 1, &raw mut time);
                assert_eq!(time, 5.0);
                let missing = suite.paramGetKeyTime.unwrap()(amount, 3, &raw mut time);
                assert_eq!(missing, kOfxStatErrBadIndex);
                suite.paramGetKeyIndex.unwrap()(amount, 5.0, 1, &raw mut index);
                assert_eq!(index, 2);
                suite.paramGetKeyIndex.unwrap()(amount, 5.0, -1, &raw mut index);
                assert_eq!(index, 0);
                suite.paramDeleteKey.unwrap()(amount, 5.0);
                suite.paramGetNumKeys.unwrap()(amount, &raw mut count);
                assert_eq!(count, 2);
                suite.paramDeleteAllKeys.unwrap()(amount);
                suite.paramGetNumKeys.unwrap()(amount, &raw mut count);
                assert_eq!(count, 0);
            }
        }
        decent(call)
    }));
    ready(&library);
    library.assert_clean();
}

#[test]
fn a_host_without_integers_says_so() {
    let library = load_as(
        plugin!(|call| {
            let status = decent(call);
            if call.is(kOfxImageEffectActionDescribeInContext) {
                call.define_param(kOfxParamTypeInteger, c"i");
            }
            if call.is(kOfxActionCreateInstance) {
                let mut value = 0i32;
                let i = call.param_handle(c"i");
                // SAFETY: a place for an int.
                let read = unsafe { call.param().paramGetValue.unwrap()(i, &raw mut value) };
                assert_eq!(read, kOfxStatErrMissingHostFeature);
            }
            status
        }),
        HostOptions {
            quirks: Quirks {
                no_integer_values: true,
                ..Quirks::default()
            },
            ..HostOptions::strict()
        },
    );
    live(&library);
    library.assert_clean();
}
