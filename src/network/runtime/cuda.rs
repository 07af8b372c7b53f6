//! Makes the libraries of CUDA available before ONNX Runtime asks for them.
//!
//! ONNX Runtime's CUDA part names the libraries that it needs and lets the system find them. Inside
//! a host application that is no use: its `LD_LIBRARY_PATH` is fixed when it starts, and belongs to
//! the host. But a library that is open already counts as found, whatever its folder, if it has the
//! name that is asked for. So each is opened here first, by its absolute path: from the folders that
//! the user names or from `cuda/` beside ONNX Runtime. One that the host has open already is used as
//! it is, since two copies of one CUDA library in a process are asking for trouble, and the log says so.
//!
//! Elsewhere than on Linux nothing is done: the system's own search has the last word.

use std::path::{Path, PathBuf};

/// The part of ONNX Runtime that needs CUDA, beside the library itself.
const PROVIDER: &str = "libonnxruntime_providers_cuda.so";

/// Opens what the CUDA part beside `library` (ONNX Runtime) needs and keeps it open. `folders` are
/// those that the user names.
///
/// A library without a CUDA part is not this function's matter: ONNX Runtime itself says so.
///
/// # Errors
/// What is missing and where it was looked for, as the middle of a sentence.
pub(super) fn prepare(library: &Path, folders: &[PathBuf]) -> Result<(), String> {
    let provider = library.with_file_name(PROVIDER);
    if !cfg!(target_os = "linux") || !library.is_absolute() || !provider.is_file() {
        return Ok(());
    }
    let needed: Vec<String> = needed(&provider)?
        .into_iter()
        .filter(|name| name.starts_with("libcu"))
        .collect();
    let mut places = folders.to_vec();
    places.extend(library.parent().map(|folder| folder.join("cuda")));
    open(&needed, &places)
}

/// The driver's own library: it comes with the driver, never with a toolkit.
const DRIVER: &str = "libcuda.so.1";

/// What ONNX Runtime and cuDNN open later and by name, so that no binary's list has it.
const LATER: [&str; 4] = [
    "libnvJitLink.so.",
    "libnvrtc.so.",
    "libcufft.so.",
    "libcudnn.so.",
];

/// Opens `needed`, libraries by their names, and what is asked for later.
fn open(needed: &[String], places: &[PathBuf]) -> Result<(), String> {
    if needed.iter().any(|name| name == DRIVER)
        && let Err(error) = linker::open(Path::new(DRIVER))
    {
        return Err(format!(
            "the NVIDIA driver is not there ({error}). Install it, or start the program in a container with access to the GPU"
        ));
    }
    let files = files(places);
    // A library is opened when those that it needs itself are open: each round opens some, unless
    // what is left cannot be opened at all.
    let mut left: Vec<&String> = needed.iter().filter(|name| *name != DRIVER).collect();
    loop {
        let before = left.len();
        let mut failed = Vec::new();
        left.retain(|name| match provide(name, &files) {
            Ok(()) => false,
            Err(error) => {
                failed.push(error);
                true
            }
        });
        if left.is_empty() {
            break;
        }
        if left.len() == before {
            return Err(missing(&left, &failed, &files, places));
        }
    }
    for stem in LATER {
        let plain = |file: &&PathBuf| name(file).is_some_and(|name| name.starts_with(stem));
        if let Some(file) = files.iter().find(plain)
            && let Some(name) = name(file)
            && !linker::is_open(name)
            && let Err(error) = linker::open(file)
        {
            log::warn!("{} could not be opened: {error}", file.display());
        }
    }
    Ok(())
}

/// Makes sure that the library of this name is open.
fn provide(name: &str, files: &[PathBuf]) -> Result<(), String> {
    if linker::is_open(name) {
        log::info!("CUDA: {name} is open in this process already and is used as it is");
        return Ok(());
    }
    let file = files.iter().find(|file| self::name(file) == Some(name));
    let path = file.map_or(Path::new(name), PathBuf::as_path);
    linker::open(path)?;
    log::info!("CUDA: {}", path.display());
    Ok(())
}

fn missing(left: &[&String], failed: &[String], files: &[PathBuf], places: &[PathBuf]) -> String {
    let names: Vec<&str> = left.iter().map(|name| name.as_str()).collect();
    // The same library of another version is the usual reason.
    let other = left.iter().find_map(|wanted| {
        let (stem, _) = wanted.split_once(".so.")?;
        let start = format!("{stem}.so.");
        let is_other = |file: &&PathBuf| {
            name(file).is_some_and(|name| name.starts_with(&start) && name != wanted.as_str())
        };
        files.iter().find(is_other)
    });
    let hint = match other {
        Some(file) => format!(
            "; {} belongs to another version of CUDA than this ONNX Runtime was built for",
            file.display()
        ),
        None => format!(
            ". Looked in {} and where the system looks: {}. Name the folder that has them in CORRIDORKEY_CUDA_LIBRARIES",
            places
                .iter()
                .map(|place| place.display().to_string())
                .collect::<Vec<_>>()
                .join(", "),
            failed.join("; "),
        ),
    };
    format!("CUDA's {} cannot be loaded{hint}", names.join(", "))
}

/// The files of the named folders, and of the folders `lib` in and just below them: NVIDIA's Python
/// packages keep each library in a `lib` of its own.
fn files(places: &[PathBuf]) -> Vec<PathBuf> {
    let list = |folder: &Path| -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(folder) else {
            return Vec::new();
        };
        let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        paths
    };
    let mut files = Vec::new();
    for place in places {
        let Ok(place) = std::path::absolute(place) else {
            continue;
        };
        let inside = list(&place);
        files.extend(list(&place.join("lib")));
        for path in inside {
            files.extend(list(&path.join("lib")));
            files.push(path);
        }
    }
    files
}

fn name(file: &Path) -> Option<&str> {
    file.file_name()?.to_str()
}

/// The names of the libraries that an ELF file needs. Only its tables are read: the file has
/// hundreds of megabytes.
#[cfg(target_os = "linux")]
fn needed(path: &Path) -> Result<Vec<String>, String> {
    use object::elf;
    use object::read::ReadCache;
    use object::read::elf::FileHeader as _;

    type Header = elf::FileHeader64<object::Endianness>;

    let read = || -> Result<Vec<String>, Box<dyn std::error::Error>> {
        let cache = ReadCache::new(std::fs::File::open(path)?);
        let header = Header::parse(&cache)?;
        let endian = header.endian()?;
        let sections = header.sections(endian, &cache)?;
        let table = sections.dynamic_table(endian, &cache)?;
        let mut names = Vec::new();
        for entry in &table {
            if entry.tag == elf::DT_NEEDED {
                names.push(String::from_utf8_lossy(table.string(entry)?).into_owned());
            }
        }
        Ok(names)
    };
    read().map_err(|error| format!("{} cannot be read: {error}", path.display()))
}

/// The same; never asked there.
#[cfg(not(target_os = "linux"))]
fn needed(_: &Path) -> Result<Vec<String>, String> {
    Ok(Vec::new())
}

/// The dynamic linker.
#[cfg(unix)]
mod linker {
    use std::path::Path;

    use libloading::os::unix::{Library, RTLD_LAZY, RTLD_LOCAL};

    /// `RTLD_NOLOAD` of `<dlfcn.h>`: opens only what is open already.
    const ONLY_IF_OPEN: i32 = if cfg!(target_os = "macos") { 0x10 } else { 4 };

    /// True if a library of this name is open.
    pub(super) fn is_open(name: &str) -> bool {
        // SAFETY: nothing is loaded, so that nothing of it runs.
        unsafe { Library::open(Some(name), RTLD_LAZY | ONLY_IF_OPEN) }.is_ok()
    }

    /// Opens a library for as long as the process lives. Its symbols are not offered to the host:
    /// whoever needs it finds it by its name.
    pub(super) fn open(path: &Path) -> Result<(), String> {
        // SAFETY: opening a library runs its initialisers: those of CUDA's own libraries, which the
        // user has installed for this purpose.
        let library = unsafe { Library::open(Some(path), RTLD_LAZY | RTLD_LOCAL) }
            .map_err(|error| super::super::library::chain(&error))?;
        std::mem::forget(library);
        Ok(())
    }
}

/// Windows finds them by its own rules.
#[cfg(windows)]
mod linker {
    use std::path::Path;

    pub(super) fn is_open(_: &str) -> bool {
        false
    }

    pub(super) fn open(_: &Path) -> Result<(), String> {
        Ok(())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::process::Command;

    /// Compiles an empty library that needs `others`, which lie beside it.
    fn library(folder: &Path, name: &str, others: &[&str]) -> PathBuf {
        let path = folder.join(name);
        let source = folder.join("empty.c");
        std::fs::write(&source, "").unwrap();
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-Wl,--no-as-needed", "-o"])
            .arg(&path)
            .arg(&source)
            .arg(format!("-Wl,-soname,{name}"))
            .arg("-L")
            .arg(folder);
        for other in others {
            cc.arg(format!("-l:{other}"));
        }
        assert!(cc.status().unwrap().success());
        path
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_binary_tells_what_it_needs() {
        let folder = tempfile::tempdir().unwrap();
        library(folder.path(), "libcuneed_a.so.13", &[]);
        let user = library(folder.path(), "libcuneed_b.so", &["libcuneed_a.so.13"]);
        let found = needed(&user).unwrap();
        assert_eq!(found[0], "libcuneed_a.so.13", "{found:?}");
        let text = folder.path().join("empty.c");
        let reason = needed(&text).unwrap_err();
        assert!(reason.contains("empty.c cannot be read"), "{reason}");
    }

    #[test]
    fn libraries_are_opened_from_the_named_folder_whatever_the_order() {
        let folder = tempfile::tempdir().unwrap();
        // As NVIDIA's Python packages have it: one folder, a `lib` in each of its folders.
        let (first, second) = (folder.path().join("one/lib"), folder.path().join("two/lib"));
        std::fs::create_dir_all(&first).unwrap();
        std::fs::create_dir_all(&second).unwrap();
        library(&first, "libcuopen_rt.so.13", &[]);
        std::fs::copy(
            first.join("libcuopen_rt.so.13"),
            second.join("libcuopen_rt.so.13"),
        )
        .unwrap();
        library(&second, "libcuopen_blas.so.13", &["libcuopen_rt.so.13"]);
        std::fs::remove_file(second.join("libcuopen_rt.so.13")).unwrap();
        // `blas` needs `rt`, which the system does not know: it must be opened before it.
        let wanted = names(&["libcuopen_blas.so.13", "libcuopen_rt.so.13"]);
        assert!(!linker::is_open("libcuopen_blas.so.13"));
        open(&wanted, &[folder.path().to_owned()]).unwrap();
        assert!(linker::is_open("libcuopen_blas.so.13") && linker::is_open("libcuopen_rt.so.13"));
        // What is open already is used as it is, even if its file is gone.
        drop(folder);
        open(&wanted, &[]).unwrap();
    }

    #[test]
    fn what_is_missing_is_named_with_the_places_and_the_way_out() {
        let folder = tempfile::tempdir().unwrap();
        let places = [folder.path().to_owned()];
        let reason = open(&names(&["libcumissing_x.so.13"]), &places).unwrap_err();
        for words in [
            "libcumissing_x.so.13",
            &folder.path().display().to_string(),
            "CORRIDORKEY_CUDA_LIBRARIES",
        ] {
            assert!(reason.contains(words), "{reason}");
        }
        library(folder.path(), "libcumissing_x.so.12", &[]);
        let reason = open(&names(&["libcumissing_x.so.13"]), &places).unwrap_err();
        assert!(
            reason.contains("libcumissing_x.so.12 belongs to another version of CUDA"),
            "{reason}"
        );
    }

    #[test]
    fn a_runtime_without_a_cuda_part_is_left_to_say_so_itself() {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("libonnxruntime.so.1.28.0");
        assert_eq!(prepare(&library, &[]), Ok(()));
        std::fs::write(folder.path().join(PROVIDER), "no library").unwrap();
        let reason = prepare(&library, &[]).unwrap_err();
        assert!(reason.contains(PROVIDER), "{reason}");
    }

    #[test]
    fn without_a_driver_that_is_what_is_said() {
        let asked = open(&names(&[DRIVER]), &[]);
        match linker::open(Path::new(DRIVER)) {
            Ok(()) => assert_eq!(asked, Ok(())),
            Err(_) => {
                let reason = asked.unwrap_err();
                assert!(
                    reason.starts_with("the NVIDIA driver is not there"),
                    "{reason}"
                );
            }
        }
    }
}
