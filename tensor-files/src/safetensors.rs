//! Safetensors: <https://huggingface.co/docs/safetensors>, <https://github.com/huggingface/safetensors>.
//!
//! Eight bytes with the length of a JSON header, the header (name -> dtype, shape, first and last byte), the values.
//!
//! What is easy to get wrong:
//! - offsets count from the end of the header, and values need not be aligned to their size;
//! - the header may list tensors in any order, but together they must cover the data exactly: no hole in which something
//!   could hide, no overlap;
//! - a JSON library keeps the last of two members with one name; here it is an error;
//! - the header may end in spaces, and `__metadata__` maps text to text alone.

use crate::decode::Span;
use crate::error::shortened;
use crate::json::Members;
use crate::reader::Reader;
use crate::source::Source;
use crate::{Dtype, Error, Result, TensorInfo};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;

/// The format itself allows no more.
pub(crate) const MAX_HEADER: u64 = 100_000_000;
pub(crate) const METADATA: &str = "__metadata__";

#[derive(Debug)]
pub(crate) struct SafetensorsFile {
    source: Source,
    tensors: BTreeMap<String, TensorInfo>,
    spans: BTreeMap<String, Span>,
    metadata: BTreeMap<String, String>,
}

#[derive(serde::Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

impl SafetensorsFile {
    pub(crate) fn open(source: Source) -> Result<Self> {
        let path = source.path();
        let wrong = |expected: &str, found: String| Error::format(path, expected, found);
        if source.len() < 8 {
            return Err(wrong("8 bytes with the length of a header", format!("{} bytes", source.len())).at(0));
        }
        let header_len = u64::from_le_bytes(source.view(0, 8)?[..].try_into().expect("eight bytes"));
        if header_len > MAX_HEADER || header_len > source.len() - 8 {
            let found = format!("a header of {header_len} bytes in a file of {}", source.len());
            return Err(wrong("a header that fits into the file and 100 MB", found).at(0));
        }
        let data_start = 8 + header_len;
        let data_len = source.len() - data_start;
        let header_bytes = source.view(8, header_len)?;
        let mut current = None;
        let mut json = serde_json::Deserializer::from_slice(&header_bytes);
        let header = HeaderSeed { current: &mut current }.deserialize(&mut json).and_then(|h| json.end().map(|()| h));
        let Header { entries, metadata } = header.map_err(|e| {
            // Columns count from 1; a header has one line as a rule.
            let at = if e.line() == 1 { 8 + (e.column() as u64).saturating_sub(1) } else { 8 };
            let error = wrong("a header in JSON with dtype, shape and data_offsets", shortened(&e.to_string())).at(at);
            current.iter().fold(error, |error, name| error.of_tensor(name))
        })?;

        let (mut tensors, mut spans) = (BTreeMap::new(), BTreeMap::new());
        let mut ranges = Vec::new();
        for (name, entry) in entries {
            let (start, end) = entry.data_offsets;
            let wrong = |expected: &str, found: String| {
                wrong(expected, found).at(data_start.saturating_add(start)).of_tensor(&name)
            };
            let (dtype, bits) =
                dtype(&entry.dtype).ok_or_else(|| wrong("a dtype of safetensors", shortened(&entry.dtype)))?;
            if start > end || end > data_len {
                let found = format!("bytes {start} to {end} of {data_len}");
                return Err(wrong("data_offsets inside the file", found));
            }
            let count = entry.shape.iter().try_fold(1_u64, |n, d| n.checked_mul(*d));
            let bytes = count.and_then(|n| n.checked_mul(bits)).filter(|n| n % 8 == 0).map(|n| n / 8);
            if bytes != Some(end - start) {
                let needs = bytes.map_or("an impossible number of".into(), |n| n.to_string());
                let found = format!("data_offsets for {}", end - start);
                return Err(wrong(&format!("{needs} bytes for {} {:?}", entry.dtype, entry.shape), found));
            }
            let shape: Option<Vec<usize>> = entry.shape.iter().map(|d| usize::try_from(*d).ok()).collect();
            let (Some(shape), Some(Ok(count))) = (shape, count.map(usize::try_from)) else {
                return Err(wrong("a tensor that fits into memory", format!("{:?}", entry.shape)));
            };
            ranges.push((start, end, name.clone()));
            spans.insert(name.clone(), Span { dtype, start: data_start + start, count });
            if tensors.insert(name.clone(), TensorInfo { dtype, shape }).is_some() {
                return Err(Error::Duplicate { path: path.into(), name: shortened(&name), also_in: None });
            }
        }
        ranges.sort();
        let mut covered = 0;
        for (start, end, name) in &ranges {
            if *start != covered {
                let found = format!("byte {start}");
                let expected = format!("data_offsets that go on at byte {covered}, without hole or overlap");
                return Err(wrong(&expected, found).at(data_start + start).of_tensor(name));
            }
            covered = *end;
        }
        if covered != data_len {
            let expected = format!("{covered} bytes of tensors, as the header says");
            return Err(wrong(&expected, format!("{data_len}")).at(data_start + covered));
        }
        drop(header_bytes);
        Ok(Self { source, tensors, spans, metadata })
    }
}

struct Header {
    entries: Vec<(String, Entry)>,
    metadata: BTreeMap<String, String>,
}

/// Reads a header member by member, leaving in `current` the one that it failed at.
struct HeaderSeed<'a> {
    current: &'a mut Option<String>,
}

impl<'de> DeserializeSeed<'de> for HeaderSeed<'_> {
    type Value = Header;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Header, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for HeaderSeed<'_> {
    type Value = Header;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
        let mut header = Header { entries: Vec::new(), metadata: BTreeMap::new() };
        while let Some(name) = map.next_key::<String>()? {
            *self.current = Some(name.clone());
            if name == METADATA {
                header.metadata.extend(map.next_value::<Members<String>>()?.0);
            } else {
                header.entries.push((name, map.next_value()?));
            }
            *self.current = None;
        }
        Ok(header)
    }
}

/// The type and its size in bits.
fn dtype(name: &str) -> Option<(Dtype, u64)> {
    let dtype = match name {
        "F64" => Dtype::F64,
        "F32" => Dtype::F32,
        "F16" => Dtype::F16,
        "BF16" => Dtype::BF16,
        "I64" => Dtype::I64,
        "I32" => Dtype::I32,
        "I16" => Dtype::I16,
        "I8" => Dtype::I8,
        "U64" => Dtype::U64,
        "U32" => Dtype::U32,
        "U16" => Dtype::U16,
        "U8" => Dtype::U8,
        "BOOL" => Dtype::Bool,
        "C64" => return Some((Dtype::Other("C64"), 64)),
        "F8_E4M3" => return Some((Dtype::Other("F8_E4M3"), 8)),
        "F8_E5M2" => return Some((Dtype::Other("F8_E5M2"), 8)),
        "F8_E4M3FNUZ" => return Some((Dtype::Other("F8_E4M3FNUZ"), 8)),
        "F8_E5M2FNUZ" => return Some((Dtype::Other("F8_E5M2FNUZ"), 8)),
        "F8_E8M0" => return Some((Dtype::Other("F8_E8M0"), 8)),
        "F6_E2M3" => return Some((Dtype::Other("F6_E2M3"), 6)),
        "F6_E3M2" => return Some((Dtype::Other("F6_E3M2"), 6)),
        "F4" => return Some((Dtype::Other("F4"), 4)),
        _ => return None,
    };
    Some((dtype, 8 * dtype.size()?))
}

impl Reader for SafetensorsFile {
    fn tensors(&self) -> &BTreeMap<String, TensorInfo> {
        &self.tensors
    }

    fn source(&self) -> &Source {
        &self.source
    }

    fn read_f32(&self, name: &str) -> Result<Vec<f32>> {
        self.spans[name].read_f32(&self.source, name)
    }

    fn read_i64(&self, name: &str) -> Result<Vec<i64>> {
        self.spans[name].read_i64(&self.source, name)
    }

    fn read_u8(&self, name: &str) -> Result<Vec<u8>> {
        self.spans[name].read_u8(&self.source, name)
    }

    fn stream_f32(&self, name: &str, each: &mut dyn FnMut(&[f32])) -> Result<()> {
        self.spans[name].stream_f32(&self.source, name, each)
    }

    fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }
}
