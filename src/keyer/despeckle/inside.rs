//! The inside of a matte: where it is solid, some way from its edge, with a soft border.

use std::ops::Range;

use super::bitmap::{Bitmap, Ellipse};
use super::soften::{Gaussian, MAX_RADIUS, Soft};
use crate::keyer::settings::{Detail, PixelScale};

/// Alpha above which a matte is solid.
const SOLID: f32 = 0.95;

/// How far inside its edge a matte is looked at, in pixels of the render.
#[derive(Debug, Clone, Copy)]
pub(in crate::keyer) struct Depth {
    /// Nothing, out to this distance from what is not solid.
    shrink: [usize; 2],
    /// Then softly more over twice this.
    feather: [usize; 2],
}

impl Depth {
    /// From sizes at full scale.
    pub(in crate::keyer) fn new(detail: &Detail, scale: PixelScale) -> Self {
        let axes = |size: f32| {
            [scale.x, scale.y].map(|scale| {
                // Casts of what is not a number give 0.
                ((f64::from(size) * scale).round() as usize).min(1024)
            })
        };
        let feather = axes(detail.feather * 0.5).map(|radius| radius.min(MAX_RADIUS));
        Self {
            shrink: axes(detail.shrink),
            feather,
        }
    }

    /// Rows to either side that are looked at.
    pub(in crate::keyer) fn reach(&self) -> usize {
        self.shrink[1] + 2 * self.feather[1]
    }
}

/// Where a matte is solid: 1 deep inside, 0 at its edge and outside.
#[derive(Debug)]
pub(in crate::keyer) struct Inside {
    soft: Soft,
    /// The picture's row that the first of ours is.
    first: usize,
}

impl Inside {
    /// Looks at the rows `rows` of a matte. `fill` writes a row of it. What holds of a row does not
    /// depend on `rows`, as long as they hold [`Depth::reach`] more on either side or end where the
    /// picture does.
    pub(in crate::keyer) fn new(
        width: usize,
        rows: &Range<usize>,
        depth: &Depth,
        fill: impl Fn(usize, &mut [f32]) + Sync,
    ) -> Self {
        let solid = Bitmap::filled(width, rows.len(), SOLID, |line, row| {
            fill(rows.start + line, row);
        });
        // The blur's kernel reaches as far as the feather, so that it ends where shrinking does.
        let away = |axis: usize| depth.shrink[axis] + depth.feather[axis];
        let outside = solid.inverted().dilated(&Ellipse::new(away(0), away(1)));
        let gaussian = |axis: usize| {
            let radius = depth.feather[axis];
            Gaussian::new(radius, 0.5 * radius as f64)
        };
        Self {
            soft: Soft::new(outside.inverted(), gaussian(0), gaussian(1)),
            first: rows.start,
        }
    }

    /// Row `y`, for the columns from `x0` on.
    pub(in crate::keyer) fn row(&self, y: usize, x0: usize, out: &mut [f32]) {
        out.fill(1.0);
        self.soft.multiply(y - self.first, x0, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights(rows: Range<usize>, detail: Detail, scale: PixelScale) -> Vec<Vec<f32>> {
        let depth = Depth::new(&detail, scale);
        let seen = rows.start.saturating_sub(depth.reach())..(rows.end + depth.reach()).min(60);
        let inside = Inside::new(100, &seen, &depth, |y, row| {
            for (x, value) in row.iter_mut().enumerate() {
                *value = if x < 70 && y > 4 { 1.0 } else { 0.9 };
            }
        });
        rows.map(|y| {
            let mut row = vec![0.0; 100];
            inside.row(y, 0, &mut row);
            row
        })
        .collect()
    }

    #[test]
    fn it_begins_at_the_shrink_and_is_whole_behind_the_feather() {
        let detail = Detail {
            shrink: 3.0,
            feather: 8.0,
        };
        let all = weights(0..60, detail, PixelScale::ONE);
        let row = &all[40];
        // The last solid column is 69.
        assert!(row[67..].iter().all(|weight| *weight == 0.0), "{row:?}");
        assert!(row[66] > 0.0 && row[66] < 0.2);
        assert!(row[..58].iter().all(|weight| *weight == 1.0));
        assert!(row.windows(2).all(|pair| pair[1] <= pair[0]));
        assert_eq!(all[7][20], 0.0);
        assert_eq!(
            all[59][0], 1.0,
            "the frame's edge is no edge of the subject"
        );
        // Any rows are the same.
        for rows in [0..1, 9..13, 30..31, 59..60] {
            assert_eq!(weights(rows.clone(), detail, PixelScale::ONE), all[rows]);
        }
        let none = Detail {
            shrink: 0.0,
            feather: 0.0,
        };
        let sharp = weights(40..41, none, PixelScale::ONE);
        assert_eq!((sharp[0][69], sharp[0][70]), (1.0, 0.0));
        let half = weights(40..41, detail, PixelScale { x: 0.5, y: 0.5 });
        assert!(half[0][68] == 0.0 && half[0][63] == 1.0);
    }
}
