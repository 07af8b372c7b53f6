//! A network that runs in tiles: encode them, survey the frame, finish them.

use std::ffi::CString;

use ort::session::{RunOptions, Session};

use super::error::{Error, Result};
use super::model::Model;
use super::runtime::{self, Given, Wanted};
use super::session::Key;
use super::tiles::{self, Frame, Layout, Seams, Span};
use crate::keyer::Size;

/// The three parts of a model as models of their own, for one layout.
pub(super) struct Parts {
    encode: Vec<u8>,
    survey: Vec<u8>,
    finish: Vec<u8>,
}

/// Cuts a model into its three parts.
///
/// # Errors
/// [`Error::ModelGraph`] when its graph does not fall apart where the manifest says.
pub(super) fn parts(
    graph: &[u8],
    model: &Model,
    key: &Key,
    layout: &Layout,
    seams: &Seams,
) -> Result<Parts> {
    let fail = |reason: String| Error::graph(&model.path, &reason);
    let Seams {
        features,
        thumbnail,
        context,
        screen,
        channels,
        scale,
        ..
    } = seams;
    let tile = |channels: usize| [1, channels, layout.height, layout.width];
    let small = |channels: usize| [1, channels, layout.height / scale, layout.width / scale];
    let whole = |channels: usize| [1, channels, key.height / scale, key.width / scale];
    let part = |inputs: &[(&str, [usize; 4])], outputs: &[(&str, [usize; 4])]| {
        tiles::part(graph, inputs, outputs).map_err(fail)
    };
    Ok(Parts {
        encode: part(
            &[(&model.input, tile(4))],
            &[(features, small(*channels)), (thumbnail, small(3))],
        )?,
        survey: part(
            &[(features, whole(*channels)), (thumbnail, whole(3))],
            &[(context, whole(*channels)), (screen, whole(3))],
        )?,
        finish: part(
            &[
                (&model.input, tile(4)),
                (context, small(*channels)),
                (screen, small(3)),
            ],
            &[(&model.alpha, tile(1)), (&model.foreground, tile(3))],
        )?,
    })
}

/// The parts, ready to run.
#[derive(Debug)]
pub(super) struct Tiled {
    layout: Layout,
    channels: usize,
    scale: usize,
    encode: Session,
    survey: Session,
    finish: Session,
    input: CString,
    features: CString,
    thumbnail: CString,
    context: CString,
    screen: CString,
    alpha: CString,
    foreground: CString,
}

impl Tiled {
    /// Makes the sessions with `session`.
    ///
    /// # Errors
    /// What the runtime says, and a name that holds a null.
    pub(super) fn build(
        parts: &Parts,
        layout: Layout,
        seams: &Seams,
        model: &Model,
        session: impl Fn(&[u8]) -> ort::Result<Session>,
    ) -> ort::Result<Self> {
        let name = |name: &str| {
            CString::new(name).map_err(|_| ort::Error::new("a tensor's name has a null in it"))
        };
        Ok(Self {
            layout,
            channels: seams.channels,
            scale: seams.scale,
            encode: session(&parts.encode)?,
            survey: session(&parts.survey)?,
            finish: session(&parts.finish)?,
            input: name(&model.input)?,
            features: name(&seams.features)?,
            thumbnail: name(&seams.thumbnail)?,
            context: name(&seams.context)?,
            screen: name(&seams.screen)?,
            alpha: name(&model.alpha)?,
            foreground: name(&model.foreground)?,
        })
    }

    /// Fills `alpha` and `foreground`, planes of the input's size. Between two parts of the work
    /// the runtime looks whether `options` were told to stop.
    ///
    /// # Errors
    /// What the runtime says.
    pub(super) fn run(
        &mut self,
        options: &RunOptions,
        size: Size,
        input: &[f32],
        alpha: &mut [f32],
        foreground: &mut [f32],
    ) -> ort::Result<()> {
        let scale = self.scale;
        let (width, height) = (self.layout.width, self.layout.height);
        let tile = Piece { width, height };
        let small = tile.smaller(scale);
        let frame = Piece {
            width: size.width,
            height: size.height,
        };
        let whole = frame.smaller(scale);
        let channels = self.channels;

        let mut picture = tile.room(4);
        let (mut deep, mut shallow) = (small.room(channels), small.room(3));
        let (mut features, mut thumbnail) = (whole.room(channels), whole.room(3));
        for spans in self.layout.tiles() {
            tile.cut(input, frame, spans, 1, &mut picture);
            runtime::run(
                &mut self.encode,
                options,
                &[given(&self.input, &tile.shape(4), &picture)],
                &mut [
                    wanted(&self.features, &small.shape(channels), &mut deep),
                    wanted(&self.thumbnail, &small.shape(3), &mut shallow),
                ],
            )?;
            small.keep(&deep, whole, spans, scale, &mut features);
            small.keep(&shallow, whole, spans, scale, &mut thumbnail);
        }

        let (mut context, mut screen) = (whole.room(channels), whole.room(3));
        runtime::run(
            &mut self.survey,
            options,
            &[
                given(&self.features, &whole.shape(channels), &features),
                given(&self.thumbnail, &whole.shape(3), &thumbnail),
            ],
            &mut [
                wanted(&self.context, &whole.shape(channels), &mut context),
                wanted(&self.screen, &whole.shape(3), &mut screen),
            ],
        )?;
        drop((features, thumbnail));

        let (mut matte, mut paint) = (tile.room(1), tile.room(3));
        for spans in self.layout.tiles() {
            tile.cut(input, frame, spans, 1, &mut picture);
            small.cut(&context, whole, spans, scale, &mut deep);
            small.cut(&screen, whole, spans, scale, &mut shallow);
            runtime::run(
                &mut self.finish,
                options,
                &[
                    given(&self.input, &tile.shape(4), &picture),
                    given(&self.context, &small.shape(channels), &deep),
                    given(&self.screen, &small.shape(3), &shallow),
                ],
                &mut [
                    wanted(&self.alpha, &tile.shape(1), &mut matte),
                    wanted(&self.foreground, &tile.shape(3), &mut paint),
                ],
            )?;
            tile.keep(&matte, frame, spans, 1, alpha);
            tile.keep(&paint, frame, spans, 1, foreground);
        }
        Ok(())
    }
}

fn given<'a>(name: &'a CString, shape: &'a [i64; 4], values: &'a [f32]) -> Given<'a> {
    Given {
        name,
        shape,
        values,
    }
}

fn wanted<'a>(name: &'a CString, shape: &'a [i64; 4], values: &'a mut [f32]) -> Wanted<'a> {
    Wanted {
        name,
        shape,
        values,
    }
}

/// The size of planes: of a frame or a tile, at full size or small.
#[derive(Debug, Clone, Copy)]
struct Piece {
    width: usize,
    height: usize,
}

impl Piece {
    fn smaller(self, scale: usize) -> Self {
        Self {
            width: self.width / scale,
            height: self.height / scale,
        }
    }

    fn shape(self, channels: usize) -> [i64; 4] {
        [1, channels as i64, self.height as i64, self.width as i64]
    }

    fn room(self, channels: usize) -> Vec<f32> {
        vec![0.0; channels * self.width * self.height]
    }

    fn at(self, x: usize, y: usize) -> Frame {
        Frame {
            width: self.width,
            height: self.height,
            x,
            y,
        }
    }

    /// This tile's window of the frame's planes.
    fn cut(self, source: &[f32], frame: Self, spans: (Span, Span), scale: usize, tile: &mut [f32]) {
        let (columns, rows) = spans;
        let from = frame.at(columns.start / scale, rows.start / scale);
        tiles::copy(source, from, tile, self.at(0, 0), self.width, self.height);
    }

    /// Puts what is kept of this tile into the frame's planes.
    fn keep(
        self,
        tile: &[f32],
        frame: Self,
        spans: (Span, Span),
        scale: usize,
        target: &mut [f32],
    ) {
        let (columns, rows) = spans;
        let inside = |span: Span| (span.from - span.start) / scale;
        let from = self.at(inside(columns), inside(rows));
        let to = frame.at(columns.from / scale, rows.from / scale);
        let (width, height) = (
            (columns.to - columns.from) / scale,
            (rows.to - rows.from) / scale,
        );
        tiles::copy(tile, from, target, to, width, height);
    }
}
