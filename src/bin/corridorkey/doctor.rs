//! `corridorkey doctor`: what works on this machine, what does not, and why.
//!
//! It looks at each part by itself, so that one missing part does not hide the next, and then
//! makes a small key through the bundle, because nothing else proves that a key can be made.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;

use corridorkey::error::{Error, Result};
use corridorkey::network::{self, DeviceChoice, Model, Service};
use corridorkey::plugin;
use ofx::host::{Bundle, HostImage, Layout, Project, RenderRequest, StillClip};
use ofx::{Components, RectI};
use serde_json::{Value, json};

use crate::args::DoctorArguments;
use crate::effect::{Effect, find_bundle, from_host, from_render};
use crate::models::{model_json, model_line, problem_json};
use crate::report::{Failure, milliseconds, print_json, print_text};

/// One thing that was looked at.
struct Check {
    /// A stable name.
    name: &'static str,
    /// What was found, in a line, or why it does not work.
    result: std::result::Result<String, Failure>,
    /// Whether a key can be made without it.
    optional: bool,
    /// More, for scripts.
    facts: Value,
}

/// Runs the command; the exit code is 0 only when a key can be made.
pub(crate) fn run(arguments: &DoctorArguments) -> Result<u8> {
    let bundle = find_bundle(arguments.plugin.as_deref());
    if let Ok(bundle) = &bundle {
        network::set_module_path(bundle.binary.clone());
    }
    let mut checks = Vec::new();
    let effect = look_at_plugin(&bundle, &mut checks);
    look_at_network(&mut checks);
    look_at_places(&bundle, &mut checks);
    if let Some(effect) = effect {
        checks.push(trial(&effect));
    }
    let exit = checks
        .iter()
        .filter(|check| !check.optional)
        .find_map(|check| check.result.as_ref().err().map(|failure| failure.exit))
        .unwrap_or(0);
    if arguments.json {
        print_json(&as_json(&checks, exit));
    } else {
        print_text(&as_text(&checks, exit));
    }
    Ok(exit)
}

fn check(name: &'static str, result: Result<String>, facts: Value) -> Check {
    Check {
        name,
        result: result.map_err(Failure::from),
        optional: false,
        facts,
    }
}

/// The bundle and the plug-in in it.
fn look_at_plugin(bundle: &Result<Bundle>, checks: &mut Vec<Check>) -> Option<Effect> {
    let bundle = match bundle {
        Ok(bundle) => bundle,
        Err(error) => {
            checks.push(check("plugin", Err(error.clone()), Value::Null));
            return None;
        }
    };
    let path = bundle.path.display().to_string();
    let loaded = Effect::load(bundle, Project::default())
        .and_then(|effect| effect.describe().map(|description| (effect, description)));
    match loaded {
        Ok((effect, description)) => {
            let (major, minor) = effect.version();
            // What the plug-in calls itself, with the commit of its build; this command may be of
            // another one.
            let build = description.props.string("OfxPropVersionLabel");
            let release = build.or(bundle.info.version.as_deref()).unwrap_or_default();
            let line = format!(
                "{} {release} ({})  {path}",
                description.label(),
                effect.identifier()
            );
            let facts = json!({
                "path": path,
                "binary": bundle.binary.display().to_string(),
                "identifier": effect.identifier(),
                "version": release,
                "plugin_version": format!("{major}.{minor}"),
                "parameters": description.params.len(),
            });
            checks.push(check("plugin", Ok(line), facts));
            Some(effect)
        }
        Err(error) => {
            checks.push(check("plugin", Err(error), json!({ "path": path })));
            None
        }
    }
}

/// The runtime library, the devices, the models and the caches, as the plug-in finds them.
fn look_at_network(checks: &mut Vec<Check>) {
    let service = Service::global();
    let status = service.diagnose();
    match &status {
        Ok(status) => {
            if let Some(library) = &status.library {
                let path = library.path.display().to_string();
                let line = format!("ONNX Runtime {}  {path}", library.version);
                let facts = json!({
                    "path": path, "version": library.version, "build": library.build,
                });
                checks.push(check("runtime", Ok(line), facts));
            }
            for (device, result) in &status.devices {
                let result = match result {
                    Ok(()) => Ok("works".to_owned()),
                    Err(reason) => Err(Failure {
                        code: "device.unavailable".into(),
                        message: reason.clone(),
                        exit: 5,
                    }),
                };
                let facts = json!({ "device": device.id() });
                checks.push(Check {
                    name: device.name(),
                    result,
                    optional: true,
                    facts,
                });
            }
            let selection = service.select(DeviceChoice::Auto);
            let facts = json!({ "device": selection.as_ref().ok().map(|found| found.device.id()) });
            let line = selection.map(|found| format!("{} ({})", found.device.name(), found.by));
            checks.push(check("device", line.map_err(Error::from), facts));
        }
        Err(error) => {
            checks.push(check("runtime", Err(error.clone().into()), Value::Null));
        }
    }

    let models = service.models();
    let shipped = models
        .find("")
        .and_then(|model| model.verify(&|| false).map(|()| model));
    let facts = shipped
        .as_ref()
        .map_or(Value::Null, |model| model_json(&models, model));
    let line = |model: Model| {
        let mut line = model_line(&model);
        if model.processor.is_some() {
            line.push_str("; in fp32 on the CPU computed by the plug-in itself");
        }
        line
    };
    let line = shipped.map(line).map_err(Error::from);
    checks.push(check("model", line, facts));
    let listing = models.list(&Model::look);
    let as_json = |model| model_json(&models, model);
    let others: Vec<Value> = listing.models.iter().map(as_json).collect();
    let problems = listing
        .problems
        .iter()
        .map(problem_json)
        .collect::<Vec<_>>();
    let facts = json!({
        "models": others,
        "problems": problems,
        "searched": models.roots().iter().map(|root| root.display().to_string()).collect::<Vec<_>>(),
    });
    let result = match listing.problems.first() {
        None => Ok(format!("{} usable", listing.models.len())),
        Some(problem) => Err(Failure::from(Error::from(problem.clone()))),
    };
    checks.push(Check {
        name: "models",
        result,
        optional: true,
        facts,
    });

    let options = service.options();
    let mb = |bytes: u64| bytes / network::options::MB;
    let line = format!(
        "predictions up to {} MB, {} sessions up to {} MB together, {} frames at a time",
        mb(options.cache_bytes),
        options.sessions,
        mb(options.session_bytes),
        options.frames,
    );
    let facts = json!({
        "prediction_bytes": options.cache_bytes,
        "sessions": options.sessions,
        "session_bytes": options.session_bytes,
        "idle_seconds": options.idle.as_secs(),
        "frames": options.frames,
    });
    checks.push(check("caches", Ok(line), facts));
}

/// Where hosts look, and what the environment says.
fn look_at_places(bundle: &Result<Bundle>, checks: &mut Vec<Check>) {
    let folders = crate::effect::host_folders();
    let here = bundle.as_ref().ok().and_then(|bundle| bundle.path.parent());
    let seen = here.is_some_and(|here| folders.iter().any(|folder| same(folder, here)));
    let text: Vec<String> = folders
        .iter()
        .map(|folder| folder.display().to_string())
        .collect();
    let line = format!(
        "hosts look in {}; the plug-in {} there",
        text.join(", "),
        if seen { "is" } else { "is not" }
    );
    let facts = json!({ "folders": text, "installed": seen });
    checks.push(check("hosts", Ok(line), facts));

    let log = plugin::logging::path();
    let line = match &log {
        Some(path) if path.is_file() => path.display().to_string(),
        Some(path) => format!("{} (nothing written yet)", path.display()),
        None => "this account has no folder for it".into(),
    };
    let facts = json!({ "path": log.map(|path| path.display().to_string()) });
    checks.push(check("log", Ok(line), facts));

    let mut variables: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter(|(name, _)| {
            name.starts_with("CORRIDORKEY_")
                || ["OFX_PLUGIN_PATH", "ORT_DISABLE_TELEMETRY"].contains(&name.as_str())
        })
        .map(|(name, value)| (name, value.to_string_lossy().into_owned()))
        .collect();
    variables.sort();
    let line = match variables.is_empty() {
        true => "nothing is set".to_owned(),
        false => variables
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
            .join(" "),
    };
    let facts = variables
        .into_iter()
        .map(|(name, value)| (name, value.into()));
    let facts = Value::Object(facts.collect());
    checks.push(check("environment", Ok(line), facts));
}

fn same(a: &std::path::Path, b: &std::path::Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// A small key, all the way through the bundle.
fn trial(effect: &Effect) -> Check {
    const SIDE: i32 = 96;
    let began = Instant::now();
    let keyed = || -> std::result::Result<String, Failure> {
        let picture = |components, pixel: &dyn Fn(i32, i32) -> [f32; 4]| {
            let pixels: Vec<f32> = (0..SIDE * SIDE)
                .flat_map(|n| pixel(n % SIDE, n / SIDE))
                .collect();
            let layout = Layout {
                components,
                ..Layout::default()
            };
            HostImage::from_rgba_f32(RectI::new(0, 0, SIDE, SIDE), &pixels, layout)
                .map(|image| Arc::new(StillClip::new(image)))
        };
        let inside = |x: i32, y: i32| {
            let (x, y) = (x - SIDE / 2, y - SIDE / 2);
            x * x + y * y < (SIDE / 3) * (SIDE / 3)
        };
        let plate = picture(Components::Rgba, &|x, y| match inside(x, y) {
            true => [0.7, 0.5, 0.4, 1.0],
            false => [0.1, 0.7, 0.15, 1.0],
        });
        let hint = picture(Components::Alpha, &|x, y| {
            [f32::from(u8::from(inside(x, y))); 4]
        });
        let failed = |error| Failure::from(from_host(error));
        let instance = effect.create()?;
        instance
            .connect(plugin::SOURCE, plate.map_err(failed)?)
            .map_err(failed)?;
        instance
            .connect(plugin::HINT, hint.map_err(failed)?)
            .map_err(failed)?;
        instance.set_str("inputColor", "srgb").map_err(failed)?;
        instance.set_str("output", "matte").map_err(failed)?;
        let matte = instance
            .render(&RenderRequest::at(1.0))
            .map_err(|failure| from_render(&instance, &failure))?;
        let inside = matte.pixel(SIDE / 2, SIDE / 2).unwrap_or_default()[0];
        let outside = matte.pixel(2, 2).unwrap_or_default()[0];
        if inside > outside + 0.5 {
            Ok(format!(
                "a {SIDE}x{SIDE} key took {:.0} ms, the first of its size",
                milliseconds(began.elapsed())
            ))
        } else {
            Err(Failure {
                code: "doctor.trial".into(),
                message: format!(
                    "the matte of a plain disc is {inside:.2} inside and {outside:.2} outside; the \
                     model or the device does not compute what it should: set \
                     CORRIDORKEY_FORCE_DEVICE to cpu and run doctor again to see which of them it is"
                ),
                exit: 6,
            })
        }
    };
    let result = keyed();
    let facts = json!({ "ms": milliseconds(began.elapsed()) });
    Check {
        name: "trial",
        result,
        optional: false,
        facts,
    }
}

fn as_json(checks: &[Check], exit: u8) -> Value {
    let checks: Vec<Value> = checks
        .iter()
        .map(|check| {
            let mut value = json!({
                "name": check.name.to_lowercase(),
                "ok": check.result.is_ok(),
                "needed": !check.optional,
                "facts": check.facts,
            });
            match &check.result {
                Ok(line) => value["summary"] = line.as_str().into(),
                Err(failure) => value["error"] = failure.json(),
            }
            value
        })
        .collect();
    json!({
        "version": corridorkey::VERSION,
        "works": exit == 0,
        "exit": exit,
        "checks": checks,
    })
}

fn as_text(checks: &[Check], exit: u8) -> String {
    let mut text = format!("CorridorKey {}\n", corridorkey::VERSION);
    for check in checks {
        let (mark, line) = match (&check.result, check.optional) {
            (Ok(line), _) => ("ok  ", line.as_str()),
            (Err(failure), true) => ("no  ", failure.message.as_str()),
            (Err(failure), false) => ("FAIL", failure.message.as_str()),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{mark}  {:<11}  {line}", check.name);
    }
    text.push_str(match exit {
        0 => "A key can be made on this machine.\n",
        _ => "A key CANNOT be made on this machine: see the lines marked FAIL.\n",
    });
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &'static str, result: std::result::Result<&str, u8>, optional: bool) -> Check {
        let result = result.map(str::to_owned).map_err(|exit| Failure {
            code: "x.y".into(),
            message: "it is not there".into(),
            exit,
        });
        Check {
            name,
            result,
            optional,
            facts: Value::Null,
        }
    }

    #[test]
    fn what_fails_is_marked_and_what_may_be_absent_is_not() {
        let checks = [
            found("plugin", Ok("here"), false),
            found("CUDA", Err(5), true),
            found("model", Err(5), false),
        ];
        let text = as_text(&checks, 5);
        assert!(text.contains("ok    plugin       here"), "{text}");
        assert!(text.contains("no    CUDA"), "{text}");
        assert!(text.contains("FAIL  model"), "{text}");
        assert!(text.contains("CANNOT"), "{text}");
        let value = as_json(&checks, 5);
        assert_eq!(value["works"], false);
        assert_eq!(value["checks"][1]["name"], "cuda");
        assert_eq!(value["checks"][2]["error"]["code"], "x.y");
    }
}
