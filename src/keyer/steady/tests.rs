//! What agrees between two frames, and what is made of it.
#![allow(clippy::unwrap_used)]

use super::super::geometry::{Fit, SizeRule};
use super::super::settings::Resolution;
use super::*;

const SIZE: Size = Size::new(192, 128);

fn geometry() -> Geometry {
    let rule = SizeRule {
        fit: Fit::Aspect,
        multiple: 32,
        min: 32,
        max_long: 2048,
        auto_long: 2048,
    };
    Geometry::new(SIZE, SIZE, &rule, Resolution::Auto).unwrap()
}

/// A body with a soft edge and a strand of hair beside it, moved by so many pixels.
fn truth(x: f32, y: f32, moved: f32) -> f32 {
    let body = ((40.0 - (x - moved - 70.0).hypot(y - 64.0)) / 6.0).clamp(0.0, 1.0);
    let hair = (1.2 - (x - moved - 140.0).abs()).clamp(0.0, 0.7);
    body.max(hair)
}

/// A frame: its plate in linear light with its own grain, and the true alpha.
struct Shot {
    grain: f32,
    /// Pixels along which grain is the same.
    coarse: usize,
    moved: f32,
    seed: u64,
    screen: bool,
}

const STILL: Shot = Shot {
    grain: 0.02,
    coarse: 1,
    moved: 0.0,
    seed: 1,
    screen: true,
};

impl Shot {
    fn pictures(&self) -> (Planes, Planes) {
        let mut state = self.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut noise = || {
            let mut sum = 0.0;
            for _ in 0..4 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                sum += (state >> 40) as f32 / (1 << 24) as f32 - 0.5;
            }
            // Four of them deviate by 0.577.
            self.grain * sum / 0.577
        };
        let mut grain = Planes::new(SIZE.width, SIZE.height, 3);
        grain.data_mut().iter_mut().for_each(|v| *v = noise());
        let mut plate = Planes::new(SIZE.width, SIZE.height, 3);
        let mut alpha = Planes::new(SIZE.width, SIZE.height, 1);
        for y in 0..SIZE.height {
            for x in 0..SIZE.width {
                let a = match self.screen {
                    true => truth(x as f32, y as f32, self.moved),
                    false => 1.0,
                };
                alpha.row_mut(0, y)[x] = a;
                for channel in 0..3 {
                    let (own, screen) = ([0.5, 0.35, 0.3][channel], [0.05, 0.4, 0.1][channel]);
                    // A camera's grain: by the root of the light.
                    let light: f32 = a * own + (1.0 - a) * screen;
                    let at = (x / self.coarse, y / self.coarse);
                    let grain = grain.row(channel, at.1)[at.0] * 2.0 * light.sqrt();
                    plate.row_mut(channel, y)[x] = light + grain;
                }
            }
        }
        (plate, alpha)
    }

    fn sight(&self) -> Sight {
        let (plate, alpha) = self.pictures();
        Sight::new(&plate, Encoding::Linear, &alpha, &geometry()).unwrap()
    }
}

fn agreement(a: &Shot, b: &Shot) -> Planes {
    a.sight().agreement(b.sight()).unwrap()
}

fn mean(values: impl Iterator<Item = f32>) -> f32 {
    let (mut sum, mut count) = (0.0, 0.0_f64);
    for value in values {
        sum += f64::from(value);
        count += 1.0;
    }
    (sum / count) as f32
}

#[test]
fn what_differs_by_grain_alone_agrees() {
    for (grain, coarse) in [
        (0.0, 1),
        (0.003, 1),
        (0.01, 1),
        (0.03, 1),
        (0.02, 2),
        (0.02, 3),
    ] {
        let shot = |seed| Shot {
            grain,
            coarse,
            seed,
            ..STILL
        };
        let (a, b) = (shot(3), shot(4));
        let agreed = agreement(&a, &b);
        let whole = mean(agreed.data().iter().copied());
        let (_, alpha) = a.pictures();
        let soft = agreed
            .data()
            .iter()
            .zip(alpha.data())
            .filter(|(_, alpha)| (0.1..0.9).contains(*alpha))
            .map(|(agreed, _)| *agreed);
        let soft = mean(soft);
        let told = format!("grain {grain} of {coarse}: {whole:.3}, soft edges {soft:.3}");
        assert!(whole > 0.97 && soft > 0.97, "{told}");
        // The same in either order.
        assert_eq!(agreed, agreement(&b, &a));
    }
}

#[test]
fn what_moves_does_not_agree() {
    // Heavy grain hides a part of what creeps.
    for (grain, most, usual) in [(0.0, 0.02, 0.005), (0.01, 0.08, 0.01), (0.03, 0.2, 0.06)] {
        for moved in [1.0, 2.0, 7.0] {
            let a = Shot { grain, ..STILL };
            let b = Shot {
                grain,
                moved,
                seed: 9,
                ..STILL
            };
            let agreed = agreement(&a, &b);
            let ((_, before), (_, after)) = (a.pictures(), b.pictures());
            // What a neighbour brings that is wrong, where anything is.
            let wrong = before.data().iter().zip(after.data());
            let ghosts: Vec<f32> = agreed
                .data()
                .iter()
                .zip(wrong.map(|(a, b)| (a - b).abs()))
                .filter(|(_, wrong)| *wrong > 0.05)
                .map(|(agreed, wrong)| agreed * wrong)
                .collect();
            let worst = ghosts.iter().copied().fold(0.0, f32::max);
            let rms = mean(ghosts.iter().map(|ghost| ghost * ghost)).sqrt();
            let told = format!("grain {grain}, moved {moved}: {rms:.4}, at most {worst:.3}");
            assert!(ghosts.len() > 100 && worst < most && rms < usual, "{told}");
        }
    }
}

#[test]
fn a_cut_leaves_nothing_of_the_other_shot() {
    let (a, mut b) = (STILL.sight(), STILL.sight());
    // The next shot: all mirrored and brighter by a stop.
    let width = SIZE.width;
    for row in b.roots.data_mut().chunks_exact_mut(width) {
        row.reverse();
        row.iter_mut().for_each(|v| *v *= std::f32::consts::SQRT_2);
    }
    let agreed = a.agreement(b).unwrap();
    let most = agreed.data().iter().copied().fold(0.0, f32::max);
    assert!(most < 0.01, "{most}");
}

#[test]
fn lamps_that_flicker_do_not_part_the_frames() {
    let flicker = |seed, gain: f32| {
        let (mut plate, alpha) = Shot { seed, ..STILL }.pictures();
        plate.data_mut().iter_mut().for_each(|v| *v *= gain);
        Sight::new(&plate, Encoding::Linear, &alpha, &geometry()).unwrap()
    };
    let agreed = flicker(5, 1.0).agreement(flicker(6, 1.03)).unwrap();
    let whole = mean(agreed.data().iter().copied());
    assert!(whole > 0.9, "{whole}");
}

#[test]
fn without_a_screen_only_the_same_agrees() {
    let solid = |seed| Shot {
        seed,
        screen: false,
        ..STILL
    };
    let whole = |a: &Shot, b: &Shot| mean(agreement(a, b).data().iter().copied());
    assert_eq!(whole(&solid(1), &solid(1)), 1.0);
    assert!(whole(&solid(1), &solid(2)) < 0.01);
}

#[test]
fn the_mean_counts_what_agrees() {
    let geometry = geometry();
    let prediction = |value: f32| Prediction {
        alpha: Planes::from_vec(
            SIZE.width,
            SIZE.height,
            1,
            (0..SIZE.area())
                .map(|i| value + (i % 7) as f32 * 0.01)
                .collect(),
        )
        .unwrap(),
        foreground: Planes::new(SIZE.width, SIZE.height, 3),
    };
    let plane =
        |value| Planes::from_vec(SIZE.width, SIZE.height, 1, vec![value; SIZE.area()]).unwrap();
    let (own, one, two) = (prediction(0.5), prediction(0.2), prediction(0.8));
    let pool = Pool::new(0);
    let made = |agreed: [f32; 2], strength| {
        let planes = agreed.map(plane);
        let neighbours =
            [(&one, &planes[0]), (&two, &planes[1])].map(|(prediction, agreement)| Neighbour {
                prediction,
                agreement,
            });
        let alpha = steady(&own, &neighbours, strength, &geometry, &pool).unwrap();
        alpha.data().to_vec()
    };
    assert_eq!(made([0.0, 0.0], 1.0), own.alpha.data(), "to the bit");
    assert_eq!(made([1.0, 1.0], 0.0), own.alpha.data(), "to the bit");
    let near = |made: Vec<f32>, wanted: f32| {
        for (i, value) in made.iter().enumerate() {
            let wanted = wanted + (i % 7) as f32 * 0.01;
            assert!((value - wanted).abs() < 1e-6, "{value} {wanted}");
        }
    };
    near(made([1.0, 1.0], 1.0), 0.5);
    near(made([1.0, 0.0], 1.0), 0.35);
    near(made([0.0, 0.5], 1.0), (0.5 + 0.4) / 1.5);
    near(made([1.0, 0.0], 0.5), (0.5 + 0.1) / 1.5);
    // A plane of another size is refused.
    let small = Planes::new(8, 8, 1);
    let wrong = [Neighbour {
        prediction: &one,
        agreement: &small,
    }];
    assert!(steady(&own, &wrong, 1.0, &geometry, &pool).is_err());
}
