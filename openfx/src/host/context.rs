//! Which action is running on this thread.
//!
//! OpenFX calls carry no hint of why they are made; what is allowed depends on the action that the
//! plug-in is in. The host knows: it sent it.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, ThreadId};

use super::core::Host;
use super::image::HostImage;
use super::property::Action;
use super::request::Preferences;
use crate::types::Scale;

/// One action in progress.
pub(crate) struct Frame {
    /// Unlike that of any other.
    pub(crate) id: u64,
    pub(crate) host: Arc<Host>,
    pub(crate) action: Action,
    /// The effect's handle; 0 for Load and Unload.
    pub(crate) effect: usize,
    pub(crate) thread: ThreadId,
    /// What images are fetched for.
    pub(crate) picture: Option<Picture>,
}

/// The circumstances of a render (or of a change, whose images are full size).
#[derive(Clone)]
pub(crate) struct Picture {
    pub(crate) time: f64,
    pub(crate) scale: Scale,
    pub(crate) preferences: Arc<Preferences>,
    /// Where the output goes; `None` outside a render.
    pub(crate) output: Option<Arc<HostImage>>,
}

impl Frame {
    pub(crate) fn new(
        host: &Arc<Host>,
        action: Action,
        effect: usize,
        picture: Option<Picture>,
    ) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Arc::new(Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            host: Arc::clone(host),
            action,
            effect,
            thread: thread::current().id(),
            picture,
        })
    }
}

#[derive(Default)]
struct Here {
    frames: Vec<Arc<Frame>>,
    set_host: Option<Arc<Host>>,
}

thread_local! {
    static HERE: RefCell<Here> = RefCell::default();
}

/// Takes a frame off again when dropped.
pub(crate) struct Entered(u64);

/// The frame's action begins on this thread.
pub(crate) fn enter(frame: &Arc<Frame>) -> Entered {
    HERE.with_borrow_mut(|here| here.frames.push(Arc::clone(frame)));
    Entered(frame.id)
}

impl Drop for Entered {
    fn drop(&mut self) {
        // Dropped outside the borrow: a frame may hold the last reference to a host.
        let gone = HERE.try_with(|here| {
            let mut here = here.borrow_mut();
            let at = here.frames.iter().rposition(|frame| frame.id == self.0);
            at.map(|at| here.frames.remove(at))
        });
        drop(gone);
    }
}

/// The innermost action on this thread.
pub(crate) fn current() -> Option<Arc<Frame>> {
    HERE.try_with(|here| here.borrow().frames.last().map(Arc::clone))
        .ok()
        .flatten()
}

/// The innermost action of that effect on this thread.
pub(crate) fn current_of(effect: usize) -> Option<Arc<Frame>> {
    HERE.try_with(|here| {
        here.borrow()
            .frames
            .iter()
            .rev()
            .find(|frame| frame.effect == effect)
            .map(Arc::clone)
    })
    .ok()
    .flatten()
}

/// All actions on this thread, to be taken along to another one.
pub(crate) fn stack() -> Vec<Arc<Frame>> {
    HERE.try_with(|here| here.borrow().frames.clone())
        .unwrap_or_default()
}

/// Continues other actions on this thread while `work` runs.
pub(crate) fn with_stack<R>(frames: Vec<Arc<Frame>>, work: impl FnOnce() -> R) -> R {
    let before = HERE.with_borrow_mut(|here| std::mem::replace(&mut here.frames, frames));
    let result = work();
    let after = HERE.with_borrow_mut(|here| std::mem::replace(&mut here.frames, before));
    drop(after);
    result
}

/// Marks this thread as being in `setHost` while `call` runs.
pub(crate) fn in_set_host<R>(host: &Arc<Host>, call: impl FnOnce() -> R) -> R {
    HERE.with_borrow_mut(|here| here.set_host = Some(Arc::clone(host)));
    let result = call();
    let gone = HERE.with_borrow_mut(|here| here.set_host.take());
    drop(gone);
    result
}

/// The host whose `setHost` is running on this thread.
pub(crate) fn set_host() -> Option<Arc<Host>> {
    HERE.try_with(|here| here.borrow().set_host.clone())
        .ok()
        .flatten()
}
