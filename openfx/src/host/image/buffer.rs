//! Memory for pixels, with a margin of known bytes on both sides.
//!
//! A plug-in writes through a bare pointer, so the memory is never lent to Rust as a slice while a
//! render runs, and the margins show afterwards whether it wrote beyond the ends.

use std::alloc::{Layout as Allocation, alloc_zeroed, dealloc};
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::sync::Mutex;

use super::super::core::lock;
use super::super::error::{HostError, Result};

/// Every buffer starts on such a boundary: a cache line, and enough for any vector load.
const ALIGNMENT: usize = 64;

/// What is asked of the allocator. More would cost the memory's zeroing by hand: for large blocks
/// of ordinary alignment the system hands out fresh pages, which are zero already.
const ORDINARY: usize = 16;

/// The byte that lies at position `index` of a margin.
const fn margin_byte(index: usize) -> u8 {
    0xA5 ^ (index as u8)
}

/// The memory of the last large picture that is gone, for the next one of its size. Hosts that play
/// and scrub do so: pages that are asked of the system anew are faulted in and zeroed one by one,
/// which costs more than the keying that a slider asks for.
static LAST: Mutex<Option<Memory>> = Mutex::new(None);

/// What is smaller or larger than this is not kept.
const KEPT: std::ops::RangeInclusive<usize> = 1 << 20..=256 << 20;

/// Initialised memory, freed when it is dropped.
#[derive(Debug)]
struct Memory {
    start: NonNull<u8>,
    layout: Allocation,
}

// SAFETY: the memory is owned, and has no other state.
unsafe impl Send for Memory {}

impl Memory {
    /// Zeros; `None` when there is not so much memory. The layout's size is not zero.
    fn zeroed(layout: Allocation) -> Option<Self> {
        debug_assert_ne!(layout.size(), 0);
        // SAFETY: the layout's size is not zero, the margins see to that.
        let start = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        Some(Self { start, layout })
    }

    /// What the last picture of just this size left behind.
    fn left_behind(layout: Allocation) -> Option<Self> {
        lock(&LAST).take_if(|memory| memory.layout == layout)
    }

    /// Kept for the next picture, or freed.
    fn leave(self) {
        let freed = if KEPT.contains(&self.layout.size()) {
            lock(&LAST).replace(self)
        } else {
            Some(self)
        };
        drop(freed);
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: allocated in `zeroed` with this very layout, and freed once.
        unsafe { dealloc(self.start.as_ptr(), self.layout) }
    }
}

/// Bytes between two margins.
#[derive(Debug)]
pub(super) struct Buffer {
    allocation: NonNull<u8>,
    layout: Allocation,
    /// From the allocation to the first margin.
    offset: usize,
    margin: usize,
    len: usize,
}

// SAFETY: a `Buffer` owns its memory and has no other state; shared access through `bytes` only
// reads, and what a plug-in does through `as_ptr` is the business of the (unsafe) interface.
unsafe impl Send for Buffer {}
// SAFETY: as above.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// `len` zero bytes with at least `margin` bytes of margin on each side.
    pub(super) fn zeroed(len: usize, margin: usize) -> Result<Self> {
        Self::of(len, margin, Memory::zeroed)
    }

    /// The same with bytes of any value: those of an earlier picture, where one has left its
    /// memory behind. For what is going to be written to, wholly.
    pub(super) fn unwritten(len: usize, margin: usize) -> Result<Self> {
        Self::of(len, margin, |layout| {
            Memory::left_behind(layout).or_else(|| Memory::zeroed(layout))
        })
    }

    fn of(
        len: usize,
        margin: usize,
        memory: impl FnOnce(Allocation) -> Option<Memory>,
    ) -> Result<Self> {
        let margin = margin.max(1).next_multiple_of(ALIGNMENT);
        let layout = len
            .checked_add(2 * margin + ALIGNMENT)
            .and_then(|total| Allocation::from_size_align(total, ORDINARY).ok())
            .ok_or_else(|| HostError::Memory(format!("a picture of {len} bytes")))?;
        let memory =
            memory(layout).ok_or_else(|| HostError::Memory(format!("a picture of {len} bytes")))?;
        // The buffer's own from here on, until it goes.
        let memory = ManuallyDrop::new(memory);
        let address = memory.start.addr().get();
        let buffer = Self {
            allocation: memory.start,
            layout: memory.layout,
            offset: address.next_multiple_of(ALIGNMENT) - address,
            margin,
            len,
        };
        for start in [0, margin + len] {
            // SAFETY: both ranges of `margin` bytes lie inside the allocation of
            // `len + 2 * margin` initialised bytes after the offset, which nobody else knows yet.
            let side =
                unsafe { std::slice::from_raw_parts_mut(buffer.first_margin().add(start), margin) };
            for (index, byte) in side.iter_mut().enumerate() {
                *byte = margin_byte(index);
            }
        }
        Ok(buffer)
    }

    /// The first byte between the margins. Valid for reads and writes of `len` bytes.
    pub(super) fn as_ptr(&self) -> *mut u8 {
        // SAFETY: `margin` lies inside the allocation.
        unsafe { self.first_margin().add(self.margin) }
    }

    fn first_margin(&self) -> *mut u8 {
        // SAFETY: the offset is below `ALIGNMENT`, which the allocation has to spare.
        unsafe { self.allocation.as_ptr().add(self.offset) }
    }

    /// The bytes between the margins.
    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: the range lies inside the allocation and is initialised (all memory was zeroed once);
        // writers hold `&mut self`, or are a plug-in during a render, when nobody calls this.
        unsafe { std::slice::from_raw_parts(self.as_ptr(), self.len) }
    }

    /// The bytes between the margins, to write.
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`, and `&mut self` excludes every other Rust reference.
        unsafe { std::slice::from_raw_parts_mut(self.as_ptr(), self.len) }
    }

    /// How far from the pixels (in bytes) the nearest overwritten margin byte lies: before the
    /// first byte, and after the last. `None` where the margin is whole.
    pub(super) fn margin_damage(&self) -> (Option<usize>, Option<usize>) {
        let side = |start: usize| {
            // SAFETY: both margins lie inside the allocation and are initialised.
            unsafe { std::slice::from_raw_parts(self.first_margin().add(start), self.margin) }
        };
        let damaged = |(index, byte): &(usize, &u8)| **byte != margin_byte(*index);
        let before = side(0)
            .iter()
            .enumerate()
            .rev()
            .find(|item| damaged(item))
            .map(|(index, _)| self.margin - index);
        let after = side(self.margin + self.len)
            .iter()
            .enumerate()
            .find(|item| damaged(item))
            .map(|(index, _)| index + 1);
        (before, after)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let memory = Memory {
            start: self.allocation,
            layout: self.layout,
        };
        memory.leave();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn margins_tell_how_far_a_stray_write_went() {
        let buffer = Buffer::zeroed(100, 10).unwrap();
        assert!(buffer.as_ptr().addr().is_multiple_of(ALIGNMENT));
        assert_eq!(buffer.margin_damage(), (None, None));
        // SAFETY: both addresses lie in the margins.
        unsafe {
            buffer.as_ptr().sub(3).write(0);
            buffer.as_ptr().add(100).write(0);
        }
        assert_eq!(buffer.margin_damage(), (Some(3), Some(1)));
        assert!(buffer.bytes().iter().all(|b| *b == 0));
    }

    #[test]
    fn large_memory_goes_to_the_next_of_its_size_and_zeros_are_zeros() {
        // A size that no other test has: the memory is the process's.
        const SIZE: usize = (1 << 20) + 12_345;
        let filled = || {
            let mut buffer = Buffer::zeroed(SIZE, 10).unwrap();
            assert!(buffer.bytes().iter().all(|b| *b == 0));
            buffer.bytes_mut().fill(7);
            buffer.as_ptr().addr()
        };
        let mut again = 0;
        // Another test's picture may come between.
        for _ in 0..20 {
            let address = filled();
            let next = Buffer::unwritten(SIZE, 10).unwrap();
            assert_eq!(next.margin_damage(), (None, None));
            if next.as_ptr().addr() == address && next.bytes().iter().all(|b| *b == 7) {
                again += 1;
            }
            drop(next);
            filled();
        }
        assert!(again > 0);
    }

    #[test]
    fn a_size_that_cannot_be_is_an_error() {
        assert!(Buffer::zeroed(usize::MAX - 5, 64).is_err());
        assert!(Buffer::zeroed(0, 0).unwrap().bytes().is_empty());
    }
}
