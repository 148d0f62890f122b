//! A question and what it got back.

use std::collections::{BTreeSet, HashSet};

use maud::{Markup, html};

use super::format::{address, label, thousands};
use super::scene::{Sequence, Window};
use super::{App, WebConfig, map, page, picture, table};
use crate::answer::{Answer, Row, Status};
use crate::dialogue::{Reading, Reply, ReplyKind};
use crate::error::Result;
use crate::index::Index;
use crate::query::{Filter, Query, Select};

/// Bars of a map at most.
const MOST_BARS: usize = 12;

/// A picture of the rows of an answer: their neighbourhood if they are close to each other, else where on their sequences they are.
pub(super) fn drawn(index: &Index, config: &WebConfig, reply: &Reply) -> Result<Option<Markup>> {
    let Some(answer) = reply.answer() else { return Ok(None) };
    let rows = &answer.rows;
    let Some(first) = rows.first() else { return Ok(None) };
    if rows.iter().any(|row| row.kind == "sequence") {
        return Ok(None);
    }
    let limits = config.limits;
    let names: BTreeSet<(&str, &str)> = rows.iter().map(|row| (&*row.genome, &*row.seqid)).collect();
    if names.len() == 1
        && let Some(sequence) = Sequence::of(index, &first.genome, &first.seqid, limits)?
        && let Some(window) = Window::of_rows(sequence, rows)
    {
        let (features, _) = window.features(index, limits)?;
        let known: HashSet<&str> = features.iter().map(|row| &*row.id).collect();
        let marked: HashSet<&str> =
            rows.iter().flat_map(|row| row.members.iter().map(|id| &**id).chain([&*row.id])).collect();
        // A run or a cluster is told by its members.
        let places = rows.iter().filter(|row| !known.contains(&*row.id) && row.members.is_empty());
        let places: Vec<Row> = places.cloned().collect();
        return Ok(Some(picture::neighbourhood(&window, &features, &places, &marked)));
    }
    let mut sequences = Vec::new();
    for (genome, name) in names.iter().take(MOST_BARS) {
        sequences.extend(Sequence::of(index, genome, name, limits)?.filter(|sequence| sequence.length.is_some()));
    }
    if sequences.is_empty() {
        return Ok(None);
    }
    let mut caption = match rows.len() {
        1 => "Where it stands".to_owned(),
        n if answer.truncated => format!("Where the first {} stand", thousands(n as u64)),
        n => format!("Where the {} stand", thousands(n as u64)),
    };
    if names.len() > sequences.len() {
        caption += &format!("; {} of {} sequences are shown", sequences.len(), names.len());
    }
    Ok(Some(map::overview(&sequences, rows, &caption)))
}

/// A turn of the dialogue; `picture` is what [`drawn`] gave.
pub(super) fn turn(app: &App, number: u64, reply: &Reply, picture: Option<Markup>) -> Markup {
    html! {
        li class="turn" id={ "turn-" (number) } {
            h2 class="question" { (reply.question) }
            @if !reply.understood.is_empty() {
                p class="understood" {
                    span class="tag" { "Understood as" } " " (reply.understood)
                }
            }
            @if !reply.corrections.is_empty() {
                p class="note" {
                    @for (i, correction) in reply.corrections.iter().enumerate() {
                        @if i > 0 { ", " }
                        "“" (correction.written) "” was read as “" (correction.read) "”"
                    }
                    "."
                }
            }
            @match &reply.kind {
                ReplyKind::Answered { query, answer } => (answered(app, reply, query, answer, picture)),
                ReplyKind::Empty { query, answer } => {
                    p class="answer empty" { (reply.text) }
                    (caveats(answer))
                    (computed(query, answer))
                }
                ReplyKind::Ambiguous { ask, readings } => {
                    p class="answer" { (ask) }
                    @let open: Vec<&Reading> = readings.iter().filter(|reading| reading.query.is_none()).collect();
                    @if !open.is_empty() {
                        ul class="missing" { @for reading in open { li { (reading.text) } } }
                    }
                    div class="readings" role="group" aria-label=(ask) {
                        @for reading in readings.iter().filter(|reading| reading.query.is_some()) { (reading_button(reading)) }
                    }
                }
                ReplyKind::Declined { reason, unknown, suggestions, .. } => {
                    p class="answer declined" { (reason) }
                    @if !unknown.is_empty() {
                        p class="note" { "Not understood: " @for (i, word) in unknown.iter().enumerate() { @if i > 0 { ", " } "“" (word) "”" } "." }
                    }
                    @if !suggestions.is_empty() {
                        p class="note" { "What can be asked:" }
                        (questions(suggestions))
                    }
                }
            }
        }
    }
}

fn answered(app: &App, reply: &Reply, query: &Query, answer: &Answer, picture: Option<Markup>) -> Markup {
    html! {
        p class="answer" { (reply.text) }
        @if let Status::Ambiguous { candidates, .. } = &answer.status {
            div class="readings" role="group" aria-label="Which one" {
                @for row in candidates { (reading_button(&of_candidate(row))) }
            }
        }
        (table::values(&answer.values))
        (caveats(answer))
        @if let Some(picture) = picture { (picture) }
        (table::rows(answer, &reply.understood))
        (table::groups(&answer.groups))
        (downloads(query, answer))
        (computed(query, answer))
        @if answer.rows.len() > 1 {
            @if let Some(sort) = app.examples.iter().find(|sort| sort.category == page::GOING_ON) {
                div class="going-on" {
                    span class="tag" { "Go on" }
                    (questions(&sort.questions))
                }
            }
        }
    }
}

/// A candidate of an ambiguous name as a reading.
fn of_candidate(row: &Row) -> Reading {
    let text = match &row.product {
        Some(product) => format!("{} ({}), {product}", label(row), row.id),
        None => format!("{} ({})", label(row), row.id),
    };
    let mut query = Query::new(Select::Gene).filter(Filter::Among(vec![row.id.clone()]));
    query.genome = Some(row.genome.clone());
    Reading { text, query: Some(query) }
}

/// Questions, each a button that asks it.
fn questions(all: &[String]) -> Markup {
    html! {
        form class="chips" method="post" action="/ask" hx-post="/ask" {
            @for question in all { button name="q" value=(question) { (question) } }
        }
    }
}

/// A way to read a question: a button that asks just this.
fn reading_button(reading: &Reading) -> Markup {
    html! {
        form method="post" action="/ask" hx-post="/ask" {
            input type="hidden" name="q" value=(reading.text);
            @if let Some(query) = &reading.query { input type="hidden" name="query" value=(query); }
            button { (reading.text) }
        }
    }
}

fn caveats(answer: &Answer) -> Markup {
    html! {
        @if !answer.caveats.is_empty() {
            ul class="caveats" { @for caveat in &answer.caveats { li { (caveat) } } }
        }
    }
}

/// Buttons for the formats that an answer can have.
pub(super) fn downloads(query: &Query, answer: &Answer) -> Markup {
    let text = query.to_string();
    // Longer addresses are refused by some programs; a form in the body has no such limit.
    let method = if text.len() > 4_000 { "post" } else { "get" };
    let rows = !answer.rows.is_empty();
    let table = rows || !answer.groups.is_empty() || !answer.values.is_empty();
    html! {
        form class="downloads" method=(method) action="/download" {
            input type="hidden" name="q" value=(text);
            span class="tag" { "Download" }
            button name="format" value="json" { "JSON" }
            @if table { button name="format" value="csv" { "CSV" } }
            @if rows {
                button name="format" value="fasta" { "FASTA" }
                button name="format" value="gff3" { "GFF3" }
            }
        }
    }
}

/// The query, the SQL and the files.
fn computed(query: &Query, answer: &Answer) -> Markup {
    let text = query.to_string();
    html! {
        details class="computed" {
            summary { "How this was computed" }
            p { span class="tag" { "Typed query" } " " code { (text) } " "
                a href=(address("/", &[("q", &text)])) data-edit=(text) { "Edit" } }
            @for sql in &answer.sql {
                pre { (sql.text) }
                @if !sql.parameters.is_empty() { p class="note" { "Parameters: " (sql.parameters.join(", ")) } }
            }
            @if !answer.computed.is_empty() { ul { @for line in &answer.computed { li { (line) } } } }
            @for (file, sha256) in &answer.sources { p class="note" { (file) ", SHA-256 " code { (sha256) } } }
        }
    }
}

/// A turn that went wrong.
pub(super) fn problem(number: u64, question: &str, text: &str) -> Markup {
    html! {
        li class="turn problem" id={ "turn-" (number) } {
            @if !question.is_empty() { h2 class="question" { (question) } }
            p class="answer" { (text) }
        }
    }
}

/// What those who listen are told when a turn is added.
pub(super) fn spoken(text: &str) -> Markup {
    let short: String = text.chars().take(300).collect();
    html! { p id="status" class="unseen" role="status" hx-swap-oob="true" { (short) } }
}
