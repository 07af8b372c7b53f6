//! Clipping and gamma: what happens to each value of a matte on its own.

use crate::keyer::settings::MatteShape;

/// Columns that are looked at together.
const BLOCK: usize = 64;

/// `((alpha - black) / (white - black))`, limited to 0..1, to the power of `1 / gamma`.
#[derive(Debug, Clone)]
pub(super) struct Tone {
    black: f32,
    /// `1 / (white - black)`; infinite for a hard step.
    slope: f32,
    gamma: Option<Power>,
}

impl Tone {
    /// The tone of a shape, or `None` when it is neutral and nobody asks for limits.
    pub(super) fn new(shape: &MatteShape, limited: bool) -> Option<Self> {
        let MatteShape {
            clip_black: black,
            clip_white: white,
            gamma,
            ..
        } = *shape;
        let bent = gamma.is_finite() && gamma > 0.0 && gamma != 1.0;
        if black == 0.0 && white == 1.0 && !bent && !limited {
            return None;
        }
        let range = white - black;
        Some(Self {
            black,
            slope: if range > 0.0 {
                1.0 / range
            } else {
                f32::INFINITY
            },
            gamma: bent.then(|| Power::new(1.0 / f64::from(gamma))),
        })
    }

    /// A row, in place. Most of a matte is empty or solid: a block of one value is looked at once.
    pub(super) fn row(&self, row: &mut [f32]) {
        for block in row.chunks_mut(BLOCK) {
            let (values, differ) = block.split_at_mut(1);
            let bits = values[0].to_bits();
            let differ = differ.iter().fold(0, |all, v| all | (v.to_bits() ^ bits));
            if differ == 0 {
                self.values(values);
                let value = values[0];
                block.fill(value);
            } else {
                self.values(block);
            }
        }
    }

    /// Each value for itself.
    fn values(&self, row: &mut [f32]) {
        let (black, slope) = (self.black, self.slope);
        if slope.is_finite() {
            for value in row.iter_mut() {
                // The comparisons' order makes 0 of what is not a number.
                let above = (*value - black) * slope;
                let above = if above > 0.0 { above } else { 0.0 };
                *value = if above < 1.0 { above } else { 1.0 };
            }
        } else {
            for value in row.iter_mut() {
                *value = if *value > black { 1.0 } else { 0.0 };
            }
        }
        if let Some(gamma) = &self.gamma {
            for value in row.iter_mut() {
                *value = gamma.of(*value);
            }
        }
    }
}

/// Bits of the mantissa that choose a piece of the table.
const BITS: u32 = 8;
const SHIFT: u32 = 23 - BITS;
/// The table's first number: below it alpha is 0 to every picture format.
const LEAST: f32 = 1.0 / 65536.0;
const FIRST: usize = (LEAST.to_bits() >> SHIFT) as usize;
const PIECES: usize = (1.0_f32.to_bits() >> SHIFT) as usize - FIRST;

/// `x^p` over 0..1 without a power function: straight pieces, 256 to the octave, chosen by the
/// leading bits of the number, from 2^-16 on; below, a straight line to 0. Within 1e-4 of the
/// exact value, and 0 and 1 are met exactly.
#[derive(Debug, Clone)]
struct Power {
    /// Values at the pieces' ends.
    ends: Vec<f32>,
}

impl Power {
    fn new(exponent: f64) -> Self {
        let end = |piece: usize| f32::from_bits(((FIRST + piece) as u32) << SHIFT);
        Self {
            ends: (0..=PIECES)
                .map(|piece| f64::from(end(piece)).powf(exponent) as f32)
                .collect(),
        }
    }

    /// `x` is within 0..1.
    #[inline(always)]
    fn of(&self, x: f32) -> f32 {
        if x < LEAST {
            return self.ends[0] * (x / LEAST);
        }
        let piece = ((x.to_bits() >> SHIFT) as usize - FIRST).min(PIECES - 1);
        // Where in its piece: the rest of the mantissa; 1 at 1 itself.
        let low = f32::from_bits(((FIRST + piece) as u32) << SHIFT);
        let high = f32::from_bits(((FIRST + piece + 1) as u32) << SHIFT);
        let part = (x - low) / (high - low);
        self.ends[piece] + part * (self.ends[piece + 1] - self.ends[piece])
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn shape(clip_black: f32, clip_white: f32, gamma: f32) -> MatteShape {
        MatteShape {
            clip_black,
            clip_white,
            gamma,
            ..MatteShape::NEUTRAL
        }
    }

    fn toned(shape: &MatteShape, value: f32) -> f32 {
        let mut row = [value];
        Tone::new(shape, true).unwrap().row(&mut row);
        row[0]
    }

    #[test]
    fn gamma_is_a_power() {
        for gamma in [0.1_f32, 0.45, 0.999, 1.7, 2.2, 10.0] {
            let shape = shape(0.0, 1.0, gamma);
            assert_eq!((toned(&shape, 0.0), toned(&shape, 1.0)), (0.0, 1.0));
            let mut last = 0.0;
            for step in 1..=4_000 {
                let x = step as f32 / 4_000.0;
                let y = toned(&shape, x);
                assert!((y - x.powf(1.0 / gamma)).abs() < 1e-4, "{gamma} {x}");
                assert!(y >= last, "{gamma} {x}");
                last = y;
            }
        }
    }

    #[test]
    fn clipping_stretches_what_is_between() {
        let shape = shape(0.2, 0.7, 1.0);
        for (x, wanted) in [
            (0.2, 0.0),
            (0.1, 0.0),
            (0.45, 0.5),
            (0.7, 1.0),
            (3.0, 1.0),
            (-1.0, 0.0),
        ] {
            assert!((toned(&shape, x) - wanted).abs() < 1e-6, "{x}");
        }
    }

    #[test]
    fn crossed_ends_are_a_step_and_nothing_is_not_a_number() {
        for (black, white) in [(0.5, 0.5), (0.6, 0.2), (0.0, 0.0), (1.0, 0.0)] {
            let shape = shape(black, white, 2.0);
            for x in [-1.0, 0.0, 0.3, 0.5, 0.6, 0.61, 1.0, 2.0] {
                assert_eq!(toned(&shape, x), if x > black { 1.0 } else { 0.0 });
            }
        }
        for shape in [
            shape(0.1, 0.9, 2.0),
            shape(0.5, 0.5, 1.0),
            shape(0.0, 1.0, f32::NAN),
        ] {
            for x in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let y = toned(&shape, x);
                assert_eq!(y, if x == f32::INFINITY { 1.0 } else { 0.0 });
            }
        }
    }

    #[test]
    fn a_neutral_tone_is_none() {
        assert!(Tone::new(&MatteShape::NEUTRAL, false).is_none());
        assert_eq!(toned(&MatteShape::NEUTRAL, 0.3), 0.3);
    }
}
