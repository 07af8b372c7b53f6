//! `corridorkey models download`, as users run it: what is kept, gone on with, checked
//! and imported. What servers can do wrong is in [`distrust`](crate::distrust).

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::Value;

use crate::checkpoint::{Kind, Pth};
use crate::imports::{named, tree};
use crate::publisher::{LATEST, Publisher, Reply, Server, TAGGED, sum};
use crate::{Desk, Run, bundle, weights};

pub(crate) const NAME: &str = "weights.pth";

/// Bytes that are nowhere the same.
pub(crate) fn content() -> Vec<u8> {
    (0..300_000_u32)
        .flat_map(|value| value.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect()
}

pub(crate) fn good() -> Publisher {
    Publisher::of(NAME, content()).summed()
}

/// The command, with this server as the API.
pub(crate) fn command(desk: &Desk, server: &Server, arguments: &[&str]) -> Command {
    let mut command = desk.command();
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "GITHUB_TOKEN"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    command
        .env("CORRIDORKEY_WEIGHTS_API", &server.base)
        .env("CORRIDORKEY_WEIGHTS_REPO", "maker/weights")
        .env("CORRIDORKEY_WEIGHTS_ASSET", NAME)
        .args(["models", "download"])
        .args(arguments);
    command
}

pub(crate) const ONLY: [&str; 2] = ["--no-import", "--accept-licence"];

/// Downloads without importing.
pub(crate) fn download(desk: &Desk, server: &Server, arguments: &[&str]) -> Run {
    Desk::finish(&mut command(desk, server, &[&ONLY, arguments].concat()))
}

/// Where the file of the release is kept.
pub(crate) fn kept(desk: &Desk) -> PathBuf {
    desk.path("home/cache/corridorkey/weights/maker/weights/v1")
}

pub(crate) fn partial(desk: &Desk) -> PathBuf {
    kept(desk).join(format!(".{NAME}.part"))
}

#[track_caller]
fn facts(run: &Run) -> Value {
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    run.json()[0]["downloaded"].clone()
}

/// One sentence with these words, this exit code, and no file under its name.
#[track_caller]
pub(crate) fn refused(desk: &Desk, run: &Run, code: i32, words: &[&str]) {
    let last = run.err.lines().last().unwrap_or_default();
    let sentence = last.strip_prefix("corridorkey: ").unwrap_or_default();
    assert_eq!(run.code, code, "{}{}", run.out, run.err);
    for word in words {
        assert!(sentence.contains(word), "no {word} in: {}", run.err);
    }
    assert!(
        sentence.len() < 600 && !run.err.contains("panicked"),
        "{}",
        run.err
    );
    assert!(!kept(desk).join(NAME).exists());
}

#[test]
fn a_good_file_is_kept_checked_and_used_again() {
    let desk = Desk::new();
    let server = good().serve();
    let run = download(&desk, &server, &["--json"]);
    let first = facts(&run);
    assert_eq!(first["path"], kept(&desk).join(NAME).to_str().unwrap());
    assert_eq!(first["tag"], "v1");
    assert_eq!(first["bytes"], content().len());
    assert_eq!(first["sha256"], sum(&content()));
    assert_eq!(first["checked_by"], "weights.pth.sha256");
    assert_eq!(
        (&first["cached"], &first["resumed"]),
        (&false.into(), &0.into())
    );
    assert_eq!(run.json()[0]["import"], Value::Null);
    assert_eq!(fs::read(kept(&desk).join(NAME)).unwrap(), content());
    assert_eq!(tree(&kept(&desk)), [".weights.pth.record.json", NAME]);
    assert_eq!(server.paths(), [LATEST, "/files/1", "/files/0"]);

    // The newest release is asked for, and its file is here; a named one needs no server.
    let again = facts(&download(&desk, &server, &["--json"]));
    assert_eq!(again["cached"], true);
    assert_eq!(server.paths(), [LATEST]);
    let run = download(&desk, &server, &["--tag", "v1", "--print-path"]).well();
    assert_eq!(run.out, format!("{}\n", kept(&desk).join(NAME).display()));
    assert_eq!(server.paths(), [""; 0]);
    facts(&download(
        &desk,
        &server,
        &["--tag", "v1", "--force", "--json"],
    ));
    assert_eq!(server.paths(), [TAGGED, "/files/1", "/files/0"]);

    // What was changed since is not what was downloaded.
    fs::write(kept(&desk).join(NAME), b"changed").unwrap();
    let run = download(&desk, &server, &["--tag", "v1"]).well();
    assert!(
        run.out
            .starts_with("downloaded: weights.pth of maker/weights (v1), 2 MB"),
        "{}",
        run.out
    );
    assert_eq!(fs::read(kept(&desk).join(NAME)).unwrap(), content());
}

#[test]
fn a_transfer_that_breaks_off_is_gone_on_with() {
    let desk = Desk::new();
    let breaks = Arc::new(AtomicUsize::new(1));
    let server = good().serve_changed({
        let breaks = Arc::clone(&breaks);
        move |asked, mut reply| {
            if asked.path == "/files/0" && breaks.load(Ordering::SeqCst) > 0 {
                breaks.fetch_sub(1, Ordering::SeqCst);
                reply.cut = Some(500_000);
            }
            reply
        }
    });
    let run = download(&desk, &server, &[]);
    refused(&desk, &run, 5, &["broke off", "500000 of 1200000", "go on"]);
    assert_eq!(fs::metadata(partial(&desk)).unwrap().len(), 500_000);
    server.asked();

    let run = download(&desk, &server, &["--json"]);
    assert_eq!(facts(&run)["resumed"], 500_000);
    let asked = server.asked();
    let file = asked.iter().find(|asked| asked.path == "/files/0").unwrap();
    assert_eq!(file.header("range"), Some("bytes=500000-"));
    let tag = format!("\"{}\"", &sum(&content())[..8]);
    assert_eq!(file.header("if-range"), Some(tag.as_str()));
    assert_eq!(fs::read(kept(&desk).join(NAME)).unwrap(), content());
    assert!(!partial(&desk).exists());

    // --force begins at the beginning.
    breaks.store(1, Ordering::SeqCst);
    assert_eq!(download(&desk, &server, &["--force"]).code, 5);
    assert!(partial(&desk).exists());
    let run = download(&desk, &server, &["--force", "--json"]);
    assert_eq!(facts(&run)["resumed"], 0);
}

/// The file became another between the two halves; nothing of the two is mixed.
#[test]
fn a_file_that_changes_meanwhile_is_begun_anew() {
    let mut other = content();
    other.reverse();
    for (first, second) in [
        // The server sees it, by the entity tag.
        (
            Publisher::of(NAME, content()),
            Publisher::of(NAME, other.clone()),
        ),
        // The checksum shows it before the file is asked for.
        (good(), Publisher::of(NAME, other.clone()).summed()),
    ] {
        let desk = Desk::new();
        let replaced = Arc::new(AtomicBool::new(false));
        let server = Server::start({
            let replaced = Arc::clone(&replaced);
            move |asked, base| {
                if replaced.load(Ordering::SeqCst) {
                    return second.answer(asked, base);
                }
                let mut reply = first.answer(asked, base);
                reply.cut = (asked.path == "/files/0").then_some(1000);
                reply
            }
        });
        assert_eq!(download(&desk, &server, &[]).code, 5);
        assert_eq!(fs::metadata(partial(&desk)).unwrap().len(), 1000);
        replaced.store(true, Ordering::SeqCst);
        let run = download(&desk, &server, &["--json"]);
        assert_eq!(facts(&run)["resumed"], 0);
        assert_eq!(fs::read(kept(&desk).join(NAME)).unwrap(), other);
    }
}

/// Servers that do not know ranges, or answer another one than was asked for.
#[test]
fn wrong_ranges_are_not_mixed_in() {
    for wrong in [200, 206, 416] {
        let desk = Desk::new();
        let count = AtomicUsize::new(0);
        let server = good().serve_changed(move |asked, mut reply| {
            if asked.path != "/files/0" {
                return reply;
            }
            match (count.fetch_add(1, Ordering::SeqCst), wrong) {
                (0, _) => reply.cut = Some(700_000),
                (1, 200) => return Reply::new(200, content()),
                (1, 206) => reply.headers = vec![("Content-Range", "bytes 0-1/1200000".into())],
                (1, _) => return Reply::new(416, ""),
                _ => assert_eq!(asked.header("range"), None),
            }
            reply
        });
        assert_eq!(download(&desk, &server, &[]).code, 5);
        let run = download(&desk, &server, &["--json"]);
        assert_eq!(facts(&run)["resumed"], 0, "{wrong}");
        assert_eq!(fs::read(kept(&desk).join(NAME)).unwrap(), content());
    }
}

#[test]
fn checksums_come_from_the_list_or_the_server_or_are_missed_aloud() {
    let list = format!("{}  other\n{} *{NAME}\n", "0".repeat(64), sum(&content()));
    let listed = Publisher::of(NAME, content()).and("SHA256SUMS", list);
    let said = Publisher {
        digest: true,
        ..Publisher::of(NAME, content())
    };
    let unlisted = Publisher::of(NAME, content()).and("SHA256SUMS", "");
    for (publisher, by) in [
        (listed, Value::from("SHA256SUMS")),
        (said, Value::from("the server")),
        (Publisher::of(NAME, content()), Value::Null),
        (unlisted, Value::Null),
    ] {
        let desk = Desk::new();
        let run = download(&desk, &publisher.serve(), &["--json"]);
        assert_eq!(facts(&run)["checked_by"], by);
        assert_eq!(
            run.err.contains("warning: the release v1 has no checksum"),
            by.is_null()
        );
    }
}

#[test]
fn nothing_is_fetched_before_the_licence_is_accepted() {
    let desk = Desk::new();
    let server = good().serve();
    let run = Desk::finish(&mut command(&desk, &server, &["--no-import"]));
    assert_eq!(run.code, 2, "{}", run.err);
    for words in [
        "Corridor Key Licence",
        "LICENSE file of https://",
        "--accept-licence",
    ] {
        assert!(run.err.contains(words), "{}", run.err);
    }
    assert_eq!(server.paths(), [""; 0]);
    assert_eq!(tree(&desk.path("home")), [""; 0]);
    // Accepted once, it is neither shown nor asked for again.
    let run = download(&desk, &server, &[]).well();
    assert!(run.err.contains("Corridor Key Licence"), "{}", run.err);
    let run = Desk::finish(&mut command(&desk, &server, &["--no-import", "--force"])).well();
    assert_eq!(run.err, "");
    let both = download(&desk, &server, &["--print-path", "--json"]);
    assert_eq!(both.code, 2, "{}", both.err);
}

/// Ctrl-C ends a transfer at once, even one that stands still, and what is here stays.
#[test]
#[cfg(unix)]
fn a_stopped_transfer_is_gone_on_with() {
    let desk = Desk::new();
    let stalls = Arc::new(AtomicUsize::new(1));
    let server = good().serve_changed(move |asked, mut reply| {
        if asked.path == "/files/0" && stalls.swap(0, Ordering::SeqCst) > 0 {
            reply.stall = Some(2000);
        }
        reply
    });
    let mut child = command(&desk, &server, &ONLY)
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    while fs::metadata(partial(&desk)).map_or(0, |data| data.len()) < 2000 {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    // A second run meanwhile does not write into the first one's file.
    refused(&desk, &download(&desk, &server, &[]), 5, &["another run"]);
    let killed = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(killed.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let run = download(&desk, &server, &["--json"]);
    assert_eq!(facts(&run)["resumed"], 2000);
}

/// A limit on the size of files fails in the middle of writing as a full disk does.
#[test]
#[cfg(target_os = "linux")]
fn without_room_it_says_so_and_goes_on_later() {
    let desk = Desk::new();
    let server = good().serve();
    let whole = command(&desk, &server, &ONLY);
    let mut limited = Command::new("sh");
    limited
        .arg("-c")
        .arg("trap '' XFSZ; ulimit -f 1000; exec \"$0\" \"$@\"")
        .arg(whole.get_program())
        .args(whole.get_args())
        .current_dir(desk.path("."));
    for (name, value) in whole.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    let run = Desk::finish(&mut limited);
    refused(&desk, &run, 4, &["2 MB", "go on from here"]);
    let there = fs::metadata(partial(&desk)).unwrap().len();
    assert_eq!(
        facts(&download(&desk, &server, &["--json"]))["resumed"],
        there
    );
}

/// From the server to the list of models, with the licence in the manifest.
#[test]
fn what_is_downloaded_is_imported() {
    let desk = Desk::new();
    let pth = Pth {
        kind: Kind::F16,
        ..Pth::default()
    };
    pth.write(&desk.path(NAME), &named(1), weights::values);
    let bytes = fs::read(desk.path(NAME)).unwrap();
    let source_sha256 = sum(&bytes);
    let server = Publisher::of(NAME, bytes).summed().serve();
    let arguments = ["--accept-licence", "--id", "official", "--print-path"];
    let run = Desk::finish(&mut command(&desk, &server, &arguments)).well();
    assert_eq!(run.out, format!("{}\n", kept(&desk).join(NAME).display()));
    assert!(run.err.contains("imported: official@"), "{}", run.err);
    let path = bundle().to_str().unwrap();
    let list = desk
        .run(&["models", "list", "--json", "--plugin", path])
        .json();
    let models = list[0]["models"].as_array().unwrap();
    let model = models
        .iter()
        .find(|model| model["id"] == "official")
        .unwrap();
    assert_eq!(model["source_sha256"], source_sha256.as_str());
    assert!(
        model["licence"]
            .as_str()
            .unwrap()
            .contains("Corridor Key Licence")
    );
    // Again, from what is here.
    let arguments = ["--tag", "v1", "--id", "official", "--json"];
    let run = Desk::finish(&mut command(&desk, &server, &arguments)).well();
    assert_eq!(run.json()[0]["import"]["imported"]["id"], "official");
    assert_eq!(run.json()[0]["downloaded"]["cached"], true);

    // What is no checkpoint is downloaded, and refused by the import.
    let server = good().serve();
    let run = Desk::finish(&mut command(&desk, &server, &["--force"]));
    assert_eq!(run.code, 5);
    assert!(
        run.err.contains("neither a PyTorch checkpoint"),
        "{}",
        run.err
    );
}
