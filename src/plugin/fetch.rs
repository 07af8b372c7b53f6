//! From the host's images to planes aligned with the plate.
//!
//! Every clip is addressed by its own bounds in canonical coordinates and never stretched: where
//! it has no pixels it is 0. Rows are turned here, once: OpenFX counts y upwards, our planes have
//! the highest y in row 0.

use ofx::{Channel, Components, ImageView, RectD, RectI, Scale};
use rayon::prelude::*;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::keyer::Planes;

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

/// Reads `channels` of `image` over `region`, which is in the pixels of `grid`.
///
/// A clip on another pixel grid (another proxy scale or pixel aspect) is sampled bilinearly at the
/// canonical position of each pixel of the plate.
pub(super) fn read(image: &Placed<'_>, grid: &Grid, region: RectI, channels: &[Channel]) -> Planes {
    let (width, height) = size(region);
    let mut planes = Planes::new(width, height, channels.len());
    if image.grid.same(grid) {
        for_rows(&mut planes, |row, mut rows| {
            image
                .view
                .read_row(region.y2 - 1 - row as i32, region.x1, channels, &mut rows);
        });
    } else {
        let sampler = Sampler::new(image, grid, region, channels);
        for_rows(&mut planes, |row, rows| sampler.row(row, rows));
    }
    planes
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

/// Bilinear reading on another pixel grid.
struct Sampler<'a> {
    view: ImageView<'a>,
    channels: &'a [Channel],
    /// Per column: left pixel and weight of the right one.
    columns: Vec<(i32, f32)>,
    /// Per row, the same upwards.
    rows: Vec<(i32, f32)>,
}

impl<'a> Sampler<'a> {
    fn new(image: &Placed<'a>, grid: &Grid, region: RectI, channels: &'a [Channel]) -> Self {
        let across =
            (image.grid.scale.x / image.grid.pixel_aspect) / (grid.scale.x / grid.pixel_aspect);
        let up = image.grid.scale.y / grid.scale.y;
        let place = |pixel: i32, ratio: f64| {
            let position = (f64::from(pixel) + 0.5) * ratio - 0.5;
            let floor = position.floor();
            (floor as i32, (position - floor) as f32)
        };
        Self {
            view: image.view,
            channels,
            columns: (region.x1..region.x2).map(|x| place(x, across)).collect(),
            rows: (region.y1..region.y2).rev().map(|y| place(y, up)).collect(),
        }
    }

    fn row(&self, row: usize, mut out: Vec<&mut [f32]>) {
        let (Some(first), Some(last)) = (self.columns.first(), self.columns.last()) else {
            return;
        };
        let (y, upper) = self.rows[row];
        let length = (last.0 - first.0 + 2) as usize;
        let mut near = vec![vec![0.0; length]; self.channels.len()];
        let mut far = near.clone();
        let mut slices: Vec<&mut [f32]> = near.iter_mut().map(Vec::as_mut_slice).collect();
        self.view.read_row(y, first.0, self.channels, &mut slices);
        let mut slices: Vec<&mut [f32]> = far.iter_mut().map(Vec::as_mut_slice).collect();
        self.view
            .read_row(y + 1, first.0, self.channels, &mut slices);
        for (channel, out) in out.iter_mut().enumerate() {
            for (value, &(x, right)) in out.iter_mut().zip(&self.columns) {
                let at = (x - first.0) as usize;
                let mix = |row: &[f32]| row[at] * (1.0 - right) + row[at + 1] * right;
                *value = mix(&near[channel]) * (1.0 - upper) + mix(&far[channel]) * upper;
            }
        }
    }
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
