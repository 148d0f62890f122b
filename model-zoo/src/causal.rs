//! What the causal families share: where the tokens of a pass stand, and keys and values that are kept.

use crate::attention::Bias;
use crate::{Pass, TokenBatch};
use burn::tensor::{Device, Tensor};
use peft_core::Hooks;

/// The place of one pass in a sequence that may have begun in an earlier one.
#[derive(Debug)]
pub(crate) struct Steps {
    /// Prefix and virtual tokens enter in the first pass alone.
    first: bool,
    /// Keys before this pass's own: prefix, virtual tokens, cached tokens.
    pub(crate) before: usize,
    /// Tokens of each row before this pass that are not padding.
    held: Vec<usize>,
    prefix: usize,
    /// Mask of the batch and all cached tokens.
    mask: Option<Tensor<2>>,
}

impl Steps {
    pub(crate) fn begin(batch: &TokenBatch, pass: &mut Pass) -> Self {
        let (hooks, [rows, seq]) = (pass.hooks(), batch.dims());
        let extra = hooks.prefix_len() + hooks.virtual_tokens();
        let Some(cache) = &mut pass.cache else {
            let mask = batch.mask.clone();
            return Self {
                first: true,
                before: hooks.prefix_len(),
                held: vec![0; rows],
                prefix: hooks.prefix_len(),
                mask,
            };
        };
        let first = cache.is_empty();
        let held = if first { vec![0; rows] } else { cache.lengths().to_vec() };
        let before = if first { hooks.prefix_len() } else { extra + cache.len() };
        let mask = cache.note(batch.mask.as_ref(), &batch.lengths, seq, &batch.ids.device());
        Self { first, before, held, prefix: hooks.prefix_len(), mask }
    }

    /// Word embeddings with the virtual tokens that hooks put before them.
    pub(crate) fn embeddings(&self, words: Tensor<3>, hooks: &dyn Hooks) -> Tensor<3> {
        if self.first { hooks.embeddings(words) } else { words }
    }

    /// Positions that are taken before this pass's first token of a row, prefix and virtual tokens of earlier passes included.
    pub(crate) fn taken(&self, row: usize, hooks: &dyn Hooks) -> usize {
        self.prefix + self.held[row] + if self.first { 0 } else { hooks.virtual_tokens() }
    }

    /// The causal bias of `seq` queries, this pass's own.
    pub(crate) fn bias(&self, heads: usize, seq: usize, batch: usize, device: &Device) -> Bias {
        let prefix = 0; // no position of its own matters without ALiBi
        Bias::new(seq, self.before + seq, prefix, self.mask.as_ref()).causal().prepared(heads, seq, batch, device)
    }

    /// All keys and values that this pass's queries may see, [batch, kv_heads, keys, d_head] each.
    pub(crate) fn keys(&self, block: usize, k: Tensor<4>, v: Tensor<4>, pass: &mut Pass) -> (Tensor<4>, Tensor<4>) {
        let (k, v) = if self.first { pass.hooks().key_value(block, k, v) } else { (k, v) };
        match &mut pass.cache {
            Some(cache) => cache.append(block, k, v),
            None => (k, v),
        }
    }
}
