//! Pixel rows against a reference that goes one value at a time: every depth, component set, row
//! direction, padding and origin.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use half::f16;
use ofx::{Channel, Components, Depth, ImageView, ImageViewMut, LayoutError, RectI};

/// A repeatable stream of numbers.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Mostly 0 … 1, with values outside it and, where asked for, infinities and NaN.
    fn value(&mut self, odd: bool) -> f32 {
        let unit = (self.next() >> 40) as f32 / (1 << 24) as f32;
        match self.next() % 16 {
            0 => unit * 8.0 - 4.0,
            1 if odd => f32::NAN,
            2 if odd => f32::INFINITY,
            3 if odd => f32::NEG_INFINITY,
            4 => 0.0,
            5 => 1.0,
            _ => unit,
        }
    }
}

/// A buffer aligned for any depth, with a byte pattern around the picture.
struct Buffer {
    words: Vec<u64>,
    len: usize,
}

impl Buffer {
    fn new(len: usize) -> Self {
        Self {
            words: vec![0xA5A5_A5A5_A5A5_A5A5; len.div_ceil(8)],
            len,
        }
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: the words hold at least as many bytes, which have no invalid values.
        unsafe { std::slice::from_raw_parts(self.words.as_ptr().cast(), self.len) }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.words.as_mut_ptr().cast(), self.len) }
    }
}

/// One stored value as it was meant.
fn load(bytes: &[u8], at: usize, depth: Depth) -> f32 {
    match depth {
        Depth::Byte => (f64::from(bytes[at]) / 255.0) as f32,
        Depth::Short => {
            (f64::from(u16::from_ne_bytes([bytes[at], bytes[at + 1]])) / 65535.0) as f32
        }
        Depth::Half => f16::from_ne_bytes([bytes[at], bytes[at + 1]]).to_f32(),
        Depth::Float => f32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap()),
    }
}

fn store(bytes: &mut [u8], at: usize, depth: Depth, value: f32) {
    match depth {
        Depth::Byte => bytes[at] = (f64::from(value) * 255.0) as u8,
        Depth::Short => {
            bytes[at..at + 2].copy_from_slice(&((f64::from(value) * 65535.0) as u16).to_ne_bytes());
        }
        Depth::Half => {
            bytes[at..at + 2].copy_from_slice(&f16::from_f32(value).to_ne_bytes());
        }
        Depth::Float => bytes[at..at + 4].copy_from_slice(&value.to_ne_bytes()),
    }
}

/// A picture's description, and where its values lie.
#[derive(Clone, Copy, Debug)]
struct Case {
    bounds: RectI,
    depth: Depth,
    components: Components,
    flipped: bool,
    padding: usize,
}

impl Case {
    fn stride(&self) -> usize {
        self.bounds.width() as usize * self.components.count() * self.depth.bytes()
            + self.padding * self.depth.bytes()
    }

    fn row_bytes(&self) -> isize {
        let stride = isize::try_from(self.stride()).unwrap();
        if self.flipped { -stride } else { stride }
    }

    fn len(&self) -> usize {
        self.stride() * self.bounds.height() as usize
    }

    fn view<'a>(&self, buffer: &'a Buffer) -> ImageView<'a> {
        let (depth, components) = (self.depth, self.components);
        ImageView::from_bytes(
            buffer.bytes(),
            self.bounds,
            depth,
            components,
            self.row_bytes(),
        )
        .unwrap()
    }

    fn view_mut<'a>(&self, buffer: &'a mut Buffer) -> ImageViewMut<'a> {
        let (depth, components) = (self.depth, self.components);
        ImageViewMut::from_bytes(
            buffer.bytes_mut(),
            self.bounds,
            depth,
            components,
            self.row_bytes(),
        )
        .unwrap()
    }

    /// Index of a value's first byte.
    fn at(&self, x: i32, y: i32, component: usize) -> usize {
        let row = if self.flipped {
            self.bounds.y2 - 1 - y
        } else {
            y - self.bounds.y1
        };
        let pixel = (x - self.bounds.x1) as usize;
        row as usize * self.stride()
            + (pixel * self.components.count() + component) * self.depth.bytes()
    }

    /// What a channel of a pixel reads as.
    fn expected(&self, bytes: &[u8], x: i32, y: i32, channel: Channel) -> f32 {
        if !self.bounds.contains(x, y) {
            return 0.0;
        }
        let index = match (self.components, channel) {
            (Components::Alpha, Channel::Alpha) => 0,
            (Components::Alpha, _) => return 0.0,
            (Components::Rgb, Channel::Alpha) => return 1.0,
            (_, Channel::Red) => 0,
            (_, Channel::Green) => 1,
            (_, Channel::Blue) => 2,
            (_, Channel::Alpha) => 3,
        };
        load(bytes, self.at(x, y, index), self.depth)
    }

    fn filled(&self, noise: &mut Noise) -> Buffer {
        let mut buffer = Buffer::new(self.len());
        let integers = matches!(self.depth, Depth::Byte | Depth::Short);
        for y in self.bounds.y1..self.bounds.y2 {
            for x in self.bounds.x1..self.bounds.x2 {
                for component in 0..self.components.count() {
                    let value = noise.value(!integers);
                    let value = if integers {
                        value.clamp(0.0, 1.0)
                    } else {
                        value
                    };
                    store(
                        buffer.bytes_mut(),
                        self.at(x, y, component),
                        self.depth,
                        value,
                    );
                }
            }
        }
        buffer
    }
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for bounds in [
        RectI::new(0, 0, 1, 1),
        RectI::new(-7, 3, 6, 10),
        RectI::new(101, -50, 101 + 31, -45),
        // Wider than one block of the conversion, and no multiple of it.
        RectI::new(-300, -1, 401, 2),
    ] {
        for &depth in Depth::ALL {
            for &components in Components::ALL {
                for flipped in [false, true] {
                    for padding in [0, 5] {
                        cases.push(Case {
                            bounds,
                            depth,
                            components,
                            flipped,
                            padding,
                        });
                    }
                }
            }
        }
    }
    cases
}

fn same(a: f32, b: f32) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

fn read(view: &ImageView<'_>, y: i32, x1: i32, len: usize, channels: &[Channel]) -> Vec<Vec<f32>> {
    let mut planes = vec![vec![f32::MAX; len]; channels.len()];
    let mut slices: Vec<&mut [f32]> = planes.iter_mut().map(Vec::as_mut_slice).collect();
    view.read_row(y, x1, channels, &mut slices);
    planes
}

#[test]
fn rows_read_as_the_reference_says() {
    let mut noise = Noise(0x1234_5678_9ABC_DEF1);
    let lists: [&[Channel]; 6] = [
        &Channel::RGB,
        &Channel::RGBA,
        &[Channel::Alpha],
        &[Channel::Green],
        &[Channel::Blue, Channel::Alpha, Channel::Red],
        &[
            Channel::Red,
            Channel::Green,
            Channel::Blue,
            Channel::Alpha,
            Channel::Alpha,
            Channel::Red,
        ],
    ];
    for case in cases() {
        let buffer = case.filled(&mut noise);
        let view = case.view(&buffer);
        let width = case.bounds.width() as usize;
        for y in case.bounds.y1 - 1..=case.bounds.y2 {
            for (x1, len) in [
                (case.bounds.x1, width),
                (case.bounds.x1 - 3, width + 7),
                (case.bounds.x1 + 1, width / 2),
                (case.bounds.x2, 4),
                (case.bounds.x1 - 10, 10),
                (case.bounds.x1, 0),
            ] {
                for channels in lists {
                    let planes = read(&view, y, x1, len, channels);
                    for (&channel, plane) in channels.iter().zip(&planes) {
                        for (&value, x) in plane.iter().zip(x1..) {
                            let expected = case.expected(buffer.bytes(), x, y, channel);
                            assert!(
                                same(value, expected),
                                "{case:?} {channel:?} ({x}, {y}): {value} for {expected}"
                            );
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn raw_rows_are_the_pixels_without_padding() {
    let mut noise = Noise(77);
    for case in cases() {
        let buffer = case.filled(&mut noise);
        let view = case.view(&buffer);
        assert_eq!(
            view.pixel_bytes(),
            case.depth.bytes() * case.components.count()
        );
        let len = case.bounds.width() as usize * view.pixel_bytes();
        for y in case.bounds.y1..case.bounds.y2 {
            let first = case.at(case.bounds.x1, y, 0);
            assert_eq!(
                view.raw_row(y).unwrap(),
                &buffer.bytes()[first..first + len]
            );
        }
        assert_eq!(view.raw_row(case.bounds.y1 - 1), None);
        assert_eq!(view.raw_row(case.bounds.y2), None);
    }
}

/// Whether a value that was written may read as another.
fn may_become(given: f32, found: f32, depth: Depth) -> bool {
    let integer = |top: f64| {
        let given = if given.is_nan() { 0.0 } else { given };
        let exact = f64::from(given.clamp(0.0, 1.0)) * top;
        let level = (f64::from(found) * top).round();
        // The nearest level; where two are as near as `f32` can tell, either.
        same(found, (level / top) as f32) && (level - exact).abs() <= 0.5 + 1.0 / 256.0
    };
    match depth {
        Depth::Byte => integer(255.0),
        Depth::Short => integer(65535.0),
        Depth::Half => same(found, f16::from_f32(given).to_f32()),
        Depth::Float => same(found, given),
    }
}

#[test]
fn rows_write_the_window_and_nothing_else() {
    let mut noise = Noise(0xFEED_FACE_CAFE_BEEF);
    for case in cases() {
        let b = case.bounds;
        for window in [
            b,
            RectI::new(b.x1 - 4, b.y1 - 4, b.x2 + 4, b.y2 + 4),
            RectI::new(b.x1 + 1, b.y1 + 1, b.x2 - 1, b.y2 - 1),
            RectI::new(b.x1 - 9, b.y1 + 1, b.x1 + 1, b.y2 + 9),
            RectI::new(b.x2, b.y1, b.x2 + 5, b.y2),
            RectI::new(b.x2, b.y2, b.x1, b.y1),
        ] {
            window_is_written(&case, window, &mut noise);
        }
    }
}

fn window_is_written(case: &Case, window: RectI, noise: &mut Noise) {
    let mut buffer = case.filled(noise);
    let mut expected = buffer.bytes().to_vec();
    let mut view = case.view_mut(&mut buffer);
    let inside = window.intersect(&case.bounds);
    let rows = view.rows_mut(window);
    // From the top down.
    let order: Vec<i32> = rows.iter().map(|row| row.y()).collect();
    assert_eq!(order, (inside.y1..inside.y2).rev().collect::<Vec<_>>());
    let mut values = Vec::new();
    for mut row in rows {
        assert_eq!((row.x1(), row.x2()), (inside.x1, inside.x2));
        let planes: Vec<Vec<f32>> = (0..4)
            .map(|_| (0..row.width()).map(|_| noise.value(true)).collect())
            .collect();
        row.write(&[&planes[0], &planes[1], &planes[2], &planes[3]]);
        values.push((row.y(), planes));
    }
    let view = case.view(&buffer);
    let channels: &[Channel] = match case.components {
        Components::Rgba => &Channel::RGBA,
        Components::Rgb => &Channel::RGB,
        Components::Alpha => &[Channel::Alpha],
    };
    for (y, planes) in &values {
        let found = read(&view, *y, inside.x1, inside.width() as usize, channels);
        for (&channel, found) in channels.iter().zip(&found) {
            for (&given, &value) in planes[channel as usize].iter().zip(found) {
                assert!(
                    may_become(given, value, case.depth),
                    "{case:?} {channel:?} row {y}: {given} became {value}"
                );
            }
        }
        let first = case.at(inside.x1, *y, 0);
        let last = first + inside.width() as usize * view.pixel_bytes();
        expected[first..last].copy_from_slice(&buffer.bytes()[first..last]);
    }
    assert!(
        expected == buffer.bytes(),
        "{case:?} {window}: wrote outside"
    );
}

#[test]
fn integers_round_to_the_nearest_and_keep_every_level() {
    for (depth, top) in [(Depth::Byte, 255_u32), (Depth::Short, 65535)] {
        let case = Case {
            bounds: RectI::new(0, 0, i32::try_from(top).unwrap() + 1, 1),
            depth,
            components: Components::Alpha,
            flipped: false,
            padding: 0,
        };
        let mut buffer = Buffer::new(case.len());
        let levels: Vec<f32> = (0..=top).map(|level| level as f32 / top as f32).collect();
        // A little less than half a step to either side is still the same level.
        for off in [-0.49, 0.0, 0.49] {
            let near: Vec<f32> = levels.iter().map(|v| v + off / top as f32).collect();
            case.view_mut(&mut buffer).rows_mut(case.bounds)[0]
                .write(&[&near, &near, &near, &near]);
            let found = read(&case.view(&buffer), 0, 0, near.len(), &[Channel::Alpha]);
            assert_eq!(found[0], levels, "{depth} with {off}");
        }
    }
}

#[test]
fn odd_values_in_each_depth() {
    const INF: f32 = f32::INFINITY;
    let given = [f32::NAN, INF, -INF, -0.5, 1.5, 65504.0, 1e6];
    let through = |depth: Depth| {
        let case = Case {
            bounds: RectI::new(0, 0, 7, 1),
            depth,
            components: Components::Alpha,
            flipped: false,
            padding: 0,
        };
        let mut buffer = Buffer::new(case.len());
        case.view_mut(&mut buffer).rows_mut(case.bounds)[0]
            .write(&[&given, &given, &given, &given]);
        read(&case.view(&buffer), 0, 0, 7, &[Channel::Alpha]).remove(0)
    };
    assert_eq!(through(Depth::Byte), [0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
    assert_eq!(through(Depth::Short), [0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
    let half = through(Depth::Half);
    assert!(half[0].is_nan());
    assert_eq!(half[1..], [INF, -INF, -0.5, 1.5, 65504.0, INF]);
    let float = through(Depth::Float);
    assert!(float[0].is_nan());
    assert_eq!(float[1..], given[1..]);
}

#[test]
fn rows_go_to_threads() {
    let case = Case {
        bounds: RectI::new(-5, -5, 60, 40),
        depth: Depth::Half,
        components: Components::Rgba,
        flipped: true,
        padding: 3,
    };
    let mut buffer = Buffer::new(case.len());
    let mut view = case.view_mut(&mut buffer);
    let mut rows = view.rows_mut(case.bounds);
    std::thread::scope(|scope| {
        for part in rows.chunks_mut(7) {
            scope.spawn(move || {
                for row in part {
                    let plane = vec![row.y() as f32; row.width()];
                    row.write(&[&plane, &plane, &plane, &plane]);
                }
            });
        }
    });
    let view = case.view(&buffer);
    std::thread::scope(|scope| {
        for y in case.bounds.y1..case.bounds.y2 {
            scope.spawn(move || {
                let plane = read(&view, y, -5, 65, &[Channel::Blue]).remove(0);
                assert!(plane.iter().all(|&value| value == y as f32));
            });
        }
    });
}

#[test]
fn descriptions_that_cannot_be_true_are_refused() {
    let buffer = Buffer::new(4096);
    let bytes = buffer.bytes();
    let bounds = RectI::new(0, 0, 4, 4);
    let view = |bytes, bounds, depth, row_bytes| {
        ImageView::from_bytes(bytes, bounds, depth, Components::Rgba, row_bytes).map(|_| ())
    };
    let raw = |pointer, bounds, row_bytes| {
        // SAFETY: the views are never read.
        unsafe {
            ImageView::from_raw_parts(pointer, bounds, Depth::Float, Components::Rgba, row_bytes)
        }
        .map(|_| ())
    };
    assert_eq!(view(bytes, bounds, Depth::Float, 64), Ok(()));
    assert_eq!(raw(std::ptr::null(), bounds, 64), Err(LayoutError::Null));
    for row_bytes in [63, 0, -60] {
        assert_eq!(
            view(bytes, bounds, Depth::Float, row_bytes),
            Err(LayoutError::Overlapping {
                row_bytes,
                needed: 64
            })
        );
    }
    assert!(matches!(
        view(bytes, bounds, Depth::Float, 66),
        Err(LayoutError::Misaligned { .. })
    ));
    assert!(matches!(
        view(&bytes[2..], bounds, Depth::Float, 64),
        Err(LayoutError::Misaligned { address: 2, .. })
    ));
    assert_eq!(view(&bytes[1..], bounds, Depth::Byte, 17), Ok(()));
    assert_eq!(
        view(&bytes[..255], bounds, Depth::Float, -64),
        Err(LayoutError::OutOfBuffer {
            needed: 256,
            given: 255
        })
    );
    // One row needs no row bytes.
    assert_eq!(view(bytes, RectI::new(0, 0, 4, 1), Depth::Float, 0), Ok(()));
    let huge = RectI::new(i32::MIN, i32::MIN, i32::MAX, i32::MAX);
    for row_bytes in [isize::MAX, isize::MIN, i32::MAX as isize] {
        assert!(raw(bytes.as_ptr().cast(), huge, row_bytes).is_err());
    }
    // Rows that would lie below address 0.
    let low = std::ptr::without_provenance(64);
    assert!(matches!(
        raw(low, RectI::new(0, 0, 1, 100), -64),
        Err(LayoutError::TooLarge { .. })
    ));
}

#[test]
fn an_empty_picture_reads_as_nothing() {
    for bounds in [RectI::new(5, 5, 5, 9), RectI::new(3, 9, 8, 2)] {
        let (depth, components) = (Depth::Float, Components::Rgba);
        let view = ImageView::from_bytes(&[], bounds, depth, components, 16).unwrap();
        assert_eq!(read(&view, 6, 3, 5, &[Channel::Red]), [[0.0; 5]]);
        assert_eq!(view.raw_row(6), None);
        let mut view = ImageViewMut::from_bytes(&mut [], bounds, depth, components, 16).unwrap();
        assert!(view.rows_mut(RectI::new(0, 0, 100, 100)).is_empty());
    }
}

#[test]
fn far_coordinates_do_not_overflow() {
    let bounds = RectI::new(i32::MAX - 2, i32::MIN, i32::MAX, i32::MIN + 1);
    let bytes = [255, 128];
    let view = ImageView::from_bytes(&bytes, bounds, Depth::Byte, Components::Alpha, 2).unwrap();
    assert_eq!(
        read(&view, i32::MIN, i32::MAX - 3, 4, &[Channel::Alpha]),
        [[0.0, 1.0, 128.0 / 255.0, 0.0]]
    );
    assert_eq!(
        read(&view, i32::MIN, i32::MIN, 4, &[Channel::Alpha]),
        [[0.0; 4]]
    );
}
