#![allow(clippy::unwrap_used)]

use super::direct::{Convolve, Settled, between};
use super::map::Map;
use super::matrix::Matrix;
use super::square::Squares;
use super::*;
use crate::network::simd::Level;
use crate::network::winograd::{PLACES, filter};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/models/base/base.onnx");

/// Numbers between −1 and 1, always the same ones.
fn noise(seed: u32) -> impl FnMut() -> f32 {
    let mut state = seed.wrapping_mul(0x9e37_79b9) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    }
}

/// A map of noise.
fn picture(size: [usize; 2], channels: usize, seed: u32) -> Map {
    let mut map = Map::new(size, channels, size[1]).unwrap();
    let mut noise = noise(seed);
    let part = map.all();
    for row in part.numbers.chunks_exact_mut(part.stride) {
        for value in &mut row[channels..part.stride - channels] {
            *value = noise();
        }
    }
    map
}

/// A convolution, one product after the other, with 0 beyond the picture. Weights are
/// `[outputs][inputs][side][side]`.
fn naive(
    given: &Map,
    weights: &[f32],
    outputs: usize,
    [side, stride, dilation]: [usize; 3],
) -> Vec<f32> {
    let rows = given.rows();
    let inputs = rows.channels;
    let reach = (side - 1) / 2 * dilation;
    let mut answer = Vec::new();
    for y in (0..rows.height).step_by(stride) {
        for x in (0..rows.width).step_by(stride) {
            for output in 0..outputs {
                let mut sum = 0.0;
                for (i, j) in (0..side * side).map(|at| (at / side, at % side)) {
                    let (row, column) = (y + i * dilation, x + j * dilation);
                    let inside = (reach..rows.height + reach).contains(&row)
                        && (reach..rows.width + reach).contains(&column);
                    if !inside {
                        continue;
                    }
                    let pixel = &rows.row(row - reach)[(column - reach + 1) * inputs..][..inputs];
                    for (input, value) in pixel.iter().enumerate() {
                        let weight = weights[((output * inputs + input) * side + i) * side + j];
                        sum += f64::from(weight) * f64::from(*value);
                    }
                }
                answer.push(sum as f32);
            }
        }
    }
    answer
}

/// The numbers of a map, its borders aside.
fn values(map: &Map) -> Vec<f32> {
    let (rows, channels) = (map.rows(), map.channels());
    (0..map.height())
        .flat_map(|row| rows.row(row)[channels..(map.width() + 1) * channels].to_vec())
        .collect()
}

fn farthest(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let pairs = a.iter().zip(b);
    // What is no number is far from everything.
    pairs.fold(0.0, |most, (a, b)| {
        let far = (a - b).abs();
        if far <= most { most } else { far }
    })
}

#[test]
fn squares_are_what_a_convolution_is() {
    for (index, (width, height, inputs, outputs, dilation)) in [
        (1, 1, 16, 16, 1),
        (5, 3, 16, 32, 2),
        (13, 9, 48, 48, 1),
        (30, 17, 16, 48, 2),
        (70, 6, 32, 112, 1),
        (9, 22, 176, 16, 2),
    ]
    .into_iter()
    .enumerate()
    {
        let mut random = noise(index as u32);
        let weights: Vec<f32> = (0..outputs * inputs * 9).map(|_| random() * 0.1).collect();
        let bias: Vec<f32> = (0..outputs).map(|_| random()).collect();
        let given = picture([width, height], inputs, 7);
        let before = || picture([width, height], outputs, 8);
        let mut expected = naive(&given, &weights, outputs, [3, 1, dilation]);
        for (index, (value, before)) in expected.iter_mut().zip(values(&before())).enumerate() {
            *value = (*value + bias[index % outputs] + before).max(0.0);
        }
        for level in Level::all() {
            let places: Vec<_> = weights.as_chunks().0.iter().map(filter).collect();
            let weight = |place: usize, input: usize, output: usize| -> f32 {
                places[output * inputs + input][place]
            };
            let layer = Square {
                filters: Matrix::new(level, PLACES, inputs, outputs, weight).unwrap(),
                bias: bias.clone(),
                dilation,
            };
            let mut answer = before();
            let mut room = vec![f32::NAN; layer.room()];
            let rows = layer.rows(width);
            let part = answer.all();
            let tasks = part.numbers.chunks_mut(rows * part.stride).enumerate();
            for (index, numbers) in tasks {
                level.run(Squares {
                    layer: &layer,
                    given: given.rows(),
                    first: index * rows,
                    answer: numbers,
                    add: true,
                    clip: true,
                    room: &mut room,
                });
            }
            let far = farthest(&values(&answer), &expected);
            assert!(far < 3e-5, "{level:?}, case {index}: {far}");
            let part = answer.all();
            for row in part.numbers.chunks_exact(part.stride) {
                let beside = row[..outputs].iter().chain(&row[part.stride - outputs..]);
                assert!(beside.eq(&vec![0.0; 2 * outputs]), "the borders stay 0");
            }
        }
    }
}

#[test]
fn convolutions_with_a_stride_are_what_they_are() {
    for level in Level::all() {
        for (index, (width, height, inputs, outputs, side, stride)) in [
            (2, 2, 16, 16, 3, 2),
            (6, 10, 16, 48, 4, 2),
            (26, 6, 32, 64, 3, 2),
            (31, 5, 48, 32, 1, 1),
            (7, 3, 64, 176, 1, 1),
        ]
        .into_iter()
        .enumerate()
        {
            let mut random = noise(index as u32);
            let count = outputs * inputs * side * side;
            let weights: Vec<f32> = (0..count).map(|_| random() * 0.1).collect();
            let weight = |row: usize, at: usize, output: usize| {
                let (column, input) = (at / inputs, at % inputs);
                weights[((output * inputs + input) * side + row) * side + column]
            };
            let layer = Direct {
                matrix: Matrix::new(level, side, side * inputs, outputs, weight).unwrap(),
                bias: (0..outputs).map(|_| random()).collect(),
                inputs,
                side,
                stride,
            };
            let given = picture([width, height], inputs, 3);
            let mut expected = naive(&given, &weights, outputs, [side, stride, 1]);
            for (index, value) in expected.iter_mut().enumerate() {
                *value += layer.bias[index % outputs];
            }
            let size = [width / stride, height / stride];
            let mut answer = Map::new(size, outputs, size[1]).unwrap();
            Convolve {
                layer: &layer,
                given: given.rows(),
                first: 0,
                answer: answer.all().numbers,
                clip: false,
            }
            .work();
            let far = farthest(&values(&answer), &expected);
            assert!(far < 3e-5, "{level:?}, case {index}: {far}");
        }
    }
}

#[test]
fn what_is_settled_first_is_two_convolutions() {
    let (width, height, inputs, outputs) = (14, 10, 16, 32);
    let mut random = noise(5);
    let settle: Vec<f32> = (0..9 * inputs).map(|_| random()).collect();
    let weights: Vec<f32> = (0..9 * inputs * outputs).map(|_| random() * 0.1).collect();
    let weight = |row: usize, at: usize, output: usize| {
        weights[((output * inputs + at % inputs) * 3 + row) * 3 + at / inputs]
    };
    let given = picture([width, height], inputs, 6);
    // Each channel by itself.
    let mut alone = vec![0.0; inputs * inputs * 9];
    for (place, channel) in (0..9 * inputs).map(|at| (at / inputs, at % inputs)) {
        alone[(channel * inputs + channel) * 9 + place] = settle[place * inputs + channel];
    }
    let mut settled = Map::new([width, height], inputs, height).unwrap();
    let inner = naive(&given, &alone, inputs, [3, 1, 1]);
    let part = settled.all();
    let rows = part.numbers.chunks_exact_mut(part.stride);
    for (row, inner) in rows.zip(inner.chunks_exact(width * inputs)) {
        row[inputs..part.stride - inputs].copy_from_slice(inner);
    }
    let expected = naive(&settled, &weights, outputs, [3, 2, 1]);
    let expected: Vec<f32> = expected.into_iter().map(|value| value.max(0.0)).collect();
    for level in Level::all() {
        let layer = Direct {
            matrix: Matrix::new(level, 3, 3 * inputs, outputs, weight).unwrap(),
            bias: vec![0.0; outputs],
            inputs,
            side: 3,
            stride: 2,
        };
        let mut answer = Map::new([width / 2, height / 2], outputs, height / 2).unwrap();
        let part = answer.all();
        let mut room = vec![f32::NAN; Settled::room(2, width, inputs)];
        for (index, numbers) in part.numbers.chunks_mut(2 * part.stride).enumerate() {
            level.run(Settled {
                settle: &settle,
                layer: &layer,
                given: given.rows(),
                first: 2 * index,
                answer: numbers,
                room: &mut room,
            });
        }
        let far = farthest(&values(&answer), &expected);
        assert!(far < 3e-5, "{level:?}: {far}");
    }
}

#[test]
fn what_is_enlarged_lies_between_its_pixels() {
    // Two pixels, four times as many: outside of their middles there is nothing to mix.
    let places: Vec<_> = (0..8).map(|at| between(at, 4, 2)).collect();
    let expected = [0.0, 0.0, 0.125, 0.375, 0.625, 0.875, 1.0, 1.0];
    for ((left, right, share), expected) in places.into_iter().zip(expected) {
        let value = left as f32 + (right - left) as f32 * share;
        assert!(
            (value - expected).abs() < 1e-6,
            "{value} and not {expected}"
        );
    }
    let (left, right, _) = between(5, 8, 1);
    assert_eq!((left, right), (0, 0));
}

/// A plate's input: a bright disc with a soft edge before a green screen, noise, and a hint.
fn input(width: usize, height: usize) -> Vec<f32> {
    let mut random = noise(1);
    let mut planes = vec![0.0; 4 * width * height];
    for y in 0..height {
        for x in 0..width {
            let (dx, dy) = (
                x as f32 / width as f32 - 0.5,
                y as f32 / height as f32 - 0.4,
            );
            let alpha = ((0.3 - (dx * dx + dy * dy).sqrt()) * 20.0).clamp(0.0, 1.0);
            let screen = [0.2, 0.7, 0.25];
            for (channel, screen) in screen.into_iter().enumerate() {
                let colour = alpha * 0.8 + (1.0 - alpha) * screen + random() * 0.01;
                planes[(channel * height + y) * width + x] =
                    (colour - light::MEAN[channel]) / light::STD[channel];
            }
            planes[(3 * height + y) * width + x] = f32::from(alpha > 0.5);
        }
    }
    planes
}

fn answer(level: Level, [width, height]: [usize; 2], threads: usize) -> Vec<f32> {
    let layers = Layers::at_level(&std::fs::read(FILE).unwrap(), level).unwrap();
    let mut network = Unmixer::new(layers, width, height, threads).unwrap();
    let mut planes = vec![f32::NAN; 4 * width * height];
    let input = input(width, height);
    // The second time it works in what the first has left.
    for _ in 0..2 {
        let (alpha, foreground) = planes.split_at_mut(width * height);
        let stop = AtomicBool::new(false);
        network.run(&input, &stop, alpha, foreground).unwrap();
    }
    planes
}

#[test]
fn all_processors_give_the_same_picture() {
    let expected = answer(Level::best(), [192, 128], 1);
    let most = expected[..192 * 128].iter().copied().fold(0.0, f32::max);
    assert!(most > 0.9, "there is no subject: {most}");
    for level in Level::all() {
        let far = farthest(&answer(level, [192, 128], 1), &expected);
        assert!(far < 5e-5, "{level:?}: {far}");
    }
}

#[test]
fn any_number_of_threads_gives_the_same_picture() {
    // Three bands.
    let expected = answer(Level::best(), [64, 544], 1);
    for threads in [2, 3, 5] {
        assert!(answer(Level::best(), [64, 544], threads) == expected);
    }
}

#[test]
fn what_is_not_the_network_is_refused() {
    use crate::network::proto::ModelProto;
    use prost::Message as _;

    let bytes = std::fs::read(FILE).unwrap();
    let refused = |change: &dyn Fn(&mut ModelProto)| {
        let mut model = ModelProto::decode(bytes.as_slice()).unwrap();
        change(&mut model);
        match Layers::read(&model.encode_to_vec()) {
            Err(Refusal::Other(reason)) => reason,
            other => panic!("{other:?}"),
        }
    };
    let node = |model: &mut ModelProto, name: &str| {
        let nodes = &model.graph.as_ref().unwrap().node;
        nodes
            .iter()
            .position(|node| node.name.as_deref() == Some(name))
            .unwrap()
    };
    let gone = refused(&|model| {
        let at = node(model, "/paint/Conv");
        model.graph.as_mut().unwrap().node.remove(at);
    });
    assert_eq!(gone, "it has no convolution \"/paint/Conv\"");
    let wider = refused(&|model| {
        let tensors = &mut model.graph.as_mut().unwrap().initializer;
        let name = Some("net.matte.weight.half");
        let tensor = tensors
            .iter_mut()
            .find(|tensor| tensor.name.as_deref() == name);
        tensor.unwrap().dims = vec![4, 32, 3, 3];
    });
    assert!(
        wider.contains("\"/matte/Conv\"") && wider.contains("[4, 48, 3, 3]"),
        "{wider}"
    );
    let dilated = refused(&|model| {
        let at = node(model, "/matte/Conv");
        let node = &mut model.graph.as_mut().unwrap().node[at];
        let mut settings = node.attribute.iter_mut();
        settings
            .find(|setting| setting.name.as_deref() == Some("dilations"))
            .unwrap()
            .ints = vec![2, 2];
    });
    assert!(dilated.contains("other dilations than [1, 1]"), "{dilated}");
    let short = refused(&|model| {
        let tensors = &mut model.graph.as_mut().unwrap().initializer;
        for tensor in tensors {
            tensor.raw_data = Some(vec![0; 6]);
        }
    });
    assert!(short.contains("of another type"), "{short}");
    let unreadable = Layers::read(b"no model").unwrap_err();
    assert!(matches!(&unreadable, Refusal::Other(reason) if reason.contains("cannot be read")));
}

#[test]
fn odd_sizes_are_refused() {
    for (width, height) in [(0, 32), (33, 32), (64, 48)] {
        let layers = Layers::read(&std::fs::read(FILE).unwrap()).unwrap();
        let refused = Unmixer::new(layers, width, height, 1).unwrap_err();
        assert!(
            refused.to_string().contains("no multiples of 32"),
            "{refused}"
        );
    }
}

#[test]
fn room_is_enough_for_every_task() {
    // Small and long, where a task's rows are many or wide.
    for size in [[32, 32], [32, 2048], [2048, 32]] {
        let planes = answer(Level::best(), size, 2);
        assert!(
            planes.iter().all(|value| (0.0..=1.0).contains(value)),
            "{size:?}"
        );
    }
}
