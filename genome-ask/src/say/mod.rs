//! Queries and answers in words. What is said is made of the query and the answer alone: no other number, no other name.

mod answer;
mod document;
mod facts;
mod query;

pub(crate) use answer::{answer, headline};
pub use document::Document;
pub(crate) use query::understood;

use crate::query::{Field, Select};

/// 1,234,567
pub(crate) fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number as people write it: whole ones with commas, others with two places.
pub(crate) fn number(x: f64) -> String {
    if x.fract() == 0.0 && x.abs() < 9e15 {
        let sign = if x < 0.0 { "-" } else { "" };
        format!("{sign}{}", thousands(x.abs() as u64))
    } else if x.abs() >= 1000.0 {
        let whole = format!("{:.1}", x.abs());
        let (int, fraction) = whole.split_once('.').unwrap_or((&whole, "0"));
        format!("{}{}.{fraction}", if x < 0.0 { "-" } else { "" }, thousands(int.parse().unwrap_or(0)))
    } else {
        format!("{x:.2}")
    }
}

/// What rows are called.
pub(crate) fn noun(select: &Select, many: bool) -> String {
    let pair = |one: &str, more: &str| if many { more.to_owned() } else { one.to_owned() };
    match select {
        Select::Gene => pair("gene", "genes"),
        Select::Protein => pair("protein", "proteins"),
        Select::Cds => pair("coding sequence", "coding sequences"),
        Select::Feature => pair("feature", "features"),
        Select::Kind(kind) => {
            let end = if !many {
                ""
            } else if kind.len() <= 12 && !kind.contains('_') {
                "s"
            } else {
                " features"
            };
            format!("{kind}{end}")
        }
        Select::Sequence => pair("sequence", "sequences"),
        Select::Intergenic => pair("intergenic region", "intergenic regions"),
        Select::Run { max_gap_bp } => {
            format!("{} of genes on one strand with gaps of at most {} bp", pair("run", "runs"), thousands(*max_gap_bp))
        }
        Select::Cluster { of, max_gap_bp, min_members } => format!(
            "{} of at least {min_members} {} with gaps of at most {} bp",
            pair("cluster", "clusters"),
            noun(of, true),
            thousands(*max_gap_bp)
        ),
        Select::Orf { min_aa } => {
            format!("{} of at least {min_aa} aa", pair("open reading frame", "open reading frames"))
        }
        Select::Motif(patterns) => format!("{} of {}", pair("site", "sites"), patterns.join(" or ")),
        Select::Window { size_bp, .. } => format!("{} of {} bp", pair("window", "windows"), thousands(*size_bp)),
        Select::Region(region) => format!("the region {region}"),
    }
}

/// What a field is called.
pub(crate) fn field(field: &Field) -> String {
    match field {
        Field::Id => "identifier".into(),
        Field::LocusTag => "locus tag".into(),
        Field::Gene => "gene name".into(),
        Field::Synonym => "other names".into(),
        Field::OldLocusTag => "old locus tag".into(),
        Field::ProteinId => "protein accession".into(),
        Field::Ec => "EC number".into(),
        Field::Go => "GO term".into(),
        Field::DbXref => "cross references".into(),
        Field::Qualifier(name) => format!("qualifier /{name}"),
        Field::AnyText => "text".into(),
        Field::Seqid => "sequence".into(),
        Field::Aa => "protein length".into(),
        Field::Gc => "GC content".into(),
        Field::StartCodon => "start codon".into(),
        Field::TranslTable => "genetic code".into(),
        Field::MolecularWeight => "molecular weight".into(),
        Field::IsoelectricPoint => "isoelectric point".into(),
        Field::Parts => "number of parts (exons)".into(),
        Field::Members => "number of members".into(),
        other => other.to_string().replace('_', " "),
    }
}
