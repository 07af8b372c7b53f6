//! Taking specks out of the matte: lone islands of alpha go, hair beside the subject stays.
//!
//! There are two ways. Ours judges islands (`alone`): whatever hangs on the subject stays as it
//! is, to the bit, and what goes goes whole. The original's goes by what is solid, and cuts off what
//! reaches far from it. Both find where alpha is kept and end alike.
//!
//! Source of the latter: the original engine on its OpenCV path. Alpha above 0.5 is a bitmap; its
//! 8-connected islands of fewer pixels than the given area go; what is left grows by an ellipse of
//! radius 25, so that the soft surroundings of a kept island are kept; its edge is blurred (11 × 11,
//! sigma 2, in 8 bits); alpha is multiplied by it. Checked bit for bit against the original's outputs.
//!
//! What is costly, finding islands, is done once for the whole picture (an island may reach
//! anywhere), on bits, and may be kept for as long as the matte is the same ([`Specks`]). The blur
//! and the product are done for the rows that are wanted.

mod alone;
mod bitmap;
pub(super) mod inside;
mod islands;
pub(super) mod regions;
mod soften;
mod specks;

use alone::Judging;
use bitmap::{Bitmap, Ellipse};
use soften::{Gaussian, Soft};
pub use specks::Specks;

use super::error::Result;
use super::image::{Planes, Size};
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

/// Where somebody asks for a subject: where a hint is above one half.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked(Bitmap);

impl Asked {
    /// Where a hint does: one plane of 0..1, of the plate's size.
    ///
    /// # Errors
    /// When it has other planes.
    pub fn new(hint: &Planes) -> Result<Self> {
        hint.check("hint", &[1], "1")?;
        let (width, height) = (hint.width(), hint.height());
        Ok(Self(Bitmap::above(width, height, 0.5, |y| hint.row(0, y))))
    }

    /// The hint's size.
    pub fn size(&self) -> Size {
        Size::new(self.0.width(), self.0.height())
    }

    /// The memory that it takes.
    pub fn bytes(&self) -> usize {
        self.0.bytes()
    }
}

/// Where a matte is kept: 1 at the subject, 0 at specks, soft between. Made for a whole matte,
/// applied row by row.
#[derive(Debug, Clone)]
pub struct Mask {
    soft: Soft,
}

impl Mask {
    /// Finds what the original keeps of a matte of `width` × `height`, whose rows `row` gives (at
    /// least `width` values). `scale` brings radii and areas to the pixels of this render.
    pub fn new<'a>(
        width: usize,
        height: usize,
        row: impl Fn(usize) -> &'a [f32] + Sync,
        clean_up: &CleanUp,
        scale: PixelScale,
    ) -> Self {
        let bitmap = Bitmap::above(width, height, 0.5, row);
        Self::of_solid(bitmap, clean_up, scale)
    }

    /// Finds what is kept of such a matte when only those islands go that stand alone (`alone` has
    /// the rule). `asked` says where the hint asks for a subject, in a picture of the matte's size.
    ///
    /// # Panics
    /// When `asked` has another size.
    pub fn without_lone_islands<'a>(
        width: usize,
        height: usize,
        row: impl Fn(usize) -> &'a [f32] + Sync,
        clean_up: &CleanUp,
        scale: PixelScale,
        asked: Option<&Asked>,
    ) -> Self {
        if let Some(asked) = asked {
            assert_eq!(asked.size(), Size::new(width, height));
        }
        let judging = Judging {
            enough: least(clean_up, scale),
            room: ellipse(clean_up.dilation, scale),
            // One pixel more than the kernel reaches: its corners reach a little further.
            border: ellipse(clean_up.blur + 1, scale),
            asked: asked.map(|asked| &asked.0),
        };
        Self::softened(judging.kept(width, height, row), clean_up, scale)
    }

    /// Finds what is kept of a matte's complement, `1 - alpha`: where it is cleaned away there was
    /// a hole. The original's rules hold: holes of fewer pixels than the area go, and around those
    /// that are kept, and around the outside, all stays as it is.
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
        Self::of_solid(bitmap, clean_up, scale)
    }

    fn of_solid(mut bitmap: Bitmap, clean_up: &CleanUp, scale: PixelScale) -> Self {
        islands::remove_small(&mut bitmap, least(clean_up, scale));
        let kept = bitmap.dilated(&ellipse(clean_up.dilation, scale));
        Self::softened(kept, clean_up, scale)
    }

    fn softened(kept: Bitmap, clean_up: &CleanUp, scale: PixelScale) -> Self {
        let gaussian = |scale: f64| {
            Gaussian::new(
                pixels(clean_up.blur, scale),
                0.4 * f64::from(clean_up.blur) * scale,
            )
        };
        Self {
            soft: Soft::new(kept, gaussian(scale.x), gaussian(scale.y)),
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

/// The least area that is kept, in pixels of the render.
fn least(clean_up: &CleanUp, scale: PixelScale) -> f64 {
    f64::from(clean_up.area) * scale.x * scale.y
}

/// A disc of the full-scale plate in the render.
fn ellipse(radius: u32, scale: PixelScale) -> Ellipse {
    Ellipse::new(pixels(radius, scale.x), pixels(radius, scale.y))
}

/// A radius in pixels of the render.
fn pixels(radius: u32, scale: f64) -> usize {
    // No scale makes a radius larger than this; a broken one must not either.
    const LARGEST: f64 = 1024.0;
    (f64::from(radius) * scale).round().clamp(0.0, LARGEST) as usize
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
