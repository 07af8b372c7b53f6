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
#[path = "../tests/support/greenformer.rs"]
mod greenformer;
#[path = "../tests/support/models.rs"]
mod models;
#[path = "../tests/support/onnx.rs"]
mod onnx;
#[path = "../tests/support/weights.rs"]
mod weights;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use corridorkey::keyer::Pool;
use corridorkey::network::engine::Engine;
use corridorkey::network::greenformer::graph::{self, Options};
use corridorkey::network::greenformer::import::{self, import};
use corridorkey::network::greenformer::refiner;
use corridorkey::network::greenformer::tensors;
use corridorkey::network::model::{MANIFEST, Refiner};
use corridorkey::network::{Device, Model, Precision, Service};
use ort::session::Session;
use ort::value::TensorRef;
use serde::Deserialize;

/// Sides of squares, precisions, and how the refiner is worked.
const SESSIONS: [(usize, Precision, Refiner); 6] = [
    (512, Precision::Fp32, Refiner::Whole),
    (1024, Precision::Fp32, Refiner::Whole),
    (512, Precision::Fp32, Refiner::Strips),
    (1024, Precision::Fp32, Refiner::Strips),
    (512, Precision::Fp16, Refiner::Whole),
    (1024, Precision::Fp16, Refiner::Whole),
];
/// Runs of each session; the last is what counts, since memory is touched first in the first.
const RUNS: usize = 3;

/// With this argument the program tells where a frame's time goes, and nothing else: the profile
/// wants a runtime of its own, and a process can have but one.
const PARTS: &str = "parts";

fn main() {
    if std::env::args().any(|argument| argument == PARTS) {
        let threads = bench::options().network_threads();
        return [512, 1024]
            .into_iter()
            .for_each(|side| parts(side, threads));
    }
    let service = Service::new(bench::options(), None);
    println!("{} threads", service.options().network_threads());
    println!("{:<44} {:>10} {:>12}", "", "seconds", "peak MB more");
    let folder = tempfile::tempdir().unwrap();
    let model = Arc::new(imported(folder.path()));
    for (side, precision, refiner) in SESSIONS {
        square(&service, &model, side, precision, refiner);
    }
    let this = std::env::current_exe().unwrap();
    let parts = Command::new(this).arg(PARTS).status().unwrap();
    assert!(parts.success(), "{parts}");
}

/// Prints where the time of a frame goes: up to the logits as the runtime's own profile says, on
/// average, and the refiner's least.
fn parts(side: usize, threads: usize) {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        height: side,
        width: side,
        precision: Precision::Fp32,
        device: Device::Cpu,
    };
    let weights = greenformer::WEIGHTS.path().parent().unwrap();
    let mut session = Session::builder(&greenformer::ENVIRONMENT)
        .unwrap()
        .with_memory_pattern(false)
        .unwrap()
        .with_intra_threads(threads)
        .unwrap()
        .with_config_entry(
            "session.model_external_initializers_file_folder_path",
            weights.to_str().unwrap(),
        )
        .unwrap()
        .with_config_entry("session.disable_prepacking", "1")
        .unwrap()
        .with_profiling(folder.path().join("profile"))
        .unwrap()
        .commit_from_memory(&graph::coarse(&greenformer::WEIGHTS, &options).unwrap())
        .unwrap();
    let input = bench::picture(side, side);
    let shape = [1, 4, side as i64, side as i64];
    for _ in 0..RUNS {
        let outputs = session.run(ort::inputs![
            graph::INPUT => TensorRef::from_array_view((shape, &input.data[..])).unwrap(),
        ]);
        drop(outputs.unwrap());
    }
    let profile = std::fs::read(session.end_profiling().unwrap()).unwrap();
    let events: Vec<Event> = serde_json::from_slice(&profile).unwrap();
    let mut times: BTreeMap<&str, f64> = BTreeMap::new();
    for event in &events {
        if event.cat == "Node" && event.name.ends_with("_kernel_time") {
            *times.entry(part(&event.name)).or_default() += event.dur / 1e6 / RUNS as f64;
        }
    }
    for (part, seconds) in times {
        let time = Duration::from_secs_f64(seconds);
        line(&format!("{side}, fp32: {part}"), time, None);
    }
    let pixels = side * side;
    let mut refiner = refiner::Refiner::new(&greenformer::WEIGHTS, side, side, threads).unwrap();
    let (mut alpha, mut foreground) = (vec![0.0; pixels], vec![0.0; 3 * pixels]);
    let (plate, logits) = (&input.data[..3 * pixels], &input.data[..]);
    let never = AtomicBool::new(false);
    let times = (0..RUNS).map(|_| {
        let begun = Instant::now();
        let ran = refiner.run(plate, logits, 1.0, &never, &mut alpha, &mut foreground);
        ran.unwrap();
        begun.elapsed()
    });
    let least = times.min().unwrap();
    line(
        &format!("{side}, fp32: refiner, {threads} threads"),
        least,
        None,
    );
}

/// What the runtime says of a node's run.
#[derive(Deserialize)]
struct Event {
    cat: String,
    name: String,
    #[serde(default)]
    dur: f64,
}

/// The part of the network that a node belongs to, by its name.
fn part(node: &str) -> &'static str {
    let first = node.split('/').next().unwrap_or_default();
    if first.contains("decoder") {
        return "decoders";
    }
    let block = first.strip_prefix("block");
    match block.and_then(|number| number.parse::<usize>().ok()) {
        Some(0..2) => "encoder, stage 1",
        Some(2..5) => "encoder, stage 2",
        Some(5..21) => "encoder, stage 3",
        Some(_) => "encoder, stage 4",
        None if first == "embed" => "encoder, stage 1",
        // Put in by the runtime.
        None => "reordering",
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

fn square(
    service: &Service,
    model: &Arc<Model>,
    side: usize,
    precision: Precision,
    refiner: Refiner,
) {
    let way = match refiner {
        Refiner::Whole => "",
        Refiner::Strips => " in strips",
    };
    let name = |what: &str| format!("{side}, {}{way}: {what}", precision.id());
    let key = model.key(side, side, Device::Cpu, precision);
    let (runtime, threads) = (
        service.runtime().unwrap(),
        service.options().network_threads(),
    );
    let build = || Engine::build(runtime, model.clone(), key.clone(), threads, refiner).unwrap();
    let input = bench::picture(side, side);
    let mut times = Vec::new();
    let (_, peak, ()) = measured(|| {
        let engine = build();
        line(&name("session"), engine.built(), None);
        for _ in 0..RUNS {
            times.push(engine.run(&input, 1.0, &Pool::new(0), &|| false).unwrap().1);
        }
    });
    line(&name("frame, the first"), times[0], None);
    line(&name(&format!("frame, run {RUNS}")), times[RUNS - 1], peak);
    let estimate = match refiner {
        Refiner::Whole => model.estimate(side, side, Device::Cpu, precision),
        Refiner::Strips => model.in_strips(side, side, precision).unwrap(),
    };
    let estimate = estimate.total() as f64 / 1e6;
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
