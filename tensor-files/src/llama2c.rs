//! The `.bin` files of llama2.c (Karpathy 2023), as a Hugging Face checkpoint of `LlamaForCausalLM`.
//!
//! Upstream: `memory_map_weights` in `run.c` and `export.py` of karpathy/llama2.c: version 0, seven integers and the weights,
//! and version 1, which begins with `ak42`. Version 2, quantised, is refused by name. Everything is little endian and `f32`.
//! Known difference: the rows of queries and keys, which turn neighbours in llama2.c, are given in the order of
//! transformers, which turns halves. The two tables of cosines and sines in version 0 are skipped, as run.c does.

use crate::reader::Reader;
use crate::rotary::neighbour_row;
use crate::source::Source;
use crate::{Access, Checkpoint, Dtype, Error, Result, TensorInfo};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// As version 1 and later begin: `ak42`, read as a little-endian integer.
pub(crate) const MAGIC: [u8; 4] = *b"24ka";
/// The header of version 1 with its padding.
const HEADER_1: u64 = 256;
/// The header of version 0: seven integers.
const HEADER_0: u64 = 28;

/// An open llama2.c file. Tensors are read on request, under Hugging Face's names.
#[derive(Debug)]
pub struct Llama2cFile {
    source: Source,
    header: Header,
    infos: BTreeMap<String, TensorInfo>,
    /// Where each tensor begins.
    starts: BTreeMap<String, u64>,
}

/// The numbers in front.
#[derive(Debug, Clone, Copy)]
struct Header {
    version: u32,
    dim: u64,
    hidden: u64,
    layers: u64,
    heads: u64,
    kv_heads: u64,
    vocab: u64,
    context: u64,
    shared_classifier: bool,
}

impl Llama2cFile {
    /// Opens a file and compares its header with its length.
    ///
    /// # Errors
    ///
    /// The file cannot be read, its numbers make no model, or its length is not what they ask for.
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
        let header = Header::read(&source)?;
        let start = if header.version == 0 { HEADER_0 } else { HEADER_1 };
        let stacks = header.stacks();
        // In 128 bits: six numbers of 31 bits have no product that is longer.
        let needed = stacks.iter().map(|stack| 4 * u128::from(stack.count) * stack.values()).sum::<u128>();
        let there = u128::from(source.len() - start);
        if needed != there {
            let expected = format!("{needed} bytes of weights for {header:?}");
            return Err(Error::format(source.path(), expected, format!("{there}")).at(start));
        }
        let (mut infos, mut starts, mut at) = (BTreeMap::new(), BTreeMap::new(), start);
        for stack in stacks {
            // Not more than the file has.
            let bytes = 4 * stack.values() as u64;
            for block in 0..stack.count {
                if let Some(name) = stack.name(block) {
                    let shape = stack.shape.iter().map(|&dim| dim as usize).collect();
                    infos.insert(name.clone(), TensorInfo { dtype: Dtype::F32, shape });
                    starts.insert(name, at);
                }
                at += bytes;
            }
        }
        Ok(Self { source, header, infos, starts })
    }

    /// The config.json of `LlamaForCausalLM`. The file does not say what llama2.c takes for granted: frequencies of base
    /// 10,000, 1e-5 in the norms, 1 and 2 as the tokens that begin and end.
    pub fn llama_config(&self) -> Value {
        let Header { dim, hidden, layers, heads, kv_heads, vocab, context, shared_classifier, .. } = self.header;
        json!({
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "hidden_size": dim,
            "intermediate_size": hidden,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "num_key_value_heads": kv_heads,
            "head_dim": self.header.head_dim(),
            "vocab_size": vocab,
            "max_position_embeddings": context,
            "rms_norm_eps": 1e-5,
            "rope_theta": 10_000.0,
            "hidden_act": "silu",
            "attention_bias": false,
            "mlp_bias": false,
            "tie_word_embeddings": shared_classifier,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "torch_dtype": "float32",
        })
    }

    /// The version of the format: 0 or 1.
    pub fn version(&self) -> u32 {
        self.header.version
    }

    /// The file.
    pub fn path(&self) -> &Path {
        self.source.path()
    }

    /// The tensors under Hugging Face's names.
    pub fn tensors(&self) -> &BTreeMap<String, TensorInfo> {
        &self.infos
    }

    /// A tensor's values, row-major, rows of queries and keys in the order of halves.
    ///
    /// # Errors
    ///
    /// There is no such tensor, or the file cannot be read.
    pub fn read_f32(&self, name: &str) -> Result<Vec<f32>> {
        let shape = &self.known(name)?.0.shape;
        let mut out = Vec::with_capacity(shape.iter().product());
        self.stream(name, &mut |run| out.extend_from_slice(run))?;
        Ok(out)
    }

    fn known(&self, name: &str) -> Result<(&TensorInfo, u64)> {
        match (self.infos.get(name), self.starts.get(name)) {
            (Some(info), Some(&start)) => Ok((info, start)),
            _ => Err(Error::MissingTensors { path: self.path().into(), names: vec![name.to_owned()] }),
        }
    }

    fn stream(&self, name: &str, each: &mut dyn FnMut(&[f32])) -> Result<()> {
        let (info, start) = self.known(name)?;
        let values: usize = info.shape.iter().product();
        let bytes = 4 * values as u64;
        let rotated = name.contains(".q_proj.") || name.contains(".k_proj.");
        let columns = if rotated { self.header.dim as usize } else { 1 };
        let head_dim = if rotated { self.header.head_dim() as usize } else { 1 << 15 };
        let unit = 4 * columns * head_dim;
        let mut run = vec![0.0; (unit / 4).min(values)];
        for window in self.source.windows(start, bytes, unit as u64) {
            for bytes in window?.chunks(unit) {
                let run = &mut run[..bytes.len() / 4];
                for (at, row) in run.chunks_mut(columns).enumerate() {
                    let at = 4 * columns * if rotated { neighbour_row(at, head_dim) } else { at };
                    for (value, bytes) in row.iter_mut().zip(bytes[at..].as_chunks::<4>().0) {
                        *value = f32::from_le_bytes(*bytes);
                    }
                }
                each(run);
            }
        }
        Ok(())
    }
}

impl From<Llama2cFile> for Checkpoint {
    fn from(file: Llama2cFile) -> Self {
        Self::from_reader(Box::new(file))
    }
}

impl Reader for Llama2cFile {
    fn tensors(&self) -> &BTreeMap<String, TensorInfo> {
        &self.infos
    }

    fn source(&self) -> &Source {
        &self.source
    }

    fn read_f32(&self, name: &str) -> Result<Vec<f32>> {
        Llama2cFile::read_f32(self, name)
    }

    fn read_i64(&self, name: &str) -> Result<Vec<i64>> {
        let found = self.known(name)?.0.dtype;
        Err(Error::Dtype { path: self.path().into(), name: name.to_owned(), expected: "a type of integers", found })
    }

    fn stream_f32(&self, name: &str, each: &mut dyn FnMut(&[f32])) -> Result<()> {
        self.stream(name, each)
    }
}

impl Header {
    fn read(source: &Source) -> Result<Self> {
        let bytes = source.view(0, HEADER_0)?;
        let word = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        let (version, first, shared) = if bytes.starts_with(&MAGIC) {
            let version = word(4);
            if version != 1 {
                let found = if version == 2 { "version 2, quantised".to_owned() } else { format!("version {version}") };
                return Err(Error::format(source.path(), "llama2.c's version 0 or 1", found).at(4));
            }
            let header = source.view(0, HEADER_1)?;
            (1, 8, Some(header[36]))
        } else {
            (0, 0, None)
        };
        let header = source.view(first, 28)?;
        let mut numbers = [0; 7];
        for (number, bytes) in numbers.iter_mut().zip(header.as_chunks::<4>().0) {
            *number = i32::from_le_bytes(*bytes);
        }
        let [dim, hidden, layers, heads, kv_heads, vocab, context] = numbers;
        let wrong = |expected: String, found: i32, number: u64| {
            Err(Error::format(source.path(), expected, found.to_string()).at(first + 4 * number))
        };
        let names = ["dim", "hidden_dim", "n_layers", "n_heads", "n_kv_heads", "vocab_size", "seq_len"];
        for (number, name) in names.into_iter().enumerate() {
            // The sign of the vocabulary's size says, in version 0, that the classifier is not the embedding table.
            let negative = number == 5 && version == 0 && numbers[5] != i32::MIN;
            if numbers[number] == 0 || (numbers[number] < 0 && !negative) {
                return wrong(format!("a positive {name}"), numbers[number], number as u64);
            }
        }
        if dim % heads != 0 || (dim / heads) % 2 != 0 {
            return wrong(format!("a number of heads that divides dim {dim} into even parts"), heads, 3);
        }
        if heads % kv_heads != 0 {
            return wrong(format!("a number that divides the {heads} heads"), kv_heads, 4);
        }
        let shared_classifier = match shared {
            None => vocab > 0,
            Some(flag @ (0 | 1)) => flag == 1,
            Some(other) => {
                let expected = "0 or 1, whether the classifier is the embedding table";
                return Err(Error::format(source.path(), expected, other.to_string()).at(36));
            }
        };
        let [dim, hidden, layers, heads, kv_heads, vocab, context] =
            [dim, hidden, layers, heads, kv_heads, vocab, context].map(|number| u64::from(number.unsigned_abs()));
        Ok(Self { version, dim, hidden, layers, heads, kv_heads, vocab, context, shared_classifier })
    }

    fn head_dim(&self) -> u64 {
        self.dim / self.heads
    }

    /// What the file holds, in its order.
    fn stacks(&self) -> Vec<Stack> {
        let Self { dim, hidden, layers, vocab, context, .. } = *self;
        let kv = self.kv_heads * self.head_dim();
        let one = |name: &'static str, shape: &[u64]| Stack { name, count: 1, layered: false, shape: shape.to_vec() };
        let each =
            |name: &'static str, shape: &[u64]| Stack { name, count: layers, layered: true, shape: shape.to_vec() };
        let embedding = one("model.embed_tokens.weight", &[vocab, dim]);
        let attention_norm = each("input_layernorm.weight", &[dim]);
        let mlp_norm = each("post_attention_layernorm.weight", &[dim]);
        let norm = one("model.norm.weight", &[dim]);
        let attention = [
            each("self_attn.q_proj.weight", &[dim, dim]),
            each("self_attn.k_proj.weight", &[kv, dim]),
            each("self_attn.v_proj.weight", &[kv, dim]),
            each("self_attn.o_proj.weight", &[dim, dim]),
        ];
        let mlp = [
            each("mlp.gate_proj.weight", &[hidden, dim]),
            each("mlp.down_proj.weight", &[dim, hidden]),
            each("mlp.up_proj.weight", &[hidden, dim]),
        ];
        let mut stacks = Vec::new();
        if self.version == 0 {
            stacks.extend([embedding, attention_norm]);
            stacks.extend(attention);
            stacks.push(mlp_norm);
            stacks.extend(mlp);
            stacks.push(norm);
            // cosines and sines
            stacks.extend([one("", &[context, self.head_dim() / 2]), one("", &[context, self.head_dim() / 2])]);
        } else {
            stacks.extend([attention_norm, mlp_norm, norm, embedding]);
            stacks.extend(attention);
            stacks.extend(mlp);
        }
        if !self.shared_classifier {
            stacks.push(one("lm_head.weight", &[vocab, dim]));
        }
        stacks
    }
}

/// The same tensor of all blocks, one behind the other, or a tensor outside the blocks.
#[derive(Debug)]
struct Stack {
    /// Empty for what is skipped.
    name: &'static str,
    count: u64,
    layered: bool,
    shape: Vec<u64>,
}

impl Stack {
    /// Values of one.
    fn values(&self) -> u128 {
        self.shape.iter().map(|&dim| u128::from(dim)).product()
    }

    fn name(&self, block: u64) -> Option<String> {
        match (self.name, self.layered) {
            ("", _) => None,
            (name, false) => Some(name.to_owned()),
            (name, true) => Some(format!("model.layers.{block}.{name}")),
        }
    }
}
