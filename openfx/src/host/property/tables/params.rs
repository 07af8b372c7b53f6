//! The properties of parameters, which differ from kind to kind.

use super::Access::{Describe, Host, Live};
use super::Type::{Double, Flag, Int, Pointer, String};
use super::{Initial, Row, row};
use crate::host::value::ParamType;
use crate::sys::*;

/// What every parameter has.
pub(super) const PARAM: &[Row] = &[
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
pub(super) const VALUE_PARAM: &[Row] = &[
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
pub(super) const INTERACT_PARAM: &[Row] = &[
    row(kOfxParamPropInteractV1, Pointer, 1, Describe),
    row(kOfxParamPropInteractSize, Double, 2, Describe),
    row(kOfxParamPropInteractSizeAspect, Double, 1, Describe).double(1.0),
    row(kOfxParamPropInteractMinimumSize, Int, 2, Describe).int(10),
    row(kOfxParamPropInteractPreferedSize, Int, 2, Describe).int(10),
];

/// The properties that distinguish one kind of parameter from another.
pub(super) fn param_rows(kind: ParamType) -> Vec<Row> {
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
