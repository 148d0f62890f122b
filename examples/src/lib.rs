//! What the programs in the folder `examples` share: a tiny model and a task that a person can check by eye.
//!
//! The README lists the programs with their output.

use burn::module::Module;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};
use model_zoo::TokenBatch;
use model_zoo::dnabert2::{Dnabert2, Dnabert2Config, Parts};
use model_zoo::heads::{Head, HeadConfig, HeadKind};
use model_zoo::seed::initialise;
use peft_core::Hooks;

/// The token that marks a sequence of label 1.
const MOTIF: u32 = 9;

/// A frozen DNABERT-2 of two layers with random weights, and sequences of which it knows nothing: label 1 if the token 9
/// stands anywhere in them, else 0.
#[derive(Debug)]
pub struct Toy {
    /// The model, on the plain device.
    pub base: Dnabert2,
    /// 32 sequences of 12 tokens.
    pub batch: TokenBatch,
    /// Their labels, \[32\].
    pub labels: Tensor<1, Int>,
}

impl Toy {
    /// The same toy in every run.
    pub fn new() -> Self {
        let device = Device::default();
        let config = Dnabert2Config {
            vocab_size: 16,
            hidden_size: 32,
            num_hidden_layers: 2,
            num_attention_heads: 4,
            intermediate_size: 64,
            ..Default::default()
        };
        let base = initialise(config.init(Parts { mlm_head: false, pooler: false }, &device), 1, 0.2);
        let rows: Vec<Vec<u32>> = (0..32).map(row).collect();
        let labels: Vec<i64> = rows.iter().map(|row| i64::from(row.contains(&MOTIF))).collect();
        Toy {
            base: base.set_require_grad(false),
            batch: TokenBatch::from_rows(&rows, 0, &device),
            labels: Tensor::from_data(TensorData::from(&labels[..]), &device),
        }
    }

    /// A new head with two labels, trainable if `device` has autodiff.
    pub fn head(&self, device: &Device) -> Head {
        let config = HeadConfig {
            kind: HeadKind::Bert,
            d_model: self.base.config().hidden_size,
            num_labels: 2,
            dropout: 0.0,
            bins: 0,
            features: 0,
            own_pooler: false, // a linear layer on the first token's state
        };
        initialise(config.init(device), 2, 0.02)
    }

    /// The sequences' scores, [32, 2]. `base` is [`Toy::base`], or what merging made of it.
    pub fn scores(&self, base: &Dnabert2, head: &Head, hooks: &dyn Hooks) -> Tensor<2> {
        head.forward(base.encode(&self.batch, hooks), &self.batch, None)
    }

    /// Cross-entropy, \[1\].
    pub fn loss(&self, scores: Tensor<2>) -> Tensor<1> {
        log_softmax(scores, 1).gather(1, self.labels.clone().unsqueeze_dim(1)).mean().neg()
    }

    /// How many of the labels the scores hit.
    pub fn hits(&self, scores: Tensor<2>) -> usize {
        let guesses = scores.argmax(1).to_data();
        guesses.iter::<i64>().zip(self.labels.to_data().iter::<i64>()).filter(|(guess, label)| guess == label).count()
    }
}

impl Default for Toy {
    fn default() -> Self {
        Self::new()
    }
}

/// Token 1, then eleven of 2..16 but the motif; in every other row the motif replaces one of them.
fn row(i: usize) -> Vec<u32> {
    let token = |at: usize| 2 + ((i * 31 + at * 7 + i * at) % 13) as u32;
    let mut row: Vec<u32> = (1..12).map(token).map(|t| if t >= MOTIF { t + 1 } else { t }).collect();
    row.insert(0, 1);
    if i % 2 == 1 {
        row[1 + (i / 2) % 11] = MOTIF;
    }
    row
}

/// One number from a tensor that holds one.
pub fn number<const D: usize>(tensor: Tensor<D>) -> f32 {
    tensor.into_scalar()
}
