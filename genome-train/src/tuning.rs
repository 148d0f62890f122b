//! What is trained beside a frozen base: the seam between the training loop and the methods.
//!
//! [`Tuning`] is what the loop, the classifier and the folder need of any method. [`OnLayers`] is that for every method on
//! linear layers, third-party ones too: its configuration implements [`LayerMethod`]; [`OnPrompt`] for virtual tokens, [`Sampled`]
//! for AdaLoRA with sampled ranks, [`Plus`] for LoRA+. [`AnyTuning`] is whatever a folder holds, or a command names.

mod any;
mod both;
mod on_layers;
mod on_prompt;
mod plus;
mod sampled;

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::{Module, ModuleDisplay};
use burn::optim::ModuleOptimizer;
use burn::tensor::{Device, Tensor};
use model_zoo::Base;
use peft_core::{AdapterFolder, GenomeAdapter, Hooks, HostTensor};

pub use any::{AnyMethod, AnyTuning};
pub use both::Both;
pub use on_layers::{LayerMethod, OnLayers};
pub use on_prompt::{OnPrompt, VirtualTokens};
pub use plus::Plus;
pub use sampled::Sampled;

use crate::Result;
use crate::stepper::Stepper;

/// The output heads of the models and of our classifiers, which no method on layers is for.
pub const HEADS: [&str; 4] = ["classifier", "score", "lm_head", "cls"];

/// What is trained beside a frozen base: adapters, prefixes, prompts. The head of a task is not part of it.
pub trait Tuning: Module + ModuleDisplay + Send + Sync + 'static {
    /// Calls `then` with the answers to what `base` asks at its sites.
    ///
    /// # Panics
    /// If this was made for another base.
    fn with_hooks<T>(&self, base: &Base, then: impl FnOnce(&dyn Hooks) -> T) -> T;

    /// A term of the loss beside the task's, with its weight; AdaLoRA's orthogonality.
    fn penalty(&self) -> Option<Tensor<1>> {
        None
    }

    /// The optimizer with what the method does in each of its steps.
    ///
    /// # Errors
    /// [`crate::Error::AdaLora`] if the method's schedule cannot work.
    fn stepper(&self, optimizer: ModuleOptimizer) -> Result<Stepper> {
        Ok(Stepper::plain(optimizer))
    }

    /// What its folder would read back as: triplets that an allocator dropped are gone, and with them the work for them. What it
    /// predicts afterwards, the folder predicts to the bit.
    #[must_use]
    fn settled(self) -> Self {
        self
    }

    /// Writes the adapter folder `dir`.
    ///
    /// # Errors
    /// [`crate::Error::Peft`].
    fn write(&self, dir: &Path, beside: &Beside<'_>) -> Result<()>;

    /// Reads the adapter folder `dir`, whose files are in `folder`, for `base`. Also gives the modules that were trained
    /// whole, PEFT's `modules_to_save`.
    ///
    /// # Errors
    /// [`crate::Error::Peft`].
    fn read(
        folder: AdapterFolder,
        dir: &Path,
        base: &Base,
        device: &Device,
    ) -> Result<(Self, BTreeMap<String, HostTensor>)>;
}

/// What stands in an adapter folder beside the adapters.
#[derive(Debug, Clone, Copy)]
pub struct Beside<'a> {
    /// The base model's name or path.
    pub base_model: Option<&'a str>,
    /// The modules that were trained whole, in torch's layout, by name.
    pub modules: &'a BTreeMap<String, HostTensor>,
    /// Our page.
    pub genome: Option<&'a GenomeAdapter>,
}
