//! Classification heads: what turns hidden states into the scores of labels.

mod objective;
mod token;

pub use objective::{Objective, binary_cross_entropy, cross_entropy, mean_squared_error, next_token_loss};
pub use token::TokenHead;

use crate::checkpoint::{Checkpoint, LoadRules, load};
use crate::fused::gelu;
use crate::pooling;
use crate::transparent::transparent_module;
use crate::{Base, Error, Result, TokenBatch};
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig};
use burn::tensor::activation::tanh;
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// The pooler's weight, in a base's checkpoint or beside a classifier.
pub(crate) const POOLER: &str = "bert.pooler.dense.weight";

/// Which head a classifier has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeadKind {
    /// BERT's and DNABERT-2's: a linear layer on the pooled first token.
    Bert,
    /// ESM's and Nucleotide Transformer's: dense, tanh and a linear layer on the first token.
    Esm,
    /// OPT's and LLaMA's: a linear layer without bias on the last token.
    Last,
    /// Ours: sees where in the sequence each feature stands; see [`PositionHead`].
    Position,
}

/// Everything that defines a classification head.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeadConfig {
    /// Which head.
    pub kind: HeadKind,
    /// Width of the hidden states.
    pub d_model: usize,
    /// Number of labels.
    pub num_labels: usize,
    /// Dropout before the last layer, in training only.
    pub dropout: f64,
    /// [`HeadKind::Position`]: places along the sequence that are told apart.
    #[serde(default)]
    pub bins: usize,
    /// [`HeadKind::Position`]: features that are kept of each token.
    #[serde(default)]
    pub features: usize,
    /// [`HeadKind::Bert`]: the head brings a pooler of its own, because the base has none.
    #[serde(default)]
    pub own_pooler: bool,
}

/// A head of any kind; parameters bear the published names.
#[derive(Debug, Clone)]
pub enum Head {
    /// See [`HeadKind::Bert`].
    Bert(BertHead),
    /// See [`HeadKind::Esm`].
    Esm(EsmHead),
    /// See [`HeadKind::Last`].
    Last(LastTokenHead),
    /// See [`HeadKind::Position`].
    Position(PositionHead),
}
transparent_module!(Head { Bert, Esm, Last, Position });

/// `classifier` on the pooled first token, with `bert.pooler` if the base has none.
#[derive(Module, Debug)]
pub struct BertHead {
    bert: Option<OwnPooler>,
    dropout: Dropout,
    classifier: Linear,
}

#[derive(Module, Debug)]
struct OwnPooler {
    pooler: Dense,
}

#[derive(Module, Debug)]
struct Dense {
    dense: Linear,
}

/// `classifier.dense`, tanh, `classifier.out_proj` on the first token.
#[derive(Module, Debug)]
pub struct EsmHead {
    dropout: Dropout,
    classifier: EsmClassifier,
}

#[derive(Module, Debug)]
struct EsmClassifier {
    dense: Linear,
    out_proj: Linear,
}

/// `score` on the last token.
#[derive(Module, Debug)]
pub struct LastTokenHead {
    dropout: Dropout,
    score: Linear, // [d_model, labels], no bias
}

/// A head for tasks where position matters.
///
/// Each token's hidden state becomes a few features, u = gelu(W·h + b). They are read at `bins` places that lie evenly
/// between the first and the last base, by linear interpolation between neighbours, so that a linear layer can give every
/// place weights of its own. For what may stand anywhere, the mean and the maximum of the hidden states over all bases and
/// the first token's state stand beside them. Sequences of different lengths share the bins; padding and special tokens are
/// never read as bases.
#[derive(Module, Debug)]
pub struct PositionHead {
    dropout: Dropout,
    classifier: PositionClassifier,
    #[module(skip)]
    bins: usize,
}

#[derive(Module, Debug)]
struct PositionClassifier {
    dense: Linear,    // [d_model, features]
    out_proj: Linear, // [bins·features + 3·d_model, labels]
}

impl HeadConfig {
    /// The head with lazy parameters on `device`.
    pub fn init(&self, device: &Device) -> Head {
        let linear = |d_in, d_out| LinearConfig::new(d_in, d_out).init(device);
        let dropout = DropoutConfig::new(self.dropout).init();
        match self.kind {
            HeadKind::Bert => Head::Bert(BertHead {
                bert: self
                    .own_pooler
                    .then(|| OwnPooler { pooler: Dense { dense: linear(self.d_model, self.d_model) } }),
                dropout,
                classifier: linear(self.d_model, self.num_labels),
            }),
            HeadKind::Esm => Head::Esm(EsmHead {
                dropout,
                classifier: EsmClassifier {
                    dense: linear(self.d_model, self.d_model),
                    out_proj: linear(self.d_model, self.num_labels),
                },
            }),
            HeadKind::Last => Head::Last(LastTokenHead {
                dropout,
                score: LinearConfig::new(self.d_model, self.num_labels).with_bias(false).init(device),
            }),
            HeadKind::Position => Head::Position(PositionHead {
                dropout,
                classifier: PositionClassifier {
                    dense: linear(self.d_model, self.features),
                    out_proj: linear(self.bins * self.features + 3 * self.d_model, self.num_labels),
                },
                bins: self.bins,
            }),
        }
    }
}

impl Head {
    /// The head that stands in a file, alone or beside other tensors; its kind and number of labels follow from the names and
    /// shapes that the originals' classifiers have. A pooler in the file is the head's own, unless `base` has one.
    ///
    /// # Errors
    /// [`crate::Error::MissingTensors`] if there is no classifier in the file, [`crate::Error::Shape`] if it is for
    /// another base, and what reading reports.
    pub fn from_checkpoint(file: &Checkpoint, base: &Base, device: &Device) -> Result<Self> {
        let kinds = [
            ("score.weight", HeadKind::Last),
            ("classifier.out_proj.weight", HeadKind::Esm),
            ("classifier.weight", HeadKind::Bert),
        ];
        let Some((kind, shape)) = kinds.iter().find_map(|(name, kind)| Some((*kind, file.shape(name)?))) else {
            let names = kinds.map(|(name, _)| name.to_owned()).to_vec();
            return Err(Error::MissingTensors { path: file.path().into(), names });
        };
        let own_pooler = kind == HeadKind::Bert && file.shape(POOLER).is_some() && !base.has_pooler();
        let (d_model, num_labels) = (base.d_model(), shape.first().copied().unwrap_or_default());
        let config = HeadConfig { kind, d_model, num_labels, dropout: 0.0, bins: 0, features: 0, own_pooler };
        let rules = LoadRules { ignore: &[""], ..Default::default() };
        Ok(load(config.init(device), file, rules)?.0)
    }

    /// Scores of the labels, [batch, labels]. `h`: last hidden states, [batch, seq, d_model], with any virtual tokens before
    /// the batch's own; `pooled`: [batch, d_model], what the base's own pooler gives, if it has one. [`HeadKind::Position`]
    /// takes the first and the last token for special ones.
    pub fn forward(&self, h: Tensor<3>, batch: &TokenBatch, pooled: Option<Tensor<2>>) -> Tensor<2> {
        let skip = h.dims()[1] - batch.dims()[1];
        let first = |h: Tensor<3>| batch.pick(h, skip, |row| batch.first(row)); // [batch, d_model]
        match self {
            Self::Bert(head) => head.forward(|| first(h), pooled),
            Self::Esm(head) => head.forward(first(h)),
            Self::Last(head) => {
                let last = batch.pick(h, skip, |row| batch.last(row)); // [batch, d_model]
                head.score.forward(head.dropout.forward(last))
            }
            Self::Position(head) => head.forward(h, batch),
        }
    }
}

impl BertHead {
    fn forward(&self, first: impl FnOnce() -> Tensor<2>, pooled: Option<Tensor<2>>) -> Tensor<2> {
        let pooled = match (&self.bert, pooled) {
            (Some(own), _) => tanh(own.pooler.dense.forward(first())),
            (None, Some(pooled)) => pooled,
            (None, None) => first(),
        };
        self.classifier.forward(self.dropout.forward(pooled))
    }
}

impl EsmHead {
    fn forward(&self, first: Tensor<2>) -> Tensor<2> {
        let x = tanh(self.classifier.dense.forward(self.dropout.forward(first)));
        self.classifier.out_proj.forward(self.dropout.forward(x))
    }
}

impl PositionHead {
    fn forward(&self, h: Tensor<3>, batch: &TokenBatch) -> Tensor<2> {
        let (rows, seq) = (batch.dims()[0], batch.dims()[1]);
        let h = h.clone().narrow(1, h.dims()[1] - seq, seq); // [batch, seq, d_model]
        let spans: Vec<_> = (0..rows).map(|row| bases(batch, row)).collect();
        let places = self.places(&spans, seq, &h.device().inner()); // [batch, bins, seq]
        let u = gelu(self.classifier.dense.forward(h.clone())); // [batch, seq, features]
        let features = u.dims()[2];
        let read = places.matmul(u).reshape([rows, self.bins * features]);
        let (mean, max) = (pooling::mean(h.clone(), &spans), pooling::max(h.clone(), &spans)); // [batch, d_model]
        let first = batch.pick(h, 0, |row| batch.first(row));
        let all = Tensor::cat(vec![read, mean, max, first], 1);
        self.classifier.out_proj.forward(self.dropout.forward(all))
    }

    /// Reading weights, [batch, bins, seq]: row j interpolates between the bases around place j.
    fn places(&self, spans: &[(usize, usize)], seq: usize, device: &Device) -> Tensor<3> {
        let mut weights = vec![0.0_f32; spans.len() * self.bins * seq];
        for (b, &(first, bases)) in spans.iter().enumerate() {
            for j in 0..self.bins {
                let row = (b * self.bins + j) * seq + first;
                let place = (bases - 1) as f32 * j as f32 / (self.bins.max(2) - 1) as f32;
                let left = (place.floor() as usize).min(bases - 1);
                let share = place - left as f32;
                weights[row + left] += 1.0 - share;
                if share > 0.0 {
                    weights[row + (left + 1).min(bases - 1)] += share;
                }
            }
        }
        Tensor::from_data(TensorData::new(weights, [spans.len(), self.bins, seq]), device)
    }
}

/// Column of the first base and number of bases of a row; a row of specials alone reads what it has.
fn bases(batch: &TokenBatch, row: usize) -> (usize, usize) {
    let (first, length) = (batch.first(row), batch.lengths[row]);
    if length > 2 { (first + 1, length - 2) } else { (first, length) }
}
