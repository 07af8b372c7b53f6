//! What a session of CorridorKey's own network needs, against what was foretold.
//!
//! A file of its own and one test in it: the process is what is measured.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/bench.rs"]
mod bench;
#[path = "support/models.rs"]
mod models;
#[path = "support/onnx.rs"]
mod onnx;
#[path = "support/stage.rs"]
mod stage;
#[path = "support/weights.rs"]
mod weights;

use corridorkey::network::Precision;
use corridorkey::network::model::Refiner;
use stage::{STAGE, engine};

/// A line of what Linux says of this process's memory, mapped files included, in bytes.
fn status(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    let kilobytes: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kilobytes * 1024.0
}

/// By how many bytes the process grows at most while a session is built and runs.
fn growth(side: usize, refiner: Refiner) -> f64 {
    let input = bench::picture(side, side);
    // 5 makes the system forget the highest so far.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = status("VmRSS:");
    let engine = engine(side, side, Precision::Fp32, refiner);
    engine.run(&input, 1.0, &|| false).unwrap();
    status("VmHWM:") - before
}

#[test]
fn memory_is_within_a_quarter_of_the_estimate() {
    let model = &STAGE.model;
    // The first engine of a process also reads the weights file.
    drop(engine(64, 64, Precision::Fp32, Refiner::Whole));
    for side in [512, 1024] {
        let whole = model.estimate(side, side, Precision::Fp32);
        let strips = model.in_strips(side, side, Precision::Fp32).unwrap();
        for (refiner, estimate) in [(Refiner::Whole, whole), (Refiner::Strips, strips)] {
            let (measured, estimate) = (growth(side, refiner), estimate.total() as f64);
            let ratio = measured / estimate;
            assert!(
                (0.75..1.25).contains(&ratio),
                "{side} {refiner:?}: {:.0} MB and not {:.0}",
                measured / 1e6,
                estimate / 1e6
            );
        }
    }
}
