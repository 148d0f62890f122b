//! What a prompt has to know of its model.

use peft_core::{Error, Result};

/// The sizes of a model that a prompt depends on. The caller fills it: this crate knows no model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelShape {
    /// Attention blocks.
    pub layers: usize,
    /// Heads of queries.
    pub heads: usize,
    /// Heads of keys and values; fewer than `heads` with grouped queries.
    pub kv_heads: usize,
    /// Width of one head.
    pub d_head: usize,
    /// Width of the word embeddings, before any projection behind them (OPT-350M has one).
    pub d_embed: usize,
}

impl ModelShape {
    /// Width of the keys of one token in one block.
    pub fn kv_width(&self) -> usize {
        self.kv_heads * self.d_head
    }
}

/// `field` with the model's value: where it was left open that, where it was not, only that.
pub(crate) fn settle(name: &str, field: &mut Option<usize>, of_model: usize) -> Result<()> {
    match *field {
        Some(found) if found != of_model => {
            Err(Error::config(name, found, format!("the model's is {of_model}: these settings are for another one")))
        }
        _ => {
            *field = Some(of_model);
            Ok(())
        }
    }
}

/// A field that [`settle`] fills.
pub(crate) fn settled(name: &str, field: Option<usize>) -> Result<usize> {
    field.ok_or_else(|| Error::config(name, "null", "is not known yet: call for_model first"))
}
