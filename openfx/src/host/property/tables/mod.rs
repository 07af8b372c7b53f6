//! Which properties each kind of object has.
//!
//! The names, types and dimensions are those of the OpenFX 1.5 headers; who may set what follows
//! the reference's lists of properties by object.

mod actions;
mod objects;
mod params;
mod values;

use std::ffi::CStr;

use self::actions::{PREFERENCES, in_rows};
use self::objects::{
    CLIP_DESCRIPTOR, CLIP_INSTANCE, EFFECT_DESCRIPTOR, EFFECT_INSTANCE, HOST, IMAGE, PARAM_SET,
};
use self::params::param_rows;
use super::{Action, SetKind};
use crate::host::value::ParamType;
use crate::sys::*;

pub(crate) use values::allowed;

/// The type of a property's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    /// Whole numbers.
    Int,
    /// Whole numbers that can only be 0 or 1.
    Flag,
    Double,
    String,
    Pointer,
}

impl Type {
    /// The type as users of the C interface know it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Int | Self::Flag => "int",
            Self::Double => "double",
            Self::String => "string",
            Self::Pointer => "pointer",
        }
    }
}

/// Who may set a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// The host only.
    Host,
    /// The plug-in, while it describes itself.
    Describe,
    /// The plug-in, at any time.
    Live,
}

/// The value that a property begins with.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Initial {
    /// Zero, null or the empty text, as often as the dimension says.
    Zero,
    Int(i32),
    Double(f64),
    String(&'static CStr),
}

/// One property of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) name: &'static CStr,
    pub(crate) ty: Type,
    /// 0 = as many as are set.
    pub(crate) dimension: usize,
    pub(crate) access: Access,
    pub(crate) initial: Initial,
    /// Not known to hosts older than OpenFX 1.5.
    pub(crate) recent: bool,
}

const fn row(name: &'static CStr, ty: Type, dimension: usize, access: Access) -> Row {
    Row {
        name,
        ty,
        dimension,
        access,
        initial: Initial::Zero,
        recent: false,
    }
}

impl Row {
    const fn int(self, value: i32) -> Self {
        Self {
            initial: Initial::Int(value),
            ..self
        }
    }

    const fn double(self, value: f64) -> Self {
        Self {
            initial: Initial::Double(value),
            ..self
        }
    }

    const fn string(self, value: &'static CStr) -> Self {
        Self {
            initial: Initial::String(value),
            ..self
        }
    }

    const fn recent(self) -> Self {
        Self {
            recent: true,
            ..self
        }
    }
}

use Access::Live;
use Type::{Double, String};

const FALSE: &CStr = c"false";
const TRUE: &CStr = c"true";

/// Names made of one of these and a clip's name, in the out arguments of an action.
pub(crate) const CLIP_ROWS: &[(&CStr, Action, Type, usize)] = &[
    (
        c"OfxImageClipPropComponents_",
        Action::GetClipPreferences,
        String,
        1,
    ),
    (
        c"OfxImageClipPropDepth_",
        Action::GetClipPreferences,
        String,
        1,
    ),
    (
        c"OfxImageClipPropPAR_",
        Action::GetClipPreferences,
        Double,
        1,
    ),
    (
        c"OfxImageClipPropPreferredColourspaces_",
        Action::GetClipPreferences,
        String,
        0,
    ),
    (
        c"OfxImageClipPropRoI_",
        Action::GetRegionsOfInterest,
        Double,
        4,
    ),
    (
        c"OfxImageClipPropFrameRange_",
        Action::GetFramesNeeded,
        Double,
        0,
    ),
];

/// Names of objects that this host does not have (interacts, graphics processors): known, and
/// misplaced everywhere here.
const ELSEWHERE: &[&CStr] = &[
    c"OfxInteractPropSlaveToParam",
    c"OfxInteractPropPixelScale",
    c"OfxInteractPropBackgroundColour",
    c"OfxInteractPropSuggestedColour",
    c"OfxInteractPropPenPosition",
    c"OfxInteractPropPenViewportPosition",
    c"OfxInteractPropPenPressure",
    c"OfxInteractPropBitDepth",
    c"OfxInteractPropHasAlpha",
    c"OfxInteractPropDrawContext",
    c"OfxPropKeyString",
    c"OfxPropKeySym",
    c"OfxPropEffectInstance",
    kOfxImageEffectPropOpenGLTextureIndex,
    kOfxImageEffectPropOpenGLTextureTarget,
    kOfxImageEffectPropCudaStream,
    kOfxImageEffectPropMetalCommandQueue,
    kOfxImageEffectPropOpenCLCommandQueue,
    kOfxImageEffectPropOpenCLImage,
    c"OfxParamPropParametricDimension",
    c"OfxParamPropParametricRange",
    c"OfxParamPropParametricUIColour",
    c"OfxParamPropParametricInteractBackground",
    c"OfxParamPropCustomCallbackV1",
    c"OfxParamPropCustomValue",
    c"OfxParamPropInterpolationTime",
    c"OfxParamPropInterpolationAmount",
    c"OfxImageEffectPropBehaviourWhenUnlicensed",
];

/// The properties of a kind of object, those named after clips left out.
pub(crate) fn rows(kind: SetKind) -> Vec<Row> {
    match kind {
        SetKind::Host => HOST.to_vec(),
        SetKind::EffectDescriptor => EFFECT_DESCRIPTOR.to_vec(),
        SetKind::EffectInstance => EFFECT_INSTANCE.to_vec(),
        SetKind::ClipDescriptor => CLIP_DESCRIPTOR.to_vec(),
        SetKind::ClipInstance => CLIP_INSTANCE.to_vec(),
        SetKind::ParamSet => PARAM_SET.to_vec(),
        SetKind::Param(kind) => param_rows(kind),
        SetKind::Image => IMAGE.to_vec(),
        SetKind::In(action) => in_rows(action),
        SetKind::Out(Action::GetClipPreferences) => PREFERENCES.to_vec(),
        SetKind::Out(Action::GetRegionOfDefinition) => {
            vec![row(kOfxImageEffectPropRegionOfDefinition, Double, 4, Live)]
        }
        SetKind::Out(Action::GetOutputColourspace) => {
            vec![row(kOfxImageClipPropColourspace, String, 1, Live)]
        }
        SetKind::Out(Action::IsIdentity) => vec![
            row(kOfxPropName, String, 1, Live),
            row(kOfxPropTime, Double, 1, Live),
        ],
        SetKind::Out(_) => Vec::new(),
    }
}

/// Every kind that has a table.
fn kinds() -> impl Iterator<Item = SetKind> {
    use Action::*;
    let plain = [
        SetKind::Host,
        SetKind::EffectDescriptor,
        SetKind::EffectInstance,
        SetKind::ClipDescriptor,
        SetKind::ClipInstance,
        SetKind::ParamSet,
        SetKind::Image,
        SetKind::Out(GetClipPreferences),
        SetKind::Out(GetRegionOfDefinition),
        SetKind::Out(GetOutputColourspace),
        SetKind::Out(IsIdentity),
    ];
    let params = ParamType::ALL.iter().map(|(kind, _)| SetKind::Param(*kind));
    let actions = [
        DescribeInContext,
        InstanceChanged,
        GetRegionOfDefinition,
        GetRegionsOfInterest,
        GetFramesNeeded,
        GetOutputColourspace,
        IsIdentity,
        BeginSequenceRender,
        Render,
    ];
    plain
        .into_iter()
        .chain(params)
        .chain(actions.map(SetKind::In))
}

/// Whether any object of OpenFX has a property of that name.
pub(crate) fn is_known(name: &CStr) -> bool {
    ELSEWHERE.contains(&name)
        || CLIP_ROWS
            .iter()
            .any(|(prefix, ..)| name.to_bytes().starts_with(prefix.to_bytes()))
        || kinds().any(|kind| rows(kind).iter().any(|row| row.name == name))
}

/// Whether OpenFX gives such an object a property of that name, whatever this host has.
pub(crate) fn has(kind: SetKind, name: &CStr) -> bool {
    rows(kind).iter().any(|row| row.name == name)
}

/// Whether a property of that name exists on such an object in OpenFX 1.5, whatever this host has.
pub(crate) fn is_recent(kind: SetKind, name: &CStr) -> bool {
    rows(kind).iter().any(|row| row.recent && row.name == name)
}
