//! Differentiable operations in one pass over memory, where a composition of tensor operations would take many.
//!
//! Each has kernels for f32 on the CPU backend and a twin, a composition of ordinary tensor operations, which serves every
//! other backend and type and is what the tests compare with; only attention without gradients is Burn's own there. Rows
//! are computed each by one thread in a fixed order, so results do not depend on the number of threads.
//!
//! Tensors on a device without autodiff act as constants beside tensors on one with it.

mod attention;
mod gelu;
mod glu;
mod layer_norm;
mod linear;
mod rms_norm;
mod rotary;
mod silu_mul;
mod simd;
mod softmax;

pub use attention::attention;
pub use gelu::gelu;
pub use glu::{glu_gelu, glu_silu};
pub use layer_norm::layer_norm;
pub(crate) use layer_norm::norm;
pub use linear::linear;
pub(crate) use linear::site;
pub use rms_norm::rms_norm;
pub use rotary::rotary;
pub use silu_mul::silu_mul;
pub use softmax::softmax_with_bias;

use burn::backend::flex::{FlexTensor, Layout};
use burn::tensor::{Bytes, DType, Device, Shape, Tensor};

/// Values that one task of a thread pool is worth.
const TASK: usize = 1 << 14;

/// True if the kernels know `x`: f32 on the CPU backend.
fn known<const D: usize>(x: &Tensor<D>) -> bool {
    x.dtype() == DType::F32 && x.device() == Device::flex()
}

/// Rows of `width` values that make a task: the same on every machine.
fn rows_per_task(width: usize) -> usize {
    (TASK / width.max(1)).max(1)
}

/// The values of a tensor, copied only if they do not lie in order.
fn in_order(x: FlexTensor) -> FlexTensor {
    if x.as_slice::<f32>().is_some() { x } else { x.to_contiguous() }
}

/// The values of a tensor that [`in_order`] made.
fn values(x: &FlexTensor) -> &[f32] {
    x.as_slice().expect("f32 values that lie in order")
}

/// A new tensor of these values.
fn tensor(values: Vec<f32>, shape: Shape) -> FlexTensor {
    FlexTensor::new(Bytes::from_elems(values), Layout::contiguous(shape), DType::F32)
}

/// Writes the result over `x` if nobody else holds it, otherwise into a new tensor that starts as a copy.
fn overwrite(x: FlexTensor, change: impl FnOnce(&mut [f32])) -> FlexTensor {
    let shape = x.layout().shape().clone();
    let mut x = in_order(x);
    if let Some((start, end)) = x.layout().contiguous_offsets()
        && let Some(values) = x.try_storage_mut()
    {
        change(&mut values[start..end]);
        return x;
    }
    let mut copy = values(&x).to_vec();
    change(&mut copy);
    tensor(copy, shape)
}

/// Where the values of a [batch, heads, rows, width] tensor lie; each row lies in order.
struct View<'a> {
    values: &'a [f32],
    start: usize,
    strides: [usize; 3],
}

impl<'a> View<'a> {
    /// A tensor whose rows do not lie in order, made so.
    fn prepare(x: FlexTensor) -> FlexTensor {
        let strides = x.layout().strides();
        let rows_in_order = strides[3] == 1 || x.layout().shape()[3] == 1;
        if rows_in_order && strides.iter().all(|s| *s >= 0) { x } else { x.to_contiguous() }
    }

    /// A prepared tensor; a dimension of 1 is broadcast.
    fn new(x: &'a FlexTensor) -> Self {
        let layout = x.layout();
        let stride = |i: usize| if layout.shape()[i] == 1 { 0 } else { layout.strides()[i] as usize };
        Self { values: x.storage(), start: layout.start_offset(), strides: [stride(0), stride(1), stride(2)] }
    }

    /// The values from row (batch, head, row) on.
    fn from(&self, batch: usize, head: usize, row: usize) -> &'a [f32] {
        &self.values[self.start + batch * self.strides[0] + head * self.strides[1] + row * self.strides[2]..]
    }
}

/// A [batch, heads, rows, width] tensor whose values lie as [batch, rows, heads, width], so that joining heads copies nothing.
fn interleaved(values: Vec<f32>, [batch, heads, rows, width]: [usize; 4]) -> FlexTensor {
    let strides = [rows * heads * width, width, heads * width, 1].map(|s| s as isize);
    let layout = Layout::new(Shape::from([batch, heads, rows, width]), strides.to_vec(), 0);
    FlexTensor::new(Bytes::from_elems(values), layout, DType::F32)
}

/// The four sizes of a tensor of four dimensions.
fn dims4(x: &FlexTensor) -> [usize; 4] {
    let shape = x.layout().shape();
    [shape[0], shape[1], shape[2], shape[3]]
}

#[cfg(test)]
mod testing {
    //! What the tests of the operations share.

    use burn::tensor::{Device, Tensor, TensorData};
    use proptest::prelude::*;

    /// Sizes around the widths of vectors.
    pub(super) fn size() -> impl Strategy<Value = usize> {
        prop::sample::select(vec![1_usize, 2, 3, 17, 63, 64, 65])
    }

    /// Reproducible values of one seed, normally distributed.
    pub(super) fn random<const D: usize>(dims: [usize; D], seed: u64, device: &Device) -> Tensor<D> {
        use rand::{RngExt, SeedableRng};
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let n = dims.iter().product();
        let values: Vec<f32> = (0..n).map(|_| (0..6).map(|_| rng.random::<f32>() - 0.5).sum::<f32>() * 1.4).collect();
        Tensor::from_data(TensorData::new(values, dims), device)
    }

    /// A device with autodiff.
    pub(super) fn autodiff() -> Device {
        Device::flex().autodiff()
    }

    pub(super) fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
        x.into_data().try_into_vec().unwrap()
    }

    /// Equal within 1e-5 of 1 or of the largest value: where terms of that size cancel, their rounding stays.
    pub(super) fn close(what: &str, found: &[f32], wanted: &[f32]) {
        assert_eq!(found.len(), wanted.len(), "{what}");
        let largest = wanted.iter().fold(1.0_f32, |m, w| m.max(w.abs()));
        for (i, (f, w)) in found.iter().zip(wanted).enumerate() {
            assert!((f - w).abs() <= 1e-5 * largest, "{what}[{i}]: found {f}, expected {w}");
        }
    }

    /// Values and gradients of two functions of some inputs agree. The loss weighs every output differently.
    pub(super) fn agree<const D: usize, const E: usize>(
        inputs: &[Tensor<D>],
        fused: impl Fn(&[Tensor<D>]) -> Tensor<E>,
        twin: impl Fn(&[Tensor<D>]) -> Tensor<E>,
    ) {
        let run = |f: &dyn Fn(&[Tensor<D>]) -> Tensor<E>| {
            let inputs: Vec<_> = inputs.iter().map(|x| x.clone().detach().require_grad()).collect();
            let y = f(&inputs);
            let weights = random(y.dims(), 99, &Device::flex());
            let grads = (y.clone() * weights).sum().backward();
            (values(y.inner()), inputs.iter().map(|x| values(x.grad(&grads).unwrap())).collect::<Vec<_>>())
        };
        let (found, found_grads) = run(&fused);
        let (wanted, wanted_grads) = run(&twin);
        close("value", &found, &wanted);
        for (i, (f, w)) in found_grads.iter().zip(&wanted_grads).enumerate() {
            close(&format!("gradient {i}"), f, w);
        }
        // the same values without autodiff
        let plain: Vec<_> = inputs.iter().map(|x| x.clone().inner()).collect();
        close("plain value", &values(fused(&plain)), &wanted);
    }
}
