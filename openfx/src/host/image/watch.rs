//! Finds out where a plug-in wrote.
//!
//! Before a strict render the output is filled with a pattern that depends on the position; after
//! it, pattern outside the render window must be untouched, and pattern inside it must be gone.
//! The pattern is made of NaNs with odd payloads in floating depths, so that there it cannot be
//! mistaken for a result. In integer depths any value may be a result: a few pixels that happen to
//! equal the pattern are expected by chance, and only more than chance allows is reported.

use super::super::violations::rule;
use super::HostImage;
use crate::types::{Depth, RectI};

/// The pattern over one picture.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watch {
    depth: Depth,
}

impl Watch {
    /// Fills the picture, padding included.
    pub(crate) fn arm(image: &mut HostImage) -> Self {
        let watch = Self {
            depth: image.depth(),
        };
        let (words, rest) = image.buffer.bytes_mut().as_chunks_mut::<4>();
        for (index, word) in words.iter_mut().enumerate() {
            *word = watch.word(index).to_ne_bytes();
        }
        let pattern = watch.word(words.len()).to_ne_bytes();
        for (byte, pattern) in rest.iter_mut().zip(pattern) {
            *byte = pattern;
        }
        watch
    }

    /// Which rules the writes to the picture broke, each with a sentence. `complete` says that
    /// every pixel of the window had to be written.
    pub(crate) fn check(
        self,
        image: &HostImage,
        window: RectI,
        complete: bool,
    ) -> Vec<(&'static str, String)> {
        let mut broken = Vec::new();
        match image.buffer.margin_damage() {
            (None, None) => {}
            (before, after) => broken.push((
                rule::WRITE_OUTSIDE_BUFFER,
                format!(
                    "memory {} the output's pixels was written to, {} bytes away",
                    if before.is_some() { "before" } else { "after" },
                    before.or(after).unwrap_or(0)
                ),
            )),
        }
        let bounds = image.bounds();
        let size = image.layout.pixel_bytes();
        let mut outside = Count::default();
        let mut padding = Count::default();
        let mut missing = Count::default();
        let window = window.intersect(&bounds);
        for y in bounds.y1..bounds.y2 {
            let Some(range) = image.row_range(y) else {
                continue;
            };
            let (start, end) = (range.start, range.end);
            let row = &image.buffer.bytes()[start..start + image.stride];
            if !self.untouched(&row[end - start..], end) {
                padding.add(bounds.x2, y);
            }
            let inside = if y >= window.y1 && y < window.y2 {
                window.x1.abs_diff(bounds.x1) as usize * size
                    ..window.x2.abs_diff(bounds.x1) as usize * size
            } else {
                0..0
            };
            for part in [0..inside.start, inside.end..end - start] {
                if self.untouched(&row[part.clone()], start + part.start) {
                    continue;
                }
                for (index, pixel) in row[part.clone()].chunks_exact(size).enumerate() {
                    let at = part.start + index * size;
                    if !self.untouched(pixel, start + at) {
                        outside.add(bounds.x1.saturating_add((at / size) as i32), y);
                    }
                }
            }
            if complete {
                for (index, pixel) in row[inside.clone()].chunks_exact(size).enumerate() {
                    if self.untouched(pixel, start + inside.start + index * size) {
                        missing.add(window.x1.saturating_add(index as i32), y);
                    }
                }
            }
        }
        outside.report(
            &mut broken,
            rule::WRITE_OUTSIDE_WINDOW,
            &format!("of the output outside the render window {window} were written to"),
        );
        padding.report(
            &mut broken,
            rule::WRITE_OUTSIDE_BUFFER,
            "where the output's rows are padded were written to",
        );
        if missing.count > self.chance(window, size) {
            missing.report(
                &mut broken,
                rule::WRITE_MISSING,
                &format!("of the render window {window} were not written to"),
            );
        }
        broken
    }

    /// So many pixels may equal the pattern by chance.
    fn chance(self, window: RectI, pixel_bytes: usize) -> u64 {
        match self.depth {
            Depth::Half | Depth::Float => 0,
            Depth::Byte | Depth::Short => {
                let pixels = u64::from(window.width()) * u64::from(window.height());
                // Every byte of the pattern has six free bits.
                let mean = pixels >> (6 * pixel_bytes).min(63);
                // Six deviations (and a few pixels, for small means) are never reached by chance.
                mean + 6 * mean.isqrt() + if pixel_bytes < 3 { 8 } else { 0 }
            }
        }
    }

    fn word(self, index: usize) -> u32 {
        let mixed = (index as u32 ^ 0x5bd1_e995).wrapping_mul(0x9e37_79b1);
        let mixed = mixed ^ (mixed >> 15);
        match self.depth {
            // A quiet NaN with a payload that no arithmetic makes.
            Depth::Float => 0x7fd0_0001 | (mixed & 0x000f_fffe),
            Depth::Half => 0x7f01_7f01 | (mixed & 0x00fe_00fe),
            // Black and white, the commonest results of all, are no part of the pattern.
            Depth::Byte | Depth::Short => (mixed | 0x0808_0808) & 0xefef_efef,
        }
    }

    fn untouched(self, bytes: &[u8], position: usize) -> bool {
        let single = |bytes: &[u8], position: usize| {
            bytes.iter().zip(position..).all(|(byte, at)| {
                let pattern = self.word(at / 4).to_ne_bytes();
                *byte == pattern[at % 4]
            })
        };
        // Up to a whole word byte by byte, then words, many at a time without a branch.
        let head = position.next_multiple_of(4) - position;
        let Some((head, body)) = bytes.split_at_checked(head) else {
            return single(bytes, position);
        };
        if !single(head, position) {
            return false;
        }
        let (words, tail) = body.as_chunks::<4>();
        let mut index = (position + head.len()) / 4;
        for block in words.chunks(64) {
            let differ = block.iter().zip(index..).fold(0, |differ, (word, at)| {
                differ | (u32::from_ne_bytes(*word) ^ self.word(at))
            });
            if differ != 0 {
                return false;
            }
            index += block.len();
        }
        single(tail, index * 4)
    }
}

#[derive(Default)]
struct Count {
    count: u64,
    first: Option<(i32, i32)>,
}

impl Count {
    fn add(&mut self, x: i32, y: i32) {
        self.count += 1;
        self.first.get_or_insert((x, y));
    }

    fn report(&self, to: &mut Vec<(&'static str, String)>, rule: &'static str, what: &str) {
        if let Some((x, y)) = self.first {
            to.push((
                rule,
                format!("{} places {what}, the first at ({x}, {y})", self.count),
            ));
        }
    }
}

/// A quick digest of every byte of a picture's rows, to see whether anybody wrote to it.
pub(crate) fn hash(image: &HostImage) -> u64 {
    const PRIME: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut lanes = [1u64, 2, 3, 4];
    let (blocks, rest) = image.buffer.bytes().as_chunks::<32>();
    for block in blocks {
        let (words, _) = block.as_chunks::<8>();
        for (lane, word) in lanes.iter_mut().zip(words) {
            *lane = (*lane ^ u64::from_ne_bytes(*word))
                .wrapping_mul(PRIME)
                .rotate_left(29);
        }
    }
    let tail = rest.iter().fold(0u64, |all, byte| {
        (all ^ u64::from(*byte)).wrapping_mul(PRIME)
    });
    lanes.iter().fold(tail, |all, lane| {
        (all ^ lane).wrapping_mul(PRIME).rotate_left(31)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::super::Layout;
    use super::*;
    use crate::types::Components;

    fn layouts() -> impl Iterator<Item = Layout> {
        Depth::ALL.iter().flat_map(|depth| {
            Components::ALL.iter().map(|components| Layout {
                depth: *depth,
                components: *components,
                flipped: true,
                padding: 12,
            })
        })
    }

    fn fill(image: &mut HostImage, area: RectI) {
        let size = image.layout.pixel_bytes();
        let bounds = image.bounds();
        for y in area.y1..area.y2 {
            let from = (area.x1 - bounds.x1) as usize * size;
            let to = (area.x2 - bounds.x1) as usize * size;
            image.row_mut(y).unwrap()[from..to].fill(0);
        }
    }

    #[test]
    fn a_window_written_exactly_breaks_nothing() {
        let bounds = RectI::new(-5, -2, 60, 40);
        let window = RectI::new(-1, 3, 33, 31);
        for layout in layouts() {
            let mut image = HostImage::new(bounds, layout).unwrap();
            let watch = Watch::arm(&mut image);
            fill(&mut image, window);
            assert_eq!(watch.check(&image, window, true), [], "{layout:?}");
        }
    }

    #[test]
    fn a_pixel_too_many_and_a_row_too_few_are_seen() {
        let bounds = RectI::new(0, 0, 64, 32);
        let window = RectI::new(8, 8, 56, 24);
        for layout in layouts() {
            let mut image = HostImage::new(bounds, layout).unwrap();
            let watch = Watch::arm(&mut image);
            fill(&mut image, RectI::new(7, 8, 56, 23));
            let broken = watch.check(&image, window, true);
            let rules: Vec<_> = broken.iter().map(|(rule, _)| *rule).collect();
            assert_eq!(
                rules,
                [rule::WRITE_OUTSIDE_WINDOW, rule::WRITE_MISSING],
                "{layout:?}"
            );
            assert!(broken[1].1.contains("(8, 23)"), "{}", broken[1].1);
            assert_eq!(watch.check(&image, window, false).len(), 1);
        }
    }

    #[test]
    fn padding_and_margins_are_seen() {
        for layout in layouts() {
            let mut image = HostImage::new(RectI::new(0, 0, 9, 4), layout).unwrap();
            let watch = Watch::arm(&mut image);
            let all = image.bounds();
            fill(&mut image, all);
            let end = image.row_range(0).unwrap().end;
            image.buffer.bytes_mut()[end] ^= 1;
            let rules = watch.check(&image, image.bounds(), true);
            assert_eq!(rules[0].0, rule::WRITE_OUTSIDE_BUFFER, "{layout:?}");
            assert!(rules[0].1.contains("padded"));
            // SAFETY: the byte before the first is in the margin.
            unsafe { image.buffer.as_ptr().sub(1).write(0) };
            assert_eq!(watch.check(&image, image.bounds(), true).len(), 2);
        }
    }

    #[test]
    fn a_changed_byte_changes_the_digest() {
        let layout = Layout {
            components: Components::Rgb,
            depth: Depth::Byte,
            ..Layout::default()
        };
        let mut image = HostImage::new(RectI::new(0, 0, 37, 3), layout).unwrap();
        let before = hash(&image);
        for index in 0..37 * 3 * 3 {
            image.buffer.bytes_mut()[index] ^= 4;
            assert_ne!(hash(&image), before, "{index}");
            image.buffer.bytes_mut()[index] ^= 4;
        }
        assert_eq!(hash(&image), before);
    }
}
