//! Adapters that started as a part of the base, as plain LoRA: PEFT's `path_initial_model_for_weight_conversion`.

use burn::module::Param;
use peft_core::{Adapters, Error, Result};

use crate::{LoraConfig, LoraLinear, Patterns, Start};

impl LoraConfig {
    /// `adapters`, which PiSSA or OLoRA started, as plain LoRA for the base as it was published, and the settings that go
    /// with them; others come back as they are.
    ///
    /// W - s A₀ B₀ + s A B = W + s \[A, A₀\] \[B; -B₀\], so ranks double. A folder of these needs no decomposition to be
    /// read, and other adapters of the same base can act beside it.
    ///
    /// # Errors
    /// [`Error::Method`] where twice the rank is more than a layer has.
    pub fn converted(&self, adapters: Adapters<LoraLinear>) -> Result<(LoraConfig, Adapters<LoraLinear>)> {
        if !self.init_lora_weights.reads_base() {
            return Ok((self.clone(), adapters));
        }
        let adapters = adapters.try_map(|path, adapter| {
            let Some(start) = &adapter.residual else { return Ok(adapter) };
            let (a, b) = (adapter.lora_A.val(), adapter.lora_B.val());
            let ([d_in, r], [_, d_out]) = (a.dims(), b.dims());
            if 2 * r > d_in.min(d_out) {
                let reason = format!("twice the rank {r} exceeds min({d_in}, {d_out})");
                return Err(Error::Method { path: path.to_owned(), shape: [d_in, d_out], reason });
            }
            let device = adapter.lora_A.lazy_device();
            let wide = burn::tensor::Tensor::cat(vec![a.without_autodiff(), start.a.clone().without_autodiff()], 1);
            let tall =
                burn::tensor::Tensor::cat(vec![b.without_autodiff(), start.b.clone().without_autodiff().neg()], 0);
            Ok(LoraLinear {
                lora_A: Param::from_data(wide.to_data(), &device), // [d_in, 2r]
                lora_B: Param::from_data(tall.to_data(), &device), // [2r, d_out]
                residual: None,
                ..adapter
            })
        })?;
        let alpha = if self.use_rslora { std::f64::consts::SQRT_2 } else { 2.0 };
        let config = LoraConfig {
            r: 2 * self.r,
            lora_alpha: short(self.lora_alpha * alpha),
            rank_pattern: self.rank_pattern.iter().map(|(p, r)| (p, 2 * r)).collect::<Patterns<usize>>(),
            alpha_pattern: self.alpha_pattern.iter().map(|(p, a)| (p, short(a * alpha))).collect::<Patterns<f64>>(),
            init_lora_weights: Start::KaimingUniform,
            ..self.clone()
        };
        Ok((config, adapters))
    }
}

/// `value` to 15 digits, which every reader of JSON reads as it was written; the scales of layers are f32 in the end.
fn short(value: f64) -> f64 {
    format!("{value:.14e}").parse().unwrap_or(value)
}
