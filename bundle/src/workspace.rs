//! Where things are: the source tree, its target folder, and the names inside a bundle.

use std::path::{Path, PathBuf};

/// The folder that hosts look for.
pub const BUNDLE_NAME: &str = "CorridorKey.ofx.bundle";
/// The plug-in's binary inside the bundle.
pub(crate) const PLUGIN_NAME: &str = "CorridorKey.ofx";
/// The command inside the bundle, beside the plug-in.
pub(crate) const COMMAND_NAME: &str = "corridorkey";
/// The plug-in's OpenFX identifier; hosts look for an icon of this name in `Resources`.
pub const PLUGIN_IDENTIFIER: &str = "org.corridorkey.ofx";
/// OpenFX's folder name for this platform.
pub(crate) const ARCHITECTURE: &str = "Linux-x86-64";
/// The version that `Info.plist` carries: the workspace's.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The most a bundle may weigh, in bytes.
pub const SIZE_LIMIT: u64 = 45_000_000;

/// A source tree and the folder that everything generated goes to.
#[derive(Debug, Clone)]
pub struct Workspace {
    root: PathBuf,
    target: PathBuf,
}

impl Workspace {
    /// The source tree that this program was compiled from.
    ///
    /// Its target folder is `CARGO_TARGET_DIR` where that is set, `target` otherwise.
    #[must_use]
    pub fn here() -> Self {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = manifest.parent().unwrap_or(manifest).to_owned();
        let target = match std::env::var_os("CARGO_TARGET_DIR") {
            Some(folder) if !folder.is_empty() => root.join(folder),
            _ => root.join("target"),
        };
        Self { root, target }
    }

    /// A source tree at `root` whose target folder is `root/target`.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        let target = root.join("target");
        Self { root, target }
    }

    /// The folder that holds the workspace's `Cargo.toml`.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A path below the root.
    #[must_use]
    pub fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// A path below the target folder.
    #[must_use]
    pub fn target(&self, relative: &str) -> PathBuf {
        self.target.join(relative)
    }
}

/// The folders and files inside one bundle.
#[derive(Debug, Clone)]
pub struct Layout {
    bundle: PathBuf,
}

impl Layout {
    /// The layout of the bundle folder at `bundle`.
    #[must_use]
    pub fn new(bundle: impl Into<PathBuf>) -> Self {
        Self {
            bundle: bundle.into(),
        }
    }

    /// The bundle folder itself.
    #[must_use]
    pub fn bundle(&self) -> &Path {
        &self.bundle
    }

    /// `Contents`.
    #[must_use]
    pub fn contents(&self) -> PathBuf {
        self.bundle.join("Contents")
    }

    /// `Contents/Info.plist`.
    #[must_use]
    pub fn info(&self) -> PathBuf {
        self.contents().join("Info.plist")
    }

    /// The folder of this platform's binaries.
    #[must_use]
    pub fn binaries(&self) -> PathBuf {
        self.contents().join(ARCHITECTURE)
    }

    /// The plug-in's binary.
    #[must_use]
    pub fn plugin(&self) -> PathBuf {
        self.binaries().join(PLUGIN_NAME)
    }

    /// The command.
    #[must_use]
    pub fn command(&self) -> PathBuf {
        self.binaries().join(COMMAND_NAME)
    }

    /// ONNX Runtime.
    #[must_use]
    pub fn runtime(&self) -> PathBuf {
        self.binaries().join(crate::runtime::LIBRARY_NAME)
    }

    /// `Contents/Resources`.
    #[must_use]
    pub fn resources(&self) -> PathBuf {
        self.contents().join("Resources")
    }

    /// The icon that hosts show.
    #[must_use]
    pub fn icon(&self) -> PathBuf {
        self.resources().join(format!("{PLUGIN_IDENTIFIER}.png"))
    }

    /// The folder of models, one folder each.
    #[must_use]
    pub fn models(&self) -> PathBuf {
        self.resources().join("models")
    }

    /// The folder of licences and notices.
    #[must_use]
    pub fn licences(&self) -> PathBuf {
        self.resources().join("licences")
    }
}
