//! What each node last did, for the read-only lines of the panel.
//!
//! Renders write here from any thread; the panel reads it only inside InstanceChanged, the one
//! action in which OpenFX lets a plug-in set parameters. Many hosts render on instances of their
//! own, made for a frame and destroyed after it, and not on the one that the panel shows. So reports
//! outlive their instances, and a node without one of its own shows the last of a node that is set
//! the same.

use std::collections::VecDeque;

use parking_lot::Mutex;

use super::Settings;
use crate::keyer::{Detail, HintShape, MatteShape};

/// So many reports are kept.
const KEPT: usize = 64;

/// The facts of one node's last render.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Report {
    /// Model name and version.
    pub model: String,
    /// Device, with the reasons why better ones were passed over.
    pub device: String,
    /// Network size in pixels: width, height.
    pub size: String,
    /// How long the frame took, in milliseconds, and whether the network ran for it.
    pub time: String,
    /// How plate and hint were read.
    pub reading: String,
}

impl Report {
    /// What is shown when there is nothing to report.
    pub(super) fn none() -> Self {
        Self {
            model: "no render of this node is known".into(),
            ..Self::default()
        }
    }
}

struct Entry {
    /// `None` once the instance is gone: its id may then become another's.
    instance: Option<usize>,
    settings: Settings,
    report: Report,
}

/// The oldest first.
static REPORTS: Mutex<VecDeque<Entry>> = Mutex::new(VecDeque::new());

/// Remembers what the node with this instance id did.
pub(super) fn remember(instance: usize, settings: &Settings, report: Report) {
    let entry = Entry {
        instance: Some(instance),
        settings: unanimated(settings),
        report,
    };
    let mut reports = REPORTS.lock();
    reports.retain(|entry| entry.instance != Some(instance));
    if reports.len() == KEPT {
        reports.pop_front();
    }
    reports.push_back(entry);
}

/// What the node last did, or another with the same settings.
pub(super) fn last(instance: usize, settings: &Settings) -> Option<Report> {
    let settings = unanimated(settings);
    let reports = REPORTS.lock();
    let newest = || reports.iter().rev();
    newest()
        .find(|entry| entry.instance == Some(instance))
        .or_else(|| newest().find(|entry| entry.settings == settings))
        .map(|entry| entry.report.clone())
}

/// The node is gone.
pub(super) fn forget(instance: usize) {
    for entry in REPORTS.lock().iter_mut() {
        if entry.instance == Some(instance) {
            entry.instance = None;
        }
    }
}

/// The settings without those that animate, which differ from frame to frame.
fn unanimated(settings: &Settings) -> Settings {
    Settings {
        refiner_strength: 0.0,
        despill_strength: 0.0,
        despeckle_size: 0,
        hole_size: 0,
        stabilise: 0.0,
        matte: MatteShape::NEUTRAL,
        detail: Detail::default(),
        shape: HintShape {
            invert: settings.shape.invert,
            ..HintShape::default()
        },
        ..settings.clone()
    }
}
