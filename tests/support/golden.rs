//! What the original engine computed, as `tests/golden/convert.py` stored it.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "every test file uses another part"
)]

use std::collections::HashMap;
use std::path::PathBuf;

use corridorkey::keyer::{Fit, Geometry, Planes, Resolution, Size, SizeRule};
use serde::Deserialize;

/// One stored array, as `f32`.
pub struct Array {
    pub shape: Vec<usize>,
    pub rows: Option<Vec<usize>>,
    pub values: Vec<f32>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    r#type: String,
    shape: Vec<usize>,
    offset: usize,
    rows: Option<Vec<usize>>,
}

/// The arrays of `tests/golden/NAME.json`.
pub fn load(name: &str) -> HashMap<String, Array> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let list = std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
    let blob = std::fs::read(folder.join(format!("{name}.bin"))).unwrap();
    let entries: Vec<Entry> = serde_json::from_str(&list).unwrap();
    entries
        .into_iter()
        .map(|entry| {
            let count: usize = entry.shape.iter().product();
            let bytes = &blob[entry.offset..];
            let pairs = || {
                bytes
                    .chunks_exact(2)
                    .map(|b| u16::from_le_bytes([b[0], b[1]]))
            };
            let values: Vec<f32> = match entry.r#type.as_str() {
                "f32" => bytes
                    .chunks_exact(4)
                    .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                    .take(count)
                    .collect(),
                "f16" => pairs()
                    .map(|bits| half::f16::from_bits(bits).to_f32())
                    .take(count)
                    .collect(),
                "unit" => pairs()
                    .map(|value| f32::from(value) / 65535.0)
                    .take(count)
                    .collect(),
                "u8" => bytes
                    .iter()
                    .map(|byte| f32::from(*byte) / 255.0)
                    .take(count)
                    .collect(),
                other => panic!("{}: unknown type {other}", entry.name),
            };
            assert_eq!(values.len(), count, "{} is cut short", entry.name);
            let array = Array {
                shape: entry.shape,
                rows: entry.rows,
                values,
            };
            (entry.name, array)
        })
        .collect()
}

/// A picture (height, width, channels) as planes.
pub fn picture(array: &Array) -> Planes {
    let channels = array.shape.get(2).copied().unwrap_or(1);
    Planes::from_interleaved(array.shape[1], array.shape[0], channels, &array.values).unwrap()
}

/// A tensor (channels, height, width) as planes.
pub fn tensor(array: &Array) -> Planes {
    let [channels, height, width] = array.shape[..] else {
        panic!("a tensor has three dimensions")
    };
    Planes::from_vec(width, height, channels, array.values.clone()).unwrap()
}

/// The original's checkpoint: a square of a fixed side, the plate stretched into it.
pub fn square(plate: Size, side: usize) -> Geometry {
    let rule = SizeRule {
        fit: Fit::Square,
        multiple: 32,
        min: side,
        max_long: side,
    };
    Geometry::new(plate, plate, &rule, Resolution::Long512).unwrap()
}
