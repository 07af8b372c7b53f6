//! Buffers that are used again from frame to frame.
//!
//! A UHD frame needs some hundred megabytes of intermediate planes. Asking the system for them
//! anew costs more than the arithmetic (every page is faulted in and zeroed), so they are kept
//! here, up to a budget, and lent out.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::error::Result;
use super::image::{Planes, Size, zeros};

/// A store of buffers, shared by all threads.
#[derive(Debug)]
pub struct Pool {
    idle: Mutex<Idle>,
    budget: usize,
}

#[derive(Debug, Default)]
struct Idle {
    buffers: Vec<Vec<f32>>,
    bytes: usize,
}

impl Pool {
    /// A store that keeps at most `budget` bytes of idle buffers. What is lent out does not count.
    pub const fn new(budget: usize) -> Self {
        Self {
            idle: Mutex::new(Idle {
                buffers: Vec::new(),
                bytes: 0,
            }),
            budget,
        }
    }

    /// A buffer for a picture. Its values are whatever was in it: write before you read.
    ///
    /// # Errors
    /// [`Error::Memory`](super::Error::Memory) when the system does not give so much.
    pub fn take(&self, size: Size, channels: usize) -> Result<Vec<f32>> {
        let len = size.area() * channels;
        match self.best_fit(len) {
            Some(mut buffer) => {
                buffer.resize(len, 0.0);
                Ok(buffer)
            }
            // Growing in place would copy what nobody wants.
            None => zeros(size, channels),
        }
    }

    /// Gives a buffer back, or, beyond the budget, to the system.
    pub fn give(&self, buffer: Vec<f32>) {
        let bytes = bytes(&buffer);
        let mut idle = self.lock();
        if bytes > 0 && idle.bytes + bytes <= self.budget {
            idle.bytes += bytes;
            idle.buffers.push(buffer);
        }
    }

    /// A picture that gives itself back. Its values are whatever was there: write before you read.
    ///
    /// # Errors
    /// [`Error::Memory`](super::Error::Memory) when the system does not give so much.
    pub fn planes(&self, width: usize, height: usize, channels: usize) -> Result<Lease<'_>> {
        let data = self.take(Size::new(width, height), channels)?;
        Ok(Lease {
            planes: Planes::of_exact(width, height, channels, data),
            pool: self,
        })
    }

    /// A picture that was taken from the store and kept, as one that gives itself back again.
    pub fn lease(&self, planes: Planes) -> Lease<'_> {
        Lease { planes, pool: self }
    }

    /// Returns every idle buffer to the system.
    pub fn purge(&self) {
        *self.lock() = Idle::default();
    }

    /// Bytes of idle buffers.
    pub fn idle_bytes(&self) -> usize {
        self.lock().bytes
    }

    /// The smallest idle buffer that holds `len` values and is not wastefully large.
    fn best_fit(&self, len: usize) -> Option<Vec<f32>> {
        let mut idle = self.lock();
        let (index, _) = idle
            .buffers
            .iter()
            .enumerate()
            .map(|(index, buffer)| (index, buffer.capacity()))
            .filter(|(_, capacity)| *capacity >= len && *capacity / 4 <= len)
            .min_by_key(|(_, capacity)| *capacity)?;
        let buffer = idle.buffers.swap_remove(index);
        idle.bytes -= bytes(&buffer);
        Some(buffer)
    }

    /// The store. A thread that panicked while it held the lock left it whole: each change is one
    /// push or one removal.
    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bytes(buffer: &Vec<f32>) -> usize {
    buffer.capacity() * size_of::<f32>()
}

/// A lent picture, given back when it goes out of scope.
#[derive(Debug)]
pub struct Lease<'p> {
    planes: Planes,
    pool: &'p Pool,
}

impl Lease<'_> {
    /// Keeps the picture for good.
    pub fn into_planes(mut self) -> Planes {
        std::mem::take(&mut self.planes)
    }
}

impl Deref for Lease<'_> {
    type Target = Planes;
    fn deref(&self) -> &Planes {
        &self.planes
    }
}

impl DerefMut for Lease<'_> {
    fn deref_mut(&mut self) -> &mut Planes {
        &mut self.planes
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        self.pool.give(std::mem::take(&mut self.planes).into_vec());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_buffer_comes_back() {
        let pool = Pool::new(1 << 20);
        let mut first = pool.planes(16, 16, 3).unwrap();
        first.data_mut().fill(7.0);
        let address = first.data().as_ptr();
        drop(first);
        assert_eq!(pool.idle_bytes(), 16 * 16 * 3 * 4);
        let second = pool.planes(16, 15, 3).unwrap();
        assert_eq!(second.data().as_ptr(), address);
        assert_eq!(second.data().len(), 16 * 15 * 3);
        assert_eq!(pool.idle_bytes(), 0);
    }

    #[test]
    fn the_budget_holds() {
        let pool = Pool::new(1000);
        drop(pool.planes(16, 16, 1).unwrap());
        assert_eq!(pool.idle_bytes(), 0);
        drop(pool.planes(10, 10, 1).unwrap());
        assert_eq!(pool.idle_bytes(), 400);
        pool.purge();
        assert_eq!(pool.idle_bytes(), 0);
    }

    #[test]
    fn a_small_request_does_not_take_a_large_buffer() {
        let pool = Pool::new(1 << 20);
        drop(pool.planes(256, 256, 1).unwrap());
        let small = pool.take(Size::new(10, 1), 1).unwrap();
        assert!(small.capacity() < 256 * 256);
        assert_eq!(pool.idle_bytes(), 256 * 256 * 4);
    }

    #[test]
    fn a_kept_picture_is_not_taken_away() {
        let pool = Pool::new(1 << 20);
        let kept = pool.planes(4, 4, 1).unwrap().into_planes();
        assert_eq!(kept.data().len(), 16);
        assert_eq!(pool.idle_bytes(), 0);
    }
}
