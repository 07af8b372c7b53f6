//! The demonstration: the sample plates through the bundled command, which hosts the bundled
//! plug-in, and a contact sheet of the results.

use crate::files;
use crate::process;
use crate::workspace::{Layout, Workspace};
use crate::{Error, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

const SAMPLES: &str = "resources/samples";
const OUTPUTS: &str = "matte,foreground,processed,composite";
const ADVICE: &str = "The message above says what is wrong; `corridorkey doctor` tells more.";

/// A plate with its hint.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Sample {
    plate: PathBuf,
    hint: PathBuf,
}

/// Keys every sample plate with the bundle at `bundle` into `out`; gives the contact sheet's path.
///
/// # Errors
/// When there are no samples, a plate has no hint, or the command fails.
pub(crate) fn demo(workspace: &Workspace, bundle: &Path, out: &Path) -> Result<PathBuf> {
    let command = Layout::new(bundle).command();
    let folder = workspace.path(SAMPLES);
    files::create_folder(out)?;
    for sample in samples(&folder)? {
        process::run(
            Command::new(&command)
                .args(["key", "--output", OUTPUTS, "--source"])
                .arg(&sample.plate)
                .arg("--hint")
                .arg(&sample.hint)
                .arg("--out")
                .arg(out)
                .arg("--plugin")
                .arg(bundle),
            ADVICE,
        )?;
    }
    let sheet = out.join("contact-sheet.png");
    let mut make_sheet = Command::new(&command);
    make_sheet.arg("sheet").arg("--out").arg(&sheet);
    make_sheet.arg("--samples").arg(&folder).arg(out);
    process::run(&mut make_sheet, ADVICE)?;
    Ok(sheet)
}

/// The `NAME.plate.*` files of a folder, each with its `NAME.hint.*`.
fn samples(folder: &Path) -> Result<Vec<Sample>> {
    let all = files::entries(folder)?;
    let mut samples = Vec::new();
    for plate in &all {
        let Some(name) = name_before(plate, "plate") else {
            continue;
        };
        let hint = all
            .iter()
            .find(|path| name_before(path, "hint") == Some(name));
        let Some(hint) = hint else {
            return Err(Error::Missing {
                what: "the hint of a sample plate",
                path: folder.join(format!("{name}.hint.png")),
                advice: "every plate needs one beside it.",
            });
        };
        samples.push(Sample {
            plate: plate.clone(),
            hint: hint.clone(),
        });
    }
    if samples.is_empty() {
        return Err(Error::Missing {
            what: "any sample plate",
            path: folder.to_owned(),
            advice: "plates are named NAME.plate.png or NAME.plate.exr.",
        });
    }
    Ok(samples)
}

/// `NAME` of a picture called `NAME.kind.png` or `NAME.kind.exr`.
fn name_before<'a>(path: &'a Path, kind: &str) -> Option<&'a str> {
    let stem = path
        .extension()
        .filter(|extension| *extension == "png" || *extension == "exr")
        .and_then(|_| path.file_stem())?;
    stem.to_str()?.strip_suffix(kind)?.strip_suffix('.')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn plates_are_paired_with_their_hints() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in [
            "b.plate.exr",
            "b.hint.png",
            "a.plate.png",
            "a.hint.png",
            "README.md",
        ] {
            std::fs::write(path(name), "").unwrap();
        }
        assert_eq!(
            samples(folder.path()).unwrap(),
            [("a.plate.png", "a.hint.png"), ("b.plate.exr", "b.hint.png")].map(|(plate, hint)| {
                Sample {
                    plate: path(plate),
                    hint: path(hint),
                }
            })
        );
    }

    #[test]
    fn a_plate_without_a_hint_and_an_empty_folder_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let empty = samples(folder.path()).unwrap_err().to_string();
        assert!(empty.contains("NAME.plate.png"), "{empty}");
        std::fs::write(folder.path().join("a.plate.png"), "").unwrap();
        let alone = samples(folder.path()).unwrap_err().to_string();
        assert!(alone.contains("a.hint.png"), "{alone}");
    }
}
