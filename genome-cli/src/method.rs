//! Methods and layers by the names that the command line has for them.

use crate::args::{FinetuneArgs, MethodName, StartName};
use anyhow::Result;
use genome_train::tuning::AnyMethod;
use model_zoo::BaseConfig;
use peft_adalora::{AdaLoraConfig, Schedule};
use peft_core::Targets;
use peft_lora::{Ia3Config, LoraConfig, Start};

/// The settings of the method that the options name, on a base of `family`, for a run of `steps`.
pub(crate) fn named(args: &FinetuneArgs, family: &BaseConfig, steps: usize) -> Result<AnyMethod> {
    let lora = |change: fn(LoraConfig) -> LoraConfig| {
        AnyMethod::Lora(change(LoraConfig {
            r: args.rank,
            lora_alpha: args.alpha.unwrap_or(2.0 * args.rank as f64),
            lora_dropout: args.dropout,
            init_lora_weights: match args.start {
                StartName::Default => Start::KaimingUniform,
                StartName::Gaussian => Start::Gaussian,
                StartName::Pissa => Start::PISSA,
                StartName::Olora => Start::Olora,
                StartName::Orthogonal => Start::Orthogonal,
            },
            ..LoraConfig::for_targets(targets(args.targets.as_deref(), family))
        }))
    };
    Ok(match args.method {
        MethodName::Lora => lora(|lora| lora),
        MethodName::Rslora => lora(|lora| LoraConfig { use_rslora: true, ..lora }),
        MethodName::Dora => lora(|lora| LoraConfig { use_dora: true, ..lora }),
        MethodName::Ia3 => AnyMethod::Ia3(ia3(args.targets.as_deref(), family)),
        MethodName::Adalora => {
            let init_r = initial_rank(args.rank);
            AnyMethod::AdaLora(AdaLoraConfig {
                init_r,
                target_r: args.rank,
                lora_alpha: args.alpha.unwrap_or(2.0 * init_r as f64),
                lora_dropout: args.dropout,
                ..AdaLoraConfig::for_targets(targets(args.targets.as_deref(), family), Schedule::for_steps(steps)?)
            })
        }
    })
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
