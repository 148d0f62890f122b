//! Normalisation by the root mean square.

use super::simd::{dot, wide};
use super::{in_order, known, overwrite, rows_per_task, tensor, values};
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::{Flex, FlexTensor};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, backend_extension};
use burn::tensor::{DType, Shape, Tensor};
use rayon::prelude::*;

/// gamma·x/√(mean(x²) + eps) over the last dimension (Zhang and Sennrich, "Root Mean Square Layer Normalization", 2019, eq. 4).
///
/// x: [batch, seq, d]; gamma: \[d\], whose gradient is computed only if it is asked for.
///
/// # Panics
/// If gamma is not as wide as x.
pub fn rms_norm(x: Tensor<3>, gamma: Tensor<1>, eps: f64) -> Tensor<3> {
    let [_, _, d] = x.dims();
    assert!(gamma.dims() == [d], "rms_norm: gamma must be as wide as x, {d}");
    if !(known(&x) && known(&gamma)) {
        return twin(x, gamma, eps);
    }
    let y = <Dispatch as Op>::fused_rms_norm(x.into_dispatch(), gamma.into_dispatch(), eps as f32);
    Tensor::from_dispatch(y)
}

/// The same by ordinary tensor operations; squares are added in f32, whatever the type, as upstream does.
pub(crate) fn twin(x: Tensor<3>, gamma: Tensor<1>, eps: f64) -> Tensor<3> {
    let dtype = x.dtype();
    let rms = (x.clone().cast(DType::F32).square().mean_dim(2) + eps).sqrt(); // [batch, seq, 1]
    x / rms.cast(dtype) * gamma.unsqueeze()
}

#[backend_extension(Autodiff, Flex)]
pub(crate) trait Op: Backend {
    fn fused_rms_norm(x: FloatTensor<Self>, gamma: FloatTensor<Self>, eps: f32) -> FloatTensor<Self>;
}

impl Op for Flex {
    fn fused_rms_norm(x: FlexTensor, gamma: FlexTensor, eps: f32) -> FlexTensor {
        forward(&in_order(x), &in_order(gamma), eps).0
    }
}

/// What the backward pass needs: x and gamma, and 1/root mean square of each row.
type State = (FlexTensor, FlexTensor, Vec<f32>);

#[derive(Debug)]
struct RmsNormBackward;

impl Backward<Flex, 2> for RmsNormBackward {
    type State = State;

    fn backward(self, ops: Ops<State, 2>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let [x_node, gamma_node] = ops.parents;
        let dy = grads.consume::<Flex>(&ops.node);
        let (dx, dgamma) = backward(dy, &ops.state, gamma_node.is_some());
        for (node, grad) in [(x_node, Some(dx)), (gamma_node, dgamma)] {
            if let (Some(node), Some(grad)) = (node, grad) {
                grads.register::<Flex>(node.id, grad);
            }
        }
    }
}

impl<C: CheckpointStrategy> Op for Autodiff<Flex, C> {
    fn fused_rms_norm(x: FloatTensor<Self>, gamma: FloatTensor<Self>, eps: f32) -> FloatTensor<Self> {
        let ((x, x_node), (gamma, gamma_node)) = (x.into_parts(), gamma.into_parts());
        let (x, gamma) = (in_order(x), in_order(gamma));
        let (y, scales) = forward(&x, &gamma, eps);
        match RmsNormBackward.prepare::<C>([x_node, gamma_node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((x, gamma, scales), y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }
}

/// The rows of one task: what is written, x, and the scales.
type Rows<'a, S> = ((&'a mut [f32], &'a [f32]), S);

fn forward(x: &FlexTensor, gamma: &FlexTensor, eps: f32) -> (FlexTensor, Vec<f32>) {
    let (shape, x, gamma) = (x.layout().shape().clone(), values(x), values(gamma));
    let d = gamma.len();
    let rows = rows_per_task(d);
    let mut y = vec![0.0; x.len()];
    let mut scales = vec![0.0; x.len() / d];
    let task = |((y, x), scales): Rows<'_, &mut [f32]>| forward_rows(x, gamma, eps, y, scales);
    if scales.len() <= rows {
        task(((&mut y, x), &mut scales));
    } else {
        y.par_chunks_mut(rows * d).zip(x.par_chunks(rows * d)).zip(scales.par_chunks_mut(rows)).for_each(task);
    }
    (tensor(y, shape), scales)
}

wide! {
    fn forward_rows(x: &[f32], gamma: &[f32], eps: f32, y: &mut [f32], scales: &mut [f32]) {
        let d = gamma.len();
        for ((x, y), scale) in x.chunks_exact(d).zip(y.chunks_exact_mut(d)).zip(scales) {
            *scale = 1.0 / (dot(x, x) / d as f32 + eps).sqrt();
            for ((y, x), gamma) in y.iter_mut().zip(x).zip(gamma) {
                *y = x * *scale * gamma;
            }
        }
    }
}

fn backward(dy: FlexTensor, state: &State, affine: bool) -> (FlexTensor, Option<FlexTensor>) {
    let (x, gamma, scales) = (values(&state.0), values(&state.1), &state.2);
    let d = gamma.len();
    let rows = rows_per_task(d);
    let width = if affine { d } else { 0 };
    let mut total = vec![0.0; width]; // of gamma
    let dx = overwrite(dy, |dy| {
        let task = |((dy, x), scales): Rows<'_, &[f32]>| {
            let mut part = vec![0.0; width];
            backward_rows(x, gamma, scales, dy, &mut part);
            part
        };
        let parts: Vec<Vec<f32>> = if scales.len() <= rows {
            vec![task(((dy, x), scales))]
        } else {
            dy.par_chunks_mut(rows * d).zip(x.par_chunks(rows * d)).zip(scales.par_chunks(rows)).map(task).collect()
        };
        for part in parts {
            total.iter_mut().zip(part).for_each(|(t, p)| *t += p);
        }
    });
    (dx, affine.then(|| tensor(total, Shape::from([d]))))
}

wide! {
    /// Turns dy into dx; adds to `part`, unless it is empty, the gradient of gamma.
    fn backward_rows(x: &[f32], gamma: &[f32], scales: &[f32], dy: &mut [f32], part: &mut [f32]) {
        let d = gamma.len();
        for ((x, dy), &scale) in x.chunks_exact(d).zip(dy.chunks_exact_mut(d)).zip(scales) {
            for ((dgamma, dy), x) in part.iter_mut().zip(&*dy).zip(x) {
                *dgamma += dy * (x * scale);
            }
            for (dy, gamma) in dy.iter_mut().zip(gamma) {
                *dy *= gamma;
            }
            let slope = dot(dy, x) / d as f32 * scale * scale;
            for (dy, x) in dy.iter_mut().zip(x) {
                *dy = (*dy - x * slope) * scale;
            }
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
        fn like_its_twin(b in 1_usize..4, s in size(), d in size(), seed in 0_u64..1000) {
            let device = autodiff();
            let gamma = random([d], seed + 1, &device) + 1.0;
            let x = random([b, s, d], seed, &device);
            // a row of few values may be next to 0, and rounding would be multiplied by 1/√eps
            let eps = if d < 17 { 0.1 } else { 1e-5 };
            agree(std::slice::from_ref(&x), |x| rms_norm(x[0].clone(), gamma.clone(), eps), |x| twin(x[0].clone(), gamma.clone(), eps));
            let x = x.inner();
            agree(&[gamma], |p| rms_norm(x.clone(), p[0].clone(), eps), |p| twin(x.clone(), p[0].clone(), eps));
        }
    }

    #[test]
    fn many_rows_and_a_frozen_layer() {
        let gamma = random([128], 2, &Device::flex());
        agree(
            &[random([4, 65, 128], 1, &autodiff())],
            |x| rms_norm(x[0].clone(), gamma.clone(), 1e-6),
            |x| twin(x[0].clone(), gamma.clone(), 1e-6),
        );
    }

    #[test]
    fn a_view_is_read_in_its_order() {
        let x = random::<3>([5, 7, 6], 1, &Device::flex()).swap_dims(0, 2);
        let gamma = random([5], 2, &Device::flex());
        close("view", &values(rms_norm(x.clone(), gamma.clone(), 1e-5)), &values(twin(x, gamma, 1e-5)));
    }

    #[test]
    fn the_layer_of_burn() {
        let layer = burn::nn::RmsNormConfig::new(6).with_epsilon(1e-5).init(&Device::flex());
        let x = random::<3>([2, 3, 6], 1, &Device::flex());
        close("layer", &values(rms_norm(x.clone(), layer.gamma.val(), 1e-5)), &values(layer.forward(x)));
    }
}
