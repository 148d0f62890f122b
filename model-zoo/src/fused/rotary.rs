//! Rotary position embeddings.

use super::simd::wide;
use super::{View, dims4, in_order, interleaved, known, rows_per_task, values};
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn::backend::flex::{Flex, FlexTensor};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, backend_extension};
use burn::tensor::Tensor;
use rayon::prelude::*;

/// x·cos + (-x2, x1)·sin, where x1 and x2 are the halves of x's last dimension.
///
/// x: [batch, heads, seq, d]; cos, sin, which get no gradient: [seq, d] where all rows of the batch have the same positions, else
/// [batch·seq, d]. A view whose dimensions are swapped is not copied.
///
/// # Panics
/// If d is odd, or cos or sin is neither.
pub fn rotary(x: Tensor<4>, cos: Tensor<2>, sin: Tensor<2>) -> Tensor<4> {
    let [batch, _, seq, d] = x.dims();
    assert!(d.is_multiple_of(2), "rotary: an odd width, {d}");
    let fits = [[seq, d], [batch * seq, d]].contains(&cos.dims()) && sin.dims() == cos.dims();
    assert!(fits, "rotary: the angles' tables must be [{seq}, {d}] or [{batch}·{seq}, {d}], found {:?}", cos.dims());
    if !(known(&x) && known(&cos) && known(&sin)) {
        return twin(x, cos, sin);
    }
    Tensor::from_dispatch(<Dispatch as Op>::fused_rotary(x.into_dispatch(), cos.into_dispatch(), sin.into_dispatch()))
}

/// The same by ordinary tensor operations.
pub(crate) fn twin(x: Tensor<4>, cos: Tensor<2>, sin: Tensor<2>) -> Tensor<4> {
    let [_, _, seq, d] = x.dims();
    let rows = cos.dims()[0] / seq.max(1); // 1 or batch
    let (x1, x2) = (x.clone().narrow(3, 0, d / 2), x.clone().narrow(3, d / 2, d / 2));
    let turned = Tensor::cat(vec![x2.neg(), x1], 3); // [batch, heads, seq, d]
    x * cos.reshape([rows, 1, seq, d]) + turned * sin.reshape([rows, 1, seq, d])
}

#[backend_extension(Autodiff, Flex)]
pub(crate) trait Op: Backend {
    fn fused_rotary(x: FloatTensor<Self>, cos: FloatTensor<Self>, sin: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl Op for Flex {
    fn fused_rotary(x: FlexTensor, cos: FlexTensor, sin: FlexTensor) -> FlexTensor {
        turn(x, &in_order(cos), &in_order(sin), false)
    }
}

#[derive(Debug)]
struct RotaryBackward;

impl Backward<Flex, 1> for RotaryBackward {
    type State = (FlexTensor, FlexTensor);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let (cos, sin) = ops.state;
        unary::<Flex, _>(ops.parents, ops.node, grads, |dy| turn(dy, &cos, &sin, true));
    }
}

impl<C: CheckpointStrategy> Op for Autodiff<Flex, C> {
    fn fused_rotary(x: FloatTensor<Self>, cos: FloatTensor<Self>, sin: FloatTensor<Self>) -> FloatTensor<Self> {
        let (x, node) = x.into_parts();
        let (cos, sin) = (in_order(cos.into_primitive()), in_order(sin.into_primitive()));
        let y = turn(x, &cos, &sin, false);
        match RotaryBackward.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((cos, sin), y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }
}

/// The rotation, or its transpose, which takes gradients back.
fn turn(x: FlexTensor, cos: &FlexTensor, sin: &FlexTensor, back: bool) -> FlexTensor {
    let x = View::prepare(x);
    let dims @ [batch, heads, seq, d] = dims4(&x);
    let (x, cos, sin) = (View::new(&x), values(cos), values(sin));
    let one_for_all = cos.len() == seq * d;
    let width = heads * d;
    let mut y = vec![0.0; batch * seq * width]; // [batch, seq, heads, d]
    let rows = rows_per_task(width);
    y.par_chunks_mut((rows * width).max(1)).enumerate().for_each(|(task, y)| {
        for (i, y) in y.chunks_exact_mut(width).enumerate() {
            let (b, s) = ((task * rows + i) / seq, (task * rows + i) % seq);
            let at = if one_for_all { s } else { b * seq + s };
            let table = at * d..(at + 1) * d;
            turn_heads(x.from(b, 0, s), x.strides[1], &cos[table.clone()], &sin[table], back, y);
        }
    });
    interleaved(y, dims)
}

wide! {
    /// All heads at one position. y: [heads, d]; x's heads lie `stride` apart.
    fn turn_heads(x: &[f32], stride: usize, cos: &[f32], sin: &[f32], back: bool, y: &mut [f32]) {
        let d = cos.len();
        let ((c1, c2), (s1, s2)) = (cos.split_at(d / 2), sin.split_at(d / 2));
        for (head, y) in y.chunks_exact_mut(d).enumerate() {
            let (x1, x2) = x[head * stride..head * stride + d].split_at(d / 2);
            let (y1, y2) = y.split_at_mut(d / 2);
            if back {
                for i in 0..d / 2 {
                    y1[i] = x1[i] * c1[i] + x2[i] * s2[i];
                    y2[i] = x2[i] * c2[i] - x1[i] * s1[i];
                }
            } else {
                for i in 0..d / 2 {
                    y1[i] = x1[i] * c1[i] - x2[i] * s1[i];
                    y2[i] = x2[i] * c2[i] + x1[i] * s2[i];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{agree, autodiff, random, size};
    use super::*;
    use burn::tensor::Device;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn like_its_twin(b in 1_usize..3, h in 1_usize..4, s in size(), half in 1_usize..20, swapped: bool, by_row: bool, seed in 0_u64..1000) {
            let d = 2 * half;
            let table = |seed| random([if by_row { b * s } else { s }, d], seed, &Device::flex());
            let (cos, sin) = (table(seed + 1), table(seed + 2));
            let view = |x: &Tensor<4>| if swapped { x.clone().swap_dims(1, 2) } else { x.clone() };
            let x = [random(if swapped { [b, s, h, d] } else { [b, h, s, d] }, seed, &autodiff())];
            agree(&x, |x| rotary(view(&x[0]), cos.clone(), sin.clone()), |x| twin(view(&x[0]), cos.clone(), sin.clone()));
        }
    }
}
