//! Putting a finished bundle where OpenFX hosts look for plug-ins.

use crate::files::{self, Staging};
use crate::workspace::BUNDLE_NAME;
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// Where every OpenFX host on Linux looks.
const STANDARD_FOLDER: &str = "/usr/OFX/Plugins";
/// The variable that names further folders, separated by colons.
const PATH_VARIABLE: &str = "OFX_PLUGIN_PATH";

/// Copies the bundle into `to`, or else into the first writable folder of `OFX_PLUGIN_PATH`, or
/// else into `/usr/OFX/Plugins`. Gives the installed bundle's path.
///
/// # Errors
/// [`Error::NotInstalled`] when none of the folders can be written, with what to do instead.
pub fn install(bundle: &Path, to: Option<&Path>) -> Result<PathBuf> {
    let named = std::env::var_os(PATH_VARIABLE).unwrap_or_default();
    let named: Vec<PathBuf> = std::env::split_paths(&named)
        .filter(|folder| folder.is_absolute())
        .collect();
    install_into(bundle, &candidates(to, &named, Path::new(STANDARD_FOLDER)))
}

/// The folders to try, in order.
fn candidates(to: Option<&Path>, named: &[PathBuf], standard: &Path) -> Vec<PathBuf> {
    match to {
        Some(folder) => vec![folder.to_owned()],
        None => named.iter().cloned().chain([standard.to_owned()]).collect(),
    }
}

fn install_into(bundle: &Path, folders: &[PathBuf]) -> Result<PathBuf> {
    let mut reasons = Vec::new();
    for folder in folders {
        let destination = folder.join(BUNDLE_NAME);
        // A staging folder can be made exactly where the bundle can be put.
        let staging = match Staging::beside(&destination) {
            Ok(staging) => staging,
            Err(error) => {
                reasons.push(error.to_string());
                continue;
            }
        };
        files::remove_tree(staging.folder())?;
        files::copy_tree(bundle, staging.folder())?;
        return staging.finish();
    }
    Err(Error::NotInstalled(format!(
        "No plug-in folder can be written: {}. Either copy it as an administrator:\n  \
         sudo mkdir -p {STANDARD_FOLDER} && sudo cp -r {} {STANDARD_FOLDER}/\n\
         or install it into a folder of your own and tell the hosts about it:\n  \
         cargo run -p bundle -- install --to ~/OFX/Plugins\n  \
         export {PATH_VARIABLE}=~/OFX/Plugins",
        reasons.join("; "),
        bundle.display()
    )))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::fs;

    fn bundle(folder: &Path, text: &str) -> PathBuf {
        let bundle = folder.join("made").join(BUNDLE_NAME);
        fs::create_dir_all(bundle.join("Contents")).unwrap();
        fs::write(bundle.join("Contents/file"), text).unwrap();
        bundle
    }

    #[test]
    fn the_first_folder_that_can_be_written_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let bundle = bundle(folder.path(), "new");
        // A file stands where the first folder would have to be made: not even root can write there.
        let blocked = folder.path().join("blocked");
        fs::write(&blocked, "").unwrap();
        let free = folder.path().join("free/deep");
        let named = [blocked.join("sub"), free.clone()];
        let folders = candidates(None, &named, &folder.path().join("standard"));
        let installed = install_into(&bundle, &folders).unwrap();
        assert_eq!(installed, free.join(BUNDLE_NAME));
        assert_eq!(
            fs::read_to_string(installed.join("Contents/file")).unwrap(),
            "new"
        );
        assert!(!folder.path().join("standard").exists());
    }

    #[test]
    fn an_older_bundle_is_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let bundle = bundle(folder.path(), "new");
        let plugins = folder.path().join("plugins");
        let old = plugins.join(BUNDLE_NAME).join("Contents/left-over");
        fs::create_dir_all(old.parent().unwrap()).unwrap();
        fs::write(&old, "").unwrap();
        let folders = candidates(Some(&plugins), &[folder.path().to_owned()], Path::new("/"));
        install_into(&bundle, &folders).unwrap();
        assert!(!old.exists());
        assert_eq!(files::entries(&plugins).unwrap().len(), 1);
    }

    #[test]
    fn where_nothing_can_be_written_the_error_says_what_to_type() {
        let folder = tempfile::tempdir().unwrap();
        let bundle = bundle(folder.path(), "new");
        let blocked = folder.path().join("blocked");
        fs::write(&blocked, "").unwrap();
        let error = install_into(&bundle, &[blocked.join("sub")])
            .unwrap_err()
            .to_string();
        assert!(error.contains("sudo"), "{error}");
        assert!(error.contains("OFX_PLUGIN_PATH"), "{error}");
        assert!(error.contains(&*blocked.to_string_lossy()), "{error}");
    }
}
