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
//! | [`Input`], [`Format`], [`Limits`] | where bytes come from, and how many are kept |
//! | [`Cds`], [`Protein`], [`Flank`], [`GeneticCode`] | coding sequences, proteins, upstream bases, NCBI's genetic codes |
//! | [`orfs`], [`Orf`], [`OrfOptions`] | open reading frames |
//! | [`SequenceStats`], [`gc_windows`], [`KmerCounts`] | GC content and skew, N50, soft-masked share, k-mers |
//! | [`Motif`], [`SequenceIndex`] | IUPAC patterns and exact words on both strands |
//! | [`IntervalIndex`], [`merge_spans`] | what overlaps, what is nearest |
//! | [`SeqRecord`], [`Span`], [`Strand`], [`Topology`], [`alphabet`] | the record model |
//! | [`Error`], [`ErrorKind`] | what went wrong, and where |

pub mod alphabet;
mod cds;
mod coord;
mod dataset;
mod error;
mod fasta;
mod genbank;
mod genetic_code;
mod guard;
mod input;
mod intervals;
mod iupac;
mod labelled;
mod labels;
mod lines;
mod location;
mod motif;
mod orf;
mod record;
pub mod sequences;
mod stats;
mod table;
mod topology;
mod window;

pub use cds::{Cds, CdsLine, CdsLines, CdsPart, Flank, Protein, TranslExcept};
pub use coord::{Span, Strand};
pub use dataset::DatasetDir;
pub use error::{Error, ErrorKind, Result};
pub use fasta::{FastaReader, Letters, write_fasta};
pub use genbank::{Feature, GenbankReader, GenbankRecord};
pub use genetic_code::GeneticCode;
pub use guard::{Forgiven, Mode};
pub use input::{Format, Input, Limits};
pub use intervals::{Interval, IntervalIndex, Overlaps, merge_spans};
pub use labelled::{Labelled, LabelledFile, read_labelled, read_labelled_input};
pub use labels::LabelSet;
pub use location::{Location, LocationPart, Operator};
pub use motif::{IndexHit, Motif, MotifHit, MotifHits, SequenceIndex};
pub use orf::{Orf, OrfOptions, OrfStart, OrfStarts, Orfs, orfs};
pub use record::SeqRecord;
pub use sequences::Sequences;
pub use stats::{GcWindow, GcWindows, KmerCounts, LengthSummary, Nx, SequenceStats, gc_windows};
pub use topology::Topology;
