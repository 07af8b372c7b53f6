//! Importing the official checkpoint: from the file that its publisher gives to a weights file of
//! this project, without Python and without running anything that the file says.
//!
//! What is read: PyTorch's `.pth` and `.safetensors`, in 32-bit, 16-bit or bfloat16 floats, bare or
//! under `state_dict`, with the names of PyTorch or of MLX. What is written: one file of 32-bit
//! floats in a fixed layout, named by its checksum, and a manifest beside it. The user's file is
//! read piece by piece, never mapped and never changed; it may go away afterwards.
//!
//! * `pth` with `directory`, `pickle` and `vocabulary`, and `safetensors`: where tensors are in a
//!   foreign file.
//! * `convert` with `mlx`: which of them is which tensor of the network, and what does not fit.
//! * `write`, `install`: the copy, and how it appears whole or not at all.
//! * [`manifest`]: what is known of an imported checkpoint; [`remove`] takes models away again.

mod checkpoint;
mod convert;
mod directory;
mod install;
pub mod manifest;
mod mlx;
mod pickle;
mod pth;
pub mod remove;
mod safetensors;
mod vocabulary;
mod write;

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use self::checkpoint::{Stored, io_text};
pub use self::convert::Layout;
use self::convert::{Plan, plan};
pub use self::manifest::Imported;
use super::tensors::{self, Spec};
use crate::network::checksum::hex;
use crate::network::error::{Error, Result};
use crate::network::model::checks::plain;
use crate::network::models::SHIPPED;
use crate::network::{Control, check};

/// The id of an imported checkpoint when none is asked for.
pub const DEFAULT_ID: &str = "corridorkey";

/// What is to be imported, and to where.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The user's checkpoint.
    pub file: &'a Path,
    /// The models folder; the model gets the folder `id` in it.
    pub folder: &'a Path,
    /// The model's id; see [`check_id`].
    pub id: &'a str,
}

/// What was imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The model as it is now.
    pub model: Imported,
    /// How the file's convolution weights were stored.
    pub layout: Layout,
    /// The precision of the file's numbers: `fp32`, `fp16`, `bf16` or `mixed`. All of them are
    /// 32-bit floats now, without any change of value.
    pub precision: &'static str,
    /// Bytes of the weights file.
    pub bytes: u64,
    /// The version that the id meant before, if it was another one.
    pub replaced: Option<String>,
}

/// Says why an id cannot be that of an imported model.
///
/// # Errors
/// A sentence for people.
pub fn check_id(id: &str) -> std::result::Result<(), String> {
    if !plain(id) {
        return Err(format!(
            "\"{}\" is not an id: ids are made of a-z, 0-9, '.', '_' and '-', and begin with a \
             letter, a digit or '_'",
            checkpoint::shown(id)
        ));
    }
    if id == SHIPPED {
        return Err(format!(
            "\"{SHIPPED}\" is the model that comes with the plug-in; choose another id"
        ));
    }
    Ok(())
}

/// Imports a checkpoint. `progress` is told how many bytes of how many are done.
///
/// The new model appears whole, or nothing changes. A model that was imported under the same id
/// before is replaced.
///
/// # Errors
/// [`Error::Checkpoint`] when the file cannot be used, [`Error::Install`] when the copy cannot be
/// written, [`Error::Aborted`].
pub fn import(
    request: &Request<'_>,
    control: &dyn Control,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Report> {
    import_with(request, &tensors::specs, control, progress)
}

/// [`import`] for a network with these tensors.
fn import_with(
    request: &Request<'_>,
    specs: &dyn Fn(usize) -> Vec<Spec>,
    control: &dyn Control,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Report> {
    let source_failed = |reason: String| Error::Checkpoint {
        path: request.file.into(),
        reason,
    };
    check_id(request.id).map_err(|reason| Error::Install {
        path: request.folder.join(request.id),
        reason,
    })?;
    let mut opened = Opened::new(request.file).map_err(source_failed)?;
    let plan = plan(std::mem::take(&mut opened.tensors), specs).map_err(source_failed)?;
    let previous = install::previous(request.folder, request.id)?;
    check(control)?;

    let layout = {
        let specs: Vec<&Spec> = plan.tensors.iter().map(|(spec, _)| spec).collect();
        write::Layout::new(&specs, plan.grid)
    };
    let total = opened.length + layout.length;
    let mut done = 0;
    let mut step = |bytes: u64| {
        done += bytes;
        progress(done.min(total), total);
        check(control).map_err(|_| Trouble::Aborted)
    };
    let failed = |trouble: Trouble| match trouble {
        Trouble::Source(reason) => source_failed(reason),
        Trouble::Target(error) => Error::Install {
            path: request.folder.join(request.id),
            reason: install::io_words(&error, layout.length),
        },
        Trouble::Aborted => Error::Aborted,
    };

    if let Some(archive) = &mut opened.archive {
        archive.verify(control).map_err(failed)?;
    }
    let source_sha256 = sum(&mut opened.file, &mut step).map_err(failed)?;
    let precision = precision(&plan);
    let name = request.file.file_name().unwrap_or_default();
    let facts = install::Facts {
        id: request.id,
        source: &name.to_string_lossy(),
        source_sha256: &source_sha256,
        grid: plan.grid,
    };
    let model = install::install(request.folder, &facts, &mut |target| {
        write::write(&layout, &plan.tensors, &mut opened.file, target, &mut step)
    })
    .map_err(failed)?;
    Ok(Report {
        replaced: previous
            .filter(|previous| previous.version != model.version)
            .map(|previous| previous.version),
        model,
        layout: plan.layout,
        precision,
        bytes: layout.length,
    })
}

/// What stops an import.
#[derive(Debug)]
enum Trouble {
    /// The user's file, in words.
    Source(String),
    /// The copy.
    Target(io::Error),
    /// Whoever asked for it does not want it any more.
    Aborted,
}

impl Trouble {
    fn source(reason: String) -> Self {
        Self::Source(reason)
    }
}

/// The user's file, understood as far as to know its tensors.
struct Opened {
    file: File,
    length: u64,
    tensors: Vec<Stored>,
    archive: Option<pth::Archive>,
}

impl Opened {
    fn new(path: &Path) -> std::result::Result<Self, String> {
        let words = |error: io::Error| io_text(&error);
        // Asked before it is opened: opening a pipe would wait for somebody to write into it.
        let facts = std::fs::metadata(path).map_err(words)?;
        if facts.is_dir() {
            return Err("this is a folder, not a file".into());
        }
        if !facts.is_file() {
            return Err("this is not a regular file".into());
        }
        let mut file = File::open(path).map_err(words)?;
        let mut first = Vec::new();
        (&mut file)
            .take(64)
            .read_to_end(&mut first)
            .map_err(words)?;
        file.seek(SeekFrom::Start(0)).map_err(words)?;
        let (tensors, archive) = match kind(&first)? {
            FileKind::Zip => {
                let (tensors, archive) = pth::open(file.try_clone().map_err(words)?)?;
                (tensors, Some(archive))
            }
            FileKind::Safetensors => (safetensors::open(&mut file)?, None),
        };
        Ok(Self {
            file,
            length: facts.len(),
            tensors,
            archive,
        })
    }
}

enum FileKind {
    Zip,
    Safetensors,
}

/// Tells a file by its first bytes; what it is called does not matter.
fn kind(first: &[u8]) -> std::result::Result<FileKind, String> {
    if first.is_empty() {
        return Err("it is empty; copy or download it again".into());
    }
    if first.starts_with(b"PK\x03\x04") {
        return Ok(FileKind::Zip);
    }
    // A header is a JSON object, after its length.
    if first.get(8) == Some(&b'{') && first[6..8] == [0, 0] {
        return Ok(FileKind::Safetensors);
    }
    // A bare pickle begins with its protocol.
    if first.starts_with(b"\x80\x02") || first.starts_with(b"\x80\x03") {
        return Err(
            "it is in PyTorch's format from before version 1.6, which is not read; load it in a \
             newer PyTorch with torch.load(file, weights_only=True) and save it again with \
             torch.save"
                .into(),
        );
    }
    let text = String::from_utf8_lossy(first).to_ascii_lowercase();
    let text = text.trim_start();
    if text.starts_with("version https://git-lfs") {
        return Err(
            "it only says where the checkpoint is (a Git LFS pointer); download the file itself"
                .into(),
        );
    }
    if text.starts_with("<!doctype") || text.starts_with("<html") {
        return Err("it is a web page; download the checkpoint itself".into());
    }
    Err("it is neither a PyTorch checkpoint nor a .safetensors file".into())
}

/// The SHA-256 of the whole file.
fn sum(
    file: &mut File,
    step: &mut dyn FnMut(u64) -> std::result::Result<(), Trouble>,
) -> std::result::Result<String, Trouble> {
    let failed = |error: io::Error| Trouble::source(io_text(&error));
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hex(&hash.finalize())),
            Ok(count) => {
                hash.update(&buffer[..count]);
                step(count as u64)?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
}

/// The one precision of all tensors, or `mixed`.
fn precision(plan: &Plan) -> &'static str {
    let mut precisions = plan
        .tensors
        .iter()
        .map(|(_, tensor)| tensor.element.precision());
    match precisions.next() {
        Some(first) if precisions.all(|next| next == first) => first,
        _ => "mixed",
    }
}

/// The folders of models that this user can change: those of `CORRIDORKEY_MODELS` and the user's
/// own, but nothing inside a plug-in bundle.
pub fn writable_roots(roots: &[PathBuf]) -> Vec<PathBuf> {
    roots
        .iter()
        .filter(|root| {
            let real = root.canonicalize();
            let path = real.as_deref().unwrap_or(root);
            !path.components().any(|part| {
                Path::new(&part)
                    .extension()
                    .is_some_and(|end| end == "bundle")
            })
        })
        .cloned()
        .collect()
}

#[cfg(test)]
#[path = "../../../../tests/support/checkpoint.rs"]
mod test_checkpoints;
#[cfg(test)]
mod tests;
