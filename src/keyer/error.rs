//! What can be wrong with a picture, in sentences a compositor can act on.

use super::image::{Size, Window};

/// Everything that the keyer can refuse. Nothing in here is about devices, files or hosts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A picture without pixels.
    #[error(
        "the {what} is {size} pixels and holds no picture; connect a clip that has an image at this frame"
    )]
    Empty {
        /// Which picture: `plate`, `hint`, …
        what: &'static str,
        /// Its size.
        size: Size,
    },
    /// Two pictures that must be the same size are not.
    #[error(
        "the {what} is {found} pixels where {expected} are needed; scale or reformat the {what} to that size"
    )]
    SizeMismatch {
        /// Which picture is of the wrong size.
        what: &'static str,
        /// The size it must have.
        expected: Size,
        /// The size it has.
        found: Size,
    },
    /// A picture with another number of planes than the step works on.
    #[error(
        "the {what} has {found} channels where {expected} are needed; convert it before it is keyed"
    )]
    Channels {
        /// Which picture.
        what: &'static str,
        /// The numbers of channels that are understood, in words: `1, 3 or 4`.
        expected: &'static str,
        /// The number it has.
        found: usize,
    },
    /// A buffer that does not hold the picture it is said to hold.
    #[error(
        "a buffer of {found} values cannot hold {size} pixels of {channels} channels ({expected} values); this is a mistake in CorridorKey: please report it with the plug-in's log"
    )]
    BufferLength {
        /// The picture's size.
        size: Size,
        /// Its channels.
        channels: usize,
        /// Values that such a picture has.
        expected: usize,
        /// Values that were given.
        found: usize,
    },
    /// A picture that there is no memory for.
    #[error(
        "there is no memory for a picture of {size} pixels ({megabytes} MB); crop the plate, close other work, or render at a smaller scale"
    )]
    Memory {
        /// The picture's size.
        size: Size,
        /// What it needs.
        megabytes: u64,
    },
    /// A frame whose pictures need more memory than the machine has to spare.
    #[error(
        "a frame of {size} pixels needs {needed_mb} MB for its pictures, and this machine has {budget_mb} MB to spare; crop what is connected to Source and Hint to the picture, or render at a smaller scale"
    )]
    FrameTooLarge {
        /// The plate's size.
        size: Size,
        /// Megabytes that the pictures of the frame need.
        needed_mb: u64,
        /// Megabytes that they may need.
        budget_mb: u64,
    },
    /// A window that reaches outside the picture.
    #[error(
        "the window {window} reaches outside the picture of {size} pixels; this is a mistake in CorridorKey: please report it with the plug-in's log"
    )]
    Window {
        /// The window.
        window: Window,
        /// The picture's size.
        size: Size,
    },
    /// Rows that were not finished, so that they cannot be composed.
    #[error(
        "row {row} was asked for, but the key holds rows {first} to {last} only; this is a mistake in CorridorKey: please report it with the plug-in's log"
    )]
    Row {
        /// The row that was asked for.
        row: usize,
        /// The first row there is.
        first: usize,
        /// One past the last row there is.
        last: usize,
    },
    /// An output was asked for without the picture it shows.
    #[error(
        "the output \"{output}\" shows the {layer}, which was not made; this is a mistake in CorridorKey: please report it with the plug-in's log"
    )]
    MissingLayer {
        /// The stable name of the output.
        output: &'static str,
        /// What it needs.
        layer: &'static str,
    },
    /// A picked screen colour that no screen has.
    #[error(
        "Screen Pick has no colour that a {screen} screen could have; pick it from the screen in the viewer, press Analyse Screen, or set Screen Measure to Measured"
    )]
    ScreenPick {
        /// The stable name of the screen's colour.
        screen: &'static str,
    },
    /// A model whose size rule leaves no size at all.
    #[error(
        "the model's sizes contradict each other (multiple of {multiple}, at least {min}, at most {max_long} pixels); correct [size] in its model.toml"
    )]
    SizeRule {
        /// The multiple that both sides must be.
        multiple: usize,
        /// The least side.
        min: usize,
        /// The longest side.
        max_long: usize,
    },
    /// A model whose normalisation would divide by zero or make nothing finite.
    #[error(
        "the model's normalisation has a standard deviation or mean that cannot be used ({value}); correct [input] in its model.toml"
    )]
    Normalisation {
        /// The offending value, as text.
        value: String,
    },
    /// A choice whose number this version does not know.
    #[error(
        "choice {index} of {setting} is not known here (0 to {last} are); it was saved by a newer version: choose again, or update the plug-in"
    )]
    UnknownIndex {
        /// The setting.
        setting: &'static str,
        /// The number.
        index: i32,
        /// The last known number.
        last: usize,
    },
    /// A choice whose name this version does not know.
    #[error("\"{id}\" is no choice of {setting}; use one of: {known}")]
    UnknownId {
        /// The setting.
        setting: &'static str,
        /// The name.
        id: String,
        /// All known names.
        known: String,
    },
}

impl Error {
    /// The stable name of this error, for scripts: lower case, dotted, never reworded.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty { .. } => "picture.empty",
            Self::SizeMismatch { .. } => "picture.size",
            Self::Channels { .. } => "picture.channels",
            Self::BufferLength { .. } => "picture.buffer",
            Self::Memory { .. } | Self::FrameTooLarge { .. } => "picture.memory",
            Self::Window { .. } => "picture.window",
            Self::Row { .. } => "picture.row",
            Self::MissingLayer { .. } => "picture.layer",
            Self::ScreenPick { .. } => "setting.screen-pick",
            Self::SizeRule { .. } => "model.size-rule",
            Self::Normalisation { .. } => "model.normalisation",
            Self::UnknownIndex { .. } | Self::UnknownId { .. } => "setting.unknown",
        }
    }

    /// True when memory is short.
    pub fn is_out_of_memory(&self) -> bool {
        matches!(self, Self::Memory { .. } | Self::FrameTooLarge { .. })
    }

    /// True when somebody stopped the work. The keyer's steps are too short to be stopped, so
    /// none of its errors is one.
    pub fn is_abort(&self) -> bool {
        false
    }
}

/// [`std::result::Result`] with the keyer's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_say_what_why_and_what_to_do() {
        let error = Error::SizeMismatch {
            what: "hint",
            expected: Size::new(1920, 1080),
            found: Size::new(1280, 720),
        };
        assert_eq!(
            error.to_string(),
            "the hint is 1280x720 pixels where 1920x1080 are needed; \
             scale or reformat the hint to that size"
        );
        assert_eq!(error.code(), "picture.size");
        assert!(!error.is_abort());
    }
}
