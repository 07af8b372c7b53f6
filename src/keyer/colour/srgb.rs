//! The sRGB transfer curve, both ways, at the speed of memory.
//!
//! Source of the formulas: IEC 61966-2-1 (sRGB) with its rounded constants,
//!
//! * to linear: `x / 12.92` up to 0.04045, above it `((x + 0.055) / 1.055) ^ 2.4`;
//! * to sRGB: `12.92 x` up to 0.0031308, above it `1.055 x ^ (1 / 2.4) - 0.055`,
//!
//! which the original engine uses too; it reads negative values as 0 and limits nothing above 1.
//!
//! Rows do without a power function: they go through a table of parabolas, chosen by the leading
//! bits of the number itself, 64 to the octave. Unlike a table over 0..1 it is as precise for a
//! highlight of 1000 as for a shadow: within 3e-7 of the exact value. The number is moved a little
//! before its bits are taken, such that the end of the curve's straight part falls on the border
//! of two parabolas; below it they are straight and exact. Beyond the range of a half float the
//! exact curve is computed.

use std::sync::LazyLock;

/// What becomes of values below 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Negative {
    /// They become 0, as in the original engine.
    Clamp,
    /// The curve continues oddly, `f(-x) = -f(x)`, so that nothing is lost.
    Mirror,
}

/// sRGB → linear, exact. Values below 0 become 0, and so does NaN.
pub fn srgb_to_linear(x: f32) -> f32 {
    exact(decode, x)
}

/// Linear → sRGB, exact. Values below 0 become 0, and so does NaN.
pub fn linear_to_srgb(x: f32) -> f32 {
    exact(encode, x)
}

/// sRGB → linear for a row, in place. NaN becomes 0; the result of a finite value is finite.
pub fn row_to_linear(row: &mut [f32], negative: Negative) {
    DECODE.row(row, negative);
}

/// Linear → sRGB for a row, in place. NaN becomes 0; the result of a finite value is finite.
pub fn row_to_srgb(row: &mut [f32], negative: Negative) {
    ENCODE.row(row, negative);
}

/// The end of the straight part of the decoding curve.
const DECODE_KNEE: f32 = 0.04045;
/// The end of the straight part of the encoding curve.
const ENCODE_KNEE: f32 = 0.003_130_8;

fn decode(x: f64) -> f64 {
    if x <= f64::from(DECODE_KNEE) {
        x / 12.92
    } else {
        ((x + 0.055) / 1.055).powf(2.4)
    }
}

fn encode(x: f64) -> f64 {
    if x <= f64::from(ENCODE_KNEE) {
        x * 12.92
    } else {
        1.055 * x.powf(1.0 / 2.4) - 0.055
    }
}

/// A curve at one value: 0 for everything that is not above 0, never infinite for a finite value.
fn exact(curve: fn(f64) -> f64, x: f32) -> f32 {
    if x > 0.0 {
        let y = curve(f64::from(x)) as f32;
        if x.is_finite() { y.min(f32::MAX) } else { y }
    } else {
        0.0
    }
}

static DECODE: LazyLock<Curve> = LazyLock::new(|| Curve::new(decode, DECODE_KNEE, 0.0625));
static ENCODE: LazyLock<Curve> = LazyLock::new(|| Curve::new(encode, ENCODE_KNEE, 0.003_906_25));

/// 6 bits of the mantissa and the exponent choose the parabola.
const SHIFT: u32 = 23 - 6;
/// Places in the table. Those of all numbers from 2^-11 to 2^17 differ in their last 11 bits.
const PLACES: usize = 2048;
/// The table's end: the largest half float.
const LIMIT: f32 = 65504.0;
/// Values that are worked on together.
const BLOCK: usize = 64;

/// `y = a + x (b + x c)`.
#[derive(Clone, Copy, Default)]
struct Parabola {
    a: f32,
    b: f32,
    c: f32,
    /// Makes a parabola 16 bytes, so that none crosses a cache line.
    _unused: f32,
}

struct Curve {
    exact: fn(f64) -> f64,
    /// Added to a number before its bits choose.
    offset: f32,
    table: Box<[Parabola; PLACES]>,
}

impl Curve {
    /// A curve that is straight up to `knee`, where after moving `border` shall be: a power of two.
    fn new(exact: fn(f64) -> f64, knee: f32, border: f32) -> Self {
        // So that the knee itself stays below the border, and the next number does not.
        let offset = border.next_down() - knee;
        let mut table = Box::new([Parabola::default(); PLACES]);
        for number in offset.to_bits() >> SHIFT..=(LIMIT + offset).to_bits() >> SHIFT {
            table[number as usize % PLACES] = if number < border.to_bits() >> SHIFT {
                Parabola {
                    b: (exact(f64::from(knee)) / f64::from(knee)) as f32,
                    ..Parabola::default()
                }
            } else {
                let at =
                    |number: u32| f64::from(f32::from_bits(number << SHIFT)) - f64::from(offset);
                // The exact curve would still be straight at the knee itself.
                let from = at(number).max(f64::from(knee) * (1.0 + 1e-12));
                parabola(exact, from, at(number + 1))
            };
        }
        Self {
            exact,
            offset,
            table,
        }
    }

    fn row(&self, row: &mut [f32], negative: Negative) {
        let mut blocks = row.chunks_exact_mut(BLOCK);
        for block in &mut blocks {
            if let Ok(block) = block.try_into() {
                self.block(block, negative);
            }
        }
        let rest = blocks.into_remainder();
        let mut block = [0.0; BLOCK];
        block[..rest.len()].copy_from_slice(rest);
        self.block(&mut block, negative);
        rest.copy_from_slice(&block[..rest.len()]);
    }

    #[inline]
    fn block(&self, block: &mut [f32; BLOCK], negative: Negative) {
        match negative {
            Negative::Clamp => self.positive(block),
            Negative::Mirror => {
                let signs = *block;
                for x in block.iter_mut() {
                    *x = x.abs();
                }
                self.positive(block);
                for (x, sign) in block.iter_mut().zip(signs) {
                    *x = x.copysign(sign);
                }
            }
        }
    }

    /// The curve of what is above 0, and 0 of all else. First what can be done four or more at a
    /// time, then the look-ups.
    #[inline]
    fn positive(&self, block: &mut [f32; BLOCK]) {
        let mut numbers = [0_u32; BLOCK];
        let mut beyond = 0;
        for (x, number) in block.iter_mut().zip(&mut numbers) {
            // Not `max`: this form is one instruction, and NaN becomes 0.
            *x = if *x > 0.0 { *x } else { 0.0 };
            *number = (*x + self.offset).to_bits() >> SHIFT;
            // The bits of positive floats are ordered as the floats are: negative when beyond.
            beyond |= LIMIT.to_bits().wrapping_sub(x.to_bits());
        }
        if beyond >> 31 == 1 {
            return self.beyond(block);
        }
        // In fours, of which only the look-ups need to be done one by one.
        let (fours, _) = block.as_chunks_mut::<4>();
        for (four, numbers) in fours.iter_mut().zip(numbers.as_chunks::<4>().0) {
            for (x, number) in four.iter_mut().zip(numbers) {
                *x = self.table[*number as usize % PLACES].at(*x);
            }
        }
    }

    /// A block that holds values beyond the table: those are computed, the others are the same as
    /// anywhere else.
    #[cold]
    fn beyond(&self, block: &mut [f32; BLOCK]) {
        for x in block {
            *x = if *x > LIMIT {
                exact(self.exact, *x)
            } else {
                let number = (*x + self.offset).to_bits() >> SHIFT;
                self.table[number as usize % PLACES].at(*x)
            };
        }
    }
}

impl Parabola {
    #[inline(always)]
    fn at(&self, x: f32) -> f32 {
        self.a + x * (self.b + x * self.c)
    }
}

/// The parabola through a curve's values at the three Chebyshev points of `from..to`, between
/// which it is nearly as close as any.
fn parabola(curve: fn(f64) -> f64, from: f64, to: f64) -> Parabola {
    let middle = 0.5 * (from + to);
    let reach = 0.5 * (to - from) * 0.75_f64.sqrt();
    let (below, at, above) = (curve(middle - reach), curve(middle), curve(middle + reach));
    // Newton's form around the middle, then written out.
    let slope = (above - below) / (2.0 * reach);
    let bend = (above - 2.0 * at + below) / (2.0 * reach * reach);
    Parabola {
        a: (at - middle * (slope - middle * bend)) as f32,
        b: (slope - 2.0 * middle * bend) as f32,
        c: bend as f32,
        _unused: 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Row = fn(&mut [f32], Negative);
    type Exact = fn(f64) -> f64;
    const CURVES: [(&str, Row, Exact); 2] = [
        ("to linear", row_to_linear, decode),
        ("to sRGB", row_to_srgb, encode),
    ];

    #[test]
    fn rows_follow_the_exact_curve() {
        for (name, row, curve) in CURVES {
            let mut worst = (0.0_f64, 0.0_f32);
            // Every 97th float from far in the straight part to 2^17.
            let mut bits = 1e-30_f32.to_bits();
            while bits < 131_072.0_f32.to_bits() {
                let block: Vec<f32> = (0..4096).map(|i| f32::from_bits(bits + 97 * i)).collect();
                bits += 97 * 4096;
                let mut out = block.clone();
                row(&mut out, Negative::Clamp);
                for (x, y) in block.iter().zip(out) {
                    let wanted = curve(f64::from(*x));
                    let error = (f64::from(y) - wanted).abs() / wanted;
                    if error > worst.0 {
                        worst = (error, *x);
                    }
                }
            }
            assert!(worst.0 < 4e-7, "{name}: {worst:?}");
        }
    }

    #[test]
    fn the_knee_is_as_steep_on_both_sides_as_it_should_be() {
        for (name, row, curve) in CURVES {
            for knee in [DECODE_KNEE, ENCODE_KNEE] {
                for step in -50..50_i32 {
                    let x = f32::from_bits(knee.to_bits().wrapping_add_signed(step));
                    let mut out = [x];
                    row(&mut out, Negative::Clamp);
                    let wanted = curve(f64::from(x));
                    assert!(
                        (f64::from(out[0]) - wanted).abs() < 4e-7 * wanted,
                        "{name} at {x}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_is_not_a_positive_number_is_dealt_with() {
        for (name, row, _) in CURVES {
            let odd = [f32::NAN, -1.0, -0.0, 0.0, f32::NEG_INFINITY, -1e30];
            let mut out = odd;
            row(&mut out, Negative::Clamp);
            assert_eq!(out, [0.0; 6], "{name}");
            // The same in a block that takes the slow way.
            let mut out = [f32::NAN, -1.0, -0.0, 0.0, f32::NEG_INFINITY, 1e30];
            row(&mut out, Negative::Clamp);
            assert_eq!(out[..5], [0.0; 5], "{name}");
            let mut out = [f32::MAX, f32::MIN, 1e9];
            row(&mut out, Negative::Mirror);
            assert!(out.iter().all(|x| x.is_finite()), "{name}: {out:?}");
            let mut out = [f32::NAN];
            row(&mut out, Negative::Mirror);
            assert_eq!(out[0].abs(), 0.0, "{name}");
        }
    }

    #[test]
    fn a_value_does_not_depend_on_its_neighbours() {
        for (name, row, _) in CURVES {
            let steps = (0..2000).map(|step| step as f32 * 1.7e-3);
            for x in steps.chain([1.0, DECODE_KNEE, ENCODE_KNEE]) {
                let mut alone = [x];
                row(&mut alone, Negative::Clamp);
                for neighbour in [0.5, 2.0, 1e6] {
                    let mut beside = [x, neighbour];
                    row(&mut beside, Negative::Clamp);
                    assert_eq!(alone[0], beside[0], "{name}({x}) beside {neighbour}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn round_trips(x in prop_oneof![-2.0_f32..2.0, -70000.0_f32..70000.0, -1e-3_f32..1e-3]) {
            for (there, back) in [(row_to_srgb as Row, row_to_linear as Row), (row_to_linear, row_to_srgb)] {
                let mut row = [x];
                there(&mut row, Negative::Mirror);
                back(&mut row, Negative::Mirror);
                prop_assert!((row[0] - x).abs() <= 1e-5 * x.abs().max(0.01), "{x} -> {}", row[0]);
            }
        }
    }
}
