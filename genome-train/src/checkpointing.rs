//! Gradient checkpointing (Chen et al. 2016, "Training deep nets with sublinear memory cost", arXiv:1604.06174), a layer at a time.
//!
//! A step of training holds what every layer's backward pass needs. Here the layers run once without that, and only the hidden
//! states between them are kept, [batch, seq, d_model] each; then, from the last to the first, a layer runs again with all of it
//! and passes its gradient down. Peak memory is that of one layer; the price is a second forward pass. Gradients are the same:
//! before each layer the generator of dropout masks is set to the same place in both runs.

use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{Device, Distribution, Tensor};
use burn_train::{ClassificationOutput, TrainOutput};
use model_zoo::{Base, Part, Pass, TokenBatch};
use peft_core::Hooks;

/// One step: the loss that `end` makes of the last hidden state, and the gradients of `module`.
///
/// `penalty` is a term of the loss that the hidden states have no part in. `hooks` are tracked by autodiff; `untracked` are the same without it, but still in training.
pub(crate) fn step<M: Module>(
    module: &M,
    base: &Base,
    batch: &TokenBatch,
    untracked: &dyn Hooks,
    hooks: &dyn Hooks,
    end: impl FnOnce(Tensor<3>) -> ClassificationOutput,
    penalty: Option<Tensor<1>>,
) -> TrainOutput<ClassificationOutput> {
    let device = batch.ids.device();
    let seeds = Seeds::draw(&device);
    let layers = base.config().blocks();
    let run = |layer: usize, input: Option<Tensor<3>>, hooks: &dyn Hooks| {
        let part = match input {
            None => Part::first(layer + 1),
            Some(h) => Part::after(h, layer..layer + 1),
        };
        seeds.set(layer);
        base.forward(batch, &mut Pass::new().with_hooks(hooks).with_part(part)) // [batch, seq, d_model]
    };

    let mut inputs = vec![None]; // of each layer; the first starts from the embeddings
    for layer in 0..layers - 1 {
        let h = run(layer, inputs[layer].clone(), untracked);
        inputs.push(Some(h.without_autodiff()));
    }

    let tracked = |input: Option<Tensor<3>>| input.map(|h| h.autodiff().require_grad());
    let mut sum = GradientsAccumulator::new();
    let input = tracked(inputs.pop().expect("a model has a layer"));
    let output = end(run(layers - 1, input.clone(), hooks));
    let loss = match penalty {
        Some(penalty) => output.loss.clone() + penalty,
        None => output.loss.clone(),
    };
    let mut grads = loss.backward();
    let mut above = input.and_then(|h| h.grad_remove(&mut grads)); // of the hidden state that this layer got
    sum.accumulate(module, GradientsParams::from_grads(grads, module));
    for layer in (0..layers - 1).rev() {
        let Some(from_above) = above.take() else { break };
        let input = tracked(inputs.pop().expect("one for each layer"));
        let h = run(layer, input.clone(), hooks);
        if !h.is_tracked() {
            break; // nothing of the embeddings and the first layer is trained
        }
        let mut grads = (h * from_above.autodiff()).sum().backward();
        above = input.and_then(|h| h.grad_remove(&mut grads));
        sum.accumulate(module, GradientsParams::from_grads(grads, module));
    }
    TrainOutput { grads: sum.grads(), item: output }
}

/// Where the device's generator of random numbers stands before each layer.
struct Seeds<'a> {
    device: &'a Device,
    first: u64,
}

impl<'a> Seeds<'a> {
    /// From the generator itself, so that each step has masks of its own and a seeded run repeats.
    fn draw(device: &'a Device) -> Self {
        let bits = || {
            let one = Tensor::<1>::random([1], Distribution::Uniform(0.0, f64::from(1 << 24)), device);
            one.into_data().iter::<f32>().next().expect("one number") as u64
        };
        Self { device, first: bits() << 24 | bits() }
    }

    fn set(&self, layer: usize) {
        self.device.seed(self.first.wrapping_add((layer as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)));
    }
}
