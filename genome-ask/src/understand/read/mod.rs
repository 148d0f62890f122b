//! The rules that fill the slots of a [`Frame`], one after the other along the question.

mod alone;
mod functions;
mod places;
mod sizes;
mod superlatives;

use super::correct::begins_names;
use super::frame::{Extreme, Frame, Relation};
use super::items::{Item, Piece};
use super::lexicon::{Comparator, Noun, Sense};
use super::numbers::Unit;
use super::topic::{Role, amino_acid, topic};
use super::vocabulary::{Column, Genome};
use crate::error::Result;
use crate::query::{Compare, Field, Filter, Is, Match, Region, Strand};
use sizes::bases;
pub(super) use sizes::is_number;

pub(super) fn read(items: &[Item], genome: Genome<'_>) -> Result<Frame> {
    let mut rules =
        Rules { items, genome, at: 0, negated: None, role: Role::Product, missing: None, frame: Frame::default() };
    while rules.at < items.len() {
        let done = rules.comparison()
            || rules.size()
            || rules.beside()
            || rules.superlative()
            || rules.field_filter()?
            || rules.topic()?;
        if !done {
            rules.one();
        }
    }
    rules.sized();
    rules.related_to_nothing();
    if let Some(at) = rules.negated {
        rules.frame.dangling.push(items[at].text.clone());
    }
    Ok(rules.frame)
}

struct Rules<'a> {
    items: &'a [Item],
    genome: Genome<'a>,
    at: usize,
    /// Where a negation stands that nothing took so far.
    negated: Option<usize>,
    /// Where the next function is looked for.
    role: Role,
    /// Where "but not in" stands.
    missing: Option<usize>,
    frame: Frame,
}

impl<'a> Rules<'a> {
    /// "Which genes overlap?": what, is not said.
    fn related_to_nothing(&mut self) {
        let Some((at, Relation::Overlaps | Relation::Inside)) = self.frame.relation else { return };
        let Some(item) = self.items.get(at).filter(|item| item.text.starts_with("overlap")) else { return };
        let behind = |place: &usize| *place > at;
        let related = !self.frame.names.is_empty()
            || self.frame.region.is_some()
            || !self.frame.patterns.is_empty()
            || self.frame.refers.it
            || self.frame.refers.these
            || self.frame.nouns.iter().any(|(place, _)| behind(place))
            || self.frame.filters.iter().any(|(place, _)| behind(place));
        if !related {
            self.frame.dangling.push(item.text.clone());
        }
    }

    fn piece(&self, at: usize) -> Option<&'a Piece> {
        self.items.get(at).map(|item| &item.piece)
    }

    fn sense(&self, at: usize) -> Option<&'a Sense> {
        self.items.get(at).and_then(Item::sense)
    }

    fn is(&self, at: usize, sense: &Sense) -> bool {
        self.sense(at) == Some(sense)
    }

    /// The first place from here on that is no filling word.
    fn skip(&self, mut at: usize) -> usize {
        while matches!(self.sense(at), Some(Sense::Filler | Sense::YesNo | Sense::On)) {
            at += 1;
        }
        at
    }

    fn number(&self, at: usize) -> Option<(f64, Option<Unit>)> {
        match self.piece(at) {
            Some(Piece::Number(value, unit)) => Some((*value, *unit)),
            _ => None,
        }
    }

    fn filter(&mut self, filter: Filter) {
        let filter = match self.negated.take() {
            Some(_) => Filter::Not(Box::new(filter)),
            None => filter,
        };
        if !self.frame.filters.iter().any(|(_, known)| *known == filter) {
            self.frame.filters.push((self.at, filter));
        }
    }

    /// The last meaning before a place, filling words left out.
    fn back(&self, at: usize) -> Option<&'a Sense> {
        let before = self.items[..at].iter().rev().map(Item::sense);
        before.take(4).find(|sense| !matches!(sense, Some(Sense::Filler | Sense::YesNo))).flatten()
    }
}
