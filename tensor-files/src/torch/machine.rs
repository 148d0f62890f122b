//! A stack machine for the part of pickle that builds plain data and tensors.
//! <https://docs.python.org/3/library/pickletools.html>, <https://peps.python.org/pep-3154/> (protocol 4).
//!
//! Nothing is ever called: a name is either in the table of [`names`](super::names) or ends the reading with [`Error::Call`]. Memory
//! and time follow the bytes that were read:
//! - values live in one flat list and refer to each other by number, so that doubling (`DUP`, `BINGET`) costs a number, and
//!   dropping a deep nest needs no deep stack;
//! - each opcode, and each number that one copies, is taken from a budget that the file's length bounds.

use super::names::Global;
use super::pickle::{Id, Node, Pickle, StorageRef, TensorRef};
use crate::error::shortened;
use crate::source::{Cursor, Source};
use crate::{Error, Result};
use std::collections::HashMap;

/// Opcodes of the largest pickle that is read: a state dict takes about 30 for a tensor.
const MAX_STEPS: u64 = 4_000_000;

impl Pickle {
    /// Reads one pickle, and leaves `input` behind it.
    pub(super) fn read(source: &Source, input: &mut Cursor<'_>) -> Result<Self> {
        let (start, at) = (input.pos(), input.pos());
        let mut machine = Machine {
            source,
            input,
            start,
            at,
            nodes: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            storages: Vec::new(),
            tensors: Vec::new(),
            steps_left: source.len().min(MAX_STEPS),
            keys: HashMap::new(),
        };
        let root = machine.run()?;
        let Machine { nodes, storages, tensors, .. } = machine;
        Ok(Self { nodes, root, storages, tensors })
    }
}

/// A pickle that is being read.
pub(super) struct Machine<'a, 's> {
    source: &'a Source,
    input: &'a mut Cursor<'s>,
    /// First byte of the pickle.
    start: u64,
    /// The opcode at work.
    at: u64,
    nodes: Vec<Node>,
    pub(super) stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
    pub(super) storages: Vec<StorageRef>,
    pub(super) keys: HashMap<(String, u64), usize>,
    pub(super) tensors: Vec<TensorRef>,
    steps_left: u64,
}

impl Machine<'_, '_> {
    fn run(&mut self) -> Result<Id> {
        loop {
            self.at = self.input.pos();
            self.spend(1)?;
            let [opcode] = self.input.array("a pickle")?;
            if opcode == b'.' {
                return self.pop();
            }
            self.step(opcode)?;
        }
    }

    fn step(&mut self, opcode: u8) -> Result<()> {
        match opcode {
            // frame
            0x80 => {
                let [protocol] = self.input.array("a protocol")?;
                if protocol > 5 {
                    return Err(self.wrong("a pickle of protocol 2 to 5", format!("protocol {protocol}")));
                }
            }
            0x95 => {
                let len = u64::from_le_bytes(self.input.array("a frame's length")?);
                if len > self.input.remaining() {
                    let found = format!("one of {len} bytes where {} are left", self.input.remaining());
                    return Err(self.wrong("a frame inside the file", found));
                }
            }
            // stack and memo
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_mark()?),
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
            }
            b'q' => {
                let [index] = self.input.array("a place in the memo")?;
                self.put(index.into())?;
            }
            b'r' => {
                let index = self.u32()?;
                self.put(index)?;
            }
            0x94 => self.put(self.memo.len() as u32)?, // no more than opcodes
            b'h' => {
                let [index] = self.input.array("a place in the memo")?;
                self.get(index.into())?;
            }
            b'j' => {
                let index = self.u32()?;
                self.get(index)?;
            }
            // plain values
            b'N' => self.push(Node::None),
            0x88 => self.push(Node::Bool(true)),
            0x89 => self.push(Node::Bool(false)),
            b'K' => {
                let [value] = self.input.array("an integer")?;
                self.push(Node::Int(value.into()));
            }
            b'M' => {
                let value = u16::from_le_bytes(self.input.array("an integer")?);
                self.push(Node::Int(value.into()));
            }
            b'J' => {
                let value = i32::from_le_bytes(self.input.array("an integer")?);
                self.push(Node::Int(value.into()));
            }
            0x8a => {
                let [len] = self.input.array("an integer's length")?;
                self.long(len.into())?;
            }
            0x8b => {
                let len = self.u32()?;
                self.long(len.into())?;
            }
            b'G' => {
                self.input.take(8, "a float")?;
                self.push(Node::Other);
            }
            0x8c | b'U' | b'C' => {
                let [len] = self.input.array("a length")?;
                self.text(len.into(), opcode)?;
            }
            b'X' | b'T' | b'B' => {
                let len = self.u32()?;
                self.text(len.into(), opcode)?;
            }
            0x8d | 0x8e | 0x96 => {
                let len = u64::from_le_bytes(self.input.array("a length")?);
                self.text(len, opcode)?;
            }
            // collections
            b')' => self.push(Node::Tuple(Box::default())),
            b't' => {
                let items = self.pop_mark()?;
                self.push(Node::Tuple(items.into()));
            }
            0x85..=0x87 => {
                let len = usize::from(opcode - 0x84);
                let first = self.stack.len().checked_sub(len).filter(|at| *at >= self.floor());
                let first = first.ok_or_else(|| self.underflow())?;
                let items = self.stack.split_off(first);
                self.push(Node::Tuple(items.into()));
            }
            b']' => self.push(Node::List(Vec::new())),
            b'l' => {
                let items = self.pop_mark()?;
                self.push(Node::List(items));
            }
            b'a' => {
                let item = self.pop()?;
                self.append(vec![item])?;
            }
            b'e' => {
                let items = self.pop_mark()?;
                self.append(items)?;
            }
            b'}' => self.push(Node::Dict(Vec::new())),
            b'd' => {
                let items = self.pop_mark()?;
                self.push(Node::Dict(Vec::new()));
                self.set_items(&items)?;
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.set_items(&[key, value])?;
            }
            b'u' => {
                let items = self.pop_mark()?;
                self.set_items(&items)?;
            }
            0x8f => self.push(Node::Other), // a set
            0x90 => {
                self.pop_mark()?;
                match self.node(self.top()?) {
                    Node::Other => {}
                    other => return Err(self.wrong("a set to add to", other.kind())),
                }
            }
            0x91 => {
                self.pop_mark()?;
                self.push(Node::Other);
            }
            // names, and what would be calls
            b'c' => {
                let module = self.line()?;
                let name = self.line()?;
                self.global(&module, &name)?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                match (self.node(module), self.node(name)) {
                    (Node::Str(module), Node::Str(name)) => {
                        let (module, name) = (shortened(module), shortened(name));
                        self.global(&module, &name)?;
                    }
                    (module, name) => {
                        let found = format!("{} and {}", module.kind(), name.kind());
                        return Err(self.wrong("a module and a name", found));
                    }
                }
            }
            b'i' => {
                let module = self.line()?;
                let name = self.line()?;
                return Err(self.call(format!("{module}.{name}")));
            }
            b'R' => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                self.reduce(function, arguments)?;
            }
            b'b' => {
                // `_metadata` of a state dict, the only state that torch writes.
                let state = self.pop()?;
                let target = self.top()?;
                match (self.node(target), self.node(state)) {
                    (Node::Dict(_), Node::Dict(_) | Node::None) => {}
                    (target, state) => {
                        let found = format!("{} for {}", state.kind(), target.kind());
                        return Err(self.wrong("attributes for a dict", found));
                    }
                }
            }
            0x81 | 0x92 | b'o' => {
                // NEWOBJ: class, arguments; NEWOBJ_EX: class, arguments, keywords; OBJ: mark, class, arguments.
                let class = match opcode {
                    b'o' => self.pop_mark()?.first().copied(),
                    _ => {
                        self.pop()?;
                        if opcode == 0x92 {
                            self.pop()?;
                        }
                        Some(self.pop()?)
                    }
                };
                let class = class.map_or("nothing", |class| self.node(class).kind());
                return Err(self.wrong("tensors, dicts, lists and numbers", format!("an object to be made of {class}")));
            }
            b'Q' => {
                let id = self.pop()?;
                self.persistent(id)?;
            }
            other => {
                let found = format!("{other:#04x} ('{}')", other.escape_ascii());
                return Err(self.wrong("an opcode of a pickled state dict", found));
            }
        }
        Ok(())
    }

    fn global(&mut self, module: &str, name: &str) -> Result<()> {
        let global = Global::find(module, name).ok_or_else(|| self.call(format!("{module}.{name}")))?;
        self.push(Node::Global(global));
        Ok(())
    }

    // Values and places.

    pub(super) fn node(&self, id: Id) -> &Node {
        &self.nodes[id.0 as usize]
    }

    pub(super) fn push(&mut self, node: Node) {
        let id = Id(self.nodes.len() as u32); // no more nodes than opcodes, fewer than MAX_STEPS
        self.nodes.push(node);
        self.stack.push(id);
    }

    /// Below this the stack belongs to what stood before the last mark.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Result<Id> {
        match self.stack.last() {
            Some(top) if self.stack.len() > self.floor() => Ok(*top),
            _ => Err(self.underflow()),
        }
    }

    pub(super) fn pop(&mut self) -> Result<Id> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_mark(&mut self) -> Result<Vec<Id>> {
        let mark = self.marks.pop().ok_or_else(|| self.wrong("a mark on the stack", "none"))?;
        Ok(self.stack.split_off(mark))
    }

    fn put(&mut self, index: u32) -> Result<()> {
        let top = self.top()?;
        self.memo.insert(index, top);
        Ok(())
    }

    fn get(&mut self, index: u32) -> Result<()> {
        let id = *self.memo.get(&index).ok_or_else(|| self.wrong("a value in the memo", format!("none at {index}")))?;
        self.stack.push(id);
        Ok(())
    }

    fn append(&mut self, items: Vec<Id>) -> Result<()> {
        let target = self.top()?;
        match &mut self.nodes[target.0 as usize] {
            Node::List(list) => list.extend(items),
            other => {
                let found = other.kind();
                return Err(self.wrong("a list to append to", found));
            }
        }
        Ok(())
    }

    fn set_items(&mut self, items: &[Id]) -> Result<()> {
        let target = self.top()?;
        let (pairs, rest) = items.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(self.wrong("keys with values", "a key without"));
        }
        match &mut self.nodes[target.0 as usize] {
            Node::Dict(dict) => dict.extend(pairs.iter().map(|[key, value]| (*key, *value))),
            other => {
                let found = other.kind();
                return Err(self.wrong("a dict to add to", found));
            }
        }
        Ok(())
    }

    // Bytes.

    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.input.array("a number")?))
    }

    /// A little-endian two's complement integer of any length.
    fn long(&mut self, len: u64) -> Result<()> {
        let bytes = self.input.take(len, "an integer")?;
        let node = if bytes.len() <= 8 {
            let sign = if bytes.last().is_some_and(|b| b & 0x80 != 0) { 0xff } else { 0 };
            let mut value = [sign; 8];
            value[..bytes.len()].copy_from_slice(bytes);
            Node::Int(i64::from_le_bytes(value))
        } else {
            Node::Other
        };
        self.push(node);
        Ok(())
    }

    /// Text, or bytes that may be text (Python 2 made no difference).
    fn text(&mut self, len: u64, opcode: u8) -> Result<()> {
        let bytes = self.input.take(len, "text")?;
        let node = match opcode {
            b'C' | b'B' | 0x8e | 0x96 => Node::Other, // bytes, bytearray
            b'U' | b'T' if !bytes.is_ascii() => Node::Other,
            _ => match str::from_utf8(bytes) {
                Ok(text) => Node::Str(text.into()),
                Err(_) => return Err(self.wrong("text in UTF-8", "other bytes")),
            },
        };
        self.push(node);
        Ok(())
    }

    /// Up to the next newline: one of a global's two names.
    fn line(&mut self) -> Result<String> {
        const MOST: usize = 512;
        let mut line = Vec::new();
        loop {
            match self.input.array("a name and a newline")? {
                [b'\n'] => return Ok(shortened(&String::from_utf8_lossy(&line))),
                [byte] if line.len() < MOST => line.push(byte),
                _ => return Err(self.wrong("a name of a line", "a longer one")),
            }
        }
    }

    // Errors.

    pub(super) fn spend(&mut self, steps: u64) -> Result<()> {
        match self.steps_left.checked_sub(steps) {
            Some(left) => {
                self.steps_left = left;
                Ok(())
            }
            None => Err(self.wrong("a pickle of tensors", "one that builds more than its file could hold")),
        }
    }

    fn underflow(&self) -> Error {
        self.wrong("a value on the stack", "none")
    }

    pub(super) fn wrong(&self, expected: &str, found: impl Into<String>) -> Error {
        Error::format(self.source.path(), format!("{expected} (pickle)"), found).at(self.at)
    }

    fn call(&self, call: String) -> Error {
        Error::Call { path: self.source.path().into(), byte: self.at - self.start, call }
    }
}
