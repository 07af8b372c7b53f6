//! The shipped model in tiles, with the real ONNX Runtime: the same picture as in one piece. On a
//! processor in 32 bits it has none, so that its manifest is changed for that.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/models.rs"]
mod models;
#[path = "support/onnx.rs"]
mod onnx;
#[path = "support/shipped.rs"]
mod shipped;
#[path = "support/bench.rs"]
mod support;

use std::time::{Duration, Instant};

use corridorkey::network::{Device, DeviceChoice, Error, Precision, PrecisionChoice, Request};
use shipped::{scene, worst};
use support::{Bench, options};

/// The shipped model as the runtime runs it, with a manifest that this changes.
fn by_the_runtime(edit: impl FnOnce(String) -> String) -> Bench {
    shipped::bench(options(), |manifest| edit(shipped::not_ours(manifest)))
}

fn in_tiles(pixels: usize) -> Bench {
    by_the_runtime(|manifest| {
        assert!(manifest.contains("pixels = 2500000"), "{manifest}");
        manifest.replace("pixels = 2500000", &format!("pixels = {pixels}"))
    })
}

/// In one piece and in tiles, the stored graph turned to 16 bits is near itself.
#[test]
fn half_precision_is_near() {
    let input = scene(512, 384);
    for pixels in [2_500_000, 120_000] {
        let bench = in_tiles(pixels);
        for precision in [Precision::Fp32, Precision::Fp16] {
            let layout = bench.model.layout(512, 384, Device::Cpu, precision);
            let tiles = layout.map_or(1, |layout| layout.count());
            assert_eq!(tiles > 1, pixels < 512 * 384, "{tiles}");
        }
        let run = |precision| {
            let request = Request {
                model: &bench.model,
                device: DeviceChoice::Cpu,
                precision,
                input: &input,
                refiner_strength: 1.0,
            };
            bench
                .service
                .predict(&request, &|| false)
                .unwrap()
                .prediction
        };
        let (full, half) = (run(PrecisionChoice::Fp32), run(PrecisionChoice::Fp16));
        for (full, half) in [
            (full.alpha.data(), half.alpha.data()),
            (full.foreground.data(), half.foreground.data()),
        ] {
            let worst = worst(full, half);
            assert!(worst < 5e-3, "{pixels}: {worst}");
            assert!(worst > 1e-5, "{pixels}: {worst} is not of half precision");
        }
    }
}

#[test]
fn tiles_give_what_the_whole_frame_gives() {
    let input = scene(1184, 896);
    let whole = by_the_runtime(|manifest| manifest);
    let tiled = in_tiles(300_000);
    let layout = |bench: &Bench| {
        let model = &bench.model;
        model.layout(1184, 896, Device::Cpu, Precision::Fp32)
    };
    assert_eq!(layout(&whole), None);
    let layout = layout(&tiled).unwrap();
    assert!(layout.count() >= 6, "{layout:?}");
    let one = whole.predict(&input).unwrap().prediction;
    let other = tiled.predict(&input).unwrap().prediction;
    let soft = one.alpha.data().iter().filter(|a| **a > 0.05 && **a < 0.95);
    assert!(soft.count() > 10_000, "the scene has hardly any soft edges");
    for (one, other) in [
        (&one.alpha, &other.alpha),
        (&one.foreground, &other.foreground),
    ] {
        let worst = worst(one.data(), other.data());
        assert!(
            worst <= 1e-3,
            "tiles differ from the whole frame by {worst}"
        );
    }
}

#[test]
fn a_frame_in_tiles_needs_less_memory_than_in_one_piece() {
    let (tiled, whole) = (in_tiles(2_500_000), in_tiles(100_000_000));
    let memory = |bench: &Bench| {
        let model = &bench.model;
        model.memory(3840, 2176, Device::Cpu, Precision::Fp32)
    };
    let (in_tiles, in_one) = (memory(&tiled), memory(&whole));
    assert!(in_tiles < in_one * 6 / 10, "{in_tiles} against {in_one}");
}

#[test]
fn an_abort_ends_the_work_between_tiles() {
    let bench = in_tiles(300_000);
    let input = scene(1184, 896);
    bench.predict(&input).unwrap();
    let begun = Instant::now();
    let stop = || begun.elapsed() > Duration::from_millis(40);
    let error = bench
        .predict_with(&input, DeviceChoice::Cpu, 1.0, &stop)
        .unwrap_err();
    assert_eq!(error, Error::Aborted);
    assert!(bench.predict(&input).is_ok(), "and the next frame works");
}

#[test]
fn seams_that_the_graph_does_not_have_are_named() {
    let bench = by_the_runtime(|manifest| {
        manifest
            .replace("pixels = 2500000", "pixels = 300000")
            .replace("context = \"y3\"", "context = \"y9\"")
    });
    let error = bench.predict(&scene(1184, 896)).unwrap_err();
    assert_eq!(error.code(), "model.graph");
    assert!(error.to_string().contains("\"y9\""), "{error}");
}
