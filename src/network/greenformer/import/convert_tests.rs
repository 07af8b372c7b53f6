#![allow(clippy::unwrap_used)]
use super::super::checkpoint::{Element, row_major};
use super::*;
use crate::network::greenformer::tensors::specs;

fn stored(name: &str, shape: &[usize]) -> Stored {
    Stored {
        name: name.into(),
        shape: shape.into(),
        strides: row_major(shape),
        element: Element::F32,
        offset: 0,
    }
}

/// A whole checkpoint.
fn whole(grid: usize) -> Vec<Stored> {
    let all = specs(grid);
    all.iter()
        .map(|spec| stored(&spec.name, &spec.shape))
        .collect()
}

/// The sentence that refuses a checkpoint after it was changed.
fn refusal(change: impl FnOnce(&mut Vec<Stored>)) -> String {
    let mut tensors = whole(128);
    change(&mut tensors);
    plan(tensors, &specs).unwrap_err()
}

fn find<'a>(tensors: &'a mut [Stored], name: &str) -> &'a mut Stored {
    tensors
        .iter_mut()
        .find(|tensor| tensor.name == name)
        .unwrap()
}

#[test]
fn a_whole_checkpoint_is_planned_in_order_whatever_its_own_order_is() {
    for grid in [128, 512] {
        let mut tensors = whole(grid);
        tensors.reverse();
        for tensor in &mut tensors {
            tensor.name = format!("_orig_mod.{}", tensor.name);
        }
        let plan = plan(tensors, &specs).unwrap();
        assert_eq!((plan.grid, plan.layout), (grid, Layout::Pytorch));
        assert_eq!(plan.tensors.len(), 365);
        let expected: Vec<String> = specs(grid)
            .into_iter()
            .filter(|spec| !spec.is_counter())
            .map(|spec| spec.name)
            .collect();
        let names: Vec<&String> = plan.tensors.iter().map(|(spec, _)| &spec.name).collect();
        assert_eq!(names, expected.iter().collect::<Vec<_>>());
        assert_eq!(plan.tensors[0].1.name, "_orig_mod.encoder.model.pos_embed");
    }
}

#[test]
fn counters_may_be_there_or_not() {
    let mut tensors = whole(128);
    find(&mut tensors, "alpha_decoder.bn.num_batches_tracked").element =
        Element::Other("64-bit integers", 8);
    *find(&mut tensors, "fg_decoder.bn.num_batches_tracked") =
        stored("fg_decoder.bn.num_batches_tracked", &[1]);
    assert_eq!(plan(tensors, &specs).unwrap().tensors.len(), 365);
    let mut tensors = whole(128);
    tensors.retain(|tensor| !tensor.name.ends_with("num_batches_tracked"));
    assert_eq!(plan(tensors, &specs).unwrap().tensors.len(), 365);
    let reason = refusal(|tensors| {
        find(tensors, "fg_decoder.bn.num_batches_tracked").shape = vec![2];
    });
    assert!(reason.contains("is [2] and not []"), "{reason}");
}

#[test]
fn the_layout_of_mlx_is_told_by_the_shapes() {
    let mlx = |tensors: &mut Vec<Stored>| {
        for tensor in tensors {
            if let Some(shape) = mlx::shape(&tensor.shape) {
                *tensor = stored(&tensor.name, &shape);
            }
            tensor.name = tensor
                .name
                .replace("stem.0.", "stem_conv.")
                .replace("stem.1.", "stem_gn.");
        }
    };
    let mut tensors = whole(128);
    mlx(&mut tensors);
    let planned = plan(tensors, &specs).unwrap();
    assert_eq!(planned.layout, Layout::Mlx);
    let (spec, tensor) = planned
        .tensors
        .iter()
        .find(|(spec, _)| spec.name == "refiner.stem.0.weight")
        .unwrap();
    assert_eq!(
        (&spec.shape, &tensor.shape),
        (&vec![64, 7, 3, 3], &vec![64, 7, 3, 3])
    );
    assert_eq!(tensor.strides, [63, 1, 21, 7]);

    let reason = refusal(|tensors| {
        mlx(tensors);
        let tensor = find(tensors, "refiner.res2.conv1.weight");
        *tensor = stored("refiner.res2.conv1.weight", &[64, 64, 3, 3]);
    });
    assert!(
        reason.contains("refiner.res2.conv1.weight") && reason.contains("4 more"),
        "{reason}"
    );
    let reason = refusal(|tensors| {
        tensors.push(stored("refiner.stem_gn.bias", &[64]));
    });
    assert!(
        reason.contains("refiner.stem.1.bias twice") && reason.contains("refiner.stem_gn.bias"),
        "{reason}"
    );
}

#[test]
fn what_does_not_fit_is_listed_exactly() {
    let reason = refusal(|tensors| {
        tensors.retain(|tensor| tensor.name != "refiner.final.bias");
        tensors.push(stored("discriminator.weight", &[1]));
        tensors.push(stored("ema\n.weight", &[1]));
        *find(tensors, "encoder.model.blocks.3.norm1.weight") =
            stored("encoder.model.blocks.3.norm1.weight", &[225]);
        find(tensors, "encoder.model.blocks.4.norm1.bias").element =
            Element::Other("64-bit floats", 8);
        find(tensors, "encoder.model.blocks.4.norm1.weight").strides = vec![0];
    });
    for part in [
        "1 tensor is missing: refiner.final.bias",
        "2 tensors are unknown: discriminator.weight, ema\u{fffd}.weight",
        "1 tensor is of another shape: encoder.model.blocks.3.norm1.weight is [225] and not [224]",
        "encoder.model.blocks.4.norm1.bias (64-bit floats)",
        "stored with gaps or overlaps (make them contiguous and save again): encoder.model.blocks.4.norm1.weight",
    ] {
        assert!(reason.contains(part), "no `{part}` in: {reason}");
    }
    assert!(!reason.contains('\n'));

    let reason = refusal(|tensors| tensors.retain(|tensor| !tensor.name.contains("blocks")));
    assert!(
        reason.contains("294 tensors are missing") && reason.ends_with("and 284 more"),
        "{reason}"
    );
}

#[test]
fn other_networks_are_told_apart_by_the_grid_s_tensor() {
    let other = vec![
        stored("conv1.weight", &[64, 3, 7, 7]),
        stored("fc.bias", &[10]),
    ];
    let reason = plan(other, &specs).unwrap_err();
    assert!(
        reason.contains("no CorridorKey checkpoint")
            && reason.contains("2 tensors are conv1.weight, fc.bias"),
        "{reason}"
    );
    let reason = plan(vec![], &specs).unwrap_err();
    assert!(reason.contains("no tensors at all"), "{reason}");
    for (shape, word) in [
        (&[1, 130, 112][..], "[1, 130, 112]"),
        (&[16384, 112], "[16384, 112]"),
        (&[1, 1025 * 1025, 112], "1025 x 1025"),
    ] {
        let reason = refusal(|tensors| {
            *find(tensors, GRID_TENSOR) = stored(GRID_TENSOR, shape);
        });
        assert!(reason.contains(word), "{reason}");
    }
}
