//! `corridorkey key`: reads ahead, keys a few frames at a time, writes behind.
//!
//! The three overlap, so that a frame costs what its slowest step costs; and while one frame is in
//! the network, which takes one at a time, another is prepared or finished. What lies between the
//! steps is bounded to a few frames. A frame that fails is reported and the others go on.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use corridorkey::error::{Error, Result};
use corridorkey::keyer::Output;
use corridorkey::network::Service;
use indicatif::ProgressBar;
use ofx::host::Bundle;

use crate::args::{Depth, KeyArguments};
use crate::colour::{Recipe, recipe, space_of};
use crate::effect::{Effect, find_bundle};
use crate::frames::{Input, Shot, output_path, summarise};
use crate::ledger::{Job, Ledger, lock, write_all};
use crate::load::{Loaded, Read, Reader};
use crate::ordered::ordered;
use crate::picture::{Kind, Placement, Sample};
use crate::reel::{Reel, Turn, Window};
use crate::report::{Frame, Progress, bar_position};
use crate::session::Session;
use crate::{files, interrupt};

/// Runs the command; returns the exit code.
pub(crate) fn run(arguments: &KeyArguments) -> Result<u8> {
    let outputs = outputs(&arguments.output)?;
    let source = Input::parse(&arguments.source)?;
    let hint = arguments.hint.as_deref().map(Input::parse).transpose()?;
    let reel = Reel::plan(&source, hint.as_ref(), arguments)?;
    let shots = reel.keyed();
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
        shots: &reel.shots,
        depth: arguments.depth.unwrap_or(Depth::Float).ofx(),
        still_hint: match &hint {
            Some(Input::File(path)) if shots.len() > 1 => Some((path, OnceLock::new())),
            _ => None,
        },
    };
    let bar = progress.bar();
    let ledger = Mutex::new(Ledger::new(progress));
    let cores = thread::available_parallelism().map_or(2, |cores| cores.get());
    let hands = Service::global()
        .options()
        .frames
        .clamp(1, shots.len().max(1));
    let task = Task {
        arguments,
        outputs: &outputs,
        shots,
        range: range(&reel.shots),
        bundle: &bundle,
        ledger: &ledger,
        bar,
        effect: Mutex::new(None),
        over: AtomicBool::new(false),
    };
    let result = thread::scope(|scope| {
        let readers = (cores / 2).clamp(1, 4);
        let frames = ordered(scope, reel.shots.len(), readers, hands + 1, |index| {
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
        let frames = frames.map_while(|read| read.map(Arc::new)).enumerate();
        let frames = Arc::new(Mutex::new(Window::new(frames, &reel)));
        let keyers: Vec<_> = (0..hands)
            .map(|_| {
                let (task, frames, sender) = (&task, Arc::clone(&frames), sender.clone());
                scope.spawn(move || {
                    let done = task.work(&frames, &sender);
                    task.over.fetch_or(done.is_err(), Ordering::SeqCst);
                    done
                })
            })
            .collect();
        // The readers end with the last of those who take from them.
        drop(frames);
        let done = keyers.into_iter().map(|keyer| match keyer.join() {
            Ok(done) => done,
            Err(panic) => resume_unwind(panic),
        });
        done.fold(Ok(()), Result::and)
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

/// What all who key have in common.
struct Task<'a> {
    arguments: &'a KeyArguments,
    outputs: &'a [Output],
    shots: &'a [Shot],
    range: (f64, f64),
    bundle: &'a Bundle,
    ledger: &'a Mutex<Ledger>,
    bar: ProgressBar,
    /// Loaded with the first frame, whose size it is told.
    effect: Mutex<Option<Arc<Effect>>>,
    /// Something went wrong that concerns every frame.
    over: AtomicBool,
}

impl Task<'_> {
    /// Keys frame after frame until there are no more. An error here concerns every frame.
    fn work(
        &self,
        frames: &Mutex<Window<'_, impl Iterator<Item = (usize, Arc<Read>)>>>,
        writers: &SyncSender<Job>,
    ) -> Result<()> {
        let mut session = None;
        loop {
            if interrupt::stopped() || self.over.load(Ordering::SeqCst) {
                return Ok(());
            }
            let next = frames.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(turn) = next else {
                return Ok(());
            };
            self.key(&mut session, &turn, writers)?;
            let done = bar_position(turn.index + 1, 0.0);
            self.bar.set_position(self.bar.position().max(done));
        }
    }

    /// An instance of the plug-in.
    fn open(&self, placement: &Placement) -> Result<Session> {
        let mut known = self.effect.lock().unwrap_or_else(PoisonError::into_inner);
        let effect = match &*known {
            Some(effect) => Arc::clone(effect),
            None => {
                let loaded = Session::load(self.bundle, placement, self.range)?;
                Arc::clone(known.insert(loaded))
            }
        };
        let session = Session::open(self.arguments, effect)?;
        session.watch(self.bar.clone());
        Ok(session)
    }

    /// Keys one frame and passes its pictures on. An error here concerns every frame.
    fn key(
        &self,
        session: &mut Option<Session>,
        turn: &Turn,
        writers: &SyncSender<Job>,
    ) -> Result<()> {
        let index = turn.index;
        let shot = &self.shots[index];
        let format = self.arguments.format;
        let path_of = |output: &Output| {
            let (out, extension) = (&self.arguments.out, format.extension());
            output_path(out, &shot.source, output.id(), extension)
        };
        let mut frame = Frame {
            number: shot.frame,
            source: shot.source.clone(),
            hint: shot.hint.clone(),
            outputs: self
                .outputs
                .iter()
                .map(|output| (output.id(), path_of(output)))
                .collect(),
            failure: None,
            read: turn.frame.took,
            key: Duration::ZERO,
            write: Duration::ZERO,
        };
        let loaded = match &turn.frame.frame {
            Ok(loaded) => loaded,
            Err(error) => {
                frame.failure = Some(error.clone().into());
                lock(self.ledger).finish(index, frame);
                return Ok(());
            }
        };
        let file_space = space_of(format.kind());
        let session = match session {
            Some(session) => session,
            None => session.insert(self.open(&loaded.placement)?),
        };
        let plugin_space = session.space(loaded.kind);

        let recipes: Vec<Recipe> = self
            .outputs
            .iter()
            .map(|&output| recipe(output, session.written(plugin_space), file_space))
            .collect();
        let sample = match (self.arguments.depth, format.kind(), loaded.sample) {
            (Some(depth), ..) => depth.sample(),
            (None, Kind::Exr, Sample::Float) => Sample::Float,
            (None, Kind::Exr, _) => Sample::Half,
            (None, Kind::Png, _) => Sample::Short,
        };
        let began = Instant::now();
        let beside: Vec<(i64, &Loaded)> = turn
            .beside
            .iter()
            .flatten()
            .filter_map(|(number, read)| Some((*number, read.frame.as_ref().ok()?)))
            .collect();
        let rendered = session
            .feed(index, shot.frame, self.range, loaded, &beside)
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
            let job = Job {
                index,
                path: path_of(&recipe.output),
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
