//! CorridorKey, the neural green-screen keyer, as an OpenFX plug-in.
//!
//! * [`plugin`]: the OpenFX face: actions, the parameter table, rendering.
//! * [`keyer`]: the picture: plate, hint and prediction in, key out. Pure and safe.
//! * [`network`]: prediction: the runtime library, devices, models, sessions, caches.
//! * [`error`]: the one error, as a code, a sentence, an OpenFX status and an exit code.
//!
//! Arrows point one way: `plugin` → `network` → the plain types of `keyer`.

#![deny(unsafe_code)]

/// The version, and the commit that a release was built from: two builds of one version on a farm
/// can be told apart.
pub const VERSION: &str = env!("CORRIDORKEY_VERSION");

pub mod error;
pub mod keyer;
pub mod network;
pub mod plugin;

ofx::export!(plugin::CorridorKey);
