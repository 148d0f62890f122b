//! How a forward pass runs, besides the weights and the tokens: hooks, a cache, what is to be kept.

use crate::cache::KvCache;
use burn::tensor::Tensor;
use peft_core::{Hooks, Plain};

/// One forward pass.
#[derive(Default)]
pub struct Pass<'a> {
    hooks: Option<&'a dyn Hooks>,
    pub(crate) cache: Option<&'a mut KvCache>,
    trace: Option<&'a mut Trace>,
}

impl std::fmt::Debug for Pass<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pass").field("cache", &self.cache).field("trace", &self.trace).finish_non_exhaustive()
    }
}

/// What a forward pass went through.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    /// The embeddings, then the output of each layer, the last as the model hands it on, [batch, seq, d_model] each.
    pub hidden_states: Vec<Tensor<3>>,
    /// What each layer's heads looked at, [batch, heads, seq, keys] each, if [`Trace::attentions`] was asked for; each
    /// row sums to 1. Prefix and virtual tokens stand first among the keys.
    pub attentions: Vec<Tensor<4>>,
    keep_attentions: bool,
}

impl Trace {
    /// Keeps the hidden states.
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps the attention maps too. They need memory for all pairs of tokens of all layers and heads.
    pub fn attentions() -> Self {
        Self { keep_attentions: true, ..Self::default() }
    }
}

impl<'a> Pass<'a> {
    /// A pass through the model as it was published.
    pub fn new() -> Self {
        Self::default()
    }

    /// A pass with adapters.
    #[must_use]
    pub fn with_hooks(mut self, hooks: &'a dyn Hooks) -> Self {
        self.hooks = Some(hooks);
        self
    }

    /// A pass that goes on where the last one with this cache ended.
    #[must_use]
    pub fn with_cache(mut self, cache: &'a mut KvCache) -> Self {
        self.cache = Some(cache);
        self
    }

    /// A pass that writes down what it goes through.
    #[must_use]
    pub fn with_trace(mut self, trace: &'a mut Trace) -> Self {
        self.trace = Some(trace);
        self
    }

    pub(crate) fn hooks(&self) -> &'a dyn Hooks {
        self.hooks.unwrap_or(&Plain)
    }

    pub(crate) fn hidden(&mut self, h: &Tensor<3>) {
        if let Some(trace) = &mut self.trace {
            trace.hidden_states.push(h.clone());
        }
    }

    /// The last hidden state is told again, after the model's final norm.
    pub(crate) fn replace_last(&mut self, h: &Tensor<3>) {
        if let Some(trace) = &mut self.trace {
            trace.hidden_states.pop();
            trace.hidden_states.push(h.clone());
        }
    }

    pub(crate) fn keeps_attentions(&self) -> bool {
        self.trace.as_ref().is_some_and(|t| t.keep_attentions)
    }

    pub(crate) fn attention(&mut self, probabilities: Tensor<4>) {
        if let Some(trace) = &mut self.trace {
            trace.attentions.push(probabilities);
        }
    }
}
