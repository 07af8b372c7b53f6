//! The key: a prediction at the plate's size, its matte cleaned, its foreground freed from spill.
//!
//! A frame is large and memory is slow, so nothing is written that can be computed on the way:
//! what [`finish`] does at once is what needs the whole picture or neighbours (resizing alpha,
//! finding specks, moving edges). The rest (softening the clean-up's edge, tone, resizing the
//! foreground, despill) happens row by row, when a row is read.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::colour::Encoding;
use super::despeckle::Specks;
use super::despeckle::inside::{Depth, Inside};
use super::despill::Despill;
use super::error::{Error, Result};
use super::geometry::Geometry;
use super::guided::{self, GuideScratch};
use super::image::{Planes, Size};
use super::matte::{self, Matte};
use super::resample::RowScratch;
use super::restore::{Enlarging, Foreground, Layer, Predicted, Prediction, check_rows, restore};
use super::scratch::Pool;
use super::settings::{FinishSettings, Screen, Upsampling};
use super::shape::hold_to_masks;
use super::source::{self, Plate, Restored};

/// Alpha and foreground at the plate's size, for a range of its rows.
#[derive(Debug)]
pub struct Key<'a> {
    size: Size,
    rows: Range<usize>,
    matte: Matte<'a>,
    foreground: Foreground<'a>,
    despill: Despill,
    /// What holds the finished matte, over the whole plate.
    inside: Option<Planes>,
    outside: Option<Planes>,
    plate: Option<Plate<'a>>,
    restored: Option<Restored<'a>>,
}

/// Makes the key of a prediction for the rows `rows` of the plate.
///
/// `exchange` is the screen whose channel changed places with green when the input was prepared
/// ([`Screen::Green`] when nothing did); `settings.screen` is the screen whose light is taken out
/// of the foreground. A pixel's value does not depend on which rows are asked for: when the matte
/// is despeckled, the whole of it is looked at.
///
/// # Errors
/// When the prediction is not the geometry's, the rows are not the plate's, or the settings ask for
/// what only the plate can give ([`finish_with`]).
pub fn finish<'a>(
    prediction: &'a Prediction,
    geometry: &Geometry,
    exchange: Screen,
    settings: &FinishSettings,
    rows: Range<usize>,
    pool: &'a Pool,
) -> Result<Key<'a>> {
    finish_with(prediction, geometry, exchange, settings, rows, None, pool)
}

/// The same with the plate, whose own pixels come back into the foreground as the settings say.
///
/// # Errors
/// Those of [`finish`].
pub fn finish_with<'a>(
    prediction: impl Into<Predicted<'a>>,
    geometry: &Geometry,
    exchange: Screen,
    settings: &FinishSettings,
    rows: Range<usize>,
    plate: Option<Plate<'a>>,
    pool: &'a Pool,
) -> Result<Key<'a>> {
    let alpha_rows = alpha_rows(geometry.plate, settings, &rows);
    let prediction = prediction.into();
    check_rows(geometry.plate, [&rows])?;
    let (mut alpha, foreground) = restore(prediction, geometry, exchange, &alpha_rows, pool)?;
    follow_guide(&mut alpha, geometry, settings.upsampling, plate)?;
    let nothing = Specks::default();
    let layers = AtSize {
        size: geometry.plate,
        alpha,
        foreground,
        specks: prediction.specks.unwrap_or(&nothing),
    };
    layers.keyed(settings, rows, plate, pool)
}

/// The rows of alpha that the key's rows `rows` are made of.
fn alpha_rows(size: Size, settings: &FinishSettings, rows: &Range<usize>) -> Range<usize> {
    matte::alpha_rows(size, settings, &matte_rows(size, settings, rows))
}

/// The rows of the finished matte that the key's rows `rows` are made of: its inside is found from
/// its surroundings.
fn matte_rows(size: Size, settings: &FinishSettings, rows: &Range<usize>) -> Range<usize> {
    let reach = depth(settings).map_or(0, |depth| depth.reach());
    matte::widened(size, rows, reach)
}

fn depth(settings: &FinishSettings) -> Option<Depth> {
    settings
        .detail
        .map(|detail| Depth::new(&detail, settings.scale))
}

/// Lets alpha follow what the plate shows between the network's pixels, where that is asked for
/// and there is anything between them.
fn follow_guide(
    alpha: &mut Layer<'_>,
    geometry: &Geometry,
    upsampling: Upsampling,
    plate: Option<Plate<'_>>,
) -> Result<()> {
    if upsampling != Upsampling::Guided || !guided::enlarges(geometry) {
        return Ok(());
    }
    let known = plate.and_then(|plate| Some((plate, plate.guide?)));
    let (plate, guide) =
        known
            .filter(|(_, guide)| guide.is_of(geometry))
            .ok_or(Error::MissingLayer {
                output: "matte",
                layer: "guide of the plate",
            })?;
    alpha.for_rows(GuideScratch::default, |scratch, y, row| {
        let read = |out: [&mut [f32]; 3]| plate.rows.read(y, 0, out);
        guide.row(y, row, plate.encoding, scratch, read);
    });
    Ok(())
}

/// A prediction at the plate's size, whole: half of what [`finish_with`] does, to be kept and
/// finished with other settings than those of its making ([`Enlarged::finish`]). Its foreground is
/// enlarged where it is read, until [`keep_foreground`](Self::keep_foreground) is asked for.
#[derive(Debug)]
pub struct Enlarged<'a> {
    size: Size,
    alpha: Layer<'a>,
    foreground: OnceLock<Layer<'a>>,
    enlarging: Arc<Enlarging>,
    /// The network's size.
    network: Size,
    specks: Specks,
}

impl<'a> Enlarged<'a> {
    /// Enlarges a prediction; `None` when it has the plate's own size, and there is nothing to
    /// keep. `plate` is needed for [`Upsampling::Guided`] alone.
    ///
    /// # Errors
    /// Those of [`finish_with`].
    pub fn new<'p>(
        prediction: impl Into<Predicted<'p>>,
        geometry: &Geometry,
        exchange: Screen,
        upsampling: Upsampling,
        plate: Option<Plate<'_>>,
        pool: &'a Pool,
    ) -> Result<Option<Self>> {
        if geometry.is_own_size() {
            return Ok(None);
        }
        let rows = 0..geometry.plate.height;
        let prediction = prediction.into();
        prediction.check(geometry)?;
        let enlarging = Enlarging::new(geometry, exchange);
        let mut alpha = enlarging.alpha(prediction.alpha, &rows, pool)?;
        let asked = prediction.specks.and_then(Specks::asked).cloned();
        follow_guide(&mut alpha, geometry, upsampling, plate)?;
        Ok(Some(Self {
            size: geometry.plate,
            alpha,
            foreground: OnceLock::new(),
            enlarging,
            network: geometry.network,
            specks: Specks::of(asked),
        }))
    }

    /// Enlarges the foreground of the prediction (as [`Prediction::foreground`]) and keeps it, where
    /// it is not kept already. Worth it for who finishes more than once: it takes as long as
    /// finishing all of the picture without it, which then is quicker.
    ///
    /// # Errors
    /// When the foreground is not the prediction's, or memory is short.
    pub fn keep_foreground(&self, foreground: &Planes, pool: &'a Pool) -> Result<()> {
        self.check(foreground)?;
        if self.foreground.get().is_none() {
            // Two at a time both make it, and one is dropped.
            let _ = self
                .foreground
                .set(self.enlarging.foreground(foreground, pool)?);
        }
        Ok(())
    }

    /// Whether the foreground is kept.
    pub fn keeps_foreground(&self) -> bool {
        self.foreground.get().is_some()
    }

    fn check(&self, foreground: &Planes) -> Result<()> {
        foreground.check("predicted foreground", &[3], "3")?;
        foreground.check_size("predicted foreground", self.network)
    }

    /// As [`finish_with`], to the bit; `foreground` is the prediction's, `settings.upsampling` that of
    /// the making.
    ///
    /// # Errors
    /// Those of [`finish_with`].
    pub fn finish<'b>(
        &'b self,
        foreground: &'b Planes,
        settings: &FinishSettings,
        rows: Range<usize>,
        plate: Option<Plate<'b>>,
        pool: &'b Pool,
    ) -> Result<Key<'b>> {
        let alpha_rows = alpha_rows(self.size, settings, &rows);
        check_rows(self.size, [&rows, &alpha_rows])?;
        self.check(foreground)?;
        let layers = AtSize {
            size: self.size,
            alpha: self.alpha.lent(),
            foreground: match self.foreground.get() {
                Some(kept) => Foreground::There(kept.lent()),
                None => Foreground::Made {
                    planes: foreground,
                    enlarging: self.enlarging.clone(),
                },
            },
            specks: &self.specks,
        };
        layers.keyed(settings, rows, plate, pool)
    }
}

/// An alpha and a foreground that have the plate's size, and what is known of the alpha.
struct AtSize<'a, 's> {
    size: Size,
    alpha: Layer<'a>,
    foreground: Foreground<'a>,
    specks: &'s Specks,
}

impl<'a> AtSize<'a, '_> {
    /// Their key.
    fn keyed(
        self,
        settings: &FinishSettings,
        rows: Range<usize>,
        plate: Option<Plate<'a>>,
        pool: &'a Pool,
    ) -> Result<Key<'a>> {
        let Self {
            size,
            alpha,
            foreground,
            specks,
        } = self;
        if plate.is_none() && (settings.detail.is_some() || settings.restore_range) {
            return Err(Error::MissingLayer {
                output: "foreground",
                layer: "plate",
            });
        }
        let matte_rows = matte_rows(size, settings, &rows);
        let matte = Matte::new(alpha, size, settings, &matte_rows, specks, pool)?;
        let despill = Despill {
            screen: settings.screen,
            strength: settings.despill_strength,
            method: settings.despill_method,
        };
        let detail = depth(settings).map(|depth| {
            let fill = |y, row: &mut [f32]| matte.solid_row(y, row);
            Inside::new(size.width, &matte_rows, &depth, fill)
        });
        let restored =
            plate.and_then(|plate| Restored::new(plate, detail, settings.restore_range, despill));
        Ok(Key {
            size,
            rows,
            matte,
            foreground,
            despill,
            plate,
            restored,
            inside: None,
            outside: None,
        })
    }
}

impl Key<'_> {
    /// The same with its matte held to masks: solid where `inside` is, nothing where `outside` is
    /// solid. They are planes of 0..1 of the plate's size. The colour of what `inside` adds is the
    /// plate's, freed from spill.
    ///
    /// # Errors
    /// When a mask has another size or other planes, or `inside` is given and the key was made
    /// without the plate.
    pub fn held_to(mut self, inside: Option<Planes>, outside: Option<Planes>) -> Result<Self> {
        for mask in [&inside, &outside].into_iter().flatten() {
            mask.check("mask", &[1], "1")?;
            mask.check_size("mask", self.size)?;
        }
        if inside.is_some() && self.restored.is_none() {
            let plate = self.plate.ok_or(Error::MissingLayer {
                output: "foreground",
                layer: "plate",
            })?;
            self.restored = Some(Restored::masked(plate, self.despill));
        }
        self.inside = inside;
        self.outside = outside;
        Ok(self)
    }

    /// The plate's size.
    pub fn size(&self) -> Size {
        self.size
    }

    /// The rows of the plate that there are.
    pub fn rows(&self) -> Range<usize> {
        self.rows.clone()
    }

    /// `Ok` when all the rows can be read.
    pub(super) fn check_rows(&self, rows: &Range<usize>) -> Result<()> {
        let missing = |row| Error::Row {
            row,
            first: self.rows.start,
            last: self.rows.end,
        };
        if rows.is_empty() {
            Ok(())
        } else if rows.start < self.rows.start {
            Err(missing(rows.start))
        } else if rows.end > self.rows.end {
            Err(missing(rows.end - 1))
        } else {
            Ok(())
        }
    }

    /// Alpha in row `y`, for the columns `x0 .. x0 + out.len()`.
    pub(super) fn alpha_row(&self, y: usize, x0: usize, out: &mut [f32]) {
        self.matte.row(y, x0, out);
        let columns = x0..x0 + out.len();
        let [inside, outside] = [&self.inside, &self.outside]
            .map(|mask| mask.as_ref().map(|mask| &mask.row(0, y)[columns.clone()]));
        hold_to_masks(out, inside, outside);
    }

    /// The finished foreground in row `y`, straight and in `encoding`, for the columns from `x0`
    /// on, where the finished matte is `alpha`. All rows are equally long.
    pub(super) fn colour_row(
        &self,
        y: usize,
        x0: usize,
        alpha: &[f32],
        mut out: [&mut [f32]; 3],
        encoding: Encoding,
        scratch: &mut source::Scratch,
    ) {
        let rgb = out.each_mut().map(|row| &mut **row);
        self.foreground.row(y, x0, rgb, &mut scratch.enlarging);
        self.added_row(y, x0, alpha, &mut scratch.added);
        match &self.restored {
            Some(restored) => restored.row(y, x0, alpha, out, encoding, scratch),
            None => source::plain(out, &self.despill, encoding),
        }
    }

    /// Which share of the finished matte `alpha` the inside mask has added; empty where none has.
    fn added_row(&self, y: usize, x0: usize, alpha: &[f32], out: &mut Vec<f32>) {
        out.clear();
        let held = |inside: &Planes| {
            let inside = &inside.row(0, y)[x0..x0 + alpha.len()];
            inside.iter().any(|inside| *inside > 0.0)
        };
        if !self.inside.as_ref().is_some_and(held) {
            return;
        }
        out.resize(alpha.len(), 0.0);
        self.matte.row(y, x0, out);
        for (out, alpha) in out.iter_mut().zip(alpha) {
            *out = if *alpha > *out {
                (alpha - out.max(0.0)) / alpha
            } else {
                0.0
            };
        }
    }

    /// Alpha of the rows there are, as a picture of one plane.
    pub fn alpha(&self) -> Planes {
        let mut planes = Planes::new(self.size.width, self.rows.len(), 1);
        for (line, y) in self.rows().enumerate() {
            self.alpha_row(y, 0, planes.row_mut(0, line));
        }
        planes
    }

    /// The network's foreground of the rows there are, sRGB-encoded, straight and freed from spill:
    /// three planes. Nothing of the plate has come back in it.
    pub fn foreground(&self) -> Planes {
        let width = self.size.width;
        let mut planes = Planes::new(width, self.rows.len(), 3);
        let first = self.rows.start;
        let [red, green, blue] = planes.planes_mut();
        let mut scratch = RowScratch::default();
        for y in self.rows() {
            let line = (y - first) * width..(y - first + 1) * width;
            let [red, green, blue] =
                [&mut *red, &mut *green, &mut *blue].map(|plane| &mut plane[line.clone()]);
            let rgb = [&mut *red, &mut *green, &mut *blue];
            self.foreground.row(y, 0, rgb, &mut scratch);
            self.despill.row([red, green, blue]);
        }
        planes
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::geometry::{Fit, SizeRule};
    use super::super::settings::Resolution;
    use super::*;

    fn prediction(size: Size) -> Prediction {
        let mut alpha = Planes::new(size.width, size.height, 1);
        for (i, v) in alpha.data_mut().iter_mut().enumerate() {
            let (x, y) = (i % size.width, i / size.width);
            *v = (0.5 + 0.5 * ((x as f32 * 0.21).sin() * (y as f32 * 0.13).cos())).clamp(0.0, 1.0);
        }
        let mut foreground = Planes::new(size.width, size.height, 3);
        for (i, v) in foreground.data_mut().iter_mut().enumerate() {
            *v = (i % 97) as f32 / 96.0;
        }
        Prediction { alpha, foreground }
    }

    fn geometry(plate: Size, max_long: usize) -> Geometry {
        let rule = SizeRule {
            fit: Fit::Aspect,
            multiple: 32,
            min: 32,
            max_long,
            auto_long: max_long,
        };
        Geometry::new(plate, plate, &rule, Resolution::Auto).unwrap()
    }

    #[test]
    fn rows_are_the_same_whichever_are_asked_for() {
        let pool = Pool::new(1 << 24);
        for max_long in [64, 2048] {
            let geometry = geometry(Size::new(150, 97), max_long);
            let prediction = prediction(geometry.network);
            for despeckle in [None, Some(30)] {
                let settings = FinishSettings {
                    despeckle,
                    ..FinishSettings::default()
                };
                let finish = |rows| {
                    finish(&prediction, &geometry, Screen::Blue, &settings, rows, &pool).unwrap()
                };
                let whole = finish(0..97);
                for rows in [0..1, 40..77, 96..97, 0..97, 13..13] {
                    let part = finish(rows.clone());
                    let offset = rows.start * 150;
                    assert_eq!(
                        part.alpha().data(),
                        &whole.alpha().data()[offset..offset + rows.len() * 150]
                    );
                    for channel in 0..3 {
                        assert_eq!(
                            part.foreground().plane(channel),
                            &whole.foreground().plane(channel)[offset..offset + rows.len() * 150]
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_kept_gives_the_same_key() {
        let pool = Pool::new(1 << 24);
        let geometry = geometry(Size::new(150, 97), 64);
        let prediction = prediction(geometry.network);
        let lanczos = Upsampling::Lanczos;
        let kept = Enlarged::new(&prediction, &geometry, Screen::Blue, lanczos, None, &pool);
        let kept = kept.unwrap().unwrap();
        for (grow, rows) in [(0.0, 0..97), (-2.5, 11..60), (3.0, 96..97)] {
            let mut settings = FinishSettings::default();
            settings.shape.grow = grow;
            let made = finish(
                &prediction,
                &geometry,
                Screen::Blue,
                &settings,
                rows.clone(),
                &pool,
            );
            let made = made.unwrap();
            // First without the foreground, and then with it.
            let colours = &prediction.foreground;
            if grow != 0.0 {
                kept.keep_foreground(colours, &pool).unwrap();
            }
            assert_eq!(kept.keeps_foreground(), grow != 0.0);
            let found = kept.finish(colours, &settings, rows, None, &pool).unwrap();
            assert_eq!(found.alpha(), made.alpha());
            assert_eq!(found.foreground(), made.foreground());
        }
        let error = |foreground, rows| {
            let key = kept.finish(foreground, &FinishSettings::default(), rows, None, &pool);
            key.map(|_| ()).unwrap_err().code()
        };
        assert_eq!(error(&prediction.foreground, 90..98), "picture.window");
        let other = Planes::new(32, 32, 3);
        assert_eq!(error(&other, 0..97), "picture.size");
        let refused = kept.keep_foreground(&other, &pool).unwrap_err();
        assert_eq!(refused.code(), "picture.size");
        // Where nothing was enlarged there is nothing to keep.
        let geometry = super::tests::geometry(Size::new(60, 40), 2048);
        let prediction = super::tests::prediction(geometry.network);
        let none = Enlarged::new(&prediction, &geometry, Screen::Green, lanczos, None, &pool);
        assert!(none.unwrap().is_none());
    }

    #[test]
    fn the_exchange_is_undone() {
        let pool = Pool::new(0);
        let geometry = geometry(Size::new(60, 40), 2048);
        let prediction = prediction(geometry.network);
        let settings = FinishSettings {
            despill_strength: 0.0,
            despeckle: None,
            ..FinishSettings::default()
        };
        let key = finish(&prediction, &geometry, Screen::Red, &settings, 0..40, &pool).unwrap();
        let foreground = key.foreground();
        for y in 0..40 {
            assert_eq!(foreground.row(0, y), &prediction.foreground.row(1, y)[..60]);
            assert_eq!(foreground.row(1, y), &prediction.foreground.row(0, y)[..60]);
            assert_eq!(foreground.row(2, y), &prediction.foreground.row(2, y)[..60]);
        }
    }

    #[test]
    fn the_repeated_border_is_left_out() {
        // The padding holds 1, the content 0: none of it may come back.
        let pool = Pool::new(0);
        for plate in [Size::new(70, 45), Size::new(140, 90)] {
            let geometry = geometry(plate, 96);
            let mut prediction = prediction(geometry.network);
            prediction.alpha.data_mut().fill(1.0);
            for y in 0..geometry.content.height {
                prediction.alpha.row_mut(0, y)[..geometry.content.width].fill(0.0);
            }
            let settings = FinishSettings {
                despeckle: None,
                ..FinishSettings::default()
            };
            let rows = 0..plate.height;
            let key = finish(
                &prediction,
                &geometry,
                Screen::Green,
                &settings,
                rows,
                &pool,
            )
            .unwrap();
            assert!(key.alpha().data().iter().all(|v| *v == 0.0));
        }
    }

    #[test]
    fn what_does_not_belong_together_is_refused() {
        let pool = Pool::new(0);
        let geometry = geometry(Size::new(60, 40), 2048);
        let good = prediction(geometry.network);
        let other = prediction(Size::new(32, 32));
        let settings = FinishSettings::default();
        let run = |prediction, rows| {
            finish(prediction, &geometry, Screen::Green, &settings, rows, &pool)
                .map(|_| ())
                .unwrap_err()
                .code()
        };
        assert_eq!(run(&other, 0..40), "picture.size");
        assert_eq!(run(&good, 0..41), "picture.window");
        #[allow(clippy::reversed_empty_ranges)]
        let turned = 30..20;
        assert_eq!(run(&good, turned), "picture.window");
    }
}
