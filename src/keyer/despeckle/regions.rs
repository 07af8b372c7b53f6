//! The same clean-up on small maps: what a hint's core is.

use super::bitmap::{Bitmap, Ellipse};
use super::islands;
use crate::keyer::image::Planes;

/// The part of a map (one plane) above `threshold`, without islands of fewer than `area` pixels,
/// eroded by a disc of `radius`: a plane of 0 and 1. The picture's border erodes nothing.
pub(in crate::keyer) fn core(map: &Planes, threshold: f32, area: f64, radius: usize) -> Planes {
    let (width, height) = (map.width(), map.height());
    let mut bitmap = Bitmap::above(width, height, threshold, |y| map.row(0, y));
    islands::remove_small(&mut bitmap, area);
    // What grows is the outside.
    let outside = bitmap.inverted().dilated(&Ellipse::new(radius, radius));
    let mut out = Planes::new(width, height, 1);
    for y in 0..height {
        let bits = outside.row(y);
        for (x, value) in out.row_mut(0, y).iter_mut().enumerate() {
            *value = if bits[x / 64] >> (x % 64) & 1 == 0 {
                1.0
            } else {
                0.0
            };
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_do_not_erode_and_islands_go() {
        let mut map = Planes::new(100, 40, 1);
        for y in 0..40 {
            map.row_mut(0, y)[..50].fill(1.0);
        }
        map.row_mut(0, 20)[80] = 1.0;
        let core = core(&map, 0.5, 4.0, 3);
        assert_eq!(core.row(0, 0)[0], 1.0);
        assert_eq!(core.row(0, 39)[46], 1.0);
        assert_eq!(core.row(0, 20)[47], 0.0);
        assert_eq!(core.row(0, 20)[80], 0.0);
    }
}
