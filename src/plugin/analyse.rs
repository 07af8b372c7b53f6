//! The Analyse Screen button: the screen's colour, measured once and stored in the panel.

use ofx::Effect;

use super::fetch::Reader;
use super::parameters::{SCREEN_MEASURE, SCREEN_PICK};
use super::{SOURCE, Settings, colour, frame, guides};
use crate::error::{Error, Result};
use crate::keyer::{self, Look, Overview, ScreenMeasure};
use crate::network::Service;

/// Measures the plate at a frame and stores what most of its screen has, in the Source clip's own
/// colour space, as the picked colour. One step to undo.
///
/// # Errors
/// When there is no plate at that frame, or no screen in it.
pub(super) fn store_screen(effect: Effect<'_>, time: f64) -> Result<()> {
    let settings = Settings::read(effect, time)?;
    let source = effect.clip(SOURCE)?;
    let image = source.fetch(time, None)?.ok_or_else(|| {
        Error::Clip(format!(
            "the Source input has no image at frame {time}, so that there is no screen to analyse. Go to a \
             frame of the plate and press Analyse Screen again"
        ))
    })?;
    let placed = guides::placed(&image, &source);
    let bounds = placed.view.bounds();
    let encoding = colour::reading(effect, &settings, placed.view.depth())?.encoding;
    let found = Service::global().install(|| {
        let plate = Reader::new(&placed, &placed.grid, bounds, bounds);
        let overview = Overview::of_rows(&plate, encoding, frame::size(bounds))?;
        let look = Look {
            plate: &overview,
            picked: None,
            taken: None,
        };
        let screen = match settings.screen.named() {
            Some(screen) => screen,
            None => keyer::detect(&look)?,
        };
        Ok::<_, Error>((keyer::typical(&look, screen)?, screen))
    })?;
    let (Some(colour), _) = found else {
        return Err(Error::Clip(format!(
            "no {} screen was found in the plate at frame {time}. Go to a frame that shows it, name Screen \
             Colour, or pick the colour in the viewer",
            found.1.id()
        )));
    };
    let _one_step = effect.edit("Analyse Screen")?;
    effect
        .param(SCREEN_PICK)?
        .set_rgb(frame::given_back(encoding, colour).map(f64::from))?;
    effect
        .param(SCREEN_MEASURE)?
        .set_choice(ScreenMeasure::Picked.index())?;
    Ok(())
}
