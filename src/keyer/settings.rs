//! What a user can choose, as plain values.
//!
//! Every choice is an enum whose *order* and whose ids are a contract with saved projects: classic
//! hosts store the number, newer ones the id. Lists grow at the end only.

/// Declares a choice: variants in their stored order, each with its stable id.
macro_rules! choice {
    (
        $(#[$meta:meta])*
        $name:ident, $setting:literal {
            $( $(#[$variant_meta:meta])* $variant:ident = $id:literal, )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $( $(#[$variant_meta])* $variant, )+
        }

        impl $name {
            /// Every choice, in the order in which hosts store it.
            pub const ALL: &'static [Self] = &[$( Self::$variant, )+];

            /// The stable id of this choice.
            pub const fn id(self) -> &'static str {
                match self {
                    $( Self::$variant => $id, )+
                }
            }

            /// The number under which hosts store this choice.
            pub const fn index(self) -> i32 {
                self as i32
            }

            /// The choice stored under a number.
            ///
            /// # Errors
            /// [`UnknownIndex`](crate::keyer::Error::UnknownIndex) when this version has no such choice.
            pub fn from_index(index: i32) -> $crate::keyer::Result<Self> {
                usize::try_from(index)
                    .ok()
                    .and_then(|index| Self::ALL.get(index).copied())
                    .ok_or($crate::keyer::Error::UnknownIndex {
                        setting: $setting,
                        index,
                        last: Self::ALL.len() - 1,
                    })
            }

            /// The choice with a stable id.
            ///
            /// # Errors
            /// [`UnknownId`](crate::keyer::Error::UnknownId) when this version has no such choice.
            pub fn from_id(id: &str) -> $crate::keyer::Result<Self> {
                Self::ALL
                    .iter()
                    .copied()
                    .find(|choice| choice.id() == id)
                    .ok_or_else(|| $crate::keyer::Error::UnknownId {
                        setting: $setting,
                        id: id.to_owned(),
                        known: Self::ALL
                            .iter()
                            .map(|choice| choice.id())
                            .collect::<Vec<_>>()
                            .join(", "),
                    })
            }
        }
    };
}

pub(crate) use choice;

choice! {
    /// The picture that is delivered.
    Output, "output" {
        /// The keyed subject, ready to be put over a background: premultiplied.
        Processed = "processed",
        /// Alpha as a picture: the same value in every channel. Data, never colour-converted.
        Matte = "matte",
        /// The subject's colour without the screen's light, straight, with alpha beside it.
        Foreground = "foreground",
        /// The subject over the Bg clip, or over a grey checkerboard, opaque.
        Composite = "composite",
        /// The hint that the network was given. Data, never colour-converted.
        Hint = "hint",
        /// The plate as it came, multiplied by the new alpha.
        SourceMatte = "sourceMatte",
        /// The screen without the subject, as far as the plate tells: opaque.
        Screen = "screen",
        /// The matte in grey, with colours where something is worth a look: opaque.
        Status = "status",
    }
}

choice! {
    /// Where the hint comes from.
    HintSource, "hintSource" {
        /// The Hint clip when one is connected, else the screen's colour.
        Auto = "auto",
        /// The Hint clip.
        Hint = "hint",
        /// The plate's own alpha.
        SourceAlpha = "sourceAlpha",
        /// A coarse key of the screen's colour.
        Screen = "screen",
    }
}

choice! {
    /// What happens when a hint or a mask is connected and has no image at a frame.
    HintMissing, "hintMissing" {
        /// The frame fails, with a sentence.
        Error = "error",
        /// The nearest frame that has one is taken.
        Nearest = "nearest",
    }
}

choice! {
    /// Where the screen's colour is known from.
    ScreenMeasure, "screenMeasure" {
        /// It is measured in each frame's plate.
        Measured = "measured",
        /// It was picked by the user, or stored by the Analyse button.
        Picked = "picked",
    }
}

choice! {
    /// What is delivered in place of a picture that could not be made.
    OnFailure, "onFailure" {
        /// Nothing: the frame fails.
        Fail = "fail",
        /// Transparent black.
        Black = "black",
        /// The plate as it came.
        Plate = "plate",
    }
}

choice! {
    /// Which channel of the Hint clip is read.
    HintChannel, "hintChannel" {
        /// By the clip's components, its alpha and its colour ([`super::hint`] has the rule).
        Auto = "auto",
        /// Alpha.
        Alpha = "alpha",
        /// Red.
        Red = "red",
        /// Rec. 709 luminance of the values as they are.
        Luminance = "luminance",
    }
}

choice! {
    /// The colour of the screen, as the user says it.
    ScreenColour, "screenColor" {
        /// Found in the plate.
        Auto = "auto",
        /// A green screen.
        Green = "green",
        /// A blue screen.
        Blue = "blue",
        /// A red screen.
        Red = "red",
    }
}

choice! {
    /// How what is written is encoded.
    OutputColour, "outputColor" {
        /// As the plate is.
        Same = "same",
        /// Scene-linear, primaries of Rec. 709.
        Linear = "linear",
    }
}

choice! {
    /// The size at which the network works.
    Resolution, "resolution" {
        /// The model's own rule ([`super::geometry`]).
        Auto = "auto",
        /// 512 pixels.
        Long512 = "512",
        /// 1024 pixels.
        Long1024 = "1024",
        /// 1536 pixels.
        Long1536 = "1536",
        /// 2048 pixels.
        Long2048 = "2048",
        /// The plate's own size, as far as the model allows.
        Full = "full",
    }
}

choice! {
    /// How the network's picture is brought back to the plate's size.
    Upsampling, "upsampling" {
        /// Eight-tap Lanczos, as the original does it.
        Lanczos = "lanczos",
        /// Alpha follows what the plate shows between the network's pixels ([`super::guided`]).
        Guided = "guided",
    }
}

choice! {
    /// Which islands of the matte go ([`super::despeckle`]).
    DespeckleMethod, "despeckleMethod" {
        /// Small ones that stand alone. What hangs on something large, however faintly, stays as it
        /// is, and so does what lies near it and what the hint asks for.
        Islands = "islands",
        /// The original's way: everything far from what is solid and large.
        CorridorKey = "corridorKey",
    }
}

choice! {
    /// What of a foreground's screen channel counts as spill.
    DespillMethod, "despillMethod" {
        /// Whatever exceeds the mean of the other two channels.
        Average = "average",
        /// Whatever exceeds their mean, the larger of them counted twice.
        DoubleAverage = "doubleAverage",
        /// Whatever exceeds the larger of the other two channels: gentler.
        Limit = "limit",
        /// As average, with the luminance of what was taken given back as grey.
        Neutral = "neutral",
    }
}

/// The colour of the screen, found or said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Screen {
    /// Green.
    Green,
    /// Blue.
    Blue,
    /// Red.
    Red,
}

impl Screen {
    /// Every screen colour.
    pub const ALL: &'static [Self] = &[Self::Green, Self::Blue, Self::Red];

    /// A stable name, as in a model's list of screens.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Blue => "blue",
            Self::Red => "red",
        }
    }

    /// The channel (0 red, 1 green, 2 blue) that the screen lights.
    pub const fn channel(self) -> usize {
        match self {
            Self::Red => 0,
            Self::Green => 1,
            Self::Blue => 2,
        }
    }

    /// What belongs to red, green and blue, with the screen's channel first.
    pub(super) fn first<T>(self, [red, green, blue]: [T; 3]) -> [T; 3] {
        match self {
            Self::Green => [green, red, blue],
            Self::Blue => [blue, red, green],
            Self::Red => [red, green, blue],
        }
    }

    /// Where each of red, green and blue is found when the screen's channel and green change
    /// places. The exchange is its own inverse; for a green screen nothing moves.
    pub const fn exchange(self) -> [usize; 3] {
        match self {
            Self::Green => [0, 1, 2],
            Self::Blue => [0, 2, 1],
            Self::Red => [1, 0, 2],
        }
    }
}

impl ScreenColour {
    /// The colour the user named, or `None` when it is to be found.
    pub const fn named(self) -> Option<Screen> {
        match self {
            Self::Auto => None,
            Self::Green => Some(Screen::Green),
            Self::Blue => Some(Screen::Blue),
            Self::Red => Some(Screen::Red),
        }
    }
}

/// How a picture's colour and alpha belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Association {
    /// Alpha is 1 everywhere.
    Opaque,
    /// Colour is multiplied by alpha.
    Premultiplied,
    /// Colour is not multiplied by alpha.
    Straight,
}

impl Output {
    /// How colour and alpha of this output belong together, to be told to the host.
    ///
    /// Matte and Hint hold the same value in all four channels, which is premultiplied white.
    pub const fn association(self) -> Association {
        match self {
            Self::Processed | Self::Matte | Self::Hint | Self::SourceMatte => {
                Association::Premultiplied
            }
            Self::Foreground => Association::Straight,
            Self::Composite | Self::Screen | Self::Status => Association::Opaque,
        }
    }

    /// True when the output shows the key, for which the network must have run.
    pub const fn shows_key(self) -> bool {
        !matches!(self, Self::Hint | Self::Screen)
    }

    /// True when the output shows the foreground's colour.
    pub const fn shows_foreground(self) -> bool {
        matches!(self, Self::Processed | Self::Foreground | Self::Composite)
    }

    /// True when the output holds data that no host may colour-convert.
    pub const fn is_data(self) -> bool {
        matches!(self, Self::Matte | Self::Hint)
    }
}

/// Pixels of this render per pixel of the plate at full scale, per axis: `render scale` across the
/// rows, `render scale` down the columns, each divided by what the pixel aspect stretches. Radii
/// and areas are given in full-scale square pixels and multiplied by it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PixelScale {
    /// Across.
    pub x: f64,
    /// Down.
    pub y: f64,
}

impl PixelScale {
    /// Full scale, square pixels.
    pub const ONE: Self = Self { x: 1.0, y: 1.0 };
}

impl Default for PixelScale {
    fn default() -> Self {
        Self::ONE
    }
}

/// What an artist does to a matte after the network: its tone first, then its shape
/// ([`super::matte`] has the order).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MatteShape {
    /// Alpha up to this is 0.
    pub clip_black: f32,
    /// Alpha from this on is 1. At or below `clip_black` the matte is a hard step.
    pub clip_white: f32,
    /// Alpha to the power of `1 / gamma`: above 1 soft edges become more solid.
    pub gamma: f32,
    /// How far edges move outwards, in pixels at full scale; below 0 inwards.
    pub grow: f32,
    /// Standard deviation of the blur, in pixels at full scale.
    pub blur: f32,
}

impl MatteShape {
    /// The matte as the network gave it.
    pub const NEUTRAL: Self = Self {
        clip_black: 0.0,
        clip_white: 1.0,
        gamma: 1.0,
        grow: 0.0,
        blur: 0.0,
    };
}

impl Default for MatteShape {
    fn default() -> Self {
        Self::NEUTRAL
    }
}

/// Where the plate's own pixels stand in for the network's colour: inside the solid matte.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detail {
    /// Distance from the edge up to which nothing comes back, in pixels at full scale.
    pub shrink: f32,
    /// Width of the fade behind it, in pixels at full scale.
    pub feather: f32,
}

impl Default for Detail {
    fn default() -> Self {
        Self {
            shrink: 3.0,
            feather: 7.0,
        }
    }
}

/// What happens to a prediction until it is a key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FinishSettings {
    /// The screen whose light is taken out of the foreground.
    pub screen: Screen,
    /// 0 leaves the spill, 1 takes all of it out.
    pub despill_strength: f32,
    /// What counts as spill.
    pub despill_method: DespillMethod,
    /// Islands of the matte with fewer pixels than this (at full scale) go; `None` keeps all.
    pub despeckle: Option<u32>,
    /// Which of them.
    pub despeckle_method: DespeckleMethod,
    /// Holes of the matte with fewer pixels than this (at full scale) are filled; `None` fills
    /// none.
    pub holes: Option<u32>,
    /// Tone and shape of the matte.
    pub shape: MatteShape,
    /// How the prediction comes back to the plate's size.
    pub upsampling: Upsampling,
    /// Where the plate's own pixels come back; `None` for nowhere.
    pub detail: Option<Detail>,
    /// Whether the plate's light above 1 and below 0 comes back.
    pub restore_range: bool,
    /// The render's pixels, for radii and areas.
    pub scale: PixelScale,
}

impl Default for FinishSettings {
    /// The original's defaults: despill 1, average; despeckle 400, its way. The panel's are those of
    /// its table, where despill is half as strong and Despeckle takes islands alone.
    fn default() -> Self {
        Self {
            screen: Screen::Green,
            despill_strength: 1.0,
            despill_method: DespillMethod::Average,
            despeckle: Some(400),
            despeckle_method: DespeckleMethod::CorridorKey,
            holes: None,
            shape: MatteShape::NEUTRAL,
            upsampling: Upsampling::Lanczos,
            detail: None,
            restore_range: false,
            scale: PixelScale::ONE,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn ids_and_order_are_what_projects_have_stored() {
        let ids = |all: &[Output]| all.iter().map(|o| o.id()).collect::<Vec<_>>();
        assert_eq!(
            ids(Output::ALL),
            [
                "processed",
                "matte",
                "foreground",
                "composite",
                "hint",
                "sourceMatte",
                "screen",
                "status"
            ]
        );
        for (index, output) in Output::ALL.iter().enumerate() {
            assert_eq!(
                Output::from_index(i32::try_from(index).unwrap()),
                Ok(*output)
            );
            assert_eq!(output.index(), i32::try_from(index).unwrap());
            assert_eq!(Output::from_id(output.id()), Ok(*output));
        }
        assert_eq!(
            Resolution::ALL.iter().map(|r| r.id()).collect::<Vec<_>>(),
            ["auto", "512", "1024", "1536", "2048", "full"]
        );
        assert_eq!(
            HintSource::ALL.iter().map(|h| h.id()).collect::<Vec<_>>(),
            ["auto", "hint", "sourceAlpha", "screen"]
        );
        assert_eq!(
            HintChannel::ALL.iter().map(|h| h.id()).collect::<Vec<_>>(),
            ["auto", "alpha", "red", "luminance"]
        );
        assert_eq!(
            ScreenColour::ALL.iter().map(|s| s.id()).collect::<Vec<_>>(),
            ["auto", "green", "blue", "red"]
        );
        assert_eq!(
            OutputColour::ALL.iter().map(|o| o.id()).collect::<Vec<_>>(),
            ["same", "linear"]
        );
        assert_eq!(
            DespeckleMethod::ALL
                .iter()
                .map(|m| m.id())
                .collect::<Vec<_>>(),
            ["islands", "corridorKey"]
        );
    }

    #[test]
    fn an_unknown_choice_names_what_is_known() {
        assert_eq!(
            Output::from_index(-1).unwrap_err().code(),
            "setting.unknown"
        );
        assert_eq!(
            Upsampling::from_id("bicubic").unwrap_err().to_string(),
            "\"bicubic\" is no choice of upsampling; use one of: lanczos, guided"
        );
        assert!(
            Resolution::from_index(6)
                .unwrap_err()
                .to_string()
                .contains("0 to 5")
        );
    }

    #[test]
    fn exchanging_twice_changes_nothing() {
        for screen in Screen::ALL {
            let order = screen.exchange();
            assert_eq!(order[1], screen.channel());
            for channel in 0..3 {
                assert_eq!(order[order[channel]], channel);
            }
        }
    }
}
