//! What must be known at compile time: the version stamp that the log, the host's list of plug-ins,
//! `corridorkey doctor` and `corridorkey --version` show, and the link arguments of the plug-in.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let version = std::env::var("CARGO_PKG_VERSION").unwrap_or_default();
    // A development build carries no commit: it would be compiled anew after every commit.
    let release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let commit = if release { commit() } else { None };
    let stamp = match commit {
        Some(commit) => format!("{version} ({commit})"),
        None => version,
    };
    println!("cargo:rustc-env=CORRIDORKEY_VERSION={stamp}");

    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        // Hosts unload plug-ins after describing them, but ONNX Runtime and its threads stay in
        // the process: unloading the code that they call back into would be a crash.
        println!("cargo:rustc-link-arg-cdylib=-Wl,-z,nodelete");
    }
}

/// The short hash of the commit being built, or nothing outside a git checkout (a source archive).
fn commit() -> Option<String> {
    // Every commit and checkout appends to this log, also in a linked worktree.
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"])?;
    if std::path::Path::new(&log).exists() {
        println!("cargo:rerun-if-changed={log}");
    }
    git(&["rev-parse", "--short=10", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}
