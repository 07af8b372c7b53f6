//! The network in two graphs, for a refiner that is worked strip by strip.
//!
//! [`coarse`] is everything up to the decoders' logits. [`layers`] holds the refiner's convolutions,
//! each from an input to an output of its own and over [`ROWS`] rows of the picture at a time; what
//! is between them, normalisation and clipping, is left to whoever runs it, who alone knows the
//! statistics of the whole picture. One graph for all of them, since a session has threads and
//! memory of its own: the number of pictures is free, and a layer that is not wanted is given none.

use super::builder::{Builder, Set};
pub use super::refiner::{EPSILON, GAIN, GROUPS};
use super::{INPUT, Options, Size, decoder, encoder};
use crate::network::error::Result;
use crate::network::greenformer::tensors::{DILATIONS, REFINER};
use crate::network::greenformer::weights::WeightsFile;
use crate::network::proto::{element, free_port, port};

/// The output of [`coarse`]: `[1, 4, H, W]`, logits of alpha, red, green and blue.
pub const LOGITS: &str = "logits";
/// Rows of a strip. Every picture is a whole number of strips, and what is worked on of one at a
/// time stays in the processor's caches.
pub const ROWS: usize = 32;

/// One of the refiner's convolutions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// What its tensors' names begin with.
    name: String,
    /// The name of the normalisation behind it; the last one has none.
    pub norm: Option<String>,
    /// Channels that it is given.
    pub channels: usize,
    /// Channels that it answers with.
    pub answers: usize,
    /// How many rows above and below, and columns beside, each of its pixels looks.
    pub reach: usize,
}

impl Layer {
    /// All of them, in the order in which they are worked.
    pub fn all() -> Vec<Self> {
        let layer = |name: String, norm: String, channels, reach| Self {
            name,
            norm: Some(norm),
            channels,
            answers: REFINER,
            reach,
        };
        let stem = layer("refiner.stem.0".into(), "refiner.stem.1".into(), 7, 1);
        let mut layers = vec![stem];
        for (index, reach) in DILATIONS.into_iter().enumerate() {
            for half in [1, 2] {
                let block = format!("refiner.res{}", index + 1);
                let norm = format!("{block}.gn{half}");
                layers.push(layer(format!("{block}.conv{half}"), norm, REFINER, reach));
            }
        }
        layers.push(Self {
            name: "refiner.final".into(),
            norm: None,
            channels: REFINER,
            answers: 4,
            reach: 0,
        });
        layers
    }

    /// The graph's input: `[1, channels, ROWS + 2 × reach, W]`, or `[0, …]` to leave the layer out.
    pub fn input(&self) -> String {
        format!("{}.rows", self.name)
    }

    /// The graph's output: `[1, answers, ROWS, W]`, or `[0, …]`.
    pub fn output(&self) -> String {
        format!("{}.answer", self.name)
    }

    /// Rows of its input.
    pub fn rows(&self) -> usize {
        ROWS + 2 * self.reach
    }
}

/// The ONNX file of the network up to the logits: `input` to [`LOGITS`].
///
/// # Errors
/// Those of [`build`](super::build).
pub fn coarse(weights: &WeightsFile, options: &Options) -> Result<Vec<u8>> {
    let Options { height, width, .. } = *options;
    let size = Size::new(height, width)?;
    let mut b = Builder::new(weights, options.precision, options.device)?;
    let input = Builder::input(INPUT);
    let features = encoder::features(&mut b, &input, size)?;
    let logits = decoder::logits(&mut b, &features, size)?;
    b.outputs("Identity", &[&logits], &[LOGITS], &[]);
    let shape = [1, 4, height, width];
    Ok(b.finish(
        vec![port(INPUT, element::FLOAT, &shape)],
        vec![port(LOGITS, element::FLOAT, &shape)],
    ))
}

/// The ONNX file of the refiner's convolutions for strips as wide as the picture. Above and below,
/// a strip is given with the rows that it looks at; beside it are zeros.
///
/// # Errors
/// Those of [`build`](super::build).
pub fn layers(weights: &WeightsFile, options: &Options) -> Result<Vec<u8>> {
    let Options { height, width, .. } = *options;
    Size::new(height, width)?;
    let mut b = Builder::new(weights, options.precision, options.device)?;
    let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
    for layer in Layer::all() {
        let Layer {
            name,
            channels,
            answers,
            reach,
            ..
        } = &layer;
        b.part(name.clone());
        let side = if *reach > 0 { 3 } else { 1 };
        let weight = b.weight(
            &format!("{name}.weight"),
            &[*answers, *channels, side, side],
        )?;
        let bias = b.weight(&format!("{name}.bias"), &[*answers])?;
        let x = b.narrow(Builder::input(&layer.input()));
        let far = *reach as i64;
        let set = [
            ("kernel_shape", Set::Ints(&[side as i64; 2])),
            ("dilations", Set::Ints(&[far.max(1); 2])),
            ("pads", Set::Ints(&[0, far, 0, far])),
        ];
        let x = b.node("Conv", &[&x, &weight, &bias], &set);
        let x = b.widen(x);
        b.outputs("Identity", &[&x], &[&layer.output()], &[]);
        let port = |port: &str, channels: usize, rows: usize| {
            free_port(port, element::FLOAT, name, &[channels, rows, width])
        };
        inputs.push(port(&layer.input(), *channels, layer.rows()));
        outputs.push(port(&layer.output(), *answers, ROWS));
    }
    Ok(b.finish(inputs, outputs))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::greenformer::graph::MULTIPLE;

    #[test]
    fn every_picture_is_a_whole_number_of_strips() {
        assert_eq!(MULTIPLE % ROWS, 0);
    }

    #[test]
    fn the_layers_are_the_refiners_convolutions() {
        let layers = Layer::all();
        assert_eq!(layers.len(), 2 + 2 * DILATIONS.len());
        // Each side of a pixel, as far as the last answer depends on the first input.
        assert_eq!(layers.iter().map(|layer| layer.reach).sum::<usize>(), 31);
        assert!(
            layers
                .windows(2)
                .all(|pair| pair[0].answers == pair[1].channels)
        );
        let unlike = layers.iter().filter(|layer| layer.norm.is_none());
        assert_eq!(unlike.count(), 1);
    }
}
