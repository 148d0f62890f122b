//! What a model gave, as a query: read by the strict parser, then checked against the question and the genome.

use super::DECLINE;
use crate::error::Result;
use crate::index::Index;
use crate::query::{Compare, Extract, Field, Filter, Place, Query, Region, Select, Tell};
use crate::understand;

/// Bytes of a query.
const LONGEST: usize = 4096;

/// A query with what to know about it, nothing where the model declines, or why it is refused.
pub(super) type Read = std::result::Result<Option<(Query, Vec<String>)>, String>;

pub(super) fn read(reply: &str, question: &str, index: &Index) -> Result<Read> {
    let line = match one_line(reply) {
        Ok(line) => line,
        Err(reason) => return Ok(Err(reason)),
    };
    if line.trim_end_matches('.').eq_ignore_ascii_case(DECLINE) {
        return Ok(Ok(None));
    }
    let query = match Query::parse(line) {
        Ok(query) => query,
        Err(error) => return Ok(Err(error.to_string())),
    };
    if !understand::are_kinds(&query.kinds(), index)? {
        let kinds: Vec<String> = query.kinds().into_iter().collect();
        return Ok(Err(format!("the genome has no features of the kind {}", kinds.join(", "))));
    }
    let used = Used::of(&query);
    let asked = format!(" {} ", fold(question));
    let is_asked = |text: &str| asked.contains(&format!(" {} ", fold(text).trim()));
    if let Some(name) = used.names.iter().find(|name| !is_asked(name)) {
        return Ok(Err(format!(
            "it names {name}, which the question does not; names come from the question or the genome"
        )));
    }
    let known = understand::numbers_in(question);
    let mut numbers: Vec<String> = Vec::new();
    for number in used.numbers.iter().filter(|number| !known.contains(number)) {
        let text = number.to_string();
        if !numbers.contains(&text) {
            numbers.push(text);
        }
    }
    let mut words: Vec<&str> = Vec::new();
    for word in used.texts.iter().flat_map(|text| text.split_whitespace()) {
        if !is_asked(word) && !is_asked(word.trim_end_matches('s')) && !words.contains(&word) {
            words.push(word);
        }
    }
    let mut notes = Vec::new();
    for (what, found) in [("numbers", numbers.join(", ")), ("words", words.join(", "))] {
        if !found.is_empty() {
            notes.push(format!(
                "{what} of the query that are not in the question, chosen by the language model: {found}"
            ));
        }
    }
    Ok(Ok(Some((query, notes))))
}

/// The one line of a reply. What models wrap around it is taken off: a block of thoughts in front, a code fence, backticks.
fn one_line(reply: &str) -> std::result::Result<&str, String> {
    let mut text = reply.trim();
    if let Some(thoughts) = text.strip_prefix("<think>") {
        let Some((_, rest)) = thoughts.split_once("</think>") else {
            return Err("its thoughts have no end".to_owned());
        };
        text = rest.trim();
    }
    if let Some(fenced) = text.strip_prefix("```").and_then(|rest| rest.strip_suffix("```")) {
        // The name of a language may stand behind the fence.
        text = match fenced.split_once('\n') {
            Some((language, rest)) if language.trim().chars().all(char::is_alphanumeric) => rest.trim(),
            _ => fenced.trim(),
        };
    }
    text = text.trim_matches('`').trim();
    if text.is_empty() {
        return Err("it gave nothing".to_owned());
    }
    if text.len() > LONGEST {
        return Err(format!("it gave {} bytes, expected at most {LONGEST}", text.len()));
    }
    if text.lines().count() > 1 {
        return Err(format!("it gave {} lines, expected one", text.lines().count()));
    }
    if text.chars().any(char::is_control) {
        return Err("it gave control characters".to_owned());
    }
    Ok(text)
}

/// Words in lower case between single blanks; signs are blanks.
fn fold(text: &str) -> String {
    let letters = text.to_lowercase();
    let words: Vec<&str> =
        letters.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|w| !w.is_empty()).collect();
    words.join(" ")
}

/// What a query has that could come from a memory.
#[derive(Default)]
struct Used {
    names: Vec<String>,
    numbers: Vec<f64>,
    texts: Vec<String>,
}

impl Used {
    fn of(query: &Query) -> Self {
        let mut used = Self::default();
        used.names.extend(query.genome.clone());
        used.select(&query.select);
        used.filters(query.filters.iter().chain(&query.having));
        if let Tell::Share(filters) = &query.tell {
            used.filters(filters);
        }
        if let Some(limit) = query.limit.filter(|limit| limit.rows != 1) {
            used.number(limit.rows);
        }
        if let Some(Extract::Upstream(n) | Extract::Downstream(n) | Extract::Flanked(n)) = query.extract {
            used.number(n);
        }
        used
    }

    fn number(&mut self, n: u64) {
        self.numbers.push(n as f64);
    }

    fn select(&mut self, select: &Select) {
        match select {
            Select::Run { max_gap_bp } => self.number(*max_gap_bp),
            Select::Cluster { of, max_gap_bp, min_members } => {
                self.select(of);
                self.number(*max_gap_bp);
                self.number(*min_members);
            }
            Select::Orf { min_aa } => self.number(*min_aa),
            Select::Motif(patterns) => self.names.extend(patterns.iter().filter(|pattern| *pattern != "*").cloned()),
            Select::Window { size_bp, step_bp } => {
                self.number(*size_bp);
                self.number(*step_bp);
            }
            Select::Region(region) => self.region(region),
            Select::Gene
            | Select::Protein
            | Select::Cds
            | Select::Feature
            | Select::Kind(_)
            | Select::Sequence
            | Select::Intergenic => {}
        }
    }

    fn region(&mut self, region: &Region) {
        self.names.extend(region.seqid.clone());
        self.number(region.start);
        self.number(region.end);
    }

    fn place(&mut self, place: &Place) {
        match place {
            Place::Named(name) => self.names.push(name.clone()),
            Place::Region(region) => self.region(region),
            Place::Each(select, filters) => {
                self.select(select);
                self.filters(filters);
            }
        }
    }

    fn filters<'a>(&mut self, filters: impl IntoIterator<Item = &'a Filter>) {
        for filter in filters {
            self.filter(filter);
        }
    }

    fn filter(&mut self, filter: &Filter) {
        match filter {
            Filter::Is(_) | Filter::Strand(_) => {}
            Filter::Number(_, compare) => match compare {
                Compare::Lt(x) | Compare::Le(x) | Compare::Eq(x) | Compare::Ge(x) | Compare::Gt(x) => {
                    self.numbers.push(*x)
                }
                Compare::Between(low, high) => self.numbers.extend([*low, *high]),
            },
            Filter::Text(field, _, values) => {
                let identifies = matches!(
                    field,
                    Field::Id
                        | Field::LocusTag
                        | Field::Gene
                        | Field::Synonym
                        | Field::OldLocusTag
                        | Field::ProteinId
                        | Field::DbXref
                        | Field::Seqid
                        | Field::Genome
                );
                let into = if identifies { &mut self.names } else { &mut self.texts };
                into.extend(values.iter().cloned());
            }
            Filter::FullText(words) => self.texts.push(words.clone()),
            Filter::On(name) => self.names.push(name.clone()),
            Filter::Named(names) | Filter::Among(names) => self.names.extend(names.iter().cloned()),
            Filter::Near { of, distance_bp, .. } => {
                self.place(of);
                self.number(*distance_bp);
            }
            Filter::Overlaps(place) | Filter::Inside(place) => self.place(place),
            Filter::Between(a, b) => {
                self.place(a);
                self.place(b);
            }
            Filter::NextTo { of, count, .. } => {
                self.place(of);
                if *count != 1 {
                    self.number(*count);
                }
            }
            Filter::SharedWith { genome, .. } => self.names.push(genome.clone()),
            Filter::Not(filter) => self.filter(filter),
            Filter::Any(filters) | Filter::All(filters) => self.filters(filters),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_models_wrap_around_a_line_is_taken_off() {
        let check = |reply: &str, expected: std::result::Result<&str, &str>| match (one_line(reply), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (Err(found), Err(part)) => assert!(found.contains(part), "{found}"),
            (found, expected) => panic!("{found:?}, expected {expected:?}"),
        };
        check(" count gene \n", Ok("count gene"));
        check("`count gene`", Ok("count gene"));
        check("```\ncount gene\n```", Ok("count gene"));
        check("```text\ncount gene\n```", Ok("count gene"));
        check("<think>count what?\nhm</think>\n\ncount gene", Ok("count gene"));
        check("<think>count what?", Err("no end"));
        check("", Err("nothing"));
        check("``````", Err("nothing"));
        check("count gene\ncount tRNA", Err("2 lines"));
        check("Here is the query:\ncount gene", Err("2 lines"));
        check("count\u{7}gene", Err("control"));
        check(&"x".repeat(5000), Err("5000 bytes"));
    }
}
