//! An imported checkpoint gives the pictures that the original program gives: from the `.pth` file
//! and the plate on disk to the written files.

use std::path::Path;

use exr::prelude::{ImageAttributes, IntegerBounds, LayerAttributes};

use crate::checkpoint::Pth;
use crate::golden::{Array, load};
use crate::imports::named;
use crate::pictures::{exr, read_exr, to_srgb};
use crate::{Desk, bundle, weights};

/// The largest difference between the stored rows of an array (height, width, channels) and the
/// channels of a file.
fn worst(array: &Array, file: &Path, names: &[&str], encode: impl Fn(f32) -> f32) -> f32 {
    let written = read_exr(file);
    let [_, width, channels] = array.shape[..] else {
        panic!("a picture has three dimensions")
    };
    assert_eq!((written.size.0, names.len()), (width, channels));
    let mut worst = 0.0_f32;
    for (stored, row) in array.rows.as_ref().unwrap().iter().enumerate() {
        for (index, name) in names.iter().enumerate() {
            let ours = &written.channel(name)[row * width..][..width];
            for (x, ours) in ours.iter().enumerate() {
                let original = array.values[(stored * width + x) * channels + index];
                worst = worst.max((encode(*ours) - original).abs());
            }
        }
    }
    worst
}

#[test]
fn an_imported_checkpoint_gives_the_originals_pictures() {
    let desk = Desk::new();
    Pth::default().write(&desk.path("CorridorKey.pth"), &named(128), weights::values);
    desk.run(&["models", "import", "CorridorKey.pth"]).well();
    std::fs::remove_file(desk.path("CorridorKey.pth")).unwrap();

    // The plate's long side of 480 makes Auto choose 512 x 512, as the stored values have it.
    let golden = load("square512_linear_hdr");
    let [height, width, _] = golden["plate_linear"].shape[..] else {
        panic!("a picture has three dimensions")
    };
    let write = |name: &str, array: &Array, names: &[&'static str]| {
        let of = |index| {
            array
                .values
                .iter()
                .skip(index)
                .step_by(names.len())
                .copied()
        };
        let channels: Vec<_> = names
            .iter()
            .enumerate()
            .map(|(index, name)| (*name, of(index).collect()))
            .collect();
        let window = IntegerBounds::from_dimensions((width, height));
        let attributes = ImageAttributes::new(window);
        exr(
            &desk.path(name),
            attributes,
            LayerAttributes::default(),
            (width, height),
            false,
            &channels,
        );
    };
    write("plate.exr", &golden["plate_linear"], &["R", "G", "B"]);
    write("hint.exr", &golden["hint"], &["Y"]);
    let key = |out: &str, arguments: &[&str]| {
        let mut command = desk.command();
        command.args([
            "key",
            "--source",
            "plate.exr",
            "--hint",
            "hint.exr",
            "--out",
            out,
        ]);
        command.args([
            "--model",
            "corridorkey",
            "--device",
            "cpu",
            "--set",
            "screenColor=green",
        ]);
        command.arg("--plugin").arg(bundle()).args(arguments);
        Desk::finish(&mut command).well();
    };
    key(
        "raw",
        &[
            "--output",
            "matte,foreground",
            "--set",
            "despeckle=false",
            "--set",
            "despillStrength=0",
            "--set",
            "sourceDetail=false",
            "--set",
            "restoreRange=false",
        ],
    );
    key(
        "full",
        &[
            "--output",
            "processed,composite",
            "--set",
            "despeckleSize=200",
            "--set",
            "despeckleMethod=corridorKey",
            "--set",
            "despillStrength=1",
            "--set",
            "sourceDetail=false",
            "--set",
            "restoreRange=false",
        ],
    );

    let file = |name: &str| desk.path(name);
    let rgb = ["R", "G", "B"];
    let alpha = worst(
        &golden["out_alpha"],
        &file("raw/plate.matte.exr"),
        &["Y"],
        |v| v,
    );
    let colour = worst(
        &golden["out_fg"],
        &file("raw/plate.foreground.exr"),
        &rgb,
        to_srgb,
    );
    let rgba = ["R", "G", "B", "A"];
    let processed = worst(
        &golden["out_processed"],
        &file("full/plate.processed.exr"),
        &rgba,
        |v| v,
    );
    let composite = worst(
        &golden["out_comp"],
        &file("full/plate.composite.exr"),
        &rgb,
        to_srgb,
    );
    assert!(alpha <= 2e-4, "alpha differs by {alpha}");
    assert!(colour <= 2e-4, "the foreground differs by {colour}");
    assert!(processed <= 2e-3, "processed differs by {processed}");
    assert!(composite <= 2e-3, "the composite differs by {composite}");
}
