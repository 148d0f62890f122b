//! The binary `genome`: reads genome files, fine-tunes DNA language models, predicts and embeds.
//!
//! Results go to stdout, everything else to stderr. Exit codes: 0, 1 nothing found, 2 error.

mod adapter;
mod adapter_args;
mod args;
mod ask;
mod ask_args;
mod ask_help;
#[cfg(feature = "llm")]
mod ask_http;
#[cfg(feature = "llm")]
mod ask_llm;
#[cfg(feature = "llm")]
mod ask_local;
mod ask_open;
mod ask_prompt;
#[cfg(feature = "semantic")]
mod ask_similar;
mod ask_table;
mod audit;
mod audit_args;
mod bases;
mod convert;
mod convert_checkpoint;
mod dataset;
mod device;
mod doctor;
mod embed;
mod extract;
mod finetune;
mod format_args;
mod forward;
mod generate;
mod hub;
mod matrix;
mod mcp;
mod method;
mod model_args;
mod models;
mod orfs;
mod output;
mod plan;
mod predict;
mod pretrain;
mod query;
mod quickstart;
mod sequences;
mod serve;
mod stats;
mod system;
#[cfg(feature = "semantic")]
mod text_embedder;
mod tokenize;
mod train_tokenizer;
mod trial;
mod ui;

use adapter_args::PeftCommand;
use args::Command;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What a command that did not fail found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Found,
    NothingFound,
}

fn main() -> ExitCode {
    let cli = match args::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    let done = match cli.command {
        Command::Quickstart(args) => quickstart::run(&args),
        Command::Pretrain(args) => pretrain::run(&args),
        Command::Finetune(args) => finetune::run(&args),
        Command::Predict(args) => predict::run(&args),
        Command::Embed(args) => embed::run(&args),
        Command::Generate(args) => generate::run(&args),
        Command::Forward(args) => forward::run(&args),
        Command::ConvertCheckpoint(args) => convert_checkpoint::run(&args),
        Command::Ask(args) => ask::run(&args),
        Command::Query(args) => query::run(&args),
        Command::Stats(args) => stats::run(&args),
        Command::Convert(args) => convert::run(&args),
        Command::Extract(args) => extract::run(&args),
        Command::Orfs(args) => orfs::run(&args),
        Command::Dataset(args) => dataset::run(&args.command),
        Command::Matrix(args) => matrix::run(&args),
        Command::Models(args) => models::run(&args),
        Command::Tokenize(args) => tokenize::run(&args),
        Command::TrainTokenizer(args) => train_tokenizer::run(&args),
        Command::Adapter(command) => adapter::run(&command),
        Command::Peft(PeftCommand::Plan(args)) => plan::run(&args),
        Command::Audit(args) => audit::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Mcp(args) => mcp::run(&args),
        Command::Doctor(args) => doctor::run(&args),
    };
    match done {
        Ok(Outcome::Found) => ExitCode::SUCCESS,
        Ok(Outcome::NothingFound) => ExitCode::from(1),
        Err(error) if output::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", ui::error_line(&error));
            ExitCode::from(2)
        }
    }
}
