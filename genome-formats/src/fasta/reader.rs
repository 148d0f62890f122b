//! The FASTA reader.

use std::collections::HashSet;
use std::io::Read;

use super::append::append_lines;
use crate::alphabet::Letters;
use crate::byte_set::ByteSet;
use crate::error::{Error, ErrorKind, Result, letter, quote};
use crate::guard::{Forgiven, Guard, Mode};
use crate::input::{Input, Limits};
use crate::lines::LineReader;
use crate::record::SeqRecord;

/// Bytes checked and then copied, small enough that the second pass finds them in the first-level cache, and that a copy
/// is done with vectors (`rep movsb`, for large copies, is slow on some processors where the addresses are unlucky).
const STEP: usize = 8 * 1024;
/// Letters of a chunk.
const CHUNK: usize = 64 * 1024;

/// What a lenient reader leaves out of sequences.
const GAPS_AND_DIGITS: ByteSet = ByteSet::new(b"-.*0123456789");
/// The same where `*` is a letter.
const GAPS_AND_DIGITS_BUT_STOP: ByteSet = GAPS_AND_DIGITS.without(b"*");
const BLANKS: ByteSet = ByteSet::new(b" \t");

/// Reads FASTA records one by one. After an error it gives nothing more.
///
/// - As an iterator it gives owned records.
/// - [`read_into`](Self::read_into) fills one record again and again: the fast way.
/// - [`next_definition`](Self::next_definition) and [`next_chunk`](Self::next_chunk) give a sequence in pieces, so that it
///   need not fit in memory.
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
    /// The names so far, where they must be unique.
    names: Option<HashSet<Box<[u8]>>>,
    /// The name of the current record.
    name: String,
    /// Where the name ends in the definition line, counted from `>`.
    name_end: usize,
    place: Place,
    /// Letters of the current record that were given as chunks.
    chunk: Vec<u8>,
    /// Length of the lines of the current record.
    width: usize,
}

/// Where the reader stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In front of a definition line, or at the end.
    Definition,
    /// In a sequence, in front of a line.
    LineStart,
    /// In a sequence, inside a line.
    InLine,
}

/// A definition line, in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FastaDefinition<'a> {
    /// The name: what stands between `>` and the first blank.
    pub name: &'a [u8],
    /// The rest of the line, without blanks around it.
    pub description: Option<&'a [u8]>,
}

impl FastaReader<Input> {
    /// Opens a file; `-` is standard input.
    ///
    /// # Errors
    ///
    /// The file cannot be opened or decompressed.
    pub fn open(path: impl AsRef<std::path::Path>) -> Result<Self> {
        Ok(Self::from_input(Input::open(path)?))
    }

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

    /// Strict or lenient; strict without this.
    pub fn with_mode(mut self, mode: Mode) -> Self {
        self.guard.mode = mode;
        self.lines.set_mode(mode);
        self
    }

    /// Refuses a name that stood before, with [`ErrorKind::Duplicate`]; a lenient reader counts it. All names are kept in
    /// memory for this.
    pub fn with_unique_names(mut self) -> Self {
        self.names = Some(HashSet::new());
        self
    }

    /// What a lenient reader let pass so far.
    pub fn forgiven(&self) -> &Forgiven {
        &self.guard.forgiven
    }

    fn from_lines(lines: LineReader<R>) -> Self {
        Self {
            lines,
            letters: Letters::default(),
            guard: Guard::default(),
            names: None,
            name: String::new(),
            name_end: 0,
            place: Place::Definition,
            chunk: Vec::new(),
            width: 0,
        }
    }

    /// Reads the next record into `record`, whose buffers are used again; `false` at the end of the file. After an error
    /// the record holds something in between.
    ///
    /// # Errors
    ///
    /// The text breaks a rule, a limit is passed, or reading fails.
    pub fn read_into(&mut self, record: &mut SeqRecord) -> Result<bool> {
        self.guard.check_failed(self.lines.name())?;
        let outcome = self.read_record(record);
        Ok(self.guard.note(self.lines.name(), outcome)?.is_some())
    }

    /// Goes to the next record and shows its definition line; what is left of the record before is checked and passed
    /// over. `None` at the end of the file.
    ///
    /// # Errors
    ///
    /// As [`FastaReader::read_into`].
    pub fn next_definition(&mut self) -> Result<Option<FastaDefinition<'_>>> {
        self.guard.check_failed(self.lines.name())?;
        let outcome = self.read_definition();
        let found = self.guard.note(self.lines.name(), outcome)?;
        Ok(found.map(|()| self.definition()))
    }

    /// The next letters of the record that [`FastaReader::next_definition`] showed, without line ends; `None` behind the
    /// last. However long the lines, a chunk has at most 64 KiB, so `max_record` does not hold here.
    ///
    /// ```
    /// use genome_formats::FastaReader;
    ///
    /// let mut reader = FastaReader::new("x.fa", &b">chr1\nACGT\nACG\n>chr2\nNN\n"[..]);
    /// let mut lengths = Vec::new();
    /// while let Some(definition) = reader.next_definition()? {
    ///     let name = String::from_utf8_lossy(definition.name).into_owned();
    ///     let mut length = 0;
    ///     while let Some(chunk) = reader.next_chunk()? {
    ///         length += chunk.len();
    ///     }
    ///     lengths.push((name, length));
    /// }
    /// assert_eq!(lengths, [("chr1".into(), 7), ("chr2".into(), 2)]);
    /// # Ok::<(), genome_formats::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`FastaReader::read_into`].
    pub fn next_chunk(&mut self) -> Result<Option<&[u8]>> {
        self.guard.check_failed(self.lines.name())?;
        if self.place == Place::Definition {
            return Ok(None);
        }
        let outcome = self.fill_chunk();
        if outcome.is_err() {
            self.guard.note(self.lines.name(), outcome.map(Some))?;
        }
        Ok((!self.chunk.is_empty()).then_some(&self.chunk))
    }

    fn fill_chunk(&mut self) -> Result<()> {
        let mut chunk = std::mem::take(&mut self.chunk);
        chunk.clear();
        let outcome = self.read_letters(&mut chunk, CHUNK);
        self.chunk = chunk;
        outcome
    }

    fn read_record(&mut self, record: &mut SeqRecord) -> Result<Option<()>> {
        if self.read_definition()?.is_none() {
            return Ok(None);
        }
        let definition = self.definition();
        record.name.clone_from(&self.name);
        match (definition.description, &mut record.description) {
            (Some(text), Some(kept)) => {
                kept.clear();
                kept.push_str(&String::from_utf8_lossy(text));
            }
            (text, kept) => *kept = text.map(|text| String::from_utf8_lossy(text).into_owned()),
        }
        record.seq.clear();
        let most = self.guard.limits.max_record;
        self.read_letters(&mut record.seq, usize::try_from(most.saturating_add(1)).unwrap_or(usize::MAX))?;
        if record.seq.len() as u64 > most {
            let problem = format!("the record is larger than {most} bytes");
            return Err(self.lines.error_ahead(0, ErrorKind::Limit, problem).in_record(&self.name));
        }
        Ok(Some(()))
    }

    /// Makes the next definition line the current line; `None` at the end of the file.
    fn read_definition(&mut self) -> Result<Option<()>> {
        while self.place != Place::Definition {
            self.fill_chunk()?;
        }
        loop {
            if !self.lines.next_line()? {
                if self.guard.records == 0 {
                    let error = Error::new(ErrorKind::Empty, self.lines.name(), "the file is empty");
                    return Err(error.expecting("FASTA records"));
                }
                return Ok(None);
            }
            let line = self.lines.line();
            if line.starts_with(b">") {
                break;
            }
            if !line.trim_ascii().is_empty() {
                let error = self
                    .lines
                    .error(ErrorKind::Syntax, "this is not FASTA")
                    .expecting("a line with > and a name")
                    .finding(quote(line));
                self.guard.forgive("text in front of the first record", error)?;
            }
        }
        let line = self.lines.line();
        if memchr::memchr(b'\r', line).is_some() {
            return Err(self
                .lines
                .error(ErrorKind::Syntax, "a carriage return inside a definition line")
                .expecting("lines that end with a line feed"));
        }
        self.name_end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
        let name = &line[1..self.name_end];
        self.name.clear();
        self.name.push_str(&String::from_utf8_lossy(name));
        let repeated = self.names.as_mut().is_some_and(|names| !names.insert(name.into()));
        if name.is_empty() {
            let error = self
                .lines
                .error(ErrorKind::Syntax, "a record without a name")
                .expecting("a name right behind >")
                .finding(quote(line));
            self.guard.forgive("record without a name", error)?;
        }
        if repeated {
            let error = self.lines.error(ErrorKind::Duplicate, "a name that stood before").in_record(&self.name);
            self.guard.forgive("name that stood before", error)?;
        }
        self.place = Place::LineStart;
        self.width = 0;
        Ok(Some(()))
    }

    /// The parts of the current line, a definition line.
    fn definition(&self) -> FastaDefinition<'_> {
        let (name, description) = self.lines.line().split_at(self.name_end);
        let description = description.trim_ascii();
        FastaDefinition { name: &name[1..], description: (!description.is_empty()).then_some(description) }
    }

    /// Appends letters to `out` until it has `most`, or the record ends: then the reader is in front of a definition.
    fn read_letters(&mut self, out: &mut Vec<u8>, most: usize) -> Result<()> {
        let set = self.letters.line_set();
        while out.len() < most {
            let ahead = self.lines.ahead()?;
            let block = &ahead[..ahead.len().min(STEP).min(most - out.len())];
            let starts_line = self.place == Place::LineStart;
            if block.is_empty() || starts_line && block[0] == b'>' {
                self.place = Place::Definition;
                return Ok(());
            }
            let (known, feeds) = set.prefix_with_lines(block);
            let lines = &block[..known];
            append_lines(out, lines, feeds, starts_line, &mut self.width);
            match lines.last() {
                Some(b'\n') => self.place = Place::LineStart,
                Some(_) => self.place = Place::InLine,
                None => {}
            }
            match block.get(known) {
                Some(&odd) => self.read_odd(out, odd, known, feeds as u64)?,
                None => self.lines.skip(known, feeds as u64),
            }
        }
        Ok(())
    }

    /// Reads what is neither a plain letter nor a line feed: the byte `odd` at `at` of what is ahead, behind `feeds` line
    /// feeds.
    fn read_odd(&mut self, out: &mut Vec<u8>, odd: u8, at: usize, feeds: u64) -> Result<()> {
        let starts_line = self.place == Place::LineStart;
        match odd {
            b'>' if starts_line => self.lines.skip(at, feeds),
            b'\r' => {
                self.lines.skip(at, feeds);
                if self.lines.ahead()?.len() < 2 {
                    self.lines.fill()?;
                }
                match self.lines.ahead()? {
                    [_, b'\n', ..] => self.lines.skip(2, 1),
                    [_] => self.lines.skip(1, 0), // the last byte of a file without a last line feed
                    _ => return Err(self.unknown_letter(odd, 0)),
                }
                self.place = Place::LineStart;
            }
            b' ' | b'\t' => {
                let blanks = BLANKS.prefix(&self.lines.ahead()?[at..]);
                self.lines.skip(at + blanks, feeds);
                self.place = Place::InLine;
            }
            b';' | b'#' | b'!' if starts_line => {
                let error = self.lines.error_ahead(at, ErrorKind::Syntax, "a comment line").in_record(&self.name);
                self.guard.forgive("comment line", error.expecting("letters or a definition line"))?;
                self.lines.skip(at, feeds);
                self.skip_line()?;
            }
            _ if self.letters.set().contains(odd) => {
                out.push(odd);
                self.lines.skip(at + 1, feeds);
                self.place = Place::InLine;
            }
            _ if self.guard.is_lenient() && GAPS_AND_DIGITS.contains(odd) => {
                let error = self.unknown_letter(odd, at);
                self.guard.forgive("gap or digit in a sequence", error)?;
                let gaps = match self.letters {
                    Letters::Protein => &GAPS_AND_DIGITS_BUT_STOP,
                    Letters::Iupac | Letters::Any => &GAPS_AND_DIGITS,
                };
                let run = gaps.prefix(&self.lines.ahead()?[at..]);
                self.lines.skip(at + run, feeds);
                self.place = Place::InLine;
            }
            _ => return Err(self.unknown_letter(odd, at)),
        }
        Ok(())
    }

    /// Passes over the rest of a line of any length.
    fn skip_line(&mut self) -> Result<()> {
        loop {
            let ahead = self.lines.ahead()?;
            let length = ahead.len();
            if let Some(at) = memchr::memchr(b'\n', ahead) {
                self.lines.skip(at + 1, 1);
                return Ok(());
            }
            if length == 0 {
                return Ok(());
            }
            self.lines.skip(length, 0);
        }
    }

    #[cold]
    fn unknown_letter(&self, byte: u8, at: usize) -> Error {
        self.lines
            .error_ahead(at, ErrorKind::UnknownLetter, "unknown letter")
            .in_record(&self.name)
            .expecting(self.letters.expected())
            .finding(letter(byte))
    }
}

impl<R: Read> Iterator for FastaReader<R> {
    type Item = Result<SeqRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut record = SeqRecord::default();
        let outcome = self.read_into(&mut record);
        self.guard.item(outcome.map(|found| found.then_some(record)))
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
        assert_eq!(
            error(b">a\nA\n;comment\n"),
            "x.fa:3: byte 5: a comment line in record \"a\": expected letters or a definition line"
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
    fn chunks_are_bounded_and_whole() {
        let mut text = b">a first one\nAC\n".to_vec();
        text.extend(b"ACGT".repeat(50_000));
        text.extend(b"\n>b\n>c\nNN");
        let mut reader = FastaReader::new("x.fa", &text[..]);
        assert!(reader.next_chunk().unwrap().is_none()); // in front of the first record
        let definition = reader.next_definition().unwrap().unwrap();
        assert_eq!((definition.name, definition.description), (&b"a"[..], Some(&b"first one"[..])));
        let mut seq = Vec::new();
        while let Some(chunk) = reader.next_chunk().unwrap() {
            assert!(!chunk.is_empty() && chunk.len() <= CHUNK);
            seq.extend_from_slice(chunk);
        }
        assert_eq!(seq, [&b"AC"[..], &b"ACGT".repeat(50_000)].concat());
        assert_eq!(reader.next_definition().unwrap().unwrap().name, b"b");
        assert!(reader.next_chunk().unwrap().is_none());
        assert_eq!(reader.next_definition().unwrap().unwrap().name, b"c");
        assert!(reader.next_definition().unwrap().is_none()); // passes over the letters of c
        assert!(reader.next_definition().unwrap().is_none());
    }

    #[test]
    fn letters_that_are_passed_over_are_checked() {
        let mut reader = FastaReader::new("x.fa", &b">a\nAC\nJ\n>b\nA\n"[..]);
        reader.next_definition().unwrap();
        let error = reader.next_definition().unwrap_err();
        assert_eq!((error.kind(), error.line(), error.byte()), (ErrorKind::UnknownLetter, Some(3), Some(6)));
        assert_eq!(error.snippet(), Some("J"));
        assert_eq!(reader.next_chunk().unwrap_err().kind(), ErrorKind::Failed);
        assert_eq!(reader.read_into(&mut SeqRecord::default()).unwrap_err().kind(), ErrorKind::Failed);
    }

    #[test]
    fn names_that_stand_twice_are_told_on_request() {
        let text = b">a\nA\n>b\nA\n>a x\nA\n";
        assert_eq!(read(text).unwrap().len(), 3);
        let error = FastaReader::new("x.fa", &text[..]).with_unique_names().find_map(Result::err).unwrap();
        assert_eq!(error.kind(), ErrorKind::Duplicate);
        assert_eq!(error.to_string(), "x.fa:5: byte 10: a name that stood before in record \"a\"");
        let mut reader = FastaReader::new("x.fa", &text[..]).with_unique_names().with_mode(Mode::Lenient);
        assert_eq!(reader.by_ref().filter(Result::is_ok).count(), 3);
        assert_eq!(reader.forgiven().total(), 1);
    }

    #[test]
    fn lenient_counts_what_strict_refuses() {
        let check = |text: &[u8], letters: Letters, expected: &[(&str, &[u8])], rules: &[(&str, u64)]| {
            let mut reader = FastaReader::new("x.fa", text).with_letters(letters).with_mode(Mode::Lenient);
            let records: Vec<_> = reader.by_ref().map(|r| r.unwrap()).map(|r| (r.name, r.seq)).collect();
            let expected: Vec<_> = expected.iter().map(|(n, s)| ((*n).to_owned(), s.to_vec())).collect();
            assert_eq!(records, expected);
            let forgiven: Vec<_> = reader.forgiven().iter().map(|(rule, n, _)| (rule, n)).collect();
            assert_eq!(forgiven, rules);
            assert!(FastaReader::new("x.fa", text).with_letters(letters).any(|r| r.is_err()));
        };
        check(b"hello\n;x\n>a\nA\n", Letters::Iupac, &[("a", b"A")], &[("text in front of the first record", 2)]);
        check(b">a\n;x >\nA\n;y\n", Letters::Iupac, &[("a", b"A")], &[("comment line", 2)]);
        check(b">a\n#x\nA\n!y\n", Letters::Iupac, &[("a", b"A")], &[("comment line", 2)]);
        check(b">a\n;x\nA;\n", Letters::Any, &[("a", b"A;")], &[("comment line", 1)]);
        check(b"> a b\nA\n", Letters::Iupac, &[("", b"A")], &[("record without a name", 1)]);
        check(b">a\n1 AC--GT\n5 .A*\n", Letters::Iupac, &[("a", b"ACGTA")], &[("gap or digit in a sequence", 5)]);
        check(b">a\nMK-*\n", Letters::Protein, &[("a", b"MK*")], &[("gap or digit in a sequence", 1)]);
        let error = FastaReader::new("x.fa", &b">a\nAJ\n"[..]).with_mode(Mode::Lenient).next().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnknownLetter);
        let error = FastaReader::new("x.fa", &b"hello\n"[..]).with_mode(Mode::Lenient).next().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Empty);
    }

    #[test]
    fn proteins() {
        let read = |text: &'static [u8]| {
            FastaReader::new("x.faa", text).with_letters(Letters::Protein).next().unwrap().map(|r| r.seq)
        };
        assert_eq!(read(b">p\nMKbjxzUO*\n").unwrap(), b"MKbjxzUO*");
        assert_eq!(
            read(b">p\nMK-\n").unwrap_err().to_string(),
            "x.faa:2: byte 5: unknown letter in sequence \"p\": expected an amino acid letter or *, found '-'"
        );
    }

    /// Gives its bytes in small pieces.
    struct Pieces<'a>(&'a [u8], usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
            let n = self.1.min(buf.len());
            self.0.read(&mut buf[..n])
        }
    }

    /// Nearly FASTA, so that every part of the reader is reached.
    fn texts() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            4 => "[ACGTNacgtn]{1,70}\n",
            2 => "[ACGT]{60}\n[ACGT]{60}\n[ACGT]{60}\n[ACGT]{1,60}\n",
            3 => ">[a-c]{0,2}( [a-z]{1,3})?\r?\n",
            1 => "[ACGT \t\r;>@+.*0-9J-]{0,5}\r?\n?",
            1 => ";[a-z]{0,3}\n",
        ];
        let bytes = proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..2);
        (proptest::collection::vec(piece, 0..12), bytes, 0..3u8).prop_map(|(pieces, bytes, start)| {
            let mut text = pieces.concat().into_bytes();
            if start > 0 {
                text.splice(0..0, b">s\n".iter().copied());
            }
            for (at, byte) in bytes {
                if !text.is_empty() && start > 1 {
                    let at = at.index(text.len());
                    text[at] = byte;
                }
            }
            text
        })
    }

    proptest! {
        #[test]
        fn what_strict_reads_lenient_reads_too(text in texts(), letters in prop_oneof![Just(Letters::Iupac), Just(Letters::Protein), Just(Letters::Any)]) {
            let strict: Result<Vec<_>> = FastaReader::new("x", &text[..]).with_letters(letters).collect();
            let mut reader = FastaReader::new("x", &text[..]).with_letters(letters).with_mode(Mode::Lenient);
            let lenient: Result<Vec<_>> = reader.by_ref().collect();
            match strict {
                Ok(strict) => {
                    prop_assert_eq!(&strict, lenient.as_ref().unwrap());
                    prop_assert_eq!(reader.forgiven().total(), 0);
                }
                Err(_) => prop_assert!(lenient.is_err() || reader.forgiven().total() > 0),
            }
            for record in lenient.iter().flatten() {
                prop_assert_eq!(letters.first_unknown(&record.seq), None);
            }
        }

        #[test]
        fn chunks_and_pieces_give_the_same(text in texts(), piece in 1usize..50, mode in prop_oneof![Just(Mode::Strict), Just(Mode::Lenient)]) {
            let whole: Result<Vec<_>> = FastaReader::new("x", &text[..]).with_mode(mode).collect();
            let mut reader = FastaReader::new("x", Pieces(&text, piece)).with_mode(mode);
            let mut records = Vec::new();
            let error = loop {
                match reader.next_definition() {
                    Ok(Some(definition)) => records.push(SeqRecord {
                        name: String::from_utf8_lossy(definition.name).into_owned(),
                        description: definition.description.map(|d| String::from_utf8_lossy(d).into_owned()),
                        seq: Vec::new(),
                    }),
                    Ok(None) => break None,
                    Err(error) => break Some(error),
                }
                let chunks = loop {
                    match reader.next_chunk() {
                        Ok(Some(chunk)) => records.last_mut().unwrap().seq.extend_from_slice(chunk),
                        Ok(None) => break None,
                        Err(error) => break Some(error),
                    }
                };
                if chunks.is_some() {
                    break chunks;
                }
            };
            match (whole, error) {
                (Ok(whole), None) => prop_assert_eq!(whole, records),
                (Err(whole), Some(error)) => prop_assert_eq!(whole.to_string(), error.to_string()),
                (whole, error) => prop_assert!(false, "{whole:?} {error:?}"),
            }
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
