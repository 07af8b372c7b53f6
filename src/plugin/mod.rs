//! The OpenFX face of the keyer: it turns actions of the host into calls of [`crate::keyer`] and
//! [`crate::network`], and their answers into pictures, messages and statuses.

mod actions;
mod analyse;
mod background;
mod colour;
mod describe;
pub mod document;
mod fetch;
mod finish;
mod frame;
mod guides;
mod instead;
pub mod logging;
mod neighbours;
pub mod parameters;
mod patience;
mod pictures;
mod read;
mod region;
mod render;
mod sampler;
mod settings;
mod shown;
mod stages;
mod status;

use std::ffi::CStr;

use ofx::{
    ClipPreferences, Context, Effect, EffectDescriptor, FramesNeeded, Handled, HostInfo,
    InstanceChanged, Plugin, RectD, RegionsOfInterest, RenderArgs, Rendered, Scale,
};

pub use describe::DEPTHS_VARIABLE;
pub use settings::Settings;

use crate::error::Error;

/// Unique identifier of the plug-in, a contract with every saved project.
pub const IDENTIFIER: &str = "org.corridorkey.ofx";
/// What hosts call the node.
pub const LABEL: &str = "CorridorKey";
/// The plate.
pub const SOURCE: &str = "Source";
/// The rough matte; optional.
pub const HINT: &str = "Hint";
/// A mask of what is surely subject; optional.
pub const INSIDE: &str = "InM";
/// A mask of what surely is not: garbage; optional.
pub const OUTSIDE: &str = "OutM";
/// What Composite is put over; optional.
pub const BACKGROUND: &str = "Bg";
/// The result.
pub const OUTPUT: &str = "Output";

/// The plug-in. Holds nothing: instances are OFX handles, and what is shared lives in
/// [`crate::network::Service`].
#[derive(Debug)]
pub struct CorridorKey;

impl Plugin for CorridorKey {
    const IDENTIFIER: &'static CStr = c"org.corridorkey.ofx";
    // The major version is part of the node class in some hosts and stays 1.
    const VERSION: (u32, u32) = (1, 0);
    type Error = Error;

    fn load(_host: &HostInfo) -> Result<(), Error> {
        logging::start();
        // Library and models are found from the bundle, and the bundle from our own binary.
        match ofx::module_path() {
            Ok(path) => crate::network::set_module_path(path),
            Err(error) => log::warn!("the plug-in cannot find its own bundle: {error}"),
        }
        Ok(())
    }

    fn describe(effect: EffectDescriptor<'_>) -> Result<(), Error> {
        describe::describe(effect)
    }

    fn describe_in_context(effect: EffectDescriptor<'_>, context: Context) -> Result<(), Error> {
        describe::describe_in_context(effect, context)
    }

    fn create_instance(effect: Effect<'_>) -> Result<(), Error> {
        actions::create_instance(effect);
        Ok(())
    }

    fn destroy_instance(effect: Effect<'_>) -> Result<(), Error> {
        status::forget(effect.instance_id());
        Ok(())
    }

    fn instance_changed(effect: Effect<'_>, change: &InstanceChanged) -> Result<Handled, Error> {
        actions::instance_changed(effect, change)
    }

    fn clip_preferences(
        effect: Effect<'_>,
        preferences: ClipPreferences<'_>,
    ) -> Result<Handled, Error> {
        actions::clip_preferences(effect, preferences)
    }

    fn output_colourspace(
        effect: Effect<'_>,
        _preferred: &[String],
    ) -> Result<Option<String>, Error> {
        colour::output_colourspace(effect)
    }

    fn region_of_definition(
        effect: Effect<'_>,
        time: f64,
        _scale: Scale,
    ) -> Result<Option<RectD>, Error> {
        actions::region_of_definition(effect, time)
    }

    fn regions_of_interest(
        effect: Effect<'_>,
        time: f64,
        _scale: Scale,
        _region: RectD,
        regions: RegionsOfInterest<'_>,
    ) -> Result<Handled, Error> {
        actions::regions_of_interest(effect, time, regions)
    }

    fn frames_needed(
        effect: Effect<'_>,
        time: f64,
        frames: FramesNeeded<'_>,
    ) -> Result<Handled, Error> {
        actions::frames_needed(effect, time, frames)
    }

    fn render(effect: Effect<'_>, arguments: &RenderArgs) -> Result<Rendered<Error>, Error> {
        render::render(effect, arguments)
    }

    fn purge_caches(_effect: Effect<'_>) -> Result<Handled, Error> {
        render::purge();
        Ok(Handled::Yes)
    }
}

impl ofx::ActionError for Error {
    fn status(&self) -> ofx::Status {
        self.status()
    }

    fn is_abort(&self) -> bool {
        self.is_abort()
    }

    fn code(&self) -> &'static str {
        self.code()
    }
}
