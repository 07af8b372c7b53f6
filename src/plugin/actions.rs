//! Every action but Describe and Render: clip preferences, regions, and what happens in the panel.

use ofx::{
    ChangeKind, Clip, ClipPreferences, ColourStyle, Effect, FramesNeeded, Handled, InstanceChanged,
    Premultiplication, RectD, RegionsOfInterest,
};

use super::parameters::{
    ANALYSE_SCREEN, DETAIL_FEATHER, DETAIL_SHRINK, HELP, OPEN_LOG, PURGE_CACHES, REFRESH_STATUS,
    SCREEN_MEASURE, SCREEN_PICK, STATUS_DEVICE, STATUS_MODEL, STATUS_READING, STATUS_SIZE,
    STATUS_TIME, WARM_UP,
};
use super::status::Report;
use super::{
    BACKGROUND, HINT, INSIDE, OUTPUT, OUTSIDE, SOURCE, Settings, analyse, colour, guides,
    neighbours, region, render, shown, status,
};
use crate::error::Result;
use crate::keyer::{Association, HintMissing, HintSource, Output, ScreenColour, ScreenMeasure};

/// Tells the host how the output relates its colour to its alpha, which depends on what is written.
pub(super) fn clip_preferences(
    effect: Effect<'_>,
    preferences: ClipPreferences<'_>,
) -> Result<Handled> {
    // Preferences have no time: what shapes them does not animate.
    let output = match Settings::read_output(effect) {
        Ok(output) => output,
        // The render says so in its message; here some hosts would drop the node for it.
        Err(error) => {
            log::warn!("no clip preferences: {error}");
            return Ok(Handled::Default);
        }
    };
    // An RGB host keeps RGB; wherever alpha exists it is wanted.
    preferences.set_components(OUTPUT, ofx::Components::Rgba)?;
    preferences.set_premultiplication(premultiplication(output))?;
    if effect.colour_style() != ColourStyle::None {
        // Hint and masks are data. Any encoding of the Source will do: none is preferred.
        for name in [HINT, INSIDE, OUTSIDE] {
            preferences.set_preferred_colourspaces(name, &[colour::RAW])?;
        }
    }
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
    Ok(region::of_plate(effect, &source, time))
}

/// The network sees whole frames, so every clip is needed whole, whatever the window. Of a hint that
/// is everywhere the plate's region is the whole.
pub(super) fn regions_of_interest(
    effect: Effect<'_>,
    time: f64,
    regions: RegionsOfInterest<'_>,
) -> Result<Handled> {
    let source = effect.clip(SOURCE)?;
    let plate = region::of_plate(effect, &source, time);
    for name in [SOURCE, HINT, INSIDE, OUTSIDE, BACKGROUND] {
        let Ok(clip) = effect.clip(name) else {
            continue;
        };
        if !clip.connected() {
            continue;
        }
        if let Some(region) = region::of_clip(&clip, time).or(plate) {
            regions.set(name, region)?;
        }
    }
    Ok(Handled::Yes)
}

/// Every clip is needed at the frame itself; plate, hint and masks also at its neighbours, where the
/// matte is to be steady. A hint or mask that may be borrowed from the nearest frame is asked for at
/// the end of its range, where the frame lies beyond it.
pub(super) fn frames_needed(
    effect: Effect<'_>,
    time: f64,
    frames: FramesNeeded<'_>,
) -> Result<Handled> {
    let read = || {
        let strength = Settings::read_stabilise(effect, time)?;
        let output = match strength > 0.0 {
            true => Settings::read_output(effect)?,
            false => Output::ALL[0],
        };
        let nearest = Settings::read_hint_missing(effect)? == HintMissing::Nearest;
        Ok((neighbours::times(effect, strength, output, time), nearest))
    };
    let (beside, nearest) = match read() {
        Ok((beside, false)) if beside.is_empty() => return Ok(Handled::Default),
        Ok(read) => read,
        // The render says so in its message; this action has none.
        Err(error) => {
            let error: crate::error::Error = error;
            log::warn!("no frames needed: {error}");
            return Ok(Handled::Default);
        }
    };
    if !beside.is_empty() {
        frames.set(SOURCE, &[span(time, &beside)])?;
    }
    for name in [HINT, INSIDE, OUTSIDE] {
        let Some(clip) = effect.clip_optional(name)?.filter(Clip::connected) else {
            continue;
        };
        let range = clip.frame_range();
        let needed = if nearest {
            let borrowed = beside.iter().map(|time| guides::borrowable(*time, range));
            let borrowed: Vec<f64> = borrowed.collect();
            span(guides::borrowable(time, range), &borrowed)
        } else {
            span(time, &neighbours::of_guide(&clip, &beside))
        };
        frames.set(name, &[needed])?;
    }
    Ok(Handled::Yes)
}

/// From the first of all these times to the last.
fn span(time: f64, others: &[f64]) -> (f64, f64) {
    others.iter().fold((time, time), |(first, last), other| {
        (first.min(*other), last.max(*other))
    })
}

/// Buttons, and the read-only lines that follow a change.
pub(super) fn instance_changed(effect: Effect<'_>, change: &InstanceChanged) -> Result<Handled> {
    if change.kind != ChangeKind::ParamChanged {
        return Ok(Handled::Default);
    }
    match change.name.as_str() {
        PURGE_CACHES => render::purge(),
        ANALYSE_SCREEN => analyse::store_screen(effect, change.time)?,
        WARM_UP => render::warm_up(effect, change.time)?,
        REFRESH_STATUS => {}
        OPEN_LOG => shown::log_folder()?,
        HELP => shown::help()?,
        // The labels themselves: setting them comes back here.
        STATUS_MODEL | STATUS_DEVICE | STATUS_SIZE | STATUS_TIME | STATUS_READING => {
            return Ok(Handled::Default);
        }
        _ => enable_dependents(effect)?,
    }
    refresh_status(effect, change.time);
    Ok(Handled::Yes)
}

/// A new node, or one of a project that was opened. It is made whatever is the matter with its
/// parameters: the render says so, in words.
pub(super) fn create_instance(effect: Effect<'_>) {
    if let Err(error) = enable_dependents(effect) {
        log::warn!("nothing is greyed out in a new node: {error}");
    }
}

/// Greys out what another control overrides as they are set, and hides what makes no sense at all.
/// Nothing goes by Output, which artists switch back and forth, nor by what animates.
fn enable_dependents(effect: Effect<'_>) -> Result<()> {
    let settings = Settings::read(effect, 0.0)?;
    let screen = matches!(settings.hint_source, HintSource::Auto | HintSource::Screen);
    let clip = matches!(settings.hint_source, HintSource::Auto | HintSource::Hint);
    // The picked colour also tells which screen it is, whatever the hint is made from.
    let picked = settings.measure == ScreenMeasure::Picked;
    for (id, on) in [
        ("despeckleSize", settings.despeckle),
        ("despeckleMethod", settings.despeckle),
        ("hintChannel", clip),
        (
            SCREEN_MEASURE,
            screen || settings.screen == ScreenColour::Auto,
        ),
        (SCREEN_PICK, picked),
        (DETAIL_SHRINK, settings.source_detail),
        (DETAIL_FEATHER, settings.source_detail),
    ] {
        if_offered(effect.param(id).and_then(|param| param.set_enabled(on)))?;
    }
    // Hosts that can grey out but not hide leave these grey.
    for (id, shown) in [
        (SCREEN_PICK, picked),
        (DETAIL_SHRINK, settings.source_detail),
        (DETAIL_FEATHER, settings.source_detail),
    ] {
        if_offered(effect.param(id).and_then(|param| param.set_secret(!shown)))?;
    }
    Ok(())
}

/// A host without a parameter, or without the property, has nothing to grey out or hide.
fn if_offered(done: ofx::Result<()>) -> Result<()> {
    match done {
        Err(error) if error.is_absent() => Ok(()),
        other => Ok(other?),
    }
}

/// Writes the last render's facts into the panel. A host that hides labels loses nothing else.
fn refresh_status(effect: Effect<'_>, time: f64) {
    let report = Settings::read(effect, time)
        .ok()
        .and_then(|settings| status::last(effect.instance_id(), &settings))
        .unwrap_or_else(Report::none);
    let lines = [
        (STATUS_MODEL, report.model),
        (STATUS_DEVICE, report.device),
        (STATUS_SIZE, report.size),
        (STATUS_TIME, report.time),
        (STATUS_READING, report.reading),
    ];
    for (id, text) in lines {
        if let Err(error) = effect.param(id).and_then(|param| param.set_string(&text)) {
            log::debug!("the host does not show {id}: {error}");
        }
    }
}
