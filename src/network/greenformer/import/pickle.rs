//! Reads the pickled index of a PyTorch checkpoint and executes nothing.
//!
//! A pickle is a program for a small stack machine, and Python's own machine calls whatever the
//! program names. This one has no way to call anything: it knows the instructions that a state
//! dict is written with and, by name, the few constructors that occur in one, which it carries out
//! itself as plain data. Whatever else a file asks for is refused by name.
//!
//! Values live in one list and refer to each other by number. So a file that nests or refers to
//! itself a million times costs a million small entries, is never walked recursively, and is
//! limited by counting entries.

use std::collections::HashMap;
use std::ops::Range;

use super::checkpoint::shown;
use super::vocabulary::{Global, Id, foreign_instruction, known_global};
pub(super) use super::vocabulary::{Storage, Tensor, Value};

/// Values at most; a state dict of 367 tensors has about 10 000.
const MOST_VALUES: usize = 1 << 19;
/// Open brackets at most; a state dict has three.
const MOST_MARKS: usize = 256;

/// Everything that a pickle says.
#[derive(Debug)]
pub(super) struct Pickle<'a> {
    bytes: &'a [u8],
    values: Vec<Value>,
    root: Id,
}

impl<'a> Pickle<'a> {
    /// Reads a pickle, which must end where its STOP is.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let mut machine = Machine {
            bytes,
            at: 0,
            values: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
        };
        let root = machine.run()?;
        if machine.at != bytes.len() {
            return Err("its index goes on after its end".into());
        }
        Ok(Self {
            bytes,
            values: machine.values,
            root,
        })
    }

    pub(super) fn root(&self) -> &Value {
        &self.values[self.root]
    }

    pub(super) fn value(&self, id: Id) -> &Value {
        &self.values[id]
    }

    /// A text, from its place.
    pub(super) fn text(&self, place: &Range<usize>) -> &'a str {
        text(self.bytes, place)
    }
}

fn text<'a>(bytes: &'a [u8], place: &Range<usize>) -> &'a str {
    // Every place was checked to hold UTF-8 when it was made.
    std::str::from_utf8(&bytes[place.clone()]).unwrap_or_default()
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value>,
    stack: Vec<Id>,
    /// How deep the stack was at each open bracket.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl Machine<'_> {
    fn run(&mut self) -> Result<Id, String> {
        loop {
            let code = self.byte()?;
            match code {
                b'.' => break,
                0x80 => self.protocol()?,
                // The length of a frame helps whoever reads from a pipe; nothing else.
                0x95 => _ = self.unsigned(8)?,
                b'(' => self.mark()?,
                b'N' => self.push(Value::None)?,
                0x88 => self.push(Value::Bool(true))?,
                0x89 => self.push(Value::Bool(false))?,
                b'J' => {
                    let value = self.unsigned(4)? as u32 as i32;
                    self.push(Value::Int(value.into()))?;
                }
                b'K' | b'M' => {
                    let value = self.unsigned(if code == b'K' { 1 } else { 2 })?;
                    self.push(Value::Int(value as i64))?;
                }
                0x8a => self.long()?,
                b'G' => {
                    self.take(8)?;
                    self.push(Value::Float)?;
                }
                b'X' => self.string(4)?,
                0x8c => self.string(1)?,
                0x8d => self.string(8)?,
                b'C' => self.data(1)?,
                b'B' => self.data(4)?,
                0x8e => self.data(8)?,
                b')' => self.push(Value::Tuple(Vec::new()))?,
                0x85..=0x87 => self.tuple(usize::from(code - 0x84))?,
                b't' => {
                    let items = self.bracket()?;
                    self.push(Value::Tuple(items))?;
                }
                b']' => self.push(Value::List(Vec::new()))?,
                b'l' => {
                    let items = self.bracket()?;
                    self.push(Value::List(items))?;
                }
                b'}' => self.push(Value::Dict(Vec::new()))?,
                b'a' => {
                    let item = self.pop()?;
                    self.append(&[item])?;
                }
                b'e' => {
                    let items = self.bracket()?;
                    self.append(&items)?;
                }
                b's' => {
                    let value = self.pop()?;
                    let key = self.pop()?;
                    self.insert(&[key, value])?;
                }
                b'u' => {
                    let items = self.bracket()?;
                    self.insert(&items)?;
                }
                b'q' => self.remember(1)?,
                b'r' => self.remember(4)?,
                0x94 => {
                    let key = u32::try_from(self.memo.len()).map_err(|_| too_large())?;
                    self.memorise(key)?;
                }
                b'h' => self.recall(1)?,
                b'j' => self.recall(4)?,
                b'c' => self.global()?,
                0x93 => self.stack_global()?,
                b'Q' => self.storage()?,
                b'R' => self.reduce()?,
                b'b' => self.build()?,
                other => return Err(foreign_instruction(other)),
            }
        }
        let root = self.pop()?;
        if self.stack.is_empty() && self.marks.is_empty() {
            Ok(root)
        } else {
            Err("its index is damaged: something is left over at its end".into())
        }
    }

    // Bytes.

    fn take(&mut self, count: usize) -> Result<Range<usize>, String> {
        let end = self
            .at
            .checked_add(count)
            .filter(|end| *end <= self.bytes.len());
        let end = end.ok_or("its index ends too early; copy or download the file again")?;
        let place = self.at..end;
        self.at = end;
        Ok(place)
    }

    fn byte(&mut self) -> Result<u8, String> {
        let place = self.take(1)?;
        Ok(self.bytes[place.start])
    }

    /// A little-endian number of up to eight bytes.
    fn unsigned(&mut self, size: usize) -> Result<u64, String> {
        let place = self.take(size)?;
        let bytes = self.bytes[place].iter().rev();
        Ok(bytes.fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// A run of bytes after its length, which has `size` bytes itself.
    fn counted(&mut self, size: usize) -> Result<Range<usize>, String> {
        let length = self.unsigned(size)?;
        self.take(usize::try_from(length).unwrap_or(usize::MAX))
    }

    /// A line without its end.
    fn line(&mut self) -> Result<Range<usize>, String> {
        let rest = &self.bytes[self.at..];
        // Names of modules are short; a longer line is no name.
        let length = rest.iter().take(512).position(|byte| *byte == b'\n');
        let length = length.ok_or("its index is damaged: a name has no end")?;
        let place = self.take(length + 1)?;
        let place = place.start..place.end - 1;
        self.utf8(place)
    }

    fn utf8(&self, place: Range<usize>) -> Result<Range<usize>, String> {
        match std::str::from_utf8(&self.bytes[place.clone()]) {
            Ok(_) => Ok(place),
            Err(_) => Err("its index is damaged: a text is not UTF-8".into()),
        }
    }

    // The stack.

    fn push(&mut self, value: Value) -> Result<(), String> {
        if self.values.len() >= MOST_VALUES {
            return Err(too_large());
        }
        self.values.push(value);
        self.stack.push(self.values.len() - 1);
        Ok(())
    }

    /// The uppermost value; what is below an open bracket is out of reach.
    fn pop(&mut self) -> Result<Id, String> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err(short());
        }
        self.stack.pop().ok_or_else(short)
    }

    fn top(&self) -> Result<Id, String> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let above = self.stack.get(floor..).and_then(<[Id]>::last);
        above.copied().ok_or_else(short)
    }

    fn mark(&mut self) -> Result<(), String> {
        if self.marks.len() >= MOST_MARKS {
            return Err(too_large());
        }
        self.marks.push(self.stack.len());
        Ok(())
    }

    /// Closes the last bracket and gives what is in it.
    fn bracket(&mut self) -> Result<Vec<Id>, String> {
        let floor = self.marks.pop().ok_or_else(short)?;
        Ok(self.stack.split_off(floor))
    }

    // The instructions.

    fn protocol(&mut self) -> Result<(), String> {
        match self.byte()? {
            2..=5 => Ok(()),
            other => Err(format!(
                "its index is a pickle of protocol {other}, and 2 to 5 are known; load it in \
                 PyTorch and save it again"
            )),
        }
    }

    fn long(&mut self) -> Result<(), String> {
        let place = self.counted(1)?;
        let bytes = &self.bytes[place];
        let value = if bytes.len() > 8 {
            Value::LargeInt
        } else {
            let negative = bytes.last().is_some_and(|last| last & 0x80 != 0);
            let mut all = if negative { [0xff; 8] } else { [0; 8] };
            all[..bytes.len()].copy_from_slice(bytes);
            Value::Int(i64::from_le_bytes(all))
        };
        self.push(value)
    }

    fn string(&mut self, size: usize) -> Result<(), String> {
        let place = self.counted(size)?;
        let place = self.utf8(place)?;
        self.push(Value::Text(place))
    }

    fn data(&mut self, size: usize) -> Result<(), String> {
        self.counted(size)?;
        self.push(Value::Bytes)
    }

    fn tuple(&mut self, count: usize) -> Result<(), String> {
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(self.pop()?);
        }
        items.reverse();
        self.push(Value::Tuple(items))
    }

    fn append(&mut self, items: &[Id]) -> Result<(), String> {
        let list = self.top()?;
        match &mut self.values[list] {
            Value::List(list) => list.extend_from_slice(items),
            _ => {
                return Err(
                    "its index is damaged: something is appended to what is no list".into(),
                );
            }
        }
        Ok(())
    }

    fn insert(&mut self, items: &[Id]) -> Result<(), String> {
        let dict = self.top()?;
        match &mut self.values[dict] {
            Value::Dict(dict) if items.len().is_multiple_of(2) => {
                dict.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1])));
            }
            _ => {
                return Err(
                    "its index is damaged: an entry is set in what is no dictionary".into(),
                );
            }
        }
        Ok(())
    }

    fn remember(&mut self, size: usize) -> Result<(), String> {
        let key = self.unsigned(size)? as u32;
        self.memorise(key)
    }

    fn memorise(&mut self, key: u32) -> Result<(), String> {
        if self.memo.len() >= MOST_VALUES {
            return Err(too_large());
        }
        let top = self.top()?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn recall(&mut self, size: usize) -> Result<(), String> {
        let key = self.unsigned(size)? as u32;
        let id = self.memo.get(&key).copied();
        let id = id.ok_or("its index is damaged: it recalls what it never noted")?;
        // The same value twice on the stack; a reference costs as much as a value.
        if self.stack.len() >= MOST_VALUES {
            return Err(too_large());
        }
        self.stack.push(id);
        Ok(())
    }

    fn global(&mut self) -> Result<(), String> {
        let module = self.line()?;
        let name = self.line()?;
        self.push_global(&module, &name)
    }

    fn stack_global(&mut self) -> Result<(), String> {
        let (name, module) = (self.pop()?, self.pop()?);
        match (&self.values[module], &self.values[name]) {
            (Value::Text(module), Value::Text(name)) => {
                let (module, name) = (module.clone(), name.clone());
                self.push_global(&module, &name)
            }
            _ => Err("its index is damaged: it names something without a name".into()),
        }
    }

    fn push_global(&mut self, module: &Range<usize>, name: &Range<usize>) -> Result<(), String> {
        let (module, name) = (text(self.bytes, module), text(self.bytes, name));
        let global = known_global(module, name).ok_or_else(|| {
            format!(
                "the file asks for {}.{}, which a weights file has no use for; nothing of it was \
                 run. Get the checkpoint from its publisher, or save its state dict alone",
                shown(module),
                shown(name)
            )
        })?;
        self.push(Value::Global(global))
    }

    /// `("storage", kind, key, device, length)`.
    fn storage(&mut self) -> Result<(), String> {
        let id = self.pop()?;
        let wrong = || "its index is damaged: it refers to data in an unknown way".to_owned();
        let Value::Tuple(items) = &self.values[id] else {
            return Err(wrong());
        };
        let [tag, kind, key, device, length] = items.as_slice() else {
            return Err(wrong());
        };
        let value = |id: &Id| &self.values[*id];
        let storage = match (
            value(tag),
            value(kind),
            value(key),
            value(device),
            value(length),
        ) {
            (
                Value::Text(tag),
                Value::Global(Global::Kind(element)),
                Value::Text(key),
                Value::Text(_),
                Value::Int(length),
            ) if text(self.bytes, tag) == "storage" => Storage {
                key: key.clone(),
                element: *element,
                length: u64::try_from(*length).map_err(|_| wrong())?,
            },
            _ => return Err(wrong()),
        };
        self.push(Value::Storage(storage))
    }

    /// Python would call here. The three constructors that are known are carried out by hand.
    fn reduce(&mut self) -> Result<(), String> {
        let (arguments, callable) = (self.pop()?, self.pop()?);
        let Value::Global(global) = self.values[callable] else {
            return Err(
                "the file calls something that is not a function, as no weights file does; nothing \
                 of it was run"
                    .into(),
            );
        };
        let Value::Tuple(arguments) = &self.values[arguments] else {
            return Err("its index is damaged: a constructor has no arguments".into());
        };
        let value = match (global, arguments.as_slice()) {
            (Global::OrderedDict, []) => Value::Dict(Vec::new()),
            (Global::RebuildTensor, arguments) => self.tensor(arguments)?,
            (Global::RebuildParameter, [tensor, ..]) => match &self.values[*tensor] {
                tensor @ Value::Tensor(_) => tensor.clone(),
                _ => return Err("its index is damaged: a parameter without a tensor".into()),
            },
            (Global::Kind(_), _) => {
                return Err(
                    "the file makes a storage of its own, as no weights file does; nothing of it \
                     was run"
                        .into(),
                );
            }
            _ => return Err("its index is damaged: a constructor has wrong arguments".into()),
        };
        self.push(value)
    }

    /// Storage, offset, shape, strides; what follows (gradients, hooks) is of no use here.
    fn tensor(&self, arguments: &[Id]) -> Result<Value, String> {
        let wrong = || "its index is damaged: a tensor is described in an unknown way".to_owned();
        let [storage, offset, shape, strides, ..] = arguments else {
            return Err(wrong());
        };
        let count = |id: &Id| match self.values[*id] {
            Value::Int(value) => u64::try_from(value).map_err(|_| wrong()),
            _ => Err(wrong()),
        };
        let counts = |id: &Id| match &self.values[*id] {
            // Hostile ranks are not copied; the shape's own check names real ones.
            Value::Tuple(items) if items.len() <= 64 => items.iter().map(count).collect(),
            _ => Err(wrong()),
        };
        let Value::Storage(storage) = &self.values[*storage] else {
            return Err(wrong());
        };
        let (shape, strides): (Vec<u64>, Vec<u64>) = (counts(shape)?, counts(strides)?);
        if shape.len() != strides.len() {
            return Err(wrong());
        }
        Ok(Value::Tensor(Tensor {
            storage: storage.clone(),
            offset: count(offset)?,
            shape,
            strides,
        }))
    }

    /// State for the value below. A state dict has one, its `_metadata`, which says nothing about
    /// the weights; on anything else it could be a way to run something.
    fn build(&mut self) -> Result<(), String> {
        let state = self.pop()?;
        let target = self.top()?;
        match (&self.values[target], &self.values[state]) {
            (Value::Dict(_), Value::Dict(_)) => Ok(()),
            _ => Err(
                "the file sets the state of an object that is no dictionary, which a weights file \
                 has no use for; nothing of it was run"
                    .into(),
            ),
        }
    }
}

fn short() -> String {
    "its index is damaged: an instruction lacks its values".into()
}

fn too_large() -> String {
    "its index is larger or deeper than that of any checkpoint".into()
}

#[cfg(test)]
#[path = "pickle_tests.rs"]
mod tests;
