//! Bringing alpha to the plate's size by what the plate shows.
//!
//! Where a foreground and a screen are mixed, the plate's light is an affine function of alpha as
//! long as neither changes much: so within a few pixels alpha is an affine function of the plate's
//! light, and what the plate shows between the network's pixels tells alpha there. At the
//! network's size the slope of that function is found for each pixel by least squares over its 3 ×
//! 3 neighbours, and smoothed over as many. At the plate's size
//!
//! `alpha = Lanczos(alpha) + slope · (plate - plate as the network saw it)`,
//!
//! limited to the network's own alphas around the pixel, so that nothing rings and a solid or empty
//! region stays as it is, whatever grain the plate has. Where the plate tells nothing, the slope is
//! small and Lanczos remains.
//!
//! The foreground's colour is not guided: it would follow the plate's, and bring the screen back.
//! Source: K. He and J. Sun, "Fast Guided Filter" (2015), of which this is a variation.

use rayon::prelude::*;

use super::colour::Encoding;
use super::error::Result;
use super::geometry::Geometry;
use super::image::{Planes, Size};
use super::plate::finite;
use super::resample::{Kernel, Resampler, RowScratch, Source};

/// Added to the variances of the plate's light: structure of a twentieth of white counts half.
const GRAIN: f32 = 3e-3;
/// Neighbours that differ by less are one region.
const FLAT: f32 = 1.0 / 512.0;
/// Light above this tells alpha nothing more.
const BRIGHT: f32 = 2.0;

/// What a plate tells of a prediction's alpha, at the network's size.
#[derive(Debug, Clone, PartialEq)]
pub struct Guide {
    /// Slopes for red, green and blue; their light as the network saw it; the least and the
    /// largest alpha around: eight planes.
    planes: Planes,
    plate: Size,
}

/// The planes of a guide.
const PLANES: usize = 8;
const LIGHT: usize = 3;
const LEAST: usize = 6;
const MOST: usize = 7;

/// True when there is something between the network's pixels for a plate to show.
pub(super) fn enlarges(geometry: &Geometry) -> bool {
    let (plate, content) = (geometry.plate, geometry.content);
    plate.width > content.width && plate.height > content.height
}

/// Rows of light, as guides read them.
fn to_light(encoding: Encoding, mut rgb: [&mut [f32]; 3]) {
    encoding.rows_to_linear(rgb.each_mut().map(|row| &mut **row));
    for value in rgb.into_iter().flatten() {
        *value = value.clamp(0.0, BRIGHT);
    }
}

impl Guide {
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
        let Size { width, height } = geometry.content;
        let light = light_at_network(plate, encoding, geometry)?;
        let mut planes = Planes::try_new(width, height, PLANES)?;
        let mut slopes = Planes::try_new(width, height, 3)?;
        let alpha_row = |y: usize| &alpha.row(0, y)[..width];

        let [r, g, b, lr, lg, lb, least, most] = planes.planes_mut();
        for (channel, plane) in [lr, lg, lb].into_iter().enumerate() {
            plane.copy_from_slice(light.plane(channel));
        }
        let [sr, sg, sb] = slopes.planes_mut();
        least
            .par_chunks_exact_mut(width)
            .zip(most.par_chunks_exact_mut(width))
            .zip(sr.par_chunks_exact_mut(width))
            .zip(sg.par_chunks_exact_mut(width))
            .zip(sb.par_chunks_exact_mut(width))
            .enumerate()
            .for_each(|(y, ((((least, most), sr), sg), sb))| {
                let rows = around(y, height);
                let alpha = rows.map(alpha_row);
                for x in 0..width {
                    let columns = around(x, width);
                    let near = alpha.iter().flat_map(|row| columns.map(|x| row[x]));
                    (least[x], most[x]) = near.fold((f32::MAX, f32::MIN), |(low, high), value| {
                        (low.min(value), high.max(value))
                    });
                    if most[x] - least[x] < FLAT {
                        continue;
                    }
                    let samples = [0, 1, 2].map(|line: usize| {
                        columns.map(|x| {
                            let light = [0, 1, 2].map(|channel| light.row(channel, rows[line])[x]);
                            (light, alpha[line][x])
                        })
                    });
                    [sr[x], sg[x], sb[x]] = slope(samples.as_flattened());
                }
            });
        for (channel, plane) in [r, g, b].into_iter().enumerate() {
            plane
                .par_chunks_exact_mut(width)
                .enumerate()
                .for_each(|(y, out)| {
                    let rows = around(y, height).map(|y| slopes.row(channel, y));
                    for (x, out) in out.iter_mut().enumerate() {
                        let columns = around(x, width);
                        let near = rows.iter().flat_map(|row| columns.map(|x| row[x]));
                        *out = near.sum::<f32>() * (1.0 / 9.0);
                    }
                });
        }
        Ok(Self {
            planes,
            plate: geometry.plate,
        })
    }

    /// True when it was made for this geometry.
    pub(super) fn is_of(&self, geometry: &Geometry) -> bool {
        self.planes.size() == geometry.content && self.plate == geometry.plate
    }

    /// Guides row `y` of alpha, whole and at the plate's size, as Lanczos gave it. `read` reads the
    /// plate's row, encoded as `encoding` says, when it is needed.
    pub(super) fn row(
        &self,
        y: usize,
        alpha: &mut [f32],
        encoding: Encoding,
        scratch: &mut GuideScratch,
        read: impl FnOnce([&mut [f32]; 3]),
    ) {
        let Size { width, height } = self.planes.size();
        let (above, below, down) = between(y, self.plate.height, height);
        let GuideScratch { columns, plate } = scratch;
        columns.resize(width, [0.0; PLANES]);
        for plane in 0..PLANES {
            let (above, below) = (self.planes.row(plane, above), self.planes.row(plane, below));
            for ((out, above), below) in columns.iter_mut().zip(above).zip(below) {
                out[plane] = above + down * (below - above);
            }
        }
        let told = columns.iter().any(|column| column[..LIGHT] != [0.0; 3]);
        for plane in plate.iter_mut() {
            plane.clear();
            plane.resize(alpha.len(), 0.0);
        }
        if told {
            let mut rgb = plate.each_mut().map(Vec::as_mut_slice);
            read(rgb.each_mut().map(|row| &mut **row));
            for value in rgb.iter_mut().flat_map(|row| row.iter_mut()) {
                *value = finite(*value);
            }
            to_light(encoding, rgb);
        }
        for (x, alpha) in alpha.iter_mut().enumerate() {
            let (left, right, across) = between(x, self.plate.width, width);
            let (left, right) = (&columns[left], &columns[right]);
            let mut here = [0.0; PLANES];
            for ((here, left), right) in here.iter_mut().zip(left).zip(right) {
                *here = left + across * (right - left);
            }
            let mut value = *alpha;
            if told {
                for channel in 0..3 {
                    value += here[channel] * (plate[channel][x] - here[LIGHT + channel]);
                }
            }
            *alpha = value.max(here[LEAST]).min(here[MOST]);
        }
    }
}

/// Rows kept from one row to the next.
#[derive(Debug, Default)]
pub(super) struct GuideScratch {
    columns: Vec<[f32; PLANES]>,
    plate: [Vec<f32>; 3],
}

/// A pixel and its two neighbours, the border repeated.
fn around(at: usize, length: usize) -> [usize; 3] {
    [at.saturating_sub(1), at, (at + 1).min(length - 1)]
}

/// The two of `to` pixels whose middles lie around the middle of one of `from`, and how far it is
/// from the first.
fn between(at: usize, from: usize, to: usize) -> (usize, usize, f32) {
    let position = (at as f64 + 0.5) * to as f64 / from as f64 - 0.5;
    let position = position.clamp(0.0, (to - 1) as f64);
    let first = position as usize;
    (
        first,
        (first + 1).min(to - 1),
        (position - first as f64) as f32,
    )
}

/// The plate's light at the network's size, from 0 to [`BRIGHT`].
pub(super) fn light_at_network(
    plate: &Planes,
    encoding: Encoding,
    geometry: &Geometry,
) -> Result<Planes> {
    let Size { width, height } = geometry.content;
    let mut out = Planes::try_new(width, height, 3)?;
    let resampler = Resampler::new(Kernel::Triangle, geometry.plate, geometry.content);
    let source = [0, 1, 2].map(|channel| Source::plane(plate, channel));
    let [red, green, blue] = out.planes_mut();
    red.par_chunks_exact_mut(width)
        .zip(green.par_chunks_exact_mut(width))
        .zip(blue.par_chunks_exact_mut(width))
        .enumerate()
        .for_each_init(RowScratch::default, |scratch, (y, ((red, green), blue))| {
            let mut rgb = [red, green, blue];
            let rows = rgb.each_mut().map(|row| &mut **row);
            resampler.row(source, y, scratch, rows, finite);
            to_light(encoding, rgb);
        });
    Ok(out)
}

/// The slope of alpha over light, by least squares over samples of both.
fn slope(samples: &[([f32; 3], f32)]) -> [f32; 3] {
    let count = 1.0 / samples.len() as f32;
    let mut mean = [0.0; 4];
    for ([r, g, b], alpha) in samples {
        for (mean, value) in mean.iter_mut().zip([r, g, b, alpha]) {
            *mean += value * count;
        }
    }
    // Variances and covariances of the three lights, then of each with alpha.
    let mut square = [[0.0_f32; 3]; 3];
    let mut along = [0.0_f32; 3];
    for (light, alpha) in samples {
        let off = [0, 1, 2].map(|channel| light[channel] - mean[channel]);
        for i in 0..3 {
            for j in 0..3 {
                square[i][j] += off[i] * off[j] * count;
            }
            along[i] += off[i] * (alpha - mean[3]) * count;
        }
    }
    for (i, row) in square.iter_mut().enumerate() {
        row[i] += GRAIN;
    }
    let [a, b, c] = square;
    let cross = |u: [f32; 3], v: [f32; 3]| {
        [
            u[1] * v[2] - u[2] * v[1],
            u[2] * v[0] - u[0] * v[2],
            u[0] * v[1] - u[1] * v[0],
        ]
    };
    let dot = |u: [f32; 3], v: [f32; 3]| u[0] * v[0] + u[1] * v[1] + u[2] * v[2];
    // By Cramer's rule: the matrix is symmetric, and no variance is below that of the grain.
    let (bc, ca, ab) = (cross(b, c), cross(c, a), cross(a, b));
    let whole = dot(a, bc);
    [0, 1, 2].map(|i| dot([bc[i], ca[i], ab[i]], along) / whole)
}

#[cfg(test)]
mod tests;
