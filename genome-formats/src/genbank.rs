//! GenBank flat files, a record at a time (NCBI GenBank release notes, section 3.4).
//!
//! gb-io parses the fields in front of the features and the qualifiers of the features. What it does not tell or bound is
//! done here: the cut into records, the `LOCUS` line, the columns of the feature table, locations
//! ([`Location`]), and the sequence. So every error has its line, memory follows the bytes that were read and not the
//! declared length, and damaged text cannot overflow a number or the stack. Each feature reaches gb-io under a number in
//! place of its location, by which it is found again.
//!
//! Rules where the world ignores the format:
//!
//! - prose in front of the first record is skipped, and so are blank lines, `CONTIG`, `BASE COUNT` and the like;
//! - tabs count as blanks up to the next multiple of 8 columns; text that is not UTF-8 gets replacement characters;
//! - the last record may lack `//` if its sequence is as long as `LOCUS` says;
//! - a length that differs from `LOCUS` is an error, but a record without any letters (`CONTIG` only) is read.

use std::io::Read;

use crate::error::{Error, ErrorKind, Result, count, letter, quote};
use crate::fasta::Letters;
use crate::input::{Input, Limits};
use crate::lines::LineReader;
use crate::location::{Fault, Location};
use crate::record::SeqRecord;

/// Column at which locations and qualifiers start.
const INDENT: usize = 21;
/// Deepest column at which a feature key may start; the standard one is 5.
const KEY_INDENT: usize = 15;
/// Stands for the `LOCUS` line, which is parsed here.
const LOCUS: &str = "LOCUS       x 1 bp DNA linear UNK\n";
const FEATURES: &str = "FEATURES             Location/Qualifiers\n";

/// A GenBank record. Any value is legal; the reader checks, this type does not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GenbankRecord {
    /// The name on the `LOCUS` line.
    pub name: String,
    /// The first accession.
    pub accession: Option<String>,
    /// The accession with its version.
    pub version: Option<String>,
    /// The description, on one line.
    pub definition: Option<String>,
    /// The organism's name, without its lineage.
    pub organism: Option<String>,
    /// Whether the molecule is a ring.
    pub circular: bool,
    /// The length that `LOCUS` declares, which differs from `seq.len()` only where there is no sequence at all.
    pub declared_len: Option<u64>,
    /// The letters as the file has them (GenBank writes lower case, without a meaning). Empty for `CONTIG` records.
    pub seq: Vec<u8>,
    /// The features in the order of the file.
    pub features: Vec<Feature>,
}

/// One entry of a feature table.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Feature {
    /// The key: `gene`, `CDS`, ...
    pub kind: String,
    /// Where it is.
    pub location: Location,
    /// Name and value of each qualifier, in the order of the file; `/pseudo` has no value. A value that the file breaks
    /// into lines is joined with blanks, a `translation` without.
    pub qualifiers: Vec<(String, Option<String>)>,
}

impl Feature {
    /// The first value of a qualifier.
    pub fn qualifier(&self, name: &str) -> Option<&str> {
        let mut named = self.qualifiers.iter().filter(|(n, _)| n == name);
        named.find_map(|(_, value)| value.as_deref())
    }
}

impl From<GenbankRecord> for SeqRecord {
    /// Named by version, else accession, else `LOCUS`; described by the definition.
    fn from(record: GenbankRecord) -> Self {
        Self {
            name: record.version.or(record.accession).unwrap_or(record.name),
            description: record.definition,
            seq: record.seq,
        }
    }
}

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
    letters: Letters,
    limits: Limits,
    records: u64,
    done: bool,
}

impl GenbankReader<Input> {
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

    /// Chooses the alphabet; [`Letters::Iupac`] without this. Protein records need [`Letters::Any`].
    pub fn with_letters(mut self, letters: Letters) -> Self {
        self.letters = letters;
        self
    }

    /// Sets limits in place of [`Limits::default`].
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self.lines.set_max_line(limits.max_line);
        self
    }

    fn from_lines(lines: LineReader<R>) -> Self {
        Self { lines, letters: Letters::default(), limits: Limits::default(), records: 0, done: false }
            .with_limits(Limits::default())
    }

    fn read_record(&mut self) -> Result<Option<GenbankRecord>> {
        let Some(locus) = self.read_locus()? else {
            return Ok(None);
        };
        let mut text = RecordText::default();
        let has_origin = self.read_header(&locus, &mut text)?;
        let parsed = text.parse(self.lines.name(), &locus)?;
        let seq = if has_origin { self.read_sequence(&locus, text.bytes())? } else { Vec::new() };
        self.records += 1;
        self.build(locus, text, parsed, seq).map(Some)
    }

    /// Goes to the next `LOCUS` line and reads it.
    fn read_locus(&mut self) -> Result<Option<Locus>> {
        let mut prose = None;
        while self.lines.next_line()? {
            let line = self.lines.line();
            if starts_word(line, b"LOCUS") {
                return Locus::parse(&self.lines).map(Some);
            }
            if !line.trim_ascii().is_empty() {
                if self.records > 0 {
                    return Err(self.not_locus());
                }
                prose.get_or_insert_with(|| self.not_locus());
            }
        }
        match prose {
            Some(error) => Err(error),
            None if self.records > 0 => Ok(None),
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

    /// Reads up to the sequence or the end of the record; whether there is a sequence.
    fn read_header(&mut self, locus: &Locus, text: &mut RecordText) -> Result<bool> {
        loop {
            if !self.lines.next_line()? {
                return Err(self.end_in_record(locus));
            }
            let line = self.lines.line();
            if line.starts_with(b"//") {
                return Ok(false);
            }
            if starts_word(line, b"ORIGIN") {
                return Ok(true);
            }
            if starts_word(line, b"LOCUS") {
                return Err(self
                    .lines
                    .error(ErrorKind::Syntax, "a record without an end")
                    .in_record(&locus.name)
                    .expecting("//")
                    .finding("the next LOCUS"));
            }
            if let Err(expected) = text.push(line, self.lines.number(), self.lines.start()) {
                if self.lines.is_cut() {
                    return Err(self.end_in_record(locus));
                }
                let error = self.lines.error(ErrorKind::Syntax, "a broken feature");
                return Err(error.in_record(&locus.name).expecting(expected).finding(quote(line)));
            }
            self.check_size(locus, text.bytes())?;
        }
    }

    /// Reads the lines behind `ORIGIN`: numbers, blanks and letters.
    fn read_sequence(&mut self, locus: &Locus, header_bytes: u64) -> Result<Vec<u8>> {
        let mut seq = Vec::new();
        loop {
            if !self.lines.next_line()? {
                if locus.length == Some(seq.len() as u64) {
                    return Ok(seq);
                }
                return Err(self.end_in_record(locus));
            }
            let line = self.lines.line();
            if line.starts_with(b"//") {
                break;
            }
            for (word_start, word) in words(line) {
                let digits = word.iter().take_while(|b| b.is_ascii_digit()).count();
                let word = &word[digits..];
                if let Some(at) = self.letters.first_unknown(word) {
                    return Err(self
                        .lines
                        .error(ErrorKind::UnknownLetter, "unknown letter")
                        .at_byte(self.lines.start() + (word_start + digits + at) as u64)
                        .in_record(&locus.name)
                        .expecting(self.letters.expected())
                        .finding(letter(word[at])));
                }
                seq.extend_from_slice(word);
            }
            self.check_size(locus, header_bytes + seq.len() as u64)?;
        }
        match locus.length {
            Some(length) if length != seq.len() as u64 && !seq.is_empty() => Err(self
                .lines
                .error(ErrorKind::Syntax, "the sequence is not as long as LOCUS says")
                .in_record(&locus.name)
                .expecting(count(length, "letter"))
                .finding(seq.len().to_string())),
            _ => Ok(seq),
        }
    }

    fn check_size(&self, locus: &Locus, bytes: u64) -> Result<()> {
        if bytes <= self.limits.max_record {
            return Ok(());
        }
        let problem = format!("the record is larger than {} bytes", self.limits.max_record);
        Err(self.lines.error(ErrorKind::Limit, problem).in_record(&locus.name))
    }

    fn end_in_record(&self, locus: &Locus) -> Error {
        self.lines.error_at_end(ErrorKind::Truncated, "truncated file").in_record(&locus.name).expecting("//")
    }

    fn build(&self, locus: Locus, text: RecordText, parsed: gb_io::seq::Seq, seq: Vec<u8>) -> Result<GenbankRecord> {
        let length = if seq.is_empty() { locus.length } else { Some(seq.len() as u64) };
        let ring = length.filter(|_| locus.circular);
        let mut features = Vec::with_capacity(text.drafts.len());
        for (draft, feature) in text.drafts.into_iter().zip(parsed.features) {
            let location = Location::parse(&draft.location, ring).map_err(|Fault { at, expected }| {
                let found = match &draft.location[at.min(draft.location.len())..] {
                    [] => "nothing".to_owned(),
                    rest => quote(rest),
                };
                Error::new(
                    ErrorKind::Syntax,
                    self.lines.name(),
                    format!("a broken location of the feature {}", quote(draft.kind.as_bytes())),
                )
                .at_line(draft.line)
                .at_byte(draft.byte)
                .in_record(&locus.name)
                .expecting(expected)
                .finding(found)
                .with_snippet(&draft.location)
            })?;
            let qualifiers = feature.qualifiers.into_iter();
            features.push(Feature {
                kind: draft.kind,
                location,
                qualifiers: qualifiers
                    .map(|(name, value)| (name.into_owned(), value.map(|v| v.replace('\n', " "))))
                    .collect(),
            });
        }
        Ok(GenbankRecord {
            name: locus.name,
            accession: first_word(parsed.accession),
            version: first_word(parsed.version),
            definition: parsed.definition.and_then(on_one_line),
            organism: parsed
                .source
                .and_then(|s| s.organism)
                .and_then(|o| o.lines().next().map(str::to_owned))
                .and_then(on_one_line),
            circular: locus.circular,
            declared_len: locus.length,
            seq,
            features,
        })
    }
}

impl<R: Read> Iterator for GenbankReader<R> {
    type Item = Result<GenbankRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let record = self.read_record();
        self.done = !matches!(record, Ok(Some(_)));
        record.transpose()
    }
}

impl<R: Read> std::iter::FusedIterator for GenbankReader<R> {}

impl<R> std::fmt::Debug for GenbankReader<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GenbankReader")
            .field("letters", &self.letters)
            .field("records", &self.records)
            .finish_non_exhaustive()
    }
}

/// The `LOCUS` line.
#[derive(Debug)]
struct Locus {
    name: String,
    length: Option<u64>,
    circular: bool,
    line: u64,
    byte: u64,
}

impl Locus {
    /// Reads `LOCUS name length bp molecule topology division date` by words: its columns moved over the decades.
    fn parse<R: Read>(lines: &LineReader<R>) -> Result<Self> {
        let text = String::from_utf8_lossy(lines.line()).into_owned();
        let words: Vec<&str> = text.split_whitespace().skip(1).collect();
        let unit = words.iter().position(|w| matches!(*w, "bp" | "aa" | "rc"));
        let length = unit.and_then(|unit| words.get(unit.checked_sub(1)?)?.parse().ok());
        let broken = || {
            lines
                .error(ErrorKind::Syntax, "a broken LOCUS line")
                .expecting("LOCUS, a name, a length and bp or aa")
                .finding(quote(lines.line()))
        };
        let (Some(unit), Some(length)) = (unit, length) else {
            return Err(broken());
        };
        if unit < 2 {
            return Err(broken());
        }
        // In contig records (`rc`) the number counts records, not letters.
        let letters = words[unit] != "rc";
        Ok(Self {
            name: words[..unit - 1].join(" "),
            length: letters.then_some(length),
            circular: words[unit + 1..].contains(&"circular"),
            line: lines.number(),
            byte: lines.start(),
        })
    }
}

/// A feature without its qualifiers.
#[derive(Debug)]
struct Draft {
    kind: String,
    /// The location without blanks.
    location: Vec<u8>,
    line: u64,
    byte: u64,
    /// Where its text starts in [`RecordText::features`].
    start: usize,
}

/// A record's lines in the form that gb-io gets.
#[derive(Debug, Default)]
struct RecordText {
    section: Section,
    fields: String,
    features: String,
    drafts: Vec<Draft>,
    /// Line and byte in the file of every line of `features`.
    feature_lines: Vec<(u64, u64)>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum Section {
    #[default]
    Fields,
    Features,
    /// In the features, on the lines of a location.
    Location,
    /// Behind the features, where nothing is kept.
    Tail,
}

impl RecordText {
    fn bytes(&self) -> u64 {
        (self.fields.len() + self.features.len()) as u64
    }

    /// Takes a line; on an error says what was expected.
    fn push(&mut self, line: &[u8], number: u64, byte: u64) -> std::result::Result<(), &'static str> {
        let line = String::from_utf8_lossy(line);
        let line = expand_tabs(line.trim_end());
        let indent = line.len() - line.trim_start_matches(' ').len();
        let body = &line[indent..];
        if body.is_empty() {
            return Ok(());
        }
        if indent == 0 {
            self.section = if body.starts_with("FEATURES") {
                Section::Features
            } else if body.starts_with("CONTIG") || self.section != Section::Fields {
                Section::Tail
            } else {
                Section::Fields
            };
        }
        match self.section {
            Section::Tail => {}
            Section::Fields => {
                self.fields.push_str(&line);
                self.fields.push('\n');
            }
            Section::Features | Section::Location if indent == 0 => {}
            Section::Features | Section::Location if indent <= KEY_INDENT => {
                let (kind, location) = body.split_once(' ').unwrap_or((body, ""));
                let location = without_blanks(location);
                if location.is_empty() {
                    return Err("a key and a location");
                }
                self.drafts.push(Draft {
                    kind: kind.to_owned(),
                    location,
                    line: number,
                    byte,
                    start: self.features.len(),
                });
                self.features.push_str(&placeholder(self.drafts.len()));
                self.feature_lines.push((number, byte));
                self.section = Section::Location;
            }
            Section::Features | Section::Location => {
                let Some(draft) = self.drafts.last_mut() else {
                    return Err("a feature key");
                };
                if self.section == Section::Location && !body.starts_with('/') {
                    draft.location.append(&mut without_blanks(body));
                    return Ok(());
                }
                self.section = Section::Features;
                self.features.push_str(&" ".repeat(INDENT));
                self.features.push_str(&line[indent.min(INDENT)..]);
                self.features.push('\n');
                self.feature_lines.push((number, byte));
            }
        }
        Ok(())
    }

    /// Lets gb-io parse the record, and finds the line where it could not.
    fn parse(&self, path: &str, locus: &Locus) -> Result<gb_io::seq::Seq> {
        match run_gb_io(&[LOCUS, &self.fields, FEATURES, &self.features]) {
            Ok(seq) if is_sound(&seq, 1..=self.drafts.len(), &self.features) => Ok(seq),
            Ok(_) => Err(self.blame(path, locus, "a feature that cannot be read")),
            Err(problem) => Err(self.blame(path, locus, &problem)),
        }
    }

    /// The error for the first feature, and in it the first qualifier, that gb-io does not take alone.
    fn blame(&self, path: &str, locus: &Locus, problem: &str) -> Error {
        for (i, draft) in self.drafts.iter().enumerate() {
            let end = self.drafts.get(i + 1).map_or(self.features.len(), |d| d.start);
            let block = &self.features[draft.start..end];
            if self.takes(block, i + 1) {
                continue;
            }
            // Ends of the qualifiers: in front of each line that starts one, and at the end of the block.
            let mark = format!("\n{}/", " ".repeat(INDENT));
            let mut from = block.find('\n').map_or(block.len(), |at| at + 1);
            loop {
                let to = block[from..].find(&mark).map_or(block.len(), |at| from + at + 1);
                if to == block.len() || !self.takes(&block[..to], i + 1) {
                    break;
                }
                from = to;
            }
            let lines_before = self.features[..draft.start + from].matches('\n').count();
            let (line, byte) = self.feature_lines.get(lines_before).copied().unwrap_or((draft.line, draft.byte));
            let found = block[from..].lines().next().unwrap_or_default().trim();
            return Error::new(
                ErrorKind::Syntax,
                path,
                format!("a broken qualifier of the feature {}", quote(draft.kind.as_bytes())),
            )
            .at_line(line)
            .at_byte(byte)
            .in_record(&locus.name)
            .expecting("/name, /name=value or /name=\"value\"")
            .finding(quote(found.as_bytes()))
            .with_snippet(found.as_bytes());
        }
        Error::new(ErrorKind::Syntax, path, "a broken record")
            .at_line(locus.line)
            .at_byte(locus.byte)
            .in_record(&locus.name)
            .finding(quote(problem.as_bytes()))
    }

    fn takes(&self, block: &str, number: usize) -> bool {
        run_gb_io(&[LOCUS, FEATURES, block]).is_ok_and(|seq| is_sound(&seq, number..=number, block))
    }
}

/// A feature line whose location is a number.
fn placeholder(number: usize) -> String {
    format!("     f               {number}\n")
}

/// Whether the features are the placeholders with these numbers, and no value is half of a quoted one. gb-io takes a
/// broken quoted value for a plain one that starts with a quote; a value that rightly does so is in the text, escaped.
fn is_sound(seq: &gb_io::seq::Seq, numbers: std::ops::RangeInclusive<usize>, text: &str) -> bool {
    let is = |(feature, number): (&gb_io::seq::Feature, usize)| {
        feature.kind == "f" && feature.location == gb_io::seq::Location::single(number as i64 - 1)
    };
    let half_quoted = |(name, value): &gb_io::seq::Qualifier| {
        value.as_ref().is_some_and(|value| {
            let escaped = value.replace('"', "\"\"").replace('\n', &format!("\n{}", " ".repeat(INDENT)));
            value.starts_with('"') && !text.contains(&format!("/{name}=\"{escaped}\"\n"))
        })
    };
    seq.features.len() == numbers.clone().count()
        && seq.features.iter().zip(numbers).all(is)
        && !seq.features.iter().flat_map(|f| &f.qualifiers).any(half_quoted)
}

fn run_gb_io(parts: &[&str]) -> std::result::Result<gb_io::seq::Seq, String> {
    let text = [parts, &["//\n"]].concat().concat();
    match gb_io::reader::SeqReader::new(text.as_bytes()).next() {
        Some(Ok(seq)) => Ok(seq),
        Some(Err(error)) => Err(error.to_string()),
        None => Err("no record".to_owned()),
    }
}

fn starts_word(line: &[u8], word: &[u8]) -> bool {
    line.strip_prefix(word).is_some_and(|rest| rest.first().is_none_or(u8::is_ascii_whitespace))
}

/// The words of a line with their offsets.
fn words(line: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    line.split(|b| matches!(b, b' ' | b'\t')).filter_map(move |word| {
        let start = at;
        at += word.len() + 1;
        (!word.is_empty()).then_some((start, word))
    })
}

fn without_blanks(text: &str) -> Vec<u8> {
    text.bytes().filter(|b| !b.is_ascii_whitespace()).collect()
}

fn expand_tabs(line: &str) -> std::borrow::Cow<'_, str> {
    if !line.contains('\t') {
        return line.into();
    }
    let mut out = String::with_capacity(line.len() + 16);
    for c in line.chars() {
        if c == '\t' {
            out.push_str(&" ".repeat(8 - out.len() % 8));
        } else {
            out.push(c);
        }
    }
    out.into()
}

/// The first word, unless it is the `.` that stands for nothing.
fn first_word(text: Option<String>) -> Option<String> {
    let text = text?;
    text.split_whitespace().next().filter(|w| *w != ".").map(str::to_owned)
}

fn on_one_line(text: String) -> Option<String> {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    (!text.is_empty() && text != ".").then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coord::Strand;
    use crate::location::Operator;
    use proptest::prelude::*;

    const DEMO: &str = "\
LOCUS       DEMO                      30 bp    DNA     circular SYN 01-JAN-2026
DEFINITION  A demonstration
            on two lines.
ACCESSION   DEMO00 OTHER
VERSION     DEMO00.1  GI:1
SOURCE      Demo
  ORGANISM  Demo demonstrans
            Bacteria; Demo.
REFERENCE   1  (bases 1 to 30)
COMMENT     LOCUS inside text.
FEATURES             Location/Qualifiers
     source          1..30
                     /organism=\"Demo demonstrans\"
     CDS             complement(join(1..6,
                     10..12))
                     /gene=\"demo\"
                     /note=\"a long note with \"\"quotes\"\"
                     and / a second line\"
                     /pseudo
                     /codon_start=1
                     /translation=\"MK
                     LV\"
BASE COUNT       10 a
CONTIG      join(X.1:1..30)
ORIGIN
        1 acgtacgtac gtacgtacgt
       21 acgtacgtac
//
";

    fn read(text: &[u8]) -> Result<Vec<GenbankRecord>> {
        GenbankReader::new("x.gb", text).collect()
    }

    fn error(text: &str) -> String {
        read(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn a_whole_record() {
        let records = read(DEMO.as_bytes()).unwrap();
        let [record] = &records[..] else { panic!("{records:?}") };
        assert_eq!(record.name, "DEMO");
        assert_eq!(record.accession.as_deref(), Some("DEMO00"));
        assert_eq!(record.version.as_deref(), Some("DEMO00.1"));
        assert_eq!(record.definition.as_deref(), Some("A demonstration on two lines."));
        assert_eq!(record.organism.as_deref(), Some("Demo demonstrans"));
        assert!(record.circular);
        assert_eq!(record.seq, b"acgtacgtacgtacgtacgtacgtacgtac");
        let cds = &record.features[1];
        assert_eq!((&*cds.kind, cds.location.operator()), ("CDS", Operator::Join));
        let parts: Vec<_> = cds.location.parts().iter().map(|p| (p.span.start(), p.span.end(), p.strand)).collect();
        assert_eq!(parts, [(9, 12, Strand::Reverse), (0, 6, Strand::Reverse)]);
        let q = |name: &str| cds.qualifier(name);
        assert_eq!(q("note"), Some("a long note with \"quotes\" and / a second line"));
        assert_eq!((q("translation"), q("codon_start"), q("pseudo")), (Some("MKLV"), Some("1"), None));
        assert!(cds.qualifiers.contains(&("pseudo".into(), None)));

        let record = SeqRecord::from(record.clone());
        assert_eq!(record.name, "DEMO00.1");
        assert_eq!(record.description.as_deref(), Some("A demonstration on two lines."));
    }

    #[test]
    fn layouts_of_the_same_record() {
        let expected = read(DEMO.as_bytes()).unwrap();
        let check = |text: String| assert_eq!(read(text.as_bytes()).unwrap(), expected);
        check(DEMO.replace('\n', "\r\n"));
        check(format!("\u{feff}{DEMO}"));
        check(format!("GBVRL1.SEQ  Genetic Sequence Data Bank\n\n 3 loci\n\n{DEMO}\n\n"));
        check(DEMO.trim_end().to_owned());
        check(DEMO.trim_end().trim_end_matches('/').to_owned());
        check(
            DEMO.replace("CDS             ", "CDS\t\t     ")
                .replace("\n                     /gene", "\n\t\t     /gene"),
        );
        check(DEMO.replace("gtacgtac", "gtac gtac"));
        assert_eq!(read(DEMO.repeat(3).as_bytes()).unwrap().len(), 3);
    }

    #[test]
    fn records_without_a_sequence() {
        let text = "LOCUS       X 5000 bp DNA CON\nCONTIG      join(A.1:1..5000)\n//\n";
        let record = &read(text.as_bytes()).unwrap()[0];
        assert_eq!((record.declared_len, record.seq.len()), (Some(5000), 0));
    }

    #[test]
    fn errors_give_the_line_and_the_record() {
        assert_eq!(error(""), "x.gb: the file is empty: expected GenBank records");
        // Replaces `from`, and expects the error at the first `at` in the new text.
        let check = |from: &str, to: &str, at: &str, expected: &str| {
            let text = DEMO.replacen(from, to, 1);
            assert_ne!(text, DEMO);
            let byte = text.find(at).unwrap();
            let line = text[..byte].matches('\n').count() + 1;
            let expected = expected.replace("{byte}", &format!("byte {byte}"));
            assert_eq!(error(&text), format!("x.gb:{line}: {expected}"));
        };
        check(DEMO, "\nhello\n", "hello", "{byte}: this is not GenBank: expected a line LOCUS, found \"hello\"");
        check(
            "\n//\n",
            "\n//\nhello\n",
            "hello",
            "{byte}: this is not GenBank: expected a line LOCUS, found \"hello\"",
        );
        check(
            "LOCUS       DEMO                      30 bp    DNA     circular SYN 01-JAN-2026",
            "LOCUS       DEMO bp",
            "LOCUS",
            "{byte}: a broken LOCUS line: expected LOCUS, a name, a length and bp or aa, found \"LOCUS       DEMO bp\"",
        );
        check(
            "acgtacgtac\n//",
            "acgtXcgtac\n//",
            "Xcgtac",
            "{byte}: unknown letter in sequence \"DEMO\": expected an IUPAC nucleotide, found 'X'",
        );
        check(
            "acgtacgtac\n//",
            "acgt\n//",
            "//\n",
            "{byte}: the sequence is not as long as LOCUS says in record \"DEMO\": expected 30 letters, found 24",
        );
        check(
            "10..12))",
            "10..x))",
            "     CDS ",
            "{byte}: a broken location of the feature \"CDS\" in record \"DEMO\": expected a base number, found \"x))\"",
        );
        check(
            "CDS             complement(join(1..6,",
            "CDS",
            "     CDS",
            "{byte}: a broken feature in record \"DEMO\": expected a key and a location, found \"     CDS\"",
        );
        let qualifier = "{byte}: a broken qualifier of the feature \"CDS\" in record \"DEMO\": expected /name, /name=value or /name=\"value\", found";
        check(
            "/gene=\"demo\"",
            "/gene=\"demo\"x",
            "                     /gene",
            &(qualifier.to_owned() + " \"/gene=\\\"demo\\\"x\""),
        );
        check(
            "/translation=\"MK\n                     LV\"",
            "/translation=\"MK",
            "                     /translation",
            &(qualifier.to_owned() + " \"/translation=\\\"MK\""),
        );
        check(
            "ORIGIN\n",
            "LOCUS       B 3 bp DNA\n",
            "LOCUS       B",
            "{byte}: a record without an end in record \"DEMO\": expected //, found the next LOCUS",
        );
    }

    #[test]
    fn a_cut_file_is_truncated() {
        for cut in DEMO.find('\n').unwrap() + 1..DEMO.find("acgtacgtac\n//").unwrap() {
            let error = read(&DEMO.as_bytes()[..cut]).unwrap_err();
            assert_eq!((error.kind(), error.record()), (ErrorKind::Truncated, Some("DEMO")), "cut at {cut}: {error}");
            assert_eq!(error.byte(), Some(cut as u64));
        }
    }

    #[test]
    fn values_may_start_with_an_escaped_quote() {
        let text = DEMO.replacen("/gene=\"demo\"", "/gene=\"\"\"demo\"\" x\n                     y\"", 1);
        let records = read(text.as_bytes()).unwrap();
        assert_eq!(records[0].features[1].qualifier("gene"), Some("\"demo\" x y"));
    }

    #[test]
    fn a_huge_declared_length_costs_nothing() {
        let text = DEMO.replacen("30 bp", "18446744073709551615 bp", 1);
        assert!(error(&text).contains("expected 18446744073709551615 letters, found 30"));
    }

    #[test]
    fn limits_hold() {
        let limits = Limits { max_record: 100, ..Limits::default() };
        let error = GenbankReader::new("x.gb", DEMO.as_bytes()).with_limits(limits).next().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limit);
    }

    proptest! {
        #[test]
        fn any_bytes_never_panic(text in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&text);
            let _ = read(&[b"LOCUS X 3 bp\nFEATURES\n     CDS 1..3\n                     /", &text[..]].concat());
        }

        #[test]
        fn a_damaged_record_never_panics(at in 0..DEMO.len(), byte in any::<u8>(), cut in 0..DEMO.len()) {
            let mut text = DEMO.as_bytes().to_vec();
            text[at] = byte;
            if let Err(error) = read(&text) {
                prop_assert!(!error.to_string().contains(char::is_control));
            }
            let _ = read(&text[cut..]);
            let _ = read(&text[..cut]);
        }
    }
}
