//! One quiet run of fine-tuning, for commands that compare many.

use crate::device::Chosen;
use anyhow::Result;
use genome_formats::{LabelSet, LabelledFile};
use genome_train::classifier::Task;
use genome_train::examples::Examples;
use genome_train::finetune::{Data, FinetuneConfig, Finetuned, finetune};
use genome_train::foundation::Foundation;
use genome_train::metrics::Scores;
use genome_train::render::Silent;
use genome_train::step_loop::LogRow;
use genome_train::task_prompt::TaskPrompt;
use genome_train::tuning::{AnyMethod, AnyTuning, Tuning};
use std::time::Instant;

/// What is trained, chosen by and judged by.
pub(crate) struct Sets {
    pub(crate) train: LabelledFile,
    pub(crate) dev: LabelledFile,
    pub(crate) test: LabelledFile,
    pub(crate) labels: LabelSet,
}

/// What is the same in all runs of a comparison.
pub(crate) struct Bench<'a> {
    pub(crate) foundation: &'a Foundation,
    pub(crate) sets: &'a Sets,
    pub(crate) chosen: &'a Chosen,
}

/// A run's outcome.
pub(crate) struct Trial<T: Tuning = AnyTuning> {
    pub(crate) trained: Finetuned<T>,
    /// Probabilities of the labels, a row each test example.
    pub(crate) probabilities: Vec<Vec<f32>>,
    pub(crate) scores: Scores,
    /// Matthews correlation of the best on dev.
    pub(crate) dev_mcc: f64,
    /// Sequences that were cut, of all three sets.
    pub(crate) cut: usize,
    /// Weights that were trained, the head's among them.
    pub(crate) trainable: usize,
    pub(crate) seconds: f64,
}

impl Bench<'_> {
    /// Trains with the method that `settings` gives for a number of steps, keeps the best on dev, and scores it on test.
    pub(crate) fn run(
        &self,
        config: &FinetuneConfig,
        prompt: Option<&TaskPrompt>,
        settings: &dyn Fn(usize) -> Result<AnyMethod>,
    ) -> Result<Trial> {
        self.run_with(config, prompt, &|steps, task| {
            let method = settings(steps)?.for_task("SEQ_CLS", task.modules_to_save());
            Ok(method.attach(&self.foundation.base, config.seed, &self.chosen.device)?)
        })
    }

    /// [`Bench::run`] with what `attach` makes for a number of steps and a task.
    pub(crate) fn run_with<T: Tuning>(
        &self,
        config: &FinetuneConfig,
        prompt: Option<&TaskPrompt>,
        attach: &dyn Fn(usize, &Task) -> Result<T>,
    ) -> Result<Trial<T>> {
        let Self { foundation, sets, chosen } = *self;
        let started = Instant::now();
        let task = Task { prompt: prompt.cloned(), ..config.task(foundation, &sets.labels)? };
        let data = Data::new(&sets.train, &sets.dev, &sets.labels, foundation, &task)?;
        let tuning = attach(config.schedule(data.train.len()).steps, &task)?;
        let trained = finetune(
            foundation,
            &data,
            &task,
            tuning,
            config,
            &chosen.device,
            Box::new(Silent),
            Default::default(),
            Box::new(|_: &LogRow| ()),
            Box::new(|_| Ok(())),
        )?;
        let test = Examples::new(&sets.test, &sets.labels, &task, foundation)?;
        let pad = foundation.tokenizer.pad_id();
        let probabilities = trained.classifier.predict(&test.ids, pad, task.batch_size, &chosen.device);
        let (scores, _) = Scores::of(&probabilities, &test.labels);
        let dev_mcc = trained.log.iter().rev().find_map(|row| match row {
            LogRow::Eval { best: true, eval_matthews_correlation, .. } => Some(*eval_matthews_correlation),
            _ => None,
        });
        let (trainable, _) = trained.parameters;
        let cut = data.train.truncated + data.dev.truncated + test.truncated;
        Ok(Trial {
            trained,
            probabilities,
            scores,
            dev_mcc: dev_mcc.unwrap_or(f64::NAN),
            cut,
            trainable,
            seconds: started.elapsed().as_secs_f64(),
        })
    }
}
