//! Reads GFF3, GTF and GFF2: lines in place, directives, and the FASTA that may follow.

use std::collections::HashMap;
use std::io::{self, Read};
use std::iter::FusedIterator;
use std::ops::Range;
use std::path::Path;

use super::attributes::{check_gff3, check_gtf};
use super::block::positions;
use super::record::{GffDialect, GffRecord, GffStrand, GffView, Parsed};
use crate::coord::Span;
use crate::error::{Error, ErrorKind, Result, count, quote};
use crate::guard::{Forgiven, Guard, Mode};
use crate::input::{Input, Limits};
use crate::lines::LineReader;
use crate::wig::number::{parse_f64, parse_u64, scan_u64};

/// Bytes looked at to tell the dialects apart.
const DETECT: usize = 1 << 20;

/// Reads GFF3, GTF or GFF2. After an error it gives nothing more.
///
/// [`GffReader::next_view`] is the fast path; as an iterator it gives owned [`GffRecord`]s.
#[derive(Debug)]
pub struct GffReader<R> {
    pub(super) lines: LineReader<R>,
    pub(super) guard: Guard,
    dialect: GffDialect,
    version: Option<String>,
    directives: Vec<String>,
    regions: HashMap<Vec<u8>, Region>,
    /// Bytes of directives and regions in memory.
    kept: u64,
    /// The sequence of the last feature, and its region.
    name: Vec<u8>,
    region: Option<Region>,
    /// Whether the FASTA part was reached, and how much of its first line was read.
    tail: Option<usize>,
    seen_feature: bool,
    /// What the current line says.
    parsed: Parsed,
}

/// What `##sequence-region` says.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Region {
    span: Span,
    /// Whether a feature that spans it says `Is_circular=true`.
    circular: bool,
}

/// What the reader came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The feature that [`GffReader::view`] shows.
    Feature,
    /// `###`: whatever was referred to is above.
    Resolved,
}

impl GffReader<Input> {
    /// Opens a file, plain or compressed; `-` is standard input. The dialect is told from the first feature, see
    /// [`GffReader::from_input`].
    ///
    /// # Errors
    ///
    /// As [`Input::open`], or reading fails.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::from_input(Input::open(path)?)
    }

    /// Reads an opened input. The dialect is told from `##gff-version` and the attributes of the first feature; where there
    /// is neither from the ending `.gtf`, and else it is GFF3. [`GffReader::with_dialect`] overrules that.
    ///
    /// # Errors
    ///
    /// Reading fails.
    pub fn from_input(input: Input) -> Result<Self> {
        let gtf = input.name().to_ascii_lowercase();
        let gtf = gtf.trim_end_matches(".gz").ends_with(".gtf");
        let mut reader = Self::from_lines(LineReader::from_input(input), GffDialect::Gff3);
        let found = reader.detect()?;
        reader.dialect = found.unwrap_or(if gtf { GffDialect::Gtf } else { GffDialect::Gff3 });
        Ok(reader)
    }
}

impl<R: Read> GffReader<R> {
    /// Reads plain text; `name` stands in errors.
    pub fn new(name: impl Into<String>, reader: R, dialect: GffDialect) -> Self {
        Self::from_lines(LineReader::new(name, reader, 0), dialect)
    }

    /// Chooses the dialect.
    pub fn with_dialect(mut self, dialect: GffDialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// Chooses strict, the default, or lenient.
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

    /// The dialect.
    pub fn dialect(&self) -> GffDialect {
        self.dialect
    }

    /// What was forgiven so far.
    pub fn forgiven(&self) -> &Forgiven {
        &self.guard.forgiven
    }

    /// What `##gff-version` said.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// The `##` lines so far, without their `##`, the version and `###`.
    pub fn directives(&self) -> &[String] {
        &self.directives
    }

    /// The bounds that `##sequence-region` gave for a sequence, so far.
    pub fn sequence_region(&self, seq_name: &[u8]) -> Option<Span> {
        self.regions.get(seq_name).map(|region| region.span)
    }

    /// The next feature in place; `None` at the end or where FASTA begins.
    ///
    /// # Errors
    ///
    /// The text breaks the format, or reading fails; every later call fails too.
    #[inline]
    pub fn next_view(&mut self) -> Result<Option<GffView<'_>>> {
        loop {
            match self.step()? {
                None => return Ok(None),
                Some(Step::Resolved) => {}
                Some(Step::Feature) => return Ok(Some(self.view())),
            }
        }
    }

    /// The FASTA text behind the features, where [`GffReader::next_view`] came to it: from the first `>`, to be read with
    /// [`FastaReader`](crate::FastaReader).
    ///
    /// ```
    /// use genome_formats::{FastaReader, GffDialect, GffReader};
    ///
    /// let text: &[u8] = b"##gff-version 3\nc\t.\tgene\t1\t3\t.\t+\t.\tID=g\n##FASTA\n>c\nACG\n";
    /// let mut reader = GffReader::new("x.gff3", text, GffDialect::Gff3);
    /// while reader.next_view()?.is_some() {}
    /// let mut fasta = FastaReader::new("x.gff3", reader.fasta_tail().unwrap());
    /// assert_eq!(fasta.next().unwrap()?.seq, b"ACG");
    /// # Ok::<(), genome_formats::Error>(())
    /// ```
    pub fn fasta_tail(&mut self) -> Option<FastaTail<'_, R>> {
        self.tail.is_some().then_some(FastaTail { reader: self })
    }

    fn from_lines(lines: LineReader<R>, dialect: GffDialect) -> Self {
        Self {
            lines,
            guard: Guard::default(),
            dialect,
            version: None,
            directives: Vec::new(),
            regions: HashMap::new(),
            kept: 0,
            name: Vec::new(),
            region: None,
            tail: None,
            seen_feature: false,
            parsed: Parsed::none(),
        }
    }

    /// Tells the dialect from the front of the file; `None` where that says nothing.
    fn detect(&mut self) -> Result<Option<GffDialect>> {
        loop {
            let text = self.lines.ahead()?;
            let length = text.len();
            if let Some(found) = detect(text) {
                return Ok(Some(found));
            }
            if length > DETECT || !self.lines.fill()? {
                return Ok(None);
            }
        }
    }

    /// The feature of the current line.
    #[inline]
    pub(super) fn view(&self) -> GffView<'_> {
        GffView::new(self.lines.line(), &self.parsed, self.dialect)
    }

    /// The next feature or `###`.
    #[inline]
    pub(super) fn step(&mut self) -> Result<Option<Step>> {
        self.guard.check_failed(self.lines.name())?;
        match self.read_step() {
            Ok(Some(Step::Resolved)) => Ok(Some(Step::Resolved)), // no record
            outcome => self.guard.note(self.lines.name(), outcome),
        }
    }

    #[inline]
    fn read_step(&mut self) -> Result<Option<Step>> {
        if self.tail.is_some() {
            return Ok(None);
        }
        while self.lines.next_line()? {
            match self.lines.raw()[0] {
                b'#' => {
                    if self.directive()? {
                        return Ok(Some(Step::Resolved));
                    }
                    if self.tail.is_some() {
                        return Ok(None);
                    }
                }
                // GFF3 1.26: a line that begins with > stands for ##FASTA.
                b'>' => {
                    self.tail = Some(0);
                    return Ok(None);
                }
                b'\n' | b'\r' | b' ' | b'\t' if self.lines.line().trim_ascii().is_empty() => {}
                _ => return self.parse().map(|()| Some(Step::Feature)),
            }
        }
        Ok(None)
    }

    fn wrong(&self, column: u64, problem: &'static str) -> Error {
        self.lines.error(ErrorKind::Syntax, problem).at_column(column)
    }

    #[inline]
    fn parse(&mut self) -> Result<()> {
        match self.parse_plain() {
            Some(parsed) => self.parsed = parsed,
            None => self.parse_with_care()?,
        }
        self.seen_feature = true;
        Ok(())
    }

    /// The current line, where it keeps all rules and is on the sequence of the line before.
    #[inline]
    fn parse_plain(&self) -> Option<Parsed> {
        let line = self.lines.line();
        let (tabs, found) = first_tabs(line);
        if found < tabs.len() {
            return None;
        }
        let column = |i: usize| tabs[i - 1] + 1..tabs[i];
        let (name, source, kind, attributes) = (0..tabs[0], column(1), column(2), tabs[7] + 1..line.len());
        let score = match &line[column(5)] {
            b"." => None,
            text => Some(parse_f64(text).filter(|score| score.is_finite())?),
        };
        let strand = match &line[column(6)] {
            b"+" => GffStrand::Forward,
            b"-" => GffStrand::Reverse,
            b"." => GffStrand::Unstranded,
            _ => return None,
        };
        let phase = match &line[column(7)] {
            [digit @ b'0'..=b'2'] => Some(digit - b'0'),
            b"." if line[kind.clone()] != *b"CDS" => None,
            _ => return None,
        };
        let span = scan_span(line, &column(3), &column(4))?;
        if self.dialect != GffDialect::Gff3 || line[name.clone()] != *self.name || source.is_empty() || kind.is_empty()
        {
            return None;
        }
        if let Some(Region { span: bounds, .. }) = self.region
            && (span.start() < bounds.start() || bounds.end() < span.end() || span == bounds)
        {
            return None;
        }
        if check_gff3(&line[attributes.clone()]).is_some() {
            return None;
        }
        Some(Parsed { columns: [name, source, kind], span, score, strand, phase, attributes })
    }

    /// The current line by all rules, each of which may be forgiven.
    #[inline(never)]
    fn parse_with_care(&mut self) -> Result<()> {
        let line = self.lines.line();
        let (tabs, found) = first_tabs(line);
        let length = line.len();
        let attributes = match found {
            8 => tabs[7] + 1..length,
            7 => length..length,
            _ => {
                let error = self.lines.error(ErrorKind::Syntax, "a line with too few columns");
                let found = count(found as u64 + 1, "column");
                return Err(error.expecting("nine columns between tabs").finding(found));
            }
        };
        let end = if found == 8 { tabs[7] } else { length };
        let columns = [
            0..tabs[0],
            tabs[0] + 1..tabs[1],
            tabs[1] + 1..tabs[2],
            tabs[2] + 1..tabs[3],
            tabs[3] + 1..tabs[4],
            tabs[4] + 1..tabs[5],
            tabs[5] + 1..tabs[6],
            tabs[6] + 1..end,
        ];
        match scan_span(line, &columns[3], &columns[4]) {
            Some(span) => self.parse_columns(columns, attributes, span)?,
            None => self.parse_broken_span(columns, attributes)?,
        }
        if found == 7 && self.dialect != GffDialect::Gff2 {
            let error = self.lines.error(ErrorKind::Syntax, "a line with too few columns");
            self.guard.forgive("column-count", error.expecting("nine columns between tabs").finding("8 columns"))?;
        }
        self.check()
    }

    /// Columns 6 to 8, and what is kept of the line.
    fn parse_columns(&mut self, columns: [Range<usize>; 8], attributes: Range<usize>, span: Span) -> Result<()> {
        let line = self.lines.line();
        let [name, source, kind, _, _, score, strand, phase] = columns;
        let score = match &line[score] {
            b"." => None,
            text => match parse_f64(text).filter(|score| score.is_finite()) {
                Some(score) => Some(score),
                None => {
                    let error = self.wrong(6, "a score that is not a number");
                    let error = error.expecting("a number or .").finding(quote(text));
                    self.guard.forgive("score", error)?;
                    None
                }
            },
        };
        let strand = match &self.lines.line()[strand] {
            b"+" => GffStrand::Forward,
            b"-" => GffStrand::Reverse,
            b"." => GffStrand::Unstranded,
            b"?" if self.dialect == GffDialect::Gff3 => GffStrand::Unknown,
            text => {
                let expected = if self.dialect == GffDialect::Gff3 { "+ - . or ?" } else { "+ - or ." };
                let error = self.wrong(7, "unknown strand").expecting(expected).finding(quote(text));
                self.guard.forgive("strand", error)?;
                GffStrand::Unknown
            }
        };
        let line = self.lines.line();
        let phase = match &line[phase] {
            b"0" => Some(0),
            b"1" => Some(1),
            b"2" => Some(2),
            // GFF3 1.26, column 8: "The phase is REQUIRED for all CDS features."
            b"." if self.dialect == GffDialect::Gff3 && line[kind.clone()] == *b"CDS" => {
                let error = self.wrong(8, "a CDS without a phase").expecting("0 1 or 2").finding("\".\"");
                self.guard.forgive("phase", error)?;
                None
            }
            b"." => None,
            text => {
                let error = self.wrong(8, "unknown phase").expecting("0 1 2 or .").finding(quote(text));
                self.guard.forgive("phase", error)?;
                None
            }
        };
        self.parsed = Parsed { columns: [name, source, kind], span, score, strand, phase, attributes };
        Ok(())
    }

    /// What a line whose positions are no numbers means: an error, or, forgiven, blanks around its columns.
    #[cold]
    fn parse_broken_span(&mut self, columns: [Range<usize>; 8], attributes: Range<usize>) -> Result<()> {
        let line = self.lines.line();
        let trimmed = columns.clone().map(|column| {
            let text = &line[column.clone()];
            let start = column.start + text.len() - text.trim_ascii_start().len();
            start..start + text.trim_ascii().len()
        });
        if let Some(span) = scan_span(line, &trimmed[3], &trimmed[4]) {
            let error = self.wrong(4, "blanks around a column").expecting("tabs alone");
            let error = error.finding(quote(&line[columns[3].clone()]));
            self.guard.forgive("blanks", error)?;
            return self.parse_columns(trimmed, attributes, span);
        }
        for column in [3, 4] {
            let text = &line[columns[column].clone()];
            if parse_u64(text).is_none_or(|position| position == 0) {
                let error = self.wrong(column as u64 + 1, "a position that does not exist");
                return Err(error.expecting("a whole number from 1").finding(quote(text)));
            }
        }
        let (start, end) = (&line[columns[3].clone()], &line[columns[4].clone()]);
        let error = self.lines.error(ErrorKind::Coordinate, "the end is in front of the start").at_column(5);
        Err(error.expecting(format!("a number from {}", String::from_utf8_lossy(start))).finding(quote(end)))
    }

    /// The rules that do not change what is read.
    fn check(&mut self) -> Result<()> {
        let line = self.lines.line();
        let [name, source, kind] = &self.parsed.columns;
        let empty = [source, kind].iter().position(|column| column.is_empty());
        if line[name.clone()] != *self.name {
            self.enter()?;
        }
        if let Some(column) = empty {
            let column = column as u64 + 2;
            let error = self.wrong(column, "an empty column").expecting("text, or . where there is none");
            self.guard.forgive("empty-column", error)?;
        }
        let line = self.lines.line();
        let text = &line[self.parsed.attributes.clone()];
        let broken = match self.dialect {
            GffDialect::Gff3 => check_gff3(text),
            GffDialect::Gtf => check_gtf(text),
            GffDialect::Gff2 => None,
        };
        if let Some((rule, problem)) = broken {
            let error = self.wrong(9, problem).finding(quote(text));
            self.guard.forgive(rule, error)?;
        }
        match (self.dialect, self.region) {
            (GffDialect::Gff3, Some(region)) => self.check_region(region),
            (GffDialect::Gtf, _) => self.check_ids(),
            _ => Ok(()),
        }
    }

    /// A feature on another sequence than the one before.
    #[cold]
    fn enter(&mut self) -> Result<()> {
        let name = &self.lines.line()[self.parsed.columns[0].clone()];
        self.name.clear();
        self.name.extend_from_slice(name);
        self.region = self.regions.get(name).copied();
        // GFF3 1.26, column 1: letters outside of [a-zA-Z0-9.:^*$@!+_?-|] are escaped.
        let legal = |b: &u8| b.is_ascii_alphanumeric() || b".:^*$@!+_?-|%".contains(b);
        let bad = match self.dialect {
            GffDialect::Gff3 => name.is_empty() || name == b"." || !name.iter().all(legal),
            GffDialect::Gtf | GffDialect::Gff2 => name.is_empty() || name.iter().any(u8::is_ascii_control),
        };
        if bad {
            let error =
                self.wrong(1, "the name of a sequence").expecting("letters, digits or .:^*$@!+_?-|, others as %20");
            let error = error.finding(quote(name));
            self.guard.forgive("sequence-name", error)?;
        }
        Ok(())
    }

    /// GFF3 1.26, `##sequence-region`: features lie inside of it, but for those of a circular sequence.
    fn check_region(&mut self, region: Region) -> Result<()> {
        let (span, bounds) = (self.parsed.span, region.span);
        if bounds.start() <= span.start() && span.end() <= bounds.end() && span != bounds {
            return Ok(());
        }
        let covers = span.start() <= bounds.start() && bounds.end() <= span.end();
        if covers && !region.circular && self.view().raw_attribute(b"Is_circular") == Some(b"true") {
            let region = Region { circular: true, ..region };
            self.region = Some(region);
            self.regions.insert(self.name.clone(), region);
            return Ok(());
        }
        if bounds.start() <= span.start() && (span.end() <= bounds.end() || region.circular) {
            return Ok(());
        }
        let error = self.lines.error(ErrorKind::Coordinate, "a feature outside of its ##sequence-region");
        let error = error
            .expecting(format!("positions from {} to {}", bounds.start() + 1, bounds.end()))
            .finding(format!("{} to {}", span.start() + 1, span.end()));
        self.guard.forgive("sequence-region", error)
    }

    /// GTF2.2: `gene_id` and `transcript_id` are mandatory.
    fn check_ids(&mut self) -> Result<()> {
        let view = self.view();
        let part = matches!(view.kind(), b"transcript" | b"exon" | b"CDS" | b"start_codon" | b"stop_codon");
        let missing = if view.raw_attribute(b"gene_id").is_none() {
            "gene_id"
        } else if part && view.raw_attribute(b"transcript_id").is_none() {
            "transcript_id"
        } else {
            return Ok(());
        };
        let error = self.wrong(9, "an attribute is missing").expecting(missing);
        let error = error.finding(quote(view.attributes_text()));
        self.guard.forgive("missing-id", error)
    }

    /// Reads a line that begins with `#`; whether it is `###`.
    #[cold]
    fn directive(&mut self) -> Result<bool> {
        let line = self.lines.line().trim_ascii_end();
        let Some(text) = line.strip_prefix(b"##") else { return Ok(false) };
        if text == b"#" {
            return Ok(true);
        }
        if text == b"FASTA" {
            self.tail = Some(usize::MAX);
            return Ok(false);
        }
        if text.starts_with(b"#") {
            return Ok(false); // a line of ornament
        }
        let mut words = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let (word, gff3) = (words.next().unwrap_or_default(), self.dialect == GffDialect::Gff3);
        let error = |problem: &'static str| self.lines.error(ErrorKind::Syntax, problem).finding(quote(line));
        let mut broken = None;
        match word {
            b"gff-version" => {
                let version = String::from_utf8_lossy(words.next().unwrap_or_default()).into_owned();
                if gff3 && version != "3" && !version.starts_with("3.") {
                    broken = Some(("version", error("another version of GFF").expecting("##gff-version 3")));
                } else if gff3 && (self.version.is_some() || self.seen_feature) {
                    let problem = "##gff-version that is not the first line";
                    broken = Some(("version-first", error(problem)));
                } else if gff3 && self.lines.number() != 1 {
                    // GFF3 1.26: "must be the topmost line of the file"
                    let problem = "##gff-version that is not the first line";
                    broken = Some(("version-first", error(problem)));
                }
                self.version = Some(version);
            }
            b"sequence-region" if gff3 => {
                let (name, start, end) = (words.next(), words.next(), words.next());
                let span = start.and_then(parse_u64).zip(end.and_then(parse_u64));
                let span = span.and_then(|(start, end)| Span::from_one_based(start, end));
                match (name, span, words.next()) {
                    (Some(name), Some(span), None) => {
                        let before = self.regions.insert(name.to_vec(), Region { span, circular: false });
                        if before.is_some_and(|before| before.span != span) {
                            let error = error("a second ##sequence-region for a sequence");
                            broken = Some(("sequence-region-twice", error));
                        }
                        if name == self.name {
                            self.region = Some(Region { span, circular: false });
                        }
                    }
                    _ => {
                        let error = error("a ##sequence-region that cannot be read");
                        let error = error.expecting("name, start and end");
                        broken = Some(("sequence-region-syntax", error));
                    }
                }
                self.keep()?;
            }
            _ => self.keep()?,
        }
        if let Some((rule, error)) = broken {
            self.guard.forgive(rule, error)?;
        }
        Ok(false)
    }

    /// Keeps the directive of the current line, within limits.
    fn keep(&mut self) -> Result<()> {
        let line = self.lines.line().trim_ascii();
        self.kept += 2 * line.len() as u64 + 100;
        if self.kept > self.guard.limits.max_header {
            let problem = format!("the directives take more than {} bytes", self.guard.limits.max_header);
            return Err(self.lines.error(ErrorKind::Limit, problem));
        }
        self.directives.push(String::from_utf8_lossy(&line[2..]).into_owned());
        Ok(())
    }
}

impl<R: Read> Iterator for GffReader<R> {
    type Item = Result<GffRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        let outcome = self.next_view().map(|view| view.map(|view| view.to_record()));
        self.guard.item(outcome)
    }
}

impl<R: Read> FusedIterator for GffReader<R> {}

/// GFF3 1.26, columns 4 and 5: whole numbers from 1, start not behind end.
#[inline]
fn scan_span(line: &[u8], start: &Range<usize>, end: &Range<usize>) -> Option<Span> {
    // The line goes on behind the columns, which lets eight digits be read at once.
    let ((from, a), (to, b)) = (scan_u64(&line[start.start..])?, scan_u64(&line[end.start..])?);
    if (a, b) == (start.len(), end.len()) { Span::from_one_based(from, to) } else { None }
}

/// Where the first eight tabs stand, and how many there are.
#[inline]
fn first_tabs(line: &[u8]) -> ([usize; 8], usize) {
    let mut tabs = [0; 8];
    let (mut found, mut start) = (0, 0);
    while start < line.len() {
        let mut bits = match line[start..].first_chunk::<64>() {
            Some(block) => positions(block, b'\t'),
            None => {
                let mut block = [0; 64];
                block[..line.len() - start].copy_from_slice(&line[start..]);
                positions(&block, b'\t')
            }
        };
        while bits != 0 {
            tabs[found] = start + bits.trailing_zeros() as usize;
            found += 1;
            if found == tabs.len() {
                return (tabs, found);
            }
            bits &= bits - 1;
        }
        start += 64;
    }
    (tabs, found)
}

/// The dialect of the first line that tells one.
fn detect(text: &[u8]) -> Option<GffDialect> {
    let mut lines = text.split(|b| *b == b'\n');
    let cut = lines.next_back(); // it may go on
    let whole = |line: &&[u8]| !line.is_empty();
    for line in lines.chain(cut.filter(|_| text.len() < 4096)).filter(whole) {
        if let Some(version) = line.strip_prefix(b"##gff-version") {
            if version.trim_ascii().starts_with(b"3") {
                return Some(GffDialect::Gff3);
            }
            continue;
        }
        if line.starts_with(b">") || line.starts_with(b"##FASTA") {
            return Some(GffDialect::Gff3);
        }
        if line.starts_with(b"#") {
            continue;
        }
        let Some(attributes) = line.split(|b| *b == b'\t').nth(8) else { continue };
        let attributes = attributes.trim_ascii();
        if memchr::memmem::find(attributes, b"gene_id ").is_some() {
            return Some(GffDialect::Gtf);
        }
        let end = attributes.iter().position(|b| matches!(b, b'=' | b' ' | b'"' | b';'));
        match end.map(|at| attributes[at]) {
            Some(b'=') => return Some(GffDialect::Gff3),
            None if matches!(attributes, b"." | b"") => {}
            _ => return Some(GffDialect::Gff2),
        }
    }
    None
}

/// The FASTA part of a GFF3 file, as bytes.
#[derive(Debug)]
pub struct FastaTail<'a, R> {
    reader: &'a mut GffReader<R>,
}

impl<R: Read> Read for FastaTail<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let GffReader { lines, tail, .. } = &mut *self.reader;
        // The line with the first > was read already; the line ##FASTA is passed over.
        if let Some(at) = tail
            && *at != usize::MAX
        {
            let rest = &lines.raw()[*at..];
            let n = rest.len().min(buf.len());
            buf[..n].copy_from_slice(&rest[..n]);
            *at += n;
            if *at == lines.raw().len() {
                *tail = Some(usize::MAX);
            }
            if n > 0 || buf.is_empty() {
                return Ok(n);
            }
        }
        let ahead = lines.ahead().map_err(io::Error::other)?;
        let n = ahead.len().min(buf.len());
        buf[..n].copy_from_slice(&ahead[..n]);
        let ended = memchr::memchr_iter(b'\n', &ahead[..n]).count() as u64;
        lines.skip(n, ended);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fasta::FastaReader;

    fn read(text: &[u8], dialect: GffDialect, mode: Mode) -> Result<Vec<GffRecord>> {
        GffReader::new("x.gff", text, dialect).with_mode(mode).collect()
    }

    #[test]
    fn a_line_of_each_dialect() {
        let text = "##gff-version 3\n#!x\n\n##sequence-region c%2C1 1 9\nc%2C1\t.\ta%09b\t2\t4\t1.5\t?\t.\tID=x%3B;Note=a,b; Z=%20\n";
        for text in [text.to_owned(), text.replace('\n', "\r\n"), text.trim_end().to_owned(), format!("\u{feff}{text}")]
        {
            let mut reader = GffReader::new("x.gff", text.as_bytes(), GffDialect::Gff3);
            let record = reader.next().unwrap().unwrap();
            let expected = GffRecord {
                seq_name: "c,1".into(),
                source: None,
                kind: "a\tb".into(),
                span: Span::new(1, 4).unwrap(),
                score: Some(1.5),
                strand: GffStrand::Unknown,
                phase: None,
                attributes: [("ID", "x;"), ("Note", "a"), ("Note", "b"), ("Z", " ")].into_iter().collect(),
            };
            assert_eq!(record, expected);
            assert_eq!(
                (reader.version(), reader.directives()),
                (Some("3"), &["sequence-region c%2C1 1 9".to_owned()][..])
            );
            assert_eq!(reader.sequence_region(b"c%2C1"), Span::new(0, 9));
            assert!(reader.next().is_none());
        }
        let gtf = b"c\ts\tCDS\t2\t4\t.\t-\t1\tgene_id \"g;%41\"; transcript_id \"t\"; level 2; tag \"a\"; tag \"b\";\n";
        let mut reader = GffReader::new("x.gtf", &gtf[..], GffDialect::Gtf);
        let view = reader.next_view().unwrap().unwrap();
        assert_eq!(
            (view.attribute(b"gene_id").as_deref(), view.raw_attribute(b"level")),
            (Some(&b"g;%41"[..]), Some(&b"2"[..]))
        );
        assert_eq!((view.phase(), view.to_record().attributes.get_all("tag").len()), (Some(1), 2));
        let gff2 = b"c\ts\ttwo words\t2\t4\t.\t-\t0\tTarget \"x;y\" 1 2 ; flag\nc\ts\tk\t2\t4\t.\t-\t0\n";
        let records = read(gff2, GffDialect::Gff2, Mode::Strict).unwrap();
        assert_eq!(
            (records[0].attributes.get("Target"), records[0].attributes.get("flag")),
            (Some("\"x;y\" 1 2"), Some(""))
        );
        assert!(records[1].attributes.is_empty());
    }

    #[test]
    fn errors_name_the_broken_rule_and_lenient_forgives() {
        let check = |line: &str, dialect: GffDialect, expected: &str, rule: Option<&str>| {
            let error = read(line.as_bytes(), dialect, Mode::Strict).unwrap_err();
            assert_eq!(error.to_string(), format!("x.gff:{expected}"), "{line:?}");
            let mut reader = GffReader::new("x.gff", line.as_bytes(), dialect).with_mode(Mode::Lenient);
            let lenient = reader.by_ref().collect::<Result<Vec<_>>>();
            let rules: Vec<_> = reader.forgiven().iter().map(|(rule, ..)| rule).collect();
            assert_eq!((lenient.is_ok(), rules), (rule.is_some(), rule.into_iter().collect::<Vec<_>>()), "{line:?}");
        };
        let gff3 = |line: &str, expected: &str, rule| check(line, GffDialect::Gff3, expected, rule);
        gff3(
            "c\t.\ta\t1\t2\t.\t+\n",
            "1: byte 0: a line with too few columns: expected nine columns between tabs, found 7 columns",
            None,
        );
        gff3(
            "c\t.\ta\t1\t2\t.\t+\t.\n",
            "1: byte 0: a line with too few columns: expected nine columns between tabs, found 8 columns",
            Some("column-count"),
        );
        gff3(
            "c\t.\ta\t1\t2\t.\t+\t.\ta=1\tx\n",
            "1: byte 0: column 9: more than nine columns: found \"a=1\\tx\"",
            Some("column-count"),
        );
        gff3(
            "c\t.\ta\t0\t2\t.\t+\t.\t.\n",
            "1: byte 0: column 4: a position that does not exist: expected a whole number from 1, found \"0\"",
            None,
        );
        gff3(
            "c\t.\ta\t1\t.\t.\t+\t.\t.\n",
            "1: byte 0: column 5: a position that does not exist: expected a whole number from 1, found \".\"",
            None,
        );
        gff3(
            "c\t.\ta\t3\t2\t.\t+\t.\t.\n",
            "1: byte 0: column 5: the end is in front of the start: expected a number from 3, found \"2\"",
            None,
        );
        gff3(
            "c\t.\ta\t1\t2\tx\t+\t.\t.\n",
            "1: byte 0: column 6: a score that is not a number: expected a number or ., found \"x\"",
            Some("score"),
        );
        gff3(
            "c\t.\ta\t1 \t2\t. \t+ \t. \t.\n",
            "1: byte 0: column 4: blanks around a column: expected tabs alone, found \"1 \"",
            Some("blanks"),
        );
        gff3(
            "c\t.\ta\t1\t2\t.\tx\t.\t.\n",
            "1: byte 0: column 7: unknown strand: expected + - . or ?, found \"x\"",
            Some("strand"),
        );
        gff3(
            "c\t.\ta\t1\t2\t.\t+\t3\t.\n",
            "1: byte 0: column 8: unknown phase: expected 0 1 2 or ., found \"3\"",
            Some("phase"),
        );
        gff3(
            "c\t.\tCDS\t1\t2\t.\t+\t.\t.\n",
            "1: byte 0: column 8: a CDS without a phase: expected 0 1 or 2, found \".\"",
            Some("phase"),
        );
        gff3(
            "c d\t.\ta\t1\t2\t.\t+\t.\t.\n",
            "1: byte 0: column 1: the name of a sequence: expected letters, digits or .:^*$@!+_?-|, others as %20, found \"c d\"",
            Some("sequence-name"),
        );
        gff3(
            "c\t\ta\t1\t2\t.\t+\t.\t.\n",
            "1: byte 0: column 2: an empty column: expected text, or . where there is none",
            Some("empty-column"),
        );
        gff3(
            "c\t.\ta\t1\t2\t.\t+\t.\ta\n",
            "1: byte 0: column 9: an attribute without =: found \"a\"",
            Some("attribute-without-value"),
        );
        gff3(
            "##sequence-region c 1 5\nc\t.\ta\t1\t6\t.\t+\t.\t.\n",
            "2: byte 24: a feature outside of its ##sequence-region: expected positions from 1 to 5, found 1 to 6",
            Some("sequence-region"),
        );
        gff3(
            "##sequence-region c 1\n",
            "1: byte 0: a ##sequence-region that cannot be read: expected name, start and end, found \"##sequence-region c 1\"",
            Some("sequence-region-syntax"),
        );
        gff3(
            "##gff-version 2\n",
            "1: byte 0: another version of GFF: expected ##gff-version 3, found \"##gff-version 2\"",
            Some("version"),
        );
        gff3(
            "\n##gff-version 3\n",
            "2: byte 1: ##gff-version that is not the first line: found \"##gff-version 3\"",
            Some("version-first"),
        );
        let gtf = |line: &str, expected: &str, rule| check(line, GffDialect::Gtf, expected, rule);
        gtf(
            "c\t.\ta\t1\t2\t.\t?\t.\tgene_id \"g\"\n",
            "1: byte 0: column 7: unknown strand: expected + - or ., found \"?\"",
            Some("strand"),
        );
        gtf(
            "c\t.\texon\t1\t2\t.\t+\t.\tgene_id \"g\"\n",
            "1: byte 0: column 9: an attribute is missing: expected transcript_id, found \"gene_id \\\"g\\\"\"",
            Some("missing-id"),
        );
        gtf(
            "c\t.\tgene\t1\t2\t.\t+\t.\tgene_id \"g\" x\n",
            "1: byte 0: column 9: quotes that do not enclose the value: found \"gene_id \\\"g\\\" x\"",
            Some("quotes"),
        );
    }

    #[test]
    fn circles_cross_their_end() {
        let circle =
            "##sequence-region c 1 5\nc\t.\tregion\t1\t5\t.\t+\t.\tID=c;Is_circular=true\nc\t.\ta\t4\t7\t.\t+\t.\t.\n";
        let records = read(circle.as_bytes(), GffDialect::Gff3, Mode::Strict).unwrap();
        assert_eq!(records[1].span, Span::new(3, 7).unwrap());
    }

    #[test]
    fn dialects_are_told_apart() {
        let check = |name: &str, text: &'static str, expected: GffDialect| {
            let reader = GffReader::from_input(Input::from_bytes(name, text).unwrap()).unwrap();
            assert_eq!(reader.dialect(), expected, "{text:?}");
        };
        check("x", "##gff-version 3\n", GffDialect::Gff3);
        check("x", "", GffDialect::Gff3);
        check("x.gtf.gz", "# nothing\n", GffDialect::Gtf);
        check("x", "c\ts\tk\t1\t2\t.\t+\t.\tID=\"x y\"\n", GffDialect::Gff3);
        check("x", "# c\nc\ts\tk\t1\t2\t.\t+\t.\t.\nc\ts\tk\t1\t2\t.\t+\t.\t gene_id \"x\";", GffDialect::Gtf);
        check("x", "##gff-version 2\nc\ts\tk\t1\t2\t.\t+\t.\tTF \"a=b\"\n", GffDialect::Gff2);
        check("x", "c\ts\tk\t1\t2\t.\t+\t.\tname\n", GffDialect::Gff2);
        let late = "#".repeat(70).to_owned() + "\n";
        let late = late.repeat(10_000) + "c\ts\tk\t1\t2\t.\t+\t.\tgene_id \"x\";\n";
        let reader = GffReader::from_input(Input::from_bytes("x", late).unwrap()).unwrap();
        assert_eq!(reader.dialect(), GffDialect::Gtf);
    }

    #[test]
    fn fasta_follows() {
        let check = |text: &str| {
            let mut reader = GffReader::new("x.gff", text.as_bytes(), GffDialect::Gff3);
            assert!(reader.fasta_tail().is_none());
            assert_eq!(reader.by_ref().count(), 1);
            assert!(reader.next_view().unwrap().is_none());
            let records: Vec<_> = FastaReader::new("x", reader.fasta_tail().unwrap()).map(|r| r.unwrap().seq).collect();
            assert_eq!(records, [b"ACGT".to_vec(), b"A".to_vec()]);
            assert!(reader.next_view().unwrap().is_none());
        };
        check("c\t.\ta\t1\t2\t.\t+\t.\t.\n##FASTA\n>c\nAC\nGT\n>d\nA\n");
        check("c\t.\ta\t1\t2\t.\t+\t.\t.\r\n>c x\r\nAC\r\nGT\r\n>d\r\nA");
    }

    #[test]
    fn limits_hold() {
        let text = "##x y\n".repeat(100);
        let limits = Limits { max_header: 1000, ..Limits::default() };
        let error =
            GffReader::new("x", text.as_bytes(), GffDialect::Gff3).with_limits(limits).next().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limit);
        let text = "###\nc\t.\ta\t1\t2\t.\t+\t.\t.\n".repeat(3);
        let limits = Limits { max_records: 2, ..Limits::default() };
        let outcomes: Vec<_> = GffReader::new("x", text.as_bytes(), GffDialect::Gff3).with_limits(limits).collect();
        assert_eq!(
            outcomes.iter().map(|o| o.as_ref().err().map(Error::kind)).collect::<Vec<_>>(),
            [None, None, Some(ErrorKind::Limit)]
        );
    }
}
