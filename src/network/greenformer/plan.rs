//! How much memory a session will need, known before there is one.
//!
//! On a processor it is the weights, and what is alive when it is most: in a residual block of the
//! refiner, where four pictures of 64 channels and twelve planes are held at once. Everything
//! before is smaller, since attention never holds all scores and the decoders work at a quarter of
//! the size. Measured with ONNX Runtime 1.28, memory pattern off, arena on, as growth of the
//! process in MB:
//!
//! | size, fp32 | 256 × 256 | 512 × 512 | 960 × 544 | 1024 × 1024 |
//! |---|---|---|---|---|
//! | measured | 375 | 590 | 877 | 1456 |
//! | estimated | 373 | 590 | 876 | 1455 |

use super::tensors::{self, REFINER, WIDTH};
use crate::network::device::Precision;

/// Pictures of [`REFINER`] channels that are alive at the same time.
const PICTURES: u64 = 4;
/// Planes beside them: the input, the coarse logits and the coarse answer, four each.
const PLANES: u64 = 12;
/// Numbers of the positional embedding for a pixel: a token has 16 of them.
const POSITION: u64 = WIDTH as u64 / 16;
/// The runtime's own needs in bytes.
const RUNTIME: u64 = 20_000_000;

/// How the refiner is worked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refiner {
    /// In one piece with the rest of the network.
    Whole,
    /// Strip by strip, which needs less memory.
    Strips,
}

/// A session's memory in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// The weights. Without prepacking (`session.disable_prepacking`) sessions in 32 bits hold them
    /// as mapped pages of the weights file, which all of them share and the system may take back;
    /// with it every session has a copy of its own.
    pub weights: u64,
    /// What depends on the picture's size, and every session has for itself.
    pub picture: u64,
}

impl Estimate {
    /// Both.
    pub fn total(self) -> u64 {
        self.weights.saturating_add(self.picture)
    }
}

/// What a session on a processor needs for a picture of `height` × `width` pixels.
pub fn processor(height: usize, width: usize, precision: Precision) -> Estimate {
    // The positional embedding is held at the picture's size, whatever the stored one is.
    let stored = tensors::specs(0).into_iter();
    let numbers: u64 = stored.map(|spec| spec.len() as u64).sum();
    let (a_number, a_pixel) = match precision {
        Precision::Fp32 => (4, 4 * (PICTURES * REFINER as u64 + PLANES + POSITION)),
        // Measured: the runtime computes most of it in 32 bits all the same, and so holds the
        // weights in both precisions and the pictures in either.
        Precision::Fp16 => (7, 900),
    };
    let pixels = (height as u64).saturating_mul(width as u64);
    Estimate {
        weights: a_number * numbers,
        picture: pixels.saturating_mul(a_pixel).saturating_add(RUNTIME),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_with_the_picture_and_the_weights_do_not() {
        let [small, large] = [512, 1024].map(|side| processor(side, side, Precision::Fp32));
        assert_eq!(small.weights, large.weights);
        assert!(large.weights > 280_000_000 && large.weights < 285_000_000);
        assert_eq!(large.picture - RUNTIME, 4 * (small.picture - RUNTIME));
        assert_eq!(
            processor(64, 96, Precision::Fp16),
            processor(96, 64, Precision::Fp16)
        );
    }

    #[test]
    fn a_size_beyond_all_measure_is_a_large_number_and_no_accident() {
        let endless = processor(usize::MAX, usize::MAX, Precision::Fp32);
        assert_eq!(endless.total(), u64::MAX);
    }
}
