//! The pictures of one frame, fetched: of the one that is rendered, or of a neighbour.

use ofx::{Clip, Effect, Image};

use super::fetch::Grid;
use super::frame::Frame;
use super::guides::{self, GuideImages};
use super::render::{Network, pixel_scale};
use super::stages::Stages;
use super::{SOURCE, Settings, colour, region};
use crate::error::{Error, Result};
use crate::network::Service;

/// An image that is not there, in the words with which a render fails for it.
#[derive(Debug)]
pub(super) struct Gap(pub(super) Error);

/// Plate, hint and masks of a frame, as the host gave them, and the settings at its time.
pub(super) struct Pictures<'a> {
    pub(super) settings: Settings,
    pub(super) source: Clip<'a>,
    source_image: Image<'a>,
    guides: GuideImages<'a>,
    time: f64,
}

impl<'a> Pictures<'a> {
    /// Fetches what the frame at a time is keyed from.
    ///
    /// # Errors
    /// A [`Gap`] where a clip has no image at this time; otherwise what the host fails with.
    pub(super) fn fetch(
        effect: Effect<'a>,
        settings: Settings,
        time: f64,
    ) -> Result<std::result::Result<Self, Gap>> {
        let source = effect.clip(SOURCE)?;
        let Some(source_image) = source.fetch(time, None)? else {
            return Ok(Err(Gap(Error::Clip(format!(
                "the Source input has no image at frame {time}. Connect a plate there, or trim the render to the plate's range"
            )))));
        };
        let guides = GuideImages::fetch(effect, &settings, time)?;
        Ok(guides.map(|guides| Self {
            settings,
            source,
            source_image,
            guides,
            time,
        }))
    }

    /// The frame that they are, in the pixels of `grid`, and the network that sees it, where the
    /// output needs one.
    ///
    /// # Errors
    /// When the model is not there or allows no size for the plate.
    pub(super) fn frame(
        &self,
        effect: Effect<'_>,
        grid: Grid,
        service: &Service,
        stages: Stages,
    ) -> Result<(Frame<'_>, Option<Network>)> {
        let plate = guides::placed(&self.source_image, &self.source);
        let canonical = region::of_plate(effect, &self.source, self.time)
            .unwrap_or_else(|| plate.grid.canonical(plate.view.bounds()));
        let settings = self.settings.clone();
        // Hint and screen are looked at, not used: neither model nor network size matter.
        let network = match settings.output.shows_key() {
            true => Some(Network::new(service, &settings, &grid, canonical)?),
            false => None,
        };
        let region = grid.pixels(canonical);
        let reading = colour::reading(effect, &settings, plate.view.depth())?;
        let frame = Frame {
            encoding: reading.encoding,
            why: reading.why,
            scale: pixel_scale(&grid),
            guides: self.guides.guides(),
            background: None,
            settings,
            plate,
            grid,
            region,
            frame: network.as_ref().map_or(region, |network| network.frame),
            stages,
        };
        Ok((frame, network))
    }
}
