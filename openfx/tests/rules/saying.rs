//! Rules about messages and progress.

use std::ffi::CStr;

use ofx::host::{MessageKind, RenderRequest, rule};

use crate::raw::*;
use crate::{breaks, decent, load, plugin, ready};

fn progress(call: &Call) -> &'static OfxProgressSuiteV1 {
    call.suite(kOfxProgressSuite, 1)
}

fn message(call: &Call) -> &'static OfxMessageSuiteV2 {
    call.suite(kOfxMessageSuite, 2)
}

fn start(call: &Call) {
    // SAFETY: a handle that the host looks up, and a C string.
    unsafe { progress(call).progressStart.unwrap()(call.handle, c"Test".as_ptr()) };
}

fn update(call: &Call, value: f64) {
    // SAFETY: a handle that the host looks up.
    unsafe { progress(call).progressUpdate.unwrap()(call.handle, value) };
}

fn end(call: &Call) {
    // SAFETY: a handle that the host looks up.
    unsafe { progress(call).progressEnd.unwrap()(call.handle) };
}

#[test]
fn progress_left_open() {
    breaks(
        plugin!(|call| {
            if call.is(kOfxImageEffectActionRender) {
                start(call);
            }
            decent(call)
        }),
        rule::PROGRESS,
    );
}

#[test]
fn progress_without_a_start() {
    breaks(
        plugin!(|call| {
            if call.is(kOfxImageEffectActionRender) {
                update(call, 0.5);
                end(call);
            }
            decent(call)
        }),
        rule::PROGRESS,
    );
}

#[test]
fn progress_started_twice() {
    breaks(
        plugin!(|call| {
            if call.is(kOfxImageEffectActionRender) {
                start(call);
                start(call);
                end(call);
                end(call);
            }
            decent(call)
        }),
        rule::PROGRESS,
    );
}

#[test]
fn progress_that_is_none() {
    breaks(
        plugin!(|call| {
            if call.is(kOfxImageEffectActionRender) {
                start(call);
                update(call, 0.5);
                update(call, 0.25);
                update(call, 1.5);
                update(call, f64::NAN);
                end(call);
            }
            decent(call)
        }),
        rule::PROGRESS_VALUE,
    );
}

#[test]
fn messages_of_no_type_or_no_text() {
    breaks(
        plugin!(|call| {
            if call.is(kOfxImageEffectActionRender) {
                let say = message(call).message.unwrap();
                // SAFETY: a handle that the host looks up, and C strings or null.
                unsafe {
                    let odd = say(
                        call.handle,
                        c"OfxMessageGossip".as_ptr(),
                        c"".as_ptr(),
                        c"psst".as_ptr(),
                    );
                    assert_eq!(odd, kOfxStatErrValue);
                    let empty = say(
                        call.handle,
                        kOfxMessageError.as_ptr(),
                        c"".as_ptr(),
                        std::ptr::null(),
                    );
                    assert_eq!(empty, kOfxStatErrValue);
                }
            }
            decent(call)
        }),
        rule::MESSAGE,
    );
}

#[test]
fn messages_whose_text_is_their_format() {
    breaks(
        plugin!(|call| {
            if call.is(kOfxImageEffectActionRender) {
                let say = message(call).message.unwrap();
                // SAFETY: a handle that the host looks up, and C strings without conversions
                // that take an argument.
                unsafe {
                    say(
                        call.handle,
                        kOfxMessageLog.as_ptr(),
                        c"".as_ptr(),
                        c"100 %% sure".as_ptr(),
                    );
                }
            }
            decent(call)
        }),
        rule::MESSAGE,
    );
}

#[test]
fn formats_that_write_are_not_obeyed() {
    breaks(
        plugin!(|call| {
            if call.is(kOfxImageEffectActionRender) {
                for format in [c"%n", c"%d %5hhn", c"%%%-+ #0ln"] {
                    let mut written = 0i32;
                    // SAFETY: an address for the conversion that the host must not obey.
                    let status = unsafe {
                        message(call).message.unwrap()(
                            call.handle,
                            kOfxMessageLog.as_ptr(),
                            c"".as_ptr(),
                            format.as_ptr(),
                            &raw mut written,
                        )
                    };
                    assert_eq!((status, written), (kOfxStatErrValue, 0), "{format:?}");
                }
            }
            decent(call)
        }),
        rule::MESSAGE,
    );
}

#[test]
fn messages_are_kept_with_their_type() {
    fn said(call: &Call, persistent: bool, kind: &CStr, text: &CStr) {
        let suite = message(call);
        let say = if persistent {
            suite.setPersistentMessage
        } else {
            suite.message
        };
        // SAFETY: a handle that the host looks up, and C strings.
        unsafe {
            say.unwrap()(
                call.handle,
                kind.as_ptr(),
                c"id".as_ptr(),
                c"%s".as_ptr(),
                text.as_ptr(),
            );
        }
    }
    let library = load(plugin!(|call| {
        if call.is(kOfxImageEffectActionRender) {
            said(call, false, kOfxMessageWarning, c"50 % done");
            said(call, true, kOfxMessageError, c"first");
            said(call, true, kOfxMessageError, c"second");
            return kOfxStatFailed;
        }
        if call.is(kOfxImageEffectActionEndSequenceRender) {
            // SAFETY: a handle that the host looks up.
            unsafe { message(call).clearPersistentMessage.unwrap()(call.handle) };
        }
        decent(call)
    }));
    let instance = ready(&library);
    let failure = instance.render(&RenderRequest::at(1.0)).unwrap_err();
    assert_eq!(failure.message.as_deref(), Some("second"));
    assert_eq!(instance.message(), None);
    let messages = instance.messages();
    assert_eq!(messages.len(), 3);
    assert_eq!(messages[0].text, "50 % done");
    assert_eq!(messages[0].kind, MessageKind::Warning);
    assert!(!messages[0].persistent && messages[1].persistent);
    assert_eq!(messages[2].id, "id");
    instance.clear_messages();
    assert!(instance.messages().is_empty());
    drop(instance);
    library.assert_clean();
}
