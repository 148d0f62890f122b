//! One cell of `genome matrix`: a method on a model, trained, saved, read and asked again.

use super::Way;
use super::models::{FamilyName, Model};
use crate::args::{BasesName, LingoArgs, MethodName, PromptName};
use crate::device::Chosen;
use crate::method::{Wanted, task_prompt};
use crate::trial::{Bench, Sets};
use anyhow::{Result, bail, ensure};
use burn::module::Module;
use genome_train::classifier::{Classifier, Task};
use genome_train::examples::Examples;
use genome_train::finetune::FinetuneConfig;
use genome_train::foundation::Foundation;
use genome_train::step_loop::LogRow;
use model_zoo::Purpose;
use model_zoo::packed::Bits;
use model_zoo::quantised::QuantiseConfig;
use peft_lingo::Sampling;
use serde_json::{Value, json};
use std::fmt;
use std::path::Path;
use std::time::Instant;

/// A cell of the table.
pub(crate) struct Cell {
    pub(crate) family: FamilyName,
    pub(crate) way: Way,
    pub(crate) outcome: Outcome,
}

/// What became of it.
pub(crate) enum Outcome {
    Works(Works),
    /// Why it cannot mean anything.
    Meaningless(String),
    /// What went wrong.
    Failed(String),
}

/// Numbers of a cell that works.
pub(crate) struct Works {
    /// Loss on the training rows, before the first step and after the last.
    losses: [f64; 2],
    /// Weights that were trained, the head's among them.
    trainable: usize,
    seconds: f64,
}

impl Outcome {
    /// The cell and the note below the table.
    pub(crate) fn short(&self) -> (String, Option<String>) {
        match self {
            Self::Works(Works { losses: [before, after], .. }) => (format!("{before:.3} → {after:.3}"), None),
            Self::Meaningless(reason) => ("–".to_owned(), Some(reason.clone())),
            Self::Failed(reason) => ("FAILED".to_owned(), Some(reason.clone())),
        }
    }

    pub(crate) fn fields(&self) -> Value {
        match self {
            Self::Works(Works { losses: [before, after], trainable, seconds }) => json!({
                "outcome": "works", "loss_before": before, "loss_after": after, "trainable": trainable, "seconds": seconds,
            }),
            Self::Meaningless(reason) => json!({ "outcome": "meaningless", "reason": reason }),
            Self::Failed(reason) => json!({ "outcome": "failed", "reason": reason }),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Works(Works { losses: [before, after], trainable, seconds }) => {
                write!(f, "loss {before:.4} → {after:.4}, {trainable} weights trained, {seconds:.1} s")
            }
            Self::Meaningless(reason) => write!(f, "no meaning: {reason}"),
            Self::Failed(reason) => write!(f, "FAILED: {reason}"),
        }
    }
}

/// What is the same in all cells.
pub(crate) struct Setting<'a> {
    pub(crate) sets: &'a Sets,
    pub(crate) steps: usize,
    pub(crate) batch_size: usize,
    pub(crate) learning_rate: f64,
    pub(crate) seed: u64,
    /// The data set's name, for its prompt.
    pub(crate) data: String,
    /// Where adapter folders are written, one over the other.
    pub(crate) scratch: &'a Path,
    pub(crate) chosen: &'a Chosen,
}

impl Setting<'_> {
    /// Trains a cell and looks whether it works.
    pub(crate) fn train(&self, model: &Model, way: Way) -> Outcome {
        match self.works(model, way) {
            Ok(works) => Outcome::Works(works),
            Err(error) => Outcome::Failed(crate::ui::error_line(&error)),
        }
    }

    fn works(&self, model: &Model, way: Way) -> Result<Works> {
        let device = &self.chosen.device;
        let started = Instant::now();
        let foundation = if way == Way::Qlora {
            Foundation::quantised_from_dir(&model.dir, Purpose::Encode, device, QuantiseConfig::new(Bits::Four))?
        } else {
            Foundation::from_dir(&model.dir, Purpose::Encode, device)?
        };
        ensure!(way != Way::Qlora || foundation.quantised.layers() > 0, "no layer of the base is held in 4 bits");
        let wanted = wanted(way);
        let prompt = match lingo(way, &self.data) {
            Some(args) => task_prompt(&args, wanted.method, Path::new(&self.data), self.seed, &foundation)?,
            None => None,
        };
        let config = self.config(&foundation, &wanted, way);
        let task = Task { prompt: prompt.clone(), ..config.task(&foundation, &self.sets.labels)? };
        let family = foundation.base.config();
        let settings = |steps: usize| wanted.settings(&family, steps);

        // The training rows, before the first step.
        let train = Examples::new(&self.sets.train, &self.sets.labels, &task, &foundation)?;
        let method = settings(self.steps)?.for_task("SEQ_CLS", task.modules_to_save());
        let tuning = method.attach(&foundation.base, config.seed, device)?;
        let start = Classifier::new(&foundation, tuning, &task, config.seed, device).valid();
        let pad = foundation.tokenizer.pad_id();
        let ask = |classifier: &Classifier, examples: &Examples| {
            classifier.predict(&examples.ids, pad, task.batch_size, device)
        };
        let before = loss(&ask(&start, &train), &train.labels);

        let bench = Bench { foundation: &foundation, sets: self.sets, chosen: self.chosen };
        let trial = bench.run(&config, prompt.as_ref(), &settings)?;
        ensure!(trial.trained.steps == self.steps, "{} steps were asked for, {} made", self.steps, trial.trained.steps);
        for row in &trial.trained.log {
            if let LogRow::Train { step, loss, grad_norm, .. } = row {
                ensure!(loss.is_finite() && grad_norm.is_finite(), "loss {loss}, gradient {grad_norm} at step {step}");
            }
        }
        let after = loss(&ask(&trial.trained.classifier, &train), &train.labels);
        if after.is_nan() || after >= before {
            bail!("the loss on the training rows did not fall: {before:.4} before, {after:.4} after");
        }

        trial.trained.classifier.save(self.scratch, &foundation, &task)?;
        let (read, read_task) = Classifier::load(self.scratch, &foundation, device)?;
        ensure!(read_task == task, "the folder tells of another task than the one that was trained");
        let test = Examples::new(&self.sets.test, &self.sets.labels, &read_task, &foundation)?;
        let again = ask(&read, &test);
        let differ = again.iter().zip(&trial.probabilities).filter(|(a, b)| a != b).count();
        if again.len() != trial.probabilities.len() || differ > 0 {
            let largest = again.iter().flatten().zip(trial.probabilities.iter().flatten());
            let largest = largest.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            bail!("the folder predicts {differ} of {} rows otherwise, by at most {largest:e}", test.len());
        }
        std::fs::remove_dir_all(self.scratch)?;
        Ok(Works { losses: [before, after], trainable: trial.trainable, seconds: started.elapsed().as_secs_f64() })
    }

    /// The family's own head; one evaluation, after the last step.
    fn config(&self, foundation: &Foundation, wanted: &Wanted, way: Way) -> FinetuneConfig {
        let per_epoch = self.sets.train.rows.len().div_ceil(self.batch_size);
        let virtual_tokens = match way {
            Way::Prefix | Way::Prompt | Way::Ptuning => wanted.virtual_tokens,
            _ => 0,
        };
        // Tables of positions hold virtual tokens too.
        let limit = foundation.base.max_tokens().map_or(512, |limit| limit.min(512));
        FinetuneConfig {
            batch_size: self.batch_size,
            epochs: (self.steps as f64 - 0.5) / per_epoch as f64, // rounded up to whole steps
            eval_every: self.steps,
            learning_rate: self.learning_rate,
            head: foundation.base.original_head(),
            head_dropout: 0.0,
            max_tokens: limit.saturating_sub(virtual_tokens).max(3),
            seed: self.seed,
            ..FinetuneConfig::default()
        }
    }
}

/// The method of a column, without dropout.
fn wanted(way: Way) -> Wanted {
    let (method, sampling) = match way {
        Way::Lora | Way::Qlora => (MethodName::Lora, None),
        Way::Adalora => (MethodName::Adalora, None),
        Way::Sampled => (MethodName::Adalora, Some(Sampling::ANNEALED)),
        Way::LingoOneHot | Way::LingoBbpe => (MethodName::Lingo, None),
        Way::Prefix => (MethodName::Prefix, None),
        Way::Prompt => (MethodName::Prompt, None),
        Way::Ptuning => (MethodName::Ptuning, None),
        Way::Ia3 => (MethodName::Ia3, None),
    };
    Wanted { sampling, dropout: 0.0, ..Wanted::new(method) }
}

/// The options of a LINGO column.
fn lingo(way: Way, data: &str) -> Option<LingoArgs> {
    let bases = match way {
        Way::LingoOneHot => BasesName::OneHot,
        Way::LingoBbpe => BasesName::Tokens,
        _ => return None,
    };
    Some(LingoArgs {
        virtual_tokens: 0,
        prefix_projection: false,
        start_text: None,
        sampling: None,
        prompt: Some(PromptName::Right),
        prompt_name: Some(data.to_owned()),
        prompt_template: "default".to_owned(),
        prompts: None,
        bases,
    })
}

/// Mean cross-entropy of probabilities.
fn loss(probabilities: &[Vec<f32>], labels: &[usize]) -> f64 {
    let all = probabilities.iter().zip(labels).map(|(row, label)| -f64::from(row[*label]).ln());
    all.sum::<f64>() / labels.len() as f64
}
