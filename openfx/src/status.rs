//! The status codes with which both ends of the interface answer.

use std::ffi::c_int;
use std::fmt;

use crate::sys;

/// An OpenFX status code.
///
/// A code that OpenFX does not define is kept as it is, so that an odd host's answer can still be
/// told to the user.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[must_use]
#[repr(transparent)]
pub struct Status(c_int);

macro_rules! statuses {
    ( $( $(#[$meta:meta])* $name:ident = $constant:ident ),+ $(,)? ) => {
        impl Status {
            $( $(#[$meta])* pub const $name: Self = Self(sys::$constant); )+

            /// The OpenFX name, e.g. `kOfxStatFailed`; `None` for a code that OpenFX lacks.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $( sys::$constant => Some(stringify!($constant)), )+
                    _ => None,
                }
            }
        }
    };
}

statuses! {
    /// It worked.
    OK = kOfxStatOK,
    /// It did not work, for no reason named here.
    FAILED = kOfxStatFailed,
    /// It did not work and the effect can no longer be used.
    ERR_FATAL = kOfxStatErrFatal,
    /// The thing asked for is not known.
    ERR_UNKNOWN = kOfxStatErrUnknown,
    /// The host lacks something that is needed.
    ERR_MISSING_HOST_FEATURE = kOfxStatErrMissingHostFeature,
    /// The request is understood and not supported.
    ERR_UNSUPPORTED = kOfxStatErrUnsupported,
    /// It is there already.
    ERR_EXISTS = kOfxStatErrExists,
    /// The format is wrong.
    ERR_FORMAT = kOfxStatErrFormat,
    /// There is not enough memory.
    ERR_MEMORY = kOfxStatErrMemory,
    /// The handle is none, or one of another kind.
    ERR_BAD_HANDLE = kOfxStatErrBadHandle,
    /// The index is out of range.
    ERR_BAD_INDEX = kOfxStatErrBadIndex,
    /// The value is out of range.
    ERR_VALUE = kOfxStatErrValue,
    /// Yes.
    REPLY_YES = kOfxStatReplyYes,
    /// No.
    REPLY_NO = kOfxStatReplyNo,
    /// The action was not handled: the caller does what it does by default.
    REPLY_DEFAULT = kOfxStatReplyDefault,
    /// The image's format is one that the effect did not declare.
    ERR_IMAGE_FORMAT = kOfxStatErrImageFormat,
}

impl Status {
    /// The status with this number.
    pub const fn from_raw(raw: c_int) -> Self {
        Self(raw)
    }

    /// The number that crosses the interface.
    #[must_use]
    pub const fn raw(self) -> c_int {
        self.0
    }

    /// Whether it is [`Status::OK`].
    #[must_use]
    pub const fn is_ok(self) -> bool {
        self.0 == sys::kOfxStatOK
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "status {}", self.0),
        }
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Status({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_have_names_and_keep_unknown_numbers() {
        assert_eq!(Status::OK.raw(), 0);
        assert_eq!(Status::REPLY_DEFAULT.raw(), 14);
        assert_eq!(Status::ERR_IMAGE_FORMAT.raw(), 1000);
        assert_eq!(Status::ERR_BAD_INDEX.to_string(), "kOfxStatErrBadIndex");
        assert_eq!(Status::from_raw(77).to_string(), "status 77");
        assert_eq!(Status::from_raw(77).raw(), 77);
        assert!(Status::OK.is_ok() && !Status::REPLY_DEFAULT.is_ok());
    }
}
