//! Questions about genomes, sequences, sites, codons and shares.

use super::*;

/// Questions about genomes, sequences, sites and codons.
pub(super) fn whole(frame: &Frame, genome: Genome<'_>) -> Result<Option<Query>> {
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

pub(super) fn motif(frame: &Frame) -> Query {
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
pub(super) fn share(frame: &Frame) -> Option<Query> {
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
pub(super) fn gc(frame: &Frame) -> Option<Query> {
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
        None | Some(Noun::Sequence | Noun::Genome) if each => {
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
