//! A drawn plate, for measuring: such as networks are made for, the same on every machine.
//!
//! What is far from any plate would measure how a network errs on it rather than how a device does.

use corridorkey::keyer::Size;

const SCREEN: [f32; 3] = [0.22, 0.66, 0.28];
const STRIPES: [[f32; 3]; 2] = [[0.72, 0.35, 0.28], [0.16, 0.17, 0.35]];

/// A green screen whose light falls off, before it a striped ball with a soft edge, and grain over
/// both.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scene {
    /// Of the picture, in pixels.
    pub(crate) size: Size,
}

impl Scene {
    /// A pixel, sRGB-encoded.
    pub(crate) fn colour(&self, x: usize, y: usize) -> [f32; 3] {
        let Size { width, height } = self.size;
        let light = 1.0 - 0.3 * x as f32 / width as f32 - 0.2 * y as f32 / height as f32;
        let stripe = STRIPES[(x * 40 / width + y * 24 / height) % 2];
        let cover = (self.inside(x, y) / self.soft() + 0.5).clamp(0.0, 1.0);
        [0, 1, 2].map(|channel| {
            let seen = stripe[channel] * cover + SCREEN[channel] * light * (1.0 - cover);
            seen + 0.02 * grain(x, y, channel)
        })
    }

    /// The hint there: the ball, a little too small.
    pub(crate) fn hint(&self, x: usize, y: usize) -> f32 {
        (self.inside(x, y) - self.soft()).clamp(0.0, 1.0)
    }

    /// How far a pixel lies inside the ball.
    fn inside(&self, x: usize, y: usize) -> f32 {
        let Size { width, height } = self.size;
        let (dx, dy) = (
            x as f32 - width as f32 / 2.0,
            y as f32 - height as f32 / 2.0,
        );
        self.radius() - dx.hypot(dy)
    }

    fn radius(&self) -> f32 {
        self.size.width.min(self.size.height) as f32 / 3.0
    }

    /// Pixels over which the ball's edge goes from nothing to all.
    fn soft(&self) -> f32 {
        (self.radius() / 12.0).max(1.0)
    }
}

/// Noise from -1 to 1 that depends on the place alone: a few rounds of multiply and shift.
fn grain(x: usize, y: usize, channel: usize) -> f32 {
    let mut bits = (x as u32)
        .wrapping_mul(0x9e37_79b1)
        .wrapping_add((y as u32).wrapping_mul(0x85eb_ca6b))
        .wrapping_add((channel as u32).wrapping_mul(0xc2b2_ae35));
    for _ in 0..2 {
        bits = (bits ^ (bits >> 15)).wrapping_mul(0x2c1b_3c6d);
    }
    f32::from((bits >> 16) as u16) / 32767.5 - 1.0
}
