//! Plates, hints and results as files.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use exr::prelude::{
    AnyChannel, AnyChannels, Encoding, FlatSamples, Image, ImageAttributes, Layer, LayerAttributes,
    MetaData, SmallVec, WritableImage, f16, read_all_flat_layers_from_file,
};
use image::codecs::png::PngEncoder;
use image::{DynamicImage, ExtendedColorType, ImageEncoder};

use crate::common::is_subject;

/// The size of most test plates: a multiple of what the network wants, so that nothing is resized.
pub(crate) const WIDTH: usize = 96;
pub(crate) const HEIGHT: usize = 64;

/// The colour of the plate in sRGB, from 0 to 255.
pub(crate) fn plate_byte(x: usize, y: usize) -> [u8; 3] {
    match subject(x, y) {
        true => [190, 128 + (x % 7) as u8, 100],
        false => [30, 160, 50 + (y % 5) as u8],
    }
}

/// The hint, from 0 to 255.
pub(crate) fn hint_byte(x: usize, y: usize) -> u8 {
    match subject(x, y) {
        true => 204,
        false => 0,
    }
}

fn subject(x: usize, y: usize) -> bool {
    is_subject(x as i32, y as i32, WIDTH as i32, HEIGHT as i32)
}

/// Writes 8-bit pixels.
pub(crate) fn png(
    path: &Path,
    width: usize,
    height: usize,
    colour: ExtendedColorType,
    bytes: &[u8],
) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    PngEncoder::new(BufWriter::new(File::create(path).unwrap()))
        .write_image(bytes, width as u32, height as u32, colour)
        .unwrap();
}

/// The plate as an 8-bit RGB file.
pub(crate) fn plate_png(path: &Path) {
    let bytes: Vec<u8> = over(WIDTH, HEIGHT)
        .flat_map(|(x, y)| plate_byte(x, y))
        .collect();
    png(path, WIDTH, HEIGHT, ExtendedColorType::Rgb8, &bytes);
}

/// The hint as an 8-bit grey file.
pub(crate) fn hint_png(path: &Path) {
    let bytes: Vec<u8> = over(WIDTH, HEIGHT).map(|(x, y)| hint_byte(x, y)).collect();
    png(path, WIDTH, HEIGHT, ExtendedColorType::L8, &bytes);
}

/// Plain green with a grey block in its middle, of any size.
pub(crate) fn plain_png(path: &Path, width: usize, height: usize) {
    let bytes: Vec<u8> = over(width, height)
        .flat_map(|(x, y)| {
            let inside =
                x * 3 >= width && x * 3 < width * 2 && y * 3 >= height && y * 3 < height * 2;
            if inside {
                [150, 140, 130]
            } else {
                [20, 180, 40]
            }
        })
        .collect();
    png(path, width, height, ExtendedColorType::Rgb8, &bytes);
}

/// Columns and rows, row by row from the top.
pub(crate) fn over(width: usize, height: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..height).flat_map(move |y| (0..width).map(move |x| (x, y)))
}

/// Writes an OpenEXR file of float or half channels.
pub(crate) fn exr(
    path: &Path,
    image: ImageAttributes,
    part: LayerAttributes,
    size: (usize, usize),
    half: bool,
    channels: &[(&str, Vec<f32>)],
) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let list: SmallVec<[_; 4]> = channels
        .iter()
        .map(|(name, values)| {
            let samples = if half {
                FlatSamples::F16(values.iter().map(|&value| f16::from_f32(value)).collect())
            } else {
                FlatSamples::F32(values.clone())
            };
            AnyChannel::new(*name, samples)
        })
        .collect();
    let layer = Layer::new(size, part, Encoding::FAST_LOSSLESS, AnyChannels::sort(list));
    Image::new(image, layer).write().to_file(path).unwrap();
}

/// A written OpenEXR file.
pub(crate) struct Written {
    pub(crate) meta: MetaData,
    pub(crate) size: (usize, usize),
    /// Channel names and values.
    pub(crate) channels: Vec<(String, Vec<f32>)>,
    pub(crate) half: bool,
}

impl Written {
    pub(crate) fn channel(&self, name: &str) -> &[f32] {
        let found = self.channels.iter().find(|(known, _)| known == name);
        &found.unwrap_or_else(|| panic!("no channel {name}")).1
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.channels
            .iter()
            .map(|(name, _)| name.as_str())
            .collect()
    }
}

/// Reads a written OpenEXR file whole.
pub(crate) fn read_exr(path: &Path) -> Written {
    let image = read_all_flat_layers_from_file(path).unwrap();
    let layer = &image.layer_data[0];
    Written {
        meta: MetaData::read_from_file(path, true).unwrap(),
        size: (layer.size.width(), layer.size.height()),
        half: layer
            .channel_data
            .list
            .iter()
            .all(|channel| matches!(channel.sample_data, FlatSamples::F16(_))),
        channels: layer
            .channel_data
            .list
            .iter()
            .map(|channel| {
                (
                    channel.name.to_string(),
                    channel.sample_data.values_as_f32().collect(),
                )
            })
            .collect(),
    }
}

/// Reads a written PNG file.
pub(crate) fn read_png(path: &Path) -> DynamicImage {
    image::ImageReader::open(path).unwrap().decode().unwrap()
}

/// The sRGB curve, written out again so that the program's own is not its witness.
pub(crate) fn to_linear(value: f32) -> f32 {
    let value = f64::from(value);
    let linear = if value <= 0.040_45 {
        value / 12.92
    } else {
        ((value + 0.055) / 1.055).powf(2.4)
    };
    linear as f32
}

/// The other way.
pub(crate) fn to_srgb(value: f32) -> f32 {
    let value = f64::from(value);
    let srgb = if value <= 0.003_130_8 {
        value * 12.92
    } else {
        1.055 * value.powf(1.0 / 2.4) - 0.055
    };
    srgb as f32
}
