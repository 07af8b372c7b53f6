//! What happens to the plate's light, pixel by pixel: the equation that the network is built around.
//!
//! A plate is `C = alpha * (F + s * B) + (1 - alpha) * B` in linear light, with the screen's colour
//! `B` and the share `s` of it that lies on the foreground `F` as spill.

use super::direct::between;
use super::map::Rows;
use crate::network::simd::{Simd, Work};

/// What was subtracted from the encoded plate, and what it was divided by.
pub(super) const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
/// See [`MEAN`].
pub(super) const STD: [f32; 3] = [0.229, 0.224, 0.225];
/// Pixels of the plate along each side for one of the screen's colour.
pub(super) const SCALE: usize = 8;
/// Alpha below this counts as this much where something is divided by it.
const FAINT: f32 = 0.05;

// The network's sRGB curve: `ROOT`, `SLOPE` and the others of `keytrain/colour.py`.
const ROOT: f64 = 1.24788;
const SLOPE: f64 = 0.227633;
const LIFT: f64 = 0.0003;
const SHIFT: f64 = -0.027018;
const CENTRE: f64 = ROOT / (2.0 * SLOPE);
const INNER: f64 = CENTRE * CENTRE + LIFT + SHIFT / SLOPE;

/// Encoded to linear.
#[inline(always)]
pub(super) fn linear(encoded: f32) -> f32 {
    let root = CENTRE as f32 - (INNER as f32 - encoded / SLOPE as f32).sqrt();
    root * root - LIFT as f32
}

/// Linear to encoded.
#[inline(always)]
fn encoded(linear: f32) -> f32 {
    let root = (clamp(linear, -1e-4, 2.0) + LIFT as f32).sqrt();
    root * (ROOT as f32 - SLOPE as f32 * root) + (SLOPE * LIFT + SHIFT) as f32
}

/// Unlike the library's it is only two instructions, and what is no number stays none.
#[inline(always)]
pub(super) fn clamp(value: f32, low: f32, high: f32) -> f32 {
    let value = if value < low { low } else { value };
    if value > high { high } else { value }
}

/// 0 to 1 around 0.
#[inline(always)]
pub(super) fn sigmoid(value: f32) -> f32 {
    1.0 / (1.0 + (-value).exp())
}

/// The network's input, plane by plane: the normalised plate, and the hint.
#[derive(Clone, Copy)]
pub(super) struct Input<'a> {
    pub(super) planes: &'a [f32],
    pub(super) width: usize,
    pub(super) height: usize,
}

impl<'a> Input<'a> {
    /// A row of each plane.
    #[inline(always)]
    pub(super) fn row(&self, row: usize) -> [&'a [f32]; 4] {
        [0, 1, 2, 3]
            .map(|plane| &self.planes[(plane * self.height + row) * self.width..][..self.width])
    }
}

/// Three planes of the screen at an eighth of the size.
#[derive(Clone, Copy)]
pub(super) struct Small<'a> {
    pub(super) planes: &'a [f32],
    pub(super) width: usize,
    pub(super) height: usize,
}

impl Small<'_> {
    /// A row of each plane of the full size. The room is for a small one.
    #[inline(always)]
    fn row(&self, row: usize, planes: [&mut [f32]; 3], room: &mut [f32]) {
        let (above, below, share) = between(row, SCALE, self.height);
        for (plane, answer) in planes.into_iter().enumerate() {
            let small = &self.planes[plane * self.width * self.height..];
            let [above, below] = [above, below].map(|row| &small[row * self.width..][..self.width]);
            let room = &mut room[..self.width];
            for ((to, above), below) in room.iter_mut().zip(above).zip(below) {
                *to = above + (below - above) * share;
            }
            let (first, others) = answer.split_at_mut(SCALE / 2);
            first.fill(room[0]);
            let (middles, last) = others.as_chunks_mut::<SCALE>();
            for (to, pair) in middles.iter_mut().zip(room.windows(2)) {
                let more = pair[1] - pair[0];
                for (index, to) in to.iter_mut().enumerate() {
                    *to = pair[0] + more * ((2 * index + 1) as f32 / (2 * SCALE) as f32);
                }
            }
            last.fill(room[self.width - 1]);
        }
    }
}

/// Cuts room for so many numbers off.
#[inline(always)]
pub(super) fn cut<'a>(room: &mut &'a mut [f32], numbers: usize) -> &'a mut [f32] {
    let (cut, rest) = std::mem::take(room).split_at_mut(numbers);
    *room = rest;
    cut
}

/// Room for three rows and a small one.
#[inline(always)]
fn rows<'a>(room: &mut &'a mut [f32], width: usize) -> ([&'a mut [f32]; 3], &'a mut [f32]) {
    let planes = [cut(room, width), cut(room, width), cut(room, width)];
    (planes, cut(room, width / SCALE))
}

/// Numbers of room that each of the following needs for pictures of this width, its rows aside.
pub(super) fn room(width: usize) -> usize {
    12 * width
}

/// Rows of several numbers a pixel, from `first` on, each with a pixel of 0 before and one behind.
/// Those beyond the picture are 0.
#[inline(always)]
fn each_row(
    answer: &mut [f32],
    numbers: usize,
    (width, height): (usize, usize),
    first: usize,
    mut work: impl FnMut(usize, &mut [f32]),
) {
    let stride = (width + 2) * numbers;
    for (index, answer) in answer.chunks_exact_mut(stride).enumerate() {
        // What is above the picture wraps around.
        let row = first.wrapping_add(index);
        if row >= height {
            answer.fill(0.0);
            continue;
        }
        answer[..numbers].fill(0.0);
        answer[stride - numbers..].fill(0.0);
        work(row, &mut answer[numbers..stride - numbers]);
    }
}

/// The plate, the hint, and how much greener or bluer than its other colours a pixel is: six
/// numbers a pixel.
pub(super) struct Plates<'a, 'b> {
    pub(super) input: Input<'a>,
    pub(super) first: usize,
    pub(super) answer: &'b mut [f32],
}

impl Work for Plates<'_, '_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let size = (self.input.width, self.input.height);
        each_row(self.answer, 6, size, self.first, |row, answer| {
            let [red, green, blue, hint] = self.input.row(row);
            for (x, to) in answer.as_chunks_mut::<6>().0.iter_mut().enumerate() {
                let [r, g, b] = [
                    red[x] * STD[0] + MEAN[0],
                    green[x] * STD[1] + MEAN[1],
                    blue[x] * STD[2] + MEAN[2],
                ];
                *to = [
                    red[x],
                    green[x],
                    blue[x],
                    hint[x],
                    (g - r.max(b)) * 4.0,
                    (b - r.max(g)) * 4.0,
                ];
            }
        });
    }
}

/// The plate, the hint and a projection matte, how far along the line from black to the screen's
/// colour a pixel is: five numbers a pixel.
pub(super) struct Keys<'a, 'b> {
    pub(super) input: Input<'a>,
    /// The direction in which the screen's chroma is measured.
    pub(super) axis: Small<'a>,
    pub(super) first: usize,
    pub(super) answer: &'b mut [f32],
    pub(super) room: &'b mut [f32],
}

impl Work for Keys<'_, '_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let width = self.input.width;
        let mut room = self.room;
        let (mut axis, small) = rows(&mut room, width);
        let key = cut(&mut room, width);
        let size = (width, self.input.height);
        each_row(self.answer, 5, size, self.first, |row, answer| {
            let [red, green, blue, hint] = self.input.row(row);
            self.axis
                .row(row, axis.each_mut().map(|plane| &mut **plane), small);
            let [a, b, c] = axis.each_ref().map(|plane| &plane[..width]);
            for (x, key) in key[..width].iter_mut().enumerate() {
                let [r, g, b_] = [
                    linear(red[x] * STD[0] + MEAN[0]),
                    linear(green[x] * STD[1] + MEAN[1]),
                    linear(blue[x] * STD[2] + MEAN[2]),
                ];
                *key = clamp(1.0 - (r * a[x] + g * b[x] + b_ * c[x]), 0.0, 1.0);
            }
            for (x, to) in answer.as_chunks_mut::<5>().0.iter_mut().enumerate() {
                *to = [red[x], green[x], blue[x], hint[x], key[x]];
            }
        });
    }
}

/// The foreground that the equation gives without spill, as a root, the plate, and alpha: seven
/// numbers a pixel.
pub(super) struct Solved<'a, 'b> {
    pub(super) input: Input<'a>,
    /// The screen's colour, linear.
    pub(super) light: Small<'a>,
    /// A plane.
    pub(super) alpha: &'a [f32],
    pub(super) first: usize,
    pub(super) answer: &'b mut [f32],
    pub(super) room: &'b mut [f32],
}

impl Work for Solved<'_, '_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let width = self.input.width;
        let mut room = self.room;
        let (mut solved, small) = rows(&mut room, width);
        let size = (width, self.input.height);
        each_row(self.answer, 7, size, self.first, |row, answer| {
            let planes = self.input.row(row);
            let alpha = &self.alpha[row * width..][..width];
            self.light
                .row(row, solved.each_mut().map(|plane| &mut **plane), small);
            for (channel, solved) in solved.iter_mut().enumerate() {
                let plate = planes[channel];
                for (x, solved) in solved[..width].iter_mut().enumerate() {
                    let over = over(plate[x], alpha[x], *solved, channel);
                    *solved = (clamp(over, 0.0, 4.0) + 1e-4).sqrt();
                }
            }
            let [red, green, blue, _] = planes;
            let [a, b, c] = solved.each_ref().map(|plane| &plane[..width]);
            for (x, to) in answer.as_chunks_mut::<7>().0.iter_mut().enumerate() {
                *to = [a[x], b[x], c[x], red[x], green[x], blue[x], alpha[x]];
            }
        });
    }
}

/// The foreground with its spill, linear, of a normalised plate over a screen.
#[inline(always)]
fn over(plate: f32, alpha: f32, screen: f32, channel: usize) -> f32 {
    let light = linear(plate * STD[channel] + MEAN[channel]);
    let held = if alpha < FAINT { FAINT } else { alpha };
    (light - (1.0 - alpha) * screen) / held
}

/// Alpha, two rows for each of the logits'; these hold the four pixels of a square.
pub(super) struct Mattes<'a, 'b> {
    pub(super) logits: Rows<'a>,
    pub(super) row: usize,
    pub(super) alpha: &'b mut [f32],
}

impl Work for Mattes<'_, '_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let channels = self.logits.channels;
        let logits = &self.logits.row(self.row)[channels..];
        let (above, below) = self.alpha.split_at_mut(2 * self.logits.width);
        for (x, logits) in logits
            .chunks_exact(channels)
            .take(self.logits.width)
            .enumerate()
        {
            for (to, pair) in [(&mut *above, &logits[..2]), (&mut *below, &logits[2..4])] {
                for (to, logit) in to[2 * x..].iter_mut().zip(pair) {
                    *to = clamp(sigmoid(*logit) * 1.04 - 0.02, 0.0, 1.0);
                }
            }
        }
    }
}

/// The foreground, encoded: two rows.
pub(super) struct Foregrounds<'a, 'b> {
    pub(super) input: Input<'a>,
    pub(super) light: Small<'a>,
    /// Two rows.
    pub(super) alpha: &'a [f32],
    /// For each square of four pixels a correction of each in each colour, then the spill's share
    /// and how much of the solved foreground there is, as logits.
    pub(super) paint: Rows<'a>,
    pub(super) row: usize,
    pub(super) foreground: [&'b mut [f32]; 3],
    pub(super) room: &'b mut [f32],
}

/// Subtracted from the last two of the logits.
const SHARES: [f32; 2] = [3.0, -2.0];

impl Work for Foregrounds<'_, '_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let width = self.input.width;
        let half = width / 2;
        let mut room = self.room;
        let (mut screen, small) = rows(&mut room, width);
        let correction = cut(&mut room, width);
        let shares = [cut(&mut room, width), cut(&mut room, width)];
        let blended = [cut(&mut room, half), cut(&mut room, half)];
        let channels = self.paint.channels;
        let pixels = |row: usize| {
            self.paint.row(row)[channels..]
                .chunks_exact(channels)
                .take(half)
        };
        for y in 0..2 {
            let row = 2 * self.row + y;
            let planes = self.input.row(row);
            self.light
                .row(row, screen.each_mut().map(|plane| &mut **plane), small);
            let (above, below, share) = between(row, 2, self.paint.height);
            for (x, (above, below)) in pixels(above).zip(pixels(below)).enumerate() {
                for index in 0..2 {
                    let [above, below] =
                        [above, below].map(|said| sigmoid(said[12 + index] - SHARES[index]));
                    blended[index][x] = above + (below - above) * share;
                }
            }
            for index in 0..2 {
                let (from, to) = (&*blended[index], &mut *shares[index]);
                for (x, to) in to.as_chunks_mut::<2>().0.iter_mut().enumerate() {
                    let [left, right] = [x.saturating_sub(1), (x + 1).min(half - 1)];
                    let (left, middle, right) = (from[left], from[x], from[right]);
                    *to = [
                        left + (middle - left) * 0.75,
                        middle + (right - middle) * 0.25,
                    ];
                }
            }
            let alpha = &self.alpha[y * width..][..width];
            let [spill, gate] = shares.each_ref().map(|share| &share[..width]);
            for channel in 0..3 {
                for (to, said) in correction
                    .as_chunks_mut::<2>()
                    .0
                    .iter_mut()
                    .zip(pixels(self.row))
                {
                    *to = [said[4 * channel + 2 * y], said[4 * channel + 2 * y + 1]];
                }
                let (plate, screen) = (planes[channel], &screen[channel][..width]);
                let correction = &correction[..width];
                let answer = &mut self.foreground[channel][y * width..][..width];
                for (x, answer) in answer.iter_mut().enumerate() {
                    let over = over(plate[x], alpha[x], screen[x], channel);
                    let clean = encoded(over - spill[x] * screen[x]);
                    let plate = plate[x] * STD[channel] + MEAN[channel];
                    let value = plate + gate[x] * (clean - plate) + correction[x] * 0.25;
                    *answer = clamp(value, 0.0, 1.0);
                }
            }
        }
    }
}
