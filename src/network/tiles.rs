//! Frames too large for one piece, worked in tiles with the same result.
//!
//! A network may say, in its manifest's `[tiles]`, between which tensors it falls into three parts:
//!
//! * *encode* looks at the near surroundings of each pixel and gives features and a thumbnail;
//! * *survey* sees those of the whole frame, small as they are, and says what the whole frame means
//!   for each place;
//! * *finish* looks at the near surroundings again, with that knowledge.
//!
//! So the first and the last part can be worked in tiles that overlap, and what a tile's edge
//! spoils is thrown away. Nothing is blended: what is kept is what the whole frame would have
//! given, but for the last digits.

use super::proto::{self, ModelProto, ValueInfoProto};
use prost::Message as _;

/// Where a network may be cut, and how far its local parts look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seams {
    /// What encode gives and survey takes: `[1, channels, H / scale, W / scale]`.
    pub features: String,
    /// The plate made small, the same way: `[1, 3, H / scale, W / scale]`.
    pub thumbnail: String,
    /// What survey gives and finish takes: `[1, channels, H / scale, W / scale]`.
    pub context: String,
    /// The screen's colour, the same way: `[1, 3, H / scale, W / scale]`.
    pub screen: String,
    /// Planes of features and of context.
    pub channels: usize,
    /// Pixels for each of theirs.
    pub scale: usize,
    /// Pixels from a tile's edge that may differ from the whole frame's.
    pub margin: usize,
}

/// One side of one tile: where it lies, and the part of it that is kept. All in pixels of the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Where the tile begins.
    pub start: usize,
    /// Where the kept part begins.
    pub from: usize,
    /// Where the kept part ends.
    pub to: usize,
}

/// How a frame is laid out in tiles of one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Columns of every tile.
    pub width: usize,
    /// Rows of every tile.
    pub height: usize,
    /// The tiles' columns, left to right.
    pub columns: Vec<Span>,
    /// Their rows, top to bottom.
    pub rows: Vec<Span>,
}

impl Layout {
    /// The layout of a frame (both sides multiples of `multiple`) in tiles of at most `pixels`
    /// pixels each, the one with the least work in all; `None` when the frame is one tile itself,
    /// or when no layout has tiles that small.
    pub fn new(
        width: usize,
        height: usize,
        multiple: usize,
        pixels: usize,
        seams: &Seams,
    ) -> Option<Self> {
        if width.saturating_mul(height) <= pixels {
            return None;
        }
        let step = least_step(multiple, seams.scale);
        let sides = |length: usize| {
            (1..=length / step.max(1)).filter_map(move |count| side(length, count, step, seams))
        };
        let heights: Vec<_> = sides(height).collect();
        let both = |(columns, w)| {
            let all = heights.iter();
            all.map(move |&(rows, h)| (columns, w, rows, h))
        };
        let (columns, w, rows, h) = sides(width)
            .flat_map(both)
            .filter(|(_, w, _, h)| w * h <= pixels)
            .min_by_key(|(columns, w, rows, h)| columns * rows * w * h)?;
        Some(Self {
            width: w,
            height: h,
            columns: spans(width, columns, w, seams),
            rows: spans(height, rows, h, seams),
        })
    }

    /// Every tile: its columns and its rows.
    pub fn tiles(&self) -> impl Iterator<Item = (Span, Span)> + '_ {
        let row = |rows: Span| self.columns.iter().map(move |columns| (*columns, rows));
        self.rows.iter().copied().flat_map(row)
    }

    /// How many tiles there are.
    pub fn count(&self) -> usize {
        self.columns.len() * self.rows.len()
    }
}

/// Tiles begin where both the network's grid and the small tensors' have a line.
fn least_step(multiple: usize, scale: usize) -> usize {
    let mut step = multiple.max(1);
    while !step.is_multiple_of(scale.max(1)) {
        step += multiple.max(1);
    }
    step
}

/// `count` and the side of a tile when so many share a length; `None` when the margins would be
/// most of it, or when fewer would do with the same side.
fn side(length: usize, count: usize, step: usize, seams: &Seams) -> Option<(usize, usize)> {
    if count == 1 {
        return Some((1, length));
    }
    let margins = 2 * seams.margin;
    // One grid line more, since beginnings are rounded down to one.
    let own = length.checked_sub(margins)?.div_ceil(count) + seams.scale;
    let side = (own + margins).next_multiple_of(step);
    (side < length && own >= seams.margin).then_some((count, side))
}

fn spans(length: usize, count: usize, side: usize, seams: &Seams) -> Vec<Span> {
    let scale = seams.scale.max(1);
    let start = |index: usize| {
        let exact = index * (length - side) / (count - 1).max(1);
        if index + 1 == count {
            length - side
        } else {
            exact / scale * scale
        }
    };
    // Two neighbours share what overlaps, half each.
    let border = |index: usize| (start(index) + start(index - 1) + side) / 2 / scale * scale;
    (0..count)
        .map(|index| Span {
            start: start(index),
            from: if index == 0 { 0 } else { border(index) },
            to: if index + 1 == count {
                length
            } else {
                border(index + 1)
            },
        })
        .collect()
}

/// One part of a model: its nodes between these tensors, each `(name, shape)` of 32-bit floats.
///
/// # Errors
/// What is wrong with the model, as the middle of a sentence.
pub fn part(
    model: &[u8],
    inputs: &[(&str, [usize; 4])],
    outputs: &[(&str, [usize; 4])],
) -> Result<Vec<u8>, String> {
    let mut model =
        ModelProto::decode(model).map_err(|error| format!("it cannot be read ({error})"))?;
    let graph = model.graph.as_mut().ok_or("there is no graph in it")?;
    let given = |name: &str| inputs.iter().any(|(input, _)| *input == name);
    // From the outputs back to the inputs; nodes are stored in an order in which they can be run.
    let mut needed: Vec<String> = outputs.iter().map(|(name, _)| (*name).to_owned()).collect();
    let mut kept = Vec::new();
    for node in std::mem::take(&mut graph.node).into_iter().rev() {
        if node
            .output
            .iter()
            .any(|output| needed.contains(output) && !given(output))
        {
            needed.extend(
                node.input
                    .iter()
                    .filter(|input| !input.is_empty() && !given(input))
                    .cloned(),
            );
            kept.push(node);
        }
    }
    kept.reverse();
    graph.initializer.retain(|weight| {
        weight
            .name
            .as_ref()
            .is_some_and(|name| needed.contains(name))
    });
    for name in &needed {
        let made = kept.iter().any(|node| node.output.contains(name));
        let stored = graph
            .initializer
            .iter()
            .any(|weight| weight.name.as_ref() == Some(name));
        if !made && !stored && !given(name) {
            return Err(format!(
                "\"{name}\" cannot be computed from the tensors that [tiles] names"
            ));
        }
    }
    graph.node = kept;
    let ports = |list: &[(&str, [usize; 4])]| -> Vec<ValueInfoProto> {
        list.iter()
            .map(|(name, shape)| proto::port(name, proto::element::FLOAT, shape))
            .collect()
    };
    graph.input = ports(inputs);
    graph.output = ports(outputs);
    graph.value_info.clear();
    Ok(model.encode_to_vec())
}

/// A rectangle of planes inside larger or smaller ones.
#[derive(Debug, Clone, Copy)]
pub struct Frame {
    /// Columns of the whole.
    pub width: usize,
    /// Rows of the whole.
    pub height: usize,
    /// The rectangle's first column.
    pub x: usize,
    /// Its first row.
    pub y: usize,
}

/// Copies `width` × `height` values of every plane from one rectangle to another.
pub fn copy(
    source: &[f32],
    from: Frame,
    target: &mut [f32],
    to: Frame,
    width: usize,
    height: usize,
) {
    let planes = source.chunks_exact(from.width * from.height);
    for (source, target) in planes.zip(target.chunks_exact_mut(to.width * to.height)) {
        for row in 0..height {
            let (a, b) = (
                (from.y + row) * from.width + from.x,
                (to.y + row) * to.width + to.x,
            );
            target[b..b + width].copy_from_slice(&source[a..a + width]);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn seams() -> Seams {
        Seams {
            features: "x".into(),
            thumbnail: "t".into(),
            context: "y".into(),
            screen: "s".into(),
            channels: 2,
            scale: 8,
            margin: 64,
        }
    }

    #[test]
    fn ultra_hd_falls_into_four() {
        let layout = Layout::new(3840, 2176, 32, 2_500_000, &seams()).unwrap();
        assert_eq!(layout.count(), 4, "{layout:?}");
        let work = layout.count() * layout.width * layout.height;
        assert!(work < 3840 * 2176 * 115 / 100, "{layout:?}");
        assert_eq!(Layout::new(1920, 1088, 32, 2_500_000, &seams()), None);
    }

    proptest! {
        /// The kept parts cover the frame once, and each lies far enough inside its tile.
        #[test]
        fn tiles_cover_the_frame_once(w in 2_usize..200, h in 2_usize..200, pixels in 60_000_usize..3_000_000) {
            let (width, height, seams) = (w * 32, h * 32, seams());
            let Some(layout) = Layout::new(width, height, 32, pixels, &seams) else { return Ok(()) };
            prop_assert!(layout.width * layout.height <= pixels);
            for (spans, side, length) in [(&layout.columns, layout.width, width), (&layout.rows, layout.height, height)] {
                prop_assert_eq!(spans[0].from, 0);
                prop_assert_eq!(spans[spans.len() - 1].to, length);
                prop_assert!(spans.windows(2).all(|pair| pair[0].to == pair[1].from));
                for span in spans {
                    prop_assert!(span.from < span.to && span.start + side <= length);
                    prop_assert!(span.start % 8 == 0 && span.from % 8 == 0);
                    prop_assert!(span.from == 0 || span.from >= span.start + seams.margin);
                    prop_assert!(span.to == length || span.to + seams.margin <= span.start + side);
                }
            }
        }
    }

    #[test]
    fn rectangles_land_where_they_belong() {
        let source: Vec<f32> = (0..2 * 4 * 3).map(|value| value as f32).collect();
        let mut target = vec![0.0; 2 * 3 * 2];
        let from = Frame {
            width: 4,
            height: 3,
            x: 1,
            y: 1,
        };
        let to = Frame {
            width: 3,
            height: 2,
            x: 1,
            y: 0,
        };
        copy(&source, from, &mut target, to, 2, 2);
        assert_eq!(
            target,
            [0., 5., 6., 0., 9., 10., 0., 17., 18., 0., 21., 22.]
        );
    }
}
