//! The group Output: what is written, and what stands in where there is no key.

use super::{Group, Kind, Parameter, at, choice, parameter, shaping};
use crate::keyer::{OnFailure, Output};

/// The group's parameters, in panel order.
pub(super) const PARAMETERS: &[Parameter] = &[
    shaping(parameter(
        "output",
        "Output",
        "What the node writes: Processed is the premultiplied key, Foreground is straight, Composite is the key over Bg or a checker, Screen is an estimated clean plate, and Status is the matte with false colours: black empty, white solid, blue nearly empty, yellow nearly solid, red empty where the hint is solid, green solid where it is empty.",
        Group::Output,
        Kind::Choice(
            &[
                choice("processed", "Processed"),
                choice("matte", "Matte"),
                choice("foreground", "Foreground"),
                choice("composite", "Composite"),
                choice("hint", "Hint"),
                choice("sourceMatte", "Source x Matte"),
                choice("screen", "Screen"),
                choice("status", "Status"),
            ],
            |settings, index| settings.output = at(Output::ALL, index),
        ),
    )),
    parameter(
        "onFailure",
        "On Failure",
        "What is written when a frame cannot be keyed: nothing, so that the render fails, or black or the plate in its place; the reason is shown in any case.",
        Group::Output,
        Kind::Choice(
            &[
                choice("fail", "Fail"),
                choice("black", "Black"),
                choice("plate", "Plate"),
            ],
            |settings, index| settings.on_failure = at(OnFailure::ALL, index),
        ),
    ),
];
