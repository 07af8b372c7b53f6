//! The group Matte: alpha, from the refiner to the last blur.

use super::ids::STABILISE;
use super::{Group, Kind, Parameter, animated, at, choice, parameter};
use crate::keyer::{DespeckleMethod, Upsampling};

/// The group's parameters, in panel order.
pub(super) const PARAMETERS: &[Parameter] = &[
    animated(parameter(
        "refinerStrength",
        "Refiner Strength",
        "How much of the model's edge refinement is applied; 1 is as trained. Models without a refiner ignore it.",
        Group::Matte,
        Kind::Double {
            default: 1.0,
            range: (0.0, 3.0),
            set: |settings, value| settings.refiner_strength = value as f32,
        },
    )),
    animated(parameter(
        "clipBlack",
        "Clip Black",
        "Alpha up to this becomes 0: cleans a grey screen.",
        Group::Matte,
        Kind::Double {
            default: 0.0,
            range: (0.0, 1.0),
            set: |settings, value| settings.matte.clip_black = value as f32,
        },
    )),
    animated(parameter(
        "clipWhite",
        "Clip White",
        "Alpha from this on becomes 1: makes a thin subject solid.",
        Group::Matte,
        Kind::Double {
            default: 1.0,
            range: (0.0, 1.0),
            set: |settings, value| settings.matte.clip_white = value as f32,
        },
    )),
    animated(parameter(
        "matteGamma",
        "Matte Gamma",
        "Above 1 soft edges become more solid, below 1 thinner; what is solid or empty stays.",
        Group::Matte,
        Kind::Double {
            default: 1.0,
            range: (0.1, 10.0),
            set: |settings, value| settings.matte.gamma = value as f32,
        },
    )),
    animated(parameter(
        "shrinkGrow",
        "Shrink/Grow",
        "Moves the matte's edges outwards, or inwards below 0, in pixels of the full-size plate.",
        Group::Matte,
        Kind::Double {
            default: 0.0,
            range: (-50.0, 50.0),
            set: |settings, value| settings.matte.grow = value as f32,
        },
    )),
    animated(parameter(
        "edgeBlur",
        "Edge Blur",
        "Blurs the matte after everything else: the deviation of a Gaussian, in pixels of the full-size plate.",
        Group::Matte,
        Kind::Double {
            default: 0.0,
            range: (0.0, 50.0),
            set: |settings, value| settings.matte.blur = value as f32,
        },
    )),
    parameter(
        "despeckle",
        "Despeckle",
        "Removes islands of the matte that are smaller than Despeckle Size: tracking marks, dust and noise that the model has left in the screen.",
        Group::Matte,
        Kind::Boolean {
            default: true,
            set: |settings, on| settings.despeckle = on,
        },
    ),
    animated(parameter(
        "despeckleSize",
        "Despeckle Size",
        "Smallest island that is kept, in pixels of the full-size plate. Transparent pixels count for less.",
        Group::Matte,
        Kind::Integer {
            default: 400,
            range: (1, 1_000_000),
            slider: (50, 2000),
            set: |settings, value| settings.despeckle_size = value.max(1).unsigned_abs(),
        },
    )),
    parameter(
        "despeckleMethod",
        "Despeckle Method",
        "Islands takes out what stands alone in the screen; whatever hangs on the subject, however thin and faint, stays as it is, as do islands close to it and those that the hint covers. CorridorKey goes by solid pixels alone, as the original program does: it also takes hair, whiskers and smoke that reach far from them.",
        Group::Matte,
        Kind::Choice(
            &[
                choice("islands", "Islands"),
                choice("corridorKey", "CorridorKey"),
            ],
            |settings, index| settings.despeckle_method = at(DespeckleMethod::ALL, index),
        ),
    ),
    animated(parameter(
        "holeSize",
        "Hole Size",
        "Fills holes of the matte that are smaller than this, in pixels of the full-size plate; 0 fills none. Far from the subject's outline whatever is more than half solid becomes solid.",
        Group::Matte,
        Kind::Integer {
            default: 0,
            range: (0, 1_000_000),
            slider: (0, 2000),
            set: |settings, value| settings.hole_size = value.max(0).unsigned_abs(),
        },
    )),
    parameter(
        "upsampling",
        "Upsampling",
        "How the model's matte is brought to the size of a plate that is larger than what the model sees. Guided follows what the plate shows in between: finer hair, but in grainy plates with little of it Lanczos is nearer to the truth.",
        Group::Matte,
        Kind::Choice(
            &[choice("lanczos", "Lanczos"), choice("guided", "Guided")],
            |settings, index| settings.upsampling = at(Upsampling::ALL, index),
        ),
    ),
    animated(parameter(
        STABILISE,
        "Stabilise",
        "Steadies soft edges that waver with the grain: the mattes of the frame before and the one after count too, up to as much as the frame's own, but only where the plates differ by no more than grain. 0 is off, and asks for no other frames.",
        Group::Matte,
        Kind::Double {
            default: 0.0,
            range: (0.0, 1.0),
            set: |settings, value| settings.stabilise = value as f32,
        },
    )),
];
