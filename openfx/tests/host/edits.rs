//! Parameters, buttons and connections.

use ofx::host::{HostError, HostOptions, Layout, Value};
use ofx::{Context, RectI};

use crate::gain::take_log;
use crate::{instance, library, still, turn};

#[test]
fn values_begin_at_their_defaults_and_are_kept() {
    let _turn = turn();
    let library = library(HostOptions::strict());
    let instance = instance(&library, Context::General);
    assert_eq!(instance.get("gain").unwrap(), Value::Double(1.0));
    assert_eq!(instance.get("mode").unwrap(), Value::Choice(0));
    assert_eq!(instance.get("tint").unwrap(), Value::Rgb([1.0; 3]));
    instance.set("gain", Value::Double(2.5)).unwrap();
    instance.set("straight", Value::Bool(true)).unwrap();
    instance.set("count", Value::Int(7)).unwrap();
    instance.set("tint", Value::Rgb([0.5, 2.0, -1.0])).unwrap();
    assert_eq!(instance.get("gain").unwrap(), Value::Double(2.5));
    assert_eq!(instance.get("straight").unwrap(), Value::Bool(true));
    assert_eq!(instance.get("count").unwrap(), Value::Int(7));
    assert_eq!(instance.get("tint").unwrap(), Value::Rgb([0.5, 2.0, -1.0]));
    library.assert_clean();
}

#[test]
fn the_plugin_is_told_and_its_answer_is_told_back() {
    let _turn = turn();
    let library = library(HostOptions::strict());
    let instance = instance(&library, Context::General);
    take_log();
    instance.set("gain", Value::Double(0.0)).unwrap();
    assert_eq!(
        instance.get("note").unwrap(),
        Value::Str("gain is 0".into())
    );
    assert!(!instance.param_state("count").unwrap().enabled);
    assert_eq!(
        take_log(),
        ["changed gain UserEdited", "changed note PluginEdited"]
    );
    instance.set("gain", Value::Double(3.0)).unwrap();
    assert!(instance.param_state("count").unwrap().enabled);
    instance
        .set_many(&[("count", Value::Int(1)), ("mode", Value::Choice(2))])
        .unwrap();
    assert_eq!(
        take_log()[2..],
        ["changed count UserEdited", "changed mode UserEdited"]
    );
    library.assert_clean();
}

#[test]
fn text_is_read_by_the_kind_of_parameter() {
    let _turn = turn();
    let library = library(HostOptions::strict());
    let instance = instance(&library, Context::General);
    for (id, text, value) in [
        ("gain", "0.25", Value::Double(0.25)),
        ("count", " 5", Value::Int(5)),
        ("straight", "on", Value::Bool(true)),
        ("straight", "False", Value::Bool(false)),
        ("mode", "slow", Value::Choice(2)),
        ("mode", "Fail Always", Value::Choice(1)),
        ("mode", "fail always", Value::Choice(1)),
        ("mode", "3", Value::Choice(3)),
        ("tint", "1, 0.5,0", Value::Rgb([1.0, 0.5, 0.0])),
    ] {
        instance.set_str(id, text).unwrap();
        assert_eq!(instance.get(id).unwrap(), value, "{id} {text}");
    }
    for (id, text, why) in [
        ("gain", "much", "number"),
        ("gain", "101", "0 to 100"),
        ("gain", "NaN", "finite"),
        ("count", "1.5", "whole"),
        ("count", "-1", "0 to 9"),
        ("straight", "maybe", "true or false"),
        ("mode", "sharpen", "multiply, fail, slow, identity"),
        ("mode", "4", "multiply"),
        ("tint", "1,2", "3 number"),
        ("main", "1", "no value"),
        ("refresh", "1", "no value"),
    ] {
        let error = instance.set_str(id, text).unwrap_err();
        assert!(matches!(error, HostError::Value { .. }), "{id} {text}");
        assert!(error.to_string().contains(why), "{error}");
        assert!(error.to_string().contains(id), "{error}");
    }
    let error = instance.set_str("gian", "1").unwrap_err();
    assert!(error.to_string().contains("gain"), "{error}");
    library.assert_clean();
}

#[test]
fn an_edit_is_done_whole_or_not_at_all() {
    let _turn = turn();
    let library = library(HostOptions::strict());
    let instance = instance(&library, Context::General);
    let edit = [("gain", Value::Double(9.0)), ("count", Value::Int(99))];
    assert!(instance.set_many(&edit).is_err());
    assert_eq!(instance.get("gain").unwrap(), Value::Double(1.0));
    assert!(instance.set("gain", Value::Str("much".into())).is_err());
    // A whole number is a real one too.
    instance.set("gain", Value::Int(2)).unwrap();
    assert_eq!(instance.get("gain").unwrap(), Value::Double(2.0));
}

#[test]
fn keys_are_interpolated() {
    let _turn = turn();
    let library = library(HostOptions::strict());
    let instance = instance(&library, Context::General);
    instance.set_at("gain", 10.0, Value::Double(1.0)).unwrap();
    instance.set_at("gain", 20.0, Value::Double(3.0)).unwrap();
    instance.set_at("count", 10.0, Value::Int(0)).unwrap();
    instance.set_at("count", 20.0, Value::Int(9)).unwrap();
    let at = |time| instance.get_at("gain", time).unwrap();
    assert_eq!(at(1.0), Value::Double(1.0));
    assert_eq!(at(10.0), Value::Double(1.0));
    assert_eq!(at(15.0), Value::Double(2.0));
    assert_eq!(at(20.0), Value::Double(3.0));
    assert_eq!(at(99.0), Value::Double(3.0));
    assert_eq!(instance.get_at("count", 12.0).unwrap(), Value::Int(2));
    assert!(instance.set_at("mode", 1.0, Value::Choice(1)).is_err());
    instance.set("gain", Value::Double(5.0)).unwrap();
    assert_eq!(at(15.0), Value::Double(5.0));
    library.assert_clean();
}

#[test]
fn buttons_work_and_may_look_at_pictures() {
    let _turn = turn();
    let library = library(HostOptions::strict());
    let instance = instance(&library, Context::General);
    instance.press("refresh").unwrap();
    assert_eq!(instance.get("note").unwrap(), Value::Str("None".into()));
    instance
        .connect("Source", still(RectI::new(0, 0, 7, 5), Layout::default()))
        .unwrap();
    instance.press("refresh").unwrap();
    assert_eq!(
        instance.get("note").unwrap(),
        Value::Str("Some((7, 5))".into())
    );
    assert!(instance.press("gain").is_err());
    assert!(instance.press("nothing").is_err());
    library.assert_clean();
}

#[test]
fn clips_are_connected_by_name() {
    let _turn = turn();
    let library = library(HostOptions::strict());
    let instance = instance(&library, Context::General);
    take_log();
    let source = still(RectI::new(0, 0, 7, 5), Layout::default());
    instance.connect("Source", source.clone()).unwrap();
    instance.disconnect("Mask").unwrap();
    instance.disconnect("Source").unwrap();
    let changes: Vec<_> = take_log()
        .into_iter()
        .filter(|line| line.starts_with("changed"))
        .collect();
    assert_eq!(
        changes,
        ["changed Source UserEdited", "changed Source UserEdited"]
    );
    let error = instance.connect("Sauce", source.clone()).unwrap_err();
    assert!(error.to_string().contains("Source, Mask, Output"));
    assert!(instance.connect("Output", source).is_err());
    library.assert_clean();
}
