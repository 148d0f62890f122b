//! Classification heads: what turns hidden states into the scores of labels.

use crate::fused::gelu;
use crate::transparent::transparent_module;
use crate::{Pooling, TokenBatch};
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig};
use burn::tensor::activation::tanh;
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// Which head a classifier has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeadKind {
    /// BERT's and DNABERT-2's: a linear layer on the pooled first token.
    Bert,
    /// ESM's and Nucleotide Transformer's: dense, tanh and a linear layer on the first token.
    Esm,
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
    /// See [`HeadKind::Position`].
    Position(PositionHead),
}
transparent_module!(Head { Bert, Esm, Position });

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
    /// Scores of the labels, [batch, labels]. `h`: last hidden states, [batch, seq, d_model], whose first and last tokens
    /// are special; `pooled`: [batch, d_model], what the base's own pooler gives, if it has one.
    pub fn forward(&self, h: Tensor<3>, batch: &TokenBatch, pooled: Option<Tensor<2>>) -> Tensor<2> {
        match self {
            Self::Bert(head) => head.forward(h, pooled),
            Self::Esm(head) => head.forward(h),
            Self::Position(head) => head.forward(h, batch),
        }
    }
}

/// [batch, seq, d] to the first token's [batch, d].
fn first_token(h: Tensor<3>) -> Tensor<2> {
    let [batch, _, d] = h.dims();
    h.narrow(1, 0, 1).reshape([batch, d])
}

impl BertHead {
    fn forward(&self, h: Tensor<3>, pooled: Option<Tensor<2>>) -> Tensor<2> {
        let pooled = match (&self.bert, pooled) {
            (Some(own), _) => tanh(own.pooler.dense.forward(first_token(h))),
            (None, Some(pooled)) => pooled,
            (None, None) => first_token(h),
        };
        self.classifier.forward(self.dropout.forward(pooled))
    }
}

impl EsmHead {
    fn forward(&self, h: Tensor<3>) -> Tensor<2> {
        let x = self.dropout.forward(first_token(h));
        let x = tanh(self.classifier.dense.forward(x));
        self.classifier.out_proj.forward(self.dropout.forward(x))
    }
}

impl PositionHead {
    fn forward(&self, h: Tensor<3>, batch: &TokenBatch) -> Tensor<2> {
        let [rows, seq, _] = h.dims();
        let places = self.places(&batch.lengths, seq, &h.device().inner()); // [batch, bins, seq]
        let u = gelu(self.classifier.dense.forward(h.clone())); // [batch, seq, features]
        let features = u.dims()[2];
        let read = places.matmul(u).reshape([rows, self.bins * features]);
        let [mean, max] = [Pooling::Mean, Pooling::Max].map(|pooling| pooling.pool(h.clone(), batch)); // [batch, d_model]
        let all = Tensor::cat(vec![read, mean, max, first_token(h)], 1);
        self.classifier.out_proj.forward(self.dropout.forward(all))
    }

    /// Reading weights, [batch, bins, seq]: row j interpolates between the bases around place j.
    fn places(&self, lengths: &[usize], seq: usize, device: &Device) -> Tensor<3> {
        let mut weights = vec![0.0_f32; lengths.len() * self.bins * seq];
        for (b, &length) in lengths.iter().enumerate() {
            let (first, bases) = bases(length);
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
        Tensor::from_data(TensorData::new(weights, [lengths.len(), self.bins, seq]), device)
    }
}

/// First base and number of bases in a row of `length` tokens; a row of specials alone reads what it has.
pub(crate) fn bases(length: usize) -> (usize, usize) {
    if length > 2 { (1, length - 2) } else { (0, length) }
}
