//! Options of the commands that run models on ids and text.

use crate::args::DeviceArgs;
use clap::Args;
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
    /// A model folder, or base-tiny, which is built in
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
    pub(crate) device: DeviceArgs,
}
