//! What a frame costs in the host, and where: `cargo bench --bench plugin`.
//!
//! Renders float plates through the real bundle in the headless host with the shipped model, and
//! prints the stages that the plug-in itself measures. "Around the network" is everything but the
//! network, as a share of the whole; re-renders are from the stored prediction, after a change of the
//! control that is named. The third number of a whole render is what all threads together have used
//! of the processors at the least, where the system tells: on a machine that does other things too it
//! says most. `cargo bench --bench plugin -- --bundle PATH` measures a bundle that is
//! there already, and `--controls` leaves all out but the re-renders.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a program that prints"
)]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use bundle::{Linking, Options, Profile, Workspace};
use corridorkey::plugin::IDENTIFIER;
use ofx::host::{
    Bundle, HostImage, HostOptions, Instance, Layout, Library, RenderRequest, StillClip, Value,
};
use ofx::{Components, Context, RectI};

/// Frames timed, after one that is not.
const FRAMES: usize = 9;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let controls_only = arguments.iter().any(|word| word == "--controls");
    let given = arguments.iter().position(|word| word == "--bundle");
    let path = match given {
        Some(at) => PathBuf::from(arguments.get(at + 1).expect("--bundle needs a path")),
        None => assembled(),
    };
    let bundle = Bundle::open(path).unwrap();
    let library = Library::load(&bundle, HostOptions::production()).unwrap();

    let cores = std::thread::available_parallelism().map_or(0, |cores| cores.get());
    println!("{cores} cores; milliseconds, median and least of {FRAMES}, and least of all threads");
    println!();
    row("describe (General)", || {
        library.describe(IDENTIFIER, Context::General).unwrap();
    });
    row("create and destroy an instance", || {
        library.create(IDENTIFIER, Context::General).unwrap();
    });
    for (name, width, height) in [("1920 x 1080", 1920, 1080), ("3840 x 2160", 3840, 2160)] {
        println!("\n{name}, float RGBA, Hint connected, Processed");
        let node = node(&library, width, height);
        if !controls_only {
            frame(&node, width, height);
        }
        controls(&node, width, height, 1.0);
        println!("\n{name}, the same with light above white and below black");
        controls(&node, width, height, 6.0);
    }
}

fn assembled() -> PathBuf {
    let workspace = Workspace::here();
    let options = Options {
        out: workspace.target("bench"),
        profile: Profile::Release,
        flavour: bundle::Flavour::Cpu,
        linking: Linking::Native,
        command: false,
        quiet: true,
    };
    bundle::assemble(&workspace, &options)
        .expect("the bundle is assembled")
        .0
}

fn row(name: &str, mut work: impl FnMut()) {
    let mut times: Vec<f64> = (0..=FRAMES)
        .map(|_| {
            let before = Instant::now();
            work();
            before.elapsed().as_secs_f64() * 1e3
        })
        .skip(1)
        .collect();
    println!("{name:<60} {:>9.3} {:>9.3}", median(&mut times), times[0]);
}

/// Sorts, too: the least is the first then.
fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// A plate with a soft disc, different for each `seed`, so that no prediction is found; a spot of
/// `light` in it, and a little below black where it is more than 1.
fn plate(width: i32, height: i32, seed: i32, light: f32, hint: bool) -> Arc<HostImage> {
    let bounds = RectI {
        x1: 0,
        y1: 0,
        x2: width,
        y2: height,
    };
    let mut rgba = Vec::with_capacity((width * height * 4) as usize);
    for y in 0..height {
        for x in 0..width {
            let (u, v) = ((x - width / 2) as f32, (y - height / 2) as f32);
            let distance = u.hypot(v) / (height as f32 * 0.3);
            let alpha = (8.0 * (1.0 - distance)).clamp(0.0, 1.0);
            let grain = ((x * 7 + y * 13 + seed) % 11) as f32 * 0.002;
            if hint {
                rgba.extend([(alpha - 0.3).clamp(0.0, 1.0); 4]);
            } else {
                let mix =
                    |subject: f32, screen: f32| subject * alpha + (screen + grain) * (1.0 - alpha);
                let spot = if distance < 0.5 { 0.4 * light } else { 0.4 };
                let dark = if light > 1.0 { -0.01 } else { 0.02 };
                rgba.extend([mix(spot, dark), mix(0.25, 0.3), mix(0.2, 0.05), 1.0]);
            }
        }
    }
    let components = if hint {
        Components::Alpha
    } else {
        Components::Rgba
    };
    let layout = Layout {
        components,
        ..Layout::FLOAT_RGBA
    };
    Arc::new(HostImage::from_rgba_f32(bounds, &rgba, layout).unwrap())
}

/// A node with a hint, still without a plate.
fn node(library: &Library, width: i32, height: i32) -> Instance {
    let node = library.create(IDENTIFIER, Context::General).unwrap();
    let hint = plate(width, height, 0, 1.0, true);
    node.connect("Hint", Arc::new(StillClip::new(hint)))
        .unwrap();
    node
}

/// Gives the node a plate that it has not seen.
fn show(node: &Instance, width: i32, height: i32, seed: i32, light: f32) {
    let plate = plate(width, height, seed, light, false);
    node.connect("Source", Arc::new(StillClip::new(plate)))
        .unwrap();
}

fn frame(node: &Instance, width: i32, height: i32) {
    let mut stages: Vec<(String, Vec<f64>)> = Vec::new();
    let mut whole = Cost::default();
    for seed in 0..=FRAMES {
        show(node, width, height, seed as i32, 1.0);
        let cost = render(node);
        if seed > 0 {
            whole.add(&cost);
            note(&mut stages, &line(node));
        }
    }
    let network = print(&mut stages, &mut whole, "whole render, as the host sees it");
    let whole = median(&mut whole.wall);
    println!(
        "{:<60} {:>8.1}%",
        "around the network",
        100.0 * (whole - network) / whole
    );
}

fn controls(node: &Instance, width: i32, height: i32, light: f32) {
    show(node, width, height, 0, light);
    render(node);
    let step = |step: usize| Value::Double(0.1 * step as f64);
    again(node, "despill", &mut |at| {
        node.set("despillStrength", step(at)).unwrap();
    });
    again(node, "clip black", &mut |at| {
        node.set("clipBlack", step(at)).unwrap();
    });
    again(node, "gamma", &mut |at| {
        node.set("matteGamma", step(at + 5)).unwrap();
    });
    again(node, "the output", &mut |at| {
        let output = ["processed", "foreground", "matte"][at % 3];
        node.set_str("output", output).unwrap();
    });
    node.set_str("output", "processed").unwrap();
    node.set_str("holeSize", "400").unwrap();
    node.set("edgeBlur", Value::Double(2.0)).unwrap();
    again(node, "shrink, with blur and holes on", &mut |at| {
        node.set("shrinkGrow", Value::Double(-(at as f64) - 1.5))
            .unwrap();
    });
    for id in ["holeSize", "edgeBlur", "shrinkGrow", "clipBlack"] {
        node.set_str(id, "0").unwrap();
    }
}

/// Times renders from the stored prediction, a control changed before each.
fn again(node: &Instance, what: &str, change: &mut dyn FnMut(usize)) {
    let mut stages = Vec::new();
    let mut whole = Cost::default();
    for step in 0..=FRAMES {
        change(step);
        let cost = render(node);
        if step > 0 {
            whole.add(&cost);
            let line = line(node);
            assert!(line.starts_with("stored"), "the network ran again: {line}");
            note(&mut stages, &line);
        }
    }
    print(
        &mut stages,
        &mut whole,
        &format!("re-render after a change of {what}"),
    );
}

/// Milliseconds of renders: as the clock has them, and summed over the threads.
#[derive(Default)]
struct Cost {
    wall: Vec<f64>,
    processors: Vec<f64>,
}

impl Cost {
    fn add(&mut self, other: &Self) {
        self.wall.extend(&other.wall);
        self.processors.extend(&other.processors);
    }
}

fn render(node: &Instance) -> Cost {
    let (before, used) = (Instant::now(), processors());
    node.render(&RenderRequest::at(1.0)).expect("a frame");
    Cost {
        wall: vec![before.elapsed().as_secs_f64() * 1e3],
        processors: (processors().zip(used))
            .map(|(after, before)| after - before)
            .into_iter()
            .collect(),
    }
}

/// Milliseconds that this process's threads have run so far, on Linux.
fn processors() -> Option<f64> {
    let threads = std::fs::read_dir("/proc/self/task").ok()?;
    let nanoseconds = threads.filter_map(|thread| {
        let line = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    });
    Some(nanoseconds.sum::<u64>() as f64 * 1e-6)
}

/// What the node says of its last frame.
fn line(node: &Instance) -> String {
    node.press("refreshStatus").unwrap();
    match node.get("statusTime").unwrap() {
        Value::Str(line) => line,
        other => panic!("{other}"),
    }
}

/// Collects "… ms: read 5.1, network 88.0".
fn note(stages: &mut Vec<(String, Vec<f64>)>, line: &str) {
    let Some((_, list)) = line.split_once(": ") else {
        return;
    };
    for part in list.split(", ") {
        let Some((name, time)) = part.rsplit_once(' ') else {
            continue;
        };
        let Ok(time) = time.parse() else { continue };
        match stages.iter_mut().find(|(known, _)| known == name) {
            Some((_, times)) => times.push(time),
            None => stages.push((name.to_owned(), vec![time])),
        }
    }
}

/// Prints stages and wall time, median and least: on a machine that does other things too the least
/// says more. Returns the network's share.
fn print(stages: &mut [(String, Vec<f64>)], whole: &mut Cost, what: &str) -> f64 {
    let mut network = 0.0;
    for (name, times) in stages {
        let time = median(times);
        if name == "network" {
            network = time;
        }
        println!("  {name:<58} {time:>9.1} {:>9.1}", times[0]);
    }
    print!(
        "{what:<60} {:>9.1} {:>9.1}",
        median(&mut whole.wall),
        whole.wall[0]
    );
    whole.processors.sort_by(f64::total_cmp);
    match whole.processors.first() {
        Some(least) => println!(" {least:>9.1}"),
        None => println!(),
    }
    network
}
