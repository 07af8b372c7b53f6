//! Running other programs (cargo, pip, the bundled command) with errors that can be acted on.

use crate::{Error, Result};
use std::process::{Command, Stdio};

/// Advice for when cargo itself cannot be started.
pub(crate) const CARGO_ADVICE: &str = "Install the Rust toolchain and start this through cargo.";

/// Runs a command with its output on this terminal and fails when it fails.
pub(crate) fn run(command: &mut Command, advice: &'static str) -> Result<()> {
    let status = command
        .stdin(Stdio::null())
        .status()
        .map_err(|source| not_started(command, source, advice))?;
    if status.success() {
        return Ok(());
    }
    Err(Error::Program {
        command: words(command),
        status: status.to_string(),
        stderr: String::new(),
        advice,
    })
}

/// Runs a command silently and gives what it printed; its error stream is quoted when it fails.
pub(crate) fn capture(command: &mut Command, advice: &'static str) -> Result<Vec<u8>> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|source| not_started(command, source, advice))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(Error::Program {
        command: words(command),
        status: output.status.to_string(),
        stderr: last_lines(stderr.trim(), 30),
        advice,
    })
}

/// A cargo command as if a person had typed it: the variables that an outer cargo sets for the
/// package it runs would otherwise make build scripts run again.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    scrub(&mut command);
    command
}

/// Removes what an outer cargo has put into the environment for the program it runs.
pub(crate) fn scrub(command: &mut Command) {
    const SET_BY_CARGO: [&str; 8] = [
        "CARGO_PKG_",
        "CARGO_MANIFEST_",
        "CARGO_BIN_",
        "CARGO_CRATE_NAME",
        "CARGO_PRIMARY_PACKAGE",
        "CARGO_TARGET_TMPDIR",
        "CARGO_MAKEFLAGS",
        "OUT_DIR",
    ];
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if SET_BY_CARGO.iter().any(|prefix| text.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
}

fn not_started(command: &Command, source: std::io::Error, advice: &'static str) -> Error {
    Error::Start {
        program: command.get_program().to_string_lossy().into_owned(),
        source,
        advice,
    }
}

fn words(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_failing_program_is_quoted_with_the_advice() {
        let error = capture(
            Command::new("sh").args(["-c", "echo no such thing >&2; exit 3"]),
            "Try again.",
        )
        .unwrap_err()
        .to_string();
        assert!(error.contains("no such thing"), "{error}");
        assert!(error.contains("exit status: 3"), "{error}");
        assert!(error.ends_with("Try again."), "{error}");
    }

    #[test]
    fn a_missing_program_says_what_to_install() {
        let error = run(
            &mut Command::new("there-is-no-such-program"),
            "Install the package.",
        )
        .unwrap_err()
        .to_string();
        assert!(error.contains("there-is-no-such-program"), "{error}");
        assert!(error.ends_with("Install the package."), "{error}");
    }
}
