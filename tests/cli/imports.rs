//! `corridorkey models import` and `remove`, as users run them: whole checkpoints of stand-in
//! weights, and the files of [`hostile`](crate::hostile).

#![cfg_attr(not(unix), allow(dead_code, unused_imports))]

use std::fs;
use std::path::Path;

use corridorkey::network::greenformer::tensors::specs;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::checkpoint::{Kind, Named, Pth, as_mlx, mlx_values, safetensors};
use crate::hostile::{ARCHIVES, OTHERS, PICKLES, SAFETENSORS};
use crate::{Desk, Run, bundle, plans, weights};

/// Everything below a folder, sorted, from the folder on.
pub(crate) fn tree(folder: &Path) -> Vec<String> {
    fn walk(root: &Path, folder: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            found.push(path.strip_prefix(root).unwrap().display().to_string());
            walk(root, &path, found);
        }
    }
    let mut found = Vec::new();
    walk(folder, folder, &mut found);
    found.sort();
    found
}

fn import(desk: &Desk, arguments: &[&str]) -> Run {
    let start = ["models", "import"];
    desk.run(&[&start[..], arguments].concat())
}

/// What is wrong when a refusal is not what it should be: this exit code and one sentence that has
/// these words, with nothing left at home.
fn complaint(desk: &Desk, run: &Run, code: i32, words: &[&str]) -> Option<String> {
    let sentence = run.err.strip_prefix("corridorkey: ").unwrap_or_default();
    let well = run.code == code
        && run.err.lines().count() == 1
        && (1..1500).contains(&sentence.len())
        && words.iter().all(|word| sentence.contains(word))
        && !sentence.contains("panicked")
        && tree(&desk.path("home")).is_empty();
    (!well).then(|| {
        format!(
            "{} with {words:?}, not {} with: {}{} left: {:?}",
            code,
            run.code,
            run.err,
            run.out,
            tree(&desk.path("home"))
        )
    })
}

#[track_caller]
fn refused(desk: &Desk, run: &Run, code: i32, words: &[&str]) {
    assert_eq!(complaint(desk, run, code, words), None);
}

/// The names and shapes of a whole checkpoint.
pub(crate) fn named(grid: usize) -> Vec<Named> {
    specs(grid)
        .into_iter()
        .map(|spec| (spec.name, spec.shape))
        .collect()
}

/// The checksum of the weights file that stand-in weights of this precision make.
fn expected(path: &Path, grid: usize, kind: Kind) -> String {
    let floats: Vec<Named> = named(grid)
        .into_iter()
        .filter(|(name, _)| !name.ends_with("num_batches_tracked"))
        .collect();
    weights::write_canonical(path, grid, &floats);
    let mut bytes = fs::read(path).unwrap();
    fs::remove_file(path).unwrap();
    if kind != Kind::F32 {
        let start = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        // Zeros between tensors stay zeros.
        for four in bytes[start..].chunks_exact_mut(4) {
            let value = f32::from_le_bytes([four[0], four[1], four[2], four[3]]);
            four.copy_from_slice(&kind.rounded(value).to_le_bytes());
        }
    }
    Sha256::digest(&bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The imported model runs in both precisions, and its squares do not depend on the plate.
fn planned(desk: &Desk) {
    let rows = plans::rows(plans::plan(desk, "2000", &["corridorkey", "--json"]));
    assert_eq!(rows.len(), 20);
    let of = |network: [u64; 2], precision: &str| {
        let matches =
            |row: &&Value| row["network"] == json!(network) && row["precision"] == precision;
        rows.iter().find(matches).unwrap()
    };
    for precision in ["fp32", "fp16"] {
        assert_eq!(of([512, 512], precision)["fits"], true);
        assert_eq!(of([2048, 2048], precision)["fits"], false);
        // Full is the plate's own shape.
        of([1920, 1088], precision);
        of([2048, 1152], precision);
    }
    let weights = |row: &Value| row["weights_bytes"].as_u64().unwrap();
    let square = of([1024, 1024], "fp32");
    assert!((280_000_000..290_000_000).contains(&weights(square)));
    assert_eq!(of([2048, 2048], "fp32")["largest"], square["largest"]);
}

/// A whole checkpoint of each family, in half the precision to be gentle to disks, and once in
/// full: imported, listed, verified, removed.
#[test]
#[cfg(unix)]
fn a_whole_checkpoint_is_imported_listed_verified_and_removed() {
    let desk = Desk::new();
    let tensors = named(16);
    let half = expected(&desk.path("expected"), 16, Kind::F16);
    let pth = Pth {
        kind: Kind::F16,
        prefix: "_orig_mod.",
        wrapped: true,
        folder: "CorridorKey",
        ..Pth::default()
    };
    pth.write(&desk.path("CorridorKey.pth"), &tensors, weights::values);
    let run = import(&desk, &["CorridorKey.pth", "--json"]).well();
    fs::remove_file(desk.path("CorridorKey.pth")).unwrap();
    let report = &run.json()[0];
    assert_eq!(report["imported"]["sha256"], half.as_str());
    assert_eq!(report["imported"]["id"], "corridorkey");
    assert_eq!(report["imported"]["grid"], 16);
    assert_eq!(report["layout"], "pytorch");
    assert_eq!(report["precision"], "fp16");
    let path = Path::new(report["imported"]["path"].as_str().unwrap());
    assert!(path.starts_with(desk.path("home")), "{}", path.display());
    let home = path.parent().unwrap();
    assert!(home.ends_with("models/corridorkey"), "{}", home.display());
    let file = format!("{}.safetensors", &half[..16]);
    assert_eq!(tree(home), [file.as_str(), "model.toml"]);
    assert_eq!(run.err, "");

    let mlx_file = desk.path("corridorkey_mlx.safetensors");
    safetensors(&mlx_file, Kind::F32, &as_mlx(&tensors), |name, shape| {
        mlx_values(name, shape, weights::values)
    });
    let run = import(
        &desk,
        &[
            "corridorkey_mlx.safetensors",
            "--id",
            "mlx",
            "--folder",
            "mine",
        ],
    )
    .well();
    fs::remove_file(&mlx_file).unwrap();
    assert!(
        run.out.starts_with("imported: mlx@") && run.out.contains("fp32 as mlx"),
        "{}",
        run.out
    );
    // The licence is said where people read.
    assert!(run.err.contains("Corridor Key Licence"), "{}", run.err);
    let full = expected(&desk.path("expected"), 16, Kind::F32);
    assert!(
        desk.path(&format!("mine/mlx/{}.safetensors", &full[..16]))
            .is_file()
    );

    let path = bundle().to_str().unwrap();
    let models = |arguments: &[&str]| {
        let mut command = desk.command();
        command.env("CORRIDORKEY_MODELS", desk.path("mine"));
        Desk::finish(
            command
                .arg("models")
                .args(arguments)
                .args(["--plugin", path]),
        )
    };
    let list = &models(&["list", "--json"]).json()[0];
    let all = list["models"].as_array().unwrap();
    let find = |id: &str| all.iter().find(|model| model["id"] == id).unwrap();
    assert_eq!(find("corridorkey")["sha256"], half.as_str());
    assert_eq!(find("mlx")["source"], "corridorkey_mlx.safetensors");
    assert_eq!(find("base")["shipped"], true);
    planned(&desk);
    let run = models(&["verify", "corridorkey", "mlx", "base"]).well();
    assert_eq!(run.out.matches("sound: ").count(), 3, "{}", run.out);

    // A changed byte is found.
    let weights_file = desk.path(&format!("mine/mlx/{}.safetensors", &full[..16]));
    let mut bytes = fs::read(&weights_file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::remove_file(&weights_file).unwrap();
    fs::write(&weights_file, bytes).unwrap();
    let run = models(&["verify", "mlx", "--json"]);
    assert_eq!(run.code, 5, "{}", run.out);
    assert_eq!(run.json()[0]["problems"][0]["code"], "model.altered");

    let removed = models(&["remove", "mlx", "--json"]).well().json();
    assert!(removed[0]["removed"].as_str().unwrap().starts_with("mlx@"));
    assert_eq!(tree(&desk.path("mine")), [""; 0]);
    models(&["remove", "corridorkey"]).well();
    assert_eq!(tree(home.parent().unwrap()), [""; 0]);
    // Not a model any more, never one, and one of the plug-in's own.
    for (id, code, word) in [
        ("corridorkey", 5, "no model"),
        ("nobody", 5, "nobody"),
        ("base", 4, "part of the plug-in"),
    ] {
        let run = models(&["remove", id]);
        assert_eq!(run.code, code, "{}", run.err);
        assert!(run.err.contains(word), "{}", run.err);
    }
    models(&["verify", "base"]).well();
}

/// Every file of the collection: one sentence with its words, exit code 5, nothing run and nothing
/// left.
#[test]
fn hostile_files_are_refused_in_a_sentence_and_leave_nothing() {
    let desk = Desk::new();
    let mut complaints = Vec::new();
    for (name, write, words) in [PICKLES, ARCHIVES, SAFETENSORS, OTHERS].concat() {
        write(&desk.path(name));
        let run = import(&desk, &[name]);
        complaints.extend(complaint(&desk, &run, 5, &[&[name][..], words].concat()));
        if !desk.path(name).is_dir() {
            let _ = fs::remove_file(desk.path(name));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert!(!desk.path("hacked").exists());
    assert!(!desk.path("home/hacked").exists());
}

#[test]
fn a_refusal_is_json_for_scripts() {
    let desk = Desk::new();
    let run = import(&desk, &["none.pth", "--json"]);
    assert_eq!(run.code, 5);
    let answer: &Value = &run.json()[0];
    assert_eq!(answer["error"]["code"], "model.checkpoint");
    assert_eq!(answer["exit"], 5);
    for arguments in [&["a.pth", "--id", "base"][..], &["a.pth", "--id", "../x"]] {
        assert_eq!(import(&desk, arguments).code, 2);
    }
}

/// A limit on the size of files fails in the middle of writing as a full disk does.
#[test]
#[cfg(target_os = "linux")]
fn a_copy_that_does_not_fit_says_what_it_needs_and_leaves_nothing() {
    let desk = Desk::new();
    let tensors = named(1);
    let pth = Pth {
        kind: Kind::F16,
        ..Pth::default()
    };
    pth.write(&desk.path("a.pth"), &tensors, |_, shape| {
        std::iter::repeat_n(0.5, shape.iter().product())
    });
    let mut shell = desk.command();
    let program = shell.get_program().to_owned();
    let mut limited = std::process::Command::new("sh");
    limited
        .arg("-c")
        .arg("trap '' XFSZ; ulimit -f 65536; exec \"$0\" \"$@\"")
        .arg(program)
        .args(["models", "import", "a.pth"])
        .current_dir(desk.path("."));
    for (name, value) in shell.env("HOME", desk.path("home")).get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    let run = Desk::finish(&mut limited);
    refused(&desk, &run, 4, &["no file of the 282 MB", "--folder"]);
    // A device with no room at all.
    if Path::new("/dev/full").exists() {
        let run = import(&desk, &["a.pth", "--folder", "/dev/full"]);
        refused(&desk, &run, 4, &["/dev/full", "is a file"]);
    }
}
