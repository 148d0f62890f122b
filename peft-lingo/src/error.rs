//! What can go wrong, one variant per cause.

use std::path::PathBuf;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that this crate can report. Folders and configurations report [`peft_core::Error`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What peft-core says: about folders, tensors and settings.
    #[error(transparent)]
    Peft(#[from] peft_core::Error),
    /// What peft-adalora says: above all, about schedules under which the allocator would hardly fire.
    #[error(transparent)]
    AdaLora(#[from] peft_adalora::Error),
    /// Virtual tokens that are to start from rows of the vocabulary, without what that needs.
    #[error("prompt_tuning_init = {init}: {reason}")]
    Start {
        /// The start, in PEFT's word.
        init: &'static str,
        /// What is missing or does not fit.
        reason: String,
    },
    /// A file of prompts that is none.
    #[error("{}: {reason}", file.display())]
    Prompts {
        /// The file, or the template.
        file: PathBuf,
        /// What was expected and what was found.
        reason: String,
    },
    /// A data set or a template that the prompts do not have.
    #[error("no prompt for {name:?}; there are: {}", known.join(", "))]
    NoPrompt {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// A context in which no token is left for a sequence.
    #[error(
        "a context of {max_tokens} tokens is too short for a prompt of {prompt} and a sequence: raise it, or shorten the prompt"
    )]
    ContextTooShort {
        /// Tokens of the context.
        max_tokens: usize,
        /// Tokens of the prompt, suffix and special tokens included.
        prompt: usize,
    },
}
