//! What a session of a model will need, told before it is built.

pub use crate::network::greenformer::plan::{Estimate, Refiner};

use super::{Kind, Model};
use crate::network::device::Precision;
use crate::network::greenformer::plan;

impl Model {
    /// Memory that a session of this size will need as is quickest, in bytes: the total of
    /// [`Model::estimate`].
    pub fn memory(&self, width: usize, height: usize, precision: Precision) -> u64 {
        self.estimate(width, height, precision).total()
    }

    /// Memory that a session of this size will need on a processor as is quickest: a careful guess.
    /// A file that is not there counts for nothing; see [`Model::look`].
    pub fn estimate(&self, width: usize, height: usize, precision: Precision) -> Estimate {
        if let Kind::Greenformer(_) = self.kind {
            return plan::processor(height, width, precision, Refiner::Whole);
        }
        // The runtime holds the weights about twice: as read, and arranged for its kernels.
        let weights = std::fs::metadata(&self.path).map_or(0, |facts| facts.len()) * 2;
        let pixels = (width as u64).saturating_mul(height as u64);
        let picture = match (self.layout(width, height), &self.tiles) {
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
        precision: Precision,
        budget: u64,
    ) -> (Refiner, Estimate) {
        let whole = self.estimate(width, height, precision);
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
            let (_, needed) = self.within(w, h, precision, budget);
            (allowed && needed.total() <= budget).then_some((w, h))
        })
    }
}
