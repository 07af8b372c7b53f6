//! Where a matte holds one value: most of it is empty or solid, and what looks at neighbours need
//! not look there.

use rayon::prelude::*;

use super::Rows;

/// Columns that are known together.
pub(super) const BLOCK: usize = 64;

/// The blocks of columns that hold one value, row by row.
pub(super) struct Flats {
    /// The value, or NaN where there are several.
    values: Vec<f32>,
    across: usize,
    first: usize,
}

/// The value of a block, or NaN.
fn value(block: &[f32]) -> f32 {
    match block.split_first() {
        Some((first, rest)) if rest.iter().all(|value| value == first) => *first,
        _ => f32::NAN,
    }
}

impl Flats {
    pub(super) fn of(source: &Rows<'_>) -> Self {
        let planes = &source.planes;
        let across = planes.width().div_ceil(BLOCK);
        let mut values = vec![0.0; across * planes.height()];
        if across > 0 {
            let rows = values.par_chunks_exact_mut(across).enumerate();
            rows.for_each(|(line, out)| {
                for (out, block) in out.iter_mut().zip(planes.row(0, line).chunks(BLOCK)) {
                    *out = value(block);
                }
            });
        }
        Self {
            values,
            across,
            first: source.first,
        }
    }

    /// The blocks of row `y` of the plate.
    fn row(&self, y: usize) -> &[f32] {
        &self.values[(y - self.first) * self.across..][..self.across]
    }

    /// For each block of columns the value that it holds in all of the rows, or NaN.
    pub(super) fn down(&self, rows: impl IntoIterator<Item = usize>) -> Vec<f32> {
        let mut rows = rows.into_iter();
        let Some(first) = rows.next() else {
            return vec![f32::NAN; self.across];
        };
        let mut found = self.row(first).to_vec();
        for y in rows {
            for (found, value) in found.iter_mut().zip(self.row(y)) {
                *found = if *found == *value { *found } else { f32::NAN };
            }
        }
        found
    }
}

/// For each block the value that it and all within `reach` columns of it hold, or NaN; `flats` are
/// the blocks' own. Beyond the sides there is nothing to disagree.
pub(super) fn around(flats: &[f32], reach: usize) -> Vec<f32> {
    let blocks = reach.div_ceil(BLOCK);
    (0..flats.len())
        .map(|block| {
            let near = block.saturating_sub(blocks)..(block + blocks + 1).min(flats.len());
            value(&flats[near])
        })
        .collect()
}

/// Calls `each(columns, value)` for the runs of blocks of a row of `width` columns: a value where
/// they hold one, `None` where they are to be worked on.
pub(super) fn runs(
    flats: &[f32],
    width: usize,
    mut each: impl FnMut(std::ops::Range<usize>, Option<f32>),
) {
    let known = |block: usize| (!flats[block].is_nan()).then_some(flats[block]);
    let mut from = 0;
    while from < flats.len() {
        let value = known(from);
        let mut to = from + 1;
        while to < flats.len() && known(to) == value {
            to += 1;
        }
        each(from * BLOCK..(to * BLOCK).min(width), value);
        from = to;
    }
}
