#![allow(clippy::unwrap_used)]
use std::collections::BTreeSet;
use std::fs;

use super::test_checkpoints::{
    Kind, Named, Pickler, Pth, archive, as_mlx, mlx_values, safetensors,
};
use super::*;
use crate::network::greenformer::weights::FORMAT;
use crate::network::model::MANIFEST;

/// A small network with a tensor of every sort.
fn small(grid: usize) -> Vec<Spec> {
    [
        ("encoder.model.pos_embed", vec![1, grid * grid, 6]),
        ("encoder.model.patch_embed.proj.weight", vec![6, 4, 7, 7]),
        ("encoder.model.patch_embed.proj.bias", vec![6]),
        ("alpha_decoder.linear_c4.proj.weight", vec![5, 6]),
        ("alpha_decoder.bn.num_batches_tracked", vec![]),
        ("alpha_decoder.classifier.weight", vec![1, 5, 1, 1]),
        ("refiner.stem.0.weight", vec![8, 7, 3, 3]),
        ("refiner.stem.1.bias", vec![8]),
    ]
    .map(|(name, shape)| Spec {
        name: name.into(),
        shape,
    })
    .to_vec()
}

fn named(specs: &[Spec]) -> Vec<Named> {
    specs
        .iter()
        .map(|spec| (spec.name.clone(), spec.shape.clone()))
        .collect()
}

/// Numbers that differ from tensor to tensor, of every sign and magnitude, subnormals included.
fn values(name: &str, shape: &[usize]) -> std::vec::IntoIter<f32> {
    let seed: u32 = name.bytes().fold(7, |seed, byte| {
        seed.wrapping_mul(31).wrapping_add(u32::from(byte))
    });
    let count: u32 = shape.iter().product::<usize>() as u32;
    let all: Vec<f32> = (0..count)
        .map(|index| {
            let bits = seed.wrapping_add(index).wrapping_mul(2_654_435_761);
            let value = f32::from_bits(bits);
            // Within what a half holds.
            if value.is_finite() && value.abs() < 60_000.0 {
                value
            } else {
                f32::from(bits as u16) - 32_768.0
            }
        })
        .collect();
    all.into_iter()
}

/// The file that an import is to make, written independently: tensors in order at multiples of 64.
fn expected(grid: usize, kind: Kind) -> Vec<u8> {
    let mut header = format!("{{\"__metadata__\":{{\"format\":\"{FORMAT}\",\"grid\":\"{grid}\"}}");
    let mut data = Vec::new();
    for (name, shape) in named(&small(grid)) {
        if name.ends_with("num_batches_tracked") {
            continue;
        }
        data.resize(data.len().next_multiple_of(64), 0);
        let begin = data.len();
        for value in values(&name, &shape) {
            data.extend_from_slice(&kind.rounded(value).to_le_bytes());
        }
        let end = data.len();
        let shape = format!("{shape:?}").replace(' ', "");
        header += &format!(
            ",\"{name}\":{{\"dtype\":\"F32\",\"shape\":{shape},\"data_offsets\":[{begin},{end}]}}"
        );
    }
    header += "}";
    while (header.len() + 8) % 64 != 0 {
        header += " ";
    }
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header.as_bytes());
    file.extend_from_slice(&data);
    file
}

struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn import(&self, file: &str) -> Result<Report> {
        self.import_as(file, "corridorkey", &|| false)
    }

    fn import_as(&self, file: &str, id: &str, control: &dyn Control) -> Result<Report> {
        let request = Request {
            file: &self.path(file),
            folder: &self.path("models"),
            id,
        };
        import_with(&request, &small, control, &mut |_, _| {})
    }

    /// Everything below the models folder.
    fn installed(&self) -> BTreeSet<PathBuf> {
        fn walk(folder: &Path, found: &mut BTreeSet<PathBuf>) {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                found.insert(entry.path());
                walk(&entry.path(), found);
            }
        }
        let mut found = BTreeSet::new();
        walk(&self.path("models"), &mut found);
        found
    }

    /// Fails unless the import is refused with these words and nothing is left.
    #[track_caller]
    fn refused(&self, file: &str, code: &str, words: &[&str]) {
        let error = self.import(file).unwrap_err();
        let text = error.to_string();
        assert_eq!(error.code(), code, "{text}");
        for word in words {
            assert!(text.contains(word), "no `{word}` in: {text}");
        }
        assert!(!text.contains('\n'), "{text}");
        assert!(!self.path("models").exists(), "{:?}", self.installed());
    }
}

fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

#[test]
fn every_form_of_a_checkpoint_gives_the_same_bytes() {
    let tensors = named(&small(8));
    let mut count = 0;
    for kind in [Kind::F32, Kind::F16, Kind::Bf16] {
        let expected = expected(8, kind);
        let check = |desk: &Desk, file: &str, layout: Layout| {
            let report = desk.import(file).unwrap();
            let precision = match kind {
                Kind::F32 => "fp32",
                Kind::F16 => "fp16",
                Kind::Bf16 => "bf16",
            };
            assert_eq!((report.layout, report.precision), (layout, precision));
            let model = report.model;
            assert_eq!(fs::read(&model.path).unwrap(), expected, "{file} {kind:?}");
            assert_eq!(report.bytes, expected.len() as u64);
            assert_eq!(model.sha256, sha256(&expected));
            assert_eq!(model.source, file);
            assert_eq!(
                model.source_sha256,
                sha256(&fs::read(desk.path(file)).unwrap())
            );
            assert_eq!(model.grid, 8);
            assert_eq!(Imported::read(&model.manifest).unwrap(), model);
            model.verify(&|| false).unwrap();
            let name = format!("{}.safetensors", &model.sha256[..16]);
            let home = desk.path("models/corridorkey");
            assert_eq!(
                desk.installed(),
                [home.clone(), home.join(&name), home.join(MANIFEST)].into()
            );
            assert!(fs::metadata(&model.path).unwrap().permissions().readonly());
        };
        for (prefix, wrapped, parameters, folder) in [
            ("", false, false, "archive"),
            ("_orig_mod.", true, false, "CorridorKey"),
            ("", true, true, "CorridorKey_v1.0"),
        ] {
            let desk = Desk::new();
            let pth = Pth {
                kind,
                prefix,
                wrapped,
                parameters,
                folder,
            };
            pth.write(&desk.path("a.pth"), &tensors, values);
            check(&desk, "a.pth", Layout::Pytorch);
            count += 1;
        }
        let desk = Desk::new();
        let floats: Vec<Named> = tensors
            .iter()
            .filter(|(name, _)| !name.ends_with("tracked"))
            .cloned()
            .collect();
        safetensors(&desk.path("a.safetensors"), kind, &floats, values);
        check(&desk, "a.safetensors", Layout::Pytorch);
        let desk = Desk::new();
        safetensors(
            &desk.path("m.safetensors"),
            kind,
            &as_mlx(&tensors),
            |name, shape| mlx_values(name, shape, values),
        );
        check(&desk, "m.safetensors", Layout::Mlx);
        count += 2;
    }
    assert_eq!(count, 15);
}

#[test]
fn our_own_file_can_be_imported_again() {
    let desk = Desk::new();
    fs::write(desk.path("ours.safetensors"), expected(3, Kind::F32)).unwrap();
    let report = desk.import("ours.safetensors").unwrap();
    assert_eq!(
        fs::read(&report.model.path).unwrap(),
        expected(3, Kind::F32)
    );
    assert_eq!(report.model.sha256, report.model.source_sha256);
}

/// All tensors in one storage, one of them transposed, as views.
#[test]
fn views_of_one_storage_are_taken_apart() {
    let desk = Desk::new();
    let tensors = named(&small(2));
    let mut data: Vec<u8> = Vec::new();
    let mut pickle = Pickler::new();
    let length = 2000;
    pickle.raw(b"}(");
    for (name, shape) in &tensors {
        if name.ends_with("tracked") {
            continue;
        }
        let offset = data.len() / 4;
        let mut strides = checkpoint::row_major(shape);
        let mut numbers: Vec<f32> = values(name, shape).collect();
        if let [rows, columns] = **shape {
            // Stored by columns.
            strides = vec![1, rows];
            numbers = (0..rows * columns)
                .map(|at| numbers[at % rows * columns + at / rows])
                .collect();
        }
        data.extend(numbers.iter().flat_map(|value| value.to_le_bytes()));
        let storage = |pickle: &mut Pickler| {
            pickle.storage("FloatStorage", "all", length);
        };
        pickle.text(name).view(storage, offset, shape, &strides);
    }
    let index = pickle.raw(b"u").end();
    assert!(data.len() <= length * 4);
    data.resize(length * 4, 0);
    archive(
        &desk.path("a.pt"),
        &[("x/data.pkl", &index), ("x/data/all", &data)],
    );
    let report = desk.import("a.pt").unwrap();
    assert_eq!(
        fs::read(&report.model.path).unwrap(),
        expected(2, Kind::F32)
    );
}

/// PyTorch can be told to leave checksums out; it then writes zeros in their place.
#[test]
fn checksums_may_be_left_out_but_not_be_wrong() {
    let desk = Desk::new();
    Pth::default().write(&desk.path("a.pth"), &named(&small(2)), values);
    let good = fs::read(desk.path("a.pth")).unwrap();
    // The checksum is 14 bytes into a local header, 16 into an entry of the directory.
    let set = |change: fn(&mut u8)| {
        let mut bytes = good.clone();
        for at in 0..bytes.len() - 20 {
            let skip = match &bytes[at..at + 4] {
                b"PK\x03\x04" => 14,
                b"PK\x01\x02" => 16,
                _ => continue,
            };
            bytes[at + skip..][..4].iter_mut().for_each(change);
        }
        fs::write(desk.path("a.pth"), bytes).unwrap();
    };
    set(|byte| *byte ^= 0x55);
    desk.refused("a.pth", "model.checkpoint", &["is damaged", "checksum"]);
    set(|byte| *byte = 0);
    let report = desk.import("a.pth").unwrap();
    assert_eq!(
        fs::read(&report.model.path).unwrap(),
        expected(2, Kind::F32)
    );
}

#[test]
fn a_new_import_replaces_the_old_one_and_its_weights() {
    let desk = Desk::new();
    let tensors = named(&small(2));
    Pth::default().write(&desk.path("a.pth"), &tensors, values);
    Pth::default().write(&desk.path("b.pth"), &tensors, |name, shape| {
        values(name, shape).map(|value| value + 1.0)
    });
    let first = desk.import("a.pth").unwrap();
    assert_eq!(first.replaced, None);
    let again = desk.import("a.pth").unwrap();
    assert_eq!((again.replaced, &again.model), (None, &first.model));
    let second = desk.import("b.pth").unwrap();
    assert_eq!(second.replaced, Some(first.model.version));
    assert_ne!(second.model.sha256, first.model.sha256);
    assert_eq!(desk.installed().len(), 3, "{:?}", desk.installed());
    // A second id has a folder of its own.
    let other = desk.import_as("a.pth", "other", &|| false).unwrap();
    assert_eq!(other.model.sha256, first.model.sha256);
    assert_eq!(desk.installed().len(), 6);
    // One that was damaged is repaired.
    fs::write(&second.model.manifest, "format = 1\nkind = \"greenformer\"").unwrap();
    let repaired = desk.import("b.pth").unwrap();
    assert_eq!(repaired.model, second.model);
}

#[test]
fn other_models_are_not_replaced() {
    let desk = Desk::new();
    Pth::default().write(&desk.path("a.pth"), &named(&small(2)), values);
    let home = desk.path("models/corridorkey");
    fs::create_dir_all(&home).unwrap();
    fs::write(home.join(MANIFEST), "format = 1\nkind = \"onnx\"\n").unwrap();
    let before = desk.installed();
    let error = desk.import("a.pth").unwrap_err();
    assert_eq!(error.code(), "model.install");
    assert!(error.to_string().contains("another model"), "{error}");
    assert_eq!(desk.installed(), before);
    // The same id in a folder of another name.
    fs::remove_dir_all(&home).unwrap();
    let model = desk.import("a.pth").unwrap().model;
    fs::rename(&home, desk.path("models/moved")).unwrap();
    let error = desk.import("a.pth").unwrap_err();
    assert!(error.to_string().contains("moved"), "{error}");
    assert!(!home.exists());
    // Another id in a folder of this name.
    fs::rename(desk.path("models/moved"), desk.path("models/other")).unwrap();
    let error = desk.import_as("a.pth", "other", &|| false).unwrap_err();
    assert!(
        error.to_string().contains("\"corridorkey\" already"),
        "{error}"
    );
    assert_eq!(
        Imported::read(&desk.path("models/other/model.toml"))
            .unwrap()
            .id,
        model.id
    );
    for id in ["base", "", "a/b", "..", "UP"] {
        let error = desk.import_as("a.pth", id, &|| false).unwrap_err();
        assert_eq!(error.code(), "model.install", "{id}");
    }
}

#[test]
fn numbers_that_are_none_stop_the_import_and_leave_nothing() {
    for (value, word) in [
        (f32::NAN, "NaN"),
        (f32::INFINITY, "inf"),
        (f32::NEG_INFINITY, "-inf"),
    ] {
        for kind in [Kind::F32, Kind::F16, Kind::Bf16] {
            let desk = Desk::new();
            let pth = Pth {
                kind,
                ..Pth::default()
            };
            // In the last tensor, when everything else is written.
            pth.write(&desk.path("a.pth"), &named(&small(4)), |name, shape| {
                let mut all: Vec<f32> = values(name, shape).collect();
                if name == "refiner.stem.1.bias" {
                    all[6] = value;
                }
                all.into_iter()
            });
            desk.refused(
                "a.pth",
                "model.checkpoint",
                &["a.pth", "refiner.stem.1.bias", word, "[6]"],
            );
        }
    }
}

#[test]
fn an_abort_leaves_nothing_whenever_it_comes() {
    let desk = Desk::new();
    Pth::default().write(&desk.path("a.pth"), &named(&small(32)), values);
    let mut asked_in_all = 0;
    for patience in 0.. {
        let asked = std::cell::Cell::new(0);
        let control = || {
            asked.set(asked.get() + 1);
            asked.get() > patience
        };
        match desk.import_as("a.pth", "corridorkey", &control) {
            Ok(_) => {
                asked_in_all = patience;
                break;
            }
            Err(error) => {
                assert!(error.is_abort(), "{error}");
                assert!(!desk.path("models").exists(), "{patience}");
            }
        }
    }
    assert!(asked_in_all > 10, "{asked_in_all}");
    assert_eq!(desk.installed().len(), 3);
}

#[test]
fn progress_grows_to_its_end() {
    let desk = Desk::new();
    Pth::default().write(&desk.path("a.pth"), &named(&small(64)), values);
    let mut told = Vec::new();
    let request = Request {
        file: &desk.path("a.pth"),
        folder: &desk.path("models"),
        id: "x",
    };
    import_with(&request, &small, &|| false, &mut |done, total| {
        told.push((done, total));
    })
    .unwrap();
    assert!(told.len() > 3);
    assert!(told.windows(2).all(|pair| pair[0].0 <= pair[1].0));
    assert!(told.iter().all(|(done, total)| done <= total));
    let (done, total) = *told.last().unwrap();
    assert!(done * 100 >= total * 99, "{done} of {total}");
}

#[test]
fn drafts_of_the_dead_are_removed_and_those_of_the_living_are_not() {
    let desk = Desk::new();
    Pth::default().write(&desk.path("a.pth"), &named(&small(2)), values);
    let home = desk.path("models/corridorkey");
    fs::create_dir_all(&home).unwrap();
    fs::write(home.join(".import-1-0.part"), b"dead").unwrap();
    fs::write(home.join("notes.txt"), b"the user's").unwrap();
    let living = fs::File::create(home.join(".import-2-0.part")).unwrap();
    living.try_lock().unwrap();
    desk.import("a.pth").unwrap();
    assert!(!home.join(".import-1-0.part").exists());
    assert!(home.join(".import-2-0.part").exists());
    assert!(home.join("notes.txt").exists());
}

#[test]
#[cfg(unix)]
fn folders_that_cannot_be_made_are_named() {
    let desk = Desk::new();
    Pth::default().write(&desk.path("a.pth"), &named(&small(2)), values);
    fs::write(desk.path("models"), b"a file").unwrap();
    let error = desk.import("a.pth").unwrap_err();
    assert_eq!(error.code(), "model.install");
    assert!(error.to_string().contains("is a file"), "{error}");
    assert_eq!(fs::read(desk.path("models")).unwrap(), b"a file");
}

#[test]
fn altered_weights_are_found_and_missing_ones_too() {
    let desk = Desk::new();
    Pth::default().write(&desk.path("a.pth"), &named(&small(2)), values);
    let model = desk.import("a.pth").unwrap().model;
    let mut bytes = fs::read(&model.path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    install::remove_read_only(&model.path).unwrap();
    assert_eq!(model.look().unwrap_err().code(), "model.file");
    assert_eq!(model.verify(&|| false).unwrap_err().code(), "model.file");
    fs::write(&model.path, bytes).unwrap();
    assert_eq!(model.verify(&|| false).unwrap_err().code(), "model.altered");
    assert!(model.verify(&|| true).unwrap_err().is_abort());
}

#[test]
fn models_are_removed_with_their_weights_and_nothing_else() {
    let desk = Desk::new();
    Pth::default().write(&desk.path("a.pth"), &named(&small(2)), values);
    let roots = [desk.path("none"), desk.path("models")];
    let error = remove::remove(&roots, "corridorkey").unwrap_err();
    assert_eq!(error.code(), "model.unknown");
    let model = desk.import("a.pth").unwrap().model;
    desk.import_as("a.pth", "other", &|| false).unwrap();
    fs::write(desk.path("models/other/notes.txt"), b"mine").unwrap();

    let removed = remove::remove(&roots, &model.full_id()).unwrap();
    assert_eq!(removed.full_id, model.full_id());
    assert!(removed.left.is_empty(), "{:?}", removed.left);
    assert!(!desk.path("models/corridorkey").exists());
    let removed = remove::remove(&roots, "other").unwrap();
    assert_eq!(removed.left, [desk.path("models/other/notes.txt")]);
    assert_eq!(
        desk.installed(),
        [
            desk.path("models/other"),
            desk.path("models/other/notes.txt")
        ]
        .into()
    );

    // A manifest that points elsewhere is not followed.
    fs::write(desk.path("victim"), b"x").unwrap();
    fs::write(
        desk.path("models/other/model.toml"),
        "id = \"evil\"\nversion = \"1\"\nfile = \"../../victim\"\n",
    )
    .unwrap();
    assert!(remove::remove(&roots, "evil").is_err());
    assert!(desk.path("victim").exists());
}

#[test]
fn folders_inside_a_bundle_are_not_the_user_s() {
    let desk = Desk::new();
    let bundle = desk.path("CorridorKey.ofx.bundle/Contents/Resources/models");
    fs::create_dir_all(&bundle).unwrap();
    let own = desk.path("models");
    assert_eq!(
        writable_roots(&[bundle.clone(), own.clone()]),
        std::slice::from_ref(&own)
    );
    #[cfg(unix)]
    {
        let link = desk.path("link");
        std::os::unix::fs::symlink(&bundle, &link).unwrap();
        assert_eq!(writable_roots(&[link, own.clone()]), [own]);
    }
}
