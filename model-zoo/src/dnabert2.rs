//! DNABERT-2: a BERT encoder with ALiBi instead of a position table and a gated feed-forward layer.
//!
//! Paper: Zhou, Ji, Li, Dutta, Davuluri, Liu, "DNABERT-2", ICLR 2024. Upstream code: `bert_layers.py` beside the
//! checkpoint `zhihan1996/DNABERT-2-117M` (MosaicBERT's layers). Post-norm, exact (erf) GELU, decoder tied to the word
//! embeddings with a bias of its own.
//!
//! Known differences from upstream: padding is masked, not removed before the encoder, so the hidden states of padding
//! are arbitrary here and zero there; dropout of the base is not applied (a frozen base has no use for it).

#![allow(non_snake_case, reason = "parameters bear their published names")]

use crate::attention::{alibi_bias, join_heads, key_bias, split_heads};
use crate::batch::TokenBatch;
use crate::fused::{attention, gelu, glu_gelu, norm};
use burn::module::Module;
use burn::nn::{Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::activation::tanh;
use burn::tensor::module::embedding;
use burn::tensor::{Device, Int, Tensor};
use peft_core::Hooks;
use serde::{Deserialize, Serialize};

/// Shape of a DNABERT-2 model, under the names of its `config.json`. The defaults are the published 117M model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dnabert2Config {
    /// Number of tokens. Default 4096.
    pub vocab_size: usize,
    /// Width of the hidden states. Default 768.
    pub hidden_size: usize,
    /// Number of layers. Default 12.
    pub num_hidden_layers: usize,
    /// Number of attention heads. Default 12.
    pub num_attention_heads: usize,
    /// Width inside the feed-forward layer. Default 3072.
    pub intermediate_size: usize,
    /// Number of segments. Default 2.
    pub type_vocab_size: usize,
    /// Default 1e-12.
    pub layer_norm_eps: f64,
    /// Row of the word embeddings whose look-up gets no gradient (BertConfig's default 0, whatever the tokenizer pads with).
    pub pad_token_id: u32,
    /// Spread of initial values. Default 0.02.
    pub initializer_range: f64,
}

impl Default for Dnabert2Config {
    fn default() -> Self {
        Self {
            vocab_size: 4096,
            hidden_size: 768,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            intermediate_size: 3072,
            type_vocab_size: 2,
            layer_norm_eps: 1e-12,
            pad_token_id: 0,
            initializer_range: 0.02,
        }
    }
}

/// The encoder with the heads that stand beside it in a checkpoint; fields bear the published names.
#[derive(Module, Debug)]
pub struct Dnabert2 {
    /// The encoder.
    pub bert: Bert,
    /// The masked-language head.
    pub cls: Option<OnlyMlmHead>,
    #[module(skip)]
    config: Dnabert2Config,
}

/// Embeddings, encoder and pooler (`bert.*`).
#[derive(Module, Debug)]
pub struct Bert {
    embeddings: Embeddings,
    encoder: Encoder,
    pooler: Option<Pooler>,
}

#[derive(Module, Debug)]
struct Embeddings {
    word_embeddings: Embedding,
    token_type_embeddings: Embedding,
    LayerNorm: LayerNorm,
}

#[derive(Module, Debug)]
struct Encoder {
    layer: Vec<Layer>,
}

#[derive(Module, Debug)]
struct Layer {
    attention: Attention,
    mlp: GatedMlp,
}

#[derive(Module, Debug)]
struct Attention {
    self_: SelfAttention,
    output: AttentionOutput,
}

#[derive(Module, Debug)]
struct SelfAttention {
    Wqkv: Linear, // [hidden, 3·hidden]
}

#[derive(Module, Debug)]
struct AttentionOutput {
    dense: Linear,
    LayerNorm: LayerNorm,
}

#[derive(Module, Debug)]
struct GatedMlp {
    gated_layers: Linear, // [hidden, 2·intermediate], no bias
    wo: Linear,           // [intermediate, hidden]
    layernorm: LayerNorm,
}

/// tanh of a dense layer on the first token.
#[derive(Module, Debug)]
pub struct Pooler {
    dense: Linear,
}

/// `cls.predictions`.
#[derive(Module, Debug)]
pub struct OnlyMlmHead {
    predictions: Predictions,
}

#[derive(Module, Debug)]
struct Predictions {
    transform: Transform,
    decoder: DecoderBias,
}

#[derive(Module, Debug)]
struct Transform {
    dense: Linear,
    LayerNorm: LayerNorm,
}

/// The decoder's matrix is the word embeddings; only its bias is a parameter.
#[derive(Module, Debug)]
struct DecoderBias {
    bias: burn::module::Param<Tensor<1>>, // [vocab]
}

impl Dnabert2Config {
    /// The model with lazy parameters: nothing is allocated until a checkpoint or [`crate::seed::initialise`] fills them.
    pub fn init(&self, parts: Parts, device: &Device) -> Dnabert2 {
        let d = self.hidden_size;
        let linear = |d_in, d_out, bias| LinearConfig::new(d_in, d_out).with_bias(bias).init(device);
        let norm = || LayerNormConfig::new(d).with_epsilon(self.layer_norm_eps).init(device);
        let layer = || Layer {
            attention: Attention {
                self_: SelfAttention { Wqkv: linear(d, 3 * d, true) },
                output: AttentionOutput { dense: linear(d, d, true), LayerNorm: norm() },
            },
            mlp: GatedMlp {
                gated_layers: linear(d, 2 * self.intermediate_size, false),
                wo: linear(self.intermediate_size, d, true),
                layernorm: norm(),
            },
        };
        let cls = parts.mlm_head.then(|| OnlyMlmHead {
            predictions: Predictions {
                transform: Transform { dense: linear(d, d, true), LayerNorm: norm() },
                decoder: DecoderBias { bias: burn::nn::Initializer::Zeros.init([self.vocab_size], device) },
            },
        });
        Dnabert2 {
            bert: Bert {
                embeddings: Embeddings {
                    word_embeddings: EmbeddingConfig::new(self.vocab_size, d).init(device),
                    token_type_embeddings: EmbeddingConfig::new(self.type_vocab_size, d).init(device),
                    LayerNorm: norm(),
                },
                encoder: Encoder { layer: (0..self.num_hidden_layers).map(|_| layer()).collect() },
                pooler: parts.pooler.then(|| Pooler { dense: linear(d, d, true) }),
            },
            cls,
            config: self.clone(),
        }
    }
}

/// Which parts besides the encoder a model has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    /// The masked-language head.
    pub mlm_head: bool,
    /// The pooler, a layer on the first token.
    pub pooler: bool,
}

impl Dnabert2 {
    /// The model's shape.
    pub fn config(&self) -> &Dnabert2Config {
        &self.config
    }

    /// Hidden states: first the embeddings, then the output of each layer, [batch, seq, hidden] each. With prompt
    /// tuning's virtual tokens `seq` grows by their number.
    pub fn hidden_states(&self, batch: &TokenBatch, hooks: &dyn Hooks) -> Vec<Tensor<3>> {
        let mut states = Vec::with_capacity(self.config.num_hidden_layers + 1);
        self.run(batch, hooks, |h| states.push(h.clone()));
        states
    }

    /// The last hidden state, [batch, seq, hidden].
    pub fn encode(&self, batch: &TokenBatch, hooks: &dyn Hooks) -> Tensor<3> {
        self.run(batch, hooks, |_| ())
    }

    fn run(&self, batch: &TokenBatch, hooks: &dyn Hooks, mut each: impl FnMut(&Tensor<3>)) -> Tensor<3> {
        let heads = self.config.num_attention_heads;
        let mut h = hooks.embeddings(self.bert.embeddings.forward(batch, &self.config)); // [batch, seq, hidden]
        each(&h);
        let [_, seq, _] = h.dims();
        // Virtual tokens stand before the sequence and are always seen, as a prefix of keys is.
        let before = hooks.prefix_len() + hooks.virtual_tokens();
        let mut bias = alibi_bias(heads, seq, hooks.prefix_len(), &h.device().inner()); // [1, heads, seq, keys]
        if let Some(mask) = &batch.mask {
            bias = bias + key_bias(mask, before); // [batch, heads, seq, keys]
        }
        for (i, layer) in self.bert.encoder.layer.iter().enumerate() {
            h = layer.forward(h, i, &self.config, bias.clone(), hooks);
            each(&h);
        }
        h
    }

    /// Pooled first token, [batch, hidden], if the checkpoint has a pooler.
    pub fn pool(&self, h: Tensor<3>, hooks: &dyn Hooks) -> Option<Tensor<2>> {
        let [batch, _, d] = h.dims();
        let pooler = self.bert.pooler.as_ref()?;
        let first = h.slice([0..batch, 0..1, 0..d]); // [batch, 1, hidden]
        Some(tanh(hooks.linear(&pooler.dense, first)).reshape([batch, d]))
    }

    /// Scores of every token at every position, [batch, seq, vocab].
    ///
    /// # Panics
    /// If the model was made without its masked-language head.
    pub fn mlm_logits(&self, h: Tensor<3>) -> Tensor<3> {
        let head = &self.cls.as_ref().expect("a model made with Parts::mlm_head").predictions;
        let h = norm(&head.transform.LayerNorm, gelu(head.transform.dense.forward(h)), self.config.layer_norm_eps);
        let words = self.bert.embeddings.word_embeddings.weight.val().transpose(); // [hidden, vocab]
        h.matmul(words.unsqueeze()) + head.decoder.bias.val().unsqueeze()
    }
}

impl Bert {
    /// True if the model has a pooler.
    pub fn has_pooler(&self) -> bool {
        self.pooler.is_some()
    }
}

impl Embeddings {
    fn forward(&self, batch: &TokenBatch, config: &Dnabert2Config) -> Tensor<3> {
        let words = lookup(&self.word_embeddings, batch.ids.clone(), config.pad_token_id); // [batch, seq, hidden]
        let types = match &batch.type_ids {
            Some(ids) => self.token_type_embeddings.forward(ids.clone()),
            None => self.token_type_embeddings.weight.val().narrow(0, 0, 1).unsqueeze(),
        };
        norm(&self.LayerNorm, words + types, config.layer_norm_eps)
    }
}

/// Embedding whose padding row gets no gradient from the look-up, as torch's `padding_idx` does.
fn lookup(layer: &Embedding, ids: Tensor<2, Int>, padding: u32) -> Tensor<3> {
    let weight = layer.weight.val();
    if !weight.is_require_grad() {
        return embedding(weight, ids);
    }
    let is_padding = ids.clone().equal_elem(padding); // [batch, seq]
    let found = embedding(weight, ids); // [batch, seq, hidden]
    let is_padding = is_padding.unsqueeze_dim::<3>(2).expand(found.dims());
    found.clone().mask_where(is_padding, found.detach())
}

impl Layer {
    fn forward(
        &self,
        h: Tensor<3>,
        block: usize,
        config: &Dnabert2Config,
        bias: Tensor<4>,
        hooks: &dyn Hooks,
    ) -> Tensor<3> {
        let (heads, eps) = (config.num_attention_heads, config.layer_norm_eps);
        let [_, _, d] = h.dims();
        let qkv = hooks.linear(&self.attention.self_.Wqkv, h.clone()); // [batch, seq, 3·hidden]
        let part = |i: usize| split_heads(qkv.clone().narrow(2, i * d, d), heads); // [batch, heads, seq, d_head]
        let (k, v) = hooks.key_value(block, part(1), part(2));
        let scale = ((d / heads) as f32).sqrt().recip();
        let context = join_heads(attention(part(0), k, v, Some(bias), scale)); // [batch, seq, hidden]
        let out = hooks.linear(&self.attention.output.dense, context);
        let h = norm(&self.attention.output.LayerNorm, out + h, eps);

        let gated = hooks.linear(&self.mlp.gated_layers, h.clone()); // [batch, seq, 2·intermediate]
        let out = hooks.linear(&self.mlp.wo, glu_gelu(gated)); // [batch, seq, hidden]
        norm(&self.mlp.layernorm, out + h, eps)
    }
}
