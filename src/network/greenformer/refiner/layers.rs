//! The refiner's layers, out of the weights.

use super::ends::{self, ANSWERS};
use super::picture::{Norm, Pixel, Pixels};
use super::winograd;
use crate::network::error::{Error, Result};
use crate::network::greenformer::tensors::DILATIONS;

/// All of them.
#[derive(Debug)]
pub(super) struct Layers {
    /// Of the plate and the coarse answer.
    pub(super) first: Filters,
    /// Two of each residual block.
    pub(super) others: Vec<Layer>,
    /// Weights and bias of each plane of the answer.
    pub(super) last: ([Pixel; ANSWERS], [f32; ANSWERS]),
}

/// A convolution to 64 channels, and the normalisation behind it.
#[derive(Debug)]
pub(super) struct Filters {
    pub(super) values: Pixels,
    pub(super) bias: Pixel,
    pub(super) norm: Norm,
}

/// A convolution of a residual block.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) filters: Filters,
    pub(super) dilation: usize,
    pub(super) role: Role,
    /// The answer lies a step above what was there, otherwise below.
    pub(super) up: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Begins the first block, to which nothing was added: `y` becomes `x`.
    First,
    /// Begins a block: `y` and `x` become `x`.
    Begins,
    /// Ends a block.
    Ends,
}

impl Layers {
    /// `weights` gives a tensor's numbers.
    ///
    /// # Errors
    /// Those of `weights`; [`Error::Internal`] where it gives too many or too few.
    pub(super) fn new(weights: &dyn Fn(&str) -> Result<Vec<f32>>) -> Result<Self> {
        let wrong = |name: &str| internal(format!("\"{name}\" has another size"));
        let pixel = |name: &str| weights(name)?.try_into().map_err(|_| wrong(name));
        let filters = |name: &str, norm: &str, count, arrange: fn(&[f32], &mut [Pixel])| {
            let mut values = pixels(count)?;
            arrange(&weights(&format!("{name}.weight"))?, values.get_mut());
            Ok(Filters {
                values,
                bias: pixel(&format!("{name}.bias"))?,
                norm: Norm {
                    weight: pixel(&format!("{norm}.weight"))?,
                    bias: pixel(&format!("{norm}.bias"))?,
                },
            })
        };
        let (stem, norm) = ("refiner.stem.0", "refiner.stem.1");
        let first = filters(stem, norm, ends::FILTERS, ends::filters)?;
        let mut others = Vec::new();
        for (index, dilation) in DILATIONS.into_iter().enumerate() {
            let block = format!("refiner.res{}", index + 1);
            for half in [1, 2] {
                let (name, norm) = (format!("{block}.conv{half}"), format!("{block}.gn{half}"));
                others.push(Layer {
                    filters: filters(&name, &norm, winograd::FILTERS, winograd::filters)?,
                    dilation,
                    role: match (index, half) {
                        (0, 1) => Role::First,
                        (_, 1) => Role::Begins,
                        _ => Role::Ends,
                    },
                    up: index % 2 == 0,
                });
            }
        }
        let (weight, bias) = ("refiner.final.weight", "refiner.final.bias");
        let last = (
            weights(weight)?
                .as_chunks()
                .0
                .try_into()
                .map_err(|_| wrong(weight))?,
            weights(bias)?.try_into().map_err(|_| wrong(bias))?,
        );
        Ok(Self {
            first,
            others,
            last,
        })
    }
}

/// Room for so many.
///
/// # Errors
/// [`Error::Internal`] when there is none.
pub(super) fn pixels(count: usize) -> Result<Pixels> {
    Pixels::new(count).map_err(|error| internal(error.to_string()))
}

/// The refiner cannot be prepared.
pub(super) fn internal(reason: String) -> Error {
    Error::Internal {
        what: "preparing the refiner",
        reason,
    }
}
