//! Where models are looked for, and which one an id means.
//!
//! First the folders of `CORRIDORKEY_MODELS`, then the user's data folder, then the bundle. The
//! first of them that holds an id settles what the id means; nothing is ever chosen for being
//! newer or better, so that a project keeps its picture when something is installed beside it.
//!
//! No id at all means the shipped model, which is looked for in the bundle alone: what somebody has
//! put into a folder of theirs is not what ships, whatever it is called.

use std::path::{Path, PathBuf};

use super::error::{Error, Result};
use super::model::{MANIFEST, Model};
use super::options::Options;

/// The id of the model that is shipped.
pub const SHIPPED: &str = "base";

/// The folders that models are looked for in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Models {
    roots: Vec<PathBuf>,
    /// The bundle's own, where there is a bundle.
    bundle: Option<PathBuf>,
}

/// Everything that was found.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// Usable models, in search order. A model whose id was already taken by an earlier folder is
    /// still listed.
    pub models: Vec<Model>,
    /// What could not be used, and why.
    pub problems: Vec<Error>,
}

impl Models {
    /// The standard search order. `module` is the plug-in's binary, `Contents/<platform>/…` inside
    /// the bundle, whose models are in `Contents/Resources/models`.
    pub fn standard(options: &Options, module: Option<&Path>) -> Self {
        let contents = module.and_then(|path| path.parent()?.parent());
        let bundle = contents.map(|contents| contents.join("Resources").join("models"));
        let mut roots = options.models.clone();
        roots.extend(user_folder());
        roots.extend(bundle.clone());
        Self { roots, bundle }
    }

    /// Looks in these folders, in this order. None of them is the bundle's.
    pub fn in_folders(roots: impl Into<Vec<PathBuf>>) -> Self {
        Self {
            roots: roots.into(),
            bundle: None,
        }
    }

    /// The folders, in search order, whether they exist or not.
    pub fn roots(&self) -> &[PathBuf] {
        &self.roots
    }

    /// The model that `wanted` means: an id, an `id@version`, or nothing for the shipped model.
    ///
    /// # Errors
    /// [`Error::UnknownModel`], [`Error::NotShipped`], [`Error::AmbiguousModel`], or the
    /// [`Error::Manifest`] of the folder that has the id's name and cannot be used.
    pub fn find(&self, wanted: &str) -> Result<Model> {
        match wanted.trim() {
            "" => self.shipped(),
            wanted => find_in(&self.roots, wanted),
        }
    }

    /// The model that the bundle has brought along.
    fn shipped(&self) -> Result<Model> {
        let missing = || Error::NotShipped {
            id: SHIPPED.into(),
            folder: self.bundle.clone(),
        };
        let bundle = self.bundle.as_ref().ok_or_else(missing)?;
        find_in(std::slice::from_ref(bundle), SHIPPED).map_err(|error| match error {
            Error::UnknownModel { .. } => missing(),
            other => other,
        })
    }

    /// True for the model that no id means.
    pub fn ships(&self, model: &Model) -> bool {
        let bundle = self.bundle.as_ref();
        model.id == SHIPPED && bundle.is_some_and(|bundle| model.path.starts_with(bundle))
    }

    /// Every model there is, each checked by `check` ([`Model::look`] or [`Model::verify`]); what is
    /// wrong is listed beside.
    pub fn list(&self, check: &dyn Fn(&Model) -> Result<()>) -> Listing {
        let mut listing = Listing::default();
        for root in &self.roots {
            for (_, model) in models_in(root) {
                match model.and_then(|model| check(&model).map(|()| model)) {
                    Ok(model) => listing.models.push(model),
                    Err(error) => listing.problems.push(error),
                }
            }
        }
        listing
    }
}

/// The model of an id or `id@version` in the first of these folders that has it.
fn find_in(roots: &[PathBuf], wanted: &str) -> Result<Model> {
    let (id, version) = match wanted.split_once('@') {
        Some((id, version)) => (id, Some(version)),
        None => (wanted, None),
    };
    let mut known = Vec::new();
    let mut broken = None;
    for root in roots {
        let mut found = Vec::new();
        for (folder, model) in models_in(root) {
            match model {
                Ok(model)
                    if model.id == id && version.is_none_or(|version| version == model.version) =>
                {
                    found.push(model);
                }
                Ok(model) => known.push(model.full_id()),
                // A broken manifest has no id, but its folder may have the name.
                Err(error) => {
                    if folder.file_name().is_some_and(|name| name == id) {
                        broken = broken.or(Some(error));
                    }
                }
            }
        }
        if found.len() > 1 {
            let versions = found.iter().map(Model::full_id).collect();
            return Err(Error::AmbiguousModel {
                id: id.into(),
                folder: root.clone(),
                versions,
            });
        }
        if let Some(model) = found.pop() {
            return Ok(model);
        }
        // An earlier folder's broken model is not passed over for a later folder's.
        if let Some(error) = broken {
            return Err(error);
        }
    }
    Err(Error::UnknownModel {
        id: wanted.into(),
        known,
        searched: roots.to_owned(),
    })
}

/// `models` in the user's data folder for this program; `None` where there is no home.
pub fn user_folder() -> Option<PathBuf> {
    let folders = directories::ProjectDirs::from("", "", "CorridorKey")?;
    Some(folders.data_dir().join("models"))
}

/// The model folders below `root`, by name; `root` itself may be one. A folder that cannot be read
/// holds none.
fn models_in(root: &Path) -> Vec<(PathBuf, Result<Model>)> {
    let mut folders = vec![root.to_owned()];
    if let Ok(entries) = std::fs::read_dir(root) {
        folders.extend(entries.flatten().map(|entry| entry.path()));
    }
    folders.sort();
    folders
        .into_iter()
        .filter(|folder| folder.join(MANIFEST).is_file())
        .map(|folder| {
            let model = Model::read(&folder.join(MANIFEST));
            (folder, model)
        })
        .collect()
}
