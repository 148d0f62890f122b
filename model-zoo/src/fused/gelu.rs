//! GELU.

use super::simd::{normal_cdf, normal_density, wide};
use super::{TASK, in_order, known, overwrite, tensor, values};
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn::backend::flex::{Flex, FlexTensor};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, backend_extension};
use burn::tensor::{Tensor, activation};
use rayon::prelude::*;

/// Exact GELU, x·(1 + erf(x/√2))/2; erf is within 5e-7.
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if !known(&x) {
        return twin(x);
    }
    Tensor::from_dispatch(<Dispatch as Op>::fused_gelu(x.into_dispatch()))
}

/// The same by ordinary tensor operations.
pub(crate) fn twin<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    activation::gelu(x)
}

#[backend_extension(Autodiff, Flex)]
pub(crate) trait Op: Backend {
    fn fused_gelu(x: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl Op for Flex {
    fn fused_gelu(x: FlexTensor) -> FlexTensor {
        forward(&in_order(x))
    }
}

#[derive(Debug)]
struct GeluBackward;

impl Backward<Flex, 1> for GeluBackward {
    type State = FlexTensor;

    fn backward(self, ops: Ops<FlexTensor, 1>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let x = ops.state;
        unary::<Flex, _>(ops.parents, ops.node, grads, |dy| {
            overwrite(dy, |dy| {
                dy.par_chunks_mut(TASK).zip(values(&x).par_chunks(TASK)).for_each(|(dy, x)| backward_values(x, dy))
            })
        });
    }
}

impl<C: CheckpointStrategy> Op for Autodiff<Flex, C> {
    fn fused_gelu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let (x, node) = x.into_parts();
        let x = in_order(x);
        let y = forward(&x);
        match GeluBackward.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(x, y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }
}

fn forward(x: &FlexTensor) -> FlexTensor {
    let (shape, x) = (x.layout().shape().clone(), values(x));
    let mut y = vec![0.0; x.len()];
    y.par_chunks_mut(TASK).zip(x.par_chunks(TASK)).for_each(|(y, x)| forward_values(x, y));
    tensor(y, shape)
}

wide! {
    fn forward_values(x: &[f32], y: &mut [f32]) {
        for (y, x) in y.iter_mut().zip(x) {
            *y = x * normal_cdf(*x);
        }
    }
}

wide! {
    fn backward_values(x: &[f32], dy: &mut [f32]) {
        for (dy, x) in dy.iter_mut().zip(x) {
            *dy *= normal_cdf(*x) + x * normal_density(*x);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{agree, autodiff, random, size};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn like_its_twin(b in size(), n in size(), seed in 0_u64..1000) {
            agree(&[random([b, n], seed, &autodiff()) * 3.0], |x| gelu(x[0].clone()), |x| twin(x[0].clone()));
        }
    }
}
