//! Rules about suites, memory and mutexes.

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use ofx::host::{HostOptions, RenderRequest, Suites, rule};

use crate::raw::*;
use crate::{breaks, decent, live, load, load_as, plugin, ready, rules};

#[test]
fn fetched_in_set_host() {
    breaks(
        plugin!(|call| {
            if call.is(c"setHost") {
                call.property();
            }
            decent(call)
        }),
        rule::CALL_IN_SET_HOST,
    );
}

#[test]
fn absent_and_used_all_the_same() {
    static KEPT: AtomicPtr<OfxMessageSuiteV2> = AtomicPtr::new(null_mut());
    let entry = plugin!(|call| {
        if call.is(kOfxActionLoad) {
            let suite = call.fetch::<OfxMessageSuiteV2>(kOfxMessageSuite, 2);
            if !suite.is_null() {
                KEPT.store(suite.cast_mut(), Ordering::SeqCst);
            }
        }
        if call.is(kOfxImageEffectActionRender) {
            // SAFETY: suites are statics of the host.
            let suite = unsafe { &*KEPT.load(Ordering::SeqCst) };
            // SAFETY: a handle that the host looks up.
            unsafe { suite.clearPersistentMessage.unwrap()(call.handle) };
        }
        decent(call)
    });
    let library = load(entry);
    live(&library);
    library.assert_clean();
    assert_eq!(
        library.fetched_suites().get(&("OfxMessageSuite".into(), 2)),
        Some(&true)
    );
    drop(library);
    // The next host has no such suite, and the plug-in uses the old one.
    let library = load_as(
        entry,
        HostOptions {
            suites: Suites::NONE,
            ..HostOptions::strict()
        },
    );
    live(&library);
    assert_eq!(rules(&library), [rule::SUITE_ABSENT]);
    assert_eq!(
        library.fetched_suites().get(&("OfxMessageSuite".into(), 2)),
        Some(&false)
    );
}

#[test]
fn fetched_with_a_handle_that_is_no_hosts() {
    let library = load(plugin!(|call| {
        if call.is(kOfxActionCreateInstance) {
            // SAFETY: the host's structure outlives everything; handles are only looked up.
            let suite = unsafe {
                (*call.host).fetchSuite.unwrap()(
                    call.handle.cast(),
                    c"OfxPropertySuite".as_ptr(),
                    1,
                )
            };
            assert!(suite.is_null());
        }
        decent(call)
    }));
    live(&library);
    assert!(rules(&library).contains(&rule::SUITE_WRONG_HOST));
}

#[test]
fn names_and_versions_that_do_not_exist_are_null() {
    let library = load(plugin!(|call| {
        if call.is(kOfxActionLoad) {
            for (name, version) in [
                (c"OfxPropertySuite", 2),
                (c"OfxNoSuite", 1),
                (c"OfxMessageSuite", 3),
                (c"OfxInteractSuite", 1),
            ] {
                assert!(call.fetch::<c_void>(name, version).is_null());
            }
        }
        decent(call)
    }));
    live(&library);
    library.assert_clean();
}

fn memory(call: &Call) -> &'static OfxMemorySuiteV1 {
    call.suite(kOfxMemorySuite, 1)
}

fn alloc(call: &Call) -> *mut c_void {
    let mut data = null_mut();
    // SAFETY: a handle that the host looks up, and a place for the address.
    let status = unsafe { memory(call).memoryAlloc.unwrap()(call.handle, 1000, &raw mut data) };
    assert_eq!(status, kOfxStatOK);
    // SAFETY: a thousand bytes are ours.
    unsafe { data.cast::<u8>().add(999).write(1) };
    data
}

#[test]
fn memory_not_freed() {
    breaks(
        plugin!(|call| {
            if call.is(kOfxActionCreateInstance) {
                alloc(call);
            }
            decent(call)
        }),
        rule::MEMORY,
    );
}

#[test]
fn memory_freed_twice() {
    breaks(
        plugin!(|call| {
            if call.is(kOfxActionCreateInstance) {
                let data = alloc(call);
                let free = memory(call).memoryFree.unwrap();
                // SAFETY: the host looks addresses up.
                unsafe {
                    assert_eq!(free(data), kOfxStatOK);
                    assert_eq!(free(data), kOfxStatErrBadHandle);
                }
            }
            decent(call)
        }),
        rule::MEMORY,
    );
}

#[test]
fn image_memory() {
    breaks(
        plugin!(|call| {
            if call.is(kOfxImageEffectActionRender) {
                let suite = call.effect();
                let (mut memory, mut data) = (null_mut(), null_mut());
                // SAFETY: handles that the host looks up, and places for the answers.
                unsafe {
                    suite.imageMemoryAlloc.unwrap()(call.handle.cast(), 64, &raw mut memory);
                    suite.imageMemoryLock.unwrap()(memory, &raw mut data);
                    data.cast::<u8>().add(63).write(1);
                    assert_eq!(suite.imageMemoryUnlock.unwrap()(memory), kOfxStatOK);
                    assert_eq!(suite.imageMemoryUnlock.unwrap()(memory), kOfxStatFailed);
                    assert_eq!(suite.imageMemoryFree.unwrap()(memory), kOfxStatOK);
                }
            }
            decent(call)
        }),
        rule::MEMORY,
    );
}

fn threads(call: &Call) -> &'static OfxMultiThreadSuiteV1 {
    call.suite(kOfxMultiThreadSuite, 1)
}

#[test]
fn mutex_destroyed_while_held() {
    breaks(
        plugin!(|call| {
            if call.is(kOfxImageEffectActionRender) {
                let suite = threads(call);
                let mut mutex = null_mut();
                // SAFETY: handles that the host looks up, and a place for one.
                unsafe {
                    suite.mutexCreate.unwrap()(&raw mut mutex, 0);
                    suite.mutexLock.unwrap()(mutex);
                    suite.mutexDestroy.unwrap()(mutex);
                }
            }
            decent(call)
        }),
        rule::MUTEX,
    );
}

#[test]
fn mutex_unlocked_by_another() {
    breaks(
        plugin!(|call| {
            if call.is(kOfxImageEffectActionRender) {
                let suite = threads(call);
                let mut mutex = null_mut();
                // SAFETY: handles that the host looks up, and a place for one.
                unsafe {
                    suite.mutexCreate.unwrap()(&raw mut mutex, 0);
                    assert_eq!(suite.mutexUnLock.unwrap()(mutex), kOfxStatFailed);
                    suite.mutexDestroy.unwrap()(mutex);
                }
            }
            decent(call)
        }),
        rule::MUTEX,
    );
}

#[test]
fn threads_of_the_host_work_and_may_read_parameters() {
    static DONE: AtomicU32 = AtomicU32::new(0);

    struct Shared {
        call: Call,
        mutex: OfxMutexHandle,
        count: u32,
    }

    unsafe extern "C" fn work(index: u32, most: u32, shared: *mut c_void) {
        let shared: *mut Shared = shared.cast();
        // SAFETY: the call outlives the threads and is only read.
        let (call, mutex) = unsafe { ((*shared).call, (*shared).mutex) };
        let suite = threads(&call);
        let mut mine = 99;
        // SAFETY: places for the answers; the count is changed under the mutex.
        unsafe {
            suite.multiThreadIndex.unwrap()(&raw mut mine);
            assert_eq!(suite.multiThreadIsSpawnedThread.unwrap()(), 1);
            assert_eq!(
                suite.multiThread.unwrap()(Some(work), 1, null_mut()),
                kOfxStatErrExists
            );
            suite.mutexLock.unwrap()(mutex);
            (*shared).count += 1;
            suite.mutexUnLock.unwrap()(mutex);
        }
        assert_eq!(mine, index);
        assert_eq!(most, 3);
        let mut value = 0.0f64;
        let amount = call.param_handle(c"amount");
        // SAFETY: a place for a double.
        unsafe { call.param().paramGetValueAtTime.unwrap()(amount, 1.0, &raw mut value) };
        DONE.fetch_add(1, Ordering::SeqCst);
    }

    let library = load(plugin!(|call| {
        if call.is(kOfxImageEffectActionRender) {
            let suite = threads(call);
            let mut shared = Shared {
                call: *call,
                mutex: null_mut(),
                count: 0,
            };
            let mut cpus = 0;
            // SAFETY: places for the answers; the shared data outlives the call.
            unsafe {
                suite.multiThreadNumCPUs.unwrap()(&raw mut cpus);
                suite.mutexCreate.unwrap()(&raw mut shared.mutex, 0);
                let status = suite.multiThread.unwrap()(Some(work), 3, (&raw mut shared).cast());
                assert_eq!(status, kOfxStatOK);
                suite.mutexDestroy.unwrap()(shared.mutex);
            }
            assert!(cpus > 0);
            assert_eq!(shared.count, 3);
        }
        decent(call)
    }));
    live(&library);
    assert_eq!(DONE.load(Ordering::SeqCst), 3);
    library.assert_clean();
}

#[test]
fn the_time_line_is_where_the_render_is() {
    let library = load(plugin!(|call| {
        if call.is(kOfxImageEffectActionRender) {
            let suite: &OfxTimeLineSuiteV1 = call.suite(kOfxTimeLineSuite, 1);
            let (mut now, mut first, mut last) = (0.0, 0.0, 0.0);
            // SAFETY: a handle that the host looks up, and places for the answers.
            unsafe {
                suite.getTime.unwrap()(call.handle, &raw mut now);
                suite.getTimeBounds.unwrap()(call.handle, &raw mut first, &raw mut last);
            }
            assert_eq!((now, first, last), (7.0, 1.0, 100.0));
        }
        decent(call)
    }));
    ready(&library).render(&RenderRequest::at(7.0)).unwrap();
    library.assert_clean();
}
