//! Small random models of every family, hooks that prepend, and where real data lies.

#![allow(dead_code, reason = "each test binary uses a part")]

use burn::tensor::{Device, Tensor, TensorData};
use model_zoo::nucleotide_transformer::{MaskShare, NucleotideTransformerConfig};
use model_zoo::{Base, BaseConfig, seed};
use peft_core::Hooks;
use std::path::PathBuf;

/// Ids are below this; 4 is the mask token of the Nucleotide Transformer.
pub(crate) const VOCAB: u32 = 16;

/// How a model knows positions: what padding on the left may do together with hooks follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Positions {
    /// A table, read by counting tokens.
    Learned,
    Alibi,
    Rotary,
}

/// A model and what a failed law calls it.
#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) name: &'static str,
    pub(crate) base: Base,
    pub(crate) positions: Positions,
}

fn family(name: &'static str, config: BaseConfig, positions: Positions) -> Family {
    let base = seed::initialise(config.init(true, false, &Device::default()), 7, 0.3);
    Family { name, base, positions }
}

fn parsed(json: &str) -> BaseConfig {
    BaseConfig::parse("test".as_ref(), json).unwrap()
}

fn nucleotide_transformer(v2: bool) -> BaseConfig {
    BaseConfig::NucleotideTransformer(NucleotideTransformerConfig {
        vocab_size: VOCAB as usize,
        hidden_size: 24,
        num_hidden_layers: 2,
        num_attention_heads: 3,
        intermediate_size: 20,
        max_position_embeddings: 64,
        layer_norm_eps: 1e-12,
        pad_token_id: 0,
        mask_token_id: (!v2).then_some(4),
        initializer_range: 0.02,
        position_embedding_type: if v2 { "rotary" } else { "absolute" }.to_owned(),
        token_dropout: !v2,
        mask_share: MaskShare::Tokens,
        add_bias_fnn: v2.then_some(false),
        emb_layer_norm_before: !v2,
        tie_word_embeddings: false,
    })
}

pub(crate) fn encoders() -> Vec<Family> {
    let bert = r#"{"model_type": "bert", "vocab_size": 16, "hidden_size": 24, "num_hidden_layers": 2,
        "num_attention_heads": 3, "intermediate_size": 20, "max_position_embeddings": 64}"#;
    let dnabert2 = r#"{"alibi_starting_size": 8, "vocab_size": 16, "hidden_size": 24, "num_hidden_layers": 2,
        "num_attention_heads": 6, "intermediate_size": 20}"#;
    vec![
        family("BERT", parsed(bert), Positions::Learned),
        family("DNABERT-2", parsed(dnabert2), Positions::Alibi),
        family("NT v1", nucleotide_transformer(false), Positions::Learned),
        family("NT v2", nucleotide_transformer(true), Positions::Rotary),
    ]
}

/// A LLaMA with `rope_scaling` as its file has it.
pub(crate) fn llama(name: &'static str, kv_heads: usize, tied: bool, rope_scaling: &str) -> Family {
    let json = format!(
        r#"{{"model_type": "llama", "vocab_size": 16, "hidden_size": 24, "intermediate_size": 20, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": {kv_heads}, "max_position_embeddings": 64,
        "tie_word_embeddings": {tied}, "rope_scaling": {rope_scaling}}}"#
    );
    family(name, parsed(&json), Positions::Rotary)
}

/// The base of the angles grows with every token behind the fourth.
pub(crate) fn llama_dynamic() -> Family {
    let scaling = r#"{"rope_type": "dynamic", "factor": 2.0, "original_max_position_embeddings": 4}"#;
    llama("LLaMA, dynamic", 2, false, scaling)
}

pub(crate) fn decoders() -> Vec<Family> {
    let opt = |pre: bool, embed: usize| {
        parsed(&format!(
            r#"{{"model_type": "opt", "vocab_size": 16, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3,
            "ffn_dim": 20, "max_position_embeddings": 64, "do_layer_norm_before": {pre}, "word_embed_proj_dim": {embed}}}"#
        ))
    };
    let llama3 = r#"{"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 16}"#;
    vec![
        family("OPT, pre-norm", opt(true, 24), Positions::Learned),
        family("OPT, post-norm", opt(false, 12), Positions::Learned),
        llama("LLaMA", 4, true, "null"),
        llama("LLaMA, linear", 4, false, r#"{"type": "linear", "factor": 2.0}"#),
        llama("LLaMA, llama3", 2, false, llama3),
        llama("LLaMA, one key head", 1, true, "null"),
    ]
}

pub(crate) fn families() -> Vec<Family> {
    encoders().into_iter().chain(decoders()).collect()
}

/// Keys and values before each block, and virtual tokens before the words.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Prepend {
    pub(crate) prefix: usize,
    pub(crate) virtual_tokens: usize,
}

/// [rows, ...]: the same numbers for each row.
fn waves<const D: usize>(start: usize, shape: [usize; D], device: &Device) -> Tensor<D> {
    let (rows, count) = (shape[0], shape[1..].iter().product::<usize>());
    let values: Vec<f32> = (0..rows * count).map(|i| ((start + i % count) as f32 * 1.7).sin()).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

impl Hooks for Prepend {
    fn key_value(&self, block: usize, k: Tensor<4>, v: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        if self.prefix == 0 {
            return (k, v);
        }
        let [rows, heads, _, d] = k.dims();
        let before = |start| waves(start, [rows, heads, self.prefix, d], &k.device());
        let (first, second) = (before(100 * block), before(100 * block + 50));
        (Tensor::cat(vec![first, k], 2), Tensor::cat(vec![second, v], 2))
    }

    fn prefix_len(&self) -> usize {
        self.prefix
    }

    fn embeddings(&self, h: Tensor<3>) -> Tensor<3> {
        if self.virtual_tokens == 0 {
            return h;
        }
        let [rows, _, d] = h.dims();
        Tensor::cat(vec![waves(9, [rows, self.virtual_tokens, d], &h.device()), h], 1)
    }

    fn virtual_tokens(&self) -> usize {
        self.virtual_tokens
    }
}

pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_into_vec().unwrap()
}

pub(crate) fn close(what: &str, a: &[f32], b: &[f32]) {
    assert_eq!(a.len(), b.len(), "{what}");
    for (i, (x, y)) in a.iter().zip(b).enumerate() {
        assert!((x - y).abs() <= 1e-5 * (1.0 + x.abs()), "{what}: value {i} of {}: {x} {y}", a.len());
    }
}

/// As [`close`], measured by the largest value: for sums that are taken in another order, whose rounding follows the size
/// of what is added and not of what is left.
pub(crate) fn close_in_size(what: &str, a: &[f32], b: &[f32]) {
    assert_eq!(a.len(), b.len(), "{what}");
    let size = 1.0 + a.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
    for (i, (x, y)) in a.iter().zip(b).enumerate() {
        assert!((x - y).abs() <= 1e-5 * size, "{what}: value {i} of {}: {x} {y}", a.len());
    }
}

/// A folder of test data: the value of `variable`, or `default` beside the workspace. `None`, with a line on stderr, where
/// it is absent; in CI nothing may be skipped while the shared folder is there.
pub(crate) fn data_folder(test: &str, variable: &str, default: &str) -> Option<PathBuf> {
    let shared = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared"));
    let folder = std::env::var_os(variable).map_or_else(|| shared.join(default), PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    let strict = std::env::var("CI").is_ok_and(|ci| ci == "true") && shared.is_dir();
    assert!(!strict, "{test}: {} is absent, and nothing is skipped in CI", folder.display());
    eprintln!("skipped: {test}: {} is absent", folder.display());
    None
}
