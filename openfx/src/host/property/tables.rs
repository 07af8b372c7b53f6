//! Which properties each kind of object has.
//!
//! The names, types and dimensions are those of the OpenFX 1.5 headers; who may set what follows
//! the reference's lists of properties by object.

use std::ffi::CStr;

use super::{Action, SetKind};
use crate::host::value::ParamType;
use crate::sys::*;

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

use Access::{Describe, Host, Live};
use Type::{Double, Flag, Int, Pointer, String};

const FALSE: &CStr = c"false";
const TRUE: &CStr = c"true";

const HOST: &[Row] = &[
    row(kOfxPropType, String, 1, Host).string(kOfxTypeImageEffectHost),
    row(kOfxPropName, String, 1, Host),
    row(kOfxPropLabel, String, 1, Host),
    row(kOfxPropVersion, Int, 0, Host),
    row(kOfxPropVersionLabel, String, 1, Host),
    row(kOfxPropAPIVersion, Int, 0, Host),
    row(kOfxPropHostOSHandle, Pointer, 1, Host),
    row(kOfxImageEffectHostPropIsBackground, Flag, 1, Host),
    row(kOfxImageEffectHostPropNativeOrigin, String, 1, Host)
        .string(kOfxHostNativeOriginBottomLeft),
    row(kOfxImageEffectPropSupportsOverlays, Flag, 1, Host),
    row(kOfxImageEffectPropSupportsMultiResolution, Flag, 1, Host).int(1),
    row(kOfxImageEffectPropSupportsTiles, Flag, 1, Host).int(1),
    row(kOfxImageEffectPropTemporalClipAccess, Flag, 1, Host).int(1),
    row(kOfxImageEffectPropSupportedComponents, String, 0, Host),
    row(kOfxImageEffectPropSupportedContexts, String, 0, Host),
    row(kOfxImageEffectPropSupportedPixelDepths, String, 0, Host),
    row(kOfxImageEffectPropSupportsMultipleClipDepths, Int, 1, Host).int(1),
    row(kOfxImageEffectPropSupportsMultipleClipPARs, Flag, 1, Host).int(1),
    row(kOfxImageEffectPropSetableFrameRate, Flag, 1, Host),
    row(kOfxImageEffectPropSetableFielding, Flag, 1, Host),
    row(kOfxImageEffectInstancePropSequentialRender, Int, 1, Host).int(1),
    row(kOfxImageEffectPropRenderQualityDraft, Flag, 1, Host).int(1),
    row(kOfxImageEffectPropOpenGLRenderSupported, String, 1, Host).string(FALSE),
    row(kOfxImageEffectPropCudaRenderSupported, String, 1, Host).string(FALSE),
    row(kOfxImageEffectPropCudaStreamSupported, String, 1, Host).string(FALSE),
    row(kOfxImageEffectPropMetalRenderSupported, String, 1, Host).string(FALSE),
    row(kOfxImageEffectPropOpenCLRenderSupported, String, 1, Host).string(FALSE),
    row(kOfxImageEffectPropOpenCLSupported, String, 1, Host)
        .string(FALSE)
        .recent(),
    row(kOfxImageEffectPropCPURenderSupported, String, 1, Host)
        .string(TRUE)
        .recent(),
    row(c"OfxImageEffectPropColourManagementStyle", String, 1, Host)
        .string(c"OfxImageEffectColourManagementNone")
        .recent(),
    row(
        c"OfxImageEffectPropColourManagementAvailableConfigs",
        String,
        0,
        Host,
    )
    .recent(),
    row(kOfxParamHostPropSupportsStringAnimation, Flag, 1, Host),
    row(kOfxParamHostPropSupportsCustomAnimation, Flag, 1, Host),
    row(kOfxParamHostPropSupportsChoiceAnimation, Flag, 1, Host).int(1),
    row(kOfxParamHostPropSupportsBooleanAnimation, Flag, 1, Host).int(1),
    row(kOfxParamHostPropSupportsCustomInteract, Flag, 1, Host),
    row(
        c"OfxParamHostPropSupportsParametricAnimation",
        Flag,
        1,
        Host,
    ),
    row(kOfxParamHostPropSupportsStrChoice, Flag, 1, Host)
        .int(1)
        .recent(),
    row(kOfxParamHostPropSupportsStrChoiceAnimation, Flag, 1, Host).recent(),
    row(kOfxParamHostPropMaxParameters, Int, 1, Host).int(-1),
    row(kOfxParamHostPropMaxPages, Int, 1, Host),
    row(kOfxParamHostPropPageRowColumnCount, Int, 2, Host),
];

const EFFECT_DESCRIPTOR: &[Row] = &[
    row(kOfxPropType, String, 1, Host).string(kOfxTypeImageEffect),
    row(kOfxPropLabel, String, 1, Describe),
    row(kOfxPropShortLabel, String, 1, Describe),
    row(kOfxPropLongLabel, String, 1, Describe),
    row(kOfxPropIcon, String, 2, Describe),
    row(kOfxPropVersion, Int, 0, Describe),
    row(kOfxPropVersionLabel, String, 1, Describe),
    row(kOfxPropPluginDescription, String, 1, Describe),
    row(kOfxPluginPropFilePath, String, 1, Host),
    row(kOfxImageEffectPluginPropGrouping, String, 1, Describe),
    row(kOfxImageEffectPluginPropSingleInstance, Flag, 1, Describe),
    row(kOfxImageEffectPluginPropObsolete, Flag, 1, Describe),
    row(kOfxImageEffectPluginRenderThreadSafety, String, 1, Describe)
        .string(kOfxImageEffectRenderInstanceSafe),
    row(
        kOfxImageEffectPluginPropHostFrameThreading,
        Flag,
        1,
        Describe,
    )
    .int(1),
    row(
        kOfxImageEffectPluginPropOverlayInteractV1,
        Pointer,
        1,
        Describe,
    ),
    row(
        kOfxImageEffectPluginPropOverlayInteractV2,
        Pointer,
        1,
        Describe,
    ),
    row(
        kOfxImageEffectPluginPropFieldRenderTwiceAlways,
        Flag,
        1,
        Describe,
    )
    .int(1),
    row(kOfxImageEffectPropSupportedContexts, String, 0, Describe),
    row(kOfxImageEffectPropSupportedPixelDepths, String, 0, Describe),
    row(
        kOfxImageEffectPropSupportsMultiResolution,
        Flag,
        1,
        Describe,
    )
    .int(1),
    row(kOfxImageEffectPropSupportsTiles, Flag, 1, Describe).int(1),
    row(kOfxImageEffectPropTemporalClipAccess, Flag, 1, Describe),
    row(
        kOfxImageEffectPropSupportsMultipleClipDepths,
        Int,
        1,
        Describe,
    ),
    row(
        kOfxImageEffectPropSupportsMultipleClipPARs,
        Flag,
        1,
        Describe,
    ),
    row(
        kOfxImageEffectPropClipPreferencesSlaveParam,
        String,
        0,
        Describe,
    ),
    row(
        kOfxImageEffectInstancePropSequentialRender,
        Int,
        1,
        Describe,
    ),
    row(kOfxImageEffectPropRenderQualityDraft, Flag, 1, Describe),
    row(
        kOfxImageEffectPropOpenGLRenderSupported,
        String,
        1,
        Describe,
    )
    .string(FALSE),
    row(kOfxOpenGLPropPixelDepth, String, 0, Describe),
    row(kOfxImageEffectPropCudaRenderSupported, String, 1, Describe).string(FALSE),
    row(kOfxImageEffectPropCudaStreamSupported, String, 1, Describe).string(FALSE),
    row(kOfxImageEffectPropMetalRenderSupported, String, 1, Describe).string(FALSE),
    row(
        kOfxImageEffectPropOpenCLRenderSupported,
        String,
        1,
        Describe,
    )
    .string(FALSE),
    row(kOfxImageEffectPropOpenCLSupported, String, 1, Describe)
        .string(FALSE)
        .recent(),
    row(kOfxImageEffectPropCPURenderSupported, String, 1, Describe)
        .string(TRUE)
        .recent(),
    row(kOfxImageEffectPropNoSpatialAwareness, String, 1, Describe)
        .string(FALSE)
        .recent(),
    row(
        c"OfxImageEffectPropColourManagementStyle",
        String,
        1,
        Describe,
    )
    .string(c"OfxImageEffectColourManagementNone")
    .recent(),
    row(
        c"OfxImageEffectPropColourManagementAvailableConfigs",
        String,
        0,
        Describe,
    )
    .recent(),
];

const EFFECT_INSTANCE: &[Row] = &[
    row(kOfxPropType, String, 1, Host).string(kOfxTypeImageEffectInstance),
    row(kOfxPropInstanceData, Pointer, 1, Live),
    row(kOfxPropIsInteractive, Flag, 1, Host),
    row(kOfxPluginPropFilePath, String, 1, Host),
    row(kOfxImageEffectPropContext, String, 1, Host),
    row(kOfxImageEffectPropPluginHandle, Pointer, 1, Host),
    row(kOfxImageEffectPropProjectSize, Double, 2, Host),
    row(kOfxImageEffectPropProjectOffset, Double, 2, Host),
    row(kOfxImageEffectPropProjectExtent, Double, 2, Host),
    row(kOfxImageEffectPropProjectPixelAspectRatio, Double, 1, Host).double(1.0),
    row(kOfxImageEffectInstancePropEffectDuration, Double, 1, Host),
    row(kOfxImageEffectInstancePropSequentialRender, Int, 1, Live),
    row(kOfxImageEffectPropFrameRate, Double, 1, Host).double(24.0),
    row(kOfxImageEffectPropSupportsTiles, Flag, 1, Live).int(1),
    row(kOfxImageEffectPropOpenGLRenderSupported, String, 1, Live).string(FALSE),
    row(kOfxImageEffectPropCPURenderSupported, String, 1, Live)
        .string(TRUE)
        .recent(),
    row(c"OfxImageEffectPropColourManagementStyle", String, 1, Host)
        .string(c"OfxImageEffectColourManagementNone")
        .recent(),
    row(c"OfxImageEffectPropColourManagementConfig", String, 1, Host).recent(),
    row(c"OfxImageEffectPropOCIOConfig", String, 1, Host).recent(),
    row(c"OfxImageEffectPropDisplayColourspace", String, 1, Host).recent(),
    row(c"OfxImageEffectPropOCIODisplay", String, 1, Host).recent(),
    row(c"OfxImageEffectPropOCIOView", String, 1, Host).recent(),
];

const CLIP_DESCRIPTOR: &[Row] = &[
    row(kOfxPropType, String, 1, Host).string(kOfxTypeClip),
    row(kOfxPropName, String, 1, Host),
    row(kOfxPropLabel, String, 1, Describe),
    row(kOfxPropShortLabel, String, 1, Describe),
    row(kOfxPropLongLabel, String, 1, Describe),
    row(kOfxImageEffectPropSupportedComponents, String, 0, Describe),
    row(kOfxImageEffectPropTemporalClipAccess, Flag, 1, Describe),
    row(kOfxImageClipPropOptional, Flag, 1, Describe),
    row(kOfxImageClipPropFieldExtraction, String, 1, Describe).string(kOfxImageFieldDoubled),
    row(kOfxImageClipPropIsMask, Flag, 1, Describe),
    row(kOfxImageEffectPropSupportsTiles, Flag, 1, Describe).int(1),
];

const CLIP_INSTANCE: &[Row] = &[
    row(kOfxPropType, String, 1, Host).string(kOfxTypeClip),
    row(kOfxPropName, String, 1, Host),
    row(kOfxPropLabel, String, 1, Host),
    row(kOfxPropShortLabel, String, 1, Host),
    row(kOfxPropLongLabel, String, 1, Host),
    row(kOfxImageEffectPropSupportedComponents, String, 0, Host),
    row(kOfxImageEffectPropTemporalClipAccess, Flag, 1, Host),
    row(kOfxImageClipPropOptional, Flag, 1, Host),
    row(kOfxImageClipPropFieldExtraction, String, 1, Host).string(kOfxImageFieldDoubled),
    row(kOfxImageClipPropIsMask, Flag, 1, Host),
    row(kOfxImageEffectPropSupportsTiles, Flag, 1, Host).int(1),
    row(kOfxImageClipPropConnected, Flag, 1, Host),
    row(kOfxImageClipPropContinuousSamples, Flag, 1, Host),
    row(kOfxImageClipPropFieldOrder, String, 1, Host).string(kOfxImageFieldNone),
    row(kOfxImageClipPropUnmappedComponents, String, 1, Host).string(kOfxImageComponentNone),
    row(kOfxImageClipPropUnmappedPixelDepth, String, 1, Host).string(kOfxBitDepthNone),
    row(kOfxImageEffectPropComponents, String, 1, Host).string(kOfxImageComponentNone),
    row(kOfxImageEffectPropPixelDepth, String, 1, Host).string(kOfxBitDepthNone),
    row(kOfxImageEffectPropPreMultiplication, String, 1, Host).string(kOfxImageOpaque),
    row(kOfxImagePropPixelAspectRatio, Double, 1, Host).double(1.0),
    row(kOfxImageEffectPropFrameRate, Double, 1, Host).double(24.0),
    row(kOfxImageEffectPropFrameRange, Double, 2, Host),
    row(kOfxImageEffectPropUnmappedFrameRate, Double, 1, Host).double(24.0),
    row(kOfxImageEffectPropUnmappedFrameRange, Double, 2, Host),
    row(c"OfxImageClipPropColourspace", String, 1, Host).recent(),
    row(c"OfxImageClipPropPreferredColourspaces", String, 0, Host).recent(),
];

const PARAM_SET: &[Row] = &[
    row(kOfxPropParamSetNeedsSyncing, Flag, 1, Live),
    row(kOfxPluginPropParamPageOrder, String, 0, Describe),
];

/// What every parameter has.
const PARAM: &[Row] = &[
    row(kOfxPropType, String, 1, Host).string(kOfxTypeParameter),
    row(kOfxPropName, String, 1, Host),
    row(kOfxPropLabel, String, 1, Live),
    row(kOfxPropShortLabel, String, 1, Live),
    row(kOfxPropLongLabel, String, 1, Live),
    row(kOfxPropIcon, String, 2, Describe),
    row(kOfxParamPropType, String, 1, Host),
    row(kOfxParamPropSecret, Flag, 1, Live),
    row(kOfxParamPropEnabled, Flag, 1, Live).int(1),
    row(kOfxParamPropHint, String, 1, Live),
    row(kOfxParamPropScriptName, String, 1, Describe),
    row(kOfxParamPropParent, String, 1, Describe),
    row(kOfxParamPropDataPtr, Pointer, 1, Live),
];

/// What every parameter with a value has.
const VALUE_PARAM: &[Row] = &[
    row(kOfxParamPropAnimates, Flag, 1, Describe).int(1),
    row(kOfxParamPropIsAnimating, Flag, 1, Host),
    row(kOfxParamPropIsAutoKeying, Flag, 1, Host),
    row(kOfxParamPropPersistant, Flag, 1, Describe).int(1),
    row(kOfxParamPropEvaluateOnChange, Flag, 1, Live).int(1),
    row(kOfxParamPropPluginMayWrite, Flag, 1, Describe),
    row(kOfxParamPropCanUndo, Flag, 1, Describe).int(1),
    row(kOfxParamPropCacheInvalidation, String, 1, Describe).string(kOfxParamInvalidateValueChange),
    row(kOfxParamPropHasHostOverlayHandle, Flag, 1, Host),
    row(kOfxParamPropUseHostOverlayHandle, Flag, 1, Describe),
];

/// What every parameter with a widget of the plug-in's own may have.
const INTERACT_PARAM: &[Row] = &[
    row(kOfxParamPropInteractV1, Pointer, 1, Describe),
    row(kOfxParamPropInteractSize, Double, 2, Describe),
    row(kOfxParamPropInteractSizeAspect, Double, 1, Describe).double(1.0),
    row(kOfxParamPropInteractMinimumSize, Int, 2, Describe).int(10),
    row(kOfxParamPropInteractPreferedSize, Int, 2, Describe).int(10),
];

const IMAGE: &[Row] = &[
    row(kOfxPropType, String, 1, Host).string(kOfxTypeImage),
    row(kOfxImageEffectPropPixelDepth, String, 1, Host),
    row(kOfxImageEffectPropComponents, String, 1, Host),
    row(kOfxImageEffectPropPreMultiplication, String, 1, Host),
    row(kOfxImageEffectPropRenderScale, Double, 2, Host).double(1.0),
    row(kOfxImagePropPixelAspectRatio, Double, 1, Host).double(1.0),
    row(kOfxImagePropData, Pointer, 1, Host),
    row(kOfxImagePropBounds, Int, 4, Host),
    row(kOfxImagePropRegionOfDefinition, Int, 4, Host),
    row(kOfxImagePropRowBytes, Int, 1, Host),
    row(kOfxImagePropField, String, 1, Host).string(kOfxImageFieldNone),
    row(kOfxImagePropUniqueIdentifier, String, 1, Host),
];

const TIME: Row = row(kOfxPropTime, Double, 1, Host);
const SCALE: Row = row(kOfxImageEffectPropRenderScale, Double, 2, Host).double(1.0);
const THUMBNAIL: Row = row(kOfxImageEffectPropThumbnailRender, String, 1, Host)
    .string(FALSE)
    .recent();
const NO_SPACE: Row = row(kOfxImageEffectPropNoSpatialAwareness, String, 1, Host)
    .string(FALSE)
    .recent();
const FIELD: Row =
    row(kOfxImageEffectPropFieldToRender, String, 1, Host).string(kOfxImageFieldNone);
const WINDOW: Row = row(kOfxImageEffectPropRenderWindow, Int, 4, Host);
const SEQUENTIAL: Row = row(kOfxImageEffectPropSequentialRenderStatus, Flag, 1, Host);
const INTERACTIVE: Row = row(kOfxImageEffectPropInteractiveRenderStatus, Flag, 1, Host);
const DRAFT: Row = row(kOfxImageEffectPropRenderQualityDraft, Flag, 1, Host);
const REASON: Row = row(kOfxPropChangeReason, String, 1, Host).string(kOfxChangeUserEdited);

/// Which processors do the work: none but the main one in this host.
const DEVICES: &[Row] = &[
    row(kOfxImageEffectPropOpenGLEnabled, Flag, 1, Host),
    row(kOfxImageEffectPropCudaEnabled, Flag, 1, Host),
    row(kOfxImageEffectPropMetalEnabled, Flag, 1, Host),
    row(kOfxImageEffectPropOpenCLEnabled, Flag, 1, Host),
];

const SEQUENCE: &[Row] = &[
    row(kOfxImageEffectPropFrameRange, Double, 2, Host),
    row(kOfxImageEffectPropFrameStep, Double, 1, Host).double(1.0),
    row(kOfxPropIsInteractive, Flag, 1, Host),
    SCALE,
    SEQUENTIAL,
    INTERACTIVE,
    DRAFT,
    NO_SPACE,
    THUMBNAIL,
];

const PREFERENCES: &[Row] = &[
    row(kOfxImageEffectPropFrameRate, Double, 1, Live).double(24.0),
    row(kOfxImageClipPropFieldOrder, String, 1, Live).string(kOfxImageFieldNone),
    row(kOfxImageEffectPropPreMultiplication, String, 1, Live).string(kOfxImagePreMultiplied),
    row(kOfxImageClipPropContinuousSamples, Flag, 1, Live),
    row(kOfxImageEffectFrameVarying, Flag, 1, Live),
];

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

/// The properties that distinguish one kind of parameter from another.
fn param_rows(kind: ParamType) -> Vec<Row> {
    let number = if kind.is_text() {
        String
    } else if kind.is_integral() {
        Int
    } else {
        Double
    };
    let n = kind.arity();
    let mut rows = PARAM.to_vec();
    if n > 0 {
        rows.extend_from_slice(VALUE_PARAM);
        let default = row(kOfxParamPropDefault, number, n, Describe);
        rows.push(if kind == ParamType::Boolean {
            Row {
                ty: Flag,
                ..default
            }
        } else {
            default
        });
    }
    if !matches!(kind, ParamType::Group | ParamType::Page) {
        rows.extend_from_slice(INTERACT_PARAM);
    }
    let range = |low: Initial, high: Initial| {
        [
            (kOfxParamPropMin, low),
            (kOfxParamPropMax, high),
            (kOfxParamPropDisplayMin, low),
            (kOfxParamPropDisplayMax, high),
        ]
        .map(|(name, initial)| Row {
            initial,
            ..row(name, number, n, Live)
        })
    };
    match kind {
        ParamType::Integer | ParamType::Integer2D | ParamType::Integer3D => {
            rows.extend(range(Initial::Int(i32::MIN), Initial::Int(i32::MAX)));
            if n > 1 {
                rows.push(row(kOfxParamPropDimensionLabel, String, n, Describe));
            }
        }
        ParamType::Double | ParamType::Double2D | ParamType::Double3D => {
            rows.extend(range(Initial::Double(-f64::MAX), Initial::Double(f64::MAX)));
            rows.push(row(kOfxParamPropIncrement, Double, 1, Describe).double(1.0));
            rows.push(row(kOfxParamPropDigits, Int, 1, Describe).int(2));
            rows.push(
                row(kOfxParamPropDoubleType, String, 1, Describe).string(kOfxParamDoubleTypePlain),
            );
            if n == 1 {
                rows.push(row(kOfxParamPropShowTimeMarker, Flag, 1, Describe));
            } else {
                rows.push(row(kOfxParamPropDimensionLabel, String, n, Describe));
            }
            rows.push(
                row(kOfxParamPropDefaultCoordinateSystem, String, 1, Describe)
                    .string(kOfxParamCoordinatesCanonical),
            );
        }
        ParamType::Rgb | ParamType::Rgba => {
            rows.extend(range(Initial::Double(0.0), Initial::Double(1.0)));
            rows.push(row(kOfxParamPropDimensionLabel, String, n, Describe));
        }
        ParamType::Choice | ParamType::StrChoice => {
            rows.push(row(kOfxParamPropChoiceOption, String, 0, Live));
            rows.push(row(kOfxParamPropChoiceOrder, Int, 0, Live).recent());
            rows.push(row(kOfxParamPropChoiceEnum, String, 0, Live).recent());
        }
        ParamType::String => {
            rows.push(
                row(kOfxParamPropStringMode, String, 1, Describe)
                    .string(kOfxParamStringIsSingleLine),
            );
            rows.push(row(kOfxParamPropStringFilePathExists, Flag, 1, Describe).int(1));
        }
        ParamType::Custom => {
            rows.push(row(
                kOfxParamPropCustomInterpCallbackV1,
                Pointer,
                1,
                Describe,
            ));
        }
        ParamType::Group => rows.push(row(kOfxParamPropGroupOpen, Flag, 1, Describe).int(1)),
        ParamType::Page => rows.push(row(kOfxParamPropPageChild, String, 0, Describe)),
        ParamType::Boolean | ParamType::PushButton => {}
    }
    rows
}

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
        SetKind::Out(Action::IsIdentity) => vec![
            row(kOfxPropName, String, 1, Live),
            row(kOfxPropTime, Double, 1, Live),
        ],
        SetKind::Out(_) => Vec::new(),
    }
}

fn in_rows(action: Action) -> Vec<Row> {
    match action {
        Action::DescribeInContext => vec![row(kOfxImageEffectPropContext, String, 1, Host)],
        Action::BeginInstanceChanged | Action::EndInstanceChanged => vec![REASON],
        Action::InstanceChanged => vec![
            row(kOfxPropType, String, 1, Host),
            row(kOfxPropName, String, 1, Host),
            REASON,
            TIME,
            SCALE,
        ],
        Action::GetRegionOfDefinition => vec![TIME, SCALE, THUMBNAIL],
        Action::GetRegionsOfInterest => vec![
            TIME,
            SCALE,
            THUMBNAIL,
            row(kOfxImageEffectPropRegionOfInterest, Double, 4, Host),
        ],
        Action::GetFramesNeeded => vec![TIME, THUMBNAIL],
        Action::IsIdentity => vec![TIME, FIELD, WINDOW, SCALE, THUMBNAIL],
        Action::BeginSequenceRender | Action::EndSequenceRender => [SEQUENCE, DEVICES].concat(),
        Action::Render => {
            let own = [
                TIME,
                FIELD,
                WINDOW,
                SCALE,
                SEQUENTIAL,
                INTERACTIVE,
                DRAFT,
                NO_SPACE,
                THUMBNAIL,
            ];
            [&own[..], DEVICES].concat()
        }
        _ => Vec::new(),
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
        SetKind::Out(IsIdentity),
    ];
    let params = ParamType::ALL.iter().map(|(kind, _)| SetKind::Param(*kind));
    let actions = [
        DescribeInContext,
        InstanceChanged,
        GetRegionOfDefinition,
        GetRegionsOfInterest,
        GetFramesNeeded,
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

/// Whether a property of that name exists on such an object in OpenFX 1.5, whatever this host has.
pub(crate) fn is_recent(kind: SetKind, name: &CStr) -> bool {
    rows(kind).iter().any(|row| row.recent && row.name == name)
}

/// The texts that a property can have; `None` = any text.
pub(crate) fn allowed(name: &CStr) -> Option<&'static [&'static CStr]> {
    const CONTEXTS: &[&CStr] = &[
        kOfxImageEffectContextFilter,
        kOfxImageEffectContextGeneral,
        kOfxImageEffectContextGenerator,
        kOfxImageEffectContextTransition,
        kOfxImageEffectContextPaint,
        kOfxImageEffectContextRetimer,
    ];
    const COMPONENTS: &[&CStr] = &[
        kOfxImageComponentRGBA,
        kOfxImageComponentRGB,
        kOfxImageComponentAlpha,
        kOfxImageComponentNone,
    ];
    const DEPTHS: &[&CStr] = &[
        kOfxBitDepthByte,
        kOfxBitDepthShort,
        kOfxBitDepthHalf,
        kOfxBitDepthFloat,
        kOfxBitDepthNone,
    ];
    const SAFETY: &[&CStr] = &[
        kOfxImageEffectRenderUnsafe,
        kOfxImageEffectRenderInstanceSafe,
        kOfxImageEffectRenderFullySafe,
    ];
    const PREMULTIPLICATION: &[&CStr] = &[
        kOfxImageOpaque,
        kOfxImagePreMultiplied,
        kOfxImageUnPreMultiplied,
    ];
    const FIELDS: &[&CStr] = &[kOfxImageFieldNone, kOfxImageFieldLower, kOfxImageFieldUpper];
    const EXTRACTION: &[&CStr] = &[
        kOfxImageFieldBoth,
        kOfxImageFieldSingle,
        kOfxImageFieldDoubled,
    ];
    const STRING_MODES: &[&CStr] = &[
        kOfxParamStringIsSingleLine,
        kOfxParamStringIsMultiLine,
        kOfxParamStringIsFilePath,
        kOfxParamStringIsDirectoryPath,
        kOfxParamStringIsLabel,
        kOfxParamStringIsRichTextFormat,
    ];
    const INVALIDATION: &[&CStr] = &[
        kOfxParamInvalidateValueChange,
        kOfxParamInvalidateValueChangeToEnd,
        kOfxParamInvalidateAll,
    ];
    const DOUBLE_TYPES: &[&CStr] = &[
        kOfxParamDoubleTypePlain,
        kOfxParamDoubleTypeScale,
        kOfxParamDoubleTypeAngle,
        kOfxParamDoubleTypeTime,
        kOfxParamDoubleTypeAbsoluteTime,
        kOfxParamDoubleTypeX,
        kOfxParamDoubleTypeY,
        kOfxParamDoubleTypeXAbsolute,
        kOfxParamDoubleTypeYAbsolute,
        kOfxParamDoubleTypeXY,
        kOfxParamDoubleTypeXYAbsolute,
    ];
    const COORDINATES: &[&CStr] = &[
        kOfxParamCoordinatesCanonical,
        kOfxParamCoordinatesNormalised,
    ];
    const SUPPORT: &[&CStr] = &[FALSE, TRUE, c"needed"];
    let table: &[(&CStr, &'static [&'static CStr])] = &[
        (kOfxImageEffectPropSupportedContexts, CONTEXTS),
        (kOfxImageEffectPropContext, CONTEXTS),
        (kOfxImageEffectPropSupportedComponents, COMPONENTS),
        (kOfxImageEffectPropSupportedPixelDepths, DEPTHS),
        (kOfxImageEffectPluginRenderThreadSafety, SAFETY),
        (kOfxImageEffectPropPreMultiplication, PREMULTIPLICATION),
        (kOfxImageClipPropFieldOrder, FIELDS),
        (kOfxImageClipPropFieldExtraction, EXTRACTION),
        (kOfxParamPropStringMode, STRING_MODES),
        (kOfxParamPropCacheInvalidation, INVALIDATION),
        (kOfxParamPropDoubleType, DOUBLE_TYPES),
        (kOfxParamPropDefaultCoordinateSystem, COORDINATES),
        (kOfxImageEffectPropOpenGLRenderSupported, SUPPORT),
        (kOfxImageEffectPropCudaRenderSupported, SUPPORT),
        (kOfxImageEffectPropMetalRenderSupported, SUPPORT),
        (kOfxImageEffectPropOpenCLRenderSupported, SUPPORT),
        (kOfxImageEffectPropCPURenderSupported, SUPPORT),
        (kOfxImageEffectPropNoSpatialAwareness, SUPPORT),
    ];
    table
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, values)| *values)
        .or_else(|| {
            let bytes = name.to_bytes();
            if bytes.starts_with(b"OfxImageClipPropComponents_") {
                Some(COMPONENTS)
            } else if bytes.starts_with(b"OfxImageClipPropDepth_") {
                Some(DEPTHS)
            } else {
                None
            }
        })
}
