//! The folder of downloads: `weights/<owner>/<repository>/<tag>/` in the platform's cache folder,
//! each file with a record of what it was proven to be.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use corridorkey::error::{Error, Result};
use corridorkey::network::checksum::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::source::Source;
use crate::files::write_whole;
use crate::interrupt;

/// The folder of all downloads.
///
/// # Errors
/// [`Error::Usage`] for an account without a home.
pub(super) fn root() -> Result<PathBuf> {
    let folders = directories::ProjectDirs::from("", "", "CorridorKey").ok_or_else(|| {
        Error::Usage(
            "this account has no home folder for downloads; fetch the file with another program \
             and give it to `corridorkey models import`"
                .into(),
        )
    })?;
    Ok(folders.cache_dir().join("weights"))
}

/// A downloaded file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Downloaded {
    pub(super) path: PathBuf,
    pub(super) record: Record,
    /// True when it was there already.
    pub(super) cached: bool,
    /// Bytes that were there already of one that was broken off before.
    pub(super) resumed: u64,
}

/// What is known of a downloaded file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    pub(super) api: String,
    pub(super) repository: String,
    pub(super) tag: String,
    pub(super) asset: String,
    /// Bytes.
    pub(super) size: u64,
    /// SHA-256, lower-case hexadecimal.
    pub(super) sha256: String,
    /// Who said so beforehand; nobody did if nothing is here.
    pub(super) said_by: Option<String>,
}

/// The folder of a release's files.
pub(super) fn folder(root: &Path, source: &Source, tag: &str) -> PathBuf {
    root.join(&source.repository).join(tag)
}

/// The file that was downloaded from this release before, if it is still what it was then.
///
/// # Errors
/// [`Error::Aborted`].
pub(super) fn find(root: &Path, source: &Source, tag: &str) -> Result<Option<Downloaded>> {
    let path = folder(root, source, tag).join(&source.asset);
    let text = std::fs::read_to_string(record_path(&path)).unwrap_or_default();
    let Ok(record) = serde_json::from_str::<Record>(&text) else {
        return Ok(None);
    };
    if record.api != source.api {
        return Ok(None);
    }
    let Ok(file) = File::open(&path) else {
        return Ok(None);
    };
    let mut hash = Sha256::new();
    let read = add(file, &mut hash)?;
    if read.ok() != Some(record.size) || hex(&hash.finalize()) != record.sha256 {
        return Ok(None);
    }
    Ok(Some(Downloaded {
        path,
        record,
        cached: true,
        resumed: 0,
    }))
}

/// Remembers what a file was proven to be.
///
/// # Errors
/// [`Error::Output`].
pub(super) fn remember(path: &Path, record: &Record) -> Result<()> {
    let target = record_path(path);
    let text = serde_json::to_string_pretty(record).map_err(|error| Error::Output {
        path: target.clone(),
        reason: error.to_string(),
    })?;
    write_whole(&target, |file| Ok(writeln!(file, "{text}")?))
}

/// Adds all that is left of a file to a checksum; gives the number of its bytes.
///
/// # Errors
/// [`Error::Aborted`]; inside, what the system said.
pub(super) fn add(mut file: impl io::Read, hash: &mut Sha256) -> Result<io::Result<u64>> {
    let mut buffer = vec![0; 1 << 20];
    let mut bytes = 0;
    loop {
        if interrupt::stopped() {
            return Err(Error::Aborted);
        }
        match file.read(&mut buffer) {
            Ok(0) => return Ok(Ok(bytes)),
            Ok(count) => {
                hash.update(&buffer[..count]);
                bytes += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Ok(Err(error)),
        }
    }
}

fn record_path(path: &Path) -> PathBuf {
    beside(path, "record.json")
}

/// A hidden file that belongs to another.
pub(super) fn beside(path: &Path, end: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{end}"))
}
