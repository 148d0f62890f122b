//! A Hugging Face LLaMA as a GGUF file.
//!
//! Upstream: `LlamaModel` of llama.cpp's `convert_hf_to_gguf.py`. Known difference: the context that LLaMA-3's frequency
//! scaling starts from is written too (`llama.rope.scaling.original_context_length`), so that the scaling can be read back.

use super::llama::{ROPE_FREQS, gguf_name, is_rotated};
use super::rope_scaling::Llama3Scaling;
use super::{GgufKind, GgufMetadata, GgufTokenizer, GgufValue, write_gguf};
use crate::rotary::half_row;
use crate::{Error, Result};
use serde_json::Value;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// What is to be written of a Hugging Face LLaMA: llama.cpp's keys and names.
///
/// ```
/// use serde_json::json;
/// use tensor_files::gguf::{GgufFile, GgufKind, GgufLlama, LlamaExport};
///
/// let config = json!({"model_type": "llama", "hidden_size": 4, "intermediate_size": 8, "num_hidden_layers": 1,
///     "num_attention_heads": 1, "vocab_size": 2, "max_position_embeddings": 16, "rms_norm_eps": 1e-5});
/// let tensors = [("model.layers.0.self_attn.q_proj.weight".to_owned(), vec![4, 4])];
/// let values: Vec<f32> = (0..16).map(|i| i as f32).collect();
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("tiny.gguf");
/// let export = LlamaExport::new(&config, &tensors, None)?;
/// export.write(&path, GgufKind::F32, |_| Ok::<_, tensor_files::Error>(values.clone()))?;
///
/// let file = GgufFile::open(&path)?;
/// assert_eq!(file.read_f32("blk.0.attn_q.weight")?[4..8], [8.0, 9.0, 10.0, 11.0]); // row 2: pairs are neighbours
/// let model = GgufLlama::new(file)?;
/// assert_eq!(model.config()["hidden_size"], 4);
/// assert_eq!(model.read_f32("model.layers.0.self_attn.q_proj.weight")?, values);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct LlamaExport {
    metadata: GgufMetadata,
    head_dim: usize,
    /// llama.cpp's name and the shape.
    tensors: Vec<(String, Vec<usize>)>,
    /// llama.cpp's name to Hugging Face's.
    names: HashMap<String, String>,
    divisors: Option<Vec<f32>>,
}

impl LlamaExport {
    /// Maps config.json, the tensors' names and shapes, and the tokenizer.
    ///
    /// # Errors
    ///
    /// The config is no LLaMA's or lacks a key, a tensor is none of a LLaMA's, or GGUF has no way to say how frequencies are
    /// scaled (dynamic NTK).
    pub fn new(config: &Value, tensors: &[(String, Vec<usize>)], tokenizer: Option<&GgufTokenizer>) -> Result<Self> {
        let config = Config(config);
        if config.0["model_type"] != "llama" {
            return Err(config.wrong("the model_type \"llama\"", config.0["model_type"].to_string()));
        }
        let (heads, hidden) = (config.count("num_attention_heads")?, config.count("hidden_size")?);
        let kv_heads = config.count_or("num_key_value_heads", heads)?;
        let head_dim = config.count_or("head_dim", hidden.checked_div(heads).unwrap_or(0))?;
        if head_dim == 0 || head_dim % 2 != 0 {
            return Err(config.wrong("heads of an even size", head_dim.to_string()));
        }
        let theta = config.float_or("rope_theta", 10_000.0)?;
        let mut metadata = GgufMetadata::new();
        let mut set = |key: &str, value| metadata.insert(key, value);
        set("general.architecture", GgufValue::String("llama".into()))?;
        for (key, value) in [
            ("llama.block_count", config.count("num_hidden_layers")?),
            ("llama.context_length", config.count("max_position_embeddings")?),
            ("llama.embedding_length", hidden),
            ("llama.feed_forward_length", config.count("intermediate_size")?),
            ("llama.attention.head_count", heads),
            ("llama.attention.head_count_kv", kv_heads),
            ("llama.attention.key_length", head_dim),
            ("llama.attention.value_length", head_dim),
            ("llama.rope.dimension_count", head_dim),
            ("llama.vocab_size", config.count("vocab_size")?),
        ] {
            set(key, GgufValue::U32(value))?;
        }
        set("llama.rope.freq_base", GgufValue::F32(theta as f32))?;
        let epsilon = config.float_or("rms_norm_eps", 1e-6)?;
        set("llama.attention.layer_norm_rms_epsilon", GgufValue::F32(epsilon as f32))?;
        let head_dim = head_dim as usize;
        let divisors = config.rope_scaling(&mut metadata, theta, head_dim)?;
        match tokenizer {
            Some(tokenizer) => tokenizer.write(&mut metadata)?,
            None => config.token_ids(&mut metadata)?,
        }
        let mut this = Self { metadata, head_dim, tensors: Vec::new(), names: HashMap::new(), divisors };
        for (name, shape) in tensors {
            this.add(name, shape)?;
        }
        Ok(this)
    }

    /// What will stand beside the tensors; more keys may be added (`general.name`).
    pub fn metadata_mut(&mut self) -> &mut GgufMetadata {
        &mut self.metadata
    }

    /// llama.cpp's names and the shapes, in the order of the file.
    pub fn tensors(&self) -> &[(String, Vec<usize>)] {
        &self.tensors
    }

    /// Writes the file; `read` gives the values of a tensor by its Hugging Face name.
    ///
    /// # Errors
    ///
    /// As [`write_gguf`].
    pub fn write<E: From<Error>>(
        &self,
        path: impl AsRef<Path>,
        kind: GgufKind,
        mut read: impl FnMut(&str) -> Result<Vec<f32>, E>,
    ) -> Result<(), E> {
        let mut metadata = self.metadata.clone();
        metadata.insert("general.file_type", GgufValue::U32(kind.file_type()))?;
        metadata.insert("general.quantization_version", GgufValue::U32(2))?;
        let mut tensors = self.tensors.clone();
        if let Some(divisors) = &self.divisors {
            tensors.insert(0, (ROPE_FREQS.to_owned(), vec![divisors.len()]));
        }
        let shapes: HashMap<&str, &[usize]> = tensors.iter().map(|(n, s)| (n.as_str(), s.as_slice())).collect();
        write_gguf(path, &metadata, &tensors, kind, |name| {
            let Some(hf) = self.names.get(name) else { return Ok(self.divisors.clone().unwrap_or_default()) };
            let values = read(hf)?;
            let whole = shapes.get(name).is_some_and(|shape| shape.iter().product::<usize>() == values.len());
            // Values that are too few are refused by the writer.
            Ok(if whole && is_rotated(hf) { self.in_order_of_neighbours(shapes[name], &values) } else { values })
        })
    }

    fn add(&mut self, name: &str, shape: &[usize]) -> Result<()> {
        // Old checkpoints store what is computed from the config.
        if name.ends_with(".rotary_emb.inv_freq") {
            return Ok(());
        }
        let Some(gguf) = gguf_name(name) else {
            return Err(Error::format(Path::new("tensors"), "a tensor of LlamaForCausalLM", "another").of_tensor(name));
        };
        if is_rotated(name) && shape.first().is_none_or(|rows| rows % self.head_dim != 0) {
            let expected = format!("rows of whole heads of {}", self.head_dim);
            let (path, name, found) = (PathBuf::from("tensors"), name.to_owned(), shape.to_vec());
            return Err(Error::Shape { path, name, expected, found });
        }
        if self.names.insert(gguf.clone(), name.to_owned()).is_some() {
            return Err(Error::Duplicate { path: "tensors".into(), name: name.to_owned(), also_in: None });
        }
        self.tensors.push((gguf, shape.to_vec()));
        Ok(())
    }

    fn in_order_of_neighbours(&self, shape: &[usize], values: &[f32]) -> Vec<f32> {
        let columns: usize = shape.iter().skip(1).product();
        let mut out = Vec::with_capacity(values.len());
        for head in values.chunks(columns * self.head_dim) {
            for row in 0..self.head_dim {
                let from = half_row(row, self.head_dim) * columns;
                out.extend_from_slice(&head[from..from + columns]);
            }
        }
        out
    }
}

/// A config.json.
struct Config<'a>(&'a Value);

impl Config<'_> {
    fn wrong(&self, expected: &str, found: String) -> Error {
        Error::format(Path::new("config.json"), expected, found)
    }

    fn count(&self, key: &str) -> Result<u32> {
        let value = self.0[key].as_u64().and_then(|value| u32::try_from(value).ok());
        value.ok_or_else(|| self.wrong(&format!("a count as {key}"), self.0[key].to_string()))
    }

    fn count_or(&self, key: &str, default: u32) -> Result<u32> {
        if self.0[key].is_null() { Ok(default) } else { self.count(key) }
    }

    fn float_or(&self, key: &str, default: f64) -> Result<f64> {
        match &self.0[key] {
            Value::Null => Ok(default),
            value => value.as_f64().ok_or_else(|| self.wrong(&format!("a number as {key}"), value.to_string())),
        }
    }

    fn token_ids(&self, metadata: &mut GgufMetadata) -> Result<()> {
        for (key, gguf) in [("bos_token_id", "bos"), ("eos_token_id", "eos"), ("pad_token_id", "padding")] {
            if self.0[key].is_u64() {
                metadata.insert(format!("tokenizer.ggml.{gguf}_token_id"), GgufValue::U32(self.count(key)?))?;
            }
        }
        Ok(())
    }

    /// Writes the keys of the scaling; what each frequency is divided by, where that is a tensor.
    fn rope_scaling(&self, metadata: &mut GgufMetadata, theta: f64, head_dim: usize) -> Result<Option<Vec<f32>>> {
        let scaling = Config(&self.0["rope_scaling"]);
        if scaling.0.is_null() {
            return Ok(None);
        }
        let kind = scaling.0["rope_type"].as_str().or(scaling.0["type"].as_str()).unwrap_or("none");
        let need = |key: &str| {
            let wrong = || self.wrong(&format!("a number as rope_scaling.{key}"), scaling.0[key].to_string());
            scaling.0[key].as_f64().ok_or_else(wrong)
        };
        match kind {
            "default" => Ok(None),
            "linear" => {
                metadata.insert("llama.rope.scaling.type", GgufValue::String("linear".into()))?;
                metadata.insert("llama.rope.scaling.factor", GgufValue::F32(need("factor")? as f32))?;
                Ok(None)
            }
            "llama3" => {
                let context = scaling.count("original_max_position_embeddings")?;
                let key = "llama.rope.scaling.original_context_length";
                metadata.insert(key, GgufValue::U32(context))?;
                let scaling = Llama3Scaling {
                    factor: need("factor")?,
                    low_freq_factor: need("low_freq_factor")?,
                    high_freq_factor: need("high_freq_factor")?,
                    original_context: f64::from(context),
                };
                Ok(Some(scaling.divisors(theta, head_dim)))
            }
            other => Err(self.wrong("the scaling linear or llama3, which GGUF can say", format!("{other:?}"))),
        }
    }
}
