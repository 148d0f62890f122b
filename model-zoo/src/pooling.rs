//! One vector a sequence from its hidden states.

use crate::TokenBatch;
use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// How the vectors of a sequence's tokens become one. Padding never counts; special tokens do, as in the originals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// Mean over the tokens.
    Mean,
    /// Largest value over the tokens, feature by feature.
    Max,
    /// The first token, which most encoders train to stand for the sequence.
    Cls,
    /// The last token, the only one of a causal model that has seen the whole sequence.
    Last,
}

impl Pooling {
    /// [batch, seq, d_model] to [batch, d_model]. Positions that stand before the batch's own (virtual tokens) are left out.
    pub fn pool(self, h: Tensor<3>, batch: &TokenBatch) -> Tensor<2> {
        let skip = h.dims()[1] - batch.dims()[1];
        match self {
            Self::Mean | Self::Max => {
                let seq = batch.dims()[1];
                let h = h.narrow(1, skip, seq);
                let spans: Vec<_> = (0..batch.lengths.len()).map(|r| (batch.first(r), batch.lengths[r])).collect();
                if self == Self::Mean { mean(h, &spans) } else { max(h, &spans) }
            }
            Self::Cls => batch.pick(h, skip, |row| batch.first(row)),
            Self::Last => batch.pick(h, skip, |row| batch.last(row)),
        }
    }
}

/// Mean over (first, count) of each row, [batch, seq, d] to [batch, d].
pub(crate) fn mean(h: Tensor<3>, spans: &[(usize, usize)]) -> Tensor<2> {
    let [rows, _, d] = h.dims();
    let weights = weights(&h, spans, |n| 1.0 / n as f32, 0.0); // [batch, seq, 1]
    weights.swap_dims(1, 2).matmul(h).reshape([rows, d])
}

/// Maximum over (first, count) of each row, [batch, seq, d] to [batch, d].
pub(crate) fn max(h: Tensor<3>, spans: &[(usize, usize)]) -> Tensor<2> {
    let [rows, seq, d] = h.dims();
    if spans.iter().all(|s| *s == (0, seq)) {
        return h.max_dim(1).reshape([rows, d]);
    }
    let outside = weights(&h, spans, |_| 0.0, -1e30);
    (h + outside).max_dim(1).reshape([rows, d])
}

/// [batch, seq, 1].
fn weights(h: &Tensor<3>, spans: &[(usize, usize)], inside: fn(usize) -> f32, outside: f32) -> Tensor<3> {
    let [rows, seq, _] = h.dims();
    let mut values = vec![outside; rows * seq];
    for (row, &(first, count)) in spans.iter().enumerate() {
        values[row * seq + first..row * seq + first + count].fill(inside(count));
    }
    Tensor::from_data(TensorData::new(values, [rows, seq, 1]), &h.device().inner())
}
