//! The shipped model's network as the plug-in computes it, against ONNX Runtime with the same file.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

#[path = "support/models.rs"]
mod models;
#[path = "support/onnx.rs"]
mod onnx;
#[path = "support/shipped.rs"]
mod shipped;
#[path = "support/bench.rs"]
mod support;

use std::time::Instant;

use corridorkey::keyer::{NetworkInput, Prediction};
use corridorkey::network::model::Own;
use corridorkey::network::options::Options;
use corridorkey::network::{DeviceChoice, Error, Model, Precision};
use sha2::{Digest as _, Sha256};
use shipped::{noise, scene, worst};
use support::{Bench, after, options};

/// The model as it is shipped: its network is the plug-in's own on a processor in 32 bits.
fn ours() -> Bench {
    shipped::bench(options(), |manifest| manifest)
}

/// The same file, as the runtime runs it.
fn theirs() -> Bench {
    shipped::bench(options(), shipped::not_ours)
}

fn predict(bench: &Bench, input: &NetworkInput) -> Prediction {
    bench.predict(input).unwrap().prediction
}

/// What computed the only picture.
fn computed_by(bench: &Bench) -> Option<Own> {
    let sessions = bench.service.status().sessions;
    assert_eq!(sessions.len(), 1);
    assert_eq!(sessions[0].key.precision, Precision::Fp32);
    sessions[0].key.own
}

fn mean(one: &[f32], other: &[f32]) -> f64 {
    let differences = one.iter().zip(other).map(|(a, b)| f64::from((a - b).abs()));
    differences.sum::<f64>() / one.len() as f64
}

fn pairs<'a>(one: &'a Prediction, other: &'a Prediction) -> [(&'a [f32], &'a [f32]); 2] {
    [
        (one.alpha.data(), other.alpha.data()),
        (one.foreground.data(), other.foreground.data()),
    ]
}

#[track_caller]
fn same(one: &Prediction, other: &Prediction) {
    for (one, other) in pairs(one, other) {
        assert_eq!(one.len(), other.len());
        let alike = one
            .iter()
            .zip(other)
            .all(|(a, b)| a.to_bits() == b.to_bits());
        assert!(alike, "they are {} apart", worst(one, other));
    }
}

/// The whole network at once: whatever a layer does at an edge, between two batches of tiles or in a
/// picture that is no whole number of them shows here.
#[track_caller]
fn near_the_runtime(make: fn(usize, usize) -> NetworkInput, (width, height): (usize, usize)) {
    let (input, [own, other]) = (make(width, height), [ours(), theirs()]);
    let [ours, theirs] = [&own, &other].map(|bench| predict(bench, &input));
    assert_eq!(computed_by(&own), Some(Own::Unmixer));
    assert_eq!(computed_by(&other), None);
    for (ours, theirs) in pairs(&ours, &theirs) {
        let (largest, mean) = (worst(ours, theirs), mean(ours, theirs));
        let size = format!("{width} x {height}");
        println!("{size}: {largest:.1e} at most, {mean:.1e} on average");
        assert!(largest <= 1e-4, "{size}: {largest}");
        assert!(mean <= 2e-6, "{size}: {mean} on average");
        // Else nothing has been compared.
        assert!(largest > 0.0, "{size}: the runtime ran in both");
    }
    let told = theirs.alpha.data();
    let soft = told.iter().filter(|alpha| (0.05..0.95).contains(*alpha));
    assert!(
        soft.count() > told.len() / 100,
        "there is hardly a soft edge"
    );
}

#[test]
fn a_plate_is_keyed_as_by_the_runtime() {
    for size in [(64, 64), (96, 160), (224, 352), (960, 544)] {
        near_the_runtime(scene, size);
    }
}

#[test]
fn noise_comes_out_as_of_the_runtime() {
    for size in [(64, 64), (160, 96), (352, 224), (544, 960)] {
        near_the_runtime(noise, size);
    }
}

/// One row or column of the coarsest pixels, and sides that no batch of tiles divides.
#[test]
fn narrow_pictures_are_keyed_as_by_the_runtime() {
    for size in [(32, 32), (32, 416), (736, 32), (288, 96)] {
        near_the_runtime(scene, size);
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let input = scene(352, 224);
    let first = predict(&ours(), &input);
    for threads in [1, 2, 3, 5] {
        let options = Options {
            threads: Some(threads),
            ..options()
        };
        let bench = shipped::bench(options, |manifest| manifest);
        same(&first, &predict(&bench, &input));
        // What the first picture has left behind is of no account.
        predict(&bench, &noise(352, 224));
        same(&first, &predict(&bench, &input));
    }
}

#[test]
fn an_abort_ends_a_large_picture_soon_and_the_next_one_is_right() {
    let (bench, input) = (ours(), scene(1920, 1088));
    let begun = Instant::now();
    let first = predict(&bench, &input);
    let whole = begun.elapsed();
    // In the first layers, and further on.
    for part in [1000, 4] {
        let begun = Instant::now();
        let stopped = bench.predict_with(&input, DeviceChoice::Cpu, 1.0, &after(whole / part));
        assert_eq!(stopped.map(|_| ()), Err(Error::Aborted));
        assert!(begun.elapsed() < whole / 2, "it was worked to its end");
    }
    same(&first, &predict(&bench, &input));
}

#[test]
fn sessions_of_either_kind_are_kept_side_by_side() {
    let input = scene(96, 64);
    let sessions = |bench: &Bench| bench.service.status().sessions.len();
    let Bench {
        folder,
        service,
        model,
    } = theirs();
    let bench = Bench {
        model: Model {
            processor: Some(Own::Unmixer),
            ..model.clone()
        },
        folder,
        service,
    };
    let ours = predict(&bench, &input);
    assert_eq!(sessions(&bench), 1);
    // The same file, size, device and precision in the same service.
    let bench = Bench { model, ..bench };
    let theirs = predict(&bench, &input);
    assert_eq!(sessions(&bench), 2);
    assert!(worst(ours.foreground.data(), theirs.foreground.data()) > 0.0);
}

/// What such a model's file is refused with.
fn refusal(file: &[u8]) -> String {
    let sum: String = Sha256::digest(file)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let sha256 = &ours().model.sha256;
    let bench = shipped::bench_of(file, options(), |manifest| manifest.replace(sha256, &sum));
    let told = bench.predict(&scene(64, 64)).unwrap_err();
    assert_eq!(told.code(), "model.graph", "{told}");
    assert_eq!(bench.model.verify(&|| false), Err(told.clone()));
    let told = told.to_string();
    assert!(told.contains("processor = \"unmixer-1\""), "{told}");
    assert!(told.ends_with("tell whoever made it"), "{told}");
    // As a graph for the runtime it is fine.
    let words = |manifest: String| shipped::not_ours(manifest.replace(sha256, &sum));
    let bench = shipped::bench_of(file, options(), words);
    bench.model.verify(&|| false).unwrap();
    told
}

#[test]
fn a_file_that_holds_another_network_is_refused_by_name() {
    let told = refusal(&onnx::transparent());
    assert!(told.contains("but it has no convolution \"/"), "{told}");

    // A convolution's filter with other sides. Each number is a field of its own in the file.
    let file = std::fs::read(shipped::folder().join("base.onnx")).unwrap();
    let shape = |sides: [u8; 4]| sides.map(|side| [8, side]).concat();
    let (own, other) = (shape([32, 6, 4, 4]), shape([32, 4, 6, 4]));
    let places: Vec<usize> = file
        .windows(own.len())
        .enumerate()
        .filter_map(|(place, bytes)| (bytes == own).then_some(place))
        .collect();
    assert_eq!(places.len(), 1, "the stem's filter is not found");
    let mut changed = file.clone();
    changed[places[0]..][..other.len()].copy_from_slice(&other);
    let told = refusal(&changed);
    assert!(told.contains("stem"), "{told}");
}

#[test]
fn a_damaged_file_is_refused_before_it_is_read() {
    let mut file = std::fs::read(shipped::folder().join("base.onnx")).unwrap();
    let middle = file.len() / 2;
    file[middle] ^= 1;
    let bench = shipped::bench_of(&file, options(), |manifest| manifest);
    let told = bench.predict(&scene(64, 64)).unwrap_err();
    assert_eq!(told.code(), "model.altered", "{told}");
}
