//! `genome matrix`: every method on every family, trained a few steps on a real data set.

mod cell;
mod models;

use crate::args::DeviceArgs;
use crate::device::Chosen;
use crate::output::stdout;
use crate::quickstart::embedded_splits;
use crate::trial::Sets;
use crate::{Outcome, bases};
use anyhow::{Result, bail};
use cell::{Cell, Outcome as CellOutcome, Setting};
use clap::{Args, ValueEnum};
use genome_formats::{DatasetDir, LabelSet, LabelledFile};
use models::{FamilyName, Model};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::str::FromStr;

/// A column of the seed's support matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Way {
    Lora,
    Adalora,
    /// AdaLoRA with sampled ranks
    Sampled,
    /// Text prompt, sampled ranks, bases one-hot
    LingoOneHot,
    /// Text prompt, sampled ranks, bases as the byte-level BPE reads them
    LingoBbpe,
    Prefix,
    Prompt,
    Ptuning,
    Ia3,
    /// LoRA on a base of 4 bits
    Qlora,
}

impl Way {
    fn title(self) -> &'static str {
        match self {
            Self::Lora => "LoRA",
            Self::Adalora => "AdaLoRA",
            Self::Sampled => "adaptive rank sampling",
            Self::LingoOneHot => "LINGO + one-hot",
            Self::LingoBbpe => "LINGO + BBPE",
            Self::Prefix => "prefix tuning",
            Self::Prompt => "prompt tuning",
            Self::Ptuning => "P-tuning",
            Self::Ia3 => "IA3",
            Self::Qlora => "QLoRA",
        }
    }

    /// Why the method cannot mean anything on a family, if it cannot.
    fn meaningless(self, family: FamilyName) -> Option<&'static str> {
        match self {
            Self::LingoOneHot | Self::LingoBbpe if !family.reads_text() => {
                Some("its words are DNA: there is no natural language to write LINGO's prompt in")
            }
            _ => None,
        }
    }
}

/// `--base FAMILY=DIR`.
#[derive(Debug, Clone)]
pub(crate) struct GivenBase {
    family: FamilyName,
    base: String,
}

impl FromStr for GivenBase {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (family, base) = text.split_once('=').ok_or("expected FAMILY=DIR, such as llama=stories260K")?;
        Ok(Self { family: FamilyName::from_str(family, false)?, base: base.to_owned() })
    }
}

#[derive(Debug, Args)]
#[command(
    after_help = "A cell works if its losses are numbers, the loss on the training rows falls, and the adapter folder reads \
    back and predicts the same bits. One that cannot mean anything says why. Exit code 1 if a cell fails.\n\n\
    Without --base the Nucleotide Transformer is the built-in base-tiny, and a family gets a model of two layers with random \
    weights and the family's tokenizer.\n\n\
    Example:\n  genome matrix\n  genome matrix --data gue_tf_mouse_3 --base llama=stories260K --base dnabert=DNABERT-6"
)]
pub(crate) struct MatrixArgs {
    /// Folder with train.csv, dev.csv and test.csv; default the splice junctions that are built in
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Checkpoint of a family, several times; the family is nt, dnabert, dnabert2, opt or llama
    #[arg(long = "base", value_name = "FAMILY=DIR")]
    bases: Vec<GivenBase>,
    /// Families, divided by commas; default all
    #[arg(long, value_enum, value_delimiter = ',', value_name = "NAMES")]
    families: Vec<FamilyName>,
    /// Methods, divided by commas; default all
    #[arg(long, value_enum, value_delimiter = ',', value_name = "NAMES")]
    methods: Vec<Way>,
    /// Optimizer steps of a cell
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..))]
    steps: u64,
    /// Rows that are taken of each split, the first ones
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(2..))]
    rows: u64,
    /// Sequences in a batch
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..))]
    batch_size: u64,
    /// Highest learning rate
    #[arg(long, default_value_t = 5e-3)]
    learning_rate: f64,
    /// Data set whose text prompt LINGO takes; default the name of the data folder
    #[arg(long, value_name = "NAME")]
    prompt_name: Option<String>,
    /// Everything random follows from this number
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// One JSON object instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceArgs,
}

pub(crate) fn run(args: &MatrixArgs) -> Result<Outcome> {
    let chosen = args.device.device.open()?;
    let (name, mut sets) = sets(args)?;
    for set in [&mut sets.train, &mut sets.dev, &mut sets.test] {
        set.rows.truncate(args.rows as usize);
    }
    let families = if args.families.is_empty() { FamilyName::value_variants() } else { &args.families[..] };
    let methods = if args.methods.is_empty() { Way::value_variants() } else { &args.methods[..] };
    let folder = tempfile::tempdir()?;
    let mut models = Vec::new();
    for family in families {
        let given: Vec<&GivenBase> = args.bases.iter().filter(|given| given.family == *family).collect();
        models.push(match given[..] {
            [] if *family == FamilyName::Nt => Model::built_in(folder.path())?,
            [] => Model::random(*family, &sets.train, args.seed, folder.path())?,
            [one] => Model::given(*family, bases::path(&one.base)?)?,
            _ => bail!("--base: {} is named more than once", family.key()),
        });
    }
    let setting = Setting {
        sets: &sets,
        steps: args.steps as usize,
        batch_size: args.batch_size as usize,
        learning_rate: args.learning_rate,
        seed: args.seed,
        data: args.prompt_name.clone().unwrap_or(name.clone()),
        scratch: &folder.path().join("adapter"),
        chosen: &chosen,
    };
    let mut grid = Vec::new();
    for way in methods {
        for model in &models {
            let outcome = match way.meaningless(model.family) {
                Some(reason) => CellOutcome::Meaningless(reason.to_owned()),
                None => setting.train(model, *way),
            };
            eprintln!("{}, {}: {outcome}", model.family.title(), way.title());
            grid.push(Cell { family: model.family, way: *way, outcome });
        }
    }
    let report = Report { name: &name, args, models: &models, grid: &grid, chosen: &chosen, sets: &sets };
    if args.json {
        report.json()?
    } else {
        report.markdown(&mut stdout())?
    }
    let failed = grid.iter().any(|cell| matches!(cell.outcome, CellOutcome::Failed(_)));
    Ok(if failed { Outcome::NothingFound } else { Outcome::Found })
}

/// The data set and its name.
fn sets(args: &MatrixArgs) -> Result<(String, Sets)> {
    let Some(dir) = &args.data else {
        let [train, dev, test] = embedded_splits()?;
        let labels = LabelSet::from_train(&train)?;
        return Ok(("splice_junction".to_owned(), Sets { train, dev, test, labels }));
    };
    let data = DatasetDir::open(dir)?;
    let folder = dir.canonicalize().ok().and_then(|d| Some(d.file_name()?.to_string_lossy().into_owned()));
    let (train, dev, labels) = (data.train().clone(), data.dev().clone(), data.labels().clone());
    Ok((folder.unwrap_or_default(), Sets { train, dev, test: data.read_test()?, labels }))
}

/// What is printed.
struct Report<'a> {
    name: &'a str,
    args: &'a MatrixArgs,
    models: &'a [Model],
    grid: &'a [Cell],
    chosen: &'a Chosen,
    sets: &'a Sets,
}

impl Report<'_> {
    /// A line for each method, a column for each family, notes below.
    fn markdown(&self, out: &mut impl Write) -> Result<()> {
        let rows = |set: &LabelledFile| set.rows.len();
        writeln!(
            out,
            "Loss on {} training rows of {} before and after {} steps, on {}.\n",
            rows(&self.sets.train),
            self.name,
            self.args.steps,
            self.chosen.name
        )?;
        let titles: Vec<&str> = self.models.iter().map(|model| model.family.title()).collect();
        writeln!(out, "| | {} |", titles.join(" | "))?;
        writeln!(out, "|---|{}", "---|".repeat(titles.len()))?;
        let mut notes: Vec<(String, usize)> = Vec::new();
        for line in self.grid.chunks(self.models.len()) {
            write!(out, "| {} |", line[0].way.title())?;
            for cell in line {
                let (mark, note) = cell.outcome.short();
                let number = note.map(|note| {
                    let known = notes.iter().find(|(text, _)| *text == note).map(|(_, number)| *number);
                    known.unwrap_or_else(|| {
                        notes.push((note, notes.len() + 1));
                        notes.len()
                    })
                });
                let number = number.map(|number| format!(" ({number})")).unwrap_or_default();
                write!(out, " {mark}{number} |")?;
            }
            writeln!(out)?;
        }
        writeln!(out)?;
        for (note, number) in &notes {
            writeln!(out, "({number}) {note}.  ")?;
        }
        if !notes.is_empty() {
            writeln!(out)?;
        }
        for model in self.models {
            writeln!(out, "- {}: {}", model.family.title(), model.description)?;
        }
        Ok(())
    }

    fn json(&self) -> Result<()> {
        let models: BTreeMap<&str, _> = self
            .models
            .iter()
            .map(|m| (m.family.key(), json!({ "description": m.description, "random": m.random })))
            .collect();
        let cells: Vec<_> = self
            .grid
            .iter()
            .map(|cell| {
                let mut all = json!({ "family": cell.family.key(), "method": cell.way.title() });
                let fields = all.as_object_mut().expect("written as an object");
                fields.extend(cell.outcome.fields().as_object().expect("written as an object").clone());
                all
            })
            .collect();
        let all = json!({
            "version": 1, "data": self.name, "steps": self.args.steps, "rows": self.sets.train.rows.len(),
            "batch_size": self.args.batch_size, "learning_rate": self.args.learning_rate, "seed": self.args.seed,
            "device": self.chosen.name, "models": models, "cells": cells,
        });
        let mut out = stdout();
        serde_json::to_writer_pretty(&mut out, &all)?;
        writeln!(out)?;
        Ok(())
    }
}
