//! The decoders: from the encoder's four levels of detail to logits of alpha and foreground.
//!
//! As trained, each decoder projects every level to 256 channels, enlarges them to a quarter of the
//! picture, concatenates the four, multiplies them by one 1024 → 256 matrix, normalises by stored
//! statistics, and clips at 0 before its last product. Enlarging is a weighted mean of neighbours
//! and all else up to the clipping is linear: both commute. So projection, its share of the fusing
//! matrix and the normalisation become *one* matrix a level, applied where the level is small, and
//! the enlarged results are added. Both decoders go through it together, alpha in the first 256
//! channels and the foreground in the last 256. This is the same function at a sixth of the cost,
//! and the 1024 channels never exist.

use super::Size;
use super::builder::{Builder, Value};
use super::encoder::Feature;
use crate::network::error::Result;
use crate::network::greenformer::tensors::{DECODER, DECODERS, LEVELS};

const EPSILON: f64 = 1e-5;
/// Channels of both decoders.
const BOTH: usize = DECODER * DECODERS.len();
/// Logits of both decoders: alpha, red, green, blue.
const LOGITS: usize = 4;

/// Logits of alpha, red, green and blue at the picture's size, in 32 bits: `[1, 4, H, W]`.
/// `features` are in the order of [`LEVELS`].
pub(super) fn logits(b: &mut Builder<'_>, features: &[Feature], size: Size) -> Result<Value> {
    b.part("decoder");
    let folded = Folded::new(b)?;
    let mut sum = None;
    for ((feature, level), weight) in features.iter().zip(LEVELS).zip(&folded.weights) {
        let x = map(b, feature, size);
        let name = format!("decoder.level{}", level.number);
        let weight = b.floats(&name, &[BOTH, level.channels, 1, 1], weight);
        // The bias is the same everywhere and needs adding once.
        let x = if level.number == 1 {
            let bias = b.floats("decoder.bias", &[BOTH], &folded.bias);
            b.node("Conv", &[&x, &weight, &bias], &[])
        } else {
            let x = b.node("Conv", &[&x, &weight], &[]);
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
    // [1, 512, H/4, W/4]
    let x = b.relu(&sum);
    let (weight, bias) = classifier(b)?;
    let x = b.node("Conv", &[&x, &weight, &bias], &[]);
    let x = b.widen(x);
    Ok(b.enlarge(&x, 4.0))
}

/// Tokens as a map: `[N × side², channels]` → `[1, channels, rows × side, columns × side]`.
fn map(b: &mut Builder<'_>, feature: &Feature, size: Size) -> Value {
    let Feature {
        tokens,
        side,
        channels,
    } = feature;
    let x = b.reshape(tokens, &[size.rows, size.columns, *side, *side, *channels]);
    let x = b.transpose(&x, &[4, 0, 2, 1, 3]);
    let [height, width] = size.map(*side);
    b.reshape(&x, &[1, *channels, height, width])
}

/// Both last products in one: `[4, 512, 1, 1]` with zeros where a decoder has no say, and `[4]`.
fn classifier(b: &mut Builder<'_>) -> Result<(Value, Value)> {
    let (mut weight, mut bias) = (vec![0.0; LOGITS * BOTH], Vec::new());
    for (index, (decoder, planes)) in DECODERS.into_iter().enumerate() {
        let rows = b.numbers(&format!("{decoder}.classifier.weight"))?;
        for (plane, row) in rows.chunks_exact(DECODER).enumerate().take(planes) {
            let at = (bias.len() + plane) * BOTH + index * DECODER;
            weight[at..at + DECODER].copy_from_slice(row);
        }
        bias.extend(b.numbers(&format!("{decoder}.classifier.bias"))?);
    }
    let weight = b.floats("decoder.classifier.weight", &[LOGITS, BOTH, 1, 1], &weight);
    let bias = b.floats("decoder.classifier.bias", &[LOGITS], &bias);
    Ok((weight, bias))
}

/// The decoders' matrices up to the clipping, multiplied into one a level.
struct Folded {
    /// `[512, channels]` for each of [`LEVELS`].
    weights: Vec<Vec<f32>>,
    /// `[512]`.
    bias: Vec<f32>,
}

impl Folded {
    fn new(b: &Builder<'_>) -> Result<Self> {
        let mut folded = Self {
            weights: vec![Vec::new(); LEVELS.len()],
            bias: Vec::new(),
        };
        for (decoder, _) in DECODERS {
            folded.add(b, decoder)?;
        }
        Ok(folded)
    }

    /// Appends one decoder's rows. Sums are taken in 64 bits: they are rounded once.
    fn add(&mut self, b: &Builder<'_>, decoder: &str) -> Result<()> {
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
                self.weights[index].extend(row.iter().map(|sum| (sum * scale) as f32));
            }
        }
        let bias = constant.iter().zip(&scale).zip(&shift);
        self.bias.extend(
            bias.map(|((constant, scale), shift)| (constant * scale + f64::from(*shift)) as f32),
        );
        Ok(())
    }
}
