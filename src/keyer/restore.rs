//! From the network's picture back to the plate's.
//!
//! What was done on the way in is undone in reverse: the repeated columns and rows are left out,
//! red, green and blue go back to their places, and the content comes back to the plate's size by
//! Lanczos, as the original does. Lanczos overshoots beside edges; neither alpha nor foreground is
//! limited here, because the original limits neither. A prediction that has the plate's own size
//! is not copied at all: rows are read where they lie. Alpha is enlarged as a whole, since its
//! islands are looked for in all of it. The foreground is enlarged where it is read, row by row: an
//! output that does not show it costs nothing for it, and one that multiplies by alpha nothing where
//! that is 0. Both may be kept ([`Enlarged`](super::key::Enlarged)), so that a slider's next frame
//! need not enlarge them again.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::despeckle::Specks;
use super::error::Result;
use super::geometry::Geometry;
use super::image::{Planes, Size, Window};
use super::resample::{Kernel, Resampler, RowScratch, Source, TOGETHER};
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

/// The foreground in the plate's columns and rows, wherever it lies.
#[derive(Debug)]
pub(super) enum Foreground<'a> {
    /// Rows that are there.
    There(Layer<'a>),
    /// Rows that are made when they are read.
    Made {
        planes: &'a Planes,
        enlarging: Arc<Enlarging>,
    },
}

impl Foreground<'_> {
    /// Row `y` for the columns from `x0` on: red, green and blue, equally long.
    pub(super) fn row(&self, y: usize, x0: usize, out: [&mut [f32]; 3], scratch: &mut RowScratch) {
        match self {
            Self::There(layer) => {
                for (channel, out) in out.into_iter().enumerate() {
                    let row = layer.row(channel, y);
                    out.copy_from_slice(&row[x0..x0 + out.len()]);
                }
            }
            Self::Made { planes, enlarging } => {
                let lines = enlarging
                    .order
                    .map(|plane| (Source::plane(planes, plane), y));
                let resampler = &enlarging.resampler;
                resampler.lines(lines, x0, scratch, out, |value| value);
            }
        }
    }
}

/// The way from a prediction to a plate of another size.
#[derive(Debug)]
pub(super) struct Enlarging {
    resampler: Resampler,
    plate: Size,
    /// Which plane of the predicted foreground holds which channel.
    order: [usize; 3],
}

impl Enlarging {
    /// `exchange` is the screen whose channel changed places with green in the network's input.
    pub(super) fn new(geometry: &Geometry, exchange: Screen) -> Arc<Self> {
        Arc::new(Self {
            resampler: Resampler::new(Kernel::Lanczos4, geometry.content, geometry.plate),
            plate: geometry.plate,
            order: exchange.exchange(),
        })
    }

    /// The plate's rows `rows` of a predicted alpha.
    ///
    /// # Errors
    /// When memory is short.
    pub(super) fn alpha<'a>(
        &self,
        alpha: &Planes,
        rows: &Range<usize>,
        pool: &'a Pool,
    ) -> Result<Layer<'a>> {
        self.layer(alpha, &[0], rows, pool)
    }

    /// The whole of a predicted foreground.
    ///
    /// # Errors
    /// When memory is short.
    pub(super) fn foreground<'a>(&self, planes: &Planes, pool: &'a Pool) -> Result<Layer<'a>> {
        self.layer(planes, &self.order, &(0..self.plate.height), pool)
    }

    /// Rows of some planes of a picture.
    fn layer<'a>(
        &self,
        planes: &Planes,
        order: &[usize],
        rows: &Range<usize>,
        pool: &'a Pool,
    ) -> Result<Layer<'a>> {
        let width = self.plate.width;
        let mut picture = pool.planes(width, rows.len(), order.len())?;
        for (channel, plane) in order.iter().enumerate() {
            let source = Source::plane(planes, *plane);
            picture
                .plane_mut(channel)
                .par_chunks_mut(TOGETHER * width)
                .enumerate()
                .for_each_init(RowScratch::default, |scratch, (four, out)| {
                    let y = rows.start + TOGETHER * four;
                    let resampler = &self.resampler;
                    resampler.rows(source, y, scratch, out, width, |value| value);
                });
        }
        Ok(Layer {
            picture: Picture::Restored(picture),
            first: rows.start,
            width,
            order: [0, 1, 2],
        })
    }
}

/// Alpha's rows `alpha_rows` and the foreground, at the plate's size. The rows lie within the plate.
///
/// # Errors
/// When the prediction is not the geometry's, the rows are not the plate's, or memory is short.
pub(super) fn restore<'a>(
    prediction: Predicted<'a>,
    geometry: &Geometry,
    exchange: Screen,
    alpha_rows: &Range<usize>,
    pool: &'a Pool,
) -> Result<(Layer<'a>, Foreground<'a>)> {
    prediction.check(geometry)?;
    check_rows(geometry.plate, [alpha_rows])?;
    if !geometry.is_own_size() {
        let enlarging = Enlarging::new(geometry, exchange);
        let alpha = enlarging.alpha(prediction.alpha, alpha_rows, pool)?;
        let planes = prediction.foreground;
        return Ok((alpha, Foreground::Made { planes, enlarging }));
    }
    let layer = |planes, order| Layer {
        picture: Picture::Lent(planes),
        first: 0,
        width: geometry.plate.width,
        order,
    };
    Ok((
        layer(prediction.alpha, [0; 3]),
        Foreground::There(layer(prediction.foreground, exchange.exchange())),
    ))
}

/// `Ok` when all rows are the plate's.
pub(super) fn check_rows<const N: usize>(plate: Size, ranges: [&Range<usize>; N]) -> Result<()> {
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
