//! The language model of `genome ask`: none unless the command line names one.

use crate::args::DeviceArgs;
use crate::ask_http::{Endpoint, Http};
use crate::ask_local::Local;
use anyhow::{Context, Result, bail};
use clap::Args;
use genome_ask::llm::{ChatModel, Chooser, LanguageModel, Secret};
use std::path::PathBuf;
use std::time::Duration;

/// A language model that may choose the query of a question that the grammar does not understand.
#[derive(Debug, Clone, Args)]
#[command(
    next_help_heading = "Language model: for questions that the grammar does not understand; none unless named here"
)]
pub(crate) struct LlmArgs {
    /// Ask this OpenAI-compatible endpoint, such as http://localhost:11434/v1; it is sent the question, and nothing of the genome
    #[arg(long, value_name = "URL", requires = "llm_model", conflicts_with_all = ["llm_checkpoint", "batch"])]
    llm_url: Option<String>,
    /// The model's name there
    #[arg(long, value_name = "NAME", requires = "llm_url")]
    llm_model: Option<String>,
    /// The environment variable that has the key; the key is sent to that host alone, and never shown
    #[arg(long, value_name = "VAR", requires = "llm_url")]
    llm_key_env: Option<String>,
    /// Seconds that one reply may take
    #[arg(long, value_name = "S", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    llm_timeout: u64,
    /// Let the model word the answers too: their text and first rows are sent. Shown only if all numbers and names are the answer's
    #[arg(long, requires = "llm_url")]
    llm_prose: bool,
    /// Let this LLaMA or OPT on this machine choose: a folder, a GGUF file, a .bin of llama2.c
    #[arg(long, value_name = "PATH", conflicts_with = "batch")]
    llm_checkpoint: Option<PathBuf>,
}

impl LlmArgs {
    /// The model that was named. Nothing is contacted yet.
    pub(crate) fn open(&self, device: &DeviceArgs) -> Result<Option<Box<dyn LanguageModel>>> {
        if let (Some(url), Some(model)) = (&self.llm_url, &self.llm_model) {
            let key = self.llm_key_env.as_deref().map(key).transpose()?;
            let endpoint = Endpoint::new(url, key.is_some()).context("--llm-url")?;
            let http = Http::new(endpoint, key, Duration::from_secs(self.llm_timeout));
            return Ok(Some(Box::new(ChatModel::new(http, model.as_str()))));
        }
        match &self.llm_checkpoint {
            Some(path) => Ok(Some(Box::new(Chooser::new(Local::open(path, device)?)))),
            None => Ok(None),
        }
    }

    /// Whether it may word answers.
    pub(crate) fn prose(&self) -> bool {
        self.llm_prose
    }
}

/// The key in an environment variable. No error says what is in it.
fn key(variable: &str) -> Result<Secret> {
    let value = match std::env::var(variable) {
        Ok(value) => value,
        Err(std::env::VarError::NotPresent) => bail!("--llm-key-env: the environment has no variable {variable}"),
        Err(std::env::VarError::NotUnicode(_)) => bail!("--llm-key-env: the variable {variable} is no text"),
    };
    Secret::new(&value).with_context(|| {
        format!("--llm-key-env: the variable {variable} is no key: expected letters and signs of ASCII without blanks")
    })
}
