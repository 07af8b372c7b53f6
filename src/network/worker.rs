//! A session's own thread.
//!
//! What a GPU's libraries prepare for a network they keep with the thread that asked for it: plans
//! of its attentions, handles, workspaces. A thread for every frame would have all of it prepared
//! anew: on an H200 that makes 370 ms of 5 for the CorridorKey network at 512 x 512 in 16 bits.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, channel};

use super::error::{Error, Result};
use super::session::panic_text;
use super::{Control, POLL};

/// A thread that lives until this is dropped.
#[derive(Debug)]
pub(super) struct Worker(rayon::ThreadPool);

impl Worker {
    /// Starts the thread, which waits for work.
    ///
    /// # Errors
    /// [`Error::Thread`] when the system gives no thread.
    pub(super) fn start() -> Result<Self> {
        rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .thread_name(|_| "corridorkey-network".into())
            .build()
            .map(Self)
            .map_err(|error| Error::Thread {
                what: "no thread could be started to run the network",
                reason: error.to_string(),
            })
    }

    /// Has the thread do `work`, one after another, and asks `control` meanwhile, on the calling
    /// thread: hosts answer only the thread that they gave the render to. `stop` is called once,
    /// when `control` says so, and should make `work` end early.
    ///
    /// # Errors
    /// [`Error::Aborted`], also when `work` came to its end all the same; [`Error::Internal`] when
    /// it panicked.
    pub(super) fn run<T: Send>(
        &self,
        control: &dyn Control,
        stop: impl FnOnce(),
        work: impl FnOnce() -> T + Send,
    ) -> Result<T> {
        let (done, wait) = channel::<()>();
        let mut outcome = None;
        let mut stop = Some(stop);
        self.0.in_place_scope(|scope| {
            let outcome = &mut outcome;
            scope.spawn(move |_| {
                // Dropped last: that ends the wait below.
                let _done = done;
                // What `work` was changing is its caller's, who gets an error.
                *outcome = Some(catch_unwind(AssertUnwindSafe(work)));
            });
            while wait.recv_timeout(POLL) == Err(RecvTimeoutError::Timeout) {
                if stop.is_some()
                    && control.aborted()
                    && let Some(stop) = stop.take()
                {
                    stop();
                }
            }
        });
        if let Some(Err(panic)) = &outcome {
            return Err(Error::Internal {
                what: "running the network",
                reason: panic_text(&**panic),
            });
        }
        match outcome {
            Some(Ok(result)) if stop.is_some() => Ok(result),
            _ => Err(Error::Aborted),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_run_is_in_the_same_thread_and_none_in_the_callers() {
        let worker = Worker::start().unwrap();
        let run = || worker.run(&|| false, || {}, || thread::current().id());
        let first = run().unwrap();
        assert_ne!(first, thread::current().id());
        let others = thread::scope(|scope| {
            let others: Vec<_> = (0..4).map(|_| scope.spawn(run)).collect();
            others
                .into_iter()
                .map(|other| other.join().unwrap().unwrap())
                .collect::<Vec<_>>()
        });
        assert!(others.iter().all(|other| *other == first), "{others:?}");
    }

    #[test]
    fn control_is_asked_on_the_calling_thread_and_stops_the_work() {
        let worker = Worker::start().unwrap();
        let caller = thread::current().id();
        let stopped = AtomicBool::new(false);
        let control = || {
            assert_eq!(thread::current().id(), caller);
            true
        };
        let stop = || assert!(!stopped.swap(true, Ordering::SeqCst), "stopped twice");
        let work = || {
            while !stopped.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(1));
            }
        };
        assert_eq!(worker.run(&control, stop, work), Err(Error::Aborted));
        assert_eq!(worker.run(&|| false, || {}, || 7), Ok(7));
    }

    #[test]
    fn a_panic_is_an_error_and_the_thread_goes_on() {
        let worker = Worker::start().unwrap();
        let failed = worker.run(&|| false, || {}, || -> i32 { panic!("a hole") });
        let Err(Error::Internal { reason, .. }) = failed else {
            panic!("{failed:?}");
        };
        assert!(reason.contains("a hole"), "{reason}");
        assert_eq!(worker.run(&|| false, || {}, || 7), Ok(7));
    }
}
