//! What a frame costs around the network, stage by stage: `cargo bench --bench keyer`.
//!
//! Each line gives the median of several runs on two threads, the fastest run, on Linux the
//! processor time that all threads together spent on a run (which tells more than the clock on a
//! machine that is busy), the median's cost of a pixel, and how many times as long the plain way
//! takes: the formula written down pixel by pixel, on one thread, on a small picture, counted per
//! pixel.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use corridorkey::keyer::colour::srgb::{self, Negative};
use corridorkey::keyer::despeckle::{CleanUp, Mask};
use corridorkey::keyer::{
    Backing, Composition, Detail, Encoding, Enlarged, FinishSettings, Fit, Geometry, HintChannel,
    Key, Layers, Light, Look, MatteShape, Normalisation, Output, Overview, PixelScale, Planes,
    Plate, Pool, Prediction, Resolution, Screen, Size, SizeRule, Upsampling, detect, finish,
    finish_with, hint_from_clip, hint_from_screen, prepare,
};

#[path = "keyer/plain.rs"]
mod plain;

const HD: Size = Size::new(1920, 1080);
const UHD: Size = Size::new(3840, 2160);
/// Where the plain way is measured.
const SMALL: Size = Size::new(480, 270);

fn main() {
    let threads = rayon::ThreadPoolBuilder::new()
        .num_threads(2)
        .build()
        .unwrap();
    println!("two threads");
    println!(
        "{:<44} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "stage", "median", "fastest", "cpu ms", "ns/pixel", "plain ÷"
    );
    threads.install(|| {
        curves();
        encodings();
        for size in [HD, UHD] {
            frame(size);
            controls(size);
        }
    });
}

/// How long a run takes.
struct Measured {
    median: Duration,
    fastest: Duration,
    /// Of all threads, where the system says.
    processor: Option<Duration>,
}

/// Runs a closure for a while, after one run to warm up.
fn measure(mut run: impl FnMut()) -> Measured {
    run();
    let mut times = Vec::new();
    let before = processor_time();
    let start = Instant::now();
    while times.len() < 5 || (start.elapsed() < Duration::from_millis(500) && times.len() < 400) {
        let begin = Instant::now();
        run();
        times.push(begin.elapsed());
    }
    let runs = times.len() as u32;
    let processor = processor_time()
        .zip(before)
        .map(|(after, before)| (after - before) / runs);
    times.sort();
    Measured {
        median: times[times.len() / 2],
        fastest: times[0],
        processor,
    }
}

/// What this process has used of all processors so far, in steps of a hundredth of a second.
fn processor_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // Fields 14 and 15, counted after the name, which may hold spaces.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_millis(10 * (user + system)))
}

/// Nanoseconds per pixel.
fn per_pixel(time: Duration, pixels: usize) -> f64 {
    time.as_secs_f64() * 1e9 / pixels as f64
}

fn report(stage: &str, pixels: usize, time: &Measured, plain: Option<f64>) {
    let ms = |time: Duration| format!("{:.2}", time.as_secs_f64() * 1e3);
    let own = per_pixel(time.median, pixels);
    println!(
        "{stage:<44} {:>8} {:>8} {:>8} {own:8.2} {:>8}",
        ms(time.median),
        ms(time.fastest),
        time.processor.map_or(String::new(), ms),
        plain.map_or(String::new(), |plain| format!("{:.1}", plain / own)),
    );
}

fn curves() {
    let samples: Vec<f32> = (0..4096).map(|i| (i * 31 % 4096) as f32 / 4000.0).collect();
    let mut row = samples.clone();
    for (name, fast, exact) in [
        (
            "to linear",
            srgb::row_to_linear as fn(&mut [f32], Negative),
            srgb::srgb_to_linear as fn(f32) -> f32,
        ),
        ("to sRGB", srgb::row_to_srgb, srgb::linear_to_srgb),
    ] {
        let plain = measure(|| {
            for (value, sample) in row.iter_mut().zip(&samples) {
                *value = exact(*sample);
            }
            black_box(&mut row);
        });
        let time = measure(|| {
            row.copy_from_slice(&samples);
            fast(&mut row, Negative::Clamp);
            black_box(&mut row);
        });
        report(
            &format!("curve {name}, one thread, per sample"),
            samples.len(),
            &time,
            Some(per_pixel(plain.median, samples.len())),
        );
    }
}

/// A plate's whole way from each encoding to linear light and back, with the copy that is worked on.
fn encodings() {
    let (plate, _) = picture(HD);
    for encoding in Encoding::ALL {
        let clip = Encoding::Linear.convert(plate.clone(), *encoding);
        for (way, from, to, start) in [
            ("to linear", *encoding, Encoding::Linear, &clip),
            ("from linear", Encoding::Linear, *encoding, &plate),
        ] {
            let mut picture = start.clone();
            let time = measure(|| {
                picture.data_mut().copy_from_slice(start.data());
                let work = std::mem::replace(&mut picture, Planes::new(0, 0, 3));
                picture = black_box(from.convert(work, to));
            });
            let stage = format!("{HD} {} {way}", encoding.id());
            report(&stage, HD.area(), &time, None);
        }
    }
}

/// A pseudo-random sequence that is the same on every machine.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1_u64 << 24) as f32
    }
}

/// A matte with soft edges, holes, strands and specks; a plate and a foreground with noise.
fn picture(size: Size) -> (Planes, Prediction) {
    let mut noise = Noise(0x9E37_79B9_7F4A_7C15);
    let mut alpha = Planes::new(size.width, size.height, 1);
    let mut foreground = Planes::new(size.width, size.height, 3);
    let mut plate = Planes::new(size.width, size.height, 3);
    let unit = size.height as f32;
    for y in 0..size.height {
        for x in 0..size.width {
            let (u, v) = (x as f32 / unit - 0.9, y as f32 / unit - 0.55);
            let body = 0.33 - (u * u * 2.0 + v * v).sqrt();
            let wave = 0.02 * (u * 90.0).sin() * (v * 60.0).cos();
            let speck = if noise.next() > 0.9995 { 1.0 } else { 0.0 };
            let a = ((body + wave) * 40.0 + 0.5).clamp(0.0, 1.0).max(speck);
            alpha.row_mut(0, y)[x] = a;
            let light = 0.6 + 0.3 * u;
            for (channel, screen) in [0.1, 0.6, 0.15].into_iter().enumerate() {
                let own = 0.3 + 0.2 * channel as f32 + 0.1 * noise.next();
                foreground.row_mut(channel, y)[x] = own;
                plate.row_mut(channel, y)[x] = own * a + screen * light * (1.0 - a);
            }
        }
    }
    (plate, Prediction { alpha, foreground })
}

fn own_size() -> SizeRule {
    SizeRule {
        fit: Fit::Aspect,
        multiple: 1,
        min: 1,
        max_long: 8192,
        auto_long: 8192,
    }
}

fn geometry(plate: Size, rule: &SizeRule, resolution: Resolution) -> Geometry {
    Geometry::new(plate, plate, rule, resolution).unwrap()
}

fn frame(size: Size) {
    let pixels = size.area();
    let name = |stage: &str| format!("{size} {stage}");
    let pool = Pool::new(1 << 30);
    let (plate, prediction) = picture(size);
    let (small_plate, small) = picture(SMALL);
    let small_pixels = SMALL.area();
    let plain_of = |run: &mut dyn FnMut()| Some(per_pixel(measure(run).median, small_pixels));

    let (hint, _) = hint_from_clip(&prediction.alpha, HintChannel::Auto, false, &pool).unwrap();
    let time = measure(|| {
        black_box(Overview::new(&plate, Light::Linear).unwrap());
    });
    report(&name("overview"), pixels, &time, None);
    let overview = Overview::new(&plate, Light::Linear).unwrap();
    let look = |taken| Look {
        plate: &overview,
        picked: None,
        taken,
    };
    let time = measure(|| {
        black_box(hint_from_screen(&look(None), Screen::Green, &pool).unwrap());
    });
    report(&name("hint from the screen"), pixels, &time, None);
    let time = measure(|| {
        black_box(detect(&look(Some(&hint))).unwrap());
    });
    report(&name("screen detection"), pixels, &time, None);

    let model = SizeRule {
        multiple: 32,
        ..own_size()
    };
    for (stage, resolution) in [
        ("prepare, linear, own size", Resolution::Auto),
        ("prepare, linear, 1024 long", Resolution::Long1024),
        ("prepare, linear, 2048 long", Resolution::Long2048),
    ] {
        let geometry = geometry(size, &model, resolution);
        let time = measure(|| {
            let input = prepare(
                &plate,
                &hint,
                &geometry,
                Light::Linear,
                Screen::Green,
                &Normalisation::IMAGENET,
                &pool,
            );
            pool.give(black_box(input.unwrap()).data);
        });
        let plain = match resolution {
            Resolution::Auto => plain_of(&mut || {
                black_box(plain::prepare(&small_plate, &small.alpha));
            }),
            _ => None,
        };
        report(&name(stage), pixels, &time, plain);
    }

    for (stage, resolution) in [
        ("restore, Lanczos from 1024", Resolution::Long1024),
        ("restore, Lanczos from 2048", Resolution::Long2048),
    ] {
        let geometry = geometry(size, &model, resolution);
        let (_, prediction) = picture(geometry.network);
        let time = measure(|| {
            let lanczos = Upsampling::Lanczos;
            let kept = Enlarged::new(&prediction, &geometry, Screen::Green, lanczos, None, &pool);
            let kept = kept.unwrap().unwrap();
            kept.keep_foreground(&prediction.foreground, &pool).unwrap();
            black_box(kept);
        });
        let plain = plain_of(&mut || {
            black_box(plain::lanczos(&small, SMALL));
        });
        report(&name(stage), pixels, &time, plain);
    }

    let mut matte = prediction.alpha.clone();
    let row = |y: usize| prediction.alpha.row(0, y);
    let (Size { width, height }, one) = (size, PixelScale::ONE);
    let clean_up = CleanUp::of_area(400);
    let mut despeckle = |stage: &str, plain, find: &dyn Fn() -> Mask| {
        let time = measure(|| {
            let mask = find();
            for y in 0..size.height {
                let row = matte.row_mut(0, y);
                row.copy_from_slice(prediction.alpha.row(0, y));
                mask.apply(y, 0, row);
            }
            black_box(&matte);
        });
        report(&name(stage), pixels, &time, plain);
        let time = measure(|| {
            black_box(find());
        });
        report(
            &name(&format!("{stage}, without its rows")),
            pixels,
            &time,
            None,
        );
    };
    let plain = plain_of(&mut || {
        black_box(plain::despeckle(&small.alpha, 400));
    });
    despeckle("despeckle (its rows on one thread)", plain, &|| {
        Mask::new(width, height, row, &clean_up, one)
    });
    despeckle("despeckle, islands", None, &|| {
        Mask::without_lone_islands(width, height, row, &clean_up, one, None)
    });

    let exact = geometry(size, &own_size(), Resolution::Auto);
    let mut image = vec![0.0_f32; pixels * 4];
    for (stage, output, encoding) in [
        (
            "finish own size, processed, linear",
            Output::Processed,
            Encoding::Linear,
        ),
        (
            "finish own size, processed, sRGB",
            Output::Processed,
            Encoding::Srgb,
        ),
        (
            "finish own size, foreground, linear",
            Output::Foreground,
            Encoding::Linear,
        ),
        ("finish own size, matte", Output::Matte, Encoding::Linear),
        (
            "finish own size, composite, sRGB",
            Output::Composite,
            Encoding::Srgb,
        ),
    ] {
        let time = measure(|| {
            let settings = FinishSettings::default();
            let rows = 0..size.height;
            let key = finish(&prediction, &exact, Screen::Green, &settings, rows, &pool).unwrap();
            compose(output, encoding, &key, &mut image);
            black_box(&image);
        });
        let plain = match (output, encoding) {
            (Output::Processed, Encoding::Linear) => plain_of(&mut || {
                black_box(plain::processed(&small, 400));
            }),
            _ => None,
        };
        report(&name(stage), pixels, &time, plain);
    }
}

/// What the controls behind the network cost.
fn controls(size: Size) {
    let pixels = size.area();
    let pool = Pool::new(1 << 30);
    let (plate, prediction) = picture(size);
    let exact = geometry(size, &own_size(), Resolution::Auto);
    let linear = Encoding::Linear;
    let backing = Backing::new(&plate, linear, &prediction.alpha, &exact).unwrap();
    let original = FinishSettings::default();
    let restored = FinishSettings {
        detail: Some(Detail::default()),
        restore_range: true,
        ..original
    };
    let shape = |clip_black, gamma, grow, blur| MatteShape {
        clip_black,
        clip_white: 1.0,
        gamma,
        grow,
        blur,
    };
    for (stage, shape, settings) in [
        ("original's settings", MatteShape::NEUTRAL, original),
        ("detail and range", MatteShape::NEUTRAL, restored),
        (
            "the same, clipped, gamma",
            shape(0.1, 1.3, 0.0, 0.0),
            restored,
        ),
        (
            "the same, shrunk by 2.5",
            shape(0.1, 1.3, -2.5, 0.0),
            restored,
        ),
        (
            "the same, blurred by 2",
            shape(0.1, 1.3, -2.5, 2.0),
            restored,
        ),
        (
            "the same, grown by 20, blurred by 10",
            shape(0.1, 1.3, 20.0, 10.0),
            restored,
        ),
    ] {
        let mut image = vec![0.0_f32; pixels * 4];
        let time = measure(|| {
            let settings = FinishSettings { shape, ..settings };
            let own = Plate {
                rows: &plate,
                encoding: linear,
                backing: &backing,
                guide: None,
            };
            let (rows, green) = (0..size.height, Screen::Green);
            let plate = Some(own);
            let key = finish_with(&prediction, &exact, green, &settings, rows, plate, &pool);
            compose(Output::Processed, linear, &key.unwrap(), &mut image);
            black_box(&image);
        });
        report(&format!("{size} processed, {stage}"), pixels, &time, None);
    }
}

/// Composes into interleaved pixels, as a host has them.
fn compose(output: Output, encoding: Encoding, key: &Key<'_>, image: &mut [f32]) {
    let width = key.size().width;
    let layers = Layers {
        key: Some(key),
        ..Layers::default()
    };
    let rows = image.chunks_exact_mut(width * 4).enumerate().collect();
    Composition::new(output, encoding, layers, PixelScale::ONE)
        .unwrap()
        .for_each_row(
            0..width,
            rows,
            |out: &mut [f32], [red, green, blue, alpha]| {
                for ((((out, red), green), blue), alpha) in out
                    .chunks_exact_mut(4)
                    .zip(*red)
                    .zip(*green)
                    .zip(*blue)
                    .zip(*alpha)
                {
                    out.copy_from_slice(&[*red, *green, *blue, *alpha]);
                }
            },
        )
        .unwrap();
}
