//! `THIRD-PARTY-NOTICES.md`: the licences of every package that is linked into what is shipped.
//!
//! The file is a function of `Cargo.lock` alone, so that a change of dependencies shows as a file
//! that is out of date, and not as a licence that was forgotten.

use crate::files;
use crate::process::{self, CARGO_ADVICE};
use crate::workspace::Workspace;
use crate::{Error, Result};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Where the notices are in the source tree.
const FILE: &str = "THIRD-PARTY-NOTICES.md";
/// The package whose dependencies are shipped.
const ROOT: &str = "corridorkey";
const HEAD: &str = include_str!("../notices/head.md");

/// The licences to choose from a choice, the shortest texts first.
const PREFERRED: [&str; 7] = [
    "MIT",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "BSL-1.0",
    "Apache-2.0",
];

/// Licences that a package may have besides; any other is for a person to read first.
const ACCEPTED: [&str; 2] = ["Unicode-3.0", "MPL-2.0"];

/// Texts for packages that come without one.
const STANDARD: [(&str, &str); 2] = [
    ("MIT", include_str!("../notices/MIT.txt")),
    ("BSD-3-Clause", include_str!("../notices/BSD-3-Clause.txt")),
];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
    workspace_members: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Deserialize)]
struct DependencyKind {
    /// `None` for what is linked in; "dev" and "build" otherwise.
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    repository: Option<String>,
    authors: Vec<String>,
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
}

/// Writes the notices; gives their path.
///
/// # Errors
/// When a package's licence is not one of those accepted, or its text cannot be found.
pub(crate) fn write(workspace: &Workspace) -> Result<PathBuf> {
    let path = workspace.path(FILE);
    files::write(&path, generate(workspace)?.as_bytes())?;
    Ok(path)
}

/// Checks that the notices are those of the present `Cargo.lock`; gives their path.
///
/// # Errors
/// When they are not, and as [`write`].
pub(crate) fn check(workspace: &Workspace) -> Result<PathBuf> {
    let path = workspace.path(FILE);
    if std::fs::read_to_string(&path)
        .is_ok_and(|old| generate(workspace).is_ok_and(|new| new == old))
    {
        return Ok(path);
    }
    generate(workspace)?;
    Err(Error::Invalid {
        path,
        reason: "it is not the list of the packages in Cargo.lock. Write it anew with \
                 `cargo run -p bundle -- notices`"
            .to_owned(),
    })
}

fn generate(workspace: &Workspace) -> Result<String> {
    let mut cargo = process::cargo();
    cargo
        .current_dir(workspace.root())
        .args(["metadata", "--format-version", "1", "--locked"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"]);
    let json = process::capture(&mut cargo, CARGO_ADVICE)?;
    let metadata: Metadata = serde_json::from_slice(&json).map_err(|error| Error::Invalid {
        path: workspace.path("Cargo.toml"),
        reason: format!("cargo's description of it cannot be read: {error}"),
    })?;
    let mut text = HEAD.to_owned();
    let mut texts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    text.push_str("\n## Packages\n\n");
    for package in linked(&metadata) {
        let name = format!("{} {}", package.name, package.version);
        let licences = chosen(package)?;
        let address = package.repository.as_deref().unwrap_or("");
        // Writing to a String cannot fail.
        let _ = writeln!(text, "- {name}: {} {address}", licences.join(" and "));
        for licence in texts_of(package, &licences)? {
            texts.entry(licence).or_default().insert(name.clone());
        }
    }
    let standard = STANDARD[0]
        .1
        .replace("@HOLDER@", "The Rust Project contributors");
    texts
        .entry(tidy(&standard))
        .or_default()
        .insert("the Rust standard library".to_owned());
    text.push_str("\n## Texts\n");
    let mut sorted: Vec<(String, String)> = texts
        .into_iter()
        .map(|(licence, names)| (names.into_iter().collect::<Vec<_>>().join(", "), licence))
        .collect();
    sorted.sort();
    for (names, licence) in sorted {
        let _ = write!(text, "\n### {names}\n\n````text\n{licence}````\n");
    }
    Ok(text)
}

/// The packages that are linked into the plug-in or the command, sorted by name and version.
fn linked(metadata: &Metadata) -> Vec<&Package> {
    let packages: BTreeMap<&str, &Package> = metadata
        .packages
        .iter()
        .map(|package| (package.id.as_str(), package))
        .collect();
    let nodes: BTreeMap<&str, &Node> = metadata
        .resolve
        .nodes
        .iter()
        .map(|node| (node.id.as_str(), node))
        .collect();
    let mut seen = BTreeSet::new();
    let mut waiting: Vec<&str> = metadata
        .packages
        .iter()
        .filter(|package| package.name == ROOT)
        .map(|package| package.id.as_str())
        .collect();
    while let Some(id) = waiting.pop() {
        // A procedural macro runs in the compiler; it and what it uses are not shipped.
        let runs_in_compiler = packages.get(id).is_some_and(|package| {
            package
                .targets
                .iter()
                .any(|target| target.kind.iter().any(|kind| kind == "proc-macro"))
        });
        if runs_in_compiler || !seen.insert(id) {
            continue;
        }
        let dependencies = nodes.get(id).map_or(&[][..], |node| &node.deps);
        waiting.extend(
            dependencies
                .iter()
                .filter(|dependency| dependency.dep_kinds.iter().any(|kind| kind.kind.is_none()))
                .map(|dependency| dependency.pkg.as_str()),
        );
    }
    let mut linked: Vec<&Package> = seen
        .into_iter()
        .filter(|id| !metadata.workspace_members.contains(*id))
        .filter_map(|id| packages.get(id).copied())
        .collect();
    linked.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    linked
}

/// The licences that a package is used under, from its SPDX expression.
fn chosen(package: &Package) -> Result<Vec<String>> {
    let expression = package.license.as_deref().unwrap_or("");
    choose(expression).ok_or_else(|| Error::Invalid {
        path: package.manifest_path.clone(),
        reason: format!(
            "its licence, `{expression}`, is not one that this project accepts unread; see \
             bundle/src/notices.rs"
        ),
    })
}

/// Picks one licence of every choice; all of what is joined by AND.
fn choose(expression: &str) -> Option<Vec<String>> {
    let mut licences = Vec::new();
    for part in expression.split(" AND ") {
        let part = part.trim().trim_start_matches('(').trim_end_matches(')');
        let choices: Vec<&str> = part
            .split(" OR ")
            .flat_map(|choice| choice.split('/'))
            .map(str::trim)
            .collect();
        let preferred = PREFERRED.iter().find(|name| choices.contains(*name));
        let licence = match preferred {
            Some(name) => *name,
            None => *choices.iter().find(|name| ACCEPTED.contains(*name))?,
        };
        licences.push(licence.to_owned());
    }
    Some(licences)
}

/// The texts to reproduce for a package: its licences', and its notices of copyright.
fn texts_of(package: &Package, licences: &[String]) -> Result<Vec<String>> {
    let folder = package.manifest_path.parent().unwrap_or(Path::new("."));
    let names: Vec<String> = files::entries(folder)?
        .iter()
        .filter(|path| path.is_file())
        .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
        .collect();
    let mut texts = Vec::new();
    for licence in licences {
        let text = match licence_file(&names, licence) {
            Some(name) => files::read_text(&folder.join(name))?,
            None => standard_text(package, licence)?,
        };
        texts.push(tidy(&text));
    }
    for name in names {
        let upper = name.to_uppercase();
        if upper.starts_with("NOTICE") || upper.starts_with("COPYRIGHT") {
            texts.push(tidy(&files::read_text(&folder.join(name))?));
        }
    }
    Ok(texts)
}

/// The file among `names` that holds the text of `licence`: one named for it, or else one that is
/// named for no licence in particular.
fn licence_file<'a>(names: &'a [String], licence: &str) -> Option<&'a str> {
    const MARKS: [&str; 6] = ["MIT", "APACHE", "BSD", "ZLIB", "UNICODE", "0BSD"];
    let wanted = licence.split('-').next().unwrap_or(licence).to_uppercase();
    let is_licence = |upper: &str| {
        ["LICENSE", "LICENCE", "COPYING"]
            .iter()
            .any(|start| upper.starts_with(start))
    };
    let mut general = None;
    for name in names {
        let upper = name.to_uppercase();
        if !is_licence(&upper) {
            continue;
        }
        if upper.contains(&wanted) && !upper.contains("0BSD") {
            return Some(name);
        }
        if !MARKS.iter().any(|mark| upper.contains(mark)) {
            general = general.or(Some(name.as_str()));
        }
    }
    general
}

fn standard_text(package: &Package, licence: &str) -> Result<String> {
    let standard = STANDARD.iter().find(|(name, _)| *name == licence);
    let Some((_, text)) = standard else {
        return Err(Error::Invalid {
            path: package.manifest_path.clone(),
            reason: format!("the package comes without the text of its licence, {licence}"),
        });
    };
    let holder = if package.authors.is_empty() {
        format!("the authors of {}", package.name)
    } else {
        package.authors.join(", ")
    };
    Ok(text.replace("@HOLDER@", &holder))
}

/// The same text from the same words: no carriage returns, no spaces at line ends, one last newline.
fn tidy(text: &str) -> String {
    let lines: Vec<&str> = text
        .trim_start_matches('\u{feff}')
        .trim_matches(['\n', '\r'])
        .lines()
        .map(str::trim_end)
        .collect();
    let mut text = lines.join("\n").trim_end().to_owned();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn one_licence_of_every_choice_and_all_that_are_joined() {
        let choice = |text| choose(text).map(|names| names.join("+"));
        assert_eq!(choice("Apache-2.0/MIT").unwrap(), "MIT");
        assert_eq!(choice("Zlib OR Apache-2.0 OR MIT").unwrap(), "MIT");
        assert_eq!(
            choice("(MIT OR Apache-2.0) AND Unicode-3.0").unwrap(),
            "MIT+Unicode-3.0"
        );
        assert_eq!(choice("MPL-2.0").unwrap(), "MPL-2.0");
        assert_eq!(choice("GPL-3.0-only"), None);
        assert_eq!(choice(""), None);
        assert_eq!(choice("MIT AND GPL-3.0-only"), None);
    }

    #[test]
    fn the_licence_file_is_the_one_named_for_it_or_for_none() {
        let names =
            |list: &[&str]| -> Vec<String> { list.iter().map(|name| (*name).to_owned()).collect() };
        let both = names(&["LICENSE-APACHE", "LICENSE-MIT", "README.md"]);
        assert_eq!(licence_file(&both, "MIT"), Some("LICENSE-MIT"));
        let one = names(&["LICENCE", "README.md"]);
        assert_eq!(licence_file(&one, "MIT"), Some("LICENCE"));
        let other = names(&["LICENSE-APACHE"]);
        assert_eq!(licence_file(&other, "MIT"), None);
    }

    #[test]
    fn what_only_the_compiler_runs_and_the_project_itself_are_left_out() {
        let json = r#"{
          "workspace_members": ["root"],
          "packages": [
            {"id":"root","name":"corridorkey","version":"1","license":null,"repository":null,
             "authors":[],"manifest_path":"/r/Cargo.toml","targets":[{"kind":["lib"]}]},
            {"id":"used","name":"used","version":"1","license":"MIT","repository":null,
             "authors":[],"manifest_path":"/u/Cargo.toml","targets":[{"kind":["lib"]}]},
            {"id":"macro","name":"macro","version":"1","license":"MIT","repository":null,
             "authors":[],"manifest_path":"/m/Cargo.toml","targets":[{"kind":["proc-macro"]}]},
            {"id":"tested","name":"tested","version":"1","license":"MIT","repository":null,
             "authors":[],"manifest_path":"/t/Cargo.toml","targets":[{"kind":["lib"]}]}],
          "resolve": {"nodes": [
            {"id":"root","deps":[
              {"pkg":"used","dep_kinds":[{"kind":null}]},
              {"pkg":"macro","dep_kinds":[{"kind":null}]},
              {"pkg":"tested","dep_kinds":[{"kind":"dev"}]}]},
            {"id":"used","deps":[]},
            {"id":"macro","deps":[{"pkg":"tested","dep_kinds":[{"kind":null}]}]},
            {"id":"tested","deps":[]}]}}"#;
        let metadata: Metadata = serde_json::from_str(json).unwrap();
        let names: Vec<&str> = linked(&metadata)
            .iter()
            .map(|package| package.name.as_str())
            .collect();
        assert_eq!(names, ["used"]);
    }
}
