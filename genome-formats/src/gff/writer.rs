//! Writes GFF3 and GTF.

use std::io::Write;

use super::attributes::encode;
use super::record::{GffDialect, GffRecord, GffStrand};
use crate::coord::Span;
use crate::error::{Error, ErrorKind, Result};

const PATH: &str = "<output>";

/// Writes GFF3 or GTF. GFF3 begins with `##gff-version 3`; letters with a meaning are encoded.
///
/// ```
/// use genome_formats::{GffDialect, GffReader, GffWriter};
///
/// let gtf: &[u8] = b"c\t.\tCDS\t1\t9\t.\t+\t0\tgene_id \"g;1\"; transcript_id \"t\"; level 2;\n";
/// let mut writer = GffWriter::new(Vec::new(), GffDialect::Gff3);
/// for record in GffReader::new("x.gtf", gtf, GffDialect::Gtf) {
///     writer.write(&record?)?;
/// }
/// let text = String::from_utf8(writer.finish()?).unwrap();
/// assert_eq!(text, "##gff-version 3\nc\t.\tCDS\t1\t9\t.\t+\t0\tgene_id=g%3B1;transcript_id=t;level=2\n");
/// # Ok::<(), genome_formats::Error>(())
/// ```
#[derive(Debug)]
pub struct GffWriter<W> {
    out: W,
    dialect: GffDialect,
    started: bool,
    line: String,
}

impl<W: Write> GffWriter<W> {
    /// Writes to `out`, which should be buffered. GFF2 is not written.
    pub fn new(out: W, dialect: GffDialect) -> Self {
        Self { out, dialect, started: false, line: String::new() }
    }

    /// Writes `##sequence-region`, the bounds of a sequence.
    ///
    /// # Errors
    ///
    /// Writing fails, the dialect is not GFF3, or the span has no base.
    pub fn write_region(&mut self, seq_name: &str, span: Span) -> Result<()> {
        self.start()?;
        if self.dialect != GffDialect::Gff3 {
            return Err(unsupported("##sequence-region outside of GFF3"));
        }
        if seq_name.is_empty() || span.is_empty() {
            return Err(broken("a region without a name or a base"));
        }
        self.line.push_str("##sequence-region ");
        encode(&mut self.line, seq_name, |c| !is_id(c));
        self.line.push_str(&format!(" {} {}\n", span.start() + 1, span.end()));
        self.flush_line()
    }

    /// Writes `###`: what comes later refers to nothing above.
    ///
    /// # Errors
    ///
    /// Writing fails, or the dialect is not GFF3.
    pub fn write_resolved(&mut self) -> Result<()> {
        self.start()?;
        if self.dialect != GffDialect::Gff3 {
            return Err(unsupported("### outside of GFF3"));
        }
        self.line.push_str("###\n");
        self.flush_line()
    }

    /// Writes a record.
    ///
    /// # Errors
    ///
    /// Writing fails, or the record could not be read back: a span without a base, a CDS of GFF3 without a phase, a GTF value
    /// with a quote, an empty name.
    pub fn write(&mut self, record: &GffRecord) -> Result<()> {
        self.start()?;
        let problem = match self.dialect {
            GffDialect::Gff3 => self.put_gff3(record),
            GffDialect::Gtf => self.put_gtf(record),
            GffDialect::Gff2 => return Err(unsupported("GFF2 is read but not written")),
        };
        if let Err(problem) = problem {
            self.line.clear();
            return Err(broken(problem).in_record(&record.seq_name));
        }
        self.flush_line()
    }

    /// Flushes, and gives the writer below.
    ///
    /// # Errors
    ///
    /// Writing fails.
    pub fn finish(mut self) -> Result<W> {
        self.start()?;
        self.flush_line()?;
        self.out.flush().map_err(|error| Error::from_io(PATH, error))?;
        Ok(self.out)
    }

    /// Writes `##FASTA` and gives the writer below, for [`write_fasta`](crate::write_fasta).
    ///
    /// # Errors
    ///
    /// Writing fails, or the dialect is not GFF3.
    pub fn finish_with_fasta(mut self) -> Result<W> {
        if self.dialect != GffDialect::Gff3 {
            return Err(unsupported("##FASTA outside of GFF3"));
        }
        self.start()?;
        self.line.push_str("##FASTA\n");
        self.finish()
    }

    fn start(&mut self) -> Result<()> {
        if !self.started && self.dialect == GffDialect::Gff3 {
            self.line.push_str("##gff-version 3\n");
            self.flush_line()?;
        }
        self.started = true;
        Ok(())
    }

    fn flush_line(&mut self) -> Result<()> {
        let outcome = self.out.write_all(self.line.as_bytes());
        self.line.clear();
        outcome.map_err(|error| Error::from_io(PATH, error))
    }

    fn put_gff3(&mut self, record: &GffRecord) -> std::result::Result<(), &'static str> {
        check(record)?;
        if record.seq_name == "." {
            return Err("the name of the sequence is a dot");
        }
        if record.kind == "CDS" && record.phase.is_none() {
            return Err("a CDS without a phase");
        }
        encode(&mut self.line, &record.seq_name, |c| !is_id(c));
        self.line.push('\t');
        encode(&mut self.line, record.source.as_deref().unwrap_or("."), |_| false);
        self.line.push('\t');
        encode(&mut self.line, &record.kind, |_| false);
        self.put_columns(record);
        if record.attributes.is_empty() {
            self.line.push('.');
        }
        for (i, (key, values)) in record.attributes.iter().enumerate() {
            if key.is_empty() {
                return Err("an attribute without a key");
            }
            if i > 0 {
                self.line.push(';');
            }
            encode(&mut self.line, key, |c| is_reserved(c) || c == ' ');
            self.line.push('=');
            for (i, value) in values.iter().enumerate() {
                if i > 0 {
                    self.line.push(',');
                }
                // A blank at the end would be lost.
                let text = value.trim_end_matches(' ');
                encode(&mut self.line, text, is_reserved);
                (text.len()..value.len()).for_each(|_| self.line.push_str("%20"));
            }
        }
        self.line.push('\n');
        Ok(())
    }

    fn put_gtf(&mut self, record: &GffRecord) -> std::result::Result<(), &'static str> {
        check(record)?;
        let control = |text: &str| text.contains(|c: char| c.is_ascii_control());
        if control(&record.seq_name) || control(&record.kind) || record.source.as_deref().is_some_and(control) {
            return Err("a control character");
        }
        if record.seq_name.starts_with(['#', '>']) {
            return Err("the name of the sequence opens a comment");
        }
        if record.strand == GffStrand::Unknown {
            return Err("GTF has no sign for an unknown strand");
        }
        if record.attributes.get("gene_id").is_none() {
            return Err("a GTF line without gene_id");
        }
        let part = matches!(&*record.kind, "transcript" | "exon" | "CDS" | "start_codon" | "stop_codon");
        if part && record.attributes.get("transcript_id").is_none() {
            return Err("a GTF line without transcript_id");
        }
        self.line.push_str(&record.seq_name);
        self.line.push('\t');
        self.line.push_str(record.source.as_deref().unwrap_or("."));
        self.line.push('\t');
        self.line.push_str(&record.kind);
        self.put_columns(record);
        let mut blank = "";
        for (key, values) in record.attributes.iter() {
            if key.is_empty()
                || key.contains(|c: char| c.is_ascii_whitespace() || c.is_ascii_control() || "\";".contains(c))
            {
                return Err("the key of a GTF attribute is empty, or has blanks, quotes or ;");
            }
            for value in values {
                if value.contains('"') || control(value) {
                    return Err("the value of a GTF attribute has quotes or control characters");
                }
                self.line.push_str(&format!("{blank}{key} \"{value}\";"));
                blank = " ";
            }
        }
        self.line.push('\n');
        Ok(())
    }

    /// Columns 4 to 8, with the tabs around them.
    fn put_columns(&mut self, record: &GffRecord) {
        let score = record.score.map_or(".".to_owned(), |score| score.to_string());
        let phase = record.phase.map_or(".".to_owned(), |phase| phase.to_string());
        let (span, strand) = (record.span, record.strand.symbol());
        self.line.push_str(&format!("\t{}\t{}\t{score}\t{strand}\t{phase}\t", span.start() + 1, span.end()));
    }
}

/// What both dialects ask for.
fn check(record: &GffRecord) -> std::result::Result<(), &'static str> {
    if record.seq_name.is_empty() || record.kind.is_empty() {
        return Err("the name of the sequence or the kind is empty");
    }
    if matches!(record.source.as_deref(), Some("" | ".")) {
        return Err("a source that stands for none");
    }
    if record.span.is_empty() {
        return Err("GFF cannot hold a span without a base");
    }
    if record.score.is_some_and(|score| !score.is_finite()) {
        return Err("the score is not finite");
    }
    if record.phase.is_some_and(|phase| phase > 2) {
        return Err("the phase is not 0, 1 or 2");
    }
    Ok(())
}

/// GFF3 1.26, column 1: letters that need no encoding.
fn is_id(c: char) -> bool {
    c.is_ascii_alphanumeric() || ".:^*$@!+_?-|".contains(c)
}

/// GFF3 1.26, column 9: letters that are encoded.
fn is_reserved(c: char) -> bool {
    matches!(c, ';' | '=' | '&' | ',')
}

fn broken(problem: &'static str) -> Error {
    Error::new(ErrorKind::Syntax, PATH, problem)
}

fn unsupported(problem: &'static str) -> Error {
    Error::new(ErrorKind::Unsupported, PATH, problem)
}

#[cfg(test)]
mod tests {
    use super::super::reader::GffReader;
    use super::*;
    use crate::guard::Mode;
    use proptest::prelude::*;

    fn record() -> GffRecord {
        GffRecord {
            seq_name: "c".into(),
            source: Some("s".into()),
            kind: "CDS".into(),
            span: Span::new(0, 9).unwrap(),
            score: None,
            strand: GffStrand::Forward,
            phase: Some(0),
            attributes: [("gene_id", "g"), ("transcript_id", "t")].into_iter().collect(),
        }
    }

    fn write(records: &[GffRecord], dialect: GffDialect) -> Result<Vec<u8>> {
        let mut writer = GffWriter::new(Vec::new(), dialect);
        records.iter().try_for_each(|record| writer.write(record))?;
        writer.finish()
    }

    #[test]
    fn directives_are_written() {
        let mut writer = GffWriter::new(Vec::new(), GffDialect::Gff3);
        writer.write_region("c 1", Span::new(0, 9).unwrap()).unwrap();
        writer.write_resolved().unwrap();
        let text = writer.finish_with_fasta().unwrap();
        assert_eq!(text, b"##gff-version 3\n##sequence-region c%201 1 9\n###\n##FASTA\n");
        assert_eq!(write(&[], GffDialect::Gtf).unwrap(), b"");
    }

    #[test]
    fn what_cannot_be_read_back_is_refused() {
        let check = |change: fn(&mut GffRecord), dialect: GffDialect, expected: &str| {
            let mut record = record();
            change(&mut record);
            assert_eq!(write(&[record], dialect).unwrap_err().to_string(), format!("<output>: {expected}"));
        };
        let gff3 = |change, expected| check(change, GffDialect::Gff3, expected);
        gff3(|r| r.seq_name = "".into(), "the name of the sequence or the kind is empty");
        gff3(|r| r.seq_name = ".".into(), "the name of the sequence is a dot in record \".\"");
        gff3(|r| r.source = Some(".".into()), "a source that stands for none in record \"c\"");
        gff3(|r| r.span = Span::new(3, 3).unwrap(), "GFF cannot hold a span without a base in record \"c\"");
        gff3(|r| r.score = Some(f64::NAN), "the score is not finite in record \"c\"");
        gff3(|r| r.phase = Some(3), "the phase is not 0, 1 or 2 in record \"c\"");
        gff3(|r| r.phase = None, "a CDS without a phase in record \"c\"");
        gff3(|r| r.attributes.push("", "x"), "an attribute without a key in record \"c\"");
        let gtf = |change, expected| check(change, GffDialect::Gtf, expected);
        gtf(|r| r.strand = GffStrand::Unknown, "GTF has no sign for an unknown strand in record \"c\"");
        gtf(|r| r.attributes = Default::default(), "a GTF line without gene_id in record \"c\"");
        gtf(
            |r| r.attributes.push("a b", "x"),
            "the key of a GTF attribute is empty, or has blanks, quotes or ; in record \"c\"",
        );
        gtf(
            |r| r.attributes.push("a", "\""),
            "the value of a GTF attribute has quotes or control characters in record \"c\"",
        );
        check(|_| (), GffDialect::Gff2, "GFF2 is read but not written");
    }

    fn strand() -> impl Strategy<Value = GffStrand> {
        prop_oneof![
            Just(GffStrand::Forward),
            Just(GffStrand::Reverse),
            Just(GffStrand::Unstranded),
            Just(GffStrand::Unknown)
        ]
    }

    fn records() -> impl Strategy<Value = Vec<GffRecord>> {
        let text = || prop_oneof!["[a-z]{1,4}", "\\PC{1,5}", "[ -~\\x01\\t;=&,%]{1,6}"];
        let value = prop_oneof!["[a-z0-9]{0,4}", "\\PC{0,5}", "[ ;=&,%\\t]{0,4}"];
        let attributes = proptest::collection::vec((text(), value), 0..5);
        let place = (0u64..1 << 50, 1u64..1 << 40);
        let record =
            (text(), proptest::option::of(text()), text(), place, any::<Option<f64>>(), strand(), 0u8..4, attributes);
        let record = record.prop_map(|(seq_name, source, kind, (start, length), score, strand, phase, attributes)| {
            let ids = [("gene_id".to_owned(), "g".to_owned()), ("transcript_id".to_owned(), "t".to_owned())];
            GffRecord {
                seq_name: if seq_name == "." { "c".into() } else { seq_name },
                source: source.filter(|source| source != "."),
                phase: if kind == "CDS" { Some(phase % 3) } else { Some(phase).filter(|phase| *phase < 3) },
                kind,
                span: Span::new(start, start + length).unwrap(),
                score: score.filter(|score| score.is_finite()),
                strand,
                attributes: ids.into_iter().chain(attributes).collect(),
            }
        });
        proptest::collection::vec(record, 1..6)
    }

    proptest! {
        #[test]
        fn gff3_is_read_back(records in records()) {
            let text = write(&records, GffDialect::Gff3).unwrap();
            let mut reader = GffReader::new("x", &text[..], GffDialect::Gff3);
            for record in &records {
                let view = reader.next_view().unwrap().unwrap();
                prop_assert_eq!(&view.to_record(), record);
                for (key, values) in record.attributes.iter().filter(|(key, _)| !key.contains([';', '=', '&', ',', '%', ' ', '\t', '\x01'])) {
                    let found: Vec<_> = view.attribute_values(key.as_bytes()).map(|v| v.into_owned()).collect();
                    prop_assert_eq!(found, values.iter().map(|v| v.as_bytes().to_vec()).collect::<Vec<_>>());
                }
            }
            prop_assert!(reader.next_view().unwrap().is_none());
        }

        #[test]
        fn gtf_is_read_back(records in records()) {
            for record in records {
                if let Ok(text) = write(std::slice::from_ref(&record), GffDialect::Gtf) {
                    let read = GffReader::new("x", &text[..], GffDialect::Gtf).collect::<Result<Vec<_>>>().unwrap();
                    prop_assert_eq!(read, [record]);
                }
            }
        }

        #[test]
        fn strict_is_lenient_and_nothing_panics(
            records in records(),
            changes in proptest::collection::vec((any::<usize>(), any::<u8>()), 0..4),
        ) {
            let mut text = write(&records, GffDialect::Gff3).unwrap();
            for (at, byte) in changes {
                let at = at % text.len();
                text[at] = byte;
            }
            for dialect in [GffDialect::Gff3, GffDialect::Gtf, GffDialect::Gff2] {
                let read = |mode| GffReader::new("x", &text[..], dialect).with_mode(mode).collect::<Result<Vec<_>>>();
                let (strict, lenient) = (read(Mode::Strict), read(Mode::Lenient));
                if let Ok(strict) = strict {
                    prop_assert_eq!(strict, lenient.unwrap());
                }
            }
        }

        #[test]
        fn any_bytes_give_an_outcome(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            for dialect in [GffDialect::Gff3, GffDialect::Gtf, GffDialect::Gff2] {
                let _ = GffReader::new("x", &text[..], dialect).with_mode(Mode::Lenient).count();
            }
        }
    }
}
