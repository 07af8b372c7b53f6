//! Whole frames, timed for `corridorkey benchmark --plate`: float plates rendered through the
//! plug-in, from memory to memory.
//!
//! No file is read or written meanwhile, which on a quick device would take longer than a frame and
//! slow it down. Every plate is another one, so that the network runs for each.

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use corridorkey::error::{Error, Result};
use corridorkey::keyer::{Output, Resolution, Size};
use corridorkey::plugin;
use ofx::RectI;
use ofx::host::{Bundle, HostImage, Instance, Layout, Project, RenderRequest, StillClip};
use serde_json::{Value, json};

use crate::args::BenchmarkArguments;
use crate::effect::{Effect, from_host, from_render};
use crate::scene::Scene;

/// What was measured.
pub(crate) struct Whole {
    plate: Size,
    output: Output,
    /// Milliseconds of frames that were rendered alone, sorted.
    frames: Vec<f64>,
    /// Milliseconds for as many frames, one and two at a time.
    together: [f64; 2],
    /// Milliseconds from the host's word to stop, in the middle of a frame, to the frame's end;
    /// none when it was done before.
    stopped: Option<f64>,
}

impl Whole {
    /// The time of the middle one of the frames.
    fn median(&self) -> f64 {
        self.frames[self.frames.len() / 2]
    }

    /// What scripts see; `network` is what the network takes by itself.
    pub(crate) fn json(&self, network: f64) -> Value {
        json!({
            "plate": [self.plate.width, self.plate.height],
            "output": self.output.id(),
            "frames": self.frames.len(),
            "median_ms": self.median(),
            "least_ms": self.frames[0],
            "of_network": self.median() / network,
            "one_at_a_time_ms": self.together[0],
            "two_at_a_time_ms": self.together[1],
            "stopped_ms": self.stopped,
        })
    }

    /// The same in a line.
    pub(crate) fn line(&self, network: f64) -> String {
        let [one, two] = self.together;
        let stopped = match self.stopped {
            Some(took) => format!("told to stop in the middle it ends {took:.0} ms later"),
            None => "it was done before it could be stopped".to_owned(),
        };
        format!(
            "whole frames of {} x {}, {}: {:.1} ms (median of {}, least {:.1}), {:.2} times the network's; \
             {} of them in {one:.0} ms, two at a time in {two:.0}, {:.2} times as quick; {stopped}\n",
            self.plate.width,
            self.plate.height,
            self.output.id(),
            self.median(),
            self.frames.len(),
            self.frames[0],
            self.median() / network,
            self.frames.len(),
            one / two,
        )
    }
}

/// Renders plates of this size in the outputs that are asked for, or as the plug-in does by default.
///
/// # Errors
/// When there is no bundle, or a render fails.
pub(crate) fn measure(
    bundle: &Bundle,
    arguments: &BenchmarkArguments,
    plate: Size,
) -> Result<Vec<Whole>> {
    let size = (plate.width as f64, plate.height as f64);
    let project = Project {
        size,
        extent: size,
        ..Project::default()
    };
    let effect = Effect::load(bundle, project)?;
    let mut plates = Plates::new(plate);
    let outputs = match arguments.output.is_empty() {
        true => &[Output::Processed],
        false => &arguments.output[..],
    };
    let nodes = [node(&effect, arguments)?, node(&effect, arguments)?];
    outputs
        .iter()
        .map(|output| one(&nodes, &mut plates, *output, arguments.runs))
        .collect()
}

fn node(effect: &Effect, arguments: &BenchmarkArguments) -> Result<Instance> {
    let node = effect.create()?;
    for (id, value) in [
        ("model", arguments.model.as_str()),
        ("device", arguments.device.id()),
        ("precision", arguments.precision.id()),
        (
            "resolution",
            arguments.resolution.unwrap_or(Resolution::Auto).id(),
        ),
    ] {
        node.set_str(id, value).map_err(from_host)?;
    }
    Ok(node)
}

fn one(nodes: &[Instance; 2], plates: &mut Plates, output: Output, runs: usize) -> Result<Whole> {
    for node in nodes {
        node.set_str("output", output.id()).map_err(from_host)?;
    }
    // The session, its kernels and all memory that is kept: what a shot's first frames pay for.
    both(nodes, plates, 2)?;
    let [node, _] = nodes;
    let mut frames = Vec::with_capacity(runs);
    for _ in 0..runs {
        show(node, plates.next()?)?;
        frames.push(timed(node)?.as_secs_f64() * 1e3);
    }
    let alone: f64 = frames.iter().sum();
    frames.sort_by(f64::total_cmp);
    let together = both(nodes, plates, runs)?.as_secs_f64() * 1e3;
    show(node, plates.next()?)?;
    let half = Duration::from_secs_f64(frames[runs / 2] / 2e3);
    let stopped = stopped(node, half)?.map(|took| took.as_secs_f64() * 1e3);
    Ok(Whole {
        plate: plates.size,
        output,
        frames,
        together: [alone, together],
        stopped,
    })
}

fn show(node: &Instance, plate: HostImage) -> Result<()> {
    node.connect(plugin::SOURCE, Arc::new(StillClip::new(plate)))
        .map_err(from_host)
}

fn timed(node: &Instance) -> Result<Duration> {
    let begun = Instant::now();
    let picture = node.render(&RenderRequest::at(1.0));
    let took = begun.elapsed();
    // Its memory is given back after the time was taken.
    drop(picture.map_err(|failure| Error::Plugin(from_render(node, &failure).message))?);
    Ok(took)
}

/// How long so many frames take, every other one in either node.
fn both(nodes: &[Instance; 2], plates: &mut Plates, count: usize) -> Result<Duration> {
    let start = Barrier::new(nodes.len() + 1);
    let shares = [count.div_ceil(2), count / 2];
    let mut waiting = Vec::new();
    for share in shares {
        let own: Result<Vec<HostImage>> = (0..share).map(|_| plates.next()).collect();
        waiting.push(own?);
    }
    thread::scope(|scope| {
        let workers: Vec<_> = nodes
            .iter()
            .zip(waiting)
            .map(|(node, own)| {
                scope.spawn(|| -> Result<()> {
                    start.wait();
                    for plate in own {
                        show(node, plate)?;
                        timed(node)?;
                    }
                    Ok(())
                })
            })
            .collect();
        start.wait();
        let begun = Instant::now();
        for worker in workers {
            worker
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        }
        Ok(begun.elapsed())
    })
}

/// How long a frame goes on that is stopped after a while; `None` when it was done before.
fn stopped(node: &Instance, after: Duration) -> Result<Option<Duration>> {
    let handle = node.abort_handle();
    let (told, rendered, ended) = thread::scope(|scope| {
        let host = scope.spawn(|| {
            thread::sleep(after);
            handle.abort();
            Instant::now()
        });
        let rendered = node.render(&RenderRequest::at(1.0)).is_ok();
        let ended = Instant::now();
        let told = host
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (told, rendered, ended)
    });
    handle.reset();
    Ok((!rendered).then(|| ended.saturating_duration_since(told)))
}

/// Plates of one size, no two alike.
struct Plates {
    size: Size,
    rgba: Vec<f32>,
}

impl Plates {
    fn new(size: Size) -> Self {
        let scene = Scene { size };
        let places = (0..size.height).flat_map(|y| (0..size.width).map(move |x| (x, y)));
        let opaque = |(x, y)| {
            let [red, green, blue] = scene.colour(x, y);
            [red, green, blue, 1.0]
        };
        Self {
            size,
            rgba: places.flat_map(opaque).collect(),
        }
    }

    fn next(&mut self) -> Result<HostImage> {
        // One pixel in the corner is another: no stored prediction fits.
        self.rgba[0] += 1.0 / 1024.0;
        let (width, height) = (self.size.width as i32, self.size.height as i32);
        let bounds = RectI {
            x1: 0,
            y1: 0,
            x2: width,
            y2: height,
        };
        let layout = Layout::FLOAT_RGBA;
        HostImage::from_rgba_f32(bounds, &self.rgba, layout).map_err(from_host)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn no_two_plates_are_alike() {
        let mut plates = Plates::new(Size::new(8, 4));
        let [one, other] = [(); 2].map(|()| plates.next().unwrap().to_rgba_f32());
        assert_eq!(one.len(), 4 * 8 * 4);
        assert_ne!(one, other);
    }

    #[test]
    fn the_account_is_of_the_middle_frame_and_of_both_ways() {
        let whole = Whole {
            plate: Size::new(8, 4),
            output: Output::Matte,
            frames: vec![20.0, 30.0, 70.0],
            together: [120.0, 80.0],
            stopped: None,
        };
        let told = whole.json(20.0);
        assert_eq!(
            (told["median_ms"].as_f64(), told["of_network"].as_f64()),
            (Some(30.0), Some(1.5))
        );
        let line = whole.line(20.0);
        assert!(
            line.contains("matte: 30.0 ms (median of 3, least 20.0), 1.50 times"),
            "{line}"
        );
        assert!(
            line.contains("in 80, 1.50 times as quick; it was done"),
            "{line}"
        );
    }
}
