//! What a run will need, before it starts: trained weights, memory and the cost of a step.
//!
//! | figure | formula |
//! |---|---|
//! | optimizer | AdamW holds two moments a trained weight: 8 bytes, and its gradient 4 |
//! | base | 4 bytes a weight; of packed layers 1 or 1/2 byte, and 4 bytes for each block of 64 |
//! | activations | f32, what the backward pass needs: a layer keeps about 10 rows of d_model and 3 of its inner width for each token, and its attention probabilities, heads·seq² a sequence; the hidden state between layers 1 row |
//! | with checkpointing | the hidden states between layers, and one layer's own |
//! | cost of a step | products of matrices: forward 2·P·N operations for P weights and N tokens, the same again for the gradient of the activations, and 2·p·N for the gradient of the p trained weights; full fine-tuning is 6·P·N; checkpointing runs the layers once more |
//!
//! The counts of weights are exact. Memory is an estimate of what the algorithm holds, without the allocator's and the data's
//! share. Embeddings are looked up, not multiplied: they count as weights, not as cost.

use model_zoo::BaseConfig;
use model_zoo::packed::Bits;
use serde::Serialize;

/// The batch of a step.
#[derive(Debug, Clone, Copy)]
pub struct BatchShape {
    /// Sequences.
    pub rows: usize,
    /// Tokens in each.
    pub tokens: usize,
}

/// What is trained and how.
#[derive(Debug, Clone, Copy)]
pub struct PlanInput {
    /// Weights that training changes, the head's included.
    pub trained: usize,
    /// All weights of the base.
    pub base: usize,
    /// Weights of the base's linear layers.
    pub linear: usize,
    /// True if the base's own weights are what is trained.
    pub full: bool,
    /// Bits of the base's linear layers, if they are packed.
    pub bits: Option<Bits>,
    /// The activations of one layer at a time.
    pub checkpointing: bool,
    /// The batch.
    pub batch: BatchShape,
}

/// The estimate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// Weights that training changes.
    pub trained: usize,
    /// Their share of all weights, from 0 to 1.
    pub trained_share: f64,
    /// Bytes of the base's weights.
    pub base_bytes: u64,
    /// Bytes of trained weights that stand beside the base.
    pub adapter_bytes: u64,
    /// Bytes of gradients and AdamW's moments.
    pub optimizer_bytes: u64,
    /// Bytes of activations that a backward pass needs.
    pub activation_bytes: u64,
    /// All of these.
    pub total_bytes: u64,
    /// Cost of a step as a share of full fine-tuning's without checkpointing.
    pub step_cost: f64,
}

impl Plan {
    /// The estimate for a model of `config`.
    pub fn new(config: &BaseConfig, input: &PlanInput) -> Self {
        let PlanInput { trained, base, linear, batch, .. } = *input;
        let packed = |bytes_of_64: u64| linear as u64 * bytes_of_64 / 64 + 4 * (base - linear) as u64;
        let base_bytes = match input.bits {
            None => 4 * base as u64,
            Some(Bits::Eight) => packed(64 + 4),
            Some(Bits::Four) => packed(32 + 4),
        };
        let (layers, d, ffn, heads) = (config.blocks(), config.d_model(), config.d_ffn(), config.heads());
        let tokens = (batch.rows * batch.tokens) as u64;
        let state = 4 * tokens * d as u64;
        let layer = 4 * tokens * (10 * d + 3 * ffn) as u64 + 4 * (batch.rows * heads * batch.tokens.pow(2)) as u64;
        let activation_bytes = match input.checkpointing {
            true => layers as u64 * state + layer,
            false => layers as u64 * layer,
        };
        let adapter_bytes = if input.full { 0 } else { 4 * trained as u64 };
        let optimizer_bytes = 12 * trained as u64;
        let products = linear as f64;
        let trained_products = if input.full { products } else { trained as f64 };
        let beside = if input.full { 0.0 } else { 4.0 * trained as f64 }; // adapters run forward and backward too
        let again = if input.checkpointing { 2.0 * products } else { 0.0 };
        let cost = 4.0 * products + beside + 2.0 * trained_products + again;
        Self {
            trained,
            trained_share: trained as f64 / (base + if input.full { 0 } else { trained }) as f64,
            base_bytes,
            adapter_bytes,
            optimizer_bytes,
            activation_bytes,
            total_bytes: base_bytes + adapter_bytes + optimizer_bytes + activation_bytes,
            step_cost: cost / (6.0 * products),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(change: impl FnOnce(&mut PlanInput)) -> Plan {
        let config = BaseConfig::Dnabert2(Default::default());
        let mut input = PlanInput {
            trained: 1_000_000,
            base: 117_000_000,
            linear: 113_000_000,
            full: false,
            bits: None,
            checkpointing: false,
            batch: BatchShape { rows: 8, tokens: 128 },
        };
        change(&mut input);
        Plan::new(&config, &input)
    }

    #[test]
    fn what_costs_more_is_told_to() {
        let lora = plan(|_| ());
        let full = plan(|i| (i.full, i.trained) = (true, i.base));
        assert!((full.step_cost - 1.0).abs() < 1e-9 && lora.step_cost > 0.66 && lora.step_cost < 0.7, "{lora:?}");
        assert_eq!(full.optimizer_bytes, 12 * 117_000_000);
        assert!(full.total_bytes > lora.total_bytes + 11 * 116_000_000, "{full:?}");
        let checkpointed = plan(|i| i.checkpointing = true);
        assert!(checkpointed.activation_bytes * 4 < lora.activation_bytes && checkpointed.step_cost > lora.step_cost);
        let (eight, four) = (plan(|i| i.bits = Some(Bits::Eight)), plan(|i| i.bits = Some(Bits::Four)));
        let share = |p: &Plan| p.base_bytes as f64 / lora.base_bytes as f64;
        assert!(share(&eight) < 0.35 && share(&four) < 0.22, "{} {}", share(&eight), share(&four));
        let double = plan(|i| i.batch.rows = 16);
        assert_eq!(double.activation_bytes, 2 * lora.activation_bytes);
    }
}
