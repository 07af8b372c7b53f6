//! The refiner, computed here: for processors, in 32 bits.
//!
//! ONNX Runtime's convolutions are near the most that a processor can multiply. So what remains is
//! to multiply less (`winograd`), and to go through memory less: between two convolutions stands
//! a normalisation by the statistics of the whole picture, and here a convolution applies the one
//! before it while it reads and takes the sums for the next one while it writes. Each is one pass.
//!
//! Two pictures of 64 channels are held, `y`, what the last convolution answered, and `x`, what the
//! residual block began with. Convolutions go through the picture in strips of `STRIP` rows, and
//! each writes its answer a step above or below what it reads, in place of rows that nobody will
//! look at again. The tiles of a strip are shared out among the threads. What a pixel becomes does
//! not depend on how many there are.

mod ends;
mod layers;
mod picture;
mod products;
#[cfg(test)]
mod tests;
mod winograd;

use std::collections::TryReserveError;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use rayon::prelude::*;

use self::ends::{ANSWERS, First, Last, Seen};
use self::layers::{Layer, Layers, Role, pixels};
use self::picture::{Change, Map, Pixel, Pixels, Rows, Sums};
use self::winograd::{Batch, TILE};
use super::graph::refiner::GAIN;
use super::tensors::DILATIONS;
use super::weights::WeightsFile;
use crate::network::crew::crew;
use crate::network::error::Result;
use crate::network::simd::Level;

/// Rows that are worked before the next begin. Fewer would need less memory, and have the threads
/// wait for each other more often.
const STRIP: usize = 64;
/// Both sides of a picture are multiples of this, so that it falls into whole tiles at every
/// dilation.
const MULTIPLE: usize = TILE * DILATIONS[DILATIONS.len() - 1];
/// Columns of a batch of tiles: what it works on stays in the processor's caches.
const BATCH: usize = 128;
/// Rows between a picture and the answer that takes its place.
const STEP: usize = STRIP + DILATIONS[DILATIONS.len() - 1];
/// Steps that `y` moves up in one residual block and down in the next.
const STEPS: usize = 2;

/// Bytes that pictures of this width take more than they have pixels: rows that they move into.
pub(super) fn spare(width: u64) -> u64 {
    let rows = STEP * (STEPS + STEPS / 2);
    width.saturating_mul((rows * size_of::<Pixel>()) as u64)
}

/// The refiner for pictures of one size.
#[derive(Debug)]
pub struct Refiner {
    width: usize,
    height: usize,
    level: Level,
    pool: rayon::ThreadPool,
    layers: Layers,
    /// For each thread.
    rooms: Vec<Mutex<Pixels>>,
    /// `x` and `y`, between two pictures.
    maps: Option<[Map; 2]>,
}

/// What a thread does at a time: a batch of tiles.
struct Task<'a> {
    answer: [&'a mut [Pixel]; TILE],
    kept: Option<[&'a mut [Pixel]; TILE]>,
    top: usize,
    left: usize,
    sums: &'a mut Sums,
}

impl Refiner {
    /// For pictures of `width` × `height`, multiples of
    /// [`MULTIPLE`](super::graph::MULTIPLE), on so many threads of its own.
    ///
    /// # Errors
    /// Those of [`WeightsFile::values`]; [`Error::Thread`](crate::network::Error::Thread);
    /// [`Error::Internal`](crate::network::Error::Internal) for another size.
    pub fn new(weights: &WeightsFile, width: usize, height: usize, threads: usize) -> Result<Self> {
        let values = |name: &str| weights.values(name);
        Self::at_level(&values, [width, height], threads, Level::best())
    }

    fn at_level(
        weights: &dyn Fn(&str) -> Result<Vec<f32>>,
        [width, height]: [usize; 2],
        threads: usize,
        level: Level,
    ) -> Result<Self> {
        let pool = crew([width, height], MULTIPLE, threads)?;
        let room = |_| Ok(Mutex::new(pixels(winograd::room(BATCH / TILE))?));
        let rooms = (0..pool.current_num_threads()).map(room);
        Ok(Self {
            width,
            height,
            level,
            layers: Layers::new(weights)?,
            rooms: rooms.collect::<Result<_>>()?,
            maps: None,
            pool,
        })
    }

    /// Fills `alpha` and `foreground`, one plane and three, from the `plate`, three planes, and the
    /// coarse `logits` of alpha and foreground, four planes, all of the refiner's size. `strength` is
    /// how much of the refinement is applied; 1 as trained.
    ///
    /// Once `stop` is true it ends soon, and what it has filled is of no use. The memory that it
    /// works in is kept for the next picture until [`Self::rest`].
    ///
    /// # Errors
    /// That there is no memory.
    ///
    /// # Panics
    /// When a slice has another length.
    pub fn run(
        &mut self,
        plate: &[f32],
        logits: &[f32],
        strength: f32,
        stop: &AtomicBool,
        alpha: &mut [f32],
        foreground: &mut [f32],
    ) -> std::result::Result<(), TryReserveError> {
        let mut maps = match self.maps.take() {
            Some(maps) => maps,
            None => {
                let map = |steps| Map::new(self.width, self.height, STEP, steps);
                [map(STEPS / 2)?, map(STEPS)?]
            }
        };
        // From here on this is done by one of the pool's threads, which need not be woken by
        // another each time that it has to go on.
        let this = &*self;
        self.pool.install(|| {
            this.work(
                plate,
                logits,
                strength,
                stop,
                &mut maps,
                [alpha, foreground],
            );
        });
        self.maps = Some(maps);
        Ok(())
    }

    fn work(
        &self,
        plate: &[f32],
        logits: &[f32],
        strength: f32,
        stop: &AtomicBool,
        [x, y]: &mut [Map; 2],
        answer: [&mut [f32]; 2],
    ) {
        let pixels = self.width * self.height;
        let mut sums = self.begin(plate, logits, stop, x, y);
        let Layers { first, others, .. } = &self.layers;
        let mut norm = &first.norm;
        x.moved(STEPS / 2);
        for layer in others {
            let change = norm.change(&sums, pixels);
            sums = self.convolve(layer, &change, stop, x, y);
            norm = &layer.filters.norm;
        }
        let change = norm.change(&sums, pixels);
        self.end(&change, logits, GAIN * strength, stop, [x, y], answer);
    }

    /// Gives back the memory that [`Self::run`] kept.
    pub fn rest(&mut self) {
        self.maps = None;
    }

    /// The first convolution: to `y`. What it sees is put where `x` will be.
    fn begin(
        &self,
        plate: &[f32],
        logits: &[f32],
        stop: &AtomicBool,
        x: &mut Map,
        y: &mut Map,
    ) -> Sums {
        let (width, pixels) = (self.width, self.width * self.height);
        let first = &self.layers.first;
        // A border of one pixel.
        let across = width + 2;
        let seen: &mut [Seen] = &mut x.lent()[..across * (self.height + 2)];
        self.pool.install(|| {
            let rows = seen.par_chunks_exact_mut(across).enumerate();
            rows.for_each(|(row, seen)| {
                seen.fill([0.0; 8]);
                if row == 0 || row > self.height {
                    return;
                }
                for (column, seen) in seen[1..=width].iter_mut().enumerate() {
                    let at = (row - 1) * width + column;
                    for (channel, value) in seen[..3].iter_mut().enumerate() {
                        *value = plate[channel * pixels + at];
                    }
                    for (channel, value) in seen[3..ends::SEEN].iter_mut().enumerate() {
                        *value = sigmoid(logits[channel * pixels + at]);
                    }
                }
            });
        });
        let seen = &*seen;
        let mut sums = vec![Sums::default(); self.height];
        let answer = y.filled(0..self.height, STEPS);
        self.pool.install(|| {
            let rows = answer.par_chunks_exact_mut(width).zip(&mut sums);
            rows.enumerate().for_each(|(row, (answer, sums))| {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                self.level.run(First {
                    filters: first.values.get(),
                    bias: &first.bias,
                    seen: [0, 1, 2].map(|more| &seen[(row + more) * across..][..across]),
                    answer,
                    sums,
                });
            });
        });
        y.moved(STEPS);
        let mut total = Sums::default();
        sums.iter().for_each(|sums| total.add(sums));
        total
    }

    /// A convolution of a residual block: from `y`, and `x` where it begins one, to `y`.
    fn convolve(
        &self,
        layer: &Layer,
        change: &Change,
        stop: &AtomicBool,
        x: &mut Map,
        y: &mut Map,
    ) -> Sums {
        let beside = |map: &Map| if layer.up { map.at() - 1 } else { map.at() + 1 };
        let y_to = beside(y);
        let x_to = match layer.role {
            Role::First | Role::Begins => beside(x),
            Role::Ends => x.at(),
        };
        let mut total = Sums::default();
        let strips = self.height.div_ceil(STRIP);
        for index in 0..strips {
            // What goes up begins with the uppermost rows, whose place nobody else is in.
            let index = if layer.up { index } else { strips - 1 - index };
            let strip = index * STRIP..((index + 1) * STRIP).min(self.height);
            let (given, answer) = y.replaced(strip.clone(), layer.dilation, y_to);
            let (shortcut, kept) = match layer.role {
                Role::First => (None, Some(x.filled(strip.clone(), x_to))),
                Role::Begins => {
                    let (rows, kept) = x.replaced(strip.clone(), layer.dilation, x_to);
                    (Some(rows), Some(kept))
                }
                Role::Ends => (None, None),
            };
            let mut sums = vec![Sums::default(); STRIP / TILE * self.width.div_ceil(BATCH)];
            let tasks = tasks(strip, self.width, layer.dilation, answer, kept, &mut sums);
            self.share_out(tasks, layer, (given, shortcut), change, stop);
            sums.iter().for_each(|sums| total.add(sums));
        }
        y.moved(y_to);
        x.moved(x_to);
        total
    }

    /// Works a strip with all threads.
    fn share_out(
        &self,
        tasks: Vec<Task<'_>>,
        layer: &Layer,
        (given, shortcut): (Rows<'_>, Option<Rows<'_>>),
        change: &Change,
        stop: &AtomicBool,
    ) {
        let tasks = Mutex::new(tasks.into_iter());
        self.pool.broadcast(|thread| {
            let mut room = self.rooms[thread.index()].lock();
            while !stop.load(Ordering::Relaxed) {
                let next = tasks.lock().next();
                let Some(task) = next else { break };
                self.level.run(Batch {
                    filters: layer.filters.values.get(),
                    bias: &layer.filters.bias,
                    dilation: layer.dilation,
                    given,
                    change,
                    shortcut,
                    kept: task.kept,
                    answer: task.answer,
                    top: task.top,
                    left: task.left,
                    sums: task.sums,
                    room: room.get_mut(),
                });
            }
        });
    }

    /// The last convolution, and what becomes of the logits.
    fn end(
        &self,
        change: &Change,
        logits: &[f32],
        gain: f32,
        stop: &AtomicBool,
        [x, y]: [&Map; 2],
        [alpha, foreground]: [&mut [f32]; 2],
    ) {
        let (width, pixels) = (self.width, self.width * self.height);
        let (red, others) = foreground.split_at_mut(pixels);
        let (green, blue) = others.split_at_mut(pixels);
        let [alpha, red, green, blue] =
            [alpha, red, green, blue].map(|plane| plane.par_chunks_exact_mut(width));
        let (x, y, (weights, bias)) = (x.rows(), y.rows(), &self.layers.last);
        self.pool.install(|| {
            let rows = alpha.zip(red).zip(green.zip(blue)).enumerate();
            rows.for_each_init(
                || vec![[0.0; ANSWERS]; width],
                |answer, (row, ((alpha, red), (green, blue)))| {
                    let (Some(given), Some(shortcut)) = (y.row(row), x.row(row)) else {
                        return;
                    };
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    self.level.run(Last {
                        weights,
                        bias,
                        given,
                        change,
                        shortcut,
                        answer,
                    });
                    for (channel, plane) in [alpha, red, green, blue].into_iter().enumerate() {
                        let logits = &logits[channel * pixels + row * width..];
                        for ((value, delta), logit) in plane.iter_mut().zip(&*answer).zip(logits) {
                            *value = sigmoid(logit + gain * delta[channel]);
                        }
                    }
                },
            );
        });
    }
}

/// The batches of a strip, from left to right and from top to bottom; an answer for each in `sums`.
fn tasks<'a>(
    strip: Range<usize>,
    width: usize,
    dilation: usize,
    answer: &'a mut [Pixel],
    mut kept: Option<&'a mut [Pixel]>,
    sums: &'a mut [Sums],
) -> Vec<Task<'a>> {
    let batches = |pixels: &'a mut [Pixel]| -> Vec<_> {
        let rows = pixels.chunks_mut(width);
        rows.map(|row| row.chunks_mut(BATCH)).collect()
    };
    let mut answer = batches(answer);
    let mut kept = kept.take().map(batches);
    let mut sums = sums.iter_mut();
    let mut tasks = Vec::new();
    // Rows that are worked together are as far from each other as the pixels of a filter.
    let tops = (0..strip.len()).filter(|row| (row / dilation).is_multiple_of(TILE));
    for top in tops {
        for left in (0..width).step_by(BATCH) {
            let task = four(&mut answer, top, dilation).zip(sums.next());
            tasks.extend(task.map(|(answer, sums)| Task {
                answer,
                kept: kept.as_mut().and_then(|kept| four(kept, top, dilation)),
                top: strip.start + top,
                left,
                sums,
            }));
        }
    }
    tasks
}

/// The next batch of each of four rows.
fn four<T>(rows: &mut [impl Iterator<Item = T>], top: usize, dilation: usize) -> Option<[T; TILE]> {
    let mut next = |row: usize| rows.get_mut(top + row * dilation)?.next();
    Some([next(0)?, next(1)?, next(2)?, next(3)?])
}

fn sigmoid(value: f32) -> f32 {
    1.0 / (1.0 + (-value).exp())
}
