//! Texts that cross the interface.
//!
//! Hosts are meant to copy every string that they are given. Some keep the pointer, and have
//! crashed on it later. So the texts of a description (names, labels, hints: a bounded set) are
//! kept for the life of the process, once each however often the host asks for the description.

use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char};
use std::sync::{LazyLock, Mutex, PoisonError};

use crate::error::{Error, Result};

/// The text as C wants it, alive as long as the process; the same text gives the same pointer.
///
/// For texts of which there is a bounded number; running text goes through [`passing`].
pub(crate) fn lasting(text: &str) -> Result<(&'static str, &'static CStr)> {
    static KEPT: LazyLock<Mutex<HashMap<&'static str, &'static CStr>>> =
        LazyLock::new(Mutex::default);
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((key, value)) = kept.get_key_value(text) {
        return Ok((key, value));
    }
    let value: &'static CStr = Box::leak(passing(text)?.into_boxed_c_str());
    // The text holds no NUL, so that the C string's own bytes are the Rust text again.
    let key: &'static str = value.to_str().map_err(|_| Error::Text {
        what: format!("\"{text}\""),
        reason: "it is not UTF-8",
    })?;
    kept.insert(key, value);
    Ok((key, value))
}

/// The text as C wants it, for one call.
pub(crate) fn passing(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| Error::Text {
        what: format!("\"{}\"", text.escape_debug()),
        reason: "it holds a NUL character",
    })
}

/// A copy of a host's string; `None` for a null pointer. Bytes that are not UTF-8 become U+FFFD.
///
/// # Safety
/// `text` is null or points to a NUL-terminated string that nothing changes during the call.
pub(crate) unsafe fn copied(text: *const c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: not null, and terminated as the caller promises.
    let text = unsafe { CStr::from_ptr(text) };
    Some(text.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn lasting_texts_are_kept_once() {
        let (a, c) = lasting("Screen colour").unwrap();
        let (b, d) = lasting(&String::from("Screen colour")).unwrap();
        assert_eq!(a, "Screen colour");
        assert!(std::ptr::eq(a, b) && std::ptr::eq(c, d));
        assert_eq!(c.to_bytes_with_nul(), b"Screen colour\0");
    }

    #[test]
    fn a_nul_inside_is_refused() {
        assert_eq!(lasting("a\0b").unwrap_err().code(), "host.text");
        assert_eq!(passing("a\0b").unwrap_err().code(), "host.text");
    }

    #[test]
    fn host_strings_are_copied() {
        // SAFETY: null, and two terminated literals.
        unsafe {
            assert_eq!(copied(std::ptr::null()), None);
            assert_eq!(copied(c"abc".as_ptr()).as_deref(), Some("abc"));
            assert_eq!(copied(c"\xff".as_ptr()).as_deref(), Some("\u{fffd}"));
        }
    }
}
