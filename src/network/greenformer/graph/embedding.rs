//! The positional embedding, brought from the size that the network was trained at to another one.
//!
//! Bicubic, as PyTorch does it: a = −0.75, pixel centres at halves, the border repeated, no
//! smoothing when it gets smaller.

use crate::network::greenformer::tensors::WIDTH;

/// Where one output cell looks: the four cells and their weights.
type Taps = [(usize, f32); 4];

/// Resizes `grid` × `grid` cells of [`WIDTH`] channels, row-major, to `rows` × `columns`.
pub(super) fn resize(values: &[f32], grid: usize, rows: usize, columns: usize) -> Vec<f32> {
    let (down, across) = (taps(grid, rows), taps(grid, columns));
    // First every row of the grid across, then down.
    let mut wide = vec![0.0; grid * columns * WIDTH];
    for (from, to) in values
        .chunks_exact(grid * WIDTH)
        .zip(wide.chunks_exact_mut(columns * WIDTH))
    {
        for (cell, taps) in to.chunks_exact_mut(WIDTH).zip(&across) {
            blend(cell, taps, |index| &from[index * WIDTH..][..WIDTH]);
        }
    }
    let mut out = vec![0.0; rows * columns * WIDTH];
    for (row, taps) in out.chunks_exact_mut(columns * WIDTH).zip(&down) {
        blend(row, taps, |index| {
            &wide[index * columns * WIDTH..][..columns * WIDTH]
        });
    }
    out
}

fn blend<'a>(out: &mut [f32], taps: &Taps, from: impl Fn(usize) -> &'a [f32]) {
    let [a, b, c, d] = taps.map(|(index, weight)| (from(index), weight));
    for (index, out) in out.iter_mut().enumerate() {
        *out = a.0[index] * a.1 + b.0[index] * b.1 + c.0[index] * c.1 + d.0[index] * d.1;
    }
}

fn taps(from: usize, to: usize) -> Vec<Taps> {
    let scale = from as f32 / to as f32;
    let taps = |cell: usize| {
        let place = scale * (cell as f32 + 0.5) - 0.5;
        let whole = place.floor();
        let weights = cubic(place - whole);
        let last = from as isize - 1;
        std::array::from_fn(|tap| {
            let index = (whole as isize + tap as isize - 1).clamp(0, last);
            (index.unsigned_abs(), weights[tap])
        })
    };
    (0..to).map(taps).collect()
}

/// Weights of the cells before, at, after and beyond a place that lies `t` behind a cell.
fn cubic(t: f32) -> [f32; 4] {
    const A: f32 = -0.75;
    let near = |x: f32| ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
    let far = |x: f32| ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A;
    [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One channel of a resized grid whose cells are their own numbers.
    fn resized(grid: usize, rows: usize, columns: usize) -> Vec<f32> {
        let values: Vec<f32> = (0..grid * grid)
            .flat_map(|cell| std::iter::repeat_n(cell as f32, WIDTH))
            .collect();
        let out = resize(&values, grid, rows, columns);
        assert_eq!(out.len(), rows * columns * WIDTH);
        assert!(
            out.chunks_exact(WIDTH)
                .all(|cell| cell.iter().all(|value| *value == cell[0]))
        );
        out.chunks_exact(WIDTH).map(|cell| cell[0]).collect()
    }

    fn near(ours: &[f32], expected: &[f32]) {
        assert_eq!(ours.len(), expected.len());
        for (a, b) in ours.iter().zip(expected) {
            assert!(
                (a - b).abs() < 1e-6 * b.abs().max(1.0),
                "{ours:?} is not {expected:?}"
            );
        }
    }

    #[test]
    fn the_stored_size_is_left_as_it_is() {
        let same: Vec<f32> = (0..16).map(|cell| cell as f32).collect();
        assert_eq!(resized(4, 4, 4), same);
    }

    #[test]
    fn another_shape_gets_pytorch_s_values() {
        near(
            &resized(4, 3, 6),
            &[
                0.4178239, 0.9108794, 1.717592, 2.291667, 3.09838, 3.591436, 5.913196, 6.40625,
                7.212963, 7.787038, 8.59375, 9.086805, 11.40857, 11.90162, 12.70834, 13.28241,
                14.08912, 14.58218,
            ],
        );
    }

    #[test]
    fn smaller_is_not_smoothed() {
        near(
            &resized(8, 3, 2),
            &[7.657407, 11.65741, 29.5, 33.5, 51.34259, 55.34259],
        );
    }
}
