//! The weights file that an import leaves: one safetensors file with a fixed layout.
//!
//! Every graph refers to this file by offset, whatever its size, so that all of them share it. The
//! layout leaves nothing open: the tensors of [`tensors::specs`] without the counters, in that
//! order, as 32-bit floats, each at a multiple of 64 bytes. A file that is laid out in another way
//! was not made by an import and is refused.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use serde::Deserialize;

use super::tensors::{self, Spec};
use crate::network::error::{Error, Result};

/// What the file's metadata calls this layout.
pub const FORMAT: &str = "corridorkey-greenformer-1";
/// Every tensor starts at a multiple of this many bytes, counted from the start of the file.
pub const ALIGNMENT: usize = 64;

/// Bytes of the longest header that is read. A real one has 40 000.
const HEADER_LIMIT: u64 = 1 << 20;
/// The largest side of a positional embedding: pictures of 16384 pixels.
const GRID_LIMIT: usize = 4096;

/// The tensors of a weights file and where each lies in the data section, which follows the header.
pub fn layout(grid: usize) -> Vec<(Spec, Range<u64>)> {
    let mut at = 0_u64;
    let floats = tensors::specs(grid)
        .into_iter()
        .filter(|spec| !spec.is_counter());
    floats
        .map(|spec| {
            let begin = at.next_multiple_of(ALIGNMENT as u64);
            at = begin + 4 * spec.len() as u64;
            (spec, begin..at)
        })
        .collect()
}

/// An open weights file whose layout was checked.
#[derive(Debug)]
pub struct WeightsFile {
    path: PathBuf,
    file: Mutex<File>,
    grid: usize,
    /// Place of each tensor, in bytes from the start of the file.
    places: BTreeMap<String, Range<u64>>,
}

/// One entry of the header.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [u64; 2],
}

/// The header's entry that is no tensor.
#[derive(Deserialize)]
struct Metadata {
    format: String,
    grid: String,
}

#[derive(Deserialize)]
struct Header {
    #[serde(rename = "__metadata__")]
    metadata: Metadata,
    #[serde(flatten)]
    tensors: BTreeMap<String, Entry>,
}

impl WeightsFile {
    /// Opens a file and checks its header and its length. The numbers themselves are not read:
    /// that they are the right ones is what the manifest's checksum says.
    ///
    /// # Errors
    /// [`Error::ModelFile`] when the file cannot be read, [`Error::ModelGraph`] when it is not laid
    /// out as an import does it.
    pub fn open(path: &Path) -> Result<Self> {
        let unreadable = |error: std::io::Error| unreadable(path, &error);
        let refuse = |reason: String| Error::ModelGraph {
            path: path.into(),
            reason: format!("{reason}. Import the checkpoint again"),
        };
        let mut file = File::open(path).map_err(unreadable)?;
        let length = file.metadata().map_err(unreadable)?.len();
        let mut size = [0; 8];
        if length < 8 {
            return Err(refuse(format!("it has {length} bytes only")));
        }
        file.read_exact(&mut size).map_err(unreadable)?;
        let size = u64::from_le_bytes(size);
        if size > HEADER_LIMIT || size + 8 > length {
            return Err(refuse(format!("its header claims to have {size} bytes")));
        }
        let data = size + 8;
        if !data.is_multiple_of(ALIGNMENT as u64) {
            return Err(refuse(format!(
                "its data begins at byte {data}, which is no multiple of {ALIGNMENT}"
            )));
        }
        // Within the limit, and so within memory.
        let mut header = vec![0; size as usize];
        file.read_exact(&mut header).map_err(unreadable)?;
        let header: Header = serde_json::from_slice(&header)
            .map_err(|error| refuse(format!("its header cannot be understood: {error}")))?;
        let grid = grid(&header.metadata).map_err(refuse)?;
        let places = places(header.tensors, grid, data, length).map_err(refuse)?;
        Ok(Self {
            path: path.into(),
            file: Mutex::new(file),
            grid,
            places,
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Side of the positional embedding in tokens.
    pub fn grid(&self) -> usize {
        self.grid
    }

    /// Where a tensor's numbers are: bytes from the start of the file. `None` for a name that
    /// [`tensors::specs`] does not have.
    pub fn place(&self, name: &str) -> Option<Range<u64>> {
        self.places.get(name).cloned()
    }

    /// A tensor's numbers, row-major.
    ///
    /// # Errors
    /// [`Error::ModelFile`] when the file cannot be read any more, [`Error::ModelGraph`] for a name
    /// that [`tensors::specs`] does not have.
    pub fn values(&self, name: &str) -> Result<Vec<f32>> {
        let place = self.place(name).ok_or_else(|| Error::ModelGraph {
            path: self.path.clone(),
            reason: format!("it has no tensor \"{name}\""),
        })?;
        // The layout was compared with the file's length: this is no more than there is.
        let mut values = vec![0.0_f32; ((place.end - place.start) / 4) as usize];
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut values);
        let mut file = self.file.lock();
        file.seek(SeekFrom::Start(place.start))
            .and_then(|_| file.read_exact(bytes))
            .map_err(|error| unreadable(&self.path, &error))?;
        drop(file);
        if cfg!(target_endian = "big") {
            for value in &mut values {
                *value = f32::from_bits(value.to_bits().swap_bytes());
            }
        }
        Ok(values)
    }
}

/// The model's id is the name of the folder that the file is in.
fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    let folder = path.parent().and_then(Path::file_name);
    Error::ModelFile {
        model: folder.map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
        path: path.into(),
        reason: error.to_string(),
    }
}

fn grid(metadata: &Metadata) -> std::result::Result<usize, String> {
    if metadata.format != FORMAT {
        let format = metadata.format.escape_debug();
        return Err(format!(
            "its format is \"{format}\", and this version reads \"{FORMAT}\""
        ));
    }
    match metadata.grid.parse() {
        Ok(grid @ 1..=GRID_LIMIT) => Ok(grid),
        _ => Err(format!("its grid is \"{}\"", metadata.grid.escape_debug())),
    }
}

/// Compares what the header says with the one layout that there is.
fn places(
    mut found: BTreeMap<String, Entry>,
    grid: usize,
    data: u64,
    length: u64,
) -> std::result::Result<BTreeMap<String, Range<u64>>, String> {
    let layout = layout(grid);
    let end = data + layout.last().map_or(0, |(_, range)| range.end);
    if length != end {
        return Err(format!("it has {length} bytes instead of {end}"));
    }
    let mut places = BTreeMap::new();
    for (Spec { name, shape }, range) in layout {
        let Some(entry) = found.remove(&name) else {
            return Err(format!("it has no tensor \"{name}\""));
        };
        let [begin, end] = entry.data_offsets;
        if entry.dtype != "F32" || entry.shape != shape || (begin..end) != range {
            return Err(format!(
                "its tensor \"{name}\" is {} {:?} at {begin}..{end} instead of F32 {shape:?} at {}..{}",
                entry.dtype.escape_debug(),
                entry.shape,
                range.start,
                range.end
            ));
        }
        places.insert(name, data + range.start..data + range.end);
    }
    match found.first_key_value() {
        Some((name, _)) => Err(format!(
            "it has a tensor \"{}\" that the network has not",
            name.escape_debug()
        )),
        None => Ok(places),
    }
}

/// Weights files for tests. A small one would do, but there is none: with the least grid it has
/// 281 MB. Holes take no room on the disk.
#[cfg(test)]
pub(super) mod hollow {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::network::test_weights;

    /// Side of the positional embedding.
    pub(crate) const GRID: usize = 2;

    /// A file with this header and nothing but zeros behind it.
    pub(crate) fn file(folder: &Path, header: &str) -> PathBuf {
        let path = folder.join("weights.safetensors");
        let room = (header.len() + 8).next_multiple_of(ALIGNMENT) - 8;
        let mut bytes = (room as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(format!("{header:room$}").as_bytes());
        std::fs::write(&path, &bytes).unwrap();
        let end = layout(GRID).last().unwrap().1.end + bytes.len() as u64;
        let file = File::options().write(true).open(&path).unwrap();
        file.set_len(end).unwrap();
        path
    }

    /// The right header.
    pub(crate) fn header() -> String {
        let tensors: Vec<_> = layout(GRID)
            .into_iter()
            .map(|(spec, _)| (spec.name, spec.shape))
            .collect();
        test_weights::header(GRID, &tensors)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::hollow::{GRID, file as sparse, header};
    use super::*;

    fn refusal(header: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let error = WeightsFile::open(&sparse(folder.path(), header)).unwrap_err();
        assert_eq!(error.code(), "model.graph");
        error.to_string()
    }

    #[test]
    fn a_file_with_the_layout_opens_and_gives_its_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let path = sparse(folder.path(), &header());
        let weights = WeightsFile::open(&path).unwrap();
        assert_eq!(weights.grid(), GRID);
        let place = weights.place("refiner.final.bias").unwrap();
        assert_eq!(place.end, std::fs::metadata(&path).unwrap().len());
        assert!(place.start.is_multiple_of(64));
        let mut file = File::options().write(true).open(&path).unwrap();
        file.seek(SeekFrom::Start(place.start + 4)).unwrap();
        std::io::Write::write_all(&mut file, &1.5_f32.to_le_bytes()).unwrap();
        assert_eq!(
            weights.values("refiner.final.bias").unwrap(),
            [0.0, 1.5, 0.0, 0.0]
        );
        assert!(weights.values("refiner.final").is_err());
        assert_eq!(weights.place("alpha_decoder.bn.num_batches_tracked"), None);
    }

    #[test]
    fn every_other_layout_is_refused_and_said_what_is_different() {
        let good = header();
        for (from, to, words) in [
            (
                "greenformer-1",
                "greenformer-2",
                "its format is \"corridorkey-greenformer-2\"",
            ),
            (r#""grid":"2""#, r#""grid":"-2""#, "its grid is \"-2\""),
            (r#""grid":"2""#, r#""grid":"99999999999""#, "its grid is"),
            (r#""grid":"2""#, r#""grid":"3""#, "bytes instead of"),
            (
                "refiner.final.bias",
                "refiner.final.bios",
                "no tensor \"refiner.final.bias\"",
            ),
            ("\"F32\"", "\"F16\"", "pos_embed\" is F16"),
            ("[0,1792]", "[64,1856]", "at 64..1856"),
            ("[1,4,112]", "[4,1,112]", "[4, 1, 112]"),
            (
                "{\"__metadata__\"",
                "{\"__metadato__\"",
                "cannot be understood",
            ),
            (
                "\"encoder.model.pos_embed\"",
                r#""more":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"encoder.model.pos_embed""#,
                "\"more\" that the network has not",
            ),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_ne!(bad, good, "{from} is not in the header");
            let text = refusal(&bad);
            assert!(text.contains(words), "{text}");
        }
    }

    #[test]
    fn files_that_end_early_or_lie_about_their_header_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = sparse(folder.path(), &header());
        let file = File::options().write(true).open(&path).unwrap();
        let length = file.metadata().unwrap().len();
        for (length, words) in [
            (length - 1, "bytes instead of"),
            (length + 1, "bytes instead of"),
            (1000, "its header claims"),
            (3, "it has 3 bytes only"),
        ] {
            file.set_len(length).unwrap();
            let text = WeightsFile::open(&path).unwrap_err().to_string();
            assert!(text.contains(words), "{text}");
        }
        std::fs::write(&path, u64::MAX.to_le_bytes()).unwrap();
        let text = WeightsFile::open(&path).unwrap_err().to_string();
        assert!(text.contains("its header claims"), "{text}");
        std::fs::remove_file(&path).unwrap();
        let error = WeightsFile::open(&path).unwrap_err();
        assert_eq!(error.code(), "model.file");
    }
}
