//! Writes small ONNX graphs, so that tests need no model files.
//!
//! ONNX files are protocol buffers; the few messages that a graph is made of are written here
//! field by field. Field numbers are those of `onnx.proto`.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "every test file uses another part"
)]

/// Element types by ONNX's numbering.
pub const FLOAT: u64 = 1;
pub const INT64: u64 = 7;
pub const DOUBLE: u64 = 11;

/// A dimension: a number, or a name for a free one.
#[derive(Clone, Copy)]
pub enum Dim {
    N(u64),
    S(&'static str),
}

/// A graph being written.
#[derive(Default, Clone)]
pub struct Graph {
    body: Vec<u8>,
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 & 0x7f | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn number(out: &mut Vec<u8>, field: u64, value: u64) {
    varint(out, field << 3);
    varint(out, value);
}

fn bytes(out: &mut Vec<u8>, field: u64, value: &[u8]) {
    varint(out, field << 3 | 2);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

fn port(name: &str, element: u64, shape: &[Dim]) -> Vec<u8> {
    let mut dims = Vec::new();
    for dim in shape {
        let mut one = Vec::new();
        match dim {
            Dim::N(n) => number(&mut one, 1, *n),
            Dim::S(s) => bytes(&mut one, 2, s.as_bytes()),
        }
        bytes(&mut dims, 1, &one);
    }
    let (mut tensor, mut kind, mut info) = (Vec::new(), Vec::new(), Vec::new());
    number(&mut tensor, 1, element);
    bytes(&mut tensor, 2, &dims);
    bytes(&mut kind, 1, &tensor);
    bytes(&mut info, 1, name.as_bytes());
    bytes(&mut info, 2, &kind);
    info
}

/// Three floats in `weights.bin`.
fn external(name: &str) -> Vec<u8> {
    let (mut tensor, mut place) = (Vec::new(), Vec::new());
    bytes(&mut place, 1, b"location");
    bytes(&mut place, 2, b"weights.bin");
    number(&mut tensor, 1, 3);
    number(&mut tensor, 2, FLOAT);
    bytes(&mut tensor, 8, name.as_bytes());
    bytes(&mut tensor, 13, &place);
    number(&mut tensor, 14, 1);
    tensor
}

impl Graph {
    pub fn input(mut self, name: &str, element: u64, shape: &[Dim]) -> Self {
        bytes(&mut self.body, 11, &port(name, element, shape));
        self
    }

    pub fn output(mut self, name: &str, element: u64, shape: &[Dim]) -> Self {
        bytes(&mut self.body, 12, &port(name, element, shape));
        self
    }

    /// A constant; `raw` is its little-endian content.
    fn constant(mut self, name: &str, element: u64, dims: &[u64], raw: &[u8]) -> Self {
        let mut tensor = Vec::new();
        for dim in dims {
            number(&mut tensor, 1, *dim);
        }
        number(&mut tensor, 2, element);
        bytes(&mut tensor, 8, name.as_bytes());
        bytes(&mut tensor, 9, raw);
        bytes(&mut self.body, 5, &tensor);
        self
    }

    /// A constant whose values are in another file.
    pub fn elsewhere(mut self, name: &str) -> Self {
        bytes(&mut self.body, 5, &external(name));
        self
    }

    /// A node that computes with such a constant of its own, in a branch of an `If`.
    pub fn branch_elsewhere(mut self) -> Self {
        let (mut constant, mut value, mut branch) = (Vec::new(), Vec::new(), Vec::new());
        bytes(&mut value, 1, b"value");
        bytes(&mut value, 5, &external("inner"));
        bytes(&mut constant, 4, b"Constant");
        bytes(&mut constant, 5, &value);
        bytes(&mut branch, 1, &constant);
        let (mut attribute, mut node) = (Vec::new(), Vec::new());
        bytes(&mut attribute, 1, b"then_branch");
        bytes(&mut attribute, 6, &branch);
        bytes(&mut node, 4, b"If");
        bytes(&mut node, 5, &attribute);
        bytes(&mut self.body, 1, &node);
        self
    }

    pub fn floats(self, name: &str, dims: &[u64], values: &[f32]) -> Self {
        let raw: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        self.constant(name, FLOAT, dims, &raw)
    }

    pub fn integers(self, name: &str, values: &[i64]) -> Self {
        let raw: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        self.constant(name, INT64, &[values.len() as u64], &raw)
    }

    /// A node; attributes are lists of integers (`kernel_shape` and the like) or one integer.
    pub fn node(
        mut self,
        op: &str,
        inputs: &[&str],
        output: &str,
        attributes: &[(&str, &[u64])],
    ) -> Self {
        let mut node = Vec::new();
        for input in inputs {
            bytes(&mut node, 1, input.as_bytes());
        }
        bytes(&mut node, 2, output.as_bytes());
        bytes(&mut node, 4, op.as_bytes());
        for (name, values) in attributes {
            let mut attribute = Vec::new();
            bytes(&mut attribute, 1, name.as_bytes());
            if let [value] = values {
                number(&mut attribute, 3, *value);
                number(&mut attribute, 20, 2);
            } else {
                for value in *values {
                    number(&mut attribute, 8, *value);
                }
                number(&mut attribute, 20, 7);
            }
            bytes(&mut node, 5, &attribute);
        }
        bytes(&mut self.body, 1, &node);
        self
    }

    /// The file.
    pub fn file(mut self) -> Vec<u8> {
        bytes(&mut self.body, 2, b"test");
        let (mut file, mut operators) = (Vec::new(), Vec::new());
        number(&mut file, 1, 8);
        bytes(&mut file, 7, &self.body);
        bytes(&mut operators, 1, b"");
        number(&mut operators, 2, 13);
        bytes(&mut file, 8, &operators);
        file
    }
}

/// The smallest useful graph: `y = x + x`.
pub fn doubling() -> Vec<u8> {
    Graph::default()
        .input("x", FLOAT, &[Dim::N(1)])
        .output("y", FLOAT, &[Dim::N(1)])
        .node("Add", &["x", "x"], "y", &[])
        .file()
}

/// ImageNet's mean and deviation, as the test manifests have them.
pub const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
pub const STD: [f32; 3] = [0.229, 0.224, 0.225];

pub const FREE: [Dim; 2] = [Dim::S("h"), Dim::S("w")];

/// Inputs and outputs of the contract at a size, and the parts `rgb` and `hint` of the input.
pub fn contract([h, w]: [Dim; 2]) -> Graph {
    Graph::default()
        .input("input", FLOAT, &[Dim::S("n"), Dim::N(4), h, w])
        .output("alpha", FLOAT, &[Dim::S("n"), Dim::N(1), h, w])
        .output("fg", FLOAT, &[Dim::S("n"), Dim::N(3), h, w])
        .integers("zero", &[0])
        .integers("three", &[3])
        .integers("four", &[4])
        .integers("one", &[1])
        .node("Slice", &["input", "zero", "three", "one"], "rgb", &[])
        .node("Slice", &["input", "three", "four", "one"], "hint", &[])
}

/// `fg` = the plate as it was before normalisation.
pub fn with_plate(graph: Graph) -> Graph {
    graph
        .floats("std", &[1, 3, 1, 1], &STD)
        .floats("mean", &[1, 3, 1, 1], &MEAN)
        .node("Mul", &["rgb", "std"], "scaled", &[])
        .node("Add", &["scaled", "mean"], "fg", &[])
}

/// alpha = hint, foreground = plate, at any size.
pub fn transparent() -> Vec<u8> {
    with_plate(contract(FREE))
        .node("Identity", &["hint"], "alpha", &[])
        .file()
}

/// The same at one size only.
pub fn transparent_at(height: u64, width: u64) -> Vec<u8> {
    with_plate(contract([Dim::N(height), Dim::N(width)]))
        .node("Identity", &["hint"], "alpha", &[])
        .file()
}

/// alpha is not a number wherever the hint is below 1.
pub fn not_a_number() -> Vec<u8> {
    with_plate(contract(FREE))
        .floats("limit", &[1], &[1.0])
        .node("Sub", &["hint", "limit"], "negative", &[])
        .node("Sqrt", &["negative"], "alpha", &[])
        .file()
}

/// Takes long: `layers` convolutions of 64 channels. Alpha = hint all the same.
pub fn slow(layers: usize) -> Vec<u8> {
    let mut graph = with_plate(contract(FREE))
        .floats("first", &[64, 4, 3, 3], &[1e-3; 64 * 4 * 9])
        .floats("more", &[64, 64, 3, 3], &[1e-3; 64 * 64 * 9]);
    graph = graph.node(
        "Conv",
        &["input", "first"],
        "c0",
        &[("pads", &[1, 1, 1, 1])],
    );
    for layer in 0..layers {
        let (from, to) = (format!("c{layer}"), format!("c{}", layer + 1));
        graph = graph.node("Conv", &[&from, "more"], &to, &[("pads", &[1, 1, 1, 1])]);
    }
    graph
        .floats("nothing", &[1], &[0.0])
        .node(
            "ReduceMean",
            &[&format!("c{layers}")],
            "mean_of_it",
            &[("axes", &[1, 2, 3]), ("keepdims", &[1])],
        )
        .node("Mul", &["mean_of_it", "nothing"], "naught", &[])
        .node("Add", &["hint", "naught"], "alpha", &[])
        .file()
}

/// Asks for more memory than any machine has as soon as a hint reaches 1; alpha = hint otherwise.
pub fn greedy() -> Vec<u8> {
    with_plate(contract(FREE))
        .floats("many", &[1], &[1e15])
        .floats("naught", &[1], &[0.0])
        .node("ReduceMax", &["hint"], "most", &[("keepdims", &[0])])
        .node("Floor", &["most"], "whether", &[])
        .node("Mul", &["whether", "many"], "amount", &[])
        .node("Cast", &["amount"], "count", &[("to", &[INT64])])
        .node("Max", &["count", "one"], "length", &[])
        .node("Expand", &["naught", "length"], "expanse", &[])
        .node("ReduceMax", &["expanse"], "nothing", &[("keepdims", &[0])])
        .node("Add", &["hint", "nothing"], "alpha", &[])
        .file()
}

/// alpha = hint × a refiner input.
pub fn refined() -> Vec<u8> {
    with_plate(contract(FREE))
        .input("refiner_scale", FLOAT, &[Dim::N(1)])
        .node("Mul", &["hint", "refiner_scale"], "alpha", &[])
        .file()
}
