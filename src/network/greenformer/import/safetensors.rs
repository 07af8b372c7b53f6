//! `.safetensors`: a length, a JSON header of that length, then the tensors' bytes.

use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::io::Read as _;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use super::checkpoint::{Element, Stored, extent, io_text, row_major, shown};

/// Bytes of the header at most; a checkpoint's has 40 KB.
const MOST_HEADER: u64 = 16 << 20;
/// Tensors at most; a checkpoint has 367.
const MOST_TENSORS: usize = 10_000;

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

/// The header's entries in their order; a name may be there once.
struct Header(Vec<(String, Entry)>);

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Header;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("the tensors by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                let mut entries = Vec::new();
                let mut names = HashSet::new();
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    }
                    if entries.len() >= MOST_TENSORS {
                        return Err(A::Error::custom("more tensors than any checkpoint has"));
                    }
                    if !names.insert(name.clone()) {
                        return Err(A::Error::custom(format!(
                            "the tensor {} is there twice",
                            shown(&name)
                        )));
                    }
                    entries.push((name, map.next_value()?));
                }
                Ok(Header(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

/// Reads the header and finds every tensor. The file is at its start.
pub(super) fn open(file: &mut File) -> Result<Vec<Stored>, String> {
    let length = file.metadata().map_err(|error| io_text(&error))?.len();
    let mut first = [0; 8];
    file.read_exact(&mut first)
        .map_err(|error| io_text(&error))?;
    let header_length = u64::from_le_bytes(first);
    if header_length > MOST_HEADER {
        return Err(format!(
            "its header would have {header_length} bytes, more than that of any checkpoint"
        ));
    }
    let start = 8 + header_length;
    if start > length {
        return Err("its header is cut off; copy or download it again".into());
    }
    let mut header = vec![0; header_length as usize];
    file.read_exact(&mut header)
        .map_err(|error| io_text(&error))?;
    let Header(entries) = serde_json::from_slice(&header)
        .map_err(|error| format!("its header cannot be read: {}", shown(&error.to_string())))?;
    let mut ranges = Vec::with_capacity(entries.len());
    let mut tensors = Vec::with_capacity(entries.len());
    for (name, entry) in entries {
        let tensor = locate(&entry, start, length)
            .map_err(|reason| format!("the tensor {} {reason}", shown(&name)))?;
        ranges.push((entry.data_offsets, tensors.len()));
        tensors.push(Stored { name, ..tensor });
    }
    ranges.sort_unstable();
    for pair in ranges.windows(2) {
        let ([_, end], first) = pair[0];
        let ([begin, _], second) = pair[1];
        if begin < end {
            return Err(format!(
                "the tensors {} and {} overlap",
                shown(&tensors[first].name),
                shown(&tensors[second].name)
            ));
        }
    }
    Ok(tensors)
}

/// A tensor's place, without its name; `start` is where the data section begins.
fn locate(entry: &Entry, start: u64, length: u64) -> Result<Stored, String> {
    let element = element(&entry.dtype)
        .ok_or_else(|| format!("is of the unknown kind \"{}\"", shown(&entry.dtype)))?;
    let (shape, bytes) = extent(&entry.shape, element)?;
    let [begin, end] = entry.data_offsets;
    if end.checked_sub(begin) != Some(bytes) {
        return Err(format!(
            "has {bytes} bytes by its shape, and the offsets {begin} and {end}"
        ));
    }
    if end > length - start {
        return Err(format!(
            "ends at byte {end} of the data, which has {}; copy or download the file again",
            length - start
        ));
    }
    Ok(Stored {
        name: String::new(),
        strides: row_major(&shape),
        shape,
        element,
        offset: start + begin,
    })
}

fn element(name: &str) -> Option<Element> {
    Some(match name {
        "F32" => Element::F32,
        "F16" => Element::F16,
        "BF16" => Element::Bf16,
        "F64" => Element::Other("64-bit floats", 8),
        "I64" | "U64" => Element::Other("64-bit integers", 8),
        "I32" | "U32" => Element::Other("32-bit integers", 4),
        "I16" | "U16" => Element::Other("16-bit integers", 2),
        "I8" | "U8" => Element::Other("8-bit integers", 1),
        "F8_E4M3" | "F8_E5M2" => Element::Other("8-bit floats", 1),
        "BOOL" => Element::Other("truth values", 1),
        _ => return None,
    })
}
