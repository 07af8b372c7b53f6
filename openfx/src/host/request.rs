//! What is asked of an instance, and what it answers: plain values.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::image::Layout;
use crate::types::{Components, Depth, Field, Premultiplication, RectI, Scale};

/// One picture to render.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RenderRequest {
    /// The frame.
    pub time: f64,
    /// The pixels to render at this scale; `None` = the whole region of definition.
    pub window: Option<RectI>,
    /// The render scale.
    pub scale: Scale,
    /// Which field to render ([`Field::None`] for whole frames).
    pub field: Field,
    /// Whether a rough picture is good enough (`kOfxImageEffectPropRenderQualityDraft`).
    pub draft: bool,
    /// Whether somebody is dragging something (`kOfxImageEffectPropInteractiveRenderStatus`).
    pub interactive: bool,
    /// The layout of the picture returned. The plug-in renders straight into it when clip
    /// preferences agree on depth and components; else the result is converted.
    pub output: Layout,
}

impl RenderRequest {
    /// The whole picture at that frame, full size, as float RGBA.
    #[must_use]
    pub fn at(time: f64) -> Self {
        Self {
            time,
            window: None,
            scale: Scale::ONE,
            field: Field::None,
            draft: false,
            interactive: false,
            output: Layout::default(),
        }
    }
}

impl Default for RenderRequest {
    fn default() -> Self {
        Self::at(1.0)
    }
}

/// A run of frames, for BeginSequenceRender and EndSequenceRender.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sequence {
    /// First and last frame, both included.
    pub range: (f64, f64),
    /// From one frame to the next.
    pub step: f64,
    /// The render scale of all frames.
    pub scale: Scale,
    /// Whether it is for a viewer.
    pub interactive: bool,
}

impl Default for Sequence {
    fn default() -> Self {
        Self {
            range: (1.0, 1.0),
            step: 1.0,
            scale: Scale::ONE,
            interactive: false,
        }
    }
}

/// What the clips and the output are to be like.
#[derive(Debug, Clone, PartialEq)]
pub struct Preferences {
    /// The output's components.
    pub components: Components,
    /// The output's depth.
    pub depth: Depth,
    /// The output's premultiplication.
    pub premultiplication: Premultiplication,
    /// The output's pixel aspect.
    pub pixel_aspect: f64,
    /// The output's frame rate.
    pub frame_rate: f64,
    /// Whether the output changes from frame to frame even when nothing else does.
    pub frame_varying: bool,
    /// Whether the output can be sampled between frames.
    pub continuous: bool,
    /// The fields of the output.
    pub field: Field,
    /// What each connected input clip is served as.
    pub clips: BTreeMap<String, ClipPreference>,
    /// The colour spaces that the plug-in would like clips in, best first; only those of which it
    /// said so.
    pub colourspaces: BTreeMap<String, Vec<String>>,
    /// The colour space of the output, where colour is managed: a name, never a reference to a
    /// clip.
    pub output_colourspace: Option<String>,
}

/// What one input clip is served as.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClipPreference {
    /// Its components.
    pub components: Components,
    /// Its depth.
    pub depth: Depth,
    /// Its pixel aspect.
    pub pixel_aspect: f64,
}

/// An effect that would only pass on one of its inputs.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity {
    /// The input clip.
    pub clip: String,
    /// The frame of that clip.
    pub time: f64,
}

/// What a plug-in said to the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// How serious it is.
    pub kind: MessageKind,
    /// The plug-in's own name for the message; may be empty.
    pub id: String,
    /// The text.
    pub text: String,
    /// Whether it stays until cleared.
    pub persistent: bool,
}

/// How serious a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// The plug-in cannot go on.
    Fatal,
    /// Something failed.
    Error,
    /// Something is doubtful.
    Warning,
    /// Something worth knowing.
    Message,
    /// For the log.
    Log,
    /// A question, answered by this host with yes.
    Question,
}

/// Stops the renders of one instance from outside.
#[derive(Debug, Clone, Default)]
pub struct AbortHandle(pub(crate) Arc<Abort>);

#[derive(Debug, Default)]
pub(crate) struct Abort {
    raised: AtomicBool,
    polls: AtomicU32,
    /// 0 = never, else the number of the poll that is the first to be answered with yes.
    after: AtomicU32,
}

impl AbortHandle {
    /// From now on the plug-in is told to stop whenever it asks.
    pub fn abort(&self) {
        self.0.raised.store(true, Ordering::Release);
    }

    /// The n-th call of the suite's `abort` from now on (1 = the very next) and all later ones are
    /// answered with yes.
    pub fn abort_after(&self, calls: u32) {
        let at = self.polls().saturating_add(calls.max(1));
        self.0.after.store(at, Ordering::Release);
    }

    /// The plug-in may go on.
    pub fn reset(&self) {
        self.0.raised.store(false, Ordering::Release);
        self.0.after.store(0, Ordering::Release);
    }

    /// Whether the next question would be answered with yes.
    #[must_use]
    pub fn is_aborted(&self) -> bool {
        let after = self.0.after.load(Ordering::Acquire);
        self.0.raised.load(Ordering::Acquire) || (after != 0 && self.polls() >= after)
    }

    /// How often the plug-in has asked.
    #[must_use]
    pub fn polls(&self) -> u32 {
        self.0.polls.load(Ordering::Acquire)
    }
}

impl Abort {
    /// The plug-in asks.
    pub(crate) fn poll(&self) -> bool {
        let poll = self.polls.fetch_add(1, Ordering::AcqRel).saturating_add(1);
        let after = self.after.load(Ordering::Acquire);
        self.raised.load(Ordering::Acquire) || (after != 0 && poll >= after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abort_counts_from_now() {
        let handle = AbortHandle::default();
        assert!(!handle.0.poll());
        handle.abort_after(2);
        assert!(!handle.is_aborted());
        assert!(!handle.0.poll());
        assert!(handle.0.poll() && handle.0.poll() && handle.is_aborted());
        handle.reset();
        assert!(!handle.0.poll());
        handle.abort();
        assert!(handle.0.poll() && handle.is_aborted());
        assert_eq!(handle.polls(), 6);
    }
}
