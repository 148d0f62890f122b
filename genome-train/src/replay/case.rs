//! A case folder: what PEFT and torch recorded of a run.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use burn::optim::{AdamWConfig, ModuleOptimizer};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};
use model_zoo::checkpoint::Checkpoint;
use model_zoo::heads::Head;
use model_zoo::{Base, Purpose, TokenBatch};
use peft_core::Hooks;
use serde_json::Value;

use super::adamw::TorchAdamW;
use crate::{Error, Result};

/// An error about a file of the case.
pub(super) fn broken<E: Display>(path: impl Into<PathBuf>) -> impl FnOnce(E) -> Error {
    let path = path.into();
    move |reason| Error::Replay { path, reason: reason.to_string() }
}

/// `trace.json` and `trace.safetensors` of a case.
pub(super) struct Case {
    pub(super) dir: PathBuf,
    json: Value,
    pub(super) tensors: Checkpoint,
    mask: Vec<i64>,
    labels: Vec<i64>,
    rows: usize,
    /// Positions that the method puts before the tokens of each row.
    pub(super) virtual_tokens: usize,
}

impl Case {
    pub(super) fn read(dir: &Path) -> Result<Self> {
        let path = dir.join("trace.json");
        let text = std::fs::read_to_string(&path).map_err(|source| Error::Io { path: path.clone(), source })?;
        let json = serde_json::from_str(&text).map_err(broken(&path))?;
        let tensors = open(dir.join("trace.safetensors"))?;
        let ints = |name: &str| tensors.read_i64(name).map_err(broken(tensors.path()));
        let (mask, labels) = (ints("attention_mask")?, ints("labels")?);
        let rows = tensors.shape("input_ids").and_then(|s| s.first().copied()).unwrap_or_default();
        Ok(Case { dir: dir.to_owned(), json, tensors, mask, labels, rows, virtual_tokens: 0 })
    }

    fn trace(&self) -> PathBuf {
        self.dir.join("trace.json")
    }

    /// What stands at `pointer`, if `read` can make something of it.
    fn at<'a, T>(&'a self, pointer: &str, wanted: &str, read: impl Fn(&'a Value) -> Option<T>) -> Result<T> {
        let found = self.json.pointer(pointer);
        found.and_then(read).ok_or_else(|| {
            let found = found.map_or_else(|| "nothing".to_owned(), Value::to_string);
            broken(self.trace())(format!("{pointer}: expected {wanted}, found {found}"))
        })
    }

    pub(super) fn value(&self, pointer: &str) -> Option<&Value> {
        self.json.pointer(pointer).filter(|v| !v.is_null())
    }

    pub(super) fn text(&self, pointer: &str) -> Result<&str> {
        self.at(pointer, "a text", Value::as_str)
    }

    pub(super) fn number(&self, pointer: &str) -> Result<f64> {
        self.at(pointer, "a number", Value::as_f64)
    }

    pub(super) fn numbers(&self, pointer: &str) -> Result<Vec<f32>> {
        let read = |v: &Value| v.as_array()?.iter().map(|n| n.as_f64().map(|n| n as f32)).collect::<Option<Vec<_>>>();
        self.at(pointer, "a list of numbers", read)
    }

    /// A recorded tensor's values.
    pub(super) fn tensor(&self, name: &str) -> Result<Vec<f32>> {
        self.tensors.read_f32(name).map_err(broken(self.tensors.path()))
    }

    /// The optimizer of the run, Burn's.
    pub(super) fn optimizer(&self) -> Result<ModuleOptimizer> {
        let adamw = AdamWConfig::new()
            .with_beta_1(self.number("/optimizer/betas/0")? as f32)
            .with_beta_2(self.number("/optimizer/betas/1")? as f32)
            .with_epsilon(self.number("/optimizer/eps")? as f32)
            .with_weight_decay(self.number("/optimizer/weight_decay")? as f32);
        Ok(adamw.init())
    }

    /// The optimizer of the run, as torch computes it.
    pub(super) fn torch_optimizer(&self) -> Result<ModuleOptimizer> {
        Ok(ModuleOptimizer::from(TorchAdamW {
            betas: [self.number("/optimizer/betas/0")?, self.number("/optimizer/betas/1")?],
            epsilon: self.number("/optimizer/eps")?,
            weight_decay: self.number("/optimizer/weight_decay")?,
        }))
    }

    pub(super) fn is_causal_lm(&self) -> Result<bool> {
        match self.text("/task")? {
            "CAUSAL_LM" => Ok(true),
            "SEQ_CLS" => Ok(false),
            other => Err(broken(self.trace())(format!("/task: expected CAUSAL_LM or SEQ_CLS, found {other}"))),
        }
    }

    pub(super) fn batch(&self) -> Result<TokenBatch> {
        let path = self.tensors.path();
        let ids = self.tensors.read_i64("input_ids").map_err(broken(path))?;
        let seq = self.tensors.shape("input_ids").and_then(|s| s.last().copied()).unwrap_or_default();
        TokenBatch::from_mask(&ids, &self.mask, seq, &Device::default()).map_err(broken(path))
    }

    /// The folder of the base, `models/<arch>` below a folder that the case is in; and the base, frozen on the plain
    /// device: the checkpoint, with the pooler that a classifier has beside it.
    pub(super) fn base(&self) -> Result<Base> {
        let name = self.text("/base")?;
        let absolute = self.dir.canonicalize().map_err(|source| Error::Io { path: self.dir.clone(), source })?;
        let dir = (absolute.ancestors().map(|a| a.join(name)))
            .find(|dir| dir.join("config.json").is_file())
            .ok_or_else(|| broken(self.trace())(format!("/base: no folder above the case has {name}/config.json")))?;
        if self.is_causal_lm()? {
            return Ok(Base::from_pretrained(&dir, Purpose::LanguageModel, &Device::default())?.base);
        }
        let classifier = open(dir.join("seqcls_head.safetensors"))?;
        Ok(Base::with_classifier(&dir, Purpose::Encode, &classifier, &Device::default())?.0.base)
    }

    /// Scores of tokens are compared where a token stands; of those places, `values` row after row.
    pub(super) fn compared(&self, values: &[f32]) -> Result<Vec<f32>> {
        if !self.is_causal_lm()? {
            return Ok(values.to_vec());
        }
        let mask = self.behind_virtual_tokens(&self.mask, 1);
        let width = values.len() / mask.len();
        let rows = values.chunks(width.max(1)).zip(&mask).filter(|(_, m)| **m == 1);
        Ok(rows.flat_map(|(row, _)| row.to_vec()).collect())
    }

    /// `values`, one a token, with `fill` for each virtual token.
    fn behind_virtual_tokens(&self, values: &[i64], fill: i64) -> Vec<i64> {
        let seq = (values.len() / self.rows.max(1)).max(1);
        let rows = values.chunks(seq);
        rows.flat_map(|row| std::iter::repeat_n(fill, self.virtual_tokens).chain(row.iter().copied())).collect()
    }

    /// Mean cross entropy: of labels, or of each next token, where -100 counts for nothing.
    pub(super) fn loss(&self, logits: &Logits) -> Tensor<1> {
        match logits {
            Logits::Labels(logits) => cross_entropy(logits.clone(), &self.labels),
            Logits::Tokens(logits) => {
                let [rows, seq, width] = logits.dims();
                let logits = logits.clone().narrow(1, 0, seq - 1).reshape([rows * (seq - 1), width]);
                let labels = self.behind_virtual_tokens(&self.labels, -100); // the last of them predicts the first token
                let next: Vec<i64> = labels.chunks(seq).flat_map(|row| row[1..].to_vec()).collect();
                cross_entropy(logits, &next)
            }
        }
    }
}

pub(super) fn open(path: PathBuf) -> Result<Checkpoint> {
    Checkpoint::open(&path).map_err(broken(path))
}

fn cross_entropy(logits: Tensor<2>, labels: &[i64]) -> Tensor<1> {
    let device = logits.device().inner();
    let kept: Vec<i64> = (0..labels.len() as i64).filter(|i| labels[*i as usize] != -100).collect();
    let wanted: Vec<i64> = kept.iter().map(|i| labels[*i as usize]).collect();
    let ints = |values: &[i64]| Tensor::<1, Int>::from_data(TensorData::from(values), &device);
    log_softmax(logits.select(0, ints(&kept)), 1).gather(1, ints(&wanted).unsqueeze_dim(1)).mean().neg()
}

/// What the model says of the batch.
pub(super) enum Logits {
    Labels(Tensor<2>), // [batch, labels]
    Tokens(Tensor<3>), // [batch, seq, vocabulary]
}

impl Logits {
    pub(super) fn of(base: &Base, head: Option<&Head>, batch: &TokenBatch, hooks: &dyn Hooks) -> Self {
        let h = base.encode(batch, hooks); // [batch, seq, d_model]
        match head {
            Some(head) => {
                let pooled = base.pool(&h, batch, hooks);
                Logits::Labels(head.forward(h, batch, pooled))
            }
            None => Logits::Tokens(base.lm_logits(h, hooks)),
        }
    }

    pub(super) fn values(&self) -> Vec<f32> {
        match self {
            Logits::Labels(t) => t.to_data().iter::<f32>().collect(),
            Logits::Tokens(t) => t.to_data().iter::<f32>().collect(),
        }
    }
}
