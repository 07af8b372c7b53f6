//! The shipped model with a manifest that a test changes, and pictures for it.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "every test file uses another part"
)]

use std::path::PathBuf;

use corridorkey::keyer::NetworkInput;
use corridorkey::network::options::Options;
use corridorkey::network::{Model, Service};

use crate::onnx;
use crate::support::Bench;

/// What the shipped model's folder is called.
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("models/base")
}

/// The shipped model, a manifest that this changes, and a service of its own.
pub fn bench(options: Options, edit: impl FnOnce(String) -> String) -> Bench {
    let file = std::fs::read(folder().join("base.onnx")).unwrap();
    bench_of(&file, options, edit)
}

/// The same with another file; its manifest has the shipped one's sum unless this changes it.
pub fn bench_of(file: &[u8], options: Options, edit: impl FnOnce(String) -> String) -> Bench {
    let own = tempfile::tempdir().unwrap();
    let manifest = edit(std::fs::read_to_string(folder().join("model.toml")).unwrap());
    std::fs::write(own.path().join("base.onnx"), file).unwrap();
    let path = own.path().join("model.toml");
    std::fs::write(&path, manifest).unwrap();
    Bench {
        model: Model::read(&path).unwrap(),
        service: Service::new(options, None),
        folder: own,
    }
}

/// The manifest without the word that the plug-in computes the network itself: the runtime's.
pub fn not_ours(manifest: String) -> String {
    let lines = manifest.split_inclusive('\n');
    let kept: String = lines
        .filter(|line| !line.starts_with("processor"))
        .collect();
    assert_ne!(kept, manifest, "it does not say so");
    kept
}

/// An unevenly lit green screen behind soft discs and fine lines of other colours, with grain; the
/// hint knows the discs.
pub fn scene(width: usize, height: usize) -> NetworkInput {
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
pub fn worst(one: &[f32], other: &[f32]) -> f32 {
    let differences = one.iter().zip(other).map(|(a, b)| (a - b).abs());
    differences.fold(0.0, f32::max)
}

/// Noise in every channel, the hint's included, the same on every machine.
pub fn noise(width: usize, height: usize) -> NetworkInput {
    let mut seed = 9_u32;
    let mut next = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) as f32 / 2_f32.powi(24)
    };
    let pixels = width * height;
    let data = (0..4 * pixels).map(|index| match index / pixels {
        3 => next(),
        channel => (next() - onnx::MEAN[channel]) / onnx::STD[channel],
    });
    NetworkInput {
        height,
        width,
        data: data.collect(),
    }
}
