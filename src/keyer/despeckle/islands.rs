//! Islands of a bitmap: runs of ones that touch, also at corners.

use std::ops::Range;

use super::bitmap::Bitmap;

/// Ones beside each other in one row.
#[derive(Debug, Clone, Copy)]
struct Run {
    start: u32,
    /// One past the last.
    end: u32,
    /// Another run of the same island, or itself for the one that stands for all.
    parent: u32,
}

/// The islands (8-connected) of a bitmap. Each is known by the number of its first run.
#[derive(Debug)]
pub(super) struct Islands {
    runs: Vec<Run>,
    /// Where each row's runs begin, and where the last row's end.
    rows: Vec<usize>,
}

/// Removes every island (8-connected) that has fewer than `least` pixels.
pub(super) fn remove_small(bitmap: &mut Bitmap, least: f64) {
    let islands = Islands::of(bitmap);
    let areas = islands.sums(|_, _, columns| columns.len() as f64);
    islands.clear(bitmap, |island| areas[island] < least);
}

impl Islands {
    /// Finds them.
    pub(super) fn of(bitmap: &Bitmap) -> Self {
        let mut runs: Vec<Run> = Vec::new();
        let mut rows = Vec::with_capacity(bitmap.height() + 1);
        let mut above = 0..0;
        for y in 0..bitmap.height() {
            let first = runs.len();
            rows.push(first);
            find_runs(bitmap.row(y), &mut runs);
            let row = first..runs.len();
            join(&mut runs, above, row.clone());
            above = row;
        }
        rows.push(runs.len());
        // A run's parent comes before it: what the parent stands under is settled already.
        for index in 0..runs.len() {
            let parent = runs[index].parent as usize;
            runs[index].parent = runs[parent].parent;
        }
        Self { runs, rows }
    }

    /// Every run: its island, its row and its columns.
    fn each(&self) -> impl Iterator<Item = (usize, usize, Range<usize>)> {
        self.rows.windows(2).enumerate().flat_map(|(y, row)| {
            self.runs[row[0]..row[1]].iter().map(move |run| {
                let columns = run.start as usize..run.end as usize;
                (run.parent as usize, y, columns)
            })
        })
    }

    /// What `of_run(island, row, columns)` gives for the runs of each island, added up from the top.
    /// What stands at a number that is no island's is 0.
    pub(super) fn sums(&self, of_run: impl Fn(usize, usize, Range<usize>) -> f64) -> Vec<f64> {
        let mut sums = vec![0.0; self.runs.len()];
        for (island, y, columns) in self.each() {
            sums[island] += of_run(island, y, columns);
        }
        sums
    }

    /// Which islands have a pixel in common with a bitmap of the same size.
    pub(super) fn meeting(&self, other: &Bitmap) -> Vec<bool> {
        let mut meeting = vec![false; self.runs.len()];
        for (island, y, columns) in self.each() {
            meeting[island] = meeting[island] || other.any(y, columns);
        }
        meeting
    }

    /// Clears the islands that are `gone` in the bitmap that they were found in.
    pub(super) fn clear(&self, bitmap: &mut Bitmap, gone: impl Fn(usize) -> bool) {
        for (island, y, columns) in self.each() {
            if gone(island) {
                bitmap.clear(y, columns);
            }
        }
    }
}

/// Appends a row's runs, from left to right.
fn find_runs(row: &[u64], runs: &mut Vec<Run>) {
    let mut open: Option<u32> = None;
    let mut close = |start: u32, end: u32| {
        let index = runs.len() as u32;
        runs.push(Run {
            start,
            end,
            parent: index,
        });
    };
    for (number, word) in row.iter().enumerate() {
        let base = number as u32 * 64;
        let mut at = 0;
        // `at` is where the word has been read up to.
        while at < 64 {
            match open {
                None => {
                    let rest = word >> at;
                    if rest == 0 {
                        break;
                    }
                    at += rest.trailing_zeros();
                    open = Some(base + at);
                }
                Some(start) => {
                    let rest = !(word >> at);
                    let ones = rest.trailing_zeros().min(64 - at);
                    at += ones;
                    if at == 64 {
                        break;
                    }
                    close(start, base + at);
                    open = None;
                }
            }
        }
    }
    if let Some(start) = open {
        close(start, row.len() as u32 * 64);
    }
}

/// Joins the runs of a row with those of the row above that they touch.
fn join(runs: &mut [Run], above: Range<usize>, row: Range<usize>) {
    let (mut a, mut b) = (above.start, row.start);
    while a < above.end && b < row.end {
        // Half open ends: `<=` lets corners touch.
        if runs[a].start <= runs[b].end && runs[b].start <= runs[a].end {
            let (x, y) = (find(runs, a), find(runs, b));
            // The earlier run stands for both.
            let (root, leaf) = if x < y { (x, y) } else { (y, x) };
            runs[leaf].parent = root as u32;
        }
        if runs[a].end < runs[b].end {
            a += 1;
        } else {
            b += 1;
        }
    }
}

/// The run that stands for the island, the path to it halved on the way.
fn find(runs: &mut [Run], mut index: usize) -> usize {
    loop {
        let parent = runs[index].parent as usize;
        if parent == index {
            return index;
        }
        let above = runs[parent].parent;
        runs[index].parent = above;
        index = above as usize;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Islands by flood fill, to compare with.
    fn flood(picture: &[Vec<bool>], least: usize) -> Vec<Vec<bool>> {
        let (height, width) = (picture.len(), picture[0].len());
        let mut out = vec![vec![false; width]; height];
        let mut seen = out.clone();
        for y in 0..height {
            for x in 0..width {
                if !picture[y][x] || seen[y][x] {
                    continue;
                }
                let mut island = vec![(x, y)];
                seen[y][x] = true;
                let mut next = 0;
                while next < island.len() {
                    let (x, y) = island[next];
                    next += 1;
                    for ny in y.saturating_sub(1)..(y + 2).min(height) {
                        for nx in x.saturating_sub(1)..(x + 2).min(width) {
                            if picture[ny][nx] && !seen[ny][nx] {
                                seen[ny][nx] = true;
                                island.push((nx, ny));
                            }
                        }
                    }
                }
                if island.len() >= least {
                    for (x, y) in island {
                        out[y][x] = true;
                    }
                }
            }
        }
        out
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn islands_are_those_of_a_flood_fill(
            width in 1_usize..200, height in 1_usize..12, least in 0_usize..40,
            density in 1_u32..10, seed: u64,
        ) {
            let mut state = seed | 1;
            let picture: Vec<Vec<bool>> = (0..height).map(|_| (0..width).map(|_| {
                state ^= state << 13; state ^= state >> 7; state ^= state << 17;
                (state >> 33) as u32 % 10 < density
            }).collect()).collect();
            let values: Vec<Vec<f32>> = picture.iter()
                .map(|row| row.iter().map(|on| f32::from(u8::from(*on))).collect()).collect();
            let mut bitmap = Bitmap::above(width, height, 0.5, |y| &values[y]);
            remove_small(&mut bitmap, least as f64);
            for (y, row) in flood(&picture, least).iter().enumerate() {
                for (x, wanted) in row.iter().enumerate() {
                    prop_assert_eq!(bitmap.row(y)[x / 64] >> (x % 64) & 1 == 1, *wanted, "{} {}", x, y);
                }
            }
        }
    }
}
