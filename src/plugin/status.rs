//! What each node last did, for the read-only lines of the panel.
//!
//! Renders write here from any thread; the panel reads it only inside InstanceChanged, the one
//! action in which OpenFX lets a plug-in set parameters.

use std::collections::HashMap;

use parking_lot::Mutex;

/// The facts of one node's last render.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Report {
    /// Model name and version.
    pub model: String,
    /// Device, with the reasons why better ones were passed over.
    pub device: String,
    /// Network size in pixels: width, height.
    pub size: (usize, usize),
    /// How long the frame took, in milliseconds, and whether the network ran for it.
    pub time: String,
}

static REPORTS: Mutex<Option<HashMap<usize, Report>>> = Mutex::new(None);

/// Remembers what the node with this instance id did.
pub(super) fn remember(instance: usize, report: Report) {
    REPORTS
        .lock()
        .get_or_insert_with(HashMap::new)
        .insert(instance, report);
}

/// What the node last did, if it has rendered.
pub(super) fn last(instance: usize) -> Option<Report> {
    REPORTS.lock().as_ref()?.get(&instance).cloned()
}

/// The node is gone.
pub(super) fn forget(instance: usize) {
    if let Some(reports) = REPORTS.lock().as_mut() {
        reports.remove(&instance);
    }
}
