//! Questions about features, and about what is computed of them: runs, clusters, reading frames.

use super::*;

/// Questions about features.
pub(super) fn features(frame: &Frame) -> Option<Query> {
    // A share of nothing, or two genomes with nothing between them: half of the question would be lost.
    if frame.share || (frame.genomes.len() > 1 && frame.shared.is_none()) {
        return None;
    }
    let names = names(frame);
    if matches!(frame.relation, Some((_, Relation::Adjacent | Relation::NextTo)))
        && names.len() >= 2
        && !frame.asks.list
        && frame.side.is_none()
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
pub(super) fn list(frame: &Frame, relates: bool) -> Option<Query> {
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
        Some(Noun::Genome) if frame.filters.iter().any(|(_, f)| *f == Filter::Is(Is::Circular)) => {
            subject(&Noun::Sequence)
        }
        // "tRNA and rRNA genes", "genes that are tRNAs or rRNAs"
        Some(noun)
            if matches!(noun, Noun::Kind(_)) && kinds(frame).len() > 1
                || *noun == Noun::Gene
                    && frame.asks.yes_no
                    && kinds(frame).iter().any(|kind| kind.ends_with("RNA")) =>
        {
            Subject {
                select: Select::Feature,
                filters: vec![
                    Filter::Text(Field::Kind, Match::Is, kinds(frame)),
                    Filter::Not(Box::new(Filter::Is(Is::Pseudo))),
                ],
            }
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

/// The kinds of features that are asked for, not those of a place.
fn kinds(frame: &Frame) -> Vec<String> {
    let place = frame.relation.map_or(usize::MAX, |(at, _)| at);
    let mut kinds: Vec<String> = Vec::new();
    for (at, noun) in &frame.nouns {
        if let Noun::Kind(kind) = noun
            && *at < place
            && !kinds.contains(kind)
        {
            kinds.push(kind.clone());
        }
    }
    kinds
}

/// Rows where no noun says what they are.
pub(super) fn no_noun(frame: &Frame) -> Option<Subject> {
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

/// Runs, clusters, reading frames, gaps, windows, sequences.
pub(super) fn computed(frame: &Frame, noun: &Noun) -> Option<Query> {
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
pub(super) fn of_names(frame: &Frame, names: Vec<String>) -> Query {
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
