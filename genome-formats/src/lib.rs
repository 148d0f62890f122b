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
//! | [`sam`]: [`SamReader`], [`SamWriter`], [`SamHeader`], [`Alignment`] | SAM |
//! | [`bam`]: [`BamReader`], [`BamWriter`], [`BamIndex`], [`MakeIndex`] | BAM, regions through `.bai` and `.csi` |
//! | [`cram`]: [`CramReader`], [`CramReference`] | CRAM |
//! | [`SeqRecord`], [`Span`], [`Strand`], [`alphabet`] | the record model |
//! | [`Error`], [`ErrorKind`] | what went wrong, and where |

pub mod alphabet;
pub mod bam;
mod coord;
pub mod cram;
mod dataset;
mod error;
mod fasta;
mod genbank;
mod guard;
mod input;
mod labelled;
mod labels;
mod lines;
mod location;
mod record;
pub mod sam;
pub mod sequences;
mod table;
mod window;

pub use bam::{BamIndex, BamQuery, BamReader, BamTag, BamView, BamWriter, MakeIndex};
pub use coord::{Span, Strand};
pub use cram::{CramReader, CramReference};
pub use dataset::DatasetDir;
pub use error::{Error, ErrorKind, Result};
pub use fasta::{FastaReader, Letters, write_fasta};
pub use genbank::{Feature, GenbankReader, GenbankRecord};
pub use guard::{Forgiven, Mode};
pub use input::{Format, Input, Limits};
pub use labelled::{Labelled, LabelledFile, read_labelled, read_labelled_input};
pub use labels::LabelSet;
pub use location::{Location, LocationPart, Operator};
pub use record::SeqRecord;
pub use sam::{
    Alignment, CigarKind, CigarOp, Flags, HeaderKind, HeaderLine, SamHeader, SamReader, SamReference, SamTag, SamView,
    SamWriter, SortOrder, Tag, TagArray, TagValue, Tags,
};
pub use sequences::Sequences;
