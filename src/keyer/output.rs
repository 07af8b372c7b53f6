//! The picture the host asked for, row by row, for its window only.
//!
//! Colour is converted to the host's encoding while it is straight, and multiplied by alpha after:
//! a curve applied to premultiplied colour is wrong at every soft pixel. Matte and Hint are data
//! and go out as they are.
//!
//! | output | red, green, blue | alpha |
//! |---|---|---|
//! | Processed | foreground × alpha | alpha |
//! | Matte | alpha | alpha |
//! | Foreground | foreground, straight | alpha |
//! | Composite | foreground over a background or a checkerboard, in linear light | 1 |
//! | Hint | hint | hint |
//! | SourceMatte | the plate as it came × alpha | alpha |
//! | Screen | the screen without the subject | 1 |
//! | Status | alpha in grey, false colours ([`super::status`] has the legend) | 1 |
//!
//! Source of Processed and Composite: the original engine. For a linear host Processed is
//! `to_linear(despilled) · alpha`, Composite `fg · a + bg · (1 - a)` in linear light over squares
//! of 128 pixels, `(x / 128 + y / 128) mod 2`, of sRGB 0.15 and 0.55. Nothing is limited except by
//! the curves, which read what the network says below 0 as 0; what comes back of the plate
//! ([`super::source`]) stays below 0.

use std::ops::Range;

use rayon::prelude::*;

use super::colour::Encoding;
use super::colour::srgb::{self, Negative};
use super::error::{Error, Result};
use super::image::{Planes, Size, Window};
use super::key::Key;
use super::screen::ScreenPlate;
use super::settings::{Output, PixelScale};
use super::source::Scratch;
use super::status;

/// The pictures that outputs are made of. Only those that an output shows are needed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Layers<'a> {
    /// The finished key.
    pub key: Option<&'a Key<'a>>,
    /// The plate, three planes in the encoding of the output.
    pub plate: Option<&'a Planes>,
    /// The hint that the network was given: one plane.
    pub hint: Option<&'a Planes>,
    /// What Composite is put over, in linear light: three planes; a checkerboard without it.
    pub background: Option<&'a Planes>,
    /// The screen without the subject.
    pub screen: Option<&'a ScreenPlate>,
}

/// Squares of the checkerboard, in pixels at full scale.
const SQUARE: f64 = 128.0;
/// Its two greys, sRGB-encoded.
const GREYS: [f32; 2] = [0.15, 0.55];

/// An output, ready to be read row by row.
#[derive(Debug, Clone, Copy)]
pub struct Composition<'a> {
    picture: Picture<'a>,
    encoding: Encoding,
    scale: PixelScale,
    size: Size,
}

/// An output together with what it shows.
#[derive(Debug, Clone, Copy)]
enum Picture<'a> {
    Processed(&'a Key<'a>),
    Matte(&'a Key<'a>),
    Foreground(&'a Key<'a>),
    Composite(&'a Key<'a>, Option<&'a Planes>),
    Screen(&'a ScreenPlate),
    Status(&'a Key<'a>, &'a Planes),
    Hint(&'a Planes),
    SourceMatte(&'a Key<'a>, &'a Planes),
}

/// One row of four planes, kept from row to row.
#[derive(Debug, Clone, Default)]
pub struct RowBuffer {
    planes: [Vec<f32>; 4],
    scratch: Scratch,
}

impl RowBuffer {
    /// Red, green, blue and alpha of the row that was composed last.
    pub fn planes(&self) -> [&[f32]; 4] {
        self.planes.each_ref().map(Vec::as_slice)
    }

    fn resized(&mut self, length: usize) -> ([&mut [f32]; 4], &mut Scratch) {
        let planes = self.planes.each_mut().map(|plane| {
            plane.resize(length, 0.0);
            plane.as_mut_slice()
        });
        (planes, &mut self.scratch)
    }
}

impl<'a> Composition<'a> {
    /// An output of `layers`, written in `encoding`.
    ///
    /// # Errors
    /// [`Error::MissingLayer`] when a picture that the output shows is not there; an error of size
    /// or channels when plate, hint and key are not of one size.
    pub fn new(
        output: Output,
        encoding: Encoding,
        layers: Layers<'a>,
        scale: PixelScale,
    ) -> Result<Self> {
        let missing = |layer| Error::MissingLayer {
            output: output.id(),
            layer,
        };
        let key = || layers.key.ok_or_else(|| missing("key"));
        let picture = match output {
            Output::Processed => Picture::Processed(key()?),
            Output::Matte => Picture::Matte(key()?),
            Output::Foreground => Picture::Foreground(key()?),
            Output::Composite => {
                if let Some(background) = layers.background {
                    background.check("background", &[3], "3")?;
                    background.check_size("background", key()?.size())?;
                }
                Picture::Composite(key()?, layers.background)
            }
            Output::Hint => {
                let hint = layers.hint.ok_or_else(|| missing("hint"))?;
                hint.check("hint", &[1], "1")?;
                Picture::Hint(hint)
            }
            Output::Status => {
                let hint = layers.hint.ok_or_else(|| missing("hint"))?;
                hint.check("hint", &[1], "1")?;
                hint.check_size("hint", key()?.size())?;
                Picture::Status(key()?, hint)
            }
            Output::Screen => Picture::Screen(layers.screen.ok_or_else(|| missing("screen"))?),
            Output::SourceMatte => {
                let plate = layers.plate.ok_or_else(|| missing("plate"))?;
                plate.check("plate", &[3], "3")?;
                plate.check_size("plate", key()?.size())?;
                Picture::SourceMatte(key()?, plate)
            }
        };
        let size = match picture {
            Picture::Hint(hint) => hint.size(),
            Picture::Screen(screen) => screen.size(),
            Picture::Processed(key)
            | Picture::Matte(key)
            | Picture::Foreground(key)
            | Picture::Composite(key, _)
            | Picture::Status(key, _)
            | Picture::SourceMatte(key, _) => key.size(),
        };
        Ok(Self {
            picture,
            encoding,
            scale,
            size,
        })
    }

    /// Composes the columns `columns` of several rows, in parallel. `rows` names each row (0 is
    /// the topmost of the plate) beside what `write` needs to put it where it belongs; `write` gets
    /// red, green, blue and alpha, each as long as `columns`.
    ///
    /// # Errors
    /// When a column or row is not the picture's, or the key does not hold the row.
    pub fn for_each_row<T: Send>(
        &self,
        columns: Range<usize>,
        rows: Vec<(usize, T)>,
        write: impl Fn(T, &[&[f32]; 4]) + Sync,
    ) -> Result<()> {
        for (y, _) in &rows {
            self.check(&columns, *y)?;
        }
        rows.into_par_iter()
            .for_each_init(RowBuffer::default, |buffer, (y, item)| {
                self.compose(y, &columns, buffer);
                write(item, &buffer.planes());
            });
        Ok(())
    }

    /// Composes one row for the columns `columns` into `buffer`.
    ///
    /// # Errors
    /// As [`Composition::for_each_row`].
    pub fn row(&self, y: usize, columns: Range<usize>, buffer: &mut RowBuffer) -> Result<()> {
        self.check(&columns, y)?;
        self.compose(y, &columns, buffer);
        Ok(())
    }

    /// Composes a window as a picture of four planes.
    ///
    /// # Errors
    /// As [`Composition::for_each_row`].
    pub fn planes(&self, window: Window) -> Result<Planes> {
        window.check(self.size)?;
        let size = window.size();
        let mut planes = Planes::new(size.width, size.height, 4);
        if size.is_empty() {
            return Ok(planes);
        }
        let [red, green, blue, alpha] = planes.planes_mut();
        let rows = red
            .chunks_exact_mut(size.width)
            .zip(green.chunks_exact_mut(size.width))
            .zip(blue.chunks_exact_mut(size.width))
            .zip(alpha.chunks_exact_mut(size.width))
            .zip(window.rows())
            .map(|((((red, green), blue), alpha), y)| (y, [red, green, blue, alpha]))
            .collect();
        self.for_each_row(window.columns(), rows, |out: [&mut [f32]; 4], row| {
            for (out, row) in out.into_iter().zip(row) {
                out.copy_from_slice(row);
            }
        })?;
        Ok(planes)
    }

    fn check(&self, columns: &Range<usize>, y: usize) -> Result<()> {
        let window = Window {
            x0: columns.start,
            y0: y,
            x1: columns.end,
            y1: y + 1,
        };
        window.check(self.size)?;
        match self.picture {
            Picture::Hint(_) | Picture::Screen(_) => Ok(()),
            Picture::Processed(key)
            | Picture::Matte(key)
            | Picture::Foreground(key)
            | Picture::Composite(key, _)
            | Picture::Status(key, _)
            | Picture::SourceMatte(key, _) => key.check_rows(&(y..y + 1)),
        }
    }

    fn compose(&self, y: usize, columns: &Range<usize>, buffer: &mut RowBuffer) {
        let x0 = columns.start;
        let ([red, green, blue, alpha], scratch) = buffer.resized(columns.len());
        match self.picture {
            Picture::Processed(key) => {
                key.alpha_row(y, x0, alpha);
                let rgb = [&mut *red, &mut *green, &mut *blue];
                visible_row(key, y, x0, alpha, rgb, self.encoding, scratch);
                for colour in [red, green, blue] {
                    for (colour, alpha) in colour.iter_mut().zip(alpha.iter()) {
                        *colour *= alpha;
                    }
                }
            }
            Picture::Foreground(key) => {
                key.alpha_row(y, x0, alpha);
                key.colour_row(y, x0, alpha, [red, green, blue], self.encoding, scratch);
            }
            Picture::Matte(key) => {
                key.alpha_row(y, x0, alpha);
                for colour in [red, green, blue] {
                    colour.copy_from_slice(alpha);
                }
            }
            Picture::Composite(key, background) => {
                key.alpha_row(y, x0, alpha);
                let rgb = [&mut *red, &mut *green, &mut *blue];
                visible_row(key, y, x0, alpha, rgb, Encoding::Linear, scratch);
                let front = [&mut *red, &mut *green, &mut *blue];
                for (channel, colour) in front.into_iter().enumerate() {
                    match background {
                        Some(background) => {
                            let row = &background.row(channel, y)[columns.clone()];
                            over(colour, alpha, row);
                        }
                        None => self.over_checkerboard(y, x0, colour, alpha),
                    }
                    if self.encoding == Encoding::Srgb {
                        srgb::row_to_srgb(colour, Negative::Clamp);
                    }
                }
                if self.encoding != Encoding::Srgb {
                    self.encoding.rows_from_linear([red, green, blue]);
                }
                alpha.fill(1.0);
            }
            Picture::Screen(screen) => {
                screen.row(y, x0, [&mut *red, &mut *green, &mut *blue]);
                self.encoding.rows_from_linear([red, green, blue]);
                alpha.fill(1.0);
            }
            Picture::Status(key, hint) => {
                key.alpha_row(y, x0, alpha);
                let hint = &hint.row(0, y)[columns.clone()];
                let colours = alpha.iter().zip(hint).map(|(a, h)| status::colour(*a, *h));
                let out = red.iter_mut().zip(green.iter_mut()).zip(blue.iter_mut());
                for (((red, green), blue), colour) in out.zip(colours) {
                    [*red, *green, *blue] = colour;
                }
                self.encoding.rows_from_srgb([red, green, blue]);
                alpha.fill(1.0);
            }
            Picture::Hint(hint) => {
                let row = &hint.row(0, y)[columns.clone()];
                for plane in [red, green, blue, alpha] {
                    plane.copy_from_slice(row);
                }
            }
            Picture::SourceMatte(key, plate) => {
                key.alpha_row(y, x0, alpha);
                for (channel, colour) in [red, green, blue].into_iter().enumerate() {
                    let row = &plate.row(channel, y)[columns.clone()];
                    for ((colour, value), alpha) in colour.iter_mut().zip(row).zip(alpha.iter()) {
                        *colour = if value.is_finite() {
                            *value * alpha
                        } else {
                            0.0
                        };
                    }
                }
            }
        }
    }

    /// Linear colour over the checkerboard. Squares are counted from the plate's upper left corner
    /// in full-scale pixels, so that windows and proxies show the same board.
    fn over_checkerboard(&self, y: usize, x0: usize, colour: &mut [f32], alpha: &[f32]) {
        let greys = GREYS.map(srgb::srgb_to_linear);
        let (wide, tall) = (SQUARE * self.scale.x, SQUARE * self.scale.y);
        let line = (y as f64 / tall) as usize;
        let mut x = 0;
        while x < colour.len() {
            let square = ((x0 + x) as f64 / wide) as usize;
            // The first pixel of the next square; at least one pixel on, whatever the scale.
            let next = ((square + 1) as f64 * wide).ceil() as usize;
            let end = next.saturating_sub(x0).clamp(x + 1, colour.len());
            let grey = greys[(square + line) % 2];
            for (colour, alpha) in colour[x..end].iter_mut().zip(&alpha[x..end]) {
                *colour = *colour * alpha + grey * (1.0 - alpha);
            }
            x = end;
        }
    }
}

/// Columns that are looked at together for whether anything of them is seen.
const BLOCK: usize = 64;

/// A row of the key's colour that will be multiplied by alpha: 0 in blocks where alpha is 0, which
/// is most of many pictures, and what [`Key::colour_row`] gives elsewhere.
fn visible_row(
    key: &Key<'_>,
    y: usize,
    x0: usize,
    alpha: &[f32],
    rgb: [&mut [f32]; 3],
    encoding: Encoding,
    scratch: &mut Scratch,
) {
    let [red, green, blue] = rgb;
    // Without the sign all bits of 0 are 0, of both of them.
    let empty = |block: &[f32]| block.iter().fold(0, |bits, v| bits | v.to_bits() << 1) == 0;
    let mut blocks = alpha.chunks(BLOCK).map(empty).peekable();
    let mut from = 0;
    while let Some(is_empty) = blocks.next() {
        let mut to = from + BLOCK;
        while blocks.next_if_eq(&is_empty).is_some() {
            to += BLOCK;
        }
        let to = to.min(alpha.len());
        let (seen, columns) = (&alpha[from..to], from..to);
        let part = [
            &mut red[columns.clone()],
            &mut green[columns.clone()],
            &mut blue[columns],
        ];
        if is_empty {
            part.into_iter().for_each(|part| part.fill(0.0));
        } else {
            key.colour_row(y, x0 + from, seen, part, encoding, scratch);
        }
        from = to;
    }
}

/// Linear colour over a background, in place.
fn over(colour: &mut [f32], alpha: &[f32], background: &[f32]) {
    for ((colour, alpha), background) in colour.iter_mut().zip(alpha).zip(background) {
        *colour = *colour * alpha + background * (1.0 - alpha);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::geometry::{Fit, Geometry, SizeRule};
    use super::super::key::finish;
    use super::super::restore::Prediction;
    use super::super::scratch::Pool;
    use super::super::settings::{FinishSettings, Resolution, Screen};
    use super::*;
    use proptest::prelude::*;

    /// A plate, a hint and a prediction with values below 0 and above 1.
    struct Scene {
        plate: Planes,
        hint: Planes,
        prediction: Prediction,
        geometry: Geometry,
        pool: Pool,
    }

    impl Scene {
        fn new(size: Size, max_long: usize) -> Self {
            let rule = SizeRule {
                fit: Fit::Aspect,
                multiple: 8,
                min: 8,
                max_long,
                auto_long: max_long,
            };
            let geometry = Geometry::new(size, size, &rule, Resolution::Auto).unwrap();
            let wave = |size: Size, channels: usize, low: f32, high: f32| {
                let mut planes = Planes::new(size.width, size.height, channels);
                for (i, v) in planes.data_mut().iter_mut().enumerate() {
                    let (x, y) = ((i % size.width) as f32, (i / size.width) as f32);
                    let wave = 0.5 + 0.5 * (x * 0.19).sin() * (y * 0.11 + 0.4).cos();
                    *v = low + (high - low) * wave;
                }
                planes
            };
            Self {
                plate: wave(size, 3, -0.1, 4.0),
                hint: wave(size, 1, 0.0, 1.0),
                prediction: Prediction {
                    alpha: wave(geometry.network, 1, 0.0, 1.0),
                    foreground: wave(geometry.network, 3, -0.05, 1.4),
                },
                geometry,
                pool: Pool::new(1 << 24),
            }
        }

        fn key(&self, settings: &FinishSettings, rows: Range<usize>) -> Key<'_> {
            let exchange = Screen::Green;
            finish(
                &self.prediction,
                &self.geometry,
                exchange,
                settings,
                rows,
                &self.pool,
            )
            .unwrap()
        }

        fn compose(
            &self,
            output: Output,
            encoding: Encoding,
            key: &Key<'_>,
            window: Window,
        ) -> Planes {
            let layers = Layers {
                key: Some(key),
                plate: Some(&self.plate),
                hint: Some(&self.hint),
                ..Layers::default()
            };
            Composition::new(output, encoding, layers, PixelScale::ONE)
                .unwrap()
                .planes(window)
                .unwrap()
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn a_window_is_a_part_of_the_whole(
            width in 1_usize..300, height in 1_usize..60, max_long in prop_oneof![Just(40_usize), Just(4096)],
            x in 0_usize..300, y in 0_usize..60, w in 1_usize..300, h in 1_usize..60,
            output in 0..6_i32, linear: bool, despeckle: bool,
        ) {
            let size = Size::new(width, height);
            let scene = Scene::new(size, max_long);
            let settings = FinishSettings {
                despeckle: despeckle.then_some(50),
                ..FinishSettings::default()
            };
            let (x0, y0) = (x % width, y % height);
            let window = Window { x0, y0, x1: (x0 + w).min(width), y1: (y0 + h).min(height) };
            let output = Output::from_index(output).unwrap();
            let encoding = if linear { Encoding::Linear } else { Encoding::Srgb };
            let whole = scene.key(&settings, 0..height);
            let whole = scene.compose(output, encoding, &whole, Window::full(size));
            prop_assert!(whole.data().iter().all(|v| v.is_finite()));
            // Only the window's rows are finished.
            let part = scene.key(&settings, window.rows());
            let part = scene.compose(output, encoding, &part, window);
            for channel in 0..4 {
                for (line, y) in window.rows().enumerate() {
                    prop_assert_eq!(part.row(channel, line), &whole.row(channel, y)[window.columns()]);
                }
            }
        }
    }

    #[test]
    fn colour_is_converted_before_it_is_multiplied() {
        let size = Size::new(90, 40);
        let scene = Scene::new(size, 4096);
        let settings = FinishSettings::default();
        let key = scene.key(&settings, 0..40);
        let (alpha, foreground) = (key.alpha(), key.foreground());
        let full = Window::full(size);
        let processed = scene.compose(Output::Processed, Encoding::Linear, &key, full);
        let encoded = scene.compose(Output::Processed, Encoding::Srgb, &key, full);
        let straight = scene.compose(Output::Foreground, Encoding::Linear, &key, full);
        let mut beyond = false;
        for channel in 0..3 {
            for (i, colour) in foreground.plane(channel).iter().enumerate() {
                let a = alpha.plane(0)[i];
                let linear = srgb::srgb_to_linear(*colour);
                beyond |= linear > 1.5 && a > 0.5;
                let near = |value: f32, wanted: f32| {
                    assert!((value - wanted).abs() <= 1e-6 * wanted.abs().max(0.01));
                };
                near(processed.plane(channel)[i], linear * a);
                near(straight.plane(channel)[i], linear);
                assert_eq!(encoded.plane(channel)[i], colour * a);
            }
        }
        assert!(beyond, "the scene has no bright subject to lose");
        for picture in [&processed, &encoded, &straight] {
            assert_eq!(picture.plane(3), alpha.plane(0));
        }
    }

    #[test]
    fn data_and_plates_go_out_as_they_are() {
        let size = Size::new(33, 21);
        let mut scene = Scene::new(size, 4096);
        scene.plate.row_mut(1, 3)[4] = f32::NAN;
        scene.plate.row_mut(2, 5)[6] = f32::INFINITY;
        let key = scene.key(&FinishSettings::default(), 0..21);
        let full = Window::full(size);
        for encoding in [Encoding::Srgb, Encoding::Linear] {
            let matte = scene.compose(Output::Matte, encoding, &key, full);
            let hint = scene.compose(Output::Hint, encoding, &key, full);
            let source = scene.compose(Output::SourceMatte, encoding, &key, full);
            for channel in 0..4 {
                assert_eq!(matte.plane(channel), key.alpha().plane(0));
                assert_eq!(hint.plane(channel), scene.hint.plane(0));
            }
            assert_eq!(source.plane(3), key.alpha().plane(0));
            for channel in 0..3 {
                let plate = scene.plate.plane(channel);
                for (i, out) in source.plane(channel).iter().enumerate() {
                    let plate = if plate[i].is_finite() { plate[i] } else { 0.0 };
                    assert_eq!(*out, plate * key.alpha().plane(0)[i]);
                }
            }
        }
    }

    #[test]
    fn a_proxys_checkerboard_is_the_full_ones() {
        let board = |size: Size, scale: PixelScale| {
            let mut scene = Scene::new(size, 4096);
            scene.prediction.alpha.data_mut().fill(0.0);
            let settings = FinishSettings {
                scale,
                ..FinishSettings::default()
            };
            let key = scene.key(&settings, 0..size.height);
            let layers = Layers {
                key: Some(&key),
                ..Layers::default()
            };
            Composition::new(Output::Composite, Encoding::Linear, layers, scale)
                .unwrap()
                .planes(Window::full(size))
                .unwrap()
        };
        let full = board(Size::new(600, 300), PixelScale::ONE);
        let half = board(Size::new(300, 75), PixelScale { x: 0.5, y: 0.25 });
        for y in 0..75 {
            for x in 0..300 {
                assert_eq!(half.row(0, y)[x], full.row(0, 4 * y)[2 * x]);
            }
        }
        assert_eq!(full.row(0, 0)[0], srgb::srgb_to_linear(0.15));
        assert_eq!(full.row(0, 0)[128], srgb::srgb_to_linear(0.55));
        assert_eq!(full.row(0, 128)[128], srgb::srgb_to_linear(0.15));
    }

    #[test]
    fn outputs_ask_for_what_they_show() {
        let size = Size::new(16, 12);
        let scene = Scene::new(size, 4096);
        let new = |output, layers| {
            Composition::new(output, Encoding::Linear, layers, PixelScale::ONE)
                .map(|_| ())
                .unwrap_err()
                .code()
        };
        for output in Output::ALL {
            assert_eq!(new(*output, Layers::default()), "picture.layer");
        }
        // The hint is seen without a key.
        let layers = Layers {
            hint: Some(&scene.hint),
            ..Layers::default()
        };
        let hint = Composition::new(Output::Hint, Encoding::Linear, layers, PixelScale::ONE);
        let hint = hint.unwrap();
        assert!(hint.planes(Window::full(size)).is_ok());
        let outside = Window {
            x0: 0,
            y0: 0,
            x1: 17,
            y1: 12,
        };
        assert_eq!(hint.planes(outside).unwrap_err().code(), "picture.window");
        // Rows that were not finished cannot be composed.
        let key = scene.key(&FinishSettings::default(), 3..9);
        let layers = Layers {
            key: Some(&key),
            ..Layers::default()
        };
        let matte = Composition::new(Output::Matte, Encoding::Linear, layers, PixelScale::ONE);
        let matte = matte.unwrap();
        let mut buffer = RowBuffer::default();
        assert!(matte.row(3, 0..16, &mut buffer).is_ok());
        assert_eq!(
            matte.row(2, 0..16, &mut buffer).unwrap_err().code(),
            "picture.row"
        );
        assert_eq!(
            matte.row(9, 0..16, &mut buffer).unwrap_err().code(),
            "picture.row"
        );
    }
}
