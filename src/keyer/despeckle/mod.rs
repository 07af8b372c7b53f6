//! Taking specks out of the matte: lone islands of alpha go, hair beside the subject stays.
//!
//! Source: the original engine on its OpenCV path. Alpha above 0.5 is a bitmap; its 8-connected
//! islands of fewer pixels than the given area go; what is left grows by an ellipse of radius 25,
//! so that the soft surroundings of a kept island are kept; its edge is blurred (11 × 11, sigma 2,
//! in 8 bits); alpha is multiplied by it. Checked bit for bit against the original's outputs.
//!
//! What is costly, finding islands, is done once for the whole picture (an island may reach
//! anywhere), on bits, and may be kept for as long as the matte is the same ([`Specks`]). The blur
//! and the product are done for the rows that are wanted.

mod bitmap;
pub(super) mod inside;
mod islands;
pub(super) mod regions;
mod soften;

use std::sync::{Arc, Mutex, PoisonError};

use bitmap::{Bitmap, Ellipse};
use soften::{Gaussian, Soft};

use super::settings::PixelScale;

/// Sizes of the clean-up, in pixels at full scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CleanUp {
    /// Islands with fewer pixels go.
    pub area: u32,
    /// What is kept grows by this radius.
    pub dilation: u32,
    /// The edge is blurred with a kernel of this radius, whose sigma is 0.4 of it (at the
    /// original's 5: 2.0).
    pub blur: u32,
}

impl CleanUp {
    /// The original's radii with a given area.
    pub const fn of_area(area: u32) -> Self {
        Self {
            area,
            dilation: 25,
            blur: 5,
        }
    }
}

/// Where a matte is kept: 1 at the subject, 0 at specks, soft between. Made for a whole matte,
/// applied row by row.
#[derive(Debug, Clone)]
pub struct Mask {
    soft: Soft,
}

impl Mask {
    /// Finds what is kept of a matte of `width` × `height`, whose rows `row` gives (at least
    /// `width` values). `scale` brings radii and areas to the pixels of this render.
    pub fn new<'a>(
        width: usize,
        height: usize,
        row: impl Fn(usize) -> &'a [f32] + Sync,
        clean_up: &CleanUp,
        scale: PixelScale,
    ) -> Self {
        let bitmap = Bitmap::above(width, height, 0.5, row);
        Self::of(bitmap, clean_up, scale)
    }

    /// Finds what is kept of a matte's complement, `1 - alpha`: where it is cleaned away there was
    /// a hole. The same rules hold: holes of fewer pixels than the area go, and around those that
    /// are kept, and around the outside, all stays as it is.
    pub fn of_holes<'a>(
        width: usize,
        height: usize,
        row: impl Fn(usize) -> &'a [f32] + Sync,
        clean_up: &CleanUp,
        scale: PixelScale,
    ) -> Self {
        // What is exactly between both, or no number, is on the other side then: it matters to
        // nobody.
        let bitmap = Bitmap::above(width, height, 0.5, row).inverted();
        Self::of(bitmap, clean_up, scale)
    }

    fn of(mut bitmap: Bitmap, clean_up: &CleanUp, scale: PixelScale) -> Self {
        islands::remove_small(&mut bitmap, f64::from(clean_up.area) * scale.x * scale.y);
        // No scale makes a radius larger than this; a broken one must not either.
        const LARGEST: f64 = 1024.0;
        let radius = |radius: u32, scale: f64| {
            (f64::from(radius) * scale).round().clamp(0.0, LARGEST) as usize
        };
        let ellipse = Ellipse::new(
            radius(clean_up.dilation, scale.x),
            radius(clean_up.dilation, scale.y),
        );
        let gaussian = |scale: f64| {
            Gaussian::new(
                radius(clean_up.blur, scale),
                0.4 * f64::from(clean_up.blur) * scale,
            )
        };
        Self {
            soft: Soft::new(
                bitmap.dilated(&ellipse),
                gaussian(scale.x),
                gaussian(scale.y),
            ),
        }
    }

    /// Multiplies alpha, which stands at the columns from `x0` on in row `y`, by what is kept.
    ///
    /// # Panics
    /// When the columns or the row are not the matte's.
    pub fn apply(&self, y: usize, x0: usize, alpha: &mut [f32]) {
        self.soft.multiply(y, x0, alpha);
    }

    /// The same from one row into another, which is as long.
    pub(super) fn applied(&self, y: usize, x0: usize, alpha: &[f32], out: &mut [f32]) {
        self.soft.multiplied(y, x0, alpha, out);
    }
}

/// What a mask was asked for with.
type Asked = (CleanUp, PixelScale);

/// The islands and holes that were last found in one matte, for the next time that the same is
/// asked of it. Whoever keeps it sees to it that the matte is the same.
#[derive(Debug, Default)]
pub struct Specks {
    islands: Kept,
    holes: Kept,
}

#[derive(Debug, Default)]
struct Kept(Mutex<Option<(Asked, Arc<Mask>)>>);

impl Kept {
    fn or_find(&self, asked: Asked, find: impl FnOnce() -> Mask) -> Arc<Mask> {
        let known = self.lock().clone();
        if let Some((of, mask)) = known
            && of == asked
        {
            return mask;
        }
        // The lock is open meanwhile: two who look at once both find the same.
        let mask = Arc::new(find());
        *self.lock() = Some((asked, mask.clone()));
        mask
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(Asked, Arc<Mask>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Specks {
    /// As [`Mask::new`], or what it gave the last time.
    pub(super) fn islands<'a>(
        &self,
        width: usize,
        height: usize,
        row: impl Fn(usize) -> &'a [f32] + Sync,
        clean_up: CleanUp,
        scale: PixelScale,
    ) -> Arc<Mask> {
        self.islands.or_find((clean_up, scale), || {
            Mask::new(width, height, row, &clean_up, scale)
        })
    }

    /// As [`Mask::of_holes`], or what it gave the last time.
    pub(super) fn holes<'a>(
        &self,
        width: usize,
        height: usize,
        row: impl Fn(usize) -> &'a [f32] + Sync,
        clean_up: CleanUp,
        scale: PixelScale,
    ) -> Arc<Mask> {
        self.holes.or_find((clean_up, scale), || {
            Mask::of_holes(width, height, row, &clean_up, scale)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disc(picture: &mut [Vec<f32>], cx: usize, cy: usize, radius: usize) {
        for (y, row) in picture.iter_mut().enumerate() {
            for (x, value) in row.iter_mut().enumerate() {
                if cx.abs_diff(x).pow(2) + cy.abs_diff(y).pow(2) <= radius * radius {
                    *value = 1.0;
                }
            }
        }
    }

    fn cleaned(picture: &[Vec<f32>], clean_up: &CleanUp, scale: PixelScale) -> Vec<Vec<f32>> {
        let mask = Mask::new(
            picture[0].len(),
            picture.len(),
            |y| &picture[y],
            clean_up,
            scale,
        );
        let mut out = picture.to_vec();
        for (y, (row, out)) in picture.iter().zip(&mut out).enumerate() {
            mask.applied(y, 0, row, out);
        }
        out
    }

    #[test]
    fn a_speck_goes_and_the_subject_stays() {
        let mut picture = vec![vec![0.0; 300]; 200];
        disc(&mut picture, 80, 80, 40);
        disc(&mut picture, 250, 150, 5);
        // Soft hair beside the subject.
        picture[80][125] = 0.3;
        let out = cleaned(&picture, &CleanUp::of_area(400), PixelScale::ONE);
        assert_eq!(out[80][80], 1.0);
        assert_eq!(out[80][125], 0.3);
        assert_eq!(out[150][250], 0.0);
    }

    #[test]
    fn a_proxy_drops_what_full_scale_drops() {
        for (radius, kept) in [(9, false), (14, true)] {
            let mut full = vec![vec![0.0; 300]; 200];
            disc(&mut full, 150, 100, radius);
            let half: Vec<Vec<f32>> = full
                .iter()
                .step_by(2)
                .map(|row| row.iter().step_by(2).copied().collect())
                .collect();
            let scale = PixelScale { x: 0.5, y: 0.5 };
            let clean_up = CleanUp::of_area(400);
            let full = cleaned(&full, &clean_up, PixelScale::ONE);
            let half = cleaned(&half, &clean_up, scale);
            assert_eq!(full[100][150] == 1.0, kept);
            assert_eq!(half[50][75] == 1.0, kept);
        }
    }

    #[test]
    fn what_is_kept_is_what_would_be_found() {
        let mut picture = vec![vec![0.0; 300]; 200];
        disc(&mut picture, 80, 80, 40);
        disc(&mut picture, 250, 150, 9);
        let specks = Specks::default();
        let row = |y: usize| picture[y].as_slice();
        let half = PixelScale { x: 0.5, y: 0.5 };
        let mut kept = 0;
        for (area, scale) in [(100, PixelScale::ONE), (400, PixelScale::ONE), (400, half)] {
            let clean_up = CleanUp::of_area(area);
            let mut last = None;
            for _ in 0..2 {
                let islands = specks.islands(300, 200, row, clean_up, scale);
                let holes = specks.holes(300, 200, row, clean_up, scale);
                let fresh = Mask::new(300, 200, row, &clean_up, scale);
                let no_holes = Mask::of_holes(300, 200, row, &clean_up, scale);
                for y in 0..200 {
                    for (known, found) in [(&islands, &fresh), (&holes, &no_holes)] {
                        let [mut one, mut other] = [0, 1].map(|_| vec![0.7; 300]);
                        known.apply(y, 0, &mut one);
                        found.apply(y, 0, &mut other);
                        assert_eq!(one, other, "{area} {scale:?} {y}");
                    }
                }
                kept += usize::from(last.is_some_and(|last| Arc::ptr_eq(&last, &islands)));
                last = Some(islands);
            }
        }
        assert_eq!(kept, 3);
    }

    #[test]
    fn nothing_and_everything_stay_what_they_are() {
        for (width, height) in [(1, 1), (7, 5), (31, 2001), (64, 64)] {
            for value in [0.0, 1.0, 0.5, -0.02, 1.03] {
                let picture = vec![vec![value; width]; height];
                let clean_up = CleanUp::of_area(1);
                let out = cleaned(&picture, &clean_up, PixelScale::ONE);
                let wanted = if value > 0.5 { value } else { 0.0 };
                assert!(out.iter().flatten().all(|v| *v == wanted));
            }
        }
    }
}
