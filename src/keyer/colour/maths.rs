//! Powers and logarithms of rows, without a branch and without a call.
//!
//! The standard library asks the system for these one value at a time. Written as series, the
//! compiler works on four or more values at once. Both are within 2e-7 of the exact value,
//! relative to it or to 1, whichever is larger; the tests hold them against the exact ones.

use std::f64::consts::{LN_2, LOG2_E};

/// `ln(2)^k / k!`: the series of `2^x`.
const fn exponential(k: u32) -> f32 {
    let mut term = 1.0;
    let mut i = 1;
    while i <= k {
        term *= LN_2 / i as f64;
        i += 1;
    }
    term as f32
}

const EXPONENTIAL: [f32; 8] = [
    exponential(0),
    exponential(1),
    exponential(2),
    exponential(3),
    exponential(4),
    exponential(5),
    exponential(6),
    exponential(7),
];

/// `2^x`, limited to normal numbers: `2^-126` below -126, about `2^127.4` above 127.4.
#[inline(always)]
pub(super) fn exp2(x: f32) -> f32 {
    // Adding it leaves the nearest whole number in the last bits.
    const ROUND: f32 = 12_582_912.0;
    let x = if x > -126.0 { x } else { -126.0 };
    let x = if x < 127.4 { x } else { 127.4 };
    let rounded = x + ROUND;
    // -0.5 to 0.5, where the ninth term of the series is below 6e-9.
    let rest = x - (rounded - ROUND);
    let [a, b, c, d, e, f, g, h] = EXPONENTIAL;
    let series =
        a + rest * (b + rest * (c + rest * (d + rest * (e + rest * (f + rest * (g + rest * h))))));
    // The whole number as an exponent.
    series * f32::from_bits((rounded.to_bits() << 23).wrapping_add(1.0_f32.to_bits()))
}

/// The logarithm to base 2 of a positive normal number; below, an unspecified number.
#[inline(always)]
pub(super) fn log2(x: f32) -> f32 {
    /// The bits of the square root of one half, so that what is left lies around 1.
    const LEAST: u32 = 0x3f35_04f3;
    /// `2 / (k ln 2)`: the series of the logarithm of `(1 + s) / (1 - s)`.
    const fn term(k: u32) -> f32 {
        (2.0 * LOG2_E / k as f64) as f32
    }
    let exponent = (x.to_bits().wrapping_sub(LEAST) as i32) >> 23;
    let rest = f32::from_bits(x.to_bits().wrapping_sub((exponent << 23) as u32)) - 1.0;
    // -0.172 to 0.172, where the sixth term is below 1e-9.
    let s = rest / (2.0 + rest);
    let z = s * s;
    let series = term(1) + z * (term(3) + z * (term(5) + z * (term(7) + z * term(9))));
    exponent as f32 + s * series
}

/// `x^power` of a positive number that is not tiny; 0 for all else.
#[inline(always)]
pub(super) fn power(x: f32, power: f32) -> f32 {
    let y = exp2(power * log2(x));
    if x >= f32::MIN_POSITIVE { y } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_are_exact_to_the_last_digits() {
        let mut bits = f32::MIN_POSITIVE.to_bits();
        let mut before = f32::NEG_INFINITY;
        while bits < f32::MAX.to_bits() {
            let x = f32::from_bits(bits);
            let (own, exact) = (log2(x), f64::from(x).log2());
            assert!(
                (f64::from(own) - exact).abs() <= 1.5e-7 * exact.abs().max(0.5),
                "log2({x}): {own} and not {exact}"
            );
            assert!(own >= before, "log2 falls at {x}");
            before = own;
            bits += 9973;
        }
        assert_eq!([1.0, 2.0, 0.25].map(log2), [0.0, 1.0, -2.0]);
    }

    #[test]
    fn exponentials_are_exact_to_the_last_digits() {
        for step in -1_260_000..1_270_000 {
            let x = step as f32 / 10_000.0;
            let exact = f64::from(x).exp2();
            let error = (f64::from(exp2(x)) - exact).abs() / exact;
            assert!(error < 2e-7, "2^{x}: {error}");
        }
        assert_eq!([0.0, 1.0, -3.0].map(exp2), [1.0, 2.0, 0.125]);
        for x in [-1e30, -200.0, 128.0, 1e30, f32::MAX] {
            assert!(exp2(x).is_finite() && exp2(x) > 0.0);
        }
    }

    #[test]
    fn nothing_has_no_power() {
        for x in [0.0, -0.0, -1.0, 1e-40] {
            assert_eq!(power(x, 2.4), 0.0);
        }
        assert!((power(0.5, 2.4) - 0.5_f32.powf(2.4)).abs() < 1e-7);
    }
}
