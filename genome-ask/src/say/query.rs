//! A query in words: how a question was understood.

use super::{field, noun, number, thousands};
use crate::query::{
    Aggregate, Compare, Extract, Field, Filter, Is, Match, Output, Place, Query, Region, Select, Side, Strand, Tell,
};

/// How a question was understood.
pub(crate) fn understood(query: &Query) -> String {
    let rows = rows(query);
    let mut out = match &query.tell {
        Tell::Rows => match query.extract {
            Some(extract) => format!("{} of {rows}", letters(extract)),
            None if query.output == Output::Fasta => format!("sequences of {rows}"),
            None => rows,
        },
        Tell::Count => format!("number of {rows}"),
        Tell::Exists => format!("whether there are {rows}"),
        Tell::Aggregate(how, of) => format!("{} {} of {rows}", aggregate(*how), field(of)),
        Tell::Distinct(of) => format!("the {} of {rows}", field(of)),
        Tell::Share(filters) => format!("share, in %, of those {} among {rows}", all(filters, &query.select)),
        Tell::Gc => format!("GC content of {rows}"),
        Tell::N50 => format!("N50 and total length of {rows}"),
        Tell::Coverage => format!("share of all bases that {rows} cover"),
        Tell::Adjacent => format!("whether {rows} follow each other on one strand with no other gene between"),
        Tell::CodonUsage => format!("codon usage of {rows}"),
    };
    if let Some(group) = &query.group {
        out += &format!(", by {}", field(group));
    }
    if !query.show.is_empty() {
        let fields: Vec<String> = query.show.iter().map(field).collect();
        out += &format!("; with {}", fields.join(", "));
    }
    if let Some(genome) = &query.genome {
        out += &format!("; in the genome {genome}");
    }
    if query.output != Output::Table {
        out += &format!("; as {}", query.output.to_string().to_uppercase());
    }
    out
}

/// The rows: noun, filters, order and limit.
fn rows(query: &Query) -> String {
    let mut out = String::new();
    let first = query.order.first();
    let mut many = true;
    match (query.limit, first) {
        (Some(limit), Some(order)) => {
            let extreme = extreme(&order.by, order.descending);
            many = limit.rows != 1;
            out += &if many { format!("the {} {extreme} ", thousands(limit.rows)) } else { format!("the {extreme} ") };
        }
        (Some(limit), None) => {
            many = limit.rows != 1;
            out += &if many { format!("the first {} ", thousands(limit.rows)) } else { "the first ".to_owned() };
        }
        _ => {}
    }
    let pseudo = query.filters.contains(&Filter::Is(Is::Pseudo)) && query.select == Select::Gene;
    let unknown = |f: &&Filter| !(pseudo && **f == Filter::Is(Is::Pseudo));
    out +=
        &if pseudo { (if many { "pseudogenes" } else { "pseudogene" }).to_owned() } else { noun(&query.select, many) };
    let filters: Vec<Filter> = query.filters.iter().filter(unknown).cloned().collect();
    if !filters.is_empty() {
        out += &format!(" {}", all(&filters, &query.select));
    }
    if !query.having.is_empty() {
        out += &format!(" {}", all(&query.having, &query.select));
    }
    if let Some(order) = first
        && query.limit.is_none()
    {
        let way = if order.descending { "greatest first" } else { "least first" };
        out += &format!(", by {}, {way}", field(&order.by));
    }
    out
}

fn extreme(by: &Field, descending: bool) -> String {
    match (by, descending) {
        (Field::Length | Field::Aa | Field::Bases, true) => "longest".to_owned(),
        (Field::Length | Field::Aa | Field::Bases, false) => "shortest".to_owned(),
        (Field::Members, true) => "largest".to_owned(),
        (Field::Members, false) => "smallest".to_owned(),
        (Field::MolecularWeight, true) => "heaviest".to_owned(),
        (Field::MolecularWeight, false) => "lightest".to_owned(),
        (by, true) => format!("(by greatest {})", field(by)),
        (by, false) => format!("(by least {})", field(by)),
    }
}

fn aggregate(how: Aggregate) -> &'static str {
    match how {
        Aggregate::Median => "median",
        Aggregate::Mean => "mean",
        Aggregate::Min => "least",
        Aggregate::Max => "greatest",
        Aggregate::Sum => "total",
    }
}

fn letters(extract: Extract) -> String {
    match extract {
        Extract::Dna => "DNA sequence".to_owned(),
        Extract::Spliced => "spliced DNA sequence".to_owned(),
        Extract::Protein => "protein sequence".to_owned(),
        Extract::Upstream(n) => format!("the {} bp upstream", thousands(n)),
        Extract::Downstream(n) => format!("the {} bp downstream", thousands(n)),
        Extract::Flanked(n) => format!("DNA sequence with {} bp on both sides", thousands(n)),
    }
}

fn all(filters: &[Filter], select: &Select) -> String {
    filters.iter().map(|f| filter(f, select)).collect::<Vec<_>>().join(" and ")
}

fn quoted(values: &[String]) -> String {
    values.iter().map(|value| format!("\u{201c}{value}\u{201d}")).collect::<Vec<_>>().join(" or ")
}

fn filter(filter: &Filter, select: &Select) -> String {
    match filter {
        Filter::Is(is) => property(*is).to_owned(),
        Filter::Not(inner) => match &**inner {
            Filter::Is(Is::Pseudo) => "that are no pseudogenes".to_owned(),
            Filter::Text(of, Match::Present, _) => format!("without {}", field(of)),
            other => format!("not ({})", self::filter(other, select)),
        },
        Filter::Number(of, compare) => comparison(of, *compare),
        Filter::Text(of, how, values) => {
            let (of, values) = (field(of), quoted(values));
            match how {
                Match::Has => format!("with the words {values} in the {of}"),
                Match::Is => format!("with the {of} {values}"),
                Match::Contains => format!("with {values} in the {of}"),
                Match::Starts => format!("whose {of} starts with {values}"),
                Match::Under => format!("with {of} {values} or below it"),
                Match::Present => format!("with {of}"),
            }
        }
        Filter::Strand(Strand::Plus) => "on the plus strand".to_owned(),
        Filter::Strand(Strand::Minus) => "on the minus strand".to_owned(),
        Filter::On(name) => format!("on {name}"),
        Filter::Named(names) => format!("called {}", names.join(" or ")),
        Filter::Among(ids) => format!("among {} named before", thousands(ids.len() as u64)),
        Filter::FullText(words) => format!("with the words \u{201c}{words}\u{201d} in any text"),
        Filter::Near { of, distance_bp, side } => {
            format!("within {} bp{} of {}", thousands(*distance_bp), self::side(*side), place(of))
        }
        Filter::Overlaps(of) => format!("overlapping {}", place(of)),
        Filter::Inside(of) => format!("inside {}", place(of)),
        Filter::Between(a, b) => format!("between {} and {}", place(a), place(b)),
        Filter::NextTo { of, count, side } => match (count, side) {
            (1, Side::Both) => format!("next to {}", place(of)),
            (n, Side::Both) => format!("among the next {n} on each side of {}", place(of)),
            (1, side) => format!("next{} of {}", self::side(*side), place(of)),
            (n, side) => format!("among the next {n}{} of {}", self::side(*side), place(of)),
        },
        Filter::SharedWith { genome, by } => format!("whose {} {genome} has too", field(by)),
        Filter::Any(filters) => {
            format!("({})", filters.iter().map(|f| self::filter(f, select)).collect::<Vec<_>>().join(" or "))
        }
        Filter::All(filters) => all(filters, select),
    }
}

fn property(is: Is) -> &'static str {
    match is {
        Is::Pseudo => "that are pseudo",
        Is::Coding => "that are protein-coding",
        Is::UnknownFunction => "of unknown function",
        Is::Wraps => "that go over the origin",
        Is::Partial => "that are partial",
        Is::Spliced => "with introns",
        Is::Translated => "with a translation",
        Is::Unannotated => "that are not annotated",
        Is::Circular => "that are circular",
    }
}

fn comparison(of: &Field, compare: Compare) -> String {
    let unit = match of {
        Field::Aa => " aa",
        Field::Length | Field::Bases => " bp",
        Field::Gc => " %",
        Field::MolecularWeight => " Da",
        _ => "",
    };
    let long = matches!(of, Field::Aa | Field::Length | Field::Bases);
    let n = |x: f64| format!("{}{unit}", number(x));
    let name = field(of);
    match compare {
        Compare::Lt(x) if long => format!("shorter than {}", n(x)),
        Compare::Gt(x) if long => format!("longer than {}", n(x)),
        Compare::Le(x) if long => format!("of at most {}", n(x)),
        Compare::Ge(x) if long => format!("of at least {}", n(x)),
        Compare::Eq(x) if long => format!("of exactly {}", n(x)),
        Compare::Between(a, b) if long => format!("of {} to {}", number(a), n(b)),
        Compare::Lt(x) => format!("with {name} less than {}", n(x)),
        Compare::Le(x) => format!("with {name} at most {}", n(x)),
        Compare::Eq(x) => format!("with {name} exactly {}", n(x)),
        Compare::Ge(x) => format!("with {name} at least {}", n(x)),
        Compare::Gt(x) => format!("with {name} more than {}", n(x)),
        Compare::Between(a, b) => format!("with {name} from {} to {}", number(a), n(b)),
    }
}

fn side(side: Side) -> &'static str {
    match side {
        Side::Both => "",
        Side::Upstream => " upstream",
        Side::Downstream => " downstream",
        Side::Left => " to the left",
        Side::Right => " to the right",
    }
}

fn place(place: &Place) -> String {
    match place {
        Place::Named(name) => name.clone(),
        Place::Region(region) => self::region(region),
        Place::Each(select, filters) if filters.is_empty() => format!("any of the {}", noun(select, true)),
        Place::Each(select, filters) => format!("any of the {} {}", noun(select, true), all(filters, select)),
    }
}

fn region(region: &Region) -> String {
    let at = if region.start == region.end {
        format!("position {}", thousands(region.start))
    } else {
        format!("{}\u{2013}{}", thousands(region.start), thousands(region.end))
    };
    region.seqid.as_ref().map_or(at.clone(), |seqid| format!("{at} of {seqid}"))
}
