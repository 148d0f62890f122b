//! Two methods on one base.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::{Device, Tensor};
use model_zoo::Base;
use peft_core::{AdapterFolder, Hooks, HostTensor};

use super::{Beside, Tuning};
use crate::stepper::Stepper;
use crate::{Error, Result};

/// A method, and perhaps a second one beside it: adapters and virtual tokens. The optimizer's step is that of the first.
///
/// An adapter folder holds one method, so only the first alone can be written.
#[derive(Module, Debug)]
pub struct Both<A: Tuning, B: Tuning> {
    /// Closest to the base.
    pub first: A,
    /// Beside it.
    pub second: Option<B>,
}

impl<A: Tuning, B: Tuning> Tuning for Both<A, B> {
    fn with_hooks<T>(&self, base: &Base, then: impl FnOnce(&dyn Hooks) -> T) -> T {
        self.first.with_hooks(base, |first| match &self.second {
            None => then(first),
            Some(second) => second.with_hooks(base, |second| then(&[first, second])),
        })
    }

    fn penalty(&self) -> Option<Tensor<1>> {
        match (self.first.penalty(), self.second.as_ref().and_then(Tuning::penalty)) {
            (Some(a), Some(b)) => Some(a + b),
            (a, b) => a.or(b),
        }
    }

    fn stepper(&self, optimizer: ModuleOptimizer) -> Result<Stepper> {
        self.first.stepper(optimizer)
    }

    fn settled(self) -> Self {
        Self { first: self.first.settled(), second: self.second.map(Tuning::settled) }
    }

    fn write(&self, dir: &Path, beside: &Beside<'_>) -> Result<()> {
        match &self.second {
            None => self.first.write(dir, beside),
            Some(_) => Err(Error::Folder {
                path: dir.into(),
                reason: "an adapter folder holds one method, here are two".into(),
            }),
        }
    }

    fn read(
        folder: AdapterFolder,
        dir: &Path,
        base: &Base,
        device: &Device,
    ) -> Result<(Self, BTreeMap<String, HostTensor>)> {
        let (first, modules) = A::read(folder, dir, base, device)?;
        Ok((Self { first, second: None }, modules))
    }
}
