//! Sums of products that stay in registers until they are complete.

use std::collections::TryReserveError;

use super::map::{block, block_mut};
use crate::network::aligned::Numbers;
use crate::network::simd::{LANES, Level, Simd, Work};

/// Weights of terms, each a run of numbers, for a multiple of sixteen answers.
///
/// They lie in the order in which they are needed: sixteen answers, or as many as registers hold
/// the sums of, then the next ones.
#[derive(Debug)]
pub(super) struct Matrix {
    level: Level,
    numbers: Numbers,
    terms: usize,
    run: usize,
    /// Blocks of sixteen answers that are worked together.
    groups: Vec<usize>,
}

/// What sums begin with.
#[derive(Clone, Copy)]
pub(super) enum Start<'a> {
    /// Nothing.
    Zero,
    /// One number for each answer.
    Bias(&'a [f32]),
    /// What is there already, and nothing below 0 is left of the sum.
    Sum,
}

/// Blocks of a group at most, where registers hold the sums of several.
const WIDEST: usize = 4;

impl Matrix {
    /// Weights for a processor of this level. `weight` tells that of a number of a term's run for an
    /// answer.
    ///
    /// # Errors
    /// That there is no memory.
    pub(super) fn new(
        level: Level,
        terms: usize,
        run: usize,
        answers: usize,
        weight: impl Fn(usize, usize, usize) -> f32,
    ) -> Result<Self, TryReserveError> {
        let blocks = answers.div_ceil(LANES);
        let mut whole = false;
        level.run(Ask(&mut whole));
        let count = if whole {
            blocks.div_ceil(WIDEST)
        } else {
            blocks
        };
        let groups: Vec<usize> = (0..count)
            .map(|group| blocks / count + usize::from(group < blocks % count))
            .collect();
        let mut numbers = Numbers::new(terms * run * blocks * LANES)?;
        let mut places = numbers.get_mut().iter_mut();
        let mut first = 0;
        for group in &groups {
            for term in 0..terms {
                for index in 0..run {
                    for (answer, place) in (first..first + group * LANES).zip(&mut places) {
                        if answer < answers {
                            *place = weight(term, index, answer);
                        }
                    }
                }
            }
            first += group * LANES;
        }
        Ok(Self {
            level,
            numbers,
            terms,
            run,
            groups,
        })
    }

    /// Bytes that it takes.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(self.numbers.get())
    }

    /// Of the processor for which its numbers lie as they do.
    pub(super) fn level(&self) -> Level {
        self.level
    }

    /// Numbers of a term.
    pub(super) fn run(&self) -> usize {
        self.run
    }
}

/// Whether registers hold the sums of several blocks.
struct Ask<'a>(&'a mut bool);

impl Work for Ask<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        *self.0 = S::WHOLE;
    }
}

/// Products of a matrix and `count` pixels.
pub(super) struct Product<'a, 'b> {
    pub(super) matrix: &'a Matrix,
    /// The first of the matrix's terms that counts.
    pub(super) first: usize,
    /// For each of them the run of the first pixel, and those of the others behind it.
    pub(super) terms: &'a [&'a [f32]],
    /// Numbers from the run of one pixel to that of the next.
    pub(super) step: usize,
    pub(super) count: usize,
    pub(super) start: Start<'a>,
    /// Pixel by pixel.
    pub(super) answer: &'b mut [f32],
    /// Nothing below 0 is left.
    pub(super) clip: bool,
}

impl Product<'_, '_> {
    /// Works them out. This is called and not inlined, wherever it is wanted: it is long.
    pub(super) fn work(self) {
        self.matrix.level.run(self);
    }
}

impl Work for Product<'_, '_> {
    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let (mut first, mut begin) = (0, 0);
        let each = self.matrix.terms * self.matrix.run;
        for &group in &self.matrix.groups {
            // As many sums as registers hold.
            match (S::WHOLE, group) {
                (true, 4..) => self.group::<S, 6, 4>(simd, first, begin),
                (true, 3) => self.group::<S, 8, 3>(simd, first, begin),
                (true, 2) => self.group::<S, 12, 2>(simd, first, begin),
                (true, _) => self.group::<S, 12, 1>(simd, first, begin),
                (false, _) => match S::PIXELS {
                    6.. => self.group::<S, 6, 1>(simd, first, begin),
                    4.. => self.group::<S, 4, 1>(simd, first, begin),
                    _ => self.group::<S, 2, 1>(simd, first, begin),
                },
            }
            first += group;
            begin += each * group;
        }
    }
}

impl Product<'_, '_> {
    /// The answers of `C` blocks from `first` on, whose weights begin at block `begin`.
    #[inline(always)]
    fn group<S: Simd, const N: usize, const C: usize>(
        &mut self,
        simd: S,
        first: usize,
        begin: usize,
    ) {
        let run = self.matrix.run;
        let blocks = self.matrix.numbers.get().as_chunks::<LANES>().0;
        let weights = &blocks[begin + self.first * run * C..][..self.terms.len() * run * C];
        let weights = weights.as_chunks::<C>().0;
        let mut done = 0;
        while done + N <= self.count {
            self.some::<S, N, C>(simd, first, weights, done);
            done += N;
        }
        if done < self.count && done > 0 && !matches!(self.start, Start::Sum) {
            // Some are worked twice, which is quicker than one by one.
            self.some::<S, N, C>(simd, first, weights, self.count - N);
            done = self.count;
        }
        while done < self.count {
            self.some::<S, 1, C>(simd, first, weights, done);
            done += 1;
        }
    }

    /// Those of `N` pixels.
    #[inline(always)]
    fn some<S: Simd, const N: usize, const C: usize>(
        &mut self,
        simd: S,
        first: usize,
        weights: &[[[f32; LANES]; C]],
        begin: usize,
    ) {
        let run = self.matrix.run;
        let channels = LANES * self.matrix.groups.iter().sum::<usize>();
        let answer = &mut self.answer[begin * channels..][..N * channels];
        let at = |n: usize, c: usize| n * channels + (first + c) * LANES;
        // Loops: the compiler does not always follow closures in here.
        let mut held = [[simd.splat(0.0); C]; N];
        match self.start {
            Start::Zero => {}
            Start::Bias(bias) => {
                for c in 0..C {
                    let bias = simd.load(block(bias, (first + c) * LANES));
                    for sums in &mut held {
                        sums[c] = bias;
                    }
                }
            }
            Start::Sum => {
                for (n, sums) in held.iter_mut().enumerate() {
                    for (c, sum) in sums.iter_mut().enumerate() {
                        *sum = simd.load(block(answer, at(n, c)));
                    }
                }
            }
        }
        for (term, weights) in self.terms.iter().zip(weights.chunks_exact(run)) {
            let mut runs: [&[f32]; N] = [&[]; N];
            for (n, values) in runs.iter_mut().enumerate() {
                *values = &term[(begin + n) * self.step..][..run];
            }
            for (index, stored) in weights.iter().enumerate() {
                let mut weights = [simd.splat(0.0); C];
                for (weight, stored) in weights.iter_mut().zip(stored) {
                    *weight = simd.load(stored);
                }
                for (sums, values) in held.iter_mut().zip(runs) {
                    let value = simd.splat(values[index]);
                    for (sum, weight) in sums.iter_mut().zip(weights) {
                        *sum = simd.fma(value, weight, *sum);
                    }
                }
            }
        }
        for (n, sums) in held.into_iter().enumerate() {
            for (c, sum) in sums.into_iter().enumerate() {
                let sum = if self.clip { simd.clip(sum) } else { sum };
                simd.store(sum, block_mut(answer, at(n, c)));
            }
        }
    }
}
