//! Stand-in weights as an imported model, and engines that run it.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "every test file uses another part"
)]

use std::sync::{Arc, LazyLock};

use corridorkey::network::engine::Engine;
use corridorkey::network::greenformer::import::{self, import};
use corridorkey::network::greenformer::tensors;
use corridorkey::network::model::{MANIFEST, Refiner};
use corridorkey::network::{Device, Model, Precision, Service};

use crate::{bench, weights};

/// The model, and a service for its runtime.
pub struct Stage {
    _folder: tempfile::TempDir,
    pub model: Arc<Model>,
    pub service: Service,
}

pub static STAGE: LazyLock<Stage> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let floats = tensors::specs(16)
        .into_iter()
        .filter(|spec| !spec.is_counter());
    let tensors: Vec<_> = floats.map(|spec| (spec.name, spec.shape)).collect();
    let file = folder.path().join("checkpoint.safetensors");
    weights::write_canonical(&file, 16, &tensors);
    let request = import::Request {
        file: &file,
        folder: folder.path(),
        id: "strips",
    };
    import(&request, &|| false, &mut |_, _| {}).unwrap();
    std::fs::remove_file(&file).unwrap();
    let model = Model::read(&folder.path().join("strips").join(MANIFEST)).unwrap();
    Stage {
        _folder: folder,
        model: Arc::new(model),
        service: Service::new(bench::options(), None),
    }
});

/// An engine of two threads on the processor.
pub fn engine(width: usize, height: usize, precision: Precision, refiner: Refiner) -> Engine {
    let key = STAGE.model.key(width, height, Device::Cpu, precision);
    let runtime = STAGE.service.runtime().unwrap();
    Engine::build(runtime, STAGE.model.clone(), key, 2, refiner).unwrap()
}
