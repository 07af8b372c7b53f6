//! Writing behind: files, and the account of which frames are finished.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use corridorkey::error::Result;
use ofx::host::HostImage;

use crate::colour::Recipe;
use crate::picture::{self, Kind, Placement, Sample};
use crate::report::{Frame, Progress};

/// One file to write.
pub(crate) struct Job {
    pub(crate) index: usize,
    pub(crate) path: PathBuf,
    pub(crate) kind: Kind,
    pub(crate) sample: Sample,
    pub(crate) recipe: Recipe,
    pub(crate) placement: Placement,
    pub(crate) image: Arc<HostImage>,
}

impl Job {
    pub(crate) fn write(&self) -> Result<()> {
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
pub(crate) fn write_all(jobs: &Mutex<Receiver<Job>>, ledger: &Mutex<Ledger>) {
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
pub(crate) struct Ledger {
    pub(crate) progress: Progress,
    pending: BTreeMap<usize, (Frame, usize)>,
}

pub(crate) fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ledger {
    pub(crate) fn new(progress: Progress) -> Self {
        Self {
            progress,
            pending: BTreeMap::new(),
        }
    }

    /// A frame is finished without files.
    pub(crate) fn finish(&mut self, index: usize, frame: Frame) {
        self.progress.finish(index, frame);
    }

    /// So many files of a frame will be written.
    pub(crate) fn begin(&mut self, index: usize, frame: Frame, files: usize) {
        self.pending.insert(index, (frame, files));
    }

    /// One file of a frame is written, or is not.
    pub(crate) fn written(
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
