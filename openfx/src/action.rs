//! The arguments and answers of actions.

use std::ffi::CStr;

use crate::error::{Error, Result};
use crate::props::Props;
use crate::sys;
use crate::text;
use crate::types::{Components, Depth, Field, Premultiplication, RectD, RectI, Scale, named};

named! {
    /// The actions that a host sends.
    pub(crate) enum Action {
        Load = sys::kOfxActionLoad,
        Unload = sys::kOfxActionUnload,
        Describe = sys::kOfxActionDescribe,
        DescribeInContext = sys::kOfxImageEffectActionDescribeInContext,
        CreateInstance = sys::kOfxActionCreateInstance,
        DestroyInstance = sys::kOfxActionDestroyInstance,
        BeginInstanceChanged = sys::kOfxActionBeginInstanceChanged,
        InstanceChanged = sys::kOfxActionInstanceChanged,
        EndInstanceChanged = sys::kOfxActionEndInstanceChanged,
        BeginInstanceEdit = sys::kOfxActionBeginInstanceEdit,
        EndInstanceEdit = sys::kOfxActionEndInstanceEdit,
        PurgeCaches = sys::kOfxActionPurgeCaches,
        SyncPrivateData = sys::kOfxActionSyncPrivateData,
        GetClipPreferences = sys::kOfxImageEffectActionGetClipPreferences,
        GetRegionOfDefinition = sys::kOfxImageEffectActionGetRegionOfDefinition,
        GetRegionsOfInterest = sys::kOfxImageEffectActionGetRegionsOfInterest,
        GetFramesNeeded = sys::kOfxImageEffectActionGetFramesNeeded,
        GetOutputColourspace = sys::kOfxImageEffectActionGetOutputColourspace,
        GetTimeDomain = sys::kOfxImageEffectActionGetTimeDomain,
        IsIdentity = sys::kOfxImageEffectActionIsIdentity,
        BeginSequenceRender = sys::kOfxImageEffectActionBeginSequenceRender,
        Render = sys::kOfxImageEffectActionRender,
        EndSequenceRender = sys::kOfxImageEffectActionEndSequenceRender,
    }
}

impl Action {
    pub(crate) fn name(self) -> &'static str {
        self.ofx_name().to_str().unwrap_or("an action")
    }
}

/// Whether the plug-in did what an action asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handled {
    /// It did.
    Yes,
    /// It left it to the host to do what it does by default.
    Default,
}

/// What a change was made to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// A clip was connected, disconnected or otherwise changed.
    ClipChanged,
    /// A parameter got a value, or a button was pressed.
    ParamChanged,
}

named! {
    /// Who made a change.
    pub enum ChangeReason {
        /// The user.
        UserEdited = sys::kOfxChangeUserEdited,
        /// The plug-in, by setting a value.
        PluginEdited = sys::kOfxChangePluginEdited,
        /// Time, as the value is animated.
        TimeChanged = sys::kOfxChangeTime,
    }
}

/// A change to an instance.
#[derive(Debug, Clone, PartialEq)]
pub struct InstanceChanged {
    /// What kind of thing changed.
    pub kind: ChangeKind,
    /// Id of the parameter or name of the clip.
    pub name: String,
    /// Who changed it.
    pub reason: ChangeReason,
    /// Frame at which it changed.
    pub time: f64,
    /// Scale at which the user sees the effect.
    pub scale: Scale,
}

impl InstanceChanged {
    pub(crate) fn read(action: Action, args: &Props<'_>) -> Result<Self> {
        let kind = args.get_string(sys::kOfxPropType)?;
        let kind = if kind.as_bytes() == sys::kOfxTypeClip.to_bytes() {
            ChangeKind::ClipChanged
        } else if kind.as_bytes() == sys::kOfxTypeParameter.to_bytes() {
            ChangeKind::ParamChanged
        } else {
            return Err(Error::Arguments {
                action: action.name(),
                reason: format!("it says that a thing of type \"{kind}\" changed"),
            });
        };
        Ok(Self {
            kind,
            name: args.get_string(sys::kOfxPropName)?,
            reason: change_reason(Some(args))?,
            time: args.get_f64_optional(sys::kOfxPropTime, 0)?.unwrap_or(0.0),
            scale: scale(action, args)?,
        })
    }
}

/// The reason of a change; the user, where the host does not tell.
pub(crate) fn change_reason(args: Option<&Props<'_>>) -> Result<ChangeReason> {
    let Some(args) = args else {
        return Ok(ChangeReason::UserEdited);
    };
    Ok(args
        .get_string_optional(sys::kOfxPropChangeReason, 0)?
        .and_then(|name| ChangeReason::from_ofx_str(&name))
        .unwrap_or(ChangeReason::UserEdited))
}

/// The render scale; 1 where the host does not tell.
pub(crate) fn scale(action: Action, args: &Props<'_>) -> Result<Scale> {
    let Some((x, y)) = args.get_pair_optional(sys::kOfxImageEffectPropRenderScale)? else {
        return Ok(Scale::ONE);
    };
    let scale = Scale { x, y };
    if scale.is_valid() {
        Ok(scale)
    } else {
        Err(Error::Arguments {
            action: action.name(),
            reason: format!("its render scale is {x} × {y}"),
        })
    }
}

fn flag(args: &Props<'_>, name: &CStr) -> Result<bool> {
    Ok(args
        .get_i32_optional(name, 0)?
        .is_some_and(|flag| flag != 0))
}

/// What to render.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RenderArgs {
    /// The frame.
    pub time: f64,
    /// The pixels of the output to write, and no others.
    pub window: RectI,
    /// Scale of the render against full size.
    pub scale: Scale,
    /// The field to render; `None` or `Both` for whole frames.
    pub field: Field,
    /// Whether a faster picture of lesser quality will do.
    pub draft: bool,
    /// Whether the picture is for a thumbnail.
    pub thumbnail: bool,
    /// Whether frames are rendered one after the other.
    pub sequential: bool,
    /// Whether a user waits for the picture.
    pub interactive: bool,
}

impl RenderArgs {
    pub(crate) fn read(action: Action, args: &Props<'_>) -> Result<Self> {
        // The question whether the effect changes anything comes without the last three.
        let render = action == Action::Render;
        Ok(Self {
            time: args.get_f64(sys::kOfxPropTime)?,
            window: args.get_rect_i32(sys::kOfxImageEffectPropRenderWindow)?,
            scale: scale(action, args)?,
            field: args
                .get_string_optional(sys::kOfxImageEffectPropFieldToRender, 0)?
                .and_then(|name| Field::from_ofx_str(&name))
                .unwrap_or(Field::None),
            draft: render && flag(args, sys::kOfxImageEffectPropRenderQualityDraft)?,
            // The one flag of OpenFX that is a word.
            thumbnail: args
                .get_string_optional(sys::kOfxImageEffectPropThumbnailRender, 0)?
                .is_some_and(|word| word == "true"),
            sequential: render && flag(args, sys::kOfxImageEffectPropSequentialRenderStatus)?,
            interactive: render && flag(args, sys::kOfxImageEffectPropInteractiveRenderStatus)?,
        })
    }
}

/// A run of frames that is about to be rendered, or was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SequenceArgs {
    /// First and last frame; `None` where the host does not tell.
    pub range: Option<(f64, f64)>,
    /// Frames from one render to the next.
    pub step: f64,
    /// Scale of the renders against full size.
    pub scale: Scale,
    /// Whether faster pictures of lesser quality will do.
    pub draft: bool,
    /// Whether frames are rendered one after the other.
    pub sequential: bool,
    /// Whether a user waits for the pictures.
    pub interactive: bool,
}

impl SequenceArgs {
    pub(crate) fn read(action: Action, args: Option<&Props<'_>>) -> Result<Self> {
        let Some(args) = args else {
            return Ok(Self {
                range: None,
                step: 1.0,
                scale: Scale::ONE,
                draft: false,
                sequential: false,
                interactive: false,
            });
        };
        Ok(Self {
            range: args.get_pair_optional(sys::kOfxImageEffectPropFrameRange)?,
            step: args
                .get_f64_optional(sys::kOfxImageEffectPropFrameStep, 0)?
                .unwrap_or(1.0),
            scale: scale(action, args)?,
            draft: flag(args, sys::kOfxImageEffectPropRenderQualityDraft)?,
            sequential: flag(args, sys::kOfxImageEffectPropSequentialRenderStatus)?,
            interactive: flag(args, sys::kOfxImageEffectPropInteractiveRenderStatus)?
                || flag(args, sys::kOfxPropIsInteractive)?,
        })
    }
}

/// What is rendered in place of the effect, when it changes nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity {
    /// The clip whose image is the result.
    pub clip: String,
    /// The frame of that clip.
    pub time: f64,
}

/// A property whose name ends in the name of a clip.
fn of_clip(prefix: &str, clip: &str) -> Result<&'static CStr> {
    Ok(text::lasting(&format!("{prefix}{clip}"))?.1)
}

/// The answer to "what do the clips look like".
#[derive(Debug, Clone, Copy)]
pub struct ClipPreferences<'a> {
    props: Props<'a>,
}

/// # Errors
///
/// Every setter fails with `host.property` when the host does not take the value; a host that does
/// not know the preference is no error.
impl<'a> ClipPreferences<'a> {
    pub(crate) fn new(props: Props<'a>) -> Self {
        Self { props }
    }

    /// Components of a clip.
    pub fn set_components(&self, clip: &str, components: Components) -> Result<()> {
        let name = of_clip("OfxImageClipPropComponents_", clip)?;
        self.props.set_name_optional(name, 0, components.ofx_name())
    }

    /// Depth of a clip.
    pub fn set_depth(&self, clip: &str, depth: Depth) -> Result<()> {
        let name = of_clip("OfxImageClipPropDepth_", clip)?;
        self.props.set_name_optional(name, 0, depth.ofx_name())
    }

    /// Pixel aspect of a clip.
    ///
    /// # Errors
    /// `action.answer` for one that is not a number above 0.
    pub fn set_pixel_aspect(&self, clip: &str, aspect: f64) -> Result<()> {
        if !(aspect.is_finite() && aspect > 0.0) {
            return Err(Error::Answer {
                action: Action::GetClipPreferences.name(),
                reason: format!("the pixel aspect {aspect} for the clip {clip}"),
            });
        }
        let name = of_clip("OfxImageClipPropPAR_", clip)?;
        self.props.set_f64_optional(name, 0, aspect)
    }

    /// The colour spaces that a clip's images are best served in, best first: names of the style
    /// in use, or `OfxColourspace_` and the name of another clip.
    pub fn set_preferred_colourspaces(&self, clip: &str, names: &[&str]) -> Result<()> {
        let property = of_clip("OfxImageClipPropPreferredColourspaces_", clip)?;
        for (index, name) in names.iter().enumerate() {
            self.props.set_string_optional(property, index, name)?;
        }
        Ok(())
    }

    /// Premultiplication of the output.
    pub fn set_premultiplication(&self, premultiplication: Premultiplication) -> Result<()> {
        self.props.set_name_optional(
            sys::kOfxImageEffectPropPreMultiplication,
            0,
            premultiplication.ofx_name(),
        )
    }

    /// Whether the output differs from frame to frame even where nothing is animated.
    pub fn set_frame_varying(&self, varying: bool) -> Result<()> {
        self.props
            .set_i32_optional(sys::kOfxImageEffectFrameVarying, 0, i32::from(varying))
    }

    /// Whether the output can be rendered between frames.
    pub fn set_continuous(&self, continuous: bool) -> Result<()> {
        self.props.set_i32_optional(
            sys::kOfxImageClipPropContinuousSamples,
            0,
            i32::from(continuous),
        )
    }

    /// Field order of the output.
    pub fn set_field_order(&self, field: Field) -> Result<()> {
        self.props
            .set_name_optional(sys::kOfxImageClipPropFieldOrder, 0, field.ofx_name())
    }
}

/// The answer to "what of each clip is needed".
#[derive(Debug, Clone, Copy)]
pub struct RegionsOfInterest<'a> {
    props: Props<'a>,
}

impl<'a> RegionsOfInterest<'a> {
    pub(crate) fn new(props: Props<'a>) -> Self {
        Self { props }
    }

    /// The region of a clip that is needed, in canonical coordinates.
    ///
    /// # Errors
    /// `action.answer` for a region that is not finite; `host.property` when the host fails.
    pub fn set(&self, clip: &str, region: RectD) -> Result<()> {
        if !region.is_finite() {
            return Err(Error::Answer {
                action: Action::GetRegionsOfInterest.name(),
                reason: format!("the region {region} for the clip {clip} is not finite"),
            });
        }
        let name = of_clip("OfxImageClipPropRoI_", clip)?;
        match self.props.set_rect_f64(name, region) {
            // A clip that is not connected may be missing from the answer.
            Err(error) if error.is_absent() => {
                log::debug!("{error}");
                Ok(())
            }
            other => other,
        }
    }
}

/// The answer to "which frames of each clip are needed".
#[derive(Debug, Clone, Copy)]
pub struct FramesNeeded<'a> {
    props: Props<'a>,
}

impl<'a> FramesNeeded<'a> {
    pub(crate) fn new(props: Props<'a>) -> Self {
        Self { props }
    }

    /// The ranges of frames of a clip that are needed, first and last.
    ///
    /// # Errors
    /// `host.property` when the host fails.
    pub fn set(&self, clip: &str, ranges: &[(f64, f64)]) -> Result<()> {
        let name = of_clip("OfxImageClipPropFrameRange_", clip)?;
        for (index, &(first, last)) in ranges.iter().enumerate() {
            self.props.set_f64_optional(name, 2 * index, first)?;
            self.props.set_f64_optional(name, 2 * index + 1, last)?;
        }
        Ok(())
    }
}
