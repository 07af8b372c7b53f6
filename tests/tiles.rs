//! The shipped model in tiles, with the real ONNX Runtime: the same picture as in one piece.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/models.rs"]
mod models;
#[path = "support/onnx.rs"]
mod onnx;
#[path = "support/bench.rs"]
mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use corridorkey::keyer::NetworkInput;
use corridorkey::network::{
    DeviceChoice, Error, Model, Precision, PrecisionChoice, Request, Service,
};
use support::{Bench, options};

/// The shipped model with a manifest that this changes.
fn shipped(edit: impl FnOnce(String) -> String) -> Bench {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/base");
    let folder = tempfile::tempdir().unwrap();
    let manifest = edit(std::fs::read_to_string(source.join("model.toml")).unwrap());
    std::fs::copy(source.join("base.onnx"), folder.path().join("base.onnx")).unwrap();
    let path = folder.path().join("model.toml");
    std::fs::write(&path, manifest).unwrap();
    Bench {
        model: Model::read(&path).unwrap(),
        service: Service::new(options(), None),
        folder,
    }
}

fn in_tiles(pixels: usize) -> Bench {
    shipped(|manifest| {
        assert!(manifest.contains("pixels = 2500000"), "{manifest}");
        manifest.replace("pixels = 2500000", &format!("pixels = {pixels}"))
    })
}

/// An unevenly lit green screen behind soft discs and fine lines of other colours, with grain; the
/// hint knows the discs.
fn scene(width: usize, height: usize) -> NetworkInput {
    let mut data = vec![0.0; 4 * width * height];
    let mut seed = 1_u32;
    for y in 0..height {
        for x in 0..width {
            let (u, v) = (x as f32 / width as f32, y as f32 / height as f32);
            let near = |cx: f32, cy: f32, radius: f32, soft: f32| {
                let reach = ((u - cx).powi(2) + (v - cy).powi(2)).sqrt();
                ((radius - reach) / soft + 0.5).clamp(0.0, 1.0)
            };
            let discs = near(0.3, 0.5, 0.17, 0.03).max(near(0.75, 0.4, 0.2, 0.1));
            let line = if (x + y / 3).is_multiple_of(37) && v > 0.6 {
                0.7
            } else {
                0.0
            };
            let alpha = discs.max(line);
            let screen = [0.1 + 0.1 * v, 0.55 + 0.2 * u, 0.15];
            let subject = [0.7 - 0.4 * u, 0.35, 0.3 + 0.4 * v];
            for (channel, (screen, subject)) in screen.into_iter().zip(subject).enumerate() {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let grain = (seed >> 8) as f32 / 2_f32.powi(24) - 0.5;
                let value = subject * alpha + screen * (1.0 - alpha) + grain * 0.03;
                let place = (channel * height + y) * width + x;
                data[place] = (value - onnx::MEAN[channel]) / onnx::STD[channel];
            }
            data[(3 * height + y) * width + x] = if discs > 0.8 { 1.0 } else { 0.0 };
        }
    }
    NetworkInput {
        height,
        width,
        data,
    }
}

/// The largest difference.
fn worst(one: &[f32], other: &[f32]) -> f32 {
    let differences = one.iter().zip(other).map(|(a, b)| (a - b).abs());
    differences.fold(0.0, f32::max)
}

/// In one piece and in tiles, the stored graph turned to 16 bits is near itself.
#[test]
fn half_precision_is_near() {
    let input = scene(512, 384);
    for pixels in [2_500_000, 120_000] {
        let bench = in_tiles(pixels);
        let tiles = bench
            .model
            .layout(512, 384)
            .map_or(1, |layout| layout.count());
        assert_eq!(tiles > 1, pixels < 512 * 384, "{tiles}");
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
    let whole = shipped(|manifest| manifest);
    assert_eq!(whole.model.layout(1184, 896), None);
    let tiled = in_tiles(300_000);
    let layout = tiled.model.layout(1184, 896).unwrap();
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
    let (in_tiles, in_one) = (
        tiled.model.memory(3840, 2176, Precision::Fp32),
        whole.model.memory(3840, 2176, Precision::Fp32),
    );
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
    let bench = shipped(|manifest| {
        manifest
            .replace("pixels = 2500000", "pixels = 300000")
            .replace("context = \"y3\"", "context = \"y9\"")
    });
    let error = bench.predict(&scene(1184, 896)).unwrap_err();
    assert_eq!(error.code(), "model.graph");
    assert!(error.to_string().contains("\"y9\""), "{error}");
}
