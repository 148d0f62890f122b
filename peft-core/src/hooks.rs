//! What a model asks at its adaptable sites.

use std::borrow::Cow;

use burn::module::Param;
use burn::nn::{Embedding, LayerNorm, Linear};
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

    /// True if neither [`Hooks::before_linear`] nor [`Hooks::after_linear`] changes anything at `layer`, and nothing
    /// stands in for its weight or bias.
    fn skips(&self, _layer: &Linear) -> bool {
        false
    }

    /// The adapted layer: base once, hooks around it. Models call this; methods implement the two halves.
    fn linear(&self, layer: &Linear, x: Tensor<3>) -> Tensor<3> {
        if self.skips(layer) {
            return layer.forward(x);
        }
        let layer = stand_in(self, layer);
        let x = self.before_linear(&layer, x); // [batch, seq, d_in]
        let y = layer.forward(x.clone()); // [batch, seq, d_out]
        self.after_linear(&layer, &x, y)
    }

    /// What stands in for `base`, a vector of the base model that is trained as it is (a bias, the scale of a norm);
    /// `None` for the base's own. Models reach it through [`Hooks::linear`], [`layer_norm`] and [`vector`].
    fn own_vector(&self, _base: &Param<Tensor<1>>) -> Option<Tensor<1>> {
        None
    }

    /// What stands in for `base`, a matrix of the base model that is trained as it is (the weight of a layer among
    /// `modules_to_save`); `None` for the base's own. Models reach it through [`Hooks::linear`], [`embedding`] and
    /// [`matrix`].
    fn own_matrix(&self, _base: &Param<Tensor<2>>) -> Option<Tensor<2>> {
        None
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

/// `layer` with what stands in for its parameters. It keeps the identity of its weight, by which adapters know it.
fn stand_in<'a, H: Hooks + ?Sized>(hooks: &H, layer: &'a Linear) -> Cow<'a, Linear> {
    let weight = hooks.own_matrix(&layer.weight);
    let bias = layer.bias.as_ref().and_then(|b| Some((b.id, hooks.own_vector(b)?)));
    if weight.is_none() && bias.is_none() {
        return Cow::Borrowed(layer);
    }
    let mut own = layer.clone(); // handles, not values
    if let Some(weight) = weight {
        own.weight = Param::initialized(layer.weight.id, weight);
    }
    if let Some((id, bias)) = bias {
        own.bias = Some(Param::initialized(id, bias));
    }
    Cow::Owned(own)
}

/// A layer norm with what stands in for its parameters: `layer_norm(hooks, &self.norm).forward(x)`.
///
/// Models call this wherever they normalise, so that `bias = "all"` and `modules_to_save` reach their norms.
pub fn layer_norm<'a>(hooks: &dyn Hooks, layer: &'a LayerNorm) -> Cow<'a, LayerNorm> {
    let gamma = hooks.own_vector(&layer.gamma);
    let beta = layer.beta.as_ref().and_then(|b| Some((b.id, hooks.own_vector(b)?)));
    if gamma.is_none() && beta.is_none() {
        return Cow::Borrowed(layer);
    }
    let mut own = layer.clone(); // handles, not values
    if let Some(gamma) = gamma {
        own.gamma = Param::initialized(layer.gamma.id, gamma);
    }
    if let Some((id, beta)) = beta {
        own.beta = Some(Param::initialized(id, beta));
    }
    Cow::Owned(own)
}

/// The adapted embedding: the table's rows, or those of what stands in for it, and then
/// [`Hooks::after_embedding`]. `ids`: [batch, seq], to [batch, seq, d_model].
pub fn embedding(hooks: &dyn Hooks, layer: &Embedding, ids: Tensor<2, Int>) -> Tensor<3> {
    let y = burn::tensor::module::embedding(matrix(hooks, &layer.weight), ids.clone()); // [batch, seq, d_model]
    hooks.after_embedding(layer, &ids, y)
}

/// A vector that the model uses by itself (the bias of an output layer, the scale of a norm that is no
/// [`LayerNorm`]), or what stands in for it.
pub fn vector(hooks: &dyn Hooks, param: &Param<Tensor<1>>) -> Tensor<1> {
    hooks.own_vector(param).unwrap_or_else(|| param.val())
}

/// A matrix that the model uses by itself, or what stands in for it.
pub fn matrix(hooks: &dyn Hooks, param: &Param<Tensor<2>>) -> Tensor<2> {
    hooks.own_matrix(param).unwrap_or_else(|| param.val())
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
    fn own_vector(&self, base: &Param<Tensor<1>>) -> Option<Tensor<1>> {
        self.iter().rev().find_map(|h| h.own_vector(base))
    }
    fn own_matrix(&self, base: &Param<Tensor<2>>) -> Option<Tensor<2>> {
        self.iter().rev().find_map(|h| h.own_matrix(base))
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
            fn own_vector(&self, base: &Param<Tensor<1>>) -> Option<Tensor<1>> {
                self.as_slice().own_vector(base)
            }
            fn own_matrix(&self, base: &Param<Tensor<2>>) -> Option<Tensor<2>> {
                self.as_slice().own_matrix(base)
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
