//! CorridorKey's own network with its refiner worked in strips.
//!
//! In one piece the refiner holds three or four pictures of 64 channels at once; here two, and of
//! everything else what belongs to a strip of [`ROWS`] rows. Between two convolutions stands a
//! normalisation by the statistics of the whole picture. So each convolution goes through all of
//! the picture before the next begins, its sums are gathered on the way, and the next one rescales
//! its rows when it reads them:
//!
//! * `y` is what the last convolution answered, and `x` what the residual block began with;
//! * strips go from top to bottom, each given with the rows above and below that it looks at, so
//!   that an answer can take the place in `y` of rows that nobody will read again;
//! * no convolution is computed twice, and nothing is blended: the result is that of the network in
//!   one piece but for the last digits.

use std::ffi::CString;

use ort::session::{RunOptions, Session};
use rayon::prelude::*;

use super::error::Result;
use super::greenformer::graph;
use super::greenformer::graph::strips::{EPSILON, GAIN, GROUPS, LOGITS, Layer, ROWS};
use super::greenformer::tensors::REFINER;
use super::greenformer::weights::WeightsFile;
use super::runtime::{self, Given, Wanted};
use crate::keyer::NetworkInput;

/// The network, ready to run at one size.
#[derive(Debug)]
pub(super) struct Strips {
    width: usize,
    height: usize,
    coarse: Session,
    layers: Session,
    steps: Vec<Step>,
    input: CString,
    logits: CString,
    /// For the work between the convolutions.
    pool: rayon::ThreadPool,
}

/// How the runtime is told to run, and to stop.
pub(super) struct Orders<'a> {
    /// For all runs but those of `last`.
    pub(super) usual: &'a RunOptions,
    /// The session gives back the memory that it worked in: what comes next needs the room.
    pub(super) last: &'a RunOptions,
}

/// A convolution and the normalisation behind it.
#[derive(Debug)]
struct Step {
    layer: Layer,
    input: CString,
    output: CString,
    /// Weight and bias of each channel; none behind the last one.
    norm: Option<[Vec<f32>; 2]>,
}

impl Strips {
    /// Puts together the sessions of [`graph::strips::coarse`] and [`graph::strips::layers`].
    ///
    /// # Errors
    /// Those of [`WeightsFile::values`]; [`Error::Thread`](super::Error::Thread).
    pub(super) fn new(
        coarse: Session,
        layers: Session,
        weights: &WeightsFile,
        options: &graph::Options,
        threads: usize,
    ) -> Result<Self> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("corridorkey-refiner-{index}"))
            .build()
            .map_err(|error| super::Error::Thread {
                what: "no threads could be started for the refiner",
                reason: error.to_string(),
            })?;
        let steps = Layer::all().into_iter().map(|layer| {
            let norm = match &layer.norm {
                Some(name) => Some([
                    weights.values(&format!("{name}.weight"))?,
                    weights.values(&format!("{name}.bias"))?,
                ]),
                None => None,
            };
            Ok(Step {
                input: name(&layer.input())?,
                output: name(&layer.output())?,
                layer,
                norm,
            })
        });
        Ok(Self {
            width: options.width,
            height: options.height,
            coarse,
            layers,
            steps: steps.collect::<Result<_>>()?,
            input: name(graph::INPUT)?,
            logits: name(LOGITS)?,
            pool,
        })
    }

    /// Fills `alpha` and `foreground`, planes of the input's size. Between two strips the runtime
    /// looks whether its orders were to stop.
    ///
    /// # Errors
    /// What the runtime says; that there is no memory.
    pub(super) fn run(
        &mut self,
        orders: &Orders<'_>,
        input: &NetworkInput,
        strength: f32,
        alpha: &mut [f32],
        foreground: &mut [f32],
    ) -> ort::Result<()> {
        let pixels = self.width * self.height;
        let mut logits = room(4 * pixels)?;
        let shape = [1, 4, self.height as i64, self.width as i64];
        runtime::run(
            &mut self.coarse,
            orders.last,
            &[Given {
                name: &self.input,
                shape: &shape,
                values: &input.data,
            }],
            &mut [Wanted {
                name: &self.logits,
                shape: &shape,
                values: &mut logits,
            }],
        )?;

        // The stem sees the plate, and the coarse alpha and foreground.
        let mut seen = room(7 * pixels)?;
        let (plate, coarse) = seen.split_at_mut(3 * pixels);
        plate.copy_from_slice(&input.data[..3 * pixels]);
        self.pool.install(|| {
            let pairs = coarse.par_iter_mut().zip(&logits);
            pairs.for_each(|(value, logit)| *value = sigmoid(*logit));
        });
        let mut maps = Maps {
            x: Vec::new(),
            y: room(REFINER * pixels)?,
        };
        let mut sums = vec![Sums::default(); REFINER];
        self.through(
            0,
            orders,
            &mut maps,
            |_, rows| rows.copy(&seen),
            |maps, strip| {
                strip.keep(&mut maps.y, &mut sums);
            },
        )?;
        drop(seen);

        maps.x = room(REFINER * pixels)?;
        let last = self.steps.len() - 1;
        for index in 1..last {
            let change = self.change(index - 1, &sums);
            sums.fill(Sums::default());
            self.through(
                index,
                orders,
                &mut maps,
                // Each residual block is two convolutions.
                |maps, rows| match index % 2 {
                    0 => rows.change(&maps.y, &change),
                    _ => rows.join(&maps.y, &mut maps.x, &change),
                },
                |maps, strip| strip.keep(&mut maps.y, &mut sums),
            )?;
        }
        let change = self.change(last - 1, &sums);
        let (mut refined, gain) = ((alpha, foreground), GAIN * strength);
        self.through(
            last,
            orders,
            &mut maps,
            |maps, rows| rows.join(&maps.y, &mut maps.x, &change),
            |_, strip| strip.refine(&logits, gain, &mut refined),
        )
    }

    /// Takes the picture through one convolution: `fill` brings the rows that it has not seen yet,
    /// `keep` gets what it answers.
    fn through(
        &mut self,
        index: usize,
        orders: &Orders<'_>,
        maps: &mut Maps,
        fill: impl Fn(&mut Maps, Rows<'_>) + Sync,
        mut keep: impl FnMut(&mut Maps, Strip<'_>) + Send,
    ) -> ort::Result<()> {
        let Step { layer, .. } = &self.steps[index];
        let (width, pixels) = (self.width, self.width * self.height);
        let mut tile = room(layer.channels * layer.rows() * width)?;
        let mut answer = room(layer.answers * ROWS * width)?;
        let strips = self.height / ROWS;
        for strip in 0..strips {
            let begin = strip * ROWS;
            let rows = Rows {
                kept: if strip == 0 {
                    0
                } else {
                    2 * layer.reach * width
                },
                blank: if strip == 0 { layer.reach * width } else { 0 },
                from: if strip == 0 {
                    0
                } else {
                    (begin + layer.reach) * width
                },
                to: ((begin + ROWS + layer.reach) * width).min(pixels),
                plane: layer.rows() * width,
                pixels,
                tile: &mut tile,
            };
            self.pool.install(|| fill(maps, rows));
            let orders = if strip + 1 < strips {
                orders.usual
            } else {
                orders.last
            };
            convolve(
                &mut self.layers,
                &self.steps,
                index,
                width,
                orders,
                &tile,
                &mut answer,
            )?;
            let strip = Strip {
                from: begin * width,
                pixels,
                answer: &answer,
                plane: ROWS * width,
            };
            self.pool.install(|| keep(maps, strip));
        }
        Ok(())
    }

    /// What the normalisation behind a convolution does to each channel, from the sums over the
    /// whole picture of what the convolution answered.
    fn change(&self, index: usize, sums: &[Sums]) -> Vec<Change> {
        let Some([weight, bias]) = &self.steps[index].norm else {
            return vec![Change::default(); sums.len()];
        };
        let members = sums.len() / GROUPS;
        let count = (members * self.width * self.height) as f64;
        let groups = sums.chunks(members).flat_map(|group| {
            let mean = group.iter().map(|sums| sums.values).sum::<f64>() / count;
            let square = group.iter().map(|sums| sums.squares).sum::<f64>() / count;
            // Where all is the same colour the difference may fall below 0.
            let variance = (square - mean * mean).max(0.0);
            let deviation = (variance + f64::from(EPSILON)).sqrt();
            std::iter::repeat_n((mean, deviation), members)
        });
        let each = groups.zip(weight.iter().zip(bias));
        each.map(|((mean, deviation), (weight, bias))| {
            let scale = f64::from(*weight) / deviation;
            Change {
                scale: scale as f32,
                shift: (f64::from(*bias) - mean * scale) as f32,
            }
        })
        .collect()
    }
}

/// The pictures of 64 channels that are held, of the whole frame.
struct Maps {
    /// What the residual block began with; 0 before the first, which has nothing to begin with.
    x: Vec<f32>,
    /// What the last convolution answered.
    y: Vec<f32>,
}

/// Over the whole picture, for one channel.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    values: f64,
    squares: f64,
}

impl Sums {
    /// Short sums are taken in 32 bits, which is what processors are quick at, and added up in 64.
    fn add(&mut self, values: &[f32]) {
        const LANES: usize = 16;
        for block in values.chunks(64 * LANES) {
            let (mut sums, mut squares) = ([0.0_f32; LANES], [0.0_f32; LANES]);
            let (lanes, rest) = block.as_chunks::<LANES>();
            for lane in lanes {
                for ((sum, square), value) in sums.iter_mut().zip(&mut squares).zip(lane) {
                    *sum += value;
                    *square += value * value;
                }
            }
            for value in rest {
                sums[0] += value;
                squares[0] += value * value;
            }
            self.values += sums.iter().copied().map(f64::from).sum::<f64>();
            self.squares += squares.iter().copied().map(f64::from).sum::<f64>();
        }
    }
}

/// What a normalisation does to a channel: value × scale + shift.
#[derive(Debug, Clone, Copy, Default)]
struct Change {
    scale: f32,
    shift: f32,
}

impl Change {
    fn of(self, value: f32) -> f32 {
        value * self.scale + self.shift
    }
}

/// The larger of the value and 0; what is no number stays none, so that it is found at the end.
fn clip(value: f32) -> f32 {
    if value < 0.0 { 0.0 } else { value }
}

fn sigmoid(value: f32) -> f32 {
    1.0 / (1.0 + (-value).exp())
}

/// The rows of a strip's input that the strip before did not have.
struct Rows<'a> {
    /// The input, planes of `plane` values.
    tile: &'a mut [f32],
    plane: usize,
    /// Values of each plane that come from the end of the strip before.
    kept: usize,
    /// Values above the picture, which stay 0.
    blank: usize,
    /// The place of the rows in a plane of the picture, which has `pixels` values.
    from: usize,
    to: usize,
    pixels: usize,
}

impl Rows<'_> {
    /// Fills every plane with `fill`, which gets the plane's rows of the picture and their place in
    /// the tile.
    fn each<'s, S: Send + 's>(
        self,
        sources: impl IndexedParallelIterator<Item = S>,
        fill: impl Fn(usize, S, &mut [f32]) + Sync,
    ) {
        let Self {
            kept,
            blank,
            from,
            to,
            ..
        } = self;
        let planes = self.tile.par_chunks_exact_mut(self.plane).zip(sources);
        planes.enumerate().for_each(|(channel, (plane, source))| {
            plane.copy_within(plane.len() - kept.., 0);
            let (rows, below) = plane[kept + blank..].split_at_mut(to - from);
            fill(channel, source, rows);
            below.fill(0.0);
        });
    }

    /// The rows as they are.
    fn copy(self, source: &[f32]) {
        let (from, to) = (self.from, self.to);
        let planes = source.par_chunks_exact(self.pixels);
        self.each(planes, |_, source, rows| {
            rows.copy_from_slice(&source[from..to])
        });
    }

    /// The rows normalised and clipped.
    fn change(self, source: &[f32], change: &[Change]) {
        let (from, to) = (self.from, self.to);
        let planes = source.par_chunks_exact(self.pixels);
        self.each(planes, |channel, source, rows| {
            let change = change[channel];
            for (row, value) in rows.iter_mut().zip(&source[from..to]) {
                *row = clip(change.of(*value));
            }
        });
    }

    /// The rows normalised, added to the shortcut and clipped: the end of a residual block, and the
    /// next one's shortcut.
    fn join(self, source: &[f32], shortcut: &mut [f32], change: &[Change]) {
        let (from, to) = (self.from, self.to);
        let shortcuts = shortcut.par_chunks_exact_mut(self.pixels);
        let planes = source.par_chunks_exact(self.pixels).zip(shortcuts);
        self.each(planes, |channel, (source, shortcut), rows| {
            let change = change[channel];
            let pairs = source[from..to].iter().zip(&mut shortcut[from..to]);
            for (row, (value, shortcut)) in rows.iter_mut().zip(pairs) {
                *shortcut = clip(change.of(*value) + *shortcut);
                *row = *shortcut;
            }
        });
    }
}

/// What a convolution answers for a strip.
struct Strip<'a> {
    /// Planes of `plane` values.
    answer: &'a [f32],
    plane: usize,
    /// The strip's place in a plane of the picture, which has `pixels` values.
    from: usize,
    pixels: usize,
}

impl Strip<'_> {
    /// Keeps the answer, and adds it to the sums of its channels.
    fn keep(&self, map: &mut [f32], sums: &mut [Sums]) {
        let place = self.from..self.from + self.plane;
        let answers = self.answer.par_chunks_exact(self.plane);
        let planes = map.par_chunks_exact_mut(self.pixels).zip(sums);
        answers.zip(planes).for_each(|(answer, (plane, sums))| {
            sums.add(answer);
            plane[place.clone()].copy_from_slice(answer);
        });
    }

    /// The answer is the correction of the logits: alpha and the foreground come of it.
    fn refine(
        &self,
        logits: &[f32],
        gain: f32,
        (alpha, foreground): &mut (&mut [f32], &mut [f32]),
    ) {
        let place = self.from..self.from + self.plane;
        let results = alpha.par_chunks_exact_mut(self.pixels);
        let results = results.chain(foreground.par_chunks_exact_mut(self.pixels));
        let logits = logits.par_chunks_exact(self.pixels);
        let answers = self.answer.par_chunks_exact(self.plane);
        answers
            .zip(logits)
            .zip(results)
            .for_each(|((answer, logits), result)| {
                let pairs = answer.iter().zip(&logits[place.clone()]);
                for (result, (delta, logit)) in result[place.clone()].iter_mut().zip(pairs) {
                    *result = sigmoid(logit + gain * delta);
                }
            });
    }
}

/// One convolution of one strip: all others are given no picture.
fn convolve(
    session: &mut Session,
    steps: &[Step],
    index: usize,
    width: usize,
    orders: &RunOptions,
    tile: &[f32],
    answer: &mut [f32],
) -> ort::Result<()> {
    let wanted = |of: usize| usize::from(of == index);
    let shapes: Vec<[i64; 4]> = steps
        .iter()
        .enumerate()
        .map(|(of, Step { layer, .. })| {
            [wanted(of), layer.channels, layer.rows(), width].map(|length| length as i64)
        })
        .collect();
    let given: Vec<Given<'_>> = steps
        .iter()
        .zip(&shapes)
        .enumerate()
        .map(|(of, (step, shape))| Given {
            name: &step.input,
            shape,
            values: &tile[..wanted(of) * tile.len()],
        })
        .collect();
    let step = &steps[index];
    let shape = [1, step.layer.answers, ROWS, width].map(|length| length as i64);
    let wanted = Wanted {
        name: &step.output,
        shape: &shape,
        values: answer,
    };
    runtime::run(session, orders, &given, &mut [wanted])
}

/// Memory for so many values, none of which is touched before it is used.
fn room(values: usize) -> ort::Result<Vec<f32>> {
    Vec::<f32>::new()
        .try_reserve_exact(values)
        .map_err(|error| ort::Error::new(format!("out of memory: {error}")))?;
    Ok(vec![0.0; values])
}

fn name(name: &str) -> Result<CString> {
    CString::new(name).map_err(|_| super::Error::Internal {
        what: "preparing the refiner",
        reason: format!("the name \"{}\" has a null in it", name.escape_default()),
    })
}
