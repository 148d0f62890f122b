//! LLaMA: a decoder with rotary positions, RMS norm and a SwiGLU feed-forward layer.
//!
//! Papers: Touvron et al., "LLaMA", 2023; Touvron et al., "Llama 2", 2023; Grattafiori et al., "The Llama 3 Herd of Models",
//! 2024. Upstream code: transformers' `modeling_llama.py`; checkpoints `meta-llama/*`, SmolLM, TinyLlama and others of
//! `model_type` llama. Grouped-query attention, no biases (but where the configuration asks), output matrix tied or not,
//! "rotate half" layout with linear, dynamic and llama3 scaling.
//!
//! Known differences from upstream: dynamic scaling follows the longest sequence of one pass, and with a cache the
//! capacity of the cache, so that keys once cached stay right.

use crate::attention::{RopeScaling, Rotary, attend, rope_frequencies, split_heads};
use crate::causal::Steps;
use crate::fused::{self, rms_norm, silu_mul, site};
use crate::layers::{linear, lookup};
use crate::{Pass, TokenBatch};
use burn::module::Module;
use burn::nn::{Embedding, EmbeddingConfig, Linear, RmsNorm, RmsNormConfig};
use burn::tensor::{Device, Tensor};
use peft_core::{Hooks, vector};
use serde::{Deserialize, Serialize};

/// Shape of a LLaMA model, under the names of its `config.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Published", into = "Published")]
pub struct LlamaConfig {
    /// Number of tokens.
    pub vocab_size: usize,
    /// Width of the hidden states.
    pub hidden_size: usize,
    /// Width inside the feed-forward layer.
    pub intermediate_size: usize,
    /// Number of layers.
    pub num_hidden_layers: usize,
    /// Number of attention heads.
    pub num_attention_heads: usize,
    /// Heads of keys and values, each of which serves several heads of queries.
    pub num_key_value_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Longest sequence, in tokens.
    pub max_position_embeddings: usize,
    /// ε of the RMS norms.
    pub rms_norm_eps: f64,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
    /// How positions beyond the trained length are made.
    pub rope_scaling: RopeScaling,
    /// A way of scaling that is not known here; such a configuration is refused.
    pub unknown_scaling: Option<String>,
    /// Biases of the attention's projections.
    pub attention_bias: bool,
    /// Biases of the feed-forward layer.
    pub mlp_bias: bool,
    /// The output matrix is the word embeddings.
    pub tie_word_embeddings: bool,
    /// "silu".
    pub hidden_act: String,
    /// Token that pads, if there is one; its look-up gets no gradient.
    pub pad_token_id: Option<u32>,
    /// First token of a text.
    pub bos_token_id: Option<u32>,
    /// Tokens that end a text.
    pub eos_token_id: Vec<u32>,
    /// Spread of initial values.
    pub initializer_range: f64,
}

/// The configuration as files have it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
struct Published {
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    max_position_embeddings: usize,
    rms_norm_eps: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    rope_theta: Option<f64>,
    rope_scaling: Option<Rope>,
    #[serde(skip_serializing)]
    rope_parameters: Option<Rope>,
    attention_bias: bool,
    mlp_bias: bool,
    tie_word_embeddings: bool,
    hidden_act: String,
    pad_token_id: Option<u32>,
    bos_token_id: Option<u32>,
    eos_token_id: Option<OneOrMore>,
    initializer_range: f64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(u32),
    More(Vec<u32>),
}

/// `rope_scaling` of older files, `rope_parameters` of newer ones.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Rope {
    #[serde(alias = "type")]
    rope_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rope_theta: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    factor: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    low_freq_factor: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    high_freq_factor: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    original_max_position_embeddings: Option<usize>,
}

impl Default for Published {
    fn default() -> Self {
        Self {
            vocab_size: 32000,
            hidden_size: 4096,
            intermediate_size: 11008,
            num_hidden_layers: 32,
            num_attention_heads: 32,
            num_key_value_heads: None,
            head_dim: None,
            max_position_embeddings: 2048,
            rms_norm_eps: 1e-6,
            rope_theta: None,
            rope_scaling: None,
            rope_parameters: None,
            attention_bias: false,
            mlp_bias: false,
            tie_word_embeddings: false,
            hidden_act: "silu".into(),
            pad_token_id: None,
            bos_token_id: Some(1),
            eos_token_id: Some(OneOrMore::One(2)),
            initializer_range: 0.02,
        }
    }
}

impl From<Published> for LlamaConfig {
    fn from(p: Published) -> Self {
        let rope = p.rope_scaling.or(p.rope_parameters).unwrap_or_default();
        let (factor, trained) = (rope.factor, rope.original_max_position_embeddings);
        let trained_or_max = trained.unwrap_or(p.max_position_embeddings);
        let mut unknown = None;
        let rope_scaling = match (rope.rope_type.as_deref(), factor) {
            (None | Some("default"), _) => RopeScaling::None,
            (Some("linear"), Some(factor)) => RopeScaling::Linear { factor },
            (Some("dynamic"), Some(factor)) => RopeScaling::Dynamic { factor, trained: trained_or_max },
            (Some("llama3"), Some(factor)) => match (rope.low_freq_factor, rope.high_freq_factor, trained) {
                (Some(low_freq_factor), Some(high_freq_factor), Some(trained)) => {
                    RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor, trained }
                }
                _ => {
                    unknown =
                        Some("llama3 without low_freq_factor, high_freq_factor or original_max_position_embeddings");
                    RopeScaling::None
                }
            },
            (Some("linear" | "dynamic" | "llama3"), None) => {
                unknown = Some("scaling without a factor");
                RopeScaling::None
            }
            _ => RopeScaling::None,
        };
        let unknown = unknown.map(str::to_owned).or(match rope.rope_type {
            Some(t) if !matches!(t.as_str(), "default" | "linear" | "dynamic" | "llama3") => Some(t),
            _ => None,
        });
        Self {
            vocab_size: p.vocab_size,
            hidden_size: p.hidden_size,
            intermediate_size: p.intermediate_size,
            num_hidden_layers: p.num_hidden_layers,
            num_attention_heads: p.num_attention_heads,
            num_key_value_heads: p.num_key_value_heads.unwrap_or(p.num_attention_heads),
            head_dim: p.head_dim.unwrap_or(p.hidden_size / p.num_attention_heads.max(1)),
            max_position_embeddings: p.max_position_embeddings,
            rms_norm_eps: p.rms_norm_eps,
            rope_theta: p.rope_theta.or(rope.rope_theta).unwrap_or(10_000.0),
            rope_scaling,
            unknown_scaling: unknown,
            attention_bias: p.attention_bias,
            mlp_bias: p.mlp_bias,
            tie_word_embeddings: p.tie_word_embeddings,
            hidden_act: p.hidden_act,
            pad_token_id: p.pad_token_id,
            bos_token_id: p.bos_token_id,
            eos_token_id: match p.eos_token_id {
                None => Vec::new(),
                Some(OneOrMore::One(id)) => vec![id],
                Some(OneOrMore::More(ids)) => ids,
            },
            initializer_range: p.initializer_range,
        }
    }
}

impl From<LlamaConfig> for Published {
    fn from(c: LlamaConfig) -> Self {
        let rope = |rope_type: &str, factor| Rope {
            rope_type: Some(rope_type.into()),
            factor: Some(factor),
            ..Rope::default()
        };
        let rope_scaling = match c.rope_scaling {
            RopeScaling::None => None,
            RopeScaling::Linear { factor } => Some(rope("linear", factor)),
            RopeScaling::Dynamic { factor, trained } => {
                Some(Rope { original_max_position_embeddings: Some(trained), ..rope("dynamic", factor) })
            }
            RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor, trained } => Some(Rope {
                low_freq_factor: Some(low_freq_factor),
                high_freq_factor: Some(high_freq_factor),
                original_max_position_embeddings: Some(trained),
                ..rope("llama3", factor)
            }),
        };
        Self {
            vocab_size: c.vocab_size,
            hidden_size: c.hidden_size,
            intermediate_size: c.intermediate_size,
            num_hidden_layers: c.num_hidden_layers,
            num_attention_heads: c.num_attention_heads,
            num_key_value_heads: Some(c.num_key_value_heads),
            head_dim: Some(c.head_dim),
            max_position_embeddings: c.max_position_embeddings,
            rms_norm_eps: c.rms_norm_eps,
            rope_theta: Some(c.rope_theta),
            rope_scaling,
            rope_parameters: None,
            attention_bias: c.attention_bias,
            mlp_bias: c.mlp_bias,
            tie_word_embeddings: c.tie_word_embeddings,
            hidden_act: c.hidden_act,
            pad_token_id: c.pad_token_id,
            bos_token_id: c.bos_token_id,
            eos_token_id: match c.eos_token_id.as_slice() {
                [] => None,
                [id] => Some(OneOrMore::One(*id)),
                ids => Some(OneOrMore::More(ids.to_vec())),
            },
            initializer_range: c.initializer_range,
        }
    }
}

/// The decoder with the head that stands beside it; fields bear the published names.
#[derive(Module, Debug)]
pub struct Llama {
    model: Model,
    lm_head: Option<Linear>, // [hidden, vocab], no bias; only where it is not tied
    #[module(skip)]
    config: LlamaConfig,
}

#[derive(Module, Debug)]
struct Model {
    embed_tokens: Embedding,
    layers: Vec<Layer>,
    norm: RmsNorm,
}

#[derive(Module, Debug)]
struct Layer {
    self_attn: SelfAttention,
    mlp: Mlp,
    input_layernorm: RmsNorm,
    post_attention_layernorm: RmsNorm,
}

#[derive(Module, Debug)]
struct SelfAttention {
    q_proj: Linear, // [hidden, heads·d_head]
    k_proj: Linear, // [hidden, kv_heads·d_head]
    v_proj: Linear,
    o_proj: Linear, // [heads·d_head, hidden]
}

#[derive(Module, Debug)]
struct Mlp {
    gate_proj: Linear, // [hidden, intermediate]
    up_proj: Linear,
    down_proj: Linear,
}

impl LlamaConfig {
    /// What makes this configuration one that this model cannot be, if anything does.
    pub fn unsupported(&self) -> Option<String> {
        if let Some(scaling) = &self.unknown_scaling {
            return Some(format!(
                "rope_scaling: expected default, linear, dynamic or llama3 in full, found {scaling:?}"
            ));
        }
        if self.hidden_act != "silu" {
            return Some(format!("hidden_act: expected \"silu\", found {:?}", self.hidden_act));
        }
        let (heads, kv) = (self.num_attention_heads, self.num_key_value_heads);
        if heads == 0 || kv == 0 || !heads.is_multiple_of(kv) {
            return Some(format!("{heads} attention heads cannot share {kv} heads of keys and values"));
        }
        (self.head_dim == 0 || !self.head_dim.is_multiple_of(2))
            .then(|| format!("head_dim: expected an even number, found {}", self.head_dim))
    }

    /// The model with lazy parameters: nothing is allocated until a checkpoint or [`crate::seed::initialise`] fills them.
    /// `lm_head`: with an output matrix, if it is a parameter of its own.
    pub fn init(&self, lm_head: bool, device: &Device) -> Llama {
        let (d, inner, bias) = (self.hidden_size, self.intermediate_size, self.mlp_bias);
        let (q, kv) = (self.num_attention_heads * self.head_dim, self.num_key_value_heads * self.head_dim);
        let norm = || RmsNormConfig::new(d).with_epsilon(self.rms_norm_eps).init(device);
        let attention = |d_in, d_out| linear(d_in, d_out, self.attention_bias, device);
        let layer = || Layer {
            self_attn: SelfAttention {
                q_proj: attention(d, q),
                k_proj: attention(d, kv),
                v_proj: attention(d, kv),
                o_proj: attention(q, d),
            },
            mlp: Mlp {
                gate_proj: linear(d, inner, bias, device),
                up_proj: linear(d, inner, bias, device),
                down_proj: linear(inner, d, bias, device),
            },
            input_layernorm: norm(),
            post_attention_layernorm: norm(),
        };
        Llama {
            model: Model {
                embed_tokens: EmbeddingConfig::new(self.vocab_size, d).init(device),
                layers: (0..self.num_hidden_layers).map(|_| layer()).collect(),
                norm: norm(),
            },
            lm_head: (lm_head && !self.tie_word_embeddings).then(|| linear(d, self.vocab_size, false, device)),
            config: self.clone(),
        }
    }

    /// Angles of positions `start..start + seq`, where no position above `longest` will be used.
    pub fn rotary(&self, start: usize, seq: usize, longest: usize, device: &Device) -> Rotary {
        let frequencies = rope_frequencies(self.head_dim, self.rope_theta, &self.rope_scaling, longest);
        Rotary::new(&frequencies, start, seq, device)
    }
}

impl Llama {
    /// The model's shape.
    pub fn config(&self) -> &LlamaConfig {
        &self.config
    }

    /// The hidden states after the final norm, [batch, seq, hidden]; with prompt tuning's virtual tokens `seq` grows by
    /// their number.
    pub fn forward(&self, batch: &TokenBatch, pass: &mut Pass) -> Tensor<3> {
        let (config, hooks) = (&self.config, pass.hooks());
        let steps = Steps::begin(batch, pass);
        let words = || lookup(&self.model.embed_tokens, &batch.ids, config.pad_token_id, hooks);
        let mut h = pass.input().unwrap_or_else(|| steps.embeddings(words(), hooks)); // [batch, seq, hidden]
        pass.hidden(&h);
        let ([rows, seq, _], device) = (h.dims(), h.device().inner());
        let longest = pass.cache.as_ref().map_or(steps.before + seq, |c| c.capacity().max(steps.before + seq));
        let frequencies = rope_frequencies(config.head_dim, config.rope_theta, &config.rope_scaling, longest);
        let virtual_tokens = seq - batch.dims()[1];
        let rotary = Rotary::of_batch(&frequencies, batch, virtual_tokens, |row| steps.taken(row, hooks));
        let bias = steps.bias(config.num_attention_heads, seq, rows, &device);
        for (i, layer) in pass.layers(&self.model.layers) {
            h = layer.forward(h, config, &rotary, |k, v, pass| steps.keys(i, k, v, pass), &bias, pass);
            pass.hidden(&h);
        }
        if pass.ends_before(self.model.layers.len()) {
            return h;
        }
        let h = norm(hooks, &self.model.norm, h);
        pass.replace_last(&h);
        h
    }

    /// [`Self::forward`] with adapters and nothing else.
    pub fn encode(&self, batch: &TokenBatch, hooks: &dyn Hooks) -> Tensor<3> {
        self.forward(batch, &mut Pass::new().with_hooks(hooks))
    }

    /// Scores of the next token at every position, [batch, seq, vocab], from what [`Llama::forward`] gives.
    ///
    /// # Panics
    /// If the head is not tied to the embeddings and the model was made without it.
    pub fn lm_logits(&self, h: Tensor<3>, hooks: &dyn Hooks) -> Tensor<3> {
        match &self.lm_head {
            Some(layer) => site(hooks, layer, h),
            None => {
                assert!(self.config.tie_word_embeddings, "a model made with its language-model head");
                fused::linear(h, self.model.embed_tokens.weight.val().transpose(), None)
            }
        }
    }
}

/// A layer of Burn's, or what stands in for its parameter, evaluated by the fused kernel.
fn norm(hooks: &dyn Hooks, layer: &RmsNorm, x: Tensor<3>) -> Tensor<3> {
    rms_norm(x, vector(hooks, &layer.gamma), layer.epsilon)
}

impl Layer {
    fn forward(
        &self,
        h: Tensor<3>,
        config: &LlamaConfig,
        rotary: &Rotary,
        keys: impl FnOnce(Tensor<4>, Tensor<4>, &mut Pass) -> (Tensor<4>, Tensor<4>),
        bias: &crate::attention::Bias,
        pass: &mut Pass,
    ) -> Tensor<3> {
        let (hooks, heads, kv_heads) = (pass.hooks(), config.num_attention_heads, config.num_key_value_heads);
        let x = norm(hooks, &self.input_layernorm, h.clone()); // [batch, seq, hidden]
        let project = |layer: &Linear, heads| split_heads(site(hooks, layer, x.clone()), heads);
        let q = rotary.rotate(project(&self.self_attn.q_proj, heads)); // [batch, heads, seq, d_head]
        let k = rotary.rotate(project(&self.self_attn.k_proj, kv_heads)); // [batch, kv_heads, seq, d_head]
        let (k, v) = keys(k, project(&self.self_attn.v_proj, kv_heads), pass);
        let scale = (config.head_dim as f32).sqrt().recip();
        let context = attend(q, k, v, bias, scale, pass); // [batch, seq, heads·d_head]
        let h = h + site(hooks, &self.self_attn.o_proj, context);

        let x = norm(hooks, &self.post_attention_layernorm, h.clone());
        let gate = site(hooks, &self.mlp.gate_proj, x.clone()); // [batch, seq, intermediate]
        let x = silu_mul(gate, site(hooks, &self.mlp.up_proj, x));
        h + site(hooks, &self.mlp.down_proj, x)
    }
}
