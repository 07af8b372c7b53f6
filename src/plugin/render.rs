//! One frame: settings, images, prediction, key, pixels.
//!
//! No lock of ours is held while the host is called, but for the turn that bounds the frames in
//! flight, under which the host is asked whether to stop and, in frames that take long, told how
//! far they are; and every call into the host happens on the thread that the host rendered on.

use std::fmt;
use std::sync::{Arc, LazyLock};

use ofx::{Effect, Field, RectD, RectI, RenderArgs, Rendered, RowMut, Scale};
use xxhash_rust::xxh3::Xxh3;

use super::background::BackgroundImage;
use super::fetch::{self, Grid};
use super::finish::{self, Finish};
use super::frame::{self, Frame, Masks};
use super::instead;
use super::neighbours::{self, Around};
use super::patience::Patience;
use super::pictures::{Gap, Pictures};
use super::stages::Stages;
use super::status::{self, Report};
use super::{OUTPUT, SOURCE, Settings, region};
use crate::error::{Error, Result};
use crate::keyer::{
    self, Backing, Bounds, Composition, Geometry, HintSource, Layers, Lease, OnFailure, Output,
    PixelScale, Plate, Pool, Screen, ScreenPlate, Survey,
};
use crate::network::{self, Answer, Model, Request, Service};

/// Scratch planes kept between frames, while there are frames: enough for one UHD frame in flight.
pub(super) static SCRATCH: LazyLock<Pool> = LazyLock::new(|| {
    Service::global().at_rest(|| {
        finish::purge();
        neighbours::purge();
        SCRATCH.purge();
        Service::global().cache().spare().purge();
    });
    Pool::new(512 << 20)
});

/// Gives back all memory that is not in use.
pub(super) fn purge() {
    Service::global().purge();
    finish::purge();
    neighbours::purge();
    SCRATCH.purge();
}

/// Renders the window: the picture that is asked for or, where it cannot be made, what the artist
/// wants to see instead.
pub(super) fn render(effect: Effect<'_>, arguments: &RenderArgs) -> Result<Rendered<Error>> {
    let Err(error) = keyed(effect, arguments) else {
        return Ok(Rendered::AsAsked);
    };
    // A render that is no longer wanted has not failed. A host that aborts also stops handing out
    // images, which looks like a failure.
    if error.is_abort() || effect.aborted() {
        return Err(error);
    }
    match Settings::read_on_failure(effect)? {
        OnFailure::Fail => return Err(error),
        OnFailure::Black => instead::black(effect, arguments)?,
        OnFailure::Plate => instead::plate(effect, arguments)?,
    }
    Ok(Rendered::InPlace(error))
}

/// Loads the model and builds its session for the plate at a frame, by running the network on
/// nothing. It runs beside the host's thread, which shows a progress bar and asks whether to stop.
///
/// # Errors
/// Whatever a render would fail with for want of a model, a device or memory.
pub(super) fn warm_up(effect: Effect<'_>, time: f64) -> Result<()> {
    let stages = Stages::start();
    let settings = Settings::read(effect, time)?;
    let service = Service::global();
    let patience = Patience::pressed(&effect);
    let source = effect.clip(SOURCE)?;
    let known = source
        .connected()
        .then(|| region::of_plate(effect, &source, time));
    let region = known.flatten().ok_or_else(|| {
        Error::Clip(format!(
            "the Source input has no picture at frame {time}, so that the size to prepare for is not known. \
             Connect a plate, go to one of its frames and press Warm Up again"
        ))
    })?;
    let grid = Grid {
        scale: Scale { x: 1.0, y: 1.0 },
        pixel_aspect: source.pixel_aspect(),
    };
    let network = Network::new(service, &settings, &grid, region)?;
    let keyer::Size { width, height } = network.geometry.network;
    let mut nothing = SCRATCH.planes(width, height, 4)?.into_planes();
    nothing.data_mut().fill(0.0);
    let input = keyer::NetworkInput {
        height,
        width,
        data: nothing.into_vec(),
    };
    let request = Request {
        model: &network.model,
        device: settings.device,
        precision: settings.precision,
        input: &input,
        refiner_strength: settings.refiner_strength,
    };
    let turn = service.admit(&patience)?;
    let outcome = stages.time("network", || service.predict(&request, &patience))?;
    drop(turn);
    SCRATCH.give(input.data);
    let report = Report {
        model: format!("{} {}", network.model.name, network.model.version),
        device: outcome.device.name().to_owned(),
        size: format!("{width} x {height}"),
        time: format!("warmed up in {stages}"),
        reading: String::new(),
    };
    status::remember(effect.instance_id(), &settings, report);
    Ok(())
}

/// Renders the key.
fn keyed(effect: Effect<'_>, arguments: &RenderArgs) -> Result<()> {
    let stages = Stages::start();
    let settings = Settings::read(effect, arguments.time)?;
    let service = Service::global();
    let patience = Patience::new(&effect);

    let pictures =
        Pictures::fetch(effect, settings, arguments.time)?.map_err(|Gap(missing)| missing)?;
    let output = pictures.settings.output;
    let background_image = BackgroundImage::fetch(effect, output, arguments.time)?;
    let mut output_image = effect.clip(OUTPUT)?.fetch_output(arguments.time)?;

    let grid = Grid {
        scale: arguments.scale,
        pixel_aspect: output_image
            .pixel_aspect()
            .unwrap_or_else(|| pictures.source.pixel_aspect()),
    };
    let (mut frame, network) = pictures.frame(effect, grid, service, stages)?;
    frame.background = background_image.as_ref().map(BackgroundImage::background);
    let region = frame.region;
    let seen = network.as_ref().map(|network| network.geometry.network);
    frame.check_memory(seen, service.options().picture_bytes)?;

    let _turn = service.admit(&patience)?;
    let shown = match &network {
        Some(network) => {
            let around = Around {
                effect,
                time: arguments.time,
                service,
                patience: &patience,
            };
            network.shown(&frame, &around)?
        }
        None if frame.settings.output == Output::Screen => Shown::screen(&frame, service)?,
        None => Shown::hint(&frame, service)?,
    };
    patience.check()?;
    let mut view = output_image.view_mut();
    let window = arguments.window.intersect(&view.bounds());
    let inside = window.intersect(&region);
    let asked = |row: &RowMut<'_>| is_of(row.y(), arguments.field);
    if inside != window {
        // Beyond the plate there is nothing: transparent black.
        let nothing = vec![0.0; window.width() as usize];
        for mut row in view.rows_mut(window).into_iter().filter(asked) {
            row.write(&[&nothing, &nothing, &nothing, &nothing]);
        }
    }
    if !inside.is_empty() {
        let rows = view.rows_mut(inside).into_iter().filter(asked).collect();
        service.install(|| write(&frame, &shown, inside, rows))?;
    }

    let mut report = shown.report;
    report.time.push_str(&frame.stages.to_string());
    log::debug!("frame {}: {}", arguments.time, report.time);
    status::remember(effect.instance_id(), &frame.settings, report);
    Ok(())
}

/// Whether a row is of the field that is to be rendered. Rows are counted from y = 0, wherever the
/// picture begins.
pub(super) fn is_of(y: i32, field: Field) -> bool {
    match field {
        Field::None | Field::Both => true,
        Field::Lower => y.rem_euclid(2) == 0,
        Field::Upper => y.rem_euclid(2) == 1,
    }
}

/// Pixels of the render per square full-scale pixel of the plate.
pub(super) fn pixel_scale(grid: &Grid) -> PixelScale {
    PixelScale {
        x: grid.scale.x / grid.pixel_aspect,
        y: grid.scale.y,
    }
}

/// What is written, and what there is to say about it.
struct Shown {
    picture: Picture,
    report: Report,
}

enum Picture {
    /// The key of an answer.
    Key(Box<Finish>),
    /// A hint over the frame.
    Hint(Lease<'static>),
    /// The screen over the frame.
    Screen(ScreenPlate),
}

impl Shown {
    /// The hint alone: made without a model, so that it can be seen where none works.
    fn hint(frame: &Frame<'_>, service: &Service) -> Result<Self> {
        let told = service.install(|| frame.stages.time("hint", || frame.told(None, false)))?;
        Ok(Self {
            picture: Picture::Hint(told.hint),
            report: Self::unused("the hint", frame.reading(told.screen, &told.words)),
        })
    }

    /// The screen alone.
    fn screen(frame: &Frame<'_>, service: &Service) -> Result<Self> {
        let (clean, screen) =
            service.install(|| frame.stages.time("screen", || frame.clean_plate()))?;
        Ok(Self {
            picture: Picture::Screen(clean),
            report: Self::unused("the screen", frame.reading(Some(screen), "not used")),
        })
    }

    /// What there is to say when no network was needed.
    fn unused(shown: &str, reading: String) -> Report {
        let unused = format!("not needed to show {shown}");
        Report {
            model: unused.clone(),
            device: unused.clone(),
            size: unused,
            time: String::new(),
            reading,
        }
    }
}

/// The model, and how it sees the plate.
pub(super) struct Network {
    model: Model,
    pub(super) geometry: Geometry,
    /// What it sees, in the pixels of the output.
    pub(super) frame: RectI,
}

impl Network {
    /// The model that is asked for, and how it sees a plate that lies there.
    ///
    /// # Errors
    /// When the model is not there or allows no size for the plate.
    pub(super) fn new(
        service: &Service,
        settings: &Settings,
        grid: &Grid,
        plate: RectD,
    ) -> Result<Self> {
        let model = service.models().find(&settings.model)?;
        let full_scale = Grid {
            scale: Scale { x: 1.0, y: 1.0 },
            ..*grid
        };
        let RectI { x1, y1, x2, y2 } = full_scale.pixels(plate);
        let plate = Bounds { x1, y1, x2, y2 };
        let (seen, geometry) = Geometry::on_lattice(plate, &model.size_rule, settings.resolution)?;
        let Bounds { x1, y1, x2, y2 } = seen;
        let frame = grid.pixels(full_scale.canonical(RectI { x1, y1, x2, y2 }));
        Ok(Self {
            model,
            geometry: geometry.at_scale(frame::size(frame)),
            frame,
        })
    }

    /// The answer for a frame, kept or made now, with its key, and whether it was made now.
    pub(super) fn answer(
        &self,
        frame: &Frame<'_>,
        service: &Service,
        patience: &Patience<'_>,
    ) -> Result<(u128, Arc<Answer>, bool)> {
        let key = frame.stages.time("fingerprint", || {
            service.install(|| Ok::<_, Error>(self.key(frame)))
        })?;
        let mut ran = false;
        let answer = service.cache().get_or_compute(key, patience, || {
            ran = true;
            self.predict(frame, service, patience)
        })?;
        Ok((key, answer, ran))
    }

    /// The key of a frame.
    fn shown(&self, frame: &Frame<'_>, around: &Around<'_, '_>) -> Result<Shown> {
        let (key, answer, ran) = self.answer(frame, around.service, around.patience)?;
        let steady = around.steady(frame, self, key, &answer)?;
        // The answer may have been made for another colour that gives the same prediction.
        let screen = frame.settings.screen.named().unwrap_or(answer.screen);
        let network = self.geometry.network;
        let mut time = if ran { "" } else { "stored prediction, " }.to_owned();
        for neighbour in steady.iter().flat_map(|steady| &steady.ran) {
            time.push_str(&format!("frame {neighbour} predicted too, "));
        }
        let mut reading = frame.reading(Some(screen), &answer.hint);
        if frame.settings.stabilise > 0.0 {
            let words = steady.as_ref().map(|steady| steady.words.as_str());
            reading.push_str("; ");
            reading.push_str(words.unwrap_or("no neighbouring frame to be steadied by"));
        }
        let report = Report {
            model: format!("{} {}", self.model.name, self.model.version),
            device: answer.device.clone(),
            size: format!("{} x {}", network.width, network.height),
            time,
            reading,
        };
        let finish = Finish {
            key,
            answer,
            steady,
            geometry: self.geometry,
            screen,
        };
        Ok(Shown {
            picture: Picture::Key(Box::new(finish)),
            report,
        })
    }

    /// A fingerprint of all that the network's answer depends on, and of nothing else.
    fn key(&self, frame: &Frame<'_>) -> u128 {
        let mut hash = Xxh3::new();
        hash.update(&fetch::fingerprint(&frame.plate).to_le_bytes());
        let guides = frame.guides;
        for (name, guide) in [
            ("hint", &guides.hint),
            ("inside", &guides.inside),
            ("outside", &guides.outside),
        ] {
            if let Some(guide) = guide {
                hash.update(name.as_bytes());
                hash.update(&[u8::from(guide.opaque)]);
                hash.update(&fetch::fingerprint(&guide.placed).to_le_bytes());
            }
        }
        let (settings, model) = (&frame.settings, &self.model);
        // A colour shapes the prediction through the exchange of channels, and through the hint
        // where the hint is made from it.
        let given = guides.hint.is_some() || settings.hint_source == HintSource::SourceAlpha;
        let screen = settings.screen.named();
        let exchange = screen.map(|screen| self.exchange(screen));
        // One line of text: the parts are few, and their names cannot run into each other.
        let upstream = format!(
            "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {} {} {:?} {:?} {:?} {:?}",
            frame.region,
            frame.frame,
            frame.grid,
            self.geometry,
            frame.encoding,
            settings.hint_source,
            settings.hint_channel,
            settings.shape,
            if given { None } else { screen },
            exchange,
            if given && screen.is_some() {
                None
            } else {
                settings.picked()
            },
            settings.device,
            settings.precision,
            model.sha256,
            model.full_id(),
            model.processor,
            model.normalisation,
            model.screens,
            model.refiner.as_ref().map(|_| settings.refiner_strength),
        );
        hash.update(upstream.as_bytes());
        hash.digest128()
    }

    /// The screen whose channel changes places with green on the way into the network. A model
    /// that knows the colour sees the plate as it is.
    fn exchange(&self, screen: Screen) -> Screen {
        if self.model.screens.contains(&screen) {
            Screen::Green
        } else {
            screen
        }
    }

    /// Runs the network.
    fn predict(
        &self,
        frame: &Frame<'_>,
        service: &Service,
        patience: &Patience<'_>,
    ) -> Result<Answer> {
        // Another picture is on its way: what was kept for the last one's sliders is better used
        // for this one.
        finish::forget_enlarged();
        let (survey, told) = service.install(|| {
            // In one pass: the plate is large, and lies in the host's memory.
            let mut survey = frame.stages.time("read", || {
                let (rows, overview) = (frame.reader(), frame.looks_for_screen(true));
                Survey::new(&rows, frame.encoding, &self.geometry, overview, &SCRATCH)
            })?;
            let overview = survey.overview.take();
            let told = || frame.told(overview, true);
            let told = frame.stages.time("hint", told)?;
            Ok::<_, Error>((survey, told))
        })?;
        // It was asked for, so that it is there.
        let screen = told.screen.unwrap_or(Screen::Green);
        let exchange = self.exchange(screen);
        let normalisation = &self.model.normalisation;
        let Survey {
            colours, samples, ..
        } = survey;
        let (asked, prepared) = service.install(|| {
            let prepared = colours.with_hint(&told.hint, exchange, normalisation)?;
            Ok::<_, Error>((told.asked()?.map(Arc::new), prepared))
        })?;
        let seen = Seen {
            prepared,
            stages: &frame.stages,
            service,
        };
        let request = Request {
            model: &self.model,
            device: frame.settings.device,
            precision: frame.settings.precision,
            input: &seen,
            refiner_strength: frame.settings.refiner_strength,
        };
        let outcome = frame
            .stages
            .time("network", || service.predict(&request, patience))?;
        drop(seen);
        let hint = told.words;
        drop(told.hint);
        let alpha = &outcome.prediction.alpha;
        let look = || Backing::of(&samples, alpha, &self.geometry);
        let backing = service.install(|| Ok::<_, Error>(frame.stages.time("backing", look)?))?;
        drop(samples);
        let mut device = outcome.device.name().to_owned();
        for note in &outcome.notes {
            device.push_str("; ");
            device.push_str(note);
        }
        Ok(Answer {
            prediction: outcome.prediction,
            backing,
            screen,
            exchange,
            asked,
            hint,
            device,
            milliseconds: outcome.milliseconds,
        })
    }
}

/// What the network is to see of a frame.
struct Seen<'a> {
    prepared: keyer::Prepared<'a, 'a>,
    stages: &'a Stages,
    service: &'a Service,
}

impl fmt::Debug for Seen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seen")
            .field("size", &self.prepared.size())
            .finish_non_exhaustive()
    }
}

impl network::Picture for Seen<'_> {
    fn size(&self) -> keyer::Size {
        self.prepared.size()
    }

    fn write(&self, to: &mut [f32]) -> network::Result<()> {
        let prepared = &self.prepared;
        let write = || {
            prepared.write(to);
            Ok::<_, network::Error>(())
        };
        self.stages.time("prepare", || self.service.install(write))
    }
}

/// Finishes the picture and writes the rows of a window that lies inside the plate.
fn write(frame: &Frame<'_>, shown: &Shown, window: RectI, rows: Vec<RowMut<'_>>) -> Result<()> {
    // Row 0 of the planes is the highest y.
    let from_top = |y: i32| y.abs_diff(frame.frame.y2 - 1) as usize;
    let left = window.x1.abs_diff(frame.frame.x1) as usize;
    let columns = left..left + window.width() as usize;
    let mode = frame.settings.output;

    let own = fetch::Reader::new(&frame.plate, &frame.grid, frame.region, frame.frame);
    let guide = match &shown.picture {
        Picture::Key(finish) => finish.guide(frame)?,
        Picture::Hint(_) | Picture::Screen(_) => None,
    };
    let wanted = from_top(window.y2 - 1)..from_top(window.y1) + 1;
    let finish = match &shown.picture {
        Picture::Hint(_) | Picture::Screen(_) => None,
        Picture::Key(finish) => {
            let plate = Plate {
                rows: &own,
                encoding: frame.encoding,
                backing: &finish.answer.backing,
                guide: guide.as_deref(),
            };
            Some((finish, plate))
        }
    };
    let specks = finish.as_ref().map(|(finish, _)| finish.specks(frame));
    let finish = finish.zip(specks.as_deref());
    let enlarged = match &finish {
        Some(((finish, plate), specks)) => finish.enlarged(frame, *plate, &wanted, specks)?,
        None => None,
    };
    let key = match finish {
        None => None,
        Some(((finish, plate), specks)) => {
            let settings = frame.settings.finish(finish.screen, frame.scale);
            let (exchange, geometry) = (finish.answer.exchange, &finish.geometry);
            let (predicted, plate) = (finish.predicted(specks), Some(plate));
            let make = || match &enlarged {
                Some(enlarged) => {
                    enlarged.finish(predicted.foreground, &settings, wanted, plate, &SCRATCH)
                }
                None => keyer::finish_with(
                    predicted, geometry, exchange, &settings, wanted, plate, &SCRATCH,
                ),
            };
            let key = frame.stages.time("key", make)?;
            let masks = match frame.settings.masks_on_matte {
                true => frame.masks()?,
                false => Masks::default(),
            };
            let [inside, outside] =
                [masks.inside, masks.outside].map(|mask| mask.map(Lease::into_planes));
            Some(key.held_to(inside, outside)?)
        }
    };
    let plate = match mode {
        Output::SourceMatte => Some(frame.plate_as_written()?),
        _ => None,
    };
    let background = match &frame.background {
        Some(background) => Some(background.read(frame)?),
        None => None,
    };
    // A stored prediction comes without its hint, which Status holds it against.
    let hint = match mode {
        Output::Status => Some(frame.told(None, false)?.hint),
        _ => None,
    };
    let layers = Layers {
        key: key.as_ref(),
        plate: plate.as_deref(),
        hint: match &shown.picture {
            Picture::Hint(hint) => Some(hint),
            _ => hint.as_deref(),
        },
        background: background.as_deref(),
        screen: match &shown.picture {
            Picture::Screen(screen) => Some(screen),
            _ => None,
        },
    };
    let picture = Composition::new(mode, frame.written(), layers, frame.scale)?;
    let rows = rows
        .into_iter()
        .map(|row| (from_top(row.y()), row))
        .collect();
    let write = |mut row: RowMut<'_>, planes: &[&[f32]; 4]| row.write(planes);
    frame
        .stages
        .time("write", || picture.for_each_row(columns, rows, write))?;
    Ok(())
}
