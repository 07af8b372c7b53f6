//! The frames beside the one that is rendered, which make its matte steady.
//!
//! A neighbour is keyed as it is when it is rendered itself: with the settings of its own time, by
//! the same model, under the same key of the same cache. So a sequence costs one run of the network
//! a frame, and what a frame looks like does not depend on which were rendered before.

use std::sync::Arc;

use ofx::{Clip, Effect};
use parking_lot::Mutex;
use xxhash_rust::xxh3::Xxh3;

use super::frame::Frame;
use super::patience::Patience;
use super::pictures::Pictures;
use super::render::{Network, SCRATCH};
use super::stages::Stages;
use super::{SOURCE, Settings};
use crate::error::{Error, Result};
use crate::keyer::{self, Lease, Neighbour, Output, Planes, Sight};
use crate::network::{Answer, Service};

/// Frames to each side that are asked for.
const REACH: i32 = 1;

/// How far two frames agree, by the keys of their predictions, the lesser first. Made anew in some
/// ten milliseconds; kept so that a slider's next frame, and the next frame of a sequence, need not.
static AGREEMENTS: Mutex<Vec<(Pair, Arc<Planes>)>> = Mutex::new(Vec::new());
/// So many: those of two frames that are being rendered.
const KEPT: usize = 4;

/// The keys of two predictions.
type Pair = (u128, u128);

/// Forgets what frames have in common.
pub(super) fn purge() {
    AGREEMENTS.lock().clear();
}

/// Alpha of a frame that its neighbours have made steady.
pub(super) struct Steady {
    /// Of the network's size.
    pub(super) alpha: Lease<'static>,
    /// What it depends on: the keys of all the predictions, and how much the neighbours count.
    pub(super) key: u128,
    /// The frames that the network ran for, besides the one that is rendered.
    pub(super) ran: Vec<f64>,
    /// Which frames took part, for the panel.
    pub(super) words: String,
}

/// The times of the neighbours to ask for: none where nothing is to be made steady; otherwise those
/// beside `time` that lie in the plate's range.
pub(super) fn times(effect: Effect<'_>, strength: f32, output: Output, time: f64) -> Vec<f64> {
    let wanted = strength > 0.0 && output.shows_key();
    // A host that says that it gives no other frames is not asked for any.
    if !wanted || effect.host().temporal_access == Some(false) {
        return Vec::new();
    }
    let range = effect.clip(SOURCE).ok().and_then(|clip| clip.frame_range());
    within(time, range)
}

fn within(time: f64, range: Option<(f64, f64)>) -> Vec<f64> {
    (-REACH..=REACH)
        .filter(|step| *step != 0)
        .map(|step| time + f64::from(step))
        .filter(|other| range.is_none_or(|(first, last)| (first..=last).contains(other)))
        .collect()
}

/// The frames of a clip beside the plate that a frame and its neighbours need.
pub(super) fn of_guide(clip: &Clip<'_>, times: &[f64]) -> Vec<f64> {
    let range = clip.frame_range();
    times
        .iter()
        .copied()
        .filter(|other| range.is_none_or(|(first, last)| (first..=last).contains(other)))
        .collect()
}

/// A neighbour as far as it is needed.
struct Beside {
    key: u128,
    answer: Arc<Answer>,
    agreement: Arc<Planes>,
    ran: bool,
}

/// What there is to go by.
pub(super) struct Around<'a, 'b> {
    pub(super) effect: Effect<'b>,
    pub(super) time: f64,
    pub(super) service: &'a Service,
    pub(super) patience: &'a Patience<'b>,
}

impl Around<'_, '_> {
    /// Makes the alpha of an answer steady; `None` where that is not asked for, or there is no
    /// neighbour. `key` is the answer's.
    ///
    /// A neighbour is left out where a clip has no image at its time, and where its plate lies on
    /// another lattice, so that its pixels are not this frame's.
    ///
    /// # Errors
    /// Whatever a render of a neighbour would fail with, but for images that are not there.
    pub(super) fn steady(
        &self,
        frame: &Frame<'_>,
        network: &Network,
        key: u128,
        answer: &Answer,
    ) -> Result<Option<Steady>> {
        let strength = frame.settings.stabilise;
        if strength <= 0.0 {
            return Ok(None);
        }
        let mut beside: Vec<Beside> = Vec::new();
        let mut named = Vec::new();
        let mut ran = Vec::new();
        // The frame itself is looked at once, and only if some pair is not known.
        let mut own = None;
        for time in times(self.effect, strength, frame.settings.output, self.time) {
            self.patience.check()?;
            let found = self.neighbour(frame, network, key, answer, time, &mut own)?;
            if let Some(found) = found {
                named.push(time.to_string());
                if found.ran {
                    ran.push(time);
                }
                beside.push(found);
            }
        }
        if beside.is_empty() {
            return Ok(None);
        }
        let neighbours: Vec<Neighbour<'_>> = beside
            .iter()
            .map(|beside| Neighbour {
                prediction: &beside.answer.prediction,
                agreement: &beside.agreement,
            })
            .collect();
        let make = || {
            let own = &answer.prediction;
            let made = keyer::steady(own, &neighbours, strength, &network.geometry, &SCRATCH);
            made.map_err(Error::from)
        };
        let alpha = self.service.install(|| frame.stages.time("steady", make))?;
        let mut hash = Xxh3::new();
        for key in std::iter::once(key).chain(beside.iter().map(|beside| beside.key)) {
            hash.update(&key.to_le_bytes());
        }
        hash.update(&strength.to_le_bytes());
        Ok(Some(Steady {
            alpha,
            key: hash.digest128(),
            ran,
            words: format!("steadied by frame {}", named.join(" and ")),
        }))
    }

    fn neighbour(
        &self,
        here: &Frame<'_>,
        network: &Network,
        key: u128,
        answer: &Answer,
        time: f64,
        own: &mut Option<Sight>,
    ) -> Result<Option<Beside>> {
        let settings = Settings::read(self.effect, time)?;
        let pictures = match Pictures::fetch(self.effect, settings, time)? {
            Ok(pictures) => pictures,
            Err(gap) => {
                log::debug!("frame {} goes without frame {time}: {}", self.time, gap.0);
                return Ok(None);
            }
        };
        let stages = Stages::start();
        let (there, its_network) = pictures.frame(self.effect, here.grid, self.service, stages)?;
        let its_network = its_network
            .filter(|its| its.geometry == network.geometry && its.frame == network.frame);
        let Some(its_network) = its_network else {
            log::debug!(
                "frame {} goes without frame {time}, whose plate lies elsewhere",
                self.time
            );
            return Ok(None);
        };
        there.check_memory(
            Some(network.geometry.network),
            self.service.options().picture_bytes,
        )?;
        let kept = || its_network.answer(&there, self.service, self.patience);
        let (its_key, its_answer, ran) = here.stages.time("neighbours", kept)?;
        self.patience.check()?;
        let pair = (key.min(its_key), key.max(its_key));
        let known = AGREEMENTS
            .lock()
            .iter()
            .find(|(known, _)| *known == pair)
            .cloned();
        let agreement = match known {
            Some((_, agreement)) => agreement,
            None => {
                let made = self.service.install(|| {
                    here.stages.time("compare", || {
                        let own = match own {
                            Some(own) => own,
                            None => own.insert(sight(here, network, answer)?),
                        };
                        let other = sight(&there, network, &its_answer)?;
                        Ok::<_, Error>(Arc::new(own.agreement(other)?))
                    })
                })?;
                keep(pair, made.clone());
                made
            }
        };
        Ok(Some(Beside {
            key: its_key,
            answer: its_answer,
            agreement,
            ran,
        }))
    }
}

fn sight(frame: &Frame<'_>, network: &Network, answer: &Answer) -> Result<Sight> {
    let plate = frame.plate()?;
    let alpha = &answer.prediction.alpha;
    Ok(Sight::new(&plate, frame.held(), alpha, &network.geometry)?)
}

fn keep(pair: Pair, agreement: Arc<Planes>) {
    let mut agreements = AGREEMENTS.lock();
    agreements.insert(0, (pair, agreement));
    let count = agreements.len().min(KEPT);
    let released = agreements.split_off(count);
    drop(agreements);
    drop(released);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_lie_in_the_plates_range() {
        assert_eq!(within(5.0, None), [4.0, 6.0]);
        assert_eq!(within(5.0, Some((1.0, 9.0))), [4.0, 6.0]);
        assert_eq!(within(1.0, Some((1.0, 9.0))), [2.0]);
        assert_eq!(within(9.0, Some((1.0, 9.0))), [8.0]);
        assert_eq!(within(4.0, Some((4.0, 4.0))), [0.0; 0]);
        // A frame between two of the clip's, as of a retimed shot.
        assert_eq!(within(1.5, Some((1.0, 9.0))), [2.5]);
        assert_eq!(within(12.0, Some((1.0, 9.0))), [0.0; 0]);
    }
}
