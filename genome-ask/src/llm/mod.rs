//! A language model that helps where the grammar does not understand, and never answers.
//!
//! It may do two things. It may turn a question into the text of a typed query: what it gives is read by the strict parser of
//! [`crate::Query`], [checked](self#what-is-checked), shown, and run like any other; anything else is refused with the
//! reason. And it may word an answer: its sentences are shown only if every number and every name in them is in the answer.
//!
//! This crate opens no connection and loads no weights. [`ChatModel`] speaks to an OpenAI-compatible endpoint through a
//! [`Transport`] of the caller; [`Chooser`] lets a [`Likelihood`] of the caller choose among queries that are made of the words
//! and numbers of the question.
//!
//! ```
//! use genome_ask::llm::{LanguageModel, Task};
//! use genome_ask::{Dialogue, Index, Result, Source, Store};
//!
//! #[derive(Debug)]
//! struct Always(&'static str);
//!
//! impl LanguageModel for Always {
//!     fn name(&self) -> String {
//!         "a model of one line".into()
//!     }
//!     fn query(&mut self, _: &Task<'_>) -> Result<String> {
//!         Ok(self.0.into())
//!     }
//! }
//!
//! # let folder = tempfile::tempdir().unwrap();
//! # let file = folder.path().join("demo.gff3");
//! # std::fs::write(&file, "##gff-version 3\nchr1\t.\tgene\t5\t40\t.\t+\t.\tID=g1;Name=demA\n").unwrap();
//! let index = Index::open(&[Source::new(&file)], &Store::Memory)?;
//! let mut dialogue = Dialogue::new(&index);
//! let reply = dialogue.ask_with("wherefore art thou, o genes?", &mut Always("count gene"), false)?;
//! assert_eq!((reply.facts().count, &*reply.help.unwrap().model), (Some(1), "a model of one line"));
//!
//! let reply = dialogue.ask_with("wherefore art thou, o genes?", &mut Always("SELECT * FROM features"), false)?;
//! assert_eq!(reply.facts().status, "refused");
//! # Ok::<(), genome_ask::Error>(())
//! ```
//!
//! # What is checked
//!
//! - one line of at most 4,096 bytes, which the parser of queries reads to its end;
//! - kinds of feature are those of the genome;
//! - names of genes, sequences, genomes and patterns are in the question: a model knows no identifiers, the index does;
//! - numbers and words that are not in the question are told with the answer.

mod accept;
mod chat;
mod choose;
mod prompt;
mod prose;
mod secret;

use std::borrow::Borrow;
use std::fmt::Debug;

pub use chat::{ChatModel, MAX_REPLY_BYTES, Transport};
pub use choose::{Chooser, Likelihood};
pub use secret::Secret;

use crate::dialogue::{Cause, Dialogue, Help, Method, Reply, ReplyKind};
use crate::error::Result;
use crate::index::Index;
use crate::understand;

/// What a model answers where no query asks what the question does.
pub const DECLINE: &str = "DECLINE";

/// How often a model may try: what was wrong with a query is told once.
const ATTEMPTS: usize = 2;

/// A question that the grammar did not understand.
#[derive(Debug)]
pub struct Task<'a> {
    /// The question.
    pub question: &'a str,
    /// Words of it that are names of the genome.
    pub names: &'a [String],
    /// What was wrong with the query before.
    pub before: Option<&'a Refused>,
}

/// A query that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// What the model gave, cut where it is long.
    pub line: String,
    /// Why it is no query.
    pub reason: String,
}

/// A language model.
pub trait LanguageModel: Debug {
    /// Its name, for people: no address with a password, no key.
    fn name(&self) -> String;

    /// One line: the text of a typed query, or [`DECLINE`].
    ///
    /// # Errors
    ///
    /// [`crate::Error::Model`]: it cannot be asked.
    fn query(&mut self, task: &Task<'_>) -> Result<String>;

    /// The answer in a few sentences; nothing if it does not write.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Model`]: it cannot be asked.
    fn prose(&mut self, question: &str, answer: &str) -> Result<Option<String>> {
        let _ = (question, answer);
        Ok(None)
    }
}

impl<I: Borrow<Index>> Dialogue<I> {
    /// As [`Dialogue::ask`]; a question that no rule reads is given to the model, and a query of its own choice is run and shown.
    /// With `prose` the model is given each answer and may word it. A model that fails changes nothing: [`Reply::help`] says why.
    ///
    /// # Errors
    ///
    /// As [`Dialogue::ask`].
    pub fn ask_with(&mut self, question: &str, model: &mut dyn LanguageModel, prose: bool) -> Result<Reply> {
        let mut reply = self.ask(question)?;
        if matches!(reply.kind, ReplyKind::Declined { cause: Cause::NotUnderstood, .. }) {
            reply = self.helped(reply, model)?;
        }
        if prose && let ReplyKind::Answered { answer, .. } = &reply.kind {
            let told = prompt::answer(&reply.text, answer);
            let checked = match model.prose(&reply.question, &told) {
                Ok(Some(sentences)) => prose::check(&sentences, &reply, self.index()).map(Some),
                Ok(None) => Ok(None),
                Err(error) => Err(error.to_string()),
            };
            let help = reply.help.get_or_insert_with(|| Help { model: model.name(), ..Help::default() });
            match checked {
                Ok(sentences) => help.prose = sentences,
                Err(reason) => help.refused = Some(format!("its sentences are not shown: {reason}")),
            }
        }
        Ok(reply)
    }

    /// Lets the model choose a query for a question that was declined.
    fn helped(&mut self, mut declined: Reply, model: &mut dyn LanguageModel) -> Result<Reply> {
        let question = declined.question.clone();
        let names = understand::names_in(&question, self.index())?;
        let mut help = Help { model: model.name(), ..Help::default() };
        let mut before: Option<Refused> = None;
        for _ in 0..ATTEMPTS {
            let line = match model.query(&Task { question: &question, names: &names, before: before.as_ref() }) {
                Ok(line) => line,
                Err(error) => {
                    help.refused = Some(error.to_string());
                    break;
                }
            };
            match accept::read(&line, &question, self.index())? {
                Ok(None) => {
                    help.refused = Some("it found no query for this question either".to_owned());
                    break;
                }
                Ok(Some((query, notes))) => {
                    let mut reply = self.run(&question, query)?;
                    reply.method = Method::LanguageModel;
                    help.refused = None;
                    reply.help = Some(help);
                    if let ReplyKind::Answered { answer, .. } | ReplyKind::Empty { answer, .. } = &mut reply.kind {
                        answer.caveats.splice(0..0, notes);
                    }
                    return Ok(reply);
                }
                Err(reason) => {
                    help.refused = Some(format!("its query is refused: {reason}"));
                    before = Some(Refused { line: line.chars().take(500).collect(), reason });
                }
            }
        }
        declined.help = Some(help);
        Ok(declined)
    }
}
