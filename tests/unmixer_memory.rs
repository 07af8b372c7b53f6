//! What the shipped model's own network needs, against what was foretold.
//!
//! A file of its own and one test in it, which starts itself: the process is what is measured.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/growth.rs"]
mod growth;
#[path = "support/models.rs"]
mod models;
#[path = "support/onnx.rs"]
mod onnx;
#[path = "support/shipped.rs"]
mod shipped;
#[path = "support/bench.rs"]
mod support;

use std::sync::Arc;

use corridorkey::keyer::Pool;
use corridorkey::network::engine::Engine;
use corridorkey::network::model::{Own, Refiner};
use corridorkey::network::{Device, Precision};

#[test]
fn memory_is_within_a_quarter_of_the_estimate() {
    let bench = shipped::bench(support::options(), |manifest| manifest);
    let model = Arc::new(bench.model);
    // The first is next to nothing but weights.
    for (width, height) in [(64, 64), (960, 544), (1920, 1088)] {
        let key = model.key(width, height, Device::Cpu, Precision::Fp32);
        assert_eq!(key.own, Some(Own::Unmixer));
        let estimate = model.estimate(width, height, key.device, key.precision);
        let prepare = || {
            let runtime = bench.service.runtime().unwrap();
            (runtime, shipped::scene(width, height))
        };
        let case = format!("{width} x {height}");
        growth::within_a_quarter(&case, estimate.total(), prepare, |(runtime, input)| {
            let engine = Engine::build(runtime, model.clone(), key, 2, Refiner::Whole).unwrap();
            engine.run(&input, 1.0, &Pool::new(0), &|| false).unwrap();
        });
    }
}
