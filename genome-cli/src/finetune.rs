//! `genome finetune`: adapters and a head from labelled sequences.

use crate::args::{FinetuneArgs, HeadName, MethodName};
use crate::device::Chosen;
use crate::method::{Wanted, task_prompt};
use crate::output::{check_out, write_json};
use crate::ui::{show, thousands};
use crate::{Outcome, bases, system};
use anyhow::Result;
use genome_formats::{DatasetDir, LabelSet, LabelledFile};
use genome_train::classifier::{Classifier, Task};
use genome_train::examples::Examples;
use genome_train::finetune::{Data, FinetuneConfig, Finetuned, finetune, score};
use genome_train::foundation::Foundation;
use genome_train::metrics::{Confusion, Scores};
use genome_train::task_prompt::TaskPrompt;
use genome_train::tuning::AnyMethod;
use model_zoo::Purpose;
use model_zoo::heads::HeadKind;
use std::path::Path;
use std::time::Instant;

pub(crate) fn run(args: &FinetuneArgs) -> Result<Outcome> {
    let chosen = args.device.device.open()?;
    check_out(&args.out, args.force)?;
    let data = DatasetDir::open(&args.data)?;
    let foundation = bases::open_in(&args.bits, &args.base, Purpose::Encode, &chosen.device)?;
    let is_lingo = args.method == MethodName::Lingo;
    let head = match args.head.unwrap_or(if is_lingo { HeadName::Original } else { HeadName::Position }) {
        HeadName::Position => HeadKind::Position,
        HeadName::Original => foundation.base.original_head(),
    };
    let prompt = task_prompt(&args.lingo, args.method, &args.data, args.seed, &foundation)?;
    let wanted = Wanted::of(args, &foundation)?;
    let config = FinetuneConfig {
        batch_size: args.batch_size,
        epochs: args.epochs,
        eval_every: args.eval_every,
        learning_rate: args.learning_rate,
        patience: args.patience,
        balanced: args.balanced,
        head,
        max_tokens: args.max_tokens,
        gradient_checkpointing: args.gradient_checkpointing,
        seed: args.seed,
        ..FinetuneConfig::default()
    };
    let family = foundation.base.config();
    let method = |steps: usize| wanted.settings(&family, steps);
    let splits = Splits { train: data.train(), dev: data.dev(), labels: data.labels() };
    let run = Run {
        foundation: &foundation,
        config: &config,
        method: &method,
        prompt,
        chosen: &chosen,
        plain: args.show.plain,
    };
    let trained = run.train(&splits, &args.out)?;
    let (scores, confusion) = run.test(&trained, &data.read_test()?, data.labels(), &args.out)?;
    report(&trained, &scores, &confusion, &splits);
    println!("adapter  {}", args.out.display());
    Ok(Outcome::Found)
}

/// What is trained on and chosen by.
pub(crate) struct Splits<'a> {
    pub(crate) train: &'a LabelledFile,
    pub(crate) dev: &'a LabelledFile,
    pub(crate) labels: &'a LabelSet,
}

/// A run's settings.
pub(crate) struct Run<'a> {
    pub(crate) foundation: &'a Foundation,
    pub(crate) config: &'a FinetuneConfig,
    /// The method's settings for a run of so many steps.
    pub(crate) method: &'a dyn Fn(usize) -> Result<AnyMethod>,
    /// What stands around each sequence.
    pub(crate) prompt: Option<TaskPrompt>,
    pub(crate) chosen: &'a Chosen,
    pub(crate) plain: bool,
}

/// A trained classifier and what it takes to use it.
pub(crate) struct Trained {
    pub(crate) model: Finetuned,
    pub(crate) task: Task,
    pub(crate) seconds: f64,
}

impl Run<'_> {
    /// Trains; the folder `out` holds the best adapter so far at any time.
    pub(crate) fn train(&self, splits: &Splits, out: &Path) -> Result<Trained> {
        let (foundation, config) = (self.foundation, self.config);
        config.check()?;
        let task = Task { prompt: self.prompt.clone(), ..config.task(foundation, splits.labels)? };
        if let Some(prompt) = &task.prompt {
            eprintln!("prompt: {:?}, {} tokens", prompt.text, prompt.tokens().len());
        }
        let data = Data::new(splits.train, splits.dev, splits.labels, foundation, &task)?;
        let schedule = config.schedule(data.train.len());
        let method = (self.method)(schedule.steps)?.for_task("SEQ_CLS", task.modules_to_save());
        let tuning = method.attach(&foundation.base, config.seed, &self.chosen.device)?;
        eprintln!(
            "{} train, {} dev, {} labels; {} steps of {} on {}",
            thousands(data.train.len()),
            thousands(data.dev.len()),
            task.labels.len(),
            thousands(schedule.steps),
            config.batch_size,
            self.chosen.name
        );
        let cut = data.train.truncated + data.dev.truncated;
        if cut > 0 {
            eprintln!("note: {} sequence(s) are longer than {} tokens and were cut", thousands(cut), task.max_tokens);
        }
        let show = show(self.plain, schedule.steps);
        let save = {
            let (out, foundation, task) = (out.to_owned(), foundation.clone(), task.clone());
            Box::new(move |c: &Classifier| c.save(&out, &foundation, &task))
        };
        let started = Instant::now();
        let model = finetune(
            foundation,
            &data,
            &task,
            tuning,
            config,
            &self.chosen.device,
            show.renderer,
            show.interrupter,
            show.observer,
            save,
        )?;
        let state = serde_json::json!({
            "best_global_step": model.best_step, "global_step": model.steps, "log_history": model.log,
            "finetune_config": config, "seed": config.seed, "allocation": model.allocation,
        });
        write_json(&out.join("trainer_state.json"), &state)?;
        Ok(Trained { model, task, seconds: started.elapsed().as_secs_f64() })
    }

    /// Scores the best adapter on test and writes `eval_results.json`.
    pub(crate) fn test(
        &self,
        trained: &Trained,
        test: &LabelledFile,
        labels: &LabelSet,
        out: &Path,
    ) -> Result<(Scores, Confusion)> {
        let examples = Examples::new(test, labels, &trained.task, self.foundation)?;
        let (scores, confusion) =
            score(&trained.model.classifier, &examples, &trained.task, self.foundation, &self.chosen.device);
        write_json(&out.join("eval_results.json"), &scores)?;
        Ok((scores, confusion))
    }
}

/// Prints what was trained and how good it is.
pub(crate) fn report(trained: &Trained, scores: &Scores, confusion: &Confusion, splits: &Splits) {
    let (trainable, frozen) = trained.model.parameters;
    let share = 100.0 * trainable as f64 / (trainable + frozen) as f64;
    println!();
    println!("confusion (rows truth, columns guess)");
    let names = splits.labels.names();
    let width = names.iter().map(String::len).max().unwrap_or(0).max(6);
    let head: String = names.iter().map(|n| format!(" {n:>width$}")).collect();
    println!("  {:>width$}{head}", "");
    for (name, row) in names.iter().zip(&confusion.counts) {
        let cells: String = row.iter().map(|c| format!(" {c:>width$}")).collect();
        println!("  {name:>width$}{cells}");
    }
    println!();
    println!("trainable {} of {} parameters ({share:.2} %)", thousands(trainable), thousands(trainable + frozen));
    println!(
        "trained {} steps in {:.0} s, {} tokens/s; the best on dev after step {}",
        thousands(trained.model.steps),
        trained.seconds,
        thousands(trained.model.tokens_per_second as usize),
        thousands(trained.model.best_step)
    );
    if let Some(allocation) = &trained.model.allocation {
        println!("{allocation}");
    }
    if let Some(bytes) = system::peak_memory() {
        println!("peak memory {}", system::human_bytes(bytes));
    }
    let best = trained.model.log.iter().rev().find_map(|row| match row {
        genome_train::step_loop::LogRow::Eval { best: true, eval_matthews_correlation, eval_accuracy, .. } => {
            Some((eval_matthews_correlation, eval_accuracy))
        }
        _ => None,
    });
    if let Some((mcc, accuracy)) = best {
        println!("dev MCC {mcc:.3}, accuracy {accuracy:.3}");
    }
    let area = |value: Option<f64>| value.map_or("undefined".to_owned(), |v| format!("{v:.3}"));
    println!(
        "test accuracy {:.3}, macro F1 {:.3}, AUROC {}, AUPRC {}",
        scores.eval_accuracy,
        scores.eval_f1,
        area(scores.eval_roc_auc),
        area(scores.eval_pr_auc)
    );
    println!("test MCC {:.3}", scores.eval_matthews_correlation);
}
