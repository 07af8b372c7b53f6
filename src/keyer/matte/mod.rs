//! What an artist does to the matte after the network, in this order:
//!
//! 1. the network's alpha is brought to the plate's size ([`restore`](super::restore));
//! 2. islands are removed and holes filled ([`despeckle`](super::despeckle); a hole is an island of
//!    `1 - alpha`);
//! 3. black and white are clipped;
//! 4. gamma;
//! 5. edges are moved, outwards or inwards;
//! 6. the matte is blurred.
//!
//! What is not asked for is not done, and then not a bit changes: alpha keeps even the overshoot of
//! its resizing. As soon as tone or shape are asked for, alpha is limited to 0..1 first, and what
//! is not a number is 0.
//!
//! Tone is a matter of a value and computed when a row is read. Moving and blurring look at
//! neighbours: they are computed once, for the rows that are wanted, from these rows and a margin
//! around them; where all that they look at is one value, that is their answer. The same pixel
//! therefore has the same value whichever rows are wanted.

mod blur;
mod flat;
mod grow;
mod tone;

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::despeckle::{CleanUp, Mask, Specks};
use super::error::Result;
use super::image::{Planes, Size};
use super::restore::Layer;
use super::scratch::{Lease, Pool};
use super::settings::FinishSettings;
use blur::Gaussian;
use grow::Disc;
use tone::Tone;

/// A finished matte, for a range of the plate's rows.
#[derive(Debug)]
pub(super) struct Matte<'a> {
    alpha: Layer<'a>,
    islands: Option<Arc<Mask>>,
    holes: Option<Arc<Mask>>,
    tone: Option<Tone>,
    shaped: Option<Rows<'a>>,
}

/// How far settings reach, and what they ask for.
struct Plan {
    tone: Option<Tone>,
    disc: Option<Disc>,
    /// Across and down.
    blur: Option<[Gaussian; 2]>,
    /// True when the whole of alpha is looked at.
    whole: bool,
}

impl Plan {
    fn new(settings: &FinishSettings) -> Self {
        let (shape, scale) = (&settings.shape, settings.scale);
        let disc = Disc::new(shape.grow, scale);
        let blur = Gaussian::pair(shape.blur, scale);
        let tone = Tone::new(shape, disc.is_some() || blur.is_some());
        Self {
            tone,
            disc,
            blur,
            whole: settings.despeckle.is_some() || settings.holes.is_some(),
        }
    }

    /// The rows of the moved matte that the blur of `rows` needs.
    fn moved(&self, size: Size, rows: &Range<usize>) -> Range<usize> {
        let reach = self.blur.as_ref().map_or(0, |[_, down]| down.radius());
        widened(size, rows, reach)
    }

    /// The rows of the toned alpha that `rows` need.
    fn toned(&self, size: Size, rows: &Range<usize>) -> Range<usize> {
        let reach = self.disc.as_ref().map_or(0, Disc::reach);
        widened(size, &self.moved(size, rows), reach)
    }
}

/// `rows`, and `by` more on either side, as far as the picture goes.
pub(super) fn widened(size: Size, rows: &Range<usize>, by: usize) -> Range<usize> {
    if rows.is_empty() {
        return rows.clone();
    }
    rows.start.saturating_sub(by)..rows.end.saturating_add(by).min(size.height)
}

/// The rows of alpha, at the plate's size, that the finished matte's rows `rows` are made of.
pub(super) fn alpha_rows(
    size: Size,
    settings: &FinishSettings,
    rows: &Range<usize>,
) -> Range<usize> {
    let plan = Plan::new(settings);
    if plan.whole {
        0..size.height
    } else {
        plan.toned(size, rows)
    }
}

/// One plane, from a row of the plate on.
#[derive(Debug)]
struct Rows<'a> {
    planes: Lease<'a>,
    first: usize,
}

impl Rows<'_> {
    fn row(&self, y: usize) -> &[f32] {
        self.planes.row(0, y - self.first)
    }

    /// The plate's rows that are here.
    fn range(&self) -> Range<usize> {
        self.first..self.first + self.planes.height()
    }
}

impl<'a> Matte<'a> {
    /// Finishes the rows `rows` of a matte. `alpha` holds the rows of [`alpha_rows`], `specks` what
    /// is known of it.
    ///
    /// # Errors
    /// When memory is short, or what the hint asks for is known in another size.
    pub(super) fn new(
        alpha: Layer<'a>,
        size: Size,
        settings: &FinishSettings,
        rows: &Range<usize>,
        specks: &Specks,
        pool: &'a Pool,
    ) -> Result<Self> {
        let plan = Plan::new(settings);
        let Size { width, height } = size;
        let (row, scale) = (|y| alpha.row(0, y), settings.scale);
        specks.check_size(size)?;
        let islands = settings.despeckle.map(|area| {
            let (method, clean_up) = (settings.despeckle_method, CleanUp::of_area(area));
            specks.islands(width, height, row, method, clean_up, scale)
        });
        let holes = settings
            .holes
            .map(|area| specks.holes(width, height, row, CleanUp::of_area(area), scale));
        let (moved, toned) = (plan.moved(size, rows), plan.toned(size, rows));
        let mut matte = Self {
            alpha,
            islands,
            holes,
            tone: plan.tone,
            shaped: None,
        };
        if plan.disc.is_none() && plan.blur.is_none() {
            return Ok(matte);
        }
        let plane = |rows: &Range<usize>| -> Result<Rows<'a>> {
            Ok(Rows {
                planes: pool.planes(width, rows.len(), 1)?,
                first: rows.start,
            })
        };
        let mut shaped = plane(&toned)?;
        for_rows(&mut shaped.planes, |line, row| {
            matte.toned_row(toned.start + line, 0, row);
        });
        if let Some(disc) = &plan.disc {
            let mut out = plane(&moved)?;
            disc.apply(&shaped, &mut out);
            shaped = out;
        }
        if let Some([across, down]) = &plan.blur {
            let mut out = plane(rows)?;
            blur::blur(&shaped, &mut out, across, down);
            shaped = out;
        }
        matte.shaped = Some(shaped);
        Ok(matte)
    }

    /// Row `y`, for the columns `x0 .. x0 + out.len()`.
    pub(super) fn row(&self, y: usize, x0: usize, out: &mut [f32]) {
        match &self.shaped {
            Some(shaped) => out.copy_from_slice(&shaped.row(y)[x0..x0 + out.len()]),
            None => self.toned_row(y, x0, out),
        }
    }

    /// Row `y`, whole: alpha where the matte is solid before and after its edges are moved and
    /// blurred. An edge that was moved outwards has the screen in it, and is not solid.
    pub(super) fn solid_row(&self, y: usize, out: &mut [f32]) {
        self.toned_row(y, 0, out);
        if let Some(shaped) = &self.shaped {
            for (value, shaped) in out.iter_mut().zip(shaped.row(y)) {
                *value = value.min(*shaped);
            }
        }
    }

    /// The same before edges are moved and blurred.
    fn toned_row(&self, y: usize, x0: usize, out: &mut [f32]) {
        let alpha = &self.alpha.row(0, y)[x0..x0 + out.len()];
        match &self.islands {
            Some(islands) => islands.applied(y, x0, alpha, out),
            None => out.copy_from_slice(alpha),
        }
        if let Some(holes) = &self.holes {
            for value in out.iter_mut() {
                *value = 1.0 - *value;
            }
            holes.apply(y, x0, out);
            for value in out.iter_mut() {
                *value = 1.0 - *value;
            }
        }
        if let Some(tone) = &self.tone {
            tone.row(out);
        }
    }
}

/// Calls `fill(line, row)` for every row of a picture of one plane, in parallel.
fn for_rows(planes: &mut Planes, fill: impl Fn(usize, &mut [f32]) + Sync) {
    let width = planes.width();
    if width == 0 {
        return;
    }
    planes
        .data_mut()
        .par_chunks_exact_mut(width)
        .enumerate()
        .for_each(|(line, row)| fill(line, row));
}

#[cfg(test)]
mod tests;
