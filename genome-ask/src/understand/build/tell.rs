//! What is told about rows: a count or a list, the order, fields, letters.

use super::*;

/// Count or list, order and limit, fields and letters.
pub(in crate::understand) fn tell(query: &mut Query, frame: &Frame) {
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
pub(super) fn size_of(select: &Select) -> Field {
    match select {
        Select::Protein | Select::Orf { .. } => Field::Aa,
        Select::Run { .. } | Select::Cluster { .. } => Field::Members,
        Select::Window { .. } => Field::Gc,
        _ => Field::Length,
    }
}

pub(in crate::understand) fn order(query: &mut Query, frame: &Frame) {
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

pub(super) fn show(query: &mut Query, frame: &Frame) {
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

pub(in crate::understand) fn letters(query: &mut Query, frame: &Frame) {
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
