//! Reads an ONNX file's signature without a runtime: which inputs and outputs it has, of what
//! type and shape.
//!
//! Two things need it. A model that does not fit its manifest gets a sentence about *what* does
//! not fit, even on a machine where ONNX Runtime itself is missing. And sizes are fixed when a
//! session is built, by the *names* of the free dimensions, which must therefore be known before.
//!
//! ONNX files are protocol buffers. Only the handful of fields on the way to the signature is
//! understood; everything else is skipped by its length, so that reading costs nothing next to
//! the file's weights. Field numbers are those of `onnx.proto` (ModelProto.graph = 7,
//! GraphProto.initializer = 5, input = 11, output = 12, and so on).

/// The element type number of 32-bit float in ONNX (`TensorProto.DataType.FLOAT`).
pub const FLOAT: u64 = 1;

/// One extent of a tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dimension {
    /// Always this long.
    Fixed(u64),
    /// Free, under this name; two dimensions of one name are equally long.
    Named(String),
    /// Free and nameless: nothing can be said about it before the network runs.
    Unknown,
}

/// An input or output of the graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// Its element type by ONNX's numbering ([`FLOAT`] and others); 0 when it is no tensor.
    pub element: u64,
    /// Its shape; `None` when the file does not say.
    pub shape: Option<Vec<Dimension>>,
}

/// The inputs that have to be given and the outputs that come back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Inputs, without those that have a default among the weights.
    pub inputs: Vec<Port>,
    /// Outputs.
    pub outputs: Vec<Port>,
}

/// Reads the signature of the ONNX file held in `bytes`.
///
/// A file whose weights lie elsewhere is refused: a checksum of the one says nothing about the
/// other, and the runtime, which gets the file from memory, would look for them wherever the host
/// happens to be started.
///
/// # Errors
/// What is wrong with the file, as the middle of a sentence.
pub fn signature(bytes: &[u8]) -> Result<Signature, String> {
    // More than one are one: so protocol buffers put a message together.
    let graphs = children(bytes, &[7])?;
    if graphs.is_empty() {
        return Err("it is not an ONNX file (there is no graph in it)".into());
    }
    // FunctionProto: node = 7.
    for function in children(bytes, &[25])? {
        children(function, &[7])?
            .into_iter()
            .try_for_each(constants)?;
    }
    let (mut inputs, mut outputs, mut defaults) = (Vec::new(), Vec::new(), Vec::new());
    for field in graphs.into_iter().flat_map(Fields::new) {
        match field? {
            (1, Value::Bytes(node)) => constants(node)?,
            (5, Value::Bytes(tensor)) => {
                stored(tensor)?;
                defaults.push(text(tensor, 8)?);
            }
            (15, Value::Bytes(sparse)) => stored_sparse(sparse)?,
            (11, Value::Bytes(body)) => inputs.push(port(body)?),
            (12, Value::Bytes(body)) => outputs.push(port(body)?),
            _ => {}
        }
    }
    inputs.retain(|port| !defaults.contains(&port.name));
    if outputs.is_empty() {
        return Err("it is not an ONNX file (its graph has no outputs)".into());
    }
    Ok(Signature { inputs, outputs })
}

/// Looks at the tensors that a node carries. `NodeProto`: attribute = 5; `AttributeProto`: t = 5,
/// g = 6, tensors = 10, graphs = 11, sparse_tensor = 22, sparse_tensors = 23.
fn constants(node: &[u8]) -> Result<(), String> {
    // Graphs within graphs are put aside, not entered: the file decides how deep they go.
    let mut nodes = vec![node];
    while let Some(node) = nodes.pop() {
        for attribute in children(node, &[5])? {
            children(attribute, &[5, 10])?
                .into_iter()
                .try_for_each(stored)?;
            children(attribute, &[22, 23])?
                .into_iter()
                .try_for_each(stored_sparse)?;
            for graph in children(attribute, &[6, 11])? {
                children(graph, &[5])?.into_iter().try_for_each(stored)?;
                children(graph, &[15])?
                    .into_iter()
                    .try_for_each(stored_sparse)?;
                nodes.extend(children(graph, &[1])?);
            }
        }
    }
    Ok(())
}

/// Refuses a tensor whose values are in another file. `TensorProto`: data_location = 14, of which 1
/// is EXTERNAL.
fn stored(tensor: &[u8]) -> Result<(), String> {
    for field in Fields::new(tensor) {
        if let (14, Value::Number(1)) = field? {
            return Err(format!(
                "the values of \"{}\" are in another file, which no checksum covers; save the model as one file, without external data",
                text(tensor, 8)?
            ));
        }
    }
    Ok(())
}

/// `SparseTensorProto`: values = 1, indices = 2.
fn stored_sparse(sparse: &[u8]) -> Result<(), String> {
    children(sparse, &[1, 2])?.into_iter().try_for_each(stored)
}

/// `ValueInfoProto`: name = 1, type = 2; `TypeProto`: tensor_type = 1; its elem_type = 1, shape = 2.
fn port(body: &[u8]) -> Result<Port, String> {
    let mut port = Port {
        name: text(body, 1)?,
        element: 0,
        shape: None,
    };
    let Some(kind) = child(body, 2)? else {
        return Ok(port);
    };
    let Some(tensor) = child(kind, 1)? else {
        return Ok(port);
    };
    for field in Fields::new(tensor) {
        match field? {
            (1, Value::Number(element)) => port.element = element,
            (2, Value::Bytes(shape)) => {
                let mut dimensions = Vec::new();
                for field in Fields::new(shape) {
                    if let (1, Value::Bytes(dimension)) = field? {
                        dimensions.push(extent(dimension)?);
                    }
                }
                port.shape = Some(dimensions);
            }
            _ => {}
        }
    }
    Ok(port)
}

/// `TensorShapeProto.Dimension`: dim_value = 1, dim_param = 2.
fn extent(body: &[u8]) -> Result<Dimension, String> {
    let mut dimension = Dimension::Unknown;
    for field in Fields::new(body) {
        match field? {
            (1, Value::Number(value)) => dimension = Dimension::Fixed(value),
            (2, Value::Bytes(name)) if !name.is_empty() => {
                dimension = Dimension::Named(String::from_utf8_lossy(name).into_owned());
            }
            _ => {}
        }
    }
    Ok(dimension)
}

fn child(body: &[u8], number: u64) -> Result<Option<&[u8]>, String> {
    let mut found = None;
    for field in Fields::new(body) {
        if let (n, Value::Bytes(bytes)) = field?
            && n == number
        {
            found = Some(bytes);
        }
    }
    Ok(found)
}

/// Every message in these fields.
fn children<'a>(body: &'a [u8], numbers: &[u64]) -> Result<Vec<&'a [u8]>, String> {
    let mut found = Vec::new();
    for field in Fields::new(body) {
        if let (n, Value::Bytes(bytes)) = field?
            && numbers.contains(&n)
        {
            found.push(bytes);
        }
    }
    Ok(found)
}

fn text(body: &[u8], number: u64) -> Result<String, String> {
    Ok(child(body, number)?
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        .unwrap_or_default())
}

/// A field's value, as far as the wire format tells kinds apart.
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Other,
}

/// The fields of one message, in file order.
struct Fields<'a> {
    rest: &'a [u8],
    failed: bool,
}

impl<'a> Fields<'a> {
    fn new(message: &'a [u8]) -> Self {
        Self {
            rest: message,
            failed: false,
        }
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, count: u64) -> Option<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(usize::try_from(count).ok()?)?;
        self.rest = rest;
        Some(head)
    }

    fn field(&mut self) -> Option<(u64, Value<'a>)> {
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Value::Number(self.varint()?),
            1 => self.take(8).map(|_| Value::Other)?,
            2 => {
                let length = self.varint()?;
                Value::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Value::Other)?,
            _ => return None,
        };
        Some((key >> 3, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() || self.failed {
            return None;
        }
        let field = self.field();
        self.failed = field.is_none();
        Some(field.ok_or_else(|| "it is not an ONNX file, or a truncated one".into()))
    }
}
