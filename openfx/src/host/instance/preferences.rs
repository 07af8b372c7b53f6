//! Clip preferences: what format each clip is served in, and what the output is.
//!
//! The host proposes, in the way of the reference host: what the source has where the plug-in takes
//! it, else the nearest thing that loses least; one depth for all clips unless the plug-in can mix.
//! The plug-in may then change the proposal.

use std::collections::BTreeMap;
use std::ffi::{CString, c_char, c_int};
use std::sync::Arc;

use super::{Inner, Instance, colour_style};
use crate::host::core::lock;
use crate::host::describe;
use crate::host::error::{HostError, Result};
use crate::host::property::{Action, PropertySet, SetKind};
use crate::host::request::{ClipPreference, Preferences};
use crate::host::violations::rule;
use crate::sys;
use crate::types::{ColourStyle, Components, Depth, Field, Premultiplication, Status};

impl Instance {
    /// What the clips and the output are to be like. The plug-in is asked again after a clip or a
    /// parameter that preferences depend on has changed.
    ///
    /// # Errors
    /// [`HostError::Action`] when the plug-in fails, [`HostError::Request`] when host and plug-in
    /// have no format in common.
    pub fn clip_preferences(&self) -> Result<Preferences> {
        let _look = self.shared();
        self.0
            .preferences()
            .map(|preferences| (*preferences).clone())
    }
}

/// A clip's name after one of the prefixes of the action's out arguments.
fn named(prefix: &str, clip: &str) -> CString {
    CString::new(format!("{prefix}{clip}")).unwrap_or_default()
}

impl Inner {
    /// The preferences that hold now.
    pub(super) fn preferences(&self) -> Result<Arc<Preferences>> {
        let mut known = lock(&self.preferences);
        if let Some(preferences) = &*known {
            return Ok(Arc::clone(preferences));
        }
        let proposal = self.propose()?;
        // The plug-in finds the proposal in the clips' properties too.
        self.publish(&proposal);
        let mut preferences = self.ask(proposal)?;
        self.publish(&preferences);
        preferences.output_colourspace = self.output_colourspace()?;
        let preferences = Arc::new(preferences);
        *known = Some(Arc::clone(&preferences));
        Ok(preferences)
    }

    fn pick_depth(&self, depths: &[Depth], wanted: Depth) -> Result<Depth> {
        let forced = self.host().options.force_depth;
        // `depths` is in rising order: the source's own, else the next deeper, else the deepest.
        forced
            .filter(|depth| depths.contains(depth))
            .or_else(|| {
                depths
                    .iter()
                    .copied()
                    .find(|depth| *depth as usize >= wanted as usize)
            })
            .or_else(|| depths.last().copied())
            .ok_or_else(|| {
                HostError::Request("the plug-in and the host have no pixel depth in common".into())
            })
    }

    fn pick_components(
        &self,
        clip: &str,
        supported: &[Components],
        wanted: Components,
        force: bool,
    ) -> Result<Components> {
        let usable = describe::components(self.host(), supported);
        let forced = self.host().options.force_components.filter(|_| force);
        let order = [
            forced.unwrap_or(wanted),
            wanted,
            Components::Rgba,
            Components::Rgb,
            Components::Alpha,
        ];
        order
            .into_iter()
            .find(|components| usable.contains(components))
            .ok_or_else(|| {
                HostError::Request(format!(
                    "the plug-in and the host have no components in common for clip {clip}"
                ))
            })
    }

    fn propose(&self) -> Result<Preferences> {
        let depths = describe::depths(self.host(), &self.descriptor);
        let mut clips = BTreeMap::new();
        let mut leading = None;
        let mut premultiplication = Premultiplication::Opaque;
        let mut colour = None;
        for clip in self.effect.clips() {
            let Some(source) = clip.source() else {
                continue;
            };
            let format = source.format();
            let preference = ClipPreference {
                components: self.pick_components(
                    &clip.name,
                    &clip.supported(),
                    format.components,
                    true,
                )?,
                depth: self.pick_depth(&depths, format.depth)?,
                pixel_aspect: format.pixel_aspect,
            };
            clips.insert(clip.name.clone(), preference);
            if clip.props.int(sys::kOfxImageClipPropOptional) == Some(1) {
                continue;
            }
            leading.get_or_insert(format);
            let rank = |components| match components {
                Components::Alpha => 0,
                Components::Rgb => 1,
                Components::Rgba => 2,
            };
            if colour.is_none_or(|known| rank(known) < rank(preference.components)) {
                colour = Some(preference.components);
            }
            premultiplication = match (premultiplication, format.premultiplication) {
                (Premultiplication::Premultiplied, _) | (_, Premultiplication::Premultiplied) => {
                    Premultiplication::Premultiplied
                }
                (Premultiplication::Unpremultiplied, _) => Premultiplication::Unpremultiplied,
                (_, other) => other,
            };
        }
        let deepest = clips.values().map(|clip| clip.depth as usize).max();
        let depth = match deepest {
            Some(deepest) => self.pick_depth(&depths, Depth::ALL[deepest])?,
            None => self.pick_depth(&depths, Depth::Float)?,
        };
        if !self.mixes_depths() {
            clips.values_mut().for_each(|clip| clip.depth = depth);
        }
        let project = &self.host().options.project;
        let supported = self
            .effect
            .clip("Output")
            .map(|clip| clip.supported())
            .unwrap_or_default();
        let components = self.pick_components(
            "Output",
            &supported,
            colour.unwrap_or(Components::Rgba),
            false,
        )?;
        if leading.is_none() {
            premultiplication = Premultiplication::Premultiplied;
        }
        Ok(Preferences {
            components,
            depth,
            premultiplication: if components == Components::Rgb {
                Premultiplication::Opaque
            } else {
                premultiplication
            },
            pixel_aspect: leading.map_or(project.pixel_aspect, |format| format.pixel_aspect),
            frame_rate: leading.map_or(project.frame_rate, |format| format.frame_rate),
            frame_varying: false,
            continuous: false,
            field: leading.map_or(Field::None, |format| format.field),
            clips,
            colourspaces: BTreeMap::new(),
            output_colourspace: None,
        })
    }

    fn mixes_depths(&self) -> bool {
        !matches!(
            self.descriptor
                .props
                .int(sys::kOfxImageEffectPropSupportsMultipleClipDepths),
            None | Some(0)
        )
    }

    fn ask(&self, mut preferences: Preferences) -> Result<Preferences> {
        let clips = self.effect.clips();
        let out = Arc::new(PropertySet::for_clips(
            Action::GetClipPreferences,
            clips.iter().map(|clip| clip.name.as_str()),
            &self.host().options,
        ));
        let proposal = preferences.clone();
        let of = |name: &str, preferences: &Preferences| {
            if name == "Output" {
                Some(ClipPreference {
                    components: preferences.components,
                    depth: preferences.depth,
                    pixel_aspect: preferences.pixel_aspect,
                })
            } else {
                preferences.clips.get(name).copied()
            }
        };
        for clip in &clips {
            let preset = of(&clip.name, &proposal);
            out.put::<*mut c_char>(
                &named("OfxImageClipPropComponents_", &clip.name),
                vec![
                    preset
                        .map_or(sys::kOfxImageComponentNone, |p| p.components.ofx_name())
                        .to_owned(),
                ],
            );
            out.put::<*mut c_char>(
                &named("OfxImageClipPropDepth_", &clip.name),
                vec![
                    preset
                        .map_or(sys::kOfxBitDepthNone, |p| p.depth.ofx_name())
                        .to_owned(),
                ],
            );
            out.put::<f64>(
                &named("OfxImageClipPropPAR_", &clip.name),
                vec![preset.map_or(1.0, |p| p.pixel_aspect)],
            );
        }
        out.put::<f64>(sys::kOfxImageEffectPropFrameRate, vec![proposal.frame_rate]);
        out.put::<*mut c_char>(
            sys::kOfxImageEffectPropPreMultiplication,
            vec![proposal.premultiplication.ofx_name().to_owned()],
        );
        out.put::<*mut c_char>(
            sys::kOfxImageClipPropFieldOrder,
            vec![proposal.field.ofx_name().to_owned()],
        );
        if self.question(Action::GetClipPreferences, None, &out)? == Status::REPLY_DEFAULT {
            return Ok(preferences);
        }
        let complain = |what: String| self.host().violate(rule::PREFERENCES, what);
        let depths = describe::depths(self.host(), &self.descriptor);
        for clip in &clips {
            let Some(mut preference) = of(&clip.name, &proposal) else {
                continue;
            };
            let said = |prefix: &str| out.string(&named(prefix, &clip.name));
            let usable = describe::components(self.host(), &clip.supported());
            if let Some(name) = said("OfxImageClipPropComponents_") {
                match Components::from_ofx_str(&name).filter(|c| usable.contains(c)) {
                    Some(components) => preference.components = components,
                    None => complain(format!(
                        "clip {} is to have components {name}, which it does not take",
                        clip.name
                    )),
                }
            }
            if let Some(name) = said("OfxImageClipPropDepth_") {
                match Depth::from_ofx_str(&name).filter(|depth| depths.contains(depth)) {
                    Some(depth) => preference.depth = depth,
                    None => complain(format!(
                        "clip {} is to have depth {name}, which host and plug-in do not share",
                        clip.name
                    )),
                }
            }
            if let Some(aspect) = out.double(&named("OfxImageClipPropPAR_", &clip.name)) {
                if aspect.is_finite() && aspect > 0.0 {
                    preference.pixel_aspect = aspect;
                } else {
                    complain(format!(
                        "clip {} is to have pixel aspect {aspect}",
                        clip.name
                    ));
                }
            }
            if clip.is_output() {
                preferences.components = preference.components;
                preferences.depth = preference.depth;
                preferences.pixel_aspect = preference.pixel_aspect;
            } else {
                preferences.clips.insert(clip.name.clone(), preference);
            }
        }
        let depth = preferences.depth;
        if !self.mixes_depths() && preferences.clips.values().any(|clip| clip.depth != depth) {
            complain(
                "clips are to have several depths, which the plug-in says it cannot mix".into(),
            );
            preferences
                .clips
                .values_mut()
                .for_each(|clip| clip.depth = depth);
        }
        for clip in &clips {
            let wanted = out.strings(&named("OfxImageClipPropPreferredColourspaces_", &clip.name));
            if !wanted.is_empty() {
                preferences.colourspaces.insert(clip.name.clone(), wanted);
            }
        }
        let premultiplication = out
            .string(sys::kOfxImageEffectPropPreMultiplication)
            .and_then(|name| Premultiplication::from_ofx_str(&name));
        if let Some(premultiplication) = premultiplication {
            preferences.premultiplication = premultiplication;
        }
        if preferences.components == Components::Rgb
            && preferences.premultiplication != Premultiplication::Opaque
        {
            complain("the output has no alpha and is not said to be opaque".into());
        }
        // This host lets neither be changed, and says so in its properties.
        if out
            .double(sys::kOfxImageEffectPropFrameRate)
            .is_some_and(|rate| rate != proposal.frame_rate)
        {
            complain("the frame rate was changed, which this host does not allow".into());
        }
        if out
            .string(sys::kOfxImageClipPropFieldOrder)
            .is_some_and(|field| field.as_bytes() != proposal.field.ofx_name().to_bytes())
        {
            complain("the field order was changed, which this host does not allow".into());
        }
        preferences.frame_varying = out.int(sys::kOfxImageEffectFrameVarying) == Some(1);
        preferences.continuous = out.int(sys::kOfxImageClipPropContinuousSamples) == Some(1);
        Ok(preferences)
    }

    /// Asks for the output's colour space, where colour is managed, and tells it to the clip.
    fn output_colourspace(&self) -> Result<Option<String>> {
        if colour_style(self.host(), &self.descriptor) == ColourStyle::None {
            return Ok(None);
        }
        let host = self.host();
        let out = Arc::new(PropertySet::new(
            SetKind::Out(Action::GetOutputColourspace),
            "the out arguments of GetOutputColourspace".into(),
            &host.options,
        ));
        let action = Action::GetOutputColourspace;
        let status = self.question(action, Some(self.arguments(action)), &out)?;
        let said = out
            .string(sys::kOfxImageClipPropColourspace)
            .filter(|name| status == Status::OK && !name.is_empty())
            // By default that of the first input.
            .unwrap_or_else(|| "OfxColourspace_Source".into());
        let space = match said.strip_prefix("OfxColourspace_") {
            None => Some(said.clone()),
            Some(clip) => match self.effect.clip(clip) {
                Some(clip) => clip
                    .props
                    .string(sys::kOfxImageClipPropColourspace)
                    .filter(|name| !name.is_empty()),
                None => {
                    host.violate(
                        rule::PREFERENCES,
                        format!(
                            "the output is to have the colour space of {clip}, which is no clip"
                        ),
                    );
                    None
                }
            },
        };
        if let Some(output) = self.effect.clip("Output") {
            output.props.put_str(
                sys::kOfxImageClipPropColourspace,
                space.as_deref().unwrap_or_default(),
            );
        }
        Ok(space)
    }

    /// Tells the clips what was agreed on.
    fn publish(&self, preferences: &Preferences) {
        for clip in self.effect.clips() {
            let props = &clip.props;
            let agreed = if clip.is_output() {
                props.put::<*mut c_char>(
                    sys::kOfxImageEffectPropPreMultiplication,
                    vec![preferences.premultiplication.ofx_name().to_owned()],
                );
                props.put::<*mut c_char>(
                    sys::kOfxImageClipPropFieldOrder,
                    vec![preferences.field.ofx_name().to_owned()],
                );
                props.put::<c_int>(
                    sys::kOfxImageClipPropContinuousSamples,
                    vec![c_int::from(preferences.continuous)],
                );
                for name in [
                    sys::kOfxImageEffectPropFrameRate,
                    sys::kOfxImageEffectPropUnmappedFrameRate,
                ] {
                    props.put::<f64>(name, vec![preferences.frame_rate]);
                }
                let range = self.host().options.project.range;
                for name in [
                    sys::kOfxImageEffectPropFrameRange,
                    sys::kOfxImageEffectPropUnmappedFrameRange,
                ] {
                    props.put::<f64>(name, vec![range.0, range.1]);
                }
                let components = preferences.components.ofx_name().to_owned();
                let depth = preferences.depth.ofx_name().to_owned();
                props
                    .put::<*mut c_char>(sys::kOfxImageClipPropUnmappedComponents, vec![components]);
                props.put::<*mut c_char>(sys::kOfxImageClipPropUnmappedPixelDepth, vec![depth]);
                Some(ClipPreference {
                    components: preferences.components,
                    depth: preferences.depth,
                    pixel_aspect: preferences.pixel_aspect,
                })
            } else {
                preferences.clips.get(&clip.name).copied()
            };
            if let Some(agreed) = agreed {
                props.put::<*mut c_char>(
                    sys::kOfxImageEffectPropComponents,
                    vec![agreed.components.ofx_name().to_owned()],
                );
                props.put::<*mut c_char>(
                    sys::kOfxImageEffectPropPixelDepth,
                    vec![agreed.depth.ofx_name().to_owned()],
                );
                props.put::<f64>(
                    sys::kOfxImagePropPixelAspectRatio,
                    vec![agreed.pixel_aspect],
                );
            }
        }
    }
}
