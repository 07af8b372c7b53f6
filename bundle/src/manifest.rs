//! The part of a model's manifest (`model.toml`) that packaging needs: the file and its digest.

use crate::files;
use crate::{Error, Result};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// The name of the manifest in a model's folder.
pub(crate) const MANIFEST: &str = "model.toml";

/// What packaging reads of a manifest; the plug-in reads the rest.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) id: String,
    pub(crate) licence: String,
    pub(crate) file: String,
    pub(crate) sha256: String,
}

impl Manifest {
    /// Reads the manifest in the model folder `folder`.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(MANIFEST);
        let manifest: Self =
            toml::from_str(&files::read_text(&path)?).map_err(|error| Error::Invalid {
                path: path.clone(),
                reason: error.to_string(),
            })?;
        // The file has to be beside the manifest: a path could point outside the bundle.
        if Path::new(&manifest.file).file_name() != Some(manifest.file.as_ref()) {
            return Err(Error::Invalid {
                path,
                reason: format!("`file = \"{}\"` is not a plain file name", manifest.file),
            });
        }
        Ok(manifest)
    }

    /// The model file of the manifest in `folder`.
    pub(crate) fn model(&self, folder: &Path) -> PathBuf {
        folder.join(&self.file)
    }
}
