//! AdaLoRA's adapters with a rule of their own for the ranks that are allocated.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::{Device, Tensor};
use model_zoo::Base;
use peft_adalora::{AdaLoraConfig, AdaLoraOptimizer, RankAllocator, SvdLinear};
use peft_core::{AdapterFolder, Hooks, HostTensor};
use peft_lingo::{Sampling, released_start};

use super::{Beside, OnLayers, Tuning};
use crate::Result;
use crate::stepper::Stepper;

/// AdaLoRA's adapters whose ranks are sampled ([`Sampling`]). A folder of them is AdaLoRA's.
#[derive(Module, Debug)]
pub struct Sampled {
    /// The adapters.
    pub on_layers: OnLayers<SvdLinear, AdaLoraConfig>,
    #[module(skip)]
    sampling: Sampling,
    #[module(skip)]
    seed: u64,
}

impl Sampled {
    /// New adapters for training on `device`; all that is random follows from `seed`. With [`Sampling::Released`] they start
    /// where the released code starts.
    ///
    /// # Errors
    /// As [`OnLayers::attach`].
    pub fn attach(base: &Base, method: AdaLoraConfig, sampling: Sampling, seed: u64, device: &Device) -> Result<Self> {
        let mut on_layers = OnLayers::attach(base, method, seed, device)?;
        if matches!(sampling, Sampling::Released { .. }) {
            on_layers.adapters = released_start(on_layers.adapters, seed);
        }
        Ok(Self { on_layers, sampling, seed })
    }

    /// How ranks are sampled.
    pub fn sampling(&self) -> Sampling {
        self.sampling
    }
}

impl Tuning for Sampled {
    fn with_hooks<T>(&self, base: &Base, then: impl FnOnce(&dyn Hooks) -> T) -> T {
        self.on_layers.with_hooks(base, then)
    }

    fn penalty(&self) -> Option<Tensor<1>> {
        self.on_layers.penalty()
    }

    fn stepper(&self, optimizer: ModuleOptimizer) -> Result<Stepper> {
        let rule = self.sampling.rule(self.seed)?;
        let allocator = RankAllocator::with_rule(self.on_layers.method(), &self.on_layers.adapters, rule)?;
        Ok(Stepper::adalora(AdaLoraOptimizer::from_parts(optimizer, allocator)))
    }

    fn settled(self) -> Self {
        Self { on_layers: self.on_layers.settled(), ..self }
    }

    fn write(&self, dir: &Path, beside: &Beside<'_>) -> Result<()> {
        self.on_layers.write(dir, beside)
    }

    fn read(
        folder: AdapterFolder,
        dir: &Path,
        base: &Base,
        device: &Device,
    ) -> Result<(Self, BTreeMap<String, HostTensor>)> {
        let (on_layers, modules) = OnLayers::read(folder, dir, base, device)?;
        Ok((Self { on_layers, sampling: Sampling::AdaLora, seed: 0 }, modules))
    }
}
