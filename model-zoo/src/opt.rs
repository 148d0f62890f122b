//! OPT: GPT-3's decoder with learned positions.
//!
//! Paper: Zhang et al., "OPT: Open Pre-trained Transformer Language Models", 2022. Upstream code: transformers'
//! `modeling_opt.py`; checkpoints `facebook/opt-*`. ReLU, biases everywhere, output matrix tied to the word embeddings.
//! Layer norms stand before attention and feed-forward layer, but after them in opt-350m, which also has word embeddings
//! narrower than its hidden states, with a projection in and one out, and no final layer norm.
//!
//! Positions count the tokens that are not padding and start at row 2 of the table; padding reads row 1.
//!
//! Known differences from upstream: dropout and layer drop of the base are not applied.

use crate::attention::{attend, split_heads};
use crate::causal::Steps;
use crate::fused::{self, gelu, norm, site};
use crate::layers::{linear, lookup, position_ids};
use crate::{Pass, TokenBatch};
use burn::module::Module;
use burn::nn::{Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, Linear};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use peft_core::{Hooks, layer_norm};
use serde::{Deserialize, Serialize};

/// Rows of the table of positions that stand before position 0.
const OFFSET: usize = 2;

/// Shape of an OPT model, under the names of its `config.json`. The defaults are opt-125m.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OptConfig {
    /// Number of tokens. Default 50272.
    pub vocab_size: usize,
    /// Width of the hidden states. Default 768.
    pub hidden_size: usize,
    /// Number of layers. Default 12.
    pub num_hidden_layers: usize,
    /// Number of attention heads. Default 12.
    pub num_attention_heads: usize,
    /// Width inside the feed-forward layer. Default 3072.
    pub ffn_dim: usize,
    /// Longest sequence, in tokens. Default 2048.
    pub max_position_embeddings: usize,
    /// Width of the word embeddings; the width of the hidden states where it is not given.
    pub word_embed_proj_dim: Option<usize>,
    /// Layer norms before the sublayers, or after them as in opt-350m. Default true.
    pub do_layer_norm_before: bool,
    /// Some early checkpoints were saved without the final layer norm. Default false.
    #[serde(rename = "_remove_final_layer_norm")]
    pub remove_final_layer_norm: bool,
    /// "relu" (default) or "gelu".
    pub activation_function: String,
    /// Biases of the linear layers. Default true.
    pub enable_bias: bool,
    /// Must be true.
    pub layer_norm_elementwise_affine: bool,
    /// The output matrix is the word embeddings. Default true.
    pub tie_word_embeddings: bool,
    /// Token that pads; its look-up gets no gradient. Default 1.
    pub pad_token_id: Option<u32>,
    /// First token of a text. Default 2.
    pub bos_token_id: Option<u32>,
    /// Last token of a text. Default 2.
    pub eos_token_id: Option<u32>,
    /// Spread of initial values. Default 0.02.
    pub init_std: f64,
}

impl Default for OptConfig {
    fn default() -> Self {
        Self {
            vocab_size: 50272,
            hidden_size: 768,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            ffn_dim: 3072,
            max_position_embeddings: 2048,
            word_embed_proj_dim: None,
            do_layer_norm_before: true,
            remove_final_layer_norm: false,
            activation_function: "relu".into(),
            enable_bias: true,
            layer_norm_elementwise_affine: true,
            tie_word_embeddings: true,
            pad_token_id: Some(1),
            bos_token_id: Some(2),
            eos_token_id: Some(2),
            init_std: 0.02,
        }
    }
}

/// The decoder with the head that stands beside it; fields bear the published names.
#[derive(Module, Debug)]
pub struct Opt {
    model: Model,
    lm_head: Option<Linear>, // [embed, vocab], no bias; only where it is not tied
    #[module(skip)]
    config: OptConfig,
}

#[derive(Module, Debug)]
struct Model {
    decoder: Decoder,
}

#[derive(Module, Debug)]
struct Decoder {
    embed_tokens: Embedding,     // [vocab, embed]
    embed_positions: Embedding,  // [max + 2, hidden]
    project_in: Option<Linear>,  // [embed, hidden], no bias
    project_out: Option<Linear>, // [hidden, embed], no bias
    final_layer_norm: Option<LayerNorm>,
    layers: Vec<Layer>,
}

#[derive(Module, Debug)]
struct Layer {
    self_attn: SelfAttention,
    self_attn_layer_norm: LayerNorm,
    fc1: Linear, // [hidden, ffn]
    fc2: Linear, // [ffn, hidden]
    final_layer_norm: LayerNorm,
}

#[derive(Module, Debug)]
struct SelfAttention {
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    out_proj: Linear,
}

impl OptConfig {
    /// Width of the word embeddings and of what the model hands on.
    pub fn embed_dim(&self) -> usize {
        self.word_embed_proj_dim.unwrap_or(self.hidden_size)
    }

    /// What makes this configuration one that this model cannot be, if anything does.
    pub fn unsupported(&self) -> Option<String> {
        if !matches!(self.activation_function.as_str(), "relu" | "gelu") {
            return Some(format!(
                "activation_function: expected \"relu\" or \"gelu\", found {:?}",
                self.activation_function
            ));
        }
        if !self.layer_norm_elementwise_affine {
            return Some("layer_norm_elementwise_affine: expected true, found false".into());
        }
        (self.num_attention_heads == 0 || !self.hidden_size.is_multiple_of(self.num_attention_heads))
            .then(|| format!("hidden_size {} does not split into {} heads", self.hidden_size, self.num_attention_heads))
    }

    /// The model with lazy parameters: nothing is allocated until a checkpoint or [`crate::seed::initialise`] fills them.
    /// `lm_head`: with an output matrix, if it is a parameter of its own.
    pub fn init(&self, lm_head: bool, device: &Device) -> Opt {
        let (d, embed, bias) = (self.hidden_size, self.embed_dim(), self.enable_bias);
        let norm = || LayerNormConfig::new(d).init(device);
        let layer = || Layer {
            self_attn: SelfAttention {
                q_proj: linear(d, d, bias, device),
                k_proj: linear(d, d, bias, device),
                v_proj: linear(d, d, bias, device),
                out_proj: linear(d, d, bias, device),
            },
            self_attn_layer_norm: norm(),
            fc1: linear(d, self.ffn_dim, bias, device),
            fc2: linear(self.ffn_dim, d, bias, device),
            final_layer_norm: norm(),
        };
        let projected = embed != d;
        Opt {
            model: Model {
                decoder: Decoder {
                    embed_tokens: EmbeddingConfig::new(self.vocab_size, embed).init(device),
                    embed_positions: EmbeddingConfig::new(self.max_position_embeddings + OFFSET, d).init(device),
                    project_in: projected.then(|| linear(embed, d, false, device)),
                    project_out: projected.then(|| linear(d, embed, false, device)),
                    final_layer_norm: (self.do_layer_norm_before && !self.remove_final_layer_norm).then(norm),
                    layers: (0..self.num_hidden_layers).map(|_| layer()).collect(),
                },
            },
            lm_head: (lm_head && !self.tie_word_embeddings).then(|| linear(embed, self.vocab_size, false, device)),
            config: self.clone(),
        }
    }
}

impl Opt {
    /// The model's shape.
    pub fn config(&self) -> &OptConfig {
        &self.config
    }

    /// What the model hands on, [batch, seq, embed]; with prompt tuning's virtual tokens `seq` grows by their number.
    pub fn forward(&self, batch: &TokenBatch, pass: &mut Pass) -> Tensor<3> {
        let (decoder, config, hooks) = (&self.model.decoder, &self.config, pass.hooks());
        let steps = Steps::begin(batch, pass);
        let mut h = pass.input().unwrap_or_else(|| self.embed(batch, &steps, hooks)); // [batch, seq, hidden]
        let (rows, seq) = (h.dims()[0], h.dims()[1]);
        pass.hidden(&h);
        let bias = steps.bias(config.num_attention_heads, seq, rows, &h.device().inner());
        for (i, layer) in pass.layers(&decoder.layers) {
            h = layer.forward(h, config, |k, v, pass| steps.keys(i, k, v, pass), &bias, pass);
            pass.hidden(&h);
        }
        if pass.ends_before(decoder.layers.len()) {
            return h;
        }
        if let Some(layer) = &decoder.final_layer_norm {
            h = norm(&layer_norm(hooks, layer), h, EPS);
        }
        if let Some(layer) = &decoder.project_out {
            h = site(hooks, layer, h);
        }
        pass.replace_last(&h);
        h
    }

    /// Words and positions, [batch, seq, hidden].
    fn embed(&self, batch: &TokenBatch, steps: &Steps, hooks: &dyn Hooks) -> Tensor<3> {
        let decoder = &self.model.decoder;
        let words = lookup(&decoder.embed_tokens, &batch.ids, self.config.pad_token_id, hooks); // [batch, seq, embed]
        let words = steps.embeddings(words, hooks);
        let virtual_tokens = words.dims()[1] - batch.dims()[1];
        let words = match &decoder.project_in {
            Some(layer) => site(hooks, layer, words),
            None => words,
        }; // [batch, seq, hidden]
        let positions = position_ids(batch, |row| steps.taken(row, hooks), virtual_tokens, OFFSET, OFFSET as i64 - 1);
        words + lookup(&decoder.embed_positions, &positions, None, hooks)
    }

    /// [`Self::forward`] with adapters and nothing else.
    pub fn encode(&self, batch: &TokenBatch, hooks: &dyn Hooks) -> Tensor<3> {
        self.forward(batch, &mut Pass::new().with_hooks(hooks))
    }

    /// Scores of the next token at every position, [batch, seq, vocab], from what [`Opt::forward`] hands on.
    ///
    /// # Panics
    /// If the head is not tied to the embeddings and the model was made without it.
    pub fn lm_logits(&self, h: Tensor<3>, hooks: &dyn Hooks) -> Tensor<3> {
        match &self.lm_head {
            Some(layer) => site(hooks, layer, h),
            None => {
                assert!(self.config.tie_word_embeddings, "a model made with its language-model head");
                fused::linear(h, self.model.decoder.embed_tokens.weight.val().transpose(), None)
            }
        }
    }
}

/// PyTorch's default, which OPT never changes.
const EPS: f64 = 1e-5;

impl Layer {
    fn forward(
        &self,
        h: Tensor<3>,
        config: &OptConfig,
        keys: impl FnOnce(Tensor<4>, Tensor<4>, &mut Pass) -> (Tensor<4>, Tensor<4>),
        bias: &crate::attention::Bias,
        pass: &mut Pass,
    ) -> Tensor<3> {
        let (hooks, heads, before) = (pass.hooks(), config.num_attention_heads, config.do_layer_norm_before);
        let around = |layer: &LayerNorm, h: Tensor<3>, here: bool| {
            if here { norm(&layer_norm(hooks, layer), h, EPS) } else { h }
        };

        let x = around(&self.self_attn_layer_norm, h.clone(), before); // [batch, seq, hidden]
        let project = |layer: &Linear| split_heads(site(hooks, layer, x.clone()), heads); // [batch, heads, seq, d_head]
        let scale = ((h.dims()[2] / heads) as f32).sqrt().recip();
        let (k, v) = keys(project(&self.self_attn.k_proj), project(&self.self_attn.v_proj), pass);
        let context = attend(project(&self.self_attn.q_proj), k, v, bias, scale, pass); // [batch, seq, hidden]
        let h = h + site(hooks, &self.self_attn.out_proj, context);
        let h = around(&self.self_attn_layer_norm, h, !before);

        let x = around(&self.final_layer_norm, h.clone(), before);
        let x = site(hooks, &self.fc1, x); // [batch, seq, ffn]
        let x = if config.activation_function == "gelu" { gelu(x) } else { relu(x) };
        let h = h + site(hooks, &self.fc2, x);
        around(&self.final_layer_norm, h, !before)
    }
}
