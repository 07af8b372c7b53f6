//! Bounds how many frames are worked on at the same time.
//!
//! Hosts render many frames at once, each of which holds some hundred megabytes of planes while
//! the network can use every core for one. Frames beyond the bound wait in the order in which they
//! came, and stop waiting when they are aborted.

use std::collections::VecDeque;

use parking_lot::{Condvar, Mutex};

use super::error::{Error, Result};
use super::{Control, POLL};

/// The gate.
#[derive(Debug)]
pub struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    free: usize,
    next: u64,
    queue: VecDeque<u64>,
}

/// Leave to work on one frame, given back when dropped.
#[derive(Debug)]
#[must_use = "the frame is only admitted while this is alive"]
pub struct Permit<'a>(&'a Gate);

impl Gate {
    /// A gate for `frames` frames at a time, at least one.
    pub fn new(frames: usize) -> Self {
        let state = State {
            free: frames.max(1),
            next: 0,
            queue: VecDeque::new(),
        };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// Waits for its turn.
    ///
    /// # Errors
    /// [`Error::Aborted`] when `control` says so before.
    pub fn enter(&self, control: &dyn Control) -> Result<Permit<'_>> {
        let ticket = {
            let mut state = self.state.lock();
            let ticket = state.next;
            state.next += 1;
            state.queue.push_back(ticket);
            ticket
        };
        // The ticket leaves the queue on every way out, a panic in `control` included.
        let ticket = Ticket { gate: self, ticket };
        loop {
            let mut state = self.state.lock();
            if state.free > 0 && state.queue.front() == Some(&ticket.ticket) {
                state.free -= 1;
                return Ok(Permit(self));
            }
            self.changed.wait_for(&mut state, POLL);
            drop(state);
            // Asked without the lock: the question goes to the host.
            if control.aborted() {
                return Err(Error::Aborted);
            }
        }
    }
}

struct Ticket<'a> {
    gate: &'a Gate,
    ticket: u64,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.gate
            .state
            .lock()
            .queue
            .retain(|ticket| *ticket != self.ticket);
        self.gate.changed.notify_all();
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.state.lock().free += 1;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::time::Duration;

    #[test]
    fn never_more_than_the_bound_and_everybody_gets_in() {
        let gate = Gate::new(2);
        let (inside, most, done) = (
            AtomicUsize::new(0),
            AtomicUsize::new(0),
            AtomicUsize::new(0),
        );
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let permit = gate.enter(&|| false).unwrap();
                    let now = inside.fetch_add(1, Ordering::SeqCst) + 1;
                    most.fetch_max(now, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(5));
                    inside.fetch_sub(1, Ordering::SeqCst);
                    drop(permit);
                    done.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        assert_eq!(done.load(Ordering::SeqCst), 8);
        assert_eq!(most.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn an_aborted_frame_leaves_the_queue_to_those_behind_it() {
        let gate = Gate::new(1);
        let first = gate.enter(&|| false).unwrap();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let second = scope.spawn(|| gate.enter(&|| stop.load(Ordering::SeqCst)).map(|_| ()));
            while gate.state.lock().queue.is_empty() {
                std::thread::yield_now();
            }
            let third = scope.spawn(|| gate.enter(&|| false).map(|_| ()));
            stop.store(true, Ordering::SeqCst);
            assert_eq!(second.join().unwrap(), Err(Error::Aborted));
            drop(first);
            assert_eq!(third.join().unwrap(), Ok(()));
        });
        assert!(gate.state.lock().queue.is_empty());
        assert_eq!(gate.state.lock().free, 1);
    }
}
