//! From the host's images to planes aligned with the plate.
//!
//! Every clip is addressed by its own bounds in canonical coordinates and never stretched: where
//! it has no pixels it is 0; only around the plate its edge is repeated, out to the lattice of the
//! network ([`Geometry::on_lattice`](crate::keyer::Geometry::on_lattice)). Rows are turned here, once: OpenFX counts y upwards, our planes have
//! the highest y in row 0.

use ofx::{Channel, Components, ImageView, RectD, RectI, Scale};
use rayon::prelude::*;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use super::sampler::Sampler;
use crate::keyer::{Lease, Planes, PlateRows, Pool, Result};

/// How pixels lie in canonical coordinates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Grid {
    /// Pixels per canonical unit, before the pixel aspect.
    pub(super) scale: Scale,
    /// Width of a pixel over its height.
    pub(super) pixel_aspect: f64,
}

/// Hosts compute regions in floating point; a sliver of a pixel is not a pixel.
const SLIVER: f64 = 1e-3;

impl Grid {
    /// The pixels that a canonical region touches.
    pub(super) fn pixels(&self, region: RectD) -> RectI {
        let across = self.scale.x / self.pixel_aspect;
        // Saturating casts: regions are bounded before they come here.
        RectI {
            x1: (region.x1 * across + SLIVER).floor() as i32,
            y1: (region.y1 * self.scale.y + SLIVER).floor() as i32,
            x2: (region.x2 * across - SLIVER).ceil() as i32,
            y2: (region.y2 * self.scale.y - SLIVER).ceil() as i32,
        }
    }

    /// The canonical region of some pixels.
    pub(super) fn canonical(&self, pixels: RectI) -> RectD {
        let across = self.scale.x / self.pixel_aspect;
        RectD {
            x1: f64::from(pixels.x1) / across,
            y1: f64::from(pixels.y1) / self.scale.y,
            x2: f64::from(pixels.x2) / across,
            y2: f64::from(pixels.y2) / self.scale.y,
        }
    }

    /// True when a pixel of one grid is a pixel of the other.
    fn same(&self, other: &Self) -> bool {
        let near = |a: f64, b: f64| (a - b).abs() <= 1e-6 * a.abs().max(b.abs());
        near(self.scale.x, other.scale.x)
            && near(self.scale.y, other.scale.y)
            && near(self.pixel_aspect, other.pixel_aspect)
    }
}

/// An image with what is needed to place its pixels.
#[derive(Clone, Copy)]
pub(super) struct Placed<'a> {
    /// Its pixels.
    pub(super) view: ImageView<'a>,
    /// Where they lie.
    pub(super) grid: Grid,
}

/// Reads `channels` of `image` over `region`, and around it to `frame` by repeating the region's
/// outermost pixels. Both are in the pixels of `grid`, and `frame` holds `region`.
///
/// A clip on another pixel grid (another proxy scale or pixel aspect) is sampled at the canonical
/// position of each pixel. The planes come from `pool` and go back to it.
///
/// # Errors
/// [`Error::Memory`](crate::keyer::Error::Memory).
pub(super) fn read<'p>(
    image: &Placed<'_>,
    grid: &Grid,
    region: RectI,
    frame: RectI,
    channels: &[Channel],
    pool: &'p Pool,
) -> Result<Lease<'p>> {
    let (width, height) = size(frame);
    let mut planes = pool.planes(width, height, channels.len())?;
    if region.is_empty() {
        planes.data_mut().fill(0.0);
        return Ok(planes);
    }
    let sampler = (!image.grid.same(grid)).then(|| Sampler::new(image, grid, region, channels));
    let left = region.x1.abs_diff(frame.x1) as usize;
    let columns = left..left + region.width() as usize;
    for_rows(&mut planes, |row, mut rows| {
        let y = (frame.y2 - 1 - row as i32).clamp(region.y1, region.y2 - 1);
        let mut inside: Vec<&mut [f32]> = rows
            .iter_mut()
            .map(|row| &mut row[columns.clone()])
            .collect();
        match &sampler {
            Some(sampler) => sampler.row(y.abs_diff(region.y2 - 1) as usize, inside),
            None => image.view.read_row(y, region.x1, channels, &mut inside),
        }
        for row in rows {
            let (first, last) = (row[columns.start], row[columns.end - 1]);
            row[..columns.start].fill(first);
            row[columns.end..].fill(last);
        }
    });
    Ok(planes)
}

/// Reads rows of a plate over its frame when somebody wants them, as [`read`] reads all.
pub(super) struct Reader<'a> {
    image: Placed<'a>,
    /// For a clip on another pixel grid.
    sampler: Option<Sampler<'a>>,
    region: RectI,
    frame: RectI,
}

impl<'a> Reader<'a> {
    pub(super) fn new(image: &Placed<'a>, grid: &Grid, region: RectI, frame: RectI) -> Self {
        let other = !image.grid.same(grid) && !region.is_empty();
        Self {
            image: *image,
            sampler: other.then(|| Sampler::new(image, grid, region, &RGB)),
            region,
            frame,
        }
    }

    /// Reads pixels of the region: `y` counts upwards, `x` from the region's left.
    fn inside(&self, y: i32, x: usize, mut out: [&mut [f32]; 3]) {
        let region = self.region;
        let Some(sampler) = &self.sampler else {
            let first = region.x1 + x as i32;
            self.image.view.read_row(y, first, &RGB, &mut out);
            return;
        };
        let mut whole = vec![0.0; 3 * region.width() as usize];
        let rows = whole.chunks_exact_mut(region.width() as usize);
        sampler.row(y.abs_diff(region.y2 - 1) as usize, rows.collect());
        for (out, row) in out
            .iter_mut()
            .zip(whole.chunks_exact(region.width() as usize))
        {
            out.copy_from_slice(&row[x..x + out.len()]);
        }
    }
}

impl PlateRows for Reader<'_> {
    fn read(&self, y: usize, x0: usize, mut out: [&mut [f32]; 3]) {
        let region = self.region;
        if region.is_empty() {
            out.into_iter().for_each(|row| row.fill(0.0));
            return;
        }
        let y = (self.frame.y2 - 1 - y as i32).clamp(region.y1, region.y2 - 1);
        let left = region.x1.abs_diff(self.frame.x1) as usize;
        let right = left + region.width() as usize;
        let length = out[0].len();
        // The part within the region; beside it at least the region's outermost pixel.
        let from = x0.clamp(left, right - 1);
        let to = (x0 + length).clamp(from + 1, right);
        if from >= x0 && to <= x0 + length {
            let columns = from - x0..to - x0;
            let inner = out.each_mut().map(|row| &mut row[columns.clone()]);
            self.inside(y, from - left, inner);
            for row in out {
                let (first, last) = (row[columns.start], row[columns.end - 1]);
                row[..columns.start].fill(first);
                row[columns.end..].fill(last);
            }
        } else {
            let mut edge = [[0.0], [0.0], [0.0]];
            self.inside(y, from - left, edge.each_mut().map(|one| &mut one[..]));
            for (row, [edge]) in out.into_iter().zip(edge) {
                row.fill(edge);
            }
        }
    }
}

/// Calls `fill(row, one slice per channel)` for every row, in parallel.
fn for_rows(planes: &mut Planes, fill: impl Fn(usize, Vec<&mut [f32]>) + Sync) {
    let (width, height) = (planes.width(), planes.height());
    if width == 0 || height == 0 {
        return;
    }
    let mut rows: Vec<Vec<&mut [f32]>> = (0..height)
        .map(|_| Vec::with_capacity(planes.channels()))
        .collect();
    for plane in planes.data_mut().chunks_exact_mut(width * height) {
        for (row, slice) in rows.iter_mut().zip(plane.chunks_exact_mut(width)) {
            row.push(slice);
        }
    }
    rows.into_par_iter()
        .enumerate()
        .for_each(|(row, slices)| fill(row, slices));
}

/// Width and height of a region; empty regions have none.
pub(super) fn size(region: RectI) -> (usize, usize) {
    (
        usize::try_from(region.width()).unwrap_or(0),
        usize::try_from(region.height()).unwrap_or(0),
    )
}

/// A fingerprint of the pixels themselves, whatever the order of rows in memory, at memory speed.
pub(super) fn fingerprint(image: &Placed<'_>) -> u128 {
    let bounds = image.view.bounds();
    let rows: Vec<u128> = (bounds.y1..bounds.y2)
        .into_par_iter()
        .map(|y| image.view.raw_row(y).map_or(0, xxh3_128))
        .collect();
    let mut hash = Xxh3::new();
    for row in rows {
        hash.update(&row.to_le_bytes());
    }
    for side in [bounds.x1, bounds.y1, bounds.x2, bounds.y2] {
        hash.update(&side.to_le_bytes());
    }
    for fact in [
        image.grid.scale.x,
        image.grid.scale.y,
        image.grid.pixel_aspect,
    ] {
        hash.update(&fact.to_le_bytes());
    }
    hash.update(&[image.view.depth() as u8, image.view.components() as u8]);
    hash.digest128()
}

/// The channels of a plate.
pub(super) const RGB: [Channel; 3] = [Channel::Red, Channel::Green, Channel::Blue];

/// The channels worth reading for a hint.
pub(super) fn hint_channels(components: Components) -> &'static [Channel] {
    match components {
        Components::Alpha => &[Channel::Alpha],
        Components::Rgb => &RGB,
        Components::Rgba => &[Channel::Red, Channel::Green, Channel::Blue, Channel::Alpha],
    }
}
