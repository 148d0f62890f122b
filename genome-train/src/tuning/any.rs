//! Any of the methods, known when the program runs: from a command's options, or from a folder.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::{Device, Tensor};
use model_zoo::Base;
use peft_adalora::{AdaLoraConfig, SvdLinear};
use peft_core::{AdapterFolder, Error as PeftError, FolderConfig, Hooks, HostTensor};
use peft_lingo::{PTuningConfig, Prefix, PrefixTuningConfig, PromptEncoder, PromptTuningConfig, Sampling, SoftPrompt};
use peft_lora::{Ia3Config, Ia3Linear, LoraConfig, LoraLinear, LoraPlus};

use super::{Beside, LayerMethod, OnLayers, OnPrompt, Plus, Sampled, Tuning, VirtualTokens};
use crate::Result;
use crate::stepper::Stepper;

/// The settings of any method.
#[derive(Debug, Clone, PartialEq)]
pub enum AnyMethod {
    /// LoRA, rsLoRA, DoRA.
    Lora(LoraConfig),
    /// LoRA whose B learns faster.
    Plus(LoraConfig, LoraPlus),
    /// IA3.
    Ia3(Ia3Config),
    /// AdaLoRA.
    AdaLora(AdaLoraConfig),
    /// AdaLoRA with ranks that are sampled.
    Sampled(AdaLoraConfig, Sampling),
    /// Prefix tuning; P-tuning v2.
    Prefix(PrefixTuningConfig),
    /// Prompt tuning, and the ids of the text it starts from, if it starts from one.
    Prompt(PromptTuningConfig, Vec<u32>),
    /// P-tuning.
    PTuning(PTuningConfig),
}

/// What any method trains.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "a run holds one")]
pub enum AnyTuning {
    /// LoRA, rsLoRA, DoRA.
    Lora(OnLayers<LoraLinear, LoraConfig>),
    /// LoRA whose B learns faster.
    Plus(Plus),
    /// IA3.
    Ia3(OnLayers<Ia3Linear, Ia3Config>),
    /// AdaLoRA.
    AdaLora(OnLayers<SvdLinear, AdaLoraConfig>),
    /// AdaLoRA with ranks that are sampled.
    Sampled(Sampled),
    /// Prefix tuning; P-tuning v2.
    Prefix(OnPrompt<Prefix, PrefixTuningConfig>),
    /// Prompt tuning.
    Prompt(OnPrompt<SoftPrompt, PromptTuningConfig>),
    /// P-tuning. One that was read is a table, as PEFT's is.
    PTuning(OnPrompt<PromptEncoder, PTuningConfig>),
}

/// The same of every method.
macro_rules! each {
    ($self:expr, $it:ident => $what:expr) => {
        match $self {
            Self::Lora($it) => $what,
            Self::Plus($it) => $what,
            Self::Ia3($it) => $what,
            Self::AdaLora($it) => $what,
            Self::Sampled($it) => $what,
            Self::Prefix($it) => $what,
            Self::Prompt($it) => $what,
            Self::PTuning($it) => $what,
        }
    };
}

impl AnyMethod {
    /// The settings for a task: what it is in PEFT's words, and which modules are trained whole.
    #[must_use]
    pub fn for_task(self, task_type: &str, modules_to_save: Vec<String>) -> Self {
        match self {
            Self::Lora(config) => Self::Lora(config.for_task(task_type, modules_to_save)),
            Self::Plus(config, rates) => Self::Plus(config.for_task(task_type, modules_to_save), rates),
            Self::Ia3(config) => Self::Ia3(config.for_task(task_type, modules_to_save)),
            Self::AdaLora(config) => Self::AdaLora(config.for_task(task_type, modules_to_save)),
            Self::Sampled(config, how) => Self::Sampled(config.for_task(task_type, modules_to_save), how),
            Self::Prefix(config) => Self::Prefix(config.for_task(task_type, modules_to_save)),
            Self::Prompt(config, text) => Self::Prompt(config.for_task(task_type, modules_to_save), text),
            Self::PTuning(config) => Self::PTuning(config.for_task(task_type, modules_to_save)),
        }
    }

    /// What will be trained beside `base`, as training starts on `device`.
    ///
    /// # Errors
    /// [`crate::Error::Peft`] if the settings match no layer or do not fit.
    pub fn attach(&self, base: &Base, seed: u64, device: &Device) -> Result<AnyTuning> {
        Ok(match self.clone() {
            Self::Lora(config) => AnyTuning::Lora(OnLayers::attach(base, config, seed, device)?),
            Self::Plus(config, rates) => AnyTuning::Plus(Plus::attach(base, config, rates, seed, device)?),
            Self::Ia3(config) => AnyTuning::Ia3(OnLayers::attach(base, config, seed, device)?),
            Self::AdaLora(config) => AnyTuning::AdaLora(OnLayers::attach(base, config, seed, device)?),
            Self::Sampled(config, how) => AnyTuning::Sampled(Sampled::attach(base, config, how, seed, device)?),
            Self::Prefix(config) => AnyTuning::Prefix(OnPrompt::attach(base, config, &[], seed, device)?),
            Self::Prompt(config, text) => AnyTuning::Prompt(OnPrompt::attach(base, config, &text, seed, device)?),
            Self::PTuning(config) => AnyTuning::PTuning(OnPrompt::attach(base, config, &[], seed, device)?),
        })
    }
}

impl Tuning for AnyTuning {
    fn with_hooks<T>(&self, base: &Base, then: impl FnOnce(&dyn Hooks) -> T) -> T {
        each!(self, it => it.with_hooks(base, then))
    }

    fn penalty(&self) -> Option<Tensor<1>> {
        each!(self, it => Tuning::penalty(it))
    }

    fn stepper(&self, optimizer: ModuleOptimizer) -> Result<Stepper> {
        each!(self, it => Tuning::stepper(it, optimizer))
    }

    fn settled(self) -> Self {
        match self {
            Self::Lora(it) => Self::Lora(it.settled()),
            Self::Plus(it) => Self::Plus(it.settled()),
            Self::Ia3(it) => Self::Ia3(it.settled()),
            Self::AdaLora(it) => Self::AdaLora(it.settled()),
            Self::Sampled(it) => Self::Sampled(it.settled()),
            Self::Prefix(it) => Self::Prefix(it.settled()),
            Self::Prompt(it) => Self::Prompt(it.settled()),
            Self::PTuning(it) => Self::PTuning(it.settled()),
        }
    }

    fn write(&self, dir: &Path, beside: &Beside<'_>) -> Result<()> {
        each!(self, it => it.write(dir, beside))
    }

    fn read(
        folder: AdapterFolder,
        dir: &Path,
        base: &Base,
        device: &Device,
    ) -> Result<(Self, BTreeMap<String, HostTensor>)> {
        macro_rules! read_as {
            ($variant:ident, $of:ident) => {{
                let (tuning, modules) = $of::read(folder, dir, base, device)?;
                Ok((Self::$variant(tuning), modules))
            }};
        }
        match folder.peft_type() {
            LoraConfig::PEFT_TYPE => read_as!(Lora, OnLayers),
            Ia3Config::PEFT_TYPE => read_as!(Ia3, OnLayers),
            AdaLoraConfig::PEFT_TYPE => read_as!(AdaLora, OnLayers),
            PrefixTuningConfig::PEFT_TYPE => read_as!(Prefix, OnPrompt),
            PromptTuningConfig::PEFT_TYPE => read_as!(Prompt, OnPrompt),
            PTuningConfig::PEFT_TYPE => read_as!(PTuning, OnPrompt),
            other => Err(PeftError::OtherMethod {
                file: dir.join(peft_core::folder::CONFIG_FILE),
                expected: "LORA, IA3, ADALORA, PREFIX_TUNING, PROMPT_TUNING or P_TUNING".to_owned(),
                found: other.to_owned(),
            }
            .into()),
        }
    }
}
