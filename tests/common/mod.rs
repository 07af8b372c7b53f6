//! What the tests of the real bundle share: the bundle, copies of it to break, plates.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used)]

pub mod onnx;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use ofx::host::{
    Bundle, HostImage, HostOptions, Instance, Layout, Library, RenderRequest, StillClip, Value,
};
use ofx::{Context, RectI};

/// The plug-in's identifier.
pub const ID: &str = corridorkey::plugin::IDENTIFIER;

/// Everything that the node can write, as Output has it.
pub const OUTPUTS: [&str; 8] = [
    "processed",
    "matte",
    "foreground",
    "composite",
    "hint",
    "sourceMatte",
    "screen",
    "status",
];

/// The bundle as it is shipped, with the shipped model.
pub fn bundle() -> &'static Path {
    static BUNDLE: OnceLock<PathBuf> = OnceLock::new();
    BUNDLE.get_or_init(|| bundle::for_tests().expect("the bundle for tests can be assembled"))
}

/// A copy of the bundle under another path, which the process therefore loads as another library
/// with caches and sessions of its own. `break_it` changes it first.
pub fn copy_of_bundle(name: &str, break_it: impl FnOnce(&Path)) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    let copy = folder.join("CorridorKey.ofx.bundle");
    copy_tree(bundle(), &copy);
    break_it(&copy);
    copy
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A copy of the bundle that also has the models of [`onnx`]: `pass` gives the hint as alpha and
/// the plate as foreground, so that every step around the network shows exactly.
pub fn bundle_with_test_models(name: &str) -> PathBuf {
    copy_of_bundle(name, |copy| {
        onnx::install_models(&copy.join("Contents/Resources/models"))
    })
}

/// The one such copy of this test program, which all its tests share.
pub fn test_bundle() -> &'static Path {
    static COPY: OnceLock<PathBuf> = OnceLock::new();
    COPY.get_or_init(|| bundle_with_test_models(env!("CARGO_CRATE_NAME")))
}

/// A library of [`test_bundle`] in the strict host.
pub fn library() -> Library {
    load(test_bundle(), HostOptions::strict())
}

/// Loads a bundle into a watching host.
pub fn load(bundle: &Path, options: HostOptions) -> Library {
    let bundle = Bundle::open(bundle).expect("the bundle opens");
    Library::load(&bundle, options).expect("the plug-in loads")
}

/// An instance with a plate, and a hint if there is one.
pub fn instance(
    library: &Library,
    context: Context,
    plate: &Arc<HostImage>,
    hint: Option<&Arc<HostImage>>,
) -> Instance {
    let instance = library.create(ID, context).expect("an instance is made");
    connect(&instance, "Source", plate);
    if let Some(hint) = hint {
        connect(&instance, "Hint", hint);
    }
    instance
}

/// Sets parameters of an instance, one after the other.
pub fn set(instance: &Instance, settings: &[(&str, &str)]) {
    for (id, value) in settings {
        instance
            .set_str(id, value)
            .unwrap_or_else(|failure| panic!("{id} = {value}: {failure}"));
    }
}

/// An instance that shows what surrounds the network: the transparent model, which gives the hint
/// as alpha and the plate as foreground, with nothing cleaned.
pub fn transparent(
    library: &Library,
    context: Context,
    plate: &Arc<HostImage>,
    hint: Option<&Arc<HostImage>>,
) -> Instance {
    let node = instance(library, context, plate, hint);
    set(
        &node,
        &[
            ("model", "pass"),
            ("despeckle", "false"),
            ("despillStrength", "0"),
            ("screenColor", "green"),
        ],
    );
    node
}

/// Connects a still picture to a clip.
pub fn connect(instance: &Instance, clip: &str, image: &Arc<HostImage>) {
    let still = Arc::new(StillClip::new(image.clone()));
    instance.connect(clip, still).unwrap();
}

/// Renders one output of an instance, whole.
pub fn render(instance: &Instance, output: &str) -> HostImage {
    instance.set_str("output", output).unwrap();
    instance
        .render(&RenderRequest::at(1.0))
        .unwrap_or_else(|failure| panic!("{output}: {failure}"))
}

/// The text of a status line.
pub fn status(instance: &Instance, id: &str) -> String {
    instance.press("refreshStatus").unwrap();
    match instance.get(id).unwrap() {
        Value::Str(text) => text,
        other => panic!("{id} is {other}"),
    }
}

/// Whether the network ran for the last frame, or its stored prediction was used.
pub fn ran(instance: &Instance) -> bool {
    let line = status(instance, "statusTime");
    assert!(line.contains("network") ^ line.contains("stored"), "{line}");
    line.contains("network")
}

/// A picture from a function of column and row, row 0 on top.
pub fn picture(
    bounds: RectI,
    layout: Layout,
    pixel: impl Fn(i32, i32) -> [f32; 4],
) -> Arc<HostImage> {
    let (width, height) = (bounds.x2 - bounds.x1, bounds.y2 - bounds.y1);
    let mut rgba = Vec::with_capacity((width * height * 4) as usize);
    for y in 0..height {
        for x in 0..width {
            rgba.extend(pixel(x, y));
        }
    }
    Arc::new(HostImage::from_rgba_f32(bounds, &rgba, layout).unwrap())
}

/// The same picture with pixels twice as wide as they are high.
pub fn wide(image: Arc<HostImage>) -> Arc<HostImage> {
    let mut image = Arc::into_inner(image).unwrap();
    image.pixel_aspect = 2.0;
    Arc::new(image)
}

/// Green screen with a subject that no mirror leaves in place: a skin-coloured disc in the upper
/// left third, and a bar to the right of it.
pub fn is_subject(x: i32, y: i32, width: i32, height: i32) -> bool {
    let (u, v) = (
        f64::from(x) / f64::from(width),
        f64::from(y) / f64::from(height),
    );
    let disc =
        ((u - 0.3) * f64::from(width) / f64::from(height)).powi(2) + (v - 0.3).powi(2) < 0.04;
    let bar = (0.6..0.85).contains(&u) && (0.15..0.25).contains(&v);
    disc || bar
}

/// The plate of [`is_subject`], display-referred values.
pub fn plate(bounds: RectI, layout: Layout) -> Arc<HostImage> {
    let (width, height) = (bounds.x2 - bounds.x1, bounds.y2 - bounds.y1);
    picture(bounds, layout, |x, y| {
        // A little structure everywhere, so that a shift of one pixel shows.
        let grain = ((x * 7 + y * 13) % 11) as f32 / 11.0 * 0.02;
        match is_subject(x, y, width, height) {
            true => [0.75 + grain, 0.5 - grain, 0.42, 1.0],
            false => [0.12, 0.62 + grain, 0.2 - grain, 1.0],
        }
    })
}

/// The hint of [`is_subject`], in every channel.
pub fn hint(bounds: RectI, layout: Layout) -> Arc<HostImage> {
    let (width, height) = (bounds.x2 - bounds.x1, bounds.y2 - bounds.y1);
    picture(bounds, layout, |x, y| {
        [if is_subject(x, y, width, height) {
            0.9
        } else {
            0.0
        }; 4]
    })
}

/// Bounds from the origin.
pub fn frame(width: i32, height: i32) -> RectI {
    RectI {
        x1: 0,
        y1: 0,
        x2: width,
        y2: height,
    }
}

/// Largest absolute difference of two pictures over the pixels that both have.
pub fn difference(a: &HostImage, b: &HostImage) -> f32 {
    let shared = a.bounds().intersect(&b.bounds());
    assert!(!shared.is_empty(), "the pictures have pixels in common");
    let mut largest = 0.0_f32;
    for y in shared.y1..shared.y2 {
        for x in shared.x1..shared.x2 {
            for (a, b) in a
                .pixel(x, y)
                .unwrap()
                .into_iter()
                .zip(b.pixel(x, y).unwrap())
            {
                assert!(a.is_finite() && b.is_finite());
                largest = largest.max((a - b).abs());
            }
        }
    }
    largest
}
