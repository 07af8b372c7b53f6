//! A look at the end of a zip archive before the `zip` package reads it.
//!
//! The package sets memory aside for as many entries as a ZIP64 record promises, which in a hostile
//! file can be more than the machine has. So the promise is read first.

use std::io::{Read, Seek, SeekFrom};

use super::checkpoint::io_text;

/// Entries at most; a checkpoint has fewer than 400.
pub(super) const MOST_ENTRIES: u64 = 10_000;

/// The end record, with its comment of up to 65 535 bytes, and the ZIP64 locator before it.
const TAIL: u64 = 22 + 65_535 + LOCATOR as u64;
const LOCATOR: usize = 20;

/// Refuses a file of this length whose end promises more entries than a checkpoint has.
pub(super) fn check(source: &mut (impl Read + Seek), length: u64) -> Result<(), String> {
    let start = length.saturating_sub(TAIL);
    let mut tail = Vec::new();
    read_at(source, start, length - start, &mut tail)?;
    // The package tries every end record that it finds, from the last to the first.
    for at in 0..tail.len().saturating_sub(21) {
        if !tail[at..].starts_with(b"PK\x05\x06") {
            continue;
        }
        let locator = at.checked_sub(LOCATOR).map(|begin| &tail[begin..at]);
        if let Some(locator) = locator.filter(|bytes| bytes.starts_with(b"PK\x06\x07")) {
            let place = start + (at - LOCATOR) as u64;
            check_zip64(source, number(&locator[8..16]), place)?;
        }
    }
    Ok(())
}

/// The ZIP64 end record, which has to lie right before its locator at `end`.
fn check_zip64(source: &mut (impl Read + Seek), begin: u64, end: u64) -> Result<(), String> {
    const FIXED: u64 = 56;
    let damaged = || "it is a damaged zip archive; copy or download it again".to_owned();
    if begin.checked_add(FIXED).is_none_or(|fixed| fixed > end) {
        return Err(damaged());
    }
    let mut record = Vec::new();
    read_at(source, begin, FIXED, &mut record)?;
    let size = number(&record[4..12]);
    let meets = begin.checked_add(12).and_then(|at| at.checked_add(size)) == Some(end);
    if !record.starts_with(b"PK\x06\x06") || !meets {
        return Err(damaged());
    }
    let entries = number(&record[24..32]).max(number(&record[32..40]));
    if entries > MOST_ENTRIES {
        return Err(format!(
            "it promises {entries} entries, more than any checkpoint has"
        ));
    }
    Ok(())
}

fn read_at(
    source: &mut (impl Read + Seek),
    place: u64,
    count: u64,
    bytes: &mut Vec<u8>,
) -> Result<(), String> {
    let failed = |error: std::io::Error| io_text(&error);
    source.seek(SeekFrom::Start(place)).map_err(failed)?;
    source
        .by_ref()
        .take(count)
        .read_to_end(bytes)
        .map_err(failed)?;
    if bytes.len() as u64 == count {
        Ok(())
    } else {
        Err("it is cut off; copy or download it again".into())
    }
}

/// A little-endian number.
fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}
