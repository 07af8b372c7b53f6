//! A hint keyed from the screen's colour.

use rayon::prelude::*;

use super::super::despeckle::regions::{self, Core};
use super::super::error::Result;
use super::super::image::Size;
use super::super::resample::{Kernel, enlarge_into, resize_into};
use super::super::scratch::{Lease, Pool};
use super::super::settings::Screen;
use super::plate::Model;
use super::{Look, Small, Typical, blurred, excess, garbage, purity};

/// A pixel that has lost this part of what the screen has is surely not screen.
pub(super) const SUBJECT: f32 = 0.7;
/// A pixel that has lost no more than this surely is.
const SCREEN: f32 = 0.25;

/// Makes a hint from the screen's colour: one plane of the plate's size, 0..1, 1 where the plate
/// is surely not screen. A plate without a screen is all subject.
///
/// The network fills in well and subtracts poorly, so the hint is rather too small than too large:
/// what is half screen is left out, small islands (tracking markers, noise) are dropped, small holes
/// (eyes, buttons) that are not surely screen are filled, the rest is eroded and blurred by about
/// one part in a hundred of the picture's long side. What is beyond the screen's edge is left out
/// as far as it can be told from the subject (`garbage` has the rules).
///
/// The plane comes from `pool` and goes back to it.
///
/// # Errors
/// When what is taken is not of the plate's size, or memory is short;
/// [`ScreenPick`](super::super::Error::ScreenPick) for a picked colour that no such screen has.
pub fn hint_from_screen<'p>(look: &Look<'_>, screen: Screen, pool: &'p Pool) -> Result<Lease<'p>> {
    look.check()?;
    let Size { width, height } = look.plate.size;
    let mut hint = pool.planes(width, height, 1)?;
    let small = Small::new(look, screen);
    let Some(typical) = Typical::of(&small, look.picked(), screen)? else {
        // No screen to speak of: all of it is subject.
        hint.data_mut().fill(1.0);
        return Ok(hint);
    };
    let size = small.picture.size();
    let fitted = Model::fit(&small, &typical).colours;
    let mut around = pool.planes(size.width, size.height, 3)?;
    resize_into(&fitted, &mut around, Kernel::Triangle);
    let mut subject = pool.planes(size.width, size.height, 1)?;
    subject
        .data_mut()
        .par_chunks_exact_mut(size.width)
        .enumerate()
        .for_each(|(y, row)| {
            let [red, green, blue] = [0, 1, 2].map(|channel| around.row(channel, y));
            let (pure, strong) = (small.purity.row(0, y), small.excess.row(0, y));
            for (x, out) in row.iter_mut().enumerate() {
                let here = [red[x], green[x], blue[x]];
                // Where nothing was seen of the screen the model may be far off; it never takes a
                // pixel for screen that most of the screen is nothing like.
                let pure = pure[x] / purity(here, screen).max(0.5 * typical.purity);
                let strong = strong[x] / excess(here, screen).max(0.25 * typical.excess);
                *out = 1.0 - pure.min(strong);
            }
        });
    garbage::cut(&mut subject, SUBJECT);

    let unit = size.long() as f64 / 100.0;
    let how = Core {
        inside: SUBJECT,
        outside: SCREEN,
        island: (0.5 * unit * unit).max(1.0),
        hole: 3.0 * unit * unit,
        radius: (1.4 * unit).round() as usize,
    };
    let core = regions::core(&subject, &how);
    let soft = blurred(&core, (0.8 * unit).round() as usize);
    let limited = |value: f32| value.clamp(0.0, 1.0);
    enlarge_into(&soft, &mut hint, Kernel::Triangle, pool, limited)?;
    Ok(hint)
}
