//! Memory for pixels, with a margin of known bytes on both sides.
//!
//! A plug-in writes through a bare pointer, so the memory is never lent to Rust as a slice while a
//! render runs, and the margins show afterwards whether it wrote beyond the ends.

use std::alloc::{Layout as Allocation, alloc_zeroed, dealloc};
use std::ptr::NonNull;

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

/// Zeroed bytes between two margins.
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
        let margin = margin.max(1).next_multiple_of(ALIGNMENT);
        let layout = len
            .checked_add(2 * margin + ALIGNMENT)
            .and_then(|total| Allocation::from_size_align(total, ORDINARY).ok())
            .ok_or_else(|| HostError::Memory(format!("a picture of {len} bytes")))?;
        // SAFETY: the layout's size is not zero, the margins see to that.
        let allocation = NonNull::new(unsafe { alloc_zeroed(layout) })
            .ok_or_else(|| HostError::Memory(format!("a picture of {len} bytes")))?;
        let address = allocation.addr().get();
        let buffer = Self {
            allocation,
            layout,
            offset: address.next_multiple_of(ALIGNMENT) - address,
            margin,
            len,
        };
        for start in [0, margin + len] {
            // SAFETY: both ranges of `margin` bytes lie inside the allocation of
            // `len + 2 * margin` zeroed bytes after the offset, which nobody else knows yet.
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
        // SAFETY: the range lies inside the allocation and is initialised (zeroed at birth);
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
        // SAFETY: allocated in `zeroed` with this very layout, and freed once.
        unsafe { dealloc(self.allocation.as_ptr(), self.layout) }
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
    fn a_size_that_cannot_be_is_an_error() {
        assert!(Buffer::zeroed(usize::MAX - 5, 64).is_err());
        assert!(Buffer::zeroed(0, 0).unwrap().bytes().is_empty());
    }
}
