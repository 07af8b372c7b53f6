//! The network and the process around it: home folder, environment, libraries, exit.
//!
//! A process can load but one ONNX Runtime and never lets it go, so each test here runs itself
//! again in a process of its own.
//!
//! The library comes from `CORRIDORKEY_ORT_DYLIB` or from the bundle's cache. Without it these
//! tests fail: there is nothing to test.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/models.rs"]
mod models;
#[path = "support/onnx.rs"]
mod onnx;
#[path = "support/bench.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use corridorkey::network::options::Options;
use corridorkey::network::{DeviceChoice, Model, PrecisionChoice, Request, Service};
use support::{LIBRARY, picture};

fn predict(
    service: &Service,
    model: &Model,
) -> corridorkey::network::Result<corridorkey::network::Outcome> {
    let request = Request {
        model,
        device: DeviceChoice::Auto,
        precision: PrecisionChoice::Auto,
        input: &picture(64, 64),
        refiner_strength: 1.0,
    };
    service.predict(&request, &|| false)
}

/// Runs one test of this file in a process of its own.
fn child(test: &str, prepare: impl FnOnce(&mut Command)) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", test, "--nocapture"])
        .env("CORRIDORKEY_TEST_CHILD", test);
    command.env("CORRIDORKEY_ORT_DYLIB", &*LIBRARY);
    prepare(&mut command);
    command.output().unwrap()
}

fn assert_passed(output: &Output) {
    let said = [&output.stdout[..], &output.stderr]
        .map(String::from_utf8_lossy)
        .concat();
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
}

fn is_child(test: &str) -> bool {
    std::env::var_os("CORRIDORKEY_TEST_CHILD").is_some_and(|name| name == test)
}

fn everything_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        if entry.path().is_dir() {
            found.extend(everything_below(&entry.path()));
        }
        found.push(entry.path());
    }
    found
}

#[test]
fn nothing_is_written_to_the_user_s_home_and_the_environment_stays_as_it_was() {
    const NAME: &str = "nothing_is_written_to_the_user_s_home_and_the_environment_stays_as_it_was";
    if is_child(NAME) {
        let before: Vec<_> = std::env::vars_os().collect();
        let folder = tempfile::tempdir().unwrap();
        let graph = onnx::transparent();
        let model = Model::read(&models::model(folder.path(), "test", &graph)).unwrap();
        // The process's own service, whose session is still there when the process ends.
        predict(Service::global(), &model).unwrap();
        assert_eq!(Service::global().status().sessions.len(), 1);
        assert_eq!(std::env::vars_os().collect::<Vec<_>>(), before);
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let output = child(NAME, |command| {
        command
            .env("HOME", home.path())
            .env_remove("XDG_CACHE_HOME")
            .env_remove("XDG_DATA_HOME")
            .env_remove("XDG_CONFIG_HOME");
    });
    assert_passed(&output);
    assert_eq!(everything_below(home.path()), Vec::<PathBuf>::new());
}

#[test]
fn without_a_library_there_is_a_sentence_and_another_attempt_finds_it() {
    const NAME: &str = "without_a_library_there_is_a_sentence_and_another_attempt_finds_it";
    if is_child(NAME) {
        let home = tempfile::tempdir().unwrap();
        let binary = home.path().join("Contents/Linux-x86-64/CorridorKey.ofx");
        std::fs::create_dir_all(binary.parent().unwrap()).unwrap();
        let graph = onnx::transparent();
        let model = Model::read(&models::model(home.path(), "test", &graph)).unwrap();
        let service = Service::new(Options::default(), Some(&binary));
        let error = predict(&service, &model).unwrap_err();
        assert_eq!(error.code(), "runtime.library");
        assert!(error.to_string().contains("Linux-x86-64"), "{error}");
        assert_eq!(service.status().library_error, Some(error));
        // A text that calls itself a library comes with the linker's words.
        let fake = binary.with_file_name("libonnxruntime.so.1.28.0");
        std::fs::write(&fake, "not a library").unwrap();
        let error = predict(&service, &model).unwrap_err();
        assert!(error.to_string().contains("it cannot be loaded"), "{error}");
        // Once the library is there, the plug-in works without a restart.
        std::fs::copy(&*LIBRARY, &fake).unwrap();
        predict(&service, &model).unwrap();
        assert_eq!(service.status().library_error, None);
        return;
    }
    let output = child(NAME, |_| {});
    assert_passed(&output);
}

#[test]
fn the_environment_s_mistakes_are_told_by_the_global_service_instead_of_ignored() {
    const NAME: &str =
        "the_environment_s_mistakes_are_told_by_the_global_service_instead_of_ignored";
    if is_child(NAME) {
        let error = Service::global().select(DeviceChoice::Auto).unwrap_err();
        assert_eq!(error.code(), "setting.value");
        assert!(error.to_string().contains("CORRIDORKEY_THREADS"), "{error}");
        assert_eq!(Service::global().status().library_error, Some(error));
        return;
    }
    let output = child(NAME, |command| {
        command.env("CORRIDORKEY_THREADS", "lots");
    });
    assert_passed(&output);
}

/// A library with the name by which the CUDA part of every ONNX Runtime finds its runtime, open for
/// the whole process.
#[cfg(target_os = "linux")]
fn cuda_part(path: &Path) -> libloading::os::unix::Library {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
    let source = path.with_extension("rs");
    std::fs::write(
        &source,
        "#[no_mangle] pub extern \"C\" fn Provider_GetHost() {}",
    )
    .unwrap();
    let built = Command::new("rustc")
        .args(["--edition", "2021", "--crate-type", "cdylib"])
        .args(["--crate-name", "part", "-C", "panic=abort", "-o"])
        .args([path, &source])
        .status()
        .unwrap();
    assert!(built.success());
    // SAFETY: a library of one empty function.
    unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL) }.unwrap()
}

#[test]
#[cfg(target_os = "linux")]
fn cuda_is_left_alone_when_the_host_has_opened_another_runtime_s_cuda_part() {
    const NAME: &str = "cuda_is_left_alone_when_the_host_has_opened_another_runtime_s_cuda_part";
    if is_child(NAME) {
        let folder = tempfile::tempdir().unwrap();
        let host = cuda_part(&folder.path().join("libonnxruntime_providers_shared.so"));
        let service = Service::new(support::options(), None);
        let error = service.select(DeviceChoice::Cuda).unwrap_err();
        assert!(
            error.to_string().contains("the host application"),
            "{error}"
        );
        assert_eq!(error.code(), "device.unavailable");
        drop(host);
        return;
    }
    assert_passed(&child(NAME, |_| {}));
}

/// As when the command looks at the devices and then renders through the plug-in, which are two
/// copies of this code around one library.
#[test]
#[cfg(target_os = "linux")]
fn the_cuda_part_of_its_own_library_is_not_in_the_way_whoever_has_opened_it() {
    const NAME: &str = "the_cuda_part_of_its_own_library_is_not_in_the_way_whoever_has_opened_it";
    if is_child(NAME) {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("libonnxruntime.so");
        std::fs::copy(&*LIBRARY, &library).unwrap();
        let open = cuda_part(&folder.path().join("libonnxruntime_providers_shared.so"));
        let options = Options {
            library: Some(library),
            ..Options::default()
        };
        // The library of the tests has no CUDA: what it says about that is its own word.
        let error = Service::new(options, None)
            .select(DeviceChoice::Cuda)
            .unwrap_err();
        assert_eq!(error.code(), "device.unavailable");
        assert!(
            !error.to_string().contains("the host application"),
            "{error}"
        );
        drop(open);
        return;
    }
    assert_passed(&child(NAME, |_| {}));
}

#[test]
fn a_library_that_is_named_but_unusable_is_not_replaced_by_another() {
    const NAME: &str = "a_library_that_is_named_but_unusable_is_not_replaced_by_another";
    if is_child(NAME) {
        // The bundle has a good one, but the user has named another.
        let good = tempfile::tempdir().unwrap();
        let binary = good.path().join("CorridorKey.ofx");
        std::fs::copy(&*LIBRARY, good.path().join("libonnxruntime.so")).unwrap();
        let named = |path: &str| Options {
            library: Some(path.into()),
            ..Options::default()
        };
        for (path, reason) in [
            ("/nowhere/libonnxruntime.so", "no such file"),
            ("here/libonnxruntime.so", "absolute"),
        ] {
            let error = Service::new(named(path), Some(&binary))
                .runtime()
                .unwrap_err();
            assert_eq!(error.code(), "runtime.library");
            assert!(
                error.to_string().contains(path) && error.to_string().contains(reason),
                "{error}"
            );
        }
        assert!(
            Service::new(Options::default(), Some(&binary))
                .runtime()
                .is_ok()
        );
        return;
    }
    assert_passed(&child(NAME, |_| {}));
}
