//! The Status output: the matte in grey, with colours where something is worth a look.
//!
//! | colour | meaning |
//! |---|---|
//! | black | empty, to half a step of 8 bits |
//! | blue | nearly empty: dirt that a background will show |
//! | grey | between, darker where emptier |
//! | yellow | nearly solid: a subject that a background shines through |
//! | white | solid, to half a step of 8 bits |
//! | red | empty where the hint says subject |
//! | green | solid where the hint says nothing: most often a hint that is rightly too small |

/// What 8 bits cannot tell from empty or solid counts as it: the network's own last digits are no
/// fault of a matte.
const EXACT: f32 = 0.5 / 255.0;
/// Alpha up to this, and not empty, is nearly empty.
const NEARLY_EMPTY: f32 = 0.05;
/// Alpha from this on, and not solid, is nearly solid.
const NEARLY_SOLID: f32 = 0.95;
/// The hint is sure from this on, and up to 1 less this.
const SURE: f32 = 0.9;
/// Greys between, so that none looks black or white.
const GREYS: (f32, f32) = (0.25, 0.75);

/// The colour of a pixel, sRGB-encoded, for alpha and hint.
#[inline]
pub fn colour(alpha: f32, hint: f32) -> [f32; 3] {
    if hint >= SURE && alpha <= 1.0 - SURE {
        [0.85, 0.1, 0.1]
    } else if hint <= 1.0 - SURE && alpha >= SURE {
        [0.1, 0.7, 0.25]
    } else if alpha <= EXACT {
        [0.0; 3]
    } else if alpha >= 1.0 - EXACT {
        [1.0; 3]
    } else if alpha <= NEARLY_EMPTY {
        [0.1, 0.25, 0.9]
    } else if alpha >= NEARLY_SOLID {
        [0.95, 0.85, 0.1]
    } else {
        [GREYS.0 + (GREYS.1 - GREYS.0) * alpha; 3]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_its_colour() {
        for (alpha, hint, wanted) in [
            (0.0, 0.0, [0.0; 3]),
            (-0.02, 0.5, [0.0; 3]),
            (1.0, 1.0, [1.0; 3]),
            (1.03, 0.5, [1.0; 3]),
            (0.5, 0.5, [0.5; 3]),
            (0.001, 0.0, [0.0; 3]),
            (0.999, 1.0, [1.0; 3]),
            (0.02, 0.0, [0.1, 0.25, 0.9]),
            (0.98, 1.0, [0.95, 0.85, 0.1]),
            (0.0, 1.0, [0.85, 0.1, 0.1]),
            (1.0, 0.0, [0.1, 0.7, 0.25]),
        ] {
            assert_eq!(colour(alpha, hint), wanted, "alpha {alpha}, hint {hint}");
        }
    }
}
