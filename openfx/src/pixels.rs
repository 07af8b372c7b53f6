//! Pixels in a host's memory, seen through the description that the host gives of them.
//!
//! OpenFX images are y-up: the data pointer is the pixel at (x1, y1), the lower left corner, and
//! the next row up lies `row_bytes` further, which is negative where a host stores its pictures
//! from the top. Rows may be padded and bounds may start anywhere. All of that ends here: the
//! views speak of rows by their y and of planes of `f32`.
//!
//! A view is checked once, when it is made; after that reading and writing is safe and may go on
//! in any number of threads.

use std::ffi::c_void;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::slice;

use half::f16;

use crate::convert::{Pick, join_f32, join_stored, split_f32, split_stored, stream_f32};
use crate::types::{Components, Depth, RectI};

/// A channel of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channel {
    /// Red.
    Red,
    /// Green.
    Green,
    /// Blue.
    Blue,
    /// Alpha.
    Alpha,
}

impl Channel {
    /// Red, green, blue.
    pub const RGB: [Self; 3] = [Self::Red, Self::Green, Self::Blue];
    /// Red, green, blue, alpha.
    pub const RGBA: [Self; 4] = [Self::Red, Self::Green, Self::Blue, Self::Alpha];

    fn pick(self, components: Components) -> Pick {
        match (components, self) {
            (Components::Alpha, Self::Alpha) => Pick::Component(0),
            (Components::Alpha, _) => Pick::Constant(0.0),
            (Components::Rgb, Self::Alpha) => Pick::Constant(1.0),
            (_, Self::Red) => Pick::Component(0),
            (_, Self::Green) => Pick::Component(1),
            (_, Self::Blue) => Pick::Component(2),
            (Components::Rgba, Self::Alpha) => Pick::Component(3),
        }
    }
}

/// A description of pixels that cannot be true.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// The data pointer is null.
    #[error("its data pointer is null")]
    Null,
    /// The data or the rows do not start where values of this depth can.
    #[error(
        "its data (at a multiple of {address}) or its row bytes ({row_bytes}) do not fit values \
         of {bytes} bytes"
    )]
    Misaligned {
        /// Largest power of two, at most 8, that divides the data's address.
        address: usize,
        /// Bytes from one row to the next.
        row_bytes: isize,
        /// Bytes of one channel.
        bytes: usize,
    },
    /// Rows overlap.
    #[error("its row bytes ({row_bytes}) are less than the {needed} bytes of a row")]
    Overlapping {
        /// Bytes from one row to the next.
        row_bytes: isize,
        /// Bytes of a row's pixels.
        needed: usize,
    },
    /// The picture is larger than the address space.
    #[error("its bounds {bounds} are too large")]
    TooLarge {
        /// The bounds.
        bounds: RectI,
    },
    /// The picture is larger than the memory given for it.
    #[error("it needs {needed} bytes and has {given}")]
    OutOfBuffer {
        /// Bytes that the description needs.
        needed: usize,
        /// Bytes that there are.
        given: usize,
    },
}

/// A checked description of pixels in memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    /// The pixel at (x1, y1).
    origin: NonNull<c_void>,
    pub(crate) bounds: RectI,
    pub(crate) depth: Depth,
    pub(crate) components: Components,
    pub(crate) row_bytes: isize,
}

impl Layout {
    /// Checks everything that can be checked without touching the memory.
    pub(crate) fn new(
        origin: *mut c_void,
        bounds: RectI,
        depth: Depth,
        components: Components,
        row_bytes: isize,
    ) -> Result<Self, LayoutError> {
        let origin = NonNull::new(origin).ok_or(LayoutError::Null)?;
        let layout = Self {
            origin,
            bounds,
            depth,
            components,
            row_bytes,
        };
        if bounds.is_empty() {
            return Ok(layout);
        }
        let (below, above) = layout.reach()?;
        let (bytes, address) = (depth.bytes(), origin.addr().get());
        let several = bounds.height() > 1;
        if several && row_bytes.unsigned_abs() < layout.row_len() {
            return Err(LayoutError::Overlapping {
                row_bytes,
                needed: layout.row_len(),
            });
        }
        if !address.is_multiple_of(bytes)
            || (several && !row_bytes.unsigned_abs().is_multiple_of(bytes))
        {
            return Err(LayoutError::Misaligned {
                address: 1 << address.trailing_zeros().min(3),
                row_bytes,
                bytes,
            });
        }
        if address < below || address.checked_add(above).is_none() {
            return Err(LayoutError::TooLarge { bounds });
        }
        Ok(layout)
    }

    fn pixel_bytes(&self) -> usize {
        self.depth.bytes() * self.components.count()
    }

    /// Bytes of one row's pixels. Checked by `reach` not to overflow.
    fn row_len(&self) -> usize {
        self.bounds.width() as usize * self.pixel_bytes()
    }

    /// How many bytes the picture reaches below and above its origin's address.
    fn reach(&self) -> Result<(usize, usize), LayoutError> {
        let too_large = || LayoutError::TooLarge {
            bounds: self.bounds,
        };
        if self.bounds.is_empty() {
            return Ok((0, 0));
        }
        let row = (self.bounds.width() as usize)
            .checked_mul(self.pixel_bytes())
            .ok_or_else(too_large)?;
        let rows = (self.bounds.height() as usize - 1)
            .checked_mul(self.row_bytes.unsigned_abs())
            .ok_or_else(too_large)?;
        let total = rows.checked_add(row).ok_or_else(too_large)?;
        if isize::try_from(total).is_err() {
            return Err(too_large());
        }
        Ok(if self.row_bytes < 0 {
            (rows, row)
        } else {
            (0, total)
        })
    }

    /// The first pixel of the row at `y`; `None` outside the bounds.
    fn row(&self, y: i32) -> Option<NonNull<c_void>> {
        if self.bounds.is_empty() || y < self.bounds.y1 || y >= self.bounds.y2 {
            return None;
        }
        let up = isize::try_from(y.abs_diff(self.bounds.y1)).ok()?;
        // SAFETY: within the picture, whose reach was checked not to overflow.
        Some(unsafe { self.origin.byte_offset(up * self.row_bytes) })
    }
}

/// Pixels that can be read: a small value to hand around, also to other threads.
#[derive(Debug, Clone, Copy)]
pub struct ImageView<'a> {
    layout: Layout,
    _pixels: PhantomData<&'a [u8]>,
}

// SAFETY: a view only reads memory that nothing changes during 'a, like a shared slice.
unsafe impl Send for ImageView<'_> {}
// SAFETY: as above.
unsafe impl Sync for ImageView<'_> {}

impl<'a> ImageView<'a> {
    /// # Safety
    /// As for [`ImageView::from_raw_parts`].
    pub(crate) unsafe fn of(layout: Layout) -> Self {
        Self {
            layout,
            _pixels: PhantomData,
        }
    }

    /// A view of pixels described by a pointer to the pixel at (x1, y1).
    ///
    /// # Errors
    /// A [`LayoutError`] when the description cannot be true.
    ///
    /// # Safety
    /// Every row of the description is readable memory that nothing changes during `'a`.
    pub unsafe fn from_raw_parts(
        origin: *const c_void,
        bounds: RectI,
        depth: Depth,
        components: Components,
        row_bytes: isize,
    ) -> Result<Self, LayoutError> {
        Ok(Self {
            layout: Layout::new(origin.cast_mut(), bounds, depth, components, row_bytes)?,
            _pixels: PhantomData,
        })
    }

    /// A view of pixels in a slice. With negative row bytes the first row of the slice is the
    /// topmost one, otherwise the lowest.
    ///
    /// # Errors
    /// A [`LayoutError`] when the description does not fit the slice.
    pub fn from_bytes(
        bytes: &'a [u8],
        bounds: RectI,
        depth: Depth,
        components: Components,
        row_bytes: isize,
    ) -> Result<Self, LayoutError> {
        let origin = origin_in(
            bytes.as_ptr(),
            bytes.len(),
            bounds,
            depth,
            components,
            row_bytes,
        )?;
        // SAFETY: the slice holds every row, as was just checked, for 'a.
        unsafe { Self::from_raw_parts(origin.cast(), bounds, depth, components, row_bytes) }
    }

    /// The pixels that the image has.
    #[must_use]
    pub fn bounds(&self) -> RectI {
        self.layout.bounds
    }

    /// How each channel is stored.
    #[must_use]
    pub fn depth(&self) -> Depth {
        self.layout.depth
    }

    /// The channels of a pixel.
    #[must_use]
    pub fn components(&self) -> Components {
        self.layout.components
    }

    /// Bytes from one row to the next one up; negative when the picture is stored from the top.
    #[must_use]
    pub fn row_bytes(&self) -> isize {
        self.layout.row_bytes
    }

    /// Bytes of one pixel.
    #[must_use]
    pub fn pixel_bytes(&self) -> usize {
        self.layout.pixel_bytes()
    }

    /// Reads pixels `x1 ..` of the row at `y` into planes, one for each of `channels`.
    ///
    /// Integers are scaled to 0 … 1, halves widened, floats copied (NaN and infinities too).
    /// Outside the bounds every channel is 0. Inside, an RGB image has alpha 1 and an Alpha image
    /// has black colour.
    ///
    /// # Panics
    /// When there are not as many planes as channels, or the planes differ in length.
    pub fn read_row(&self, y: i32, x1: i32, channels: &[Channel], planes: &mut [&mut [f32]]) {
        assert_eq!(channels.len(), planes.len(), "one plane for each channel");
        let Some(width) = planes.first().map(|plane| plane.len()) else {
            return;
        };
        assert!(
            planes.iter().all(|plane| plane.len() == width),
            "planes of one length"
        );
        let bounds = self.bounds();
        // Both ends in planes' coordinates; i64 so that no bounds overflow.
        let inside = |x: i32| (i64::from(x) - i64::from(x1)).clamp(0, width as i64) as usize;
        let (start, end) = (inside(bounds.x1), inside(bounds.x2));
        let Some(row) = self.layout.row(y).filter(|_| start < end) else {
            for plane in planes {
                plane.fill(0.0);
            }
            return;
        };
        for plane in planes.iter_mut() {
            plane[..start].fill(0.0);
            plane[end..].fill(0.0);
        }
        let skip = (i64::from(x1) + start as i64 - i64::from(bounds.x1)) as usize;
        // At most as many picks as a picture has uses for; longer lists go in parts.
        for (channels, planes) in channels.chunks(4).zip(planes.chunks_mut(4)) {
            let mut picks = [Pick::Constant(0.0); 4];
            for (pick, channel) in picks.iter_mut().zip(channels) {
                *pick = channel.pick(self.components());
            }
            let picks = &picks[..channels.len()];
            match self.components() {
                Components::Rgba => self.split::<4>(row, skip, start, end, picks, planes),
                Components::Rgb => self.split::<3>(row, skip, start, end, picks, planes),
                Components::Alpha => self.split::<1>(row, skip, start, end, picks, planes),
            }
        }
    }

    /// Splits pixels `skip ..` of a row of `C` components into `planes[..][start..end]`.
    fn split<const C: usize>(
        &self,
        row: NonNull<c_void>,
        skip: usize,
        start: usize,
        end: usize,
        picks: &[Pick],
        planes: &mut [&mut [f32]],
    ) {
        let (first, len) = (skip * C, (end - start) * C);
        macro_rules! values {
            ($type:ty) => {
                // SAFETY: the row has at least skip + (end - start) pixels of C aligned values,
                // readable for 'a; every bit pattern is a value of the type.
                unsafe { slice::from_raw_parts(row.cast::<$type>().add(first).as_ptr(), len) }
            };
        }
        match self.depth() {
            Depth::Byte => split_stored::<u8, C>(values!(u8), picks, planes, start),
            Depth::Short => split_stored::<u16, C>(values!(u16), picks, planes, start),
            Depth::Half => split_stored::<f16, C>(values!(f16), picks, planes, start),
            Depth::Float => split_f32::<C>(values!(f32), picks, planes, start),
        }
    }

    /// The bytes of the pixels of the row at `y`, without padding; `None` outside the bounds.
    #[must_use]
    pub fn raw_row(&self, y: i32) -> Option<&'a [u8]> {
        let row = self.layout.row(y)?;
        // SAFETY: a row of the picture is readable for 'a.
        Some(unsafe { slice::from_raw_parts(row.cast::<u8>().as_ptr(), self.layout.row_len()) })
    }
}

/// Pixels that can be written, once: row by row, from any number of threads.
#[derive(Debug)]
pub struct ImageViewMut<'a> {
    layout: Layout,
    _pixels: PhantomData<&'a mut [u8]>,
}

// SAFETY: a view owns the right to write its memory during 'a, like an exclusive slice.
unsafe impl Send for ImageViewMut<'_> {}

impl<'a> ImageViewMut<'a> {
    /// # Safety
    /// As for [`ImageViewMut::from_raw_parts`].
    pub(crate) unsafe fn of(layout: Layout) -> Self {
        Self {
            layout,
            _pixels: PhantomData,
        }
    }

    /// A view of pixels described by a pointer to the pixel at (x1, y1).
    ///
    /// # Errors
    /// A [`LayoutError`] when the description cannot be true.
    ///
    /// # Safety
    /// Every row of the description is writable memory that nothing else touches during `'a`.
    pub unsafe fn from_raw_parts(
        origin: *mut c_void,
        bounds: RectI,
        depth: Depth,
        components: Components,
        row_bytes: isize,
    ) -> Result<Self, LayoutError> {
        Ok(Self {
            layout: Layout::new(origin, bounds, depth, components, row_bytes)?,
            _pixels: PhantomData,
        })
    }

    /// A view of pixels in a slice; see [`ImageView::from_bytes`].
    ///
    /// # Errors
    /// A [`LayoutError`] when the description does not fit the slice.
    pub fn from_bytes(
        bytes: &'a mut [u8],
        bounds: RectI,
        depth: Depth,
        components: Components,
        row_bytes: isize,
    ) -> Result<Self, LayoutError> {
        let (start, len) = (bytes.as_mut_ptr(), bytes.len());
        let origin = origin_in(start, len, bounds, depth, components, row_bytes)?;
        // SAFETY: the slice holds every row, as was just checked, and is ours for 'a.
        unsafe {
            Self::from_raw_parts(
                origin.cast_mut().cast(),
                bounds,
                depth,
                components,
                row_bytes,
            )
        }
    }

    /// The pixels that the image has.
    #[must_use]
    pub fn bounds(&self) -> RectI {
        self.layout.bounds
    }

    /// How each channel is stored.
    #[must_use]
    pub fn depth(&self) -> Depth {
        self.layout.depth
    }

    /// The channels of a pixel.
    #[must_use]
    pub fn components(&self) -> Components {
        self.layout.components
    }

    /// Bytes from one row to the next one up; negative when the picture is stored from the top.
    #[must_use]
    pub fn row_bytes(&self) -> isize {
        self.layout.row_bytes
    }

    /// The rows of a window, clipped to the bounds, from the top of the picture down: the order
    /// of planes whose row 0 is the highest y. Each can be written by another thread.
    pub fn rows_mut(&mut self, window: RectI) -> Vec<RowMut<'_>> {
        let layout = self.layout;
        let window = window.intersect(&layout.bounds);
        if window.is_empty() {
            return Vec::new();
        }
        let skip = window.x1.abs_diff(layout.bounds.x1) as usize * layout.pixel_bytes();
        let pixels = window.width() as usize * window.height() as usize;
        let large = pixels.saturating_mul(layout.pixel_bytes()) >= LARGE;
        (window.y1..window.y2)
            .rev()
            .filter_map(|y| {
                let row = layout.row(y)?;
                Some(RowMut {
                    // SAFETY: the window lies inside the bounds, so the pixel is in the row.
                    start: unsafe { row.byte_add(skip) },
                    y,
                    x1: window.x1,
                    x2: window.x2,
                    depth: layout.depth,
                    components: layout.components,
                    large,
                    _pixels: PhantomData,
                })
            })
            .collect()
    }
}

/// Bytes of a window that no processor's caches hold until somebody reads it.
const LARGE: usize = 24 << 20;

/// A part of one row that can be written.
#[derive(Debug)]
pub struct RowMut<'a> {
    start: NonNull<c_void>,
    y: i32,
    x1: i32,
    x2: i32,
    depth: Depth,
    components: Components,
    /// One of a [`LARGE`] window.
    large: bool,
    _pixels: PhantomData<&'a mut [u8]>,
}

// SAFETY: a row owns the right to write its pixels during 'a; rows of one view do not overlap.
unsafe impl Send for RowMut<'_> {}

impl RowMut<'_> {
    /// The row.
    #[must_use]
    pub fn y(&self) -> i32 {
        self.y
    }

    /// Its first pixel.
    #[must_use]
    pub fn x1(&self) -> i32 {
        self.x1
    }

    /// One past its last pixel.
    #[must_use]
    pub fn x2(&self) -> i32 {
        self.x2
    }

    /// Number of pixels.
    #[must_use]
    pub fn width(&self) -> usize {
        self.x2.abs_diff(self.x1) as usize
    }

    /// Writes red, green, blue and alpha, as far as the image has them.
    ///
    /// Integers are clamped to 0 … 1, scaled and rounded to the nearest, and a NaN becomes 0.
    /// Floats are copied; a half beyond its range becomes an infinity.
    ///
    /// # Panics
    /// When a plane is not as long as the row is wide.
    pub fn write(&mut self, planes: &[&[f32]; 4]) {
        assert!(
            planes.iter().all(|plane| plane.len() == self.width()),
            "planes as long as the row is wide"
        );
        match self.components {
            Components::Rgba => self.join::<4>(planes),
            Components::Rgb => self.join::<3>(planes),
            Components::Alpha => self.join::<1>(planes),
        }
    }

    fn join<const C: usize>(&mut self, planes: &[&[f32]; 4]) {
        let len = self.width() * C;
        macro_rules! values {
            ($type:ty) => {
                // SAFETY: the row has as many aligned values, ours to write; what a host left in
                // them is a value of the type, whatever the bits.
                unsafe { slice::from_raw_parts_mut(self.start.cast::<$type>().as_ptr(), len) }
            };
        }
        match self.depth {
            Depth::Byte => join_stored::<u8, C>(planes, values!(u8)),
            Depth::Short => join_stored::<u16, C>(planes, values!(u16)),
            Depth::Half => join_stored::<f16, C>(planes, values!(f16)),
            Depth::Float if self.large && C == 4 => stream_f32(planes, values!(f32)),
            Depth::Float => join_f32::<C>(planes, values!(f32)),
        }
    }
}

/// The address of the pixel at (x1, y1) in a buffer that starts with the lowest row, or with the
/// topmost one when the row bytes are negative.
fn origin_in(
    start: *const u8,
    given: usize,
    bounds: RectI,
    depth: Depth,
    components: Components,
    row_bytes: isize,
) -> Result<*const u8, LayoutError> {
    let layout = Layout {
        origin: NonNull::dangling(),
        bounds,
        depth,
        components,
        row_bytes,
    };
    let (below, above) = layout.reach()?;
    let needed = below + above;
    if needed > given {
        return Err(LayoutError::OutOfBuffer { needed, given });
    }
    // SAFETY: `below` is at most the buffer's length.
    Ok(unsafe { start.add(below) })
}
