//! Reading the facts about an ELF file that decide whether a host on another machine can load it.

use crate::{Error, Result};
use object::Endianness;
use object::elf;
use object::read::StringTable;
use object::read::elf::{FileHeader as _, ProgramHeader as _, SectionTable, Sym as _};
use std::path::Path;

type Header = elf::FileHeader64<Endianness>;

/// A symbol that a binary expects another library to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Undefined {
    pub(crate) name: String,
    /// A weak symbol may stay unresolved.
    pub(crate) weak: bool,
    /// The library and the version that it is bound to.
    pub(crate) version: Option<Requirement>,
}

/// A symbol version that a library on the target machine must have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Requirement {
    pub(crate) library: String,
    pub(crate) version: String,
}

/// What an ELF file says about itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct Binary {
    /// Whether it is for x86-64.
    pub(crate) x86_64: bool,
    /// Whether it is position independent (a library or a modern program).
    pub(crate) position_independent: bool,
    /// Whether it names a program interpreter (only programs do).
    pub(crate) interpreter: bool,
    /// The libraries that it needs, by soname.
    pub(crate) needed: Vec<String>,
    /// The folders that it searches for them (RPATH and RUNPATH).
    pub(crate) search: Vec<String>,
    /// Whether it stays in memory once loaded.
    pub(crate) no_delete: bool,
    /// The symbols that it offers, sorted.
    pub(crate) exports: Vec<String>,
    /// The symbols that it expects.
    pub(crate) undefined: Vec<Undefined>,
    /// Every symbol version that it asks for, sorted.
    pub(crate) requirements: Vec<Requirement>,
}

impl Binary {
    /// Reads the file at `path`.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let data = std::fs::read(path).map_err(Error::file("read", path))?;
        Self::parse(&data).map_err(|error| Error::Invalid {
            path: path.to_owned(),
            reason: format!("not a 64-bit ELF file that can be loaded: {error}"),
        })
    }

    fn parse(data: &[u8]) -> object::read::Result<Self> {
        let header = Header::parse(data)?;
        let endian = header.endian()?;
        let sections = header.sections(endian, data)?;
        let mut binary = Self {
            x86_64: header.e_machine.get(endian) == elf::EM_X86_64,
            position_independent: header.e_type.get(endian) == elf::ET_DYN,
            interpreter: header
                .program_headers(endian, data)?
                .iter()
                .any(|segment| segment.p_type(endian) == elf::PT_INTERP),
            ..Self::default()
        };
        binary.read_dynamic(&sections, endian, data)?;
        binary.read_symbols(&sections, endian, data)?;
        binary.read_requirements(&sections, endian, data)?;
        Ok(binary)
    }

    fn read_dynamic(
        &mut self,
        sections: &SectionTable<'_, Header>,
        endian: Endianness,
        data: &[u8],
    ) -> object::read::Result<()> {
        let table = sections.dynamic_table(endian, data)?;
        for entry in &table {
            match entry.tag {
                elf::DT_NEEDED => self.needed.push(text(table.string(entry)?)),
                elf::DT_RPATH | elf::DT_RUNPATH => {
                    let folders = text(table.string(entry)?);
                    self.search.extend(folders.split(':').map(str::to_owned));
                }
                elf::DT_FLAGS_1 => {
                    self.no_delete = entry.val & u64::from(elf::DF_1_NODELETE) != 0;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn read_symbols(
        &mut self,
        sections: &SectionTable<'_, Header>,
        endian: Endianness,
        data: &[u8],
    ) -> object::read::Result<()> {
        let symbols = sections.symbols(endian, data, elf::SHT_DYNSYM)?;
        let versions = sections.versions(endian, data)?.unwrap_or_default();
        for (index, symbol) in symbols.enumerate() {
            let name = text(symbol.name(endian, symbols.strings())?);
            if name.is_empty() || symbol.is_local() {
                continue;
            }
            if symbol.is_undefined(endian) {
                let version = versions.version(versions.version_index(endian, index))?;
                self.undefined.push(Undefined {
                    name,
                    weak: symbol.is_weak(),
                    version: version.and_then(|version| {
                        Some(Requirement {
                            library: text(version.file()?),
                            version: text(version.name()),
                        })
                    }),
                });
            } else if symbol.st_shndx(endian) != elf::SHN_ABS {
                // Absolute symbols are the names of version definitions.
                self.exports.push(name);
            }
        }
        self.exports.sort();
        Ok(())
    }

    fn read_requirements(
        &mut self,
        sections: &SectionTable<'_, Header>,
        endian: Endianness,
        data: &[u8],
    ) -> object::read::Result<()> {
        let Some((mut needs, link)) = sections.gnu_verneed(endian, data)? else {
            return Ok(());
        };
        let strings: StringTable<'_> = sections.strings(endian, data, link)?;
        while let Some((need, mut versions)) = needs.next()? {
            let library = text(need.file(endian, strings)?);
            while let Some(version) = versions.next()? {
                self.requirements.push(Requirement {
                    library: library.clone(),
                    version: text(version.name(endian, strings)?),
                });
            }
        }
        self.requirements.sort();
        Ok(())
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn this_test_program_is_a_program_that_needs_the_c_library() {
        let binary = Binary::read(&std::env::current_exe().unwrap()).unwrap();
        assert!(binary.interpreter && binary.position_independent);
        assert!(binary.needed.iter().any(|library| library == "libc.so.6"));
        assert!(
            binary
                .requirements
                .iter()
                .any(|need| need.library == "libc.so.6" && need.version.starts_with("GLIBC_2."))
        );
        let malloc = binary
            .undefined
            .iter()
            .find(|symbol| symbol.name == "malloc");
        assert_eq!(
            malloc.unwrap().version.as_ref().unwrap().library,
            "libc.so.6"
        );
    }

    #[test]
    fn the_runtime_offers_its_entry_point() {
        let library = crate::runtime::onnx_runtime().unwrap();
        let binary = Binary::read(&library).unwrap();
        assert!(binary.x86_64 && !binary.interpreter);
        assert!(binary.exports.contains(&"OrtGetApiBase".to_owned()));
        assert_eq!(binary.search, ["$ORIGIN"]);
    }

    #[test]
    fn rubbish_and_cut_off_files_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, b"not an ELF file").unwrap();
        assert!(Binary::read(&path).is_err());
        let whole = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        assert!(Binary::read(&path).is_err());
    }
}
