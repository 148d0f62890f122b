//! A LLaMA in a GGUF file, as Hugging Face's `LlamaForCausalLM` has it: config.json, names, order of rows.
//!
//! Upstream: `LlamaModel` of llama.cpp's `convert_hf_to_gguf.py`, whose work is undone here. It renames the tensors, puts the
//! rows of queries and keys in the order of neighbours (see [`crate::rotary`]) and turns LLaMA-3's frequency scaling into a
//! tensor (see `rope_scaling.rs`). Known difference to transformers' own reader of GGUF: that one loses the scaling of the
//! frequencies and takes `rope.dimension_count` for the size of a head.

use super::rope_scaling::Llama3Scaling;
use super::{GgufFile, GgufMetadata, GgufTensor, GgufTokenizer};
use crate::reader::Reader;
use crate::source::Source;
use crate::{Checkpoint, Error, Result, TensorInfo};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Tensors of a block: llama.cpp's name, Hugging Face's.
pub(super) const BLOCK: [(&str, &str); 9] = [
    ("attn_norm", "input_layernorm"),
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_output", "self_attn.o_proj"),
    ("ffn_norm", "post_attention_layernorm"),
    ("ffn_gate", "mlp.gate_proj"),
    ("ffn_up", "mlp.up_proj"),
    ("ffn_down", "mlp.down_proj"),
];
/// Tensors outside the blocks.
pub(super) const OUTSIDE: [(&str, &str); 3] = [
    ("token_embd.weight", "model.embed_tokens.weight"),
    ("output_norm.weight", "model.norm.weight"),
    ("output.weight", "lm_head.weight"),
];
pub(super) const ROPE_FREQS: &str = "rope_freqs.weight";

/// A LLaMA out of a GGUF file, in Hugging Face's terms.
#[derive(Debug)]
pub struct GgufLlama {
    file: GgufFile,
    config: Value,
    head_dim: usize,
    infos: BTreeMap<String, TensorInfo>,
    /// Hugging Face's name, and the place in the file's table.
    places: BTreeMap<String, usize>,
    ignored: Vec<String>,
}

impl GgufLlama {
    /// Takes an open file.
    ///
    /// # Errors
    ///
    /// The architecture is not `llama`, a key is missing or contradicts the tensors, or a tensor is none of a LLaMA's.
    pub fn new(file: GgufFile) -> Result<Self> {
        let (config, head_dim) = config(&file)?;
        let (mut infos, mut places, mut ignored) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        for (at, tensor) in file.tensors().iter().enumerate() {
            if tensor.name == ROPE_FREQS || tensor.name.ends_with(".attn_rot_embd") {
                ignored.push(tensor.name.clone());
                continue;
            }
            let Some(name) = hf_name(&tensor.name) else {
                let found = "another (a mixture of experts, or a newer LLaMA?)";
                return Err(Error::format(file.path(), "a tensor of a LLaMA", found).of_tensor(&tensor.name));
            };
            let whole_heads = tensor.shape.first().is_some_and(|rows| rows % head_dim == 0);
            let whole_blocks = tensor.columns() % tensor.kind.block_len() == 0;
            if is_rotated(&name) && !(whole_heads && whole_blocks) {
                return Err(Error::Shape {
                    path: file.path().into(),
                    name: tensor.name.clone(),
                    expected: format!("rows of whole heads of {head_dim}"),
                    found: tensor.shape.clone(),
                });
            }
            infos.insert(name.clone(), TensorInfo { dtype: tensor.kind.dtype(), shape: tensor.shape.clone() });
            places.insert(name, at);
        }
        Ok(Self { file, config, head_dim, infos, places, ignored })
    }

    /// The config.json of `LlamaForCausalLM`.
    pub fn config(&self) -> &Value {
        &self.config
    }

    /// The tensors under Hugging Face's names.
    pub fn tensors(&self) -> &BTreeMap<String, TensorInfo> {
        &self.infos
    }

    /// Tensors of the file that a LLaMA computes by itself.
    pub fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// The tokenizer, if the file has one.
    ///
    /// # Errors
    ///
    /// Its keys contradict each other.
    pub fn tokenizer(&self) -> Result<Option<GgufTokenizer>> {
        self.file.tokenizer()
    }

    /// The file underneath.
    pub fn file(&self) -> &GgufFile {
        &self.file
    }

    /// A tensor's values under its Hugging Face name, row-major, rows of queries and keys in the order of halves.
    ///
    /// # Errors
    ///
    /// There is no such tensor, its type is not read, or the file cannot be read.
    pub fn read_f32(&self, name: &str) -> Result<Vec<f32>> {
        let (tensor, head_dim) = self.known(name)?;
        self.file.collect(tensor, head_dim)
    }

    fn known(&self, name: &str) -> Result<(&GgufTensor, Option<usize>)> {
        let missing = || Error::MissingTensors { path: self.file.path().into(), names: vec![name.to_owned()] };
        let tensor = &self.file.tensors()[*self.places.get(name).ok_or_else(missing)?];
        Ok((tensor, is_rotated(name).then_some(self.head_dim)))
    }
}

impl GgufFile {
    /// The config.json of `LlamaForCausalLM`, from the keys of a LLaMA.
    ///
    /// # Errors
    ///
    /// As [`GgufLlama::new`], as far as the keys go.
    pub fn llama_config(&self) -> Result<Value> {
        Ok(config(self)?.0)
    }
}

impl From<GgufLlama> for Checkpoint {
    fn from(file: GgufLlama) -> Self {
        Self::from_reader(Box::new(file))
    }
}

impl Reader for GgufLlama {
    fn tensors(&self) -> &BTreeMap<String, TensorInfo> {
        &self.infos
    }

    fn source(&self) -> &Source {
        Reader::source(&self.file)
    }

    fn read_f32(&self, name: &str) -> Result<Vec<f32>> {
        GgufLlama::read_f32(self, name)
    }

    fn read_i64(&self, name: &str) -> Result<Vec<i64>> {
        Err(self.file.no_integers(self.known(name)?.0))
    }

    fn stream_f32(&self, name: &str, each: &mut dyn FnMut(&[f32])) -> Result<()> {
        let (tensor, head_dim) = self.known(name)?;
        self.file.stream(tensor, head_dim, each)
    }

    fn metadata(&self) -> &BTreeMap<String, String> {
        Reader::metadata(&self.file)
    }
}

/// Hugging Face's name of a tensor.
fn hf_name(name: &str) -> Option<String> {
    if let Some((_, hf)) = OUTSIDE.iter().find(|(gguf, _)| *gguf == name) {
        return Some((*hf).to_owned());
    }
    let (block, rest) = name.strip_prefix("blk.")?.split_once('.')?;
    let block = plain_number(block)?;
    let (layer, part) = rest.rsplit_once('.')?;
    let (_, hf) = BLOCK.iter().find(|(gguf, _)| *gguf == layer)?;
    matches!(part, "weight" | "bias").then(|| format!("model.layers.{block}.{hf}.{part}"))
}

/// llama.cpp's name of a tensor.
pub(super) fn gguf_name(name: &str) -> Option<String> {
    if let Some((gguf, _)) = OUTSIDE.iter().find(|(_, hf)| *hf == name) {
        return Some((*gguf).to_owned());
    }
    let (block, rest) = name.strip_prefix("model.layers.")?.split_once('.')?;
    let block = plain_number(block)?;
    let (layer, part) = rest.rsplit_once('.')?;
    let (gguf, _) = BLOCK.iter().find(|(_, hf)| *hf == layer)?;
    matches!(part, "weight" | "bias").then(|| format!("blk.{block}.{gguf}.{part}"))
}

/// A block's number as both sides write it, so that two names never become one.
fn plain_number(text: &str) -> Option<usize> {
    text.parse().ok().filter(|number: &usize| number.to_string() == text)
}

/// Whether the rows of a tensor, under its Hugging Face name, are turned by the rotary embedding.
pub(super) fn is_rotated(name: &str) -> bool {
    name.contains(".self_attn.q_proj.") || name.contains(".self_attn.k_proj.")
}

/// The config.json, and the size of a head.
fn config(file: &GgufFile) -> Result<(Value, usize)> {
    let metadata = file.metadata();
    let key = "general.architecture";
    let architecture = metadata.required(key, metadata.str(key))?;
    if architecture != "llama" {
        return Err(metadata.wrong(key, "the architecture llama", format!("{architecture:?}")));
    }
    if let Some(parts) = metadata.u64("split.count")?.filter(|&parts| parts > 1) {
        let found = format!("one of {parts} parts (llama-gguf-split --merge joins them)");
        return Err(metadata.wrong("split.count", "a whole model", found));
    }
    let need = |key: &str| metadata.required(key, metadata.u64(key));
    if metadata.u64("llama.expert_count")?.is_some_and(|experts| experts > 0) {
        return Err(metadata.wrong("llama.expert_count", "no experts", "a mixture of experts"));
    }
    let hidden = need("llama.embedding_length")?;
    let heads = need("llama.attention.head_count")?;
    let kv_heads = metadata.u64("llama.attention.head_count_kv")?.unwrap_or(heads);
    if heads == 0 || kv_heads == 0 || heads % kv_heads != 0 {
        let found = format!("{heads} heads, {kv_heads} of keys and values");
        return Err(metadata.wrong(
            "llama.attention.head_count",
            "heads, a multiple of those of keys and values",
            found,
        ));
    }
    let head_dim = match metadata.u64("llama.attention.key_length")? {
        Some(length) => length,
        None if hidden % heads == 0 => hidden / heads,
        None => {
            let found = format!("{hidden} for {heads} heads");
            return Err(metadata.wrong("llama.embedding_length", "a multiple of the number of heads", found));
        }
    };
    for key in ["llama.attention.value_length", "llama.rope.dimension_count"] {
        if let Some(other) = metadata.u64(key)?.filter(|&other| other != head_dim) {
            return Err(metadata.wrong(key, &format!("{head_dim}, the size of a head"), other.to_string()));
        }
    }
    let small = usize::try_from(head_dim).ok().filter(|&size| size > 0 && size % 2 == 0 && size <= 1 << 20);
    let Some(head_dim) = small else {
        let found = head_dim.to_string();
        return Err(metadata.wrong("llama.attention.key_length", "heads of an even size", found));
    };
    let theta = metadata.f64("llama.rope.freq_base")?.unwrap_or(10_000.0);
    let vocab = match file.tensor("token_embd.weight") {
        Some(tensor) if tensor.shape.len() == 2 => tensor.shape[0] as u64,
        _ => need("llama.vocab_size")?,
    };
    let epsilon = "llama.attention.layer_norm_rms_epsilon";
    let has = |suffix: &str| file.tensors().iter().any(|tensor| tensor.name.ends_with(suffix));
    let mut config = Map::new();
    let mut set = |key: &str, value: Value| config.insert(key.to_owned(), value);
    set("architectures", json!(["LlamaForCausalLM"]));
    set("model_type", json!("llama"));
    set("hidden_size", json!(hidden));
    set("intermediate_size", json!(need("llama.feed_forward_length")?));
    set("num_hidden_layers", json!(need("llama.block_count")?));
    set("num_attention_heads", json!(heads));
    set("num_key_value_heads", json!(kv_heads));
    set("head_dim", json!(head_dim));
    set("vocab_size", json!(vocab));
    set("max_position_embeddings", json!(need("llama.context_length")?));
    set("rms_norm_eps", json!(metadata.required(epsilon, metadata.f64(epsilon))?));
    set("rope_theta", json!(theta));
    if let Some(scaling) = rope_scaling(file, theta, head_dim)? {
        set("rope_scaling", scaling);
    }
    set("hidden_act", json!("silu"));
    set("attention_bias", json!(has(".attn_q.bias")));
    set("mlp_bias", json!(has(".ffn_up.bias")));
    set("tie_word_embeddings", json!(file.tensor("output.weight").is_none()));
    for (hf, key) in [
        ("bos_token_id", "tokenizer.ggml.bos_token_id"),
        ("eos_token_id", "tokenizer.ggml.eos_token_id"),
        ("pad_token_id", "tokenizer.ggml.padding_token_id"),
    ] {
        if let Some(id) = metadata.u64(key)? {
            set(hf, json!(id));
        }
    }
    set("torch_dtype", json!("float32"));
    Ok((Value::Object(config), head_dim))
}

/// `rope_scaling` of the config.json.
fn rope_scaling(file: &GgufFile, theta: f64, head_dim: usize) -> Result<Option<Value>> {
    let metadata: &GgufMetadata = file.metadata();
    let key = "llama.rope.scaling.type";
    let original = metadata.u64("llama.rope.scaling.original_context_length")?;
    let factor = match metadata.f64("llama.rope.scaling.factor")? {
        None => metadata.f64("llama.rope.scale_linear")?,
        some => some,
    };
    let kind = match (metadata.str(key)?, factor) {
        (Some(kind), _) => kind,
        (None, Some(factor)) if factor != 0.0 && factor != 1.0 => "linear",
        (None, _) => "none",
    };
    let stated = match (kind, factor) {
        ("none", _) => None,
        ("linear", Some(factor)) => Some(json!({"rope_type": "linear", "factor": factor})),
        ("yarn", Some(factor)) => Some(match original {
            Some(context) => {
                json!({"rope_type": "yarn", "factor": factor, "original_max_position_embeddings": context})
            }
            None => json!({"rope_type": "yarn", "factor": factor}),
        }),
        ("linear" | "yarn", None) => {
            return Err(metadata.wrong("llama.rope.scaling.factor", "the factor of the scaling", "none"));
        }
        (other, _) => return Err(metadata.wrong(key, "none, linear or yarn", format!("{other:?}"))),
    };
    let Some(tensor) = file.tensor(ROPE_FREQS) else { return Ok(stated) };
    let wrong = |expected: &str, found: &str| Err(Error::format(file.path(), expected, found).of_tensor(ROPE_FREQS));
    if tensor.shape != [head_dim / 2] {
        return wrong(&format!("{} values, one a frequency", head_dim / 2), &format!("shape {:?}", tensor.shape));
    }
    let divisors = file.read_f32(ROPE_FREQS)?;
    if divisors.iter().all(|&divisor| divisor == 1.0) {
        return Ok(stated);
    }
    if stated.is_some() {
        return wrong("no scaling of frequencies beside another one", kind);
    }
    let Some(scaling) = Llama3Scaling::from_divisors(&divisors, theta, head_dim, original) else {
        return wrong("divisors of frequencies as LLaMA-3's scaling makes them", &format!("{divisors:?}"));
    };
    Ok(Some(json!({
        "rope_type": "llama3",
        "factor": scaling.factor,
        "low_freq_factor": scaling.low_freq_factor,
        "high_freq_factor": scaling.high_freq_factor,
        "original_max_position_embeddings": scaling.original_context as u64,
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() {
        let check = |gguf: &str, hf: &str| {
            assert_eq!(hf_name(gguf).as_deref(), Some(hf));
            assert_eq!(gguf_name(hf).as_deref(), Some(gguf));
        };
        check("token_embd.weight", "model.embed_tokens.weight");
        check("output.weight", "lm_head.weight");
        check("blk.12.attn_q.weight", "model.layers.12.self_attn.q_proj.weight");
        check("blk.0.attn_output.bias", "model.layers.0.self_attn.o_proj.bias");
        check("blk.0.ffn_norm.weight", "model.layers.0.post_attention_layernorm.weight");
        check("blk.0.ffn_down.weight", "model.layers.0.mlp.down_proj.weight");
        for other in
            ["blk.0.ffn_gate_inp.weight", "blk.01.attn_q.weight", "blk.x.attn_q.weight", "blk.0.attn_q.scale", "a"]
        {
            assert_eq!(hf_name(other), None, "{other}");
        }
    }
}
