//! The group Foreground: what is done to the straight colour.

use super::ids::{DETAIL_FEATHER, DETAIL_SHRINK};
use super::{Group, Kind, Parameter, animated, at, choice, parameter};
use crate::keyer::DespillMethod;

/// The group's parameters, in panel order.
pub(super) const PARAMETERS: &[Parameter] = &[
    parameter(
        "despillMethod",
        "Despill Method",
        "How much of the screen's colour a pixel may have: the mean of its other two channels, the mean with the larger counted twice, or the larger alone, which spares yellow and cyan. Neutral is Average with the brightness of what was removed given back as grey.",
        Group::Foreground,
        Kind::Choice(
            &[
                choice("average", "Average"),
                choice("doubleAverage", "Double Average"),
                choice("limit", "Limit"),
                choice("neutral", "Neutral"),
            ],
            |settings, index| settings.despill_method = at(DespillMethod::ALL, index),
        ),
    ),
    animated(parameter(
        "despillStrength",
        "Despill Strength",
        "How much of the screen's colour is taken out of the foreground. 1 is the original CorridorKey's way; it tints blond hair and other yellows, which half of it leaves as they are.",
        Group::Foreground,
        Kind::Double {
            default: 0.5,
            range: (0.0, 1.0),
            set: |settings, value| settings.despill_strength = value as f32,
        },
    )),
    parameter(
        "sourceDetail",
        "Source Detail",
        "Brings the plate's own pixels back where the matte is solid: grain and texture, but also the screen's light that the model took out of the subject. Edges keep the model's colour.",
        Group::Foreground,
        Kind::Boolean {
            default: false,
            set: |settings, on| settings.source_detail = on,
        },
    ),
    animated(parameter(
        DETAIL_SHRINK,
        "Detail Shrink",
        "Distance from the matte's edge up to which Source Detail brings nothing back, in pixels of the full-size plate.",
        Group::Foreground,
        Kind::Double {
            default: 3.0,
            range: (0.0, 100.0),
            set: |settings, value| settings.detail.shrink = value as f32,
        },
    )),
    animated(parameter(
        DETAIL_FEATHER,
        "Detail Feather",
        "Width of the fade from the model's colour to the plate's, in pixels of the full-size plate.",
        Group::Foreground,
        Kind::Double {
            default: 7.0,
            range: (0.0, 100.0),
            set: |settings, value| settings.detail.feather = value as f32,
        },
    )),
    parameter(
        "restoreRange",
        "Restore Range",
        "Brings the plate's light above white and below black back, which the model cannot say: in solid areas as it is, above white also at edges, unmixed from the screen.",
        Group::Foreground,
        Kind::Boolean {
            default: true,
            set: |settings, on| settings.restore_range = on,
        },
    ),
];
