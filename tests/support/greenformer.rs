//! CorridorKey's own network with stand-in weights, in the runtime.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "every test file uses another part"
)]

use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::AtomicBool;

use corridorkey::keyer::Planes;
use corridorkey::network::greenformer::graph::{self, Options};
use corridorkey::network::greenformer::refiner::Refiner;
use corridorkey::network::greenformer::tensors;
use corridorkey::network::greenformer::weights::WeightsFile;
use corridorkey::network::{Device, Precision};
use ort::environment::Environment;
use ort::session::Session;
use ort::value::TensorRef;

use crate::{bench, weights};

/// Kept between runs: it takes seconds and 289 MB.
pub static WEIGHTS: LazyLock<WeightsFile> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let path = folder.join("greenformer-128.safetensors");
    WeightsFile::open(&path).unwrap_or_else(|_| {
        let floats = tensors::specs(128)
            .into_iter()
            .filter(|spec| !spec.is_counter());
        let tensors: Vec<_> = floats.map(|spec| (spec.name, spec.shape)).collect();
        let staging = tempfile::NamedTempFile::new_in(folder).unwrap();
        weights::write_canonical(staging.path(), 128, &tensors);
        staging.persist(&path).unwrap();
        WeightsFile::open(&path).unwrap()
    })
});

pub static ENVIRONMENT: LazyLock<Environment> = LazyLock::new(|| {
    let builder = ort::init_from(&*bench::LIBRARY).unwrap();
    builder.with_telemetry(false).build().unwrap()
});

/// A session with its network, and the refiner where it is none of the session's.
pub struct Network {
    session: Session,
    refiner: Option<Refiner>,
    pub height: usize,
    pub width: usize,
}

impl Network {
    pub fn new(height: usize, width: usize, precision: Precision, device: Device) -> Self {
        let options = Options {
            height,
            width,
            precision,
            device,
        };
        // As the engine has it.
        let ours = device == Device::Cpu && precision == Precision::Fp32;
        let refiner = ours.then(|| Refiner::new(&WEIGHTS, width, height, 2).unwrap());
        let graph = match ours {
            true => graph::coarse(&WEIGHTS, &options).unwrap(),
            false => graph::build(&WEIGHTS, &options).unwrap(),
        };
        assert!(graph.len() < 64 << 20, "the weights stay in their file");
        let session = Session::builder(&ENVIRONMENT)
            .unwrap()
            .with_memory_pattern(false)
            .unwrap()
            .with_config_entry(
                "session.model_external_initializers_file_folder_path",
                WEIGHTS.path().parent().unwrap().to_str().unwrap(),
            )
            .unwrap()
            // As the engine has it.
            .with_config_entry("session.disable_prepacking", "1")
            .unwrap()
            .commit_from_memory(&graph)
            .unwrap();
        Self {
            session,
            refiner,
            height,
            width,
        }
    }

    pub fn plain(height: usize, width: usize) -> Self {
        Self::new(height, width, Precision::Fp32, Device::Cpu)
    }

    /// Alpha and the foreground.
    pub fn run(&mut self, input: &[f32], strength: f32) -> [Planes; 2] {
        let shape = [1, 4, self.height as i64, self.width as i64];
        let picture = TensorRef::from_array_view((shape, input)).unwrap();
        if let Some(refiner) = &mut self.refiner {
            let outputs = self
                .session
                .run(ort::inputs![graph::INPUT => picture])
                .unwrap();
            let (_, logits) = outputs[graph::LOGITS].try_extract_tensor::<f32>().unwrap();
            let pixels = self.width * self.height;
            let (mut alpha, mut foreground) = (vec![0.0; pixels], vec![0.0; 3 * pixels]);
            let never = AtomicBool::new(false);
            let (plate, _) = input.split_at(3 * pixels);
            refiner
                .run(plate, logits, strength, &never, &mut alpha, &mut foreground)
                .unwrap();
            return [(1, alpha), (3, foreground)].map(|(channels, values)| {
                Planes::from_vec(self.width, self.height, channels, values).unwrap()
            });
        }
        let strength = [strength];
        let strength = TensorRef::from_array_view(([1_i64], &strength[..])).unwrap();
        let outputs = self
            .session
            .run(ort::inputs![graph::INPUT => picture, graph::REFINER_SCALE => strength])
            .unwrap();
        [(graph::ALPHA, 1), (graph::FOREGROUND, 3)].map(|(name, channels)| {
            let (_, values) = outputs[name].try_extract_tensor::<f32>().unwrap();
            Planes::from_vec(self.width, self.height, channels, values.to_vec()).unwrap()
        })
    }
}
