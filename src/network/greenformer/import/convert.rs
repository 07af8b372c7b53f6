//! From the tensors of a foreign checkpoint to the tensors of the network, or an exact account of
//! what does not fit.

use std::collections::BTreeMap;

use super::checkpoint::{Stored, shape_text, shown};
use super::mlx;
use crate::network::greenformer::tensors::Spec;

/// What compiled modules put in front of every name.
const COMPILED: &str = "_orig_mod.";
/// The tensor whose shape tells the grid.
const GRID_TENSOR: &str = "encoder.model.pos_embed";
/// Tokens along a side of the largest grid that is believed: a picture of 4096 pixels.
const MOST_GRID: usize = 1024;
/// How many names a sentence has.
const MOST_NAMES: usize = 10;

/// How convolution weights are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Output, input, height, width.
    Pytorch,
    /// Output, height, width, input.
    Mlx,
}

impl Layout {
    /// Its name for scripts.
    pub fn id(self) -> &'static str {
        match self {
            Self::Pytorch => "pytorch",
            Self::Mlx => "mlx",
        }
    }
}

/// Every tensor that will be written, in order, with the place that it comes from.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) tensors: Vec<(Spec, Stored)>,
    pub(super) grid: usize,
    pub(super) layout: Layout,
}

/// Finds every tensor of the network. `specs` gives them for a grid.
pub(super) fn plan(
    stored: Vec<Stored>,
    specs: &dyn Fn(usize) -> Vec<Spec>,
) -> Result<Plan, String> {
    let mut stored = by_name(stored)?;
    let grid = grid(&stored)?;
    let specs = specs(grid);
    let layout = layout(&specs, &stored)?;
    let mut account = Account::default();
    let mut tensors = Vec::with_capacity(specs.len());
    for spec in specs {
        match stored.remove(&spec.name) {
            Some(tensor) => {
                if let Some(tensor) = account.compare(&spec, tensor, layout)
                    && !spec.is_counter()
                {
                    tensors.push((spec, tensor));
                }
            }
            // Training alone needs it, and MLX files have none.
            None if spec.is_counter() => {}
            None => account.missing.push(spec.name),
        }
    }
    account.extra = stored.into_keys().collect();
    account.verdict()?;
    Ok(Plan {
        tensors,
        grid,
        layout,
    })
}

/// The tensors by the state dict's names.
fn by_name(stored: Vec<Stored>) -> Result<BTreeMap<String, Stored>, String> {
    let mut tensors = BTreeMap::new();
    for tensor in stored {
        let name = tensor.name.strip_prefix(COMPILED).unwrap_or(&tensor.name);
        let name = mlx::name(name);
        if let Some(other) = tensors.insert(name.clone(), tensor) {
            let last = tensors.get(&name).map_or("", |tensor| tensor.name.as_str());
            return Err(format!(
                "it has the tensor {} twice, as {} and as {}",
                shown(&name),
                shown(&other.name),
                shown(last)
            ));
        }
    }
    Ok(tensors)
}

/// The side of the positional embedding, from its shape `[1, side², channels]`.
fn grid(stored: &BTreeMap<String, Stored>) -> Result<usize, String> {
    let Some(tensor) = stored.get(GRID_TENSOR) else {
        let has = if stored.is_empty() {
            "it has no tensors at all".to_owned()
        } else {
            let names = some(stored.keys().map(String::as_str));
            format!("its {} tensors are {names}", stored.len())
        };
        return Err(format!(
            "it is no CorridorKey checkpoint: the tensor {GRID_TENSOR} is missing; {has}"
        ));
    };
    let square = match *tensor.shape {
        [1, tokens, _] => Some(tokens.isqrt()).filter(|side| side * side == tokens),
        _ => None,
    };
    match square {
        Some(side) if side <= MOST_GRID => Ok(side),
        Some(side) => Err(format!(
            "its positional embedding is for {side} x {side} tokens, and {MOST_GRID} x {MOST_GRID} \
             are the most that is known"
        )),
        None => Err(format!(
            "it is no CorridorKey checkpoint: the tensor {GRID_TENSOR} is {} and not [1, tokens of \
             a square, channels]",
            shape_text(&tensor.shape)
        )),
    }
}

/// How the convolution weights are stored, all of them.
fn layout(specs: &[Spec], stored: &BTreeMap<String, Stored>) -> Result<Layout, String> {
    let (mut pytorch, mut mlx) = (Vec::new(), Vec::new());
    for spec in specs {
        let (Some(theirs), Some(tensor)) = (mlx::shape(&spec.shape), stored.get(&spec.name)) else {
            continue;
        };
        // A shape that is the same in both, or fits neither, says nothing.
        match (tensor.shape == spec.shape, tensor.shape == theirs) {
            (true, false) => pytorch.push(spec.name.as_str()),
            (false, true) => mlx.push(spec.name.as_str()),
            _ => {}
        }
    }
    match (pytorch.is_empty(), mlx.is_empty()) {
        (_, true) => Ok(Layout::Pytorch),
        (true, false) => Ok(Layout::Mlx),
        (false, false) => Err(format!(
            "some of its convolution weights are stored output-input-height-width ({}) and others \
             output-height-width-input ({}); convert it again",
            some(pytorch.into_iter()),
            some(mlx.into_iter())
        )),
    }
}

/// What does not fit.
#[derive(Default)]
struct Account {
    missing: Vec<String>,
    extra: Vec<String>,
    misshapen: Vec<String>,
    /// Of a kind that is not widened to 32-bit floats.
    foreign: Vec<String>,
    /// Views that neither are contiguous nor become so by exchanging dimensions.
    scattered: Vec<String>,
}

impl Account {
    /// The tensor in the order of its specification, if it fits.
    fn compare(&mut self, spec: &Spec, mut tensor: Stored, layout: Layout) -> Option<Stored> {
        if layout == Layout::Mlx && mlx::shape(&spec.shape).is_some() && tensor.shape.len() == 4 {
            mlx::seen_as_pytorch(&mut tensor);
        }
        let name = spec.name.as_str();
        // Some programs make a list of one of a counter; it is not used.
        let one = spec.is_counter() && tensor.shape == [1];
        if tensor.shape != spec.shape && !one {
            let (is, should) = (shape_text(&tensor.shape), shape_text(&spec.shape));
            self.misshapen
                .push(format!("{name} is {is} and not {should}"));
            return None;
        }
        if !tensor.element.widens() && !spec.is_counter() {
            self.foreign
                .push(format!("{name} ({})", tensor.element.name()));
            return None;
        }
        if !tensor.is_permuted() {
            self.scattered.push(name.to_owned());
            return None;
        }
        Some(tensor)
    }

    fn verdict(&self) -> Result<(), String> {
        let parts: Vec<String> = [
            (&self.missing, "missing"),
            (&self.extra, "unknown"),
            (&self.misshapen, "of another shape"),
            (&self.foreign, "not of 32-bit, 16-bit or bfloat16 floats"),
            (
                &self.scattered,
                "stored with gaps or overlaps (make them contiguous and save again)",
            ),
        ]
        .into_iter()
        .filter(|(names, _)| !names.is_empty())
        .map(|(names, what)| {
            let verb = if names.len() == 1 {
                "tensor is"
            } else {
                "tensors are"
            };
            let list = some(names.iter().map(String::as_str));
            format!("{} {verb} {what}: {list}", names.len())
        })
        .collect();
        if parts.is_empty() {
            return Ok(());
        }
        Err(format!(
            "it is no CorridorKey checkpoint that this version knows: {}",
            parts.join("; ")
        ))
    }
}

/// The first ten names, and how many more there are.
pub(super) fn some<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let count = names.len();
    let list: Vec<_> = names.take(MOST_NAMES).map(shown).collect();
    let list = list.join(", ");
    match count.saturating_sub(MOST_NAMES) {
        0 => list,
        more => format!("{list} and {more} more"),
    }
}

#[cfg(test)]
#[path = "convert_tests.rs"]
mod tests;
