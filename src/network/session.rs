//! The engines that are kept ready, one for each model, device, precision and size.
//!
//! Building one takes from a tenth of a second to a minute, and one may hold gigabytes. So each is
//! built once even when many frames ask at the same time (the others wait, and may stop waiting),
//! kept within bounds of number and memory, and released when nobody has used it for a while.
//!
//! What is kept is a type parameter: the rules here are about time and memory, not about ONNX
//! Runtime, and are tested without it.

use std::collections::HashMap;
use std::ops::Deref;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::device::{Device, Precision};
use super::error::{Error, Result};
use super::model::Own;
use super::{Control, POLL};

/// What distinguishes one session from another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// The model file's SHA-256: a changed model is another model, whatever its id.
    pub model: String,
    /// Where it runs.
    pub device: Device,
    /// In which arithmetic.
    pub precision: Precision,
    /// What computes it, if the runtime does not: the same file gives other digits then.
    pub own: Option<Own>,
    /// Columns of the network's input.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Sessions at most, those in use aside.
    pub count: usize,
    /// Estimated bytes at most, those in use included: who needs more waits for them. One session
    /// alone may have any size.
    pub bytes: u64,
    /// How long an unused session is kept.
    pub idle: Duration,
}

/// One kept session, for a status panel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// Which it is.
    pub key: Key,
    /// Its estimated memory.
    pub bytes: u64,
    /// Frames that use it now.
    pub users: usize,
}

/// The kept sessions.
#[derive(Debug)]
pub struct Sessions<E> {
    state: Mutex<State<E>>,
    changed: Condvar,
    limits: Limits,
    /// What else is to be given back when no session is left.
    at_rest: OnceLock<fn()>,
}

#[derive(Debug)]
struct State<E> {
    ready: HashMap<Key, Entry<E>>,
    building: HashMap<Key, Arc<Build<E>>>,
    /// A thread is watching for idle sessions.
    watched: bool,
}

impl<E> State<E> {
    /// Bytes that nobody can give back now: of sessions in use and of those being built.
    fn taken(&self) -> u64 {
        let used = self.ready.values().filter(|entry| entry.in_use());
        used.map(|entry| entry.bytes)
            .chain(self.building.values().map(|build| build.bytes))
            .sum()
    }
}

#[derive(Debug)]
struct Entry<E> {
    engine: Arc<E>,
    bytes: u64,
    users: Arc<AtomicUsize>,
    used: Instant,
}

impl<E> Entry<E> {
    fn in_use(&self) -> bool {
        self.users.load(Ordering::SeqCst) > 0
    }
}

/// Counted as a user of a session while this is alive, from the moment on that it is waited for: one
/// that is just finished must not go before those who waited have it. Made under the lock.
#[derive(Debug)]
struct Use(Arc<AtomicUsize>);

impl Use {
    fn of(users: &Arc<AtomicUsize>) -> Self {
        users.fetch_add(1, Ordering::SeqCst);
        Self(users.clone())
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A session under construction. The outcome is only for those who waited for it: a failure is
/// not kept, since what was missing may be there next time.
#[derive(Debug)]
struct Build<E> {
    bytes: u64,
    users: Arc<AtomicUsize>,
    outcome: OnceLock<Result<Arc<E>>>,
}

/// A session in use. It cannot be released while this is alive.
#[derive(Debug)]
pub struct Lease<E: Send + Sync + 'static> {
    sessions: Arc<Sessions<E>>,
    key: Key,
    engine: Arc<E>,
    held: Option<Use>,
}

impl<E: Send + Sync + 'static> Sessions<E> {
    /// An empty set with these limits.
    pub fn new(limits: Limits) -> Arc<Self> {
        let state = State {
            ready: HashMap::new(),
            building: HashMap::new(),
            watched: false,
        };
        Arc::new(Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
            limits,
            at_rest: OnceLock::new(),
        })
    }

    /// Has `release` called whenever the last session was released for idleness or by a purge. The
    /// first word counts.
    pub fn at_rest(&self, release: fn()) {
        let _ = self.at_rest.set(release);
    }

    /// The session of `key`, built by `build` if there is none. `bytes` is its estimated memory.
    ///
    /// The building goes on in a thread of its own when whoever asked for it no longer waits: it
    /// cannot be stopped half-way, and the next frame will want it.
    ///
    /// Where the memory is taken by sessions in use, this waits until enough of them are not.
    /// Whoever holds a lease must therefore not ask for another.
    ///
    /// # Errors
    /// [`Error::Aborted`] when `control` says so; otherwise what `build` says.
    pub fn acquire(
        self: &Arc<Self>,
        key: &Key,
        bytes: u64,
        control: &dyn Control,
        build: impl FnOnce() -> Result<E> + Send + 'static,
    ) -> Result<Lease<E>> {
        let mut state = self.state.lock();
        let waiting = loop {
            if let Some(entry) = state.ready.get(key) {
                return Ok(self.lease(key, entry.engine.clone(), Use::of(&entry.users)));
            }
            if let Some(waiting) = state.building.get(key) {
                break waiting.clone();
            }
            if state.taken() == 0 || state.taken().saturating_add(bytes) <= self.limits.bytes {
                break self.start(&mut state, key, bytes, build)?;
            }
            self.pause(&mut state, control)?;
        };
        let held = Use::of(&waiting.users);
        let engine = self.wait(&mut state, &waiting, control)?;
        Ok(self.lease(key, engine, held))
    }

    fn lease(self: &Arc<Self>, key: &Key, engine: Arc<E>, held: Use) -> Lease<E> {
        Lease {
            sessions: self.clone(),
            key: key.clone(),
            engine,
            held: Some(held),
        }
    }

    fn start(
        self: &Arc<Self>,
        state: &mut MutexGuard<'_, State<E>>,
        key: &Key,
        bytes: u64,
        build: impl FnOnce() -> Result<E> + Send + 'static,
    ) -> Result<Arc<Build<E>>> {
        let waiting = Arc::new(Build {
            bytes,
            users: Arc::default(),
            outcome: OnceLock::new(),
        });
        state.building.insert(key.clone(), waiting.clone());
        // Room is made before the new session takes its memory, not after.
        let released = MutexGuard::unlocked(state, || self.make_room());
        drop(released);
        let (sessions, job, key_) = (self.clone(), waiting.clone(), key.clone());
        let thread = std::thread::Builder::new().name("corridorkey-build".into());
        let spawned = thread.spawn(move || {
            let built = std::panic::catch_unwind(AssertUnwindSafe(build)).unwrap_or_else(|panic| {
                Err(Error::Internal {
                    what: "preparing a model",
                    reason: panic_text(&*panic),
                })
            });
            sessions.finish(&key_, &job, built);
        });
        if let Err(error) = spawned {
            state.building.remove(key);
            let error = Error::Thread {
                what: "no thread could be started to prepare a model",
                reason: error.to_string(),
            };
            let _ = waiting.outcome.set(Err(error.clone()));
            self.changed.notify_all();
            return Err(error);
        }
        Ok(waiting)
    }

    fn finish(self: &Arc<Self>, key: &Key, job: &Arc<Build<E>>, built: Result<E>) {
        let mut state = self.state.lock();
        state.building.remove(key);
        let outcome = match built {
            Ok(engine) => {
                let engine = Arc::new(engine);
                let entry = Entry {
                    engine: engine.clone(),
                    bytes: job.bytes,
                    users: job.users.clone(),
                    used: Instant::now(),
                };
                state.ready.insert(key.clone(), entry);
                Ok(engine)
            }
            Err(error) => Err(error),
        };
        let _ = job.outcome.set(outcome);
        self.watch(&mut state);
        drop(state);
        self.changed.notify_all();
    }

    fn wait(
        &self,
        state: &mut MutexGuard<'_, State<E>>,
        job: &Build<E>,
        control: &dyn Control,
    ) -> Result<Arc<E>> {
        loop {
            if let Some(outcome) = job.outcome.get() {
                return outcome.clone();
            }
            self.pause(state, control)?;
        }
    }

    /// Waits until something has changed, or some time has passed.
    fn pause(&self, state: &mut MutexGuard<'_, State<E>>, control: &dyn Control) -> Result<()> {
        self.changed.wait_for(state, POLL);
        // Asked without the lock: the question goes to the host.
        MutexGuard::unlocked(state, || super::check(control))
    }

    /// Takes out what has to go, the least recently used first, so that what is being built fits.
    /// The engines are dropped by the caller, without the lock: that can take long.
    fn make_room(&self) -> Vec<Arc<E>> {
        let mut state = self.state.lock();
        let mut released = Vec::new();
        loop {
            let count = state.ready.len() + state.building.len();
            let bytes = state.ready.values().map(|entry| entry.bytes).sum::<u64>()
                + state
                    .building
                    .values()
                    .map(|build| build.bytes)
                    .sum::<u64>();
            if count <= self.limits.count.max(1) && bytes <= self.limits.bytes {
                return released;
            }
            let oldest = state
                .ready
                .iter()
                .filter(|(_, entry)| !entry.in_use())
                .min_by_key(|(_, entry)| entry.used);
            let Some(key) = oldest.map(|(key, _)| key.clone()) else {
                return released;
            };
            released.extend(state.ready.remove(&key).map(|entry| entry.engine));
        }
    }

    /// Releases every session that is not in use, and says how many.
    pub fn purge(&self) -> usize {
        let released = self.take_unused(|_| true);
        // The watch may have nothing left to do.
        self.changed.notify_all();
        released.len()
    }

    fn take_unused(&self, which: impl Fn(&Entry<E>) -> bool) -> Vec<Arc<E>> {
        let mut state = self.state.lock();
        let keys: Vec<Key> = state
            .ready
            .iter()
            .filter(|(_, entry)| !entry.in_use() && which(entry))
            .map(|(key, _)| key.clone())
            .collect();
        keys.iter()
            .filter_map(|key| state.ready.remove(key))
            .map(|entry| entry.engine)
            .collect()
    }

    /// What is kept now.
    pub fn list(&self) -> Vec<Info> {
        let state = self.state.lock();
        let info = |(key, entry): (&Key, &Entry<E>)| Info {
            key: key.clone(),
            bytes: entry.bytes,
            users: entry.users.load(Ordering::SeqCst),
        };
        state.ready.iter().map(info).collect()
    }

    /// Starts the thread that releases idle sessions, unless it is there. It ends when there is
    /// nothing left to watch.
    fn watch(self: &Arc<Self>, state: &mut State<E>) {
        if state.watched || state.ready.is_empty() {
            return;
        }
        let sessions = self.clone();
        let spawned = std::thread::Builder::new()
            .name("corridorkey-idle".into())
            .spawn(move || sessions.keep_watch());
        // Without the thread idle sessions stay until something else needs their place.
        state.watched = spawned.is_ok();
    }

    fn keep_watch(&self) {
        let idle = self.limits.idle;
        loop {
            drop(self.take_unused(|entry| entry.used.elapsed() >= idle));
            let mut state = self.state.lock();
            if state.ready.is_empty() && state.building.is_empty() {
                state.watched = false;
                drop(state);
                if let Some(release) = self.at_rest.get() {
                    release();
                }
                return;
            }
            let next = state
                .ready
                .values()
                .map(|entry| idle.saturating_sub(entry.used.elapsed()))
                .min();
            self.changed
                .wait_for(&mut state, next.unwrap_or(idle).max(POLL));
        }
    }
}

impl<E: Send + Sync + 'static> Deref for Lease<E> {
    type Target = E;

    fn deref(&self) -> &E {
        &self.engine
    }
}

impl<E: Send + Sync + 'static> Drop for Lease<E> {
    fn drop(&mut self) {
        let mut state = self.sessions.state.lock();
        self.held = None;
        if let Some(entry) = state.ready.get_mut(&self.key) {
            entry.used = Instant::now();
        }
        drop(state);
        // Sessions in use may have been more than the limits allow.
        drop(self.sessions.make_room());
        // Somebody may be waiting for its memory.
        self.sessions.changed.notify_all();
    }
}

/// The message of a panic.
pub(super) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no reason was given".into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::atomic::AtomicBool;

    fn key(width: usize) -> Key {
        Key {
            model: "m".into(),
            device: Device::Cpu,
            precision: Precision::Fp32,
            own: None,
            width,
            height: 64,
        }
    }

    fn sessions(count: usize, bytes: u64) -> Arc<Sessions<usize>> {
        Sessions::new(Limits {
            count,
            bytes,
            idle: Duration::from_secs(600),
        })
    }

    fn widths(sessions: &Sessions<usize>) -> Vec<usize> {
        let mut widths: Vec<usize> = sessions.list().iter().map(|info| info.key.width).collect();
        widths.sort_unstable();
        widths
    }

    fn use_once(sessions: &Arc<Sessions<usize>>, width: usize, bytes: u64) {
        let lease = sessions
            .acquire(&key(width), bytes, &|| false, move || Ok(width))
            .unwrap();
        assert_eq!(*lease, width);
        // The order of use is told by the clock.
        std::thread::sleep(Duration::from_millis(2));
    }

    #[test]
    fn a_session_is_built_once_even_when_many_ask_at_the_same_time() {
        let (sessions, built) = (sessions(4, 1000), Arc::new(AtomicUsize::new(0)));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let built = built.clone();
                    let lease = sessions.acquire(&key(1), 1, &|| false, move || {
                        std::thread::sleep(Duration::from_millis(50));
                        Ok(built.fetch_add(1, Ordering::SeqCst))
                    });
                    assert_eq!(*lease.unwrap(), 0);
                });
            }
        });
        assert_eq!(built.load(Ordering::SeqCst), 1);
        assert_eq!(sessions.list()[0].users, 0, "every lease was given back");
    }

    #[test]
    fn waiting_for_a_session_can_be_aborted_and_the_session_still_comes() {
        let sessions = sessions(4, 1000);
        let go = Arc::new(AtomicBool::new(false));
        let begun = Instant::now();
        let gate = go.clone();
        let result = sessions.acquire(
            &key(1),
            1,
            &|| begun.elapsed() > Duration::from_millis(30),
            move || {
                while !gate.load(Ordering::SeqCst) {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Ok(7)
            },
        );
        assert_eq!(result.map(|lease| *lease), Err(Error::Aborted));
        go.store(true, Ordering::SeqCst);
        let lease = sessions
            .acquire(&key(1), 1, &|| false, || {
                panic!("it is being built already")
            })
            .unwrap();
        assert_eq!(*lease, 7);
    }

    #[test]
    fn a_failure_reaches_everybody_who_waited_and_is_not_kept() {
        let sessions = sessions(4, 1000);
        let fail = || Error::Thread {
            what: "w",
            reason: "r".into(),
        };
        let error = sessions
            .acquire(&key(1), 1, &|| false, move || Err(fail()))
            .unwrap_err();
        assert_eq!(error, fail());
        assert_eq!(
            *sessions.acquire(&key(1), 1, &|| false, || Ok(3)).unwrap(),
            3
        );
    }

    #[test]
    fn a_panic_while_building_is_an_error_and_leaves_the_set_usable() {
        let sessions = sessions(4, 1000);
        let error = sessions
            .acquire(&key(1), 1, &|| false, || panic!("boom"))
            .unwrap_err();
        assert!(error.to_string().contains("boom"), "{error}");
        use_once(&sessions, 1, 1);
    }

    #[test]
    fn the_least_recently_used_go_first_by_number_and_by_memory() {
        let sessions = sessions(2, 100);
        for width in [1, 2, 1, 3] {
            use_once(&sessions, width, 10);
        }
        assert_eq!(widths(&sessions), [1, 3]);
        use_once(&sessions, 4, 95);
        assert_eq!(widths(&sessions), [4]);
        use_once(&sessions, 5, 5);
        assert_eq!(widths(&sessions), [4, 5]);
    }

    #[test]
    fn who_finds_the_memory_in_use_waits_for_it_and_may_stop_waiting() {
        let sessions = sessions(4, 100);
        let lease = sessions.acquire(&key(1), 60, &|| false, || Ok(1)).unwrap();
        let begun = Instant::now();
        let stop = || begun.elapsed() > Duration::from_millis(30);
        let refused = sessions.acquire(&key(2), 60, &stop, || panic!("there is no room"));
        assert_eq!(refused.map(|lease| *lease), Err(Error::Aborted));
        // What fits beside it does not wait.
        use_once(&sessions, 3, 40);
        let room = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let lease = sessions.acquire(&key(2), 60, &|| false, || Ok(2)).unwrap();
                assert!(room.load(Ordering::SeqCst), "it did not wait");
                assert_eq!(*lease, 2);
            });
            std::thread::sleep(Duration::from_millis(50));
            room.store(true, Ordering::SeqCst);
            drop(lease);
        });
        assert_eq!(widths(&sessions), [2]);
    }

    #[test]
    fn a_session_beyond_the_limit_is_built_when_it_is_alone() {
        let sessions = sessions(4, 100);
        use_once(&sessions, 1, 60);
        use_once(&sessions, 2, 120);
        assert!(sessions.list().is_empty());
        use_once(&sessions, 1, 60);
    }

    #[test]
    fn a_session_in_use_is_never_released() {
        let sessions = sessions(1, 100);
        let lease = sessions.acquire(&key(1), 10, &|| false, || Ok(1)).unwrap();
        use_once(&sessions, 2, 90);
        assert_eq!(sessions.purge(), 0);
        assert_eq!(widths(&sessions), [1]);
        drop(lease);
        assert_eq!(sessions.purge(), 1);
        assert!(sessions.list().is_empty());
    }

    #[test]
    fn idle_sessions_are_released_by_themselves() {
        let sessions: Arc<Sessions<usize>> = Sessions::new(Limits {
            count: 4,
            bytes: 100,
            idle: Duration::from_millis(60),
        });
        static RESTS: AtomicUsize = AtomicUsize::new(0);
        sessions.at_rest(|| {
            RESTS.fetch_add(1, Ordering::SeqCst);
        });
        use_once(&sessions, 1, 1);
        assert_eq!(widths(&sessions), [1]);
        let begun = Instant::now();
        while !sessions.list().is_empty() || RESTS.load(Ordering::SeqCst) == 0 {
            assert!(
                begun.elapsed() < Duration::from_secs(10),
                "it was never released, or nobody was told"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        // The watch starts again for the next one.
        use_once(&sessions, 2, 1);
        while !sessions.list().is_empty() {
            assert!(
                begun.elapsed() < Duration::from_secs(10),
                "it was never released"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
