//! One LoRA adapter on one linear layer, and how it starts.
//!
//! Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models", arXiv 2106.09685, eq. 3:
//!
//! ```text
//! h = W0 x + ΔW x = W0 x + (α/r) B A x        A: lora_A, B: lora_B, α/r: scaling
//! ```
//!
//! Reference: PEFT's `peft/tuners/lora/layer.py`. Here x is a row, so the product reads x A B, and A and B are the
//! transposed of the matrices in the paper and in PEFT's files. No other difference.

use burn::module::{Module, Param};
use burn::nn::{Dropout, DropoutConfig, Linear};
use burn::tensor::{Device, Distribution, Tensor, TensorData};
use peft_core::{FolderAdapter, FolderConfig, HostTensor, LinearAdapter, Method, Result, Site, SiteTensors};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{LoraConfig, Start};

/// A low-rank adapter of one linear layer: y + scaling · dropout(x) A B.
///
/// ΔW = A B is never formed in a forward pass, and no gradient of W is asked for: one step costs
/// rows · r · (d_in + d_out) multiplications on top of the frozen layer, forward, and twice that backward.
#[derive(Module, Debug)]
pub struct LoraLinear {
    /// A, [d_in, r].
    pub lora_A: Param<Tensor<2>>,
    /// B, [r, d_out].
    pub lora_B: Param<Tensor<2>>,
    /// Drops inputs of the adapter (not of the layer) while it trains, that is while A is on an autodiff device
    /// and the adapter is not frozen; see [`LoraLinear::is_dropping`].
    pub dropout: Dropout,
    scaling: f64,
}

impl LoraLinear {
    /// α/r, or α/√r with rsLoRA.
    pub fn scaling(&self) -> f64 {
        self.scaling
    }

    /// The rank r.
    pub fn rank(&self) -> usize {
        self.lora_A.lazy_shape()[1]
    }

    /// True if a forward pass drops inputs: on an autodiff device, before [`Module::valid`] or
    /// [`Module::freeze`], with a dropout above 0.
    ///
    /// It is A that must be on an autodiff device, not the input: that of the first adapted layer comes from a
    /// frozen base and may well be without. Masks are drawn from the device's own generator, so a run repeats
    /// if the device is seeded (`device.seed(n)`) and nothing else draws from it at the same time.
    pub fn is_dropping(&self) -> bool {
        self.dropout.prob > 0.0 && self.dropout.training.is_enabled() && self.lora_A.is_autodiff()
    }
}

impl LinearAdapter for LoraLinear {
    fn after(&self, _layer: &Linear, x: &Tensor<3>, y: Tensor<3>) -> Tensor<3> {
        let [batch, seq, d_in] = x.dims();
        let d_out = y.dims()[2];
        let mut x: Tensor<2> = x.clone().reshape([batch * seq, d_in]); // [rows, d_in]
        let mut scale = self.scaling;
        if self.is_dropping() {
            let keep = 1.0 - self.dropout.prob;
            let mask = x.clone().without_autodiff().random_like(Distribution::Bernoulli(keep)); // [rows, d_in]
            x = x * mask; // [rows, d_in]
            scale /= keep;
        }
        let low = x.matmul(self.lora_A.val()).mul_scalar(scale); // [rows, r]: the scale where it is cheapest
        let delta = low.matmul(self.lora_B.val()); // [rows, d_out]
        y + delta.reshape([batch, seq, d_out]) // [batch, seq, d_out]
    }

    fn delta_weight(&self) -> Option<Tensor<2>> {
        Some(self.lora_A.val().mul_scalar(self.scaling).matmul(self.lora_B.val())) // [d_in, d_out]
    }
}

impl FolderAdapter for LoraLinear {
    fn tensors(&self) -> Vec<(String, HostTensor)> {
        let torch = |p: &Param<Tensor<2>>| HostTensor::from_tensor(&p.val()).transposed();
        vec![
            ("lora_A.weight".into(), torch(&self.lora_A)), // [r, d_in]
            ("lora_B.weight".into(), torch(&self.lora_B)), // [d_out, r]
        ]
    }

    fn with_tensors(self, tensors: &mut SiteTensors<'_>) -> Result<Self> {
        let lora_A = tensors.fill_transposed("lora_A.weight", self.lora_A)?;
        let lora_B = tensors.fill_transposed("lora_B.weight", self.lora_B)?;
        Ok(LoraLinear { lora_A, lora_B, ..self })
    }
}

impl Method for LoraConfig {
    type Adapter = LoraLinear;

    fn adapter_type(&self) -> &'static str {
        Self::PEFT_TYPE
    }

    fn init(&self, site: &Site, seed: [u8; 32], device: &Device) -> Result<LoraLinear> {
        self.check()?;
        let [d_in, d_out] = site.shape;
        let r = self.rank_at(&site.path)?;
        if r > d_in.min(d_out) {
            return Err(site.refuse(format!("adapter rank {r} exceeds min({d_in}, {d_out})")));
        }
        let mut rng = ChaCha8Rng::from_seed(seed);
        let a = match self.init_lora_weights {
            Start::KaimingUniform => uniform(&mut rng, d_in * r, (d_in as f64).sqrt().recip()),
            Start::Gaussian => normal(&mut rng, d_in * r, (r as f64).recip()),
        };
        Ok(LoraLinear {
            lora_A: Param::from_data(TensorData::new(a, [d_in, r]), device),
            lora_B: Param::from_data(TensorData::new(vec![0f32; r * d_out], [r, d_out]), device),
            dropout: DropoutConfig::new(self.lora_dropout).init(), // in [0, 1): checked above
            scaling: self.scaling_at(&site.path)?,
        })
    }
}

/// `n` numbers from U(-bound, bound).
fn uniform(rng: &mut ChaCha8Rng, n: usize, bound: f64) -> Vec<f32> {
    (0..n).map(|_| ((rng.random::<f64>() * 2.0 - 1.0) * bound) as f32).collect()
}

/// `n` numbers from N(0, deviation), by Box and Muller.
fn normal(rng: &mut ChaCha8Rng, n: usize, deviation: f64) -> Vec<f32> {
    let mut one = || {
        let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt(); // 1 - u is in (0, 1]
        let angle = std::f64::consts::TAU * rng.random::<f64>();
        (deviation * radius * angle.cos()) as f32
    };
    (0..n).map(|_| one()).collect()
}
