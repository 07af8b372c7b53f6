//! What the plug-in tells a host about itself: contexts, depths, clips and the parameter table.

use ofx::types::COLOUR_CONFIG;
use ofx::{
    ColourStyle, Components, Context, Depth, EffectDescriptor, FieldExtraction, ParamKind,
    ParamSetDescriptor, StringMode, ThreadSafety,
};

use super::parameters::{self, Group, Kind, Parameter};
use super::{BACKGROUND, HINT, IDENTIFIER, INSIDE, LABEL, OUTPUT, OUTSIDE, SOURCE};
use crate::error::{Error, Result};

/// Environment variable that narrows the declared depths, for hosts that offer no choice of their
/// own and for tests: a comma-separated list of `byte`, `short`, `half`, `float`.
pub const DEPTHS_VARIABLE: &str = "CORRIDORKEY_OFX_DEPTHS";

/// Describes the effect, the same in every context.
pub(super) fn describe(effect: EffectDescriptor<'_>) -> Result<()> {
    effect.set_label(LABEL)?;
    effect.set_grouping("Keyer")?;
    effect.set_description(
        "Unmixes a green, blue or red screen plate into a linear alpha and a straight, spill-free \
         foreground, hair and motion blur included, with a neural network that a rough hint guides.",
    )?;
    effect.set_version(&version(), crate::VERSION)?;
    effect.set_icon("", &format!("{IDENTIFIER}.png"))?;
    effect.set_contexts(&[Context::Filter, Context::General])?;
    effect.set_depths(&declared_depths(
        std::env::var(DEPTHS_VARIABLE).ok().as_deref(),
    ))?;
    effect.set_multi_resolution(true)?;
    // The network sees the whole frame; a tile alone means nothing to it.
    effect.set_tiles(false)?;
    // A hint may be borrowed from another frame, and neighbours may steady the matte; which are asked
    // for says FramesNeeded.
    effect.set_temporal_access(true)?;
    effect.set_multiple_clip_depths(false)?;
    effect.set_multiple_clip_pixel_aspects(false)?;
    effect.set_single_instance(false)?;
    // Rows are spread over threads of our own; slices of a frame per host thread would only wait
    // for the same prediction.
    effect.set_host_frame_threading(false)?;
    effect.set_thread_safety(ThreadSafety::FullySafe)?;
    effect.set_colour_management(ColourStyle::Core, &[COLOUR_CONFIG])?;
    let shaping: Vec<&str> = parameters::all()
        .filter(|parameter| parameter.shapes_output)
        .map(|parameter| parameter.id)
        .collect();
    effect.set_clip_preference_parameters(&shaping)?;
    Ok(())
}

/// The package's version as numbers.
fn version() -> Vec<i32> {
    env!("CARGO_PKG_VERSION")
        .split('.')
        .map_while(|part| part.parse().ok())
        .collect()
}

/// Reads [`DEPTHS_VARIABLE`]. Words that are no depth are ignored; an empty result means all.
///
/// Float comes first: hosts that take the first depth they know then keep values above 1.
fn declared_depths(words: Option<&str>) -> Vec<Depth> {
    const NAMES: [(&str, Depth); 4] = [
        ("float", Depth::Float),
        ("half", Depth::Half),
        ("short", Depth::Short),
        ("byte", Depth::Byte),
    ];
    let chosen: Vec<Depth> = NAMES
        .iter()
        .filter(|(name, _)| {
            words.is_some_and(|words| words.split(',').any(|word| word.trim() == *name))
        })
        .map(|&(_, depth)| depth)
        .collect();
    if chosen.is_empty() {
        NAMES.iter().map(|&(_, depth)| depth).collect()
    } else {
        chosen
    }
}

/// Declares clips and parameters.
pub(super) fn describe_in_context(effect: EffectDescriptor<'_>, context: Context) -> Result<()> {
    // A Filter is RGBA in and RGBA out by the specification; General also takes RGB plates.
    let picture: &[Components] = match context {
        Context::Filter => &[Components::Rgba],
        _ => &[Components::Rgba, Components::Rgb],
    };
    let any: &[Components] = &[Components::Alpha, Components::Rgba, Components::Rgb];
    let alone: &[Components] = &[Components::Alpha];
    for (name, components, optional) in [
        (SOURCE, picture, false),
        (HINT, any, true),
        (INSIDE, alone, true),
        (OUTSIDE, alone, true),
        (BACKGROUND, picture, true),
        (OUTPUT, picture, false),
    ] {
        let mask = matches!(name, INSIDE | OUTSIDE);
        effect
            .define_clip(name)?
            .label(name)?
            .components(components)?
            .optional(optional)?
            // The hint is no mask clip: hosts let those be switched off, and blend with them.
            .mask(mask)?
            // The network sees whole frames. Of interlaced ones the rows of a field are written.
            .field_extraction(FieldExtraction::Both)?
            .tiles(false)?
            .temporal_access(mask || matches!(name, SOURCE | HINT))?;
    }

    let params = effect.params()?;
    for group in Group::ALL {
        let (id, label) = group.names();
        let define = || params.define(ParamKind::Group, id)?.label(label);
        if_known(id, define().map(drop).map_err(Error::Host))?;
    }
    for parameter in parameters::all() {
        if_known(parameter.id, define(params, parameter))?;
    }
    let groups = Group::ALL.map(|group| group.names().0);
    let page = "pageControls";
    let define = || {
        params
            .define(ParamKind::Page, page)?
            .label("Controls")?
            .children(&groups)
    };
    if_known(page, define().map(drop).map_err(Error::Host))
}

/// Simple hosts know only some kinds of parameter. The others keep their defaults, and groups and
/// pages only arrange.
fn if_known(id: &str, defined: Result<()>) -> Result<()> {
    match defined {
        Err(Error::Host(error)) if error.is_absent() => {
            log::warn!("the host has no place for the parameter {id}: {error}");
            Ok(())
        }
        other => other,
    }
}

fn define(params: ParamSetDescriptor<'_>, parameter: &Parameter) -> Result<()> {
    let kind = match parameter.kind {
        Kind::Choice(..) => ParamKind::Choice,
        Kind::Double { .. } => ParamKind::Double,
        Kind::Integer { .. } => ParamKind::Integer,
        Kind::Boolean { .. } => ParamKind::Boolean,
        Kind::Rgb { .. } => ParamKind::Rgb,
        Kind::Text(_) | Kind::Label => ParamKind::String,
        Kind::Button => ParamKind::PushButton,
    };
    let (group, _) = parameter.group.names();
    let param = params
        .define(kind, parameter.id)?
        .label(parameter.label)?
        .hint(parameter.hint)?
        .parent(group)?;
    match parameter.kind {
        Kind::Choice(choices, _) => {
            let options: Vec<_> = choices
                .iter()
                .map(|choice| (choice.label, choice.id))
                .collect();
            param
                .options(&options)?
                .default_choice(0)?
                .animates(parameter.animates)?;
        }
        Kind::Double {
            default,
            range: (least, greatest),
            ..
        } => {
            param
                .default_f64(default)?
                .range_f64(least, greatest)?
                .display_range_f64(least, greatest)?
                .animates(parameter.animates)?;
        }
        Kind::Integer {
            default,
            range,
            slider,
            ..
        } => {
            param
                .default_i32(default)?
                .range_i32(range.0, range.1)?
                .display_range_i32(slider.0, slider.1)?
                .animates(parameter.animates)?;
        }
        Kind::Boolean { default, .. } => {
            param.default_bool(default)?.animates(parameter.animates)?;
        }
        Kind::Rgb { default, .. } => {
            param.default_rgb(default)?.animates(parameter.animates)?;
        }
        Kind::Text(_) => {
            param
                .string_mode(StringMode::Single)?
                .default_string("")?
                .animates(false)?;
        }
        Kind::Label => {
            // A report, not a setting: it must never be saved, undone or cause a render.
            param
                .string_mode(StringMode::Label)?
                .default_string("")?
                .animates(false)?
                .evaluate_on_change(false)?
                .persistent(false)?
                .can_undo(false)?;
        }
        Kind::Button => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depths_come_best_first_and_can_be_narrowed() {
        assert_eq!(
            declared_depths(None),
            [Depth::Float, Depth::Half, Depth::Short, Depth::Byte]
        );
        assert_eq!(
            declared_depths(Some("byte, float")),
            [Depth::Float, Depth::Byte]
        );
        assert_eq!(declared_depths(Some("wide")).len(), 4);
    }
}
