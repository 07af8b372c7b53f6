//! The pictures of one frame, where they lie, and how they are read.

use ofx::{Channel, Components, Depth, ImageView, RectI};

use super::Settings;
use super::fetch::{self, Grid, Placed, RGB};
use super::stages::Stages;
use crate::error::{Error, Result};
use crate::keyer::{
    self, Encoding, HintChannel, HintSource, Light, OutputColour, PixelScale, Planes, Screen, Size,
};

/// Plate and hint of one frame, and the pixels that are wanted of them.
pub(super) struct Frame<'a> {
    pub(super) settings: Settings,
    pub(super) plate: Placed<'a>,
    pub(super) hint: Option<Placed<'a>>,
    /// The pixels of the output.
    pub(super) grid: Grid,
    /// The whole plate in those pixels.
    pub(super) region: RectI,
    /// The same, out to the network's lattice: what the planes hold.
    pub(super) frame: RectI,
    pub(super) encoding: Encoding,
    /// Why the encoding is that, where the artist did not say it.
    pub(super) why: Option<String>,
    pub(super) scale: PixelScale,
    pub(super) stages: Stages,
}

/// What the network is told about the plate.
pub(super) struct Told {
    /// The hint, over the frame.
    pub(super) hint: Planes,
    /// The screen's colour, where it was needed or named.
    pub(super) screen: Option<Screen>,
    /// Where the hint comes from, in words.
    pub(super) words: String,
}

/// Width and height of a region.
pub(super) fn size(region: RectI) -> Size {
    let (width, height) = fetch::size(region);
    Size::new(width, height)
}

impl Frame<'_> {
    /// `Ok` when the pictures of this frame fit into `budget` bytes, the network's own aside, which
    /// is the size of what it sees, where it is needed.
    ///
    /// # Errors
    /// [`keyer::Error::FrameTooLarge`].
    pub(super) fn check_memory(&self, network: Option<Size>, budget: u64) -> Result<()> {
        let pixels = |size: Size| (size.width as u64).saturating_mul(size.height as u64);
        let frame = pixels(size(self.frame));
        // Three planes of the plate, one of the hint, four of the key at the plate's size, and two
        // more for a matte that is moved and blurred.
        let planes = frame.saturating_mul(3 + 1 + 4 + 2);
        // A hint clip is read whole: its channels, and the hint that is made of them.
        let hint = self.hint.map_or(0, |hint| {
            let channels = fetch::hint_channels(hint.view.components()).len();
            pixels(size(hint.view.bounds())).saturating_mul(channels as u64 + 1)
        });
        // What goes into the network, and what comes out of it.
        let network = network.map_or(0, |size| pixels(size).saturating_mul(4 + 4));
        let needed = planes
            .saturating_add(hint)
            .saturating_add(network)
            .saturating_mul(size_of::<f32>() as u64);
        if needed <= budget {
            return Ok(());
        }
        Err(keyer::Error::FrameTooLarge {
            size: size(self.region),
            needed_mb: needed.div_ceil(1 << 20),
            budget_mb: budget >> 20,
        }
        .into())
    }

    /// The plate as the network's side looks at it: red, green and blue, as
    /// [`Encoding::light`] says of its encoding.
    pub(super) fn plate(&self) -> Result<Planes> {
        let plate = self.plate_as_it_is()?;
        Ok(self.stages.time("decode", || self.encoding.plate(plate)))
    }

    /// How [`plate`](Self::plate) is encoded.
    pub(super) fn held(&self) -> Encoding {
        match self.encoding.light() {
            Light::Srgb => Encoding::Srgb,
            Light::Linear => Encoding::Linear,
        }
    }

    /// The plate as what is written is encoded.
    pub(super) fn plate_as_written(&self) -> Result<Planes> {
        let plate = self.plate_as_it_is()?;
        Ok(self
            .stages
            .time("decode", || self.encoding.convert(plate, self.written())))
    }

    fn plate_as_it_is(&self) -> Result<Planes> {
        Ok(self.stages.time("read", || {
            fetch::read(&self.plate, &self.grid, self.region, self.frame, &RGB)
        })?)
    }

    /// How what is written is encoded.
    pub(super) fn written(&self) -> Encoding {
        match self.settings.output_colour {
            OutputColour::Same => self.encoding,
            OutputColour::Linear => Encoding::Linear,
        }
    }

    /// The hint, and the screen's colour where it is named, where the hint is made from it, or
    /// where `screen` asks for it.
    pub(super) fn told(&self, plate: &Planes, screen: bool) -> Result<Told> {
        let given = self.given_hint()?;
        let hint = given.as_ref().map(|(hint, _)| hint);
        let found = match self.settings.screen.named() {
            Some(named) => Some(named),
            None if screen || given.is_none() => {
                Some(keyer::detect(plate, self.encoding.light(), hint)?)
            }
            None => None,
        };
        let (hint, words) = match (given, found) {
            (Some(given), _) => given,
            (None, colour) => {
                // Without a given hint the colour has just been found.
                let colour = colour.unwrap_or(Screen::Green);
                let hint = keyer::hint_from_screen(plate, self.encoding.light(), colour)?;
                (hint, "keyed from the screen".to_owned())
            }
        };
        Ok(Told {
            hint,
            screen: found,
            words,
        })
    }

    /// The hint that somebody gave, over the frame, and where it comes from: the Hint clip, or the
    /// plate's own alpha.
    fn given_hint(&self) -> Result<Option<(Planes, String)>> {
        let (image, channels, choice, from) = match (&self.hint, self.settings.hint_source) {
            (Some(hint), _) => (
                hint,
                fetch::hint_channels(hint.view.components()),
                self.settings.hint_channel,
                "the Hint input",
            ),
            (None, HintSource::SourceAlpha) => {
                if self.plate.view.components() == Components::Rgb {
                    return Err(Error::Clip(
                        "Hint Source is set to Source Alpha, but the picture on Source has no alpha. Put a rough \
                         matte into its alpha, connect one to Hint, or set Hint Source to Auto or Screen Key"
                            .into(),
                    ));
                }
                (
                    &self.plate,
                    &[Channel::Alpha] as &[_],
                    HintChannel::Alpha,
                    "the plate",
                )
            }
            (None, _) => return Ok(None),
        };
        // Which channel speaks is decided on the clip's own pixels: the nothing around a small
        // clip would make an alpha that is solid everywhere look as if it said something.
        let bounds = image.view.bounds();
        let own = fetch::read(image, &image.grid, bounds, bounds, channels)?;
        let (hint, read) = keyer::hint_from_clip(&own, choice)?;
        let mut words = format!("{} of {from}", read.word());
        if let Some((first, rest)) = hint.data().split_first()
            && rest.iter().all(|value| value == first)
        {
            words.push_str(&format!(", which is {first} everywhere"));
        }
        if bounds == self.frame && image.grid == self.grid {
            return Ok(Some((hint, words)));
        }
        let row_bytes = hint.width() * size_of::<f32>();
        let view = ImageView::from_bytes(
            bytemuck::cast_slice(hint.data()),
            bounds,
            Depth::Float,
            Components::Alpha,
            // Our row 0 is the highest.
            -(row_bytes as isize),
        )
        .map_err(|error| Error::Clip(format!("the Hint input cannot be used: {error}")))?;
        let placed = Placed {
            view,
            grid: image.grid,
        };
        let alpha = &[Channel::Alpha];
        let hint = fetch::read(&placed, &self.grid, self.region, self.frame, alpha)?;
        Ok(Some((hint, words)))
    }

    /// How plate and hint were read, in words for the panel.
    pub(super) fn reading(&self, screen: Option<Screen>, hint: &str) -> String {
        let encoding = self.encoding.label();
        let guessed = |auto: bool| if auto { " (Auto)" } else { "" };
        let mut line = match &self.why {
            Some(why) => format!("{encoding} (Auto: {why})"),
            None => encoding.to_owned(),
        };
        if let Some(screen) = screen {
            let found = guessed(self.settings.screen.named().is_none());
            line.push_str(&format!("; {} screen{found}", screen.id()));
        }
        line.push_str(&format!("; hint: {hint}"));
        line
    }
}
