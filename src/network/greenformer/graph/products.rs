//! The decoders for CUDA: matrix products and nothing else.
//!
//! Bilinear enlargement is a product with a matrix that has two numbers in each row, first along
//! rows, then along columns. On tensor cores that is quicker than resizing, though most of what is
//! multiplied is zeros; it leaves channels last, as tokens have them; and the last of the products
//! adds the levels up on the way. Both decoders are worked at once, as 512 channels.

use super::builder::{Builder, Set, Value};
use super::decoder::Folded;
use super::encoder::{Feature, SIDE};
use super::{Size, internal};
use crate::network::error::Result;
use crate::network::greenformer::tensors::{DECODER, DECODERS, LEVELS};

/// Channels of both decoders.
const BOTH: usize = DECODER * DECODERS.len();
/// Planes that the last product gives. Four are wanted, but products of eight are quicker.
const PLANES: usize = 8;

/// Logits of alpha, red, green and blue at the picture's size, in 32 bits: `[1, 4, H, W]`.
/// `features` are in the order of [`LEVELS`].
pub(super) fn logits(b: &mut Builder<'_>, features: &[Feature], size: Size) -> Result<Value> {
    b.part("decoder");
    let [alpha, foreground] = DECODERS.map(|(decoder, _)| Folded::new(b, decoder));
    let folded = [alpha?, foreground?];
    let [height, width] = size.map(SIDE);

    let (mut coarse, mut down, mut finest) = (Vec::new(), Vec::new(), None);
    for (index, (feature, level)) in features.iter().zip(LEVELS).enumerate() {
        let number = level.number;
        let weight = folded.each_ref().map(|folded| &folded.weights[index][..]);
        let name = format!("decoder.level{number}");
        let weight = b.floats(&name, &[BOTH, level.channels], &weight.concat());
        let x = raster(b, feature, size);
        // The bias is the same everywhere: it is added where there is least to add it to.
        let x = if index == 0 {
            let bias = folded.each_ref().map(|folded| &folded.bias[..]).concat();
            let bias = b.floats("decoder.bias", &[BOTH], &bias);
            b.gemm(&x, &weight, &bias)
        } else {
            b.product(&x, &weight)
        };
        if feature.side == SIDE {
            finest = Some(b.reshape(&x, &[height, width * BOTH]));
            continue;
        }
        let [rows, columns] = size.map(feature.side);
        let x = b.reshape(&x, &[rows, columns, BOTH]);
        let across = enlargement(columns, width).concat();
        let across = b.floats(
            &format!("decoder.across{number}"),
            &[width, columns],
            &across,
        );
        let x = b.node("MatMul", &[&across, &x], &[]);
        coarse.push(b.reshape(&x, &[rows, width * BOTH]));
        down.push(enlargement(rows, height));
    }
    let Some(finest) = finest else {
        return Err(internal("the decoders have no level of the tokens' size"));
    };
    let coarse: Vec<&Value> = coarse.iter().collect();
    let coarse = b.node("Concat", &coarse, &[("axis", Set::Int(0))]);
    let rows: usize = down.iter().map(|level| level[0].len()).sum();
    let down: Vec<f32> = (0..height)
        .flat_map(|row| {
            down.iter()
                .flat_map(move |level| level[row].iter().copied())
        })
        .collect();
    let down = b.floats("decoder.down", &[height, rows], &down);
    let x = b.node("Gemm", &[&down, &coarse, &finest], &[]);
    let x = b.relu(&x);
    let x = b.reshape(&x, &[height * width, BOTH]);
    let x = classify(b, &x)?;
    let x = planes(b, &x, height, width);
    Ok(b.enlarge(&x, 4.0))
}

/// `[pixels, 512]` → `[pixels, 8]`, the first four of which are the logits.
fn classify(b: &mut Builder<'_>, x: &Value) -> Result<Value> {
    let mut weight = vec![0.0; PLANES * BOTH];
    let mut bias = vec![0.0; PLANES];
    let mut plane = 0;
    for (index, (decoder, planes)) in DECODERS.into_iter().enumerate() {
        let weights = b.numbers(&format!("{decoder}.classifier.weight"))?;
        let biases = b.numbers(&format!("{decoder}.classifier.bias"))?;
        for (row, value) in weights.chunks_exact(DECODER).zip(biases).take(planes) {
            weight[plane * BOTH + index * DECODER..][..DECODER].copy_from_slice(row);
            bias[plane] = value;
            plane += 1;
        }
    }
    let weight = b.floats("decoder.classifier", &[PLANES, BOTH], &weight);
    let bias = b.floats("decoder.classifier.bias", &[PLANES], &bias);
    Ok(b.gemm(x, &weight, &bias))
}

/// The first four of eight channels that are last, as planes in 32 bits: `[height × width, 8]` →
/// `[1, 4, height, width]`.
pub(super) fn planes(b: &mut Builder<'_>, x: &Value, height: usize, width: usize) -> Value {
    let x = b.transpose(x, &[1, 0]);
    let [first, behind] = [&[0], &[4]].map(|number| b.integers(number));
    let x = b.node("Slice", &[&x, &first, &behind, &first], &[]);
    let x = b.reshape(&x, &[1, 4, height, width]);
    b.widen(x)
}

/// Tokens row by row of the picture: `[N × side², channels]` → `[rows × columns, channels]`.
fn raster(b: &mut Builder<'_>, feature: &Feature, size: Size) -> Value {
    let Feature {
        tokens,
        side,
        channels,
    } = feature;
    if *side == 1 {
        return tokens.clone();
    }
    let x = b.reshape(tokens, &[size.rows, size.columns, *side, side * channels]);
    let x = b.transpose(&x, &[0, 2, 1, 3]);
    b.reshape(&x, &[size.windows() * side * side, *channels])
}

/// Bilinear enlargement from `from` to `to` cells, pixel centres at halves, as a matrix: `to` rows
/// of `from` numbers.
fn enlargement(from: usize, to: usize) -> Vec<Vec<f32>> {
    let row = |cell: usize| {
        let place =
            ((cell as f32 + 0.5) * from as f32 / to as f32 - 0.5).clamp(0.0, (from - 1) as f32);
        let before = place.floor() as usize;
        let share = place - place.floor();
        let mut row = vec![0.0; from];
        row[before] += 1.0 - share;
        row[(before + 1).min(from - 1)] += share;
        row
    };
    (0..to).map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enlarging_takes_from_the_two_nearest_cells() {
        let rows = enlargement(3, 6);
        assert_eq!(rows[0], [1.0, 0.0, 0.0]);
        assert_eq!(rows[1], [0.75, 0.25, 0.0]);
        assert_eq!(rows[2], [0.25, 0.75, 0.0]);
        assert_eq!(rows[5], [0.0, 0.0, 1.0]);
        for row in enlargement(5, 40) {
            assert_eq!(row.iter().sum::<f32>(), 1.0);
        }
    }
}
