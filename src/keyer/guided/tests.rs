//! Guided alpha beside Lanczos, where the truth is known.
#![allow(clippy::unwrap_used)]

use super::super::backing::Backing;
use super::super::geometry::{Fit, SizeRule};
use super::super::key::{finish, finish_with};
use super::super::resample::resize;
use super::super::restore::Prediction;
use super::super::scratch::Pool;
use super::super::settings::{FinishSettings, Resolution, Screen, Upsampling};
use super::super::source::Plate;
use super::*;

const PLATE: Size = Size::new(256, 192);

fn geometry() -> Geometry {
    let rule = SizeRule {
        fit: Fit::Aspect,
        multiple: 32,
        min: 32,
        max_long: 128,
        auto_long: 128,
    };
    Geometry::new(PLATE, PLATE, &rule, Resolution::Auto).unwrap()
}

/// A body with strands of hair that are hardly wider than the network's pixels.
fn truth(x: f32, y: f32) -> f32 {
    let body = ((60.0 - (x - 90.0).hypot(y - 100.0)) / 3.0).clamp(0.0, 1.0);
    let strand = (0..9).map(|index| {
        let lane = 30.0 + 17.0 * index as f32 + 14.0 * (x * 0.03 + index as f32).sin();
        let along = ((230.0 - x) / 40.0).clamp(0.0, 1.0);
        (1.6 - (y - lane).abs()).clamp(0.0, 0.9) * along
    });
    strand.fold(body, f32::max)
}

/// The plate of a subject over green with grain, and what a perfect network says at half its size.
fn scene(grain: f32, alpha: impl Fn(f32, f32) -> f32) -> (Planes, Planes, Prediction) {
    let mut whole = Planes::new(PLATE.width, PLATE.height, 1);
    let mut plate = Planes::new(PLATE.width, PLATE.height, 3);
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut noise = || {
        let mut sum = 0.0;
        for _ in 0..4 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            sum += (state >> 40) as f32 / (1 << 24) as f32 - 0.5;
        }
        // Four of them deviate by 0.577.
        grain * sum / 0.577
    };
    for y in 0..PLATE.height {
        for x in 0..PLATE.width {
            let alpha = alpha(x as f32, y as f32);
            whole.row_mut(0, y)[x] = alpha;
            for channel in 0..3 {
                let (own, screen) = ([0.25, 0.15, 0.1][channel], [0.05, 0.4, 0.1][channel]);
                plate.row_mut(channel, y)[x] = alpha * own + (1.0 - alpha) * screen + noise();
            }
        }
    }
    let geometry = geometry();
    assert_eq!(geometry.content, geometry.network);
    let small = resize(&whole, geometry.network, Kernel::Triangle);
    let foreground = Planes::new(geometry.network.width, geometry.network.height, 3);
    let prediction = Prediction {
        alpha: small,
        foreground,
    };
    (whole, plate, prediction)
}

fn upsampled(
    plate: &Planes,
    prediction: &Prediction,
    guided: bool,
    rows: std::ops::Range<usize>,
) -> Planes {
    let (geometry, pool) = (geometry(), Pool::new(1 << 22));
    let encoding = Encoding::Linear;
    let guide = Guide::new(plate, encoding, &prediction.alpha, &geometry).unwrap();
    let backing = Backing::default();
    let own = Plate {
        rows: plate,
        encoding,
        backing: &backing,
        guide: Some(&guide),
    };
    let settings = FinishSettings {
        despeckle: None,
        upsampling: if guided {
            Upsampling::Guided
        } else {
            Upsampling::Lanczos
        },
        ..FinishSettings::default()
    };
    let screen = Screen::Green;
    finish_with(
        prediction,
        &geometry,
        screen,
        &settings,
        rows,
        Some(own),
        &pool,
    )
    .unwrap()
    .alpha()
}

/// Mean squared error over the pixels where the truth is soft.
fn error(found: &Planes, truth: &Planes) -> f64 {
    let soft = truth.data().iter().zip(found.data());
    let soft: Vec<f64> = soft
        .filter(|(truth, _)| (0.02..0.98).contains(*truth))
        .map(|(truth, found)| f64::from(truth - found).powi(2))
        .collect();
    soft.iter().sum::<f64>() / soft.len() as f64
}

#[test]
fn strands_between_the_networks_pixels_come_back() {
    // The limit to the network's alphas keeps it from more: thinner strands gain less.
    for grain in [0.0, 0.005, 0.015] {
        let (truth, plate, prediction) = scene(grain, truth);
        let all = 0..PLATE.height;
        let lanczos = error(&upsampled(&plate, &prediction, false, all.clone()), &truth);
        let guided = error(&upsampled(&plate, &prediction, true, all), &truth);
        assert!(
            guided < 0.6 * lanczos,
            "grain {grain}: {guided} and {lanczos}"
        );
    }
}

#[test]
fn grain_is_not_printed_into_the_matte() {
    // A wide soft edge, beside it nothing and solid.
    let (truth, plate, prediction) = scene(0.02, |x, _| ((x - 60.0) / 120.0).clamp(0.0, 1.0));
    let all = 0..PLATE.height;
    let found = upsampled(&plate, &prediction, true, all);
    for y in 0..PLATE.height {
        for x in 0..PLATE.width {
            let (found, truth) = (found.row(0, y)[x], truth.row(0, y)[x]);
            // Solid and empty stay what they are; the ramp stays within its neighbours.
            let limit = if truth == 0.0 || truth == 1.0 {
                0.018
            } else {
                0.03
            };
            assert!((found - truth).abs() <= limit, "{x} {y}: {found} {truth}");
            if !(56..=184).contains(&x) {
                assert_eq!(found, truth, "{x} {y}");
            }
        }
    }
}

#[test]
fn nothing_rings_and_every_window_is_the_same() {
    let (_, mut plate, prediction) = scene(0.01, truth);
    plate.row_mut(1, 100)[120] = f32::NAN;
    plate.row_mut(2, 90)[80] = f32::INFINITY;
    let all = upsampled(&plate, &prediction, true, 0..PLATE.height);
    assert!(all.data().iter().all(|alpha| (0.0..=1.0).contains(alpha)));
    let lanczos = upsampled(&plate, &prediction, false, 0..PLATE.height);
    assert!(
        lanczos.data().iter().any(|alpha| *alpha < -1e-3),
        "Lanczos does"
    );
    for rows in [0..1, 77..90, 191..192] {
        let part = upsampled(&plate, &prediction, true, rows.clone());
        let wanted = &all.data()[rows.start * PLATE.width..rows.end * PLATE.width];
        assert_eq!(part.data(), wanted);
    }
}

#[test]
fn guiding_needs_a_guide() {
    let (_, _, prediction) = scene(0.0, truth);
    let settings = FinishSettings {
        upsampling: Upsampling::Guided,
        ..FinishSettings::default()
    };
    let (pool, screen) = (Pool::new(0), Screen::Green);
    let made = finish(&prediction, &geometry(), screen, &settings, 0..9, &pool);
    assert_eq!(made.map(|_| ()).unwrap_err().code(), "picture.layer");
}
