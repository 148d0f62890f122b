//! The optimizer's step with the allocator in it, so that nobody can forget the allocator.

use std::fmt;

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer};
use peft_core::Adapters;

use crate::{AdaLoraConfig, AllocationReport, MaskToBudget, RankAllocator, Result, Summary, SvdLinear, TopBudget};

/// When the allocator acts within a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Backward, optimizer, allocation: PEFT's order, in which a dropped singular value is 0 after the step.
    #[default]
    AfterStep,
    /// Backward, allocation, optimizer: the order of LINGO's released trainer. The optimizer moves a singular value again
    /// right after it was dropped, so that pruning changes what the model predicts ([`crate::prune_to`]).
    BeforeStep,
}

/// Any optimizer of Burn's with a rank allocator behind it.
///
/// The order is PEFT's ([`Order`]): backward, optimizer step, importance and allocation. Importance is taken from the gradients as
/// they are handed in: clip them before (clipping that is built into the optimizer is not seen by it).
pub struct AdaLoraOptimizer<R = TopBudget> {
    inner: ModuleOptimizer,
    allocator: RankAllocator<R>,
    order: Order,
}

impl AdaLoraOptimizer<TopBudget> {
    /// `inner`, with an allocator for `adapters` behind it.
    ///
    /// # Errors
    /// What [`RankAllocator::new`] says: above all, that a schedule would fire too seldom.
    pub fn new(
        inner: impl Into<ModuleOptimizer>,
        config: &AdaLoraConfig,
        adapters: &Adapters<SvdLinear>,
    ) -> Result<Self> {
        Ok(Self::from_parts(inner, RankAllocator::new(config, adapters)?))
    }
}

impl<R: MaskToBudget> AdaLoraOptimizer<R> {
    /// `inner` with `allocator` behind it; also to resume, with what both remembered.
    pub fn from_parts(inner: impl Into<ModuleOptimizer>, allocator: RankAllocator<R>) -> Self {
        AdaLoraOptimizer { inner: inner.into(), allocator, order: Order::default() }
    }

    /// With another order of optimizer and allocator.
    #[must_use]
    pub fn with_order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// When the allocator acts within a step.
    pub fn order(&self) -> Order {
        self.order
    }

    /// One step of the optimizer and of the allocator, by default in this order. `module` is the adapters, or whatever contains them
    /// beside other things that are trained.
    ///
    /// # Errors
    /// What [`RankAllocator::update_and_allocate`] says.
    pub fn step<M: Module>(
        &mut self,
        lr: impl Into<ModuleLearningRate>,
        module: M,
        grads: GradientsParams,
    ) -> Result<(M, AllocationReport)> {
        let kept = self.allocator.gradients(&grads);
        match self.order {
            Order::AfterStep => {
                let module = self.inner.step(lr, module, grads);
                self.allocator.update_and_allocate(module, &kept)
            }
            Order::BeforeStep => {
                let (module, report) = self.allocator.update_and_allocate(module, &kept)?;
                Ok((self.inner.step(lr, module, grads), report))
            }
        }
    }

    /// The optimizer, for its own state.
    pub fn inner(&self) -> &ModuleOptimizer {
        &self.inner
    }

    /// The allocator: ranks, budgets, its own state.
    pub fn allocator(&self) -> &RankAllocator<R> {
        &self.allocator
    }

    /// What the allocator did so far.
    pub fn summary(&self) -> Summary {
        self.allocator.summary()
    }
}

impl<R: fmt::Debug> fmt::Debug for AdaLoraOptimizer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdaLoraOptimizer").field("allocator", &self.allocator).finish_non_exhaustive()
    }
}
