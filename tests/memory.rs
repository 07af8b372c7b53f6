//! What a process gives back. Alone in its file: the system counts the whole process.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{frame, hint, instance, load, plate, render};
use ofx::Context;
use ofx::host::{HostOptions, Layout};

/// Bytes of memory that the process holds.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    let kilobytes: u64 = line
        .trim()
        .strip_suffix("kB")
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    kilobytes * 1024
}

#[test]
fn purging_gives_the_memory_of_the_pictures_back() {
    let library = load(
        &common::bundle_with_test_models("purge"),
        HostOptions::production(),
    );
    let layout = Layout::FLOAT_RGBA;
    // Every plane is larger than what allocators keep for themselves.
    let bounds = frame(4096, 2304);
    let node = instance(
        &library,
        Context::General,
        &plate(bounds, layout),
        Some(&hint(bounds, layout)),
    );
    node.set_str("model", "pass").unwrap();
    // A small prediction and a small session: what is large is the key at the plate's size.
    node.set_str("resolution", "512").unwrap();
    drop(render(&node, "processed"));
    let key = 4096 * 2304 * 4 * 4;
    let before = resident();
    node.press("purgeCaches").unwrap();
    let given_back = before.saturating_sub(resident());
    assert!(
        given_back > key / 10 * 8,
        "{} MB of {} came back",
        given_back >> 20,
        key >> 20
    );
}
