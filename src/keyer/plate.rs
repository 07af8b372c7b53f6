//! From plate and hint to what the network reads.

use rayon::prelude::*;

use super::colour::Light;
use super::error::{Error, Result};
use super::geometry::Geometry;
use super::image::{Planes, Size};
use super::resample::{Kernel, Resampler, RowScratch, Source, TOGETHER};
use super::scratch::{Lease, Pool};
use super::settings::Screen;
use super::survey::{Target, sweep};

/// How a model wants its colours scaled: `(value - mean) / std`, on sRGB-encoded red, green, blue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Normalisation {
    /// Subtracted.
    pub mean: [f32; 3],
    /// Divided by.
    pub std: [f32; 3],
    /// Smallest and largest encoded value that the model was trained on; what lies beyond is shown
    /// to it as the nearest. A highlight of 30 then looks white, and not like nothing it ever saw.
    pub range: [f32; 2],
    /// Where the roll-off towards the end of the range begins; at the end itself there is none.
    pub shoulder: f32,
}

impl Normalisation {
    /// The statistics of ImageNet, with which CorridorKey and most encoders are trained.
    pub const IMAGENET: Self = Self {
        mean: [0.485, 0.456, 0.406],
        std: [0.229, 0.224, 0.225],
        range: Self::UNLIMITED,
        shoulder: f32::INFINITY,
    };

    /// No limit: the original's way.
    pub const UNLIMITED: [f32; 2] = [f32::NEG_INFINITY, f32::INFINITY];

    /// An encoded value as the model is shown it, before mean and deviation.
    ///
    /// Up to the shoulder it is unchanged. Above, the distance `d` from it becomes `r d / (r + d)`,
    /// `r` being the room up to the end of the range: slope one at the shoulder, so that nothing
    /// kinks, and the end only for an infinite light. Highlights stay in the order of their
    /// brightness and never leave what the model was trained on.
    #[inline(always)]
    pub fn shown(&self, value: f32) -> f32 {
        let [least, most] = self.range;
        let over = value - self.shoulder;
        let room = most - self.shoulder;
        // Computed for every value, so that the choice is a mask; where there is no shoulder the
        // quotient is not a number and never chosen.
        let rolled = self.shoulder + room * over / (room + over);
        let value = if over > 0.0 { rolled } else { value };
        value.max(least).min(most)
    }

    /// `Ok` when every result of a finite colour is finite.
    ///
    /// # Errors
    /// [`Error::Normalisation`] otherwise.
    pub fn check(&self) -> Result<()> {
        let usable_mean = |mean: &&f32| mean.abs() <= 1e6;
        let usable_std = |std: &&f32| std.abs() >= 1e-6 && std.is_finite();
        let wrong = self
            .mean
            .iter()
            .find(|mean| !usable_mean(mean))
            .or(self.std.iter().find(|std| !usable_std(std)));
        match wrong {
            None => Ok(()),
            Some(value) => Err(Error::Normalisation {
                value: value.to_string(),
            }),
        }
    }
}

/// The network's input: four planes (normalised red, green, blue, then the hint as it is), a
/// tensor `[1, 4, height, width]`, row 0 at the top.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkInput {
    /// Rows.
    pub height: usize,
    /// Values in a row.
    pub width: usize,
    /// The values: `4 * height * width`.
    pub data: Vec<f32>,
}

/// No sample is larger, whatever the plate holds: the largest finite half float.
const LARGEST: f32 = 65504.0;

/// A sample as it goes into the network: what is not finite reads as 0 (a hole in the plate is
/// black, not a hole in the tensor), and nothing exceeds a half float's range.
///
/// Both limits are computed whatever the sample is: the choice then is a mask and no branch.
#[inline(always)]
pub(super) fn finite(x: f32) -> f32 {
    let limited = if x < LARGEST { x } else { LARGEST };
    let limited = if limited > -LARGEST {
        limited
    } else {
        -LARGEST
    };
    if x.abs() <= f32::MAX { limited } else { 0.0 }
}

/// Makes the network's input.
///
/// `plate` has three planes in `light`, `hint` one in 0..1, both of `geometry.plate`. An sRGB
/// plate is resized as it is, in sRGB; a linear one is resized in linear light and encoded after,
/// limited below at 0 and not above. The hint is resized and nothing else. Samples that are not
/// finite read as 0, others are limited to ±65504. Then the channel of `exchange` changes places
/// with green (for models that know green screens only; [`Screen::Green`] leaves all as it is),
/// colours are normalised, and the last column and row are repeated up to the network's size.
///
/// The buffer comes from `pool`; who has done with it may give it back.
///
/// # Errors
/// When a picture is empty, has other planes than said or another size than the geometry's plate,
/// when the normalisation cannot be used, or when memory is short.
pub fn prepare(
    plate: &Planes,
    hint: &Planes,
    geometry: &Geometry,
    light: Light,
    exchange: Screen,
    normalisation: &Normalisation,
    pool: &Pool,
) -> Result<NetworkInput> {
    plate.check("plate", &[3], "3")?;
    plate.check_size("plate", geometry.plate)?;
    let (resampler, mut colours) = Colours::room(geometry, pool)?;
    let target = Target {
        resampler: &resampler,
        out: colours.planes(),
        stride: geometry.network.width,
    };
    sweep(plate, light.encoding(), geometry.plate, vec![target], None);
    let prepared = colours.with_hint(hint, exchange, normalisation)?;
    let Size { width, height } = prepared.size();
    let mut data = pool.take(prepared.size(), 4)?;
    prepared.write(&mut data);
    Ok(NetworkInput {
        height,
        width,
        data,
    })
}

/// A plate as the network sees it, before colours are exchanged and normalised, and without a hint.
#[derive(Debug)]
pub struct Colours<'p> {
    geometry: Geometry,
    /// Of the network's size: red, green and blue over the content, sRGB-encoded.
    planes: Lease<'p>,
}

impl<'p> Colours<'p> {
    /// Room for a plate's colours, and the way to them.
    pub(super) fn room(geometry: &Geometry, pool: &'p Pool) -> Result<(Resampler, Self)> {
        let Size { width, height } = geometry.network;
        let colours = Self {
            geometry: *geometry,
            planes: pool.planes(width, height, 3)?,
        };
        let resampler = Resampler::new(Kernel::Triangle, geometry.plate, geometry.content);
        Ok((resampler, colours))
    }

    /// The three planes, to write.
    pub(super) fn planes(&mut self) -> [&mut [f32]; 3] {
        self.planes.planes_mut()
    }

    /// The network's input but for its writing: exchanged, normalised, with the hint (one plane of
    /// the plate's size) and the borders, as [`prepare`] says.
    ///
    /// # Errors
    /// When the hint is not that, or the normalisation cannot be used.
    pub fn with_hint<'h>(
        self,
        hint: &'h Planes,
        exchange: Screen,
        normalisation: &Normalisation,
    ) -> Result<Prepared<'p, 'h>> {
        let geometry = self.geometry;
        hint.check("hint", &[1], "1")?;
        hint.check_size("hint", geometry.plate)?;
        normalisation.check()?;
        Ok(Prepared {
            colours: self,
            hint,
            resampler: Resampler::new(Kernel::Triangle, geometry.plate, geometry.content),
            exchange,
            normalisation: *normalisation,
        })
    }
}

/// The network's input, which is written into memory of whoever wants it.
#[derive(Debug)]
pub struct Prepared<'p, 'h> {
    colours: Colours<'p>,
    hint: &'h Planes,
    /// The hint's way to the network's picture.
    resampler: Resampler,
    exchange: Screen,
    normalisation: Normalisation,
}

impl Prepared<'_, '_> {
    /// The network's size.
    pub fn size(&self) -> Size {
        self.colours.geometry.network
    }

    /// Writes the values of a [`NetworkInput`], the same ones each time.
    ///
    /// # Panics
    /// When there is no room for exactly four planes of the network's size.
    pub fn write(&self, to: &mut [f32]) {
        let content = self.colours.geometry.content;
        let Size { width, height } = self.size();
        assert_eq!(to.len(), 4 * width * height, "four planes");
        let hint = Source::plane(self.hint, 0);
        let order = self.exchange.exchange();
        let mut planes = to.chunks_exact_mut(width * height);
        let [red, green, blue, alpha] = [(); 4].map(|()| planes.next().unwrap_or_default());
        let four = TOGETHER * width;
        red[..content.height * width]
            .par_chunks_mut(four)
            .zip(green.par_chunks_mut(four))
            .zip(blue.par_chunks_mut(four))
            .zip(alpha[..content.height * width].par_chunks_mut(four))
            .enumerate()
            .for_each_init(
                RowScratch::default,
                |scratch, (four, (((red, green), blue), alpha))| {
                    let first = TOGETHER * four;
                    let resampler = &self.resampler;
                    resampler.rows(hint, first, scratch, alpha, width, finite);
                    for (channel, rows) in [red, green, blue].into_iter().enumerate() {
                        for (y, row) in (first..content.height).zip(rows.chunks_exact_mut(width)) {
                            let colours = self.colours.planes.row(order[channel], y);
                            let (colours, shown) = (&colours[..content.width], &mut *row);
                            self.normalised(channel, colours, &mut shown[..content.width]);
                            row_repeated(row, content.width);
                        }
                    }
                    for row in alpha.chunks_exact_mut(width) {
                        row_repeated(row, content.width);
                    }
                },
            );
        let last = (content.height - 1) * width..content.height * width;
        for plane in [red, green, blue, alpha] {
            for y in content.height..height {
                plane.copy_within(last.clone(), y * width);
            }
        }
    }

    /// Values of a channel as the network is shown them.
    fn normalised(&self, channel: usize, values: &[f32], out: &mut [f32]) {
        let normalisation = &self.normalisation;
        let mean = normalisation.mean[channel];
        let inverse = 1.0 / normalisation.std[channel];
        for (out, value) in out.iter_mut().zip(values) {
            *out = (normalisation.shown(*value) - mean) * inverse;
        }
    }
}

/// Repeats the last value of a row's content up to the row's end.
fn row_repeated(row: &mut [f32], content: usize) {
    let last = row[content - 1];
    row[content..].fill(last);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::colour::srgb::linear_to_srgb;
    use super::super::geometry::{Fit, SizeRule};
    use super::super::image::Size;
    use super::super::settings::Resolution;
    use super::*;

    const RULE: SizeRule = SizeRule {
        fit: Fit::Aspect,
        multiple: 32,
        min: 32,
        max_long: 2048,
        auto_long: 2048,
    };
    const PLAIN: Normalisation = Normalisation {
        mean: [0.0; 3],
        std: [1.0; 3],
        range: Normalisation::UNLIMITED,
        shoulder: f32::INFINITY,
    };

    fn geometry(size: Size) -> Geometry {
        Geometry::new(size, size, &RULE, Resolution::Auto).unwrap()
    }

    fn plate(size: Size) -> (Planes, Planes) {
        let mut plate = Planes::new(size.width, size.height, 3);
        for (i, value) in plate.data_mut().iter_mut().enumerate() {
            *value = (i % 101) as f32 / 50.0 - 0.3;
        }
        let mut hint = Planes::new(size.width, size.height, 1);
        for (i, value) in hint.data_mut().iter_mut().enumerate() {
            *value = (i % 7) as f32 / 6.0;
        }
        (plate, hint)
    }

    fn run(plate: &Planes, hint: &Planes, light: Light, exchange: Screen) -> Planes {
        let geometry = geometry(plate.size());
        let pool = Pool::new(0);
        let input = prepare(plate, hint, &geometry, light, exchange, &PLAIN, &pool).unwrap();
        Planes::from_vec(input.width, input.height, 4, input.data).unwrap()
    }

    #[test]
    fn every_size_is_laid_in_and_repeated() {
        for (width, height) in [(1, 1), (7, 5), (31, 2001), (64, 32)] {
            let (plate, hint) = plate(Size::new(width, height));
            let input = run(&plate, &hint, Light::Srgb, Screen::Green);
            assert_eq!(input.width() % 32, 0);
            for y in 0..input.height() {
                for x in 0..input.width() {
                    let (px, py) = (x.min(width - 1), y.min(height - 1));
                    for c in 0..3 {
                        assert_eq!(input.row(c, y)[x], plate.row(c, py)[px]);
                    }
                    assert_eq!(input.row(3, y)[x], hint.row(0, py)[px]);
                }
            }
        }
    }

    #[test]
    fn exchange_swaps_the_screens_channel_with_green() {
        let (plate, hint) = plate(Size::new(40, 33));
        let straight = run(&plate, &hint, Light::Srgb, Screen::Green);
        let blue = run(&plate, &hint, Light::Srgb, Screen::Blue);
        let red = run(&plate, &hint, Light::Srgb, Screen::Red);
        assert_eq!(blue.plane(1), straight.plane(2));
        assert_eq!(blue.plane(2), straight.plane(1));
        assert_eq!(blue.plane(0), straight.plane(0));
        assert_eq!(red.plane(1), straight.plane(0));
        assert_eq!(red.plane(3), straight.plane(3));
    }

    #[test]
    fn linear_plates_are_encoded_and_limited_below_only() {
        let mut plate = Planes::new(4, 1, 3);
        plate.plane_mut(0).copy_from_slice(&[-0.5, 0.0, 1.0, 9.0]);
        let hint = Planes::new(4, 1, 1);
        let input = run(&plate, &hint, Light::Linear, Screen::Green);
        let row = &input.row(0, 0)[..4];
        assert_eq!(row[..2], [0.0, 0.0]);
        assert!((row[2] - 1.0).abs() < 1e-6);
        assert!((row[3] - linear_to_srgb(9.0)).abs() < 1e-5);
        let encoded = run(&plate, &hint, Light::Srgb, Screen::Green);
        assert_eq!(encoded.row(0, 0)[..4], [-0.5, 0.0, 1.0, 9.0]);
    }

    #[test]
    fn what_a_model_never_saw_is_shown_as_the_nearest_that_it_did() {
        let size = Size::new(32, 32);
        let mut plate = Planes::new(32, 32, 3);
        plate.row_mut(0, 0)[..4].copy_from_slice(&[-0.5, 0.25, 1.0, 30.0]);
        let limited = Normalisation {
            range: [0.0, 1.0],
            ..PLAIN
        };
        let geometry = Geometry::new(size, size, &RULE, Resolution::Auto).unwrap();
        let hint = Planes::new(32, 32, 1);
        let pool = Pool::new(0);
        let (light, screen) = (Light::Srgb, Screen::Green);
        let input = prepare(&plate, &hint, &geometry, light, screen, &limited, &pool).unwrap();
        assert_eq!(input.data[..4], [0.0, 0.25, 1.0, 1.0]);
    }

    #[test]
    fn highlights_roll_off_and_keep_their_order() {
        let rolling = Normalisation {
            range: [0.0, 1.25],
            shoulder: 1.0,
            ..PLAIN
        };
        for value in [0.0, 0.3, 0.999, 1.0] {
            assert_eq!(rolling.shown(value), value);
        }
        assert_eq!(rolling.shown(-3.0), 0.0);
        assert_eq!(rolling.shown(1.25), 1.125);
        assert_eq!(rolling.shown(1.75), 1.1875);
        let values = [1.0, 1.001, 1.3, 2.0, 4.3, 90.0, LARGEST];
        let shown = values.map(|value| rolling.shown(value));
        assert!(shown.is_sorted_by(|a, b| a < b), "{shown:?}");
        assert!(shown[6] <= 1.25);
        assert!((shown[1] - 1.001).abs() < 1e-5, "slope one at the shoulder");
        assert_eq!(PLAIN.shown(30.0), 30.0);
    }

    #[test]
    fn what_is_not_finite_reads_as_black_and_nothing_else_changes() {
        let size = Size::new(64, 48);
        let (mut dirty, mut hint) = plate(size);
        let mut clean = dirty.clone();
        let mut clean_hint = hint.clone();
        for (i, bad) in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY]
            .into_iter()
            .enumerate()
        {
            dirty.row_mut(i, 10 + i)[20] = bad;
            clean.row_mut(i, 10 + i)[20] = 0.0;
            hint.row_mut(0, 30)[i] = bad;
            clean_hint.row_mut(0, 30)[i] = 0.0;
        }
        dirty.row_mut(0, 0)[0] = f32::MAX;
        clean.row_mut(0, 0)[0] = LARGEST;
        for light in [Light::Srgb, Light::Linear] {
            for rule in [
                RULE,
                SizeRule {
                    max_long: 32,
                    auto_long: 32,
                    ..RULE
                },
            ] {
                let geometry = Geometry::new(size, size, &rule, Resolution::Auto).unwrap();
                let pool = Pool::new(1 << 20);
                let imagenet = Normalisation::IMAGENET;
                let make = |plate, hint| {
                    prepare(
                        plate,
                        hint,
                        &geometry,
                        light,
                        Screen::Green,
                        &imagenet,
                        &pool,
                    )
                    .unwrap()
                };
                let input = make(&dirty, &hint);
                assert!(input.data.iter().all(|v| v.is_finite()));
                assert_eq!(input, make(&clean, &clean_hint));
            }
        }
    }

    #[test]
    fn pictures_that_do_not_fit_are_refused() {
        let (plate, hint) = plate(Size::new(8, 8));
        let pool = Pool::new(0);
        let geometry = geometry(Size::new(8, 8));
        let run = |plate: &Planes, hint: &Planes, normalisation| {
            prepare(
                plate,
                hint,
                &geometry,
                Light::Srgb,
                Screen::Green,
                normalisation,
                &pool,
            )
            .unwrap_err()
            .code()
        };
        assert_eq!(run(&plate, &Planes::new(8, 9, 1), &PLAIN), "picture.size");
        assert_eq!(run(&plate, &plate, &PLAIN), "picture.channels");
        assert_eq!(run(&Planes::new(0, 8, 3), &hint, &PLAIN), "picture.empty");
        let broken = Normalisation {
            std: [1.0, 0.0, 1.0],
            ..PLAIN
        };
        assert_eq!(run(&plate, &hint, &broken), "model.normalisation");
    }
}
