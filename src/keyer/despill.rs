//! Taking the screen's light out of the foreground.
//!
//! Source: the original engine. On the sRGB-encoded, straight foreground, for a green screen:
//! `spill = max(g - limit, 0)`; then `g -= spill`, and half of it goes to red and half to blue, so
//! that brightness is kept; mixed with the untouched colour by the strength. A strength of 0 or
//! less changes nothing, and nothing is limited. For a blue or red screen the screen's channel
//! takes green's place.
//!
//! | method | limit of the screen's channel | what becomes of the spill |
//! |---|---|---|
//! | average | the mean of the other two: the original's | half to each of the others |
//! | doubleAverage | their mean, the larger counted twice: `(2 max + min) / 3` | the same |
//! | limit | the larger of the two: the gentlest | the same |
//! | neutral | the mean | its Rec. 709 luminance comes back as grey |
//!
//! The mean keeps skin but tints yellow and cyan, where one of the two is low; the larger of the
//! two leaves these alone and some of the spill too; `doubleAverage` lies between.
//!
//! A network's colour has no channel below 0. A plate's may have, in wide gamuts, and a limit
//! below 0 would take out more than there is: [`Despill::plate_row`] counts such channels as 0 in
//! the limit.

use super::settings::{DespillMethod, Screen};

/// How spill is taken out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Despill {
    /// Whose light.
    pub screen: Screen,
    /// How much of it, 0..1.
    pub strength: f32,
    /// What counts as spill, and what becomes of it.
    pub method: DespillMethod,
}

impl Despill {
    /// True when nothing would change.
    pub fn is_identity(&self) -> bool {
        self.strength.is_nan() || self.strength <= 0.0
    }

    /// One row of red, green and blue, in place. The rows are equally long.
    pub fn row(&self, rgb: [&mut [f32]; 3]) {
        self.of(rgb, |value| value);
    }

    /// The same for a plate's own colours: channels below 0 count as 0 in the limit.
    pub fn plate_row(&self, rgb: [&mut [f32]; 3]) {
        self.of(rgb, |value| if value > 0.0 { value } else { 0.0 });
    }

    #[inline(always)]
    fn of(&self, rgb: [&mut [f32]; 3], counted: impl Fn(f32) -> f32 + Copy) {
        if self.is_identity() {
            return;
        }
        let rows = self.screen.first(rgb);
        let average = |one: f32, other: f32| (one + other) * 0.5;
        let larger = |one: f32, other: f32| if one > other { one } else { other };
        let double = |one: f32, other: f32| (one + other + larger(one, other)) * (1.0 / 3.0);
        let halves = [0.0, 0.5];
        match self.method {
            DespillMethod::Average => self.apply(rows, halves, counted, average),
            DespillMethod::DoubleAverage => self.apply(rows, halves, counted, double),
            DespillMethod::Limit => self.apply(rows, halves, counted, larger),
            DespillMethod::Neutral => {
                let grey = LUMINANCE[self.screen.channel()];
                self.apply(rows, [grey; 2], counted, average);
            }
        }
    }

    /// `back` is how much of the spill comes back in the screen's channel and in each other.
    #[inline(always)]
    fn apply(
        &self,
        [screen, one, other]: [&mut [f32]; 3],
        back: [f32; 2],
        counted: impl Fn(f32) -> f32,
        limit: impl Fn(f32, f32) -> f32,
    ) {
        let strength = self.strength.min(1.0);
        let taken = 1.0 - back[0];
        for ((screen, one), other) in screen.iter_mut().zip(one).zip(other) {
            let spill = *screen - limit(counted(*one), counted(*other));
            let spill = strength * if spill > 0.0 { spill } else { 0.0 };
            *screen -= taken * spill;
            *one += back[1] * spill;
            *other += back[1] * spill;
        }
    }
}

/// Luminance of red, green and blue (Rec. 709).
const LUMINANCE: [f32; 3] = [0.2126, 0.7152, 0.0722];

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
        let green = |method| run(Despill { method, ..FULL }, [0.2, 0.9, 0.4])[1];
        assert!((green(DespillMethod::Limit) - 0.4).abs() < 1e-6);
        assert!((green(DespillMethod::DoubleAverage) - 1.0 / 3.0).abs() < 1e-6);
    }

    #[test]
    fn no_strength_changes_nothing() {
        for strength in [0.0, -1.0, f32::NAN] {
            let despill = Despill { strength, ..FULL };
            assert!(despill.is_identity());
            assert_eq!(run(despill, [0.0, 3.0, -1.0]), [0.0, 3.0, -1.0]);
        }
    }

    #[test]
    fn neutral_gives_luminance_back_as_grey() {
        for screen in Screen::ALL {
            let despill = Despill {
                screen: *screen,
                method: DespillMethod::Neutral,
                ..FULL
            };
            let mut lit = [0.3; 3];
            lit[screen.channel()] = 0.8;
            let luminance = |rgb: [f32; 3]| -> f32 {
                rgb.iter()
                    .zip(LUMINANCE)
                    .map(|(value, weight)| value * weight)
                    .sum()
            };
            let out = run(despill, lit);
            assert!((luminance(out) - luminance(lit)).abs() < 1e-6);
            assert!(
                out.iter().all(|value| (value - out[0]).abs() < 1e-6),
                "{out:?}"
            );
        }
    }

    #[test]
    fn what_a_wide_gamut_has_below_zero_is_no_reason_to_take_more() {
        let wide = [-4.0, 0.5, 0.2];
        for method in DespillMethod::ALL {
            let despill = Despill {
                method: *method,
                ..FULL
            };
            let [mut r, mut g, mut b] = wide.map(|value| [value]);
            despill.plate_row([&mut r, &mut g, &mut b]);
            assert!(g[0] >= 0.0 && g[0] <= 0.5, "{method:?}: {g:?}");
            // Without a channel below 0 it is the same as for the network's colour.
            let [mut r, mut g, mut b] = [[0.1], [0.5], [0.2]];
            despill.plate_row([&mut r, &mut g, &mut b]);
            assert_eq!([r[0], g[0], b[0]], run(despill, [0.1, 0.5, 0.2]));
        }
        assert!(
            run(FULL, wide)[1] < -1.0,
            "the original's way takes more than there is"
        );
    }

    proptest! {
        #[test]
        fn screens_are_alike(r in -1.0_f32..9.0, g in -1.0_f32..9.0, b in -1.0_f32..9.0, strength in 0.0_f32..1.0, method in 0..3_i32) {
            let method = DespillMethod::from_index(method).unwrap_or(DespillMethod::Average);
            let with = |screen| Despill { strength, screen, method };
            let green = run(with(Screen::Green), [r, g, b]);
            let blue = run(with(Screen::Blue), [r, b, g]);
            let red = run(with(Screen::Red), [g, r, b]);
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
