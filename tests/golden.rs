//! The keyer against the original engine's own numbers.
//!
//! `tests/golden/` holds what the original computed; `convert.py` there says how it was stored and
//! how exactly. Tolerances are the project's promise, not what happens to pass: pre-processing
//! 1e-5, alpha and foreground 2e-4, processed and composite 2e-3. Where more is reached, the test
//! asks for more.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/golden.rs"]
mod support;

use corridorkey::keyer::colour::srgb::{self, Negative};
use corridorkey::keyer::despeckle::{CleanUp, Mask};
use corridorkey::keyer::despill::Despill;
use corridorkey::keyer::{
    Composition, DespillMethod, Encoding, FinishSettings, Fit, Geometry, Layers, Light,
    Normalisation, Output, PixelScale, Planes, Pool, Prediction, Resolution, Screen, SizeRule,
    Window, finish, prepare,
};
use support::{RUNS, difference, load, picture, square, tensor};

#[test]
fn curves_are_the_originals() {
    let units = load("units");
    for (name, exact, row) in [
        (
            "linear_to_srgb",
            srgb::linear_to_srgb as fn(f32) -> f32,
            srgb::row_to_srgb as fn(&mut [f32], Negative),
        ),
        ("srgb_to_linear", srgb::srgb_to_linear, srgb::row_to_linear),
    ] {
        let mut values = units["curve_in"].values.clone();
        row(&mut values, Negative::Clamp);
        for ((x, wanted), y) in units["curve_in"]
            .values
            .iter()
            .zip(&units[name].values)
            .zip(values)
        {
            let tolerance = 5e-7 * wanted.abs().max(1e-3);
            assert!(
                (y - wanted).abs() <= tolerance,
                "{name} {x}: {y}, not {wanted}"
            );
            assert!((exact(*x) - wanted).abs() <= tolerance, "{name} {x}");
        }
        // The original reads what is below 0 as 0, and limits nothing above 1.
        assert!(units["curve_in"].values.iter().any(|x| *x < 0.0));
        assert!(units[name].values.iter().all(|y| *y >= 0.0));
        assert!(units[name].values.iter().any(|y| *y > 1.5));
    }
}

#[test]
fn despill_is_the_originals() {
    let units = load("units");
    let plain = picture(&units["rgb"]);
    for (name, strength, method) in [
        ("despill_average_1", 1.0, DespillMethod::Average),
        ("despill_average_05", 0.5, DespillMethod::Average),
        ("despill_max_1", 1.0, DespillMethod::Limit),
    ] {
        let mut ours = plain.clone();
        let despill = Despill {
            screen: Screen::Green,
            strength,
            method,
        };
        despill.row(ours.planes_mut());
        let worst = difference(&picture(&units[name]), None, &ours);
        assert!(worst < 3e-7, "{name}: {worst}");
    }
    // Nothing is limited: the input has colours below 0 and above 1, and so has the output.
    let out = &units["despill_average_1"].values;
    assert!(out.iter().any(|v| *v < 0.0) && out.iter().any(|v| *v > 1.0));
}

#[test]
fn despeckle_is_the_originals_bit_for_bit() {
    let units = load("units");
    let matte = picture(&units["matte_in"]);
    for (name, area, dilation, blur) in [
        ("matte_clean_300_25_5", 300, 25, 5),
        ("matte_clean_20_4_5", 20, 4, 5),
        ("matte_clean_60_25_5", 60, 25, 5),
    ] {
        let clean_up = CleanUp {
            area,
            dilation,
            blur,
        };
        let (width, height) = (matte.width(), matte.height());
        let row = |y: usize| matte.row(0, y);
        let mask = Mask::new(width, height, row, &clean_up, PixelScale::ONE);
        let wanted = picture(&units[name]);
        for y in 0..height {
            let mut ours = matte.row(0, y).to_vec();
            mask.apply(y, 0, &mut ours);
            assert_eq!(ours, wanted.row(0, y), "{name} row {y}");
        }
    }
}

#[test]
fn the_checkerboard_is_the_originals() {
    let units = load("units");
    let wanted = picture(&units["checker_300x200_srgb"]);
    // Nothing in front of the board.
    let size = wanted.size();
    let rule = SizeRule {
        fit: Fit::Aspect,
        multiple: 1,
        min: 1,
        max_long: 4096,
        auto_long: 4096,
    };
    let geometry = Geometry::new(size, size, &rule, Resolution::Auto).unwrap();
    let prediction = Prediction {
        alpha: Planes::new(size.width, size.height, 1),
        foreground: Planes::new(size.width, size.height, 3),
    };
    let pool = Pool::new(0);
    let settings = FinishSettings::default();
    let rows = 0..size.height;
    let key = finish(
        &prediction,
        &geometry,
        Screen::Green,
        &settings,
        rows,
        &pool,
    )
    .unwrap();
    let layers = Layers {
        key: Some(&key),
        ..Layers::default()
    };
    let ours = Composition::new(Output::Composite, Encoding::Srgb, layers, PixelScale::ONE)
        .unwrap()
        .planes(Window::full(size))
        .unwrap();
    for channel in 0..3 {
        for (a, b) in wanted.plane(0).iter().zip(ours.plane(channel)) {
            assert!((a - b).abs() < 1e-6);
        }
    }
    assert!(ours.plane(3).iter().all(|a| *a == 1.0));
}

#[test]
fn pre_processing_is_the_originals() {
    for (name, plate, light) in [
        ("square256_srgb8", "plate_srgb_u8", Light::Srgb),
        ("square256_linear_hdr", "plate_linear", Light::Linear),
    ] {
        let run = load(name);
        let plate = picture(&run[plate]);
        let hint = picture(&run["hint"]);
        let pool = Pool::new(0);
        let input = prepare(
            &plate,
            &hint,
            &square(plate.size(), 256),
            light,
            Screen::Green,
            &Normalisation::IMAGENET,
            &pool,
        )
        .unwrap();
        let ours = Planes::from_vec(input.width, input.height, 4, input.data).unwrap();
        let stored = &run["model_input"];
        let worst = difference(&tensor(stored), stored.rows.as_deref(), &ours);
        assert!(worst < 1e-5, "{name}: {worst}");
        if light == Light::Linear {
            // The plate holds values below 0 and up to 9: the first are limited, the second not.
            let smallest = -0.485 / 0.229;
            let red = ours.plane(0);
            assert!(red.iter().all(|v| *v >= smallest - 1e-5));
            assert!(red.iter().any(|v| *v > (1.0 - 0.485) / 0.229));
        }
    }
}

#[test]
fn what_follows_the_network_is_the_originals() {
    for run in &RUNS {
        let stored = run.load();
        let prediction = Prediction {
            alpha: tensor(&stored["model_alpha"]),
            foreground: tensor(&stored["model_fg"]),
        };
        // Both sides carry 16-bit rounding, of 8e-6, and Lanczos weights sum to 1.6 in magnitude.
        run.compare(&stored, &prediction, 3e-5, 6e-4);
    }
}
