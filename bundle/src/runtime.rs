//! ONNX Runtime: the pinned library, fetched once with pip and kept below the target folder.
//!
//! The version is pinned for privacy: 1.28.0 is the last official build without telemetry on
//! Linux. The Python package index is where its builders publish it; pip is the client that a
//! studio's mirror or proxy is already configured for.

use crate::files::{self, Lock, Staging};
use crate::process;
use crate::workspace::Workspace;
use crate::{Error, Result};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The pinned version.
pub(crate) const VERSION: &str = "1.28.0";
/// The library's file name, in the package and in the bundle.
pub(crate) const LIBRARY_NAME: &str = "libonnxruntime.so.1.28.0";
/// The sha256 of the library for processors alone.
pub(crate) const LIBRARY_SHA256: &str =
    "aa4079d18f4ea7a5f3a94d80cd4bbe0f2740436626622d64d793803a20381083";
/// The part that uses CUDA: its presence tells a bundle for NVIDIA's GPUs.
pub(crate) const CUDA_PART: &str = "libonnxruntime_providers_cuda.so";

/// A build of the library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// For processors alone.
    Cpu,
    /// For NVIDIA's GPUs too: CUDA 13 and cuDNN 9 have to be on the machine.
    Cuda,
}

impl Flavour {
    /// The folder below the target folder.
    fn folder(self) -> &'static str {
        match self {
            Self::Cpu => "onnxruntime/1.28.0",
            Self::Cuda => "onnxruntime/1.28.0-cuda",
        }
    }

    /// The Python package that it comes in.
    fn package(self) -> &'static str {
        match self {
            Self::Cpu => "onnxruntime",
            Self::Cuda => "onnxruntime-gpu",
        }
    }

    /// The sha256 of that package for x86-64 Linux and CPython 3.11 (CPU) or 3.12 (CUDA).
    fn wheel_sha256(self) -> &'static str {
        match self {
            Self::Cpu => "a166b78ee04f3a37fa1ef82034b6a3ce96d9684e582d4d30b296de83e9998bb5",
            Self::Cuda => "3b3a63cecd239d72432cd44569d047de8f4d69e471cd5f60f7ac7fc8769be5ec",
        }
    }

    /// The interpreter that the package is for. It is named so that every machine gets the very
    /// same file: only the libraries inside are used, and they are the same for every Python.
    fn python(self) -> (&'static str, &'static str) {
        match self {
            Self::Cpu => ("3.11", "cp311"),
            Self::Cuda => ("3.12", "cp312"),
        }
    }

    /// The libraries: their names, in the package and in the bundle, and their sha256.
    pub(crate) fn libraries(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Cpu => &[(LIBRARY_NAME, LIBRARY_SHA256)],
            Self::Cuda => &[
                (
                    LIBRARY_NAME,
                    "018d05f615e96f6e0cfb95d2865f63915681d5d2688dd187f599822b245d27bc",
                ),
                (
                    "libonnxruntime_providers_shared.so",
                    "086ec1d5388f64153d9c63470d126693db9a182c8ce236d3a1119068471b8a0d",
                ),
                (
                    CUDA_PART,
                    "c5b5b5cff02eb02f9bb73e36bae51328dc5027642778bffc5065c9ab49419389",
                ),
            ],
        }
    }

    /// What is taken out of the package, and what it is called here.
    fn members(self) -> Vec<(String, &'static str)> {
        let libraries = self.libraries().iter();
        libraries
            .map(|(name, _)| (format!("onnxruntime/capi/{name}"), *name))
            .chain([
                ("onnxruntime/LICENSE".to_owned(), LICENCE),
                ("onnxruntime/ThirdPartyNotices.txt".to_owned(), NOTICES),
            ])
            .collect()
    }
}

const LICENCE: &str = "LICENSE";
const NOTICES: &str = "ThirdPartyNotices.txt";

/// Advice for every failure of pip.
pub(crate) const PIP_ADVICE: &str = "Python's pip is needed (on Debian: apt-get install \
    python3-pip), and a package index that it can reach.";

/// The fetched files, all absolute paths.
#[derive(Debug, Clone)]
pub(crate) struct Runtime {
    /// ONNX Runtime itself.
    pub(crate) library: PathBuf,
    /// All libraries, that one included.
    pub(crate) libraries: Vec<PathBuf>,
    /// ONNX Runtime's licence.
    pub(crate) licence: PathBuf,
    /// The notices of what is built into ONNX Runtime.
    pub(crate) notices: PathBuf,
}

/// The pinned ONNX Runtime library for this machine, fetched when it is not there yet.
///
/// # Errors
/// On a platform that no library is pinned for, without pip or a reachable package index, and when
/// what arrives is not what is pinned.
pub fn onnx_runtime() -> Result<PathBuf> {
    fetch(&Workspace::here(), Flavour::Cpu).map(|runtime| runtime.library)
}

/// The pinned ONNX Runtime with its licence and notices, below `workspace`'s target folder.
///
/// Safe to call from several processes at once: one fetches, the others wait and find it there.
///
/// # Errors
/// As [`onnx_runtime`].
pub(crate) fn fetch(workspace: &Workspace, flavour: Flavour) -> Result<Runtime> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err(Error::Unsupported(format!(
            "ONNX Runtime {VERSION} is pinned for x86-64 Linux only, and this machine is {} {}. \
             Set CORRIDORKEY_ORT_DYLIB to a library of your own to run the plug-in here.",
            std::env::consts::ARCH,
            std::env::consts::OS,
        )));
    }
    let folder = workspace.target(flavour.folder());
    let _lock = Lock::acquire(&workspace.target("onnxruntime/lock"))?;
    if !complete(&folder, flavour)? {
        let staging = Staging::beside(&folder)?;
        let wheel = download(staging.folder(), flavour)?;
        unpack(&wheel, staging.folder(), flavour)?;
        std::fs::remove_file(&wheel).map_err(Error::file("remove", &wheel))?;
        staging.finish()?;
    }
    Ok(Runtime {
        library: folder.join(LIBRARY_NAME),
        libraries: flavour
            .libraries()
            .iter()
            .map(|(name, _)| folder.join(name))
            .collect(),
        licence: folder.join(LICENCE),
        notices: folder.join(NOTICES),
    })
}

/// Whether the folder holds everything and the libraries are the pinned ones.
fn complete(folder: &Path, flavour: Flavour) -> Result<bool> {
    let mut names = flavour.members().into_iter().map(|(_, name)| name);
    if !names.all(|name| folder.join(name).is_file()) {
        return Ok(false);
    }
    for (name, sha256) in flavour.libraries() {
        if files::sha256(&folder.join(name))? != *sha256 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Lets pip fetch the package into `folder` and checks it against the pin.
fn download(folder: &Path, flavour: Flavour) -> Result<PathBuf> {
    let (python, abi) = flavour.python();
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--no-deps"])
        .args(["--disable-pip-version-check", "--no-input"])
        .args(["--only-binary=:all:", "--implementation", "cp"])
        .args(["--python-version", python, "--abi", abi])
        .args(["--platform", "manylinux_2_27_x86_64", "--dest"])
        .arg(folder)
        .arg(format!("{}=={VERSION}", flavour.package()));
    process::capture(&mut pip, PIP_ADVICE)?;
    let wheel = files::entries(folder)?
        .into_iter()
        .find(|path| path.extension().is_some_and(|kind| kind == "whl"))
        .ok_or_else(|| Error::Invalid {
            path: folder.to_owned(),
            reason: "pip reported success but left no package here".to_owned(),
        })?;
    expect_sha256(&wheel, flavour.wheel_sha256(), "the ONNX Runtime package")?;
    Ok(wheel)
}

fn unpack(wheel: &Path, folder: &Path, flavour: Flavour) -> Result<()> {
    let invalid = |reason: String| Error::Invalid {
        path: wheel.to_owned(),
        reason,
    };
    let file = File::open(wheel).map_err(Error::file("read", wheel))?;
    let mut archive = zip::ZipArchive::new(file).map_err(|error| invalid(error.to_string()))?;
    for (member, name) in flavour.members() {
        let mut from = archive
            .by_name(&member)
            .map_err(|error| invalid(format!("{member}: {error}")))?;
        let path = folder.join(name);
        let mut to = File::create(&path).map_err(Error::file("write", &path))?;
        std::io::copy(&mut from, &mut to).map_err(Error::file("write", &path))?;
    }
    for (name, sha256) in flavour.libraries() {
        expect_sha256(&folder.join(name), sha256, "a library of ONNX Runtime")?;
    }
    Ok(())
}

fn expect_sha256(path: &Path, expected: &str, what: &str) -> Result<()> {
    let found = files::sha256(path)?;
    if found == expected {
        return Ok(());
    }
    Err(Error::Checksum {
        what: what.to_owned(),
        path: path.to_owned(),
        found,
        expected: expected.to_owned(),
        advice: "Check the package index or mirror that pip is configured for.",
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_pinned_library_arrives_with_its_licence_and_is_kept() {
        let workspace = Workspace::here();
        let runtime = fetch(&workspace, Flavour::Cpu).unwrap();
        assert_eq!(files::sha256(&runtime.library).unwrap(), LIBRARY_SHA256);
        let licence = files::read_text(&runtime.licence).unwrap();
        assert!(licence.contains("MIT License"), "{licence}");
        assert!(std::fs::metadata(&runtime.notices).unwrap().len() > 100_000);
        let before = std::fs::metadata(&runtime.library).unwrap().modified();
        let again = onnx_runtime().unwrap();
        assert_eq!(again, runtime.library);
        assert_eq!(
            std::fs::metadata(&again).unwrap().modified().unwrap(),
            before.unwrap()
        );
    }

    #[test]
    fn an_altered_file_is_refused_with_both_digests() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("altered");
        std::fs::write(&file, "something else").unwrap();
        let error = expect_sha256(&file, LIBRARY_SHA256, "the library")
            .unwrap_err()
            .to_string();
        assert!(error.contains(LIBRARY_SHA256), "{error}");
        assert!(error.contains(&files::sha256(&file).unwrap()), "{error}");
    }

    #[test]
    fn a_library_that_was_altered_in_the_cache_is_not_complete() {
        let folder = tempfile::tempdir().unwrap();
        for (_, name) in Flavour::Cpu.members() {
            std::fs::write(folder.path().join(name), "altered").unwrap();
        }
        assert!(!complete(folder.path(), Flavour::Cpu).unwrap());
    }
}
