//! Properties of the finished matte.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::super::geometry::{Fit, Geometry, SizeRule};
use super::super::key::finish;
use super::super::restore::Prediction;
use super::super::settings::{FinishSettings, MatteShape, PixelScale, Resolution, Screen};
use super::*;

/// The finished matte of an alpha that needs no resizing.
fn finished(alpha: &Planes, settings: &FinishSettings, rows: Range<usize>) -> Planes {
    let size = alpha.size();
    let rule = SizeRule {
        fit: Fit::Aspect,
        multiple: 1,
        min: 1,
        max_long: 4096,
        auto_long: 4096,
    };
    let geometry = Geometry::new(size, size, &rule, Resolution::Auto).unwrap();
    let prediction = Prediction {
        alpha: alpha.clone(),
        foreground: Planes::new(size.width, size.height, 3),
    };
    let pool = Pool::new(1 << 24);
    finish(&prediction, &geometry, Screen::Green, settings, rows, &pool)
        .unwrap()
        .alpha()
}

fn shaped(alpha: &Planes, shape: MatteShape, scale: PixelScale) -> Planes {
    let settings = FinishSettings {
        despeckle: None,
        shape,
        scale,
        ..FinishSettings::default()
    };
    finished(alpha, &settings, 0..alpha.height())
}

fn grown(alpha: &Planes, grow: f32) -> Planes {
    let shape = MatteShape {
        grow,
        ..MatteShape::NEUTRAL
    };
    shaped(alpha, shape, PixelScale::ONE)
}

fn drawn(size: Size, value: impl Fn(f32, f32) -> f32) -> Planes {
    let mut alpha = Planes::new(size.width, size.height, 1);
    for y in 0..size.height {
        for (x, out) in alpha.row_mut(0, y).iter_mut().enumerate() {
            *out = value(x as f32 + 0.5, y as f32 + 0.5);
        }
    }
    alpha
}

/// A disc whose edge is a pixel soft.
fn disc(size: Size, x: f32, y: f32, radius: f32) -> Planes {
    drawn(size, |u, v| {
        (radius - (u - x).hypot(v - y) + 0.5).clamp(0.0, 1.0)
    })
}

fn sum(alpha: &Planes) -> f64 {
    alpha.data().iter().map(|value| f64::from(*value)).sum()
}

/// A picture of noise and flat parts, the same for the same seed.
fn noise(size: Size, seed: u64) -> Planes {
    let mut state = seed | 1;
    let mut alpha = Planes::new(size.width, size.height, 1);
    for value in alpha.data_mut() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        *value = ((state >> 40) as f32 / (1 << 23) as f32 - 0.5).clamp(-0.1, 1.1);
    }
    alpha
}

#[test]
fn an_edge_moves_by_the_radius_whatever_its_direction() {
    let size = Size::new(120, 90);
    for turned in [false, true] {
        let edge = drawn(size, |x, y| {
            f32::from(u8::from(if turned { y < 40.0 } else { x < 40.0 }))
        });
        let per_pixel = if turned { size.width } else { size.height } as f64;
        for grow in [0.25, 0.5, 1.0, 2.7, 10.0, -0.25, -0.5, -3.0, -7.4] {
            let moved = (sum(&grown(&edge, grow)) - sum(&edge)) / per_pixel;
            assert!(
                (moved - f64::from(grow)).abs() < 1e-3,
                "{turned} {grow}: {moved}"
            );
        }
    }
}

#[test]
fn a_disc_grows_to_a_larger_disc_and_back() {
    let size = Size::new(200, 200);
    let small = disc(size, 100.0, 100.0, 50.0);
    for radius in [0.5_f32, 1.0, 3.3, 12.0, 20.5] {
        let large = grown(&small, radius);
        let wanted = disc(size, 100.0, 100.0, 50.0 + radius);
        let area = std::f64::consts::PI * f64::from((50.0 + radius) * (50.0 + radius));
        assert!((sum(&large) / area - 1.0).abs() < 0.01, "{radius}");
        let worst = |a: &Planes, b: &Planes| {
            let pairs = a.data().iter().zip(b.data());
            pairs.fold(0.0_f32, |worst, (a, b)| worst.max((a - b).abs()))
        };
        assert!(worst(&large, &wanted) < 0.7, "{radius}");
        let back = grown(&large, -radius);
        assert!((sum(&back) / sum(&small) - 1.0).abs() < 0.006, "{radius}");
    }
}

#[test]
fn shrinking_is_growing_of_the_rest_and_mirrors_do_not_matter() {
    let size = Size::new(61, 47);
    let alpha = noise(size, 99);
    let limited = drawn(size, |x, y| {
        alpha.row(0, y as usize)[x as usize].clamp(0.0, 1.0)
    });
    let rest = drawn(size, |x, y| 1.0 - limited.row(0, y as usize)[x as usize]);
    let turned = drawn(size, |x, y| {
        limited.row(0, 46 - y as usize)[60 - x as usize]
    });
    for radius in [0.4, 1.0, 4.6] {
        let (small, large) = (grown(&limited, -radius), grown(&rest, radius));
        for (small, large) in small.data().iter().zip(large.data()) {
            assert!((small - (1.0 - large)).abs() < 1e-6);
        }
        let (there, back) = (grown(&limited, radius), grown(&turned, radius));
        assert!(there.data().iter().eq(back.data().iter().rev()));
    }
}

#[test]
fn the_frame_does_not_eat_a_subject_that_it_cuts() {
    let size = Size::new(80, 60);
    let alpha = drawn(size, |x, _| f32::from(u8::from(x < 40.0)));
    let shape = MatteShape {
        grow: -5.0,
        blur: 2.0,
        ..MatteShape::NEUTRAL
    };
    let out = shaped(&alpha, shape, PixelScale::ONE);
    for (x, y) in [(0, 0), (0, 59), (0, 30), (20, 0)] {
        assert!((out.row(0, y)[x] - 1.0).abs() < 1e-5);
    }
    assert!((out.row(0, 0)[34] - 0.5).abs() < 0.2);
}

#[test]
fn a_blur_is_a_gaussian() {
    let size = Size::new(101, 101);
    let mut dot = Planes::new(size.width, size.height, 1);
    dot.row_mut(0, 50)[50] = 1.0;
    for sigma in [1.0_f32, 2.5, 4.0, 9.0] {
        let shape = MatteShape {
            blur: sigma,
            ..MatteShape::NEUTRAL
        };
        let out = shaped(&dot, shape, PixelScale::ONE);
        assert!((sum(&out) - 1.0).abs() < 1e-4);
        let variance: f64 = (0..101)
            .flat_map(|y| (0..101).map(move |x| (x, y)))
            .map(|(x, y)| f64::from(out.row(0, y)[x]) * (x as f64 - 50.0).powi(2))
            .sum();
        // The tails beyond three deviations are left out.
        assert!(
            (variance.sqrt() / f64::from(sigma) - 1.0).abs() < 0.03,
            "{sigma}: {variance}"
        );
        assert!(out.data().iter().eq(out.data().iter().rev()));
    }
}

#[test]
fn a_proxy_shows_what_full_scale_shows() {
    let full = disc(Size::new(400, 240), 180.0, 120.0, 70.0);
    for grow in [9.0, -9.0] {
        let shape = MatteShape {
            clip_black: 0.1,
            clip_white: 0.9,
            gamma: 1.3,
            grow,
            blur: 6.0,
        };
        let full = shaped(&full, shape, PixelScale::ONE);
        // Half across, a quarter down: a proxy of pixels that are not square.
        let proxy = drawn(Size::new(200, 60), |x, y| {
            ((70.0 - (2.0 * x - 180.0).hypot(4.0 * y - 120.0)) / 4.0 + 0.5).clamp(0.0, 1.0)
        });
        let proxy = shaped(&proxy, shape, PixelScale { x: 0.5, y: 0.25 });
        for y in 0..60 {
            for x in 0..200 {
                let block = (0..4).flat_map(|j| (0..2).map(move |i| (i, j)));
                let mean: f32 = block.map(|(i, j)| full.row(0, 4 * y + j)[2 * x + i]).sum();
                let found = proxy.row(0, y)[x];
                assert!((mean / 8.0 - found).abs() < 0.09, "{grow} {x} {y}");
            }
        }
    }
}

#[test]
fn a_hole_is_filled_and_an_opening_is_not() {
    let size = Size::new(300, 200);
    let alpha = drawn(size, |x, y| {
        let body = (x - 120.0).abs() < 90.0 && (y - 100.0).abs() < 80.0;
        let hole = (x - 90.0).hypot(y - 100.0) < 6.0;
        let opening = (x - 160.0).hypot(y - 100.0) < 24.0;
        f32::from(u8::from(body && !hole && !opening))
    });
    let with = |holes| {
        let settings = FinishSettings {
            holes,
            ..FinishSettings::default()
        };
        finished(&alpha, &settings, 0..200)
    };
    let (plain, filled) = (with(None), with(Some(400)));
    assert_eq!(plain.row(0, 100)[90], 0.0);
    assert_eq!(filled.row(0, 100)[90], 1.0);
    assert_eq!(filled.row(0, 100)[160], 0.0);
    assert_eq!(filled.row(0, 10)[290], 0.0);
}

#[test]
fn the_smallest_pictures_and_the_worst_numbers_go_through() {
    let shape = MatteShape {
        clip_black: 0.2,
        clip_white: 0.8,
        gamma: 0.7,
        grow: 3.5,
        blur: 2.5,
    };
    for size in [
        Size::new(1, 1),
        Size::new(1, 9),
        Size::new(9, 1),
        Size::new(3, 2),
    ] {
        for value in [
            f32::NAN,
            f32::INFINITY,
            f32::NEG_INFINITY,
            0.0,
            0.5,
            1.0,
            1e30,
        ] {
            for grow in [3.5, -3.5, 0.0] {
                let mut alpha = Planes::new(size.width, size.height, 1);
                alpha.data_mut()[0] = value;
                let shape = MatteShape { grow, ..shape };
                let settings = FinishSettings {
                    holes: Some(4),
                    shape,
                    ..FinishSettings::default()
                };
                let out = finished(&alpha, &settings, 0..size.height);
                let good = |value: &f32| (-1e-6..=1.0 + 1e-6).contains(value);
                assert!(out.data().iter().all(good), "{size} {value}: {out:?}");
            }
        }
    }
}

#[test]
fn broken_settings_do_no_harm() {
    let alpha = disc(Size::new(40, 30), 20.0, 15.0, 9.0);
    for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -1e30, 1e30] {
        let shape = MatteShape {
            clip_black: odd,
            clip_white: odd,
            gamma: odd,
            grow: odd,
            blur: odd,
        };
        let out = shaped(&alpha, shape, PixelScale::ONE);
        assert!(out.data().iter().all(|value| value.is_finite()), "{odd}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn rows_are_the_same_whichever_are_asked_for(
        width in 1_usize..90, height in 1_usize..90, seed: u64,
        grow in -9.0_f32..9.0, blur in 0.0_f32..4.0, despeckle: bool, holes: bool,
        from in 0_usize..90, length in 1_usize..90, down in 0.2_f64..1.0,
    ) {
        let alpha = noise(Size::new(width, height), seed);
        let settings = FinishSettings {
            despeckle: despeckle.then_some(9),
            holes: holes.then_some(9),
            shape: MatteShape { clip_black: 0.1, clip_white: 0.9, gamma: 1.4, grow, blur },
            scale: PixelScale { x: 1.0, y: down },
            ..FinishSettings::default()
        };
        let whole = finished(&alpha, &settings, 0..height);
        let from = from % height;
        let rows = from..(from + length).min(height);
        let part = finished(&alpha, &settings, rows.clone());
        prop_assert_eq!(part.data(), &whole.data()[rows.start * width..rows.end * width]);
    }
}
