//! Finds the library of ONNX Runtime and decides whether it may be used, before it is initialised.
//!
//! Every candidate is examined first: a failure later would be a panic inside the binding, and
//! official libraries from 1.29 on report home from their first moment, so that one of those is
//! only used where the user has already switched that off.

use std::ffi::{CStr, c_char};
use std::path::{Path, PathBuf};

use super::super::options::Options;

/// The oldest API that is enough: `api-20` of the binding.
const OLDEST_MINOR: u32 = 20;
/// The first official version with telemetry on by default.
const TELEMETRY_MINOR: u32 = 29;

/// The files to try, in order; or a place and why there is none in it.
pub(super) fn candidates(
    options: &Options,
    module: Option<&Path>,
) -> Vec<std::result::Result<PathBuf, (PathBuf, String)>> {
    if let Some(path) = &options.library {
        // A bare name is what the user asks for to share the host's own library. Anything else
        // has to be absolute: what it would be relative to is nobody's guess inside a host.
        let bare = path.components().count() == 1 && path.file_name().is_some();
        let one = if path.is_absolute() {
            Ok(path.clone())
        } else if bare {
            Ok(beside_executable(path).unwrap_or_else(|| path.clone()))
        } else {
            Err((
                path.clone(),
                "CORRIDORKEY_ORT_DYLIB must be an absolute path".to_owned(),
            ))
        };
        return vec![one];
    }
    let Some(folder) = module.and_then(Path::parent) else {
        return Vec::new();
    };
    let mut folders = vec![folder.to_owned()];
    if let Some(contents) = folder.parent() {
        folders.push(contents.join("Frameworks"));
        folders.push(contents.join("Resources").join("onnxruntime"));
    }
    let mut files: Vec<_> = folders
        .iter()
        .flat_map(|folder| libraries_in(folder))
        .map(Ok)
        .collect();
    if files.is_empty() {
        files.push(Err((
            folder.to_owned(),
            "there is no ONNX Runtime library in this folder of the plug-in".into(),
        )));
    }
    files
}

/// The binding looks for a relative name beside the host's executable first; what is examined
/// here has to be the same file.
fn beside_executable(name: &Path) -> Option<PathBuf> {
    let path = std::env::current_exe().ok()?.parent()?.join(name);
    path.exists().then_some(path)
}

/// ONNX Runtime libraries in a folder, the plainest name first. Provider libraries
/// (`libonnxruntime_providers_…`) are not it.
fn libraries_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            path.file_name()
                .and_then(|name| name.to_str())
                .is_some_and(is_library_name)
        })
        .collect();
    paths.sort_by_key(|path| (path.as_os_str().len(), path.clone()));
    // The folder may have been named relative to something; the binding must not guess.
    paths
        .into_iter()
        .filter_map(|path| std::path::absolute(path).ok())
        .collect()
}

fn is_library_name(name: &str) -> bool {
    name == "onnxruntime.dll"
        || name == "libonnxruntime.so"
        || name
            .strip_prefix("libonnxruntime.so.")
            .is_some_and(|rest| !rest.is_empty())
        || (name
            .strip_prefix("libonnxruntime.")
            .is_some_and(|rest| rest.ends_with("dylib")))
}

/// A library that may be initialised. It stays open until then, so that it cannot change.
#[derive(Debug)]
pub struct Examined {
    pub(super) version: String,
    pub(super) library: libloading::Library,
}

impl Examined {
    /// The library's own version.
    pub fn version(&self) -> &str {
        &self.version
    }
}

/// Opens a library and decides whether it may be used, without initialising it.
///
/// # Errors
/// Why it may not, as the middle of a sentence; with the dynamic linker's own words.
pub fn examine(path: &Path, telemetry_disabled: bool) -> std::result::Result<Examined, String> {
    if path.is_absolute() && !path.is_file() {
        return Err("there is no such file".into());
    }
    // SAFETY: opening a library runs its initialisers. That is what the user asked for by putting
    // it into the bundle or naming it; ONNX Runtime's own are harmless, and nothing can be learnt
    // about a library's version without opening it.
    let library = unsafe { libloading::Library::new(path) }
        .map_err(|error| format!("it cannot be loaded: {}", chain(&error)))?;
    let base = base(&library)?;
    let version = version(base)?;
    let foreign = || {
        format!("its version is \"{version}\", which is no version of ONNX Runtime that is known")
    };
    let mut parts = version.split('.').map(|part| part.parse::<u32>().ok());
    let (Some(Some(major)), Some(Some(minor))) = (parts.next(), parts.next()) else {
        return Err(foreign());
    };
    if major != 1 {
        return Err(foreign());
    }
    if minor < OLDEST_MINOR {
        return Err(format!(
            "its version is {version}, which is too old; 1.{OLDEST_MINOR} is the oldest that works"
        ));
    }
    if minor >= TELEMETRY_MINOR && !telemetry_disabled {
        return Err(format!(
            "its version is {version}, and official builds from 1.{TELEMETRY_MINOR} on send usage data to their vendor; use 1.28, or set ORT_DISABLE_TELEMETRY=1 before the program starts"
        ));
    }
    // SAFETY: the table's functions may be called at any time; this one returns a constant table
    // or null.
    if unsafe { (base.GetApi)(ort::sys::ORT_API_VERSION) }.is_null() {
        return Err(format!(
            "its version is {version}, but it lacks the programming interface 1.{OLDEST_MINOR}"
        ));
    }
    Ok(Examined { version, library })
}

fn base(library: &libloading::Library) -> std::result::Result<&ort::sys::OrtApiBase, String> {
    type GetBase = unsafe extern "C" fn() -> *const ort::sys::OrtApiBase;
    // SAFETY: the type is that of the function of this name in onnxruntime_c_api.h, whose
    // signature has never changed. A library that exports the name with another meaning cannot be
    // guarded against.
    let get = unsafe { library.get::<GetBase>(b"OrtGetApiBase\0") }
        .map_err(|_| "it is not ONNX Runtime (it does not export OrtGetApiBase)".to_owned())?;
    // SAFETY: the function takes nothing and returns null or a table that lives as long as the
    // library, which the result borrows.
    unsafe { get().as_ref() }
        .ok_or_else(|| "it is not a usable ONNX Runtime (OrtGetApiBase gives nothing)".into())
}

fn version(base: &ort::sys::OrtApiBase) -> std::result::Result<String, String> {
    // SAFETY: the table's functions may be called at any time; this one returns a constant string
    // of the library's or null.
    let text: *const c_char = unsafe { (base.GetVersionString)() };
    if text.is_null() {
        return Err("it is not a usable ONNX Runtime (it does not tell its version)".into());
    }
    // SAFETY: not null, ends with a null, and lives as long as the library, which `base` borrows.
    Ok(unsafe { CStr::from_ptr(text) }
        .to_string_lossy()
        .into_owned())
}

/// An error with its causes, in one line: the dynamic linker's own words are only in a cause.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    one_line(&text)
}

pub(super) fn one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    // Our sentence goes on behind it.
    line.trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use std::process::Command;

    /// Builds a shared library from Rust source, so that libraries of every kind can be met.
    fn library(folder: &Path, source: &str) -> PathBuf {
        let (from, to) = (folder.join("fake.rs"), folder.join("libonnxruntime.so.1"));
        std::fs::write(&from, source).unwrap();
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let output = Command::new(rustc)
            .args([
                "--edition",
                "2021",
                "--crate-type",
                "cdylib",
                "-C",
                "panic=abort",
                "-o",
            ])
            .arg(&to)
            .arg(&from)
            .output()
            .expect("rustc runs");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        to
    }

    /// A library with ONNX Runtime's entry that tells this version and, when anybody asks for the
    /// interface, leaves a file named `initialised` beside itself.
    fn fake(folder: &Path, version: &str) -> PathBuf {
        let mark = folder.join("initialised");
        library(
            folder,
            &format!(
                r#"
                use std::ffi::{{c_char, c_void}};
                #[repr(C)] pub struct Base(extern "C" fn(u32) -> *const c_void, extern "C" fn() -> *const c_char);
                extern "C" fn api(_: u32) -> *const c_void {{
                    let _ = std::fs::write({mark:?}, "");
                    std::ptr::null()
                }}
                extern "C" fn version() -> *const c_char {{ concat!({version:?}, "\0").as_ptr().cast() }}
                static BASE: Base = Base(api, version);
                #[no_mangle] pub extern "C" fn OrtGetApiBase() -> *const Base {{ &BASE }}
                "#
            ),
        )
    }

    fn refusal(path: &Path, telemetry_disabled: bool) -> String {
        examine(path, telemetry_disabled).expect_err("it must be refused")
    }

    #[test]
    fn what_is_missing_or_no_library_is_refused_in_the_linker_s_words() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(
            refusal(&folder.path().join("libonnxruntime.so"), false),
            "there is no such file"
        );
        let text = folder.path().join("text.so");
        std::fs::write(&text, "this is not a library").unwrap();
        let reason = refusal(&text, false);
        assert!(reason.starts_with("it cannot be loaded: "), "{reason}");
        if cfg!(target_os = "linux") {
            assert!(
                reason.contains("file too short") || reason.contains("invalid ELF header"),
                "{reason}"
            );
        }
    }

    #[test]
    fn a_foreign_library_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = library(
            folder.path(),
            "#[no_mangle] pub extern \"C\" fn something() {}",
        );
        assert!(refusal(&path, false).contains("does not export OrtGetApiBase"));
        let empty = tempfile::tempdir().unwrap();
        let source =
            "#[no_mangle] pub extern \"C\" fn OrtGetApiBase() -> *const u8 { std::ptr::null() }";
        assert!(refusal(&library(empty.path(), source), false).contains("gives nothing"));
        for version in ["2.0.0", "one", ""] {
            let folder = tempfile::tempdir().unwrap();
            assert!(
                refusal(&fake(folder.path(), version), true).contains("no version of ONNX Runtime"),
                "{version}"
            );
        }
    }

    #[test]
    fn an_old_library_is_refused_with_both_versions() {
        let folder = tempfile::tempdir().unwrap();
        let reason = refusal(&fake(folder.path(), "1.19.2"), false);
        assert!(
            reason.contains("1.19.2") && reason.contains("1.20"),
            "{reason}"
        );
    }

    #[test]
    fn a_library_that_reports_home_is_refused_untouched_unless_the_user_has_switched_that_off() {
        for version in ["1.29.0", "1.31.1"] {
            let folder = tempfile::tempdir().unwrap();
            let path = fake(folder.path(), version);
            let reason = refusal(&path, false);
            assert!(reason.contains("ORT_DISABLE_TELEMETRY"), "{reason}");
            assert!(
                !folder.path().join("initialised").exists(),
                "it was asked for more than its version"
            );
            // With telemetry off it is asked for its interface, which this one does not have.
            assert!(refusal(&path, true).contains("lacks the programming interface"));
            assert!(folder.path().join("initialised").exists());
        }
    }

    #[test]
    fn the_library_is_looked_for_where_the_bundle_has_it_and_nowhere_near_the_host() {
        let folder = tempfile::tempdir().unwrap();
        let binary = folder
            .path()
            .join("Contents")
            .join("Linux-x86-64")
            .join("CorridorKey.ofx");
        std::fs::create_dir_all(binary.parent().unwrap()).unwrap();
        let options = Options::default();
        let none = candidates(&options, Some(&binary));
        assert!(
            matches!(&none[..], [Err((_, reason))] if reason.contains("no ONNX Runtime")),
            "{none:?}"
        );
        for name in [
            "libonnxruntime_providers_shared.so",
            "libonnxruntime.so.1.28.0",
            "libonnxruntime.so.1",
        ] {
            std::fs::write(binary.with_file_name(name), "").unwrap();
        }
        let found: Vec<_> = candidates(&options, Some(&binary))
            .into_iter()
            .map(|file| file.unwrap())
            .collect();
        assert_eq!(
            found,
            [
                binary.with_file_name("libonnxruntime.so.1"),
                binary.with_file_name("libonnxruntime.so.1.28.0")
            ]
        );
        assert!(candidates(&options, None).is_empty());
    }

    #[test]
    fn a_library_that_is_named_is_the_only_one_tried() {
        let named = |path: &str| {
            let options = Options {
                library: Some(path.into()),
                ..Options::default()
            };
            candidates(
                &options,
                Some(Path::new("/plugin/Contents/Linux-x86-64/CorridorKey.ofx")),
            )
        };
        assert_eq!(
            named("/opt/ort/libonnxruntime.so"),
            [Ok("/opt/ort/libonnxruntime.so".into())]
        );
        assert_eq!(
            named("libonnxruntime.so.1"),
            [Ok("libonnxruntime.so.1".into())]
        );
        assert!(
            matches!(&named("lib/libonnxruntime.so")[..], [Err((_, reason))] if reason.contains("absolute"))
        );
    }

    #[test]
    fn library_names_are_told_from_those_of_providers() {
        for name in [
            "libonnxruntime.so",
            "libonnxruntime.so.1.28.0",
            "libonnxruntime.1.28.0.dylib",
            "libonnxruntime.dylib",
            "onnxruntime.dll",
        ] {
            assert!(is_library_name(name), "{name}");
        }
        for name in [
            "libonnxruntime_providers_cuda.so",
            "libonnxruntime.txt",
            "onnxruntime.lib",
            "libonnxruntime.so.",
        ] {
            assert!(!is_library_name(name), "{name}");
        }
    }
}
