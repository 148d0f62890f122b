//! A product with a matrix in few bits: a panel of it is unpacked where it is used, so that the whole never stands in memory.

use super::attention::Matrix;
use super::{in_order, known, tensor, values};
use crate::packed::Packed;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::{Flex, FlexTensor};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, backend_extension};
use burn::tensor::{Shape, Tensor, TensorData};
use rayon::prelude::*;
use std::sync::Arc;

/// x·weight + bias, with gradients for x and the bias; the weight is frozen. x: [batch, seq, d_in]; weight: [d_in, d_out].
pub fn packed_linear(x: Tensor<3>, weight: &Arc<Packed>, bias: Option<Tensor<1>>) -> Tensor<3> {
    let ([batch, seq, d_in], [_, d_out]) = (x.dims(), weight.shape());
    assert_eq!(d_in, weight.shape()[0], "features that enter a layer of {:?}", weight.shape());
    let x = x.reshape([batch * seq, d_in]);
    let y = match known(&x) {
        true => Tensor::from_dispatch(<Dispatch as Op>::packed_product(x.into_dispatch(), weight.clone())),
        false => twin(x, weight),
    };
    let y: Tensor<3> = Tensor::<2>::reshape(y, [batch, seq, d_out]);
    match bias {
        Some(bias) => y + bias.unsqueeze(),
        None => y,
    }
}

/// The same by ordinary tensor operations.
pub(crate) fn twin(x: Tensor<2>, weight: &Packed) -> Tensor<2> {
    let data = TensorData::new(weight.unpacked(), weight.shape());
    let weight = Tensor::<2>::from_data(data, &x.device().inner());
    x.matmul(weight)
}

#[backend_extension(Autodiff, Flex)]
pub(crate) trait Op: Backend {
    fn packed_product(x: FloatTensor<Self>, weight: Arc<Packed>) -> FloatTensor<Self>;
}

impl Op for Flex {
    fn packed_product(x: FlexTensor, weight: Arc<Packed>) -> FlexTensor {
        forward(&in_order(x), &weight)
    }
}

#[derive(Debug)]
struct PackedBackward;

impl Backward<Flex, 1> for PackedBackward {
    type State = Arc<Packed>;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let dy = in_order(grads.consume::<Flex>(&ops.node));
        let [node] = ops.parents;
        if let Some(node) = node {
            grads.register::<Flex>(node.id, backward(&dy, &ops.state));
        }
    }
}

impl<C: CheckpointStrategy> Op for Autodiff<Flex, C> {
    fn packed_product(x: FloatTensor<Self>, weight: Arc<Packed>) -> FloatTensor<Self> {
        let (x, node) = x.into_parts();
        match PackedBackward.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let y = Flex::packed_product(x, weight.clone());
                prep.finish(weight, y)
            }
            OpsKind::UnTracked(prep) => prep.finish(Flex::packed_product(x, weight)),
        }
    }
}

/// Values of a panel: it stays in the second-level cache, and the pieces are the same for any number of threads.
const PANEL: usize = 1 << 17;

/// y = x·W, a panel of columns at a time.
fn forward(x: &FlexTensor, weight: &Packed) -> FlexTensor {
    let [d_in, d_out] = weight.shape();
    let rows = x.layout().shape()[0];
    let whole = weight.block() * if weight.block().is_multiple_of(2) { 1 } else { 2 }; // a panel starts where a block and a byte do
    let width = (PANEL / d_in.max(1)).next_multiple_of(whole).min(d_out.max(1));
    let x = Matrix::dense(values(x), rows, d_in);
    joined([rows, d_out], width, |start, width| {
        let mut panel = vec![0.0; d_in * width];
        panel.chunks_mut(width).enumerate().for_each(|(row, out)| weight.unpack(row, start, out));
        let mut y = vec![0.0; rows * width];
        Matrix::dense(&panel, d_in, width).multiplied_from_left(x, &mut y);
        y
    })
}

/// dx = dy·Wᵀ, a panel of W's rows at a time.
fn backward(dy: &FlexTensor, weight: &Packed) -> FlexTensor {
    let [d_in, d_out] = weight.shape();
    let rows = dy.layout().shape()[0];
    let width = (PANEL / d_out.max(1)).clamp(1, d_in.max(1));
    let dy = Matrix::dense(values(dy), rows, d_out);
    joined([rows, d_in], width, |start, width| {
        let mut panel = vec![0.0; width * d_out];
        panel.chunks_mut(d_out.max(1)).enumerate().for_each(|(i, out)| weight.unpack(start + i, 0, out));
        let mut dx = vec![0.0; rows * width];
        Matrix::dense(&panel, width, d_out).transposed().multiplied_from_left(dy, &mut dx);
        dx
    })
}

/// A tensor of [rows, columns] from pieces of `width` columns, made side by side: `piece(start, width)` is [rows, width].
fn joined([rows, columns]: [usize; 2], width: usize, piece: impl Fn(usize, usize) -> Vec<f32> + Sync) -> FlexTensor {
    let starts: Vec<usize> = (0..columns).step_by(width.max(1)).collect();
    let pieces: Vec<Vec<f32>> = starts.par_iter().map(|&start| piece(start, width.min(columns - start))).collect();
    if let [_] = pieces[..] {
        return tensor(pieces.into_iter().next().expect("one piece"), Shape::from([rows, columns]));
    }
    let mut all = vec![0.0; rows * columns];
    if columns > 0 {
        all.par_chunks_mut(columns).enumerate().for_each(|(row, out)| {
            for (start, piece) in starts.iter().zip(&pieces) {
                let width = piece.len() / rows;
                out[*start..start + width].copy_from_slice(&piece[row * width..(row + 1) * width]);
            }
        });
    }
    tensor(all, Shape::from([rows, columns]))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{self, agree, autodiff, close, random, size};
    use super::*;
    use crate::packed::Bits;
    use burn::tensor::Device;
    use proptest::prelude::*;

    fn packed(d_in: usize, d_out: usize, four: bool, block: usize) -> Arc<Packed> {
        let values = testing::values(random([d_in, d_out], 9, &Device::flex()));
        Arc::new(Packed::new(&values, [d_in, d_out], if four { Bits::Four } else { Bits::Eight }, block))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn like_its_twin(rows in 1_usize..5, d_in in size(), d_out in size(), four: bool, odd: bool, seed in 0_u64..1000) {
            let weight = packed(d_in, d_out, four, if odd { 7 } else { 32 });
            let bias = random([d_out], seed + 1, &Device::flex());
            agree(
                &[random([1, rows, d_in], seed, &autodiff())],
                |x| packed_linear(x[0].clone(), &weight, Some(bias.clone())),
                |x| {
                    let y = twin(x[0].clone().reshape([rows, d_in]), &weight).reshape([1, rows, d_out]);
                    y + bias.clone().unsqueeze()
                },
            );
        }
    }

    /// Wide enough for several panels in both directions.
    #[test]
    fn many_panels() {
        for (d_in, d_out, block) in [(700, 900, 64), (900, 700, 7), (3, 90_000, 64)] {
            let weight = packed(d_in, d_out, true, block);
            let x = random([1, 5, d_in], 1, &Device::flex());
            let wanted = testing::values(twin(x.clone().reshape([5, d_in]), &weight));
            close("several panels", &testing::values(packed_linear(x, &weight, None)), &wanted);
        }
    }
}
