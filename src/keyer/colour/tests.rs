#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::curves::Curve;
use super::*;

fn decode(encoding: Encoding, value: f32) -> f32 {
    let mut row = [value];
    encoding.space().curve.decode(&mut row);
    row[0]
}

fn encode(encoding: Encoding, value: f32) -> f32 {
    let mut row = [value];
    encoding.space().curve.encode(&mut row);
    row[0]
}

/// A code of 10 bits, as a number.
fn code(code: f32) -> f32 {
    code / 1023.0
}

/// Light and number, as each publication prints them, and how exactly it does.
#[test]
fn curves_have_their_published_values() {
    use Encoding::*;
    let published = [
        (Srgb, 0.18, 0.461_356, 1e-5),
        (Rec709, 0.18, 0.409_008, 3e-4),
        (Rec709, 0.018, 0.081, 3e-4),
        (Rec709, 1.0, 1.0, 1e-6),
        (Bt1886, 0.5_f32.powf(2.4), 0.5, 1e-6),
        (Gamma22, 0.5_f32.powf(2.2), 0.5, 1e-6),
        // S-2016-001, Appendix A.
        (AcesCct, 0.0, 0.072_905_53, 1e-6),
        (AcesCct, 0.007_812_5, 0.155_251_14, 1e-6),
        (AcesCct, 0.18, 0.413_588_4, 1e-6),
        (AcesCct, 1.0, 9.72 / 17.52, 1e-6),
        (AcesCct, 65504.0, 1.467_996_4, 1e-6),
        // The film's black, and its white.
        (Cineon, 0.0, code(95.0), 1e-6),
        (Cineon, 1.0, code(685.0), 1e-6),
        // The table of the 2012 paper.
        (LogC3, 0.0, 0.092_809, 1e-6),
        (LogC3, 0.18, 0.391_007, 1e-6),
        (LogC3, 55.08, 1.0, 1e-4),
        (LogC4, 0.0, 95.0 / 1023.0, 1e-6),
        (LogC4, 0.18, 0.278_395_8, 1e-6),
        (LogC4, 1.0, 0.427_519_4, 1e-6),
        (LogC4, 469.8, 1.0, 1e-5),
        (SLog3, 0.0, code(95.0), 1e-6),
        (SLog3, 0.18, code(420.0), 1e-6),
        (SLog3, 0.9, code(598.0), 3e-4),
        (SLog3Cine, 0.18, code(420.0), 1e-6),
        (Log3G10, -0.01, 0.0, 1e-6),
        (Log3G10, 0.0, 0.091_551, 1e-6),
        (Log3G10, 0.18, 1.0 / 3.0, 1e-6),
        (Log3G10, 1.0, 0.493_449, 1e-6),
        (Log3G10, 184.322, 1.0, 1e-6),
        (VLog, 0.0, code(128.0), 2e-4),
        (VLog, 0.18, code(433.0), 1e-4),
        (VLog, 0.9, code(602.0), 1e-3),
        (CLog2, 0.0, 0.092_864, 1e-6),
        (CLog2, 0.18, 0.398_254, 1e-5),
        (CLog3, 0.0, 0.125_122, 1e-6),
        (CLog3, 0.18, 0.343_389, 1e-5),
        (BmdFilm5, 0.0, 0.092_465_75, 1e-6),
        (BmdFilm5, 0.18, 0.383_561_6, 1e-5),
        // The table of the paper.
        (DaVinciIntermediate, -0.01, -0.104_442_7, 1e-6),
        (DaVinciIntermediate, 0.0, 0.0, 1e-6),
        (DaVinciIntermediate, 0.18, 0.336_043, 1e-6),
        (DaVinciIntermediate, 1.0, 0.513_837, 1e-6),
        (DaVinciIntermediate, 10.0, 0.756_599, 1e-6),
        (DaVinciIntermediate, 40.0, 0.903_125, 1e-6),
        (DaVinciIntermediate, 100.0, 1.0, 1e-6),
        (AppleLog, -0.056_410_88, 0.0, 1e-6),
        (AppleLog, 0.0, 0.150_477, 1e-5),
        (AppleLog, 0.18, 0.488_272, 1e-5),
    ];
    for (encoding, light, number, tolerance) in published {
        let own = encode(encoding, light);
        assert!(
            (own - number).abs() <= tolerance,
            "{encoding:?}({light}) = {own}, published {number}"
        );
        let back = decode(encoding, own);
        assert!(
            (back - light).abs() <= 1e-5 * light.abs().max(0.01),
            "{encoding:?}: {light} came back as {back}"
        );
    }
}

/// The offsets of the lines follow from the other constants, and are those that are printed.
#[test]
fn lines_have_their_published_offsets() {
    use Encoding::*;
    for (encoding, offset, tolerance) in [
        (AcesCct, 0.072_905_53, 1e-7),
        (LogC3, 0.092_809, 1e-6),
        // The line ends below 0, where the logarithm goes on: -t / s.
        (LogC4, 0.158_956_3, 1e-6),
        (SLog3, 95.0 / 1023.0, 1e-6),
        (Log3G10, 0.151_927, 1e-6),
        (VLog, 0.125, 1e-5),
        (CLog3, 0.125_122_19, 1e-7),
        (BmdFilm5, 0.092_465_75, 1e-7),
        (DaVinciIntermediate, 0.0, 1e-7),
    ] {
        let Curve::Log(log) = encoding.space().curve else {
            panic!("{encoding:?} has no line");
        };
        let own = log.of_nothing();
        assert!((own - offset).abs() <= tolerance, "{encoding:?}: {own}");
    }
    // Apple's parabola: 47.28711236 (x - end)².
    let at_nothing = encode(AppleLog, 0.0);
    assert!((at_nothing - 47.287_113 * 0.056_410_88_f32.powi(2)).abs() < 2e-6);
}

#[test]
fn curves_rise_everywhere_and_have_one_way_back() {
    // From -1 to 65504, ever a thousandth further, and closely around every bend.
    let mut steps = vec![0.0_f32];
    let mut x = 1e-6_f32;
    while x < 65504.0 {
        steps.push(x);
        if x <= 1.0 {
            steps.push(-x);
        }
        x *= 1.001;
    }
    steps.extend((-6000..6000).map(|i| i as f32 * 1e-5));
    steps.sort_by(f32::total_cmp);
    // Closer together single precision cannot tell numbers of 1 apart.
    let mut last = f32::NEG_INFINITY;
    steps.retain(|x| {
        let apart = x - last > (1e-5 * x.abs()).max(1e-7);
        if apart {
            last = *x;
        }
        apart
    });
    for encoding in Encoding::ALL {
        let mut before = f32::NEG_INFINITY;
        for x in &steps {
            let y = encode(*encoding, *x);
            assert!(
                y > before,
                "{encoding:?} does not rise at {x}: {before} {y}"
            );
            before = y;
            let back = decode(*encoding, y);
            assert!(
                (back - x).abs() <= 1e-5 * x.abs().max(0.01),
                "{encoding:?}: {x} -> {y} -> {back}"
            );
        }
        let mut before = f32::NEG_INFINITY;
        for step in -1000..=1400 {
            let x = decode(*encoding, step as f32 / 1000.0);
            assert!(
                x > before,
                "{encoding:?} does not rise at number {step} / 1000"
            );
            before = x;
        }
    }
}

#[test]
fn curves_without_an_end_are_turned() {
    use Encoding::*;
    for encoding in [Srgb, Rec709, Bt1886, Gamma22, DisplayP3, CLog2, CLog3] {
        let zero = encode(encoding, 0.0);
        for x in [1e-5, 0.004, 0.018, 0.3, 2.0] {
            let (up, down) = (encode(encoding, x), encode(encoding, -x));
            assert!(((up - zero) + (down - zero)).abs() < 1e-6, "{encoding:?}");
        }
    }
    // Film has no code below 0; Apple's curve ends at its own.
    assert!((decode(Cineon, -0.3) + decode(Cineon, 0.3) - 2.0 * decode(Cineon, 0.0)).abs() < 1e-6);
    assert!((decode(AppleLog, -0.3) + decode(AppleLog, 0.3) + 2.0 * 0.056_410_88).abs() < 1e-6);
}

#[test]
fn neutral_stays_neutral() {
    for encoding in Encoding::ALL {
        for grey in [-0.05, 0.0, 0.001, 0.18, 0.5, 1.0, 4.0] {
            let [r, g, b] = encoding.to_linear([grey; 3]);
            let spread = (r - g).abs().max((g - b).abs());
            assert!(
                spread <= 2e-6 * g.abs().max(0.01),
                "{encoding:?}: {grey} -> {r} {g} {b}"
            );
            assert!((g - decode(*encoding, grey)).abs() <= 2e-6 * g.abs().max(0.01));
        }
    }
}

#[test]
fn what_is_not_finite_reads_as_nothing() {
    for encoding in Encoding::ALL.iter().filter(|e| **e != Encoding::Linear) {
        let nothing = encoding.to_linear([0.0; 3]);
        for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(encoding.to_linear([odd; 3]), nothing, "{encoding:?}");
            let encoded = encoding.from_linear([odd; 3]);
            assert_eq!(encoded, encoding.from_linear([0.0; 3]), "{encoding:?}");
        }
        for huge in [f32::MAX, f32::MIN, 1e30, -1e30, 65504.0, -65504.0, 1e-40] {
            for pixel in [[huge, 0.0, 0.0], [0.0, huge, -huge], [huge; 3]] {
                for result in [encoding.to_linear(pixel), encoding.from_linear(pixel)] {
                    assert!(
                        result.iter().all(|v| v.is_finite()),
                        "{encoding:?}: {pixel:?} -> {result:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_pixel_does_not_depend_on_its_row() {
    let values: Vec<f32> = (0..301)
        .map(|i| (i * 37 % 301) as f32 / 150.0 - 0.3)
        .collect();
    for encoding in Encoding::ALL {
        let mut rows = [values.clone(), values.clone(), values.clone()];
        rows[1].rotate_left(7);
        rows[2].rotate_left(20);
        let before = rows.clone();
        let [red, green, blue] = &mut rows;
        encoding.rows_to_linear([red, green, blue]);
        let linear = rows.clone();
        let [red, green, blue] = &mut rows;
        encoding.rows_from_linear([red, green, blue]);
        for i in 0..values.len() {
            let at = |rows: &[Vec<f32>; 3]| [rows[0][i], rows[1][i], rows[2][i]];
            assert_eq!(encoding.to_linear(at(&before)), at(&linear), "{encoding:?}");
            assert_eq!(encoding.from_linear(at(&linear)), at(&rows), "{encoding:?}");
        }
    }
}

/// A picture's whole way, rows in parallel, is the rows' own.
#[test]
fn pictures_are_converted_as_rows_are() {
    let data: Vec<f32> = (0..3 * 40 * 17)
        .map(|i| (i % 97) as f32 / 60.0 - 0.2)
        .collect();
    let picture = Planes::from_vec(40, 17, 3, data).unwrap();
    assert_eq!(Encoding::Srgb.plate(picture.clone()), picture);
    assert_eq!(Encoding::Linear.plate(picture.clone()), picture);
    let (from, to) = (Encoding::LogC3, Encoding::AcesCg);
    let converted = from.convert(picture.clone(), to);
    for i in [0, 39, 40, 679] {
        let at = |planes: &Planes| [0, 1, 2].map(|channel| planes.plane(channel)[i]);
        assert_eq!(at(&converted), to.from_linear(from.to_linear(at(&picture))));
    }
    assert_eq!(
        from.plate(picture.clone()),
        from.convert(picture, Encoding::Linear)
    );
}

proptest! {
    /// There and back, in f32: 1e-5 of a pixel's largest value, or of 0.01.
    #[test]
    fn round_trips(
        index in 0..Encoding::ALL.len(),
        scale in prop_oneof![Just(1e-3_f32), Just(0.02), Just(1.0), Just(16.0), Just(65504.0)],
        r in -0.3_f32..1.0, g in -0.3_f32..1.0, b in -0.3_f32..1.0,
    ) {
        let encoding = Encoding::ALL[index];
        let pixel = [r * scale, g * scale, b * scale];
        let back = encoding.to_linear(encoding.from_linear(pixel));
        let largest = pixel.iter().fold(0.01_f32, |most, v| most.max(v.abs()));
        for (x, y) in pixel.iter().zip(back) {
            prop_assert!((x - y).abs() <= 1e-5 * largest, "{encoding:?}: {pixel:?} {back:?}");
        }
        // And from the clip's side, over the numbers that it can hold: the same light comes back.
        let light = encoding.to_linear([r, g, b]);
        let back = encoding.to_linear(encoding.from_linear(light));
        let largest = light.iter().fold(0.01_f32, |most, v| most.max(v.abs()));
        for (x, y) in light.iter().zip(back) {
            prop_assert!((x - y).abs() <= 1e-5 * largest, "{encoding:?}: {light:?} {back:?}");
        }
    }
}
