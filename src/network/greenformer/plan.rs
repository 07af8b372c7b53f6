//! How much memory a session will need, known before there is one.
//!
//! On a processor it is the weights, and what is alive when it is most. In 32 bits that is what the
//! session up to the logits worked in, and the two pictures of 64 channels of our own refiner, if
//! both are kept for the next frame; if each is given back before the other begins, it is the larger
//! of them, and they are about as large. In 16 bits it is in a residual block of the refiner, where
//! up to four such pictures are held at once. Measured with ONNX Runtime 1.28, memory pattern off,
//! arena on, channels in blocks, as growth of a process with nothing else in it, in MB:
//!
//! | fp32 | 512 × 512 | 1024 × 1024 | 2048 × 2048 |
//! |---|---|---|---|
//! | kept, measured | 804 | 1673 | |
//! | kept, estimated | 805 | 1691 | 5177 |
//! | given back, measured | 646 | 1077 | |
//! | given back, estimated | 666 | 1135 | 2954 |

use super::graph::channel_blocks;
use super::refiner as own;
use super::tensors::{self, REFINER};
use crate::network::device::{Device, Precision};

/// Bytes for a pixel of what the session up to the logits works in, in 32 bits.
const COARSE: u64 = 530;
/// The same where the refiner is part of the session, in 16 bits.
const WHOLE_HALF: u64 = 900;
/// The same with our own refiner behind it, the larger of both.
const STRIPS_HALF: u64 = 640;
/// Bytes for a pixel of our own refiner: two pictures of [`REFINER`] channels and the logits, beside
/// the input and the answer, four planes each.
const PICTURES: u64 = 4 * (2 * REFINER as u64 + 3 * 4);
/// The runtime's own needs in bytes.
const RUNTIME: u64 = 20_000_000;
/// Weights that are put into blocks of channels, in bytes: a copy, and what the runtime keeps of the
/// room in which it made it.
const BLOCKS: u64 = 190_000_000;

/// How the refiner is worked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refiner {
    /// As is quickest: on a processor in 32 bits by ourselves, in memory that is kept from frame to
    /// frame beside that of the session; elsewhere in one piece with the rest of the network.
    Whole,
    /// By ourselves, strip by strip, in memory that the session has given back before and that is
    /// given back to it behind. It takes more time, and gives the same.
    Strips,
}

/// A session's memory in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// The weights. Without prepacking (`session.disable_prepacking`) sessions in 32 bits hold them
    /// as mapped pages of the weights file, which all of them share and the system may take back;
    /// with it every session has a copy of its own. So it has of those that are worked with channels
    /// in blocks, two thirds of them.
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
pub fn processor(height: usize, width: usize, precision: Precision, refiner: Refiner) -> Estimate {
    // The positional embedding is held at the picture's size, whatever the stored one is.
    let stored = tensors::specs(0).into_iter();
    let numbers: u64 = stored.map(|spec| spec.len() as u64).sum();
    let a_number = match precision {
        Precision::Fp32 => 4,
        // Measured: the runtime computes most of it in 32 bits all the same, and so holds the
        // weights in both precisions and the pictures in either.
        Precision::Fp16 => 7,
    };
    let a_column = own::spare(1);
    let (a_pixel, a_column) = match (refiner, precision) {
        (Refiner::Whole, Precision::Fp32) => (COARSE + PICTURES, a_column),
        (Refiner::Whole, Precision::Fp16) => (WHOLE_HALF, 0),
        (Refiner::Strips, Precision::Fp32) => (COARSE.max(PICTURES), a_column),
        (Refiner::Strips, Precision::Fp16) => (STRIPS_HALF, a_column),
    };
    let a_session = match channel_blocks::on(Device::Cpu, precision) {
        true => RUNTIME + BLOCKS,
        false => RUNTIME,
    };
    let pixels = (height as u64).saturating_mul(width as u64);
    let columns = (width as u64).saturating_mul(a_column);
    Estimate {
        weights: a_number * numbers,
        picture: pixels
            .saturating_mul(a_pixel)
            .saturating_add(columns)
            .saturating_add(a_session),
    }
}

/// What a session on CUDA works in besides the weights, in bytes. Most is alive in a residual block:
/// three pictures of [`REFINER`] channels and the enlarged logits, four planes of 32 bits, which is
/// 1600 MiB at 2048 x 2048 in 16 bits. An eighth is added for gaps: with the arena's rules followed
/// through that graph step by step, 1700 MiB in one piece serve all of it, where asking piece by piece
/// takes 3096.
pub fn cuda(height: usize, width: usize, precision: Precision) -> u64 {
    let a_number = match precision {
        Precision::Fp32 => 4,
        Precision::Fp16 => 2,
    };
    let pixels = (height as u64).saturating_mul(width as u64);
    let alive = pixels.saturating_mul(3 * REFINER as u64 * a_number + 4 * 4);
    alive.saturating_add(alive / 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_needs_what_the_graph_has_alive_and_an_eighth() {
        assert_eq!(cuda(2048, 2048, Precision::Fp16), 1800 << 20);
        assert_eq!(cuda(usize::MAX, usize::MAX, Precision::Fp32), u64::MAX);
    }

    #[test]
    fn it_grows_with_the_picture_and_the_weights_do_not() {
        let [small, large] =
            [512, 1024].map(|side| processor(side, side, Precision::Fp32, Refiner::Whole));
        assert_eq!(small.weights, large.weights);
        assert!(large.weights > 280_000_000 && large.weights < 285_000_000);
        let none = processor(0, 0, Precision::Fp32, Refiner::Whole).picture;
        // But for the refiner's spare rows, whose number is always the same.
        let spare = |side| own::spare(side);
        assert_eq!(
            large.picture - none - spare(1024),
            4 * (small.picture - none - spare(512))
        );
        assert_eq!(
            processor(64, 96, Precision::Fp16, Refiner::Whole),
            processor(96, 64, Precision::Fp16, Refiner::Whole)
        );
    }

    #[test]
    fn large_pictures_need_less_in_strips() {
        for precision in [Precision::Fp32, Precision::Fp16] {
            let [whole, strips] = [Refiner::Whole, Refiner::Strips]
                .map(|refiner| processor(2048, 2048, precision, refiner));
            assert_eq!(whole.weights, strips.weights);
            assert!(strips.picture < whole.picture * 4 / 5, "{strips:?}");
        }
    }

    #[test]
    fn a_size_beyond_all_measure_is_a_large_number_and_no_accident() {
        for refiner in [Refiner::Whole, Refiner::Strips] {
            let endless = processor(usize::MAX, usize::MAX, Precision::Fp32, refiner);
            assert_eq!(endless.total(), u64::MAX);
        }
    }
}
