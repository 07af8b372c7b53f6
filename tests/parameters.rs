//! The contract with saved projects: ids, kinds, order, choices and defaults of every parameter,
//! as a host sees them. `UPDATE_PARAMETERS=1 cargo test --test parameters` writes the record; it
//! may only ever gain lines, or choices at the end of a list.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::fmt::Write as _;

use common::{ID, load};
use ofx::Context;
use ofx::host::{Description, HostOptions};

fn record(description: &Description) -> String {
    let mut text = String::new();
    for param in &description.params {
        let default = param
            .default
            .as_ref()
            .map_or_else(String::new, ToString::to_string);
        write!(text, "{} | {:?} | {default}", param.id, param.kind).unwrap();
        if !param.choices.is_empty() {
            let choices: Vec<String> = param
                .choices
                .iter()
                .map(|choice| format!("{}={}", choice.id.as_deref().unwrap_or("?"), choice.label))
                .collect();
            write!(text, " | {}", choices.join(", ")).unwrap();
        } else if let Some((least, greatest)) = param.range {
            write!(text, " | {least} to {greatest}").unwrap();
        }
        let flags = [
            (param.animates, "animates"),
            (!param.persistent, "not saved"),
            (!param.evaluate_on_change, "evaluates nothing"),
        ];
        for (_, name) in flags.iter().filter(|(on, _)| *on) {
            write!(text, " | {name}").unwrap();
        }
        text.push('\n');
    }
    text
}

#[test]
fn saved_projects_find_their_parameters() {
    let library = load(common::bundle(), HostOptions::strict());
    let general = library.describe(ID, Context::General).unwrap();
    let filter = library.describe(ID, Context::Filter).unwrap();
    assert_eq!(
        record(&general),
        record(&filter),
        "both contexts have the same parameters"
    );
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parameters.txt");
    if std::env::var_os("UPDATE_PARAMETERS").is_some() {
        std::fs::write(path, record(&general)).unwrap();
    }
    assert_eq!(record(&general), std::fs::read_to_string(path).unwrap());
    library.assert_clean();
}

#[test]
fn the_node_is_described_as_keyers_are() {
    let library = load(common::bundle(), HostOptions::strict());
    let plugins = library.plugins();
    assert_eq!(plugins.len(), 1);
    assert_eq!(plugins[0].identifier, ID);
    assert_eq!(
        plugins[0].version.0, 1,
        "the major version is part of node classes"
    );
    for context in [Context::Filter, Context::General] {
        let node = library.describe(ID, context).unwrap();
        assert_eq!((node.label(), node.grouping()), ("CorridorKey", "Keyer"));
        assert_eq!(node.contexts(), [Context::Filter, Context::General]);
        let names: Vec<&str> = node.clips.iter().map(|clip| clip.name.as_str()).collect();
        assert_eq!(names, ["Source", "Hint", "InM", "OutM", "Bg", "Output"]);
        let hint = node.clip("Hint").unwrap();
        assert!(hint.optional && !hint.mask);
        for name in ["InM", "OutM"] {
            let mask = node.clip(name).unwrap();
            assert!(mask.optional && mask.mask, "{name}");
        }
        for param in &node.params {
            assert!(!param.label.is_empty(), "{} has a name", param.id);
        }
        let output = node.param("output").unwrap();
        assert!(
            !output.animates,
            "what shapes clip preferences does not animate"
        );
    }
    library.assert_clean();
}
