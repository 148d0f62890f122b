//! Arguments of `genome audit`.

use crate::args::DeviceArgs;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(
    after_help = "Rows: {prompt: none, right, wrong, shuffled, learned} x {bases: tokens, one-hot} x {lora, adalora, released, described, annealed}, \
                  50 of them;\n--quick: each of these alone beside none/tokens/lora, and LINGO in both forms, 12 rows.\n\
                  All rows read the same examples in the same context, and train equally many weights but for the learned prompt's.\n\
                  A run that was stopped goes on where it was: call it again with the same options.\n\n\
                  Example:\n  genome audit --quick --base SmolLM2-135M --data gue_prom_core_tata --out audit"
)]
pub(crate) struct AuditArgs {
    /// A natural-language model (OPT, LLaMA): a folder with its tokenizer, or a name of the Hugging Face hub
    #[arg(long, value_name = "DIR")]
    pub(crate) base: String,
    /// Folder with train.csv, dev.csv and test.csv
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Folder for runs.jsonl, runs.csv, summary.csv and report.html
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Twelve rows in place of fifty
    #[arg(long)]
    pub(crate) quick: bool,
    /// Seeds of each row
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seeds: u64,
    /// Average rank at the end; LoRA has half as much again, as many weights as the others start with
    #[arg(long, default_value_t = 4)]
    pub(crate) rank: usize,
    /// Virtual tokens of the learned prompt
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub(crate) virtual_tokens: usize,
    /// Data set whose prompt is the right one; default the name of the data folder
    #[arg(long, value_name = "NAME")]
    pub(crate) prompt_name: Option<String>,
    /// Template of the prompt
    #[arg(long, default_value = "default", value_name = "NAME")]
    pub(crate) prompt_template: String,
    /// Templates and prompts of your own (TOML)
    #[arg(long, value_name = "FILE")]
    pub(crate) prompts: Option<PathBuf>,
    /// Passes over the training data
    #[arg(long, default_value_t = 3.0)]
    pub(crate) epochs: f64,
    /// Sequences in a batch
    #[arg(long, default_value_t = 16)]
    pub(crate) batch_size: usize,
    /// Highest learning rate; of several, divided by commas, each run takes the one that is best on dev
    #[arg(long, default_value = "1e-3", value_delimiter = ',', value_name = "RATES")]
    pub(crate) learning_rate: Vec<f64>,
    /// Evaluations on dev in a run
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) evaluations: u64,
    /// The context: longest row in tokens, prompt included
    #[arg(long, default_value_t = 256)]
    pub(crate) max_tokens: usize,
    /// Use the first N training examples; 0: all
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) train_rows: usize,
    /// Use the first N examples of dev and of test; 0: all
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) eval_rows: usize,
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
}
