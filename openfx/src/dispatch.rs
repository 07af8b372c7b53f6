//! The one function at the interface: a host's raw call becomes a call of [`Plugin`], and what
//! comes back (a value, an error, a panic) becomes a status.

use std::any::Any;
use std::ffi::{CStr, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::action::{
    Action, ClipPreferences, FramesNeeded, Handled, InstanceChanged, RegionsOfInterest, RenderArgs,
    SequenceArgs, change_reason, scale,
};
use crate::descriptor::EffectDescriptor;
use crate::effect::Effect;
use crate::error::{Error, Result};
use crate::message::MessageKind;
use crate::plugin::{ActionError, Plugin, Rendered};
use crate::props::Props;
use crate::suites::{HostState, Suites};
use crate::sys::{self, OfxImageEffectStruct, OfxPropertySetStruct};
use crate::types::{Context, Status};

/// The raw arguments of the main entry point.
#[derive(Clone, Copy)]
pub(crate) struct Call {
    pub(crate) action: *const c_char,
    pub(crate) handle: *const c_void,
    pub(crate) in_args: *mut OfxPropertySetStruct,
    pub(crate) out_args: *mut OfxPropertySetStruct,
}

/// Answers a host's call.
///
/// # Safety
/// The pointers are null or what OpenFX says that a host passes with the action.
pub(crate) unsafe fn dispatch<P: Plugin>(state: &'static HostState, call: Call) -> Status {
    if call.action.is_null() {
        // A logger that is broken may panic, which must not reach the host.
        let logged = catch_unwind(|| log::error!("the host called the plug-in without an action"));
        if let Err(payload) = logged {
            std::mem::forget(payload);
        }
        return Status::ERR_BAD_HANDLE;
    }
    // SAFETY: not null, and a terminated string as the caller promises.
    let name = unsafe { CStr::from_ptr(call.action) };
    let Some(action) = Action::from_ofx(name) else {
        return Status::REPLY_DEFAULT;
    };
    // A plug-in keeps no state of its own between actions that a panic could leave half-changed
    // beyond its locks, which poison themselves.
    let answer = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: as the caller promises.
        let call = unsafe { Frame::new(state, action, call) };
        call.run::<P>()
    }));
    answer.unwrap_or_else(|payload| {
        let text = panic_text(payload.as_ref());
        // Whatever was thrown must not throw again while it goes.
        std::mem::forget(payload);
        // Even telling of it may panic, in a logger that is broken.
        let told = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: as the caller promises.
            unsafe { tell_of_panic(state, action, call.handle, &text) }
        }));
        if let Err(payload) = told {
            std::mem::forget(payload);
        }
        Status::FAILED
    })
}

fn panic_text(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "no reason given".to_owned()
    }
}

/// # Safety
/// `handle` is null or what OpenFX says that a host passes with the action.
unsafe fn tell_of_panic(
    state: &'static HostState,
    action: Action,
    handle: *const c_void,
    text: &str,
) {
    let text = format!(
        "internal error in {}: {text}; please report it with the plug-in's log",
        action.name()
    );
    log::error!("{text} [plugin.panic]");
    // Anywhere but where the handle is no instance, or one that is only half there.
    if matches!(
        action,
        Action::Load
            | Action::Unload
            | Action::Describe
            | Action::DescribeInContext
            | Action::CreateInstance
            | Action::DestroyInstance
    ) {
        return;
    }
    if let Ok(suites) = state.suites() {
        // SAFETY: all other actions come with an instance.
        if let Ok(effect) = unsafe { Effect::new(suites, handle.cast_mut().cast(), false) } {
            post(effect, "plugin.panic", &text);
        }
    }
}

/// Whether a failure in this action is shown to the user: the ones that make a picture, and the
/// ones that answer a user's hand.
fn shows_messages(action: Action) -> bool {
    matches!(
        action,
        Action::BeginSequenceRender | Action::Render | Action::InstanceChanged
    )
}

/// Shows a message on an instance.
fn post(effect: Effect<'_>, id: &str, text: &str) {
    let suites = effect.suites();
    let news = suites.remember_message(effect.instance_id(), text);
    // A host that shows messages once would open a window for each frame of a sequence.
    if !news && !effect.messages_persist() {
        return;
    }
    if let Err(error) = effect.set_persistent_message(MessageKind::Error, id, text) {
        log::warn!("{error}");
    }
}

/// Clears what [`post`] showed.
fn unpost(effect: Effect<'_>) {
    if effect.suites().forget_message(effect.instance_id())
        && let Err(error) = effect.clear_persistent_message()
    {
        log::warn!("{error}");
    }
}

/// A failure of either side.
enum Failure<E> {
    Interface(Error),
    Plugin(E),
}

impl<E> From<Error> for Failure<E> {
    fn from(error: Error) -> Self {
        Self::Interface(error)
    }
}

impl<E: ActionError> Failure<E> {
    fn describe(&self) -> (String, &'static str, Status, bool) {
        match self {
            Self::Interface(error) => (error.to_string(), error.code(), error.status(), false),
            Self::Plugin(error) => (
                error.to_string(),
                error.code(),
                error.status(),
                error.is_abort(),
            ),
        }
    }
}

type Answer<P> = std::result::Result<Status, Failure<<P as Plugin>::Error>>;

/// One action on its way through the plug-in.
struct Frame {
    state: &'static HostState,
    action: Action,
    call: Call,
}

impl Frame {
    /// # Safety
    /// The pointers of `call` are null or what OpenFX says that a host passes with the action, and
    /// stay so until the action returns. The frame is dropped before that.
    unsafe fn new(state: &'static HostState, action: Action, call: Call) -> Self {
        Self {
            state,
            action,
            call,
        }
    }

    fn suites(&self) -> Result<&'static Suites> {
        self.state.suites()
    }

    fn descriptor(&self) -> Result<EffectDescriptor<'_>> {
        let handle = self.call.handle.cast_mut().cast::<OfxImageEffectStruct>();
        // SAFETY: see `new`; called only in actions whose handle is a descriptor.
        unsafe { EffectDescriptor::new(self.suites()?, handle) }
    }

    fn effect(&self) -> Result<Effect<'_>> {
        let handle = self.call.handle.cast_mut().cast::<OfxImageEffectStruct>();
        let leaving = self.action == Action::DestroyInstance;
        // SAFETY: see `new`; called only in actions whose handle is an instance.
        unsafe { Effect::new(self.suites()?, handle, leaving) }
    }

    fn in_args(&self) -> Result<Props<'_>> {
        // SAFETY: see `new`.
        unsafe { Props::new(self.suites()?, self.call.in_args, "arguments of an action") }
    }

    fn out_args(&self) -> Result<Props<'_>> {
        // SAFETY: see `new`.
        unsafe { Props::new(self.suites()?, self.call.out_args, "answers of an action") }
    }

    fn optional_in_args(&self) -> Option<Props<'_>> {
        self.in_args().ok()
    }

    /// Does the action, and tells of its failure.
    fn run<P: Plugin>(&self) -> Status {
        match self.act::<P>() {
            Ok(status) => status,
            Err(failure) => self.tell::<P>(&failure),
        }
    }

    fn tell<P: Plugin>(&self, failure: &Failure<P::Error>) -> Status {
        let (text, code, status, stopped) = failure.describe();
        let name = self.action.name();
        let effect = if shows_messages(self.action) {
            self.effect().ok()
        } else {
            None
        };
        // A host that aborts also stops handing out images, which looks like a failure.
        if stopped || effect.is_some_and(|effect| effect.aborted()) {
            log::debug!("{name} was stopped: {text}");
            return Status::FAILED;
        }
        log::error!("{name}: {text} [{code}]");
        if let Some(effect) = effect {
            post(effect, code, &text);
        }
        match self.action {
            // Hosts accept no failure of these; what is wrong shows again in the render.
            Action::GetClipPreferences | Action::IsIdentity | Action::GetOutputColourspace => {
                Status::REPLY_DEFAULT
            }
            // An error is never told as a success.
            _ if matches!(
                status,
                Status::OK | Status::REPLY_DEFAULT | Status::REPLY_YES
            ) =>
            {
                Status::FAILED
            }
            _ => status,
        }
    }

    fn act<P: Plugin>(&self) -> Answer<P> {
        match self.action {
            Action::Load => {
                let suites = self.state.load()?;
                P::load(&suites.host).map_err(Failure::Plugin)?;
                Ok(Status::OK)
            }
            Action::Unload => {
                P::unload();
                Ok(Status::OK)
            }
            Action::Describe => {
                P::describe(self.descriptor()?).map_err(Failure::Plugin)?;
                Ok(Status::OK)
            }
            Action::DescribeInContext => {
                let name = self
                    .in_args()?
                    .get_string(sys::kOfxImageEffectPropContext)?;
                let Some(context) = Context::from_ofx_str(&name) else {
                    log::debug!("the host asked for the context {name}, which is not offered");
                    return Ok(Status::ERR_UNSUPPORTED);
                };
                P::describe_in_context(self.descriptor()?, context).map_err(Failure::Plugin)?;
                Ok(Status::OK)
            }
            Action::CreateInstance => {
                let effect = self.effect()?;
                // An instance that went away without a word may have had this address.
                effect.suites().forget_message(effect.instance_id());
                P::create_instance(effect).map_err(Failure::Plugin)?;
                Ok(Status::OK)
            }
            Action::DestroyInstance => {
                let effect = self.effect()?;
                effect.suites().forget_message(effect.instance_id());
                P::destroy_instance(effect).map_err(Failure::Plugin)?;
                Ok(Status::OK)
            }
            Action::BeginInstanceChanged => {
                let reason = change_reason(self.optional_in_args().as_ref())?;
                handled::<P>(P::begin_instance_changed(self.effect()?, reason))
            }
            Action::InstanceChanged => {
                let effect = self.effect()?;
                let change = InstanceChanged::read(self.action, &self.in_args()?)?;
                handled::<P>(P::instance_changed(effect, &change))
            }
            Action::EndInstanceChanged => {
                let reason = change_reason(self.optional_in_args().as_ref())?;
                handled::<P>(P::end_instance_changed(self.effect()?, reason))
            }
            Action::BeginInstanceEdit => handled::<P>(P::begin_edit(self.effect()?)),
            Action::EndInstanceEdit => handled::<P>(P::end_edit(self.effect()?)),
            Action::PurgeCaches => handled::<P>(P::purge_caches(self.effect()?)),
            Action::SyncPrivateData => handled::<P>(P::sync_private_data(self.effect()?)),
            Action::GetClipPreferences => {
                let preferences = ClipPreferences::new(self.out_args()?);
                handled::<P>(P::clip_preferences(self.effect()?, preferences))
            }
            Action::GetRegionOfDefinition => self.region_of_definition::<P>(),
            Action::GetRegionsOfInterest => {
                let (effect, args) = (self.effect()?, self.in_args()?);
                let region = args.get_rect_f64(sys::kOfxImageEffectPropRegionOfInterest)?;
                let regions = RegionsOfInterest::new(self.out_args()?);
                let (time, scale) = (args.get_f64(sys::kOfxPropTime)?, scale(self.action, &args)?);
                handled::<P>(P::regions_of_interest(effect, time, scale, region, regions))
            }
            Action::GetFramesNeeded => {
                let time = self.in_args()?.get_f64(sys::kOfxPropTime)?;
                let frames = FramesNeeded::new(self.out_args()?);
                handled::<P>(P::frames_needed(self.effect()?, time, frames))
            }
            Action::GetOutputColourspace => self.output_colourspace::<P>(),
            Action::GetTimeDomain => self.time_domain::<P>(),
            Action::IsIdentity => self.identity::<P>(),
            Action::BeginSequenceRender => {
                let args = SequenceArgs::read(self.action, self.optional_in_args().as_ref())?;
                handled::<P>(P::begin_sequence(self.effect()?, &args))
            }
            Action::Render => {
                let effect = self.effect()?;
                let args = RenderArgs::read(self.action, &self.in_args()?)?;
                match P::render(effect, &args).map_err(Failure::Plugin)? {
                    Rendered::AsAsked => unpost(effect),
                    Rendered::InPlace(error) => {
                        let (text, code) = (error.to_string(), error.code());
                        log::error!(
                            "{}, another picture is shown: {text} [{code}]",
                            self.action.name()
                        );
                        post(effect, code, &text);
                    }
                }
                Ok(Status::OK)
            }
            Action::EndSequenceRender => {
                let args = SequenceArgs::read(self.action, self.optional_in_args().as_ref())?;
                handled::<P>(P::end_sequence(self.effect()?, &args))
            }
        }
    }

    fn region_of_definition<P: Plugin>(&self) -> Answer<P> {
        let (effect, args) = (self.effect()?, self.in_args()?);
        let (time, scale) = (args.get_f64(sys::kOfxPropTime)?, scale(self.action, &args)?);
        let region = P::region_of_definition(effect, time, scale).map_err(Failure::Plugin)?;
        let Some(region) = region else {
            return Ok(Status::REPLY_DEFAULT);
        };
        if !region.is_finite() || region.x2 < region.x1 || region.y2 < region.y1 {
            return Err(self.nonsense(format!("the region {region}")).into());
        }
        self.out_args()?
            .set_rect_f64(sys::kOfxImageEffectPropRegionOfDefinition, region)?;
        Ok(Status::OK)
    }

    fn output_colourspace<P: Plugin>(&self) -> Answer<P> {
        let preferred = match self.optional_in_args() {
            Some(args) => {
                let name = sys::kOfxImageClipPropPreferredColourspaces;
                (0..args.dimension(name).unwrap_or(0))
                    .map_while(|index| args.get_string_at(name, index).ok())
                    .collect()
            }
            None => Vec::new(),
        };
        let space = P::output_colourspace(self.effect()?, &preferred).map_err(Failure::Plugin)?;
        let Some(space) = space else {
            return Ok(Status::REPLY_DEFAULT);
        };
        self.out_args()?
            .set_string(sys::kOfxImageClipPropColourspace, 0, &space)?;
        Ok(Status::OK)
    }

    fn time_domain<P: Plugin>(&self) -> Answer<P> {
        let domain = P::time_domain(self.effect()?).map_err(Failure::Plugin)?;
        let Some((first, last)) = domain else {
            return Ok(Status::REPLY_DEFAULT);
        };
        if !(first.is_finite() && last.is_finite() && first <= last) {
            return Err(self.nonsense(format!("frames {first} to {last}")).into());
        }
        let out = self.out_args()?;
        out.set_f64(sys::kOfxImageEffectPropFrameRange, 0, first)?;
        out.set_f64(sys::kOfxImageEffectPropFrameRange, 1, last)?;
        Ok(Status::OK)
    }

    fn identity<P: Plugin>(&self) -> Answer<P> {
        let (effect, args) = (
            self.effect()?,
            RenderArgs::read(self.action, &self.in_args()?)?,
        );
        let identity = P::is_identity(effect, &args).map_err(Failure::Plugin)?;
        let Some(identity) = identity else {
            return Ok(Status::REPLY_DEFAULT);
        };
        // Hosts look the name up without asking whether it exists.
        let clip = effect.clip(&identity.clip)?;
        let out = self.out_args()?;
        out.set_string(sys::kOfxPropName, 0, clip.name())?;
        out.set_f64(sys::kOfxPropTime, 0, identity.time)?;
        Ok(Status::OK)
    }

    fn nonsense(&self, reason: String) -> Error {
        Error::Answer {
            action: self.action.name(),
            reason,
        }
    }
}

fn handled<P: Plugin>(answer: std::result::Result<Handled, P::Error>) -> Answer<P> {
    match answer.map_err(Failure::Plugin)? {
        Handled::Yes => Ok(Status::OK),
        Handled::Default => Ok(Status::REPLY_DEFAULT),
    }
}
