//! English questions as queries, by a fixed grammar: [`tokens`] → [`items`] with a meaning ([`lexicon`], names of the genome,
//! typing errors) → slots of a [`frame`] filled by the rules of [`read`] → a query put together by [`build`], or by [`follow`]
//! from the one before. No step guesses: words that no rule takes make the question one that is not understood.

mod ask_back;
mod build;
mod choose;
mod correct;
mod follow;
mod frame;
mod items;
mod lexicon;
mod numbers;
mod read;
mod spelling;
mod subject;
mod tokens;
mod topic;
pub(crate) mod vocabulary;

use frame::Frame;
use vocabulary::Genome;

use crate::dialogue::{Cause, Correction, Memory, Reading};
use crate::error::Result;
use crate::index::Index;
use crate::query::Query;

pub(crate) use tokens::clean;

/// What became of a question.
#[derive(Debug)]
pub(crate) enum Understanding {
    /// A query, and what was assumed to make it.
    Query { query: Box<Query>, notes: Vec<String> },
    /// One of several.
    Ambiguous { ask: String, readings: Vec<Reading> },
    /// None.
    Declined { cause: Cause, reason: String, unknown: Vec<String>, suggestions: Vec<String> },
}

/// Whether all of these are kinds of features that the index has.
pub(crate) fn are_kinds(kinds: &std::collections::BTreeSet<String>, index: &Index) -> Result<bool> {
    let known = Genome { index }.kinds()?;
    Ok(kinds.iter().all(|kind| known.iter().any(|(_, other)| other.eq_ignore_ascii_case(kind))))
}

/// The words of a question that are names of the genome, as they are written; words of questions, such as `can`, are left out.
#[cfg(feature = "llm")]
pub(crate) fn names_in(question: &str, index: &Index) -> Result<Vec<String>> {
    let genome = Genome { index };
    let mut names: Vec<String> = Vec::new();
    for token in tokens::tokens(question) {
        let written = &question[token.span.clone()];
        let is_word =
            token.kind == tokens::Kind::Word && written.chars().count() > 1 && !lexicon::lexicon().knows(&token.text);
        if is_word && !names.iter().any(|name| name == written) && genome.name_rank(written)?.is_some() {
            names.push(written.to_owned());
        }
    }
    Ok(names)
}

/// Whether a feature of the genome is called so.
#[cfg(any(feature = "llm", feature = "semantic"))]
pub(crate) fn is_name(text: &str, index: &Index) -> Result<bool> {
    Ok(Genome { index }.name_rank(text)?.is_some())
}

/// The number that a word alone says.
#[cfg(feature = "llm")]
pub(crate) fn number_word(word: &str) -> Option<f64> {
    // `hundred` is none alone.
    numbers::number_words(&[word])
        .or_else(|| numbers::number_words(&["one", word]).filter(|(_, taken)| *taken == 2))
        .map(|(number, _)| number)
}

/// Whether the lexicon of questions has this word.
#[cfg(feature = "llm")]
pub(crate) fn is_question_word(word: &str) -> bool {
    lexicon::lexicon().knows(word)
}

/// The numbers of a question, in words too; with `kb` and `Mb` as they are and as bases.
#[cfg(feature = "llm")]
pub(crate) fn numbers_in(question: &str) -> Vec<f64> {
    let tokens = tokens::tokens(question);
    let words: Vec<&str> = tokens.iter().map(|token| &*token.text).collect();
    let mut out = Vec::new();
    for (i, token) in tokens.iter().enumerate() {
        let number = match token.kind {
            tokens::Kind::Number(number) => Some((number, 1)),
            _ => numbers::number_words(&words[i..]),
        };
        let Some((number, taken)) = number else { continue };
        let times = match words.get(i + taken).and_then(|word| numbers::unit(word)) {
            Some(numbers::Unit::Bases(times) | numbers::Unit::Dalton(times)) => f64::from(times),
            _ => 1.0,
        };
        out.extend([number, number * times]);
    }
    out
}

/// Words of questions that begin so.
pub(crate) fn words_beginning(beginning: &str) -> impl Iterator<Item = &'static str> + '_ {
    let words = lexicon::lexicon().words();
    let from = words.partition_point(|word| word.as_str() < beginning);
    words[from..].iter().map(String::as_str).take_while(move |word| word.starts_with(beginning))
}

/// Reads a question that is [`clean`].
pub(crate) fn understand(question: &str, index: &Index, memory: &Memory) -> Result<(Understanding, Vec<Correction>)> {
    let genome = Genome { index };
    let mut corrections = Vec::new();
    let tokens = tokens::tokens(question);
    let items = items::items(question, tokens, genome, &mut corrections)?;
    let frame = read::read(&items, genome)?;
    let understanding = decide(question, &frame, memory, genome)?;
    Ok((understanding, corrections))
}

fn decide(question: &str, frame: &Frame, memory: &Memory, genome: Genome<'_>) -> Result<Understanding> {
    if let Some(reason) = frame.beyond {
        let reason = format!("The data cannot tell this: {reason}.");
        return Ok(Understanding::Declined {
            cause: Cause::CannotTell,
            reason,
            unknown: Vec::new(),
            suggestions: suggestions(frame, genome),
        });
    }
    if frame.asks.help && !frame.has_subject() {
        let all = crate::dialogue::examples_of(genome.index).into_iter().flat_map(|examples| examples.questions);
        let reason = "Questions of these sorts are understood.".to_owned();
        return Ok(Understanding::Declined {
            cause: Cause::Help,
            reason,
            unknown: Vec::new(),
            suggestions: all.collect(),
        });
    }
    if let Some(first) = frame.dangling.first() {
        let reason = format!("I did not understand \u{201c}{first}\u{201d}: it lacks a number, or what it refers to.");
        let unknown = frame.dangling.clone();
        return Ok(Understanding::Declined {
            cause: Cause::NotUnderstood,
            reason,
            unknown,
            suggestions: suggestions(frame, genome),
        });
    }
    let takes_numbers = frame.extreme.is_some() || frame.relation.is_some() || frame.first.is_some();
    if let Some(number) = frame.numbers.first()
        && frame.asks.count
        && !takes_numbers
        && memory.readings.is_empty()
    {
        let reason =
            format!("I did not understand what {number} counts here: a unit such as aa, bp or kb may be missing.");
        return Ok(Understanding::Declined {
            cause: Cause::NotUnderstood,
            reason,
            unknown: vec![number.to_string()],
            suggestions: suggestions(frame, genome),
        });
    }
    if frame.says_gap && matches!(frame.relation, Some((_, frame::Relation::Between))) && frame.names.len() == 2 {
        let reason =
            "Distances between two genes are not computed; ask where they are, or what lies between them.".to_owned();
        return Ok(Understanding::Declined {
            cause: Cause::CannotTell,
            reason,
            unknown: Vec::new(),
            suggestions: suggestions(frame, genome),
        });
    }
    if frame.shared.is_some() && genome.several()?.is_empty() {
        let reason = "Two genomes are needed to compare them, and only one is open.".to_owned();
        return Ok(Understanding::Declined {
            cause: Cause::CannotTell,
            reason,
            unknown: Vec::new(),
            suggestions: suggestions(frame, genome),
        });
    }
    if let Some(query) = choose::reading(question, frame, &memory.readings) {
        return Ok(Understanding::Query { query: Box::new(query), notes: Vec::new() });
    }
    // Several things that nobody knows: the question is about something else.
    if is_foreign(frame) {
        return Ok(ask_back::not_understood(frame, genome));
    }
    match follow::follow(frame, memory, genome)? {
        Some(understanding) => Ok(understanding),
        None => build::build(frame, genome),
    }
}

/// Words that the genome does not have are told as "not annotated" where something of the genome is asked for, and only then.
fn is_foreign(frame: &Frame) -> bool {
    let unknown = frame.unknown.len();
    let asks = frame.asks;
    let of_genome = !frame.nouns.is_empty() || asks.exists || asks.count || asks.place;
    let words: usize = frame.unknown.iter().map(|phrase| phrase.split_whitespace().count()).sum();
    unknown > 1 || words > 4 || (unknown == 1 && !of_genome)
}

/// Questions that can be asked instead, those of the same sort first.
fn suggestions(frame: &Frame, genome: Genome<'_>) -> Vec<String> {
    let _ = frame;
    let examples = crate::dialogue::examples_of(genome.index);
    examples
        .into_iter()
        .filter(|e| e.category != "Going on")
        .filter_map(|e| e.questions.into_iter().next())
        .take(3)
        .collect()
}
