//! Features in one shape, whatever file they come from: GenBank, EMBL, GFF3 or GTF.

use std::collections::BTreeMap;

use crate::cds::{Cds, CdsLine, CdsLines, CdsPart};
use crate::coord::{Span, Strand};
use crate::error::Result;
use crate::genbank::GenbankRecord;
use crate::gff::{CodingPart, CodingSequence, FeatureTree, GffAttributes};

/// Qualifiers and attributes by which people name a feature.
const NAMES: [&str; 14] = [
    "locus_tag",
    "gene",
    "protein_id",
    "old_locus_tag",
    "gene_synonym",
    "standard_name",
    "label",
    "ID",
    "Name",
    "Alias",
    "gene_id",
    "gene_name",
    "transcript_id",
    "transcript_name",
];

/// A feature of a sequence.
#[derive(Debug)]
pub struct AnnotatedFeature {
    /// `gene`, `CDS`, ...
    pub kind: String,
    /// Where it is, in the order of reading.
    pub parts: Vec<CdsPart>,
    /// The names it goes by: gene, locus tag, identifiers, synonyms.
    pub names: Vec<String>,
    /// What it codes for, if it is a coding sequence; the error if its annotation cannot be understood.
    pub cds: Option<Result<Cds>>,
}

impl AnnotatedFeature {
    /// From the first to the last base of all parts; on a ring, a feature over the origin spans everything.
    pub fn span(&self) -> Option<Span> {
        let start = self.parts.iter().map(|p| p.span.start()).min()?;
        let end = self.parts.iter().map(|p| p.span.end()).max()?;
        Span::new(start, end)
    }

    /// The strand that all parts share.
    pub fn strand(&self) -> Option<Strand> {
        let first = self.parts.first()?.strand;
        self.parts.iter().all(|p| p.strand == first).then_some(first)
    }

    /// Whether one of its names is `name`, in whatever case.
    pub fn is_named(&self, name: &str) -> bool {
        self.names.iter().any(|n| n.eq_ignore_ascii_case(name))
    }
}

/// The features of a GenBank or EMBL record, in the order of the file.
///
/// ```
/// use genome_formats::{GenbankReader, annotation};
///
/// let text: &[u8] = b"LOCUS       DEMO 9 bp DNA linear SYN 01-JAN-2026
/// FEATURES             Location/Qualifiers
///      CDS             1..9
///                      /gene=\"demo\"
/// ORIGIN
///         1 atgaaataa
/// //
/// ";
/// let record = GenbankReader::new("demo.gb", text).next().unwrap()?;
/// let features = annotation::of_record(&record);
/// assert!(features[0].is_named("DEMO"));
/// let cds = features[0].cds.as_ref().unwrap().as_ref().unwrap();
/// assert_eq!(cds.translate(&record.seq)?.letters, b"MK");
/// # Ok::<(), genome_formats::Error>(())
/// ```
pub fn of_record(record: &GenbankRecord) -> Vec<AnnotatedFeature> {
    let features = record.features.iter();
    features
        .map(|feature| {
            let named = |name: &&str| feature.qualifier_values(name).map(str::to_owned).collect::<Vec<_>>();
            AnnotatedFeature {
                kind: feature.kind.clone(),
                parts: feature.location.parts().iter().map(CdsPart::from).collect(),
                names: NAMES.iter().flat_map(named).collect(),
                cds: (feature.kind == "CDS").then(|| Cds::from_feature(feature, record)),
            }
        })
        .collect()
}

/// The features of a GFF3 or GTF file by sequence, in the order of the file. The lines of a coding sequence are one feature.
pub fn of_tree(tree: &FeatureTree) -> BTreeMap<String, Vec<AnnotatedFeature>> {
    let mut out: BTreeMap<String, Vec<AnnotatedFeature>> = BTreeMap::new();
    for feature in tree.features() {
        let first = feature.first();
        if feature.is_implied() || first.kind == "CDS" || first.kind == "stop_codon" {
            continue;
        }
        let part = |record: &crate::gff::GffRecord| {
            CdsPart::new(record.span, record.strand.known().unwrap_or(Strand::Forward))
        };
        out.entry(first.seq_name.clone()).or_default().push(AnnotatedFeature {
            kind: first.kind.clone(),
            parts: feature.records().iter().map(part).collect(),
            names: names(&first.attributes),
            cds: None,
        });
    }
    for coding in tree.coding_sequences() {
        out.entry(coding.record.seq_name.clone()).or_default().push(AnnotatedFeature {
            kind: "CDS".to_owned(),
            parts: coding.parts.iter().map(|p| CdsPart::new(p.span, p.strand.unwrap_or(Strand::Forward))).collect(),
            names: names(&coding.record.attributes),
            cds: Some(cds_of(&coding)),
        });
    }
    out
}

fn names(attributes: &GffAttributes) -> Vec<String> {
    NAMES.iter().flat_map(|name| attributes.get_all(name)).cloned().collect()
}

fn cds_of(coding: &CodingSequence<'_>) -> Result<Cds> {
    let attributes = &coding.record.attributes;
    let trans_spliced = attributes.get_all("exception").iter().any(|e| e == "trans-splicing");
    let line = |part: &CodingPart, number| CdsLine {
        span: part.span,
        strand: part.strand.unwrap_or(Strand::Forward),
        phase: part.phase,
        part: number,
    };
    let mut cds = Cds::from_lines(&CdsLines {
        sequence: coding.record.seq_name.clone(),
        cds: (1..).zip(&coding.parts).map(|(i, part)| line(part, Some(i))).collect(), // they are in order
        stop_codon: coding.stop_codon.iter().map(|part| line(part, None)).collect(),
        trans_spliced,
        ring: None,
    })?;
    for (name, values) in attributes.iter() {
        for value in values {
            cds.annotate(name, Some(value), None)?;
        }
    }
    Ok(cds)
}
