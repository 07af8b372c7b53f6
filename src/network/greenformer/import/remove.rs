//! Takes a model out of a models folder.
//!
//! Only what a manifest names is deleted, the manifest first: from that moment the model is gone,
//! and what else lies in its folder is the user's.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::install::{drafts_in, remove_read_only};
use crate::network::error::{Error, Result};
use crate::network::model::MANIFEST;

/// What was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// `id@version`.
    pub full_id: String,
    /// The model's folder.
    pub folder: PathBuf,
    /// What is still in the folder, because the model's manifest does not name it; empty when the
    /// folder is gone.
    pub left: Vec<PathBuf>,
}

/// The part of every manifest that this needs.
#[derive(Deserialize)]
struct Manifest {
    id: String,
    version: String,
    file: String,
}

/// A model that could be removed.
struct Found {
    manifest: PathBuf,
    full_id: String,
    file: PathBuf,
}

/// Removes the model that `wanted` (an id, or `id@version`) means in the first of these folders
/// that has it.
///
/// # Errors
/// [`Error::UnknownModel`], [`Error::AmbiguousModel`], [`Error::Install`].
pub fn remove(roots: &[PathBuf], wanted: &str) -> Result<Removed> {
    let wanted = wanted.trim();
    let mut known = Vec::new();
    for root in roots {
        let (mut fitting, others): (Vec<Found>, Vec<Found>) =
            models_in(root).into_iter().partition(|found| {
                let id = found.full_id.split('@').next();
                found.full_id == wanted || id == Some(wanted)
            });
        known.extend(others.into_iter().map(|found| found.full_id));
        if fitting.len() > 1 {
            return Err(Error::AmbiguousModel {
                id: wanted.into(),
                folder: root.clone(),
                versions: fitting.into_iter().map(|found| found.full_id).collect(),
            });
        }
        if let Some(found) = fitting.pop() {
            return delete(root, found);
        }
    }
    Err(Error::UnknownModel {
        id: wanted.into(),
        known,
        searched: roots.to_vec(),
    })
}

fn models_in(root: &Path) -> Vec<Found> {
    let mut folders = vec![root.to_owned()];
    if let Ok(entries) = fs::read_dir(root) {
        folders.extend(entries.flatten().map(|entry| entry.path()));
    }
    folders.sort();
    let manifests = folders.into_iter().map(|folder| folder.join(MANIFEST));
    manifests.filter_map(|manifest| look(&manifest)).collect()
}

/// A manifest that names a plain file beside it. Any other is left for its owner to look at.
fn look(manifest: &Path) -> Option<Found> {
    let text = fs::read_to_string(manifest).ok()?;
    let text: Manifest = toml::from_str(&text).ok()?;
    let file = Path::new(&text.file);
    let beside = file.components().count() == 1 && file.file_name().is_some();
    beside.then(|| Found {
        manifest: manifest.into(),
        full_id: format!("{}@{}", text.id, text.version),
        file: manifest.with_file_name(&text.file),
    })
}

fn delete(root: &Path, found: Found) -> Result<Removed> {
    let failed = |path: &Path, error: io::Error| Error::Install {
        path: path.into(),
        reason: words(&error),
    };
    let folder = found.manifest.parent().unwrap_or(root).to_owned();
    fs::remove_file(&found.manifest).map_err(|error| failed(&found.manifest, error))?;
    match remove_read_only(&found.file) {
        // Somebody had removed it by hand.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        result => result.map_err(|error| failed(&found.file, error))?,
    }
    for draft in drafts_in(&folder) {
        let _ = remove_read_only(&draft);
    }
    let mut left: Vec<PathBuf> = Vec::new();
    if folder != root && fs::remove_dir(&folder).is_err() {
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        left.extend(entries.map(|entry| entry.path()));
        left.sort();
    }
    Ok(Removed {
        full_id: found.full_id,
        folder,
        left,
    })
}

/// What the system said about removing something, and what to do.
fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "permission denied; check the rights of the folder that it is in".into()
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            "the file system is read-only; nothing can be removed from it".into()
        }
        _ => error.to_string(),
    }
}
