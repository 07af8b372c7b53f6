//! Stabilise: which frames are asked for, what is made of them, and what is left alone.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::sync::{Arc, Mutex};

use common::{difference, frame, hint, library, load, picture, set, status};
use ofx::host::{
    AbortHandle, ClipFormat, ClipSource, FnClip, HostImage, HostOptions, Instance, Layout, Library,
    RenderRequest, StillClip, scaled,
};
use ofx::{Components, Context, RectD, RectI, Scale};

const FLOAT: Layout = Layout::FLOAT_RGBA;

/// Grain of a frame at a pixel: -1 to 1, another for every frame, the same whenever asked.
fn grain(time: f64, x: i32, y: i32, channel: u32) -> f32 {
    let mut state = (time as u64) << 44 ^ (x as u64) << 24 ^ (y as u64) << 4 ^ u64::from(channel);
    let mut sum = 0.0;
    for _ in 0..3 {
        // SplitMix64.
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        sum += (mixed >> 40) as f32 / (1 << 23) as f32 - 1.0;
    }
    sum / 3.0
}

/// What a clip was asked for.
type Asked = Arc<Mutex<Vec<f64>>>;

/// The frames of a clip.
struct Shot {
    bounds: RectI,
    range: (f64, f64),
    /// Frames without an image.
    gap: Option<f64>,
    asked: Asked,
}

impl Shot {
    fn new(bounds: RectI, range: (f64, f64)) -> Self {
        Self {
            bounds,
            range,
            gap: None,
            asked: Asked::default(),
        }
    }

    fn clip(
        &self,
        draw: impl Fn(f64) -> Arc<HostImage> + Send + Sync + 'static,
    ) -> Arc<dyn ClipSource> {
        let format = ClipFormat {
            range: self.range,
            ..ClipFormat::default()
        };
        let region = RectD::from_pixels(self.bounds, Scale::ONE, 1.0);
        let (asked, (first, last), gap) = (self.asked.clone(), self.range, self.gap);
        Arc::new(FnClip::new(format, region, move |time, scale| {
            asked.lock().unwrap().push(time);
            let there = (first..=last).contains(&time) && Some(time) != gap;
            there.then(|| {
                let image = draw(time);
                match scale == Scale::ONE {
                    true => image,
                    false => Arc::new(scaled(&image, scale).unwrap()),
                }
            })
        }))
    }

    /// What was asked for since the last time, in order and once each.
    fn asked(&self) -> Vec<f64> {
        let mut times = std::mem::take(&mut *self.asked.lock().unwrap());
        times.sort_by(f64::total_cmp);
        times.dedup();
        times
    }
}

/// A plate that stands still but for its grain. With [`hinted`], whose alpha wavers, a frame's key
/// can be told from its neighbours'.
fn still(bounds: RectI) -> impl Fn(f64) -> Arc<HostImage> + Send + Sync + 'static {
    move |time| {
        picture(bounds, FLOAT, |x, y| {
            let light = match x < bounds.x2 / 2 {
                true => [0.5, 0.35, 0.3],
                false => [0.05, 0.4, 0.1],
            };
            let of = |channel: usize| light[channel] + 0.02 * grain(time, x, y, channel as u32);
            [of(0), of(1), of(2), 1.0]
        })
    }
}

/// A hint that says something else in each frame on the left, and nothing on the right.
fn hinted(bounds: RectI) -> impl Fn(f64) -> Arc<HostImage> + Send + Sync + 'static {
    move |time| {
        picture(bounds, FLOAT, |x, _| {
            [match x < bounds.x2 / 2 {
                true => value(time),
                false => 0.0,
            }; 4]
        })
    }
}

/// What [`hinted`] says of a frame.
fn value(time: f64) -> f32 {
    0.3 + 0.05 * (time as f32 * 7.0 % 5.0)
}

/// A node whose matte is the hint.
fn node(library: &Library, plate: &Shot, hint: &Shot, strength: &str) -> Instance {
    let node = library.create(common::ID, Context::General).unwrap();
    let bounds = plate.bounds;
    node.connect("Source", plate.clip(still(bounds))).unwrap();
    node.connect("Hint", hint.clip(hinted(bounds))).unwrap();
    set(
        &node,
        &[
            ("model", "pass"),
            ("despeckle", "false"),
            ("screenColor", "green"),
            ("inputColor", "srgb"),
            ("output", "matte"),
            ("stabilise", strength),
        ],
    );
    node
}

fn at(node: &Instance, time: f64) -> HostImage {
    node.render(&RenderRequest::at(time)).unwrap()
}

/// Alpha of the matte at a pixel well inside the left half.
fn left(image: &HostImage) -> f32 {
    image.pixel(20, 30).unwrap()[3]
}

#[test]
fn off_asks_for_the_frame_alone_and_changes_nothing() {
    let library = library();
    let (plate, hint) = (
        Shot::new(frame(96, 64), (1.0, 9.0)),
        Shot::new(frame(96, 64), (1.0, 9.0)),
    );
    let node = node(&library, &plate, &hint, "0");
    let off = at(&node, 5.0);
    assert_eq!((plate.asked(), hint.asked()), (vec![5.0], vec![5.0]));
    let needed = node.frames_needed(5.0).unwrap();
    assert_eq!(needed["Source"], [(5.0, 5.0)]);
    assert_eq!(needed["Hint"], [(5.0, 5.0)]);
    assert!((left(&off) - value(5.0)).abs() < 1e-6);
    assert!(!status(&node, "statusReading").contains("stead"));
    // Neighbours that are not to be believed leave the frame as it is, to the bit: a shot of one
    // frame, and a hint that is looked at without a key.
    node.set_str("stabilise", "1").unwrap();
    let short = Shot::new(frame(96, 64), (5.0, 5.0));
    node.connect("Source", short.clip(still(frame(96, 64))))
        .unwrap();
    assert_eq!(difference(&off, &at(&node, 5.0)), 0.0);
    assert_eq!(short.asked(), [5.0]);
    assert!(status(&node, "statusReading").contains("no neighbouring frame"));
    node.connect("Source", plate.clip(still(frame(96, 64))))
        .unwrap();
    plate.asked();
    for output in ["hint", "screen"] {
        node.set_str("output", output).unwrap();
        assert_eq!(node.frames_needed(5.0).unwrap()["Source"], [(5.0, 5.0)]);
        at(&node, 5.0);
        assert_eq!(plate.asked(), [5.0], "{output}");
    }
    library.assert_clean();
}

#[test]
fn neighbours_are_asked_for_within_the_clips() {
    let library = library();
    let bounds = frame(96, 64);
    let plate = Shot::new(bounds, (1.0, 9.0));
    let hint = Shot::new(bounds, (1.0, 6.0));
    let mask = Shot::new(bounds, (3.0, 20.0));
    let node = node(&library, &plate, &hint, "1");
    node.connect(
        "OutM",
        mask.clip(move |_| picture(bounds, FLOAT, |_, _| [0.0; 4])),
    )
    .unwrap();
    let needed = |time| {
        let all = node.frames_needed(time).unwrap();
        ["Source", "Hint", "OutM"].map(|clip| all[clip][0])
    };
    assert_eq!(needed(5.0), [(4.0, 6.0); 3]);
    assert_eq!(needed(1.0), [(1.0, 2.0), (1.0, 2.0), (1.0, 1.0)]);
    assert_eq!(needed(3.0), [(2.0, 4.0), (2.0, 4.0), (3.0, 4.0)]);
    assert_eq!(needed(6.0), [(5.0, 7.0), (5.0, 6.0), (5.0, 7.0)]);
    node.set_str("hintMissing", "nearest").unwrap();
    assert_eq!(needed(1.0), [(1.0, 2.0), (1.0, 2.0), (3.0, 3.0)]);
    assert_eq!(needed(9.0), [(8.0, 9.0), (6.0, 6.0), (8.0, 9.0)]);
    node.set_str("hintMissing", "error").unwrap();

    at(&node, 5.0);
    assert_eq!(plate.asked(), [4.0, 5.0, 6.0]);
    assert_eq!(hint.asked(), [4.0, 5.0, 6.0]);
    let line = status(&node, "statusReading");
    assert!(line.contains("steadied by frame 4 and 6"), "{line}");
    // The neighbour that the mask does not reach, and the one that the hint does not.
    at(&node, 3.0);
    assert!(status(&node, "statusReading").contains("steadied by frame 4"));
    at(&node, 6.0);
    assert!(status(&node, "statusReading").contains("steadied by frame 5"));
    // What the frame itself lacks is as wrong as ever.
    let failure = node.render(&RenderRequest::at(7.0)).unwrap_err();
    assert!(failure.message.unwrap().contains("no image at frame 7"));
    node.set_str("hintMissing", "nearest").unwrap();
    at(&node, 7.0);
    assert!(status(&node, "statusReading").contains("steadied by frame 6 and 8"));
    library.assert_clean();
}

#[test]
fn a_plate_with_a_gap_goes_without_it() {
    let library = library();
    let bounds = frame(96, 64);
    let mut plate = Shot::new(bounds, (1.0, 9.0));
    plate.gap = Some(4.0);
    let hint = Shot::new(bounds, (1.0, 9.0));
    let node = node(&library, &plate, &hint, "1");
    let matte = at(&node, 5.0);
    let wanted = (value(5.0) + value(6.0)) / 2.0;
    assert!((left(&matte) - wanted).abs() < 1e-5);
    library.assert_clean();
}

#[test]
fn the_matte_is_the_mean_and_the_strength_says_of_how_much() {
    let library = library();
    let bounds = frame(96, 64);
    let (plate, hint) = (Shot::new(bounds, (1.0, 9.0)), Shot::new(bounds, (1.0, 9.0)));
    let node = node(&library, &plate, &hint, "1");
    let [before, own, after] = [4.0, 5.0, 6.0].map(value);
    let close = |image: &HostImage, wanted: f32| {
        assert!(
            (left(image) - wanted).abs() < 1e-5,
            "{} {wanted}",
            left(image)
        );
    };
    close(&at(&node, 5.0), (before + own + after) / 3.0);
    node.set_str("stabilise", "0.5").unwrap();
    close(&at(&node, 5.0), (0.5 * before + own + 0.5 * after) / 2.0);
    let line = status(&node, "statusTime");
    assert!(
        line.contains("stored") && !line.contains("network"),
        "the strength is not the network's: {line}"
    );
    // All else is the frame's own: the colour, to the bit.
    node.set_str("despillStrength", "0").unwrap();
    let straight = |strength: &str| {
        node.set_str("output", "foreground").unwrap();
        node.set_str("stabilise", strength).unwrap();
        at(&node, 5.0)
    };
    let (off, on) = (straight("0"), straight("1"));
    for (x, y) in [(20, 30), (70, 12), (47, 50)] {
        assert_eq!(off.pixel(x, y).unwrap()[..3], on.pixel(x, y).unwrap()[..3]);
    }
    library.assert_clean();
}

#[test]
fn a_sequence_runs_the_network_once_a_frame_in_any_order() {
    let bounds = frame(160, 96);
    let times = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let mut pictures: Vec<Vec<HostImage>> = Vec::new();
    // A library of its own: other tests empty its caches.
    let bundle = common::bundle_with_test_models("stabilise_order");
    for order in [
        [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
        [4.0, 1.0, 6.0, 2.0, 5.0, 3.0],
    ] {
        let library = load(&bundle, HostOptions::strict());
        let (plate, hint) = (Shot::new(bounds, (1.0, 6.0)), Shot::new(bounds, (1.0, 6.0)));
        let node = node(&library, &plate, &hint, "1");
        node.set_str("upsampling", "guided").unwrap();
        node.press("purgeCaches").unwrap();
        let mut ran = 0;
        let mut made: Vec<(f64, HostImage)> = Vec::new();
        for time in order {
            made.push((time, at(&node, time)));
            let line = status(&node, "statusTime");
            ran += usize::from(!line.contains("stored")) + line.matches("predicted too").count();
        }
        assert_eq!(ran, times.len(), "one run a frame");
        made.sort_by(|a, b| a.0.total_cmp(&b.0));
        pictures.push(made.into_iter().map(|(_, image)| image).collect());
        // Each alone, with nothing known.
        if pictures.len() == 1 {
            for time in times {
                node.press("purgeCaches").unwrap();
                let alone = at(&node, time);
                assert_eq!(difference(&alone, &pictures[0][time as usize - 1]), 0.0);
            }
        }
        library.assert_clean();
    }
    for (a, b) in pictures[0].iter().zip(&pictures[1]) {
        assert_eq!(difference(a, b), 0.0);
    }
}

#[test]
fn windows_and_proxies_show_the_same() {
    let library = library();
    let bounds = frame(160, 96);
    let (plate, hint) = (Shot::new(bounds, (1.0, 9.0)), Shot::new(bounds, (1.0, 9.0)));
    let node = node(&library, &plate, &hint, "1");
    for scale in [Scale::ONE, Scale { x: 0.5, y: 0.5 }] {
        let whole = node
            .render(&RenderRequest {
                scale,
                ..RenderRequest::at(5.0)
            })
            .unwrap();
        let inner = RectI::new(13, 7, 61, 30);
        let part = node
            .render(&RenderRequest {
                scale,
                window: Some(inner),
                ..RenderRequest::at(5.0)
            })
            .unwrap();
        assert_eq!(part.bounds(), inner);
        assert_eq!(difference(&whole, &part), 0.0);
        let wanted = (value(4.0) + value(5.0) + value(6.0)) / 3.0;
        assert!((whole.pixel(15, 20).unwrap()[3] - wanted).abs() < 1e-4);
    }
    library.assert_clean();
}

#[test]
fn a_host_without_other_frames_is_not_asked_for_any() {
    let library = library();
    let bounds = frame(96, 64);
    // A still in a slot that has no other frames than this one.
    let node = library.create(common::ID, Context::General).unwrap();
    node.connect(
        "Source",
        Arc::new(StillClip::new(still(bounds)(1.0)).with_range(1.0, 1.0)),
    )
    .unwrap();
    set(
        &node,
        &[("model", "pass"), ("stabilise", "1"), ("output", "matte")],
    );
    at(&node, 1.0);
    assert!(status(&node, "statusReading").contains("no neighbouring frame"));
    library.assert_clean();
}

#[test]
fn an_abort_among_the_neighbours_stops_the_render() {
    // A library of its own: other tests empty its caches.
    let library = load(
        &common::bundle_with_test_models("stabilise_abort"),
        HostOptions::strict(),
    );
    let bounds = frame(96, 64);
    let (plate, hint) = (Shot::new(bounds, (1.0, 9.0)), Shot::new(bounds, (1.0, 9.0)));
    let node = node(&library, &plate, &hint, "1");
    let handle: Arc<Mutex<Option<AbortHandle>>> = Arc::default();
    let press = handle.clone();
    let draw = still(bounds);
    node.connect(
        "Source",
        plate.clip(move |time| {
            if time == 4.0
                && let Some(handle) = &*press.lock().unwrap()
            {
                handle.abort();
            }
            draw(time)
        }),
    )
    .unwrap();
    *handle.lock().unwrap() = Some(node.abort_handle());
    let failure = node.render(&RenderRequest::at(5.0)).unwrap_err();
    assert_eq!(failure.message, None, "an abort has nothing to say");
    let armed = handle.lock().unwrap().take().unwrap();
    armed.reset();
    at(&node, 5.0);
    assert!(
        status(&node, "statusTime").contains("stored"),
        "the frame's own prediction was done before, and is kept"
    );
    library.assert_clean();
}

/// Soft strands and a soft body over a green screen, moved across by so many pixels a frame, with
/// grain.
fn subject(bounds: RectI, speed: f64) -> impl Fn(f64) -> Arc<HostImage> + Send + Sync + 'static {
    move |time| {
        let moved = (speed * time) as f32;
        picture(bounds, FLOAT, |x, y| {
            let alpha = coverage(bounds, x as f32 - moved, y as f32);
            let of = |channel: usize| {
                let (own, screen) = ([0.62, 0.45, 0.36][channel], [0.12, 0.58, 0.2][channel]);
                alpha * own + (1.0 - alpha) * screen + 0.03 * grain(time, x, y, channel as u32)
            };
            [of(0), of(1), of(2), 1.0]
        })
    }
}

fn coverage(bounds: RectI, x: f32, y: f32) -> f32 {
    let (width, height) = (bounds.width() as f32, bounds.height() as f32);
    let body = ((0.3 * height - (x - 0.35 * width).hypot(y - 0.5 * height)) / 9.0).clamp(0.0, 1.0);
    let strand = (0..7).map(|index| {
        let lane = 0.22 * height + 0.09 * height * index as f32;
        let lane = lane + 6.0 * (0.05 * x + index as f32).sin();
        let along = ((0.68 * width - x) / 50.0).clamp(0.0, 1.0);
        let from = if x > 0.35 * width { 1.0 } else { 0.0 };
        from * along * ((2.2 - (y - lane).abs()) / 2.0).clamp(0.0, 0.85)
    });
    strand.fold(body, f32::max)
}

/// The shipped model's mattes of some frames, without and with neighbours.
fn shipped(library: &Library, speed: f64, times: &[f64]) -> Vec<[HostImage; 2]> {
    let bounds = frame(256, 192);
    let node = library.create(common::ID, Context::General).unwrap();
    let last = times.last().copied().unwrap() + 1.0;
    node.connect(
        "Source",
        Shot::new(bounds, (0.0, last)).clip(subject(bounds, speed)),
    )
    .unwrap();
    set(
        &node,
        &[
            ("screenColor", "green"),
            ("inputColor", "srgb"),
            ("output", "matte"),
        ],
    );
    times
        .iter()
        .map(|time| {
            ["0", "1"].map(|strength| {
                node.set_str("stabilise", strength).unwrap();
                at(&node, *time)
            })
        })
        .collect()
}

fn alpha(image: &HostImage) -> Vec<f32> {
    let bounds = image.bounds();
    (bounds.y1..bounds.y2)
        .flat_map(|y| (bounds.x1..bounds.x2).map(move |x| (x, y)))
        .map(|(x, y)| image.pixel(x, y).unwrap()[3])
        .collect()
}

#[test]
fn the_shipped_model_wavers_less_where_nothing_moves() {
    let library = load(common::bundle(), HostOptions::strict());
    // Three apart, so that no two have a neighbour in common.
    let frames = shipped(&library, 0.0, &[1.0, 4.0, 7.0, 10.0, 13.0]);
    let [off, on] = [0, 1].map(|side| {
        let mattes: Vec<Vec<f32>> = frames.iter().map(|pair| alpha(&pair[side])).collect();
        let count = mattes.len() as f32;
        let (mut sum, mut soft) = (0.0_f64, 0);
        for i in 0..mattes[0].len() {
            let mean = mattes.iter().map(|matte| matte[i]).sum::<f32>() / count;
            if !(0.1..0.9).contains(&mean) {
                continue;
            }
            let square = mattes.iter().map(|matte| (matte[i] - mean).powi(2));
            sum += f64::from(square.sum::<f32>() / (count - 1.0));
            soft += 1;
        }
        assert!(soft > 500, "there are soft edges to waver: {soft}");
        (sum / f64::from(soft)).sqrt()
    });
    assert!(
        on < 0.62 * off,
        "soft edges deviate by {off}, steadied by {on}"
    );
    library.assert_clean();
}

#[test]
fn the_shipped_model_leaves_no_ghost_of_what_moves() {
    let library = load(common::bundle(), HostOptions::strict());
    for speed in [1.0, 3.0, 8.0] {
        let time = 3.0;
        let [off, on] = &shipped(&library, speed, &[time])[0];
        let (off, on) = (alpha(off), alpha(on));
        let bounds = frame(256, 192);
        let truth: Vec<f32> = (0..192)
            .rev()
            .flat_map(|y| (0..256).map(move |x| (x, y)))
            .map(|(x, y)| coverage(bounds, x as f32 - (speed * time) as f32, y as f32))
            .collect();
        let rms = |a: &[f32], b: &[f32]| {
            let pairs = a.iter().zip(b).zip(&truth);
            let edge = pairs.filter(|(_, truth)| (0.02..0.98).contains(*truth));
            let squares: Vec<f32> = edge.map(|((a, b), _)| (a - b) * (a - b)).collect();
            (squares.iter().sum::<f32>() / squares.len() as f32).sqrt()
        };
        let (changed, before, after) = (rms(&off, &on), rms(&off, &truth), rms(&on, &truth));
        assert!(changed < 0.02, "speed {speed}: {changed}");
        assert!(after < 1.02 * before, "speed {speed}: {before} to {after}");
    }
    library.assert_clean();
}

#[test]
fn alpha_only_clips_and_masks_have_neighbours_too() {
    let library = library();
    let bounds = frame(96, 64);
    let plate = Shot::new(bounds, (1.0, 9.0));
    let node = library.create(common::ID, Context::General).unwrap();
    node.connect("Source", plate.clip(still(bounds))).unwrap();
    let layout = Layout {
        components: Components::Alpha,
        ..FLOAT
    };
    node.connect("Hint", Arc::new(StillClip::new(hint(bounds, layout))))
        .unwrap();
    set(&node, &[("model", "pass"), ("stabilise", "1")]);
    // A mask that covers all in the frame before: the hint of that frame is empty, and counts.
    node.connect(
        "OutM",
        Shot::new(bounds, (1.0, 9.0)).clip(move |time| {
            picture(bounds, FLOAT, |_, _| {
                [if time == 4.0 { 1.0 } else { 0.0 }; 4]
            })
        }),
    )
    .unwrap();
    node.set_str("output", "matte").unwrap();
    let (with, without) = (at(&node, 5.0), at(&node, 7.0));
    let inside = without.pixel(30, 44).unwrap()[3];
    assert!(inside > 0.8);
    assert!((with.pixel(30, 44).unwrap()[3] - inside * 2.0 / 3.0).abs() < 1e-3);
    library.assert_clean();
}
