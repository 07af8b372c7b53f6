//! The group Hint: where the rough matte comes from, and what is done to it.

use super::ids::{ANALYSE_SCREEN, SCREEN_MEASURE, SCREEN_PICK};
use super::{Group, Kind, Parameter, animated, at, choice, parameter};
use crate::keyer::{HintChannel, HintMissing, HintSource, ScreenMeasure};

/// The group's parameters, in panel order.
pub(super) const PARAMETERS: &[Parameter] = &[
    parameter(
        "hintSource",
        "Hint Source",
        "Where the rough matte comes from. Auto is the Hint input when it is connected, else a key of the screen colour.",
        Group::Hint,
        Kind::Choice(
            &[
                choice("auto", "Auto"),
                choice("hint", "Hint Input"),
                choice("sourceAlpha", "Source Alpha"),
                choice("screen", "Screen Key"),
            ],
            |settings, index| settings.hint_source = at(HintSource::ALL, index),
        ),
    ),
    parameter(
        "hintChannel",
        "Hint Channel",
        "Which channel of the Hint input is the hint. Auto takes alpha, or the brightness where the clip has no alpha, the host calls it opaque, or a black and white picture has the same alpha everywhere.",
        Group::Hint,
        Kind::Choice(
            &[
                choice("auto", "Auto"),
                choice("alpha", "Alpha"),
                choice("red", "Red"),
                choice("luminance", "Luminance"),
            ],
            |settings, index| settings.hint_channel = at(HintChannel::ALL, index),
        ),
    ),
    parameter(
        "hintMissing",
        "Missing Hint",
        "What happens on frames for which a connected hint or mask has no image: an error, or the nearest frame that has one.",
        Group::Hint,
        Kind::Choice(
            &[choice("error", "Error"), choice("nearest", "Nearest Frame")],
            |settings, index| settings.hint_missing = at(HintMissing::ALL, index),
        ),
    ),
    parameter(
        SCREEN_MEASURE,
        "Screen Measure",
        "Where the screen key knows the screen's colour from: each frame's plate, or the colour in Screen Pick, which holds for a whole shot.",
        Group::Hint,
        Kind::Choice(
            &[choice("measured", "Measured"), choice("picked", "Picked")],
            |settings, index| settings.measure = at(ScreenMeasure::ALL, index),
        ),
    ),
    parameter(
        SCREEN_PICK,
        "Screen Pick",
        "The screen's colour, picked from the plate in the viewer or stored by Analyse Screen; in the colour space of the Source clip.",
        Group::Hint,
        Kind::Rgb {
            default: [0.1, 0.6, 0.2],
            set: |settings, value| settings.pick = value.map(|channel| channel as f32),
        },
    ),
    parameter(
        ANALYSE_SCREEN,
        "Analyse Screen",
        "Measures the screen in the plate at this frame, stores its colour in Screen Pick and switches Screen Measure to Picked.",
        Group::Hint,
        Kind::Button,
    ),
    animated(parameter(
        "hintGrow",
        "Hint Grow",
        "Grows the hint by so many pixels of the full-size plate; below 0 it shrinks.",
        Group::Hint,
        Kind::Double {
            default: 0.0,
            range: (-100.0, 100.0),
            set: |settings, value| settings.shape.grow = value as f32,
        },
    )),
    animated(parameter(
        "hintBlur",
        "Hint Blur",
        "Softens the hint over so many pixels of the full-size plate.",
        Group::Hint,
        Kind::Double {
            default: 0.0,
            range: (0.0, 100.0),
            set: |settings, value| settings.shape.blur = value as f32,
        },
    )),
    animated(parameter(
        "hintGain",
        "Hint Gain",
        "Multiplies the hint.",
        Group::Hint,
        Kind::Double {
            default: 1.0,
            range: (0.0, 10.0),
            set: |settings, value| settings.shape.gain = value as f32,
        },
    )),
    animated(parameter(
        "hintGamma",
        "Hint Gamma",
        "Makes the soft parts of the hint more solid above 1, less below.",
        Group::Hint,
        Kind::Double {
            default: 1.0,
            range: (0.1, 10.0),
            set: |settings, value| settings.shape.gamma = value as f32,
        },
    )),
    parameter(
        "hintInvert",
        "Hint Invert",
        "Takes the hint for a matte of the screen, and not of the subject.",
        Group::Hint,
        Kind::Boolean {
            default: false,
            set: |settings, on| settings.shape.invert = on,
        },
    ),
    parameter(
        "masksOnMatte",
        "Masks on Matte",
        "Holds not only the hint but also the finished matte to the masks: solid inside InM, nothing inside OutM.",
        Group::Hint,
        Kind::Boolean {
            default: true,
            set: |settings, on| settings.masks_on_matte = on,
        },
    ),
];
