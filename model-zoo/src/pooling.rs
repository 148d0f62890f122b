//! One vector a sequence from its hidden states.

use crate::TokenBatch;
use crate::heads::bases;
use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// How the vectors of a sequence's tokens become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// Mean over the tokens of the sequence, without padding and special tokens.
    Mean,
    /// Largest value over the same tokens, feature by feature.
    Max,
    /// The first token, which is special.
    Cls,
}

impl Pooling {
    /// [batch, seq, d_model] to [batch, d_model].
    pub fn pool(self, h: Tensor<3>, batch: &TokenBatch) -> Tensor<2> {
        let [rows, seq, d] = h.dims();
        let weights = |inside: fn(usize) -> f32, outside: f32| {
            let mut values = vec![outside; rows * seq];
            for (row, &length) in batch.lengths.iter().enumerate() {
                let (first, bases) = bases(length);
                values[row * seq + first..row * seq + first + bases].fill(inside(bases));
            }
            Tensor::<3>::from_data(TensorData::new(values, [rows, seq, 1]), &h.device())
        };
        match self {
            Self::Mean => (h.clone() * weights(|n| 1.0 / n as f32, 0.0)).sum_dim(1).reshape([rows, d]),
            Self::Max => (h.clone() + weights(|_| 0.0, -1e4)).max_dim(1).reshape([rows, d]),
            Self::Cls => h.narrow(1, 0, 1).reshape([rows, d]),
        }
    }
}
