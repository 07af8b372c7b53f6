//! `corridorkey key`: reads ahead, keys one frame after the other, writes behind.
//!
//! The three overlap, so that a frame costs what its slowest step costs. What lies between the
//! steps is bounded to a few frames. A frame that fails is reported and the others go on.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use corridorkey::error::{Error, Result};
use corridorkey::keyer::Output;
use indicatif::ProgressBar;
use ofx::host::Bundle;

use crate::args::{Depth, KeyArguments};
use crate::colour::{Recipe, recipe, space_of};
use crate::effect::find_bundle;
use crate::frames::{Input, Shot, output_path, plan, summarise};
use crate::ledger::{Job, Ledger, lock, write_all};
use crate::load::{Read, Reader};
use crate::ordered::ordered;
use crate::picture::{Kind, Sample};
use crate::report::{Frame, Progress, bar_position};
use crate::session::Session;
use crate::{files, interrupt};

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
    let ledger = Mutex::new(Ledger::new(progress));
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
            bar: lock(&ledger).progress.bar(),
            session: None,
        };
        for (index, read) in frames.enumerate() {
            let Some(read) = read else { break };
            if interrupt::stopped() {
                break;
            }
            keyer.key(index, &shots[index], read, &sender)?;
            keyer.bar.set_position(bar_position(index + 1, 0.0));
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

struct Keyer<'a> {
    arguments: &'a KeyArguments,
    outputs: &'a [Output],
    range: (f64, f64),
    bundle: &'a Bundle,
    ledger: &'a Mutex<Ledger>,
    bar: ProgressBar,
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
        let file_space = space_of(format.kind());
        let plugin_space = match &self.session {
            Some(session) => session.space(loaded.kind),
            None => {
                let session =
                    Session::open(self.arguments, self.bundle, &loaded.placement, self.range)?;
                session.watch(self.bar.clone());
                self.session.insert(session).space(loaded.kind)
            }
        };
        let Some(session) = &mut self.session else {
            return Ok(());
        };

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
        let rendered = session
            .feed(index, shot.frame, self.range, &loaded)
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
