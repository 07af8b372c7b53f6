//! What a session of CorridorKey's own network needs, against what was foretold.
//!
//! A file of its own and one test in it: the process is what is measured.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/bench.rs"]
mod bench;
#[path = "support/greenformer.rs"]
mod greenformer;
#[path = "support/models.rs"]
mod models;
#[path = "support/onnx.rs"]
mod onnx;
#[path = "support/weights.rs"]
mod weights;

use std::sync::LazyLock;

use corridorkey::network::Precision;
use corridorkey::network::greenformer::plan;
use greenformer::{ENVIRONMENT, Network, WEIGHTS};

/// Memory of this process that is in use, mapped files included, in bytes.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kilobytes: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kilobytes * 1024.0
}

#[test]
fn memory_is_within_a_quarter_of_the_estimate() {
    LazyLock::force(&WEIGHTS);
    LazyLock::force(&ENVIRONMENT);
    for side in [512, 1024] {
        let input = vec![0.25; 4 * side * side];
        let before = resident();
        let mut network = Network::plain(side, side);
        drop(network.run(&input, 1.0));
        let measured = resident() - before;
        let estimate = plan::processor(side, side, Precision::Fp32).total() as f64;
        let ratio = measured / estimate;
        assert!(
            (0.75..1.25).contains(&ratio),
            "{side}: {:.0} MB and not {:.0}",
            measured / 1e6,
            estimate / 1e6
        );
    }
}
