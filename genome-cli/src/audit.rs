//! `genome audit`: what text prompts, one-hot bases and sampled ranks are worth, all else being equal.

mod grid;
mod report;
mod store;

use crate::audit_args::AuditArgs;
use crate::method::{Library, Wanted};
use crate::trial::{Bench, Sets};
use crate::{Outcome, bases};
use anyhow::{Result, bail};
use genome_formats::DatasetDir;
use genome_train::finetune::FinetuneConfig;
use genome_train::foundation::Foundation;
use genome_train::task_prompt::TaskPrompt;
use genome_train::tuning::{Both, OnPrompt};
use grid::{PromptKind, Row};
use model_zoo::{BaseConfig, Purpose};
use peft_core::sha256_of_files;
use peft_lingo::PromptTuningConfig;
use store::{Run, Store};

pub(crate) fn run(args: &AuditArgs) -> Result<Outcome> {
    let chosen = args.device.device.open()?;
    let foundation = bases::open(&args.base, Purpose::Encode, &chosen.device)?;
    let family = foundation.base.config();
    if !matches!(family, BaseConfig::Opt(_) | BaseConfig::Llama(_)) {
        bail!(
            "--base: expected a natural-language model (OPT, LLaMA), found {}, which reads no prompts",
            family.family()
        );
    }
    let data = DatasetDir::open(&args.data)?;
    let first = |file: &genome_formats::LabelledFile, rows: usize| {
        let mut file = file.clone();
        file.rows.truncate(if rows == 0 { usize::MAX } else { rows });
        file
    };
    let sets = Sets {
        train: first(data.train(), args.train_rows),
        dev: first(data.dev(), args.eval_rows),
        test: first(&data.read_test()?, args.eval_rows),
        labels: data.labels().clone(),
    };
    let library =
        Library::open(args.prompts.as_deref(), &args.prompt_template, args.prompt_name.as_deref(), &args.data)?;
    let splits = ["train.csv", "dev.csv", "test.csv"].map(|split| args.data.join(split));
    let settings = serde_json::json!({
        "base_sha256": foundation.sha256, "data_sha256": sha256_of_files(splits.iter())?, "rank": args.rank,
        "virtual_tokens": args.virtual_tokens, "prompt": library.name(), "template": args.prompt_template,
        "epochs": args.epochs, "batch_size": args.batch_size, "learning_rate": args.learning_rate,
        "evaluations": args.evaluations, "max_tokens": args.max_tokens, "train_rows": args.train_rows,
        "eval_rows": args.eval_rows,
    });
    let mut store = Store::open(&args.out, &settings)?;
    let rows = if args.quick { grid::quick() } else { grid::full() };
    let total = rows.len() as u64 * args.seeds;
    // What cannot work is told before the first run.
    let examples = sets.train.rows.len();
    for rate in &args.learning_rate {
        config(args, &foundation, examples, 1, *rate).check()?;
    }
    let steps = config(args, &foundation, examples, 1, args.learning_rate[0]).schedule(examples).steps;
    for row in &rows {
        wanted(args, row).settings(&family, steps)?;
        prompt(row, &library, &foundation, 1)?;
    }
    let bench = Bench { foundation: &foundation, sets: &sets, chosen: &chosen };
    let mut done = 0;
    for seed in 1..=args.seeds {
        for row in &rows {
            done += 1;
            if store.has(row, seed) {
                continue;
            }
            let prompt = prompt(row, &library, &foundation, seed)?;
            let run = best(args, &bench, row, prompt.as_ref(), seed)?;
            eprintln!(
                "{done}/{total} {row}, seed {seed}: dev MCC {:.3}, test MCC {:.3}, {:.0} s",
                run.dev_mcc, run.test_mcc, run.seconds
            );
            store.add(run)?;
        }
    }
    let truth = sets.labels.encode(&sets.test)?;
    let summary = report::Summary::of(&rows, store.runs(), &truth, sets.labels.len(), args.seeds);
    summary.write(&args.out, args, &foundation.name, sets.test.rows.len())?;
    print!("{}", summary.markdown());
    println!("\nreport  {}", args.out.join("report.html").display());
    Ok(Outcome::Found)
}

/// The tokens around each sequence; the learned prompt's virtual tokens are none of them.
fn prompt(row: &Row, library: &Library, foundation: &Foundation, seed: u64) -> Result<Option<TaskPrompt>> {
    let text = match row.prompt {
        PromptKind::None | PromptKind::Learned => None,
        PromptKind::Right | PromptKind::Shuffled => Some(library.right()?),
        PromptKind::Wrong => Some(library.wrong(seed)?),
    };
    let prompt = TaskPrompt::new(foundation, text.as_ref(), row.bases)?;
    Ok(Some(if row.prompt == PromptKind::Shuffled { prompt.shuffled(foundation, seed) } else { prompt }))
}

/// The settings of a run, the same for all rows.
fn config(args: &AuditArgs, foundation: &Foundation, examples: usize, seed: u64, rate: f64) -> FinetuneConfig {
    let config = FinetuneConfig {
        batch_size: args.batch_size,
        epochs: args.epochs,
        learning_rate: rate,
        head: foundation.base.original_head(),
        max_tokens: args.max_tokens,
        seed,
        ..FinetuneConfig::default()
    };
    let steps = config.schedule(examples).steps as u64;
    FinetuneConfig { eval_every: (steps / args.evaluations).max(1) as usize, ..config }
}

/// What a row trains.
fn wanted(args: &AuditArgs, row: &Row) -> Wanted {
    Wanted { rank: row.method.rank(args.rank), sampling: row.method.sampling(), ..Wanted::new(row.method.name()) }
}

/// One run of one row, with the learning rate that is best on dev.
fn best(args: &AuditArgs, bench: &Bench<'_>, row: &Row, prompt: Option<&TaskPrompt>, seed: u64) -> Result<Run> {
    let runs = args.learning_rate.iter().map(|rate| one(args, bench, row, prompt, seed, *rate));
    let runs = runs.collect::<Result<Vec<Run>>>()?;
    let seconds = runs.iter().map(|run| run.seconds).sum();
    let best = runs.into_iter().reduce(|best, run| if run.dev_mcc > best.dev_mcc { run } else { best });
    Ok(Run { seconds, ..best.expect("there is a learning rate") })
}

/// One run of one row.
fn one(
    args: &AuditArgs,
    bench: &Bench<'_>,
    row: &Row,
    prompt: Option<&TaskPrompt>,
    seed: u64,
    learning_rate: f64,
) -> Result<Run> {
    let foundation = bench.foundation;
    let config = config(args, foundation, bench.sets.train.rows.len(), seed, learning_rate);
    let wanted = wanted(args, row);
    let device = &bench.chosen.device;
    let trial = bench.run_with(&config, prompt, &|steps, task| {
        let method = wanted.settings(&foundation.base.config(), steps)?.for_task("SEQ_CLS", task.modules_to_save());
        let first = method.attach(&foundation.base, seed, device)?;
        let learned = PromptTuningConfig::new(args.virtual_tokens);
        let second = (row.prompt == PromptKind::Learned)
            .then(|| OnPrompt::attach(&foundation.base, learned, &[], seed, device))
            .transpose()?;
        Ok(Both { first, second })
    })?;
    Ok(Run {
        row: row.to_string(),
        seed,
        learning_rate,
        dev_mcc: trial.dev_mcc,
        test_mcc: trial.scores.eval_matthews_correlation,
        test_accuracy: trial.scores.eval_accuracy,
        guesses: trial.probabilities.iter().map(|p| genome_train::metrics::argmax(p)).collect(),
        trainable: trial.trainable,
        cut: trial.cut,
        allocations: trial.trained.allocation.as_ref().map_or(0, |a| a.allocations.len()),
        ranks: trial.trained.allocation.as_ref().map(|a| a.histogram()).unwrap_or_default(),
        seconds: trial.seconds,
    })
}
