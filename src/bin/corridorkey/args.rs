//! The command line, as it is typed and as its help explains it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use corridorkey::keyer::{Output, Resolution, Size};
use corridorkey::network::greenformer::import::{DEFAULT_ID, check_id};
use corridorkey::network::{DeviceChoice, PrecisionChoice};

use crate::benchmark;
use crate::frames::Range;
use crate::picture::{Kind, Sample};

/// CorridorKey, the neural green-screen keyer: plate and coarse hint in, alpha and foreground out.
#[derive(Debug, Parser)]
#[command(
    name = "corridorkey",
    version = corridorkey::VERSION,
    arg_required_else_help = true,
    max_term_width = 100
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Key a plate or a sequence of plates.
    Key(KeyArguments),
    /// Say what works on this machine, and what does not and why.
    Doctor(DoctorArguments),
    /// The models that can be used.
    Models(ModelsArguments),
    /// Say how long the network takes on this machine.
    Benchmark(BenchmarkArguments),
    /// Print the plug-in's parameters, for --set.
    Params(ParamsArguments),
    /// Make a contact sheet.
    #[command(hide = true)]
    Sheet(SheetArguments),
}

impl Command {
    /// True when answers go to standard output as JSON, errors included.
    pub(crate) fn json(&self) -> bool {
        match self {
            Self::Key(arguments) => arguments.json,
            Self::Doctor(arguments) => arguments.json,
            Self::Models(arguments) => arguments.json,
            Self::Benchmark(arguments) => arguments.json,
            Self::Params(arguments) => arguments.json,
            Self::Sheet(_) => false,
        }
    }
}

/// The pictures are read by their content: PNG (any depth) as sRGB, OpenEXR (half or float, scan
/// lines or tiles) as scene-linear; --set inputColor=srgb or =linear says otherwise. OpenEXR is
/// written scene-linear and PNG as sRGB, whatever came in: processed premultiplied, foreground
/// straight with alpha, matte and hint as one channel (Y in OpenEXR) that is never converted.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 0 all frames done, 2 usage, 3 a picture cannot be read, 4 a file cannot be written, \
5 model or device, 6 the render failed, 130 stopped. One frame's failure does not stop the others.")]
pub(crate) struct KeyArguments {
    /// The plate: a file, or a pattern such as shot.%04d.exr or shot.####.png.
    #[arg(long, value_name = "FILE|PATTERN")]
    pub(crate) source: PathBuf,

    /// The hint: a coarse matte, rather too small than too large. Without one, the screen's colour
    /// is the hint.
    #[arg(long, value_name = "FILE|PATTERN")]
    pub(crate) hint: Option<PathBuf>,

    /// The folder for DIR/<source stem>.<output>.<format>; made if it is not there.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,

    /// What to write: processed, matte, foreground, composite, hint, sourceMatte, screen, status.
    /// The network runs once a frame, however many there are, unless `CORRIDORKEY_CACHE_MB` is 0.
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        default_value = "processed,matte"
    )]
    pub(crate) output: Vec<String>,

    /// The kind of file to write.
    #[arg(long, value_enum, default_value = "exr")]
    pub(crate) format: Format,

    /// The frames of a pattern, FIRST-LAST or one number [default: all that are there].
    #[arg(long, value_name = "FIRST-LAST")]
    pub(crate) frames: Option<Range>,

    /// Set a parameter of the plug-in; `corridorkey params` lists them. May be given many times.
    #[arg(long, value_name = "ID=VALUE", value_parser = setting)]
    pub(crate) set: Vec<(String, String)>,

    /// The model, by id or id@version [default: the one that is shipped].
    #[arg(long, value_name = "ID")]
    pub(crate) model: Option<String>,

    /// Where the network runs: auto, cuda, coreml or cpu.
    #[arg(long)]
    pub(crate) device: Option<String>,

    /// The network's picture size: auto, 512, 1024, 1536, 2048 or full.
    #[arg(long)]
    pub(crate) resolution: Option<String>,

    /// The depth of the pictures that pass between this command and the plug-in, and of the files:
    /// OpenEXR gets float or half, PNG 8 bits for byte and 16 otherwise [default: float inside;
    /// OpenEXR half unless the source is float, PNG 16 bits].
    #[arg(long, value_enum)]
    pub(crate) depth: Option<Depth>,

    /// The plug-in bundle [default: the one this command lies in, else CorridorKey.ofx.bundle on
    /// OFX_PLUGIN_PATH and in the system's OFX folder].
    #[arg(long, value_name = "BUNDLE")]
    pub(crate) plugin: Option<PathBuf>,

    /// Print a JSON object for every frame, and one at the end, to standard output.
    #[arg(long)]
    pub(crate) json: bool,

    /// Print nothing but errors.
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    /// The plug-in bundle to look at.
    #[arg(long, value_name = "BUNDLE")]
    pub(crate) plugin: Option<PathBuf>,

    /// Print one JSON object to standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ModelsArguments {
    #[command(subcommand)]
    pub(crate) action: ModelsAction,

    /// The plug-in bundle whose models are looked at.
    #[arg(long, value_name = "BUNDLE", global = true)]
    pub(crate) plugin: Option<PathBuf>,

    /// Print one JSON object to standard output.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModelsAction {
    /// List them, with where they were found.
    List,
    /// Read them whole and compare their checksums.
    Verify {
        /// The models to verify, by id or id@version [default: all].
        id: Vec<String>,
    },
    /// Say how much memory they will need, and what fits.
    Plan(PlanArguments),
    /// Import CorridorKey's official checkpoint: a .pth or .safetensors file. The weights are
    /// copied; nothing that the file says is executed.
    Import(ImportArguments),
    /// Download CorridorKey's official weights and import them. What was downloaded before is used
    /// again; what was broken off is gone on with.
    #[command(after_help = DOWNLOAD_HELP)]
    Download(DownloadArguments),
    /// Remove a model that was imported or put there by hand, never one of the plug-in's own.
    Remove {
        /// The model, by id or id@version.
        id: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ImportArguments {
    /// The checkpoint, as its publisher gives it.
    pub(crate) file: PathBuf,

    #[command(flatten)]
    pub(crate) target: TargetArguments,
}

/// Where an imported model goes.
#[derive(Debug, Args)]
pub(crate) struct TargetArguments {
    /// The id that projects will know the model by.
    #[arg(long, value_name = "NAME", default_value = DEFAULT_ID, value_parser = model_id)]
    pub(crate) id: String,

    /// The models folder to install it in [default: the user's own]. Any other has to be in
    /// CORRIDORKEY_MODELS to be found.
    #[arg(long, value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,
}

const DOWNLOAD_HELP: &str = "\
Environment: CORRIDORKEY_WEIGHTS_REPO (owner/name), _TAG and _ASSET say what is downloaded where no \
option does; CORRIDORKEY_WEIGHTS_API is the address of another server with GitHub's releases API; \
CORRIDORKEY_WEIGHTS_TIMEOUT the seconds without an answer after which to give up (30). GITHUB_TOKEN \
is shown to GitHub's API alone, CORRIDORKEY_WEIGHTS_TOKEN to the API in use.";

#[derive(Debug, Args)]
pub(crate) struct DownloadArguments {
    /// The release [default: CORRIDORKEY_WEIGHTS_TAG, else the latest].
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Option<String>,

    /// The file of the release [default: CORRIDORKEY_WEIGHTS_ASSET, else
    /// corridorkey_mlx.safetensors].
    #[arg(long, value_name = "FILE")]
    pub(crate) asset: Option<String>,

    /// Download it anew, whatever is there already.
    #[arg(long)]
    pub(crate) force: bool,

    /// Print the path of the downloaded file, and nothing else, to standard output.
    #[arg(long)]
    pub(crate) print_path: bool,

    /// Download only.
    #[arg(long)]
    pub(crate) no_import: bool,

    /// Say that you accept the licence of the weights. Needed once, where nobody can be asked.
    #[arg(long)]
    pub(crate) accept_licence: bool,

    #[command(flatten)]
    pub(crate) target: TargetArguments,
}

#[derive(Debug, Args)]
pub(crate) struct PlanArguments {
    /// The model to plan, by id or id@version [default: all].
    pub(crate) id: Option<String>,

    /// A picture that the network sees, in pixels; raised to what the model takes. May be given
    /// many times [default: every resolution of a 1920x1080 and a 3840x2160 plate].
    #[arg(long, value_name = "WxH", value_parser = size)]
    pub(crate) size: Vec<Size>,
}

#[derive(Debug, Args)]
pub(crate) struct BenchmarkArguments {
    /// The model, by id or id@version [default: the one that is shipped].
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    pub(crate) model: String,

    /// A picture that the network sees, in pixels; raised to what the model takes. May be given
    /// many times [default: what a 1920x1080 plate is seen at].
    #[arg(long, value_name = "WxH", value_parser = size)]
    pub(crate) size: Vec<Size>,

    /// Also render whole frames of floats of this size through the plug-in, from memory to memory,
    /// alone and two at a time, and stop one in the middle; the network is timed at the size that
    /// it sees such a plate at.
    #[arg(long, value_name = "WxH", value_parser = size, conflicts_with = "size")]
    pub(crate) plate: Option<Size>,

    /// The resolution at which the network sees the plate: auto, 512, 1024, 1536, 2048 or full.
    #[arg(long, value_name = "RESOLUTION", value_parser = benchmark::resolution, conflicts_with = "size")]
    pub(crate) resolution: Option<Resolution>,

    /// The outputs in which frames are rendered, as of `key` [default: processed].
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = benchmark::output, requires = "plate")]
    pub(crate) output: Vec<Output>,

    /// Where the network runs: auto, cuda, coreml or cpu.
    #[arg(long, default_value = "auto", value_parser = benchmark::device)]
    pub(crate) device: DeviceChoice,

    /// Its arithmetic: auto, fp16 or fp32.
    #[arg(long, default_value = "auto", value_parser = benchmark::precision)]
    pub(crate) precision: PrecisionChoice,

    /// How often it runs after the first time; the median is told.
    #[arg(long, default_value_t = 5, value_parser = runs)]
    pub(crate) runs: usize,

    /// Another device to compare the answer with, in fp32.
    #[arg(long, value_name = "DEVICE", value_parser = benchmark::device)]
    pub(crate) against: Option<DeviceChoice>,

    /// Also run the model's graph in ONNX Runtime, in turn, and tell both times' ratio and how far
    /// the answers are apart: for a model that the plug-in computes itself on processors in fp32.
    #[arg(long)]
    pub(crate) reference: bool,

    /// The plug-in bundle whose library and models are used.
    #[arg(long, value_name = "BUNDLE")]
    pub(crate) plugin: Option<PathBuf>,

    /// Print one JSON object to standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

/// From 1 to 1000.
fn runs(text: &str) -> Result<usize, String> {
    let number = text
        .parse()
        .ok()
        .filter(|number| (1..=1000).contains(number));
    number.ok_or_else(|| format!("`{text}` is no number from 1 to 1000"))
}

#[derive(Debug, Args)]
pub(crate) struct ParamsArguments {
    /// The plug-in bundle to describe.
    #[arg(long, value_name = "BUNDLE")]
    pub(crate) plugin: Option<PathBuf>,

    /// Print one JSON object to standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SheetArguments {
    /// The PNG file to write.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,

    /// A row: caption, source, hint (or -), matte, foreground or processed, composite.
    #[arg(
        long,
        num_args = 6,
        value_names = ["CAPTION", "SOURCE", "HINT", "MATTE", "FOREGROUND", "COMPOSITE"]
    )]
    pub(crate) row: Vec<PathBuf>,

    /// A row for every NAME.plate.* with its NAME.hint.* in PLATES and its outputs in KEYS.
    #[arg(
        long,
        num_args = 2,
        value_names = ["PLATES", "KEYS"],
        required_unless_present = "row"
    )]
    pub(crate) samples: Vec<PathBuf>,

    /// The width of each picture in pixels.
    #[arg(long, default_value_t = 384, value_parser = clap::value_parser!(u32).range(32..=4096))]
    pub(crate) width: u32,
}

/// The kinds of file that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// OpenEXR, scene-linear.
    Exr,
    /// PNG, sRGB.
    Png,
}

impl Format {
    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::Exr => Kind::Exr,
            Self::Png => Kind::Png,
        }
    }

    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Exr => "exr",
            Self::Png => "png",
        }
    }
}

/// The pixel depths that OpenFX has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Depth {
    /// 32-bit float.
    Float,
    /// 16-bit float.
    Half,
    /// 16-bit integer.
    Short,
    /// 8-bit integer.
    Byte,
}

impl Depth {
    pub(crate) fn ofx(self) -> ofx::Depth {
        match self {
            Self::Float => ofx::Depth::Float,
            Self::Half => ofx::Depth::Half,
            Self::Short => ofx::Depth::Short,
            Self::Byte => ofx::Depth::Byte,
        }
    }

    pub(crate) fn sample(self) -> Sample {
        match self {
            Self::Float => Sample::Float,
            Self::Half => Sample::Half,
            Self::Short => Sample::Short,
            Self::Byte => Sample::Byte,
        }
    }
}

fn model_id(text: &str) -> Result<String, String> {
    check_id(text).map(|()| text.to_owned())
}

/// The longest side that can be asked about, as in models' manifests.
const LONGEST_SIDE: usize = 1 << 16;

fn size(text: &str) -> Result<Size, String> {
    let side = |text: &str| {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let side = text.parse().ok().filter(|_| digits);
        side.filter(|side| (1..=LONGEST_SIDE).contains(side))
    };
    let sides = text.split_once(['x', 'X']);
    match sides.map(|(width, height)| (side(width), side(height))) {
        Some((Some(width), Some(height))) => Ok(Size::new(width, height)),
        _ => Err(format!(
            "`{text}` is not a size: write WxH, such as 1920x1080, with sides from 1 to \
             {LONGEST_SIDE}"
        )),
    }
}

fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((id, value)) if !id.trim().is_empty() => {
            Ok((id.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err(format!(
            "`{text}` is not ID=VALUE, such as despillStrength=0.8"
        )),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use clap::CommandFactory;

    use super::*;

    fn key(arguments: &[&str]) -> Result<KeyArguments, clap::Error> {
        let start = ["corridorkey", "key", "--source", "a.png", "--out", "o"];
        let all = start.iter().chain(arguments);
        match Arguments::try_parse_from(all)?.command {
            Command::Key(key) => Ok(key),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_definition_holds_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn settings_outputs_and_frames_are_taken_apart() {
        let arguments = key(&[
            "--output",
            "matte,foreground",
            "--set",
            "despeckle=false",
            "--set",
            "model=a=b",
            "--frames",
            "3-7",
            "--depth",
            "half",
            "--format",
            "png",
        ])
        .unwrap();
        assert_eq!(arguments.output, ["matte", "foreground"]);
        assert_eq!(arguments.set[0], ("despeckle".into(), "false".into()));
        assert_eq!(arguments.set[1], ("model".into(), "a=b".into()));
        assert_eq!(arguments.frames, Some(Range { first: 3, last: 7 }));
        assert_eq!(arguments.format, Format::Png);
    }

    #[test]
    fn ids_of_models_are_plain_and_not_the_shipped_one() {
        let import = |id: &str| {
            Arguments::try_parse_from(["corridorkey", "models", "import", "a.pth", "--id", id])
        };
        assert!(import("corridorkey-2048").is_ok());
        for wrong in ["", "../up", "Upper", "base", ".hidden", "a/b"] {
            assert_eq!(import(wrong).unwrap_err().exit_code(), 2, "{wrong}");
        }
    }

    #[test]
    fn sizes_are_two_sides() {
        assert_eq!(size("1920x1080"), Ok(Size::new(1920, 1080)));
        for wrong in ["", "x", "512", "512x", "0x512", "+5x5", "5x5x5", "65537x32"] {
            let error = size(wrong).unwrap_err();
            assert!(error.contains(&format!("`{wrong}`")), "{error}");
        }
    }

    #[test]
    fn mistakes_are_usage_errors() {
        for wrong in [
            &["--set", "despeckle"][..],
            &["--set", "=1"],
            &["--frames", "7-3"],
            &["--format", "tiff"],
            &["--depth", "double"],
        ] {
            assert_eq!(key(wrong).unwrap_err().exit_code(), 2);
        }
    }
}
