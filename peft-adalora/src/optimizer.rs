//! The optimizer's step with the allocator in it, so that nobody can forget the allocator.

use std::fmt;

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer};
use peft_core::Adapters;

use crate::{AdaLoraConfig, AllocationReport, MaskToBudget, RankAllocator, Result, Summary, SvdLinear, TopBudget};

/// Any optimizer of Burn's with a rank allocator behind it.
///
/// The order is PEFT's: backward, optimizer step, importance and allocation. Importance is taken from the gradients as
/// they are handed in: clip them before (clipping that is built into the optimizer is not seen by it).
pub struct AdaLoraOptimizer<R = TopBudget> {
    inner: ModuleOptimizer,
    allocator: RankAllocator<R>,
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
        AdaLoraOptimizer { inner: inner.into(), allocator }
    }

    /// One step: of the optimizer, then of the allocator. `module` is the adapters, or whatever contains them
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
        let module = self.inner.step(lr, module, grads);
        self.allocator.update_and_allocate(module, &kept)
    }

    /// The same optimizer, of a type that does not say by which rule it allocates.
    pub fn boxed(self) -> AdaLoraOptimizer<Box<dyn MaskToBudget + Send>>
    where
        R: Send + 'static,
    {
        AdaLoraOptimizer { inner: self.inner, allocator: self.allocator.boxed() }
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
