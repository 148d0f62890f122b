//! `genome query`: typed queries.

use crate::Outcome;
use crate::ask_args::QueryArgs;
use crate::ask_open::{open, split};
use crate::ask_table::Style;
use crate::output::stdout;
use anyhow::{Context, Result};
use genome_ask::{Dialogue, Query, RunLimits};
use std::time::Duration;

pub(crate) fn run(args: &QueryArgs) -> Result<Outcome> {
    let (files, text) = split(&args.words, args.index.demo)?;
    let text = text.context("no query: genome query FILE 'count tRNA'")?;
    let query: Query = if text.trim_start().starts_with('{') {
        serde_json::from_str(&text).context("the query as JSON")?
    } else {
        Query::parse(&text)?
    };
    let index = open(&files, &args.index)?;
    let form = args.form.output();
    let rows = if form.is_some() || args.show.rows == 0 { 1_000_000 } else { 1000 };
    let limits = RunLimits { rows, time: Duration::from_secs(args.show.timeout), ..RunLimits::default() };
    let mut dialogue = Dialogue::new(&index).with_limits(limits);
    if let Some(form) = form {
        dialogue = dialogue.with_output(form);
    }
    let reply = dialogue.run(&query.to_string(), query)?;
    crate::ask::show(&reply, form, Style::new(args.show.rows, args.show.explain), &mut stdout())
}
