//! The refiner in 16 bits for CUDA: channels last, as tensor cores want them, and few passes over the
//! picture.
//!
//! Memory is what it costs there: at 2048 × 2048 each picture of 64 channels is half a gigabyte, and
//! is read or written some sixty times. So statistics are taken by products, which read each number
//! once, in 16 bits, and add up in 32; and what they come to, a factor and a term for each channel,
//! is applied by a convolution of 1 × 1, which goes through the picture once.
//!
//! ONNX has its convolutions with channels first: each stands between two transpositions, which the
//! runtime takes out again when it is told to prefer channels last.

use super::builder::{Builder, MICROSOFT, Set, Value};
use super::products::planes;
use super::refiner::{EPSILON, GROUPS};
use super::{MULTIPLE, Size};
use crate::network::error::Result;
use crate::network::greenformer::tensors::{DILATIONS, REFINER};

/// Channels of the refiner's input: plate, hint, alpha and foreground. The network does not look at
/// the hint here; eight channels are read faster than seven.
const INPUT: usize = 8;
/// The hint's place among them.
const HINT: usize = 3;
/// Channels of the refiner's answer, of which four are wanted.
const OUTPUT: usize = 8;
/// Statistics are taken in so many parts of the picture, of which both sides are multiples of 32.
const PARTS: usize = MULTIPLE * MULTIPLE;

/// The correction, in 32 bits: `[1, 4, H, W]` from the `input` `[1, 4, H, W]` and the `logits`
/// `[1, 4, H, W]`, which are in 32 bits.
pub(super) fn delta(
    b: &mut Builder<'_>,
    input: &Value,
    logits: &Value,
    size: Size,
) -> Result<Value> {
    let [height, width] = size.map(MULTIPLE);
    let input = b.narrow(input.clone());
    let coarse = b.node("Sigmoid", &[logits], &[]);
    let coarse = b.narrow(coarse);
    let x = b.node("Concat", &[&input, &coarse], &[("axis", Set::Int(1))]);
    let x = b.transpose(&x, &[0, 2, 3, 1]);

    b.part("refiner.stem");
    let weight = stem(&b.numbers("refiner.stem.0.weight")?);
    let weight = b.floats("refiner.stem.0.eight", &[REFINER, INPUT, 3, 3], &weight);
    let x = convolve(b, &x, "refiner.stem.0", &weight, 1)?;
    let x = group_norm(b, &x, "refiner.stem.1", size)?;
    let mut x = b.relu(&x);
    for (index, dilation) in DILATIONS.into_iter().enumerate() {
        x = residual(b, &x, &format!("refiner.res{}", index + 1), dilation, size)?;
    }

    b.part("refiner.final");
    let padded = |mut values: Vec<f32>, length: usize| {
        values.resize(length, 0.0);
        values
    };
    let weight = padded(b.numbers("refiner.final.weight")?, OUTPUT * REFINER);
    let bias = padded(b.numbers("refiner.final.bias")?, OUTPUT);
    let weight = b.floats("refiner.final.eight", &[OUTPUT, REFINER, 1, 1], &weight);
    let bias = b.floats("refiner.final.bias.eight", &[OUTPUT], &bias);
    let x = convolution(b, &[&x, &weight, &bias], 1, 1);
    let x = b.reshape(&x, &[height * width, OUTPUT]);
    Ok(planes(b, &x, height, width))
}

/// Two convolutions beside a shortcut: `[1, H, W, 64]` → `[1, H, W, 64]`.
fn residual(
    b: &mut Builder<'_>,
    shortcut: &Value,
    name: &str,
    dilation: usize,
    size: Size,
) -> Result<Value> {
    b.part(name);
    let mut x = shortcut.clone();
    for half in [1, 2] {
        let convolution = format!("{name}.conv{half}");
        let shape = [REFINER, REFINER, 3, 3];
        let weight = b.weight(&format!("{convolution}.weight"), &shape)?;
        x = convolve(b, &x, &convolution, &weight, dilation)?;
        x = group_norm(b, &x, &format!("{name}.gn{half}"), size)?;
        if half == 2 {
            x = b.add(&x, shortcut);
        }
        x = b.relu(&x);
    }
    Ok(x)
}

/// The stem's weight `[64, 7, 3, 3]` for the input with the hint: `[64, 8, 3, 3]`.
fn stem(weight: &[f32]) -> Vec<f32> {
    let mut wide = Vec::with_capacity(REFINER * INPUT * 9);
    for channels in weight.chunks_exact(7 * 9) {
        let (plate, others) = channels.split_at(HINT * 9);
        wide.extend_from_slice(plate);
        wide.extend_from_slice(&[0.0; 9]);
        wide.extend_from_slice(others);
    }
    wide
}

/// 3 × 3 to 64 channels, with a border of zeros: `[1, H, W, channels]` → `[1, H, W, 64]`.
fn convolve(
    b: &mut Builder<'_>,
    x: &Value,
    name: &str,
    weight: &Value,
    dilation: usize,
) -> Result<Value> {
    let bias = b.weight(&format!("{name}.bias"), &[REFINER])?;
    Ok(convolution(b, &[x, weight, &bias], 3, dilation))
}

/// A convolution with channels last, a border of zeros that keeps the picture's size, and `side` ×
/// `side` taps. The weight's order is ONNX's.
fn convolution(b: &mut Builder<'_>, inputs: &[&Value; 3], side: i64, dilation: usize) -> Value {
    let dilation = dilation as i64;
    let set = [
        ("kernel_shape", Set::Ints(&[side; 2])),
        ("dilations", Set::Ints(&[dilation; 2])),
        ("pads", Set::Ints(&[dilation * (side / 2); 4])),
    ];
    let [x, weight, bias] = *inputs;
    let x = b.transpose(x, &[0, 3, 1, 2]);
    let x = b.node("Conv", &[&x, weight, bias], &set);
    b.transpose(&x, &[0, 2, 3, 1])
}

/// Normalisation of each group of 8 channels by its own mean and variance over the whole picture:
/// `[1, H, W, 64]` → `[1, H, W, 64]`.
fn group_norm(b: &mut Builder<'_>, x: &Value, name: &str, size: Size) -> Result<Value> {
    let each = [GROUPS, REFINER / GROUPS];
    let (mean, mean_square) = (group_means(b, x, size), group_mean_squares(b, x, size));
    let square = b.mul(&mean, &mean);
    let variance = b.sub(&mean_square, &square);
    // Where all is the same colour the difference of two large numbers may fall below 0.
    let variance = b.relu(&variance);
    let epsilon = b.floats_32("refiner.epsilon", &[1], &[EPSILON]);
    let variance = b.add(&variance, &epsilon);
    let deviation = b.node("Sqrt", &[&variance], &[]);
    let weight = b.weight_32(&format!("{name}.weight"), &[REFINER])?;
    let weight = b.reshape(&weight, &each);
    let bias = b.weight_32(&format!("{name}.bias"), &[REFINER])?;
    let bias = b.reshape(&bias, &each);
    let scale = b.node("Div", &[&weight, &deviation], &[]);
    let moved = b.mul(&mean, &scale);
    let shift = b.sub(&bias, &moved);

    // x × scale + shift as a convolution, whose matrix has the scale on its diagonal.
    let scale = b.reshape(&scale, &[REFINER, 1]);
    let unit = b.floats_32("refiner.unit", &[REFINER, REFINER], &unit(1.0));
    let diagonal = b.mul(&unit, &scale);
    let diagonal = b.reshape(&diagonal, &[REFINER, REFINER, 1, 1]);
    let diagonal = b.narrow(diagonal);
    let shift = b.reshape(&shift, &[REFINER]);
    let shift = b.narrow(shift);
    Ok(convolution(b, &[x, &diagonal, &shift], 1, 1))
}

/// The mean of each group, in 32 bits: `[1, H, W, 64]` → `[8, 1]`. A product with a row of equal
/// numbers: the runtime's own means of 16 bits are sums first, which are too large for them.
fn group_means(b: &mut Builder<'_>, x: &Value, size: Size) -> Value {
    // Products of eight rows are quicker than those of one.
    const ROWS: usize = 8;
    let pixels = pixels(size);
    let x = b.reshape(x, &[PARTS, pixels * REFINER]);
    let share = [(PARTS as f32).recip(); ROWS * PARTS];
    let share = b.floats("refiner.share", &[ROWS, PARTS], &share);
    let x = b.node("Gemm", &[&share, &x], &[]);
    let x = b.reshape(&x, &[ROWS * pixels, REFINER]);
    let x = b.widen(x);
    let x = b.reduce("ReduceMean", &x, 0, false);
    let x = b.reshape(&x, &[GROUPS, REFINER / GROUPS]);
    b.reduce("ReduceMean", &x, 1, true)
}

/// Pixels of each of the [`PARTS`].
fn pixels(size: Size) -> usize {
    let [height, width] = size.map(MULTIPLE);
    height * width / PARTS
}

/// The mean square of each group, in 32 bits: `[1, H, W, 64]` → `[8, 1]`. What is on the diagonal of
/// xᵀx: the one way to sums of squares in 32 bits that reads 16 and writes next to nothing. It is
/// taken in [`PARTS`], since a mean of 16 bits has less to round off there than a sum.
fn group_mean_squares(b: &mut Builder<'_>, x: &Value, size: Size) -> Value {
    let pixels = pixels(size);
    let x = b.reshape(x, &[PARTS, pixels, REFINER]);
    let set = [
        ("transA", Set::Int(1)),
        ("alpha", Set::Float((pixels as f32).recip())),
    ];
    let x = b.node_of(MICROSOFT, "FusedMatMul", &[&x, &x], &set);
    let x = b.widen(x);
    let x = b.reduce("ReduceMean", &x, 0, false);
    let share = unit((GROUPS as f32) / REFINER as f32);
    let share = b.floats_32("refiner.diagonal", &[REFINER, REFINER], &share);
    let x = b.mul(&x, &share);
    let x = b.reshape(&x, &[GROUPS, REFINER / GROUPS * REFINER]);
    b.reduce("ReduceSum", &x, 1, true)
}

/// The unit matrix times a number: `[64, 64]`.
fn unit(factor: f32) -> Vec<f32> {
    let mut unit = vec![0.0; REFINER * REFINER];
    unit.iter_mut()
        .step_by(REFINER + 1)
        .for_each(|value| *value = factor);
    unit
}
