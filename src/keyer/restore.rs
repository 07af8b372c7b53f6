//! From the network's picture back to the plate's.
//!
//! What was done on the way in is undone in reverse: the repeated columns and rows are left out,
//! red, green and blue go back to their places, and the content comes back to the plate's size by
//! Lanczos, as the original does. Lanczos overshoots beside edges; neither alpha nor foreground is
//! limited here, because the original limits neither. A prediction that has the plate's own size
//! is not copied at all: rows are read where they lie. One that was enlarged may be kept
//! ([`Enlarged`](super::key::Enlarged)), so that a slider's next frame need not enlarge it again.

use std::ops::Range;

use rayon::prelude::*;

use super::despeckle::Specks;
use super::error::Result;
use super::geometry::Geometry;
use super::image::{Planes, Size, Window};
use super::resample::{Kernel, Resampler, RowScratch, Source};
use super::scratch::{Lease, Pool};
use super::settings::Screen;

/// What the network said, at the network's size, row 0 at the top.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// One plane: linear alpha, 0..1.
    pub alpha: Planes,
    /// Three planes: the subject's colour, straight, sRGB-encoded, 0..1; with the screen's channel
    /// and green exchanged, when the plate's were.
    pub foreground: Planes,
}

/// What a key is made of: a prediction, or one whose alpha was made steady.
#[derive(Debug, Clone, Copy)]
pub struct Predicted<'a> {
    /// As [`Prediction::alpha`].
    pub alpha: &'a Planes,
    /// As [`Prediction::foreground`].
    pub foreground: &'a Planes,
    /// What is known of this very alpha at the plate's size, where somebody keeps it.
    pub specks: Option<&'a Specks>,
}

impl<'a> From<&'a Prediction> for Predicted<'a> {
    fn from(prediction: &'a Prediction) -> Self {
        Self {
            alpha: &prediction.alpha,
            foreground: &prediction.foreground,
            specks: None,
        }
    }
}

impl Prediction {
    /// As [`Predicted::check`].
    ///
    /// # Errors
    /// As [`Predicted::check`].
    pub fn check(&self, geometry: &Geometry) -> Result<()> {
        Predicted::from(self).check(geometry)
    }
}

impl Predicted<'_> {
    /// `Ok` when both pictures are what a geometry's network makes.
    ///
    /// # Errors
    /// When a picture is empty or has other planes or another size.
    pub fn check(&self, geometry: &Geometry) -> Result<()> {
        self.alpha.check("predicted alpha", &[1], "1")?;
        self.foreground.check("predicted foreground", &[3], "3")?;
        self.alpha.check_size("predicted alpha", geometry.network)?;
        self.foreground
            .check_size("predicted foreground", geometry.network)
    }
}

/// Rows of a picture in the plate's columns, wherever they lie.
#[derive(Debug)]
pub(super) struct Layer<'a> {
    picture: Picture<'a>,
    /// The plate's row that the picture's row 0 is.
    first: usize,
    width: usize,
    /// Which plane of the picture holds which channel.
    order: [usize; 3],
}

#[derive(Debug)]
enum Picture<'a> {
    /// The prediction itself, or resized rows that are kept elsewhere.
    Lent(&'a Planes),
    /// Resized rows.
    Restored(Lease<'a>),
}

impl Layer<'_> {
    /// Changes the rows of the first plane, in parallel, if they were resized: `change(y, row)`.
    pub(super) fn for_rows<S>(
        &mut self,
        scratch: impl Fn() -> S + Sync + Send,
        change: impl Fn(&mut S, usize, &mut [f32]) + Sync,
    ) {
        let (first, width) = (self.first, self.width);
        if let Picture::Restored(planes) = &mut self.picture {
            planes
                .plane_mut(0)
                .par_chunks_exact_mut(width)
                .enumerate()
                .for_each_init(scratch, |scratch, (line, row)| {
                    change(scratch, first + line, row);
                });
        }
    }

    /// The same rows, without a copy.
    pub(super) fn lent(&self) -> Layer<'_> {
        let planes: &Planes = match &self.picture {
            Picture::Lent(planes) => planes,
            Picture::Restored(planes) => planes,
        };
        Layer {
            picture: Picture::Lent(planes),
            ..*self
        }
    }

    /// A row of a channel, in the plate's columns and rows.
    pub(super) fn row(&self, channel: usize, y: usize) -> &[f32] {
        let planes: &Planes = match &self.picture {
            Picture::Lent(planes) => planes,
            Picture::Restored(planes) => planes,
        };
        &planes.row(self.order[channel], y - self.first)[..self.width]
    }
}

/// Alpha's rows `alpha_rows` and the foreground's rows `rows`, at the plate's size.
///
/// `rows` lie within `alpha_rows`, which lie within the plate.
pub(super) fn restore<'a>(
    prediction: Predicted<'a>,
    geometry: &Geometry,
    exchange: Screen,
    rows: &Range<usize>,
    alpha_rows: &Range<usize>,
    pool: &'a Pool,
) -> Result<(Layer<'a>, Layer<'a>)> {
    if !geometry.is_own_size() {
        return enlarge(prediction, geometry, exchange, rows, alpha_rows, pool);
    }
    prediction.check(geometry)?;
    check_rows(geometry.plate, [rows, alpha_rows])?;
    let layer = |planes, order| Layer {
        picture: Picture::Lent(planes),
        first: 0,
        width: geometry.plate.width,
        order,
    };
    Ok((
        layer(prediction.alpha, [0; 3]),
        layer(prediction.foreground, exchange.exchange()),
    ))
}

/// `Ok` when all rows are the plate's.
pub(super) fn check_rows(plate: Size, ranges: [&Range<usize>; 2]) -> Result<()> {
    for rows in ranges {
        let window = Window {
            y0: rows.start,
            y1: rows.end,
            ..Window::full(plate)
        };
        window.check(plate)?;
    }
    Ok(())
}

/// The same for a prediction of another size than the plate's, of which nothing is borrowed.
pub(super) fn enlarge<'a>(
    prediction: Predicted<'_>,
    geometry: &Geometry,
    exchange: Screen,
    rows: &Range<usize>,
    alpha_rows: &Range<usize>,
    pool: &'a Pool,
) -> Result<(Layer<'a>, Layer<'a>)> {
    prediction.check(geometry)?;
    let plate = geometry.plate;
    check_rows(plate, [rows, alpha_rows])?;
    let width = plate.width;
    let layer = |picture, first, order| Layer {
        picture,
        first,
        width,
        order,
    };
    let resampler = Resampler::new(Kernel::Lanczos4, geometry.content, plate);
    let mut alpha = pool.planes(width, alpha_rows.len(), 1)?;
    let mut foreground = pool.planes(width, rows.len(), 3)?;
    let source = [
        Source::plane(prediction.alpha, 0),
        Source::plane(prediction.foreground, 0),
        Source::plane(prediction.foreground, 1),
        Source::plane(prediction.foreground, 2),
    ];
    let [alpha_plane] = alpha.planes_mut();
    let (before, rest) = alpha_plane.split_at_mut((rows.start - alpha_rows.start) * width);
    let (beside, after) = rest.split_at_mut(rows.len() * width);
    // Rows that only the matte needs.
    for (first, plane) in [(alpha_rows.start, before), (rows.end, after)] {
        plane.par_chunks_exact_mut(width).enumerate().for_each_init(
            RowScratch::default,
            |scratch, (y, row)| {
                resampler.row([source[0]], first + y, scratch, [row], |value| value);
            },
        );
    }
    let [red, green, blue] = foreground.planes_mut();
    beside
        .par_chunks_exact_mut(width)
        .zip(red.par_chunks_exact_mut(width))
        .zip(green.par_chunks_exact_mut(width))
        .zip(blue.par_chunks_exact_mut(width))
        .enumerate()
        .for_each_init(
            RowScratch::default,
            |scratch, (y, (((alpha, red), green), blue))| {
                let out = [alpha, red, green, blue];
                resampler.row(source, rows.start + y, scratch, out, |value| value);
            },
        );
    Ok((
        layer(Picture::Restored(alpha), alpha_rows.start, [0; 3]),
        layer(
            Picture::Restored(foreground),
            rows.start,
            exchange.exchange(),
        ),
    ))
}
