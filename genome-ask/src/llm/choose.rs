//! A model that only tells how likely a text is, as one that chooses a query.
//!
//! The question is turned into a finite list of queries by code: templates, filled with the words, numbers and names that the
//! question has. Each is said in words, as answers say how they were understood. The model tells how likely the question is
//! after those words, log p(question | words); the likeliest wins. The text whose likelihood is compared is the same for all, so
//! that long queries are at no disadvantage. To decline is one of the choices.

use std::fmt::Debug;

use super::{DECLINE, LanguageModel, Task};
use crate::error::{Error, Result};
use crate::query::{Aggregate, Compare, Extract, Field, Filter, Match, Place, Query, Select, Side, Tell};
use crate::say;
use crate::understand;

/// Choices at most.
const MOST: usize = 96;

/// What tells how likely texts are.
pub trait Likelihood: Debug {
    /// Its name, for people.
    fn name(&self) -> String;

    /// For each context the natural logarithm of the probability of `text` after it, summed over its tokens.
    ///
    /// # Errors
    ///
    /// Why it cannot be told.
    fn log_likelihood(&mut self, contexts: &[String], text: &str) -> Result<Vec<f64>, String>;
}

/// A [`LanguageModel`] that chooses among queries made of the question. It writes no prose.
#[derive(Debug)]
pub struct Chooser<L> {
    likelihood: L,
}

impl<L: Likelihood> Chooser<L> {
    /// By this likelihood.
    pub fn new(likelihood: L) -> Self {
        Self { likelihood }
    }
}

impl<L: Likelihood> LanguageModel for Chooser<L> {
    fn name(&self) -> String {
        self.likelihood.name()
    }

    fn query(&mut self, task: &Task<'_>) -> Result<String> {
        // What it chose once it would choose again.
        if task.before.is_some() {
            return Ok(DECLINE.to_owned());
        }
        let mut choices = choices(task.question, task.names);
        choices.truncate(MOST);
        let mut contexts: Vec<String> =
            choices.iter().map(|query| format!("Wanted: {}.\nQuestion:", say::understood(query))).collect();
        contexts.push("Wanted: something that a genome does not tell.\nQuestion:".to_owned());
        let scores = self.likelihood.log_likelihood(&contexts, &format!(" {}", task.question));
        let problem = |problem: &str| Error::Model { model: self.likelihood.name(), problem: problem.to_owned() };
        let scores = scores.map_err(|text| problem(&text))?;
        if scores.len() != contexts.len() {
            return Err(problem("it did not tell a likelihood for each choice"));
        }
        if scores.iter().any(|score| score.is_nan()) {
            return Err(problem("a likelihood is no number"));
        }
        let best = scores.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0))).map(|(at, _)| at);
        Ok(best.and_then(|at| choices.get(at)).map_or_else(|| DECLINE.to_owned(), ToString::to_string))
    }
}

/// Words without a meaning of their own.
const FILLERS: &[&str] = &[
    "a", "about", "all", "am", "an", "and", "any", "are", "at", "be", "by", "can", "could", "did", "do", "does", "for",
    "from", "genes", "gene", "genome", "give", "had", "has", "have", "how", "i", "in", "is", "it", "its", "know",
    "like", "list", "many", "me", "much", "my", "of", "on", "one", "or", "our", "please", "protein", "proteins",
    "show", "so", "some", "tell", "that", "the", "their", "them", "there", "these", "they", "thing", "things", "this",
    "those", "to", "was", "we", "what", "when", "where", "which", "who", "why", "will", "with", "would", "you", "your",
    "than", "over", "under", "more", "less", "longer", "shorter", "number", "count",
];

/// Queries that the question may mean, the plainest first.
pub(super) fn choices(question: &str, names: &[String]) -> Vec<Query> {
    let mut numbers: Vec<f64> = Vec::new();
    for number in understand::numbers_in(question) {
        if !numbers.contains(&number) {
            numbers.push(number);
        }
    }
    let of = |select: Select, tell: Tell| Query::new(select).tell(tell);
    let mut out = vec![
        of(Select::Gene, Tell::Count),
        of(Select::Protein, Tell::Count),
        of(Select::Kind("tRNA".to_owned()), Tell::Count),
        of(Select::Kind("rRNA".to_owned()), Tell::Count),
        of(Select::Sequence, Tell::Gc),
        of(Select::Sequence, Tell::Aggregate(Aggregate::Sum, Field::Length)),
        of(Select::Protein, Tell::Aggregate(Aggregate::Mean, Field::Aa)),
        of(Select::Gene, Tell::Coverage),
        of(Select::Cds, Tell::CodonUsage),
        Query::new(Select::Protein).order_by(Field::Aa, true).limit(1, true),
        Query::new(Select::Protein).order_by(Field::Aa, false).limit(1, true),
        Query::new(Select::Gene).order_by(Field::Length, true).limit(1, true),
    ];
    for name in names {
        let place = || Place::Named(name.clone());
        let named = |select: Select| Query::new(select).filter(Filter::Named(vec![name.clone()]));
        out.push(named(Select::Gene));
        out.push(Query { show: vec![Field::Product, Field::Function], ..named(Select::Gene) });
        out.push(Query { extract: Some(Extract::Protein), ..named(Select::Protein) });
        out.push(Query::new(Select::Gene).filter(Filter::NextTo { of: place(), count: 1, side: Side::Both }));
        for number in numbers.iter().filter(|number| **number >= 1.0 && number.fract() == 0.0) {
            let distance_bp = *number as u64;
            out.push(Query::new(Select::Gene).filter(Filter::Near { of: place(), distance_bp, side: Side::Both }));
            out.push(Query { extract: Some(Extract::Upstream(distance_bp)), ..named(Select::Gene) });
        }
    }
    for number in &numbers {
        for compare in [Compare::Gt(*number), Compare::Lt(*number)] {
            out.push(Query::new(Select::Protein).filter(Filter::Number(Field::Aa, compare)));
            out.push(of(Select::Protein, Tell::Count).filter(Filter::Number(Field::Aa, compare)));
            out.push(Query::new(Select::Gene).filter(Filter::Number(Field::Length, compare)));
        }
    }
    for phrase in phrases(question, names) {
        let has = || Filter::Text(Field::Product, Match::Has, vec![phrase.clone()]);
        out.push(Query::new(Select::Protein).filter(has()));
        out.push(of(Select::Protein, Tell::Count).filter(has()));
        out.push(Query::new(Select::Gene).filter(Filter::FullText(phrase.clone())));
    }
    out
}

/// Runs of words with a meaning, the longest first, and each of their words.
fn phrases(question: &str, names: &[String]) -> Vec<String> {
    let lower = question.to_lowercase();
    let mut runs: Vec<Vec<&str>> = vec![Vec::new()];
    for piece in lower.split_whitespace() {
        for word in
            piece.split(|c: char| !(c.is_alphanumeric() || matches!(c, '-' | '\''))).filter(|word| !word.is_empty())
        {
            let word = word.trim_matches(['-', '\'']);
            let is_name = names.iter().any(|name| name.eq_ignore_ascii_case(word));
            let is_short = word.chars().count() < 2;
            if is_short || FILLERS.contains(&word) || is_name || word.starts_with(|c: char| c.is_ascii_digit()) {
                runs.push(Vec::new());
            } else if let Some(run) = runs.last_mut() {
                run.push(word);
            }
        }
        // A comma ends a phrase.
        if piece.ends_with(|c: char| c.is_ascii_punctuation()) {
            runs.push(Vec::new());
        }
    }
    let mut out: Vec<String> = runs.iter().filter(|run| !run.is_empty()).map(|run| run.join(" ")).collect();
    out.sort_by_key(|phrase| std::cmp::Reverse(phrase.len()));
    out.extend(runs.iter().filter(|run| run.len() > 1).flatten().map(|word| (*word).to_owned()));
    let mut seen = std::collections::HashSet::new();
    out.retain(|phrase| seen.insert(phrase.clone()));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_made_of_the_question() {
        let texts = |question: &str, names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            choices(question, &names).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let found = texts("Pray tell what dwells five kb from lacZ, o oracle of heat-shock chaperones", &["lacZ"]);
        for expected in [
            "list gene where near lacZ within 5000",
            "list gene where named lacZ show product, function",
            "list protein where product has \"heat-shock chaperones\"",
            "list gene where text \"oracle\"",
            "list protein where aa > 5",
        ] {
            assert!(found.iter().any(|text| text == expected), "{expected}: {found:#?}");
        }
        for text in &found {
            assert_eq!(Query::parse(text).unwrap().to_string(), *text);
        }
        assert!(texts("", &[]).iter().all(|text| !text.contains("where")));
    }
}
