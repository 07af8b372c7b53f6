//! One model on one device at one size: built, run and checked.

mod build;
mod stage;

use std::borrow::Cow;
use std::collections::TryReserveError;
use std::ffi::CString;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ort::session::RunOptions;
use parking_lot::Mutex;

use self::build::{Network, built, stored};
use self::stage::Stage;
use super::device::Device;
use super::error::{Error, Result};
use super::model::{Kind, Model, Own, Refiner};
use super::picture::Picture;
use super::probes::memory_was_short;
use super::refined::Orders;
use super::runtime::{self, Given, Pinned, Runtime, Wanted};
use super::session::Key;
use super::staging::{Room as _, Set, Staging};
use super::worker::Worker;
use super::{Control, POLL};
use crate::keyer::{Planes, Pool, Prediction, Size};

/// A session that is ready to run.
#[derive(Debug)]
pub struct Engine {
    /// Where pictures wait to be fetched by a GPU. It is taken from the session's memory, and goes
    /// before it.
    stage: Option<Stage>,
    /// Running needs the sessions for itself: the runtime's own Run is not safe from two threads.
    network: Mutex<Network>,
    /// Where it runs.
    worker: Worker,
    model: Arc<Model>,
    key: Key,
    input: CString,
    refiner: Option<(CString, Vec<i64>)>,
    alpha: CString,
    foreground: CString,
    /// How long building took.
    built: Duration,
}

impl Engine {
    /// Builds the session for `key`. `refiner` is of account for imported checkpoints only, and not
    /// on CUDA.
    ///
    /// # Errors
    /// Those of [`Model::load`]; [`Error::Input`] for a size that the graph does not take;
    /// [`Error::OutOfMemory`]; [`Error::Session`]; [`Error::Thread`].
    pub fn build(
        runtime: &Runtime,
        model: Arc<Model>,
        key: Key,
        threads: usize,
        refiner: Refiner,
    ) -> Result<Self> {
        let begun = Instant::now();
        // Strips save the processor's memory, and are worked there.
        let refiner = match key.device {
            Device::Cuda => Refiner::Whole,
            Device::CoreMl | Device::Cpu => refiner,
        };
        let (network, rank) = match &model.kind {
            Kind::Onnx => stored(runtime, &model, &key, threads)?,
            Kind::Greenformer(imported) => {
                (built(runtime, &model, imported, &key, threads, refiner)?, 1)
            }
        };
        let name = |name: &str| {
            CString::new(name).map_err(|_| {
                let reason = format!("the name \"{}\" has a null in it", name.escape_default());
                Error::graph(&model.path, &reason)
            })
        };
        let refiner = match &model.refiner {
            Some(refiner) => Some((name(refiner)?, vec![1; rank])),
            None => None,
        };
        Ok(Self {
            stage: Stage::beside(&network, &key, threads),
            network: Mutex::new(network),
            worker: Worker::start()?,
            input: name(&model.input)?,
            alpha: name(&model.alpha)?,
            foreground: name(&model.foreground)?,
            refiner,
            model,
            key,
            built: begun.elapsed(),
        })
    }

    /// How long building took.
    pub fn built(&self) -> Duration {
        self.built
    }

    /// The network of ours that this is, if it is none of the runtime's sessions.
    pub fn own(&self) -> Option<Own> {
        self.key.own
    }

    /// Runs the network and says how long that took, waiting aside.
    ///
    /// The picture is written before it is the session's turn, straight into the memory that a GPU
    /// fetches it from where there is such memory. The run happens in the session's own thread while
    /// this one asks `control` whether to go on. The planes of the answer come from `pool`.
    ///
    /// # Errors
    /// [`Error::Aborted`], [`Error::OutOfMemory`], [`Error::Run`], [`Error::NonFinite`],
    /// [`Error::Internal`], and those of the picture's writing.
    pub fn run(
        &self,
        input: &dyn Picture,
        refiner_strength: f32,
        pool: &Pool,
        control: &dyn Control,
    ) -> Result<(Prediction, Duration)> {
        let (width, height) = (self.key.width, self.key.height);
        let failed = |error: ort::Error| failure(&self.model, &self.key, &error, false);
        let mut places = match &self.stage {
            Some(stage) => {
                let mut set = stage.set().map_err(failed)?;
                input.write(set.input.values_mut())?;
                Places::Staged(&stage.staging, set)
            }
            None => Places::Here(self.given(input, pool)?, self.rooms(pool)?),
        };
        let written = Instant::now();
        let mut guard = loop {
            super::check(control)?;
            if let Some(network) = self.network.try_lock_for(POLL) {
                break network;
            }
        };
        let options = orders().map_err(failed)?;
        let [keep, give_back] = &options;
        let stopped = AtomicBool::new(false);
        let begun = Instant::now();
        let network: &mut Network = &mut guard;
        let stop = || {
            stopped.store(true, Ordering::Relaxed);
            // If even this fails there is nothing left but to let the run end by itself.
            for options in &options {
                if let Err(error) = options.terminate() {
                    log::warn!("a run could not be stopped: {error}");
                }
            }
        };
        let staging = match &places {
            Places::Staged(staging, _) => Some(*staging),
            Places::Here(..) => None,
        };
        let (values, answers) = match &mut places {
            Places::Staged(_, set) => (
                set.input.values(),
                [set.alpha.values_mut(), set.foreground.values_mut()],
            ),
            Places::Here(input, [alpha, foreground]) => {
                (&**input, [&mut alpha[..], &mut foreground[..]])
            }
        };
        let size = Size::new(width, height);
        let work = || {
            let [alpha, foreground] = answers;
            let session = match network {
                Network::Whole(session) => session,
                Network::Tiled(tiled) => return tiled.run(keep, size, values, alpha, foreground),
                Network::Unmixer(unmixer) => {
                    return unmixer
                        .run(values, &stopped, alpha, foreground)
                        .map_err(short);
                }
                Network::Refined(refined) => {
                    let orders = Orders {
                        keep,
                        give_back,
                        stop: &stopped,
                    };
                    return refined.run(&orders, size, values, refiner_strength, alpha, foreground);
                }
            };
            let shape = |channels| [1, channels, height as i64, width as i64];
            let (four, one, three) = (shape(4), shape(1), shape(3));
            let mut given = vec![Given {
                name: &self.input,
                shape: &four,
                values,
            }];
            let strength = [refiner_strength];
            if let Some((name, shape)) = &self.refiner {
                given.push(Given {
                    name,
                    shape,
                    values: &strength,
                });
            }
            let mut wanted = [
                Wanted {
                    name: &self.alpha,
                    shape: &one,
                    values: alpha,
                },
                Wanted {
                    name: &self.foreground,
                    shape: &three,
                    values: foreground,
                },
            ];
            runtime::run(session, keep, &given, &mut wanted)
        };
        let run = || {
            let ran = self.worker.run(control, stop, work);
            (ran, begun.elapsed())
        };
        // Where the answers are to stay, if that is not where the network answers.
        let mut rooms = None;
        let (ran, took) = match staging {
            Some(staging) => {
                let make = || {
                    let mut made = self.rooms(pool);
                    made.iter_mut()
                        .flatten()
                        .for_each(|room| staging.touch(room));
                    rooms = Some(made);
                };
                staging.meanwhile(make, run)
            }
            None => run(),
        };
        drop(guard);
        if let Err(error) = ran.and_then(|ran| ran.map_err(failed)) {
            // What the GPU may still be doing with the set it does before the next frame's.
            if let Places::Staged(staging, set) = places {
                staging.keep(set);
            }
            return Err(error);
        }
        let answered = Instant::now();
        let (alpha, foreground, finite) = match places {
            Places::Here(input, [alpha, foreground]) => {
                if let Cow::Owned(room) = input {
                    pool.give(room);
                }
                let finite = [all_finite(&alpha), all_finite(&foreground)];
                (alpha, foreground, finite)
            }
            Places::Staged(staging, set) => {
                let [mut alpha, mut foreground] = rooms.unwrap_or_else(|| self.rooms(pool))?;
                let finite = staging.empty(set, &mut alpha, &mut foreground);
                (alpha, foreground, finite)
            }
        };
        log::debug!(
            "{} at {width} x {height}: waited {:.1} ms, ran {:.1}, answers taken in {:.1}",
            self.model.id,
            (begun - written).as_secs_f64() * 1e3,
            took.as_secs_f64() * 1e3,
            answered.elapsed().as_secs_f64() * 1e3,
        );
        let names = [&self.model.alpha, &self.model.foreground];
        for (finite, name) in finite.into_iter().zip(names) {
            if !finite {
                return Err(Error::NonFinite {
                    model: self.model.id.clone(),
                    device: self.key.device.name(),
                    precision: self.key.precision.id(),
                    output: name.clone(),
                });
            }
        }
        let planes = |channels, values| {
            Planes::from_vec(width, height, channels, values).map_err(|error| Error::Run {
                model: self.model.id.clone(),
                device: self.key.device.name(),
                width,
                height,
                reason: error.to_string(),
            })
        };
        Ok((
            Prediction {
                alpha: planes(1, alpha)?,
                foreground: planes(3, foreground)?,
            },
            took,
        ))
    }

    /// The picture's values: as they lie, or written into memory from `pool`.
    fn given<'a>(&self, input: &'a dyn Picture, pool: &Pool) -> Result<Cow<'a, [f32]>> {
        if let Some(values) = input.values() {
            return Ok(Cow::Borrowed(values));
        }
        let mut room = self.room(4, pool)?;
        input.write(&mut room)?;
        Ok(Cow::Owned(room))
    }

    /// Room for alpha and foreground.
    fn rooms(&self, pool: &Pool) -> Result<[Vec<f32>; 2]> {
        // The larger first, so that it gets the larger of what there is.
        let foreground = self.room(3, pool)?;
        Ok([self.room(1, pool)?, foreground])
    }

    /// Room for so many planes, all of which is to be written. Where it is fresh, its
    /// pages are not touched before.
    fn room(&self, planes: usize, pool: &Pool) -> Result<Vec<f32>> {
        let (width, height) = (self.key.width, self.key.height);
        pool.take(Size::new(width, height), planes)
            .map_err(|error| Error::OutOfMemory {
                model: self.model.id.clone(),
                device: "the computer",
                width,
                height,
                reason: error.to_string(),
                half: None,
            })
    }
}

/// Where the network finds its picture and puts its answers.
enum Places<'a> {
    /// In memory that a GPU reads and writes by itself.
    Staged(&'a Staging<Pinned>, Set<Pinned>),
    /// In any memory: the picture, and alpha and foreground where they stay.
    Here(Cow<'a, [f32]>, [Vec<f32>; 2]),
}

/// How the runtime is told to run; with the second the session also gives back the memory that it
/// worked in, which it keeps for its next run otherwise.
fn orders() -> ort::Result<[RunOptions; 2]> {
    let mut last = RunOptions::new()?;
    last.set("memory.enable_memory_arena_shrinkage", "cpu:0")?;
    Ok([RunOptions::new()?, last])
}

/// What is computed here ran out of memory: said as the runtime says it, so that [`failure`] finds
/// out what was the matter in one way.
fn short(error: TryReserveError) -> ort::Error {
    ort::Error::new(format!("out of memory: {error}"))
}

/// Turns what the runtime says into a sentence, and finds out whether memory was the matter.
fn failure(model: &Model, key: &Key, error: &ort::Error, building: bool) -> Error {
    let (model, device, width, height) =
        (model.id.clone(), key.device.name(), key.width, key.height);
    let reason = error
        .message()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    if memory_was_short(&reason) {
        Error::OutOfMemory {
            model,
            device,
            width,
            height,
            reason,
            half: None,
        }
    } else if building {
        Error::Session {
            model,
            device,
            width,
            height,
            reason,
        }
    } else {
        Error::Run {
            model,
            device,
            width,
            height,
            reason,
        }
    }
}

/// True when every value is a number. Infinity and not-a-number times 0 are not 0, and a sum of
/// products is what processors are quickest at.
pub(super) fn all_finite(values: &[f32]) -> bool {
    let (chunks, rest) = values.as_chunks::<16>();
    let mut sums = [0.0f32; 16];
    for chunk in chunks {
        for (sum, value) in sums.iter_mut().zip(chunk) {
            *sum += value * 0.0;
        }
    }
    sums.iter().sum::<f32>() == 0.0 && rest.iter().all(|value| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_value_anywhere_is_found() {
        let mut values = vec![1.0e30f32; 1000];
        values[3] = -1.0e38;
        assert!(all_finite(&values) && all_finite(&[]));
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for place in [0, 15, 16, 500, 991, 992, 999] {
                let mut values = values.clone();
                values[place] = bad;
                assert!(!all_finite(&values), "{bad} at {place}");
            }
        }
    }
}
