//! What a plate's file says comes back in the key's file, and what cannot be read says why.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::Cursor;

use exr::meta::attribute::{Chromaticities, TimeCode};
use exr::prelude::SmallVec;

use super::*;

/// How a test file is laid out.
struct Layout {
    compression: Compression,
    blocks: Blocks,
    half: bool,
}

const PLAIN: Layout = Layout {
    compression: Compression::ZIP16,
    blocks: Blocks::ScanLines,
    half: false,
};

fn channel(name: &str, half: bool, values: Vec<f32>) -> AnyChannel<FlatSamples> {
    let samples = if half {
        FlatSamples::F16(values.into_iter().map(f16::from_f32).collect())
    } else {
        FlatSamples::F32(values)
    };
    AnyChannel::new(name, samples)
}

fn layer(
    size: (usize, usize),
    attributes: LayerAttributes,
    channels: &[(&str, f32)],
    layout: &Layout,
) -> Layer<AnyChannels<FlatSamples>> {
    let count = size.0 * size.1;
    let list: SmallVec<[_; 4]> = channels
        .iter()
        // Exact in half: whole numbers and a quarter.
        .map(|&(name, base)| {
            let values = (0..count).map(|n| base + (n % 512) as f32).collect();
            channel(name, layout.half, values)
        })
        .collect();
    let encoding = Encoding {
        compression: layout.compression,
        blocks: layout.blocks,
        line_order: LineOrder::Increasing,
    };
    Layer::new(size, attributes, encoding, AnyChannels::sort(list))
}

fn file(size: (usize, usize), channels: &[(&str, f32)], layout: &Layout) -> Vec<u8> {
    let layer = layer(size, LayerAttributes::default(), channels, layout);
    let image = Image::new(ImageAttributes::with_size(size), layer);
    let mut bytes = Cursor::new(Vec::new());
    image
        .write()
        .non_parallel()
        .to_buffered(&mut bytes)
        .unwrap();
    bytes.into_inner()
}

fn read_bytes(bytes: &[u8]) -> Result<Picture, String> {
    read(Cursor::new(bytes.to_vec()))
}

const RGBA: &[(&str, f32)] = &[("R", 0.25), ("G", 1000.0), ("B", -2.0), ("A", 0.5)];

#[test]
fn every_layout_gives_the_same_pixels() {
    let size = (37, 21);
    for compression in [
        Compression::Uncompressed,
        Compression::RLE,
        Compression::ZIP1,
        Compression::ZIP16,
        Compression::PIZ,
    ] {
        for blocks in [Blocks::ScanLines, Blocks::Tiles(Vec2(16, 8))] {
            for half in [false, true] {
                let layout = Layout {
                    compression,
                    blocks,
                    half,
                };
                let picture = read_bytes(&file(size, RGBA, &layout)).unwrap();
                assert_eq!(picture.channels, Channels::Rgba);
                assert_eq!(
                    picture.sample,
                    if half { Sample::Half } else { Sample::Float }
                );
                for (n, pixel) in picture.pixels.chunks(4).enumerate() {
                    let n = (n % 512) as f32;
                    let green = f16::from_f32(1000.0 + n).to_f32();
                    let green = if half { green } else { 1000.0 + n };
                    let expected = [0.25 + n, green, -2.0 + n, 0.5 + n].map(|value| {
                        if half {
                            f16::from_f32(value).to_f32()
                        } else {
                            value
                        }
                    });
                    assert_eq!(pixel, expected, "{compression:?} {blocks:?} {half}");
                }
            }
        }
    }
}

#[test]
fn one_and_two_channels_are_grey() {
    for (channels, kind, pixel) in [
        (&[("Y", 0.5)][..], Channels::Grey, [0.5, 0.5, 0.5, 1.0]),
        (&[("R", 0.5)][..], Channels::Grey, [0.5, 0.5, 0.5, 1.0]),
        (&[("A", 0.5)][..], Channels::Alpha, [0.5, 0.5, 0.5, 1.0]),
        (
            &[("Y", 0.5), ("A", 0.25)][..],
            Channels::GreyAlpha,
            [0.5, 0.5, 0.5, 0.25],
        ),
        (
            &[("R", 1.0), ("G", 2.0), ("B", 3.0)][..],
            Channels::Rgb,
            [1.0, 2.0, 3.0, 1.0],
        ),
        // Other channels beside colour are passed over.
        (
            &[("R", 1.0), ("G", 2.0), ("B", 3.0), ("Z", 9.0)][..],
            Channels::Rgb,
            [1.0, 2.0, 3.0, 1.0],
        ),
    ] {
        let picture = read_bytes(&file((1, 1), channels, &PLAIN)).unwrap();
        assert_eq!(picture.channels, kind);
        assert_eq!(picture.pixels, pixel);
    }
}

/// A frame with overscan on the left, a crop on the right, a display window off the origin, and
/// everything that must be kept.
fn decorated() -> (Vec<u8>, ImageAttributes, LayerAttributes) {
    let mut image = ImageAttributes::new(IntegerBounds::new((10, 20), (8, 6)));
    image.pixel_aspect = 2.0;
    image.time_code = Some(TimeCode {
        hours: 10,
        minutes: 11,
        seconds: 12,
        frame: 13,
        ..TimeCode::default()
    });
    image.chromaticities = Some(Chromaticities {
        red: Vec2(0.713, 0.293),
        green: Vec2(0.165, 0.83),
        blue: Vec2(0.128, 0.044),
        white: Vec2(0.32168, 0.33767),
    });
    let mut part = LayerAttributes::default().with_position(Vec2(7, 22));
    part.frames_per_second = Some((24000, 1001));
    part.owner = Text::new_or_none("a studio");
    part.focus = Some(2.5);
    part.layer_name = Text::new_or_none("plate");
    part.other.insert(
        Text::new_or_none("camera/reel").unwrap(),
        AttributeValue::Text(Text::new_or_none("A001").unwrap()),
    );
    let layer = layer((9, 4), part.clone(), RGBA, &PLAIN);
    let mut bytes = Cursor::new(Vec::new());
    Image::new(image.clone(), layer)
        .write()
        .non_parallel()
        .to_buffered(&mut bytes)
        .unwrap();
    (bytes.into_inner(), image, part)
}

#[test]
fn what_the_plate_says_is_written_back() {
    let (bytes, image, part) = decorated();
    let picture = read_bytes(&bytes).unwrap();
    let placement = &picture.placement;
    assert_eq!(
        placement.display,
        Size {
            width: 8,
            height: 6
        }
    );
    assert_eq!((placement.x, placement.y), (-3, 2));
    assert_eq!(
        placement.data,
        Size {
            width: 9,
            height: 4
        }
    );
    assert_eq!(placement.pixel_aspect, 2.0);
    assert_eq!(
        placement.bounds(),
        ofx::RectI {
            x1: -3,
            y1: 0,
            x2: 6,
            y2: 4
        }
    );

    for (channels, names) in [
        (Write::Single, &["Y"][..]),
        (Write::Rgb, &["B", "G", "R"]),
        (Write::Rgba, &["A", "B", "G", "R"]),
    ] {
        let mut bytes = Cursor::new(Vec::new());
        write(
            &mut bytes,
            Sample::Half,
            channels,
            placement,
            &picture.pixels,
        )
        .unwrap_or_else(|_| panic!());
        let bytes = bytes.into_inner();
        let meta = MetaData::read_from_buffered(bytes.as_slice(), true).unwrap();
        let written = &meta.headers[0];
        assert_eq!(written.shared_attributes, image);
        assert_eq!(written.layer_size, Vec2(9, 4));
        let own = &written.own_attributes;
        assert_eq!(own.layer_position, Vec2(7, 22));
        assert_eq!(own.frames_per_second, part.frames_per_second);
        assert_eq!(own.owner, part.owner);
        assert_eq!(own.focus, part.focus);
        assert_eq!(own.other, part.other);
        assert_eq!(own.layer_name, None);
        assert!(
            own.software_name
                .as_ref()
                .unwrap()
                .to_string()
                .starts_with("CorridorKey")
        );
        let list: Vec<String> = written
            .channels
            .list
            .iter()
            .map(|channel| channel.name.to_string())
            .collect();
        assert_eq!(list, names);
        assert!(
            written
                .channels
                .list
                .iter()
                .all(|c| c.sample_type == SampleType::F16)
        );
        // The file is one that this program reads again, at the same place.
        let again = read_bytes(&bytes).unwrap();
        assert_eq!(again.placement.bounds(), placement.bounds());
    }
}

#[test]
fn float_comes_back_exactly_and_half_stays_finite() {
    let placement = Placement::whole(Size {
        width: 2,
        height: 1,
    });
    let pixels = [1e-9, 1e6, -1e6, 0.1, f32::INFINITY, f32::NAN, 65504.0, 0.0];
    let round = |sample| {
        let mut bytes = Cursor::new(Vec::new());
        write(&mut bytes, sample, Write::Rgba, &placement, &pixels).unwrap_or_else(|_| panic!());
        read_bytes(&bytes.into_inner()).unwrap().pixels
    };
    let float = round(Sample::Float);
    assert!(
        float
            .iter()
            .zip(&pixels)
            .all(|(a, b)| a.to_bits() == b.to_bits()),
        "{float:?}"
    );
    let half = round(Sample::Half);
    assert_eq!(half[1..3], [65504.0, -65504.0]);
    assert!(half[4].is_infinite() && half[5].is_nan());
}

fn refused(bytes: &[u8], word: &str) {
    let error = read_bytes(bytes).unwrap_err();
    assert!(error.contains(word), "{error}");
    assert!(!error.contains('\n'));
}

#[test]
fn channels_that_are_no_colour_are_named() {
    refused(
        &file((1, 1), &[("beauty.R", 0.0), ("beauty.G", 0.0)], &PLAIN),
        "beauty.R",
    );
    refused(
        &file((1, 1), &[("R", 0.0), ("G", 0.0)], &PLAIN),
        "channels G, R",
    );
    refused(
        &file((1, 1), &[("Y", 0.0), ("RY", 0.0), ("BY", 0.0)], &PLAIN),
        "chroma",
    );
}

#[test]
fn subsampled_and_deep_files_are_refused() {
    // The writer makes neither, so that the header's own bytes are changed.
    let mut subsampled = file((2, 2), &[("BY", 0.0), ("RY", 0.0), ("Y", 0.0)], &PLAIN);
    let at = subsampled
        .windows(3)
        .position(|bytes| bytes == b"BY\0")
        .unwrap()
        + 3
        + 8;
    assert_eq!(subsampled[at..at + 8], [1, 0, 0, 0, 1, 0, 0, 0]);
    subsampled[at] = 2;
    subsampled[at + 4] = 2;
    refused(&subsampled, "subsampled");

    let mut deep = file((2, 2), &[("R", 0.0), ("G", 0.0), ("B", 0.0)], &PLAIN);
    deep[5] |= 0x08;
    refused(&deep, "deep data");
}

fn parts(parts: &[LayerAttributes], channels: &[&[(&str, f32)]]) -> Vec<u8> {
    let layers: Vec<_> = parts
        .iter()
        .zip(channels)
        .map(|(attributes, channels)| layer((3, 2), attributes.clone(), channels, &PLAIN))
        .collect();
    let image = Image::from_layers(
        ImageAttributes::with_size((3, 2)),
        SmallVec::from_vec(layers),
    );
    let mut bytes = Cursor::new(Vec::new());
    image
        .write()
        .non_parallel()
        .to_buffered(&mut bytes)
        .unwrap();
    bytes.into_inner()
}

#[test]
fn one_colour_part_among_others_is_found_and_two_are_a_question() {
    let rgb: &[(&str, f32)] = &[("R", 1.0), ("G", 2.0), ("B", 3.0)];
    let depth: &[(&str, f32)] = &[("Z", 9.0)];
    let names = ["depth", "beauty"].map(LayerAttributes::named);
    let picture = read_bytes(&parts(&names, &[depth, rgb])).unwrap();
    assert_eq!(picture.pixels[..4], [1.0, 2.0, 3.0, 1.0]);
    refused(
        &parts(&names, &[rgb, rgb]),
        "2 parts with colour (depth, beauty)",
    );

    let mut views = ["l", "r"].map(LayerAttributes::named);
    views[0].view_name = Text::new_or_none("left");
    views[1].view_name = Text::new_or_none("right");
    refused(&parts(&views, &[rgb, rgb]), "several views (left, right)");
}

#[test]
fn truncated_and_altered_files_are_damaged() {
    let whole = file((64, 64), RGBA, &PLAIN);
    for length in [4, 30, 200, whole.len() / 2, whole.len() - 3] {
        let error = read_bytes(&whole[..length]).unwrap_err();
        assert!(error.contains("damaged or incomplete"), "{length}: {error}");
    }
    // A frame that is still being rendered has a table of zeros in place of its offsets.
    let mut unfinished = whole.clone();
    let end = unfinished
        .windows(2)
        .rposition(|bytes| bytes == b"\0\0")
        .unwrap();
    assert!(end > 0);
    let blocks = 64 / 16;
    let header = MetaData::read_from_buffered(whole.as_slice(), false).unwrap();
    assert_eq!(header.headers[0].chunk_count, blocks);
    let table = whole
        .windows(8)
        .position(|bytes| {
            // The first offset points right behind the table.
            let offset = u64::from_le_bytes(bytes.try_into().unwrap()) as usize;
            offset > 100 && offset < 2000 && whole.get(offset..offset + 4) == Some(&[0; 4])
        })
        .unwrap();
    unfinished[table..table + 8 * blocks].fill(0);
    let error = read_bytes(&unfinished).unwrap_err();
    assert!(error.contains("damaged or incomplete"), "{error}");
}

#[test]
fn a_header_that_promises_too_much_takes_no_memory() {
    let mut bytes = file((2, 2), RGBA, &PLAIN);
    // dataWindow box2i: name, type, length, then xMin yMin xMax yMax.
    let name = b"dataWindow\0box2i\0";
    let at = bytes
        .windows(name.len())
        .position(|window| window == name)
        .unwrap()
        + name.len()
        + 4;
    bytes[at + 8..at + 12].copy_from_slice(&1_000_000i32.to_le_bytes());
    bytes[at + 12..at + 16].copy_from_slice(&1_000_000i32.to_le_bytes());
    refused(&bytes, "scale it down");
}
