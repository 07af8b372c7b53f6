//! Manifests of finished graphs.
//!
//! A model is a folder with a `model.toml` and the network's file beside it:
//!
//! ```toml
//! format = 1
//! id = "base"
//! name = "CorridorKey Base"
//! version = "1"
//! kind = "onnx"
//! licence = "MIT"
//! file = "base.onnx"
//! sha256 = "…64 hexadecimal digits…"
//! processor = "unmixer-1"         # optional: on processors the plug-in computes this network
//!                                 # itself, in fp32; anything else is the runtime's
//!
//! [input]
//! name = "input"                  # [1, 4, H, W]: normalised sRGB plate, then the hint
//! mean = [0.485, 0.456, 0.406]
//! std = [0.229, 0.224, 0.225]
//! range = [0.0, 1.0]              # optional: encoded values that the model was trained on; others
//!                                 # are shown to it as the nearest of these
//! shoulder = 1.0                  # optional: values above are rolled off towards the range's end
//! screens = ["green", "blue"]     # taken without channel exchange; default green only
//! refiner = "refiner_scale"       # optional: a one-value input that scales the refiner
//!
//! [output]
//! alpha = "alpha"                 # [1, 1, H, W], 0..1
//! foreground = "fg"               # [1, 3, H, W], straight, sRGB-encoded
//!
//! [size]
//! fit = "aspect"                  # or "square"
//! multiple = 32
//! min = 64
//! max_long = 4096
//! auto_long = 2048                # optional: the longest side that Auto chooses (fit = "aspect")
//! bytes_per_pixel = 640           # optional: working memory, for the budget
//!
//! [tiles]                         # optional: where the network may be cut, see the module `tiles`
//! features = "x3"
//! thumbnail = "thumbnail"
//! context = "y3"
//! screen = "screen8"
//! channels = 112                  # of features and context
//! scale = 8                       # pixels for each of their values
//! margin = 64                     # pixels from a tile's edge that may differ
//! pixels = 2500000                # larger frames are worked in tiles of at most this size; by the
//!                                 # runtime, and not on CUDA
//!
//! [precision]
//! stored = "fp16"
//! run = ["fp32", "fp16"]          # the first is what "auto" means; fp16 is made from the file
//! ```

use std::path::Path;

use serde::Deserialize;

use super::{BYTES_PER_PIXEL, Kind, Model, Own, checks};
use crate::keyer::{Fit, Normalisation, Screen, SizeRule};
use crate::network::device::Precision;
use crate::network::error::Result;
use crate::network::greenformer::import::{self, Imported};
use crate::network::tiles::Seams;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    #[serde(rename = "format")]
    _format: u32,
    id: String,
    name: String,
    version: String,
    kind: String,
    licence: String,
    file: String,
    sha256: String,
    processor: Option<String>,
    input: Input,
    output: Output,
    size: Size,
    tiles: Option<Tiles>,
    precision: Run,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    name: String,
    mean: [f32; 3],
    std: [f32; 3],
    #[serde(default = "unlimited")]
    range: [f32; 2],
    shoulder: Option<f32>,
    #[serde(default = "green")]
    screens: Vec<String>,
    refiner: Option<String>,
}

fn unlimited() -> [f32; 2] {
    Normalisation::UNLIMITED
}

fn green() -> Vec<String> {
    vec!["green".into()]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Output {
    alpha: String,
    foreground: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Size {
    fit: String,
    multiple: usize,
    min: usize,
    max_long: usize,
    auto_long: Option<usize>,
    bytes_per_pixel: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tiles {
    features: String,
    thumbnail: String,
    context: String,
    screen: String,
    channels: usize,
    scale: usize,
    margin: usize,
    pixels: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Run {
    #[serde(rename = "stored")]
    _stored: String,
    run: Vec<String>,
}

/// The two facts that decide whether the rest can be understood at all.
#[derive(Deserialize)]
struct Facts {
    format: Option<u32>,
    kind: Option<String>,
}

impl Model {
    /// Reads a manifest.
    ///
    /// # Errors
    /// [`Error::Manifest`](crate::network::Error::Manifest) with what is wrong.
    pub fn read(manifest: &Path) -> Result<Self> {
        checks::read(manifest, |text| Self::parse(manifest, text))
    }

    fn parse(path: &Path, text: &str) -> std::result::Result<Self, String> {
        let toml = |error| checks::one_line(&error);
        // Format and kind are read by themselves: a future manifest should be refused for being a
        // future one, not for an unknown key.
        let facts: Facts = toml::from_str(text).map_err(toml)?;
        match facts.format {
            Some(1) => {}
            Some(format) => {
                return Err(format!(
                    "its format is {format}, and this version reads format 1"
                ));
            }
            None => return Err("it has no format number (format = 1)".into()),
        }
        match facts.kind.as_deref() {
            Some(import::manifest::KIND) => {
                return Imported::parse(path, text).map(Self::from);
            }
            Some("onnx") | None => {}
            Some(kind) => {
                return Err(format!(
                    "its kind is \"{kind}\", and this version runs the kinds \"onnx\" and \"{}\" only",
                    import::manifest::KIND
                ));
            }
        }
        let manifest: Manifest = toml::from_str(text).map_err(toml)?;
        if manifest.kind != "onnx" {
            return Err("it has no kind".into());
        }
        checks::names(&manifest.id, &manifest.version, &manifest.file)?;
        let sha256 = checks::sum("sha256", &manifest.sha256)?;
        let Input {
            mean, std, range, ..
        } = manifest.input;
        let numbers = mean.iter().chain(&std).all(|value| value.is_finite());
        if !numbers || std.iter().any(|value| *value <= 0.0) {
            return Err("mean and std must be numbers, and std above 0".into());
        }
        let [least, most] = range;
        if least.is_nan() || most.is_nan() || least >= most {
            return Err("range must be the smallest and the largest value, in this order".into());
        }
        let shoulder = manifest.input.shoulder.unwrap_or(f32::INFINITY);
        let usable =
            shoulder.is_finite() && most.is_finite() && shoulder > least && shoulder < most;
        if manifest.input.shoulder.is_some() && !usable {
            return Err("shoulder must lie inside the range, whose end must be a number".into());
        }
        let screens = manifest
            .input
            .screens
            .iter()
            .map(|name| screen(name))
            .collect::<std::result::Result<_, _>>()?;
        let precisions = manifest
            .precision
            .run
            .iter()
            .map(|name| precision(name))
            .collect::<std::result::Result<Vec<_>, _>>()?;
        if precisions.is_empty() {
            return Err("precision.run names no precision".into());
        }
        let own = |name: &String| processor(name, &manifest);
        let processor = manifest.processor.as_ref().map(own).transpose()?;
        Ok(Self {
            kind: Kind::Onnx,
            id: manifest.id,
            name: manifest.name,
            version: manifest.version,
            licence: manifest.licence,
            manifest: path.into(),
            path: path.with_file_name(&manifest.file),
            sha256,
            processor,
            size_rule: size_rule(&manifest.size)?,
            normalisation: Normalisation {
                mean,
                std,
                range,
                shoulder,
            },
            screens,
            input: manifest.input.name,
            refiner: manifest.input.refiner,
            alpha: manifest.output.alpha,
            foreground: manifest.output.foreground,
            precisions,
            bytes_per_pixel: manifest
                .size
                .bytes_per_pixel
                .unwrap_or(BYTES_PER_PIXEL)
                .max(1),
            tiles: manifest.tiles.map(tiles).transpose()?,
        })
    }
}

/// The network of ours with this name, if the manifest's other words allow it.
fn processor(name: &str, manifest: &Manifest) -> std::result::Result<Own, String> {
    let own = Own::ALL.into_iter().find(|own| own.id() == name);
    let known = Own::ALL.map(Own::id).join("\", \"");
    let own = own.ok_or_else(|| {
        format!(
            "its processor is \"{name}\", and this version knows \"{known}\" only; without that line \
             ONNX Runtime runs the network"
        )
    })?;
    let multiple = manifest.size.multiple;
    if !multiple.is_multiple_of(own.multiple()) {
        return Err(format!(
            "its processor is \"{name}\", which takes sides that are multiples of {}, and \
             size.multiple is {multiple}",
            own.multiple()
        ));
    }
    if manifest.input.refiner.is_some() {
        return Err(format!(
            "its processor is \"{name}\", which has no refiner, and input.refiner names one"
        ));
    }
    Ok(own)
}

fn size_rule(size: &Size) -> std::result::Result<SizeRule, String> {
    let fit = match size.fit.as_str() {
        "aspect" => Fit::Aspect,
        "square" => Fit::Square,
        other => {
            return Err(format!(
                "size.fit is \"{other}\"; it can be \"aspect\" or \"square\""
            ));
        }
    };
    let Size {
        multiple,
        min,
        max_long,
        auto_long,
        ..
    } = *size;
    if multiple == 0 || min == 0 || max_long < min || max_long < multiple || max_long > 1 << 16 {
        return Err("the sizes make no sense: multiple and min must be above 0, and max_long at least either and at most 65536".into());
    }
    let auto_long = auto_long.unwrap_or(max_long);
    if !(min..=max_long).contains(&auto_long) {
        return Err("size.auto_long must lie between size.min and size.max_long".into());
    }
    Ok(SizeRule {
        fit,
        multiple,
        min,
        max_long,
        auto_long,
    })
}

fn tiles(tiles: Tiles) -> std::result::Result<(Seams, usize), String> {
    let Tiles {
        channels,
        scale,
        margin,
        pixels,
        ..
    } = tiles;
    let usable = (1..=4096).contains(&channels)
        && (1..=64).contains(&scale)
        && (1..=4096).contains(&margin)
        && pixels >= (4 * margin).pow(2);
    if !usable {
        return Err("[tiles] makes no sense: channels, scale and margin must be above 0, and pixels at least (4 * margin) squared".into());
    }
    let seams = Seams {
        features: tiles.features,
        thumbnail: tiles.thumbnail,
        context: tiles.context,
        screen: tiles.screen,
        channels,
        scale,
        margin,
    };
    Ok((seams, pixels))
}

fn screen(name: &str) -> std::result::Result<Screen, String> {
    match name {
        "green" => Ok(Screen::Green),
        "blue" => Ok(Screen::Blue),
        "red" => Ok(Screen::Red),
        other => Err(format!(
            "input.screens has \"{other}\"; it can have green, blue and red"
        )),
    }
}

fn precision(name: &str) -> std::result::Result<Precision, String> {
    match name {
        "fp32" => Ok(Precision::Fp32),
        // There is no second file: the graph is turned when a session needs it.
        "fp16" => Ok(Precision::Fp16),
        other => Err(format!(
            "precision.run has \"{other}\"; it can have fp32 and fp16"
        )),
    }
}
