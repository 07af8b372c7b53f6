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
    /// This machine's own linker and C library, with all features, in the workspace's own target
    /// folder: for tests and benchmarks, which share what their cargo built. Cargo has let go of
    /// that folder by the time that they run.
    Native,
}

/// How to build.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Build<'a> {
    pub(crate) workspace: &'a Workspace,
    pub(crate) profile: Profile,
    pub(crate) linking: Linking,
    /// Cargo's target folder: for what is shipped, not the one of the cargo that may be running
    /// this program.
    pub(crate) target: &'a Path,
    /// Whether cargo's output is shown only when it fails.
    pub(crate) quiet: bool,
}

/// The Rust target and the glibc that shipped binaries are linked against.
const STUDIO_TARGET: &str = "x86_64-unknown-linux-gnu";
const STUDIO_GLIBC: &str = "2.28";
/// The C compiler for build scripts: zig by way of cargo-zigbuild. The question for its version is
/// answered without the target, since zig calls a target with a glibc version an error there.
const C_COMPILER: &str = "#!/bin/sh
if [ \"$*\" = --version ]; then exec \"$CARGO_ZIGBUILD_ZIG_PATH\" cc --version; fi
exec \"$CORRIDORKEY_ZIGBUILD\" zig cc -- -g -fno-sanitize=all -target x86_64-linux-gnu.2.28 \"$@\"
";
const ZIG_REQUIREMENTS: &str = include_str!("../zig-requirements.txt");

/// What cargo calls the plug-in.
const LIBRARY: &str = "libcorridorkey.so";

const BUILD_ADVICE: &str = "The compiler's own messages say what is wrong.";

impl Build<'_> {
    /// The plug-in's shared library, without the crates that only the command needs.
    pub(crate) fn plugin(self) -> Result<PathBuf> {
        if self.linking == Linking::Native {
            // Most often the cargo that runs tests or benchmarks has just compiled this very one.
            self.compile(&["--lib"])?;
            return expect_file(self.output().join(LIBRARY));
        }
        // The command's build makes a library too, with other features but, as cargo names shared
        // libraries, in the same file; and cargo takes any new file there for its own.
        let output = self.output();
        let linked = output.join("deps").join(LIBRARY);
        let receipt = output.join("plugin-receipt");
        let known = std::fs::read_to_string(&receipt).unwrap_or_default();
        if linked.exists() && files::stamp(&linked)? != known {
            std::fs::remove_file(&linked).map_err(Error::file("remove", &linked))?;
        }
        self.compile(&["--lib", "--no-default-features"])?;
        if linked.exists() {
            files::write(&receipt, files::stamp(&linked)?.as_bytes())?;
        }
        expect_file(output.join(LIBRARY))
    }

    /// The command, with its default features.
    pub(crate) fn command(self) -> Result<PathBuf> {
        self.compile(&["--bin", COMMAND_NAME])?;
        expect_file(self.output().join(COMMAND_NAME))
    }

    /// The folder that cargo puts results into.
    fn output(self) -> PathBuf {
        let mut output = self.target.to_owned();
        if self.linking == Linking::Studio {
            output.push(STUDIO_TARGET);
        }
        output.push(self.profile.folder());
        output
    }

    fn compile(self, what: &[&str]) -> Result<()> {
        let mut cargo = match self.linking {
            Linking::Native => {
                let mut cargo = process::cargo();
                cargo.arg("build");
                cargo
            }
            Linking::Studio => zigbuild(self.workspace)?,
        };
        cargo
            .current_dir(self.workspace.root())
            .args(["--locked", "--package", "corridorkey"])
            .args(what)
            .arg("--target-dir")
            .arg(self.target);
        if self.linking == Linking::Studio {
            cargo.args(["--target", &format!("{STUDIO_TARGET}.{STUDIO_GLIBC}")]);
        }
        if self.profile == Profile::Release {
            cargo.arg("--release");
        }
        if self.linking == Linking::Studio {
            cargo.args(["--config", "profile.release.strip=\"symbols\""]);
            set_flags(&mut cargo, self.workspace);
        }
        if self.quiet {
            process::capture(cargo.arg("--quiet"), BUILD_ADVICE)?;
            return Ok(());
        }
        process::run(&mut cargo, BUILD_ADVICE)
    }
}

/// Keeps this machine's folders out of shipped binaries (panic messages carry source paths), and the
/// binaries small.
fn set_flags(cargo: &mut Command, workspace: &Workspace) {
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
    // Functions are copied into their callers up to a third of the usual size, or the bundle would
    // outgrow its limit. What has to be inlined for speed says so itself.
    flags.push("-Cllvm-args=--inline-threshold=75".into());
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
    let compiler = cache.join("zigcc.sh");
    files::write(&compiler, C_COMPILER.as_bytes())?;
    files::set_mode(&compiler, 0o755)?;
    let zigbuild = tools.join("bin/cargo-zigbuild");
    let mut command = Command::new(&zigbuild);
    process::scrub(&mut command);
    command
        .arg("zigbuild")
        .env("CC_x86_64_unknown_linux_gnu", &compiler)
        .env("CORRIDORKEY_ZIGBUILD", &zigbuild)
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
