//! Fine-tuning for classification: labelled sequences in, the best adapter on dev out.

use crate::classifier::{Classifier, Task};
use crate::examples::{ClassLoader, Examples};
use crate::foundation::Foundation;
use crate::metrics::{Confusion, Scores};
use crate::step_loop::{LogRow, LoopConfig, Observer, OnBest, Select, run};
use crate::tuning::{AnyTuning, Tuning};
use crate::{Error, Result};
use burn::tensor::Device;
use burn_train::Interrupter;
use burn_train::renderer::MetricsRenderer;
use genome_formats::{LabelSet, LabelledFile};
use model_zoo::heads::{HeadConfig, HeadKind};
use peft_adalora::Summary;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How a classifier is fine-tuned, whatever the method.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FinetuneConfig {
    /// Sequences in a batch. Default 32.
    pub batch_size: usize,
    /// Passes over the training data. Default 10.
    pub epochs: f64,
    /// Steps between evaluations on dev; 0 means once an epoch, but at least every 200 steps. Default 0.
    pub eval_every: usize,
    /// Highest learning rate. Default 2e-3 (adapters and a new head; a full model would want a tenth or less).
    pub learning_rate: f64,
    /// Share of the steps in which the learning rate rises. Default 0.1.
    pub warmup_share: f64,
    /// AdamW's weight decay. Default 0.01.
    pub weight_decay: f32,
    /// Global norm to which gradients are clipped; 0 never. Default 1.
    pub clip_norm: f32,
    /// Evaluations without a better one after which training stops; 0 never. Default 0.
    pub patience: usize,
    /// What "best on dev" means. Default: Matthews correlation.
    pub select: Select,
    /// Weigh labels so that rare ones count as much as frequent ones. Default false.
    pub balanced: bool,
    /// Which head. Default: the one that knows positions.
    pub head: HeadKind,
    /// Dropout in the head. Default 0.1.
    pub head_dropout: f64,
    /// Places along the sequence that the position head tells apart. Default 64.
    pub bins: usize,
    /// Features of each token that the position head keeps. Default 16.
    pub features: usize,
    /// Longest sequence in tokens; 0 means what the model was trained on, or 512. Default 0.
    pub max_tokens: usize,
    /// Hold the activations of one layer at a time, and compute them twice: less memory, a third more time. Default false.
    pub gradient_checkpointing: bool,
    /// Everything random follows from this. Default 1.
    pub seed: u64,
}

impl Default for FinetuneConfig {
    fn default() -> Self {
        Self {
            batch_size: 32,
            epochs: 10.0,
            eval_every: 0,
            learning_rate: 2e-3,
            warmup_share: 0.1,
            weight_decay: 0.01,
            clip_norm: 1.0,
            patience: 0,
            select: Select::Mcc,
            balanced: false,
            head: HeadKind::Position,
            head_dropout: 0.1,
            bins: 64,
            features: 16,
            max_tokens: 0,
            gradient_checkpointing: false,
            seed: 1,
        }
    }
}

impl FinetuneConfig {
    /// Names the first setting that cannot work.
    ///
    /// # Errors
    /// [`Error::Config`] with the setting, what was expected and what was found.
    pub fn check(&self) -> Result<()> {
        let wrong = |what: &str, expected: &str, found: String| {
            Err(Error::Config(format!("{what}: expected {expected}, found {found}")))
        };
        match self {
            c if c.batch_size == 0 => wrong("batch size", "at least 1", "0".to_owned()),
            c if !(c.epochs > 0.0 && c.epochs.is_finite()) => wrong("epochs", "more than 0", c.epochs.to_string()),
            c if !(c.learning_rate > 0.0 && c.learning_rate <= 1.0) => {
                wrong("learning rate", "more than 0, at most 1", c.learning_rate.to_string())
            }
            c if !(0.0..1.0).contains(&c.warmup_share) => {
                wrong("warm-up share", "0 to below 1", c.warmup_share.to_string())
            }
            c if !(0.0..1.0).contains(&c.head_dropout) => {
                wrong("head dropout", "0 to below 1", c.head_dropout.to_string())
            }
            c if c.head == HeadKind::Position && (c.bins == 0 || c.features == 0) => {
                wrong("bins and features of the position head", "at least 1", format!("{} and {}", c.bins, c.features))
            }
            c if c.max_tokens == 1 || c.max_tokens == 2 => {
                wrong("longest sequence in tokens", "at least 3 (two are special)", c.max_tokens.to_string())
            }
            _ => Ok(()),
        }
    }

    /// The loop for `examples` training examples.
    pub fn schedule(&self, examples: usize) -> LoopConfig {
        let per_epoch = examples.div_ceil(self.batch_size).max(1);
        let steps = ((self.epochs * per_epoch as f64).ceil() as usize).max(1);
        LoopConfig {
            steps,
            eval_every: if self.eval_every > 0 { self.eval_every } else { per_epoch.min(200) }.min(steps),
            learning_rate: self.learning_rate,
            warmup_steps: (self.warmup_share * steps as f64) as usize,
            weight_decay: self.weight_decay,
            beta_2: 0.999,
            clip_norm: self.clip_norm,
            patience: self.patience,
            select: self.select,
        }
    }

    /// What predicting will need, for a base and label names.
    ///
    /// # Errors
    /// [`Error::Config`] if the model cannot read `max_tokens` tokens.
    pub fn task(&self, foundation: &Foundation, labels: &LabelSet) -> Result<Task> {
        let limit = foundation.base.max_tokens();
        if let Some(limit) = limit.filter(|l| self.max_tokens > *l) {
            let reason = format!(
                "longest sequence in tokens: expected at most {limit} for this base, found {}",
                self.max_tokens
            );
            return Err(Error::Config(reason));
        }
        let max_tokens = if self.max_tokens > 0 { self.max_tokens } else { limit.unwrap_or(512).max(512) };
        Ok(Task {
            labels: labels.names().to_vec(),
            head: HeadConfig {
                kind: self.head,
                d_model: foundation.base.d_model(),
                num_labels: labels.len(),
                dropout: self.head_dropout,
                bins: if self.head == HeadKind::Position { self.bins } else { 0 },
                features: if self.head == HeadKind::Position { self.features } else { 0 },
                own_pooler: self.head == HeadKind::Bert && !foundation.base.has_pooler(),
            },
            tokenizer: foundation.spec.clone(),
            max_tokens,
            batch_size: 64,
            prompt: None,
        })
    }
}

/// Training and dev examples with what describes them.
#[derive(Debug, Clone)]
pub struct Data {
    /// Training examples.
    pub train: Arc<Examples>,
    /// Dev examples, by which the best model is chosen.
    pub dev: Arc<Examples>,
}

impl Data {
    /// Tokenises both splits for `task`.
    ///
    /// # Errors
    /// As [`Examples::new`].
    pub fn new(
        train: &LabelledFile,
        dev: &LabelledFile,
        labels: &LabelSet,
        foundation: &Foundation,
        task: &Task,
    ) -> Result<Self> {
        let examples = |file| Examples::new(file, labels, task, foundation).map(Arc::new);
        Ok(Self { train: examples(train)?, dev: examples(dev)? })
    }
}

/// A fine-tuned classifier and how it came about.
#[derive(Debug)]
pub struct Finetuned<T: Tuning = AnyTuning> {
    /// The best on dev, ready to predict, and as its folder reads back.
    pub classifier: Classifier<T>,
    /// Number of values that were trained, and of those that were left alone.
    pub parameters: (usize, usize),
    /// The step after which it was the best.
    pub best_step: usize,
    /// Steps that were made.
    pub steps: usize,
    /// The whole log.
    pub log: Vec<LogRow>,
    /// Median training speed, padding not counted.
    pub tokens_per_second: f64,
    /// What the rank allocator did, if the method has one.
    pub allocation: Option<Summary>,
}

/// Trains `tuning`, made for this base, and a new head.
///
/// `on_best` is called with each new best classifier, so that an interrupted run leaves it behind.
///
/// # Errors
/// [`Error::Config`], [`Error::AdaLora`] for a schedule that cannot work, [`Error::Training`].
#[allow(clippy::too_many_arguments, reason = "one call site a program; a struct would only rename the arguments")]
pub fn finetune<T: Tuning>(
    foundation: &Foundation,
    data: &Data,
    task: &Task,
    tuning: T,
    config: &FinetuneConfig,
    device: &Device,
    renderer: Box<dyn MetricsRenderer>,
    interrupter: Interrupter,
    observer: Observer,
    on_best: OnBest<Classifier<T>>,
) -> Result<Finetuned<T>> {
    config.check()?;
    let weights = config.balanced.then(|| data.train.balanced_weights(task.labels.len()));
    device.seed(config.seed); // dropout masks
    let classifier = Classifier::new(foundation, tuning, task, config.seed, device);
    let parameters = classifier.count();
    let schedule = config.schedule(data.train.len());
    let stepper = classifier.stepper(schedule.adamw())?;
    let pad = foundation.tokenizer.pad_id();
    let train =
        ClassLoader::training(data.train.clone(), config.batch_size, pad, config.seed, schedule.eval_every, device);
    let dev = ClassLoader::evaluation(data.dev.clone(), task.batch_size, pad, device);
    let trained = run(
        classifier.with_class_weights(weights).with_gradient_checkpointing(config.gradient_checkpointing),
        Arc::new(train),
        Arc::new(dev),
        stepper,
        &schedule,
        data.train.len(),
        renderer,
        interrupter,
        observer,
        on_best,
    )?;
    Ok(Finetuned {
        classifier: trained.model.settled(),
        parameters,
        best_step: trained.best_step,
        steps: trained.steps,
        log: trained.log,
        tokens_per_second: trained.tokens_per_second,
        allocation: trained.allocation,
    })
}

/// Scores a classifier on labelled examples: all scores and the confusion matrix.
pub fn score<T: Tuning>(
    classifier: &Classifier<T>,
    examples: &Examples,
    task: &Task,
    foundation: &Foundation,
    device: &Device,
) -> (Scores, Confusion) {
    let pad = foundation.tokenizer.pad_id();
    Scores::of(&classifier.predict(&examples.ids, pad, task.batch_size, device), &examples.labels)
}
