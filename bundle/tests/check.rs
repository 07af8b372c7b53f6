//! Bundles that break one rule each: the check has to say which.
#![allow(clippy::unwrap_used)]

use bundle::{BUNDLE_NAME, Layout, Linking, Rules, check, for_tests};
use std::fs;
use std::path::{Path, PathBuf};

/// What the bundle for tests has to obey: it has no command, and carries debugging symbols.
const RULES: Rules = Rules {
    linking: Linking::Native,
    command: false,
    size: false,
};

/// A copy of the bundle for tests in `folder`; files are shared with it until they are replaced.
fn copy(folder: &Path) -> Layout {
    fn link(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let path = entry.unwrap().path();
            let target = to.join(path.file_name().unwrap());
            if path.is_dir() {
                link(&path, &target);
            } else {
                fs::hard_link(&path, &target).unwrap();
            }
        }
    }
    let original = for_tests().unwrap();
    let bundle = folder.join(BUNDLE_NAME);
    link(&original, &bundle);
    Layout::new(bundle)
}

/// Puts other content in a file's place without touching the original that it is linked to.
fn replace(path: &Path, content: impl AsRef<[u8]>) {
    fs::remove_file(path).unwrap();
    fs::write(path, content).unwrap();
}

/// What the check says about a copy that `harm` has been done to.
fn findings(rules: Rules, harm: impl FnOnce(&Layout)) -> String {
    // Beside the original, so that files can be shared with it.
    let parent = for_tests().unwrap().parent().unwrap().to_owned();
    let folder = tempfile::tempdir_in(parent).unwrap();
    let layout = copy(folder.path());
    harm(&layout);
    let error = check(layout.bundle(), rules).unwrap_err();
    assert_eq!(error.code(), "bundle.unfit");
    error.to_string()
}

fn model(layout: &Layout) -> PathBuf {
    layout.models().join("base")
}

#[test]
fn the_bundle_for_tests_obeys_and_is_made_once() {
    let bundle = for_tests().unwrap();
    let summary = check(&bundle, RULES).unwrap();
    assert_eq!(summary.models, ["base"]);
    let made = fs::metadata(&bundle).unwrap().modified().unwrap();
    assert_eq!(for_tests().unwrap(), bundle);
    assert_eq!(fs::metadata(&bundle).unwrap().modified().unwrap(), made);
}

#[test]
fn a_missing_plug_in_runtime_or_command_is_named() {
    let text = findings(RULES, |layout| {
        fs::remove_file(layout.plugin()).unwrap();
        fs::remove_file(layout.runtime()).unwrap();
    });
    assert!(text.contains("CorridorKey.ofx is missing"), "{text}");
    assert!(
        text.contains("libonnxruntime.so.1.28.0 is missing"),
        "{text}"
    );
    let shipped = Rules {
        command: true,
        ..RULES
    };
    let text = findings(shipped, |_| ());
    assert!(text.contains("corridorkey is missing"), "{text}");
}

#[test]
fn a_library_that_is_no_plug_in_is_told_apart() {
    let text = findings(RULES, |layout| {
        fs::remove_file(layout.plugin()).unwrap();
        fs::hard_link(layout.runtime(), layout.plugin()).unwrap();
    });
    assert!(
        text.contains("does not export OfxGetNumberOfPlugins"),
        "{text}"
    );
    assert!(text.contains("exports OrtGetApiBase"), "{text}");
    assert!(text.contains("not marked NODELETE"), "{text}");
    assert!(text.contains("needs libstdc++.so.6"), "{text}");
}

#[test]
fn a_program_in_the_plug_ins_place_and_a_cut_off_file_are_refused() {
    let program = fs::read(std::env::current_exe().unwrap()).unwrap();
    let text = findings(RULES, |layout| replace(&layout.plugin(), &program));
    assert!(
        text.contains("CorridorKey.ofx is not a shared library"),
        "{text}"
    );
    // This program has the next line; without it, it would call none of that.
    std::hint::black_box(std::net::TcpStream::connect::<&str> as fn(_) -> _);
    assert!(
        text.contains("CorridorKey.ofx can use the network"),
        "{text}"
    );
    let text = findings(RULES, |layout| replace(&layout.plugin(), &program[..100]));
    assert!(text.contains("not a 64-bit ELF file"), "{text}");
}

#[test]
fn another_runtime_is_refused_by_its_digest() {
    let text = findings(RULES, |layout| {
        let mut bytes = fs::read(layout.runtime()).unwrap();
        // The last byte belongs to the section headers' padding or to a string: it still parses.
        bytes.push(0);
        replace(&layout.runtime(), bytes);
    });
    assert!(
        text.contains("not the pinned ONNX Runtime 1.28.0"),
        "{text}"
    );
}

#[test]
fn an_altered_model_a_wrong_manifest_and_a_missing_model_are_named() {
    let text = findings(RULES, |layout| {
        let manifest = fs::read_to_string(model(layout).join("model.toml")).unwrap();
        let file = manifest
            .lines()
            .find_map(|line| line.strip_prefix("file = \"")?.strip_suffix('"'))
            .unwrap();
        replace(&model(layout).join(file), "altered");
    });
    assert!(
        text.contains("is not what its manifest describes"),
        "{text}"
    );

    let text = findings(RULES, |layout| {
        replace(
            &model(layout).join("model.toml"),
            "id = \"base\"\nlicence = \"MIT\"\nfile = \"../base.onnx\"\nsha256 = \"\"\n",
        );
    });
    assert!(text.contains("is not a plain file name"), "{text}");

    let text = findings(RULES, |layout| {
        fs::rename(model(layout), layout.models().join("other")).unwrap();
    });
    assert!(text.contains("which is not its folder's name"), "{text}");

    let text = findings(RULES, |layout| fs::remove_dir_all(model(layout)).unwrap());
    assert!(text.contains("`base`, is not in the bundle"), "{text}");
}

#[test]
fn an_info_plist_of_something_else_is_refused() {
    let text = findings(RULES, |layout| {
        let plist = fs::read_to_string(layout.info()).unwrap();
        replace(
            &layout.info(),
            plist.replace("CorridorKey.ofx", "Other.ofx"),
        );
    });
    assert!(
        text.contains("says Other.ofx for CFBundleExecutable"),
        "{text}"
    );
    let text = findings(RULES, |layout| replace(&layout.info(), "<plist>"));
    assert!(text.contains("Info.plist cannot be read"), "{text}");
}

#[test]
fn a_missing_licence_and_a_missing_icon_are_named() {
    let text = findings(RULES, |layout| {
        replace(&layout.licences().join("ONNXRUNTIME-LICENSE"), "");
        fs::remove_file(layout.icon()).unwrap();
    });
    assert!(
        text.contains("ONNXRUNTIME-LICENSE is missing or empty"),
        "{text}"
    );
    assert!(text.contains("icon"), "{text}");
}

#[test]
fn links_and_files_for_one_user_only_are_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let text = findings(RULES, |layout| {
        let licence = layout.licences().join("LICENSE");
        replace(&licence, "text");
        fs::set_permissions(&licence, fs::Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::symlink("LICENSE", layout.licences().join("COPYING")).unwrap();
    });
    assert!(text.contains("cannot be read by every user"), "{text}");
    assert!(text.contains("is not a plain file"), "{text}");
}

#[test]
fn a_bundle_that_is_too_heavy_is_refused_with_both_weights() {
    let light = Rules {
        size: true,
        ..RULES
    };
    let text = findings(light, |layout| {
        let file = fs::File::create(layout.resources().join("ballast")).unwrap();
        file.set_len(50_000_000).unwrap();
    });
    assert!(text.contains("at most 45.0 MB"), "{text}");
}
