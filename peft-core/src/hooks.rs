//! What a model asks at its adaptable sites.

use burn::nn::{Embedding, Linear};
use burn::tensor::{Int, Tensor};

/// What a model calls at its adaptable sites. Object safe, so a model is not generic over methods.
///
/// A site is split in two halves, before and after the base layer, so that any number of adapter sets can
/// share one site and the base is still evaluated once: see [`Hooks::linear`].
///
/// Shapes: `batch`, `seq` tokens, `d_in`/`d_out` features, `heads`, `d_head`.
pub trait Hooks: Sync {
    /// Changes what enters `layer` (IA3 on a feed-forward layer does). `x`: [batch, seq, d_in].
    fn before_linear(&self, _layer: &Linear, x: Tensor<3>) -> Tensor<3> {
        x
    }

    /// Changes what leaves `layer`. `x` [batch, seq, d_in] is what entered it, `y` [batch, seq, d_out] what it,
    /// and the hooks before this one, made of it.
    fn after_linear(&self, _layer: &Linear, _x: &Tensor<3>, y: Tensor<3>) -> Tensor<3> {
        y
    }

    /// True if neither [`Hooks::before_linear`] nor [`Hooks::after_linear`] changes anything at `layer`.
    fn skips(&self, _layer: &Linear) -> bool {
        false
    }

    /// The adapted layer: base once, hooks around it. Models call this; methods implement the two halves.
    fn linear(&self, layer: &Linear, x: Tensor<3>) -> Tensor<3> {
        if self.skips(layer) {
            return layer.forward(x);
        }
        let x = self.before_linear(layer, x); // [batch, seq, d_in]
        let y = layer.forward(x.clone()); // [batch, seq, d_out]
        self.after_linear(layer, &x, y)
    }

    /// Changes what an embedding table gives. `ids`: [batch, seq]; `y`: their rows, [batch, seq, d_model].
    fn after_embedding(&self, _layer: &Embedding, _ids: &Tensor<2, Int>, y: Tensor<3>) -> Tensor<3> {
        y
    }

    /// Keys and values of one attention block, [batch, heads, seq, d_head] each; prefix tuning prepends
    /// [`Hooks::prefix_len`] positions.
    fn key_value(&self, _block: usize, k: Tensor<4>, v: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        (k, v)
    }

    /// Positions that [`Hooks::key_value`] prepends in every block; masks and position biases follow it.
    fn prefix_len(&self) -> usize {
        0
    }

    /// Word embeddings before positions and segments are added, [batch, seq, d_model]; prompt tuning prepends
    /// [`Hooks::virtual_tokens`] of them.
    fn embeddings(&self, h: Tensor<3>) -> Tensor<3> {
        h
    }

    /// Positions that [`Hooks::embeddings`] prepends; masks, positions and pooling follow it.
    fn virtual_tokens(&self) -> usize {
        0
    }
}

/// An adaptable layer on an input of any rank: [..., d_in] to [..., d_out].
pub fn linear<const D: usize>(hooks: &dyn Hooks, layer: &Linear, x: Tensor<D>) -> Tensor<D> {
    let mut dims = x.dims(); // [..., d_in]
    let d_in = dims[D - 1];
    let rows: usize = dims[..D - 1].iter().product();
    let y = hooks.linear(layer, x.reshape([1, rows, d_in])); // [1, rows, d_out]
    dims[D - 1] = y.dims()[2];
    y.reshape(dims)
}

/// No adaptation: the model as it was published.
#[derive(Debug, Clone, Copy, Default)]
pub struct Plain;

impl Hooks for Plain {
    fn skips(&self, _layer: &Linear) -> bool {
        true
    }
}

/// Several sets of hooks on one model, the first closest to the base; each layer of the base is evaluated once.
impl Hooks for [&dyn Hooks] {
    fn before_linear(&self, layer: &Linear, x: Tensor<3>) -> Tensor<3> {
        self.iter().rev().fold(x, |x, h| h.before_linear(layer, x))
    }
    fn after_linear(&self, layer: &Linear, x: &Tensor<3>, y: Tensor<3>) -> Tensor<3> {
        self.iter().fold(y, |y, h| h.after_linear(layer, x, y))
    }
    fn skips(&self, layer: &Linear) -> bool {
        self.iter().all(|h| h.skips(layer))
    }
    fn after_embedding(&self, layer: &Embedding, ids: &Tensor<2, Int>, y: Tensor<3>) -> Tensor<3> {
        self.iter().fold(y, |y, h| h.after_embedding(layer, ids, y))
    }
    fn key_value(&self, block: usize, k: Tensor<4>, v: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        self.iter().fold((k, v), |(k, v), h| h.key_value(block, k, v))
    }
    fn prefix_len(&self) -> usize {
        self.iter().map(|h| h.prefix_len()).sum()
    }
    fn embeddings(&self, h: Tensor<3>) -> Tensor<3> {
        self.iter().fold(h, |h, hooks| hooks.embeddings(h))
    }
    fn virtual_tokens(&self) -> usize {
        self.iter().map(|h| h.virtual_tokens()).sum()
    }
}

/// Sized stacks, which a model can be handed as `&dyn Hooks`; they do what the slice of their hooks does.
macro_rules! as_the_slice {
    ($(#[$doc:meta])* impl[$($n:tt)*] $stack:ty) => {
        $(#[$doc])*
        impl<$($n)*> Hooks for $stack {
            fn before_linear(&self, layer: &Linear, x: Tensor<3>) -> Tensor<3> {
                self.as_slice().before_linear(layer, x)
            }
            fn after_linear(&self, layer: &Linear, x: &Tensor<3>, y: Tensor<3>) -> Tensor<3> {
                self.as_slice().after_linear(layer, x, y)
            }
            fn skips(&self, layer: &Linear) -> bool {
                self.as_slice().skips(layer)
            }
            fn after_embedding(&self, layer: &Embedding, ids: &Tensor<2, Int>, y: Tensor<3>) -> Tensor<3> {
                self.as_slice().after_embedding(layer, ids, y)
            }
            fn key_value(&self, block: usize, k: Tensor<4>, v: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
                self.as_slice().key_value(block, k, v)
            }
            fn prefix_len(&self) -> usize {
                self.as_slice().prefix_len()
            }
            fn embeddings(&self, h: Tensor<3>) -> Tensor<3> {
                self.as_slice().embeddings(h)
            }
            fn virtual_tokens(&self) -> usize {
                self.as_slice().virtual_tokens()
            }
        }
    };
}

as_the_slice! {
    /// A stack whose height is known.
    impl[const N: usize] [&dyn Hooks; N]
}
as_the_slice! {
    /// A stack whose height is known at run time only.
    impl[] Vec<&dyn Hooks>
}
