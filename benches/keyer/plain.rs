//! The plain way: every formula written down pixel by pixel, as one would first.

use corridorkey::keyer::colour::srgb::{linear_to_srgb, srgb_to_linear};
use corridorkey::keyer::{Planes, Prediction, Size};

/// A linear plate at its own size: encoded, normalised.
pub(crate) fn prepare(plate: &Planes, hint: &Planes) -> Vec<f32> {
    const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
    const STD: [f32; 3] = [0.229, 0.224, 0.225];
    let mut out = Vec::new();
    for channel in 0..3 {
        for value in plate.plane(channel) {
            out.push((linear_to_srgb(*value) - MEAN[channel]) / STD[channel]);
        }
    }
    out.extend_from_slice(hint.plane(0));
    out
}

/// Four planes from half the size, 64 taps a pixel.
pub(crate) fn lanczos(prediction: &Prediction, to: Size) -> Vec<f32> {
    let (width, height) = (to.width / 2, to.height / 2);
    let weight = |d: f32| {
        let sinc = |x: f32| {
            let angle = std::f32::consts::PI * x;
            if angle.abs() < 1e-6 {
                1.0
            } else {
                angle.sin() / angle
            }
        };
        sinc(d) * sinc(d / 4.0)
    };
    let taps = |i: usize| {
        let position = (i as f32 + 0.5) * 0.5 - 0.5;
        let floor = position.floor();
        let weights: [f32; 8] = std::array::from_fn(|k| weight(position - floor + 3.0 - k as f32));
        let sum: f32 = weights.iter().sum();
        (floor as isize - 3, weights.map(|w| w / sum))
    };
    let mut out = Vec::new();
    for plane in [
        prediction.alpha.plane(0),
        prediction.foreground.plane(0),
        prediction.foreground.plane(1),
        prediction.foreground.plane(2),
    ] {
        for y in 0..to.height {
            let (top, down) = taps(y);
            for x in 0..to.width {
                let (left, across) = taps(x);
                let mut sum = 0.0;
                for (j, wy) in down.iter().enumerate() {
                    let row = (top + j as isize).clamp(0, height as isize - 1) as usize;
                    for (i, wx) in across.iter().enumerate() {
                        let column = (left + i as isize).clamp(0, width as isize - 1) as usize;
                        sum += wy * wx * plane[row * to.width + column];
                    }
                }
                out.push(sum);
            }
        }
    }
    out
}

/// Flood fill, a disc stamped at every pixel that is kept, a Gaussian of 121 taps.
pub(crate) fn despeckle(alpha: &Planes, area: usize) -> Vec<f32> {
    let (width, height) = (alpha.width(), alpha.height());
    let values = alpha.plane(0);
    let mut kept = vec![false; values.len()];
    let mut seen = vec![false; values.len()];
    for start in 0..values.len() {
        if seen[start] || values[start] <= 0.5 {
            continue;
        }
        seen[start] = true;
        let mut island = vec![start];
        let mut next = 0;
        while let Some(at) = island.get(next).copied() {
            next += 1;
            let (x, y) = (at % width, at / width);
            for ny in y.saturating_sub(1)..(y + 2).min(height) {
                for nx in x.saturating_sub(1)..(x + 2).min(width) {
                    let near = ny * width + nx;
                    if !seen[near] && values[near] > 0.5 {
                        seen[near] = true;
                        island.push(near);
                    }
                }
            }
        }
        if island.len() >= area {
            for at in island {
                kept[at] = true;
            }
        }
    }
    let mut grown = vec![0.0_f32; values.len()];
    for y in 0..height {
        for x in 0..width {
            if !kept[y * width + x] {
                continue;
            }
            for ny in y.saturating_sub(25)..(y + 26).min(height) {
                for nx in x.saturating_sub(25)..(x + 26).min(width) {
                    if nx.abs_diff(x).pow(2) + ny.abs_diff(y).pow(2) <= 625 {
                        grown[ny * width + nx] = 1.0;
                    }
                }
            }
        }
    }
    let weights: [f32; 11] =
        std::array::from_fn(|i| (-0.125 * (i as f32 - 5.0).powi(2)).exp() / 4.9512);
    let mut out = Vec::new();
    for y in 0..height as isize {
        for x in 0..width as isize {
            let mut sum = 0.0;
            for (j, wy) in (-5..).zip(weights) {
                for (i, wx) in (-5..).zip(weights) {
                    let row = (y + j).clamp(0, height as isize - 1) as usize;
                    let column = (x + i).clamp(0, width as isize - 1) as usize;
                    sum += wx * wy * grown[row * width + column];
                }
            }
            out.push(sum * values[y as usize * width + x as usize]);
        }
    }
    out
}

/// Despeckle, despill, curve, product.
pub(crate) fn processed(prediction: &Prediction, area: usize) -> Vec<[f32; 4]> {
    let alpha = despeckle(&prediction.alpha, area);
    let fg = &prediction.foreground;
    let (red, green, blue) = (fg.plane(0), fg.plane(1), fg.plane(2));
    alpha
        .iter()
        .enumerate()
        .map(|(i, a)| {
            let spill = (green[i] - (red[i] + blue[i]) / 2.0).max(0.0);
            let colour = [
                red[i] + spill / 2.0,
                green[i] - spill,
                blue[i] + spill / 2.0,
            ];
            let [r, g, b] = colour.map(|c| srgb_to_linear(c) * a);
            [r, g, b, *a]
        })
        .collect()
}
