//! The arguments of actions.

use super::Access::{Host, Live};
use super::Type::{Double, Flag, Int, String};
use super::{FALSE, Row, row};
use crate::host::property::Action;
use crate::sys::*;

pub(super) const TIME: Row = row(kOfxPropTime, Double, 1, Host);
pub(super) const SCALE: Row = row(kOfxImageEffectPropRenderScale, Double, 2, Host).double(1.0);
pub(super) const THUMBNAIL: Row = row(kOfxImageEffectPropThumbnailRender, String, 1, Host)
    .string(FALSE)
    .recent();
pub(super) const NO_SPACE: Row = row(kOfxImageEffectPropNoSpatialAwareness, String, 1, Host)
    .string(FALSE)
    .recent();
pub(super) const FIELD: Row =
    row(kOfxImageEffectPropFieldToRender, String, 1, Host).string(kOfxImageFieldNone);
pub(super) const WINDOW: Row = row(kOfxImageEffectPropRenderWindow, Int, 4, Host);
pub(super) const SEQUENTIAL: Row = row(kOfxImageEffectPropSequentialRenderStatus, Flag, 1, Host);
pub(super) const INTERACTIVE: Row = row(kOfxImageEffectPropInteractiveRenderStatus, Flag, 1, Host);
pub(super) const DRAFT: Row = row(kOfxImageEffectPropRenderQualityDraft, Flag, 1, Host);
pub(super) const REASON: Row =
    row(kOfxPropChangeReason, String, 1, Host).string(kOfxChangeUserEdited);

/// Which processors do the work: none but the main one in this host.
pub(super) const DEVICES: &[Row] = &[
    row(kOfxImageEffectPropOpenGLEnabled, Flag, 1, Host),
    row(kOfxImageEffectPropCudaEnabled, Flag, 1, Host),
    row(kOfxImageEffectPropMetalEnabled, Flag, 1, Host),
    row(kOfxImageEffectPropOpenCLEnabled, Flag, 1, Host),
];

pub(super) const SEQUENCE: &[Row] = &[
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

pub(super) const PREFERENCES: &[Row] = &[
    row(kOfxImageEffectPropFrameRate, Double, 1, Live).double(24.0),
    row(kOfxImageClipPropFieldOrder, String, 1, Live).string(kOfxImageFieldNone),
    row(kOfxImageEffectPropPreMultiplication, String, 1, Live).string(kOfxImagePreMultiplied),
    row(kOfxImageClipPropContinuousSamples, Flag, 1, Live),
    row(kOfxImageEffectFrameVarying, Flag, 1, Live),
];

pub(super) fn in_rows(action: Action) -> Vec<Row> {
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
        Action::GetOutputColourspace => {
            vec![row(kOfxImageClipPropPreferredColourspaces, String, 0, Host)]
        }
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
