//! An instance of an effect.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::clip::ClipSource;
use super::description::Description;
use super::error::{RenderFailure, Result};
use super::image::HostImage;
use super::request::{AbortHandle, Identity, Message, Preferences, RenderRequest, Sequence};
use super::value::Value;
use crate::types::{RectD, Scale};

/// An instance of an effect. Copies share it; the last one dropped destroys it.
#[derive(Debug, Clone)]
pub struct Instance(Arc<()>);

/// The state of a parameter that is not its value.
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
    /// What the plug-in said about itself when this instance's context was described.
    pub fn description(&self) -> &Description {
        todo!()
    }

    /// Sets a parameter as a user does, and tells the plug-in.
    pub fn set(&self, _id: &str, _value: Value) -> Result<()> {
        todo!()
    }

    /// Sets several parameters in one edit.
    pub fn set_many(&self, _values: &[(&str, Value)]) -> Result<()> {
        todo!()
    }

    /// Sets a key of an animated parameter.
    pub fn set_at(&self, _id: &str, _time: f64, _value: Value) -> Result<()> {
        todo!()
    }

    /// Sets a parameter from text: a number, `true`/`false`, a choice by stable id, label or
    /// index, colours as `r,g,b`.
    pub fn set_str(&self, _id: &str, _text: &str) -> Result<()> {
        todo!()
    }

    /// A parameter's value (at the first frame of the project where it is animated).
    pub fn get(&self, _id: &str) -> Result<Value> {
        todo!()
    }

    /// A parameter's value at a time.
    pub fn get_at(&self, _id: &str, _time: f64) -> Result<Value> {
        todo!()
    }

    /// Whether a parameter can be edited and seen.
    pub fn param_state(&self, _id: &str) -> Result<ParamState> {
        todo!()
    }

    /// Presses a button.
    pub fn press(&self, _id: &str) -> Result<()> {
        todo!()
    }

    /// Connects a clip.
    pub fn connect(&self, _clip: &str, _source: Arc<dyn ClipSource>) -> Result<()> {
        todo!()
    }

    /// Disconnects a clip.
    pub fn disconnect(&self, _clip: &str) -> Result<()> {
        todo!()
    }

    /// What clips and output are to be like.
    pub fn clip_preferences(&self) -> Result<Preferences> {
        todo!()
    }

    /// The area that the effect's output covers, canonical.
    pub fn region_of_definition(&self, _time: f64, _scale: Scale) -> Result<RectD> {
        todo!()
    }

    /// What of each input is needed for an area of the output, canonical.
    pub fn regions_of_interest(
        &self,
        _time: f64,
        _scale: Scale,
        _region: RectD,
    ) -> Result<BTreeMap<String, RectD>> {
        todo!()
    }

    /// Which frames of each input are needed.
    pub fn frames_needed(&self, _time: f64) -> Result<BTreeMap<String, Vec<(f64, f64)>>> {
        todo!()
    }

    /// Whether the effect would only pass on an input.
    pub fn is_identity(&self, _request: &RenderRequest) -> Result<Option<Identity>> {
        todo!()
    }

    /// Renders a picture.
    pub fn render(&self, _request: &RenderRequest) -> Result<HostImage, RenderFailure> {
        todo!()
    }

    /// Opens a run of frames; without it every render opens one of its own.
    pub fn begin_sequence(&self, _sequence: &Sequence) -> Result<()> {
        todo!()
    }

    /// Closes a run of frames.
    pub fn end_sequence(&self) -> Result<()> {
        todo!()
    }

    /// To stop renders from outside.
    pub fn abort_handle(&self) -> AbortHandle {
        todo!()
    }

    /// The persistent message that is showing.
    pub fn message(&self) -> Option<Message> {
        todo!()
    }

    /// Everything that the plug-in has said, oldest first.
    pub fn messages(&self) -> Vec<Message> {
        todo!()
    }

    /// Every progress reported since the last render began, 0..=1.
    pub fn progress(&self) -> Vec<f64> {
        todo!()
    }

    /// Calls a function at every report of progress.
    pub fn on_progress(&self, _callback: Box<dyn Fn(f64) + Send + Sync>) {
        todo!()
    }

    /// Asks the plug-in to drop what it can compute again.
    pub fn purge_caches(&self) -> Result<()> {
        todo!()
    }
}
