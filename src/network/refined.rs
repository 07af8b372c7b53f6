//! CorridorKey's own network in two: its encoder and decoders are a session of the runtime, its
//! refiner is computed here.
//!
//! One begins when the other has ended, so that the memory of one can be given back before the
//! other needs its own. Where there is enough, both keep what they worked in for the next frame.

use std::ffi::CString;
use std::sync::atomic::AtomicBool;

use ort::session::{RunOptions, Session};

use super::error::{Error, Result};
use super::greenformer::graph;
use super::greenformer::plan;
use super::greenformer::refiner::Refiner;
use super::runtime::{self, Given, Wanted};
use crate::keyer::Size;

/// The network, ready to run at one size.
#[derive(Debug)]
pub(super) struct Refined {
    coarse: Session,
    refiner: Refiner,
    memory: plan::Refiner,
    input: CString,
    logits: CString,
    /// What the session answered, between two frames.
    answer: Vec<f32>,
}

/// How a run is told to stop, and what becomes of its memory.
pub(super) struct Orders<'a> {
    /// The session keeps the memory that it worked in.
    pub(super) keep: &'a RunOptions,
    /// It gives it back.
    pub(super) give_back: &'a RunOptions,
    /// True when nobody wants the answer any more.
    pub(super) stop: &'a AtomicBool,
}

impl Refined {
    /// Puts together the session of [`graph::coarse`] and the refiner for the same size.
    ///
    /// # Errors
    /// [`Error::Internal`] for a name that C cannot hold.
    pub(super) fn new(coarse: Session, refiner: Refiner, memory: plan::Refiner) -> Result<Self> {
        let name = |name: &str| {
            CString::new(name).map_err(|_| Error::Internal {
                what: "preparing the refiner",
                reason: format!("the name \"{}\" has a null in it", name.escape_default()),
            })
        };
        Ok(Self {
            coarse,
            refiner,
            memory,
            input: name(graph::INPUT)?,
            logits: name(graph::LOGITS)?,
            answer: Vec::new(),
        })
    }

    /// Fills `alpha` and `foreground`, planes of the input's size.
    ///
    /// # Errors
    /// What the runtime says; that there is no memory.
    pub(super) fn run(
        &mut self,
        orders: &Orders<'_>,
        size: Size,
        input: &[f32],
        strength: f32,
        alpha: &mut [f32],
        foreground: &mut [f32],
    ) -> ort::Result<()> {
        let memory = |error: std::collections::TryReserveError| {
            ort::Error::new(format!("out of memory: {error}"))
        };
        let pixels = size.area();
        let shape = [1, 4, size.height as i64, size.width as i64];
        let logits = &mut self.answer;
        logits
            .try_reserve_exact(4 * pixels - logits.len())
            .map_err(memory)?;
        logits.resize(4 * pixels, 0.0);
        runtime::run(
            &mut self.coarse,
            match self.memory {
                plan::Refiner::Whole => orders.keep,
                plan::Refiner::Strips => orders.give_back,
            },
            &[Given {
                name: &self.input,
                shape: &shape,
                values: input,
            }],
            &mut [Wanted {
                name: &self.logits,
                shape: &shape,
                values: logits,
            }],
        )?;
        let plate = &input[..3 * pixels];
        let refiner = &mut self.refiner;
        refiner
            .run(plate, logits, strength, orders.stop, alpha, foreground)
            .map_err(memory)?;
        if self.memory == plan::Refiner::Strips {
            refiner.rest();
            self.answer = Vec::new();
        }
        Ok(())
    }
}
