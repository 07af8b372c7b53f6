//! What an [`Engine`](super::Engine) is made of, by the model's kind, the device and the precision.

use std::borrow::Cow;
use std::path::Path;

use ort::session::Session;

use super::failure;
use crate::network::device::{Device, Precision};
use crate::network::error::{Error, Result};
use crate::network::greenformer::graph;
use crate::network::greenformer::import::Imported;
use crate::network::greenformer::plan;
use crate::network::greenformer::refiner::Refiner as OwnRefiner;
use crate::network::greenformer::weights::WeightsFile;
use crate::network::half;
use crate::network::model::{Graph, Model, Own, Refiner};
use crate::network::onnx::Dimension;
use crate::network::refined::Refined;
use crate::network::runtime::{Convolutions, Runtime};
use crate::network::session::Key;
use crate::network::tiled::{self, Tiled};
use crate::network::unmixer::Unmixer;

/// The network, ready to run.
#[derive(Debug)]
pub(super) enum Network {
    /// In one piece.
    Whole(Session),
    /// In tiles, see [`tiles`](crate::network::tiles).
    Tiled(Box<Tiled>),
    /// With a refiner of our own, see [`refined`](crate::network::refined).
    Refined(Box<Refined>),
    /// All of it computed here, see [`unmixer`](crate::network::unmixer).
    Unmixer(Box<Unmixer>),
}

/// The free dimensions of the graph's input and the sizes they get.
fn free_sizes(model: &Model, graph: &Graph, key: &Key) -> Result<Vec<(String, i64)>> {
    let fail = |reason: String| Error::Input {
        model: model.id.clone(),
        width: key.width,
        height: key.height,
        reason,
    };
    let port = graph
        .signature
        .inputs
        .iter()
        .find(|port| port.name == model.input);
    let Some([batch, channels, rows, columns]) = port.and_then(|port| port.shape.as_deref()) else {
        return Ok(Vec::new());
    };
    let mut sizes: Vec<(String, i64)> = Vec::new();
    for (dimension, size) in [
        (batch, 1),
        (channels, 4),
        (rows, key.height),
        (columns, key.width),
    ] {
        match dimension {
            Dimension::Fixed(fixed) if *fixed != size as u64 => {
                let fixed = |dimension: &Dimension| match dimension {
                    Dimension::Fixed(length) => length.to_string(),
                    _ => "any".into(),
                };
                return Err(fail(format!(
                    "its network takes {} x {} only",
                    fixed(columns),
                    fixed(rows)
                )));
            }
            Dimension::Named(name) => {
                if let Some((_, other)) = sizes.iter().find(|(known, _)| known == name) {
                    if *other != size as i64 {
                        return Err(fail(format!(
                            "its network takes squares only (both sides are \"{name}\")"
                        )));
                    }
                } else {
                    sizes.push((name.clone(), size as i64));
                }
            }
            Dimension::Fixed(_) | Dimension::Unknown => {}
        }
    }
    Ok(sizes)
}

/// The network of a file that holds a finished graph, and the rank of its refiner input.
///
/// # Errors
/// Those of [`Model::load`] and [`Model::layers`]; [`Error::Input`] for a size that the graph does
/// not take; [`Error::OutOfMemory`]; [`Error::Session`]; [`Error::Thread`].
pub(super) fn stored(
    runtime: &Runtime,
    model: &Model,
    key: &Key,
    threads: usize,
) -> Result<(Network, usize)> {
    let graph = model.load()?;
    let sizes = free_sizes(model, &graph, key)?;
    match key.own {
        Some(Own::Unmixer) => {
            let layers = model.layers(&graph)?;
            let unmixer = Unmixer::new(layers, key.width, key.height, threads)?;
            return Ok((Network::Unmixer(Box::new(unmixer)), 0));
        }
        None => {}
    }
    let failed = |error: ort::Error| failure(model, key, &error, true);
    let layout = model.layout(key.width, key.height, key.device, key.precision);
    let network = match (layout, &model.tiles) {
        (Some(layout), Some((seams, _))) => {
            let parts = tiled::parts(&graph.bytes, model, key, &layout, seams)?;
            let session =
                |bytes: &[u8]| session(runtime, &computing(bytes, key)?, key, &[], threads);
            let tiled = Tiled::build(&parts, layout, seams, model, session).map_err(failed)?;
            Network::Tiled(Box::new(tiled))
        }
        _ => {
            let whole = computing(&graph.bytes, key)
                .and_then(|bytes| session(runtime, &bytes, key, &sizes, threads));
            Network::Whole(whole.map_err(failed)?)
        }
    };
    let refiner = graph
        .signature
        .inputs
        .iter()
        .find(|port| Some(&port.name) == model.refiner.as_ref());
    let shape = refiner.and_then(|port| port.shape.as_ref());
    Ok((network, shape.map_or(0, Vec::len)))
}

/// A stored graph in the arithmetic that the session is to have.
fn computing<'a>(graph: &'a [u8], key: &Key) -> ort::Result<Cow<'a, [u8]>> {
    Ok(match key.precision {
        Precision::Fp32 => Cow::Borrowed(graph),
        Precision::Fp16 => Cow::Owned(half::to_half(graph).map_err(ort::Error::new)?),
    })
}

/// The network of an imported checkpoint: its graphs are made for this size, and take their weights
/// out of the one file that all sizes share.
///
/// # Errors
/// Those of [`Imported::prove`], [`WeightsFile::open`], [`graph::build`] and
/// [`OwnRefiner::new`](crate::network::greenformer::refiner::Refiner::new);
/// [`Error::OutOfMemory`]; [`Error::Session`].
pub(super) fn built(
    runtime: &Runtime,
    model: &Model,
    imported: &Imported,
    key: &Key,
    threads: usize,
    refiner: Refiner,
) -> Result<Network> {
    imported.prove()?;
    let weights = WeightsFile::open(&model.path)?;
    let options = graph::Options {
        height: key.height,
        width: key.width,
        precision: key.precision,
        device: key.device,
    };
    let folder = model
        .path
        .parent()
        .unwrap_or(Path::new(""))
        .to_string_lossy();
    let convolutions = match key.precision {
        Precision::Fp32 => Convolutions::Exact,
        Precision::Fp16 => Convolutions::ChannelsLast,
    };
    let prepacked = match key.device {
        Device::Cuda => "0",
        Device::CoreMl | Device::Cpu => "1",
    };
    let session = |bytes: Vec<u8>| {
        let session = || -> ort::Result<Session> {
            runtime
                .builder(key.device, convolutions, threads)?
                .with_config_entry(
                    "session.model_external_initializers_file_folder_path",
                    &folder,
                )?
                // On a processor, arranging the matrices for the kernels would give every session
                // a copy of its own. Left as they are they stay pages of the one file, and those
                // that are not convolutions there anyway cost a fiftieth more time. A GPU has a copy in any case, and its convolutions are told
                // there in which order their weights are.
                .with_config_entry("session.disable_prepacking", prepacked)?
                .commit_from_memory(&bytes)
        };
        session().map_err(|error| failure(model, key, &error, true))
    };
    // On a processor in 32 bits the refiner here is the quickest. Elsewhere it saves memory.
    let ours = key.device == Device::Cpu && key.precision == Precision::Fp32;
    Ok(match refiner {
        Refiner::Whole if !ours => {
            let whole = session(graph::build(&weights, &options)?)?;
            if key.device == Device::Cuda {
                runtime.make_room(&whole, plan::cuda(key.height, key.width, key.precision));
            }
            Network::Whole(whole)
        }
        memory => {
            let coarse = session(graph::coarse(&weights, &options)?)?;
            let refiner = OwnRefiner::new(&weights, key.width, key.height, threads)?;
            Network::Refined(Box::new(Refined::new(coarse, refiner, memory)?))
        }
    })
}

fn session(
    runtime: &Runtime,
    graph: &[u8],
    key: &Key,
    sizes: &[(String, i64)],
    threads: usize,
) -> ort::Result<Session> {
    let convolutions = match key.precision {
        Precision::Fp32 => Convolutions::Exact,
        Precision::Fp16 => Convolutions::Half,
    };
    let mut builder = runtime.builder(key.device, convolutions, threads)?;
    for (name, size) in sizes {
        builder = builder.with_dimension_override(name, *size)?;
    }
    builder.commit_from_memory(graph)
}
