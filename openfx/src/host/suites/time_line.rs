//! The time line suite.

use std::ffi::c_void;

use super::{answer, effect, give, offered};
use crate::sys::{OfxStatus, OfxTimeLineSuiteV1};

pub(super) static SUITE: OfxTimeLineSuiteV1 = OfxTimeLineSuiteV1 {
    getTime: Some(get_time),
    gotoTime: Some(goto_time),
    getTimeBounds: Some(get_bounds),
};

unsafe extern "C" fn get_time(instance: *mut c_void, time: *mut f64) -> OfxStatus {
    answer("getTime", || {
        offered(instance, "getTime", |suites| suites.time_line)?;
        let effect = effect(instance, "getTime")?;
        let now = effect
            .frame()
            .and_then(|frame| frame.picture.as_ref().map(|picture| picture.time))
            .unwrap_or(effect.host.options.project.range.0);
        // SAFETY: the plug-in vouches for the place.
        unsafe { give(instance, "getTime", time, now) }
    })
}

/// A host without a viewer has nowhere to go; it says yes, as background hosts do.
unsafe extern "C" fn goto_time(instance: *mut c_void, _time: f64) -> OfxStatus {
    answer("gotoTime", || {
        offered(instance, "gotoTime", |suites| suites.time_line)?;
        effect(instance, "gotoTime").map(drop)
    })
}

unsafe extern "C" fn get_bounds(
    instance: *mut c_void,
    first: *mut f64,
    last: *mut f64,
) -> OfxStatus {
    answer("getTimeBounds", || {
        offered(instance, "getTimeBounds", |suites| suites.time_line)?;
        let effect = effect(instance, "getTimeBounds")?;
        let range = effect.host.options.project.range;
        // SAFETY: the plug-in vouches for both places.
        unsafe {
            give(instance, "getTimeBounds", first, range.0)?;
            give(instance, "getTimeBounds", last, range.1)
        }
    })
}
