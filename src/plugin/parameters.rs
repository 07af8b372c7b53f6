//! The one table of parameters.
//!
//! Describe, read, the command's `--set id=value`, the README's table and the tests are derived
//! from [`TABLE`]. Ids, choice ids and defaults are a contract with saved projects: choices are
//! append-only, because a classic OpenFX choice stores its index, and a snapshot test guards the
//! rest.

use super::settings::Settings;
use crate::keyer::{
    DespillMethod, Detail, Encoding, HintChannel, HintMissing, HintShape, HintSource, MatteShape,
    OnFailure, Output, OutputColour, Resolution, ScreenColour, ScreenMeasure, Upsampling,
};
use crate::network::{DeviceChoice, PrecisionChoice};

/// The groups of the panel, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Plate, screen, model and device.
    Setup,
    /// The hint.
    Hint,
    /// Alpha.
    Matte,
    /// Colour of the foreground.
    Foreground,
    /// What is written.
    Output,
    /// What the node reports.
    Status,
}

impl Group {
    /// Every group, in panel order.
    pub const ALL: [Self; 6] = [
        Self::Setup,
        Self::Hint,
        Self::Matte,
        Self::Foreground,
        Self::Output,
        Self::Status,
    ];

    /// Stable id and visible name.
    pub const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Setup => ("groupSetup", "Setup"),
            Self::Hint => ("groupHint", "Hint"),
            Self::Matte => ("groupMatte", "Matte"),
            Self::Foreground => ("groupForeground", "Foreground"),
            Self::Output => ("groupOutput", "Output"),
            Self::Status => ("groupStatus", "Status"),
        }
    }
}

/// One entry of a choice: what is saved, and what is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// Stable id, never reworded.
    pub id: &'static str,
    /// What the menu says. Stable too: some hosts store it.
    pub label: &'static str,
}

const fn choice(id: &'static str, label: &'static str) -> Choice {
    Choice { id, label }
}

/// What kind of control a parameter is, with its default and range.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// One of a list; the default is the first entry.
    Choice(&'static [Choice], fn(&mut Settings, usize)),
    /// A number.
    Double {
        /// Default.
        default: f64,
        /// Smallest and largest value.
        range: (f64, f64),
        /// Where it goes.
        set: fn(&mut Settings, f64),
    },
    /// A whole number.
    Integer {
        /// Default.
        default: i32,
        /// Smallest and largest value.
        range: (i32, i32),
        /// The slider's ends.
        slider: (i32, i32),
        /// Where it goes.
        set: fn(&mut Settings, i32),
    },
    /// On or off.
    Boolean {
        /// Default.
        default: bool,
        /// Where it goes.
        set: fn(&mut Settings, bool),
    },
    /// A colour that the host's picker can pick from a viewer: red, green and blue as they are in
    /// the clip.
    Rgb {
        /// Default.
        default: [f64; 3],
        /// Where it goes.
        set: fn(&mut Settings, [f64; 3]),
    },
    /// A line of text; empty by default.
    Text(fn(&mut Settings, String)),
    /// A read-only line that the node fills: not saved, not undoable, evaluates nothing.
    Label,
    /// Something to press.
    Button,
}

/// One parameter.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// Stable id: what projects store and scripts set.
    pub id: &'static str,
    /// What the panel calls it.
    pub label: &'static str,
    /// The tooltip.
    pub hint: &'static str,
    /// Where it sits.
    pub group: Group,
    /// What it is.
    pub kind: Kind,
    /// Whether it may be animated.
    pub animates: bool,
    /// Whether it changes the clip preferences (and therefore must not animate).
    pub shapes_output: bool,
}

const fn parameter(
    id: &'static str,
    label: &'static str,
    hint: &'static str,
    group: Group,
    kind: Kind,
) -> Parameter {
    Parameter {
        id,
        label,
        hint,
        group,
        kind,
        animates: false,
        shapes_output: false,
    }
}

const fn animated(mut parameter: Parameter) -> Parameter {
    parameter.animates = true;
    parameter
}

const fn shaping(mut parameter: Parameter) -> Parameter {
    parameter.shapes_output = true;
    parameter
}

/// Every parameter, in panel order.
pub static TABLE: &[Parameter] = &[
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
        "Removes islands of the matte that are smaller than Despeckle Size.",
        Group::Matte,
        Kind::Boolean {
            default: true,
            set: |settings, on| settings.despeckle = on,
        },
    ),
    animated(parameter(
        "despeckleSize",
        "Despeckle Size",
        "Smallest island that is kept, in pixels of the full-size plate.",
        Group::Matte,
        Kind::Integer {
            default: 400,
            range: (1, 1_000_000),
            slider: (50, 2000),
            set: |settings, value| settings.despeckle_size = value.max(1).unsigned_abs(),
        },
    )),
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
        "How the model's matte is brought to the size of a plate that is larger than what the model sees. Guided follows what the plate shows in between: finer hair.",
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
        "detailShrink",
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
        "detailFeather",
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
    parameter(
        STATUS_MODEL,
        "Model in use",
        "The model of the last render of this node.",
        Group::Status,
        Kind::Label,
    ),
    parameter(
        STATUS_DEVICE,
        "Device in use",
        "The device of the last render, and why the ones before it were passed over.",
        Group::Status,
        Kind::Label,
    ),
    parameter(
        STATUS_SIZE,
        "Network size",
        "The size at which the network saw the last frame.",
        Group::Status,
        Kind::Label,
    ),
    parameter(
        STATUS_TIME,
        "Last frame",
        "How long the last frame took.",
        Group::Status,
        Kind::Label,
    ),
    parameter(
        STATUS_READING,
        "Read as",
        "How the last frame was read: its encoding, the colour of its screen, and where the hint came from.",
        Group::Status,
        Kind::Label,
    ),
    parameter(
        REFRESH_STATUS,
        "Refresh Status",
        "Reads the five lines above anew.",
        Group::Status,
        Kind::Button,
    ),
    parameter(
        PURGE_CACHES,
        "Purge Caches",
        "Forgets every prediction and every idle network session, and gives their memory back.",
        Group::Status,
        Kind::Button,
    ),
    parameter(
        WARM_UP,
        "Warm Up",
        "Loads the model and prepares it for this plate's size, so that the first frame does not wait for it.",
        Group::Status,
        Kind::Button,
    ),
];

/// Id of the number that says how much neighbouring frames count.
pub const STABILISE: &str = "stabilise";
/// Id of the choice where the screen's colour is known from.
pub const SCREEN_MEASURE: &str = "screenMeasure";
/// Id of the screen's picked colour.
pub const SCREEN_PICK: &str = "screenPick";
/// Id of the button that stores the screen's colour.
pub const ANALYSE_SCREEN: &str = "analyseScreen";
/// Id of the button that makes the first frame fast.
pub const WARM_UP: &str = "warmUp";
/// Id of the label that names the model.
pub const STATUS_MODEL: &str = "statusModel";
/// Id of the label that names the device.
pub const STATUS_DEVICE: &str = "statusDevice";
/// Id of the label that gives the network size.
pub const STATUS_SIZE: &str = "statusSize";
/// Id of the label that gives the last frame's time.
pub const STATUS_TIME: &str = "statusTime";
/// Id of the label that says how plate and hint were read.
pub const STATUS_READING: &str = "statusReading";
/// Id of the button that refreshes the labels.
pub const REFRESH_STATUS: &str = "refreshStatus";
/// Id of the button that empties the caches.
pub const PURGE_CACHES: &str = "purgeCaches";

/// The entry of a choice. Whoever reads an index from a host or a user holds it against the table's
/// list first, which has an entry for each of `all`.
fn at<T: Copy>(all: &[T], index: usize) -> T {
    all[index]
}

impl Default for Settings {
    /// The table's defaults.
    fn default() -> Self {
        let mut settings = Self {
            output: Output::ALL[0],
            hint_source: HintSource::ALL[0],
            hint_channel: HintChannel::ALL[0],
            hint_missing: HintMissing::ALL[0],
            measure: ScreenMeasure::ALL[0],
            pick: [0.0; 3],
            shape: HintShape::default(),
            masks_on_matte: false,
            on_failure: OnFailure::ALL[0],
            screen: ScreenColour::ALL[0],
            input: None,
            output_colour: OutputColour::ALL[0],
            model: String::new(),
            resolution: Resolution::ALL[0],
            device: DeviceChoice::ALL[0],
            precision: PrecisionChoice::ALL[0],
            refiner_strength: 0.0,
            matte: MatteShape::NEUTRAL,
            despill_method: DespillMethod::ALL[0],
            despill_strength: 0.0,
            source_detail: false,
            detail: Detail::default(),
            restore_range: false,
            despeckle: false,
            despeckle_size: 0,
            hole_size: 0,
            upsampling: Upsampling::ALL[0],
            stabilise: 0.0,
        };
        for parameter in TABLE {
            match parameter.kind {
                Kind::Choice(_, set) => set(&mut settings, 0),
                Kind::Double { default, set, .. } => set(&mut settings, default),
                Kind::Integer { default, set, .. } => set(&mut settings, default),
                Kind::Boolean { default, set } => set(&mut settings, default),
                Kind::Rgb { default, set } => set(&mut settings, default),
                Kind::Text(set) => set(&mut settings, String::new()),
                Kind::Label | Kind::Button => {}
            }
        }
        settings
    }
}
