//! What a question says, before it is put together: slots that rules fill.

use super::lexicon::{Letters, Noun};
use crate::query::{Aggregate, Compare, Field, Filter, Output, Region, Side};

/// What was recognised in a question. Where it matters what a thing belongs to, its place is kept with it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Frame {
    pub(super) asks: Asks,
    pub(super) nouns: Vec<(usize, Noun)>,
    pub(super) names: Vec<(usize, String)>,
    /// Sequences by name.
    pub(super) on: Vec<String>,
    pub(super) filters: Vec<(usize, Filter)>,
    /// Comparisons of a size; without a field it follows from the rows.
    pub(super) sizes: Vec<(Option<Field>, Compare)>,
    /// Members of a run or cluster.
    pub(super) members: Option<Compare>,
    /// Genomes of the index by name.
    pub(super) genomes: Vec<String>,
    /// What two genomes have in common, or only one of them.
    pub(super) shared: Option<bool>,
    /// Numbers that no rule took.
    pub(super) numbers: Vec<f64>,
    pub(super) relation: Option<(usize, Relation)>,
    pub(super) distance: Option<u64>,
    pub(super) side: Option<Side>,
    pub(super) gap: Option<u64>,
    /// A gap or distance is spoken of.
    pub(super) says_gap: bool,
    /// A noun stands in the plural.
    pub(super) plural: bool,
    /// "small" or "large" without a number.
    pub(super) large: Option<bool>,
    /// The superlative is "top", which says nothing about size.
    pub(super) top: bool,
    pub(super) same_strand: bool,
    pub(super) extreme: Option<Extreme>,
    /// The greatest first.
    pub(super) direction: Option<bool>,
    pub(super) order: bool,
    pub(super) first: Option<u64>,
    pub(super) fields: Vec<Field>,
    pub(super) letters: Option<Letters>,
    /// Bases beside a gene.
    pub(super) flank: Option<(Side, Option<u64>)>,
    pub(super) aggregate: Option<Aggregate>,
    pub(super) share: bool,
    pub(super) coverage: bool,
    pub(super) n50: bool,
    pub(super) codon_usage: bool,
    pub(super) group: Option<Field>,
    pub(super) region: Option<Region>,
    pub(super) patterns: Vec<String>,
    pub(super) output: Option<Output>,
    pub(super) refers: Refers,
    /// What no annotation tells.
    pub(super) beyond: Option<&'static str>,
    /// Comparisons without a number.
    pub(super) dangling: Vec<String>,
    /// Words that no rule understood.
    pub(super) unknown: Vec<String>,
    /// What is assumed because the question does not say it.
    pub(super) notes: Vec<String>,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Asks {
    pub(super) count: bool,
    pub(super) list: bool,
    pub(super) place: bool,
    pub(super) exists: bool,
    pub(super) does: bool,
    pub(super) how_long: bool,
    pub(super) yes_no: bool,
    pub(super) called: bool,
    pub(super) help: bool,
}

/// What was said before and is meant again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Refers {
    /// "it", "this gene".
    pub(super) it: bool,
    /// "these", "of them".
    pub(super) these: bool,
    /// "only".
    pub(super) only: bool,
    /// "and", "what about".
    pub(super) about: bool,
}

/// How rows lie to a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    Near,
    NextTo,
    EitherSide,
    Between,
    Overlaps,
    Inside,
    Adjacent,
    /// The next gene.
    Next,
    Previous,
}

/// A superlative.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Extreme {
    pub(super) descending: bool,
    pub(super) by: Option<Field>,
    pub(super) rows: Option<u64>,
}

impl Frame {
    /// The noun that is meant: not the genome or sequence in which things are, unless there is no other.
    pub(super) fn noun(&self) -> Option<&Noun> {
        let relation = self.relation.map_or(usize::MAX, |(at, _)| at);
        let container = |noun: &&Noun| matches!(noun, Noun::Sequence | Noun::Genome | Noun::Neighbour | Noun::Region);
        let mut own = self.nouns.iter().filter(|(at, _)| *at < relation).map(|(_, noun)| noun);
        let mut all = self.nouns.iter().map(|(_, noun)| noun);
        own.clone()
            .find(|noun| !container(noun))
            .or_else(|| {
                // "within 1 kb of a tRNA": the noun behind belongs to the place.
                if relation == usize::MAX { all.find(|noun| !container(noun)) } else { None }
            })
            .or_else(|| own.find(|noun| !matches!(noun, Noun::Neighbour)))
    }

    pub(super) fn has(&self, noun: &Noun) -> bool {
        self.nouns.iter().any(|(_, other)| other == noun)
    }

    /// Whether it says of what it speaks.
    pub(super) fn has_subject(&self) -> bool {
        self.nouns.iter().any(|(_, noun)| !matches!(noun, Noun::Neighbour | Noun::Region))
            || !self.names.is_empty()
            || self.has_text_filter()
            || !self.patterns.is_empty()
            || self.region.is_some()
            || self.n50
            || self.codon_usage
            || self.coverage
            || self.fields.contains(&Field::TranslTable)
            || (self.aggregate.is_some() && !self.fields.is_empty())
    }

    /// Whether a function, product or number of an enzyme is asked for.
    pub(super) fn has_text_filter(&self) -> bool {
        self.filters.iter().any(|(_, filter)| is_about_function(filter))
    }
}

/// Whether a filter is about what a gene does: then rows are proteins.
pub(super) fn is_about_function(filter: &Filter) -> bool {
    match filter {
        Filter::Text(field, ..) => {
            matches!(field, Field::Product | Field::Function | Field::Ec | Field::Go | Field::Note | Field::AnyText)
        }
        Filter::FullText(_) => true,
        Filter::Not(filter) => is_about_function(filter),
        Filter::All(filters) | Filter::Any(filters) => filters.iter().any(is_about_function),
        _ => false,
    }
}

impl Frame {
    /// "genes upstream of it" are many, "the gene upstream" is one.
    pub(super) fn wants_many(&self) -> bool {
        self.plural
    }

    /// The genome or a sequence is only where the rows are: "the largest on contig 3".
    pub(super) fn noun_is_container(&self) -> bool {
        !self.on.is_empty() || self.has(&Noun::Genome) && (!self.sizes.is_empty() || !self.filters.is_empty())
    }

    /// "top ten, shortest first": the direction says what is on top.
    pub(super) fn only_top(&self) -> bool {
        self.top
    }
}

impl Asks {
    /// Rows are asked for, and not one number of them.
    pub(super) fn list_of_rows(self) -> bool {
        self.place
    }
}
