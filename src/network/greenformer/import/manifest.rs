//! The manifest of an imported checkpoint: what was made, of what, and under which licence.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::SystemTime;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::network::checksum::hex;
use crate::network::error::{Error, Result};
use crate::network::greenformer::weights::WeightsFile;
use crate::network::model::checks;
use crate::network::{Control, check};

type Identity = (PathBuf, u64, Option<SystemTime>);

/// Files whose sums this process has compared.
static PROVEN: LazyLock<Mutex<HashMap<Identity, String>>> = LazyLock::new(Mutex::default);

/// The manifest's `kind`.
pub const KIND: &str = "greenformer";

/// The licence that checkpoints of this network are published under; variations of them have to
/// carry the same. `CORRIDORKEY-NOTICE.md` says what it means.
pub const LICENCE: &str =
    "Corridor Key Licence 1.0 (CC BY-NC-SA 4.0 with additional terms; see CORRIDORKEY-NOTICE.md)";

/// An imported checkpoint in a models folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The stable name that projects store.
    pub id: String,
    /// The name for people.
    pub name: String,
    /// The version that projects may store after an `@`: the first digits of the weights' sum.
    pub version: String,
    /// The licence's name.
    pub licence: String,
    /// The manifest.
    pub manifest: PathBuf,
    /// The weights file beside it.
    pub path: PathBuf,
    /// SHA-256 of the weights file, lower-case hexadecimal.
    pub sha256: String,
    /// The name of the file that it was made from.
    pub source: String,
    /// SHA-256 of that file.
    pub source_sha256: String,
    /// Tokens along a side of the positional embedding.
    pub grid: usize,
}

/// The file's text.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    format: u32,
    id: String,
    name: String,
    version: String,
    kind: String,
    licence: String,
    file: String,
    sha256: String,
    source: String,
    source_sha256: String,
    greenformer: Network,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Network {
    grid: usize,
    stored: String,
}

/// Only what tells whether a manifest is one of these.
#[derive(Deserialize)]
struct Kind {
    kind: Option<String>,
}

/// True when the manifest at this path is that of an imported checkpoint, usable or not.
pub fn is_imported(manifest: &Path) -> bool {
    std::fs::read_to_string(manifest)
        .ok()
        .and_then(|text| toml::from_str::<Kind>(&text).ok())
        .is_some_and(|text| text.kind.as_deref() == Some(KIND))
}

impl Imported {
    /// Reads a manifest.
    ///
    /// # Errors
    /// [`Error::Manifest`] with what is wrong.
    pub fn read(manifest: &Path) -> Result<Self> {
        checks::read(manifest, |text| Self::parse(manifest, text))
    }

    /// [`Imported::read`] of a manifest's text; the error is the middle of a sentence.
    pub(crate) fn parse(manifest: &Path, text: &str) -> std::result::Result<Self, String> {
        let text: Text = toml::from_str(text).map_err(|error| checks::one_line(&error))?;
        if text.format != 1 || text.kind != KIND || text.greenformer.stored != "fp32" {
            return Err(format!(
                "it is of format {}, kind \"{}\", stored as {}, and this version reads format 1, \
                 kind \"{KIND}\", stored as fp32",
                text.format, text.kind, text.greenformer.stored
            ));
        }
        checks::names(&text.id, &text.version, &text.file)?;
        let sha256 = checks::sum("sha256", &text.sha256)?;
        let source_sha256 = checks::sum("source_sha256", &text.source_sha256)?;
        Ok(Self {
            path: manifest.with_file_name(&text.file),
            manifest: manifest.into(),
            id: text.id,
            name: text.name,
            version: text.version,
            licence: text.licence,
            sha256,
            source: text.source,
            source_sha256,
            grid: text.greenformer.grid,
        })
    }

    /// The manifest as it is written.
    pub(super) fn text(&self) -> std::result::Result<String, String> {
        let file = self.path.file_name().unwrap_or_default();
        toml::to_string(&Text {
            format: 1,
            id: self.id.clone(),
            name: self.name.clone(),
            version: self.version.clone(),
            kind: KIND.into(),
            licence: self.licence.clone(),
            file: file.to_string_lossy().into_owned(),
            sha256: self.sha256.clone(),
            source: self.source.clone(),
            source_sha256: self.source_sha256.clone(),
            greenformer: Network {
                grid: self.grid,
                stored: "fp32".into(),
            },
        })
        .map_err(|error| error.to_string())
    }

    /// `id@version`.
    pub fn full_id(&self) -> String {
        format!("{}@{}", self.id, self.version)
    }

    /// Makes sure that the weights file is there and laid out as an import does it. Its numbers
    /// are left to [`Imported::verify`], which takes longer.
    ///
    /// # Errors
    /// [`Error::ModelFile`], [`Error::ModelGraph`].
    pub fn look(&self) -> Result<()> {
        let file = WeightsFile::open(&self.path)?;
        if file.grid() == self.grid {
            return Ok(());
        }
        Err(Error::Manifest {
            path: self.manifest.clone(),
            reason: format!(
                "it says that the grid is {}, and the weights file that it is {}",
                self.grid,
                file.grid()
            ),
        })
    }

    /// [`Imported::verify`] once for a file and process: a file of the same path, length and time
    /// of change is taken to be the same file.
    ///
    /// # Errors
    /// Those of [`Imported::verify`].
    pub fn prove(&self) -> Result<()> {
        let facts = std::fs::metadata(&self.path).map_err(|error| self.unreadable(&error))?;
        let identity = (self.path.clone(), facts.len(), facts.modified().ok());
        if PROVEN.lock().get(&identity) == Some(&self.sha256) {
            return Ok(());
        }
        self.verify(&|| false)?;
        PROVEN.lock().insert(identity, self.sha256.clone());
        Ok(())
    }

    /// Reads the weights file piece by piece and compares its checksum.
    ///
    /// # Errors
    /// [`Error::ModelFile`], [`Error::ModelAltered`], [`Error::Aborted`].
    pub fn verify(&self, control: &dyn Control) -> Result<()> {
        let mut file = File::open(&self.path).map_err(|error| self.unreadable(&error))?;
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 1 << 20];
        let mut bytes = 0;
        loop {
            check(control)?;
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => {
                    hash.update(&buffer[..count]);
                    bytes += count as u64;
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.unreadable(&error)),
            }
        }
        let found = hex(&hash.finalize());
        if found == self.sha256 {
            return Ok(());
        }
        Err(Error::ModelAltered {
            model: self.id.clone(),
            path: self.path.clone(),
            expected: self.sha256.clone(),
            found,
            bytes,
        })
    }

    fn unreadable(&self, error: &std::io::Error) -> Error {
        Error::ModelFile {
            model: self.id.clone(),
            path: self.path.clone(),
            reason: error.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::network::model::MANIFEST;

    fn imported(folder: &Path) -> Imported {
        Imported {
            id: "corridorkey".into(),
            name: "CorridorKey".into(),
            version: "0123abcd".into(),
            licence: LICENCE.into(),
            manifest: folder.join(MANIFEST),
            path: folder.join("0123abcd01234567.safetensors"),
            sha256: "01".repeat(32),
            source: "Corridor \"Key\"\n.pth".into(),
            source_sha256: "ab".repeat(32),
            grid: 128,
        }
    }

    #[test]
    fn the_text_is_toml_with_the_agreed_keys_and_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let imported = imported(folder.path());
        let text = imported.text().unwrap();
        let table: toml::Table = toml::from_str(&text).unwrap();
        let keys: Vec<&str> = table.keys().map(String::as_str).collect();
        let mut expected = vec![
            "format",
            "id",
            "name",
            "version",
            "kind",
            "licence",
            "file",
            "sha256",
            "source",
            "source_sha256",
            "greenformer",
        ];
        let mut sorted = keys.clone();
        sorted.sort_unstable();
        expected.sort_unstable();
        assert_eq!(sorted, expected);
        assert_eq!(table["kind"].as_str(), Some("greenformer"));
        assert_eq!(table["format"].as_integer(), Some(1));
        assert_eq!(table["file"].as_str(), Some("0123abcd01234567.safetensors"));
        assert_eq!(table["greenformer"]["grid"].as_integer(), Some(128));
        assert_eq!(table["greenformer"]["stored"].as_str(), Some("fp32"));
        std::fs::write(&imported.manifest, &text).unwrap();
        assert!(is_imported(&imported.manifest));
        assert_eq!(Imported::read(&imported.manifest).unwrap(), imported);
    }

    #[test]
    fn manifests_that_mean_something_else_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let good = imported(folder.path());
        let text = good.text().unwrap();
        for (from, to, word) in [
            ("format = 1", "format = 2", "format 2"),
            ("\"fp32\"", "\"fp16\"", "fp16"),
            ("id = \"corridorkey\"", "id = \"../x\"", "../x"),
            ("\"0123abcd01234567.s", "\"../0123.s", "plain name"),
            ("\"0101", "\"01", "hexadecimal"),
            ("grid = 128", "grid = 128\nx = 1", "x"),
        ] {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text, "{from}");
            std::fs::write(&good.manifest, changed).unwrap();
            let error = Imported::read(&good.manifest).unwrap_err();
            assert_eq!(error.code(), "model.manifest");
            assert!(error.to_string().contains(word), "{error}");
        }
    }
}
