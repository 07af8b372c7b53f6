//! A graph held against the manifest that describes it: names, shapes and kinds of its tensors.

use super::Model;
use crate::network::onnx::{self, Dimension, Port, Signature};

impl Model {
    /// Compares a graph with the manifest.
    pub(super) fn check(&self, signature: &Signature) -> std::result::Result<(), String> {
        let names = |ports: &[Port]| {
            let names: Vec<&str> = ports.iter().map(|port| port.name.as_str()).collect();
            if names.is_empty() {
                "none".to_owned()
            } else {
                names.join(", ")
            }
        };
        let inputs = || format!("its inputs are: {}", names(&signature.inputs));
        let outputs = || format!("its outputs are: {}", names(&signature.outputs));
        let find =
            |ports: &[Port], name: &str| ports.iter().find(|port| port.name == name).cloned();

        let input = find(&signature.inputs, &self.input)
            .ok_or_else(|| format!("it has no input \"{}\" ({})", self.input, inputs()))?;
        tensor(&input, "input", 4)?;
        for port in &signature.inputs {
            if port.name != self.input && Some(&port.name) != self.refiner.as_ref() {
                return Err(format!(
                    "it wants an input \"{}\" that the manifest does not name",
                    port.name
                ));
            }
        }
        if let Some(name) = &self.refiner {
            let port = find(&signature.inputs, name)
                .ok_or_else(|| format!("it has no refiner input \"{name}\" ({})", inputs()))?;
            scalar(&port)?;
        }
        for (name, channels) in [(&self.alpha, 1), (&self.foreground, 3)] {
            let port = find(&signature.outputs, name)
                .ok_or_else(|| format!("it has no output \"{name}\" ({})", outputs()))?;
            tensor(&port, "output", channels)?;
        }
        Ok(())
    }
}

/// A `[1, channels, H, W]` tensor of 32-bit floats, as far as the file says.
fn tensor(port: &Port, kind: &str, channels: u64) -> std::result::Result<(), String> {
    let Port {
        name,
        element,
        shape,
    } = port;
    if *element != onnx::FLOAT {
        return Err(format!("its {kind} \"{name}\" is not of 32-bit floats"));
    }
    let Some(shape) = shape else { return Ok(()) };
    let may_be =
        |dimension: &Dimension, length| !matches!(dimension, Dimension::Fixed(l) if *l != length);
    match shape.as_slice() {
        [batch, planes, _, _] if may_be(batch, 1) && may_be(planes, channels) => Ok(()),
        _ => Err(format!(
            "its {kind} \"{name}\" has the shape {} instead of [1, {channels}, H, W]",
            show(shape)
        )),
    }
}

/// One 32-bit float, with or without a dimension of 1.
fn scalar(port: &Port) -> std::result::Result<(), String> {
    let one = matches!(port.shape.as_deref(), Some([] | [Dimension::Fixed(1)]));
    if one && port.element == onnx::FLOAT {
        return Ok(());
    }
    Err(format!(
        "its refiner input \"{}\" is not one 32-bit float",
        port.name
    ))
}

fn show(shape: &[Dimension]) -> String {
    let sides: Vec<String> = shape
        .iter()
        .map(|dimension| match dimension {
            Dimension::Fixed(length) => length.to_string(),
            Dimension::Named(name) => name.clone(),
            Dimension::Unknown => "?".into(),
        })
        .collect();
    format!("[{}]", sides.join(", "))
}
