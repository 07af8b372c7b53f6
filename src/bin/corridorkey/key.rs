//! `corridorkey key`: reads ahead, keys one frame after the other, writes behind.
//!
//! The three overlap, so that a frame costs what its slowest step costs. What lies between the
//! steps is bounded to a few frames. A frame that fails is reported and the others go on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use corridorkey::error::{Error, Result};
use corridorkey::keyer::{Encoding, Output};
use ofx::host::{HostImage, Instance, Layout, Project, RenderRequest};

use crate::args::{Depth, KeyArguments};
use crate::colour::{Recipe, recipe, space_of};
use crate::effect::{Effect, Feed, find_bundle, from_host, from_render, hint_image, plate_image};
use crate::frames::{Input, Shot, output_path, plan, summarise};
use crate::ordered::ordered;
use crate::picture::{self, Kind, Picture, Placement, Sample};
use crate::report::{Failure, Frame, Progress, bar_position};
use crate::{files, hint, interrupt};

/// Runs the command; returns the exit code.
pub(crate) fn run(arguments: &KeyArguments) -> Result<u8> {
    let outputs = outputs(&arguments.output)?;
    let source = Input::parse(&arguments.source)?;
    let hint = arguments.hint.as_deref().map(Input::parse).transpose()?;
    let shots = plan(&source, hint.as_ref(), arguments.frames)?;
    let bundle = find_bundle(arguments.plugin.as_deref())?;
    files::make_folder(&arguments.out)?;
    interrupt::listen()?;

    let progress = Progress::new(shots.len(), arguments.json, arguments.quiet);
    let missing: Vec<i64> = shots
        .iter()
        .filter(|shot| shot.missing.is_some())
        .map(|shot| shot.frame)
        .collect();
    if !missing.is_empty() && !arguments.quiet {
        progress.note(&format!("missing frames: {}", summarise(&missing)));
    }
    let reader = Reader {
        shots: &shots,
        depth: arguments.depth.unwrap_or(Depth::Float).ofx(),
        still_hint: match &hint {
            Some(Input::File(path)) if shots.len() > 1 => Some((path, OnceLock::new())),
            _ => None,
        },
    };
    let ledger = Mutex::new(Ledger {
        progress,
        pending: BTreeMap::new(),
    });
    let cores = thread::available_parallelism().map_or(2, |cores| cores.get());
    let result = thread::scope(|scope| {
        let frames = ordered(scope, shots.len(), (cores / 2).clamp(1, 4), 2, |index| {
            if interrupt::stopped() {
                None
            } else {
                Some(reader.read(index))
            }
        });
        let writers = cores.clamp(1, 8);
        let (sender, receiver) = sync_channel(writers);
        let receiver = Arc::new(Mutex::new(receiver));
        for _ in 0..writers {
            let (receiver, ledger) = (Arc::clone(&receiver), &ledger);
            scope.spawn(move || write_all(&receiver, ledger));
        }
        let mut keyer = Keyer {
            arguments,
            outputs: &outputs,
            range: range(&shots),
            bundle: &bundle,
            ledger: &ledger,
            session: None,
        };
        for (index, read) in frames.enumerate() {
            let Some(read) = read else { break };
            if interrupt::stopped() {
                break;
            }
            keyer.key(index, &shots[index], read, &sender)?;
        }
        Ok(())
    });
    let ledger = ledger.into_inner().unwrap_or_else(PoisonError::into_inner);
    match result {
        Ok(()) => Ok(ledger.progress.end(interrupt::stopped())),
        Err(error) => {
            ledger.progress.clear();
            Err(error)
        }
    }
}

/// The outputs asked for, each once.
fn outputs(ids: &[String]) -> Result<Vec<Output>> {
    let mut outputs = Vec::new();
    for id in ids.iter().map(|id| id.trim()).filter(|id| !id.is_empty()) {
        let output = Output::from_id(id).map_err(|error| Error::Usage(error.to_string()))?;
        if !outputs.contains(&output) {
            outputs.push(output);
        }
    }
    if outputs.is_empty() {
        return Err(Error::Usage(
            "--output names nothing; name one, such as matte".into(),
        ));
    }
    Ok(outputs)
}

fn range(shots: &[Shot]) -> (f64, f64) {
    let end = |shot: Option<&Shot>| shot.map_or(1.0, |shot| shot.frame as f64);
    (end(shots.first()), end(shots.last()))
}

/// What the reading threads share.
struct Reader<'a> {
    shots: &'a [Shot],
    depth: ofx::Depth,
    /// A hint that serves every frame is read once.
    still_hint: Option<(&'a PathBuf, OnceLock<Result<Picture>>)>,
}

/// A frame in memory, ready for the plug-in.
struct Read {
    frame: Result<Loaded>,
    took: Duration,
}

struct Loaded {
    kind: Kind,
    sample: Sample,
    placement: Placement,
    source: Arc<HostImage>,
    hint: Option<Arc<HostImage>>,
}

impl Reader<'_> {
    fn read(&self, index: usize) -> Read {
        let began = Instant::now();
        let frame = self.load(&self.shots[index]);
        Read {
            frame,
            took: began.elapsed(),
        }
    }

    fn load(&self, shot: &Shot) -> Result<Loaded> {
        let input = |path: &Path, reason: String| Error::Input {
            path: path.into(),
            reason,
        };
        if let Some(path) = &shot.missing {
            let reason = format!("frame {} is missing from the sequence", shot.frame);
            return Err(input(path, reason));
        }
        let source = picture::read(&shot.source)?;
        let hint = match &shot.hint {
            None => None,
            Some(path) => {
                let hint = self.read_hint(path)?;
                let hint =
                    hint::fit(hint, &source.placement).map_err(|reason| input(path, reason))?;
                let id = format!("{} for {}", path.display(), source.placement.display);
                Some(hint_image(hint, self.depth, &id).map_err(|reason| input(path, reason))?)
            }
        };
        let image = plate_image(&source, self.depth, &shot.source.display().to_string())
            .map_err(|reason| input(&shot.source, reason))?;
        Ok(Loaded {
            kind: source.kind,
            sample: source.sample,
            placement: source.placement,
            source: Arc::new(image),
            hint: hint.map(Arc::new),
        })
    }

    fn read_hint(&self, path: &Path) -> Result<Picture> {
        match &self.still_hint {
            Some((still, picture)) => picture.get_or_init(|| picture::read(still)).clone(),
            None => picture::read(path),
        }
    }
}

/// The plug-in's instance and what it has been told so far.
struct Session {
    instance: Instance,
    source: Arc<Feed>,
    hint: Arc<Feed>,
    /// What the user said about the source's colour; else it goes by the file.
    colour: Option<Encoding>,
    told_colour: Option<Encoding>,
    told_output: Option<Output>,
    // Dropped after the instance that comes from it.
    _effect: Effect,
}

struct Keyer<'a> {
    arguments: &'a KeyArguments,
    outputs: &'a [Output],
    range: (f64, f64),
    bundle: &'a ofx::host::Bundle,
    ledger: &'a Mutex<Ledger>,
    session: Option<Session>,
}

impl Keyer<'_> {
    /// Keys one frame and passes its pictures on. An error here concerns every frame.
    fn key(
        &mut self,
        index: usize,
        shot: &Shot,
        read: Read,
        writers: &SyncSender<Job>,
    ) -> Result<()> {
        let mut frame = Frame {
            number: shot.frame,
            source: shot.source.clone(),
            hint: shot.hint.clone(),
            outputs: BTreeMap::new(),
            failure: None,
            read: read.took,
            key: Duration::ZERO,
            write: Duration::ZERO,
        };
        let loaded = match read.frame {
            Ok(loaded) => loaded,
            Err(error) => {
                frame.failure = Some(error.into());
                lock(self.ledger).finish(index, frame);
                return Ok(());
            }
        };
        let format = self.arguments.format;
        let file_space = space_of(format.kind());
        let plugin_space = match &self.session {
            Some(session) => session.space(loaded.kind),
            None => {
                let session = open(self.arguments, self.bundle, &loaded.placement, self.range)?;
                watch(&session.instance, self.ledger);
                self.session.insert(session).space(loaded.kind)
            }
        };
        let Some(session) = &mut self.session else {
            return Ok(());
        };

        let recipes: Vec<Recipe> = self
            .outputs
            .iter()
            .map(|&output| recipe(output, plugin_space, file_space))
            .collect();
        let sample = match (self.arguments.depth, format.kind(), loaded.sample) {
            (Some(depth), ..) => depth.sample(),
            (None, Kind::Exr, Sample::Float) => Sample::Float,
            (None, Kind::Exr, _) => Sample::Half,
            (None, Kind::Png, _) => Sample::Short,
        };
        let began = Instant::now();
        let rendered = session
            .feed(shot.frame, self.range, &loaded)
            .and_then(|()| {
                session.render_all(shot.frame, plugin_space, &recipes, loaded.source.depth())
            });
        frame.key = began.elapsed();
        if interrupt::stopped() && rendered.is_err() {
            // Stopped in the middle of this frame: it has not failed.
            return Ok(());
        }
        let images = match rendered {
            Ok(images) => images,
            Err(failure) => {
                frame.failure = Some(failure);
                lock(self.ledger).finish(index, frame);
                return Ok(());
            }
        };
        lock(self.ledger).begin(index, frame, recipes.len());
        for recipe in recipes {
            let Some(image) = images.get(&recipe.render.index()) else {
                continue;
            };
            let id = recipe.output.id();
            let job = Job {
                index,
                path: output_path(&self.arguments.out, &shot.source, id, format.extension()),
                kind: format.kind(),
                sample,
                recipe,
                placement: loaded.placement.with_bounds(image.bounds()),
                image: Arc::clone(image),
            };
            // The writers end only when this end of the channel is gone.
            let _ = writers.send(job);
        }
        Ok(())
    }
}

/// Loads the plug-in and tells it what the command line says.
fn open(
    arguments: &KeyArguments,
    bundle: &ofx::host::Bundle,
    placement: &Placement,
    range: (f64, f64),
) -> Result<Session> {
    let width = placement.display.width as f64 * placement.pixel_aspect;
    let size = (width, placement.display.height as f64);
    let project = Project {
        size,
        extent: size,
        pixel_aspect: placement.pixel_aspect,
        range,
        ..Project::default()
    };
    let effect = Effect::load(bundle, project)?;
    let instance = effect.create()?;
    let mut settings: Vec<(&str, &str)> = Vec::new();
    let flags = [
        ("model", &arguments.model),
        ("device", &arguments.device),
        ("resolution", &arguments.resolution),
    ];
    for (id, value) in flags {
        settings.extend(value.as_deref().map(|value| (id, value)));
    }
    for (id, value) in &arguments.set {
        if id == "output" {
            return Err(Error::Usage(
                "`--set output` is said by --output; leave it out".into(),
            ));
        }
        if settings.iter().any(|(known, _)| known == id) {
            return Err(Error::Usage(format!("{id} is set twice; leave one out")));
        }
        settings.push((id, value));
    }
    let mut colour = None;
    for (id, value) in settings {
        instance.set_str(id, value).map_err(from_host)?;
        if id == "inputColor" {
            colour = said_colour(&instance)?;
        }
    }
    let stop = instance.abort_handle();
    interrupt::on_stop(move || stop.abort());
    Ok(Session {
        instance,
        source: Arc::default(),
        hint: Arc::default(),
        colour,
        told_colour: None,
        told_output: None,
        _effect: effect,
    })
}

/// What `inputColor` was set to: none for `auto`, which is this command's own rule.
fn said_colour(instance: &Instance) -> Result<Option<Encoding>> {
    let ofx::host::Value::Choice(index) = instance.get("inputColor").map_err(from_host)? else {
        return Ok(None);
    };
    let choices = instance
        .description()
        .param("inputColor")
        .map(|param| param.choices.as_slice());
    let choice = choices.and_then(|choices| choices.get(usize::try_from(index).ok()?));
    match choice.and_then(|choice| choice.id.as_deref()) {
        Some("auto") => Ok(None),
        Some("srgb") => Ok(Some(Encoding::Srgb)),
        Some("linear") => Ok(Some(Encoding::Linear)),
        other => Err(Error::Usage(format!(
            "inputColor={} cannot be written as sRGB or linear files; use srgb or linear",
            other.unwrap_or("?")
        ))),
    }
}

/// Moves the progress bar while a frame renders.
fn watch(instance: &Instance, ledger: &Mutex<Ledger>) {
    let bar = lock(ledger).progress.bar();
    instance.on_progress(Box::new(move |fraction| {
        let told = bar.position() / bar_position(1, 0.0);
        bar.set_position(bar_position(told as usize, fraction));
    }));
}

impl Session {
    /// The colour space that the plug-in works in for a source of this kind.
    fn space(&self, kind: Kind) -> Encoding {
        self.colour.unwrap_or(space_of(kind))
    }

    /// Puts a frame's pictures into the clips.
    fn feed(
        &mut self,
        frame: i64,
        range: (f64, f64),
        loaded: &Loaded,
    ) -> std::result::Result<(), Failure> {
        let time = frame as f64;
        let failed = |error| Failure::from(from_host(error));
        if self.source.put(time, range, Arc::clone(&loaded.source)) {
            let feed = Arc::clone(&self.source);
            self.instance.connect("Source", feed).map_err(failed)?;
        }
        if let Some(image) = &loaded.hint
            && self.hint.put(time, range, Arc::clone(image))
        {
            let feed = Arc::clone(&self.hint);
            self.instance.connect("Hint", feed).map_err(failed)?;
        }
        Ok(())
    }

    /// Renders what the recipes ask for, each once, by output index.
    fn render_all(
        &mut self,
        frame: i64,
        space: Encoding,
        recipes: &[Recipe],
        depth: ofx::Depth,
    ) -> std::result::Result<BTreeMap<i32, Arc<HostImage>>, Failure> {
        let failed = |error| Failure::from(from_host(error));
        if self.told_colour != Some(space) {
            let id = match space {
                Encoding::Srgb => "srgb",
                Encoding::Linear => "linear",
            };
            self.instance.set_str("inputColor", id).map_err(failed)?;
            self.told_colour = Some(space);
        }
        let mut images = BTreeMap::new();
        for recipe in recipes {
            let output = recipe.render;
            if images.contains_key(&output.index()) {
                continue;
            }
            if self.told_output != Some(output) {
                self.instance
                    .set_str("output", output.id())
                    .map_err(failed)?;
                self.told_output = Some(output);
            }
            let layout = Layout {
                depth,
                components: ofx::Components::Rgba,
                flipped: true,
                padding: 0,
            };
            let request = RenderRequest {
                output: layout,
                ..RenderRequest::at(frame as f64)
            };
            let image = self
                .instance
                .render(&request)
                .map_err(|failure| from_render(&self.instance, &failure))?;
            images.insert(output.index(), Arc::new(image));
        }
        Ok(images)
    }
}

/// One file to write.
struct Job {
    index: usize,
    path: PathBuf,
    kind: Kind,
    sample: Sample,
    recipe: Recipe,
    placement: Placement,
    image: Arc<HostImage>,
}

impl Job {
    fn write(&self) -> Result<()> {
        let Recipe { channels, .. } = self.recipe;
        let write = |pixels: &[f32]| {
            picture::write(
                &self.path,
                self.kind,
                self.sample,
                channels,
                &self.placement,
                pixels,
            )
        };
        match self.image.as_rgba_f32() {
            Some(pixels) if self.recipe.is_plain() => write(pixels),
            _ => {
                let mut pixels = self.image.to_rgba_f32();
                self.recipe.apply(&mut pixels);
                write(&pixels)
            }
        }
    }
}

/// Writes files until there are no more.
fn write_all(jobs: &Mutex<Receiver<Job>>, ledger: &Mutex<Ledger>) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        let began = Instant::now();
        let result = job.write();
        let took = began.elapsed();
        let id = job.recipe.output.id();
        let Job { index, path, .. } = job;
        lock(ledger).written(index, id, path, took, result);
    }
}

/// Frames whose files are being written, and those to tell about.
struct Ledger {
    progress: Progress,
    pending: BTreeMap<usize, (Frame, usize)>,
}

fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ledger {
    /// A frame is finished without files.
    fn finish(&mut self, index: usize, frame: Frame) {
        self.progress.finish(index, frame);
    }

    /// So many files of a frame will be written.
    fn begin(&mut self, index: usize, frame: Frame, files: usize) {
        self.pending.insert(index, (frame, files));
    }

    /// One file of a frame is written, or is not.
    fn written(
        &mut self,
        index: usize,
        id: &'static str,
        path: PathBuf,
        took: Duration,
        result: Result<()>,
    ) {
        let Some((frame, left)) = self.pending.get_mut(&index) else {
            return;
        };
        frame.write += took;
        match result {
            Ok(()) => {
                frame.outputs.insert(id, path);
            }
            Err(error) => {
                frame.failure.get_or_insert_with(|| error.into());
            }
        }
        *left -= 1;
        if *left == 0
            && let Some((frame, _)) = self.pending.remove(&index)
        {
            self.progress.finish(index, frame);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn outputs_are_known_ids_each_once() {
        let ids = |list: &[&str]| {
            let list: Vec<String> = list.iter().map(|&id| id.to_owned()).collect();
            outputs(&list)
        };
        assert_eq!(
            ids(&["matte", " processed", "matte"]).unwrap(),
            [Output::Matte, Output::Processed]
        );
        for wrong in [&["mate"][..], &[""], &[]] {
            assert_eq!(ids(wrong).unwrap_err().exit_code(), 2);
        }
        assert!(ids(&["mate"]).unwrap_err().to_string().contains("matte"));
    }
}
