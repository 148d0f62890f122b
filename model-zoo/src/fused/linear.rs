//! A linear layer on a single row: the step of a model that generates.

use super::attention::Matrix;
use super::{in_order, known, tensor, values};
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::flex::{Flex, FlexTensor};
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, backend_extension};
use burn::nn::Linear;
use burn::tensor::{Shape, Tensor};
use peft_core::Hooks;
use rayon::prelude::*;

/// x·weight + bias. x: [batch, seq, d_in]; weight: [d_in, d_out], in this order or a transposed view; bias: \[d_out\].
///
/// The product of one row and a matrix takes as long as reading the matrix: all threads share it, where the CPU backend
/// has one do it. More rows are one product of two matrices, so that a transposed view, such as a tied output matrix, is
/// not copied as Burn's broadcasting over the batch would.
pub fn linear(x: Tensor<3>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<3> {
    let ([batch, seq, d_in], [_, d_out]) = (x.dims(), weight.dims());
    let one_row = batch * seq == 1 && d_in == weight.dims()[0];
    if !(one_row && known(&x) && known(&weight)) || x.is_autodiff() || weight.is_autodiff() {
        return twin(x, weight, bias);
    }
    let x = x.reshape([1, d_in]).into_dispatch();
    let y = Tensor::<2>::from_dispatch(<Dispatch as Op>::fused_row_product(x, weight.into_dispatch()));
    let y = y.reshape([1, 1, d_out]);
    match bias {
        Some(bias) => y + bias.unsqueeze(),
        None => y,
    }
}

/// The layer of Burn's with its hooks: [`linear`] on one row, unless a hook wants to see it.
pub(crate) fn site(hooks: &dyn Hooks, layer: &Linear, x: Tensor<3>) -> Tensor<3> {
    if x.dims()[..2] == [1, 1] && hooks.skips(layer) {
        return linear(x, layer.weight.val(), layer.bias.as_ref().map(|b| b.val()));
    }
    hooks.linear(layer, x)
}

/// The same by ordinary tensor operations.
pub(crate) fn twin(x: Tensor<3>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<3> {
    let ([batch, seq, d_in], d_out) = (x.dims(), weight.dims()[1]);
    let y = x.reshape([batch * seq, d_in]).matmul(weight).reshape([batch, seq, d_out]);
    match bias {
        Some(bias) => y + bias.unsqueeze(),
        None => y,
    }
}

#[backend_extension(Autodiff, Flex)]
pub(crate) trait Op: Backend {
    fn fused_row_product(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl Op for Flex {
    fn fused_row_product(x: FlexTensor, weight: FlexTensor) -> FlexTensor {
        product(&in_order(x), weight)
    }
}

impl<C: CheckpointStrategy> Op for Autodiff<Flex, C> {
    fn fused_row_product(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::float_matmul(x, weight)
    }
}

/// Values of a matrix that are worth a task: some ten microseconds of memory traffic.
const TASK: usize = 1 << 17;
/// Most tasks of one product.
const TASKS: usize = 64;

fn product(x: &FlexTensor, weight: FlexTensor) -> FlexTensor {
    let in_reach = weight.layout().strides().iter().all(|s| *s >= 0);
    let weight = if in_reach { weight } else { weight.to_contiguous() };
    let (x, layout) = (values(x), weight.layout());
    let ([d_in, d_out], start) = ([layout.shape()[0], layout.shape()[1]], layout.start_offset());
    let strides = [layout.strides()[0] as usize, layout.strides()[1] as usize];
    let matrix: &[f32] = weight.storage();
    let row = Matrix::dense(x, 1, d_in);
    // The same pieces for any number of threads, so that sums are the same.
    let columns = d_out.div_ceil((d_in * d_out / TASK).clamp(1, TASKS)).next_multiple_of(64);
    let piece = |(i, y): (usize, &mut [f32])| {
        let from = &matrix[start + i * columns * strides[1]..];
        Matrix::new(from, [d_in, y.len()], strides).multiplied_from_left(row, y);
    };
    let mut y = vec![0.0; d_out];
    match d_out <= columns {
        true => piece((0, &mut y)),
        false => y.par_chunks_mut(columns).enumerate().for_each(piece),
    }
    tensor(y, Shape::from([1, d_out]))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{autodiff, close, random, size, values};
    use super::*;
    use burn::tensor::Device;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn like_its_twin(rows in 1_usize..3, d_in in size(), d_out in size(), wide: bool, transposed: bool, biased: bool, seed in 0_u64..1000) {
            let d_out = if wide { 200 * d_out } else { d_out };
            let device = Device::flex();
            let x = random([1, rows, d_in], seed, &device);
            let w = if transposed { random([d_out, d_in], seed + 1, &device).transpose() } else { random([d_in, d_out], seed + 1, &device) };
            let bias = biased.then(|| random([d_out], seed + 2, &device));
            let wanted = values(burn::tensor::module::linear(x.clone(), w.clone(), bias.clone()));
            close("value", &values(linear(x.clone(), w.clone(), bias.clone())), &wanted);
            close("twin", &values(twin(x, w, bias)), &wanted);
        }
    }

    #[test]
    fn part_of_a_matrix() {
        let (x, w) = (random([1, 1, 40], 1, &Device::flex()), random::<2>([100, 90], 2, &Device::flex()));
        for w in [w.clone().slice([30..70, 5..82]), w.transpose().slice([20..60, 3..100])] {
            close("view", &values(linear(x.clone(), w.clone(), None)), &values(twin(x.clone(), w, None)));
        }
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let (x, w) = (random([1, 1, 300], 1, &Device::flex()), random::<2>([300, 5000], 2, &Device::flex()));
        let run = |threads, w: &Tensor<2>| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| values(linear(x.clone(), w.clone(), None)))
        };
        let turned = random::<2>([5000, 300], 3, &Device::flex()).transpose();
        for w in [&w, &turned] {
            assert_eq!(run(1, w), run(5, w));
        }
    }

    #[test]
    fn gradients_are_burns() {
        let x = random([1, 1, 20], 1, &autodiff()).require_grad();
        let w = random::<2>([20, 30], 2, &autodiff()).require_grad();
        let grads = linear(x.clone(), w.clone(), None).sum().backward();
        close("x", &values(x.grad(&grads).unwrap()), &values(w.clone().inner().sum_dim(1)));
        assert_eq!(w.grad(&grads).unwrap().dims(), [20, 30]);
    }
}
