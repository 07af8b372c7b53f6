//! The same clean-up on small maps: what a hint's core is.

use rayon::prelude::*;

use super::bitmap::{Bitmap, Ellipse};
use super::islands;
use crate::keyer::image::Planes;

/// How a map's core is found.
#[derive(Debug, Clone, Copy)]
pub(in crate::keyer) struct Core {
    /// Above this the map is inside.
    pub(in crate::keyer) inside: f32,
    /// Up to this it is outside, even in a hole that would be filled.
    pub(in crate::keyer) outside: f32,
    /// Islands of fewer pixels go.
    pub(in crate::keyer) island: f64,
    /// Holes of fewer pixels are filled.
    pub(in crate::keyer) hole: f64,
    /// The rest is eroded by a disc of this radius.
    pub(in crate::keyer) radius: usize,
}

/// The core of a map (one plane): a plane of 0 and 1. The picture's border erodes nothing.
pub(in crate::keyer) fn core(map: &Planes, how: &Core) -> Planes {
    let (width, height) = (map.width(), map.height());
    let above = |threshold| Bitmap::above(width, height, threshold, |y| map.row(0, y));
    let mut inside = above(how.inside);
    islands::remove_small(&mut inside, how.island);
    let mut outside = inside.inverted();
    islands::remove_small(&mut outside, how.hole);
    let outside = outside.or(&above(how.outside).inverted());
    // What grows is the outside.
    let outside = outside.dilated(&Ellipse::new(how.radius, how.radius));
    let mut out = Planes::new(width, height, 1);
    let rows = out.data_mut().par_chunks_exact_mut(width.max(1));
    rows.enumerate().for_each(|(y, row)| {
        let bits = outside.row(y);
        for (x, value) in row.iter_mut().enumerate() {
            *value = if bits[x / 64] >> (x % 64) & 1 == 0 {
                1.0
            } else {
                0.0
            };
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_do_not_erode_islands_go_and_doubtful_holes_are_filled() {
        let mut map = Planes::new(100, 40, 1);
        for y in 0..40 {
            map.row_mut(0, y)[..50].fill(1.0);
        }
        // An island, a doubtful hole and a certain one.
        map.row_mut(0, 20)[80] = 1.0;
        map.row_mut(0, 10)[20] = 0.4;
        map.row_mut(0, 30)[20] = 0.1;
        let how = Core {
            inside: 0.5,
            outside: 0.2,
            island: 4.0,
            hole: 4.0,
            radius: 3,
        };
        let core = core(&map, &how);
        assert_eq!(core.row(0, 0)[0], 1.0);
        assert_eq!(core.row(0, 39)[46], 1.0);
        assert_eq!(core.row(0, 20)[47], 0.0);
        assert_eq!(core.row(0, 20)[80], 0.0);
        assert_eq!(core.row(0, 10)[20], 1.0);
        assert_eq!(core.row(0, 30)[23], 0.0);
        assert_eq!(core.row(0, 30)[24], 1.0);
    }
}
