//! torch's AdamW, operation by operation.
//!
//! Burn's takes 1 − β^t in f32, where 1 − 0.999^t has few digits left: its steps are off by 1e-5 of their length, which is
//! nothing to training, and too much for saying that two runs are the same. Where a ReLU is within rounding of its kink even
//! the order of the operations decides which way a run goes.

use burn::optim::{AdamWState, AdaptiveMomentumState, LearningRate, Optimizer};
use burn::tensor::{Device, Tensor};

/// Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization", algorithm 2, as
/// `torch.optim.adamw._single_tensor_adamw` computes it: scalars in f64, elements in f32.
#[derive(Clone)]
pub(super) struct TorchAdamW {
    pub(super) betas: [f64; 2],
    pub(super) epsilon: f64,
    pub(super) weight_decay: f64,
}

impl Optimizer for TorchAdamW {
    type State<const D: usize> = AdamWState<D>;

    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<AdamWState<D>>,
    ) -> (Tensor<D>, Option<AdamWState<D>>) {
        let (time, m, v) = match state {
            Some(state) => (state.momentum.time + 1, state.momentum.moment_1, state.momentum.moment_2),
            None => (1, grad.zeros_like(), grad.zeros_like()),
        };
        let [beta1, beta2] = self.betas;
        let corrections = [beta1, beta2].map(|beta| 1.0 - beta.powi(time as i32));
        let tensor = tensor.mul_scalar(1.0 - lr * self.weight_decay);
        let m = m.clone() + (grad.clone() - m).mul_scalar(1.0 - beta1); // lerp_
        let v = v.mul_scalar(beta2) + grad.clone().mul_scalar(1.0 - beta2) * grad; // mul_, addcmul_
        let denominator = v.clone().sqrt().div_scalar(corrections[1].sqrt()).add_scalar(self.epsilon);
        let tensor = tensor - m.clone().mul_scalar(lr / corrections[0]) / denominator; // addcdiv_
        (tensor, Some(AdamWState { momentum: AdaptiveMomentumState::new(time, m, v) }))
    }

    fn to_device<const D: usize>(mut state: AdamWState<D>, device: &Device) -> AdamWState<D> {
        state.momentum = state.momentum.to_device(device);
        state
    }
}
