//! A plug-in bundle on disk: `Name.ofx.bundle/Contents/{Info.plist, <architecture>/Name.ofx}`.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::{HostError, Result};

/// The folder inside `Contents` that holds the binary for the machine this was built for.
pub const ARCHITECTURE: &str = if cfg!(target_os = "macos") {
    "MacOS"
} else if cfg!(all(target_os = "windows", target_pointer_width = "64")) {
    "Win64"
} else if cfg!(target_os = "windows") {
    "Win32"
} else if cfg!(all(target_os = "linux", target_arch = "aarch64")) {
    "Linux-aarch64"
} else if cfg!(target_pointer_width = "64") {
    "Linux-x86-64"
} else {
    "Linux-x86"
};

/// What a bundle's Info.plist says; `None` for a key that it lacks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BundleInfo {
    /// `CFBundleName`.
    pub name: Option<String>,
    /// `CFBundleIdentifier`.
    pub identifier: Option<String>,
    /// `CFBundleExecutable`.
    pub executable: Option<String>,
    /// `CFBundleVersion`.
    pub version: Option<String>,
    /// `CFBundleShortVersionString`.
    pub short_version: Option<String>,
}

/// A bundle that has a binary for this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// The bundle's folder, absolute.
    pub path: PathBuf,
    /// The binary for this machine, absolute.
    pub binary: PathBuf,
    /// What Info.plist says.
    pub info: BundleInfo,
}

impl Bundle {
    /// Reads a bundle. `path` is its folder, or the folder's `Contents`, or the binary inside.
    ///
    /// # Errors
    /// [`HostError::Bundle`] when it is none, when its Info.plist is missing or unreadable, or
    /// when it has no binary for this machine.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let named = path.as_ref();
        let refuse = |reason: String| HostError::Bundle {
            path: named.to_owned(),
            reason,
        };
        let path = fs::canonicalize(named)
            .map_err(|error| refuse(format!("it cannot be opened ({error}); check the path")))?;
        let path = path
            .ancestors()
            .find(|folder| folder.extension().is_some_and(|e| e == "bundle"))
            .filter(|folder| folder.is_dir())
            .ok_or_else(|| {
                refuse("no folder of its path ends in .ofx.bundle; name such a folder".into())
            })?
            .to_owned();
        let stem = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .and_then(|name| name.strip_suffix(".ofx.bundle").map(str::to_owned))
            .ok_or_else(|| refuse("its name does not end in .ofx.bundle".into()))?;
        let contents = path.join("Contents");
        let info = read_info(&contents.join("Info.plist")).map_err(&refuse)?;
        let folder = contents.join(ARCHITECTURE);
        let executable = info
            .executable
            .clone()
            .unwrap_or_else(|| format!("{stem}.ofx"));
        let binary = [executable, format!("{stem}.ofx")]
            .into_iter()
            // A name from a file must not lead out of the bundle.
            .filter(|name| Path::new(name).components().count() == 1)
            .map(|name| folder.join(name))
            .find(|candidate| candidate.is_file())
            .ok_or_else(|| refuse(missing_binary(&contents, &stem)))?;
        Ok(Self { path, binary, info })
    }

    /// `Contents/Resources`.
    #[must_use]
    pub fn resources(&self) -> PathBuf {
        self.path.join("Contents").join("Resources")
    }
}

fn read_info(path: &Path) -> std::result::Result<BundleInfo, String> {
    let value = plist::Value::from_file(path).map_err(|error| {
        format!("its Contents/Info.plist cannot be read ({error}); assemble the bundle again")
    })?;
    let Some(table) = value.as_dictionary() else {
        return Err("its Contents/Info.plist holds no dictionary".into());
    };
    let text = |key: &str| {
        table
            .get(key)
            .and_then(plist::Value::as_string)
            .map(str::to_owned)
    };
    Ok(BundleInfo {
        name: text("CFBundleName"),
        identifier: text("CFBundleIdentifier"),
        executable: text("CFBundleExecutable"),
        version: text("CFBundleVersion"),
        short_version: text("CFBundleShortVersionString"),
    })
}

fn missing_binary(contents: &Path, stem: &str) -> String {
    let others: Vec<String> = fs::read_dir(contents)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().join(format!("{stem}.ofx")).is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    if others.is_empty() {
        format!("it has no Contents/{ARCHITECTURE}/{stem}.ofx")
    } else {
        format!(
            "it has a binary for {} and none for this machine ({ARCHITECTURE}); build or install \
             the bundle for this machine",
            others.join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    const PLIST: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<plist version="1.0"><dict>
<key>CFBundleExecutable</key><string>Thing.ofx</string>
<key>CFBundleIdentifier</key><string>org.example.thing</string>
<key>CFBundleVersion</key><string>1.2.3</string>
</dict></plist>"#;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!(
                "ofx-bundle-{name}-{}-{:?}",
                std::process::id(),
                std::thread::current().id()
            ));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn write(&self, path: &str, content: &str) {
            let path = self.0.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_bundle_is_found_by_its_folder_or_anything_inside() {
        let folder = Folder::new("found");
        folder.write("Thing.ofx.bundle/Contents/Info.plist", PLIST);
        let inside = format!("Thing.ofx.bundle/Contents/{ARCHITECTURE}/Thing.ofx");
        folder.write(&inside, "binary");
        for path in ["Thing.ofx.bundle", "Thing.ofx.bundle/Contents", &inside] {
            let bundle = Bundle::open(folder.0.join(path)).unwrap();
            assert!(bundle.binary.ends_with(&inside), "{path}");
            assert_eq!(bundle.info.identifier.as_deref(), Some("org.example.thing"));
            assert_eq!(bundle.info.version.as_deref(), Some("1.2.3"));
            assert_eq!(bundle.info.name, None);
        }
    }

    #[test]
    fn what_is_wrong_with_a_bundle_is_said() {
        let folder = Folder::new("wrong");
        let error = |path: &str| Bundle::open(folder.0.join(path)).unwrap_err().to_string();
        assert!(error("Nowhere.ofx.bundle").contains("cannot be opened"));
        folder.write("plain/file", "");
        assert!(error("plain").contains(".ofx.bundle"));
        folder.write("Thing.ofx.bundle/Contents/x", "");
        assert!(error("Thing.ofx.bundle").contains("Info.plist"));
        folder.write(
            "Thing.ofx.bundle/Contents/Info.plist",
            "not a property list",
        );
        assert!(error("Thing.ofx.bundle").contains("Info.plist"));
        folder.write("Thing.ofx.bundle/Contents/Info.plist", PLIST);
        assert!(error("Thing.ofx.bundle").contains(ARCHITECTURE));
        folder.write("Thing.ofx.bundle/Contents/Plan9-mips/Thing.ofx", "");
        assert!(error("Thing.ofx.bundle").contains("Plan9-mips"));
        let escape = PLIST.replace("Thing.ofx<", "../x<");
        folder.write("Thing.ofx.bundle/Contents/Info.plist", &escape);
        assert!(error("Thing.ofx.bundle").contains("none for this machine"));
    }
}
