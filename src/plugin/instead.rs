//! What is written when a frame cannot be keyed and the artist does not want the render to stop for
//! it. Nothing in here needs a model, a hint or memory beyond a row.

use ofx::{Channel, Effect, Field, ImageView, RectI, RenderArgs};

use super::render::is_of;
use super::{OUTPUT, SOURCE};
use crate::error::Result;

/// Transparent black.
pub(super) fn black(effect: Effect<'_>, arguments: &RenderArgs) -> Result<()> {
    write(effect, arguments, None)
}

/// The plate as it came, alpha and all; transparent black where it has no pixels, or no image.
pub(super) fn plate(effect: Effect<'_>, arguments: &RenderArgs) -> Result<()> {
    let image = effect.clip(SOURCE)?.fetch(arguments.time, None)?;
    write(effect, arguments, image.as_ref().map(|image| image.view()))
}

fn write(effect: Effect<'_>, arguments: &RenderArgs, plate: Option<ImageView<'_>>) -> Result<()> {
    let mut output = effect.clip(OUTPUT)?.fetch_output(arguments.time)?;
    let mut view = output.view_mut();
    let window = arguments.window.intersect(&view.bounds());
    let mut planes = vec![vec![0.0_f32; width(window)]; 4];
    let field: Field = arguments.field;
    for mut row in view.rows_mut(window) {
        if !is_of(row.y(), field) {
            continue;
        }
        if let Some(plate) = plate {
            let mut planes: Vec<&mut [f32]> = planes.iter_mut().map(Vec::as_mut_slice).collect();
            plate.read_row(row.y(), window.x1, &Channel::RGBA, &mut planes);
        }
        row.write(&[&planes[0], &planes[1], &planes[2], &planes[3]]);
    }
    Ok(())
}

fn width(window: RectI) -> usize {
    usize::try_from(window.width()).unwrap_or(0)
}
