//! A picture of yes and no, 64 pixels to the word.

use std::ops::Range;

use rayon::prelude::*;

mod dilation;

pub(super) use dilation::Ellipse;

/// Bits in rows of whole words; bits beyond the width are 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bitmap {
    width: usize,
    height: usize,
    words: usize,
    bits: Vec<u64>,
}

impl Bitmap {
    pub(super) fn new(width: usize, height: usize) -> Self {
        let words = width.div_ceil(64);
        Self {
            width,
            height,
            words,
            bits: vec![0; words * height],
        }
    }

    /// 1 where a row's value exceeds `threshold` (NaN does not). `row` gives the values of a row.
    pub(super) fn above<'a>(
        width: usize,
        height: usize,
        threshold: f32,
        row: impl Fn(usize) -> &'a [f32] + Sync,
    ) -> Self {
        let mut bitmap = Self::new(width, height);
        let words = bitmap.words;
        bitmap
            .bits
            .par_chunks_exact_mut(words)
            .enumerate()
            .for_each(|(y, bits)| {
                for (word, values) in bits.iter_mut().zip(row(y)[..width].chunks(64)) {
                    *word = word_above(values, threshold);
                }
            });
        bitmap
    }

    /// The same for two thresholds at once: alpha is large, and read but once.
    pub(super) fn above_each<'a>(
        width: usize,
        height: usize,
        thresholds: [f32; 2],
        row: impl Fn(usize) -> &'a [f32] + Sync,
    ) -> [Self; 2] {
        let [mut one, mut other] = [0, 1].map(|_| Self::new(width, height));
        let words = one.words;
        one.bits
            .par_chunks_exact_mut(words)
            .zip(other.bits.par_chunks_exact_mut(words))
            .enumerate()
            .for_each(|(y, (one, other))| {
                let values = row(y)[..width].chunks(64);
                for ((one, other), values) in one.iter_mut().zip(other).zip(values) {
                    *one = word_above(values, thresholds[0]);
                    *other = word_above(values, thresholds[1]);
                }
            });
        [one, other]
    }

    /// The same for rows that `fill` writes.
    pub(super) fn filled(
        width: usize,
        height: usize,
        threshold: f32,
        fill: impl Fn(usize, &mut [f32]) + Sync,
    ) -> Self {
        let mut bitmap = Self::new(width, height);
        let words = bitmap.words;
        if words == 0 {
            return bitmap;
        }
        bitmap
            .bits
            .par_chunks_exact_mut(words)
            .enumerate()
            .for_each_init(
                || vec![0.0; width],
                |row, (y, bits)| {
                    fill(y, row);
                    for (word, values) in bits.iter_mut().zip(row.chunks(64)) {
                        *word = word_above(values, threshold);
                    }
                },
            );
        bitmap
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    pub(super) fn height(&self) -> usize {
        self.height
    }

    pub(super) fn row(&self, y: usize) -> &[u64] {
        &self.bits[y * self.words..(y + 1) * self.words]
    }

    /// The memory that it takes.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(self.bits.as_slice())
    }

    /// True when nothing is set.
    pub(super) fn is_empty(&self) -> bool {
        self.bits.iter().all(|word| *word == 0)
    }

    /// True when one of the columns of a row is set. There is at least one column.
    pub(super) fn any(&self, y: usize, columns: Range<usize>) -> bool {
        let row = self.row(y);
        let (first, last, from, to) = ends(&columns);
        if first == last {
            return row[first] & from & to != 0;
        }
        row[first] & from != 0
            || row[first + 1..last].iter().any(|word| *word != 0)
            || row[last] & to != 0
    }

    /// Sets columns of a row to 0, at least one.
    pub(super) fn clear(&mut self, y: usize, columns: Range<usize>) {
        let row = &mut self.bits[y * self.words..(y + 1) * self.words];
        let (first, last, from, to) = ends(&columns);
        if first == last {
            row[first] &= !(from & to);
        } else {
            row[first] &= !from;
            row[first + 1..last].fill(0);
            row[last] &= !to;
        }
    }

    /// 1 where there was 0.
    pub(super) fn inverted(mut self) -> Self {
        let last_word = self.last_word();
        for word in &mut self.bits {
            *word = !*word;
        }
        for row in self.bits.chunks_exact_mut(self.words.max(1)) {
            if let Some(last) = row.last_mut() {
                *last &= last_word;
            }
        }
        self
    }

    /// 1 where either has 1. Both are of the same size.
    pub(super) fn or(mut self, other: &Self) -> Self {
        for (word, other) in self.bits.iter_mut().zip(&other.bits) {
            *word |= other;
        }
        self
    }

    /// 1 where there is no 1 in the other, which is of the same size.
    pub(super) fn without(mut self, other: &Self) -> Self {
        for (word, other) in self.bits.iter_mut().zip(&other.bits) {
            *word &= !other;
        }
        self
    }

    /// The bits of a row's last word that are in the picture.
    fn last_word(&self) -> u64 {
        match self.width % 64 {
            0 => !0,
            rest => !0 >> (64 - rest),
        }
    }
}

/// The words that hold the first and the last of some columns, and their bits in these words.
fn ends(columns: &Range<usize>) -> (usize, usize, u64, u64) {
    let (first, last) = (columns.start, columns.end - 1);
    let (from, to) = (!0 << (first % 64), !0 >> (63 - last % 64));
    (first / 64, last / 64, from, to)
}

/// 64 (or, at a row's end, fewer) comparisons in one word.
#[inline]
fn word_above(values: &[f32], threshold: f32) -> u64 {
    // Nearly every word is all of one kind, which is told sooner than its bits are gathered.
    if let Ok(values) = <&[f32; 64]>::try_from(values) {
        let (any, all) = values.iter().fold((false, true), |(any, all), value| {
            (any | (*value > threshold), all & (*value > threshold))
        });
        if any == all {
            return if any { !0 } else { 0 };
        }
    }
    let mut flags = [0_u8; 64];
    for (flag, value) in flags.iter_mut().zip(values) {
        *flag = u8::from(*value > threshold);
    }
    // Eight flags at a time: the product gathers the lowest bit of each byte in the top byte.
    let mut word = 0;
    for (group, bytes) in flags.chunks_exact(8).enumerate() {
        let mut eight = [0_u8; 8];
        eight.copy_from_slice(bytes);
        let gathered = u64::from_le_bytes(eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        word |= gathered << (8 * group);
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bit(bitmap: &Bitmap, x: usize, y: usize) -> bool {
        bitmap.row(y)[x / 64] >> (x % 64) & 1 == 1
    }

    #[test]
    fn thresholds_leave_their_own_value_out() {
        let row: Vec<f32> = (0..70)
            .map(|i| match i {
                3 => 0.5,
                4 => 0.500_001,
                5 => f32::NAN,
                65 => 9.0,
                _ => 0.0,
            })
            .collect();
        let bitmap = Bitmap::above(70, 1, 0.5, |_| &row);
        assert_eq!(bitmap.row(0), [1 << 4, 1 << 1]);
        let [one, other] = Bitmap::above_each(70, 1, [0.5, 5.0], |_| &row);
        assert_eq!(one, bitmap);
        assert_eq!(other.row(0), [0, 1 << 1]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn clearing_clears_just_that(start in 0_usize..200, length in 1_usize..200) {
            let width = 400;
            let mut bitmap = Bitmap::above(width, 1, 0.0, |_| &[1.0; 400]);
            let columns = start..start + length;
            bitmap.clear(0, columns.clone());
            for x in 0..width {
                prop_assert_eq!(bit(&bitmap, x, 0), !columns.contains(&x));
            }
            prop_assert!(!bitmap.any(0, columns));
            // One column more on either side, where there is one.
            for x in [start.checked_sub(1), Some(start + length)].into_iter().flatten() {
                let wider = start.min(x)..(start + length).max(x + 1);
                prop_assert_eq!(bitmap.any(0, wider), x < width);
            }
        }
    }
}
