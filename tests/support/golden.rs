//! What the original engine computed, as `tests/golden/convert.py` stored it.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "every test file uses another part"
)]

use std::collections::HashMap;
use std::path::PathBuf;

use corridorkey::keyer::{
    Composition, Encoding, FinishSettings, Fit, Geometry, Layers, Light, NetworkInput,
    Normalisation, Output, PixelScale, Planes, Pool, Prediction, Resolution, Screen, Size,
    SizeRule, Window, finish, prepare,
};
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
        auto_long: side,
    };
    Geometry::new(plate, plate, &rule, Resolution::Long512).unwrap()
}

/// The largest difference between stored rows and the same rows of a picture.
pub fn difference(stored: &Planes, rows: Option<&[usize]>, ours: &Planes) -> f32 {
    assert_eq!(stored.width(), ours.width());
    assert_eq!(stored.channels(), ours.channels());
    let mut worst = 0.0_f32;
    for line in 0..stored.height() {
        let y = rows.map_or(line, |rows| rows[line]);
        for channel in 0..stored.channels() {
            for (a, b) in stored.row(channel, line).iter().zip(ours.row(channel, y)) {
                assert!(b.is_finite());
                worst = worst.max((a - b).abs());
            }
        }
    }
    worst
}

/// A stored run of the whole original.
pub struct Run {
    pub name: &'static str,
    /// Side of the square that the network saw.
    pub side: usize,
    pub encoding: Encoding,
    pub despill_strength: f32,
    pub despeckle: Option<u32>,
    pub refiner: f32,
}

pub const RUNS: [Run; 4] = [
    Run {
        name: "square256_srgb8",
        side: 256,
        encoding: Encoding::Srgb,
        despill_strength: 1.0,
        despeckle: Some(400),
        refiner: 1.0,
    },
    Run {
        name: "square256_linear_hdr",
        side: 256,
        encoding: Encoding::Linear,
        despill_strength: 0.5,
        despeckle: Some(60),
        refiner: 1.0,
    },
    Run {
        name: "square256_upscaled",
        side: 256,
        encoding: Encoding::Srgb,
        despill_strength: 0.0,
        despeckle: None,
        refiner: 0.5,
    },
    Run {
        name: "square512_linear_hdr",
        side: 512,
        encoding: Encoding::Linear,
        despill_strength: 1.0,
        despeckle: Some(200),
        refiner: 1.0,
    },
];

impl Run {
    pub fn load(&self) -> HashMap<String, Array> {
        load(self.name)
    }

    /// The network's input, made from the stored plate and hint as a render does.
    pub fn input(&self, stored: &HashMap<String, Array>) -> NetworkInput {
        let plate = match self.encoding.light() {
            Light::Srgb => "plate_srgb_u8",
            Light::Linear => "plate_linear",
        };
        let plate = picture(&stored[plate]);
        prepare(
            &plate,
            &picture(&stored["hint"]),
            &square(plate.size(), self.side),
            self.encoding.light(),
            Screen::Green,
            &Normalisation::IMAGENET,
            &Pool::new(0),
        )
        .unwrap()
    }

    /// Makes all four outputs from a prediction and holds alpha and foreground to one tolerance,
    /// the pictures made of them to another.
    pub fn compare(
        &self,
        stored: &HashMap<String, Array>,
        prediction: &Prediction,
        planes: f32,
        pictures: f32,
    ) {
        let name = self.name;
        let size = &stored["plate_size"].values;
        let size = Size::new(size[1] as usize, size[0] as usize);
        let geometry = square(size, self.side);
        let pool = Pool::new(64 << 20);
        let finish = |settings: &FinishSettings| {
            let rows = 0..size.height;
            finish(prediction, &geometry, Screen::Green, settings, rows, &pool).unwrap()
        };
        let compare = |what: &str, ours: &Planes, tolerance: f32| {
            let stored = &stored[what];
            let worst = difference(&picture(stored), stored.rows.as_deref(), ours);
            assert!(worst < tolerance, "{name} {what}: {worst}");
        };

        let resized = finish(&FinishSettings {
            despill_strength: 0.0,
            despeckle: None,
            ..FinishSettings::default()
        });
        compare("out_alpha", &resized.alpha(), planes);
        compare("out_fg", &resized.foreground(), planes);

        let key = finish(&FinishSettings {
            despill_strength: self.despill_strength,
            despeckle: self.despeckle,
            ..FinishSettings::default()
        });
        let compose = |output, encoding| {
            let layers = Layers {
                key: Some(&key),
                ..Layers::default()
            };
            Composition::new(output, encoding, layers, PixelScale::ONE)
                .unwrap()
                .planes(Window::full(size))
                .unwrap()
        };
        let processed = compose(Output::Processed, Encoding::Linear);
        compare("out_processed", &processed, pictures);
        let comp = compose(Output::Composite, Encoding::Srgb);
        assert!(comp.plane(3).iter().all(|a| *a == 1.0));
        let colour = [0, 1, 2].map(|c| comp.plane(c)).concat();
        let comp = Planes::from_vec(size.width, size.height, 3, colour).unwrap();
        compare("out_comp", &comp, pictures);
        if self.encoding == Encoding::Linear {
            // Despill lifts red and blue above 1, and that comes out.
            assert!(processed.data().iter().any(|v| *v > 1.05));
        }
    }
}
