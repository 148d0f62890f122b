//! A filled [`Frame`] as a query: what is asked of whole genomes and sequences, then of features.

mod features;
mod place;
mod tell;
mod whole;

use super::frame::{Extreme, Frame, Relation, is_about_function};
use super::lexicon::{Letters, Noun};
use super::read::is_number;
use super::subject::{Subject, subject};
use super::vocabulary::Genome;
use super::{Understanding, ask_back};
use crate::biology::enzymes;
use crate::error::Result;
use crate::query::{Aggregate, Compare, Extract, Field, Filter, Is, Match, Output, Place, Query, Select, Side, Tell};
use features::features;
pub(super) use place::{place, related};
use tell::show;
pub(super) use tell::{letters, order, tell};
use whole::whole;

/// A distance where a question says "near" alone.
const NEAR_BP: u64 = 10_000;
/// Genes that follow each other like this are told as a run.
const RUN_GAP_BP: u64 = 50;
/// Genes of a cluster lie so close.
const CLUSTER_GAP_BP: u64 = 3000;
/// Genes of a cluster of whatever kind lie so close.
const DENSE_GAP_BP: u64 = 100;
/// Reading frames of this length are rare by chance.
const ORF_MIN_AA: u64 = 100;
/// Neighbours where no number is said.
const NEIGHBOURS: u64 = 5;

/// Puts a question together that does not lean on an earlier one.
pub(super) fn build(frame: &Frame, genome: Genome<'_>) -> Result<Understanding> {
    if frame.noun() == Some(&Noun::Motif) && frame.patterns.is_empty() {
        return Ok(ask_back::which_site());
    }
    let Some(mut query) = whole(frame, genome)?.or_else(|| features(frame)) else {
        return ask_back::missing(frame, genome);
    };
    finish(&mut query, frame);
    genomes(&mut query, frame, genome)?;
    Ok(Understanding::Query { query: Box::new(query), notes: frame.notes.clone() })
}

/// The genome that is meant, and what another one has too.
fn genomes(query: &mut Query, frame: &Frame, genome: Genome<'_>) -> Result<()> {
    query.genome = frame.genomes.first().cloned();
    let Some(shared) = frame.shared else { return Ok(()) };
    let several = genome.several()?;
    let others = || several.iter().find(|name| Some(*name) != frame.genomes.first());
    let Some(other) = frame.genomes.get(1).or_else(others).cloned() else { return Ok(()) };
    let by = if frame.fields.contains(&Field::Product) { Field::Product } else { Field::Gene };
    query.genome = query.genome.take().or_else(|| several.iter().find(|name| **name != other).cloned());
    query.show.retain(|field| *field != by);
    // What has no name cannot be compared.
    query.filters.push(Filter::Text(by.clone(), Match::Present, Vec::new()));
    let filter = Filter::SharedWith { genome: other, by };
    query.filters.push(if shared { filter } else { Filter::Not(Box::new(filter)) });
    Ok(())
}

/// Output, and what holds for every sort of question.
fn finish(query: &mut Query, frame: &Frame) {
    if let Some(output) = frame.output {
        query.output = output;
    }
    if let Some(group) = &frame.group
        && matches!(query.tell, Tell::Count | Tell::Rows)
        && query.order.is_empty()
        && query.extract.is_none()
        && query.show.is_empty()
    {
        query.tell = Tell::Count;
        query.group = Some(group.clone());
    }
}

fn on(mut query: Query, frame: &Frame) -> Query {
    query.filters.extend(frame.on.iter().map(|name| Filter::On(name.clone())));
    query
}

fn names(frame: &Frame) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (_, name) in &frame.names {
        if !names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            names.push(name.clone());
        }
    }
    names
}

fn named_filter(query: Query, frame: &Frame) -> Query {
    let names = names(frame);
    if names.is_empty() { query } else { query.filter(Filter::Named(names)) }
}

/// All filters of the frame, sequences and sizes too.
pub(super) fn with_filters(mut query: Query, frame: &Frame) -> Query {
    query.filters.extend(frame.filters.iter().map(|(_, filter)| filter.clone()));
    let in_aa = match &query.select {
        Select::Protein | Select::Orf { .. } => true,
        Select::Cds => frame.noun() == Some(&Noun::Protein),
        _ => false,
    };
    // "smaller than 30 or larger than 1500 aa": both at once nothing can be.
    if let [(one, Compare::Lt(low) | Compare::Le(low)), (other, Compare::Gt(high) | Compare::Ge(high))] =
        &frame.sizes[..]
        && low < high
        && (one == other || one.is_none() || other.is_none())
    {
        let field = one.clone().or(other.clone()).unwrap_or(if in_aa { Field::Aa } else { Field::Length });
        let any = frame.sizes.iter().map(|(_, compare)| Filter::Number(field.clone(), *compare)).collect();
        return on(query.filter(Filter::Any(any)), frame);
    }
    for (field, compare) in &frame.sizes {
        let field = match field {
            // "the length of the protein" is told in amino acids unless bases are said.
            None if in_aa => Field::Aa,
            None => Field::Length,
            Some(field) => field.clone(),
        };
        query.filters.push(Filter::Number(field, *compare));
    }
    on(query, frame)
}
