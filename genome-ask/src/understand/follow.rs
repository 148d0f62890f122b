//! Questions that lean on the one before: "of these", "and on the minus strand?", "its sequence", "as FASTA".

use super::Understanding;
use super::ask_back;
use super::build::{self, letters, order, related, with_filters};
use super::frame::{Frame, Relation};
use super::lexicon::{Letters, Noun};
use super::subject::subject;
use super::vocabulary::Genome;
use crate::dialogue::Memory;
use crate::error::Result;
use crate::query::{Extract, Field, Filter, Is, Match, Output, Place, Query, Select, Tell};

/// Reads a question as one that goes on from the last. `None`: it stands by itself.
pub(super) fn follow(frame: &Frame, memory: &Memory, genome: Genome<'_>) -> Result<Option<Understanding>> {
    let refers = frame.refers.it || frame.refers.these;
    let alone = frame.has_subject();
    let Some(last) = &memory.query else {
        let clarify = refers && !alone && !frame.asks.count && frame.extreme.is_none();
        return Ok(clarify.then(|| ask_back::of_what(frame)));
    };
    if let Some(query) = instead(frame, last) {
        return Ok(Some(done(query, frame)));
    }
    // No gene has the name: what does not speak of it begins anew.
    let by_name = last.filters.iter().any(|filter| matches!(filter, Filter::Named(_)));
    if memory.empty && by_name && !refers {
        return Ok(None);
    }
    // The largest of one gene is not what is meant.
    if memory.subjects.len() == 1 && frame.extreme.is_some() && !refers && frame.relation.is_none() {
        return Ok(None);
    }
    let only_these = frame.refers.these || (frame.refers.it && frame.names.is_empty());
    let beside_it = frame.names.is_empty()
        && frame.region.is_none()
        && frame.relation.is_some_and(|(at, relation)| match relation {
            Relation::Next | Relation::Previous => true,
            Relation::Adjacent => false,
            _ => {
                !frame.nouns.iter().any(|(place, noun)| *place > at && *noun != Noun::Neighbour)
                    && !frame.filters.iter().any(|(place, _)| *place > at)
            }
        });
    let fragment = !alone || beside_it || frame.refers.only && frame.names.is_empty();
    if !only_these && !fragment {
        return Ok(None);
    }
    // What lies beside the last one is a new list.
    if let Some((_, relation)) = frame.relation
        && relation != Relation::Adjacent
        && frame.names.is_empty()
        && frame.region.is_none()
    {
        return Ok(Some(beside(frame, relation, last, memory)));
    }
    if !says_anything(frame) {
        return Ok(None);
    }
    // "Its GC content" of a contig.
    if let [subject] = &memory.subjects[..]
        && last.select == Select::Sequence
        && asks_of_one(frame)
        && frame.extreme.is_none()
    {
        let mut named = frame.clone();
        named.on = vec![subject.clone()];
        named.nouns = vec![(0, Noun::Sequence)];
        named.refers = Default::default();
        return build::build(&named, genome).map(Some);
    }
    let is_gene =
        matches!(last.select, Select::Gene | Select::Protein | Select::Cds | Select::Feature | Select::Kind(_));
    // One gene is spoken of: what is asked of it is asked by its name.
    if is_gene
        && frame.refers.it
        && let [subject] = &memory.subjects[..]
        && asks_of_one(frame)
    {
        let mut named = frame.clone();
        named.names = vec![(0, subject.clone())];
        named.refers = Default::default();
        return build::build(&named, genome).map(Some);
    }
    if is_gene
        && let [subject] = &memory.subjects[..]
        && asks_of_one(frame)
        && !frame.refers.these
        && frame.extreme.is_none()
        && frame.output.is_none()
    {
        let mut named = frame.clone();
        named.names = vec![(0, subject.clone())];
        return build::build(&named, genome).map(Some);
    }
    Ok(Some(done(refine(frame, last, memory), frame)))
}

fn done(query: Query, frame: &Frame) -> Understanding {
    Understanding::Query { query: Box::new(query), notes: frame.notes.clone() }
}

fn says_anything(frame: &Frame) -> bool {
    let asks = frame.asks;
    asks.count
        || asks.list
        || asks.place
        || asks.does
        || asks.how_long
        || asks.exists
        || !frame.filters.is_empty()
        || !frame.sizes.is_empty()
        || !frame.on.is_empty()
        || !frame.fields.is_empty()
        || !frame.nouns.is_empty()
        || frame.extreme.is_some()
        || frame.direction.is_some()
        || frame.order
        || frame.first.is_some()
        || frame.letters.is_some()
        || frame.flank.is_some()
        || frame.output.is_some()
        || frame.aggregate.is_some()
        || frame.share
        || frame.group.is_some()
        || frame.codon_usage
}

fn asks_of_one(frame: &Frame) -> bool {
    frame.asks.does
        || frame.asks.how_long
        || frame.asks.place
        || !frame.fields.is_empty()
        || frame.letters.is_some()
        || frame.flank.is_some()
        || frame.codon_usage
}

/// "And lacY?", "what about chromosome V?", "and tRNAs?": the last question with another thing in its place.
fn instead(frame: &Frame, last: &Query) -> Option<Query> {
    let bare = !frame.asks.count
        && !frame.asks.list
        && !frame.asks.does
        && !frame.asks.place
        && !frame.asks.exists
        && !frame.asks.how_long
        && frame.sizes.is_empty()
        && frame.extreme.is_none()
        && frame.fields.is_empty()
        && frame.letters.is_none()
        && frame.flank.is_none()
        && frame.relation.is_none()
        && !frame.refers.these
        && !frame.refers.it
        && !frame.refers.only
        && frame.aggregate.is_none();
    if !frame.refers.about || !bare {
        return None;
    }
    let mut query = last.clone();
    let nouns: Vec<&Noun> = frame
        .nouns
        .iter()
        .map(|(_, noun)| noun)
        .filter(|noun| !matches!(noun, Noun::Sequence | Noun::Genome))
        .collect();
    if let [(_, name)] = &frame.names[..]
        && nouns.is_empty()
        && frame.filters.is_empty()
    {
        let mut found = false;
        for filter in &mut query.filters {
            found |= rename(filter, name);
        }
        return found.then_some(query);
    }
    let about_strand = matches!(&frame.filters[..], [(_, Filter::Strand(_))]);
    if nouns.is_empty()
        && frame.names.is_empty()
        && (!frame.on.is_empty() || about_strand)
        && (frame.filters.is_empty() || about_strand)
    {
        replace_places(&mut query, frame);
        query.filters.extend(frame.filters.iter().map(|(_, filter)| filter.clone()));
        query.filters.extend(frame.on.iter().map(|name| Filter::On(name.clone())));
        return Some(query);
    }
    if let [noun] = nouns[..]
        && frame.names.is_empty()
        && frame.filters.is_empty()
        && matches!(last.tell, Tell::Count)
        && matches!(noun, Noun::Kind(_) | Noun::Gene | Noun::Protein | Noun::Cds | Noun::Pseudogene | Noun::Rna)
    {
        let subject = subject(noun);
        let mut filters = subject.filters;
        filters.extend(query.filters.into_iter().filter(|filter| matches!(filter, Filter::On(_) | Filter::Strand(_))));
        query.select = subject.select;
        query.filters = filters;
        return Some(query);
    }
    None
}

/// A strand or sequence takes the place of the one before: nothing is on both strands.
fn replace_places(query: &mut Query, frame: &Frame) {
    let strand = frame.filters.iter().any(|(_, filter)| matches!(filter, Filter::Strand(_)));
    query.filters.retain(|filter| match filter {
        Filter::Strand(_) => !strand,
        Filter::On(_) => frame.on.is_empty(),
        _ => true,
    });
}

fn rename(filter: &mut Filter, name: &str) -> bool {
    let place = |place: &mut Place| match place {
        Place::Named(old) => {
            *old = name.to_owned();
            true
        }
        _ => false,
    };
    match filter {
        Filter::Named(names) => {
            *names = vec![name.to_owned()];
            true
        }
        Filter::Near { of, .. } | Filter::NextTo { of, .. } | Filter::Overlaps(of) | Filter::Inside(of) => place(of),
        _ => false,
    }
}

/// Genes beside those that were found.
fn beside(frame: &Frame, relation: Relation, last: &Query, memory: &Memory) -> Understanding {
    let of = match &memory.subjects[..] {
        [subject] => Place::Named(subject.clone()),
        [] => return ask_back::of_what(frame),
        // "The next one" of many is not one.
        _ if frame.refers.it || matches!(relation, Relation::Next | Relation::Previous) => return which_one(memory),
        _ if matches!(
            last.select,
            Select::Gene | Select::Protein | Select::Cds | Select::Feature | Select::Kind(_)
        ) && last.limit.is_none() =>
        {
            Place::Each(Box::new(last.select.clone()), last.filters.clone())
        }
        _ => return which_one(memory),
    };
    let select = match frame.noun() {
        Some(noun @ (Noun::Protein | Noun::Cds | Noun::Kind(_))) => subject(noun),
        _ => subject(&Noun::Gene),
    };
    let mut query = Query::new(select.select);
    query.filters = select.filters;
    query = with_filters(query, frame);
    if let Some(filter) = related(frame, relation, of) {
        query.filters.push(filter);
    }
    build::tell(&mut query, frame);
    done(query, frame)
}

fn which_one(memory: &Memory) -> Understanding {
    let readings = memory.subjects.iter().take(20).map(|id| crate::dialogue::Reading {
        text: id.clone(),
        query: Some(Query::new(Select::Gene).filter(Filter::Named(vec![id.clone()]))),
    });
    Understanding::Ambiguous { ask: "Which of them?".to_owned(), readings: readings.collect() }
}

/// "Those within 100 kb of lacZ".
fn in_a_place(frame: &Frame) -> bool {
    frame.region.is_some() || (frame.relation.is_some() && !frame.names.is_empty())
}

/// The last query with more filters, another order, another thing told.
fn refine(frame: &Frame, last: &Query, memory: &Memory) -> Query {
    let mut query = last.clone();
    // Of the ten longest, those on the minus strand: the limit chose the rows, and they stay those.
    let chooses = !frame.filters.is_empty()
        || !frame.sizes.is_empty()
        || !frame.on.is_empty()
        || frame.extreme.is_some()
        || frame.share
        || in_a_place(frame);
    let is_feature =
        matches!(last.select, Select::Gene | Select::Protein | Select::Cds | Select::Feature | Select::Kind(_));
    if last.limit.is_some() && chooses && is_feature && !memory.subjects.is_empty() {
        query = Query { genome: last.genome.clone(), ..Query::new(last.select.clone()) };
        query.filters.push(Filter::Among(memory.subjects.clone()));
    }
    replace_places(&mut query, frame);
    // What is told about one number of all rows is not told about some of them.
    if matches!(
        query.tell,
        Tell::Aggregate(..) | Tell::Distinct(_) | Tell::Gc | Tell::N50 | Tell::Coverage | Tell::Exists | Tell::Adjacent
    ) {
        query.tell = Tell::Rows;
    }
    // "How many of these 10": the limit chose them.
    let mut more = Query::new(query.select.clone());
    more = with_filters(more, frame);
    if in_a_place(frame) {
        build::place(&mut more, frame);
    }
    for (_, noun) in &frame.nouns {
        match noun {
            Noun::Pseudogene => more.filters.push(Filter::Is(Is::Pseudo)),
            Noun::Kind(kind) if query.select != Select::Kind(kind.clone()) => {
                more.filters.push(Filter::Text(Field::Kind, Match::Is, vec![kind.clone()]));
            }
            Noun::Protein if query.select == Select::Gene && !frame.sizes.is_empty() => {}
            _ => {}
        }
    }
    for filter in more.filters {
        if !query.filters.contains(&filter) {
            query.filters.push(filter);
        }
    }
    if frame.share && !frame.filters.is_empty() {
        let filters: Vec<Filter> = frame.filters.iter().map(|(_, filter)| filter.clone()).collect();
        query.filters.retain(|filter| !filters.contains(filter));
        query.tell = Tell::Share(filters);
        return query;
    }
    if let Some(how) = frame.aggregate.filter(|_| !frame.asks.count) {
        let field = frame.fields.iter().find(|field| super::read::is_number(field)).cloned();
        let field = field.unwrap_or(if query.select == Select::Protein { Field::Aa } else { Field::Length });
        query.tell = Tell::Aggregate(how, field);
        query.order.clear();
        return query;
    }
    if frame.fields.contains(&Field::Gc) && frame.extreme.is_none() && frame.sizes.is_empty() && !frame.asks.list {
        query.tell = Tell::Gc;
        return query;
    }
    if frame.codon_usage {
        query.tell = Tell::CodonUsage;
        return query;
    }
    if frame.asks.count {
        query.tell = Tell::Count;
        query.extract = None;
    } else if frame.asks.list
        || frame.asks.place
        || frame.asks.does
        || frame.extreme.is_some()
        || frame.order
        || frame.direction.is_some()
        || frame.letters.is_some()
    {
        query.tell = Tell::Rows;
    }
    order(&mut query, frame);
    if query.tell == Tell::Rows || !frame.fields.is_empty() {
        for field in &frame.fields {
            if !query.show.contains(field) && !query.order.iter().any(|order| order.by == *field) {
                query.show.push(field.clone());
            }
        }
        if frame.asks.does && query.show.is_empty() {
            query.show = vec![Field::Product];
        }
    }
    letters(&mut query, frame);
    if frame.letters == Some(Letters::Any) && query.select == Select::Protein {
        query.extract = Some(Extract::Protein);
    }
    if let Some(output) = frame.output {
        query.output = output;
        if output == Output::Fasta && query.tell == Tell::Count {
            query.tell = Tell::Rows;
        }
    }
    if let Some(group) = &frame.group {
        query.tell = Tell::Count;
        query.group = Some(group.clone());
    }
    query
}
