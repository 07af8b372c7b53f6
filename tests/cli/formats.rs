//! What comes in as one kind of file goes out as another with the right values.

use std::path::Path;

use exr::math::Vec2;
use exr::meta::attribute::{Chromaticities, TimeCode};
use exr::prelude::{ImageAttributes, IntegerBounds, LayerAttributes};
use image::{ColorType, ExtendedColorType};

use crate::pictures::{
    HEIGHT, WIDTH, exr, hint_byte, hint_png, over, plate_byte, plate_png, png, read_exr, read_png,
    to_linear, to_srgb,
};
use crate::{Desk, near};

/// Half a step of a 16-bit integer and what the curves cost.
const SHORT: f32 = 2e-5;
/// The relative step of a half below 1, and what the curves cost.
const HALF: f32 = 6e-4;

fn byte(value: u8) -> f32 {
    f32::from(value) / 255.0
}

fn alpha() -> Vec<f32> {
    over(WIDTH, HEIGHT)
        .map(|(x, y)| byte(hint_byte(x, y)))
        .collect()
}

/// One channel of the plate, in sRGB.
fn plate(channel: usize) -> Vec<f32> {
    over(WIDTH, HEIGHT)
        .map(|(x, y)| byte(plate_byte(x, y)[channel]))
        .collect()
}

fn each(values: &[f32], change: impl Fn(f32) -> f32) -> Vec<f32> {
    values.iter().map(|&value| change(value)).collect()
}

fn times(a: &[f32], b: &[f32]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a * b).collect()
}

#[test]
fn png_becomes_linear_exr() {
    let desk = Desk::new();
    plate_png(&desk.path("in/shot.png"));
    hint_png(&desk.path("in/shot_hint.png"));
    let run = desk
        .key(&[
            "--source",
            "in/shot.png",
            "--hint",
            "in/shot_hint.png",
            "--output",
            "processed,matte,foreground,composite,hint,sourceMatte",
        ])
        .well();
    assert_eq!(run.out, "");
    assert_eq!(
        desk.written(),
        [
            "shot.composite.exr",
            "shot.foreground.exr",
            "shot.hint.exr",
            "shot.matte.exr",
            "shot.processed.exr",
            "shot.sourceMatte.exr",
        ]
    );
    let file = |name: &str| {
        let written = read_exr(&desk.path("out").join(format!("shot.{name}.exr")));
        assert_eq!(written.size, (WIDTH, HEIGHT));
        assert!(written.half);
        written
    };
    let alpha = alpha();
    for name in ["matte", "hint"] {
        let matte = file(name);
        assert_eq!(matte.names(), ["Y"]);
        near(matte.channel("Y"), &alpha, HALF);
    }
    let foreground = file("foreground");
    let processed = file("processed");
    let source = file("sourceMatte");
    for picture in [&foreground, &processed, &source] {
        assert_eq!(picture.names(), ["A", "B", "G", "R"]);
        near(picture.channel("A"), &alpha, HALF);
    }
    let composite = file("composite");
    assert_eq!(composite.names(), ["B", "G", "R"]);
    for (channel, name) in ["R", "G", "B"].into_iter().enumerate() {
        let linear = each(&plate(channel), to_linear);
        near(foreground.channel(name), &linear, HALF);
        near(source.channel(name), &times(&linear, &alpha), HALF);
        near(processed.channel(name), &times(&linear, &alpha), HALF);
        // Over the darker square of the checker, which the whole plate lies in.
        let over: Vec<f32> = linear
            .iter()
            .zip(&alpha)
            .map(|(linear, alpha)| linear * alpha + to_linear(0.15) * (1.0 - alpha))
            .collect();
        near(composite.channel(name), &over, HALF);
    }
}

#[test]
fn png_stays_srgb_and_is_multiplied_after_the_curve() {
    let desk = Desk::new();
    plate_png(&desk.path("shot.png"));
    hint_png(&desk.path("hint.png"));
    let arguments = [
        "--source",
        "shot.png",
        "--hint",
        "hint.png",
        "--format",
        "png",
        "--output",
        "processed,matte,foreground,composite",
    ];
    desk.key(&arguments).well();
    let file = |name: &str| read_png(&desk.path("out").join(format!("shot.{name}.png")));
    let alpha = alpha();

    let matte = file("matte");
    assert_eq!(matte.color(), ColorType::L16);
    near(matte.to_luma32f().as_raw(), &alpha, SHORT);
    let processed = file("processed");
    let foreground = file("foreground");
    assert_eq!(processed.color(), ColorType::Rgba16);
    assert_eq!(foreground.color(), ColorType::Rgba16);
    assert_eq!(file("composite").color(), ColorType::Rgb16);
    let (processed, foreground) = (processed.to_rgba32f(), foreground.to_rgba32f());
    for channel in 0..3 {
        let plane = |picture: &[f32]| -> Vec<f32> {
            picture.iter().skip(channel).step_by(4).copied().collect()
        };
        near(&plane(&foreground), &plate(channel), SHORT);
        near(&plane(&processed), &times(&plate(channel), &alpha), SHORT);
    }

    // The same in eight bits.
    desk.key(&[&arguments[..], &["--depth", "byte"]].concat())
        .well();
    assert_eq!(file("matte").color(), ColorType::L8);
    assert_eq!(file("processed").color(), ColorType::Rgba8);
    let matte: Vec<u8> = file("matte").to_luma8().into_raw();
    let expected: Vec<u8> = over(WIDTH, HEIGHT).map(|(x, y)| hint_byte(x, y)).collect();
    assert_eq!(matte, expected);
}

/// A linear plate with values beyond 1 where the subject is.
fn linear_plate(path: &Path, half: bool) -> [Vec<f32>; 3] {
    let planes: [Vec<f32>; 3] = [0, 1, 2].map(|channel| {
        let bright = |value: f32| if value > 0.7 { value * 1.5 } else { value };
        let plane = each(&plate(channel), |value| bright(to_linear(value)));
        match half {
            true => each(&plane, |value| half::f16::from_f32(value).to_f32()),
            false => plane,
        }
    });
    let channels = [
        ("R", planes[0].clone()),
        ("G", planes[1].clone()),
        ("B", planes[2].clone()),
    ];
    let attributes = ImageAttributes::with_size((WIDTH, HEIGHT));
    exr(
        path,
        attributes,
        LayerAttributes::default(),
        (WIDTH, HEIGHT),
        half,
        &channels,
    );
    planes
}

#[test]
fn exr_stays_linear_and_keeps_its_depth() {
    for half in [false, true] {
        let desk = Desk::new();
        let planes = linear_plate(&desk.path("shot.exr"), half);
        hint_png(&desk.path("hint.png"));
        desk.key_shot("processed,foreground").well();
        let processed = read_exr(&desk.path("out/shot.processed.exr"));
        let foreground = read_exr(&desk.path("out/shot.foreground.exr"));
        assert_eq!((processed.half, foreground.half), (half, half));
        let alpha = alpha();
        for (channel, name) in ["R", "G", "B"].into_iter().enumerate() {
            near(foreground.channel(name), &planes[channel], HALF);
            near(
                processed.channel(name),
                &times(&planes[channel], &alpha),
                HALF,
            );
        }
        // Asked for in so many words, the depth is what was asked for.
        let depth = if half { "float" } else { "half" };
        desk.key(&[
            "--source", "shot.exr", "--hint", "hint.png", "--depth", depth,
        ])
        .well();
        assert_eq!(read_exr(&desk.path("out/shot.matte.exr")).half, !half);
    }
}

#[test]
fn exr_becomes_srgb_png_straight_first() {
    let desk = Desk::new();
    let planes = linear_plate(&desk.path("shot.exr"), false);
    hint_png(&desk.path("hint.png"));
    desk.key(&[
        "--source", "shot.exr", "--hint", "hint.png", "--format", "png",
    ])
    .well();
    let processed = read_png(&desk.path("out/shot.processed.png"))
        .to_rgba32f()
        .into_raw();
    let alpha = alpha();
    for (channel, plane) in planes.iter().enumerate() {
        let expected = times(&each(plane, to_srgb), &alpha);
        let expected = each(&expected, |value| value.clamp(0.0, 1.0));
        let found: Vec<f32> = processed.iter().skip(channel).step_by(4).copied().collect();
        near(&found, &expected, 4.0 * SHORT);
    }
}

#[test]
fn the_source_s_colour_can_be_said() {
    let desk = Desk::new();
    plate_png(&desk.path("shot.png"));
    hint_png(&desk.path("hint.png"));
    let arguments = [
        "--source",
        "shot.png",
        "--hint",
        "hint.png",
        "--output",
        "foreground",
    ];
    // A PNG that is said to be linear needs no curve on its way to OpenEXR.
    desk.key(&[&arguments[..], &["--set", "inputColor=linear"]].concat())
        .well();
    near(
        read_exr(&desk.path("out/shot.foreground.exr")).channel("R"),
        &plate(0),
        HALF,
    );
    // `auto` is the command's own rule.
    desk.key(&[&arguments[..], &["--set", "inputColor=auto"]].concat())
        .well();
    let linear = each(&plate(0), to_linear);
    near(
        read_exr(&desk.path("out/shot.foreground.exr")).channel("R"),
        &linear,
        HALF,
    );
}

#[test]
fn windows_timecode_and_chromaticities_are_kept() {
    let desk = Desk::new();
    let mut image = ImageAttributes::new(IntegerBounds::new((100, 50), (80, 40)));
    image.pixel_aspect = 2.0;
    image.time_code = Some(TimeCode {
        hours: 1,
        minutes: 2,
        seconds: 3,
        frame: 4,
        ..TimeCode::default()
    });
    image.chromaticities = Some(Chromaticities {
        red: Vec2(0.64, 0.33),
        green: Vec2(0.3, 0.6),
        blue: Vec2(0.15, 0.06),
        white: Vec2(0.3127, 0.329),
    });
    // Overscan on the left and top, a crop on the right and bottom.
    let mut part = LayerAttributes::default().with_position(Vec2(92, 46));
    part.frames_per_second = Some((25, 1));
    let (width, height) = (64, 32);
    let ramp: Vec<f32> = over(width, height)
        .map(|(x, y)| (x + 2 * y) as f32 / 200.0)
        .collect();
    let channels = [
        ("R", ramp.clone()),
        ("G", ramp.clone()),
        ("B", ramp.clone()),
    ];
    exr(
        &desk.path("shot.exr"),
        image.clone(),
        part.clone(),
        (width, height),
        false,
        &channels,
    );
    // The hint covers the display window alone: outside of it there is none.
    png(
        &desk.path("hint.png"),
        80,
        40,
        ExtendedColorType::L8,
        &[255; 80 * 40],
    );

    desk.key_shot("matte,foreground").well();
    let matte = read_exr(&desk.path("out/shot.matte.exr"));
    let foreground = read_exr(&desk.path("out/shot.foreground.exr"));
    for written in [&matte, &foreground] {
        let header = &written.meta.headers[0];
        assert_eq!(header.shared_attributes, image);
        assert_eq!(header.own_attributes.layer_position, Vec2(92, 46));
        assert_eq!(header.own_attributes.frames_per_second, Some((25, 1)));
        assert_eq!(written.size, (width, height));
    }
    // The plate is where it was, and the hint begins 8 to the right and 4 below its corner.
    near(foreground.channel("R"), &ramp, HALF);
    let expected: Vec<f32> = over(width, height)
        .map(|(x, y)| f32::from(u8::from(x >= 8 && y >= 4)))
        .collect();
    near(matte.channel("Y"), &expected, HALF);

    // PNG has no windows: it shows the frame.
    desk.key(&[
        "--source", "shot.exr", "--hint", "hint.png", "--format", "png",
    ])
    .well();
    let matte = read_png(&desk.path("out/shot.matte.png"));
    assert_eq!((matte.width(), matte.height()), (80, 40));
    let matte = matte.to_luma16();
    assert_eq!(matte.get_pixel(0, 0).0, [65535]);
    assert_eq!(matte.get_pixel(55, 27).0, [65535]);
    assert_eq!(matte.get_pixel(56, 27).0, [0]);
    assert_eq!(matte.get_pixel(55, 28).0, [0]);
}

#[test]
fn every_kind_of_hint_is_read() {
    let alpha = alpha();
    let bytes = |pixel: &dyn Fn(u8) -> Vec<u8>| -> Vec<u8> {
        over(WIDTH, HEIGHT)
            .flat_map(|(x, y)| pixel(hint_byte(x, y)))
            .collect()
    };
    let desk = Desk::new();
    plate_png(&desk.path("shot.png"));
    let cases: [(&str, ExtendedColorType, Vec<u8>); 4] = [
        ("grey", ExtendedColorType::L8, bytes(&|v| vec![v])),
        ("rgb", ExtendedColorType::Rgb8, bytes(&|v| vec![v, v, v])),
        (
            "opaque",
            ExtendedColorType::Rgba8,
            bytes(&|v| vec![v, v, v, 255]),
        ),
        (
            "alpha",
            ExtendedColorType::Rgba8,
            bytes(&|v| vec![9, 9, 9, v]),
        ),
    ];
    for (name, colour, pixels) in cases {
        let hint = format!("{name}.png");
        png(&desk.path(&hint), WIDTH, HEIGHT, colour, &pixels);
        desk.key(&["--source", "shot.png", "--hint", &hint, "--output", "matte"])
            .well();
        near(
            read_exr(&desk.path("out/shot.matte.exr")).channel("Y"),
            &alpha,
            2e-3,
        );
    }
    for channel in ["Y", "A"] {
        let attributes = ImageAttributes::with_size((WIDTH, HEIGHT));
        let channels = [(channel, alpha.clone())];
        let size = (WIDTH, HEIGHT);
        exr(
            &desk.path("h.exr"),
            attributes,
            LayerAttributes::default(),
            size,
            true,
            &channels,
        );
        desk.key(&[
            "--source", "shot.png", "--hint", "h.exr", "--output", "matte",
        ])
        .well();
        near(
            read_exr(&desk.path("out/shot.matte.exr")).channel("Y"),
            &alpha,
            HALF,
        );
    }
}

#[test]
fn a_hint_of_half_the_size_is_scaled() {
    let desk = Desk::new();
    plate_png(&desk.path("shot.png"));
    let (width, height) = (WIDTH / 2, HEIGHT / 2);
    let ramp: Vec<u8> = over(width, height).map(|(x, _)| (x * 5) as u8).collect();
    png(
        &desk.path("hint.png"),
        width,
        height,
        ExtendedColorType::L8,
        &ramp,
    );
    desk.key(&[
        "--source", "shot.png", "--hint", "hint.png", "--output", "hint",
    ])
    .well();
    let expected: Vec<f32> = over(WIDTH, HEIGHT)
        .map(|(x, _)| {
            let at = ((x as f32 + 0.5) / 2.0 - 0.5).clamp(0.0, (width - 1) as f32);
            at * 5.0 / 255.0
        })
        .collect();
    near(
        read_exr(&desk.path("out/shot.hint.exr")).channel("Y"),
        &expected,
        HALF,
    );
}
