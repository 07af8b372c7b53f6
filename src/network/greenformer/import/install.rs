//! How an imported model appears: whole or not at all.
//!
//! Weights and manifest are written under temporary names in the model's folder, brought to disk
//! and renamed: the weights first, to a name that no other content has, the manifest last. Until
//! that last rename the id means what it meant before. Whatever fails, and an abort too, takes the
//! temporary files away again; those of a process that was killed go with the next import.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::Trouble;
use super::manifest::{Imported, LICENCE, is_imported};
use crate::network::error::{Error, Result};
use crate::network::model::{MANIFEST, Model};

/// Temporary files begin with this.
const DRAFT: &str = ".import-";

/// What the manifest says beside the weights' sum.
pub(super) struct Facts<'a> {
    pub(super) id: &'a str,
    pub(super) source: &'a str,
    pub(super) source_sha256: &'a str,
    pub(super) grid: usize,
}

/// The model that the id means in this folder now, if an import made it. Any other is in the way.
pub(super) fn previous(folder: &Path, id: &str) -> Result<Option<Imported>> {
    let home = folder.join(id);
    let in_the_way = |path: &Path, what: &str| Error::Install {
        path: path.into(),
        reason: format!(
            "{what}; choose another id with --id, or remove that model first (corridorkey models \
             remove)"
        ),
    };
    // Elsewhere in the folder, the same id would make two models of one name.
    let manifest = home.join(MANIFEST);
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let others = entries.map(|entry| entry.path().join(MANIFEST));
    for other in others.chain([folder.join(MANIFEST)]) {
        let imported = other == manifest && is_imported(&other);
        if !imported && Model::read(&other).is_ok_and(|model| model.id == id) {
            let what = format!("another model of the id \"{id}\" is there already");
            return Err(in_the_way(&other, &what));
        }
    }
    if !manifest.exists() {
        return Ok(None);
    }
    if !is_imported(&manifest) {
        return Err(in_the_way(&home, "this folder holds another model already"));
    }
    match Imported::read(&manifest) {
        Ok(imported) if imported.id == id => Ok(Some(imported)),
        Ok(other) => {
            let what = format!("this folder holds the model \"{}\" already", other.id);
            Err(in_the_way(&home, &what))
        }
        // One that is broken is replaced: that repairs it.
        Err(_) => Ok(None),
    }
}

/// Writes the weights with `fill`, which gives their sum, and then the manifest.
pub(super) fn install(
    folder: &Path,
    facts: &Facts<'_>,
    fill: &mut dyn FnMut(&File) -> std::result::Result<String, Trouble>,
) -> std::result::Result<Imported, Trouble> {
    let home = folder.join(facts.id);
    // Declared before the drafts, so that it goes last and finds their folder empty.
    let mut folders = Folders::make(&home).map_err(Trouble::Target)?;
    remove_stale_drafts(&home);

    let weights = Draft::create(&home).map_err(Trouble::Target)?;
    let sha256 = fill(&weights.file)?;
    let path = home.join(format!("{}.safetensors", &sha256[..16]));
    let manifest = home.join(MANIFEST);
    let imported = Imported {
        id: facts.id.into(),
        name: format!("CorridorKey, imported from {}", facts.source),
        version: sha256[..8].into(),
        licence: LICENCE.into(),
        manifest: manifest.clone(),
        path: path.clone(),
        sha256,
        source: facts.source.into(),
        source_sha256: facts.source_sha256.into(),
        grid: facts.grid,
    };
    let text = imported
        .text()
        .map_err(|reason| Trouble::Target(io::Error::other(reason)))?;

    weights.file.sync_all().map_err(Trouble::Target)?;
    let mut permissions = weights
        .file
        .metadata()
        .map_err(Trouble::Target)?
        .permissions();
    permissions.set_readonly(true);
    weights
        .file
        .set_permissions(permissions)
        .map_err(Trouble::Target)?;
    // The same content may be there already; then it stays whatever happens.
    let mut placed = Placed {
        path: (!path.exists()).then(|| path.clone()),
    };
    weights.rename(&path).map_err(Trouble::Target)?;

    let draft = Draft::create(&home).map_err(Trouble::Target)?;
    // Asked as late as can be: another import may have been faster.
    let previous = Imported::read(&manifest).ok();
    (&draft.file)
        .write_all(text.as_bytes())
        .and_then(|()| draft.file.sync_all())
        .and_then(|()| draft.rename(&manifest))
        .map_err(Trouble::Target)?;
    // From here on the model is there.
    placed.path = None;
    folders.made.clear();
    sync_folder(&home);
    if let Some(previous) = previous.filter(|previous| previous.path != path) {
        // It may be in use, which on some systems keeps it; it does no harm.
        let _ = remove_read_only(&previous.path);
    }
    Ok(imported)
}

/// Folders that were made for the model, taken away again if they stay empty.
struct Folders {
    /// The innermost last.
    made: Vec<PathBuf>,
}

impl Folders {
    fn make(home: &Path) -> io::Result<Self> {
        let mut missing: Vec<PathBuf> = home
            .ancestors()
            .take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists())
            .map(Path::to_owned)
            .collect();
        missing.reverse();
        let mut folders = Self { made: Vec::new() };
        for folder in missing {
            match fs::create_dir(&folder) {
                Ok(()) => folders.made.push(folder),
                // Somebody else made it at the same moment.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
                Err(error) => return Err(error),
            }
        }
        if home.is_dir() {
            Ok(folders)
        } else {
            Err(io::ErrorKind::NotADirectory.into())
        }
    }
}

impl Drop for Folders {
    fn drop(&mut self) {
        while let Some(folder) = self.made.pop() {
            // Not empty when somebody else put something there.
            let _ = fs::remove_dir(folder);
        }
    }
}

/// A file that has no final name yet; it removes itself unless it gets one.
struct Draft {
    file: File,
    path: PathBuf,
}

impl Draft {
    fn create(home: &Path) -> io::Result<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = home.join(format!("{DRAFT}{}-{number}.part", std::process::id()));
        let file = File::create(&path)?;
        let draft = Self { file, path };
        // Held while the file is written, so that others can tell it from one that was left. Where
        // a file system has no locks, none is ever left to be found either.
        let _ = draft.file.try_lock();
        Ok(draft)
    }

    fn rename(&self, target: &Path) -> io::Result<()> {
        make_replaceable(target);
        fs::rename(&self.path, target)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Gone already if it was renamed.
        let _ = remove_read_only(&self.path);
    }
}

/// A file under its final name that nothing refers to yet.
struct Placed {
    path: Option<PathBuf>,
}

impl Drop for Placed {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            let _ = remove_read_only(path);
        }
    }
}

/// Removes the temporary files of imports that were killed: those that nobody has locked.
fn remove_stale_drafts(home: &Path) {
    for path in drafts_in(home) {
        let stale = File::open(&path).is_ok_and(|file| file.try_lock().is_ok());
        if stale {
            let _ = remove_read_only(&path);
        }
    }
}

/// Temporary files of imports in a model's folder.
pub(super) fn drafts_in(home: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(home).into_iter().flatten().flatten();
    entries
        .filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.starts_with(DRAFT) && name.ends_with(".part")
        })
        .map(|entry| entry.path())
        .collect()
}

/// Removes a file, also where one that is read-only cannot be.
pub(super) fn remove_read_only(path: &Path) -> io::Result<()> {
    make_replaceable(path);
    fs::remove_file(path)
}

/// On Windows a read-only file can neither be replaced nor removed.
#[cfg(windows)]
fn make_replaceable(path: &Path) {
    if let Ok(facts) = fs::metadata(path) {
        let mut permissions = facts.permissions();
        permissions.set_readonly(false);
        // If it fails, so will what comes next, which says why.
        let _ = fs::set_permissions(path, permissions);
    }
}

/// Elsewhere the folder's rights count, not the file's.
#[cfg(not(windows))]
fn make_replaceable(_path: &Path) {}

/// Brings the renames to disk, where folders can be opened.
fn sync_folder(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

/// What the system said about the copy of `needed` bytes, and what to do.
pub(super) fn io_words(error: &io::Error, needed: u64) -> String {
    use io::ErrorKind as Kind;
    let megabytes = needed.div_ceil(1_000_000);
    match error.kind() {
        Kind::StorageFull => {
            format!(
                "the disk is full; the weights need {megabytes} MB: free some space, or choose \
                     another folder with --folder"
            )
        }
        Kind::QuotaExceeded => {
            format!(
                "the disk quota is used up; the weights need {megabytes} MB: free some space, \
                     or choose another folder with --folder"
            )
        }
        Kind::FileTooLarge => {
            format!(
                "this system allows no file of the {megabytes} MB that the weights need; raise \
                     the limit, or choose another folder with --folder"
            )
        }
        Kind::PermissionDenied => {
            "permission denied; check the rights of the folder, or choose another with --folder"
                .into()
        }
        Kind::ReadOnlyFilesystem => {
            "the file system is read-only; choose another folder with --folder".into()
        }
        Kind::NotADirectory | Kind::AlreadyExists => {
            "a part of this path is a file, not a folder; choose another folder with --folder"
                .into()
        }
        _ => error.to_string(),
    }
}
