//! What a plug-in is: one trait, an action a function.

use std::ffi::CStr;
use std::fmt::Display;

use crate::action::{
    ChangeReason, ClipPreferences, FramesNeeded, Handled, Identity, InstanceChanged,
    RegionsOfInterest, RenderArgs, SequenceArgs,
};
use crate::descriptor::EffectDescriptor;
use crate::effect::Effect;
use crate::error::Error;
use crate::host_info::HostInfo;
use crate::types::{Context, RectD, Scale, Status};

/// A plug-in's own error, as the interface needs to see it. Its text is what the user reads.
pub trait ActionError: Display {
    /// The status that tells the host of it.
    fn status(&self) -> Status {
        Status::FAILED
    }

    /// Whether the host or the user asked to stop: no failure, and no message.
    fn is_abort(&self) -> bool {
        false
    }

    /// A stable name of the failure, for programs.
    fn code(&self) -> &'static str {
        "action.failed"
    }
}

impl ActionError for Error {
    fn status(&self) -> Status {
        Self::status(self)
    }

    fn code(&self) -> &'static str {
        Self::code(self)
    }
}

/// What a render left in the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rendered<E> {
    /// The picture that was asked for.
    AsAsked,
    /// Another picture, because of this failure, which the user gets to see.
    InPlace(E),
}

/// An OpenFX image effect plug-in. [`export!`](crate::export) makes it visible to hosts.
///
/// Hosts call these functions from any thread, several at a time. An error becomes a status and a
/// line in the log; where a picture was asked for, it becomes a persistent message too, which the
/// next picture clears. A panic is caught and treated like an error. Nothing that a function is
/// given can be kept beyond its return.
pub trait Plugin: 'static {
    /// Unique name in reverse domain order; projects store it, so that it never changes.
    const IDENTIFIER: &'static CStr;
    /// Major and minor version. Projects store the major one: it changes only when a project of
    /// the old one could not be opened any more.
    const VERSION: (u32, u32);
    /// What the functions fail with.
    type Error: ActionError;

    /// The host loads the plug-in. May come again, also after `unload`, and from several threads.
    ///
    /// # Errors
    /// Hosts then leave the plug-in out.
    fn load(host: &HostInfo) -> Result<(), Self::Error> {
        let _ = host;
        Ok(())
    }

    /// The host will call no more, unless it loads the plug-in again.
    fn unload() {}

    /// Describes the effect; may come repeatedly.
    ///
    /// # Errors
    /// Hosts then leave the plug-in out.
    fn describe(effect: EffectDescriptor<'_>) -> Result<(), Self::Error>;

    /// Describes clips and parameters in one of the contexts; may come repeatedly.
    ///
    /// # Errors
    /// Hosts then leave the context out.
    fn describe_in_context(
        effect: EffectDescriptor<'_>,
        context: Context,
    ) -> Result<(), Self::Error>;

    /// An instance was made.
    ///
    /// # Errors
    /// Hosts then do without the instance.
    fn create_instance(effect: Effect<'_>) -> Result<(), Self::Error> {
        let _ = effect;
        Ok(())
    }

    /// An instance goes away. Little can be read from it any more.
    ///
    /// # Errors
    /// They only go to the log.
    fn destroy_instance(effect: Effect<'_>) -> Result<(), Self::Error> {
        let _ = effect;
        Ok(())
    }

    /// Changes are about to be told.
    ///
    /// # Errors
    /// They only go to the log and the host.
    fn begin_instance_changed(
        effect: Effect<'_>,
        reason: ChangeReason,
    ) -> Result<Handled, Self::Error> {
        let _ = (effect, reason);
        Ok(Handled::Default)
    }

    /// A parameter or clip changed, or a button was pressed.
    ///
    /// # Errors
    /// The user sees the message.
    fn instance_changed(
        effect: Effect<'_>,
        change: &InstanceChanged,
    ) -> Result<Handled, Self::Error> {
        let _ = (effect, change);
        Ok(Handled::Default)
    }

    /// Changes have been told.
    ///
    /// # Errors
    /// They only go to the log and the host.
    fn end_instance_changed(
        effect: Effect<'_>,
        reason: ChangeReason,
    ) -> Result<Handled, Self::Error> {
        let _ = (effect, reason);
        Ok(Handled::Default)
    }

    /// The host shows an instance's panel.
    ///
    /// # Errors
    /// They only go to the log and the host.
    fn begin_edit(effect: Effect<'_>) -> Result<Handled, Self::Error> {
        let _ = effect;
        Ok(Handled::Default)
    }

    /// The host hides an instance's panel.
    ///
    /// # Errors
    /// They only go to the log and the host.
    fn end_edit(effect: Effect<'_>) -> Result<Handled, Self::Error> {
        let _ = effect;
        Ok(Handled::Default)
    }

    /// The host wants memory back.
    ///
    /// # Errors
    /// They only go to the log and the host.
    fn purge_caches(effect: Effect<'_>) -> Result<Handled, Self::Error> {
        let _ = effect;
        Ok(Handled::Default)
    }

    /// The host is about to store or copy the instance: what is not yet in its parameters has to
    /// go there.
    ///
    /// # Errors
    /// They only go to the log and the host.
    fn sync_private_data(effect: Effect<'_>) -> Result<Handled, Self::Error> {
        let _ = effect;
        Ok(Handled::Default)
    }

    /// What the clips look like.
    ///
    /// # Errors
    /// They go to the log; the host then takes its own preferences, as hosts accept no failure
    /// here.
    fn clip_preferences(
        effect: Effect<'_>,
        preferences: ClipPreferences<'_>,
    ) -> Result<Handled, Self::Error> {
        let _ = (effect, preferences);
        Ok(Handled::Default)
    }

    /// The colour space of the output: a name of the negotiated style, or `OfxColourspace_` and the
    /// name of a clip whose colour space it has; `None` for that of the first input. `preferred`
    /// is what the host would like, best first.
    ///
    /// # Errors
    /// They go to the log, and the host takes the default.
    fn output_colourspace(
        effect: Effect<'_>,
        preferred: &[String],
    ) -> Result<Option<String>, Self::Error> {
        let _ = (effect, preferred);
        Ok(None)
    }

    /// The region of definition in canonical coordinates; `None` for the host's default, which is
    /// that of the inputs.
    ///
    /// # Errors
    /// They only go to the log and the host.
    fn region_of_definition(
        effect: Effect<'_>,
        time: f64,
        scale: Scale,
    ) -> Result<Option<RectD>, Self::Error> {
        let _ = (effect, time, scale);
        Ok(None)
    }

    /// What of each clip is needed for a region of the output, in canonical coordinates.
    ///
    /// # Errors
    /// They only go to the log and the host.
    fn regions_of_interest(
        effect: Effect<'_>,
        time: f64,
        scale: Scale,
        region: RectD,
        regions: RegionsOfInterest<'_>,
    ) -> Result<Handled, Self::Error> {
        let _ = (effect, time, scale, region, regions);
        Ok(Handled::Default)
    }

    /// Which frames of each clip are needed for a frame of the output.
    ///
    /// # Errors
    /// They only go to the log and the host.
    fn frames_needed(
        effect: Effect<'_>,
        time: f64,
        frames: FramesNeeded<'_>,
    ) -> Result<Handled, Self::Error> {
        let _ = (effect, time, frames);
        Ok(Handled::Default)
    }

    /// First and last frame of the effect; `None` for the host's default.
    ///
    /// # Errors
    /// They only go to the log and the host.
    fn time_domain(effect: Effect<'_>) -> Result<Option<(f64, f64)>, Self::Error> {
        let _ = effect;
        Ok(None)
    }

    /// The clip that is the result, when the effect changes nothing.
    ///
    /// # Errors
    /// They go to the log, and the host renders.
    fn is_identity(effect: Effect<'_>, args: &RenderArgs) -> Result<Option<Identity>, Self::Error> {
        let _ = (effect, args);
        Ok(None)
    }

    /// A run of frames is about to be rendered.
    ///
    /// # Errors
    /// The user sees the message.
    fn begin_sequence(effect: Effect<'_>, args: &SequenceArgs) -> Result<Handled, Self::Error> {
        let _ = (effect, args);
        Ok(Handled::Default)
    }

    /// Renders the window of a frame. A picture in place of the one that could not be made is a
    /// success to the host, and the user sees why.
    ///
    /// # Errors
    /// The user sees the message until a frame succeeds, unless the render was aborted.
    fn render(effect: Effect<'_>, args: &RenderArgs) -> Result<Rendered<Self::Error>, Self::Error>;

    /// A run of frames was rendered.
    ///
    /// # Errors
    /// They only go to the log and the host.
    fn end_sequence(effect: Effect<'_>, args: &SequenceArgs) -> Result<Handled, Self::Error> {
        let _ = (effect, args);
        Ok(Handled::Default)
    }
}
