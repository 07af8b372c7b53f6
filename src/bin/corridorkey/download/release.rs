//! A release as the API describes it: its files, and what their publisher says of them.

use corridorkey::error::{Error, Result};
use serde::Deserialize;

use super::http::{Client, Query, Trouble};
use super::source::{Source, plain};

/// The largest description of a release that is read, in bytes.
const DESCRIPTION: usize = 4 << 20;
/// The largest list of checksums that is read, in bytes.
const SUMS: usize = 1 << 20;
/// The largest file that is fetched, in bytes: far more than any checkpoint of this network has.
const LARGEST: u64 = 8 << 30;
/// The file that lists the checksums of all files of a release.
const SUMS_NAME: &str = "SHA256SUMS";
/// The API's answers about files are the files, and not their descriptions.
pub(super) const FILE: &str = "application/octet-stream";

/// A release.
#[derive(Debug, Deserialize)]
pub(super) struct Release {
    #[serde(rename = "tag_name")]
    pub(super) tag: String,
    assets: Vec<Asset>,
}

/// A file of a release.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Asset {
    pub(super) name: String,
    /// The API's address of the file.
    pub(super) url: String,
    /// Bytes.
    pub(super) size: u64,
    /// What the server says that its checksum is, such as `sha256:…`.
    digest: Option<String>,
}

/// What a file's checksum should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expected {
    /// SHA-256, lower-case hexadecimal.
    pub(super) sha256: String,
    /// Who says so.
    pub(super) said_by: String,
}

/// Asks for the release that is wanted.
///
/// # Errors
/// [`Error::Download`], [`Error::Aborted`].
pub(super) fn find(client: &Client, source: &Source) -> Result<Release> {
    let Source {
        api, repository, ..
    } = source;
    let address = match &source.tag {
        Some(tag) => format!("{api}/repos/{repository}/releases/tags/{tag}"),
        None => format!("{api}/repos/{repository}/releases/latest"),
    };
    let asked = || -> std::result::Result<Release, Trouble> {
        let answer = client.get(Query {
            address: &address,
            accept: "application/vnd.github+json",
            from: None,
        })?;
        match answer.status {
            200 => {}
            404 => return Err(no_release(source, &answer.host, client.has_token()).into()),
            _ => return Err(answer.refusal(client.has_token()).into()),
        }
        let host = answer.host.clone();
        let body = answer.whole(DESCRIPTION)?;
        let release: Release = serde_json::from_slice(&body).map_err(|error| {
            format!("what {host} says of the release cannot be understood ({error})")
        })?;
        if !plain(&release.tag) {
            return Err(format!(
                "{host} calls the release by a tag that cannot be the name of a folder"
            )
            .into());
        }
        Ok(release)
    };
    asked().map_err(|trouble| failed(&source.what(), trouble))
}

fn no_release(source: &Source, host: &str, has_token: bool) -> String {
    let hidden = if has_token {
        "the token may not see it"
    } else {
        "it is private, which needs a token"
    };
    let which = match &source.tag {
        Some(tag) => format!("release \"{tag}\" of the repository {}", source.repository),
        None => format!("published release of the repository {}", source.repository),
    };
    format!("{host} has no {which}, or {hidden}; check --tag and CORRIDORKEY_WEIGHTS_REPO")
}

impl Release {
    /// The file of this name.
    ///
    /// # Errors
    /// [`Error::Download`] when there is none, or none that can be fetched.
    pub(super) fn asset(&self, source: &Source) -> Result<&Asset> {
        let wrong = |reason: String| Error::Download {
            what: source.what(),
            reason,
        };
        let Some(asset) = self.named(&source.asset) else {
            let names: Vec<&str> = self
                .assets
                .iter()
                .map(|asset| asset.name.as_str())
                .filter(|name| plain(name))
                .take(20)
                .collect();
            let there = if names.is_empty() {
                "no files".into()
            } else {
                names.join(", ")
            };
            return Err(wrong(format!(
                "the release {} has no such file; it has {there}. Choose with --asset",
                self.tag
            )));
        };
        match asset.size {
            0 => Err(wrong("the file is empty; tell its publisher".into())),
            1..=LARGEST => Ok(asset),
            size => Err(wrong(format!(
                "the file is said to have {} GB, which no checkpoint has",
                size >> 30
            ))),
        }
    }

    fn named(&self, name: &str) -> Option<&Asset> {
        self.assets.iter().find(|asset| asset.name == name)
    }

    /// What the publisher, or else the server, says that a file's checksum is.
    ///
    /// # Errors
    /// [`Error::Download`] when there is a file of checksums that cannot be read,
    /// [`Error::Aborted`].
    pub(super) fn expected(&self, client: &Client, asset: &Asset) -> Result<Option<Expected>> {
        let side = format!("{}.sha256", asset.name);
        for (name, alone) in [(side.as_str(), true), (SUMS_NAME, false)] {
            let Some(sums) = self.named(name) else {
                continue;
            };
            let text = fetch_text(client, sums).map_err(|trouble| failed(name, trouble))?;
            match listed(&text, &asset.name, alone) {
                Some(sha256) => {
                    return Ok(Some(Expected {
                        sha256,
                        said_by: name.into(),
                    }));
                }
                None if alone => {
                    return Err(Error::Download {
                        what: asset.name.clone(),
                        reason: format!(
                            "{name}, which should have its checksum, has none of it; tell the \
                             publisher"
                        ),
                    });
                }
                None => {}
            }
        }
        let digest = asset.digest.as_deref().unwrap_or_default();
        let digest = digest.strip_prefix("sha256:").and_then(sum);
        Ok(digest.map(|sha256| Expected {
            sha256,
            said_by: "the server".into(),
        }))
    }
}

fn fetch_text(client: &Client, asset: &Asset) -> std::result::Result<String, Trouble> {
    let answer = client.get(Query {
        address: &asset.url,
        accept: FILE,
        from: None,
    })?;
    if answer.status != 200 {
        return Err(answer.refusal(client.has_token()).into());
    }
    let bytes = answer.whole(SUMS)?;
    String::from_utf8(bytes).map_err(|_| Trouble::Words("it is not a text".into()))
}

/// The checksum of `name` in a list as `sha256sum` and `shasum` write it; a list for one file
/// `alone` may leave the name out.
fn listed(text: &str, name: &str, alone: bool) -> Option<String> {
    text.lines().find_map(|line| {
        // SHA256 (name) = sum, as BSD's tools write it.
        if let Some((before, digits)) = line.split_once(") = ") {
            let listed = before.strip_prefix("SHA256 (")?;
            return sum(digits).filter(|_| is(listed, name));
        }
        let (digits, rest) = line.split_at_checked(64)?;
        let listed = rest.trim_start().trim_start_matches('*').trim_end();
        let fits = is(listed, name) || (alone && listed.is_empty());
        sum(digits).filter(|_| fits)
    })
}

/// True when a listed path is that of the file.
fn is(listed: &str, name: &str) -> bool {
    listed.rsplit(['/', '\\']).next() == Some(name)
}

fn sum(digits: &str) -> Option<String> {
    let digits = digits.trim();
    let well = digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    well.then(|| digits.to_ascii_lowercase())
}

/// The error for a fetch that failed.
pub(super) fn failed(what: &str, trouble: Trouble) -> Error {
    match trouble {
        Trouble::Aborted => Error::Aborted,
        Trouble::Words(reason) => Error::Download {
            what: what.into(),
            reason,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_found_as_the_usual_tools_write_them() {
        let digits = "AB".repeat(32);
        let lower = digits.to_lowercase();
        let other = "0".repeat(64);
        for text in [
            format!("{digits}  a.pth\n"),
            format!("{digits} *a.pth\r\n"),
            format!("{digits}  some/where/a.pth"),
            format!("SHA256 (a.pth) = {digits}\n"),
            format!("# sums\n{other}  b.pth\n{other}  aa.pth\n{digits}  a.pth\n"),
        ] {
            for alone in [true, false] {
                assert_eq!(listed(&text, "a.pth", alone), Some(lower.clone()), "{text}");
            }
        }
        assert_eq!(listed(&digits, "a.pth", true), Some(lower));
        assert_eq!(listed(&digits, "a.pth", false), None);
        for wrong in [
            "",
            "a.pth",
            &digits[1..],
            &format!("{digits}  b.pth"),
            &format!("{digits}0  a.pth"),
            &format!("SHA1 (a.pth) = {digits}"),
            &format!("g{}  a.pth", &digits[1..]),
            "\u{fc}".repeat(64).as_str(),
        ] {
            assert_eq!(listed(wrong, "a.pth", true), None, "{wrong}");
        }
    }
}
