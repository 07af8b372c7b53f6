//! Which frames are read and which of them are keyed, and each one's turn with those beside it.

use std::iter::Peekable;
use std::sync::Arc;

use corridorkey::error::Result;
use corridorkey::plugin::parameters::STABILISE;

use crate::args::KeyArguments;
use crate::frames::{Input, Range, Shot, plan};
use crate::load::Read;

/// The frames that are read.
pub(crate) struct Reel {
    /// In their order: those that are keyed, and one more at either end where it is looked at.
    pub(crate) shots: Vec<Shot>,
    /// Which of them are keyed.
    keyed: std::ops::Range<usize>,
    /// Whether the frames beside each are looked at.
    beside: bool,
}

impl Reel {
    /// The frames that are asked for. Where those beside each are looked at, the ones beside the first
    /// and the last come along if they are there, so that a shot that is keyed in parts looks as if it
    /// were keyed in one.
    pub(crate) fn plan(
        source: &Input,
        hint: Option<&Input>,
        arguments: &KeyArguments,
    ) -> Result<Self> {
        let mut shots = plan(source, hint, arguments.frames)?;
        let (count, mut before) = (shots.len(), 0);
        let beside = arguments.set.iter().any(|(id, _)| id == STABILISE);
        if let (Some(asked), true) = (arguments.frames, beside) {
            let one = |frame: i64| -> Option<Shot> {
                let alone = Range {
                    first: frame,
                    last: frame,
                };
                let found = plan(source, hint, Some(alone)).ok()?.pop()?;
                found.missing.is_none().then_some(found)
            };
            shots.extend(one(asked.last + 1));
            if let Some(first) = asked.first.checked_sub(1).and_then(one) {
                shots.insert(0, first);
                before = 1;
            }
        }
        Ok(Self {
            shots,
            keyed: before..before + count,
            beside,
        })
    }

    /// Those that are keyed.
    pub(crate) fn keyed(&self) -> &[Shot] {
        &self.shots[self.keyed.clone()]
    }
}

/// Frames in their order, each with those beside it where they are looked at.
pub(crate) struct Window<'a, I: Iterator<Item = (usize, Arc<Read>)>> {
    frames: Peekable<I>,
    reel: &'a Reel,
    /// The frame that was taken last, and its number.
    last: Option<(i64, Arc<Read>)>,
}

/// A frame whose turn it is.
pub(crate) struct Turn {
    /// Counted from 0 among those that are keyed.
    pub(crate) index: usize,
    pub(crate) frame: Arc<Read>,
    /// The one before and the one after with their numbers, where they are looked at and are there.
    pub(crate) beside: [Option<(i64, Arc<Read>)>; 2],
}

impl<'a, I: Iterator<Item = (usize, Arc<Read>)>> Window<'a, I> {
    /// Of a reel's frames as they are read, counted from 0.
    pub(crate) fn new(frames: I, reel: &'a Reel) -> Self {
        Self {
            frames: frames.peekable(),
            reel,
            last: None,
        }
    }

    /// The next frame to key. Where the one after it is looked at, this waits until that is read.
    pub(crate) fn next(&mut self) -> Option<Turn> {
        let Reel {
            shots,
            keyed,
            beside,
        } = self.reel;
        loop {
            let (at, frame) = self.frames.next()?;
            let mut around = [None, None];
            if *beside {
                let last = self.last.replace((shots[at].frame, Arc::clone(&frame)));
                let next = self.frames.peek();
                around = [
                    last,
                    next.map(|(at, next)| (shots[*at].frame, Arc::clone(next))),
                ];
            }
            if at >= keyed.end {
                return None;
            }
            if let Some(index) = at.checked_sub(keyed.start) {
                return Some(Turn {
                    index,
                    frame,
                    beside: around,
                });
            }
        }
    }
}
