//! Streams genome files into typed records, with errors that say where.
//!
//! FASTA, GenBank and labelled CSV, plain or gzip, from a file, standard input or memory. Nothing here sees a tensor.
//!
//! ```
//! use genome_formats::{Input, Letters, Limits, Sequences};
//!
//! // `sequences::open("genome.fa.gz")` does the same with a file.
//! let input = Input::from_bytes("demo.fa", b">chr1 demo\nACGTacgt\nNNNN\n>chr2\nACJT\n")?;
//! let mut records = Sequences::from_input(input, Letters::Iupac, Limits::default())?;
//!
//! let first = records.next().unwrap()?;
//! assert_eq!((&*first.name, first.seq.len()), ("chr1", 12)); // case is kept
//!
//! let error = records.next().unwrap().unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     r#"demo.fa:5: byte 33: unknown letter in sequence "chr2": expected an IUPAC nucleotide, found 'J'"#,
//! );
//! # Ok::<(), genome_formats::Error>(())
//! ```
//!
//! # Modules
//!
//! | item | what |
//! |---|---|
//! | [`sequences`], [`Sequences`] | sequences from any format |
//! | [`FastaReader`], [`write_fasta`] | FASTA |
//! | [`GenbankReader`], [`GenbankRecord`], [`Feature`], [`Location`] | GenBank with features |
//! | [`read_labelled`], [`LabelledFile`], [`Labelled`] | CSV with `sequence,label` |
//! | [`DatasetDir`], [`LabelSet`] | a folder of train, dev and test files; class names |
//! | [`GffReader`], [`GffRecord`], [`GffView`], [`GffWriter`], [`FeatureTree`] | GFF3, GTF and GFF2 |
//! | [`BedReader`], [`BedRecord`], [`BedView`], [`BedWriter`] | BED, 3 to 12 columns and more |
//! | [`WigReader`], [`BedGraphReader`], [`WigWriter`], [`BedGraphWriter`], [`wig_to_bed`] | values along sequences, as text |
//! | [`BigWigReader`], [`write_bigwig`], [`SignalSummary`] | values along sequences, compressed and indexed |
//! | [`Input`], [`Format`], [`Limits`] | where bytes come from, and how many are kept |
//! | [`SeqRecord`], [`Span`], [`Strand`], [`alphabet`] | the record model |
//! | [`Error`], [`ErrorKind`] | what went wrong, and where |

pub mod alphabet;
pub mod bed;
pub mod bigwig;
mod coord;
mod dataset;
mod error;
mod fasta;
mod genbank;
pub mod gff;
mod guard;
mod input;
mod labelled;
mod labels;
mod lines;
mod location;
mod record;
pub mod sequences;
mod table;
pub mod wig;
mod window;

pub use bed::{BedReader, BedRecord, BedView, BedWriter};
pub use bigwig::{BigWigReader, BigWigSignals, Chromosome, Precision, SignalSummary, write_bigwig};
pub use coord::{Span, Strand};
pub use dataset::DatasetDir;
pub use error::{Error, ErrorKind, Result};
pub use fasta::{FastaReader, Letters, write_fasta};
pub use genbank::{Feature, GenbankReader, GenbankRecord};
pub use gff::{
    CodingPart, CodingSequence, FastaTail, FeatureTree, GffAttributes, GffDialect, GffReader, GffRecord, GffStrand,
    GffView, GffWriter, TreeFeature,
};
pub use guard::{Forgiven, Mode};
pub use input::{Format, Input, Limits};
pub use labelled::{Labelled, LabelledFile, read_labelled, read_labelled_input};
pub use labels::LabelSet;
pub use location::{Location, LocationPart, Operator};
pub use record::SeqRecord;
pub use sequences::Sequences;
pub use wig::{
    BedGraphReader, BedGraphWriter, Signal, SignalView, TrackLine, WigReader, WigToBed, WigWriter, wig_to_bed,
};
