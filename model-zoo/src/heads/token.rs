//! A label for every token, and from there for every base.

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

/// Dropout and a linear layer on each token, as the originals' token classifiers have it (`classifier`; in OPT's and LLaMA's
/// checkpoints `score`).
#[derive(Module, Debug)]
pub struct TokenHead {
    dropout: Dropout,
    classifier: Linear, // [d_model, labels]
}

impl TokenHead {
    /// A head with lazy parameters. `dropout` acts in training only.
    pub fn new(d_model: usize, labels: usize, dropout: f64, device: &Device) -> Self {
        Self {
            dropout: DropoutConfig::new(dropout).init(),
            classifier: LinearConfig::new(d_model, labels).init(device),
        }
    }

    /// Scores of the labels of each token, [batch, seq, labels]. `h`: [batch, seq, d_model].
    pub fn forward(&self, h: Tensor<3>) -> Tensor<3> {
        self.classifier.forward(self.dropout.forward(h))
    }
}
