//! The term of the loss that keeps singular vectors apart.
//!
//! Zhang et al. 2023, eq. 4: R(P, Q) = ‖PᵀP − I‖² + ‖QQᵀ − I‖². PEFT, and so we, take the Frobenius norms without the
//! squares, and their mean over all matrices instead of the sum:
//!
//! ```text
//! R = 1/(2n) Σ_k ( ‖P_kᵀ P_k − I‖_F + ‖Q_k Q_kᵀ − I‖_F )        P: lora_B, Q: lora_A, n layers
//! ```

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor};
use peft_core::Adapters;

use crate::SvdLinear;

/// Below the squares of f32's precision, and enough to make the root's gradient 0 instead of NaN at 0.
const NOT_ZERO: f64 = 1e-30;

/// R of all `adapters`, differentiable, of shape `[1]`; 0 (on the default device) if there are none. Add it to the loss of the task, times
/// [`crate::AdaLoraConfig::orth_reg_weight`].
///
/// ```
/// # use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::Device};
/// # use peft_core::Adapters;
/// # use peft_adalora::{AdaLoraConfig, Schedule, orthogonality};
/// # #[derive(Module, Debug)] struct Model { query: Linear }
/// # let device = Device::default();
/// # let base = Model { query: LinearConfig::new(16, 8).init(&device) };
/// let config = AdaLoraConfig { init_r: 4, target_r: 2, ..AdaLoraConfig::new(["query"], Schedule::for_steps(100)?) };
/// let adapters = Adapters::attach(&base, &config.selection(["head"]), &config, 7, &device)?;
/// let penalty: f32 = orthogonality(&adapters).into_scalar();
/// assert!((penalty - 2.0).abs() < 0.1); // A and B are almost 0, so it is almost ‖I‖ = √4
/// # Ok::<(), peft_adalora::Error>(())
/// ```
pub fn orthogonality(adapters: &Adapters<SvdLinear>) -> Tensor<1> {
    // Matrices of one rank are taken together, so that there are few small operations: in training all of them.
    let mut grams: BTreeMap<usize, Vec<Tensor<2>>> = BTreeMap::new();
    for (_, adapter) in adapters.iter().filter(|(_, a)| a.rank() > 0) {
        let (a, b) = (adapter.lora_A.val(), adapter.lora_B.val()); // [d_in, r], [r, d_out]
        grams
            .entry(adapter.rank())
            .or_default()
            .extend([a.clone().transpose().matmul(a), b.clone().matmul(b.transpose())]);
    }
    let norms = grams.into_iter().map(|(r, grams)| {
        let device = grams[0].device();
        let grams: Tensor<3> = Tensor::stack(grams, 0); // [matrices, r, r]
        let off = grams - Tensor::<2>::eye(r, &device).unsqueeze(); // [matrices, r, r]
        let squares: Tensor<3> = (off.clone() * off).sum_dim(1).sum_dim(2); // [matrices, 1, 1]
        (squares + NOT_ZERO).sqrt().sum() // [1]
    });
    // A matrix of rank 0 has norm 0, and is counted.
    let total = norms.reduce(|a, b| a + b).unwrap_or_else(|| Tensor::zeros([1], &Device::default()));
    total / (2 * adapters.len()).max(1) as f64
}
