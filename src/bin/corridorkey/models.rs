//! `corridorkey models`: which models there are, and whether their files are what they should be.

use std::fmt::Write;

use corridorkey::error::{Error, Result};
use corridorkey::network::model::{Kind, Own};
use corridorkey::network::models::Models;
use corridorkey::network::options::Options;
use corridorkey::network::{self, Model};
use serde_json::{Value, json};

use crate::args::{ModelsAction, ModelsArguments};
use crate::download;
use crate::effect::find_bundle;
use crate::report::{Failure, print_json, print_text};
use crate::{import, plan};

/// Runs the command.
pub(crate) fn run(arguments: &ModelsArguments) -> Result<u8> {
    // A bundle that is named must be there; without one, the other places are still looked at.
    let bundle = match &arguments.plugin {
        Some(path) => Some(find_bundle(Some(path))?),
        None => find_bundle(None).ok(),
    };
    let options = Options::from_environment()?;
    let models = Models::standard(
        &options,
        bundle.as_ref().map(|bundle| bundle.binary.as_path()),
    );
    match &arguments.action {
        ModelsAction::List => Ok(list(&models, arguments.json)),
        ModelsAction::Verify { id } => verify(&models, id, arguments.json),
        ModelsAction::Plan(plan) => Ok(plan::run(
            &models,
            plan,
            options.session_bytes,
            arguments.json,
        )),
        ModelsAction::Import(import) => import::run(&models, import, arguments.json),
        ModelsAction::Download(download) => download::run(&models, download, arguments.json),
        ModelsAction::Remove { id } => import::remove(&models, id, arguments.json),
    }
}

/// A model as scripts see it.
pub(crate) fn model_json(models: &Models, model: &Model) -> Value {
    let mut json = json!({
        "id": model.id,
        "version": model.version,
        "name": model.name,
        "licence": model.licence,
        "path": model.path.display().to_string(),
        "sha256": model.sha256,
        "precisions": model.precisions.iter().map(|precision| precision.id()).collect::<Vec<_>>(),
        "processor": model.processor.map(Own::id),
        "shipped": models.ships(model),
    });
    if let Kind::Greenformer(imported) = &model.kind {
        json["source"] = imported.source.clone().into();
        json["source_sha256"] = imported.source_sha256.clone().into();
        json["grid"] = imported.grid.into();
    }
    json
}

/// A model in a line.
pub(crate) fn model_line(model: &Model) -> String {
    let Model {
        name,
        licence,
        path,
        ..
    } = model;
    format!(
        "{}  {name} ({licence})  {}",
        model.full_id(),
        path.display()
    )
}

fn list(models: &Models, json: bool) -> u8 {
    let listing = models.list(&Model::look);
    let exit = exit(&listing.problems);
    if json {
        print_json(&json!({
            "models": listing.models.iter().map(|model| model_json(models, model)).collect::<Vec<_>>(),
            "problems": listing.problems.iter().map(problem_json).collect::<Vec<_>>(),
            "searched": models.roots().iter().map(|root| root.display().to_string())
                .collect::<Vec<_>>(),
        }));
        return exit;
    }
    let mut text = String::new();
    for model in &listing.models {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", model_line(model));
    }
    for problem in &listing.problems {
        let _ = writeln!(text, "unusable: {problem}");
    }
    if listing.models.is_empty() && listing.problems.is_empty() {
        let _ = writeln!(text, "no models in");
        for root in models.roots() {
            let _ = writeln!(text, "  {}", root.display());
        }
    }
    print_text(&text);
    exit
}

fn verify(models: &Models, ids: &[String], json: bool) -> Result<u8> {
    let whole = |model: &Model| model.verify(&|| false);
    let (mut sound, mut problems) = (Vec::new(), Vec::new());
    if ids.is_empty() {
        let listing = models.list(&whole);
        (sound, problems) = (listing.models, listing.problems);
    }
    for id in ids {
        match models
            .find(id)
            .and_then(|model| whole(&model).map(|()| model))
        {
            Ok(model) => sound.push(model),
            Err(error) => problems.push(error),
        }
    }
    let exit = exit(&problems);
    if json {
        print_json(&json!({
            "sound": sound.iter().map(|model| model_json(models, model)).collect::<Vec<_>>(),
            "problems": problems.iter().map(problem_json).collect::<Vec<_>>(),
        }));
        return Ok(exit);
    }
    let mut text = String::new();
    for model in &sound {
        let _ = writeln!(text, "sound: {}  sha256 {}", model.full_id(), model.sha256);
    }
    for problem in &problems {
        let _ = writeln!(text, "not sound: {problem}");
    }
    if sound.is_empty() && problems.is_empty() {
        let _ = writeln!(text, "there are no models to verify");
    }
    print_text(&text);
    Ok(exit)
}

/// Why a model cannot be used, as scripts see it.
pub(crate) fn problem_json(problem: &network::Error) -> Value {
    Failure::from(Error::from(problem.clone())).json()
}

fn exit(problems: &[network::Error]) -> u8 {
    problems
        .first()
        .map_or(0, |problem| Error::from(problem.clone()).exit_code())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn a_broken_manifest_is_a_problem_with_exit_code_5() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("x")).unwrap();
        std::fs::write(folder.path().join("x/model.toml"), "format = 9").unwrap();
        let models = Models::in_folders(vec![folder.path().to_owned()]);
        assert_eq!(list(&models, false), 5);
        assert_eq!(verify(&models, &[], true).unwrap(), 5);
        assert_eq!(verify(&models, &["y".into()], false).unwrap(), 5);
        let none = Models::in_folders(vec![folder.path().join("none")]);
        assert_eq!(list(&none, true), 0);
    }
}
