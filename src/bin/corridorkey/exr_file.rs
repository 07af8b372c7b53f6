//! OpenEXR, in and out, with everything about the frame kept: data window, display window, pixel
//! aspect, timecode, chromaticities and the other attributes that stay true of a keyed picture.
//!
//! One channel is written as `Y`: compositing programs open it as a grey picture in red, green and
//! blue, where a lone `A` shows as black in most of them.

use std::io::{BufRead, Seek};
use std::sync::Arc;

use exr::block::reader::ChunksReader;
use exr::error::Error as ExrError;
use exr::math::Vec2;
use exr::meta::MetaData;
use exr::meta::attribute::{
    AttributeValue, ChannelList, IntegerBounds, LineOrder, SampleType, Text,
};
use exr::meta::header::{ImageAttributes, LayerAttributes};
use exr::prelude::{
    AnyChannel, AnyChannels, Blocks, Compression, Encoding, FlatSamples, Image, Layer, SmallVec,
    WritableImage,
};
use half::f16;
use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};

use crate::files::{WriteFailure, io_reason};
use crate::picture::{Channels, Kind, Picture, Placement, Sample, Size, Write, check_size};

/// What a file says besides its pixels.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Header {
    /// Display window, pixel aspect, chromaticities, timecode.
    image: ImageAttributes,
    /// Everything else that stays true when the pixels change.
    part: LayerAttributes,
}

/// Reads the one flat colour part of a file, scan lines or tiles, half or float.
pub(crate) fn read(mut reader: impl BufRead + Seek) -> Result<Picture, String> {
    let meta = MetaData::read_from_buffered(&mut reader, false).map_err(|error| reason(&error))?;
    let (index, selection) = select(&meta)?;
    let part = &meta.headers[index];
    let size = Size {
        width: part.layer_size.width(),
        height: part.layer_size.height(),
    };
    let display = part.shared_attributes.display_window;
    let display_size = Size {
        width: display.size.width(),
        height: display.size.height(),
    };
    check_size(size)?;
    check_size(display_size)?;
    let pixel_aspect = f64::from(part.shared_attributes.pixel_aspect);
    if !(1e-3..=1e3).contains(&pixel_aspect) {
        return Err(format!(
            "its pixel aspect ratio is {pixel_aspect}; render it again with one"
        ));
    }
    let position = part.own_attributes.layer_position;
    let header = Header {
        image: part.shared_attributes.clone(),
        part: kept(&part.own_attributes),
    };
    let placement = Placement {
        display: display_size,
        x: position.x().saturating_sub(display.position.x()),
        y: position.y().saturating_sub(display.position.y()),
        data: size,
        pixel_aspect,
        header: Some(Arc::new(header)),
    };
    reader.rewind().map_err(|error| io_reason(&error))?;
    let pixels = read_pixels(reader, index, &selection, size).map_err(|error| reason(&error))?;
    Ok(Picture {
        kind: Kind::Exr,
        sample: selection.sample,
        channels: selection.channels,
        placement,
        pixels,
    })
}

/// Which channels of a part become red, green, blue and alpha.
struct Selection {
    channels: Channels,
    sample: Sample,
    /// Per channel of the file: which of RGBA it fills.
    fills: Vec<&'static [usize]>,
}

/// Finds the one part with colour, or says why there is none.
fn select(meta: &MetaData) -> Result<(usize, Selection), String> {
    if meta.requirements.has_deep_data || meta.headers.iter().any(|part| part.deep) {
        return Err("it holds deep data; flatten it first (DeepToImage in Nuke)".into());
    }
    let mut views: Vec<String> = Vec::new();
    for part in &meta.headers {
        views.extend(part.own_attributes.view_name.iter().map(Text::to_string));
        views.extend(
            part.own_attributes
                .multi_view_names
                .iter()
                .flatten()
                .map(Text::to_string),
        );
    }
    views.sort();
    views.dedup();
    if views.len() > 1 {
        return Err(format!(
            "it holds several views ({}); write a file a view",
            views.join(", ")
        ));
    }
    let mut found: Vec<(usize, Selection)> = Vec::new();
    let mut refused = None;
    for (index, part) in meta.headers.iter().enumerate() {
        match select_channels(&part.channels) {
            Ok(selection) => found.push((index, selection)),
            Err(why) => refused = refused.or(Some(why)),
        }
    }
    if found.len() > 1 {
        let names: Vec<String> = found
            .iter()
            .map(
                |(index, _)| match &meta.headers[*index].own_attributes.layer_name {
                    Some(name) => name.to_string(),
                    None => format!("part {index}"),
                },
            )
            .collect();
        return Err(format!(
            "it has {} parts with colour ({}); write a file with one of them",
            names.len(),
            names.join(", ")
        ));
    }
    found
        .pop()
        .ok_or_else(|| refused.unwrap_or_else(|| "it has no parts; render it again".into()))
}

fn select_channels(list: &ChannelList) -> Result<Selection, String> {
    if list
        .list
        .iter()
        .any(|channel| channel.sampling != Vec2(1, 1))
    {
        return Err(
            "its colour channels are subsampled; write it as full-resolution R, G, B".into(),
        );
    }
    let index = |name: &str| list.list.iter().position(|channel| channel.name.eq(name));
    let (red, green, blue) = (index("R"), index("G"), index("B"));
    let (grey, alpha) = (index("Y"), index("A"));
    let chroma = index("RY").or(index("BY"));
    let mut fills: Vec<&'static [usize]> = vec![&[]; list.list.len()];
    let channels = match (red, green, blue, grey, alpha) {
        (Some(red), Some(green), Some(blue), _, alpha) => {
            fills[red] = &[0];
            fills[green] = &[1];
            fills[blue] = &[2];
            if alpha.is_some() {
                Channels::Rgba
            } else {
                Channels::Rgb
            }
        }
        (None, None, None, Some(_), _) if chroma.is_some() => {
            return Err("it stores luminance and chroma; write it as R, G, B".into());
        }
        (None, None, None, Some(grey), alpha) | (Some(grey), None, None, None, alpha) => {
            fills[grey] = &[0, 1, 2];
            if alpha.is_some() {
                Channels::GreyAlpha
            } else {
                Channels::Grey
            }
        }
        (None, None, None, None, Some(alpha)) => {
            fills[alpha] = &[0, 1, 2];
            Channels::Alpha
        }
        _ => {
            let names: Vec<String> = list
                .list
                .iter()
                .map(|channel| channel.name.to_string())
                .collect();
            return Err(format!(
                "it has the channels {} and not R, G, B or Y or A; write the one to be used under \
                 those names",
                names.join(", ")
            ));
        }
    };
    if let (true, Some(alpha)) = (channels.has_alpha(), alpha) {
        fills[alpha] = &[3];
    }
    let mut sample = Sample::Half;
    for (channel, _) in list
        .list
        .iter()
        .zip(&fills)
        .filter(|(_, fills)| !fills.is_empty())
    {
        match channel.sample_type {
            SampleType::F16 => {}
            SampleType::F32 => sample = Sample::Float,
            SampleType::U32 => {
                return Err(format!(
                    "its channel {} holds whole numbers; write it as half or float",
                    channel.name
                ));
            }
        }
    }
    Ok(Selection {
        channels,
        sample,
        fills,
    })
}

fn read_pixels(
    reader: impl BufRead + Seek,
    index: usize,
    selection: &Selection,
    size: Size,
) -> Result<Vec<f32>, ExrError> {
    let mut pixels = vec![0.0; size.width * size.height * 4];
    if !selection.channels.has_alpha() {
        pixels
            .iter_mut()
            .skip(3)
            .step_by(4)
            .for_each(|alpha| *alpha = 1.0);
    }
    let mut bits: Vec<u16> = Vec::new();
    let mut floats: Vec<f32> = Vec::new();
    let mut filled = 0;
    exr::block::read(reader, false)?
        .filter_chunks(false, |_, tile, block| {
            block.layer == index && tile.is_largest_resolution_level()
        })?
        .decompress_sequential(false, |meta, block| {
            let channels = &meta.headers[index].channels;
            for line in block.lines(channels) {
                let Some(&fills) = selection.fills.get(line.location.channel) else {
                    continue;
                };
                if fills.is_empty() {
                    continue;
                }
                let (x, y) = (line.location.position.x(), line.location.position.y());
                let count = line.location.sample_count;
                let outside = || ExrError::Invalid("a block lies outside the data window".into());
                if x.checked_add(count).is_none_or(|end| end > size.width) || y >= size.height {
                    return Err(outside());
                }
                floats.resize(count, 0.0);
                match channels.list[line.location.channel].sample_type {
                    SampleType::F16 => {
                        bits.clear();
                        bits.extend(
                            line.value
                                .chunks_exact(2)
                                .map(|pair| u16::from_ne_bytes([pair[0], pair[1]])),
                        );
                        let halves: &[f16] = bits.reinterpret_cast();
                        halves.convert_to_f32_slice(&mut floats);
                    }
                    SampleType::F32 | SampleType::U32 => {
                        for (float, bytes) in floats.iter_mut().zip(line.value.chunks_exact(4)) {
                            *float = f32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
                        }
                    }
                }
                let start = (y * size.width + x) * 4;
                let row = &mut pixels[start..start + count * 4];
                for &fill in fills {
                    for (pixel, &float) in row.chunks_exact_mut(4).zip(&floats) {
                        pixel[fill] = float;
                    }
                }
                filled += count;
            }
            Ok(())
        })?;
    let wanted = selection
        .fills
        .iter()
        .filter(|fills| !fills.is_empty())
        .count();
    if filled != wanted * size.width * size.height {
        return Err(ExrError::Invalid("blocks are missing".into()));
    }
    Ok(pixels)
}

/// What of a plate's attributes stays true of its key.
fn kept(attributes: &LayerAttributes) -> LayerAttributes {
    let mut kept = attributes.clone();
    kept.layer_name = None;
    kept.multi_view_names = None;
    kept.deep_image_state = None;
    // A small picture of the plate is not one of the key.
    kept.preview = None;
    kept.software_name = None;
    kept
}

/// Writes scan lines, compressed without loss; [`Sample::Float`] as float, all others as half.
pub(crate) fn write(
    writer: impl std::io::Write + Seek,
    sample: Sample,
    channels: Write,
    placement: &Placement,
    pixels: &[f32],
) -> Result<(), WriteFailure> {
    let names: &[(&str, usize)] = match channels {
        Write::Single => &[("Y", 0)],
        Write::Rgb => &[("B", 2), ("G", 1), ("R", 0)],
        Write::Rgba => &[("A", 3), ("B", 2), ("G", 1), ("R", 0)],
    };
    let list: SmallVec<[_; 4]> = names
        .iter()
        .map(|&(name, channel)| {
            let values = pixels.chunks_exact(4).map(|pixel| pixel[channel]);
            let samples = match sample {
                Sample::Float => FlatSamples::F32(values.collect()),
                Sample::Byte | Sample::Short | Sample::Half => FlatSamples::F16(halves(values)),
            };
            AnyChannel::new(name, samples)
        })
        .collect();
    let size = Vec2(placement.data.width, placement.data.height);
    let display = Vec2(placement.display.width, placement.display.height);
    let (image, mut part) = match placement.header.as_deref() {
        Some(header) => (header.image.clone(), header.part.clone()),
        None => (
            ImageAttributes::with_size(display),
            LayerAttributes::default(),
        ),
    };
    let origin = image.display_window.position;
    let image = ImageAttributes {
        display_window: IntegerBounds {
            position: origin,
            size: display,
        },
        pixel_aspect: placement.pixel_aspect as f32,
        ..image
    };
    part.layer_position = Vec2(
        placement.x.saturating_add(origin.x()),
        placement.y.saturating_add(origin.y()),
    );
    part.software_name = Text::new_or_none(concat!("CorridorKey ", env!("CARGO_PKG_VERSION")));
    // Written under a custom name by some programs, these two belong to the whole file.
    part.other.retain(|_, value| {
        !matches!(
            value,
            AttributeValue::Chromaticities(_) | AttributeValue::TimeCode(_)
        )
    });
    let encoding = Encoding {
        compression: Compression::ZIP16,
        blocks: Blocks::ScanLines,
        line_order: LineOrder::Increasing,
    };
    let layer = Layer::new(size, part, encoding, AnyChannels::sort(list));
    Image::new(image, layer)
        .write()
        .non_parallel()
        .to_buffered(writer)
        .map_err(|error| match error {
            ExrError::Io(error) => WriteFailure::Io(error),
            other => WriteFailure::Format(other.to_string()),
        })
}

/// Halves, with what is too large for them brought to their largest value instead of infinity.
fn halves(values: impl Iterator<Item = f32>) -> Vec<f16> {
    const LARGEST: f32 = 65504.0;
    let floats: Vec<f32> = values
        .map(|value| {
            if value.is_finite() {
                value.clamp(-LARGEST, LARGEST)
            } else {
                value
            }
        })
        .collect();
    let mut halves = vec![f16::ZERO; floats.len()];
    halves.convert_from_f32_slice(&floats);
    halves
}

fn reason(error: &ExrError) -> String {
    match error {
        ExrError::Io(error) => io_reason(error),
        ExrError::NotSupported(what) if what.contains("deep") => {
            "it holds deep data; flatten it first (DeepToImage in Nuke)".into()
        }
        ExrError::NotSupported(what) => {
            format!("it uses something that is not read ({what}); write it as flat ZIP or PIZ")
        }
        ExrError::Invalid(what) => {
            format!("the file is damaged or incomplete ({what}); copy or render it again")
        }
        ExrError::Aborted => "reading was stopped".into(),
    }
}

#[cfg(test)]
mod tests;
