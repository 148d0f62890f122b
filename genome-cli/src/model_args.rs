//! Options of the commands that run models on ids and text.

use crate::args::{BitsName, ComputeArgs};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(
    about = "Run a checkpoint on token ids and write what every layer gives",
    after_help = "X.safetensors: input_ids, and if there are any attention_mask and token_type_ids, all int64 [batch, seq]; other tensors \
                  are ignored.\nY.safetensors, float32: hidden_states.0 (embeddings) to .n, last_hidden_state, logits (masked or causal \
                  language model, if the checkpoint has its head), cls_logits (with --head), attentions.i (with --attentions).\n\n\
                  Example:\n  genome forward --checkpoint DNABERT-2-117M --inputs x.safetensors --output y.safetensors"
)]
pub(crate) struct ForwardArgs {
    /// A model folder, a name of the Hugging Face hub, or base-tiny, which is built in
    #[arg(long, value_name = "DIR")]
    pub(crate) checkpoint: String,
    /// Token ids, as safetensors
    #[arg(long, value_name = "FILE")]
    pub(crate) inputs: PathBuf,
    /// File to write, as safetensors
    #[arg(long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// A classifier's tensors (classifier.* or score.weight, and its pooler if it has one): writes cls_logits
    #[arg(long, value_name = "FILE")]
    pub(crate) head: Option<PathBuf>,
    /// An adapter folder to run the checkpoint with; a classifier in it takes the place of --head
    #[arg(long, value_name = "DIR")]
    pub(crate) adapter: Option<PathBuf>,
    /// Write the attention maps too, [batch, heads, seq, seq] each
    #[arg(long)]
    pub(crate) attentions: bool,
    #[command(flatten)]
    pub(crate) compute: ComputeArgs,
}

/// Element types of a checkpoint that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum WeightType {
    /// 4 bytes, exact
    F32,
    /// 2 bytes, 11 significant bits
    F16,
    /// 2 bytes, the range of f32 with 8 significant bits (safetensors alone)
    Bf16,
    /// 8 bits and a scale for 32 values (GGUF alone)
    #[value(name = "q8_0")]
    Q8_0,
    /// 4 bits and a scale for 32 values (GGUF alone)
    #[value(name = "q4_0")]
    Q4_0,
}

#[derive(Debug, Args)]
#[command(
    after_help = "What is read: a folder of the hub (safetensors or PyTorch's .bin, whole or in shards), a GGUF file, a .bin of llama2.c.\n\
                        What is written follows from OUT: a folder (config.json, model.safetensors, tokenizer.json) or, if it ends in .gguf, \
                        a GGUF file.\nNothing in a checkpoint is executed.\n\n\
                        Examples:\n  genome convert-checkpoint DNABERT-2-117M dnabert2-safe\n  \
                        genome convert-checkpoint DNABERT-2-117M dnabert2-4bit --bits 4\n  genome convert-checkpoint smollm2.gguf smollm2\n  \
                        genome convert-checkpoint stories260K.bin stories.gguf --tokenizer tok512.bin"
)]
pub(crate) struct ConvertCheckpointArgs {
    /// Checkpoint to read
    #[arg(value_name = "FROM")]
    pub(crate) from: PathBuf,
    /// Folder, or file that ends in .gguf, to write
    #[arg(value_name = "OUT")]
    pub(crate) out: PathBuf,
    /// Element type to write
    #[arg(long, value_enum, default_value = "f32")]
    pub(crate) dtype: WeightType,
    /// Write the linear layers in so many bits, as --base-bits holds them: what this program alone reads, and reads at once
    #[arg(long, value_enum, value_name = "BITS", conflicts_with = "dtype")]
    pub(crate) bits: Option<BitsName>,
    /// Largest size of a file, in MB; more tensors go to shards
    #[arg(long, value_name = "MB", default_value_t = 5000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) shard_mb: u64,
    /// Tokenizer folder or file to write along; default the checkpoint's own, if it has one
    #[arg(long, value_name = "PATH")]
    pub(crate) tokenizer: Option<PathBuf>,
    /// Replace what is in OUT
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  genome generate --checkpoint stories260K.bin --tokenizer tok512.bin \"Once upon a time\"\n  \
                        genome generate --checkpoint smollm2.gguf --temperature 0.8 --top-p 0.95 --seed 7 \"A promoter is\"\n  \
                        genome generate --checkpoint opt-125m --json - < prompts.txt"
)]
pub(crate) struct GenerateArgs {
    /// OPT or LLaMA: a folder, a GGUF file, a .bin of llama2.c, or a name of the Hugging Face hub
    #[arg(long, value_name = "PATH")]
    pub(crate) checkpoint: String,
    /// Tokenizer folder or file; default the checkpoint's own
    #[arg(long, value_name = "PATH")]
    pub(crate) tokenizer: Option<String>,
    /// Texts to go on from, each a row of the batch; - reads one a line from stdin
    #[arg(required = true, value_name = "PROMPT")]
    pub(crate) prompts: Vec<String>,
    /// Prompts are token ids, separated by blanks or commas
    #[arg(long)]
    pub(crate) ids: bool,
    /// Most tokens to write
    #[arg(long, default_value_t = 128, value_name = "N")]
    pub(crate) max_new_tokens: usize,
    /// 0 takes the likeliest token each time; above, tokens are drawn, the more evenly the higher
    #[arg(long, default_value_t = 0.0, value_name = "T")]
    pub(crate) temperature: f64,
    /// Draw among the K likeliest tokens
    #[arg(long, value_name = "K")]
    pub(crate) top_k: Option<usize>,
    /// Draw among the likeliest tokens that together have this probability
    #[arg(long, value_name = "P")]
    pub(crate) top_p: Option<f64>,
    /// Above 1, tokens that were used become less likely
    #[arg(long, default_value_t = 1.0, value_name = "X")]
    pub(crate) repetition_penalty: f64,
    /// End a text where this one comes; may be given several times
    #[arg(long, value_name = "TEXT")]
    pub(crate) stop: Vec<String>,
    /// Go on where the model would end the text
    #[arg(long)]
    pub(crate) ignore_end: bool,
    /// All random numbers follow from it
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// One JSON object a prompt
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) compute: ComputeArgs,
}
