//! The objects that handles name: effects, their clips and their parameters.

mod clip;
mod param;
mod talk;

use std::collections::HashMap;
use std::ffi::{CStr, c_void};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, Weak};

use super::context::{self, Frame};
use super::core::{Host, lock};
use super::plugin::Plugin;
use super::property::{PropertySet, SetKind};
use super::registry::{self, Handle, Kind, Object};
use super::request::AbortHandle;
use super::value::ParamType;
use super::violations::rule;
use crate::sys;
use crate::types::Context;

pub(crate) use clip::{Clip, Fetched, describe_image};
pub(crate) use param::{Param, default_value};
pub(crate) use talk::Talk;

/// What an effect handle stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The plug-in in general (Describe).
    Described,
    /// The plug-in in one context (DescribeInContext).
    InContext(Context),
    /// An instance.
    Instance(Context),
}

/// A descriptor or an instance.
pub(crate) struct Effect {
    pub(crate) host: Arc<Host>,
    pub(crate) plugin: Arc<Plugin>,
    pub(crate) stage: Stage,
    /// The description that it was made from.
    pub(crate) parent: Option<Arc<Effect>>,
    pub(crate) props: Arc<PropertySet>,
    pub(crate) param_set: Arc<PropertySet>,
    pub(crate) abort: AbortHandle,
    pub(crate) talk: Mutex<Talk>,
    clips: RwLock<Vec<Arc<Clip>>>,
    params: RwLock<Vec<Arc<Param>>>,
    handles: OnceLock<Handles>,
    /// Actions that are running, on any thread.
    active: Mutex<Vec<Arc<Frame>>>,
    /// Images that the plug-in holds, by the number of their handle.
    images: Mutex<HashMap<usize, (Handle, Arc<Fetched>)>>,
    /// How many edit blocks are open.
    pub(crate) edits: Mutex<usize>,
    /// Set once this host has refused a parameter, after which it refuses all
    /// ([`Quirks::no_string_parameters`](super::options::Quirks)).
    pub(crate) refusing_params: Mutex<bool>,
    /// Parameters that the plug-in has set and not yet been told of.
    pub(crate) edited: Mutex<Vec<String>>,
}

/// The numbers by which an effect is known.
pub(crate) struct Handles {
    pub(crate) effect: Handle,
    pub(crate) props: Handle,
    pub(crate) params: Handle,
    pub(crate) param_props: Handle,
}

impl Effect {
    /// An effect without clips and parameters. `props` are its own.
    pub(crate) fn new(
        host: &Arc<Host>,
        plugin: &Arc<Plugin>,
        stage: Stage,
        parent: Option<Arc<Self>>,
        props: PropertySet,
        param_set: PropertySet,
    ) -> Arc<Self> {
        let abort = AbortHandle::default();
        if let Some(calls) = host.options.abort_after {
            abort.abort_after(calls);
        }
        let effect = Arc::new(Self {
            host: Arc::clone(host),
            plugin: Arc::clone(plugin),
            stage,
            parent,
            props: Arc::new(props),
            param_set: Arc::new(param_set),
            abort,
            talk: Mutex::default(),
            clips: RwLock::default(),
            params: RwLock::default(),
            handles: OnceLock::new(),
            active: Mutex::default(),
            images: Mutex::default(),
            edits: Mutex::default(),
            refusing_params: Mutex::default(),
            edited: Mutex::default(),
        });
        let open = |kind, object| Handle::new(host.id, kind, object);
        let _ = effect.handles.set(Handles {
            effect: open(Kind::Effect, Object::Effect(Arc::clone(&effect))),
            props: open(
                Kind::Properties,
                Object::Properties(Arc::clone(&effect.props)),
            ),
            params: open(Kind::ParamSet, Object::ParamSet(Arc::clone(&effect))),
            param_props: open(
                Kind::Properties,
                Object::Properties(Arc::clone(&effect.param_set)),
            ),
        });
        effect
    }

    /// Takes the effect's handles away. Without it the effect lives for ever, since its own
    /// handles lead to it.
    pub(crate) fn close(&self) {
        let images: Vec<_> = lock(&self.images).drain().collect();
        drop(images);
        let params =
            std::mem::take(&mut *self.params.write().unwrap_or_else(PoisonError::into_inner));
        let clips =
            std::mem::take(&mut *self.clips.write().unwrap_or_else(PoisonError::into_inner));
        if let Some(handles) = self.handles.get() {
            for handle in [
                &handles.effect,
                &handles.props,
                &handles.params,
                &handles.param_props,
            ] {
                registry::close(handle.id());
            }
        }
        for param in &params {
            registry::close(param.handle.id());
            registry::close(param.props_handle.id());
        }
        for clip in &clips {
            registry::close(clip.handle.id());
            registry::close(clip.props_handle.id());
        }
    }

    /// The number of one of the effect's own handles; 0 before there is one.
    pub(crate) fn handle(&self, which: impl FnOnce(&Handles) -> &Handle) -> usize {
        self.handles.get().map_or(0, |handles| which(handles).id())
    }

    /// The number of the effect itself.
    pub(crate) fn id(&self) -> usize {
        self.handle(|handles| &handles.effect)
    }

    /// Whether the description sets this integer property to 1.
    pub(crate) fn declares(&self, name: &CStr) -> bool {
        let props = self
            .parent
            .as_ref()
            .map_or(&self.props, |parent| &parent.props);
        props.int(name) == Some(1)
    }

    pub(crate) fn clips(&self) -> Vec<Arc<Clip>> {
        self.clips
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn clip(&self, name: &str) -> Option<Arc<Clip>> {
        self.clips().into_iter().find(|clip| clip.name == name)
    }

    pub(crate) fn params(&self) -> Vec<Arc<Param>> {
        self.params
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn param(&self, name: &str) -> Option<Arc<Param>> {
        self.params
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .find(|param| param.name == name)
            .map(Arc::clone)
    }

    /// Adds a clip with these properties.
    pub(crate) fn add_clip(self: &Arc<Self>, name: &str, props: PropertySet) -> Arc<Clip> {
        let props = Arc::new(props);
        props.put_str(sys::kOfxPropName, name);
        let handle = Handle::reserve(self.host.id, Kind::Clip);
        let props_handle = Handle::new(
            self.host.id,
            Kind::Properties,
            Object::Properties(Arc::clone(&props)),
        );
        let clip = Arc::new(Clip::new(
            name.to_owned(),
            props,
            Arc::downgrade(self),
            handle,
            props_handle,
        ));
        clip.handle.open(Object::Clip(Arc::clone(&clip)));
        self.clips
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::clone(&clip));
        clip
    }

    /// Adds a parameter with these properties.
    pub(crate) fn add_param(
        self: &Arc<Self>,
        name: &str,
        kind: ParamType,
        props: PropertySet,
    ) -> Arc<Param> {
        let props = Arc::new(props);
        props.put_str(sys::kOfxPropName, name);
        props.put_str(sys::kOfxParamPropType, kind.ofx_name());
        if matches!(self.stage, Stage::Instance(_)) {
            props.put_str(
                sys::kOfxPropType,
                &sys::kOfxTypeParameterInstance.to_string_lossy(),
            );
        }
        let handle = Handle::reserve(self.host.id, Kind::Param);
        let props_handle = Handle::new(
            self.host.id,
            Kind::Properties,
            Object::Properties(Arc::clone(&props)),
        );
        let param = Arc::new(Param::new(
            name.to_owned(),
            kind,
            props,
            Arc::downgrade(self),
            handle,
            props_handle,
        ));
        param.handle.open(Object::Param(Arc::clone(&param)));
        self.params
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::clone(&param));
        param
    }

    /// A property set for a new object of this effect.
    pub(crate) fn new_set(&self, kind: SetKind, owner: String) -> PropertySet {
        PropertySet::new(kind, owner, &self.host.options)
    }

    /// Nothing is described any more: from now on only live properties change.
    pub(crate) fn seal(&self) {
        self.props.seal();
        self.param_set.seal();
        self.clips().iter().for_each(|clip| clip.props.seal());
        self.params().iter().for_each(|param| param.props.seal());
    }

    // ---- actions ----

    pub(crate) fn begin(&self, frame: &Arc<Frame>) {
        lock(&self.active).push(Arc::clone(frame));
    }

    /// The action is over: what it should have given back is taken back.
    pub(crate) fn end(&self, frame: &Arc<Frame>) {
        let (last, idle) = {
            let mut active = lock(&self.active);
            active.retain(|other| other.id != frame.id);
            (active.is_empty(), active.len())
        };
        let leaked: Vec<_> = {
            let mut images = lock(&self.images);
            let ids: Vec<usize> = images
                .iter()
                .filter(|(_, (_, image))| image.frame == frame.id)
                .map(|(id, _)| *id)
                .collect();
            ids.iter().filter_map(|id| images.remove(id)).collect()
        };
        for (_, image) in &leaked {
            self.host.violate(
                rule::IMAGE_LEAKED,
                format!(
                    "an image of clip {} was not released before the action's end",
                    image.clip
                ),
            );
        }
        drop(leaked);
        let mut talk = lock(&self.talk);
        if talk.open > idle {
            talk.open = idle;
            drop(talk);
            self.host.violate(
                rule::PROGRESS,
                "progress was started and not ended before the action's end",
            );
        }
        if last {
            let open = std::mem::take(&mut *lock(&self.edits));
            if open > 0 {
                self.host.violate(
                    rule::PARAM_EDIT,
                    format!("{open} edit block(s) were not closed before the action's end"),
                );
            }
            self.params().iter().for_each(|param| param.unpin());
        }
    }

    /// The action to which a call on this thread belongs: the innermost of this effect on this
    /// thread, else the newest on any thread.
    pub(crate) fn frame(&self) -> Option<Arc<Frame>> {
        context::current_of(self.id()).or_else(|| lock(&self.active).last().map(Arc::clone))
    }

    pub(crate) fn active_count(&self) -> usize {
        lock(&self.active).len()
    }

    // ---- images ----

    /// Gives an image to the plug-in.
    pub(crate) fn hand_out(&self, image: Fetched) -> usize {
        let image = Arc::new(image);
        let handle = Handle::new(self.host.id, Kind::Image, Object::Image(Arc::clone(&image)));
        let id = handle.id();
        lock(&self.images).insert(id, (handle, image));
        id
    }

    /// Takes an image back.
    pub(crate) fn take_back(&self, handle: *const c_void) -> Option<Arc<Fetched>> {
        let taken = lock(&self.images).remove(&handle.addr());
        taken.map(|(_handle, image)| image)
    }

    pub(crate) fn downgrade(self: &Arc<Self>) -> Weak<Self> {
        Arc::downgrade(self)
    }
}
