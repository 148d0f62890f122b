//! Methods and layers by the names that the command line has for them.

use crate::args::{BasesName, FinetuneArgs, LingoArgs, MethodName, PromptName, StartName};
use anyhow::{Context, Result, bail};
use genome_train::foundation::Foundation;
use genome_train::task_prompt::{Bases, TaskPrompt};
use genome_train::tuning::AnyMethod;
use model_zoo::BaseConfig;
use peft_adalora::{AdaLoraConfig, Schedule};
use peft_core::Targets;
use peft_lingo::{
    PTuningConfig, PrefixTuningConfig, PromptLibrary, PromptTuningConfig, PromptTuningInit, Sampling, TextPrompt,
};
use peft_lora::{Ia3Config, LoraConfig, LoraPlus, Start};
use std::path::Path;

/// A method and its settings, as somebody asks for them.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) method: MethodName,
    pub(crate) rank: usize,
    pub(crate) alpha: Option<f64>,
    pub(crate) dropout: f64,
    /// LoRA+'s ratio of learning rates.
    pub(crate) lora_plus: f64,
    pub(crate) start: StartName,
    /// As `--targets` has it.
    pub(crate) targets: Option<String>,
    pub(crate) virtual_tokens: usize,
    pub(crate) prefix_projection: bool,
    /// The text that prompt tuning starts from, and its ids.
    pub(crate) start_text: Option<(String, Vec<u32>)>,
    pub(crate) sampling: Option<Sampling>,
}

impl Wanted {
    /// A method with the command line's defaults.
    pub(crate) fn new(method: MethodName) -> Self {
        Wanted {
            method,
            rank: 8,
            alpha: None,
            dropout: 0.05,
            lora_plus: 1.0,
            start: StartName::Default,
            targets: None,
            virtual_tokens: 20,
            prefix_projection: false,
            start_text: None,
            sampling: None,
        }
    }

    /// What the options of `finetune` ask for, on `foundation`.
    pub(crate) fn of(args: &FinetuneArgs, foundation: &Foundation) -> Result<Self> {
        let lingo = &args.lingo;
        if lingo.sampling.is_some() && !matches!(args.method, MethodName::Adalora | MethodName::Lingo) {
            bail!("--sampling: only --method adalora and lingo allocate ranks");
        }
        let is_lora = matches!(args.method, MethodName::Lora | MethodName::Rslora | MethodName::Dora);
        if !(args.lora_plus >= 1.0 && args.lora_plus.is_finite()) {
            bail!("--lora-plus: expected 1 or more, found {}", args.lora_plus);
        }
        if args.lora_plus != 1.0 && !is_lora {
            bail!("--lora-plus: only --method lora, rslora and dora have a B");
        }
        if lingo.start_text.is_some() && args.method != MethodName::Prompt {
            bail!("--start-text: only --method prompt starts from a text");
        }
        let start_text = lingo.start_text.as_ref().map(|text| -> Result<(String, Vec<u32>)> {
            let found =
                foundation.tokenizer.encode(text.as_bytes()).with_context(|| format!("--start-text {text:?}"))?;
            let ids = found.ids.iter().zip(&found.special).filter(|(_, special)| !**special).map(|(id, _)| *id);
            Ok((text.clone(), ids.collect()))
        });
        Ok(Wanted {
            rank: args.rank,
            alpha: args.alpha,
            dropout: args.dropout,
            lora_plus: args.lora_plus,
            start: args.start,
            targets: args.targets.clone(),
            virtual_tokens: lingo.virtual_tokens,
            prefix_projection: lingo.prefix_projection,
            start_text: start_text.transpose()?,
            sampling: lingo.sampling.map(Into::into),
            ..Self::new(args.method)
        })
    }

    /// The settings on a base of `family`, for a run of `steps`.
    pub(crate) fn settings(&self, family: &BaseConfig, steps: usize) -> Result<AnyMethod> {
        let targets = || targets(self.targets.as_deref(), family);
        let lora = |change: fn(LoraConfig) -> LoraConfig| {
            let config = change(LoraConfig {
                r: self.rank,
                lora_alpha: self.alpha.unwrap_or(2.0 * self.rank as f64),
                lora_dropout: self.dropout,
                init_lora_weights: match self.start {
                    StartName::Default => Start::KaimingUniform,
                    StartName::Gaussian => Start::Gaussian,
                    StartName::Pissa => Start::PISSA,
                    StartName::Olora => Start::Olora,
                    StartName::Orthogonal => Start::Orthogonal,
                },
                ..LoraConfig::for_targets(targets())
            });
            match self.lora_plus {
                1.0 => AnyMethod::Lora(config),
                ratio => AnyMethod::Plus(config, LoraPlus::with_ratio(ratio)),
            }
        };
        let adalora = || -> Result<AdaLoraConfig> {
            let init_r = initial_rank(self.rank);
            Ok(AdaLoraConfig {
                init_r,
                target_r: self.rank,
                lora_alpha: self.alpha.unwrap_or(2.0 * init_r as f64),
                lora_dropout: self.dropout,
                ..AdaLoraConfig::for_targets(targets(), Schedule::for_steps(steps)?)
            })
        };
        let n = self.virtual_tokens;
        Ok(match (self.method, self.sampling) {
            (MethodName::Lora, _) => lora(|lora| lora),
            (MethodName::Rslora, _) => lora(|lora| LoraConfig { use_rslora: true, ..lora }),
            (MethodName::Dora, _) => lora(|lora| LoraConfig { use_dora: true, ..lora }),
            (MethodName::Ia3, _) => AnyMethod::Ia3(ia3(self.targets.as_deref(), family)),
            (MethodName::Adalora, None | Some(Sampling::AdaLora)) => AnyMethod::AdaLora(adalora()?),
            (MethodName::Adalora, Some(sampling)) => AnyMethod::Sampled(adalora()?, sampling),
            (MethodName::Lingo, sampling) => AnyMethod::Sampled(adalora()?, sampling.unwrap_or(Sampling::ANNEALED)),
            (MethodName::Prefix, _) => AnyMethod::Prefix(PrefixTuningConfig {
                prefix_projection: self.prefix_projection,
                ..PrefixTuningConfig::new(n)
            }),
            (MethodName::Prompt, _) => {
                let plain = PromptTuningConfig::new(n);
                match self.start_text.clone() {
                    None => AnyMethod::Prompt(plain, Vec::new()),
                    Some((text, ids)) => {
                        let config = PromptTuningConfig {
                            prompt_tuning_init: PromptTuningInit::Text,
                            prompt_tuning_init_text: Some(text),
                            tokenizer_name_or_path: Some(String::new()),
                            ..plain
                        };
                        AnyMethod::Prompt(config, ids)
                    }
                }
            }
            (MethodName::Ptuning, _) => AnyMethod::PTuning(PTuningConfig::new(n)),
        })
    }
}

/// The prompts of one data set.
pub(crate) struct Library {
    library: PromptLibrary,
    template: String,
    name: String,
}

impl Library {
    /// The built-in prompts, or those of `file`, for the data set `name`, which is called as its folder `data` if nothing
    /// else is said.
    pub(crate) fn open(file: Option<&Path>, template: &str, name: Option<&str>, data: &Path) -> Result<Self> {
        let library = match file {
            None => PromptLibrary::built_in(),
            Some(file) => {
                let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
                PromptLibrary::parse(file, &text)?
            }
        };
        let folder = data.canonicalize().ok().and_then(|d| Some(d.file_name()?.to_string_lossy().into_owned()));
        let name = name.map(str::to_owned).or(folder).unwrap_or_default();
        Ok(Self { library, template: template.to_owned(), name })
    }

    /// The data set.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What is true of it.
    pub(crate) fn right(&self) -> Result<TextPrompt> {
        self.library.text(&self.template, &self.name).context(HINT)
    }

    /// What is true of another one.
    pub(crate) fn wrong(&self, seed: u64) -> Result<TextPrompt> {
        self.library.wrong_text(&self.template, &self.name, seed).context(HINT)
    }
}

const HINT: &str =
    "name the data set whose prompt it is with --prompt-name, or give prompts of your own with --prompts";

/// The tokens around each sequence that the options ask for; `None` if they ask for none. `data`: the data set's folder.
pub(crate) fn task_prompt(
    args: &LingoArgs,
    method: MethodName,
    data: &Path,
    seed: u64,
    foundation: &Foundation,
) -> Result<Option<TaskPrompt>> {
    let is_lingo = method == MethodName::Lingo;
    let kind = args.prompt.unwrap_or(if is_lingo { PromptName::Right } else { PromptName::None });
    if !is_lingo && kind == PromptName::None && args.bases == BasesName::Tokens {
        return Ok(None);
    }
    let family = foundation.base.config();
    if !matches!(family, BaseConfig::Opt(_) | BaseConfig::Llama(_)) {
        let what = if is_lingo { "--method lingo" } else { "--prompt and --bases" };
        bail!(
            "{what}: expected a natural-language model (OPT, LLaMA), found {}, whose tokens are DNA",
            family.family()
        );
    }
    let library = Library::open(args.prompts.as_deref(), &args.prompt_template, args.prompt_name.as_deref(), data)?;
    let text = match kind {
        PromptName::None => None,
        PromptName::Right | PromptName::Shuffled => Some(library.right()?),
        PromptName::Wrong => Some(library.wrong(seed)?),
    };
    let bases = match args.bases {
        BasesName::Tokens => Bases::Tokens,
        BasesName::OneHot => Bases::OneHot,
        BasesName::Released => Bases::Released,
    };
    let prompt = TaskPrompt::new(foundation, text.as_ref(), bases)?;
    Ok(Some(if kind == PromptName::Shuffled { prompt.shuffled(foundation, seed) } else { prompt }))
}

/// The rank that AdaLoRA starts with if `rank` is to be left on average: half as much again, as its authors do.
pub(crate) fn initial_rank(rank: usize) -> usize {
    (3 * rank).div_ceil(2)
}

/// IA3 on the layers that `--targets` names, or the family's own: keys, values and what leads out of the feed-forward
/// part, of which the last is scaled where its input enters.
pub(crate) fn ia3(text: Option<&str>, family: &BaseConfig) -> Ia3Config {
    let (own, feedforward): (&[&str], &str) = match family {
        BaseConfig::Bert(_) | BaseConfig::NucleotideTransformer(_) => {
            (&["key", "value", "output.dense"], "output.dense")
        }
        BaseConfig::Dnabert2(_) => (&["Wqkv", "mlp.wo"], "mlp.wo"),
        BaseConfig::Opt(_) => (&["k_proj", "v_proj", "fc2"], "fc2"),
        BaseConfig::Llama(_) => (&["k_proj", "v_proj", "down_proj"], "down_proj"),
    };
    let Some(text) = text else { return Ia3Config::new(own.iter().copied(), [feedforward]) };
    let target_modules = targets(Some(text), family);
    let feedforward_modules = match &target_modules {
        Targets::Suffixes(names) => Targets::suffixes(names.iter().filter(|n| *n == feedforward).cloned()),
        _ => Targets::suffixes([""; 0]),
    };
    Ia3Config { target_modules, feedforward_modules, ..Ia3Config::new([""; 0], [""; 0]) }
}

/// `--targets`: names, a regular expression, all linear layers, or the family's own.
pub(crate) fn targets(text: Option<&str>, config: &BaseConfig) -> Targets {
    match text {
        None => default_targets(config),
        Some("all-linear") => Targets::AllLinear,
        Some(text) => match text.strip_prefix("re:") {
            Some(pattern) => Targets::Regex(pattern.to_owned()),
            None => Targets::suffixes(text.split(',').map(str::trim)),
        },
    }
}

/// Layers that the family's published recipes adapt.
pub(crate) fn default_targets(config: &BaseConfig) -> Targets {
    match config {
        BaseConfig::Bert(_) => Targets::suffixes(["query", "key", "value"]),
        BaseConfig::Dnabert2(_) => Targets::suffixes(["Wqkv"]),
        BaseConfig::NucleotideTransformer(_) => Targets::suffixes(["query", "key", "value", "dense"]),
        BaseConfig::Opt(_) | BaseConfig::Llama(_) => Targets::suffixes(["q_proj", "k_proj", "v_proj"]),
    }
}
