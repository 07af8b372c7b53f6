#![allow(clippy::unwrap_used)]

use super::layers::Filters;
use super::picture::{CHANNELS, Norm};
use super::*;
use crate::network::greenformer::tensors;
use crate::network::test_weights;

/// A refiner of stand-in weights.
fn refiner(size: [usize; 2], threads: usize, level: Level) -> Refiner {
    let specs = tensors::specs(16);
    let values = |name: &str| {
        let spec = specs.iter().find(|spec| spec.name == name).unwrap();
        Ok(test_weights::values(name, &spec.shape).collect())
    };
    Refiner::at_level(&values, size, threads, level).unwrap()
}

fn weights(name: &str, shape: &[usize]) -> Vec<f64> {
    let values = test_weights::values(name, shape);
    values.map(f64::from).collect()
}

fn numbers(name: &str, count: usize) -> Vec<f32> {
    test_weights::uniform(name).take(count).collect()
}

/// A picture of 64 channels that lies somewhere in a map.
fn map([width, height]: [usize; 2], steps: usize, at: usize, name: &str) -> Map {
    let mut map = Map::new(width, height, STEP, steps).unwrap();
    // What lies around the picture is no number: whoever looks there is found out.
    for around in 0..=steps {
        map.filled(0..height, around).fill([f32::NAN; CHANNELS]);
    }
    let mut numbers = test_weights::uniform(name);
    for value in map.filled(0..height, at).as_flattened_mut() {
        *value = numbers.next().unwrap();
    }
    map.moved(at);
    map
}

fn picture(map: &Map) -> Vec<Pixel> {
    map.rows().pixels.to_vec()
}

/// A convolution of 3 × 3 by the book, for one channel: `seen` gives a pixel's channel.
fn by_the_book(
    seen: &dyn Fn(usize, usize, usize) -> f64,
    weight: &[f64],
    [width, height]: [usize; 2],
    dilation: usize,
    pixel: [usize; 2],
) -> f64 {
    let mut sum = 0.0;
    for (index, weight) in weight.iter().enumerate() {
        let (channel, place) = (index / 9, index % 9);
        let [y, x] = [(pixel[1], place / 3), (pixel[0], place % 3)]
            .map(|(at, place)| (at + place * dilation).wrapping_sub(dilation));
        if x < width && y < height {
            sum += weight * seen(x, y, channel);
        }
    }
    sum
}

/// Every level, every dilation, in all roles and both directions; one batch and more, full and not.
#[test]
fn a_convolution_gives_what_nested_loops_give() {
    let never = AtomicBool::new(false);
    let change = Change {
        scale: numbers("scale", CHANNELS).try_into().unwrap(),
        shift: numbers("shift", CHANNELS).try_into().unwrap(),
    };
    for level in Level::all() {
        for (size, dilation, role, up) in [
            ([32, 32], 1, Role::First, true),
            ([160, 64], 1, Role::Ends, true),
            ([96, 96], 2, Role::Begins, false),
            ([32, 96], 4, Role::Begins, true),
            ([128, 32], 4, Role::Ends, false),
            ([160, 96], 8, Role::Begins, false),
            ([64, 64], 8, Role::Ends, true),
            ([32, 32], 8, Role::First, true),
        ] {
            let refiner = refiner(size, 2, level);
            let mut layer = Layer {
                filters: Filters {
                    values: Pixels::new(winograd::FILTERS).unwrap(),
                    bias: numbers("bias", CHANNELS).try_into().unwrap(),
                    norm: Norm {
                        weight: [1.0; CHANNELS],
                        bias: [0.0; CHANNELS],
                    },
                },
                dilation,
                role,
                up,
            };
            let weight: Vec<f32> = numbers("weight", CHANNELS * CHANNELS * 9)
                .iter()
                .map(|value| value / 24.0)
                .collect();
            winograd::filters(&weight, layer.filters.values.get_mut());
            let weight: Vec<f64> = weight.into_iter().map(f64::from).collect();
            let (mut x, mut y) = (
                map(size, 1, usize::from(up), "x"),
                map(size, 2, if up { 2 } else { 1 }, "y"),
            );
            let (given, shortcut) = (picture(&y), picture(&x));
            let seen = |x: usize, y: usize, channel: usize| {
                let at = y * size[0] + x;
                let [scale, shift, value, shortcut] = [
                    change.scale[channel],
                    change.shift[channel],
                    given[at][channel],
                    shortcut[at][channel],
                ]
                .map(f64::from);
                let beside = if role == Role::Begins { shortcut } else { 0.0 };
                (value * scale + shift + beside).max(0.0)
            };
            let sums = refiner.convolve(&layer, &change, &never, &mut x, &mut y);
            let (answer, kept) = (picture(&y), picture(&x));
            let what = format!("{level:?} {size:?} {dilation} {role:?}");
            for (at, (answer, kept)) in answer.iter().zip(&kept).enumerate() {
                let pixel = [at % size[0], at / size[0]];
                for channel in [at % CHANNELS, (at * 7 + 16) % CHANNELS] {
                    let weight = &weight[channel * CHANNELS * 9..][..CHANNELS * 9];
                    let bias = f64::from(layer.filters.bias[channel]);
                    let right = bias + by_the_book(&seen, weight, size, dilation, pixel);
                    let off = (f64::from(answer[channel]) - right).abs();
                    assert!(off < 1e-5, "{what}: {off} at {pixel:?}, channel {channel}");
                    let right = match role {
                        Role::Ends => f64::from(shortcut[at][channel]),
                        _ => seen(pixel[0], pixel[1], channel),
                    };
                    let off = (f64::from(kept[channel]) - right).abs();
                    assert!(off < 1e-6, "{what}: {off} is kept at {pixel:?}");
                }
            }
            for channel in 0..CHANNELS {
                let values = || answer.iter().map(|pixel| f64::from(pixel[channel]));
                let off = (values().sum::<f64>() - sums.values[channel]).abs();
                assert!(off < 1e-2, "{what}: a sum is off by {off}");
                let right: f64 = values().map(|value| value * value).sum();
                let off = (right / sums.squares[channel] - 1.0).abs();
                assert!(off < 1e-6, "{what}: squares are off by {off}");
            }
        }
    }
}

/// Plate and logits.
fn input([width, height]: [usize; 2]) -> (Vec<f32>, Vec<f32>) {
    let pixels = width * height;
    (numbers("plate", 3 * pixels), numbers("logits", 4 * pixels))
}

fn run(refiner: &mut Refiner, plate: &[f32], logits: &[f32], stop: bool) -> Vec<f32> {
    let pixels = logits.len() / 4;
    let mut answer = vec![-1.0; 4 * pixels];
    let (alpha, foreground) = answer.split_at_mut(pixels);
    let stop = AtomicBool::new(stop);
    refiner
        .run(plate, logits, 1.0, &stop, alpha, foreground)
        .unwrap();
    answer
}

#[test]
fn the_first_convolution_gives_what_nested_loops_give() {
    let size = [96, 32];
    let (plate, logits) = input(size);
    let pixels = size[0] * size[1];
    let [weight, bias] = [("weight", vec![64, 7, 3, 3]), ("bias", vec![64])]
        .map(|(name, shape)| weights(&format!("refiner.stem.0.{name}"), &shape));
    let seen = |x: usize, y: usize, channel: usize| {
        let at = y * size[0] + x;
        match channel.checked_sub(3) {
            None => f64::from(plate[channel * pixels + at]),
            Some(plane) => 1.0 / (1.0 + (-f64::from(logits[plane * pixels + at])).exp()),
        }
    };
    for level in Level::all() {
        let never = AtomicBool::new(false);
        let (mut x, mut y) = (map(size, 1, 0, "x"), map(size, STEPS, 0, "y"));
        let refiner = refiner(size, 2, level);
        let sums = refiner.begin(&plate, &logits, &never, &mut x, &mut y);
        for (at, answer) in picture(&y).iter().enumerate() {
            let pixel = [at % size[0], at / size[0]];
            for channel in [at % CHANNELS, (at * 5 + 31) % CHANNELS] {
                let weight = &weight[channel * 63..][..63];
                let right = bias[channel] + by_the_book(&seen, weight, size, 1, pixel);
                let off = (f64::from(answer[channel]) - right).abs();
                assert!(off < 1e-5, "{level:?}: {off} at {pixel:?}");
            }
        }
        let right: f64 = picture(&y).iter().map(|pixel| f64::from(pixel[40])).sum();
        assert!((sums.values[40] - right).abs() < 1e-2, "{level:?}");
    }
}

#[test]
fn the_last_layer_gives_what_a_plain_sum_gives() {
    let size = [64, 32];
    let (_, logits) = input(size);
    let pixels = size[0] * size[1];
    let change = Change {
        scale: numbers("scale", CHANNELS).try_into().unwrap(),
        shift: numbers("shift", CHANNELS).try_into().unwrap(),
    };
    let weight = weights("refiner.final.weight", &[4, 64, 1, 1]);
    let bias = weights("refiner.final.bias", &[4]);
    let (x, y) = (map(size, 1, 0, "x"), map(size, 2, 1, "y"));
    for level in Level::all() {
        let mut answer = vec![0.0; 4 * pixels];
        let (alpha, foreground) = answer.split_at_mut(pixels);
        let never = AtomicBool::new(false);
        let refiner = refiner(size, 3, level);
        refiner.end(&change, &logits, 5.0, &never, [&x, &y], [alpha, foreground]);
        for (index, answer) in answer.iter().enumerate() {
            let (plane, at) = (index / pixels, index % pixels);
            let sum: f64 = (0..CHANNELS)
                .map(|channel| {
                    let [scale, shift, value, shortcut] = [
                        change.scale[channel],
                        change.shift[channel],
                        picture_at(&y, at, channel),
                        picture_at(&x, at, channel),
                    ]
                    .map(f64::from);
                    weight[plane * CHANNELS + channel] * (value * scale + shift + shortcut).max(0.0)
                })
                .sum();
            let logit = f64::from(logits[index]) + 5.0 * (sum + bias[plane]);
            let off = (f64::from(*answer) - 1.0 / (1.0 + (-logit).exp())).abs();
            assert!(off < 1e-6, "{level:?}: {off} at {at} of plane {plane}");
        }
    }
}

fn picture_at(map: &Map, at: usize, channel: usize) -> f32 {
    map.rows().pixels[at][channel]
}

#[test]
fn a_normalisation_gives_each_group_its_mean_and_deviation() {
    // Two channels with these values over two pixels, all others 0.
    let mut sums = Sums::default();
    (sums.values[8], sums.squares[8]) = (3.0 + 5.0, 9.0 + 25.0);
    (sums.values[15], sums.squares[15]) = (-1.0 + 1.0, 1.0 + 1.0);
    let norm = Norm {
        weight: [2.0; CHANNELS],
        bias: [0.5; CHANNELS],
    };
    let change = norm.change(&sums, 2);
    // Mean 8 / 16, mean square 36 / 16.
    let deviation = (36.0 / 16.0 - 0.25 + 1e-5_f64).sqrt();
    for channel in 8..16 {
        assert!((f64::from(change.scale[channel]) - 2.0 / deviation).abs() < 1e-6);
        assert!((f64::from(change.shift[channel]) - (0.5 - 1.0 / deviation)).abs() < 1e-6);
    }
    // Nothing but one value: what divides is the little that is added.
    assert!((f64::from(change.scale[0]) - 2.0 / 1e-5_f64.sqrt()).abs() < 1e-2);
    assert_eq!(change.shift[0], 0.5);
}

#[test]
fn all_levels_and_any_number_of_threads_agree() {
    let size = [160, 64];
    let (plate, logits) = input(size);
    let levels = Level::all();
    let first = run(&mut refiner(size, 1, levels[0]), &plate, &logits, false);
    for level in levels {
        let answers = [1, 3].map(|threads| {
            let mut refiner = refiner(size, threads, level);
            run(&mut refiner, &plate, &logits, false)
        });
        assert_eq!(answers[0], answers[1], "{level:?}");
        let pairs = first.iter().zip(&answers[0]);
        let worst = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-5, "{level:?}: {worst}");
    }
}

#[test]
fn who_stops_gets_nothing_and_the_next_picture_is_right() {
    let size = [64, 96];
    let (plate, logits) = input(size);
    let mut refiner = refiner(size, 2, Level::best());
    let first = run(&mut refiner, &plate, &logits, false);
    let stopped = run(&mut refiner, &plate, &logits, true);
    assert!(stopped.iter().all(|value| *value == -1.0), "it was worked");
    assert_eq!(run(&mut refiner, &plate, &logits, false), first);
    refiner.rest();
    assert_eq!(run(&mut refiner, &plate, &logits, false), first);
}

/// A picture with a hole in it must not look as if it had none.
#[test]
fn what_is_no_number_stays_none() {
    let size = [64, 64];
    for level in Level::all() {
        let (mut plate, logits) = input(size);
        plate[1000] = f32::NAN;
        let answer = run(&mut refiner(size, 2, level), &plate, &logits, false);
        assert!(answer.iter().any(|value| value.is_nan()), "{level:?}");
    }
}

#[test]
fn a_size_that_does_not_fall_into_whole_tiles_is_refused() {
    for size in [[0, 32], [32, 0], [64, 48], [33, 64]] {
        let values = |_: &str| panic!("nothing is read");
        let refused = Refiner::at_level(&values, size, 1, Level::best()).unwrap_err();
        assert!(refused.to_string().contains("multiples of 32"), "{refused}");
    }
}
