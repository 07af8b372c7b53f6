//! Files that are there whole or not at all.
//!
//! Whatever is written goes to a temporary name in the target's own folder and is renamed when it
//! and everything that belongs to it is complete, so that a render farm never picks up half a
//! picture or half a frame. The temporary file goes away
//! when the write fails, when it is abandoned, and when the command is stopped.

use std::fs::File;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use corridorkey::error::{Error, Result};

/// Temporary files that exist now, for [`remove_drafts`].
static DRAFTS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Says in words what the operating system said, and what to do.
pub(crate) fn io_reason(error: &io::Error) -> String {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::NotFound => "there is no such file or folder".into(),
        Kind::PermissionDenied => {
            "permission denied; check the rights of the file and folder".into()
        }
        Kind::StorageFull => "the disk is full; free some space and run the frame again".into(),
        Kind::QuotaExceeded => {
            "the disk quota is used up; free some space and run the frame again".into()
        }
        Kind::FileTooLarge => {
            "the file would be larger than this system allows; raise the limit or choose a smaller \
             format"
                .into()
        }
        Kind::ReadOnlyFilesystem => "the file system is read-only; choose another folder".into(),
        Kind::IsADirectory => "this is a folder, not a file".into(),
        Kind::NotADirectory => "a part of the path is a file, not a folder".into(),
        Kind::UnexpectedEof => "the file is incomplete; copy or render it again".into(),
        _ => error.to_string(),
    }
}

/// Why a picture could not be encoded into a file.
pub(crate) enum WriteFailure {
    /// The file system refused.
    Io(io::Error),
    /// The format refused, in words.
    Format(String),
}

impl From<io::Error> for WriteFailure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A file that is complete but does not have its final name yet; dropped unpublished, it is removed.
pub(crate) struct Draft {
    path: PathBuf,
    target: PathBuf,
}

impl Draft {
    /// Writes a file whole under a temporary name beside its target: `fill` gets a buffered writer
    /// that can seek.
    pub(crate) fn write(
        target: &Path,
        fill: impl FnOnce(&mut BufWriter<File>) -> std::result::Result<(), WriteFailure>,
    ) -> Result<Self> {
        let (draft, file) =
            Self::create(target).map_err(|error| not_written(target, error.into()))?;
        let mut writer = BufWriter::with_capacity(1 << 18, file);
        let written = fill(&mut writer).and_then(|()| writer.flush().map_err(WriteFailure::Io));
        // Taken apart so that a failed buffer is not written once more when it is dropped.
        drop(writer.into_parts().0);
        written.map_err(|failure| not_written(target, failure))?;
        Ok(draft)
    }

    /// Gives the file its name, in place of whatever had it before.
    pub(crate) fn publish(self) -> Result<()> {
        std::fs::rename(&self.path, &self.target)
            .map_err(|error| not_written(&self.target, error.into()))
    }

    fn create(target: &Path) -> io::Result<(Self, File)> {
        loop {
            let path = target.with_file_name(temporary_name());
            // Noted first: a stop between the two lines would otherwise leave the file.
            drafts().push(path.clone());
            match File::options().write(true).create_new(true).open(&path) {
                Ok(file) => {
                    let target = target.to_owned();
                    return Ok((Self { path, target }, file));
                }
                Err(error) => {
                    // It is not ours: another machine's, or none at all.
                    forget_draft(&path);
                    if error.kind() != io::ErrorKind::AlreadyExists {
                        return Err(error);
                    }
                }
            }
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Already renamed: then there is nothing to remove, which is right.
        let _ = std::fs::remove_file(&self.path);
        forget_draft(&self.path);
    }
}

/// A name that no other process picks: many machines write into one folder, and neither process
/// numbers nor clocks tell containers apart. The target's own name is not part of it: that may be
/// as long as a name can be.
fn temporary_name() -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    // The standard library's hasher is seeded by the system's random numbers.
    let random = RandomState::new().hash_one((std::process::id(), number));
    format!(".corridorkey-{random:016x}.part")
}

fn not_written(target: &Path, failure: WriteFailure) -> Error {
    Error::Output {
        path: target.to_path_buf(),
        reason: match failure {
            WriteFailure::Io(error) => io_reason(&error),
            WriteFailure::Format(reason) => reason,
        },
    }
}

fn drafts() -> std::sync::MutexGuard<'static, Vec<PathBuf>> {
    DRAFTS
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn forget_draft(path: &Path) {
    drafts().retain(|draft| draft != path);
}

/// Removes every unfinished file. For the moment before the process ends by force.
pub(crate) fn remove_drafts() {
    for path in drafts().drain(..) {
        let _ = std::fs::remove_file(path);
    }
}

/// Removes a file.
pub(crate) fn remove(path: &Path) -> Result<()> {
    std::fs::remove_file(path).map_err(|error| Error::Output {
        path: path.to_path_buf(),
        reason: format!("it could not be removed: {}", io_reason(&error)),
    })
}

/// Writes a file whole: it appears under its name only when everything is in it, and replaces what
/// was there.
pub(crate) fn write_whole(
    target: &Path,
    fill: impl FnOnce(&mut BufWriter<File>) -> std::result::Result<(), WriteFailure>,
) -> Result<()> {
    Draft::write(target, fill)?.publish()
}

/// Makes the output folder, with its parents.
pub(crate) fn make_folder(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|error| Error::Output {
        path: folder.to_path_buf(),
        reason: match error.kind() {
            io::ErrorKind::AlreadyExists => "this is a file, not a folder; name another".into(),
            _ => io_reason(&error),
        },
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_appears_whole_and_replaces_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.png");
        std::fs::write(&target, b"old").unwrap();
        write_whole(&target, |writer| {
            writer.write_all(b"new")?;
            writer.flush()?;
            assert_eq!(std::fs::read(&target).unwrap(), b"old");
            Ok(())
        })
        .unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"new");
        assert_eq!(names(folder.path()), ["a.png"]);
    }

    #[test]
    fn a_failed_write_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.png");
        std::fs::write(&target, b"old").unwrap();
        let error = write_whole(&target, |writer| {
            writer.write_all(&[0; 1 << 20])?;
            Err(io::Error::from(io::ErrorKind::StorageFull).into())
        })
        .unwrap_err();
        assert_eq!(error.exit_code(), 4);
        assert!(error.to_string().contains("the disk is full"), "{error}");
        assert_eq!(std::fs::read(&target).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["a.png"]);
    }

    #[test]
    fn a_panic_while_writing_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.png");
        let result = std::panic::catch_unwind(|| {
            let _ = write_whole(&target, |_| panic!("encoder"));
        });
        assert!(result.is_err());
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn the_longest_name_can_still_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join(format!("{}.png", "n".repeat(251)));
        write_whole(&target, |writer| Ok(writer.write_all(b"x")?)).unwrap();
        assert!(target.is_file());
    }

    #[test]
    fn folders_that_cannot_be_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, b"").unwrap();
        for wrong in [file.clone(), file.join("below")] {
            let error = make_folder(&wrong).unwrap_err();
            assert_eq!(error.exit_code(), 4);
            assert!(error.to_string().contains("file"), "{error}");
        }
        let error = write_whole(&folder.path().join("none/a.png"), |_| Ok(())).unwrap_err();
        assert!(error.to_string().contains("no such"), "{error}");
    }
}
