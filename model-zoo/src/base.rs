//! A base model of any family, as a folder of the hub holds it.

use crate::bert::{Bert, BertConfig};
use crate::checkpoint::{Checkpoint, LoadReport, LoadRules, SaveDtype, export, load, plan, save, write_atomically};
use crate::dnabert2::{Dnabert2, Dnabert2Config, Parts};
use crate::heads::{Head, HeadKind, POOLER};
use crate::llama::{Llama, LlamaConfig};
use crate::nucleotide_transformer::{NucleotideTransformer, NucleotideTransformerConfig};
use crate::opt::{Opt, OptConfig};
use crate::quantised::Quantised;
use crate::transparent::transparent_module;
use crate::{Error, KvCache, Pass, Result, TokenBatch, Trace};
use burn::tensor::{Device, Tensor};
use peft_core::Hooks;
use serde::Serialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use tensor_files::gguf::{GgufFile, GgufLlama};
use tensor_files::llama2c::Llama2cFile;

/// A model of one of the families.
#[derive(Debug, Clone)]
pub enum Base {
    /// BERT: DNABERT, MiniLM.
    Bert(Bert),
    /// DNABERT-2.
    Dnabert2(Dnabert2),
    /// Nucleotide Transformer v1 and v2.
    NucleotideTransformer(NucleotideTransformer),
    /// OPT.
    Opt(Opt),
    /// LLaMA.
    Llama(Llama),
}
transparent_module!(Base { Bert, Dnabert2, NucleotideTransformer, Opt, Llama });

/// The configuration of one of the families.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum BaseConfig {
    /// BERT: DNABERT, MiniLM.
    Bert(BertConfig),
    /// DNABERT-2.
    Dnabert2(Dnabert2Config),
    /// Nucleotide Transformer v1 and v2.
    NucleotideTransformer(NucleotideTransformerConfig),
    /// OPT.
    Opt(OptConfig),
    /// LLaMA.
    Llama(LlamaConfig),
}

/// Which part of a checkpoint is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Hidden states alone: the language-model head stays in the file.
    Encode,
    /// The language-model head too, masked or causal; a file without it is an error, unless it is tied to the embeddings.
    LanguageModel,
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
    /// The configuration and the open files of a checkpoint: see [`Base::from_pretrained`]. No tensor is read yet.
    ///
    /// # Errors
    /// As [`Base::from_pretrained`].
    pub fn open(path: &Path) -> Result<(Self, Checkpoint)> {
        if !path.exists() {
            let source =
                std::io::Error::new(std::io::ErrorKind::NotFound, "expected a model folder or file, found none");
            return Err(Error::Io { path: path.into(), source });
        }
        let config = path.join("config.json");
        if config.is_file() {
            let text = std::fs::read_to_string(&config).map_err(Error::io(&config))?;
            return Ok((Self::parse(&config, &text)?, Checkpoint::open_dir(path)?));
        }
        let parse = |json: &serde_json::Value| Self::parse(path, &json.to_string());
        if path.is_dir() {
            let Some(gguf) = only_gguf(path)? else {
                return Err(Error::MissingFile { path: path.into(), expected: "config.json" });
            };
            return Self::open(&gguf);
        }
        let mut magic = [0; 4];
        let mut file = std::fs::File::open(path).map_err(Error::io(path))?;
        let known = file.read_exact(&mut magic).is_ok();
        if known && &magic == b"GGUF" {
            let file = GgufLlama::new(GgufFile::open(path)?)?;
            return Ok((parse(file.config())?, Checkpoint::from(file)));
        }
        let file = Llama2cFile::open(path)?;
        Ok((parse(&file.llama_config())?, Checkpoint::from(file)))
    }

    /// Reads the text of a `config.json`; the family follows from its fields, never from code it names.
    ///
    /// # Errors
    /// [`Error::Config`]; `path` is what the error names.
    pub fn parse(path: &Path, json: &str) -> Result<Self> {
        let config = |reason: String| Error::Config { path: path.into(), reason };
        let value: serde_json::Value = serde_json::from_str(json).map_err(|e| config(e.to_string()))?;
        fn read<T: serde::de::DeserializeOwned>(value: serde_json::Value) -> Result<T, String> {
            serde_json::from_value(value).map_err(|e| e.to_string())
        }
        let text = |key: &str| value.get(key).and_then(|v| v.as_str()).unwrap_or_default();
        let auto = value.pointer("/auto_map/AutoConfig").and_then(|v| v.as_str()).unwrap_or_default();
        let family = match text("model_type") {
            _ if value.get("alibi_starting_size").is_some() => "dnabert2",
            _ if auto.starts_with("esm_config") => "esm",
            named => named,
        };
        let (parsed, unsupported) = match family {
            "dnabert2" => (Self::Dnabert2(read(value).map_err(config)?), None),
            "esm" => {
                let c: NucleotideTransformerConfig = read(value).map_err(config)?;
                let unsupported = c.unsupported();
                (Self::NucleotideTransformer(c), unsupported)
            }
            "bert" => {
                let c: BertConfig = read(value).map_err(config)?;
                let unsupported = c.unsupported();
                (Self::Bert(c), unsupported)
            }
            "opt" => {
                let c: OptConfig = read(value).map_err(config)?;
                let unsupported = c.unsupported();
                (Self::Opt(c), unsupported)
            }
            "llama" => {
                let c: LlamaConfig = read(value).map_err(config)?;
                let unsupported = c.unsupported();
                (Self::Llama(c), unsupported)
            }
            found => {
                return Err(config(format!(
                    "expected model_type bert, esm, opt or llama, or the configuration of DNABERT-2 (alibi_starting_size), \
                     found model_type {found:?}"
                )));
            }
        };
        match unsupported {
            Some(reason) => Err(config(reason)),
            None => Ok(parsed),
        }
    }

    /// The `config.json` that the family's published checkpoints have.
    pub fn to_json(&self) -> serde_json::Value {
        let mut value = serde_json::to_value(self).expect("a configuration is plain data");
        let no_dropout = serde_json::json!({ "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0 });
        let extra = match self {
            Self::Bert(_) => serde_json::json!({
                "architectures": ["BertForMaskedLM"], "model_type": "bert", "torch_dtype": "float32",
                "tie_word_embeddings": true,
            }),
            Self::Dnabert2(_) => serde_json::json!({
                "architectures": ["BertForMaskedLM"], "hidden_act": "gelu", "alibi_starting_size": 512,
                "position_embedding_type": "absolute", "max_position_embeddings": 512, "torch_dtype": "float32",
                "tie_word_embeddings": true,
            }),
            Self::NucleotideTransformer(_) => serde_json::json!({
                "architectures": ["EsmForMaskedLM"], "model_type": "esm", "is_folding_model": false, "use_cache": false,
            }),
            Self::Opt(_) => serde_json::json!({
                "architectures": ["OPTForCausalLM"], "model_type": "opt", "torch_dtype": "float32", "dropout": 0.0,
                "attention_dropout": 0.0, "activation_dropout": 0.0, "layerdrop": 0.0,
            }),
            Self::Llama(_) => serde_json::json!({
                "architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "float32",
                "attention_dropout": 0.0,
            }),
        };
        let object = value.as_object_mut().expect("a struct becomes an object");
        object.extend(extra.as_object().expect("written as an object").clone());
        if !matches!(self, Self::Opt(_) | Self::Llama(_)) {
            object.extend(no_dropout.as_object().expect("written as an object").clone());
        }
        if let (Self::Opt(c), None) = (self, object.get("word_embed_proj_dim").filter(|v| !v.is_null())) {
            object.insert("word_embed_proj_dim".into(), c.hidden_size.into());
        }
        value
    }

    /// A model with lazy parameters. `lm_head`: with the language-model head; `pooler`: with the first token's pooler,
    /// where the family has one.
    pub fn init(&self, lm_head: bool, pooler: bool, device: &Device) -> Base {
        match self {
            Self::Bert(c) => Base::Bert(c.init(lm_head, pooler, device)),
            Self::Dnabert2(c) => Base::Dnabert2(c.init(Parts { mlm_head: lm_head, pooler }, device)),
            Self::NucleotideTransformer(c) => Base::NucleotideTransformer(c.init(lm_head, device)),
            Self::Opt(c) => Base::Opt(c.init(lm_head, device)),
            Self::Llama(c) => Base::Llama(c.init(lm_head, device)),
        }
    }

    /// What reading a file with tensors of these names and shapes would do; nothing is allocated. `path` is what errors name.
    ///
    /// # Errors
    /// [`Error::MissingTensors`], [`Error::UnexpectedTensors`], [`Error::Shape`].
    pub fn plan(&self, path: &Path, tensors: &BTreeMap<String, Vec<usize>>, purpose: Purpose) -> Result<LoadReport> {
        let names: Vec<String> = tensors.keys().cloned().collect();
        let base = self.lazy(&names, purpose, &Device::default());
        let shape = |name: &str| tensors.get(name).map(Vec::as_slice);
        Ok(self.with_rules(purpose, |rules| plan(&base, path, &names, shape, rules))?.1)
    }

    /// The model that a file of these tensors fills, with lazy parameters: with a pooler, if the file has one.
    pub(crate) fn lazy(&self, names: &[String], purpose: Purpose, device: &Device) -> Base {
        let pooler = names.iter().any(|n| n.ends_with("pooler.dense.weight"));
        self.init(purpose == Purpose::LanguageModel, pooler, device)
    }

    /// The family's name.
    pub fn family(&self) -> &'static str {
        match self {
            Self::Bert(_) => "BERT",
            Self::Dnabert2(_) => "DNABERT-2",
            Self::NucleotideTransformer(c) if c.rotary() => "Nucleotide Transformer v2",
            Self::NucleotideTransformer(_) => "Nucleotide Transformer v1",
            Self::Opt(_) => "OPT",
            Self::Llama(_) => "LLaMA",
        }
    }

    /// Width of the last hidden state.
    pub fn d_model(&self) -> usize {
        match self {
            Self::Bert(c) => c.hidden_size,
            Self::Dnabert2(c) => c.hidden_size,
            Self::NucleotideTransformer(c) => c.hidden_size,
            Self::Opt(c) => c.embed_dim(),
            Self::Llama(c) => c.hidden_size,
        }
    }

    /// Number of layers.
    pub fn blocks(&self) -> usize {
        match self {
            Self::Bert(c) => c.num_hidden_layers,
            Self::Dnabert2(c) => c.num_hidden_layers,
            Self::NucleotideTransformer(c) => c.num_hidden_layers,
            Self::Opt(c) => c.num_hidden_layers,
            Self::Llama(c) => c.num_hidden_layers,
        }
    }

    /// Width inside the feed-forward layers.
    pub fn d_ffn(&self) -> usize {
        match self {
            Self::Bert(c) => c.intermediate_size,
            Self::Dnabert2(c) => c.intermediate_size,
            Self::NucleotideTransformer(c) => c.intermediate_size,
            Self::Opt(c) => c.ffn_dim,
            Self::Llama(c) => c.intermediate_size,
        }
    }

    /// Number of attention heads.
    pub fn heads(&self) -> usize {
        match self {
            Self::Bert(c) => c.num_attention_heads,
            Self::Dnabert2(c) => c.num_attention_heads,
            Self::NucleotideTransformer(c) => c.num_attention_heads,
            Self::Opt(c) => c.num_attention_heads,
            Self::Llama(c) => c.num_attention_heads,
        }
    }

    /// Number of tokens the embeddings know.
    pub fn vocab_size(&self) -> usize {
        match self {
            Self::Bert(c) => c.vocab_size,
            Self::Dnabert2(c) => c.vocab_size,
            Self::NucleotideTransformer(c) => c.vocab_size,
            Self::Opt(c) => c.vocab_size,
            Self::Llama(c) => c.vocab_size,
        }
    }

    /// Most tokens in a sequence; `None` where positions have no table and no limit.
    pub fn max_tokens(&self) -> Option<usize> {
        match self {
            Self::Bert(c) => Some(c.max_position_embeddings),
            Self::Dnabert2(_) => None,
            Self::NucleotideTransformer(c) => Some(c.max_tokens()),
            Self::Opt(c) => Some(c.max_position_embeddings),
            Self::Llama(c) => Some(c.max_position_embeddings),
        }
    }

    /// True if each token sees only those before it: the model can generate.
    pub fn is_causal(&self) -> bool {
        matches!(self, Self::Opt(_) | Self::Llama(_))
    }

    /// Tokens that end a text.
    pub fn end_tokens(&self) -> Vec<u32> {
        match self {
            Self::Opt(c) => c.eos_token_id.into_iter().collect(),
            Self::Llama(c) => c.eos_token_id.clone(),
            _ => Vec::new(),
        }
    }

    /// Prefix that some published files of the family leave out.
    fn prefix(&self) -> &'static str {
        match self {
            Self::Bert(_) | Self::Dnabert2(_) => "bert.",
            Self::NucleotideTransformer(_) => "esm.",
            Self::Opt(_) | Self::Llama(_) => "model.",
        }
    }

    /// Tied tensors: (the name that some files have besides, the parameter's own).
    fn tied(&self) -> Vec<(String, String)> {
        let words = match self {
            Self::Bert(_) | Self::Dnabert2(_) => "bert.embeddings.word_embeddings.weight",
            Self::NucleotideTransformer(_) => "esm.embeddings.word_embeddings.weight",
            Self::Opt(_) => "model.decoder.embed_tokens.weight",
            Self::Llama(_) => "model.embed_tokens.weight",
        };
        let others: &[(&str, &str)] = match self {
            Self::Bert(_) => {
                &[("cls.predictions.decoder.weight", words), ("cls.predictions.decoder.bias", "cls.predictions.bias")]
            }
            Self::Dnabert2(_) => &[("cls.predictions.decoder.weight", words)],
            Self::NucleotideTransformer(c) if c.tie_word_embeddings => &[("lm_head.decoder.weight", words)],
            Self::Opt(OptConfig { tie_word_embeddings: true, .. })
            | Self::Llama(LlamaConfig { tie_word_embeddings: true, .. }) => &[("lm_head.weight", words)],
            _ => &[],
        };
        others.iter().map(|(other, own)| (String::from(*other), String::from(*own))).collect()
    }

    /// What a file of this family may lack or hold besides, for `then`.
    pub(crate) fn with_rules<T>(&self, purpose: Purpose, then: impl FnOnce(LoadRules) -> T) -> T {
        // Buffers, unused tables and heads that are not wanted.
        let mut ignore =
            vec!["inv_freq", "contact_head.", "position_ids", "cls.seq_relationship", "classifier.", "score."];
        if matches!(self, Self::NucleotideTransformer(c) if c.rotary()) {
            ignore.push("position_embeddings.");
        }
        if purpose == Purpose::Encode {
            ignore.extend(["cls.", "lm_head."]);
        }
        let tied = self.tied();
        then(LoadRules { ignore: &ignore, optional_prefix: Some(self.prefix()), tied: &tied, ..Default::default() })
    }
}

/// The GGUF file of a folder, if there is exactly one.
fn only_gguf(dir: &Path) -> Result<Option<PathBuf>> {
    let mut found = None;
    for entry in std::fs::read_dir(dir).map_err(Error::io(dir))? {
        let path = entry.map_err(Error::io(dir))?.path();
        if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("gguf")) && found.replace(path).is_some() {
            return Ok(None);
        }
    }
    Ok(found)
}

impl Base {
    /// Reads a published checkpoint onto `device`: a folder as the hub lays it out (`config.json` with safetensors or pickles,
    /// whole or in shards, or a single GGUF file), a GGUF file, or a `.bin` of llama2.c. The layers of a folder that
    /// [`Quantised::save`] wrote become f32.
    ///
    /// # Errors
    /// [`Error::MissingFile`] if a folder has neither `config.json` nor a GGUF file, [`Error::Config`], else as [`load`].
    pub fn from_pretrained(path: &Path, purpose: Purpose, device: &Device) -> Result<Loaded> {
        if let Some((loaded, _)) = Quantised::from_stored(path, purpose, device)? {
            return Ok(Loaded { base: loaded.base.dequantised(), ..loaded });
        }
        let (config, file) = BaseConfig::open(path)?;
        Self::from_checkpoint(&config, &file, purpose, device)
    }

    /// A base and the classifier that was trained on it, whose tensors stand in a file of their own. The pooler beside a BERT
    /// classifier becomes the base's where the base has none, as in transformers' classifiers, so that adapters reach it.
    ///
    /// # Errors
    /// As [`Base::from_pretrained`] and [`Head::from_checkpoint`].
    pub fn with_classifier(
        path: &Path,
        purpose: Purpose,
        classifier: &Checkpoint,
        device: &Device,
    ) -> Result<(Loaded, Head)> {
        let (config, file) = BaseConfig::open(path)?;
        let mut base = config.lazy(&file.names(), purpose, device);
        let lends = !base.has_pooler() && base.original_head() == HeadKind::Bert && classifier.shape(POOLER).is_some();
        if lends {
            base = config.init(purpose == Purpose::LanguageModel, true, device);
        }
        let lent: &[&str] = if lends { &["bert.pooler."] } else { &[] };
        let (mut base, report) =
            config.with_rules(purpose, |rules| load(base, &file, LoadRules { may_be_new: lent, ..rules }))?;
        if lends {
            let all = LoadRules { ignore: &[""], may_be_new: &[""], ..Default::default() };
            base = load(base, classifier, all)?.0;
        }
        let head = Head::from_checkpoint(classifier, &base, device)?;
        Ok((Loaded { base, sha256: file.sha256()?, report }, head))
    }

    /// A model from files that are in memory, such as those embedded in a program.
    ///
    /// # Errors
    /// As [`Base::from_pretrained`].
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

    /// A model from an open checkpoint. A pooler is read where the file has one.
    ///
    /// # Errors
    /// As [`load`].
    pub fn from_checkpoint(
        config: &BaseConfig,
        file: &Checkpoint,
        purpose: Purpose,
        device: &Device,
    ) -> Result<Loaded> {
        let base = config.lazy(&file.names(), purpose, device);
        let (base, report) = config.with_rules(purpose, |rules| load(base, file, rules))?;
        Ok(Loaded { base, sha256: file.sha256()?, report })
    }

    /// Writes `config.json` and `model.safetensors` into an existing folder, as transformers reads them.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn save(&self, dir: &Path, dtype: SaveDtype) -> Result<()> {
        save(&dir.join("model.safetensors"), &export(self), dtype)?;
        let json = serde_json::to_string_pretty(&self.config().to_json()).expect("plain data");
        Ok(write_atomically(&dir.join("config.json"), (json + "\n").as_bytes())?)
    }

    /// The model's configuration.
    pub fn config(&self) -> BaseConfig {
        match self {
            Self::Bert(m) => BaseConfig::Bert(m.config().clone()),
            Self::Dnabert2(m) => BaseConfig::Dnabert2(m.config().clone()),
            Self::NucleotideTransformer(m) => BaseConfig::NucleotideTransformer(m.config().clone()),
            Self::Opt(m) => BaseConfig::Opt(m.config().clone()),
            Self::Llama(m) => BaseConfig::Llama(m.config().clone()),
        }
    }

    /// Width of the last hidden state.
    pub fn d_model(&self) -> usize {
        self.config().d_model()
    }

    /// Number of tokens the embeddings know.
    pub fn vocab_size(&self) -> usize {
        self.config().vocab_size()
    }

    /// Most tokens in a sequence; `None` where positions have no table and no limit.
    pub fn max_tokens(&self) -> Option<usize> {
        self.config().max_tokens()
    }

    /// True if each token sees only those before it: the model can generate.
    pub fn is_causal(&self) -> bool {
        matches!(self, Self::Opt(_) | Self::Llama(_))
    }

    /// A cache for `capacity` tokens a row.
    pub fn cache(&self, capacity: usize) -> KvCache {
        KvCache::new(self.config().blocks(), capacity)
    }

    /// True if the checkpoint brought the pooler that [`HeadKind::Bert`] reads.
    pub fn has_pooler(&self) -> bool {
        match self {
            Self::Bert(m) => m.has_pooler(),
            Self::Dnabert2(m) => m.bert.has_pooler(),
            _ => false,
        }
    }

    /// The classification head that the original has.
    pub fn original_head(&self) -> HeadKind {
        match self {
            Self::Bert(_) | Self::Dnabert2(_) => HeadKind::Bert,
            Self::NucleotideTransformer(_) => HeadKind::Esm,
            Self::Opt(_) | Self::Llama(_) => HeadKind::Last,
        }
    }

    /// Last hidden state, [batch, seq, d_model]; virtual tokens stand first.
    ///
    /// # Panics
    /// If an encoder is given a cache, or an id or a position is outside its table: see [`Base::check`].
    pub fn forward(&self, batch: &TokenBatch, pass: &mut Pass) -> Tensor<3> {
        assert!(self.is_causal() || pass.cache.is_none(), "an encoder reads a sequence at once: it has no cache");
        match self {
            Self::Bert(m) => m.forward(batch, pass),
            Self::Dnabert2(m) => m.forward(batch, pass),
            Self::NucleotideTransformer(m) => m.forward(batch, pass),
            Self::Opt(m) => m.forward(batch, pass),
            Self::Llama(m) => m.forward(batch, pass),
        }
    }

    /// Last hidden state, [batch, seq, d_model].
    pub fn encode(&self, batch: &TokenBatch, hooks: &dyn Hooks) -> Tensor<3> {
        self.forward(batch, &mut Pass::new().with_hooks(hooks))
    }

    /// Embeddings and every layer's output, [batch, seq, d_model] each; the last is what [`Base::encode`] gives.
    pub fn hidden_states(&self, batch: &TokenBatch, hooks: &dyn Hooks) -> Vec<Tensor<3>> {
        let mut trace = Trace::new();
        self.forward(batch, &mut Pass::new().with_hooks(hooks).with_trace(&mut trace));
        trace.hidden_states
    }

    /// What the base's own pooler makes of the last hidden state, [batch, d_model].
    pub fn pool(&self, h: &Tensor<3>, batch: &TokenBatch, hooks: &dyn Hooks) -> Option<Tensor<2>> {
        match self {
            Self::Bert(m) => m.pool(h, batch, hooks),
            Self::Dnabert2(m) => m.pool(h, batch, hooks),
            _ => None,
        }
    }

    /// Scores of all tokens, [batch, seq, vocab], from last hidden states of any number of positions.
    ///
    /// # Panics
    /// If the model was not loaded for [`Purpose::LanguageModel`] and has a head of its own.
    pub fn lm_logits(&self, h: Tensor<3>, hooks: &dyn Hooks) -> Tensor<3> {
        match self {
            Self::Bert(m) => m.lm_logits(h, hooks),
            Self::Dnabert2(m) => m.lm_logits(h, hooks),
            Self::NucleotideTransformer(m) => m.lm_logits(h, hooks),
            Self::Opt(m) => m.lm_logits(h, hooks),
            Self::Llama(m) => m.lm_logits(h, hooks),
        }
    }

    /// Checks rows of ids against the vocabulary and the longest sequence, before a pass would panic.
    ///
    /// # Errors
    /// [`Error::Input`] with row, place, what was expected and what was found.
    pub fn check<R: AsRef<[u32]>>(&self, rows: &[R]) -> Result<()> {
        let (vocab, longest) = (self.vocab_size(), self.max_tokens().unwrap_or(usize::MAX));
        for (r, row) in rows.iter().map(AsRef::as_ref).enumerate() {
            let reason = if row.is_empty() {
                "expected at least one token, found none".into()
            } else if row.len() > longest {
                format!("expected at most {longest} tokens (the model's table of positions), found {}", row.len())
            } else if let Some(at) = row.iter().position(|id| *id as usize >= vocab) {
                format!("token {at}: expected an id below {vocab} (the model's vocabulary), found {}", row[at])
            } else {
                continue;
            };
            return Err(Error::Input { row: r, reason });
        }
        Ok(())
    }
}
