//! What to fetch, from where, and with whose word: options first, then the environment, then the
//! project's defaults. Everything is checked here, before anything is asked of a server.

use std::time::Duration;

use corridorkey::error::{Error, Result};

use super::address::Origin;
use crate::args::DownloadArguments;

/// The API of the service that the official weights are published on.
const API: &str = "https://api.github.com";
/// Where the official weights are published as a file of a release.
const REPOSITORY: &str = "nikopueringer/corridorkey-mlx";
/// That file.
const ASSET: &str = "corridorkey_mlx.safetensors";
/// Seconds without an answer after which a server is given up.
const PATIENCE: u64 = 30;

/// What to fetch and from where.
#[derive(Debug)]
pub(super) struct Source {
    /// The API's address, without a slash at its end.
    pub(super) api: String,
    /// `owner/name`.
    pub(super) repository: String,
    /// The release; the latest without one.
    pub(super) tag: Option<String>,
    /// The file of the release.
    pub(super) asset: String,
    /// What the API is shown to be allowed more.
    pub(super) token: Option<Token>,
    /// How long a server may say nothing.
    pub(super) patience: Duration,
}

/// A secret; it is never printed.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Token(String);

impl Token {
    /// The value of an `Authorization` header.
    pub(super) fn header(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("(not shown)")
    }
}

impl Source {
    /// Reads options and environment.
    ///
    /// # Errors
    /// [`Error::Usage`] names the option or variable that cannot be.
    pub(super) fn read(
        arguments: &DownloadArguments,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self> {
        let get = |name: &str| {
            variable(name)
                .map(|value| value.trim().to_owned())
                .filter(|value| !value.is_empty())
        };
        let api = get("CORRIDORKEY_WEIGHTS_API").unwrap_or_else(|| API.into());
        let api = api.trim_end_matches('/').to_owned();
        let origin = Origin::of(&api)
            .map_err(|reason| Error::Usage(format!("CORRIDORKEY_WEIGHTS_API: {reason}")))?;
        let repository = get("CORRIDORKEY_WEIGHTS_REPO").unwrap_or_else(|| REPOSITORY.into());
        let mut parts = repository.split('/');
        let (owner, name) = (parts.next(), parts.next());
        if !owner.is_some_and(plain) || !name.is_some_and(plain) || parts.next().is_some() {
            return Err(Error::Usage(format!(
                "CORRIDORKEY_WEIGHTS_REPO: \"{repository}\" is not a repository such as \
                 {REPOSITORY}"
            )));
        }
        let tag = arguments
            .tag
            .clone()
            .or_else(|| get("CORRIDORKEY_WEIGHTS_TAG"))
            .filter(|tag| tag != "latest");
        let asset = arguments
            .asset
            .clone()
            .or_else(|| get("CORRIDORKEY_WEIGHTS_ASSET"))
            .unwrap_or_else(|| ASSET.into());
        for (what, value) in [("tag", tag.as_deref()), ("asset", Some(asset.as_str()))] {
            if let Some(value) = value
                && !plain(value)
            {
                return Err(Error::Usage(format!(
                    "the {what} \"{value}\" cannot be: letters, digits, '.', '_', '+' and '-' \
                     make one, and the first is a letter, a digit or '_'"
                )));
            }
        }
        Ok(Self {
            token: token(&origin, &get)?,
            api,
            repository,
            tag,
            asset,
            patience: patience(get("CORRIDORKEY_WEIGHTS_TIMEOUT"))?,
        })
    }

    /// What is fetched, for sentences.
    pub(super) fn what(&self) -> String {
        let tag = self.tag.as_deref().unwrap_or("the latest release");
        format!("{} of {} ({tag})", self.asset, self.repository)
    }
}

/// The token for the API in use. `GITHUB_TOKEN` was given for GitHub: no other server sees it.
fn token(origin: &Origin, get: &dyn Fn(&str) -> Option<String>) -> Result<Option<Token>> {
    let mut names = vec!["CORRIDORKEY_WEIGHTS_TOKEN"];
    if Origin::of(API).is_ok_and(|own| own == *origin) {
        names.push("GITHUB_TOKEN");
    }
    for name in names {
        let Some(value) = get(name) else { continue };
        if !value.bytes().all(|byte| byte.is_ascii_graphic()) {
            // The value itself is not repeated.
            return Err(Error::Usage(format!(
                "{name} is not a token: it has spaces or other characters that none has"
            )));
        }
        return Ok(Some(Token(value)));
    }
    Ok(None)
}

fn patience(value: Option<String>) -> Result<Duration> {
    let Some(value) = value else {
        return Ok(Duration::from_secs(PATIENCE));
    };
    match value.parse() {
        Ok(seconds @ 1..=3600) => Ok(Duration::from_secs(seconds)),
        _ => Err(Error::Usage(format!(
            "CORRIDORKEY_WEIGHTS_TIMEOUT is \"{value}\"; it must be a whole number of seconds from \
             1 to 3600"
        ))),
    }
}

/// True for what can be a part of an address and the name of a file or folder on every system.
pub(super) fn plain(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte);
    let first = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    name.len() <= 200
        && name.bytes().all(inner)
        && name.as_bytes().first().is_some_and(first)
        && !name.ends_with('.')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::Parser as _;

    use super::*;
    use crate::args::{Arguments, Command, ModelsAction};

    fn source(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Source> {
        let start = ["corridorkey", "models", "download"];
        let parsed = Arguments::try_parse_from(start.iter().chain(arguments)).unwrap();
        let Command::Models(models) = parsed.command else {
            unreachable!()
        };
        let ModelsAction::Download(download) = models.action else {
            unreachable!()
        };
        Source::read(&download, &|name| {
            let found = environment.iter().find(|(known, _)| *known == name)?;
            Some(found.1.to_owned())
        })
    }

    #[test]
    fn options_come_before_the_environment_and_that_before_the_defaults() {
        let source_of = |arguments: &[&str], environment: &[(&str, &str)]| {
            let source = source(arguments, environment).unwrap();
            (source.repository, source.tag, source.asset)
        };
        assert_eq!(
            source_of(&[], &[("CORRIDORKEY_WEIGHTS_TAG", " ")]),
            (REPOSITORY.into(), None, ASSET.into())
        );
        let environment = [
            ("CORRIDORKEY_WEIGHTS_REPO", "a/b.c"),
            ("CORRIDORKEY_WEIGHTS_TAG", "v1"),
            ("CORRIDORKEY_WEIGHTS_ASSET", "x.pth"),
        ];
        assert_eq!(
            source_of(&[], &environment),
            ("a/b.c".into(), Some("v1".into()), "x.pth".into())
        );
        assert_eq!(
            source_of(&["--tag", "latest", "--asset", "y.pth"], &environment),
            ("a/b.c".into(), None, "y.pth".into())
        );
    }

    #[test]
    fn what_could_leave_its_folder_or_its_address_is_refused() {
        for wrong in [
            "", "..", ".x", "a/b", "a\\b", "a b", "a?b", "a%2fb", "-x", "a.", "\u{e9}",
        ] {
            assert!(!plain(wrong), "{wrong}");
            for (variable, value) in [
                ("CORRIDORKEY_WEIGHTS_REPO", format!("a/{wrong}/b")),
                ("CORRIDORKEY_WEIGHTS_REPO", format!("a/{wrong}")),
                ("CORRIDORKEY_WEIGHTS_TAG", format!("{wrong}/")),
                ("CORRIDORKEY_WEIGHTS_ASSET", format!("{wrong}/")),
            ] {
                // A whole name after a slash makes a repository.
                let refused = source(&[], &[(variable, &value)]);
                assert!(refused.is_err(), "{variable}={value}");
            }
        }
        for (name, value) in [
            ("CORRIDORKEY_WEIGHTS_API", "http://example.com"),
            ("CORRIDORKEY_WEIGHTS_API", "ftp://example.com"),
            ("CORRIDORKEY_WEIGHTS_TIMEOUT", "0"),
            ("CORRIDORKEY_WEIGHTS_TIMEOUT", "soon"),
        ] {
            let error = source(&[], &[(name, value)]).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
            assert_eq!(error.exit_code(), 2);
        }
    }

    #[test]
    fn github_s_token_is_for_github_and_is_never_printed() {
        let github = ("GITHUB_TOKEN", "for-github");
        let own = ("CORRIDORKEY_WEIGHTS_TOKEN", "for-this");
        let mirror = ("CORRIDORKEY_WEIGHTS_API", "https://mirror.example/api/");
        let token = |environment: &[(&str, &str)]| {
            let source = source(&[], environment).unwrap();
            assert!(!format!("{source:?}").contains("for-"));
            source.token.map(|token| token.header())
        };
        assert_eq!(token(&[github]).unwrap(), "Bearer for-github");
        assert_eq!(token(&[github, mirror]), None);
        assert_eq!(token(&[github, own, mirror]).unwrap(), "Bearer for-this");
        assert_eq!(token(&[github, own]).unwrap(), "Bearer for-this");
        assert_eq!(token(&[mirror]), None);
        let error = source(&[], &[("GITHUB_TOKEN", "for-\nx: y")]).unwrap_err();
        assert!(!error.to_string().contains("for-"), "{error}");
    }
}
