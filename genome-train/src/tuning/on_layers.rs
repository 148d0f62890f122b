//! Methods that adapt linear layers one by one.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::Path;

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::{Device, Tensor};
use model_zoo::Base;
use peft_adalora::{AdaLoraConfig, AdaLoraOptimizer, RankAllocator, SvdLinear, TopBudget, orthogonality, prune_zeros};
use peft_core::{
    AdapterFolder, Adapters, Contents, FolderAdapter, FolderConfig, Hooks, HostTensor, LinearAdapter, Method,
    Selection, write_folder,
};
use peft_lingo::Rule;
use peft_lora::{Ia3Config, LoraConfig};

use super::{Beside, HEADS, Tuning};
use crate::Result;
use crate::stepper::Stepper;

/// A method on linear layers as it is trained and saved; its configuration implements this. What has a default is what
/// most methods want.
pub trait LayerMethod:
    FolderConfig + Method<Adapter: FolderAdapter + 'static> + Clone + Debug + PartialEq + Send + Sync + 'static
{
    /// The layers that the settings mean in a model whose output heads are `heads`.
    fn layers(&self, heads: &[&str]) -> Selection;

    /// What the adapted model is for, in PEFT's words.
    fn task_type(&self) -> Option<&str>;

    /// The settings for a task: what it is, and which modules are trained whole.
    #[must_use]
    fn for_task(self, task_type: &str, modules_to_save: Vec<String>) -> Self;

    /// A term of the loss beside the task's, with its weight.
    fn penalty(&self, _adapters: &Adapters<Self::Adapter>) -> Option<Tensor<1>> {
        None
    }

    /// The optimizer with what the method does in each of its steps.
    ///
    /// # Errors
    /// [`crate::Error::AdaLora`] if the method's schedule cannot work.
    fn stepper(&self, optimizer: ModuleOptimizer, _adapters: &Adapters<Self::Adapter>) -> Result<Stepper> {
        Ok(Stepper::plain(optimizer))
    }

    /// Settings and adapters as they are saved, at any time of the run.
    fn saved(&self, adapters: &Adapters<Self::Adapter>) -> (Self, Adapters<Self::Adapter>) {
        (self.clone(), adapters.clone())
    }
}

macro_rules! selects_and_serves {
    () => {
        fn layers(&self, heads: &[&str]) -> Selection {
            self.selection(heads.iter().copied())
        }
        fn task_type(&self) -> Option<&str> {
            self.task_type.as_deref()
        }
        fn for_task(self, task_type: &str, modules_to_save: Vec<String>) -> Self {
            Self { task_type: Some(task_type.to_owned()), modules_to_save, ..self }
        }
    };
}

impl LayerMethod for LoraConfig {
    selects_and_serves!();
}

impl LayerMethod for Ia3Config {
    selects_and_serves!();
}

impl LayerMethod for AdaLoraConfig {
    selects_and_serves!();

    fn penalty(&self, adapters: &Adapters<SvdLinear>) -> Option<Tensor<1>> {
        Some(orthogonality(adapters) * self.orth_reg_weight)
    }

    fn stepper(&self, optimizer: ModuleOptimizer, adapters: &Adapters<SvdLinear>) -> Result<Stepper> {
        let allocator = RankAllocator::with_rule(self, adapters, Rule::AdaLora(TopBudget))?;
        Ok(Stepper::adalora(AdaLoraOptimizer::from_parts(optimizer, allocator)))
    }

    fn saved(&self, adapters: &Adapters<SvdLinear>) -> (Self, Adapters<SvdLinear>) {
        prune_zeros(self, adapters)
    }
}

/// The adapters of a method on linear layers, with the method's settings.
#[derive(Module, Debug)]
pub struct OnLayers<A: LinearAdapter, C> {
    /// The adapters.
    pub adapters: Adapters<A>,
    #[module(skip)]
    method: C,
}

impl<C: LayerMethod> OnLayers<C::Adapter, C> {
    /// New adapters for training on `device`, from `seed` and the layers' paths alone.
    ///
    /// # Errors
    /// [`crate::Error::Peft`] if the settings match no layer or do not fit.
    pub fn attach(base: &Base, method: C, seed: u64, device: &Device) -> Result<Self> {
        let adapters = Adapters::attach(base, &method.layers(&HEADS), &method, seed, &device.clone().autodiff())?;
        Ok(Self { adapters, method })
    }

    /// Adapters that exist already.
    pub fn new(adapters: Adapters<C::Adapter>, method: C) -> Self {
        Self { adapters, method }
    }
}

impl<A: LinearAdapter, C> OnLayers<A, C> {
    /// The method's settings.
    pub fn method(&self) -> &C {
        &self.method
    }
}

impl<A: FolderAdapter + 'static, C: LayerMethod<Adapter = A>> Tuning for OnLayers<A, C> {
    fn with_hooks<T>(&self, base: &Base, then: impl FnOnce(&dyn Hooks) -> T) -> T {
        then(&self.adapters.bind(base).expect("the adapters were made for this base"))
    }

    fn penalty(&self) -> Option<Tensor<1>> {
        self.method.penalty(&self.adapters)
    }

    fn stepper(&self, optimizer: ModuleOptimizer) -> Result<Stepper> {
        self.method.stepper(optimizer, &self.adapters)
    }

    fn settled(self) -> Self {
        let (method, adapters) = self.method.saved(&self.adapters);
        Self { adapters, method }
    }

    fn write(&self, dir: &Path, beside: &Beside<'_>) -> Result<()> {
        let (config, adapters) = self.method.saved(&self.adapters);
        let Beside { base_model, modules, genome } = *beside;
        Ok(write_folder(dir, &Contents { config: &config, adapters: &adapters, base_model, modules, genome })?)
    }

    fn read(
        folder: AdapterFolder,
        _dir: &Path,
        base: &Base,
        device: &Device,
    ) -> Result<(Self, BTreeMap<String, HostTensor>)> {
        let method: C = folder.config()?;
        let layers = method.layers(&HEADS).lenient(base);
        let fresh = folder.attach(base, &layers, &method, device)?;
        let loaded = folder.load(fresh)?;
        loaded.check_base_layers(base)?;
        Ok((Self { adapters: loaded.adapters, method }, loaded.modules))
    }
}
