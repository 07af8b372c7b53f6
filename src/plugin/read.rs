//! From the host's parameters to [`Settings`], along the table.

use ofx::Effect;

use super::Settings;
use super::parameters::{self, Kind, STABILISE};
use crate::error::Result;
use crate::keyer::{self, HintMissing, OnFailure, Output, OutputColour};

impl Settings {
    /// Reads every parameter at a time.
    ///
    /// A parameter that a host does not offer (simple hosts know only numbers) keeps the table's
    /// default: the artist could not have set it.
    ///
    /// # Errors
    /// When the host fails to tell a value in any other way, and for a choice that this version
    /// does not have: a default in its place would be another picture than the project says.
    pub(super) fn read(effect: Effect<'_>, time: f64) -> Result<Self> {
        let mut settings = Self::default();
        for parameter in parameters::all() {
            if matches!(parameter.kind, Kind::Label | Kind::Button) {
                continue;
            }
            let id = parameter.id;
            let Some(param) = offered(id, effect.param(id))? else {
                continue;
            };
            match parameter.kind {
                Kind::Choice(choices, set) => {
                    if let Some(index) = offered(id, param.get_choice_at(time))? {
                        set(&mut settings, known(id, index, choices.len())?);
                    }
                }
                Kind::Double { range, set, .. } => {
                    // Hosts may pass what an expression gave; the range is the contract below.
                    let value = offered(id, param.get_f64_at(time))?;
                    if let Some(value) = value.filter(|value| value.is_finite()) {
                        set(&mut settings, value.clamp(range.0, range.1));
                    }
                }
                Kind::Integer { range, set, .. } => {
                    if let Some(value) = offered(id, param.get_i32_at(time))? {
                        set(&mut settings, value.clamp(range.0, range.1));
                    }
                }
                Kind::Boolean { set, .. } => {
                    if let Some(on) = offered(id, param.get_bool_at(time))? {
                        set(&mut settings, on);
                    }
                }
                Kind::Rgb { set, .. } => {
                    let value = offered(id, param.get_rgb_at(time))?;
                    if let Some(value) = value.filter(|value| value.iter().all(|v| v.is_finite())) {
                        set(&mut settings, value);
                    }
                }
                Kind::Text(set) => {
                    if let Some(text) = offered(id, param.get_string_at(time))? {
                        set(&mut settings, text.trim().to_owned());
                    }
                }
                Kind::Label | Kind::Button => {}
            }
        }
        Ok(settings)
    }

    /// Reads the one parameter that clip preferences depend on.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(super) fn read_output(effect: Effect<'_>) -> Result<Output> {
        choice(effect, "output", Output::ALL)
    }

    /// Reads the one parameter that decides which frames of hint and masks are needed.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(super) fn read_hint_missing(effect: Effect<'_>) -> Result<HintMissing> {
        choice(effect, "hintMissing", HintMissing::ALL)
    }

    /// Reads the one parameter that decides whether neighbouring frames are needed; 0 where the host
    /// does not offer it.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(super) fn read_stabilise(effect: Effect<'_>, time: f64) -> Result<f32> {
        let value = match offered(STABILISE, effect.param(STABILISE))? {
            Some(param) => offered(STABILISE, param.get_f64_at(time))?,
            None => None,
        };
        // Not a number is no wish for anything, as in `read`.
        Ok(value
            .map_or(0.0, |value| value.clamp(0.0, 1.0) as f32)
            .max(0.0))
    }

    /// Reads the one parameter that a failure asks for, whatever is the matter with the others.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(super) fn read_on_failure(effect: Effect<'_>) -> Result<OnFailure> {
        choice(effect, "onFailure", OnFailure::ALL)
    }

    /// Reads the one parameter that the output's colour space depends on besides.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(super) fn read_output_colour(effect: Effect<'_>) -> Result<OutputColour> {
        choice(effect, "outputColor", OutputColour::ALL)
    }
}

/// A choice that has no time; its default where the host does not offer it.
fn choice<T: Copy>(effect: Effect<'_>, id: &'static str, all: &[T]) -> Result<T> {
    let index = match offered(id, effect.param(id))? {
        Some(param) => offered(id, param.get_choice())?.unwrap_or(0),
        None => 0,
    };
    Ok(all[known(id, index, all.len())?])
}

/// What the host answered; `None` where it does not have such a thing at all.
fn offered<T>(id: &str, answer: ofx::Result<T>) -> Result<Option<T>> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_absent() => {
            log::debug!("the host does not give {id}: {error}; its default stands");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// An index that the list has.
fn known(setting: &'static str, index: i32, length: usize) -> Result<usize> {
    usize::try_from(index)
        .ok()
        .filter(|index| *index < length)
        .ok_or_else(|| {
            let last = length - 1;
            keyer::Error::UnknownIndex {
                setting,
                index,
                last,
            }
            .into()
        })
}
