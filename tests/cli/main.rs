//! The command, run as users run it, on the real bundle.
//!
//! The model is the transparent one of the tests: alpha is the hint, the foreground is the plate.
//! So every value that is written can be told beforehand.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/checkpoint.rs"]
mod checkpoint;
#[path = "../common/mod.rs"]
mod common;
mod distrust;
mod downloads;
mod faults;
mod formats;
#[path = "../support/golden.rs"]
mod golden;
mod hostile;
mod imports;
mod original;
mod pictures;
mod plans;
mod publisher;
mod sequences;
mod tools;
#[path = "../support/weights.rs"]
mod weights;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

/// A bundle with the transparent model beside the shipped one.
fn bundle() -> &'static Path {
    static COPY: OnceLock<PathBuf> = OnceLock::new();
    COPY.get_or_init(|| common::bundle_with_test_models("cli"))
}

/// What a run of the command came to.
struct Run {
    code: i32,
    out: String,
    err: String,
}

impl Run {
    /// Every line of standard output as JSON.
    fn json(&self) -> Vec<Value> {
        self.out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
            .collect()
    }

    /// Fails with everything that was said unless the run ended well.
    fn well(self) -> Self {
        assert_eq!(self.code, 0, "out: {}\nerr: {}", self.out, self.err);
        self
    }
}

/// A folder to work in, and the command with an environment of its own.
struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The command, to be run in the folder. No variable of this account reaches it.
    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_corridorkey"));
        command.current_dir(self.folder.path());
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CORRIDORKEY_") || text.starts_with("OFX_") {
                command.env_remove(name);
            }
        }
        let home = self.path("home");
        std::fs::create_dir_all(&home).unwrap();
        command.env("HOME", &home);
        command.env("XDG_STATE_HOME", home.join("state"));
        command.env("XDG_DATA_HOME", home.join("data"));
        command.env("XDG_CACHE_HOME", home.join("cache"));
        command.env("RUST_BACKTRACE", "0");
        command
    }

    fn run(&self, arguments: &[&str]) -> Run {
        Self::finish(self.command().args(arguments))
    }

    fn finish(command: &mut Command) -> Run {
        let output = command.output().unwrap();
        Run {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// `key` with the transparent model and nothing cleaned, on the CPU, into `out`.
    fn key_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.command();
        command.args(["key", "--out", "out", "--model", "pass", "--device", "cpu"]);
        command.args(["--set", "despeckle=false", "--set", "despillStrength=0"]);
        command.args(["--set", "screenColor=green"]);
        command.arg("--plugin").arg(bundle()).args(arguments);
        command
    }

    fn key(&self, arguments: &[&str]) -> Run {
        Self::finish(&mut self.key_command(arguments))
    }

    /// `key` of `shot.exr` with `hint.png`.
    fn key_shot(&self, output: &str) -> Run {
        self.key(&[
            "--source", "shot.exr", "--hint", "hint.png", "--output", output,
        ])
    }

    /// The files in `out`, sorted, hidden ones included.
    fn written(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.path("out")) else {
            return Vec::new();
        };
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name())
            .map(|name: std::ffi::OsString| OsStr::to_string_lossy(&name).into_owned())
            .collect();
        names.sort();
        names
    }
}

/// Fails unless the values are within `tolerance` of each other.
#[track_caller]
fn near(found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len());
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!(
            (found - expected).abs() <= tolerance,
            "value {index}: {found} instead of {expected}"
        );
    }
}
