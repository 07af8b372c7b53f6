//! The command line of the `bundle` program.
#![allow(clippy::print_stdout, reason = "this module talks to the terminal")]

use crate::assemble::{self, Options};
use crate::build::{Linking, Profile};
use crate::check::{self, Rules, Summary, megabytes};
use crate::runtime::Flavour;
use crate::workspace::Workspace;
use crate::{Error, Result, demo, install, notices};
use std::path::{Path, PathBuf};

/// What the program understands.
pub const USAGE: &str = "\
usage: cargo run -p bundle -- COMMAND

  assemble [--out DIR] [--profile release|dev] [--native] [--cuda]
                     build CorridorKey.ofx.bundle (into target/bundle); --native links against
                     this machine's C library instead of glibc 2.28; --cuda packs the ONNX Runtime
                     that also runs on NVIDIA's GPUs (330 MB more; CUDA 13 and cuDNN 9 are not in it)
  check BUNDLE [--native]
                     hold a bundle to the rules for shipping
  install [--to DIR] [--native] [--cuda]
                     assemble, and put the bundle where OpenFX hosts look
  demo [--out DIR] [--native]
                     assemble, and key the sample plates with it (into out)
  notices [--check]  write THIRD-PARTY-NOTICES.md, or tell whether it is up to date
  runtime            fetch ONNX Runtime and print where it is";

/// Runs the program with these arguments (its own name not among them).
///
/// # Errors
/// [`Error::Usage`] for arguments that are not understood; otherwise whatever went wrong.
pub fn run(arguments: &[String]) -> Result<()> {
    let Some((command, rest)) = arguments.split_first() else {
        return Err(Error::Usage("No command was given.".to_owned()));
    };
    let workspace = Workspace::here();
    match command.as_str() {
        "assemble" => {
            let given =
                Arguments::parse(rest, &["--out", "--profile"], &["--native", "--cuda"], 0)?;
            let mut options = options(&workspace, &given)?;
            options.out = given.folder("--out").unwrap_or(options.out);
            report(&assemble::assemble(&workspace, &options)?);
            Ok(())
        }
        "check" => {
            let given = Arguments::parse(rest, &[], &["--native"], 1)?;
            let bundle = given
                .positional
                .first()
                .ok_or_else(|| Error::Usage("`check` needs the path of a bundle.".to_owned()))?;
            let rules = Rules {
                linking: given.linking(),
                ..Rules::SHIPPED
            };
            let bundle = check::find(Path::new(bundle));
            let summary = check::check(&bundle, rules)?;
            report(&(bundle, summary));
            Ok(())
        }
        "install" => {
            let given = Arguments::parse(rest, &["--to"], &["--native", "--cuda"], 0)?;
            let options = options(&workspace, &given)?;
            let (bundle, _) = assemble::assemble(&workspace, &options)?;
            let to = given.folder("--to");
            let installed = install::install(&bundle, to.as_deref())?;
            println!("Installed {}.", installed.display());
            Ok(())
        }
        "demo" => {
            let given = Arguments::parse(rest, &["--out"], &["--native"], 0)?;
            let options = options(&workspace, &given)?;
            let made = assemble::assemble(&workspace, &options)?;
            report(&made);
            let out = given
                .folder("--out")
                .unwrap_or_else(|| workspace.path("out"));
            let sheet = demo::demo(&workspace, &made.0, &out)?;
            println!("Look at {}.", sheet.display());
            Ok(())
        }
        "notices" => {
            let given = Arguments::parse(rest, &[], &["--check"], 0)?;
            let path = if given.flag("--check") {
                notices::check(&workspace)?
            } else {
                notices::write(&workspace)?
            };
            println!("{} is up to date.", path.display());
            Ok(())
        }
        "runtime" => {
            Arguments::parse(rest, &[], &[], 0)?;
            println!("{}", crate::runtime::onnx_runtime()?.display());
            Ok(())
        }
        "help" | "--help" | "-h" => {
            println!("{USAGE}");
            Ok(())
        }
        other => Err(Error::Usage(format!("There is no command `{other}`."))),
    }
}

fn report((bundle, summary): &(PathBuf, Summary)) {
    println!(
        "{}: {} MB in {} files, models: {}, {}.",
        bundle.display(),
        megabytes(summary.bytes),
        summary.files,
        summary.models.join(", "),
        if summary.glibc.is_empty() {
            "linked against this machine's C library".to_owned()
        } else {
            format!("needs glibc {}", summary.glibc)
        }
    );
}

fn options(workspace: &Workspace, given: &Arguments) -> Result<Options> {
    let mut options = Options::shipped(workspace);
    options.linking = given.linking();
    if given.flag("--cuda") {
        options.flavour = Flavour::Cuda;
    }
    options.profile = match given.value("--profile") {
        None | Some("release") => Profile::Release,
        Some("dev") => Profile::Dev,
        Some(other) => {
            return Err(Error::Usage(format!(
                "`--profile` takes release or dev, not `{other}`."
            )));
        }
    };
    Ok(options)
}

/// Arguments after the command, sorted into kinds.
#[derive(Debug, Default)]
struct Arguments {
    values: Vec<(String, String)>,
    flags: Vec<String>,
    positional: Vec<String>,
}

impl Arguments {
    fn parse(
        arguments: &[String],
        with_value: &[&str],
        without_value: &[&str],
        positional: usize,
    ) -> Result<Self> {
        let mut given = Self::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let name = argument.as_str();
            if with_value.contains(&name) {
                let value = rest
                    .next()
                    .ok_or_else(|| Error::Usage(format!("`{name}` needs a value.")))?;
                given.values.push((name.to_owned(), value.clone()));
            } else if without_value.contains(&name) {
                given.flags.push(name.to_owned());
            } else if !name.starts_with('-') && given.positional.len() < positional {
                given.positional.push(name.to_owned());
            } else {
                return Err(Error::Usage(format!("`{name}` is not understood here.")));
            }
        }
        Ok(given)
    }

    fn value(&self, name: &str) -> Option<&str> {
        let mut values = self.values.iter().rev();
        values.find(|(key, _)| key == name).map(|(_, v)| v.as_str())
    }

    /// A folder named by an option, as an absolute path.
    fn folder(&self, name: &str) -> Option<PathBuf> {
        let value = self.value(name)?;
        Some(std::path::absolute(value).unwrap_or_else(|_| value.into()))
    }

    fn flag(&self, name: &str) -> bool {
        self.flags.iter().any(|flag| flag == name)
    }

    fn linking(&self) -> Linking {
        if self.flag("--native") {
            Linking::Native
        } else {
            Linking::Studio
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn refused(words: &[&str]) -> String {
        let arguments: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let error = run(&arguments).unwrap_err();
        assert_eq!(error.code(), "bundle.usage");
        error.to_string()
    }

    #[test]
    fn what_is_not_understood_is_named_and_the_usage_follows() {
        for (words, named) in [
            (vec![], "No command"),
            (vec!["assembel"], "`assembel`"),
            (vec!["assemble", "--profile", "fast"], "`fast`"),
            (vec!["assemble", "--out"], "`--out` needs a value"),
            (vec!["check"], "path of a bundle"),
            (vec!["check", "a", "b"], "`b`"),
            (vec!["runtime", "--native"], "`--native`"),
        ] {
            let message = refused(&words);
            assert!(message.contains(named), "{words:?}: {message}");
            assert!(message.ends_with(USAGE), "{words:?}: {message}");
        }
    }

    #[test]
    fn a_bundle_that_is_not_there_is_refused_with_the_command_to_make_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nothing").display().to_string();
        let error = run(&["check".to_owned(), path]).unwrap_err().to_string();
        assert!(error.contains("assemble"), "{error}");
    }
}
