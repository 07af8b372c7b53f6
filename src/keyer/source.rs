//! The plate's own pixels in the foreground: grain and texture where the subject is solid, and the
//! light above white and below black that a network's colour cannot hold.
//!
//! The network's foreground lies within 0..1 in sRGB, and its finest texture is the network's. Two
//! things come back from the plate `C`, in linear light and in this order:
//!
//! 1. **Detail.** Where the finished matte is solid, some way inside its edge, the plate's own
//!    pixels stand in for the network's colour, faded in over a feather. An edge's colours always
//!    are the network's, which has unmixed them from the screen's; so the screen comes back nowhere.
//! 2. **Range**, of plates that have any. Above white the unmixed plate comes back,
//!    `F = (C - (1 - alpha) B) / alpha` with the light `B` of the screen behind it
//!    ([`Backing`]), fading out below an alpha of 0.2 and gone at 0.05, where the quotient is
//!    mostly error; there 0.2 is what is divided by. It takes over between 0.8 and 1 of white, so
//!    that there is no step between network and plate. Below black the plate itself comes back,
//!    where the matte is solid only: at an edge what is below black is the screen's, whose colour
//!    often lies outside a narrow gamut.
//!    Channels are judged one by one; but at an edge the screen's channel never leads the other two
//!    by more than it does in the network's colour: what an alpha a little too high leaves of the
//!    screen in the quotient would shine as a tinted rim.
//!
//! Where a mask makes the matte more solid than the network did, the network has no colour for what
//! was added: the plate's own pixels are the colour of that share of alpha.
//!
//! All are despilled as the network's colour is, on the sRGB curve continued above 1 and, oddly,
//! below 0. Without despill a solid pixel is the plate's, exactly, in linear light.

use std::fmt;

use super::backing::Backing;
use super::colour::Encoding;
use super::colour::srgb::{self, Negative};
use super::despeckle::inside::Inside;
use super::despill::Despill;
use super::guided::Guide;
use super::image::Planes;
use super::plate::finite;
use super::resample::RowScratch;
use super::settings::Screen;

/// Rows of a plate, wherever they lie.
pub trait PlateRows: Sync {
    /// Reads the columns from `x0` on of row `y` (0 is the topmost): red, green and blue, as they
    /// are in the clip.
    fn read(&self, y: usize, x0: usize, out: [&mut [f32]; 3]);
}

impl PlateRows for Planes {
    fn read(&self, y: usize, x0: usize, out: [&mut [f32]; 3]) {
        for (channel, out) in out.into_iter().enumerate() {
            out.copy_from_slice(&self.row(channel, y)[x0..x0 + out.len()]);
        }
    }
}

/// The plate, for what comes after the network.
#[derive(Clone, Copy)]
pub struct Plate<'a> {
    /// Its pixels.
    pub rows: &'a dyn PlateRows,
    /// How they are encoded.
    pub encoding: Encoding,
    /// The screen's light behind the subject, and whether there is light beyond 0..1.
    pub backing: &'a Backing,
    /// What it tells of alpha, for [`Upsampling::Guided`](super::settings::Upsampling::Guided).
    pub guide: Option<&'a Guide>,
}

impl fmt::Debug for Plate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plate")
            .field("encoding", &self.encoding)
            .field("backing", &self.backing)
            .finish_non_exhaustive()
    }
}

/// Columns that are worked on together.
const BLOCK: usize = 64;
/// Values of these columns.
type Lane = [f32; BLOCK];
/// Red, green and blue of these columns.
type Block = [Lane; 3];

/// What comes back of a plate.
#[derive(Debug)]
pub(super) struct Restored<'a> {
    plate: Plate<'a>,
    /// Where detail comes back.
    detail: Option<Inside>,
    /// Whether light beyond 0..1 does.
    range: bool,
    despill: Despill,
}

/// Rows kept from one row to the next.
#[derive(Debug, Clone, Default)]
pub(super) struct Scratch {
    plate: [Vec<f32>; 3],
    weights: Vec<f32>,
    pub(super) added: Vec<f32>,
    pub(super) enlarging: RowScratch,
}

impl<'a> Restored<'a> {
    /// `None` when nothing comes back.
    pub(super) fn new(
        plate: Plate<'a>,
        detail: Option<Inside>,
        range: bool,
        despill: Despill,
    ) -> Option<Self> {
        let range = range && plate.backing.beyond();
        (detail.is_some() || range).then(|| Self {
            detail,
            range,
            ..Self::masked(plate, despill)
        })
    }

    /// Nothing comes back but what a mask adds.
    pub(super) fn masked(plate: Plate<'a>, despill: Despill) -> Self {
        Self {
            plate,
            detail: None,
            range: false,
            despill,
        }
    }

    /// A row of the foreground in `encoding`, from the columns `x0` on. `rgb` holds the network's
    /// colour, sRGB-encoded and with its spill; `alpha` the finished matte. `scratch.added` says
    /// which share of it a mask has added, 0 to 1; it is empty where none has.
    pub(super) fn row(
        &self,
        y: usize,
        x0: usize,
        alpha: &[f32],
        [red, green, blue]: [&mut [f32]; 3],
        encoding: Encoding,
        scratch: &mut Scratch,
    ) {
        let Scratch {
            plate,
            weights,
            added,
            ..
        } = scratch;
        weights.clear();
        weights.resize(alpha.len(), 0.0);
        if let Some(detail) = &self.detail {
            detail.row(y, x0, weights);
        }
        for (weight, added) in weights.iter_mut().zip(added) {
            *weight = weight.max(*added);
        }
        let range = |alpha: f32| self.range && alpha > FAINT;
        let wanted = |x: usize| weights[x] > 0.0 || range(alpha[x]);
        let first = (0..alpha.len()).find(|x| wanted(*x));
        let last = (0..alpha.len()).rev().find(|x| wanted(*x));
        let (Some(first), Some(last)) = (first, last) else {
            plain([red, green, blue], &self.despill, encoding);
            return;
        };
        for plane in plate.iter_mut() {
            plane.resize(alpha.len(), 0.0);
        }
        let [r, g, b] = plate.each_mut().map(|plane| &mut plane[first..=last]);
        self.plate
            .rows
            .read(y, x0 + first, [&mut *r, &mut *g, &mut *b]);
        for plane in [&mut *r, &mut *g, &mut *b] {
            for value in plane {
                *value = finite(*value);
            }
        }
        self.plate.encoding.rows_to_linear([r, g, b]);
        let mut x = 0;
        for (((red, green), blue), alpha) in red
            .chunks_mut(BLOCK)
            .zip(green.chunks_mut(BLOCK))
            .zip(blue.chunks_mut(BLOCK))
            .zip(alpha.chunks(BLOCK))
        {
            let columns = x..x + alpha.len();
            x = columns.end;
            let rgb = [red, green, blue];
            let own = plate.each_ref().map(|plane| &plane[columns.clone()]);
            let weights = &weights[columns.clone()];
            let weighted = any_above(weights);
            let range = self.range && any_beyond(own, alpha);
            if !range && !weighted {
                plain(rgb, &self.despill, encoding);
                continue;
            }
            let own = own.map(lane);
            let found = range.then(|| self.beyond(y, x0 + columns.start, &own, alpha));
            let found = found.filter(|found| found.any);
            if !weighted && found.is_none() {
                plain(rgb, &self.despill, encoding);
                continue;
            }
            self.block(rgb, lane(weights), own, found, encoding);
        }
    }

    /// What is beyond 0..1 in a block from column `x0` of row `y`.
    fn beyond(&self, y: usize, x0: usize, own: &Block, alpha: &[f32]) -> Found {
        let mut behind: Block = [[0.0; BLOCK]; 3];
        let rows = behind.each_mut().map(|row| &mut row[..alpha.len()]);
        self.plate.backing.row(y, x0, rows);
        Found::new(own, &behind, &lane(alpha))
    }

    /// A block in which something comes back. Pixels of which nothing does are computed as in
    /// any other block: a value does not depend on its neighbours.
    fn block(
        &self,
        rgb: [&mut [f32]; 3],
        weights: Lane,
        own: Block,
        found: Option<Found>,
        encoding: Encoding,
    ) {
        let mut mixed: Block = [[0.0; BLOCK]; 3];
        if weights.iter().any(|weight| *weight < 1.0) {
            for (mixed, row) in mixed.iter_mut().zip(&rgb) {
                *mixed = lane(row);
                srgb::row_to_linear(mixed, Negative::Clamp);
            }
        }
        // What of each pixel is not as it came from the network.
        let mut touched = weights;
        if any_above(&weights) {
            for (mixed, own) in mixed.iter_mut().zip(&own) {
                for ((mixed, own), weight) in mixed.iter_mut().zip(own).zip(&weights) {
                    let own = if self.range {
                        *own
                    } else {
                        own.clamp(0.0, 1.0)
                    };
                    let own = weight * own + (1.0 - weight) * *mixed;
                    *mixed = pick(*weight > 0.0, own, *mixed);
                }
            }
        }
        if let Some(found) = &found {
            found.mix(&mut mixed, self.despill.screen, &weights, &mut touched);
        }
        self.finished(rgb, mixed, &touched, encoding);
    }

    /// From `mixed`, linear light with its spill, to `encoding` without; where nothing was
    /// touched, from the network's colour in `rgb`, as [`plain`] does.
    fn finished(&self, rgb: [&mut [f32]; 3], mut mixed: Block, touched: &Lane, encoding: Encoding) {
        let (mut rgb, despill) = (rgb, &self.despill);
        let same = encoding == Encoding::Srgb;
        if despill.is_identity() {
            // In light an untouched pixel is what it would be anyhow, but in sRGB it is the
            // network's number itself.
            encoding.rows_from_linear(mixed.each_mut().map(Lane::as_mut_slice));
            for (rgb, mixed) in rgb.iter_mut().zip(&mixed) {
                for ((value, mixed), touched) in rgb.iter_mut().zip(mixed).zip(touched) {
                    *value = if same && *touched <= 0.0 {
                        *value
                    } else {
                        *mixed
                    };
                }
            }
            return;
        }
        for row in &mut mixed {
            srgb::row_to_srgb(row, Negative::Mirror);
        }
        despill.plate_row(mixed.each_mut().map(Lane::as_mut_slice));
        despill.row(rgb.each_mut().map(|row| &mut **row));
        for (rgb, mixed) in rgb.iter_mut().zip(&mut mixed) {
            for ((value, mixed), touched) in rgb.iter_mut().zip(mixed).zip(touched) {
                // What the network says below 0 is 0 as light.
                let own = pick(same | (*value > 0.0), *value, 0.0);
                *value = pick(*touched > 0.0, *mixed, own);
            }
        }
        if same {
            return;
        }
        for row in &mut rgb {
            srgb::row_to_linear(row, Negative::Mirror);
        }
        encoding.rows_from_linear(rgb);
    }
}

/// The columns of a slice; 0 beyond its end.
fn lane(row: &[f32]) -> Lane {
    let mut lane = [0.0; BLOCK];
    lane[..row.len()].copy_from_slice(row);
    lane
}

/// The network's colour, from sRGB with its spill to `encoding` without.
pub(super) fn plain([red, green, blue]: [&mut [f32]; 3], despill: &Despill, encoding: Encoding) {
    despill.row([&mut *red, &mut *green, &mut *blue]);
    encoding.rows_from_srgb([red, green, blue]);
}

/// Up to this alpha nothing is unmixed, and from the next on all of it counts.
const FAINT: f32 = 0.05;
const FIRM: f32 = 0.2;
/// Between these the plate stops being unmixed: there is nothing of the screen in it.
const DENSE: f32 = 0.9;
const SOLID: f32 = 0.98;
/// Light from which the plate takes over from the network, up to white.
const KNEE: f32 = 0.8;
/// Light below which it takes over towards black.
const TOE: f32 = 0.02;

/// 0 up to `from`, 1 from `to` on, smooth between.
#[inline(always)]
fn smooth(value: f32, from: f32, to: f32) -> f32 {
    let part = smaller(larger((value - from) * (1.0 / (to - from)), 0.0), 1.0);
    part * part * (3.0 - 2.0 * part)
}

/// One of two numbers, without a branch: so the compiler works on four pixels or more at once.
#[inline(always)]
fn pick(first: bool, one: f32, other: f32) -> f32 {
    let mask = u32::from(first).wrapping_neg();
    f32::from_bits((one.to_bits() & mask) | (other.to_bits() & !mask))
}

#[inline(always)]
fn larger(one: f32, other: f32) -> f32 {
    if one > other { one } else { other }
}

#[inline(always)]
fn smaller(one: f32, other: f32) -> f32 {
    if one < other { one } else { other }
}

/// Whether anything is above 0.
fn any_above(row: &[f32]) -> bool {
    row.iter().fold(false, |any, value| any | (*value > 0.0))
}

/// Whether [`Found`] may hold anything for a block: a quick look, and in most blocks of most
/// pictures the only one.
fn any_beyond(plate: [&[f32]; 3], alpha: &[f32]) -> bool {
    let mut any = false;
    for channel in plate {
        for (plate, alpha) in channel.iter().zip(alpha) {
            any |= (*alpha > FAINT) & ((*plate <= TOE) | (*plate >= KNEE * alpha));
        }
    }
    any
}

/// What is beyond 0..1 in a block.
struct Found {
    /// A channel's restored light, and how much of it replaces what is there.
    light: Block,
    change: Block,
    /// How much of a pixel there is nothing of the screen in.
    solid: Lane,
    /// Whether anything is replaced.
    any: bool,
}

impl Found {
    /// Looks at a block of the plate, with the screen's light behind it. Alpha that is no number is
    /// taken for none.
    fn new(plate: &Block, behind: &Block, alpha: &Lane) -> Self {
        let mut found = Self {
            light: [[0.0; BLOCK]; 3],
            change: [[0.0; BLOCK]; 3],
            solid: [0.0; BLOCK],
            any: false,
        };
        let (mut firm, mut clear, mut share) = ([0.0; BLOCK], [0.0; BLOCK], [0.0; BLOCK]);
        for x in 0..BLOCK {
            found.solid[x] = smooth(alpha[x], DENSE, SOLID);
            firm[x] = smooth(alpha[x], FAINT, FIRM);
            clear[x] = larger(1.0 - alpha[x], 0.0);
            // A faint alpha's own error must not become a firefly: the straight colour is bounded
            // by the plate's light over `FIRM`.
            share[x] = 1.0 / larger(alpha[x], FIRM);
        }
        let mut bits = 0;
        for channel in 0..3 {
            let (plate, behind) = (&plate[channel], &behind[channel]);
            let (light, change) = (&mut found.light[channel], &mut found.change[channel]);
            for x in 0..BLOCK {
                let (own, solid) = (plate[x], found.solid[x]);
                // All of it at black itself.
                let dark = solid * smaller((TOE - own) * (1.0 / TOE), 1.0);
                let unmixed = (own - clear[x] * behind[x]) * share[x];
                let bright = solid * own + (1.0 - solid) * unmixed;
                let is_dark = own <= TOE;
                let is_beyond = (alpha[x] > FAINT) & (is_dark | (own >= KNEE * alpha[x]));
                let by = pick(is_dark, dark, smooth(bright, KNEE, 1.0) * firm[x]);
                light[x] = pick(is_beyond, pick(is_dark, own, bright), 0.0);
                change[x] = pick(is_beyond, by, 0.0);
                bits |= change[x].to_bits();
            }
        }
        found.any = bits != 0;
        found
    }

    /// Puts the light into a block's colours, and adds to `touched` where something changes. Where
    /// the plate stands in wholly, it is there already, to the bit.
    fn mix(&self, colours: &mut Block, screen: Screen, weights: &Lane, touched: &mut Lane) {
        let order = screen.first([0, 1, 2]);
        let network = order.map(|channel| colours[channel]);
        let change = order.map(|channel| self.change[channel]);
        let light = order.map(|channel| self.light[channel]);
        let mut mixed = network;
        let ([n0, n1, n2], [c0, c1, c2], [l0, l1, l2]) = (&network, &change, &light);
        let [m0, m1, m2] = &mut mixed;
        for x in 0..BLOCK {
            let own = c0[x] * l0[x] + (1.0 - c0[x]) * n0[x];
            let one = c1[x] * l1[x] + (1.0 - c1[x]) * n1[x];
            let other = c2[x] * l2[x] + (1.0 - c2[x]) * n2[x];
            let more = larger(lead(own, one, other) - lead(n0[x], n1[x], n2[x]), 0.0);
            let own = own - (1.0 - self.solid[x]) * more;
            let most = larger(larger(c0[x], c1[x]), c2[x]);
            let most = pick(weights[x] < 1.0, most, 0.0);
            m0[x] = pick(most > 0.0, own, n0[x]);
            m1[x] = pick(most > 0.0, one, n1[x]);
            m2[x] = pick(most > 0.0, other, n2[x]);
            touched[x] = larger(touched[x], most);
        }
        for (channel, mixed) in order.into_iter().zip(mixed) {
            colours[channel] = mixed;
        }
    }
}

/// By how much the screen's channel leads the other two.
#[inline(always)]
fn lead(screen: f32, one: f32, other: f32) -> f32 {
    larger(screen - larger(one, other), 0.0)
}

#[cfg(test)]
mod tests;
