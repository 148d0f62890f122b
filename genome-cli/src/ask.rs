//! `genome ask`: questions about genomes in plain English.

use crate::Outcome;
use crate::ask_args::AskArgs;
use crate::ask_help::Helpers;
use crate::ask_open::{open, split};
use crate::ask_table::{self, Style};
use crate::output::stdout;
use anyhow::{Context, Result};
use genome_ask::dialogue::Memory;
use genome_ask::query::Output;
use genome_ask::{Dialogue, Index, Reply, ReplyKind, RunLimits, write};
use serde::Deserialize;
use serde_json::json;
use std::collections::HashMap;
use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

/// Rows of files that are written.
const MOST_ROWS: u64 = 1_000_000;

pub(crate) fn run(args: &AskArgs) -> Result<Outcome> {
    if let (Some(questions), Some(data)) = (&args.batch, &args.data) {
        return batch(args, questions, data);
    }
    let (files, question) = split(&args.words, args.index.demo)?;
    let index = open(&files, &args.index)?;
    let mut dialogue = dialogue(&index, args);
    let form = args.form.output();
    let style = Style::new(args.show.rows, args.show.explain);
    let mut helpers = Helpers::open(args, &index)?;
    #[cfg(feature = "semantic")]
    if let Some(gene) = &args.similar.similar_to {
        let reply = helpers.similar_to(&mut dialogue, gene)?;
        let outcome = show(&reply, form, style, &mut stdout())?;
        if question.is_none() {
            return Ok(outcome);
        }
    }
    if let Some(question) = question {
        let reply = helpers.ask(&mut dialogue, &question)?;
        return show(&reply, form, style, &mut stdout());
    }
    if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        return crate::ask_prompt::run(&mut dialogue, &mut helpers, form, style);
    }
    // Questions from a pipe, one a line, as one dialogue.
    let mut outcome = Outcome::NothingFound;
    let mut input = std::io::stdin().lock();
    let mut line = String::new();
    while input.read_line(&mut line).context("stdin")? > 0 {
        if !line.trim().is_empty() {
            let reply = helpers.ask(&mut dialogue, &line)?;
            if show(&reply, form, style, &mut stdout())? == Outcome::Found {
                outcome = Outcome::Found;
            }
        }
        line.clear();
    }
    Ok(outcome)
}

fn dialogue<'a>(index: &'a Index, args: &AskArgs) -> Dialogue<&'a Index> {
    let form = args.form.output();
    let rows = if form.is_some() || args.show.rows == 0 { MOST_ROWS } else { 1000 };
    let limits = RunLimits { rows, time: Duration::from_secs(args.show.timeout), ..RunLimits::default() };
    let dialogue = Dialogue::new(index).with_limits(limits);
    match form {
        Some(form) => dialogue.with_output(form),
        None => dialogue,
    }
}

/// Shows a reply; in a form for programs only what was found goes to stdout, the rest to stderr.
pub(crate) fn show(reply: &Reply, form: Option<Output>, style: Style, out: &mut dyn Write) -> Result<Outcome> {
    let asked = reply.query().map(|query| query.output).filter(|output| *output != Output::Table);
    match (form.or(asked), &reply.kind) {
        (Some(Output::Json), _) => {
            serde_json::to_writer(&mut *out, &reply.document())?;
            writeln!(out)?;
        }
        (Some(form), ReplyKind::Answered { query, answer }) if form != Output::Table && !answer.rows.is_empty() => {
            ask_table::understood(reply, &mut std::io::stderr())?;
            for caveat in &answer.caveats {
                eprintln!("note: {caveat}");
            }
            write::rows(answer, form, out)?;
            if style.explain {
                ask_table::explain(&query.to_string(), answer, style, &mut std::io::stderr())?;
            }
        }
        _ => ask_table::reply(reply, style, out)?,
    }
    out.flush()?;
    Ok(if matches!(reply.kind, ReplyKind::Answered { .. }) { Outcome::Found } else { Outcome::NothingFound })
}

/// A line of a file of questions.
#[derive(Debug, Deserialize)]
struct Row {
    id: String,
    genome: String,
    question: String,
    after: Option<String>,
}

/// Answers a file of questions, in its order: `{"id": .., "answer": {..}}`.
fn batch(args: &AskArgs, questions: &Path, data: &Path) -> Result<Outcome> {
    #[cfg(feature = "semantic")]
    if !args.similar.models.is_none() {
        anyhow::bail!("--batch is answered by the rules alone: leave out --embedder and --dna-model");
    }
    let text = std::fs::read_to_string(questions).with_context(|| questions.display().to_string())?;
    let mut indexes: HashMap<String, Index> = HashMap::new();
    let mut memories: HashMap<String, Memory> = HashMap::new();
    let mut out = stdout();
    let mut outcome = Outcome::NothingFound;
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let at = || format!("{}:{}", questions.display(), number + 1);
        let row: Row = serde_json::from_str(line).with_context(at)?;
        let index = match indexes.entry(row.genome.clone()) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(open(&[data.join(&row.genome)], &args.index).with_context(at)?)
            }
        };
        let memory = match &row.after {
            Some(id) => {
                memories.get(id).cloned().with_context(|| format!("{}: no question before has the id {id}", at()))?
            }
            None => Memory::default(),
        };
        let mut dialogue = Dialogue::resume(&*index, memory);
        let reply = dialogue.ask(&row.question)?;
        memories.insert(row.id.clone(), dialogue.into_memory());
        if matches!(reply.kind, ReplyKind::Answered { .. }) {
            outcome = Outcome::Found;
        }
        if args.form.json {
            let mut answer = serde_json::to_value(reply.facts())?;
            answer["understood"] = json!(reply.understood);
            answer["query"] = json!(reply.query().map(ToString::to_string));
            serde_json::to_writer(&mut out, &json!({"id": row.id, "answer": answer}))?;
            writeln!(out)?;
        } else {
            writeln!(out, "{}: {}", row.id, reply.question)?;
            ask_table::reply(&reply, Style::new(args.show.rows, args.show.explain), &mut out)?;
            writeln!(out)?;
        }
    }
    out.flush()?;
    Ok(outcome)
}
