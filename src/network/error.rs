//! What can go wrong between a tensor and its prediction.
//!
//! Every sentence names what happened, to which file or device, and what to do about it; it is
//! shown unchanged in a host's panel, on a terminal and in a log. [`Error::code`] is what scripts
//! may rely on: it is never reworded.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::device::{Device, Precision};

/// Everything that can go wrong in [`network`](crate::network).
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Somebody stopped the work. Never shown as a failure.
    #[error("stopped")]
    Aborted,

    /// No usable ONNX Runtime library: every place that was looked at, and what was wrong there.
    #[error("{}", no_library(.tried))]
    Library {
        /// Each candidate file or folder with the reason it could not be used.
        tried: Vec<(PathBuf, String)>,
    },
    /// The library loaded but would not start.
    #[error("ONNX Runtime at {} did not start: {reason}. Reinstall the plug-in, or name another library in CORRIDORKEY_ORT_DYLIB", path.display())]
    LibraryStart {
        /// The library.
        path: PathBuf,
        /// What it said.
        reason: String,
    },

    /// A device name that nobody knows.
    #[error(
        "{source_name} asks for the device \"{value}\", which does not exist; use auto, cuda, coreml or cpu"
    )]
    UnknownDevice {
        /// Who said it: a variable, a parameter or a flag.
        source_name: String,
        /// What was said.
        value: String,
    },
    /// A device that was asked for by name is not there.
    #[error(
        "the device \"{device}\", asked for by {source_name}, cannot be used: {reason}. Choose auto or cpu, or repair the device"
    )]
    Device {
        /// The device's id.
        device: &'static str,
        /// Who asked for it.
        source_name: String,
        /// Why it cannot be used.
        reason: String,
    },
    /// Not one device works.
    #[error("no device can run the network: {}. Reinstall the plug-in; `corridorkey doctor` says more", list(.reasons))]
    NoDevice {
        /// Each device's id and why it cannot be used.
        reasons: Vec<(&'static str, String)>,
    },
    /// `CORRIDORKEY_BACKEND` names a framework that is not here.
    #[error("CORRIDORKEY_BACKEND is \"{value}\", {reason}")]
    Backend {
        /// The variable's value.
        value: String,
        /// Why it cannot be had and what to say instead.
        reason: String,
    },
    /// An environment variable holds something that cannot be read.
    #[error("the environment variable {name} is \"{value}\"; {expected}")]
    Setting {
        /// The variable.
        name: &'static str,
        /// Its value.
        value: String,
        /// What it may be.
        expected: String,
    },

    /// No model of that id.
    #[error("{}", unknown_model(.id, .known, .searched))]
    UnknownModel {
        /// The id that was asked for.
        id: String,
        /// Ids (with versions) that are there.
        known: Vec<String>,
        /// Folders that were searched.
        searched: Vec<PathBuf>,
    },
    /// The bundle does not have the model that ships with it.
    #[error("{}", not_shipped(.id, .folder.as_deref()))]
    NotShipped {
        /// The shipped model's id.
        id: String,
        /// The bundle's folder of models, if the bundle is known.
        folder: Option<PathBuf>,
    },
    /// Several versions of one id in one folder, and no version named.
    #[error("{} holds the model \"{id}\" in several versions ({}); name one of them, for example \"{}\"", folder.display(), .versions.join(", "), .versions.first().map_or("", |v| v.as_str()))]
    AmbiguousModel {
        /// The id that was asked for.
        id: String,
        /// Where they are.
        folder: PathBuf,
        /// `id@version` of each.
        versions: Vec<String>,
    },
    /// A manifest that cannot be used.
    #[error("the model manifest {} cannot be used: {reason}. Correct it, reinstall the model, or update CorridorKey if the model is newer", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A model's file is not there or cannot be read.
    #[error("the model file {} cannot be read: {reason}. Reinstall the model \"{model}\"", path.display())]
    ModelFile {
        /// The model's id.
        model: String,
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// A model's file is not what its manifest promises.
    #[error("the model file {} is damaged or was changed: its sha256 is {found} over {bytes} bytes, but the manifest of \"{model}\" says {expected}. Reinstall the model", path.display())]
    ModelAltered {
        /// The model's id.
        model: String,
        /// The file.
        path: PathBuf,
        /// The checksum in the manifest.
        expected: String,
        /// The file's checksum.
        found: String,
        /// The file's length.
        bytes: u64,
    },
    /// The file is what the manifest says, but not a network that can be used.
    #[error("the model file {} is not a network that CorridorKey can run: {reason}", path.display())]
    ModelGraph {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A checkpoint that was to be imported cannot be.
    #[error("the checkpoint {} cannot be imported: {reason}", path.display())]
    Checkpoint {
        /// The user's file.
        path: PathBuf,
        /// What is wrong with it and what to do.
        reason: String,
    },
    /// A model could not be written to, or removed from, the models folder.
    #[error("the models folder cannot be changed at {}: {reason}", path.display())]
    Install {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
    /// The model has no such precision.
    #[error("the model \"{model}\" does not run in {precision}; it runs in {}. Set the precision to auto, or choose another model", .offered.join(", "))]
    Precision {
        /// The model's id.
        model: String,
        /// What was asked for.
        precision: &'static str,
        /// What there is.
        offered: Vec<&'static str>,
    },

    /// The input tensor does not fit the model.
    #[error("the model \"{model}\" cannot take a picture of {width} x {height} pixels: {reason}")]
    Input {
        /// The model's id.
        model: String,
        /// Columns.
        width: usize,
        /// Rows.
        height: usize,
        /// What is wrong.
        reason: String,
    },
    /// A size whose working memory is beyond the budget.
    #[error("the network would need about {needed_mb} MB for {width} x {height} pixels with the model \"{model}\", and its memory budget is {budget_mb} MB; {}", what_fits(.fits))]
    TooLarge {
        /// The model's id.
        model: String,
        /// Columns.
        width: usize,
        /// Rows.
        height: usize,
        /// Estimated need.
        needed_mb: u64,
        /// What there is.
        budget_mb: u64,
        /// The largest size of the same shape that fits, if one does: width and height.
        fits: Option<(usize, usize)>,
    },
    /// The device had no memory left, even after everything idle was released.
    #[error("{device} ran out of memory at {width} x {height} pixels with the model \"{model}\" ({reason}). Choose a smaller resolution{}, close other programs that use its memory, or choose another device", what_needs_half(.half))]
    OutOfMemory {
        /// The model's id.
        model: String,
        /// The device's name.
        device: &'static str,
        /// Columns.
        width: usize,
        /// Rows.
        height: usize,
        /// What the runtime said.
        reason: String,
        /// A size of the same shape that needs about half as much, if the model takes one: width
        /// and height.
        half: Option<(usize, usize)>,
    },
    /// The runtime would not build a session for the model.
    #[error(
        "the model \"{model}\" could not be prepared for {device} at {width} x {height} pixels: {reason}. Choose another device, precision or resolution; `corridorkey doctor` says which devices work"
    )]
    Session {
        /// The model's id.
        model: String,
        /// The device's name.
        device: &'static str,
        /// Columns.
        width: usize,
        /// Rows.
        height: usize,
        /// What the runtime said.
        reason: String,
    },
    /// The network failed while it ran.
    #[error(
        "the model \"{model}\" failed on {device} at {width} x {height} pixels: {reason}. Render again; if it fails again, choose another device, and report it with the plug-in's log"
    )]
    Run {
        /// The model's id.
        model: String,
        /// The device's name.
        device: &'static str,
        /// Columns.
        width: usize,
        /// Rows.
        height: usize,
        /// What the runtime said.
        reason: String,
    },
    /// The network answered with values that are not numbers.
    #[error("the model \"{model}\" gave values that are not numbers in \"{output}\" on {device} in {precision}. {}", what_is_safer(.device, .precision))]
    NonFinite {
        /// The model's id.
        model: String,
        /// The device's name.
        device: &'static str,
        /// The precision's id.
        precision: &'static str,
        /// The output's name.
        output: String,
    },
    /// The system gave no thread.
    #[error(
        "{what}: {reason}. Close other programs or raise the limit on threads, then render again"
    )]
    Thread {
        /// What was being done.
        what: &'static str,
        /// What the system said.
        reason: String,
    },
    /// A mistake of ours: something panicked.
    #[error(
        "{what} stopped unexpectedly: {reason}. This is a mistake in CorridorKey; please report it with its log"
    )]
    Internal {
        /// What was being done.
        what: &'static str,
        /// The panic's words.
        reason: String,
    },
}

impl Error {
    /// A model's file that is no network for us; `reason` as the middle of a sentence.
    pub(super) fn graph(path: &Path, reason: &str) -> Self {
        Self::ModelGraph {
            path: path.into(),
            reason: format!("{reason}. Reinstall the model, or tell whoever made it"),
        }
    }

    /// The stable name of this error, for scripts: lower case, dotted, never reworded.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Aborted => "aborted",
            Self::Library { .. } => "runtime.library",
            Self::LibraryStart { .. } => "runtime.start",
            Self::UnknownDevice { .. } => "device.unknown",
            Self::Device { .. } => "device.unavailable",
            Self::NoDevice { .. } => "device.none",
            Self::Backend { .. } => "device.backend",
            Self::Setting { .. } => "setting.value",
            Self::UnknownModel { .. } => "model.unknown",
            Self::NotShipped { .. } => "model.shipped",
            Self::AmbiguousModel { .. } => "model.ambiguous",
            Self::Manifest { .. } => "model.manifest",
            Self::ModelFile { .. } => "model.file",
            Self::ModelAltered { .. } => "model.altered",
            Self::ModelGraph { .. } => "model.graph",
            Self::Checkpoint { .. } => "model.checkpoint",
            Self::Install { .. } => "model.install",
            Self::Precision { .. } => "model.precision",
            Self::Input { .. } => "network.input",
            Self::TooLarge { .. } => "memory.budget",
            Self::OutOfMemory { .. } => "memory.exhausted",
            Self::Session { .. } => "network.session",
            Self::Run { .. } => "network.run",
            Self::NonFinite { .. } => "network.non-finite",
            Self::Thread { .. } => "system.thread",
            Self::Internal { .. } => "internal",
        }
    }

    /// True when somebody stopped the work: no message, nothing cached.
    pub fn is_abort(&self) -> bool {
        matches!(self, Self::Aborted)
    }

    /// True when memory was the limit: the device's, or the budget's.
    pub fn is_out_of_memory(&self) -> bool {
        matches!(self, Self::OutOfMemory { .. } | Self::TooLarge { .. })
    }
}

/// [`std::result::Result`] with this module's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

fn no_library(tried: &[(PathBuf, String)]) -> String {
    let mut text = String::from("ONNX Runtime could not be loaded");
    if tried.is_empty() {
        text.push_str(": no place to look for it is known");
    }
    for (index, (path, reason)) in tried.iter().enumerate() {
        let separator = if index == 0 { ": " } else { "; " };
        // Writing to a String cannot fail.
        let _ = write!(text, "{separator}{} ({reason})", path.display());
    }
    text.push_str(
        ". Reinstall the plug-in, or set CORRIDORKEY_ORT_DYLIB to the absolute path of a libonnxruntime of version 1.20 to 1.28",
    );
    text
}

fn list(reasons: &[(&'static str, String)]) -> String {
    let parts: Vec<String> = reasons
        .iter()
        .map(|(device, reason)| format!("{device}: {reason}"))
        .collect();
    parts.join("; ")
}

fn unknown_model(id: &str, known: &[String], searched: &[PathBuf]) -> String {
    let places: Vec<String> = searched
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let mut text = format!("there is no model \"{id}\"");
    if known.is_empty() {
        text.push_str("; no model was found at all");
    } else {
        let _ = write!(text, "; there are {}", known.join(", "));
    }
    if places.is_empty() {
        text.push_str(
            ". Set CORRIDORKEY_MODELS to the folder of your models, or reinstall the plug-in",
        );
    } else {
        let _ = write!(
            text,
            ". Looked in {}. Put the model there, or set CORRIDORKEY_MODELS to its folder",
            places.join(", ")
        );
    }
    text
}

fn not_shipped(id: &str, folder: Option<&Path>) -> String {
    match folder {
        Some(folder) => format!(
            "the model that ships with the plug-in, \"{id}\", is not in {}. Reinstall the plug-in, or name another model",
            folder.display()
        ),
        None => "no model is named, and the one that ships with the plug-in is not there without its bundle. Name the bundle or a model".into(),
    }
}

/// What may give numbers: only what is not the case already is worth trying.
fn what_is_safer(device: &str, precision: &str) -> &'static str {
    match (
        device == Device::Cpu.name(),
        precision == Precision::Fp32.id(),
    ) {
        (true, true) => {
            "Choose another model or resolution, and report the model to whoever made it"
        }
        (true, false) => "Choose the precision fp32",
        (false, true) => "Choose the device cpu",
        (false, false) => "Choose the precision fp32, or the device cpu",
    }
}

/// In the middle of a sentence: a size to choose.
fn what_needs_half(half: &Option<(usize, usize)>) -> String {
    half.map_or_else(String::new, |(width, height)| {
        format!(", of which {width} x {height} needs about half of it")
    })
}

fn what_fits(size: &Option<(usize, usize)>) -> String {
    match size {
        Some((width, height)) => format!(
            "{width} x {height} fits. Choose a smaller resolution, or raise CORRIDORKEY_SESSION_MB"
        ),
        None => "no size fits. Raise CORRIDORKEY_SESSION_MB".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_name_the_thing_and_the_remedy() {
        let error = Error::Library {
            tried: vec![
                ("/a/lib.so".into(), "no such file".into()),
                ("/b".into(), "empty".into()),
            ],
        };
        let text = error.to_string();
        assert!(
            text.contains("/a/lib.so (no such file); /b (empty)"),
            "{text}"
        );
        assert!(text.contains("CORRIDORKEY_ORT_DYLIB"), "{text}");

        let text = Error::UnknownModel {
            id: "x".into(),
            known: vec!["base@1".into()],
            searched: vec!["/models".into()],
        }
        .to_string();
        assert!(
            text.contains("\"x\"") && text.contains("base@1") && text.contains("/models"),
            "{text}"
        );

        let text = Error::TooLarge {
            model: "base".into(),
            width: 8192,
            height: 8192,
            needed_mb: 40_000,
            budget_mb: 6_000,
            fits: Some((3072, 3072)),
        }
        .to_string();
        assert!(text.contains("3072 x 3072 fits"), "{text}");
    }

    #[test]
    fn no_advice_is_to_do_what_is_done_already() {
        let text = |device, precision| {
            Error::NonFinite {
                model: "m".into(),
                device,
                precision,
                output: "alpha".into(),
            }
            .to_string()
        };
        let advice = |device, precision| {
            let text = text(device, precision);
            text.split_once(". ").map(|(_, advice)| advice.to_owned())
        };
        for (device, precision, cpu, fp32) in [
            ("CPU", "fp32", false, false),
            ("CPU", "fp16", false, true),
            ("CUDA", "fp32", true, false),
            ("CUDA", "fp16", true, true),
        ] {
            let advice = advice(device, precision).unwrap_or_default();
            assert_eq!(advice.contains("cpu"), cpu, "{advice}");
            assert_eq!(advice.contains("fp32"), fp32, "{advice}");
            assert!(advice.starts_with("Choose"), "{advice}");
        }
    }

    #[test]
    fn only_an_abort_is_an_abort_and_both_memory_errors_are_memory() {
        assert!(Error::Aborted.is_abort());
        let error = Error::Thread {
            what: "w",
            reason: "r".into(),
        };
        assert!(!error.is_abort() && !error.is_out_of_memory());
        let error = Error::OutOfMemory {
            model: "m".into(),
            device: "the CPU",
            width: 1,
            height: 1,
            reason: "r".into(),
            half: None,
        };
        assert!(error.is_out_of_memory());
    }
}
