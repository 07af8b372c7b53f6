//! What plug-ins can borrow from the host besides pictures: memory and mutexes.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

/// Memory for a plug-in, zeroed, aligned for any vector instruction.
#[derive(Debug)]
pub(crate) struct Block {
    address: NonNull<u8>,
    layout: Layout,
}

// SAFETY: a block only owns its memory; who reads and writes it is the plug-in's business.
unsafe impl Send for Block {}
// SAFETY: as above; the block itself never touches the memory.
unsafe impl Sync for Block {}

impl Block {
    /// `None` when there is not enough memory.
    pub(crate) fn new(bytes: usize) -> Option<Self> {
        let layout = Layout::from_size_align(bytes.max(1), 64).ok()?;
        // SAFETY: the size is not zero.
        let address = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        Some(Self { address, layout })
    }

    pub(crate) fn address(&self) -> *mut u8 {
        self.address.as_ptr()
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout, freed once.
        unsafe { dealloc(self.address.as_ptr(), self.layout) }
    }
}

/// Memory of the image effect suite, which must be locked before use.
#[derive(Debug)]
pub(crate) struct ImageMemory {
    pub(crate) block: Block,
    pub(crate) locks: Mutex<u32>,
}

/// A mutex of the multi-thread suite: held by one thread, as often as that wants.
#[derive(Debug, Default)]
pub(crate) struct Lock {
    state: Mutex<Holder>,
    free: Condvar,
}

#[derive(Debug, Default)]
struct Holder {
    thread: Option<ThreadId>,
    count: u32,
}

impl Lock {
    /// A mutex held `count` times by this thread.
    pub(crate) fn held(count: u32) -> Self {
        Self {
            state: Mutex::new(Holder {
                thread: (count > 0).then(|| thread::current().id()),
                count,
            }),
            free: Condvar::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, Holder> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it is free, or says at once whether it is.
    pub(crate) fn lock(&self, wait: bool) -> bool {
        let me = thread::current().id();
        let mut state = self.state();
        while state.thread.is_some_and(|thread| thread != me) {
            if !wait {
                return false;
            }
            state = self
                .free
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.thread = Some(me);
        state.count += 1;
        true
    }

    /// `false` when this thread does not hold it.
    pub(crate) fn unlock(&self) -> bool {
        let mut state = self.state();
        if state.thread != Some(thread::current().id()) {
            return false;
        }
        state.count -= 1;
        if state.count == 0 {
            state.thread = None;
            self.free.notify_one();
        }
        true
    }

    pub(crate) fn is_held(&self) -> bool {
        self.state().thread.is_some()
    }
}
