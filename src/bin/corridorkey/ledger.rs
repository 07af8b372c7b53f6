//! Writing behind: files, and the account of which frames are finished.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use corridorkey::error::Result;
use ofx::host::HostImage;

use crate::colour::Recipe;
use crate::files::Draft;
use crate::picture::{self, Kind, Placement, Sample};
use crate::report::{Failure, Frame, Progress};

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
    pub(crate) fn write(&self) -> Result<Draft> {
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
        lock(ledger).written(job.index, took, result);
    }
}

/// A frame whose files are being written. None has its name before all are complete, so that a
/// frame is there as a whole or not at all.
struct Pending {
    frame: Frame,
    left: usize,
    drafts: Vec<Draft>,
}

/// Frames whose files are being written, and those to tell about.
pub(crate) struct Ledger {
    pub(crate) progress: Progress,
    pending: BTreeMap<usize, Pending>,
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

    /// A frame is finished, well or not.
    pub(crate) fn finish(&mut self, index: usize, mut frame: Frame) {
        if frame.failure.is_some() {
            frame.clear();
        }
        self.progress.finish(index, frame);
    }

    /// So many files of a frame will be written.
    pub(crate) fn begin(&mut self, index: usize, frame: Frame, files: usize) {
        let pending = Pending {
            frame,
            left: files,
            drafts: Vec::new(),
        };
        self.pending.insert(index, pending);
    }

    /// One file of a frame is written, or is not.
    pub(crate) fn written(&mut self, index: usize, took: Duration, result: Result<Draft>) {
        let Some(pending) = self.pending.get_mut(&index) else {
            return;
        };
        pending.frame.write += took;
        match result {
            Ok(draft) => pending.drafts.push(draft),
            Err(error) => {
                pending.frame.failure.get_or_insert_with(|| error.into());
            }
        }
        pending.left -= 1;
        if pending.left == 0
            && let Some(pending) = self.pending.remove(&index)
        {
            self.finish(index, pending.publish());
        }
    }
}

impl Pending {
    /// Gives the files their names, unless one of them failed.
    fn publish(self) -> Frame {
        let mut frame = self.frame;
        if frame.failure.is_none() {
            let published = self.drafts.into_iter().try_for_each(Draft::publish);
            frame.failure = published.err().map(Failure::from);
        }
        frame
    }
}
