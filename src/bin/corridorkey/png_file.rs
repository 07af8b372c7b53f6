//! PNG, in and out. Alpha is stored as PNG has it, not multiplied in, when it is read; what is
//! written is what is given.

use std::io::{BufRead, Seek};

use image::codecs::png::{CompressionType, FilterType, PngDecoder, PngEncoder};
use image::error::ImageError;
use image::{ColorType, ExtendedColorType, ImageDecoder, ImageEncoder, Limits};

use crate::files::{WriteFailure, io_reason};
use crate::picture::{
    Channels, Kind, LONGEST_SIDE, MOST_PIXELS, Picture, Placement, Sample, Size, Write, check_size,
};

/// Reads grey, grey with alpha, RGB, RGBA or palette of any depth.
pub(crate) fn read(reader: impl BufRead + Seek) -> Result<Picture, String> {
    let mut limits = Limits::no_limits();
    limits.max_image_width = Some(LONGEST_SIDE as u32);
    limits.max_image_height = Some(LONGEST_SIDE as u32);
    limits.max_alloc = Some(MOST_PIXELS as u64 * 8);
    let decoder = PngDecoder::with_limits(reader, limits).map_err(|error| reason(&error))?;
    let (width, height) = decoder.dimensions();
    let size = Size {
        width: width as usize,
        height: height as usize,
    };
    check_size(size)?;
    let colour = decoder.color_type();
    let (channels, sample) = match colour {
        ColorType::L8 => (Channels::Grey, Sample::Byte),
        ColorType::La8 => (Channels::GreyAlpha, Sample::Byte),
        ColorType::Rgb8 => (Channels::Rgb, Sample::Byte),
        ColorType::Rgba8 => (Channels::Rgba, Sample::Byte),
        ColorType::L16 => (Channels::Grey, Sample::Short),
        ColorType::La16 => (Channels::GreyAlpha, Sample::Short),
        ColorType::Rgb16 => (Channels::Rgb, Sample::Short),
        ColorType::Rgba16 => (Channels::Rgba, Sample::Short),
        other => return Err(format!("its pixels are {other:?}, which PNG does not have")),
    };
    let mut bytes = vec![0; decoder.total_bytes() as usize];
    decoder
        .read_image(&mut bytes)
        .map_err(|error| reason(&error))?;
    let count = size.width * size.height;
    let pixels = match sample {
        Sample::Byte => unpack(
            bytes.iter().map(|&byte| f32::from(byte) / 255.0),
            channels,
            count,
        ),
        _ => unpack(
            bytes
                .chunks_exact(2)
                .map(|pair| f32::from(u16::from_ne_bytes([pair[0], pair[1]])) / 65535.0),
            channels,
            count,
        ),
    };
    Ok(Picture {
        kind: Kind::Png,
        sample,
        channels,
        placement: Placement::whole(size),
        pixels,
    })
}

/// Spreads a file's samples over RGBA.
fn unpack(mut samples: impl Iterator<Item = f32>, channels: Channels, count: usize) -> Vec<f32> {
    let mut pixels = Vec::with_capacity(count * 4);
    let mut next = || samples.next().unwrap_or(0.0);
    for _ in 0..count {
        let pixel = match channels {
            Channels::Grey | Channels::Alpha => {
                let grey = next();
                [grey, grey, grey, 1.0]
            }
            Channels::GreyAlpha => {
                let grey = next();
                [grey, grey, grey, next()]
            }
            Channels::Rgb => [next(), next(), next(), 1.0],
            Channels::Rgba => [next(), next(), next(), next()],
        };
        pixels.extend_from_slice(&pixel);
    }
    pixels
}

/// Writes 8 bits for [`Sample::Byte`] and 16 for every other. Values are clamped to 0..1 and
/// rounded; what is not a number is 0.
pub(crate) fn write(
    mut writer: impl std::io::Write,
    sample: Sample,
    channels: Write,
    size: Size,
    pixels: &[f32],
) -> Result<(), WriteFailure> {
    let (Ok(width), Ok(height)) = (u32::try_from(size.width), u32::try_from(size.height)) else {
        return Err(WriteFailure::Format(
            "the picture is larger than PNG allows".into(),
        ));
    };
    let samples = pixels
        .chunks_exact(4)
        .flat_map(|pixel| pixel[..channels.count()].iter());
    let (bytes, colour) = if sample == Sample::Byte {
        let bytes: Vec<u8> = samples.map(|&value| quantise(value, 255.0) as u8).collect();
        let colour = match channels {
            Write::Single => ExtendedColorType::L8,
            Write::Rgb => ExtendedColorType::Rgb8,
            Write::Rgba => ExtendedColorType::Rgba8,
        };
        (bytes, colour)
    } else {
        let mut bytes = Vec::with_capacity(size.width * size.height * channels.count() * 2);
        for &value in samples {
            bytes.extend_from_slice(&(quantise(value, 65535.0) as u16).to_ne_bytes());
        }
        let colour = match channels {
            Write::Single => ExtendedColorType::L16,
            Write::Rgb => ExtendedColorType::Rgb16,
            Write::Rgba => ExtendedColorType::Rgba16,
        };
        (bytes, colour)
    };
    // Encoded in memory: the encoder would turn what the system says of a full disk into text.
    let mut encoded = Vec::new();
    PngEncoder::new_with_quality(&mut encoded, CompressionType::Fast, FilterType::Adaptive)
        .write_image(&bytes, width, height, colour)
        .map_err(|error| WriteFailure::Format(error.to_string()))?;
    writer.write_all(&encoded)?;
    Ok(())
}

/// A float cast saturates and takes NaN to 0, so that only the rounding is left to do.
fn quantise(value: f32, most: f32) -> u32 {
    (value.clamp(0.0, 1.0) * most + 0.5) as u32
}

fn reason(error: &ImageError) -> String {
    match error {
        ImageError::IoError(error) => io_reason(error),
        ImageError::Limits(_) => format!(
            "it is too large: at most {LONGEST_SIDE} pixels a side and {MOST_PIXELS} in all are \
             read; scale it down"
        ),
        other => format!("the file is damaged ({other}); copy or render it again"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use std::io::Cursor;

    use super::*;

    fn encode(bytes: &[u8], width: u32, height: u32, colour: ExtendedColorType) -> Vec<u8> {
        let mut file = Vec::new();
        PngEncoder::new(&mut file)
            .write_image(bytes, width, height, colour)
            .unwrap();
        file
    }

    #[test]
    fn every_kind_of_pixel_is_read() {
        let wide: Vec<u8> = [0u16, 0x8000, 0xffff, 0x1234]
            .iter()
            .flat_map(|value| value.to_ne_bytes())
            .collect();
        let short = |value: u16| f32::from(value) / 65535.0;
        let byte = |value: u8| f32::from(value) / 255.0;
        let cases: [(Vec<u8>, Channels, Sample, Vec<f32>); 5] = [
            (
                encode(&[51, 102], 2, 1, ExtendedColorType::L8),
                Channels::Grey,
                Sample::Byte,
                vec![0.2, 0.2, 0.2, 1.0, 0.4, 0.4, 0.4, 1.0],
            ),
            (
                encode(&[51, 7], 1, 1, ExtendedColorType::La8),
                Channels::GreyAlpha,
                Sample::Byte,
                vec![0.2, 0.2, 0.2, byte(7)],
            ),
            (
                encode(&[1, 2, 3], 1, 1, ExtendedColorType::Rgb8),
                Channels::Rgb,
                Sample::Byte,
                vec![byte(1), byte(2), byte(3), 1.0],
            ),
            (
                encode(&wide, 1, 1, ExtendedColorType::Rgba16),
                Channels::Rgba,
                Sample::Short,
                vec![0.0, short(0x8000), 1.0, short(0x1234)],
            ),
            (
                encode(&wide[2..4], 1, 1, ExtendedColorType::L16),
                Channels::Grey,
                Sample::Short,
                vec![short(0x8000), short(0x8000), short(0x8000), 1.0],
            ),
        ];
        for (file, channels, sample, pixels) in cases {
            let picture = read(Cursor::new(file)).unwrap();
            assert_eq!((picture.channels, picture.sample), (channels, sample));
            assert_eq!(picture.pixels, pixels);
        }
    }

    /// A two-colour palette with one transparent entry, put together by hand: the encoder has none.
    #[test]
    fn a_palette_is_unfolded() {
        fn chunk(file: &mut Vec<u8>, name: &[u8; 4], data: &[u8]) {
            let mut crc = !0u32;
            for &byte in name.iter().chain(data) {
                crc ^= u32::from(byte);
                for _ in 0..8 {
                    crc = if crc & 1 == 1 {
                        (crc >> 1) ^ 0xedb8_8320
                    } else {
                        crc >> 1
                    };
                }
            }
            file.extend((data.len() as u32).to_be_bytes());
            file.extend(name);
            file.extend(data);
            file.extend((!crc).to_be_bytes());
        }
        let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
        chunk(&mut file, b"IHDR", &[0, 0, 0, 2, 0, 0, 0, 1, 1, 3, 0, 0, 0]);
        chunk(&mut file, b"PLTE", &[255, 0, 0, 0, 0, 255]);
        chunk(&mut file, b"tRNS", &[51]);
        // A stored deflate block: filter 0, then one byte with the bits 0 and 1.
        let raw = [0u8, 0b0100_0000];
        let (mut a, mut b) = (1u32, 0u32);
        for byte in raw {
            a = (a + u32::from(byte)) % 65521;
            b = (b + a) % 65521;
        }
        let mut data = vec![0x78, 0x01, 1, 2, 0, 0xfd, 0xff];
        data.extend(raw);
        data.extend(((b << 16) | a).to_be_bytes());
        chunk(&mut file, b"IDAT", &data);
        chunk(&mut file, b"IEND", &[]);
        let picture = read(Cursor::new(file)).unwrap();
        assert_eq!(picture.channels, Channels::Rgba);
        assert_eq!(picture.pixels, [1.0, 0.0, 0.0, 0.2, 0.0, 0.0, 1.0, 1.0]);
    }

    #[test]
    fn a_truncated_file_is_damaged() {
        let file = encode(&[9; 64 * 64 * 3], 64, 64, ExtendedColorType::Rgb8);
        for length in [20, file.len() / 2, file.len() - 20] {
            let error = read(Cursor::new(file[..length].to_vec())).unwrap_err();
            assert!(
                error.contains("damaged") || error.contains("incomplete"),
                "{error}"
            );
        }
    }

    #[test]
    fn writing_clamps_rounds_and_keeps_the_depth() {
        let size = Size {
            width: 2,
            height: 1,
        };
        let pixels = [f32::NAN, -1.0, 2.0, f32::INFINITY, 0.2, 0.4, 0.6, 0.8];
        for sample in [Sample::Byte, Sample::Short, Sample::Half, Sample::Float] {
            for (write_as, channels) in [
                (Write::Single, Channels::Grey),
                (Write::Rgb, Channels::Rgb),
                (Write::Rgba, Channels::Rgba),
            ] {
                let mut file = Vec::new();
                write(&mut file, sample, write_as, size, &pixels).unwrap_or_else(|_| panic!());
                let picture = read(Cursor::new(file)).unwrap();
                let depth = if sample == Sample::Byte {
                    Sample::Byte
                } else {
                    Sample::Short
                };
                assert_eq!((picture.channels, picture.sample), (channels, depth));
                assert_eq!(picture.pixels[0], 0.0);
                assert!((picture.pixels[4] - 0.2).abs() < 1e-6);
                if write_as != Write::Single {
                    assert_eq!(picture.pixels[1..3], [0.0, 1.0]);
                }
            }
        }
    }
}
