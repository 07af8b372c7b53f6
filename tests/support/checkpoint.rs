//! Checkpoints for tests, good and bad, written byte by byte: PyTorch's zip with its pickled index,
//! and `.safetensors`.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "every test file uses another part"
)]

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use half::{bf16, f16};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// How numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    F32,
    F16,
    Bf16,
}

impl Kind {
    pub fn size(self) -> usize {
        if self == Self::F32 { 4 } else { 2 }
    }

    /// A value as it is stored, and the value that it then has.
    pub fn rounded(self, value: f32) -> f32 {
        match self {
            Self::F32 => value,
            Self::F16 => f16::from_f32(value).to_f32(),
            Self::Bf16 => bf16::from_f32(value).to_f32(),
        }
    }

    pub fn bytes(self, values: impl Iterator<Item = f32>) -> Vec<u8> {
        match self {
            Self::F32 => values.flat_map(f32::to_le_bytes).collect(),
            Self::F16 => values
                .flat_map(|value| f16::from_f32(value).to_le_bytes())
                .collect(),
            Self::Bf16 => values
                .flat_map(|value| bf16::from_f32(value).to_le_bytes())
                .collect(),
        }
    }

    /// PyTorch's name of the storage, and that of `.safetensors`.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::F32 => ("FloatStorage", "F32"),
            Self::F16 => ("HalfStorage", "F16"),
            Self::Bf16 => ("BFloat16Storage", "BF16"),
        }
    }
}

/// A tensor by name and shape; its values are made when they are written.
pub type Named = (String, Vec<usize>);

/// Writes a pickle, instruction by instruction.
pub struct Pickler(pub Vec<u8>);

impl Pickler {
    /// Protocol 2, as PyTorch has it.
    pub fn new() -> Self {
        Self(vec![0x80, 2])
    }

    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub fn global(&mut self, module: &str, name: &str) -> &mut Self {
        self.raw(format!("c{module}\n{name}\n").as_bytes())
    }

    pub fn text(&mut self, text: &str) -> &mut Self {
        self.raw(b"X")
            .raw(&(text.len() as u32).to_le_bytes())
            .raw(text.as_bytes())
    }

    pub fn int(&mut self, value: u64) -> &mut Self {
        match value {
            0..=255 => self.raw(&[b'K', value as u8]),
            256..=0xffff => self.raw(b"M").raw(&(value as u16).to_le_bytes()),
            0x1_0000..=0x7fff_ffff => self.raw(b"J").raw(&(value as u32).to_le_bytes()),
            _ => self.raw(&[0x8a, 8]).raw(&value.to_le_bytes()),
        }
    }

    pub fn ints(&mut self, values: &[usize]) -> &mut Self {
        self.raw(b"(");
        for value in values {
            self.int(*value as u64);
        }
        self.raw(b"t")
    }

    /// The persistent id of a storage.
    pub fn storage(&mut self, kind: &str, key: &str, length: usize) -> &mut Self {
        self.raw(b"(").text("storage").global("torch", kind);
        self.text(key).text("cpu").int(length as u64).raw(b"tQ")
    }

    /// A tensor that is a view of the storage that `storage` describes.
    pub fn view(
        &mut self,
        storage: impl FnOnce(&mut Self),
        offset: usize,
        shape: &[usize],
        strides: &[usize],
    ) -> &mut Self {
        self.global("torch._utils", "_rebuild_tensor_v2").raw(b"(");
        storage(self);
        self.int(offset as u64).ints(shape).ints(strides);
        self.raw(b"\x89").ordered_dict().raw(b"tR")
    }

    pub fn ordered_dict(&mut self) -> &mut Self {
        self.global("collections", "OrderedDict").raw(b")R")
    }

    /// A contiguous tensor with a storage of its own.
    pub fn tensor(&mut self, kind: Kind, key: &str, shape: &[usize]) -> &mut Self {
        let length = shape.iter().product();
        let mut strides = vec![1; shape.len()];
        for axis in (1..shape.len()).rev() {
            strides[axis - 1] = strides[axis] * shape[axis];
        }
        let storage = |pickle: &mut Self| {
            pickle.storage(kind.names().0, key, length);
        };
        self.view(storage, 0, shape, &strides)
    }

    /// The whole pickle.
    pub fn end(&mut self) -> Vec<u8> {
        self.raw(b".");
        self.0.clone()
    }
}

/// How a `.pth` is written.
#[derive(Debug, Clone, Copy)]
pub struct Pth {
    pub kind: Kind,
    /// In front of every name.
    pub prefix: &'static str,
    /// Under `state_dict`, beside an epoch and a learning rate, instead of bare.
    pub wrapped: bool,
    /// Every tensor as a parameter.
    pub parameters: bool,
    /// The archive's folder.
    pub folder: &'static str,
}

impl Default for Pth {
    fn default() -> Self {
        Self {
            kind: Kind::F32,
            prefix: "",
            wrapped: false,
            parameters: false,
            folder: "archive",
        }
    }
}

impl Pth {
    /// The index of these tensors, whose storages are numbered in order. Names that end with
    /// `num_batches_tracked` are 64-bit integers.
    pub fn index(&self, tensors: &[Named]) -> Vec<u8> {
        let mut pickle = Pickler::new();
        if self.wrapped {
            pickle.raw(b"}q\0(").text("epoch").int(70_000);
            pickle.text("rate").raw(b"G\x3f\xf0\0\0\0\0\0\0");
            pickle.text("state_dict");
        }
        pickle.ordered_dict().raw(b"q\x01(");
        for (index, (name, shape)) in tensors.iter().enumerate() {
            pickle.text(&format!("{}{name}", self.prefix));
            let key = index.to_string();
            if name.ends_with("num_batches_tracked") {
                let storage = |pickle: &mut Pickler| {
                    pickle.storage("LongStorage", &key, 1);
                };
                pickle.view(storage, 0, &[], &[]);
            } else if self.parameters {
                pickle
                    .global("torch._utils", "_rebuild_parameter")
                    .raw(b"(");
                pickle.tensor(self.kind, &key, shape);
                pickle.raw(b"\x88").ordered_dict().raw(b"tR");
            } else {
                pickle.tensor(self.kind, &key, shape);
            }
        }
        // What modules write about themselves.
        pickle
            .raw(b"u}")
            .text("_metadata")
            .ordered_dict()
            .raw(b"sb");
        if self.wrapped {
            pickle.raw(b"u");
        }
        pickle.end()
    }

    /// Writes the file; `values` gives a tensor's numbers.
    pub fn write<I: Iterator<Item = f32>>(
        &self,
        path: &Path,
        tensors: &[Named],
        values: impl Fn(&str, &[usize]) -> I,
    ) {
        let mut zip = Archive::create(path);
        let folder = self.folder;
        zip.add(&format!("{folder}/data.pkl"), &self.index(tensors));
        zip.add(&format!("{folder}/byteorder"), b"little");
        for (index, (name, shape)) in tensors.iter().enumerate() {
            let bytes = if name.ends_with("num_batches_tracked") {
                vec![0; 8]
            } else {
                self.kind.bytes(values(name, shape))
            };
            zip.add(&format!("{folder}/data/{index}"), &bytes);
        }
        zip.add(&format!("{folder}/version"), b"3\n");
        zip.finish();
    }
}

/// A zip archive that is being written.
pub struct Archive(ZipWriter<BufWriter<File>>);

impl Archive {
    pub fn create(path: &Path) -> Self {
        Self(ZipWriter::new(BufWriter::new(File::create(path).unwrap())))
    }

    /// Adds an entry as it is.
    pub fn add(&mut self, name: &str, bytes: &[u8]) {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        self.0.start_file(name, options).unwrap();
        self.0.write_all(bytes).unwrap();
    }

    pub fn finish(self) {
        self.0.finish().unwrap().into_inner().unwrap();
    }
}

/// Writes an archive of these entries.
pub fn archive(path: &Path, entries: &[(&str, &[u8])]) {
    let mut zip = Archive::create(path);
    for (name, bytes) in entries {
        zip.add(name, bytes);
    }
    zip.finish();
}

/// Writes a `.safetensors` file without any padding.
pub fn safetensors<I: Iterator<Item = f32>>(
    path: &Path,
    kind: Kind,
    tensors: &[Named],
    values: impl Fn(&str, &[usize]) -> I,
) {
    let mut end = 0;
    let mut entries = Vec::new();
    for (name, shape) in tensors {
        let begin = end;
        end += kind.size() * shape.iter().product::<usize>();
        let (dtype, offsets) = (kind.names().1, [begin, end]);
        entries.push(format!(
            r#""{name}":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":{offsets:?}}}"#
        ));
    }
    let header = format!("{{{}}}", entries.join(","));
    let mut file = BufWriter::new(File::create(path).unwrap());
    file.write_all(&(header.len() as u64).to_le_bytes())
        .unwrap();
    file.write_all(header.as_bytes()).unwrap();
    for (name, shape) in tensors {
        file.write_all(&kind.bytes(values(name, shape))).unwrap();
    }
    file.flush().unwrap();
}

/// A `.safetensors` file of this header and data.
pub fn raw_safetensors(path: &Path, header: &str, data: &[u8]) {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(data);
    std::fs::write(path, bytes).unwrap();
}

/// The names and shapes that a checkpoint has after its conversion for MLX.
pub fn as_mlx(tensors: &[Named]) -> Vec<Named> {
    tensors
        .iter()
        .filter(|(name, _)| !name.ends_with("num_batches_tracked"))
        .map(|(name, shape)| {
            let name = name
                .replace("refiner.stem.0.", "refiner.stem_conv.")
                .replace("refiner.stem.1.", "refiner.stem_gn.");
            let shape = match shape.as_slice() {
                [o, i, h, w] => vec![*o, *h, *w, *i],
                other => other.to_vec(),
            };
            (name, shape)
        })
        .collect()
}

/// The values of a tensor in the order of [`as_mlx`]: `values` gives them in PyTorch's, `mlx` is
/// the tensor's name there.
pub fn mlx_values<I: Iterator<Item = f32>>(
    mlx: &str,
    shape: &[usize],
    values: impl Fn(&str, &[usize]) -> I,
) -> std::vec::IntoIter<f32> {
    let name = mlx
        .replace("refiner.stem_conv.", "refiner.stem.0.")
        .replace("refiner.stem_gn.", "refiner.stem.1.");
    let &[o, h, w, i] = shape else {
        return values(&name, shape).collect::<Vec<_>>().into_iter();
    };
    let plain: Vec<f32> = values(&name, &[o, i, h, w]).collect();
    let mut moved = Vec::with_capacity(plain.len());
    for output in 0..o {
        for row in 0..h {
            for column in 0..w {
                for input in 0..i {
                    moved.push(plain[((output * i + input) * h + row) * w + column]);
                }
            }
        }
    }
    moved.into_iter()
}
