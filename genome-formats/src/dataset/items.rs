//! What a data set is built from, whatever format it came in.

use super::Genome;
use crate::coord::{Span, Strand};
use crate::error::Result;

/// A labelled stretch of a genome: a feature of GFF, GTF, BED or GenBank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The sequence that it is on.
    pub seq_name: String,
    /// Where. On a circular sequence the end may be behind the sequence's end, as GFF3 has it.
    pub span: Span,
    /// Its strand; `None` counts as forward.
    pub strand: Option<Strand>,
    /// Its class, as the files will have it: not empty, on one line, without blanks around it.
    pub label: String,
}

/// A variant: a line of VCF or BCF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariantSite {
    /// The sequence that it is on.
    pub seq_name: String,
    /// Its first base, counted from 0: VCF's POS less 1.
    pub position: u64,
    /// The letters of the reference: VCF's REF.
    pub reference: Vec<u8>,
    /// The letters instead, one or more: VCF's ALT split at commas. Symbolic ones are counted and left out.
    pub alternates: Vec<Vec<u8>>,
}

/// A site for each whole sequence of a genome, for windows that slide over all of it.
pub fn whole_sequences<G: Genome>(genome: &G, label: &str) -> impl Iterator<Item = Result<Site>> + use<G> {
    let label = label.to_owned();
    genome.names_and_lengths().into_iter().map(move |(seq_name, len)| {
        let span = Span::new(0, len).expect("0 is the least start");
        Ok(Site { seq_name, span, strand: None, label: label.clone() })
    })
}
