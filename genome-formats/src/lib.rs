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
//! | [`open`], [`Records`], [`Record`] | records of any format |
//! | [`convert`], [`targets`] | one format written as another |
//! | [`sequences`], [`Sequences`] | sequences from any format |
//! | [`fasta`]: [`FastaReader`], [`FastaWriter`], [`write_fasta`] | FASTA |
//! | [`fastq`]: [`FastqReader`], [`FastqView`], [`FastqRecord`], [`FastqWriter`], [`QualityEncoding`] | FASTQ in three quality encodings |
//! | [`genbank`]: [`GenbankReader`], [`GenbankWriter`]; [`embl`]: [`EmblReader`] | GenBank and EMBL |
//! | [`GenbankRecord`], [`Feature`], [`Location`] | their record, with features |
//! | [`sam`]: [`SamReader`], [`SamWriter`], [`SamHeader`], [`Alignment`] | SAM |
//! | [`bam`]: [`BamReader`], [`BamWriter`], [`BamIndex`], [`MakeIndex`] | BAM, regions through `.bai` and `.csi` |
//! | [`cram`]: [`CramReader`], [`CramReference`] | CRAM |
//! | [`vcf`], [`bcf`] | VCF and BCF: headers, variants, genotypes |
//! | [`gff`]: [`GffReader`], [`GffRecord`], [`GffView`], [`GffWriter`], [`FeatureTree`] | GFF3, GTF and GFF2 |
//! | [`bed`]: [`BedReader`], [`BedRecord`], [`BedView`], [`BedWriter`] | BED, 3 to 12 columns and more |
//! | [`wig`]: [`WigReader`], [`BedGraphReader`], [`WigWriter`], [`BedGraphWriter`], [`wig_to_bed`] | values along sequences, as text |
//! | [`bigwig`]: [`BigWigReader`], [`write_bigwig`], [`SignalSummary`] | values along sequences, compressed and indexed |
//! | [`read_labelled`], [`LabelledFile`], [`Labelled`] | CSV with `sequence,label` |
//! | [`dataset`]: [`DatasetDir`], [`LabelSet`] | data sets: made from genomes, checked for leaks, read |
//! | [`Input`], [`Format`], [`Limits`], [`Mode`], [`Forgiven`] | where bytes come from, how many are kept, how strictly they are read |
//! | [`Compression`], [`BgzfReader`], [`BgzfWriter`], [`VirtualOffset`] | compressions; BGZF, block by block |
//! | [`Output`] | where bytes go: a whole file or none |
//! | [`Region`] | `chr1:1,000-2,000` |
//! | [`IndexedFasta`], [`Fai`], [`Gzi`] | regions of a FASTA file |
//! | [`IndexedText`], [`RegionLines`] | regions of VCF, GFF and BED files |
//! | [`annotation`] | features in one shape, from GenBank, EMBL, GFF3 and GTF |
//! | [`cds`]: [`Cds`], [`Protein`], [`Flank`], [`GeneticCode`] | coding sequences, proteins, upstream bases, NCBI's genetic codes |
//! | [`mod@orf`]: [`orfs`], [`Orf`], [`OrfOptions`] | open reading frames |
//! | [`SequenceStats`], [`gc_windows`], [`KmerCounts`] | GC content and skew, N50, soft-masked share, k-mers |
//! | [`Motif`], [`SequenceIndex`] | IUPAC patterns and exact words on both strands |
//! | [`IntervalIndex`], [`merge_spans`] | what overlaps, what is nearest |
//! | [`SeqRecord`], [`Span`], [`Strand`], [`Topology`], [`alphabet`] | the record model |
//! | [`Error`], [`ErrorKind`] | what went wrong, and where |

pub mod alphabet;
pub mod annotation;
pub mod bam;
pub mod bcf;
pub mod bed;
pub mod bgzf;
pub mod bigwig;
mod byte_set;
pub mod cds;
mod convert;
mod coord;
pub mod cram;
pub mod dataset;
pub mod embl;
mod error;
pub mod fasta;
pub mod fastq;
pub mod genbank;
pub mod genetic_code;
pub mod gff;
mod guard;
mod index;
mod input;
mod intervals;
mod iupac;
mod labelled;
mod labels;
mod lines;
mod location;
pub mod motif;
pub mod orf;
mod output;
mod record;
mod records;
pub mod region;
pub mod sam;
pub mod sequences;
pub mod stats;
mod table;
mod topology;
pub mod vcf;
pub mod wig;
mod window;

#[doc(inline)]
pub use alphabet::Letters;
pub use bam::{BamIndex, BamQuery, BamReader, BamTag, BamView, BamWriter};
pub use bed::{BedReader, BedRecord, BedView, BedWriter};
pub use bgzf::{BgzfReader, BgzfWriter, VirtualOffset};
pub use bigwig::{BigWigReader, BigWigRecords, BigWigSignals, Chromosome, Precision, SignalSummary, write_bigwig};
pub use cds::{Cds, CdsLine, CdsLines, CdsPart, Flank, Protein, TranslExcept};
pub use convert::{ConvertOptions, Converted, convert, targets};
pub use coord::{Span, Strand};
pub use cram::{CramReader, CramReference};
#[doc(inline)]
pub use dataset::DatasetDir;
pub use embl::EmblReader;
pub use error::{Error, ErrorKind, Result};
#[doc(inline)]
pub use fasta::{FastaDefinition, FastaReader, FastaWriter, write_fasta};
#[doc(inline)]
pub use fastq::{FastqReader, FastqRecord, FastqView, FastqWriter, QualityEncoding, QualityRange};
pub use genbank::{Feature, GenbankReader, GenbankRecord, GenbankWriter, LengthUnit, Reference};
pub use genetic_code::GeneticCode;
pub use gff::{
    CodingPart, CodingSequence, FastaTail, FeatureTree, GffAttributes, GffDialect, GffReader, GffRecord, GffStrand,
    GffView, GffWriter, TreeFeature,
};
pub use guard::{Forgiven, Mode};
pub use index::fai::{Fai, FaiEntry};
pub use index::fasta::IndexedFasta;
pub use index::gzi::Gzi;
pub use index::text::{IndexedText, Preset, RegionLines};
pub use index::{IndexOptions, MakeIndex};
pub use input::{Compression, Format, Input, InputOptions, Limits};
pub use intervals::{Interval, IntervalIndex, Overlaps, merge_spans};
pub use labelled::{Labelled, LabelledFile, read_labelled, read_labelled_input};
pub use labels::LabelSet;
pub use location::{Location, LocationPart, Operator};
pub use motif::{IndexHit, Motif, MotifHit, MotifHits, SequenceIndex};
pub use orf::{Orf, OrfOptions, OrfStart, OrfStarts, Orfs, orfs};
pub use output::Output;
pub use record::SeqRecord;
pub use records::{ReadOptions, Record, Records, open};
pub use region::Region;
pub use sam::{
    Alignment, CigarKind, CigarOp, Flags, HeaderKind, HeaderLine, SamHeader, SamReader, SamReference, SamTag, SamView,
    SamWriter, SortOrder, Tag, TagArray, TagValue, Tags,
};
pub use sequences::Sequences;
pub use stats::{GcWindow, GcWindows, KmerCounts, LengthSummary, Nx, SequenceStats, gc_windows};
pub use topology::Topology;
pub use wig::{
    BedGraphReader, BedGraphWriter, Signal, SignalView, TrackLine, WigReader, WigToBed, WigWriter, wig_to_bed,
};
