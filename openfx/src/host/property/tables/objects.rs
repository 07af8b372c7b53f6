//! The properties of hosts, effects, clips, parameter sets and images.

use super::Access::{Describe, Host, Live};
use super::Type::{Double, Flag, Int, Pointer, String};
use super::{FALSE, Row, TRUE, row};
use crate::sys::*;

pub(super) const HOST: &[Row] = &[
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

pub(super) const EFFECT_DESCRIPTOR: &[Row] = &[
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

pub(super) const EFFECT_INSTANCE: &[Row] = &[
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

pub(super) const CLIP_DESCRIPTOR: &[Row] = &[
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

pub(super) const CLIP_INSTANCE: &[Row] = &[
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

pub(super) const PARAM_SET: &[Row] = &[
    row(kOfxPropParamSetNeedsSyncing, Flag, 1, Live),
    row(kOfxPluginPropParamPageOrder, String, 0, Describe),
];

pub(super) const IMAGE: &[Row] = &[
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
