//! LoRA+: LoRA whose B learns faster than A.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::{Device, Tensor};
use model_zoo::Base;
use peft_core::{AdapterFolder, Hooks, HostTensor};
use peft_lora::{LoraConfig, LoraLinear, LoraPlus};

use super::{Beside, OnLayers, Tuning};
use crate::Result;
use crate::stepper::Stepper;

/// LoRA's adapters with LoRA+'s learning rates ([`LoraPlus`]). A folder of them is LoRA's.
#[derive(Module, Debug)]
pub struct Plus {
    /// The adapters.
    pub on_layers: OnLayers<LoraLinear, LoraConfig>,
    #[module(skip)]
    rates: LoraPlus,
}

impl Plus {
    /// New adapters for training on `device`.
    ///
    /// # Errors
    /// As [`OnLayers::attach`].
    pub fn attach(base: &Base, method: LoraConfig, rates: LoraPlus, seed: u64, device: &Device) -> Result<Self> {
        Ok(Self { on_layers: OnLayers::attach(base, method, seed, device)?, rates })
    }
}

impl Tuning for Plus {
    fn with_hooks<T>(&self, base: &Base, then: impl FnOnce(&dyn Hooks) -> T) -> T {
        self.on_layers.with_hooks(base, then)
    }

    fn penalty(&self) -> Option<Tensor<1>> {
        Tuning::penalty(&self.on_layers)
    }

    fn stepper(&self, optimizer: ModuleOptimizer) -> Result<Stepper> {
        Ok(Stepper::with_rates(optimizer, self.rates.groups(&self.on_layers.adapters)))
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
        Ok((Self { on_layers, rates: LoraPlus::with_ratio(1.0) }, modules))
    }
}
