//! Writes GGUF files of version 3.

use super::ggml_type::GgmlType;
use super::metadata::{GgufArray, GgufMetadata, GgufValue};
use super::quantize;
use crate::{Error, Result};
use std::collections::HashSet;
use std::io::{BufWriter, Write};
use std::path::Path;

/// How the matrices of a file are stored. Vectors are always `f32`, as llama.cpp has them, and matrices whose rows are no
/// whole blocks are `f16` where blocks were asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "ggml's names, which say all there is to say")]
pub enum GgufKind {
    F32,
    F16,
    Q8_0,
    Q4_0,
}

impl GgufKind {
    /// `LLAMA_FTYPE_*`, for `general.file_type`.
    pub(super) fn file_type(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q4_0 => 2,
            Self::Q8_0 => 7,
        }
    }

    /// The type for a tensor of this shape.
    fn of(self, shape: &[usize]) -> GgmlType {
        let kind = match self {
            Self::F32 => GgmlType::F32,
            Self::F16 => GgmlType::F16,
            Self::Q8_0 => GgmlType::Q8_0,
            Self::Q4_0 => GgmlType::Q4_0,
        };
        match shape {
            [] | [_] => GgmlType::F32,
            [.., columns] if columns % kind.block_len() == 0 => kind,
            _ => GgmlType::F16,
        }
    }
}

/// Writes a GGUF file: the metadata, and the tensors of these names and shapes, whose values `read` gives, one at a time.
///
/// The file is written under a temporary name and renamed when it is whole.
///
/// # Errors
///
/// A name stands twice, a shape has more than four dimensions or is not what `read` gives, a value is not finite or too
/// large for `kind`, `general.alignment` is not a power of two, `read` fails, or the file cannot be written.
pub fn write_gguf<E: From<Error>>(
    path: impl AsRef<Path>,
    metadata: &GgufMetadata,
    tensors: &[(String, Vec<usize>)],
    kind: GgufKind,
    mut read: impl FnMut(&str) -> Result<Vec<f32>, E>,
) -> Result<(), E> {
    let path = path.as_ref();
    let (header, alignment) = header(path, metadata, tensors, kind)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666)); // less the user's mask, as for any new file
    let mut file = builder.tempfile_in(folder).map_err(Error::io(path))?;
    let mut out = BufWriter::new(file.as_file_mut());
    out.write_all(&header).map_err(Error::io(path))?;
    let mut encoded = Vec::new();
    for (name, shape) in tensors {
        let values = read(name)?;
        let kind = kind.of(shape);
        check(path, name, shape, kind, &values)?;
        let mut written = 0;
        for run in values.chunks(super::RUN) {
            encoded.clear();
            quantize::quantize(kind, run, &mut encoded);
            out.write_all(&encoded).map_err(Error::io(path))?;
            written += encoded.len();
        }
        let padding = written.next_multiple_of(alignment) - written;
        out.write_all(&vec![0; padding]).map_err(Error::io(path))?;
    }
    out.flush().map_err(Error::io(path))?;
    drop(out);
    file.persist(path).map_err(|e| Error::Io { path: path.into(), source: e.error })?;
    Ok(())
}

/// Everything before the tensors' bytes, and the alignment of those.
fn header(
    path: &Path,
    metadata: &GgufMetadata,
    tensors: &[(String, Vec<usize>)],
    kind: GgufKind,
) -> Result<(Vec<u8>, usize)> {
    let alignment = metadata.u64("general.alignment")?.unwrap_or(32);
    if !alignment.is_power_of_two() || alignment > 1 << 30 {
        return Err(metadata.wrong("general.alignment", "a power of two up to 2^30", alignment.to_string()));
    }
    let mut out = b"GGUF".to_vec();
    out.extend(3u32.to_le_bytes());
    out.extend((tensors.len() as u64).to_le_bytes());
    out.extend((metadata.len() as u64).to_le_bytes());
    for (key, value) in metadata.iter() {
        text(&mut out, key);
        out.extend(value.type_id().to_le_bytes());
        put(&mut out, value);
    }
    let (mut names, mut offset) = (HashSet::new(), 0u64);
    for (name, shape) in tensors {
        if !names.insert(name) {
            return Err(Error::Duplicate { path: path.into(), name: name.clone(), also_in: None });
        }
        let kind = kind.of(shape);
        let values = shape.iter().try_fold(1u64, |product, &dim| product.checked_mul(dim as u64));
        let bytes = values.and_then(|n| (n / kind.block_len() as u64).checked_mul(kind.block_bytes() as u64));
        let end = bytes.and_then(|bytes| offset.checked_add(bytes)?.checked_next_multiple_of(alignment));
        let Some(end) = end.filter(|_| shape.len() <= 4) else {
            let expected = "at most 4 dimensions that a file can hold".to_owned();
            return Err(Error::Shape { path: path.into(), name: name.clone(), expected, found: shape.clone() });
        };
        text(&mut out, name);
        out.extend((shape.len() as u32).to_le_bytes());
        shape.iter().rev().for_each(|&dim| out.extend((dim as u64).to_le_bytes()));
        out.extend(kind.id().to_le_bytes());
        out.extend(offset.to_le_bytes());
        offset = end;
    }
    out.resize(out.len().next_multiple_of(alignment as usize), 0);
    Ok((out, alignment as usize))
}

/// Checks what `read` gave.
fn check(path: &Path, name: &str, shape: &[usize], kind: GgmlType, values: &[f32]) -> Result<()> {
    if shape.iter().product::<usize>() != values.len() {
        let expected = format!("{} values", values.len());
        return Err(Error::Shape { path: path.into(), name: name.to_owned(), expected, found: shape.to_vec() });
    }
    // Quantised, one such value would take its block with it.
    let largest = quantize::largest(kind);
    let fits = |value: &f32| kind == GgmlType::F32 || value.abs() <= largest;
    match values.iter().position(|value| !fits(value)) {
        None => Ok(()),
        Some(at) => {
            let expected = format!("values that {kind} can hold");
            Err(Error::format(path, expected, format!("{} as value {at}", values[at])).of_tensor(name))
        }
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

fn put(out: &mut Vec<u8>, value: &GgufValue) {
    match value {
        GgufValue::U8(v) => out.extend(v.to_le_bytes()),
        GgufValue::I8(v) => out.extend(v.to_le_bytes()),
        GgufValue::U16(v) => out.extend(v.to_le_bytes()),
        GgufValue::I16(v) => out.extend(v.to_le_bytes()),
        GgufValue::U32(v) => out.extend(v.to_le_bytes()),
        GgufValue::I32(v) => out.extend(v.to_le_bytes()),
        GgufValue::F32(v) => out.extend(v.to_le_bytes()),
        GgufValue::U64(v) => out.extend(v.to_le_bytes()),
        GgufValue::I64(v) => out.extend(v.to_le_bytes()),
        GgufValue::F64(v) => out.extend(v.to_le_bytes()),
        GgufValue::Bool(v) => out.push(u8::from(*v)),
        GgufValue::String(v) => text(out, v),
        GgufValue::Array(v) => put_array(out, v),
    }
}

fn put_array(out: &mut Vec<u8>, array: &GgufArray) {
    out.extend(array.type_id().to_le_bytes());
    out.extend((array.len() as u64).to_le_bytes());
    match array {
        GgufArray::U8(v) => out.extend(v),
        GgufArray::I8(v) => v.iter().for_each(|v| out.extend(v.to_le_bytes())),
        GgufArray::U16(v) => v.iter().for_each(|v| out.extend(v.to_le_bytes())),
        GgufArray::I16(v) => v.iter().for_each(|v| out.extend(v.to_le_bytes())),
        GgufArray::U32(v) => v.iter().for_each(|v| out.extend(v.to_le_bytes())),
        GgufArray::I32(v) => v.iter().for_each(|v| out.extend(v.to_le_bytes())),
        GgufArray::F32(v) => v.iter().for_each(|v| out.extend(v.to_le_bytes())),
        GgufArray::U64(v) => v.iter().for_each(|v| out.extend(v.to_le_bytes())),
        GgufArray::I64(v) => v.iter().for_each(|v| out.extend(v.to_le_bytes())),
        GgufArray::F64(v) => v.iter().for_each(|v| out.extend(v.to_le_bytes())),
        GgufArray::Bool(v) => out.extend(v.iter().map(|v| u8::from(*v))),
        GgufArray::String(v) => v.iter().for_each(|v| text(out, v)),
        GgufArray::Array(v) => v.iter().for_each(|v| put_array(out, v)),
    }
}
