//! The record of every rule that a plug-in broke.
//!
//! Hosts in the field answer a broken rule with anything between silence and a crash. This one
//! answers with the status that the reference host gives, carries on, and writes it down here.

use std::fmt;
use std::sync::{Mutex, PoisonError};

/// The names of the rules. They are stable: tests match on them.
pub mod rule {
    /// A property name that OpenFX does not have.
    pub const PROPERTY_UNKNOWN: &str = "property.unknown";
    /// A property that belongs to another kind of object.
    pub const PROPERTY_MISPLACED: &str = "property.misplaced";
    /// A property read or set as another type.
    pub const PROPERTY_TYPE: &str = "property.type";
    /// An index or a count beyond a property's dimension.
    pub const PROPERTY_DIMENSION: &str = "property.dimension";
    /// A property set that only the host may set.
    pub const PROPERTY_READ_ONLY: &str = "property.read-only";
    /// A value that the property cannot have.
    pub const PROPERTY_VALUE: &str = "property.value";
    /// A null where a pointer is needed.
    pub const NULL: &str = "call.null";
    /// A handle that this host never gave out, or one of another kind.
    pub const HANDLE_BAD: &str = "handle.bad";
    /// A handle of something that is gone.
    pub const HANDLE_DEAD: &str = "handle.dead";
    /// An image that was not released before its action ended.
    pub const IMAGE_LEAKED: &str = "image.leaked";
    /// An image released twice.
    pub const IMAGE_RELEASED_TWICE: &str = "image.released-twice";
    /// An image fetched where no image can be had.
    pub const IMAGE_OUTSIDE_ACTION: &str = "image.outside-action";
    /// An image fetched on another thread than the action's.
    pub const IMAGE_THREAD: &str = "image.thread";
    /// An input image that was written to.
    pub const IMAGE_INPUT_WRITTEN: &str = "image.input-written";
    /// A frame of a clip other than the one rendered, without having declared temporal access.
    pub const IMAGE_TEMPORAL: &str = "image.temporal-access";
    /// A pixel of the output outside the render window that was written to.
    pub const WRITE_OUTSIDE_WINDOW: &str = "write.outside-window";
    /// Memory around or between the output's rows that was written to.
    pub const WRITE_OUTSIDE_BUFFER: &str = "write.outside-buffer";
    /// A pixel inside the render window that was not written to, though the render succeeded.
    pub const WRITE_MISSING: &str = "write.missing";
    /// A call into the host from within `setHost`.
    pub const CALL_IN_SET_HOST: &str = "suite.in-set-host";
    /// A call through a suite that this host does not offer.
    pub const SUITE_ABSENT: &str = "suite.absent";
    /// A suite asked for with a host handle that is not this host's.
    pub const SUITE_WRONG_HOST: &str = "suite.wrong-host";
    /// A parameter or clip defined outside `DescribeInContext`.
    pub const DEFINE_OUTSIDE: &str = "describe.define-outside";
    /// A parameter or clip defined twice.
    pub const DEFINE_TWICE: &str = "describe.defined-twice";
    /// A description that lacks what every description needs, or contradicts itself.
    pub const DESCRIBE: &str = "describe.incomplete";
    /// A parameter set in an action that does not allow it.
    pub const PARAM_SET_IN_ACTION: &str = "param.set-in-action";
    /// A parameter set to a value out of its range.
    pub const PARAM_RANGE: &str = "param.range";
    /// A value call on a parameter that has no value, or keys on one that does not animate.
    pub const PARAM_KIND: &str = "param.kind";
    /// A name that no parameter or clip has.
    pub const NAME_UNKNOWN: &str = "name.unknown";
    /// An edit block opened and not closed, or closed and not opened.
    pub const PARAM_EDIT: &str = "param.edit-block";
    /// Progress reported without a start, started twice, or never ended.
    pub const PROGRESS: &str = "progress.order";
    /// Progress outside 0..=1, or going back.
    pub const PROGRESS_VALUE: &str = "progress.value";
    /// A message of an unknown type, with a format that cannot be used, or not in UTF-8.
    pub const MESSAGE: &str = "message.format";
    /// A region of interest that is not finite, or of a clip that does not exist.
    pub const REGION_OF_INTEREST: &str = "region.of-interest";
    /// A region of definition that is not a finite or infinite rectangle.
    pub const REGION_OF_DEFINITION: &str = "region.of-definition";
    /// Clip preferences with a value that cannot be.
    pub const PREFERENCES: &str = "preferences.value";
    /// An identity with a clip that does not exist.
    pub const IDENTITY: &str = "identity.clip";
    /// A range of frames that is not one.
    pub const FRAMES_NEEDED: &str = "frames.range";
    /// A property of an instance other than its data read while it is destroyed.
    pub const DESTROY_READ: &str = "destroy.property";
    /// An answer that the action does not allow.
    pub const STATUS: &str = "action.status";
    /// Memory of the memory suite not freed, or freed twice; image memory unlocked without a lock.
    pub const MEMORY: &str = "memory.balance";
    /// A mutex destroyed while locked, or unlocked by a thread that does not hold it.
    pub const MUTEX: &str = "mutex.balance";
}

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which rule: one of the names in [`rule`].
    pub rule: &'static str,
    /// What happened, to what, during which action.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}", self.rule, self.detail)
    }
}

/// So many violations are kept; a plug-in that breaks a rule per pixel must not fill the memory.
const KEPT: usize = 1000;

/// Collects violations from all threads.
#[derive(Debug, Default)]
pub(crate) struct Recorder(Mutex<Vec<Violation>>);

impl Recorder {
    pub(crate) fn record(&self, rule: &'static str, detail: String) {
        log::debug!("OpenFX violation [{rule}] {detail}");
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT {
            kept.push(Violation { rule, detail });
        }
    }

    pub(crate) fn all(&self) -> Vec<Violation> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn take(&self) -> Vec<Violation> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
