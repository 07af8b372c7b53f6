//! What the command foretells of the memory of sessions.

use serde_json::Value;

use crate::{Desk, Run, bundle};

/// Plans with so many megabytes for sessions.
pub(crate) fn plan(desk: &Desk, megabytes: &str, arguments: &[&str]) -> Run {
    let mut command = desk.command();
    command.env("CORRIDORKEY_SESSION_MB", megabytes);
    command.args(["models", "plan"]).args(arguments);
    Desk::finish(command.arg("--plugin").arg(bundle()))
}

/// The rows of the one model that is planned.
pub(crate) fn rows(run: Run) -> Vec<Value> {
    let report = run.well().json().remove(0);
    assert_eq!(report["device"], "cpu");
    assert_eq!(report["models"].as_array().unwrap().len(), 1, "{report}");
    let rows = report["models"][0]["plans"].as_array().unwrap().clone();
    for row in &rows {
        let number = |name: &str| row[name].as_u64().unwrap();
        assert!(number("weights_bytes") > 0 && number("picture_bytes") > 0);
        assert_eq!(
            number("total_bytes"),
            number("weights_bytes") + number("picture_bytes")
        );
        let fits = number("total_bytes") <= report["budget_bytes"].as_u64().unwrap();
        assert_eq!(row["fits"], fits, "{row}");
    }
    rows
}

#[test]
fn every_resolution_of_the_shipped_model_is_planned_in_either_precision() {
    let rows = rows(plan(&Desk::new(), "1000", &["base", "--json"]));
    let of = |precision: &str, plate: [u64; 2], resolution: &str| {
        let found = rows.iter().find(|row| {
            row["precision"] == precision
                && row["plate"] == serde_json::json!(plate)
                && row["resolution"] == resolution
        });
        found.unwrap_or_else(|| panic!("{precision} {plate:?} {resolution}"))
    };
    let (hd, uhd) = ([1920, 1080], [3840, 2160]);
    for precision in ["fp32", "fp16"] {
        for plate in [hd, uhd] {
            for resolution in ["512", "1024", "1536", "2048", "full"] {
                of(precision, plate, resolution);
            }
        }
    }
    assert_eq!(rows.len(), 20);
    let picture = |row: &Value| row["picture_bytes"].as_u64().unwrap();

    // In 32 bits the plug-in computes it itself, and has no tiles: a picture four times as large
    // takes nearly four times as much, all but its bands.
    let of_ours = |plate, resolution| of("fp32", plate, resolution);
    let (small, full) = (of_ours(hd, "512"), of_ours(hd, "full"));
    assert_eq!(small["network"], serde_json::json!([512, 288]));
    assert_eq!(full["network"], serde_json::json!([1920, 1088]));
    assert_eq!(small["weights_bytes"], full["weights_bytes"]);
    assert_eq!(full["fits"], true);
    let large = of_ours(uhd, "full");
    assert_eq!(large["network"], serde_json::json!([3840, 2176]));
    for row in [small, full, large] {
        assert_eq!(row["processor"], "unmixer-1");
        assert_eq!(row["tiles"], 1);
    }
    let times = picture(large) as f64 / picture(full) as f64;
    assert!((3.0..4.0).contains(&times), "{times}");

    // In 16 bits the runtime does, and four tiles need less than four times as much.
    let (full, large) = (of("fp16", hd, "full"), of("fp16", uhd, "full"));
    assert_eq!((&full["tiles"], &large["tiles"]), (&1.into(), &4.into()));
    assert_eq!(large["processor"], Value::Null);
    assert!(picture(large) < 3 * picture(full));
}

#[test]
fn what_does_not_fit_is_said_with_what_does() {
    let desk = Desk::new();
    let arguments = ["pass", "--size", "500x250", "--size", "1024x512"];
    // The transparent model is planned with 640 bytes a pixel: 512 x 256 need 80 MB and a little.
    let run = plan(&desk, "100", &[&arguments[..], &["--json"]].concat());
    let rows = rows(run);
    let facts = |index: usize| (&rows[index]["network"], rows[index]["fits"] == true);
    assert_eq!(facts(0), (&serde_json::json!([512, 256]), true));
    assert_eq!(facts(1), (&serde_json::json!([1024, 512]), false));
    for row in &rows {
        assert_eq!(row["plate"], Value::Null);
        let largest = row["largest"].as_array().unwrap();
        let [width, height] = [&largest[0], &largest[1]].map(|side| side.as_u64().unwrap());
        assert!(width * height * 640 < 100 << 20, "{row}");
        assert!((width + 32) * (height + 32) * 640 > 100 << 20, "{row}");
    }

    let text = plan(&desk, "100", &arguments).well().out;
    let line = |start: &str| -> Vec<String> {
        let line = text.lines().find(|line| line.contains(start)).unwrap();
        line.split("  ")
            .map(str::trim)
            .filter(|cell| !cell.is_empty())
            .map(str::to_owned)
            .collect()
    };
    assert!(text.contains("100 MB"), "{text}");
    let small = line("512 x 256");
    assert_eq!(small[2..5], ["512 x 256", "1", "fp32"]);
    assert_eq!((small[6].as_str(), small[9].as_str()), ("80 MB", "yes"));
    assert_eq!(line("1024 x 512")[9], "no");

    // The weights alone are beyond it.
    let none = plan(&desk, "1", &["base", "--size", "64x64"]).well();
    assert!(none.out.trim_end().ends_with("none"), "{}", none.out);
    // Beyond the model's own limit memory is not the matter.
    let long = plan(&desk, "100000", &["pass", "--size", "8192x64"]).well();
    assert!(long.out.contains("no, sides to 4096"), "{}", long.out);
}

#[test]
fn all_models_are_planned_and_those_that_cannot_be_are_named() {
    let desk = Desk::new();
    let run = plan(&desk, "1000", &["--json"]);
    assert_eq!(run.code, 5, "one of the test models is not a keyer's");
    let report = &run.json()[0];
    let models = report["models"].as_array().unwrap();
    let ids: Vec<&str> = models
        .iter()
        .map(|model| model["id"].as_str().unwrap())
        .collect();
    assert!(ids.contains(&"base") && ids.contains(&"pass"), "{ids:?}");
    assert_eq!(report["problems"][0]["code"], "model.graph");
    let run = plan(&desk, "1000", &["no-such-model"]);
    assert_eq!(run.code, 5);
    assert!(run.out.contains("no-such-model"), "{}", run.out);
    assert_eq!(plan(&desk, "1000", &["base", "--size", "big"]).code, 2);
}
