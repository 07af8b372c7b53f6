//! Which files are one shot: plain files, numbered patterns, and the frames asked for.
//!
//! A pattern is a file name with exactly one place for the frame number, written as `%04d`, `%d` or
//! a run of `#`. The number of digits is the least; a longer number is written in full, as every
//! compositing program does it.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use corridorkey::error::{Error, Result};

use crate::files::io_reason;

/// The frame number that a plain file is keyed at.
pub(crate) const PLAIN_FRAME: i64 = 1;

/// The most frames that one range may ask for; more is a typing mistake.
const MOST_FRAMES: i64 = 1_000_000;

/// An inclusive range of frame numbers, `FIRST-LAST` or one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) first: i64,
    pub(crate) last: i64,
}

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let number = |part: &str| -> std::result::Result<i64, String> {
            let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            part.parse()
                .ok()
                .filter(|_| digits)
                .ok_or_else(|| format!("`{text}` is not a range: write FIRST-LAST, such as 1-240"))
        };
        let (first, last) = match text.split_once('-') {
            Some((first, last)) => (number(first.trim())?, number(last.trim())?),
            None => (number(text.trim())?, number(text.trim())?),
        };
        if first > last {
            return Err(format!(
                "the first frame, {first}, comes after the last, {last}"
            ));
        }
        if last - first >= MOST_FRAMES {
            return Err(format!("a range may hold at most {MOST_FRAMES} frames"));
        }
        Ok(Self { first, last })
    }
}

/// A numbered file name: `folder/prefix` + at least `digits` digits + `suffix`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    folder: PathBuf,
    prefix: String,
    digits: usize,
    suffix: String,
    text: PathBuf,
}

impl Pattern {
    /// The file of one frame.
    pub(crate) fn path(&self, frame: i64) -> PathBuf {
        let digits = self.digits;
        self.folder
            .join(format!("{}{frame:0digits$}{}", self.prefix, self.suffix))
    }

    /// The frame that a file of the folder is, if the pattern could have written that name.
    fn frame_of(&self, name: &OsStr) -> Option<i64> {
        let number = name
            .to_str()?
            .strip_prefix(&self.prefix)?
            .strip_suffix(&self.suffix)?;
        let plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        // More digits than asked for are only written when they are needed.
        let padded =
            number.len() == self.digits || (number.len() > self.digits && !number.starts_with('0'));
        (plain && padded).then(|| number.parse().ok())?
    }

    /// Every frame that is there, in order.
    fn scan(&self) -> Result<BTreeSet<i64>> {
        let folder = if self.folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            &self.folder
        };
        let entries = std::fs::read_dir(folder).map_err(|error| Error::Input {
            path: folder.to_path_buf(),
            reason: io_reason(&error),
        })?;
        let mut frames = BTreeSet::new();
        for entry in entries {
            let entry = entry.map_err(|error| Error::Input {
                path: folder.to_path_buf(),
                reason: io_reason(&error),
            })?;
            frames.extend(self.frame_of(&entry.file_name()));
        }
        Ok(frames)
    }
}

/// What `--source` or `--hint` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    /// One file.
    File(PathBuf),
    /// A file a frame.
    Pattern(Pattern),
}

impl Input {
    /// Reads a file name as a pattern if it has a place for the frame number. A file that exists
    /// under that very name is a plain file, whatever its name looks like.
    pub(crate) fn parse(path: &Path) -> Result<Self> {
        let Some(name) = path.file_name().and_then(OsStr::to_str) else {
            return Ok(Self::File(path.to_path_buf()));
        };
        let places = places(name);
        match places.as_slice() {
            [] => Ok(Self::File(path.to_path_buf())),
            _ if path.is_file() => Ok(Self::File(path.to_path_buf())),
            [place] => Ok(Self::Pattern(Pattern {
                folder: path.parent().map(Path::to_path_buf).unwrap_or_default(),
                prefix: name[..place.start].replace("%%", "%"),
                digits: place.digits,
                suffix: name[place.end..].replace("%%", "%"),
                text: path.to_path_buf(),
            })),
            _ => Err(Error::Usage(format!(
                "`{}` has {} places for the frame number: write one, such as shot.%04d.exr or \
                 shot.####.exr",
                path.display(),
                places.len()
            ))),
        }
    }
}

impl fmt::Display for Input {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(formatter),
            Self::Pattern(pattern) => pattern.text.display().fmt(formatter),
        }
    }
}

/// Where a frame number goes in a name, in bytes.
struct Place {
    start: usize,
    end: usize,
    digits: usize,
}

/// Finds `%d`, `%4d`, `%04d` and runs of `#`; `%%` is a percent sign.
fn places(name: &str) -> Vec<Place> {
    let bytes = name.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'#' => {
                let run = bytes[at..].iter().take_while(|&&byte| byte == b'#').count();
                found.push(Place {
                    start: at,
                    end: at + run,
                    digits: run,
                });
                at += run;
            }
            b'%' if bytes.get(at + 1) == Some(&b'%') => at += 2,
            b'%' => {
                let width = bytes[at + 1..]
                    .iter()
                    .take_while(|byte| byte.is_ascii_digit())
                    .count();
                let end = at + 1 + width;
                if bytes.get(end) == Some(&b'd') {
                    // Twenty digits hold any frame number; more is not a width but a name.
                    let digits = name[at + 1..end].parse().unwrap_or(1).clamp(1, 20);
                    found.push(Place {
                        start: at,
                        end: end + 1,
                        digits,
                    });
                    at = end + 1;
                } else {
                    at += 1;
                }
            }
            _ => at += 1,
        }
    }
    found
}

/// One frame to be keyed. The files need not exist: a missing one fails its own frame only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shot {
    pub(crate) frame: i64,
    pub(crate) source: PathBuf,
    pub(crate) hint: Option<PathBuf>,
    /// Set when the frame lies in the range but a pattern has no file for it.
    pub(crate) missing: Option<PathBuf>,
}

/// The frames to key, in order: those asked for, else from the first to the last that is there.
/// A gap between the two is a missing frame, not a shorter shot.
pub(crate) fn plan(
    source: &Input,
    hint: Option<&Input>,
    range: Option<Range>,
) -> Result<Vec<Shot>> {
    let pattern = match source {
        Input::File(path) => {
            if range.is_some() {
                return Err(Error::Usage(format!(
                    "--frames needs a pattern such as shot.%04d.exr, and `{}` is one file",
                    path.display()
                )));
            }
            let hint = match hint {
                Some(Input::Pattern(hint)) => {
                    return Err(Error::Usage(format!(
                        "the hint `{}` is a pattern but the source `{}` is one file: name one hint",
                        hint.text.display(),
                        path.display()
                    )));
                }
                Some(Input::File(hint)) => Some(hint.clone()),
                None => None,
            };
            let source = path.clone();
            return Ok(vec![Shot {
                frame: PLAIN_FRAME,
                source,
                hint,
                missing: None,
            }]);
        }
        Input::Pattern(pattern) => pattern,
    };

    let there = pattern.scan()?;
    let hints = match hint {
        Some(Input::Pattern(hint)) => Some((hint, hint.scan()?)),
        _ => None,
    };
    let range = match (range, there.first(), there.last()) {
        (Some(range), ..) => range,
        (None, Some(&first), Some(&last)) if last - first < MOST_FRAMES => Range { first, last },
        (None, Some(&first), Some(&last)) => {
            return Err(Error::Usage(format!(
                "`{source}` has frames from {first} to {last}: say which with --frames FIRST-LAST"
            )));
        }
        _ => {
            return Err(Error::Input {
                path: pattern.text.clone(),
                reason: "no file matches this pattern; check the folder, the name and the number \
                         of digits"
                    .into(),
            });
        }
    };
    if !there
        .iter()
        .any(|frame| (range.first..=range.last).contains(frame))
    {
        let found = match (there.first(), there.last()) {
            (Some(first), Some(last)) => format!("the frames there are {first} to {last}"),
            _ => "no file matches this pattern".into(),
        };
        return Err(Error::Input {
            path: pattern.text.clone(),
            reason: format!(
                "there is no frame from {} to {}; {found}",
                range.first, range.last
            ),
        });
    }
    Ok((range.first..=range.last)
        .map(|frame| {
            let source = pattern.path(frame);
            let (hint, hint_there) = match (&hints, hint) {
                (Some((hint, there)), _) => (Some(hint.path(frame)), there.contains(&frame)),
                (None, Some(Input::File(hint))) => (Some(hint.clone()), true),
                _ => (None, true),
            };
            let missing = if !there.contains(&frame) {
                Some(source.clone())
            } else if !hint_there {
                hint.clone()
            } else {
                None
            };
            Shot {
                frame,
                source,
                hint,
                missing,
            }
        })
        .collect())
}

/// Frame numbers as people write them: `4, 7-9`.
pub(crate) fn summarise(frames: &[i64]) -> String {
    let mut text = String::new();
    let mut at = 0;
    while at < frames.len() {
        let mut end = at;
        while end + 1 < frames.len() && frames[end + 1] == frames[end] + 1 {
            end += 1;
        }
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(&frames[at].to_string());
        if end > at {
            text.push('-');
            text.push_str(&frames[end].to_string());
        }
        at = end + 1;
    }
    text
}

/// The file that one output of one frame is written to: `<source stem>.<output>.<extension>`.
pub(crate) fn output_path(folder: &Path, source: &Path, output: &str, extension: &str) -> PathBuf {
    let mut name: OsString = source
        .file_stem()
        .unwrap_or(OsStr::new("frame"))
        .to_os_string();
    name.push(format!(".{output}.{extension}"));
    folder.join(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn pattern(text: &str) -> Pattern {
        match Input::parse(Path::new(text)).unwrap() {
            Input::Pattern(pattern) => pattern,
            Input::File(path) => panic!("{} is a plain file", path.display()),
        }
    }

    fn touch(folder: &Path, names: &[&str]) {
        for name in names {
            std::fs::write(folder.join(name), b"").unwrap();
        }
    }

    #[test]
    fn patterns_write_the_frame_number() {
        assert_eq!(
            pattern("in/shot.%04d.exr").path(7),
            Path::new("in/shot.0007.exr")
        );
        assert_eq!(
            pattern("in/shot.####.exr").path(12345),
            Path::new("in/shot.12345.exr")
        );
        assert_eq!(pattern("%d.png").path(3), Path::new("3.png"));
        assert_eq!(pattern("a#.png").path(30), Path::new("a30.png"));
        assert_eq!(pattern("100%%_%03d.png").path(5), Path::new("100%_005.png"));
        assert_eq!(
            Input::parse(Path::new("100%.png")).unwrap(),
            Input::File("100%.png".into())
        );
    }

    #[test]
    fn a_name_is_a_frame_only_if_the_pattern_could_have_written_it() {
        let four = pattern("shot.%04d.exr");
        let frame = |name: &str| four.frame_of(OsStr::new(name));
        assert_eq!(frame("shot.0012.exr"), Some(12));
        assert_eq!(frame("shot.12345.exr"), Some(12345));
        assert_eq!(frame("shot.00012.exr"), None);
        assert_eq!(frame("shot.12.exr"), None);
        assert_eq!(frame("shot.-012.exr"), None);
        assert_eq!(frame("shot.0012.exr.part"), None);
        assert_eq!(frame("shot.99999999999999999999999.exr"), None);
    }

    #[test]
    fn two_places_are_a_mistake_and_an_existing_file_is_itself() {
        let error = Input::parse(Path::new("a.##.%04d.exr")).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("2 places"), "{error}");
        let folder = tempfile::tempdir().unwrap();
        touch(folder.path(), &["take #1.png"]);
        let path = folder.path().join("take #1.png");
        assert_eq!(Input::parse(&path).unwrap(), Input::File(path));
    }

    #[test]
    fn ranges_are_checked() {
        assert_eq!("3-9".parse(), Ok(Range { first: 3, last: 9 }));
        assert_eq!("5".parse(), Ok(Range { first: 5, last: 5 }));
        for bad in [
            "",
            "a",
            "9-3",
            "1-",
            "-4",
            "1-2-3",
            "1..4",
            "+1-2",
            "0-1000000",
        ] {
            assert!(bad.parse::<Range>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_gap_is_a_missing_frame_and_the_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        touch(
            folder.path(),
            &["s.0001.png", "s.0002.png", "s.0005.png", "h.0001.png"],
        );
        let source = Input::parse(&folder.path().join("s.%04d.png")).unwrap();
        let hint = Input::parse(&folder.path().join("h.####.png")).unwrap();

        let shots = plan(&source, None, None).unwrap();
        assert_eq!(
            shots.iter().map(|shot| shot.frame).collect::<Vec<_>>(),
            [1, 2, 3, 4, 5]
        );
        let gone: Vec<i64> = shots
            .iter()
            .filter(|s| s.missing.is_some())
            .map(|s| s.frame)
            .collect();
        assert_eq!(gone, [3, 4]);
        assert_eq!(summarise(&gone), "3-4");

        let shots = plan(&source, Some(&hint), Some(Range { first: 1, last: 2 })).unwrap();
        assert_eq!(shots[0].missing, None);
        assert_eq!(
            shots[1].missing.as_deref(),
            Some(&*folder.path().join("h.0002.png"))
        );
    }

    #[test]
    fn a_still_hint_serves_every_frame_but_a_moving_hint_needs_a_moving_plate() {
        let folder = tempfile::tempdir().unwrap();
        touch(folder.path(), &["s.1.png", "s.2.png", "garbage.png"]);
        let source = Input::parse(&folder.path().join("s.#.png")).unwrap();
        let still = Input::parse(&folder.path().join("garbage.png")).unwrap();
        let shots = plan(&source, Some(&still), None).unwrap();
        assert!(
            shots
                .iter()
                .all(|shot| shot.hint.is_some() && shot.missing.is_none())
        );
        assert_eq!(
            plan(&still, Some(&source), None).unwrap_err().exit_code(),
            2
        );
        let one = Some(Range { first: 1, last: 1 });
        assert_eq!(plan(&still, None, one).unwrap_err().exit_code(), 2);
    }

    #[test]
    fn a_pattern_that_matches_nothing_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let source = Input::parse(&folder.path().join("s.%04d.png")).unwrap();
        let error = plan(&source, None, None).unwrap_err();
        assert_eq!(error.exit_code(), 3);
        assert!(error.to_string().contains("no file matches"), "{error}");
        touch(folder.path(), &["s.0010.png", "s.0020.png"]);
        let error = plan(&source, None, Some(Range { first: 1, last: 5 })).unwrap_err();
        assert!(error.to_string().contains("10 to 20"), "{error}");
    }

    #[test]
    fn outputs_keep_the_stem_with_its_frame_number() {
        let path = |source| output_path(Path::new("out"), Path::new(source), "matte", "exr");
        assert_eq!(
            path("in/shot.0001.exr"),
            Path::new("out/shot.0001.matte.exr")
        );
        assert_eq!(path("still.png"), Path::new("out/still.matte.exr"));
        assert_eq!(path("noextension"), Path::new("out/noextension.matte.exr"));
    }

    #[test]
    fn frames_are_summed_up_in_runs() {
        assert_eq!(summarise(&[4, 7, 8, 9, 12]), "4, 7-9, 12");
        assert_eq!(summarise(&[]), "");
    }
}
