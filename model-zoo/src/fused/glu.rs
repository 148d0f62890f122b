//! Gated linear units: the activation of the first half of the features times the second half.

use super::simd::{normal_cdf, normal_density, sigmoid, wide};
use super::{in_order, known, rows_per_task, tensor, values};
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn::backend::flex::{Flex, FlexTensor};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, backend_extension};
use burn::tensor::{Tensor, activation};
use rayon::prelude::*;

/// silu(x\[..w\])·x\[w..\]. x: [batch, seq, 2w]; result: [batch, seq, w].
///
/// # Panics
/// If the last size is odd.
pub fn glu_silu(x: Tensor<3>) -> Tensor<3> {
    glu(x, Gate::Silu)
}

/// gelu(x\[..w\])·x\[w..\] with the exact GELU. x: [batch, seq, 2w]; result: [batch, seq, w].
///
/// # Panics
/// If the last size is odd.
pub fn glu_gelu(x: Tensor<3>) -> Tensor<3> {
    glu(x, Gate::Gelu)
}

fn glu(x: Tensor<3>, gate: Gate) -> Tensor<3> {
    assert!(x.dims()[2].is_multiple_of(2), "a gated linear unit needs an even width, not {}", x.dims()[2]);
    if !known(&x) {
        return twin(x, gate);
    }
    Tensor::from_dispatch(<Dispatch as Op>::fused_glu(x.into_dispatch(), gate))
}

/// The activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    Silu,
    Gelu,
}

/// The same by ordinary tensor operations.
pub(crate) fn twin(x: Tensor<3>, gate: Gate) -> Tensor<3> {
    let width = x.dims()[2] / 2;
    let (open, through) = (x.clone().narrow(2, 0, width), x.narrow(2, width, width));
    match gate {
        Gate::Silu => activation::silu(open) * through,
        Gate::Gelu => activation::gelu(open) * through,
    }
}

#[backend_extension(Autodiff, Flex)]
pub(crate) trait Op: Backend {
    fn fused_glu(x: FloatTensor<Self>, gate: Gate) -> FloatTensor<Self>;
}

impl Op for Flex {
    fn fused_glu(x: FlexTensor, gate: Gate) -> FlexTensor {
        forward(&in_order(x), gate)
    }
}

#[derive(Debug)]
struct GluBackward;

impl Backward<Flex, 1> for GluBackward {
    type State = (FlexTensor, Gate);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let (x, gate) = ops.state;
        unary::<Flex, _>(ops.parents, ops.node, grads, |dy| backward(&x, &in_order(dy), gate));
    }
}

impl<C: CheckpointStrategy> Op for Autodiff<Flex, C> {
    fn fused_glu(x: FloatTensor<Self>, gate: Gate) -> FloatTensor<Self> {
        let (x, node) = x.into_parts();
        let x = in_order(x);
        let y = forward(&x, gate);
        match GluBackward.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((x, gate), y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }
}

fn forward(x: &FlexTensor, gate: Gate) -> FlexTensor {
    let (mut shape, x) = (x.layout().shape().clone(), values(x));
    let width = shape[2] / 2;
    shape[2] = width;
    let rows = rows_per_task(2 * width);
    let mut y = vec![0.0; x.len() / 2];
    let kernel = match gate {
        Gate::Silu => silu_rows,
        Gate::Gelu => gelu_rows,
    };
    y.par_chunks_mut((rows * width).max(1))
        .zip(x.par_chunks((rows * 2 * width).max(1)))
        .for_each(|(y, x)| kernel(x, width, y));
    tensor(y, shape)
}

fn backward(x: &FlexTensor, dy: &FlexTensor, gate: Gate) -> FlexTensor {
    let (shape, x, dy) = (x.layout().shape().clone(), values(x), values(dy));
    let width = shape[2] / 2;
    let rows = rows_per_task(2 * width);
    let mut dx = vec![0.0; x.len()];
    let kernel = match gate {
        Gate::Silu => silu_backward_rows,
        Gate::Gelu => gelu_backward_rows,
    };
    let (one, two) = ((rows * width).max(1), (rows * 2 * width).max(1));
    dx.par_chunks_mut(two)
        .zip(x.par_chunks(two))
        .zip(dy.par_chunks(one))
        .for_each(|((dx, x), dy)| kernel(x, dy, width, dx));
    tensor(dx, shape)
}

/// The kernels of one gate: its value, and its value with its derivative.
macro_rules! gate {
    ($forward:ident, $backward:ident, |$x:ident| $value:expr, $with_derivative:expr) => {
        wide! {
            fn $forward(x: &[f32], width: usize, y: &mut [f32]) {
                for (x, y) in x.chunks_exact(2 * width).zip(y.chunks_exact_mut(width)) {
                    let (open, through) = x.split_at(width);
                    for ((y, open), through) in y.iter_mut().zip(open).zip(through) {
                        let $x = *open;
                        *y = $value * through;
                    }
                }
            }
        }
        wide! {
            fn $backward(x: &[f32], dy: &[f32], width: usize, dx: &mut [f32]) {
                for ((x, dy), dx) in x.chunks_exact(2 * width).zip(dy.chunks_exact(width)).zip(dx.chunks_exact_mut(2 * width)) {
                    let (open, through) = x.split_at(width);
                    let (d_open, d_through) = dx.split_at_mut(width);
                    for ((((d_open, d_through), dy), open), through) in d_open.iter_mut().zip(d_through).zip(dy).zip(open).zip(through) {
                        let $x = *open;
                        let (value, derivative): (f32, f32) = $with_derivative;
                        *d_open = dy * through * derivative;
                        *d_through = dy * value;
                    }
                }
            }
        }
    };
}

gate!(silu_rows, silu_backward_rows, |x| x * sigmoid(x), {
    let s = sigmoid(x);
    (x * s, s * (1.0 + x * (1.0 - s)))
});
gate!(gelu_rows, gelu_backward_rows, |x| x * normal_cdf(x), {
    let p = normal_cdf(x);
    (x * p, p + x * normal_density(x))
});

#[cfg(test)]
mod tests {
    use super::super::testing::{agree, autodiff, random, size};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn like_its_twin(b in 1_usize..4, s in size(), w in size(), seed in 0_u64..1000) {
            let x = [random([b, s, 2 * w], seed, &autodiff()) * 3.0];
            agree(&x, |x| glu_silu(x[0].clone()), |x| twin(x[0].clone(), Gate::Silu));
            agree(&x, |x| glu_gelu(x[0].clone()), |x| twin(x[0].clone(), Gate::Gelu));
        }
    }
}
