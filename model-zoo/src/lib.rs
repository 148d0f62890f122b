//! Genome and natural-language models on Burn that load published checkpoints.

pub mod attention;
pub mod base;
mod batch;
pub mod checkpoint;
pub mod dnabert2;
mod error;
pub mod fused;
pub mod heads;
mod names;
pub mod nucleotide_transformer;
mod pooling;
pub mod seed;
mod transparent;

pub use batch::TokenBatch;
pub use error::{Error, Result};
pub use base::{Base, BaseConfig, Purpose};
pub use pooling::Pooling;
pub use names::{NamedParam, named_params};
