//! The network with the real ONNX Runtime: what a render relies on.
//!
//! The library comes from `CORRIDORKEY_ORT_DYLIB` or from the bundle's cache. Without it these
//! tests fail: there is nothing to test.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/models.rs"]
mod models;
#[path = "support/onnx.rs"]
mod onnx;
#[path = "support/bench.rs"]
mod support;

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use corridorkey::keyer::NetworkInput;
use corridorkey::network::options::{MB, Options};
use corridorkey::network::{
    Device, DeviceChoice, Error, Precision, PrecisionChoice, Request, Service,
};
use support::{LIBRARY, after, bench, bench_with, hint, options, picture};

#[test]
fn planes_come_back_in_their_place_and_order() {
    let bench = bench(&onnx::transparent());
    let input = picture(96, 64);
    let outcome = bench.predict(&input).unwrap();
    let prediction = &outcome.prediction;
    assert_eq!(
        (
            prediction.alpha.width(),
            prediction.alpha.height(),
            prediction.alpha.channels()
        ),
        (96, 64, 1)
    );
    assert_eq!(prediction.alpha.plane(0), hint(&input));
    for channel in 0..3 {
        let plate = &input.data[channel * 96 * 64..][..96 * 64];
        for (got, normalised) in prediction.foreground.plane(channel).iter().zip(plate) {
            let expected = normalised * onnx::STD[channel] + onnx::MEAN[channel];
            assert!((got - expected).abs() < 1e-6, "{got} is not {expected}");
        }
    }
    assert_eq!(outcome.device, Device::Cpu);
    assert!(outcome.milliseconds > 0.0);
    assert_eq!(bench.service.runs(), 1);
}

#[test]
fn every_size_has_a_session_and_a_size_seen_before_is_not_built_again() {
    let bench = bench(&onnx::transparent());
    for (width, height) in [(64, 64), (96, 64), (64, 96), (64, 64), (96, 64)] {
        let outcome = bench.predict(&picture(width, height)).unwrap();
        assert_eq!(
            (
                outcome.prediction.alpha.width(),
                outcome.prediction.alpha.height()
            ),
            (width, height)
        );
    }
    assert_eq!(bench.service.status().sessions.len(), 3);
    assert_eq!(bench.service.runs(), 5);
    bench.service.purge();
    assert!(bench.service.status().sessions.is_empty());
}

/// The model's file is taken away, so that what is not kept cannot be built again.
#[test]
fn switching_back_to_a_resolution_builds_nothing_and_the_least_recently_used_goes_first() {
    let room = Options {
        session_bytes: 1000 * MB,
        ..options()
    };
    // 640 bytes a pixel: 160 MB at 512 x 512, 360 at 768 x 768, 640 at 1024 x 1024.
    let bench = bench_with(&onnx::transparent(), room, "");
    let sides = || {
        let sessions = bench.service.status().sessions;
        let mut sides: Vec<usize> = sessions.iter().map(|info| info.key.width).collect();
        sides.sort_unstable();
        sides
    };
    let predict = |side: usize| {
        let outcome = bench.predict(&picture(side, side));
        // The order of use is told by the clock.
        std::thread::sleep(Duration::from_millis(2));
        outcome
    };
    predict(512).unwrap();
    predict(1024).unwrap();
    let bytes = std::fs::read(&bench.model.path).unwrap();
    std::fs::remove_file(&bench.model.path).unwrap();
    predict(512).unwrap();
    assert_eq!(sides(), [512, 1024]);

    std::fs::write(&bench.model.path, &bytes).unwrap();
    predict(768).unwrap();
    assert_eq!(sides(), [512, 768]);
    std::fs::remove_file(&bench.model.path).unwrap();
    predict(512).unwrap();
    assert_eq!(predict(1024).unwrap_err().code(), "model.file");
}

#[test]
fn many_threads_share_one_session_and_each_gets_its_own_picture() {
    let bench = bench(&onnx::transparent());
    std::thread::scope(|scope| {
        for thread in 0..6u8 {
            let bench = &bench;
            scope.spawn(move || {
                for round in 0..5u8 {
                    let mut input = picture(64, 64);
                    let mark = f32::from(thread * 10 + round) / 100.0;
                    input.data[64 * 64 * 3..].fill(mark);
                    let outcome = bench.predict(&input).unwrap();
                    assert!(
                        outcome
                            .prediction
                            .alpha
                            .plane(0)
                            .iter()
                            .all(|value| *value == mark)
                    );
                }
            });
        }
    });
    assert_eq!(bench.service.status().sessions.len(), 1);
    assert_eq!(bench.service.runs(), 30);
}

#[test]
fn an_abort_stops_a_run_soon_and_asks_only_the_calling_thread() {
    let bench = bench(&onnx::slow(400));
    let input = picture(512, 512);
    // Preparing is not what is measured.
    assert_eq!(
        bench
            .predict_with(
                &input,
                DeviceChoice::Cpu,
                1.0,
                &after(Duration::from_millis(700))
            )
            .unwrap_err(),
        Error::Aborted
    );

    let caller = std::thread::current().id();
    let (asked, begun, stopped) = (Cell::new(0), Instant::now(), Cell::new(None));
    let stop = || {
        assert_eq!(
            std::thread::current().id(),
            caller,
            "a host answers only the thread of its render"
        );
        asked.set(asked.get() + 1);
        let stop = begun.elapsed() > Duration::from_millis(200);
        if stop && stopped.get().is_none() {
            stopped.set(Some(Instant::now()));
        }
        stop
    };
    let request = Request {
        model: &bench.model,
        device: DeviceChoice::Cpu,
        precision: PrecisionChoice::Auto,
        input: &input,
        refiner_strength: 1.0,
    };
    assert_eq!(
        bench.service.predict(&request, &stop).unwrap_err(),
        Error::Aborted
    );
    let took = stopped.get().expect("it was asked").elapsed();
    assert!(took < Duration::from_secs(2), "stopping took {took:?}");
    assert!(
        asked.get() >= 5,
        "it was asked {} times in 200 ms",
        asked.get()
    );
    // The session is as good as before.
    assert_eq!(bench.service.status().sessions.len(), 1);
    let quick = bench_with(&onnx::slow(1), options(), "");
    assert!(quick.predict(&picture(64, 64)).is_ok());
}

#[test]
fn one_who_waits_for_a_busy_session_can_be_aborted() {
    let bench = bench(&onnx::slow(400));
    let input = picture(512, 512);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let busy = scope.spawn(|| {
            bench.predict_with(&input, DeviceChoice::Cpu, 1.0, &|| {
                stop.load(Ordering::SeqCst)
            })
        });
        while bench.service.runs() == 0 {
            std::thread::yield_now();
        }
        std::thread::sleep(Duration::from_millis(100));
        let begun = Instant::now();
        let waiting = bench.predict_with(
            &input,
            DeviceChoice::Cpu,
            1.0,
            &after(Duration::from_millis(50)),
        );
        assert_eq!(waiting.unwrap_err(), Error::Aborted);
        assert!(
            begun.elapsed() < Duration::from_secs(2),
            "{:?}",
            begun.elapsed()
        );
        stop.store(true, Ordering::SeqCst);
        assert_eq!(busy.join().unwrap().unwrap_err(), Error::Aborted);
    });
}

#[test]
fn values_that_are_no_numbers_never_leave_the_network() {
    let bench = bench(&onnx::not_a_number());
    let error = bench.predict(&picture(64, 64)).unwrap_err();
    assert_eq!(error.code(), "network.non-finite");
    let text = error.to_string();
    assert!(
        text.contains("alpha") && text.contains("CPU") && text.contains("another model"),
        "{text}"
    );
    let mut solid = picture(64, 64);
    solid.data[64 * 64 * 3..].fill(1.0);
    assert!(bench.predict(&solid).is_ok(), "the model as such is usable");
}

#[test]
fn when_memory_is_short_everything_idle_is_released_and_the_frame_is_tried_once_more() {
    let bench = bench(&onnx::greedy());
    bench.predict(&picture(64, 64)).unwrap();
    bench.predict(&picture(96, 64)).unwrap();
    assert_eq!(bench.service.status().sessions.len(), 2);
    let mut input = picture(64, 64);
    input.data[64 * 64 * 3..].fill(1.0);
    let error = bench.predict(&input).unwrap_err();
    assert!(error.is_out_of_memory(), "{error}");
    assert!(error.to_string().contains("64 x 64"), "{error}");
    assert_eq!(bench.service.runs(), 4, "two good runs, and two attempts");
    assert_eq!(
        bench.service.status().sessions.len(),
        1,
        "the idle session of 96 x 64 is gone"
    );
    bench.predict(&picture(64, 64)).unwrap();
}

#[test]
fn a_size_beyond_the_budget_is_refused_with_one_that_fits() {
    let small = Options {
        session_bytes: 64 * MB,
        ..options()
    };
    let bench = bench_with(&onnx::transparent(), small, "");
    let error = bench.predict(&picture(512, 256)).unwrap_err();
    assert_eq!(error.code(), "memory.budget");
    assert!(error.is_out_of_memory());
    let Error::TooLarge {
        fits: Some((width, height)),
        ..
    } = error
    else {
        panic!("{error}")
    };
    assert!(
        error
            .to_string()
            .contains(&format!("{width} x {height} fits")),
        "{error}"
    );
    assert_eq!(width, height * 2, "the shape is kept");
    bench.predict(&picture(width, height)).unwrap();
}

#[test]
fn sessions_in_use_share_the_budget_and_the_next_one_waits() {
    let graph = onnx::slow(400);
    let (big, small) = (picture(512, 512), picture(512, 480));
    let alone = bench(&graph)
        .model
        .memory(512, 512, Device::Cpu, Precision::Fp32);
    let options = Options {
        session_bytes: alone * 3 / 2,
        ..options()
    };
    let bench = bench_with(&graph, options, "");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let busy = scope.spawn(|| {
            bench.predict_with(&big, DeviceChoice::Cpu, 1.0, &|| {
                stop.load(Ordering::SeqCst)
            })
        });
        while bench.service.runs() == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        let waiting = bench.predict_with(
            &small,
            DeviceChoice::Cpu,
            1.0,
            &after(Duration::from_millis(300)),
        );
        let (sessions, runs) = (bench.service.status().sessions, bench.service.runs());
        let (bench, small) = (&bench, &small);
        let next = scope.spawn(move || {
            bench.predict_with(small, DeviceChoice::Cpu, 1.0, &|| {
                bench.service.runs() > runs
            })
        });
        // Before anything can fail: a failure would wait for the busy one for ever.
        stop.store(true, Ordering::SeqCst);
        assert_eq!(busy.join().unwrap().unwrap_err(), Error::Aborted);
        assert_eq!(next.join().unwrap().unwrap_err(), Error::Aborted);
        assert_eq!(waiting.unwrap_err(), Error::Aborted);
        assert_eq!(sessions.len(), 1, "only the one in use: {sessions:?}");
        assert_eq!((runs, sessions[0].users), (1, 1));
    });
    assert_eq!(bench.service.runs(), 2, "the second one had its turn");
    let sessions = bench.service.status().sessions;
    assert_eq!(sessions.len(), 1);
    assert_eq!(sessions[0].key.height, 480);
}

#[test]
fn a_refiner_is_scaled_by_its_strength_and_models_without_one_do_not_mind() {
    let bench = bench_with(&onnx::refined(), options(), "refiner = \"refiner_scale\"");
    let input = picture(64, 64);
    let outcome = bench
        .predict_with(&input, DeviceChoice::Cpu, 0.5, &|| false)
        .unwrap();
    for (got, hint) in outcome.prediction.alpha.plane(0).iter().zip(hint(&input)) {
        assert!((got - hint * 0.5).abs() < 1e-6);
    }
    let plain = support::bench(&onnx::transparent());
    let outcome = plain
        .predict_with(&input, DeviceChoice::Cpu, 0.5, &|| false)
        .unwrap();
    assert_eq!(outcome.prediction.alpha.plane(0), hint(&input));
}

#[test]
fn a_model_of_one_size_runs_at_it_and_says_so_at_any_other() {
    let bench = bench(&onnx::transparent_at(64, 96));
    assert!(bench.predict(&picture(96, 64)).is_ok());
    let error = bench.predict(&picture(64, 64)).unwrap_err();
    assert_eq!(error.code(), "network.input");
    assert!(error.to_string().contains("96 x 64 only"), "{error}");
}

#[test]
fn a_tensor_that_is_none_is_refused() {
    let bench = bench(&onnx::transparent());
    let mut short = picture(64, 64);
    short.data.pop();
    let odd = picture(65, 64);
    let empty = NetworkInput {
        height: 0,
        width: 0,
        data: Vec::new(),
    };
    for input in [short, odd, empty] {
        assert_eq!(bench.predict(&input).unwrap_err().code(), "network.input");
    }
    assert_eq!(bench.service.runs(), 0);
}

#[test]
fn automatic_choice_says_why_not_a_better_device_and_a_named_one_is_used_or_an_error() {
    let bench = bench(&onnx::transparent());
    let input = picture(64, 64);
    let outcome = bench
        .predict_with(&input, DeviceChoice::Auto, 1.0, &|| false)
        .unwrap();
    let status = bench.service.status();
    if outcome.device == Device::Cpu {
        assert!(
            outcome
                .notes
                .iter()
                .any(|note| note.contains("CUDA is not used: ")),
            "{:?}",
            outcome.notes
        );
        assert!(status.last.unwrap().device.contains("no CUDA: "));
        let error = bench
            .predict_with(&input, DeviceChoice::Cuda, 1.0, &|| false)
            .unwrap_err();
        assert_eq!(error.code(), "device.unavailable");
        assert!(error.to_string().contains("the device setting"), "{error}");
    }
    if !cfg!(target_os = "macos") {
        let error = bench
            .predict_with(&input, DeviceChoice::CoreMl, 1.0, &|| false)
            .unwrap_err();
        assert!(error.to_string().contains("macOS only"), "{error}");
    }
    assert!(
        status
            .devices
            .iter()
            .any(|(device, _)| *device == outcome.device)
    );
    assert_eq!(status.library.unwrap().path, *LIBRARY);
}

#[test]
fn a_damaged_model_is_refused_before_and_not_after_it_was_good() {
    let bench = bench(&onnx::transparent());
    let input = picture(64, 64);
    bench.predict(&input).unwrap();
    let mut bytes = std::fs::read(&bench.model.path).unwrap();
    bytes.truncate(bytes.len() / 2);
    std::fs::write(&bench.model.path, &bytes).unwrap();
    // What is loaded is the good one.
    bench.predict(&input).unwrap();
    bench.service.purge();
    let error = bench.predict(&input).unwrap_err();
    assert_eq!(error.code(), "model.altered");
    assert!(
        error
            .to_string()
            .contains(&format!("{} bytes", bytes.len())),
        "{error}"
    );
    std::fs::remove_file(&bench.model.path).unwrap();
    assert_eq!(bench.predict(&input).unwrap_err().code(), "model.file");
    drop(bench.folder);
}

#[test]
fn a_graph_that_the_runtime_does_not_take_is_an_error_with_its_words() {
    let graph = onnx::with_plate(onnx::contract(onnx::FREE))
        .node("NoSuchOperator", &["hint"], "alpha", &[])
        .file();
    let error = bench(&graph).predict(&picture(64, 64)).unwrap_err();
    assert_eq!(error.code(), "network.session");
    assert!(error.to_string().contains("NoSuchOperator"), "{error}");
    // An output of another size than the input is found out too, and nothing is written past it.
    let graph = onnx::with_plate(onnx::contract(onnx::FREE))
        .node(
            "MaxPool",
            &["hint"],
            "alpha",
            &[("kernel_shape", &[2, 2]), ("strides", &[2, 2])],
        )
        .file();
    let error = bench(&graph).predict(&picture(64, 64)).unwrap_err();
    assert!(
        matches!(error.code(), "network.run" | "network.session"),
        "{error}"
    );
}

#[test]
fn frames_beyond_the_bound_wait_and_the_keyer_s_threads_are_its_own() {
    let service = Service::new(
        Options {
            frames: 1,
            threads: Some(3),
            ..options()
        },
        None,
    );
    let permit = service.admit(&|| false).unwrap();
    assert_eq!(
        service
            .admit(&after(Duration::from_millis(30)))
            .unwrap_err(),
        Error::Aborted
    );
    drop(permit);
    assert!(service.admit(&|| false).is_ok());
    let (name, count) = service
        .install(|| {
            Ok::<_, Error>((
                std::thread::current().name().map(str::to_owned),
                rayon::current_num_threads(),
            ))
        })
        .unwrap();
    assert!(name.unwrap().starts_with("corridorkey-"));
    assert_eq!(count, 3);
}
