//! What the methods differ in when their runs are replayed.

use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::Tensor;
use peft_adalora::{
    AdaLoraConfig, AdaLoraOptimizer, AllocationReport, Order, RankAllocator, RankPattern, SvdLinear, orthogonality,
    prune_to,
};
use peft_core::{Adapters, FolderAdapter, FolderConfig, Method, Selection};
use peft_lingo::Rule;
use peft_lora::{Ia3Config, LoraConfig};

use super::case::Case;
use super::lingo;

/// A method whose recorded runs can be replayed.
pub(super) trait Replayed: FolderConfig + Method<Adapter: FolderAdapter + 'static> + Clone + PartialEq {
    /// The layers that the settings mean in a model whose output heads are `heads`.
    fn layers(&self, heads: &[&str]) -> Selection;

    /// A term of the loss, and its weight.
    fn penalty(&self, _adapters: &Adapters<Self::Adapter>) -> Option<(Tensor<1>, f64)> {
        None
    }

    /// The optimizer's step, with what the method does in it.
    fn stepper(
        &self,
        inner: ModuleOptimizer,
        _adapters: &Adapters<Self::Adapter>,
        _case: &Case,
    ) -> Result<Stepper, String> {
        Ok(Stepper::Plain(inner))
    }

    /// Settings and adapters as they are saved after training.
    fn saved(
        &self,
        _stepper: &Stepper,
        adapters: &Adapters<Self::Adapter>,
    ) -> Result<(Self, Adapters<Self::Adapter>), String> {
        Ok((self.clone(), adapters.clone()))
    }
}

impl Replayed for LoraConfig {
    fn layers(&self, heads: &[&str]) -> Selection {
        self.selection(heads.iter().copied())
    }
}

impl Replayed for Ia3Config {
    fn layers(&self, heads: &[&str]) -> Selection {
        self.selection(heads.iter().copied())
    }
}

impl Replayed for AdaLoraConfig {
    fn layers(&self, heads: &[&str]) -> Selection {
        self.selection(heads.iter().copied())
    }

    fn penalty(&self, adapters: &Adapters<SvdLinear>) -> Option<(Tensor<1>, f64)> {
        Some((orthogonality(adapters), self.orth_reg_weight))
    }

    fn stepper(&self, inner: ModuleOptimizer, adapters: &Adapters<SvdLinear>, case: &Case) -> Result<Stepper, String> {
        let (rule, order) = lingo::rule(case).map_err(|e| e.to_string())?;
        let allocator = RankAllocator::with_rule(self, adapters, rule).map_err(|e| e.to_string())?;
        Ok(Stepper::AdaLora(Box::new(AdaLoraOptimizer::from_parts(inner, allocator).with_order(order))))
    }

    fn saved(&self, stepper: &Stepper, adapters: &Adapters<SvdLinear>) -> Result<(Self, Adapters<SvdLinear>), String> {
        match stepper {
            Stepper::AdaLora(optimizer) => match (optimizer.order(), optimizer.allocator().rank_pattern()) {
                // Dropped values have moved again, and are dropped all the same.
                (Order::BeforeStep, Some(pattern)) => prune_to(self, adapters, &pattern),
                _ => optimizer.allocator().pruned(self, adapters),
            }
            .map_err(|e| e.to_string()),
            Stepper::Plain(_) => Ok((self.clone(), adapters.clone())),
        }
    }
}

/// What a rank allocator did in a step, and its pattern afterwards.
pub(super) type Allocated = (AllocationReport, Option<RankPattern>);

/// The optimizer of a run.
pub(super) enum Stepper {
    Plain(ModuleOptimizer),
    AdaLora(Box<AdaLoraOptimizer<Rule>>),
}

impl Stepper {
    /// One step.
    pub(super) fn step<M: Module>(
        &mut self,
        lr: f64,
        module: M,
        gradients: GradientsParams,
    ) -> Result<(M, Option<Allocated>), String> {
        match self {
            Stepper::Plain(inner) => Ok((inner.step(lr, module, gradients), None)),
            Stepper::AdaLora(optimizer) => {
                let (module, report) = optimizer.step(lr, module, gradients).map_err(|e| e.to_string())?;
                Ok((module, Some((report, optimizer.allocator().rank_pattern()))))
            }
        }
    }
}
