//! One error type for everything the `bundle` package does: each value says what failed, on which
//! file or program, and what to do about it.

use std::path::{Path, PathBuf};

/// Shorthand for results of this package.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a bundle could not be assembled, checked or installed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder could not be read, written, moved or removed.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried, as a verb ("read", "create the folder").
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why the system refused.
        source: std::io::Error,
    },

    /// A program could not be started at all.
    #[error("cannot start `{program}`: {source}. {advice}")]
    Start {
        /// The program's name.
        program: String,
        /// Why the system refused.
        source: std::io::Error,
        /// What to install or set.
        advice: &'static str,
    },

    /// A program ran and reported failure.
    #[error("`{command}` failed with {status}{}. {advice}", quoted(stderr))]
    Program {
        /// The command line, shortened.
        command: String,
        /// Its exit status, in words.
        status: String,
        /// The end of what it wrote to its error stream; empty when that went to the terminal.
        stderr: String,
        /// What to do.
        advice: &'static str,
    },

    /// A file is not the one that this version of the project pins.
    #[error(
        "{what} is not the pinned one: its sha256 is {found}, expected {expected} ({}). {advice}",
        path.display()
    )]
    Checksum {
        /// What the file is.
        what: String,
        /// Where it is.
        path: PathBuf,
        /// The digest found, lower-case hexadecimal.
        found: String,
        /// The digest pinned.
        expected: String,
        /// What to do.
        advice: &'static str,
    },

    /// Something that has to be in the source tree is not there.
    #[error("{what} is missing ({}): {advice}", path.display())]
    Missing {
        /// What is missing.
        what: &'static str,
        /// Where it was looked for.
        path: PathBuf,
        /// What to do.
        advice: &'static str,
    },

    /// A file's content cannot be understood.
    #[error("{} is not valid: {reason}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// This machine is not one that the requested thing exists for.
    #[error("{0}")]
    Unsupported(String),

    /// The bundle breaks one or more of the rules that it is checked against.
    #[error("{} is not fit to ship:\n{}", bundle.display(), listed(findings))]
    Unfit {
        /// The bundle.
        bundle: PathBuf,
        /// One sentence a fault.
        findings: Vec<String>,
    },

    /// No plug-in folder could be written.
    #[error("{0}")]
    NotInstalled(String),

    /// The command line could not be understood.
    #[error("{0}\n\n{usage}", usage = crate::cli::USAGE)]
    Usage(String),
}

impl Error {
    /// A stable dotted code for scripts and logs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::File { .. } => "bundle.file",
            Self::Start { .. } => "bundle.program-missing",
            Self::Program { .. } => "bundle.program-failed",
            Self::Checksum { .. } => "bundle.checksum",
            Self::Missing { .. } => "bundle.missing",
            Self::Invalid { .. } => "bundle.invalid",
            Self::Unsupported(_) => "bundle.unsupported",
            Self::Unfit { .. } => "bundle.unfit",
            Self::NotInstalled(_) => "bundle.not-installed",
            Self::Usage(_) => "bundle.usage",
        }
    }

    /// A closure for `map_err` that adds the action and the path to a system error.
    pub(crate) fn file(
        action: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::File {
            action,
            path,
            source,
        }
    }
}

fn quoted(stderr: &str) -> String {
    if stderr.is_empty() {
        String::new()
    } else {
        format!(": {stderr}")
    }
}

fn listed(findings: &[String]) -> String {
    let mut text = String::new();
    for (index, finding) in findings.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        text.push_str("  - ");
        text.push_str(finding);
    }
    text
}
