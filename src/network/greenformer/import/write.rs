//! Writes the weights file of this project, tensor by tensor.
//!
//! The file is a `.safetensors` whose layout is fixed to the byte:
//! see [`weights`](crate::network::greenformer::weights), which reads it. So the same
//! weights give the same file, whatever they came from, and its checksum is its name.

use std::fs::File;
use std::io::{BufWriter, Write};

use sha2::{Digest as _, Sha256};

use super::Trouble;
use super::checkpoint::{Stored, read};
use crate::network::checksum::hex;
use crate::network::greenformer::tensors::Spec;
use crate::network::greenformer::weights::{ALIGNMENT, FORMAT};

/// Where everything will be: a header that is padded with spaces, then the tensors in order, as
/// little-endian 32-bit floats, each at a multiple of 64 bytes with zeros in the gaps.
pub(super) struct Layout {
    /// Length and JSON.
    header: Vec<u8>,
    /// Where each tensor begins, in bytes from the start of the data section.
    offsets: Vec<u64>,
    /// The length of the file.
    pub(super) length: u64,
}

impl Layout {
    /// The layout for these tensors.
    pub(super) fn new(specs: &[&Spec], grid: usize) -> Self {
        let mut json = format!(r#"{{"__metadata__":{{"format":"{FORMAT}","grid":"{grid}"}}"#);
        let mut offsets = Vec::with_capacity(specs.len());
        let mut end = 0u64;
        for spec in specs {
            let begin = end.next_multiple_of(ALIGNMENT as u64);
            end = begin + 4 * spec.len() as u64;
            offsets.push(begin);
            let sides: Vec<String> = spec.shape.iter().map(usize::to_string).collect();
            // Names are ours and need no escapes.
            json.push_str(&format!(
                r#","{}":{{"dtype":"F32","shape":[{}],"data_offsets":[{begin},{end}]}}"#,
                spec.name,
                sides.join(",")
            ));
        }
        json.push('}');
        let padded = (8 + json.len() as u64).next_multiple_of(ALIGNMENT as u64) - 8;
        json.push_str(&" ".repeat(padded as usize - json.len()));
        let mut header = padded.to_le_bytes().to_vec();
        header.extend_from_slice(json.as_bytes());
        Self {
            length: header.len() as u64 + end,
            header,
            offsets,
        }
    }
}

/// Writes everything and gives the file's SHA-256. `step` is told how many bytes were written since
/// it was last told, and may stop the work.
pub(super) fn write(
    layout: &Layout,
    tensors: &[(Spec, Stored)],
    source: &mut File,
    target: &File,
    step: &mut dyn FnMut(u64) -> Result<(), Trouble>,
) -> Result<String, Trouble> {
    let mut out = Hashing {
        file: BufWriter::with_capacity(1 << 20, target),
        hash: Sha256::new(),
        written: 0,
    };
    out.put(&layout.header).map_err(Trouble::Target)?;
    let data = layout.header.len() as u64;
    let mut bytes = Vec::new();
    for ((spec, tensor), offset) in tensors.iter().zip(&layout.offsets) {
        let gap = data + offset - out.written;
        out.put(&[0; ALIGNMENT][..gap as usize])
            .map_err(Trouble::Target)?;
        let mut first = 0;
        read(source, tensor, &mut |values| {
            check_numbers(spec, first, values).map_err(Trouble::source)?;
            first += values.len();
            bytes.clear();
            bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            out.put(&bytes).map_err(Trouble::Target)?;
            step(bytes.len() as u64)
        })?;
    }
    let Hashing { file, hash, .. } = out;
    file.into_inner()
        .map_err(|error| Trouble::Target(error.into_error()))?;
    Ok(hex(&hash.finalize()))
}

/// A file and the sum of what was put into it.
struct Hashing<'a> {
    file: BufWriter<&'a File>,
    hash: Sha256,
    written: u64,
}

impl Hashing<'_> {
    fn put(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.hash.update(bytes);
        self.written += bytes.len() as u64;
        self.file.write_all(bytes)
    }
}

/// A network with one weight that is no number answers with nothing else.
fn check_numbers(spec: &Spec, first: usize, values: &[f32]) -> Result<(), String> {
    let Some(at) = values.iter().position(|value| !value.is_finite()) else {
        return Ok(());
    };
    Err(format!(
        "the tensor {} has the value {} at {}, which is no number; the checkpoint is damaged or its \
         training failed",
        spec.name,
        values[at],
        place(&spec.shape, first + at)
    ))
}

/// The indices of the `at`th element.
fn place(shape: &[usize], mut at: usize) -> String {
    let mut indices: Vec<usize> = shape
        .iter()
        .rev()
        .map(|length| {
            let index = at % length;
            at /= length;
            index
        })
        .collect();
    indices.reverse();
    super::checkpoint::shape_text(&indices)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn spec(name: &str, shape: &[usize]) -> Spec {
        Spec {
            name: name.into(),
            shape: shape.into(),
        }
    }

    #[test]
    fn the_header_is_json_and_everything_is_aligned() {
        let specs = [spec("a.w", &[3, 5]), spec("b", &[]), spec("c", &[16])];
        let layout = Layout::new(&specs.iter().collect::<Vec<_>>(), 8);
        let length = u64::from_le_bytes(layout.header[..8].try_into().unwrap());
        assert_eq!(length, layout.header.len() as u64 - 8);
        assert_eq!(layout.header.len() % 64, 0);
        let json: serde_json::Value = serde_json::from_slice(&layout.header[8..]).unwrap();
        assert_eq!(json["__metadata__"]["grid"], "8");
        assert_eq!(json["__metadata__"]["format"], FORMAT);
        assert_eq!(json["a.w"]["shape"], serde_json::json!([3, 5]));
        assert_eq!(json["b"]["shape"], serde_json::json!([]));
        assert_eq!(json["a.w"]["data_offsets"], serde_json::json!([0, 60]));
        assert_eq!(json["b"]["data_offsets"], serde_json::json!([64, 68]));
        assert_eq!(json["c"]["data_offsets"], serde_json::json!([128, 192]));
        assert_eq!(layout.length, layout.header.len() as u64 + 192);
    }

    #[test]
    fn what_is_no_number_is_named_with_its_place() {
        let spec = spec("x", &[2, 3, 4]);
        check_numbers(&spec, 0, &[1.0, f32::MAX, f32::MIN_POSITIVE, -0.0]).unwrap();
        for (value, word) in [
            (f32::NAN, "NaN"),
            (f32::INFINITY, "inf"),
            (f32::NEG_INFINITY, "-inf"),
        ] {
            let reason = check_numbers(&spec, 12, &[0.0, 0.0, 0.0, 0.0, 0.0, value]).unwrap_err();
            assert!(
                reason.contains(word) && reason.contains("[1, 1, 1]") && reason.contains("x"),
                "{reason}"
            );
        }
    }
}
