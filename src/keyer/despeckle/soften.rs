//! The blur of a bitmap's edge, as OpenCV computes it on 8-bit pictures.
//!
//! Source: OpenCV's `GaussianBlur` for 8-bit pictures. The kernel is rounded to 256ths so that it
//! sums to 256, the rounding error of each weight carried to the next, the middle taking what is
//! left. Both directions are summed in whole numbers and rounded once, `(sum + 2^15) >> 16`;
//! outside the picture it is mirrored about the outermost pixel. All of it is exact, so the order
//! of the two directions does not matter, and a block whose whole neighbourhood is one colour
//! needs no sum at all. That is nearly every block: a matte is mostly inside or outside.

use std::ops::Range;

use rayon::prelude::*;

use super::bitmap::Bitmap;

/// Columns that are decided on together.
const BLOCK: usize = 64;
/// A kernel reaches at most this far, so that a block never reaches past its neighbour words.
pub(super) const MAX_RADIUS: usize = 60;

/// A symmetric kernel in 256ths: the weight of the middle, then of each distance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gaussian(Vec<u16>);

impl Gaussian {
    /// The kernel that reaches `radius` pixels with a standard deviation of `sigma`.
    pub(super) fn new(radius: usize, sigma: f64) -> Self {
        let radius = radius.min(MAX_RADIUS);
        if radius == 0 || sigma <= 0.0 {
            return Self(vec![256]);
        }
        let exact: Vec<f64> = (0..=radius)
            .map(|d| (-0.5 * (d as f64 / sigma).powi(2)).exp())
            .collect();
        let sum = exact[0] + 2.0 * exact[1..].iter().sum::<f64>();
        let mut weights = vec![0_u16; radius + 1];
        let (mut carried, mut given) = (0.0, 0);
        for distance in (1..=radius).rev() {
            let wanted = exact[distance] / sum * 256.0 + carried;
            let weight = wanted.round_ties_even();
            carried = wanted - weight;
            weights[distance] = weight as u16;
            given += 2 * weights[distance];
        }
        weights[0] = 256 - given;
        Self(weights)
    }

    fn radius(&self) -> usize {
        self.0.len() - 1
    }
}

/// What a whole block of columns is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Uniform {
    /// Nothing of it or around it is set.
    Clear,
    /// All of it and around it is set.
    Solid,
    /// An edge runs through.
    Edge,
}

/// What the rows around a row have in each column.
#[derive(Default)]
struct Around {
    /// Something is set.
    any: Vec<u64>,
    /// Something is not.
    missing: Vec<u64>,
}

impl Around {
    fn look<'a>(&mut self, rows: impl Iterator<Item = (&'a [u64], u32)>) {
        self.any.clear();
        for (row, _) in rows {
            if self.any.is_empty() {
                self.any.extend_from_slice(row);
                self.missing.clear();
                self.missing.extend(row.iter().map(|word| !word));
                continue;
            }
            for (any, word) in self.any.iter_mut().zip(row) {
                *any |= word;
            }
            for (missing, word) in self.missing.iter_mut().zip(row) {
                *missing |= !word;
            }
        }
    }
}

/// A bitmap with soft edges, computed row by row when somebody wants the row. Where the edges run
/// is found once.
#[derive(Debug, Clone)]
pub(super) struct Soft {
    bitmap: Bitmap,
    across: Gaussian,
    down: Gaussian,
    /// What the blocks of each row are.
    blocks: Vec<Uniform>,
}

impl Soft {
    pub(super) fn new(bitmap: Bitmap, across: Gaussian, down: Gaussian) -> Self {
        let mut soft = Self {
            bitmap,
            across,
            down,
            blocks: Vec::new(),
        };
        let words = soft.words();
        let mut blocks = vec![Uniform::Edge; words * soft.bitmap.height()];
        if words > 0 {
            let rows = blocks.par_chunks_exact_mut(words).enumerate();
            rows.for_each_init(Around::default, |around, (y, blocks)| {
                around.look(soft.rows(y));
                for (word, block) in blocks.iter_mut().enumerate() {
                    *block = soft.uniform(around, word);
                }
            });
        }
        soft.blocks = blocks;
        soft
    }

    /// Blocks of a row.
    fn words(&self) -> usize {
        self.bitmap.width().div_ceil(BLOCK)
    }

    /// The rows that row `y` is made of, and their weights.
    fn rows(&self, y: usize) -> impl Iterator<Item = (&[u64], u32)> {
        let reach = self.down.radius() as isize;
        (-reach..=reach).map(move |dy| {
            let weight = self.down.0[dy.unsigned_abs()];
            let y = mirror(y as isize + dy, self.bitmap.height());
            (self.bitmap.row(y), u32::from(weight))
        })
    }

    /// Multiplies `values`, which stand at the columns from `x0` on in row `y`, by the softened
    /// bitmap, 0..1 in steps of 255ths. What is multiplied by 0 is 0, whatever it was.
    pub(super) fn multiply(&self, y: usize, x0: usize, values: &mut [f32]) {
        self.row(y, x0, values, |_, _| {});
    }

    /// The same from one row into another, which is as long. What is multiplied by 0 is not looked
    /// at.
    pub(super) fn multiplied(&self, y: usize, x0: usize, from: &[f32], out: &mut [f32]) {
        self.row(y, x0, out, |columns, out| {
            out.copy_from_slice(&from[columns]);
        });
    }

    /// `fetch` brings the values of columns, counted from `x0`, where they matter.
    fn row(&self, y: usize, x0: usize, out: &mut [f32], fetch: impl Fn(Range<usize>, &mut [f32])) {
        let words = self.words();
        let blocks = &self.blocks[y * words..(y + 1) * words];
        let mut rows = Vec::new();
        let (mut x, end) = (x0, x0 + out.len());
        while x < end {
            let next = (x / BLOCK + 1) * BLOCK;
            let columns = x - x0..next.min(end) - x0;
            let out = &mut out[columns.clone()];
            match blocks[x / BLOCK] {
                Uniform::Solid => fetch(columns, out),
                Uniform::Clear => out.fill(0.0),
                Uniform::Edge => {
                    if rows.is_empty() {
                        rows = self.rows(y).collect();
                    }
                    fetch(columns, out);
                    self.edge(&rows, x, out);
                }
            }
            x = next;
        }
    }

    /// Looks at a word of all the rows and at the bits beside it that the kernel reaches. Beyond the
    /// picture's sides stands the mirror image of what is looked at anyway, as long as the picture
    /// is wider than the kernel; narrower ones are always an edge.
    fn uniform(&self, around: &Around, word: usize) -> Uniform {
        let radius = self.across.radius();
        let width = self.bitmap.width();
        if width <= radius || width - (word * BLOCK).min(width) <= radius {
            return Uniform::Edge;
        }
        let mine = match width - word * BLOCK {
            0..64 => !0 >> (64 - (width - word * BLOCK)),
            _ => !0_u64,
        };
        let beside = |bits: usize| if bits == 0 { 0 } else { !0_u64 >> (64 - bits) };
        // The low bits of the next word, as far as the picture goes.
        let right = beside(radius.min(width.saturating_sub((word + 1) * BLOCK)));
        let left = if word == 0 {
            0
        } else {
            beside(radius).reverse_bits()
        };
        let gather = |words: &[u64]| {
            let before = if left == 0 { 0 } else { words[word - 1] };
            let after = if right == 0 { 0 } else { words[word + 1] };
            (words[word] & mine) | (before & left) | (after & right)
        };
        let (any, missing) = (gather(&around.any), gather(&around.missing));
        match (any, missing) {
            (0, _) => Uniform::Clear,
            (_, 0) => Uniform::Solid,
            _ => Uniform::Edge,
        }
    }

    /// A block through which an edge runs: at most [`BLOCK`] columns. The sums are whole numbers
    /// below 2^24, which floats hold exactly, and floats are what is multiplied four at a time.
    fn edge(&self, rows: &[(&[u64], u32)], x0: usize, values: &mut [f32]) {
        let radius = self.across.radius();
        let width = self.bitmap.width();
        let mut columns = [0.0_f32; BLOCK + 2 * MAX_RADIUS + 8];
        let reached = values.len() + 2 * radius;
        let first = x0 as isize - radius as isize;
        let inside = first >= 0 && first as usize + reached <= width;
        for (row, weight) in rows {
            let weight = *weight as f32;
            if inside {
                let (groups, _) = columns[..reached.next_multiple_of(8)].as_chunks_mut::<8>();
                add_bits(row, first as usize, weight, groups);
            } else {
                for (x, column) in (first..).zip(&mut columns[..reached]) {
                    let x = mirror(x, width);
                    *column += weight * (row[x / 64] >> (x % 64) & 1) as f32;
                }
            }
        }
        let mut sums = [0.0_f32; BLOCK];
        let sums = &mut sums[..values.len()];
        for (distance, weight) in self.across.0.iter().enumerate() {
            let weight = f32::from(*weight);
            let left = &columns[radius - distance..][..sums.len()];
            let right = &columns[radius + distance..][..sums.len()];
            if distance == 0 {
                for (sum, value) in sums.iter_mut().zip(left) {
                    *sum = weight * value;
                }
            } else {
                for ((sum, left), right) in sums.iter_mut().zip(left).zip(right) {
                    *sum += weight * (left + right);
                }
            }
        }
        for (value, sum) in values.iter_mut().zip(sums) {
            let level = ((*sum * 255.0 + 32768.0) * (1.0 / 65536.0)) as i32 as f32;
            let product = *value * (level / 255.0);
            *value = if level > 0.0 { product } else { 0.0 };
        }
    }
}

/// Adds `weight` to every column whose bit is set. The last group may hold columns that nobody
/// asked for.
#[inline]
fn add_bits(row: &[u64], first: usize, weight: f32, groups: &mut [[f32; 8]]) {
    let mut x = first;
    for group in groups {
        let (word, shift) = (x / 64, x % 64);
        let mut bits = row.get(word).map_or(0, |word| word >> shift);
        if shift > 56 {
            bits |= row.get(word + 1).map_or(0, |next| next << (64 - shift));
        }
        for (column, bit) in group.iter_mut().zip(&BITS[bits as usize % 256]) {
            *column += weight * bit;
        }
        x += 8;
    }
}

/// The bits of every byte as numbers.
static BITS: [[f32; 8]; 256] = {
    let mut bits = [[0.0; 8]; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut bit = 0;
        while bit < 8 {
            bits[byte][bit] = (byte >> bit & 1) as f32;
            bit += 1;
        }
        byte += 1;
    }
    bits
};

/// The pixel that stands at `position` when a line of `length` is mirrored about its outermost
/// pixels: 2 1 0 1 2 … (OpenCV's reflect-101).
fn mirror(position: isize, length: usize) -> usize {
    if length == 1 {
        return 0;
    }
    let period = 2 * (length as isize - 1);
    let position = position.rem_euclid(period);
    position.min(period - position) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_kernel_sums_to_256_and_is_opencvs() {
        // cv2.GaussianBlur of a single 255, read back: 11 taps, sigma 2.
        assert_eq!(Gaussian::new(5, 2.0).0, [52, 45, 31, 17, 7, 2]);
        for radius in 0..20 {
            let kernel = Gaussian::new(radius, 0.4 * radius as f64).0;
            let sum = kernel[0] + 2 * kernel[1..].iter().sum::<u16>();
            assert_eq!(sum, 256);
        }
    }

    #[test]
    fn mirroring_does_not_repeat_the_border() {
        let line: Vec<usize> = (-3..7).map(|p| mirror(p, 4)).collect();
        assert_eq!(line, [3, 2, 1, 0, 1, 2, 3, 2, 1, 0]);
        assert_eq!(mirror(-9, 1), 0);
        assert_eq!(mirror(5, 2), 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn blocks_and_windows_do_not_show(
            width in 1_usize..300, height in 1_usize..14, radius in 0_usize..9,
            edge in 0_usize..300, slope in 0_usize..20, from in 0_usize..300, length in 1_usize..200,
        ) {
            // A slanted edge, so that there are clear, solid and edge blocks.
            let values: Vec<Vec<f32>> = (0..height).map(|y| (0..width)
                .map(|x| f32::from(u8::from(x >= edge + slope * y))).collect()).collect();
            let bitmap = Bitmap::above(width, height, 0.5, |y| &values[y]);
            let across = Gaussian::new(radius, 0.4 * radius as f64);
            let down = Gaussian::new(5, 2.0);
            let soft = Soft::new(bitmap, across.clone(), down.clone());
            let (from, to) = (from % width, (from % width + length).min(width));
            for y in 0..height {
                let mut whole = vec![1.0; width];
                soft.multiply(y, 0, &mut whole);
                let mut part = vec![9.0; to - from];
                soft.multiplied(y, from, &vec![1.0; to - from], &mut part);
                prop_assert_eq!(&whole[from..to], &part[..]);
                for (x, value) in whole.iter().enumerate() {
                    let mut sum = 0_u32;
                    for dy in -5..=5_isize {
                        let row = &values[mirror(y as isize + dy, height)];
                        for dx in -(radius as isize)..=radius as isize {
                            let on = row[mirror(x as isize + dx, width)] as u32;
                            sum += on * u32::from(down.0[dy.unsigned_abs()])
                                * u32::from(across.0[dx.unsigned_abs()]);
                        }
                    }
                    let wanted = ((sum * 255 + 32768) >> 16) as f32 / 255.0;
                    prop_assert_eq!(*value, wanted, "{} {}", x, y);
                }
            }
        }
    }
}
