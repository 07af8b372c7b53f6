//! One file from the server to the disk, whole or gone on with later.
//!
//! The bytes go to a hidden file beside the target, which is locked while somebody writes it. When
//! the transfer breaks off, it stays, with a note of what it is a part of; the next run asks for
//! the rest only. The target appears by a rename, once size and checksum are right.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use corridorkey::error::{Error, Result};
use corridorkey::network::checksum::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::cache::{add, beside};
use super::http::{Answer, Client, Query, Trouble};
use super::release::{Asset, Expected, FILE, failed};
use crate::files::{io_reason, make_folder, write_whole};

/// What a fetch came to.
#[derive(Debug)]
pub(super) struct Fetched {
    /// SHA-256, lower-case hexadecimal.
    pub(super) sha256: String,
    /// Bytes that were there already.
    pub(super) resumed: u64,
}

/// What the bytes of a broken-off transfer are a part of.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    url: String,
    size: u64,
    sha256: Option<String>,
    /// The server's entity tag of the file, if it gave one that stands for its very bytes.
    validator: Option<String>,
}

/// Fetches `asset` to `target`. `anew` leaves nothing of an earlier transfer; `progress` is told
/// how many bytes are there.
///
/// # Errors
/// [`Error::Download`], [`Error::DownloadAltered`], [`Error::Output`], [`Error::Aborted`].
pub(super) fn fetch(
    client: &Client,
    asset: &Asset,
    expected: Option<&Expected>,
    target: &Path,
    anew: bool,
    progress: &mut dyn FnMut(u64),
) -> Result<Fetched> {
    if let Some(folder) = target.parent() {
        make_folder(folder)?;
    }
    let mut partial = Partial::open(target, asset)?;
    let mut note = Note {
        url: asset.url.clone(),
        size: asset.size,
        sha256: expected.map(|expected| expected.sha256.clone()),
        validator: None,
    };
    let mut have = if anew { 0 } else { partial.usable(&mut note)? };
    let mut hash = Sha256::new();
    if have < asset.size {
        let answer = ask(client, asset, &note, &mut have).inspect_err(|_| {
            if have == 0 {
                partial.remove();
            }
        })?;
        partial.keep(have)?;
        if have == 0 {
            note.validator = strong(answer.header("etag"));
        }
        partial.write_note(&note)?;
        partial.sum(&mut hash)?;
        partial.receive(answer, have, &mut hash, progress)?;
    } else {
        partial.sum(&mut hash)?;
        progress(have);
    }
    let sha256 = hex(&hash.finalize());
    if let Some(expected) = expected
        && expected.sha256 != sha256
    {
        partial.remove();
        return Err(Error::DownloadAltered {
            what: asset.name.clone(),
            said_by: expected.said_by.clone(),
            expected: expected.sha256.clone(),
            found: sha256,
        });
    }
    partial.finish(target)?;
    Ok(Fetched {
        sha256,
        resumed: have,
    })
}

/// Asks for what is missing. `have` becomes 0 when the server gives the whole file instead.
fn ask(client: &Client, asset: &Asset, note: &Note, have: &mut u64) -> Result<Answer> {
    let wrong = |reason: String| Error::Download {
        what: asset.name.clone(),
        reason,
    };
    loop {
        let from = (*have > 0).then_some((*have, note.validator.as_deref()));
        let answer = client
            .get(Query {
                address: &asset.url,
                accept: FILE,
                from,
            })
            .map_err(|trouble| failed(&asset.name, trouble))?;
        match answer.status {
            200 => *have = 0,
            206 if *have > 0 && is_rest(answer.header("content-range"), *have, asset.size) => {}
            // Not the rest that was asked for: all of it, then.
            206 | 412 | 416 if *have > 0 => {
                *have = 0;
                continue;
            }
            404 => {
                return Err(wrong(format!(
                    "{} does not have the file any more that its release names; run the command \
                     again",
                    answer.host
                )));
            }
            _ => return Err(wrong(answer.refusal(client.has_token()))),
        }
        let length = answer
            .header("content-length")
            .and_then(|length| length.parse::<u64>().ok());
        if let Some(length) = length
            && length != asset.size - *have
        {
            return Err(wrong(format!(
                "{} offers {length} bytes, and its release says that {} are missing; run the \
                 command again",
                answer.host,
                asset.size - *have
            )));
        }
        return Ok(answer);
    }
}

/// True for a range from `from` to the end of a file of `size` bytes.
fn is_rest(range: Option<&str>, from: u64, size: u64) -> bool {
    range == Some(format!("bytes {from}-{}/{size}", size - 1).as_str())
}

/// An entity tag that stands for the very bytes; a weak one does not.
fn strong(tag: Option<&str>) -> Option<String> {
    tag.filter(|tag| tag.starts_with('"') && tag.len() <= 256)
        .map(str::to_owned)
}

/// The file under its temporary name.
struct Partial<'a> {
    asset: &'a Asset,
    file: File,
    path: PathBuf,
    note: PathBuf,
}

impl<'a> Partial<'a> {
    fn open(target: &Path, asset: &'a Asset) -> Result<Self> {
        let path = beside(target, "part");
        let failed = |error: io::Error| Error::Output {
            path: path.clone(),
            reason: io_reason(&error),
        };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        // A file system without locks cannot say that somebody else is at it.
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Err(Error::Download {
                what: asset.name.clone(),
                reason: "another run of this command is downloading it; wait for that one".into(),
            });
        }
        Ok(Self {
            asset,
            file,
            note: beside(target, "part.json"),
            path,
        })
    }

    /// The bytes here that belong to what is to be fetched; completes `note` by its validator.
    fn usable(&self, note: &mut Note) -> Result<u64> {
        let text = std::fs::read_to_string(&self.note).unwrap_or_default();
        let Ok(before) = serde_json::from_str::<Note>(&text) else {
            return Ok(0);
        };
        let same =
            (&before.url, before.size, &before.sha256) == (&note.url, note.size, &note.sha256);
        // Without either, nothing would show that the file has become another meanwhile.
        let provable = before.sha256.is_some() || before.validator.is_some();
        let length = self
            .file
            .metadata()
            .map_err(|error| self.failed(&error))?
            .len();
        if !(same && provable && length <= note.size) {
            return Ok(0);
        }
        note.validator = before.validator;
        Ok(length)
    }

    /// Leaves the first `length` bytes only.
    fn keep(&self, length: u64) -> Result<()> {
        self.file
            .set_len(length)
            .map_err(|error| self.failed(&error))
    }

    fn write_note(&self, note: &Note) -> Result<()> {
        let text = serde_json::to_string(note).map_err(|error| Error::Output {
            path: self.note.clone(),
            reason: error.to_string(),
        })?;
        write_whole(&self.note, |file| Ok(writeln!(file, "{text}")?))
    }

    /// Adds the bytes that are here to a checksum and goes to their end.
    fn sum(&mut self, hash: &mut Sha256) -> Result<()> {
        self.file
            .seek(SeekFrom::Start(0))
            .map_err(|error| self.failed(&error))?;
        add(&self.file, hash)?.map_err(|error| self.failed(&error))?;
        Ok(())
    }

    /// Writes what arrives behind the `have` bytes that are here.
    fn receive(
        &mut self,
        mut answer: Answer,
        have: u64,
        hash: &mut Sha256,
        progress: &mut dyn FnMut(u64),
    ) -> Result<()> {
        let mut done = have;
        progress(done);
        loop {
            let bytes = match answer.next() {
                Ok(Some(bytes)) => bytes,
                Ok(None) => break,
                Err(Trouble::Words(reason)) => return Err(self.broken_off(done, &reason)),
                Err(Trouble::Aborted) => return Err(Error::Aborted),
            };
            done += bytes.len() as u64;
            if done > self.asset.size {
                self.remove();
                return Err(Error::Download {
                    what: self.asset.name.clone(),
                    reason: format!(
                        "{} sends more than the {} bytes that its release says; nothing was kept",
                        answer.host, self.asset.size
                    ),
                });
            }
            self.file
                .write_all(&bytes)
                .map_err(|error| self.failed(&error))?;
            hash.update(&bytes);
            progress(done);
        }
        if done < self.asset.size {
            let reason = format!("{} sent no more", answer.host);
            return Err(self.broken_off(done, &reason));
        }
        Ok(())
    }

    fn broken_off(&self, done: u64, reason: &str) -> Error {
        Error::Download {
            what: self.asset.name.clone(),
            reason: format!(
                "{reason}. {done} of {} bytes are here; run the command again to go on from there",
                self.asset.size
            ),
        }
    }

    fn failed(&self, error: &io::Error) -> Error {
        use io::ErrorKind as Kind;
        let needed = self.asset.size.div_ceil(1_000_000);
        let reason = match error.kind() {
            Kind::StorageFull | Kind::QuotaExceeded => format!(
                "there is no room for the file of {needed} MB; make some and run the command again \
                 to go on from here"
            ),
            Kind::FileTooLarge => format!(
                "no file of the {needed} MB that it has may be written here; raise the limit and \
                 run the command again to go on from here"
            ),
            _ => io_reason(error),
        };
        Error::Output {
            path: self.path.clone(),
            reason,
        }
    }

    /// Gives the file its name.
    fn finish(self, target: &Path) -> Result<()> {
        self.file
            .sync_all()
            .and_then(|()| std::fs::rename(&self.path, target))
            .map_err(|error| self.failed(&error))?;
        let _ = std::fs::remove_file(&self.note);
        Ok(())
    }

    /// Takes away what is here: it is of no use to anybody.
    fn remove(&self) {
        let _ = std::fs::remove_file(&self.path);
        let _ = std::fs::remove_file(&self.note);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_rest_is_taken_for_the_rest() {
        assert!(is_rest(Some("bytes 5-9/10"), 5, 10));
        for wrong in [
            "bytes 4-9/10",
            "bytes 5-8/10",
            "bytes 5-9/11",
            "bytes 5-9/*",
            "",
        ] {
            assert!(!is_rest(Some(wrong), 5, 10), "{wrong}");
        }
        assert!(!is_rest(None, 5, 10));
        assert_eq!(strong(Some("\"a\"")).as_deref(), Some("\"a\""));
        assert_eq!(strong(Some("W/\"a\"")), None);
        assert_eq!(strong(None), None);
    }
}
