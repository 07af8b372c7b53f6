//! The multi-thread suite.

use std::cell::Cell;
use std::ffi::{c_int, c_uint, c_void};
use std::ptr::null;
use std::sync::Arc;
use std::thread;

use super::{answer, bad_handle, call, give, offered};
use crate::host::context;
use crate::host::property::Address;
use crate::host::registry::{self, Handle, Kind, Object};
use crate::host::resource::Lock;
use crate::host::violations::rule;
use crate::sys::{OfxMultiThreadSuiteV1, OfxMutexHandle, OfxStatus, OfxThreadFunctionV1};
use crate::types::Status;

pub(super) static SUITE: OfxMultiThreadSuiteV1 = OfxMultiThreadSuiteV1 {
    multiThread: Some(multi_thread),
    multiThreadNumCPUs: Some(cpus),
    multiThreadIndex: Some(index),
    multiThreadIsSpawnedThread: Some(is_spawned),
    mutexCreate: Some(mutex_create),
    mutexDestroy: Some(mutex_destroy),
    mutexLock: Some(mutex_lock),
    mutexUnLock: Some(mutex_unlock),
    mutexTryLock: Some(mutex_try_lock),
};

thread_local! {
    /// The number of this thread among those of `multiThread`.
    static INDEX: Cell<Option<c_uint>> = const { Cell::new(None) };
}

/// The handle of the effect whose action runs here: it leads to the host's options.
fn here() -> *const c_void {
    context::current().map_or(null(), |frame| registry::pointer(frame.effect))
}

fn count() -> c_uint {
    let wanted = context::current().map_or(0, |frame| frame.host.options.threads);
    let there = || thread::available_parallelism().map_or(1, |n| n.get() as c_uint);
    if wanted == 0 { there() } else { wanted }
}

unsafe extern "C" fn multi_thread(
    function: OfxThreadFunctionV1,
    threads: c_uint,
    argument: *mut c_void,
) -> OfxStatus {
    answer("multiThread", || {
        offered(here(), "multiThread", |suites| suites.multi_thread)?;
        let function = function.ok_or_else(|| super::null(here(), "multiThread"))?;
        if INDEX.get().is_some() {
            // Threads of threads: the suite says no.
            return Err(Status::ERR_EXISTS);
        }
        let n = if threads == 0 { count() } else { threads };
        let argument = Address(argument);
        let frames = context::stack();
        thread::scope(|scope| {
            for index in 0..n {
                let frames = frames.clone();
                scope.spawn(move || {
                    // The whole wrapper is moved, which may be sent.
                    let argument = argument;
                    INDEX.set(Some(index));
                    context::with_stack(frames, || {
                        // SAFETY: the plug-in gave the function to be called so, once per index.
                        unsafe { function(index, n, argument.0) }
                    });
                });
            }
        });
        Ok(())
    })
}

unsafe extern "C" fn cpus(out: *mut c_uint) -> OfxStatus {
    answer("multiThreadNumCPUs", || {
        offered(here(), "multiThreadNumCPUs", |suites| suites.multi_thread)?;
        // SAFETY: the plug-in vouches for the place.
        unsafe { give(here(), "multiThreadNumCPUs", out, count()) }
    })
}

unsafe extern "C" fn index(out: *mut c_uint) -> OfxStatus {
    answer("multiThreadIndex", || {
        offered(here(), "multiThreadIndex", |suites| suites.multi_thread)?;
        // SAFETY: the plug-in vouches for the place.
        unsafe { give(here(), "multiThreadIndex", out, INDEX.get().unwrap_or(0)) }
    })
}

unsafe extern "C" fn is_spawned() -> c_int {
    call("multiThreadIsSpawnedThread", 0, || {
        c_int::from(INDEX.get().is_some())
    })
}

fn mutex(handle: OfxMutexHandle, name: &str) -> Result<Arc<Lock>, Status> {
    match registry::find(handle) {
        Ok(Object::Mutex(lock)) => Ok(lock),
        other => Err(bad_handle(handle.cast_const().cast(), name, other)),
    }
}

unsafe extern "C" fn mutex_create(out: *mut OfxMutexHandle, held: c_int) -> OfxStatus {
    answer("mutexCreate", || {
        offered(here(), "mutexCreate", |suites| suites.multi_thread)?;
        if out.is_null() {
            return Err(super::null(here(), "mutexCreate"));
        }
        let host = context::current().map_or(0, |frame| frame.host.id);
        let lock = Arc::new(Lock::held(u32::try_from(held).unwrap_or(0)));
        let handle = Handle::new(host, Kind::Mutex, Object::Mutex(lock));
        // SAFETY: the plug-in vouches for the place.
        unsafe { give(here(), "mutexCreate", out, registry::pointer(handle.id())) }?;
        // The plug-in owns it until it destroys it.
        std::mem::forget(handle);
        Ok(())
    })
}

unsafe extern "C" fn mutex_destroy(handle: OfxMutexHandle) -> OfxStatus {
    answer("mutexDestroy", || {
        let found = mutex(handle, "mutexDestroy")?;
        if found.is_held() {
            crate::host::core::blame(
                handle.cast_const().cast(),
                rule::MUTEX,
                "a mutex was destroyed while it was locked",
            );
        }
        registry::close(handle.addr());
        Ok(())
    })
}

unsafe extern "C" fn mutex_lock(handle: OfxMutexHandle) -> OfxStatus {
    answer("mutexLock", || {
        mutex(handle, "mutexLock")?.lock(true);
        Ok(())
    })
}

unsafe extern "C" fn mutex_try_lock(handle: OfxMutexHandle) -> OfxStatus {
    answer("mutexTryLock", || {
        if mutex(handle, "mutexTryLock")?.lock(false) {
            Ok(())
        } else {
            Err(Status::FAILED)
        }
    })
}

unsafe extern "C" fn mutex_unlock(handle: OfxMutexHandle) -> OfxStatus {
    answer("mutexUnLock", || {
        if mutex(handle, "mutexUnLock")?.unlock() {
            return Ok(());
        }
        crate::host::core::blame(
            handle.cast_const().cast(),
            rule::MUTEX,
            "a mutex was unlocked by a thread that does not hold it",
        );
        Err(Status::FAILED)
    })
}
