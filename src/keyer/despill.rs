//! Taking the screen's light out of the foreground.
//!
//! Source: the original engine. On the sRGB-encoded, straight foreground, for a green screen:
//! `spill = max(g - limit, 0)` with the limit `(r + b) / 2` or `max(r, b)`; then `g -= spill`,
//! `r += spill / 2`, `b += spill / 2`, so that brightness is kept; mixed with the untouched colour
//! by the strength. A strength of 0 or less changes nothing, and nothing is limited. For a blue or
//! red screen the screen's channel takes green's place.

use super::settings::{DespillMethod, Screen};

/// How spill is taken out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Despill {
    /// Whose light.
    pub screen: Screen,
    /// How much of it, 0..1.
    pub strength: f32,
    /// What counts as spill.
    pub method: DespillMethod,
}

impl Despill {
    /// True when nothing would change.
    pub fn is_identity(&self) -> bool {
        self.strength.is_nan() || self.strength <= 0.0
    }

    /// One row of red, green and blue, in place. The rows are equally long.
    pub fn row(&self, rgb: [&mut [f32]; 3]) {
        if self.is_identity() {
            return;
        }
        let [red, green, blue] = rgb;
        let (screen, one, other) = match self.screen {
            Screen::Green => (green, red, blue),
            Screen::Blue => (blue, red, green),
            Screen::Red => (red, green, blue),
        };
        match self.method {
            DespillMethod::Average => {
                self.apply(screen, one, other, |one, other| (one + other) * 0.5);
            }
            DespillMethod::Max => {
                self.apply(
                    screen,
                    one,
                    other,
                    |one, other| {
                        if one > other { one } else { other }
                    },
                );
            }
        }
    }

    #[inline(always)]
    fn apply(
        &self,
        screen: &mut [f32],
        one: &mut [f32],
        other: &mut [f32],
        limit: impl Fn(f32, f32) -> f32,
    ) {
        let strength = self.strength.min(1.0);
        for ((screen, one), other) in screen.iter_mut().zip(one).zip(other) {
            let spill = *screen - limit(*one, *other);
            let spill = strength * if spill > 0.0 { spill } else { 0.0 };
            *screen -= spill;
            *one += 0.5 * spill;
            *other += 0.5 * spill;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(despill: Despill, rgb: [f32; 3]) -> [f32; 3] {
        let [mut r, mut g, mut b] = rgb.map(|v| [v]);
        despill.row([&mut r, &mut g, &mut b]);
        [r[0], g[0], b[0]]
    }

    const FULL: Despill = Despill {
        screen: Screen::Green,
        strength: 1.0,
        method: DespillMethod::Average,
    };

    #[test]
    fn green_above_the_mean_moves_to_its_neighbours() {
        let [r, g, b] = run(FULL, [0.2, 0.9, 0.4]);
        assert!((r - 0.5).abs() < 1e-6 && (g - 0.3).abs() < 1e-6 && (b - 0.7).abs() < 1e-6);
        assert_eq!(run(FULL, [0.5, 0.4, 0.5]), [0.5, 0.4, 0.5]);
        let gentle = Despill {
            method: DespillMethod::Max,
            ..FULL
        };
        let [_, g, _] = run(gentle, [0.2, 0.9, 0.4]);
        assert!((g - 0.4).abs() < 1e-6);
    }

    #[test]
    fn no_strength_changes_nothing() {
        for strength in [0.0, -1.0, f32::NAN] {
            let despill = Despill { strength, ..FULL };
            assert!(despill.is_identity());
            assert_eq!(run(despill, [0.0, 3.0, -1.0]), [0.0, 3.0, -1.0]);
        }
    }

    proptest! {
        #[test]
        fn screens_are_alike(r in -1.0_f32..9.0, g in -1.0_f32..9.0, b in -1.0_f32..9.0, strength in 0.0_f32..1.0) {
            let green = run(Despill { strength, ..FULL }, [r, g, b]);
            let blue = run(Despill { strength, screen: Screen::Blue, ..FULL }, [r, b, g]);
            let red = run(Despill { strength, screen: Screen::Red, ..FULL }, [g, r, b]);
            prop_assert_eq!([green[0], green[2], green[1]], blue);
            prop_assert_eq!([green[1], green[0], green[2]], red);
        }

        #[test]
        fn the_sum_is_kept_and_values_stay_finite(r in -1.0_f32..9.0, g in -1.0_f32..9.0, b in -1.0_f32..9.0) {
            let out = run(FULL, [r, g, b]);
            prop_assert!(out.iter().all(|v| v.is_finite()));
            prop_assert!((out.iter().sum::<f32>() - (r + g + b)).abs() < 1e-5 * (1.0 + r.abs() + g.abs() + b.abs()));
            prop_assert!(out[1] <= (out[0] + out[2]) * 0.5 + 1e-5 || out[1] <= g);
        }
    }
}
