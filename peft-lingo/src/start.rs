//! Random starts, as torch's modules have them, from one seed.

use burn::module::Param;
use burn::nn::Linear;
use burn::tensor::{Device, TensorData};
use peft_core::site_seed;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The random numbers of `name` in a run of `seed`.
pub(crate) fn stream(seed: u64, name: &str) -> ChaCha8Rng {
    ChaCha8Rng::from_seed(site_seed(seed, name))
}

/// `n` numbers from N(0, 1), by Box and Muller: the start of `torch.nn.Embedding`.
pub(crate) fn normal(rng: &mut ChaCha8Rng, n: usize) -> Vec<f32> {
    let mut one = || {
        let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt(); // 1 - u is in (0, 1]
        (radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()) as f32
    };
    (0..n).map(|_| one()).collect()
}

/// A parameter from U(-bound, bound).
pub(crate) fn uniform<const D: usize>(
    rng: &mut ChaCha8Rng,
    shape: [usize; D],
    bound: f64,
    device: &Device,
) -> Param<burn::tensor::Tensor<D>> {
    let values = (0..shape.iter().product()).map(|_| (bound * (2.0 * rng.random::<f64>() - 1.0)) as f32);
    Param::from_data(TensorData::new(values.collect::<Vec<f32>>(), shape), device)
}

/// A layer as `torch.nn.Linear` starts: weight and bias from U(-1/√d_in, 1/√d_in).
pub(crate) fn linear(rng: &mut ChaCha8Rng, d_in: usize, d_out: usize, device: &Device) -> Linear {
    let bound = (d_in.max(1) as f64).sqrt().recip();
    Linear { weight: uniform(rng, [d_in, d_out], bound, device), bias: Some(uniform(rng, [d_out], bound, device)) }
}
