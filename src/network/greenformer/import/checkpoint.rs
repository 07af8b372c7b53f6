//! A foreign checkpoint as this program sees it: names, shapes, and where each tensor's bytes lie
//! in the user's file. The bytes themselves stay there until they are copied, piece by piece.

use std::borrow::Cow;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};

use half::slice::HalfFloatSliceExt as _;
use half::{bf16, f16};

use super::Trouble;

/// How the numbers of a tensor are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    /// 32-bit floats.
    F32,
    /// 16-bit floats as IEEE has them.
    F16,
    /// The upper half of a 32-bit float.
    Bf16,
    /// Anything else: its name in words, and its size in bytes.
    Other(&'static str, u64),
}

impl Element {
    /// Bytes of one number.
    pub(super) fn size(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Other(_, size) => size,
        }
    }

    /// True when every value is a 32-bit float as well.
    pub(super) fn widens(self) -> bool {
        !matches!(self, Self::Other(..))
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::F32 => "32-bit floats",
            Self::F16 => "16-bit floats",
            Self::Bf16 => "bfloat16",
            Self::Other(name, _) => name,
        }
    }

    /// The precision's short name, as manifests have it.
    pub(super) fn precision(self) -> &'static str {
        match self {
            Self::F32 => "fp32",
            Self::F16 => "fp16",
            Self::Bf16 => "bf16",
            Self::Other(name, _) => name,
        }
    }
}

/// A tensor in the user's file. Its extent is known to lie inside the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    /// Steps between neighbours along each dimension, in elements; as long as `shape`.
    pub(super) strides: Vec<usize>,
    pub(super) element: Element,
    /// The first element's place, in bytes from the start of the file.
    pub(super) offset: u64,
}

impl Stored {
    /// How many numbers it holds.
    pub(super) fn len(&self) -> usize {
        // Whoever makes a tensor has checked that this does not overflow.
        self.shape.iter().product()
    }

    /// True when the elements lie in the order of the shape, without gaps.
    pub(super) fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        self.shape
            .iter()
            .zip(&self.strides)
            .rev()
            .all(|(&length, &stride)| {
                let fits = length == 1 || stride == expected;
                expected *= length;
                fits
            })
    }

    /// True when the elements lie without gaps in the order of *some* permutation of the shape, as
    /// in a transposed view: each is stored once, and nothing else is between them.
    pub(super) fn is_permuted(&self) -> bool {
        let mut axes: Vec<(usize, usize)> = self
            .strides
            .iter()
            .copied()
            .zip(self.shape.iter().copied())
            .filter(|(_, length)| *length != 1)
            .collect();
        axes.sort_unstable();
        let mut expected = 1;
        axes.into_iter().all(|(stride, length)| {
            let fits = stride == expected;
            expected *= length;
            fits
        })
    }
}

/// The strides of a tensor whose elements lie in the order of its shape.
pub(super) fn row_major(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}

/// How many elements a shape has and how many bytes they are, or why that makes no sense.
pub(super) fn extent(shape: &[u64], element: Element) -> Result<(Vec<usize>, u64), String> {
    // The largest tensor of the network has 30 million numbers; nothing near 2^40 bytes is meant.
    const MOST_BYTES: u64 = 1 << 40;
    const MOST_DIMENSIONS: usize = 8;
    let absurd = || format!("has the absurd shape {}", shape_text(shape));
    if shape.len() > MOST_DIMENSIONS {
        return Err(format!("has {} dimensions", shape.len()));
    }
    if shape.contains(&0) {
        return Err(format!("has the empty shape {}", shape_text(shape)));
    }
    let bytes = shape
        .iter()
        .try_fold(element.size(), |bytes, length| bytes.checked_mul(*length))
        .filter(|bytes| *bytes <= MOST_BYTES)
        .ok_or_else(absurd)?;
    let sides = shape
        .iter()
        .map(|length| usize::try_from(*length).map_err(|_| absurd()))
        .collect::<Result<_, _>>()?;
    Ok((sides, bytes))
}

/// How many numbers are read at a time.
const CHUNK: usize = 1 << 18;

/// Reads a tensor and gives its numbers in the order of its shape, in pieces, as 32-bit floats.
///
/// The memory needed is that of a piece, unless the tensor is stored in another order: then it is
/// held whole.
pub(super) fn read(
    file: &mut File,
    tensor: &Stored,
    give: &mut dyn FnMut(&[f32]) -> Result<(), Trouble>,
) -> Result<(), Trouble> {
    if tensor.is_contiguous() {
        return read_in_order(file, tensor, give);
    }
    let mut stored = Vec::new();
    stored
        .try_reserve_exact(tensor.len())
        .map_err(|error| Trouble::source(error.to_string()))?;
    read_in_order(file, tensor, &mut |values| {
        stored.extend_from_slice(values);
        Ok(())
    })?;
    let mut piece = Vec::with_capacity(CHUNK.min(tensor.len()));
    let mut walk = Walk::new(&tensor.shape, &tensor.strides);
    while let Some(at) = walk.next() {
        piece.push(stored[at]);
        if piece.len() == CHUNK {
            give(&piece)?;
            piece.clear();
        }
    }
    give(&piece)
}

fn read_in_order(
    file: &mut File,
    tensor: &Stored,
    give: &mut dyn FnMut(&[f32]) -> Result<(), Trouble>,
) -> Result<(), Trouble> {
    let failed = |error: std::io::Error| Trouble::source(io_text(&error));
    file.seek(SeekFrom::Start(tensor.offset)).map_err(failed)?;
    let size = tensor.element.size() as usize;
    let mut bytes = vec![0; size * CHUNK.min(tensor.len())];
    let mut values = Vec::with_capacity(CHUNK);
    let mut left = tensor.len();
    while left > 0 {
        let count = left.min(CHUNK);
        let bytes = &mut bytes[..count * size];
        file.read_exact(bytes).map_err(failed)?;
        widen(tensor.element, bytes, &mut values);
        give(&values)?;
        left -= count;
    }
    Ok(())
}

/// Little-endian numbers as 32-bit floats, without any change of value.
fn widen(element: Element, bytes: &[u8], values: &mut Vec<f32>) {
    values.clear();
    let pairs = || {
        bytes
            .chunks_exact(2)
            .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
    };
    match element {
        Element::F32 => values.extend(
            bytes
                .chunks_exact(4)
                .map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]])),
        ),
        Element::F16 => {
            let halves: Vec<f16> = pairs().map(f16::from_bits).collect();
            values.resize(halves.len(), 0.0);
            halves.convert_to_f32_slice(values);
        }
        Element::Bf16 => values.extend(pairs().map(|bits| bf16::from_bits(bits).to_f32())),
        // Refused before anything is read.
        Element::Other(..) => {}
    }
}

/// The places of a tensor's elements, in the order of its shape.
struct Walk<'a> {
    shape: &'a [usize],
    strides: &'a [usize],
    index: Vec<usize>,
    at: Option<usize>,
}

impl<'a> Walk<'a> {
    fn new(shape: &'a [usize], strides: &'a [usize]) -> Self {
        Self {
            shape,
            strides,
            index: vec![0; shape.len()],
            at: Some(0),
        }
    }

    fn next(&mut self) -> Option<usize> {
        let at = self.at?;
        let mut next = at;
        for axis in (0..self.shape.len()).rev() {
            self.index[axis] += 1;
            next += self.strides[axis];
            if self.index[axis] < self.shape[axis] {
                self.at = Some(next);
                return Some(at);
            }
            next -= self.strides[axis] * self.shape[axis];
            self.index[axis] = 0;
        }
        self.at = None;
        Some(at)
    }
}

/// What the system said about reading the user's file, in words.
pub(super) fn io_text(error: &std::io::Error) -> String {
    use std::io::ErrorKind as Kind;
    match error.kind() {
        Kind::NotFound => "there is no such file".into(),
        Kind::PermissionDenied => "permission denied; check the file's rights".into(),
        Kind::IsADirectory => "this is a folder, not a file".into(),
        Kind::UnexpectedEof => "it ends too early; copy or download it again".into(),
        _ => error.to_string(),
    }
}

/// A name out of the user's file, fit for a sentence: one line, no control characters, not long.
pub(super) fn shown(name: &str) -> Cow<'_, str> {
    const MOST: usize = 96;
    let plain = |c: char| !c.is_control() && !matches!(c, '\u{2028}'..='\u{202e}');
    if name.len() <= MOST && name.chars().all(plain) {
        return name.into();
    }
    let mut text: String = name
        .chars()
        .take(MOST)
        .map(|c| if plain(c) { c } else { '\u{fffd}' })
        .collect();
    if name.chars().nth(MOST).is_some() {
        text.push('…');
    }
    text.into()
}

/// `[1, 2, 3]`.
pub(super) fn shape_text<T: std::fmt::Display>(shape: &[T]) -> String {
    let sides: Vec<String> = shape.iter().take(12).map(T::to_string).collect();
    let rest = if shape.len() > 12 { ", …" } else { "" };
    format!("[{}{rest}]", sides.join(", "))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn stored(shape: &[usize], strides: &[usize]) -> Stored {
        Stored {
            name: "t".into(),
            shape: shape.into(),
            strides: strides.into(),
            element: Element::F32,
            offset: 0,
        }
    }

    #[test]
    fn orders_are_told_apart() {
        for (shape, strides, contiguous, permuted) in [
            (&[][..], &[][..], true, true),
            (&[2, 3], &[3, 1], true, true),
            (&[2, 3], &[1, 2], false, true),
            // The stride of a dimension of 1 says nothing.
            (&[1, 3], &[77, 1], true, true),
            (&[3, 1], &[1, 9], true, true),
            // Repeated, skipping, overlapping.
            (&[2, 3], &[0, 1], false, false),
            (&[2, 3], &[6, 2], false, false),
            (&[2, 3], &[2, 1], false, false),
            (&[2, 2, 2], &[1, 2, 4], false, true),
        ] {
            let tensor = stored(shape, strides);
            assert_eq!(tensor.is_contiguous(), contiguous, "{shape:?} {strides:?}");
            assert_eq!(tensor.is_permuted(), permuted, "{shape:?} {strides:?}");
        }
        assert_eq!(row_major(&[2, 3, 4]), [12, 4, 1]);
        assert_eq!(row_major(&[]), [0; 0]);
    }

    #[test]
    fn a_walk_visits_every_element_in_the_order_of_the_shape() {
        let visit = |shape: &[usize], strides: &[usize]| {
            let mut walk = Walk::new(shape, strides);
            let mut places = Vec::new();
            while let Some(at) = walk.next() {
                places.push(at);
            }
            places
        };
        assert_eq!(visit(&[], &[]), [0]);
        assert_eq!(visit(&[2, 3], &[3, 1]), [0, 1, 2, 3, 4, 5]);
        assert_eq!(visit(&[2, 3], &[1, 2]), [0, 2, 4, 1, 3, 5]);
        // [1, 2, 2] seen as [2, 2, 1].
        assert_eq!(visit(&[2, 1, 2], &[1, 9, 2]), [0, 2, 1, 3]);
    }

    #[test]
    fn widening_keeps_every_value() {
        let mut values = Vec::new();
        // Every half but infinities and what is no number, subnormal ones included.
        let all: Vec<u16> = (0..=u16::MAX)
            .filter(|bits| bits & 0x7c00 != 0x7c00)
            .collect();
        let bytes: Vec<u8> = all.iter().flat_map(|bits| bits.to_le_bytes()).collect();
        widen(Element::F16, &bytes, &mut values);
        for (bits, value) in all.iter().zip(&values) {
            let sign = if bits >> 15 == 1 { -1.0f64 } else { 1.0 };
            let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
            let expected = if exponent == 0 {
                fraction * 2f64.powi(-24)
            } else {
                (1024.0 + fraction) * 2f64.powi(exponent - 25)
            };
            assert_eq!(f64::from(*value), sign * expected);
            assert_eq!(value.is_sign_negative(), sign < 0.0);
        }
        widen(Element::Bf16, &[0x80, 0x3f, 0x01, 0x80], &mut values);
        assert_eq!(values[0], 1.0);
        assert_eq!(values[1].to_bits(), 0x8001_0000);
    }

    #[test]
    fn shapes_that_make_no_sense_are_refused() {
        assert_eq!(extent(&[], Element::F32).unwrap(), (vec![], 4));
        assert_eq!(extent(&[3, 2], Element::F16).unwrap().1, 12);
        for shape in [
            &[u64::MAX, 2][..],
            &[1 << 32, 1 << 32],
            &[0],
            &[1; 9],
            &[1 << 39],
        ] {
            assert!(extent(shape, Element::F32).is_err(), "{shape:?}");
        }
    }

    #[test]
    fn names_stay_on_one_line() {
        assert_eq!(shown("a.b"), "a.b");
        assert_eq!(shown("a\nb\u{1b}[2J"), "a\u{fffd}b\u{fffd}[2J");
        assert!(shown(&"x".repeat(5000)).chars().count() < 100);
        assert_eq!(shape_text::<u64>(&[]), "[]");
        assert!(shape_text(&[1u64; 5000]).len() < 100);
    }
}
