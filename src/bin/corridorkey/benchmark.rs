//! `corridorkey benchmark`: how long the network takes on this machine, and whether a device gives
//! the numbers that another one gives, or the plug-in's own network those of its graph.
//!
//! The network is timed from tensors in memory to tensors in memory, and on demand whole frames beside
//! it, see [`whole`]; `key --json` tells the stages of each frame.

use std::fmt::Write;
use std::time::Instant;

use corridorkey::error::{Error, Result};
use corridorkey::keyer::{
    Geometry, NetworkInput, Normalisation, Output, Planes, Prediction, Resolution, Size,
};
use corridorkey::network::model::Own;
use corridorkey::network::{
    self, Device, DeviceChoice, Model, Outcome, Precision, PrecisionChoice, Request, Service,
};
use serde_json::{Value, json};

use crate::args::BenchmarkArguments;
use crate::effect::find_bundle;
use crate::report::{print_json, print_text};
use crate::scene::Scene;
use crate::whole;

/// The plate whose usual size is measured when no size is asked for.
const PLATE: Size = Size::new(1920, 1080);

/// Runs the command.
pub(crate) fn run(arguments: &BenchmarkArguments) -> Result<u8> {
    let bundle = find_bundle(arguments.plugin.as_deref());
    if let Ok(bundle) = &bundle {
        network::set_module_path(bundle.binary.clone());
    }
    let service = Service::global();
    let model = service.models().find(&arguments.model)?;
    let mut measured = Vec::new();
    for size in sizes(&model, arguments)? {
        let input = picture(size);
        let found = measure(service, &model, &input, arguments)?;
        if !arguments.json {
            print_text(&line(&model, &found));
        }
        measured.push(found);
    }
    let mut frames = Vec::new();
    if let (Some(plate), [found, ..]) = (arguments.plate, &measured[..]) {
        let network = median(&found.runs);
        for found in whole::measure(&bundle?, arguments, plate)? {
            if !arguments.json {
                print_text(&found.line(network));
            }
            frames.push(found.json(network));
        }
    }
    if arguments.json {
        print_json(&json!({
            "frames": frames,
            "model": model.full_id(),
            "sha256": model.sha256,
            "threads": service.options().network_threads(),
            "measured": measured.iter().map(Measured::json).collect::<Vec<_>>(),
        }));
    }
    Ok(0)
}

/// What was measured at one size.
struct Measured {
    size: Size,
    device: Device,
    precision: PrecisionChoice,
    notes: Vec<String>,
    /// Building the session and the first run, which also touches all memory for the first time.
    first: f64,
    /// The runs after it, in milliseconds, sorted.
    runs: Vec<f64>,
    /// The network of ours that was timed, if it was none of the runtime's sessions.
    own: Option<Own>,
    /// The runtime's runs of the same model's graph in turn with those, sorted as well, and how far
    /// its answer is.
    reference: Option<(Vec<f64>, Apart)>,
    /// The other device, and how far its answer is.
    against: Option<(Device, Apart)>,
}

/// How far two answers are from each other.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Apart {
    /// Alpha: the largest difference, and the mean.
    alpha: [f64; 2],
    /// The same for the foreground.
    foreground: [f64; 2],
}

impl Apart {
    fn of(ours: &Prediction, theirs: &Prediction) -> Self {
        let planes = |planes: fn(&Prediction) -> &Planes| {
            distance(planes(ours).data(), planes(theirs).data())
        };
        Self {
            alpha: planes(|answer| &answer.alpha),
            foreground: planes(|answer| &answer.foreground),
        }
    }

    /// Adds what scripts see to an object.
    fn tell(self, mut value: Value) -> Value {
        value["alpha_largest"] = self.alpha[0].into();
        value["alpha_mean"] = self.alpha[1].into();
        value["foreground_largest"] = self.foreground[0].into();
        value["foreground_mean"] = self.foreground[1].into();
        value
    }
}

impl std::fmt::Display for Apart {
    fn fmt(&self, text: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ([alpha, alpha_mean], [colour, colour_mean]) = (self.alpha, self.foreground);
        write!(
            text,
            "alpha {alpha:.1e} at most, {alpha_mean:.1e} on average, foreground {colour:.1e}, {colour_mean:.1e}"
        )
    }
}

fn median(sorted: &[f64]) -> f64 {
    sorted[sorted.len() / 2]
}

impl Measured {
    fn json(&self) -> Value {
        let reference = |(runs, apart): &(Vec<f64>, Apart)| {
            apart.tell(json!({
                "median_ms": median(runs),
                "least_ms": runs[0],
                "ratio": median(&self.runs) / median(runs),
            }))
        };
        json!({
            "network": [self.size.width, self.size.height],
            "device": self.device.id(),
            "precision": self.precision.id(),
            "notes": self.notes,
            "first_ms": self.first,
            "median_ms": median(&self.runs),
            "least_ms": self.runs[0],
            "runs": self.runs.len(),
            "processor": self.own.map(Own::id),
            "reference": self.reference.as_ref().map(reference),
            "against": self.against.map(|(device, apart)| apart.tell(json!({ "device": device.id() }))),
        })
    }
}

/// The sizes that are asked for, raised to what the model takes; or the one that a plate is seen at.
fn sizes(model: &Model, arguments: &BenchmarkArguments) -> Result<Vec<Size>> {
    let rule = &model.size_rule;
    if arguments.size.is_empty() {
        let plate = arguments.plate.unwrap_or(PLATE);
        let resolution = arguments.resolution.unwrap_or(Resolution::Auto);
        let geometry = Geometry::new(plate, plate, rule, resolution)?;
        return Ok(vec![geometry.network]);
    }
    let side = |pixels: usize| pixels.max(rule.min).next_multiple_of(rule.multiple);
    let raised = |size: &Size| Size::new(side(size.width), side(size.height));
    Ok(arguments.size.iter().map(raised).collect())
}

fn measure(
    service: &Service,
    model: &Model,
    input: &NetworkInput,
    arguments: &BenchmarkArguments,
) -> Result<Measured> {
    let request = Request {
        model,
        device: arguments.device,
        precision: arguments.precision,
        input,
        refiner_strength: 1.0,
    };
    let predict = |request: &Request<'_>| -> Result<Outcome> {
        service.predict(request, &|| false).map_err(Error::from)
    };
    let begun = Instant::now();
    let outcome = predict(&request)?;
    let first = begun.elapsed().as_secs_f64() * 1e3;
    let own = model.own(
        outcome.device,
        model.precision(arguments.precision, outcome.device)?,
    );
    if arguments.reference && own.is_none() {
        return Err(Error::Usage(format!(
            "--reference compares what the plug-in computes itself with ONNX Runtime, and {} on {} is ONNX \
             Runtime's: leave it out, or ask for --device cpu and --precision fp32 of a model whose manifest \
             names a processor",
            model.full_id(),
            outcome.device.name()
        )));
    }
    let graph = arguments.reference.then(|| Model {
        processor: None,
        ..model.clone()
    });
    let theirs = graph.as_ref().map(|model| Request { model, ..request });
    let answer = theirs.as_ref().map(predict).transpose()?;
    // In turn, so that whatever else the machine does meanwhile slows both.
    let (mut runs, mut others) = (Vec::new(), Vec::new());
    for _ in 0..arguments.runs {
        runs.push(predict(&request)?.milliseconds);
        if let Some(theirs) = &theirs {
            others.push(predict(theirs)?.milliseconds);
        }
    }
    runs.sort_by(f64::total_cmp);
    others.sort_by(f64::total_cmp);
    let reference =
        answer.map(|answer| (others, Apart::of(&outcome.prediction, &answer.prediction)));
    let against = match arguments.against {
        None => None,
        Some(device) => {
            // The measure is the widest arithmetic that the model has.
            let wide = model.precisions.contains(&Precision::Fp32);
            let other = predict(&Request {
                device,
                precision: match wide {
                    true => PrecisionChoice::Fp32,
                    false => PrecisionChoice::Auto,
                },
                ..request
            })?;
            let apart = Apart::of(&outcome.prediction, &other.prediction);
            Some((other.device, apart))
        }
    };
    Ok(Measured {
        size: Size::new(input.width, input.height),
        device: outcome.device,
        precision: arguments.precision,
        notes: outcome.notes,
        first,
        runs,
        own,
        reference,
        against,
    })
}

/// The largest and the mean difference.
fn distance(ours: &[f32], theirs: &[f32]) -> [f64; 2] {
    let (mut largest, mut sum) = (0.0f64, 0.0);
    for (a, b) in ours.iter().zip(theirs) {
        let difference = f64::from((a - b).abs());
        largest = largest.max(difference);
        sum += difference;
    }
    [largest, sum / ours.len().max(1) as f64]
}

fn line(model: &Model, found: &Measured) -> String {
    let mut text = format!(
        "{} on {}, {} x {}: {:.1} ms (median of {}, least {:.1}; first {:.0} with its session)",
        model.full_id(),
        found.device.name(),
        found.size.width,
        found.size.height,
        median(&found.runs),
        found.runs.len(),
        found.runs[0],
        found.first,
    );
    // Writing to a String cannot fail.
    if let Some(own) = found.own {
        let _ = write!(text, "; computed by the plug-in itself ({})", own.id());
    }
    if let Some((runs, apart)) = &found.reference {
        let (ours, theirs) = (median(&found.runs), median(runs));
        let _ = write!(
            text,
            "; ONNX Runtime {theirs:.1} ms (least {:.1}), a ratio of {:.2}; from its answer {apart}",
            runs[0],
            ours / theirs
        );
    }
    if let Some((device, apart)) = found.against {
        let _ = write!(text, "; against {}: {apart}", device.name());
    }
    for note in &found.notes {
        let _ = write!(text, "; {note}");
    }
    text.push('\n');
    text
}

/// The drawn plate and its hint as the network sees them.
fn picture(size: Size) -> NetworkInput {
    let scene = Scene { size };
    let Size { width, height } = size;
    let (mean, std) = (Normalisation::IMAGENET.mean, Normalisation::IMAGENET.std);
    let mut data = vec![0.0; 4 * width * height];
    let mut planes = data.chunks_exact_mut(width * height);
    let [red, green, blue, hint] = [(); 4].map(|()| planes.next().unwrap_or_default());
    for (at, hint) in hint.iter_mut().enumerate() {
        let (x, y) = (at % width, at / width);
        *hint = scene.hint(x, y);
        let colour = scene.colour(x, y);
        for (channel, plane) in [&mut *red, &mut *green, &mut *blue].into_iter().enumerate() {
            plane[at] = (colour[channel] - mean[channel]) / std[channel];
        }
    }
    NetworkInput {
        height,
        width,
        data,
    }
}

/// Reads a device as the environment's variables are read.
pub(crate) fn device(text: &str) -> std::result::Result<DeviceChoice, String> {
    DeviceChoice::parse(text)
        .ok_or_else(|| format!("`{text}` is no device: write auto, cuda, coreml or cpu"))
}

/// Reads a precision.
pub(crate) fn precision(text: &str) -> std::result::Result<PrecisionChoice, String> {
    PrecisionChoice::from_id(text)
        .map_err(|_| format!("`{text}` is no precision: write auto, fp16 or fp32"))
}

/// Reads a resolution by its name in the panel.
pub(crate) fn resolution(text: &str) -> std::result::Result<Resolution, String> {
    Resolution::from_id(text).map_err(|error| error.to_string())
}

/// Reads an output by its name in the panel.
pub(crate) fn output(text: &str) -> std::result::Result<Output, String> {
    Output::from_id(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_distance_is_the_largest_and_the_mean() {
        let [largest, mean] = distance(&[0.0, 1.0, 0.5, 0.5], &[0.5, 1.0, 0.5, 0.25]);
        assert_eq!((largest, mean), (0.5, 0.1875));
        assert_eq!(distance(&[], &[]), [0.0, 0.0]);
    }

    #[test]
    fn the_picture_fills_four_planes_and_its_hint_is_a_disc() {
        let input = picture(Size::new(64, 32));
        assert_eq!(input.data.len(), 4 * 64 * 32);
        let hint = &input.data[3 * 64 * 32..];
        assert_eq!((hint[16 * 64 + 32], hint[0]), (1.0, 0.0));
        assert!(hint.iter().all(|value| (0.0..=1.0).contains(value)));
        let mean = Normalisation::IMAGENET.mean;
        let std = Normalisation::IMAGENET.std;
        for (plane, (mean, std)) in input.data.chunks(64 * 32).zip(mean.iter().zip(std)) {
            assert!(
                plane
                    .iter()
                    .all(|value| (-0.05..1.0).contains(&(value * std + mean)))
            );
        }
    }

    #[test]
    fn devices_and_precisions_are_read_by_their_names() {
        assert_eq!(device("mps"), Ok(DeviceChoice::CoreMl));
        assert!(device("gpu").unwrap_err().contains("cuda"));
        assert_eq!(precision("fp16"), Ok(PrecisionChoice::Fp16));
        assert!(precision("int8").unwrap_err().contains("fp32"));
    }
}
