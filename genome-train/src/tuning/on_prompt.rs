//! Methods that put virtual tokens before the sequence.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use burn::tensor::Device;
use model_zoo::Base;
use peft_core::{AdapterFolder, Hooks, HostTensor};
use peft_lingo::{PTuningConfig, PrefixTuningConfig, Prompt, PromptMethod, PromptTuningConfig, Vocabulary, load, save};

use super::{Beside, Tuning};
use crate::Result;
use crate::prompts::{model_shape, word_embeddings};

/// A method that trains virtual tokens, as it is chosen for a task.
pub trait VirtualTokens: PromptMethod<Prompt: 'static> + Send + Sync + 'static {
    /// The settings for a task: what it is in PEFT's words, and which modules are trained whole.
    #[must_use]
    fn for_task(self, task_type: &str, modules_to_save: Vec<String>) -> Self;
}

macro_rules! serves {
    ($($config:ty),*) => {$(
        impl VirtualTokens for $config {
            fn for_task(self, task_type: &str, modules_to_save: Vec<String>) -> Self {
                Self { task_type: Some(task_type.to_owned()), modules_to_save, ..self }
            }
        }
    )*};
}
serves!(PrefixTuningConfig, PromptTuningConfig, PTuningConfig);

/// Virtual tokens, with the method's settings.
#[derive(Module, Debug)]
pub struct OnPrompt<P: Prompt, C> {
    /// What is trained.
    pub prompt: P,
    #[module(skip)]
    method: C,
}

impl<C: VirtualTokens> OnPrompt<C::Prompt, C> {
    /// New virtual tokens for training on `device`, from `seed`; `text` are the ids to start from, where the settings ask
    /// for a text.
    ///
    /// # Errors
    /// [`crate::Error::Lingo`] if the settings do not fit the base.
    pub fn attach(base: &Base, method: C, text: &[u32], seed: u64, device: &Device) -> Result<Self> {
        let method = method.for_model(&model_shape(&base.config()))?;
        let table = word_embeddings(base);
        let vocabulary = Vocabulary { table: table.as_ref(), text };
        let prompt = method.init(vocabulary, seed, &device.clone().autodiff())?;
        Ok(Self { prompt, method })
    }
}

impl<P: Prompt, C> OnPrompt<P, C> {
    /// The method's settings.
    pub fn method(&self) -> &C {
        &self.method
    }
}

impl<P: Prompt + 'static, C: VirtualTokens<Prompt = P>> Tuning for OnPrompt<P, C> {
    fn with_hooks<T>(&self, _base: &Base, then: impl FnOnce(&dyn Hooks) -> T) -> T {
        self.prompt.with_hooks(then)
    }

    fn write(&self, dir: &Path, beside: &Beside<'_>) -> Result<()> {
        let Beside { base_model, modules, genome } = *beside;
        Ok(save(dir, &self.method, &self.prompt, modules, base_model, genome)?)
    }

    fn read(
        folder: AdapterFolder,
        _dir: &Path,
        base: &Base,
        device: &Device,
    ) -> Result<(Self, BTreeMap<String, HostTensor>)> {
        let loaded = load::<C>(folder, &model_shape(&base.config()), device)?;
        Ok((Self { prompt: loaded.prompt, method: loaded.config }, loaded.modules))
    }
}
