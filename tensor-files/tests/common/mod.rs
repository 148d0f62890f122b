//! Writes the files that `torch.save` writes, and files that it never would.

#![allow(dead_code, reason = "each test file uses its part")]

use std::path::{Path, PathBuf};

/// A folder of the fixtures in this repository.
pub(crate) fn model(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/models").join(name)
}

/// A pickle, opcode by opcode.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pickle(pub(crate) Vec<u8>);

impl Pickle {
    pub(crate) fn new() -> Self {
        Self(vec![0x80, 2])
    }

    pub(crate) fn op(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.0.extend_from_slice(bytes.as_ref());
        self
    }

    pub(crate) fn text(self, text: &str) -> Self {
        self.op("X").op((text.len() as u32).to_le_bytes()).op(text)
    }

    pub(crate) fn int(self, value: i64) -> Self {
        self.op([0x8a, 8]).op(value.to_le_bytes())
    }

    pub(crate) fn global(self, module: &str, name: &str) -> Self {
        self.op(format!("c{module}\n{name}\n"))
    }

    fn ints(self, values: &[i64]) -> Self {
        values.iter().fold(self.op("("), |pickle, value| pickle.int(*value)).op("t")
    }

    /// Pushes a tensor; `legacy` ids have a sixth part.
    pub(crate) fn tensor(self, tensor: &Tensor<'_>, legacy: bool) -> Self {
        self.global("torch._utils", "_rebuild_tensor_v2")
            .op("((")
            .text("storage")
            .global("torch", tensor.class)
            .text(tensor.key)
            .text("cpu")
            .int(tensor.count)
            .op(if legacy { "N" } else { "" })
            .op("tQ")
            .int(tensor.offset)
            .ints(tensor.shape)
            .ints(tensor.strides)
            .op([0x89])
            .global("collections", "OrderedDict")
            .op(")RtR")
    }

    /// A dict of tensors.
    pub(crate) fn state_dict(tensors: &[(&str, Tensor<'_>)], legacy: bool) -> Vec<u8> {
        let start = Self::new().global("collections", "OrderedDict").op(")R(");
        tensors.iter().fold(start, |pickle, (name, t)| pickle.text(name).tensor(t, legacy)).op("u.").0
    }
}

/// How a tensor is pickled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tensor<'a> {
    pub(crate) class: &'a str,
    pub(crate) key: &'a str,
    pub(crate) count: i64,
    pub(crate) offset: i64,
    pub(crate) shape: &'a [i64],
    pub(crate) strides: &'a [i64],
}

/// Six floats in storage 0, as [2, 3].
pub(crate) const SIX: Tensor<'_> =
    Tensor { class: "FloatStorage", key: "0", count: 6, offset: 0, shape: &[2, 3], strides: &[3, 1] };

pub(crate) fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// One entry of an archive; its sizes may lie.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) method: u16,
    pub(crate) bytes: Vec<u8>,
    pub(crate) crc: u32,
    pub(crate) packed_len: u64,
    pub(crate) len: u64,
    /// Where the directory says that it begins, if not where it does.
    pub(crate) header: Option<u64>,
}

impl Entry {
    pub(crate) fn stored(name: &str, bytes: &[u8]) -> Self {
        let len = bytes.len() as u64;
        Self { name: name.into(), method: 0, bytes: bytes.into(), crc: crc(bytes), packed_len: len, len, header: None }
    }

    pub(crate) fn deflated(name: &str, bytes: &[u8]) -> Self {
        use std::io::Write as _;
        let mut out = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        out.write_all(bytes).unwrap();
        let packed = out.finish().unwrap();
        let packed_len = packed.len() as u64;
        Self { method: 8, bytes: packed, packed_len, crc: crc(bytes), ..Self::stored(name, bytes) }
    }
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// An archive; with `zip64`, every size and offset stands in ZIP64 fields.
pub(crate) fn zip(entries: &[Entry], zip64: bool) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    let short = |value: u64| if zip64 || value > 0xffff_fffe { u32::MAX } else { value as u32 }.to_le_bytes();
    for entry in entries {
        let header = entry.header.unwrap_or(out.len() as u64);
        let name = entry.name.as_bytes();
        let name_len = (name.len() as u16).to_le_bytes();
        out.extend_from_slice(b"PK\x03\x04");
        // version, flags (bit 3: sizes are elsewhere), method, time, date, checksum and sizes of 0
        out.extend_from_slice(&[0, 0, 8, 8]);
        out.extend_from_slice(&entry.method.to_le_bytes());
        out.extend_from_slice(&[0; 16]);
        out.extend_from_slice(&name_len);
        out.extend_from_slice(&7_u16.to_le_bytes());
        out.extend_from_slice(name);
        out.extend_from_slice(b"FB\x03\x00ZZZ"); // padding, as torch aligns entries
        out.extend_from_slice(&entry.bytes);

        let mut extra = Vec::new();
        for value in [entry.len, entry.packed_len, header] {
            if zip64 || value > 0xffff_fffe {
                extra.extend_from_slice(&value.to_le_bytes());
            }
        }
        if !extra.is_empty() {
            extra.splice(..0, [1, 0, extra.len() as u8, 0]);
        }
        directory.extend_from_slice(b"PK\x01\x02");
        directory.extend_from_slice(&[0, 0, 0, 0, 8, 8]);
        directory.extend_from_slice(&entry.method.to_le_bytes());
        directory.extend_from_slice(&[0; 4]);
        directory.extend_from_slice(&entry.crc.to_le_bytes());
        directory.extend_from_slice(&short(entry.packed_len));
        directory.extend_from_slice(&short(entry.len));
        directory.extend_from_slice(&name_len);
        directory.extend_from_slice(&(extra.len() as u16).to_le_bytes());
        directory.extend_from_slice(&[0; 10]);
        directory.extend_from_slice(&short(header));
        directory.extend_from_slice(name);
        directory.extend_from_slice(&extra);
    }
    let (start, len, count) = (out.len() as u64, directory.len() as u64, entries.len() as u64);
    out.extend_from_slice(&directory);
    if zip64 {
        let at = out.len() as u64;
        out.extend_from_slice(b"PK\x06\x06");
        out.extend_from_slice(&44_u64.to_le_bytes());
        out.extend_from_slice(&[0; 12]);
        for value in [count, count, len, start] {
            out.extend_from_slice(&value.to_le_bytes());
        }
        out.extend_from_slice(b"PK\x06\x07\0\0\0\0");
        out.extend_from_slice(&at.to_le_bytes());
        out.extend_from_slice(&[1, 0, 0, 0]);
    }
    out.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    let count = if zip64 { u16::MAX } else { count as u16 }.to_le_bytes();
    out.extend_from_slice(&count);
    out.extend_from_slice(&count);
    out.extend_from_slice(&short(len));
    out.extend_from_slice(&short(start));
    out.extend_from_slice(&[0, 0]);
    out
}

/// A zip pickle of a pickle and storages.
pub(crate) fn zip_pickle(pickle: &[u8], storages: &[(&str, &[u8])]) -> Vec<u8> {
    let mut entries = vec![Entry::stored("archive/data.pkl", pickle), Entry::stored("archive/byteorder", b"little")];
    entries.extend(storages.iter().map(|(key, bytes)| Entry::stored(&format!("archive/data/{key}"), bytes)));
    zip(&entries, false)
}

/// What stands before the object in a file before 1.6.
pub(crate) fn legacy_head(little_endian: bool) -> Vec<u8> {
    let mut out = vec![0x80, 2, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.'];
    out.extend(Pickle::new().op([b'M', 0xe9, 0x03]).op(".").0);
    let order = if little_endian { 0x88 } else { 0x89 };
    out.extend(Pickle::new().op("}").text("little_endian").op([order]).op("s.").0);
    out
}

/// A file before 1.6: a pickle and storages as (key, number of elements, bytes).
pub(crate) fn legacy(pickle: &[u8], storages: &[(&str, u64, &[u8])]) -> Vec<u8> {
    let mut out = legacy_head(true);
    out.extend_from_slice(pickle);
    let keys = storages.iter().fold(Pickle::new().op("]("), |keys, (key, ..)| keys.text(key));
    out.extend(keys.op("e.").0);
    for (_, count, bytes) in storages {
        out.extend_from_slice(&count.to_le_bytes());
        out.extend_from_slice(bytes);
    }
    out
}

/// A safetensors file with any header.
pub(crate) fn safetensors(header: &str, data: &[u8]) -> Vec<u8> {
    let mut out = (header.len() as u64).to_le_bytes().to_vec();
    out.extend_from_slice(header.as_bytes());
    out.extend_from_slice(data);
    out
}

/// Opens bytes as a file, whose name in messages becomes `FILE`.
pub(crate) fn open(bytes: &[u8]) -> Result<tensor_files::Checkpoint, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, bytes).unwrap();
    tensor_files::Checkpoint::open(&path).map_err(|e| e.to_string().replace(&path.display().to_string(), "FILE"))
}

/// The error that a file makes, at the latest when all its tensors are read.
#[track_caller]
pub(crate) fn error_of(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, bytes).unwrap();
    let result = tensor_files::Checkpoint::open(&path)
        .and_then(|checkpoint| checkpoint.names().iter().try_for_each(|name| checkpoint.read_f32(name).map(drop)));
    let error = result.expect_err("a broken file");
    error.to_string().replace(&path.display().to_string(), "FILE")
}
