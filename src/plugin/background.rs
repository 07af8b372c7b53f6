//! The picture that Composite is put over.

use ofx::{Channel, Clip, Effect, Image, Premultiplication};
use rayon::prelude::*;

use super::fetch::{self, Placed};
use super::frame::Frame;
use super::render::SCRATCH;
use super::{BACKGROUND, guides};
use crate::error::{Error, Result};
use crate::keyer::{Lease, Output};

/// The Bg clip's picture, as the host gave it.
pub(super) struct BackgroundImage<'a> {
    clip: Clip<'a>,
    image: Image<'a>,
}

/// A background to read.
#[derive(Clone, Copy)]
pub(super) struct Background<'a> {
    placed: Placed<'a>,
    /// Its colour is still to be multiplied by its alpha.
    straight: bool,
}

impl<'a> BackgroundImage<'a> {
    /// Fetches it when the output shows it and something is connected.
    ///
    /// # Errors
    /// When what is connected has no image at the frame.
    pub(super) fn fetch(effect: Effect<'a>, output: Output, time: f64) -> Result<Option<Self>> {
        let clip = effect.clip_optional(BACKGROUND)?.filter(Clip::connected);
        let Some(clip) = clip.filter(|_| output == Output::Composite) else {
            return Ok(None);
        };
        let image = clip.fetch(time, None)?.ok_or_else(|| {
            Error::Clip(format!(
                "the Bg input is connected but has no image at frame {time}. Extend the background to the \
                 plate's range, or disconnect it to see the key over a checker"
            ))
        })?;
        Ok(Some(Self { clip, image }))
    }

    /// What there is to read.
    pub(super) fn background(&self) -> Background<'_> {
        let told = self.image.premultiplication();
        Background {
            placed: guides::placed(&self.image, &self.clip),
            straight: told.or_else(|| self.clip.premultiplication())
                == Some(Premultiplication::Unpremultiplied),
        }
    }
}

impl Background<'_> {
    /// Over the frame, in linear light and over black: where the clip has no pixels, and where it is
    /// transparent, there is nothing behind the subject.
    pub(super) fn read(&self, frame: &Frame<'_>) -> Result<Lease<'static>> {
        let (grid, region) = (&frame.grid, frame.region);
        let channels = &Channel::RGBA;
        let mut all = fetch::read(&self.placed, grid, region, frame.frame, channels, &SCRATCH)?;
        let (width, height) = (all.width(), all.height());
        let mut out = SCRATCH.planes(width, height, 3)?;
        if out.size().is_empty() {
            return Ok(out);
        }
        let [red, green, blue, alpha] = all.planes_mut();
        red.par_chunks_mut(width)
            .zip(green.par_chunks_mut(width))
            .zip(blue.par_chunks_mut(width))
            .for_each(|((red, green), blue)| frame.encoding.rows_to_linear([red, green, blue]));
        let over_black = |out: &mut [f32], plane: &[f32], alpha: &[f32]| {
            for (out, (value, alpha)) in out.iter_mut().zip(plane.iter().zip(alpha)) {
                let value = if self.straight { value * alpha } else { *value };
                *out = if value.is_finite() { value } else { 0.0 };
            }
        };
        for (plane, out) in [red, green, blue].into_iter().zip(out.planes_mut::<3>()) {
            out.par_chunks_mut(width)
                .zip(plane.par_chunks(width))
                .zip(alpha.par_chunks(width))
                .for_each(|((out, plane), alpha)| over_black(out, plane, alpha));
        }
        Ok(out)
    }
}
