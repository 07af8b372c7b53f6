//! CorridorKey's own network with its refiner in strips, against itself in one piece.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/bench.rs"]
mod bench;
#[path = "support/models.rs"]
mod models;
#[path = "support/onnx.rs"]
mod onnx;
#[path = "support/weights.rs"]
mod weights;

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use corridorkey::keyer::{NetworkInput, Planes, Prediction};
use corridorkey::network::engine::Engine;
use corridorkey::network::greenformer::import::{self, import};
use corridorkey::network::greenformer::plan::Refiner;
use corridorkey::network::greenformer::tensors;
use corridorkey::network::model::MANIFEST;
use corridorkey::network::options::Options;
use corridorkey::network::session::Key;
use corridorkey::network::{
    Device, DeviceChoice, Error, Model, Precision, PrecisionChoice, Request, Service,
};

/// Stand-in weights as an imported model, and a service for its runtime.
struct Stage {
    _folder: tempfile::TempDir,
    model: Arc<Model>,
    service: Service,
}

static STAGE: LazyLock<Stage> = LazyLock::new(|| {
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

fn engine(width: usize, height: usize, precision: Precision, refiner: Refiner) -> Engine {
    let key = Key {
        model: STAGE.model.sha256.clone(),
        device: Device::Cpu,
        precision,
        width,
        height,
    };
    let runtime = STAGE.service.runtime().unwrap();
    Engine::build(runtime, STAGE.model.clone(), key, 2, refiner).unwrap()
}

/// What the refiner gives in one piece and in strips.
fn both(input: &NetworkInput, precision: Precision, strength: f32) -> [Prediction; 2] {
    [Refiner::Whole, Refiner::Strips].map(|refiner| {
        let engine = engine(input.width, input.height, precision, refiner);
        engine.run(input, strength, &|| false).unwrap().0
    })
}

fn worst(a: &Planes, b: &Planes) -> f32 {
    assert_eq!((a.size(), a.channels()), (b.size(), b.channels()));
    let pairs = a.data().iter().zip(b.data());
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[track_caller]
fn alike([whole, strips]: &[Prediction; 2], bound: f32) {
    for (whole, strips) in [
        (&whole.alpha, &strips.alpha),
        (&whole.foreground, &strips.foreground),
    ] {
        let worst = worst(whole, strips);
        assert!(worst < bound, "{worst}");
    }
}

/// 2e-3 is promised; the arithmetic is the same but for the order of sums.
const NEAR: f32 = 2e-5;

#[test]
fn strips_give_what_one_piece_gives() {
    for (width, height) in [(160, 288), (256, 256), (64, 32)] {
        alike(
            &both(&bench::picture(width, height), Precision::Fp32, 1.0),
            NEAR,
        );
    }
}

#[test]
fn scratch_time() {
    let Ok(side) = std::env::var("SIDE") else { return };
    let side: usize = side.parse().unwrap();
    let input = bench::picture(side, side);
    let engines = [Refiner::Whole, Refiner::Strips].map(|refiner| engine(side, side, Precision::Fp32, refiner));
    let mut last = Vec::new();
    for _ in 0..3 {
        last = engines.iter().map(|engine| { let r = engine.run(&input, 1.0, &|| false).unwrap(); println!("{:?}", r.1); r.0 }).collect();
    }
    println!("{} {}", worst(&last[0].alpha, &last[1].alpha), worst(&last[0].foreground, &last[1].foreground));
}
