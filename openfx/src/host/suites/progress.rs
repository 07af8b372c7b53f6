//! The progress suites, both versions.

use std::ffi::{c_char, c_void};

use super::{answer, effect, needed, offered};
use crate::host::core::lock;
use crate::host::object::Effect;
use crate::host::violations::rule;
use crate::sys::{OfxProgressSuiteV1, OfxProgressSuiteV2, OfxStatus};
use crate::types::Status;

pub(super) static SUITE_V1: OfxProgressSuiteV1 = OfxProgressSuiteV1 {
    progressStart: Some(start_v1),
    progressUpdate: Some(update),
    progressEnd: Some(end),
};

pub(super) static SUITE_V2: OfxProgressSuiteV2 = OfxProgressSuiteV2 {
    progressStart: Some(start_v2),
    progressUpdate: Some(update),
    progressEnd: Some(end),
};

fn start(effect: &Effect) {
    // Renders of one instance on several threads may each report.
    let most = effect.active_count().max(1);
    let mut talk = lock(&effect.talk);
    talk.open += 1;
    talk.latest = (talk.open == 1).then_some(0.0);
    let twice = talk.open > most;
    drop(talk);
    if twice {
        effect.host.violate(
            rule::PROGRESS,
            "progress was started again before it was ended",
        );
    }
}

unsafe extern "C" fn start_v1(instance: *mut c_void, label: *const c_char) -> OfxStatus {
    answer("progressStart", || {
        offered(instance, "progressStart", |suites| suites.progress_v1)?;
        let effect = effect(instance, "progressStart")?;
        // SAFETY: the plug-in vouches for its string.
        unsafe { needed(instance, "progressStart", label) }?;
        start(&effect);
        Ok(())
    })
}

unsafe extern "C" fn start_v2(
    instance: *mut c_void,
    message: *const c_char,
    id: *const c_char,
) -> OfxStatus {
    answer("progressStart", || {
        offered(instance, "progressStart", |suites| suites.progress_v2)?;
        let effect = effect(instance, "progressStart")?;
        // SAFETY: the plug-in vouches for its strings.
        unsafe {
            needed(instance, "progressStart", message)?;
            needed(instance, "progressStart", id)?;
        }
        start(&effect);
        Ok(())
    })
}

unsafe extern "C" fn update(instance: *mut c_void, progress: f64) -> OfxStatus {
    answer("progressUpdate", || {
        offered(instance, "progressUpdate", |suites| {
            suites.progress_v1 || suites.progress_v2
        })?;
        let effect = effect(instance, "progressUpdate")?;
        if !(0.0..=1.0).contains(&progress) {
            effect.host.violate(
                rule::PROGRESS_VALUE,
                format!("progress was reported as {progress}, but it goes from 0 to 1"),
            );
        }
        let mut talk = lock(&effect.talk);
        let open = talk.open;
        let back = talk.latest.is_some_and(|latest| progress < latest);
        talk.latest = talk.latest.map(|_| progress);
        talk.progress.push(progress);
        let callback = talk.on_progress.clone();
        drop(talk);
        if open == 0 {
            effect.host.violate(
                rule::PROGRESS,
                "progress was reported before it was started",
            );
        } else if back {
            effect
                .host
                .violate(rule::PROGRESS_VALUE, "progress went back");
        }
        if let Some(callback) = callback {
            callback(progress);
        }
        if effect.abort.is_aborted() {
            Err(Status::REPLY_NO)
        } else {
            Ok(())
        }
    })
}

unsafe extern "C" fn end(instance: *mut c_void) -> OfxStatus {
    answer("progressEnd", || {
        offered(instance, "progressEnd", |suites| {
            suites.progress_v1 || suites.progress_v2
        })?;
        let effect = effect(instance, "progressEnd")?;
        let mut talk = lock(&effect.talk);
        let open = talk.open;
        talk.open = open.saturating_sub(1);
        drop(talk);
        if open == 0 {
            effect
                .host
                .violate(rule::PROGRESS, "progress was ended before it was started");
        }
        Ok(())
    })
}
