//! Where a GPU fetches pictures from and puts its answers.

use ort::memory::Allocator;
use parking_lot::Mutex;

use super::build::Network;
use crate::network::device::Device;
use crate::network::runtime::{self, Pinned};
use crate::network::session::Key;
use crate::network::staging::{Set, Staging};

/// Memory that a GPU reads and writes by itself, and where to get more of it.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) staging: Staging<Pinned>,
    allocator: Mutex<Allocator>,
}

impl Stage {
    /// For a network in one piece on CUDA; everything else is given its pictures as they are. Where
    /// the driver has no such memory left that works as well, but slower.
    pub(super) fn beside(network: &Network, key: &Key, threads: usize) -> Option<Self> {
        let Network::Whole(session) = network else {
            return None;
        };
        if key.device != Device::Cuda {
            return None;
        }
        let made = || -> ort::Result<Self> {
            let allocator = runtime::pinned(session)?;
            let pixels = key.width * key.height;
            let staging = Staging::new(pixels, threads, |values| Pinned::new(&allocator, values))?;
            Ok(Self {
                staging,
                allocator: Mutex::new(allocator),
            })
        };
        match made() {
            Ok(stage) => Some(stage),
            Err(error) => {
                log::warn!(
                    "CUDA: there is no page-locked memory for {} x {} ({error}): copies will be slow",
                    key.width,
                    key.height
                );
                None
            }
        }
    }

    /// A set of memory to write a picture into.
    ///
    /// # Errors
    /// What the runtime says.
    pub(super) fn set(&self) -> ort::Result<Set<Pinned>> {
        self.staging
            .set(|values| Pinned::new(&self.allocator.lock(), values))
    }
}
