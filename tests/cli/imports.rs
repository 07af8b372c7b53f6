//! `corridorkey models import` and `remove`, as users run them: whole checkpoints of stand-in
//! weights, and a collection of files that nobody should send.

use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use corridorkey::network::greenformer::tensors::specs;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::checkpoint::{
    Archive, Kind, Named, Pickler, Pth, archive, as_mlx, mlx_values, raw_safetensors, safetensors,
};
use crate::{Desk, Run, bundle, weights};

/// Everything below a folder, sorted, from the folder on.
fn tree(folder: &Path) -> Vec<String> {
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

/// The user's models folder of a desk.
#[cfg(target_os = "linux")]
fn user_models(desk: &Desk) -> PathBuf {
    desk.path("home/data/corridorkey/models")
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

fn named(grid: usize) -> Vec<Named> {
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

/// A whole checkpoint of each family, in half the precision to be gentle to disks, and once in
/// full: imported, listed, verified, removed.
#[test]
#[cfg(target_os = "linux")]
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
    let home = user_models(&desk).join("corridorkey");
    let file = format!("{}.safetensors", &half[..16]);
    assert_eq!(tree(&home), [file.as_str(), "model.toml"]);
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
    assert_eq!(tree(&user_models(&desk)), [""; 0]);
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

/// A state dict's entry in a pickle: what a hostile file still looks like.
fn entry(pickle: &mut Pickler) -> &mut Pickler {
    pickle.raw(b"}").text("encoder.model.pos_embed")
}

fn pickled(path: &Path, index: &[u8]) {
    let entries = [("archive/data.pkl", index), ("archive/data/0", &[0; 64])];
    archive(path, &entries);
}

/// Writes a file, and gives the words of the sentence that it is refused with.
type Hostile = (&'static str, fn(&Path), &'static [&'static str]);

fn view(path: &Path, offset: usize, length: usize, shape: &[usize], strides: &[usize]) {
    let storage = |pickle: &mut Pickler| {
        pickle.storage("FloatStorage", "0", length);
    };
    let mut pickle = Pickler::new();
    let index = entry(&mut pickle)
        .view(storage, offset, shape, strides)
        .raw(b"s")
        .end();
    pickled(path, &index);
}

const PICKLES: &[Hostile] = &[
    (
        "system.pth",
        |path| {
            let mut pickle = Pickler::new();
            let index = entry(&mut pickle)
                .global("posix", "system")
                .text("touch hacked")
                .raw(b"\x85Rs")
                .end();
            pickled(path, &index);
        },
        &["posix.system", "no use for", "nothing of it was run"],
    ),
    (
        "eval.pth",
        |path| {
            let index = Pickler::new()
                .text("builtins")
                .text("eval")
                .raw(b"\x93")
                .text("open('hacked', 'w')")
                .raw(b"\x85R")
                .end();
            pickled(path, &index);
        },
        &["builtins.eval"],
    ),
    (
        "build.pth",
        |path| pickled(path, &Pickler::new().raw(b"](X\x01\0\0\0aNu}b").end()),
        &["index is damaged"],
    ),
    (
        "state.pth",
        |path| {
            let index = Pickler::new()
                .global("torch", "FloatStorage")
                .raw(b"}")
                .text("__setstate__")
                .text("x")
                .raw(b"sb")
                .end();
            pickled(path, &index);
        },
        &["sets the state"],
    ),
    (
        "newobj.pth",
        |path| {
            let index = Pickler::new()
                .global("collections", "OrderedDict")
                .raw(b")\x81")
                .end();
            pickled(path, &index);
        },
        &["NEWOBJ"],
    ),
    (
        "nested.pth",
        |path| pickled(path, &Pickler::new().raw(&vec![b'('; 1 << 20]).end()),
        &["larger or deeper"],
    ),
    (
        "laughs.pth",
        |path| {
            let doubling = b"h\0h\0\x86q\0".repeat(1 << 20);
            pickled(path, &Pickler::new().raw(b")q\0").raw(&doubling).end());
        },
        &["larger or deeper"],
    ),
    (
        "itself.pth",
        |path| {
            let index = Pickler::new()
                .raw(b"}q\0")
                .text("state_dict")
                .raw(b"h\0s")
                .end();
            pickled(path, &index);
        },
        &["no state dict"],
    ),
    (
        "huge-index.pth",
        |path| pickled(path, &vec![b'N'; 17 << 20]),
        &["data.pkl", "more than that of any checkpoint"],
    ),
    (
        "number.pth",
        |path| pickled(path, &Pickler::new().int(7).end()),
        &["no state dict"],
    ),
    (
        "other-keys.pth",
        |path| {
            let index = Pickler::new()
                .raw(b"}")
                .text("model\n\x1b[31m")
                .raw(b"}s")
                .end();
            pickled(path, &index);
        },
        &["no state dict", "it has model\u{fffd}\u{fffd}"],
    ),
    (
        "missing-storage.pth",
        |path| {
            let mut pickle = Pickler::new();
            let index = entry(&mut pickle)
                .tensor(Kind::F32, "7", &[1, 4, 4])
                .raw(b"s")
                .end();
            pickled(path, &index);
        },
        &["encoder.model.pos_embed", "archive/data/7 is missing"],
    ),
    (
        "path-trick.pth",
        |path| {
            let mut pickle = Pickler::new();
            let index = entry(&mut pickle)
                .tensor(Kind::F32, "../../../etc/passwd", &[1, 4, 4])
                .raw(b"s")
                .end();
            pickled(path, &index);
        },
        &["../../../etc/passwd", "no plain key"],
    ),
    (
        "short-storage.pth",
        |path| view(path, 0, 1 << 20, &[1, 4, 4], &[16, 4, 1]),
        &["1048576 elements", "64 bytes"],
    ),
    (
        "offset-outside.pth",
        |path| view(path, 1, 16, &[1, 4, 4], &[16, 4, 1]),
        &["outside its storage", "offset 1"],
    ),
    (
        "strides-outside.pth",
        |path| view(path, 0, 16, &[1, 4, 4], &[16, 5, 1]),
        &["outside its storage"],
    ),
    (
        "strides-overflow.pth",
        |path| view(path, 0, 16, &[1, 4, 4], &[1, i64::MAX as usize, 1]),
        &["outside its storage"],
    ),
    (
        "huge-shape.pth",
        |path| {
            let side = 1 << 31;
            view(path, 0, 16, &[side, side, side], &[0, 0, 0]);
        },
        &["absurd shape"],
    ),
    (
        "repeated.pth",
        // One number, seen as a whole embedding.
        |path| view(path, 0, 16, &[1, 16384, 112], &[0, 0, 0]),
        &["stored with gaps or overlaps", "354 more"],
    ),
    (
        "wrong-network.pth",
        |path| {
            let tensors = [("conv1.weight".into(), vec![8, 3, 3, 3])];
            Pth::default().write(path, &tensors, weights::values);
        },
        &["no CorridorKey checkpoint", "conv1.weight"],
    ),
    (
        "other-shapes.pth",
        |path| {
            let mut tensors = named(2);
            tensors.truncate(3);
            tensors[1].1 = vec![112, 3, 7, 7];
            Pth::default().write(path, &tensors, weights::values);
        },
        &[
            "362 tensors are missing: encoder.model.blocks.0.norm1.weight",
            "352 more",
            "[112, 3, 7, 7] and not [112, 4, 7, 7]",
        ],
    ),
];

const ARCHIVES: &[Hostile] = &[
    (
        "truncated.pth",
        |path| {
            Pth::default().write(path, &named(2)[..2], weights::values);
            let bytes = fs::read(path).unwrap();
            fs::write(path, &bytes[..bytes.len() * 2 / 3]).unwrap();
        },
        &["cut off or damaged", "download it again"],
    ),
    (
        "stub.pth",
        |path| fs::write(path, b"PK\x03\x04").unwrap(),
        &["cut off or damaged"],
    ),
    (
        "no-index.zip",
        |path| archive(path, &[("photos/cat.png", b"x")]),
        &["without the index of a checkpoint"],
    ),
    (
        "two-indices.pth",
        |path| archive(path, &[("a/data.pkl", b"x"), ("b/data.pkl", b"x")]),
        &["several indices"],
    ),
    (
        "climbing.pth",
        |path| archive(path, &[("../../data.pkl", b"x"), ("/etc/data.pkl", b"x")]),
        &["without the index of a checkpoint"],
    ),
    (
        "big-endian.pth",
        |path| {
            let entries = [
                ("archive/data.pkl", &b"\x80\x02}."[..]),
                ("archive/byteorder", b"big"),
            ];
            archive(path, &entries);
        },
        &["big-endian"],
    ),
    (
        "odd-endian.pth",
        |path| {
            let entries = [
                ("archive/data.pkl", &b"\x80\x02}."[..]),
                ("archive/byteorder", b"middle"),
            ];
            archive(path, &entries);
        },
        &["byte order is \"middle\""],
    ),
    (
        // 10 MB of zeros said to be deflated into a few bytes: not even looked into.
        "bomb.pth",
        |path| {
            let index = Pth::default().index(&named(2)[..1]);
            archive(path, &[("a/data.pkl", &index), ("a/data/0", b"\x03\0")]);
            let mut bytes = fs::read(path).unwrap();
            patch(&mut bytes, b"a/data/0", 8, 10 << 20, 2);
            fs::write(path, bytes).unwrap();
        },
        &["a/data/0 is compressed or encrypted"],
    ),
    (
        // Stored, but promising more than there is.
        "promise.pth",
        |path| {
            let index = Pth::default().index(&named(2)[..1]);
            archive(path, &[("a/data.pkl", &index), ("a/data/0", b"\x03\0")]);
            let mut bytes = fs::read(path).unwrap();
            patch(&mut bytes, b"a/data/0", 0, 10 << 20, 10 << 20);
            fs::write(path, bytes).unwrap();
        },
        &["longer than its place"],
    ),
    (
        "two-lengths.pth",
        |path| {
            let index = Pth::default().index(&named(2)[..1]);
            archive(path, &[("a/data.pkl", &index), ("a/data/0", b"\x03\0")]);
            let mut bytes = fs::read(path).unwrap();
            patch(&mut bytes, b"a/data/0", 0, 10 << 20, 2);
            fs::write(path, bytes).unwrap();
        },
        &["10485760 bytes by one account and 2 by another"],
    ),
    (
        "same-name.pth",
        |path| {
            archive(
                path,
                &[("a/data.pkl", b"x"), ("a/data/0", b"1"), ("a/data/1", b"2")],
            );
            let mut bytes = fs::read(path).unwrap();
            for at in 0..bytes.len() - 8 {
                if bytes[at..].starts_with(b"a/data/1") {
                    bytes[at + 7] = b'0';
                }
            }
            fs::write(path, bytes).unwrap();
        },
        &["same name"],
    ),
    (
        // A ZIP64 end record that promises entries by the hundred million, in a file with room for
        // them, almost all of it holes.
        "many-entries.pth",
        |path| {
            archive(path, &[("a/data.pkl", b"x")]);
            let bytes = fs::read(path).unwrap();
            let at = bytes.windows(4).position(|four| four == b"PK\x01\x02");
            let directory = &bytes[at.unwrap()..bytes.len() - 22];
            let place = 4u64 << 30;
            let mut end = directory.to_vec();
            let record = place + end.len() as u64;
            end.extend_from_slice(b"PK\x06\x06");
            end.extend_from_slice(&44u64.to_le_bytes());
            end.extend_from_slice(&[45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            for number in [1u64 << 31, 1 << 31, 1 << 40, place] {
                end.extend_from_slice(&number.to_le_bytes());
            }
            end.extend_from_slice(b"PK\x06\x07\0\0\0\0");
            end.extend_from_slice(&record.to_le_bytes());
            end.extend_from_slice(&[1, 0, 0, 0]);
            end.extend_from_slice(b"PK\x05\x06\0\0\0\0");
            end.extend_from_slice(&[0xff; 12]);
            end.extend_from_slice(&[0, 0]);
            let mut file = fs::OpenOptions::new().write(true).open(path).unwrap();
            file.seek(SeekFrom::Start(place)).unwrap();
            file.write_all(&end).unwrap();
        },
        &["promises 2147483648 entries"],
    ),
    (
        "damaged-bytes.pth",
        |path| {
            // Whole and right in everything but one bit of the last tensor.
            let folder = "archive";
            let tensors = named(1);
            let pth = Pth {
                kind: Kind::F16,
                folder,
                ..Pth::default()
            };
            let mut zip = Archive::create(path);
            zip.add(&format!("{folder}/data.pkl"), &pth.index(&tensors));
            let mut marked = Vec::new();
            for (index, (name, shape)) in tensors.iter().enumerate() {
                let count: usize = shape.iter().product();
                let mut bytes = vec![0; count * if name.ends_with("tracked") { 8 } else { 2 }];
                if index == tensors.len() - 1 {
                    bytes.fill(0x31);
                    marked.clone_from(&bytes);
                }
                zip.add(&format!("{folder}/data/{index}"), &bytes);
            }
            zip.finish();
            let mut bytes = fs::read(path).unwrap();
            let tail = bytes.len() - 100_000;
            let at = bytes[tail..]
                .windows(marked.len())
                .position(|window| window == marked);
            bytes[tail + at.unwrap()] ^= 1;
            fs::write(path, bytes).unwrap();
        },
        &["archive/data/366 is damaged"],
    ),
];

/// Changes an entry's method and its sizes before and after packing, in both of its headers.
fn patch(bytes: &mut [u8], name: &[u8], method: u8, plain: u32, packed: u32) {
    let places: Vec<usize> = (0..bytes.len() - name.len())
        .filter(|at| bytes[*at..].starts_with(name))
        .collect();
    let [local, central] = places[..] else {
        panic!("{places:?}")
    };
    // A local header has 30 bytes before the name, one of the directory 46; the latter's fields
    // begin two bytes later.
    for start in [local - 30, central - 46 + 2] {
        bytes[start + 8] = method;
        bytes[start + 18..][..4].copy_from_slice(&packed.to_le_bytes());
        bytes[start + 22..][..4].copy_from_slice(&plain.to_le_bytes());
    }
}

/// A header with one tensor of this entry.
fn one(path: &Path, entry: &str, bytes: usize) {
    let header = format!(r#"{{"encoder.model.pos_embed":{entry}}}"#);
    raw_safetensors(path, &header, &vec![0; bytes]);
}

const SAFETENSORS: &[Hostile] = &[
    (
        "header-cut.safetensors",
        |path| {
            raw_safetensors(path, "{\"a\":{}}", b"");
            let bytes = fs::read(path).unwrap();
            fs::write(path, &bytes[..12]).unwrap();
        },
        &["header is cut off"],
    ),
    (
        "header-long.safetensors",
        |path| {
            let mut bytes = (1u64 << 40).to_le_bytes().to_vec();
            bytes.extend_from_slice(b"{\"a\":1}");
            fs::write(path, bytes).unwrap();
        },
        &["header would have 1099511627776 bytes"],
    ),
    (
        "header-json.safetensors",
        |path| raw_safetensors(path, "{\"a\": nonsense", b""),
        &["header cannot be read"],
    ),
    (
        "header-deep.safetensors",
        |path| {
            let header = format!("{{\"__metadata__\":{}", "[".repeat(1 << 20));
            raw_safetensors(path, &header, b"");
        },
        &["header cannot be read"],
    ),
    (
        "twice.safetensors",
        |path| {
            let entry = r#"{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"#;
            raw_safetensors(path, &format!(r#"{{"a":{entry},"a":{entry}}}"#), &[0; 4]);
        },
        &["the tensor a is there twice"],
    ),
    (
        "outside.safetensors",
        |path| {
            one(
                path,
                r#"{"dtype":"F32","shape":[1,4,4],"data_offsets":[0,64]}"#,
                60,
            )
        },
        &["ends at byte 64", "which has 60"],
    ),
    (
        "beyond.safetensors",
        |path| {
            let entry = r#"{"dtype":"F32","shape":[1],"data_offsets":[18446744073709551612,18446744073709551616]}"#;
            one(path, entry, 4);
        },
        &["header cannot be read"],
    ),
    (
        "wrapping.safetensors",
        |path| {
            let entry = r#"{"dtype":"F32","shape":[1],"data_offsets":[18446744073709551611,18446744073709551615]}"#;
            one(path, entry, 4);
        },
        &["ends at byte 18446744073709551615"],
    ),
    (
        "backwards.safetensors",
        |path| {
            one(
                path,
                r#"{"dtype":"F32","shape":[1],"data_offsets":[4,0]}"#,
                8,
            )
        },
        &["offsets 4 and 0"],
    ),
    (
        "wrong-length.safetensors",
        |path| {
            one(
                path,
                r#"{"dtype":"F32","shape":[1,4,4],"data_offsets":[0,60]}"#,
                64,
            )
        },
        &["64 bytes by its shape", "offsets 0 and 60"],
    ),
    (
        "huge-shape.safetensors",
        |path| {
            let entry = r#"{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,0]}"#;
            one(path, entry, 4);
        },
        &["absurd shape"],
    ),
    (
        "negative-shape.safetensors",
        |path| {
            one(
                path,
                r#"{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}"#,
                4,
            )
        },
        &["header cannot be read"],
    ),
    (
        "empty-shape.safetensors",
        |path| {
            one(
                path,
                r#"{"dtype":"F32","shape":[0],"data_offsets":[0,0]}"#,
                4,
            )
        },
        &["empty shape"],
    ),
    (
        "unknown-kind.safetensors",
        |path| {
            one(
                path,
                r#"{"dtype":"Q4","shape":[1],"data_offsets":[0,1]}"#,
                4,
            )
        },
        &["unknown kind \"Q4\""],
    ),
    (
        "overlap.safetensors",
        |path| {
            let header = r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},
                "b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#;
            raw_safetensors(path, header, &[0; 12]);
        },
        &["the tensors a and b overlap"],
    ),
    (
        "integers.safetensors",
        |path| {
            one(
                path,
                r#"{"dtype":"I32","shape":[1,4,112],"data_offsets":[0,1792]}"#,
                1792,
            )
        },
        &["pos_embed (32-bit integers)", "364 tensors are missing"],
    ),
];

const OTHERS: &[Hostile] = &[
    (
        "empty.pth",
        |path| fs::write(path, b"").unwrap(),
        &["empty"],
    ),
    (
        "old.pth",
        |path| fs::write(path, b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.").unwrap(),
        &["before version 1.6", "torch.save"],
    ),
    (
        "pointer.pth",
        |path| fs::write(path, b"version https://git-lfs.github.com/spec/v1\n").unwrap(),
        &["Git LFS"],
    ),
    (
        "page.pth",
        |path| fs::write(path, b"<!DOCTYPE html><html>").unwrap(),
        &["web page"],
    ),
    (
        "noise.pth",
        |path| fs::write(path, [0xa5; 4096]).unwrap(),
        &["neither"],
    ),
    (
        "folder.pth",
        |path| fs::create_dir(path).unwrap(),
        &["folder"],
    ),
    ("none.pth", |_| {}, &["no such file"]),
];

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
