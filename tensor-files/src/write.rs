//! Writes safetensors: one file, or shards with an index as transformers names them.

use crate::safetensors::METADATA;
use crate::{Error, Result};
use half::{bf16, f16};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Named tensors in the checkpoint's layout, as (shape, values).
pub type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// Element type of a file that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaveDtype {
    /// 4 bytes, exact.
    F32,
    /// 2 bytes, rounded to nearest; above 65504 infinite.
    F16,
    /// 2 bytes, rounded to nearest; the range of f32 with 8 bits of precision.
    BF16,
}

impl SaveDtype {
    fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::BF16 => "BF16",
        }
    }

    fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
        }
    }
}

/// The values of one tensor that is written.
#[derive(Debug, Clone, Copy)]
pub enum Values<'a> {
    /// Numbers, in the type that the file is given.
    Floats(&'a [f32]),
    /// Bytes as they are, of type U8.
    Bytes(&'a [u8]),
}

impl Values<'_> {
    fn len(self) -> usize {
        match self {
            Self::Floats(values) => values.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }

    fn bytes(self, dtype: SaveDtype) -> usize {
        match self {
            Self::Floats(values) => values.len() * dtype.size(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }
}

/// Tensors of one file, in the order in which they are written.
type Part<'a> = Vec<(&'a str, &'a [usize], Values<'a>)>;

/// [`save`] of tensors that need not be numbers, in the order that is given: (name, shape, values).
///
/// # Errors
/// As [`save`]; [`Error::Duplicate`] for a name that comes twice.
pub fn save_values(path: &Path, tensors: &[(&str, &[usize], Values<'_>)], dtype: SaveDtype) -> Result<()> {
    let mut names = std::collections::HashSet::new();
    for (name, shape, values) in tensors {
        check(path, name, shape, *values)?;
        if !names.insert(name) {
            return Err(Error::Duplicate { path: path.into(), name: (*name).into(), also_in: None });
        }
    }
    write_through_temporary(path, |out| write(out, tensors, dtype))
}

/// Writes named tensors as a safetensors file, to a temporary name first.
///
/// # Errors
/// [`Error::Io`], or [`Error::Shape`] if a shape does not hold its values.
pub fn save(path: &Path, tensors: &Tensors, dtype: SaveDtype) -> Result<()> {
    let part = checked(path, tensors)?;
    write_through_temporary(path, |out| write(out, &part, dtype))
}

/// Writes named tensors into files of at most `max_shard_bytes` of values each (a larger tensor gets a file of its own), as
/// transformers does: `model-0000i-of-0000n.safetensors` and `model.safetensors.index.json`, or `model.safetensors` alone
/// where one file is enough. Files of these names that an earlier save left and this one does not need are removed last,
/// so that the folder holds one model.
///
/// # Errors
/// [`Error::Io`], or [`Error::Shape`] if a shape does not hold its values.
pub fn save_sharded(dir: &Path, tensors: &Tensors, dtype: SaveDtype, max_shard_bytes: u64) -> Result<()> {
    const ONE: &str = "model.safetensors";
    const INDEX: &str = "model.safetensors.index.json";
    let mut parts: Vec<Part<'_>> = vec![Vec::new()];
    let (mut filled, mut total) = (0, 0);
    for tensor in checked(dir, tensors)? {
        let bytes = tensor.2.bytes(dtype) as u64;
        if filled > 0 && filled + bytes > max_shard_bytes {
            parts.push(Vec::new());
            filled = 0;
        }
        filled += bytes;
        total += bytes;
        parts.last_mut().expect("one from the start").push(tensor);
    }
    let names: Vec<String> = match parts.len() {
        1 => vec![ONE.into()],
        n => (1..=n).map(|i| format!("model-{i:05}-of-{n:05}.safetensors")).collect(),
    };
    for (name, part) in names.iter().zip(&parts) {
        write_through_temporary(&dir.join(name), |out| write(out, part, dtype))?;
    }
    let mut kept: Vec<&str> = names.iter().map(String::as_str).collect();
    if parts.len() > 1 {
        let of_part =
            |(file, part): (&String, &Part<'_>)| part.iter().map(|t| (t.0.to_owned(), file.clone())).collect();
        let weight_map: BTreeMap<String, String> = names.iter().zip(&parts).flat_map::<Vec<_>, _>(of_part).collect();
        let index = json!({ "metadata": { "total_size": total }, "weight_map": weight_map });
        let text = serde_json::to_string_pretty(&index).expect("text and numbers") + "\n";
        write_atomically(&dir.join(INDEX), text.as_bytes())?;
        kept.push(INDEX);
    }
    for entry in std::fs::read_dir(dir).map_err(Error::io(dir))? {
        let entry = entry.map_err(Error::io(dir))?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if (name == ONE || name == INDEX || is_shard(name)) && !kept.contains(&name) {
            std::fs::remove_file(entry.path()).map_err(Error::io(entry.path()))?;
        }
    }
    Ok(())
}

/// `model-0000i-of-0000n.safetensors`.
fn is_shard(name: &str) -> bool {
    let numbers = name.strip_prefix("model-").and_then(|n| n.strip_suffix(".safetensors"));
    let is_number = |n: &str| n.len() >= 5 && n.bytes().all(|b| b.is_ascii_digit());
    numbers.and_then(|n| n.split_once("-of-")).is_some_and(|(i, n)| is_number(i) && is_number(n))
}

/// The file that [`save`] writes, in memory.
pub(crate) fn encode(path: &Path, tensors: &Tensors, dtype: SaveDtype) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    write(&mut out, &checked(path, tensors)?, dtype).map_err(Error::io(path))?;
    Ok(out)
}

fn checked<'a>(path: &Path, tensors: &'a Tensors) -> Result<Part<'a>> {
    let checked = |(name, (shape, values)): (&'a String, &'a (Vec<usize>, Vec<f32>))| {
        check(path, name, shape, Values::Floats(values))?;
        Ok((name.as_str(), &shape[..], Values::Floats(values)))
    };
    tensors.iter().map(checked).collect()
}

fn check(path: &Path, name: &str, shape: &[usize], values: Values<'_>) -> Result<()> {
    if name == METADATA {
        return Err(Error::format(path, "a name that the format does not use itself", METADATA).of_tensor(name));
    }
    let count = shape.iter().try_fold(1_usize, |n, d| n.checked_mul(*d));
    if count != Some(values.len()) {
        let expected = format!("a shape of {} values", values.len());
        return Err(Error::Shape { path: path.into(), name: name.into(), expected, found: shape.to_vec() });
    }
    Ok(())
}

fn write(out: &mut dyn Write, part: &[(&str, &[usize], Values<'_>)], dtype: SaveDtype) -> std::io::Result<()> {
    // As text, because a map would sort `__metadata__` among the tensors, and members of an entry by name.
    let mut header = format!(r#"{{"{METADATA}":{{"format":"pt"}}"#);
    let mut end = 0;
    for (name, shape, values) in part {
        let start = end;
        end += values.bytes(dtype);
        let type_name = match values {
            Values::Floats(_) => dtype.name(),
            Values::Bytes(_) => "U8",
        };
        let (name, shape) = (json!(name), json!(shape));
        header += &format!(r#",{name}:{{"dtype":"{type_name}","shape":{shape},"data_offsets":[{start},{end}]}}"#);
    }
    header.push('}');
    header += &" ".repeat(header.len().next_multiple_of(8) - header.len()); // so that values are aligned
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(header.as_bytes())?;
    let mut bytes = Vec::with_capacity(4 * 4096);
    for (_, _, values) in part {
        let values = match values {
            Values::Floats(values) => *values,
            Values::Bytes(bytes) => {
                out.write_all(bytes)?;
                continue;
            }
        };
        for run in values.chunks(4096) {
            bytes.clear();
            match dtype {
                SaveDtype::F32 => bytes.extend(run.iter().flat_map(|v| v.to_le_bytes())),
                SaveDtype::F16 => bytes.extend(run.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes())),
                SaveDtype::BF16 => bytes.extend(run.iter().flat_map(|v| bf16::from_f32(*v).to_le_bytes())),
            }
            out.write_all(&bytes)?;
        }
    }
    Ok(())
}

/// Writes a file under a temporary name beside `path` and renames it, so that an interrupted run leaves the old file.
///
/// # Errors
/// [`Error::Io`].
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    write_through_temporary(path, |out| out.write_all(bytes))
}

fn write_through_temporary(path: &Path, write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666)); // less the user's mask, as for any new file
    let file = builder.tempfile_in(folder).map_err(Error::io(path))?;
    let mut out = BufWriter::new(file);
    write(&mut out).map_err(Error::io(path))?;
    let file = out.into_inner().map_err(|e| Error::Io { path: path.into(), source: e.into_error() })?;
    file.persist(path).map_err(|e| Error::Io { path: path.into(), source: e.error })?;
    Ok(())
}
