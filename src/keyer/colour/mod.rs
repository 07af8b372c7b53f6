//! How a clip's numbers stand for light.
//!
//! Everything after the network works in one space: scene-linear light with the primaries of
//! ITU-R BT.709, neither limited below 0 nor above 1. [`Encoding`] names the others, and has the
//! ways there and back, three rows at a time. The network itself sees sRGB.
//!
//! | module | what it has |
//! |---|---|
//! | [`srgb`] | sRGB's curve, at the speed of memory |
//! | `curves` | the other curves |
//! | `primaries` | chromaticities and the matrices that follow from them |
//! | `spaces` | which encoding has which |
//!
//! There and back is exact to 1e-5 of the pixel's largest value (or of 0.01).

mod curves;
mod maths;
mod primaries;
mod spaces;
pub mod srgb;
#[cfg(test)]
mod tests;

use rayon::prelude::*;

use self::srgb::Negative;
use super::image::Planes;
use super::settings::choice;

choice! {
    /// How a clip is encoded: a curve and primaries.
    Encoding, "inputColor" {
        /// sRGB (IEC 61966-2-1).
        Srgb = "srgb",
        /// Scene-linear, primaries of Rec. 709.
        Linear = "linear",
        /// The camera curve of Rec. 709.
        Rec709 = "rec709",
        /// Gamma 2.4, primaries of Rec. 709: BT.1886 displays.
        Bt1886 = "bt1886",
        /// Gamma 2.2, primaries of Rec. 709.
        Gamma22 = "gamma22",
        /// sRGB's curve, primaries of P3, D65.
        DisplayP3 = "displayP3",
        /// Linear, primaries of Rec. 2020.
        Rec2020Linear = "rec2020Linear",
        /// Linear, AP1.
        AcesCg = "acescg",
        /// Linear, AP0.
        Aces2065 = "aces2065",
        /// Logarithmic, AP1.
        AcesCct = "acescct",
        /// Film density, taken as Rec. 709.
        Cineon = "cineon",
        /// ARRI LogC3 at EI 800, Wide Gamut 3.
        LogC3 = "logc3",
        /// ARRI LogC4, Wide Gamut 4.
        LogC4 = "logc4",
        /// Sony S-Log3, S-Gamut3.Cine.
        SLog3Cine = "slog3Cine",
        /// Sony S-Log3, S-Gamut3.
        SLog3 = "slog3",
        /// RED Log3G10, REDWideGamutRGB.
        Log3G10 = "log3g10",
        /// Panasonic V-Log, V-Gamut.
        VLog = "vlog",
        /// Canon Log 2, Cinema Gamut.
        CLog2 = "clog2",
        /// Canon Log 3, Cinema Gamut.
        CLog3 = "clog3",
        /// Blackmagic Film Generation 5, Wide Gamut Generation 5.
        BmdFilm5 = "bmdFilm5",
        /// DaVinci Intermediate, DaVinci Wide Gamut.
        DaVinciIntermediate = "davinciIntermediate",
        /// Apple Log, Rec. 2020.
        AppleLog = "appleLog",
    }
}

/// How planes in the keyer's hands stand for light; the primaries are those of Rec. 709.
///
/// A plate that comes sRGB-encoded is looked at, and resized for the network, as it is; any other
/// is brought to linear light first. That is the original's way with its two kinds of plate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Light {
    /// Encoded with sRGB's curve.
    Srgb,
    /// Proportional to light.
    Linear,
}

impl Light {
    /// The encoding of planes that are held so.
    pub const fn encoding(self) -> Encoding {
        match self {
            Self::Srgb => Encoding::Srgb,
            Self::Linear => Encoding::Linear,
        }
    }

    /// Encodes a row with sRGB's curve, unless it is already; values below 0 become 0, as in the
    /// original engine.
    pub fn row_to_srgb(self, row: &mut [f32]) {
        if self == Self::Linear {
            srgb::row_to_srgb(row, Negative::Clamp);
        }
    }
}

/// Numbers are limited to this before they are worked with, so that nothing leaves the range of
/// `f32`.
const MOST: f32 = 1e36;

impl Encoding {
    /// How the keyer holds a plate of this encoding, see [`Encoding::plate`].
    pub const fn light(self) -> Light {
        match self {
            Self::Srgb => Light::Srgb,
            _ => Light::Linear,
        }
    }

    /// The name that users know it by.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Srgb => "sRGB",
            Self::Linear => "Linear (Rec.709)",
            Self::Rec709 => "Rec.709 (camera)",
            Self::Bt1886 => "BT.1886 (gamma 2.4)",
            Self::Gamma22 => "Gamma 2.2",
            Self::DisplayP3 => "Display P3",
            Self::Rec2020Linear => "Linear (Rec.2020)",
            Self::AcesCg => "ACEScg",
            Self::Aces2065 => "ACES2065-1",
            Self::AcesCct => "ACEScct",
            Self::Cineon => "Cineon",
            Self::LogC3 => "ARRI LogC3 (EI 800)",
            Self::LogC4 => "ARRI LogC4",
            Self::SLog3Cine => "Sony S-Log3 (S-Gamut3.Cine)",
            Self::SLog3 => "Sony S-Log3 (S-Gamut3)",
            Self::Log3G10 => "RED Log3G10",
            Self::VLog => "Panasonic V-Log",
            Self::CLog2 => "Canon Log 2",
            Self::CLog3 => "Canon Log 3",
            Self::BmdFilm5 => "Blackmagic Film Gen 5",
            Self::DaVinciIntermediate => "DaVinci Intermediate",
            Self::AppleLog => "Apple Log",
        }
    }

    /// Red, green and blue of equal length to scene-linear Rec. 709, in place.
    ///
    /// Nothing is limited: negative values and those above 1 stay. What is not finite reads as 0,
    /// and the result is finite (numbers beyond 1e36 are not told apart); [`Encoding::Linear`] alone changes nothing whatever.
    pub fn rows_to_linear(self, rgb: [&mut [f32]; 3]) {
        if self == Self::Linear {
            return;
        }
        let mut rgb = rgb;
        let space = self.space();
        for row in &mut rgb {
            row.iter_mut().for_each(|value| *value = read(*value));
            space.curve.decode(row);
        }
        if let Some(matrix) = &space.to_rec709 {
            mix(matrix, rgb);
        }
    }

    /// Scene-linear Rec. 709 to this encoding, in place; the way back of
    /// [`Encoding::rows_to_linear`], with the same rules.
    pub fn rows_from_linear(self, rgb: [&mut [f32]; 3]) {
        if self == Self::Linear {
            return;
        }
        let mut rgb = rgb;
        let space = self.space();
        for row in &mut rgb {
            row.iter_mut().for_each(|value| *value = read(*value));
        }
        if let Some(matrix) = &space.from_rec709 {
            mix(matrix, rgb.each_mut().map(|row| &mut **row));
        }
        for row in rgb {
            space.curve.encode(row);
        }
    }

    /// The network's own colour, sRGB-encoded, to this encoding, in place. For [`Encoding::Srgb`]
    /// nothing changes; for all others values below 0 become 0 first, as in the original engine.
    pub fn rows_from_srgb(self, rgb: [&mut [f32]; 3]) {
        if self == Self::Srgb {
            return;
        }
        let mut rgb = rgb;
        for row in &mut rgb {
            srgb::row_to_linear(row, Negative::Clamp);
        }
        self.rows_from_linear(rgb);
    }

    /// One pixel to scene-linear Rec. 709.
    pub fn to_linear(self, pixel: [f32; 3]) -> [f32; 3] {
        let [mut red, mut green, mut blue] = pixel.map(|value| [value]);
        self.rows_to_linear([&mut red, &mut green, &mut blue]);
        [red[0], green[0], blue[0]]
    }

    /// One pixel from scene-linear Rec. 709.
    pub fn from_linear(self, pixel: [f32; 3]) -> [f32; 3] {
        let [mut red, mut green, mut blue] = pixel.map(|value| [value]);
        self.rows_from_linear([&mut red, &mut green, &mut blue]);
        [red[0], green[0], blue[0]]
    }

    /// A plate of this encoding (three planes) as the keyer holds it: sRGB as it is, all others
    /// in linear light ([`Encoding::light`] says which it is).
    pub fn plate(self, plate: Planes) -> Planes {
        match self.light() {
            Light::Srgb => plate,
            Light::Linear => self.convert(plate, Self::Linear),
        }
    }

    /// A picture of three planes from this encoding to another, rows in parallel.
    pub fn convert(self, picture: Planes, to: Self) -> Planes {
        let mut picture = picture;
        if self == to || picture.size().is_empty() {
            return picture;
        }
        let width = picture.width();
        let [red, green, blue] = picture.planes_mut();
        red.par_chunks_exact_mut(width)
            .zip(green.par_chunks_exact_mut(width))
            .zip(blue.par_chunks_exact_mut(width))
            .for_each(|((red, green), blue)| {
                self.rows_to_linear([&mut *red, &mut *green, &mut *blue]);
                to.rows_from_linear([red, green, blue]);
            });
        picture
    }
}

/// A number as it is read: 0 for what is none, and small enough to be worked with.
#[inline(always)]
fn read(x: f32) -> f32 {
    if x.abs() <= f32::MAX { limited(x) } else { 0.0 }
}

#[inline(always)]
fn limited(x: f32) -> f32 {
    let x = if x < MOST { x } else { MOST };
    if x > -MOST { x } else { -MOST }
}

/// Multiplies the pixels of three rows with a matrix.
fn mix(matrix: &[[f32; 3]; 3], rgb: [&mut [f32]; 3]) {
    let [r, g, b] = matrix;
    let [red, green, blue] = rgb;
    for ((red, green), blue) in red.iter_mut().zip(green).zip(blue) {
        let (x, y, z) = (limited(*red), limited(*green), limited(*blue));
        *red = r[0] * x + r[1] * y + r[2] * z;
        *green = g[0] * x + g[1] * y + g[2] * z;
        *blue = b[0] * x + b[1] * y + b[2] * z;
    }
}
