//! CorridorKey's own network, built by this project, against the original engine's numbers.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/weights.rs"]
mod weights;

use corridorkey::network::greenformer::tensors;

/// The golden values hang on every bit of these; the numbers are those of the original's own
/// script, which computed with NumPy.
#[test]
fn stand_in_weights_are_those_that_the_golden_values_were_computed_with() {
    let specs = tensors::specs(128);
    for (name, first, second, last) in [
        (
            "encoder.model.pos_embed",
            0x3e0419b4,
            0xbdde8b48,
            0xbed1dcf0,
        ),
        (
            "encoder.model.blocks.0.norm1.weight",
            0x3f7d0434,
            0x3f8a4bb1,
            0x3f740109,
        ),
        (
            "encoder.model.blocks.7.attn.proj.weight",
            0x3c201705,
            0xbc809978,
            0x3cbcb6cd,
        ),
        (
            "encoder.model.blocks.23.mlp.fc2.bias",
            0x3cdf1200,
            0x3cf23477,
            0x3c9a273a,
        ),
        (
            "alpha_decoder.bn.running_var",
            0x3f5c9e0e,
            0x3f7797e5,
            0x3f4924b3,
        ),
        (
            "fg_decoder.classifier.weight",
            0x3dda48c3,
            0xbd686c20,
            0xbe719adb,
        ),
        ("refiner.stem.1.bias", 0x3d9f9cfb, 0xbc505233, 0x3dc52dd8),
        (
            "refiner.res3.conv2.weight",
            0xbd037c88,
            0x3b033fe9,
            0x3d345483,
        ),
        ("refiner.final.weight", 0xba853713, 0xbb775d25, 0xbcc95ad0),
        (
            "alpha_decoder.linear_c4.proj.weight",
            0xbd4a06ff,
            0xbd2b684f,
            0x3d0c27f3,
        ),
    ] {
        let spec = specs.iter().find(|spec| spec.name == name).unwrap();
        let values: Vec<u32> = weights::values(name, &spec.shape)
            .map(f32::to_bits)
            .collect();
        assert_eq!(values.len(), spec.len(), "{name}");
        assert_eq!([values[0], values[1]], [first, second], "{name}");
        assert_eq!(values.last(), Some(&last), "{name}");
    }
}
