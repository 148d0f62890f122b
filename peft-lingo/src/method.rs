//! What prefix tuning, prompt tuning and P-tuning have in common.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::{Module, ModuleDisplay, Param};
use burn::tensor::{Device, Tensor, TensorData};
use peft_core::{AdapterFolder, FolderConfig, GenomeAdapter, Hooks, HostTensor, PromptContents, write_prompt_folder};

use crate::parameters::Source;
use crate::{ModelShape, Result};

/// Virtual tokens that are trained: a module for the optimizer and the hooks of a pass, alone or in a stack with others
/// (`[&lora_hooks, &prefix]`).
pub trait Prompt: Module + ModuleDisplay + Hooks {
    /// What the model reads, and what is saved: [virtual tokens, width].
    fn prompt_embeddings(&self) -> Tensor<2>;

    /// Calls `then` with the hooks of one pass: itself, or what spares work that would be done in every block.
    fn with_hooks<T>(&self, then: impl FnOnce(&dyn Hooks) -> T) -> T
    where
        Self: Sized,
    {
        then(self)
    }

    /// Every trained tensor under the name that PEFT has for it in memory, behind `prompt_encoder.<adapter>.`; in torch's
    /// layout.
    fn parameters(&self) -> Vec<(String, HostTensor)>;

    /// The prompt with such tensors in place of its own.
    ///
    /// # Errors
    /// [`peft_core::Error::MissingTensor`], [`peft_core::Error::TensorShape`], [`peft_core::Error::NotFinite`].
    fn with_parameters(self, source: &mut Source<'_>) -> peft_core::Result<Self>;
}

/// Where virtual tokens may start from, besides random numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Vocabulary<'a> {
    /// The model's word embeddings, [vocabulary, d_embed].
    pub table: Option<&'a Tensor<2>>,
    /// The tokens of the text to start from.
    pub text: &'a [u32],
}

/// The settings of such a method.
pub trait PromptMethod: FolderConfig + Clone + PartialEq + std::fmt::Debug {
    /// What is trained.
    type Prompt: Prompt;

    /// The settings with what the model's sizes decide.
    ///
    /// # Errors
    /// [`peft_core::Error::Config`] if they were made for a model of other sizes.
    fn for_model(self, model: &ModelShape) -> Result<Self>;

    /// The shape of what is saved, [virtual tokens, width].
    ///
    /// # Errors
    /// [`peft_core::Error::Config`] before [`PromptMethod::for_model`].
    fn shape(&self) -> Result<[usize; 2]>;

    /// The prompt as training starts, from `seed` alone.
    ///
    /// # Errors
    /// As [`PromptMethod::shape`], and [`crate::Error::Start`].
    fn init(&self, vocabulary: Vocabulary<'_>, seed: u64, device: &Device) -> Result<Self::Prompt>;

    /// The prompt that a folder holds: what the encoder made, without the encoder, which PEFT does not save. It is a table
    /// that can be trained on.
    ///
    /// # Errors
    /// As [`PromptMethod::shape`].
    ///
    /// # Panics
    /// If `prompt` does not have [`PromptMethod::shape`].
    fn folded(&self, prompt: &HostTensor, device: &Device) -> Result<Self::Prompt>;
}

/// A prompt that was read, with its settings.
#[derive(Clone, Debug)]
pub struct LoadedPrompt<C: PromptMethod> {
    /// The settings.
    pub config: C,
    /// The virtual tokens.
    pub prompt: C::Prompt,
    /// The tensors of the modules that were trained whole: `classifier.weight` and so on, in torch's layout.
    pub modules: BTreeMap<String, HostTensor>,
}

/// Writes `prompt` as an adapter folder, as PEFT does. `modules`: the head and whatever else was trained whole, by name in
/// the model; it must be among the configuration's `modules_to_save`.
///
/// # Errors
/// As [`peft_core::write_folder`].
pub fn save<C: PromptMethod>(
    dir: &Path,
    config: &C,
    prompt: &C::Prompt,
    modules: &BTreeMap<String, HostTensor>,
    base_model: Option<&str>,
    genome: Option<&GenomeAdapter>,
) -> Result<()> {
    let prompt = HostTensor::from_tensor(&prompt.prompt_embeddings());
    Ok(write_prompt_folder(dir, &PromptContents { config, prompt: &prompt, base_model, modules, genome })?)
}

/// Reads an adapter folder, PEFT's or ours, for a model of this shape.
///
/// # Errors
/// [`peft_core::Error`]: settings of another method or for another model, an unknown field that is not empty, a tensor that
/// is missing, left over, of another shape or not finite.
pub fn load<C: PromptMethod>(folder: AdapterFolder, model: &ModelShape, device: &Device) -> Result<LoadedPrompt<C>> {
    let config: C = folder.config::<C>()?.for_model(model)?;
    let loaded = folder.load_prompt(config.shape()?)?;
    let prompt = config.folded(&loaded.prompt, device)?;
    Ok(LoadedPrompt { config, prompt, modules: loaded.modules })
}

/// A table of values.
pub(crate) fn table(values: Vec<f32>, shape: [usize; 2], device: &Device) -> Param<Tensor<2>> {
    Param::from_data(TensorData::new(values, shape), device)
}

/// Word embeddings with `prompt` [virtual tokens, d_embed] before them, in every row. h: [batch, seq, d_embed].
pub(crate) fn prepend(prompt: Tensor<2>, h: Tensor<3>) -> Tensor<3> {
    let [rows, _, _] = h.dims();
    let [n, d] = prompt.dims();
    let prompt = prompt.unsqueeze_dim::<3>(0).expand([rows, n, d]); // [batch, virtual tokens, d_embed]
    Tensor::cat(vec![prompt, h], 1) // [batch, virtual tokens + seq, d_embed]
}
