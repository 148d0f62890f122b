//! One way out: records of one format written as another, where that makes sense.

use std::fmt;
use std::path::Path;

use crate::alphabet::reverse_complement;
use crate::bam::BamWriter;
use crate::bcf::BcfWriter;
use crate::bed::{BedRecord, BedWriter};
use crate::bigwig::write_bigwig;
use crate::coord::{Span, Strand};
use crate::error::{Error, ErrorKind, Result};
use crate::fasta::FastaWriter;
use crate::fastq::{FastqRecord, FastqWriter, QualityEncoding};
use crate::genbank::{GenbankRecord, GenbankWriter};
use crate::gff::{GffAttributes, GffDialect, GffRecord, GffStrand, GffWriter};
use crate::guard::Forgiven;
use crate::input::{Compression, Format};
use crate::location::LocationPart;
use crate::output::Output;
use crate::record::SeqRecord;
use crate::records::{Record, Records};
use crate::sam::{Alignment, SamWriter};
use crate::vcf::{Variant, VcfWriter};
use crate::wig::{BedGraphWriter, WigWriter};

/// What [`convert`] cannot know from the records.
#[derive(Debug, Clone, Default)]
pub struct ConvertOptions {
    /// How qualities of FASTQ are written; Sanger without this.
    pub encoding: QualityEncoding,
    /// Names and lengths of the sequences, for bigWig; what the input tells without this.
    pub sizes: Vec<(String, u64)>,
}

/// What [`convert`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Converted {
    /// Records read.
    pub read: u64,
    /// Records written; one may become many.
    pub written: u64,
    /// Records that the format has no place for, by reason.
    pub skipped: std::collections::BTreeMap<&'static str, u64>,
    /// What a lenient reader let pass.
    pub forgiven: Forgiven,
}

impl fmt::Display for Converted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} records read, {} written", self.read, self.written)?;
        for (reason, n) in &self.skipped {
            write!(f, ", {n} skipped ({reason})")?;
        }
        Ok(())
    }
}

/// Formats that records of `from` can be written as.
///
/// | from | to |
/// |---|---|
/// | FASTA, CSV | FASTA, GenBank, CSV |
/// | FASTQ | FASTQ in another encoding, FASTA, CSV |
/// | GenBank, EMBL | GenBank, FASTA, CSV; features as GFF3 or BED |
/// | SAM, BAM, CRAM | SAM, BAM; primary reads as FASTQ or FASTA; BED |
/// | VCF, BCF | VCF, BCF, BED |
/// | GFF3, GTF | the same; BED |
/// | GFF2 | BED |
/// | BED | BED, GFF3 |
/// | WIG, bedGraph, bigWig | one another |
pub fn targets(from: Format) -> &'static [Format] {
    use Format::{Bam, Bcf, Bed, BedGraph, BigWig, Csv, Fasta, Fastq, Genbank, Gff2, Gff3, Gtf, Sam, Vcf, Wig};
    match from {
        Fasta | Csv => &[Fasta, Genbank, Csv],
        Fastq => &[Fastq, Fasta, Csv],
        Genbank | Format::Embl => &[Genbank, Fasta, Csv, Gff3, Bed],
        Sam | Bam | Format::Cram => &[Sam, Bam, Fastq, Fasta, Bed],
        Vcf | Bcf => &[Vcf, Bcf, Bed],
        Gff3 => &[Gff3, Bed],
        Gtf => &[Gtf, Bed],
        Gff2 => &[Bed],
        Bed => &[Bed, Gff3],
        Wig | BedGraph | BigWig => &[Wig, BedGraph, BigWig],
        _ => &[],
    }
}

/// Reads all records and writes them to `path` in the format `to`; `-` is standard output. The file appears under its name when
/// all went well. Names ending in `.gz` are BGZF; BAM and BCF always are.
///
/// - GenBank and EMBL to GFF3: a line for each part of a feature, with one `ID`; coding sequences have phases.
/// - Alignments to reads: secondary and supplementary ones are skipped; reads on the reverse strand are turned back.
/// - BED takes names, scores from 0 to 1000 and strands where there are some; features of several parts become blocks.
///
/// # Errors
///
/// The target is not among [`targets`], a record is broken, or the format cannot hold one.
pub fn convert(
    mut records: Records,
    path: impl AsRef<Path>,
    to: Format,
    options: &ConvertOptions,
) -> Result<Converted> {
    let path = path.as_ref();
    let from = records.format();
    if !targets(from).contains(&to) {
        let known: Vec<_> = targets(from).iter().map(ToString::to_string).collect();
        return Err(Error::new(ErrorKind::Unsupported, records.name(), format!("{from} cannot be written as {to}"))
            .expecting(known.join(", ")));
    }
    let mut done = Converted::default();
    if to == Format::BigWig {
        bigwig(&mut records, path, options, &mut done)?;
        done.forgiven = records.forgiven();
        return Ok(done);
    }
    let mut writer = Writer::create(path, to, &records, options)?;
    for record in records.by_ref() {
        done.read += 1;
        writer.write(record?, &mut done)?;
    }
    writer.finish()?;
    done.forgiven = records.forgiven();
    Ok(done)
}

fn bigwig(records: &mut Records, path: &Path, options: &ConvertOptions, done: &mut Converted) -> Result<()> {
    let sizes = if options.sizes.is_empty() { records.sequence_lengths() } else { options.sizes.clone() };
    if sizes.is_empty() {
        let problem = "bigWig needs the lengths of the sequences";
        return Err(Error::new(ErrorKind::Unsupported, path.display().to_string(), problem));
    }
    let signals = records.by_ref().filter_map(|record| match record {
        Ok(Record::Signal(signal)) => {
            done.read += 1;
            done.written += 1;
            Some(Ok(signal))
        }
        Ok(_) => None,
        Err(error) => Some(Err(error)),
    });
    write_bigwig(path, sizes, signals)
}

enum Writer {
    Fasta(FastaWriter<Output>),
    Fastq(FastqWriter<Output>, QualityEncoding),
    Genbank(GenbankWriter<Output>),
    Csv(csv::Writer<Output>, String),
    Sam(SamWriter<Output>),
    Bam(Box<BamWriter<Output>>),
    Vcf(VcfWriter<Output>),
    Bcf(Box<BcfWriter<Output>>),
    Gff(GffWriter<Output>),
    Bed(BedWriter<Output>),
    Wig(WigWriter<Output>),
    BedGraph(BedGraphWriter<Output>),
}

impl Writer {
    fn create(path: &Path, to: Format, records: &Records, options: &ConvertOptions) -> Result<Self> {
        let name = if path.as_os_str() == "-" { "<stdout>".to_owned() } else { path.display().to_string() };
        // BAM and BCF compress themselves.
        let out = match to {
            Format::Bam | Format::Bcf => Output::create_as(path, Compression::Plain)?,
            _ => Output::create(path)?,
        };
        let sam = || records.sam_header().cloned().unwrap_or_default();
        let vcf = || records.vcf_header().cloned().unwrap_or_default();
        Ok(match to {
            Format::Fasta => Self::Fasta(FastaWriter::new(name, out)),
            Format::Fastq => Self::Fastq(FastqWriter::new(name, out).with_encoding(options.encoding), options.encoding),
            Format::Genbank => Self::Genbank(GenbankWriter::new(name, out)),
            Format::Csv => {
                let mut writer = csv::Writer::from_writer(out);
                writer.write_record(["id", "sequence"]).map_err(|e| csv_error(&name, e))?;
                Self::Csv(writer, name)
            }
            Format::Sam => Self::Sam(SamWriter::new(name, out, &sam())?),
            Format::Bam => Self::Bam(Box::new(BamWriter::new(name, out, &sam())?)),
            Format::Vcf => Self::Vcf(VcfWriter::new(out, vcf())?),
            Format::Bcf => Self::Bcf(Box::new(BcfWriter::new(out, vcf())?)),
            Format::Gff3 => Self::Gff(GffWriter::new(out, GffDialect::Gff3)),
            Format::Gtf => Self::Gff(GffWriter::new(out, GffDialect::Gtf)),
            Format::Bed => {
                let writer = BedWriter::new(out);
                // The same columns in every line, whatever a record lacks.
                Self::Bed(match records.format() {
                    Format::Bed => writer,
                    Format::Vcf | Format::Bcf => writer.with_standard_columns(4),
                    Format::Genbank | Format::Embl => writer.with_standard_columns(12),
                    _ => writer.with_standard_columns(6),
                })
            }
            Format::Wig => Self::Wig(WigWriter::new(out)),
            Format::BedGraph => Self::BedGraph(BedGraphWriter::new(out)),
            other => return Err(Error::new(ErrorKind::Unsupported, name, format!("{other} is not written"))),
        })
    }

    fn write(&mut self, record: Record, done: &mut Converted) -> Result<()> {
        let mut skip = |reason| {
            *done.skipped.entry(reason).or_default() += 1;
            Ok(())
        };
        match (self, record) {
            (Self::Fastq(writer, encoding), Record::Read(read)) => {
                let (from, name) = (read.encoding, read.name.clone());
                let read = read.into_encoding(*encoding).ok_or_else(|| {
                    Error::new(ErrorKind::Syntax, "<output>", format!("a quality that is no {from:?} score"))
                        .in_record(&name)
                })?;
                writer.write(&read)?;
            }
            (Self::Fastq(writer, encoding), Record::Alignment(alignment)) => match read_of(&alignment) {
                Ok(read) => writer.write(&read.into_encoding(*encoding).unwrap_or_default())?,
                Err(reason) => return skip(reason),
            },
            (Self::Fasta(writer), Record::Alignment(alignment)) => {
                if !alignment.flags.is_primary() {
                    return skip("secondary or supplementary");
                }
                if alignment.sequence.is_empty() {
                    return skip("without letters");
                }
                writer.write(&sequenced(&alignment))?;
            }
            (Self::Genbank(writer), Record::Annotated(record)) => writer.write(&record)?,
            (Self::Genbank(writer), Record::Sequence(seq)) => writer.write(&bare_record(seq))?,
            (Self::Sam(writer), Record::Alignment(alignment)) => writer.write(&alignment)?,
            (Self::Bam(writer), Record::Alignment(alignment)) => writer.write(&alignment)?,
            (Self::Vcf(writer), Record::Variant(variant)) => writer.write(&variant)?,
            (Self::Bcf(writer), Record::Variant(variant)) => writer.write(&variant)?,
            (Self::Gff(writer), Record::Feature(feature)) => writer.write(&feature)?,
            (Self::Gff(writer), Record::Interval(interval)) => writer.write(&line_of_interval(*interval))?,
            (Self::Gff(writer), Record::Annotated(record)) => {
                let lines = lines_of_record(&record);
                done.written += lines.len() as u64;
                lines.iter().try_for_each(|line| writer.write(line))?;
                return Ok(());
            }
            (Self::Bed(writer), Record::Interval(interval)) => writer.write(&interval)?,
            (Self::Bed(writer), Record::Feature(feature)) => writer.write(&interval_of_line(&feature))?,
            (Self::Bed(writer), Record::Variant(variant)) => writer.write(&interval_of_variant(&variant))?,
            (Self::Bed(writer), Record::Alignment(alignment)) => match interval_of_alignment(&alignment) {
                Some(interval) => writer.write(&interval)?,
                None => return skip("unmapped"),
            },
            (Self::Bed(writer), Record::Annotated(record)) => {
                for feature in &record.features {
                    match interval_of_feature(seq_name(&record), feature) {
                        Some(interval) => writer.write(&interval)?,
                        None => {
                            skip("a feature on another record, or on both strands")?;
                            continue;
                        }
                    }
                    done.written += 1;
                }
                return Ok(());
            }
            (Self::Wig(writer), Record::Signal(signal)) => writer.write(&signal)?,
            (Self::BedGraph(writer), Record::Signal(signal)) => writer.write(&signal)?,
            (writer @ (Self::Fasta(_) | Self::Csv(..)), record) => {
                let seq = match record {
                    Record::Sequence(seq) => seq,
                    Record::Read(read) => SeqRecord { name: read.name, description: read.description, seq: read.seq },
                    Record::Annotated(record) => SeqRecord::from(*record),
                    _ => return skip("no sequence"),
                };
                match writer {
                    Self::Fasta(writer) => writer.write(&seq)?,
                    Self::Csv(writer, name) => {
                        writer.write_record([seq.name.as_bytes(), &seq.seq]).map_err(|e| csv_error(name, e))?;
                    }
                    _ => {}
                }
            }
            (_, _) => return skip("of another kind"),
        }
        done.written += 1;
        Ok(())
    }

    fn finish(self) -> Result<()> {
        let out = match self {
            Self::Fasta(writer) => writer.finish()?,
            Self::Fastq(writer, _) => writer.finish()?,
            Self::Genbank(writer) => writer.finish()?,
            Self::Csv(writer, name) => writer.into_inner().map_err(|e| Error::from_io(name, e.into_error()))?,
            Self::Sam(writer) => writer.finish()?,
            Self::Bam(writer) => writer.finish()?,
            Self::Vcf(writer) => writer.finish()?,
            Self::Bcf(writer) => writer.finish()?,
            Self::Gff(writer) => writer.finish()?,
            Self::Bed(writer) => writer.finish()?,
            Self::Wig(writer) => writer.finish()?,
            Self::BedGraph(writer) => writer.finish()?,
        };
        out.finish()
    }
}

fn csv_error(name: &str, error: csv::Error) -> Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => Error::from_io(name, error),
        other => Error::new(ErrorKind::Syntax, name, format!("{other:?}")),
    }
}

/// The read as it came from the machine.
fn sequenced(alignment: &Alignment) -> SeqRecord {
    let mut name = alignment.name.clone().unwrap_or_else(|| "unnamed".to_owned());
    if alignment.flags.is_paired() {
        name.push_str(if alignment.flags.is_last() { "/2" } else { "/1" });
    }
    let seq = match alignment.flags.is_reverse() {
        true => reverse_complement(&alignment.sequence),
        false => alignment.sequence.clone(),
    };
    SeqRecord::new(name, seq)
}

fn read_of(alignment: &Alignment) -> std::result::Result<FastqRecord, &'static str> {
    if !alignment.flags.is_primary() {
        return Err("secondary or supplementary");
    }
    let Some(qualities) = &alignment.qualities else { return Err("without qualities") };
    let SeqRecord { name, seq, .. } = sequenced(alignment);
    let mut quality: Vec<u8> = qualities.iter().map(|&q| QualityEncoding::Sanger.byte(q)).collect();
    if alignment.flags.is_reverse() {
        quality.reverse();
    }
    Ok(FastqRecord::new(name, seq, quality, QualityEncoding::Sanger))
}

fn bare_record(seq: SeqRecord) -> GenbankRecord {
    GenbankRecord {
        name: seq.name.clone(),
        accession: Some(seq.name.clone()),
        version: Some(seq.name),
        definition: seq.description,
        molecule_type: Some("DNA".to_owned()),
        declared_len: Some(seq.seq.len() as u64),
        seq: seq.seq,
        ..GenbankRecord::default()
    }
}

fn seq_name(record: &GenbankRecord) -> &str {
    record.version.as_ref().or(record.accession.as_ref()).unwrap_or(&record.name)
}

/// The features of a record as lines of GFF3: one for each part.
fn lines_of_record(record: &GenbankRecord) -> Vec<GffRecord> {
    let name = seq_name(record);
    let mut lines = Vec::new();
    let gene_id = |locus: &str| format!("gene-{locus}");
    let locus = |feature: &crate::genbank::Feature| {
        feature.qualifier("locus_tag").or_else(|| feature.qualifier("gene")).map(str::to_owned)
    };
    let mut genes: std::collections::HashSet<String> = std::collections::HashSet::new();
    genes.extend(record.features.iter().filter(|f| f.kind == "gene").filter_map(locus));
    let mut made = std::collections::HashMap::new();
    for (i, feature) in record.features.iter().enumerate() {
        let kind = if feature.kind == "source" { "region" } else { &feature.kind };
        let locus = locus(feature);
        let mut id = match &locus {
            Some(locus) if kind == "gene" => gene_id(locus),
            Some(locus) => format!("{kind}-{locus}"),
            None => format!("{kind}-{}", i + 1),
        };
        let times = made.entry(id.clone()).and_modify(|n| *n += 1).or_insert(1u32);
        if *times > 1 {
            id = format!("{id}-{times}");
        }
        let mut attributes = GffAttributes::new();
        attributes.push("ID", id);
        match &locus {
            Some(locus) if kind != "gene" && kind != "region" && genes.contains(locus) => {
                attributes.push("Parent", gene_id(locus));
            }
            _ => {}
        }
        if let Some(name) = feature.qualifier("gene").or_else(|| feature.qualifier("locus_tag")) {
            attributes.push("Name", name);
        }
        if kind == "region" && record.circular {
            attributes.push("Is_circular", "true");
        }
        for (key, value) in &feature.qualifiers {
            match (key.as_str(), value) {
                ("translation", _) => {}
                ("db_xref", Some(value)) => attributes.push("Dbxref", value.as_str()),
                ("note", Some(value)) => attributes.push("Note", value.as_str()),
                (key, value) => attributes.push(key, value.as_deref().unwrap_or("true")),
            }
        }
        let first = feature.qualifier("codon_start").and_then(|s| s.parse::<u64>().ok()).unwrap_or(1).clamp(1, 3) - 1;
        let mut done = 0u64;
        for part in feature.location.parts().iter().filter(|p| p.accession.is_none()) {
            let phase = (first + 2 * done) % 3; // first - done, modulo 3
            done += part.span.len();
            lines.push(GffRecord {
                seq_name: name.to_owned(),
                source: Some("GenBank".to_owned()),
                kind: kind.to_owned(),
                span: part.span,
                score: None,
                strand: GffStrand::from(part.strand),
                phase: (kind == "CDS").then_some(phase as u8),
                attributes: attributes.clone(),
            });
        }
    }
    lines
}

fn line_of_interval(interval: BedRecord) -> GffRecord {
    let mut attributes = GffAttributes::new();
    if let Some(name) = &interval.name {
        attributes.push("Name", name.as_str());
    }
    GffRecord {
        seq_name: interval.seq_name,
        source: None,
        kind: "sequence_feature".to_owned(),
        span: interval.span,
        score: interval.score,
        strand: interval.strand.map_or(GffStrand::Unstranded, GffStrand::from),
        phase: None,
        attributes,
    }
}

/// BED has whole scores up to 1000.
fn bed_score(score: Option<f64>) -> Option<f64> {
    score.filter(|s| (0.0..=1000.0).contains(s)).map(f64::round)
}

fn interval_of_line(line: &GffRecord) -> BedRecord {
    let name = ["ID", "Name", "transcript_id", "gene_id"].iter().find_map(|key| line.attributes.get(key));
    BedRecord {
        name: Some(name.unwrap_or(&line.kind).replace(char::is_whitespace, "_")),
        score: bed_score(line.score),
        strand: line.strand.known(),
        ..BedRecord::new(line.seq_name.clone(), line.span)
    }
}

fn interval_of_variant(variant: &Variant) -> BedRecord {
    let name = if variant.ids.is_empty() {
        let alternates: Vec<_> = variant.alternates.iter().map(ToString::to_string).collect();
        format!("{}>{}", String::from_utf8_lossy(&variant.reference), alternates.join(","))
    } else {
        variant.ids.join(";")
    };
    BedRecord { name: Some(name), ..BedRecord::new(variant.chrom.clone(), variant.span()) }
}

fn interval_of_alignment(alignment: &Alignment) -> Option<BedRecord> {
    if alignment.flags.is_unmapped() {
        return None;
    }
    let strand = if alignment.flags.is_reverse() { Strand::Reverse } else { Strand::Forward };
    Some(BedRecord {
        name: Some(sequenced(alignment).name),
        score: Some(f64::from(alignment.mapping_quality.unwrap_or(0))),
        strand: Some(strand),
        ..BedRecord::new(alignment.reference.as_deref()?, alignment.span()?)
    })
}

fn interval_of_feature(name: &str, feature: &crate::genbank::Feature) -> Option<BedRecord> {
    let parts = feature.location.parts();
    let strand = parts.first()?.strand;
    if parts.iter().any(|p: &LocationPart| p.accession.is_some() || p.strand != strand) {
        return None;
    }
    let mut blocks: Vec<Span> = parts.iter().map(|p| p.span).collect();
    blocks.sort_unstable();
    let span = Span::new(blocks.first()?.start(), blocks.iter().map(Span::end).max()?)?;
    let label = ["locus_tag", "gene", "label"].iter().find_map(|q| feature.qualifier(q)).unwrap_or(&feature.kind);
    let apart = blocks.windows(2).all(|pair| pair[0].end() <= pair[1].start());
    Some(BedRecord {
        name: Some(label.replace(char::is_whitespace, "_")),
        score: Some(0.0),
        strand: Some(strand),
        thick: Some(span),
        color: Some([0, 0, 0]),
        blocks: if apart { blocks } else { vec![span] },
        ..BedRecord::new(name, span)
    })
}
