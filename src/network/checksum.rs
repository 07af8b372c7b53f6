//! A model's file is used only if it is the file that its manifest describes.
//!
//! The sum is taken once per file and process: a file of the same path, length and modification
//! time is taken to be the same file.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use parking_lot::Mutex;
use sha2::{Digest, Sha256};

/// What a file was found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sum {
    /// SHA-256 in lower-case hexadecimal.
    pub sha256: String,
    /// Bytes.
    pub length: u64,
}

type Identity = (PathBuf, u64, Option<SystemTime>);

static KNOWN: LazyLock<Mutex<HashMap<Identity, String>>> = LazyLock::new(Mutex::default);
static TAKEN: AtomicU64 = AtomicU64::new(0);

/// How many sums this process has taken.
pub fn taken() -> u64 {
    TAKEN.load(Ordering::Relaxed)
}

/// Reads a whole file and its sum.
///
/// # Errors
/// What the system said.
pub fn read(path: &Path) -> std::io::Result<(Vec<u8>, Sum)> {
    let mut file = File::open(path)?;
    let facts = file.metadata()?;
    if !facts.is_file() {
        return Err(std::io::Error::other("it is not a file"));
    }
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(usize::try_from(facts.len()).unwrap_or(usize::MAX))?;
    file.read_to_end(&mut bytes)?;
    let length = bytes.len() as u64;
    let identity = (path.to_owned(), length, facts.modified().ok());
    if let Some(sha256) = KNOWN.lock().get(&identity) {
        return Ok((
            bytes,
            Sum {
                sha256: sha256.clone(),
                length,
            },
        ));
    }
    let sha256 = hex(&Sha256::digest(&bytes));
    TAKEN.fetch_add(1, Ordering::Relaxed);
    KNOWN.lock().insert(identity, sha256.clone());
    Ok((bytes, Sum { sha256, length }))
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_sum_is_sha256_and_follows_the_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, b"abc").unwrap();
        // The first test vector of FIPS 180-2.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let (bytes, sum) = read(&path).unwrap();
        assert_eq!(
            (bytes.as_slice(), sum.sha256.as_str(), sum.length),
            (&b"abc"[..], abc, 3)
        );
        assert_eq!(read(&path).unwrap().1.sha256, abc);
        std::fs::write(&path, b"abcd").unwrap();
        assert_ne!(read(&path).unwrap().1.sha256, abc);
        assert!(read(folder.path()).is_err());
        assert!(read(&folder.path().join("missing")).is_err());
    }
}
