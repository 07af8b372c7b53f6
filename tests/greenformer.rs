//! CorridorKey's own network, built by this project, against the original engine's numbers.
//!
//! Weights and golden values are stand-ins of the checkpoint's shape; the runtime is the one that
//! the bundle ships, and without it these tests fail.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/bench.rs"]
mod bench;
#[path = "support/golden.rs"]
mod golden;
#[path = "support/greenformer.rs"]
mod greenformer;
#[path = "support/models.rs"]
mod models;
#[path = "support/onnx.rs"]
mod onnx;
#[path = "support/weights.rs"]
mod weights;

use corridorkey::keyer::{Planes, Prediction};
use corridorkey::network::greenformer::graph::{self, Options};
use corridorkey::network::greenformer::tensors;
use corridorkey::network::{Device, Precision};
use greenformer::{Network, WEIGHTS};
use serde::Deserialize;

/// The golden values hang on every bit of these; the numbers are those of the original's own
/// script, which computed with NumPy.
#[test]
fn stand_in_weights_are_those_that_the_golden_values_were_computed_with() {
    let specs = tensors::specs(128);
    for (name, first, second, last) in [
        (
            "encoder.model.pos_embed",
            0x3e0419b4,
            0xbdde8b48,
            0xbed1dcf0,
        ),
        (
            "encoder.model.blocks.0.norm1.weight",
            0x3f7d0434,
            0x3f8a4bb1,
            0x3f740109,
        ),
        (
            "encoder.model.blocks.7.attn.proj.weight",
            0x3c201705,
            0xbc809978,
            0x3cbcb6cd,
        ),
        (
            "encoder.model.blocks.23.mlp.fc2.bias",
            0x3cdf1200,
            0x3cf23477,
            0x3c9a273a,
        ),
        (
            "alpha_decoder.bn.running_var",
            0x3f5c9e0e,
            0x3f7797e5,
            0x3f4924b3,
        ),
        (
            "fg_decoder.classifier.weight",
            0x3dda48c3,
            0xbd686c20,
            0xbe719adb,
        ),
        ("refiner.stem.1.bias", 0x3d9f9cfb, 0xbc505233, 0x3dc52dd8),
        (
            "refiner.res3.conv2.weight",
            0xbd037c88,
            0x3b033fe9,
            0x3d345483,
        ),
        ("refiner.final.weight", 0xba853713, 0xbb775d25, 0xbcc95ad0),
        (
            "alpha_decoder.linear_c4.proj.weight",
            0xbd4a06ff,
            0xbd2b684f,
            0x3d0c27f3,
        ),
    ] {
        let spec = specs.iter().find(|spec| spec.name == name).unwrap();
        let values: Vec<u32> = weights::values(name, &spec.shape)
            .map(f32::to_bits)
            .collect();
        assert_eq!(values.len(), spec.len(), "{name}");
        assert_eq!([values[0], values[1]], [first, second], "{name}");
        assert_eq!(values.last(), Some(&last), "{name}");
    }
}

/// The largest and the mean difference of two pictures of the same size.
fn differences(ours: &Planes, theirs: &Planes) -> (f32, f32) {
    assert_eq!(ours.size(), theirs.size());
    assert_eq!(ours.channels(), theirs.channels());
    let pairs = ours.data().iter().zip(theirs.data());
    let (worst, sum) = pairs.fold((0.0_f32, 0.0_f64), |(worst, sum), (a, b)| {
        assert!(a.is_finite());
        let difference = (a - b).abs();
        (worst.max(difference), sum + f64::from(difference))
    });
    (worst, (sum / ours.data().len() as f64) as f32)
}

/// The golden values are stored in 16 bits, which is off by 8e-6 at most. 5e-5 is promised.
const NEAR: f32 = 2e-5;

#[test]
fn a_square_picture_gives_the_originals_values_from_plate_to_composite() {
    let mut network = Network::plain(256, 256);
    for run in golden::RUNS.iter().filter(|run| run.side == 256) {
        compare(&mut network, run);
    }
}

#[test]
fn a_picture_of_the_trained_size_gives_the_originals_values_from_plate_to_composite() {
    let mut network = Network::plain(512, 512);
    for run in golden::RUNS.iter().filter(|run| run.side == 512) {
        compare(&mut network, run);
    }
}

/// The network's own outputs, and the four pictures that become of them.
fn compare(network: &mut Network, run: &golden::Run) {
    let stored = run.load();
    let input = run.input(&stored);
    let [alpha, foreground] = network.run(&input.data, run.refiner);
    for (ours, name) in [(&alpha, "model_alpha"), (&foreground, "model_fg")] {
        let (worst, _) = differences(ours, &golden::tensor(&stored[name]));
        assert!(worst < NEAR, "{} {name}: {worst}", run.name);
    }
    let prediction = Prediction { alpha, foreground };
    run.compare(&stored, &prediction, 5e-5, 1e-3);
}

#[test]
fn a_picture_that_is_no_square_gives_the_originals_values() {
    let run = golden::load("rect160x288");
    let mut network = Network::plain(160, 288);
    let ours = network.run(&run["model_input"].values, 1.0);
    for (ours, stored) in ours.iter().zip(["model_alpha", "model_fg"]) {
        let (worst, _) = differences(ours, &golden::tensor(&run[stored]));
        assert!(worst < NEAR, "{stored}: {worst}");
    }
}

#[derive(Deserialize)]
struct Reference {
    side: usize,
    mean: [f64; 4],
    samples: Vec<[f64; 6]>,
}

/// Beyond the golden values there is `ci/greenformer_reference.py`, the network written a second
/// time in plain PyTorch. It was run once by hand, and 206 places of what it gave at 1024 × 1024,
/// and the mean of each plane, were kept. The sums that a normalisation takes over the whole
/// picture are what gets worse with its size.
#[test]
fn a_large_picture_gives_the_values_of_an_implementation_of_its_own() {
    let text = include_str!("golden/greenformer1024.json");
    let reference: Reference = serde_json::from_str(text).unwrap();
    assert!(reference.samples.len() > 200);
    let side = reference.side;
    let [alpha, foreground] = Network::plain(side, side).run(&ramps(side), 1.0);
    let plane = |index: usize| match index {
        0 => alpha.plane(0),
        channel => foreground.plane(channel - 1),
    };
    for (index, mean) in reference.mean.iter().enumerate() {
        let sum: f64 = plane(index).iter().copied().map(f64::from).sum();
        let ours = sum / (side * side) as f64;
        assert!(
            (ours - mean).abs() < 2e-6,
            "plane {index}: {ours} is not {mean}"
        );
    }
    let mut worst = 0.0_f64;
    for [y, x, values @ ..] in &reference.samples {
        for (index, value) in values.iter().enumerate() {
            let ours = plane(index)[*y as usize * side + *x as usize];
            worst = worst.max((f64::from(ours) - value).abs());
        }
    }
    assert!(worst < f64::from(NEAR), "{worst}");
}

/// The picture that the reference was computed from: ramps that begin anew again and again, with
/// some noise; the hint has none.
fn ramps(side: usize) -> Vec<f32> {
    let mut noise = weights::uniform("picture");
    let mut input = Vec::with_capacity(4 * side * side);
    for channel in 0..3 {
        for (y, x) in (0..side * side).map(|index| (index / side, index % side)) {
            let ramp = (x * (3 + channel) + y * (5 - channel)) % 256;
            input.push(ramp as f32 / 64.0 - 2.0 + 0.25 * noise.next().unwrap());
        }
    }
    input.extend((0..side * side).map(|index| {
        let (y, x) = (index / side, index % side);
        ((x + 2 * y) % 257) as f32 / 256.0
    }));
    input
}

/// The runtime has half-precision kernels for few operators on a processor and computes the others
/// in 32 bits, so that this shows the weights' rounding, that of the values between the graph's
/// parts, and that the graph is a graph. What a graphics card makes of it is for a test there.
#[test]
fn half_precision_is_near_the_originals_values() {
    let run = golden::load("rect160x288");
    for device in Device::ALL {
        let mut network = Network::new(160, 288, Precision::Fp16, device);
        let ours = network.run(&run["model_input"].values, 1.0);
        for (ours, stored) in ours.iter().zip(["model_alpha", "model_fg"]) {
            let (worst, mean) = differences(ours, &golden::tensor(&run[stored]));
            assert!(worst < 1e-2 && mean < 1e-3, "{stored}: {worst}, {mean}");
            assert!(worst > 1e-4, "{stored} is not of half precision: {worst}");
        }
    }
}

/// Every device gets a graph that suits it; a processor can run all of them.
#[test]
fn the_graphs_of_all_devices_compute_the_same() {
    let input = golden::load("rect160x288").remove("model_input").unwrap();
    let ours = Network::plain(160, 288).run(&input.values, 1.0);
    for device in [Device::Cuda, Device::CoreMl] {
        let mut network = Network::new(160, 288, Precision::Fp32, device);
        let theirs = network.run(&input.values, 1.0);
        for (a, b) in ours.iter().zip(&theirs) {
            let (worst, _) = differences(a, b);
            assert!(worst < 1e-5, "{device:?}: {worst}");
        }
    }
}

#[test]
fn without_the_refinement_the_picture_is_another_one() {
    let input = golden::load("rect160x288").remove("model_input").unwrap();
    let mut network = Network::plain(160, 288);
    let [with, without] = [1.0, 0.0].map(|strength| network.run(&input.values, strength));
    for (a, b) in with.iter().zip(&without) {
        let (worst, mean) = differences(a, b);
        assert!(worst > 0.05 && mean > 1e-3, "{worst}, {mean}");
    }
}

#[test]
fn sides_that_are_no_multiples_of_32_are_refused() {
    for (height, width) in [(0, 32), (32, 0), (48, 64), (64, 33)] {
        let options = Options {
            height,
            width,
            precision: Precision::Fp32,
            device: Device::Cpu,
        };
        let error = graph::build(&WEIGHTS, &options).unwrap_err();
        assert!(error.to_string().contains("multiples of 32"), "{error}");
    }
}
