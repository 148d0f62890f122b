//! Nucleotide Transformer v2: ESM's encoder with rotary positions and a SwiGLU feed-forward layer without biases.
//!
//! Paper: Dalla-Torre et al., "Nucleotide Transformer", Nature Methods 2025. Upstream code: `modeling_esm.py` beside the
//! checkpoints `InstaDeepAI/nucleotide-transformer-v2-*`. Pre-norm, queries scaled before the rotation, "rotate half"
//! layout, exact (erf) GELU in the masked-language head.
//!
//! Known differences from upstream: the contact head and the stored, unused position table are ignored; dropout of the
//! base is not applied. Version 1 (learned positions, token dropout) is refused by name.

#![allow(non_snake_case, reason = "parameters bear their published names")]

use crate::attention::{Rotary, join_heads, key_bias, split_heads};
use crate::batch::TokenBatch;
use crate::fused::{attention, gelu, glu_silu, norm};
use burn::module::{Module, Param};
use burn::nn::{Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use peft_core::Hooks;
use serde::{Deserialize, Serialize};

/// Shape of a Nucleotide Transformer v2, under the names of its `config.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NucleotideTransformerConfig {
    /// Number of tokens.
    pub vocab_size: usize,
    /// Width of the hidden states.
    pub hidden_size: usize,
    /// Number of layers.
    pub num_hidden_layers: usize,
    /// Number of attention heads.
    pub num_attention_heads: usize,
    /// Width inside the feed-forward layer.
    pub intermediate_size: usize,
    /// Longest sequence it was trained on, in tokens, padding rows of the original's table included.
    pub max_position_embeddings: usize,
    /// Default 1e-12.
    #[serde(default = "default_eps")]
    pub layer_norm_eps: f64,
    /// Id of the padding token.
    pub pad_token_id: u32,
    /// Spread of initial values. Default 0.02.
    #[serde(default = "default_range")]
    pub initializer_range: f64,
    /// Must be "rotary" (version 2).
    pub position_embedding_type: String,
    /// Must be false (version 2).
    #[serde(default)]
    pub token_dropout: bool,
    /// Must be false (version 2); ESM's default is true.
    #[serde(default = "default_true")]
    pub add_bias_fnn: bool,
    /// Must be false (version 2).
    #[serde(default)]
    pub emb_layer_norm_before: bool,
}

fn default_eps() -> f64 {
    1e-12
}
fn default_range() -> f64 {
    0.02
}
fn default_true() -> bool {
    true
}

/// The encoder with the masked-language head that stands beside it; fields bear the published names.
#[derive(Module, Debug)]
pub struct NucleotideTransformer {
    /// The encoder.
    pub esm: Esm,
    /// The masked-language head.
    pub lm_head: Option<LmHead>,
    #[module(skip)]
    config: NucleotideTransformerConfig,
}

/// Embeddings and encoder (`esm.*`).
#[derive(Module, Debug)]
pub struct Esm {
    embeddings: Embeddings,
    encoder: Encoder,
}

#[derive(Module, Debug)]
struct Embeddings {
    word_embeddings: Embedding,
}

#[derive(Module, Debug)]
struct Encoder {
    layer: Vec<Layer>,
    emb_layer_norm_after: LayerNorm,
}

#[derive(Module, Debug)]
struct Layer {
    attention: Attention,
    intermediate: Dense, // [hidden, 2·intermediate], no bias
    output: Dense,       // [intermediate, hidden], no bias
    LayerNorm: LayerNorm,
}

#[derive(Module, Debug)]
struct Attention {
    self_: SelfAttention,
    output: Dense,
    LayerNorm: LayerNorm,
}

#[derive(Module, Debug)]
struct SelfAttention {
    query: Linear,
    key: Linear,
    value: Linear,
}

#[derive(Module, Debug)]
struct Dense {
    dense: Linear,
}

/// Dense, GELU, layer norm, decoder.
#[derive(Module, Debug)]
pub struct LmHead {
    dense: Linear,
    layer_norm: LayerNorm,
    decoder: Linear, // [hidden, vocab], no bias
    bias: Param<Tensor<1>>,
}

impl NucleotideTransformerConfig {
    /// What makes this configuration one that this model cannot be, if anything does.
    pub fn unsupported(&self) -> Option<String> {
        let v1 = "Nucleotide Transformer v1 is not supported yet";
        match self {
            c if c.position_embedding_type != "rotary" => Some(format!(
                "position_embedding_type: expected \"rotary\" (v2), found {:?}; {v1}",
                c.position_embedding_type
            )),
            c if c.token_dropout || c.add_bias_fnn || c.emb_layer_norm_before => {
                Some(format!("expected token_dropout, add_bias_fnn and emb_layer_norm_before to be false (v2); {v1}"))
            }
            c if c.hidden_size % c.num_attention_heads != 0 || (c.hidden_size / c.num_attention_heads) % 2 != 0 => {
                Some(format!(
                    "hidden_size {} does not split into {} heads of even width",
                    c.hidden_size, c.num_attention_heads
                ))
            }
            _ => None,
        }
    }

    /// The model with lazy parameters: nothing is allocated until a checkpoint or [`crate::seed::initialise`] fills them.
    pub fn init(&self, mlm_head: bool, device: &Device) -> NucleotideTransformer {
        let d = self.hidden_size;
        let linear = |d_in, d_out, bias| LinearConfig::new(d_in, d_out).with_bias(bias).init(device);
        let dense = |d_in, d_out, bias| Dense { dense: linear(d_in, d_out, bias) };
        let norm = || LayerNormConfig::new(d).with_epsilon(self.layer_norm_eps).init(device);
        let layer = || Layer {
            attention: Attention {
                self_: SelfAttention { query: linear(d, d, true), key: linear(d, d, true), value: linear(d, d, true) },
                output: dense(d, d, true),
                LayerNorm: norm(),
            },
            intermediate: dense(d, 2 * self.intermediate_size, false),
            output: dense(self.intermediate_size, d, false),
            LayerNorm: norm(),
        };
        NucleotideTransformer {
            esm: Esm {
                embeddings: Embeddings { word_embeddings: EmbeddingConfig::new(self.vocab_size, d).init(device) },
                encoder: Encoder {
                    layer: (0..self.num_hidden_layers).map(|_| layer()).collect(),
                    emb_layer_norm_after: norm(),
                },
            },
            lm_head: mlm_head.then(|| LmHead {
                dense: linear(d, d, true),
                layer_norm: norm(),
                decoder: linear(d, self.vocab_size, false),
                bias: burn::nn::Initializer::Zeros.init([self.vocab_size], device),
            }),
            config: self.clone(),
        }
    }
}

impl NucleotideTransformer {
    /// The model's shape.
    pub fn config(&self) -> &NucleotideTransformerConfig {
        &self.config
    }

    /// Hidden states: first the embeddings, then the output of each layer, the last after the final layer norm,
    /// [batch, seq, hidden] each. With prompt tuning's virtual tokens `seq` grows by their number.
    pub fn hidden_states(&self, batch: &TokenBatch, hooks: &dyn Hooks) -> Vec<Tensor<3>> {
        let mut states = Vec::with_capacity(self.config.num_hidden_layers + 1);
        let last = self.run(batch, hooks, |h| states.push(h.clone()));
        states.pop();
        states.push(last);
        states
    }

    /// The last hidden state, [batch, seq, hidden].
    pub fn encode(&self, batch: &TokenBatch, hooks: &dyn Hooks) -> Tensor<3> {
        self.run(batch, hooks, |_| ())
    }

    fn run(&self, batch: &TokenBatch, hooks: &dyn Hooks, mut each: impl FnMut(&Tensor<3>)) -> Tensor<3> {
        let heads = self.config.num_attention_heads;
        let mut h = self.esm.embeddings.word_embeddings.forward(batch.ids.clone()); // [batch, seq, hidden]
        if let Some(mask) = &batch.mask {
            h = h * mask.clone().unsqueeze_dim(2);
        }
        h = hooks.embeddings(h);
        each(&h);
        let [_, seq, d] = h.dims();
        let before = hooks.prefix_len() + hooks.virtual_tokens();
        let bias = batch.mask.as_ref().map(|mask| key_bias(mask, before)); // [batch, 1, 1, keys]
        let rotary = Rotary::new(d / heads, seq, &h.device().inner());
        for (i, layer) in self.esm.encoder.layer.iter().enumerate() {
            h = layer.forward(h, i, &self.config, &rotary, bias.clone(), hooks);
            each(&h);
        }
        norm(&self.esm.encoder.emb_layer_norm_after, h, self.config.layer_norm_eps)
    }

    /// Scores of every token at every position, [batch, seq, vocab].
    ///
    /// # Panics
    /// If the model was made without its masked-language head.
    pub fn mlm_logits(&self, h: Tensor<3>) -> Tensor<3> {
        let head = self.lm_head.as_ref().expect("a model made with its masked-language head");
        let h = norm(&head.layer_norm, gelu(head.dense.forward(h)), self.config.layer_norm_eps);
        head.decoder.forward(h) + head.bias.val().unsqueeze()
    }
}

impl Layer {
    fn forward(
        &self,
        h: Tensor<3>,
        block: usize,
        config: &NucleotideTransformerConfig,
        rotary: &Rotary,
        bias: Option<Tensor<4>>,
        hooks: &dyn Hooks,
    ) -> Tensor<3> {
        let (heads, eps) = (config.num_attention_heads, config.layer_norm_eps);
        let x = norm(&self.attention.LayerNorm, h.clone(), eps); // [batch, seq, hidden]
        let site = |layer: &Linear| split_heads(hooks.linear(layer, x.clone()), heads); // [batch, heads, seq, d_head]
        let scale = ((x.dims()[2] / heads) as f32).sqrt().recip();
        let q = rotary.rotate(site(&self.attention.self_.query));
        let k = rotary.rotate(site(&self.attention.self_.key));
        let (k, v) = hooks.key_value(block, k, site(&self.attention.self_.value));
        let context = join_heads(attention(q, k, v, bias, scale)); // [batch, seq, hidden]
        let h = h + hooks.linear(&self.attention.output.dense, context);

        let x = norm(&self.LayerNorm, h.clone(), eps);
        let gated = hooks.linear(&self.intermediate.dense, x); // [batch, seq, 2·intermediate]
        h + hooks.linear(&self.output.dense, glu_silu(gated))
    }
}
