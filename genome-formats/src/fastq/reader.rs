//! The FASTQ reader: a fast path for records of four whole lines, and a slow one for everything else and for all errors.

use std::io::Read;

use super::glance::{Found, Glance, Lengths, glance};
use super::quality::QualityEncoding;
use super::record::{FastqRecord, FastqView};
use crate::alphabet::Letters;
use crate::error::{Error, ErrorKind, Result, count, letter, quote};
use crate::guard::{Forgiven, Guard, Mode};
use crate::input::{Input, Limits};
use crate::lines::LineReader;

/// A record with more bytes than this is read line by line, so that the buffer need not hold it whole.
const LARGE: usize = 1024 * 1024;

/// Reads FASTQ records one by one. After an error it gives nothing more.
///
/// Every rule of the format is checked: the marks `@` and `+`, the same title behind both, letters, lengths, the range of
/// the scores, the end of the file.
///
/// ```
/// use genome_formats::{FastqReader, QualityEncoding};
///
/// let text: &[u8] = b"@read1 lane 3\nACGT\n+\nhhTB\n";
/// let reader = FastqReader::new("old.fastq", text).with_encoding(QualityEncoding::Illumina13);
/// let reads = reader.collect::<Result<Vec<_>, _>>()?;
/// assert_eq!(reads[0].phred().collect::<Vec<_>>(), [40, 40, 20, 2]);
///
/// let text: &[u8] = b"@read1\nACGT\n+\nIII\n@read2\nA\n+\nI\n";
/// let error = FastqReader::new("cut.fastq", text).next().unwrap().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     r#"cut.fastq:5: byte 18: sequence and quality differ in length in record "read1": expected 4 scores, found 3"#,
/// );
/// # Ok::<(), genome_formats::Error>(())
/// ```
pub struct FastqReader<R> {
    lines: LineReader<R>,
    letters: Letters,
    encoding: QualityEncoding,
    guard: Guard,
    /// Bytes and lines of the record that was shown in place, behind the current line.
    shown: (usize, u64),
    /// Lengths of the last record that was shown in place.
    guess: Lengths,
    /// The record, where it could not be shown in place.
    kept: Kept,
}

#[derive(Debug, Default)]
struct Kept {
    title: Vec<u8>,
    seq: Vec<u8>,
    quality: Vec<u8>,
    /// The name, for errors.
    name: String,
}

impl FastqReader<Input> {
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

impl<R: Read> FastqReader<R> {
    /// Reads plain text; `name` stands in errors.
    pub fn new(name: impl Into<String>, reader: R) -> Self {
        Self::from_lines(LineReader::new(name, reader, 0))
    }

    /// Chooses the encoding of qualities; [`QualityEncoding::Sanger`] without this.
    pub fn with_encoding(mut self, encoding: QualityEncoding) -> Self {
        self.encoding = encoding;
        self
    }

    /// Chooses the alphabet; [`Letters::Iupac`] without this.
    pub fn with_letters(mut self, letters: Letters) -> Self {
        self.letters = letters;
        self
    }

    /// Sets limits in place of [`Limits::default`]. A record counts with its letters and scores.
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

    /// What a lenient reader let pass so far.
    pub fn forgiven(&self) -> &Forgiven {
        &self.guard.forgiven
    }

    fn from_lines(lines: LineReader<R>) -> Self {
        Self {
            lines,
            letters: Letters::default(),
            encoding: QualityEncoding::default(),
            guard: Guard::default(),
            shown: (0, 0),
            guess: Lengths::default(),
            kept: Kept::default(),
        }
    }

    /// Shows the next record in place; `None` at the end of the file.
    ///
    /// # Errors
    ///
    /// The text breaks a rule, a limit is passed, or reading fails.
    #[inline]
    pub fn next_view(&mut self) -> Result<Option<FastqView<'_>>> {
        self.guard.check_failed(self.lines.name())?;
        let outcome = self.find();
        let found = self.guard.note(self.lines.name(), outcome)?;
        Ok(found.map(|found| self.view(&found)))
    }

    /// Reads the next record into `record`, whose buffers are used again; `false` at the end of the file.
    ///
    /// # Errors
    ///
    /// As [`FastqReader::next_view`].
    pub fn read_into(&mut self, record: &mut FastqRecord) -> Result<bool> {
        Ok(self.next_view()?.map(|view| view.copy_to(record)).is_some())
    }

    #[inline]
    fn view(&self, found: &Found) -> FastqView<'_> {
        let (title, name_end, seq, quality) = match found {
            Found::Shown { title, name_end, seq, quality, length } => {
                let text = self.lines.behind();
                (&text[title.clone()], *name_end, &text[*seq..seq + length], &text[*quality..quality + length])
            }
            Found::Kept => {
                (&self.kept.title[..], name_end(&self.kept.title), &self.kept.seq[..], &self.kept.quality[..])
            }
        };
        let (name, description) = title.split_at(name_end);
        let description = if description.is_empty() { description } else { description.trim_ascii() };
        FastqView {
            name,
            description: (!description.is_empty()).then_some(description),
            seq,
            quality,
            encoding: self.encoding,
        }
    }

    #[inline]
    fn find(&mut self) -> Result<Option<Found>> {
        if self.shown != (0, 0) {
            let (bytes, lines) = std::mem::take(&mut self.shown);
            self.lines.skip(bytes, lines);
        }
        let most = self.guard.limits.max_line.min(self.guard.limits.max_record);
        let (letters, scores) = (self.letters.plain_set(), self.encoding.set());
        loop {
            let ahead = self.lines.ahead()?;
            match glance(ahead, &mut self.guess, letters, scores) {
                // The longest line is shorter than the record, so one comparison says that both limits hold.
                Glance::Record(found, bytes) if bytes as u64 <= most => {
                    self.shown = (bytes, 4);
                    return Ok(Some(found));
                }
                Glance::Incomplete if !ahead.is_empty() && ahead.len() < LARGE => {
                    // At least as much again, so that a reader of single bytes does not make this quadratic.
                    let enough = 2 * ahead.len();
                    let mut more = false;
                    while self.lines.behind().len() < enough && self.lines.fill()? {
                        more = true;
                    }
                    if !more {
                        return self.read_lines();
                    }
                }
                _ => return self.read_lines(),
            }
        }
    }

    /// The slow path: any record, line by line, with all the errors.
    #[cold]
    fn read_lines(&mut self) -> Result<Option<Found>> {
        if !self.next_title()? {
            return Ok(None);
        }
        self.read_title()?;
        self.read_sequence()?;
        self.check_plus_line()?;
        self.read_quality()?;
        Ok(Some(Found::Kept))
    }

    /// Goes to the next line that is not blank and starts with `@`; `false` at the end of the file.
    fn next_title(&mut self) -> Result<bool> {
        let mut blank = None;
        loop {
            if !self.lines.next_line()? {
                if self.guard.records == 0 {
                    let error = Error::new(ErrorKind::Empty, self.lines.name(), "the file is empty");
                    return Err(error.expecting("FASTQ records"));
                }
                return Ok(false);
            }
            if !self.lines.line().trim_ascii().is_empty() {
                break;
            }
            if blank.is_none() {
                let error = self.lines.error(ErrorKind::Syntax, "a blank line that is not at the end of the file");
                blank = Some(error.expecting("a line with @ and a name"));
            }
        }
        if let Some(error) = blank {
            self.guard.forgive("blank line that is not at the end of the file", error)?;
        }
        let line = self.lines.line();
        if line.starts_with(b"@") {
            return Ok(true);
        }
        // The record before is complete: its quality is as long as its sequence.
        let problem = if self.guard.records == 0 {
            "this is not FASTQ"
        } else {
            "a line that belongs to no record: the quality before is as long as its sequence"
        };
        let error = self.lines.error(ErrorKind::Syntax, problem).expecting("a line with @ and a name");
        Err(error.finding(quote(line)))
    }

    /// "The first line is a title line that begins with an @ character: free format, with no length limit" (Cock et al.).
    fn read_title(&mut self) -> Result<()> {
        let line = self.lines.line();
        if memchr::memchr(b'\r', line).is_some() {
            let error = self.lines.error(ErrorKind::Syntax, "a carriage return inside a title line");
            return Err(error.expecting("lines that end with a line feed"));
        }
        if self.lines.is_cut() {
            let error = self.lines.error(ErrorKind::Truncated, "the file ends in a title line");
            return Err(error.expecting("a sequence"));
        }
        let kept = &mut self.kept;
        kept.title.clear();
        kept.title.extend_from_slice(&line[1..]);
        kept.name.clear();
        kept.name.push_str(&String::from_utf8_lossy(&kept.title[..name_end(&kept.title)]));
        if kept.name.is_empty() {
            let error = self.lines.error(ErrorKind::Syntax, "a record without a name");
            self.guard.forgive("record without a name", error.expecting("a name right behind @"))?;
        }
        Ok(())
    }

    /// Reads sequence lines until the current line is the `+` line.
    ///
    /// "The sequence line(s) [...] may be line wrapped. [...] White space such as tabs or spaces is not permitted" (Cock et al.).
    fn read_sequence(&mut self) -> Result<()> {
        self.kept.seq.clear();
        let mut blank: Option<Error> = None;
        loop {
            self.next_line("a + line")?;
            let line = self.lines.line();
            if line.starts_with(b"+") {
                // The blank line of a read without letters is no broken rule.
                if let Some(error) = blank
                    && !self.kept.seq.is_empty()
                {
                    self.guard.forgive("blank line that is not at the end of the file", error)?;
                }
                return Ok(());
            }
            if let Some(error) = blank.take() {
                self.guard.forgive("blank line that is not at the end of the file", error)?;
            }
            if line.starts_with(b"@") {
                return Err(self
                    .error(ErrorKind::Syntax, "a second @ line")
                    .expecting("letters or the + line")
                    .finding(quote(line)));
            }
            if line.is_empty() {
                blank = Some(self.error(ErrorKind::Syntax, "a blank line").expecting("letters or the + line"));
                continue;
            }
            self.push_letters()?;
            self.check_size()?;
        }
    }

    /// Appends the letters of the current line.
    fn push_letters(&mut self) -> Result<()> {
        let mut start = 0;
        loop {
            let line = &self.lines.line()[start..];
            let known = self.letters.set().prefix(line);
            self.kept.seq.extend_from_slice(&line[..known]);
            let Some(&byte) = line.get(known) else {
                return Ok(());
            };
            let error = self
                .error(ErrorKind::UnknownLetter, "unknown letter")
                .at_byte(self.lines.start() + (start + known) as u64)
                .expecting(self.letters.expected())
                .finding(letter(byte));
            match byte {
                b' ' | b'\t' => self.guard.forgive("blank in a sequence", error)?,
                b'.' if self.letters == Letters::Iupac => {
                    self.guard.forgive("dot in a sequence", error)?;
                    self.kept.seq.push(b'N');
                }
                _ => return Err(error),
            }
            start += known + 1;
        }
    }

    /// "The + line [...] signals the end of the sequence lines [...] optional repeat of the title line" (Cock et al.).
    fn check_plus_line(&mut self) -> Result<()> {
        let line = self.lines.line();
        let title = &line[1..];
        if self.lines.is_cut() {
            let error = self.error(ErrorKind::Truncated, "the file ends in a + line");
            return Err(error.expecting(count(self.kept.seq.len() as u64, "score")));
        }
        if !title.is_empty() && *title != self.kept.title {
            let error = self
                .error(ErrorKind::Syntax, "another title on the + line")
                .expecting(format!("nothing or {}", quote(&self.kept.title)))
                .finding(quote(title));
            self.guard.forgive("other title on the + line", error)?;
        }
        Ok(())
    }

    /// Reads quality lines until there is a score for each letter.
    ///
    /// "The length of the quality string should be equal to the length of the sequence string, after removing any line
    /// wrapping" (Cock et al.).
    fn read_quality(&mut self) -> Result<()> {
        self.kept.quality.clear();
        let length = self.kept.seq.len();
        if length == 0 {
            return self.pass_empty_quality();
        }
        while self.kept.quality.len() < length {
            if !self.lines.next_line()? {
                let error = self.lines.error_at_end(ErrorKind::Truncated, "the file ends in a quality");
                let error = error.in_record(&self.kept.name).expecting(count(length as u64, "score"));
                return Err(error.finding(self.kept.quality.len().to_string()));
            }
            let line = self.lines.line();
            let so_far = self.kept.quality.len();
            if line.is_empty() || so_far + line.len() > length {
                // A line with @ that is too long is the next record, and this one is too short.
                let found = if so_far > 0 && line.starts_with(b"@") { so_far } else { so_far + line.len() };
                return Err(self
                    .error(ErrorKind::Syntax, "sequence and quality differ in length")
                    .expecting(count(length as u64, "score"))
                    .finding(found.to_string()));
            }
            let known = self.encoding.set().prefix(line);
            if let Some(&byte) = line.get(known) {
                return Err(self
                    .error(ErrorKind::Syntax, "a quality that is no score")
                    .at_byte(self.lines.start() + known as u64)
                    .expecting(self.encoding.expected())
                    .finding(letter(byte)));
            }
            self.kept.quality.extend_from_slice(line);
            self.check_size()?;
        }
        Ok(())
    }

    /// The blank quality line of a read without letters, which some programs leave out.
    fn pass_empty_quality(&mut self) -> Result<()> {
        if self.lines.ahead()?.len() == 1 {
            self.lines.fill()?;
        }
        if matches!(self.lines.ahead()?, [b'\n', ..] | [b'\r', b'\n', ..]) {
            self.lines.next_line()?;
        }
        Ok(())
    }

    fn next_line(&mut self, expected: &'static str) -> Result<()> {
        if self.lines.next_line()? {
            return Ok(());
        }
        let error = self.lines.error_at_end(ErrorKind::Truncated, "the file ends in a record");
        Err(error.in_record(&self.kept.name).expecting(expected))
    }

    fn check_size(&self) -> Result<()> {
        if (self.kept.seq.len() + self.kept.quality.len()) as u64 <= self.guard.limits.max_record {
            return Ok(());
        }
        let problem = format!("the record is larger than {} bytes", self.guard.limits.max_record);
        Err(self.error(ErrorKind::Limit, problem))
    }

    /// An error at the current line of the record.
    fn error(&self, kind: ErrorKind, problem: impl Into<std::borrow::Cow<'static, str>>) -> Error {
        self.lines.error(kind, problem).in_record(&self.kept.name)
    }
}

/// Where the name of a title ends.
fn name_end(title: &[u8]) -> usize {
    memchr::memchr2(b' ', b'\t', title).unwrap_or(title.len())
}

impl<R: Read> Iterator for FastqReader<R> {
    type Item = Result<FastqRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        let outcome = self.next_view().map(|view| view.map(|view| view.to_record()));
        self.guard.item(outcome)
    }
}

impl<R: Read> std::iter::FusedIterator for FastqReader<R> {}

impl<R> std::fmt::Debug for FastqReader<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FastqReader")
            .field("letters", &self.letters)
            .field("encoding", &self.encoding)
            .field("guard", &self.guard)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &[u8]) -> Result<Vec<FastqRecord>> {
        FastqReader::new("x.fq", text).collect()
    }

    fn record(name: &str, description: &str, seq: &str, quality: &str) -> FastqRecord {
        let description = (!description.is_empty()).then(|| description.to_owned());
        FastqRecord { description, ..FastqRecord::new(name, seq, quality, QualityEncoding::Sanger) }
    }

    #[test]
    fn layouts_of_the_same_records() {
        let expected = [record("a", "first one", "ACGTac", "I@+!~J"), record("b", "", "N", "#")];
        let check = |text: &[u8]| assert_eq!(read(text).unwrap(), expected, "{}", String::from_utf8_lossy(text));
        check(b"@a first one\nACGTac\n+\nI@+!~J\n@b\nN\n+\n#\n");
        check(b"@a first one\nACGTac\n+a first one\nI@+!~J\n@b\nN\n+b\n#\n");
        check(b"@a first one\nACGTac\n+\nI@+!~J\n@b\nN\n+\n#"); // no last line end
        check(b"@a first one\nACGTac\n+\nI@+!~J\n@b\nN\n+\n#\n\n\n"); // blank lines at the end
        check(b"@a first one\r\nACGTac\r\n+\r\nI@+!~J\r\n@b\r\nN\r\n+\r\n#\r\n\r\n");
        check(b"@a\tfirst one \r\nACGTac\n+\r\nI@+!~J\n@b\r\nN\n+\n#\r\n"); // mixed line ends
        check(b"\xef\xbb\xbf@a first one\nACGTac\n+\nI@+!~J\n@b\nN\n+\n#\n");
        check(b"@a first one\nACG\nTac\n+\nI\n@+!~\nJ\n@b\nN\n+\n#\n"); // wrapped, with @ at the start of a line
    }

    #[test]
    fn reads_without_letters() {
        let expected = [record("a", "", "", ""), record("b", "", "A", "I"), record("c", "", "", "")];
        let check = |text: &[u8]| assert_eq!(read(text).unwrap(), expected, "{}", String::from_utf8_lossy(text));
        check(b"@a\n\n+\n\n@b\nA\n+\nI\n@c\n\n+\n\n");
        check(b"@a\r\n\r\n+\r\n\r\n@b\r\nA\r\n+\r\nI\r\n@c\r\n\r\n+\r\n\r\n");
        check(b"@a\n+\n@b\nA\n+\nI\n@c\n+\n"); // without the blank lines
        check(b"@a\n\n+\n@b\nA\n+\nI\n@c\n\n+c\n");
    }

    #[test]
    fn errors_name_the_rule() {
        let check = |text: &[u8], expected: &str| {
            assert_eq!(read(text).unwrap_err().to_string(), format!("x.fq{expected}"));
        };
        check(b"", ": the file is empty: expected FASTQ records");
        check(b"\n \n", ": the file is empty: expected FASTQ records");
        check(b">a\nAC\n", ":1: byte 0: this is not FASTQ: expected a line with @ and a name, found \">a\"");
        check(b"@\nA\n+\nI\n", ":1: byte 0: a record without a name: expected a name right behind @");
        check(b"@ a\nA\n+\nI\n", ":1: byte 0: a record without a name: expected a name right behind @");
        check(
            b"@a x\rA\r+\rI\r",
            ":1: byte 0: a carriage return inside a title line: expected lines that end with a line feed",
        );
        check(b"@a", ":1: byte 0: the file ends in a title line: expected a sequence");
        check(b"@a\n", ":1: byte 3: the file ends in a record in record \"a\": expected a + line");
        check(b"@a\nAC", ":2: byte 5: the file ends in a record in record \"a\": expected a + line");
        check(b"@a\nAC\n+", ":3: byte 6: the file ends in a + line in record \"a\": expected 2 scores");
        check(b"@a\nAC\n+\n", ":3: byte 8: the file ends in a quality in record \"a\": expected 2 scores, found 0");
        check(b"@a\nAC\n+\nI", ":4: byte 9: the file ends in a quality in record \"a\": expected 2 scores, found 1");
        let lengths = "sequence and quality differ in length in record \"a\": expected 2 scores, found";
        check(b"@a\nAC\n+\nIII\n", &format!(":4: byte 8: {lengths} 3"));
        check(b"@a\nAC\n+\nI\n@b\n", &format!(":5: byte 10: {lengths} 1"));
        check(b"@a\nAC\n+\n\n@b\n", &format!(":4: byte 8: {lengths} 0"));
        check(
            b"@a\nAC\n+\nII\nII\n",
            ":5: byte 11: a line that belongs to no record: the quality before is as long as its sequence: expected a line \
             with @ and a name, found \"II\"",
        );
        check(
            b"@a\nAC\n@b\nAC\n",
            ":3: byte 6: a second @ line in record \"a\": expected letters or the + line, found \"@b\"",
        );
        check(
            b"@a x\nAC\n+a y\nII\n",
            ":3: byte 8: another title on the + line in record \"a\": expected nothing or \"a x\", found \"a y\"",
        );
        check(
            b"@a\nAC\n+\nI \n",
            ":4: byte 9: a quality that is no score in record \"a\": expected a Phred score from ! to ~ (0 to 93), found ' '",
        );
        check(
            b"@a\nA\0\n+\nII\n",
            ":2: byte 4: unknown letter in sequence \"a\": expected an IUPAC nucleotide, found byte 0x00",
        );
        check(
            b"@a\nA\n+\nI\n\n@b\nA\n+\nI\n",
            ":5: byte 9: a blank line that is not at the end of the file: expected a line with @ and a name",
        );
        check(b"@a\nA\n\nC\n+\nII\n", ":3: byte 5: a blank line in record \"a\": expected letters or the + line");
    }

    #[test]
    fn scores_of_other_encodings() {
        let read = |text: &'static [u8], encoding| FastqReader::new("x", text).with_encoding(encoding).next().unwrap();
        assert!(read(b"@a\nA\n+\n;\n", QualityEncoding::Solexa).is_ok());
        let error = read(b"@a\nA\n+\n:\n", QualityEncoding::Solexa).unwrap_err();
        assert_eq!(error.expected(), Some("a Solexa score from ; to ~ (-5 to 62)"));
        let error = read(b"@a\nA\n+\n;\n", QualityEncoding::Illumina13).unwrap_err();
        assert_eq!(error.expected(), Some("a Phred score from @ to ~ (0 to 62)"));
    }

    #[test]
    fn lenient_counts_what_strict_refuses() {
        let check = |text: &[u8], expected: &[FastqRecord], rules: &[(&str, u64)]| {
            let mut reader = FastqReader::new("x.fq", text).with_mode(Mode::Lenient);
            assert_eq!(reader.by_ref().collect::<Result<Vec<_>>>().unwrap(), expected);
            let forgiven: Vec<_> = reader.forgiven().iter().map(|(rule, n, _)| (rule, n)).collect();
            assert_eq!(forgiven, rules);
            assert!(read(text).is_err());
        };
        let (a, b) = (record("a", "", "AN", "I!"), record("b", "", "A", "I"));
        check(
            b"\n@a\nA\n\nN\n\n+\nI!\n\n\n@b\nA\n+\nI\n",
            &[a.clone(), b],
            &[("blank line that is not at the end of the file", 4)],
        );
        check(b"@\nAN\n+\nI!\n", &[record("", "", "AN", "I!")], &[("record without a name", 1)]);
        check(b"@a\nAN\n+b\nI!\n", std::slice::from_ref(&a), &[("other title on the + line", 1)]);
        check(b"@a\nA \tN\n+\nI!\n", std::slice::from_ref(&a), &[("blank in a sequence", 2)]);
        check(b"@a\nA.\n+\nI!\n", &[a], &[("dot in a sequence", 1)]);
    }

    #[test]
    fn limits_hold() {
        let check = |text: &[u8], limits: Limits, expected: Option<&str>| {
            let result: Result<Vec<_>> = FastqReader::new("x", text).with_limits(limits).collect();
            assert_eq!(
                result.err().map(|e| (e.kind(), e.to_string())),
                expected.map(|e| (ErrorKind::Limit, e.to_owned()))
            );
        };
        let text = b"@a\nACGT\n+\nIIII\n@b\nACGTA\n+\nIIIII\n";
        check(text, Limits { max_line: 6, ..Limits::default() }, None);
        let lines = Limits { max_line: 5, ..Limits::default() };
        check(text, lines, Some("x:6: byte 18: the line is longer than 5 bytes"));
        check(text, Limits { max_record: 10, ..Limits::default() }, None);
        let record = Limits { max_record: 9, ..Limits::default() };
        check(text, record, Some("x:8: byte 26: the record is larger than 9 bytes in record \"b\""));
        let records = Limits { max_records: 1, ..Limits::default() };
        check(text, records, Some("x: the file has more than 1 records"));
    }

    #[test]
    fn reads_of_every_size_cross_the_buffer() {
        let mut text = Vec::new();
        let mut expected = Vec::new();
        for (i, length) in [10, 100_000, 150, 300_000, 3_000_000, 151, 700_000, 1].into_iter().enumerate() {
            let seq = "ACGTN".repeat(length / 5 + 1)[..length].to_owned();
            let quality = "IF5,#@+".repeat(length / 7 + 1)[..length].to_owned();
            text.extend_from_slice(format!("@r{i}\n{seq}\n+\n{quality}\n").as_bytes());
            expected.push(record(&format!("r{i}"), "", &seq, &quality));
        }
        assert!(read(&text).unwrap() == expected);
    }

    /// Gives its bytes in small pieces.
    struct Pieces<'a>(&'a [u8], usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
            let n = self.1.min(buf.len());
            self.0.read(&mut buf[..n])
        }
    }

    /// Valid records with some damage.
    fn texts() -> impl Strategy<Value = Vec<u8>> {
        let record = (
            "[a-z]{1,3}( [a-z]{1,2})?",
            0usize..80,
            any::<bool>(),
            any::<bool>(),
            prop_oneof![9 => Just(1000usize), 1 => 1usize..60],
        );
        let record = record.prop_map(|(title, length, repeat, crlf, width)| {
            let wrap = |text: &[u8]| match length {
                0 => "\n".to_owned(),
                _ => text.chunks(width).map(|line| String::from_utf8_lossy(line).into_owned() + "\n").collect(),
            };
            let seq: Vec<u8> = (0..length).map(|i| b"ACGTNacgtn"[i * 7 % 10]).collect();
            let quality: Vec<u8> = (0..length).map(|i| b"@I+5#~!J>;"[i * 3 % 10]).collect();
            let again = if repeat { &title[..] } else { "" };
            let text = format!("@{title}\n{}+{again}\n{}", wrap(&seq), wrap(&quality));
            if crlf { text.replace('\n', "\r\n") } else { text }
        });
        let damage = (
            any::<proptest::sample::Index>(),
            prop_oneof![any::<u8>(), proptest::sample::select(&b"@+\n\r .A-\0"[..])],
            0..3u8,
        );
        (proptest::collection::vec(record, 1..8), proptest::collection::vec(damage, 0..3)).prop_map(
            |(records, damage)| {
                let mut text = records.concat().into_bytes();
                for (at, byte, kind) in damage {
                    if text.is_empty() {
                        break;
                    }
                    let at = at.index(text.len());
                    match kind {
                        0 => text[at] = byte,
                        1 => text.insert(at, byte),
                        _ => drop(text.remove(at)),
                    }
                }
                text
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn any_bytes_give_records_or_an_error(text in proptest::collection::vec(any::<u8>(), 0..300), start in 0usize..3) {
            let text = [[&b""[..], b"@", b"@a\nA\n+\nI\n@"][start], &text].concat();
            for mode in [Mode::Strict, Mode::Lenient] {
                for record in FastqReader::new("x", &text[..]).with_mode(mode) {
                    if let Err(error) = record {
                        prop_assert!(!error.to_string().contains(char::is_control));
                        prop_assert!(error.byte().unwrap_or(0) <= text.len() as u64);
                    }
                }
            }
        }

        #[test]
        fn the_fast_path_agrees_with_the_slow_one(text in texts(), piece in 1usize..400, lenient in any::<bool>(), any in any::<bool>()) {
            let mode = if lenient { Mode::Lenient } else { Mode::Strict };
            let letters = if any { Letters::Any } else { Letters::Iupac };
            let mut fast = FastqReader::new("x", Pieces(&text, piece)).with_mode(mode).with_letters(letters);
            let mut slow = FastqReader::new("x", &text[..]).with_mode(mode).with_letters(letters);
            loop {
                let outcome = slow.read_lines();
                let found = slow.guard.note("x", outcome);
                let expected = found.map(|found| found.map(|found| slow.view(&found).to_record()));
                let got = fast.next_view().map(|view| view.map(|view| view.to_record()));
                match (expected, got) {
                    (Ok(expected), Ok(got)) => {
                        prop_assert_eq!(&expected, &got);
                        if expected.is_none() {
                            break;
                        }
                    }
                    (Err(expected), Err(got)) => {
                        prop_assert_eq!(expected.to_string(), got.to_string());
                        prop_assert_eq!(fast.next_view().unwrap_err().kind(), ErrorKind::Failed);
                        break;
                    }
                    (expected, got) => prop_assert!(false, "{expected:?} {got:?}"),
                }
            }
            prop_assert_eq!(slow.forgiven(), fast.forgiven());
        }

        #[test]
        fn what_strict_reads_lenient_reads_too(text in texts()) {
            let strict = read(&text);
            let mut reader = FastqReader::new("x.fq", &text[..]).with_mode(Mode::Lenient);
            let lenient: Result<Vec<_>> = reader.by_ref().collect();
            match strict {
                Ok(strict) => {
                    prop_assert_eq!(&strict, lenient.as_ref().unwrap());
                    prop_assert_eq!(reader.forgiven().total(), 0);
                }
                Err(_) => prop_assert!(lenient.is_err() || reader.forgiven().total() > 0),
            }
            for record in lenient.iter().flatten() {
                prop_assert_eq!(record.seq.len(), record.quality.len());
            }
        }
    }
}
