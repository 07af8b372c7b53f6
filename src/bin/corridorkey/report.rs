//! What people and scripts are told: a bar or lines on standard error, JSON on standard output.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use corridorkey::error::Error;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use crate::files::remove;

/// Prints one line of JSON. Whoever closed the pipe wants no more of it, which is no failure.
pub(crate) fn print_json(value: &Value) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{value}").and_then(|()| out.flush());
}

/// Prints text to standard output.
pub(crate) fn print_text(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Prints one line to standard error.
pub(crate) fn print_error(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "corridorkey: {text}");
}

/// Why something failed, for people, scripts and the shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// A stable name.
    pub(crate) code: String,
    /// A sentence.
    pub(crate) message: String,
    /// The exit code.
    pub(crate) exit: u8,
}

impl Failure {
    pub(crate) fn json(&self) -> Value {
        json!({ "code": self.code, "message": self.message })
    }
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        Self {
            code: error.code().into(),
            message: error.to_string(),
            exit: error.exit_code(),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}

/// One frame, as far as it has come.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) number: i64,
    pub(crate) source: PathBuf,
    pub(crate) hint: Option<PathBuf>,
    /// What is written, by output; nothing once the frame has failed.
    pub(crate) outputs: BTreeMap<&'static str, PathBuf>,
    pub(crate) failure: Option<Failure>,
    pub(crate) read: Duration,
    pub(crate) key: Duration,
    pub(crate) write: Duration,
}

impl Frame {
    /// Takes a failed frame's files away, those of an earlier run included: whoever goes by the
    /// files alone would take them for this frame. What the frame is made from stays in any case.
    pub(crate) fn clear(&mut self) {
        let inputs: Vec<PathBuf> = [Some(&self.source), self.hint.as_ref()]
            .into_iter()
            .flatten()
            .filter_map(|path| path.canonicalize().ok())
            .collect();
        for path in std::mem::take(&mut self.outputs).into_values() {
            let is_input = path.canonicalize().is_ok_and(|path| inputs.contains(&path));
            if path.is_file()
                && !is_input
                && let Err(error) = remove(&path)
                && let Some(failure) = &mut self.failure
            {
                failure.message = format!("{}; {error}", failure.message);
            }
        }
    }

    fn json(&self) -> Value {
        let mut value = json!({
            "type": "frame",
            "frame": self.number,
            "source": path_text(&self.source),
            "hint": self.hint.as_deref().map(path_text),
            "outputs": self.outputs.iter().map(|(id, path)| ((*id).to_owned(), path_text(path).into()))
                .collect::<serde_json::Map<String, Value>>(),
            "ms": {
                "read": milliseconds(self.read),
                "key": milliseconds(self.key),
                "write": milliseconds(self.write),
            },
            "status": if self.failure.is_some() { "failed" } else { "ok" },
        });
        if let Some(failure) = &self.failure {
            value["error"] = failure.json();
        }
        value
    }
}

fn path_text(path: &Path) -> String {
    path.display().to_string()
}

/// Milliseconds with one digit after the point.
pub(crate) fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10_000.0).round() / 10.0
}

/// Tells how a run is going, frame by frame, in order.
pub(crate) struct Progress {
    json: bool,
    lines: bool,
    bar: ProgressBar,
    /// Frames that are finished but not yet told, because an earlier one is not.
    waiting: BTreeMap<usize, Frame>,
    told: usize,
    done: usize,
    failed: usize,
    first_failure: Option<Failure>,
    began: Instant,
}

/// The steps of the bar in a frame, so that a long render moves it too.
const STEPS: u64 = 100;

impl Progress {
    pub(crate) fn new(frames: usize, json: bool, quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bar = ProgressBar::new(frames as u64 * STEPS);
        bar.set_draw_target(if quiet || !terminal {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        });
        let style = ProgressStyle::with_template("{wide_bar} {percent:>3} %  {msg}  {eta} left");
        if let Ok(style) = style {
            bar.set_style(style);
        }
        bar.set_message(format!("0/{frames} frames"));
        bar.tick();
        Self {
            json,
            lines: !quiet && !json && !terminal,
            bar,
            waiting: BTreeMap::new(),
            told: 0,
            done: 0,
            failed: 0,
            first_failure: None,
            began: Instant::now(),
        }
    }

    /// The bar, to move while frames render; cheap to copy.
    pub(crate) fn bar(&self) -> ProgressBar {
        self.bar.clone()
    }

    /// A line for people that is not about one frame.
    pub(crate) fn note(&self, text: &str) {
        self.bar.suspend(|| print_error(text));
    }

    /// Frame `index` is finished, well or not.
    pub(crate) fn finish(&mut self, index: usize, frame: Frame) {
        self.waiting.insert(index, frame);
        while let Some(frame) = self.waiting.remove(&self.told) {
            self.told += 1;
            self.tell(&frame);
        }
    }

    fn tell(&mut self, frame: &Frame) {
        match &frame.failure {
            Some(failure) => {
                self.failed += 1;
                self.note(&format!("frame {}: {}", frame.number, failure.message));
                if self.first_failure.is_none() {
                    self.first_failure = Some(failure.clone());
                }
            }
            None => {
                self.done += 1;
                if self.lines {
                    let total = frame.read + frame.key + frame.write;
                    print_error(&format!(
                        "frame {}: {} in {:.0} ms",
                        frame.number,
                        frame.outputs.keys().copied().collect::<Vec<_>>().join(", "),
                        milliseconds(total),
                    ));
                }
            }
        }
        if self.json {
            print_json(&frame.json());
        }
        let frames = self.bar.length().unwrap_or(0) / STEPS;
        self.bar
            .set_message(format!("{}/{frames} frames", self.told));
    }

    /// Takes the bar away, for an error that ends the run.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }

    /// The end of the run; returns the exit code.
    pub(crate) fn end(self, stopped: bool) -> u8 {
        self.bar.finish_and_clear();
        let exit = match &self.first_failure {
            _ if stopped => crate::interrupt::EXIT_CODE,
            Some(failure) => failure.exit,
            None => 0,
        };
        if self.json {
            let status = match exit {
                0 => "ok",
                _ if stopped => "stopped",
                _ => "failed",
            };
            print_json(&json!({
                "type": "summary",
                "status": status,
                "done": self.done,
                "failed": self.failed,
                "ms": milliseconds(self.began.elapsed()),
                "exit": exit,
            }));
        } else if stopped {
            print_error(&format!("stopped; {} frames were done", self.done));
        } else if self.failed > 0 && self.told > 1 {
            print_error(&format!(
                "{} frames done, {} failed",
                self.done, self.failed
            ));
        }
        exit
    }
}

/// The position of the bar when `keyed` frames are keyed and the next is done to `fraction`.
pub(crate) fn bar_position(keyed: usize, fraction: f64) -> u64 {
    let part = (fraction.clamp(0.0, 1.0) * STEPS as f64) as u64;
    keyed as u64 * STEPS + part.min(STEPS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(number: i64, failure: Option<u8>) -> Frame {
        Frame {
            number,
            source: "s.png".into(),
            hint: None,
            outputs: [("matte", PathBuf::from("o/s.matte.png"))].into(),
            failure: failure.map(|exit| Failure {
                code: "input".into(),
                message: "cannot read".into(),
                exit,
            }),
            read: Duration::from_micros(1250),
            key: Duration::from_millis(40),
            write: Duration::ZERO,
        }
    }

    #[test]
    fn frames_are_told_in_order_and_the_first_failure_gives_the_exit_code() {
        let mut progress = Progress::new(4, false, true);
        progress.finish(1, frame(2, Some(3)));
        assert_eq!(progress.told, 0);
        progress.finish(0, frame(1, None));
        assert_eq!(progress.told, 2);
        progress.finish(3, frame(4, Some(6)));
        progress.finish(2, frame(3, None));
        assert_eq!((progress.done, progress.failed), (2, 2));
        assert_eq!(progress.end(false), 3);
    }

    #[test]
    fn success_is_0_and_a_stop_is_130() {
        let mut progress = Progress::new(1, false, true);
        progress.finish(0, frame(1, None));
        assert_eq!(progress.end(false), 0);
        assert_eq!(Progress::new(1, false, true).end(true), 130);
    }

    #[test]
    fn a_frame_s_json_has_everything() {
        let value = frame(7, Some(3)).json();
        assert_eq!(value["frame"], 7);
        assert_eq!(value["outputs"]["matte"], "o/s.matte.png");
        assert_eq!(value["ms"]["read"], 1.3);
        assert_eq!(value["status"], "failed");
        assert_eq!(value["error"]["code"], "input");
        assert_eq!(frame(7, None).json()["error"], Value::Null);
    }

    #[test]
    fn the_bar_moves_within_a_frame_but_not_beyond_it() {
        assert_eq!(bar_position(2, 0.5), 250);
        assert_eq!(bar_position(2, 1.0), 299);
        assert_eq!(bar_position(0, f64::NAN), 0);
    }
}
