//! Edits, as a user makes them: parameters, buttons, connections.

use std::ffi::{CStr, c_int};
use std::sync::Arc;

use super::{Instance, ParamState, suited};
use crate::host::clip::ClipSource;
use crate::host::context::Picture;
use crate::host::core::lock;
use crate::host::describe;
use crate::host::error::{HostError, Result};
use crate::host::object::Clip;
use crate::host::plugin::Arguments;
use crate::host::property::Action;
use crate::host::value::{ParamType, Value};
use crate::host::violations::rule;
use crate::sys;
use crate::types::{ColourStyle, Scale};

/// So often a plug-in may change parameters in answer to its own changes.
const ECHOES: usize = 8;

impl Instance {
    /// Sets a parameter as a user does, and tells the plug-in. Keys that it had are dropped.
    ///
    /// # Errors
    /// [`HostError::UnknownParameter`], [`HostError::Value`] when the value does not suit it, or
    /// [`HostError::Action`] when the plug-in fails to take the change.
    pub fn set(&self, id: &str, value: Value) -> Result<()> {
        self.set_many(&[(id, value)])
    }

    /// Sets several parameters in one edit: all of them or, where one cannot be set, none.
    ///
    /// # Errors
    /// As [`Instance::set`].
    pub fn set_many(&self, values: &[(&str, Value)]) -> Result<()> {
        let changes: Vec<_> = values
            .iter()
            .map(|(id, value)| (*id, None, value.clone()))
            .collect();
        self.change(&changes)
    }

    /// Sets a key: the parameter has this value at that time, and values in between are
    /// interpolated.
    ///
    /// # Errors
    /// As [`Instance::set`]; [`HostError::Value`] too when the parameter does not animate.
    pub fn set_at(&self, id: &str, time: f64, value: Value) -> Result<()> {
        self.change(&[(id, Some(time), value)])
    }

    /// Sets a parameter from text: numbers (several separated by commas), `true` or `false`,
    /// a choice by its stable id, its label or its index, any text for a string.
    ///
    /// # Errors
    /// As [`Instance::set`].
    pub fn set_str(&self, id: &str, text: &str) -> Result<()> {
        let param = self.0.param(id)?;
        let value = describe::parse(&param, text).map_err(|reason| HostError::Value {
            id: id.to_owned(),
            value: format!("\"{text}\""),
            reason,
        })?;
        self.set(id, value)
    }

    /// A parameter's value; at the first key where it is animated.
    ///
    /// # Errors
    /// [`HostError::UnknownParameter`], or [`HostError::Value`] for a kind without value.
    pub fn get(&self, id: &str) -> Result<Value> {
        self.value(id, None)
    }

    /// A parameter's value at a time.
    ///
    /// # Errors
    /// As [`Instance::get`].
    pub fn get_at(&self, id: &str, time: f64) -> Result<Value> {
        self.value(id, Some(time))
    }

    fn value(&self, id: &str, time: Option<f64>) -> Result<Value> {
        let param = self.0.param(id)?;
        param.value(time).ok_or_else(|| HostError::Value {
            id: id.to_owned(),
            value: "anything".into(),
            reason: format!("it is of type {} and has no value", param.kind.ofx_name()),
        })
    }

    /// Whether a parameter can be edited and seen.
    ///
    /// # Errors
    /// [`HostError::UnknownParameter`].
    pub fn param_state(&self, id: &str) -> Result<ParamState> {
        let param = self.0.param(id)?;
        Ok(ParamState {
            enabled: param.props.int(sys::kOfxParamPropEnabled) != Some(0),
            secret: param.props.int(sys::kOfxParamPropSecret) == Some(1),
            label: param.props.string(sys::kOfxPropLabel).unwrap_or_default(),
        })
    }

    /// Presses a button.
    ///
    /// # Errors
    /// [`HostError::UnknownParameter`], [`HostError::Value`] when it is no button, or
    /// [`HostError::Action`] when the plug-in fails to do what it is for.
    pub fn press(&self, id: &str) -> Result<()> {
        let _edit = self.exclusive();
        let param = self.0.param(id)?;
        if param.kind != ParamType::PushButton {
            return Err(HostError::Value {
                id: id.to_owned(),
                value: "pressed".into(),
                reason: format!("it is of type {}, not a button", param.kind.ofx_name()),
            });
        }
        self.notify(sys::kOfxTypeParameter, &[id], sys::kOfxChangeUserEdited)
    }

    /// Connects a clip, in place of what it was connected to.
    ///
    /// # Errors
    /// [`HostError::UnknownClip`], [`HostError::Request`] for the output, or
    /// [`HostError::Action`] when the plug-in fails to take the change.
    pub fn connect(&self, clip: &str, source: Arc<dyn ClipSource>) -> Result<()> {
        self.plug(clip, Some(source))
    }

    /// Disconnects a clip; nothing happens when it is not connected.
    ///
    /// # Errors
    /// As [`Instance::connect`].
    pub fn disconnect(&self, clip: &str) -> Result<()> {
        self.plug(clip, None)
    }

    fn plug(&self, name: &str, source: Option<Arc<dyn ClipSource>>) -> Result<()> {
        let _edit = self.exclusive();
        let clip = self.clip(name)?;
        if clip.is_output() {
            return Err(HostError::Request(
                "the output clip is not connected to a source; it is what render returns".into(),
            ));
        }
        if source.is_none() && clip.source().is_none() {
            return Ok(());
        }
        describe_source(&clip, source.as_deref());
        self.describe_colour(&clip, source.is_some());
        clip.set_source(source);
        *lock(&self.0.preferences) = None;
        self.notify(sys::kOfxTypeClip, &[name], sys::kOfxChangeUserEdited)
    }

    /// Tells a clip its colour space, where colour is managed and the clip is no mask.
    fn describe_colour(&self, clip: &Clip, connected: bool) {
        let (host, descriptor) = (self.0.host(), &self.0.descriptor);
        if super::colour_style(host, descriptor) == ColourStyle::None {
            return;
        }
        let mask = clip.props.int(sys::kOfxImageClipPropIsMask) == Some(1);
        let space = host
            .options
            .colourspaces
            .iter()
            .find(|(name, _)| connected && !mask && *name == clip.name)
            .map_or("", |(_, space)| space.as_str());
        clip.props.put_str(sys::kOfxImageClipPropColourspace, space);
    }

    fn clip(&self, name: &str) -> Result<Arc<Clip>> {
        let effect = &self.0.effect;
        effect.clip(name).ok_or_else(|| HostError::UnknownClip {
            name: name.to_owned(),
            known: effect
                .clips()
                .iter()
                .map(|clip| clip.name.clone())
                .collect::<Vec<_>>()
                .join(", "),
        })
    }

    fn change(&self, changes: &[(&str, Option<f64>, Value)]) -> Result<()> {
        let _edit = self.exclusive();
        let mut ready = Vec::with_capacity(changes.len());
        for (id, time, value) in changes {
            let param = self.0.param(id)?;
            let value = suited(&param, value.clone());
            let reason = match time {
                Some(time) if !time.is_finite() => Some("a key needs a finite time".into()),
                Some(_) if !param.animates() => Some("it does not animate".into()),
                _ => param.refuse(&value),
            };
            if let Some(reason) = reason {
                return Err(HostError::Value {
                    id: (*id).to_owned(),
                    value: value.to_string(),
                    reason,
                });
            }
            ready.push((param, *time, value));
        }
        let names: Vec<&str> = changes.iter().map(|(id, ..)| *id).collect();
        for (param, time, value) in ready {
            param.set(time, value);
        }
        self.slaved(&names);
        self.notify(sys::kOfxTypeParameter, &names, sys::kOfxChangeUserEdited)
    }

    /// Clip preferences are asked for again where they depend on one of these parameters.
    fn slaved(&self, names: &[&str]) {
        let slaves = self
            .0
            .descriptor
            .props
            .strings(sys::kOfxImageEffectPropClipPreferencesSlaveParam);
        if slaves.iter().any(|slave| names.contains(&slave.as_str())) {
            *lock(&self.0.preferences) = None;
        }
    }

    /// Tells the plug-in of changes, and of the changes that it makes in answer.
    fn notify(&self, kind: &CStr, names: &[&str], reason: &CStr) -> Result<()> {
        if self.0.host().options.quirks.no_instance_changed {
            return Ok(());
        }
        let mut result = self.notify_once(kind, names, reason);
        for _ in 0..ECHOES {
            let edited = std::mem::take(&mut *lock(&self.0.effect.edited));
            if edited.is_empty() {
                return result;
            }
            let names: Vec<&str> = edited.iter().map(String::as_str).collect();
            self.slaved(&names);
            let echo =
                self.notify_once(sys::kOfxTypeParameter, &names, sys::kOfxChangePluginEdited);
            result = result.and(echo);
        }
        let edited = std::mem::take(&mut *lock(&self.0.effect.edited));
        if !edited.is_empty() {
            self.0.host().violate(
                rule::PARAM_EDIT,
                format!(
                    "the plug-in goes on changing {} in answer to its own changes",
                    edited.join(", ")
                ),
            );
        }
        result
    }

    fn notify_once(&self, kind: &CStr, names: &[&str], reason: &CStr) -> Result<()> {
        let inner = &self.0;
        let picture = self.full_size_picture();
        let bracket = |action| {
            let incoming = inner.arguments(action);
            incoming.put_str(sys::kOfxPropChangeReason, &reason.to_string_lossy());
            let arguments = Arguments {
                incoming: Some(incoming),
                picture: picture.clone(),
                ..Arguments::default()
            };
            inner
                .perform(action, arguments)
                .check(action, Some(&inner.effect))
        };
        let mut result = bracket(Action::BeginInstanceChanged);
        for name in names {
            let incoming = inner.arguments(Action::InstanceChanged);
            incoming.put_str(sys::kOfxPropType, &kind.to_string_lossy());
            incoming.put_str(sys::kOfxPropName, name);
            incoming.put_str(sys::kOfxPropChangeReason, &reason.to_string_lossy());
            incoming.put::<f64>(
                sys::kOfxPropTime,
                vec![
                    picture
                        .as_ref()
                        .map_or(inner.host().options.project.range.0, |picture| picture.time),
                ],
            );
            let arguments = Arguments {
                incoming: Some(incoming),
                picture: picture.clone(),
                ..Arguments::default()
            };
            let changed = inner
                .perform(Action::InstanceChanged, arguments)
                .check(Action::InstanceChanged, Some(&inner.effect));
            result = result.and(changed);
        }
        result.and(bracket(Action::EndInstanceChanged))
    }

    /// What images fetched in an edit are like. `None` when clip preferences cannot be had.
    fn full_size_picture(&self) -> Option<Picture> {
        let preferences = self.0.preferences().ok()?;
        Some(Picture {
            time: self.0.host().options.project.range.0,
            scale: Scale::ONE,
            preferences,
            output: None,
        })
    }
}

/// What the properties of a clip say of its source, before clip preferences.
fn describe_source(clip: &Clip, source: Option<&dyn ClipSource>) {
    use std::ffi::c_char;
    let props = &clip.props;
    let text = |name: &CStr, value: &CStr| {
        props.put::<*mut c_char>(name, vec![value.to_owned()]);
    };
    props.put::<c_int>(
        sys::kOfxImageClipPropConnected,
        vec![c_int::from(source.is_some())],
    );
    let Some(format) = source.map(ClipSource::format) else {
        for name in [
            sys::kOfxImageClipPropUnmappedComponents,
            sys::kOfxImageEffectPropComponents,
        ] {
            text(name, sys::kOfxImageComponentNone);
        }
        for name in [
            sys::kOfxImageClipPropUnmappedPixelDepth,
            sys::kOfxImageEffectPropPixelDepth,
        ] {
            text(name, sys::kOfxBitDepthNone);
        }
        return;
    };
    text(
        sys::kOfxImageClipPropUnmappedComponents,
        format.components.ofx_name(),
    );
    text(
        sys::kOfxImageClipPropUnmappedPixelDepth,
        format.depth.ofx_name(),
    );
    text(
        sys::kOfxImageEffectPropPreMultiplication,
        format.premultiplication.ofx_name(),
    );
    text(sys::kOfxImageClipPropFieldOrder, format.field.ofx_name());
    props.put::<f64>(
        sys::kOfxImagePropPixelAspectRatio,
        vec![format.pixel_aspect],
    );
    for name in [
        sys::kOfxImageEffectPropFrameRate,
        sys::kOfxImageEffectPropUnmappedFrameRate,
    ] {
        props.put::<f64>(name, vec![format.frame_rate]);
    }
    for name in [
        sys::kOfxImageEffectPropFrameRange,
        sys::kOfxImageEffectPropUnmappedFrameRange,
    ] {
        props.put::<f64>(name, vec![format.range.0, format.range.1]);
    }
}
