//! The decoders: from the encoder's four levels of detail to logits of alpha and foreground.
//!
//! As trained, each decoder projects every level to 256 channels, enlarges them to a quarter of the
//! picture, concatenates the four, multiplies them by one 1024 → 256 matrix, normalises by stored
//! statistics, and clips at 0 before its last product. Enlarging is a weighted mean of neighbours
//! and all else up to the clipping is linear: both commute. So projection, its share of the fusing
//! matrix and the normalisation become *one* matrix a level, applied where the level is small, and
//! the enlarged results are added. This is the same function at a sixth of the cost, and the 1024
//! channels never exist.

use super::builder::{Builder, Set, Value};
use super::encoder::Feature;
use super::{Size, products};
use crate::network::device::Device;
use crate::network::error::Result;
use crate::network::greenformer::tensors::{DECODER, DECODERS, LEVELS};

const EPSILON: f64 = 1e-5;

/// Logits of alpha, red, green and blue at the picture's size, in 32 bits: `[1, 4, H, W]`.
/// `features` are in the order of [`LEVELS`].
pub(super) fn logits(b: &mut Builder<'_>, features: &[Feature], size: Size) -> Result<Value> {
    if b.device() == Device::Cuda {
        return products::logits(b, features, size);
    }
    b.part("decoder");
    let mut maps = Vec::new();
    for feature in features {
        maps.push(map(b, feature, size));
    }
    // One decoder after the other: both at once would need twice the memory.
    let mut found = Vec::new();
    for (decoder, planes) in DECODERS {
        b.part(decoder);
        found.push(decode(b, &maps, decoder, planes)?);
    }
    let found: Vec<&Value> = found.iter().collect();
    // [1, 4, H/4, W/4]
    let x = b.node("Concat", &found, &[("axis", Set::Int(1))]);
    Ok(b.enlarge(&x, 4.0))
}

/// One decoder's logits, in 32 bits: `[1, planes, H/4, W/4]`.
fn decode(b: &mut Builder<'_>, maps: &[Value], decoder: &str, planes: usize) -> Result<Value> {
    let folded = Folded::new(b, decoder)?;
    let mut sum = None;
    for ((x, level), weight) in maps.iter().zip(LEVELS).zip(&folded.weights) {
        let name = format!("{decoder}.level{}", level.number);
        let weight = b.floats(&name, &[DECODER, level.channels, 1, 1], weight);
        // The bias is the same everywhere and needs adding once.
        let x = if level.number == 1 {
            let bias = b.floats(&format!("{decoder}.bias"), &[DECODER], &folded.bias);
            b.node("Conv", &[x, &weight, &bias], &[])
        } else {
            let x = b.node("Conv", &[x, &weight], &[]);
            b.enlarge(&x, (1 << (level.number - 1)) as f32)
        };
        sum = Some(match sum {
            Some(sum) => b.add(&sum, &x),
            None => x,
        });
    }
    let Some(sum) = sum else {
        return Err(super::internal("the decoders have no levels"));
    };
    // [1, 256, H/4, W/4]
    let x = b.relu(&sum);
    let name = format!("{decoder}.classifier");
    let weight = b.weight(&format!("{name}.weight"), &[planes, DECODER, 1, 1])?;
    let bias = b.weight(&format!("{name}.bias"), &[planes])?;
    let x = b.node("Conv", &[&x, &weight, &bias], &[]);
    Ok(b.widen(x))
}

/// Tokens as a map: `[N × side², channels]` → `[1, channels, rows × side, columns × side]`.
fn map(b: &mut Builder<'_>, feature: &Feature, size: Size) -> Value {
    let Feature {
        tokens,
        side,
        channels,
    } = feature;
    // A plain matrix is turned first, then whole rows of windows change places: each of the two is
    // quick, and both at once are not.
    let x = b.transpose(tokens, &[1, 0]);
    let x = b.reshape(&x, &[*channels, size.rows, size.columns, *side, *side]);
    let x = b.transpose(&x, &[0, 1, 3, 2, 4]);
    let [height, width] = size.map(*side);
    b.reshape(&x, &[1, *channels, height, width])
}

/// A decoder's matrices up to the clipping, multiplied into one a level.
pub(super) struct Folded {
    /// `[256, channels]` for each of [`LEVELS`].
    pub(super) weights: Vec<Vec<f32>>,
    /// `[256]`.
    pub(super) bias: Vec<f32>,
}

impl Folded {
    /// One decoder's. Sums are taken in 64 bits: they are rounded once.
    pub(super) fn new(b: &Builder<'_>, decoder: &str) -> Result<Self> {
        let mut weights = vec![Vec::new(); LEVELS.len()];
        let numbers = |part: &str| b.numbers(&format!("{decoder}.{part}"));
        let fuse = numbers("linear_fuse.weight")?;
        let (gain, shift) = (numbers("bn.weight")?, numbers("bn.bias")?);
        let (mean, variance) = (numbers("bn.running_mean")?, numbers("bn.running_var")?);
        let scale: Vec<f64> = gain
            .iter()
            .zip(&variance)
            .map(|(gain, variance)| f64::from(*gain) / (f64::from(*variance) + EPSILON).sqrt())
            .collect();
        let mut constant: Vec<f64> = mean.iter().map(|mean| -f64::from(*mean)).collect();
        for (index, level) in LEVELS.into_iter().enumerate() {
            let name = format!("linear_c{}.proj", level.number);
            let (weight, bias) = (
                numbers(&format!("{name}.weight"))?,
                numbers(&format!("{name}.bias"))?,
            );
            let fused = fuse.chunks_exact(DECODER * LEVELS.len());
            for ((fused, scale), constant) in fused.zip(&scale).zip(&mut constant) {
                let share = &fused[index * DECODER..][..DECODER];
                let mut row = vec![0.0_f64; level.channels];
                for ((factor, weights), bias) in share
                    .iter()
                    .zip(weight.chunks_exact(level.channels))
                    .zip(&bias)
                {
                    let factor = f64::from(*factor);
                    *constant += factor * f64::from(*bias);
                    for (sum, weight) in row.iter_mut().zip(weights) {
                        *sum += factor * f64::from(*weight);
                    }
                }
                weights[index].extend(row.iter().map(|sum| (sum * scale) as f32));
            }
        }
        let bias = constant.iter().zip(&scale).zip(&shift);
        let bias = bias
            .map(|((constant, scale), shift)| (constant * scale + f64::from(*shift)) as f32)
            .collect();
        Ok(Self { weights, bias })
    }
}
