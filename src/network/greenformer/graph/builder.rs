//! What every part of the graph is written with: nodes, constants, the few operators by name.
//!
//! Tokens are matrices `[tokens, channels]`, maps are `[1, channels, rows, columns]`.

use std::collections::HashSet;

use half::f16;

use super::{channel_blocks, internal};
use crate::network::device::{Device, Precision};
use crate::network::error::{Error, Result};
use crate::network::greenformer::weights::WeightsFile;
use crate::network::proto::{
    AttributeProto, EXTERNAL, GraphProto, ModelProto, NodeProto, OperatorSetIdProto,
    StringStringEntryProto, TensorProto, ValueInfoProto, attribute, element,
};

/// ONNX operators of this version; the first with exact GELU.
const OPSET: i64 = 20;
/// The file format that came with it.
const IR_VERSION: i64 = 9;
/// ONNX Runtime's own operators.
pub(super) const MICROSOFT: &str = "com.microsoft";
/// Its operators for pictures whose channels are in blocks, which it has for the processor alone.
pub(super) const CHANNEL_BLOCKS: &str = "com.microsoft.nchwc";

/// A tensor of the graph, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Value(String);

/// An operator's setting.
pub(super) enum Set<'a> {
    Int(i64),
    Ints(&'a [i64]),
    Float(f32),
    Text(&'a str),
}

/// Settings by name.
pub(super) type Settings<'a> = &'a [(&'a str, Set<'a>)];

/// A graph being written.
pub(super) struct Builder<'a> {
    weights: &'a WeightsFile,
    /// The weights file's name: graphs refer to it without a folder.
    location: String,
    precision: Precision,
    device: Device,
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
    /// Names of the constants that are there already.
    known: HashSet<String>,
    /// What names of nodes begin with, so that a profile can be read.
    part: String,
}

impl<'a> Builder<'a> {
    pub(super) fn new(
        weights: &'a WeightsFile,
        precision: Precision,
        device: Device,
    ) -> Result<Self> {
        let name = weights.path().file_name().and_then(|name| name.to_str());
        let location = name.ok_or_else(|| Error::ModelGraph {
            path: weights.path().into(),
            reason: "its name is not made of Unicode characters; rename it".into(),
        })?;
        Ok(Self {
            weights,
            location: location.to_owned(),
            precision,
            device,
            nodes: Vec::new(),
            constants: Vec::new(),
            known: HashSet::new(),
            part: String::new(),
        })
    }

    /// The file's bytes.
    pub(super) fn finish(
        self,
        inputs: Vec<ValueInfoProto>,
        outputs: Vec<ValueInfoProto>,
    ) -> Vec<u8> {
        let operators = |domain: &str, version| OperatorSetIdProto {
            domain: Some(domain.to_owned()),
            version: Some(version),
        };
        let mut sets = vec![operators("", OPSET), operators(MICROSOFT, 1)];
        if channel_blocks::on(self.device, self.precision) {
            sets.push(operators(CHANNEL_BLOCKS, 1));
        }
        let model = ModelProto {
            ir_version: Some(IR_VERSION),
            producer_name: Some("CorridorKey OFX".into()),
            producer_version: Some(env!("CARGO_PKG_VERSION").into()),
            graph: Some(GraphProto {
                node: self.nodes,
                name: Some("greenformer".into()),
                initializer: self.constants,
                input: inputs,
                output: outputs,
                ..GraphProto::default()
            }),
            opset_import: sets,
            ..ModelProto::default()
        };
        prost::Message::encode_to_vec(&model)
    }

    /// Where the graph is to run.
    pub(super) fn device(&self) -> Device {
        self.device
    }

    /// In what it computes.
    pub(super) fn precision(&self) -> Precision {
        self.precision
    }

    /// Nodes from here on belong to this part.
    pub(super) fn part(&mut self, part: impl Into<String>) {
        self.part = part.into();
    }

    /// The numbers of a tensor of the checkpoint, to compute with.
    pub(super) fn numbers(&self, name: &str) -> Result<Vec<f32>> {
        self.weights.values(name)
    }

    /// Side of the stored positional embedding.
    pub(super) fn grid(&self) -> usize {
        self.weights.grid()
    }
}

/// Constants.
impl Builder<'_> {
    /// A tensor of the checkpoint in the precision of the arithmetic.
    pub(super) fn weight(&mut self, name: &str, shape: &[usize]) -> Result<Value> {
        self.weight_part(name, shape, 0, "")
    }

    /// The `part`-th of the parts of a tensor of the checkpoint, which all have this shape and
    /// follow each other in the file. The suffix gives it a name of its own.
    pub(super) fn weight_part(
        &mut self,
        name: &str,
        shape: &[usize],
        part: usize,
        suffix: &str,
    ) -> Result<Value> {
        let stored = self.stored(name, shape, part, suffix)?;
        Ok(match self.precision {
            Precision::Fp32 => stored,
            Precision::Fp16 => self.cast_constant(stored),
        })
    }

    /// A tensor of the checkpoint as it is in the file, in 32 bits.
    pub(super) fn weight_32(&mut self, name: &str, shape: &[usize]) -> Result<Value> {
        self.stored(name, shape, 0, "")
    }

    fn stored(&mut self, name: &str, shape: &[usize], index: usize, suffix: &str) -> Result<Value> {
        let value = Value(format!("{name}{suffix}"));
        if self.known.contains(&value.0) {
            return Ok(value);
        }
        let place = self.weights.place(name);
        let length = 4 * shape.iter().product::<usize>() as u64;
        let begin = place.as_ref().map_or(0, |place| place.start) + length * index as u64;
        let within = place.is_some_and(|place| begin + length <= place.end);
        if !within {
            return Err(internal(&format!(
                "there is no tensor \"{name}\" of the shape {shape:?}"
            )));
        }
        let entry = |key: &str, value: String| StringStringEntryProto {
            key: Some(key.to_owned()),
            value: Some(value),
        };
        let tensor = TensorProto {
            external_data: vec![
                entry("location", self.location.clone()),
                entry("offset", begin.to_string()),
                entry("length", length.to_string()),
            ],
            data_location: Some(EXTERNAL),
            ..tensor(&value.0, element::FLOAT, shape)
        };
        self.constant(tensor);
        Ok(value)
    }

    /// The runtime does this once, when it builds the session.
    fn cast_constant(&mut self, stored: Value) -> Value {
        let value = Value(format!("{}.half", stored.0));
        if self.known.insert(value.0.clone()) {
            let to = [("to", Set::Int(i64::from(element::FLOAT16)))];
            self.push("", "Cast", &[&stored], &[&value.0], &to);
        }
        value
    }

    /// Numbers of our own in the precision of the arithmetic.
    pub(super) fn floats(&mut self, name: &str, shape: &[usize], values: &[f32]) -> Value {
        match self.precision {
            Precision::Fp32 => self.floats_32(name, shape, values),
            Precision::Fp16 => {
                let halves = values
                    .iter()
                    .map(|value| f16::from_f32(*value).to_le_bytes());
                self.inline(name, element::FLOAT16, shape, halves.flatten().collect())
            }
        }
    }

    /// Numbers of our own in 32 bits.
    pub(super) fn floats_32(&mut self, name: &str, shape: &[usize], values: &[f32]) -> Value {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes());
        self.inline(name, element::FLOAT, shape, bytes.collect())
    }

    /// A list of integers, as shapes and axes are given.
    pub(super) fn integers(&mut self, values: &[i64]) -> Value {
        let words: Vec<String> = values.iter().map(i64::to_string).collect();
        let name = format!("integers.{}", words.join("_"));
        let bytes = values.iter().flat_map(|value| value.to_le_bytes());
        self.inline(&name, element::INT64, &[values.len()], bytes.collect())
    }

    fn inline(&mut self, name: &str, element: i32, shape: &[usize], bytes: Vec<u8>) -> Value {
        if !self.known.contains(name) {
            self.constant(TensorProto {
                raw_data: Some(bytes),
                ..tensor(name, element, shape)
            });
        }
        Value(name.to_owned())
    }

    fn constant(&mut self, tensor: TensorProto) {
        self.known.extend(tensor.name.clone());
        self.constants.push(tensor);
    }
}

fn tensor(name: &str, element: i32, shape: &[usize]) -> TensorProto {
    TensorProto {
        dims: shape.iter().map(|length| *length as i64).collect(),
        data_type: Some(element),
        name: Some(name.to_owned()),
        ..TensorProto::default()
    }
}

/// Operators.
impl Builder<'_> {
    /// The graph's input of this name.
    pub(super) fn input(name: &str) -> Value {
        Value(name.to_owned())
    }

    /// A node with one output, which gets a name of its own.
    pub(super) fn node(&mut self, operator: &str, inputs: &[&Value], set: Settings<'_>) -> Value {
        self.node_of("", operator, inputs, set)
    }

    /// A node of another set of operators than ONNX's own.
    pub(super) fn node_of(
        &mut self,
        domain: &str,
        operator: &str,
        inputs: &[&Value],
        set: Settings<'_>,
    ) -> Value {
        let output = format!("{}/{operator}.{}", self.part, self.nodes.len());
        self.push(domain, operator, inputs, &[&output], set);
        Value(output)
    }

    /// A node of the `SkipLayerNormalization` kind: its fourth output, the sum of its first two
    /// inputs, and its first.
    pub(super) fn sum_and_result(
        &mut self,
        domain: &str,
        operator: &str,
        inputs: &[&Value],
        set: Settings<'_>,
    ) -> (Value, Value) {
        let result = format!("{}/{operator}.{}", self.part, self.nodes.len());
        let sum = format!("{result}.sum");
        self.push(domain, operator, inputs, &[&result, "", "", &sum], set);
        (Value(sum), Value(result))
    }

    /// A node with several outputs, each with a name of its own.
    pub(super) fn nodes<const N: usize>(
        &mut self,
        operator: &str,
        inputs: &[&Value],
        set: Settings<'_>,
    ) -> [Value; N] {
        let name = format!("{}/{operator}.{}", self.part, self.nodes.len());
        let outputs: [String; N] = std::array::from_fn(|index| format!("{name}.{index}"));
        let names = outputs.each_ref().map(String::as_str);
        self.push("", operator, inputs, &names, set);
        outputs.map(Value)
    }

    /// A node whose outputs are outputs of the graph.
    pub(super) fn outputs(
        &mut self,
        operator: &str,
        inputs: &[&Value],
        outputs: &[&str],
        set: Settings<'_>,
    ) {
        self.push("", operator, inputs, outputs, set);
    }

    fn push(
        &mut self,
        domain: &str,
        operator: &str,
        inputs: &[&Value],
        outputs: &[&str],
        set: Settings<'_>,
    ) {
        self.nodes.push(NodeProto {
            input: inputs.iter().map(|value| value.0.clone()).collect(),
            output: outputs.iter().map(|&name| name.to_owned()).collect(),
            name: Some(format!("{}/{operator}.{}", self.part, self.nodes.len())),
            op_type: Some(operator.to_owned()),
            attribute: set.iter().map(|(name, set)| setting(name, set)).collect(),
            domain: (!domain.is_empty()).then(|| domain.to_owned()),
            ..NodeProto::default()
        });
    }

    pub(super) fn add(&mut self, a: &Value, b: &Value) -> Value {
        self.node("Add", &[a, b], &[])
    }

    pub(super) fn sub(&mut self, a: &Value, b: &Value) -> Value {
        self.node("Sub", &[a, b], &[])
    }

    pub(super) fn mul(&mut self, a: &Value, b: &Value) -> Value {
        self.node("Mul", &[a, b], &[])
    }

    pub(super) fn relu(&mut self, x: &Value) -> Value {
        self.node("Relu", &[x], &[])
    }

    /// The same numbers under another shape.
    pub(super) fn reshape(&mut self, x: &Value, shape: &[usize]) -> Value {
        let shape: Vec<i64> = shape.iter().map(|length| *length as i64).collect();
        let shape = self.integers(&shape);
        self.node("Reshape", &[x, &shape], &[])
    }

    pub(super) fn transpose(&mut self, x: &Value, order: &[i64]) -> Value {
        self.node("Transpose", &[x], &[("perm", Set::Ints(order))])
    }

    /// A mean or maximum along one axis, which stays with the length 1 or goes.
    pub(super) fn reduce(&mut self, operator: &str, x: &Value, axis: i64, keep: bool) -> Value {
        let axes = self.integers(&[axis]);
        let keep = [("keepdims", Set::Int(i64::from(keep)))];
        self.node(operator, &[x, &axes], &keep)
    }

    /// To the precision of the arithmetic.
    pub(super) fn narrow(&mut self, x: Value) -> Value {
        self.cast(x, element::FLOAT16)
    }

    /// To 32 bits.
    pub(super) fn widen(&mut self, x: Value) -> Value {
        self.cast(x, element::FLOAT)
    }

    fn cast(&mut self, x: Value, to: i32) -> Value {
        match self.precision {
            Precision::Fp32 => x,
            Precision::Fp16 => self.node("Cast", &[&x], &[("to", Set::Int(i64::from(to)))]),
        }
    }

    /// tokens × weight + bias, the weight stored output × input as checkpoints have it.
    pub(super) fn gemm(&mut self, x: &Value, weight: &Value, bias: &Value) -> Value {
        self.node("Gemm", &[x, weight, bias], &[("transB", Set::Int(1))])
    }

    /// tokens × weight, the weight stored output × input as checkpoints have it.
    pub(super) fn product(&mut self, x: &Value, weight: &Value) -> Value {
        self.node("Gemm", &[x, weight], &[("transB", Set::Int(1))])
    }

    /// Bilinear enlargement of a map by a whole factor, pixel centres at halves.
    pub(super) fn enlarge(&mut self, x: &Value, factor: f32) -> Value {
        let none = Value(String::new());
        let scales = self.floats_32(
            &format!("scales.{factor}"),
            &[4],
            &[1.0, 1.0, factor, factor],
        );
        let set = [
            ("mode", Set::Text("linear")),
            ("coordinate_transformation_mode", Set::Text("half_pixel")),
        ];
        self.node("Resize", &[x, &none, &scales], &set)
    }
}

fn setting(name: &str, set: &Set<'_>) -> AttributeProto {
    let mut proto = AttributeProto {
        name: Some(name.to_owned()),
        ..AttributeProto::default()
    };
    proto.r#type = Some(match set {
        Set::Int(value) => {
            proto.i = Some(*value);
            attribute::INT
        }
        Set::Ints(values) => {
            proto.ints = values.to_vec();
            attribute::INTS
        }
        Set::Float(value) => {
            proto.f = Some(*value);
            attribute::FLOAT
        }
        Set::Text(text) => {
            proto.s = Some(text.as_bytes().to_vec());
            attribute::STRING
        }
    });
    proto
}
