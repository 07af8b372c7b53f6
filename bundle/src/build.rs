//! Compiling the plug-in and the command, for shipping (against an old glibc) or for this machine.

use crate::files::{self, Lock, Staging};
use crate::process;
use crate::runtime::PIP_ADVICE;
use crate::workspace::{COMMAND_NAME, Workspace};
use crate::{Error, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The cargo profile that binaries are built with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Optimised and stripped: what is shipped.
    Release,
    /// Quick to build: what tests load.
    Dev,
}

impl Profile {
    /// The name of cargo's output folder for this profile.
    fn folder(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Dev => "debug",
        }
    }
}

/// Which C library the binaries are linked against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Linking {
    /// glibc 2.28, through zig: runs on every distribution that studios use.
    Studio,
    /// This machine's own linker and C library.
    Native,
}

/// What to build.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Build<'a> {
    pub(crate) workspace: &'a Workspace,
    pub(crate) profile: Profile,
    pub(crate) linking: Linking,
    /// Below which cargo target folder, so that the two parts do not overwrite each other's
    /// library (cargo gives a `cdylib` the same file name whatever its features are).
    pub(crate) target: &'a Path,
}

/// The Rust target and the glibc that shipped binaries are linked against.
const STUDIO_TARGET: &str = "x86_64-unknown-linux-gnu";
const STUDIO_GLIBC: &str = "2.28";
const ZIG_REQUIREMENTS: &str = include_str!("../zig-requirements.txt");

const BUILD_ADVICE: &str = "The compiler's own messages say what is wrong.";

/// The plug-in's shared library, without the crates that only the command needs.
pub(crate) fn plugin(build: Build<'_>, quiet: bool) -> Result<PathBuf> {
    let output = compile(build, &["--lib", "--no-default-features"], quiet)?;
    expect_file(output.join("libcorridorkey.so"))
}

/// The command, with its default features.
pub(crate) fn command(build: Build<'_>, quiet: bool) -> Result<PathBuf> {
    let output = compile(build, &["--bin", COMMAND_NAME], quiet)?;
    expect_file(output.join(COMMAND_NAME))
}

/// Runs cargo and gives the folder that the result is in.
fn compile(build: Build<'_>, what: &[&str], quiet: bool) -> Result<PathBuf> {
    let mut cargo = match build.linking {
        Linking::Native => {
            let mut cargo = process::cargo();
            cargo.arg("build");
            cargo
        }
        Linking::Studio => zigbuild(build.workspace)?,
    };
    cargo
        .current_dir(build.workspace.root())
        .args(["--locked", "--package", "corridorkey"])
        .args(what)
        .arg("--target-dir")
        .arg(build.target);
    if quiet {
        cargo.arg("--quiet");
    }
    let mut output = build.target.to_owned();
    if build.linking == Linking::Studio {
        cargo.args(["--target", &format!("{STUDIO_TARGET}.{STUDIO_GLIBC}")]);
        output.push(STUDIO_TARGET);
    }
    output.push(build.profile.folder());
    if build.profile == Profile::Release {
        cargo.args(["--release", "--config", "profile.release.strip=\"symbols\""]);
        remap_paths(&mut cargo, build.workspace);
    }
    if quiet {
        process::capture(&mut cargo, BUILD_ADVICE)?;
    } else {
        process::run(&mut cargo, BUILD_ADVICE)?;
    }
    Ok(output)
}

/// Keeps this machine's folders out of shipped binaries (panic messages carry source paths).
fn remap_paths(cargo: &mut Command, workspace: &Workspace) {
    let mut flags: Vec<String> = std::env::var("CARGO_ENCODED_RUSTFLAGS")
        .map(|flags| flags.split('\u{1f}').map(str::to_owned).collect())
        .or_else(|_| {
            std::env::var("RUSTFLAGS")
                .map(|flags| flags.split_whitespace().map(str::to_owned).collect())
        })
        .unwrap_or_default();
    flags.retain(|flag| !flag.is_empty());
    // rustc lets the last matching prefix win, so the more general folder comes first.
    if let Some(home) = cargo_home() {
        flags.push(format!("--remap-path-prefix={}=cargo", home.display()));
    }
    let root = workspace.root().display();
    flags.push(format!("--remap-path-prefix={root}=corridorkey"));
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
}

/// Where cargo keeps package sources.
pub(crate) fn cargo_home() -> Option<PathBuf> {
    match std::env::var_os("CARGO_HOME") {
        Some(folder) if !folder.is_empty() => Some(folder.into()),
        _ => std::env::var_os("HOME").map(|home| Path::new(&home).join(".cargo")),
    }
}

/// `cargo zigbuild`, installed below the target folder when it is not there yet.
fn zigbuild(workspace: &Workspace) -> Result<Command> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err(Error::Unsupported(
            "Linking for studios is set up on x86-64 Linux only; use --native here.".to_owned(),
        ));
    }
    let tools = zig_tools(workspace)?;
    let cache = workspace.target("tools/cache");
    files::create_folder(&cache)?;
    let mut command = Command::new(tools.join("bin/cargo-zigbuild"));
    process::scrub(&mut command);
    command
        .arg("zigbuild")
        .env("CARGO_ZIGBUILD_ZIG_PATH", tools.join("ziglang/zig"))
        .env("CARGO_ZIGBUILD_CACHE_DIR", cache.join("zigbuild"))
        .env("ZIG_GLOBAL_CACHE_DIR", cache.join("zig"));
    Ok(command)
}

fn zig_tools(workspace: &Workspace) -> Result<PathBuf> {
    const RECEIPT: &str = "requirements.txt";
    let folder = workspace.target("tools/zig");
    let _lock = Lock::acquire(&workspace.target("tools/lock"))?;
    let receipt = folder.join(RECEIPT);
    if receipt.is_file() && files::read_text(&receipt)? == ZIG_REQUIREMENTS {
        return Ok(folder);
    }
    let staging = Staging::beside(&folder)?;
    let requirements = staging.folder().join(RECEIPT);
    files::write(&requirements, ZIG_REQUIREMENTS.as_bytes())?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--no-deps"])
        .args(["--disable-pip-version-check", "--no-input"])
        .args(["--only-binary=:all:", "--require-hashes", "--target"])
        .arg(staging.folder())
        .arg("--requirement")
        .arg(&requirements);
    process::capture(&mut pip, PIP_ADVICE)?;
    staging.finish()
}

fn expect_file(path: PathBuf) -> Result<PathBuf> {
    if path.is_file() {
        return Ok(path);
    }
    Err(Error::Missing {
        what: "the file that cargo should have built",
        path,
        advice: "look for a cargo configuration that moves its output.",
    })
}
