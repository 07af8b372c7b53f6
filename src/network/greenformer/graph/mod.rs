//! The network as an ONNX graph for one picture size.
//!
//! The graph is written node by node; its weights stay in the weights file, which the graph refers
//! to by name, offset and length, so that graphs of all sizes share it. Whoever runs a graph tells
//! the runtime in which folder the weights file is.
//!
//! | tensor | shape | what |
//! |---|---|---|
//! | `input` | `[1, 4, H, W]` | the plate in sRGB, normalised, and the hint |
//! | `refiner_scale` | `[1]` | how much of the refinement is applied; 1 as trained |
//! | `alpha` | `[1, 1, H, W]` | 0..1 |
//! | `fg` | `[1, 3, H, W]` | straight, sRGB-encoded, 0..1 |
//!
//! All of them are 32-bit floats, whatever the precision of the arithmetic.

mod builder;
pub(super) mod channel_blocks;
mod channels_last;
mod decoder;
mod embedding;
mod encoder;
mod products;
pub(in crate::network::greenformer) mod refiner;

use self::builder::Builder;
use super::weights::WeightsFile;
use crate::network::device::{Device, Precision};
use crate::network::error::{Error, Result};
use crate::network::proto::{element, port};

/// Both sides of a picture are multiples of this.
pub const MULTIPLE: usize = 32;
/// The graph's input.
pub const INPUT: &str = "input";
/// The graph's input that scales the refinement.
pub const REFINER_SCALE: &str = "refiner_scale";
/// The graph's outputs: the matte.
pub const ALPHA: &str = "alpha";
/// The graph's outputs: the foreground.
pub const FOREGROUND: &str = "fg";
/// The output of [`coarse`]: `[1, 4, H, W]`, logits of alpha, red, green and blue.
pub const LOGITS: &str = "logits";

/// What a graph is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Rows of the picture; a multiple of [`MULTIPLE`].
    pub height: usize,
    /// Columns of the picture; a multiple of [`MULTIPLE`].
    pub width: usize,
    /// In what the network computes. With 16-bit floats statistics, final logits and sigmoid are
    /// still of 32 bits, and so are inputs and outputs.
    pub precision: Precision,
    /// Where it is to run. The graph computes the same everywhere, but what is quick on one device
    /// is slow or unknown on another: for CUDA and the processor attention is the runtime's own
    /// operator, for CoreML everything is ONNX's. For CUDA biases go into the operators behind the
    /// products, the decoders are products alone, and in 16 bits the refiner has its channels last.
    /// On processors that are quick with channels in blocks the wide products are convolutions in
    /// 32 bits.
    pub device: Device,
}

/// The ONNX file of the network.
///
/// # Errors
/// [`Error::Internal`] for a size that is no multiple of
/// [`MULTIPLE`]; what [`WeightsFile::values`] says.
pub fn build(weights: &WeightsFile, options: &Options) -> Result<Vec<u8>> {
    let Options { height, width, .. } = *options;
    let size = Size::new(height, width)?;
    let mut builder = Builder::new(weights, options.precision, options.device)?;
    let b = &mut builder;
    let input = Builder::input(INPUT);
    let features = encoder::features(b, &input, size)?;
    let logits = decoder::logits(b, &features, size)?;
    refiner::outputs(b, &input, &logits, size)?;
    let inputs = vec![
        port(INPUT, element::FLOAT, &[1, 4, height, width]),
        port(REFINER_SCALE, element::FLOAT, &[1]),
    ];
    let outputs = vec![
        port(ALPHA, element::FLOAT, &[1, 1, height, width]),
        port(FOREGROUND, element::FLOAT, &[1, 3, height, width]),
    ];
    Ok(builder.finish(inputs, outputs))
}

/// The ONNX file of the network up to the decoders' logits, without the refiner: `input` to
/// [`LOGITS`].
///
/// # Errors
/// Those of [`build`].
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

/// A picture in windows of [`MULTIPLE`] × [`MULTIPLE`] pixels.
#[derive(Debug, Clone, Copy)]
struct Size {
    /// Rows of windows.
    rows: usize,
    /// Columns of windows.
    columns: usize,
}

impl Size {
    fn new(height: usize, width: usize) -> Result<Self> {
        let whole = |side: usize| side > 0 && side.is_multiple_of(MULTIPLE);
        if !whole(height) || !whole(width) {
            return Err(internal(&format!(
                "{width} x {height} are no multiples of {MULTIPLE}"
            )));
        }
        Ok(Self {
            rows: height / MULTIPLE,
            columns: width / MULTIPLE,
        })
    }

    /// How many windows there are.
    fn windows(self) -> usize {
        self.rows * self.columns
    }

    /// Rows and columns of a map with `side` × `side` cells in each window.
    fn map(self, side: usize) -> [usize; 2] {
        [self.rows * side, self.columns * side]
    }
}

/// A mistake in what is asked of this module.
fn internal(reason: &str) -> Error {
    Error::Internal {
        what: "building the network's graph",
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::HashSet;

    use prost::Message as _;

    use super::*;
    use crate::network::greenformer::weights::hollow;
    use crate::network::proto::{GraphProto, ModelProto};

    fn with_weights<T>(test: impl FnOnce(&WeightsFile) -> T) -> T {
        let folder = tempfile::tempdir().unwrap();
        let path = hollow::file(folder.path(), &hollow::header());
        test(&WeightsFile::open(&path).unwrap())
    }

    fn graph(weights: &WeightsFile, precision: Precision, device: Device) -> (Vec<u8>, GraphProto) {
        let options = Options {
            height: 64,
            width: 96,
            precision,
            device,
        };
        let bytes = build(weights, &options).unwrap();
        let graph = ModelProto::decode(bytes.as_slice()).unwrap().graph.unwrap();
        (bytes, graph)
    }

    #[test]
    fn every_name_is_made_once_and_before_it_is_used() {
        with_weights(|weights| {
            for precision in [Precision::Fp32, Precision::Fp16] {
                for device in Device::ALL {
                    let (_, graph) = graph(weights, precision, device);
                    let mut known = HashSet::new();
                    known.extend(graph.input.iter().map(|port| port.name.clone().unwrap()));
                    for tensor in &graph.initializer {
                        assert!(
                            known.insert(tensor.name.clone().unwrap()),
                            "{:?}",
                            tensor.name
                        );
                    }
                    for node in &graph.node {
                        for input in node.input.iter().filter(|name| !name.is_empty()) {
                            assert!(known.contains(input), "{:?} wants {input}", node.name);
                        }
                        for output in node.output.iter().filter(|name| !name.is_empty()) {
                            assert!(known.insert(output.clone()), "{output} is made twice");
                        }
                    }
                    let of = |domain: &str| {
                        let nodes = graph.node.iter();
                        nodes
                            .filter(|node| node.domain.as_deref() == Some(domain))
                            .count()
                    };
                    // Attention and two normalisations a block on both, with CUDA what comes behind
                    // the wide products, and in 16 bits the refiner's nine normalisations.
                    let expected = match device {
                        Device::Cpu => 3 * 24,
                        Device::Cuda if precision == Precision::Fp16 => 4 * 24 + 9,
                        Device::Cuda => 4 * 24,
                        Device::CoreMl => 0,
                    };
                    assert_eq!(of(builder::MICROSOFT), expected);
                    let blocks = channel_blocks::on(device, precision);
                    assert_eq!(of(builder::CHANNEL_BLOCKS) > 0, blocks);
                }
            }
        });
    }

    #[test]
    fn weights_stay_in_their_file_and_are_used_up() {
        with_weights(|weights| {
            let length = std::fs::metadata(weights.path()).unwrap().len();
            let (_, graph) = graph(weights, Precision::Fp32, Device::Cpu);
            let mut referred = 0;
            for tensor in graph
                .initializer
                .iter()
                .filter(|tensor| tensor.raw_data.is_none())
            {
                let value = |index: usize| tensor.external_data[index].value.clone().unwrap();
                assert_eq!(value(0), "weights.safetensors");
                let [begin, bytes] = [value(1), value(2)].map(|text| text.parse::<u64>().unwrap());
                assert!(begin + bytes <= length);
                assert_eq!(bytes, tensor.dims.iter().product::<i64>() as u64 * 4);
                referred += bytes;
            }
            // All but what is folded into other numbers: the decoders, and the positional embedding
            // of another size.
            let folded = |name: &str| {
                (name.contains("decoder.") && !name.contains("classifier"))
                    || name.ends_with("pos_embed")
            };
            let layout = crate::network::greenformer::weights::layout(weights.grid());
            let others = layout.iter().filter(|(spec, _)| !folded(&spec.name));
            assert_eq!(
                referred,
                others.map(|(spec, _)| spec.len() as u64 * 4).sum::<u64>()
            );
        });
    }

    #[test]
    fn inputs_and_outputs_are_32_bit_floats_of_the_pictures_size() {
        with_weights(|weights| {
            for precision in [Precision::Fp32, Precision::Fp16] {
                let (bytes, _) = graph(weights, precision, Device::Cpu);
                let model = ModelProto::decode(bytes.as_slice()).unwrap();
                let graph = model.graph.unwrap();
                let float = |name: &str, shape: &[usize]| port(name, element::FLOAT, shape);
                assert_eq!(
                    graph.input,
                    [
                        float("input", &[1, 4, 64, 96]),
                        float("refiner_scale", &[1])
                    ]
                );
                assert_eq!(
                    graph.output,
                    [
                        float("alpha", &[1, 1, 64, 96]),
                        float("fg", &[1, 3, 64, 96])
                    ]
                );
            }
        });
    }
}
