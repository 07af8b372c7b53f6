//! A model in a folder, a service of its own to run it, and pictures to run it on.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "every test file uses another part"
)]

use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use corridorkey::keyer::NetworkInput;
use corridorkey::network::options::Options;
use corridorkey::network::{
    DeviceChoice, Model, Outcome, PrecisionChoice, Request, Result, Service,
};

use crate::{models, onnx};

pub static LIBRARY: LazyLock<PathBuf> = LazyLock::new(|| {
    match std::env::var_os("CORRIDORKEY_ORT_DYLIB") {
    Some(path) => path.into(),
    None => bundle::onnx_runtime().unwrap_or_else(|error| {
        panic!("these tests need ONNX Runtime; set CORRIDORKEY_ORT_DYLIB to a libonnxruntime. Fetching it failed: {error}")
    }),
}
});

pub fn options() -> Options {
    Options {
        library: Some(LIBRARY.clone()),
        ..Options::default()
    }
}

/// A folder with one model in it, and a service of its own.
pub struct Bench {
    pub folder: tempfile::TempDir,
    pub service: Service,
    pub model: Model,
}

pub fn bench(graph: &[u8]) -> Bench {
    bench_with(graph, options(), "")
}

pub fn bench_with(graph: &[u8], options: Options, extra: &str) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let manifest = models::manifest("test", "1", graph, extra);
    let model = Model::read(&models::write(folder.path(), "test", &manifest, graph)).unwrap();
    Bench {
        folder,
        service: Service::new(options, None),
        model,
    }
}

impl Bench {
    pub fn predict(&self, input: &NetworkInput) -> Result<Outcome> {
        self.predict_with(input, DeviceChoice::Cpu, 1.0, &|| false)
    }

    pub fn predict_with(
        &self,
        input: &NetworkInput,
        device: DeviceChoice,
        refiner: f32,
        stop: &dyn Fn() -> bool,
    ) -> Result<Outcome> {
        let request = Request {
            model: &self.model,
            device,
            precision: PrecisionChoice::Auto,
            input,
            refiner_strength: refiner,
        };
        self.service.predict(&request, &|| stop())
    }
}

/// A picture in which every value is its own.
pub fn picture(width: usize, height: usize) -> NetworkInput {
    let pixels = width * height;
    let data = (0..pixels * 4).map(|index| {
        let (channel, pixel) = (index / pixels, index % pixels);
        let value = (pixel as f32 + 0.5) / pixels as f32;
        match channel {
            3 => value * 0.9,
            _ => {
                ((value * (channel + 1) as f32).fract() - onnx::MEAN[channel]) / onnx::STD[channel]
            }
        }
    });
    NetworkInput {
        height,
        width,
        data: data.collect(),
    }
}

pub fn hint(input: &NetworkInput) -> &[f32] {
    &input.data[input.width * input.height * 3..]
}

pub fn after(time: Duration) -> impl Fn() -> bool {
    let begun = Instant::now();
    move || begun.elapsed() > time
}
