//! PyTorch checkpoints: a zip archive with a pickled index, `<folder>/data.pkl`, and one entry of
//! raw numbers a storage, `<folder>/data/<key>`.
//!
//! Entries are found by name and read in place; nothing is ever extracted to a path, so a name in
//! the archive can do no harm. They have to be stored as they are, which PyTorch always does: then
//! no entry can be larger than the file that it is in.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::rc::Rc;

use zip::read::{ArchiveOffset, Config, ZipReadOptions};
use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::Trouble;
use super::checkpoint::{Stored, extent, io_text, shape_text, shown};
use super::directory;
use super::pickle::{Pickle, Storage, Tensor, Value};
use crate::network::{Control, check};

/// Bytes read at most to find out what is in the archive; a checkpoint's directory has 50 KB.
const MOST_DIRECTORY: u64 = 32 << 20;
/// Bytes of the index at most; a state dict's has 50 KB.
const MOST_INDEX: u64 = 16 << 20;

/// A file that gives no more bytes than it may: a hostile directory is not read to its end.
pub(super) struct Frugal {
    file: File,
    left: Rc<Cell<u64>>,
}

impl Read for Frugal {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left.get();
        if left == 0 {
            return Err(io::Error::other(
                "its directory is larger than that of any checkpoint",
            ));
        }
        let most = buffer
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        let count = self.file.read(&mut buffer[..most])?;
        self.left.set(left - count as u64);
        Ok(count)
    }
}

impl Seek for Frugal {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// The archive, kept until its checksums are compared.
pub(super) struct Archive {
    zip: ZipArchive<Frugal>,
    left: Rc<Cell<u64>>,
    /// The entries that tensors refer to and that have a checksum.
    used: Vec<usize>,
}

/// Reads the archive's directory and index, and finds every tensor of the state dict.
pub(super) fn open(file: File) -> Result<(Vec<Stored>, Archive), String> {
    let left = Rc::new(Cell::new(MOST_DIRECTORY));
    let length = file.metadata().map_err(|error| io_text(&error))?.len();
    let mut source = Frugal {
        file,
        left: left.clone(),
    };
    directory::check(&mut source, length)?;
    let config = Config {
        archive_offset: ArchiveOffset::Known(0),
    };
    let mut zip = ZipArchive::with_config(config, source).map_err(zip_text)?;
    if zip.len() as u64 > directory::MOST_ENTRIES {
        return Err(format!(
            "it has {} entries, more than any checkpoint",
            zip.len()
        ));
    }
    if zip.has_duplicate_names() {
        return Err("two of its entries have the same name".into());
    }
    if zip.has_overlapping_entries().map_err(zip_text)? {
        return Err("its entries overlap, or one is longer than its place".into());
    }
    let folder = index_folder(&zip)?;
    check_byte_order(&mut zip, &folder)?;
    let index = read_small(&mut zip, &format!("{folder}/data.pkl"), MOST_INDEX)?;
    let pickle = Pickle::read(&index)?;
    let mut storages = Storages {
        zip: &mut zip,
        pickle: &pickle,
        folder: &folder,
        known: HashMap::new(),
        length,
    };
    let mut tensors = Vec::new();
    for (name, tensor) in state_dict(&pickle)? {
        let found = storages
            .locate(tensor)
            .map_err(|reason| format!("the tensor {} {reason}", shown(name)))?;
        tensors.push(Stored {
            name: name.to_owned(),
            ..found
        });
    }
    let mut used: Vec<usize> = storages
        .known
        .values()
        .filter(|entry| entry.summed)
        .map(|entry| entry.index)
        .collect();
    used.sort_unstable();
    Ok((tensors, Archive { zip, left, used }))
}

impl Archive {
    /// Compares the checksums that the archive has of its tensors with their bytes.
    pub(super) fn verify(&mut self, control: &dyn Control) -> Result<(), Trouble> {
        self.left.set(u64::MAX);
        let mut buffer = vec![0; 1 << 20];
        for &index in &self.used {
            let mut entry = self
                .zip
                .by_index(index)
                .map_err(|error| Trouble::source(zip_text(error)))?;
            loop {
                check(control).map_err(|_| Trouble::Aborted)?;
                match entry.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => {
                        let name = entry
                            .name()
                            .map_or_else(|_| "?".into(), |name| name.into_owned());
                        return Err(Trouble::source(format!(
                            "its entry {} is damaged ({error}); copy or download the file again",
                            shown(&name)
                        )));
                    }
                }
            }
        }
        Ok(())
    }
}

fn zip_text(error: ZipError) -> String {
    match error {
        ZipError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            "it is cut off; copy or download it again".into()
        }
        ZipError::Io(error) => io_text(&error),
        error => format!(
            "it is a zip archive that is cut off or damaged ({error}); copy or download it again"
        ),
    }
}

/// The folder that everything is in: `archive`, or the file's name when it was saved.
fn index_folder(zip: &ZipArchive<Frugal>) -> Result<String, String> {
    let mut folders = zip.file_names_raw().filter_map(|name| {
        let folder = std::str::from_utf8(name).ok()?.strip_suffix("/data.pkl")?;
        (!folder.contains(['/', '\\'])).then(|| folder.to_owned())
    });
    let folder = folders
        .next()
        .ok_or("it is a zip archive without the index of a checkpoint (data.pkl)")?;
    match folders.next() {
        Some(_) => Err("it is a zip archive with several indices (data.pkl)".into()),
        None => Ok(folder),
    }
}

/// An entry that is stored as it is: number, place, length.
#[derive(Debug, Clone, Copy)]
struct Entry {
    index: usize,
    offset: u64,
    length: u64,
    /// Whether the archive has a checksum of it: PyTorch can be told to leave them out, and then
    /// writes zeros.
    summed: bool,
}

fn entry(zip: &mut ZipArchive<Frugal>, name: &str, file_length: u64) -> Result<Entry, String> {
    let index = zip
        .index_for_name(name)
        .ok_or_else(|| format!("its entry {} is missing", shown(name)))?;
    let entry = zip.by_index_raw(index).map_err(zip_text)?;
    if entry.compression() != CompressionMethod::Stored || entry.encrypted() {
        return Err(format!(
            "its entry {} is compressed or encrypted, as PyTorch never writes it; load the file in \
             PyTorch and save it again",
            shown(name)
        ));
    }
    let (length, packed) = (entry.size(), entry.compressed_size());
    let summed = entry.crc32() != 0;
    let end = entry
        .data_start()
        .and_then(|start| start.checked_add(length));
    match (entry.data_start(), end) {
        (Some(offset), Some(end)) if length == packed && end <= file_length => Ok(Entry {
            index,
            offset,
            length,
            summed,
        }),
        _ => Err(format!(
            "its entry {} has {length} bytes by one account and {packed} by another; copy or \
             download it again",
            shown(name)
        )),
    }
}

/// Reads a small entry whole.
fn read_small(zip: &mut ZipArchive<Frugal>, name: &str, most: u64) -> Result<Vec<u8>, String> {
    let found = entry(zip, name, u64::MAX)?;
    if found.length > most {
        return Err(format!(
            "its entry {} has {} bytes, more than that of any checkpoint",
            shown(name),
            found.length
        ));
    }
    let mut bytes = Vec::new();
    let options = ZipReadOptions::new().ignore_crc32(!found.summed);
    let mut entry = zip
        .by_index_with_options(found.index, options)
        .map_err(zip_text)?;
    entry.read_to_end(&mut bytes).map_err(|error| {
        format!(
            "its entry {} is damaged ({error}); copy or download the file again",
            shown(name)
        )
    })?;
    Ok(bytes)
}

/// Files of old PyTorch versions do not say; they are little-endian.
fn check_byte_order(zip: &mut ZipArchive<Frugal>, folder: &str) -> Result<(), String> {
    let name = format!("{folder}/byteorder");
    if zip.index_for_name(&name).is_none() {
        return Ok(());
    }
    match read_small(zip, &name, 64)?.as_slice() {
        b"little" => Ok(()),
        b"big" => Err(
            "its numbers are big-endian; load it on that machine and save it on a little-endian one"
                .into(),
        ),
        other => Err(format!(
            "its byte order is \"{}\", which is unknown",
            shown(&String::from_utf8_lossy(other))
        )),
    }
}

/// The named tensors, bare or under `state_dict`.
fn state_dict<'a>(pickle: &'a Pickle<'_>) -> Result<Vec<(&'a str, &'a Tensor)>, String> {
    let Value::Dict(root) = pickle.root() else {
        return Err("it holds no state dict, but a single value".into());
    };
    let name = |id: usize| match pickle.value(id) {
        Value::Text(place) => Some(pickle.text(place)),
        _ => None,
    };
    let inner = root
        .iter()
        .find_map(|(key, value)| match (name(*key), pickle.value(*value)) {
            (Some("state_dict"), Value::Dict(inner)) => Some(inner),
            _ => None,
        });
    let entries = inner.unwrap_or(root);
    let mut tensors = BTreeMap::new();
    let mut order = Vec::new();
    let mut others = Vec::new();
    for (key, value) in entries {
        match (name(*key), pickle.value(*value)) {
            (Some(name), Value::Tensor(tensor)) => {
                // A key that is set twice has its last value, as in Python.
                if tensors.insert(name, tensor).is_none() {
                    order.push(name);
                }
            }
            (name, _) => others.push(name.unwrap_or("(no name)")),
        }
    }
    if let Some(other) = others.first() {
        let seen: BTreeSet<&str> = others.iter().copied().collect();
        return Err(if tensors.is_empty() {
            format!(
                "it holds no state dict, neither bare nor under \"state_dict\"; it has {}",
                super::convert::some(seen.into_iter())
            )
        } else {
            format!("its entry \"{}\" is not a tensor", shown(other))
        });
    }
    Ok(order
        .into_iter()
        .filter_map(|name| tensors.get(name).map(|tensor| (name, *tensor)))
        .collect())
}

/// The entries with numbers, each looked up once.
struct Storages<'a, 'b> {
    zip: &'a mut ZipArchive<Frugal>,
    pickle: &'a Pickle<'b>,
    folder: &'a str,
    known: HashMap<String, Entry>,
    length: u64,
}

impl Storages<'_, '_> {
    /// Where a tensor's numbers are, without its name.
    fn locate(&mut self, tensor: &Tensor) -> Result<Stored, String> {
        let Tensor {
            storage,
            offset,
            shape,
            strides,
        } = tensor;
        let size = storage.element.size();
        let (sides, _) = extent(shape, storage.element)?;
        let entry = self.entry(storage)?;
        if storage
            .length
            .checked_mul(size)
            .is_none_or(|bytes| bytes > entry.length)
        {
            return Err(format!(
                "needs a storage of {} elements, and the file has {} bytes for it; copy or download \
                 it again",
                storage.length, entry.length
            ));
        }
        // The last element of a view that is not empty.
        let last = shape
            .iter()
            .zip(strides)
            .try_fold(*offset, |at, (length, stride)| {
                at.checked_add((length - 1).checked_mul(*stride)?)
            });
        if last.is_none_or(|last| last >= storage.length) {
            return Err(format!(
                "lies outside its storage (shape {}, offset {offset}, {} elements stored)",
                shape_text(shape),
                storage.length
            ));
        }
        Ok(Stored {
            name: String::new(),
            shape: sides,
            // Below the storage's length, as just seen, or never stepped along.
            strides: strides
                .iter()
                .map(|stride| usize::try_from(*stride).unwrap_or(usize::MAX))
                .collect(),
            element: storage.element,
            offset: entry.offset + offset * size,
        })
    }

    fn entry(&mut self, storage: &Storage) -> Result<Entry, String> {
        let key = self.pickle.text(&storage.key);
        if let Some(entry) = self.known.get(key) {
            return Ok(*entry);
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if key.is_empty() || key.len() > 64 || !key.bytes().all(plain) {
            return Err(format!(
                "has the storage \"{}\", which is no plain key",
                shown(key)
            ));
        }
        let name = format!("{}/data/{key}", self.folder);
        let found = entry(self.zip, &name, self.length)
            .map_err(|reason| format!("cannot be read: {reason}"))?;
        self.known.insert(key.to_owned(), found);
        Ok(found)
    }
}
