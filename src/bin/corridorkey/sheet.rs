//! `corridorkey sheet`: plates, hints and keys side by side in one PNG, to be looked at.

use std::path::{Path, PathBuf};

use corridorkey::error::{Error, Result};
use corridorkey::keyer::colour::srgb::{linear_to_srgb, srgb_to_linear};
use corridorkey::keyer::resample::{Kernel, resize};
use corridorkey::keyer::{Planes, Size};

use crate::args::SheetArguments;
use crate::files::io_reason;
use crate::font;
use crate::picture::{self, Kind, Picture, Placement, Sample, Write};

const HEADS: [&str; 5] = ["SOURCE", "HINT", "MATTE", "FOREGROUND", "COMPOSITE"];

/// Pixels between the pictures.
const GAP: usize = 8;
/// Pixels of a dot of the captions.
const DOT: usize = 2;
/// The height of a line of caption.
const LINE: usize = font::HEIGHT * DOT + GAP;
/// sRGB values.
const PAPER: f32 = 0.11;
const INK: f32 = 0.8;
const MID_GREY: f32 = 0.5;

/// Runs the command.
pub(crate) fn run(arguments: &SheetArguments) -> Result<u8> {
    let width = arguments.width as usize;
    let mut names: Vec<[PathBuf; 6]> = Vec::new();
    for row in arguments.row.chunks_exact(6) {
        names.push(std::array::from_fn(|column| row[column].clone()));
    }
    for pair in arguments.samples.chunks_exact(2) {
        names.extend(samples(&pair[0], &pair[1])?);
    }
    let rows: Vec<Row> = names
        .iter()
        .map(|row| Row::read(row, width))
        .collect::<Result<_>>()?;
    let size = Size {
        width: GAP + (width + GAP) * HEADS.len(),
        height: GAP
            + LINE
            + rows
                .iter()
                .map(|row| row.height + LINE + GAP)
                .sum::<usize>(),
    };
    let mut sheet = Sheet {
        size,
        pixels: vec![PAPER; size.width * size.height * 4],
    };
    for (column, head) in HEADS.iter().enumerate() {
        sheet.text(GAP + column * (width + GAP), GAP, head);
    }
    let mut y = GAP + LINE;
    for row in &rows {
        sheet.text(GAP, y, &row.caption);
        y += LINE;
        for (column, tile) in row.tiles.iter().enumerate() {
            let x = GAP + column * (width + GAP);
            match tile {
                Some(tile) => sheet.paste(x, y, tile),
                None => sheet.text(x + GAP, y + GAP, "NONE"),
            }
        }
        y += row.height + GAP;
    }
    let placement = Placement::whole(size);
    picture::write(
        &arguments.out,
        Kind::Png,
        Sample::Byte,
        Write::Rgb,
        &placement,
        &sheet.pixels,
    )?
    .publish()?;
    Ok(0)
}

/// The rows of a folder of plates, `NAME.plate.png` or `.exr`, each with its hint beside it and its
/// outputs in another folder.
fn samples(plates: &Path, keys: &Path) -> Result<Vec<[PathBuf; 6]>> {
    let failed = |error| Error::Input {
        path: plates.into(),
        reason: io_reason(&error),
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(plates).map_err(failed)? {
        let plate = entry.map_err(failed)?.path();
        let stem = plate.file_stem().and_then(|stem| stem.to_str());
        let kind = plate.extension().and_then(|extension| extension.to_str());
        let name = stem.and_then(|stem| stem.strip_suffix(".plate"));
        let (Some(name), Some("png" | "exr")) = (name, kind) else {
            continue;
        };
        let either = |folder: &Path, stem: String| {
            let path = |extension| folder.join(format!("{stem}.{extension}"));
            if path("exr").is_file() {
                path("exr")
            } else {
                path("png")
            }
        };
        let hint = either(plates, format!("{name}.hint"));
        let output = |id: &str| either(keys, format!("{name}.plate.{id}"));
        found.push([
            name.into(),
            plate.clone(),
            if hint.is_file() { hint } else { "-".into() },
            output("matte"),
            output("foreground"),
            output("composite"),
        ]);
    }
    if found.is_empty() {
        let reason = "it has no NAME.plate.png and no NAME.plate.exr".into();
        return Err(Error::Input {
            path: plates.into(),
            reason,
        });
    }
    found.sort();
    Ok(found)
}

/// A caption and five pictures in sRGB, all of one size.
struct Row {
    caption: String,
    height: usize,
    tiles: Vec<Option<Planes>>,
}

impl Row {
    fn read(names: &[PathBuf; 6], width: usize) -> Result<Self> {
        let source = picture::read(&names[1])?;
        let Placement {
            display,
            pixel_aspect,
            ..
        } = source.placement;
        let tall = width as f64 * display.height as f64 / (display.width as f64 * pixel_aspect);
        let size = Size {
            width,
            height: (tall.round() as usize).clamp(1, width * 8),
        };
        let mut tiles = vec![Some(
            tile(source, Show::Colour, size).map_err(at(&names[1]))?,
        )];
        for (name, show) in names[2..].iter().zip([
            Show::Data,
            Show::Data,
            show_foreground(&names[4]),
            Show::Colour,
        ]) {
            tiles.push(match name.as_os_str() == "-" {
                true => None,
                false => Some(tile(picture::read(name)?, show, size).map_err(at(name))?),
            });
        }
        Ok(Self {
            caption: names[0].display().to_string(),
            height: size.height,
            tiles,
        })
    }
}

fn at(path: &Path) -> impl FnOnce(corridorkey::keyer::Error) -> Error + '_ {
    |error| Error::Input {
        path: path.into(),
        reason: error.to_string(),
    }
}

/// How a picture is brought to the sheet.
#[derive(Clone, Copy, PartialEq)]
enum Show {
    /// Values as they are.
    Data,
    /// Colour, alpha passed over.
    Colour,
    /// Colour with alpha beside it, over mid-grey.
    Straight,
    /// Colour multiplied by alpha, over mid-grey.
    Premultiplied,
}

fn show_foreground(path: &Path) -> Show {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if name.contains(".processed.") {
        Show::Premultiplied
    } else {
        Show::Straight
    }
}

/// The picture at the size of a tile, in sRGB. Colour is mixed and scaled in linear light.
fn tile(picture: Picture, show: Show, size: Size) -> corridorkey::keyer::Result<Planes> {
    let decode = |value: f32| match picture.kind {
        Kind::Png => srgb_to_linear(value),
        Kind::Exr => value,
    };
    let grey = srgb_to_linear(MID_GREY);
    let from = picture.placement.display;
    let pixels = picture::frame(&picture.placement, &picture.pixels);
    let mut planes = Planes::new(from.width, from.height, 3);
    for channel in 0..3 {
        for (value, pixel) in planes
            .plane_mut(channel)
            .iter_mut()
            .zip(pixels.chunks_exact(4))
        {
            let (colour, alpha) = (pixel[channel], pixel[3]);
            *value = match show {
                Show::Data => colour,
                Show::Colour => decode(colour),
                Show::Straight => decode(colour) * alpha + grey * (1.0 - alpha),
                Show::Premultiplied if alpha > 0.0 => {
                    decode(colour / alpha) * alpha + grey * (1.0 - alpha)
                }
                Show::Premultiplied => decode(colour) + grey,
            };
        }
    }
    let mut tile = resize(&planes, size, Kernel::Triangle);
    if show != Show::Data {
        tile.data_mut()
            .iter_mut()
            .for_each(|value| *value = linear_to_srgb(*value));
    }
    Ok(tile)
}

struct Sheet {
    size: Size,
    /// RGBA in sRGB.
    pixels: Vec<f32>,
}

impl Sheet {
    fn set(&mut self, x: usize, y: usize, colour: [f32; 3]) {
        if x < self.size.width && y < self.size.height {
            let start = (y * self.size.width + x) * 4;
            self.pixels[start..start + 3].copy_from_slice(&colour);
        }
    }

    fn text(&mut self, x: usize, y: usize, text: &str) {
        font::dots(text, |column, row| {
            for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                self.set(x + column * DOT + dx, y + row * DOT + dy, [INK; 3]);
            }
        });
    }

    fn paste(&mut self, x: usize, y: usize, tile: &Planes) {
        for row in 0..tile.height() {
            for column in 0..tile.width() {
                let colour = [0, 1, 2].map(|channel| tile.row(channel, row)[column]);
                self.set(x + column, y + row, colour);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::files::Draft;

    fn write(path: &Path, kind: Kind, pixel: [f32; 4]) {
        let placement = Placement::whole(Size {
            width: 64,
            height: 32,
        });
        let pixels: Vec<f32> = pixel.iter().copied().cycle().take(64 * 32 * 4).collect();
        picture::write(path, kind, Sample::Float, Write::Rgba, &placement, &pixels)
            .and_then(Draft::publish)
            .unwrap();
    }

    #[test]
    fn a_sheet_shows_every_picture_in_its_own_way() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        write(&path("source.png"), Kind::Png, [0.0, 0.6, 0.0, 1.0]);
        write(&path("matte.exr"), Kind::Exr, [0.5, 0.5, 0.5, 1.0]);
        write(&path("a.foreground.exr"), Kind::Exr, [1.0, 0.0, 0.0, 0.5]);
        write(&path("a.processed.png"), Kind::Png, [0.5, 0.0, 0.0, 0.5]);
        write(
            &path("composite.exr"),
            Kind::Exr,
            [0.214_041, 0.214_041, 0.214_041, 1.0],
        );
        let row = |foreground: &str| {
            [
                "sample",
                "source.png",
                "-",
                "matte.exr",
                foreground,
                "composite.exr",
            ]
            .map(|name| {
                if name.contains('.') {
                    path(name)
                } else {
                    PathBuf::from(name)
                }
            })
        };
        let rows = [row("a.foreground.exr"), row("a.processed.png")].concat();
        let out = path("sheet.png");
        run(&SheetArguments {
            out: out.clone(),
            row: rows,
            samples: Vec::new(),
            width: 64,
        })
        .unwrap();

        let sheet = picture::read(&out).unwrap();
        let Size { width, height } = sheet.placement.data;
        assert_eq!(
            (width, height),
            (8 + 72 * 5, 8 + LINE + 2 * (32 + LINE + 8))
        );
        let at = |column: usize, row: usize| {
            let x = GAP + column * 72 + 32;
            let y = GAP + LINE + LINE + 16 + row * (32 + LINE + GAP);
            let start = (y * width + x) * 4;
            [0, 1, 2].map(|channel| (sheet.pixels[start + channel] * 255.0).round() as i32)
        };
        assert_eq!(at(0, 0), [0, 153, 0]);
        let grey = |pixel: [i32; 3]| pixel.iter().all(|value| (127..=128).contains(value));
        assert!(grey(at(2, 0)));
        let red = (linear_to_srgb(0.5 + srgb_to_linear(0.5) * 0.5) * 255.0).round() as i32;
        let rest = (linear_to_srgb(srgb_to_linear(0.5) * 0.5) * 255.0).round() as i32;
        for row in [0, 1] {
            let [r, g, b] = at(3, row);
            assert!((r - red).abs() <= 1 && (g - rest).abs() <= 1 && (b - rest).abs() <= 1);
        }
        assert!(grey(at(4, 0)));
        // Captions have been written, and the place of the missing hint says so.
        let inked = |y: usize| (0..width).any(|x| sheet.pixels[(y * width + x) * 4] > 0.7);
        assert!((GAP..GAP + 14).all(inked));
    }

    #[test]
    fn a_folder_of_samples_makes_a_row_a_plate() {
        let plates = tempfile::tempdir().unwrap();
        let keys = tempfile::tempdir().unwrap();
        let plate = |name: &str| plates.path().join(name);
        let key = |name: &str| keys.path().join(name);
        for name in ["b.plate.exr", "a.plate.png", "a.hint.png", "README.md"] {
            std::fs::write(plate(name), b"").unwrap();
        }
        std::fs::write(key("a.plate.matte.exr"), b"").unwrap();
        let rows = samples(plates.path(), keys.path()).unwrap();
        assert_eq!(rows.len(), 2);
        assert_eq!(
            rows[0][..3],
            [
                PathBuf::from("a"),
                plate("a.plate.png"),
                plate("a.hint.png")
            ]
        );
        assert_eq!(rows[0][3], key("a.plate.matte.exr"));
        assert_eq!(rows[1][2], PathBuf::from("-"));
        assert_eq!(
            samples(keys.path(), plates.path()).unwrap_err().exit_code(),
            3
        );
    }
}
