//! A matte that is steady over time: the alphas of neighbouring frames, where the plates agree.
//!
//! Grain makes the network waver: the same soft edge is a little more and a little less solid from
//! frame to frame. Where nothing moves, the neighbours' alphas are as good as the frame's own, and
//! their mean wavers less. Where something moves they are wrong, and would trail behind it as
//! ghosts. What tells the two apart is the plates, never the alphas.
//!
//! Two plates are compared at the network's size, as the root of their light, in which the grain of
//! a camera is about the same in dark and bright parts. Over 5 × 5 pixels two things are taken of
//! their difference: its energy, which a hair raises that moved by a pixel, and its mean, which a
//! wide soft edge raises that crept. Both are held against what they are where both frames show the
//! bare screen: that is what this footage's grain, and a flicker of its lamps, amount to. Where no
//! screen is seen nothing is known of grain, and only plates that are equal to eight bits agree.
//!
//! A pair of frames gives the same plane in either order, and a frame's steady alpha is made of
//! the networks' own answers alone: so it is the same whichever frames were rendered before.

use rayon::prelude::*;

use super::colour::Encoding;
use super::error::Result;
use super::geometry::Geometry;
use super::guided::light_at_network;
use super::image::{Planes, Size};
use super::restore::Prediction;
use super::scratch::{Lease, Pool};

/// Added to light before its root is taken, below which cameras have the grain of their
/// electronics.
const DARK: f32 = 0.01;
/// Pixels to each side over which differences are gathered.
const REACH: usize = 2;
/// So many they are.
const GATHERED: f32 = ((2 * REACH + 1) * (2 * REACH + 1)) as f32;
/// Alpha up to which the screen is bare.
const BARE: f32 = 0.02;
/// Samples of the screen along each side of the picture.
const SAMPLES: usize = 160;
/// With fewer samples that are screen nothing is known of the grain.
const ENOUGH: usize = 64;
/// Deviations of the difference of two plates that grain has, from a step of eight bits to the
/// heaviest. A bare screen that differs by more is another shot's.
const GRAIN: (f32, f32) = (1.0 / 255.0, 0.06);
/// A bare screen whose local mean differs by more is another shot's, or is lit otherwise.
const FLICKER: f32 = 0.02;
/// Energy up to which, in units of the screen's, plates agree, and from which they do not.
const ENERGY: (f32, f32) = (1.6, 2.6);
/// The same of the mean.
const MEAN: (f32, f32) = (2.5, 4.0);

/// What a frame shows, at the network's size, to be compared with another.
#[derive(Debug, Clone, PartialEq)]
pub struct Sight {
    /// Roots of red, green and blue light.
    roots: Planes,
    /// True where the screen is bare, for the samples.
    bare: Vec<bool>,
}

impl Sight {
    /// Looks at a plate (three planes in `encoding`) and the network's alpha for it.
    ///
    /// # Errors
    /// When a picture has other planes than said, or is not the geometry's, or memory is short.
    pub fn new(
        plate: &Planes,
        encoding: Encoding,
        alpha: &Planes,
        geometry: &Geometry,
    ) -> Result<Self> {
        geometry.check(plate, alpha)?;
        let mut roots = light_at_network(plate, encoding, geometry)?;
        roots
            .data_mut()
            .par_chunks_mut(1 << 14)
            .for_each(|values| values.iter_mut().for_each(|v| *v = (*v + DARK).sqrt()));
        let bare = samples(geometry.content)
            .map(|(x, y)| alpha.row(0, y)[x] <= BARE)
            .collect();
        Ok(Self { roots, bare })
    }

    /// How far another frame may be believed, pixel by pixel: a plane of the content's size, from
    /// 0, where something moved, to 1, where the two differ by no more than grain. Both sights are
    /// of the same geometry.
    ///
    /// # Errors
    /// When they are not of one size, or memory is short.
    pub fn agreement(&self, mut other: Self) -> Result<Planes> {
        let size = self.roots.size();
        other.roots.check_size("neighbouring frame", size)?;
        let own = self.roots.data().par_chunks(1 << 14);
        let theirs = other.roots.data_mut().par_chunks_mut(1 << 14);
        theirs.zip(own).for_each(|(theirs, own)| {
            for (theirs, own) in theirs.iter_mut().zip(own) {
                *theirs -= own;
            }
        });
        let screen: Vec<(usize, usize)> = samples(size)
            .zip(self.bare.iter().zip(&other.bare))
            .filter_map(|(at, (own, theirs))| (*own && *theirs).then_some(at))
            .collect();
        let known = screen.len() >= ENOUGH;
        let difference = other.roots;
        // The channel that shows most: the others may be so dark on this screen that they have less
        // grain there than anywhere.
        let grain = (0..3).fold(GRAIN.0, |most, channel| {
            if !known {
                return most;
            }
            let row = |&(x, y): &(usize, usize)| difference.row(channel, y)[x].abs();
            // The median of a normal distribution's absolute values is 0.6745 deviations.
            most.max(median(screen.iter().map(row)) / 0.6745)
        });
        let mut gathered = gathered(&difference, grain)?;
        drop(difference);
        // What is usual on the screen, in units of white grain's.
        let usual = |channel: usize| {
            let values = screen.iter().map(|&(x, y)| gathered.row(channel, y)[x]);
            if known { median(values).max(1.0) } else { 1.0 }
        };
        let (calm, level) = (usual(0), usual(1));
        let square = grain * grain;
        let foreign =
            calm * square > GRAIN.1 * GRAIN.1 || level * square > (FLICKER * FLICKER) * GATHERED;
        if foreign {
            return Planes::try_new(size.width, size.height, 1);
        }
        let [energy, mean] = gathered.planes_mut();
        energy
            .par_chunks_mut(1 << 14)
            .zip(mean.par_chunks(1 << 14))
            .for_each(|(energy, mean)| {
                for (energy, mean) in energy.iter_mut().zip(mean) {
                    *energy =
                        falling(*energy / calm, ENERGY) * falling((mean / level).sqrt(), MEAN);
                }
            });
        let mut data = gathered.into_vec();
        data.truncate(size.area());
        Planes::from_vec(size.width, size.height, 1, data)
    }
}

/// A frame beside the one that is rendered: what the network said of it, and how far it may be
/// believed.
#[derive(Debug, Clone, Copy)]
pub struct Neighbour<'a> {
    /// The network's answer, at the network's size.
    pub prediction: &'a Prediction,
    /// See [`Sight::agreement`].
    pub agreement: &'a Planes,
}

/// Alpha of a prediction, made steady by its neighbours: their mean, in which each counts as much
/// as it agrees, times `strength`, 0 to 1. Where none agrees, alpha is what it was to the bit.
///
/// # Errors
/// When the pictures are not of the geometry, or memory is short.
pub fn steady<'a>(
    prediction: &Prediction,
    neighbours: &[Neighbour<'_>],
    strength: f32,
    geometry: &Geometry,
    pool: &'a Pool,
) -> Result<Lease<'a>> {
    prediction.check(geometry)?;
    for Neighbour {
        prediction,
        agreement,
    } in neighbours
    {
        prediction.check(geometry)?;
        agreement.check("agreement", &[1], "1")?;
        agreement.check_size("agreement", geometry.content)?;
    }
    let Size { width, height } = geometry.network;
    let mut out = pool.planes(width, height, 1)?;
    out.plane_mut(0)
        .par_chunks_exact_mut(width)
        .enumerate()
        .for_each(|(y, row)| {
            row.copy_from_slice(prediction.alpha.row(0, y));
            // Beyond the content there is only padding.
            if y >= geometry.content.height {
                return;
            }
            let mut weights = vec![1.0_f32; geometry.content.width];
            for neighbour in neighbours {
                let alpha = neighbour.prediction.alpha.row(0, y);
                let agreed = neighbour.agreement.row(0, y).iter().zip(&mut weights);
                for ((out, alpha), (agreed, weight)) in row.iter_mut().zip(alpha).zip(agreed) {
                    let agreed = agreed * strength;
                    *out += agreed * alpha;
                    *weight += agreed;
                }
            }
            for (out, weight) in row.iter_mut().zip(weights) {
                *out /= weight;
            }
        });
    Ok(out)
}

/// Columns and rows at which the screen is looked for.
fn samples(size: Size) -> impl Iterator<Item = (usize, usize)> {
    let (across, down) = (
        size.width.div_ceil(SAMPLES).max(1),
        size.height.div_ceil(SAMPLES).max(1),
    );
    (0..size.height)
        .step_by(down)
        .flat_map(move |y| (0..size.width).step_by(across).map(move |x| (x, y)))
}

/// The value in the middle; 0 of none.
fn median(values: impl Iterator<Item = f32>) -> f32 {
    let mut values: Vec<f32> = values.collect();
    let middle = values.len() / 2;
    if values.is_empty() {
        return 0.0;
    }
    *values.select_nth_unstable_by(middle, f32::total_cmp).1
}

/// 1 up to the first limit, 0 from the second on.
fn falling(value: f32, (from, to): (f32, f32)) -> f32 {
    ((to - value) / (to - from)).clamp(0.0, 1.0)
}

/// Energy and squared mean of differences over the neighbourhood of each pixel, the border
/// repeated; of white grain with this deviation both are 1 on the average.
fn gathered(difference: &Planes, grain: f32) -> Result<Planes> {
    let Size { width, height } = difference.size();
    let scale = 1.0 / grain;
    let mut out = Planes::try_new(width, height, 2)?;
    let [energy, mean] = out.planes_mut();
    energy
        .par_chunks_exact_mut(width)
        .zip(mean.par_chunks_exact_mut(width))
        .enumerate()
        .for_each_init(
            // Sums down the columns: three of differences and one of energies.
            || vec![[0.0_f32; 4]; width + 2 * REACH],
            |columns, (y, (energy, mean))| {
                let (edge, inner) = (REACH, REACH + width);
                columns.fill([0.0; 4]);
                for line in 0..=2 * REACH {
                    let line = (y + line).saturating_sub(REACH).min(height - 1);
                    let [red, green, blue] = [0, 1, 2].map(|channel| difference.row(channel, line));
                    let rows = red.iter().zip(green).zip(blue);
                    for (sums, ((red, green), blue)) in columns[edge..inner].iter_mut().zip(rows) {
                        let off = [red * scale, green * scale, blue * scale];
                        for (sum, off) in sums.iter_mut().zip(off) {
                            *sum += off;
                        }
                        sums[3] += off[0] * off[0] + off[1] * off[1] + off[2] * off[2];
                    }
                }
                let (first, last) = (columns[edge], columns[inner - 1]);
                columns[..edge].fill(first);
                columns[inner..].fill(last);
                let out = energy.iter_mut().zip(mean);
                for ((energy, mean), near) in out.zip(columns.windows(2 * REACH + 1)) {
                    let mut sums = [0.0; 4];
                    for column in near {
                        for (sum, column) in sums.iter_mut().zip(column) {
                            *sum += column;
                        }
                    }
                    let [red, green, blue, squares] = sums;
                    *energy = squares / (3.0 * GATHERED);
                    *mean = (red * red + green * green + blue * blue) / (3.0 * GATHERED);
                }
            },
        );
    Ok(out)
}

#[cfg(test)]
mod tests;
