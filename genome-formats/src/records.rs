//! One way in: records of any format, owned, behind one iterator.

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek};
use std::path::{Path, PathBuf};

use crate::alphabet::Letters;
use crate::bam::BamReader;
use crate::bcf::BcfReader;
use crate::bed::{BedReader, BedRecord};
use crate::bigwig::{BigWigReader, BigWigRecords};
use crate::cram::{CramReader, CramReference};
use crate::embl::EmblReader;
use crate::error::{Error, ErrorKind, Result};
use crate::fasta::FastaReader;
use crate::fastq::{FastqReader, FastqRecord, QualityEncoding};
use crate::genbank::{GenbankReader, GenbankRecord};
use crate::gff::{GffDialect, GffReader, GffRecord};
use crate::guard::{Forgiven, Mode};
use crate::input::{FilePosition, Format, Input, InputOptions, Limits};
use crate::record::SeqRecord;
use crate::sam::{Alignment, SamHeader, SamReader};
use crate::sequences::Sequences;
use crate::vcf::{Variant, VcfHeader, VcfOptions, VcfReader};
use crate::wig::{BedGraphReader, Signal, WigReader};

/// A record of any format, owned.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Record {
    /// A sequence: FASTA, CSV.
    Sequence(SeqRecord),
    /// A sequence with qualities: FASTQ.
    Read(FastqRecord),
    /// A sequence with features: GenBank, EMBL.
    Annotated(Box<GenbankRecord>),
    /// A read and where it lies: SAM, BAM, CRAM.
    Alignment(Box<Alignment>),
    /// A variant: VCF, BCF.
    Variant(Box<Variant>),
    /// A line of annotation: GFF3, GTF, GFF2.
    Feature(Box<GffRecord>),
    /// An interval: BED.
    Interval(Box<BedRecord>),
    /// A value on a stretch of a sequence: WIG, bedGraph, bigWig.
    Signal(Signal),
}

/// How [`Records`] reads.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReadOptions {
    /// Strict or lenient.
    pub mode: Mode,
    /// What is kept in memory.
    pub limits: Limits,
    /// The format; found by content and name without this.
    pub format: Option<Format>,
    /// The letters of sequences; without this any visible letter, so that proteins and alignments are read too (FASTQ and
    /// CSV: IUPAC nucleotides).
    pub letters: Option<Letters>,
    /// What quality bytes of FASTQ mean; Sanger without this.
    pub encoding: QualityEncoding,
    /// FASTA with the reference sequences of a CRAM file.
    pub reference: Option<PathBuf>,
}

/// Opens a file in whatever format it is, strictly; `-` is standard input.
///
/// ```no_run
/// use genome_formats::{Record, open};
///
/// for record in open("unknown.gz")? {
///     match record? {
///         Record::Sequence(sequence) => println!("{}: {} letters", sequence.name, sequence.seq.len()),
///         Record::Feature(feature) => println!("{} on {}", feature.kind, feature.seq_name),
///         other => println!("{other:?}"),
///     }
/// }
/// # Ok::<(), genome_formats::Error>(())
/// ```
///
/// # Errors
///
/// The file cannot be opened, its format is not known, or its header is broken.
pub fn open(path: impl AsRef<Path>) -> Result<Records> {
    Records::open_with(path, &ReadOptions::default())
}

/// The records of a file, one by one. After an error it gives nothing more.
///
/// ```
/// use genome_formats::{Format, Input, ReadOptions, Record, Records};
///
/// let input = Input::from_bytes("peaks.bed", b"chr1\t10\t20\tpeak1\n")?;
/// let mut records = Records::from_input(input, &ReadOptions::default())?;
/// assert_eq!(records.format(), Format::Bed);
/// let Some(Ok(Record::Interval(peak))) = records.next() else { panic!("an interval") };
/// assert_eq!((peak.span.start(), peak.span.end()), (10, 20));
/// # Ok::<(), genome_formats::Error>(())
/// ```
#[derive(Debug)]
pub struct Records {
    name: String,
    format: Format,
    inner: Inner,
    file: Option<FilePosition>,
}

#[derive(Debug)]
enum Inner {
    Fasta(Box<FastaReader<Input>>),
    Fastq(Box<FastqReader<Input>>),
    Genbank(Box<GenbankReader<Input>>),
    Embl(Box<EmblReader<Input>>),
    Sam(Box<SamReader<Input>>),
    Bam(Box<BamReader<Input>>),
    Cram(Box<CramReader<Input>>),
    Vcf(Box<VcfReader<Input>>),
    Bcf(Box<BcfReader<Input>>),
    Gff(Box<GffReader<Input>>),
    Bed(Box<BedReader<Input>>),
    Wig(Box<WigReader<Input>>),
    BedGraph(Box<BedGraphReader<Input>>),
    BigWig(Box<BigWigRecords<Box<dyn ReadSeek>>>),
    Csv(Box<Sequences>),
}

/// A file or bytes in memory.
trait ReadSeek: Read + Seek + Send + std::fmt::Debug {}

impl<T: Read + Seek + Send + std::fmt::Debug> ReadSeek for T {}

impl Records {
    /// Opens a file; `-` is standard input.
    ///
    /// # Errors
    ///
    /// As [`open`].
    pub fn open_with(path: impl AsRef<Path>, options: &ReadOptions) -> Result<Self> {
        let path = path.as_ref();
        let input = Input::open_with(path, InputOptions { limits: options.limits, mode: options.mode })?;
        let format = options.format.map_or_else(|| input.format(), Ok)?;
        if format == Format::BigWig {
            // Its index lies at the end of the file.
            let name = input.name().to_owned();
            let file = File::open(path).map_err(|e| Error::from_io(&name, e))?;
            return Self::bigwig(name, Box::new(BufReader::new(file)), options);
        }
        Self::from_input(input, options)
    }

    /// Reads bytes in memory, in any format; `name` stands in errors.
    ///
    /// # Errors
    ///
    /// As [`open`].
    pub fn from_bytes(name: impl Into<String>, bytes: Vec<u8>, options: &ReadOptions) -> Result<Self> {
        let name = name.into();
        if options.format == Some(Format::BigWig) {
            return Self::bigwig(name, Box::new(Cursor::new(bytes)), options);
        }
        let opening = InputOptions { limits: options.limits, mode: options.mode };
        let input = Input::from_reader_with(name.as_str(), Cursor::new(bytes.clone()), opening)?;
        match options.format.map_or_else(|| input.format(), Ok)? {
            Format::BigWig => Self::bigwig(name, Box::new(Cursor::new(bytes)), options),
            _ => Self::from_input(input, options),
        }
    }

    fn bigwig(name: String, reader: Box<dyn ReadSeek>, options: &ReadOptions) -> Result<Self> {
        let reader = BigWigReader::with_limits(name.as_str(), reader, options.limits)?;
        Ok(Self { name, format: Format::BigWig, inner: Inner::BigWig(Box::new(reader.into_signals())), file: None })
    }

    /// Reads an opened input. bigWig has to be searched: [`Records::open_with`], [`Records::from_bytes`].
    ///
    /// # Errors
    ///
    /// The format is not known, or the header is broken.
    pub fn from_input(input: Input, options: &ReadOptions) -> Result<Self> {
        let name = input.name().to_owned();
        let format = options.format.map_or_else(|| input.format(), Ok)?;
        let (mode, limits) = (options.mode, options.limits);
        let file = input.file_position();
        let letters = options.letters.unwrap_or(Letters::Any);
        let nucleotides = options.letters.unwrap_or_default();
        let gff = |input, dialect| {
            let reader = GffReader::from_input(input)?.with_dialect(dialect);
            Ok::<_, Error>(Inner::Gff(Box::new(reader.with_mode(mode).with_limits(limits))))
        };
        let inner = match format {
            Format::Fasta => Inner::Fasta(Box::new(
                FastaReader::from_input(input).with_letters(letters).with_mode(mode).with_limits(limits),
            )),
            Format::Fastq => Inner::Fastq(Box::new(
                FastqReader::from_input(input)
                    .with_letters(nucleotides)
                    .with_encoding(options.encoding)
                    .with_mode(mode)
                    .with_limits(limits),
            )),
            Format::Genbank => Inner::Genbank(Box::new(
                GenbankReader::from_input(input).with_letters(letters).with_mode(mode).with_limits(limits),
            )),
            Format::Embl => Inner::Embl(Box::new(
                EmblReader::from_input(input).with_letters(letters).with_mode(mode).with_limits(limits),
            )),
            Format::Sam => Inner::Sam(Box::new(SamReader::from_input(input, mode, limits)?)),
            // The input has taken the blocks off and checked the end marker.
            Format::Bam => Inner::Bam(Box::new(BamReader::new_with(name.as_str(), input, mode, limits)?)),
            Format::Cram => {
                let reference = match &options.reference {
                    Some(path) => CramReference::open(path)?,
                    None => CramReference::none(),
                };
                Inner::Cram(Box::new(CramReader::new_with(name.as_str(), input, &reference, mode, limits)?))
            }
            Format::Vcf => Inner::Vcf(Box::new(VcfReader::from_input_with(input, vcf_options(options))?)),
            Format::Bcf => Inner::Bcf(Box::new(BcfReader::from_input_with(input, vcf_options(options))?)),
            Format::Gff3 => gff(input, GffDialect::Gff3)?,
            Format::Gtf => gff(input, GffDialect::Gtf)?,
            Format::Gff2 => gff(input, GffDialect::Gff2)?,
            Format::Bed => Inner::Bed(Box::new(BedReader::from_input(input).with_mode(mode).with_limits(limits))),
            Format::Wig => Inner::Wig(Box::new(WigReader::from_input(input).with_mode(mode).with_limits(limits))),
            Format::BedGraph => {
                Inner::BedGraph(Box::new(BedGraphReader::from_input(input).with_mode(mode).with_limits(limits)))
            }
            Format::Csv => Inner::Csv(Box::new(Sequences::from_input(input, nucleotides, limits)?)),
            other => {
                let problem = format!("{other} is not read here");
                return Err(Error::new(ErrorKind::Unsupported, name, problem));
            }
        };
        Ok(Self { name, format, inner, file })
    }

    /// The name of the input, as errors give it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The format that is read.
    pub fn format(&self) -> Format {
        self.format
    }

    /// What a lenient reader let pass so far. bigWig and CSV have no lenient mode.
    pub fn forgiven(&self) -> Forgiven {
        let mut forgiven = self.forgiven_by_reader();
        if self.file.as_ref().is_some_and(FilePosition::end_was_forgiven) {
            forgiven.add("end marker", || format!("{}: a BGZF file without its end marker", self.name));
        }
        forgiven
    }

    fn forgiven_by_reader(&self) -> Forgiven {
        match &self.inner {
            Inner::Fasta(reader) => reader.forgiven().clone(),
            Inner::Fastq(reader) => reader.forgiven().clone(),
            Inner::Genbank(reader) => reader.forgiven().clone(),
            Inner::Embl(reader) => reader.forgiven().clone(),
            Inner::Sam(reader) => reader.forgiven().clone(),
            Inner::Bam(reader) => reader.forgiven().clone(),
            Inner::Cram(reader) => reader.forgiven().clone(),
            Inner::Vcf(reader) => reader.forgiven().clone(),
            Inner::Bcf(reader) => reader.forgiven().clone(),
            Inner::Gff(reader) => reader.forgiven().clone(),
            Inner::Bed(reader) => reader.forgiven().clone(),
            Inner::Wig(reader) => reader.forgiven().clone(),
            Inner::BedGraph(reader) => reader.forgiven().clone(),
            Inner::BigWig(_) | Inner::Csv(_) => Forgiven::default(),
        }
    }

    /// The header of SAM, BAM and CRAM.
    pub fn sam_header(&self) -> Option<&SamHeader> {
        match &self.inner {
            Inner::Sam(reader) => Some(reader.header()),
            Inner::Bam(reader) => Some(reader.header()),
            Inner::Cram(reader) => Some(reader.header()),
            _ => None,
        }
    }

    /// The header of VCF and BCF.
    pub fn vcf_header(&self) -> Option<&VcfHeader> {
        match &self.inner {
            Inner::Vcf(reader) => Some(reader.header()),
            Inner::Bcf(reader) => Some(reader.header()),
            _ => None,
        }
    }

    /// Sequences and lengths that the file tells in front of its records: SAM, BAM, CRAM, VCF, BCF and bigWig.
    pub fn sequence_lengths(&self) -> Vec<(String, u64)> {
        if let Some(header) = self.sam_header() {
            return header.references().iter().map(|r| (r.name.to_string(), r.length)).collect();
        }
        if let Some(header) = self.vcf_header() {
            return header.contigs().iter().filter_map(|c| Some((c.id.clone(), c.length?))).collect();
        }
        match &self.inner {
            Inner::BigWig(reader) => reader.chromosomes().iter().map(|c| (c.name.clone(), c.length)).collect(),
            _ => Vec::new(),
        }
    }
}

fn vcf_options(options: &ReadOptions) -> VcfOptions {
    VcfOptions { mode: options.mode, limits: options.limits, ..VcfOptions::default() }
}

impl Iterator for Records {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(match &mut self.inner {
            Inner::Fasta(reader) => reader.next()?.map(Record::Sequence),
            Inner::Fastq(reader) => reader.next()?.map(Record::Read),
            Inner::Genbank(reader) => reader.next()?.map(|r| Record::Annotated(Box::new(r))),
            Inner::Embl(reader) => reader.next()?.map(|r| Record::Annotated(Box::new(r))),
            Inner::Sam(reader) => reader.next()?.map(|r| Record::Alignment(Box::new(r))),
            Inner::Bam(reader) => reader.next()?.map(|r| Record::Alignment(Box::new(r))),
            Inner::Cram(reader) => reader.next()?.map(|r| Record::Alignment(Box::new(r))),
            Inner::Vcf(reader) => reader.next()?.map(|r| Record::Variant(Box::new(r))),
            Inner::Bcf(reader) => reader.next()?.map(|r| Record::Variant(Box::new(r))),
            Inner::Gff(reader) => reader.next()?.map(|r| Record::Feature(Box::new(r))),
            Inner::Bed(reader) => reader.next()?.map(|r| Record::Interval(Box::new(r))),
            Inner::Wig(reader) => reader.next()?.map(Record::Signal),
            Inner::BedGraph(reader) => reader.next()?.map(Record::Signal),
            Inner::BigWig(reader) => reader.next()?.map(Record::Signal),
            Inner::Csv(reader) => reader.next()?.map(Record::Sequence),
        })
    }
}

impl std::iter::FusedIterator for Records {}
