//! What the methods differ in when their runs are replayed.

use burn::optim::ModuleOptimizer;
use burn::tensor::Tensor;
use peft_adalora::{AdaLoraConfig, AdaLoraOptimizer, Order, RankAllocator, SvdLinear, orthogonality, prune_to};
use peft_core::Adapters;
use peft_lora::{Ia3Config, LoraConfig};

use super::case::Case;
use super::lingo;
use crate::Result;
use crate::stepper::Stepper;
use crate::tuning::LayerMethod;

/// A method whose recorded runs can be replayed.
pub(super) trait Replayed: LayerMethod {
    /// A term of the loss, and its weight.
    fn weighted(&self, _adapters: &Adapters<Self::Adapter>) -> Option<(Tensor<1>, f64)> {
        None
    }

    /// The optimizer of the case, with what the method does in its step.
    fn recorded(
        &self,
        optimizer: ModuleOptimizer,
        adapters: &Adapters<Self::Adapter>,
        _case: &Case,
    ) -> Result<Stepper> {
        self.stepper(optimizer, adapters)
    }

    /// Settings and adapters as they are saved after training.
    fn finished(
        &self,
        _stepper: &Stepper,
        adapters: &Adapters<Self::Adapter>,
    ) -> Result<(Self, Adapters<Self::Adapter>)> {
        Ok((self.clone(), adapters.clone()))
    }
}

impl Replayed for LoraConfig {}

impl Replayed for Ia3Config {}

impl Replayed for AdaLoraConfig {
    fn weighted(&self, adapters: &Adapters<SvdLinear>) -> Option<(Tensor<1>, f64)> {
        Some((orthogonality(adapters), self.orth_reg_weight))
    }

    fn recorded(&self, optimizer: ModuleOptimizer, adapters: &Adapters<SvdLinear>, case: &Case) -> Result<Stepper> {
        let (rule, order) = lingo::rule(case)?;
        let allocator = RankAllocator::with_rule(self, adapters, rule)?;
        Ok(Stepper::adalora(AdaLoraOptimizer::from_parts(optimizer, allocator).with_order(order)))
    }

    fn finished(&self, stepper: &Stepper, adapters: &Adapters<SvdLinear>) -> Result<(Self, Adapters<SvdLinear>)> {
        let Some(optimizer) = stepper.as_adalora() else { return Ok((self.clone(), adapters.clone())) };
        Ok(match (optimizer.order(), optimizer.allocator().rank_pattern()) {
            // Dropped values have moved again, and are dropped all the same.
            (Order::BeforeStep, Some(pattern)) => prune_to(self, adapters, &pattern)?,
            _ => optimizer.allocator().pruned(self, adapters)?,
        })
    }
}
