//! Layer normalisation.

use super::simd::{dot, sum, wide};
use super::{in_order, known, overwrite, rows_per_task, tensor, values};
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::{Flex, FlexTensor};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, backend_extension};
use burn::nn::LayerNorm;
use burn::tensor::{Shape, Tensor};
use rayon::prelude::*;

/// Layer normalisation over the last dimension, gamma·(x - mean)/√(variance + eps) + beta.
///
/// x: [batch, seq, d]; gamma, beta: \[d\]. Gradients of gamma and beta are computed only if they are asked for.
///
/// # Panics
/// If gamma or beta is not as wide as x.
pub fn layer_norm(x: Tensor<3>, gamma: Tensor<1>, beta: Tensor<1>, eps: f64) -> Tensor<3> {
    let [_, _, d] = x.dims();
    assert!(gamma.dims() == [d] && beta.dims() == [d], "layer_norm: gamma and beta must be as wide as x, {d}");
    if !(known(&x) && known(&gamma) && known(&beta)) {
        return twin(x, gamma, beta, eps);
    }
    let y =
        <Dispatch as Op>::fused_layer_norm(x.into_dispatch(), gamma.into_dispatch(), beta.into_dispatch(), eps as f32);
    Tensor::from_dispatch(y)
}

/// A layer of Burn's, whose epsilon is `eps`, evaluated by [`layer_norm`].
pub(crate) fn norm(layer: &LayerNorm, x: Tensor<3>, eps: f64) -> Tensor<3> {
    match &layer.beta {
        Some(beta) => layer_norm(x, layer.gamma.val(), beta.val(), eps),
        None => layer.forward(x),
    }
}

/// The same by ordinary tensor operations.
pub(crate) fn twin(x: Tensor<3>, gamma: Tensor<1>, beta: Tensor<1>, eps: f64) -> Tensor<3> {
    burn::tensor::module::layer_norm(x, gamma, Some(beta), eps)
}

#[backend_extension(Autodiff, Flex)]
pub(crate) trait Op: Backend {
    fn fused_layer_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        eps: f32,
    ) -> FloatTensor<Self>;
}

impl Op for Flex {
    fn fused_layer_norm(x: FlexTensor, gamma: FlexTensor, beta: FlexTensor, eps: f32) -> FlexTensor {
        forward(&in_order(x), &in_order(gamma), &in_order(beta), eps).0
    }
}

/// What the backward pass needs: x and gamma, and mean and 1/deviation of each row.
type State = (FlexTensor, FlexTensor, Vec<[f32; 2]>);

#[derive(Debug)]
struct LayerNormBackward;

impl Backward<Flex, 3> for LayerNormBackward {
    type State = State;

    fn backward(self, ops: Ops<State, 3>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let [x_node, gamma_node, beta_node] = ops.parents;
        let dy = grads.consume::<Flex>(&ops.node);
        let affine = gamma_node.is_some() || beta_node.is_some();
        let (dx, dgamma, dbeta) = backward(dy, &ops.state, affine);
        for (node, grad) in [(x_node, Some(dx)), (gamma_node, dgamma), (beta_node, dbeta)] {
            if let (Some(node), Some(grad)) = (node, grad) {
                grads.register::<Flex>(node.id, grad);
            }
        }
    }
}

impl<C: CheckpointStrategy> Op for Autodiff<Flex, C> {
    fn fused_layer_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        eps: f32,
    ) -> FloatTensor<Self> {
        let ((x, x_node), (gamma, gamma_node), (beta, beta_node)) =
            (x.into_parts(), gamma.into_parts(), beta.into_parts());
        let (x, gamma) = (in_order(x), in_order(gamma));
        let (y, statistics) = forward(&x, &gamma, &in_order(beta), eps);
        match LayerNormBackward.prepare::<C>([x_node, gamma_node, beta_node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((x, gamma, statistics), y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }
}

/// The rows of one task: what is written, x, and the statistics.
type Rows<'a, S> = ((&'a mut [f32], &'a [f32]), S);

fn forward(x: &FlexTensor, gamma: &FlexTensor, beta: &FlexTensor, eps: f32) -> (FlexTensor, Vec<[f32; 2]>) {
    let (shape, x, gamma, beta) = (x.layout().shape().clone(), values(x), values(gamma), values(beta));
    let d = gamma.len();
    let rows = rows_per_task(d);
    let mut y = vec![0.0; x.len()];
    let mut statistics = vec![[0.0; 2]; x.len() / d];
    let task = |((y, x), statistics): Rows<'_, &mut [[f32; 2]]>| forward_rows(x, gamma, beta, eps, y, statistics);
    if statistics.len() <= rows {
        task(((&mut y, x), &mut statistics));
    } else {
        y.par_chunks_mut(rows * d).zip(x.par_chunks(rows * d)).zip(statistics.par_chunks_mut(rows)).for_each(task);
    }
    (tensor(y, shape), statistics)
}

wide! {
    fn forward_rows(x: &[f32], gamma: &[f32], beta: &[f32], eps: f32, y: &mut [f32], statistics: &mut [[f32; 2]]) {
        let d = gamma.len();
        for ((x, y), statistics) in x.chunks_exact(d).zip(y.chunks_exact_mut(d)).zip(statistics) {
            let mean = sum(x) / d as f32;
            for (y, x) in y.iter_mut().zip(x) {
                *y = x - mean;
            }
            let scale = 1.0 / (dot(y, y) / d as f32 + eps).sqrt();
            for ((y, gamma), beta) in y.iter_mut().zip(gamma).zip(beta) {
                *y = *y * scale * gamma + beta;
            }
            *statistics = [mean, scale];
        }
    }
}

fn backward(dy: FlexTensor, state: &State, affine: bool) -> (FlexTensor, Option<FlexTensor>, Option<FlexTensor>) {
    let (x, gamma, statistics) = (values(&state.0), values(&state.1), &state.2);
    let d = gamma.len();
    let rows = rows_per_task(d);
    let mut total = vec![0.0; if affine { 2 * d } else { 0 }]; // of gamma, then of beta
    let dx = overwrite(dy, |dy| {
        let task = |((dy, x), statistics): Rows<'_, &[[f32; 2]]>| {
            let mut part = vec![0.0; if affine { 2 * d } else { 0 }];
            backward_rows(x, gamma, statistics, dy, &mut part);
            part
        };
        let parts: Vec<Vec<f32>> = if statistics.len() <= rows {
            vec![task(((dy, x), statistics))]
        } else {
            dy.par_chunks_mut(rows * d).zip(x.par_chunks(rows * d)).zip(statistics.par_chunks(rows)).map(task).collect()
        };
        for part in parts {
            total.iter_mut().zip(part).for_each(|(t, p)| *t += p);
        }
    });
    if !affine {
        return (dx, None, None);
    }
    let dbeta = tensor(total.split_off(d), Shape::from([d]));
    (dx, Some(tensor(total, Shape::from([d]))), Some(dbeta))
}

wide! {
    /// Turns dy into dx; adds to `part`, unless it is empty, the gradients of gamma and beta.
    fn backward_rows(x: &[f32], gamma: &[f32], statistics: &[[f32; 2]], dy: &mut [f32], part: &mut [f32]) {
        let d = gamma.len();
        let mut normal = vec![0.0_f32; d]; // (x - mean)/deviation
        for ((x, dy), &[mean, scale]) in x.chunks_exact(d).zip(dy.chunks_exact_mut(d)).zip(statistics) {
            for (n, x) in normal.iter_mut().zip(x) {
                *n = (x - mean) * scale;
            }
            if !part.is_empty() {
                let (dgamma, dbeta) = part.split_at_mut(d);
                for (((dgamma, dbeta), dy), n) in dgamma.iter_mut().zip(dbeta).zip(&*dy).zip(&normal) {
                    *dgamma += dy * n;
                    *dbeta += dy;
                }
            }
            for (dy, gamma) in dy.iter_mut().zip(gamma) {
                *dy *= gamma;
            }
            let mean_dy = sum(dy) / d as f32;
            let mean_product = dot(dy, &normal) / d as f32;
            for (dy, n) in dy.iter_mut().zip(&normal) {
                *dy = (*dy - mean_dy - n * mean_product) * scale;
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
            let beta = random([d], seed + 2, &device);
            let x = random([b, s, d], seed, &device);
            // a few values may have next to no variance, and rounding would be multiplied by 1/√eps
            let eps = if d < 17 { 0.1 } else { 1e-5 };
            agree(std::slice::from_ref(&x), |x| layer_norm(x[0].clone(), gamma.clone(), beta.clone(), eps), |x| twin(x[0].clone(), gamma.clone(), beta.clone(), eps));
            let x = x.inner();
            agree(&[gamma, beta], |p| layer_norm(x.clone(), p[0].clone(), p[1].clone(), eps), |p| twin(x.clone(), p[0].clone(), p[1].clone(), eps));
        }
    }

    #[test]
    fn many_rows_and_a_frozen_layer() {
        let x = random([4, 65, 128], 1, &autodiff());
        let (gamma, beta) = (random([128], 2, &Device::flex()), random([128], 3, &Device::flex()));
        agree(
            &[x],
            |x| layer_norm(x[0].clone(), gamma.clone(), beta.clone(), 1e-12),
            |x| twin(x[0].clone(), gamma.clone(), beta.clone(), 1e-12),
        );
    }

    #[test]
    fn a_view_is_read_in_its_order() {
        let x = random::<3>([5, 7, 6], 1, &Device::flex()).swap_dims(0, 2);
        let (gamma, beta) = (random([5], 2, &Device::flex()), random([5], 3, &Device::flex()));
        let found = layer_norm(x.clone(), gamma.clone(), beta.clone(), 1e-5);
        close("view", &values(found), &values(twin(x, gamma, beta, 1e-5)));
    }
}
