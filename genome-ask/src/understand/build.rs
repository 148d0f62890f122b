//! A filled [`Frame`] as a query: what is asked of whole genomes and sequences, then of features.

use super::frame::{Extreme, Frame, Relation, is_about_function};
use super::lexicon::{Letters, Noun};
use super::read::is_number;
use super::subject::{Subject, subject};
use super::vocabulary::Genome;
use super::{Understanding, ask_back};
use crate::biology::enzymes;
use crate::error::Result;
use crate::query::{Aggregate, Compare, Extract, Field, Filter, Is, Match, Output, Place, Query, Select, Side, Tell};

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

/// Questions about genomes, sequences, sites and codons.
fn whole(frame: &Frame, genome: Genome<'_>) -> Result<Option<Query>> {
    let noun = frame.noun();
    let of_genome = matches!(noun, None | Some(Noun::Genome | Noun::Sequence));
    if frame.n50 {
        return Ok(Some(Query::new(Select::Sequence).tell(Tell::N50)));
    }
    if !frame.patterns.is_empty() && !frame.fields.contains(&Field::StartCodon) {
        return Ok(Some(motif(frame)));
    }
    if frame.codon_usage {
        let query = Query::new(Select::Cds).tell(Tell::CodonUsage);
        return Ok(Some(with_filters(named_filter(query, frame), frame)));
    }
    if frame.fields.contains(&Field::TranslTable) {
        let query = Query::new(Select::Cds).tell(Tell::Distinct(Field::TranslTable));
        return Ok(Some(on(named_filter(query, frame), frame)));
    }
    let coding = frame.filters.iter().any(|(_, filter)| *filter == Filter::Is(Is::Coding));
    let second_noun =
        frame.nouns.iter().any(|(_, noun)| matches!(noun, Noun::Cds | Noun::Gene | Noun::Protein | Noun::Intergenic));
    if frame.coverage && of_genome
        || (frame.share && frame.has(&Noun::Genome) && (coding || second_noun) && !frame.has_text_filter())
    {
        let select = match noun {
            Some(Noun::Gene) => Select::Gene,
            Some(Noun::Intergenic) => Select::Intergenic,
            _ => Select::Cds,
        };
        return Ok(Some(on(Query::new(select).tell(Tell::Coverage), frame)));
    }
    if frame.share {
        return Ok(share(frame));
    }
    if frame.fields == [Field::StartCodon]
        && frame.names.is_empty()
        && frame.filters.is_empty()
        && frame.sizes.is_empty()
    {
        let query = Query::new(Select::Cds).tell(Tell::Distinct(Field::StartCodon)).filter(Filter::Is(Is::Translated));
        return Ok(Some(on(query, frame)));
    }
    if frame.fields.contains(&Field::Gc) && frame.aggregate.is_none() && frame.letters.is_none() {
        return Ok(gc(frame));
    }
    let sizes = frame.fields.iter().any(|field| matches!(field, Field::Length | Field::Aa)) || frame.asks.how_long;
    let alone = frame.names.is_empty() && frame.relation.is_none() && frame.extreme.is_none();
    if sizes
        && of_genome
        && alone
        && frame.sizes.is_empty()
        && frame.filters.is_empty()
        && frame.aggregate.is_none_or(|a| a == Aggregate::Sum)
    {
        if !frame.on.is_empty() {
            let mut query = on(Query::new(Select::Sequence), frame);
            query.show = vec![Field::Length];
            return Ok(Some(query));
        }
        if noun.is_none() && !frame.fields.contains(&Field::Length) {
            return Ok(None);
        }
        return Ok(Some(Query::new(Select::Sequence).tell(Tell::Aggregate(Aggregate::Sum, Field::Length))));
    }
    if matches!(frame.letters, Some(Letters::Any | Letters::Of(Extract::Dna)))
        && frame.names.is_empty()
        && let Some(region) = &frame.region
        && matches!(noun, None | Some(Noun::Region | Noun::Sequence | Noun::Genome))
    {
        let mut region = region.clone();
        region.seqid = region.seqid.or_else(|| frame.on.first().cloned());
        let mut query = Query::new(Select::Region(region));
        query.extract = Some(Extract::Dna);
        return Ok(Some(query));
    }
    if noun == Some(&Noun::Sequence)
        && !frame.on.is_empty()
        && frame.names.is_empty()
        && frame.letters.is_none()
        && frame.fields.is_empty()
        && frame.filters.is_empty()
        && frame.relation.is_none()
    {
        return Ok(Some(on(Query::new(Select::Sequence), frame)));
    }
    let _ = genome;
    Ok(None)
}

fn motif(frame: &Frame) -> Query {
    // `PstI sites (CTGCAG)` are one thing.
    let is_site = |pattern: &String| {
        frame
            .patterns
            .iter()
            .any(|name| name != pattern && enzymes::site(name).is_some_and(|(_, site)| site == pattern))
    };
    let mut patterns = frame.patterns.clone();
    patterns.retain(|pattern| !is_site(pattern));
    patterns.dedup();
    let tell = if frame.asks.place || (frame.asks.list && !frame.asks.count) { Tell::Rows } else { Tell::Count };
    let mut query = with_filters(Query::new(Select::Motif(patterns)).tell(tell), frame);
    place(&mut query, frame);
    query
}

/// How many per cent of the rows are so.
fn share(frame: &Frame) -> Option<Query> {
    let mut filters: Vec<Filter> = frame.filters.iter().map(|(_, filter)| filter.clone()).collect();
    let first =
        frame.nouns.iter().find(|(_, noun)| !matches!(noun, Noun::Genome | Noun::Sequence)).map(|(_, noun)| noun);
    let start_codon = filters.iter().any(|filter| matches!(filter, Filter::Text(Field::StartCodon, ..)));
    let Subject { select, filters: mut base } = match first {
        Some(Noun::Cds) => Subject { select: Select::Cds, filters: vec![Filter::Is(Is::Translated)] },
        None if start_codon => Subject { select: Select::Cds, filters: vec![Filter::Is(Is::Translated)] },
        None => Subject { select: Select::Protein, filters: Vec::new() },
        Some(Noun::CodingGene) => Subject { select: Select::Protein, filters: Vec::new() },
        Some(Noun::Gene) if filters.iter().any(|f| is_about_function(f) || *f == Filter::Is(Is::UnknownFunction)) => {
            Subject { select: Select::Protein, filters: Vec::new() }
        }
        Some(noun) => subject(noun),
    };
    let size_field = if select == Select::Protein { Field::Aa } else { Field::Length };
    filters.extend(
        frame
            .sizes
            .iter()
            .map(|(field, compare)| Filter::Number(field.clone().unwrap_or_else(|| size_field.clone()), *compare)),
    );
    for (_, noun) in frame.nouns.iter().skip(1) {
        match noun {
            Noun::Pseudogene => filters.push(Filter::Is(Is::Pseudo)),
            Noun::Protein if select == Select::Gene => filters.push(Filter::Is(Is::Coding)),
            _ => {}
        }
    }
    if filters.is_empty() {
        return None;
    }
    base.extend(frame.on.iter().map(|name| Filter::On(name.clone())));
    let mut query = Query::new(select).tell(Tell::Share(filters));
    query.filters = base;
    Some(query)
}

/// GC content: of genes by name, of a sequence, of the rows of a noun, of the whole file.
fn gc(frame: &Frame) -> Option<Query> {
    if let Some(extreme) = &frame.extreme {
        let by_gc = extreme.by == Some(Field::Gc);
        if by_gc || !matches!(frame.noun(), Some(Noun::Sequence)) {
            return None;
        }
        let mut query = Query::new(Select::Sequence).tell(Tell::Gc);
        query = query.order_by(Field::Length, extreme.descending).limit(extreme.rows.unwrap_or(1), false);
        return Some(query);
    }
    if !frame.sizes.is_empty() || frame.order {
        return None;
    }
    if !frame.names.is_empty() {
        return Some(named_filter(Query::new(Select::Gene).tell(Tell::Gc), frame));
    }
    if let Some(region) = &frame.region {
        let mut region = region.clone();
        region.seqid = region.seqid.or_else(|| frame.on.first().cloned());
        return Some(Query::new(Select::Region(region)).tell(Tell::Gc));
    }
    let each = frame.group == Some(Field::Seqid);
    match frame.noun() {
        Some(Noun::Window) => None,
        Some(Noun::Sequence) if each => {
            let mut query = Query::new(Select::Sequence);
            query.show = vec![Field::Gc];
            Some(query)
        }
        None | Some(Noun::Genome | Noun::Sequence | Noun::Region) if !frame.has_text_filter() => {
            Some(on(Query::new(Select::Sequence).tell(Tell::Gc), frame))
        }
        noun => {
            let Subject { select, filters } =
                noun.map_or(Subject { select: Select::Protein, filters: Vec::new() }, subject);
            let mut query = Query::new(select).tell(Tell::Gc);
            query.filters = filters;
            Some(with_filters(query, frame))
        }
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

/// Where the rows are, in relation to something.
fn place(query: &mut Query, frame: &Frame) {
    if let Some(region) = &frame.region {
        let mut region = region.clone();
        if region.seqid.is_none() && frame.on.len() == 1 {
            region.seqid = Some(frame.on[0].clone());
            query.filters.retain(|filter| !matches!(filter, Filter::On(_)));
        }
        let inside = matches!(frame.relation, Some((_, Relation::Inside)));
        let place = Place::Region(region);
        query.filters.push(match (frame.relation, frame.distance) {
            (Some((_, Relation::Near)), distance) => Filter::Near {
                of: place,
                distance_bp: distance.unwrap_or(NEAR_BP),
                side: frame.side.unwrap_or_default(),
            },
            (Some((_, Relation::NextTo | Relation::EitherSide | Relation::Next | Relation::Previous)), _) => {
                Filter::NextTo { of: place, count: 1, side: frame.side.unwrap_or_default() }
            }
            _ if inside => Filter::Inside(place),
            _ => Filter::Overlaps(place),
        });
        return;
    }
    let Some((at, relation)) = frame.relation else { return };
    let names = names(frame);
    if relation == Relation::Between && names.len() >= 2 {
        query.filters.push(Filter::Between(Place::Named(names[0].clone()), Place::Named(names[1].clone())));
        return;
    }
    // "Do psbA and matK overlap?": of two genes one is the place.
    if let [others @ .., last] = &names[..]
        && !others.is_empty()
        && matches!(relation, Relation::Near | Relation::Overlaps | Relation::Inside)
    {
        query.filters.push(Filter::Named(others.to_vec()));
        query.filters.extend(related(frame, relation, Place::Named(last.clone())));
        return;
    }
    let Some(of) = target(frame, at, query) else { return };
    if let Some(filter) = related(frame, relation, of) {
        query.filters.push(filter);
    }
}

/// A relation to a place.
pub(super) fn related(frame: &Frame, relation: Relation, of: Place) -> Option<Filter> {
    let plural = frame.nouns.iter().any(|(_, noun)| *noun == Noun::Neighbour);
    let number = frame.numbers.first().map(|n| *n as u64);
    let side = frame.side;
    Some(match relation {
        Relation::Near => {
            Filter::Near { of, distance_bp: frame.distance.unwrap_or(NEAR_BP), side: side.unwrap_or_default() }
        }
        // With a distance, "upstream of" is near on one side.
        Relation::NextTo if side.is_some() && frame.distance.is_some() => {
            Filter::Near { of, distance_bp: frame.distance.unwrap_or(NEAR_BP), side: side.unwrap_or_default() }
        }
        // "the two genes on either side": one on each.
        Relation::EitherSide | Relation::NextTo if side.is_none() => {
            let count = number.map_or(1, |n| if n == 2 || relation == Relation::NextTo { n.div_ceil(2) } else { n });
            Filter::NextTo { of, count: count.max(1), side: Side::Both }
        }
        Relation::NextTo | Relation::EitherSide => {
            let many = number.or(frame.first).unwrap_or(if plural || frame.wants_many() { NEIGHBOURS } else { 1 });
            Filter::NextTo { of, count: many, side: side.unwrap_or_default() }
        }
        Relation::Next => Filter::NextTo { of, count: number.unwrap_or(1), side: side.unwrap_or(Side::Downstream) },
        Relation::Previous => Filter::NextTo { of, count: number.unwrap_or(1), side: side.unwrap_or(Side::Upstream) },
        Relation::Overlaps => Filter::Overlaps(of),
        Relation::Inside => Filter::Inside(of),
        Relation::Between | Relation::Adjacent => return None,
    })
}

/// To what rows are related: genes by name, else the nouns and functions behind the relation.
fn target(frame: &Frame, at: usize, query: &mut Query) -> Option<Place> {
    if let Some((_, name)) = frame.names.iter().find(|(place, _)| *place > at).or(frame.names.first()) {
        return Some(Place::Named(name.clone()));
    }
    let behind = frame
        .nouns
        .iter()
        .find(|(place, noun)| *place > at && !matches!(noun, Noun::Neighbour | Noun::Genome | Noun::Sequence));
    let (there, here): (Vec<_>, Vec<_>) = frame.filters.iter().cloned().partition(|(place, _)| *place > at);
    let mut filters: Vec<Filter> = there.into_iter().map(|(_, filter)| filter).collect();
    let select = match behind {
        Some((_, noun)) => {
            let of = subject(noun);
            let mut base = of.filters;
            base.append(&mut filters);
            filters = base;
            if of.select == Select::Gene && filters.iter().any(is_about_function) { Select::Protein } else { of.select }
        }
        None if filters.iter().any(is_about_function) => Select::Protein,
        None => return None,
    };
    // What belongs to the place is no filter of the rows.
    query.filters.retain(|filter| !filters.contains(filter) || here.iter().any(|(_, other)| other == filter));
    Some(Place::Each(Box::new(select), filters))
}

/// Questions about features.
fn features(frame: &Frame) -> Option<Query> {
    let names = names(frame);
    if matches!(frame.relation, Some((_, Relation::Adjacent | Relation::NextTo)))
        && names.len() >= 2
        && !frame.asks.list
    {
        return Some(Query::new(Select::Gene).tell(Tell::Adjacent).filter(Filter::Named(names)));
    }
    if let Some(noun) = frame.noun()
        && let Some(query) = computed(frame, noun)
    {
        return Some(query);
    }
    let relates = frame.relation.is_some_and(|(_, relation)| relation != Relation::Adjacent);
    if !names.is_empty() && !relates {
        return Some(of_names(frame, names));
    }
    if frame.has_text_filter() && frame.asks.does && frame.nouns.is_empty() && frame.extreme.is_none() {
        return Some(with_filters(Query::new(Select::Protein), frame));
    }
    list(frame, relates)
}

/// A noun with filters.
fn list(frame: &Frame, relates: bool) -> Option<Query> {
    let about_function =
        frame.has_text_filter() || frame.filters.iter().any(|(_, f)| *f == Filter::Is(Is::UnknownFunction));
    let related = relates && (!frame.names.is_empty() || frame.region.is_some());
    let Subject { select, filters } = match frame.noun() {
        None | Some(Noun::Genome | Noun::Region | Noun::Neighbour | Noun::Gene | Noun::CodingGene)
            if about_function && !relates =>
        {
            Subject { select: Select::Protein, filters: Vec::new() }
        }
        None | Some(Noun::Genome | Noun::Region | Noun::Neighbour) if related => {
            Subject { select: Select::Gene, filters: Vec::new() }
        }
        // As genes they have lengths in bases and neighbours; counted, they are loci with a protein.
        Some(Noun::CodingGene) if relates || frame.extreme.is_some() || frame.order || !frame.sizes.is_empty() => {
            Subject { select: Select::Gene, filters: vec![Filter::Is(Is::Coding)] }
        }
        Some(Noun::Neighbour) => return None,
        None | Some(Noun::Region) => no_noun(frame)?,
        Some(Noun::Genome | Noun::Sequence) if frame.noun_is_container() => no_noun(frame)?,
        Some(Noun::Genome) => return None,
        Some(noun) => subject(noun),
    };
    let mut query = Query::new(select);
    query.filters = filters;
    query = with_filters(query, frame);
    if relates {
        place(&mut query, frame);
    }
    tell(&mut query, frame);
    Some(query)
}

/// Rows where no noun says what they are.
fn no_noun(frame: &Frame) -> Option<Subject> {
    let gene = || Subject { select: Select::Gene, filters: Vec::new() };
    let by_property = frame.filters.iter().find_map(|(_, filter)| match filter {
        Filter::Is(Is::Wraps | Is::Partial) => Some(Select::Cds),
        Filter::Is(Is::Pseudo | Is::Spliced | Is::Coding) => Some(Select::Gene),
        Filter::Text(Field::StartCodon, ..) => Some(Select::Cds),
        Filter::Text(..) => Some(Select::Gene),
        _ => None,
    });
    let by_size = frame.sizes.iter().find_map(|(field, _)| match field {
        Some(Field::Aa | Field::MolecularWeight | Field::IsoelectricPoint) => Some(Select::Protein),
        _ => None,
    });
    let by_aggregate = frame.aggregate.and_then(|_| match frame.fields.first() {
        Some(Field::Aa | Field::MolecularWeight | Field::IsoelectricPoint) => Some(Select::Protein),
        Some(Field::Length) => Some(Select::Gene),
        _ => None,
    });
    let by_extreme = frame.extreme.as_ref().and_then(|extreme| match extreme.by {
        Some(Field::Aa | Field::MolecularWeight | Field::IsoelectricPoint) => Some(Select::Protein),
        Some(Field::Length | Field::Gc | Field::Parts) => Some(Select::Gene),
        _ => None,
    });
    let select = by_size.or(by_property).or(by_aggregate).or(by_extreme);
    if let Some(select) = select {
        return Some(Subject { select, filters: Vec::new() });
    }
    (frame.region.is_some() && frame.extreme.is_none()).then(gene)
}

/// Count or list, order and limit, fields and letters.
pub(super) fn tell(query: &mut Query, frame: &Frame) {
    if let (Some(how), false) = (frame.aggregate, frame.asks.count) {
        let field = frame.fields.iter().find(|field| is_number(field)).cloned();
        let field = match (field, &query.select) {
            (Some(Field::Length) | None, Select::Protein) => Field::Aa,
            (Some(field), _) => field,
            (None, _) => Field::Length,
        };
        if query.select == Select::Protein
            && field == Field::Aa
            && !query.filters.iter().any(|f| matches!(f, Filter::Named(_)))
        {
            // Lengths of proteins are those of all coding sequences with a translation.
            query.select = Select::Cds;
            query.filters.insert(0, Filter::Is(Is::Translated));
        }
        // "in total", "altogether" go with a count.
        if how != Aggregate::Sum || frame.asks.how_long || frame.fields.iter().any(is_number) {
            query.tell = Tell::Aggregate(how, field);
            return;
        }
    }
    query.tell = if frame.asks.count && frame.extreme.is_none() {
        Tell::Count
    } else if frame.asks.exists && !frame.asks.list && !frame.asks.place {
        Tell::Exists
    } else {
        Tell::Rows
    };
    order(query, frame);
    show(query, frame);
    letters(query, frame);
}

/// By what rows of a selection are large.
fn size_of(select: &Select) -> Field {
    match select {
        Select::Protein | Select::Orf { .. } => Field::Aa,
        Select::Run { .. } | Select::Cluster { .. } => Field::Members,
        Select::Window { .. } => Field::Gc,
        _ => Field::Length,
    }
}

pub(super) fn order(query: &mut Query, frame: &Frame) {
    let by_field = frame.fields.iter().find(|field| is_number(field) || **field == Field::Start).cloned();
    let size = size_of(&query.select);
    let in_select = |field: Field| {
        if field == Field::Length && size == Field::Aa && frame.noun() != Some(&Noun::Gene) { Field::Aa } else { field }
    };
    if let Some(Extreme { descending, by, rows }) = &frame.extreme {
        let by = by.clone().or_else(|| by_field.clone().filter(|_| frame.order)).map_or(size.clone(), in_select);
        let descending = if rows.is_some() && frame.direction.is_some() && frame.only_top() {
            frame.direction.unwrap_or(*descending)
        } else {
            *descending
        };
        query.order.clear();
        *query = std::mem::replace(query, Query::new(Select::Gene)).order_by(by, descending);
        let many = rows.or(frame.numbers.first().map(|n| *n as u64));
        let single = many.is_none();
        let limit = many.unwrap_or(1);
        // All that share the first place are told; runs and clusters have one.
        let ties = single
            && !matches!(
                query.select,
                Select::Run { .. } | Select::Cluster { .. } | Select::Intergenic | Select::Sequence
            );
        query.limit = Some(crate::query::Limit { rows: limit, ties });
        return;
    }
    if frame.order || frame.direction.is_some() {
        let by = by_field.map_or(size.clone(), in_select);
        let descending = frame.direction.unwrap_or(false);
        query.order.clear();
        *query = std::mem::replace(query, Query::new(Select::Gene)).order_by(by, descending);
    }
    // "list 5 genes"
    if let ([rows], None, None) = (&frame.numbers[..], frame.first, frame.relation)
        && query.tell == Tell::Rows
        && query.limit.is_none()
        && matches!(query.select, Select::Gene | Select::Protein | Select::Cds | Select::Kind(_) | Select::Feature)
    {
        query.limit = Some(crate::query::Limit { rows: *rows as u64, ties: false });
    }
    if let Some(first) = frame.first {
        let rows = frame.numbers.first().map_or(first, |n| *n as u64);
        query.limit = Some(crate::query::Limit { rows, ties: false });
    }
}

fn show(query: &mut Query, frame: &Frame) {
    if query.tell != Tell::Rows {
        return;
    }
    let ordered = |field: &Field| query.order.iter().any(|order| order.by == *field);
    let fields: Vec<Field> = frame.fields.iter().filter(|field| !ordered(field)).cloned().collect();
    for field in fields {
        if !query.show.contains(&field) {
            query.show.push(field);
        }
    }
}

pub(super) fn letters(query: &mut Query, frame: &Frame) {
    if let Some((side, bases)) = frame.flank {
        let bases = bases.or(frame.distance).unwrap_or(300);
        query.extract =
            Some(if side == Side::Downstream { Extract::Downstream(bases) } else { Extract::Upstream(bases) });
        query.tell = Tell::Rows;
        return;
    }
    if let Some(letters) = frame.letters {
        query.extract = Some(match letters {
            Letters::Of(extract) => extract,
            Letters::Any if query.select == Select::Protein => Extract::Protein,
            Letters::Any => Extract::Dna,
        });
        if query.extract == Some(Extract::Protein) && query.select == Select::Gene {
            query.select = Select::Protein;
        }
        if query.tell == Tell::Exists {
            query.tell = Tell::Rows;
        }
    }
    if query.output == Output::Fasta && query.tell == Tell::Count {
        query.tell = Tell::Rows;
    }
}

/// Runs, clusters, reading frames, gaps, windows, sequences.
fn computed(frame: &Frame, noun: &Noun) -> Option<Query> {
    let select = match noun {
        Noun::Run => Select::Run { max_gap_bp: frame.gap.unwrap_or(RUN_GAP_BP) },
        Noun::Cluster => Select::Cluster {
            of: Box::new(if frame.has_text_filter() { Select::Protein } else { Select::Gene }),
            // Genes of whatever kind lie close to each other nearly everywhere.
            max_gap_bp: frame.gap.or(frame.distance).unwrap_or(if frame.has_text_filter() {
                CLUSTER_GAP_BP
            } else {
                DENSE_GAP_BP
            }),
            min_members: if frame.asks.place || frame.extreme.is_some() { 2 } else { 3 },
        },
        Noun::Orf => {
            let mut least = ORF_MIN_AA;
            for (field, compare) in &frame.sizes {
                let scale = if *field == Some(Field::Length) { 3.0 } else { 1.0 };
                match compare {
                    Compare::Gt(x) => least = (x / scale) as u64 + 1,
                    Compare::Ge(x) => least = (x / scale).ceil() as u64,
                    Compare::Between(x, _) => least = (x / scale).ceil() as u64,
                    _ => {}
                }
            }
            Select::Orf { min_aa: least.max(10) }
        }
        Noun::Intergenic => Select::Intergenic,
        Noun::Window => {
            let size = frame.distance.or(frame.numbers.first().map(|n| *n as u64)).unwrap_or(1000);
            Select::Window { size_bp: size, step_bp: size }
        }
        _ => return None,
    };
    let mut query = Query::new(select);
    let mut plain = frame.clone();
    if matches!(query.select, Select::Orf { .. }) {
        plain.sizes.retain(|(_, compare)| !matches!(compare, Compare::Gt(_) | Compare::Ge(_)));
    }
    if matches!(query.select, Select::Run { .. } | Select::Cluster { .. }) {
        plain.sizes.clear();
        query.having.extend(frame.members.map(|compare| Filter::Number(Field::Members, compare)));
        query.having.extend(frame.sizes.iter().map(|(_, compare)| Filter::Number(Field::Length, *compare)));
    }
    query = with_filters(query, &plain);
    place(&mut query, frame);
    tell(&mut query, frame);
    // The cluster for something is the one with most of it.
    if matches!(query.select, Select::Cluster { .. }) && frame.asks.place && query.limit.is_none() {
        query = query.order_by(Field::Members, true).limit(1, false);
    } else if matches!(query.select, Select::Run { .. } | Select::Cluster { .. })
        && query.order.is_empty()
        && query.tell == Tell::Rows
    {
        query = query.order_by(Field::Members, true);
    }
    Some(query)
}

/// Genes by name.
fn of_names(frame: &Frame, names: Vec<String>) -> Query {
    let numeric: Vec<&Field> = frame.fields.iter().filter(|field| is_number(field)).collect();
    let select = match frame.noun() {
        Some(Noun::Cds) => Select::Cds,
        Some(Noun::Protein) => Select::Protein,
        _ => Select::Gene,
    };
    let mut query = Query::new(select).filter(Filter::Named(names));
    if let [field] = numeric[..]
        && !frame.asks.list_of_rows()
    {
        let (select, how) = match field {
            Field::Parts => (Select::Cds, Aggregate::Sum),
            Field::MolecularWeight | Field::IsoelectricPoint | Field::Aa => (Select::Protein, Aggregate::Max),
            _ => (query.select.clone(), Aggregate::Max),
        };
        if !(*field == Field::Length && frame.asks.place) {
            query.select = select;
            query.tell = Tell::Aggregate(how, field.clone());
            return query;
        }
    }
    query = with_filters(query, frame);
    if frame.asks.count && frame.fields.is_empty() {
        query.tell = Tell::Count;
    } else if (frame.asks.exists || (frame.asks.yes_no && !query.filters.is_empty() && query.filters.len() > 1))
        && !frame.asks.list
        && !frame.asks.does
        && frame.fields.is_empty()
        && frame.letters.is_none()
        && frame.flank.is_none()
        && !frame.asks.place
    {
        query.tell = Tell::Exists;
        return query;
    }
    show(&mut query, frame);
    if frame.asks.how_long && query.show.is_empty() {
        query.show = vec![if query.select == Select::Protein { Field::Aa } else { Field::Length }];
    }
    if frame.asks.does && query.show.is_empty() && frame.letters.is_none() && frame.flank.is_none() {
        query.show = vec![Field::Product, Field::Function];
    }
    letters(&mut query, frame);
    query
}
