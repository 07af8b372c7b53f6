//! Plug-ins in binaries of their own: loading, unloading, and a plug-in that Rust has no part in.
#![cfg(target_os = "linux")]

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use ofx::Context;
use ofx::host::{
    ARCHITECTURE, Bundle, HostError, HostOptions, Layout, Library, Quirks, RenderRequest, Value,
};

use crate::{RectI, still};

const PLAIN: &str = "org.example.plain";

/// A bundle with the C plug-in, compiled with these definitions; gone when dropped.
struct Plain {
    folder: PathBuf,
    bundle: Bundle,
}

impl Plain {
    fn new(name: &str, definitions: &[&str]) -> Self {
        let folder = std::env::temp_dir().join(format!("ofx-plain-{name}-{}", std::process::id()));
        let contents = folder.join("Plain.ofx.bundle/Contents");
        fs::create_dir_all(contents.join(ARCHITECTURE)).unwrap();
        fs::write(
            contents.join("Info.plist"),
            "<?xml version=\"1.0\"?><plist version=\"1.0\"><dict>\
             <key>CFBundleExecutable</key><string>Plain.ofx</string></dict></plist>",
        )
        .unwrap();
        // The compiler that this package was built with.
        let compiler = std::env::var_os("CC").unwrap_or_else(|| OsString::from("cc"));
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/host/plain.c");
        let done = Command::new(&compiler)
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(contents.join(ARCHITECTURE).join("Plain.ofx"))
            .args(definitions)
            .arg(source)
            .status()
            .unwrap_or_else(|error| panic!("{}: {error}", compiler.display()));
        assert!(done.success());
        let bundle = Bundle::open(folder.join("Plain.ofx.bundle")).unwrap();
        Self { folder, bundle }
    }

    fn is_mapped(&self) -> bool {
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        maps.contains(self.bundle.binary.to_str().unwrap())
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn a_plugin_in_c_is_hosted_from_its_bundle() {
    let plain = Plain::new("hosted", &[]);
    let library = Library::load(&plain.bundle, HostOptions::strict()).unwrap();
    assert_eq!(library.plugins()[0].identifier, PLAIN);
    assert_eq!(library.plugins()[0].version, (3, 4));
    let instance = library.create(PLAIN, Context::Filter).unwrap();
    instance
        .set("colour", Value::Doubles(vec![0.1, 0.2, 0.3, 0.4]))
        .unwrap();
    // The plug-in turns the colour round until it counts letters in its text: in answer to the
    // edit, and once more in answer to its own.
    assert_eq!(
        instance.get("colour").unwrap(),
        Value::Doubles(vec![0.3, 0.4, 0.1, 0.2])
    );
    assert_eq!(instance.get("count").unwrap(), Value::Int(6));
    assert_eq!(instance.get("text").unwrap(), Value::Str("from C".into()));
    let said: Vec<_> = instance.messages().into_iter().map(|m| m.text).collect();
    assert_eq!(said[0], "count is 0 0.10  x%");
    assert!(
        said[1..].contains(&"count is 6 0.30 from C x%".to_owned()),
        "{said:?}"
    );
    drop(instance);
    library.assert_clean();

    let instance = library.create(PLAIN, Context::Filter).unwrap();
    let bounds = RectI::new(-2, 0, 7, 5);
    instance
        .connect("Source", still(bounds, Layout::default()))
        .unwrap();
    instance.set("count", Value::Int(1)).unwrap();
    instance
        .set_at("colour", 0.0, Value::Doubles(vec![0.0; 4]))
        .unwrap();
    instance
        .set_at("colour", 8.0, Value::Doubles(vec![8.0, 4.0, 2.0, 1.0]))
        .unwrap();
    for flipped in [false, true] {
        let request = RenderRequest {
            output: Layout {
                flipped,
                ..Layout::default()
            },
            ..RenderRequest::at(4.0)
        };
        let image = instance.render(&request).unwrap();
        assert_eq!(image.bounds(), bounds);
        let expected = [4.0, 2.0, 1.0, 0.5].repeat(9 * 5);
        assert_eq!(image.to_rgba_f32(), expected);
    }
}

#[test]
fn a_binary_stays_unless_it_is_to_be_unmapped() {
    let plain = Plain::new("unmapped", &[]);
    let options = |unmap| HostOptions {
        quirks: Quirks {
            unmap,
            ..Quirks::default()
        },
        ..HostOptions::strict()
    };
    assert!(!plain.is_mapped());
    for _ in 0..3 {
        let library = Library::load(&plain.bundle, options(true)).unwrap();
        let instance = library.create(PLAIN, Context::Filter).unwrap();
        drop(library);
        assert!(plain.is_mapped(), "an instance keeps its library");
        drop(instance);
        assert!(!plain.is_mapped());
    }
    drop(Library::load(&plain.bundle, options(false)).unwrap());
    assert!(plain.is_mapped());
}

#[test]
fn a_binary_that_is_no_plugin_is_refused() {
    let load = |name: &str, definition: &str| {
        let plain = Plain::new(name, &[definition]);
        let error = Library::load(&plain.bundle, HostOptions::strict()).unwrap_err();
        assert!(matches!(error, HostError::Load { .. }));
        assert!(error.to_string().contains("Plain.ofx"), "{error}");
        error.to_string()
    };
    assert!(load("entry", "-DNO_ENTRY").contains("OfxGetPlugin"));
    // Found now, not when the function is first called.
    assert!(load("undefined", "-DUNDEFINED").contains("nobody_defines_this"));
    let plain = Plain::new("text", &[]);
    fs::write(&plain.bundle.binary, "not a binary").unwrap();
    let error = Library::load(&plain.bundle, HostOptions::strict()).unwrap_err();
    assert!(matches!(error, HostError::Load { .. }), "{error}");
}
