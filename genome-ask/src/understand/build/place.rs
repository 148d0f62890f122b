//! Where rows are, in relation to something.

use super::*;

/// Where the rows are, in relation to something.
pub(in crate::understand) fn place(query: &mut Query, frame: &Frame) {
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
    // "Do psbA and matK overlap?", "Is recX upstream of recA?": of two genes one is the place.
    let relation = match relation {
        Relation::NextTo if frame.side.is_some() && names.len() > 1 => Relation::Near,
        other => other,
    };
    // "genes near both lacZ and lacI": of genes, all that are named are places.
    let genes_before =
        frame.nouns.iter().any(|(place, noun)| *place < at && matches!(noun, Noun::Gene | Noun::Protein));
    if names.len() > 1 && relation == Relation::Near && genes_before && frame.names.iter().all(|(place, _)| *place > at)
    {
        let near = names.iter().filter_map(|name| related(frame, relation, Place::Named(name.clone())));
        query.filters.extend(near);
        return;
    }
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
pub(in crate::understand) fn related(frame: &Frame, relation: Relation, of: Place) -> Option<Filter> {
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
pub(super) fn target(frame: &Frame, at: usize, query: &mut Query) -> Option<Place> {
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
