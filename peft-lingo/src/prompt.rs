//! Prompt tuning: word embeddings that stand before those of the sequence.
//!
//! Lester, Al-Rfou and Constant 2021, "The Power of Scale for Parameter-Efficient Prompt Tuning", EMNLP 2021, arXiv
//! 2104.08691, section 2: [P; X] in place of X, of which P alone is trained. Section 3.2 compares the starts: random,
//! rows of the vocabulary, rows of a text.
//!
//! Reference: PEFT's `peft/tuners/prompt_tuning/model.py`. Difference: a text is given as the tokens that it has, so that no
//! tokenizer is needed here; see also the crate's page on what a head reads.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{Device, Tensor};
use peft_core::{FolderConfig, Hooks, HostTensor};
use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::fields::{check_submodules, null_is_default, one, product};
use crate::method::{prepend, table};
use crate::parameters::{Source, named};
use crate::shape::{settle, settled};
use crate::start::{normal, stream};
use crate::{Error, ModelShape, Prompt, PromptMethod, Result, Vocabulary};

/// How virtual tokens start, in PEFT's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PromptTuningInit {
    /// From N(0, 1).
    #[default]
    Random,
    /// As the tokens of a text, again and again if there are fewer of them.
    Text,
    /// As tokens drawn from the vocabulary.
    SampleVocab,
}

/// Prompt tuning's settings. Field names, JSON and defaults are those of PEFT's `PromptTuningConfig`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PromptTuningConfig {
    /// Tokens before the sequence.
    pub num_virtual_tokens: usize,
    /// How they start. Default [`PromptTuningInit::Random`].
    #[serde(default)]
    pub prompt_tuning_init: PromptTuningInit,
    /// The text that [`PromptTuningInit::Text`] starts from, for people and for PEFT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_tuning_init_text: Option<String>,
    /// The tokenizer that PEFT reads the text with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokenizer_name_or_path: Option<String>,
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

impl PromptTuningConfig {
    /// PEFT's defaults, for so many virtual tokens.
    pub fn new(num_virtual_tokens: usize) -> Self {
        PromptTuningConfig {
            num_virtual_tokens,
            prompt_tuning_init: PromptTuningInit::Random,
            prompt_tuning_init_text: None,
            tokenizer_name_or_path: None,
            token_dim: None,
            num_attention_heads: None,
            num_layers: None,
            num_transformer_submodules: 1,
            modules_to_save: Vec::new(),
            task_type: None,
        }
    }
}

impl FolderConfig for PromptTuningConfig {
    const PEFT_TYPE: &'static str = "PROMPT_TUNING";

    const FIELDS: &'static [&'static str] = &[
        "num_virtual_tokens",
        "prompt_tuning_init",
        "prompt_tuning_init_text",
        "tokenizer_name_or_path",
        "token_dim",
        "num_attention_heads",
        "num_layers",
        "num_transformer_submodules",
        "modules_to_save",
        "task_type",
    ];

    // How PEFT makes the start's tokenizer: nothing once training is done.
    const HARMLESS: &'static [&'static str] = &["tokenizer_kwargs"];

    fn check(&self) -> peft_core::Result<()> {
        check_submodules(self.num_transformer_submodules)
    }
}

/// Virtual tokens, word by word.
#[derive(Module, Debug)]
pub struct SoftPrompt {
    /// [virtual tokens, d_embed].
    pub embedding: Param<Tensor<2>>,
}

impl Hooks for SoftPrompt {
    fn skips(&self, _layer: &Linear) -> bool {
        true
    }

    fn embeddings(&self, h: Tensor<3>) -> Tensor<3> {
        if self.virtual_tokens() == 0 { h } else { prepend(self.embedding.val(), h) }
    }

    fn virtual_tokens(&self) -> usize {
        self.embedding.lazy_shape()[0]
    }
}

impl Prompt for SoftPrompt {
    fn prompt_embeddings(&self) -> Tensor<2> {
        self.embedding.val()
    }

    fn parameters(&self) -> Vec<(String, HostTensor)> {
        vec![named("embedding.weight", &self.embedding)]
    }

    fn with_parameters(self, source: &mut Source<'_>) -> peft_core::Result<Self> {
        Ok(SoftPrompt { embedding: source.fill("embedding.weight", self.embedding)? })
    }
}

impl PromptMethod for PromptTuningConfig {
    type Prompt = SoftPrompt;

    fn for_model(mut self, model: &ModelShape) -> Result<Self> {
        settle("token_dim", &mut self.token_dim, model.d_embed)?;
        settle("num_attention_heads", &mut self.num_attention_heads, model.heads)?;
        settle("num_layers", &mut self.num_layers, model.layers)?;
        self.check()?;
        Ok(self)
    }

    fn shape(&self) -> Result<[usize; 2]> {
        let d = settled("token_dim", self.token_dim)?;
        product("num_virtual_tokens", &[self.num_virtual_tokens, d])?;
        Ok([self.num_virtual_tokens, d])
    }

    fn init(&self, vocabulary: Vocabulary<'_>, seed: u64, device: &Device) -> Result<SoftPrompt> {
        self.check()?;
        let shape = self.shape()?;
        let [n, d] = shape;
        let rng = &mut stream(seed, "prompt");
        let values = match self.prompt_tuning_init {
            PromptTuningInit::Random => normal(rng, n * d),
            PromptTuningInit::Text => rows_of(vocabulary, "TEXT", shape, |_| {
                let text = vocabulary.text;
                (!text.is_empty()).then(|| text.iter().copied().cycle().take(n).map(|id| id as usize).collect())
            })?,
            PromptTuningInit::SampleVocab => rows_of(vocabulary, "SAMPLE_VOCAB", shape, |rows| {
                Some((0..n).map(|_| rng.random_range(0..rows)).collect())
            })?,
        };
        Ok(SoftPrompt { embedding: table(values, shape, device) })
    }

    fn folded(&self, prompt: &HostTensor, device: &Device) -> Result<SoftPrompt> {
        self.check()?;
        Ok(SoftPrompt { embedding: table(prompt.values().to_vec(), self.shape()?, device) })
    }
}

/// The rows of the vocabulary that `pick` names, one after the other; it is told how many there are.
fn rows_of(
    vocabulary: Vocabulary<'_>,
    init: &'static str,
    [n, d]: [usize; 2],
    pick: impl FnOnce(usize) -> Option<Vec<usize>>,
) -> Result<Vec<f32>> {
    let start = |reason: String| Error::Start { init, reason };
    let table = vocabulary.table.ok_or_else(|| start("the model's word embeddings are needed".into()))?;
    let [rows, width] = table.dims();
    if width != d || rows == 0 {
        return Err(start(format!("expected word embeddings [vocabulary, {d}], found [{rows}, {width}]")));
    }
    let picked = pick(rows).ok_or_else(|| start("the text has no token".into()))?;
    if let Some(id) = picked.iter().find(|id| **id >= rows) {
        return Err(start(format!("expected tokens below {rows} (the vocabulary), found {id}")));
    }
    let values = HostTensor::from_tensor(table);
    let mut chosen = Vec::with_capacity(n * d);
    picked.iter().for_each(|id| chosen.extend_from_slice(&values.values()[id * d..(id + 1) * d]));
    Ok(chosen)
}
