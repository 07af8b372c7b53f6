//! Messages and progress: what the user sees of an effect besides the picture.

use std::ffi::c_void;
use std::marker::PhantomData;

use crate::effect::Effect;
use crate::error::{Error, Result};
use crate::suites::{Messages, ProgressTable, check};
use crate::sys;
use crate::text;
use crate::types::{Status, named};

named! {
    /// How grave a message is.
    pub enum MessageKind {
        /// The picture could not be made.
        Error = sys::kOfxMessageError,
        /// The picture was made, with a doubt.
        Warning = sys::kOfxMessageWarning,
        /// Something to know.
        Message = sys::kOfxMessageMessage,
    }
}

/// Longest message in bytes. Hosts format messages into buffers of their own, and some of these
/// are small and not guarded.
const LONGEST: usize = 1000;

impl Effect<'_> {
    /// Shows a message on the effect until it is cleared.
    ///
    /// A host without persistent messages shows it once; a host without messages shows nothing,
    /// and the text goes to the log alone. Texts beyond 1000 bytes are cut.
    ///
    /// # Errors
    /// `host.text` for a text with a NUL inside; `host.call` when the host fails.
    pub fn set_persistent_message(&self, kind: MessageKind, id: &str, text: &str) -> Result<()> {
        let text = shortened(text);
        let (id, c_text) = (text::passing(id)?, text::passing(&text)?);
        let (handle, kind) = (self.raw().cast::<c_void>(), kind.ofx_name().as_ptr());
        // The text is an argument and not the format: it may hold a per cent sign.
        let (id, format, c_text) = (id.as_ptr(), c"%s".as_ptr(), c_text.as_ptr());
        match self.suites().messages {
            Messages::Persistent(table) => {
                // SAFETY: a valid instance, terminated texts, and one argument for one "%s".
                check(unsafe { (table.set_persistent)(handle, kind, id, format, c_text) })
                    .map_err(failed("setPersistentMessage"))
            }
            Messages::Once(table) => {
                // SAFETY: as above.
                let status = unsafe { (table.message)(handle, kind, id, format, c_text) };
                match Status::from_raw(status) {
                    // What a host answers on behalf of the user.
                    Status::OK | Status::REPLY_DEFAULT | Status::REPLY_YES | Status::REPLY_NO => {
                        Ok(())
                    }
                    status => Err(failed("message")(status)),
                }
            }
            Messages::Absent => {
                log::warn!("the host cannot show messages: {text}");
                Ok(())
            }
        }
    }

    /// Takes the message off the effect.
    ///
    /// # Errors
    /// `host.call` when the host fails.
    pub fn clear_persistent_message(&self) -> Result<()> {
        let Messages::Persistent(table) = self.suites().messages else {
            return Ok(());
        };
        // SAFETY: a valid instance.
        check(unsafe { (table.clear_persistent)(self.raw().cast()) })
            .map_err(failed("clearPersistentMessage"))
    }

    /// Whether the host keeps a message on show until it is cleared.
    pub(crate) fn messages_persist(&self) -> bool {
        matches!(self.suites().messages, Messages::Persistent(_))
    }

    /// Starts a progress bar; it goes away with the returned guard. A host without progress bars
    /// shows none.
    ///
    /// # Errors
    /// `host.text` for a label with a NUL inside.
    pub fn progress(&self, label: &str) -> Result<Progress<'_>> {
        let (_, label) = text::lasting(label)?;
        let handle = self.raw().cast::<c_void>();
        let started = self.suites().progress.filter(|table| {
            // SAFETY: a valid instance and a terminated label.
            check(unsafe { (table.start)(handle, label.as_ptr()) }).is_ok()
        });
        Ok(Progress {
            started,
            handle,
            _effect: PhantomData,
        })
    }
}

fn failed(function: &'static str) -> impl Fn(Status) -> Error {
    move |status| Error::Call { function, status }
}

/// The text, cut to the longest that a host is trusted with.
fn shortened(text: &str) -> std::borrow::Cow<'_, str> {
    if text.len() <= LONGEST {
        return text.into();
    }
    let ellipsis = "…";
    let mut end = LONGEST - ellipsis.len();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{ellipsis}", &text[..end]).into()
}

/// A progress bar on show.
#[derive(Debug)]
pub struct Progress<'a> {
    started: Option<ProgressTable>,
    handle: *mut c_void,
    _effect: PhantomData<&'a ()>,
}

impl Progress<'_> {
    /// Moves the bar to a fraction between 0 and 1; false when the user wants to stop.
    pub fn update(&self, fraction: f64) -> bool {
        let Some(table) = self.started else {
            return true;
        };
        let fraction = if fraction.is_nan() {
            0.0
        } else {
            fraction.clamp(0.0, 1.0)
        };
        // SAFETY: the instance is valid during the action that the guard borrows from.
        Status::from_raw(unsafe { (table.update)(self.handle, fraction) }) != Status::REPLY_NO
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if let Some(table) = self.started {
            // SAFETY: as above; every bar that was started ends once.
            if let Err(status) = check(unsafe { (table.end)(self.handle) }) {
                log::debug!("the host could not end the progress bar ({status})");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_messages_are_cut_between_characters() {
        assert_eq!(shortened("short"), "short");
        let exact = "x".repeat(LONGEST);
        assert_eq!(shortened(&exact), exact);
        let long = "ä".repeat(LONGEST);
        let cut = shortened(&long);
        assert!(cut.len() <= LONGEST && cut.len() > LONGEST - 5);
        assert!(cut.ends_with('…') && cut.trim_end_matches('…').chars().all(|c| c == 'ä'));
    }
}
