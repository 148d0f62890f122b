//! One training step, in four ways.

use burn::module::{Lora, Module, ParamGroup};
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor};
use model_zoo::heads::Head;
use model_zoo::{Base, TokenBatch};
use peft_adalora::{AdaLoraConfig, AdaLoraOptimizer, SvdLinear, orthogonality};
use peft_core::{Adapters, Hooks, Plain, sites};
use peft_lora::LoraLinear;

use crate::Shape;

const LEARNING_RATE: f64 = 1e-4;

/// A way to fine-tune a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contender {
    /// Every weight is trained.
    Full,
    /// Our LoRA: factored, through hooks, on a base that stays on the plain device.
    Lora,
    /// Our AdaLoRA on the same layers, half as much rank again at the start; the rank allocator is in the step.
    AdaLora,
    /// LoRA as `burn::module::Module::apply_lora` does it, on the same layers and of the same rank.
    ApplyLora,
}

impl Contender {
    /// All of them.
    pub const ALL: [Contender; 4] = [Contender::Full, Contender::Lora, Contender::AdaLora, Contender::ApplyLora];

    /// What benches call it.
    pub fn name(self) -> &'static str {
        match self {
            Contender::Full => "full",
            Contender::Lora => "lora",
            Contender::AdaLora => "adalora",
            Contender::ApplyLora => "apply_lora",
        }
    }

    /// The contender called `name`.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.name() == name)
    }

    /// A model at its start. Each call of the function is one step of AdamW on the same batch: forward, backward,
    /// update. It returns the loss before the update.
    pub fn start(self, shape: &Shape) -> Box<dyn FnMut() -> f32> {
        let device = Device::default().autodiff();
        let (base, head) = (shape.model(), shape.head(&device));
        match self {
            Contender::Full => {
                let base = base.train().set_require_grad(true);
                steps(shape, Whole { base, head }, |model, batch| logits(&model.base, &model.head, batch, &Plain))
            }
            Contender::Lora => {
                let lora = shape.lora();
                let selection = lora.selection(["classifier"]);
                let adapters = Adapters::attach(&base, &selection, &lora, 7, &device).expect("the targets exist");
                steps(shape, Adapted { adapters, head }, move |model, batch| {
                    let hooks = model.adapters.bind(&base).expect("attached to this base");
                    logits(&base, &model.head, batch, &hooks)
                })
            }
            Contender::AdaLora => {
                let adalora = shape.adalora();
                let selection = adalora.selection(["classifier"]);
                let adapters = Adapters::attach(&base, &selection, &adalora, 7, &device).expect("the targets exist");
                adalora_steps(shape, base, AdaptedBySvd { adapters, head }, &adalora)
            }
            Contender::ApplyLora => {
                let lora = shape.lora();
                let selected = lora.selection(["classifier"]).select(&sites(&base)).expect("the targets exist");
                let weights = ParamGroup::from_ids(selected.iter().map(|site| site.id).collect());
                let burns = Lora::new(lora.r, lora.lora_alpha).set_param_group(weights);
                let base = base.train().apply_lora(burns);
                steps(shape, Whole { base, head }, |model, batch| logits(&model.base, &model.head, batch, &Plain))
            }
        }
    }
}

/// A base that the optimizer sees, and a head.
#[derive(Module, Debug)]
struct Whole {
    base: Base,
    head: Head,
}

/// Adapters and a head, without the base.
#[derive(Module, Debug)]
struct Adapted {
    adapters: Adapters<LoraLinear>,
    head: Head,
}

/// SVD-form adapters and a head, without the base.
#[derive(Module, Debug)]
struct AdaptedBySvd {
    adapters: Adapters<SvdLinear>,
    head: Head,
}

fn adalora_steps(shape: &Shape, base: Base, model: AdaptedBySvd, config: &AdaLoraConfig) -> Box<dyn FnMut() -> f32> {
    let (batch, labels, weight) = (shape.tokens_batch(), shape.labels(), config.orth_reg_weight);
    let mut optimizer =
        AdaLoraOptimizer::new(AdamWConfig::new().init(), config, &model.adapters).expect("a schedule that works");
    let mut model = Some(model);
    Box::new(move || {
        let before = model.take().expect("every step puts a model back");
        let hooks = before.adapters.bind(&base).expect("attached to this base");
        let task = loss(logits(&base, &before.head, &batch, &hooks), labels.clone());
        let value = scalar(task.clone());
        let grads = (task + orthogonality(&before.adapters) * weight).backward();
        let grads = GradientsParams::from_grads(grads, &before);
        model = Some(optimizer.step(LEARNING_RATE, before, grads).expect("finite scores").0);
        value
    })
}

fn steps<M: Module + 'static>(
    shape: &Shape,
    model: M,
    logits: impl Fn(&M, &TokenBatch) -> Tensor<2> + 'static,
) -> Box<dyn FnMut() -> f32> {
    let (batch, labels) = (shape.tokens_batch(), shape.labels());
    let mut adamw = AdamWConfig::new().init();
    let mut model = Some(model);
    Box::new(move || {
        let before = model.take().expect("every step puts a model back");
        let loss = loss(logits(&before, &batch), labels.clone());
        let value = scalar(loss.clone());
        let grads = GradientsParams::from_grads(loss.backward(), &before);
        model = Some(adamw.step(LEARNING_RATE, before, grads));
        value
    })
}

pub(crate) fn logits(base: &Base, head: &Head, batch: &TokenBatch, hooks: &dyn Hooks) -> Tensor<2> {
    head.forward(base.encode(batch, hooks), batch, None) // [batch, labels]
}

fn loss(logits: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<1> {
    log_softmax(logits, 1).gather(1, labels.unsqueeze_dim(1)).mean().neg()
}

fn scalar(loss: Tensor<1>) -> f32 {
    loss.to_data().iter::<f32>().next().expect("a loss is one number")
}

/// Checks that both kinds of LoRA start as the plain model does, which B = 0 promises.
///
/// # Panics
/// If they do not.
pub fn assert_equal_at_start(losses: &[(Contender, f32)]) {
    for (contender, loss) in losses {
        let plain = losses[0].1;
        assert!(
            (loss - plain).abs() < 1e-5,
            "{}: loss {loss}, that of {} is {plain}",
            contender.name(),
            losses[0].0.name()
        );
    }
}

/// Checks that the loss of one contender fell.
///
/// # Panics
/// If it did not.
pub fn assert_learns(contender: Contender, losses: &[f32]) {
    let (first, last) = (losses[0], losses[losses.len() - 1]);
    assert!(last < first, "{}: the loss went from {first} to {last}", contender.name());
}
