//! One frame: settings, images, prediction, key, pixels.
//!
//! No lock of ours is held while the host is called, but for the turn that bounds the frames in
//! flight, under which the host is only asked whether to stop; and every call into the host happens
//! on the thread that the host rendered on.

use std::sync::LazyLock;

use ofx::{
    Channel, Clip, Components, Depth, Effect, Image, ImageView, RectD, RectI, RenderArgs, RowMut,
    Scale,
};
use xxhash_rust::xxh3::Xxh3;

use super::fetch::{self, Grid, Placed, RGB};
use super::patience::Patience;
use super::stages::Stages;
use super::status::{self, Report};
use super::{HINT, OUTPUT, SOURCE, Settings};
use crate::error::{Error, Result};
use crate::keyer::{
    self, Composition, Encoding, Geometry, HintChannel, HintSource, InputColour, Layers, Output,
    PixelScale, Planes, Pool, Screen, Size,
};
use crate::network::{Answer, Model, Request, Service};

/// Scratch planes kept between frames: enough for one UHD frame in flight.
static SCRATCH: LazyLock<Pool> = LazyLock::new(|| Pool::new(512 << 20));

/// A side longer than this is a host's "infinite", not a plate.
const LONGEST_SIDE: f64 = 65536.0;

/// Renders the window.
pub(super) fn render(effect: Effect<'_>, arguments: &RenderArgs) -> Result<()> {
    let stages = Stages::start();
    let settings = Settings::read(effect, arguments.time);
    let service = Service::global();
    let patience = Patience::new(&effect);

    let source = effect.clip(SOURCE)?;
    let source_image = source.fetch(arguments.time, None)?.ok_or_else(|| {
        Error::Clip(format!(
            "the Source input has no image at frame {}. Connect a plate there, or trim the render to the plate's range",
            arguments.time
        ))
    })?;
    let hint_image = fetch_hint(effect, &settings, arguments.time)?;
    let mut output_image = effect.clip(OUTPUT)?.fetch_output(arguments.time)?;

    let grid = Grid {
        scale: arguments.scale,
        pixel_aspect: output_image
            .pixel_aspect()
            .unwrap_or_else(|| source.pixel_aspect()),
    };
    let plate = placed(&source_image, &source);
    let canonical = canonical_region(&source, &plate, arguments.time);
    let region = grid.pixels(canonical);
    let full_scale = Grid {
        scale: Scale { x: 1.0, y: 1.0 },
        ..grid
    }
    .pixels(canonical);
    let model = service.models().find(&settings.model)?;
    let geometry = Geometry::new(
        size(region),
        size(full_scale),
        &model.size_rule,
        settings.resolution,
    )?;
    let frame = Frame {
        encoding: encoding(settings.input, plate.view.depth()),
        scale: pixel_scale(&grid),
        hint: hint_image.as_ref().map(|(image, clip)| placed(image, clip)),
        settings,
        plate,
        grid,
        region,
        model,
        geometry,
        stages,
    };

    let _turn = service.admit(&patience)?;
    let key = frame.stages.time("fingerprint", || {
        service.install(|| Ok::<_, Error>(frame.key()))
    })?;
    let mut ran = false;
    let answer = service.cache().get_or_compute(key, &patience, || {
        ran = true;
        frame.predict(service, &patience)
    })?;
    patience.check()?;
    let mut view = output_image.view_mut();
    let window = arguments.window.intersect(&view.bounds());
    let inside = window.intersect(&region);
    if inside != window {
        // Beyond the plate there is nothing: transparent black.
        let nothing = vec![0.0; window.width() as usize];
        for mut row in view.rows_mut(window) {
            row.write(&[&nothing, &nothing, &nothing, &nothing]);
        }
    }
    let rows = view.rows_mut(inside);
    service.install(|| frame.write(&answer, inside, rows))?;

    let source = if ran { "" } else { "stored prediction, " };
    let time = format!("{source}{}", frame.stages);
    log::debug!("frame {}: {time}", arguments.time);
    status::remember(
        effect.instance_id(),
        Report {
            model: format!("{} {}", frame.model.name, frame.model.version),
            device: answer.device.clone(),
            size: (frame.geometry.network.width, frame.geometry.network.height),
            time,
        },
    );
    Ok(())
}

/// The hint's image, when the settings ask for the Hint input.
///
/// Auto decides by the connection alone, never by what the pixels look like.
fn fetch_hint<'a>(
    effect: Effect<'a>,
    settings: &Settings,
    time: f64,
) -> Result<Option<(Image<'a>, Clip<'a>)>> {
    let wanted = matches!(settings.hint_source, HintSource::Auto | HintSource::Hint);
    let clip = effect
        .clip_optional(HINT)?
        .filter(|clip| wanted && clip.connected());
    let Some(clip) = clip else {
        return match settings.hint_source {
            HintSource::Hint => Err(Error::Clip(
                "Hint Source is set to Hint Input, but nothing is connected to Hint. Connect a rough matte, or set \
                 Hint Source to Auto or Screen Key"
                    .into(),
            )),
            _ => Ok(None),
        };
    };
    match clip.fetch(time, None)? {
        Some(image) => Ok(Some((image, clip))),
        None => Err(Error::Clip(format!(
            "the Hint input is connected but has no image at frame {time}. Extend the hint to the plate's range, \
             disconnect it, or set Hint Source to Screen Key"
        ))),
    }
}

fn placed<'a>(image: &'a Image<'_>, clip: &Clip<'_>) -> Placed<'a> {
    let grid = Grid {
        scale: image.render_scale(),
        pixel_aspect: image.pixel_aspect().unwrap_or_else(|| clip.pixel_aspect()),
    };
    Placed {
        view: image.view(),
        grid,
    }
}

/// Where the plate lies, in canonical coordinates: its region of definition, or what its image
/// covers when the host does not say (or says "everywhere").
fn canonical_region(clip: &Clip<'_>, plate: &Placed<'_>, time: f64) -> RectD {
    let usable = |region: &RectD| {
        let within = |a: f64, b: f64| b > a && (b - a) <= LONGEST_SIDE;
        within(region.x1, region.x2) && within(region.y1, region.y2)
    };
    clip.region_of_definition(time)
        .ok()
        .filter(usable)
        .unwrap_or_else(|| plate.grid.canonical(plate.view.bounds()))
}

/// What the Source clip's values mean.
fn encoding(input: InputColour, depth: Depth) -> Encoding {
    match (input, depth) {
        (InputColour::Srgb, _) | (InputColour::Auto, Depth::Byte | Depth::Short) => Encoding::Srgb,
        (InputColour::Linear, _) | (InputColour::Auto, Depth::Half | Depth::Float) => {
            Encoding::Linear
        }
    }
}

/// Pixels of the render per square full-scale pixel of the plate.
fn pixel_scale(grid: &Grid) -> PixelScale {
    PixelScale {
        x: grid.scale.x / grid.pixel_aspect,
        y: grid.scale.y,
    }
}

fn size(region: RectI) -> Size {
    let (width, height) = fetch::size(region);
    Size::new(width, height)
}

/// Everything that the pixels of one frame depend on.
struct Frame<'a> {
    settings: Settings,
    plate: Placed<'a>,
    hint: Option<Placed<'a>>,
    /// The pixels of the output.
    grid: Grid,
    /// The whole plate in those pixels.
    region: RectI,
    encoding: Encoding,
    scale: PixelScale,
    model: Model,
    geometry: Geometry,
    stages: Stages,
}

impl Frame<'_> {
    /// A fingerprint of all that the network's answer depends on, and of nothing else.
    fn key(&self) -> u128 {
        let mut hash = Xxh3::new();
        hash.update(&fetch::fingerprint(&self.plate).to_le_bytes());
        if let Some(hint) = &self.hint {
            hash.update(&fetch::fingerprint(hint).to_le_bytes());
        }
        let settings = &self.settings;
        // One line of text: the parts are few, and their names cannot run into each other.
        let upstream = format!(
            "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {} {} {:?} {:?} {:?}",
            self.region,
            self.grid,
            self.geometry,
            self.encoding,
            settings.hint_source,
            settings.hint_channel,
            settings.screen,
            settings.device,
            settings.precision,
            self.model.sha256,
            self.model.full_id(),
            self.model.normalisation,
            self.model.screens,
            settings.refiner_strength,
        );
        hash.update(upstream.as_bytes());
        hash.digest128()
    }

    fn plate(&self) -> Planes {
        self.stages.time("read", || {
            fetch::read(&self.plate, &self.grid, self.region, &RGB)
        })
    }

    /// The hint that somebody gave: from the Hint clip or the plate's own alpha, over the region.
    fn given_hint(&self) -> Result<Option<Planes>> {
        let (image, channels, choice) = match (&self.hint, self.settings.hint_source) {
            (Some(hint), _) => (
                hint,
                fetch::hint_channels(hint.view.components()),
                self.settings.hint_channel,
            ),
            (None, HintSource::SourceAlpha) => {
                (&self.plate, &[Channel::Alpha] as &[_], HintChannel::Alpha)
            }
            (None, _) => return Ok(None),
        };
        // Which channel speaks is decided on the clip's own pixels: the nothing around a small
        // clip would make an alpha that is solid everywhere look as if it said something.
        let bounds = image.view.bounds();
        let own = fetch::read(image, &image.grid, bounds, channels);
        let hint = keyer::hint_from_clip(&own, choice)?;
        if bounds == self.region && image.grid == self.grid {
            return Ok(Some(hint));
        }
        let row_bytes = hint.width() * size_of::<f32>();
        let view = ImageView::from_bytes(
            bytemuck::cast_slice(hint.data()),
            bounds,
            Depth::Float,
            Components::Alpha,
            // Our row 0 is the highest.
            -(row_bytes as isize),
        )
        .map_err(|error| Error::Clip(format!("the Hint input cannot be used: {error}")))?;
        let placed = Placed {
            view,
            grid: image.grid,
        };
        Ok(Some(fetch::read(
            &placed,
            &self.grid,
            self.region,
            &[Channel::Alpha],
        )))
    }

    /// The screen's colour and the hint, before the network's resize.
    fn screen_and_hint(&self, plate: &Planes) -> Result<(Screen, Planes)> {
        let given = self.given_hint()?;
        let screen = match self.settings.screen.named() {
            Some(screen) => screen,
            None => keyer::detect(plate, self.encoding, given.as_ref())?,
        };
        let hint = match given {
            Some(hint) => hint,
            None => keyer::hint_from_screen(plate, self.encoding, screen)?,
        };
        Ok((screen, hint))
    }

    /// Runs the network.
    fn predict(&self, service: &Service, patience: &Patience<'_>) -> Result<Answer> {
        let (input, screen, exchange) = service.install(|| {
            let plate = self.plate();
            let (screen, hint) = self.stages.time("hint", || self.screen_and_hint(&plate))?;
            // A model that knows the colour sees the plate as it is.
            let exchange = if self.model.screens.contains(&screen) {
                Screen::Green
            } else {
                screen
            };
            let prepare = || {
                keyer::prepare(
                    &plate,
                    &hint,
                    &self.geometry,
                    self.encoding,
                    exchange,
                    &self.model.normalisation,
                    &SCRATCH,
                )
            };
            let input = self.stages.time("prepare", prepare)?;
            Ok::<_, Error>((input, screen, exchange))
        })?;
        let request = Request {
            model: &self.model,
            device: self.settings.device,
            precision: self.settings.precision,
            input: &input,
            refiner_strength: self.settings.refiner_strength,
        };
        let outcome = self
            .stages
            .time("network", || service.predict(&request, patience))?;
        SCRATCH.give(input.data);
        let mut device = outcome.device.name().to_owned();
        for note in &outcome.notes {
            device.push_str("; ");
            device.push_str(note);
        }
        Ok(Answer {
            prediction: outcome.prediction,
            screen,
            exchange,
            device,
            milliseconds: outcome.milliseconds,
        })
    }

    /// Finishes the key and writes the rows of a window that lies inside the plate.
    fn write(&self, answer: &Answer, window: RectI, rows: Vec<RowMut<'_>>) -> Result<()> {
        if window.is_empty() {
            return Ok(());
        }
        // Row 0 of the planes is the highest y.
        let from_top = |y: i32| y.abs_diff(self.region.y2 - 1) as usize;
        let shown = from_top(window.y2 - 1)..from_top(window.y1) + 1;
        let left = window.x1.abs_diff(self.region.x1) as usize;

        let mode = self.settings.output;
        let finish = self.settings.finish(answer.screen, self.scale);
        let make = || {
            let (prediction, exchange) = (&answer.prediction, answer.exchange);
            keyer::finish(
                prediction,
                &self.geometry,
                exchange,
                &finish,
                shown,
                &SCRATCH,
            )
        };
        let key = match mode {
            Output::Hint => None,
            _ => Some(self.stages.time("key", make)?),
        };
        let plate = matches!(mode, Output::SourceMatte | Output::Hint).then(|| self.plate());
        let hint = match (mode, &plate) {
            (Output::Hint, Some(plate)) => Some(self.screen_and_hint(plate)?.1),
            _ => None,
        };
        let layers = Layers {
            key: key.as_ref(),
            plate: plate.as_ref(),
            hint: hint.as_ref(),
        };
        let picture = Composition::new(mode, self.encoding, layers, self.scale)?;
        let rows = rows
            .into_iter()
            .map(|row| (from_top(row.y()), row))
            .collect();
        let columns = left..left + window.width() as usize;
        let write = |mut row: RowMut<'_>, planes: &[&[f32]; 4]| row.write(planes);
        self.stages
            .time("write", || picture.for_each_row(columns, rows, write))?;
        Ok(())
    }
}
