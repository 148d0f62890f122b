//! Nucleotide Transformer, versions 1 and 2: ESM's encoder.
//!
//! Paper: Dalla-Torre et al., "Nucleotide Transformer", Nature Methods 2025. Upstream code: transformers' `modeling_esm.py` for
//! version 1 (`InstaDeepAI/nucleotide-transformer-500m-*`, `-2.5b-*`) and the `modeling_esm.py` beside the checkpoints
//! `InstaDeepAI/nucleotide-transformer-v2-*`. Pre-norm, queries scaled before the rotation, exact (erf) GELU.
//!
//! | | version 1 | version 2 |
//! |---|---|---|
//! | positions | learned; they count tokens and start at row `pad_token_id` + 1 | rotary, "rotate half" layout |
//! | feed-forward | GELU with biases | SwiGLU without biases |
//! | embeddings | mask tokens become 0 and the rest is scaled for it (token dropout) | as they are |
//!
//! ESM-2's own mixture (rotary positions, GELU, token dropout) follows from the same fields.
//!
//! Known differences from upstream: the contact head and version 2's stored, unused position table are ignored; dropout of the
//! base is not applied. Positions count the tokens that the mask shows, where upstream counts ids other than padding: the
//! same wherever padding is masked. [`MaskShare`] tells where upstream's outputs depend on padding.

#![allow(non_snake_case, reason = "parameters bear their published names")]

use crate::attention::{Bias, RopeScaling, Rotary, attend, rope_frequencies, split_heads};
use crate::fused::{self, gelu, glu_silu, norm};
use crate::layers::{Dense, linear, lookup, position_ids};
use crate::{Pass, TokenBatch};
use burn::module::{Module, Param};
use burn::nn::{Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, Linear};
use burn::tensor::{Device, Tensor};
use peft_core::{Hooks, layer_norm, vector};
use serde::{Deserialize, Serialize};

/// Shape of a Nucleotide Transformer, under the names of its `config.json`.
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
    /// Id of the mask token; token dropout needs it.
    #[serde(default)]
    pub mask_token_id: Option<u32>,
    /// Spread of initial values. Default 0.02.
    #[serde(default = "default_range")]
    pub initializer_range: f64,
    /// "absolute" (version 1, the default) or "rotary" (version 2).
    #[serde(default = "default_positions")]
    pub position_embedding_type: String,
    /// Mask tokens are left out of the embeddings and the rest is scaled for it. Default false; version 1 says true.
    #[serde(default)]
    pub token_dropout: bool,
    /// What the share of mask tokens is taken of, in token dropout. No file has this field.
    #[serde(skip)]
    pub mask_share: MaskShare,
    /// Only version 2 has this field: biases of the gated feed-forward layer. Without it, the layer is a plain one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub add_bias_fnn: Option<bool>,
    /// A layer norm after the embeddings. Default false.
    #[serde(default)]
    pub emb_layer_norm_before: bool,
    /// The output matrix is the word embeddings. Default false, as in every published checkpoint.
    #[serde(default)]
    pub tie_word_embeddings: bool,
}

fn default_eps() -> f64 {
    1e-12
}
fn default_range() -> f64 {
    0.02
}
fn default_positions() -> String {
    "absolute".into()
}

/// What token dropout counts mask tokens against. It matters only where mask tokens and padding meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MaskShare {
    /// The padded length, as transformers does: then the output of a sequence with mask tokens depends on its padding.
    #[default]
    Padded,
    /// The sequence's own length: padding changes nothing.
    Tokens,
}

/// Share of the tokens that ESM masked in training; token dropout scales for it.
const MASKED_IN_TRAINING: f32 = 0.15 * 0.8;

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
    position_embeddings: Option<Embedding>, // [positions, hidden], version 1
    layer_norm: Option<LayerNorm>,
}

#[derive(Module, Debug)]
struct Encoder {
    layer: Vec<Layer>,
    emb_layer_norm_after: LayerNorm,
}

#[derive(Module, Debug)]
struct Layer {
    attention: Attention,
    intermediate: Dense, // [hidden, intermediate], version 2 [hidden, 2·intermediate]
    output: Dense,       // [intermediate, hidden]
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

/// Dense, GELU, layer norm, decoder.
#[derive(Module, Debug)]
pub struct LmHead {
    dense: Linear,
    layer_norm: LayerNorm,
    decoder: Option<Linear>, // [hidden, vocab], no bias; none if it is tied
    bias: Param<Tensor<1>>,
}

impl NucleotideTransformerConfig {
    /// What makes this configuration one that this model cannot be, if anything does.
    pub fn unsupported(&self) -> Option<String> {
        if !matches!(self.position_embedding_type.as_str(), "rotary" | "absolute") {
            let found = &self.position_embedding_type;
            return Some(format!("position_embedding_type: expected \"absolute\" or \"rotary\", found {found:?}"));
        }
        if self.token_dropout && self.mask_token_id.is_none() {
            return Some("token_dropout needs a mask_token_id".into());
        }
        let (d, heads) = (self.hidden_size, self.num_attention_heads);
        if heads == 0 || !d.is_multiple_of(heads) || (self.rotary() && !(d / heads).is_multiple_of(2)) {
            return Some(format!("hidden_size {d} does not split into {heads} heads of even width"));
        }
        None
    }

    /// True if positions are rotary and not learned.
    pub fn rotary(&self) -> bool {
        self.position_embedding_type == "rotary"
    }

    /// Most tokens of a sequence. The table of version 1 keeps rows for padding, which no token reads.
    pub fn max_tokens(&self) -> usize {
        match self.rotary() {
            true => self.max_position_embeddings,
            false => self.max_position_embeddings.saturating_sub(self.pad_token_id as usize + 1),
        }
    }

    /// The model with lazy parameters: nothing is allocated until a checkpoint or [`crate::seed::initialise`] fills them.
    pub fn init(&self, mlm_head: bool, device: &Device) -> NucleotideTransformer {
        let d = self.hidden_size;
        let linear = |d_in, d_out, bias| linear(d_in, d_out, bias, device);
        let norm = || LayerNormConfig::new(d).with_epsilon(self.layer_norm_eps).init(device);
        let (gates, ffn_bias) = match self.add_bias_fnn {
            Some(bias) => (2, bias),
            None => (1, true),
        };
        let layer = || Layer {
            attention: Attention {
                self_: SelfAttention { query: linear(d, d, true), key: linear(d, d, true), value: linear(d, d, true) },
                output: Dense::new(d, d, true, device),
                LayerNorm: norm(),
            },
            intermediate: Dense::new(d, gates * self.intermediate_size, ffn_bias, device),
            output: Dense::new(self.intermediate_size, d, ffn_bias, device),
            LayerNorm: norm(),
        };
        NucleotideTransformer {
            esm: Esm {
                embeddings: Embeddings {
                    word_embeddings: EmbeddingConfig::new(self.vocab_size, d).init(device),
                    position_embeddings: (!self.rotary())
                        .then(|| EmbeddingConfig::new(self.max_position_embeddings, d).init(device)),
                    layer_norm: self.emb_layer_norm_before.then(norm),
                },
                encoder: Encoder {
                    layer: (0..self.num_hidden_layers).map(|_| layer()).collect(),
                    emb_layer_norm_after: norm(),
                },
            },
            lm_head: mlm_head.then(|| LmHead {
                dense: linear(d, d, true),
                layer_norm: norm(),
                decoder: (!self.tie_word_embeddings).then(|| linear(d, self.vocab_size, false)),
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

    /// The last hidden state, [batch, seq, hidden]; with prompt tuning's virtual tokens `seq` grows by their number.
    pub fn forward(&self, batch: &TokenBatch, pass: &mut Pass) -> Tensor<3> {
        let (config, hooks, heads) = (&self.config, pass.hooks(), self.config.num_attention_heads);
        let embed = || self.esm.embeddings.forward(batch, config, hooks);
        let mut h = pass.input().unwrap_or_else(embed); // [batch, seq, hidden]
        pass.hidden(&h);
        let ([rows, seq, d], device) = (h.dims(), h.device().inner());
        let prefix = hooks.prefix_len();
        let bias = Bias::new(seq, prefix + seq, prefix, batch.mask.as_ref()).prepared(heads, seq, rows, &device);
        let frequencies = rope_frequencies(d / heads, 10_000.0, &RopeScaling::None, seq);
        let virtual_tokens = seq - batch.dims()[1];
        let rotary = config.rotary().then(|| Rotary::of_batch(&frequencies, batch, virtual_tokens, |_| 0));
        for (i, layer) in pass.layers(&self.esm.encoder.layer) {
            h = layer.forward(h, i, config, rotary.as_ref(), &bias, pass);
            pass.hidden(&h);
        }
        if pass.ends_before(self.esm.encoder.layer.len()) {
            return h;
        }
        let h = norm(&layer_norm(hooks, &self.esm.encoder.emb_layer_norm_after), h, config.layer_norm_eps);
        pass.replace_last(&h);
        h
    }

    /// [`Self::forward`] with adapters and nothing else.
    pub fn encode(&self, batch: &TokenBatch, hooks: &dyn Hooks) -> Tensor<3> {
        self.forward(batch, &mut Pass::new().with_hooks(hooks))
    }

    /// Scores of every token at every position, [batch, seq, vocab].
    ///
    /// # Panics
    /// If the model was made without its masked-language head.
    pub fn lm_logits(&self, h: Tensor<3>, hooks: &dyn Hooks) -> Tensor<3> {
        let head = self.lm_head.as_ref().expect("a model made with its masked-language head");
        let h =
            norm(&layer_norm(hooks, &head.layer_norm), gelu(hooks.linear(&head.dense, h)), self.config.layer_norm_eps);
        let scores = match &head.decoder {
            Some(decoder) => hooks.linear(decoder, h),
            None => fused::linear(h, self.esm.embeddings.word_embeddings.weight.val().transpose(), None),
        };
        scores + vector(hooks, &head.bias).unsqueeze()
    }
}

impl Embeddings {
    fn forward(&self, batch: &TokenBatch, config: &NucleotideTransformerConfig, hooks: &dyn Hooks) -> Tensor<3> {
        let pad = config.pad_token_id;
        let mut words = lookup(&self.word_embeddings, &batch.ids, Some(pad), hooks); // [batch, seq, hidden]
        if let (true, Some(mask_token)) = (config.token_dropout, config.mask_token_id) {
            let kept = batch.ids.clone().not_equal_elem(mask_token).float(); // [batch, seq]
            let mask = batch.mask_or_ones();
            let masked = (mask.clone() - kept.clone() * mask.clone()).sum_dim(1); // [batch, 1]
            let masked = match config.mask_share {
                MaskShare::Padded => masked / batch.dims()[1] as f32,
                MaskShare::Tokens => masked / mask.sum_dim(1),
            };
            let scale = (masked.neg() + 1.0).recip() * (1.0 - MASKED_IN_TRAINING);
            words = words * (kept * scale).unsqueeze_dim(2);
        }
        let words = hooks.embeddings(words);
        let virtual_tokens = words.dims()[1] - batch.dims()[1];
        let mut h = words;
        if let Some(layer) = &self.position_embeddings {
            let positions = position_ids(batch, |_| 0, virtual_tokens, pad as usize + 1, i64::from(pad));
            h = h + lookup(layer, &positions, Some(pad), hooks);
        }
        if let Some(layer) = &self.layer_norm {
            h = norm(&layer_norm(hooks, layer), h, config.layer_norm_eps);
        }
        match &batch.mask {
            Some(mask) if virtual_tokens > 0 => {
                let seen = Tensor::ones([batch.dims()[0], virtual_tokens], &mask.device());
                h * Tensor::cat(vec![seen, mask.clone()], 1).unsqueeze_dim(2)
            }
            Some(mask) => h * mask.clone().unsqueeze_dim(2),
            None => h,
        }
    }
}

impl Layer {
    fn forward(
        &self,
        h: Tensor<3>,
        block: usize,
        config: &NucleotideTransformerConfig,
        rotary: Option<&Rotary>,
        bias: &Bias,
        pass: &mut Pass,
    ) -> Tensor<3> {
        let (hooks, heads, eps) = (pass.hooks(), config.num_attention_heads, config.layer_norm_eps);
        let x = norm(&layer_norm(hooks, &self.attention.LayerNorm), h.clone(), eps); // [batch, seq, hidden]
        let site = |layer: &Linear| split_heads(hooks.linear(layer, x.clone()), heads); // [batch, heads, seq, d_head]
        let turn = |x| match rotary {
            Some(rotary) => rotary.rotate(x),
            None => x,
        };
        let scale = ((x.dims()[2] / heads) as f32).sqrt().recip();
        let (q, k) = (site(&self.attention.self_.query), site(&self.attention.self_.key));
        let (k, v) = hooks.key_value(block, turn(k), site(&self.attention.self_.value));
        let context = attend(turn(q), k, v, bias, scale, pass); // [batch, seq, hidden]
        let h = h + hooks.linear(&self.attention.output.dense, context);

        let x = norm(&layer_norm(hooks, &self.LayerNorm), h.clone(), eps);
        let x = hooks.linear(&self.intermediate.dense, x); // [batch, seq, intermediate or 2·intermediate]
        let x = if config.add_bias_fnn.is_some() { glu_silu(x) } else { gelu(x) };
        h + hooks.linear(&self.output.dense, x)
    }
}
