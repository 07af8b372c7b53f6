//! The one object that a process has: runtime, sessions, predictions, and leave to work.
//!
//! Hosts create and destroy instances for every frame and render from many threads. So nothing of
//! value belongs to an instance; everything hangs off [`Service::global`], which costs nothing
//! until the first prediction.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use super::cache::{self, PredictionCache};
use super::device::{self, Device, DeviceChoice, Precision, PrecisionChoice, Selection};
use super::engine::Engine;
use super::error::{Error, Result};
use super::gate::{Gate, Permit};
use super::model::{Model, Refiner};
use super::models::Models;
use super::options::{MB, Options};
use super::picture::Picture;
use super::probes::{Unfit, on_device};
use super::runtime::{self, Library, Runtime};
use super::session::{self, Key, Lease, Limits, Sessions};
use super::{Control, check};
use crate::keyer::{Asked, Backing, Prediction, Screen, Size};

/// What is to be predicted.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The model.
    pub model: &'a Model,
    /// Where, as the project or the command line says.
    pub device: DeviceChoice,
    /// In which arithmetic.
    pub precision: PrecisionChoice,
    /// The normalised plate and the hint, or what writes them.
    pub input: &'a dyn Picture,
    /// How strongly the refiner acts, for models that have one; 1 is as trained.
    pub refiner_strength: f32,
}

/// A prediction and how it came about.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Alpha and foreground at the network's resolution. All values are finite.
    pub prediction: Prediction,
    /// Where it ran.
    pub device: Device,
    /// How long the network took, without waiting and building.
    pub milliseconds: f64,
    /// What the user should know: why not a better device, what had to be tried twice.
    pub notes: Vec<String>,
}

/// What is kept of a run: the prediction, and what is needed to use it without the plate.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Alpha and foreground at the network's resolution.
    pub prediction: Prediction,
    /// The screen's colour, named or found.
    pub screen: Screen,
    /// The screen whose channel changed places with green in the network's input.
    pub exchange: Screen,
    /// The light behind the subject, and whether the plate has light beyond 0..1.
    pub backing: Backing,
    /// Where somebody asked for a subject, in the plate's size; `None` where nobody did.
    pub asked: Option<Arc<Asked>>,
    /// Where the hint came from, for the panel.
    pub hint: String,
    /// Where it ran, and why there, for the panel.
    pub device: String,
    /// How long the network took.
    pub milliseconds: f64,
}

/// The last successful run.
#[derive(Debug, Clone, PartialEq)]
pub struct LastRun {
    /// The model, `id@version`.
    pub model: String,
    /// Where, and why there.
    pub device: String,
    /// Columns of the network's input.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// How long the network took.
    pub milliseconds: f64,
}

/// What a status panel shows. Taking it starts nothing.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// The runtime library, once it is loaded.
    pub library: Option<Library>,
    /// Why it could not be loaded at the last attempt.
    pub library_error: Option<Error>,
    /// Devices that were tried, and why they do not work.
    pub devices: Vec<(Device, std::result::Result<(), String>)>,
    /// The last run.
    pub last: Option<LastRun>,
    /// Sessions that are kept.
    pub sessions: Vec<session::Info>,
    /// The prediction cache.
    pub cache: cache::Stats,
    /// Runs of the network since the process began.
    pub runs: u64,
}

/// See the [module](self).
#[derive(Debug)]
pub struct Service {
    options: Options,
    /// A variable that could not be understood; told at the first prediction.
    misread: Option<Error>,
    module: Option<PathBuf>,
    sessions: Arc<Sessions<Engine>>,
    unfit: Unfit,
    cache: PredictionCache,
    gate: Gate,
    pool: OnceLock<rayon::ThreadPool>,
    pool_turn: Mutex<()>,
    runs: AtomicU64,
    last: Mutex<Last>,
    /// Models, by checksum, and devices on which 16-bit floats were not enough.
    overflowing: Mutex<HashSet<(String, Device)>>,
}

#[derive(Debug, Default)]
struct Last {
    run: Option<LastRun>,
    library_error: Option<Error>,
}

impl Service {
    /// The process's own.
    pub fn global() -> &'static Self {
        static GLOBAL: OnceLock<Service> = OnceLock::new();
        GLOBAL.get_or_init(|| {
            let (options, misread) = match Options::from_environment() {
                Ok(options) => (options, None),
                Err(error) => (Options::default(), Some(error)),
            };
            Self {
                misread,
                ..Self::new(options, super::module_path())
            }
        })
    }

    /// One with its own options, sessions and cache. Only the runtime library is shared, since a
    /// process can have but one.
    pub fn new(options: Options, module: Option<&Path>) -> Self {
        let limits = Limits {
            count: options.sessions,
            bytes: options.session_bytes,
            idle: options.idle,
        };
        Self {
            misread: None,
            module: module.map(Path::to_owned),
            sessions: Sessions::new(limits),
            unfit: Unfit::default(),
            cache: PredictionCache::new(options.cache_bytes),
            gate: Gate::new(options.frames),
            pool: OnceLock::new(),
            pool_turn: Mutex::new(()),
            runs: AtomicU64::new(0),
            last: Mutex::default(),
            overflowing: Mutex::default(),
            options,
        }
    }

    /// What the environment says.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Where models are looked for.
    pub fn models(&self) -> Models {
        Models::standard(&self.options, self.module.as_deref())
    }

    /// The predictions that are kept.
    pub fn cache(&self) -> &PredictionCache {
        &self.cache
    }

    /// Runs of the network so far.
    pub fn runs(&self) -> u64 {
        self.runs.load(Ordering::SeqCst)
    }

    /// Waits for leave to work on a frame. Take it after the host has handed over its images, and
    /// make no call into the host but those of `control` while holding it: a host may
    /// answer a call by rendering another of our nodes, which would need leave too. Waiting for
    /// another frame's prediction in [`cache`](Self::cache) is fine: that frame has leave already.
    ///
    /// # Errors
    /// [`Error::Aborted`].
    pub fn admit(&self, control: &dyn Control) -> Result<Permit<'_>> {
        self.gate.enter(control)
    }

    /// Has `release` called when the last session was released because nobody used it: the moment
    /// to give back what else is only kept for the next frame. The first word counts.
    pub fn at_rest(&self, release: fn()) {
        self.sessions.at_rest(release);
    }

    /// Runs `work` in our own threads. The calling thread waits and asks nobody: do nothing in
    /// there that has to ask the host, [`predict`](Self::predict) included.
    ///
    /// # Errors
    /// [`Error::Thread`] when the system gives no threads; otherwise the work's own.
    pub fn install<T: Send, X: From<Error> + Send>(
        &self,
        work: impl FnOnce() -> std::result::Result<T, X> + Send,
    ) -> std::result::Result<T, X> {
        self.pool()?.install(work)
    }

    fn pool(&self) -> Result<&rayon::ThreadPool> {
        if let Some(pool) = self.pool.get() {
            return Ok(pool);
        }
        let _turn = self.pool_turn.lock();
        if let Some(pool) = self.pool.get() {
            return Ok(pool);
        }
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(self.options.picture_threads())
            .thread_name(|index| format!("corridorkey-{index}"))
            .build()
            .map_err(|error| Error::Thread {
                what: "no threads could be started",
                reason: error.to_string(),
            })?;
        Ok(self.pool.get_or_init(|| pool))
    }

    /// The runtime, loaded now if it has not been.
    ///
    /// # Errors
    /// [`Error::Setting`], [`Error::Library`], [`Error::LibraryStart`].
    pub fn runtime(&self) -> Result<&'static Runtime> {
        if let Some(error) = &self.misread {
            return Err(error.clone());
        }
        let loaded = runtime::load(&self.options, self.module.as_deref());
        self.last.lock().library_error = loaded.as_ref().err().cloned();
        loaded
    }

    /// Finds out where the network would run, which may load the library and try devices.
    ///
    /// # Errors
    /// Those of [`runtime`](Self::runtime) and of the device rule.
    pub fn select(&self, choice: DeviceChoice) -> Result<Selection> {
        let wish = device::wish(choice, &self.options)?;
        device::select(&wish, self.runtime()?, &[])
    }

    /// Predicts alpha and foreground.
    ///
    /// Call it on the thread that the host gave, outside of [`install`](Self::install): `control`
    /// is asked on the calling thread, about a hundred times a second.
    ///
    /// # Errors
    /// Any of [`Error`]; [`Error::Aborted`] within some 10 ms of `control` saying so, plus the time
    /// that the runtime takes to stop.
    pub fn predict(&self, request: &Request<'_>, control: &dyn Control) -> Result<Outcome> {
        check(control)?;
        let wish = device::wish(request.device, &self.options)?;
        check_shape(request)?;
        let runtime = self.runtime()?;
        runtime.prepare(wish.choice, control)?;
        let sha256 = &request.model.sha256;
        on_device(&wish, runtime, &self.unfit, sha256, |selection| {
            let precision = request
                .model
                .precision(request.precision, selection.device)?;
            let Size { width, height } = request.input.size();
            let key = request
                .model
                .key(width, height, selection.device, precision);
            self.check_budget(request, &key)?;
            let mut notes = rejections(selection);
            let (prediction, milliseconds) =
                self.run_finite(runtime, &key, request, control, &mut notes)?;
            self.last.lock().run = Some(LastRun {
                model: request.model.full_id(),
                device: selection.explanation(),
                width: key.width,
                height: key.height,
                milliseconds,
            });
            Ok(Outcome {
                prediction,
                device: selection.device,
                milliseconds,
                notes,
            })
        })
    }

    /// One device, in 32 bits where 16 are not enough for this model: numbers beyond 65504 become
    /// infinite in them. That is found out once and remembered, and told with every picture.
    fn run_finite(
        &self,
        runtime: &'static Runtime,
        key: &Key,
        request: &Request<'_>,
        control: &dyn Control,
        notes: &mut Vec<String>,
    ) -> Result<(Prediction, f64)> {
        let either = request.model.precisions.contains(&Precision::Fp32);
        if key.precision == Precision::Fp32 || !either {
            return self.run(runtime, key, request, control, notes);
        }
        let place = (key.model.clone(), key.device);
        let known = self.overflowing.lock().contains(&place);
        if !known {
            match self.run(runtime, key, request, control, notes) {
                Err(Error::NonFinite { .. }) => {}
                other => return other,
            }
        }
        let (model, wide) = (request.model, Precision::Fp32);
        let wide = model.key(key.width, key.height, key.device, wide);
        self.check_budget(request, &wide)?;
        // When this fails as well, 16 bits were not the matter and nothing is remembered.
        let outcome = self.run(runtime, &wide, request, control, notes)?;
        let note = format!(
            "the model \"{}\" gives values that are not numbers in fp16 on {}, so fp32 is used",
            request.model.id,
            key.device.name()
        );
        if self.overflowing.lock().insert(place) {
            log::warn!("{note}");
        }
        notes.push(note);
        Ok(outcome)
    }

    /// One device, with a second attempt when memory is short.
    fn run(
        &self,
        runtime: &'static Runtime,
        key: &Key,
        request: &Request<'_>,
        control: &dyn Control,
        notes: &mut Vec<String>,
    ) -> Result<(Prediction, f64)> {
        let attempt = || -> Result<(Prediction, f64)> {
            let engine = self.engine(runtime, key, request.model, control)?;
            self.runs.fetch_add(1, Ordering::SeqCst);
            let (prediction, took) = engine.run(
                request.input,
                request.refiner_strength,
                self.cache.spare(),
                control,
            )?;
            Ok((prediction, took.as_secs_f64() * 1e3))
        };
        match attempt() {
            Err(error @ Error::OutOfMemory { .. }) => {
                // The failed session is among those released: its arena keeps what it had got.
                let released = self.sessions.purge();
                let bytes = if key.device == Device::Cpu {
                    self.cache.purge()
                } else {
                    0
                };
                log::warn!(
                    "{error}; released {released} sessions and {} MB of predictions, trying again",
                    bytes / MB
                );
                check(control)?;
                let again = attempt().map_err(|error| with_half(error, request.model))?;
                notes.push(format!(
                    "{} was short of memory; idle sessions were released",
                    key.device.name()
                ));
                Ok(again)
            }
            other => other,
        }
    }

    fn engine(
        &self,
        runtime: &'static Runtime,
        key: &Key,
        model: &Model,
        control: &dyn Control,
    ) -> Result<Lease<Engine>> {
        let budget = self.options.session_bytes;
        let Key {
            device, precision, ..
        } = *key;
        let (refiner, needed) = model.within(key.width, key.height, device, precision, budget);
        let bytes = needed.total();
        let threads = self.options.network_threads();
        let (model, build_key) = (Arc::new(model.clone()), key.clone());
        self.sessions.acquire(key, bytes, control, move || {
            let engine = Engine::build(runtime, model.clone(), build_key, threads, refiner)?;
            log::info!(
                "prepared {} in {} ms{}",
                model.full_id(),
                engine.built().as_millis(),
                match (engine.own(), refiner) {
                    (Some(own), _) => format!(", computed by the plug-in itself ({})", own.id()),
                    (None, Refiner::Whole) => String::new(),
                    (None, Refiner::Strips) => ", its refiner in strips".into(),
                }
            );
            Ok(engine)
        })
    }

    /// Refuses a session that alone is beyond the budget.
    fn check_budget(&self, request: &Request<'_>, key: &Key) -> Result<()> {
        let (model, budget) = (request.model, self.options.session_bytes);
        let Key {
            device,
            precision,
            width,
            height,
            ..
        } = *key;
        let (_, needed) = model.within(width, height, device, precision, budget);
        let needed = needed.total();
        if needed > budget {
            return Err(Error::TooLarge {
                model: model.id.clone(),
                width,
                height,
                needed_mb: needed.div_ceil(MB),
                budget_mb: budget / MB,
                fits: model.largest_within(width, height, device, precision, budget),
            });
        }
        Ok(())
    }

    /// Releases every session that is not in use and every kept prediction, and forgets which
    /// devices did not work: whoever presses the button has perhaps made room on one.
    pub fn purge(&self) {
        let sessions = self.sessions.purge();
        let bytes = self.cache.purge();
        self.unfit.clear();
        if let Some(runtime) = runtime::loaded() {
            runtime.forget_failures();
        }
        log::debug!(
            "released {sessions} sessions and {} MB of predictions",
            bytes / MB
        );
    }

    /// What a status panel shows. Starts nothing and loads nothing.
    pub fn status(&self) -> Status {
        let runtime = runtime::loaded();
        let last = self.last.lock();
        Status {
            library: runtime.map(|runtime| runtime.library().clone()),
            library_error: self.misread.clone().or_else(|| last.library_error.clone()),
            devices: runtime.map(Runtime::probed).unwrap_or_default(),
            last: last.run.clone(),
            sessions: self.sessions.list(),
            cache: self.cache.stats(),
            runs: self.runs(),
        }
    }

    /// Loads the library and tries every device, for a diagnosis.
    ///
    /// # Errors
    /// Those of [`runtime`](Self::runtime).
    pub fn diagnose(&self) -> Result<Status> {
        let runtime = self.runtime()?;
        for device in Device::ALL {
            let _ = device::Bench::probe(runtime, device);
        }
        Ok(self.status())
    }
}

/// Refuses a picture that could only fail later, in worse words.
fn check_shape(request: &Request<'_>) -> Result<()> {
    let (model, input) = (request.model, request.input);
    let Size { width, height } = input.size();
    let fail = |reason: String| Error::Input {
        model: model.id.clone(),
        width,
        height,
        reason,
    };
    let values = width
        .checked_mul(height)
        .and_then(|pixels| pixels.checked_mul(4));
    // What is still to be written is written into as many values as there have to be.
    let found = input.values().map_or(values, |there| Some(there.len()));
    if values != found || found.unwrap_or(0) == 0 {
        let found = found.map_or("too many".into(), |found| found.to_string());
        return Err(fail(format!(
            "its tensor has {found} values instead of 4 planes"
        )));
    }
    let multiple = model.size_rule.multiple;
    if !width.is_multiple_of(multiple) || !height.is_multiple_of(multiple) {
        return Err(fail(format!("both sides must be multiples of {multiple}")));
    }
    Ok(())
}

/// The error with a size to choose instead, where memory was the matter. What a device has left is
/// not known; half of what was too much is more likely there than any other number.
fn with_half(error: Error, model: &Model) -> Error {
    let Error::OutOfMemory {
        model: id,
        device,
        width,
        height,
        reason,
        ..
    } = error
    else {
        return error;
    };
    let rule = model.size_rule;
    let smaller = |side: usize| side * 7 / 10 / rule.multiple * rule.multiple;
    let (less_wide, less_high) = (smaller(width), smaller(height));
    Error::OutOfMemory {
        half: (less_wide.min(less_high) >= rule.min).then_some((less_wide, less_high)),
        model: id,
        device,
        width,
        height,
        reason,
    }
}

fn rejections(selection: &Selection) -> Vec<String> {
    let note =
        |(device, reason): &(Device, String)| format!("{} is not used: {reason}", device.name());
    selection.rejected.iter().map(note).collect()
}
