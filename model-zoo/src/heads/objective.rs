//! What a head's scores are trained for: one label, several labels or numbers.

use burn::tensor::activation::{log_sigmoid, log_softmax};
use burn::tensor::{Int, Tensor};
use serde::{Deserialize, Serialize};

/// What the scores mean, as transformers' `problem_type` names it. The heads are the same for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// Exactly one label: softmax and cross entropy.
    #[default]
    SingleLabelClassification,
    /// Any number of labels: a sigmoid and binary cross entropy each.
    MultiLabelClassification,
    /// Numbers: mean squared error.
    Regression,
}

/// Mean cross entropy in nats, `[1]`. `logits`: [n, labels]; `labels`: \[n\], of which those below 0 do not count (-100 is the custom).
///
/// NaN if no label counts, as in PyTorch.
pub fn cross_entropy(logits: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<1> {
    let counts = labels.clone().greater_equal_elem(0).float(); // [n]
    let picked = log_softmax(logits, 1).gather(1, labels.clamp_min(0).unsqueeze_dim(1)).squeeze_dim::<1>(1);
    (picked * counts.clone()).sum().neg() / counts.sum()
}

/// Mean binary cross entropy in nats over all scores, `[1]`. `logits` and `targets` (0 to 1): [n, labels].
pub fn binary_cross_entropy(logits: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    // -t·log σ(x) - (1 - t)·log σ(-x)
    let on = targets.clone() * log_sigmoid(logits.clone());
    let off = (targets.neg() + 1.0) * log_sigmoid(logits.neg());
    (on + off).mean().neg()
}

/// Mean squared error over all scores, `[1]`. Both [n, numbers].
pub fn mean_squared_error(scores: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    (scores - targets).square().mean()
}

/// Loss of a causal language model, `[1]`: the scores at each position against the token after it.
/// `logits`: [batch, seq, vocab]; `labels`: [batch, seq], of which those below 0 do not count.
pub fn next_token_loss(logits: Tensor<3>, labels: Tensor<2, Int>) -> Tensor<1> {
    let [batch, seq, vocab] = logits.dims();
    let rows = batch * (seq - 1);
    let labels = labels.narrow(1, 1, seq - 1).reshape([rows]);
    cross_entropy(logits.narrow(1, 0, seq - 1).reshape([rows, vocab]), labels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn value(x: Tensor<1>) -> f32 {
        x.into_scalar()
    }

    #[test]
    fn like_pytorch() {
        // torch 2.15: F.cross_entropy(x, [1, -100, 0]), F.binary_cross_entropy_with_logits(x, t), F.mse_loss(x, t)
        let device = Device::default();
        let x = Tensor::<2>::from_floats([[1.0, 2.0], [0.5, -0.5], [-1.0, 3.0]], &device);
        let t = Tensor::<2>::from_floats([[0.0, 1.0], [1.0, 1.0], [0.0, 0.0]], &device);
        let labels = Tensor::<1, Int>::from_ints([1, -100, 0], &device);
        let by_hand = ((1.0_f32 + (-1.0_f32).exp()).ln() + (1.0_f32 + 4.0_f32.exp()).ln()) / 2.0;
        assert!((value(cross_entropy(x.clone(), labels)) - by_hand).abs() < 1e-6);
        let softplus = |x: f32| (1.0 + x.exp()).ln();
        let by_hand =
            (softplus(1.0) + softplus(-2.0) + softplus(-0.5) + softplus(0.5) + softplus(-1.0) + softplus(3.0)) / 6.0;
        assert!((value(binary_cross_entropy(x.clone(), t.clone())) - by_hand).abs() < 1e-6);
        let by_hand = (1.0 + 1.0 + 0.25 + 2.25 + 1.0 + 9.0) / 6.0;
        assert!((value(mean_squared_error(x, t)) - by_hand).abs() < 1e-6);
    }
}
