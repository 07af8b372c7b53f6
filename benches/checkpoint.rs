//! What CorridorKey's own network costs on a processor: `cargo bench --bench checkpoint`.
//!
//! A checkpoint of stand-in weights, of the official one's size, is imported; then sessions are
//! built and run as the plug-in does it. Each session is built twice: the first of a process also
//! reads the weights file whole, to prove its sum. Memory is that of the process, mapped files
//! included, as Linux tells it.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a program that prints"
)]

#[path = "../tests/support/bench.rs"]
mod bench;
#[path = "../tests/support/checkpoint.rs"]
mod checkpoint;
#[path = "../tests/support/models.rs"]
mod models;
#[path = "../tests/support/onnx.rs"]
mod onnx;
#[path = "../tests/support/weights.rs"]
mod weights;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use corridorkey::network::engine::Engine;
use corridorkey::network::greenformer::import::{self, import};
use corridorkey::network::greenformer::tensors;
use corridorkey::network::model::MANIFEST;
use corridorkey::network::session::Key;
use corridorkey::network::{Device, Model, Precision, Service};

/// Sides of squares, and precisions.
const SESSIONS: [(usize, Precision); 4] = [
    (512, Precision::Fp32),
    (1024, Precision::Fp32),
    (512, Precision::Fp16),
    (1024, Precision::Fp16),
];
/// Runs of each session; the last is what counts, since memory is touched first in the first.
const RUNS: usize = 3;

fn main() {
    let service = Service::new(bench::options(), None);
    println!("{} threads", service.options().network_threads());
    println!("{:<44} {:>10} {:>12}", "", "seconds", "peak MB more");
    let folder = tempfile::tempdir().unwrap();
    let model = Arc::new(imported(folder.path()));
    for (side, precision) in SESSIONS {
        square(&service, &model, side, precision);
    }
}

/// Prints a line.
fn line(what: &str, time: Duration, peak: Option<f64>) {
    let peak = peak.map_or_else(|| "-".into(), |bytes| format!("{:.0}", bytes / 1e6));
    println!("{what:<44} {:>10.3} {peak:>12}", time.as_secs_f64());
}

/// Imports a checkpoint in PyTorch's format.
fn imported(folder: &Path) -> Model {
    let file = folder.join("CorridorKey.pth");
    let specs = tensors::specs(128).into_iter();
    let tensors: Vec<_> = specs.map(|spec| (spec.name, spec.shape)).collect();
    checkpoint::Pth::default().write(&file, &tensors, weights::values);
    let request = import::Request {
        file: &file,
        folder,
        id: "bench",
    };
    let (took, peak, report) = measured(|| import(&request, &|| false, &mut |_, _| {}));
    line(
        &format!("import of {} MB", report.unwrap().bytes / 1_000_000),
        took,
        peak,
    );
    Model::read(&folder.join("bench").join(MANIFEST)).unwrap()
}

fn square(service: &Service, model: &Arc<Model>, side: usize, precision: Precision) {
    let name = |what: &str| format!("{side}, {}: {what}", precision.id());
    let key = Key {
        model: model.sha256.clone(),
        device: Device::Cpu,
        precision,
        width: side,
        height: side,
    };
    let (runtime, threads) = (
        service.runtime().unwrap(),
        service.options().network_threads(),
    );
    let build = || Engine::build(runtime, model.clone(), key.clone(), threads).unwrap();
    let input = bench::picture(side, side);
    let mut times = Vec::new();
    let (_, peak, ()) = measured(|| {
        let engine = build();
        line(&name("session"), engine.built(), None);
        for _ in 0..RUNS {
            times.push(engine.run(&input, 1.0, &|| false).unwrap().1);
        }
    });
    line(&name("frame, the first"), times[0], None);
    line(&name(&format!("frame, run {RUNS}")), times[RUNS - 1], peak);
    let estimate = model.memory(side, side, precision) as f64 / 1e6;
    println!("{:<44} {:>10} {estimate:>12.0}", name("planned"), "");
    line(&name("session, once more"), build().built(), None);
}

/// How long the work takes, by how many bytes the process grows meanwhile at most, and what comes
/// of it.
fn measured<T>(work: impl FnOnce() -> T) -> (Duration, Option<f64>, T) {
    // 5 makes the system forget the highest so far.
    let forgotten = std::fs::write("/proc/self/clear_refs", "5").is_ok();
    let before = status("VmRSS:").filter(|_| forgotten);
    let begun = Instant::now();
    let result = work();
    let took = begun.elapsed();
    let peak = before.and_then(|before| Some(status("VmHWM:")? - before));
    (took, peak, result)
}

/// A line of what Linux says of this process, in bytes.
fn status(name: &str) -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    let kilobytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024.0)
}
