//! What stands before a sequence: prefixes, prompts, P-tuning.

mod error;
mod fields;
mod lstm;
mod method;
mod parameters;
mod prefix;
mod prompt;
mod ptuning;
mod sampling;
mod shape;
mod start;

pub use error::{Error, Result};
pub use lstm::{BiLstm, BiLstmLayer, LstmCell};
pub use method::{LoadedPrompt, Prompt, PromptMethod, Vocabulary, load, save};
pub use parameters::Source;
pub use prefix::{BoundPrefix, Prefix, PrefixProjection, PrefixTuningConfig};
pub use prompt::{PromptTuningConfig, PromptTuningInit, SoftPrompt};
pub use ptuning::{PTuningConfig, PromptEncoder, Reparameterization};
pub use sampling::{Annealed, Described, Draws, Released, Rule, Sampling, released_start, schedule_of};
pub use shape::ModelShape;
