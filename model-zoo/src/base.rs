//! A base model of any family, as a folder of the hub holds it: `config.json` and `model.safetensors`.

use crate::checkpoint::{Checkpoint, LoadReport, LoadRules, SaveDtype, export, load, save, write_atomically};
use crate::dnabert2::{Dnabert2, Dnabert2Config, Parts};
use crate::heads::HeadKind;
use crate::nucleotide_transformer::{NucleotideTransformer, NucleotideTransformerConfig};
use crate::transparent::transparent_module;
use crate::{Error, Result, TokenBatch};
use burn::tensor::{Device, Tensor};
use peft_core::Hooks;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::path::Path;

/// A model of one of the families.
#[derive(Debug, Clone)]
pub enum Base {
    /// DNABERT-2.
    Dnabert2(Dnabert2),
    /// Nucleotide Transformer v2.
    NucleotideTransformer(NucleotideTransformer),
}
transparent_module!(Base { Dnabert2, NucleotideTransformer });

/// The configuration of one of the families.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum BaseConfig {
    /// DNABERT-2.
    Dnabert2(Dnabert2Config),
    /// Nucleotide Transformer v2.
    NucleotideTransformer(NucleotideTransformerConfig),
}

/// Which part of a checkpoint is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Hidden states alone: the masked-language head stays in the file.
    Encode,
    /// The masked-language head too; a file without it is an error.
    MaskedLm,
}

/// A base that was read, with its identity.
#[derive(Debug)]
pub struct Loaded {
    /// The model, not trainable.
    pub base: Base,
    /// SHA-256 of the weights file.
    pub sha256: String,
    /// What was read, ignored or new.
    pub report: LoadReport,
}

impl BaseConfig {
    /// Reads the text of a `config.json`; the family follows from its fields, never from code it names.
    ///
    /// # Errors
    /// [`Error::Config`]; `path` is what the error names.
    pub fn parse(path: &Path, json: &str) -> Result<Self> {
        let config = |reason: String| Error::Config { path: path.into(), reason };
        let value: serde_json::Value = serde_json::from_str(json).map_err(|e| config(e.to_string()))?;
        let text = |key: &str| value.get(key).and_then(|v| v.as_str()).unwrap_or_default();
        let auto = value.pointer("/auto_map/AutoConfig").and_then(|v| v.as_str()).unwrap_or_default();
        if value.get("alibi_starting_size").is_some() {
            return Ok(Self::Dnabert2(serde_json::from_value(value).map_err(|e| config(e.to_string()))?));
        }
        if text("model_type") == "esm" || auto.starts_with("esm_config") {
            let parsed: NucleotideTransformerConfig =
                serde_json::from_value(value).map_err(|e| config(e.to_string()))?;
            return match parsed.unsupported() {
                Some(reason) => Err(config(reason)),
                None => Ok(Self::NucleotideTransformer(parsed)),
            };
        }
        Err(config(format!(
            "expected the configuration of DNABERT-2 (alibi_starting_size) or Nucleotide Transformer v2 (model_type esm), \
             found model_type {:?}",
            text("model_type")
        )))
    }

    /// The `config.json` that the family's published checkpoints have.
    pub fn to_json(&self) -> serde_json::Value {
        let mut value = serde_json::to_value(self).expect("a configuration is plain data");
        let extra = match self {
            Self::Dnabert2(c) => serde_json::json!({
                "architectures": ["BertForMaskedLM"], "hidden_act": "gelu", "alibi_starting_size": 512,
                "position_embedding_type": "absolute", "max_position_embeddings": 512, "torch_dtype": "float32",
                "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "tie_word_embeddings": true,
                "vocab_size": c.vocab_size,
            }),
            Self::NucleotideTransformer(_) => serde_json::json!({
                "architectures": ["EsmForMaskedLM"], "model_type": "esm", "hidden_dropout_prob": 0.0,
                "attention_probs_dropout_prob": 0.0, "tie_word_embeddings": false, "is_folding_model": false,
                "use_cache": false,
            }),
        };
        let object = value.as_object_mut().expect("a struct becomes an object");
        object.extend(extra.as_object().expect("written as an object").clone());
        value
    }

    /// A model with lazy parameters.
    pub fn init(&self, mlm_head: bool, pooler: bool, device: &Device) -> Base {
        match self {
            Self::Dnabert2(c) => Base::Dnabert2(c.init(Parts { mlm_head, pooler }, device)),
            Self::NucleotideTransformer(c) => Base::NucleotideTransformer(c.init(mlm_head, device)),
        }
    }
}

impl Base {
    /// Reads a model folder onto `device`.
    ///
    /// # Errors
    /// [`Error::MissingFile`] if there is no `config.json` or `model.safetensors`, else as [`load`].
    pub fn from_dir(dir: &Path, purpose: Purpose, device: &Device) -> Result<Loaded> {
        let path = dir.join("config.json");
        if !dir.is_dir() {
            let source = std::io::Error::new(std::io::ErrorKind::NotFound, "expected a model folder, found none");
            return Err(Error::Io { path: dir.into(), source });
        }
        if !path.is_file() {
            return Err(Error::MissingFile { path: dir.into(), expected: "config.json" });
        }
        let config = BaseConfig::parse(&path, &std::fs::read_to_string(&path).map_err(Error::io(&path))?)?;
        let weights = dir.join("model.safetensors");
        if !weights.is_file() {
            return Err(Error::MissingFile { path: dir.into(), expected: "model.safetensors" });
        }
        Self::from_checkpoint(&config, &Checkpoint::open(weights)?, purpose, device)
    }

    /// A model from files that are in memory, such as those embedded in a program.
    ///
    /// # Errors
    /// As [`Base::from_dir`].
    pub fn from_bytes(
        name: &str,
        config: &str,
        weights: impl Into<Cow<'static, [u8]>>,
        purpose: Purpose,
        device: &Device,
    ) -> Result<Loaded> {
        let config = BaseConfig::parse(Path::new(name), config)?;
        Self::from_checkpoint(&config, &Checkpoint::from_bytes(name, weights)?, purpose, device)
    }

    fn from_checkpoint(config: &BaseConfig, file: &Checkpoint, purpose: Purpose, device: &Device) -> Result<Loaded> {
        let pooler = file.shape("bert.pooler.dense.weight").is_some();
        let base = config.init(purpose == Purpose::MaskedLm, pooler, device);
        let heads: &[&str] = match purpose {
            Purpose::Encode => &["cls.", "lm_head.", "classifier."],
            Purpose::MaskedLm => &["cls.predictions.decoder.weight", "classifier."],
        };
        // Buffers, unused tables and heads that are not wanted.
        let mut ignore =
            vec!["inv_freq", "contact_head.", "position_embeddings.", "position_ids", "cls.seq_relationship"];
        ignore.extend(heads);
        let rules = LoadRules { ignore: &ignore, ..Default::default() };
        let (base, report) = load(base, file, rules)?;
        Ok(Loaded { base, sha256: file.sha256()?, report })
    }

    /// Writes `config.json` and `model.safetensors` into an existing folder.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn save(&self, dir: &Path, dtype: SaveDtype) -> Result<()> {
        save(&dir.join("model.safetensors"), &export(self), dtype)?;
        let json = serde_json::to_string_pretty(&self.config().to_json()).expect("plain data");
        write_atomically(&dir.join("config.json"), (json + "\n").as_bytes())
    }

    /// The model's configuration.
    pub fn config(&self) -> BaseConfig {
        match self {
            Self::Dnabert2(m) => BaseConfig::Dnabert2(m.config().clone()),
            Self::NucleotideTransformer(m) => BaseConfig::NucleotideTransformer(m.config().clone()),
        }
    }

    /// Width of the hidden states.
    pub fn d_model(&self) -> usize {
        match self {
            Self::Dnabert2(m) => m.config().hidden_size,
            Self::NucleotideTransformer(m) => m.config().hidden_size,
        }
    }

    /// Number of tokens the embeddings know.
    pub fn vocab_size(&self) -> usize {
        match self {
            Self::Dnabert2(m) => m.config().vocab_size,
            Self::NucleotideTransformer(m) => m.config().vocab_size,
        }
    }

    /// Most tokens in a sequence; `None` where positions have no table and no limit.
    pub fn max_tokens(&self) -> Option<usize> {
        match self {
            Self::Dnabert2(_) => None,
            Self::NucleotideTransformer(m) => Some(m.config().max_position_embeddings),
        }
    }

    /// True if the checkpoint brought the pooler that [`HeadKind::Bert`] reads.
    pub fn has_pooler(&self) -> bool {
        matches!(self, Self::Dnabert2(m) if m.bert.has_pooler())
    }

    /// The classification head that the original has.
    pub fn original_head(&self) -> HeadKind {
        match self {
            Self::Dnabert2(_) => HeadKind::Bert,
            Self::NucleotideTransformer(_) => HeadKind::Esm,
        }
    }

    /// Last hidden state, [batch, seq, d_model].
    pub fn encode(&self, batch: &TokenBatch, hooks: &dyn Hooks) -> Tensor<3> {
        match self {
            Self::Dnabert2(m) => m.encode(batch, hooks),
            Self::NucleotideTransformer(m) => m.encode(batch, hooks),
        }
    }

    /// Embeddings and every layer's output, [batch, seq, d_model] each.
    pub fn hidden_states(&self, batch: &TokenBatch, hooks: &dyn Hooks) -> Vec<Tensor<3>> {
        match self {
            Self::Dnabert2(m) => m.hidden_states(batch, hooks),
            Self::NucleotideTransformer(m) => m.hidden_states(batch, hooks),
        }
    }

    /// What the base's own pooler makes of the last hidden state, [batch, d_model].
    pub fn pool(&self, h: &Tensor<3>, hooks: &dyn Hooks) -> Option<Tensor<2>> {
        match self {
            Self::Dnabert2(m) => m.pool(h.clone(), hooks),
            Self::NucleotideTransformer(_) => None,
        }
    }

    /// Scores of all tokens, [batch, seq, vocab], from hidden states of any number of positions.
    ///
    /// # Panics
    /// If the model was not loaded for [`Purpose::MaskedLm`].
    pub fn mlm_logits(&self, h: Tensor<3>) -> Tensor<3> {
        match self {
            Self::Dnabert2(m) => m.mlm_logits(h),
            Self::NucleotideTransformer(m) => m.mlm_logits(h),
        }
    }
}
