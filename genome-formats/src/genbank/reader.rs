//! Reads GenBank.

use std::io::Read;
use std::path::Path;

use crate::error::{Error, ErrorKind, Result, quote};
use crate::fasta::Letters;
use crate::guard::{Forgiven, Guard, Mode};
use crate::input::{Input, Limits};
use crate::lines::LineReader;

use super::features::{FeatureTable, Molecule};
use super::header::{Header, read_locus};
use super::record::{GenbankRecord, LengthUnit};
use super::sequence;
use super::text::{Place, is_plain, on_one_line, starts_word};

/// Reads GenBank records one by one. After an error it gives nothing more.
///
/// ```
/// use genome_formats::GenbankReader;
///
/// let text: &[u8] = b"LOCUS       DEMO 9 bp DNA circular SYN 01-JAN-2026
/// DEFINITION  A demonstration.
/// VERSION     DEMO.1
/// FEATURES             Location/Qualifiers
///      CDS             1..9
///                      /gene=\"demo\"
/// ORIGIN
///         1 atgaaataa
/// //
/// ";
/// let record = GenbankReader::new("demo.gb", text).next().unwrap()?;
/// assert!(record.circular);
/// assert_eq!(record.seq, b"atgaaataa");
/// assert_eq!(record.features[0].kind, "CDS");
/// assert_eq!(record.features[0].qualifier("gene"), Some("demo"));
/// # Ok::<(), genome_formats::Error>(())
/// ```
pub struct GenbankReader<R> {
    lines: LineReader<R>,
    guard: Guard,
    letters: Option<Letters>,
    header: Header,
    table: FeatureTable,
    /// Name of the record, for errors.
    name: String,
    /// Bytes of the record's lines in front of the sequence.
    taken: u64,
}

/// What ended the lines in front of the sequence.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Sequence,
    Record,
}

impl GenbankReader<Input> {
    /// Opens a file, plain or compressed; `-` is standard input.
    ///
    /// # Errors
    ///
    /// As [`Input::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Ok(Self::from_input(Input::open(path)?))
    }

    /// Reads an opened input.
    pub fn from_input(input: Input) -> Self {
        Self::from_lines(LineReader::from_input(input))
    }
}

impl<R: Read> GenbankReader<R> {
    /// Reads plain text; `name` stands in errors.
    pub fn new(name: impl Into<String>, reader: R) -> Self {
        Self::from_lines(LineReader::new(name, reader, 0))
    }

    /// Chooses the alphabet. Without this it is [`Letters::Iupac`] for `bp` records and [`Letters::Any`] for proteins (`aa`).
    pub fn with_letters(mut self, letters: Letters) -> Self {
        self.letters = Some(letters);
        self
    }

    /// Chooses how broken rules are treated; [`Mode::Strict`] without this.
    pub fn with_mode(mut self, mode: Mode) -> Self {
        self.guard.mode = mode;
        self.lines.set_mode(mode);
        self
    }

    /// Sets limits in place of [`Limits::default`].
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.guard.limits = limits;
        self.lines.set_max_line(limits.max_line);
        self
    }

    /// What a lenient reader let pass so far.
    pub fn forgiven(&self) -> &Forgiven {
        &self.guard.forgiven
    }

    /// Reads the next record in place of `record`, whose memory is used again; `false` at the end. This is the fast way
    /// through a file. After an error the content of `record` means nothing.
    ///
    /// ```
    /// use genome_formats::{GenbankReader, GenbankRecord};
    ///
    /// let text = "LOCUS       A 4 bp DNA linear SYN 01-JAN-2026\nORIGIN\n        1 acgt\n//\n".repeat(3);
    /// let mut reader = GenbankReader::new("demo.gb", text.as_bytes());
    /// let (mut record, mut letters) = (GenbankRecord::default(), 0);
    /// while reader.read_into(&mut record)? {
    ///     letters += record.seq.len();
    /// }
    /// assert_eq!(letters, 12);
    /// # Ok::<(), genome_formats::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The file is no GenBank, breaks one of its rules, or is larger than the limits allow.
    pub fn read_into(&mut self, record: &mut GenbankRecord) -> Result<bool> {
        let outcome = self.guard.check_failed(self.lines.name()).and_then(|()| self.read_record(record));
        let outcome = self.guard.note(self.lines.name(), outcome.map(|found| found.then_some(())));
        outcome.map(|found| found.is_some())
    }

    fn from_lines(lines: LineReader<R>) -> Self {
        Self {
            lines,
            guard: Guard::default(),
            letters: None,
            header: Header::default(),
            table: FeatureTable::default(),
            name: String::new(),
            taken: 0,
        }
    }

    fn read_record(&mut self, record: &mut GenbankRecord) -> Result<bool> {
        record.reset();
        if !self.find_locus()? {
            return Ok(false);
        }
        self.taken = 0;
        self.read_locus(record)?;
        if self.read_header(record)? == Next::Sequence {
            self.read_sequence(record)?;
        }
        Ok(true)
    }

    /// Goes to the next `LOCUS` line.
    fn find_locus(&mut self) -> Result<bool> {
        let mut prose = None;
        while self.lines.next_line()? {
            let line = self.lines.line();
            let lower = || is_keyword(line, b"LOCUS") && read_locus(line, &mut GenbankRecord::default()).is_ok();
            if starts_word(line, b"LOCUS") || (self.guard.is_lenient() && lower()) {
                return Ok(true);
            }
            if !line.trim_ascii().is_empty() {
                if self.guard.records > 0 {
                    let error = self.not_locus();
                    self.guard.forgive("text between records", error)?;
                } else if prose.is_none() {
                    prose = Some(self.not_locus());
                }
            }
        }
        match prose {
            Some(error) => Err(error),
            None if self.guard.records > 0 => Ok(false),
            None => {
                Err(Error::new(ErrorKind::Empty, self.lines.name(), "the file is empty").expecting("GenBank records"))
            }
        }
    }

    fn not_locus(&self) -> Error {
        self.lines
            .error(ErrorKind::Syntax, "this is not GenBank")
            .expecting("a line LOCUS")
            .finding(quote(self.lines.line()))
    }

    /// Reads the current line, which starts with `LOCUS`.
    fn read_locus(&mut self, record: &mut GenbankRecord) -> Result<()> {
        self.name.clear();
        let mut place = Place { lines: &self.lines, guard: &mut self.guard, record: "" };
        keyword_case(self.lines.line(), b"LOCUS", &mut place)?;
        let line = place.clean(self.lines.line())?;
        read_locus(&line, record).map_err(|expected| {
            place.error("a broken LOCUS line").expecting(expected).finding(quote(self.lines.line()))
        })?;
        self.name.push_str(&record.name);
        self.header.start();
        self.table.start(Molecule { length: record.declared_len, circular: record.circular });
        Ok(())
    }

    /// Reads up to the sequence or the end of the record.
    fn read_header(&mut self, record: &mut GenbankRecord) -> Result<Next> {
        let mut in_features = false;
        let next = loop {
            if !self.lines.next_line()? {
                let error = self.end_in_record();
                self.guard.forgive("record without an end", error)?;
                break Next::Record;
            }
            let line = self.lines.line();
            self.taken += line.len() as u64;
            if self.taken > self.guard.limits.max_record {
                let problem = format!("the record is larger than {} bytes", self.guard.limits.max_record);
                return Err(self.lines.error(ErrorKind::Limit, problem).in_record(&self.name));
            }
            let mut place = Place { lines: &self.lines, guard: &mut self.guard, record: &self.name };
            let outcome = match line.first() {
                Some(b' ') if in_features && is_plain(line) => {
                    self.table.line(line.trim_ascii_end(), &mut record.features, &mut place).map(|()| None)
                }
                Some(b'/') if line.starts_with(b"//") => Ok(Some(Next::Record)),
                _ => self.any_line(&mut in_features, record),
            };
            match outcome {
                Ok(None) => {}
                Ok(Some(next)) => break next,
                // The last line may be half of one.
                Err(error) if self.lines.is_cut() && error.kind() == ErrorKind::Syntax => {
                    return Err(self.end_in_record());
                }
                Err(error) => return Err(error),
            }
        };
        self.header.finish(record);
        let mut place = Place { lines: &self.lines, guard: &mut self.guard, record: &self.name };
        self.table.finish(&mut record.features, &mut place)?;
        Ok(next)
    }

    /// A line of any kind; what follows, if it ends this part of the record.
    fn any_line(&mut self, in_features: &mut bool, record: &mut GenbankRecord) -> Result<Option<Next>> {
        let mut place = Place { lines: &self.lines, guard: &mut self.guard, record: &self.name };
        let line = place.clean(self.lines.line())?;
        if line.first().is_none_or(|&b| b == b' ') {
            if *in_features {
                self.table.line(&line, &mut record.features, &mut place)?;
            } else {
                self.header.line(&line, record, &mut place)?;
            }
            return Ok(None);
        }
        if *in_features {
            self.table.close(&mut record.features, &mut place)?;
            *in_features = false;
        }
        if is_keyword(&line, b"LOCUS") {
            let error = place.error("a record without an end").expecting("//").finding("the next LOCUS");
            place.forgive("record without an end", error)?;
            self.lines.hold();
            return Ok(Some(Next::Record));
        }
        if is_keyword(&line, b"FEATURES") {
            keyword_case(&line, b"FEATURES", &mut place)?;
            self.header.finish(record);
            *in_features = true;
        } else if is_keyword(&line, b"ORIGIN") {
            keyword_case(&line, b"ORIGIN", &mut place)?;
            self.header.finish(record);
            if let Some(text) = on_one_line(&String::from_utf8_lossy(&line[b"ORIGIN".len()..])) {
                record.other.push(("ORIGIN".to_owned(), text));
            }
            return Ok(Some(Next::Sequence));
        } else {
            self.header.line(&line, record, &mut place)?;
        }
        Ok(None)
    }

    fn read_sequence(&mut self, record: &mut GenbankRecord) -> Result<()> {
        let letters = self.letters.unwrap_or(match record.unit {
            LengthUnit::Residues => Letters::Any,
            _ => Letters::Iupac,
        });
        let (lines, guard, seq) = (&mut self.lines, &mut self.guard, &mut record.seq);
        sequence::reserve(lines, record.declared_len, seq)?;
        let end = match sequence::read::<sequence::Genbank, R>(lines, guard, &self.name, letters, self.taken, seq) {
            Err(error) if error.kind() == ErrorKind::Syntax && self.lines.is_cut() => return Err(self.end_in_record()),
            end => end?,
        };
        let length = seq.len() as u64;
        if end == sequence::End::Input {
            // A record without `//` is whole where its letters are as many as LOCUS says.
            if record.declared_len != Some(length) {
                let error = self.end_in_record();
                self.guard.forgive("record without an end", error)?;
            }
            return Ok(());
        }
        sequence::check_length(&self.lines, &mut self.guard, &self.name, "LOCUS", record.declared_len, length)
    }

    fn end_in_record(&self) -> Error {
        self.lines.error_at_end(ErrorKind::Truncated, "truncated file").in_record(&self.name).expecting("//")
    }
}

fn is_keyword(line: &[u8], keyword: &[u8]) -> bool {
    line.get(..keyword.len()).is_some_and(|word| word.eq_ignore_ascii_case(keyword))
        && line.get(keyword.len()).is_none_or(u8::is_ascii_whitespace)
}

/// Keywords are in capitals.
fn keyword_case<R: Read>(line: &[u8], keyword: &[u8], place: &mut Place<'_, R>) -> Result<()> {
    if starts_word(line, keyword) {
        return Ok(());
    }
    let error = place.error("a broken header line").expecting("a keyword in capitals").finding(quote(line));
    place.forgive("keyword", error)
}

impl<R: Read> Iterator for GenbankReader<R> {
    type Item = Result<GenbankRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut record = GenbankRecord { features: Vec::with_capacity(self.table.count()), ..GenbankRecord::default() };
        let outcome = self.read_into(&mut record);
        record.shrink();
        let outcome = outcome.map(|found| found.then_some(record));
        self.guard.item(outcome)
    }
}

impl<R: Read> std::iter::FusedIterator for GenbankReader<R> {}

impl<R> std::fmt::Debug for GenbankReader<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GenbankReader")
            .field("letters", &self.letters)
            .field("guard", &self.guard)
            .finish_non_exhaustive()
    }
}
