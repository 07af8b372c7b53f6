//! Half precision, and what becomes of a model that it is not enough for.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/models.rs"]
mod models;
#[path = "support/onnx.rs"]
mod onnx;
#[path = "support/bench.rs"]
mod support;
#[path = "support/weights.rs"]
mod weights;

use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;

use corridorkey::keyer::NetworkInput;
use corridorkey::network::greenformer::import::{self, import};
use corridorkey::network::greenformer::tensors;
use corridorkey::network::greenformer::weights::WeightsFile;
use corridorkey::network::model::MANIFEST;
use corridorkey::network::{
    DeviceChoice, Model, Outcome, Precision, PrecisionChoice, Request, Result, Service,
};
use support::{bench, options, picture};

fn predict(service: &Service, model: &Model, input: &NetworkInput) -> Result<Outcome> {
    let request = Request {
        model,
        device: DeviceChoice::Cpu,
        precision: PrecisionChoice::Fp16,
        input,
        refiner_strength: 1.0,
    };
    service.predict(&request, &|| false)
}

fn precisions(service: &Service) -> Vec<Precision> {
    let sessions = service.status().sessions;
    sessions.iter().map(|info| info.key.precision).collect()
}

/// Stand-in weights with one constant that 16 bits cannot hold.
fn overflowing(folder: &Path) -> Model {
    const TENSOR: &str = "refiner.stem.0.bias";
    let floats = tensors::specs(16)
        .into_iter()
        .filter(|spec| !spec.is_counter());
    let tensors: Vec<_> = floats.map(|spec| (spec.name, spec.shape)).collect();
    let file = folder.join("checkpoint.safetensors");
    weights::write_canonical(&file, 16, &tensors);
    let place = WeightsFile::open(&file).unwrap().place(TENSOR).unwrap();
    let mut open = std::fs::OpenOptions::new().write(true).open(&file).unwrap();
    open.seek(SeekFrom::Start(place.start)).unwrap();
    open.write_all(&1e5_f32.to_le_bytes()).unwrap();
    drop(open);
    let request = import::Request {
        file: &file,
        folder,
        id: "large",
    };
    import(&request, &|| false, &mut |_, _| {}).unwrap();
    std::fs::remove_file(&file).unwrap();
    Model::read(&folder.join("large").join(MANIFEST)).unwrap()
}

#[test]
fn a_model_that_half_precision_is_not_enough_for_runs_in_full_and_it_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let model = overflowing(folder.path());
    let service = Service::new(options(), None);
    let input = picture(96, 64);
    let told = |outcome: &Outcome| {
        let about = |note: &&String| note.contains("fp16") && note.contains("fp32");
        outcome.notes.iter().filter(about).count()
    };
    let first = predict(&service, &model, &input).unwrap();
    assert_eq!(told(&first), 1, "{:?}", first.notes);
    assert_eq!(service.runs(), 2, "one in each precision");

    // From then on fp16 is not even tried.
    service.purge();
    let second = predict(&service, &model, &input).unwrap();
    assert_eq!(told(&second), 1, "{:?}", second.notes);
    assert_eq!(service.runs(), 3);
    assert_eq!(precisions(&service), [Precision::Fp32]);
    assert_eq!(
        first.prediction.alpha.data(),
        second.prediction.alpha.data()
    );

    let mut only_half = model.clone();
    only_half.precisions = vec![Precision::Fp16];
    let other = Service::new(options(), None);
    let error = predict(&other, &only_half, &input).unwrap_err();
    assert_eq!(error.code(), "network.non-finite");
    assert!(error.to_string().contains("in fp16"), "{error}");
    assert_eq!(other.runs(), 1);
}

/// A finished graph computes in the precision that it was written for, whatever is asked for; so
/// this one fails in both.
#[test]
fn what_fails_in_both_precisions_is_not_held_against_half() {
    let mut bench = bench(&onnx::not_a_number());
    bench.model.precisions = vec![Precision::Fp32, Precision::Fp16];
    let mut input = picture(64, 64);
    let error = predict(&bench.service, &bench.model, &input).unwrap_err();
    assert_eq!(error.code(), "network.non-finite");
    assert!(error.to_string().contains("in fp32"), "{error}");
    assert_eq!(bench.service.runs(), 2);

    input.data[64 * 64 * 3..].fill(1.0);
    bench.service.purge();
    let outcome = predict(&bench.service, &bench.model, &input).unwrap();
    assert!(outcome.notes.is_empty(), "{:?}", outcome.notes);
    assert_eq!(precisions(&bench.service), [Precision::Fp16]);
}
