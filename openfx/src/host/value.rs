//! Parameter values as the host's user deals with them.

use std::fmt;

/// The kinds of parameter that OpenFX has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ParamType {
    /// One whole number.
    Integer,
    /// One real number.
    Double,
    /// Yes or no.
    Boolean,
    /// One of a list, stored as an index.
    Choice,
    /// One of a list, stored as a string (OpenFX 1.5).
    StrChoice,
    /// A colour with alpha.
    Rgba,
    /// A colour.
    Rgb,
    /// A point or size.
    Double2D,
    /// A whole-numbered point or size.
    Integer2D,
    /// Three real numbers.
    Double3D,
    /// Three whole numbers.
    Integer3D,
    /// Text.
    String,
    /// Text that only the plug-in understands.
    Custom,
    /// A group of other parameters: no value.
    Group,
    /// A page of other parameters: no value.
    Page,
    /// A button: no value.
    PushButton,
}

impl ParamType {
    /// Every kind, with its OpenFX name.
    pub const ALL: &'static [(Self, &'static str)] = &[
        (Self::Integer, "OfxParamTypeInteger"),
        (Self::Double, "OfxParamTypeDouble"),
        (Self::Boolean, "OfxParamTypeBoolean"),
        (Self::Choice, "OfxParamTypeChoice"),
        (Self::StrChoice, "OfxParamTypeStrChoice"),
        (Self::Rgba, "OfxParamTypeRGBA"),
        (Self::Rgb, "OfxParamTypeRGB"),
        (Self::Double2D, "OfxParamTypeDouble2D"),
        (Self::Integer2D, "OfxParamTypeInteger2D"),
        (Self::Double3D, "OfxParamTypeDouble3D"),
        (Self::Integer3D, "OfxParamTypeInteger3D"),
        (Self::String, "OfxParamTypeString"),
        (Self::Custom, "OfxParamTypeCustom"),
        (Self::Group, "OfxParamTypeGroup"),
        (Self::Page, "OfxParamTypePage"),
        (Self::PushButton, "OfxParamTypePushButton"),
    ];

    /// The kind of that OpenFX name.
    #[must_use]
    pub fn from_ofx(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(kind, _)| *kind)
    }

    /// The kind's OpenFX name.
    #[must_use]
    pub fn ofx_name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(kind, _)| *kind == self)
            .map_or("", |(_, name)| name)
    }

    /// How many numbers or texts a value has; 0 for a kind without value.
    #[must_use]
    pub fn arity(self) -> usize {
        match self {
            Self::Group | Self::Page | Self::PushButton => 0,
            Self::Double2D | Self::Integer2D => 2,
            Self::Rgb | Self::Double3D | Self::Integer3D => 3,
            Self::Rgba => 4,
            _ => 1,
        }
    }

    /// Whether the value is one or more whole numbers.
    #[must_use]
    pub fn is_integral(self) -> bool {
        matches!(
            self,
            Self::Integer | Self::Boolean | Self::Choice | Self::Integer2D | Self::Integer3D
        )
    }

    /// Whether the value is a text.
    #[must_use]
    pub fn is_text(self) -> bool {
        matches!(self, Self::String | Self::StrChoice | Self::Custom)
    }
}

/// A parameter's value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Of an integer parameter.
    Int(i32),
    /// Of a double parameter.
    Double(f64),
    /// Of a boolean parameter.
    Bool(bool),
    /// Of a choice parameter: the option's index.
    Choice(i32),
    /// Of a string, string-choice or custom parameter.
    Str(String),
    /// Of an RGB parameter.
    Rgb([f64; 3]),
    /// Of a parameter of two or more whole numbers.
    Ints(Vec<i32>),
    /// Of an RGBA parameter, or one of two or three real numbers.
    Doubles(Vec<f64>),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn list<T: fmt::Display>(f: &mut fmt::Formatter<'_>, values: &[T]) -> fmt::Result {
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    f.write_str(", ")?;
                }
                write!(f, "{value}")?;
            }
            Ok(())
        }
        match self {
            Self::Int(v) | Self::Choice(v) => write!(f, "{v}"),
            Self::Double(v) => write!(f, "{v}"),
            Self::Bool(v) => write!(f, "{v}"),
            Self::Str(v) => write!(f, "\"{v}\""),
            Self::Rgb(v) => list(f, v),
            Self::Ints(v) => list(f, v),
            Self::Doubles(v) => list(f, v),
        }
    }
}

impl From<i32> for Value {
    fn from(v: i32) -> Self {
        Self::Int(v)
    }
}

impl From<f64> for Value {
    fn from(v: f64) -> Self {
        Self::Double(v)
    }
}

impl From<bool> for Value {
    fn from(v: bool) -> Self {
        Self::Bool(v)
    }
}

impl From<&str> for Value {
    fn from(v: &str) -> Self {
        Self::Str(v.to_owned())
    }
}

impl From<String> for Value {
    fn from(v: String) -> Self {
        Self::Str(v)
    }
}

impl From<[f64; 3]> for Value {
    fn from(v: [f64; 3]) -> Self {
        Self::Rgb(v)
    }
}
