//! Genome and natural-language models on Burn that load published checkpoints.

pub mod attention;
mod batch;
pub mod checkpoint;
pub mod dnabert2;
mod error;
pub mod heads;
mod names;
pub mod nucleotide_transformer;
pub mod seed;
mod transparent;

pub use batch::TokenBatch;
pub use error::{Error, Result};
pub use names::{NamedParam, named_params};
