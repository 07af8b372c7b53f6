//! Turns a stored network of 32-bit floats into one that computes in 16 bits where that is safe.
//!
//! Convolutions, and the sums, resizes and activations between them, run in fp16: nearly all of the
//! time goes there, and their values are small. What divides, takes roots or averages over many
//! pixels stays in fp32, and so do inputs and outputs, so that a caller need not know. Weights that
//! the file stores in 16 bits are used as they are.

use std::collections::{HashMap, HashSet};

use ::half::f16;
use ::half::slice::HalfFloatSliceExt as _;
use prost::Message as _;

use super::proto::{
    AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, attribute, element,
};

/// Operators that run in half when all that they read is half.
const FOLLOWING: [&str; 5] = ["Relu", "Add", "Resize", "DepthToSpace", "Concat"];

/// How many of an operator's inputs are pictures; those after them are sizes and scales.
fn pictures(node: &NodeProto) -> usize {
    match operator(node) {
        "Resize" => 1,
        _ => node.input.len(),
    }
}

fn operator(node: &NodeProto) -> &str {
    node.op_type.as_deref().unwrap_or_default()
}

/// The same network, computing in fp16.
///
/// # Errors
/// What is wrong with the model, as the middle of a sentence.
pub(super) fn to_half(model: &[u8]) -> Result<Vec<u8>, String> {
    let mut model =
        ModelProto::decode(model).map_err(|error| format!("it cannot be read ({error})"))?;
    let graph = model.graph.take().ok_or("there is no graph in it")?;
    model.graph = Some(Converter::new(&graph).run(&graph)?);
    Ok(model.encode_to_vec())
}

/// Walks the nodes in order and keeps, for each tensor, which precisions of it exist.
struct Converter<'a> {
    /// Stored tensors by name.
    weights: HashMap<&'a str, &'a TensorProto>,
    /// fp32 tensors that are a stored fp16 one, cast: the name of the stored one.
    stored: HashMap<&'a str, &'a str>,
    /// Tensors that are in half.
    half: HashSet<String>,
    /// Names in the other precision, where that was made already.
    cast: HashMap<String, String>,
    nodes: Vec<NodeProto>,
    /// Constants in half.
    extra: Vec<TensorProto>,
}

impl<'a> Converter<'a> {
    fn new(graph: &'a GraphProto) -> Self {
        let mut weights = HashMap::new();
        for tensor in &graph.initializer {
            weights.insert(tensor.name.as_deref().unwrap_or_default(), tensor);
        }
        let mut stored = HashMap::new();
        for node in &graph.node {
            match (operator(node), &node.input[..], &node.output[..]) {
                ("Cast", [from], [to])
                    if weights
                        .get(from.as_str())
                        .is_some_and(|tensor| tensor.data_type == Some(element::FLOAT16)) =>
                {
                    stored.insert(to.as_str(), from.as_str());
                }
                ("Constant", _, [to]) => {
                    if let [AttributeProto { t: Some(value), .. }] = &node.attribute[..] {
                        weights.insert(to.as_str(), value);
                    }
                }
                _ => {}
            }
        }
        Self {
            weights,
            stored,
            half: HashSet::new(),
            cast: HashMap::new(),
            nodes: Vec::new(),
            extra: Vec::new(),
        }
    }

    fn run(mut self, graph: &GraphProto) -> Result<GraphProto, String> {
        for old in &graph.node {
            // A stored weight's cast is put back below, if anybody still reads it.
            if old
                .output
                .iter()
                .any(|name| self.stored.contains_key(name.as_str()))
            {
                continue;
            }
            let mut node = old.clone();
            let in_half = self.runs_in_half(old);
            for name in node.input.iter_mut().take(pictures(old)) {
                *name = match in_half {
                    true => self.as_half(name)?,
                    false => self.as_float(name),
                };
            }
            if in_half {
                self.half.extend(node.output.iter().cloned());
            }
            self.nodes.push(node);
        }
        self.outputs_in_float(graph);
        Ok(self.finished(graph))
    }

    fn is_constant(&self, name: &str) -> bool {
        self.stored.contains_key(name) || self.weights.contains_key(name)
    }

    fn runs_in_half(&self, node: &NodeProto) -> bool {
        if operator(node) == "Conv" {
            return true;
        }
        let inputs = node.input.iter().take(pictures(node));
        let mut known = inputs
            .filter(|name| !name.is_empty() && !self.is_constant(name))
            .peekable();
        FOLLOWING.contains(&operator(node))
            && known.peek().is_some()
            && known.all(|name| self.half.contains(name))
    }

    /// The name of a tensor's half; makes it if there is none.
    fn as_half(&mut self, name: &str) -> Result<String, String> {
        if name.is_empty() || self.half.contains(name) {
            return Ok(name.to_owned());
        }
        if let Some(stored) = self.stored.get(name) {
            return Ok((*stored).to_owned());
        }
        let new = format!("{name}.half");
        let Some(tensor) = self.weights.get(name) else {
            return Ok(self.converted(name, new, element::FLOAT16));
        };
        if !self.cast.contains_key(name) {
            self.extra.push(half_of(tensor, &new)?);
            self.cast.insert(name.to_owned(), new.clone());
        }
        Ok(new)
    }

    fn as_float(&mut self, name: &str) -> String {
        if !self.half.contains(name) {
            return name.to_owned();
        }
        self.converted(name, format!("{name}.float"), element::FLOAT)
    }

    fn converted(&mut self, name: &str, new: String, to: i32) -> String {
        if let Some(known) = self.cast.get(name) {
            return known.clone();
        }
        self.nodes.push(cast(name, &new, to));
        self.cast.insert(name.to_owned(), new.clone());
        new
    }

    /// Outputs of the graph keep their names and are fp32.
    fn outputs_in_float(&mut self, graph: &GraphProto) {
        let outputs = graph
            .output
            .iter()
            .filter_map(|output| output.name.as_deref());
        for name in outputs.filter(|name| self.half.contains(*name)) {
            let inner = format!("{name}.inner");
            for node in &mut self.nodes {
                let names = node.input.iter_mut().chain(&mut node.output);
                for other in names.filter(|other| *other == name) {
                    inner.clone_into(other);
                }
            }
            self.nodes.push(cast(&inner, name, element::FLOAT));
        }
    }

    fn finished(self, graph: &GraphProto) -> GraphProto {
        let used: HashSet<String> = self
            .nodes
            .iter()
            .flat_map(|node| node.input.iter().cloned())
            .chain(graph.output.iter().filter_map(|output| output.name.clone()))
            .collect();
        let mut casts: Vec<NodeProto> = graph
            .node
            .iter()
            .filter(|node| {
                let mut outputs = node.output.iter();
                outputs.any(|name| self.stored.contains_key(name.as_str()) && used.contains(name))
            })
            .cloned()
            .collect();
        let read: HashSet<&str> = casts
            .iter()
            .flat_map(|node| &node.input)
            .chain(&used)
            .map(String::as_str)
            .collect();
        let mut initializer: Vec<TensorProto> = graph
            .initializer
            .iter()
            .filter(|tensor| {
                tensor
                    .name
                    .as_deref()
                    .is_some_and(|name| read.contains(name))
            })
            .cloned()
            .collect();
        initializer.extend(self.extra);
        casts.extend(self.nodes);
        GraphProto {
            node: casts,
            initializer,
            // Types and shapes between the nodes are not the same any more.
            value_info: Vec::new(),
            ..graph.clone()
        }
    }
}

fn cast(from: &str, to: &str, kind: i32) -> NodeProto {
    NodeProto {
        input: vec![from.to_owned()],
        output: vec![to.to_owned()],
        op_type: Some("Cast".to_owned()),
        attribute: vec![AttributeProto {
            name: Some("to".to_owned()),
            i: Some(kind.into()),
            r#type: Some(attribute::INT),
            ..AttributeProto::default()
        }],
        ..NodeProto::default()
    }
}

/// A constant in 16 bits, under another name.
fn half_of(tensor: &TensorProto, name: &str) -> Result<TensorProto, String> {
    let refused = |what: &str| {
        let old = tensor.name.as_deref().unwrap_or(name);
        Err(format!(
            "the constant \"{old}\" {what}, which cannot be turned into fp16"
        ))
    };
    if tensor.data_type != Some(element::FLOAT) {
        return refused("does not hold 32-bit floats");
    }
    let values: Vec<f32> = match &tensor.raw_data {
        Some(bytes) => bytes
            .chunks_exact(4)
            .map(|value| f32::from_le_bytes([value[0], value[1], value[2], value[3]]))
            .collect(),
        None if tensor.data_location.unwrap_or(0) == 0 => tensor.float_data.clone(),
        None => return refused("is in another file"),
    };
    let mut halves = vec![f16::ZERO; values.len()];
    halves.convert_from_f32_slice(&values);
    Ok(TensorProto {
        dims: tensor.dims.clone(),
        data_type: Some(element::FLOAT16),
        name: Some(name.to_owned()),
        raw_data: Some(
            halves
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
        ),
        ..TensorProto::default()
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn shipped() -> Vec<u8> {
        std::fs::read(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/models/base/base.onnx"
        ))
        .unwrap()
    }

    #[test]
    fn the_shipped_model_s_convolutions_read_halves_and_its_ports_stay_as_they_are() {
        let before = ModelProto::decode(&shipped()[..]).unwrap().graph.unwrap();
        let bytes = to_half(&shipped()).unwrap();
        let after = ModelProto::decode(&bytes[..]).unwrap().graph.unwrap();
        assert_eq!(
            (&after.input, &after.output),
            (&before.input, &before.output)
        );
        let made: HashMap<&str, &NodeProto> = after
            .node
            .iter()
            .flat_map(|node| node.output.iter().map(move |name| (name.as_str(), node)))
            .collect();
        let count = |graph: &GraphProto, kind: &str| {
            graph
                .node
                .iter()
                .filter(|node| operator(node) == kind)
                .count()
        };
        assert_eq!(count(&after, "Conv"), count(&before, "Conv"));
        for conv in after.node.iter().filter(|node| operator(node) == "Conv") {
            let weight = &conv.input[1];
            let tensor = after
                .initializer
                .iter()
                .find(|tensor| tensor.name.as_ref() == Some(weight))
                .unwrap_or_else(|| panic!("{weight} is not stored"));
            assert_eq!(tensor.data_type, Some(element::FLOAT16), "{weight}");
        }
        // Everything that is read is made, stored or given, and made before it is read.
        let mut known: HashSet<&str> = after
            .initializer
            .iter()
            .filter_map(|tensor| tensor.name.as_deref())
            .chain(after.input.iter().filter_map(|input| input.name.as_deref()))
            .collect();
        for node in &after.node {
            for name in node.input.iter().filter(|name| !name.is_empty()) {
                assert!(
                    known.contains(name.as_str()),
                    "{name} is read before it is made"
                );
            }
            known.extend(node.output.iter().map(String::as_str));
        }
        for output in &after.output {
            assert!(made.contains_key(output.name.as_deref().unwrap()));
        }
    }

    #[test]
    fn an_output_that_is_made_in_half_is_given_in_fp32() {
        let conv = |input: &str, output: &str| NodeProto {
            input: vec![input.into(), "w".into()],
            output: vec![output.into()],
            op_type: Some("Conv".into()),
            ..NodeProto::default()
        };
        let weight = TensorProto {
            dims: vec![1, 1, 1, 1],
            data_type: Some(element::FLOAT),
            name: Some("w".into()),
            float_data: vec![2.0],
            ..TensorProto::default()
        };
        let port = |name: &str| super::super::proto::port(name, element::FLOAT, &[1, 1, 4, 4]);
        let graph = GraphProto {
            node: vec![conv("x", "y"), conv("y", "z")],
            initializer: vec![weight],
            input: vec![port("x")],
            output: vec![port("y"), port("z")],
            ..GraphProto::default()
        };
        let model = ModelProto {
            graph: Some(graph),
            ..ModelProto::default()
        };
        let bytes = to_half(&model.encode_to_vec()).unwrap();
        let graph = ModelProto::decode(&bytes[..]).unwrap().graph.unwrap();
        let line =
            |node: &NodeProto| format!("{} {:?} {:?}", operator(node), node.input, node.output);
        let lines: Vec<String> = graph.node.iter().map(line).collect();
        assert_eq!(
            lines,
            [
                r#"Cast ["x"] ["x.half"]"#,
                r#"Conv ["x.half", "w.half"] ["y.inner"]"#,
                r#"Conv ["y.inner", "w.half"] ["z.inner"]"#,
                r#"Cast ["y.inner"] ["y"]"#,
                r#"Cast ["z.inner"] ["z"]"#,
            ]
        );
        assert_eq!(graph.initializer.len(), 1);
        assert_eq!(graph.initializer[0].raw_data, Some(vec![0x00, 0x40]));
    }

    #[test]
    fn what_cannot_be_turned_is_refused_by_name() {
        assert!(to_half(b"\xff\xff").unwrap_err().contains("cannot be read"));
        let whole = TensorProto {
            name: Some("w".into()),
            data_type: Some(element::INT64),
            ..TensorProto::default()
        };
        assert!(
            half_of(&whole, "w.half")
                .unwrap_err()
                .contains("\"w\" does not hold")
        );
    }
}
