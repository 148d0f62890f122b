//! Files of `torch.save` before PyTorch 1.6: five pickles, then the storages.
//!
//! The pickles: the magic number 0x1950a86a20f9469cfc6c; the version 1001; facts of the machine, its byte order among them;
//! the object; the keys of its storages, in the order in which they follow. Each storage: the number of its elements in
//! 8 bytes, then the elements. The size of an element stands nowhere but in the object's pickle.

use super::pickle::{Node, Pickle};
use super::state_dict::{StateDict, Storage};
use crate::error::shortened;
use crate::source::{Cursor, Source};
use crate::{Error, Result};
use std::collections::HashMap;
use std::sync::atomic::AtomicBool;

/// The first pickle: protocol 2, a long of 10 bytes, end.
pub(crate) const MAGIC: [u8; 15] =
    [0x80, 2, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.'];

/// Opens a file that begins with [`MAGIC`].
pub(crate) fn open_legacy(source: Source) -> Result<StateDict> {
    let wrong = |at: u64, expected: &str, found: String| Error::format(source.path(), expected, found).at(at);
    let mut input = Cursor::new(&source, MAGIC.len() as u64, source.len());

    let at = input.pos();
    match Pickle::read(&source, &mut input)?.root() {
        Node::Int(1001) => {}
        Node::Int(version) => return Err(wrong(at, "version 1001 of torch.save", version.to_string())),
        _ => return Err(wrong(at, "version 1001 of torch.save", "no number".into())),
    }
    let at = input.pos();
    let machine = Pickle::read(&source, &mut input)?;
    if !matches!(machine.member(machine.root(), "little_endian"), Some(Node::Bool(true))) {
        return Err(wrong(at, "numbers that are little-endian", "a file that does not say so".into()));
    }
    let object = Pickle::read(&source, &mut input)?;
    let at = input.pos();
    let keys = Pickle::read(&source, &mut input)?;
    let Node::List(keys_in_order) = keys.root() else {
        return Err(wrong(at, "a list of the storages that follow", keys.kind().into()));
    };

    let mut sizes = HashMap::new();
    for storage in &object.storages {
        let size = storage.elements.map_or(1, |e| e.size);
        if *sizes.entry(storage.key.as_str()).or_insert(size) != size {
            return Err(wrong(at, "one type for a storage", format!("two for {}", shortened(&storage.key))));
        }
    }
    let (mut storages, mut places) = (Vec::new(), HashMap::new());
    for key in keys_in_order {
        let Node::Str(key) = keys.node(*key) else {
            return Err(wrong(at, "the key of a storage", "something else".into()));
        };
        let Some(size) = sizes.get(&**key) else {
            let found = format!("a storage {} that no tensor uses", shortened(key));
            return Err(wrong(at, "storages of the tensors", found));
        };
        if places.insert(&**key, storages.len()).is_some() {
            return Err(Error::Duplicate { path: source.path().into(), name: shortened(key), also_in: None });
        }
        let count = u64::from_le_bytes(input.array("a storage's length")?);
        let start = input.pos();
        let len = count.checked_mul(*size).filter(|len| *len <= input.remaining()).ok_or_else(|| {
            let expected = format!("{count} elements of {size} bytes for storage {}", shortened(key));
            wrong(start, &expected, format!("{} bytes before the end", input.remaining()))
        })?;
        input.skip(len)?;
        let crc_checked = AtomicBool::new(false);
        storages.push(Storage { start, packed_len: len, len, deflated: false, crc: None, crc_checked });
    }
    let places: Vec<usize> = object
        .storages
        .iter()
        .map(|storage| {
            let place = *places.get(&*storage.key).ok_or_else(|| {
                wrong(at, "the bytes of every storage", format!("none for {}", shortened(&storage.key)))
            })?;
            Ok(place)
        })
        .collect::<Result<_>>()?;
    drop(input);
    StateDict::new(source, object, storages, &places)
}
