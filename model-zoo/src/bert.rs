//! BERT, and with it DNABERT and MiniLM: an encoder with learned positions.
//!
//! Papers: Devlin et al., "BERT", NAACL 2019; Ji, Zhou, Liu, Davuluri, "DNABERT", Bioinformatics 2021; Wang et al.,
//! "MiniLM", NeurIPS 2020. Upstream code: transformers' `modeling_bert.py`; checkpoints `zhihan1996/DNA_bert_3` to `_6`,
//! `sentence-transformers/all-MiniLM-L6-v2`. Post-norm, exact (erf) GELU, decoder tied to the word embeddings.
//!
//! Known differences from upstream: dropout of the base is not applied; positions count tokens and not padding, so that
//! padding on the left changes nothing (the same where padding stands on the right). The transformers release that DNABERT
//! was trained with added the masked-language bias twice; it is added once here, as later releases do.

#![allow(non_snake_case, reason = "parameters bear their published names")]

use crate::attention::{Bias, attend, split_heads};
use crate::fused::{self, gelu, norm};
use crate::layers::{Dense, linear, lookup, position_ids};
use crate::{Pass, Pooling, TokenBatch};
use burn::module::{Module, Param};
use burn::nn::{Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, Linear};
use burn::tensor::activation::tanh;
use burn::tensor::{Device, Int, Tensor};
use peft_core::{Hooks, layer_norm, vector};
use serde::{Deserialize, Serialize};

/// Shape of a BERT model, under the names of its `config.json`. The defaults are BERT base.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BertConfig {
    /// Number of tokens. Default 30522.
    pub vocab_size: usize,
    /// Width of the hidden states. Default 768.
    pub hidden_size: usize,
    /// Number of layers. Default 12.
    pub num_hidden_layers: usize,
    /// Number of attention heads. Default 12.
    pub num_attention_heads: usize,
    /// Width inside the feed-forward layer. Default 3072.
    pub intermediate_size: usize,
    /// Longest sequence, in tokens. Default 512.
    pub max_position_embeddings: usize,
    /// Number of segments. Default 2.
    pub type_vocab_size: usize,
    /// Default 1e-12.
    pub layer_norm_eps: f64,
    /// Must be "gelu", the exact one.
    pub hidden_act: String,
    /// Must be "absolute".
    pub position_embedding_type: String,
    /// Row of the word embeddings whose look-up gets no gradient. Default 0.
    pub pad_token_id: u32,
    /// Spread of initial values. Default 0.02.
    pub initializer_range: f64,
}

impl Default for BertConfig {
    fn default() -> Self {
        Self {
            vocab_size: 30522,
            hidden_size: 768,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            intermediate_size: 3072,
            max_position_embeddings: 512,
            type_vocab_size: 2,
            layer_norm_eps: 1e-12,
            hidden_act: "gelu".into(),
            position_embedding_type: "absolute".into(),
            pad_token_id: 0,
            initializer_range: 0.02,
        }
    }
}

/// The encoder with the heads that stand beside it in a checkpoint; fields bear the published names.
#[derive(Module, Debug)]
pub struct Bert {
    bert: Body,
    cls: Option<OnlyMlmHead>,
    #[module(skip)]
    config: BertConfig,
}

#[derive(Module, Debug)]
struct Body {
    embeddings: Embeddings,
    encoder: Encoder,
    pooler: Option<Dense>,
}

#[derive(Module, Debug)]
struct Embeddings {
    word_embeddings: Embedding,
    position_embeddings: Embedding,
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
    intermediate: Dense, // [hidden, intermediate]
    output: DenseNorm,   // [intermediate, hidden]
}

#[derive(Module, Debug)]
struct Attention {
    self_: SelfAttention,
    output: DenseNorm,
}

#[derive(Module, Debug)]
struct SelfAttention {
    query: Linear,
    key: Linear,
    value: Linear,
}

#[derive(Module, Debug)]
struct DenseNorm {
    dense: Linear,
    LayerNorm: LayerNorm,
}

#[derive(Module, Debug)]
struct OnlyMlmHead {
    predictions: Predictions,
}

/// The decoder's matrix is the word embeddings; only its bias is a parameter.
#[derive(Module, Debug)]
struct Predictions {
    transform: DenseNorm,
    bias: Param<Tensor<1>>, // [vocab]
}

impl BertConfig {
    /// What makes this configuration one that this model cannot be, if anything does.
    pub fn unsupported(&self) -> Option<String> {
        if self.hidden_act != "gelu" {
            return Some(format!("hidden_act: expected \"gelu\", found {:?}", self.hidden_act));
        }
        if self.position_embedding_type != "absolute" {
            let found = &self.position_embedding_type;
            return Some(format!("position_embedding_type: expected \"absolute\", found {found:?}"));
        }
        (self.num_attention_heads == 0 || !self.hidden_size.is_multiple_of(self.num_attention_heads))
            .then(|| format!("hidden_size {} does not split into {} heads", self.hidden_size, self.num_attention_heads))
    }

    /// The model with lazy parameters: nothing is allocated until a checkpoint or [`crate::seed::initialise`] fills them.
    pub fn init(&self, mlm_head: bool, pooler: bool, device: &Device) -> Bert {
        let d = self.hidden_size;
        let norm = || LayerNormConfig::new(d).with_epsilon(self.layer_norm_eps).init(device);
        let dense_norm = |d_in| DenseNorm { dense: linear(d_in, d, true, device), LayerNorm: norm() };
        let table = |rows| EmbeddingConfig::new(rows, d).init(device);
        let layer = || Layer {
            attention: Attention {
                self_: SelfAttention {
                    query: linear(d, d, true, device),
                    key: linear(d, d, true, device),
                    value: linear(d, d, true, device),
                },
                output: dense_norm(d),
            },
            intermediate: Dense::new(d, self.intermediate_size, true, device),
            output: dense_norm(self.intermediate_size),
        };
        Bert {
            bert: Body {
                embeddings: Embeddings {
                    word_embeddings: table(self.vocab_size),
                    position_embeddings: table(self.max_position_embeddings),
                    token_type_embeddings: table(self.type_vocab_size),
                    LayerNorm: norm(),
                },
                encoder: Encoder { layer: (0..self.num_hidden_layers).map(|_| layer()).collect() },
                pooler: pooler.then(|| Dense::new(d, d, true, device)),
            },
            cls: mlm_head.then(|| OnlyMlmHead {
                predictions: Predictions {
                    transform: dense_norm(d),
                    bias: burn::nn::Initializer::Zeros.init([self.vocab_size], device),
                },
            }),
            config: self.clone(),
        }
    }
}

impl Bert {
    /// The model's shape.
    pub fn config(&self) -> &BertConfig {
        &self.config
    }

    /// True if the model has a pooler.
    pub fn has_pooler(&self) -> bool {
        self.bert.pooler.is_some()
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
        let bias = bias.prepared(heads, seq, rows, &h.device().inner());
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
        let head = &self.cls.as_ref().expect("a model made with its masked-language head").predictions;
        let h = gelu(hooks.linear(&head.transform.dense, h));
        let h = norm(&layer_norm(hooks, &head.transform.LayerNorm), h, self.config.layer_norm_eps);
        let words = self.bert.embeddings.word_embeddings.weight.val().transpose(); // [hidden, vocab]
        fused::linear(h, words, Some(vector(hooks, &head.bias)))
    }
}

impl Embeddings {
    fn forward(&self, batch: &TokenBatch, config: &BertConfig, hooks: &dyn Hooks) -> Tensor<3> {
        let words = lookup(&self.word_embeddings, &batch.ids, Some(config.pad_token_id), hooks);
        let words = hooks.embeddings(words); // [batch, seq, hidden]
        let virtual_tokens = words.dims()[1] - batch.dims()[1];
        let positions = position_ids(batch, |_| 0, virtual_tokens, 0, 0);
        let places = lookup(&self.position_embeddings, &positions, None, hooks);
        let types = segments(&self.token_type_embeddings, batch.type_ids.as_ref(), virtual_tokens, hooks);
        norm(&layer_norm(hooks, &self.LayerNorm), words + places + types, config.layer_norm_eps)
    }
}

/// Embeddings of the segments, [1 or batch, 1 or virtual + seq, hidden]; virtual tokens and tokens without one are of segment 0.
pub(crate) fn segments(
    layer: &Embedding,
    type_ids: Option<&Tensor<2, Int>>,
    virtual_tokens: usize,
    hooks: &dyn Hooks,
) -> Tensor<3> {
    let Some(ids) = type_ids else {
        let device = layer.weight.lazy_device();
        return lookup(layer, &Tensor::zeros([1, 1], &device.inner()), None, hooks);
    };
    let ids = match virtual_tokens {
        0 => ids.clone(),
        n => Tensor::cat(vec![Tensor::zeros([ids.dims()[0], n], &ids.device()), ids.clone()], 1),
    };
    lookup(layer, &ids, None, hooks)
}

impl Layer {
    fn forward(&self, h: Tensor<3>, block: usize, config: &BertConfig, bias: &Bias, pass: &mut Pass) -> Tensor<3> {
        let (hooks, heads, eps) = (pass.hooks(), config.num_attention_heads, config.layer_norm_eps);
        let site = |layer: &Linear| split_heads(hooks.linear(layer, h.clone()), heads); // [batch, heads, seq, d_head]
        let scale = ((h.dims()[2] / heads) as f32).sqrt().recip();
        let (k, v) = hooks.key_value(block, site(&self.attention.self_.key), site(&self.attention.self_.value));
        let context = attend(site(&self.attention.self_.query), k, v, bias, scale, pass); // [batch, seq, hidden]
        let out = hooks.linear(&self.attention.output.dense, context);
        let h = norm(&layer_norm(hooks, &self.attention.output.LayerNorm), out + h, eps);

        let x = gelu(hooks.linear(&self.intermediate.dense, h.clone())); // [batch, seq, intermediate]
        norm(&layer_norm(hooks, &self.output.LayerNorm), hooks.linear(&self.output.dense, x) + h, eps)
    }
}
