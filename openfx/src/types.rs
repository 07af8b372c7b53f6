//! The plain values that both ends of the interface speak of: rectangles, pixel formats, statuses.
//!
//! They live apart from the handles because a host, a plug-in and a test all need them, while only
//! one of the three ever holds a raw pointer. Each enum knows the string by which OpenFX names it.

use std::fmt;

use crate::sys;

pub use crate::status::Status;

/// A rectangle of whole pixels, half open: `x1 <= x < x2`, `y1 <= y < y2`. The y axis points up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(C)]
pub struct RectI {
    /// Left edge, inside.
    pub x1: i32,
    /// Lower edge, inside.
    pub y1: i32,
    /// Right edge, outside.
    pub x2: i32,
    /// Upper edge, outside.
    pub y2: i32,
}

impl RectI {
    /// The rectangle with these edges.
    #[must_use]
    pub const fn new(x1: i32, y1: i32, x2: i32, y2: i32) -> Self {
        Self { x1, y1, x2, y2 }
    }

    /// Columns; 0 when the edges are the wrong way round. Never overflows.
    #[must_use]
    pub fn width(&self) -> u32 {
        span(self.x1, self.x2)
    }

    /// Rows; 0 when the edges are the wrong way round. Never overflows.
    #[must_use]
    pub fn height(&self) -> u32 {
        span(self.y1, self.y2)
    }

    /// Whether it holds no pixel.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.x2 <= self.x1 || self.y2 <= self.y1
    }

    /// Whether the pixel (x, y) lies inside.
    #[must_use]
    pub fn contains(&self, x: i32, y: i32) -> bool {
        x >= self.x1 && x < self.x2 && y >= self.y1 && y < self.y2
    }

    /// Whether every pixel of `other` lies inside; an empty rectangle lies inside any other.
    #[must_use]
    pub fn contains_rect(&self, other: &Self) -> bool {
        other.is_empty()
            || (other.x1 >= self.x1
                && other.x2 <= self.x2
                && other.y1 >= self.y1
                && other.y2 <= self.y2)
    }

    /// The pixels in both; an empty rectangle (0, 0, 0, 0) when there are none.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        let both = Self {
            x1: self.x1.max(other.x1),
            y1: self.y1.max(other.y1),
            x2: self.x2.min(other.x2),
            y2: self.y2.min(other.y2),
        };
        if both.is_empty() {
            Self::default()
        } else {
            both
        }
    }

    /// The smallest rectangle that holds both; an empty one adds nothing.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        if self.is_empty() {
            return *other;
        }
        if other.is_empty() {
            return *self;
        }
        Self {
            x1: self.x1.min(other.x1),
            y1: self.y1.min(other.y1),
            x2: self.x2.max(other.x2),
            y2: self.y2.max(other.y2),
        }
    }
}

fn span(low: i32, high: i32) -> u32 {
    if high > low { high.abs_diff(low) } else { 0 }
}

impl fmt::Display for RectI {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({}, {})..({}, {})", self.x1, self.y1, self.x2, self.y2)
    }
}

/// A rectangle in canonical coordinates (or any other real ones), half open. The y axis points up.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[repr(C)]
pub struct RectD {
    /// Left edge.
    pub x1: f64,
    /// Lower edge.
    pub y1: f64,
    /// Right edge.
    pub x2: f64,
    /// Upper edge.
    pub y2: f64,
}

impl RectD {
    /// The rectangle with these edges.
    #[must_use]
    pub const fn new(x1: f64, y1: f64, x2: f64, y2: f64) -> Self {
        Self { x1, y1, x2, y2 }
    }

    /// Width; 0 when the edges are the wrong way round or not numbers.
    #[must_use]
    pub fn width(&self) -> f64 {
        (self.x2 - self.x1).max(0.0)
    }

    /// Height; 0 when the edges are the wrong way round or not numbers.
    #[must_use]
    pub fn height(&self) -> f64 {
        (self.y2 - self.y1).max(0.0)
    }

    /// Whether it has no area; true as well when an edge is not a number.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !(self.x2 > self.x1 && self.y2 > self.y1)
    }

    /// Whether all four edges are finite numbers.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        [self.x1, self.y1, self.x2, self.y2]
            .iter()
            .all(|edge| edge.is_finite())
    }

    /// Whether the point (x, y) lies inside.
    #[must_use]
    pub fn contains(&self, x: f64, y: f64) -> bool {
        x >= self.x1 && x < self.x2 && y >= self.y1 && y < self.y2
    }

    /// The area in both; (0, 0, 0, 0) when there is none.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        let both = Self {
            x1: self.x1.max(other.x1),
            y1: self.y1.max(other.y1),
            x2: self.x2.min(other.x2),
            y2: self.y2.min(other.y2),
        };
        if both.is_empty() {
            Self::default()
        } else {
            both
        }
    }

    /// The smallest rectangle that holds both; an empty one adds nothing.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        if self.is_empty() {
            return *other;
        }
        if other.is_empty() {
            return *self;
        }
        Self {
            x1: self.x1.min(other.x1),
            y1: self.y1.min(other.y1),
            x2: self.x2.max(other.x2),
            y2: self.y2.max(other.y2),
        }
    }

    /// The pixels that a canonical rectangle covers at a render scale and pixel aspect, rounded
    /// outward: `x_pixel = x · scale.x / pixel_aspect`, `y_pixel = y · scale.y`
    /// (OpenFX programming reference, "Coordinate Systems").
    ///
    /// Edges are rounded outward except where they miss a whole number by less than 1e-6 of a
    /// pixel, which is what scaling to canonical coordinates and back leaves behind. Values
    /// beyond the range of `i32` (infinite regions) saturate.
    #[must_use]
    pub fn to_pixels(&self, scale: Scale, pixel_aspect: f64) -> RectI {
        const SLACK: f64 = 1e-6;
        let aspect = usable(pixel_aspect);
        let floor = |v: f64| saturate((v + SLACK).floor());
        let ceil = |v: f64| saturate((v - SLACK).ceil());
        RectI {
            x1: floor(self.x1 * scale.x / aspect),
            y1: floor(self.y1 * scale.y),
            x2: ceil(self.x2 * scale.x / aspect),
            y2: ceil(self.y2 * scale.y),
        }
    }

    /// The canonical area of a rectangle of pixels: the inverse of [`RectD::to_pixels`].
    #[must_use]
    pub fn from_pixels(pixels: RectI, scale: Scale, pixel_aspect: f64) -> Self {
        let aspect = usable(pixel_aspect);
        Self {
            x1: f64::from(pixels.x1) * aspect / scale.x,
            y1: f64::from(pixels.y1) / scale.y,
            x2: f64::from(pixels.x2) * aspect / scale.x,
            y2: f64::from(pixels.y2) / scale.y,
        }
    }
}

/// A pixel aspect as it is, and 1 in place of one that makes no sense.
fn usable(pixel_aspect: f64) -> f64 {
    if pixel_aspect.is_finite() && pixel_aspect > 0.0 {
        pixel_aspect
    } else {
        1.0
    }
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "a float-to-integer cast saturates, which is what is wanted"
)]
fn saturate(v: f64) -> i32 {
    v as i32
}

impl fmt::Display for RectD {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({}, {})..({}, {})", self.x1, self.y1, self.x2, self.y2)
    }
}

/// How much smaller than full size a render is, per axis; (1, 1) is full size, (0.5, 0.5) a half
/// size proxy.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
pub struct Scale {
    /// Horizontal factor.
    pub x: f64,
    /// Vertical factor.
    pub y: f64,
}

impl Scale {
    /// Full size.
    pub const ONE: Self = Self { x: 1.0, y: 1.0 };

    /// Whether both factors are finite and above zero, as every real render scale is.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.x.is_finite() && self.y.is_finite() && self.x > 0.0 && self.y > 0.0
    }
}

impl Default for Scale {
    fn default() -> Self {
        Self::ONE
    }
}

/// Declares an enum whose variants are each named by one OpenFX string.
macro_rules! named {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident {
            $( $(#[$vmeta:meta])* $variant:ident = $constant:expr ),+ $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        $vis enum $name { $( $(#[$vmeta])* $variant ),+ }

        impl $name {
            /// Every value, in the order of declaration.
            $vis const ALL: &'static [Self] = &[ $( Self::$variant ),+ ];

            /// The string by which OpenFX names this value.
            #[must_use]
            $vis const fn ofx_name(self) -> &'static std::ffi::CStr {
                match self { $( Self::$variant => $constant ),+ }
            }

            /// The value that OpenFX names so; `None` for a string that is none of them.
            #[must_use]
            $vis fn from_ofx(name: &std::ffi::CStr) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.ofx_name() == name)
            }

            /// The same as [`Self::from_ofx`] for a Rust string.
            #[must_use]
            #[allow(dead_code, reason = "not every list is read from both kinds of string")]
            $vis fn from_ofx_str(name: &str) -> Option<Self> {
                Self::ALL
                    .iter()
                    .copied()
                    .find(|value| value.ofx_name().to_bytes() == name.as_bytes())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.ofx_name().to_string_lossy())
            }
        }
    };
}

pub(crate) use named;

named! {
    /// How one channel of a pixel is stored, in the machine's byte order.
    pub enum Depth {
        /// Unsigned 8 bits; 255 is 1.0.
        Byte = sys::kOfxBitDepthByte,
        /// Unsigned 16 bits; 65535 is 1.0.
        Short = sys::kOfxBitDepthShort,
        /// IEEE half float.
        Half = sys::kOfxBitDepthHalf,
        /// IEEE single float.
        Float = sys::kOfxBitDepthFloat,
    }
}

impl Depth {
    /// Bytes of one channel.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::Byte => 1,
            Self::Short | Self::Half => 2,
            Self::Float => 4,
        }
    }
}

named! {
    /// Which channels a pixel has, interleaved in the order of the name.
    pub enum Components {
        /// Red, green, blue, alpha.
        Rgba = sys::kOfxImageComponentRGBA,
        /// Red, green, blue.
        Rgb = sys::kOfxImageComponentRGB,
        /// Alpha alone.
        Alpha = sys::kOfxImageComponentAlpha,
    }
}

impl Components {
    /// Number of channels.
    #[must_use]
    pub const fn count(self) -> usize {
        match self {
            Self::Rgba => 4,
            Self::Rgb => 3,
            Self::Alpha => 1,
        }
    }

    /// Whether there is an alpha channel.
    #[must_use]
    pub const fn has_alpha(self) -> bool {
        matches!(self, Self::Rgba | Self::Alpha)
    }
}

named! {
    /// How host and plug-in tell each other about colour (OpenFX 1.5). Each style offers all that
    /// the one before it does.
    pub enum ColourStyle {
        /// Not at all.
        None = sys::kOfxImageEffectColourManagementNone,
        /// Families of colour spaces.
        Basic = sys::kOfxImageEffectColourManagementBasic,
        /// The colour spaces that every colour-managed host knows.
        Core = sys::kOfxImageEffectColourManagementCore,
        /// All colour spaces of the configuration.
        Full = sys::kOfxImageEffectColourManagementFull,
        /// Any OpenColorIO configuration.
        Ocio = sys::kOfxImageEffectColourManagementOCIO,
    }
}

/// The one configuration of colour spaces that OpenFX 1.5 has.
pub const COLOUR_CONFIG: &str = "ofx-native-v1.5_aces-v1.3_ocio-v2.3";

named! {
    /// What the colour channels have been multiplied by.
    pub enum Premultiplication {
        /// The alpha is 1 everywhere (or there is none).
        Opaque = sys::kOfxImageOpaque,
        /// Colour is multiplied by alpha.
        Premultiplied = sys::kOfxImagePreMultiplied,
        /// Colour is straight.
        Unpremultiplied = sys::kOfxImageUnPreMultiplied,
    }
}

named! {
    /// Which of a picture's fields is meant.
    pub enum Field {
        /// Whole frames: the material has no fields.
        None = sys::kOfxImageFieldNone,
        /// Both fields, interleaved in one frame.
        Both = sys::kOfxImageFieldBoth,
        /// The lower (even) field: lines 0, 2, 4 … counted from the bottom.
        Lower = sys::kOfxImageFieldLower,
        /// The upper (odd) field: lines 1, 3, 5 … counted from the bottom.
        Upper = sys::kOfxImageFieldUpper,
    }
}

named! {
    /// The role in which a host uses an effect.
    pub enum Context {
        /// One input, one output.
        Filter = sys::kOfxImageEffectContextFilter,
        /// Any number of inputs, one output: a node in a graph.
        General = sys::kOfxImageEffectContextGeneral,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn every_name_round_trips_and_is_the_one_of_the_headers() {
        macro_rules! check {
            ($($kind:ident: $($text:literal),+;)+) => {$(
                let texts = [$($text),+];
                assert_eq!($kind::ALL.len(), texts.len());
                for (value, text) in $kind::ALL.iter().zip(texts) {
                    assert_eq!(value.ofx_name().to_str().unwrap(), text);
                    assert_eq!(value.to_string(), text);
                    assert_eq!($kind::from_ofx(value.ofx_name()), Some(*value));
                    assert_eq!($kind::from_ofx_str(text), Some(*value));
                }
                assert_eq!($kind::from_ofx(c"OfxNoSuchThing"), None);
                assert_eq!($kind::from_ofx_str(""), None);
            )+};
        }
        check! {
            Depth: "OfxBitDepthByte", "OfxBitDepthShort", "OfxBitDepthHalf", "OfxBitDepthFloat";
            Components: "OfxImageComponentRGBA", "OfxImageComponentRGB", "OfxImageComponentAlpha";
            Premultiplication: "OfxImageOpaque", "OfxImageAlphaPremultiplied",
                "OfxImageAlphaUnPremultiplied";
            Field: "OfxFieldNone", "OfxFieldBoth", "OfxFieldLower", "OfxFieldUpper";
            Context: "OfxImageEffectContextFilter", "OfxImageEffectContextGeneral";
        }
    }

    #[test]
    fn whole_rectangles() {
        let a = RectI::new(-3, 2, 7, 5);
        assert_eq!((a.width(), a.height()), (10, 3));
        assert!(a.contains(-3, 2) && a.contains(6, 4));
        assert!(!a.contains(7, 4) && !a.contains(6, 5));
        let b = RectI::new(5, -1, 20, 3);
        assert_eq!(a.intersect(&b), RectI::new(5, 2, 7, 3));
        assert_eq!(a.union(&b), RectI::new(-3, -1, 20, 5));
        let far = RectI::new(100, 100, 101, 101);
        assert!(a.intersect(&far).is_empty());
        assert_eq!(a.union(&RectI::default()), a);
        assert_eq!(RectI::default().union(&a), a);
        assert!(a.contains_rect(&RectI::new(0, 2, 1, 5)) && !a.contains_rect(&b));
        assert!(a.contains_rect(&RectI::new(50, 50, 50, 60)));
        assert_eq!(RectI::new(5, 0, 4, 9).width(), 0);
        assert_eq!(RectI::new(i32::MIN, 0, i32::MAX, 1).width(), u32::MAX);
    }

    #[test]
    fn canonical_rectangles_and_pixels() {
        let half = Scale { x: 0.5, y: 0.5 };
        let frame = RectD::new(0.0, 0.0, 1920.0, 1080.0);
        assert_eq!(
            frame.to_pixels(Scale::ONE, 1.0),
            RectI::new(0, 0, 1920, 1080)
        );
        assert_eq!(frame.to_pixels(half, 2.0), RectI::new(0, 0, 480, 540));
        let odd = RectD::new(-1.5, 0.25, 7.0, 3.0);
        assert_eq!(odd.to_pixels(half, 1.0), RectI::new(-1, 0, 4, 2));
        for scale in [0.1, 1.0 / 3.0, 0.5, 0.7, 1.0] {
            for aspect in [0.9, 1.0, 1.0667, 2.0] {
                let scale = Scale { x: scale, y: scale };
                let pixels = RectI::new(-17, 3, 1231, 977);
                let there = RectD::from_pixels(pixels, scale, aspect);
                assert_eq!(there.to_pixels(scale, aspect), pixels);
            }
        }
        let endless = RectD::new(f64::NEG_INFINITY, 0.0, f64::INFINITY, 1.0);
        assert!(!endless.is_finite());
        assert_eq!(
            endless.to_pixels(Scale::ONE, 1.0),
            RectI::new(i32::MIN, 0, i32::MAX, 1)
        );
        assert!(RectD::new(0.0, f64::NAN, 1.0, 1.0).is_empty());
        assert_eq!(
            frame.intersect(&RectD::new(1000.0, 1000.0, 3000.0, 3000.0)),
            RectD::new(1000.0, 1000.0, 1920.0, 1080.0)
        );
        assert_eq!(frame.union(&RectD::default()), frame);
    }

    #[test]
    fn pixel_sizes() {
        assert_eq!(Depth::ALL.iter().map(|d| d.bytes()).sum::<usize>(), 9);
        assert_eq!(Components::ALL.iter().map(|c| c.count()).sum::<usize>(), 8);
        assert!(Components::Rgba.has_alpha() && !Components::Rgb.has_alpha());
        assert!(!Scale { x: 0.0, y: 1.0 }.is_valid() && Scale::default().is_valid());
    }
}
