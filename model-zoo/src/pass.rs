//! How a forward pass runs, besides the weights and the tokens: hooks, a cache, what is to be kept.

use crate::cache::KvCache;
use burn::tensor::Tensor;
use peft_core::{Hooks, Plain};
use std::ops::Range;

/// One forward pass.
#[derive(Default)]
pub struct Pass<'a> {
    hooks: Option<&'a dyn Hooks>,
    pub(crate) cache: Option<&'a mut KvCache>,
    trace: Option<&'a mut Trace>,
    part: Option<Part>,
}

/// Some neighbouring layers of a model, run alone: what gradient checkpointing needs.
#[derive(Debug, Clone)]
pub struct Part {
    layers: Range<usize>,
    input: Option<Tensor<3>>,
}

impl Part {
    /// The embeddings and the layers before `end`.
    pub fn first(end: usize) -> Self {
        Self { layers: 0..end, input: None }
    }

    /// The layers of `layers`, counted from 0, on `input`, the hidden state before them, [batch, seq, d_model]. What stands after
    /// a model's last layer goes with it.
    pub fn after(input: Tensor<3>, layers: Range<usize>) -> Self {
        Self { layers, input: Some(input) }
    }
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

    /// A pass through some layers only. The hidden state that the model gives is the one after them.
    #[must_use]
    pub fn with_part(mut self, part: Part) -> Self {
        self.part = Some(part);
        self
    }

    /// The hidden state that this pass starts from; `None`: it starts from the embeddings.
    pub(crate) fn input(&mut self) -> Option<Tensor<3>> {
        self.part.as_mut().and_then(|part| part.input.take())
    }

    /// Those of a model's layers that this pass goes through, with their numbers.
    pub(crate) fn layers<'m, L>(&self, layers: &'m [L]) -> impl Iterator<Item = (usize, &'m L)> + use<'m, L> {
        let range = self.part.as_ref().map_or(0..layers.len(), |part| part.layers.clone());
        layers.iter().enumerate().take(range.end).skip(range.start)
    }

    /// True if this pass ends before the last of `count` layers.
    pub(crate) fn ends_before(&self, count: usize) -> bool {
        self.part.as_ref().is_some_and(|part| part.layers.end < count)
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
