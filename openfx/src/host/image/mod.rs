//! Pictures as the host keeps them: any depth, components, row order, padding and origin.
//!
//! A [`HostImage`] is what a clip serves and what a render returns. Its memory is laid out exactly
//! as the plug-in sees it, so that nothing is copied on the way.

mod buffer;
mod convert;
mod watch;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use self::buffer::Buffer;
use super::error::{HostError, Result};
use crate::types::{Components, Depth, Field, Premultiplication, RectI, Scale};

pub(crate) use watch::{Watch, hash};

/// How pixels lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Layout {
    /// How a channel is stored.
    pub depth: Depth,
    /// Which channels are stored, interleaved.
    pub components: Components,
    /// `false`: the bottom row comes first and row bytes are positive, as OpenFX has it by
    /// nature. `true`: the top row comes first and row bytes are negative.
    pub flipped: bool,
    /// Unused bytes at the end of every row; rounded up to a whole number of samples.
    pub padding: usize,
}

impl Layout {
    /// Float RGBA, bottom row first, no padding.
    pub const FLOAT_RGBA: Self = Self {
        depth: Depth::Float,
        components: Components::Rgba,
        flipped: false,
        padding: 0,
    };

    /// Bytes of one pixel.
    #[must_use]
    pub const fn pixel_bytes(&self) -> usize {
        self.depth.bytes() * self.components.count()
    }
}

impl Default for Layout {
    fn default() -> Self {
        Self::FLOAT_RGBA
    }
}

/// Counts pictures, so that each has a name of its own even where memory is used again.
static SERIALS: AtomicU64 = AtomicU64::new(1);

/// A picture in memory.
///
/// Rows are addressed by their OpenFX y coordinate (upwards, from `bounds().y1`), whatever their
/// order in memory. The memory is surrounded by guard bytes.
pub struct HostImage {
    bounds: RectI,
    layout: Layout,
    stride: usize,
    buffer: Buffer,
    /// The render scale at which the picture was made.
    pub scale: Scale,
    /// Width of a pixel over its height.
    pub pixel_aspect: f64,
    /// Which fields the picture holds.
    pub field: Field,
    /// What its colour has been multiplied by.
    pub premultiplication: Premultiplication,
    /// Told to the plug-in as `kOfxImagePropUniqueIdentifier`; two pictures with the same text
    /// must hold the same pixels. Empty = the host makes up one that no other picture has.
    pub id: String,
    serial: u64,
}

impl HostImage {
    /// A picture of zeros.
    ///
    /// # Errors
    /// [`HostError::Image`] when a side is longer than 2³⁰ or a row is longer than OpenFX can
    /// say, [`HostError::Memory`] when the memory cannot be had.
    pub fn new(bounds: RectI, layout: Layout) -> Result<Self> {
        Self::of(bounds, layout, Buffer::zeroed)
    }

    /// A picture of any values, to be written to wholly.
    ///
    /// # Errors
    /// Those of [`HostImage::new`].
    pub(crate) fn unwritten(bounds: RectI, layout: Layout) -> Result<Self> {
        Self::of(bounds, layout, Buffer::unwritten)
    }

    fn of(
        bounds: RectI,
        layout: Layout,
        buffer: impl FnOnce(usize, usize) -> Result<Buffer>,
    ) -> Result<Self> {
        let layout = Layout {
            padding: layout.padding.next_multiple_of(layout.depth.bytes()),
            ..layout
        };
        let (width, height) = (bounds.width() as usize, bounds.height() as usize);
        let sizes = width
            .checked_mul(layout.pixel_bytes())
            .and_then(|row| row.checked_add(layout.padding))
            .filter(|stride| i32::try_from(*stride).is_ok())
            .and_then(|stride| Some((stride, stride.checked_mul(height)?)))
            .filter(|_| width <= 1 << 30 && height <= 1 << 30);
        let (stride, len) = sizes.ok_or_else(|| {
            HostError::Image(format!(
                "a picture of {width} × {height} pixels of {} bytes is larger than OpenFX can \
                 describe",
                layout.pixel_bytes()
            ))
        })?;
        Ok(Self {
            bounds,
            layout,
            stride,
            // A whole row of margin: an error by one row, the commonest of all, stays inside.
            buffer: buffer(len, stride + 64)?,
            scale: Scale::ONE,
            pixel_aspect: 1.0,
            field: Field::None,
            premultiplication: if layout.components.has_alpha() {
                Premultiplication::Premultiplied
            } else {
                Premultiplication::Opaque
            },
            id: String::new(),
            serial: SERIALS.fetch_add(1, Ordering::Relaxed),
        })
    }

    /// A picture from interleaved RGBA floats, four values a pixel, the *highest* row first.
    ///
    /// # Errors
    /// Those of [`HostImage::new`], and [`HostError::Image`] when `rgba` has another length than
    /// the bounds say.
    pub fn from_rgba_f32(bounds: RectI, rgba: &[f32], layout: Layout) -> Result<Self> {
        let mut image = Self::new(bounds, layout)?;
        let width = bounds.width() as usize;
        if rgba.len() != width * bounds.height() as usize * 4 {
            return Err(HostError::Image(format!(
                "{} floats are not a picture of {width} × {} RGBA pixels",
                rgba.len(),
                bounds.height()
            )));
        }
        if rgba.is_empty() {
            return Ok(image);
        }
        let mut scratch = Vec::new();
        let Layout {
            depth, components, ..
        } = image.layout;
        for (row, y) in rgba
            .chunks_exact(width * 4)
            .zip((bounds.y1..bounds.y2).rev())
        {
            if let Some(bytes) = image.row_mut(y) {
                convert::write(depth, components, row, bytes, &mut scratch);
            }
        }
        Ok(image)
    }

    /// The pixels as interleaved RGBA floats, the *highest* row first. Integers become 0..=1, a
    /// missing alpha is 1, missing colour is 0.
    #[must_use]
    pub fn to_rgba_f32(&self) -> Vec<f32> {
        if let Some(pixels) = self.as_rgba_f32() {
            return pixels.to_vec();
        }
        let width = self.bounds.width() as usize;
        let mut rgba = vec![0.0; width * self.bounds.height() as usize * 4];
        if rgba.is_empty() {
            return rgba;
        }
        let mut scratch = Vec::new();
        for (out, y) in rgba
            .chunks_exact_mut(width * 4)
            .zip((self.bounds.y1..self.bounds.y2).rev())
        {
            if let Some(row) = self.row(y) {
                let Layout {
                    depth, components, ..
                } = self.layout;
                convert::read(depth, components, row, out, &mut scratch);
            }
        }
        rgba
    }

    /// The pixels themselves, without a copy, when they already are what
    /// [`HostImage::to_rgba_f32`] would make: float RGBA, the highest row first, no padding.
    #[must_use]
    pub fn as_rgba_f32(&self) -> Option<&[f32]> {
        (self.layout.flipped
            && self.layout.padding == 0
            && self.layout.components == Components::Rgba)
            .then(|| convert::floats(self.layout.depth, self.buffer.bytes()))
            .flatten()
    }

    /// The pixel at (x, y) as RGBA; `None` outside the bounds.
    #[must_use]
    pub fn pixel(&self, x: i32, y: i32) -> Option<[f32; 4]> {
        if !self.bounds.contains(x, y) {
            return None;
        }
        let size = self.layout.pixel_bytes();
        let start = x.abs_diff(self.bounds.x1) as usize * size;
        let mut rgba = [0.0; 4];
        convert::read(
            self.layout.depth,
            self.layout.components,
            self.row(y)?.get(start..start + size)?,
            &mut rgba,
            &mut Vec::new(),
        );
        Some(rgba)
    }

    /// Reads row `y` into interleaved RGBA floats, four values a pixel; `false` (and nothing
    /// written) outside the bounds or when `rgba` is not exactly one row long.
    pub fn read_row(&self, y: i32, rgba: &mut [f32]) -> bool {
        match self.row(y) {
            Some(row) if rgba.len() == self.bounds.width() as usize * 4 => {
                let Layout {
                    depth, components, ..
                } = self.layout;
                convert::read(depth, components, row, rgba, &mut Vec::new());
                true
            }
            _ => false,
        }
    }

    /// The area that the picture covers, in pixels.
    #[must_use]
    pub fn bounds(&self) -> RectI {
        self.bounds
    }

    /// How the pixels lie in memory.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// How a channel is stored.
    #[must_use]
    pub fn depth(&self) -> Depth {
        self.layout.depth
    }

    /// Which channels are stored.
    #[must_use]
    pub fn components(&self) -> Components {
        self.layout.components
    }

    /// Bytes from a row to the one above it; negative when the top row comes first.
    #[must_use]
    pub fn row_bytes(&self) -> isize {
        // `new` keeps a row within the range of an `i32`.
        let stride = self.stride as isize;
        if self.layout.flipped { -stride } else { stride }
    }

    /// The bytes of row `y` as stored, without padding; `None` outside the bounds.
    #[must_use]
    pub fn row(&self, y: i32) -> Option<&[u8]> {
        let range = self.row_range(y)?;
        self.buffer.bytes().get(range)
    }

    /// As [`HostImage::row`], to write.
    pub fn row_mut(&mut self, y: i32) -> Option<&mut [u8]> {
        let range = self.row_range(y)?;
        self.buffer.bytes_mut().get_mut(range)
    }

    /// The samples of row `y` of a float picture; `None` for another depth or outside the bounds.
    #[must_use]
    pub fn row_f32(&self, y: i32) -> Option<&[f32]> {
        convert::floats(self.layout.depth, self.row(y)?)
    }

    /// As [`HostImage::row_f32`], to write.
    pub fn row_f32_mut(&mut self, y: i32) -> Option<&mut [f32]> {
        let depth = self.layout.depth;
        convert::floats_mut(depth, self.row_mut(y)?)
    }

    /// The same pixels in another layout, cut (or extended by zeros) to other bounds. Channels
    /// that the layout lacks are dropped; a new alpha is 1 and new colour 0.
    ///
    /// # Errors
    /// Those of [`HostImage::new`].
    pub fn converted(&self, bounds: RectI, layout: Layout) -> Result<Self> {
        let mut out = Self::new(bounds, layout)?;
        out.scale = self.scale;
        out.pixel_aspect = self.pixel_aspect;
        out.field = self.field;
        out.premultiplication = match (layout.components, self.layout.components) {
            (Components::Rgb, _) | (_, Components::Rgb) => Premultiplication::Opaque,
            _ => self.premultiplication,
        };
        let both = bounds.intersect(&self.bounds);
        let pixels = both.width() as usize;
        let same = layout.depth == self.layout.depth && layout.components == self.layout.components;
        let span = |image: &Self| {
            let size = image.layout.pixel_bytes();
            let start = both.x1.abs_diff(image.bounds.x1) as usize * size;
            start..start + pixels * size
        };
        let (from_span, to_span) = (span(self), span(&out));
        let mut rgba = vec![0.0; if same { 0 } else { pixels * 4 }];
        let mut scratch = Vec::new();
        let to = out.layout;
        for y in both.y1..both.y2 {
            let (Some(from), Some(row)) = (
                self.row(y).and_then(|row| row.get(from_span.clone())),
                out.row_mut(y).and_then(|row| row.get_mut(to_span.clone())),
            ) else {
                continue;
            };
            if same {
                row.copy_from_slice(from);
            } else {
                let Layout {
                    depth, components, ..
                } = self.layout;
                convert::read(depth, components, from, &mut rgba, &mut scratch);
                convert::write(to.depth, to.components, &rgba, row, &mut scratch);
            }
        }
        Ok(out)
    }

    /// A name that only pictures with the same pixels have.
    pub(crate) fn name(&self) -> String {
        if self.id.is_empty() {
            format!("picture {}", self.serial)
        } else {
            self.id.clone()
        }
    }

    /// The address of the pixel (x1, y1), as `kOfxImagePropData` has it.
    pub(crate) fn data(&self) -> *mut u8 {
        let rows = self.bounds.height() as usize;
        let first = if self.layout.flipped && rows > 0 {
            (rows - 1) * self.stride
        } else {
            0
        };
        // SAFETY: the offset is that of a row inside the buffer, or 0.
        unsafe { self.buffer.as_ptr().add(first) }
    }

    fn row_range(&self, y: i32) -> Option<std::ops::Range<usize>> {
        if y < self.bounds.y1 || y >= self.bounds.y2 {
            return None;
        }
        let index = if self.layout.flipped {
            self.bounds.y2.abs_diff(y) as usize - 1
        } else {
            y.abs_diff(self.bounds.y1) as usize
        };
        let start = index * self.stride;
        Some(start..start + self.stride - self.layout.padding)
    }
}

impl fmt::Debug for HostImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostImage")
            .field("bounds", &self.bounds)
            .field("layout", &self.layout)
            .field("scale", &self.scale)
            .field("pixel_aspect", &self.pixel_aspect)
            .field("field", &self.field)
            .field("premultiplication", &self.premultiplication)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
