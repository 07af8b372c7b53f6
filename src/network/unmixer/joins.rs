//! Sums of what several layers give, row by row.

use super::direct::{Direct, Enlarge, Enlarged, Step};
use super::layers::{HEAD, PAINT};
use super::light::{Small, cut};
use super::map::Rows;

/// A convolution of 4 × 4 with a stride of 2, of rows that were made for it.
pub(super) struct Strided<'a, 'b> {
    pub(super) layer: &'a Direct,
    pub(super) seen: &'a [f32],
    /// Of `seen`.
    pub(super) width: usize,
    pub(super) answer: &'b mut [f32],
}

impl Strided<'_, '_> {
    /// The answer for one of the rows.
    fn row(
        (layer, seen): (&Direct, &[f32]),
        width: usize,
        index: usize,
        answer: &mut [f32],
        add: bool,
    ) {
        let stride = (width + 2) * layer.inputs;
        let row = |row: usize| &seen[(2 * index + row) * stride..][..stride];
        let step = Step {
            seen: &[row(0), row(1), row(2), row(3)],
            answer,
            add,
            clip: true,
        };
        layer.row(step);
    }
}

impl Strided<'_, '_> {
    /// Works it out.
    pub(super) fn work(self) {
        let channels = self.layer.outputs();
        let stride = (self.width / 2 + 2) * channels;
        for (index, answer) in self.answer.chunks_exact_mut(stride).enumerate() {
            let answer = &mut answer[channels..stride - channels];
            Self::row((self.layer, self.seen), self.width, index, answer, false);
        }
    }
}

/// A level's rows, joined with those of the next coarser one.
pub(super) struct Merged<'a, 'b> {
    pub(super) coarse: Enlarge<'a>,
    pub(super) skip: &'a Direct,
    pub(super) first: usize,
    /// In place.
    pub(super) fine: &'b mut [f32],
    pub(super) room: &'b mut [f32],
}

impl Merged<'_, '_> {
    /// Works it out.
    pub(super) fn work(self) {
        let channels = self.skip.outputs();
        let stride = (2 * self.coarse.given.width + 2) * channels;
        let mut room = self.room;
        let answer = cut(&mut room, stride - 2 * channels);
        for (index, fine) in self.fine.chunks_exact_mut(stride).enumerate() {
            self.skip.matrix.level().run(Enlarged {
                picture: self.coarse,
                row: self.first + index,
                answer,
                add: false,
                room,
            });
            let step = Step {
                seen: &[fine],
                answer,
                add: true,
                clip: true,
            };
            self.skip.row(step);
            fine[channels..stride - channels].copy_from_slice(answer);
        }
    }
}

/// What the matte's head gets from the screen's colour.
pub(super) struct Hue<'a, 'b> {
    pub(super) layer: &'a Direct,
    pub(super) colour: Small<'a>,
    pub(super) first: usize,
    pub(super) answer: &'b mut [f32],
    pub(super) room: &'b mut [f32],
}

impl Hue<'_, '_> {
    /// Works it out.
    pub(super) fn work(self) {
        let Small {
            planes,
            width,
            height,
        } = self.colour;
        let channels = self.layer.outputs();
        let stride = (width + 2) * channels;
        let seen = &mut self.room[..(width + 2) * 3];
        for (index, answer) in self.answer.chunks_exact_mut(stride).enumerate() {
            let row = self.first + index;
            for (x, seen) in seen[3..]
                .as_chunks_mut::<3>()
                .0
                .iter_mut()
                .take(width)
                .enumerate()
            {
                *seen = [0, 1, 2].map(|plane| planes[(plane * height + row) * width + x]);
            }
            let step = Step {
                seen: &[seen],
                answer: &mut answer[channels..stride - channels],
                add: false,
                clip: false,
            };
            self.layer.row(step);
        }
    }
}

/// What the matte is made of.
pub(super) struct Mixed<'a, 'b> {
    pub(super) deep: Enlarge<'a>,
    pub(super) hue: Enlarge<'a>,
    pub(super) fine: (&'a Direct, Rows<'a>),
    pub(super) full: (&'a Direct, &'a [f32]),
    pub(super) first: usize,
    pub(super) answer: &'b mut [f32],
    pub(super) room: &'b mut [f32],
}

impl Mixed<'_, '_> {
    /// Works it out.
    pub(super) fn work(self) {
        let (fine, features) = self.fine;
        let stride = (features.width + 2) * HEAD;
        for (index, answer) in self.answer.chunks_exact_mut(stride).enumerate() {
            let row = self.first + index;
            let answer = &mut answer[HEAD..stride - HEAD];
            for (picture, add) in [(self.deep, false), (self.hue, true)] {
                fine.matrix.level().run(Enlarged {
                    picture,
                    row,
                    answer,
                    add,
                    room: self.room,
                });
            }
            let step = Step {
                seen: &[features.row(row)],
                answer,
                add: true,
                clip: false,
            };
            fine.row(step);
            Strided::row(self.full, 2 * features.width, index, answer, true);
        }
    }
}

/// What the foreground is made of.
pub(super) struct Painted<'a, 'b> {
    pub(super) deep: (&'a Direct, Rows<'a>),
    pub(super) full: (&'a Direct, &'a [f32]),
    pub(super) first: usize,
    pub(super) answer: &'b mut [f32],
}

impl Painted<'_, '_> {
    /// Works it out.
    pub(super) fn work(self) {
        let (deep, features) = self.deep;
        let stride = (features.width + 2) * PAINT;
        for (index, answer) in self.answer.chunks_exact_mut(stride).enumerate() {
            let answer = &mut answer[PAINT..stride - PAINT];
            let step = Step {
                seen: &[features.row(self.first + index)],
                answer,
                add: false,
                clip: false,
            };
            deep.row(step);
            Strided::row(self.full, 2 * features.width, index, answer, true);
        }
    }
}
