//! An instance of an effect: parameters set, clips connected, questions asked, pictures rendered.

mod edit;
mod preferences;
mod query;
mod render;

use std::ffi::{c_int, c_void};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::core::{Host, lock};
use super::describe;
use super::description::Description;
use super::error::{HostError, Result};
use super::library::Loaded;
use super::object::{Effect, Param, Stage};
use super::plugin::{Arguments, Plugin};
use super::property::{Action, Address, PropertySet, SetKind};
use super::registry;
use super::request::{AbortHandle, Message, Preferences, Sequence};
use super::suites::reclaim_memory;
use super::value::Value;
use super::violations::rule;
use crate::sys;
use crate::types::{COLOUR_CONFIG, ColourStyle, Context, Scale};

/// An instance of an effect. Copies share it; the last one dropped destroys it.
///
/// All methods may be called from several threads. Renders run side by side as far as the plug-in
/// says that it allows; edits wait until no render is running, and renders until no edit is, so a
/// callback of a render must not edit its own instance.
#[derive(Clone)]
pub struct Instance(Arc<Inner>);

struct Inner {
    effect: Arc<Effect>,
    descriptor: Arc<Effect>,
    description: Description,
    /// Descriptions made for this instance alone.
    own: Vec<Arc<Effect>>,
    /// Shared by renders, exclusive to edits.
    gate: RwLock<()>,
    preferences: Mutex<Option<Arc<Preferences>>>,
    /// The run of frames that was opened by hand.
    sequence: Mutex<Option<Sequence>>,
    /// Held during renders of a plug-in whose instances are safe one by one only.
    render_lock: Mutex<()>,
    /// Last: what the others stand on.
    loaded: Arc<Loaded>,
}

/// The state of a parameter apart from its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParamState {
    /// Whether it can be edited.
    pub enabled: bool,
    /// Whether it is hidden.
    pub secret: bool,
    /// The name that users see.
    pub label: String,
}

impl Instance {
    pub(crate) fn create(
        loaded: &Arc<Loaded>,
        plugin: &Arc<Plugin>,
        descriptor: &Arc<Effect>,
        context: Context,
        own: Vec<Arc<Effect>>,
    ) -> Result<Self> {
        let host = &loaded.host;
        let owner = descriptor.props.owner().to_owned();
        let effect = Effect::new(
            host,
            plugin,
            Stage::Instance(context),
            Some(Arc::clone(descriptor)),
            descriptor
                .props
                .derived(SetKind::EffectInstance, format!("an instance of {owner}")),
            descriptor.param_set.derived(SetKind::ParamSet, owner),
        );
        introduce(host, &effect, descriptor, context);
        for clip in descriptor.clips() {
            let props = clip
                .props
                .derived(SetKind::ClipInstance, clip.props.owner().to_owned());
            effect.add_clip(&clip.name, props);
        }
        for param in descriptor.params() {
            let props = param
                .props
                .derived(SetKind::Param(param.kind), param.props.owner().to_owned());
            effect.add_param(&param.name, param.kind, props);
        }
        if let Some(output) = effect.clip("Output") {
            output
                .props
                .put::<c_int>(sys::kOfxImageClipPropConnected, vec![1]);
        }
        effect.seal();
        let done = plugin.tell(host, Some(&effect), Action::CreateInstance);
        if let Err(error) = done.check(Action::CreateInstance, Some(&effect)) {
            effect.close();
            own.iter().for_each(|descriptor| descriptor.close());
            return Err(error);
        }
        // What it set while being made is how it begins.
        lock(&effect.edited).clear();
        let instance = Self(Arc::new(Inner {
            description: describe::description(descriptor, context),
            effect,
            descriptor: Arc::clone(descriptor),
            own,
            gate: RwLock::new(()),
            preferences: Mutex::new(None),
            sequence: Mutex::new(None),
            render_lock: Mutex::new(()),
            loaded: Arc::clone(loaded),
        }));
        if host.options.quirks.probe_region {
            let half = Scale { x: 0.5, y: 0.5 };
            let first = host.options.project.range.0;
            if let Err(error) = instance.region_of_definition(first, half) {
                log::debug!("no region of definition right after creation: {error}");
            }
        }
        // A plug-in may rightly fail here while nothing is connected; it is asked again before
        // anything depends on the answer.
        if let Err(error) = instance.clip_preferences() {
            log::debug!("no clip preferences right after creation: {error}");
        }
        Ok(instance)
    }

    /// What the plug-in said about itself when this instance's context was described.
    #[must_use]
    pub fn description(&self) -> &Description {
        &self.0.description
    }

    /// Stops renders from outside.
    #[must_use]
    pub fn abort_handle(&self) -> AbortHandle {
        self.0.effect.abort.clone()
    }

    /// The persistent message that is showing.
    #[must_use]
    pub fn message(&self) -> Option<Message> {
        lock(&self.0.effect.talk).persistent.clone()
    }

    /// What the plug-in has said since the instance was made or [`Instance::clear_messages`] was
    /// called, oldest first, the latest thousand.
    #[must_use]
    pub fn messages(&self) -> Vec<Message> {
        lock(&self.0.effect.talk).messages.clone()
    }

    /// Forgets [`Instance::messages`]. What is showing stays.
    pub fn clear_messages(&self) {
        lock(&self.0.effect.talk).messages.clear();
    }

    /// Every progress reported since the latest render began, 0..=1.
    #[must_use]
    pub fn progress(&self) -> Vec<f64> {
        lock(&self.0.effect.talk).progress.clone()
    }

    /// Calls a function at every report of progress, from the thread that reports. It replaces the
    /// one given before, and must neither edit, ask nor render this instance.
    pub fn on_progress(&self, callback: Box<dyn Fn(f64) + Send + Sync>) {
        lock(&self.0.effect.talk).on_progress = Some(callback.into());
    }

    /// Asks the plug-in to drop what it can compute again.
    ///
    /// # Errors
    /// [`HostError::Action`] when it fails.
    pub fn purge_caches(&self) -> Result<()> {
        let _edit = self.exclusive();
        self.0.tell(Action::PurgeCaches)
    }

    /// Asks the plug-in to bring parameters in line with its private data, as before saving.
    ///
    /// # Errors
    /// [`HostError::Action`] when it fails.
    pub fn sync_private_data(&self) -> Result<()> {
        let _edit = self.exclusive();
        self.0.tell(Action::SyncPrivateData)
    }

    /// Tells the plug-in that its panel is opened.
    ///
    /// # Errors
    /// [`HostError::Action`] when it fails.
    pub fn begin_edit(&self) -> Result<()> {
        let _edit = self.exclusive();
        self.0.tell(Action::BeginInstanceEdit)
    }

    /// Tells the plug-in that its panel is closed.
    ///
    /// # Errors
    /// [`HostError::Action`] when it fails.
    pub fn end_edit(&self) -> Result<()> {
        let _edit = self.exclusive();
        self.0.tell(Action::EndInstanceEdit)
    }

    /// The number by which the plug-in knows this instance.
    #[must_use]
    pub fn handle(&self) -> usize {
        self.0.effect.id()
    }

    fn exclusive(&self) -> RwLockWriteGuard<'_, ()> {
        self.0.gate.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn shared(&self) -> RwLockReadGuard<'_, ()> {
        self.0.gate.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn host(&self) -> &Arc<Host> {
        &self.loaded.host
    }

    /// A set of in arguments.
    fn arguments(&self, action: Action) -> PropertySet {
        PropertySet::new(
            SetKind::In(action),
            format!("the arguments of {}", action.name().to_string_lossy()),
            &self.host().options,
        )
    }

    fn perform(&self, action: Action, arguments: Arguments<'_>) -> super::plugin::Done {
        self.effect
            .plugin
            .perform(self.host(), Some(&self.effect), action, arguments)
    }

    fn tell(&self, action: Action) -> Result<()> {
        self.perform(action, Arguments::default())
            .check(action, Some(&self.effect))
    }

    fn param(&self, id: &str) -> Result<Arc<Param>> {
        self.effect
            .param(id)
            .ok_or_else(|| HostError::UnknownParameter {
                id: id.to_owned(),
                known: self
                    .effect
                    .params()
                    .iter()
                    .filter(|param| param.kind.arity() > 0)
                    .map(|param| param.name.clone())
                    .collect::<Vec<_>>()
                    .join(", "),
            })
    }

    fn render_guard(&self) -> Option<MutexGuard<'_, ()>> {
        let safety = self
            .descriptor
            .props
            .string(sys::kOfxImageEffectPluginRenderThreadSafety);
        match safety.as_deref() {
            Some("OfxImageEffectRenderFullySafe") => None,
            Some("OfxImageEffectRenderInstanceSafe") => Some(lock(&self.render_lock)),
            _ => Some(lock(&self.effect.plugin.render_lock)),
        }
    }
}

/// The style in which colour is managed: the best that both sides have.
fn colour_style(host: &Host, descriptor: &Effect) -> ColourStyle {
    if host.options.api_version < (1, 5) {
        return ColourStyle::None;
    }
    let declared = descriptor
        .props
        .string(sys::kOfxImageEffectPropColourManagementStyle)
        .and_then(|name| ColourStyle::from_ofx_str(&name))
        .unwrap_or(ColourStyle::None);
    let known = descriptor
        .props
        .strings(sys::kOfxImageEffectPropColourManagementAvailableConfigs);
    if !known.iter().any(|name| name == COLOUR_CONFIG) {
        return ColourStyle::None;
    }
    let rank = |style: &ColourStyle| *style as usize;
    std::cmp::min_by_key(declared, host.options.colour_style, rank)
}

/// Fills an instance's own properties in.
fn introduce(host: &Host, effect: &Effect, descriptor: &Effect, context: Context) {
    let props = &effect.props;
    let project = &host.options.project;
    let pair = |v: (f64, f64)| vec![v.0, v.1];
    props.put_str(
        sys::kOfxImageEffectPropContext,
        &context.ofx_name().to_string_lossy(),
    );
    props.put::<*mut c_void>(
        sys::kOfxImageEffectPropPluginHandle,
        vec![Address(registry::pointer(descriptor.id()))],
    );
    props.put::<f64>(sys::kOfxImageEffectPropProjectSize, pair(project.size));
    props.put::<f64>(sys::kOfxImageEffectPropProjectOffset, pair(project.offset));
    props.put::<f64>(sys::kOfxImageEffectPropProjectExtent, pair(project.extent));
    props.put::<f64>(
        sys::kOfxImageEffectPropProjectPixelAspectRatio,
        vec![project.pixel_aspect],
    );
    props.put::<f64>(sys::kOfxImageEffectPropFrameRate, vec![project.frame_rate]);
    props.put::<f64>(
        sys::kOfxImageEffectInstancePropEffectDuration,
        vec![project.range.1 - project.range.0 + 1.0],
    );
    let style = colour_style(host, descriptor);
    if host.options.api_version >= (1, 5) {
        // What was agreed on, even when that is nothing: the descriptor's word is not the answer.
        props.put_str(
            sys::kOfxImageEffectPropColourManagementStyle,
            &style.ofx_name().to_string_lossy(),
        );
    }
    if style != ColourStyle::None {
        props.put_str(
            sys::kOfxImageEffectPropColourManagementConfig,
            COLOUR_CONFIG,
        );
    }
    props.put::<c_int>(
        sys::kOfxPropIsInteractive,
        vec![c_int::from(!host.options.background)],
    );
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance")
            .field("plugin", &self.0.effect.plugin.identifier)
            .field("context", &self.0.description.context)
            .finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if lock(&self.sequence).is_some() {
            log::debug!("an instance is destroyed within a run of frames");
        }
        if let Err(error) = self.tell(Action::DestroyInstance) {
            log::warn!("{error}");
        }
        let left = reclaim_memory(self.effect.id());
        if left > 0 {
            self.host().violate(
                rule::MEMORY,
                format!("{left} block(s) of memory were not freed before the instance was gone"),
            );
        }
        self.effect.close();
        self.own.iter().for_each(|descriptor| descriptor.close());
    }
}

/// The values of a parameter as a caller of [`Instance::set`] names them, made to suit its kind
/// where no meaning is lost (a whole number for a real one or for a choice).
fn suited(param: &Param, value: Value) -> Value {
    use super::value::ParamType;
    match (param.kind, value) {
        (ParamType::Double, Value::Int(v)) => Value::Double(f64::from(v)),
        (ParamType::Choice, Value::Int(v)) => Value::Choice(v),
        (_, value) => value,
    }
}
