//! Questions in plain English, one after the other.
//!
//! A [`Dialogue`] turns each question into a [`Query`] by a fixed grammar, runs it, and remembers it: the next question may refine
//! the answer.

mod complete;
mod examples;
mod reply;

use std::borrow::Borrow;

use serde::{Deserialize, Serialize};

pub(crate) use examples::examples_of;
pub use examples::{Examples, examples};
pub use reply::{Cause, Correction, Facts, Help, Method, REPLY_VERSION, Reading, Reply, ReplyKind};

use crate::answer::{Row, Status};
use crate::error::{Error, Result};
use crate::execute::RunLimits;
use crate::index::Index;
use crate::query::{Filter, Output, Query, Tell};
use crate::say;
pub use crate::say::Document;
use crate::understand::{self, Understanding};

/// What was said so far: all that the next question may refer to. Small, and serialisable, so that a server can keep it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Memory {
    /// The last query that ran.
    pub query: Option<Query>,
    /// Identifiers of the first rows that it found.
    #[serde(default)]
    pub subjects: Vec<String>,
    /// It found nothing.
    #[serde(default)]
    pub empty: bool,
    /// The readings that were offered last.
    #[serde(default)]
    pub readings: Vec<Reading>,
}

/// Questions about the genomes of an index, one after the other. `I` is `&Index`, `Index`, `Box<Index>`, ...
#[derive(Debug)]
pub struct Dialogue<I> {
    index: I,
    pub(crate) memory: Memory,
    pub(crate) limits: RunLimits,
    output: Option<Output>,
}

impl<I: Borrow<Index>> Dialogue<I> {
    /// A new dialogue.
    pub fn new(index: I) -> Self {
        Self::resume(index, Memory::default())
    }

    /// Goes on with one.
    pub fn resume(index: I, memory: Memory) -> Self {
        Self { index, memory, limits: RunLimits::default(), output: None }
    }

    /// With other limits of time and size.
    #[must_use]
    pub fn with_limits(mut self, limits: RunLimits) -> Self {
        self.limits = limits;
        self
    }

    /// With answers in this form, whatever the questions say: for FASTA rows get their letters.
    #[must_use]
    pub fn with_output(mut self, output: Output) -> Self {
        self.output = Some(output);
        self
    }

    /// What was said so far.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Ends it; [`Dialogue::resume`] goes on from what it gives.
    pub fn into_memory(self) -> Memory {
        self.memory
    }

    /// The index.
    pub fn index(&self) -> &Index {
        self.index.borrow()
    }

    /// Forgets what was said.
    pub fn forget(&mut self) {
        self.memory = Memory::default();
    }

    /// Questions to begin with, by sort, with names of the genome.
    pub fn examples(&self) -> Vec<Examples> {
        examples_of(self.index())
    }

    /// Answers a question in plain English, or the text of a typed query.
    ///
    /// # Errors
    ///
    /// It took too long, or the index is damaged. A question that is not understood is no error: see [`ReplyKind`].
    pub fn ask(&mut self, question: &str) -> Result<Reply> {
        let question = understand::clean(question);
        // `count genes` is English: the typed query would look for a kind that is called so.
        if let Ok(query) = Query::parse(&question)
            && understand::are_kinds(&query.kinds(), self.index())?
        {
            return self.run(&question, query);
        }
        self.ask_grammar(&question)
    }

    /// Answers a cleaned question by the grammar.
    fn ask_grammar(&mut self, question: &str) -> Result<Reply> {
        let (understanding, corrections) = understand::understand(question, self.index(), &self.memory)?;
        let mut reply = match understanding {
            Understanding::Query { query, notes } => {
                let mut reply = self.run(question, *query)?;
                if let ReplyKind::Answered { answer, .. } | ReplyKind::Empty { answer, .. } = &mut reply.kind {
                    answer.caveats.splice(0..0, notes);
                }
                reply
            }
            Understanding::Ambiguous { ask, readings } => {
                self.memory.readings.clone_from(&readings);
                ambiguous(question, ask, readings)
            }
            Understanding::Declined { cause, reason, unknown, suggestions } => {
                let kind = ReplyKind::Declined { cause, reason: reason.clone(), unknown, suggestions };
                reply(question, String::new(), reason, kind)
            }
        };
        reply.corrections = corrections;
        reply.method = Method::Grammar;
        Ok(reply)
    }

    /// Runs a typed query as a turn of the dialogue: the next question may refine it. `question` is what the reply quotes.
    ///
    /// # Errors
    ///
    /// As [`Index::run`]; a query that makes no sense for this genome is declined with the reason.
    pub fn run(&mut self, question: &str, mut query: Query) -> Result<Reply> {
        if let Some(output) = self.output {
            query.output = output;
            if output == Output::Fasta && query.tell == Tell::Count {
                query.tell = Tell::Rows;
            }
        }
        let understood = say::understood(&query);
        let answer = match self.index().run_with(&query, self.limits) {
            Ok(answer) => answer,
            // What the question asks for makes no sense here: a position outside of the sequence, two sequences of one name.
            Err(Error::Query { problem, found }) => {
                let reason =
                    format!("This cannot be computed: {problem}{}{found}.", if found.is_empty() { "" } else { ": " });
                return Ok(declined(question, understood, reason));
            }
            Err(error) => return Err(error),
        };
        let text = say::answer(&query, &answer);
        let kind = match &answer.status {
            Status::Ambiguous { candidates, .. } => {
                let readings: Vec<Reading> = candidates.iter().map(|row| Reading::of(row, &query)).collect();
                self.memory.readings.clone_from(&readings);
                let mut reply = ambiguous(question, text, readings);
                reply.understood = understood;
                return Ok(reply);
            }
            Status::Refused { .. } => return Ok(declined(question, understood, text)),
            Status::Empty { .. } => ReplyKind::Empty { query: Box::new(query.clone()), answer: Box::new(answer) },
            Status::Ok => {
                let few = answer.rows.iter().take(SUBJECTS).map(|row| row.id.clone());
                self.memory.subjects = few.collect();
                ReplyKind::Answered { query: Box::new(query.clone()), answer: Box::new(answer) }
            }
        };
        self.memory.empty = matches!(kind, ReplyKind::Empty { .. });
        if self.memory.empty {
            self.memory.subjects.clear();
        }
        self.memory.query = Some(query);
        self.memory.readings.clear();
        Ok(reply(question, understood, text, kind))
    }
}

/// Rows that "it" or "which of them" may mean.
const SUBJECTS: usize = 1000;

/// What [`Dialogue::run`] gives; who asked otherwise says so.
pub(crate) fn reply(question: &str, understood: String, text: String, kind: ReplyKind) -> Reply {
    Reply {
        version: REPLY_VERSION,
        question: question.to_owned(),
        understood,
        corrections: Vec::new(),
        method: Method::TypedQuery,
        help: None,
        text,
        kind,
    }
}

fn declined(question: &str, understood: String, reason: String) -> Reply {
    let kind = ReplyKind::Declined {
        cause: Cause::CannotCompute,
        reason: reason.clone(),
        unknown: Vec::new(),
        suggestions: Vec::new(),
    };
    reply(question, understood, reason, kind)
}

fn ambiguous(question: &str, ask: String, readings: Vec<Reading>) -> Reply {
    let list: Vec<&str> = readings.iter().map(|reading| &*reading.text).collect();
    let text = format!("{ask} {}", list.join("; "));
    reply(question, String::new(), text, ReplyKind::Ambiguous { ask, readings })
}

impl Reading {
    /// The query with one gene in place of the name that several have.
    fn of(row: &Row, query: &Query) -> Self {
        let name = match &row.gene {
            Some(gene) if *gene != row.id => format!("{} {gene}", row.id),
            _ => row.id.clone(),
        };
        let text = match &row.product {
            Some(product) => format!("{name}, {product}"),
            None => name,
        };
        let mut query = query.clone();
        for filter in &mut query.filters {
            if matches!(filter, Filter::Named(_)) {
                *filter = Filter::Among(vec![row.id.clone()]);
            }
        }
        Self { text, query: Some(query) }
    }
}
