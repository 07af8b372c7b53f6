//! What the command says about the machine and the plug-in.

use crate::pictures::{hint_png, plate_png, read_png};
use crate::{Desk, bundle, common};

#[test]
fn doctor_finds_everything_in_a_good_bundle() {
    let desk = Desk::new();
    let path = bundle().to_str().unwrap();
    let run = desk.run(&["doctor", "--plugin", path, "--json"]).well();
    let report = &run.json()[0];
    assert_eq!(report["works"], true);
    let check = |name: &str| {
        let checks = report["checks"].as_array().unwrap();
        checks
            .iter()
            .find(|check| check["name"] == name)
            .unwrap_or_else(|| panic!("no {name}"))
    };
    for name in [
        "plugin", "runtime", "cpu", "device", "model", "caches", "hosts", "log", "trial",
    ] {
        assert_eq!(check(name)["ok"], true, "{name}: {}", check(name));
    }
    let model = check("model");
    assert_eq!(model["facts"]["processor"], "unmixer-1");
    let line = model["summary"].as_str().unwrap();
    assert!(line.ends_with("computed by the plug-in itself"), "{line}");
    let library = check("runtime")["facts"]["path"].as_str().unwrap();
    let own = bundle().canonicalize().unwrap();
    assert!(library.starts_with(own.to_str().unwrap()), "{library}");
    assert_eq!(check("coreml")["ok"], cfg!(target_os = "macos"));
    assert_eq!(check("hosts")["facts"]["installed"], false);
    let text = desk.run(&["doctor", "--plugin", path]).well();
    assert!(text.out.contains("A key can be made"), "{}", text.out);
    assert_eq!(text.err, "");
}

#[test]
fn doctor_names_what_is_missing_and_fails() {
    let desk = Desk::new();
    let bare = common::copy_of_bundle("cli-doctor", |bundle| {
        std::fs::remove_file(bundle.join("Contents/Resources/models/base/base.onnx")).unwrap();
    });
    let run = desk.run(&["doctor", "--plugin", bare.to_str().unwrap()]);
    assert_eq!(run.code, 5, "{}", run.out);
    assert!(run.out.contains("FAIL  model"), "{}", run.out);
    assert!(run.out.contains("CANNOT"), "{}", run.out);
    let run = desk.run(&["doctor", "--plugin", "none.ofx.bundle", "--json"]);
    assert_eq!(run.code, 6);
    assert_eq!(run.json()[0]["works"], false);
}

#[test]
fn doctor_writes_nothing_at_home() {
    let desk = Desk::new();
    desk.run(&["doctor", "--plugin", bundle().to_str().unwrap()])
        .well();
    let left: Vec<_> = std::fs::read_dir(desk.path("home")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn the_network_is_timed_and_compared() {
    let desk = Desk::new();
    let path = bundle().to_str().unwrap();
    let mut arguments = vec![
        "benchmark",
        "--plugin",
        path,
        "--size",
        "100x60",
        "--runs",
        "2",
    ];
    let text = desk
        .run(&[&arguments[..], &["--device", "cpu"]].concat())
        .well();
    assert!(text.out.contains("on CPU, 128 x 64"), "{}", text.out);
    arguments.extend(["--against", "cpu", "--json"]);
    let run = desk.run(&arguments).well();
    let measured = &run.json()[0]["measured"][0];
    assert_eq!(measured["network"], serde_json::json!([128, 64]));
    assert_eq!(measured["runs"], 2);
    assert!(measured["median_ms"].as_f64().unwrap() > 0.0);
    assert_eq!(measured["against"]["alpha_largest"], 0.0, "{measured}");
    let run = desk.run(&["benchmark", "--plugin", path, "--model", "nothing"]);
    assert_eq!(run.code, 5, "{}", run.err);
    let run = desk.run(&["benchmark", "--plugin", path, "--runs", "0"]);
    assert_eq!(run.code, 2, "{}", run.err);
}

#[test]
fn whole_frames_are_timed_from_memory_to_memory() {
    let desk = Desk::new();
    let path = bundle().to_str().unwrap();
    let start = [
        "benchmark",
        "--plugin",
        path,
        "--device",
        "cpu",
        "--runs",
        "2",
    ];
    let run = |more: &[&str]| desk.run(&[&start[..], more].concat());
    let both = [
        "--plate",
        "200x100",
        "--output",
        "processed,matte",
        "--json",
    ];
    let told = run(&both).well().json().remove(0);
    // The network is timed at the size that it sees such a plate at.
    assert_eq!(
        told["measured"][0]["network"],
        serde_json::json!([224, 128])
    );
    let network = told["measured"][0]["median_ms"].as_f64().unwrap();
    for (frame, output) in [(0, "processed"), (1, "matte")] {
        let frame = &told["frames"][frame];
        assert_eq!(frame["output"], output);
        assert_eq!(frame["plate"], serde_json::json!([200, 100]));
        let number = |name: &str| frame[name].as_f64().unwrap();
        assert!((number("of_network") * network / number("median_ms") - 1.0).abs() < 1e-6);
        // Each frame had the network run for it, and both frames are in the sum.
        assert!(number("least_ms") > 0.2 * network, "{frame}");
        assert!(
            number("one_at_a_time_ms") >= 2.0 * number("least_ms"),
            "{frame}"
        );
        assert!(number("two_at_a_time_ms") > 0.0, "{frame}");
    }
    let text = run(&["--plate", "200x100"]).well().out;
    assert!(
        text.contains("whole frames of 200 x 100, processed: "),
        "{text}"
    );
    for wrong in [
        &["--output", "matte"][..],
        &["--plate", "9x9", "--size", "64x64"],
    ] {
        assert_eq!(run(wrong).code, 2);
    }
}

#[test]
fn the_plug_ins_own_network_is_timed_beside_its_graph() {
    let desk = Desk::new();
    let path = bundle().to_str().unwrap();
    let run = |more: &[&str]| {
        let start = ["benchmark", "--plugin", path, "--size", "128x64", "--runs"];
        desk.run(&[&start[..], &["3", "--device", "cpu", "--reference"], more].concat())
    };
    let told = run(&["--json"]).well().json().remove(0);
    let measured = &told["measured"][0];
    assert_eq!(measured["processor"], "unmixer-1");
    let reference = &measured["reference"];
    let number = |value: &serde_json::Value| value.as_f64().unwrap();
    let ratio = number(&measured["median_ms"]) / number(&reference["median_ms"]);
    assert!((number(&reference["ratio"]) / ratio - 1.0).abs() < 1e-6);
    for name in ["alpha_largest", "foreground_largest"] {
        let largest = number(&reference[name]);
        // The last digits are others': it is not the same thing twice.
        assert!(largest > 0.0 && largest <= 1e-4, "{reference}");
    }
    let text = run(&[]).well().out;
    assert!(text.contains("itself (unmixer-1); ONNX Runtime "), "{text}");
    assert!(
        text.contains(" ms (least ") && text.contains("a ratio of "),
        "{text}"
    );
    // Where the runtime runs the graph anyway there is nothing to compare.
    for more in [&["--precision", "fp16"][..], &["--model", "pass"]] {
        let refused = run(more);
        assert_eq!(refused.code, 2, "{}", refused.err);
        assert!(refused.err.contains("leave it out"), "{}", refused.err);
    }
}

#[test]
fn models_are_listed_and_verified() {
    let desk = Desk::new();
    let path = bundle().to_str().unwrap();
    let run = desk.run(&["models", "list", "--json", "--plugin", path]);
    let list = &run.json()[0];
    let ids: Vec<&str> = list["models"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| model["id"].as_str().unwrap())
        .collect();
    assert!(ids.contains(&"base") && ids.contains(&"pass"), "{ids:?}");
    // One of the test models is not a keyer's.
    assert_eq!(run.code, 5);
    assert_eq!(list["problems"][0]["code"], "model.graph");
    let run = desk
        .run(&["models", "verify", "base", "--plugin", path])
        .well();
    assert!(run.out.starts_with("sound: base@"), "{}", run.out);
}

/// An artist's own `base` must not change every project that names no model.
#[test]
fn a_model_of_the_shipped_one_s_name_is_not_the_shipped_one() {
    let desk = Desk::new();
    plate_png(&desk.path("shot.png"));
    let folder = desk.path("models/mine");
    std::fs::create_dir_all(&folder).unwrap();
    // The transparent model under another name.
    let pass = bundle().join("Contents/Resources/models/pass");
    let manifest = std::fs::read_to_string(pass.join("model.toml")).unwrap();
    let manifest = manifest.replace("id = \"pass\"", "id = \"base\"");
    std::fs::write(folder.join("model.toml"), manifest).unwrap();
    std::fs::copy(pass.join("net.onnx"), folder.join("net.onnx")).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = desk.command();
        command.args(arguments).arg("--plugin").arg(bundle());
        Desk::finish(command.env("CORRIDORKEY_MODELS", desk.path("models")))
    };

    let list = run(&["models", "list", "--json"]);
    let bases: Vec<_> = list.json()[0]["models"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|model| model["id"] == "base")
        .map(|model| (model["version"] == "1", model["shipped"] == true))
        .collect();
    assert_eq!(bases, [(true, false), (false, true)]);

    let key = |out: &str, more: &[&str]| {
        let start = [
            "key", "--source", "shot.png", "--out", out, "--device", "cpu",
        ];
        run(&[&start[..], &["--output", "matte", "--quiet"], more].concat()).well();
        std::fs::read(desk.path(out).join("shot.matte.exr")).unwrap()
    };
    let unnamed = key("unnamed", &[]);
    let named = key("named", &["--model", "base"]);
    let before = {
        desk.run(&[
            "key",
            "--source",
            "shot.png",
            "--out",
            "before",
            "--device",
            "cpu",
            "--output",
            "matte",
            "--quiet",
            "--plugin",
            bundle().to_str().unwrap(),
        ])
        .well();
        std::fs::read(desk.path("before/shot.matte.exr")).unwrap()
    };
    assert!(unnamed == before, "the picture is the shipped model's");
    assert!(
        named != unnamed,
        "a model that is named is looked for first"
    );
}

/// Two builds of one version can be told apart.
#[test]
fn the_build_is_named_by_doctor_and_in_the_log() {
    let desk = Desk::new();
    plate_png(&desk.path("shot.png"));
    let path = bundle().to_str().unwrap();
    let report = &desk
        .run(&["doctor", "--plugin", path, "--json"])
        .well()
        .json()[0];
    assert_eq!(report["version"], corridorkey::VERSION);
    let checks = report["checks"].as_array().unwrap();
    let plugin = checks.iter().find(|check| check["name"] == "plugin");
    assert_eq!(plugin.unwrap()["facts"]["version"], corridorkey::VERSION);
    let mut command = desk.key_command(&["--source", "shot.png", "--quiet"]);
    Desk::finish(command.env("CORRIDORKEY_LOG", "info")).well();
    let log = report["checks"].as_array().unwrap().iter();
    let log = log.clone().find(|check| check["name"] == "log").unwrap();
    let text = std::fs::read_to_string(log["facts"]["path"].as_str().unwrap()).unwrap();
    let first = text.lines().next().unwrap();
    assert!(
        first.ends_with(&format!("CorridorKey {}", corridorkey::VERSION)),
        "{first}"
    );
}

#[test]
fn parameters_are_those_of_the_table() {
    let desk = Desk::new();
    let path = bundle().to_str().unwrap();
    let run = desk.run(&["params", "--json", "--plugin", path]).well();
    let report = &run.json()[0];
    assert_eq!(report["identifier"], common::ID);
    let params = report["params"].as_array().unwrap();
    let param = |id: &str| params.iter().find(|param| param["id"] == id).unwrap();
    assert_eq!(param("output")["default"], "processed");
    assert_eq!(param("despillStrength")["range"][1], 1.0);
    let text = desk.run(&["params", "--plugin", path]).well();
    assert!(
        text.out
            .contains("| `hintSource` | auto, hint, sourceAlpha, screen | auto |"),
        "{}",
        text.out
    );
}

#[test]
fn results_make_a_contact_sheet() {
    let desk = Desk::new();
    plate_png(&desk.path("samples/a.plate.png"));
    hint_png(&desk.path("samples/a.hint.png"));
    desk.key(&[
        "--source",
        "samples/a.plate.png",
        "--hint",
        "samples/a.hint.png",
        "--output",
        "matte,foreground,processed,composite",
    ])
    .well();
    desk.run(&[
        "sheet",
        "--out",
        "sheet.png",
        "--width",
        "96",
        "--samples",
        "samples",
        "out",
    ])
    .well();
    let sheet = read_png(&desk.path("sheet.png"));
    assert_eq!(sheet.width(), 8 + 5 * (96 + 8));
    // The middle of the plate's tile is the plate, and that of the hint's is the hint.
    let sheet = sheet.to_rgb8();
    let greens = sheet
        .pixels()
        .filter(|pixel| pixel.0[1] > 150 && pixel.0[0] < 60)
        .count();
    let whites = sheet.pixels().filter(|pixel| pixel.0 == [204; 3]).count();
    assert!(greens > 2000 && whites > 200, "{greens} {whites}");
}

#[test]
fn help_and_version_go_to_standard_output() {
    let desk = Desk::new();
    let help = desk.run(&["key", "--help"]).well();
    assert!(
        help.out.contains("--source") && help.out.contains("Exit codes"),
        "{}",
        help.out
    );
    let version = desk.run(&["--version"]).well();
    assert_eq!(
        version.out.trim(),
        format!("corridorkey {}", corridorkey::VERSION)
    );
    assert_eq!(desk.run(&[]).code, 2);
    assert!(!desk.run(&["--help"]).well().out.contains("sheet"));
}
