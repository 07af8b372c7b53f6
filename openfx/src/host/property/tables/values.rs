//! Properties whose texts are words from a list.

use std::ffi::CStr;

use super::{FALSE, TRUE};
use crate::sys::*;

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
