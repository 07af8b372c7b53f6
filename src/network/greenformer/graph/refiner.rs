//! The refiner: convolutions at the picture's own size that correct the decoders' logits.

use super::builder::{Builder, Set, Value};
use super::{ALPHA, FOREGROUND, MULTIPLE, REFINER_SCALE, Size, channels_last};
use crate::network::device::{Device, Precision};
use crate::network::error::Result;
use crate::network::greenformer::tensors::{DILATIONS, REFINER};

/// Groups of channels that are normalised together.
pub(in crate::network::greenformer) const GROUPS: usize = 8;
/// Added to their variance.
pub(in crate::network::greenformer) const EPSILON: f32 = 1e-5;
/// What the network was trained to multiply the refinement by.
pub(in crate::network::greenformer) const GAIN: f32 = 10.0;

/// Writes the graph's outputs from the `input` `[1, 4, H, W]` and the `logits` `[1, 4, H, W]`, which
/// are in 32 bits.
pub(super) fn outputs(
    b: &mut Builder<'_>,
    input: &Value,
    logits: &Value,
    size: Size,
) -> Result<()> {
    b.part("refiner");
    let delta = delta(b, input, logits, size)?;
    let gain = b.floats_32("refiner.gain", &[1], &[GAIN]);
    let strength = b.mul(&Builder::input(REFINER_SCALE), &gain);
    let delta = b.mul(&delta, &strength);
    let refined = b.add(logits, &delta);
    let result = b.node("Sigmoid", &[&refined], &[]);
    let planes = b.integers(&[1, 3]);
    let axis = [("axis", Set::Int(1))];
    b.outputs("Split", &[&result, &planes], &[ALPHA, FOREGROUND], &axis);
    Ok(())
}

/// The correction, in 32 bits: `[1, 4, H, W]`.
fn delta(b: &mut Builder<'_>, input: &Value, logits: &Value, size: Size) -> Result<Value> {
    if b.device() == Device::Cuda && b.precision() == Precision::Fp16 {
        return channels_last::delta(b, input, logits, size);
    }
    let [first, behind, channels] = [&[0], &[3], &[1]].map(|number| b.integers(number));
    let plate = b.node("Slice", &[input, &first, &behind, &channels], &[]);
    let coarse = b.node("Sigmoid", &[logits], &[]);
    // [1, 7, H, W]: plate, alpha, foreground
    let x = b.node("Concat", &[&plate, &coarse], &[("axis", Set::Int(1))]);
    let x = b.narrow(x);

    b.part("refiner.stem");
    let x = convolve(b, &x, "refiner.stem.0", 7, 1)?;
    let x = group_norm(b, &x, "refiner.stem.1", size)?;
    let mut x = b.relu(&x);
    for (index, dilation) in DILATIONS.into_iter().enumerate() {
        x = residual(b, &x, &format!("refiner.res{}", index + 1), dilation, size)?;
    }

    b.part("refiner.final");
    let weight = b.weight("refiner.final.weight", &[4, REFINER, 1, 1])?;
    let bias = b.weight("refiner.final.bias", &[4])?;
    let x = b.node("Conv", &[&x, &weight, &bias], &[]);
    Ok(b.widen(x))
}

/// Two convolutions beside a shortcut: `[1, 64, H, W]` → `[1, 64, H, W]`.
fn residual(
    b: &mut Builder<'_>,
    shortcut: &Value,
    name: &str,
    dilation: usize,
    size: Size,
) -> Result<Value> {
    b.part(name);
    let x = convolve(b, shortcut, &format!("{name}.conv1"), REFINER, dilation)?;
    let x = group_norm(b, &x, &format!("{name}.gn1"), size)?;
    let x = b.relu(&x);
    let x = convolve(b, &x, &format!("{name}.conv2"), REFINER, dilation)?;
    let x = group_norm(b, &x, &format!("{name}.gn2"), size)?;
    let x = b.add(&x, shortcut);
    Ok(b.relu(&x))
}

/// 3 × 3 to 64 channels, with a border of zeros: `[1, channels, H, W]` → `[1, 64, H, W]`.
fn convolve(
    b: &mut Builder<'_>,
    x: &Value,
    name: &str,
    channels: usize,
    dilation: usize,
) -> Result<Value> {
    let weight = b.weight(&format!("{name}.weight"), &[REFINER, channels, 3, 3])?;
    let bias = b.weight(&format!("{name}.bias"), &[REFINER])?;
    let dilation = dilation as i64;
    let set = [
        ("kernel_shape", Set::Ints(&[3, 3])),
        ("dilations", Set::Ints(&[dilation; 2])),
        ("pads", Set::Ints(&[dilation; 4])),
    ];
    Ok(b.node("Conv", &[x, &weight, &bias], &set))
}

/// Normalisation of each group of 8 channels by its own mean and variance over the whole picture.
///
/// ONNX Runtime has operators for it, which add up millions of values one after the other in 32
/// bits and are off by 2e-2 at 2048 × 2048. Means of rows first and the mean of those after stay
/// exact to the last digits.
fn group_norm(b: &mut Builder<'_>, x: &Value, name: &str, size: Size) -> Result<Value> {
    let wide = b.widen(x.clone());
    let rows = b.reduce("ReduceMean", &wide, 3, false);
    let mean = group_mean(b, &rows, size);
    let rows = mean_squares(b, &wide, size);
    let mean_square = group_mean(b, &rows, size);
    let (scale, shift) = scale_and_shift(b, &mean, &mean_square, name)?;
    Ok(rescale(b, x, &scale, &shift))
}

/// The factor and the term by which a picture is normalised, both `[8, 8]` in 32 bits, from the mean
/// and the mean square of each group, which are `[8, 1]`.
pub(super) fn scale_and_shift(
    b: &mut Builder<'_>,
    mean: &Value,
    mean_square: &Value,
    name: &str,
) -> Result<(Value, Value)> {
    let square = b.mul(mean, mean);
    let variance = b.sub(mean_square, &square);
    // Where all is the same colour the difference of two large numbers may fall below 0.
    let variance = b.relu(&variance);
    let epsilon = b.floats_32("refiner.epsilon", &[1], &[EPSILON]);
    let variance = b.add(&variance, &epsilon);
    let deviation = b.node("Sqrt", &[&variance], &[]);

    // The picture is then multiplied and shifted by one number a channel.
    let each = [GROUPS, REFINER / GROUPS];
    let weight = b.weight_32(&format!("{name}.weight"), &[REFINER])?;
    let weight = b.reshape(&weight, &each);
    let bias = b.weight_32(&format!("{name}.bias"), &[REFINER])?;
    let bias = b.reshape(&bias, &each);
    let scale = b.node("Div", &[&weight, &deviation], &[]);
    let moved = b.mul(mean, &scale);
    let shift = b.sub(&bias, &moved);
    Ok((scale, shift))
}

/// Means of rows to the mean of each group: `[1, 64, H]` → `[8, 1]`, in 32 bits.
pub(super) fn group_mean(b: &mut Builder<'_>, rows: &Value, size: Size) -> Value {
    let [height, _] = size.map(MULTIPLE);
    let rows = b.reshape(rows, &[GROUPS, REFINER / GROUPS * height]);
    b.reduce("ReduceMean", &rows, 1, true)
}

/// The mean of the squares of each row: `[1, 64, H, W]` → `[1, 64, H]`, in 32 bits.
fn mean_squares(b: &mut Builder<'_>, x: &Value, size: Size) -> Value {
    match b.device() {
        // One operator needs no room for the squares.
        Device::Cpu => {
            let [_, width] = size.map(MULTIPLE);
            let sums = b.reduce("ReduceSumSquare", x, 3, false);
            let share = b.floats_32("refiner.share", &[1], &[(width as f32).recip()]);
            b.mul(&sums, &share)
        }
        // CoreML does not know it, and may compute in 16 bits, where a sum overflows.
        Device::Cuda | Device::CoreMl => {
            let squares = b.mul(x, x);
            b.reduce("ReduceMean", &squares, 3, false)
        }
    }
}

/// x × scale + shift with one number of each for every channel: `[1, 64, H, W]` and 64 in 32 bits.
fn rescale(b: &mut Builder<'_>, x: &Value, scale: &Value, shift: &Value) -> Value {
    let shaped = |b: &mut Builder<'_>, value: &Value, shape: &[usize]| {
        let value = b.reshape(value, shape);
        b.narrow(value)
    };
    match b.device() {
        // A convolution of each channel with one number. The runtime does the addition and the
        // clipping behind it on the way, and so goes through the picture once instead of thrice.
        Device::Cpu => {
            let scale = shaped(b, scale, &[REFINER, 1, 1, 1]);
            let shift = shaped(b, shift, &[REFINER]);
            let set = [
                ("kernel_shape", Set::Ints(&[1, 1])),
                ("group", Set::Int(REFINER as i64)),
            ];
            b.node("Conv", &[x, &scale, &shift], &set)
        }
        Device::Cuda | Device::CoreMl => {
            let [scale, shift] = [scale, shift].map(|value| shaped(b, value, &[1, REFINER, 1, 1]));
            let x = b.mul(x, &scale);
            b.add(&x, &shift)
        }
    }
}
