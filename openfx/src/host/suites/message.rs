//! The message suites, both versions. The functions with open argument lists are in `shim.c`.

use std::ffi::{CStr, c_char, c_int, c_void};

use super::{answer, call, effect, offered, text};
use crate::host::context;
use crate::host::core::{blame, lock};
use crate::host::request::{Message, MessageKind};
use crate::host::shim::{ofx_host_message_v1, ofx_host_message_v2, ofx_host_persistent_message};
use crate::host::violations::rule;
use crate::sys::{self, OfxMessageSuiteV1, OfxMessageSuiteV2, OfxStatus};
use crate::types::Status;

pub(super) static SUITE_V1: OfxMessageSuiteV1 = OfxMessageSuiteV1 {
    message: Some(ofx_host_message_v1),
};

pub(super) static SUITE_V2: OfxMessageSuiteV2 = OfxMessageSuiteV2 {
    message: Some(ofx_host_message_v2),
    setPersistentMessage: Some(ofx_host_persistent_message),
    clearPersistentMessage: Some(clear),
};

fn kind(name: &CStr) -> Option<MessageKind> {
    [
        (sys::kOfxMessageFatal, MessageKind::Fatal),
        (sys::kOfxMessageError, MessageKind::Error),
        (sys::kOfxMessageWarning, MessageKind::Warning),
        (sys::kOfxMessageMessage, MessageKind::Message),
        (sys::kOfxMessageLog, MessageKind::Log),
        (sys::kOfxMessageQuestion, MessageKind::Question),
    ]
    .into_iter()
    .find(|(known, _)| *known == name)
    .map(|(_, kind)| kind)
}

/// Called by `shim.c` with a message's text put together. `words` is null where the format could
/// not be used (there was none, or one that writes to memory).
pub(in crate::host) unsafe extern "C" fn say(
    version: c_int,
    persistent: c_int,
    handle: *mut c_void,
    type_name: *const c_char,
    id: *const c_char,
    words: *const c_char,
) -> OfxStatus {
    call("message", Status::FAILED, || {
        let from = handle.cast_const();
        let has = offered(from, "message", |suites| {
            if version == 1 {
                suites.message_v1
            } else {
                suites.message_v2
            }
        });
        if let Err(status) = has {
            return status;
        }
        // SAFETY: the plug-in vouches for its strings, the shim for its own.
        let (type_name, id, words) = unsafe { (text(type_name), text(id), text(words)) };
        let complain = |what: &str| {
            blame(from, rule::MESSAGE, what);
            Status::ERR_VALUE
        };
        let Some(kind) = type_name.and_then(kind) else {
            return complain("a message has a type that OpenFX does not know");
        };
        let Some(words) = words else {
            return complain("a message has no format, or one that cannot be used");
        };
        let Ok(words) = words.to_str() else {
            return complain("a message is not UTF-8");
        };
        let message = Message {
            kind,
            id: id.map_or_else(String::new, |id| id.to_string_lossy().into_owned()),
            text: words.to_owned(),
            persistent: persistent != 0,
        };
        log::debug!("the plug-in says: {message:?}");
        // Without an effect (null, during Load) a message is only logged.
        if !handle.is_null() {
            match effect(handle, "message") {
                Ok(effect) => {
                    let frame = context::current_of(effect.id()).or_else(|| effect.frame());
                    lock(&effect.talk).say(message, frame.map_or(0, |frame| frame.id));
                }
                Err(status) => return status,
            }
        }
        if kind == MessageKind::Question {
            Status::REPLY_YES
        } else {
            Status::OK
        }
    })
    .raw()
}

unsafe extern "C" fn clear(handle: *mut c_void) -> OfxStatus {
    answer("clearPersistentMessage", || {
        offered(handle, "clearPersistentMessage", |suites| suites.message_v2)?;
        let effect = effect(handle, "clearPersistentMessage")?;
        lock(&effect.talk).persistent = None;
        Ok(())
    })
}
