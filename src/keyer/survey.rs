//! All that is wanted of every pixel of a plate before the network runs, in one pass over it.
//!
//! A plate is large, and lies in the host's memory in the host's way: reading it costs more than
//! what is done with it, decoding it may too, and planes of it would be the most that a frame
//! needs. So it is read once, row by row, and each row goes to everything that wants it: the small
//! copy in which the screen is looked for, the network's picture, and the samples of the screen's
//! light. Bands of rows are worked on in parallel; at a band's ends some rows are read twice.

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
    flows: Vec<(Flow<'a, 3>, Range<usize>)>,
    samples: Option<SampleRows<'a>>,
    /// The plate's rows that no other band samples.
    own: Range<usize>,
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
    let count = count.min(size.height);
    let cut = |rows: usize, band: usize| rows * band / count;
    let mut targets = targets;
    let mut samples = samples;
    (0..count)
        .map(|band| {
            let part = |rows: usize| cut(rows, band)..cut(rows, band + 1);
            let own = part(size.height);
            let flows = targets.iter_mut().map(|target| {
                let rows = part(target.resampler.height());
                let out = target.out.each_mut().map(|out| {
                    let (here, rest) = std::mem::take(out).split_at_mut(rows.len() * target.stride);
                    *out = rest;
                    here
                });
                let needed = target.resampler.source_rows(rows.clone());
                (
                    Flow::new(target.resampler, rows, out, target.stride),
                    needed,
                )
            });
            Band {
                flows: flows.collect(),
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
        let needed = self.flows.iter().map(|(_, rows)| rows);
        let sampled = self.samples.as_ref().map(|_| &self.own);
        let (first, last) = needed
            .chain(sampled)
            .filter(|rows| !rows.is_empty())
            .map(wanted)
            .fold((usize::MAX, 0), |(first, last), (from, to)| {
                (first.min(from), last.max(to))
            });
        for y in first..last {
            plate.read(y, 0, rgb.each_mut().map(Vec::as_mut_slice));
            if encoding != held {
                encoding.rows_to_linear(rgb.each_mut().map(Vec::as_mut_slice));
            }
            for row in &mut rgb {
                row.iter_mut().for_each(|value| *value = finite(*value));
            }
            let source = rgb.each_ref().map(Vec::as_slice);
            for (flow, rows) in &mut self.flows {
                if rows.contains(&y) {
                    flow.take(y, source, |row| light.row_to_srgb(row));
                }
            }
            if let Some(samples) = &mut self.samples
                && self.own.contains(&y)
            {
                beyond |= source.iter().any(|row| is_beyond(row));
                samples.take(y, source, held);
            }
        }
        beyond
    }
}

/// Whether there is light below 0 or above 1. In sRGB these are what they are in linear light.
fn is_beyond(row: &[f32]) -> bool {
    row.chunks(64).any(|values| {
        let outside = |any, value: &f32| any | (*value < 0.0) | (*value > 1.0);
        values.iter().fold(false, outside)
    })
}
