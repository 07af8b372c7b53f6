use super::*;
use proptest::prelude::*;

fn ramp(width: usize, height: usize) -> Planes {
    let mut planes = Planes::new(width, height, 1);
    for y in 0..height {
        for (x, value) in planes.row_mut(0, y).iter_mut().enumerate() {
            *value = ((x * 7 + y * 13) % 31) as f32 / 31.0;
        }
    }
    planes
}

#[test]
fn the_same_size_is_the_same_picture() {
    let planes = ramp(37, 21);
    for kernel in [Kernel::Triangle, Kernel::Lanczos4] {
        assert_eq!(resize(&planes, planes.size(), kernel), planes);
        // And so are the weights of an axis that is the same size beside one that is not.
        let axis = Axis::new(kernel, 9, 9);
        for i in 0..9 {
            let (start, weights) = axis.taps(i);
            for (k, weight) in (start..).zip(weights) {
                let wanted = if k == i { 1.0 } else { 0.0 };
                assert!((weight - wanted).abs() < 1e-12, "{kernel:?} {i} {k}");
            }
        }
    }
}

#[test]
fn halving_by_a_triangle_is_the_tent() {
    // 1 3 3 1 over 8, as everybody's mipmap tent.
    let axis = Axis::new(Kernel::Triangle, 8, 4);
    let (start, weights) = axis.taps(1);
    let sum: f32 = weights.iter().sum();
    assert!((sum - 1.0).abs() < 1e-6);
    let wanted = [0.125, 0.375, 0.375, 0.125];
    let first = weights.iter().position(|w| *w > 0.0).unwrap_or(0);
    assert_eq!(start + first, 1);
    for (weight, wanted) in weights[first..].iter().zip(wanted) {
        assert!((weight - wanted).abs() < 1e-7);
    }
}

#[test]
fn lanczos_between_two_pixels_is_symmetric_and_overshoots() {
    let axis = Axis::new(Kernel::Lanczos4, 32, 64);
    let (_, left) = axis.taps(31);
    let (_, right) = axis.taps(32);
    for (a, b) in left.iter().zip(right.iter().rev()) {
        assert!((a - b).abs() < 1e-7);
    }
    let mut step = Planes::new(32, 1, 1);
    step.row_mut(0, 0)[16..].fill(1.0);
    let up = resize(&step, Size::new(64, 1), Kernel::Lanczos4);
    assert!(up.data().iter().any(|v| *v < -0.01));
    assert!(up.data().iter().any(|v| *v > 1.01));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_flat_picture_stays_flat(
        width in 1_usize..40, height in 1_usize..40,
        to_width in 1_usize..80, to_height in 1_usize..80,
        value in -3.0_f32..9.0, lanczos: bool,
    ) {
        let kernel = if lanczos { Kernel::Lanczos4 } else { Kernel::Triangle };
        let mut planes = Planes::new(width, height, 2);
        planes.data_mut().fill(value);
        let out = resize(&planes, Size::new(to_width, to_height), kernel);
        for v in out.data() {
            prop_assert!((v - value).abs() < 2e-6 * value.abs().max(1.0));
        }
    }

    #[test]
    fn a_part_of_rows_of_their_own_is_what_whole_rows_have(
        width in 1_usize..40, height in 1_usize..40,
        to_width in 1_usize..80, to_height in 1_usize..80,
        rows: [prop::sample::Index; 3], ends: [prop::sample::Index; 2], lanczos: bool,
    ) {
        let kernel = if lanczos { Kernel::Lanczos4 } else { Kernel::Triangle };
        let planes = ramp(width, height);
        let to = Size::new(to_width, to_height);
        let whole = resize(&planes, to, kernel);
        let resampler = Resampler::new(kernel, planes.size(), to);
        let [one, other] = ends.map(|end| end.index(to_width + 1));
        let columns = one.min(other)..one.max(other);
        let rows = rows.map(|row| row.index(to_height));
        let mut out = [(); 3].map(|()| vec![f32::NAN; columns.len()]);
        let lines = rows.map(|row| (Source::plane(&planes, 0), row));
        let mut scratch = RowScratch::default();
        // What was there before is of no account.
        resampler.row([Source::plane(&planes, 0)], 0, &mut scratch, [&mut vec![0.0; to_width]], |v| v);
        let parts = out.each_mut().map(Vec::as_mut_slice);
        resampler.lines(lines, columns.start, &mut scratch, parts, |v| v);
        for (row, out) in rows.into_iter().zip(&out) {
            prop_assert_eq!(&whole.row(0, row)[columns.clone()], &out[..]);
            let mut alone = vec![0.0; to_width];
            resampler.row([Source::plane(&planes, 0)], row, &mut scratch, [&mut alone], |v| v);
            prop_assert_eq!(whole.row(0, row), &alone[..]);
        }
    }

    #[test]
    fn planes_do_not_mix(width in 1_usize..20, to in 1_usize..40) {
        let a = ramp(width, 5);
        let mut both = Planes::new(width, 5, 4);
        both.plane_mut(1).copy_from_slice(a.plane(0));
        let size = Size::new(to, 7);
        let resampler = Resampler::new(Kernel::Lanczos4, a.size(), size);
        let mut four = Planes::new(to, 7, 4);
        let [p0, p1, p2, p3] = four.planes_mut();
        let mut scratch = RowScratch::default();
        for (y, (((r0, r1), r2), r3)) in p0.chunks_mut(to).zip(p1.chunks_mut(to))
            .zip(p2.chunks_mut(to)).zip(p3.chunks_mut(to)).enumerate() {
            let source = [0, 1, 2, 3].map(|c| Source::plane(&both, c));
            resampler.row(source, y, &mut scratch, [r0, r1, r2, r3], |v| v);
        }
        let alone = resize(&a, size, Kernel::Lanczos4);
        prop_assert_eq!(four.plane(1), alone.plane(0));
        prop_assert!(four.plane(0).iter().chain(four.plane(3)).all(|v| *v == 0.0));
    }
}
