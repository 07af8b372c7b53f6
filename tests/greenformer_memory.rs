//! What a session of CorridorKey's own network needs, against what was foretold.
//!
//! A file of its own and one test in it, which starts itself: the process is what is measured.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/bench.rs"]
mod bench;
#[path = "support/growth.rs"]
mod growth;
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

#[test]
fn memory_is_within_a_quarter_of_the_estimate() {
    let model = &STAGE.model;
    for side in [512, 1024] {
        let whole = model.estimate(side, side, Device::Cpu, Precision::Fp32);
        let strips = model.in_strips(side, side, Precision::Fp32).unwrap();
        for (refiner, estimate) in [(Refiner::Whole, whole), (Refiner::Strips, strips)] {
            let case = format!("{side} {refiner:?}");
            let prepare = || {
                STAGE.service.runtime().unwrap();
                bench::picture(side, side)
            };
            growth::within_a_quarter(&case, estimate.total(), prepare, |input| {
                let engine = engine(side, side, Precision::Fp32, refiner);
                engine.run(&input, 1.0, &Pool::new(0), &|| false).unwrap();
            });
        }
    }
}
