//! The sRGB transfer curve, both ways, at the speed of memory.
//!
//! Source of the formulas: IEC 61966-2-1 (sRGB) with its rounded constants,
//!
//! * to linear: `x / 12.92` up to 0.04045, above it `((x + 0.055) / 1.055) ^ 2.4`;
//! * to sRGB: `12.92 x` up to 0.0031308, above it `1.055 x ^ (1 / 2.4) - 0.055`,
//!
//! which the original engine uses too; it reads negative values as 0 and limits nothing above 1.
//!
//! Rows go through a table of parabolas, 64 to the octave, chosen by the leading bits of the
//! number itself: no power function, no branch, and, unlike a table over 0..1, the same relative
//! precision for a shadow and for a highlight of 1000. The error against the exact curve stays
//! below 3e-7 of the value. Above 2^16 the exact curve is computed.

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

/// 6 bits of the mantissa choose among 64 parabolas in an octave.
const SHIFT: u32 = 23 - 6;
/// The parabolas end at 2^16.
const LIMIT: f32 = 65536.0;
/// Values that are looked at together before it is decided that none exceeds [`LIMIT`].
const BLOCK: usize = 64;
/// Parabolas: 64 for each of the 25 octaves from 2^-9, after the straight part's.
const SEGMENTS: usize = 1 + 25 * 64;

static DECODE: LazyLock<Curve> = LazyLock::new(|| Curve::new(decode, DECODE_KNEE));
static ENCODE: LazyLock<Curve> = LazyLock::new(|| Curve::new(encode, ENCODE_KNEE));

/// `y = c0 + d (c1 + d c2)` with `d = x - x0`.
#[derive(Clone, Copy)]
struct Segment {
    x0: f32,
    c0: f32,
    c1: f32,
    c2: f32,
}

struct Curve {
    curve: fn(f64) -> f64,
    knee: f32,
    segments: Box<[Segment; SEGMENTS]>,
}

impl Curve {
    /// The number of the parabola that begins at 2^-9, by its bits.
    const FIRST: u32 = (127 - 9) << (23 - SHIFT);

    fn new(curve: fn(f64) -> f64, knee: f32) -> Self {
        let mut segments = Box::new(
            [Segment {
                x0: 0.0,
                c0: 0.0,
                c1: (curve(f64::from(knee)) / f64::from(knee)) as f32,
                c2: 0.0,
            }; SEGMENTS],
        );
        for (number, segment) in (Self::FIRST..).zip(segments.iter_mut().skip(1)) {
            let from = f64::from(f32::from_bits(number << SHIFT));
            let to = f64::from(f32::from_bits((number + 1) << SHIFT));
            // Nothing below the knee is looked up here, and the parabola must not bend to follow
            // the straight part.
            *segment = parabola(curve, from.max(f64::from(knee) * (1.0 + 1e-9)), from, to);
        }
        Self {
            curve,
            knee,
            segments,
        }
    }

    #[inline(always)]
    fn at(&self, x: f32) -> f32 {
        let number = (x.to_bits() >> SHIFT).wrapping_sub(Self::FIRST - 1) as usize;
        let number = if x <= self.knee { 0 } else { number };
        let segment = &self.segments[number.min(SEGMENTS - 1)];
        let d = x - segment.x0;
        segment.c0 + d * (segment.c1 + d * segment.c2)
    }

    fn row(&self, row: &mut [f32], negative: Negative) {
        for block in row.chunks_mut(BLOCK) {
            let beyond = block
                .iter()
                .fold(false, |beyond, x| beyond | (x.abs() >= LIMIT));
            match (beyond, negative) {
                (false, Negative::Clamp) => {
                    for x in block {
                        // Not `max`: this form is one instruction, and NaN becomes 0.
                        *x = self.at(if *x > 0.0 { *x } else { 0.0 });
                    }
                }
                (false, Negative::Mirror) => {
                    for x in block {
                        let magnitude = x.abs();
                        let magnitude = if magnitude > 0.0 { magnitude } else { 0.0 };
                        *x = self.at(magnitude).copysign(*x);
                    }
                }
                (true, negative) => self.slow(block, negative),
            }
        }
    }

    /// A block that holds values beyond the table: those are computed, the others are the same as
    /// anywhere else.
    #[cold]
    fn slow(&self, block: &mut [f32], negative: Negative) {
        for x in block {
            let magnitude = match negative {
                Negative::Clamp => x.max(0.0),
                Negative::Mirror => x.abs(),
            };
            let y = if magnitude >= LIMIT {
                exact(self.curve, magnitude)
            } else {
                self.at(if magnitude > 0.0 { magnitude } else { 0.0 })
            };
            *x = match negative {
                Negative::Clamp => y,
                Negative::Mirror => y.copysign(*x),
            };
        }
    }
}

/// The parabola through a curve's values at the three Chebyshev points of `low..high`, around the
/// middle of `from..high`, which a float holds exactly.
fn parabola(curve: fn(f64) -> f64, low: f64, from: f64, high: f64) -> Segment {
    if low >= high {
        // Wholly below the knee: never looked up.
        return Segment {
            x0: 0.0,
            c0: 0.0,
            c1: 0.0,
            c2: 0.0,
        };
    }
    let origin = 0.5 * (from + high);
    let middle = 0.5 * (low + high);
    let reach = 0.5 * (high - low) * 0.75_f64.sqrt();
    let (below, at, above) = (curve(middle - reach), curve(middle), curve(middle + reach));
    // Newton's form around the middle, then moved to the origin.
    let b1 = (above - below) / (2.0 * reach);
    let b2 = (above - 2.0 * at + below) / (2.0 * reach * reach);
    let shift = origin - middle;
    Segment {
        x0: origin as f32,
        c0: (at + shift * (b1 + shift * b2)) as f32,
        c1: (b1 + 2.0 * shift * b2) as f32,
        c2: b2 as f32,
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
            assert!(worst.0 < 3e-7, "{name}: {worst:?}");
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
                        (f64::from(out[0]) - wanted).abs() < 3e-7 * wanted,
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
            let mut alone = [0.3];
            row(&mut alone, Negative::Clamp);
            let mut beside = [0.3, 1e6];
            row(&mut beside, Negative::Clamp);
            assert_eq!(alone[0], beside[0], "{name}");
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
