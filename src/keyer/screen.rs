//! The screen behind the subject: which colour it has, and a hint made from that colour.
//!
//! Both work on a small sRGB copy of the plate and on two numbers per pixel: the *excess*, how far
//! the screen's channel stands above the other two, and the *purity*, the excess as a part of the
//! channel itself. Uneven light scales all channels of a screen alike: its excess changes and its
//! purity stays. Spill on dark cloth or fur is as pure as the screen and has little excess. So a
//! pixel is screen when it has most of both of what the screen *around it* has.

use rayon::prelude::*;

use super::colour::Light;
use super::despeckle::regions::{self, Core};
use super::error::Result;
use super::image::{Planes, Size};
use super::plate::finite;
use super::resample::{Kernel, Resampler, RowScratch, Source, resize, resize_into};
use super::settings::Screen;

/// Long side of the copy that is looked at.
const LONG: usize = 480;
/// Channels darker than this are noise: purity is measured against at least so much.
const DARK: f32 = 0.08;
/// From this purity on a pixel may be screen.
const PURE: f32 = 0.10;

/// A screen other than green shows this many times as much of its colour as there is green.
const MARGIN: f64 = 3.0;

/// Finds the colour of the screen: the one that covers most of the plate outside the hint.
///
/// `plate` has three planes in `light`; `hint`, where there is one, has one plane of the same
/// size. Green is the answer unless another colour is far ahead of it: each frame is looked at
/// alone, and a blue jacket in a close-up must not make a blue stage of a green one for some frames
/// of a shot. Red must be purer than the others to count, since skin, wood and tungsten light are
/// reddish.
///
/// # Errors
/// When a picture is empty or not of the planes and size said.
pub fn detect(plate: &Planes, light: Light, hint: Option<&Planes>) -> Result<Screen> {
    plate.check("plate", &[3], "3")?;
    let small = reduced(plate, light);
    let hint = match hint {
        None => None,
        Some(hint) => {
            hint.check("hint", &[1], "1")?;
            hint.check_size("hint", plate.size())?;
            Some(resize(hint, small.size(), Kernel::Triangle))
        }
    };
    let score = |screen: Screen| -> f64 {
        let least = match screen {
            Screen::Red => 0.5,
            Screen::Green | Screen::Blue => 0.2,
        };
        (0..small.size().area())
            .map(|i| {
                let purity = purity(&small, screen, i);
                let outside = 1.0 - hint.as_ref().map_or(0.0, |h| h.data()[i].clamp(0.0, 1.0));
                if purity > least {
                    f64::from(purity * outside)
                } else {
                    0.0
                }
            })
            .sum()
    };
    let mut best = (Screen::Green, MARGIN * score(Screen::Green));
    for screen in [Screen::Blue, Screen::Red] {
        let score = score(screen);
        if score > best.1 {
            best = (screen, score);
        }
    }
    Ok(best.0)
}

/// Makes a hint from the screen's colour: one plane of the plate's size, 0..1, 1 where the plate
/// is surely not screen.
///
/// The network fills in well and subtracts poorly, so the hint is rather too small than too large:
/// what is half screen is left out, small islands (tracking markers, noise) are dropped, small holes
/// (eyes, buttons) that are not surely screen are filled, the rest is eroded and blurred by about one part in a hundred of the picture's long side.
///
/// # Errors
/// When the plate is empty or has other planes than three, or memory is short.
pub fn hint_from_screen(plate: &Planes, light: Light, screen: Screen) -> Result<Planes> {
    plate.check("plate", &[3], "3")?;
    let small = reduced(plate, light);
    let size = small.size();
    let map = |of: fn(&Planes, Screen, usize) -> f32| {
        let values = (0..size.area()).map(|i| of(&small, screen, i)).collect();
        Planes::of_exact(size.width, size.height, 1, values)
    };
    let (purity, excess) = (map(purity), map(excess));
    let Some(typical) = Typical::of(purity.data(), excess.data()) else {
        // No screen to speak of: all of it is subject.
        let mut all = Planes::try_new(plate.width(), plate.height(), 1)?;
        all.data_mut().fill(1.0);
        return Ok(all);
    };
    let local = typical.local(&purity, &excess);
    let subject = (0..size.area())
        .map(|i| {
            let pure = purity.data()[i] / local.purity.data()[i];
            let strong = excess.data()[i] / local.excess.data()[i];
            1.0 - pure.min(strong)
        })
        .collect();
    let subject = Planes::of_exact(size.width, size.height, 1, subject);

    let unit = size.long() as f64 / 100.0;
    let how = Core {
        inside: SUBJECT,
        outside: SCREEN,
        island: (0.5 * unit * unit).max(1.0),
        hole: 3.0 * unit * unit,
        radius: (0.9 * unit).round() as usize,
    };
    let core = regions::core(&subject, &how);
    let soft = blurred(&core, (0.4 * unit).round() as usize);
    let mut hint = Planes::try_new(plate.width(), plate.height(), 1)?;
    resize_into(&soft, &mut hint, Kernel::Triangle);
    hint.data_mut()
        .par_chunks_mut(1 << 16)
        .for_each(|values| values.iter_mut().for_each(|v| *v = v.clamp(0.0, 1.0)));
    Ok(hint)
}

/// A pixel that has lost this part of what the screen has is surely not screen.
const SUBJECT: f32 = 0.6;
/// A pixel that has lost no more than this surely is.
const SCREEN: f32 = 0.25;

/// How far the screen's channel stands above the others.
fn excess(small: &Planes, screen: Screen, index: usize) -> f32 {
    let at = |channel: usize| small.plane(channel)[index];
    let other = (0..3)
        .filter(|channel| *channel != screen.channel())
        .map(at)
        .fold(0.0, f32::max);
    at(screen.channel()) - other
}

/// The excess as a part of the channel itself, -1..1, 0 for grey.
fn purity(small: &Planes, screen: Screen, index: usize) -> f32 {
    let own = small.plane(screen.channel())[index];
    (excess(small, screen, index) / own.max(DARK)).max(-1.0)
}

/// A small sRGB copy of the plate, limited to 0..1.
fn reduced(plate: &Planes, light: Light) -> Planes {
    let long = plate.size().long();
    let factor = long.div_ceil(LONG).max(1);
    let to = Size::new(
        plate.width().div_ceil(factor),
        plate.height().div_ceil(factor),
    );
    let resampler = Resampler::new(Kernel::Triangle, plate.size(), to);
    let mut small = Planes::new(to.width, to.height, 3);
    let source = [0, 1, 2].map(|channel| Source::plane(plate, channel));
    let [red, green, blue] = small.planes_mut();
    red.par_chunks_exact_mut(to.width)
        .zip(green.par_chunks_exact_mut(to.width))
        .zip(blue.par_chunks_exact_mut(to.width))
        .enumerate()
        .for_each_init(RowScratch::default, |scratch, (y, ((red, green), blue))| {
            let mut rows = [red, green, blue];
            resampler.row(
                source,
                y,
                scratch,
                rows.each_mut().map(|r| &mut **r),
                finite,
            );
            for row in rows {
                light.row_to_srgb(row);
                for value in row {
                    *value = value.clamp(0.0, 1.0);
                }
            }
        });
    small
}

/// What most of the screen has.
struct Typical {
    purity: f32,
    excess: f32,
}

/// What the screen has around each pixel.
struct Local {
    purity: Planes,
    excess: Planes,
}

impl Typical {
    /// The medians over the purest part of the picture; `None` when there is hardly any.
    fn of(purity: &[f32], excess: &[f32]) -> Option<Self> {
        let mut pure: Vec<(f32, f32)> = purity
            .iter()
            .copied()
            .zip(excess.iter().copied())
            .filter(|(purity, _)| *purity > PURE)
            .collect();
        if pure.is_empty() || pure.len() * 500 < purity.len() {
            return None;
        }
        // By excess first: of what is pure, most dark things are spill and no screen.
        let high = |values: &mut Vec<f32>, part: usize| {
            values.sort_by(f32::total_cmp);
            values[(values.len() - 1) * part / 100]
        };
        let top = high(&mut pure.iter().map(|(_, excess)| *excess).collect(), 95);
        pure.retain(|(_, excess)| *excess >= 0.4 * top);
        Some(Self {
            purity: high(&mut pure.iter().map(|(purity, _)| *purity).collect(), 50),
            excess: high(&mut pure.iter().map(|(_, excess)| *excess).collect(), 50),
        })
    }

    /// The means over what is screen nearby, and the typical values where there is none. Light and
    /// haze change slowly from place to place.
    fn local(&self, purity: &Planes, excess: &Planes) -> Local {
        let mut weight = purity.clone();
        for (weight, excess) in weight.data_mut().iter_mut().zip(excess.data()) {
            let screen = *weight > 0.6 * self.purity && *excess > 0.4 * self.excess;
            *weight = if screen { 1.0 } else { 0.0 };
        }
        // So wide a blur needs no more than a quarter of the pixels.
        let size = purity.size();
        let quarter = Size::new(size.width.div_ceil(4), size.height.div_ceil(4));
        let wide = |map: &Planes| {
            let map = resize(map, quarter, Kernel::Triangle);
            blurred(&map, quarter.long() / 12)
        };
        let around = wide(&weight);
        let mean = |map: &Planes, typical: f32| {
            // A little of the typical value everywhere, which decides where nothing else does.
            const LITTLE: f32 = 0.02;
            let mut sum = map.clone();
            for (value, weight) in sum.data_mut().iter_mut().zip(weight.data()) {
                *value *= weight;
            }
            let mut sum = wide(&sum);
            for (sum, around) in sum.data_mut().iter_mut().zip(around.data()) {
                *sum = (*sum + LITTLE * typical) / (around + LITTLE);
            }
            resize(&sum, size, Kernel::Triangle)
        };
        Local {
            purity: mean(purity, self.purity),
            excess: mean(excess, self.excess),
        }
    }
}

/// Three box blurs of a radius in both directions, the border repeated: nearly a Gaussian.
fn blurred(planes: &Planes, radius: usize) -> Planes {
    let mut out = planes.clone();
    if radius == 0 {
        return out;
    }
    let (width, height) = (planes.width(), planes.height());
    let mut line = Vec::new();
    for _ in 0..3 {
        for y in 0..height {
            line.clear();
            line.extend_from_slice(out.row(0, y));
            box_line(&line, radius, |x, value| out.row_mut(0, y)[x] = value);
        }
        for x in 0..width {
            line.clear();
            line.extend((0..height).map(|y| out.row(0, y)[x]));
            box_line(&line, radius, |y, value| out.row_mut(0, y)[x] = value);
        }
    }
    out
}

/// The mean of `2 radius + 1` neighbours, the ends repeated.
fn box_line(line: &[f32], radius: usize, mut put: impl FnMut(usize, f32)) {
    let last = line.len() - 1;
    let reach = radius as isize;
    let at = |i: isize| f64::from(line[i.clamp(0, last as isize) as usize]);
    let mut sum: f64 = (-reach..=reach).map(at).sum();
    let count = (2 * radius + 1) as f64;
    for i in 0..line.len() {
        put(i, (sum / count) as f32);
        let i = i as isize;
        sum += at(i + reach + 1) - at(i - reach);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::colour::srgb::{Negative, row_to_linear};
    use super::*;

    /// A subject (a grey disc) before an unevenly lit screen.
    fn plate(size: Size, screen: Screen, markers: bool) -> Planes {
        let mut planes = Planes::new(size.width, size.height, 3);
        let (w, h) = (size.width as f32, size.height as f32);
        for y in 0..size.height {
            for x in 0..size.width {
                let (u, v) = (x as f32 / w, y as f32 / h);
                // From a quarter of the light to all of it.
                let light = 0.25 + 0.75 * u * (1.0 - 0.5 * v);
                let dx = (u - 0.5) * w / h;
                let dy = v - 0.5;
                let marker = markers && x % 60 < 3 && y % 60 < 3;
                let colour = if dx * dx + dy * dy < 0.06 {
                    [0.5, 0.4, 0.35]
                } else if marker {
                    [0.8, 0.8, 0.8]
                } else {
                    let mut c = [0.2 * light; 3];
                    c[screen.channel()] = 0.75 * light;
                    c
                };
                for (channel, value) in colour.into_iter().enumerate() {
                    planes.row_mut(channel, y)[x] = value;
                }
            }
        }
        planes
    }

    #[test]
    fn every_screen_is_found() {
        for size in [Size::new(320, 180), Size::new(1000, 500)] {
            for screen in Screen::ALL {
                let plate = plate(size, *screen, false);
                assert_eq!(detect(&plate, Light::Srgb, None).unwrap(), *screen);
                let mut linear = plate.clone();
                row_to_linear(linear.data_mut(), Negative::Clamp);
                assert_eq!(detect(&linear, Light::Linear, None).unwrap(), *screen);
            }
        }
    }

    #[test]
    fn a_jacket_before_a_green_screen_is_no_screen() {
        for screen in [Screen::Blue, Screen::Red] {
            for part in [0.0, 0.3, 0.5, 0.7] {
                let mut plate = Planes::new(200, 100, 3);
                for y in 0..100 {
                    for x in 0..200 {
                        let jacket = (x as f32) < 200.0 * part;
                        let channel = if jacket { screen.channel() } else { 1 };
                        plate.row_mut(channel, y)[x] = 0.6;
                    }
                }
                let found = detect(&plate, Light::Srgb, None).unwrap();
                assert_eq!(found, Screen::Green, "{screen:?} over {part} of the frame");
            }
        }
    }

    #[test]
    fn what_the_hint_covers_is_no_screen() {
        let mut plate = plate(Size::new(200, 100), Screen::Blue, false);
        let mut hint = Planes::new(200, 100, 1);
        // A large green thing that the hint calls subject.
        for y in 0..100 {
            for x in 0..150 {
                for (channel, value) in [0.1, 0.8, 0.1].into_iter().enumerate() {
                    plate.row_mut(channel, y)[x] = value;
                }
                hint.row_mut(0, y)[x] = 1.0;
            }
        }
        assert_eq!(detect(&plate, Light::Srgb, None).unwrap(), Screen::Green);
        assert_eq!(
            detect(&plate, Light::Srgb, Some(&hint)).unwrap(),
            Screen::Blue
        );
    }

    #[test]
    fn without_a_colour_the_answer_is_green() {
        let grey = Planes::new(20, 20, 3);
        assert_eq!(detect(&grey, Light::Linear, None).unwrap(), Screen::Green);
    }

    #[test]
    fn the_hint_is_inside_the_subject_under_uneven_light() {
        for screen in Screen::ALL {
            for markers in [false, true] {
                let size = Size::new(640, 360);
                let plate = plate(size, *screen, markers);
                let hint = hint_from_screen(&plate, Light::Srgb, *screen).unwrap();
                let (mut inside, mut subject, mut outside) = (0.0, 0.0, 0.0_f32);
                for y in 0..360 {
                    for x in 0..640 {
                        let value = hint.row(0, y)[x];
                        assert!((0.0..=1.0).contains(&value));
                        let dx = (x as f32 / 640.0 - 0.5) * 16.0 / 9.0;
                        let dy = y as f32 / 360.0 - 0.5;
                        if dx * dx + dy * dy < 0.06 {
                            subject += 1.0;
                            inside += value;
                        } else if dx * dx + dy * dy > 0.065 {
                            outside = outside.max(value);
                        }
                    }
                }
                assert!(inside > 0.7 * subject, "{screen:?}: {inside} of {subject}");
                assert!(inside < 0.98 * subject, "not eroded: {inside} of {subject}");
                assert!(outside < 0.05, "{screen:?} markers {markers}: {outside}");
            }
        }
    }

    #[test]
    fn odd_and_broken_plates_give_a_hint() {
        for (width, height) in [(1, 1), (7, 5), (31, 2001)] {
            let mut plate = Planes::new(width, height, 3);
            plate.data_mut()[0] = f32::NAN;
            if let Some(last) = plate.data_mut().last_mut() {
                *last = f32::INFINITY;
            }
            let hint = hint_from_screen(&plate, Light::Linear, Screen::Green).unwrap();
            assert_eq!(hint.size(), plate.size());
            assert!(hint.data().iter().all(|v| (0.0..=1.0).contains(v)));
            detect(&plate, Light::Linear, None).unwrap();
        }
    }
}
