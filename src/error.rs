//! The one error of the program.
//!
//! Whatever goes wrong below (the host's suites, the picture, the runtime, a file) ends as one
//! [`Error`]: a stable code for machines, a sentence for people (what happened, to what, what to
//! do), an OpenFX status for the host and an exit code for the shell. Each of the four is derived
//! here and nowhere else.

use std::path::PathBuf;

use ofx::Status;

/// Everything that can go wrong, by who has to do something about it.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The command line, or a parameter's value, cannot be understood.
    #[error("{0}")]
    Usage(String),
    /// A picture that was to be read is missing, unreadable or of a kind that cannot be used.
    #[error("cannot read {}: {reason}", path.display())]
    Input {
        /// The file.
        path: PathBuf,
        /// What is wrong with it and what to do.
        reason: String,
    },
    /// A picture or file that was to be written could not be.
    #[error("cannot write {}: {reason}", path.display())]
    Output {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
    /// The host gave no image, or one that cannot be keyed.
    #[error("{0}")]
    Clip(String),
    /// The picture could not be processed.
    #[error(transparent)]
    Keyer(#[from] crate::keyer::Error),
    /// Model, runtime library, device or session.
    #[error(transparent)]
    Network(#[from] crate::network::Error),
    /// The host broke the OpenFX contract, or lacks something that is needed.
    #[error(transparent)]
    Host(#[from] ofx::Error),
    /// A plug-in bundle could not be loaded or did not render.
    #[error("{0}")]
    Plugin(String),
    /// A file or folder could not be shown to the user.
    #[error("cannot open {}: {reason}", path.display())]
    Show {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
    /// Something could not be fetched from the network.
    #[error("cannot download {what}: {reason}")]
    Download {
        /// What was to be fetched.
        what: String,
        /// What happened and what to do.
        reason: String,
    },
    /// What was fetched is not what its publisher describes.
    #[error(
        "{what} was downloaded and thrown away: its sha256 is {found}, and {said_by} says \
         {expected}; run the command again, and tell the publisher if it stays so"
    )]
    DownloadAltered {
        /// What was fetched.
        what: String,
        /// Where the expected sum was read.
        said_by: String,
        /// SHA-256 as it should be, lower-case hexadecimal.
        expected: String,
        /// SHA-256 as it is.
        found: String,
    },
    /// The user stopped it. Never shown as a failure.
    #[error("stopped")]
    Aborted,
}

impl Error {
    /// The stable name of this error, for scripts: lower case, dotted, never reworded.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Usage(_) => "usage",
            Self::Input { .. } => "input",
            Self::Output { .. } => "output",
            Self::Clip(_) => "clip",
            Self::Keyer(error) => error.code(),
            Self::Network(error) => error.code(),
            Self::Host(error) => error.code(),
            Self::Plugin(_) => "plugin",
            Self::Show { .. } => "show",
            Self::Download { .. } => "download",
            Self::DownloadAltered { .. } => "download.altered",
            Self::Aborted => "aborted",
        }
    }

    /// True when somebody stopped the work: no message, nothing cached.
    pub fn is_abort(&self) -> bool {
        match self {
            Self::Aborted => true,
            Self::Network(error) => error.is_abort(),
            Self::Keyer(error) => error.is_abort(),
            _ => false,
        }
    }

    /// What the host is told.
    pub fn status(&self) -> Status {
        match self {
            Self::Host(error) => error.status(),
            Self::Network(error) if error.is_out_of_memory() => Status::ERR_MEMORY,
            Self::Keyer(error) if error.is_out_of_memory() => Status::ERR_MEMORY,
            Self::Usage(_) => Status::ERR_VALUE,
            // An aborted render has no picture to show; the host knows why, having asked for it.
            _ => Status::FAILED,
        }
    }

    /// What the shell is told: 2 usage, 3 input, 4 output, 5 model, device or
    /// download, 6 render, 130 stopped.
    pub fn exit_code(&self) -> u8 {
        match self {
            _ if self.is_abort() => 130,
            Self::Usage(_) => 2,
            Self::Input { .. } | Self::Clip(_) => 3,
            Self::Output { .. } => 4,
            Self::Network(crate::network::Error::Install { .. }) => 4,
            Self::Network(_) | Self::Download { .. } | Self::DownloadAltered { .. } => 5,
            Self::Keyer(_)
            | Self::Host(_)
            | Self::Plugin(_)
            | Self::Show { .. }
            | Self::Aborted => 6,
        }
    }

    /// What a script is told: `{"code": …, "message": …}`.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({ "code": self.code(), "message": self.to_string() })
    }
}

/// [`std::result::Result`] with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;
