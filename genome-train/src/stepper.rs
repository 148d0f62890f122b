//! An optimizer with what a method does in each of its steps.

use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer};
use peft_adalora::{AdaLoraOptimizer, AllocationReport, RankPattern, Summary};
use peft_lingo::Rule;
use peft_lora::RateGroups;

use crate::Result;

/// An optimizer with what a method does in each of its steps: a rank allocator, which nobody has to remember to call, or
/// learning rates of its own for some parameters.
#[derive(Debug)]
pub struct Stepper(Kind);

enum Kind {
    Plain(ModuleOptimizer),
    Rates(ModuleOptimizer, RateGroups),
    AdaLora(Box<AdaLoraOptimizer<Rule>>),
}

/// What a rank allocator did in a step, and its pattern afterwards.
pub type Allocated = (AllocationReport, Option<RankPattern>);

impl Stepper {
    /// An optimizer alone.
    pub fn plain(optimizer: ModuleOptimizer) -> Self {
        Self(Kind::Plain(optimizer))
    }

    /// An optimizer that moves some parameters faster than others.
    pub fn with_rates(optimizer: ModuleOptimizer, groups: RateGroups) -> Self {
        Self(Kind::Rates(optimizer, groups))
    }

    /// An optimizer with a rank allocator behind it.
    pub fn adalora(optimizer: AdaLoraOptimizer<Rule>) -> Self {
        Self(Kind::AdaLora(Box::new(optimizer)))
    }

    /// One step. The allocator, if there is one, says what it did.
    ///
    /// # Errors
    /// [`crate::Error::AdaLora`].
    pub fn step<M: Module>(
        &mut self,
        lr: f64,
        module: M,
        gradients: GradientsParams,
    ) -> Result<(M, Option<Allocated>)> {
        match &mut self.0 {
            Kind::Plain(optimizer) => Ok((optimizer.step(lr, module, gradients), None)),
            Kind::Rates(optimizer, groups) => {
                let parts = groups.split(gradients, &module);
                let step = |module, (factor, part)| optimizer.step(lr * factor, module, part);
                Ok((parts.into_iter().fold(module, step), None))
            }
            Kind::AdaLora(optimizer) => {
                let (module, report) = optimizer.step(lr, module, gradients)?;
                Ok((module, Some((report, optimizer.allocator().rank_pattern()))))
            }
        }
    }

    /// True once the shape of the model is what it will be at the end: no allocation of ranks is to come.
    pub fn is_settled(&self) -> bool {
        match &self.0 {
            Kind::Plain(_) | Kind::Rates(..) => true,
            Kind::AdaLora(optimizer) => optimizer.allocator().is_final(),
        }
    }

    /// The optimizer with its rank allocator, if it has one.
    pub fn as_adalora(&self) -> Option<&AdaLoraOptimizer<Rule>> {
        match &self.0 {
            Kind::Plain(_) | Kind::Rates(..) => None,
            Kind::AdaLora(optimizer) => Some(optimizer),
        }
    }

    /// What the rank allocator did so far, if there is one.
    pub fn summary(&self) -> Option<Summary> {
        match &self.0 {
            Kind::Plain(_) | Kind::Rates(..) => None,
            Kind::AdaLora(optimizer) => Some(optimizer.summary()),
        }
    }
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Plain(_) => f.write_str("Plain"),
            Self::Rates(_, groups) => write!(f, "Rates({groups:?})"),
            Self::AdaLora(optimizer) => write!(f, "AdaLora({})", optimizer.summary()),
        }
    }
}
