//! LoRA+: B learns faster than A.
//!
//! Hayou, Ghosh, Yu 2024, "LoRA+: Efficient Low Rank Adaptation of Large Models", arXiv 2402.12354: with one rate for
//! both, A changes too little relative to B in wide layers; the paper proposes η_B = λ η_A with λ ≫ 1.
//!
//! Reference: PEFT's `peft/optimizers/loraplus.py`, whose groups these are.

use std::collections::HashSet;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use peft_core::Adapters;

use crate::LoraLinear;

/// LoRA+'s rates.
///
/// ```
/// # use burn::module::Module;
/// # use burn::nn::{Linear, LinearConfig};
/// use burn::optim::{AdamWConfig, GradientsParams};
/// # use burn::tensor::{Device, Tensor};
/// # use peft_core::{Adapters, linear};
/// use peft_lora::{LoraConfig, LoraPlus};
/// # #[derive(Module, Debug)]
/// # struct Model { query: Linear }
/// # let device = Device::default();
/// # let base = Model { query: LinearConfig::new(16, 8).init(&device) };
/// # let lora = LoraConfig { r: 4, ..LoraConfig::new(["query"]) };
/// # let heads: [&str; 0] = [];
/// # let mut adapters = Adapters::attach(&base, &lora.selection(heads), &lora, 7, &device.clone().autodiff())?;
/// # let loss = linear(&adapters.bind(&base)?, &base.query, Tensor::<2>::ones([5, 16], &device)).powi_scalar(2).mean();
/// let plus = LoraPlus::with_ratio(16.0);
/// let groups = plus.groups(&adapters);
/// let mut optimizer = AdamWConfig::new().init();
/// let gradients = GradientsParams::from_grads(loss.backward(), &adapters);
/// for (factor, gradients) in groups.split(gradients, &adapters) {
///     adapters = optimizer.step(1e-4 * factor, adapters, gradients);
/// }
/// # Ok::<(), peft_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LoraPlus {
    /// λ = η_B / η_A, 1 or more.
    pub ratio: f64,
    /// The rate of adapters of embedding tables as a share of η_A. 1 by default; PEFT's default is a rate of 1e-6.
    pub embedding_ratio: f64,
}

impl LoraPlus {
    /// λ, with the embeddings at the rate of A.
    pub fn with_ratio(ratio: f64) -> Self {
        LoraPlus { ratio, embedding_ratio: 1.0 }
    }

    /// Which parameters of `adapters` have which rate: B, its bias and DoRA's magnitudes, and biases of the base
    /// that are trained as they are, the rate of B; embeddings theirs; all else, a head too, the rate of A.
    pub fn groups(&self, adapters: &Adapters<LoraLinear>) -> RateGroups {
        let (mut b, mut embedding) = (HashSet::new(), HashSet::new());
        for (_, adapter) in adapters.iter() {
            if adapter.is_embedding() {
                embedding.extend([adapter.lora_A.id, adapter.lora_B.id]);
                embedding.extend(adapter.lora_magnitude_vector.as_ref().map(|p| p.id));
            } else {
                b.insert(adapter.lora_B.id);
                b.extend(adapter.lora_B_bias.as_ref().map(|p| p.id));
                b.extend(adapter.lora_magnitude_vector.as_ref().map(|p| p.id));
            }
        }
        b.extend(Vectors::of(adapters).into_iter().filter(|id| !embedding.contains(id)));
        RateGroups { groups: vec![(self.ratio, b), (self.embedding_ratio, embedding)] }
    }
}

/// Parameters whose rate is not the base rate.
#[derive(Clone, Debug)]
pub struct RateGroups {
    groups: Vec<(f64, HashSet<ParamId>)>,
}

impl RateGroups {
    /// The factor for the rate of `param`.
    pub fn factor(&self, param: ParamId) -> f64 {
        self.groups.iter().find(|(_, ids)| ids.contains(&param)).map_or(1.0, |(factor, _)| *factor)
    }

    /// `gradients` of `model`, apart by rate: give each part to the optimizer with its factor times the base rate.
    /// `model` may hold more than the adapters, such as a head, whose factor is 1.
    pub fn split<M: Module>(&self, mut gradients: GradientsParams, model: &M) -> Vec<(f64, GradientsParams)> {
        let mut parts = Vec::with_capacity(self.groups.len() + 1);
        for (factor, ids) in &self.groups {
            let mut take = Take { ids, from: &mut gradients, taken: GradientsParams::new() };
            model.visit(&mut take);
            let taken = take.taken;
            if !taken.is_empty() {
                parts.push((*factor, taken));
            }
        }
        parts.push((1.0, gradients));
        parts
    }
}

struct Take<'a> {
    ids: &'a HashSet<ParamId>,
    from: &'a mut GradientsParams,
    taken: GradientsParams,
}

impl ModuleVisitor for Take<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.ids.contains(&param.id)
            && let Some(gradient) = self.from.remove::<D>(param.id)
        {
            self.taken.register(param.id, gradient);
        }
    }
}

/// The ids of all vectors.
struct Vectors(Vec<ParamId>);

impl Vectors {
    fn of<M: Module>(module: &M) -> Vec<ParamId> {
        let mut vectors = Vectors(Vec::new());
        module.visit(&mut vectors);
        vectors.0
    }
}

impl ModuleVisitor for Vectors {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if D == 1 {
            self.0.push(param.id);
        }
    }
}
