//! `corridorkey models download` against servers that are silent, wrong, hostile or not there.

use std::fs;

use crate::Desk;
use crate::downloads::{NAME, ONLY, command, content, download, good, kept, partial, refused};
use crate::imports::tree;
use crate::publisher::{LATEST, Publisher, Reply, Server, TAGGED, sum};

#[test]
fn a_file_with_another_checksum_is_thrown_away() {
    let desk = Desk::new();
    let sums = format!("{}  {NAME}\n", "0".repeat(64));
    let server = Publisher::of(NAME, content())
        .and("weights.pth.sha256", sums)
        .serve();
    let run = download(&desk, &server, &["--json"]);
    refused(
        &desk,
        &run,
        5,
        &[
            "thrown away",
            &sum(&content()),
            "weights.pth.sha256 says 000",
        ],
    );
    assert_eq!(run.json()[0]["error"]["code"], "download.altered");
    assert_eq!(tree(&kept(&desk)), [""; 0]);
    // A list beside the file that does not have it is a mistake, not a missing list.
    let server = Publisher::of(NAME, content())
        .and("weights.pth.sha256", "<html>")
        .serve();
    let run = download(&desk, &server, &[]);
    refused(
        &desk,
        &run,
        5,
        &["weights.pth.sha256", "tell the publisher"],
    );
}

#[test]
fn a_silent_server_is_given_up() {
    for (path, stall) in [(LATEST, None), ("/files/0", None), ("/files/0", Some(1000))] {
        let desk = Desk::new();
        let server = good().serve_changed(move |asked, mut reply| {
            if asked.path == path {
                reply.mute = stall.is_none();
                reply.stall = stall;
            }
            reply
        });
        let mut command = command(&desk, &server, &ONLY);
        command.env("CORRIDORKEY_WEIGHTS_TIMEOUT", "1");
        let run = Desk::finish(&mut command);
        let words = [
            "127.0.0.1 has said nothing for 1 seconds",
            "CORRIDORKEY_WEIGHTS_TIMEOUT",
        ];
        refused(&desk, &run, 5, &words);
        let there = fs::metadata(partial(&desk)).map_or(0, |data| data.len());
        assert_eq!(there, stall.unwrap_or(0) as u64);
    }
}

#[test]
fn what_is_not_there_is_named() {
    let desk = Desk::new();
    let server = good().serve();
    let run = download(&desk, &server, &["--tag", "v9"]);
    refused(
        &desk,
        &run,
        5,
        &["release \"v9\"", "maker/weights", "--tag"],
    );
    let run = download(&desk, &server, &["--asset", "other.pth"]);
    refused(
        &desk,
        &run,
        5,
        &[
            "v1 has no such file",
            "weights.pth, weights.pth.sha256",
            "--asset",
        ],
    );
    let server = good().serve_changed(|asked, reply| match asked.path.as_str() {
        "/files/0" => Reply::new(404, ""),
        _ => reply,
    });
    refused(
        &desk,
        &download(&desk, &server, &[]),
        5,
        &["does not have the file any more"],
    );
    assert_eq!(tree(&kept(&desk)), [""; 0]);
    let mut other = command(&desk, &server, &ONLY);
    let run = Desk::finish(other.env("CORRIDORKEY_WEIGHTS_REPO", "maker/none"));
    refused(
        &desk,
        &run,
        5,
        &["no published release of the repository maker/none"],
    );
}

#[test]
fn the_token_goes_to_its_own_server_and_to_no_other() {
    const SECRET: &str = "very-secret";
    let desk = Desk::new();
    let store = Server::start(|_, _| Reply::new(200, content()));
    let elsewhere = store.base.clone();
    let server = good().serve_changed(move |asked, reply| match asked.path.as_str() {
        "/files/0" => Reply::new(302, "").with("Location", format!("{elsewhere}/here")),
        // One that stays at home.
        LATEST => Reply::new(301, "").with("Location", TAGGED),
        _ => reply,
    });
    let mut own = command(&desk, &server, &[&ONLY[..], &["--json"]].concat());
    let run = Desk::finish(own.env("CORRIDORKEY_WEIGHTS_TOKEN", SECRET)).well();
    assert!(!(run.out + &run.err).contains(SECRET));
    let authorised = |server: &Server| -> Vec<(String, bool)> {
        let asked = server.asked();
        asked
            .into_iter()
            .map(|asked| (asked.path.clone(), asked.header("authorization").is_some()))
            .collect()
    };
    assert_eq!(
        authorised(&server),
        [LATEST, TAGGED, "/files/1", "/files/0"].map(|path| (path.to_owned(), true))
    );
    assert_eq!(authorised(&store), [("/here".to_owned(), false)]);
    for path in tree(&desk.path("home")) {
        let bytes = fs::read(desk.path("home").join(path)).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&bytes).contains(SECRET));
    }

    // GitHub's token is not for this server.
    let mut github = command(&desk, &server, &[&ONLY[..], &["--force"]].concat());
    Desk::finish(github.env("GITHUB_TOKEN", SECRET)).well();
    assert!(authorised(&server).iter().all(|(_, shown)| !shown));
}

#[test]
fn redirects_to_nowhere_good_are_not_followed() {
    for (location, word) in [
        ("http://weights.example/x", "without encryption"),
        ("file:///etc/passwd", "sends elsewhere"),
        ("", "sends elsewhere"),
        ("/files/0", "more than 5 times"),
    ] {
        let desk = Desk::new();
        let server = good().serve_changed(move |asked, reply| match asked.path.as_str() {
            "/files/0" => Reply::new(302, "").with("Location", location),
            _ => reply,
        });
        refused(&desk, &download(&desk, &server, &[]), 5, &[NAME, word]);
    }
}

#[test]
fn refusals_say_why_and_what_to_do() {
    let soon = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs()
        + 1150;
    let limited = Reply::new(403, "{}")
        .with("X-RateLimit-Remaining", "0")
        .with("X-RateLimit-Reset", soon.to_string());
    for (reply, words) in [
        (limited, ["rate limit", "in 20 minutes", "GITHUB_TOKEN"]),
        (
            Reply::new(429, "").with("Retry-After", "30"),
            ["rate limit", "in a minute", "GITHUB_TOKEN"],
        ),
        (Reply::new(429, ""), ["rate limit", "later", "GITHUB_TOKEN"]),
        (Reply::new(403, ""), ["does not allow it", "", ""]),
        (
            Reply::new(401, ""),
            ["does not accept the token", "unset", ""],
        ),
        (Reply::new(503, ""), ["503", "try again later", ""]),
        (Reply::new(204, ""), ["204", "not expected", ""]),
    ] {
        for place in [LATEST, "/files/0", "/files/1"] {
            let desk = Desk::new();
            let reply = reply.clone();
            let server = good().serve_changed(move |asked, usual| {
                if asked.path == place {
                    reply.clone()
                } else {
                    usual
                }
            });
            let run = download(&desk, &server, &["--json"]);
            refused(&desk, &run, 5, &words);
            assert_eq!(run.json()[0]["error"]["code"], "download");
        }
    }
}

#[test]
fn nonsense_and_too_much_are_refused() {
    let desk = Desk::new();
    let answers = |reply: Reply| {
        good().serve_changed(move |asked, usual| {
            if asked.path == LATEST {
                reply.clone()
            } else {
                usual
            }
        })
    };
    let run = download(&desk, &answers(Reply::new(200, "<html>")), &[]);
    refused(&desk, &run, 5, &["cannot be understood"]);
    let run = download(&desk, &answers(Reply::new(200, vec![b' '; 5 << 20])), &[]);
    refused(&desk, &run, 5, &["more than 4194304 bytes"]);
    let escaping = Publisher {
        tag: Some("../../../up"),
        ..good()
    };
    let run = download(&desk, &escaping.serve(), &[]);
    refused(&desk, &run, 5, &["cannot be the name of a folder"]);
    let run = download(&desk, &Publisher::of(NAME, "").serve(), &[]);
    refused(&desk, &run, 5, &["empty"]);

    // More, or less, than the release says.
    let longer = |measured: bool| {
        good().serve_changed(move |asked, mut reply| {
            if asked.path == "/files/0" {
                reply.body.extend([0; 100]);
                reply.unmeasured = !measured;
            }
            reply
        })
    };
    let run = download(&desk, &longer(true), &[]);
    refused(&desk, &run, 5, &["offers 1200100 bytes"]);
    let run = download(&desk, &longer(false), &[]);
    refused(
        &desk,
        &run,
        5,
        &["more than the 1200000 bytes", "nothing was kept"],
    );
    assert_eq!(tree(&kept(&desk)), [""; 0]);
    let shorter = good().serve_changed(|asked, mut reply| {
        if asked.path == "/files/0" {
            reply.body.truncate(1000);
            reply.unmeasured = true;
        }
        reply
    });
    let run = download(&desk, &shorter, &[]);
    refused(&desk, &run, 5, &["1000 of 1200000 bytes"]);
}

#[test]
fn without_a_network_it_says_what_else_can_be_done() {
    let desk = Desk::new();
    let server = good().serve();
    let mut offline = command(&desk, &server, &ONLY);
    // Nobody listens at port 1. A port that was free a moment ago would not do: it may by now be
    // that of another test's server, which has the very release asked for here.
    offline.env("CORRIDORKEY_WEIGHTS_API", "http://127.0.0.1:1");
    refused(
        &desk,
        &Desk::finish(&mut offline),
        5,
        &["127.0.0.1 cannot be reached", "models import"],
    );
    let mut unknown = command(&desk, &server, &ONLY);
    unknown.env("CORRIDORKEY_WEIGHTS_API", "https://no-such-host.invalid");
    refused(
        &desk,
        &Desk::finish(&mut unknown),
        5,
        &["no-such-host.invalid", "models import"],
    );
}
