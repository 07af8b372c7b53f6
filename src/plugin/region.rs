//! Where the clips lie, in canonical coordinates.

use ofx::{Clip, Effect, RectD};

/// A side longer than this is a host's "infinite", not a picture. OpenFX writes infinite as the
/// ends of an `int`, which are finite numbers.
const LONGEST_SIDE: f64 = 65536.0;

/// A clip's region of definition; `None` where the host does not tell it, or says "everywhere".
pub(super) fn of_clip(clip: &Clip<'_>, time: f64) -> Option<RectD> {
    clip.region_of_definition(time).ok().filter(is_a_picture)
}

/// Where the plate lies: its region of definition, or the project's picture area for a plate that
/// is everywhere. `None` where the host tells neither.
pub(super) fn of_plate(effect: Effect<'_>, source: &Clip<'_>, time: f64) -> Option<RectD> {
    of_clip(source, time).or_else(|| project(effect))
}

fn project(effect: Effect<'_>) -> Option<RectD> {
    let (width, height) = effect.project_size()?;
    let (x, y) = effect.project_offset().unwrap_or_default();
    let area = RectD {
        x1: x,
        y1: y,
        x2: x + width,
        y2: y + height,
    };
    Some(area).filter(is_a_picture)
}

fn is_a_picture(region: &RectD) -> bool {
    let within = |a: f64, b: f64| b > a && (b - a) <= LONGEST_SIDE;
    region.is_finite() && within(region.x1, region.x2) && within(region.y1, region.y2)
}
