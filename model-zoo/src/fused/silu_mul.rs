//! A gated linear unit whose gate and values come from two layers, as LLaMA's do.

use super::simd::{sigmoid, wide};
use super::{TASK, in_order, known, overwrite, tensor, values};
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::{Flex, FlexTensor};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, backend_extension};
use burn::tensor::{Tensor, activation};
use rayon::prelude::*;

/// silu(gate)·up, value by value (Shazeer, "GLU Variants Improve Transformer", 2020, eq. 5).
///
/// # Panics
/// If the two differ in shape.
pub fn silu_mul<const D: usize>(gate: Tensor<D>, up: Tensor<D>) -> Tensor<D> {
    assert!(gate.dims() == up.dims(), "silu_mul: the gate is {:?}, what it lets through {:?}", gate.dims(), up.dims());
    if !(known(&gate) && known(&up)) {
        return twin(gate, up);
    }
    Tensor::from_dispatch(<Dispatch as Op>::fused_silu_mul(gate.into_dispatch(), up.into_dispatch()))
}

/// The same by ordinary tensor operations.
pub(crate) fn twin<const D: usize>(gate: Tensor<D>, up: Tensor<D>) -> Tensor<D> {
    activation::silu(gate) * up
}

#[backend_extension(Autodiff, Flex)]
pub(crate) trait Op: Backend {
    fn fused_silu_mul(gate: FloatTensor<Self>, up: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl Op for Flex {
    fn fused_silu_mul(gate: FlexTensor, up: FlexTensor) -> FlexTensor {
        let up = in_order(up);
        overwrite(gate, |gate| {
            gate.par_chunks_mut(TASK).zip(values(&up).par_chunks(TASK)).for_each(|(gate, up)| forward_values(gate, up));
        })
    }
}

#[derive(Debug)]
struct SiluMulBackward;

impl Backward<Flex, 2> for SiluMulBackward {
    type State = (FlexTensor, FlexTensor);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let (gate, up) = (values(&ops.state.0), values(&ops.state.1));
        let mut d_gate = vec![0.0; gate.len()];
        let dy = grads.consume::<Flex>(&ops.node);
        let shape = dy.layout().shape().clone();
        let d_up = overwrite(dy, |dy| {
            dy.par_chunks_mut(TASK)
                .zip(d_gate.par_chunks_mut(TASK))
                .zip(gate.par_chunks(TASK).zip(up.par_chunks(TASK)))
                .for_each(|((dy, d_gate), (gate, up))| backward_values(gate, up, dy, d_gate));
        });
        for (node, grad) in ops.parents.into_iter().zip([tensor(d_gate, shape), d_up]) {
            if let Some(node) = node {
                grads.register::<Flex>(node.id, grad);
            }
        }
    }
}

impl<C: CheckpointStrategy> Op for Autodiff<Flex, C> {
    fn fused_silu_mul(gate: FloatTensor<Self>, up: FloatTensor<Self>) -> FloatTensor<Self> {
        let ((gate, gate_node), (up, up_node)) = (gate.into_parts(), up.into_parts());
        let (gate, up) = (in_order(gate), in_order(up));
        let kept = (gate.clone(), up.clone());
        match SiluMulBackward.prepare::<C>([gate_node, up_node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(kept, Flex::fused_silu_mul(gate, up)),
            OpsKind::UnTracked(prep) => {
                drop(kept);
                prep.finish(Flex::fused_silu_mul(gate, up))
            }
        }
    }
}

wide! {
    /// Turns the gate into the result.
    fn forward_values(gate: &mut [f32], up: &[f32]) {
        for (gate, up) in gate.iter_mut().zip(up) {
            *gate = *gate * sigmoid(*gate) * up;
        }
    }
}

wide! {
    /// Turns dy into the gradient of `up`.
    fn backward_values(gate: &[f32], up: &[f32], dy: &mut [f32], d_gate: &mut [f32]) {
        for (((dy, d_gate), gate), up) in dy.iter_mut().zip(d_gate).zip(gate).zip(up) {
            let s = sigmoid(*gate);
            *d_gate = *dy * up * (s * (1.0 + gate * (1.0 - s)));
            *dy *= gate * s;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{agree, autodiff, close, random, size, values};
    use super::*;
    use burn::tensor::Device;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn like_its_twin(b in 1_usize..4, s in size(), w in size(), swapped: bool, seed in 0_u64..1000) {
            let made = |seed| random([b, s, w], seed, &autodiff()) * 3.0;
            let view = |x: &Tensor<3>| if swapped { x.clone().swap_dims(0, 2) } else { x.clone() };
            agree(
                &[made(seed), made(seed + 1)],
                |x| silu_mul(view(&x[0]), view(&x[1])),
                |x| twin(view(&x[0]), view(&x[1])),
            );
        }
    }

    #[test]
    fn nobody_else_sees_the_gate_change() {
        let (gate, up) = (random::<3>([2, 3, 70], 1, &Device::flex()), random([2, 3, 70], 2, &Device::flex()));
        let before = values(gate.clone());
        let wanted = values(twin(gate.clone(), up.clone()));
        close("value", &values(silu_mul(gate.clone(), up)), &wanted);
        assert_eq!(values(gate), before);
    }

    #[test]
    fn a_constant_gate() {
        let gate = random::<3>([2, 9, 70], 1, &Device::flex());
        agree(
            &[random([2, 9, 70], 2, &autodiff())],
            |up| silu_mul(gate.clone(), up[0].clone()),
            |up| twin(gate.clone(), up[0].clone()),
        );
    }
}
