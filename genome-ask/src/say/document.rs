//! A reply as one JSON object with stable names.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::answer::{Group, Interval, Row, SqlText, Value};
use crate::dialogue::{Correction, Help, REPLY_VERSION, Reading, Reply, ReplyKind};
use crate::query::Query;

/// A reply as programs read it: the same object on the command line, on the page and through tools.
#[derive(Debug, Clone, Serialize)]
pub struct Document<'a> {
    /// [`REPLY_VERSION`].
    pub version: u32,
    /// The question.
    pub question: &'a str,
    /// How it was understood, in words.
    pub understood: &'a str,
    /// Words that were read as others.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub corrections: &'a [Correction],
    /// What turned it into a query: `grammar`, `typed_query`, `language_model` or `similarity`.
    pub method: &'static str,
    /// What a language model had to do with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<&'a Help>,
    /// `ok`, `empty`, `clarify` or `refused`.
    pub status: String,
    /// The query as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// The query as JSON, which can be run again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub typed_query: Option<&'a Query>,
    /// The statements that were run.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub sql: &'a [SqlText],
    /// What was computed without SQL.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub computed: &'a [String],
    /// The answer in words.
    pub text: &'a str,
    /// How many rows there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// How many are in `rows`.
    pub shown: usize,
    /// There are more than are shown.
    pub truncated: bool,
    /// The number that was asked for, or `yes` and `no`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<serde_json::Value>,
    /// Its unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// All numbers.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub values: &'a [Value],
    /// From the first to the last base.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<&'a Interval>,
    /// What was found. Coordinates are 1-based, the last base included.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub rows: &'a [Row],
    /// Counts by value.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub groups: &'a [Group],
    /// The ways to read an ambiguous question.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub readings: &'a [Reading],
    /// What can be asked instead.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub suggestions: &'a [String],
    /// What should be known before the answer is used.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub caveats: &'a [String],
    /// SHA-256 of each file.
    pub data_sha256: BTreeMap<&'a str, &'a str>,
    /// What answered.
    pub tool_version: &'static str,
}

impl Reply {
    /// The reply as one JSON object with stable names.
    pub fn document(&self) -> Document<'_> {
        let facts = self.facts();
        let answer = self.answer();
        let (readings, suggestions): (&[_], &[_]) = match &self.kind {
            ReplyKind::Ambiguous { readings, .. } => (readings, &[]),
            ReplyKind::Declined { suggestions, .. } => (&[], suggestions),
            _ => (&[], &[]),
        };
        let shown = answer.map_or(0, |answer| answer.rows.len());
        Document {
            version: REPLY_VERSION,
            question: &self.question,
            understood: &self.understood,
            corrections: &self.corrections,
            method: self.method.name(),
            help: self.help.as_ref(),
            status: facts.status,
            query: self.query().map(ToString::to_string),
            typed_query: self.query(),
            sql: answer.map(|answer| &answer.sql[..]).unwrap_or_default(),
            computed: answer.map(|answer| &answer.computed[..]).unwrap_or_default(),
            text: &self.text,
            count: answer.map(|answer| answer.count),
            shown,
            truncated: answer.is_some_and(|answer| answer.truncated),
            value: facts.value,
            unit: facts.unit,
            values: answer.map(|answer| &answer.values[..]).unwrap_or_default(),
            interval: answer.and_then(|answer| answer.interval.as_ref()),
            rows: answer.map(|answer| &answer.rows[..]).unwrap_or_default(),
            groups: answer.map(|answer| &answer.groups[..]).unwrap_or_default(),
            readings,
            suggestions,
            caveats: answer.map(|answer| &answer.caveats[..]).unwrap_or_default(),
            data_sha256: answer
                .map(|answer| answer.sources.iter().map(|(file, hash)| (&**file, &**hash)).collect())
                .unwrap_or_default(),
            tool_version: concat!("genome-ask ", env!("CARGO_PKG_VERSION")),
        }
    }
}
