//! Work done ahead, on several threads, and handed over in order.
//!
//! Reading a frame takes a processor as long as a GPU takes to key one; so a few frames are read
//! ahead, and no more than a few, because a frame is large.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Scope};

/// Results of `work(0)`, `work(1)`, … in order, made ahead of time. Dropped early, it stops the
/// threads after the work in hand.
pub(crate) struct Ordered<T> {
    shared: Arc<Shared<T>>,
    count: usize,
}

struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    /// The next one to start.
    next: usize,
    /// How many have been handed over.
    taken: usize,
    ready: BTreeMap<usize, thread::Result<T>>,
    stopped: bool,
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, guard: MutexGuard<'a, State<T>>) -> MutexGuard<'a, State<T>> {
        self.changed
            .wait(guard)
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts `threads` threads for `count` pieces of work, at most `ahead` of them unfetched.
pub(crate) fn ordered<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    count: usize,
    threads: usize,
    ahead: usize,
    work: impl Fn(usize) -> T + Send + Sync + 'scope,
) -> Ordered<T> {
    let shared = Arc::new(Shared {
        state: Mutex::new(State {
            next: 0,
            taken: 0,
            ready: BTreeMap::new(),
            stopped: false,
        }),
        changed: Condvar::new(),
    });
    let work = Arc::new(work);
    for _ in 0..threads.clamp(1, count.max(1)) {
        let (shared, work) = (Arc::clone(&shared), Arc::clone(&work));
        scope.spawn(move || {
            loop {
                let mut state = shared.lock();
                while !state.stopped
                    && state.next < count
                    && state.next >= state.taken + ahead.max(1)
                {
                    state = shared.wait(state);
                }
                if state.stopped || state.next >= count {
                    return;
                }
                let index = state.next;
                state.next += 1;
                drop(state);
                let result = catch_unwind(AssertUnwindSafe(|| work(index)));
                shared.lock().ready.insert(index, result);
                shared.changed.notify_all();
            }
        });
    }
    Ordered { shared, count }
}

impl<T> Iterator for Ordered<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let mut state = self.shared.lock();
        if state.taken >= self.count {
            return None;
        }
        loop {
            let index = state.taken;
            if let Some(result) = state.ready.remove(&index) {
                state.taken += 1;
                drop(state);
                self.shared.changed.notify_all();
                return Some(result.unwrap_or_else(|panic| resume_unwind(panic)));
            }
            state = self.shared.wait(state);
        }
    }
}

impl<T> Drop for Ordered<T> {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    #[test]
    fn results_come_in_order_and_not_too_far_ahead() {
        let (started, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            let results = ordered(scope, 50, 4, 3, |index| {
                let ahead = started.fetch_add(1, Ordering::SeqCst) + 1;
                assert!(ahead <= taken.load(Ordering::SeqCst) + 3 + 1);
                // Later ones finish earlier.
                thread::sleep(Duration::from_micros(500 * (4 - index as u64 % 4)));
                index
            });
            for (expected, index) in results.enumerate() {
                assert_eq!(index, expected);
                taken.fetch_add(1, Ordering::SeqCst);
            }
        });
        assert_eq!(started.load(Ordering::SeqCst), 50);
    }

    #[test]
    fn dropping_it_ends_the_work() {
        let started = AtomicUsize::new(0);
        thread::scope(|scope| {
            let mut results = ordered(scope, 1000, 2, 2, |index| {
                started.fetch_add(1, Ordering::SeqCst);
                index
            });
            assert_eq!(results.next(), Some(0));
        });
        assert!(started.load(Ordering::SeqCst) <= 4);
    }

    #[test]
    fn a_panic_reaches_the_one_who_waits() {
        let result = catch_unwind(|| {
            thread::scope(|scope| {
                let results = ordered(scope, 3, 2, 2, |index| assert_ne!(index, 1));
                results.count()
            })
        });
        assert!(result.is_err());
    }

    #[test]
    fn no_work_is_no_result() {
        thread::scope(|scope| assert_eq!(ordered(scope, 0, 2, 2, |index| index).count(), 0));
    }
}
