//! File work that the rest of the package shares: digests, copies, atomic replacement, locks.

use crate::{Error, Result};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The sha256 of a file, lower-case hexadecimal.
pub(crate) fn sha256(path: &Path) -> Result<String> {
    let mut file = File::open(path).map_err(Error::file("read", path))?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0_u8; 1 << 16];
    loop {
        let count = file.read(&mut buffer).map_err(Error::file("read", path))?;
        if count == 0 {
            break;
        }
        digest.update(&buffer[..count]);
    }
    Ok(hexadecimal(&digest.finalize()))
}

/// Bytes as lower-case hexadecimal.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A text that changes whenever the file does: its length and time of change.
pub(crate) fn stamp(path: &Path) -> Result<String> {
    let data = fs::metadata(path).map_err(Error::file("inspect", path))?;
    let modified = data
        .modified()
        .map_err(Error::file("inspect", path))?
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |time| time.as_nanos());
    Ok(format!("{} {modified}", data.len()))
}

pub(crate) fn read_text(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(Error::file("read", path))
}

pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).map_err(Error::file("write", path))
}

pub(crate) fn create_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(Error::file("create the folder", path))
}

/// Copies one file with its permissions.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to)
        .map(|_| ())
        .map_err(Error::file("copy", from))
}

/// Copies one file and gives it the mode of a data file (0644) or a program (0755), whatever the
/// umask and the source's mode: a bundle installed for everyone must be readable by everyone.
pub(crate) fn copy_as(from: &Path, to: &Path, mode: u32) -> Result<()> {
    copy(from, to)?;
    set_mode(to, mode)
}

/// Sets the permission bits where the system has them.
pub(crate) fn set_mode(path: &Path, mode: u32) -> Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
            .map_err(Error::file("set the permissions of", path))?;
    }
    #[cfg(not(unix))]
    let _ = (path, mode);
    Ok(())
}

/// Every entry of a folder, sorted by name.
pub(crate) fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::file("list", folder))? {
        paths.push(entry.map_err(Error::file("list", folder))?.path());
    }
    paths.sort();
    Ok(paths)
}

/// Every regular file below a folder, sorted; symbolic links are reported as they are, not followed.
pub(crate) fn tree(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in entries(&folder)? {
            let kind = fs::symlink_metadata(&path).map_err(Error::file("inspect", &path))?;
            if kind.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Copies a folder with everything in it; `to` must not exist.
pub(crate) fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    create_folder(to)?;
    set_mode(to, 0o755)?;
    for path in entries(from)? {
        let Some(name) = path.file_name() else {
            continue;
        };
        let target = to.join(name);
        if path.is_dir() {
            copy_tree(&path, &target)?;
        } else {
            copy(&path, &target)?;
        }
    }
    Ok(())
}

/// Removes a folder; one that is not there is no error.
pub(crate) fn remove_tree(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(Error::File {
            action: "remove",
            path: path.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}

/// A folder under construction beside its destination; dropped unfinished, it disappears.
#[derive(Debug)]
pub(crate) struct Staging {
    folder: PathBuf,
    destination: PathBuf,
}

impl Staging {
    /// An empty folder on the same file system as `destination`, so that a rename can finish it.
    pub(crate) fn beside(destination: &Path) -> Result<Self> {
        let parent = destination.parent().unwrap_or(Path::new("."));
        create_folder(parent)?;
        let name = destination
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let folder = parent.join(format!(".{name}.{}.new", std::process::id()));
        remove_tree(&folder)?;
        create_folder(&folder)?;
        set_mode(&folder, 0o755)?;
        Ok(Self {
            folder,
            destination: destination.to_owned(),
        })
    }

    /// The folder to fill.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Puts the folder in the destination's place. A reader sees the old one or the new one; where
    /// the last step fails, the old one comes back.
    pub(crate) fn finish(self) -> Result<PathBuf> {
        let destination = self.destination.clone();
        let old = self.folder.with_extension("old");
        remove_tree(&old)?;
        let replaced = destination.exists();
        if replaced {
            fs::rename(&destination, &old).map_err(Error::file("replace", &destination))?;
        }
        if let Err(source) = fs::rename(&self.folder, &destination) {
            if replaced {
                fs::rename(&old, &destination).map_err(Error::file("restore", &destination))?;
            }
            return Err(Error::File {
                action: "put in place",
                path: destination,
                source,
            });
        }
        remove_tree(&old)?;
        Ok(destination)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // After `finish` the folder has moved and this finds nothing; a failure to clean up must
        // not hide the error that led here.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// An exclusive lock between processes, held until dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Waits until no other process or thread holds the lock file at `path`.
    pub(crate) fn acquire(path: &Path) -> Result<Self> {
        if let Some(parent) = path.parent() {
            create_folder(parent)?;
        }
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
            .map_err(Error::file("open the lock file", path))?;
        file.lock().map_err(Error::file("lock", path))?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn digest_of_a_known_text() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("abc");
        fs::write(&file, "abc").unwrap();
        assert_eq!(
            sha256(&file).unwrap(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn finishing_replaces_the_whole_folder_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let destination = folder.path().join("thing");
        fs::create_dir(&destination).unwrap();
        fs::write(destination.join("old"), "old").unwrap();
        let staging = Staging::beside(&destination).unwrap();
        fs::write(staging.folder().join("new"), "new").unwrap();
        assert!(destination.join("old").exists());
        staging.finish().unwrap();
        assert!(!destination.join("old").exists());
        assert_eq!(fs::read_to_string(destination.join("new")).unwrap(), "new");
        assert_eq!(entries(folder.path()).unwrap(), [destination]);
    }

    #[test]
    fn an_abandoned_folder_disappears_and_the_old_one_stays() {
        let folder = tempfile::tempdir().unwrap();
        let destination = folder.path().join("thing");
        fs::create_dir(&destination).unwrap();
        drop(Staging::beside(&destination).unwrap());
        assert_eq!(entries(folder.path()).unwrap(), [destination]);
    }

    #[test]
    fn a_lock_excludes_other_holders() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let held = Lock::acquire(&path).unwrap();
        let second = File::options().write(true).open(&path).unwrap();
        assert!(second.try_lock().is_err());
        drop(held);
        assert!(second.try_lock().is_ok());
    }
}
