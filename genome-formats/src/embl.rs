//! EMBL flat files (EMBL user manual, release 143, section 3; INSDC feature table definition 11.3), read into the record of
//! GenBank: both are layouts of one database.
//!
//! Coordinates: the file counts from 1 and includes the end; [`Location`](crate::Location) has 0-based half-open spans.
//!
//! ```
//! use genome_formats::EmblReader;
//!
//! let text: &[u8] = b"ID   X56734; SV 1; linear; mRNA; STD; PLN; 12 BP.
//! XX
//! DE   Trifolium repens mRNA
//! XX
//! FT   CDS             2..>12
//! FT                   /product=\"beta-glucosidase\"
//! SQ   Sequence 12 BP; 5 A; 1 C; 2 G; 4 T; 0 other;
//!      aaacaaacca tg                                                            12
//! //
//! ";
//! let record = EmblReader::new("x.embl", text).next().unwrap()?;
//! assert_eq!((record.version.as_deref(), record.seq.len()), (Some("X56734.1"), 12));
//! assert_eq!(record.features[0].location.to_string(), "2..>12");
//! # Ok::<(), genome_formats::Error>(())
//! ```
//!
//! Traps, and what is done about them:
//!
//! - The `ID` line has two layouts, before and after release 87 (2006); other programs write the old one to this day, some
//!   without a division. Both are read; the version stands on an `SV` line in old files.
//! - The number of a line of letters stands behind them and counts the last one. Some programs leave it out.
//! - Proteins (`AA`) come in the same format.
//! - A record has `SQ` or `CO` (the pieces that it is made of) at its end; one with neither was cut, and is refused. The
//!   counts of letters on the `SQ` line are not compared with the letters, its length is.
//! - What has no field of its own in the record (`DR`, `DT`, `OX`, ...) is kept under its line code.
//!
//! A lenient reader forgives, and counts, what that of GenBank does, and a record with neither letters nor pieces.

use std::io::Read;
use std::path::Path;

use crate::error::{Error, ErrorKind, Result, quote};
use crate::fasta::Letters;
use crate::genbank::features::{FeatureTable, Molecule};
use crate::genbank::sequence;
use crate::genbank::text::{Place, block, is_plain, list, on_one_line, push_text, without_blanks};
use crate::genbank::{GenbankRecord, LengthUnit, Reference};
use crate::guard::{Forgiven, Guard, Mode};
use crate::input::{Input, Limits};
use crate::lines::LineReader;

/// Column at which the text of a line starts.
const INDENT: usize = 5;

/// Reads EMBL records one by one, as [`GenbankRecord`]s. After an error it gives nothing more.
///
/// ```
/// use genome_formats::EmblReader;
///
/// let text: &[u8] = b"ID   X1; SV 1; linear; DNA; STD; SYN; 4 BP.\nSQ   Sequence 4 BP;\n     acgt 4\n//\n";
/// let records = EmblReader::new("x.embl", text).collect::<Result<Vec<_>, _>>()?;
/// assert_eq!((&*records[0].name, &*records[0].seq), ("X1", &b"acgt"[..]));
/// # Ok::<(), genome_formats::Error>(())
/// ```
pub struct EmblReader<R> {
    lines: LineReader<R>,
    guard: Guard,
    letters: Option<Letters>,
    field: Field,
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

impl EmblReader<Input> {
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

impl<R: Read> EmblReader<R> {
    /// Reads plain text; `name` stands in errors.
    pub fn new(name: impl Into<String>, reader: R) -> Self {
        Self::from_lines(LineReader::new(name, reader, 0))
    }

    /// Chooses the alphabet. Without this it is [`Letters::Iupac`] for `BP` records and [`Letters::Any`] for proteins (`AA`).
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

    /// Reads the next record in place of `record`, whose memory is used again; `false` at the end. After an error the
    /// content of `record` means nothing.
    ///
    /// # Errors
    ///
    /// The file is no EMBL, breaks one of its rules, or is larger than the limits allow.
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
            field: Field::default(),
            table: FeatureTable::default(),
            name: String::new(),
            taken: 0,
        }
    }

    fn read_record(&mut self, record: &mut GenbankRecord) -> Result<bool> {
        record.reset();
        if !self.find_id()? {
            return Ok(false);
        }
        self.taken = 0;
        self.read_id(record)?;
        if self.read_header(record)? == Next::Sequence {
            self.read_sequence(record)?;
        }
        Ok(true)
    }

    /// Goes to the next `ID` line.
    fn find_id(&mut self) -> Result<bool> {
        while self.lines.next_line()? {
            let line = self.lines.line();
            if code(line) == Some(b"ID") {
                return Ok(true);
            }
            if !line.trim_ascii().is_empty() {
                let error = self.lines.error(ErrorKind::Syntax, "this is not EMBL").expecting("a line ID");
                let error = error.finding(quote(line));
                if self.guard.records == 0 {
                    return Err(error);
                }
                self.guard.forgive("text between records", error)?;
            }
        }
        if self.guard.records == 0 {
            let error = Error::new(ErrorKind::Empty, self.lines.name(), "the file is empty");
            return Err(error.expecting("EMBL records"));
        }
        Ok(false)
    }

    fn read_id(&mut self, record: &mut GenbankRecord) -> Result<()> {
        self.name.clear();
        let mut place = Place { lines: &self.lines, guard: &mut self.guard, record: "" };
        let line = place.clean(self.lines.line())?;
        if read_id(&String::from_utf8_lossy(&line[2..]), record).is_none() {
            let error = place.error("a broken ID line").expecting("ID, a name, and a length with BP or AA at the end");
            return Err(error.finding(quote(&line)));
        }
        self.name.push_str(&record.name);
        self.field = Field::default();
        self.table.start(Molecule { length: record.declared_len, circular: record.circular });
        Ok(())
    }

    /// Reads up to the sequence or the end of the record.
    fn read_header(&mut self, record: &mut GenbankRecord) -> Result<Next> {
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
            let outcome = if line.starts_with(b"FT ") && record.contig.is_none() && is_plain(line) {
                let mut place = Place { lines: &self.lines, guard: &mut self.guard, record: &self.name };
                self.table.line(line.trim_ascii_end(), &mut record.features, &mut place).map(|()| None)
            } else {
                self.any_line(record)
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
        self.field.finish(record);
        let mut place = Place { lines: &self.lines, guard: &mut self.guard, record: &self.name };
        self.table.finish(&mut record.features, &mut place)?;
        Ok(next)
    }

    /// A line of any kind; what follows, if it ends this part of the record.
    fn any_line(&mut self, record: &mut GenbankRecord) -> Result<Option<Next>> {
        let mut place = Place { lines: &self.lines, guard: &mut self.guard, record: &self.name };
        let line = place.clean(self.lines.line())?;
        if line.is_empty() {
            return Ok(None);
        }
        if line.starts_with(b"//") {
            self.field.finish(record);
            if record.contig.is_none() {
                let error = place.error("a record without letters and without the pieces that it is made of");
                place.forgive("record without letters", error.expecting("a line SQ or CO").finding("//"))?;
            }
            return Ok(Some(Next::Record));
        }
        let Some(code) = code(&line) else {
            let error = place.error("a line without a code").expecting("two capitals and blanks").finding(quote(&line));
            return place.forgive("line without a code", error).map(|()| None);
        };
        if code == b"ID" {
            let error = place.error("a record without an end").expecting("//").finding("the next ID");
            place.forgive("record without an end", error)?;
            self.lines.hold();
            return Ok(Some(Next::Record));
        }
        // CO ends a record; SQ would have to be in its place.
        if self.field.code == *b"CO" && code != b"CO" {
            self.field.finish(record);
        }
        if record.contig.is_some() && code != b"XX" {
            let error = place.error("a line behind the pieces that the record is made of").expecting("//");
            place.forgive("line behind CO", error.finding(quote(&line)))?;
        }
        let text = line.get(INDENT..).unwrap_or_default();
        match code {
            b"FT" => self.table.line(&line, &mut record.features, &mut place)?,
            b"FH" | b"XX" => self.field.finish(record),
            b"SQ" => {
                let (length, unit) = read_sq(&String::from_utf8_lossy(text));
                match (record.declared_len, length) {
                    (Some(declared), Some(length)) if declared != length => {
                        let error = place.error("SQ and ID give different lengths").expecting(declared.to_string());
                        place.forgive("length of the sequence", error.finding(length.to_string()))?;
                    }
                    (None, Some(length)) => {
                        record.declared_len = Some(length);
                        record.unit = unit;
                    }
                    _ => {}
                }
                return Ok(Some(Next::Sequence));
            }
            _ => self.field.line(*code, text, record),
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
        let end = match sequence::read::<sequence::Embl, R>(lines, guard, &self.name, letters, self.taken, seq) {
            Err(error) if error.kind() == ErrorKind::Syntax && self.lines.is_cut() => return Err(self.end_in_record()),
            end => end?,
        };
        if end == sequence::End::Input {
            // A record without `//` is whole where its letters are as many as ID says.
            if record.declared_len != Some(seq.len() as u64) || seq.is_empty() {
                let error = self.end_in_record();
                self.guard.forgive("record without an end", error)?;
            }
            return Ok(());
        }
        let length = seq.len() as u64;
        sequence::check_length(&self.lines, &mut self.guard, &self.name, "ID", record.declared_len, length)
    }

    fn end_in_record(&self) -> Error {
        self.lines.error_at_end(ErrorKind::Truncated, "truncated file").in_record(&self.name).expecting("//")
    }
}

impl<R: Read> Iterator for EmblReader<R> {
    type Item = Result<GenbankRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut record = GenbankRecord { features: Vec::with_capacity(self.table.count()), ..GenbankRecord::default() };
        let outcome = self.read_into(&mut record);
        record.shrink();
        let outcome = outcome.map(|found| found.then_some(record));
        self.guard.item(outcome)
    }
}

impl<R: Read> std::iter::FusedIterator for EmblReader<R> {}

impl<R> std::fmt::Debug for EmblReader<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmblReader").field("letters", &self.letters).field("guard", &self.guard).finish_non_exhaustive()
    }
}

/// The two capitals in front of a line, with blanks behind them or nothing.
fn code(line: &[u8]) -> Option<&[u8; 2]> {
    let (code, rest) = line.split_first_chunk::<2>()?;
    let blank = rest.iter().take(INDENT - 2).all(|b| matches!(b, b' ' | b'\t'));
    (code.iter().all(u8::is_ascii_uppercase) && blank).then_some(code)
}

/// Reads the text of an `ID` line: `X56734; SV 1; linear; mRNA; STD; PLN; 1859 BP.`, or before release 87
/// `TRBG361 standard; mRNA; PLN; 1859 BP.` (section 3.4.1).
fn read_id(text: &str, record: &mut GenbankRecord) -> Option<()> {
    let fields: Vec<&str> = text.split(';').map(str::trim).collect();
    let (last, front) = fields.split_last()?;
    let (number, unit) = last.split_once(' ')?;
    let length: u64 = number.parse().ok()?;
    match unit.trim().trim_end_matches('.').to_ascii_uppercase().as_str() {
        "BP" => record.declared_len = Some(length),
        "AA" => {
            record.declared_len = Some(length);
            record.unit = LengthUnit::Residues;
        }
        "SQ" => {} // a cluster of patent sequences; SQ has the length
        _ => return None,
    }
    let text = |field: &str| on_one_line(field);
    let name = front.first()?.split_whitespace().next()?;
    record.name = name.to_owned();
    match front {
        [_, version, topology, molecule, _, division] => {
            let version = version.strip_prefix("SV").map(str::trim).filter(|v| !v.is_empty() && *v != ".");
            record.version = version.map(|version| format!("{name}.{version}"));
            record.circular = topology.eq_ignore_ascii_case("circular");
            record.molecule_type = text(molecule);
            record.division = text(division);
        }
        [_, molecule, rest @ ..] => {
            let circular = molecule.strip_prefix("circular ");
            record.circular = circular.is_some();
            record.molecule_type = text(circular.unwrap_or(molecule));
            record.division = rest.last().and_then(|division| text(division));
        }
        _ => {}
    }
    Some(())
}

/// The length on an `SQ` line: `Sequence 1859 BP; 609 A; 314 C; ...`.
fn read_sq(text: &str) -> (Option<u64>, LengthUnit) {
    let mut words = text.split(';').next().unwrap_or_default().split_whitespace().skip(1);
    let length = words.next().and_then(|word| word.parse().ok());
    let residues = words.next().is_some_and(|unit| unit.eq_ignore_ascii_case("AA"));
    (length, if residues { LengthUnit::Residues } else { LengthUnit::Bases })
}

/// The field that is being read: neighbouring lines with one code.
#[derive(Debug, Default)]
struct Field {
    code: [u8; 2],
    text: String,
}

impl Field {
    fn line(&mut self, code: [u8; 2], text: &[u8], record: &mut GenbankRecord) {
        if self.code == code {
            self.text.push('\n');
        } else {
            self.finish(record);
            self.code = code;
        }
        push_text(&mut self.text, text);
    }

    /// Puts the gathered field into the record.
    fn finish(&mut self, record: &mut GenbankRecord) {
        let text = &*self.text;
        match &self.code {
            [0, 0] => {}
            b"AC" => {
                let mut accessions = text.split([';', '\n']).filter_map(on_one_line);
                if record.accession.is_none() {
                    record.accession = accessions.next();
                }
                record.secondary_accessions.extend(accessions);
            }
            b"SV" => record.version = on_one_line(text),
            b"PR" => record.dblinks.extend(text.split([';', '\n']).filter_map(on_one_line)),
            b"DT" => {
                let last = text.lines().last().and_then(|line| line.split_whitespace().next());
                record.date = last.map(str::to_owned);
                record.other.push(("DT".to_owned(), text.to_owned()));
            }
            b"DE" => record.definition = on_one_line(text),
            b"KW" => record.keywords.extend(list(text)),
            b"OS" if record.organism.is_none() => record.organism = on_one_line(text),
            b"OC" => record.taxonomy.extend(list(text)),
            b"CC" => record.comments.extend(block(text)),
            b"CO" => record.contig = without_blanks(text),
            b"RN" => {
                let number = text.trim().trim_start_matches('[').trim_end_matches(']');
                record.references.push(Reference { number: on_one_line(number), ..Reference::default() });
            }
            code => {
                let code = String::from_utf8_lossy(code).into_owned();
                match record.references.last_mut() {
                    Some(reference) if code.starts_with('R') => {
                        read_reference(&code, text, record.unit, reference);
                    }
                    _ => record.other.push((code, block(text).unwrap_or_default())),
                }
            }
        }
        self.code = [0, 0];
        self.text.clear();
    }
}

fn read_reference(code: &str, text: &str, unit: LengthUnit, reference: &mut Reference) {
    let trimmed = on_one_line(text.trim().trim_end_matches(';'));
    match code {
        "RP" => reference.about = trimmed.map(|text| about(&text, unit)),
        "RA" => reference.authors = trimmed,
        "RG" => reference.consortium = trimmed,
        "RT" => reference.title = trimmed.and_then(|text| on_one_line(text.trim_matches('"'))),
        "RL" => reference.journal = trimmed,
        "RC" => reference.remark = trimmed,
        "RX" => {
            for line in text.lines() {
                let (database, id) = line.split_once(';').unwrap_or((line, ""));
                let id = on_one_line(id.trim().trim_end_matches('.'));
                match database.trim() {
                    "PUBMED" => reference.pubmed = id,
                    "MEDLINE" => reference.medline = id,
                    _ => reference.other.push((code.to_owned(), on_one_line(line).unwrap_or_default())),
                }
            }
        }
        _ => reference.other.push((code.to_owned(), on_one_line(text).unwrap_or_default())),
    }
}

/// `1-30, 40-50` in the words of GenBank: `bases 1 to 30; 40 to 50`.
fn about(text: &str, unit: LengthUnit) -> String {
    let range = |range: &str| {
        let (start, end) = range.trim().split_once('-')?;
        Some(format!("{} to {}", start.parse::<u64>().ok()?, end.parse::<u64>().ok()?))
    };
    let ranges: Option<Vec<_>> = text.split(',').map(range).collect();
    let noun = if unit == LengthUnit::Residues { "residues" } else { "bases" };
    ranges.map_or_else(|| text.to_owned(), |ranges| format!("{noun} {}", ranges.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DEMO: &str = "\
ID   DEMO00; SV 3; circular; genomic DNA; STD; PRO; 70 BP.
XX
AC   DEMO00; OLD1;
AC   OLD2;
XX
PR   Project:PRJNA1;
XX
DT   21-APR-2008 (Rel. 95, Created)
DT   18-NOV-2008 (Rel. 97, Last updated, Version 3)
XX
DE   A demonstration
DE   on two lines.
XX
KW   one; two
KW   words.
XX
OS   Demo demonstrans (demo)
OC   Bacteria; Demo;
OC   Demonstrales.
XX
RN   [1]
RP   1-30, 40-70
RX   DOI; 10.1/x.
RX   PUBMED; 7651838.
RA   Doe J., Roe R.,
RA   Poe E.;
RT   \"A \"\"title\"\"
RT   of two lines\";
RL   Demo J. 1:1-2(2026).
XX
DR   MD5; 387e72e4.
XX
CC   A comment
CC     with lines.
XX
FH   Key             Location/Qualifiers
FH
FT   source          1..70
FT                   /organism=\"Demo demonstrans\"
FT   CDS             complement(join(65..70,
FT                   1..6))
FT                   /note=\"quotes \"\"here\"\"
FT                   /and there\"
FT                   /transl_except=(pos:1..3,
FT                   aa:Sec)
FT                   /translation=\"MK
FT                   LV\"
XX
SQ   Sequence 70 BP; 20 A; 15 C; 20 G; 15 T; 0 other;
     acgtacgtac acgtacgtac acgtacgtac acgtacgtac acgtacgtac acgtacgtac        60
     acgtacgtac                                                               70
//
";

    fn read(text: &[u8]) -> Result<Vec<GenbankRecord>> {
        EmblReader::new("x.embl", text).collect()
    }

    #[test]
    fn a_whole_record() {
        let record = &read(DEMO.as_bytes()).unwrap()[0];
        assert_eq!((&*record.name, record.version.as_deref()), ("DEMO00", Some("DEMO00.3")));
        assert_eq!(record.secondary_accessions, ["OLD1", "OLD2"]);
        assert!(record.circular);
        assert_eq!((record.molecule_type.as_deref(), record.division.as_deref()), (Some("genomic DNA"), Some("PRO")));
        assert_eq!(record.date.as_deref(), Some("18-NOV-2008"));
        assert_eq!(record.definition.as_deref(), Some("A demonstration on two lines."));
        assert_eq!(record.keywords, ["one", "two words"]);
        assert_eq!(record.organism.as_deref(), Some("Demo demonstrans (demo)"));
        assert_eq!(record.taxonomy, ["Bacteria", "Demo", "Demonstrales"]);
        assert_eq!(record.dblinks, ["Project:PRJNA1"]);
        let reference = &record.references[0];
        assert_eq!(reference.about.as_deref(), Some("bases 1 to 30; 40 to 70"));
        assert_eq!((reference.pubmed.as_deref(), reference.other.len()), (Some("7651838"), 1));
        assert_eq!(reference.authors.as_deref(), Some("Doe J., Roe R., Poe E."));
        assert_eq!(reference.title.as_deref(), Some("A \"\"title\"\" of two lines"));
        assert_eq!(record.comments, ["A comment\n  with lines."]);
        let cds = &record.features[1];
        assert_eq!(cds.location.to_string(), "complement(join(65..70,1..6))");
        assert_eq!(cds.qualifier("note"), Some("quotes \"here\" /and there"));
        assert_eq!(cds.qualifier("translation"), Some("MKLV"));
        assert_eq!(cds.qualifier("transl_except"), Some("(pos:1..3,aa:Sec)"));
        assert_eq!(record.seq, b"acgtacgtac".repeat(7));
    }

    #[test]
    fn layouts_of_the_same_record() {
        let expected = read(DEMO.as_bytes()).unwrap();
        let check = |text: String| assert_eq!(read(text.as_bytes()).unwrap(), expected);
        check(DEMO.replace('\n', "\r\n"));
        check(format!("\u{feff}\n{DEMO}\n"));
        check(DEMO.trim_end().trim_end_matches('/').to_owned());
        check(DEMO.replace("XX\nDE", "DE").replace("FH\n", ""));
        check(DEMO.replace("       60\n", "\n").replace("      70\n", "\n"));
        assert_eq!(read(DEMO.repeat(3).as_bytes()).unwrap().len(), 3);
    }

    #[test]
    fn id_lines_of_all_times() {
        let check = |line: &str, expected: &str| {
            let record = &read(format!("{line}\nSQ   Sequence 9 BP;\n//\n").as_bytes()).unwrap()[0];
            let show = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
            let (molecule, division) = (show(&record.molecule_type), show(&record.division));
            let (version, circular) = (show(&record.version), record.circular);
            let length = record.declared_len.unwrap();
            assert_eq!(format!("{}|{version}|{circular}|{molecule}|{division}|{length}", record.name), expected);
        };
        check("ID   X5; SV 1; linear; mRNA; STD; PLN; 9 BP.", "X5|X5.1|false|mRNA|PLN|9");
        check("ID   X5; SV .; circular; ; PAT; HUM; 9 BP.", "X5|-|true|-|HUM|9");
        check("ID   X5     standard; circular DNA; SYN; 9 BP.", "X5|-|true|DNA|SYN|9");
        check("ID   TEST standard; DNA; 9 BP.", "TEST|-|false|DNA|-|9");
        check("ID   NRP00000001; PRT; NR2; 1 SQ", "NRP00000001|-|false|PRT|NR2|9");
    }

    #[test]
    fn errors_give_the_line_and_the_record() {
        let error = |text: &str| read(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(error(""), "x.embl: the file is empty: expected EMBL records");
        let check = |from: &str, to: &str, at: &str, expected: &str| {
            let text = DEMO.replacen(from, to, 1);
            let byte = text.find(at).unwrap();
            let line = text[..byte].matches('\n').count() + 1;
            assert_eq!(error(&text), format!("x.embl:{line}: byte {byte}: {expected}"));
            let mut lenient = EmblReader::new("x.embl", text.as_bytes()).with_mode(Mode::Lenient);
            let outcome = lenient.by_ref().collect::<Result<Vec<_>>>();
            outcome.is_ok_and(|records| records.len() == 1 && lenient.forgiven().total() == 1)
        };
        assert!(!check(
            "ID   DEMO00",
            ">DEMO00",
            ">",
            "this is not EMBL: expected a line ID, found \">DEMO00; SV 3; circular; genomic DNA; STD; PRO; 70 BP.\""
        ));
        assert!(!check(
            "70 BP.",
            "70",
            "ID ",
            "a broken ID line: expected ID, a name, and a length with BP or AA at the end, found \"ID   DEMO00; SV 3; circular; genomic DNA; STD; PRO; 70\""
        ));
        assert!(check(
            "SQ   Sequence 70",
            "SQ   Sequence 60",
            "SQ ",
            "SQ and ID give different lengths in record \"DEMO00\": expected 70, found 60"
        ));
        assert!(check(
            "65..70,",
            "65..x,",
            "FT   CDS",
            "a broken location of the feature \"CDS\" in record \"DEMO00\": expected a base number, found \"x,1..6))\""
        ));
        assert!(!check(
            "there\"",
            "there\"x",
            "FT                   /note",
            "a broken qualifier of the feature \"CDS\" in record \"DEMO00\": expected /name, /name=value or /name=\"value\", found \"/note=\\\"quotes \\\"\\\"here\\\"\\\"\""
        ));
        assert!(check(
            "       60\n",
            "       61\n",
            "     acgt",
            "a line of letters with a wrong number in record \"DEMO00\": expected 60, found 61"
        ));
        assert!(!check(
            "acgtacgtac     ",
            "acgtacgta      ",
            "     acgtacgtac acg",
            "a line of letters with a wrong number in record \"DEMO00\": expected 59, found 60"
        ));
        assert!(check(
            "CC     with",
            "cc     with",
            "cc",
            "a line without a code in record \"DEMO00\": expected two capitals and blanks, found \"cc     with lines.\""
        ));
        assert!(!check(
            "acgtacgtac     ",
            "acgtJcgtac     ",
            "Jcgt",
            "unknown letter in sequence \"DEMO00\": expected an IUPAC nucleotide, found 'J'"
        ));
    }

    #[test]
    fn a_cut_file_is_truncated() {
        for cut in DEMO.find('\n').unwrap() + 1..DEMO.find("acgtacgtac                 ").unwrap() {
            let error = read(&DEMO.as_bytes()[..cut]).unwrap_err();
            assert_eq!((error.kind(), error.record()), (ErrorKind::Truncated, Some("DEMO00")), "cut at {cut}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_never_panic(text in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&text);
            let _ = read(&[b"ID   X; SV 1; linear; DNA; STD; SYN; 4 BP.\nFT   CDS             1..3\n", &text[..]].concat());
        }

        #[test]
        fn a_damaged_record_never_panics_and_strict_is_a_subset_of_lenient(
            changes in proptest::collection::vec((0..DEMO.len(), any::<u8>()), 0..4),
            cut in 0..DEMO.len(),
        ) {
            let mut text = DEMO.as_bytes().to_vec();
            for (at, byte) in changes {
                text[at] = byte;
            }
            let both = |mode| EmblReader::new("x.embl", &text[..]).with_mode(mode).collect::<Result<Vec<_>>>();
            let lenient = both(Mode::Lenient);
            match both(Mode::Strict) {
                Ok(strict) => prop_assert_eq!(lenient.unwrap(), strict),
                Err(error) => prop_assert!(!error.to_string().contains(char::is_control)),
            }
            let _ = read(&text[cut..]);
            let _ = read(&text[..cut]);
        }
    }
}
