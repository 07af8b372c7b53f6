//! The group Setup: plate, screen, model and device.

use super::{Group, Kind, Parameter, at, choice, parameter, shaping};
use crate::keyer::{Encoding, OutputColour, Resolution, ScreenColour};
use crate::network::{DeviceChoice, PrecisionChoice};

/// The group's parameters, in panel order.
pub(super) const PARAMETERS: &[Parameter] = &[
    parameter(
        "screenColor",
        "Screen Colour",
        "The colour of the screen behind the subject. Auto looks at each frame and says green unless another colour is far ahead; name the colour for a whole shot.",
        Group::Setup,
        Kind::Choice(
            &[
                choice("auto", "Auto"),
                choice("green", "Green"),
                choice("blue", "Blue"),
                choice("red", "Red"),
            ],
            |settings, index| settings.screen = at(ScreenColour::ALL, index),
        ),
    ),
    parameter(
        "inputColor",
        "Input Colour",
        "How the Source clip is encoded. Auto asks the host, or goes by host and bit depth (usually floats linear, 8 and 16 bits sRGB), never by the picture; Read as, below, says what came out and why.",
        Group::Setup,
        Kind::Choice(
            &[
                choice("auto", "Auto"),
                choice("srgb", "sRGB"),
                choice("linear", "Linear (Rec.709)"),
                choice("rec709", "Rec.709 (camera)"),
                choice("bt1886", "BT.1886 (gamma 2.4)"),
                choice("gamma22", "Gamma 2.2"),
                choice("displayP3", "Display P3"),
                choice("rec2020Linear", "Linear (Rec.2020)"),
                choice("acescg", "ACEScg"),
                choice("aces2065", "ACES2065-1"),
                choice("acescct", "ACEScct"),
                choice("cineon", "Cineon"),
                choice("logc3", "ARRI LogC3 (EI 800)"),
                choice("logc4", "ARRI LogC4"),
                choice("slog3Cine", "Sony S-Log3 (S-Gamut3.Cine)"),
                choice("slog3", "Sony S-Log3 (S-Gamut3)"),
                choice("log3g10", "RED Log3G10"),
                choice("vlog", "Panasonic V-Log"),
                choice("clog2", "Canon Log 2"),
                choice("clog3", "Canon Log 3"),
                choice("bmdFilm5", "Blackmagic Film Gen 5"),
                choice("davinciIntermediate", "DaVinci Intermediate"),
                choice("appleLog", "Apple Log"),
            ],
            |settings, index| {
                settings.input = index.checked_sub(1).map(|index| at(Encoding::ALL, index));
            },
        ),
    ),
    shaping(parameter(
        "outputColor",
        "Output Colour",
        "How colour is written: as the Source clip is encoded, or as scene-linear Rec.709. Matte, Hint and other data are never converted.",
        Group::Setup,
        Kind::Choice(
            &[
                choice("same", "Same as Input"),
                choice("linear", "Linear (Rec.709)"),
            ],
            |settings, index| settings.output_colour = at(OutputColour::ALL, index),
        ),
    )),
    parameter(
        "model",
        "Model",
        "Id of the model, or id@version. Empty is the model that ships with the plug-in.",
        Group::Setup,
        Kind::Text(|settings, text| settings.model = text),
    ),
    parameter(
        "resolution",
        "Resolution",
        "Size at which the network sees the plate: the long side in pixels. Auto depends on the plate and the model alone, so every machine gives the same picture.",
        Group::Setup,
        Kind::Choice(
            &[
                choice("auto", "Auto"),
                choice("512", "512"),
                choice("1024", "1024"),
                choice("1536", "1536"),
                choice("2048", "2048"),
                choice("full", "Full"),
            ],
            |settings, index| settings.resolution = at(Resolution::ALL, index),
        ),
    ),
    parameter(
        "device",
        "Device",
        "Where the network runs. Auto tries CUDA, CoreML and CPU in this order; a device chosen by name fails the render when it is not there.",
        Group::Setup,
        Kind::Choice(
            &[
                choice("auto", "Auto"),
                choice("cuda", "CUDA"),
                choice("coreml", "CoreML"),
                choice("cpu", "CPU"),
            ],
            |settings, index| settings.device = at(DeviceChoice::ALL, index),
        ),
    ),
    parameter(
        "precision",
        "Precision",
        "Arithmetic of the network. Auto is fp32 on the CPU, and elsewhere what the model prefers; one chosen by name fails the render when the model does not have it. A model that gives no numbers in fp16 is run in fp32 instead, and the panel says so.",
        Group::Setup,
        Kind::Choice(
            &[
                choice("auto", "Auto"),
                choice("fp16", "fp16"),
                choice("fp32", "fp32"),
            ],
            |settings, index| settings.precision = at(PrecisionChoice::ALL, index),
        ),
    ),
];
