//! `.fai`: where each sequence of a FASTA file starts, and how long its lines are.
//!
//! Five columns, described in faidx(5) of samtools: name, length in bases, byte of the first base, bases in a line, bytes in a
//! line with its end. It works because all lines of a sequence but the last have the same length; a file where they have not
//! cannot be indexed.

use std::collections::HashMap;
use std::io::{self, BufRead, Read, Write};

use memchr::{memchr, memchr2};

use crate::error::{Error, ErrorKind, Result, count, quote};
use crate::input::Limits;
use crate::lines::LineReader;

/// One sequence of a `.fai` index.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FaiEntry {
    /// The first word behind `>`.
    pub name: String,
    /// How many bases the sequence has.
    pub length: u64,
    /// The byte of its first base, in the decompressed file.
    pub offset: u64,
    /// Bases in each line but the last.
    pub line_bases: u64,
    /// Bytes in each line but the last, with its end.
    pub line_width: u64,
}

impl FaiEntry {
    /// The byte where base `position` stands; for the length itself, the byte behind the last base.
    pub(crate) fn byte_of(&self, position: u64) -> Option<u64> {
        if position == 0 || self.line_bases == 0 {
            return Some(self.offset);
        }
        // Behind the last base of a full line there is its end, not the next line.
        let back = u64::from(position == self.length);
        let (line, column) = ((position - back) / self.line_bases, (position - back) % self.line_bases);
        line.checked_mul(self.line_width)?.checked_add(column + back)?.checked_add(self.offset)
    }
}

/// The index of a FASTA file.
///
/// ```
/// use genome_formats::Fai;
///
/// let index = Fai::build("x.fa", &b">chr1 demo\nACGT\nAC\n>chr2\nACGTACGT\n"[..])?;
/// let mut text = Vec::new();
/// index.write(&mut text).unwrap();
/// assert_eq!(text, b"chr1\t6\t11\t4\t5\nchr2\t8\t25\t8\t9\n");
/// assert_eq!(Fai::read("x.fa.fai", &text[..])?, index);
/// # Ok::<(), genome_formats::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fai {
    entries: Vec<FaiEntry>,
    by_name: HashMap<String, usize>,
}

impl Fai {
    /// The sequences, in the order of the file.
    pub fn entries(&self) -> &[FaiEntry] {
        &self.entries
    }

    /// A sequence by its name.
    pub fn get(&self, name: &str) -> Option<&FaiEntry> {
        self.position(name).map(|i| &self.entries[i])
    }

    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// `false` when the name is there already.
    fn push(&mut self, entry: FaiEntry) -> bool {
        if self.by_name.insert(entry.name.clone(), self.entries.len()).is_some() {
            return false;
        }
        self.entries.push(entry);
        true
    }

    /// Reads a `.fai` index; `name` stands in errors.
    ///
    /// # Errors
    ///
    /// The index cannot be read, or breaks its rules: five columns of whole numbers, names once, lines that hold their bases.
    pub fn read(name: impl Into<String>, reader: impl Read) -> Result<Self> {
        Self::read_some(name, reader, u64::MAX)
    }

    /// Refuses more than `most` sequences.
    pub(crate) fn read_some(name: impl Into<String>, reader: impl Read, most: u64) -> Result<Self> {
        let mut lines = LineReader::new(name, reader, 0);
        let mut index = Self::default();
        while lines.next_line()? {
            let line = lines.line();
            if line.is_empty() {
                continue;
            }
            let columns: Vec<&[u8]> = line.split(|&b| b == b'\t').collect();
            let &[name, length, offset, bases, width] = &columns[..] else {
                let kind = if columns.len() == 6 { "6 columns: the index of a FASTQ file" } else { "another number" };
                return Err(lines
                    .error(ErrorKind::Index, "broken .fai index")
                    .expecting("name, length, offset, bases and bytes in a line, separated by tabs")
                    .finding(kind));
            };
            let number = |column: u64, text: &[u8]| {
                std::str::from_utf8(text).ok().and_then(|text| text.parse::<u64>().ok()).ok_or_else(|| {
                    lines
                        .error(ErrorKind::Index, "broken .fai index")
                        .at_column(column)
                        .expecting("a whole number")
                        .finding(quote(text))
                })
            };
            let entry = FaiEntry {
                name: String::from_utf8_lossy(name).into_owned(),
                length: number(2, length)?,
                offset: number(3, offset)?,
                line_bases: number(4, bases)?,
                line_width: number(5, width)?,
            };
            // One line may end with the file, without a line end.
            let one_line = entry.length <= entry.line_bases && entry.line_width >= entry.line_bases;
            let sound = entry.length == 0 || one_line || (entry.line_bases > 0 && entry.line_width > entry.line_bases);
            if !sound
                || entry.byte_of(entry.length).is_none()
                || entry.line_width - entry.line_bases.min(entry.line_width) > 2
            {
                return Err(lines.error(ErrorKind::Index, "broken .fai index: its numbers do not fit together"));
            }
            if index.entries.len() as u64 == most {
                let problem = "stale index: it has more sequences than the file can hold";
                return Err(lines.error(ErrorKind::Index, problem));
            }
            let name = entry.name.clone();
            if !index.push(entry) {
                return Err(lines
                    .error(ErrorKind::Duplicate, "a name stands twice in the .fai index")
                    .in_record(&name));
            }
        }
        Ok(index)
    }

    /// Writes a `.fai` index.
    ///
    /// # Errors
    ///
    /// The writer failed.
    pub fn write(&self, mut out: impl Write) -> io::Result<()> {
        for entry in &self.entries {
            let FaiEntry { name, length, offset, line_bases, line_width } = entry;
            writeln!(out, "{name}\t{length}\t{offset}\t{line_bases}\t{line_width}")?;
        }
        out.flush()
    }

    /// Scans a FASTA file, decompressed; `name` stands in errors. Sequences are counted, not kept.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is no FASTA, has a name twice or not at all, or lines of a sequence that differ in length.
    pub fn build(name: impl Into<String>, mut reader: impl BufRead) -> Result<Self> {
        let mut scan = Scan::new(name.into());
        loop {
            let bytes = match reader.fill_buf() {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(scan.place(Error::from_io(&scan.file, error))),
            };
            if bytes.is_empty() {
                return scan.finish();
            }
            let mut rest = bytes;
            while !rest.is_empty() {
                let end = memchr(b'\n', rest);
                let (piece, behind) = rest.split_at(end.map_or(rest.len(), |at| at + 1));
                scan.piece(piece, end.is_some())?;
                rest = behind;
            }
            let n = bytes.len();
            reader.consume(n);
        }
    }
}

/// The state between two pieces of a FASTA file.
struct Scan {
    file: String,
    index: Fai,
    record: Option<FaiEntry>,
    /// Of the current record: a line was shorter than the first; a line was empty.
    short: bool,
    blank: bool,
    /// Number of the current line from 1, and the byte where it starts.
    line: u64,
    start: u64,
    /// Of the current line: bytes so far, whether the last one is `\r`, and the text of a definition line.
    width: u64,
    carriage: bool,
    definition: Option<Vec<u8>>,
}

impl Scan {
    fn new(file: String) -> Self {
        Self {
            file,
            index: Fai::default(),
            record: None,
            short: false,
            blank: false,
            line: 1,
            start: 0,
            width: 0,
            carriage: false,
            definition: None,
        }
    }

    /// A piece of a line; the last one has the line feed.
    fn piece(&mut self, piece: &[u8], last: bool) -> Result<()> {
        if self.width == 0 && piece[0] == b'>' {
            self.definition = Some(Vec::new());
        }
        if let Some(definition) = &mut self.definition {
            definition.extend_from_slice(piece);
            if definition.len() as u64 > Limits::default().max_line {
                let problem = format!("the line is longer than {}", count(Limits::default().max_line, "byte"));
                return Err(self.error(ErrorKind::Limit, problem));
            }
        } else if let Some(at) = memchr2(b' ', b'\t', piece) {
            let at = self.start + self.width + at as u64;
            let problem = "a blank inside a sequence: such a file cannot be indexed";
            return Err(self.error(ErrorKind::Syntax, problem).at_byte(at));
        }
        self.width += piece.len() as u64;
        if !last {
            self.carriage = piece.ends_with(b"\r");
            return Ok(());
        }
        let carriage = piece.ends_with(b"\r\n") || (piece.len() == 1 && self.carriage);
        self.end_line(1 + u64::from(carriage))
    }

    /// The current line is whole; `end` bytes of it are its end.
    fn end_line(&mut self, end: u64) -> Result<()> {
        match self.definition.take() {
            Some(definition) => self.start_record(&definition)?,
            None => self.sequence_line(self.width - end, self.width)?,
        }
        self.start += self.width;
        self.line += 1;
        (self.width, self.carriage) = (0, false);
        Ok(())
    }

    fn start_record(&mut self, definition: &[u8]) -> Result<()> {
        self.end_record()?;
        let name = definition[1..].split(u8::is_ascii_whitespace).next().unwrap_or_default();
        if name.is_empty() {
            return Err(self.error(ErrorKind::Syntax, "a sequence without a name cannot be indexed"));
        }
        let name = String::from_utf8_lossy(name).into_owned();
        if self.index.position(&name).is_some() {
            return Err(self.error(ErrorKind::Duplicate, "a name stands twice").in_record(&name));
        }
        let offset = self.start + self.width;
        self.record = Some(FaiEntry { name, length: 0, offset, line_bases: 0, line_width: 0 });
        (self.short, self.blank) = (false, false);
        Ok(())
    }

    fn sequence_line(&mut self, bases: u64, width: u64) -> Result<()> {
        let Some(record) = &mut self.record else {
            if bases == 0 {
                return Ok(());
            }
            return Err(self.error(ErrorKind::Syntax, "this is not FASTA").expecting("a line with > and a name"));
        };
        if bases == 0 {
            self.blank = true;
            return Ok(());
        }
        let first = record.length == 0 && !self.blank;
        if first {
            (record.line_bases, record.line_width) = (bases, width);
        }
        let (expected, wide) = (record.line_bases, record.line_width);
        if self.blank || self.short || bases > expected {
            let name = record.name.clone();
            let problem = match (self.blank, self.short) {
                (true, _) => "the sequence goes on behind an empty line: it cannot be indexed".to_owned(),
                (_, true) => "a line behind a shorter one: such a sequence cannot be indexed".to_owned(),
                _ => format!("a line of {} behind lines of {expected}: it cannot be indexed", count(bases, "letter")),
            };
            return Err(self.error(ErrorKind::Index, problem).in_record(&name));
        }
        record.length += bases;
        self.short = bases < expected || width != wide;
        Ok(())
    }

    fn end_record(&mut self) -> Result<()> {
        if let Some(record) = self.record.take() {
            self.index.push(record);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Fai> {
        if self.width > 0 {
            self.end_line(u64::from(self.carriage))?;
        }
        self.end_record()?;
        if self.index.entries.is_empty() {
            return Err(Error::new(ErrorKind::Empty, self.file, "the file is empty").expecting("FASTA records"));
        }
        Ok(self.index)
    }

    fn error(&self, kind: ErrorKind, problem: impl Into<std::borrow::Cow<'static, str>>) -> Error {
        self.place(Error::new(kind, &self.file, problem))
    }

    fn place(&self, error: Error) -> Error {
        error.at_line(self.line).at_byte(self.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;

    fn build(text: &str, buffer: usize) -> Result<String> {
        let index = Fai::build("x.fa", BufReader::with_capacity(buffer, text.as_bytes()))?;
        let mut out = Vec::new();
        index.write(&mut out).unwrap();
        assert_eq!(Fai::read("x.fai", &out[..]).unwrap(), index, "{text:?}");
        Ok(String::from_utf8(out).unwrap())
    }

    fn check(text: &str, expected: &str) {
        for buffer in [1, 2, 3, 7, 100] {
            let got = build(text, buffer).unwrap_or_else(|error| error.to_string());
            assert_eq!(got, expected, "{text:?} through {buffer}");
        }
    }

    #[test]
    fn sound_files() {
        check(">a\nACGT\nAC\n", "a\t6\t3\t4\t5\n");
        check(">a b c\r\nACGT\r\nACGT\r\n>b\nA", "a\t8\t8\t4\t6\nb\t1\t23\t1\t1\n");
        check("\n\n>a\nACGT\n\n\n>b\n>c\n\n", "a\t4\t5\t4\t5\nb\t0\t15\t0\t0\nc\t0\t18\t0\t0\n");
        check(">a\nACGT\nACGT", "a\t8\t3\t4\t5\n");
        check(">a\nACGT\r\nACGT\n", "a\t8\t3\t4\t6\n");
        check(">a\nAC>T\n", "a\t4\t3\t4\t5\n");
    }

    #[test]
    fn what_cannot_be_indexed() {
        check("", "x.fa: the file is empty: expected FASTA records");
        check("ACGT\n", "x.fa:1: byte 0: this is not FASTA: expected a line with > and a name");
        check(
            ">a\nACG\nACGT\n",
            "x.fa:3: byte 7: a line of 4 letters behind lines of 3: it cannot be indexed in record \"a\"",
        );
        check(
            ">a\nACGT\nAC\nAC\n",
            "x.fa:4: byte 11: a line behind a shorter one: such a sequence cannot be indexed in record \"a\"",
        );
        check(
            ">a\nA\n\nA\n",
            "x.fa:4: byte 6: the sequence goes on behind an empty line: it cannot be indexed in record \"a\"",
        );
        check(
            ">a\n\nA\n",
            "x.fa:3: byte 4: the sequence goes on behind an empty line: it cannot be indexed in record \"a\"",
        );
        check(">a\nAC GT\n", "x.fa:2: byte 5: a blank inside a sequence: such a file cannot be indexed");
        check(">a\nA\n>a x\nA\n", "x.fa:3: byte 5: a name stands twice in record \"a\"");
        check("> a\nA\n", "x.fa:1: byte 0: a sequence without a name cannot be indexed");
    }

    #[test]
    fn broken_indexes_are_told() {
        let check = |text: &str, expected: &str| {
            assert_eq!(Fai::read("x.fai", text.as_bytes()).unwrap_err().to_string(), expected);
        };
        check(
            "a\t1\t2\t3\n",
            "x.fai:1: byte 0: broken .fai index: expected name, length, offset, bases and bytes in a line, separated by tabs, found another number",
        );
        check(
            "a\t1\t-2\t3\t4\n",
            "x.fai:1: byte 0: column 3: broken .fai index: expected a whole number, found \"-2\"",
        );
        check("a\t9\t2\t0\t0\n", "x.fai:1: byte 0: broken .fai index: its numbers do not fit together");
        check("a\t9\t2\t4\t4\n", "x.fai:1: byte 0: broken .fai index: its numbers do not fit together");
        check("a\t9\t2\t4\t9\n", "x.fai:1: byte 0: broken .fai index: its numbers do not fit together");
        check(
            "a\t18446744073709551615\t2\t4\t5\n",
            "x.fai:1: byte 0: broken .fai index: its numbers do not fit together",
        );
        check(
            "a\t4\t2\t4\t5\na\t4\t9\t4\t5\n",
            "x.fai:2: byte 10: a name stands twice in the .fai index in record \"a\"",
        );
    }
}
