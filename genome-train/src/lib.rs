//! Tasks, batches, the training loop, metrics and reports.

pub mod card;
pub mod classifier;
pub mod embed;
mod error;
pub mod examples;
pub mod finetune;
pub mod foundation;
pub mod markov;
pub mod metrics;
pub mod pretrain;
pub mod render;
pub mod step_loop;

pub use error::{Error, Result};
