//! The rules that a bundle must obey to load on a studio's machine, each fault told in a sentence.

use crate::build::Linking;
use crate::elf::{Binary, Undefined};
use crate::files;
use crate::manifest::{MANIFEST, Manifest};
use crate::runtime::{self, Flavour};
use crate::workspace::{ARCHITECTURE, Layout, PLUGIN_IDENTIFIER, PLUGIN_NAME, SIZE_LIMIT, VERSION};
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// The entry points that OpenFX hosts look for, sorted; nothing else may be exported, since symbols
/// of plug-ins in one process can get in each other's way.
const ENTRY_POINTS: [&str; 3] = ["OfxGetNumberOfPlugins", "OfxGetPlugin", "OfxSetHost"];

/// Libraries that every glibc system has.
const SYSTEM_LIBRARIES: [&str; 7] = [
    "libc.so.6",
    "libm.so.6",
    "libdl.so.2",
    "librt.so.1",
    "libpthread.so.0",
    "libgcc_s.so.1",
    "ld-linux-x86-64.so.2",
];

/// ONNX Runtime is C++; its standard library is on every machine that runs a compositing host.
const CXX_LIBRARY: &str = "libstdc++.so.6";

/// What a program calls to speak to others over a network. The plug-in calls none of it, so that a
/// host may be sure that its pictures stay where they are.
const NETWORK: [&str; 9] = [
    "accept",
    "accept4",
    "bind",
    "connect",
    "getaddrinfo",
    "recvfrom",
    "sendto",
    "socket",
    "socketpair",
];

/// The newest symbol versions of the oldest system to run on: glibc 2.28 and GCC 8.
const CEILINGS: [(&str, &[u32]); 4] = [
    ("GLIBC", &[2, 28]),
    ("GLIBCXX", &[3, 4, 25]),
    ("CXXABI", &[1, 3, 11]),
    ("GCC", &[8, 0, 0]),
];

/// What to hold a bundle to.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// `Studio` forbids symbols newer than glibc 2.28; `Native` leaves versions alone.
    pub linking: Linking,
    /// Whether the command has to be in it.
    pub command: bool,
    /// Whether it has to stay below [`SIZE_LIMIT`]; binaries built for tests carry symbols.
    pub size: bool,
}

impl Rules {
    /// What a bundle that is given to others must obey.
    pub const SHIPPED: Self = Self {
        linking: Linking::Studio,
        command: true,
        size: true,
    };
}

/// What was found right, for a line on the terminal.
#[derive(Debug, Clone)]
pub struct Summary {
    /// All files together, in bytes.
    pub bytes: u64,
    /// The number of files.
    pub files: usize,
    /// The ids of the models inside.
    pub models: Vec<String>,
    /// The newest glibc version that any of the binaries asks for, e.g. `2.28`.
    pub glibc: String,
}

/// Checks the bundle at `bundle` against `rules`.
///
/// # Errors
/// [`Error::Unfit`] lists every rule that it breaks.
pub fn check(bundle: &Path, rules: Rules) -> Result<Summary> {
    let mut inspection = Inspection {
        layout: Layout::new(bundle),
        rules,
        findings: Vec::new(),
        models: Vec::new(),
        glibc: Vec::new(),
    };
    if !bundle.is_dir() {
        return Err(Error::Unfit {
            bundle: bundle.to_owned(),
            findings: vec![
                "There is no such folder. Assemble it with `cargo run -p bundle -- assemble`."
                    .to_owned(),
            ],
        });
    }
    inspection.info();
    inspection.plugin();
    inspection.runtime();
    if rules.command || inspection.layout.command().exists() {
        inspection.command();
    }
    inspection.resources();
    let (bytes, count) = inspection.all_files();
    if !inspection.findings.is_empty() {
        return Err(Error::Unfit {
            bundle: bundle.to_owned(),
            findings: inspection.findings,
        });
    }
    Ok(Summary {
        bytes,
        files: count,
        models: inspection.models,
        glibc: dotted(&inspection.glibc),
    })
}

struct Inspection {
    layout: Layout,
    rules: Rules,
    findings: Vec<String>,
    models: Vec<String>,
    glibc: Vec<u32>,
}

impl Inspection {
    fn fault(&mut self, sentence: String) {
        self.findings.push(sentence);
    }

    /// Takes a value, or notes why there is none.
    fn take<T>(&mut self, result: Result<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.fault(format!("{error}."));
                None
            }
        }
    }

    fn info(&mut self) {
        let path = self.layout.info();
        let dictionary = match plist::Value::from_file(&path) {
            Ok(plist::Value::Dictionary(dictionary)) => dictionary,
            Ok(_) => return self.fault("Info.plist does not hold a dictionary.".to_owned()),
            Err(error) => return self.fault(format!("Info.plist cannot be read: {error}.")),
        };
        for (key, expected) in [
            ("CFBundleExecutable", PLUGIN_NAME),
            ("CFBundleIdentifier", PLUGIN_IDENTIFIER),
            ("CFBundlePackageType", "BNDL"),
            ("CFBundleVersion", VERSION),
        ] {
            let found = dictionary.get(key).and_then(plist::Value::as_string);
            if found != Some(expected) {
                let found = found.unwrap_or("nothing");
                self.fault(format!(
                    "Info.plist says {found} for {key}, it should say {expected}."
                ));
            }
        }
    }

    fn plugin(&mut self) {
        let path = self.layout.plugin();
        let Some(binary) = self.binary(PLUGIN_NAME, &path, &SYSTEM_LIBRARIES) else {
            return;
        };
        if binary.exports != ENTRY_POINTS {
            let missing = difference(&ENTRY_POINTS, &binary.exports);
            let extra = difference(&binary.exports, &ENTRY_POINTS);
            if !missing.is_empty() {
                self.fault(format!(
                    "{PLUGIN_NAME} does not export {missing}: no host can load it."
                ));
            }
            if !extra.is_empty() {
                self.fault(format!(
                    "{PLUGIN_NAME} exports {extra} besides OpenFX's entry points."
                ));
            }
        }
        let network: Vec<&str> = binary
            .undefined
            .iter()
            .map(|symbol| symbol.name.as_str())
            .filter(|name| NETWORK.contains(name))
            .collect();
        if !network.is_empty() {
            self.fault(format!(
                "{PLUGIN_NAME} can use the network (it calls {}); only the command may.",
                network.join(", ")
            ));
        }
        if !binary.no_delete {
            self.fault(format!(
                "{PLUGIN_NAME} is not marked NODELETE: a host that unloads it crashes when ONNX \
                 Runtime's threads end. Link it with -z nodelete."
            ));
        }
        if !binary.position_independent || binary.interpreter {
            self.fault(format!("{PLUGIN_NAME} is not a shared library."));
        }
    }

    fn command(&mut self) {
        let name = crate::workspace::COMMAND_NAME;
        let path = self.layout.command();
        let Some(binary) = self.binary(name, &path, &SYSTEM_LIBRARIES) else {
            return;
        };
        if !binary.interpreter {
            self.fault(format!("{name} is not a program."));
        }
        self.executable(name, &path);
    }

    fn runtime(&mut self) {
        let name = runtime::LIBRARY_NAME;
        let path = self.layout.runtime();
        let mut libraries = SYSTEM_LIBRARIES.to_vec();
        libraries.push(CXX_LIBRARY);
        if self.binary(name, &path, &libraries).is_none() {
            return;
        }
        // The parts for GPUs need libraries that come with a driver or with CUDA: their own sums are
        // all that is looked at.
        let flavour = match self.layout.binaries().join(runtime::CUDA_PART).exists() {
            true => Flavour::Cuda,
            false => Flavour::Cpu,
        };
        for (name, sha256) in flavour.libraries() {
            if let Some(found) = self.take(files::sha256(&self.layout.binaries().join(name)))
                && found != *sha256
            {
                self.fault(format!(
                    "{name} is not the pinned ONNX Runtime {}: its sha256 is {found}.",
                    runtime::VERSION
                ));
            }
        }
    }

    /// The rules that all three binaries share.
    fn binary(&mut self, name: &str, path: &Path, libraries: &[&str]) -> Option<Binary> {
        if !path.is_file() {
            self.fault(format!("{name} is missing from Contents/{ARCHITECTURE}."));
            return None;
        }
        let binary = self.take(Binary::read(path))?;
        if !binary.x86_64 {
            self.fault(format!("{name} is not for x86-64."));
        }
        for library in &binary.needed {
            if !libraries.contains(&library.as_str()) {
                self.fault(format!(
                    "{name} needs {library}, which is not on every machine."
                ));
            }
        }
        for folder in &binary.search {
            if folder != "$ORIGIN" && !folder.starts_with("$ORIGIN/") {
                self.fault(format!(
                    "{name} looks for libraries in {folder}: a bundle has to work wherever it is."
                ));
            }
        }
        self.symbols(name, &binary, libraries);
        if self.rules.linking == Linking::Studio {
            self.versions(name, &binary);
        }
        Some(binary)
    }

    fn symbols(&mut self, name: &str, binary: &Binary, libraries: &[&str]) {
        let unresolved = |symbol: &&Undefined| match &symbol.version {
            Some(need) => !libraries.contains(&need.library.as_str()),
            None => !symbol.weak,
        };
        let symbols: Vec<&str> = binary
            .undefined
            .iter()
            .filter(unresolved)
            .map(|symbol| symbol.name.as_str())
            .collect();
        if !symbols.is_empty() {
            self.fault(format!(
                "{name} has undefined symbols that no system library provides: {}.",
                symbols.join(", ")
            ));
        }
    }

    fn versions(&mut self, name: &str, binary: &Binary) {
        for need in &binary.requirements {
            let parsed = need.version.split_once('_').and_then(|(family, number)| {
                let ceiling = CEILINGS.iter().find(|(name, _)| *name == family)?.1;
                Some((family, numbers(number)?, ceiling))
            });
            let Some((family, number, ceiling)) = parsed else {
                self.fault(format!(
                    "{name} asks {} for {}, a version that only some systems have.",
                    need.library, need.version
                ));
                continue;
            };
            if number.as_slice() > ceiling {
                let symbols: Vec<&str> = binary
                    .undefined
                    .iter()
                    .filter(|symbol| symbol.version.as_ref() == Some(need))
                    .map(|symbol| symbol.name.as_str())
                    .collect();
                self.fault(format!(
                    "{name} needs {} ({}), newer than {family}_{}: it does not load on the \
                     systems that studios run.",
                    need.version,
                    symbols.join(", "),
                    dotted(ceiling)
                ));
            }
            if family == "GLIBC" && number > self.glibc {
                self.glibc = number;
            }
        }
    }

    fn executable(&mut self, name: &str, path: &Path) {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(path).map_or(0, |data| data.permissions().mode());
            if mode & 0o111 == 0 {
                self.fault(format!("{name} may not be executed."));
            }
        }
        #[cfg(not(unix))]
        let _ = (name, path);
    }

    fn resources(&mut self) {
        let icon = self.layout.icon();
        match std::fs::read(&icon) {
            Ok(bytes) if bytes.starts_with(b"\x89PNG\r\n\x1a\n") => {}
            Ok(_) => self.fault(format!("{} is not a PNG file.", icon.display())),
            Err(error) => self.fault(format!("The icon {} is missing: {error}.", icon.display())),
        }
        for name in crate::assemble::LICENCES
            .iter()
            .map(|(_, name)| *name)
            .chain(crate::assemble::RUNTIME_LICENCES)
        {
            let path = self.layout.licences().join(name);
            if !std::fs::metadata(&path).is_ok_and(|data| data.len() > 0) {
                self.fault(format!("The licence file {name} is missing or empty."));
            }
        }
        let folder = self.layout.models();
        let Some(models) = self.take(files::entries(&folder)) else {
            return;
        };
        for model in models {
            self.model(&model);
        }
        if !self.models.iter().any(|id| id == "base") {
            self.fault("The shipped model, `base`, is not in the bundle.".to_owned());
        }
    }

    fn model(&mut self, folder: &Path) {
        let Some(manifest) = self.take(Manifest::read(folder)) else {
            return;
        };
        if folder.file_name() != Some(manifest.id.as_ref()) {
            self.fault(format!(
                "{} says that its id is `{}`, which is not its folder's name.",
                folder.join(MANIFEST).display(),
                manifest.id
            ));
        }
        if manifest.licence.trim().is_empty() {
            self.fault(format!("Model `{}` states no licence.", manifest.id));
        }
        let Some(found) = self.take(files::sha256(&manifest.model(folder))) else {
            return;
        };
        if found != manifest.sha256.to_lowercase() {
            self.fault(format!(
                "{} is not what its manifest describes: sha256 {found}, expected {}.",
                manifest.model(folder).display(),
                manifest.sha256
            ));
        }
        self.models.push(manifest.id);
    }

    /// Size, links, and permissions of everything.
    fn all_files(&mut self) -> (u64, usize) {
        let bundle = self.layout.bundle().to_owned();
        let Some(all) = self.take(files::tree(&bundle)) else {
            return (0, 0);
        };
        let mut bytes = 0;
        for path in &all {
            match std::fs::symlink_metadata(path) {
                Ok(data) if data.is_file() => {
                    bytes += data.len();
                    self.readable(path, &data);
                }
                Ok(_) => self.fault(format!(
                    "{} is not a plain file; links do not survive every way of copying.",
                    path.display()
                )),
                Err(error) => self.fault(format!("{}: {error}.", path.display())),
            }
        }
        let for_gpus = self.layout.binaries().join(runtime::CUDA_PART).exists();
        if self.rules.size && !for_gpus && bytes > SIZE_LIMIT {
            self.fault(format!(
                "It weighs {} MB; at most {} MB are allowed.",
                megabytes(bytes),
                megabytes(SIZE_LIMIT)
            ));
        }
        (bytes, all.len())
    }

    fn readable(&mut self, path: &Path, data: &std::fs::Metadata) {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            if data.permissions().mode() & 0o444 != 0o444 {
                self.fault(format!("{} cannot be read by every user.", path.display()));
            }
        }
        #[cfg(not(unix))]
        let _ = (path, data);
    }
}

/// Bytes as megabytes with one digit, rounded up.
pub(crate) fn megabytes(bytes: u64) -> String {
    let tenths = bytes.div_ceil(100_000);
    format!("{}.{}", tenths / 10, tenths % 10)
}

fn numbers(text: &str) -> Option<Vec<u32>> {
    text.split('.').map(|part| part.parse().ok()).collect()
}

fn dotted(numbers: &[u32]) -> String {
    let parts: Vec<String> = numbers.iter().map(u32::to_string).collect();
    parts.join(".")
}

/// What is in `these` but not in `those`, as a list for a sentence.
fn difference(these: &[impl AsRef<str>], those: &[impl AsRef<str>]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for this in these {
        if !those.iter().any(|that| that.as_ref() == this.as_ref()) {
            names.push(this.as_ref());
        }
    }
    names.join(", ")
}

/// The path of a bundle given on the command line: the bundle itself, or the folder that holds it.
pub(crate) fn find(path: &Path) -> PathBuf {
    let inside = path.join(crate::workspace::BUNDLE_NAME);
    if !path.join("Contents").exists() && inside.is_dir() {
        inside
    } else {
        path.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inspection() -> Inspection {
        Inspection {
            layout: Layout::new("bundle"),
            rules: Rules::SHIPPED,
            findings: Vec::new(),
            models: Vec::new(),
            glibc: Vec::new(),
        }
    }

    fn need(library: &str, version: &str) -> crate::elf::Requirement {
        crate::elf::Requirement {
            library: library.to_owned(),
            version: version.to_owned(),
        }
    }

    #[test]
    fn versions_are_compared_as_numbers_and_the_symbol_is_named() {
        let binary = Binary {
            requirements: vec![
                need("libc.so.6", "GLIBC_2.3.4"),
                need("libc.so.6", "GLIBC_2.28"),
                need("libc.so.6", "GLIBC_2.100"),
                need("libgcc_s.so.1", "GCC_4.2.0"),
            ],
            undefined: vec![Undefined {
                name: "from_the_future".to_owned(),
                weak: false,
                version: Some(need("libc.so.6", "GLIBC_2.100")),
            }],
            ..Binary::default()
        };
        let mut inspection = inspection();
        inspection.versions("it", &binary);
        let [finding] = inspection.findings.as_slice() else {
            panic!("one finding, not {:?}", inspection.findings);
        };
        assert!(
            finding.contains("GLIBC_2.100 (from_the_future)"),
            "{finding}"
        );
        assert_eq!(dotted(&inspection.glibc), "2.100");
    }

    #[test]
    fn versions_of_unknown_families_are_refused() {
        let binary = Binary {
            requirements: vec![
                need("libc.so.6", "GLIBC_PRIVATE"),
                need("libfoo.so.1", "FOO_1.0"),
            ],
            ..Binary::default()
        };
        let mut inspection = inspection();
        inspection.versions("it", &binary);
        assert_eq!(inspection.findings.len(), 2, "{:?}", inspection.findings);
    }

    #[test]
    fn only_weak_symbols_may_stay_without_a_library() {
        let symbol = |name: &str, weak, version| Undefined {
            name: name.to_owned(),
            weak,
            version,
        };
        let binary = Binary {
            undefined: vec![
                symbol("malloc", false, Some(need("libc.so.6", "GLIBC_2.2.5"))),
                symbol("__gmon_start__", true, None),
                symbol("nobody_has_this", false, None),
                symbol("odd", false, Some(need("libodd.so.1", "ODD_1"))),
            ],
            ..Binary::default()
        };
        let mut inspection = inspection();
        inspection.symbols("it", &binary, &SYSTEM_LIBRARIES);
        let [finding] = inspection.findings.as_slice() else {
            panic!("one finding, not {:?}", inspection.findings);
        };
        assert!(finding.ends_with("nobody_has_this, odd."), "{finding}");
    }

    #[test]
    fn weights_are_rounded_up() {
        assert_eq!(megabytes(0), "0.0");
        assert_eq!(megabytes(45_000_000), "45.0");
        assert_eq!(megabytes(45_000_001), "45.1");
    }
}
