//! Which islands of a matte stand alone, and where alpha is kept when these go.
//!
//! An island is what hangs together by alpha above [`FAINT`], corners included. It stays
//!
//! * when there is enough of it: so many solid pixels in one piece, as the original counts them, or
//!   so much alpha in all, where each pixel is weighed by its own alpha. A pixel of a tenth then
//!   counts as a hundredth of a solid one: what a network leaves of a tracking mark is little even
//!   if the mark is large, smoke and blurred things are not;
//! * when the hint asks for it;
//! * when it lies near one that stays for these reasons, as loose hair and drops do.
//!
//! What stays has room around it, so that its faint surroundings stay too: as much as the original
//! gives to what is solid, which makes all stay that stays there. An island that was near has only
//! as much as the blur of the border takes: it brings no others with it, or grain would go on from
//! speck to speck.

use super::bitmap::{Bitmap, Ellipse};
use super::islands::{self, Islands};

/// Alpha above this connects. Whiskers and hair that a network has found are above it all along,
/// the screens that it has found are not.
const FAINT: f32 = 0.03;

/// How islands are judged. Lengths and areas are in pixels of the render.
#[derive(Debug)]
pub(super) struct Judging<'a> {
    /// This much of an island is enough.
    pub(super) enough: f64,
    /// The room around what stays.
    pub(super) room: Ellipse,
    /// What the blur of the border takes.
    pub(super) border: Ellipse,
    /// Where the hint asks for a subject. Of the matte's size.
    pub(super) asked: Option<&'a Bitmap>,
}

impl Judging<'_> {
    /// Where a matte of `width` × `height`, whose rows `row` gives, is kept.
    pub(super) fn kept<'a>(
        &self,
        width: usize,
        height: usize,
        row: impl Fn(usize) -> &'a [f32] + Sync,
    ) -> Bitmap {
        let [mut solid, all] = Bitmap::above_each(width, height, [0.5, FAINT], &row);
        islands::remove_small(&mut solid, self.enough);
        let certain = match self.asked {
            Some(asked) => solid.or(asked),
            None => solid,
        };
        let islands = Islands::of(&all);
        let certain = islands.meeting(&certain);
        let weights = islands.sums(|island, y, columns| match certain[island] {
            true => 0.0,
            false => weight(&row(y)[columns]),
        });
        let mut stay = all.clone();
        islands.clear(&mut stay, |island| {
            !certain[island] && weights[island] < self.enough
        });
        let mut others = all.without(&stay);
        let kept = stay.dilated(&self.room);
        if others.is_empty() {
            return kept;
        }
        let near = islands.meeting(&kept.dilated(&self.border));
        islands.clear(&mut others, |island| !near[island]);
        kept.or(&others.dilated(&self.border))
    }
}

/// Alpha of some pixels, each weighed by itself.
fn weight(alpha: &[f32]) -> f64 {
    alpha.iter().map(|alpha| f64::from(alpha * alpha)).sum()
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;
    use proptest::prelude::*;

    const WIDTH: usize = 200;
    const HEIGHT: usize = 150;

    type Matte = Vec<Vec<f32>>;

    fn rectangle(matte: &mut Matte, columns: Range<usize>, rows: Range<usize>, alpha: f32) {
        for row in &mut matte[rows] {
            row[columns.clone()].fill(alpha);
        }
    }

    /// A solid subject at the left.
    fn subject() -> Matte {
        let mut matte = vec![vec![0.0; WIDTH]; HEIGHT];
        rectangle(&mut matte, 10..40, 10..50, 1.0);
        matte
    }

    fn judging(asked: Option<&Bitmap>) -> Judging<'_> {
        Judging {
            enough: 400.0,
            room: Ellipse::new(25, 25),
            border: Ellipse::new(6, 6),
            asked,
        }
    }

    /// Whether a pixel is kept.
    fn is_kept(matte: &Matte, asked: Option<&Bitmap>, x: usize, y: usize) -> bool {
        let kept = judging(asked).kept(WIDTH, HEIGHT, |y| &matte[y]);
        kept.any(y, x..x + 1)
    }

    #[test]
    fn what_hangs_on_the_subject_stays_however_faint() {
        let mut matte = subject();
        // A whisker that goes down in steps, joined at corners.
        for step in 0..120 {
            matte[20 + step][40 + step] = 0.04;
        }
        assert!(is_kept(&matte, None, 159, 139));
        // Without the middle the end is an island far away.
        for step in 50..90 {
            matte[20 + step][40 + step] = 0.02;
        }
        assert!(!is_kept(&matte, None, 159, 139));
        assert!(is_kept(&matte, None, 89, 69));
    }

    #[test]
    fn islands_count_by_their_alpha() {
        // Solid; as much alpha, but half transparent; as much when weighed by itself.
        for (side, alpha, kept) in [
            (19, 1.0, false),
            (20, 1.0, true),
            (28, 0.5, false),
            (39, 0.5, false),
            (40, 0.5, true),
            (60, 0.2, false),
        ] {
            let mut matte = subject();
            rectangle(&mut matte, 120..120 + side, 70..70 + side, alpha);
            assert_eq!(is_kept(&matte, None, 121, 71), kept, "{side} {alpha}");
        }
        // In one piece solid pixels are enough, whatever they weigh: the original's rule.
        let mut matte = subject();
        rectangle(&mut matte, 120..140, 70..90, 0.51);
        assert!(is_kept(&matte, None, 121, 71));
    }

    #[test]
    fn the_hint_keeps_what_it_touches() {
        let mut matte = subject();
        rectangle(&mut matte, 120..130, 70..80, 1.0);
        rectangle(&mut matte, 180..190, 70..80, 1.0);
        let mut hint = vec![vec![0.0; WIDTH]; HEIGHT];
        hint[75][125] = 0.9;
        let asked = Bitmap::above(WIDTH, HEIGHT, 0.5, |y| &hint[y]);
        assert!(is_kept(&matte, Some(&asked), 121, 71));
        assert!(!is_kept(&matte, Some(&asked), 181, 71));
        assert!(!is_kept(&matte, None, 121, 71));
    }

    #[test]
    fn an_island_nearby_stays_whole_and_brings_no_others() {
        let mut matte = subject();
        // The subject ends at column 39; what is kept around it, border included, at 70.
        for (left, kept) in [(70, true), (71, false)] {
            let mut matte = matte.clone();
            rectangle(&mut matte, left..left + 15, 28..32, 0.9);
            assert_eq!(is_kept(&matte, None, left + 14, 30), kept, "{left}");
        }
        rectangle(&mut matte, 60..80, 28..32, 0.9);
        rectangle(&mut matte, 95..100, 28..32, 0.9);
        assert!(is_kept(&matte, None, 79, 30));
        assert!(!is_kept(&matte, None, 95, 30));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn whatever_the_original_keeps_is_kept(
            rectangles in proptest::collection::vec(
                (0..WIDTH, 0..HEIGHT, 1_usize..60, 1_usize..60, 0.0_f32..1.0), 0..12),
        ) {
            let mut matte = vec![vec![0.0; WIDTH]; HEIGHT];
            for (x, y, width, height, alpha) in rectangles {
                let (right, bottom) = ((x + width).min(WIDTH), (y + height).min(HEIGHT));
                rectangle(&mut matte, x..right, y..bottom, alpha);
            }
            let judging = judging(None);
            let ours = judging.kept(WIDTH, HEIGHT, |y| &matte[y]);
            let mut original = Bitmap::above(WIDTH, HEIGHT, 0.5, |y| &matte[y]);
            islands::remove_small(&mut original, judging.enough);
            prop_assert!(original.dilated(&judging.room).without(&ours).is_empty());
        }
    }
}
