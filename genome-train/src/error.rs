//! What can go wrong between files and a trained model.

use std::path::PathBuf;

/// Everything that training, saving and predicting can report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A sequence file or data set.
    #[error(transparent)]
    Formats(#[from] genome_formats::Error),
    /// A tokenizer or a sequence it refuses.
    #[error(transparent)]
    Tokenize(#[from] genome_tokenize::Error),
    /// A sequence that the tokenizer refuses, with its place.
    #[error("{place}: {source}")]
    Sequence {
        /// File and line, or the record's name.
        place: String,
        /// What is wrong with it.
        source: genome_tokenize::Error,
    },
    /// A base model.
    #[error(transparent)]
    Model(#[from] model_zoo::Error),
    /// Adapters or their folder.
    #[error(transparent)]
    Peft(#[from] peft_core::Error),
    /// A rank allocator: a schedule that cannot work, or scores that are no numbers.
    #[error(transparent)]
    AdaLora(#[from] peft_adalora::Error),
    /// Prefixes, prompts, rank sampling.
    #[error(transparent)]
    Lingo(#[from] peft_lingo::Error),
    /// An adapter folder that does not say what predicting needs.
    #[error("{}: {reason}", path.display())]
    Folder {
        /// The file or folder.
        path: PathBuf,
        /// What was expected and what was found.
        reason: String,
    },
    /// A recorded run that cannot be replayed.
    #[error("{}: {reason}", path.display())]
    Replay {
        /// The file or folder.
        path: PathBuf,
        /// What was expected and what was found.
        reason: String,
    },
    /// A setting that cannot work.
    #[error("{0}")]
    Config(String),
    /// Training failed on its way.
    #[error("training stopped: {reason}")]
    Training {
        /// Why.
        reason: String,
    },
    /// A file could not be written or read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
}

/// The crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;
