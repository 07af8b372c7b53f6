//! What a session of a model will need, told before it is built.

pub use crate::network::greenformer::plan::{Estimate, Refiner};

use super::{Kind, Model, Own};
use crate::network::device::{Device, Precision};
use crate::network::greenformer::plan;
use crate::network::tiles::Layout;
use crate::network::unmixer;

/// Bytes that the weights of [`Own::Unmixer`] take for each byte of the model's file. There a weight
/// has two; here it has four, and a filter of 3 × 3 has 36 places instead of 9, as all but a seventh
/// of the weights are in. That makes seven. Two more are the file and what is read out of it, which
/// are needed until all is arranged, and whose place nobody else takes. Measured as growth of a
/// process with nothing else in it, in MB, of which the answers are 8 and 33:
///
/// | | 64 × 64 | 960 × 544 | 1920 × 1088 |
/// |---|---|---|---|
/// | measured | 93 | 201 | 445 |
/// | estimated | 85 | 192 | 411 |
const UNMIXER_WEIGHTS: u64 = 9;

impl Model {
    /// How a frame of this size is worked in tiles there; `None` when it is worked in one piece.
    pub fn layout(
        &self,
        width: usize,
        height: usize,
        device: Device,
        precision: Precision,
    ) -> Option<Layout> {
        // Tiles save the processor's memory, and our own network needs little of it in one piece. A
        // GPU would wait at every seam.
        if device == Device::Cuda || self.own(device, precision).is_some() {
            return None;
        }
        let (seams, pixels) = self.tiles.as_ref()?;
        Layout::new(width, height, self.size_rule.multiple, *pixels, seams)
    }

    /// Memory that a session of this size will need as is quickest, in bytes: the total of
    /// [`Model::estimate`].
    pub fn memory(&self, width: usize, height: usize, device: Device, precision: Precision) -> u64 {
        self.estimate(width, height, device, precision).total()
    }

    /// Memory that a session of this size will need there as is quickest: a careful guess. That of
    /// an imported checkpoint is always a processor's. A file that is not there counts for nothing;
    /// see [`Model::look`].
    pub fn estimate(
        &self,
        width: usize,
        height: usize,
        device: Device,
        precision: Precision,
    ) -> Estimate {
        if let Kind::Greenformer(_) = self.kind {
            return plan::processor(height, width, precision, Refiner::Whole);
        }
        let file = std::fs::metadata(&self.path).map_or(0, |facts| facts.len());
        if let Some(Own::Unmixer) = self.own(device, precision) {
            return Estimate {
                weights: file * UNMIXER_WEIGHTS,
                picture: unmixer::bytes(width, height),
            };
        }
        // The runtime holds the weights about twice: as read, and arranged for its kernels.
        let weights = file * 2;
        let pixels = (width as u64).saturating_mul(height as u64);
        let layout = self.layout(width, height, device, precision);
        let picture = match (layout, &self.tiles) {
            // Encode and finish keep what one tile needs each; of the whole frame there are the
            // small tensors, about six of them at once while it is surveyed.
            (Some(layout), Some((seams, _))) => {
                let tile = (layout.width * layout.height) as u64 * self.bytes_per_pixel * 3 / 2;
                let small = (seams.channels * 4 * 6 / (seams.scale * seams.scale)) as u64;
                tile.saturating_add(pixels.saturating_mul(small))
            }
            _ => pixels.saturating_mul(self.bytes_per_pixel),
        };
        Estimate { weights, picture }
    }

    /// The same with the refiner in strips, in memory that is given back ([`Refiner::Strips`]); `None`
    /// for models that have none of their own.
    pub fn in_strips(&self, width: usize, height: usize, precision: Precision) -> Option<Estimate> {
        match self.kind {
            Kind::Greenformer(_) => {
                Some(plan::processor(height, width, precision, Refiner::Strips))
            }
            Kind::Onnx => None,
        }
    }

    /// How a picture of this size is worked so that it is within `budget` bytes if it can be, and
    /// the memory that this needs: as is quickest where that fits, else with the refiner in strips.
    pub fn within(
        &self,
        width: usize,
        height: usize,
        device: Device,
        precision: Precision,
        budget: u64,
    ) -> (Refiner, Estimate) {
        let whole = self.estimate(width, height, device, precision);
        match self.in_strips(width, height, precision) {
            Some(strips) if whole.total() > budget && strips.total() < whole.total() => {
                (Refiner::Strips, strips)
            }
            _ => (Refiner::Whole, whole),
        }
    }

    /// The largest size of the shape `width` × `height` whose memory is within `budget` bytes and
    /// that the size rule allows.
    pub fn largest_within(
        &self,
        width: usize,
        height: usize,
        device: Device,
        precision: Precision,
        budget: u64,
    ) -> Option<(usize, usize)> {
        let step = self.size_rule.multiple.max(1);
        let steps = (width.max(height) / step) as u64;
        // The long side is stepped down; the short one follows the shape, rounded down.
        (1..=steps).rev().find_map(|count| {
            let scaled = |side: usize| {
                let exact = side as u64 * count / steps.max(1);
                usize::try_from(exact).map_or(0, |exact| exact / step * step)
            };
            let (w, h) = (scaled(width), scaled(height));
            let allowed = w.min(h) >= self.size_rule.min.max(1);
            let (_, needed) = self.within(w, h, device, precision, budget);
            (allowed && needed.total() <= budget).then_some((w, h))
        })
    }
}
