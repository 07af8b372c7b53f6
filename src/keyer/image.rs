//! Pictures as the keyer sees them: planes of `f32`, top-down.
//!
//! Planar, because every formula works on whole rows of one channel, which is what compilers
//! vectorise; `f32` without limits, because plates carry values above 1 and below 0. Row 0 is the
//! top of the picture (the *highest* y of an OpenFX image): whoever fills planes from a host turns
//! the rows round there, once, and nothing in here knows about it.

use std::fmt;
use std::ops::Range;

use super::error::{Error, Result};

/// Width and height in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Size {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl Size {
    /// `width` × `height` pixels.
    pub const fn new(width: usize, height: usize) -> Self {
        Self { width, height }
    }

    /// The number of pixels.
    pub const fn area(self) -> usize {
        self.width * self.height
    }

    /// The longer side.
    pub fn long(self) -> usize {
        self.width.max(self.height)
    }

    /// True when there is no pixel.
    pub const fn is_empty(self) -> bool {
        self.width == 0 || self.height == 0
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// A rectangle of pixels, top-down, half open: `x0 <= x < x1`, `y0 <= y < y1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Window {
    /// First column.
    pub x0: usize,
    /// First row (the topmost).
    pub y0: usize,
    /// One past the last column.
    pub x1: usize,
    /// One past the last row.
    pub y1: usize,
}

impl Window {
    /// The whole of a picture.
    pub const fn full(size: Size) -> Self {
        Self {
            x0: 0,
            y0: 0,
            x1: size.width,
            y1: size.height,
        }
    }

    /// The columns.
    pub fn columns(&self) -> Range<usize> {
        self.x0..self.x1
    }

    /// The rows.
    pub fn rows(&self) -> Range<usize> {
        self.y0..self.y1
    }

    /// Its size; 0 where it is turned inside out.
    pub fn size(&self) -> Size {
        Size::new(
            self.x1.saturating_sub(self.x0),
            self.y1.saturating_sub(self.y0),
        )
    }

    /// `Ok` when the window is not inside out and lies within a picture of `size`.
    ///
    /// # Errors
    /// [`Error::Window`] otherwise.
    pub fn check(&self, size: Size) -> Result<()> {
        if self.x0 <= self.x1
            && self.y0 <= self.y1
            && self.x1 <= size.width
            && self.y1 <= size.height
        {
            Ok(())
        } else {
            Err(Error::Window {
                window: *self,
                size,
            })
        }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}-{},{}", self.x0, self.y0, self.x1, self.y1)
    }
}

/// A picture: `channels` planes of `height` rows of `width` values, one after the other.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Planes {
    width: usize,
    height: usize,
    channels: usize,
    data: Vec<f32>,
}

impl Planes {
    /// A picture of zeros.
    pub fn new(width: usize, height: usize, channels: usize) -> Self {
        Self {
            width,
            height,
            channels,
            data: vec![0.0; width * height * channels],
        }
    }

    /// A picture of zeros, for sizes that a host or a file decides.
    ///
    /// # Errors
    /// [`Error::Memory`] when the system does not give so much.
    pub fn try_new(width: usize, height: usize, channels: usize) -> Result<Self> {
        let data = zeros(Size::new(width, height), channels)?;
        Ok(Self::of_exact(width, height, channels, data))
    }

    /// A picture from its values: plane after plane, each row after row from the top.
    ///
    /// # Errors
    /// [`Error::BufferLength`] when `data` is not `width * height * channels` long.
    pub fn from_vec(width: usize, height: usize, channels: usize, data: Vec<f32>) -> Result<Self> {
        let expected = width * height * channels;
        if data.len() != expected {
            return Err(Error::BufferLength {
                size: Size::new(width, height),
                channels,
                expected,
                found: data.len(),
            });
        }
        Ok(Self {
            width,
            height,
            channels,
            data,
        })
    }

    /// A picture from a buffer that is known to be of the right length.
    pub(crate) fn of_exact(width: usize, height: usize, channels: usize, data: Vec<f32>) -> Self {
        debug_assert_eq!(data.len(), width * height * channels);
        Self {
            width,
            height,
            channels,
            data,
        }
    }

    /// A picture from interleaved pixels (`RGBRGB…`), rows from the top.
    ///
    /// # Errors
    /// [`Error::BufferLength`] when `pixels` is not `width * height * channels` long.
    pub fn from_interleaved(
        width: usize,
        height: usize,
        channels: usize,
        pixels: &[f32],
    ) -> Result<Self> {
        let mut planes = Self::from_vec(width, height, channels, pixels.to_vec())?;
        for channel in 0..channels {
            for (value, pixel) in planes
                .plane_mut(channel)
                .iter_mut()
                .zip(pixels.chunks_exact(channels))
            {
                *value = pixel[channel];
            }
        }
        Ok(planes)
    }

    /// The picture as interleaved pixels, rows from the top.
    pub fn to_interleaved(&self) -> Vec<f32> {
        let mut pixels = vec![0.0; self.data.len()];
        for channel in 0..self.channels {
            for (pixel, value) in pixels
                .chunks_exact_mut(self.channels)
                .zip(self.plane(channel))
            {
                pixel[channel] = *value;
            }
        }
        pixels
    }

    /// Values in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Planes.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Width and height.
    pub fn size(&self) -> Size {
        Size::new(self.width, self.height)
    }

    /// All values: plane after plane.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// All values, to write.
    pub fn data_mut(&mut self) -> &mut [f32] {
        &mut self.data
    }

    /// The values themselves.
    pub fn into_vec(self) -> Vec<f32> {
        self.data
    }

    /// One plane, row after row.
    ///
    /// # Panics
    /// When there is no such channel.
    pub fn plane(&self, channel: usize) -> &[f32] {
        let area = self.width * self.height;
        &self.data[channel * area..(channel + 1) * area]
    }

    /// One plane, to write.
    ///
    /// # Panics
    /// When there is no such channel.
    pub fn plane_mut(&mut self, channel: usize) -> &mut [f32] {
        let area = self.width * self.height;
        &mut self.data[channel * area..(channel + 1) * area]
    }

    /// One row of one plane.
    ///
    /// # Panics
    /// When there is no such channel or row.
    pub fn row(&self, channel: usize, y: usize) -> &[f32] {
        let start = (channel * self.height + y) * self.width;
        &self.data[start..start + self.width]
    }

    /// One row of one plane, to write.
    ///
    /// # Panics
    /// When there is no such channel or row.
    pub fn row_mut(&mut self, channel: usize, y: usize) -> &mut [f32] {
        let start = (channel * self.height + y) * self.width;
        &mut self.data[start..start + self.width]
    }

    /// The first `N` planes at once, to write.
    ///
    /// # Panics
    /// When there are fewer than `N`.
    pub fn planes_mut<const N: usize>(&mut self) -> [&mut [f32]; N] {
        let area = self.width * self.height;
        let mut rest = self.data.as_mut_slice();
        std::array::from_fn(|_| {
            let (plane, after) = std::mem::take(&mut rest).split_at_mut(area);
            rest = after;
            plane
        })
    }

    /// `Ok` when the picture has pixels and one of the numbers of channels given.
    pub(crate) fn check(
        &self,
        what: &'static str,
        channels: &[usize],
        words: &'static str,
    ) -> Result<()> {
        if self.size().is_empty() {
            return Err(Error::Empty {
                what,
                size: self.size(),
            });
        }
        if !channels.contains(&self.channels) {
            return Err(Error::Channels {
                what,
                expected: words,
                found: self.channels,
            });
        }
        Ok(())
    }

    /// `Ok` when the picture has the size given.
    pub(crate) fn check_size(&self, what: &'static str, expected: Size) -> Result<()> {
        if self.size() == expected {
            Ok(())
        } else {
            Err(Error::SizeMismatch {
                what,
                expected,
                found: self.size(),
            })
        }
    }
}

/// Zeros for a picture. Large blocks come fresh from the system and are not written to here.
pub(super) fn zeros(size: Size, channels: usize) -> Result<Vec<f32>> {
    let refused = || Error::Memory {
        size,
        megabytes: (size.width as u64)
            .saturating_mul(size.height as u64)
            .saturating_mul(4 * channels as u64)
            .div_ceil(1 << 20),
    };
    let length = size
        .width
        .checked_mul(size.height)
        .and_then(|area| area.checked_mul(channels))
        .ok_or_else(refused)?;
    bytemuck::allocation::try_zeroed_vec(length).map_err(|()| refused())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn planes_lie_one_after_the_other_from_the_top() {
        let pixels: Vec<f32> = (0..12).map(|v| v as f32).collect();
        let planes = Planes::from_interleaved(2, 2, 3, &pixels).unwrap();
        assert_eq!(planes.plane(0), [0.0, 3.0, 6.0, 9.0]);
        assert_eq!(planes.row(2, 1), [8.0, 11.0]);
        assert_eq!(planes.to_interleaved(), pixels);
    }

    #[test]
    fn planes_mut_are_the_planes() {
        let mut planes = Planes::new(3, 2, 3);
        let [a, b, c] = planes.planes_mut();
        a.fill(1.0);
        b.fill(2.0);
        c.fill(3.0);
        assert_eq!(planes.plane(1), [2.0; 6]);
        assert_eq!(planes.row(2, 1), [3.0; 3]);
    }

    #[test]
    fn a_wrong_length_is_refused() {
        let error = Planes::from_vec(4, 4, 3, vec![0.0; 16]).unwrap_err();
        assert_eq!(error.code(), "picture.buffer");
    }

    #[test]
    fn what_the_system_does_not_give_is_an_error() {
        for side in [1 << 27, usize::MAX / 2] {
            let error = Planes::try_new(side, side, 3).unwrap_err();
            assert_eq!(error.code(), "picture.memory");
        }
    }

    #[test]
    fn windows_are_checked_against_the_picture() {
        let size = Size::new(10, 5);
        assert!(Window::full(size).check(size).is_ok());
        for (x0, y0, x1, y1) in [(0, 0, 11, 5), (0, 0, 10, 6), (6, 0, 5, 5), (0, 3, 10, 2)] {
            let window = Window { x0, y0, x1, y1 };
            assert_eq!(window.check(size).unwrap_err().code(), "picture.window");
        }
    }
}
