//! Linear layers for processors whose convolutions take channels in blocks.
//!
//! ONNX Runtime's quick convolutions on such a processor want a picture as planes of 8 or 16
//! channels each, whose values for a pixel lie side by side. As one of these, of 1 × 1, a wide
//! product is quicker than as a product of matrices. Here tokens are put in blocks before and out of
//! them behind by the runtime's own operators, since left to itself it would do so at every step.
//!
//! How many channels are in a block is the processor's affair, and no number here depends on it:
//! weights are brought into blocks by the runtime's own operator, once when it builds the session. A
//! picture in blocks has the shape `[1, channels, H, W]` all the same.

use super::builder::{Builder, CHANNEL_BLOCKS, Set, Value};
use crate::network::device::{Device, Precision};
use crate::network::error::Result;

/// True where the runtime's convolutions take channels in blocks, and are quicker than its matrix
/// products: on processors of this kind in 32 bits. On others it may not have the operators.
pub(in crate::network::greenformer) fn on(device: Device, precision: Precision) -> bool {
    cfg!(target_arch = "x86_64") && device == Device::Cpu && precision == Precision::Fp32
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
    let weight = filters(b, &weight, outputs, inputs);
    let bias = b.weight(&format!("{name}.bias"), &[outputs])?;
    let set = [("kernel_shape", Set::Ints(&[1, 1]))];
    Ok(b.node_of(CHANNEL_BLOCKS, "Conv", &[x, &weight, &bias], &set))
}

/// The weight of a convolution of 1 × 1 in blocks of its outputs.
fn filters(b: &mut Builder<'_>, weight: &Value, outputs: usize, inputs: usize) -> Value {
    let weight = b.reshape(weight, &[1, outputs, inputs, 1]);
    let weight = b.node_of(CHANNEL_BLOCKS, "ReorderInput", &[&weight], &[]);
    b.reshape(&weight, &[outputs, inputs, 1, 1])
}
