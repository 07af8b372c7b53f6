//! What goes wrong in real life, in the real bundle: each gives one clear sentence and a failed
//! render, never a crash and never a plate passed off as a key; the next good frame clears it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod common;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use common::{OUTPUTS, frame, hint, instance, load, picture, plate, render};
use ofx::host::{ClipFormat, FnClip, HostOptions, Instance, Layout, Quirks, RenderRequest};
use ofx::{Components, Context, Depth, RectD, Status};

const FLOAT: Layout = Layout::FLOAT_RGBA;

/// Renders and returns the sentence of the failure.
fn sentence(node: &Instance) -> String {
    let failure = node
        .render(&RenderRequest::at(1.0))
        .expect_err("this render must fail");
    let message = failure.message.expect("a failure says why");
    assert!(
        message.len() > 40 && !message.contains("..") && !message.contains('\n'),
        "a sentence that says what, why and what to do: {message}"
    );
    assert_eq!(
        node.message().expect("the message stays on the node").text,
        message
    );
    message
}

fn node(library: &ofx::host::Library) -> Instance {
    let bounds = frame(96, 64);
    instance(
        library,
        Context::General,
        &plate(bounds, FLOAT),
        Some(&hint(bounds, FLOAT)),
    )
}

/// The one ONNX Runtime of a bundle.
fn runtime(copy: &Path) -> std::path::PathBuf {
    fs::read_dir(copy.join("Contents/Linux-x86-64"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| {
            path.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with("libonnxruntime")
        })
        .expect("the bundle carries ONNX Runtime")
}

#[test]
fn a_missing_or_foreign_runtime_is_named() {
    let copy = common::copy_of_bundle("no-runtime", |copy| fs::remove_file(runtime(copy)).unwrap());
    let library = load(&copy, HostOptions::strict());
    let text = sentence(&node(&library));
    assert!(
        text.contains("ONNX Runtime") && text.contains("libonnxruntime"),
        "{text}"
    );
    // The hint can be looked at all the same, which is when one has to.
    let unkeyed = node(&library);
    unkeyed.set_str("model", "nowhere").unwrap();
    let shown = render(&unkeyed, "hint");
    assert_eq!(shown.pixel(28, 44).unwrap(), [0.9; 4]);
    assert!(unkeyed.message().is_none());
    library.assert_clean();

    let copy = common::copy_of_bundle("foreign-runtime", |copy| {
        fs::copy(
            copy.join("Contents/Linux-x86-64/CorridorKey.ofx"),
            runtime(copy),
        )
        .unwrap();
    });
    let library = load(&copy, HostOptions::strict());
    let text = sentence(&node(&library));
    assert!(text.contains("libonnxruntime"), "{text}");
    library.assert_clean();

    let copy = common::copy_of_bundle("text-runtime", |copy| {
        fs::write(runtime(copy), "no library").unwrap()
    });
    let library = load(&copy, HostOptions::strict());
    let text = sentence(&node(&library));
    assert!(text.contains("libonnxruntime"), "{text}");
    library.assert_clean();
}

#[test]
fn a_damaged_model_is_refused() {
    let model = |copy: &Path| copy.join("Contents/Resources/models/base/base.onnx");
    type Damage = fn(Vec<u8>) -> Vec<u8>;
    let cases: [(&str, Damage); 2] = [
        ("truncated", |bytes| bytes[..bytes.len() / 2].to_vec()),
        ("altered", |mut bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            bytes
        }),
    ];
    for (name, damage) in cases {
        let copy = common::copy_of_bundle(&format!("model-{name}"), |copy| {
            let bytes = fs::read(model(copy)).unwrap();
            fs::write(model(copy), damage(bytes)).unwrap();
        });
        let library = load(&copy, HostOptions::strict());
        let text = sentence(&node(&library));
        assert!(text.contains("base.onnx"), "{name}: {text}");
        library.assert_clean();
    }
    let copy = common::copy_of_bundle("model-missing", |copy| {
        fs::remove_file(model(copy)).unwrap()
    });
    let library = load(&copy, HostOptions::strict());
    let text = sentence(&node(&library));
    assert!(text.contains("base.onnx"), "{text}");
    library.assert_clean();
}

#[test]
fn models_that_cannot_work_say_so_and_the_next_good_frame_clears_it() {
    let library = load(
        &common::bundle_with_test_models("models"),
        HostOptions::strict(),
    );
    let node = node(&library);
    for (model, word) in [
        ("nowhere", "nowhere"),
        ("inputs", "input"),
        ("nan", "not numbers"),
    ] {
        node.set_str("model", model).unwrap();
        let text = sentence(&node);
        assert!(text.contains(word), "{model}: {text}");
    }
    node.set_str("model", "pass").unwrap();
    render(&node, "processed");
    assert!(node.message().is_none(), "a good frame clears the message");
    node.set_str("precision", "fp16").unwrap();
    let text = sentence(&node);
    assert!(text.contains("fp16"), "{text}");
    library.assert_clean();
}

#[test]
fn a_device_that_is_not_there_is_an_error_and_not_another_device() {
    let library = load(
        &common::bundle_with_test_models("devices"),
        HostOptions::strict(),
    );
    let node = node(&library);
    node.set_str("model", "pass").unwrap();
    for (device, word) in [("cuda", "CUDA"), ("coreml", "CoreML")] {
        node.set_str("device", device).unwrap();
        let text = sentence(&node);
        assert!(text.contains(word), "{text}");
    }
    node.set_str("device", "auto").unwrap();
    render(&node, "matte");
    let line = common::status(&node, "statusDevice");
    assert!(
        line.starts_with("CPU") && line.contains("CUDA") && line.contains("CoreML"),
        "{line}"
    );
    library.assert_clean();
}

#[test]
fn frames_without_an_image_fail_with_the_frame_number() {
    let library = load(
        &common::bundle_with_test_models("no-image"),
        HostOptions::strict(),
    );
    let bounds = frame(96, 64);
    let region = RectD {
        x1: 0.0,
        y1: 0.0,
        x2: 96.0,
        y2: 64.0,
    };
    let gap = |image: Arc<ofx::host::HostImage>| {
        Arc::new(FnClip::new(
            ClipFormat::default(),
            region,
            move |time: f64, _scale| (time != 7.0).then(|| image.clone()),
        ))
    };
    let node = instance(&library, Context::General, &plate(bounds, FLOAT), None);
    node.set_str("model", "pass").unwrap();
    node.connect("Source", gap(plate(bounds, FLOAT))).unwrap();
    let failure = node
        .render(&RenderRequest::at(7.0))
        .expect_err("no plate, no key");
    let text = failure.message.expect("a failure says why");
    assert!(text.contains("Source") && text.contains('7'), "{text}");
    node.render(&RenderRequest::at(8.0))
        .expect("the next frame has a plate");
    assert!(node.message().is_none());

    node.connect("Hint", gap(hint(bounds, FLOAT))).unwrap();
    node.connect(
        "Source",
        Arc::new(ofx::host::StillClip::new(plate(bounds, FLOAT))),
    )
    .unwrap();
    let failure = node
        .render(&RenderRequest::at(7.0))
        .expect_err("an empty hint is not a hint");
    let text = failure.message.expect("a failure says why");
    assert!(text.contains("Hint") && text.contains('7'), "{text}");
    node.disconnect("Hint").unwrap();
    node.render(&RenderRequest::at(7.0))
        .expect("without a hint the screen is keyed");
    node.set_str("hintSource", "hint").unwrap();
    let failure = node
        .render(&RenderRequest::at(7.0))
        .expect_err("a hint was asked for by name");
    assert!(
        failure
            .message
            .expect("a failure says why")
            .contains("Hint")
    );
    library.assert_clean();
}

#[test]
fn odd_sizes_and_wild_values_render() {
    let library = load(common::bundle(), HostOptions::strict());
    for (width, height) in [(1, 1), (7, 5), (31, 2001), (2001, 3)] {
        let bounds = frame(width, height);
        let node = instance(
            &library,
            Context::General,
            &plate(bounds, FLOAT),
            Some(&hint(bounds, FLOAT)),
        );
        let found = render(&node, "processed");
        assert_eq!(found.bounds(), bounds);
        assert!(found.to_rgba_f32().iter().all(|value| value.is_finite()));
    }
    let bounds = frame(64, 48);
    let wild = picture(bounds, FLOAT, |x, y| match (x + y) % 5 {
        0 => [f32::NAN, 0.5, 0.1, 1.0],
        1 => [f32::INFINITY, 0.5, f32::NEG_INFINITY, f32::NAN],
        2 => [-3.0, 1e30, -1e30, 1.0],
        _ => [0.1, 0.7, 0.2, 1.0],
    });
    let wild_hint = picture(bounds, FLOAT, |x, _| {
        [if x % 2 == 0 { f32::NAN } else { 7.0 }; 4]
    });
    let node = instance(&library, Context::General, &wild, Some(&wild_hint));
    // Of a plate without one place that is surely screen there is no clean plate.
    for output in OUTPUTS.into_iter().filter(|output| *output != "screen") {
        let found = render(&node, output);
        assert!(
            found.to_rgba_f32().iter().all(|value| value.is_finite()),
            "{output} is finite"
        );
    }
    library.assert_clean();
}

#[test]
fn a_parameter_that_cannot_be_read_is_not_its_default() {
    let bundle = common::bundle_with_test_models("unreadable");
    let host = |quirks: Quirks| HostOptions {
        quirks,
        ..HostOptions::strict()
    };
    for id in ["screenColor", "despillStrength", "despeckle", "output"] {
        let quirks = Quirks {
            unreadable: vec![id.into()],
            ..Quirks::default()
        };
        let library = load(&bundle, host(quirks));
        let text = sentence(&node(&library));
        assert!(text.contains(id), "{text}");
        library.assert_clean();
    }
    for (id, index) in [("resolution", 6), ("output", 99), ("hintSource", -1)] {
        let quirks = Quirks {
            strange_choices: vec![(id.into(), index)],
            ..Quirks::default()
        };
        let library = load(&bundle, host(quirks));
        let text = sentence(&node(&library));
        assert!(
            text.contains(id) && text.contains(&index.to_string()),
            "{text}"
        );
        library.assert_clean();
    }
}

#[test]
fn a_source_without_alpha_is_no_hint() {
    let library = load(
        &common::bundle_with_test_models("source-alpha"),
        HostOptions::strict(),
    );
    let bounds = frame(96, 64);
    let opaque = plate(
        bounds,
        Layout {
            components: Components::Rgb,
            ..FLOAT
        },
    );
    let node = instance(&library, Context::General, &opaque, None);
    node.set_str("model", "pass").unwrap();
    node.set_str("hintSource", "sourceAlpha").unwrap();
    let text = sentence(&node);
    assert!(
        text.contains("Source Alpha") && text.contains("no alpha"),
        "{text}"
    );
    // An alpha that is solid is what was asked for, but the panel says it.
    let node = instance(&library, Context::General, &plate(bounds, FLOAT), None);
    node.set_str("model", "pass").unwrap();
    node.set_str("hintSource", "sourceAlpha").unwrap();
    render(&node, "matte");
    let line = common::status(&node, "statusReading");
    assert!(
        line.contains("alpha of the plate, which is 1 everywhere"),
        "{line}"
    );
    library.assert_clean();
}

#[test]
fn a_plate_too_large_for_the_machine_is_refused_and_does_not_end_the_host() {
    // Bytes of pictures that every pixel of a plate needs at the least.
    const NEEDED: u64 = 32;
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap();
    let kilobytes: u64 = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok())
        .unwrap();
    let side = (kilobytes * 1024 / NEEDED).isqrt() as i32 + 64;
    if side > 65536 {
        eprintln!("SKIPPED: on this machine no plate is too large");
        return;
    }
    // Nothing in this host touches the pixels of the picture that it gives to write to.
    let options = HostOptions {
        depths: vec![Depth::Byte],
        ..HostOptions::production()
    };
    let library = load(&common::bundle_with_test_models("too-large"), options);
    let bytes = Layout {
        depth: Depth::Byte,
        ..FLOAT
    };
    let small = plate(frame(96, 64), bytes);
    let node = instance(&library, Context::General, &small, None);
    node.set_str("model", "pass").unwrap();
    node.set_str("resolution", "512").unwrap();
    let format = ClipFormat {
        depth: Depth::Byte,
        ..ClipFormat::default()
    };
    let region = RectD::new(0.0, 0.0, f64::from(side), f64::from(side));
    let large = FnClip::new(format, region, move |_, _| Some(small.clone()));
    node.connect("Source", Arc::new(large)).unwrap();
    let request = RenderRequest {
        output: bytes,
        ..RenderRequest::at(1.0)
    };
    for output in ["matte", "hint"] {
        node.set_str("output", output).unwrap();
        let failure = node.render(&request).expect_err("it cannot be keyed");
        assert_eq!(failure.status, Status::ERR_MEMORY);
        let text = failure.message.expect("a failure says why");
        assert!(
            text.contains(&format!("{side}")) && text.contains("MB"),
            "{text}"
        );
    }
}
