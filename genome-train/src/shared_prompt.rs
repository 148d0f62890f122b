//! A text prompt that a causal model reads once for all sequences behind it.
//!
//! Tokens of a causal model see only those before them, so that what a model makes of a prompt is the same in every row. Its
//! keys and values are computed in a batch of one row, and every row's tokens find them before their own, as they would those of a
//! prefix. Gradients flow back through them: what a step trains is the same as without. Only dropout of adapters differs: the
//! rows of a batch share its masks over the prompt.

use burn::module::Param;
use burn::nn::{Embedding, Linear};
use burn::tensor::{Device, Int, Tensor};
use model_zoo::attention::RopeScaling;
use model_zoo::{Base, BaseConfig, Side, TokenBatch};
use peft_core::Hooks;
use std::sync::Mutex;

/// Keys and values of a prompt, with the prefix and the virtual tokens before it.
#[derive(Debug, Clone)]
pub(crate) struct SharedPrompt {
    blocks: Vec<[Tensor<4>; 2]>, // [1, kv_heads, positions, d_head] each
    positions: usize,
}

/// True if `base` can go on behind a prompt that it has read: a causal model whose angles do not depend on the length.
pub(crate) fn can_share(base: &Base) -> bool {
    match base.config() {
        BaseConfig::Opt(_) => true,
        BaseConfig::Llama(c) => !matches!(c.rope_scaling, RopeScaling::Dynamic { .. }),
        _ => false,
    }
}

/// The batch without the `prompt` that all its rows begin with; `None` if one does not, or holds nothing else.
pub(crate) fn behind(prompt: &[u32], batch: &TokenBatch) -> Option<TokenBatch> {
    let ([_, seq], n) = (batch.dims(), prompt.len());
    if n == 0 || batch.side == Side::Left || batch.lengths.iter().any(|length| *length <= n) {
        return None;
    }
    let found = batch.ids.clone().narrow(1, 0, n).into_data().convert::<i64>(); // [batch, prompt]
    let same = found.iter::<i64>().zip(prompt.iter().cycle()).all(|(found, id)| found == i64::from(*id));
    let lengths = batch.lengths.iter().map(|length| length - n).collect();
    same.then(|| TokenBatch::new(batch.ids.clone().narrow(1, n, seq - n), lengths, batch.side))
}

impl SharedPrompt {
    /// Reads a prompt. `hooks` are those of the pass without what belongs to single rows.
    pub(crate) fn read(base: &Base, prompt: &[u32], hooks: &dyn Hooks, device: &Device) -> Self {
        let batch = TokenBatch::from_rows(&[prompt], 0, device);
        let reading = Reading { inner: hooks, blocks: Mutex::default() };
        base.encode(&batch, &reading);
        let blocks = reading.blocks.into_inner().expect("no pass panicked");
        Self { blocks, positions: hooks.prefix_len() + hooks.virtual_tokens() + prompt.len() }
    }

    /// The hooks of a pass over what stands behind the prompt.
    pub(crate) fn hooks<'a>(&'a self, inner: &'a dyn Hooks) -> Behind<'a> {
        Behind { inner, prompt: self }
    }
}

/// What both passes leave to the hooks that they wrap.
macro_rules! as_inner {
    () => {
        fn before_linear(&self, layer: &Linear, x: Tensor<3>) -> Tensor<3> {
            self.inner.before_linear(layer, x)
        }
        fn after_linear(&self, layer: &Linear, x: &Tensor<3>, y: Tensor<3>) -> Tensor<3> {
            self.inner.after_linear(layer, x, y)
        }
        fn skips(&self, layer: &Linear) -> bool {
            self.inner.skips(layer)
        }
        fn linear(&self, layer: &Linear, x: Tensor<3>) -> Tensor<3> {
            self.inner.linear(layer, x)
        }
        fn own_vector(&self, base: &Param<Tensor<1>>) -> Option<Tensor<1>> {
            self.inner.own_vector(base)
        }
        fn own_matrix(&self, base: &Param<Tensor<2>>) -> Option<Tensor<2>> {
            self.inner.own_matrix(base)
        }
        fn after_embedding(&self, layer: &Embedding, ids: &Tensor<2, Int>, y: Tensor<3>) -> Tensor<3> {
            self.inner.after_embedding(layer, ids, y)
        }
    };
}

/// The pass over the prompt: keeps the keys and values of every block.
struct Reading<'a> {
    inner: &'a dyn Hooks,
    blocks: Mutex<Vec<[Tensor<4>; 2]>>,
}

impl Hooks for Reading<'_> {
    as_inner!();

    fn key_value(&self, block: usize, k: Tensor<4>, v: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        let (k, v) = self.inner.key_value(block, k, v); // [1, kv_heads, positions, d_head]
        self.blocks.lock().expect("no pass panicked").push([k.clone(), v.clone()]);
        (k, v)
    }

    fn prefix_len(&self) -> usize {
        self.inner.prefix_len()
    }

    fn embeddings(&self, h: Tensor<3>) -> Tensor<3> {
        self.inner.embeddings(h)
    }

    fn virtual_tokens(&self) -> usize {
        self.inner.virtual_tokens()
    }
}

/// A pass over what stands behind the prompt. Prefix and virtual tokens stand before the prompt, so they are in its keys.
pub(crate) struct Behind<'a> {
    inner: &'a dyn Hooks,
    prompt: &'a SharedPrompt,
}

impl Hooks for Behind<'_> {
    as_inner!();

    fn key_value(&self, block: usize, k: Tensor<4>, v: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        let [keys, values] = self.prompt.blocks[block].clone();
        let before = |prompt: Tensor<4>, own: Tensor<4>| {
            let [_, heads, positions, d_head] = prompt.dims();
            let prompt = prompt.expand([own.dims()[0], heads, positions, d_head]);
            Tensor::cat(vec![prompt, own], 2) // [batch, kv_heads, positions + seq, d_head]
        };
        (before(keys, k), before(values, v))
    }

    fn prefix_len(&self) -> usize {
        self.prompt.positions
    }

    fn embeddings(&self, h: Tensor<3>) -> Tensor<3> {
        let (seq, virtual_tokens) = (h.dims()[1], self.inner.virtual_tokens());
        self.inner.embeddings(h).narrow(1, virtual_tokens, seq)
    }
}
