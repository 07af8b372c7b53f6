//! By how much a process grows, against what was foretold.
//!
//! For test files with one test: the process is what is measured, and the test starts itself once
//! more for each case, since what one session gives back its process may keep for the next one.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout
)]

/// Names the case that a process started by the test is to measure.
const CASE: &str = "CORRIDORKEY_TEST_MEMORY";

/// A line of what Linux says of this process's memory, mapped files included, in bytes.
fn status(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    let kilobytes: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kilobytes * 1024.0
}

/// By how many bytes this process grows at most meanwhile.
fn growth(work: impl FnOnce()) -> f64 {
    // 5 makes the system forget the highest so far.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = status("VmRSS:");
    work();
    status("VmHWM:") - before
}

/// The growth that a process of its own tells of.
fn alone(case: &str) -> f64 {
    let mut test = std::process::Command::new(std::env::current_exe().unwrap());
    let output = test.arg("--nocapture").env(CASE, case).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    let bytes = said.lines().find_map(|line| line.strip_prefix(CASE));
    bytes.expect("what was measured").trim().parse().unwrap()
}

/// Fails unless a process of its own grows by `estimate` bytes at most, within a quarter, during
/// `work`, which is done in that process alone. `prepare` is what does not count.
pub fn within_a_quarter<P>(
    case: &str,
    estimate: u64,
    prepare: impl FnOnce() -> P,
    work: impl FnOnce(P),
) {
    if let Ok(asked) = std::env::var(CASE) {
        if asked == case {
            let prepared = prepare();
            println!("\n{CASE} {}", growth(|| work(prepared)));
        }
        return;
    }
    let (measured, estimate) = (alone(case), estimate as f64);
    let (ratio, said) = (measured / estimate, measured / 1e6);
    println!("{case}: {said:.0} MB, estimated {:.0}", estimate / 1e6);
    assert!(
        (0.75..1.25).contains(&ratio),
        "{case}: {said:.0} MB is {ratio:.2} of it"
    );
}
