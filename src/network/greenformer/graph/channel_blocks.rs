//! Pictures for processors whose convolutions take channels in blocks, and the refiner with them.
//!
//! ONNX Runtime's quick convolutions on such a processor want a picture as planes of 8 or 16
//! channels each, whose values for a pixel lie side by side. It turns pictures round before and
//! behind them by itself, which in the refiner takes as long as two of its convolutions. Here the
//! picture stays in blocks from the first convolution to the last, by the runtime's own operators
//! for them.
//!
//! How many channels are in a block is the processor's affair, and no number here depends on it:
//! weights are brought into blocks by the runtime's own operator, once when it builds the session,
//! and statistics out of them. A picture in blocks has the shape `[1, channels, H, W]` all the same;
//! in memory the rows of a block follow each other, so that the same numbers are also a picture
//! `[1, channels × H, 1, W]`.

use super::builder::{Builder, CHANNEL_BLOCKS, Set, Value};
use super::refiner;
use super::{MULTIPLE, Size};
use crate::network::device::{Device, Precision};
use crate::network::error::Result;
use crate::network::greenformer::tensors::{DILATIONS, REFINER};

/// Channels of the refiner's input: fewer than a block, so that it is given as it is.
const INPUT: usize = 7;
/// Channels of its answer.
const ANSWERS: usize = 4;
/// Channels that the last convolution gives: whole blocks of either kind.
const PADDED: usize = 16;

/// True where the runtime's convolutions take channels in blocks, and are quicker than its matrix
/// products: on processors of this kind in 32 bits. On others it may not have the operators.
pub(in crate::network::greenformer) fn on(device: Device, precision: Precision) -> bool {
    cfg!(target_arch = "x86_64") && device == Device::Cpu && precision == Precision::Fp32
}

/// The correction: `[1, 7, H, W]` → `[1, 4, H, W]`.
pub(super) fn delta(b: &mut Builder<'_>, x: &Value, size: Size) -> Result<Value> {
    b.part("refiner.stem");
    let x = convolve(b, x, "refiner.stem.0", INPUT, 1)?;
    let mut x = group_norm(b, &x, "refiner.stem.1", None, size)?;
    for (index, dilation) in DILATIONS.into_iter().enumerate() {
        let name = format!("refiner.res{}", index + 1);
        b.part(name.clone());
        let shortcut = x.clone();
        for (half, beside) in [(1, None), (2, Some(&shortcut))] {
            x = convolve(b, &x, &format!("{name}.conv{half}"), REFINER, dilation)?;
            x = group_norm(b, &x, &format!("{name}.gn{half}"), beside, size)?;
        }
    }
    b.part("refiner.final");
    last(b, &x)
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
    let weight = filters(b, &weight, REFINER, channels, 3);
    let bias = b.weight(&format!("{name}.bias"), &[REFINER])?;
    let dilation = dilation as i64;
    let set = [
        ("kernel_shape", Set::Ints(&[3, 3])),
        ("dilations", Set::Ints(&[dilation; 2])),
        ("pads", Set::Ints(&[dilation; 4])),
    ];
    Ok(b.node_of(CHANNEL_BLOCKS, "Conv", &[x, &weight, &bias], &set))
}

/// The last convolution, 1 × 1, and out of the blocks: `[1, 64, H, W]` → `[1, 4, H, W]`.
fn last(b: &mut Builder<'_>, x: &Value) -> Result<Value> {
    let more = (PADDED - ANSWERS) as i64;
    let weight = b.weight("refiner.final.weight", &[ANSWERS, REFINER, 1, 1])?;
    let behind = b.integers(&[0, 0, 0, 0, more, 0, 0, 0]);
    let weight = b.node("Pad", &[&weight, &behind], &[]);
    let weight = filters(b, &weight, PADDED, REFINER, 1);
    let bias = b.weight("refiner.final.bias", &[ANSWERS])?;
    let behind = b.integers(&[0, more]);
    let bias = b.node("Pad", &[&bias, &behind], &[]);
    let set = [("kernel_shape", Set::Ints(&[1, 1]))];
    let x = b.node_of(CHANNEL_BLOCKS, "Conv", &[x, &weight, &bias], &set);
    Ok(plain(b, &x, ANSWERS))
}

/// Tokens as a picture in blocks: `[1, H, W, channels]` → `[1, channels, H, W]`.
pub(super) fn of_tokens(b: &mut Builder<'_>, x: &Value) -> Value {
    let set = [("channels_last", Set::Int(1))];
    b.node_of(CHANNEL_BLOCKS, "ReorderInput", &[x], &set)
}

/// The way back: `[1, channels, H, W]` in blocks → `[1, H, W, channels]`.
pub(super) fn to_tokens(b: &mut Builder<'_>, x: &Value, channels: usize) -> Value {
    let set = [
        ("channels_last", Set::Int(1)),
        ("channels", Set::Int(channels as i64)),
    ];
    b.node_of(CHANNEL_BLOCKS, "ReorderOutput", &[x], &set)
}

/// A linear layer for each pixel, in blocks: `[1, inputs, H, W]` → `[1, outputs, H, W]`.
pub(super) fn pointwise(
    b: &mut Builder<'_>,
    x: &Value,
    name: &str,
    inputs: usize,
    outputs: usize,
) -> Result<Value> {
    let weight = b.weight(&format!("{name}.weight"), &[outputs, inputs])?;
    let weight = filters(b, &weight, outputs, inputs, 1);
    let bias = b.weight(&format!("{name}.bias"), &[outputs])?;
    let set = [("kernel_shape", Set::Ints(&[1, 1]))];
    Ok(b.node_of(CHANNEL_BLOCKS, "Conv", &[x, &weight, &bias], &set))
}

/// A convolution's weight in blocks of its inputs, where these are in blocks, and of its outputs.
fn filters(
    b: &mut Builder<'_>,
    weight: &Value,
    outputs: usize,
    inputs: usize,
    side: usize,
) -> Value {
    // As a picture for each output, whose order is right already where it is one pixel or has no
    // blocks; then as a single one, whose pixels are the numbers of a filter.
    let weight = if side == 1 || inputs == INPUT {
        weight.clone()
    } else {
        b.node_of(CHANNEL_BLOCKS, "ReorderInput", &[weight], &[])
    };
    let weight = b.reshape(&weight, &[1, outputs, inputs * side * side, 1]);
    let weight = b.node_of(CHANNEL_BLOCKS, "ReorderInput", &[&weight], &[]);
    b.reshape(&weight, &[outputs, inputs, side, side])
}

/// Out of the blocks, and without channels that only fill them: `[1, …, H, W]` →
/// `[1, channels, H, W]`.
fn plain(b: &mut Builder<'_>, x: &Value, channels: usize) -> Value {
    let set = [("channels", Set::Int(channels as i64))];
    b.node_of(CHANNEL_BLOCKS, "ReorderOutput", &[x], &set)
}

/// [`refiner::group_norm`] with what is behind it: a shortcut is added, and what is below 0 clipped.
fn group_norm(
    b: &mut Builder<'_>,
    x: &Value,
    name: &str,
    beside: Option<&Value>,
    size: Size,
) -> Result<Value> {
    let rows = means(b, x, size);
    let mean = refiner::group_mean(b, &rows, size);
    let rows = mean_squares(b, x, size);
    let mean_square = refiner::group_mean(b, &rows, size);
    let (scale, shift) = refiner::scale_and_shift(b, &mean, &mean_square, name)?;
    // A convolution of each channel with one number, which does the rest on the way: it goes
    // through the picture once, and its answer may take the shortcut's place.
    let scale = b.reshape(&scale, &[REFINER, 1, 1, 1]);
    let shift = b.reshape(&shift, &[REFINER]);
    let set = [
        ("kernel_shape", Set::Ints(&[1, 1])),
        ("group", Set::Int(REFINER as i64)),
        ("activation", Set::Text("Relu")),
    ];
    let mut inputs = vec![x, &scale, &shift];
    inputs.extend(beside);
    Ok(b.node_of(CHANNEL_BLOCKS, "Conv", &inputs, &set))
}

/// The mean of each row: `[1, 64, H, W]` in blocks → `[1, 64, H, 1]`.
fn means(b: &mut Builder<'_>, x: &Value, size: Size) -> Value {
    let [_, width] = size.map(MULTIPLE);
    let row = [1, width as i64];
    let set = [
        ("kernel_shape", Set::Ints(&row)),
        ("strides", Set::Ints(&row)),
    ];
    let rows = b.node_of(CHANNEL_BLOCKS, "AveragePool", &[x], &set);
    plain(b, &rows, REFINER)
}

/// The mean of the squares of each row: `[1, 64, H, W]` in blocks → `[1, 64, H, 1]`.
///
/// By a convolution of each row with itself, which reads it once and writes next to nothing. The
/// runtime's sum of squares takes three times as long, and wants the picture out of its blocks.
fn mean_squares(b: &mut Builder<'_>, x: &Value, size: Size) -> Value {
    let [height, width] = size.map(MULTIPLE);
    let rows = REFINER * height;
    let picture = b.reshape(x, &[1, rows, 1, width]);
    let itself = b.reshape(x, &[rows, 1, 1, width]);
    let set = [
        ("kernel_shape", Set::Ints(&[1, width as i64])),
        ("group", Set::Int(rows as i64)),
    ];
    let sums = b.node_of(CHANNEL_BLOCKS, "Conv", &[&picture, &itself], &set);
    let sums = b.reshape(&sums, &[1, REFINER, height, 1]);
    let sums = plain(b, &sums, REFINER);
    let share = b.floats("refiner.share", &[1], &[(width as f32).recip()]);
    b.mul(&sums, &share)
}
