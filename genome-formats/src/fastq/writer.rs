//! The FASTQ writer.

use std::io::Write;

use super::quality::QualityEncoding;
use super::record::{FastqRecord, FastqView};
use crate::error::{Error, ErrorKind, Result, count};

/// Writes FASTQ, four lines a record, without a title on the `+` line. It refuses what could not be read back.
///
/// ```
/// use genome_formats::{FastqRecord, FastqWriter, QualityEncoding};
///
/// let mut writer = FastqWriter::new("out.fastq", Vec::new());
/// writer.write(&FastqRecord::new("r1", b"ACGT", b"hhhB", QualityEncoding::Illumina13))?;
/// assert_eq!(writer.finish()?, b"@r1\nACGT\n+\nIII#\n"); // Sanger, unless asked otherwise
/// # Ok::<(), genome_formats::Error>(())
/// ```
#[derive(Debug)]
pub struct FastqWriter<W> {
    name: String,
    out: W,
    encoding: QualityEncoding,
    capped: u64,
    record: Vec<u8>,
}

impl<W: Write> FastqWriter<W> {
    /// Writes to `out`, which should be buffered; `name` stands in errors.
    pub fn new(name: impl Into<String>, out: W) -> Self {
        Self { name: name.into(), out, encoding: QualityEncoding::default(), capped: 0, record: Vec::new() }
    }

    /// Chooses the encoding; [`QualityEncoding::Sanger`] without this. Records in other encodings are converted.
    pub fn with_encoding(mut self, encoding: QualityEncoding) -> Self {
        self.encoding = encoding;
        self
    }

    /// How many scores were lowered, since the encoding ends at 62.
    pub fn capped(&self) -> u64 {
        self.capped
    }

    /// Writes a record.
    ///
    /// # Errors
    ///
    /// Writing fails, or the record could not be read back: a name that is empty or has blanks, a description with a line
    /// end or with blanks around it, letters that are not visible ASCII or start with `+` or `@`, a quality of another
    /// length or with bytes that are no scores.
    pub fn write(&mut self, record: &FastqRecord) -> Result<()> {
        self.write_view(&FastqView {
            name: record.name.as_bytes(),
            description: record.description.as_deref().map(str::as_bytes),
            seq: &record.seq,
            quality: &record.quality,
            encoding: record.encoding,
        })
    }

    /// Writes what a reader shows.
    ///
    /// # Errors
    ///
    /// As [`FastqWriter::write`].
    pub fn write_view(&mut self, view: &FastqView<'_>) -> Result<()> {
        let refuse = |problem: &'static str| {
            Error::new(ErrorKind::Syntax, &self.name, problem).in_record(&String::from_utf8_lossy(view.name))
        };
        if let Some(problem) = unwritable(view) {
            return Err(refuse(problem));
        }
        if view.quality.len() != view.seq.len() {
            return Err(refuse("sequence and quality differ in length")
                .expecting(count(view.seq.len() as u64, "score"))
                .finding(view.quality.len().to_string()));
        }
        self.record.clear();
        self.record.push(b'@');
        self.record.extend_from_slice(view.name);
        if let Some(description) = view.description {
            self.record.push(b' ');
            self.record.extend_from_slice(description);
        }
        self.record.push(b'\n');
        self.record.extend_from_slice(view.seq);
        self.record.extend_from_slice(b"\n+\n");
        if let Err(at) = view.encoding.convert_all(view.quality, self.encoding, &mut self.record) {
            return Err(refuse("a quality that is no score")
                .expecting(view.encoding.expected())
                .finding(crate::error::letter(view.quality[at])));
        }
        self.record.push(b'\n');
        if self.encoding != view.encoding && view.encoding == QualityEncoding::Sanger {
            const LAST_BELOW: u8 = 33 + 62;
            self.capped += view.quality.iter().filter(|&&byte| byte > LAST_BELOW).count() as u64;
        }
        self.out.write_all(&self.record).map_err(|e| Error::from_io(&self.name, e))
    }

    /// Writes what is left in buffers and gives the output back.
    ///
    /// # Errors
    ///
    /// Writing fails.
    pub fn finish(mut self) -> Result<W> {
        self.out.flush().map_err(|e| Error::from_io(&self.name, e))?;
        Ok(self.out)
    }
}

fn unwritable(view: &FastqView<'_>) -> Option<&'static str> {
    if view.name.is_empty() || view.name.iter().any(|b| b.is_ascii_whitespace() || b.is_ascii_control()) {
        return Some("the name is empty or has blanks");
    }
    if let Some(text) = view.description
        && (text.is_empty() || text.trim_ascii() != text || text.iter().any(|b| matches!(b, b'\n' | b'\r')))
    {
        return Some("the description is empty, has a line end, or blanks around it");
    }
    if !view.seq.iter().all(u8::is_ascii_graphic) || matches!(view.seq.first(), Some(b'+' | b'@')) {
        return Some("the sequence has bytes that FASTQ cannot hold");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alphabet::Letters;
    use crate::fastq::FastqReader;
    use proptest::prelude::*;

    #[test]
    fn what_could_not_be_read_back_is_not_written() {
        let good = FastqRecord::new("a", b"AC", b"II", QualityEncoding::Sanger);
        let check = |change: fn(&mut FastqRecord), expected: &str| {
            let mut record = good.clone();
            change(&mut record);
            let mut writer = FastqWriter::new("out.fastq", Vec::new());
            let error = writer.write(&record).unwrap_err().to_string();
            assert_eq!(error, format!("out.fastq: {expected}"));
            assert_eq!(writer.finish().unwrap(), b"");
        };
        check(|r| r.name = String::new(), "the name is empty or has blanks");
        check(|r| r.name = "a b".into(), "the name is empty or has blanks in record \"a b\"");
        check(
            |r| r.description = Some(" x".into()),
            "the description is empty, has a line end, or blanks around it in record \"a\"",
        );
        check(|r| r.seq = b"A\n".to_vec(), "the sequence has bytes that FASTQ cannot hold in record \"a\"");
        check(|r| r.seq = b"+C".to_vec(), "the sequence has bytes that FASTQ cannot hold in record \"a\"");
        check(
            |r| r.seq = b"ACG".to_vec(),
            "sequence and quality differ in length in record \"a\": expected 3 scores, found 2",
        );
        check(
            |r| r.quality = b"I ".to_vec(),
            "a quality that is no score in record \"a\": expected a Phred score from ! to ~ (0 to 93), found ' '",
        );
    }

    #[test]
    fn capped_scores_are_counted() {
        let mut writer = FastqWriter::new("x", Vec::new()).with_encoding(QualityEncoding::Illumina13);
        writer.write(&FastqRecord::new("a", b"ACGT", b"^_`~", QualityEncoding::Sanger)).unwrap();
        assert_eq!(writer.capped(), 2);
        assert_eq!(writer.finish().unwrap(), b"@a\nACGT\n+\n}~~~\n");
    }

    fn encodings() -> impl Strategy<Value = QualityEncoding> {
        prop_oneof![Just(QualityEncoding::Sanger), Just(QualityEncoding::Solexa), Just(QualityEncoding::Illumina13)]
    }

    fn records() -> impl Strategy<Value = Vec<FastqRecord>> {
        let read = proptest::collection::vec((proptest::sample::select(&b"ACGTNacgtnRY"[..]), 0u8..68), 0..80);
        let title = ("[!-~]{1,8}", proptest::option::of("[!-~]([ -~]{0,8}[!-~])?"));
        let record = (title, read, encodings()).prop_map(|((name, description), read, encoding)| FastqRecord {
            name,
            description,
            seq: read.iter().map(|r| r.0).collect(),
            quality: read.iter().map(|r| encoding.bytes().start() + r.1.min(62)).collect(),
            encoding,
        });
        proptest::collection::vec(record, 1..6)
    }

    proptest! {
        #[test]
        fn reading_what_was_written_gives_the_same(records in records(), to in encodings()) {
            let mut writer = FastqWriter::new("x", Vec::new()).with_encoding(to);
            for record in &records {
                writer.write(record).unwrap();
            }
            let text = writer.finish().unwrap();
            for letters in [Letters::Iupac, Letters::Any] {
                let reader = FastqReader::new("x", &text[..]).with_encoding(to).with_letters(letters);
                let read = reader.collect::<Result<Vec<_>>>().unwrap();
                let expected: Vec<_> = records.iter().map(|r| r.clone().into_encoding(to).unwrap()).collect();
                prop_assert_eq!(read, expected);
            }
        }
    }
}
