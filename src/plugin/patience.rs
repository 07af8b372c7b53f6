//! How long the host is willing to wait: its abort, and a progress bar for frames that take long.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use ofx::{Effect, Progress};

use crate::network::Control;

/// A frame that is done sooner than this shows no progress bar: hosts put it in the artist's way.
const QUIET: Duration = Duration::from_secs(3);
/// A press of a button is answered sooner.
const PRESSED: Duration = Duration::from_millis(200);

/// Asks the host whether the render is still wanted. Lives on the host's render thread.
pub(super) struct Patience<'a> {
    effect: &'a Effect<'a>,
    started: Instant,
    quiet: Duration,
    progress: RefCell<Option<Progress<'a>>>,
}

impl<'a> Patience<'a> {
    /// For a frame.
    pub(super) fn new(effect: &'a Effect<'a>) -> Self {
        Self::quiet_for(effect, QUIET)
    }

    /// For a button that takes its time.
    pub(super) fn pressed(effect: &'a Effect<'a>) -> Self {
        Self::quiet_for(effect, PRESSED)
    }

    fn quiet_for(effect: &'a Effect<'a>, quiet: Duration) -> Self {
        Self {
            effect,
            started: Instant::now(),
            quiet,
            progress: RefCell::new(None),
        }
    }

    /// An error when the render is no longer wanted.
    pub(super) fn check(&self) -> crate::error::Result<()> {
        if self.aborted() {
            Err(crate::error::Error::Aborted)
        } else {
            Ok(())
        }
    }
}

impl Control for Patience<'_> {
    fn aborted(&self) -> bool {
        if self.effect.aborted() {
            return true;
        }
        let waited = self.started.elapsed();
        if waited < self.quiet {
            return false;
        }
        let mut progress = self.progress.borrow_mut();
        if progress.is_none() {
            match self.effect.progress("CorridorKey: the network is at work") {
                Ok(bar) => *progress = Some(bar),
                Err(error) => log::debug!("no progress bar: {error}"),
            }
        }
        let Some(bar) = &*progress else { return false };
        // The network does not say how far it is; the bar nears its end without reaching it.
        let share = 1.0 - (-(waited - self.quiet).as_secs_f64() / 20.0).exp();
        !bar.update(share)
    }
}
