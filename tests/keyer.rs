//! The keyer as a whole, around a network that is known: it answers the hint as alpha and the
//! plate as foreground. Whatever goes in must then come out, at every size, by every way.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use corridorkey::keyer::colour::srgb::{linear_to_srgb, srgb_to_linear};
use corridorkey::keyer::{
    Composition, Encoding, FinishSettings, Fit, Geometry, Layers, Look, NetworkInput,
    Normalisation, Output, Overview, PixelScale, Planes, Pool, Prediction, Resolution, Screen,
    Size, SizeRule, Window, detect, finish, hint_from_screen, prepare,
};

const MEAN: [f32; 3] = Normalisation::IMAGENET.mean;
const STD: [f32; 3] = Normalisation::IMAGENET.std;

/// The network that answers its input.
fn answer(input: &NetworkInput) -> Prediction {
    let (width, height) = (input.width, input.height);
    let area = width * height;
    let mut colour = input.data[..3 * area].to_vec();
    for (channel, plane) in colour.chunks_exact_mut(area).enumerate() {
        for value in plane {
            *value = *value * STD[channel] + MEAN[channel];
        }
    }
    Prediction {
        alpha: Planes::from_vec(width, height, 1, input.data[3 * area..].to_vec()).unwrap(),
        foreground: Planes::from_vec(width, height, 3, colour).unwrap(),
    }
}

/// A smooth plate (linear, -0.2..4) and a smooth hint.
fn picture(size: Size) -> (Planes, Planes) {
    let wave = |channels: usize, low: f32, high: f32| {
        let mut planes = Planes::new(size.width, size.height, channels);
        for channel in 0..channels {
            for y in 0..size.height {
                for (x, value) in planes.row_mut(channel, y).iter_mut().enumerate() {
                    let (u, v) = (x as f32 / size.width as f32, y as f32 / size.height as f32);
                    let wave = (3.0 * u + channel as f32).sin() * (2.0 * v).cos();
                    *value = low + (high - low) * (0.5 + 0.5 * wave);
                }
            }
        }
        planes
    };
    (wave(3, -0.2, 4.0), wave(1, 0.0, 1.0))
}

fn rule(fit: Fit) -> SizeRule {
    SizeRule {
        fit,
        multiple: 32,
        min: 32,
        max_long: 2048,
        auto_long: 2048,
    }
}

/// Everything from the plate to a composed picture.
struct Run {
    geometry: Geometry,
    encoding: Encoding,
    exchange: Screen,
    settings: FinishSettings,
}

impl Run {
    fn new(size: Size, fit: Fit, resolution: Resolution, encoding: Encoding) -> Self {
        Self {
            geometry: Geometry::new(size, size, &rule(fit), resolution).unwrap(),
            encoding,
            exchange: Screen::Green,
            settings: FinishSettings {
                despill_strength: 0.0,
                despeckle: None,
                ..FinishSettings::default()
            },
        }
    }

    fn output(&self, plate: &Planes, hint: &Planes, output: Output) -> Planes {
        let pool = Pool::new(256 << 20);
        let input = prepare(
            plate,
            hint,
            &self.geometry,
            self.encoding.light(),
            self.exchange,
            &Normalisation::IMAGENET,
            &pool,
        )
        .unwrap();
        assert_eq!(input.data.len(), 4 * input.width * input.height);
        assert!(input.data.iter().all(|v| v.is_finite()));
        let prediction = answer(&input);
        let rows = 0..self.geometry.plate.height;
        let key = finish(
            &prediction,
            &self.geometry,
            self.exchange,
            &self.settings,
            rows,
            &pool,
        )
        .unwrap();
        let layers = Layers {
            key: Some(&key),
            plate: Some(plate),
            hint: Some(hint),
            ..Layers::default()
        };
        let scale = PixelScale::ONE;
        let composition = Composition::new(output, self.encoding, layers, scale).unwrap();
        let out = composition
            .planes(Window::full(self.geometry.plate))
            .unwrap();
        assert!(out.data().iter().all(|v| v.is_finite()));
        out
    }
}

#[test]
fn what_goes_in_at_its_own_size_comes_out() {
    for size in [
        Size::new(1, 1),
        Size::new(7, 5),
        Size::new(31, 2001),
        Size::new(640, 360),
    ] {
        let (plate, hint) = picture(size);
        for encoding in [Encoding::Srgb, Encoding::Linear] {
            let run = Run::new(size, Fit::Aspect, Resolution::Auto, encoding);
            assert!(run.geometry.is_own_size());
            let out = run.output(&plate, &hint, Output::Foreground);
            assert_eq!(out.plane(3), hint.plane(0));
            for channel in 0..3 {
                for (x, y) in plate.plane(channel).iter().zip(out.plane(channel)) {
                    // Linear plates have no light below 0 for the network.
                    let wanted = if encoding == Encoding::Linear {
                        x.max(0.0)
                    } else {
                        *x
                    };
                    assert!(
                        (y - wanted).abs() < 5e-5 * wanted.abs().max(0.1),
                        "{y} {wanted}"
                    );
                }
            }
        }
    }
}

#[test]
fn every_size_and_resolution_goes_through() {
    for (width, height, fit, resolution) in [
        (1, 1, Fit::Aspect, Resolution::Long512),
        (1, 1, Fit::Square, Resolution::Auto),
        (7, 5, Fit::Aspect, Resolution::Long512),
        (7, 5, Fit::Square, Resolution::Full),
        (31, 2001, Fit::Aspect, Resolution::Auto),
        (31, 2001, Fit::Square, Resolution::Long512),
        (31, 2001, Fit::Square, Resolution::Full),
        (257, 129, Fit::Aspect, Resolution::Long512),
        (257, 129, Fit::Square, Resolution::Auto),
    ] {
        let size = Size::new(width, height);
        let (plate, hint) = picture(size);
        let mut run = Run::new(size, fit, resolution, Encoding::Linear);
        run.settings = FinishSettings::default();
        let network = run.geometry.network;
        assert_eq!((network.width % 32, network.height % 32), (0, 0));
        for output in [Output::Processed, Output::Composite] {
            let out = run.output(&plate, &hint, output);
            assert_eq!(out.size(), size);
        }
    }
}

#[test]
fn a_smooth_picture_survives_resizing() {
    let size = Size::new(600, 340);
    let (plate, hint) = picture(size);
    for (fit, resolution) in [
        (Fit::Aspect, Resolution::Long512),
        (Fit::Aspect, Resolution::Long1024),
        (Fit::Square, Resolution::Long512),
        (Fit::Square, Resolution::Full),
    ] {
        let run = Run::new(size, fit, resolution, Encoding::Linear);
        let out = run.output(&plate, &hint, Output::Foreground);
        // Not at the border, where the slopes end.
        for y in 8..332 {
            for x in 8..592 {
                assert!((out.row(3, y)[x] - hint.row(0, y)[x]).abs() < 1e-3);
                for channel in 0..3 {
                    let wanted = plate.row(channel, y)[x].max(0.0);
                    // Compared as the eye sees it.
                    let (a, b) = (
                        linear_to_srgb(out.row(channel, y)[x]),
                        linear_to_srgb(wanted),
                    );
                    assert!((a - b).abs() < 0.02, "{x} {y} {channel}: {a} {b}");
                }
            }
        }
    }
}

#[test]
fn a_blue_screen_is_a_green_one_with_channels_exchanged() {
    let size = Size::new(200, 120);
    let (green_plate, hint) = picture(size);
    for screen in [Screen::Blue, Screen::Red] {
        let order = screen.exchange();
        let mut plate = Planes::new(size.width, size.height, 3);
        for (channel, from) in order.into_iter().enumerate() {
            plate
                .plane_mut(channel)
                .copy_from_slice(green_plate.plane(from));
        }
        for resolution in [Resolution::Auto, Resolution::Long512] {
            let mut green = Run::new(size, Fit::Aspect, resolution, Encoding::Srgb);
            green.settings = FinishSettings::default();
            let mut other = Run::new(size, Fit::Aspect, resolution, Encoding::Srgb);
            other.exchange = screen;
            other.settings = FinishSettings {
                screen,
                ..FinishSettings::default()
            };
            let wanted = green.output(&green_plate, &hint, Output::Processed);
            let out = other.output(&plate, &hint, Output::Processed);
            // Not bit for bit: normalisation differs from channel to channel.
            for (channel, from) in order.into_iter().enumerate() {
                let wanted = wanted.plane(from);
                for (a, b) in out.plane(channel).iter().zip(wanted) {
                    assert!((a - b).abs() < 1e-5, "{screen:?} {a} {b}");
                }
            }
            assert_eq!(out.plane(3), wanted.plane(3));
        }
    }
}

#[test]
fn a_broken_plate_gives_a_finite_key() {
    let size = Size::new(120, 70);
    let (mut plate, mut hint) = picture(size);
    for (i, bad) in [
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::MAX,
        f32::MIN,
    ]
    .into_iter()
    .enumerate()
    {
        plate.row_mut(i % 3, 5 * i)[7 * i] = bad;
        hint.row_mut(0, 3 * i)[i] = bad.clamp(0.0, 1.0);
    }
    let pool = Pool::new(0);
    for encoding in [Encoding::Srgb, Encoding::Linear] {
        let look = Look {
            plate: &Overview::new(&plate, encoding.light()).unwrap(),
            picked: None,
            taken: None,
        };
        let screen = detect(&look).unwrap();
        let made = hint_from_screen(&look, screen, &pool).unwrap();
        assert!(made.data().iter().all(|v| (0.0..=1.0).contains(v)));
        for resolution in [Resolution::Auto, Resolution::Long512] {
            let mut run = Run::new(size, Fit::Aspect, resolution, encoding);
            run.settings = FinishSettings::default();
            for output in [Output::Processed, Output::Foreground, Output::Composite] {
                // Finiteness is checked inside.
                run.output(&plate, &hint, output);
            }
        }
    }
}

#[test]
fn curves_are_each_others_inverse() {
    for i in 0..20_000 {
        let x = i as f32 / 1000.0;
        let there = srgb_to_linear(linear_to_srgb(x));
        assert!((there - x).abs() <= 1e-5 * x.max(0.01));
    }
}
