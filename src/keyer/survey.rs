//! All that is wanted of every pixel of a plate before the network runs, in one pass over it.
//!
//! A plate is large, and lies in the host's memory in the host's way: reading it costs more than
//! what is done with it, decoding it may too, and planes of it would be the most that a frame
//! needs. So it is read once, row by row, and each row goes to everything that wants it: the small
//! copy in which the screen is looked for, the network's picture, and the samples of the screen's
//! light. Bands of rows are worked on in parallel. What the small copy's rows at a band's ends are
//! made of is read twice: eight rows of a UHD plate at each cut, since a sum that two bands each had a
//! part of would depend on where the cut is, in its last digits.

use std::ops::Range;

use rayon::prelude::*;

use super::backing::{SampleRows, Samples};
use super::colour::Encoding;
use super::error::Result;
use super::geometry::Geometry;
use super::image::{Planes, Size};
use super::plate::{Colours, finite};
use super::resample::{Flow, Resampler};
use super::scratch::Pool;
use super::screen::Overview;
use super::source::PlateRows;

/// What one pass over a plate has found.
#[derive(Debug)]
pub struct Survey<'p> {
    /// The small copy, where it was asked for.
    pub overview: Option<Overview>,
    /// The plate as the network sees it.
    pub colours: Colours<'p>,
    /// The samples of the screen's light.
    pub samples: Samples<'p>,
}

impl<'p> Survey<'p> {
    /// Looks at a plate of the geometry's size, encoded as `encoding` says; `overview` asks for the
    /// small copy.
    ///
    /// # Errors
    /// When memory is short.
    pub fn new(
        plate: &dyn PlateRows,
        encoding: Encoding,
        geometry: &Geometry,
        overview: bool,
        pool: &'p Pool,
    ) -> Result<Self> {
        let size = geometry.plate;
        let small = overview.then(|| Overview::resampler(size));
        let mut picture = small.as_ref().map(Overview::room);
        let (seen, mut colours) = Colours::room(geometry, pool)?;
        let mut samples = Samples::room(size, pool)?;
        let mut targets = vec![Target {
            resampler: &seen,
            out: colours.planes(),
            stride: geometry.network.width,
        }];
        if let (Some(resampler), Some(picture)) = (&small, &mut picture) {
            targets.push(Target::whole(resampler, picture));
        }
        let rows = samples.rows();
        let beyond = sweep(plate, encoding, size, targets, Some(rows));
        samples.set_beyond(beyond);
        Ok(Self {
            overview: picture.map(|picture| Overview::of(picture, size, encoding.light())),
            colours,
            samples,
        })
    }
}

/// A smaller (or larger) picture of the plate, sRGB-encoded.
pub(super) struct Target<'a> {
    pub(super) resampler: &'a Resampler,
    /// Where its rows go.
    pub(super) out: [&'a mut [f32]; 3],
    /// From a row's first value to the next row's.
    pub(super) stride: usize,
}

impl<'a> Target<'a> {
    /// All of a picture of three planes.
    pub(super) fn whole(resampler: &'a Resampler, picture: &'a mut Planes) -> Self {
        let stride = picture.width();
        Self {
            resampler,
            out: picture.planes_mut(),
            stride,
        }
    }
}

/// A part of the work: what is made of some of the plate's rows.
struct Band<'a> {
    parts: Vec<Part<'a>>,
    samples: Option<SampleRows<'a>>,
    /// The plate's rows that no other band samples.
    own: Range<usize>,
}

/// A band of a target.
struct Part<'a> {
    resampler: &'a Resampler,
    /// Rows of the result, and where they go.
    rows: Range<usize>,
    out: [&'a mut [f32]; 3],
    stride: usize,
    /// The plate's rows that they are made of.
    needed: Range<usize>,
}

/// Reads a plate once and makes the targets of it, and its samples. Says whether it has light
/// beyond 0..1.
pub(super) fn sweep(
    plate: &dyn PlateRows,
    encoding: Encoding,
    size: Size,
    targets: Vec<Target<'_>>,
    samples: Option<SampleRows<'_>>,
) -> bool {
    let bands = bands(size, targets, samples);
    bands
        .into_par_iter()
        .with_max_len(1)
        .map(|band| band.work(plate, encoding, size.width))
        .reduce(|| false, |a, b| a || b)
}

/// Rows of the plate that a band has at least, so that what is read twice stays a small part.
const LEAST: usize = 64;
/// Bands for each thread, at most: threads may be held up.
const EACH: usize = 4;

fn bands<'a>(
    size: Size,
    targets: Vec<Target<'a>>,
    samples: Option<SampleRows<'a>>,
) -> Vec<Band<'a>> {
    let threads = rayon::current_num_threads().max(1);
    let count = threads * (size.height / (LEAST * threads)).clamp(1, EACH);
    // Cut where the coarsest picture has whole rows: each of its rows is made of many of the plate's,
    // and a cut elsewhere would have both neighbours read most of them.
    let heights = targets.iter().map(|target| target.resampler.height());
    let coarsest = heights.min().unwrap_or(size.height).min(size.height);
    let count = count.min(coarsest);
    let cut = |rows: usize, band: usize| rows * (coarsest * band / count) / coarsest;
    let mut targets = targets;
    let mut samples = samples;
    (0..count)
        .map(|band| {
            let part = |rows: usize| cut(rows, band)..cut(rows, band + 1);
            let own = part(size.height);
            let parts = targets.iter_mut().map(|target| {
                let rows = part(target.resampler.height());
                let out = target.out.each_mut().map(|out| {
                    let (here, rest) = std::mem::take(out).split_at_mut(rows.len() * target.stride);
                    *out = rest;
                    here
                });
                Part {
                    resampler: target.resampler,
                    needed: target.resampler.source_rows(rows.clone()),
                    rows,
                    out,
                    stride: target.stride,
                }
            });
            Band {
                parts: parts.collect(),
                samples: samples.as_mut().map(|samples| samples.split_off(own.end)),
                own,
            }
        })
        .collect()
}

impl Band<'_> {
    fn work(mut self, plate: &dyn PlateRows, encoding: Encoding, width: usize) -> bool {
        let light = encoding.light();
        let held = light.encoding();
        let mut rgb = [0, 1, 2].map(|_| vec![0.0_f32; width]);
        let mut beyond = false;
        let wanted = |rows: &Range<usize>| (rows.start, rows.end);
        let needed = self.parts.iter().map(|part| &part.needed);
        let sampled = self.samples.as_ref().map(|_| &self.own);
        let (first, last) = needed
            .chain(sampled)
            .filter(|rows| !rows.is_empty())
            .map(wanted)
            .fold((usize::MAX, 0), |(first, last), (from, to)| {
                (first.min(from), last.max(to))
            });
        // Made here and not beside the bands: a thread's next band has the memory of its last, which
        // the system need not give anew.
        let parts = self.parts.into_iter();
        let mut flows: Vec<(Flow<'_, 3>, Range<usize>)> = parts
            .map(|part| {
                let flow = Flow::new(part.resampler, part.rows, part.out, part.stride);
                (flow, part.needed)
            })
            .collect();
        for y in first..last {
            plate.read(y, 0, rgb.each_mut().map(Vec::as_mut_slice));
            if encoding != held {
                encoding.rows_to_linear(rgb.each_mut().map(Vec::as_mut_slice));
            }
            let outside = rgb.each_mut().map(|row| settled(row)).contains(&true);
            let source = rgb.each_ref().map(Vec::as_slice);
            for (flow, rows) in &mut flows {
                if rows.contains(&y) {
                    flow.take(y, source, |row| light.row_to_srgb(row));
                }
            }
            if let Some(samples) = &mut self.samples
                && self.own.contains(&y)
            {
                beyond |= outside;
                samples.take(y, source, held);
            }
        }
        beyond
    }
}

/// Makes the values of a row [`finite`] and says whether there is light below 0 or above 1 among
/// them. In sRGB these are what they are in linear light. Most of most plates lies within, where
/// nothing is to be done: that is seen at once.
fn settled(row: &mut [f32]) -> bool {
    let within = |values: &[f32]| {
        let inside = |all, value: &f32| all & (*value >= 0.0) & (*value <= 1.0);
        values.iter().fold(true, inside)
    };
    let mut beyond = false;
    for values in row.chunks_mut(64) {
        if within(values) {
            continue;
        }
        values.iter_mut().for_each(|value| *value = finite(*value));
        // Not all that was outside is beyond: what is no number is 0 now.
        beyond |= !within(values);
    }
    beyond
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::backing::Backing;
    use super::super::geometry::{Fit, SizeRule};
    use super::super::plate::{Normalisation, prepare};
    use super::super::resample::Kernel;
    use super::super::settings::{Resolution, Screen};
    use super::*;

    static POOL: Pool = Pool::new(1 << 24);

    /// A picture without a pattern, now and then beyond 0..1 and broken.
    fn plate(size: Size) -> Planes {
        let mut planes = Planes::new(size.width, size.height, 3);
        for (i, value) in planes.data_mut().iter_mut().enumerate() {
            *value = match i % 9973 {
                17 => f32::NAN,
                18 => f32::INFINITY,
                19 => 1e9,
                rest => ((rest * 7919) % 1013) as f32 / 950.0 - 0.02,
            };
        }
        planes
    }

    fn geometry(size: Size, resolution: Resolution) -> Geometry {
        let rule = SizeRule {
            fit: Fit::Aspect,
            multiple: 32,
            min: 32,
            max_long: 2048,
            auto_long: 2048,
        };
        Geometry::new(size, size, &rule, resolution).unwrap()
    }

    #[test]
    fn every_value_is_finite_then_and_light_beyond_is_seen_wherever_it_is() {
        for (value, beyond) in [
            (f32::NAN, false),
            (f32::INFINITY, false),
            (f32::NEG_INFINITY, false),
            (0.0, false),
            (-0.0, false),
            (1.0, false),
            (1.0 + f32::EPSILON, true),
            (-f32::MIN_POSITIVE, true),
            (1e9, true),
        ] {
            for place in [0, 63, 64, 99] {
                let mut row: Vec<f32> = (0..100).map(|i| i as f32 / 99.0).collect();
                row[place] = value;
                let wanted: Vec<u32> = row.iter().map(|v| finite(*v).to_bits()).collect();
                assert_eq!(settled(&mut row), beyond, "{value} at {place}");
                assert_eq!(row.iter().map(|v| v.to_bits()).collect::<Vec<_>>(), wanted);
            }
        }
    }

    #[test]
    fn bands_share_out_all_rows_and_read_few_of_them_twice() {
        let size = Size::new(8, 2160);
        let (seen, small) = (
            Size::new(8, 2048),
            Overview::resampler(Size::new(3840, 2160)),
        );
        let seen = Resampler::new(Kernel::Triangle, size, seen);
        for threads in [1, 2, 16, 64] {
            let threads = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            let mut pictures = [&seen, &small]
                .map(|resampler| Planes::new(resampler.width(), resampler.height(), 3));
            let targets = pictures.iter_mut().zip([&seen, &small]);
            let targets = targets.map(|(picture, resampler)| Target::whole(resampler, picture));
            let bands = threads.install(|| bands(size, targets.collect(), None));
            let (mut own, mut rows, mut read) = (0, [0; 2], 0);
            for band in &bands {
                assert_eq!(band.own.start, own);
                own = band.own.end;
                for (part, rows) in band.parts.iter().zip(&mut rows) {
                    assert_eq!(part.rows.start, *rows);
                    *rows = part.rows.end;
                }
                let needed = || band.parts.iter().map(|part| &part.needed);
                let first = needed().map(|rows| rows.start).min().unwrap();
                read += needed().map(|rows| rows.end).max().unwrap() - first;
            }
            assert_eq!((own, rows), (2160, [2048, 270]));
            assert!(
                read <= 2160 + 9 * (bands.len() - 1),
                "{read} in {}",
                bands.len()
            );
        }
    }

    #[test]
    fn one_pass_gives_what_several_give_on_any_number_of_threads() {
        let cases = [
            (Size::new(1100, 260), Resolution::Long512),
            (Size::new(90, 700), Resolution::Auto),
            (Size::new(5, 3), Resolution::Auto),
        ];
        for (size, resolution) in cases {
            let geometry = geometry(size, resolution);
            let plate = plate(size);
            let mut hint = Planes::new(size.width, size.height, 1);
            let ramp = hint.data_mut().iter_mut().enumerate();
            ramp.for_each(|(i, value)| *value = (i % 89) as f32 / 88.0);
            let mut alpha = Planes::new(geometry.network.width, geometry.network.height, 1);
            let ramp = alpha.data_mut().iter_mut().enumerate();
            ramp.for_each(|(i, value)| *value = (i % 3) as f32 / 2.0);
            for encoding in [Encoding::Srgb, Encoding::Linear, Encoding::LogC3] {
                let (light, normalisation) = (encoding.light(), Normalisation::IMAGENET);
                let held = encoding.plate(plate.clone());
                let overview = Overview::new(&held, light).unwrap();
                let screen = Screen::Blue;
                let input = prepare(
                    &held,
                    &hint,
                    &geometry,
                    light,
                    screen,
                    &normalisation,
                    &POOL,
                )
                .unwrap();
                let backing = Backing::new(&held, light.encoding(), &alpha, &geometry).unwrap();
                assert!(input.data.iter().all(|value| value.is_finite()));
                for threads in [1, 2, 7] {
                    let threads = rayon::ThreadPoolBuilder::new()
                        .num_threads(threads)
                        .build()
                        .unwrap();
                    threads.install(|| {
                        let survey = Survey::new(&plate, encoding, &geometry, true, &POOL).unwrap();
                        assert!(survey.overview.as_ref() == Some(&overview));
                        let seen = Backing::of(&survey.samples, &alpha, &geometry).unwrap();
                        assert!(seen == backing, "{size} {encoding:?}");
                        let colours = survey.colours;
                        let made = colours.with_hint(&hint, screen, &normalisation).unwrap();
                        // Whatever was there before, and as often as it is asked for.
                        let mut written = vec![f32::NAN; input.data.len()];
                        for _ in 0..2 {
                            made.write(&mut written);
                            assert!(written == input.data, "{size} {encoding:?}");
                        }
                    });
                }
            }
        }
    }
}
