//! Buttons that show something outside the host, with a desktop that only takes notes.
//!
//! A test program of its own with one test: it changes the environment of its process.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, unsafe_code)]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use common::{frame, instance, load, plate};
use ofx::Context;
use ofx::host::{HostOptions, Layout};

fn set(name: &str, value: Option<&Path>) {
    // SAFETY: this process has one test, and no other thread reads the environment meanwhile.
    unsafe {
        match value {
            Some(value) => std::env::set_var(name, value),
            None => std::env::remove_var(name),
        }
    }
}

/// What the desktop was asked to open, once it has been.
fn note(file: &Path) -> String {
    let begun = Instant::now();
    loop {
        match fs::read_to_string(file) {
            Ok(text) if text.ends_with('\n') => {
                fs::remove_file(file).unwrap();
                return text;
            }
            _ if begun.elapsed() > Duration::from_secs(30) => panic!("nothing was opened"),
            _ => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// Children of this process that have ended and that nobody took note of.
fn zombies() -> usize {
    let own = std::process::id().to_string();
    let stats = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| fs::read_to_string(entry.ok()?.path().join("stat")).ok());
    stats
        .filter(|stat| {
            let rest = stat.rsplit(')').next().unwrap_or_default();
            let mut words = rest.split_whitespace();
            words.next() == Some("Z") && words.next() == Some(own.as_str())
        })
        .count()
}

#[test]
fn the_log_folder_and_the_help_are_opened_or_named() {
    let place = tempfile::tempdir().unwrap();
    let (tools, state) = (
        place.path().join("tools of \"mine\""),
        place.path().join("a $(state) & folder"),
    );
    let notes = place.path().join("notes");
    fs::create_dir_all(&tools).unwrap();
    let opener = tools.join("xdg-open");
    // It stays for a while, as a browser does.
    fs::write(
        &opener,
        format!(
            "#!/bin/sh\nprintf '%s|%s|%s\\n' \"$#\" \"$1\" \"$LD_LIBRARY_PATH\" > '{0}.new'\nmv '{0}.new' '{0}'\nsleep 3\n",
            notes.display()
        ),
    )
    .unwrap();
    fs::set_permissions(&opener, fs::Permissions::from_mode(0o755)).unwrap();
    set("XDG_STATE_HOME", Some(&state));
    let library = load(
        &common::bundle_with_test_models("but tons"),
        HostOptions::strict(),
    );
    let source = plate(frame(64, 48), Layout::FLOAT_RGBA);
    let node = instance(&library, Context::General, &source, None);

    // No desktop: the message has the path.
    let path = std::env::var_os("PATH").unwrap();
    for name in ["DISPLAY", "WAYLAND_DISPLAY"] {
        set(name, None);
    }
    let said = |button: &str| {
        assert!(node.press(button).is_err());
        node.message().expect("a button that fails says why").text
    };
    let text = said("openLog");
    assert!(
        text.contains("a $(state) & folder") && text.contains("no desktop"),
        "{text}"
    );
    let text = said("help");
    assert!(text.contains("help/index.html"), "{text}");
    // A desktop without the program.
    set("DISPLAY", Some(Path::new(":77")));
    set("PATH", Some(place.path()));
    assert!(said("openLog").contains("xdg-open is not installed"));

    let mut with = tools.clone().into_os_string();
    with.push(":");
    with.push(path);
    set("PATH", Some(Path::new(&with)));
    set("LD_LIBRARY_PATH", Some(Path::new("/of/the/host")));
    for (button, end) in [
        ("openLog", "a $(state) & folder/"),
        ("help", "Contents/Resources/help/index.html"),
    ] {
        let begun = Instant::now();
        node.press(button).unwrap();
        assert!(
            begun.elapsed() < Duration::from_millis(2500),
            "nobody waits for what was opened"
        );
        let text = note(&notes);
        assert!(text.starts_with("1|/") && text.contains(end), "{text}");
        assert!(
            text.ends_with("|\n"),
            "without the host's libraries: {text}"
        );
        let opened = text
            .trim_end()
            .trim_end_matches('|')
            .trim_start_matches("1|");
        assert!(Path::new(opened).exists(), "{opened}");
        assert_eq!(zombies(), 0);
    }
    library.assert_clean();
}
