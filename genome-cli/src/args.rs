//! The command line.

use crate::adapter_args::{AdapterCommand, PeftCommand};
use crate::ask_args::{AskArgs, QueryArgs};
use crate::audit_args::AuditArgs;
use crate::device::DeviceChoice;
use crate::format_args::{ConvertArgs, DatasetArgs, ExtractArgs, OrfsArgs, StatsArgs};
use crate::matrix::MatrixArgs;
use crate::mcp::McpArgs;
use crate::model_args::{ConvertCheckpointArgs, ForwardArgs, GenerateArgs};
use crate::models::ModelsArgs;
use crate::serve::ServeArgs;
use crate::tokenize::TokenizeArgs;
use crate::train_tokenizer::TrainTokenizerArgs;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use model_zoo::Pooling;
use model_zoo::packed::Bits;
use peft_lingo::Sampling;
use std::path::PathBuf;

/// Fine-tunes DNA language models cheaply, predicts and embeds.
#[derive(Debug, Parser)]
#[command(name = "genome", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Reads the command line. Options of the hub belong to the commands that take a base or a checkpoint, and to no other.
pub(crate) fn parse(words: impl IntoIterator<Item = std::ffi::OsString>) -> Result<Cli, clap::Error> {
    let mut command = command();
    let mut matches = command.try_get_matches_from_mut(words)?;
    #[cfg(feature = "hub")]
    if let Some(hub) = hub_args(&matches) {
        crate::hub::set(hub);
    }
    Cli::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
}

fn command() -> clap::Command {
    let command = Cli::command();
    #[cfg(feature = "hub")]
    let command = with_hub(command);
    command
}

/// Adds the options of the hub to each command with `--base`, `--checkpoint` or `--from`.
#[cfg(feature = "hub")]
fn with_hub(command: clap::Command) -> clap::Command {
    let takes_a_base =
        command.get_arguments().any(|arg| matches!(arg.get_long(), Some("base" | "checkpoint" | "from")));
    let command = if takes_a_base { crate::hub::HubArgs::augment_args(command) } else { command };
    command.mut_subcommands(with_hub)
}

/// What the innermost command says about the hub.
#[cfg(feature = "hub")]
fn hub_args(matches: &clap::ArgMatches) -> Option<crate::hub::HubArgs> {
    match matches.subcommand() {
        Some((_, inner)) => hub_args(inner),
        None if matches.try_contains_id("revision").is_ok() => crate::hub::HubArgs::from_arg_matches(matches).ok(),
        None => None,
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Fine-tune the built-in base on 2,400 real splice junctions: two minutes, no files needed
    Quickstart(QuickstartArgs),
    /// Train adapters and a head on labelled sequences (train.csv, dev.csv, test.csv)
    Finetune(FinetuneArgs),
    /// Predict labels of sequences with an adapter folder
    Predict(PredictArgs),
    /// Turn sequences into vectors
    Embed(EmbedArgs),
    /// Go on from a prompt with OPT or LLaMA
    Generate(GenerateArgs),
    /// Run a checkpoint on token ids and write what every layer gives
    Forward(ForwardArgs),
    /// Rewrite a checkpoint: safetensors, PyTorch's .bin, GGUF, llama2.c
    ConvertCheckpoint(ConvertCheckpointArgs),
    /// Train a base model on whole genomes by masked-language modelling
    Pretrain(PretrainArgs),
    /// Ask about a genome in plain English: functions, clusters, sizes, neighbours, sequences, counts
    Ask(AskArgs),
    /// Run a typed query on a genome
    Query(QueryArgs),
    /// Train every method on every family a few steps, and print which cells work
    Matrix(MatrixArgs),
    /// Count what is in files of any genome format
    Stats(StatsArgs),
    /// Write one format as another
    Convert(ConvertArgs),
    /// Cut out regions, coding sequences, proteins, features or upstream bases
    Extract(ExtractArgs),
    /// Find open reading frames on both strands
    Orfs(OrfsArgs),
    /// Make data sets from genomes; check them for leaks
    Dataset(DatasetArgs),
    /// List the checkpoints that are known: size, context, tokenizer, licence
    Models(ModelsArgs),
    /// Turn sequences into token ids as a model reads them
    Tokenize(TokenizeArgs),
    /// Make a BPE vocabulary from genomes
    TrainTokenizer(TrainTokenizerArgs),
    /// Look into adapter folders, merge, combine and convert them
    #[command(subcommand)]
    Adapter(AdapterCommand),
    /// Plan a fine-tuning run
    #[command(subcommand)]
    Peft(PeftCommand),
    /// Measure what text prompts and sampled ranks are worth, all else being equal
    Audit(AuditArgs),
    /// Open a web page that answers questions about annotated genomes
    Serve(ServeArgs),
    /// Answer questions of programs about annotated genomes: Model Context Protocol on stdin and stdout
    Mcp(McpArgs),
    /// Show version, features, devices and memory
    Doctor(DoctorArgs),
}

/// Options that every command with a model shares.
#[derive(Debug, Clone, Args)]
pub(crate) struct DeviceArgs {
    /// Where to compute: auto, cpu, cuda, cuda:N, wgpu or wgpu:N
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    pub(crate) device: DeviceChoice,
}

/// Where and in which numbers a model that is only read computes.
#[derive(Debug, Clone, Args)]
pub(crate) struct ComputeArgs {
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
    /// Numbers that weights are held and computed in; 16 bits halve the memory and are fast on cards that have them
    #[arg(long, value_enum, default_value = "f32")]
    pub(crate) dtype: DtypeName,
}

/// How the weights of a base are held.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct BitsArgs {
    /// Hold the base's linear layers in so many bits, in blocks of 64 with a scale each (QLoRA); adapters stay f32
    #[arg(long, value_enum, value_name = "BITS")]
    pub(crate) base_bits: Option<BitsName>,
}

/// Bits of a weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BitsName {
    /// A quarter of the memory
    #[value(name = "8")]
    Eight,
    /// An eighth of the memory
    #[value(name = "4")]
    Four,
}

impl From<BitsName> for Bits {
    fn from(name: BitsName) -> Self {
        match name {
            BitsName::Eight => Self::Eight,
            BitsName::Four => Self::Four,
        }
    }
}

/// A type of floating-point numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DtypeName {
    /// 32 bits
    F32,
    /// 16 bits with the range of f32
    Bf16,
    /// 16 bits with three more bits of precision and a small range
    F16,
}

/// How progress is shown.
#[derive(Debug, Clone, Args)]
pub(crate) struct ShowArgs {
    /// Plain log lines instead of the dashboard, on a terminal too
    #[arg(long)]
    pub(crate) plain: bool,
}

#[derive(Debug, Args)]
pub(crate) struct QuickstartArgs {
    /// Everything random follows from this number
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Folder that is made for the adapter, its predictions and sample data
    #[arg(long, default_value = "genome-quickstart", value_name = "DIR")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
    #[command(flatten)]
    pub(crate) show: ShowArgs,
}

/// A parameter-efficient method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MethodName {
    /// Low-rank adapters (Hu et al. 2021)
    Lora,
    /// LoRA scaled by alpha / √rank, for high ranks (Kalajdzievski 2023)
    Rslora,
    /// LoRA with a length of its own for each output (Liu et al. 2024)
    Dora,
    /// LoRA in SVD form that moves rank to where it helps; --rank is the average at the end (Zhang et al. 2023)
    Adalora,
    /// A scale for each feature of keys, values and feed-forward layers; no rank (Liu et al. 2022)
    Ia3,
    /// Keys and values before those of the sequence, in every layer (Li and Liang 2021; P-tuning v2, Liu et al. 2022)
    Prefix,
    /// Virtual tokens before the sequence (Lester et al. 2021)
    Prompt,
    /// Virtual tokens that a small network makes (Liu et al. 2021)
    Ptuning,
    /// For OPT and LLaMA: a text prompt about the data set, and AdaLoRA with sampled ranks (Zhan et al. 2024)
    Lingo,
}

/// Which text stands around a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PromptName {
    /// None
    None,
    /// What is true of the data set
    Right,
    /// What is true of another one
    Wrong,
    /// The right words in another order
    Shuffled,
}

/// How bases are written behind a text prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BasesName {
    /// As the model's tokenizer reads the letters
    Tokens,
    /// One token each, its embedding a trained projection of four numbers
    OneHot,
    /// One token each, by the ids of LINGO's released code
    Released,
}

/// How AdaLoRA's ranks are allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SamplingName {
    /// The best ones stay
    Adalora,
    /// As LINGO's released code drops them by chance
    Released,
    /// As LINGO's paper describes it: pruned ones may come back
    Described,
    /// Chance that fades until the best ones stay
    Annealed,
}

impl From<SamplingName> for Sampling {
    fn from(name: SamplingName) -> Self {
        match name {
            SamplingName::Adalora => Self::AdaLora,
            SamplingName::Released => Self::RELEASED,
            SamplingName::Described => Self::DESCRIBED,
            SamplingName::Annealed => Self::ANNEALED,
        }
    }
}

// What stands before or around a sequence, and how ranks are sampled. A doc comment would become the command's.
#[derive(Debug, Args)]
pub(crate) struct LingoArgs {
    /// Virtual tokens of prefix, prompt and ptuning
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub(crate) virtual_tokens: usize,
    /// Make the prefix with a small network while it is trained
    #[arg(long)]
    pub(crate) prefix_projection: bool,
    /// Let prompt tuning start from the embeddings of this text; default random rows of the vocabulary
    #[arg(long, value_name = "TEXT")]
    pub(crate) start_text: Option<String>,
    /// How ranks are allocated, with adalora and lingo; default adalora and annealed
    #[arg(long, value_enum)]
    pub(crate) sampling: Option<SamplingName>,
    /// Text around each sequence, for OPT and LLaMA; default right with lingo, else none
    #[arg(long, value_enum)]
    pub(crate) prompt: Option<PromptName>,
    /// Data set whose prompt it is; default the name of the data folder
    #[arg(long, value_name = "NAME")]
    pub(crate) prompt_name: Option<String>,
    /// Template of the prompt: default, or released, LINGO's own
    #[arg(long, default_value = "default", value_name = "NAME")]
    pub(crate) prompt_template: String,
    /// Templates and prompts of your own (TOML; the form: peft-lingo/prompts.toml)
    #[arg(long, value_name = "FILE")]
    pub(crate) prompts: Option<PathBuf>,
    /// How bases are written behind a text prompt
    #[arg(long, value_enum, default_value = "tokens")]
    pub(crate) bases: BasesName,
}

/// How LoRA's factors start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StartName {
    /// A random, B zero: the usual one
    Default,
    /// A from a normal distribution, B zero
    Gaussian,
    /// The largest singular triplets of the weight (Meng et al. 2024)
    Pissa,
    /// The first parts of the weight's QR decomposition (Büyükakyüz 2024)
    Olora,
    /// Both random, with a product of zero
    Orthogonal,
}

/// A classification head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum HeadName {
    /// Knows where in the sequence a feature stands
    Position,
    /// The one that the base's authors use (first token)
    Original,
}

#[derive(Debug, Args)]
#[command(after_help = "The data folder holds train.csv, dev.csv and test.csv with the header sequence,label.\n\
    The best adapter on dev is kept; test.csv is read once, at the end.\n\n\
    Example:\n  genome finetune --base base-tiny --data my-promoters --method lora --out my-adapter\n  \
    genome finetune --base SmolLM2-135M --data gue_prom_core_tata --method lingo --learning-rate 5e-4 --out tata")]
pub(crate) struct FinetuneArgs {
    /// A model folder (config.json, weights, tokenizer), a name of the Hugging Face hub, or base-tiny, which is built in
    #[arg(long, default_value = crate::bases::BASE_TINY, value_name = "DIR")]
    pub(crate) base: String,
    #[command(flatten)]
    pub(crate) bits: BitsArgs,
    /// Folder with train.csv, dev.csv and test.csv
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Folder that is made for the adapter
    #[arg(long, default_value = "genome-adapter", value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// What is trained
    #[arg(long, value_enum, default_value = "lora")]
    pub(crate) method: MethodName,
    /// Rank of the adapters
    #[arg(long, default_value_t = 8)]
    pub(crate) rank: usize,
    /// Scale of the adapters is alpha / rank; default twice the rank
    #[arg(long)]
    pub(crate) alpha: Option<f64>,
    /// Dropout before the adapters
    #[arg(long, default_value_t = 0.05)]
    pub(crate) dropout: f64,
    /// LoRA+: how many times faster B learns than A; 1: LoRA [its authors: 16]
    #[arg(long, default_value_t = 1.0, value_name = "RATIO")]
    pub(crate) lora_plus: f64,
    /// How the adapters start
    #[arg(long, value_enum, default_value = "default")]
    pub(crate) start: StartName,
    /// Layers to adapt: names divided by commas, one regular expression as re:PATTERN, or all-linear; default the family's
    #[arg(long, value_name = "LAYERS")]
    pub(crate) targets: Option<String>,
    #[command(flatten)]
    pub(crate) lingo: LingoArgs,
    /// Passes over the training data
    #[arg(long, default_value_t = 10.0)]
    pub(crate) epochs: f64,
    /// Sequences in a batch
    #[arg(long, default_value_t = 32)]
    pub(crate) batch_size: usize,
    /// Highest learning rate
    #[arg(long, default_value_t = 2e-3)]
    pub(crate) learning_rate: f64,
    /// Steps between evaluations on dev; 0: once an epoch, at least every 200 steps
    #[arg(long, default_value_t = 0)]
    pub(crate) eval_every: usize,
    /// Evaluations without a better one after which training stops; 0: never
    #[arg(long, default_value_t = 0)]
    pub(crate) patience: usize,
    /// Weigh labels so that rare ones count as much as frequent ones
    #[arg(long)]
    pub(crate) balanced: bool,
    /// Which classification head; default position, with lingo original
    #[arg(long, value_enum)]
    pub(crate) head: Option<HeadName>,
    /// Longest sequence in tokens, longer ones are cut; 0: what the base allows
    #[arg(long, default_value_t = 0)]
    pub(crate) max_tokens: usize,
    /// Keep fewer activations for the backward pass and compute them again: less memory, more time
    #[arg(long)]
    pub(crate) gradient_checkpointing: bool,
    /// Everything random follows from this number
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Replace an adapter that is already in the out folder
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
    #[command(flatten)]
    pub(crate) show: ShowArgs,
}

/// Cutting long sequences into windows.
#[derive(Debug, Clone, Args)]
pub(crate) struct WindowArgs {
    /// Cut every sequence into windows of so many bases; they are named NAME:START-END, 1-based and inclusive
    #[arg(long, value_name = "BP", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) window: Option<u64>,
    /// Bases from one window's start to the next; default the window's length
    #[arg(long, value_name = "BP", requires = "window", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) step: Option<u64>,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  genome predict --adapter genome-quickstart/adapter genome-quickstart/test.csv")]
pub(crate) struct PredictArgs {
    /// Adapter folder that finetune or quickstart wrote
    #[arg(long, value_name = "DIR")]
    pub(crate) adapter: PathBuf,
    /// Base model; default the one the adapter names
    #[arg(long, value_name = "DIR")]
    pub(crate) base: Option<String>,
    #[command(flatten)]
    pub(crate) bits: BitsArgs,
    /// FASTA, GenBank or CSV with a column sequence, plain or gzip; - is stdin
    #[arg(default_value = "-")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) windows: WindowArgs,
    /// Print only sequences with this label; exit code 1 if there is none
    #[arg(long, value_name = "LABEL")]
    pub(crate) only: Option<String>,
    /// One JSON object a line instead of TSV
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) compute: ComputeArgs,
}

/// File format of vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum VectorFormat {
    /// Text: name, then the values
    Tsv,
    /// NumPy's array file, float32, one row a sequence; their names go to FILE.names
    Npy,
}

/// Pooling on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PoolName {
    /// Mean over the tokens
    Mean,
    /// Maximum over the tokens
    Max,
    /// The first, special token
    Cls,
    /// The last token, for models whose tokens see only those before them
    Last,
}

impl From<PoolName> for Pooling {
    fn from(name: PoolName) -> Self {
        match name {
            PoolName::Mean => Self::Mean,
            PoolName::Max => Self::Max,
            PoolName::Cls => Self::Cls,
            PoolName::Last => Self::Last,
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  genome embed --window 500 --format npy --out chloroplast.npy NC_000932.gb")]
pub(crate) struct EmbedArgs {
    /// A model folder, a name of the Hugging Face hub, or base-tiny, which is built in
    #[arg(long, default_value = crate::bases::BASE_TINY, value_name = "DIR")]
    pub(crate) base: String,
    /// Embed with this adapter on the base
    #[arg(long, value_name = "DIR")]
    pub(crate) adapter: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) bits: BitsArgs,
    /// FASTA, GenBank or CSV with a column sequence, plain or gzip; - is stdin
    #[arg(default_value = "-")]
    pub(crate) file: PathBuf,
    /// How the vectors of a sequence's tokens become one
    #[arg(long, value_enum, default_value = "mean")]
    pub(crate) pool: PoolName,
    /// File format
    #[arg(long, value_enum, default_value = "tsv")]
    pub(crate) format: VectorFormat,
    /// File to write; default stdout (TSV only). Beside an npy file, FILE.names lists the sequences
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) windows: WindowArgs,
    #[command(flatten)]
    pub(crate) compute: ComputeArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  genome pretrain --out my-base --steps 5000 chr20.fa.gz ecoli.gbff.gz")]
pub(crate) struct PretrainArgs {
    /// Genomes: FASTA or GenBank, plain or gzip
    #[arg(required = true)]
    pub(crate) genomes: Vec<PathBuf>,
    /// Folder that is made for the model
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Go on from this model folder, or base-tiny, instead of from random weights
    #[arg(long, value_name = "DIR")]
    pub(crate) from: Option<String>,
    /// Optimizer steps
    #[arg(long, default_value_t = 5000)]
    pub(crate) steps: usize,
    /// Tokens in a batch
    #[arg(long, default_value_t = 4096)]
    pub(crate) batch_tokens: usize,
    /// Lengths of windows in bases, one drawn for each batch
    #[arg(long, value_delimiter = ',', default_values_t = [64, 128, 128, 256, 512])]
    pub(crate) windows: Vec<usize>,
    /// Highest learning rate
    #[arg(long, default_value_t = 1.5e-3)]
    pub(crate) learning_rate: f64,
    /// Steps between evaluations on held-out sequence
    #[arg(long, default_value_t = 250)]
    pub(crate) eval_every: usize,
    /// Width of the hidden states
    #[arg(long, default_value_t = 128)]
    pub(crate) hidden: usize,
    /// Number of layers
    #[arg(long, default_value_t = 6)]
    pub(crate) layers: usize,
    /// Number of attention heads
    #[arg(long, default_value_t = 4)]
    pub(crate) heads: usize,
    /// Width inside the feed-forward layers
    #[arg(long, default_value_t = 256)]
    pub(crate) ffn: usize,
    /// Everything random follows from this number
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Replace a model that is already in the out folder
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
    #[command(flatten)]
    pub(crate) show: ShowArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// One JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
    /// Check this device: exit code 2 if it is not there
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
}
