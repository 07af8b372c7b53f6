//! The network's layers, out of the model's file.

use std::collections::{HashMap, TryReserveError};

use ::half::f16;
use prost::Message as _;

use super::direct::Direct;
use super::matrix::Matrix;
use super::square::Square;
use crate::network::proto::{ModelProto, NodeProto, TensorProto, element};
use crate::network::simd::{LANES, Level};
use crate::network::winograd::{PLACES, filter};

/// Channels at 1/2, 1/4 … 1/32 of the size.
pub(super) const WIDTHS: [usize; 5] = [32, 64, 112, 160, 176];
/// Channels of the matte's head.
pub(super) const HEAD: usize = 48;
/// Channels of the foreground's.
pub(super) const PAINT: usize = 32;

/// All of them. The names are those of `models/train/keytrain/network.py`.
#[derive(Debug)]
pub struct Layers {
    /// Of the processor for which the weights lie as they do.
    pub(super) level: Level,
    pub(super) stem: Direct,
    pub(super) level1: Square,
    pub(super) down2: Direct,
    pub(super) level2: Residual,
    /// From 1/4 to 1/8, to 1/16, to 1/32.
    pub(super) deeper: [Deeper; 3],
    pub(super) token: Token,
    /// At 1/16, at 1/8 and at 1/4.
    pub(super) merges: [Merge; 3],
    pub(super) judge: Square,
    /// Its bias is that of all that it is added to.
    pub(super) matte_deep: Direct,
    pub(super) matte_fine: Direct,
    pub(super) matte_full: Direct,
    pub(super) matte_screen: Direct,
    pub(super) matte_mix: Square,
    pub(super) matte: Square,
    /// Its bias is that of `paint_full`, too.
    pub(super) paint_deep: Direct,
    pub(super) paint_full: Direct,
    pub(super) paint: Square,
}

/// Why there are no [`Layers`].
#[derive(Debug)]
pub enum Refusal {
    /// The graph is not this network: why, as the middle of a sentence.
    Other(String),
    /// There is no memory.
    Memory(TryReserveError),
}

impl From<String> for Refusal {
    fn from(reason: String) -> Self {
        Self::Other(reason)
    }
}

impl From<TryReserveError> for Refusal {
    fn from(error: TryReserveError) -> Self {
        Self::Memory(error)
    }
}

/// Two convolutions around a shortcut.
#[derive(Debug)]
pub(super) struct Residual {
    pub(super) first: Square,
    pub(super) second: Square,
}

/// A level with half as many pixels along each side.
#[derive(Debug)]
pub(super) struct Deeper {
    /// A filter of each channel by itself: nine weights, each for all channels.
    pub(super) settle: Vec<f32>,
    pub(super) down: Direct,
    pub(super) blocks: Vec<Residual>,
}

/// What makes a vector of the whole picture.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) attend: Direct,
    /// `[outputs][inputs]`
    pub(super) spread: Vec<f32>,
    pub(super) bias: Vec<f32>,
}

/// What joins a level with the next coarser one.
#[derive(Debug)]
pub(super) struct Merge {
    /// Its bias is that of `skip`, too.
    pub(super) narrow: Direct,
    pub(super) skip: Direct,
    pub(super) refine: Residual,
}

impl Layers {
    /// Out of the file's graph, in which each convolution has the name that the training code gives
    /// it.
    ///
    /// # Errors
    /// Why this graph is not the network; that there is no memory.
    pub fn read(graph: &[u8]) -> Result<Self, Refusal> {
        Self::at_level(graph, Level::best())
    }

    pub(super) fn at_level(graph: &[u8], level: Level) -> Result<Self, Refusal> {
        let model =
            ModelProto::decode(graph).map_err(|error| format!("it cannot be read ({error})"))?;
        let graph = model
            .graph
            .ok_or_else(|| "there is no graph in it".to_owned())?;
        let reader = Reader::new(level, &graph.node, &graph.initializer);
        let [w1, w2, w3, w4, w5] = WIDTHS;
        let deeper = |number: usize, from, to, dilations: &[usize]| {
            let block = |(index, dilation): (usize, &usize)| {
                let name = format!("/level{number}/level{number}.{index}");
                reader.residual(&name, to, *dilation)
            };
            Ok::<_, Refusal>(Deeper {
                settle: reader.settle(&format!("/settle{number}/Conv"), from)?,
                down: reader.direct(
                    &format!("/down{number}/down{number}.0/Conv"),
                    from,
                    to,
                    3,
                    2,
                )?,
                blocks: dilations
                    .iter()
                    .enumerate()
                    .map(block)
                    .collect::<Result<_, _>>()?,
            })
        };
        let merge = |number: usize, coarse, width| {
            let name = |part: &str| format!("/merge{number}/{part}/{part}.0/Conv");
            let mut narrow = reader.direct(&name("narrow"), coarse, width, 1, 1)?;
            let skip = reader.direct(&name("skip"), width, width, 1, 1)?;
            narrow.include(&skip);
            let refine = reader.residual(&format!("/merge{number}/refine"), width, 1)?;
            Ok::<_, Refusal>(Merge {
                narrow,
                skip,
                refine,
            })
        };
        let branch = |name: &str, from, to, kernel, stride| {
            reader.direct(&format!("/{name}/{name}.0/Conv"), from, to, kernel, stride)
        };
        let mut matte_deep = branch("matte_deep", w2, HEAD, 1, 1)?;
        let matte_fine = branch("matte_fine", w1, HEAD, 1, 1)?;
        let matte_full = branch("matte_full", 5, HEAD, 4, 2)?;
        let matte_screen = branch("matte_screen", 3, HEAD, 1, 1)?;
        matte_deep.include(&matte_fine);
        matte_deep.include(&matte_full);
        let mut paint_deep = branch("paint_deep", HEAD, PAINT, 1, 1)?;
        let paint_full = branch("paint_full", 7, PAINT, 4, 2)?;
        paint_deep.include(&paint_full);
        let spread = reader.convolution("/token/spread/Conv", [w5, w5, 1], [1, 1, 1])?;
        Ok(Self {
            level,
            stem: branch("stem", 6, w1, 4, 2)?,
            level1: reader.square("/level1/level1.0/Conv", w1, w1, 1)?,
            down2: branch("down2", w1, w2, 3, 2)?,
            level2: reader.residual("/level2", w2, 1)?,
            deeper: [
                deeper(3, w2, w3, &[1, 1])?,
                deeper(4, w3, w4, &[1, 2])?,
                deeper(5, w4, w5, &[1, 2, 1])?,
            ],
            token: Token {
                attend: reader.direct("/token/attend/Conv", w5, w5, 1, 1)?,
                spread: spread.weights,
                bias: spread.bias,
            },
            merges: [merge(4, w5, w4)?, merge(3, w4, w3)?, merge(2, w3, w2)?],
            judge: reader.square("/screen/judge/Conv", w3, 8, 1)?,
            matte_deep,
            matte_fine,
            matte_full,
            matte_screen,
            matte_mix: reader.square("/matte_mix/matte_mix.0/Conv", HEAD, HEAD, 1)?,
            matte: reader.square("/matte/Conv", HEAD, 4, 1)?,
            paint_deep,
            paint_full,
            paint: reader.square("/paint/Conv", PAINT, 14, 1)?,
        })
    }

    /// All convolutions of 3 × 3 without a stride.
    fn squares(&self) -> impl Iterator<Item = &Square> {
        let residuals = [&self.level2]
            .into_iter()
            .chain(self.deeper.iter().flat_map(|deeper| &deeper.blocks))
            .chain(self.merges.iter().map(|merge| &merge.refine));
        let others = [
            &self.level1,
            &self.judge,
            &self.matte_mix,
            &self.matte,
            &self.paint,
        ];
        residuals
            .flat_map(|residual| [&residual.first, &residual.second])
            .chain(others)
    }

    /// Numbers of room that a thread needs for any of [`Self::squares`].
    pub(super) fn room(&self) -> usize {
        self.squares().map(Square::room).max().unwrap_or(0)
    }

    /// Bytes that the filters take; the others are few.
    pub fn bytes(&self) -> usize {
        self.squares().map(|square| square.filters.bytes()).sum()
    }
}

/// A convolution's numbers.
struct Convolution {
    weights: Vec<f32>,
    /// A number for each answer, and 0 up to a multiple of sixteen.
    bias: Vec<f32>,
}

/// Finds convolutions.
struct Reader<'a> {
    level: Level,
    nodes: HashMap<&'a str, &'a NodeProto>,
    /// By the name under which nodes know them.
    tensors: HashMap<&'a str, &'a TensorProto>,
}

impl<'a> Reader<'a> {
    fn new(level: Level, nodes: &'a [NodeProto], stored: &'a [TensorProto]) -> Self {
        let mut tensors: HashMap<_, _> = stored
            .iter()
            .map(|tensor| (tensor.name.as_deref().unwrap_or_default(), tensor))
            .collect();
        // What is stored in 16 bits is cast before it is used.
        for node in nodes {
            if let (Some("Cast"), [from], [to]) =
                (node.op_type.as_deref(), &node.input[..], &node.output[..])
                && let Some(tensor) = tensors.get(from.as_str())
            {
                tensors.insert(to, tensor);
            }
        }
        let convolutions = nodes
            .iter()
            .filter(|node| node.op_type.as_deref() == Some("Conv"));
        Self {
            level,
            nodes: convolutions
                .map(|node| (node.name.as_deref().unwrap_or_default(), node))
                .collect(),
            tensors,
        }
    }

    /// One with so many answers, inputs of each and pixels along a filter's sides; its stride,
    /// dilation and number of groups.
    fn convolution(
        &self,
        name: &str,
        [outputs, inputs, side]: [usize; 3],
        [stride, dilation, groups]: [usize; 3],
    ) -> Result<Convolution, String> {
        let node = self
            .nodes
            .get(name)
            .ok_or_else(|| format!("it has no convolution \"{name}\""))?;
        let settings = [
            ("strides", vec![stride; 2]),
            ("dilations", vec![dilation; 2]),
            ("group", vec![groups]),
            ("pads", vec![(side - 1) / 2 * dilation; 4]),
        ];
        for (setting, expected) in settings {
            let found = node
                .attribute
                .iter()
                .find(|attribute| attribute.name.as_deref() == Some(setting));
            let expected: Vec<i64> = expected.into_iter().map(|value| value as i64).collect();
            let right = found.is_some_and(|found| {
                found.ints == expected || found.i.is_some_and(|value| expected == [value])
            });
            if !right {
                return Err(format!("\"{name}\" has other {setting} than {expected:?}"));
            }
        }
        let tensor = |index: usize, shape: &[usize]| {
            let tensor = node
                .input
                .get(index)
                .and_then(|input| self.tensors.get(input.as_str()))
                .ok_or_else(|| format!("\"{name}\" has weights that are not in the file"))?;
            let dims = tensor.dims.iter().map(|dim| *dim as usize);
            if !dims.eq(shape.iter().copied()) {
                return Err(format!(
                    "\"{name}\" has weights of the shape {:?} and not {shape:?}",
                    tensor.dims
                ));
            }
            let values = numbers(tensor);
            if values.len() == shape.iter().product::<usize>() {
                Ok(values)
            } else {
                Err(format!("\"{name}\" has weights of another type"))
            }
        };
        let weights = tensor(1, &[outputs, inputs, side, side])?;
        let mut bias = vec![0.0; outputs.next_multiple_of(LANES)];
        if node.input.len() > 2 {
            bias[..outputs].copy_from_slice(&tensor(2, &[outputs])?);
        }
        Ok(Convolution { weights, bias })
    }

    fn square(
        &self,
        name: &str,
        inputs: usize,
        outputs: usize,
        dilation: usize,
    ) -> Result<Square, Refusal> {
        let found = self.convolution(name, [outputs, inputs, 3], [1, dilation, 1])?;
        let places: Vec<[f32; PLACES]> = found.weights.as_chunks().0.iter().map(filter).collect();
        let weight =
            |place: usize, input: usize, output: usize| places[output * inputs + input][place];
        let filters = Matrix::new(self.level, PLACES, inputs, outputs, weight)?;
        Ok(Square {
            filters,
            bias: found.bias,
            dilation,
        })
    }

    fn direct(
        &self,
        name: &str,
        inputs: usize,
        outputs: usize,
        side: usize,
        stride: usize,
    ) -> Result<Direct, Refusal> {
        let found = self.convolution(name, [outputs, inputs, side], [stride, 1, 1])?;
        // A term for each row of the filter; its run is pixel by pixel.
        let weight = |row: usize, index: usize, output: usize| {
            let (column, input) = (index / inputs, index % inputs);
            found.weights[((output * inputs + input) * side + row) * side + column]
        };
        let matrix = Matrix::new(self.level, side, side * inputs, outputs, weight);
        Ok(Direct {
            matrix: matrix?,
            bias: found.bias,
            inputs,
            side,
            stride,
        })
    }

    fn residual(&self, name: &str, width: usize, dilation: usize) -> Result<Residual, Refusal> {
        Ok(Residual {
            first: self.square(
                &format!("{name}/first/first.0/Conv"),
                width,
                width,
                dilation,
            )?,
            second: self.square(&format!("{name}/second/Conv"), width, width, dilation)?,
        })
    }

    fn settle(&self, name: &str, width: usize) -> Result<Vec<f32>, String> {
        let found = self.convolution(name, [width, 1, 3], [1, 1, width])?;
        let weight = |index: usize| found.weights[index % width * 9 + index / width];
        Ok((0..9 * width).map(weight).collect())
    }
}

/// A tensor's numbers; none where it has those of another type.
fn numbers(tensor: &TensorProto) -> Vec<f32> {
    let raw = tensor.raw_data.as_deref().unwrap_or_default();
    match tensor.data_type {
        Some(element::FLOAT) if raw.is_empty() => tensor.float_data.clone(),
        Some(element::FLOAT) => {
            let numbers = raw.as_chunks().0.iter();
            numbers.map(|bytes| f32::from_le_bytes(*bytes)).collect()
        }
        Some(element::FLOAT16) => {
            let numbers = raw.as_chunks().0.iter();
            numbers
                .map(|bytes| f16::from_le_bytes(*bytes).to_f32())
                .collect()
        }
        _ => Vec::new(),
    }
}
