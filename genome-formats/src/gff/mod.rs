//! GFF3, GTF and GFF2: features of sequences, one line each.
//!
//! - What: nine columns with tabs between them: sequence, source, kind, start, end, score, strand, phase, attributes.
//! - Coordinates: **1-based, end included**, in the file; [`Span`](crate::Span) here.
//! - Traps: a feature may have several lines (the exons of a CDS), told by an equal `ID` in GFF3; a feature that crosses the
//!   origin of a circular sequence ends behind its last base; the stop codon lies inside the CDS in GFF3 and outside in GTF;
//!   phase is the number of bases to skip, not a frame; GFF3 encodes reserved letters as `%3B`, GTF quotes values.
//! - Specifications: "Generic Feature Format Version 3 (GFF3)" 1.26 by Lincoln Stein; "GTF2.2: A Gene Annotation Format" of the
//!   Brent lab; "GFF2" of the Sanger Institute.
//!
//! ```
//! use genome_formats::{GffDialect, GffReader, Span};
//!
//! let text: &[u8] = b"##gff-version 3\nchr1\tlab\tmRNA\t11\t50\t.\t+\t.\tID=t1;Parent=g1,g2;Note=a%3Bb\n";
//! let mut reader = GffReader::new("genes.gff3", text, GffDialect::Gff3);
//! let line = reader.next_view()?.unwrap();
//! assert_eq!((line.kind(), line.span()), (&b"mRNA"[..], Span::new(10, 50).unwrap()));
//! assert_eq!(line.attribute(b"Note").as_deref(), Some(&b"a;b"[..])); // decoded, found without parsing the others
//! let record = line.to_record();
//! assert_eq!(record.attributes.get_all("Parent"), ["g1", "g2"]);
//! # Ok::<(), genome_formats::Error>(())
//! ```
//!
//! Where the world ignores the specifications, and what we do:
//!
//! - a GFF3 file without `##gff-version` is read (pieces of files have none); another version in it is refused;
//! - kinds are not looked up in the Sequence Ontology, and attributes with capital letters that GFF3 reserves are read;
//! - GTF 2.2 asks for `gene_id` and `transcript_id` on each line; lines of kind `gene` may lack the second;
//! - GTF values without quotes, more than one blank, or no `;` at the end are read;
//! - an empty file is an empty list.

mod attributes;
mod block;
mod reader;
mod record;
mod tree;
mod writer;

pub use attributes::GffAttributes;
pub use reader::{FastaTail, GffReader};
pub use record::{GffDialect, GffRecord, GffStrand, GffView};
pub use tree::{CodingPart, CodingSequence, FeatureTree, TreeFeature};
pub use writer::GffWriter;
