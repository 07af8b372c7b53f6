//! The parameter table as documentation: what stands in the README.

use std::fmt::Write;

use super::parameters::{self, Kind};

/// The table in Markdown, one row for each setting; labels and buttons are not settings.
pub fn markdown() -> String {
    let mut page = String::from(
        "| group | control | id | values (default first) | what it does |\n|---|---|---|---|---|\n",
    );
    for parameter in parameters::all() {
        let values = match parameter.kind {
            Kind::Choice(choices, _) => choices
                .iter()
                .map(|choice| format!("`{}`", choice.id))
                .collect::<Vec<_>>()
                .join(", "),
            Kind::Double { default, range, .. } => format!("{default}; {} to {}", range.0, range.1),
            Kind::Integer { default, range, .. } => {
                format!("{default}; {} to {}", range.0, range.1)
            }
            Kind::Boolean { default, .. } => {
                (if default { "on, off" } else { "off, on" }).to_owned()
            }
            Kind::Rgb {
                default: [red, green, blue],
                ..
            } => format!("{red}, {green}, {blue}"),
            Kind::Text(_) => "text; empty".to_owned(),
            Kind::Label | Kind::Button => continue,
        };
        let (_, group) = parameter.group.names();
        // Writing to a String cannot fail.
        let _ = writeln!(
            page,
            "| {group} | {} | `{}` | {values} | {} |",
            parameter.label, parameter.id, parameter.hint
        );
    }
    page
}
