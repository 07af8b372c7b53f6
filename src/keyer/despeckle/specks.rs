//! The islands and holes of one matte, kept for as long as the matte is the same.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Asked, CleanUp, Mask};
use crate::keyer::error::{Error, Result};
use crate::keyer::image::Size;
use crate::keyer::settings::{DespeckleMethod, PixelScale};

/// The islands and holes that were last found in one matte, for the next time that the same is
/// asked of it. Whoever keeps it sees to it that the matte is the same.
#[derive(Debug, Default)]
pub struct Specks {
    asked: Option<Arc<Asked>>,
    islands: Kept<(DespeckleMethod, CleanUp, PixelScale)>,
    holes: Kept<(CleanUp, PixelScale)>,
}

/// A mask, and what it was made with.
#[derive(Debug)]
struct Kept<T>(Mutex<Option<(T, Arc<Mask>)>>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T: Copy + PartialEq> Kept<T> {
    fn or_find(&self, with: T, find: impl FnOnce() -> Mask) -> Arc<Mask> {
        let known = self.lock().clone();
        if let Some((of, mask)) = known
            && of == with
        {
            return mask;
        }
        // The lock is open meanwhile: two who look at once both find the same.
        let mask = Arc::new(find());
        *self.lock() = Some((with, mask.clone()));
        mask
    }

    fn lock(&self) -> MutexGuard<'_, Option<(T, Arc<Mask>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Specks {
    /// Those of a matte whose hint asks for a subject where `asked` says.
    pub fn of(asked: Option<Arc<Asked>>) -> Self {
        Self {
            asked,
            ..Self::default()
        }
    }

    /// Where the hint asks for a subject, if that is known.
    pub(in crate::keyer) fn asked(&self) -> Option<&Arc<Asked>> {
        self.asked.as_ref()
    }

    /// `Ok` when what the hint asks for is known in a matte's size, or not at all.
    ///
    /// # Errors
    /// [`Error::SizeMismatch`](crate::keyer::Error::SizeMismatch).
    pub(in crate::keyer) fn check_size(&self, size: Size) -> Result<()> {
        match &self.asked {
            Some(asked) if asked.size() != size => Err(Error::SizeMismatch {
                what: "hint that asks for a subject",
                expected: size,
                found: asked.size(),
            }),
            _ => Ok(()),
        }
    }

    /// Where the matte is kept without its small islands, or what was found the last time.
    pub(in crate::keyer) fn islands<'a>(
        &self,
        width: usize,
        height: usize,
        row: impl Fn(usize) -> &'a [f32] + Sync,
        method: DespeckleMethod,
        clean_up: CleanUp,
        scale: PixelScale,
    ) -> Arc<Mask> {
        let find = || match method {
            DespeckleMethod::Islands => {
                let asked = self.asked.as_deref();
                Mask::without_lone_islands(width, height, row, &clean_up, scale, asked)
            }
            DespeckleMethod::CorridorKey => Mask::new(width, height, row, &clean_up, scale),
        };
        self.islands.or_find((method, clean_up, scale), find)
    }

    /// As [`Mask::of_holes`], or what it gave the last time.
    pub(in crate::keyer) fn holes<'a>(
        &self,
        width: usize,
        height: usize,
        row: impl Fn(usize) -> &'a [f32] + Sync,
        clean_up: CleanUp,
        scale: PixelScale,
    ) -> Arc<Mask> {
        self.holes.or_find((clean_up, scale), || {
            Mask::of_holes(width, height, row, &clean_up, scale)
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::keyer::image::Planes;

    const WIDTH: usize = 300;
    const HEIGHT: usize = 200;

    /// What a mask leaves of every row.
    fn all(mask: &Mask) -> Vec<f32> {
        let mut all = vec![0.7; WIDTH * HEIGHT];
        for (y, row) in all.chunks_exact_mut(WIDTH).enumerate() {
            mask.apply(y, 0, row);
        }
        all
    }

    #[test]
    fn what_is_kept_is_what_would_be_found() {
        // A subject, a whisker on it, and an island that is hinted.
        let mut picture = vec![vec![0.0; WIDTH]; HEIGHT];
        for row in &mut picture[40..120] {
            row[40..120].fill(1.0);
        }
        picture[80][120..220].fill(0.1);
        let mut hint = Planes::new(WIDTH, HEIGHT, 1);
        for row in &mut picture[140..159] {
            row[240..259].fill(0.9);
        }
        for y in 140..159 {
            hint.row_mut(0, y)[240..259].fill(1.0);
        }
        let asked = Arc::new(Asked::new(&hint).unwrap());
        let specks = Specks::of(Some(asked.clone()));
        let row = |y: usize| picture[y].as_slice();
        let half = PixelScale { x: 0.5, y: 0.5 };
        let mut different: Vec<Vec<f32>> = Vec::new();
        for (area, scale) in [(100, PixelScale::ONE), (400, PixelScale::ONE), (400, half)] {
            for method in DespeckleMethod::ALL {
                let clean_up = CleanUp::of_area(area);
                let islands = || specks.islands(WIDTH, HEIGHT, row, *method, clean_up, scale);
                let holes = || specks.holes(WIDTH, HEIGHT, row, clean_up, scale);
                let (first, no_holes) = (islands(), holes());
                assert!(Arc::ptr_eq(&first, &islands()), "{area} {scale:?}");
                assert!(Arc::ptr_eq(&no_holes, &holes()), "{area} {scale:?}");
                let fresh = match method {
                    DespeckleMethod::CorridorKey => Mask::new(WIDTH, HEIGHT, row, &clean_up, scale),
                    DespeckleMethod::Islands => {
                        let asked = Some(&*asked);
                        Mask::without_lone_islands(WIDTH, HEIGHT, row, &clean_up, scale, asked)
                    }
                };
                assert_eq!(all(&first), all(&fresh), "{method:?} {area} {scale:?}");
                let fresh = Mask::of_holes(WIDTH, HEIGHT, row, &clean_up, scale);
                assert_eq!(all(&no_holes), all(&fresh), "{area} {scale:?}");
                different.push(all(&first));
            }
        }
        // The settings matter: without the hint the island is too small, and only ours keeps the
        // whisker and what is hinted.
        let [[ours, original], ..] = different.as_chunks::<2>().0 else {
            panic!("two methods")
        };
        assert!(ours[80 * WIDTH + 200] == 0.7 && original[80 * WIDTH + 200] == 0.0);
        let island = |found: &[f32]| found[150 * WIDTH + 250] == 0.7;
        let kept: Vec<bool> = different.iter().map(|found| island(found)).collect();
        assert_eq!(kept, [true, true, true, false, true, true]);
    }
}
