//! P-tuning: virtual tokens that a small network makes of trained embeddings.
//!
//! Liu et al. 2021, "GPT Understands, Too", arXiv 2103.10385, section 3.2:
//!
//! ```text
//! MLP    P = relu(relu(E W0 + b0) W2 + b2) W4 + b4          W: mlp_head
//! LSTM   P = relu(BiLSTM(E) W0 + b0) W2 + b2                BiLSTM: lstm_head
//! ```
//!
//! Reference: PEFT's `peft/tuners/p_tuning/model.py`, which saves P and not the network. No known difference.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use peft_core::{Error, FolderConfig, Hooks, HostTensor};
use serde::{Deserialize, Serialize};

use crate::fields::{check_submodules, null_is_default, one, product};
use crate::lstm::BiLstm;
use crate::method::{prepend, table};
use crate::parameters::{Source, named, named_linear};
use crate::shape::{settle, settled};
use crate::start::{linear, normal, stream};
use crate::{ModelShape, Prompt, PromptMethod, Result, Vocabulary};

/// Which network makes the virtual tokens, in PEFT's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Reparameterization {
    /// Three layers.
    #[default]
    Mlp,
    /// A bidirectional LSTM and two layers.
    Lstm,
}

/// P-tuning's settings. Field names, JSON and defaults are those of PEFT's `PromptEncoderConfig`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PTuningConfig {
    /// Tokens before the sequence.
    pub num_virtual_tokens: usize,
    /// The network. Default [`Reparameterization::Mlp`].
    #[serde(default)]
    pub encoder_reparameterization_type: Reparameterization,
    /// Width inside the network; of the LSTM, in each direction. Default `token_dim`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder_hidden_size: Option<usize>,
    /// Layers of the LSTM; the MLP always has three. Default 2.
    #[serde(default = "two")]
    pub encoder_num_layers: usize,
    /// Dropout between the layers of the LSTM. Only 0, the default, is supported; without an effect on the MLP, as in PEFT.
    #[serde(default)]
    pub encoder_dropout: f64,
    /// Width of the word embeddings. Follows from the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_dim: Option<usize>,
    /// Heads of the model, which PEFT notes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub num_attention_heads: Option<usize>,
    /// Blocks of the model, which PEFT notes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub num_layers: Option<usize>,
    /// Must be 1: PEFT has 2 for encoder-decoder models.
    #[serde(default = "one")]
    pub num_transformer_submodules: usize,
    /// Modules that are trained whole and saved beside the prompt: the head. Default none.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub modules_to_save: Vec<String>,
    /// What the adapted model is for, in PEFT's words: `SEQ_CLS`, `CAUSAL_LM`. Default none.
    #[serde(default)]
    pub task_type: Option<String>,
}

fn two() -> usize {
    2
}

impl PTuningConfig {
    /// PEFT's defaults, for so many virtual tokens.
    pub fn new(num_virtual_tokens: usize) -> Self {
        PTuningConfig {
            num_virtual_tokens,
            encoder_reparameterization_type: Reparameterization::Mlp,
            encoder_hidden_size: None,
            encoder_num_layers: two(),
            encoder_dropout: 0.0,
            token_dim: None,
            num_attention_heads: None,
            num_layers: None,
            num_transformer_submodules: 1,
            modules_to_save: Vec::new(),
            task_type: None,
        }
    }
}

impl FolderConfig for PTuningConfig {
    const PEFT_TYPE: &'static str = "P_TUNING";

    const FIELDS: &'static [&'static str] = &[
        "num_virtual_tokens",
        "encoder_reparameterization_type",
        "encoder_hidden_size",
        "encoder_num_layers",
        "encoder_dropout",
        "token_dim",
        "num_attention_heads",
        "num_layers",
        "num_transformer_submodules",
        "modules_to_save",
        "task_type",
    ];

    fn check(&self) -> peft_core::Result<()> {
        check_submodules(self.num_transformer_submodules)?;
        if self.encoder_hidden_size == Some(0) {
            return Err(Error::config("encoder_hidden_size", 0, "must be at least 1"));
        }
        if self.encoder_reparameterization_type == Reparameterization::Lstm {
            if self.encoder_num_layers == 0 {
                return Err(Error::config("encoder_num_layers", 0, "an LSTM has at least one layer"));
            }
            if self.encoder_dropout != 0.0 {
                return Err(Error::config("encoder_dropout", self.encoder_dropout, "only 0 is supported"));
            }
        }
        Ok(())
    }
}

/// Virtual tokens and the network that makes them; read from a folder, the virtual tokens alone.
#[derive(Module, Debug)]
pub struct PromptEncoder {
    /// E: [virtual tokens, d_embed].
    pub embedding: Param<Tensor<2>>,
    /// [virtual tokens, d_embed] to [virtual tokens, 2·hidden].
    pub lstm_head: Option<BiLstm>,
    /// The layers, with ReLU between them; none in a prompt that was read from a folder.
    pub mlp_head: Vec<Linear>,
}

impl Hooks for PromptEncoder {
    fn skips(&self, _layer: &Linear) -> bool {
        true
    }

    fn embeddings(&self, h: Tensor<3>) -> Tensor<3> {
        if self.virtual_tokens() == 0 { h } else { prepend(self.prompt_embeddings(), h) }
    }

    fn virtual_tokens(&self) -> usize {
        self.embedding.lazy_shape()[0]
    }
}

impl Prompt for PromptEncoder {
    fn prompt_embeddings(&self) -> Tensor<2> {
        let mut x = self.embedding.val();
        if x.dims()[0] == 0 {
            return x;
        }
        if let Some(lstm) = &self.lstm_head {
            x = lstm.forward(x); // [virtual tokens, 2·hidden]
        }
        for (i, layer) in self.mlp_head.iter().enumerate() {
            x = layer.forward(if i == 0 { x } else { relu(x) });
        }
        x // [virtual tokens, d_embed]
    }

    fn parameters(&self) -> Vec<(String, HostTensor)> {
        let mut all = vec![named("embedding.weight", &self.embedding)];
        all.extend(self.lstm_head.iter().flat_map(|lstm| lstm.parameters("lstm_head")));
        all.extend(self.mlp_head.iter().enumerate().flat_map(|(i, layer)| named_linear(&mlp_name(i), layer)));
        all
    }

    fn with_parameters(self, source: &mut Source<'_>) -> peft_core::Result<Self> {
        let embedding = source.fill("embedding.weight", self.embedding)?;
        let lstm_head = self.lstm_head.map(|lstm| lstm.filled("lstm_head", source)).transpose()?;
        let layers = self.mlp_head.into_iter().enumerate();
        let mlp_head = layers.map(|(i, layer)| source.fill_linear(&mlp_name(i), layer)).collect::<Result<_, _>>()?;
        Ok(PromptEncoder { embedding, lstm_head, mlp_head })
    }
}

/// Between the layers stand activations, which torch counts.
fn mlp_name(layer: usize) -> String {
    format!("mlp_head.{}", 2 * layer)
}

impl PromptMethod for PTuningConfig {
    type Prompt = PromptEncoder;

    fn for_model(mut self, model: &ModelShape) -> Result<Self> {
        settle("token_dim", &mut self.token_dim, model.d_embed)?;
        settle("num_attention_heads", &mut self.num_attention_heads, model.heads)?;
        settle("num_layers", &mut self.num_layers, model.layers)?;
        self.encoder_hidden_size.get_or_insert(model.d_embed);
        self.check()?;
        Ok(self)
    }

    fn shape(&self) -> Result<[usize; 2]> {
        let d = settled("token_dim", self.token_dim)?;
        product("num_virtual_tokens", &[self.num_virtual_tokens, d])?;
        Ok([self.num_virtual_tokens, d])
    }

    /// Embeddings from N(0, 1) and a network as torch's: PEFT's start. `vocabulary` is not looked at.
    fn init(&self, _vocabulary: Vocabulary<'_>, seed: u64, device: &Device) -> Result<PromptEncoder> {
        self.check()?;
        let [n, d] = self.shape()?;
        let hidden = self.encoder_hidden_size.unwrap_or(d);
        let rng = &mut stream(seed, "p-tuning");
        let embedding = table(normal(rng, n * d), [n, d], device);
        let (lstm_head, widths) = match self.encoder_reparameterization_type {
            Reparameterization::Mlp => (None, vec![d, hidden, hidden, d]),
            Reparameterization::Lstm => {
                let lstm = BiLstm::init(rng, d, hidden, self.encoder_num_layers, device);
                (Some(lstm), vec![2 * hidden, 2 * hidden, d])
            }
        };
        let mlp_head = widths.windows(2).map(|w| linear(rng, w[0], w[1], device)).collect();
        Ok(PromptEncoder { embedding, lstm_head, mlp_head })
    }

    fn folded(&self, prompt: &HostTensor, device: &Device) -> Result<PromptEncoder> {
        self.check()?;
        let embedding = table(prompt.values().to_vec(), self.shape()?, device);
        Ok(PromptEncoder { embedding, lstm_head: None, mlp_head: Vec::new() })
    }
}
