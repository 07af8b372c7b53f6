//! What can go wrong between a plug-in and its host, in sentences for the person at the screen.
//!
//! One enum for the whole layer: every variant has a stable code for programs, a sentence for
//! people, and the OpenFX status that answers the host.

use crate::types::Status;

/// The result of a call across the interface.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure at the interface between host and plug-in.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An action came before the host loaded the plug-in.
    #[error(
        "the host used the plug-in before loading it (no host was set, or the load action failed); \
         restart the host program and look at the plug-in's log for the first error"
    )]
    NotLoaded,

    /// The host does not offer a suite that the plug-in cannot do without.
    #[error(
        "the host does not offer the OpenFX suite {suite} version {version}, without which the \
         plug-in cannot work; use a newer version of the host program"
    )]
    MissingSuite {
        /// OpenFX name of the suite.
        suite: &'static str,
        /// Version asked for.
        version: i32,
    },

    /// The host offers a suite with a hole in it.
    #[error(
        "the host's OpenFX suite {suite} lacks the function {function}, without which the plug-in \
         cannot work; use a newer version of the host program"
    )]
    IncompleteSuite {
        /// OpenFX name of the suite.
        suite: &'static str,
        /// Name of the missing function.
        function: &'static str,
    },

    /// The host passed nothing where it has to pass a handle.
    #[error("the host passed no {what}; this is a fault of the host program: report it there")]
    NullHandle {
        /// What was missing.
        what: &'static str,
    },

    /// A property could not be read.
    #[error(
        "the host did not tell the property {name} ({status}); if it keeps happening, report it \
         with the name and version of the host program"
    )]
    PropertyRead {
        /// Name of the property.
        name: String,
        /// The host's answer.
        status: Status,
    },

    /// A property could not be set.
    #[error(
        "the host did not accept the property {name} ({status}); if it keeps happening, report it \
         with the name and version of the host program"
    )]
    PropertyWrite {
        /// Name of the property.
        name: String,
        /// The host's answer.
        status: Status,
    },

    /// A function of a suite failed.
    #[error(
        "the host could not do {function} ({status}); if it keeps happening, report it with the \
         name and version of the host program"
    )]
    Call {
        /// Name of the suite's function.
        function: &'static str,
        /// The host's answer.
        status: Status,
    },

    /// A text that cannot cross the interface.
    #[error("{what} is not a text that OpenFX can carry: {reason}; choose another text")]
    Text {
        /// Which text.
        what: String,
        /// Why not.
        reason: &'static str,
    },

    /// The effect has no clip of this name.
    #[error(
        "the host knows no clip \"{name}\" on this effect ({status}); the clip does not exist in \
         this context, or the project was made by another version of the plug-in"
    )]
    UnknownClip {
        /// Name of the clip.
        name: String,
        /// The host's answer.
        status: Status,
    },

    /// A clip has no image where one is needed.
    #[error(
        "the clip \"{clip}\" has no image at frame {time}; check that it is connected and that the \
         frame exists"
    )]
    NoImage {
        /// Name of the clip.
        clip: String,
        /// The frame asked for.
        time: f64,
    },

    /// An image whose description makes no sense, or is one that the plug-in cannot read.
    #[error(
        "the image of the clip \"{clip}\" cannot be used: {reason}; give the clip RGBA, RGB or Alpha \
         of 8 or 16 bits, half or float, or report it with the name and version of the host program"
    )]
    ImageFormat {
        /// Name of the clip.
        clip: String,
        /// What is wrong.
        reason: String,
    },

    /// The effect has no parameter of this id, or the host lacks parameters of its kind.
    #[error(
        "the host knows no parameter \"{id}\" on this effect ({status}); it may not support \
         parameters of this kind, or the project was made by another version of the plug-in"
    )]
    UnknownParameter {
        /// Id of the parameter.
        id: String,
        /// The host's answer.
        status: Status,
    },

    /// A parameter's value could not be read.
    #[error(
        "the host did not tell the value of the parameter \"{id}\" ({status}); if it keeps happening, \
         report it with the name and version of the host program"
    )]
    ParameterRead {
        /// Id of the parameter.
        id: String,
        /// The host's answer.
        status: Status,
    },

    /// A parameter's value could not be set.
    #[error(
        "the host did not accept a value for the parameter \"{id}\" ({status}); if it keeps \
         happening, report it with the name and version of the host program"
    )]
    ParameterWrite {
        /// Id of the parameter.
        id: String,
        /// The host's answer.
        status: Status,
    },

    /// A parameter is of another kind than the one asked for.
    #[error(
        "the parameter \"{id}\" is {actual}, not {expected}; the project may be of another version of \
         the plug-in: make the node anew, or report it with the name and version of the host program"
    )]
    ParameterKind {
        /// Id of the parameter.
        id: String,
        /// What was asked for.
        expected: &'static str,
        /// What the host or the description says.
        actual: String,
    },

    /// The host's arguments of an action make no sense.
    #[error(
        "the host's call of {action} makes no sense: {reason}; this is a fault of the host \
         program: report it there"
    )]
    Arguments {
        /// OpenFX name of the action.
        action: &'static str,
        /// What is wrong.
        reason: String,
    },

    /// The plug-in's answer to an action makes no sense and was kept from the host.
    #[error("the plug-in's answer to {action} makes no sense: {reason}; please report it")]
    Answer {
        /// OpenFX name of the action.
        action: &'static str,
        /// What is wrong.
        reason: String,
    },
}

impl Error {
    /// A stable name of the failure, for programs: it does not change between versions.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotLoaded => "host.not-loaded",
            Self::MissingSuite { .. } => "host.missing-suite",
            Self::IncompleteSuite { .. } => "host.incomplete-suite",
            Self::NullHandle { .. } => "host.bad-handle",
            Self::PropertyRead { .. } | Self::PropertyWrite { .. } => "host.property",
            Self::Call { .. } => "host.call",
            Self::Text { .. } => "host.text",
            Self::UnknownClip { .. } => "clip.unknown",
            Self::NoImage { .. } => "clip.no-image",
            Self::ImageFormat { .. } => "image.format",
            Self::UnknownParameter { .. } => "parameter.unknown",
            Self::ParameterRead { .. } => "parameter.read",
            Self::ParameterWrite { .. } => "parameter.write",
            Self::ParameterKind { .. } => "parameter.kind",
            Self::Arguments { .. } => "action.arguments",
            Self::Answer { .. } => "action.answer",
        }
    }

    /// The status that tells a host of this failure.
    ///
    /// A host's own answer is not handed back to it, as it would mean something else there; only
    /// a lack of memory stays what it is.
    pub const fn status(&self) -> Status {
        match self {
            Self::MissingSuite { .. } | Self::IncompleteSuite { .. } => {
                Status::ERR_MISSING_HOST_FEATURE
            }
            Self::NullHandle { .. } => Status::ERR_BAD_HANDLE,
            Self::ImageFormat { .. } => Status::ERR_IMAGE_FORMAT,
            Self::Arguments { .. } => Status::ERR_VALUE,
            _ => match self.host_status() {
                Some(status) if status.raw() == Status::ERR_MEMORY.raw() => Status::ERR_MEMORY,
                _ => Status::FAILED,
            },
        }
    }

    /// What the host answered, where the failure is an answer of the host.
    #[must_use]
    pub const fn host_status(&self) -> Option<Status> {
        match self {
            Self::PropertyRead { status, .. }
            | Self::PropertyWrite { status, .. }
            | Self::Call { status, .. }
            | Self::UnknownClip { status, .. }
            | Self::UnknownParameter { status, .. }
            | Self::ParameterRead { status, .. }
            | Self::ParameterWrite { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether the host says that it does not have the thing at all: a caller that has a default
    /// may use it.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        self.host_status().is_some_and(is_absent)
    }
}

/// Whether a status says "I do not have that", as hosts do in five different ways.
pub(crate) fn is_absent(status: Status) -> bool {
    matches!(
        status,
        Status::ERR_UNKNOWN
            | Status::ERR_UNSUPPORTED
            | Status::ERR_BAD_INDEX
            | Status::ERR_VALUE
            | Status::ERR_MISSING_HOST_FEATURE
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_and_codes() {
        let suite = Error::MissingSuite {
            suite: "OfxPropertySuite",
            version: 1,
        };
        assert_eq!(suite.code(), "host.missing-suite");
        assert_eq!(suite.status(), Status::ERR_MISSING_HOST_FEATURE);
        assert!(suite.to_string().contains("OfxPropertySuite"));

        let read = |status| Error::PropertyRead {
            name: "OfxPropLabel".into(),
            status,
        };
        assert_eq!(read(Status::ERR_UNKNOWN).status(), Status::FAILED);
        assert_eq!(read(Status::ERR_FATAL).status(), Status::FAILED);
        assert_eq!(read(Status::ERR_MEMORY).status(), Status::ERR_MEMORY);
        assert!(read(Status::ERR_BAD_INDEX).is_absent());
        assert!(!read(Status::ERR_BAD_HANDLE).is_absent());
        assert!(!Error::NotLoaded.is_absent());
    }
}
