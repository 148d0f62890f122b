//! One AdaLoRA adapter on one linear layer: an increment in the form of a singular value decomposition.
//!
//! Zhang et al. 2023, "Adaptive Budget Allocation for Parameter-Efficient Fine-Tuning", ICLR 2023, arXiv 2303.10512,
//! eq. 3:
//!
//! ```text
//! W = W(0) + Δ = W(0) + P Λ Q        P: lora_B, Λ: diag(lora_E), Q: lora_A
//! ```
//!
//! Reference: PEFT's `SVDLinear` in `peft/tuners/adalora/layer.py`, which scales Δ by α/(ranknum + 1e-5) where ranknum
//! is the rank at the start, even after pruning. Here x is a row, so the product reads x Q Λ P with every matrix
//! transposed of PEFT's. No other difference.

use burn::module::{Module, Param};
use burn::nn::{Dropout, DropoutConfig, Linear};
use burn::tensor::{Device, Distribution, Tensor, TensorData};
use peft_core::{CopyRule, FolderAdapter, FolderConfig, HostTensor, LinearAdapter, Method, Result, Site, SiteTensors};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::AdaLoraConfig;

/// An SVD-form adapter of one linear layer: y + scaling · (dropout(x) (A ∘ E)) B.
///
/// ΔW is never formed in a forward pass. Triplet i is row i of A, value i of E and column i of B in PEFT's layout;
/// here column i of A, and row i of B.
#[derive(Module, Debug)]
pub struct SvdLinear {
    /// Q, the right singular vectors, [d_in, r].
    pub lora_A: Param<Tensor<2>>,
    /// Λ, the singular values, [1, r]. They may be negative.
    pub lora_E: Param<Tensor<2>>,
    /// P, the left singular vectors, [r, d_out].
    pub lora_B: Param<Tensor<2>>,
    /// Drops inputs of the adapter (not of the layer) while it trains; see [`SvdLinear::is_dropping`].
    pub dropout: Dropout,
    scaling: f64,
}

impl SvdLinear {
    /// α/(init_r + 1e-5).
    pub fn scaling(&self) -> f64 {
        self.scaling
    }

    /// The number of triplets, 0 if all were pruned.
    pub fn rank(&self) -> usize {
        self.lora_E.lazy_shape()[1]
    }

    /// True if a forward pass drops inputs: on an autodiff device, before [`Module::valid`] or
    /// [`Module::freeze`], with a dropout above 0. Masks are drawn from the device's own generator.
    pub fn is_dropping(&self) -> bool {
        self.dropout.prob > 0.0 && self.dropout.training.is_enabled() && self.lora_A.is_autodiff()
    }

    /// The adapter with those triplets whose entry in `kept` is true; the scale, and each parameter's id, device and
    /// gradient setting stay.
    ///
    /// # Panics
    /// If `kept` does not have one entry for each triplet.
    pub fn pruned(self, kept: &[bool]) -> Self {
        assert_eq!(kept.len(), self.rank(), "one entry for each triplet");
        let left: Vec<usize> = (0..kept.len()).filter(|i| kept[*i]).collect();
        let pick = |param: Param<Tensor<2>>, dim: usize| {
            param.map(|old| {
                // On the host: a selection of nothing is no operation that every device knows.
                let [rows, cols] = old.dims();
                let values: Vec<f32> = old.to_data().iter::<f32>().collect();
                let (picked, shape): (Vec<f32>, [usize; 2]) = match dim {
                    0 => (
                        left.iter().flat_map(|r| values[r * cols..(r + 1) * cols].iter().copied()).collect(),
                        [left.len(), cols],
                    ),
                    _ => (
                        (0..rows).flat_map(|r| left.iter().map(move |c| r * cols + c)).map(|i| values[i]).collect(),
                        [rows, left.len()],
                    ),
                };
                let data = TensorData::new(picked, shape);
                Tensor::from_data(data, (&old.device(), old.dtype())).set_require_grad(old.is_require_grad())
            })
        };
        SvdLinear {
            lora_A: pick(self.lora_A, 1), // [d_in, r']
            lora_E: pick(self.lora_E, 1), // [1, r']
            lora_B: pick(self.lora_B, 0), // [r', d_out]
            ..self
        }
    }
}

impl LinearAdapter for SvdLinear {
    fn after(&self, _layer: &Linear, x: &Tensor<3>, y: Tensor<3>) -> Tensor<3> {
        if self.rank() == 0 {
            return y;
        }
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
        // A ∘ E costs d_in · r, less than scaling the rows of x A would; the scale goes where it is cheapest.
        let right = self.lora_A.val() * self.lora_E.val().mul_scalar(scale); // [d_in, r]
        let delta = x.matmul(right).matmul(self.lora_B.val()); // [rows, d_out]
        y + delta.reshape([batch, seq, d_out]) // [batch, seq, d_out]
    }

    fn delta_weight(&self) -> Option<Tensor<2>> {
        let (d_in, d_out) = (self.lora_A.lazy_shape()[0], self.lora_B.lazy_shape()[1]);
        if self.rank() == 0 {
            return Some(Tensor::zeros([d_in, d_out], &self.lora_A.lazy_device()));
        }
        let right = self.lora_A.val() * self.lora_E.val().mul_scalar(self.scaling); // [d_in, r]
        Some(right.matmul(self.lora_B.val())) // [d_in, d_out]
    }
}

impl FolderAdapter for SvdLinear {
    fn tensors(&self) -> Vec<(String, HostTensor)> {
        let torch = |p: &Param<Tensor<2>>| HostTensor::from_tensor(&p.val()).transposed();
        vec![
            ("lora_A".into(), torch(&self.lora_A)), // [r, d_in]
            ("lora_B".into(), torch(&self.lora_B)), // [d_out, r]
            ("lora_E".into(), torch(&self.lora_E)), // [r, 1]
        ]
    }

    fn with_tensors(self, tensors: &mut SiteTensors<'_>) -> Result<Self> {
        let lora_A = tensors.fill_transposed("lora_A", self.lora_A)?;
        let lora_B = tensors.fill_transposed("lora_B", self.lora_B)?;
        let lora_E = tensors.fill_transposed("lora_E", self.lora_E)?;
        Ok(SvdLinear { lora_A, lora_B, lora_E, ..self })
    }
}

impl Method for AdaLoraConfig {
    type Adapter = SvdLinear;

    fn adapter_type(&self) -> &'static str {
        Self::PEFT_TYPE
    }

    fn init(&self, site: &Site, seed: [u8; 32], device: &Device) -> Result<SvdLinear> {
        self.check()?;
        let [d_in, d_out] = site.shape;
        if self.init_r > d_in.min(d_out) {
            return Err(site.refuse(format!("adapter rank {} exceeds min({d_in}, {d_out})", self.init_r)));
        }
        let r = self.rank_at(&site.path)?;
        let mut rng = ChaCha8Rng::from_seed(seed);
        let (of_vectors, of_values) = if self.init_lora_weights { (0.02, 0.0) } else { (1.0, 1.0) };
        let mut start = |shape: [usize; 2], deviation: f64| {
            Param::from_data(TensorData::new(normal(&mut rng, shape[0] * shape[1], deviation), shape), device)
        };
        Ok(SvdLinear {
            lora_A: start([d_in, r], of_vectors),
            lora_B: start([r, d_out], of_vectors),
            lora_E: start([1, r], of_values),
            dropout: DropoutConfig::new(self.lora_dropout).init(), // in [0, 1): checked above
            scaling: self.scaling(),
        })
    }

    fn copies(&self) -> CopyRule {
        CopyRule { biases: self.bias, modules: self.modules_to_save.clone() }
    }
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
