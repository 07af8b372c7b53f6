//! The pictures of one frame, where they lie, and how they are read.

use std::borrow::Cow;

use ofx::{Channel, Components, Depth, ImageView, RectI};
use rayon::prelude::*;

use super::Settings;
use super::background::Background;
use super::fetch::{self, Grid, Placed, RGB, Reader};
use super::guides::{Guide, Guides};
use super::render::SCRATCH;
use super::stages::Stages;
use crate::error::{Error, Result};
use crate::keyer::{
    self, Asked, Encoding, HintChannel, HintRead, HintSource, Lease, Light, Look, OutputColour,
    Overview, PixelScale, Planes, Screen, ScreenPlate, Size,
};

/// Plate and hint of one frame, and the pixels that are wanted of them.
pub(super) struct Frame<'a> {
    pub(super) settings: Settings,
    pub(super) plate: Placed<'a>,
    pub(super) guides: Guides<'a>,
    pub(super) background: Option<Background<'a>>,
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
    pub(super) hint: Lease<'static>,
    /// The screen's colour, where it was needed or named.
    pub(super) screen: Option<Screen>,
    /// Where the hint comes from, in words.
    pub(super) words: String,
    /// What somebody said must be there, over the frame: the hint itself where it was given, else
    /// the inside mask.
    asking: Asking,
}

/// See [`Told::asked`].
enum Asking {
    Hint,
    Mask(Option<Lease<'static>>),
}

impl Told {
    /// Where somebody asks for a subject. A hint that was keyed from the screen asks for nothing: it
    /// shows tracking marks, too.
    pub(super) fn asked(&self) -> Result<Option<Asked>> {
        let asking = match &self.asking {
            Asking::Hint => Some(&self.hint),
            Asking::Mask(inside) => inside.as_ref(),
        };
        Ok(asking.map(|asking| Asked::new(asking)).transpose()?)
    }
}

/// The masks over the frame, 0..1, where they are connected.
#[derive(Debug, Default)]
pub(super) struct Masks {
    pub(super) inside: Option<Lease<'static>>,
    pub(super) outside: Option<Lease<'static>>,
}

/// Values that one task works on.
const CHUNK: usize = 1 << 16;

impl Masks {
    /// Holds a hint over the frame to them.
    fn hold(&self, hint: &mut [f32]) {
        let [inside, outside] =
            [&self.inside, &self.outside].map(|mask| mask.as_ref().map(|mask| mask.data()));
        if inside.is_none() && outside.is_none() {
            return;
        }
        hint.par_chunks_mut(CHUNK)
            .enumerate()
            .for_each(|(chunk, hint)| {
                let start = chunk * CHUNK;
                let part = start..start + hint.len();
                keyer::hold_to_masks(
                    hint,
                    inside.map(|mask| &mask[part.clone()]),
                    outside.map(|mask| &mask[part.clone()]),
                );
            });
    }

    /// What surely is no screen: what the hint covers, and what either mask does.
    pub(super) fn taken<'a>(&'a self, hint: Option<&'a Planes>) -> Option<Cow<'a, Planes>> {
        let mut all: Option<Cow<'a, Planes>> = None;
        for one in [hint, self.inside.as_deref(), self.outside.as_deref()]
            .into_iter()
            .flatten()
        {
            let Some(all) = &mut all else {
                all = Some(Cow::Borrowed(one));
                continue;
            };
            let values = all.to_mut().data_mut().par_chunks_mut(CHUNK);
            values
                .zip(one.data().par_chunks(CHUNK))
                .for_each(|(all, one)| {
                    for (all, one) in all.iter_mut().zip(one) {
                        *all = all.max(*one);
                    }
                });
        }
        all
    }
}

/// Whether a picture has one value and no other.
fn is_everywhere(value: f32, picture: &[f32]) -> bool {
    let same = |values: &[f32]| values.iter().fold(true, |same, v| same & (*v == value));
    picture.par_chunks(1 << 12).all(same)
}

/// A colour of the Source clip as the keyer holds the plate's.
fn held(encoding: Encoding, colour: [f32; 3]) -> [f32; 3] {
    match encoding.light() {
        Light::Srgb => colour,
        Light::Linear => encoding.to_linear(colour),
    }
}

/// A colour that the keyer found in a plate as it is in the Source clip.
pub(super) fn given_back(encoding: Encoding, colour: [f32; 3]) -> [f32; 3] {
    match encoding.light() {
        Light::Srgb => colour,
        Light::Linear => encoding.from_linear(colour),
    }
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
        // Three planes of the plate where more than its rows are wanted (guides, neighbours, Source
        // x Matte), one of the hint and one to shape it with, those of the masks, four of the key at
        // the plate's size, and two more for a matte that is moved and blurred.
        let masks = self.guides.masks().count() as u64;
        let planes = frame.saturating_mul(3 + 2 + masks + 4 + 2);
        // A guide is read whole: its channels, and the mask that is made of them.
        let whole = |guide: Guide<'_>| {
            let view = guide.placed.view;
            let channels = fetch::hint_channels(view.components()).len() as u64;
            pixels(size(view.bounds())).saturating_mul(channels + 1)
        };
        let hint = self.guides.all().map(whole).max().unwrap_or(0);
        // The plate's colours at its size, what goes into the network, and what comes out of it. To be steady it takes two plates at
        // this size, two planes that compare them and one of alpha, while nothing else is held.
        let seen = if self.settings.stabilise > 0.0 {
            3 + 3 + 2 + 1
        } else {
            0
        };
        let network = network.map_or(0, |size| pixels(size).saturating_mul(3 + 4 + 4 + seen));
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

    /// The plate's rows, to be read where they are wanted: red, green and blue as they are in the
    /// clip.
    pub(super) fn reader(&self) -> Reader<'_> {
        Reader::new(&self.plate, &self.grid, self.region, self.frame)
    }

    /// The plate as the network's side looks at it: red, green and blue, as
    /// [`Encoding::light`] says of its encoding.
    pub(super) fn plate(&self) -> Result<Lease<'static>> {
        self.plate_in(self.held())
    }

    /// How [`plate`](Self::plate) is encoded.
    pub(super) fn held(&self) -> Encoding {
        self.encoding.light().encoding()
    }

    /// The plate as what is written is encoded.
    pub(super) fn plate_as_written(&self) -> Result<Lease<'static>> {
        self.plate_in(self.written())
    }

    fn plate_in(&self, encoding: Encoding) -> Result<Lease<'static>> {
        let plate = self.stages.time("read", || {
            let (grid, pool) = (&self.grid, &*SCRATCH);
            fetch::read(&self.plate, grid, self.region, self.frame, &RGB, pool)
        })?;
        Ok(self.stages.time("decode", || {
            SCRATCH.lease(self.encoding.convert(plate.into_planes(), encoding))
        }))
    }

    /// A small copy of the plate, in which the screen is looked for.
    fn overview(&self) -> Result<Overview> {
        let look = || Overview::of_rows(&self.reader(), self.encoding, size(self.frame));
        Ok(self.stages.time("read", look)?)
    }

    /// How what is written is encoded.
    pub(super) fn written(&self) -> Encoding {
        match self.settings.output_colour {
            OutputColour::Same => self.encoding,
            OutputColour::Linear => Encoding::Linear,
        }
    }

    /// Whether [`told`](Self::told) looks for the screen in the plate.
    pub(super) fn looks_for_screen(&self, screen: bool) -> bool {
        let given =
            self.guides.hint.is_some() || self.settings.hint_source == HintSource::SourceAlpha;
        !given || screen && self.settings.screen.named().is_none()
    }

    /// The hint as the network sees it, and the screen's colour where it is named, where the hint is
    /// made from it, or where `screen` asks for it. `overview` is the plate's, where it is there
    /// already.
    pub(super) fn told(&self, overview: Option<Overview>, screen: bool) -> Result<Told> {
        let masks = self.masks()?;
        let given = match self.given_hint()? {
            None => None,
            Some((mut hint, words)) => {
                self.settings.shape.apply(&mut hint, self.scale)?;
                masks.hold(hint.data_mut());
                Some((hint, words))
            }
        };
        let overview = match overview {
            None if self.looks_for_screen(screen) => Some(self.overview()?),
            known => known,
        };
        let named = self.settings.screen.named();
        let found = match (named, &overview) {
            (None, Some(overview)) if screen || given.is_none() => {
                let hint = given.as_ref().map(|(hint, _)| &**hint);
                let taken = masks.taken(hint);
                Some(keyer::detect(&self.look(overview, taken.as_deref()))?)
            }
            (known, _) => known,
        };
        let was_given = given.is_some();
        let (hint, mut words) = match (given, overview) {
            (Some(given), _) => given,
            (None, overview) => {
                let overview = match overview {
                    Some(overview) => overview,
                    None => self.overview()?,
                };
                // Without a given hint the colour has just been found.
                let colour = found.unwrap_or(Screen::Green);
                let taken = masks.taken(None);
                let look = self.look(&overview, taken.as_deref());
                let mut hint = keyer::hint_from_screen(&look, colour, &SCRATCH)?;
                self.settings.shape.apply(&mut hint, self.scale)?;
                masks.hold(hint.data_mut());
                (hint, "keyed from the screen".to_owned())
            }
        };
        if let Some(first) = hint.data().first()
            && is_everywhere(*first, hint.data())
        {
            words.push_str(&format!(", which is {first} everywhere"));
        }
        for name in self.guides.masks() {
            words.push_str(&format!(", {name}"));
        }
        Ok(Told {
            hint,
            screen: found,
            words,
            asking: match was_given {
                true => Asking::Hint,
                false => Asking::Mask(masks.inside),
            },
        })
    }

    /// The screen without the subject.
    ///
    /// # Errors
    /// When the plate shows no screen to speak of.
    pub(super) fn clean_plate(&self) -> Result<(ScreenPlate, Screen)> {
        let overview = self.overview()?;
        let masks = self.masks()?;
        let hint = self.given_hint()?.map(|(hint, _)| hint);
        let taken = masks.taken(hint.as_deref());
        let look = self.look(&overview, taken.as_deref());
        let screen = match self.settings.screen.named() {
            Some(screen) => screen,
            None => keyer::detect(&look)?,
        };
        let clean = keyer::screen_plate(&look, screen)?.ok_or_else(|| {
            Error::Clip(format!(
                "no {} screen was found in the plate, so that there is no clean plate of it to show. Name \
                 Screen Colour, or pick the colour in the viewer",
                screen.id()
            ))
        })?;
        Ok((clean, screen))
    }

    /// How the screen is looked at.
    pub(super) fn look<'b>(&self, plate: &'b Overview, taken: Option<&'b Planes>) -> Look<'b> {
        Look {
            plate,
            picked: self
                .settings
                .picked()
                .map(|colour| held(self.encoding, colour)),
            taken,
        }
    }

    /// The masks that are connected, over the frame.
    pub(super) fn masks(&self) -> Result<Masks> {
        let read = |guide: Option<Guide<'_>>| {
            let read = |guide: Guide<'_>| self.mask(&guide, HintChannel::Alpha);
            Ok::<_, Error>(guide.map(read).transpose()?.map(|(mask, _)| mask))
        };
        Ok(Masks {
            inside: read(self.guides.inside)?,
            outside: read(self.guides.outside)?,
        })
    }

    /// The hint that somebody gave, over the frame, and where it comes from: the Hint clip, or the
    /// plate's own alpha.
    fn given_hint(&self) -> Result<Option<(Lease<'static>, String)>> {
        if let Some(guide) = &self.guides.hint {
            let (hint, read) = self.mask(guide, self.settings.hint_channel)?;
            let of_frame = guide
                .borrowed
                .map_or_else(String::new, |time| format!(" at frame {time}"));
            let words = format!("{} of the Hint input{of_frame}", read.word());
            return Ok(Some((hint, words)));
        }
        if self.settings.hint_source != HintSource::SourceAlpha {
            return Ok(None);
        }
        if self.plate.view.components() == Components::Rgb {
            return Err(Error::Clip(
                "Hint Source is set to Source Alpha, but the picture on Source has no alpha. Put a rough \
                 matte into its alpha, connect one to Hint, or set Hint Source to Auto or Screen Key"
                    .into(),
            ));
        }
        let (hint, read) =
            self.limited(&self.plate, &[Channel::Alpha], HintChannel::Alpha, false)?;
        Ok(Some((hint, format!("{} of the plate", read.word()))))
    }

    /// A guide as a plane of 0..1 over the frame, and what of it was read.
    fn mask(&self, guide: &Guide<'_>, choice: HintChannel) -> Result<(Lease<'static>, HintRead)> {
        let image = &guide.placed;
        let channels = fetch::hint_channels(image.view.components());
        self.limited(image, channels, choice, guide.opaque)
    }

    fn limited(
        &self,
        image: &Placed<'_>,
        channels: &[Channel],
        choice: HintChannel,
        opaque: bool,
    ) -> Result<(Lease<'static>, HintRead)> {
        // Which channel speaks is decided on the clip's own pixels: the nothing around a small
        // clip would make an alpha that is solid everywhere look as if it said something.
        let bounds = image.view.bounds();
        let own = fetch::read(image, &image.grid, bounds, bounds, channels, &SCRATCH)?;
        let (hint, read) = keyer::hint_from_clip(&own, choice, opaque, &SCRATCH)?;
        drop(own);
        if bounds == self.frame && image.grid == self.grid {
            return Ok((hint, read));
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
        .map_err(|error| Error::Clip(format!("a hint or mask cannot be used: {error}")))?;
        let placed = Placed {
            view,
            grid: image.grid,
        };
        let alpha = &[Channel::Alpha];
        let (grid, region, frame) = (&self.grid, self.region, self.frame);
        let hint = fetch::read(&placed, grid, region, frame, alpha, &SCRATCH)?;
        Ok((hint, read))
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
