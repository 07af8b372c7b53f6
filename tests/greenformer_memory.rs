//! What a session of CorridorKey's own network needs, against what was foretold.
//!
//! A file of its own and one test in it, which starts itself: the process is what is measured.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

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

use corridorkey::keyer::Pool;
use corridorkey::network::model::Refiner;
use corridorkey::network::{Device, Precision};
use stage::{STAGE, engine};

/// A line of what Linux says of this process's memory, mapped files included, in bytes.
fn status(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    let kilobytes: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kilobytes * 1024.0
}

/// Names the case that a process started by the test is to measure.
const CASE: &str = "CORRIDORKEY_TEST_MEMORY";

/// By how many bytes a process grows at most while a session is built and runs.
fn growth(side: usize, refiner: Refiner) -> f64 {
    let input = bench::picture(side, side);
    STAGE.service.runtime().unwrap();
    // 5 makes the system forget the highest so far.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = status("VmRSS:");
    let engine = engine(side, side, Precision::Fp32, refiner);
    engine.run(&input, 1.0, &Pool::new(0), &|| false).unwrap();
    status("VmHWM:") - before
}

/// [`growth`] in a process of its own: what one session gives back its process may keep for the
/// next one.
fn growth_alone(case: &str) -> f64 {
    let mut test = std::process::Command::new(std::env::current_exe().unwrap());
    let output = test.arg("--nocapture").env(CASE, case).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    let bytes = said.lines().find_map(|line| line.strip_prefix(CASE));
    bytes.expect("what was measured").trim().parse().unwrap()
}

#[test]
fn memory_is_within_a_quarter_of_the_estimate() {
    let model = &STAGE.model;
    let asked = std::env::var(CASE).ok();
    for side in [512, 1024] {
        let whole = model.estimate(side, side, Device::Cpu, Precision::Fp32);
        let strips = model.in_strips(side, side, Precision::Fp32).unwrap();
        for (refiner, estimate) in [(Refiner::Whole, whole), (Refiner::Strips, strips)] {
            let case = format!("{side} {refiner:?}");
            if let Some(asked) = &asked {
                if *asked == case {
                    println!("\n{CASE} {}", growth(side, refiner));
                }
                continue;
            }
            let (measured, estimate) = (growth_alone(&case), estimate.total() as f64);
            let (ratio, said) = (measured / estimate, measured / 1e6);
            println!("{case}: {said:.0} MB, estimated {:.0}", estimate / 1e6);
            assert!(
                (0.75..1.25).contains(&ratio),
                "{case}: {said:.0} MB is {ratio:.2} of it"
            );
        }
    }
}
