//! Softmax of biased scores.

use super::simd::{dot, exp, max, sum, wide};
use super::{View, dims4, in_order, known, overwrite, rows_per_task, tensor, values};
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn::backend::flex::{Flex, FlexTensor};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, ExtensionType, backend_extension};
use burn::tensor::{Tensor, activation};
use rayon::prelude::*;

/// softmax(scores·scale + bias) over the last dimension.
///
/// scores: [batch, heads, seq, keys]; `bias` is as wide, and each of its other sizes is the scores' or 1. The bias gets no
/// gradient, even if it asks for one.
///
/// # Panics
/// If the bias does not broadcast to the scores.
pub fn softmax_with_bias(scores: Tensor<4>, bias: Option<Tensor<4>>, scale: f32) -> Tensor<4> {
    check_bias(scores.dims(), bias.as_ref());
    if !(known(&scores) && bias.as_ref().is_none_or(known)) {
        return twin(scores, bias, scale);
    }
    Tensor::from_dispatch(<Dispatch as Op>::fused_softmax(scores.into_dispatch(), bias.into(), scale))
}

/// # Panics
/// If the bias does not broadcast to scores of these sizes.
pub(super) fn check_bias(scores: [usize; 4], bias: Option<&Tensor<4>>) {
    if let Some(bias) = bias.map(Tensor::dims) {
        let fits = bias[3] == scores[3] && bias.iter().zip(scores).all(|(b, s)| *b == s || *b == 1);
        assert!(fits, "a bias of {bias:?} does not broadcast to scores of {scores:?}");
    }
}

/// The same by ordinary tensor operations.
pub(crate) fn twin(scores: Tensor<4>, bias: Option<Tensor<4>>, scale: f32) -> Tensor<4> {
    let scores = scores * scale;
    let scores = match bias {
        Some(bias) => scores + bias.detach(),
        None => scores,
    };
    activation::softmax(scores, 3)
}

/// A bias, or none, on its way to a backend.
#[derive(ExtensionType)]
pub(crate) enum Bias<B: Backend> {
    Given(FloatTensor<B>),
    Absent,
}

impl From<Option<Tensor<4>>> for Bias<Dispatch> {
    fn from(bias: Option<Tensor<4>>) -> Self {
        match bias {
            Some(bias) => Self::Given(bias.into_dispatch()),
            None => Self::Absent,
        }
    }
}

impl Bias<Flex> {
    /// The bias, its rows in order.
    pub(super) fn prepare(self) -> Option<FlexTensor> {
        match self {
            Self::Given(bias) => Some(View::prepare(bias)),
            Self::Absent => None,
        }
    }
}

impl<C: CheckpointStrategy> Bias<Autodiff<Flex, C>> {
    /// Without its graph: a bias gets no gradient.
    pub(super) fn inner(self) -> Bias<Flex> {
        match self {
            Self::Given(bias) => Bias::Given(bias.into_primitive()),
            Self::Absent => Bias::Absent,
        }
    }
}

#[backend_extension(Autodiff, Flex)]
pub(crate) trait Op: Backend {
    fn fused_softmax(scores: FloatTensor<Self>, #[extension_type] bias: Bias<Self>, scale: f32) -> FloatTensor<Self>;
}

impl Op for Flex {
    fn fused_softmax(scores: FlexTensor, bias: Bias<Flex>, scale: f32) -> FlexTensor {
        forward(scores, bias, scale)
    }
}

#[derive(Debug)]
struct SoftmaxBackward;

impl Backward<Flex, 1> for SoftmaxBackward {
    type State = (FlexTensor, f32);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let (p, scale) = ops.state;
        unary::<Flex, _>(ops.parents, ops.node, grads, |dp| {
            let keys = dims4(&p)[3];
            let task = rows_per_task(keys) * keys;
            overwrite(dp, |dp| {
                dp.par_chunks_mut(task)
                    .zip(values(&p).par_chunks(task))
                    .for_each(|(dp, p)| backward_rows(p, keys, scale, dp));
            })
        });
    }
}

impl<C: CheckpointStrategy> Op for Autodiff<Flex, C> {
    fn fused_softmax(scores: FloatTensor<Self>, bias: Bias<Self>, scale: f32) -> FloatTensor<Self> {
        let (scores, node) = scores.into_parts();
        let p = forward(scores, bias.inner(), scale);
        match SoftmaxBackward.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((p.clone(), scale), p),
            OpsKind::UnTracked(prep) => prep.finish(p),
        }
    }
}

fn forward(scores: FlexTensor, bias: Bias<Flex>, scale: f32) -> FlexTensor {
    let [_, heads, seq, keys] = dims4(&scores);
    let bias = bias.prepare();
    let bias = bias.as_ref().map(View::new);
    let shape = scores.layout().shape().clone();
    let mut p = values(&in_order(scores)).to_vec();
    let rows = rows_per_task(keys).min(seq);
    let tasks = seq.div_ceil(rows); // of one head
    p.par_chunks_mut((seq * keys).max(1)).enumerate().for_each(|(head, p)| {
        let of_head = |task: usize, p: &mut [f32]| {
            let bias = bias.as_ref().map(|v| (v.from(head / heads, head % heads, task * rows), v.strides[2]));
            softmax_rows(p, keys, scale, bias);
        };
        match tasks {
            1 => of_head(0, p),
            _ => p.par_chunks_mut(rows * keys).enumerate().for_each(|(task, p)| of_head(task, p)),
        }
    });
    tensor(p, shape)
}

wide! {
    /// Turns scores into probabilities. The bias's rows lie the given number of values apart.
    pub(super) fn softmax_rows(p: &mut [f32], keys: usize, scale: f32, bias: Option<(&[f32], usize)>) {
        for (i, p) in p.chunks_exact_mut(keys).enumerate() {
            match bias {
                Some((bias, stride)) => {
                    let bias = &bias[i * stride..i * stride + keys];
                    for (p, bias) in p.iter_mut().zip(bias) {
                        *p = *p * scale + bias;
                    }
                }
                None => {
                    for p in p.iter_mut() {
                        *p *= scale;
                    }
                }
            }
            let max = max(p);
            for p in p.iter_mut() {
                *p = exp(*p - max);
            }
            let share = 1.0 / sum(p);
            for p in p.iter_mut() {
                *p *= share;
            }
        }
    }
}

wide! {
    /// Turns the gradient of probabilities into that of scores before they were scaled.
    pub(super) fn backward_rows(p: &[f32], keys: usize, scale: f32, dp: &mut [f32]) {
        for (p, dp) in p.chunks_exact(keys).zip(dp.chunks_exact_mut(keys)) {
            let mean = dot(p, dp);
            for (dp, p) in dp.iter_mut().zip(p) {
                *dp = scale * p * (*dp - mean);
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
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn like_its_twin(b in 1_usize..4, h in 1_usize..4, s in size(), k in size(), shared in prop::array::uniform3(any::<bool>()), biased: bool, seed in 0_u64..1000) {
            let part = |i: usize, n: usize| if shared[i] { 1 } else { n };
            let bias = biased.then(|| random([part(0, b), part(1, h), part(2, s), k], seed + 1, &Device::flex()) * 3.0);
            let x = [random([b, h, s, k], seed, &autodiff())];
            agree(&x, |x| softmax_with_bias(x[0].clone(), bias.clone(), 0.7), |x| twin(x[0].clone(), bias.clone(), 0.7));
        }
    }

    #[test]
    fn hidden_keys_get_nothing() {
        let scores = random([1, 1, 2, 5], 1, &Device::flex());
        let bias = Tensor::<1>::from_floats([0.0, 0.0, -1e4, 0.0, -1e4], &Device::flex()).reshape([1, 1, 1, 5]);
        let p = values(softmax_with_bias(scores, Some(bias), 1.0));
        assert_eq!([p[2], p[4], p[7], p[9]], [0.0; 4]);
        close("sum", &[p[..5].iter().sum(), p[5..].iter().sum()], &[1.0, 1.0]);
    }
}
