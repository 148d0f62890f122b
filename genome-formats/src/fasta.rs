//! FASTA: a streaming reader and a writer.
//!
//! Rules where the world ignores the format:
//!
//! - blank lines are skipped anywhere, and so are spaces and tabs inside sequence lines;
//! - names and descriptions that are not UTF-8 are read with replacement characters;
//! - a record may be empty here ([`Sequences`](crate::Sequences) refuses it);
//! - comment lines (`;`) and text in front of the first `>` are errors.

use std::io::{Read, Write};
use std::num::NonZeroUsize;

use crate::alphabet::first_unknown;
use crate::error::{Error, ErrorKind, Result, letter, quote};
use crate::guard::Guard;
use crate::input::{Input, Limits};
use crate::lines::LineReader;
use crate::record::SeqRecord;

/// Which letters a sequence may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Letters {
    /// IUPAC nucleotide codes in either case, without gaps.
    #[default]
    Iupac,
    /// Any visible ASCII character: proteins, alignments with gaps.
    Any,
}

impl Letters {
    /// Index of the first byte that is not allowed. Spaces and tabs are left to the caller.
    pub(crate) fn first_unknown(self, seq: &[u8]) -> Option<usize> {
        match self {
            Self::Iupac => first_unknown(seq),
            Self::Any => seq.iter().position(|b| !b.is_ascii_graphic()),
        }
    }

    pub(crate) fn expected(self) -> &'static str {
        match self {
            Self::Iupac => "an IUPAC nucleotide",
            Self::Any => "a visible ASCII letter",
        }
    }
}

/// Reads FASTA records one by one. After an error it gives nothing more.
///
/// ```
/// use genome_formats::FastaReader;
///
/// let text: &[u8] = b">p1 lac promoter\nTTTACA\nctttatgc\n>p2\nTATAAT\n";
/// let records = FastaReader::new("promoters.fa", text).collect::<Result<Vec<_>, _>>()?;
/// assert_eq!(records[0].name, "p1");
/// assert_eq!(records[0].description.as_deref(), Some("lac promoter"));
/// assert_eq!(records[0].seq, b"TTTACActttatgc");
/// assert_eq!(records.len(), 2);
/// # Ok::<(), genome_formats::Error>(())
/// ```
pub struct FastaReader<R> {
    lines: LineReader<R>,
    letters: Letters,
    guard: Guard,
}

impl FastaReader<Input> {
    /// Reads an opened input.
    pub fn from_input(input: Input) -> Self {
        Self::from_lines(LineReader::from_input(input))
    }
}

impl<R: Read> FastaReader<R> {
    /// Reads plain text; `name` stands in errors.
    pub fn new(name: impl Into<String>, reader: R) -> Self {
        Self::from_lines(LineReader::new(name, reader, 0))
    }

    /// Chooses the alphabet; [`Letters::Iupac`] without this.
    pub fn with_letters(mut self, letters: Letters) -> Self {
        self.letters = letters;
        self
    }

    /// Sets limits in place of [`Limits::default`].
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.guard.limits = limits;
        self.lines.set_max_line(limits.max_line);
        self
    }

    fn from_lines(lines: LineReader<R>) -> Self {
        Self { lines, letters: Letters::default(), guard: Guard::default() }
    }

    fn read_record(&mut self) -> Result<Option<SeqRecord>> {
        let Some(mut record) = self.read_definition()? else {
            return Ok(None);
        };
        while self.lines.next_line()? {
            if self.lines.raw().starts_with(b">") {
                self.lines.hold();
                break;
            }
            if let Some((offset, byte)) = push_letters(&mut record.seq, self.lines.line(), self.letters) {
                return Err(self
                    .lines
                    .error(ErrorKind::UnknownLetter, "unknown letter")
                    .at_byte(self.lines.start() + offset as u64)
                    .in_record(&record.name)
                    .expecting(self.letters.expected())
                    .finding(letter(byte)));
            }
            self.check_size(&record)?;
        }
        Ok(Some(record))
    }

    fn check_size(&self, record: &SeqRecord) -> Result<()> {
        if record.seq.len() as u64 <= self.guard.limits.max_record {
            return Ok(());
        }
        let problem = format!("the record is larger than {} bytes", self.guard.limits.max_record);
        Err(self.lines.error(ErrorKind::Limit, problem).in_record(&record.name))
    }

    /// Reads the next definition line; `None` at the end of the file.
    fn read_definition(&mut self) -> Result<Option<SeqRecord>> {
        loop {
            if !self.lines.next_line()? {
                if self.guard.records == 0 {
                    let error = Error::new(ErrorKind::Empty, self.lines.name(), "the file is empty");
                    return Err(error.expecting("FASTA records"));
                }
                return Ok(None);
            }
            if !self.lines.line().trim_ascii().is_empty() {
                break;
            }
        }
        let line = self.lines.line();
        let Some(definition) = line.strip_prefix(b">") else {
            return Err(self
                .lines
                .error(ErrorKind::Syntax, "this is not FASTA")
                .expecting("a line with > and a name")
                .finding(quote(line)));
        };
        if definition.contains(&b'\r') {
            return Err(self
                .lines
                .error(ErrorKind::Syntax, "a carriage return inside a definition line")
                .expecting("lines that end with a line feed"));
        }
        let end = definition.iter().position(u8::is_ascii_whitespace).unwrap_or(definition.len());
        let (name, description) = definition.split_at(end);
        if name.is_empty() {
            return Err(self
                .lines
                .error(ErrorKind::Syntax, "a record without a name")
                .expecting("a name right behind >")
                .finding(quote(line)));
        }
        let description = description.trim_ascii();
        Ok(Some(SeqRecord {
            name: String::from_utf8_lossy(name).into_owned(),
            description: (!description.is_empty()).then(|| String::from_utf8_lossy(description).into_owned()),
            seq: Vec::new(),
        }))
    }
}

impl<R: Read> Iterator for FastaReader<R> {
    type Item = Result<SeqRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        let outcome = self.guard.check_failed(self.lines.name()).and_then(|()| self.read_record());
        let outcome = self.guard.note(self.lines.name(), outcome);
        self.guard.item(outcome)
    }
}

impl<R: Read> std::iter::FusedIterator for FastaReader<R> {}

impl<R> std::fmt::Debug for FastaReader<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FastaReader")
            .field("letters", &self.letters)
            .field("guard", &self.guard)
            .finish_non_exhaustive()
    }
}

/// Appends the letters of a line, without blanks; gives the index and byte of the first that is not allowed.
fn push_letters(seq: &mut Vec<u8>, line: &[u8], letters: Letters) -> Option<(usize, u8)> {
    let mut start = 0;
    loop {
        let Some(at) = letters.first_unknown(&line[start..]) else {
            seq.extend_from_slice(&line[start..]);
            return None;
        };
        seq.extend_from_slice(&line[start..start + at]);
        let byte = line[start + at];
        if byte != b' ' && byte != b'\t' {
            return Some((start + at, byte));
        }
        start += at + 1;
    }
}

/// Writes records as FASTA with `width` letters on a line.
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
/// Writing fails, or a record could not be read back: a name that is empty or has blanks, a description with a line end
/// or with blanks around it, a sequence with bytes that are not visible ASCII or that starts a line with `>`.
pub fn write_fasta<'a>(
    mut out: impl Write,
    records: impl IntoIterator<Item = &'a SeqRecord>,
    width: NonZeroUsize,
) -> Result<()> {
    const PATH: &str = "<output>";
    let io = |error| Error::from_io(PATH, error);
    for record in records {
        if let Some(problem) = unwritable(record) {
            return Err(Error::new(ErrorKind::Syntax, PATH, problem).in_record(&record.name));
        }
        write!(out, ">{}", record.name).map_err(io)?;
        if let Some(description) = &record.description {
            write!(out, " {description}").map_err(io)?;
        }
        out.write_all(b"\n").map_err(io)?;
        for line in record.seq.chunks(width.get()) {
            out.write_all(line).map_err(io)?;
            out.write_all(b"\n").map_err(io)?;
        }
    }
    out.flush().map_err(io)
}

fn unwritable(record: &SeqRecord) -> Option<&'static str> {
    let bad_name = |c: char| c.is_ascii_whitespace() || c.is_control();
    if record.name.is_empty() || record.name.contains(bad_name) {
        return Some("the name is empty or has blanks");
    }
    if let Some(text) = &record.description
        && (text.is_empty() || text.trim_ascii() != text || text.contains(['\n', '\r']))
    {
        return Some("the description is empty, has a line end, or blanks around it");
    }
    if !record.seq.iter().all(|b| b.is_ascii_graphic() && *b != b'>') {
        return Some("the sequence has bytes that FASTA cannot hold");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &[u8]) -> Result<Vec<SeqRecord>> {
        FastaReader::new("x.fa", text).collect()
    }

    fn error(text: &[u8]) -> String {
        read(text).unwrap_err().to_string()
    }

    #[test]
    fn layouts_of_the_same_records() {
        let expected = vec![
            SeqRecord { name: "a".into(), description: Some("first one".into()), seq: b"ACGTacgt".to_vec() },
            SeqRecord::new("b", b"NNN"),
        ];
        let check = |text: &[u8]| assert_eq!(read(text).unwrap(), expected);
        check(b">a first one\nACGT\nacgt\n>b\nNNN\n");
        check(b">a first one\nACGTacgt\n>b\nNNN"); // no last line end
        check(b">a first one\r\nACGT\r\nacgt\r\n>b\r\nNNN\r\n");
        check(b">a first one\r\nACGT\r\nacgt\r\n>b\r\nNNN\r");
        check(b"\xef\xbb\xbf>a first one\nACGTacgt\n>b\nNNN\n");
        check(b"\n\n>a\t first one \n\nAC GT\n\n acg\tt \n\n\n>b\n\nN\nNN\n\n");
    }

    #[test]
    fn empty_records_are_kept() {
        let records = read(b">a\n>b\nA\n>c").unwrap();
        let lengths: Vec<_> = records.iter().map(|r| r.seq.len()).collect();
        assert_eq!(lengths, [0, 1, 0]);
    }

    #[test]
    fn errors_give_line_and_byte() {
        assert_eq!(error(b""), "x.fa: the file is empty: expected FASTA records");
        assert_eq!(error(b"\r\n \n"), "x.fa: the file is empty: expected FASTA records");
        assert_eq!(
            error(b"\nACGT\n"),
            "x.fa:2: byte 1: this is not FASTA: expected a line with > and a name, found \"ACGT\""
        );
        assert_eq!(
            error(b">\nACGT\n"),
            "x.fa:1: byte 0: a record without a name: expected a name right behind >, found \">\""
        );
        assert_eq!(
            error(b">a\nAC\n> b\nACGT\n"),
            "x.fa:3: byte 6: a record without a name: expected a name right behind >, found \"> b\""
        );
        assert_eq!(
            error(b">a\rACGT\r>b\rACGT\r"),
            "x.fa:1: byte 0: a carriage return inside a definition line: expected lines that end with a line feed"
        );
        let unknown = |text: &[u8], at: &str, found: &str| {
            let end = format!("expected an IUPAC nucleotide, found {found}");
            assert_eq!(error(text), format!("x.fa:{at}: unknown letter in sequence \"a\": {end}"));
        };
        unknown(b">a\nACJT\n", "2: byte 5", "'J'");
        unknown(b">a\r\nAC\r\n\r\nA\x00\r\n", "4: byte 11", "byte 0x00");
        unknown(b">a\nAC\rGT\n", "2: byte 5", "byte 0x0d");
        unknown(b">a\nAC>GT\n", "2: byte 5", "'>'");
        unknown(b">a\n\rACJ\n", "2: byte 3", "byte 0x0d");
        unknown(b">a\n;comment\n", "2: byte 3", "';'");
        unknown(b">a\nA C-\n", "2: byte 6", "'-'");
        unknown(b"\xef\xbb\xbf>a\nJ", "2: byte 6", "'J'");
        unknown(b">a\nAC\n\xff\n", "3: byte 6", "byte 0xff");
    }

    #[test]
    fn the_reader_is_fused_after_an_error() {
        let mut reader = FastaReader::new("x.fa", &b">a\nAC\n>b\nJ\n>c\nAC\n"[..]);
        assert!(reader.next().unwrap().is_ok());
        assert!(reader.next().unwrap().is_err());
        assert!(reader.next().is_none());
        assert!(reader.next().is_none());
    }

    #[test]
    fn any_letters_read_proteins_and_gaps() {
        let mut reader = FastaReader::new("x.faa", &b">p\nMK-L*\n"[..]).with_letters(Letters::Any);
        assert_eq!(reader.next().unwrap().unwrap().seq, b"MK-L*");
        let mut reader = FastaReader::new("x.faa", &b">p\nMK\x01\n"[..]).with_letters(Letters::Any);
        assert!(reader.next().unwrap().unwrap_err().to_string().contains("byte 0x01"));
    }

    #[test]
    fn limits_hold() {
        let limits = Limits { max_record: 5, ..Limits::default() };
        let mut reader = FastaReader::new("x.fa", &b">a\nACGT\n>b\nACGT\nAC\n"[..]).with_limits(limits);
        assert!(reader.next().unwrap().is_ok());
        let error = reader.next().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limit);
        assert_eq!((error.line(), error.record()), (Some(5), Some("b")));
    }

    #[test]
    fn names_that_are_not_utf8_are_read() {
        assert_eq!(read(b">caf\xe9\nA\n").unwrap()[0].name, "caf\u{fffd}");
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
        let described = |text: &str| SeqRecord { description: Some(text.into()), ..SeqRecord::new("a", b"A") };
        check(described(""));
        check(described("x\n>b"));
        check(described(" x"));
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
        fn any_bytes_give_records_or_an_error(text in proptest::collection::vec(any::<u8>(), 0..300)) {
            for letters in [Letters::Iupac, Letters::Any] {
                for record in FastaReader::new("x", &text[..]).with_letters(letters) {
                    if let Err(error) = record {
                        prop_assert!(!error.to_string().contains(char::is_control));
                        prop_assert!(error.byte().unwrap_or(0) <= text.len() as u64);
                    }
                }
            }
        }

        #[test]
        fn nearly_fasta_never_panics(text in "[>ACGTJ \r\n\t;]{0,60}") {
            for record in FastaReader::new("x", text.as_bytes()) {
                if let Err(error) = record && let (Some(byte), ErrorKind::UnknownLetter) = (error.byte(), error.kind()) {
                    let found = text.as_bytes()[byte as usize];
                    prop_assert_eq!(error.found().unwrap(), letter(found));
                    let line = text.as_bytes()[..byte as usize].iter().filter(|&&b| b == b'\n').count() + 1;
                    prop_assert_eq!(error.line(), Some(line as u64));
                }
            }
        }
    }
}
