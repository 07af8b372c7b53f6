//! Rules about handles: nothing that a plug-in passes can crash the host.

use std::ffi::c_void;
use std::ptr::{null_mut, without_provenance_mut};
use std::sync::atomic::{AtomicUsize, Ordering};

use ofx::Context;
use ofx::host::rule;

use crate::raw::*;
use crate::{breaks, decent, load, plugin, rules};

#[test]
fn null() {
    breaks(
        plugin!(|call| {
            if call.is(kOfxActionCreateInstance) {
                let read = call.int(null_mut(), kOfxPropIsInteractive, 0);
                assert_eq!(read, Err(kOfxStatErrBadHandle));
            }
            decent(call)
        }),
        rule::HANDLE_BAD,
    );
}

#[test]
fn made_up() {
    breaks(
        plugin!(|call| {
            if call.is(kOfxActionCreateInstance) {
                for number in [1, 16, 0xdead_beef_usize, usize::MAX, 1 << 40, 1 << 44] {
                    let read = call.int(without_provenance_mut(number), kOfxPropIsInteractive, 0);
                    assert_eq!(read, Err(kOfxStatErrBadHandle));
                    assert_eq!(
                        call.release(without_provenance_mut(number)),
                        kOfxStatErrBadHandle
                    );
                }
            }
            decent(call)
        }),
        rule::HANDLE_BAD,
    );
}

#[test]
fn of_another_kind() {
    breaks(
        plugin!(|call| {
            if call.is(kOfxActionCreateInstance) {
                let clip: *mut c_void = call.clip(c"Source").cast();
                let read = call.int(clip.cast(), kOfxPropIsInteractive, 0);
                assert_eq!(read, Err(kOfxStatErrBadHandle));
                // SAFETY: handles are only looked up.
                let status = unsafe { call.effect().clipReleaseImage.unwrap()(call.props()) };
                assert_eq!(status, kOfxStatErrBadHandle);
            }
            decent(call)
        }),
        rule::HANDLE_BAD,
    );
}

#[test]
fn of_an_instance_that_is_gone() {
    static OLD: AtomicUsize = AtomicUsize::new(0);
    let library = load(plugin!(|call| {
        if call.is(kOfxActionCreateInstance) {
            let old = OLD.swap(call.handle.addr(), Ordering::SeqCst);
            if old != 0 {
                let old: *mut c_void = without_provenance_mut(old);
                let mut set = null_mut();
                // SAFETY: handles are only looked up.
                let status =
                    unsafe { call.effect().getPropertySet.unwrap()(old.cast(), &raw mut set) };
                assert_eq!(status, kOfxStatErrBadHandle);
                // SAFETY: as above.
                assert_eq!(unsafe { call.effect().abort.unwrap()(old.cast()) }, 0);
            }
        }
        decent(call)
    }));
    drop(library.create("test", Context::Filter).unwrap());
    library.assert_clean();
    drop(library.create("test", Context::Filter).unwrap());
    assert_eq!(rules(&library), [rule::HANDLE_DEAD]);
    assert!(library.violations()[0].detail.contains("image effect"));
}

#[test]
fn of_arguments_that_are_gone() {
    static OLD: AtomicUsize = AtomicUsize::new(0);
    breaks(
        plugin!(|call| {
            if call.is(kOfxImageEffectActionGetRegionsOfInterest) {
                OLD.store(call.incoming.addr(), Ordering::SeqCst);
            }
            if call.is(kOfxImageEffectActionRender) {
                let old = without_provenance_mut(OLD.load(Ordering::SeqCst));
                let read = call.double(old, kOfxPropTime, 0);
                assert_eq!(read, Err(kOfxStatErrBadHandle));
            }
            decent(call)
        }),
        rule::HANDLE_DEAD,
    );
}

#[test]
fn names_that_nothing_has() {
    let library = load(plugin!(|call| {
        if call.is(kOfxActionCreateInstance) {
            assert!(call.clip(c"Sauce").is_null());
            assert!(call.param_handle(c"amuont").is_null());
        }
        decent(call)
    }));
    library.create("test", Context::Filter).unwrap();
    assert_eq!(rules(&library), [rule::NAME_UNKNOWN]);
    assert_eq!(library.violations().len(), 2);
}
