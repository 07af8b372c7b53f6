//! The hint: a coarse mask of the subject, one plane, 0..1, that tells the network what to keep.
//!
//! Hints come in every shape: an alpha channel, a roto in the red channel, a black and white
//! picture with an alpha that is 1 everywhere. Reading the last one's alpha would mean "all of it
//! is subject". What decides is, in this order:
//!
//! 1. the clip's components, and the host's word that a clip is opaque (an RGB file that the host
//!    widened to RGBA, a clip whose premultiplication is Opaque): then alpha holds nothing and the
//!    brightness is the hint. Both are the same for all frames of a shot;
//! 2. of an RGBA clip of which the host says no such thing, alpha: beside a coloured picture (the
//!    plate itself, with a roto in alpha) also on frames where it is the same everywhere, because
//!    the subject is out of shot or fills it;
//! 3. only where alpha is the same everywhere *and* the picture is black and white, the lesser of
//!    alpha and brightness. An opaque matte then is read for what it shows; a roto that is empty on
//!    this frame stays empty whatever is beside it; a matte in all four channels is the same either
//!    way. So a shot changes its meaning in one case alone: black and white footage whose roto
//!    fills the whole frame. Naming the channel rules it out.

use rayon::prelude::*;

use super::error::Result;
use super::image::Planes;
use super::scratch::{Lease, Pool};
use super::settings::HintChannel;

/// Rec. 709 luminance of red, green and blue. Source: ITU-R BT.709-6, item 3.2.
const LUMINANCE: [f32; 3] = [0.2126, 0.7152, 0.0722];

/// Reads a hint from a clip's picture of one plane (alpha), three (red, green, blue) or four (and
/// alpha). Give the whole picture and nothing but it, neither a window of it nor one with a border
/// of zeros: the automatic choice looks at all of it. `opaque` is the host's word that alpha holds
/// nothing.
///
/// | channel | Alpha clip | RGB clip | RGBA clip |
/// |---|---|---|---|
/// | Auto | alpha | luminance | luminance when `opaque`; the lesser of alpha and luminance when alpha is the same everywhere and the picture is black and white; else alpha |
/// | Alpha | alpha | as Auto: there is none | alpha |
/// | Red, Luminance | alpha: there is no other | that | that |
///
/// The luminance of a grey pixel is exactly its grey. Values are limited to 0..1; NaN becomes 0.
/// Beside the hint stands what was read. The plane comes from `pool` and goes back to it.
///
/// # Errors
/// When the picture is empty or has another number of planes, or memory is short.
pub fn hint_from_clip<'p>(
    clip: &Planes,
    channel: HintChannel,
    opaque: bool,
    pool: &'p Pool,
) -> Result<(Lease<'p>, HintRead)> {
    clip.check("hint", &[1, 3, 4], "1, 3 or 4")?;
    let mut hint = pool.planes(clip.width(), clip.height(), 1)?;
    let read = source(clip, channel, opaque);
    match read {
        HintRead::Alpha => copy(clip.plane(clip.channels() - 1), &mut hint),
        HintRead::Red => copy(clip.plane(0), &mut hint),
        HintRead::Luminance => luminance(clip, &mut hint),
        HintRead::Capped => {
            luminance(clip, &mut hint);
            let alpha = clip.plane(3).par_chunks(CHUNK);
            let out = hint.data_mut().par_chunks_mut(CHUNK);
            out.zip(alpha).for_each(|(out, alpha)| {
                for (out, alpha) in out.iter_mut().zip(alpha) {
                    // A broken alpha caps nothing: it is no roto that is empty.
                    *out = out.min(*alpha).max(0.0);
                }
            });
        }
    }
    Ok((hint, read))
}

fn copy(plane: &[f32], hint: &mut Planes) {
    let out = hint.data_mut().par_chunks_mut(CHUNK);
    out.zip(plane.par_chunks(CHUNK)).for_each(|(out, values)| {
        for (out, value) in out.iter_mut().zip(values) {
            *out = limited(*value);
        }
    });
}

fn luminance(clip: &Planes, hint: &mut Planes) {
    let [red, green, blue] = [0, 1, 2].map(|c| clip.plane(c).par_chunks(CHUNK));
    let out = hint.data_mut().par_chunks_mut(CHUNK);
    out.zip(red)
        .zip(green)
        .zip(blue)
        .for_each(|(((out, red), green), blue)| {
            for (((out, red), green), blue) in out.iter_mut().zip(red).zip(green).zip(blue) {
                let [r, g, b] = LUMINANCE;
                *out = limited(if red == green && green == blue {
                    *red
                } else {
                    r * red + g * green + b * blue
                });
            }
        });
}

/// What of a clip was read as the hint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HintRead {
    /// Alpha.
    Alpha,
    /// Red.
    Red,
    /// Luminance.
    Luminance,
    /// Luminance, no more than an alpha that is the same everywhere.
    Capped,
}

impl HintRead {
    /// In a word, for a status line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Alpha => "alpha",
            Self::Red => "red",
            Self::Luminance | Self::Capped => "luminance",
        }
    }
}

/// Values that one task reads.
const CHUNK: usize = 1 << 16;

fn source(clip: &Planes, channel: HintChannel, opaque: bool) -> HintRead {
    match (clip.channels(), channel) {
        (1, _) | (4, HintChannel::Alpha) => HintRead::Alpha,
        (_, HintChannel::Red) => HintRead::Red,
        (3, _) | (_, HintChannel::Luminance) => HintRead::Luminance,
        (_, HintChannel::Auto | HintChannel::Alpha) => {
            if opaque {
                HintRead::Luminance
            } else if varies(clip.plane(3)) || !is_black_and_white(clip) {
                HintRead::Alpha
            } else {
                HintRead::Capped
            }
        }
    }
}

/// Mean difference of the channels up to which a picture counts as black and white. A matte that
/// went through a video codec has about a hundredth of chroma noise; a plate with a screen in it
/// has more than a tenth of colour.
const COLOURLESS: f64 = 0.04;

/// True when red, green and blue are the same but for a codec's noise. What is not finite says
/// nothing.
fn is_black_and_white(clip: &Planes) -> bool {
    let [red, green, blue] = [0, 1, 2].map(|c| clip.plane(c).par_chunks(CHUNK));
    let colour: f64 = red
        .zip(green)
        .zip(blue)
        .map(|((red, green), blue)| {
            let pixels = red.iter().zip(green).zip(blue);
            let spread = |((r, g), b): ((&f32, &f32), &f32)| {
                let spread = r.max(*g).max(*b) - r.min(*g).min(*b);
                if spread.is_finite() {
                    f64::from(spread.min(1.0))
                } else {
                    0.0
                }
            };
            pixels.map(spread).sum::<f64>()
        })
        .sum();
    colour <= COLOURLESS * clip.size().area() as f64
}

/// True when the values are not all the same. NaN says nothing.
fn varies(values: &[f32]) -> bool {
    let Some(first) = values.iter().find(|value| !value.is_nan()) else {
        return false;
    };
    values
        .par_chunks(CHUNK)
        .any(|values| values.iter().any(|value| value != first && !value.is_nan()))
}

fn limited(value: f32) -> f32 {
    // Not `clamp`: NaN becomes 0.
    if value > 0.0 { value.min(1.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    static POOL: Pool = Pool::new(1 << 20);

    fn rgba(pixels: &[[f32; 4]]) -> Planes {
        Planes::from_interleaved(pixels.len(), 1, 4, &pixels.concat()).unwrap()
    }

    fn read(clip: &Planes, channel: HintChannel) -> Vec<f32> {
        hint_from_clip(clip, channel, false, &POOL)
            .unwrap()
            .0
            .data()
            .to_vec()
    }

    #[test]
    fn an_opaque_matte_is_not_solid_white() {
        let opaque = rgba(&[[0.0, 0.0, 0.0, 1.0], [0.7, 0.7, 0.7, 1.0]]);
        assert_eq!(read(&opaque, HintChannel::Auto), [0.0, 0.7]);
        // Unless the user says so.
        assert_eq!(read(&opaque, HintChannel::Alpha), [1.0, 1.0]);
        // Nor with a broken pixel in its alpha.
        let broken = rgba(&[[0.1, 0.1, 0.1, f32::NAN], [0.7, 0.7, 0.7, 1.0]]);
        assert_eq!(read(&broken, HintChannel::Auto), [0.1, 0.7]);
        // The host's word is enough, whatever alpha and colour are like.
        let told = rgba(&[[0.2, 0.2, 0.2, 0.3], [0.0, 1.0, 0.0, 0.7]]);
        let (hint, read) = hint_from_clip(&told, HintChannel::Auto, true, &POOL).unwrap();
        assert_eq!(
            (hint.data().to_vec(), read),
            (vec![0.2, 0.7152], HintRead::Luminance)
        );
    }

    #[test]
    fn an_empty_roto_stays_empty_beside_black_and_white_footage() {
        let empty = rgba(&[[0.2, 0.2, 0.2, 0.0], [0.7, 0.7, 0.7, 0.0]]);
        assert_eq!(read(&empty, HintChannel::Auto), [0.0, 0.0]);
        let part = rgba(&[[0.2, 0.2, 0.2, 0.0], [0.7, 0.7, 0.7, 1.0]]);
        assert_eq!(read(&part, HintChannel::Auto), [0.0, 1.0]);
        // A matte in all four channels means the same by either rule.
        for all in [0.0, 0.4, 1.0] {
            let matte = rgba(&[[all; 4], [all; 4]]);
            assert_eq!(read(&matte, HintChannel::Auto), [all, all]);
        }
    }

    #[test]
    fn alpha_that_says_something_is_read() {
        let keyed = rgba(&[[1.0, 0.0, 0.0, 0.25], [1.0, 1.0, 1.0, 1.0]]);
        assert_eq!(read(&keyed, HintChannel::Auto), [0.25, 1.0]);
    }

    #[test]
    fn beside_a_coloured_picture_alpha_is_the_hint_though_it_is_the_same_everywhere() {
        for alpha in [0.0, 1.0] {
            let plate = rgba(&[[0.1, 0.6, 0.2, alpha], [0.7, 0.5, 0.4, alpha]]);
            let (hint, read) = hint_from_clip(&plate, HintChannel::Auto, false, &POOL).unwrap();
            assert_eq!(
                (hint.data().to_vec(), read),
                (vec![alpha; 2], HintRead::Alpha)
            );
        }
        // A codec's noise is no colour.
        let coded = rgba(&[[0.01, 0.0, 0.02, 1.0], [0.98, 1.0, 0.97, 1.0]]);
        let (hint, read) = hint_from_clip(&coded, HintChannel::Auto, false, &POOL).unwrap();
        assert_eq!(read, HintRead::Capped);
        assert!(hint.data()[0] < 0.02 && hint.data()[1] > 0.97);
    }

    #[test]
    fn colours_become_luminance_and_greys_stay_exact() {
        let grey = Planes::from_vec(2, 1, 3, [0.3, 0.9].repeat(3)).unwrap();
        assert_eq!(read(&grey, HintChannel::Auto), [0.3, 0.9]);
        let green = Planes::from_vec(1, 1, 3, vec![0.0, 1.0, 0.0]).unwrap();
        assert_eq!(read(&green, HintChannel::Auto), [0.7152]);
        assert_eq!(read(&green, HintChannel::Red), [0.0]);
        assert_eq!(read(&green, HintChannel::Alpha), [0.7152]);
    }

    #[test]
    fn a_clip_of_one_plane_has_no_other() {
        let alpha = Planes::from_vec(3, 1, 1, vec![0.0, 0.5, 1.0]).unwrap();
        for channel in HintChannel::ALL {
            assert_eq!(read(&alpha, *channel), [0.0, 0.5, 1.0]);
        }
    }

    #[test]
    fn values_are_limited_and_nan_is_nothing() {
        let odd = Planes::from_vec(
            5,
            1,
            1,
            vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.5, 1.5],
        );
        assert_eq!(
            read(&odd.unwrap(), HintChannel::Auto),
            [0.0, 1.0, 0.0, 0.0, 1.0]
        );
        let nan = rgba(&[[f32::NAN, 1.0, 1.0, 1.0]]);
        assert_eq!(read(&nan, HintChannel::Luminance), [0.0]);
    }

    #[test]
    fn other_clips_are_refused() {
        let two = Planes::new(2, 2, 2);
        let error = hint_from_clip(&two, HintChannel::Auto, false, &POOL).unwrap_err();
        assert_eq!(error.code(), "picture.channels");
    }
}
