//! The picture that Composite is put over.

use ofx::{Channel, Clip, Effect, Image, Premultiplication};
use rayon::prelude::*;

use super::fetch::{self, Placed};
use super::frame::Frame;
use super::{BACKGROUND, guides};
use crate::error::{Error, Result};
use crate::keyer::{Output, Planes};

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
    pub(super) fn read(&self, frame: &Frame<'_>) -> Result<Planes> {
        let channels = &Channel::RGBA;
        let mut all = fetch::read(
            &self.placed,
            &frame.grid,
            frame.region,
            frame.frame,
            channels,
        )?;
        let mut out = Planes::try_new(all.width(), all.height(), 3)?;
        let width = all.width();
        let [red, green, blue, alpha] = all.planes_mut();
        if width > 0 {
            red.par_chunks_mut(width)
                .zip(green.par_chunks_mut(width))
                .zip(blue.par_chunks_mut(width))
                .for_each(|((red, green), blue)| frame.encoding.rows_to_linear([red, green, blue]));
        }
        for (channel, plane) in [red, green, blue].into_iter().enumerate() {
            let values = plane.iter().zip(alpha.iter());
            for (out, (value, alpha)) in out.plane_mut(channel).iter_mut().zip(values) {
                let value = if self.straight { value * alpha } else { *value };
                *out = if value.is_finite() { value } else { 0.0 };
            }
        }
        Ok(out)
    }
}
