//! Genes like a text, a gene or a sequence: similarity of vectors, which is no fact.
//!
//! A model of the caller ([`Embed`]) turns the product and function of each gene, or its bases, into a vector. [`Vectors`] keeps
//! them in a file beside the index, made again when the genome or the model changes. The rows of an answer are those with the
//! largest cosine to what was asked for; each has its [`crate::answer::Row::similarity`], and the answer says that this is a
//! similarity. All are compared: no approximate search.
//!
//! ```
//! use genome_ask::semantic::{Embed, Of, Similar, To, Vectors};
//! use genome_ask::{Dialogue, Index, Source, Store};
//!
//! /// As many values as there are letters.
//! #[derive(Debug)]
//! struct Letters;
//!
//! impl Embed for Letters {
//!     fn name(&self) -> String {
//!         "letter counts".into()
//!     }
//!     fn identity(&self) -> String {
//!         "letters-1".into()
//!     }
//!     fn embed(&mut self, texts: &[&str]) -> Result<Vec<Vec<f32>>, String> {
//!         let count = |text: &str, c: u8| text.to_lowercase().bytes().filter(|b| *b == c).count() as f32;
//!         Ok(texts.iter().map(|text| (b'a'..=b'z').map(|c| count(text, c)).collect()).collect())
//!     }
//! }
//!
//! # let folder = tempfile::tempdir().unwrap();
//! # let file = folder.path().join("demo.gff3");
//! # std::fs::write(&file, "##gff-version 3\nchr1\t.\tgene\t5\t40\t.\t+\t.\tID=g1;Name=demA;product=heat shock protein\n\
//! #     chr1\t.\tgene\t50\t90\t.\t-\t.\tID=g2;Name=demB;product=lipase\n").unwrap();
//! let index = Index::open(&[Source::new(&file)], &Store::Memory)?;
//! let vectors = Vectors::open(&index, Of::Function, &mut Letters, None, &mut |_, _| {})?;
//! let wanted = Similar { to: To::Text("hot shocks".into()), of: Of::Function, rows: 1 };
//! let reply = Dialogue::new(&index).similar("genes for hot shocks", &wanted, &vectors, &mut Letters)?;
//! let row = &reply.answer().unwrap().rows[0];
//! assert_eq!(row.gene.as_deref(), Some("demA"));
//! assert!(row.similarity.unwrap() > 0.6);
//! # Ok::<(), genome_ask::Error>(())
//! ```

mod question;
mod vectors;

use std::borrow::Borrow;
use std::collections::HashMap;
use std::fmt::Debug;

pub use question::{Wanted, wanted};
pub use vectors::Vectors;

use crate::dialogue::{Cause, Dialogue, Method, Reply, ReplyKind};
use crate::error::{Error, Result};
use crate::index::Index;
use crate::query::{Filter, Query, Select};
use crate::say;

/// A model that turns texts into vectors.
pub trait Embed: Debug + Send {
    /// Its name, for people.
    fn name(&self) -> String;

    /// What changes when its vectors do: the hash of its weights, and how tokens become one vector.
    fn identity(&self) -> String;

    /// A vector for each text, in their order, all of one length. Cosines are compared, so that length does not matter.
    ///
    /// # Errors
    ///
    /// Why there is none.
    fn embed(&mut self, texts: &[&str]) -> Result<Vec<Vec<f32>>, String>;
}

/// What of a gene is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Of {
    /// Its product and functions, as texts. Genes of unknown function have none.
    Function,
    /// Its bases, from the first to the last as its strand reads.
    Sequence,
}

impl Of {
    fn name(self) -> &'static str {
        match self {
            Self::Function => "function",
            Self::Sequence => "sequence",
        }
    }
}

/// What genes are compared to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum To {
    /// A gene, by name or locus tag; it is left out itself.
    Gene(String),
    /// A text; letters of DNA for [`Of::Sequence`].
    Text(String),
}

/// A question of similarity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Similar {
    /// To what.
    pub to: To,
    /// By what.
    pub of: Of,
    /// How many genes.
    pub rows: u64,
}

impl<I: Borrow<Index>> Dialogue<I> {
    /// The genes with the largest cosine, the first one first, as a turn of the dialogue: the next question may refine it.
    ///
    /// # Errors
    ///
    /// As [`Dialogue::run`], and [`Error::Model`].
    pub fn similar(
        &mut self,
        question: &str,
        wanted: &Similar,
        vectors: &Vectors,
        embedder: &mut dyn Embed,
    ) -> Result<Reply> {
        let what = match wanted.of {
            Of::Function => "the meaning of product and function",
            Of::Sequence => "the sequence",
        };
        let (vector, itself, told) = match &wanted.to {
            To::Gene(name) => {
                let query = Query::new(Select::Gene).filter(Filter::Named(vec![name.clone()]));
                let found = self.run(question, query)?;
                let Some(row) = found.answer().and_then(|answer| answer.rows.first()) else { return Ok(found) };
                let key = (row.genome.clone(), row.id.clone());
                let told = match &row.gene {
                    Some(gene) if *gene != row.id => format!("{gene} ({})", row.id),
                    _ => row.id.clone(),
                };
                let Some(vector) = vectors.of(&key) else {
                    let lacks = match wanted.of {
                        Of::Function => "no product or function that says what it does",
                        Of::Sequence => "no letters of its sequence",
                    };
                    let reason = format!("{told} has {lacks} in the annotation: there is nothing to compare.");
                    return Ok(refused(question, reason));
                };
                (vector.to_vec(), Some(key), told)
            }
            To::Text(text) => {
                let embedded = embedder.embed(&[text]);
                let vector = embedded.and_then(|all| vectors.prepare(all.into_iter().next().unwrap_or_default()));
                let vector = vector.map_err(|problem| Error::Model { model: embedder.name(), problem })?;
                (vector, None, format!("\u{201c}{text}\u{201d}"))
            }
        };
        let nearest = vectors.nearest(&vector, itself.as_ref(), usize::try_from(wanted.rows).unwrap_or(usize::MAX));
        if nearest.is_empty() {
            let reason = format!("No gene can be compared by {what}: the annotation has none of it.");
            return Ok(refused(question, reason));
        }
        let compared = vectors.len() - usize::from(itself.is_some());
        let ids: Vec<String> = nearest.iter().map(|(key, _)| key.1.clone()).collect();
        let scores: HashMap<&(String, String), f32> = nearest.iter().map(|(key, score)| (*key, *score)).collect();
        let mut reply = self.run(question, Query::new(Select::Gene).filter(Filter::Among(ids)))?;
        reply.method = Method::Similarity;
        reply.understood = format!("genes similar to {told} by {what}");
        let ReplyKind::Answered { answer, .. } = &mut reply.kind else { return Ok(reply) };
        for row in &mut answer.rows {
            let key = (row.genome.clone(), row.id.clone());
            row.similarity = scores.get(&key).map(|score| f64::from(*score));
        }
        // Another genome may have a gene of the same name.
        answer.rows.retain(|row| row.similarity.is_some());
        answer.rows.sort_by(|a, b| b.similarity.unwrap_or_default().total_cmp(&a.similarity.unwrap_or_default()));
        answer.count = answer.rows.len() as u64;
        answer.computed.push(format!("cosine of vectors by {} with each of {compared} genes", vectors.model()));
        answer.caveats.insert(
            0,
            format!(
                "similarity, not fact: the cosine (1 is the same, 0 unrelated) of vectors by {}; there are always nearest ones, \
                 related or not",
                vectors.model()
            ),
        );
        self.memory.subjects = answer.rows.iter().map(|row| row.id.clone()).collect();
        let few = answer.rows.iter().take(3).map(|row| {
            let gene =
                row.gene.as_ref().filter(|gene| **gene != row.id).map(|gene| format!("{gene} ")).unwrap_or_default();
            format!("{gene}{} {:.3}", row.id, row.similarity.unwrap_or_default())
        });
        let few: Vec<String> = few.collect();
        let count = say::thousands(answer.count);
        let compared = say::thousands(compared as u64);
        reply.text = format!(
            "The {count} most similar of {compared} genes: {}{}.",
            few.join("; "),
            if answer.rows.len() > 3 { "; \u{2026}" } else { "" }
        );
        Ok(reply)
    }
}

fn refused(question: &str, reason: String) -> Reply {
    let kind = ReplyKind::Declined {
        cause: Cause::CannotTell,
        reason: reason.clone(),
        unknown: Vec::new(),
        suggestions: Vec::new(),
    };
    let mut reply = crate::dialogue::reply(question, String::new(), reason, kind);
    reply.method = Method::Similarity;
    reply
}
