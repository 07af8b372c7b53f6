//! Plain types of the picture that the network exchanges with the keyer.

/// Planar 32-bit float pixels, row 0 at the top.
#[derive(Debug, Clone, PartialEq)]
pub struct Planes {
    width: usize,
    height: usize,
    channels: usize,
    data: Vec<f32>,
}

impl Planes {
    /// Wraps `data`, which holds `channels` planes of `height` rows of `width` values.
    pub fn from_vec(
        width: usize,
        height: usize,
        channels: usize,
        data: Vec<f32>,
    ) -> Result<Self, String> {
        if data.len() != width * height * channels {
            return Err("wrong length".into());
        }
        Ok(Self {
            width,
            height,
            channels,
            data,
        })
    }
    /// Columns.
    pub fn width(&self) -> usize {
        self.width
    }
    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }
    /// Planes.
    pub fn channels(&self) -> usize {
        self.channels
    }
    /// One plane.
    pub fn plane(&self, channel: usize) -> &[f32] {
        let size = self.width * self.height;
        &self.data[channel * size..(channel + 1) * size]
    }
}

/// What the network is shown: `[1, 4, height, width]`.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkInput {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Normalised red, green, blue, then the hint.
    pub data: Vec<f32>,
}

/// What the network answers, at its own resolution.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// One plane, 0..1.
    pub alpha: Planes,
    /// Three planes, straight, sRGB-encoded.
    pub foreground: Planes,
}

/// How a plate's shape is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// The plate's own.
    Aspect,
    /// A square; the plate is stretched.
    Square,
}

/// Sizes a network takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SizeRule {
    /// Shape.
    pub fit: Fit,
    /// Both sides are multiples of this.
    pub multiple: usize,
    /// Smallest side.
    pub min: usize,
    /// Longest side.
    pub max_long: usize,
}

/// What is taken from, and then divides, each sRGB channel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Normalisation {
    /// Subtracted.
    pub mean: [f32; 3],
    /// Divides.
    pub std: [f32; 3],
}

/// The screen's colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Screen {
    /// Green.
    Green,
    /// Blue.
    Blue,
    /// Red.
    Red,
}
