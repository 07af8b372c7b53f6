//! Where input pictures come from.
//!
//! A clip of an effect is fed by a [`ClipSource`]. The host asks it for whole frames at a render
//! scale and hands its memory to the plug-in without a copy when the format is one that the
//! plug-in takes.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::error::Result;
use super::image::{HostImage, Layout};
use crate::types::{Components, Depth, Field, Premultiplication, RectD, Scale};

/// What a source has to offer, the same for all its frames.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClipFormat {
    /// The channels of its pictures.
    pub components: Components,
    /// How they are stored.
    pub depth: Depth,
    /// What the colour has been multiplied by.
    pub premultiplication: Premultiplication,
    /// Width of a pixel over its height.
    pub pixel_aspect: f64,
    /// [`Field::None`] for progressive material, else which field comes first in time.
    pub field: Field,
    /// Frames per second.
    pub frame_rate: f64,
    /// First and last frame, both included.
    pub range: (f64, f64),
}

impl Default for ClipFormat {
    fn default() -> Self {
        Self {
            components: Components::Rgba,
            depth: Depth::Float,
            premultiplication: Premultiplication::Unpremultiplied,
            pixel_aspect: 1.0,
            field: Field::None,
            frame_rate: 24.0,
            range: (1.0, 100.0),
        }
    }
}

/// A sequence of pictures that can be connected to a clip.
///
/// The methods are called from whatever thread renders, several at once.
pub trait ClipSource: Send + Sync {
    /// What the source has to offer.
    fn format(&self) -> ClipFormat;

    /// The area of the picture at that time, in canonical coordinates.
    fn region_of_definition(&self, time: f64) -> RectD;

    /// The whole picture at that time and render scale; `None` when there is none.
    fn image(&self, time: f64, scale: Scale) -> Option<Arc<HostImage>>;
}

/// One picture for all times. Proxies are made by averaging when first asked for, and kept.
pub struct StillClip {
    image: Arc<HostImage>,
    format: ClipFormat,
    region: RectD,
    proxies: Mutex<Vec<Arc<HostImage>>>,
}

impl StillClip {
    /// A clip of this picture. The picture's own scale, pixel aspect, field and premultiplication
    /// count.
    #[must_use]
    pub fn new(image: impl Into<Arc<HostImage>>) -> Self {
        let image = image.into();
        Self {
            format: ClipFormat {
                components: image.components(),
                depth: image.depth(),
                premultiplication: image.premultiplication,
                pixel_aspect: image.pixel_aspect,
                field: image.field,
                ..ClipFormat::default()
            },
            region: RectD::from_pixels(image.bounds(), image.scale, image.pixel_aspect),
            image,
            proxies: Mutex::new(Vec::new()),
        }
    }

    /// The same with another range of frames, both included.
    #[must_use]
    pub fn with_range(mut self, first: f64, last: f64) -> Self {
        self.format.range = (first, last);
        self
    }

    /// The same with another frame rate.
    #[must_use]
    pub fn with_frame_rate(mut self, frames_per_second: f64) -> Self {
        self.format.frame_rate = frames_per_second;
        self
    }
}

impl fmt::Debug for StillClip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StillClip")
            .field("image", &self.image)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

impl ClipSource for StillClip {
    fn format(&self) -> ClipFormat {
        self.format
    }

    fn region_of_definition(&self, _time: f64) -> RectD {
        self.region
    }

    fn image(&self, _time: f64, scale: Scale) -> Option<Arc<HostImage>> {
        if scale == self.image.scale {
            return Some(Arc::clone(&self.image));
        }
        let mut proxies = self.proxies.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(proxy) = proxies.iter().find(|proxy| proxy.scale == scale) {
            return Some(Arc::clone(proxy));
        }
        match scaled(&self.image, scale) {
            Ok(proxy) => {
                let proxy = Arc::new(proxy);
                proxies.push(Arc::clone(&proxy));
                Some(proxy)
            }
            Err(error) => {
                log::warn!("no proxy of a still picture at {scale:?}: {error}");
                None
            }
        }
    }
}

/// The picture at another render scale, by area averaging, covering the same canonical area
/// (rounded outward to whole pixels).
///
/// # Errors
/// When the new picture cannot be had, see [`HostImage::new`].
pub fn scaled(image: &HostImage, scale: Scale) -> Result<HostImage> {
    let from = image.bounds();
    let region = RectD::from_pixels(from, image.scale, image.pixel_aspect);
    let to = region.to_pixels(scale, image.pixel_aspect);
    let layout = Layout {
        padding: 0,
        ..image.layout()
    };
    let across = weights(from.x1, from.x2, to.x1, to.x2, scale.x / image.scale.x);
    let down = weights(from.y1, from.y2, to.y1, to.y2, scale.y / image.scale.y);
    let width = from.width() as usize;
    let mut row = vec![0.0; width * 4];
    let mut column = vec![0.0; width * 4];
    let out_width = to.width() as usize;
    let mut rgba = vec![0.0; out_width * to.height() as usize * 4];
    for (y, sources) in (to.y1..to.y2).zip(&down) {
        column.fill(0.0);
        for (source, weight) in sources {
            if image.read_row(*source, &mut row) {
                for (sum, v) in column.iter_mut().zip(&row) {
                    *sum += weight * v;
                }
            }
        }
        // `rgba` is in top-down order.
        let start = to.y2.abs_diff(y) as usize - 1;
        let out = &mut rgba[start * out_width * 4..][..out_width * 4];
        for (pixel, sources) in out.chunks_exact_mut(4).zip(&across) {
            for (source, weight) in sources {
                let at = source.abs_diff(from.x1) as usize * 4;
                for (sum, v) in pixel.iter_mut().zip(&column[at..at + 4]) {
                    *sum += weight * v;
                }
            }
        }
    }
    let mut out = HostImage::from_rgba_f32(to, &rgba, layout)?;
    out.scale = scale;
    out.pixel_aspect = image.pixel_aspect;
    out.field = image.field;
    out.premultiplication = image.premultiplication;
    if !image.id.is_empty() {
        out.id = format!("{} @ {} x {}", image.id, scale.x, scale.y);
    }
    Ok(out)
}

/// For every pixel `to1..to2`, which pixels of `from1..from2` it covers and with what weight; the
/// weights of a pixel add up to 1.
fn weights(from1: i32, from2: i32, to1: i32, to2: i32, factor: f64) -> Vec<Vec<(i32, f32)>> {
    (to1..to2)
        .map(|to| {
            let low = (f64::from(to) / factor).max(f64::from(from1));
            let high = (f64::from(to + 1) / factor).min(f64::from(from2));
            let first = (low.floor() as i32).clamp(from1, from2 - 1);
            let last = (high.ceil() as i32 - 1).clamp(first, from2 - 1);
            let mut covered: Vec<(i32, f32)> = (first..=last)
                .map(|source| {
                    let part = high.min(f64::from(source + 1)) - low.max(f64::from(source));
                    (source, part.max(0.0) as f32)
                })
                .collect();
            let sum: f32 = covered.iter().map(|(_, weight)| weight).sum();
            if sum > 0.0 {
                covered.iter_mut().for_each(|(_, weight)| *weight /= sum);
            } else {
                covered = vec![(first, 1.0)];
            }
            covered
        })
        .collect()
}

/// A clip made of a function.
pub struct FnClip<F> {
    format: ClipFormat,
    region: RectD,
    image: F,
}

impl<F> FnClip<F>
where
    F: Fn(f64, Scale) -> Option<Arc<HostImage>> + Send + Sync,
{
    /// A clip with this format and (canonical) region whose pictures `image` makes.
    pub fn new(format: ClipFormat, region: RectD, image: F) -> Self {
        Self {
            format,
            region,
            image,
        }
    }
}

impl<F> fmt::Debug for FnClip<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FnClip")
            .field("format", &self.format)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

impl<F> ClipSource for FnClip<F>
where
    F: Fn(f64, Scale) -> Option<Arc<HostImage>> + Send + Sync,
{
    fn format(&self) -> ClipFormat {
        self.format
    }

    fn region_of_definition(&self, _time: f64) -> RectD {
        self.region
    }

    fn image(&self, time: f64, scale: Scale) -> Option<Arc<HostImage>> {
        (self.image)(time, scale)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;
    use crate::types::RectI;

    fn still() -> StillClip {
        let bounds = RectI::new(2, 4, 10, 8);
        let rgba: Vec<f32> = (0..8 * 4)
            .flat_map(|i| [(i % 8) as f32, (i / 8) as f32, 0.5, 1.0])
            .collect();
        StillClip::new(HostImage::from_rgba_f32(bounds, &rgba, Layout::default()).unwrap())
    }

    #[test]
    fn full_size_is_served_without_a_copy() {
        let clip = still();
        let first = clip.image(1.0, Scale::ONE).unwrap();
        let second = clip.image(7.0, Scale::ONE).unwrap();
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(
            clip.region_of_definition(1.0),
            RectD::new(2.0, 4.0, 10.0, 8.0)
        );
    }

    #[test]
    fn a_proxy_averages_and_is_kept() {
        let clip = still();
        let half = Scale { x: 0.5, y: 0.5 };
        let proxy = clip.image(1.0, half).unwrap();
        assert_eq!(proxy.bounds(), RectI::new(1, 2, 5, 4));
        // Columns 0 and 1 of the upper two rows.
        assert_eq!(proxy.pixel(1, 3).unwrap(), [0.5, 0.5, 0.5, 1.0]);
        assert_eq!(proxy.pixel(4, 2).unwrap(), [6.5, 2.5, 0.5, 1.0]);
        assert_eq!(proxy.scale, half);
        assert!(Arc::ptr_eq(&proxy, &clip.image(2.0, half).unwrap()));
        let third = Scale {
            x: 1.0 / 3.0,
            y: 1.0,
        };
        let odd = clip.image(1.0, third).unwrap();
        assert_eq!(odd.bounds(), RectI::new(0, 4, 4, 8));
        assert!((odd.pixel(0, 7).unwrap()[0] - 0.0).abs() < 1e-5);
        assert!((odd.pixel(1, 7).unwrap()[0] - 2.0).abs() < 1e-5);
    }
}
