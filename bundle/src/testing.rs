//! The bundle that tests load: assembled once from the current sources, shared by every test.

use crate::Result;
use crate::assemble::{self, Options, Parts};
use crate::build::{Linking, Profile};
use crate::files;
use crate::workspace::{BUNDLE_NAME, Workspace};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Mutex;

/// The bundle for tests, `target/test/CorridorKey.ofx.bundle`: the plug-in of the current sources
/// compiled with the development profile for this machine, ONNX Runtime and the models; no command.
///
/// The first call of a process lets cargo bring the plug-in up to date, in the target folder of the
/// cargo that runs the tests, which has most often just built it; the bundle is put together anew
/// only when something in it has changed. Processes take turns.
///
/// # Errors
/// As [`assemble`](crate::assemble::assemble).
pub fn for_tests() -> Result<PathBuf> {
    static DONE: Mutex<Option<PathBuf>> = Mutex::new(None);
    let mut done = DONE.lock().unwrap_or_else(|poison| poison.into_inner());
    if let Some(bundle) = &*done {
        return Ok(bundle.clone());
    }
    let bundle = bring_up_to_date(&Workspace::here())?;
    *done = Some(bundle.clone());
    Ok(bundle)
}

fn bring_up_to_date(workspace: &Workspace) -> Result<PathBuf> {
    let out = workspace.target("test");
    let _lock = assemble::lock(workspace)?;
    let options = Options {
        out: out.clone(),
        profile: Profile::Dev,
        flavour: crate::runtime::Flavour::Cpu,
        linking: Linking::Native,
        command: false,
        quiet: true,
    };
    let parts = assemble::build_parts(workspace, &options)?;
    let stamp_path = out.join("stamp");
    let stamp = stamp(workspace, &parts)?;
    let bundle = out.join(BUNDLE_NAME);
    let current = std::fs::read_to_string(&stamp_path).is_ok_and(|old| old == stamp);
    if current && bundle.is_dir() {
        return Ok(bundle);
    }
    let (bundle, _) = assemble::put_together(workspace, &options, &parts)?;
    files::write(&stamp_path, stamp.as_bytes())?;
    Ok(bundle)
}

/// A text that changes whenever a file that goes into the bundle does.
fn stamp(workspace: &Workspace, parts: &Parts) -> Result<String> {
    let mut paths = assemble::sources(workspace)?;
    paths.push(parts.plugin.clone());
    paths.push(parts.runtime.library.clone());
    // How a bundle is laid out is written there.
    paths.extend(files::tree(&workspace.path("bundle/src"))?);
    let mut text = String::new();
    for path in paths {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{} {}", path.display(), files::stamp(&path)?);
    }
    Ok(text)
}
