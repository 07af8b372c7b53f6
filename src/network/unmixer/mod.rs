//! The shipped model's network, computed here: for processors, in 32 bits.
//!
//! ONNX Runtime's convolutions are near the most that a processor can multiply. So what remains is
//! to multiply less (`winograd`), and to go through memory less: here a
//! convolution adds its shortcut and clips as it writes, and the many small steps between the last
//! convolutions are taken row by row. `models/train/keytrain/network.py` says what all of it means;
//! the names are the same.
//!
//! Everything down to an eighth of the size is worked for the whole frame. The heads, whose pictures
//! are large, are worked in bands of rows one after the other, with as many rows more as their
//! convolutions see. Bands and tiles depend on the frame's size alone, and so does what a pixel
//! becomes: not on how many threads there are.

mod direct;
mod joins;
mod layers;
mod light;
mod map;
mod maps;
mod matrix;
mod screen;
mod square;
#[cfg(test)]
mod tests;

use std::collections::TryReserveError;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use rayon::prelude::*;

use self::direct::{Convolve, Direct, Enlarge, Settled};
use self::joins::{Hue, Merged, Mixed, Painted, Strided};
use self::layers::{HEAD, Merge, PAINT, Residual, Token, WIDTHS};
pub use self::layers::{Layers, Refusal};
use self::light::{Foregrounds, Input, Keys, Mattes, Plates, SCALE, Small, Solved, cut};
use self::map::{Map, Part, Rows};
use self::maps::Maps;
pub use self::maps::bytes;
use self::screen::Screen;
use self::square::{Square, Squares};
use crate::network::aligned::Numbers;
use crate::network::crew::crew;
use crate::network::error::Result;

/// Both sides of a picture are multiples of this.
pub const MULTIPLE: usize = 32;
/// Rows at half the size of a band.
const BAND: usize = 128;
/// Rows at half the size that the heads see beyond those that they answer for.
const REACH: usize = 5;
/// Rows that a task has where each is long.
const ROWS: usize = 8;

/// The network for pictures of one size.
#[derive(Debug)]
pub struct Unmixer {
    width: usize,
    height: usize,
    pool: rayon::ThreadPool,
    layers: Layers,
    /// Between two pictures.
    desk: Option<Box<Desk>>,
}

/// What it works in.
#[derive(Debug)]
struct Desk {
    maps: Maps,
    /// For each thread.
    rooms: Vec<Mutex<Numbers>>,
}

impl Unmixer {
    /// For pictures of `width` × `height`, multiples of [`MULTIPLE`], on so many threads of its own.
    ///
    /// # Errors
    /// [`Error::Thread`](crate::network::Error::Thread);
    /// [`Error::Internal`](crate::network::Error::Internal) for another size.
    pub fn new(layers: Layers, width: usize, height: usize, threads: usize) -> Result<Self> {
        let pool = crew([width, height], MULTIPLE, threads)?;
        Ok(Self {
            width,
            height,
            layers,
            desk: None,
            pool,
        })
    }

    /// Fills `alpha` and `foreground`, one plane and three, from `input`: the normalised plate,
    /// three planes, and the hint, all of the network's size.
    ///
    /// Once `stop` is true it ends soon, and what it has filled is of no use. The memory that it
    /// works in is kept for the next picture.
    ///
    /// # Errors
    /// That there is no memory.
    ///
    /// # Panics
    /// When a slice has another length.
    pub fn run(
        &mut self,
        input: &[f32],
        stop: &AtomicBool,
        alpha: &mut [f32],
        foreground: &mut [f32],
    ) -> std::result::Result<(), TryReserveError> {
        let mut desk = match self.desk.take() {
            Some(desk) => desk,
            None => Box::new(self.desk()?),
        };
        let Desk { maps, rooms } = &mut *desk;
        let frame = Frame {
            layers: &self.layers,
            rooms,
            input: Input {
                planes: input,
                width: self.width,
                height: self.height,
            },
            stop,
        };
        self.pool.install(|| {
            frame.encode(maps);
            let screen = frame.survey(maps);
            frame.finish(maps, &screen, alpha, foreground);
        });
        self.desk = Some(desk);
        Ok(())
    }

    fn desk(&self) -> std::result::Result<Desk, TryReserveError> {
        let numbers = self.layers.room().max(room(self.width));
        let room = |_| Numbers::new(numbers).map(Mutex::new);
        let rooms = (0..self.pool.current_num_threads()).map(room);
        Ok(Desk {
            maps: Maps::new(self.width, self.height)?,
            rooms: rooms.collect::<std::result::Result<_, _>>()?,
        })
    }
}

/// Numbers of room that a thread needs beside that of the 3 × 3 convolutions.
fn room(width: usize) -> usize {
    let long = (2 * ROWS + 2) * (width + 2) * 7 + light::room(width);
    let head = 2 * (width / 2 + 2) * HEAD;
    let settled =
        (1..4).map(|level| Settled::room(rows_of(level), width >> (level + 1), WIDTHS[level]));
    settled.fold(long + head, usize::max)
}

/// Rows of a task at this level, the first of which has half of the size.
fn rows_of(level: usize) -> usize {
    (ROWS >> level).max(2)
}

/// What is done to a piece of many: its index or its first row, the numbers to fill, and room to work
/// in. It is not a type parameter, since sharing out work is a lot of code for each.
type Piecework<'a> = dyn Fn(usize, &mut [f32], &mut [f32]) + Sync + 'a;

/// One frame's work.
struct Frame<'a> {
    layers: &'a Layers,
    rooms: &'a [Mutex<Numbers>],
    input: Input<'a>,
    stop: &'a AtomicBool,
}

impl Frame<'_> {
    /// Has all threads fill rows, so many at a time. `work` is told the first of them, has the rows to
    /// fill, each with the pixel before and the one behind, and room to work in.
    fn each(&self, part: Part<'_>, rows: usize, work: &Piecework<'_>) {
        let first = part.first;
        self.pieces(part.numbers, rows * part.stride, &|index, answer, room| {
            work(first + index * rows, answer, room);
        });
    }

    /// Has all threads fill pieces of so many numbers.
    fn pieces(&self, numbers: &mut [f32], each: usize, work: &Piecework<'_>) {
        let pieces = numbers.par_chunks_mut(each).enumerate();
        pieces.for_each(|(index, answer)| self.in_room(|room| work(index, answer, room)));
    }

    /// Works in the thread's room unless nobody wants the answer any more.
    fn in_room(&self, work: impl FnOnce(&mut [f32])) {
        if self.stop.load(Ordering::Relaxed) {
            return;
        }
        if let Some(room) = rayon::current_thread_index().and_then(|index| self.rooms.get(index)) {
            work(room.lock().get_mut());
        }
    }

    fn square(&self, layer: &Square, given: Rows<'_>, answer: Part<'_>, add: bool, clip: bool) {
        self.each(answer, layer.rows(given.width), &|first, answer, room| {
            self.layers.level.run(Squares {
                layer,
                given,
                first,
                answer,
                add,
                clip,
                room,
            });
        });
    }

    /// In place.
    fn residual(&self, block: &Residual, map: &mut Map, between: &mut Map) {
        self.square(&block.first, map.rows(), between.all(), false, true);
        self.square(&block.second, between.rows(), map.all(), true, true);
    }

    fn direct(&self, layer: &Direct, given: Rows<'_>, answer: Part<'_>, rows: usize, clip: bool) {
        self.each(answer, rows, &|first, answer, _| {
            Convolve {
                layer,
                given,
                first,
                answer,
                clip,
            }
            .work();
        });
    }

    /// Joins a level with the next coarser one, in place.
    fn merge(
        &self,
        layer: &Merge,
        coarse: &Map,
        narrow: &mut Map,
        fine: &mut Map,
        between: &mut Map,
    ) {
        self.direct(&layer.narrow, coarse.rows(), narrow.all(), 2, false);
        let coarse = Enlarge {
            given: narrow.rows(),
            factor: 2,
        };
        self.each(fine.all(), 4, &|first, fine, room| {
            Merged {
                coarse,
                skip: &layer.skip,
                first,
                fine,
                room,
            }
            .work();
        });
        self.residual(&layer.refine, fine, between);
    }

    /// Features at 1/2, 1/4 and 1/8 of the plate and hint, and the plate at 1/8.
    fn encode(&self, maps: &mut Maps) {
        let layers = &self.layers;
        let level = layers.level;
        let height = maps.fine.height();
        for band in bands(height) {
            maps.stem.hold(wider(&band, 1, height));
            self.each(maps.stem.all(), ROWS, &|first, answer, room| {
                let rows = answer.len() / ((self.input.width / 2 + 2) * WIDTHS[0]);
                let seen = &mut room[..(2 * rows + 2) * (self.input.width + 2) * 6];
                level.run(Plates {
                    input: self.input,
                    first: (2 * first).wrapping_sub(1),
                    answer: seen,
                });
                Strided {
                    layer: &layers.stem,
                    seen,
                    width: self.input.width,
                    answer,
                }
                .work();
            });
            let fine = maps.fine.part(band);
            self.square(&layers.level1, maps.stem.rows(), fine, false, true);
        }
        let [x2, x3, _, _] = &mut maps.levels;
        let [between2, between3, _, _] = &mut maps.between;
        self.direct(&layers.down2, maps.fine.rows(), x2.all(), 4, true);
        self.residual(&layers.level2, x2, between2);
        self.deeper(0, x2, x3, between3);
        let (width, height) = (self.input.width / SCALE, self.input.height / SCALE);
        self.pieces(&mut maps.thumbnail, width, &|index, answer, _| {
            screen::thumbnail(self.input, index / height, index % height, answer);
        });
    }

    /// From one level to the next.
    fn deeper(&self, index: usize, fine: &Map, coarse: &mut Map, between: &mut Map) {
        let layer = &self.layers.deeper[index];
        self.each(coarse.all(), rows_of(index + 1), &|first, answer, room| {
            self.layers.level.run(Settled {
                settle: &layer.settle,
                layer: &layer.down,
                given: fine.rows(),
                first,
                answer,
                room,
            });
        });
        for block in &layer.blocks {
            self.residual(block, coarse, between);
        }
    }

    /// What the whole frame says about each place: at 1/8 the screen's colour, and features in place
    /// of those that there were.
    fn survey(&self, maps: &mut Maps) -> Screen {
        let layers = &self.layers;
        let [_, x3, x4, x5] = &mut maps.levels;
        let [_, between3, between4, between5] = &mut maps.between;
        let [narrow4, narrow3, _] = &mut maps.narrow;
        self.deeper(1, x3, x4, between4);
        self.deeper(2, x4, x5, between5);
        self.token(&layers.token, x5, between5);
        let [merge4, merge3, _] = &layers.merges;
        self.merge(merge4, x5, narrow4, x4, between4);
        self.merge(merge3, x4, narrow3, x3, between3);
        self.square(&layers.judge, x3.rows(), maps.said.all(), false, false);
        Screen::measure(&maps.thumbnail, maps.said.rows())
    }

    /// Adds a vector of the whole frame to each pixel.
    fn token(&self, token: &Token, map: &mut Map, attention: &mut Map) {
        self.direct(&token.attend, map.rows(), attention.all(), 1, false);
        let channels = map.channels();
        let (mut sums, mut weights) = (vec![0.0_f64; channels], vec![0.0_f64; channels]);
        for row in 0..map.height() {
            let pixels = channels..(map.width() + 1) * channels;
            let (values, attention) = (map.rows().row(row), attention.rows().row(row));
            let pixels = values[pixels.clone()]
                .chunks_exact(channels)
                .zip(attention[pixels].chunks_exact(channels));
            for (values, attention) in pixels {
                for channel in 0..channels {
                    let weight = f64::from(light::sigmoid(attention[channel]));
                    weights[channel] += weight;
                    sums[channel] += weight * f64::from(values[channel]);
                }
            }
        }
        let pixels = (map.width() * map.height()) as f64;
        let means = sums.iter().zip(&weights);
        let token_: Vec<f32> = means
            .map(|(sum, weight)| ((sum / pixels) / (weight / pixels + 1e-3)) as f32)
            .collect();
        let rows = token.spread.chunks_exact(channels).zip(&token.bias);
        let spread: Vec<f32> = rows
            .map(|(weights, bias)| {
                let products = weights.iter().zip(&token_);
                products.map(|(weight, value)| weight * value).sum::<f32>() + bias
            })
            .collect();
        let Part {
            stride, numbers, ..
        } = map.all();
        for row in numbers.chunks_exact_mut(stride) {
            for pixel in row[channels..stride - channels].chunks_exact_mut(channels) {
                pixel
                    .iter_mut()
                    .zip(&spread)
                    .for_each(|(value, more)| *value += more);
            }
        }
    }

    /// The heads.
    fn finish(&self, maps: &mut Maps, screen: &Screen, alpha: &mut [f32], foreground: &mut [f32]) {
        let layers = &self.layers;
        let [x2, x3, _, _] = &mut maps.levels;
        let [_, _, narrow2] = &mut maps.narrow;
        self.merge(&layers.merges[2], x3, narrow2, x2, &mut maps.between[0]);
        self.direct(&layers.matte_deep, x2.rows(), maps.deep.all(), 4, false);
        let (width, height) = (maps.hue.width(), maps.hue.height());
        let small = |planes| Small {
            planes,
            width,
            height,
        };
        self.each(maps.hue.all(), ROWS, &|first, answer, room| {
            Hue {
                layer: &layers.matte_screen,
                colour: small(&screen.colour),
                first,
                answer,
                room,
            }
            .work();
        });
        let height = maps.fine.height();
        for band in bands(height) {
            self.matte(maps, small(&screen.axis), &band, alpha);
            self.paint(maps, small(&screen.light), &band, alpha, foreground);
        }
    }

    /// Alpha for a band, and for as many rows more as its foreground depends on.
    fn matte(&self, maps: &mut Maps, axis: Small<'_>, band: &Range<usize>, alpha: &mut [f32]) {
        let layers = &self.layers;
        let level = layers.level;
        let height = maps.fine.height();
        let Maps {
            fine,
            deep,
            hue,
            mixed,
            feature,
            logits,
            ..
        } = maps;
        mixed.hold(wider(band, REACH, height));
        self.each(mixed.all(), ROWS, &|first, answer, mut room| {
            let rows = answer.len() / ((self.input.width / 2 + 2) * HEAD);
            let seen = cut(&mut room, (2 * rows + 2) * (self.input.width + 2) * 5);
            level.run(Keys {
                input: self.input,
                axis,
                first: (2 * first).wrapping_sub(1),
                answer: seen,
                room,
            });
            Mixed {
                deep: Enlarge {
                    given: deep.rows(),
                    factor: 2,
                },
                hue: Enlarge {
                    given: hue.rows(),
                    factor: 4,
                },
                fine: (&layers.matte_fine, fine.rows()),
                full: (&layers.matte_full, seen),
                first,
                answer,
                room,
            }
            .work();
        });
        feature.hold(wider(band, 4, height));
        self.square(&layers.matte_mix, mixed.rows(), feature.all(), false, true);
        logits.hold(wider(band, 3, height));
        self.square(&layers.matte, feature.rows(), logits.all(), false, false);
        let logits = logits.rows();
        let rows = wider(band, 3, height);
        let pair = 2 * self.input.width;
        let alpha = &mut alpha[rows.start * pair..rows.end * pair];
        self.pieces(alpha, pair, &|index, alpha, _| {
            level.run(Mattes {
                logits,
                row: rows.start + index,
                alpha,
            });
        });
    }

    /// The foreground of a band.
    fn paint(
        &self,
        maps: &mut Maps,
        light: Small<'_>,
        band: &Range<usize>,
        alpha: &[f32],
        foreground: &mut [f32],
    ) {
        let layers = &self.layers;
        let level = layers.level;
        let height = maps.fine.height();
        let Maps {
            feature,
            painted,
            paint,
            ..
        } = maps;
        painted.hold(wider(band, 2, height));
        self.each(painted.all(), ROWS, &|first, answer, mut room| {
            let rows = answer.len() / ((self.input.width / 2 + 2) * PAINT);
            let seen = cut(&mut room, (2 * rows + 2) * (self.input.width + 2) * 7);
            level.run(Solved {
                input: self.input,
                light,
                alpha,
                first: (2 * first).wrapping_sub(1),
                answer: seen,
                room,
            });
            Painted {
                deep: (&layers.paint_deep, feature.rows()),
                full: (&layers.paint_full, seen),
                first,
                answer,
            }
            .work();
        });
        paint.hold(wider(band, 1, height));
        self.square(&layers.paint, painted.rows(), paint.all(), false, false);
        let paint = paint.rows();
        let pixels = self.input.width * self.input.height;
        let (red, others) = foreground.split_at_mut(pixels);
        let (green, blue) = others.split_at_mut(pixels);
        let pair = 2 * self.input.width;
        let [red, green, blue] = [red, green, blue]
            .map(|plane| plane[band.start * pair..band.end * pair].par_chunks_exact_mut(pair));
        let tasks = red.zip(green).zip(blue).enumerate();
        tasks.for_each(|(index, ((red, green), blue))| {
            let row = band.start + index;
            self.in_room(|room| {
                level.run(Foregrounds {
                    input: self.input,
                    light,
                    alpha: &alpha[row * pair..][..pair],
                    paint,
                    row,
                    foreground: [red, green, blue],
                    room,
                });
            });
        });
    }
}

/// A picture's rows, in bands of about the same height.
fn bands(height: usize) -> impl Iterator<Item = Range<usize>> {
    let count = height.div_ceil(BAND);
    (0..count).map(move |index| index * height / count..(index + 1) * height / count)
}

/// So many rows more above and below, as far as there are any.
fn wider(rows: &Range<usize>, more: usize, height: usize) -> Range<usize> {
    rows.start.saturating_sub(more)..(rows.end + more).min(height)
}
