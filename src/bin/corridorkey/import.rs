//! `corridorkey models import` and `remove`: what changes the models folder.

use std::io::IsTerminal as _;
use std::path::Path;
use std::time::Instant;

use corridorkey::error::{Error, Result};
use corridorkey::network;
use corridorkey::network::greenformer::import::remove::remove as remove_model;
use corridorkey::network::greenformer::import::{Report, Request, import, writable_roots};
use corridorkey::network::models::{Models, user_folder};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use crate::args::{ImportArguments, TargetArguments};
use crate::interrupt;
use crate::models::model_json;
use crate::report::{milliseconds, print_error, print_json, print_text};

/// Runs `models import`.
pub(crate) fn run(models: &Models, arguments: &ImportArguments, json: bool) -> Result<u8> {
    interrupt::listen()?;
    let began = Instant::now();
    let report = import_file(&arguments.file, &arguments.target, json)?;
    if json {
        print_json(&report_json(models, &report, began));
    } else {
        print_text(&report_text(&report));
        print_error(&format!(
            "note: checkpoints of CorridorKey are under the {}",
            report.model.licence
        ));
    }
    Ok(0)
}

/// Imports a checkpoint, with a bar unless `quiet`.
pub(crate) fn import_file(file: &Path, target: &TargetArguments, quiet: bool) -> Result<Report> {
    let folder = match &target.folder {
        Some(folder) => std::path::absolute(folder).map_err(|error| Error::Output {
            path: folder.clone(),
            reason: error.to_string(),
        })?,
        None => user_folder().ok_or_else(|| {
            Error::Usage(
                "this account has no home folder for models; name a folder with --folder".into(),
            )
        })?,
    };
    let request = Request {
        file,
        folder: &folder,
        id: &target.id,
    };
    let bar = bar(quiet);
    let result = import(&request, &interrupt::stopped, &mut |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    Ok(result?)
}

/// A bar of bytes on a terminal, and none elsewhere or when `quiet`.
pub(crate) fn bar(quiet: bool) -> ProgressBar {
    let bar = ProgressBar::new(1);
    bar.set_draw_target(if quiet || !std::io::stderr().is_terminal() {
        ProgressDrawTarget::hidden()
    } else {
        ProgressDrawTarget::stderr()
    });
    let style = ProgressStyle::with_template("{wide_bar} {bytes}/{total_bytes}  {eta} left");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}

/// What was imported, as scripts see it.
pub(crate) fn report_json(models: &Models, report: &Report, began: Instant) -> serde_json::Value {
    json!({
        "imported": model_json(models, &report.model.clone().into()),
        "layout": report.layout.id(),
        "precision": report.precision,
        "bytes": report.bytes,
        "replaced": report.replaced,
        "ms": milliseconds(began.elapsed()),
    })
}

/// What was imported, in a line.
pub(crate) fn report_text(report: &Report) -> String {
    let model = &report.model;
    let replaced = report
        .replaced
        .as_ref()
        .map(|version| format!("; it replaces {}@{version}", model.id))
        .unwrap_or_default();
    format!(
        "imported: {}  {} tokens a side, {} as {}, {} MB{replaced}  {}\n",
        model.full_id(),
        model.grid,
        report.precision,
        report.layout.id(),
        report.bytes.div_ceil(1_000_000),
        model.path.display()
    )
}

/// Removes a model from a folder of this user; one of the plug-in's own is only named.
pub(crate) fn remove(models: &Models, id: &str, json: bool) -> Result<u8> {
    let roots = writable_roots(models.roots());
    let removed = remove_model(&roots, id).map_err(|error| {
        let unknown = matches!(error, network::Error::UnknownModel { .. });
        match models.find(id) {
            Ok(model) if unknown => Error::Network(network::Error::Install {
                path: model.manifest,
                reason: format!(
                    "the model \"{id}\" is a part of the plug-in, which is removed whole or not \
                     at all"
                ),
            }),
            _ => error.into(),
        }
    })?;
    if json {
        print_json(&json!({
            "removed": removed.full_id,
            "folder": removed.folder.display().to_string(),
            "left": removed.left.iter().map(|path| path.display().to_string())
                .collect::<Vec<_>>(),
        }));
    } else {
        print_text(&format!("removed: {}\n", removed.full_id));
        for path in &removed.left {
            print_error(&format!(
                "note: {} was not the model's and is still there",
                path.display()
            ));
        }
    }
    Ok(0)
}
