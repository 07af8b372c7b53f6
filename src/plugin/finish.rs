//! What makes a key of an answer, and what of it is kept for a slider's next frame.

use std::ops::Range;
use std::sync::Arc;

use parking_lot::Mutex;

use super::frame::Frame;
use super::neighbours::Steady;
use super::render::SCRATCH;
use crate::error::Result;
use crate::keyer::{
    Enlarged, Geometry, Guide, Planes, Plate, Predicted, Screen, Specks, Upsampling,
};
use crate::network::Answer;

/// What was made of a prediction, by its key and the way it was brought to the plate's size.
type Kept<T> = Mutex<Option<((u128, Upsampling), Arc<T>)>>;

/// The last prediction that was brought to a larger plate's size, whole. Its planes are lent by
/// [`SCRATCH`], where they would lie idle otherwise; a slider's next frame finds the picture in
/// them.
static ENLARGED: Kept<Enlarged<'static>> = Mutex::new(None);

/// The islands and holes of the last prediction that was finished without being kept at the plate's
/// size: because it has that size, or because little of it was wanted.
static SPECKS: Kept<Specks> = Mutex::new(None);

/// What plates told of the last predictions that were brought to their size by it, by the
/// predictions' keys. Made anew in a moment; kept so that a slider's next frame need not.
static GUIDES: Mutex<Vec<(u128, Arc<Guide>)>> = Mutex::new(Vec::new());
/// So many: an A and a B.
const KEPT_GUIDES: usize = 2;

/// Gives back all that is kept.
pub(super) fn purge() {
    GUIDES.lock().clear();
    forget_enlarged();
    *SPECKS.lock() = None;
}

/// Gives back what is kept at a plate's size.
pub(super) fn forget_enlarged() {
    let old = ENLARGED.lock().take();
    drop(old);
}

/// An answer, and what makes a key of it.
pub(super) struct Finish {
    /// Under which the answer is kept.
    pub(super) key: u128,
    pub(super) answer: Arc<Answer>,
    /// In place of the answer's alpha, where neighbours made it steady.
    pub(super) steady: Option<Steady>,
    pub(super) geometry: Geometry,
    pub(super) screen: Screen,
}

impl Finish {
    /// Alpha at the network's size.
    fn alpha(&self) -> &Planes {
        let predicted = &self.answer.prediction.alpha;
        self.steady
            .as_ref()
            .map_or(predicted, |steady| &steady.alpha)
    }

    /// Alpha and foreground at the network's size, and what is known of them.
    pub(super) fn predicted<'a>(&'a self, specks: &'a Specks) -> Predicted<'a> {
        Predicted {
            alpha: self.alpha(),
            foreground: &self.answer.prediction.foreground,
            specks: Some(specks),
        }
    }

    /// Under which what is made of that is kept.
    fn own(&self, frame: &Frame<'_>) -> (u128, Upsampling) {
        let own = self.steady.as_ref().map_or(self.key, |steady| steady.key);
        (own, frame.settings.upsampling)
    }

    /// What is known of its islands and holes.
    pub(super) fn specks(&self, frame: &Frame<'_>) -> Arc<Specks> {
        let own = self.own(frame);
        let mut kept = SPECKS.lock();
        if let Some((known, specks)) = &*kept
            && *known == own
        {
            return specks.clone();
        }
        let specks = Arc::new(Specks::of(self.answer.asked.clone()));
        *kept = Some((own, specks.clone()));
        specks
    }

    /// What the plate tells of this answer's alpha: kept, or found now; `None` where it is not
    /// asked for.
    pub(super) fn guide(&self, frame: &Frame<'_>) -> Result<Option<Arc<Guide>>> {
        if frame.settings.upsampling != Upsampling::Guided {
            return Ok(None);
        }
        let (own, _) = self.own(frame);
        let kept = GUIDES.lock().iter().find(|(key, _)| *key == own).cloned();
        if let Some((_, guide)) = kept {
            return Ok(Some(guide));
        }
        let plate = frame.plate()?;
        let look = || Guide::new(&plate, frame.held(), self.alpha(), &self.geometry);
        let guide = Arc::new(frame.stages.time("guide", look)?);
        let mut guides = GUIDES.lock();
        guides.insert(0, (own, guide.clone()));
        let count = guides.len().min(KEPT_GUIDES);
        let released = guides.split_off(count);
        drop(guides);
        drop(released);
        Ok(Some(guide))
    }

    /// The answer at the plate's size: kept, or made now if most of it is wanted, and then kept; its
    /// foreground from the second time on that it is shown, since a shot that is played shows each
    /// once. `None` where the answer has that size, or where only a part of it is wanted.
    pub(super) fn enlarged(
        &self,
        frame: &Frame<'_>,
        plate: Plate<'_>,
        wanted: &Range<usize>,
        specks: &Specks,
    ) -> Result<Option<Arc<Enlarged<'static>>>> {
        if self.geometry.is_own_size() {
            return Ok(None);
        }
        let key = self.own(frame);
        let mut kept = ENLARGED.lock();
        if let Some((known, enlarged)) = &*kept
            && *known == key
        {
            let enlarged = enlarged.clone();
            drop(kept);
            if frame.settings.output.shows_foreground() && !enlarged.keeps_foreground() {
                let foreground = &self.answer.prediction.foreground;
                let keep = || enlarged.keep_foreground(foreground, &SCRATCH);
                frame.stages.time("enlarge", keep)?;
            }
            return Ok(Some(enlarged));
        }
        if wanted.len() < self.geometry.plate.height / 2 {
            return Ok(None);
        }
        // Before, so that the new one takes the old one's planes.
        let old = kept.take();
        drop(kept);
        drop(old);
        let (predicted, exchange) = (self.predicted(specks), self.answer.exchange);
        let (way, plate) = (frame.settings.upsampling, Some(plate));
        let make = || Enlarged::new(predicted, &self.geometry, exchange, way, plate, &SCRATCH);
        let Some(enlarged) = frame.stages.time("enlarge", make)? else {
            return Ok(None);
        };
        let enlarged = Arc::new(enlarged);
        let old = ENLARGED.lock().replace((key, enlarged.clone()));
        drop(old);
        Ok(Some(enlarged))
    }
}
