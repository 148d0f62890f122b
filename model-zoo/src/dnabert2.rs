//! DNABERT-2: a BERT encoder with ALiBi instead of a position table and a gated feed-forward layer.
//!
//! Paper: Zhou, Ji, Li, Dutta, Davuluri, Liu, "DNABERT-2", ICLR 2024. Upstream code: `bert_layers.py` beside the
//! checkpoint `zhihan1996/DNABERT-2-117M` (MosaicBERT's layers). Post-norm, exact (erf) GELU, decoder tied to the word
//! embeddings with a bias of its own.
//!
//! Known differences from upstream: padding is masked, not removed before the encoder, so the hidden states of padding
//! are arbitrary here and zero there; dropout of the base is not applied (a frozen base has no use for it).

#![allow(non_snake_case, reason = "parameters bear their published names")]

use crate::attention::{Bias, attend, split_heads};
use crate::bert::segments;
use crate::fused::{self, gelu, glu_gelu, norm};
use crate::layers::lookup;
use crate::{Pass, Pooling, TokenBatch};
use burn::module::Module;
use burn::nn::{Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::activation::tanh;
use burn::tensor::{Device, Tensor};
use peft_core::{Hooks, layer_norm, vector};
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

    /// The last hidden state, [batch, seq, hidden]; with prompt tuning's virtual tokens `seq` grows by their number.
    pub fn forward(&self, batch: &TokenBatch, pass: &mut Pass) -> Tensor<3> {
        let (config, hooks) = (&self.config, pass.hooks());
        let embed = || self.bert.embeddings.forward(batch, config, hooks);
        let mut h = pass.input().unwrap_or_else(embed); // [batch, seq, hidden]
        pass.hidden(&h);
        let ([rows, seq, _], heads) = (h.dims(), config.num_attention_heads);
        let prefix = hooks.prefix_len();
        let bias = Bias::new(seq, prefix + seq, prefix, batch.mask.as_ref());
        let bias = bias.alibi(heads).prepared(heads, seq, rows, &h.device().inner());
        for (i, layer) in pass.layers(&self.bert.encoder.layer) {
            h = layer.forward(h, i, config, &bias, pass);
            pass.hidden(&h);
        }
        h
    }

    /// tanh of a dense layer on the first token of the last hidden state, [batch, hidden], if the checkpoint has a pooler.
    pub fn pool(&self, h: &Tensor<3>, batch: &TokenBatch, hooks: &dyn Hooks) -> Option<Tensor<2>> {
        let pooler = self.bert.pooler.as_ref()?;
        Some(tanh(peft_core::linear(hooks, &pooler.dense, Pooling::Cls.pool(h.clone(), batch))))
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
        let head = &self.cls.as_ref().expect("a model made with Parts::mlm_head").predictions;
        let h = gelu(hooks.linear(&head.transform.dense, h));
        let h = norm(&layer_norm(hooks, &head.transform.LayerNorm), h, self.config.layer_norm_eps);
        let words = self.bert.embeddings.word_embeddings.weight.val().transpose(); // [hidden, vocab]
        fused::linear(h, words, Some(vector(hooks, &head.decoder.bias)))
    }
}

impl Bert {
    /// True if the model has a pooler.
    pub fn has_pooler(&self) -> bool {
        self.pooler.is_some()
    }
}

impl Embeddings {
    fn forward(&self, batch: &TokenBatch, config: &Dnabert2Config, hooks: &dyn Hooks) -> Tensor<3> {
        let words = lookup(&self.word_embeddings, &batch.ids, Some(config.pad_token_id), hooks);
        let words = hooks.embeddings(words); // [batch, seq, hidden]
        let virtual_tokens = words.dims()[1] - batch.dims()[1];
        let types = segments(&self.token_type_embeddings, batch.type_ids.as_ref(), virtual_tokens, hooks);
        norm(&layer_norm(hooks, &self.LayerNorm), words + types, config.layer_norm_eps)
    }
}

impl Layer {
    fn forward(&self, h: Tensor<3>, block: usize, config: &Dnabert2Config, bias: &Bias, pass: &mut Pass) -> Tensor<3> {
        let (hooks, heads, eps) = (pass.hooks(), config.num_attention_heads, config.layer_norm_eps);
        let [_, _, d] = h.dims();
        let qkv = hooks.linear(&self.attention.self_.Wqkv, h.clone()); // [batch, seq, 3·hidden]
        let part = |i: usize| split_heads(qkv.clone().narrow(2, i * d, d), heads); // [batch, heads, seq, d_head]
        let (k, v) = hooks.key_value(block, part(1), part(2));
        let scale = ((d / heads) as f32).sqrt().recip();
        let context = attend(part(0), k, v, bias, scale, pass); // [batch, seq, hidden]
        let out = hooks.linear(&self.attention.output.dense, context);
        let h = norm(&layer_norm(hooks, &self.attention.output.LayerNorm), out + h, eps);

        let gated = hooks.linear(&self.mlp.gated_layers, h.clone()); // [batch, seq, 2·intermediate]
        let out = hooks.linear(&self.mlp.wo, glu_gelu(gated)); // [batch, seq, hidden]
        norm(&layer_norm(hooks, &self.mlp.layernorm), out + h, eps)
    }
}
