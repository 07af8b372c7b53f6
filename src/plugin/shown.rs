//! The buttons that show something outside the host: the folder of the log, and the help.

use std::path::{Path, PathBuf};

use super::logging;
use crate::error::{Error, Result};

/// Shows the folder that the log is in, which is made first where there has been no log yet.
///
/// # Errors
/// When the account has no such folder, or nothing can show it; the message names the folder.
pub(super) fn log_folder() -> Result<()> {
    let file = logging::path();
    let folder = file.as_deref().and_then(Path::parent).ok_or_else(|| {
        Error::Plugin("this account has no folder for logs, so that there is none to open".into())
    })?;
    let made = std::fs::create_dir_all(folder);
    made.and_then(|()| ofx::show(folder))
        .map_err(|reason| Error::Show {
            path: folder.into(),
            reason: format!("{reason}; the log, if anything was written, is in that folder"),
        })
}

/// Shows the help page of this bundle.
///
/// # Errors
/// When the bundle has none, or nothing can show it; the message names the file.
pub(super) fn help() -> Result<()> {
    let page = help_page().map_err(|reason| {
        Error::Plugin(format!(
            "the plug-in cannot find its own bundle ({reason}); the help is in the bundle's Resources/help"
        ))
    })?;
    ofx::show(&page).map_err(|reason| Error::Show {
        path: page,
        reason: format!("{reason}; open that file in a browser"),
    })
}

/// The page, beside the folder of the binary.
fn help_page() -> std::io::Result<PathBuf> {
    let binary = ofx::module_path()?;
    let contents = binary.parent().and_then(Path::parent);
    let contents = contents.ok_or_else(|| std::io::Error::other("it lies in no bundle"))?;
    Ok(contents.join("Resources/help/index.html"))
}
