//! What is wrong with the input, the machine or the disk: each gives one sentence and its exit
//! code, and nothing is left half-written.

use std::path::Path;

use exr::prelude::{ImageAttributes, LayerAttributes};
use image::ExtendedColorType;

use crate::pictures::{HEIGHT, WIDTH, exr, hint_png, over, plain_png, plate_png, png, read_exr};
use crate::{Desk, Run, common};

/// Fails unless the run failed with this code and one sentence that has these words.
#[track_caller]
fn refused(desk: &Desk, run: &Run, code: i32, words: &[&str]) {
    assert_eq!(run.code, code, "out: {}\nerr: {}", run.out, run.err);
    let lines: Vec<&str> = run.err.lines().collect();
    assert_eq!(lines.len(), 1, "one sentence: {}", run.err);
    assert!(lines[0].starts_with("corridorkey: "), "{}", lines[0]);
    for word in words {
        assert!(lines[0].contains(word), "no `{word}` in: {}", lines[0]);
    }
    assert!(!run.err.contains("panicked"), "{}", run.err);
    assert_eq!(desk.written(), [""; 0], "something was written");
}

fn desk() -> Desk {
    let desk = Desk::new();
    plate_png(&desk.path("shot.png"));
    hint_png(&desk.path("hint.png"));
    desk
}

const PLAIN: [&str; 4] = ["--source", "shot.png", "--hint", "hint.png"];

#[test]
fn pictures_that_cannot_be_read() {
    let desk = desk();
    let whole = std::fs::read(desk.path("shot.png")).unwrap();
    std::fs::write(desk.path("cut.png"), &whole[..whole.len() / 2]).unwrap();
    std::fs::write(desk.path("empty.png"), b"").unwrap();
    std::fs::write(desk.path("photo.png"), b"\xff\xd8\xff\xe0\0\x10JFIF\0").unwrap();
    std::fs::create_dir(desk.path("folder.png")).unwrap();
    let attributes = ImageAttributes::with_size((2, 2));
    let depth = [("Z", vec![0.0; 4])];
    exr(
        &desk.path("z.exr"),
        attributes.clone(),
        LayerAttributes::default(),
        (2, 2),
        true,
        &depth,
    );
    let alpha = [("A", vec![0.0; 4])];
    exr(
        &desk.path("a.exr"),
        attributes,
        LayerAttributes::default(),
        (2, 2),
        true,
        &alpha,
    );
    let rgb = ["R", "G", "B"].map(|name| (name, vec![0.5; 4]));
    let attributes = ImageAttributes::with_size((2, 2));
    let (size, part) = ((2, 2), LayerAttributes::default());
    exr(&desk.path("rgb.exr"), attributes, part, size, true, &rgb);
    let exr_bytes = std::fs::read(desk.path("rgb.exr")).unwrap();
    std::fs::write(desk.path("cut.exr"), &exr_bytes[..exr_bytes.len() - 5]).unwrap();

    for (file, words) in [
        ("none.png", ["none.png", "no such file"]),
        ("cut.png", ["cut.png", "incomplete"]),
        ("empty.png", ["empty.png", "empty"]),
        ("photo.png", ["photo.png", "JPEG"]),
        ("folder.png", ["folder.png", "folder"]),
        ("z.exr", ["z.exr", "channels Z"]),
        ("a.exr", ["a.exr", "needs colour"]),
        ("cut.exr", ["cut.exr", "incomplete"]),
        ("shot.%04d.png", ["shot.%04d.png", "no file matches"]),
    ] {
        refused(&desk, &desk.key(&["--source", file, "--quiet"]), 3, &words);
        if file != "a.exr" && !file.contains('%') {
            // The same as a hint.
            let run = desk.key(&["--source", "shot.png", "--hint", file, "--quiet"]);
            refused(&desk, &run, 3, &words);
        }
    }
}

#[test]
fn hints_that_do_not_fit() {
    let desk = desk();
    plain_png(&desk.path("square.png"), 50, 50);
    let run = desk.key(&["--source", "shot.png", "--hint", "square.png"]);
    refused(&desk, &run, 3, &["square.png", "50x50", "96x64"]);
    let run = desk.key(&["--source", "shot.png", "--hint", "hint.%04d.png"]);
    refused(&desk, &run, 2, &["is a pattern"]);
}

#[test]
fn mistakes_on_the_command_line() {
    let desk = desk();
    for (arguments, words) in [
        (
            &["--set", "despil=1"][..],
            &["despil", "despillStrength"][..],
        ),
        (
            &["--set", "upsampling=loud"],
            &["upsampling", "loud", "lanczos"],
        ),
        (
            &["--set", "refinerStrength=much"],
            &["refinerStrength", "much"],
        ),
        (&["--set", "output=matte"], &["--output"]),
        (&["--resolution", "1000"], &["resolution", "1000"]),
        (&["--output", "mate"], &["mate", "matte"]),
        (&["--frames", "1-2"], &["--frames", "pattern"]),
    ] {
        let run = desk.key(&[&PLAIN[..], arguments].concat());
        refused(&desk, &run, 2, words);
    }
    // Clap's own: no pictures are touched.
    for arguments in [
        &["--format", "tiff"][..],
        &["--depth", "double"],
        &["--frames", "9-1"],
    ] {
        let run = desk.key(&[&PLAIN[..], arguments].concat());
        assert_eq!(run.code, 2, "{}", run.err);
    }
    assert_eq!(desk.written(), [""; 0]);
    let json = desk.key(&[&PLAIN[..], &["--output", "mate", "--json"]].concat());
    assert_eq!(json.json()[0]["error"]["code"], "usage");
    assert_eq!(json.json()[0]["exit"], 2);
}

#[test]
fn models_that_cannot_be_used() {
    let desk = desk();
    let key = |model: &str| {
        let mut command = desk.command();
        command.args(["key", "--out", "out", "--device", "cpu", "--model", model]);
        command.args(PLAIN).arg("--plugin").arg(crate::bundle());
        Desk::finish(&mut command)
    };
    refused(&desk, &key("nobody"), 5, &["nobody"]);
    refused(&desk, &key("inputs"), 5, &["inputs"]);
    refused(&desk, &key("nan"), 5, &["nan"]);
}

/// `key` with the shipped model of a bundle that was changed.
fn with_bundle(desk: &Desk, bundle: &Path, variables: &[(&str, &str)]) -> Run {
    let mut command = desk.command();
    command.args(["key", "--out", "out", "--device", "cpu"]);
    command.args(PLAIN).arg("--plugin").arg(bundle);
    command.envs(variables.iter().copied());
    Desk::finish(&mut command)
}

#[test]
fn a_model_or_runtime_that_is_missing_or_changed() {
    let desk = desk();
    let model = "Contents/Resources/models/base/base.onnx";
    let missing = common::copy_of_bundle("cli-model-missing", |bundle| {
        std::fs::remove_file(bundle.join(model)).unwrap();
    });
    refused(&desk, &with_bundle(&desk, &missing, &[]), 5, &["base.onnx"]);

    let altered = common::copy_of_bundle("cli-model-altered", |bundle| {
        let mut bytes = std::fs::read(bundle.join(model)).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(bundle.join(model), bytes).unwrap();
    });
    refused(&desk, &with_bundle(&desk, &altered, &[]), 5, &["base.onnx"]);

    let bare = common::copy_of_bundle("cli-no-runtime", |bundle| {
        let folder = bundle.join("Contents").join(ofx::host::ARCHITECTURE);
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path
                .file_name()
                .unwrap()
                .to_string_lossy()
                .contains("onnxruntime")
            {
                std::fs::remove_file(path).unwrap();
            }
        }
    });
    refused(&desk, &with_bundle(&desk, &bare, &[]), 5, &["ONNX Runtime"]);

    // A library that is something else.
    let foreign = desk.path("libforeign.so");
    std::fs::write(&foreign, b"no library").unwrap();
    let variables = [("CORRIDORKEY_ORT_DYLIB", foreign.to_str().unwrap())];
    refused(
        &desk,
        &with_bundle(&desk, crate::bundle(), &variables),
        5,
        &["libforeign.so"],
    );
}

#[test]
fn devices_that_are_not_there() {
    let desk = desk();
    let run = desk.key(&[&PLAIN[..], &["--device", "cpu"]].concat());
    assert_eq!(run.code, 2, "clap refuses a flag given twice: {}", run.err);
    for device in ["coreml", "mps"] {
        let mut command = desk.command();
        command
            .args(["key", "--out", "out", "--model", "pass", "--device", device])
            .args(PLAIN);
        let run = Desk::finish(command.arg("--plugin").arg(crate::bundle()));
        if cfg!(target_os = "macos") {
            continue;
        }
        refused(&desk, &run, 5, &["CoreML"]);
    }
    let mut command = desk.command();
    command
        .args([
            "key", "--out", "out", "--model", "pass", "--device", "toaster",
        ])
        .args(PLAIN);
    let run = Desk::finish(command.arg("--plugin").arg(crate::bundle()));
    refused(&desk, &run, 2, &["toaster", "cpu"]);
}

#[test]
fn bundles_that_are_not_there() {
    let desk = desk();
    let key = |name: &str| {
        let mut command = desk.command();
        command.args(["key", "--out", "out"]).args(PLAIN);
        command.env("OFX_PLUGIN_PATH", desk.path(name));
        Desk::finish(&mut command)
    };
    if !Path::new("/usr/OFX/Plugins/CorridorKey.ofx.bundle").exists() {
        refused(&desk, &key("nowhere"), 6, &["not installed", "--plugin"]);
    }
    let mut command = desk.command();
    command
        .args(["key", "--out", "out", "--plugin", "No.ofx.bundle"])
        .args(PLAIN);
    refused(&desk, &Desk::finish(&mut command), 6, &["No.ofx.bundle"]);

    // On the path that hosts search, it is found.
    let mut command = desk.command();
    command
        .args(["key", "--out", "out", "--model", "pass", "--quiet"])
        .args(PLAIN);
    command.env("OFX_PLUGIN_PATH", crate::bundle().parent().unwrap());
    assert_eq!(Desk::finish(&mut command).well().err, "");
}

#[test]
fn folders_that_cannot_be_written() {
    let desk = desk();
    std::fs::write(desk.path("out"), b"a file").unwrap();
    let run = desk.key(&PLAIN);
    assert_eq!(run.code, 4, "{}", run.err);
    assert!(run.err.contains("folder"), "{}", run.err);
    assert_eq!(std::fs::read(desk.path("out")).unwrap(), b"a file");
}

/// `key` of a 256x256 frame on a disk that is full after 64 blocks of 512 or 1024 bytes: a limit on
/// the size of files fails in the middle of writing as a full disk does.
#[cfg(unix)]
fn on_a_full_disk(desk: &Desk, arguments: &[&str]) -> Run {
    // Noise, so that compression does not make it small.
    let mut state = 1u32;
    let noise: Vec<u8> = over(256, 256)
        .flat_map(|_| {
            [0; 3].map(|_: i32| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
        })
        .collect();
    png(
        &desk.path("shot.png"),
        256,
        256,
        ExtendedColorType::Rgb8,
        &noise,
    );
    png(
        &desk.path("hint.png"),
        256,
        256,
        ExtendedColorType::L8,
        &[200; 256 * 256],
    );
    // The signal that comes with the error is ignored.
    let key = desk.key_command(&[&PLAIN[..], arguments].concat());
    Desk::finish(&mut through_shell(
        &key,
        "trap '' XFSZ; ulimit -f 64; exec \"$0\" \"$@\"",
    ))
}

/// A command as a shell script runs it: `$0` is the program and `$@` its arguments.
#[cfg(unix)]
fn through_shell(command: &std::process::Command, script: &str) -> std::process::Command {
    let mut shell = std::process::Command::new("sh");
    shell.arg("-c").arg(script);
    shell.arg(command.get_program()).args(command.get_args());
    shell.current_dir(command.get_current_dir().unwrap());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

#[test]
#[cfg(unix)]
fn a_disk_that_is_full() {
    let desk = Desk::new();
    for format in ["exr", "png"] {
        let run = on_a_full_disk(&desk, &["--output", "foreground", "--format", format]);
        refused(&desk, &run, 4, &["shot.foreground", "larger than"]);
    }
}

/// The matte of a flat hint is small enough, the noise of the foreground is not.
#[test]
#[cfg(unix)]
fn a_frame_of_which_one_file_fails_has_no_file() {
    let desk = Desk::new();
    for outputs in ["matte,foreground", "foreground,matte"] {
        let run = on_a_full_disk(&desk, &["--output", outputs, "--json"]);
        assert_eq!(run.code, 4, "{}", run.err);
        let frame = &run.json()[0];
        assert_eq!(frame["status"], "failed");
        assert_eq!(frame["outputs"], serde_json::json!({}));
        assert_eq!(desk.written(), [""; 0], "{outputs}");
    }
}

/// What lies there from an earlier run would pass for the frame that failed.
#[test]
fn a_failed_frame_leaves_no_older_file_of_its_name() {
    let desk = Desk::new();
    for frame in 1..=3 {
        plate_png(&desk.path(&format!("shot.{frame}.png")));
    }
    let arguments = ["--source", "shot.#.png", "--output", "processed,matte"];
    desk.key(&arguments).well();
    assert_eq!(desk.written().len(), 6);
    let source = std::fs::read(desk.path("shot.2.png")).unwrap();
    std::fs::write(desk.path("shot.2.png"), &source[..source.len() / 2]).unwrap();
    std::fs::write(desk.path("out/shot.2.foreground.exr"), b"another's").unwrap();
    let run = desk.key(&arguments);
    assert_eq!(run.code, 3, "{}", run.err);
    assert_eq!(
        desk.written(),
        [
            "shot.1.matte.exr",
            "shot.1.processed.exr",
            // Not one of the outputs of this run.
            "shot.2.foreground.exr",
            "shot.3.matte.exr",
            "shot.3.processed.exr",
        ]
    );
}

/// A matte of an earlier run can be the next run's hint, in the same folder and under the name that
/// the new matte will have: when the frame fails it is the user's own file.
#[test]
fn what_a_failed_frame_was_made_from_stays() {
    let desk = Desk::new();
    plate_png(&desk.path("out/shot.png"));
    desk.key(&["--source", "out/shot.png", "--output", "matte"])
        .well();
    std::fs::write(desk.path("out/shot.png"), b"no picture").unwrap();
    let run = desk.key(&[
        "--source",
        "out/shot.png",
        "--hint",
        "out/shot.matte.exr",
        "--output",
        "matte,processed",
    ]);
    assert_eq!(run.code, 3, "{}", run.err);
    assert_eq!(desk.written(), ["shot.matte.exr", "shot.png"]);
}

/// Containers that share a folder have the same few process numbers: what another one is writing
/// is left alone.
#[test]
#[cfg(unix)]
fn machines_with_the_same_process_number_share_a_folder() {
    let desk = desk();
    let key = desk.key_command(&PLAIN);
    // The shell's process becomes the command's, number and all.
    let script = "mkdir -p out; for n in 0 1 2 3; do \
        echo theirs >out/.corridorkey-$$-$n.part; done; exec \"$0\" \"$@\"";
    Desk::finish(&mut through_shell(&key, script)).well();
    let written = desk.written();
    assert_eq!(written.len(), 6, "{written:?}");
    for name in &written[..4] {
        assert!(name.ends_with(".part"), "{written:?}");
        let text = std::fs::read_to_string(desk.path("out").join(name)).unwrap();
        assert_eq!(text, "theirs\n");
    }
    assert_eq!(
        written[4..],
        ["shot.matte.exr", "shot.processed.exr"],
        "{written:?}"
    );
}

#[test]
fn odd_sizes_are_keyed() {
    let desk = Desk::new();
    for (width, height) in [(1, 1), (7, 5), (31, 2001)] {
        let name = format!("s{width}x{height}");
        plain_png(&desk.path(&format!("{name}.png")), width, height);
        desk.key(&[
            "--source",
            &format!("{name}.png"),
            "--output",
            "matte,processed",
        ])
        .well();
        for output in ["matte", "processed"] {
            let written = read_exr(&desk.path(&format!("out/{name}.{output}.exr")));
            assert_eq!(written.size, (width, height));
            assert!(
                written
                    .channels
                    .iter()
                    .all(|(_, values)| values.iter().all(|v| v.is_finite()))
            );
        }
    }
}

#[test]
fn values_that_are_no_numbers_do_not_spread() {
    let desk = Desk::new();
    let count = WIDTH * HEIGHT;
    let mut planes = [vec![0.1f32; count], vec![0.6; count], vec![0.1; count]];
    planes[0][5] = f32::NAN;
    planes[1][6] = f32::INFINITY;
    planes[2][7] = f32::NEG_INFINITY;
    let [red, green, blue] = planes;
    let channels = [("R", red), ("G", green), ("B", blue)];
    let attributes = ImageAttributes::with_size((WIDTH, HEIGHT));
    let size = (WIDTH, HEIGHT);
    exr(
        &desk.path("shot.exr"),
        attributes,
        LayerAttributes::default(),
        size,
        false,
        &channels,
    );
    hint_png(&desk.path("hint.png"));
    desk.key_shot("matte,processed").well();
    for output in ["matte", "processed"] {
        let written = read_exr(&desk.path(&format!("out/shot.{output}.exr")));
        for (name, values) in &written.channels {
            assert!(
                values.iter().all(|value| value.is_finite()),
                "{output} {name}"
            );
        }
    }
}
