//! The one table of parameters, a file for each group of the panel.
//!
//! Describe, read, the command's `--set id=value`, the README's table and the tests are derived
//! from it ([`all`]). Ids, choice ids and defaults are a contract with saved projects: choices are
//! append-only, because a classic OpenFX choice stores its index, and a snapshot test guards the
//! rest.

mod foreground;
mod hint;
mod ids;
mod matte;
mod output;
mod setup;
mod status;

pub use ids::*;

use super::settings::Settings;
use crate::keyer::{
    DespeckleMethod, DespillMethod, Detail, HintChannel, HintMissing, HintShape, HintSource,
    MatteShape, OnFailure, Output, OutputColour, Resolution, ScreenColour, ScreenMeasure,
    Upsampling,
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

/// The groups' parameters, in panel order.
static TABLE: [&[Parameter]; 6] = [
    setup::PARAMETERS,
    hint::PARAMETERS,
    matte::PARAMETERS,
    foreground::PARAMETERS,
    output::PARAMETERS,
    status::PARAMETERS,
];

/// Every parameter, in panel order.
pub fn all() -> impl Iterator<Item = &'static Parameter> {
    TABLE.into_iter().flatten()
}

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
            despeckle_method: DespeckleMethod::ALL[0],
            hole_size: 0,
            upsampling: Upsampling::ALL[0],
            stabilise: 0.0,
        };
        for parameter in all() {
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
