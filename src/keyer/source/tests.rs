//! What comes back of the plate, and what does not.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::super::geometry::{Fit, Geometry, SizeRule};
use super::super::image::{Planes, Size, Window};
use super::super::key::{Key, finish_with};
use super::super::output::{Composition, Layers};
use super::super::restore::Prediction;
use super::super::scratch::Pool;
use super::super::settings::{
    DespillMethod, Detail, FinishSettings, Output, PixelScale, Resolution, Screen,
};
use super::*;

/// A subject before a green screen, in linear light: a soft disc with grain, a highlight of 9 that
/// reaches over its edge, and a patch below black inside. The network answers the true alpha and
/// the true colour as far as 0..1 hold it, without the grain.
struct Scene {
    plate: Planes,
    colour: Planes,
    prediction: Prediction,
    geometry: Geometry,
    backing: Backing,
    pool: Pool,
}

const SIZE: Size = Size::new(200, 150);
const GREEN: [f32; 3] = [0.04, 0.5, 0.08];

impl Scene {
    fn new(highlight: f32, encoding: Encoding) -> Self {
        let rule = SizeRule {
            fit: Fit::Aspect,
            multiple: 1,
            min: 1,
            max_long: 4096,
            auto_long: 4096,
        };
        let geometry = Geometry::new(SIZE, SIZE, &rule, Resolution::Auto).unwrap();
        let mut plate = Planes::new(SIZE.width, SIZE.height, 3);
        let mut colour = plate.clone();
        let mut prediction = Prediction {
            alpha: Planes::new(SIZE.width, SIZE.height, 1),
            foreground: plate.clone(),
        };
        for y in 0..SIZE.height {
            for x in 0..SIZE.width {
                let (u, v) = (x as f32 - 90.0, y as f32 - 75.0);
                let alpha = ((55.0 - u.hypot(v)) / 12.0).clamp(0.0, 1.0);
                prediction.alpha.row_mut(0, y)[x] = alpha;
                let bright = u > 35.0 && v.abs() < 12.0;
                let dark = u < -5.0 && u > -15.0 && v.abs() < 5.0;
                let grain = ((x * 7 + y * 13) % 11) as f32 * 0.004;
                for channel in 0..3 {
                    let own = [0.35, 0.25, 0.2][channel];
                    let own = match (bright, dark) {
                        (true, _) => highlight,
                        (_, true) => -0.03,
                        _ => own,
                    };
                    colour.row_mut(channel, y)[x] = own + grain;
                    plate.row_mut(channel, y)[x] =
                        alpha * (own + grain) + (1.0 - alpha) * GREEN[channel];
                    prediction.foreground.row_mut(channel, y)[x] =
                        srgb::linear_to_srgb(own.clamp(0.0, 1.0));
                }
            }
        }
        let backing = Backing::new(&plate, Encoding::Linear, &prediction.alpha, &geometry).unwrap();
        let [r, g, b] = plate.planes_mut();
        encoding.rows_from_linear([r, g, b]);
        Self {
            plate,
            colour,
            prediction,
            geometry,
            backing,
            pool: Pool::new(1 << 22),
        }
    }

    fn key(
        &self,
        settings: &FinishSettings,
        encoding: Encoding,
        rows: std::ops::Range<usize>,
    ) -> Key<'_> {
        let plate = Plate {
            rows: &self.plate,
            encoding,
            backing: &self.backing,
            guide: None,
        };
        let screen = Screen::Green;
        finish_with(
            &self.prediction,
            &self.geometry,
            screen,
            settings,
            rows,
            Some(plate),
            &self.pool,
        )
        .unwrap()
    }

    fn foreground(&self, settings: &FinishSettings, encoding: Encoding, window: Window) -> Planes {
        let key = self.key(settings, encoding, window.rows());
        let layers = Layers {
            key: Some(&key),
            ..Layers::default()
        };
        Composition::new(Output::Foreground, encoding, layers, PixelScale::ONE)
            .unwrap()
            .planes(window)
            .unwrap()
    }
}

/// What comes back of one channel of one pixel: its light, and how much of it.
fn beyond(plate: f32, behind: f32, alpha: f32) -> (f32, f32) {
    let found = Found::new(&[[plate; BLOCK]; 3], &[[behind; BLOCK]; 3], &[alpha; BLOCK]);
    (found.light[0][0], found.change[0][0])
}

fn settings(detail: bool, restore_range: bool, despill_strength: f32) -> FinishSettings {
    FinishSettings {
        despill_strength,
        detail: detail.then(Detail::default),
        restore_range,
        ..FinishSettings::default()
    }
}

#[test]
fn a_solid_pixel_is_the_plates_own() {
    let scene = Scene::new(9.0, Encoding::Linear);
    let whole = Window::full(SIZE);
    let found = scene.foreground(&settings(true, true, 0.0), Encoding::Linear, whole);
    let (mut same, mut negative) = (0, 0);
    for y in 0..SIZE.height {
        for x in 0..SIZE.width {
            if (x as f32 - 90.0).hypot(y as f32 - 75.0) > 31.0 {
                continue;
            }
            for channel in 0..3 {
                let plate = scene.plate.row(channel, y)[x];
                assert_eq!(found.row(channel, y)[x], plate, "{x} {y}");
                negative += usize::from(plate < 0.0);
                same += 1;
            }
        }
    }
    assert!(same > 5000 && negative > 100);
    // Without the range the plate is held to what a network could say.
    let found = scene.foreground(&settings(true, false, 0.0), Encoding::Linear, whole);
    let held = |value: &f32| (0.0..=1.0 + 1e-5).contains(value);
    assert!(found.data().iter().all(held));
    // Without either the network's colour is all there is: nothing of the grain.
    let found = scene.foreground(&settings(false, false, 0.0), Encoding::Linear, whole);
    assert!((found.row(0, 60)[90] - found.row(0, 60)[91]).abs() < 1e-6);
}

#[test]
fn what_an_inside_mask_adds_has_the_plates_colour() {
    for restore_range in [false, true] {
        for despill in [0.0, 1.0] {
            // A prop of the plate that the network gave no alpha and no colour.
            let mut scene = Scene::new(0.9, Encoding::Linear);
            for (channel, value) in [0.3, 0.1, 0.2].into_iter().enumerate() {
                scene.plate.row_mut(channel, 20)[180..].fill(value);
                let black = scene.prediction.foreground.row_mut(channel, 20);
                black[180..].fill(0.0);
            }
            let settings = settings(false, restore_range, despill);
            let picture = |mask: Option<Planes>| {
                let key = scene
                    .key(&settings, Encoding::Linear, 0..SIZE.height)
                    .held_to(mask, None)
                    .unwrap();
                let layers = Layers {
                    key: Some(&key),
                    ..Layers::default()
                };
                Composition::new(
                    Output::Foreground,
                    Encoding::Linear,
                    layers,
                    PixelScale::ONE,
                )
                .unwrap()
                .planes(Window::full(SIZE))
                .unwrap()
            };
            let mut mask = Planes::new(SIZE.width, SIZE.height, 1);
            mask.row_mut(0, 20)[180..190].fill(1.0);
            mask.row_mut(0, 20)[190..].fill(0.25);
            // At the subject's edge it adds a part.
            mask.row_mut(0, 75)[..].fill(0.8);
            let (without, with) = (picture(None), picture(Some(mask)));
            for x in [182, 195] {
                let found = [0, 1, 2].map(|channel| with.row(channel, 20)[x]);
                for (found, wanted) in found.into_iter().zip([0.3, 0.1, 0.2]) {
                    assert!((found - wanted).abs() < 1e-4, "{x}: {found} for {wanted}");
                }
                assert_eq!(with.row(3, 20)[x], if x < 190 { 1.0 } else { 0.25 });
            }
            let edge = (0..SIZE.width).find(|x| (0.3..0.6).contains(&without.row(3, 75)[*x]));
            let x = edge.unwrap();
            let own = without.row(3, 75)[x];
            let wanted =
                (own * without.row(0, 75)[x] + (0.8 - own) * scene.plate.row(0, 75)[x]) / 0.8;
            // With despill the sum is despilled, not its parts.
            assert!(despill > 0.0 || (with.row(0, 75)[x] - wanted).abs() < 1e-3);
            // Elsewhere nothing changes, to the bit.
            for y in (0..SIZE.height).filter(|y| ![20, 75].contains(y)) {
                for channel in 0..4 {
                    assert_eq!(with.row(channel, y), without.row(channel, y));
                }
            }
        }
    }
}

#[test]
fn highlights_are_unmixed_at_the_edge() {
    let scene = Scene::new(9.0, Encoding::Linear);
    let whole = Window::full(SIZE);
    for detail in [false, true] {
        let found = scene.foreground(&settings(detail, true, 0.0), Encoding::Linear, whole);
        for x in 130..145 {
            let alpha = scene.prediction.alpha.row(0, 75)[x];
            for channel in 0..3 {
                let (found, truth) = (found.row(channel, 75)[x], scene.colour.row(channel, 75)[x]);
                if alpha >= FIRM {
                    assert!(
                        (found / truth - 1.0).abs() < 0.02,
                        "{x} {alpha}: {found} {truth}"
                    );
                } else if alpha <= FAINT {
                    assert!(found <= 1.0 + 1e-5, "{x} {alpha}: {found}");
                }
            }
        }
    }
}

#[test]
fn a_faint_alpha_makes_no_firefly() {
    for step in 1..=1000 {
        let alpha = step as f32 / 1000.0;
        for plate in [0.9, 1.1, 9.0, 45.0] {
            let (light, change) = beyond(plate, 0.3, alpha);
            let mixed = change * light + (1.0 - change) * plate.min(1.0);
            let bound = plate / FIRM;
            assert!(mixed <= bound, "{plate} behind {alpha}: {mixed}");
            if alpha < 0.5 * FIRM {
                assert!(mixed < 2.0 * plate, "{plate} behind {alpha}: {mixed}");
            }
        }
    }
}

#[test]
fn an_alpha_a_little_too_high_leaves_no_tint_on_a_bright_rim() {
    let mut scene = Scene::new(9.0, Encoding::Linear);
    for alpha in scene.prediction.alpha.data_mut() {
        if *alpha > 0.0 {
            *alpha = (*alpha + 0.08).min(1.0);
        }
    }
    let whole = Window::full(SIZE);
    let found = scene.foreground(&settings(false, true, 0.0), Encoding::Linear, whole);
    let mut bright = 0;
    for x in 130..145 {
        let alpha = scene.prediction.alpha.row(0, 75)[x];
        let [r, g, b] = [0, 1, 2].map(|channel| found.row(channel, 75)[x]);
        if alpha < DENSE {
            assert!(g <= r.max(b) + 1e-4, "{x} {alpha}: {r} {g} {b}");
        }
        bright += usize::from(r > 3.0);
    }
    assert!(bright >= 5, "the highlight came back over the edge");
}

#[test]
fn ordinary_colours_stay_the_networks_at_the_edge() {
    let scene = Scene::new(9.0, Encoding::Linear);
    let whole = Window::full(SIZE);
    let plain = scene.foreground(&settings(false, false, 0.7), Encoding::Linear, whole);
    let found = scene.foreground(&settings(true, true, 0.7), Encoding::Linear, whole);
    // The left edge, where there is no highlight: nothing of the green.
    for x in 30..50 {
        for channel in 0..3 {
            assert_eq!(found.row(channel, 75)[x], plain.row(channel, 75)[x], "{x}");
        }
    }
}

#[test]
fn an_edge_that_was_moved_outwards_shows_nothing_of_the_screen() {
    let scene = Scene::new(0.9, Encoding::Linear);
    let grown = |detail| {
        let mut settings = settings(detail, false, 0.7);
        settings.shape.grow = 12.0;
        scene.foreground(&settings, Encoding::Linear, Window::full(SIZE))
    };
    let (with, without) = (grown(true), grown(false));
    let mut solid = 0;
    for (i, alpha) in scene.prediction.alpha.data().iter().enumerate() {
        if *alpha < 0.9 {
            solid += usize::from(with.plane(3)[i] > 0.99);
            for channel in 0..3 {
                assert_eq!(with.plane(channel)[i], without.plane(channel)[i]);
            }
        }
    }
    assert!(solid > 1000, "the edge was moved");
}

#[test]
fn there_is_no_step_from_the_network_to_the_plate() {
    // A ramp of light through white, over an alpha that the network is sure of.
    let mut last = 0.0;
    for step in 0..4000 {
        let plate = step as f32 / 1000.0;
        let network = plate.min(1.0);
        let (light, change) = beyond(plate, 0.3, 1.0);
        let mixed = change * light + (1.0 - change) * network;
        assert!(
            mixed >= last - 1e-6 && mixed - last < 0.006,
            "{plate}: {last} {mixed}"
        );
        last = mixed;
    }
    // And at every alpha the change begins at nothing.
    for alpha in [0.06, 0.2, 0.5, 0.91, 0.97, 1.0] {
        let (_, change) = beyond(KNEE * alpha + 1e-4, 0.0, alpha);
        assert!(change < 1e-3, "{alpha}: {change}");
        let (_, change) = beyond(TOE - 1e-5, 0.0, alpha);
        assert!(change < 1e-3, "{alpha}: {change}");
    }
}

#[test]
fn what_was_restored_is_despilled_too() {
    for method in DespillMethod::ALL {
        let scene = Scene::new(9.0, Encoding::Linear);
        let mut lit = settings(true, true, 1.0);
        lit.despill_method = *method;
        // A green subject.
        let mut scene = scene;
        for y in 0..SIZE.height {
            scene.plate.row_mut(1, y)[70..110].fill(0.9);
        }
        let found = scene.foreground(&lit, Encoding::Linear, Window::full(SIZE));
        for x in 80..100 {
            let [r, g, b] = [0, 1, 2].map(|channel| found.row(channel, 90)[x]);
            assert!(g <= r.max(b) + 1e-4, "{method:?} {r} {g} {b}");
        }
    }
}

#[test]
fn a_plate_within_its_range_keeps_it() {
    let scene = Scene::new(0.9, Encoding::Linear);
    let mut scene = scene;
    for value in scene.plate.data_mut() {
        *value = value.clamp(0.0, 1.0);
    }
    let whole = Window::full(SIZE);
    let linear = Encoding::Linear;
    scene.backing = Backing::new(
        &scene.plate,
        linear,
        &scene.prediction.alpha,
        &scene.geometry,
    )
    .unwrap();
    let without = scene.foreground(&settings(false, false, 0.5), linear, whole);
    let with = scene.foreground(&settings(false, true, 0.5), linear, whole);
    assert_eq!(with, without);
}

#[test]
fn an_encoded_plate_gives_the_same_light() {
    let (linear, encoded) = (
        Scene::new(5.0, Encoding::Linear),
        Scene::new(5.0, Encoding::Srgb),
    );
    let whole = Window::full(SIZE);
    for despill in [0.0, 1.0] {
        let a = linear.foreground(&settings(true, true, despill), Encoding::Linear, whole);
        let mut b = encoded.foreground(&settings(true, true, despill), Encoding::Srgb, whole);
        let [r, g, b_, _] = b.planes_mut();
        Encoding::Srgb.rows_to_linear([r, g, b_]);
        for (a, b) in a.data().iter().zip(b.data()) {
            assert!((a - b).abs() < 2e-5 * a.abs().max(1.0), "{a} {b}");
        }
    }
}

#[test]
fn broken_pixels_stay_finite() {
    let mut scene = Scene::new(9.0, Encoding::Linear);
    for (i, odd) in [
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::MAX,
        f32::MIN,
    ]
    .into_iter()
    .enumerate()
    {
        for x in [40, 90, 137] {
            scene.plate.row_mut(i % 3, 65 + 2 * i)[x] = odd;
        }
    }
    for encoding in [Encoding::Linear, Encoding::Srgb] {
        let out = scene.foreground(&settings(true, true, 0.5), encoding, Window::full(SIZE));
        assert!(out.data().iter().all(|value| value.is_finite()));
    }
}

#[test]
fn without_a_plate_nothing_can_come_back() {
    let scene = Scene::new(9.0, Encoding::Linear);
    for settings in [settings(true, false, 0.0), settings(false, true, 0.0)] {
        let screen = Screen::Green;
        let made = super::super::key::finish(
            &scene.prediction,
            &scene.geometry,
            screen,
            &settings,
            0..10,
            &scene.pool,
        );
        assert_eq!(made.map(|_| ()).unwrap_err().code(), "picture.layer");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_window_is_a_part_of_the_whole(
        x0 in 0_usize..200, y0 in 0_usize..150, w in 1_usize..200, h in 1_usize..150,
        linear: bool, detail: bool, grow in -4.0_f32..4.0,
    ) {
        let encoding = if linear { Encoding::Linear } else { Encoding::Srgb };
        let scene = Scene::new(9.0, encoding);
        let mut settings = settings(detail, true, 0.6);
        settings.shape.grow = grow;
        let whole = scene.foreground(&settings, encoding, Window::full(SIZE));
        let window = Window { x0, y0, x1: (x0 + w).min(200), y1: (y0 + h).min(150) };
        let part = scene.foreground(&settings, encoding, window);
        for channel in 0..4 {
            for (line, y) in window.rows().enumerate() {
                prop_assert_eq!(part.row(channel, line), &whole.row(channel, y)[window.columns()]);
            }
        }
    }
}
