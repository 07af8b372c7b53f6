//! Questions about a picture before it is rendered.

use std::collections::BTreeMap;
use std::ffi::{CString, c_int};
use std::sync::Arc;

use super::{Inner, Instance};
use crate::host::error::Result;
use crate::host::plugin::Arguments;
use crate::host::property::{Action, PropertySet, SetKind};
use crate::host::request::{Identity, RenderRequest};
use crate::host::violations::rule;
use crate::sys;
use crate::types::{Context, RectD, RectI, Scale, Status};

impl Instance {
    /// The area that the effect's output covers, in canonical coordinates. Always finite: an
    /// infinite region is cut to the project.
    ///
    /// # Errors
    /// [`HostError::Action`](crate::host::HostError::Action) when the plug-in fails.
    pub fn region_of_definition(&self, time: f64, scale: Scale) -> Result<RectD> {
        let _look = self.shared();
        self.0.region_of_definition(time, scale)
    }

    /// What of each input is needed for an area of the output, in canonical coordinates.
    ///
    /// # Errors
    /// [`HostError::Action`](crate::host::HostError::Action) when the plug-in fails.
    pub fn regions_of_interest(
        &self,
        time: f64,
        scale: Scale,
        region: RectD,
    ) -> Result<BTreeMap<String, RectD>> {
        let _look = self.shared();
        self.0.regions_of_interest(time, scale, region)
    }

    /// Which ranges of frames of each input are needed for a frame.
    ///
    /// # Errors
    /// [`HostError::Action`](crate::host::HostError::Action) when the plug-in fails.
    pub fn frames_needed(&self, time: f64) -> Result<BTreeMap<String, Vec<(f64, f64)>>> {
        let _look = self.shared();
        self.0.frames_needed(time)
    }

    /// Whether the effect would only pass on an input.
    ///
    /// # Errors
    /// [`HostError::Action`](crate::host::HostError::Action) when the plug-in fails.
    pub fn is_identity(&self, request: &RenderRequest) -> Result<Option<Identity>> {
        let _look = self.shared();
        let preferences = self.0.preferences()?;
        let region = self.0.region_of_definition(request.time, request.scale)?;
        let pixels = region.to_pixels(request.scale, preferences.pixel_aspect);
        self.0
            .is_identity(request, request.window.unwrap_or(pixels))
    }
}

fn rect(values: &[f64]) -> Option<RectD> {
    match values {
        [x1, y1, x2, y2] => Some(RectD::new(*x1, *y1, *x2, *y2)),
        _ => None,
    }
}

fn list(rect: RectD) -> Vec<f64> {
    vec![rect.x1, rect.y1, rect.x2, rect.y2]
}

/// An edge at or beyond these is infinite, by OpenFX's word.
const INFINITE: (f64, f64) = (c_int::MIN as f64, c_int::MAX as f64);

impl Inner {
    /// Puts a question to the effect: an action that leaves its answer in `out`. A host that
    /// presets no answers is imitated here.
    pub(super) fn question(
        &self,
        action: Action,
        incoming: Option<PropertySet>,
        out: &Arc<PropertySet>,
    ) -> Result<Status> {
        if self.host().options.quirks.no_presets {
            out.clear_all();
        }
        let done = self.perform(
            action,
            Arguments {
                incoming,
                outgoing: Some(out),
                picture: None,
            },
        );
        done.check(action, Some(&self.effect))?;
        Ok(done.status)
    }

    fn project(&self) -> RectD {
        let project = &self.host().options.project;
        RectD::new(
            project.offset.0,
            project.offset.1,
            project.offset.0 + project.size.0,
            project.offset.1 + project.size.1,
        )
    }

    fn default_region(&self, time: f64) -> RectD {
        let filter = self.description.context == Context::Filter;
        let mut all = RectD::default();
        for clip in self.effect.clips() {
            let optional = clip.props.int(sys::kOfxImageClipPropOptional) == Some(1);
            if optional || (filter && clip.name != "Source") {
                continue;
            }
            if let Some(source) = clip.source() {
                all = all.union(&source.region_of_definition(time));
            }
        }
        if all.is_empty() { self.project() } else { all }
    }

    pub(super) fn region_of_definition(&self, time: f64, scale: Scale) -> Result<RectD> {
        let action = Action::GetRegionOfDefinition;
        let default = self.default_region(time);
        let incoming = self.arguments(action);
        incoming.put::<f64>(sys::kOfxPropTime, vec![time]);
        incoming.put::<f64>(sys::kOfxImageEffectPropRenderScale, vec![scale.x, scale.y]);
        let out = Arc::new(PropertySet::new(
            SetKind::Out(action),
            "the out arguments of GetRegionOfDefinition".into(),
            &self.host().options,
        ));
        out.put::<f64>(sys::kOfxImageEffectPropRegionOfDefinition, list(default));
        let status = self.question(action, Some(incoming), &out)?;
        if status == Status::REPLY_DEFAULT {
            return Ok(default);
        }
        let Some(said) = rect(&out.all::<f64>(sys::kOfxImageEffectPropRegionOfDefinition)) else {
            self.host().violate(
                rule::REGION_OF_DEFINITION,
                "the answer is OK and no region of definition was set",
            );
            return Ok(default);
        };
        if !said.is_finite() || said.x2 < said.x1 || said.y2 < said.y1 {
            self.host().violate(
                rule::REGION_OF_DEFINITION,
                format!("the region of definition is {said}"),
            );
            return Ok(default);
        }
        let project = self.project();
        let edge = |v: f64, instead: f64| {
            if v <= INFINITE.0 || v >= INFINITE.1 {
                instead
            } else {
                v
            }
        };
        Ok(RectD::new(
            edge(said.x1, project.x1),
            edge(said.y1, project.y1),
            edge(said.x2, project.x2),
            edge(said.y2, project.y2),
        ))
    }

    pub(super) fn regions_of_interest(
        &self,
        time: f64,
        scale: Scale,
        region: RectD,
    ) -> Result<BTreeMap<String, RectD>> {
        let action = Action::GetRegionsOfInterest;
        let incoming = self.arguments(action);
        incoming.put::<f64>(sys::kOfxPropTime, vec![time]);
        incoming.put::<f64>(sys::kOfxImageEffectPropRenderScale, vec![scale.x, scale.y]);
        incoming.put::<f64>(sys::kOfxImageEffectPropRegionOfInterest, list(region));
        let inputs: Vec<_> = self
            .effect
            .clips()
            .into_iter()
            .filter(|clip| !clip.is_output())
            .collect();
        let out = Arc::new(PropertySet::for_clips(
            action,
            inputs.iter().map(|clip| clip.name.as_str()),
            &self.host().options,
        ));
        let tiles = self.effect.declares(sys::kOfxImageEffectPropSupportsTiles);
        let mut regions = BTreeMap::new();
        let property =
            |clip: &str| CString::new(format!("OfxImageClipPropRoI_{clip}")).unwrap_or_default();
        for clip in &inputs {
            let whole = clip
                .source()
                .map(|source| source.region_of_definition(time));
            let preset = match whole {
                Some(whole) if !tiles => whole,
                _ => region,
            };
            out.put::<f64>(&property(&clip.name), list(preset));
            if whole.is_some() {
                regions.insert(clip.name.clone(), preset);
            }
        }
        let status = self.question(action, Some(incoming), &out)?;
        if status == Status::REPLY_DEFAULT {
            return Ok(regions);
        }
        for (clip, wanted) in &mut regions {
            let values = out.all::<f64>(&property(clip));
            let Some(said) = rect(&values) else {
                continue;
            };
            let endless = values.iter().any(|v| *v <= INFINITE.0 || *v >= INFINITE.1);
            if endless || !said.is_finite() || said.x2 < said.x1 || said.y2 < said.y1 {
                self.host().violate(
                    rule::REGION_OF_INTEREST,
                    format!("the region of interest of clip {clip} is {said}"),
                );
            } else {
                *wanted = said;
            }
        }
        Ok(regions)
    }

    pub(super) fn frames_needed(&self, time: f64) -> Result<BTreeMap<String, Vec<(f64, f64)>>> {
        let action = Action::GetFramesNeeded;
        let incoming = self.arguments(action);
        incoming.put::<f64>(sys::kOfxPropTime, vec![time]);
        let inputs: Vec<String> = self
            .effect
            .clips()
            .into_iter()
            .filter(|clip| !clip.is_output() && clip.source().is_some())
            .map(|clip| clip.name.clone())
            .collect();
        let out = Arc::new(PropertySet::for_clips(
            action,
            inputs.iter().map(String::as_str),
            &self.host().options,
        ));
        let property = |clip: &str| {
            CString::new(format!("OfxImageClipPropFrameRange_{clip}")).unwrap_or_default()
        };
        for clip in &inputs {
            out.put::<f64>(&property(clip), vec![time, time]);
        }
        let status = self.question(action, Some(incoming), &out)?;
        let mut needed = BTreeMap::new();
        for clip in inputs {
            let values = if status == Status::OK {
                out.all::<f64>(&property(&clip))
            } else {
                Vec::new()
            };
            let good = values.len().is_multiple_of(2)
                && values.chunks_exact(2).all(|range| {
                    range[0].is_finite() && range[0] <= range[1] && range[1].is_finite()
                });
            if !good {
                self.host().violate(
                    rule::FRAMES_NEEDED,
                    format!("the frames needed of clip {clip} are {values:?}"),
                );
            }
            let ranges: Vec<_> = values
                .chunks_exact(2)
                .filter(|_| good)
                .map(|range| (range[0], range[1]))
                .collect();
            let ranges = if ranges.is_empty() {
                vec![(time, time)]
            } else {
                ranges
            };
            needed.insert(clip, ranges);
        }
        Ok(needed)
    }

    pub(super) fn is_identity(
        &self,
        request: &RenderRequest,
        window: RectI,
    ) -> Result<Option<Identity>> {
        let action = Action::IsIdentity;
        let incoming = self.picture_arguments(action, request, window);
        let out = Arc::new(PropertySet::new(
            SetKind::Out(action),
            "the out arguments of IsIdentity".into(),
            &self.host().options,
        ));
        out.put::<f64>(sys::kOfxPropTime, vec![request.time]);
        let status = self.question(action, Some(incoming), &out)?;
        if status == Status::REPLY_DEFAULT {
            return Ok(None);
        }
        let clip = out.string(sys::kOfxPropName).unwrap_or_default();
        let time = out.double(sys::kOfxPropTime).unwrap_or(request.time);
        let known = self
            .effect
            .clip(&clip)
            .is_some_and(|clip| !clip.is_output());
        if !known || !time.is_finite() {
            self.host().violate(
                rule::IDENTITY,
                format!("the effect is said to be identical to clip \"{clip}\" at {time}"),
            );
            return Ok(None);
        }
        Ok(Some(Identity { clip, time }))
    }
}
