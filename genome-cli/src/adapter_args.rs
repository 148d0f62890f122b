//! Arguments of `genome adapter` and `genome peft`.

use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// What is done with adapter folders.
#[derive(Debug, Subcommand)]
pub(crate) enum AdapterCommand {
    /// Print what a folder holds: method, base, layers, ranks, head
    Show(ShowAdapterArgs),
    /// Write the base with the adapter in its weights, as a model folder
    Merge(MergeArgs),
    /// Merge, take it back, and check that the base is bit by bit what it was
    UnmergeCheck(OnBaseArgs),
    /// Make one LoRA adapter of several
    Combine(CombineArgs),
    /// Rewrite a folder: PyTorch's .bin to safetensors, PiSSA and OLoRA to plain LoRA
    Convert(ConvertAdapterArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ShowAdapterArgs {
    /// Adapter folder, ours or PEFT's
    #[arg(value_name = "DIR")]
    pub(crate) adapter: PathBuf,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// An adapter folder and its base.
#[derive(Debug, Args)]
pub(crate) struct OnBaseArgs {
    /// Adapter folder, ours or PEFT's
    #[arg(value_name = "DIR")]
    pub(crate) adapter: PathBuf,
    /// Base model; default the one the adapter names
    #[arg(long, value_name = "DIR")]
    pub(crate) base: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct MergeArgs {
    #[command(flatten)]
    pub(crate) on: OnBaseArgs,
    /// Model folder that is made
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Write the merged model with its linear layers in so many bits again, as convert-checkpoint --bits does
    #[arg(long, value_enum, value_name = "BITS")]
    pub(crate) bits: Option<crate::args::BitsName>,
    #[command(flatten)]
    pub(crate) base_bits: crate::args::BitsArgs,
    /// Replace what is in the out folder
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  genome adapter combine --how ties --density 0.5 --out both promoters:0.7 splice:0.3"
)]
pub(crate) struct CombineArgs {
    /// LoRA folders on one base, each with its weight behind a colon; without one it is 1
    #[arg(required = true, num_args = 2.., value_name = "DIR[:WEIGHT]")]
    pub(crate) adapters: Vec<String>,
    /// linear, cat, svd, ties, dare_linear, dare_ties, magnitude_prune, or one of the last four with _svd, as in PEFT
    #[arg(long, default_value = "cat", value_name = "NAME")]
    pub(crate) how: String,
    /// Share of the values that TIES, DARE and magnitude pruning keep
    #[arg(long, default_value_t = 0.5)]
    pub(crate) density: f64,
    /// What DARE's random choices follow from
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Base model; default the one the first adapter names
    #[arg(long, value_name = "DIR")]
    pub(crate) base: Option<String>,
    /// Adapter folder that is made
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ConvertAdapterArgs {
    #[command(flatten)]
    pub(crate) on: OnBaseArgs,
    /// Adapter folder that is made
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
}

/// What is told about parameter-efficient methods.
#[derive(Debug, Subcommand)]
pub(crate) enum PeftCommand {
    /// Estimate weights, memory and cost of a run before it starts; nothing is trained
    Plan(PlanArgs),
}

/// Methods that can be planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlannedMethod {
    /// Every weight is trained
    Full,
    /// Low-rank adapters (Hu et al. 2021)
    Lora,
    /// LoRA with a length for each output (Liu et al. 2024)
    Dora,
    /// A scale for each feature (Liu et al. 2022)
    Ia3,
    /// LoRA in SVD form, one and a half times the rank at the start (Zhang et al. 2023)
    Adalora,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  genome peft plan --base DNABERT-2-117M --method lora --rank 8 --batch-size 32 --tokens 128"
)]
pub(crate) struct PlanArgs {
    /// A model folder (only its config.json is needed), a name of the Hugging Face hub, or base-tiny
    #[arg(long, default_value = crate::bases::BASE_TINY, value_name = "DIR")]
    pub(crate) base: String,
    /// The method
    #[arg(long, value_enum, default_value = "lora")]
    pub(crate) method: PlannedMethod,
    /// Rank of the adapters
    #[arg(long, default_value_t = 8)]
    pub(crate) rank: usize,
    /// Layers to adapt: names divided by commas, one regular expression as re:PATTERN, or all-linear; default the family's
    #[arg(long, value_name = "LAYERS")]
    pub(crate) targets: Option<String>,
    /// Sequences in a batch
    #[arg(long, default_value_t = 32)]
    pub(crate) batch_size: usize,
    /// Tokens in a sequence
    #[arg(long, default_value_t = 128)]
    pub(crate) tokens: usize,
    /// With the activations of one layer at a time
    #[arg(long)]
    pub(crate) gradient_checkpointing: bool,
    #[command(flatten)]
    pub(crate) bits: crate::args::BitsArgs,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
}
