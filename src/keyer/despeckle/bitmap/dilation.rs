//! Dilation of a bitmap by an ellipse.

use std::ops::Range;

use rayon::prelude::*;

use super::Bitmap;

/// Rows that one task dilates; the ellipse reaches into the neighbours', which is then done twice.
const BAND: usize = 128;

impl Bitmap {
    /// 1 wherever the ellipse around a pixel meets a 1. Nothing comes from outside the picture.
    ///
    /// Only words with an edge in them are widened. That is enough: on the way from a pixel deep
    /// inside to one that its ellipse reaches, one step along a column or row at a time, the last
    /// pixel that is set is at an edge, and its ellipse reaches there, too.
    pub(in super::super) fn dilated(&self, ellipse: &Ellipse) -> Self {
        let mut out = self.clone();
        if self.words == 0 {
            return out;
        }
        let words = self.words;
        let reach = ellipse.reach();
        // So many words to either side of one that is widened.
        let beside = ellipse.half_width().div_ceil(64);
        let last_word = self.last_word();
        out.bits
            .par_chunks_mut(BAND * words)
            .enumerate()
            .for_each(|(band, out)| {
                let first = band * BAND;
                let end = first + out.len() / words;
                let mut scratch = Scratch::default();
                let rows = first.saturating_sub(reach)..(end + reach).min(self.height);
                for y in rows {
                    self.edges(y, 2 * beside, &mut scratch.spans);
                    for index in 0..scratch.spans.len() {
                        let span = scratch.spans[index].clone();
                        let from = span.start.saturating_sub(beside);
                        let to = (span.end + beside).min(words);
                        scratch.start(&self.row(y)[span.clone()], span.start - from, to - from);
                        let mut half_width = 0;
                        for (target, lines) in &ellipse.by_half_width {
                            while half_width < *target {
                                scratch.widen();
                                half_width += 1;
                            }
                            for line in lines {
                                for y in [y.checked_sub(*line), Some(y + line)] {
                                    let Some(y) = y.filter(|y| (first..end).contains(y)) else {
                                        continue;
                                    };
                                    let row = (y - first) * words;
                                    let out = &mut out[row + from..row + to];
                                    for (out, word) in out.iter_mut().zip(&scratch.wide[1..]) {
                                        *out |= word;
                                    }
                                }
                            }
                        }
                    }
                }
                for row in out.chunks_exact_mut(words) {
                    row[words - 1] &= last_word;
                }
            });
        out
    }

    /// The words of a row that have an edge in them: a pixel that is set, with one above, below or
    /// beside it that is not. The picture's border is no edge. Words that are at most `apart` words
    /// from each other come together.
    fn edges(&self, y: usize, apart: usize, spans: &mut Vec<Range<usize>>) {
        spans.clear();
        let row = self.row(y);
        let above = self.row(y.saturating_sub(1));
        let below = self.row((y + 1).min(self.height - 1));
        for (word, here) in row.iter().enumerate() {
            if *here == 0 {
                continue;
            }
            let last = word + 1 == self.words;
            let full = if last { self.last_word() } else { !0 };
            let inside = here & above[word] & below[word] == full
                && (word == 0 || row[word - 1] >> 63 == 1)
                && (last || row[word + 1] & 1 == 1);
            if inside {
                continue;
            }
            match spans.last_mut() {
                Some(span) if span.end + apart >= word => span.end = word + 1,
                _ => spans.push(word..word + 1),
            }
        }
    }
}

/// What one task needs of its own.
#[derive(Default)]
struct Scratch {
    spans: Vec<Range<usize>>,
    /// Some words of a row, with an empty one at either end, so that shifts need no special case.
    wide: Vec<u64>,
    next: Vec<u64>,
}

impl Scratch {
    /// Begins with some words that stand at `at` of `length`.
    fn start(&mut self, words: &[u64], at: usize, length: usize) {
        for buffer in [&mut self.wide, &mut self.next] {
            buffer.clear();
            buffer.resize(length + 2, 0);
        }
        self.wide[1 + at..][..words.len()].copy_from_slice(words);
    }

    /// One pixel more to either side.
    fn widen(&mut self) {
        let words = self.wide.len() - 2;
        for (to, window) in self.next[1..=words].iter_mut().zip(self.wide.windows(3)) {
            let [left, here, right] = [window[0], window[1], window[2]];
            *to = here | here << 1 | left >> 63 | here >> 1 | right << 63;
        }
        std::mem::swap(&mut self.wide, &mut self.next);
    }
}

/// A filled ellipse around a pixel, line by line.
///
/// Source: OpenCV's `MORPH_ELLIPSE`: the line `dy` from the middle reaches
/// `rx · sqrt(ry² - dy²) / ry` to either side, rounded half to even.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Ellipse {
    /// Half-widths, ascending, with the distances (0..) of the lines that have them.
    by_half_width: Vec<(usize, Vec<usize>)>,
}

impl Ellipse {
    pub(in super::super) fn new(rx: usize, ry: usize) -> Self {
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

    /// How far the line through the middle reaches.
    fn half_width(&self) -> usize {
        self.by_half_width
            .last()
            .map_or(0, |(half_width, _)| *half_width)
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
            width in 1_usize..400, height in 1_usize..300,
            rx in 0_usize..9, ry in 0_usize..9, wide: bool,
            blocks in proptest::collection::vec(
                (0_usize..400, 0_usize..300, 1_usize..200, 1_usize..20), 0..6),
        ) {
            // Rarely, an ellipse that is wider than a word.
            let rx = if wide { rx * 12 } else { rx };
            let mut bitmap = Bitmap::new(width, height);
            let words = bitmap.words;
            let mut dots = Vec::new();
            for (x, y, columns, rows) in blocks {
                let (x, y) = (x % width, y % height);
                for y in y..(y + rows).min(height) {
                    for x in x..(x + columns).min(width) {
                        bitmap.bits[y * words + x / 64] |= 1 << (x % 64);
                        dots.push((x, y));
                    }
                }
            }
            let ellipse = Ellipse::new(rx, ry);
            let out = bitmap.dilated(&ellipse);
            let mut wanted = vec![false; width * height];
            for (x, y) in dots {
                for line in y.saturating_sub(ry)..(y + ry + 1).min(height) {
                    let half_width = half_width(&ellipse, line.abs_diff(y));
                    let columns = x.saturating_sub(half_width)..(x + half_width + 1).min(width);
                    wanted[line * width..][columns].fill(true);
                }
            }
            for y in 0..height {
                for x in 0..width {
                    prop_assert_eq!(bit(&out, x, y), wanted[y * width + x], "{} {}", x, y);
                }
                if width % 64 != 0 {
                    prop_assert_eq!(out.row(y)[words - 1] >> (width % 64), 0);
                }
            }
        }
    }
}
