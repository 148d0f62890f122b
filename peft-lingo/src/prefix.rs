//! Prefix tuning: keys and values that stand before those of the sequence, in every block.
//!
//! Li and Liang 2021, "Prefix-Tuning: Optimizing Continuous Prompts for Generation", ACL 2021, arXiv 2101.00190, eq. 3; with
//! their reparametrisation (section 4.3) by an MLP; on encoders and without it the deep prompts of P-tuning v2 (Liu et al.
//! 2022, arXiv 2110.07602):
//!
//! ```text
//! P = E                            prefix_projection false      E: embedding
//! P = tanh(E W0 + b0) W2 + b2      prefix_projection true       W0, W2: transform.0, transform.2
//! block i:  K = [P_2i; K]   V = [P_2i+1; V]
//! ```
//!
//! Reference: PEFT's `peft/tuners/prefix_tuning/model.py` and `PeftModel.get_prompt`. Differences: encoders are not refused,
//! and a head reads the tokens it always read.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{Device, Tensor};
use peft_core::{Error, FolderConfig, Hooks, HostTensor};
use serde::{Deserialize, Serialize};

use crate::fields::{check_submodules, null_is_default, one, product};
use crate::method::table;
use crate::parameters::{Source, named, named_linear};
use crate::shape::{settle, settled};
use crate::start::{linear, normal, stream};
use crate::{ModelShape, Prompt, PromptMethod, Result, Vocabulary};

/// Prefix tuning's settings. Field names, JSON and defaults are those of PEFT's `PrefixTuningConfig`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PrefixTuningConfig {
    /// Positions before the sequence.
    pub num_virtual_tokens: usize,
    /// True: the prefix is what an MLP makes of smaller embeddings. Default false.
    #[serde(default)]
    pub prefix_projection: bool,
    /// Width inside the MLP. Default `token_dim`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder_hidden_size: Option<usize>,
    /// Width of a block's keys. Follows from the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_dim: Option<usize>,
    /// Heads of keys and values. Follows from the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub num_attention_heads: Option<usize>,
    /// Blocks. Follows from the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub num_layers: Option<usize>,
    /// Must be 1: PEFT has 2 for encoder-decoder models.
    #[serde(default = "one")]
    pub num_transformer_submodules: usize,
    /// Modules that are trained whole and saved beside the prefix: the head. Default none.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub modules_to_save: Vec<String>,
    /// What the adapted model is for, in PEFT's words: `SEQ_CLS`, `CAUSAL_LM`. Default none.
    #[serde(default)]
    pub task_type: Option<String>,
}

impl PrefixTuningConfig {
    /// PEFT's defaults, for a prefix of so many positions.
    pub fn new(num_virtual_tokens: usize) -> Self {
        PrefixTuningConfig {
            num_virtual_tokens,
            prefix_projection: false,
            encoder_hidden_size: None,
            token_dim: None,
            num_attention_heads: None,
            num_layers: None,
            num_transformer_submodules: 1,
            modules_to_save: Vec::new(),
            task_type: None,
        }
    }
}

impl FolderConfig for PrefixTuningConfig {
    const PEFT_TYPE: &'static str = "PREFIX_TUNING";

    const FIELDS: &'static [&'static str] = &[
        "num_virtual_tokens",
        "prefix_projection",
        "encoder_hidden_size",
        "token_dim",
        "num_attention_heads",
        "num_layers",
        "num_transformer_submodules",
        "modules_to_save",
        "task_type",
    ];

    fn check(&self) -> peft_core::Result<()> {
        check_submodules(self.num_transformer_submodules)?;
        if let (Some(width), Some(heads)) = (self.token_dim, self.num_attention_heads)
            && (heads == 0 || !width.is_multiple_of(heads))
        {
            return Err(Error::config("num_attention_heads", heads, format!("does not divide token_dim = {width}")));
        }
        if self.encoder_hidden_size == Some(0) {
            return Err(Error::config("encoder_hidden_size", 0, "must be at least 1"));
        }
        Ok(())
    }
}

/// The keys and values of a prefix.
#[derive(Module, Debug)]
pub struct Prefix {
    /// E: [virtual tokens, layers·2·width] or, with a projection, [virtual tokens, width].
    pub embedding: Param<Tensor<2>>,
    /// The MLP, if there is one.
    pub transform: Option<PrefixProjection>,
    layers: usize,
    heads: usize,
}

/// The MLP that makes a prefix of its embeddings.
#[derive(Module, Debug)]
pub struct PrefixProjection {
    /// [width, hidden]; PEFT's `transform.0`.
    pub first: Linear,
    /// [hidden, layers·2·width]; PEFT's `transform.2`.
    pub second: Linear,
}

impl Prefix {
    /// Positions before the sequence.
    pub fn len(&self) -> usize {
        self.embedding.lazy_shape()[0]
    }

    /// True if the prefix changes nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keys and values of each block, [1, heads, virtual tokens, d_head] each, made once: as hooks, they spare a pass the
    /// MLP in all blocks but one.
    pub fn bind(&self) -> BoundPrefix {
        if self.is_empty() {
            return BoundPrefix { blocks: Vec::new(), len: 0 };
        }
        let all = self.by_head();
        let blocks = (0..self.layers).map(|block| of_block(&all, block)).collect();
        BoundPrefix { blocks, len: self.len() }
    }

    /// [virtual tokens, layers·2, heads, d_head].
    fn by_head(&self) -> Tensor<4> {
        let all = self.prompt_embeddings();
        let [n, width] = all.dims();
        let parts = 2 * self.layers;
        all.reshape([n, parts, self.heads, width / parts / self.heads])
    }
}

/// Keys and values of one block, [1, heads, virtual tokens, d_head] each. all: [virtual tokens, layers·2, heads, d_head].
fn of_block(all: &Tensor<4>, block: usize) -> [Tensor<4>; 2] {
    [2 * block, 2 * block + 1].map(|part| all.clone().narrow(1, part, 1).permute([1, 2, 0, 3]))
}

/// What stands in a block before what the sequence brings, in every row. own: [batch, heads, seq, d_head].
fn before(prefix: Tensor<4>, own: Tensor<4>) -> Tensor<4> {
    let ([_, heads, n, d_head], [rows, own_heads, _, own_d]) = (prefix.dims(), own.dims());
    assert_eq!([heads, d_head], [own_heads, own_d], "a prefix for a model of other heads");
    Tensor::cat(vec![prefix.expand([rows, heads, n, d_head]), own], 2) // [batch, heads, virtual tokens + seq, d_head]
}

impl Hooks for Prefix {
    fn skips(&self, _layer: &Linear) -> bool {
        true
    }

    /// # Panics
    /// If the model has other heads, or more blocks, than the prefix was made for.
    fn key_value(&self, block: usize, k: Tensor<4>, v: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        if self.is_empty() {
            return (k, v);
        }
        let [keys, values] = of_block(&self.by_head(), block);
        (before(keys, k), before(values, v))
    }

    fn prefix_len(&self) -> usize {
        self.len()
    }
}

/// A prefix whose keys and values are made: [`Prefix::bind`].
#[derive(Clone, Debug)]
pub struct BoundPrefix {
    blocks: Vec<[Tensor<4>; 2]>,
    len: usize,
}

impl BoundPrefix {
    /// Keys and values of each block, [1, heads, virtual tokens, d_head] each.
    pub fn blocks(&self) -> &[[Tensor<4>; 2]] {
        &self.blocks
    }
}

impl Hooks for BoundPrefix {
    fn skips(&self, _layer: &Linear) -> bool {
        true
    }

    /// # Panics
    /// If the model has other heads, or more blocks, than the prefix was made for.
    fn key_value(&self, block: usize, k: Tensor<4>, v: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        if self.len == 0 {
            return (k, v);
        }
        let [keys, values] = self.blocks[block].clone();
        (before(keys, k), before(values, v))
    }

    fn prefix_len(&self) -> usize {
        self.len
    }
}

impl Prompt for Prefix {
    fn with_hooks<T>(&self, then: impl FnOnce(&dyn Hooks) -> T) -> T {
        match &self.transform {
            Some(_) => then(&self.bind()),
            None => then(self), // views of a table, and each pass over a block stands alone (gradient checkpointing)
        }
    }

    fn prompt_embeddings(&self) -> Tensor<2> {
        let embedding = self.embedding.val();
        match &self.transform {
            None => embedding,
            Some(mlp) => mlp.second.forward(mlp.first.forward(embedding).tanh()), // [virtual tokens, layers·2·width]
        }
    }

    fn parameters(&self) -> Vec<(String, HostTensor)> {
        let mut all = vec![named("embedding.weight", &self.embedding)];
        if let Some(mlp) = &self.transform {
            all.extend(named_linear("transform.0", &mlp.first));
            all.extend(named_linear("transform.2", &mlp.second));
        }
        all
    }

    fn with_parameters(self, source: &mut Source<'_>) -> peft_core::Result<Self> {
        let embedding = source.fill("embedding.weight", self.embedding)?;
        let mut mlp = |mlp: PrefixProjection| {
            Ok::<_, Error>(PrefixProjection {
                first: source.fill_linear("transform.0", mlp.first)?,
                second: source.fill_linear("transform.2", mlp.second)?,
            })
        };
        Ok(Prefix { embedding, transform: self.transform.map(&mut mlp).transpose()?, ..self })
    }
}

impl PromptMethod for PrefixTuningConfig {
    type Prompt = Prefix;

    fn for_model(mut self, model: &ModelShape) -> Result<Self> {
        settle("token_dim", &mut self.token_dim, model.kv_width())?;
        settle("num_attention_heads", &mut self.num_attention_heads, model.kv_heads)?;
        settle("num_layers", &mut self.num_layers, model.layers)?;
        self.encoder_hidden_size.get_or_insert(model.kv_width());
        self.check()?;
        Ok(self)
    }

    fn shape(&self) -> Result<[usize; 2]> {
        let (layers, width) = (settled("num_layers", self.num_layers)?, settled("token_dim", self.token_dim)?);
        let width = product("num_layers", &[layers, 2, width])?;
        product("num_virtual_tokens", &[self.num_virtual_tokens, width])?;
        Ok([self.num_virtual_tokens, width])
    }

    /// Embeddings from N(0, 1) and layers as torch's: PEFT's start. `vocabulary` is not looked at.
    fn init(&self, _vocabulary: Vocabulary<'_>, seed: u64, device: &Device) -> Result<Prefix> {
        self.check()?;
        let ([n, all], width) = (self.shape()?, settled("token_dim", self.token_dim)?);
        let rng = &mut stream(seed, "prefix");
        let (d, hidden) = (if self.prefix_projection { width } else { all }, self.encoder_hidden_size.unwrap_or(width));
        let embedding = table(normal(rng, n * d), [n, d], device);
        let transform = self.prefix_projection.then(|| PrefixProjection {
            first: linear(rng, width, hidden, device),
            second: linear(rng, hidden, all, device),
        });
        self.prefix(embedding, transform)
    }

    fn folded(&self, prompt: &HostTensor, device: &Device) -> Result<Prefix> {
        self.check()?;
        self.prefix(table(prompt.values().to_vec(), self.shape()?, device), None)
    }
}

impl PrefixTuningConfig {
    fn prefix(&self, embedding: Param<Tensor<2>>, transform: Option<PrefixProjection>) -> Result<Prefix> {
        let layers = settled("num_layers", self.num_layers)?;
        let heads = settled("num_attention_heads", self.num_attention_heads)?;
        Ok(Prefix { embedding, transform, layers, heads })
    }
}
