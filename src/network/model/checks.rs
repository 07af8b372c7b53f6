//! What manifests of either kind are held to: ids, versions, file names and sums.

use std::path::Path;

use crate::network::error::{Error, Result};

/// Reads a manifest's text and makes something of it; what `parse` refuses is the middle of a
/// sentence.
///
/// # Errors
/// [`Error::Manifest`] with what is wrong.
pub(in crate::network) fn read<T>(
    manifest: &Path,
    parse: impl FnOnce(&str) -> std::result::Result<T, String>,
) -> Result<T> {
    std::fs::read_to_string(manifest)
        .map_err(|error| error.to_string())
        .and_then(|text| parse(&text))
        .map_err(|reason| Error::Manifest {
            path: manifest.into(),
            reason,
        })
}

/// `Ok` for an id and a version that are plain, and a file that lies beside the manifest.
pub(in crate::network) fn names(
    id: &str,
    version: &str,
    file: &str,
) -> std::result::Result<(), String> {
    for (what, value) in [("id", id), ("version", version)] {
        if !plain(value) {
            return Err(format!(
                "the {what} \"{value}\" is not made of a-z, 0-9, '.', '_' and '-'"
            ));
        }
    }
    let path = Path::new(file);
    if path.components().count() != 1 || path.file_name().is_none() {
        return Err(format!(
            "the file \"{file}\" is not a plain name beside the manifest"
        ));
    }
    Ok(())
}

/// A SHA-256 in lower case; `what` is its key in the manifest.
pub(in crate::network) fn sum(what: &str, digits: &str) -> std::result::Result<String, String> {
    if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(format!("{what} is not 64 hexadecimal digits"));
    }
    Ok(digits.to_ascii_lowercase())
}

/// Ids and versions are part of project files, command lines and folder names.
pub(in crate::network) fn plain(text: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    !text.is_empty()
        && text.len() <= 64
        && !text.starts_with(['.', '-'])
        && text.bytes().all(allowed)
}

/// What the parser says, without its drawing of the line.
pub(in crate::network) fn one_line(error: &toml::de::Error) -> String {
    let text = error.to_string();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
