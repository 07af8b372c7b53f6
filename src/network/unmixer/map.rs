//! Pictures of many channels, pixel by pixel.

use std::collections::TryReserveError;
use std::ops::Range;

use crate::network::aligned::Numbers;
use crate::network::simd::LANES;

/// Some rows of a picture, or all of them. Beside each row there is one pixel of 0 on both sides,
/// and in place of rows beyond the picture there are 0, too: a convolution sees those there.
#[derive(Debug)]
pub(super) struct Map {
    numbers: Numbers,
    width: usize,
    height: usize,
    channels: usize,
    /// The rows that it holds.
    held: Range<usize>,
    /// Rows that it has room for. Behind them is one of 0.
    room: usize,
}

impl Map {
    /// Of a picture of this size, with room for so many of its rows, the first ones to begin with.
    /// Channels are a multiple of 16.
    ///
    /// # Errors
    /// That there is no memory.
    pub(super) fn new(
        [width, height]: [usize; 2],
        channels: usize,
        room: usize,
    ) -> Result<Self, TryReserveError> {
        let room = room.min(height);
        Ok(Self {
            numbers: Numbers::new((width + 2) * channels * (room + 1))?,
            width,
            height,
            channels,
            held: 0..room,
            room,
        })
    }

    /// Bytes that [`Self::new`] takes.
    pub(super) fn bytes([width, height]: [usize; 2], channels: usize, room: usize) -> usize {
        (width + 2) * channels * (room.min(height) + 1) * size_of::<f32>()
    }

    /// Columns.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Rows of the whole picture.
    pub(super) fn height(&self) -> usize {
        self.height
    }

    /// Channels of a pixel.
    pub(super) fn channels(&self) -> usize {
        self.channels
    }

    fn stride(&self) -> usize {
        (self.width + 2) * self.channels
    }

    /// It holds these rows from now on, as many as there is room for; they are to be filled.
    pub(super) fn hold(&mut self, rows: Range<usize>) {
        self.held = rows.start..rows.end.min(rows.start + self.room);
    }

    /// The rows that it holds, to be filled.
    pub(super) fn all(&mut self) -> Part<'_> {
        self.part(self.held.clone())
    }

    /// Some of the rows that it holds, to be filled.
    pub(super) fn part(&mut self, rows: Range<usize>) -> Part<'_> {
        let stride = self.stride();
        let place = |row: usize| (row - self.held.start) * stride;
        let numbers = place(rows.start)..place(rows.end);
        Part {
            first: rows.start,
            stride,
            numbers: &mut self.numbers.get_mut()[numbers],
        }
    }

    /// The rows to be looked at.
    pub(super) fn rows(&self) -> Rows<'_> {
        let (numbers, zeros) = self.numbers.get().split_at(self.room * self.stride());
        Rows {
            numbers,
            zeros,
            width: self.width,
            height: self.height,
            channels: self.channels,
            first: self.held.start,
            count: self.held.len(),
        }
    }
}

/// Rows to be filled.
pub(super) struct Part<'a> {
    /// The first of them in the picture.
    pub(super) first: usize,
    /// Numbers from one row to the next.
    pub(super) stride: usize,
    /// The rows, each with the pixel before and the one behind.
    pub(super) numbers: &'a mut [f32],
}

/// A [`Map`] to be looked at.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    numbers: &'a [f32],
    zeros: &'a [f32],
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) channels: usize,
    first: usize,
    count: usize,
}

impl<'a> Rows<'a> {
    /// A row with the pixel before and the one behind, all of it 0 where it is not held: that of tiles
    /// whose answers nobody wants, or beyond the picture. What is above that wraps around.
    #[inline(always)]
    pub(super) fn row(&self, row: usize) -> &'a [f32] {
        let index = row.wrapping_sub(self.first);
        let stride = (self.width + 2) * self.channels;
        if index < self.count {
            &self.numbers[index * stride..][..stride]
        } else {
            &self.zeros[..stride]
        }
    }
}

/// The sixteen numbers that begin there.
#[inline(always)]
pub(super) fn block(numbers: &[f32], begin: usize) -> &[f32; LANES] {
    &numbers[begin..begin + LANES].as_chunks().0[0]
}

/// The sixteen numbers that begin there.
#[inline(always)]
pub(super) fn block_mut(numbers: &mut [f32], begin: usize) -> &mut [f32; LANES] {
    &mut numbers[begin..begin + LANES].as_chunks_mut().0[0]
}
