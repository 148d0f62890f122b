//! The training loop: steps, evaluations on dev, the best model kept. It runs as a strategy of burn-train, whose dashboard,
//! metrics and interruption it uses.
//!
//! What differs from burn-train's own strategy: evaluation every N steps, not every pass over the data; gradients are
//! clipped by their global norm, not one by one; the best model on dev is returned, not the last.

use crate::metrics::McMetric;
use crate::stepper::Stepper;
use burn::data::dataloader::{DataLoader, Progress};
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Tensor, activation::softmax};
use burn_train::logger::InMemoryMetricLogger;
use burn_train::metric::{AccuracyMetric, LossMetric};
use burn_train::renderer::MetricsRenderer;
use burn_train::{
    ClassificationOutput, EventProcessorTraining, InferenceStep, Interrupter, Learner, LearnerEvent,
    SupervisedLearningStrategy, SupervisedTraining, SupervisedTrainingEventProcessor, TrainLoader, TrainStep,
    TrainingComponents, TrainingItem, TrainingStrategy, ValidLoader,
};
use peft_adalora::Summary;
use serde::{Deserialize, Serialize};
use std::marker::PhantomData;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// How a model is trained, whatever it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoopConfig {
    /// Optimizer steps in all.
    pub steps: usize,
    /// Steps between evaluations on dev.
    pub eval_every: usize,
    /// Highest learning rate, reached after the warm-up.
    pub learning_rate: f64,
    /// Steps during which the rate rises linearly from 0; afterwards it falls linearly to 0.
    pub warmup_steps: usize,
    /// AdamW's decoupled weight decay (Loshchilov and Hutter, ICLR 2019).
    pub weight_decay: f32,
    /// AdamW's second-moment decay.
    pub beta_2: f32,
    /// Gradients are scaled down to this global L2 norm; 0 leaves them alone.
    pub clip_norm: f32,
    /// Evaluations without a better score after which training stops; 0 never stops early.
    pub patience: usize,
    /// What "better on dev" means.
    pub select: Select,
}

/// The dev score by which the best model is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Select {
    /// Highest Matthews correlation; among equals the lower loss.
    Mcc,
    /// Lowest loss.
    Loss,
}

impl LoopConfig {
    /// The learning rate of a step, counted from 0.
    pub fn rate(&self, step: usize) -> f64 {
        let (step, steps, warmup) = (step as f64, self.steps as f64, self.warmup_steps as f64);
        let share = if step < warmup { (step + 1.0) / warmup } else { (steps - step) / (steps - warmup).max(1.0) };
        self.learning_rate * share.clamp(0.0, 1.0)
    }

    /// The optimizer (Loshchilov and Hutter, ICLR 2019).
    pub fn adamw(&self) -> ModuleOptimizer {
        AdamWConfig::new().with_weight_decay(self.weight_decay).with_beta_2(self.beta_2).with_epsilon(1e-8).init()
    }
}

/// One row of the log, as people know it from the Hugging Face Trainer's `log_history`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum LogRow {
    /// Mean over the steps since the last row.
    Train {
        /// Optimizer steps done.
        step: usize,
        /// Passes over the training data done.
        epoch: f64,
        /// Mean loss.
        loss: f64,
        /// Global norm of the gradients before clipping, mean.
        grad_norm: f64,
        /// Learning rate of the last step.
        learning_rate: f64,
        /// Tokens read per second, padding not counted.
        tokens_per_second: f64,
    },
    /// An evaluation on dev.
    Eval {
        /// Optimizer steps done.
        step: usize,
        /// Passes over the training data done.
        epoch: f64,
        /// Mean loss.
        eval_loss: f64,
        /// Share of right answers.
        eval_accuracy: f64,
        /// Matthews correlation.
        eval_matthews_correlation: f64,
        /// True if this is the best so far.
        #[serde(skip)]
        best: bool,
    },
}

/// A batch that knows its size.
pub trait Batch: Send + 'static {
    /// Tokens that are not padding.
    fn tokens(&self) -> usize;
    /// Examples.
    fn examples(&self) -> usize;
}

/// A model that [`run`] can train: logits and targets come out of both steps.
pub trait Trainable<B: Batch>:
    TrainStep<Input = B, Output = ClassificationOutput>
    + InferenceStep<Input = B, Output = ClassificationOutput>
    + Module
    + std::fmt::Display
    + 'static
{
}
impl<B: Batch, M> Trainable<B> for M where
    M: TrainStep<Input = B, Output = ClassificationOutput>
        + InferenceStep<Input = B, Output = ClassificationOutput>
        + Module
        + std::fmt::Display
        + 'static
{
}

/// What training ended with.
#[derive(Debug)]
pub struct Trained<M> {
    /// The best model on dev, off the autodiff device.
    pub model: M,
    /// The step after which it was the best.
    pub best_step: usize,
    /// Steps that were made.
    pub steps: usize,
    /// Everything that was logged.
    pub log: Vec<LogRow>,
    /// Median of tokens per second over the log rows, padding not counted.
    pub tokens_per_second: f64,
    /// What the rank allocator did, if the method has one.
    pub allocation: Option<Summary>,
}

/// Called with every row of the log as it appears; [`Interrupter`] stops the run from outside.
pub type Observer = Box<dyn FnMut(&LogRow) + Send>;

/// Called with every new best model, off the autodiff device; an error stops the run.
pub type OnBest<M> = Box<dyn FnMut(&M) -> crate::Result<()> + Send>;

/// Trains `model` and returns the best on `dev`; while ranks are still to be allocated, that is the best of those until one
/// with final ranks is there.
///
/// `train` yields the batches of one evaluation interval per iteration ([`LoopConfig::eval_every`] of them), `dev` all of
/// dev. `examples` is the size of the training set (for epochs). `renderer` shows burn-train's dashboard.
///
/// # Errors
/// [`crate::Error::Training`] if the data cannot be read or the loss is no number.
#[allow(clippy::too_many_arguments, reason = "one call site a program; a struct would only rename the arguments")]
pub fn run<B: Batch, M: Trainable<B>>(
    model: M,
    train: Arc<dyn DataLoader<B>>,
    dev: Arc<dyn DataLoader<B>>,
    stepper: Stepper,
    config: &LoopConfig,
    examples: usize,
    renderer: Box<dyn MetricsRenderer>,
    interrupter: Interrupter,
    observer: Observer,
    on_best: OnBest<M>,
) -> crate::Result<Trained<M>> {
    let outcome = Arc::new(Mutex::new(Outcome::default()));
    let strategy = StepStrategy {
        config: config.clone(),
        examples,
        stepper: Mutex::new(stepper),
        observer: Mutex::new(observer),
        on_best: Mutex::new(on_best),
        outcome: outcome.clone(),
        batch: PhantomData,
    };
    let rounds = config.steps.div_ceil(config.eval_every);
    // The directory is a name only: metrics stay in memory and no application log is installed.
    let result = SupervisedTraining::new("", train, dev)
        .with_application_logger(None)
        .with_metric_logger(InMemoryMetricLogger::default())
        .with_interrupter(interrupter)
        .renderer(renderer)
        .num_epochs(rounds)
        .metrics((LossMetric::new(), AccuracyMetric::new(), McMetric::default()))
        .with_training_strategy(TrainingStrategy::Custom(Arc::new(strategy)))
        .launch(Learner::new(model, config.adamw(), config.learning_rate));
    if let Some(error) = result.error {
        return Err(crate::Error::Training { reason: error.to_string() });
    }
    let outcome = std::mem::take(&mut *outcome.lock().expect("the strategy has ended"));
    if let Some(error) = outcome.failed {
        return Err(error);
    }
    let mut speeds: Vec<f64> = outcome
        .log
        .iter()
        .filter_map(|row| match row {
            LogRow::Train { tokens_per_second, .. } => Some(*tokens_per_second),
            LogRow::Eval { .. } => None,
        })
        .collect();
    speeds.sort_by(f64::total_cmp);
    let tokens_per_second = speeds.get(speeds.len() / 2).copied().unwrap_or(0.0);
    Ok(Trained {
        model: result.model,
        best_step: outcome.best_step,
        steps: outcome.steps,
        log: outcome.log,
        tokens_per_second,
        allocation: outcome.allocation,
    })
}

#[derive(Default)]
struct Outcome {
    log: Vec<LogRow>,
    best_step: usize,
    steps: usize,
    allocation: Option<Summary>,
    failed: Option<crate::Error>,
}

struct StepStrategy<B, M> {
    config: LoopConfig,
    examples: usize,
    stepper: Mutex<Stepper>,
    observer: Mutex<Observer>,
    on_best: Mutex<OnBest<M>>,
    outcome: Arc<Mutex<Outcome>>,
    batch: PhantomData<fn(B)>,
}

impl<B, M> StepStrategy<B, M> {
    fn log(&self, row: LogRow) {
        (self.observer.lock().expect("observers do not panic"))(&row);
        self.outcome.lock().expect("one thread writes").log.push(row);
    }

    fn fail(&self, error: crate::Error) {
        self.outcome.lock().expect("one thread writes").failed = Some(error);
    }
}

impl<B: Batch, M: Trainable<B>> SupervisedLearningStrategy<M> for StepStrategy<B, M> {
    fn fit(
        &self,
        components: TrainingComponents<M>,
        learner: Learner<M>,
        train: TrainLoader<M>,
        dev: ValidLoader<M>,
        _starting_epoch: usize,
    ) -> (M, SupervisedTrainingEventProcessor<M>) {
        let (mut events, interrupter) = (components.event_processor, components.interrupter);
        let mut stepper = self.stepper.lock().expect("a strategy runs once");
        let mut model = learner.model();
        let mut best: Option<(Score, M)> = None;
        let (mut step, mut seen, mut since_best) = (0, 0, 0);
        'rounds: for round in 1..=components.num_epochs {
            let (mut losses, mut norms, mut tokens) = (Vec::new(), 0.0, 0);
            let started = Instant::now();
            let split = |items| LearnerEvent::StartSplit { epoch_number: round, total_items: items };
            interrupter.fail_on_error(events.process_train(split(train.num_items())));
            let mut batches = train.iter();
            while let Some(batch) = batches.next() {
                let batch = match batch {
                    Ok(batch) => batch,
                    Err(error) => {
                        interrupter.fail(error);
                        break;
                    }
                };
                if step == self.config.steps || interrupter.should_stop() {
                    break;
                }
                (tokens, seen) = (tokens + batch.tokens(), seen + batch.examples());
                let output = TrainStep::step(&model, batch);
                let (grads, norm) = clip(&model, output.grads, self.config.clip_norm);
                let rate = self.config.rate(step);
                let before = model.clone(); // handles, not values
                model = match stepper.step(rate, model, grads) {
                    Ok((model, _)) => model,
                    Err(error) => {
                        self.fail(error);
                        model = before;
                        break 'rounds;
                    }
                };
                step += 1;
                losses.push(f64::from(output.item.loss.clone().into_scalar::<f32>()));
                norms += f64::from(norm);
                let item = TrainingItem::new(output.item, batches.progress(), Some(step), Some(rate.into()));
                interrupter.fail_on_error(events.process_train(LearnerEvent::ProcessedItem(item)));
            }
            interrupter.fail_on_error(events.process_train(LearnerEvent::EndSplit(round)));
            if losses.is_empty() {
                break;
            }
            let epoch = seen as f64 / self.examples as f64;
            let loss = losses.iter().sum::<f64>() / losses.len() as f64;
            self.log(LogRow::Train {
                step,
                epoch,
                loss,
                grad_norm: norms / losses.len() as f64,
                learning_rate: self.config.rate(step - 1),
                tokens_per_second: tokens as f64 / started.elapsed().as_secs_f64(),
            });
            if !loss.is_finite() {
                let reason = format!("the loss became {loss} by step {step}: try a lower learning rate");
                self.fail(crate::Error::Training { reason });
                break;
            }

            interrupter.fail_on_error(events.process_valid(split(dev.num_items())));
            let valid = model.valid();
            let score = Score { settled: stepper.is_settled(), ..evaluate(&valid, &dev, &mut events, &interrupter) };
            interrupter.fail_on_error(events.process_valid(LearnerEvent::EndSplit(round)));
            interrupter.fail_on_error(events.process_train(LearnerEvent::EndEpoch(round)));
            let is_best = best.as_ref().is_none_or(|(b, _)| score.beats(b, self.config.select));
            self.log(LogRow::Eval {
                step,
                epoch,
                eval_loss: score.loss,
                eval_accuracy: score.accuracy,
                eval_matthews_correlation: score.mcc,
                best: is_best,
            });
            since_best = if is_best || !score.settled { 0 } else { since_best + 1 };
            if is_best {
                self.outcome.lock().expect("one thread writes").best_step = step;
                best = Some((score, model.clone()));
                if let Err(error) = (self.on_best.lock().expect("callbacks do not panic"))(&valid) {
                    self.fail(error);
                    break;
                }
            }
            if interrupter.should_stop() || (self.config.patience > 0 && since_best >= self.config.patience) {
                break;
            }
        }
        {
            let mut outcome = self.outcome.lock().expect("one thread writes");
            (outcome.steps, outcome.allocation) = (step, stepper.summary());
        }
        (best.map_or(model, |(_, m)| m), events)
    }
}

struct Score {
    settled: bool, // no allocation of ranks is to come
    loss: f64,
    accuracy: f64,
    mcc: f64,
}

impl Score {
    fn beats(&self, other: &Self, select: Select) -> bool {
        if self.settled != other.settled {
            return self.settled;
        }
        match select {
            Select::Mcc => self.mcc > other.mcc || (self.mcc == other.mcc && self.loss < other.loss),
            Select::Loss => self.loss < other.loss,
        }
    }
}

fn evaluate<B: Batch, M: Trainable<B>>(
    model: &M,
    dev: &ValidLoader<M>,
    events: &mut SupervisedTrainingEventProcessor<M>,
    interrupter: &Interrupter,
) -> Score {
    let (mut loss, mut count) = (0.0, 0);
    let (mut truth, mut guess, mut classes) = (Vec::new(), Vec::new(), 0);
    let mut batches = dev.iter();
    let mut iteration = 0;
    while let Some(batch) = batches.next() {
        let batch = match batch {
            Ok(batch) => batch,
            Err(error) => {
                interrupter.fail(error);
                break;
            }
        };
        let output = InferenceStep::step(model, batch);
        let [rows, c] = output.output.dims();
        classes = c;
        loss += f64::from(output.loss.clone().into_scalar::<f32>()) * rows as f64;
        count += rows;
        guess.extend(indices(output.output.clone().argmax(1).reshape([rows])));
        truth.extend(indices(output.targets.clone()));
        iteration += 1;
        let item = TrainingItem::new(output, batches.progress(), Some(iteration), None);
        interrupter.fail_on_error(events.process_valid(LearnerEvent::ProcessedItem(item)));
    }
    let confusion = crate::metrics::Confusion::count(&truth, &guess, classes);
    Score { settled: true, loss: loss / count.max(1) as f64, accuracy: confusion.accuracy(), mcc: confusion.mcc() }
}

/// Labels as plain numbers.
pub(crate) fn indices(labels: Tensor<1, burn::tensor::Int>) -> Vec<usize> {
    let data = labels.into_data().convert::<i64>();
    data.try_into_vec::<i64>().expect("just converted to i64").into_iter().map(|i| i as usize).collect()
}

/// Probabilities of the labels, one row an example.
pub(crate) fn probabilities(logits: Tensor<2>) -> Vec<Vec<f32>> {
    let [_, classes] = logits.dims();
    let data = softmax(logits, 1).into_data().convert::<f32>();
    data.try_into_vec::<f32>().expect("just converted to f32").chunks(classes).map(<[f32]>::to_vec).collect()
}

/// Scales gradients so that their global L2 norm is at most `limit` (Pascanu, Mikolov, Bengio, ICML 2013); returns the
/// norm before.
pub(crate) fn clip<M: Module>(model: &M, mut grads: GradientsParams, limit: f32) -> (GradientsParams, f32) {
    struct Squares<'a> {
        grads: &'a GradientsParams,
        sums: Vec<Tensor<1>>,
    }
    impl ModuleVisitor for Squares<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(grad) = self.grads.get::<D>(param.id) {
                self.sums.push((grad.clone() * grad).sum());
            }
        }
    }
    struct Scale<'a> {
        grads: &'a mut GradientsParams,
        by: f32,
    }
    impl ModuleVisitor for Scale<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(grad) = self.grads.remove::<D>(param.id) {
                self.grads.register(param.id, grad * self.by);
            }
        }
    }
    let mut squares = Squares { grads: &grads, sums: Vec::new() };
    model.visit(&mut squares);
    if squares.sums.is_empty() {
        return (grads, 0.0);
    }
    let norm = Tensor::cat(squares.sums, 0).sum().into_scalar::<f32>().sqrt(); // one read-back for all parameters
    if limit > 0.0 && norm > limit {
        model.visit(&mut Scale { grads: &mut grads, by: limit / norm });
    }
    (grads, norm)
}

/// How far an iteration over batches is.
pub(crate) fn progress(done: usize, total: usize) -> Progress {
    Progress::new(done, total, Some("batches".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::LinearConfig;
    use burn::tensor::Device;

    #[test]
    fn the_rate_rises_and_falls() {
        let config = LoopConfig {
            steps: 100,
            eval_every: 10,
            learning_rate: 1.0,
            warmup_steps: 10,
            weight_decay: 0.0,
            beta_2: 0.999,
            clip_norm: 0.0,
            patience: 0,
            select: Select::Loss,
        };
        let rates: Vec<f64> = (0..100).map(|s| config.rate(s)).collect();
        assert_eq!((rates[0], rates[9], rates[10]), (0.1, 1.0, 1.0));
        assert!(rates[10..].windows(2).all(|w| w[1] < w[0]) && rates[99] > 0.0);
        let no_warmup = LoopConfig { warmup_steps: 0, steps: 1, ..config };
        assert_eq!(no_warmup.rate(0), 1.0);
    }

    #[test]
    fn gradients_are_clipped_by_their_global_norm() {
        let device = Device::default().autodiff();
        let layer = LinearConfig::new(3, 2).init(&device);
        let grads = || {
            let x = Tensor::<2>::from_floats([[1.0, 2.0, 3.0]], &device);
            GradientsParams::from_grads(layer.forward(x).sum().backward(), &layer)
        };
        // d/dW = x for both outputs, d/db = 1: norm² = 2·(1 + 4 + 9) + 2
        let expected = 30.0_f32.sqrt();
        let (whole, norm) = clip(&layer, grads(), 0.0);
        assert!((norm - expected).abs() < 1e-5);
        assert_eq!(clip(&layer, grads(), 100.0).1, norm);
        let (clipped, before) = clip(&layer, grads(), 1.0);
        assert_eq!(before, norm);
        assert!((clip(&layer, clipped, 0.0).1 - 1.0).abs() < 1e-5);
        let weight = whole.get::<2>(layer.weight.id).unwrap().into_data().try_into_vec::<f32>().unwrap();
        assert_eq!(weight, [1.0, 1.0, 2.0, 2.0, 3.0, 3.0]);
    }
}
