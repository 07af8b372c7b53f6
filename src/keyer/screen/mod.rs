//! The screen behind the subject: which colour it has, how that colour changes over the picture,
//! and a hint keyed from it.
//!
//! All of it works on a small sRGB copy of the plate and on two numbers per pixel: the *excess*,
//! how far the screen's channel stands above the other two, and the *purity*, the excess as a part
//! of the channel itself. Uneven light scales all channels of a screen alike: its excess changes
//! and its purity stays. Spill on dark cloth or fur is as pure as the screen and has little excess.
//! So a pixel is screen when it has most of both of what the screen *around it* has.
//!
//! | step | module |
//! |---|---|
//! | which colour | here: [`detect`], [`typical`] |
//! | the colour as a smooth function of position | [`plate`] |
//! | what is neither screen nor subject | `garbage` |
//! | the hint | `key` |

mod garbage;
mod key;
pub mod plate;

use rayon::prelude::*;

use super::colour::srgb::{self, Negative};
use super::colour::{Encoding, Light};
use super::error::{Error, Result};
use super::image::{Planes, Size};
use super::resample::{Kernel, Resampler, resize};
use super::settings::Screen;
use super::shape::transpose;
use super::source::PlateRows;
use super::survey::{Target, sweep};

pub use key::hint_from_screen;
pub use plate::{ScreenPlate, screen_plate};

/// Long side of the copy that is looked at.
const LONG: usize = 480;
/// Channels darker than this are noise: purity is measured against at least so much.
const DARK: f32 = 0.08;
/// Values that one task works on.
const CHUNK: usize = 1 << 13;
/// From this purity on a pixel may be screen.
const PURE: f32 = 0.10;

/// A screen other than green shows this many times as much of its colour as there is green.
const MARGIN: f64 = 3.0;

/// A small sRGB copy of a plate, limited to 0..1, in which the screen is looked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Overview {
    picture: Planes,
    size: Size,
    light: Light,
}

impl Overview {
    /// Makes the copy of a plate of three planes; `light` is how its values stand for light.
    ///
    /// # Errors
    /// When the plate is empty or has other planes than three.
    pub fn new(plate: &Planes, light: Light) -> Result<Self> {
        plate.check("plate", &[3], "3")?;
        Self::of_rows(plate, light.encoding(), plate.size())
    }

    /// The same of a plate of some size that is read row by row; `encoding` is how its rows are
    /// encoded. The keyer holds it as [`Encoding::light`] says.
    ///
    /// # Errors
    /// When the plate is empty.
    pub fn of_rows(plate: &dyn PlateRows, encoding: Encoding, size: Size) -> Result<Self> {
        if size.is_empty() {
            return Err(Error::Empty {
                what: "plate",
                size,
            });
        }
        let resampler = Self::resampler(size);
        let mut picture = Self::room(&resampler);
        let target = Target::whole(&resampler, &mut picture);
        sweep(plate, encoding, size, vec![target], None);
        Ok(Self::of(picture, size, encoding.light()))
    }

    /// The way from a plate that has pixels to its copy.
    pub(super) fn resampler(plate: Size) -> Resampler {
        let factor = plate.long().div_ceil(LONG).max(1);
        let to = Size::new(plate.width.div_ceil(factor), plate.height.div_ceil(factor));
        Resampler::new(Kernel::Triangle, plate, to)
    }

    /// Room for the copy.
    pub(super) fn room(resampler: &Resampler) -> Planes {
        Planes::new(resampler.width(), resampler.height(), 3)
    }

    /// The copy of a plate of some size, sRGB-encoded and not limited yet.
    pub(super) fn of(picture: Planes, size: Size, light: Light) -> Self {
        let mut picture = picture;
        picture
            .data_mut()
            .par_chunks_mut(CHUNK)
            .for_each(|values| values.iter_mut().for_each(|value| *value = unit(*value)));
        Self {
            picture,
            size,
            light,
        }
    }
}

/// What to look for in a plate.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// The plate.
    pub plate: &'a Overview,
    /// The colour that the user picked from the screen, which then is not measured; it stands for
    /// light as the plate's values do.
    pub picked: Option<[f32; 3]>,
    /// What surely is no screen, 0..1: a plane of the plate's size.
    pub taken: Option<&'a Planes>,
}

impl Look<'_> {
    fn check(&self) -> Result<()> {
        let Some(taken) = self.taken else {
            return Ok(());
        };
        taken.check("hint", &[1], "1")?;
        taken.check_size("hint", self.plate.size)
    }

    /// The picked colour, sRGB-encoded and limited to 0..1.
    fn picked(&self) -> Option<[f32; 3]> {
        self.picked.map(|mut colour| {
            self.plate.light.row_to_srgb(&mut colour);
            colour.map(unit)
        })
    }

    /// What is taken, at the size of the small copy.
    fn small_taken(&self) -> Option<Planes> {
        let size = self.plate.picture.size();
        self.taken
            .map(|taken| resize(taken, size, Kernel::Triangle))
    }
}

/// The small copy, and what it says.
struct Small<'a> {
    /// sRGB-encoded, 0..1.
    picture: &'a Planes,
    /// What surely is no screen.
    taken: Option<Planes>,
    purity: Planes,
    excess: Planes,
}

impl<'a> Small<'a> {
    fn new(look: &Look<'a>, screen: Screen) -> Self {
        let picture = &look.plate.picture;
        let Size { width, height } = picture.size();
        let mut purities = Planes::new(width, height, 1);
        let mut excesses = Planes::new(width, height, 1);
        purities
            .data_mut()
            .par_chunks_exact_mut(width)
            .zip(excesses.data_mut().par_chunks_exact_mut(width))
            .enumerate()
            .for_each(|(y, (purities, excesses))| {
                let [red, green, blue] = [0, 1, 2].map(|channel| picture.row(channel, y));
                let colours = red.iter().zip(green).zip(blue);
                for ((purity_of, excess_of), ((red, green), blue)) in
                    purities.iter_mut().zip(excesses).zip(colours)
                {
                    let colour = [*red, *green, *blue];
                    *purity_of = purity(colour, screen);
                    *excess_of = excess(colour, screen);
                }
            });
        Self {
            picture,
            taken: look.small_taken(),
            purity: purities,
            excess: excesses,
        }
    }

    fn free(&self, index: usize) -> bool {
        self.taken
            .as_ref()
            .is_none_or(|taken| taken.data()[index] < 0.5)
    }

    /// Whether a pixel is screen for certain, held against what most of the screen has.
    fn is_certain(&self, typical: &Typical, index: usize) -> bool {
        let (purity, excess) = (self.purity.data()[index], self.excess.data()[index]);
        purity > 0.6 * typical.purity && excess > 0.4 * typical.excess && self.free(index)
    }
}

/// Finds the colour of the screen: that of the picked colour where there is one, else the one that
/// covers most of the plate outside of what is taken.
///
/// Green is the answer unless another colour is far ahead of it: each frame is looked at alone, and
/// a blue jacket in a close-up must not make a blue stage of a green one for some frames of a shot.
/// Red must be purer than the others to count, since skin, wood and tungsten light are reddish.
///
/// # Errors
/// When a picture is empty or not of the planes and size said.
pub fn detect(look: &Look<'_>) -> Result<Screen> {
    look.check()?;
    if let Some(picked) = look.picked() {
        let strongest =
            |a: &&Screen, b: &&Screen| picked[a.channel()].total_cmp(&picked[b.channel()]);
        // Of equal ones green: `max_by` takes the last.
        let found = Screen::ALL.iter().rev().max_by(strongest);
        return Ok(found.copied().unwrap_or(Screen::Green));
    }
    let found = scores(&look.plate.picture, look.small_taken().as_ref());
    let score = |screen: Screen| found[screen.channel()];
    let mut best = (Screen::Green, MARGIN * score(Screen::Green));
    for screen in [Screen::Blue, Screen::Red] {
        let score = score(screen);
        if score > best.1 {
            best = (screen, score);
        }
    }
    Ok(best.0)
}

/// How much there is of a screen of each channel's colour outside of what is taken.
fn scores(picture: &Planes, taken: Option<&Planes>) -> [f64; 3] {
    let score = |y: usize| {
        let [red, green, blue] = [0, 1, 2].map(|channel| picture.row(channel, y));
        let mut sums = [0.0; 3];
        for (x, ((red, green), blue)) in red.iter().zip(green).zip(blue).enumerate() {
            let outside = 1.0 - taken.map_or(0.0, |taken| taken.row(0, y)[x].clamp(0.0, 1.0));
            for screen in Screen::ALL {
                let least = match screen {
                    Screen::Red => 0.5,
                    Screen::Green | Screen::Blue => 0.2,
                };
                let purity = purity([*red, *green, *blue], *screen);
                if purity > least {
                    sums[screen.channel()] += f64::from(purity * outside);
                }
            }
        }
        sums
    };
    let rows: Vec<[f64; 3]> = (0..picture.height()).into_par_iter().map(score).collect();
    // One after the other, so that the sums do not depend on the number of threads.
    rows.iter().fold([0.0; 3], |total, row| {
        [0, 1, 2].map(|channel| total[channel] + row[channel])
    })
}

/// The colour that most of the screen has, as the plate's values are, to be stored and given as
/// `picked` of a [`Look`] for the other frames of a shot; `None` where there is no screen to speak of.
///
/// # Errors
/// As [`detect`].
pub fn typical(look: &Look<'_>, screen: Screen) -> Result<Option<[f32; 3]>> {
    look.check()?;
    let small = Small::new(look, screen);
    let Some(typical) = Typical::of(&small, look.picked(), screen)? else {
        return Ok(None);
    };
    let mut colour = typical.colour;
    if look.plate.light == Light::Linear {
        srgb::row_to_linear(&mut colour, Negative::Clamp);
    }
    Ok(Some(colour))
}

/// How far the screen's channel stands above the others.
#[inline(always)]
fn excess(colour: [f32; 3], screen: Screen) -> f32 {
    let [one, other] = match screen {
        Screen::Red => [1, 2],
        Screen::Green => [0, 2],
        Screen::Blue => [0, 1],
    };
    colour[screen.channel()] - colour[one].max(colour[other]).max(0.0)
}

/// The excess as a part of the channel itself, -1..1, 0 for grey.
#[inline(always)]
fn purity(colour: [f32; 3], screen: Screen) -> f32 {
    (excess(colour, screen) / colour[screen.channel()].max(DARK)).max(-1.0)
}

fn pixel(picture: &Planes, index: usize) -> [f32; 3] {
    [0, 1, 2].map(|channel| picture.plane(channel)[index])
}

/// Limited to 0..1; 0 for what is no number.
fn unit(value: f32) -> f32 {
    if value.is_nan() {
        0.0
    } else {
        value.clamp(0.0, 1.0)
    }
}

/// What most of the screen has.
struct Typical {
    /// sRGB-encoded.
    colour: [f32; 3],
    purity: f32,
    excess: f32,
}

impl Typical {
    /// What was picked, or the medians over the purest part of the picture; `None` when there is
    /// hardly any.
    fn of(small: &Small<'_>, picked: Option<[f32; 3]>, screen: Screen) -> Result<Option<Self>> {
        if let Some(colour) = picked {
            let (purity, excess) = (purity(colour, screen), excess(colour, screen));
            if purity <= PURE || excess <= 0.0 {
                return Err(Error::ScreenPick {
                    screen: screen.id(),
                });
            }
            return Ok(Some(Self {
                colour,
                purity,
                excess,
            }));
        }
        let (purity, excess) = (small.purity.data(), small.excess.data());
        let mut pure: Vec<usize> = (0..purity.len())
            .into_par_iter()
            .with_min_len(CHUNK)
            .filter(|index| purity[*index] > PURE && small.free(*index))
            .collect();
        if pure.is_empty() || pure.len() * 500 < purity.len() {
            return Ok(None);
        }
        // By excess first: of what is pure, most dark things are spill and no screen.
        let top = ranked(excess, &pure, 95);
        pure.retain(|index| excess[*index] >= 0.4 * top);
        let [red, green, blue] = [0, 1, 2].map(|channel| small.picture.plane(channel));
        let mut medians = [0.0; 5];
        medians
            .par_iter_mut()
            .zip([red, green, blue, purity, excess])
            .for_each(|(median, values)| *median = ranked(values, &pure, 50));
        let [red, green, blue, purity, excess] = medians;
        Ok(Some(Self {
            colour: [red, green, blue],
            purity,
            excess,
        }))
    }
}

/// The value that `part` of a hundred of those at some places do not exceed. There is at least one.
///
/// All are counted in parallel, by what they are about, and only those that are about the one
/// wanted are put in order.
fn ranked(values: &[f32], places: &[usize], part: usize) -> f32 {
    const STEPS: usize = 1024;
    // Never falls as the value rises. None of them is no number.
    let step = |place: &usize| ((values[*place] * STEPS as f32) as usize).min(STEPS - 1);
    let counts = places
        .par_chunks(CHUNK)
        .map(|places| {
            let mut counts = vec![0_usize; STEPS];
            places.iter().for_each(|place| counts[step(place)] += 1);
            counts
        })
        .reduce(
            || vec![0; STEPS],
            |mut counts, more| {
                counts.iter_mut().zip(more).for_each(|(sum, n)| *sum += n);
                counts
            },
        );
    let mut rank = (places.len() - 1) * part / 100;
    let mut wanted = 0;
    while rank >= counts[wanted] {
        rank -= counts[wanted];
        wanted += 1;
    }
    let mut near: Vec<f32> = places
        .par_iter()
        .with_min_len(CHUNK)
        .filter(|place| step(place) == wanted)
        .map(|place| values[*place])
        .collect();
    *near.select_nth_unstable_by(rank, f32::total_cmp).1
}

/// Three box blurs of a radius in both directions, the border repeated: nearly a Gaussian. One
/// plane.
fn blurred(planes: &Planes, radius: usize) -> Planes {
    let mut out = planes.clone();
    if radius == 0 {
        return out;
    }
    let (width, height) = (planes.width(), planes.height());
    let mut turned = Planes::new(height, width, 1);
    let along = |planes: &mut Planes, length: usize| {
        let rows = planes.data_mut().par_chunks_exact_mut(length);
        // Of a small map a row is less work than handing it over.
        let rows = rows.with_min_len((CHUNK / length).max(1));
        rows.for_each_init(Vec::new, |line, row| {
            for _ in 0..3 {
                line.clear();
                line.extend_from_slice(row);
                box_line(line, radius, row);
            }
        });
    };
    along(&mut out, width);
    transpose(&out, &mut turned);
    along(&mut turned, height);
    transpose(&turned, &mut out);
    out
}

/// The mean of `2 radius + 1` neighbours, the ends repeated.
fn box_line(line: &[f32], radius: usize, out: &mut [f32]) {
    let last = line.len() - 1;
    let reach = radius as isize;
    let at = |i: isize| f64::from(line[i.clamp(0, last as isize) as usize]);
    let mut sum: f64 = (-reach..=reach).map(at).sum();
    let count = (2 * radius + 1) as f64;
    for (i, out) in out.iter_mut().enumerate() {
        *out = (sum / count) as f32;
        let i = i as isize;
        sum += at(i + reach + 1) - at(i - reach);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::scratch::Pool;
    use super::*;

    static POOL: Pool = Pool::new(1 << 24);

    #[test]
    fn a_rank_is_that_of_all_in_order() {
        let value = |i: usize| ((i * 7919) % 10_007) as f32 / 9000.0 - 0.05;
        let values: Vec<f32> = (0..40_000).map(value).collect();
        for step in [1, 3, 39_999] {
            let places: Vec<usize> = (0..values.len()).step_by(step).collect();
            let mut sorted: Vec<f32> = places.iter().map(|place| values[*place]).collect();
            sorted.sort_by(f32::total_cmp);
            for part in [0, 3, 50, 95, 100] {
                let wanted = sorted[(sorted.len() - 1) * part / 100];
                assert_eq!(ranked(&values, &places, part), wanted, "{step} {part}");
            }
        }
    }

    fn seen(plate: &Planes, light: Light) -> Overview {
        Overview::new(plate, light).unwrap()
    }

    fn look(plate: &Overview) -> Look<'_> {
        Look {
            plate,
            picked: None,
            taken: None,
        }
    }

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
                assert_eq!(detect(&look(&seen(&plate, Light::Srgb))).unwrap(), *screen);
                let mut linear = plate.clone();
                srgb::row_to_linear(linear.data_mut(), Negative::Clamp);
                assert_eq!(
                    detect(&look(&seen(&linear, Light::Linear))).unwrap(),
                    *screen
                );
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
                let found = detect(&look(&seen(&plate, Light::Srgb))).unwrap();
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
        assert_eq!(
            detect(&look(&seen(&plate, Light::Srgb))).unwrap(),
            Screen::Green
        );
        assert_eq!(
            detect(&Look {
                taken: Some(&hint),
                ..look(&seen(&plate, Light::Srgb))
            })
            .unwrap(),
            Screen::Blue
        );
    }

    #[test]
    fn without_a_colour_the_answer_is_green() {
        let grey = Planes::new(20, 20, 3);
        assert_eq!(
            detect(&look(&seen(&grey, Light::Linear))).unwrap(),
            Screen::Green
        );
    }

    #[test]
    fn the_hint_is_inside_the_subject_under_uneven_light() {
        for screen in Screen::ALL {
            for markers in [false, true] {
                let size = Size::new(640, 360);
                let plate = plate(size, *screen, markers);
                let hint =
                    hint_from_screen(&look(&seen(&plate, Light::Srgb)), *screen, &POOL).unwrap();
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
                assert!(outside < 0.08, "{screen:?} markers {markers}: {outside}");
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
            let hint = hint_from_screen(&look(&seen(&plate, Light::Linear)), Screen::Green, &POOL)
                .unwrap();
            assert_eq!(hint.size(), plate.size());
            assert!(hint.data().iter().all(|v| (0.0..=1.0).contains(v)));
            detect(&look(&seen(&plate, Light::Linear))).unwrap();
        }
    }

    #[test]
    fn a_picked_colour_decides_and_is_in_the_plates_own_encoding() {
        let plate = plate(Size::new(640, 360), Screen::Green, false);
        let mut linear = plate.clone();
        srgb::row_to_linear(linear.data_mut(), Negative::Clamp);
        let measured = typical(&look(&seen(&plate, Light::Srgb)), Screen::Green).unwrap();
        let stored = typical(&look(&seen(&linear, Light::Linear)), Screen::Green).unwrap();
        let (measured, stored) = (measured.unwrap(), stored.unwrap());
        for (srgb, linear) in measured.into_iter().zip(stored) {
            assert!((srgb::linear_to_srgb(linear) - srgb).abs() < 2e-3);
        }
        let hint = |plate, light, picked| {
            let seen = seen(plate, light);
            let look = Look {
                picked: Some(picked),
                ..look(&seen)
            };
            assert_eq!(detect(&look).unwrap(), Screen::Green);
            hint_from_screen(&look, Screen::Green, &POOL).unwrap()
        };
        let a = hint(&plate, Light::Srgb, measured);
        let b = hint(&linear, Light::Linear, stored);
        let off = |(a, b): (&f32, &f32)| f64::from((a - b).abs());
        let off: f64 = a.data().iter().zip(b.data()).map(off).sum();
        assert!(off < 0.002 * (640.0 * 360.0), "{off}");
        assert_eq!(a.row(0, 180)[320], 1.0);
        assert_eq!(a.row(0, 20)[600], 0.0);
        // Read in the wrong encoding it would be another colour.
        let seen = seen(&plate, Light::Srgb);
        let blue = Look {
            picked: Some([0.1, 0.2, 0.9]),
            ..look(&seen)
        };
        assert_eq!(detect(&blue).unwrap(), Screen::Blue);
        for (picked, screen) in [
            ([0.5; 3], Screen::Green),
            ([0.0; 3], Screen::Green),
            ([0.1, 0.2, 0.9], Screen::Green),
            ([f32::NAN; 3], Screen::Blue),
        ] {
            let look = Look {
                picked: Some(picked),
                ..look(&seen)
            };
            let error = hint_from_screen(&look, screen, &POOL).unwrap_err();
            assert_eq!(error.code(), "setting.screen-pick");
        }
    }

    #[test]
    fn plates_without_a_screen_or_without_a_subject() {
        let flat = |colour: [f32; 3]| {
            let mut planes = Planes::new(200, 100, 3);
            for (channel, value) in colour.into_iter().enumerate() {
                planes.plane_mut(channel).fill(value);
            }
            planes
        };
        for (colour, wanted) in [
            ([0.1, 0.7, 0.2], 0.0),
            ([0.0, 0.0, 0.0], 1.0),
            ([0.5, 0.5, 0.5], 1.0),
        ] {
            let plate = flat(colour);
            let seen = seen(&plate, Light::Srgb);
            let look = look(&seen);
            let hint = hint_from_screen(&look, Screen::Green, &POOL).unwrap();
            assert!(hint.data().iter().all(|v| *v == wanted), "{colour:?}");
            assert_eq!(
                screen_plate(&look, Screen::Green).unwrap().is_some(),
                wanted == 0.0
            );
        }
    }
}
