//! A picture of yes and no, 64 pixels to the word, and its dilation.

use rayon::prelude::*;

/// Rows that one task dilates; the ellipse reaches into the neighbours', which is then done twice.
const BAND: usize = 128;

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

    /// Sets the bits `start..end` of a row to 0.
    pub(super) fn clear(&mut self, y: usize, start: usize, end: usize) {
        let row = &mut self.bits[y * self.words..(y + 1) * self.words];
        let (first, last) = (start / 64, (end - 1) / 64);
        let from = !0_u64 << (start % 64);
        let to = !0_u64 >> (63 - (end - 1) % 64);
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

    /// The bits of a row's last word that are in the picture.
    fn last_word(&self) -> u64 {
        match self.width % 64 {
            0 => !0,
            rest => !0 >> (64 - rest),
        }
    }

    /// 1 wherever the ellipse around a pixel meets a 1. Nothing comes from outside the picture.
    pub(super) fn dilated(&self, ellipse: &Ellipse) -> Self {
        let mut out = Self::new(self.width, self.height);
        if self.words == 0 {
            return out;
        }
        let words = self.words;
        let reach = ellipse.reach();
        let last_word = self.last_word();
        out.bits
            .par_chunks_mut(BAND * words)
            .enumerate()
            .for_each(|(band, out)| {
                let first = band * BAND;
                let end = first + out.len() / words;
                // One empty word at either end, so that shifts need no special case.
                let mut wide = vec![0_u64; words + 2];
                let mut next = vec![0_u64; words + 2];
                let rows = first.saturating_sub(reach)..(end + reach).min(self.height);
                for y in rows {
                    let row = self.row(y);
                    if row.iter().all(|word| *word == 0) {
                        continue;
                    }
                    wide[1..=words].copy_from_slice(row);
                    let mut half_width = 0;
                    for (target, lines) in &ellipse.by_half_width {
                        while half_width < *target {
                            widen(&wide, &mut next, last_word);
                            std::mem::swap(&mut wide, &mut next);
                            half_width += 1;
                        }
                        for line in lines {
                            for y in [y.checked_sub(*line), Some(y + line)] {
                                let Some(y) = y.filter(|y| (first..end).contains(y)) else {
                                    continue;
                                };
                                let start = (y - first) * words;
                                for (out, word) in
                                    out[start..start + words].iter_mut().zip(&wide[1..])
                                {
                                    *out |= word;
                                }
                            }
                        }
                    }
                }
            });
        out
    }
}

/// 64 (or, at a row's end, fewer) comparisons in one word.
fn word_above(values: &[f32], threshold: f32) -> u64 {
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

/// One pixel more to either side.
fn widen(from: &[u64], to: &mut [u64], last_word: u64) {
    let words = from.len() - 2;
    for (to, window) in to[1..=words].iter_mut().zip(from.windows(3)) {
        let [left, here, right] = [window[0], window[1], window[2]];
        *to = here | here << 1 | left >> 63 | here >> 1 | right << 63;
    }
    to[words] &= last_word;
}

/// A filled ellipse around a pixel, line by line.
///
/// Source: OpenCV's `MORPH_ELLIPSE`: the line `dy` from the middle reaches
/// `rx · sqrt(ry² - dy²) / ry` to either side, rounded half to even.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ellipse {
    /// Half-widths, ascending, with the distances (0..) of the lines that have them.
    by_half_width: Vec<(usize, Vec<usize>)>,
}

impl Ellipse {
    pub(super) fn new(rx: usize, ry: usize) -> Self {
        let mut by_half_width: Vec<(usize, Vec<usize>)> = Vec::new();
        // From the outermost line inwards half-widths never shrink.
        for dy in (0..=ry).rev() {
            let half_width = if ry == 0 {
                rx
            } else {
                let (r, d) = (ry as f64, dy as f64);
                (rx as f64 * ((r * r - d * d) * (1.0 / (r * r))).sqrt()).round_ties_even() as usize
            };
            match by_half_width.last_mut() {
                Some((last, lines)) if *last == half_width => lines.push(dy),
                _ => by_half_width.push((half_width, vec![dy])),
            }
        }
        Self { by_half_width }
    }

    /// The distance of the outermost line.
    fn reach(&self) -> usize {
        self.by_half_width
            .iter()
            .flat_map(|(_, lines)| lines)
            .copied()
            .max()
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bit(bitmap: &Bitmap, x: usize, y: usize) -> bool {
        bitmap.row(y)[x / 64] >> (x % 64) & 1 == 1
    }

    fn half_width(ellipse: &Ellipse, dy: usize) -> usize {
        ellipse
            .by_half_width
            .iter()
            .find(|(_, lines)| lines.contains(&dy))
            .map_or(0, |(half_width, _)| *half_width)
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
    }

    #[test]
    fn the_ellipse_is_round() {
        let disc = Ellipse::new(25, 25);
        assert_eq!(half_width(&disc, 0), 25);
        assert_eq!(half_width(&disc, 25), 0);
        assert_eq!(half_width(&disc, 24), 7);
        assert_eq!(half_width(&Ellipse::new(8, 4), 0), 8);
        assert_eq!(half_width(&Ellipse::new(3, 0), 0), 3);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn dilation_is_what_it_says(
            width in 1_usize..150, height in 1_usize..300,
            rx in 0_usize..9, ry in 0_usize..9,
            dots in proptest::collection::vec((0_usize..150, 0_usize..300), 0..6),
        ) {
            let mut bitmap = Bitmap::new(width, height);
            let words = bitmap.words;
            let dots: Vec<_> = dots.into_iter().map(|(x, y)| (x % width, y % height)).collect();
            for (x, y) in &dots {
                bitmap.bits[y * words + x / 64] |= 1 << (x % 64);
            }
            let ellipse = Ellipse::new(rx, ry);
            let out = bitmap.dilated(&ellipse);
            for y in 0..height {
                for x in 0..width {
                    let wanted = dots.iter().any(|(dx, dy)| {
                        dy.abs_diff(y) <= ry && dx.abs_diff(x) <= half_width(&ellipse, dy.abs_diff(y))
                    });
                    prop_assert_eq!(bit(&out, x, y), wanted, "{} {}", x, y);
                }
                if width % 64 != 0 {
                    prop_assert_eq!(out.row(y)[words - 1] >> (width % 64), 0);
                }
            }
        }

        #[test]
        fn clearing_clears_just_that(start in 0_usize..200, length in 1_usize..200) {
            let width = 400;
            let mut bitmap = Bitmap::above(width, 1, 0.0, |_| &[1.0; 400]);
            bitmap.clear(0, start, start + length);
            for x in 0..width {
                prop_assert_eq!(bit(&bitmap, x, 0), !(start..start + length).contains(&x));
            }
        }
    }
}
