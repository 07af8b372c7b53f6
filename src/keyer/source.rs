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
/// Rows of red, green and blue.
type Block = [[f32; BLOCK]; 3];

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
    backing: [Vec<f32>; 3],
    weights: Vec<f32>,
    pub(super) added: Vec<f32>,
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
            backing,
            weights,
            added,
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
        if let (Some(first), Some(last)) = (first, last) {
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
        }
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
            if !columns.clone().any(wanted) {
                plain(rgb, &self.despill, encoding);
                continue;
            }
            let own = plate.each_ref().map(|plane| &plane[columns.clone()]);
            let range = self.range && any_beyond(own, alpha);
            if range {
                let (x, length) = (x0 + columns.start, alpha.len());
                self.plate.backing.row(y, x, length, backing);
            }
            let weights = &weights[columns];
            if !range && weights.iter().all(|weight| *weight <= 0.0) {
                plain(rgb, &self.despill, encoding);
                continue;
            }
            let behind = range.then(|| backing.each_ref().map(Vec::as_slice));
            self.block(rgb, alpha, weights, own, behind, encoding);
        }
    }

    /// A block in which something may come back. Pixels of which nothing does are computed as in
    /// any other block: a value does not depend on its neighbours.
    fn block(
        &self,
        rgb: [&mut [f32]; 3],
        alpha: &[f32],
        weights: &[f32],
        own: [&[f32]; 3],
        behind: Option<[&[f32]; 3]>,
        encoding: Encoding,
    ) {
        let length = alpha.len();
        let mut mixed: Block = [[0.0; BLOCK]; 3];
        let mut touched = [false; BLOCK];
        for (flag, weight) in touched.iter_mut().zip(weights) {
            *flag = *weight > 0.0;
        }
        let all_own = weights.iter().all(|weight| *weight >= 1.0);
        for channel in 0..3 {
            let mixed = &mut mixed[channel][..length];
            if !all_own {
                mixed.copy_from_slice(rgb[channel]);
                srgb::row_to_linear(mixed, Negative::Clamp);
            }
            for ((mixed, own), weight) in mixed.iter_mut().zip(own[channel]).zip(weights) {
                let own = if self.range {
                    *own
                } else {
                    own.clamp(0.0, 1.0)
                };
                *mixed = weight * own + (1.0 - weight) * *mixed;
            }
        }
        if let Some(behind) = behind {
            let screen = self.despill.screen.channel();
            // Where the plate stands in wholly, it is there already, to the bit.
            for x in (0..length).filter(|x| weights[*x] < 1.0) {
                let column = |rows: [&[f32]; 3]| rows.map(|row| row[x]);
                let network = mixed.each_ref().map(|row| row[x]);
                let found = restored(network, column(own), column(behind), alpha[x], screen);
                if let Some(colour) = found {
                    for (row, value) in mixed.iter_mut().zip(colour) {
                        row[x] = value;
                    }
                    touched[x] = true;
                }
            }
        }
        let mut rgb = rgb;
        if !touched[..length].iter().all(|touched| *touched) {
            plain(
                rgb.each_mut().map(|row| &mut **row),
                &self.despill,
                encoding,
            );
        }
        finished(
            mixed.each_mut().map(|row| &mut row[..length]),
            &self.despill,
            encoding,
        );
        for (rgb, mixed) in rgb.into_iter().zip(&mixed) {
            for ((value, mixed), touched) in rgb.iter_mut().zip(mixed).zip(&touched) {
                *value = if *touched { *mixed } else { *value };
            }
        }
    }
}

/// The network's colour, from sRGB with its spill to `encoding` without.
pub(super) fn plain([red, green, blue]: [&mut [f32]; 3], despill: &Despill, encoding: Encoding) {
    despill.row([&mut *red, &mut *green, &mut *blue]);
    encoding.rows_from_srgb([red, green, blue]);
}

/// Restored colour, from linear light with its spill to `encoding` without.
fn finished([red, green, blue]: [&mut [f32]; 3], despill: &Despill, encoding: Encoding) {
    if despill.is_identity() {
        encoding.rows_from_linear([red, green, blue]);
        return;
    }
    for row in [&mut *red, &mut *green, &mut *blue] {
        srgb::row_to_srgb(row, Negative::Mirror);
    }
    despill.plate_row([&mut *red, &mut *green, &mut *blue]);
    if encoding == Encoding::Srgb {
        return;
    }
    for row in [&mut *red, &mut *green, &mut *blue] {
        srgb::row_to_linear(row, Negative::Mirror);
    }
    encoding.rows_from_linear([red, green, blue]);
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
    let part = ((value - from) / (to - from)).clamp(0.0, 1.0);
    part * part * (3.0 - 2.0 * part)
}

/// A pixel's colour with its range restored; `None` where nothing comes back. Light is linear.
#[inline]
fn restored(
    network: [f32; 3],
    plate: [f32; 3],
    behind: [f32; 3],
    alpha: f32,
    screen: usize,
) -> Option<[f32; 3]> {
    let found = [0, 1, 2].map(|channel| beyond(plate[channel], behind[channel], alpha));
    if found.iter().all(|(_, change)| *change <= 0.0) {
        return None;
    }
    let mut colour = network;
    for (colour, (light, change)) in colour.iter_mut().zip(found) {
        *colour = change * light + (1.0 - change) * *colour;
    }
    let lead = |rgb: [f32; 3]| {
        let other = rgb[(screen + 1) % 3].max(rgb[(screen + 2) % 3]);
        (rgb[screen] - other).max(0.0)
    };
    let more = lead(colour) - lead(network);
    if more > 0.0 {
        colour[screen] -= (1.0 - smooth(alpha, DENSE, SOLID)) * more;
    }
    Some(colour)
}

/// Whether [`beyond`] finds anything in a block: a quick look, and in most blocks of most pictures
/// the only one.
fn any_beyond(plate: [&[f32]; 3], alpha: &[f32]) -> bool {
    let mut any = false;
    for channel in plate {
        for (plate, alpha) in channel.iter().zip(alpha) {
            any |= (*alpha > FAINT) & ((*plate <= TOE) | (*plate >= KNEE * alpha));
        }
    }
    any
}

/// A channel's restored light, and how much of it replaces what is there.
#[inline]
fn beyond(plate: f32, behind: f32, alpha: f32) -> (f32, f32) {
    // Nearly every pixel of every picture ends here.
    if plate > TOE && plate < KNEE * alpha || alpha.is_nan() || alpha <= FAINT {
        return (plate, 0.0);
    }
    let solid = smooth(alpha, DENSE, SOLID);
    if plate <= TOE {
        return (plate, solid * ((TOE - plate) / TOE).min(1.0));
    }
    // A faint alpha's own error must not become a firefly: the straight colour is bounded by the
    // plate's light over `FIRM`.
    let unmixed = (plate - (1.0 - alpha).max(0.0) * behind) / alpha.max(FIRM);
    let light = solid * plate + (1.0 - solid) * unmixed;
    (light, smooth(light, KNEE, 1.0) * smooth(alpha, FAINT, FIRM))
}

#[cfg(test)]
mod tests;
