//! The FASTA writer.

use std::io::Write;
use std::num::NonZeroUsize;

use crate::error::{Error, ErrorKind, Result};
use crate::record::SeqRecord;

const WIDTH: NonZeroUsize = NonZeroUsize::new(60).expect("60 is not 0");

/// Writes FASTA; case is kept. It refuses what could not be read back.
///
/// ```
/// use genome_formats::{FastaWriter, SeqRecord};
///
/// let mut writer = FastaWriter::new("out.fa", Vec::new()).with_width(4.try_into().unwrap());
/// writer.write(&SeqRecord::new("a", b"ACgtAC"))?;
/// // A sequence that does not fit in memory is written in pieces, cut wherever.
/// writer.start("b", Some("in pieces"))?;
/// writer.letters(b"AC")?;
/// writer.letters(b"GTN")?;
/// assert_eq!(writer.finish()?, b">a\nACgt\nAC\n>b in pieces\nACGT\nN\n");
/// # Ok::<(), genome_formats::Error>(())
/// ```
#[derive(Debug)]
pub struct FastaWriter<W> {
    name: String,
    out: W,
    width: NonZeroUsize,
    /// The name of the record that was started last.
    record: Option<String>,
    /// Letters of the open line.
    column: usize,
}

impl<W: Write> FastaWriter<W> {
    /// Writes to `out`, which should be buffered; `name` stands in errors.
    pub fn new(name: impl Into<String>, out: W) -> Self {
        Self { name: name.into(), out, width: WIDTH, record: None, column: 0 }
    }

    /// Letters on a line; 60 without this.
    pub fn with_width(mut self, width: NonZeroUsize) -> Self {
        self.width = width;
        self
    }

    /// Writes a record.
    ///
    /// # Errors
    ///
    /// Writing fails, or the record could not be read back: a name that is empty or has blanks, a description with a line
    /// end or with blanks around it, a sequence with bytes that are not visible ASCII or that could start another kind of
    /// line: `>` and the comment marks `;`, `#` and `!`.
    pub fn write(&mut self, record: &SeqRecord) -> Result<()> {
        if let Some(problem) = unwritable_letters(&record.seq) {
            return Err(Error::new(ErrorKind::Syntax, &self.name, problem).in_record(&record.name));
        }
        self.start(&record.name, record.description.as_deref())?;
        self.put(&record.seq)
    }

    /// Starts a record whose letters come in pieces.
    ///
    /// # Errors
    ///
    /// As [`FastaWriter::write`].
    pub fn start(&mut self, name: &str, description: Option<&str>) -> Result<()> {
        if let Some(problem) = unwritable_definition(name, description) {
            return Err(Error::new(ErrorKind::Syntax, &self.name, problem).in_record(name));
        }
        self.end_line()?;
        self.record = Some(name.to_owned());
        let written = match description {
            Some(description) => writeln!(self.out, ">{name} {description}"),
            None => writeln!(self.out, ">{name}"),
        };
        written.map_err(|e| Error::from_io(&self.name, e))
    }

    /// Writes the next letters of the record that was started last.
    ///
    /// # Errors
    ///
    /// As [`FastaWriter::write`]; also when no record was started.
    pub fn letters(&mut self, letters: &[u8]) -> Result<()> {
        let problem = match &self.record {
            None => Some("letters in front of the first record"),
            Some(_) => unwritable_letters(letters),
        };
        if let Some(problem) = problem {
            let record = self.record.as_deref().unwrap_or_default();
            return Err(Error::new(ErrorKind::Syntax, &self.name, problem).in_record(record));
        }
        self.put(letters)
    }

    /// Ends the last line and gives the output back.
    ///
    /// # Errors
    ///
    /// Writing fails.
    pub fn finish(mut self) -> Result<W> {
        self.end_line()?;
        self.out.flush().map_err(|e| Error::from_io(&self.name, e))?;
        Ok(self.out)
    }

    fn put(&mut self, mut letters: &[u8]) -> Result<()> {
        while !letters.is_empty() {
            let room = self.width.get() - self.column;
            let (line, rest) = letters.split_at(room.min(letters.len()));
            self.out.write_all(line).map_err(|e| Error::from_io(&self.name, e))?;
            self.column += line.len();
            if self.column == self.width.get() {
                self.end_line()?;
            }
            letters = rest;
        }
        Ok(())
    }

    fn end_line(&mut self) -> Result<()> {
        if self.column > 0 {
            self.out.write_all(b"\n").map_err(|e| Error::from_io(&self.name, e))?;
            self.column = 0;
        }
        Ok(())
    }
}

/// Writes records as FASTA with `width` letters on a line: a [`FastaWriter`] in one call.
///
/// ```
/// use std::num::NonZeroUsize;
/// use genome_formats::{SeqRecord, write_fasta};
///
/// let mut out = Vec::new();
/// write_fasta(&mut out, [&SeqRecord::new("a", b"ACGTAC")], NonZeroUsize::new(4).unwrap())?;
/// assert_eq!(out, b">a\nACGT\nAC\n");
/// # Ok::<(), genome_formats::Error>(())
/// ```
///
/// # Errors
///
/// As [`FastaWriter::write`].
pub fn write_fasta<'a>(
    out: impl Write,
    records: impl IntoIterator<Item = &'a SeqRecord>,
    width: NonZeroUsize,
) -> Result<()> {
    let mut writer = FastaWriter::new("<output>", out).with_width(width);
    for record in records {
        writer.write(record)?;
    }
    writer.finish().map(drop)
}

fn unwritable_definition(name: &str, description: Option<&str>) -> Option<&'static str> {
    let bad_name = |c: char| c.is_ascii_whitespace() || c.is_control();
    if name.is_empty() || name.contains(bad_name) {
        return Some("the name is empty or has blanks");
    }
    if let Some(text) = description
        && (text.is_empty() || text.trim_ascii() != text || text.contains(['\n', '\r']))
    {
        return Some("the description is empty, has a line end, or blanks around it");
    }
    None
}

fn unwritable_letters(letters: &[u8]) -> Option<&'static str> {
    let writable = |b: &u8| b.is_ascii_graphic() && !matches!(b, b'>' | b';' | b'#' | b'!');
    (!letters.iter().all(writable)).then_some("the sequence has bytes that FASTA cannot hold")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fasta::FastaReader;
    use proptest::prelude::*;

    fn read(text: &[u8]) -> Result<Vec<SeqRecord>> {
        FastaReader::new("x.fa", text).collect()
    }

    #[test]
    fn what_could_not_be_read_back_is_not_written() {
        let width = NonZeroUsize::new(60).unwrap();
        let check = |record: SeqRecord| {
            assert!(write_fasta(Vec::new(), [&record], width).is_err(), "{record:?}");
        };
        check(SeqRecord::new("", b"A"));
        check(SeqRecord::new("a b", b"A"));
        check(SeqRecord::new("a", b"A\nC"));
        check(SeqRecord::new("a", b">C"));
        check(SeqRecord::new("a", b"A;"));
        let described = |text: &str| SeqRecord { description: Some(text.into()), ..SeqRecord::new("a", b"A") };
        check(described(""));
        check(described("x\n>b"));
        check(described(" x"));
    }

    #[test]
    fn letters_need_a_record() {
        let mut writer = FastaWriter::new("out.fa", Vec::new());
        let error = writer.letters(b"A").unwrap_err();
        assert_eq!(error.to_string(), "out.fa: letters in front of the first record");
        writer.start("a", None).unwrap();
        let error = writer.letters(b"A\n").unwrap_err();
        assert_eq!(error.to_string(), "out.fa: the sequence has bytes that FASTA cannot hold in record \"a\"");
    }

    proptest! {
        #[test]
        fn reading_what_was_written_gives_the_same(
            records in proptest::collection::vec(("[!-~]{1,8}", proptest::option::of("[!-~]([ -~]{0,8}[!-~])?"), "[ACGTNRYacgtn]{0,40}"), 1..5),
            width in 1usize..50,
        ) {
            let records: Vec<SeqRecord> = records
                .into_iter()
                .map(|(name, description, seq)| SeqRecord { name, description, seq: seq.into_bytes() })
                .collect();
            let mut out = Vec::new();
            write_fasta(&mut out, &records, NonZeroUsize::new(width).unwrap()).unwrap();
            prop_assert_eq!(read(&out).unwrap(), records);
        }

        #[test]
        fn pieces_are_the_same_as_the_whole(seq in "[ACGTacgt]{0,100}", width in 1usize..30, cuts in proptest::collection::vec(0usize..100, 0..5)) {
            let width = NonZeroUsize::new(width).unwrap();
            let mut whole = Vec::new();
            write_fasta(&mut whole, [&SeqRecord::new("a", seq.as_bytes()), &SeqRecord::new("b", b"N")], width).unwrap();
            let mut writer = FastaWriter::new("x", Vec::new()).with_width(width);
            writer.start("a", None).unwrap();
            let (mut cuts, mut start) = (cuts, 0);
            cuts.sort_unstable();
            for end in cuts.into_iter().chain([seq.len()]) {
                let end = end.min(seq.len());
                writer.letters(&seq.as_bytes()[start..end]).unwrap();
                start = end;
            }
            writer.write(&SeqRecord::new("b", b"N")).unwrap();
            prop_assert_eq!(writer.finish().unwrap(), whole);
        }
    }
}
