//! The header and the table of tensors of a GGUF file.

use super::ggml_type::GgmlType;
use super::metadata::{GgufArray, GgufMetadata, GgufValue};
use crate::error::{Error, Result, shortened};
use crate::source::{Cursor, Source};
use std::collections::HashSet;

/// Arrays in arrays in arrays: the specification sets no limit, and nobody uses two.
const MAX_DEPTH: usize = 4;
/// `GGML_MAX_DIMS`
const MAX_DIMS: u32 = 4;
/// `GGUF_DEFAULT_ALIGNMENT`
const DEFAULT_ALIGNMENT: u64 = 32;
/// Smallest key with a value: the length of the key, the type, a byte.
const MIN_ENTRY: u64 = 8 + 4 + 1;
/// Smallest entry of the table of tensors: length of the name, count of dimensions, type, offset.
const MIN_TENSOR: u64 = 8 + 4 + 4 + 8;

/// What a GGUF file says of a tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GgufTensor {
    /// Its name, as llama.cpp spells it: `blk.0.attn_q.weight`.
    pub name: String,
    /// Shape in torch's order, [rows, columns]. The file has the columns first.
    pub shape: Vec<usize>,
    /// How the values are stored.
    pub kind: GgmlType,
    /// Where its bytes begin in the file.
    pub start: u64,
    /// How many they are.
    pub bytes: u64,
}

/// A checked header.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) version: u32,
    pub(super) metadata: GgufMetadata,
    pub(super) tensors: Vec<GgufTensor>,
}

/// Reads everything before the tensors' bytes, and checks that those are there.
pub(super) fn read_header(source: &Source) -> Result<Header> {
    let path = source.path();
    let mut cursor = Cursor::new(source, 0, source.len());
    let magic = cursor.array::<4>("GGUF's mark")?;
    if magic != *b"GGUF" {
        let found = String::from_utf8_lossy(&magic).escape_debug().to_string();
        return Err(Error::format(path, "the mark GGUF", format!("\"{found}\"")).at(0));
    }
    let version = u32::from_le_bytes(cursor.array("a version")?);
    let expected = "GGUF of version 2 or 3, little endian";
    match version {
        2 | 3 => {}
        1 => return Err(Error::format(path, expected, "version 1, whose counts are half as wide").at(4)),
        // ggml's own test: a version that small has its low half empty only in the other byte order.
        swapped if swapped & 0xFFFF == 0 => {
            let found = format!("big endian (version {})", swapped.swap_bytes());
            return Err(Error::format(path, expected, found).at(4));
        }
        other => return Err(Error::format(path, expected, format!("version {other}")).at(4)),
    }
    let tensor_count = count(&mut cursor, source, "tensors", MIN_TENSOR)?;
    let entry_count = count(&mut cursor, source, "metadata keys", MIN_ENTRY)?;
    let mut metadata = GgufMetadata::of(path);
    for _ in 0..entry_count {
        let key = string(&mut cursor, source, "a metadata key")?;
        let at = cursor.pos();
        let kind = u32::from_le_bytes(cursor.array("the type of a value")?);
        let value = value(&mut cursor, source, kind, at).map_err(|e| with_key(e, &key))?;
        metadata.insert_at(key, value, Some(at))?;
    }
    let alignment = metadata.u64("general.alignment")?.unwrap_or(DEFAULT_ALIGNMENT);
    if !alignment.is_power_of_two() || alignment > 1 << 30 {
        return Err(metadata.wrong("general.alignment", "a power of two up to 2^30", alignment.to_string()));
    }
    let table = (0..tensor_count).map(|_| tensor_entry(&mut cursor, source)).collect::<Result<Vec<_>>>()?;
    let data = cursor.pos().checked_next_multiple_of(alignment).unwrap_or(u64::MAX);
    let tensors = place(source, table, data, alignment)?;
    Ok(Header { version, metadata, tensors })
}

/// A count of things that take at least `size` bytes each.
fn count(cursor: &mut Cursor<'_>, source: &Source, what: &str, size: u64) -> Result<u64> {
    let at = cursor.pos();
    let count = u64::from_le_bytes(cursor.array(what)?);
    let most = cursor.remaining() / size;
    if count > most {
        let expected = format!("at most {most} {what}, for which there are bytes");
        return Err(Error::format(source.path(), expected, count.to_string()).at(at));
    }
    Ok(count)
}

fn string(cursor: &mut Cursor<'_>, source: &Source, what: &str) -> Result<String> {
    let len = count(cursor, source, &format!("bytes of {what}"), 1)?;
    let at = cursor.pos();
    let bytes = cursor.take(len, what)?;
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(e) => {
            let byte = at + e.valid_up_to() as u64;
            Err(Error::format(source.path(), format!("{what} in UTF-8"), "other bytes").at(byte))
        }
    }
}

/// Reads a value of type `kind`, whose number is at byte `at`.
fn value(cursor: &mut Cursor<'_>, source: &Source, kind: u32, at: u64) -> Result<GgufValue> {
    const WHAT: &str = "a value";
    Ok(match kind {
        0 => GgufValue::U8(u8::from_le_bytes(cursor.array(WHAT)?)),
        1 => GgufValue::I8(i8::from_le_bytes(cursor.array(WHAT)?)),
        2 => GgufValue::U16(u16::from_le_bytes(cursor.array(WHAT)?)),
        3 => GgufValue::I16(i16::from_le_bytes(cursor.array(WHAT)?)),
        4 => GgufValue::U32(u32::from_le_bytes(cursor.array(WHAT)?)),
        5 => GgufValue::I32(i32::from_le_bytes(cursor.array(WHAT)?)),
        6 => GgufValue::F32(f32::from_le_bytes(cursor.array(WHAT)?)),
        7 => GgufValue::Bool(truth(cursor, source)?),
        8 => GgufValue::String(string(cursor, source, "a string")?),
        9 => GgufValue::Array(array(cursor, source, MAX_DEPTH)?),
        10 => GgufValue::U64(u64::from_le_bytes(cursor.array(WHAT)?)),
        11 => GgufValue::I64(i64::from_le_bytes(cursor.array(WHAT)?)),
        12 => GgufValue::F64(f64::from_le_bytes(cursor.array(WHAT)?)),
        other => return Err(no_type(source, other, at)),
    })
}

fn array(cursor: &mut Cursor<'_>, source: &Source, depth: usize) -> Result<GgufArray> {
    let at = cursor.pos();
    let kind = u32::from_le_bytes(cursor.array("the type of an array")?);
    let mut len = |size| count(cursor, source, "values of an array", size);
    Ok(match kind {
        0 => GgufArray::U8(numbers(len(1)?, cursor, u8::from_le_bytes)?),
        1 => GgufArray::I8(numbers(len(1)?, cursor, i8::from_le_bytes)?),
        2 => GgufArray::U16(numbers(len(2)?, cursor, u16::from_le_bytes)?),
        3 => GgufArray::I16(numbers(len(2)?, cursor, i16::from_le_bytes)?),
        4 => GgufArray::U32(numbers(len(4)?, cursor, u32::from_le_bytes)?),
        5 => GgufArray::I32(numbers(len(4)?, cursor, i32::from_le_bytes)?),
        6 => GgufArray::F32(numbers(len(4)?, cursor, f32::from_le_bytes)?),
        7 => {
            let len = len(1)?;
            GgufArray::Bool((0..len).map(|_| truth(cursor, source)).collect::<Result<_>>()?)
        }
        8 => {
            let len = len(8)?;
            GgufArray::String((0..len).map(|_| string(cursor, source, "a string")).collect::<Result<_>>()?)
        }
        9 if depth <= 1 => {
            let expected = format!("arrays no deeper than {MAX_DEPTH}");
            return Err(Error::format(source.path(), expected, "a deeper one").at(at));
        }
        9 => {
            let len = len(12)?;
            GgufArray::Array((0..len).map(|_| array(cursor, source, depth - 1)).collect::<Result<_>>()?)
        }
        10 => GgufArray::U64(numbers(len(8)?, cursor, u64::from_le_bytes)?),
        11 => GgufArray::I64(numbers(len(8)?, cursor, i64::from_le_bytes)?),
        12 => GgufArray::F64(numbers(len(8)?, cursor, f64::from_le_bytes)?),
        other => return Err(no_type(source, other, at)),
    })
}

/// `len` numbers of `N` bytes each, for which there are bytes.
fn numbers<T, const N: usize>(len: u64, cursor: &mut Cursor<'_>, number: impl Fn([u8; N]) -> T) -> Result<Vec<T>> {
    let bytes = cursor.take(len * N as u64, "an array")?;
    Ok(bytes.as_chunks::<N>().0.iter().map(|bytes| number(*bytes)).collect())
}

fn truth(cursor: &mut Cursor<'_>, source: &Source) -> Result<bool> {
    let at = cursor.pos();
    match cursor.array::<1>("a bool")? {
        [0] => Ok(false),
        [1] => Ok(true),
        [other] => Err(Error::format(source.path(), "a bool, 0 or 1", other.to_string()).at(at)),
    }
}

fn no_type(source: &Source, found: u32, at: u64) -> Error {
    Error::format(source.path(), "a type of metadata, 0 to 12", found.to_string()).at(at)
}

/// Adds the key to an error about its value.
fn with_key(mut error: Error, key: &str) -> Error {
    if let Error::Format { expected, .. } = &mut error {
        *expected = format!("{expected} under the key {}", shortened(key));
    }
    error
}

/// An entry of the table, with where it and its offset are in the file; the offset counts from the first tensor's bytes.
struct TableEntry {
    name: String,
    shape: Vec<usize>,
    kind: GgmlType,
    bytes: u64,
    offset: u64,
    /// Where the offset is written.
    at: u64,
}

fn tensor_entry(cursor: &mut Cursor<'_>, source: &Source) -> Result<TableEntry> {
    let name = string(cursor, source, "a tensor's name")?;
    let wrong =
        |expected: &str, found: String, at| Err(Error::format(source.path(), expected, found).at(at).of_tensor(&name));
    let dims_at = cursor.pos();
    let dim_count = u32::from_le_bytes(cursor.array("the count of dimensions")?);
    if dim_count > MAX_DIMS {
        return wrong("at most 4 dimensions", dim_count.to_string(), dims_at);
    }
    let dims =
        (0..dim_count).map(|_| Ok(u64::from_le_bytes(cursor.array("a dimension")?))).collect::<Result<Vec<u64>>>()?;
    let kind_at = cursor.pos();
    let id = u32::from_le_bytes(cursor.array("the type of a tensor")?);
    let Some(kind) = GgmlType::from_id(id) else {
        return wrong("a type that ggml has", format!("type {id}"), kind_at);
    };
    let at = cursor.pos();
    let offset = u64::from_le_bytes(cursor.array("the offset of a tensor")?);
    // The innermost dimension is first; a row is whole blocks.
    let row = dims.first().copied().unwrap_or(1);
    if row % kind.block_len() as u64 != 0 {
        let expected = format!("rows of a multiple of {} values, as {kind} has them", kind.block_len());
        return wrong(&expected, row.to_string(), dims_at);
    }
    let values = dims.iter().try_fold(1u64, |product, &dim| product.checked_mul(dim));
    let bytes = values.and_then(|values| (values / kind.block_len() as u64).checked_mul(kind.block_bytes() as u64));
    let shape = dims.iter().rev().map(|&dim| usize::try_from(dim).ok()).collect::<Option<Vec<_>>>();
    let (Some(bytes), Some(shape)) = (bytes, shape) else {
        return wrong("dimensions that a file can hold", format!("{dims:?}"), dims_at);
    };
    Ok(TableEntry { name, shape, kind, bytes, offset, at })
}

/// Checks where the tensors are: aligned, inside the file, each apart from the others, each name once.
fn place(source: &Source, table: Vec<TableEntry>, data: u64, alignment: u64) -> Result<Vec<GgufTensor>> {
    let path = source.path();
    let mut names = HashSet::new();
    for entry in &table {
        if !names.insert(&entry.name) {
            return Err(Error::Duplicate { path: path.into(), name: shortened(&entry.name), also_in: None });
        }
        let wrong = |expected: String, found: String| {
            Err(Error::format(path, expected, found).at(entry.at).of_tensor(&entry.name))
        };
        if entry.offset % alignment != 0 {
            return wrong(format!("an offset that is a multiple of {alignment}"), entry.offset.to_string());
        }
        let end = data.checked_add(entry.offset).and_then(|start| start.checked_add(entry.bytes));
        if end.is_none_or(|end| end > source.len()) {
            let (offset, len) = (entry.offset, source.len());
            let expected = format!("{} bytes of data at {offset} behind byte {data}", entry.bytes);
            return wrong(expected, format!("a file of {len} bytes (truncated?)"));
        }
    }
    drop(names);
    // Tensors that share bytes would let a small file ask for much memory.
    let mut order: Vec<&TableEntry> = table.iter().filter(|entry| entry.bytes > 0).collect();
    order.sort_by_key(|entry| entry.offset);
    for pair in order.windows(2) {
        if pair[0].offset + pair[0].bytes > pair[1].offset {
            let expected = format!("bytes of its own, behind those of {}", shortened(&pair[0].name));
            let found = format!("offset {}", pair[1].offset);
            return Err(Error::format(path, expected, found).at(pair[1].at).of_tensor(&pair[1].name));
        }
    }
    let tensor = |entry: TableEntry| GgufTensor {
        name: entry.name,
        shape: entry.shape,
        kind: entry.kind,
        start: data + entry.offset,
        bytes: entry.bytes,
    };
    Ok(table.into_iter().map(tensor).collect())
}
