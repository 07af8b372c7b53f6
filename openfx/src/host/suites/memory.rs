//! The memory suite.

use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::{LazyLock, Mutex};

use super::{answer, effect, give, null, offered};
use crate::host::context;
use crate::host::core::{blame, lock};
use crate::host::resource::Block;
use crate::host::violations::rule;
use crate::sys::{OfxMemorySuiteV1, OfxStatus};
use crate::types::Status;

pub(super) static SUITE: OfxMemorySuiteV1 = OfxMemorySuiteV1 {
    memoryAlloc: Some(alloc),
    memoryFree: Some(free),
};

/// Every block, by its address: `memoryFree` is told nothing else. With it the effect that it was
/// made for, 0 = none.
static BLOCKS: LazyLock<Mutex<HashMap<usize, (Block, usize)>>> = LazyLock::new(Mutex::default);

/// Frees what an effect has not freed, and says how many blocks that were.
pub(in crate::host) fn reclaim(effect: usize) -> usize {
    let mut blocks = lock(&BLOCKS);
    let before = blocks.len();
    blocks.retain(|_, (_, owner)| *owner != effect);
    before - blocks.len()
}

unsafe extern "C" fn alloc(handle: *mut c_void, bytes: usize, data: *mut *mut c_void) -> OfxStatus {
    answer("memoryAlloc", || {
        offered(handle, "memoryAlloc", |suites| suites.memory)?;
        // Memory that no effect answers for (null) is allowed.
        let owner = if handle.is_null() {
            0
        } else {
            effect(handle, "memoryAlloc")?.id()
        };
        if data.is_null() {
            return Err(null(handle, "memoryAlloc"));
        }
        let block = Block::new(bytes).ok_or(Status::ERR_MEMORY)?;
        let address = block.address();
        lock(&BLOCKS).insert(address.addr(), (block, owner));
        // SAFETY: the plug-in vouches for the place.
        unsafe { give(handle, "memoryAlloc", data, address.cast()) }
    })
}

unsafe extern "C" fn free(data: *mut c_void) -> OfxStatus {
    answer("memoryFree", || {
        let frame = context::current();
        let host = frame.map_or(std::ptr::null(), |frame| {
            crate::host::registry::pointer::<c_void>(frame.effect).cast_const()
        });
        offered(host, "memoryFree", |suites| suites.memory)?;
        match lock(&BLOCKS).remove(&data.addr()) {
            Some(_) => Ok(()),
            None => {
                blame(
                    host,
                    rule::MEMORY,
                    "memoryFree was given an address that is not (or no longer) allocated",
                );
                Err(Status::ERR_BAD_HANDLE)
            }
        }
    })
}
