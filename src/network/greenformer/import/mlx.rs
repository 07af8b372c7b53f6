//! The layout of checkpoints that were converted for MLX.
//!
//! They have the same tensors, with two differences: MLX has no sequential module in the refiner's
//! stem, so its two layers have names of their own, and convolution weights are stored
//! output-height-width-input instead of output-input-height-width. Counters of training are left
//! out. The names are taken as they come; the layout is told by the shapes alone, of which none is
//! the same in both.

use super::checkpoint::Stored;

/// Prefixes that MLX has its own names for: theirs, ours.
const NAMES: [(&str, &str); 2] = [
    ("refiner.stem_conv.", "refiner.stem.0."),
    ("refiner.stem_gn.", "refiner.stem.1."),
];

/// The state dict's name of a tensor.
pub(super) fn name(name: &str) -> String {
    for (theirs, ours) in NAMES {
        if let Some(rest) = name.strip_prefix(theirs) {
            return format!("{ours}{rest}");
        }
    }
    name.to_owned()
}

/// The shape that a convolution weight of shape output-input-height-width has in MLX.
pub(super) fn shape(shape: &[usize]) -> Option<[usize; 4]> {
    match *shape {
        [output, input, height, width] => Some([output, height, width, input]),
        _ => None,
    }
}

/// The same tensor seen as output-input-height-width; its bytes stay where they are.
pub(super) fn seen_as_pytorch(tensor: &mut Stored) {
    for axes in [&mut tensor.shape, &mut tensor.strides] {
        if let [_, rest @ ..] = axes.as_mut_slice() {
            // Height, width, input: the last comes to the front.
            rest.rotate_right(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::checkpoint::{Element, row_major};
    use super::*;

    #[test]
    fn names_and_axes_become_pytorch_s() {
        assert_eq!(name("refiner.stem_conv.weight"), "refiner.stem.0.weight");
        assert_eq!(name("refiner.stem_gn.bias"), "refiner.stem.1.bias");
        assert_eq!(name("refiner.stem.0.weight"), "refiner.stem.0.weight");
        assert_eq!(shape(&[64, 7, 3, 2]), Some([64, 3, 2, 7]));
        assert_eq!(shape(&[64, 7]), None);
        let mut tensor = Stored {
            name: "w".into(),
            shape: vec![64, 3, 2, 7],
            strides: row_major(&[64, 3, 2, 7]),
            element: Element::F32,
            offset: 0,
        };
        seen_as_pytorch(&mut tensor);
        assert_eq!(tensor.shape, [64, 7, 3, 2]);
        assert_eq!(tensor.strides, [42, 1, 14, 7]);
        assert!(tensor.is_permuted() && !tensor.is_contiguous());
    }
}
