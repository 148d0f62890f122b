//! What the tools are asked.

use rmcp::schemars::{self, JsonSchema};
use serde::Deserialize;

use crate::error::{Error, Result};
use crate::query::{Extract, Field, Filter, Place, Query, Select, Side};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Ask {
    /// The question, at most 2,000 characters.
    pub(super) question: String,
    /// Whether it goes on from the answer before; false by default.
    pub(super) follow_up: Option<bool>,
    /// Rows that are given in full; 50 by default, 1,000 at most. All are counted.
    pub(super) max_rows: Option<u64>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Run {
    /// The query as one line of text.
    pub(super) query: String,
    /// Rows that are given in full; 50 by default, 1,000 at most. All are counted.
    pub(super) max_rows: Option<u64>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Info {}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Near {
    /// A gene name, a locus tag, or a place: `chr1:1200-1500`, `1200-1500`, or one position.
    locus: String,
    /// Bases on each side; 10,000 by default.
    distance_bp: Option<u64>,
    /// gene (default), protein, cds, feature, or a kind of the file.
    kind: Option<String>,
    /// On which side; both by default.
    side: Option<OnSide>,
    /// The genome, where there are several.
    genome: Option<String>,
    /// Rows that are given in full; 50 by default, 1,000 at most. All are counted.
    pub(super) max_rows: Option<u64>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum OnSide {
    /// Both sides.
    Both,
    /// In front of it, as its strand reads.
    Upstream,
    /// Behind it, as its strand reads.
    Downstream,
    /// At lower positions.
    Left,
    /// At higher positions.
    Right,
}

impl Near {
    pub(super) fn query(&self) -> Result<Query> {
        let select = match self.kind.as_deref() {
            None | Some("gene") => Select::Gene,
            Some("protein") => Select::Protein,
            Some("cds") => Select::Cds,
            Some("feature") => Select::Feature,
            Some(kind) => Select::Kind(kind.to_owned()),
        };
        let side = match self.side.unwrap_or(OnSide::Both) {
            OnSide::Both => Side::Both,
            OnSide::Upstream => Side::Upstream,
            OnSide::Downstream => Side::Downstream,
            OnSide::Left => Side::Left,
            OnSide::Right => Side::Right,
        };
        let distance_bp = self.distance_bp.unwrap_or(10_000);
        let mut query = Query::new(select).filter(Filter::Near { of: place(&self.locus)?, distance_bp, side });
        query.genome = self.genome.clone();
        Ok(query)
    }
}

/// A place as the text of queries has it; what is no stretch is a name.
fn place(locus: &str) -> Result<Place> {
    let locus = locus.trim();
    if locus.is_empty() {
        return Err(Error::Query { problem: "a gene or a place is needed", found: locus.to_owned() });
    }
    let number = |text: &str| text.replace([',', '_'], "").parse::<u64>().ok();
    let stretch = |text: &str| match text.replace("..", "-").split_once('-') {
        Some((start, end)) => Some((number(start)?, number(end)?)),
        None => number(text).map(|base| (base, base)),
    };
    let (seqid, rest) = match locus.rsplit_once(':') {
        Some((seqid, rest)) => (Some(seqid.to_owned()), rest),
        None => (None, locus),
    };
    Ok(match stretch(rest) {
        Some((start, end)) => Place::Region(crate::query::Region { seqid, start, end }),
        None => Place::Named(locus.to_owned()),
    })
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Sequence {
    /// A gene name or locus tag.
    pub(super) gene: String,
    /// Which letters; the protein by default.
    what: Option<Letters>,
    /// Bases upstream or downstream; 500 by default.
    length_bp: Option<u64>,
    /// The genome, where there are several.
    pub(super) genome: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Letters {
    /// Amino acids.
    Protein,
    /// The coding sequence, spliced.
    Coding,
    /// From the first base to the last.
    Genomic,
    /// In front of it.
    Upstream,
    /// Behind it.
    Downstream,
}

impl Sequence {
    pub(super) fn extract(&self) -> Extract {
        let length = self.length_bp.unwrap_or(500);
        match self.what.unwrap_or(Letters::Protein) {
            Letters::Protein => Extract::Protein,
            Letters::Coding => Extract::Spliced,
            Letters::Genomic => Extract::Dna,
            Letters::Upstream => Extract::Upstream(length),
            Letters::Downstream => Extract::Downstream(length),
        }
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Compare {
    /// The name of a genome; may be left out with `second` where there are just two.
    pub(super) first: Option<String>,
    /// The name of the other one.
    pub(super) second: Option<String>,
    /// By what; gene names by default.
    #[serde(default)]
    pub(super) by: By,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum By {
    /// Gene names.
    #[default]
    Gene,
    /// Products.
    Product,
}

impl By {
    pub(super) fn field(self) -> Field {
        match self {
            Self::Gene => Field::Gene,
            Self::Product => Field::Product,
        }
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Alike {
    /// A gene name, a locus tag, or, by function, a description.
    pub(super) to: String,
    /// By what; the function by default.
    #[serde(default)]
    pub(super) by: AlikeBy,
    /// How many genes; 20 by default, 1,000 at most.
    pub(super) max_rows: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum AlikeBy {
    /// The meaning of product and function.
    #[default]
    Function,
    /// The bases.
    Sequence,
}

impl From<AlikeBy> for super::SimilarBy {
    fn from(by: AlikeBy) -> Self {
        match by {
            AlikeBy::Function => Self::Function,
            AlikeBy::Sequence => Self::Sequence,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_names() {
        let text = |locus: &str| match place(locus).unwrap() {
            Place::Named(name) => format!("name {name}"),
            Place::Region(r) => format!("{} {}-{}", r.seqid.unwrap_or_default(), r.start, r.end),
            Place::Each(..) => unreachable!(),
        };
        assert_eq!(text("dnaA"), "name dnaA");
        assert_eq!(text("chr1:1,200-1500"), "chr1 1200-1500");
        assert_eq!(text("1200..1500"), " 1200-1500");
        assert_eq!(text("12000"), " 12000-12000");
        assert_eq!(text("HLA-A"), "name HLA-A");
        assert_eq!(text("tRNA:Leu"), "name tRNA:Leu");
        assert!(place("  ").is_err());
    }
}
