//! Every action but Describe and Render: clip preferences, regions, and what happens in the panel.

use ofx::{
    ChangeKind, ClipPreferences, Effect, Handled, InstanceChanged, Premultiplication, RectD,
    RegionsOfInterest,
};

use super::parameters::{
    PURGE_CACHES, REFRESH_STATUS, STATUS_DEVICE, STATUS_MODEL, STATUS_SIZE, STATUS_TIME,
};
use super::{HINT, OUTPUT, SOURCE, Settings, status};
use crate::error::Result;
use crate::keyer::{Association, Output};
use crate::network::Service;

/// Tells the host how the output relates its colour to its alpha, which depends on what is written.
pub(super) fn clip_preferences(
    effect: Effect<'_>,
    preferences: ClipPreferences<'_>,
) -> Result<Handled> {
    // Preferences have no time: what shapes them does not animate.
    let output = Settings::read_output(effect);
    // An RGB host keeps RGB; wherever alpha exists it is wanted.
    preferences.set_components(OUTPUT, ofx::Components::Rgba)?;
    preferences.set_premultiplication(premultiplication(output))?;
    Ok(Handled::Yes)
}

/// How colour and alpha relate in each output, in the host's words.
fn premultiplication(output: Output) -> Premultiplication {
    match output.association() {
        Association::Opaque => Premultiplication::Opaque,
        Association::Premultiplied => Premultiplication::Premultiplied,
        Association::Straight => Premultiplication::Unpremultiplied,
    }
}

/// The key lies where the plate lies.
pub(super) fn region_of_definition(effect: Effect<'_>, time: f64) -> Result<Option<RectD>> {
    let source = effect.clip(SOURCE)?;
    if !source.connected() {
        return Ok(None);
    }
    Ok(source
        .region_of_definition(time)
        .ok()
        .filter(RectD::is_finite))
}

/// The network sees whole frames, so every clip is needed whole, whatever the window.
pub(super) fn regions_of_interest(
    effect: Effect<'_>,
    time: f64,
    regions: RegionsOfInterest<'_>,
) -> Result<Handled> {
    for name in [SOURCE, HINT] {
        let Ok(clip) = effect.clip(name) else {
            continue;
        };
        if !clip.connected() {
            continue;
        }
        if let Some(region) = clip
            .region_of_definition(time)
            .ok()
            .filter(RectD::is_finite)
        {
            regions.set(name, region)?;
        }
    }
    Ok(Handled::Yes)
}

/// Buttons, and the read-only lines that follow a change.
pub(super) fn instance_changed(effect: Effect<'_>, change: &InstanceChanged) -> Result<Handled> {
    if change.kind != ChangeKind::ParamChanged {
        return Ok(Handled::Default);
    }
    match change.name.as_str() {
        PURGE_CACHES => Service::global().purge(),
        REFRESH_STATUS => {}
        // The labels themselves: setting them comes back here.
        STATUS_MODEL | STATUS_DEVICE | STATUS_SIZE | STATUS_TIME => return Ok(Handled::Default),
        "despeckle" => {
            let on = effect.param("despeckle")?.get_bool()?;
            effect.param("despeckleSize")?.set_enabled(on)?;
        }
        _ => {}
    }
    refresh_status(effect);
    Ok(Handled::Yes)
}

/// Writes the last render's facts into the panel. A host that hides labels loses nothing else.
fn refresh_status(effect: Effect<'_>) {
    let Some(report) = status::last(effect.instance_id()) else {
        return;
    };
    let (width, height) = report.size;
    let lines = [
        (STATUS_MODEL, report.model),
        (STATUS_DEVICE, report.device),
        (STATUS_SIZE, format!("{width} x {height}")),
        (STATUS_TIME, report.time),
    ];
    for (id, text) in lines {
        if let Err(error) = effect.param(id).and_then(|param| param.set_string(&text)) {
            log::debug!("the host does not show {id}: {error}");
        }
    }
}
