//! A picture as it was in its file: pixels in linear memory, and everything about the file that the
//! results must keep.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;
use std::sync::Arc;

use corridorkey::error::{Error, Result};
pub(crate) use corridorkey::keyer::Size;

use crate::files::{Draft, io_reason};
use crate::{exr_file, png_file};

/// The longest side that is read. The next power of two of what any camera or scanner makes.
pub(crate) const LONGEST_SIDE: usize = 1 << 16;

/// The most pixels that are read: four gigabytes of RGBA in 32-bit floats.
pub(crate) const MOST_PIXELS: usize = 1 << 28;

/// How a picture is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// PNG: integers, read and written as sRGB, alpha not multiplied in.
    Png,
    /// OpenEXR: floats, read and written as scene-linear, alpha multiplied in.
    Exr,
}

/// The numbers a file stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sample {
    /// 8 bits, 0..1.
    Byte,
    /// 16 bits, 0..1.
    Short,
    /// 16-bit float.
    Half,
    /// 32-bit float.
    Float,
}

/// The channels a file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channels {
    /// One channel of brightness: in memory red, green and blue hold it and alpha is 1.
    Grey,
    /// Brightness and alpha.
    GreyAlpha,
    /// Colour without alpha: alpha is 1 in memory.
    Rgb,
    /// Colour and alpha.
    Rgba,
    /// Nothing but an alpha channel: in memory like [`Channels::Grey`].
    Alpha,
}

impl Channels {
    /// True when the file says something about alpha.
    pub(crate) fn has_alpha(self) -> bool {
        matches!(self, Self::GreyAlpha | Self::Rgba)
    }
}

/// Where the stored pixels (the data window) lie in the frame (the display window).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Placement {
    /// The frame's own size.
    pub(crate) display: Size,
    /// The stored pixels' left edge, from the frame's left edge.
    pub(crate) x: i32,
    /// The stored pixels' top edge, from the frame's top edge, downwards.
    pub(crate) y: i32,
    /// The stored pixels' size.
    pub(crate) data: Size,
    /// The width of a pixel over its height.
    pub(crate) pixel_aspect: f64,
    /// What an OpenEXR file says besides; none for other files.
    pub(crate) header: Option<Arc<exr_file::Header>>,
}

impl Placement {
    /// A picture that fills its frame, with square pixels.
    pub(crate) fn whole(size: Size) -> Self {
        Self {
            display: size,
            x: 0,
            y: 0,
            data: size,
            pixel_aspect: 1.0,
            header: None,
        }
    }

    /// The stored pixels in OpenFX pixel coordinates: x to the right from the frame's left edge, y
    /// *up* from the frame's bottom edge.
    pub(crate) fn bounds(&self) -> ofx::RectI {
        let side = |length: usize| i32::try_from(length).unwrap_or(i32::MAX);
        let top = side(self.display.height).saturating_sub(self.y);
        ofx::RectI {
            x1: self.x,
            y1: top.saturating_sub(side(self.data.height)),
            x2: self.x.saturating_add(side(self.data.width)),
            y2: top,
        }
    }

    /// The same frame with other stored pixels, given in OpenFX pixel coordinates.
    pub(crate) fn with_bounds(&self, bounds: ofx::RectI) -> Self {
        let side = |length: i32| usize::try_from(length).unwrap_or(0);
        let height = i32::try_from(self.display.height).unwrap_or(i32::MAX);
        Self {
            x: bounds.x1,
            y: height.saturating_sub(bounds.y2),
            data: Size {
                width: side(bounds.x2.saturating_sub(bounds.x1)),
                height: side(bounds.y2.saturating_sub(bounds.y1)),
            },
            ..self.clone()
        }
    }
}

/// A picture in memory.
#[derive(Debug, Clone)]
pub(crate) struct Picture {
    pub(crate) kind: Kind,
    pub(crate) sample: Sample,
    pub(crate) channels: Channels,
    pub(crate) placement: Placement,
    /// RGBA, interleaved, the top row first; `data.width × data.height` pixels. Integers are scaled
    /// to 0..1, floats are as stored, also when they are not finite.
    pub(crate) pixels: Vec<f32>,
}

/// Reads a PNG or OpenEXR file. What it is, is told by its first bytes, not by its name.
pub(crate) fn read(path: &Path) -> Result<Picture> {
    let failed = |reason: String| Error::Input {
        path: path.to_path_buf(),
        reason,
    };
    let file = File::open(path).map_err(|error| failed(io_reason(&error)))?;
    if file.metadata().is_ok_and(|data| data.is_dir()) {
        return Err(failed("this is a folder, not a picture".into()));
    }
    let mut reader = BufReader::with_capacity(1 << 18, file);
    let mut magic = [0; 12];
    let mut length = 0;
    while length < magic.len() {
        match reader.read(&mut magic[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) => return Err(failed(io_reason(&error))),
        }
    }
    reader.rewind().map_err(|error| failed(io_reason(&error)))?;
    let magic = &magic[..length];
    let decoded = if magic.starts_with(b"\x89PNG\r\n\x1a\n") {
        guarded(|| png_file::read(reader))
    } else if magic.starts_with(&[0x76, 0x2f, 0x31, 0x01]) {
        guarded(|| exr_file::read(reader))
    } else if magic.is_empty() {
        Err("the file is empty; copy or render it again".into())
    } else {
        Err(format!("{}; convert it to PNG or OpenEXR", guess(magic)))
    };
    decoded.map_err(failed)
}

/// Says what a file that cannot be read probably is.
fn guess(magic: &[u8]) -> String {
    let kinds: [(&[u8], &str); 9] = [
        (b"\xff\xd8\xff", "JPEG"),
        (b"II*\0", "TIFF"),
        (b"MM\0*", "TIFF"),
        (b"SDPX", "DPX"),
        (b"XPDS", "DPX"),
        (b"GIF8", "GIF"),
        (b"BM", "BMP"),
        (b"RIFF", "WebP or AVI"),
        (b"#?RADIANCE", "Radiance HDR"),
    ];
    match kinds.iter().find(|(start, _)| magic.starts_with(start)) {
        Some((_, name)) => format!("this is a {name} file, which is not read"),
        None if magic.get(4..8) == Some(b"ftyp") => "this is a movie or HEIF file".into(),
        None => "this is neither a PNG nor an OpenEXR file".into(),
    }
}

/// Refuses sizes that no picture has, before memory is taken for them.
pub(crate) fn check_size(size: Size) -> std::result::Result<(), String> {
    let Size { width, height } = size;
    if width == 0 || height == 0 {
        return Err("it has no pixels; render it again with a size".into());
    }
    if width.max(height) > LONGEST_SIDE || width.saturating_mul(height) > MOST_PIXELS {
        return Err(format!(
            "it is {size} pixels large, and at most {LONGEST_SIDE} a side and {MOST_PIXELS} in all \
             are read; scale it down"
        ));
    }
    Ok(())
}

/// Runs a decoder on bytes that nobody vouches for: a panic in it is a damaged file.
fn guarded<T>(
    decode: impl FnOnce() -> std::result::Result<T, String>,
) -> std::result::Result<T, String> {
    use std::cell::Cell;
    use std::panic;
    thread_local!(static DECODING: Cell<bool> = const { Cell::new(false) });
    static HOOK: std::sync::Once = std::sync::Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !DECODING.get() {
                before(info);
            }
        }));
    });
    DECODING.set(true);
    let result = panic::catch_unwind(panic::AssertUnwindSafe(decode));
    DECODING.set(false);
    result.unwrap_or_else(|_| Err("the file is damaged; copy or render it again".into()))
}

/// Which channels a written file gets, out of RGBA in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Write {
    /// The red one only, as brightness.
    Single,
    /// Red, green and blue.
    Rgb,
    /// All four.
    Rgba,
}

impl Write {
    /// How many channels that is.
    pub(crate) fn count(self) -> usize {
        match self {
            Self::Single => 1,
            Self::Rgb => 3,
            Self::Rgba => 4,
        }
    }
}

/// Writes RGBA pixels (interleaved, top row first, `placement.data` in size) as a whole file that
/// has yet to be published.
/// PNG covers the frame: stored pixels outside it are left out, and 0 is where none are stored.
pub(crate) fn write(
    path: &Path,
    kind: Kind,
    sample: Sample,
    channels: Write,
    placement: &Placement,
    pixels: &[f32],
) -> Result<Draft> {
    debug_assert_eq!(
        pixels.len(),
        placement.data.width * placement.data.height * 4
    );
    Draft::write(path, |writer| match kind {
        Kind::Png => {
            let framed = frame(placement, pixels);
            png_file::write(writer, sample, channels, placement.display, &framed)
        }
        Kind::Exr => exr_file::write(writer, sample, channels, placement, pixels),
    })
}

/// The pixels of the whole frame, 0 where none are stored; borrowed when they are the same.
pub(crate) fn frame<'a>(placement: &Placement, pixels: &'a [f32]) -> std::borrow::Cow<'a, [f32]> {
    let Placement {
        display,
        x,
        y,
        data,
        ..
    } = *placement;
    if (x, y) == (0, 0) && display == data {
        return pixels.into();
    }
    let mut framed = vec![0.0; display.width * display.height * 4];
    let left = i64::from(x).max(0);
    let right = (i64::from(x) + data.width as i64).min(display.width as i64);
    if left < right {
        let span = (right - left) as usize * 4;
        for row in 0..display.height {
            let from = row as i64 - i64::from(y);
            if !(0..data.height as i64).contains(&from) {
                continue;
            }
            let from = (from as usize * data.width + (left - i64::from(x)) as usize) * 4;
            let to = (row * display.width + left as usize) * 4;
            framed[to..to + span].copy_from_slice(&pixels[from..from + span]);
        }
    }
    framed.into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn bounds_are_y_up_from_the_frame_s_corner() {
        let mut placement = Placement::whole(Size {
            width: 10,
            height: 8,
        });
        assert_eq!(
            placement.bounds(),
            ofx::RectI {
                x1: 0,
                y1: 0,
                x2: 10,
                y2: 8
            }
        );
        placement.x = -2;
        placement.y = 1;
        placement.data = Size {
            width: 5,
            height: 3,
        };
        // One row below the top edge of an 8-row frame: rows 1, 2, 3 are y 4..7.
        let bounds = ofx::RectI {
            x1: -2,
            y1: 4,
            x2: 3,
            y2: 7,
        };
        assert_eq!(placement.bounds(), bounds);
        assert_eq!(
            Placement::whole(placement.display).with_bounds(bounds),
            placement
        );
    }

    #[test]
    fn a_frame_crops_overscan_and_pads_with_nothing() {
        let mut placement = Placement::whole(Size {
            width: 3,
            height: 2,
        });
        placement.x = -1;
        placement.y = 1;
        placement.data = Size {
            width: 3,
            height: 2,
        };
        let pixels: Vec<f32> = (0..6).flat_map(|n| [n as f32 + 1.0; 4]).collect();
        let framed = frame(&placement, &pixels);
        let red: Vec<f32> = framed.chunks(4).map(|pixel| pixel[0]).collect();
        assert_eq!(red, [0.0, 0.0, 0.0, 2.0, 3.0, 0.0]);
    }

    #[test]
    fn files_that_are_no_pictures_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plate.png");
        for (bytes, word) in [
            (&b""[..], "empty"),
            (b"\xff\xd8\xff\xe0 JFIF", "JPEG"),
            (b"hello", "neither"),
            (b"\x89PNG\r\n\x1a\nrubbish that follows", "damaged"),
            (b"\x76\x2f\x31\x01\x02\0\0\0 and rubbish", "damaged"),
        ] {
            std::fs::write(&path, bytes).unwrap();
            let error = read(&path).unwrap_err();
            assert_eq!(error.exit_code(), 3);
            assert!(error.to_string().contains(word), "{error}");
        }
        assert!(
            read(folder.path())
                .unwrap_err()
                .to_string()
                .contains("folder")
        );
        let none = read(&folder.path().join("none.exr")).unwrap_err();
        assert!(none.to_string().contains("no such file"), "{none}");
    }

    #[test]
    fn sizes_are_bounded() {
        let size = |width, height| check_size(Size { width, height });
        assert!(size(1, 1).is_ok());
        assert!(size(16384, 16384).is_ok());
        assert!(size(0, 4).is_err());
        assert!(size(LONGEST_SIDE + 1, 1).is_err());
        assert!(size(40000, 40000).is_err());
    }
}
