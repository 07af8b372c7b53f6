//! Ctrl-C and its relatives: stop after the frame in hand, and leave no half a file.
//!
//! The first signal asks everybody to stop: frames not begun are left out, and the renders in hand
//! are aborted through the host. A second one ends the process at once, after its unfinished files
//! are removed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use corridorkey::error::{Error, Result};

use crate::files::remove_drafts;

/// What the shell is told of a command that was stopped.
pub(crate) const EXIT_CODE: u8 = 130;

type Stop = Box<dyn Fn() + Send>;

static STOPPED: AtomicBool = AtomicBool::new(false);
static ON_STOP: Mutex<Vec<Stop>> = Mutex::new(Vec::new());

/// True when somebody wants the command to end.
pub(crate) fn stopped() -> bool {
    STOPPED.load(Ordering::SeqCst)
}

/// What else to do when the command is stopped; done at once if it already is.
pub(crate) fn on_stop(stop: impl Fn() + Send + 'static) {
    if stopped() {
        stop();
    }
    let mut all = ON_STOP.lock().unwrap_or_else(PoisonError::into_inner);
    all.push(Box::new(stop));
    drop(all);
    // The signal may have come between the two.
    if stopped() {
        request();
    }
}

/// Asks everybody to stop.
fn request() {
    STOPPED.store(true, Ordering::SeqCst);
    let all = ON_STOP.lock().unwrap_or_else(PoisonError::into_inner);
    all.iter().for_each(|stop| stop());
}

/// Begins to listen for interrupt, termination and hang-up.
pub(crate) fn listen() -> Result<()> {
    ctrlc::set_handler(|| {
        if stopped() {
            remove_drafts();
            std::process::exit(i32::from(EXIT_CODE));
        }
        request();
    })
    .map_err(|error| Error::Usage(format!("cannot listen for Ctrl-C: {error}")))
}
