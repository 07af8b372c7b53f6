//! The pictures that guide the key besides the plate: the hint, and the masks for what is surely
//! inside and what is surely outside. All are optional clips, and none is ever silently empty.

use ofx::{Clip, Components, Effect, Image, Premultiplication};

use super::fetch::{Grid, Placed};
use super::pictures::Gap;
use super::{HINT, INSIDE, OUTSIDE, Settings};
use crate::error::{Error, Result};
use crate::keyer::{HintMissing, HintSource};

/// A picture of one of the clips, as the host gave it.
struct Fetched<'a> {
    clip: Clip<'a>,
    image: Image<'a>,
    /// The frame that it is of, where that is not the one that is rendered.
    borrowed: Option<f64>,
}

/// What is connected for a frame; goes back to the host with this.
pub(super) struct GuideImages<'a> {
    hint: Option<Fetched<'a>>,
    inside: Option<Fetched<'a>>,
    outside: Option<Fetched<'a>>,
}

/// A hint or mask to read.
#[derive(Clone, Copy)]
pub(super) struct Guide<'a> {
    /// Its pixels, and where they lie.
    pub(super) placed: Placed<'a>,
    /// The frame that it is of, where that is not the one that is rendered.
    pub(super) borrowed: Option<f64>,
    /// The host's word that its alpha holds nothing.
    pub(super) opaque: bool,
}

/// The hint and the masks of a frame, as far as they are connected and asked for.
#[derive(Clone, Copy)]
pub(super) struct Guides<'a> {
    pub(super) hint: Option<Guide<'a>>,
    pub(super) inside: Option<Guide<'a>>,
    pub(super) outside: Option<Guide<'a>>,
}

impl<'a> GuideImages<'a> {
    /// Fetches what the settings ask for and the artist has connected.
    ///
    /// Auto decides by the connection of Hint alone, never by what the pixels look like.
    ///
    /// # Errors
    /// When Hint is asked for by name and not connected; a [`Gap`] when a connected clip has no
    /// image and none may be borrowed from another frame.
    pub(super) fn fetch(
        effect: Effect<'a>,
        settings: &Settings,
        time: f64,
    ) -> Result<std::result::Result<Self, Gap>> {
        let guide = |name| fetch(effect, name, settings.hint_missing, time);
        let hint = match settings.hint_source {
            HintSource::Auto => guide(HINT)?,
            HintSource::Hint => match guide(HINT)? {
                Ok(None) => return Err(not_connected()),
                found => found,
            },
            HintSource::SourceAlpha | HintSource::Screen => Ok(None),
        };
        let (inside, outside) = (guide(INSIDE)?, guide(OUTSIDE)?);
        let all = || {
            Ok(Self {
                hint: hint?,
                inside: inside?,
                outside: outside?,
            })
        };
        Ok(all())
    }

    /// What there is to read.
    pub(super) fn guides(&self) -> Guides<'_> {
        Guides {
            hint: self.hint.as_ref().map(Fetched::guide),
            inside: self.inside.as_ref().map(Fetched::guide),
            outside: self.outside.as_ref().map(Fetched::guide),
        }
    }
}

impl Fetched<'_> {
    fn guide(&self) -> Guide<'_> {
        Guide {
            placed: placed(&self.image, &self.clip),
            borrowed: self.borrowed,
            opaque: is_opaque(&self.clip, &self.image),
        }
    }
}

impl<'a> Guides<'a> {
    /// The hint and the masks.
    pub(super) fn all(&self) -> impl Iterator<Item = Guide<'a>> {
        [self.hint, self.inside, self.outside].into_iter().flatten()
    }

    /// The names of the masks that are connected.
    pub(super) fn masks(&self) -> impl Iterator<Item = &'static str> {
        [(INSIDE, self.inside), (OUTSIDE, self.outside)]
            .into_iter()
            .filter_map(|(name, guide)| guide.map(|_| name))
    }
}

/// An image with its place.
pub(super) fn placed<'a>(image: &'a Image<'_>, clip: &Clip<'_>) -> Placed<'a> {
    let grid = Grid {
        scale: image.render_scale(),
        pixel_aspect: image.pixel_aspect().unwrap_or_else(|| clip.pixel_aspect()),
    };
    Placed {
        view: image.view(),
        grid,
    }
}

fn not_connected() -> Error {
    Error::Clip(
        "Hint Source is set to Hint Input, but nothing is connected to Hint. Connect a rough matte, or set \
         Hint Source to Auto or Screen Key"
            .into(),
    )
}

/// A clip's picture; `None` where nothing is connected, a [`Gap`] where there is no picture.
fn fetch<'a>(
    effect: Effect<'a>,
    name: &str,
    missing: HintMissing,
    time: f64,
) -> Result<std::result::Result<Option<Fetched<'a>>, Gap>> {
    let Some(clip) = effect.clip_optional(name)?.filter(Clip::connected) else {
        return Ok(Ok(None));
    };
    let found = match (clip.fetch(time, None)?, missing) {
        (Some(image), _) => Some((image, None)),
        (None, HintMissing::Error) => None,
        (None, HintMissing::Nearest) => nearest(&clip, time)?,
    };
    let Some((image, borrowed)) = found else {
        let words = match missing {
            HintMissing::Error => format!(
                "the {name} input is connected but has no image at frame {time}. Extend it to the plate's range, \
                 disconnect it, or set Missing Hint to Nearest Frame"
            ),
            HintMissing::Nearest => format!(
                "the {name} input is connected but has no image at frame {time}, nor at any frame near it. Check what \
                 is connected to {name}, or disconnect it"
            ),
        };
        return Ok(Err(Gap(Error::Clip(words))));
    };
    Ok(Ok(Some(Fetched {
        clip,
        image,
        borrowed,
    })))
}

/// The host says so of the picture, or the host itself made the alpha of a clip that has none.
fn is_opaque(clip: &Clip<'_>, image: &Image<'_>) -> bool {
    let told = image
        .premultiplication()
        .or_else(|| clip.premultiplication());
    told == Some(Premultiplication::Opaque) || clip.unmapped_components() == Some(Components::Rgb)
}

/// So many frames are looked at in each direction.
const SEARCHED: i32 = 250;

/// The picture of the nearest frame that has one, within the clip's range; of two that are equally
/// near the earlier one.
fn nearest<'a>(clip: &Clip<'a>, time: f64) -> Result<Option<(Image<'a>, Option<f64>)>> {
    for other in times_near(time, clip.frame_range()) {
        if let Some(image) = clip.fetch(other, None)? {
            return Ok(Some((image, Some(other))));
        }
    }
    Ok(None)
}

/// The frames to look at, the nearest first.
fn times_near(time: f64, range: Option<(f64, f64)>) -> impl Iterator<Item = f64> {
    let within =
        move |other: &f64| range.is_none_or(|(first, last)| (first..=last).contains(other));
    let start = borrowable(time, range);
    let around = (1..=SEARCHED)
        .map(f64::from)
        .flat_map(move |steps| [start - steps, start + steps]);
    std::iter::once(start)
        .filter(move |start| *start != time)
        .chain(around)
        .filter(within)
}

/// The frame of a clip's range that is nearest to a time.
pub(super) fn borrowable(time: f64, range: Option<(f64, f64)>) -> f64 {
    range.map_or(time, |(first, last)| time.min(last).max(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_frames_come_first_and_none_is_outside_the_range() {
        let times = |time, range| times_near(time, range).collect::<Vec<_>>();
        assert_eq!(times(7.0, Some((1.0, 3.0))), [3.0, 2.0, 1.0]);
        assert_eq!(times(2.0, Some((1.0, 4.0))), [1.0, 3.0, 4.0]);
        assert_eq!(times(0.0, Some((5.0, 5.0))), [5.0]);
        assert_eq!(times(5.0, None)[..3], [4.0, 6.0, 3.0]);
        assert_eq!(times(5.0, None).len(), 2 * SEARCHED as usize);
    }
}
