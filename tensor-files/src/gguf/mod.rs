//! GGUF: the files of llama.cpp (Gerganov et al.), with quantised tensors and everything a program needs to run the model.
//!
//! Upstream: `docs/gguf.md`, `gguf.cpp` and `ggml-quants.c` of ggml. Known differences: all counts, offsets and lengths are
//! checked against the bytes that are there; tensors may lie in any order and with gaps, but share no bytes; version 1 and
//! the big-endian variant are refused by name; shapes are shown in torch's order.
//!
//! - [`GgufFile`]: a file's metadata and tensors, as they are called in it.
//! - [`GgufLlama`]: the same file as a Hugging Face checkpoint of `LlamaForCausalLM`: its config.json, its names, its order
//!   of rows.
//! - [`GgufTokenizer`]: the tokenizer inside, and as `tokenizer.json`.
//! - [`write_gguf`] and [`LlamaExport`]: the way back.

mod dequantize;
mod export;
mod ggml_type;
mod llama;
mod metadata;
mod quantize;
mod reader;
mod rope_scaling;
mod tokenizer;
mod tokenizer_json;
mod writer;

pub use export::LlamaExport;
pub use ggml_type::GgmlType;
pub use llama::GgufLlama;
pub use metadata::{GgufArray, GgufMetadata, GgufValue};
pub use reader::GgufTensor;
pub use tokenizer::{GgufTokenizer, TokenType, TokenizerKind};
pub use writer::{GgufKind, write_gguf};

use crate::reader::Reader;
use crate::rotary::neighbour_row;
use crate::source::Source;
use crate::{Access, Error, Result, TensorInfo};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Values that are decoded at a time: what stays in the processor's cache.
const RUN: usize = 1 << 15;

/// An open GGUF file. Tensors are read on request.
///
/// ```
/// use tensor_files::gguf::{GgufFile, GgufKind, GgufMetadata, GgufValue, write_gguf};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("tiny.gguf");
/// let mut metadata = GgufMetadata::new();
/// metadata.insert("general.architecture", GgufValue::String("llama".into()))?;
/// let tensors = [("output.weight".to_owned(), vec![2, 32])];
/// let values: Vec<f32> = (0..64).map(|i| i as f32 - 32.0).collect();
/// write_gguf(&path, &metadata, &tensors, GgufKind::F16, |_| Ok::<_, tensor_files::Error>(values.clone()))?;
///
/// let file = GgufFile::open(&path)?;
/// assert_eq!(file.metadata().str("general.architecture")?, Some("llama"));
/// assert_eq!(file.tensors()[0].shape, [2, 32]);
/// assert_eq!(file.read_f32("output.weight")?, values);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct GgufFile {
    source: Source,
    version: u32,
    metadata: GgufMetadata,
    tensors: Vec<GgufTensor>,
    infos: BTreeMap<String, TensorInfo>,
    places: BTreeMap<String, usize>,
    texts: BTreeMap<String, String>,
}

impl GgufFile {
    /// Opens a file and checks its header.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is no GGUF file of version 2 or 3, or does not hold together. The error tells byte, key and
    /// tensor.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path, Access::default())
    }

    /// Opens a file, mapped or read.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_with(path: impl AsRef<Path>, access: Access) -> Result<Self> {
        Self::from_source(Source::open(path.as_ref(), access)?)
    }

    /// A file in memory; `name` stands in errors.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn from_bytes(name: impl Into<PathBuf>, bytes: impl Into<Cow<'static, [u8]>>) -> Result<Self> {
        Self::from_source(Source::memory(name, bytes))
    }

    pub(crate) fn from_source(source: Source) -> Result<Self> {
        let reader::Header { version, metadata, tensors } = reader::read_header(&source)?;
        let info = |tensor: &GgufTensor| TensorInfo { dtype: tensor.kind.dtype(), shape: tensor.shape.clone() };
        let infos = tensors.iter().map(|tensor| (tensor.name.clone(), info(tensor))).collect();
        let places = tensors.iter().enumerate().map(|(at, tensor)| (tensor.name.clone(), at)).collect();
        let text = |(key, value): (&str, &GgufValue)| match value {
            GgufValue::String(text) => Some((key.to_owned(), text.clone())),
            _ => None,
        };
        let texts = metadata.iter().filter_map(text).collect();
        Ok(Self { source, version, metadata, tensors, infos, places, texts })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        self.source.path()
    }

    /// Its version: 2 or 3.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// What it says beside the tensors.
    pub fn metadata(&self) -> &GgufMetadata {
        &self.metadata
    }

    /// The model's family: `llama`.
    ///
    /// # Errors
    ///
    /// The key `general.architecture` is no text.
    pub fn architecture(&self) -> Result<Option<&str>> {
        self.metadata.str("general.architecture")
    }

    /// Its tensors, in the order of its table.
    pub fn tensors(&self) -> &[GgufTensor] {
        &self.tensors
    }

    /// The tensor of a name.
    pub fn tensor(&self, name: &str) -> Option<&GgufTensor> {
        self.places.get(name).map(|&at| &self.tensors[at])
    }

    /// A tensor's values, row-major.
    ///
    /// # Errors
    ///
    /// There is no such tensor, its type is not read, or the file cannot be read.
    pub fn read_f32(&self, name: &str) -> Result<Vec<f32>> {
        self.collect(self.known(name)?, None)
    }

    fn known(&self, name: &str) -> Result<&GgufTensor> {
        let missing = || Error::MissingTensors { path: self.path().into(), names: vec![name.to_owned()] };
        self.tensor(name).ok_or_else(missing)
    }

    fn collect(&self, tensor: &GgufTensor, head_dim: Option<usize>) -> Result<Vec<f32>> {
        // Not more than the bytes of the file say: see `place` in reader.rs.
        let mut out = Vec::with_capacity(tensor.values());
        self.stream(tensor, head_dim, &mut |run| out.extend_from_slice(run))?;
        Ok(out)
    }

    /// Decodes a tensor in runs; with `head_dim`, the rows of each head come in the order of halves.
    fn stream(&self, tensor: &GgufTensor, head_dim: Option<usize>, each: &mut dyn FnMut(&[f32])) -> Result<()> {
        let (kind, block) = (tensor.kind, tensor.kind.block_bytes());
        if matches!(kind, GgmlType::Other(..)) {
            let expected = "F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K, Q3_K, Q4_K, Q5_K or Q6_K";
            return Err(Error::Dtype {
                path: self.path().into(),
                name: tensor.name.clone(),
                expected,
                found: kind.dtype(),
            });
        }
        let decode = |bytes: &[u8], out: &mut [f32]| {
            assert!(dequantize::dequantize(kind, bytes, out), "rows are whole blocks, of a type that is read");
        };
        let Some(head_dim) = head_dim else {
            let run = RUN / kind.block_len() * block;
            let mut values = vec![0.0; RUN.min(tensor.values())];
            for window in self.source.windows(tensor.start, tensor.bytes, run as u64) {
                for bytes in window?.chunks(run) {
                    let values = &mut values[..bytes.len() / block * kind.block_len()];
                    decode(bytes, values);
                    each(values);
                }
            }
            return Ok(());
        };
        let columns = tensor.columns();
        if columns == 0 || tensor.bytes == 0 {
            return Ok(());
        }
        let row = columns / kind.block_len() * block;
        let mut values = vec![0.0; columns * head_dim];
        for window in self.source.windows(tensor.start, tensor.bytes, (row * head_dim) as u64) {
            for head in window?.chunks(row * head_dim) {
                for (at, values) in values.chunks_mut(columns).enumerate() {
                    let at = neighbour_row(at, head_dim) * row;
                    decode(&head[at..at + row], values);
                }
                each(&values);
            }
        }
        Ok(())
    }

    fn no_integers(&self, tensor: &GgufTensor) -> Error {
        let (path, name) = (self.path().into(), tensor.name.clone());
        Error::Dtype { path, name, expected: "a type of integers that is read", found: tensor.kind.dtype() }
    }
}

impl GgufTensor {
    /// How many values it has.
    pub fn values(&self) -> usize {
        // Both were computed from the same product when the table was read.
        (self.bytes / self.kind.block_bytes() as u64) as usize * self.kind.block_len()
    }

    /// How many values a row has; each element of a vector is a row.
    fn columns(&self) -> usize {
        if self.shape.len() < 2 { 1 } else { self.shape[1..].iter().product() }
    }
}

impl Reader for GgufFile {
    fn tensors(&self) -> &BTreeMap<String, TensorInfo> {
        &self.infos
    }

    fn source(&self) -> &Source {
        &self.source
    }

    fn read_f32(&self, name: &str) -> Result<Vec<f32>> {
        GgufFile::read_f32(self, name)
    }

    fn read_i64(&self, name: &str) -> Result<Vec<i64>> {
        Err(self.no_integers(self.known(name)?))
    }

    fn stream_f32(&self, name: &str, each: &mut dyn FnMut(&[f32])) -> Result<()> {
        self.stream(self.known(name)?, None, each)
    }

    fn metadata(&self) -> &BTreeMap<String, String> {
        &self.texts
    }
}
