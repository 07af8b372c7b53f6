//! Putting the bundle together: built beside its destination, checked, then moved into place.

use crate::build::{self, Build, Linking, Profile};
use crate::check::{self, Rules, Summary};
use crate::files::{self, Lock, Staging};
use crate::manifest::{MANIFEST, Manifest};
use crate::runtime::{self, Flavour};
use crate::workspace::{BUNDLE_NAME, Layout, PLUGIN_IDENTIFIER, PLUGIN_NAME, VERSION, Workspace};
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// The project's own licences and notices: where they are in the source tree, and their names in
/// the bundle.
pub(crate) const LICENCES: [(&str, &str); 5] = [
    ("LICENSE", "LICENSE"),
    ("LICENSE-MIT", "LICENSE-MIT"),
    ("LICENSE-APACHE", "LICENSE-APACHE"),
    ("THIRD-PARTY-NOTICES.md", "THIRD-PARTY-NOTICES.md"),
    ("CORRIDORKEY-NOTICE.md", "CORRIDORKEY-NOTICE.md"),
];
/// ONNX Runtime's licence and notices, as named in the bundle.
pub(crate) const RUNTIME_LICENCES: [&str; 2] =
    ["ONNXRUNTIME-LICENSE", "ONNXRUNTIME-ThirdPartyNotices.txt"];

const TEMPLATE: &str = "Info.plist.template";
const ICON: &str = "resources/icon.png";
/// The pages that the panel's Help button opens.
const HELP: &str = "resources/help";
const MODELS: &str = "models";

/// What to assemble, and where.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder that the bundle is put into.
    pub out: PathBuf,
    /// How the binaries are compiled.
    pub profile: Profile,
    /// What they are linked against.
    pub linking: Linking,
    /// Which ONNX Runtime goes in.
    pub flavour: Flavour,
    /// Whether the command goes in beside the plug-in.
    pub command: bool,
    /// Whether cargo's own output is held back.
    pub quiet: bool,
}

impl Options {
    /// What is shipped, below `workspace`'s target folder.
    #[must_use]
    pub fn shipped(workspace: &Workspace) -> Self {
        Self {
            out: workspace.target("bundle"),
            profile: Profile::Release,
            linking: Linking::Studio,
            flavour: Flavour::Cpu,
            command: true,
            quiet: false,
        }
    }

    /// The rules that the result is checked against.
    fn rules(&self) -> Rules {
        Rules {
            linking: self.linking,
            command: self.command,
            size: self.linking == Linking::Studio,
        }
    }
}

/// The files that cargo and pip have made for one bundle.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    pub(crate) plugin: PathBuf,
    pub(crate) command: Option<PathBuf>,
    pub(crate) runtime: runtime::Runtime,
}

/// Builds everything and assembles the bundle; an existing one is replaced only by a checked one.
///
/// # Errors
/// When something does not compile, cannot be fetched, is missing from the source tree, or when
/// the result breaks a rule of [`check`](crate::check::check).
pub fn assemble(workspace: &Workspace, options: &Options) -> Result<(PathBuf, Summary)> {
    let _lock = lock(workspace)?;
    let parts = build_parts(workspace, options)?;
    put_together(workspace, options, &parts)
}

/// Held while binaries are compiled and taken: builds of one target folder take turns.
pub(crate) fn lock(workspace: &Workspace) -> Result<Lock> {
    Lock::acquire(&workspace.target("bundle.lock"))
}

/// Compiles the binaries and fetches the runtime; the caller holds the [`lock`].
pub(crate) fn build_parts(workspace: &Workspace, options: &Options) -> Result<Parts> {
    let runtime = runtime::fetch(workspace, options.flavour)?;
    let target = workspace.target(match options.linking {
        Linking::Studio => "ship",
        Linking::Native => "",
    });
    let build = Build {
        workspace,
        profile: options.profile,
        linking: options.linking,
        target: &target,
        quiet: options.quiet,
    };
    let command = if options.command {
        Some(build.command()?)
    } else {
        None
    };
    Ok(Parts {
        plugin: build.plugin()?,
        command,
        runtime,
    })
}

/// Lays the bundle out from finished parts.
pub(crate) fn put_together(
    workspace: &Workspace,
    options: &Options,
    parts: &Parts,
) -> Result<(PathBuf, Summary)> {
    let staging = Staging::beside(&options.out.join(BUNDLE_NAME))?;
    let layout = Layout::new(staging.folder());
    for folder in [
        layout.contents(),
        layout.binaries(),
        layout.resources(),
        layout.models(),
        layout.licences(),
    ] {
        files::create_folder(&folder)?;
        files::set_mode(&folder, 0o755)?;
    }
    write_info(workspace, &layout.info())?;
    files::copy_as(&parts.plugin, &layout.plugin(), 0o755)?;
    for library in &parts.runtime.libraries {
        let name = library.file_name().unwrap_or_default();
        files::copy_as(library, &layout.binaries().join(name), 0o755)?;
    }
    if let Some(command) = &parts.command {
        files::copy_as(command, &layout.command(), 0o755)?;
    }
    let icon = workspace.path(ICON);
    expect("the icon", &icon, "it is part of the source tree.")?;
    files::copy_as(&icon, &layout.icon(), 0o644)?;
    files::copy_tree(&workspace.path(HELP), &layout.resources().join("help"))?;
    copy_licences(workspace, &parts.runtime, &layout.licences())?;
    copy_models(workspace, &layout.models())?;
    if options.linking == Linking::Studio {
        forbid_machine_paths(workspace, &layout)?;
    }
    let summary = check::check(layout.bundle(), options.rules())?;
    Ok((staging.finish()?, summary))
}

fn write_info(workspace: &Workspace, to: &Path) -> Result<()> {
    let template = files::read_text(&workspace.path(TEMPLATE))?;
    files::write(to, fill(&template).as_bytes())?;
    files::set_mode(to, 0o644)
}

/// Fills in the marks of `Info.plist.template`.
fn fill(template: &str) -> String {
    template
        .replace("@EXECUTABLE@", PLUGIN_NAME)
        .replace("@IDENTIFIER@", PLUGIN_IDENTIFIER)
        .replace("@VERSION@", VERSION)
}

fn copy_licences(workspace: &Workspace, runtime: &runtime::Runtime, to: &Path) -> Result<()> {
    for (source, name) in LICENCES {
        let path = workspace.path(source);
        expect(
            "a licence file",
            &path,
            "a bundle may only be given away with it.",
        )?;
        files::copy_as(&path, &to.join(name), 0o644)?;
    }
    let sources = [&runtime.licence, &runtime.notices];
    for (source, name) in sources.into_iter().zip(RUNTIME_LICENCES) {
        files::copy_as(source, &to.join(name), 0o644)?;
    }
    Ok(())
}

/// Copies every model folder, i.e. every folder below `models` with a manifest in it.
fn copy_models(workspace: &Workspace, to: &Path) -> Result<()> {
    for folder in model_folders(workspace)? {
        let manifest = Manifest::read(&folder)?;
        let target = to.join(&manifest.id);
        files::create_folder(&target)?;
        files::set_mode(&target, 0o755)?;
        for path in files::entries(&folder)? {
            if let Some(name) = path.file_name()
                && path.is_file()
            {
                files::copy_as(&path, &target.join(name), 0o644)?;
            }
        }
    }
    Ok(())
}

fn model_folders(workspace: &Workspace) -> Result<Vec<PathBuf>> {
    let models = workspace.path(MODELS);
    expect(
        "the folder of models",
        &models,
        "the shipped model is part of the source tree.",
    )?;
    let mut folders = files::entries(&models)?;
    folders.retain(|folder| folder.join(MANIFEST).is_file());
    Ok(folders)
}

/// Every file of the source tree that ends up in a bundle, besides what is compiled.
pub(crate) fn sources(workspace: &Workspace) -> Result<Vec<PathBuf>> {
    let mut paths = vec![workspace.path(TEMPLATE), workspace.path(ICON)];
    paths.extend(LICENCES.iter().map(|(source, _)| workspace.path(source)));
    paths.extend(files::tree(&workspace.path(HELP))?);
    for folder in model_folders(workspace)? {
        paths.extend(files::entries(&folder)?.into_iter().filter(|p| p.is_file()));
    }
    Ok(paths)
}

fn expect(what: &'static str, path: &Path, advice: &'static str) -> Result<()> {
    if path.exists() {
        return Ok(());
    }
    Err(Error::Missing {
        what,
        path: path.to_owned(),
        advice,
    })
}

/// Shipped binaries say nothing about the machine that they were built on.
fn forbid_machine_paths(workspace: &Workspace, layout: &Layout) -> Result<()> {
    let mut folders = vec![workspace.root().to_owned()];
    folders.extend(build::cargo_home());
    let mut findings = Vec::new();
    for binary in [layout.plugin(), layout.command()] {
        if !binary.exists() {
            continue;
        }
        let bytes = std::fs::read(&binary).map_err(Error::file("read", &binary))?;
        for folder in &folders {
            let text = folder.to_string_lossy();
            // A very short path ("/", "/w") occurs in any binary by chance.
            if text.len() > 4 && contains(&bytes, text.as_bytes()) {
                findings.push(format!(
                    "{} contains the path {text} of the machine that it was built on.",
                    binary.display()
                ));
            }
        }
    }
    if findings.is_empty() {
        return Ok(());
    }
    Err(Error::Unfit {
        bundle: layout.bundle().to_owned(),
        findings,
    })
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}
