//! Pictures of 64 channels, and what is known of them.

use std::collections::TryReserveError;
use std::ops::Range;

use crate::network::aligned::Numbers;
use crate::network::greenformer::graph::refiner::{EPSILON, GROUPS};
use crate::network::simd::{LANES, Simd};

/// Channels of a picture.
pub(super) const CHANNELS: usize = 64;
/// Blocks of channels that are worked on together.
pub(super) const BLOCKS: usize = CHANNELS / LANES;
/// One pixel of a picture.
pub(super) type Pixel = [f32; CHANNELS];

/// The channels of one block.
#[inline(always)]
pub(super) fn block(pixel: &Pixel, block: usize) -> &[f32; LANES] {
    &pixel.as_chunks::<LANES>().0[block]
}

/// The channels of one block.
#[inline(always)]
pub(super) fn block_mut(pixel: &mut Pixel, block: usize) -> &mut [f32; LANES] {
    &mut pixel.as_chunks_mut::<LANES>().0[block]
}

/// Pixels that begin with a line of the processor's cache, as every block of theirs then does.
#[derive(Debug)]
pub(super) struct Pixels(Numbers);

impl Pixels {
    /// So many, all of them 0. Memory is not touched before it is used.
    ///
    /// # Errors
    /// That there is no memory.
    pub(super) fn new(count: usize) -> Result<Self, TryReserveError> {
        Numbers::new(count.saturating_mul(CHANNELS)).map(Self)
    }

    /// All of them.
    pub(super) fn get(&self) -> &[Pixel] {
        self.0.get().as_chunks().0
    }

    /// All of them.
    pub(super) fn get_mut(&mut self) -> &mut [Pixel] {
        self.0.get_mut().as_chunks_mut().0
    }
}

/// Rows of a picture that can be looked at.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    /// From row `first` on, as many as there are.
    pub(super) pixels: &'a [Pixel],
    pub(super) first: usize,
    pub(super) width: usize,
}

impl<'a> Rows<'a> {
    /// A row of the picture; `None` where it is none of these.
    #[inline(always)]
    pub(super) fn row(&self, row: usize) -> Option<&'a [Pixel]> {
        let begin = row.checked_sub(self.first)?.checked_mul(self.width)?;
        self.pixels.get(begin..begin.checked_add(self.width)?)
    }
}

/// A picture that is replaced by another one strip by strip, which lies a step above or below it:
/// so an answer takes the place of rows that nobody will read any more.
#[derive(Debug)]
pub(super) struct Map {
    pixels: Pixels,
    width: usize,
    height: usize,
    /// Rows of a step.
    step: usize,
    /// Steps between the picture and the top.
    at: usize,
}

impl Map {
    /// Room for a picture that lies so many steps from the top at most, which is where it begins.
    ///
    /// # Errors
    /// That there is no memory.
    pub(super) fn new(
        width: usize,
        height: usize,
        step: usize,
        steps: usize,
    ) -> Result<Self, TryReserveError> {
        Ok(Self {
            pixels: Pixels::new((height + step * steps).saturating_mul(width))?,
            width,
            height,
            step,
            at: steps,
        })
    }

    /// Where the picture is.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Where the picture is from now on.
    pub(super) fn moved(&mut self, to: usize) {
        self.at = to;
    }

    /// The memory for something else, before there is a picture.
    pub(super) fn lent<const N: usize>(&mut self) -> &mut [[f32; N]] {
        self.pixels.get_mut().as_flattened_mut().as_chunks_mut().0
    }

    /// The rows where they are.
    pub(super) fn rows(&self) -> Rows<'_> {
        let begin = self.at * self.step * self.width;
        Rows {
            pixels: &self.pixels.get()[begin..begin + self.height * self.width],
            first: 0,
            width: self.width,
        }
    }

    /// The rows of a strip in place `to`, to be filled.
    pub(super) fn filled(&mut self, strip: Range<usize>, to: usize) -> &mut [Pixel] {
        let place = |row: usize| (to * self.step + row) * self.width;
        &mut self.pixels.get_mut()[place(strip.start)..place(strip.end)]
    }

    /// The rows of a strip and `reach` more above and below, and those of the strip in place `to`,
    /// to be filled, which is a step away. A step has as many rows as the strip and `reach`.
    pub(super) fn replaced(
        &mut self,
        strip: Range<usize>,
        reach: usize,
        to: usize,
    ) -> (Rows<'_>, &mut [Pixel]) {
        let (at, width) = (self.at, self.width);
        let place = |row: usize, steps: usize| (steps * self.step + row) * width;
        let first = strip.start.saturating_sub(reach);
        let seen = place(first, at)..place((strip.end + reach).min(self.height), at);
        let filled = place(strip.start, to)..place(strip.end, to);
        let all = self.pixels.get_mut();
        let (pixels, filled) = if to < at {
            let (before, behind) = all.split_at_mut(filled.end);
            let seen = seen.start - filled.end..seen.end - filled.end;
            (&behind[seen], &mut before[filled])
        } else {
            let (before, behind) = all.split_at_mut(filled.start);
            let filled = 0..filled.end - filled.start;
            (&before[seen], &mut behind[filled])
        };
        let rows = Rows {
            pixels,
            first,
            width,
        };
        (rows, filled)
    }
}

/// Over many pixels, for each channel.
#[derive(Debug, Clone)]
pub(super) struct Sums {
    pub(super) values: [f64; CHANNELS],
    pub(super) squares: [f64; CHANNELS],
}

impl Default for Sums {
    fn default() -> Self {
        Self {
            values: [0.0; CHANNELS],
            squares: [0.0; CHANNELS],
        }
    }
}

impl Sums {
    /// With the sums of a block's channels.
    #[inline(always)]
    pub(super) fn include<S: Simd>(
        &mut self,
        simd: S,
        cb: usize,
        values: S::Lanes,
        squares: S::Lanes,
    ) {
        for (to, from) in [(&mut self.values, values), (&mut self.squares, squares)] {
            let mut lanes = [0.0; LANES];
            simd.store(from, &mut lanes);
            for (to, from) in to[LANES * cb..].iter_mut().zip(lanes) {
                *to += f64::from(from);
            }
        }
    }

    /// With those of other pixels.
    pub(super) fn add(&mut self, other: &Self) {
        let values = self.values.iter_mut().zip(&other.values);
        let squares = self.squares.iter_mut().zip(&other.squares);
        values.chain(squares).for_each(|(sum, other)| *sum += other);
    }
}

/// What a normalisation does to each channel: value × scale + shift.
#[derive(Debug, Clone, Copy)]
pub(super) struct Change {
    pub(super) scale: Pixel,
    pub(super) shift: Pixel,
}

/// Weight and bias of a normalisation of groups of channels by mean and variance of the whole
/// picture.
#[derive(Debug)]
pub(super) struct Norm {
    pub(super) weight: Pixel,
    pub(super) bias: Pixel,
}

impl Norm {
    /// What it does to a picture of so many pixels with these sums.
    pub(super) fn change(&self, sums: &Sums, pixels: usize) -> Change {
        const MEMBERS: usize = CHANNELS / GROUPS;
        let count = (MEMBERS * pixels) as f64;
        let mut change = Change {
            scale: [0.0; CHANNELS],
            shift: [0.0; CHANNELS],
        };
        for group in (0..CHANNELS).step_by(MEMBERS) {
            let group = group..group + MEMBERS;
            let mean = sums.values[group.clone()].iter().sum::<f64>() / count;
            let square = sums.squares[group.clone()].iter().sum::<f64>() / count;
            // Where all is the same colour the difference may fall below 0.
            let variance = (square - mean * mean).max(0.0);
            let deviation = (variance + f64::from(EPSILON)).sqrt();
            for channel in group {
                let scale = f64::from(self.weight[channel]) / deviation;
                let shift = f64::from(self.bias[channel]) - mean * scale;
                change.scale[channel] = scale as f32;
                change.shift[channel] = shift as f32;
            }
        }
        change
    }
}
