//! What a library tells of its plug-ins.

use ofx::host::{HostError, HostOptions, ParamType, Value};
use ofx::{Components, Context, Depth};

use crate::gain::{GAIN, SAFE};
use crate::{library, turn};

#[test]
fn plugins_are_listed_with_their_versions() {
    let _turn = turn();
    let library = library(HostOptions::strict());
    let plugins = library.plugins();
    assert_eq!(plugins.len(), 2);
    assert_eq!(plugins[0].identifier, GAIN);
    assert_eq!(plugins[1].identifier, SAFE);
    assert_eq!(plugins[0].version, (1, 2));
    library.assert_clean();
}

#[test]
fn a_description_has_clips_and_parameters_in_order() {
    let _turn = turn();
    let library = library(HostOptions::strict());
    let filter = library.describe(GAIN, Context::Filter).unwrap();
    assert_eq!((filter.label(), filter.grouping()), ("Gain", "Test"));
    assert_eq!(filter.contexts(), Context::ALL);
    assert_eq!(filter.depths(), Depth::ALL);
    let clips: Vec<_> = filter.clips.iter().map(|clip| &clip.name[..]).collect();
    assert_eq!(clips, ["Source", "Mask", "Output"]);
    assert_eq!(
        filter.clip("Source").unwrap().components,
        [Components::Rgba]
    );
    assert!(filter.clip("Mask").unwrap().optional);
    let params: Vec<_> = filter.params.iter().map(|param| &param.id[..]).collect();
    assert_eq!(
        params,
        [
            "main", "gain", "mode", "straight", "count", "tint", "refresh", "note"
        ]
    );
    let gain = filter.param("gain").unwrap();
    assert_eq!(gain.kind, ParamType::Double);
    assert_eq!((&gain.label[..], &gain.parent[..]), ("Gain", "main"));
    assert_eq!(gain.hint, "How much brighter");
    assert_eq!(gain.default, Some(Value::Double(1.0)));
    assert_eq!(gain.range, Some((0.0, 100.0)));
    assert_eq!(gain.display_range, Some((0.0, 4.0)));
    assert!(gain.animates && gain.enabled && !gain.secret && gain.persistent);
    let mode = filter.param("mode").unwrap();
    assert_eq!(mode.choices[1].label, "Fail Always");
    assert_eq!(mode.choices[1].id.as_deref(), Some("fail"));
    let note = filter.param("note").unwrap();
    assert_eq!(note.string_mode, "OfxParamStringIsLabel");
    assert!(!note.persistent && !note.evaluate_on_change && !note.can_undo && !note.animates);
    assert_eq!(filter.param("refresh").unwrap().default, None);
    let general = library.describe(GAIN, Context::General).unwrap();
    assert_eq!(
        general.clip("Source").unwrap().components,
        [Components::Rgba, Components::Rgb]
    );
    library.assert_clean();
}

#[test]
fn descriptions_can_be_had_again() {
    let _turn = turn();
    let library = library(HostOptions::strict());
    let before = library.describe(GAIN, Context::General).unwrap();
    let instance = library.create(GAIN, Context::General).unwrap();
    library.forget_descriptions();
    assert_eq!(library.describe(GAIN, Context::General).unwrap(), before);
    assert_eq!(instance.description(), &before);
    drop(instance);
    library.assert_clean();
}

#[test]
fn an_older_host_lacks_newer_properties() {
    let _turn = turn();
    let library = library(HostOptions {
        api_version: (1, 4),
        ..HostOptions::strict()
    });
    let description = library.describe(GAIN, Context::Filter).unwrap();
    let mode = description.param("mode").unwrap();
    assert_eq!(mode.choices.len(), 4);
    assert!(mode.choices.iter().all(|choice| choice.id.is_none()));
    library.assert_clean();
}

#[test]
fn what_is_not_there_is_said() {
    let _turn = turn();
    let library = library(HostOptions::strict());
    let error = library.describe("org.example.nothing", Context::Filter);
    let error = error.unwrap_err();
    assert!(matches!(error, HostError::UnknownPlugin { .. }));
    assert_eq!(error.code(), "host.unknown-plugin");
    assert!(error.to_string().contains(GAIN));
}

/// A host manages colour only for plug-ins that say they can.
#[test]
fn colour_is_managed_only_where_it_is_asked_for() {
    let _turn = turn();
    let library = library(HostOptions {
        colour_style: ofx::ColourStyle::Full,
        colourspaces: vec![("Source".into(), "ACEScg".into())],
        ..HostOptions::strict()
    });
    let instance = library.create(GAIN, Context::General).unwrap();
    let preferences = instance.clip_preferences().unwrap();
    assert_eq!(preferences.output_colourspace, None);
    assert!(preferences.colourspaces.is_empty());
    library.assert_clean();
}
