//! Several frames: patterns, ranges, gaps, reports, and being stopped.

use std::process::Stdio;
use std::time::{Duration, Instant};

use image::ExtendedColorType;

use crate::pictures::{
    HEIGHT, WIDTH, hint_byte, hint_png, over, plain_png, plate_png, png, read_exr,
};
use crate::{Desk, near};

#[test]
fn a_pattern_is_keyed_frame_by_frame() {
    let desk = Desk::new();
    for frame in 8..=11 {
        plate_png(&desk.path(&format!("in/shot.{frame:04}.png")));
        hint_png(&desk.path(&format!("in/hint.{frame}.png")));
    }
    let run = desk
        .key(&[
            "--source",
            "in/shot.%04d.png",
            "--hint",
            "in/hint.#.png",
            "--output",
            "matte,hint",
            "--json",
        ])
        .well();
    let lines = run.json();
    assert_eq!(lines.len(), 5);
    for (line, frame) in lines[..4].iter().zip(8..) {
        assert_eq!(line["type"], "frame");
        assert_eq!(line["frame"], frame);
        assert_eq!(line["status"], "ok");
        assert_eq!(line["source"], format!("in/shot.{frame:04}.png"));
        assert_eq!(line["hint"], format!("in/hint.{frame}.png"));
        let matte = format!("out/shot.{frame:04}.matte.exr");
        assert_eq!(line["outputs"]["matte"], matte);
        assert!(desk.path(&matte).is_file());
        assert!(line["ms"]["key"].as_f64().unwrap() > 0.0);
    }
    assert_eq!(lines[4]["type"], "summary");
    assert_eq!(
        (&lines[4]["done"], &lines[4]["failed"]),
        (&4.into(), &0.into())
    );
    assert_eq!(desk.written().len(), 8);

    // Every output is of the same frame.
    let matte = read_exr(&desk.path("out/shot.0009.matte.exr"));
    let hint = read_exr(&desk.path("out/shot.0009.hint.exr"));
    near(matte.channel("Y"), hint.channel("Y"), 1e-6);
}

/// A still plate under a matte that wavers from frame to frame, frame 4 of 1 to 6 missing; gives the
/// mattes' greatest values.
fn steadied(stabilise: &str, frames: &str, at_once: &str) -> Vec<f32> {
    let desk = Desk::new();
    for frame in [1, 2, 3, 5, 6] {
        plate_png(&desk.path(&format!("shot.{frame}.png")));
        let value = if frame % 2 == 0 { 150 } else { 100 };
        let bytes: Vec<u8> = over(WIDTH, HEIGHT)
            .map(|(x, y)| hint_byte(x, y).min(value))
            .collect();
        let path = desk.path(&format!("hint.{frame}.png"));
        png(&path, WIDTH, HEIGHT, ExtendedColorType::L8, &bytes);
    }
    let set = format!("stabilise={stabilise}");
    let mut command = desk.key_command(&[
        "--source",
        "shot.%d.png",
        "--hint",
        "hint.%d.png",
        "--output",
        "matte",
        "--set",
        &set,
        "--frames",
        frames,
    ]);
    let run = Desk::finish(command.env("CORRIDORKEY_FRAMES", at_once));
    assert!(matches!(run.code, 0 | 3), "{}", run.err);
    let written = desk.written();
    let matte = |name: &String| read_exr(&desk.path(&format!("out/{name}")));
    // Beyond the subject the matte is 0.
    let most = |values: &[f32]| values.iter().fold(0.0, |most: f32, value| most.max(*value));
    written
        .iter()
        .map(|name| most(matte(name).channel("Y")))
        .collect()
}

#[test]
fn neighbouring_frames_are_there_to_steady_by() {
    let (low, high) = (100.0 / 255.0, 150.0 / 255.0);
    near(
        &steadied("0", "1-6", "1"),
        &[low, high, low, low, high],
        1e-3,
    );
    let steady = steadied("1", "1-6", "1");
    // Both neighbours, one, or, behind the gap, one again: each is drawn to the others.
    for (index, value) in steady.iter().enumerate() {
        assert!(
            *value > low + 0.02 && *value < high - 0.02,
            "{index}: {steady:?}"
        );
    }
    let [_, both, one, ..] = steady[..] else {
        panic!("{steady:?}");
    };
    // Frame 2 has two neighbours and is drawn further from its own than frame 3, which has one.
    assert!(high - both > one - low + 0.01, "{steady:?}");
    assert_eq!(
        steadied("1", "1-6", "2"),
        steady,
        "whichever is keyed beside it"
    );
    // A shot that is keyed in parts looks as if it were keyed in one.
    assert_eq!(steadied("1", "2-3", "1"), steady[1..3]);
    assert_eq!(steadied("1", "6", "1"), steady[4..]);
}

#[test]
fn only_the_frames_asked_for_are_keyed() {
    let desk = Desk::new();
    for frame in 1..=4 {
        plate_png(&desk.path(&format!("shot.{frame:04}.png")));
    }
    hint_png(&desk.path("garbage.png"));
    // One hint for all frames.
    desk.key(&[
        "--source",
        "shot.####.png",
        "--hint",
        "garbage.png",
        "--output",
        "matte",
        "--frames",
        "2-3",
        "--quiet",
    ])
    .well();
    assert_eq!(
        desk.written(),
        ["shot.0002.matte.exr", "shot.0003.matte.exr"]
    );
}

#[test]
fn a_bad_frame_does_not_stop_the_others() {
    let desk = Desk::new();
    for frame in [1, 2, 4] {
        plate_png(&desk.path(&format!("shot.{frame:04}.png")));
        hint_png(&desk.path(&format!("hint.{frame:04}.png")));
    }
    std::fs::write(
        desk.path("shot.0002.png"),
        b"\x89PNG\r\n\x1a\nnot a picture",
    )
    .unwrap();
    plain_png(&desk.path("hint.0004.png"), 50, 50);
    plate_png(&desk.path("shot.0005.png"));
    hint_png(&desk.path("hint.0005.png"));
    let run = desk.key(&[
        "--source",
        "shot.%04d.png",
        "--hint",
        "hint.%04d.png",
        "--output",
        "matte",
        "--json",
    ]);
    assert_eq!(run.code, 3, "{}", run.err);
    assert_eq!(
        desk.written(),
        ["shot.0001.matte.exr", "shot.0005.matte.exr"]
    );
    let lines = run.json();
    let status: Vec<&str> = lines[..5]
        .iter()
        .map(|line| line["status"].as_str().unwrap())
        .collect();
    assert_eq!(status, ["ok", "failed", "failed", "failed", "ok"]);
    let message = |index: usize| lines[index]["error"]["message"].as_str().unwrap();
    assert!(message(1).contains("shot.0002.png") && message(1).contains("damaged"));
    assert!(message(2).contains("frame 3 is missing"));
    assert!(message(3).contains("50x50") && message(3).contains("96x64"));
    assert_eq!(lines[1]["error"]["code"], "input");
    assert_eq!(lines[5]["status"], "failed");
    assert_eq!(
        (&lines[5]["done"], &lines[5]["failed"]),
        (&2.into(), &3.into())
    );
    assert!(run.err.contains("missing frames: 3"), "{}", run.err);
}

#[test]
fn the_log_and_the_progress_never_reach_standard_output() {
    let desk = Desk::new();
    plate_png(&desk.path("shot.png"));
    hint_png(&desk.path("hint.png"));
    let mut command = desk.key_command(&["--source", "shot.png", "--hint", "hint.png", "--json"]);
    let run = Desk::finish(command.env("CORRIDORKEY_LOG", "trace")).well();
    // Every line parses.
    assert_eq!(run.json().len(), 2);
    let quiet = desk
        .key(&["--source", "shot.png", "--hint", "hint.png", "--quiet"])
        .well();
    assert_eq!((quiet.out.as_str(), quiet.err.as_str()), ("", ""));
}

#[test]
fn an_interrupt_stops_with_130_and_leaves_whole_files_only() {
    let desk = Desk::new();
    for frame in 1..=40 {
        plain_png(&desk.path(&format!("shot.{frame:04}.png")), 512, 512);
    }
    let mut command = desk.command();
    command.args([
        "key",
        "--source",
        "shot.%04d.png",
        "--out",
        "out",
        "--model",
        "slow",
    ]);
    command.args(["--device", "cpu", "--output", "matte,foreground", "--json"]);
    command.arg("--plugin").arg(crate::bundle());
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Wait until it is at work: the first file is there.
    let began = Instant::now();
    while !desk.written().iter().any(|name| name.ends_with(".exr")) {
        assert!(
            child.try_wait().unwrap().is_none(),
            "it ended before it was stopped"
        );
        assert!(
            began.elapsed() < Duration::from_secs(120),
            "it wrote nothing"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    let kill = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(kill.success());
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{err}");
    let written = desk.written();
    assert!(!written.is_empty() && written.len() < 80, "{written:?}");
    for name in &written {
        assert!(name.ends_with(".exr"), "{name}");
        assert_eq!(read_exr(&desk.path("out").join(name)).size, (512, 512));
    }
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(out.lines().last().unwrap().contains("\"stopped\""), "{out}");
}
