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
mod decoder;
mod embedding;
mod encoder;
mod refiner;

use self::builder::Builder;
use super::weights::WeightsFile;
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

/// In what the network computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// 32-bit floats.
    Full,
    /// 16-bit floats; statistics, final logits and sigmoid in 32 bits.
    Half,
}

/// How attention is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attention {
    /// As ONNX Runtime's own operator, which never holds all scores at once where it can.
    Fused,
    /// As matrix products and a softmax, for devices that know ONNX's own operators only.
    Decomposed,
}

/// What a graph is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Rows of the picture; a multiple of [`MULTIPLE`].
    pub height: usize,
    /// Columns of the picture; a multiple of [`MULTIPLE`].
    pub width: usize,
    /// In what the network computes.
    pub precision: Precision,
    /// How attention is written.
    pub attention: Attention,
}

/// The ONNX file of the network.
///
/// # Errors
/// [`Error::Internal`](crate::network::Error::Internal) for a size that is no multiple of
/// [`MULTIPLE`]; what [`WeightsFile::values`] says.
pub fn build(weights: &WeightsFile, options: &Options) -> Result<Vec<u8>> {
    let Options { height, width, .. } = *options;
    let size = Size::new(height, width)?;
    let mut builder = Builder::new(weights, options.precision)?;
    let b = &mut builder;
    let input = Builder::input(INPUT);
    let features = encoder::features(b, &input, size, options.attention)?;
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
