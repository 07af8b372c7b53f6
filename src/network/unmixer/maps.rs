//! The pictures that a frame is worked in.

use std::collections::TryReserveError;

use super::layers::{HEAD, PAINT, WIDTHS};
use super::light::SCALE;
use super::map::Map;
use super::{BAND, REACH};
use crate::network::simd::LANES;

/// All of them, in the order in which [`sizes`] tells them.
#[derive(Debug)]
pub(super) struct Maps {
    /// The stem's answer, of a band.
    pub(super) stem: Map,
    /// At 1/2 of the size.
    pub(super) fine: Map,
    /// At 1/4, 1/8, 1/16 and 1/32.
    pub(super) levels: [Map; 4],
    /// Between a residual block's convolutions.
    pub(super) between: [Map; 4],
    /// At 1/32, 1/16 and 1/8, what the next finer level is joined with.
    pub(super) narrow: [Map; 3],
    pub(super) said: Map,
    /// The matte's head at 1/4, and what it gets from the screen's colour at 1/8.
    pub(super) deep: Map,
    pub(super) hue: Map,
    pub(super) thumbnail: Vec<f32>,
    // Of a band, at 1/2.
    pub(super) mixed: Map,
    pub(super) feature: Map,
    pub(super) logits: Map,
    pub(super) painted: Map,
    pub(super) paint: Map,
}

/// Size, channels and rows of each.
fn sizes(width: usize, height: usize) -> impl Iterator<Item = ([usize; 2], usize, usize)> {
    let at = |level: usize| [width >> level, height >> level];
    let whole = move |level: usize, channels: usize| (at(level), channels, height >> level);
    let band = move |channels: usize| (at(1), channels, BAND + 2 * REACH);
    let [w1, w2, w3, w4, w5] = WIDTHS;
    let levels = [whole(2, w2), whole(3, w3), whole(4, w4), whole(5, w5)];
    let narrow = [whole(5, w4), whole(4, w3), whole(3, w2)];
    [band(w1), whole(1, w1)]
        .into_iter()
        .chain(levels)
        .chain(levels)
        .chain(narrow)
        .chain([whole(3, LANES), whole(2, HEAD), whole(3, HEAD)])
        .chain([
            band(HEAD),
            band(HEAD),
            band(LANES),
            band(PAINT),
            band(LANES),
        ])
}

/// Bytes that a picture of this size is worked in, its input and answers aside. They are kept for the
/// next one.
pub fn bytes(width: usize, height: usize) -> u64 {
    let maps = sizes(width, height).map(|(size, channels, rows)| Map::bytes(size, channels, rows));
    maps.map(|bytes| bytes as u64).sum()
}

impl Maps {
    /// For a frame of this size.
    ///
    /// # Errors
    /// That there is no memory.
    pub(super) fn new(width: usize, height: usize) -> Result<Self, TryReserveError> {
        let mut sizes = sizes(width, height);
        let mut next = || {
            let (size, channels, rows) = sizes.next().unwrap_or(([0; 2], 0, 0));
            Map::new(size, channels, rows)
        };
        Ok(Self {
            stem: next()?,
            fine: next()?,
            levels: [next()?, next()?, next()?, next()?],
            between: [next()?, next()?, next()?, next()?],
            narrow: [next()?, next()?, next()?],
            said: next()?,
            deep: next()?,
            hue: next()?,
            thumbnail: vec![0.0; 3 * (width / SCALE) * (height / SCALE)],
            mixed: next()?,
            feature: next()?,
            logits: next()?,
            painted: next()?,
            paint: next()?,
        })
    }
}
