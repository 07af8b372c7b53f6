//! What a pickled state dict may say: its values, and the names that it may ask for. Everything
//! else is refused, by the name that it has.

use std::ops::Range;

use super::checkpoint::Element;

/// A value's number.
pub(super) type Id = usize;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i64),
    /// An integer of more than 64 bits, which nothing here can be.
    LargeInt,
    Float,
    /// Text, as its place in the pickle.
    Text(Range<usize>),
    Bytes,
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Global(Global),
    Storage(Storage),
    Tensor(Tensor),
}

/// What a file may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    /// A kind of storage.
    Kind(Element),
}

/// A file of raw numbers in the archive, by its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Storage {
    pub(super) key: Range<usize>,
    pub(super) element: Element,
    /// Elements.
    pub(super) length: u64,
}

/// A view into a storage, all in elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tensor {
    pub(super) storage: Storage,
    pub(super) offset: u64,
    pub(super) shape: Vec<u64>,
    pub(super) strides: Vec<u64>,
}

/// The names that a state dict is made of.
pub(super) fn known_global(module: &str, name: &str) -> Option<Global> {
    let element = |element| Some(Global::Kind(element));
    match (module, name) {
        ("collections", "OrderedDict") => Some(Global::OrderedDict),
        ("torch._utils", "_rebuild_tensor_v2") => Some(Global::RebuildTensor),
        ("torch._utils", "_rebuild_parameter") => Some(Global::RebuildParameter),
        ("torch", "FloatStorage") => element(Element::F32),
        ("torch", "HalfStorage") => element(Element::F16),
        ("torch", "BFloat16Storage") => element(Element::Bf16),
        ("torch", "DoubleStorage") => element(Element::Other("64-bit floats", 8)),
        ("torch", "LongStorage") => element(Element::Other("64-bit integers", 8)),
        ("torch", "IntStorage") => element(Element::Other("32-bit integers", 4)),
        ("torch", "ShortStorage") => element(Element::Other("16-bit integers", 2)),
        ("torch", "CharStorage") => element(Element::Other("8-bit integers", 1)),
        ("torch", "ByteStorage") => element(Element::Other("bytes", 1)),
        ("torch", "BoolStorage") => element(Element::Other("truth values", 1)),
        _ => None,
    }
}

/// Names of the instructions that are refused, for those who want to look into their file.
pub(super) fn foreign_instruction(code: u8) -> String {
    let name = match code {
        b'0' => "POP",
        b'1' => "POP_MARK",
        b'2' => "DUP",
        b'F' => "FLOAT",
        b'I' => "INT",
        b'L' => "LONG",
        b'P' => "PERSID",
        b'S' => "STRING",
        b'T' => "BINSTRING",
        b'U' => "SHORT_BINSTRING",
        b'V' => "UNICODE",
        b'd' => "DICT",
        b'g' => "GET",
        b'i' => "INST",
        b'o' => "OBJ",
        b'p' => "PUT",
        0x81 => "NEWOBJ",
        0x82 => "EXT1",
        0x83 => "EXT2",
        0x84 => "EXT4",
        0x8b => "LONG4",
        0x8f => "EMPTY_SET",
        0x90 => "ADDITEMS",
        0x91 => "FROZENSET",
        0x92 => "NEWOBJ_EX",
        0x96 => "BYTEARRAY8",
        0x97 => "NEXT_BUFFER",
        0x98 => "READONLY_BUFFER",
        _ => return format!("its index is damaged: {code:#04x} is no pickle instruction"),
    };
    format!(
        "the file uses the pickle instruction {name}, which a weights file has no use for; nothing \
         of it was run. Get the checkpoint from its publisher, or save its state dict alone"
    )
}
