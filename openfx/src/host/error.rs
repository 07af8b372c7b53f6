//! What can go wrong on the host's side: finding a bundle, loading it, or asking it for something.
//!
//! A plug-in that *misbehaves* is not an error here: that is a [`Violation`](super::Violation),
//! recorded while the host carries on.

use std::path::PathBuf;

use crate::types::Status;

/// Everything that the headless host itself can fail at.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The path is no OpenFX bundle, or one without a binary for this machine.
    #[error("{} is not a usable OpenFX bundle: {reason}", path.display())]
    Bundle {
        /// The bundle as it was named.
        path: PathBuf,
        /// What is missing or wrong, and what to do.
        reason: String,
    },
    /// The plug-in's binary could not be loaded.
    #[error("cannot load {}: {reason}", path.display())]
    Load {
        /// The binary.
        path: PathBuf,
        /// The loader's words, or the entry point that is missing.
        reason: String,
    },
    /// The library holds no plug-in of that name.
    #[error("there is no plug-in \"{identifier}\" in this library; it has: {known}")]
    UnknownPlugin {
        /// The identifier asked for.
        identifier: String,
        /// The identifiers that it has, comma separated.
        known: String,
    },
    /// The plug-in does not offer that context.
    #[error("the plug-in \"{identifier}\" does not support {context}; it declares: {declared}")]
    UnsupportedContext {
        /// The plug-in.
        identifier: String,
        /// The context asked for.
        context: String,
        /// The contexts that it declares.
        declared: String,
    },
    /// An action was answered by an error.
    #[error("the plug-in answered {action} with {status}{}", message.as_ref().map(|m| format!(": {m}")).unwrap_or_default())]
    Action {
        /// The action's OpenFX name.
        action: String,
        /// The answer.
        status: Status,
        /// What the plug-in said to the user, if it said anything.
        message: Option<String>,
    },
    /// The effect has no parameter of that id.
    #[error("there is no parameter \"{id}\"; known are: {known}")]
    UnknownParameter {
        /// The id asked for.
        id: String,
        /// The ids that exist, comma separated.
        known: String,
    },
    /// The value does not suit the parameter.
    #[error("parameter \"{id}\" cannot be set to {value}: {reason}")]
    Value {
        /// The parameter.
        id: String,
        /// The value as given.
        value: String,
        /// Why not, and what would do.
        reason: String,
    },
    /// The effect has no clip of that name.
    #[error("there is no clip \"{name}\"; known are: {known}")]
    UnknownClip {
        /// The name asked for.
        name: String,
        /// The names that exist, comma separated.
        known: String,
    },
    /// A request to the host that cannot be met.
    #[error("{0}")]
    Request(String),
    /// A picture that cannot exist: a size that overflows, data of the wrong length.
    #[error("{0}")]
    Image(String),
    /// There is not enough memory.
    #[error("there is not enough memory for {0}")]
    Memory(String),
}

impl HostError {
    /// The stable name of this error, for scripts: lower case, dotted, never reworded.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Bundle { .. } => "host.bundle",
            Self::Load { .. } => "host.load",
            Self::UnknownPlugin { .. } => "host.unknown-plugin",
            Self::UnsupportedContext { .. } => "host.context",
            Self::Action { .. } => "host.action",
            Self::UnknownParameter { .. } => "host.unknown-parameter",
            Self::Value { .. } => "host.value",
            Self::UnknownClip { .. } => "host.unknown-clip",
            Self::Request(_) => "host.request",
            Self::Image(_) => "host.image",
            Self::Memory(_) => "host.memory",
        }
    }

    /// The plug-in's answer, where one is the cause; [`Status::FAILED`] otherwise.
    pub fn status(&self) -> Status {
        match self {
            Self::Action { status, .. } => *status,
            Self::Memory(_) => Status::ERR_MEMORY,
            _ => Status::FAILED,
        }
    }
}

/// [`std::result::Result`] with a [`HostError`].
pub type Result<T, E = HostError> = std::result::Result<T, E>;

/// A render that gave no picture.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", self.sentence())]
pub struct RenderFailure {
    /// What the plug-in (or, before the render, the host) answered.
    pub status: Status,
    /// What the plug-in said to the user, or the host's own reason; `None` after an abort.
    pub message: Option<String>,
}

impl RenderFailure {
    fn sentence(&self) -> String {
        match &self.message {
            Some(message) => message.clone(),
            None => format!("the render ended with {} and no message", self.status),
        }
    }
}

impl From<HostError> for RenderFailure {
    fn from(error: HostError) -> Self {
        Self {
            status: error.status(),
            message: Some(match error {
                HostError::Action {
                    message: Some(message),
                    ..
                } => message,
                other => other.to_string(),
            }),
        }
    }
}
