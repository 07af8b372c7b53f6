//! What is asked of the plug-in for each file, and how its answer becomes that file's colour.
//!
//! The plug-in answers in the colour space of its source. A file has its own: OpenEXR scene-linear,
//! PNG sRGB. Where they differ, the *straight* foreground is asked for and converted first, and
//! multiplied by alpha after; converting a premultiplied picture is wrong in every curve.

use corridorkey::keyer::{Encoding, Output};

use crate::picture::{Kind, Write};

/// How one written output is made from one rendered output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Recipe {
    /// What is written.
    pub(crate) output: Output,
    /// What the plug-in renders for it.
    pub(crate) render: Output,
    /// Whether colour is divided by alpha first, as it comes multiplied.
    pub(crate) divide: bool,
    /// The change of colour space, from and to, if there is one.
    pub(crate) convert: Option<(Encoding, Encoding)>,
    /// Whether colour is then multiplied by alpha.
    pub(crate) multiply: bool,
    /// The channels of the file.
    pub(crate) channels: Write,
}

/// The colour space of a kind of file.
pub(crate) fn space_of(kind: Kind) -> Encoding {
    match kind {
        Kind::Png => Encoding::Srgb,
        Kind::Exr => Encoding::Linear,
    }
}

/// How to make `output` for a file in `file` space when the plug-in writes in `plugin` space.
pub(crate) fn recipe(output: Output, plugin: Encoding, file: Encoding) -> Recipe {
    let convert = (plugin != file && !output.is_data()).then_some((plugin, file));
    let plain = Recipe {
        output,
        render: output,
        divide: false,
        convert,
        multiply: false,
        channels: Write::Rgba,
    };
    match output {
        Output::Matte | Output::Hint => Recipe {
            channels: Write::Single,
            ..plain
        },
        Output::Composite | Output::Screen | Output::Status => Recipe {
            channels: Write::Rgb,
            ..plain
        },
        Output::Processed if convert.is_some() => Recipe {
            render: Output::Foreground,
            multiply: true,
            ..plain
        },
        // The plate has no straight output of its own, but dividing gives it back: what an alpha
        // of 0 has swallowed is multiplied by 0 again.
        Output::SourceMatte if convert.is_some() => Recipe {
            divide: true,
            multiply: true,
            ..plain
        },
        Output::Processed | Output::Foreground | Output::SourceMatte => plain,
    }
}

impl Recipe {
    /// True when the rendered pixels are written as they are.
    pub(crate) fn is_plain(&self) -> bool {
        self.convert.is_none() && !self.multiply
    }

    /// Turns rendered pixels (RGBA, interleaved) into those of the file.
    pub(crate) fn apply(&self, pixels: &mut [f32]) {
        if self.divide {
            for pixel in pixels.chunks_exact_mut(4) {
                let inverse = if pixel[3] == 0.0 { 0.0 } else { 1.0 / pixel[3] };
                pixel[..3].iter_mut().for_each(|value| *value *= inverse);
            }
        }
        if let Some((from, to)) = self.convert {
            convert(pixels, from, to);
        }
        if self.multiply {
            for pixel in pixels.chunks_exact_mut(4) {
                let alpha = pixel[3];
                pixel[..3].iter_mut().for_each(|value| *value *= alpha);
            }
        }
    }
}

/// Brings red, green and blue from one encoding to another; alpha stays.
fn convert(pixels: &mut [f32], from: Encoding, to: Encoding) {
    // A piece of this many pixels stays in the nearest cache on its way there and back.
    const PIECE: usize = 1024;
    let mut planes = [[0.0; PIECE]; 3];
    for piece in pixels.chunks_mut(PIECE * 4) {
        let mut rows = planes.each_mut().map(|plane| &mut plane[..piece.len() / 4]);
        for (channel, row) in rows.iter_mut().enumerate() {
            for (value, pixel) in row.iter_mut().zip(piece.chunks_exact(4)) {
                *value = pixel[channel];
            }
        }
        from.rows_to_linear(rows.each_mut().map(|row| &mut **row));
        to.rows_from_linear(rows.each_mut().map(|row| &mut **row));
        for (channel, row) in rows.iter().enumerate() {
            for (value, pixel) in row.iter().zip(piece.chunks_exact_mut(4)) {
                pixel[channel] = *value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use corridorkey::keyer::colour::srgb::{linear_to_srgb, srgb_to_linear};

    use super::*;

    #[test]
    fn nothing_is_converted_where_the_spaces_agree() {
        for space in [Encoding::Srgb, Encoding::Linear] {
            for &output in Output::ALL {
                let recipe = recipe(output, space, space);
                assert_eq!(recipe.render, output);
                assert!(recipe.is_plain());
            }
        }
    }

    #[test]
    fn data_is_never_converted_and_has_one_channel() {
        for output in [Output::Matte, Output::Hint] {
            let recipe = recipe(output, Encoding::Srgb, Encoding::Linear);
            assert!(recipe.is_plain());
            assert_eq!(recipe.channels, Write::Single);
        }
    }

    #[test]
    fn a_premultiplied_picture_is_converted_straight_first() {
        for (plugin, file) in [
            (Encoding::Srgb, Encoding::Linear),
            (Encoding::Linear, Encoding::Srgb),
        ] {
            let recipe = recipe(Output::Processed, plugin, file);
            assert_eq!(recipe.render, Output::Foreground);
            let mut pixels = [0.5, 0.25, 1.5, 0.5, 1.0, -0.1, 0.0, 0.0];
            recipe.apply(&mut pixels);
            let curve = match file {
                Encoding::Srgb => linear_to_srgb,
                _ => srgb_to_linear,
            };
            let expected = [curve(0.5) * 0.5, curve(0.25) * 0.5, curve(1.5) * 0.5, 0.5];
            for (value, expected) in pixels.iter().zip(expected) {
                assert!((value - expected).abs() < 2e-6, "{value} {expected}");
            }
            assert_eq!(pixels[4..], [0.0; 4]);
        }
    }

    #[test]
    fn every_pixel_of_a_long_picture_is_converted() {
        let mut pixels: Vec<f32> = (0..2500 * 4).map(|n| (n % 1000) as f32 / 1000.0).collect();
        let before = pixels.clone();
        recipe(Output::Foreground, Encoding::Srgb, Encoding::Linear).apply(&mut pixels);
        for (after, before) in pixels.chunks(4).zip(before.chunks(4)) {
            assert_eq!(after[3], before[3]);
            for (after, before) in after[..3].iter().zip(before) {
                assert!((after - srgb_to_linear(*before)).abs() < 2e-6);
            }
        }
    }
}
