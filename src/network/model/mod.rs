//! A model: its manifest, its file, and what it may be asked.
//!
//! `manifest` reads what describes it, `signature` holds a graph against that, and `memory` tells
//! what a session needs.

pub(super) mod checks;
mod manifest;
mod memory;
mod signature;

use std::path::PathBuf;

pub use memory::{Estimate, Refiner};

use super::Control;
use super::checksum;
use super::device::{Device, Precision, PrecisionChoice};
use super::error::{Error, Result};
use super::greenformer::graph;
use super::greenformer::import::Imported;
use super::onnx::{self, Signature};
use super::session::Key;
use super::tiles::Seams;
use super::unmixer::{self, Layers, Refusal};
use crate::keyer::{Fit, Normalisation, Screen, SizeRule};

/// The manifest's file name.
pub const MANIFEST: &str = "model.toml";

/// Working memory of a convolutional network of the shipped kind, in bytes per pixel; used where a
/// manifest does not say.
const BYTES_PER_PIXEL: u64 = 640;

/// What a model's file holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// A finished graph with its weights.
    Onnx,
    /// The weights of an imported checkpoint; the graph is built for each size.
    Greenformer(Box<Imported>),
}

/// A network that the plug-in computes by itself where the runtime would take longer: on
/// processors, in 32 bits. Everywhere else the runtime runs the same file's graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Own {
    /// The shipped model's, see [`unmixer`].
    Unmixer,
}

impl Own {
    /// All of them.
    pub const ALL: [Self; 1] = [Self::Unmixer];

    /// What manifests call it. Another number is another network, which this version has not.
    pub fn id(self) -> &'static str {
        match self {
            Self::Unmixer => "unmixer-1",
        }
    }

    /// Both sides of a picture are multiples of this.
    pub fn multiple(self) -> usize {
        match self {
            Self::Unmixer => unmixer::MULTIPLE,
        }
    }
}

/// A usable manifest. The file that it names may still be missing or damaged: [`Model::load`] tells.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// What its file holds.
    pub kind: Kind,
    /// The stable name that projects store.
    pub id: String,
    /// The name for people.
    pub name: String,
    /// The version that projects may store after an `@`.
    pub version: String,
    /// The licence's SPDX expression or name.
    pub licence: String,
    /// The manifest.
    pub manifest: PathBuf,
    /// The network.
    pub path: PathBuf,
    /// SHA-256 of the network's file, lower-case hexadecimal.
    pub sha256: String,
    /// The network that the file is, if the plug-in can compute that by itself on a processor;
    /// without one the runtime runs the graph there, too. [`Model::own`] tells where it is used.
    pub processor: Option<Own>,
    /// The sizes it takes.
    pub size_rule: SizeRule,
    /// How it wants the plate.
    pub normalisation: Normalisation,
    /// Screen colours that it knows without channel exchange.
    pub screens: Vec<Screen>,
    /// Name of the input tensor.
    pub input: String,
    /// Name of the input that scales the refiner, if the model has one.
    pub refiner: Option<String>,
    /// Name of the alpha output.
    pub alpha: String,
    /// Name of the foreground output.
    pub foreground: String,
    /// Precisions that it runs in; the first is the preferred one. Never empty.
    pub precisions: Vec<Precision>,
    /// Working memory per pixel of the network's input, in bytes.
    pub bytes_per_pixel: u64,
    /// Where the network may be cut into parts, if it may, and the most pixels of a tile.
    pub tiles: Option<(Seams, usize)>,
}

/// A model's file in memory, checked against its manifest.
#[derive(Debug, Clone)]
pub struct Graph {
    /// The file.
    pub bytes: Vec<u8>,
    /// Its inputs and outputs.
    pub signature: Signature,
}

impl Model {
    /// The network of ours that computes this model there; `None` where the runtime does.
    pub fn own(&self, device: Device, precision: Precision) -> Option<Own> {
        match (device, precision) {
            (Device::Cpu, Precision::Fp32) => self.processor,
            _ => None,
        }
    }

    /// What tells a session of this model from others.
    pub fn key(&self, width: usize, height: usize, device: Device, precision: Precision) -> Key {
        Key {
            model: self.sha256.clone(),
            device,
            precision,
            own: self.own(device, precision),
            width,
            height,
        }
    }

    /// `id@version`.
    pub fn full_id(&self) -> String {
        format!("{}@{}", self.id, self.version)
    }

    /// The precision for a choice on a device. A processor computes in 32 bits in any case, so
    /// that there 16 would cost exactness and time.
    ///
    /// # Errors
    /// [`Error::Precision`] when the model does not run in the one that is asked for.
    pub fn precision(&self, choice: PrecisionChoice, device: Device) -> Result<Precision> {
        let wanted = match choice {
            PrecisionChoice::Auto => {
                let wide = self.precisions.contains(&Precision::Fp32);
                return Ok(match self.precisions.first() {
                    Some(&preferred) if device != Device::Cpu || !wide => preferred,
                    _ => Precision::Fp32,
                });
            }
            PrecisionChoice::Fp16 => Precision::Fp16,
            PrecisionChoice::Fp32 => Precision::Fp32,
        };
        if self.precisions.contains(&wanted) {
            return Ok(wanted);
        }
        let offered = self
            .precisions
            .iter()
            .map(|precision| precision.id())
            .collect();
        Err(Error::Precision {
            model: self.id.clone(),
            precision: wanted.id(),
            offered,
        })
    }

    /// Makes sure that the file is there and what the manifest describes; the numbers of an
    /// imported checkpoint, which take longer, are left to [`Model::verify`].
    ///
    /// # Errors
    /// [`Error::ModelFile`], [`Error::ModelAltered`], [`Error::ModelGraph`].
    pub fn look(&self) -> Result<()> {
        match &self.kind {
            Kind::Onnx => self.load().map(drop),
            Kind::Greenformer(imported) => imported.look(),
        }
    }

    /// Makes sure that every bit of the file is what the manifest describes, down to the network
    /// that it is said to be.
    ///
    /// # Errors
    /// Those of [`Model::look`] and [`Model::layers`]; [`Error::Aborted`].
    pub fn verify(&self, control: &dyn Control) -> Result<()> {
        match &self.kind {
            Kind::Onnx => {
                let graph = self.load()?;
                match self.processor {
                    Some(Own::Unmixer) => self.layers(&graph).map(drop),
                    None => Ok(()),
                }
            }
            Kind::Greenformer(imported) => {
                imported.look()?;
                imported.verify(control)
            }
        }
    }

    /// The layers of a graph that the manifest says is [`Own::Unmixer`].
    ///
    /// # Errors
    /// [`Error::ModelGraph`] when it is not; [`Error::ModelFile`] when there is no memory for it.
    pub fn layers(&self, graph: &Graph) -> Result<Layers> {
        Layers::read(&graph.bytes).map_err(|refusal| match refusal {
            Refusal::Other(reason) => {
                let id = Own::Unmixer.id();
                let reason = format!("its manifest says processor = \"{id}\", but {reason}");
                Error::graph(&self.path, &reason)
            }
            Refusal::Memory(error) => Error::ModelFile {
                model: self.id.clone(),
                path: self.path.clone(),
                reason: error.to_string(),
            },
        })
    }

    /// Reads a finished graph (the kind [`Kind::Onnx`]), checks its sum and that it is the network
    /// that the manifest describes.
    ///
    /// # Errors
    /// [`Error::ModelFile`], [`Error::ModelAltered`], [`Error::ModelGraph`].
    pub fn load(&self) -> Result<Graph> {
        let (bytes, sum) = checksum::read(&self.path).map_err(|error| Error::ModelFile {
            model: self.id.clone(),
            path: self.path.clone(),
            reason: error.to_string(),
        })?;
        if sum.sha256 != self.sha256 {
            return Err(Error::ModelAltered {
                model: self.id.clone(),
                path: self.path.clone(),
                expected: self.sha256.clone(),
                found: sum.sha256,
                bytes: sum.length,
            });
        }
        let fail = |reason: String| Error::graph(&self.path, &reason);
        let signature = onnx::signature(&bytes).map_err(fail)?;
        self.check(&signature).map_err(fail)?;
        Ok(Graph { bytes, signature })
    }
}

impl From<Imported> for Model {
    /// An imported checkpoint: the original's contract, see [`graph`].
    fn from(imported: Imported) -> Self {
        Self {
            id: imported.id.clone(),
            name: imported.name.clone(),
            version: imported.version.clone(),
            licence: imported.licence.clone(),
            manifest: imported.manifest.clone(),
            path: imported.path.clone(),
            sha256: imported.sha256.clone(),
            processor: None,
            // The original stretches the plate into a square; Full gives it its own shape.
            size_rule: SizeRule {
                fit: Fit::Square,
                multiple: graph::MULTIPLE,
                min: 2 * graph::MULTIPLE,
                max_long: 2048,
                auto_long: 2048,
            },
            normalisation: Normalisation::IMAGENET,
            screens: vec![Screen::Green],
            input: graph::INPUT.into(),
            refiner: Some(graph::REFINER_SCALE.into()),
            alpha: graph::ALPHA.into(),
            foreground: graph::FOREGROUND.into(),
            // On a GPU the original computes in 16 bits, which is several times as quick.
            precisions: vec![Precision::Fp16, Precision::Fp32],
            bytes_per_pixel: BYTES_PER_PIXEL,
            tiles: None,
            kind: Kind::Greenformer(Box::new(imported)),
        }
    }
}

#[cfg(test)]
mod tests;
