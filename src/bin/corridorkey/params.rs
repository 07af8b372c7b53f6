//! `corridorkey params`: the parameters as the plug-in describes them to its host.

use std::fmt::Write;

use corridorkey::error::Result;
use ofx::host::{Description, ParamDescription, ParamType, Project, Value};
use serde_json::json;

use crate::args::ParamsArguments;
use crate::effect::{Effect, find_bundle};
use crate::report::{print_json, print_text};

/// Runs the command.
pub(crate) fn run(arguments: &ParamsArguments) -> Result<u8> {
    let bundle = find_bundle(arguments.plugin.as_deref())?;
    let description = Effect::load(&bundle, Project::default())?.describe()?;
    if arguments.json {
        print_json(&as_json(&description));
    } else {
        print_text(&as_table(&description));
    }
    Ok(0)
}

/// Whether a parameter has a value that a project stores.
fn is_setting(param: &ParamDescription) -> bool {
    param.persistent
        && !param.secret
        && !matches!(
            param.kind,
            ParamType::Group | ParamType::Page | ParamType::PushButton
        )
}

fn as_json(description: &Description) -> serde_json::Value {
    let params: Vec<serde_json::Value> = description
        .params
        .iter()
        .filter(|param| !matches!(param.kind, ParamType::Page))
        .map(|param| {
            json!({
                "id": param.id,
                "label": param.label,
                "hint": param.hint,
                "kind": kind(param),
                "default": param.default.as_ref().map(|value| value_json(param, value)),
                "range": param.range,
                "choices": param.choices.iter().map(|choice| json!({
                    "id": choice.id, "label": choice.label,
                })).collect::<Vec<_>>(),
                "group": param.parent,
                "animates": param.animates,
                "persistent": param.persistent,
                "secret": param.secret,
            })
        })
        .collect();
    json!({ "identifier": description.identifier, "label": description.label(), "params": params })
}

/// A Markdown table, which is also readable in a terminal.
fn as_table(description: &Description) -> String {
    let mut table = String::from("| id | values | default | what it does |\n|---|---|---|---|\n");
    for param in description.params.iter().filter(|param| is_setting(param)) {
        let default = param.default.as_ref().map(|value| value_text(param, value));
        // Writing to a String cannot fail.
        let _ = writeln!(
            table,
            "| `{}` | {} | {} | {} |",
            param.id,
            cell(&values(param)),
            cell(&default.unwrap_or_default()),
            cell(&param.hint),
        );
    }
    table
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

fn kind(param: &ParamDescription) -> &'static str {
    match param.kind {
        ParamType::Integer => "integer",
        ParamType::Double => "number",
        ParamType::Boolean => "boolean",
        ParamType::Choice | ParamType::StrChoice => "choice",
        ParamType::String | ParamType::Custom => "text",
        ParamType::Rgb | ParamType::Rgba => "colour",
        ParamType::Double2D | ParamType::Double3D => "numbers",
        ParamType::Integer2D | ParamType::Integer3D => "integers",
        ParamType::Group => "group",
        ParamType::Page => "page",
        ParamType::PushButton => "button",
    }
}

/// What may be set.
fn values(param: &ParamDescription) -> String {
    match param.kind {
        ParamType::Choice | ParamType::StrChoice => param
            .choices
            .iter()
            .map(choice_name)
            .collect::<Vec<_>>()
            .join(", "),
        ParamType::Boolean => "true, false".into(),
        _ => match param.range {
            Some((low, high)) if low > f64::from(i32::MIN) && high < f64::from(i32::MAX) => {
                format!("{low} to {high}")
            }
            _ => kind(param).into(),
        },
    }
}

fn choice_name(choice: &ofx::host::Choice) -> &str {
    choice.id.as_deref().unwrap_or(&choice.label)
}

fn chosen<'a>(param: &'a ParamDescription, value: &Value) -> Option<&'a str> {
    let Value::Choice(index) = value else {
        return None;
    };
    param
        .choices
        .get(usize::try_from(*index).ok()?)
        .map(choice_name)
}

fn value_json(param: &ParamDescription, value: &Value) -> serde_json::Value {
    if let Some(name) = chosen(param, value) {
        return name.into();
    }
    match value {
        Value::Int(value) | Value::Choice(value) => json!(value),
        Value::Double(value) => json!(value),
        Value::Bool(value) => json!(value),
        Value::Str(value) => json!(value),
        Value::Rgb(value) => json!(value),
        Value::Ints(value) => json!(value),
        Value::Doubles(value) => json!(value),
    }
}

fn value_text(param: &ParamDescription, value: &Value) -> String {
    match value_json(param, value) {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ofx::host::{Choice, Properties};

    fn param(id: &str, kind: ParamType, default: Option<Value>) -> ParamDescription {
        ParamDescription {
            id: id.into(),
            kind,
            label: "Label".into(),
            hint: "Does a | thing.\nAnd more.".into(),
            default,
            range: None,
            display_range: None,
            choices: Vec::new(),
            parent: String::new(),
            secret: false,
            enabled: true,
            animates: true,
            evaluate_on_change: true,
            persistent: true,
            can_undo: true,
            string_mode: String::new(),
            props: Properties::default(),
        }
    }

    fn description() -> Description {
        let mut output = param("output", ParamType::Choice, Some(Value::Choice(1)));
        output.choices = ["processed", "matte"]
            .map(|id| Choice {
                label: id.to_uppercase(),
                id: Some(id.into()),
            })
            .to_vec();
        let mut despill = param(
            "despillStrength",
            ParamType::Double,
            Some(Value::Double(1.0)),
        );
        despill.range = Some((0.0, 1.0));
        let mut status = param(
            "statusModel",
            ParamType::String,
            Some(Value::Str(String::new())),
        );
        status.persistent = false;
        Description {
            identifier: "x.y".into(),
            context: ofx::Context::General,
            props: Properties::default(),
            clips: Vec::new(),
            params: vec![
                output,
                despill,
                param("despeckle", ParamType::Boolean, Some(Value::Bool(true))),
                param("key", ParamType::Group, None),
                status,
            ],
        }
    }

    #[test]
    fn the_table_has_what_can_be_set() {
        let table = as_table(&description());
        let lines: Vec<&str> = table.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                "| `output` | processed, matte | matte | Does a \\| thing. And more. |",
                "| `despillStrength` | 0 to 1 | 1.0 | Does a \\| thing. And more. |",
                "| `despeckle` | true, false | true | Does a \\| thing. And more. |",
            ]
        );
    }

    #[test]
    fn the_json_has_everything_with_choices_by_id() {
        let value = as_json(&description());
        assert_eq!(value["params"][0]["default"], "matte");
        assert_eq!(value["params"][0]["choices"][0]["id"], "processed");
        assert_eq!(value["params"][1]["range"], json!([0.0, 1.0]));
        assert_eq!(value["params"].as_array().map(Vec::len), Some(5));
    }
}
