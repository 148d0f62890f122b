//! One LoRA adapter on one linear layer or embedding table.
//!
//! Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models", arXiv 2106.09685, eq. 3:
//!
//! ```text
//! h = W0 x + ΔW x = W0 x + (α/r) B A x        A: lora_A, B: lora_B, α/r: scaling
//! ```
//!
//! and Liu et al. 2024, "DoRA: Weight-Decomposed Low-Rank Adaptation", arXiv 2402.09353, eq. 5, where the norm is that
//! of each output's weights and is no part of the gradient (section 4.3):
//!
//! ```text
//! W' = m (W0 + ΔW) / ‖W0 + ΔW‖                m: lora_magnitude_vector
//! ```
//!
//! Reference: PEFT's `peft/tuners/lora/layer.py` and `dora.py`. Here x is a row, so the product reads x A B, and A and B
//! are the transposed of the matrices in the paper and in PEFT's files. No other difference.

use burn::module::{Module, Param};
use burn::nn::{Dropout, DropoutConfig, Embedding, Linear};
use burn::tensor::{Device, Distribution, Int, Tensor, TensorData};
use peft_core::{
    BaseLayer, CopyRule, FolderAdapter, FolderConfig, HostTensor, LinearAdapter, Method, Result, Site, SiteKind,
    SiteTensors,
};

use crate::LoraConfig;
use crate::start::{Residual, Started, start};

/// A low-rank adapter of one linear layer: y + scaling · dropout(x) A B, or of one embedding table:
/// y + scaling · A\[ids\] B; with DoRA, brought to the length that its magnitudes say.
///
/// But for DoRA, ΔW = A B is never formed in a forward pass, and no gradient of W is asked for: one step costs
/// rows · r · (d_in + d_out) multiplications on top of the frozen layer, forward, and twice that backward. DoRA forms
/// W + ΔW once a pass, for its norm.
#[derive(Module, Debug)]
pub struct LoraLinear {
    /// A, [d_in, r].
    pub lora_A: Param<Tensor<2>>,
    /// B, [r, d_out].
    pub lora_B: Param<Tensor<2>>,
    /// The bias that B adds, before scaling, \[d_out\]; with `lora_bias` only.
    pub lora_B_bias: Option<Param<Tensor<1>>>,
    /// DoRA's m, \[d_out\]; with `use_dora` only.
    pub lora_magnitude_vector: Option<Param<Tensor<1>>>,
    /// What PiSSA and OLoRA took out of the base.
    pub(crate) residual: Option<Residual>,
    /// Drops inputs of the adapter (not of the layer) while it trains, that is while A is on an autodiff device
    /// and the adapter is not frozen; see [`LoraLinear::is_dropping`].
    pub dropout: Dropout,
    pub(crate) scaling: f64,
    pub(crate) of_embedding: bool,
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

    /// True if the adapter is one of an embedding table.
    pub fn is_embedding(&self) -> bool {
        self.of_embedding
    }

    /// True if A and B started as parts of W, which the adapter takes out of it (PiSSA, OLoRA).
    pub fn has_residual(&self) -> bool {
        self.residual.is_some()
    }

    /// True if a forward pass drops inputs: on an autodiff device, before [`Module::valid`] or
    /// [`Module::freeze`], with a dropout above 0.
    ///
    /// It is A that must be on an autodiff device, not the input: that of the first adapted layer comes from a
    /// frozen base and may well be without. Masks are drawn from the device's own generator, so a run repeats
    /// if the device is seeded (`device.seed(n)`) and nothing else draws from it at the same time. Embeddings drop
    /// nothing, as in PEFT.
    pub fn is_dropping(&self) -> bool {
        self.dropout.prob > 0.0 && self.dropout.training.is_enabled() && self.lora_A.is_autodiff() && !self.of_embedding
    }

    /// s A B, less what was taken out of the base, [d_in, d_out].
    fn sum(&self) -> Tensor<2> {
        let product = self.lora_A.val().mul_scalar(self.scaling).matmul(self.lora_B.val());
        match &self.residual {
            Some(start) => product - start.a.clone().mul_scalar(self.scaling).matmul(start.b.clone()),
            None => product,
        }
    }

    /// Two factors, [d_in, k] and [k, d_out], whose product is what the adapter adds to the weight, but for DoRA's
    /// magnitudes: scaled A and B, and what was taken out of the base.
    pub(crate) fn factors(&self) -> (Tensor<2>, Tensor<2>) {
        let (a, b) = (self.lora_A.val().mul_scalar(self.scaling), self.lora_B.val());
        match &self.residual {
            None => (a, b),
            Some(start) => (
                Tensor::cat(vec![a, start.a.clone().mul_scalar(-self.scaling)], 1),
                Tensor::cat(vec![b, start.b.clone()], 0),
            ),
        }
    }

    /// DoRA's m / ‖W + ΔW‖, \[d_out\], from the base's weight, [d_in, d_out]. The norm has no gradient.
    pub(crate) fn stretch(&self, magnitude: &Param<Tensor<1>>, weight: Tensor<2>) -> Tensor<1> {
        let whole = peft_core::plain_values(weight) + self.sum().without_autodiff(); // [d_in, d_out]
        let norm = whole.powi_scalar(2).sum_dim(0).sqrt(); // [1, d_out]
        magnitude.val() / norm.reshape([-1])
    }

    /// x [rows, d_in] with inputs dropped, and by what the rest is to be scaled.
    fn dropped(&self, x: Tensor<2>) -> (Tensor<2>, f64) {
        let keep = 1.0 - self.dropout.prob;
        let mask = x.clone().without_autodiff().random_like(Distribution::Bernoulli(keep)); // [rows, d_in]
        (x * mask, keep.recip())
    }
}

impl LinearAdapter for LoraLinear {
    fn after(&self, layer: &Linear, x: &Tensor<3>, y: Tensor<3>) -> Tensor<3> {
        let [batch, seq, d_in] = x.dims();
        let d_out = y.dims()[2];
        let whole: Tensor<2> = x.clone().reshape([batch * seq, d_in]); // [rows, d_in]
        let (x, more) = match self.is_dropping() {
            true => self.dropped(whole.clone()),
            false => (whole.clone(), 1.0),
        };
        // The scale where it is cheapest.
        let low = x.clone().matmul(self.lora_A.val()).mul_scalar(self.scaling * more); // [rows, r]
        let mut delta = low.matmul(self.lora_B.val()); // [rows, d_out]
        if let Some(bias) = &self.lora_B_bias {
            delta = delta + bias.val().mul_scalar(self.scaling).unsqueeze();
        }
        let taken = self.residual.as_ref().map(|start| {
            let product = |x: Tensor<2>, more: f64| {
                x.matmul(start.a.clone()).mul_scalar(self.scaling * more).matmul(start.b.clone()) // [rows, d_out]
            };
            (product(whole.clone(), 1.0), product)
        });
        let Some(magnitude) = &self.lora_magnitude_vector else {
            if let Some((taken, _)) = taken {
                delta = delta - taken; // exactly 0 at the start, since A and B are what they were
            }
            return y + delta.reshape([batch, seq, d_out]); // [batch, seq, d_out]
        };
        // PEFT: y + (m/‖·‖ - 1) x W + m/‖·‖ Δ, where x W is without the layer's bias, and of the inputs that were kept.
        let stretch = self.stretch(magnitude, layer.weight.val()).unsqueeze::<2>(); // [1, d_out]
        let y: Tensor<2> = y.reshape([batch * seq, d_out]);
        let y = match &taken {
            Some((taken, _)) => y - taken.clone(),
            None => y,
        };
        let y = if self.is_dropping() {
            let w = peft_core::plain_values(layer.weight.val()); // [d_in, d_out]
            let kept = x.clone().matmul(w).mul_scalar(more); // [rows, d_out]
            let kept = match &taken {
                Some((_, product)) => kept - product(x, more),
                None => kept,
            };
            y + (stretch.clone() - 1.0) * kept + stretch * delta // [rows, d_out]
        } else {
            // Everything was kept: x W and Δ are stretched together.
            match &layer.bias {
                Some(bias) => {
                    let bias = bias.val().unsqueeze::<2>(); // [1, d_out]
                    (y - bias.clone() + delta) * stretch + bias
                }
                None => (y + delta) * stretch,
            }
        };
        y.reshape([batch, seq, d_out])
    }

    fn after_embedding(&self, layer: &Embedding, ids: &Tensor<2, Int>, y: Tensor<3>) -> Tensor<3> {
        let rows = burn::tensor::module::embedding(self.lora_A.val(), ids.clone()); // [batch, seq, r]
        let delta = rows.mul_scalar(self.scaling).matmul(self.lora_B.val().unsqueeze()); // [batch, seq, d_model]
        match &self.lora_magnitude_vector {
            None => y + delta,
            Some(magnitude) => {
                let stretch = self.stretch(magnitude, layer.weight.val()).unsqueeze::<3>(); // [1, 1, d_model]
                y * stretch.clone() + delta * stretch
            }
        }
    }

    fn delta_weight(&self) -> Option<Tensor<2>> {
        self.lora_magnitude_vector.is_none().then(|| self.sum()) // [d_in, d_out]
    }

    fn merged_weight(&self, w: Tensor<2>) -> Result<Tensor<2>> {
        let whole = w.clone() + self.sum(); // [d_in, d_out]
        Ok(match &self.lora_magnitude_vector {
            Some(magnitude) => whole * self.stretch(magnitude, w).unsqueeze(),
            None => whole,
        })
    }

    fn merged_bias(&self, b: Tensor<1>) -> Result<Tensor<1>> {
        Ok(match &self.lora_B_bias {
            Some(bias) => b + bias.val().mul_scalar(self.scaling),
            None => b,
        })
    }
}

impl FolderAdapter for LoraLinear {
    fn tensors(&self) -> Vec<(String, HostTensor)> {
        let torch = |p: &Param<Tensor<2>>| HostTensor::from_tensor(&p.val()).transposed();
        let vector = |p: &Param<Tensor<1>>| HostTensor::from_tensor(&p.val());
        let [a, b] = self.names();
        let mut tensors = vec![
            (a.to_owned(), torch(&self.lora_A)), // [r, d_in]
            (b.to_owned(), torch(&self.lora_B)), // [d_out, r]
        ];
        tensors.extend(self.lora_B_bias.as_ref().map(|p| ("lora_B.bias".to_owned(), vector(p))));
        tensors.extend(self.lora_magnitude_vector.as_ref().map(|p| (MAGNITUDE.to_owned(), vector(p))));
        tensors
    }

    fn with_tensors(self, tensors: &mut SiteTensors<'_>) -> Result<Self> {
        let [a, b] = self.names();
        // Some versions of PEFT wrote the name that the magnitudes have in memory.
        let in_memory = "lora_magnitude_vector.weight";
        let magnitude = if tensors.has(in_memory) { in_memory } else { MAGNITUDE };
        let lora_A = tensors.fill_transposed(a, self.lora_A)?;
        let lora_B = tensors.fill_transposed(b, self.lora_B)?;
        let lora_B_bias = self.lora_B_bias.map(|p| tensors.fill("lora_B.bias", p)).transpose()?;
        let lora_magnitude_vector = self.lora_magnitude_vector.map(|p| tensors.fill(magnitude, p)).transpose()?;
        Ok(LoraLinear { lora_A, lora_B, lora_B_bias, lora_magnitude_vector, ..self })
    }
}

const MAGNITUDE: &str = "lora_magnitude_vector";

impl LoraLinear {
    /// What A and B are called in a folder.
    fn names(&self) -> [&'static str; 2] {
        match self.of_embedding {
            true => ["lora_embedding_A", "lora_embedding_B"],
            false => ["lora_A.weight", "lora_B.weight"],
        }
    }
}

impl Method for LoraConfig {
    type Adapter = LoraLinear;

    fn adapter_type(&self) -> &'static str {
        Self::PEFT_TYPE
    }

    fn init(&self, site: &Site, seed: [u8; 32], device: &Device) -> Result<LoraLinear> {
        self.adapter(site, None, seed, device)
    }

    fn reads_base(&self) -> bool {
        self.use_dora || self.init_lora_weights.reads_base()
    }

    fn init_from(&self, site: &Site, base: &BaseLayer, seed: [u8; 32], device: &Device) -> Result<LoraLinear> {
        self.adapter(site, Some(base), seed, device)
    }

    fn adapts_embeddings(&self) -> bool {
        true
    }

    fn copies(&self) -> CopyRule {
        CopyRule { biases: self.bias, modules: self.modules_to_save.clone() }
    }
}

impl LoraConfig {
    fn adapter(&self, site: &Site, base: Option<&BaseLayer>, seed: [u8; 32], device: &Device) -> Result<LoraLinear> {
        self.check()?;
        let [d_in, d_out] = site.shape;
        let of_embedding = site.kind == SiteKind::Embedding;
        if of_embedding && self.lora_bias {
            return Err(site.refuse("lora_bias is for linear layers, not for embeddings"));
        }
        let r = self.rank_at(&site.path)?;
        if r > d_in.min(d_out) {
            return Err(site.refuse(format!("adapter rank {r} exceeds min({d_in}, {d_out})")));
        }
        let scaling = self.scaling_at(&site.path)?;
        let started: Started = start(self.init_lora_weights, site, base, r, scaling, seed)?;
        let residual = started.residual(site.shape, r, device);
        let mut adapter = LoraLinear {
            lora_A: Param::from_data(TensorData::new(started.a, [d_in, r]), device),
            lora_B: Param::from_data(TensorData::new(started.b, [r, d_out]), device),
            lora_B_bias: self.lora_bias.then(|| Param::from_data(TensorData::new(vec![0f32; d_out], [d_out]), device)),
            lora_magnitude_vector: None,
            residual,
            dropout: DropoutConfig::new(self.lora_dropout).init(), // in [0, 1): checked above
            scaling,
            of_embedding,
        };
        if self.use_dora {
            let base = base.ok_or_else(|| site.refuse("DoRA reads the base: attach to the model itself"))?;
            let whole = base.weight.clone().to_device(&device.clone().inner()) + adapter.sum().without_autodiff();
            let norm: Tensor<1> = whole.powi_scalar(2).sum_dim(0).sqrt().reshape([-1]); // [d_out]
            adapter.lora_magnitude_vector = Some(Param::from_data(norm.to_data(), device));
        }
        Ok(adapter)
    }
}
