//! Transfer curves: from the numbers of a clip to light and back.
//!
//! Encoding goes from light to a clip's number, decoding back; 1 is the light of diffuse white,
//! 0.18 that of a grey card, and a clip's numbers run from 0 to 1 over all codes that it has.
//!
//! All logarithmic curves are one shape: a logarithm, and below a point a straight line. The
//! published constants of line and logarithm are rounded apart, so that they miss each other by
//! some millionths; here the line starts where the logarithm ends (its offset follows from the other
//! constants), which makes a curve that rises everywhere and has one way back. Where the line
//! covers everything below, it does. A curve that has none, or whose line ends, is turned about
//! the point where it ends: `f(-x) = -f(x)`.

use super::maths::{exp2, log2, power};
use super::srgb::{self, Negative};

/// A transfer curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Curve {
    /// None: numbers are light.
    Straight,
    /// IEC 61966-2-1.
    Srgb,
    /// A power: light is the number to this one.
    Power(f32),
    /// The camera curve of ITU-R BT.709-6, item 1.2, with the exact constants of ITU-T H.273
    /// (which BT.709 prints as 1.099 and 0.018).
    Rec709,
    /// A logarithm and a straight line.
    Log(Log),
    /// A logarithm and a parabola: Apple, *Apple Log Profile White Paper* (2023).
    Apple(Apple),
}

impl Curve {
    /// Decodes a row in place. Finite numbers give finite light.
    pub(super) fn decode(&self, row: &mut [f32]) {
        match self {
            Self::Straight => {}
            Self::Srgb => srgb::row_to_linear(row, Negative::Mirror),
            Self::Power(gamma) => each(row, |x| mirrored(x, |x| power(x, *gamma))),
            Self::Rec709 => each(row, |x| mirrored(x, decode_rec709)),
            Self::Log(log) if log.turned => each(row, |y| log.decode_turned(y)),
            Self::Log(log) => each(row, |y| log.decode(y)),
            Self::Apple(apple) => each(row, |y| apple.decode(y)),
        }
    }

    /// Encodes a row in place. Finite light gives finite numbers.
    pub(super) fn encode(&self, row: &mut [f32]) {
        match self {
            Self::Straight => {}
            Self::Srgb => srgb::row_to_srgb(row, Negative::Mirror),
            Self::Power(gamma) => {
                let inverse = 1.0 / gamma;
                each(row, |x| mirrored(x, |x| power(x, inverse)));
            }
            Self::Rec709 => each(row, |x| mirrored(x, encode_rec709)),
            Self::Log(log) if log.turned => each(row, |x| log.encode_turned(x)),
            Self::Log(log) => each(row, |x| log.encode(x)),
            Self::Apple(apple) => each(row, |x| apple.encode(x)),
        }
    }
}

#[inline(always)]
fn each(row: &mut [f32], curve: impl Fn(f32) -> f32) {
    for value in row {
        *value = curve(*value);
    }
}

/// A curve of what is not negative, turned about 0.
#[inline(always)]
fn mirrored(x: f32, curve: impl Fn(f32) -> f32) -> f32 {
    curve(x.abs()).copysign(x)
}

/// ITU-T H.273: the two parts of BT.709's curve meet with these.
const ALPHA: f32 = 1.099_296_8;
const BETA: f32 = 0.018_053_97;

#[inline(always)]
fn encode_rec709(x: f32) -> f32 {
    let curved = ALPHA * power(x, 0.45) - (ALPHA - 1.0);
    if x < BETA { 4.5 * x } else { curved }
}

#[inline(always)]
fn decode_rec709(y: f32) -> f32 {
    let curved = power((y + (ALPHA - 1.0)) * (1.0 / ALPHA), 1.0 / 0.45);
    if y < 4.5 * BETA {
        y * (1.0 / 4.5)
    } else {
        curved
    }
}

/// A logarithm and a straight line.
///
/// With light and number counted from a point of the curve, `x` and `y`: up to `cut` the line
/// `y = slope x`, above it `y = scale log2(gain x + bias) + lift`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Log {
    /// The point that is counted from: light and number.
    origin: [f32; 2],
    /// The curve is turned about that point; otherwise the line goes on.
    turned: bool,
    cut: f32,
    slope: f32,
    gain: f32,
    bias: f32,
    scale: f32,
    lift: f32,
    /// The number at `cut`, and the inverses of slope, gain and scale.
    above: f32,
    per_slope: f32,
    per_gain: f32,
    per_scale: f32,
}

/// A published logarithm: `y = scale log2(gain x + bias) + offset`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Published {
    pub(super) gain: f64,
    pub(super) bias: f64,
    /// To base 2: of a decimal one, [`DECIMAL`] times what is printed.
    pub(super) scale: f64,
    pub(super) offset: f64,
}

/// The decimal logarithm of 2: `a log10(x)` is `a DECIMAL log2(x)`.
pub(super) const DECIMAL: f64 = std::f64::consts::LOG10_2;
/// `a ln(x)` is `a NATURAL log2(x)`.
pub(super) const NATURAL: f64 = std::f64::consts::LN_2;

impl Published {
    fn at(&self, x: f64) -> f64 {
        self.scale * (self.gain * x + self.bias).log2() + self.offset
    }
}

impl Log {
    /// The logarithm from `cut` on, below it a line of that slope, without end.
    pub(super) fn with_line(log: Published, cut: f64, slope: f64) -> Self {
        let middle = log.at(cut) - slope * cut;
        Self::of(log, [0.0, middle], false, cut, slope)
    }

    /// The logarithm from `cut` on, a line of that slope through 0, and both turned about 0.
    pub(super) fn with_line_turned(log: Published, cut: f64, slope: f64) -> Self {
        Self {
            turned: true,
            ..Self::with_line(log, cut, slope)
        }
    }

    /// The logarithm from the light `end` on, turned about that point.
    pub(super) fn turned(log: Published, end: f64) -> Self {
        Self::of(log, [end, log.at(end)], true, 0.0, 1.0)
    }

    fn of(log: Published, origin: [f64; 2], turned: bool, cut: f64, slope: f64) -> Self {
        let bias = log.gain * origin[0] + log.bias;
        // Divided by the bias, a logarithm without a line is 0 at the origin to the last bit.
        let divisor = if cut == 0.0 { bias } else { 1.0 };
        let (gain, bias) = (log.gain / divisor, bias / divisor);
        let lift = log.scale * divisor.log2() + log.offset - origin[1];
        let lift = if cut == 0.0 { 0.0 } else { lift };
        Self {
            origin: origin.map(|v| v as f32),
            turned,
            cut: cut as f32,
            slope: slope as f32,
            gain: gain as f32,
            bias: bias as f32,
            scale: log.scale as f32,
            lift: lift as f32,
            above: (slope * cut) as f32,
            per_slope: (1.0 / slope) as f32,
            per_gain: (1.0 / gain) as f32,
            per_scale: (1.0 / log.scale) as f32,
        }
    }

    /// The number of no light.
    #[cfg(test)]
    pub(super) fn of_nothing(&self) -> f32 {
        self.origin[1]
    }

    #[inline(always)]
    fn up(&self, x: f32) -> f32 {
        let curved = self.scale * log2(self.gain * x + self.bias) + self.lift;
        if x >= self.cut {
            curved
        } else {
            self.slope * x
        }
    }

    #[inline(always)]
    fn down(&self, y: f32) -> f32 {
        let curved = (exp2((y - self.lift) * self.per_scale) - self.bias) * self.per_gain;
        if y >= self.above {
            curved
        } else {
            self.per_slope * y
        }
    }

    #[inline(always)]
    fn encode(&self, x: f32) -> f32 {
        self.origin[1] + self.up(x - self.origin[0])
    }

    #[inline(always)]
    fn decode(&self, y: f32) -> f32 {
        self.origin[0] + self.down(y - self.origin[1])
    }

    #[inline(always)]
    fn encode_turned(&self, x: f32) -> f32 {
        self.origin[1] + mirrored(x - self.origin[0], |x| self.up(x))
    }

    #[inline(always)]
    fn decode_turned(&self, y: f32) -> f32 {
        self.origin[0] + mirrored(y - self.origin[1], |y| self.down(y))
    }
}

/// Apple Log: `gamma log2(x + beta) + delta` from `cut` on, `c (x - end)²` from `end` on, where it
/// is 0; turned about that point. `c` follows from the others, as the lines of [`Log`] do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Apple {
    end: f32,
    /// Light at the cut, counted from `end`, and the number there.
    cut: f32,
    above: f32,
    c: f32,
    per_c: f32,
    bias: f32,
    gamma: f32,
    per_gamma: f32,
    delta: f32,
}

impl Apple {
    pub(super) fn new() -> Self {
        const END: f64 = -0.056_410_88;
        const CUT: f64 = 0.01;
        const BETA: f64 = 0.009_640_52;
        const GAMMA: f64 = 0.085_504_79;
        const DELTA: f64 = 0.693_369_45;
        let above = GAMMA * (CUT + BETA).log2() + DELTA;
        let c = above / ((CUT - END) * (CUT - END));
        Self {
            end: END as f32,
            cut: (CUT - END) as f32,
            above: above as f32,
            c: c as f32,
            per_c: (1.0 / c) as f32,
            bias: (END + BETA) as f32,
            gamma: GAMMA as f32,
            per_gamma: (1.0 / GAMMA) as f32,
            delta: DELTA as f32,
        }
    }

    #[inline(always)]
    fn encode(&self, x: f32) -> f32 {
        mirrored(x - self.end, |x| {
            let curved = self.gamma * log2(x + self.bias) + self.delta;
            // No light squares to more than the largest number.
            let low = if x < self.cut { x } else { self.cut };
            if x >= self.cut {
                curved
            } else {
                self.c * low * low
            }
        })
    }

    #[inline(always)]
    fn decode(&self, y: f32) -> f32 {
        let light = mirrored(y, |y| {
            let curved = exp2((y - self.delta) * self.per_gamma) - self.bias;
            let low = (y * self.per_c).sqrt();
            if y >= self.above { curved } else { low }
        });
        light + self.end
    }
}
