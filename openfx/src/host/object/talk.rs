//! What a plug-in says while it works: messages and progress.

use std::sync::Arc;

use crate::host::request::{Message, MessageKind};

/// Called at every report of progress.
pub(crate) type OnProgress = Arc<dyn Fn(f64) + Send + Sync>;

/// Everything said by one instance.
#[derive(Default)]
pub(crate) struct Talk {
    /// All messages, oldest first; see [`Talk::say`] for how many.
    pub(crate) messages: Vec<Message>,
    /// The persistent message that is showing.
    pub(crate) persistent: Option<Message>,
    /// What went wrong most recently, and in which action it was said.
    pub(crate) last_error: Option<(u64, String)>,
    /// Reports since the last render began.
    pub(crate) progress: Vec<f64>,
    /// How many progress reports are open.
    pub(crate) open: usize,
    /// The latest report of the one that is open; `None` while there are several, which cannot be
    /// told apart.
    pub(crate) latest: Option<f64>,
    pub(crate) on_progress: Option<OnProgress>,
}

impl Talk {
    /// So many messages are kept, the newest ones.
    const KEPT: usize = 1000;

    /// Keeps a message said in the action `frame` (0 = in none).
    pub(crate) fn say(&mut self, message: Message, frame: u64) {
        if matches!(message.kind, MessageKind::Fatal | MessageKind::Error) {
            self.last_error = Some((frame, message.text.clone()));
        }
        if message.persistent {
            self.persistent = Some(message.clone());
        }
        if self.messages.len() >= Self::KEPT {
            self.messages.remove(0);
        }
        self.messages.push(message);
    }
}
