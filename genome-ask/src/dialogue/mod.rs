//! Questions in plain English, one after the other.
//!
//! A [`Dialogue`] turns each question into a [`Query`] by a fixed grammar, runs it, and remembers it: the next question may refine
//! the answer.

mod examples;
mod reply;

use std::borrow::Borrow;

use serde::{Deserialize, Serialize};

pub use examples::{Examples, examples};
pub use reply::{Correction, Facts, REPLY_VERSION, Reading, Reply, ReplyKind};

use crate::answer::Status;
use crate::error::Result;
use crate::execute::RunLimits;
use crate::index::Index;
use crate::query::Query;

/// What was said so far: all that the next question may refer to. Small, and serialisable, so that a server can keep it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Memory {
    /// The last query that ran.
    pub query: Option<Query>,
    /// The readings that were offered last.
    #[serde(default)]
    pub readings: Vec<Reading>,
}

/// Questions about the genomes of an index, one after the other. `I` is `&Index`, `Index`, `Box<Index>`, ...
#[derive(Debug)]
pub struct Dialogue<I> {
    index: I,
    memory: Memory,
    limits: RunLimits,
}

impl<I: Borrow<Index>> Dialogue<I> {
    /// A new dialogue.
    pub fn new(index: I) -> Self {
        Self::resume(index, Memory::default())
    }

    /// Goes on with one.
    pub fn resume(index: I, memory: Memory) -> Self {
        Self { index, memory, limits: RunLimits::default() }
    }

    /// With other limits of time and size.
    #[must_use]
    pub fn with_limits(mut self, limits: RunLimits) -> Self {
        self.limits = limits;
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
        examples()
    }

    /// Answers a question in plain English, or the text of a typed query.
    ///
    /// # Errors
    ///
    /// It took too long, or the index is damaged. A question that is not understood is no error: see [`ReplyKind`].
    pub fn ask(&mut self, question: &str) -> Result<Reply> {
        match Query::parse(question) {
            Ok(query) => self.run(question, query),
            Err(_) => Ok(Reply {
                version: REPLY_VERSION,
                question: question.to_owned(),
                understood: String::new(),
                corrections: Vec::new(),
                text: "I did not understand this.".to_owned(),
                kind: ReplyKind::Declined {
                    reason: "I did not understand this.".to_owned(),
                    unknown: Vec::new(),
                    suggestions: Vec::new(),
                },
            }),
        }
    }

    /// Runs a typed query as a turn of the dialogue: the next question may refine it. `question` is what the reply quotes.
    ///
    /// # Errors
    ///
    /// As [`Index::run`].
    pub fn run(&mut self, question: &str, query: Query) -> Result<Reply> {
        let answer = self.index().run_with(&query, self.limits)?;
        self.memory = Memory { query: Some(query.clone()), readings: Vec::new() };
        let understood = query.to_string();
        let (query, answer) = (Box::new(query), Box::new(answer));
        let text = format!("{} found", answer.count);
        let kind = match &answer.status {
            Status::Empty { .. } => ReplyKind::Empty { query, answer },
            _ => ReplyKind::Answered { query, answer },
        };
        Ok(Reply {
            version: REPLY_VERSION,
            question: question.to_owned(),
            understood,
            corrections: Vec::new(),
            text,
            kind,
        })
    }
}
