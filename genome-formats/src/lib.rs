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
//! | [`Input`], [`Format`], [`Compression`], [`Limits`] | where bytes come from, and how many are kept |
//! | [`Output`] | where bytes go: a whole file or none |
//! | [`BgzfReader`], [`BgzfWriter`], [`VirtualOffset`] | BGZF, block by block |
//! | [`Region`] | `chr1:1,000-2,000` |
//! | [`IndexedFasta`], [`Fai`], [`Gzi`] | regions of a FASTA file |
//! | [`IndexedText`], [`RegionLines`] | regions of VCF, GFF and BED files |
//! | [`SeqRecord`], [`Span`], [`Strand`], [`alphabet`] | the record model |
//! | [`Error`], [`ErrorKind`] | what went wrong, and where |

pub mod alphabet;
mod bgzf;
mod coord;
mod dataset;
mod error;
mod fasta;
mod genbank;
mod guard;
mod index;
mod input;
mod labelled;
mod labels;
mod lines;
mod location;
mod output;
mod record;
mod region;
pub mod sequences;
mod table;
mod window;

pub use bgzf::{BgzfReader, BgzfWriter, VirtualOffset};
pub use coord::{Span, Strand};
pub use dataset::DatasetDir;
pub use error::{Error, ErrorKind, Result};
pub use fasta::{FastaReader, Letters, write_fasta};
pub use genbank::{Feature, GenbankReader, GenbankRecord};
pub use guard::{Forgiven, Mode};
pub use index::fai::{Fai, FaiEntry};
pub use index::fasta::IndexedFasta;
pub use index::gzi::Gzi;
pub use index::text::{IndexedText, Preset, RegionLines};
pub use index::{IndexOptions, MakeIndex};
pub use input::{Compression, Format, Input, InputOptions, Limits};
pub use labelled::{Labelled, LabelledFile, read_labelled, read_labelled_input};
pub use labels::LabelSet;
pub use location::{Location, LocationPart, Operator};
pub use output::Output;
pub use record::SeqRecord;
pub use region::Region;
pub use sequences::Sequences;
