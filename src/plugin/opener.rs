//! Showing a file or folder to the artist with the platform's own program, without waiting for it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ofx::Effect;

use super::logging;
use crate::error::{Error, Result};

/// The program that opens whatever it is given.
const OPENER: &str = if cfg!(target_os = "macos") {
    "open"
} else if cfg!(windows) {
    "explorer"
} else {
    "xdg-open"
};

/// So long is waited for a program that fails at once: a host's panel must not stand still.
const PATIENCE: Duration = Duration::from_millis(200);

/// Opens the folder of the log.
///
/// # Errors
/// As [`open`].
pub(super) fn open_log_folder(effect: Effect<'_>) -> Result<()> {
    let file = logging::path().ok_or_else(|| Error::Open {
        path: PathBuf::from("corridorkey.log"),
        reason: "this account has no folder for logs; the log is not written".into(),
    })?;
    let folder = file.parent().unwrap_or(&file);
    // Nothing was worth a line yet: an empty folder says so better than an error.
    if let Err(error) = std::fs::create_dir_all(folder) {
        return Err(Error::Open {
            path: folder.to_owned(),
            reason: format!("the folder cannot be made: {error}"),
        });
    }
    open(effect, folder)
}

/// Opens the help in the bundle.
///
/// # Errors
/// As [`open`], and when the bundle is incomplete.
pub(super) fn open_help(effect: Effect<'_>) -> Result<()> {
    let page = crate::network::module_path()
        .and_then(help_beside)
        .unwrap_or_else(|| PathBuf::from("Contents/Resources/help/index.html"));
    if !page.is_file() {
        return Err(Error::Open {
            path: page,
            reason: "the help is not in the bundle; install the plug-in again".into(),
        });
    }
    open(effect, &page)
}

/// The help of the bundle that a binary is in: `Contents/<architecture>/<binary>`.
fn help_beside(binary: &Path) -> Option<PathBuf> {
    let contents = binary.parent()?.parent()?;
    Some(contents.join("Resources").join("help").join("index.html"))
}

/// Opens a file or folder.
///
/// # Errors
/// [`Error::Open`] with the path, so that it can be opened by hand, when there is no screen, no
/// program for it, or one that fails at once.
fn open(effect: Effect<'_>, path: &Path) -> Result<()> {
    if effect.host().is_background {
        return Err(Error::Open {
            path: path.to_owned(),
            reason: "this host runs without a screen; open it by hand".into(),
        });
    }
    with(OPENER, path)
}

fn with(program: &str, path: &Path) -> Result<()> {
    let failed = |reason: String| Error::Open {
        path: path.to_owned(),
        reason: format!("{program} {reason}; open it by hand"),
    };
    let mut child = Command::new(program)
        .arg(path)
        // Hosts bring libraries of their own, which other programs must not be given.
        .env_remove("LD_LIBRARY_PATH")
        .env_remove("LD_PRELOAD")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| failed(format!("cannot be started ({error})")))?;
    let step = PATIENCE / 20;
    for _ in 0..20 {
        match child.try_wait() {
            // The file manager of Windows says 1 whatever happens.
            Ok(Some(status)) if status.success() || cfg!(windows) => return Ok(()),
            Ok(Some(status)) => return Err(failed(format!("failed ({status})"))),
            Ok(None) => std::thread::sleep(step),
            Err(error) => return Err(failed(format!("cannot be asked ({error})"))),
        }
    }
    reap(child);
    Ok(())
}

/// Waits for a program that stays open, so that it leaves no zombie, on a thread that nobody waits
/// for.
fn reap(mut child: Child) {
    let wait = move || {
        if let Err(error) = child.wait() {
            log::debug!("a viewer cannot be waited for: {error}");
        }
    };
    if let Err(error) = std::thread::Builder::new().spawn(wait) {
        log::debug!("nobody waits for a viewer: {error}");
    }
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_program_that_works_is_not_waited_for_and_one_that_fails_is_told_of() {
        let path = Path::new("/a folder");
        with("true", path).unwrap();
        for program in ["false", "/nowhere/at/all"] {
            let error = with(program, path).unwrap_err();
            assert_eq!(error.code(), "open");
            let text = error.to_string();
            assert!(
                text.contains("/a folder") && text.contains(program),
                "{text}"
            );
        }
    }

    #[test]
    fn the_help_is_looked_for_in_the_bundle() {
        let binary = Path::new("/x/CorridorKey.ofx.bundle/Contents/Linux-x86-64/CorridorKey.ofx");
        assert_eq!(
            help_beside(binary).unwrap(),
            Path::new("/x/CorridorKey.ofx.bundle/Contents/Resources/help/index.html")
        );
    }
}
