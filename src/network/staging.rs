//! Memory between a picture and a GPU.
//!
//! A GPU fetches and delivers at full speed only what the system never moves. Such memory is dear to
//! get, so that it is kept with the session, a set for each frame that is worked on at the same
//! time. A picture is written where the GPU fetches it. That and emptying a set goes on outside the
//! session's turn: while one frame is in the network, another is on its way in or out. Where the answers
//! are to stay, memory is taken and made ready while the network runs: getting tens of megabytes from
//! the system takes longer than filling them.

use parking_lot::Mutex;
use rayon::prelude::*;

/// Threads that copy, at most: a few do not use up the memory's speed.
const THREADS: usize = 16;
/// Values that a thread takes at a time.
const PIECE: usize = 1 << 18;
/// Values in the smallest page that systems with a GPU have.
const PAGE: usize = 4096 / size_of::<f32>();

/// Memory of a kind, as a list of numbers.
pub(super) trait Room: Send {
    /// To read.
    fn values(&self) -> &[f32];
    /// To write.
    fn values_mut(&mut self) -> &mut [f32];
}

/// What one frame needs: the picture, alpha and the foreground.
#[derive(Debug)]
pub(super) struct Set<M> {
    pub(super) input: M,
    pub(super) alpha: M,
    pub(super) foreground: M,
}

/// The sets of a session, those in use aside.
#[derive(Debug)]
pub(super) struct Staging<M> {
    pixels: usize,
    spare: Mutex<Vec<Set<M>>>,
    pool: rayon::ThreadPool,
}

impl<M: Room> Staging<M> {
    /// For pictures of so many pixels, with a first set: when there is no memory for one this is
    /// told here.
    ///
    /// # Errors
    /// What `room` says, and that there are no threads.
    pub(super) fn new(
        pixels: usize,
        threads: usize,
        room: impl Fn(usize) -> ort::Result<M>,
    ) -> ort::Result<Self> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads.clamp(1, THREADS))
            .thread_name(|index| format!("corridorkey-copy-{index}"))
            .build()
            .map_err(|error| ort::Error::new(error.to_string()))?;
        Ok(Self {
            pixels,
            spare: Mutex::new(vec![Self::new_set(pixels, room)?]),
            pool,
        })
    }

    fn new_set(pixels: usize, room: impl Fn(usize) -> ort::Result<M>) -> ort::Result<Set<M>> {
        Ok(Set {
            input: room(4 * pixels)?,
            alpha: room(pixels)?,
            foreground: room(3 * pixels)?,
        })
    }

    /// A set to write a picture into. When none is left a new one is made with `room`.
    ///
    /// # Errors
    /// What `room` says.
    pub(super) fn set(&self, room: impl Fn(usize) -> ort::Result<M>) -> ort::Result<Set<M>> {
        let spare = self.spare.lock().pop();
        spare.map_or_else(|| Self::new_set(self.pixels, room), Ok)
    }

    /// Keeps a set for the next frame.
    pub(super) fn keep(&self, set: Set<M>) {
        self.spare.lock().push(set);
    }

    /// Copies the answers out and keeps the set for the next frame. Says of each whether all of its
    /// values are numbers.
    pub(super) fn empty(
        &self,
        set: Set<M>,
        alpha: &mut [f32],
        foreground: &mut [f32],
    ) -> [bool; 2] {
        let (from_alpha, from_foreground) = (set.alpha.values(), set.foreground.values());
        let finite = self.pool.install(|| {
            let alpha = alpha
                .par_chunks_mut(PIECE)
                .zip(from_alpha.par_chunks(PIECE));
            let foreground = foreground
                .par_chunks_mut(PIECE)
                .zip(from_foreground.par_chunks(PIECE));
            // Looked at while it is still in the processor's cache.
            let alpha = alpha.map(|piece| [copied(piece), true]);
            let foreground = foreground.map(|piece| [true, copied(piece)]);
            alpha
                .chain(foreground)
                .reduce(|| [true; 2], |a, b| [a[0] && b[0], a[1] && b[1]])
        });
        self.keep(set);
        finite
    }

    /// Does `work` on the calling thread, and `other` meanwhile on one of those that copy.
    pub(super) fn meanwhile<T>(&self, other: impl FnOnce() + Send, work: impl FnOnce() -> T) -> T {
        self.pool.in_place_scope(|scope| {
            scope.spawn(|_| other());
            work()
        })
    }

    /// Has the system give the memory of `room`, whose values are lost: memory that is fresh is only
    /// given when it is first written to, page by page.
    pub(super) fn touch(&self, room: &mut [f32]) {
        let pieces = room.par_chunks_mut(PIECE);
        let touch = |piece: &mut [f32]| piece.chunks_mut(PAGE).for_each(|page| page[0] = 0.0);
        self.pool.install(|| pieces.for_each(touch));
    }
}

/// Copies a piece and says whether all of its values are numbers.
fn copied((to, from): (&mut [f32], &[f32])) -> bool {
    to.copy_from_slice(from);
    super::engine::all_finite(to)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    impl Room for Vec<f32> {
        fn values(&self) -> &[f32] {
            self
        }

        fn values_mut(&mut self) -> &mut [f32] {
            self
        }
    }

    fn picture(pixels: usize) -> Vec<f32> {
        (0..4 * pixels).map(|value| value as f32).collect()
    }

    #[test]
    fn what_goes_in_comes_out() {
        // More than a piece, and no whole number of them.
        let pixels = PIECE + 77;
        let staging = Staging::new(pixels, 2, |values| Ok(vec![0.0; values])).unwrap();
        let picture = picture(pixels);
        let mut set = staging.set(|_| unreachable!()).unwrap();
        assert_eq!(set.input.len(), picture.len());
        set.alpha.copy_from_slice(&picture[..pixels]);
        set.foreground.copy_from_slice(&picture[pixels..]);
        let (mut alpha, mut foreground) = (vec![0.0; pixels], vec![0.0; 3 * pixels]);
        let finite = staging.empty(set, &mut alpha, &mut foreground);
        assert_eq!(finite, [true, true]);
        assert!(alpha == picture[..pixels] && foreground == picture[pixels..]);
    }

    #[test]
    fn what_is_no_number_is_found_in_the_last_piece_too() {
        let pixels = PIECE + 5;
        let staging = Staging::new(pixels, 2, |values| Ok(vec![0.0; values])).unwrap();
        let mut set = staging.set(|_| unreachable!()).unwrap();
        *set.foreground.last_mut().unwrap() = f32::NAN;
        let (mut alpha, mut foreground) = (vec![0.0; pixels], vec![0.0; 3 * pixels]);
        let finite = staging.empty(set, &mut alpha, &mut foreground);
        assert_eq!(finite, [true, false]);
    }

    #[test]
    fn memory_is_made_ready_beside_the_work_and_on_other_threads() {
        let staging = Staging::new(8, 2, |values| Ok(vec![0.0; values])).unwrap();
        let (mut alpha, mut foreground) = (vec![7.0; PIECE + 3], vec![7.0; 2 * PAGE + 1]);
        let caller = std::thread::current().id();
        let mut other = caller;
        let ready = || {
            other = std::thread::current().id();
            staging.touch(&mut alpha);
            staging.touch(&mut foreground);
        };
        let worked = staging.meanwhile(ready, || std::thread::current().id());
        assert_eq!(worked, caller);
        assert_ne!(other, caller);
        for room in [&alpha, &foreground] {
            let mut pages = room.chunks(PAGE);
            assert!(pages.all(|page| page[0] == 0.0 && page[1..].iter().all(|v| *v == 7.0)));
        }
    }

    #[test]
    fn there_are_as_many_sets_as_frames_at_the_same_time_and_no_more() {
        let made = AtomicUsize::new(0);
        let room = |values: usize| {
            made.fetch_add(1, Ordering::SeqCst);
            Ok(vec![0.0; values])
        };
        let staging = Staging::new(8, 1, room).unwrap();
        for _ in 0..10 {
            let sets = [0, 1].map(|_| staging.set(room).unwrap());
            for set in sets {
                staging.empty(set, &mut [0.0; 8], &mut [0.0; 24]);
            }
        }
        assert_eq!(made.load(Ordering::SeqCst), 2 * 3);
    }
}
