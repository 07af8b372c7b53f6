//! Models that the plug-in computes itself on a processor.

use super::*;

const WORD: &str = "processor = \"unmixer-1\"";

/// A manifest with a line more at its top.
fn with(line: &str) -> impl FnOnce(String) -> String {
    let kind = "kind = \"onnx\"\n";
    let more = format!("{kind}{line}\n");
    move |manifest| manifest.replacen(kind, &more, 1)
}

#[test]
fn it_is_computed_here_on_a_processor_in_32_bits_alone() {
    let (_folder, model) = read(&graphs::transparent(), with(WORD));
    let model = model.unwrap();
    assert_eq!(model.processor, Some(Own::Unmixer));
    for device in Device::ALL {
        for precision in [Precision::Fp32, Precision::Fp16] {
            let here = device == Device::Cpu && precision == Precision::Fp32;
            let own = model.own(device, precision);
            assert_eq!(own, here.then_some(Own::Unmixer));
            // So that its session is never taken for one of the runtime's.
            assert_eq!(model.key(64, 64, device, precision).own, own);
        }
    }
    let (_folder, model) = read(&graphs::transparent(), |manifest| manifest);
    let model = model.unwrap();
    assert_eq!(model.processor, None, "the runtime, where nothing is said");
    assert_eq!(model.own(Device::Cpu, Precision::Fp32), None);
}

#[test]
fn words_beside_it_that_it_cannot_keep_are_refused() {
    let graph = graphs::transparent();
    let cases = [
        ("multiple = 32", "multiple = 16", "multiples of 32"),
        (
            "std = [",
            "refiner = \"refiner_scale\"\nstd = [",
            "no refiner",
        ),
    ];
    for (from, to, expected) in cases {
        let edit = |manifest: String| {
            assert!(manifest.contains(from), "{from}");
            with(WORD)(manifest).replacen(from, to, 1)
        };
        let (_folder, model) = read(&graph, edit);
        let error = model.unwrap_err();
        assert_eq!(error.code(), "model.manifest");
        assert!(error.to_string().contains(expected), "{error}");
        // Without the word they are fine.
        let (_folder, model) = read(&graph, |manifest| manifest.replacen(from, to, 1));
        assert!(model.is_ok(), "{to}");
    }
}

#[test]
fn it_has_no_tiles_where_the_runtime_has() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/base/model.toml");
    let ours = Model::read(&shipped).unwrap();
    let theirs = Model {
        processor: None,
        ..ours.clone()
    };
    let tiles = |model: &Model, device, precision| {
        let layout = model.layout(3840, 2176, device, precision);
        layout.map_or(1, |layout| layout.count())
    };
    let (narrow, wide) = (Precision::Fp16, Precision::Fp32);
    assert_eq!(tiles(&ours, Device::Cpu, wide), 1);
    assert_eq!(tiles(&ours, Device::Cpu, narrow), 4);
    assert_eq!(tiles(&theirs, Device::Cpu, wide), 4);
    for model in [&ours, &theirs] {
        assert_eq!(tiles(model, Device::CoreMl, wide), 4);
        assert_eq!(
            tiles(model, Device::Cuda, narrow),
            1,
            "a GPU takes it whole"
        );
    }
    // What is foretold follows, and all of it is the picture's.
    let estimate = |model: &Model, width, height| {
        let small = model.estimate(width, height, Device::Cpu, wide);
        (small.weights, small.picture)
    };
    let (weights, picture) = estimate(&ours, 1920, 1088);
    assert_eq!(picture, crate::network::unmixer::bytes(1920, 1088));
    assert_eq!(estimate(&ours, 64, 64).0, weights);
    assert_ne!(estimate(&theirs, 1920, 1088), (weights, picture));
    // So does what fits into a budget.
    let budget = ours.memory(1024, 576, Device::Cpu, wide);
    let largest = ours.largest_within(2048, 1152, Device::Cpu, wide, budget);
    assert_eq!(largest, Some((1024, 576)));
}
