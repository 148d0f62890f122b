//! What a question gets back.

use serde::{Deserialize, Serialize};

use crate::answer::{Answer, Interval};
use crate::query::Query;

/// The version of the JSON form of a [`Reply`].
pub const REPLY_VERSION: u32 = 1;

/// What a question gets back. It begins with how the question was understood.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// [`REPLY_VERSION`].
    pub version: u32,
    /// The question, without control characters.
    pub question: String,
    /// How it was understood, in words; empty where it was not.
    pub understood: String,
    /// Words that were read as others: typing errors, old names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub corrections: Vec<Correction>,
    /// What turned the question into a query.
    #[serde(default)]
    pub method: Method,
    /// What a language model had to do with it; nothing unless one was given ([`crate::Dialogue`] with the feature `llm`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<Help>,
    /// The answer in words: it has no number and no name that is not in the answer.
    pub text: String,
    /// What it is.
    #[serde(flatten)]
    pub kind: ReplyKind,
}

/// What turned a question into a query. Answers are computed by the query alone, whatever made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The fixed grammar.
    #[default]
    Grammar,
    /// It was a typed query already.
    TypedQuery,
    /// A language model chose the query.
    LanguageModel,
    /// Vectors of texts or sequences chose the rows: similarity, not fact.
    Similarity,
}

impl Method {
    /// As the JSON form has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Grammar => "grammar",
            Self::TypedQuery => "typed_query",
            Self::LanguageModel => "language_model",
            Self::Similarity => "similarity",
        }
    }
}

/// What a language model had to do with a reply.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Help {
    /// Which one.
    pub model: String,
    /// Its sentences about the answer, where every number and name in them is the answer's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prose: Option<String>,
    /// Why a query or sentences that it gave were not used, or that it could not be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// Why a question has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// No rule reads it.
    #[default]
    NotUnderstood,
    /// The data cannot tell.
    CannotTell,
    /// It was understood, but makes no sense for this genome.
    CannotCompute,
    /// It asks what can be asked.
    Help,
}

/// Whether there is an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ReplyKind {
    /// There is.
    Answered {
        /// What was asked of the index.
        query: Box<Query>,
        /// What it found.
        answer: Box<Answer>,
    },
    /// Nothing was found; the text says whether it is "not annotated", which is not to say that it is not there.
    Empty {
        /// What was asked of the index.
        query: Box<Query>,
        /// An answer without rows.
        answer: Box<Answer>,
    },
    /// The question can be read in several ways: one has to be chosen.
    Ambiguous {
        /// What is asked back.
        ask: String,
        /// The ways to read it.
        readings: Vec<Reading>,
    },
    /// The data cannot tell, or the question was not understood.
    Declined {
        /// What sort of reason it is.
        #[serde(default)]
        cause: Cause,
        /// Why.
        reason: String,
        /// The words that were not understood; empty where the data cannot tell.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        unknown: Vec<String>,
        /// Questions that can be asked instead.
        suggestions: Vec<String>,
    },
}

/// One way to read a question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// In words: what to ask for this reading.
    pub text: String,
    /// Its query; none where something is still missing, such as which gene.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<Query>,
}

/// A word that was read as another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Correction {
    /// As it was written.
    pub written: String,
    /// As it was read.
    pub read: String,
}

/// A reply in few fields, as programs want it: `status` is `ok`, `empty`, `clarify` or `refused`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Facts {
    /// `ok`, `empty`, `clarify` or `refused`.
    pub status: String,
    /// How many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Identifiers of rows, or of the readings of an ambiguous name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<String>,
    /// The number, or `yes` and `no`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<serde_json::Value>,
    /// Its unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Interval>,
    /// The answer in words, sequences included.
    pub text: String,
}

impl Reply {
    /// The query that was run, where one was.
    pub fn query(&self) -> Option<&Query> {
        match &self.kind {
            ReplyKind::Answered { query, .. } | ReplyKind::Empty { query, .. } => Some(query),
            _ => None,
        }
    }

    /// The answer, where there is one, without rows too.
    pub fn answer(&self) -> Option<&Answer> {
        match &self.kind {
            ReplyKind::Answered { answer, .. } | ReplyKind::Empty { answer, .. } => Some(answer),
            _ => None,
        }
    }
}
