//! One plug-in of a library, and how an action is sent to it.

use std::collections::HashMap;
use std::ffi::{CStr, c_char, c_void};
use std::ptr::null;
use std::sync::{Arc, Mutex};

use super::context::{self, Frame, Picture};
use super::core::{Host, lock};
use super::error::{HostError, Result};
use super::object::Effect;
use super::property::{Action, PropertySet};
use super::registry::{self, Handle, Kind, Object};
use super::violations::rule;
use crate::sys::{OfxHost, OfxPlugin, OfxPropertySetHandle, OfxStatus};
use crate::types::{Context, Status};

type MainEntry = unsafe extern "C" fn(
    *const c_char,
    *const c_void,
    OfxPropertySetHandle,
    OfxPropertySetHandle,
) -> OfxStatus;

/// A plug-in.
pub(crate) struct Plugin {
    pub(crate) identifier: String,
    pub(crate) version: (u32, u32),
    main_entry: MainEntry,
    set_host: unsafe extern "C" fn(*mut OfxHost),
    /// Held during renders of a plug-in that is not thread-safe at all.
    pub(crate) render_lock: Mutex<()>,
    /// What it said of itself in general.
    pub(crate) described: Mutex<Option<Arc<Effect>>>,
    /// What it said of itself in each context.
    pub(crate) contexts: Mutex<HashMap<Context, Arc<Effect>>>,
    /// Descriptions that were replaced and that instances may still refer to.
    pub(crate) retired: Mutex<Vec<Arc<Effect>>>,
}

impl Plugin {
    /// Reads the structure that `OfxGetPlugin` gave.
    ///
    /// # Safety
    /// `raw` must be null or point to a plug-in's structure whose strings and functions stay where
    /// they are.
    pub(crate) unsafe fn read(raw: *const OfxPlugin) -> std::result::Result<Self, String> {
        // SAFETY: null is sorted out by `as_ref`, the caller vouches for the rest.
        let Some(raw) = (unsafe { raw.as_ref() }) else {
            return Err("OfxGetPlugin gave a null pointer for one of its plug-ins".into());
        };
        let text = |address: *const c_char, what: &str| {
            if address.is_null() {
                return Err(format!("a plug-in has no {what}"));
            }
            // SAFETY: not null; the caller vouches for the string.
            let text = unsafe { CStr::from_ptr(address) };
            text.to_str()
                .map(str::to_owned)
                .map_err(|_| format!("a plug-in's {what} is not UTF-8"))
        };
        let api = text(raw.pluginApi, "API name")?;
        let identifier = text(raw.pluginIdentifier, "identifier")?;
        if api != "OfxImageEffectPluginAPI" || raw.apiVersion != 1 {
            return Err(format!(
                "plug-in {identifier} is of API {api} version {}, not an image effect of version 1",
                raw.apiVersion
            ));
        }
        let (Some(main_entry), Some(set_host)) = (raw.mainEntry, raw.setHost) else {
            return Err(format!(
                "plug-in {identifier} has no setHost or no main entry"
            ));
        };
        Ok(Self {
            identifier,
            version: (raw.pluginVersionMajor, raw.pluginVersionMinor),
            main_entry,
            set_host,
            render_lock: Mutex::new(()),
            described: Mutex::default(),
            contexts: Mutex::default(),
            retired: Mutex::default(),
        })
    }

    /// Introduces the host.
    pub(crate) fn meet(&self, host: &Arc<Host>) {
        context::in_set_host(host, || {
            // SAFETY: the structure lives for ever, and the function is the plug-in's own.
            unsafe { (self.set_host)(host.raw()) }
        });
    }

    /// Sends an action and watches over it.
    pub(crate) fn perform(
        &self,
        host: &Arc<Host>,
        effect: Option<&Arc<Effect>>,
        action: Action,
        arguments: Arguments<'_>,
    ) -> Done {
        let open = |set: &Arc<PropertySet>| {
            Handle::new(
                host.id,
                Kind::Properties,
                Object::Properties(Arc::clone(set)),
            )
        };
        let incoming = arguments.incoming.map(|set| open(&Arc::new(set)));
        let outgoing = arguments.outgoing.map(open);
        let id = |handle: &Option<Handle>| registry::pointer(handle.as_ref().map_or(0, Handle::id));
        let frame = Frame::new(
            host,
            action,
            effect.map_or(0, |effect| effect.id()),
            arguments.picture,
        );
        let entered = context::enter(&frame);
        if let Some(effect) = effect {
            effect.begin(&frame);
        }
        let handle = effect.map_or(null(), |effect| registry::pointer::<c_void>(effect.id()));
        // SAFETY: the function is the plug-in's own; handles are only numbers to it, and the
        // action's name is a constant.
        let status = unsafe {
            (self.main_entry)(action.name().as_ptr(), handle, id(&incoming), id(&outgoing))
        };
        let status = Status::from_raw(status);
        log::trace!(
            "{} {} -> {status}",
            self.identifier,
            action.name().to_string_lossy()
        );
        if !action.allows(status) {
            host.violate(
                rule::STATUS,
                format!("it was answered with {status}, which this action does not allow"),
            );
        }
        if let Some(effect) = effect {
            effect.end(&frame);
        }
        drop(entered);
        Done {
            status,
            frame: frame.id,
        }
    }

    /// Sends an action that has no arguments.
    pub(crate) fn tell(
        &self,
        host: &Arc<Host>,
        effect: Option<&Arc<Effect>>,
        action: Action,
    ) -> Done {
        self.perform(host, effect, action, Arguments::default())
    }
}

/// What goes along with an action.
#[derive(Default)]
pub(crate) struct Arguments<'a> {
    pub(crate) incoming: Option<PropertySet>,
    pub(crate) outgoing: Option<&'a Arc<PropertySet>>,
    pub(crate) picture: Option<Picture>,
}

/// How an action went.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Done {
    pub(crate) status: Status,
    /// The action's number.
    pub(crate) frame: u64,
}

impl Done {
    /// An error unless the answer is OK or "the default".
    pub(crate) fn check(self, action: Action, effect: Option<&Effect>) -> Result<()> {
        if matches!(self.status, Status::OK | Status::REPLY_DEFAULT) {
            return Ok(());
        }
        Err(HostError::Action {
            action: action.name().to_string_lossy().into_owned(),
            status: self.status,
            message: effect.and_then(|effect| effect.message_of(self.frame)),
        })
    }
}

impl Effect {
    /// What was said about an error during an action, or what is showing.
    pub(crate) fn message_of(&self, frame: u64) -> Option<String> {
        let talk = lock(&self.talk);
        match &talk.last_error {
            Some((when, text)) if *when == frame => Some(text.clone()),
            _ => talk.persistent.as_ref().map(|message| message.text.clone()),
        }
    }
}
