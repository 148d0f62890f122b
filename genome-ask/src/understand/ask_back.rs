//! Questions that can be read in several ways, or in none.

use super::frame::{Frame, Relation};
use super::vocabulary::Genome;
use super::{Understanding, suggestions};
use crate::dialogue::{Cause, Reading};
use crate::error::Result;
use crate::query::{Field, Query, Select, Tell};

/// What a question lacks.
pub(super) fn missing(frame: &Frame, genome: Genome<'_>) -> Result<Understanding> {
    if let Some((_, relation)) = frame.relation
        && relation != Relation::Adjacent
    {
        return Ok(near_what(frame));
    }
    if let Some(extreme) = &frame.extreme {
        return largest(extreme.descending, &extreme.by, genome);
    }
    if frame.asks.count {
        return how_many(genome);
    }
    if frame.refers.it
        || frame.refers.these
        || frame.asks.how_long
        || frame.letters.is_some()
        || frame.flank.is_some()
        || !frame.fields.is_empty()
    {
        return Ok(of_what(frame));
    }
    Ok(not_understood(frame, genome))
}

/// A pronoun without anything before it.
pub(super) fn of_what(frame: &Frame) -> Understanding {
    if frame.relation.is_some() {
        return near_what(frame);
    }
    let reading = |text: &str| Reading { text: text.to_owned(), query: None };
    Understanding::Ambiguous {
        ask: "Of which gene? Nothing was asked before that this could mean.".to_owned(),
        readings: vec![
            reading("which gene, by name or locus tag"),
            reading("which position, as 12,000 or chr1:12,000"),
        ],
    }
}

/// Sites of what?
pub(super) fn which_site() -> Understanding {
    let reading = |text: &str| Reading { text: text.to_owned(), query: None };
    let readings = vec![reading("an enzyme, as EcoRI"), reading("letters, as GAATTC; IUPAC codes may be among them")];
    Understanding::Ambiguous { ask: "Sites of what? Please name an enzyme or letters.".to_owned(), readings }
}

fn near_what(frame: &Frame) -> Understanding {
    let reading = |text: &str| Reading { text: text.to_owned(), query: None };
    let mut readings = vec![reading("which gene or position")];
    if frame.distance.is_none() {
        readings.push(reading("which distance, as 5 kb"));
    }
    Understanding::Ambiguous { ask: "Near what? Please name a gene or a position, and how far.".to_owned(), readings }
}

fn largest(descending: bool, by: &Option<Field>, genome: Genome<'_>) -> Result<Understanding> {
    let word = if descending { "largest" } else { "smallest" };
    let of = |select: Select, field: Field| {
        let field = by.clone().unwrap_or(field);
        let ties = !matches!(select, Select::Intergenic | Select::Cluster { .. } | Select::Sequence);
        Query::new(select).order_by(field, descending).limit(1, ties)
    };
    let reading = |text: &str, query: Query| Reading { text: format!("the {word} {text}"), query: Some(query) };
    let mut readings = vec![
        reading("gene", of(Select::Gene, Field::Length)),
        reading("protein", of(Select::Protein, Field::Aa)),
        reading("intergenic region", of(Select::Intergenic, Field::Length)),
    ];
    if descending {
        let cluster = Select::Cluster { of: Box::new(Select::Gene), max_gap_bp: 100, min_members: 3 };
        readings.push(reading("gene cluster", of(cluster, Field::Members)));
    }
    if genome.sequences()? > 1 {
        readings.push(reading("contig or chromosome", of(Select::Sequence, Field::Length)));
    }
    Ok(Understanding::Ambiguous { ask: format!("The {word} what?"), readings })
}

fn how_many(genome: Genome<'_>) -> Result<Understanding> {
    let mut readings = Vec::new();
    let mut reading = |text: &str, select: Select| {
        readings.push(Reading { text: text.to_owned(), query: Some(Query::new(select).tell(Tell::Count)) });
    };
    reading("genes", Select::Gene);
    reading("proteins", Select::Protein);
    for kind in ["tRNA", "rRNA"] {
        if genome.kinds()?.iter().any(|(_, known)| known == kind) {
            reading(&format!("{kind}s"), Select::Kind(kind.to_owned()));
        }
    }
    reading("contigs", Select::Sequence);
    Ok(Understanding::Ambiguous { ask: "How many of what?".to_owned(), readings })
}

/// No rule read it.
pub(super) fn not_understood(frame: &Frame, genome: Genome<'_>) -> Understanding {
    let reason = if frame.unknown.is_empty() {
        "I did not understand this question.".to_owned()
    } else {
        let words: Vec<String> = frame.unknown.iter().map(|word| format!("\u{201c}{word}\u{201d}")).collect();
        format!(
            "I did not understand {}: the annotation has no such words, and I know no other meaning.",
            words.join(", ")
        )
    };
    Understanding::Declined {
        cause: Cause::NotUnderstood,
        reason,
        unknown: frame.unknown.clone(),
        suggestions: suggestions(frame, genome),
    }
}
