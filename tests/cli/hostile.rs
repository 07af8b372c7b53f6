//! A collection of files that nobody should send: each with the words of the sentence that it is
//! refused with.

use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;

use crate::checkpoint::{Archive, Kind, Pickler, Pth, archive, raw_safetensors};
use crate::imports::named;
use crate::weights;

/// A state dict's entry in a pickle: what a hostile file still looks like.
fn entry(pickle: &mut Pickler) -> &mut Pickler {
    pickle.raw(b"}").text("encoder.model.pos_embed")
}

fn pickled(path: &Path, index: &[u8]) {
    let entries = [("archive/data.pkl", index), ("archive/data/0", &[0; 64])];
    archive(path, &entries);
}

/// Writes a file, and gives the words of the sentence that it is refused with.
pub(crate) type Hostile = (&'static str, fn(&Path), &'static [&'static str]);

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

pub(crate) const PICKLES: &[Hostile] = &[
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

pub(crate) const ARCHIVES: &[Hostile] = &[
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
        // A ZIP64 end record that promises sixty million entries, for which a reader that believes
        // it needs more memory than most machines have.
        "many-entries.pth",
        |path| {
            archive(path, &[("a/data.pkl", b"x")]);
            let bytes = fs::read(path).unwrap();
            let at = bytes.windows(4).position(|four| four == b"PK\x01\x02");
            let directory = &bytes[at.unwrap()..bytes.len() - 22];
            let place = 64u64 << 20;
            let mut end = directory.to_vec();
            let record = place + end.len() as u64;
            end.extend_from_slice(b"PK\x06\x06");
            end.extend_from_slice(&44u64.to_le_bytes());
            end.extend_from_slice(&[45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            for number in [60_000_000, 60_000_000, 1 << 40, place] {
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
        &["promises 60000000 entries"],
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

pub(crate) const SAFETENSORS: &[Hostile] = &[
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

pub(crate) const OTHERS: &[Hostile] = &[
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
