//! CorridorKey's own network with its refiner in strips, in memory that is given back, against itself
//! in memory that is kept; in 16 bits against the refiner in the graph.
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

use std::time::{Duration, Instant};

use corridorkey::keyer::{NetworkInput, Planes, Pool, Prediction};
use corridorkey::network::model::Refiner;
use corridorkey::network::options::Options;
use corridorkey::network::{
    Device, DeviceChoice, Error, Precision, PrecisionChoice, Request, Result, Service,
};
use stage::{STAGE, engine};

/// What the refiner gives in either way.
fn both(input: &NetworkInput, precision: Precision, strength: f32) -> [Prediction; 2] {
    [Refiner::Whole, Refiner::Strips].map(|refiner| {
        let engine = engine(input.width, input.height, precision, refiner);
        engine
            .run(input, strength, &Pool::new(0), &|| false)
            .unwrap()
            .0
    })
}

fn worst(a: &Planes, b: &Planes) -> f32 {
    assert_eq!((a.size(), a.channels()), (b.size(), b.channels()));
    let pairs = a.data().iter().zip(b.data());
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[track_caller]
fn alike([whole, strips]: &[Prediction; 2], bound: f32) {
    for (whole, strips) in [
        (&whole.alpha, &strips.alpha),
        (&whole.foreground, &strips.foreground),
    ] {
        let worst = worst(whole, strips);
        assert!(worst < bound, "{worst}");
    }
}

/// 2e-3 is promised; in 32 bits the arithmetic is the same.
const NEAR: f32 = 1e-7;

#[test]
fn strips_give_what_the_usual_way_gives() {
    // The first has a strip that is not full, the last is a single one.
    for (width, height) in [(160, 288), (256, 256), (64, 32)] {
        let predictions = both(&bench::picture(width, height), Precision::Fp32, 1.0);
        alike(&predictions, NEAR);
    }
}

#[test]
fn the_refiners_strength_counts_in_strips_as_well() {
    let input = bench::picture(96, 64);
    let half = both(&input, Precision::Fp32, 0.5);
    alike(&half, NEAR);
    let [_, full] = both(&input, Precision::Fp32, 1.0);
    assert!(worst(&half[1].alpha, &full.alpha) > 1e-3);
}

/// Where all is the same the variance is nearly nothing, and what divides by it must hold.
#[test]
fn a_picture_of_one_colour_is_no_accident() {
    let input = NetworkInput {
        width: 96,
        height: 64,
        data: vec![0.25; 4 * 96 * 64],
    };
    alike(&both(&input, Precision::Fp32, 1.0), NEAR);
}

#[test]
fn strips_in_half_precision_are_near_one_piece_in_half_precision() {
    let input = bench::picture(160, 96);
    alike(&both(&input, Precision::Fp16, 1.0), 1e-2);
}

#[test]
fn strips_are_repeated_bit_for_bit_and_left_when_nobody_wants_them() {
    let engine = engine(256, 256, Precision::Fp32, Refiner::Strips);
    let input = bench::picture(256, 256);
    let begun = Instant::now();
    let first = engine.run(&input, 1.0, &Pool::new(0), &|| false).unwrap().0;
    let whole = begun.elapsed();
    let begun = Instant::now();
    let stop = || begun.elapsed() > Duration::from_millis(20);
    let stopped = engine.run(&input, 1.0, &Pool::new(0), &stop);
    assert_eq!(
        stopped.map(|(prediction, _)| prediction.alpha),
        Err(Error::Aborted)
    );
    assert!(begun.elapsed() < whole, "it was worked to its end");
    // And goes on working.
    let second = engine.run(&input, 1.0, &Pool::new(0), &|| false).unwrap().0;
    assert_eq!(first.alpha.data(), second.alpha.data());
    assert_eq!(first.foreground.data(), second.foreground.data());
}

/// The budget decides, and nothing else: where all memory can be kept it is.
#[test]
fn a_frame_that_only_fits_in_strips_is_worked_in_strips() {
    let (model, side) = (&STAGE.model, 256);
    let whole = model.memory(side, side, Device::Cpu, Precision::Fp32);
    let strips = model.in_strips(side, side, Precision::Fp32).unwrap();
    let strips = strips.total();
    assert!(strips < whole);
    let input = bench::picture(side, side);
    // The prediction, and the bytes that its session counts for.
    let predict = |session_bytes: u64| -> Result<(Prediction, u64)> {
        let options = Options {
            session_bytes,
            ..bench::options()
        };
        let service = Service::new(options, None);
        let request = Request {
            model,
            device: DeviceChoice::Cpu,
            precision: PrecisionChoice::Fp32,
            input: &input,
            refiner_strength: 1.0,
        };
        let outcome = service.predict(&request, &|| false)?;
        Ok((outcome.prediction, service.status().sessions[0].bytes))
    };
    let (one, bytes) = predict(whole).unwrap();
    assert_eq!(bytes, whole);
    let (other, bytes) = predict(whole - 1).unwrap();
    assert_eq!(bytes, strips);
    alike(&[one, other], NEAR);
    let refused = predict(strips - 1).unwrap_err();
    assert_eq!(refused.code(), "memory.budget");
}
