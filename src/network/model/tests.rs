//! What manifests, model files and folders may be, and what is said of those that are not.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;

use super::*;
use crate::network::models::Models;
use crate::network::onnx::Dimension;
use crate::network::{test_graphs as graphs, test_models as support};

use graphs::{Dim, FREE};

/// A model made of this graph and manifest text.
fn read(graph: &[u8], edit: impl FnOnce(String) -> String) -> (tempfile::TempDir, Result<Model>) {
    let folder = tempfile::tempdir().unwrap();
    let manifest = edit(support::manifest("test", "1", graph, ""));
    let model = Model::read(&support::write(folder.path(), "test", &manifest, graph));
    (folder, model)
}

/// Why a model of this graph cannot be loaded.
fn refusal(graph: &[u8]) -> String {
    let (_folder, model) = read(graph, |manifest| manifest);
    let error = model.unwrap().load().unwrap_err();
    assert_eq!(error.code(), "model.graph", "{error}");
    error.to_string()
}

#[test]
fn a_manifest_is_read_as_documented() {
    let extra = "screens = [\"green\", \"blue\"]";
    let graph = graphs::transparent();
    let folder = tempfile::tempdir().unwrap();
    let path = support::write(
        folder.path(),
        "x",
        &support::manifest("test", "1.2", &graph, extra),
        &graph,
    );
    let model = Model::read(&path).unwrap();
    assert_eq!(model.full_id(), "test@1.2");
    assert_eq!(model.screens, [Screen::Green, Screen::Blue]);
    assert_eq!(
        (model.size_rule.fit, model.size_rule.multiple),
        (Fit::Aspect, 32)
    );
    assert_eq!(model.normalisation.mean, [0.485, 0.456, 0.406]);
    assert_eq!(
        (model.alpha.as_str(), model.foreground.as_str()),
        ("alpha", "fg")
    );
    assert_eq!(model.path, path.with_file_name("net.onnx"));
    let loaded = model.load().unwrap();
    assert_eq!(loaded.bytes, graph);
    assert_eq!(
        loaded.signature.inputs[0].shape.as_ref().unwrap()[2],
        Dimension::Named("h".into())
    );
    assert_eq!(model.normalisation.range, Normalisation::UNLIMITED);
    assert_eq!(model.normalisation.shown(30.0), 30.0);
    // Without a word about screens it is green alone.
    let (_folder, model) = read(&graph, |manifest| manifest);
    assert_eq!(model.unwrap().screens, [Screen::Green]);
}

#[test]
fn a_shoulder_lies_inside_the_range() {
    let graph = graphs::transparent();
    let with = |words: &str| {
        let manifest = support::manifest("test", "1", &graph, words);
        let folder = tempfile::tempdir().unwrap();
        Model::read(&support::write(folder.path(), "test", &manifest, &graph))
    };
    let model = with("range = [0.0, 1.25]\nshoulder = 1.0").unwrap();
    assert_eq!(model.normalisation.shown(1.25), 1.125);
    for words in [
        "shoulder = 1.0",
        "range = [0.0, 1.0]\nshoulder = 1.0",
        "range = [0.5, 2.0]\nshoulder = 0.5",
        "range = [0.0, 2.0]\nshoulder = nan",
    ] {
        let error = with(words).unwrap_err();
        assert_eq!(error.code(), "model.manifest", "{words}");
        assert!(error.to_string().contains("shoulder"), "{error}");
    }
}

#[test]
fn a_manifest_that_cannot_be_used_says_why() {
    let graph = graphs::transparent();
    let cases: [(&str, &str, &str); 16] = [
        ("format = 1", "format = 2", "reads format 1"),
        ("format = 1", "", "no format number"),
        ("kind = \"onnx\"", "kind = \"torch\"", "\"torch\""),
        ("id = \"test\"", "id = \"../test\"", "\"../test\""),
        ("version = \"1\"", "version = \"1@2\"", "\"1@2\""),
        (
            "file = \"net.onnx\"",
            "file = \"../net.onnx\"",
            "plain name",
        ),
        ("file = \"net.onnx\"", "file = \"/net.onnx\"", "plain name"),
        ("sha256 = \"", "sha256 = \"x", "64 hexadecimal"),
        ("fit = \"aspect\"", "fit = \"round\"", "\"round\""),
        ("multiple = 32", "multiple = 0", "make no sense"),
        ("run = [\"fp32\"]", "run = [\"int8\"]", "fp32 and fp16"),
        ("run = [\"fp32\"]", "run = []", "no precision"),
        ("std = [0.229,", "std = [0.0,", "above 0"),
        ("licence", "license", "license"),
        // Whoever reads it learns which names there are, and that it can be left out.
        (
            "kind = \"onnx\"",
            "kind = \"onnx\"\nprocessor = \"unmixer-2\"",
            "\"unmixer-2\", and this version knows \"unmixer-1\" only; without that line ONNX Runtime runs",
        ),
        (
            "kind = \"onnx\"",
            "kind = \"onnx\"\nprocessor = 1",
            "string",
        ),
    ];
    for (from, to, expected) in cases {
        let (folder, model) = read(&graph, |manifest| {
            assert!(manifest.contains(from), "{from}");
            manifest.replacen(from, to, 1)
        });
        let error = model.expect_err(to);
        assert_eq!(error.code(), "model.manifest");
        let text = error.to_string();
        assert!(
            text.contains(expected) && text.contains("model.toml"),
            "{to}: {text}"
        );
        assert!(!text.contains('\n'), "{text}");
        drop(folder);
    }
    let error = Model::read(Path::new("/nowhere/model.toml")).unwrap_err();
    assert!(error.to_string().contains("/nowhere/model.toml"), "{error}");
}

#[test]
fn a_graph_that_does_not_fit_its_manifest_says_what_does_not() {
    let one = [Dim::N(1), Dim::N(1), FREE[0], FREE[1]];
    let four = [Dim::N(1), Dim::N(4), FREE[0], FREE[1]];
    let three = [Dim::N(1), Dim::N(3), FREE[0], FREE[1]];
    let graph = graphs::Graph::default;
    let outputs = |graph: graphs::Graph| {
        graph
            .output("alpha", graphs::FLOAT, &one)
            .output("fg", graphs::FLOAT, &three)
    };

    let text = refusal(&outputs(graph().input("picture", graphs::FLOAT, &four)).file());
    assert!(
        text.contains("no input \"input\"") && text.contains("picture"),
        "{text}"
    );
    let text = refusal(&outputs(graph().input("input", graphs::FLOAT, &three)).file());
    assert!(
        text.contains("[1, 3, h, w]") && text.contains("[1, 4, H, W]"),
        "{text}"
    );
    let text = refusal(&outputs(graph().input("input", graphs::DOUBLE, &four)).file());
    assert!(text.contains("32-bit"), "{text}");
    let extra =
        graph()
            .input("input", graphs::FLOAT, &four)
            .input("seed", graphs::FLOAT, &[Dim::N(1)]);
    let text = refusal(&outputs(extra).file());
    assert!(text.contains("\"seed\""), "{text}");
    let text = refusal(
        &graph()
            .input("input", graphs::FLOAT, &four)
            .output("alpha", graphs::FLOAT, &one)
            .file(),
    );
    assert!(
        text.contains("no output \"fg\"") && text.contains("alpha"),
        "{text}"
    );
    let swapped = graph()
        .input("input", graphs::FLOAT, &four)
        .output("alpha", graphs::FLOAT, &three)
        .output("fg", graphs::FLOAT, &one);
    assert!(refusal(&swapped.file()).contains("\"alpha\" has the shape [1, 3, h, w]"));
    for nonsense in [&b"hello, I am no graph"[..], b"", &[0xff; 40]] {
        let text = refusal(nonsense);
        assert!(text.contains("not an ONNX file"), "{text}");
    }
    // A weight with a default is no input that has to be given.
    let weighted =
        graphs::with_plate(graphs::contract(FREE)).input("mean", graphs::FLOAT, &[Dim::N(1)]);
    let (_folder, model) = read(
        &weighted.node("Identity", &["hint"], "alpha", &[]).file(),
        |manifest| manifest,
    );
    assert!(model.unwrap().load().is_ok());
}

#[test]
fn a_graph_cut_off_anywhere_is_never_taken_for_a_graph_and_never_panics() {
    let whole = graphs::transparent();
    let signature = onnx::signature(&whole).unwrap();
    for length in 0..whole.len() {
        match onnx::signature(&whole[..length]) {
            // What comes after the graph is of no interest here; the checksum guards it.
            Ok(found) => assert_eq!(found, signature, "cut at {length}"),
            Err(reason) => assert!(reason.contains("ONNX"), "{reason}"),
        }
    }
}

#[test]
fn a_graph_with_any_byte_changed_never_panics() {
    let whole = graphs::transparent();
    for place in 0..whole.len() {
        for bit in 0..8 {
            let mut bytes = whole.clone();
            bytes[place] ^= 1 << bit;
            // Most still are graphs; only that it comes back matters.
            let _ = onnx::signature(&bytes).map(|signature| signature.inputs.len());
        }
    }
    // A length beyond everything.
    let reason = onnx::signature(&[
        0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1,
    ])
    .unwrap_err();
    assert!(reason.contains("truncated"), "{reason}");
}

#[test]
fn an_altered_or_missing_file_is_refused() {
    let graph = graphs::transparent();
    let (_folder, model) = read(&graph, |manifest| manifest);
    let model = model.unwrap();
    model.load().unwrap();
    let mut bytes = graph.clone();
    *bytes.last_mut().unwrap() ^= 1;
    // The same length: only the time and the content differ.
    std::fs::write(&model.path, &bytes).unwrap();
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
    std::fs::File::options()
        .write(true)
        .open(&model.path)
        .unwrap()
        .set_modified(later)
        .unwrap();
    let error = model.load().unwrap_err();
    assert_eq!(error.code(), "model.altered");
    assert!(error.to_string().contains(&model.sha256), "{error}");
    std::fs::remove_file(&model.path).unwrap();
    assert_eq!(model.load().unwrap_err().code(), "model.file");
}

#[test]
fn weights_that_lie_in_another_file_are_refused() {
    for graph in [
        graphs::with_plate(graphs::contract(FREE)).elsewhere("far"),
        graphs::with_plate(graphs::contract(FREE)).branch_elsewhere(),
    ] {
        let text = refusal(&graph.node("Identity", &["hint"], "alpha", &[]).file());
        assert!(
            text.contains("in another file") && text.contains("as one file"),
            "{text}"
        );
    }
}

#[test]
fn precisions_are_those_of_the_manifest() {
    let (_folder, model) = read(&graphs::transparent(), |manifest| manifest);
    let model = model.unwrap();
    for choice in [PrecisionChoice::Auto, PrecisionChoice::Fp32] {
        assert_eq!(model.precision(choice, Device::Cuda), Ok(Precision::Fp32));
    }
    let error = model
        .precision(PrecisionChoice::Fp16, Device::Cuda)
        .unwrap_err();
    assert_eq!(error.code(), "model.precision");
    assert!(
        error.to_string().contains("fp16") && error.to_string().contains("fp32"),
        "{error}"
    );
}

#[test]
fn sixteen_bits_are_automatic_only_where_they_are_preferred_and_quick() {
    let (_folder, model) = read(&graphs::transparent(), |manifest| manifest);
    let automatic = |precisions: &[Precision], device| {
        let mut model = model.clone().unwrap();
        model.precisions = precisions.to_vec();
        model.precision(PrecisionChoice::Auto, device).unwrap()
    };
    let preferred = [Precision::Fp16, Precision::Fp32];
    assert_eq!(automatic(&preferred, Device::Cuda), Precision::Fp16);
    assert_eq!(automatic(&preferred, Device::CoreMl), Precision::Fp16);
    assert_eq!(automatic(&preferred, Device::Cpu), Precision::Fp32);
    assert_eq!(automatic(&preferred[..1], Device::Cpu), Precision::Fp16);
    let reluctant = [Precision::Fp32, Precision::Fp16];
    assert_eq!(automatic(&reluctant, Device::Cuda), Precision::Fp32);
}

#[test]
fn memory_grows_with_the_picture_and_the_largest_that_fits_is_found() {
    let (_folder, model) = read(&graphs::transparent(), |manifest| {
        manifest.replace("max_long = 4096", "max_long = 4096\nbytes_per_pixel = 1000")
    });
    let model = model.unwrap();
    let memory = |width, height| model.memory(width, height, Device::Cpu, Precision::Fp32);
    let largest = |width, height, budget| {
        model.largest_within(width, height, Device::Cpu, Precision::Fp32, budget)
    };
    let weights = memory(0, 0);
    assert_eq!(memory(100, 100) - weights, 10_000_000);
    let budget = weights + 1024 * 512 * 1000;
    assert_eq!(largest(2048, 1024, budget), Some((1024, 512)));
    assert_eq!(largest(1024, 512, budget), Some((1024, 512)));
    assert_eq!(largest(2048, 1024, weights), None);
    let (width, height) = largest(1920, 1088, budget).unwrap();
    assert!(width % 32 == 0 && height % 32 == 0 && memory(width, height) <= budget);
    assert!(
        width * height * 10 > 1024 * 512 * 8,
        "{width} x {height} is needlessly small"
    );
}

mod own;

mod search {
    use super::*;

    fn add(root: &Path, folder: &str, id: &str, version: &str) {
        let graph = graphs::transparent();
        support::write(
            root,
            folder,
            &support::manifest(id, version, &graph, ""),
            &graph,
        );
    }

    #[test]
    fn the_first_folder_that_has_the_id_settles_it() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        add(first.path(), "mine", "mine", "1");
        add(second.path(), "base", "base", "1");
        add(second.path(), "mine", "mine", "2");
        let roots = [
            first.path().to_owned(),
            PathBuf::from("/nowhere"),
            second.path().to_owned(),
        ];
        let models = Models::in_folders(roots.clone());
        assert_eq!(models.find("mine").unwrap().version, "1");
        assert_eq!(models.find("mine@2").unwrap().version, "2");
        assert_eq!(models.find(" base ").unwrap().id, "base");
        let error = models.find("other").unwrap_err();
        assert_eq!(error.code(), "model.unknown");
        for words in ["\"other\"", "mine@1", "base@1", "/nowhere"] {
            assert!(error.to_string().contains(words), "{error}");
        }
        let error = models.find("mine@3").unwrap_err();
        assert!(error.to_string().contains("mine@2"), "{error}");
        let ids: Vec<String> = models
            .list(&Model::look)
            .models
            .iter()
            .map(Model::full_id)
            .collect();
        assert_eq!(ids, ["mine@1", "base@1", "mine@2"]);
        assert_eq!(models.roots(), roots);
    }

    #[test]
    fn no_id_means_the_bundle_s_own_model_whatever_else_has_its_name() {
        use crate::network::options::Options;
        let (farm, bundle) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        add(farm.path(), "base", "base", "2-tuned");
        let binary = bundle.path().join("Contents/Linux-x86-64/CorridorKey.ofx");
        let own = bundle.path().join("Contents/Resources/models");
        let options = Options {
            models: vec![farm.path().into()],
            ..Options::default()
        };
        let models = Models::standard(&options, Some(&binary));
        // It is not replaced where it is missing either.
        let error = models.find("").unwrap_err();
        assert_eq!(error.code(), "model.shipped");
        assert!(error.to_string().contains(own.to_str().unwrap()), "{error}");
        add(&own, "base", "base", "1");
        let shipped = models.find(" ").unwrap();
        assert_eq!(shipped.version, "1");
        let named = models.find("base").unwrap();
        assert_eq!(named.version, "2-tuned");
        assert!(models.ships(&shipped) && !models.ships(&named));
        // Nor without a bundle.
        let error = Models::standard(&options, None).find("").unwrap_err();
        assert_eq!(error.code(), "model.shipped");
    }

    #[test]
    fn a_root_may_be_a_model_itself() {
        let root = tempfile::tempdir().unwrap();
        add(root.path(), "solo", "solo", "1");
        assert_eq!(
            Models::in_folders([root.path().join("solo")])
                .find("solo")
                .unwrap()
                .id,
            "solo"
        );
    }

    #[test]
    fn two_versions_side_by_side_have_to_be_told_apart() {
        let root = tempfile::tempdir().unwrap();
        add(root.path(), "a", "base", "1");
        add(root.path(), "b", "base", "2");
        let models = Models::in_folders([root.path().to_owned()]);
        let error = models.find("base").unwrap_err();
        assert_eq!(error.code(), "model.ambiguous");
        assert!(
            error.to_string().contains("base@1") && error.to_string().contains("base@2"),
            "{error}"
        );
        assert_eq!(models.find("base@2").unwrap().version, "2");
    }

    #[test]
    fn what_cannot_be_used_is_listed_with_its_reason_and_hides_nothing_else() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        add(first.path(), "good", "good", "1");
        add(first.path(), "cut", "cut", "1");
        std::fs::write(first.path().join("cut").join("net.onnx"), "half").unwrap();
        support::write(first.path(), "base", "format = 1\nthis is not TOML", b"");
        add(second.path(), "base", "base", "1");
        let models = Models::in_folders([first.path().to_owned(), second.path().to_owned()]);
        let listing = models.list(&Model::look);
        assert_eq!(
            listing
                .models
                .iter()
                .map(Model::full_id)
                .collect::<Vec<_>>(),
            ["good@1", "base@1"]
        );
        let codes: Vec<_> = listing.problems.iter().map(Error::code).collect();
        assert_eq!(codes, ["model.manifest", "model.altered"]);
        // The broken folder is the one that was meant; the other is not put in its place.
        assert_eq!(models.find("base").unwrap_err().code(), "model.manifest");
    }

    #[test]
    fn the_bundle_s_own_models_come_last() {
        use crate::network::options::Options;
        let options = Options {
            models: vec!["/farm".into()],
            ..Options::default()
        };
        let binary = Path::new("/x/CorridorKey.ofx.bundle/Contents/Linux-x86-64/CorridorKey.ofx");
        let models = Models::standard(&options, Some(binary));
        let roots = models.roots();
        assert_eq!(roots.first().unwrap(), Path::new("/farm"));
        assert_eq!(
            roots.last().unwrap(),
            Path::new("/x/CorridorKey.ofx.bundle/Contents/Resources/models")
        );
    }
}
