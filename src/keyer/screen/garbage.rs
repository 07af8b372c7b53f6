//! What is neither screen nor subject: the studio beyond the screen's edge, and what hangs into it.
//!
//! A garbage matte is an artist's decision, and dropping a subject is worse than keeping a wall, so
//! only two things are dropped, both of which a subject hardly ever is:
//!
//! * a *strip* along the whole left, right or top edge of the frame with a nearly straight inner
//!   edge, no deeper than a third of the frame: the wall or black bar where the screen ends. Someone
//!   who stands in front of it is kept beyond that line. Never along the lower edge: desks and
//!   floors are what subjects sit at and stand on;
//! * a *rig*: an island that touches the top of the frame and not the bottom, while a larger one
//!   remains: lamps and microphones. A head that is cut by the frame hangs together with a body.
//!
//! The rest is for the OutM input, and what is dropped wrongly for InM.

use super::super::image::Planes;

/// Deepest strip, as a part of the frame's side.
const DEEPEST: f32 = 1.0 / 3.0;
/// How far a strip's edge may be from a straight line, as a part of the picture's long side.
const STRAIGHT: f32 = 0.015;
/// This part of a strip's edge must be that straight.
const MOST: f32 = 0.75;
/// Something of this part of the picture must remain.
const REMAINS: f32 = 0.005;

/// Sets what is garbage to 0 in a map whose pixels above `inside` are not screen.
pub(super) fn cut(map: &mut Planes, inside: f32) {
    let mut open: Vec<bool> = map.data().iter().map(|value| *value > inside).collect();
    let before = open.clone();
    for side in [Side::Left, Side::Right, Side::Top] {
        let mut without = open.clone();
        side.cut(&mut without, map.width(), map.height());
        let left = without.iter().filter(|open| **open).count();
        if left as f32 >= REMAINS * without.len() as f32 {
            open = without;
        }
    }
    cut_rigs(&mut open, map.width(), map.height());
    for (value, (before, after)) in map.data_mut().iter_mut().zip(before.iter().zip(&open)) {
        if *before && !after {
            *value = 0.0;
        }
    }
}

#[derive(Clone, Copy)]
enum Side {
    Left,
    Right,
    Top,
}

impl Side {
    /// The place in the map of what is `depth` from the edge at `along`.
    fn place(self, along: usize, depth: usize, width: usize) -> usize {
        match self {
            Self::Left => along * width + depth,
            Self::Right => along * width + width - 1 - depth,
            Self::Top => depth * width + along,
        }
    }

    fn cut(self, open: &mut [bool], width: usize, height: usize) {
        let (length, room) = match self {
            Self::Left | Self::Right => (height, width),
            Self::Top => (width, height),
        };
        // How deep the open part goes from each place along the edge.
        let depths: Vec<usize> = (0..length)
            .map(|along| {
                (0..room)
                    .take_while(|depth| open[self.place(along, *depth, width)])
                    .count()
            })
            .collect();
        if depths.contains(&0) {
            return;
        }
        let tolerance = (STRAIGHT * width.max(height) as f32).max(1.0);
        let line = Line::through(&depths);
        let near =
            |(along, depth): (usize, &usize)| (*depth as f32 - line.at(along)).abs() <= tolerance;
        let straight = depths
            .iter()
            .enumerate()
            .filter(|place| near(*place))
            .count();
        let deepest = line.at(0).max(line.at(length - 1));
        if (straight as f32) < MOST * length as f32 || deepest > DEEPEST * room as f32 {
            return;
        }
        for (along, depth) in depths.iter().enumerate() {
            let end = (line.at(along) + tolerance).max(0.0) as usize;
            for depth in 0..(*depth).min(end) {
                open[self.place(along, depth, width)] = false;
            }
        }
    }
}

/// A line through the medians of the first and last third, so that a bump does not bend it.
struct Line {
    start: f32,
    slope: f32,
}

impl Line {
    fn through(depths: &[usize]) -> Self {
        let third = (depths.len() / 3).max(1);
        let median = |part: &[usize]| {
            let mut part = part.to_vec();
            part.sort_unstable();
            part[part.len() / 2] as f32
        };
        let (first, last) = (
            median(&depths[..third]),
            median(&depths[depths.len() - third..]),
        );
        let apart = (depths.len() - third).max(1) as f32;
        let slope = (last - first) / apart;
        Self {
            start: first - slope * (third as f32 - 1.0) / 2.0,
            slope,
        }
    }

    fn at(&self, along: usize) -> f32 {
        self.start + self.slope * along as f32
    }
}

/// Closes islands that touch the upper edge and not the lower while a larger one remains.
fn cut_rigs(open: &mut [bool], width: usize, height: usize) {
    if !open[..width].contains(&true) {
        return;
    }
    // What is left to visit, with a closed column at the right and a closed row above and below, so
    // that every place has four neighbours.
    let stride = width + 1;
    let mut left = vec![false; stride * (height + 2)];
    let rows = left[stride..].chunks_exact_mut(stride);
    for (left, open) in rows.zip(open.chunks_exact(width)) {
        left[..width].copy_from_slice(open);
    }
    let (first_row, last_row) = (stride..2 * stride, height * stride..(height + 1) * stride);
    let mut rigs: Vec<Vec<usize>> = Vec::new();
    let mut largest = 0;
    let mut island = Vec::new();
    // From the upper edge on, so that the rest of the places are of no rig.
    for start in stride..(height + 1) * stride {
        if !left[start] {
            continue;
        }
        island.clear();
        island.push(start);
        left[start] = false;
        let mut next = 0;
        while next < island.len() {
            let place = island[next];
            next += 1;
            for near in [place - 1, place + 1, place - stride, place + stride] {
                if left[near] {
                    left[near] = false;
                    island.push(near);
                }
            }
        }
        let touches = |row: &std::ops::Range<usize>| island.iter().any(|place| row.contains(place));
        if first_row.contains(&start) && !touches(&last_row) {
            rigs.push(std::mem::take(&mut island));
        } else {
            largest = largest.max(island.len());
        }
    }
    for rig in rigs.iter().filter(|rig| rig.len() < largest) {
        for place in rig {
            let (x, y) = (place % stride, place / stride - 1);
            open[y * width + x] = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is not screen, drawn.
    fn cleaned(open: impl Fn(usize, usize) -> bool) -> Vec<Vec<bool>> {
        let (width, height) = (160, 90);
        let mut map = Planes::new(width, height, 1);
        for y in 0..height {
            for x in 0..width {
                map.row_mut(0, y)[x] = if open(x, y) { 1.0 } else { 0.1 };
            }
        }
        cut(&mut map, 0.5);
        (0..height)
            .map(|y| map.row(0, y).iter().map(|v| *v > 0.5).collect())
            .collect()
    }

    fn person(x: usize, y: usize) -> bool {
        (70..100).contains(&x) && y > 25
    }

    #[test]
    fn a_wall_goes_and_who_stands_before_it_stays() {
        // A slanted wall, and an arm that reaches into it.
        let wall = |x: usize, y: usize| x < 20 + y / 12;
        let arm = |x: usize, y: usize| x < 75 && (40..50).contains(&y);
        let found = cleaned(|x, y| person(x, y) || wall(x, y) || arm(x, y));
        assert!(!found[10][5] && !found[80][20] && !found[45][5]);
        assert!(found[45][35] && found[45][72] && found[80][90]);
        let right = cleaned(|x, y| person(x, y) || x > 140);
        assert!(!right[45][150] && right[80][90]);
    }

    #[test]
    fn lamps_go_and_heads_stay() {
        let lamp = |x: usize, y: usize| (20..40).contains(&x) && y < 12;
        let tall = |x: usize, _: usize| (70..100).contains(&x);
        let found = cleaned(|x, y| tall(x, y) || lamp(x, y));
        assert!(!found[5][30], "the lamp");
        assert!(found[0][80] && found[80][80], "the head");
        // All that there is stays, whatever it is.
        let alone = cleaned(lamp);
        assert!(alone[5][30]);
    }

    #[test]
    fn shoulders_desks_and_hands_stay() {
        // A back over which the camera looks: it is round.
        let back = |x: usize, y: usize| {
            let (dx, dy) = (x as f32 - 10.0, y as f32 - 60.0);
            dx * dx / 1600.0 + dy * dy / 5000.0 < 1.0
        };
        let desk = |_: usize, y: usize| y > 75;
        let hand = |x: usize, y: usize| x > 120 && (30..45).contains(&y);
        let found = cleaned(|x, y| person(x, y) || back(x, y) || desk(x, y) || hand(x, y));
        assert!(found[60][10] && found[80][150] && found[35][150]);
    }

    #[test]
    fn a_plate_that_is_all_one_thing_is_left_alone() {
        assert!(cleaned(|_, _| true)[45][80]);
        assert!(!cleaned(|_, _| false)[45][80]);
    }
}
