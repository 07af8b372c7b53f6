//! The predictions that are kept, by what the network saw.
//!
//! Whoever asks makes the key: a hash of everything that reaches the network and of nothing that
//! comes after it, so that changing despill or the output view finds its prediction here. The
//! least recently used go when the budget is full. Two frames that ask for the same prediction at
//! the same time compute it once.
//!
//! The memory of those that go is lent to those that come: getting tens of megabytes from the
//! system, and giving as many back, takes longer with each frame than filling them.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::error::Error;
use super::{Answer, Control, POLL};
use crate::keyer::{Planes, Pool, Prediction};

/// The cache.
#[derive(Debug)]
pub struct PredictionCache {
    state: Mutex<State>,
    changed: Condvar,
    budget: u64,
    /// Of predictions that had to go.
    spare: Pool,
}

/// Memory of predictions that are kept no longer is itself kept up to this part of the budget: two
/// of 2048 x 2048 pixels by default.
const SPARE: u64 = 8;

#[derive(Debug, Default)]
struct State {
    kept: HashMap<u128, Entry>,
    /// Being computed now.
    flights: HashMap<u128, Arc<Flight>>,
    bytes: u64,
    clock: u64,
    hits: u64,
    misses: u64,
}

#[derive(Debug)]
struct Entry {
    answer: Arc<Answer>,
    bytes: u64,
    used: u64,
}

/// A computation others wait for: `None` when it came to nothing.
#[derive(Debug, Default)]
struct Flight(OnceLock<Option<Arc<Answer>>>);

/// What the cache holds and how it has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Predictions kept.
    pub entries: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes that may be kept.
    pub budget: u64,
    /// Questions that were answered from the cache, or by somebody else's computation.
    pub hits: u64,
    /// Questions that had to be computed.
    pub misses: u64,
}

impl PredictionCache {
    /// An empty cache for `budget` bytes; 0 keeps nothing.
    pub fn new(budget: u64) -> Self {
        Self {
            state: Mutex::default(),
            changed: Condvar::new(),
            budget,
            spare: Pool::new(usize::try_from(budget / SPARE).unwrap_or(usize::MAX)),
        }
    }

    /// Where the planes of new predictions are to come from.
    pub fn spare(&self) -> &Pool {
        &self.spare
    }

    /// What is kept under `key`.
    pub fn get(&self, key: u128) -> Option<Arc<Answer>> {
        self.state.lock().touch(key)
    }

    /// Keeps a prediction, if it is within the budget at all.
    pub fn insert(&self, key: u128, answer: Arc<Answer>) {
        let mut state = self.state.lock();
        let released = state.insert(key, answer, self.budget);
        drop(state);
        // Without the lock: what is beyond the bound is freed, and a prediction has tens of megabytes.
        for entry in released {
            // Whoever still works with one frees it himself.
            if let Some(answer) = Arc::into_inner(entry.answer) {
                let Prediction { alpha, foreground } = answer.prediction;
                self.spare.give(alpha.into_vec());
                self.spare.give(foreground.into_vec());
            }
        }
    }

    /// The prediction of `key`: kept, or computed by somebody right now (then this waits), or
    /// computed by `compute` on this thread and kept.
    ///
    /// When the computation that was waited for fails or is aborted, one of those who waited takes
    /// over: an abort is its own frame's alone.
    ///
    /// # Errors
    /// [`Error::Aborted`] when `control` says so while waiting; otherwise what `compute` says.
    pub fn get_or_compute<X: From<Error>>(
        &self,
        key: u128,
        control: &dyn Control,
        compute: impl FnOnce() -> Result<Answer, X>,
    ) -> Result<Arc<Answer>, X> {
        let mut state = self.state.lock();
        let flight = loop {
            if let Some(kept) = state.touch(key) {
                state.hits += 1;
                return Ok(kept);
            }
            let Some(flight) = state.flights.get(&key).cloned() else {
                state.misses += 1;
                let flight = Arc::new(Flight::default());
                state.flights.insert(key, flight.clone());
                break flight;
            };
            while flight.0.get().is_none() {
                self.changed.wait_for(&mut state, POLL);
                // Asked without the lock: the question goes to the host.
                MutexGuard::unlocked(&mut state, || super::check(control))?;
            }
            if let Some(Some(answer)) = flight.0.get() {
                state.hits += 1;
                return Ok(answer.clone());
            }
        };
        drop(state);
        let landing = Landing {
            cache: self,
            key,
            flight: &flight,
        };
        let answer = Arc::new(compute()?);
        let _ = flight.0.set(Some(answer.clone()));
        self.insert(key, answer.clone());
        drop(landing);
        Ok(answer)
    }

    /// Forgets everything and says how many bytes that was, memory that was kept for predictions to
    /// come aside.
    pub fn purge(&self) -> u64 {
        let mut state = self.state.lock();
        let released = std::mem::take(&mut state.kept);
        let bytes = std::mem::take(&mut state.bytes);
        drop(state);
        drop(released);
        self.spare.purge();
        bytes
    }

    /// What it holds and how it has done.
    pub fn stats(&self) -> Stats {
        let state = self.state.lock();
        Stats {
            entries: state.kept.len(),
            bytes: state.bytes,
            budget: self.budget,
            hits: state.hits,
            misses: state.misses,
        }
    }
}

/// Ends a flight on every way out: success, error, panic.
struct Landing<'a> {
    cache: &'a PredictionCache,
    key: u128,
    flight: &'a Flight,
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        let mut state = self.cache.state.lock();
        let _ = self.flight.0.set(None);
        state.flights.remove(&self.key);
        drop(state);
        self.cache.changed.notify_all();
    }
}

impl State {
    fn touch(&mut self, key: u128) -> Option<Arc<Answer>> {
        self.clock += 1;
        let entry = self.kept.get_mut(&key)?;
        entry.used = self.clock;
        Some(entry.answer.clone())
    }

    fn insert(&mut self, key: u128, answer: Arc<Answer>, budget: u64) -> Vec<Entry> {
        let bytes = size(&answer);
        if bytes > budget {
            return Vec::new();
        }
        let mut released: Vec<Entry> = self.kept.remove(&key).into_iter().collect();
        self.bytes -= released.iter().map(|entry| entry.bytes).sum::<u64>();
        while self.bytes + bytes > budget {
            let oldest = self
                .kept
                .iter()
                .min_by_key(|(_, entry)| entry.used)
                .map(|(key, _)| *key);
            let Some(entry) = oldest.and_then(|key| self.kept.remove(&key)) else {
                break;
            };
            self.bytes -= entry.bytes;
            released.push(entry);
        }
        self.clock += 1;
        self.bytes += bytes;
        self.kept.insert(
            key,
            Entry {
                answer,
                bytes,
                used: self.clock,
            },
        );
        released
    }
}

/// Bytes that a prediction's planes take, and what is known of its hint.
fn size(answer: &Answer) -> u64 {
    let prediction = &answer.prediction;
    let planes =
        |planes: &Planes| (planes.width() * planes.height() * planes.channels()) as u64 * 4;
    let asked = answer.asked.as_ref().map_or(0, |asked| asked.bytes());
    planes(&prediction.alpha) + planes(&prediction.foreground) + asked as u64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::keyer::{Backing, Prediction, Screen, Size};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, Instant};

    /// 16 bytes a pixel.
    fn answer(pixels: usize, value: f32) -> Answer {
        Answer {
            prediction: Prediction {
                alpha: Planes::from_vec(pixels, 1, 1, vec![value; pixels]).unwrap(),
                foreground: Planes::from_vec(pixels, 1, 3, vec![value; pixels * 3]).unwrap(),
            },
            screen: Screen::Green,
            exchange: Screen::Green,
            backing: Backing::default(),
            asked: None,
            hint: String::new(),
            device: String::new(),
            milliseconds: 0.0,
        }
    }

    fn compute(cache: &PredictionCache, key: u128, value: f32) -> Arc<Answer> {
        cache
            .get_or_compute::<Error>(key, &|| false, || Ok(answer(10, value)))
            .unwrap()
    }

    #[test]
    fn the_same_question_is_computed_once() {
        let cache = PredictionCache::new(1000);
        let first = compute(&cache, 1, 0.5);
        let again = cache
            .get_or_compute::<Error>(1, &|| false, || panic!("it is kept"))
            .unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        let stats = cache.stats();
        assert_eq!(
            (stats.entries, stats.bytes, stats.hits, stats.misses),
            (1, 160, 1, 1)
        );
    }

    #[test]
    fn the_least_recently_used_goes_when_the_budget_is_full() {
        let cache = PredictionCache::new(320);
        compute(&cache, 1, 0.1);
        compute(&cache, 2, 0.2);
        assert!(cache.get(1).is_some());
        compute(&cache, 3, 0.3);
        assert!(cache.get(1).is_some() && cache.get(2).is_none() && cache.get(3).is_some());
        assert_eq!(cache.stats().bytes, 320);
        // Keeping another value under a kept key replaces it.
        cache.insert(3, Arc::new(answer(5, 0.0)));
        assert_eq!(cache.stats().bytes, 240);
        assert_eq!(cache.purge(), 240);
        assert_eq!((cache.stats().entries, cache.stats().bytes), (0, 0));
    }

    #[test]
    fn the_memory_of_those_that_go_is_lent_again_and_bounded() {
        // Eight predictions, and the memory of one more.
        let cache = PredictionCache::new(8 * 160);
        for key in 0..8 {
            compute(&cache, key, 0.1);
        }
        let spare = || cache.spare().idle_bytes();
        assert_eq!(spare(), 0);
        let held = cache.get(1).unwrap();
        for key in [10, 11, 12, 13] {
            compute(&cache, key, 0.1);
            assert_eq!(spare(), 160);
        }
        // What somebody still looks at is not written over.
        assert!(cache.get(0).is_none() && cache.get(1).is_some());
        let foreground = cache.spare().take(Size::new(10, 1), 3).unwrap();
        assert_eq!((foreground.len(), spare()), (30, 40));
        for key in 20..28 {
            compute(&cache, key, 0.2);
        }
        assert!(cache.get(1).is_none());
        assert_eq!(held.prediction.alpha.data(), [0.1; 10]);
        assert!(spare() <= 160);
        cache.purge();
        assert_eq!(spare(), 0);
    }

    #[test]
    fn what_is_larger_than_the_budget_is_given_but_not_kept() {
        let cache = PredictionCache::new(100);
        compute(&cache, 1, 0.1);
        assert_eq!(cache.stats().entries, 0);
    }

    #[test]
    fn two_at_the_same_time_compute_once_even_when_nothing_is_kept() {
        for budget in [0, 10_000] {
            let (cache, computed) = (PredictionCache::new(budget), AtomicUsize::new(0));
            std::thread::scope(|scope| {
                for _ in 0..6 {
                    scope.spawn(|| {
                        let answer = cache.get_or_compute::<Error>(9, &|| false, || {
                            computed.fetch_add(1, Ordering::SeqCst);
                            // Long enough for the others to arrive.
                            std::thread::sleep(Duration::from_millis(200));
                            Ok(answer(10, 0.25))
                        });
                        assert_eq!(answer.unwrap().prediction.alpha.plane(0)[0], 0.25);
                    });
                }
            });
            assert_eq!(
                computed.load(Ordering::SeqCst),
                1,
                "with a budget of {budget}"
            );
        }
    }

    #[test]
    fn one_who_waits_can_be_aborted_and_takes_over_when_the_first_is() {
        let cache = PredictionCache::new(1000);
        std::thread::scope(|scope| {
            let first = scope.spawn(|| {
                cache.get_or_compute::<Error>(1, &|| false, || {
                    std::thread::sleep(Duration::from_millis(150));
                    Err(Error::Aborted)
                })
            });
            while cache.state.lock().flights.is_empty() {
                std::thread::yield_now();
            }
            let begun = Instant::now();
            let deadline = || begun.elapsed() > Duration::from_millis(20);
            let answer =
                cache.get_or_compute::<Error>(1, &deadline, || panic!("the first computes"));
            assert_eq!(answer.unwrap_err(), Error::Aborted);
            let patient = scope.spawn(|| compute(&cache, 1, 0.75));
            assert_eq!(first.join().unwrap().unwrap_err(), Error::Aborted);
            assert_eq!(patient.join().unwrap().prediction.alpha.plane(0)[0], 0.75);
        });
        assert_eq!(cache.stats().entries, 1);
    }

    #[test]
    fn a_panic_does_not_leave_others_waiting() {
        let cache = PredictionCache::new(1000);
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _ = cache.get_or_compute::<Error>(1, &|| false, || panic!("boom"));
        }));
        assert!(caught.is_err());
        assert_eq!(compute(&cache, 1, 0.5).prediction.alpha.plane(0)[0], 0.5);
    }
}
