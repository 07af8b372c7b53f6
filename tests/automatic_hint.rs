//! How well the automatic hint keys plates whose truth is known, beside the hint that was made for
//! them. The plates are not in the repository: a folder of folders, each with `plate.png`,
//! `hint.png` and `alpha_gt.png`, which `CORRIDORKEY_DEV_PLATES` names.
//!
//!     CORRIDORKEY_DEV_PLATES=… cargo test --test automatic_hint -- --ignored --nocapture

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement that prints a table"
)]

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::{frame, instance, load, picture, render, status};
use ofx::Context;
use ofx::host::{HostImage, HostOptions, Layout};

const BYTES: Layout = Layout {
    depth: ofx::Depth::Byte,
    ..Layout::FLOAT_RGBA
};

fn read(path: &Path) -> Arc<HostImage> {
    let image = image::open(path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .to_rgba32f();
    let bounds = frame(image.width() as i32, image.height() as i32);
    picture(bounds, BYTES, |x, y| image.get_pixel(x as u32, y as u32).0)
}

/// Mean square error of a matte over the whole image, times 1000.
fn error(matte: &HostImage, truth: &HostImage) -> f64 {
    let bounds = truth.bounds();
    let mut sum = 0.0;
    for y in bounds.y1..bounds.y2 {
        for x in bounds.x1..bounds.x2 {
            let alpha = matte.pixel(x, y).unwrap()[3].clamp(0.0, 1.0);
            sum += f64::from(alpha - truth.pixel(x, y).unwrap()[0]).powi(2);
        }
    }
    1000.0 * sum / f64::from(bounds.width()) / f64::from(bounds.height())
}

#[test]
#[ignore = "needs plates that are not in the repository; CORRIDORKEY_DEV_PLATES names them"]
fn the_automatic_hint_is_nearly_as_good_as_one_that_was_made() {
    let Some(folder) = std::env::var_os("CORRIDORKEY_DEV_PLATES").map(PathBuf::from) else {
        eprintln!(
            "SKIPPED: CORRIDORKEY_DEV_PLATES does not name a folder of plates with their truth"
        );
        return;
    };
    let mut plates: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("plate.png").is_file())
        .collect();
    plates.sort();
    assert!(!plates.is_empty(), "{} holds no plates", folder.display());
    let library = load(common::bundle(), HostOptions::strict());
    let mut good = 0;
    println!("| plate | given hint | automatic hint | ratio | read as |\n|---|---|---|---|---|");
    for plate in &plates {
        let truth = read(&plate.join("alpha_gt.png"));
        let (source, hint) = (
            read(&plate.join("plate.png")),
            read(&plate.join("hint.png")),
        );
        let keyed = |hint| {
            let node = instance(&library, Context::General, &source, hint);
            let matte = render(&node, "matte");
            (error(&matte, &truth), status(&node, "statusReading"))
        };
        let (given, _) = keyed(Some(&hint));
        let (automatic, reading) = keyed(None);
        let ratio = automatic / given;
        good += usize::from(ratio <= 1.5);
        let name = plate.file_name().unwrap().to_string_lossy();
        println!("| {name} | {given:.3} | {automatic:.3} | {ratio:.2} | {reading} |");
    }
    println!("{good} of {} within 1.5 times", plates.len());
    assert!(good * 9 >= plates.len() * 7);
}
