//! A model: its manifest, its file, and what it may be asked.
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
//! pixels = 2500000                # larger frames are worked in tiles of at most this size
//!
//! [precision]
//! stored = "fp16"
//! run = ["fp32", "fp16"]          # the first is what "auto" means; fp16 is made from the file
//! ```

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Control;
use super::checksum;
use super::device::{Precision, PrecisionChoice};
use super::error::{Error, Result};
use super::greenformer::import::{self, Imported};
pub use super::greenformer::plan::{Estimate, Refiner};
use super::greenformer::{graph, plan};
use super::onnx::{self, Dimension, Port, Signature};
use super::tiles::{Layout, Seams};
use crate::keyer::{Fit, Normalisation, Screen, SizeRule};

/// The manifest's file name.
pub const MANIFEST: &str = "model.toml";

/// Working memory of a convolutional network of the shipped kind, in bytes per pixel; used where a
/// manifest does not say.
const BYTES_PER_PIXEL: u64 = 640;

/// What a model's file holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// A finished graph with its weights.
    Onnx,
    /// The weights of an imported checkpoint; the graph is built for each size.
    Greenformer(Box<Imported>),
}

/// A usable manifest. The file that it names may still be missing or damaged: [`Model::load`] tells.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// What its file holds.
    pub kind: Kind,
    /// The stable name that projects store.
    pub id: String,
    /// The name for people.
    pub name: String,
    /// The version that projects may store after an `@`.
    pub version: String,
    /// The licence's SPDX expression or name.
    pub licence: String,
    /// The manifest.
    pub manifest: PathBuf,
    /// The network.
    pub path: PathBuf,
    /// SHA-256 of the network's file, lower-case hexadecimal.
    pub sha256: String,
    /// The sizes it takes.
    pub size_rule: SizeRule,
    /// How it wants the plate.
    pub normalisation: Normalisation,
    /// Screen colours that it knows without channel exchange.
    pub screens: Vec<Screen>,
    /// Name of the input tensor.
    pub input: String,
    /// Name of the input that scales the refiner, if the model has one.
    pub refiner: Option<String>,
    /// Name of the alpha output.
    pub alpha: String,
    /// Name of the foreground output.
    pub foreground: String,
    /// Precisions that it runs in; the first is the preferred one. Never empty.
    pub precisions: Vec<Precision>,
    /// Working memory per pixel of the network's input, in bytes.
    pub bytes_per_pixel: u64,
    /// Where the network may be cut into parts, if it may, and the most pixels of a tile.
    pub tiles: Option<(Seams, usize)>,
}

/// A model's file in memory, checked against its manifest.
#[derive(Debug, Clone)]
pub struct Graph {
    /// The file.
    pub bytes: Vec<u8>,
    /// Its inputs and outputs.
    pub signature: Signature,
}

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
    /// [`Error::Manifest`] with what is wrong.
    pub fn read(manifest: &Path) -> Result<Self> {
        let fail = |reason: String| Error::Manifest {
            path: manifest.into(),
            reason,
        };
        let text = std::fs::read_to_string(manifest).map_err(|error| fail(error.to_string()))?;
        Self::parse(manifest, &text).map_err(fail)
    }

    fn parse(path: &Path, text: &str) -> std::result::Result<Self, String> {
        let toml = |error: toml::de::Error| one_line(error.to_string());
        // Format and kind are read by themselves: a future manifest should be refused for being a
        // future one, not for an unknown key.
        let facts: Facts = toml::from_str(text).map_err(toml)?;
        match facts.format {
            Some(1) => {}
            Some(format) => {
                return Err(format!(
                    "its format is {format}, and this version reads format 1; update CorridorKey"
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
        if !plain(&manifest.id) {
            return Err(format!(
                "the id \"{}\" is not made of a-z, 0-9, '.', '_' and '-'",
                manifest.id
            ));
        }
        if !plain(&manifest.version) {
            return Err(format!(
                "the version \"{}\" is not made of a-z, 0-9, '.', '_' and '-'",
                manifest.version
            ));
        }
        let file = Path::new(&manifest.file);
        if file.components().count() != 1 || file.file_name().is_none() {
            return Err(format!(
                "the file \"{}\" is not a plain name beside the manifest",
                manifest.file
            ));
        }
        let sha256 = manifest.sha256.to_ascii_lowercase();
        if sha256.len() != 64 || !sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err("sha256 is not 64 hexadecimal digits".into());
        }
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
        Ok(Self {
            kind: Kind::Onnx,
            id: manifest.id,
            name: manifest.name,
            version: manifest.version,
            licence: manifest.licence,
            manifest: path.into(),
            path: path.with_file_name(&manifest.file),
            sha256,
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

    /// How a frame of this size is worked in tiles; `None` when it is worked in one piece.
    pub fn layout(&self, width: usize, height: usize) -> Option<Layout> {
        let (seams, pixels) = self.tiles.as_ref()?;
        Layout::new(width, height, self.size_rule.multiple, *pixels, seams)
    }

    /// `id@version`.
    pub fn full_id(&self) -> String {
        format!("{}@{}", self.id, self.version)
    }

    /// The precision for a choice.
    ///
    /// # Errors
    /// [`Error::Precision`] when the model does not run in the one that is asked for.
    pub fn precision(&self, choice: PrecisionChoice) -> Result<Precision> {
        let wanted = match choice {
            PrecisionChoice::Auto => {
                return Ok(self.precisions.first().copied().unwrap_or(Precision::Fp32));
            }
            PrecisionChoice::Fp16 => Precision::Fp16,
            PrecisionChoice::Fp32 => Precision::Fp32,
        };
        if self.precisions.contains(&wanted) {
            return Ok(wanted);
        }
        let offered = self
            .precisions
            .iter()
            .map(|precision| precision.id())
            .collect();
        Err(Error::Precision {
            model: self.id.clone(),
            precision: wanted.id(),
            offered,
        })
    }

    /// Memory that a session of this size will need in one piece, in bytes: the total of
    /// [`Model::estimate`].
    pub fn memory(&self, width: usize, height: usize, precision: Precision) -> u64 {
        self.estimate(width, height, precision).total()
    }

    /// Memory that a session of this size will need on a processor in one piece: a careful guess. A file that
    /// is not there counts for nothing; see [`Model::look`].
    pub fn estimate(&self, width: usize, height: usize, precision: Precision) -> Estimate {
        if let Kind::Greenformer(_) = self.kind {
            return plan::processor(height, width, precision, Refiner::Whole);
        }
        // The runtime holds the weights about twice: as read, and arranged for its kernels.
        let weights = std::fs::metadata(&self.path).map_or(0, |facts| facts.len()) * 2;
        let pixels = (width as u64).saturating_mul(height as u64);
        let picture = match (self.layout(width, height), &self.tiles) {
            // Encode and finish keep what one tile needs each; of the whole frame there are the
            // small tensors, about six of them at once while it is surveyed.
            (Some(layout), Some((seams, _))) => {
                let tile = (layout.width * layout.height) as u64 * self.bytes_per_pixel * 3 / 2;
                let small = (seams.channels * 4 * 6 / (seams.scale * seams.scale)) as u64;
                tile.saturating_add(pixels.saturating_mul(small))
            }
            _ => pixels.saturating_mul(self.bytes_per_pixel),
        };
        Estimate { weights, picture }
    }

    /// The same with the refiner in strips; `None` for models that have none of their own.
    pub fn in_strips(&self, width: usize, height: usize, precision: Precision) -> Option<Estimate> {
        match self.kind {
            Kind::Greenformer(_) => {
                Some(plan::processor(height, width, precision, Refiner::Strips))
            }
            Kind::Onnx => None,
        }
    }

    /// How a picture of this size is worked so that it is within `budget` bytes if it can be, and
    /// the memory that this needs: in one piece where that fits, else with the refiner in strips.
    pub fn within(
        &self,
        width: usize,
        height: usize,
        precision: Precision,
        budget: u64,
    ) -> (Refiner, Estimate) {
        let whole = self.estimate(width, height, precision);
        match self.in_strips(width, height, precision) {
            Some(strips) if whole.total() > budget && strips.total() < whole.total() => {
                (Refiner::Strips, strips)
            }
            _ => (Refiner::Whole, whole),
        }
    }

    /// The largest size of the shape `width` × `height` whose memory is within `budget` bytes and
    /// that the size rule allows.
    pub fn largest_within(
        &self,
        width: usize,
        height: usize,
        precision: Precision,
        budget: u64,
    ) -> Option<(usize, usize)> {
        let step = self.size_rule.multiple.max(1);
        let steps = (width.max(height) / step) as u64;
        // The long side is stepped down; the short one follows the shape, rounded down.
        (1..=steps).rev().find_map(|count| {
            let scaled = |side: usize| {
                let exact = side as u64 * count / steps.max(1);
                usize::try_from(exact).map_or(0, |exact| exact / step * step)
            };
            let (w, h) = (scaled(width), scaled(height));
            let allowed = w.min(h) >= self.size_rule.min.max(1);
            let (_, needed) = self.within(w, h, precision, budget);
            (allowed && needed.total() <= budget).then_some((w, h))
        })
    }

    /// Makes sure that the file is there and what the manifest describes; the numbers of an
    /// imported checkpoint, which take longer, are left to [`Model::verify`].
    ///
    /// # Errors
    /// [`Error::ModelFile`], [`Error::ModelAltered`], [`Error::ModelGraph`].
    pub fn look(&self) -> Result<()> {
        match &self.kind {
            Kind::Onnx => self.load().map(drop),
            Kind::Greenformer(imported) => imported.look(),
        }
    }

    /// Makes sure that every bit of the file is what the manifest describes.
    ///
    /// # Errors
    /// Those of [`Model::look`]; [`Error::Aborted`].
    pub fn verify(&self, control: &dyn Control) -> Result<()> {
        self.look()?;
        match &self.kind {
            Kind::Onnx => Ok(()),
            Kind::Greenformer(imported) => imported.verify(control),
        }
    }

    /// Reads a finished graph (the kind [`Kind::Onnx`]), checks its sum and that it is the network
    /// that the manifest describes.
    ///
    /// # Errors
    /// [`Error::ModelFile`], [`Error::ModelAltered`], [`Error::ModelGraph`].
    pub fn load(&self) -> Result<Graph> {
        let (bytes, sum) = checksum::read(&self.path).map_err(|error| Error::ModelFile {
            model: self.id.clone(),
            path: self.path.clone(),
            reason: error.to_string(),
        })?;
        if sum.sha256 != self.sha256 {
            return Err(Error::ModelAltered {
                model: self.id.clone(),
                path: self.path.clone(),
                expected: self.sha256.clone(),
                found: sum.sha256,
                bytes: sum.length,
            });
        }
        let fail = |reason: String| Error::ModelGraph {
            path: self.path.clone(),
            reason,
        };
        let signature = onnx::signature(&bytes).map_err(fail)?;
        self.check(&signature).map_err(fail)?;
        Ok(Graph { bytes, signature })
    }

    /// Compares a graph with the manifest.
    fn check(&self, signature: &Signature) -> std::result::Result<(), String> {
        let names = |ports: &[Port]| {
            let names: Vec<&str> = ports.iter().map(|port| port.name.as_str()).collect();
            if names.is_empty() {
                "none".to_owned()
            } else {
                names.join(", ")
            }
        };
        let inputs = || format!("its inputs are: {}", names(&signature.inputs));
        let outputs = || format!("its outputs are: {}", names(&signature.outputs));
        let find =
            |ports: &[Port], name: &str| ports.iter().find(|port| port.name == name).cloned();

        let input = find(&signature.inputs, &self.input)
            .ok_or_else(|| format!("it has no input \"{}\" ({})", self.input, inputs()))?;
        tensor(&input, "input", 4)?;
        for port in &signature.inputs {
            if port.name != self.input && Some(&port.name) != self.refiner.as_ref() {
                return Err(format!(
                    "it wants an input \"{}\" that the manifest does not name",
                    port.name
                ));
            }
        }
        if let Some(name) = &self.refiner {
            let port = find(&signature.inputs, name)
                .ok_or_else(|| format!("it has no refiner input \"{name}\" ({})", inputs()))?;
            scalar(&port)?;
        }
        for (name, channels) in [(&self.alpha, 1), (&self.foreground, 3)] {
            let port = find(&signature.outputs, name)
                .ok_or_else(|| format!("it has no output \"{name}\" ({})", outputs()))?;
            tensor(&port, "output", channels)?;
        }
        Ok(())
    }
}

impl From<Imported> for Model {
    /// An imported checkpoint: the original's contract, see [`graph`].
    fn from(imported: Imported) -> Self {
        Self {
            id: imported.id.clone(),
            name: imported.name.clone(),
            version: imported.version.clone(),
            licence: imported.licence.clone(),
            manifest: imported.manifest.clone(),
            path: imported.path.clone(),
            sha256: imported.sha256.clone(),
            // The original stretches the plate into a square; Full gives it its own shape.
            size_rule: SizeRule {
                fit: Fit::Square,
                multiple: graph::MULTIPLE,
                min: 2 * graph::MULTIPLE,
                max_long: 2048,
                auto_long: 2048,
            },
            normalisation: Normalisation::IMAGENET,
            screens: vec![Screen::Green],
            input: graph::INPUT.into(),
            refiner: Some(graph::REFINER_SCALE.into()),
            alpha: graph::ALPHA.into(),
            foreground: graph::FOREGROUND.into(),
            precisions: vec![Precision::Fp32, Precision::Fp16],
            bytes_per_pixel: BYTES_PER_PIXEL,
            tiles: None,
            kind: Kind::Greenformer(Box::new(imported)),
        }
    }
}

/// A `[1, channels, H, W]` tensor of 32-bit floats, as far as the file says.
fn tensor(port: &Port, kind: &str, channels: u64) -> std::result::Result<(), String> {
    let Port {
        name,
        element,
        shape,
    } = port;
    if *element != onnx::FLOAT {
        return Err(format!("its {kind} \"{name}\" is not of 32-bit floats"));
    }
    let Some(shape) = shape else { return Ok(()) };
    let may_be =
        |dimension: &Dimension, length| !matches!(dimension, Dimension::Fixed(l) if *l != length);
    match shape.as_slice() {
        [batch, planes, _, _] if may_be(batch, 1) && may_be(planes, channels) => Ok(()),
        _ => Err(format!(
            "its {kind} \"{name}\" has the shape {} instead of [1, {channels}, H, W]",
            show(shape)
        )),
    }
}

/// One 32-bit float, with or without a dimension of 1.
fn scalar(port: &Port) -> std::result::Result<(), String> {
    let one = matches!(port.shape.as_deref(), Some([] | [Dimension::Fixed(1)]));
    if one && port.element == onnx::FLOAT {
        return Ok(());
    }
    Err(format!(
        "its refiner input \"{}\" is not one 32-bit float",
        port.name
    ))
}

fn show(shape: &[Dimension]) -> String {
    let sides: Vec<String> = shape
        .iter()
        .map(|dimension| match dimension {
            Dimension::Fixed(length) => length.to_string(),
            Dimension::Named(name) => name.clone(),
            Dimension::Unknown => "?".into(),
        })
        .collect();
    format!("[{}]", sides.join(", "))
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

/// Ids and versions are part of project files, command lines and folder names.
pub(super) fn plain(text: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    !text.is_empty()
        && text.len() <= 64
        && !text.starts_with(['.', '-'])
        && text.bytes().all(allowed)
}

fn one_line(text: String) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
#[path = "model_tests.rs"]
mod tests;
