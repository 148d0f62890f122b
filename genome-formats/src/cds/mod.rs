//! Coding sequences: from a feature or annotation lines to nucleotides and protein.

mod build;
mod flank;
mod translate;

pub(crate) use build::wrap;
pub use build::{CdsLine, CdsLines};
pub use flank::Flank;
pub use translate::Protein;

use std::borrow::Cow;

use crate::coord::{Span, Strand};
use crate::error::{Error, ErrorKind};
use crate::genetic_code::GeneticCode;
use crate::location::LocationPart;

/// A coding sequence. Any value is legal; extraction and translation check the coordinates.
///
/// A [`Cds`] holds its parts in the order in which the ribosome reads them, each with its strand. So joins, genes on the
/// reverse strand, trans-splicing from both strands, genes across the origin of a ring, and ribosomal slippage (the join
/// takes a base twice, or leaves one out) need no special case.
///
/// Rules, after the INSDC feature table definition (<https://www.insdc.org/submitting-standards/feature-table/>) and the
/// GFF3 specification 1.26:
///
/// - `/codon_start` (1, 2 or 3) is the first base of the first whole codon; a GFF phase (0, 1 or 2) is the number of bases
///   in front of it: `phase = codon_start - 1`. Only the phase of the first part counts; it trims the coding sequence.
/// - A start codon of the table gives M if the 5' end is complete and the phase is 0.
/// - `/transl_except=(pos:5..7,aa:Sec)` gives a codon another meaning: `Sec` is U, `Pyl` is O, `TERM` a stop, `OTHER` X. A
///   position of one or two bases at the end completes a stop codon (`TERM`) that polyadenylation makes.
/// - One or two bases behind the last whole codon give an amino acid if every way to complete the codon has the same one,
///   as NCBI does (`GT` is V).
/// - `RNA editing` in `/exception` means that the protein is not that of the DNA: nothing here can know it.
///
/// ```
/// use genome_formats::{Cds, GenbankReader};
///
/// let text: &[u8] = b"LOCUS       RING 15 bp DNA circular SYN 01-JAN-2026
/// FEATURES             Location/Qualifiers
///      CDS             join(10..15,1..6)
///                      /transl_table=11
///                      /transl_except=(pos:13..15,aa:Sec)
/// ORIGIN
///         1 aaataaccc gtgtga
/// //
/// ";
/// let record = GenbankReader::new("ring.gb", text).next().unwrap()?;
/// let cds = Cds::from_feature(&record.features[0], &record)?;
/// assert_eq!(cds.nucleotides(&record.seq)?, b"gtgtgaaaataa");
/// let protein = cds.translate(&record.seq)?;
/// assert_eq!(protein.letters, b"MUK"); // GTG starts, TGA is selenocysteine here, TAA ends
/// assert!(protein.stop && protein.internal_stops.is_empty());
/// # Ok::<(), genome_formats::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cds {
    /// The sequence that the spans count in.
    pub sequence: String,
    /// The parts in the order of translation.
    pub parts: Vec<CdsPart>,
    /// Bases in front of the first whole codon: 0, 1 or 2.
    pub phase: u8,
    /// The genetic code.
    pub code: GeneticCode,
    /// Codons with another meaning than the genetic code gives them.
    pub transl_except: Vec<TranslExcept>,
    /// The protein begins in front of the first base.
    pub partial_5: bool,
    /// The protein ends behind the last base.
    pub partial_3: bool,
    /// Annotated as no longer functional, so that it may not translate.
    pub pseudo: bool,
    /// Why the annotated protein is not that of the bases: `/exception`, such as `RNA editing`.
    pub exception: Option<String>,
    /// `/gene`.
    pub gene: Option<String>,
    /// `/locus_tag`.
    pub locus_tag: Option<String>,
    /// `/protein_id`.
    pub protein_id: Option<String>,
    /// `/product`.
    pub product: Option<String>,
    /// `/translation`: the protein as annotated, without a stop.
    pub translation: Option<String>,
}

/// One stretch of a [`Cds`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CdsPart {
    /// The bases.
    pub span: Span,
    /// The strand that is read.
    pub strand: Strand,
    /// The sequence that the span counts in, if it is not the one of the [`Cds`].
    pub accession: Option<String>,
}

/// A codon that has another meaning than its genetic code says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TranslExcept {
    /// The bases of the codon: three, or fewer where the last codon is incomplete. The strand does not matter.
    pub spans: Vec<Span>,
    /// The amino acid: a letter, `U` for selenocysteine, `O` for pyrrolysine, `*` for a stop, `X` for any other.
    pub amino_acid: u8,
}

impl CdsPart {
    /// A part in the sequence of its [`Cds`].
    pub fn new(span: Span, strand: Strand) -> Self {
        Self { span, strand, accession: None }
    }
}

impl From<&LocationPart> for CdsPart {
    fn from(part: &LocationPart) -> Self {
        Self { span: part.span, strand: part.strand, accession: part.accession.clone() }
    }
}

impl Cds {
    /// A name to show: protein, locus tag or gene, else the first and last base, counted from 1.
    pub fn label(&self) -> Cow<'_, str> {
        match self.protein_id.as_ref().or(self.locus_tag.as_ref()).or(self.gene.as_ref()) {
            Some(name) => Cow::Borrowed(name),
            None => {
                let start = self.parts.iter().map(|p| p.span.start()).min().unwrap_or(0);
                let end = self.parts.iter().map(|p| p.span.end()).max().unwrap_or(0);
                Cow::Owned(format!("CDS {}..{end}", start.saturating_add(1)))
            }
        }
    }

    /// How many bases all parts have together.
    pub fn len(&self) -> u64 {
        self.parts.iter().fold(0, |n, p| n.saturating_add(p.span.len()))
    }

    /// Whether there are no bases.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn error(&self, kind: ErrorKind, problem: impl Into<Cow<'static, str>>) -> Error {
        Error::new(kind, self.sequence.as_str(), problem).in_record(&self.label())
    }
}

/// Bases as people count them: from 1, the last one included.
fn one_based(span: Span) -> String {
    format!("{}..{}", span.start().saturating_add(1), span.end())
}
