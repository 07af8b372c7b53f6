//! From the host's parameters to [`Settings`], along the table.

use ofx::Effect;

use super::Settings;
use super::parameters::{Kind, TABLE};
use crate::keyer::Output;

impl Settings {
    /// Reads every parameter at a time.
    ///
    /// A parameter that a host does not offer (simple hosts know only numbers) keeps the table's
    /// default: the artist could not have set it.
    pub(super) fn read(effect: Effect<'_>, time: f64) -> Self {
        let mut settings = Self::default();
        for parameter in TABLE {
            let Ok(param) = effect.param(parameter.id) else {
                log::debug!(
                    "the host has no parameter {}: its default stands",
                    parameter.id
                );
                continue;
            };
            let read = match parameter.kind {
                // A negative index is a host's "none": the first entry.
                Kind::Choice(_, set) => param
                    .get_choice_at(time)
                    .map(|index| set(&mut settings, usize::try_from(index).unwrap_or(0))),
                Kind::Double { range, set, .. } => {
                    // Hosts may pass what an expression gave; the range is the contract below.
                    param.get_f64_at(time).map(|value| {
                        if value.is_finite() {
                            set(&mut settings, value.clamp(range.0, range.1));
                        }
                    })
                }
                Kind::Integer { range, set, .. } => param
                    .get_i32_at(time)
                    .map(|value| set(&mut settings, value.clamp(range.0, range.1))),
                Kind::Boolean { set, .. } => {
                    param.get_bool_at(time).map(|on| set(&mut settings, on))
                }
                Kind::Text(set) => param
                    .get_string_at(time)
                    .map(|text| set(&mut settings, text.trim().to_owned())),
                Kind::Label | Kind::Button => Ok(()),
            };
            if let Err(error) = read {
                log::debug!(
                    "the host does not give {}: {error}; its default stands",
                    parameter.id
                );
            }
        }
        settings
    }

    /// Reads the one parameter that clip preferences depend on.
    pub(super) fn read_output(effect: Effect<'_>) -> Output {
        let index = effect.param("output").and_then(|param| param.get_choice());
        index
            .ok()
            .and_then(|index| usize::try_from(index).ok())
            .and_then(|index| Output::ALL.get(index).copied())
            .unwrap_or(Output::Processed)
    }
}
