//! Attention of all heads, without intermediate tensors but the probabilities.

use super::softmax::{Bias, backward_rows, check_bias, softmax_rows};
use super::{View, dims4, interleaved, known, softmax, tensor, values};
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::{Flex, FlexTensor};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, backend_extension};
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{DType, Shape, Tensor};
use rayon::prelude::*;

/// softmax(q·kᵀ·scale + bias)·v.
///
/// q: [batch, heads, seq, d]; k, v: [batch, heads, keys, d]; `bias` is `keys` wide, and each of its other sizes is that of
/// the scores, [batch, heads, seq, keys], or 1. The bias gets no gradient, even if it asks for one. Views whose dimensions
/// are swapped are not copied, and the result joins its heads without a copy.
///
/// # Panics
/// If shapes do not fit.
pub fn attention(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>, bias: Option<Tensor<4>>, scale: f32) -> Tensor<4> {
    let ([batch, heads, seq, d], [_, _, keys, _]) = (q.dims(), k.dims());
    let fits = k.dims() == [batch, heads, keys, d] && v.dims() == k.dims();
    assert!(fits, "attention: q is {:?}, k {:?}, v {:?}", q.dims(), k.dims(), v.dims());
    check_bias([batch, heads, seq, keys], bias.as_ref());
    if !(known(&q) && known(&k) && known(&v) && bias.as_ref().is_none_or(known)) {
        return if [&q, &k, &v].iter().any(|x| x.is_autodiff()) {
            twin(q, k, v, bias, scale)
        } else {
            burns(q, k, v, bias, scale)
        };
    }
    let (q, k, v) = (q.into_dispatch(), k.into_dispatch(), v.into_dispatch());
    Tensor::from_dispatch(<Dispatch as Op>::fused_attention(q, k, v, bias.into(), scale))
}

/// The same by ordinary tensor operations.
pub(crate) fn twin(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>, bias: Option<Tensor<4>>, scale: f32) -> Tensor<4> {
    softmax::twin(q.matmul(k.swap_dims(2, 3)), bias, scale).matmul(v)
}

/// The same by Burn, which has kernels of its own on some backends, but no gradients of them.
///
/// The kernels of CubeCL that need no memory for the scores take neither a bias nor a scale of one's own, and multiply in
/// f16 whatever the type. So only 16-bit tensors get there; f32 gives the scale, and keeps its precision.
pub(crate) fn burns(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>, bias: Option<Tensor<4>>, scale: f32) -> Tensor<4> {
    let usual = (scale * (q.dims()[3] as f32).sqrt() - 1.0).abs() < 1e-6;
    let half = matches!(q.dtype(), DType::F16 | DType::BF16);
    let options = AttentionModuleOptions { scale: (!(usual && half)).then_some(scale.into()), ..Default::default() };
    burn::tensor::module::attention(q, k, v, None, bias.map(Tensor::detach), options)
}

#[backend_extension(Autodiff, Flex)]
pub(crate) trait Op: Backend {
    fn fused_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        #[extension_type] bias: Bias<Self>,
        scale: f32,
    ) -> FloatTensor<Self>;
}

impl Op for Flex {
    fn fused_attention(q: FlexTensor, k: FlexTensor, v: FlexTensor, bias: Bias<Flex>, scale: f32) -> FlexTensor {
        let [q, k, v] = [q, k, v].map(View::prepare);
        forward(&q, &k, &v, bias, scale, false).0
    }
}

/// q, k, v, the probabilities and the scale.
type State = ([FlexTensor; 3], FlexTensor, f32);

#[derive(Debug)]
struct AttentionBackward;

impl Backward<Flex, 3> for AttentionBackward {
    type State = State;

    fn backward(self, ops: Ops<State, 3>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let dy = grads.consume::<Flex>(&ops.node);
        let wanted = ops.parents.each_ref().map(Option::is_some);
        for (node, grad) in ops.parents.into_iter().zip(backward(dy, &ops.state, wanted)) {
            if let Some(node) = node {
                grads.register::<Flex>(node.id, grad);
            }
        }
    }
}

impl<C: CheckpointStrategy> Op for Autodiff<Flex, C> {
    fn fused_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        bias: Bias<Self>,
        scale: f32,
    ) -> FloatTensor<Self> {
        let bias = bias.inner();
        let ((q, q_node), (k, k_node), (v, v_node)) = (q.into_parts(), k.into_parts(), v.into_parts());
        let [q, k, v] = [q, k, v].map(View::prepare);
        match AttentionBackward.prepare::<C>([q_node, k_node, v_node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let (y, p) = forward(&q, &k, &v, bias, scale, true);
                let p = tensor(p, Shape::from([dims4(&q)[0], dims4(&q)[1], dims4(&q)[2], dims4(&k)[2]]));
                prep.finish(([q, k, v], p, scale), y)
            }
            OpsKind::UnTracked(prep) => prep.finish(forward(&q, &k, &v, bias, scale, false).0),
        }
    }
}

/// Query rows that are worked on at once: their scores stay in the cache.
const ROWS: usize = 128;

/// The result, and the probabilities if they are to be kept.
fn forward(
    q: &FlexTensor,
    k: &FlexTensor,
    v: &FlexTensor,
    bias: Bias<Flex>,
    scale: f32,
    keep: bool,
) -> (FlexTensor, Vec<f32>) {
    let (dims @ [batch, heads, seq, d], [_, _, keys, _]) = (dims4(q), dims4(k));
    let (q, k, v) = (View::new(q), View::new(k), View::new(v));
    let bias = bias.prepare();
    let bias = bias.as_ref().map(View::new);
    let mut y = vec![0.0; batch * seq * heads * d]; // [batch, seq, heads, d]
    let mut p = vec![0.0; if keep { batch * heads * seq * keys } else { 0 }]; // [batch, heads, seq, keys]
    let out = Interleaved::new(&mut y, dims);
    let head = |head: usize, p: &mut [f32]| {
        let (b, h) = (head / heads, head % heads);
        let (k, v) = (Matrix::of(&k, b, h, keys, d), Matrix::of(&v, b, h, keys, d));
        for row in (0..seq).step_by(ROWS) {
            let rows = ROWS.min(seq - row);
            let p = if keep { &mut p[row * keys..(row + rows) * keys] } else { &mut p[..rows * keys] };
            k.transposed().multiplied_from_left(Matrix::rows_of(&q, b, h, row, rows, d), p);
            softmax_rows(p, keys, scale, bias.as_ref().map(|v| (v.from(b, h, row), v.strides[2])));
            out.set_product(b, h, row, Matrix::dense(p, rows, keys), v);
        }
    };
    if keep {
        p.par_chunks_mut((seq * keys).max(1)).enumerate().for_each(|(i, p)| head(i, p));
    } else {
        let scratch = || vec![0.0; ROWS.min(seq) * keys];
        (0..batch * heads).into_par_iter().for_each_init(scratch, |p, i| head(i, p));
    }
    (interleaved(y, dims), p)
}

/// Gradients of q, k and v. What is not wanted is left 0.
fn backward(dy: FlexTensor, ([q, k, v], p, scale): &State, wanted: [bool; 3]) -> [FlexTensor; 3] {
    let (dims @ [batch, heads, seq, d], key_dims @ [_, _, keys, _]) = (dims4(q), dims4(k));
    let dy = View::prepare(dy);
    let (q, k, v, dy, p) = (View::new(q), View::new(k), View::new(v), View::new(&dy), values(p));
    let mut grads = [dims, key_dims, key_dims].map(|[b, h, s, d]| vec![0.0; b * h * s * d]);
    let [dq, dk, dv] = &mut grads;
    let (dq, dk, dv) = (Interleaved::new(dq, dims), Interleaved::new(dk, key_dims), Interleaved::new(dv, key_dims));
    let scratch = || vec![0.0; seq * keys];
    (0..batch * heads).into_par_iter().for_each_init(scratch, |ds, i| {
        let (b, h) = (i / heads, i % heads);
        let p = &p[i * seq * keys..(i + 1) * seq * keys];
        let dy = Matrix::of(&dy, b, h, seq, d);
        if wanted[2] {
            dv.set_product(b, h, 0, Matrix::dense(p, seq, keys).transposed(), dy);
        }
        if wanted[0] || wanted[1] {
            Matrix::of(&v, b, h, keys, d).transposed().multiplied_from_left(dy, ds);
            backward_rows(p, keys, *scale, ds);
            let ds = Matrix::dense(ds, seq, keys);
            if wanted[0] {
                dq.set_product(b, h, 0, ds, Matrix::of(&k, b, h, keys, d));
            }
            if wanted[1] {
                dk.set_product(b, h, 0, ds.transposed(), Matrix::of(&q, b, h, seq, d));
            }
        }
    });
    let [dq, dk, dv] = grads;
    [interleaved(dq, dims), interleaved(dk, key_dims), interleaved(dv, key_dims)]
}

/// A matrix whose value (i, j) lies at i·row + j·column.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    values: &'a [f32],
    size: [usize; 2],
    strides: [usize; 2],
}

impl<'a> Matrix<'a> {
    pub(super) fn new(values: &'a [f32], size: [usize; 2], strides: [usize; 2]) -> Self {
        let needed = match size.contains(&0) {
            true => 0,
            false => (size[0] - 1) * strides[0] + (size[1] - 1) * strides[1] + 1,
        };
        assert!(values.len() >= needed, "a matrix of {size:?} that ends outside its values");
        Self { values, size, strides }
    }

    /// One head.
    fn of(x: &View<'a>, b: usize, h: usize, rows: usize, width: usize) -> Self {
        Self::rows_of(x, b, h, 0, rows, width)
    }

    /// Some rows of one head.
    fn rows_of(x: &View<'a>, b: usize, h: usize, row: usize, rows: usize, width: usize) -> Self {
        Self::new(x.from(b, h, row), [rows, width], [x.strides[2], 1])
    }

    pub(super) fn dense(values: &'a [f32], rows: usize, width: usize) -> Self {
        Self::new(values, [rows, width], [width, 1])
    }

    fn transposed(self) -> Self {
        let ([rows, columns], [row, column]) = (self.size, self.strides);
        Self { size: [columns, rows], strides: [column, row], ..self }
    }

    /// out := left·self, in rows one after another.
    pub(super) fn multiplied_from_left(self, left: Matrix<'_>, out: &mut [f32]) {
        assert_eq!(out.len(), left.size[0] * self.size[1]);
        #[allow(unsafe_code, reason = "the matrix product takes pointers")]
        // SAFETY: `out` is [rows of left, columns of self] in order, exclusively borrowed.
        unsafe {
            product(left, self, out.as_mut_ptr(), self.size[1]);
        }
    }
}

/// out := left·right, on this thread.
///
/// # Safety
/// `out` must be valid for writes of as many rows as `left` has, each as wide as `right` and the next `stride` values
/// further, and nobody else may read or write these rows meanwhile.
#[allow(unsafe_code, reason = "the matrix product takes pointers")]
unsafe fn product(left: Matrix<'_>, right: Matrix<'_>, out: *mut f32, stride: usize) {
    assert_eq!(left.size[1], right.size[0]);
    // SAFETY: `Matrix::new` checked that both matrices lie in their values; `out` is the caller's promise.
    unsafe {
        gemm::gemm(
            left.size[0],
            right.size[1],
            left.size[1],
            out,
            1,
            stride as isize,
            false,
            left.values.as_ptr(),
            left.strides[1] as isize,
            left.strides[0] as isize,
            right.values.as_ptr(),
            right.strides[1] as isize,
            right.strides[0] as isize,
            0.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// A [batch, rows, heads, width] result whose heads are written by different threads.
struct Interleaved<'a> {
    start: *mut f32,
    dims: [usize; 4], // batch, heads, rows, width
    values: std::marker::PhantomData<&'a mut [f32]>,
}

#[allow(unsafe_code, reason = "heads lie between each other, so no slices split them")]
// SAFETY: it stands for the exclusive borrow of a slice of f32, which may be sent and whose threads write apart.
unsafe impl Sync for Interleaved<'_> {}

impl<'a> Interleaved<'a> {
    fn new(values: &'a mut [f32], dims: [usize; 4]) -> Self {
        assert_eq!(values.len(), dims.iter().product::<usize>());
        Self { start: values.as_mut_ptr(), dims, values: std::marker::PhantomData }
    }

    /// The rows from `row` on of one head := left·right. One thread alone may work on a head.
    fn set_product(&self, b: usize, h: usize, row: usize, left: Matrix<'_>, right: Matrix<'_>) {
        let [batch, heads, rows, width] = self.dims;
        assert!(b < batch && h < heads && row + left.size[0] <= rows && right.size[1] == width);
        #[allow(unsafe_code, reason = "heads lie between each other, so no slices split them")]
        // SAFETY: the rows lie inside the values, as was just checked, and one task of a parallel loop works on (b, h).
        unsafe {
            let out = self.start.add(((b * rows + row) * heads + h) * width);
            product(left, right, out, heads * width);
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
        fn like_its_twin(
            b in 1_usize..4, h in 1_usize..4, s in size(), k in size(), d in 1_usize..20,
            shared in prop::array::uniform3(any::<bool>()), biased: bool, swapped: bool, seed in 0_u64..1000,
        ) {
            let part = |i: usize, n: usize| if shared[i] { 1 } else { n };
            let bias = biased.then(|| random([part(0, b), part(1, h), part(2, s), k], seed + 1, &Device::flex()));
            let view = |x: &Tensor<4>| if swapped { x.clone().swap_dims(1, 2) } else { x.clone() };
            let made = |n: usize, seed| random(if swapped { [b, n, h, d] } else { [b, h, n, d] }, seed, &autodiff());
            let x = [made(s, seed + 2), made(k, seed + 3), made(k, seed + 4)];
            agree(
                &x,
                |x| attention(view(&x[0]), view(&x[1]), view(&x[2]), bias.clone(), 0.3),
                |x| twin(view(&x[0]), view(&x[1]), view(&x[2]), bias.clone(), 0.3),
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn burns_is_like_the_twin(
            b in 1_usize..4, h in 1_usize..4, s in size(), k in size(), d in 1_usize..20,
            shared in prop::array::uniform3(any::<bool>()), biased: bool, usual: bool, seed in 0_u64..1000,
        ) {
            let part = |i: usize, n: usize| if shared[i] { 1 } else { n };
            let made = |dims, seed| random(dims, seed, &Device::flex());
            let bias = biased.then(|| made([part(0, b), part(1, h), part(2, s), k], seed));
            let scale = if usual { (d as f32).sqrt().recip() } else { 0.3 };
            let (q, k, v) = (made([b, h, s, d], seed + 1), made([b, h, k, d], seed + 2), made([b, h, k, d], seed + 3));
            let wanted = values(twin(q.clone(), k.clone(), v.clone(), bias.clone(), scale));
            close("f32", &values(burns(q.clone(), k.clone(), v.clone(), bias.clone(), scale)), &wanted);
            // what other types get through the public function
            let half = |x: Tensor<4>| x.cast(DType::F16);
            let found = values(attention(half(q), half(k), half(v), bias.map(half), scale).cast(DType::F32));
            let largest = wanted.iter().fold(1.0_f32, |m, w| m.max(w.abs()));
            prop_assert!(found.iter().zip(&wanted).all(|(f, w)| (f - w).abs() < 1e-2 * largest), "f16: {found:?} {wanted:?}");
        }
    }

    #[test]
    fn long_sequences_and_constant_keys() {
        let x = |n, seed, device: &Device| random::<4>([1, 2, n, 8], seed, device);
        let (k, v) = (x(301, 2, &Device::flex()), x(301, 3, &Device::flex()));
        agree(
            &[x(300, 1, &autodiff())],
            |q| attention(q[0].clone(), k.clone(), v.clone(), None, 0.5),
            |q| twin(q[0].clone(), k.clone(), v.clone(), None, 0.5),
        );
        agree(
            &[x(301, 1, &autodiff())],
            |v| attention(k.clone(), k.clone(), v[0].clone(), None, 0.5),
            |v| twin(k.clone(), k.clone(), v[0].clone(), None, 0.5),
        );
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let x = |seed| random::<4>([2, 3, 70, 16], seed, &Device::flex());
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| values(attention(x(1), x(2), x(3), None, 0.25)))
        };
        assert_eq!(run(1), run(5));
        close("one more", &run(1), &values(twin(x(1), x(2), x(3), None, 0.25)));
    }
}
