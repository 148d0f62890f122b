//! Reads BED and checks each column.

use std::io::Read;
use std::iter::FusedIterator;
use std::ops::Range;
use std::path::Path;

use super::record::{BedRecord, BedView, STANDARD, list};
use crate::coord::{Span, Strand};
use crate::error::{Error, ErrorKind, Result, count, quote};
use crate::guard::{Forgiven, Guard, Mode};
use crate::input::{Input, Limits};
use crate::lines::LineReader;
use crate::wig::TrackLine;
use crate::wig::number::{parse_f64, parse_u64};

/// Reads BED. After an error it gives nothing more.
///
/// [`BedReader::next_view`] is the fast path; as an iterator it gives owned [`BedRecord`]s.
#[derive(Debug)]
pub struct BedReader<R> {
    lines: LineReader<R>,
    guard: Guard,
    /// Columns from here on are text of their own.
    standard: usize,
    /// Columns of the first line, which the others must have too.
    columns: Option<usize>,
    track: Option<TrackLine>,
}

/// A parsed line, without a borrow. Columns are ranges of the line.
struct Parsed {
    columns: [Range<usize>; STANDARD],
    standard: usize,
    extra: Range<usize>,
    tabs: bool,
    span: Span,
    score: Option<f64>,
    strand: Option<Strand>,
    thick: Option<Span>,
    color: Option<[u8; 3]>,
    blocks: usize,
}

impl BedReader<Input> {
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

impl<R: Read> BedReader<R> {
    /// Reads plain text; `name` stands in errors.
    pub fn new(name: impl Into<String>, reader: R) -> Self {
        Self::from_lines(LineReader::new(name, reader, 0))
    }

    /// Takes the first `columns` columns, 3 to 12, as the ones that BED defines and all others as text: the 6 of `bed6+4`.
    pub fn with_standard_columns(mut self, columns: usize) -> Self {
        self.standard = columns.clamp(3, STANDARD);
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

    /// What was forgiven so far.
    pub fn forgiven(&self) -> &Forgiven {
        &self.guard.forgiven
    }

    /// The `track` line above the last record.
    pub fn track(&self) -> Option<&TrackLine> {
        self.track.as_ref()
    }

    /// The next record in place; `None` at the end.
    ///
    /// # Errors
    ///
    /// The text breaks the format, or reading fails; every later call fails too.
    pub fn next_view(&mut self) -> Result<Option<BedView<'_>>> {
        self.guard.check_failed(self.lines.name())?;
        let outcome = self.read_line();
        let Some(parsed) = self.guard.note(self.lines.name(), outcome)? else {
            return Ok(None);
        };
        let line = self.lines.line();
        Ok(Some(BedView {
            columns: parsed.columns.map(|range| &line[range]),
            standard: parsed.standard,
            extra: &line[parsed.extra],
            tabs: parsed.tabs,
            span: parsed.span,
            score: parsed.score,
            strand: parsed.strand,
            thick: parsed.thick,
            color: parsed.color,
            blocks: parsed.blocks,
        }))
    }

    fn from_lines(lines: LineReader<R>) -> Self {
        Self { lines, guard: Guard::default(), standard: STANDARD, columns: None, track: None }
    }

    fn read_line(&mut self) -> Result<Option<Parsed>> {
        while self.lines.next_line()? {
            let line = self.lines.line();
            let text = line.trim_ascii();
            if text.is_empty() || text[0] == b'#' {
                continue;
            }
            // A sequence may be called `track`: its line has tabs, or goes on with a number.
            let mut words = text.split(u8::is_ascii_whitespace);
            let (word, number) = (words.next(), words.next().is_some_and(|word| parse_u64(word).is_some()));
            match word {
                Some(b"browser") if !number => continue,
                Some(b"track") if !number => {
                    let (track, problem) = TrackLine::parse(&text[b"track".len()..]);
                    self.track = Some(track);
                    self.columns = None;
                    if let Some(problem) = problem {
                        let error = self.lines.error(ErrorKind::Syntax, problem);
                        let error = error.expecting("key=value").finding(quote(self.lines.line()));
                        self.guard.forgive("track-setting", error)?;
                    }
                }
                _ => return self.parse().map(Some),
            }
        }
        Ok(None)
    }

    fn wrong(&self, column: usize, problem: &'static str) -> Error {
        self.lines.error(ErrorKind::Syntax, problem).at_column(column as u64 + 1)
    }

    fn parse(&mut self) -> Result<Parsed> {
        let line = self.lines.line();
        let (mut columns, extra, found, tabs) = split(line, self.standard);
        if found < 3 {
            let error = self.lines.error(ErrorKind::Syntax, "a line with too few columns");
            let error = error.expecting("3 to 12 columns between tabs or blanks");
            return Err(error.finding(count(found as u64, "column")));
        }
        let total = found + extra_columns(&line[extra.clone()], tabs);
        // BEDv1 1.5: BED10 and BED11 are prohibited; BED9 with columns of one's own is not.
        let standard = if matches!(found, 10 | 11) { 9 } else { found };
        let extra = if standard < found { columns[9].start..line.len() } else { extra };
        for column in &mut columns[standard..] {
            *column = 0..0;
        }

        let text = |i: usize| &line[columns[i].clone()];
        let position = |i: usize| {
            parse_u64(text(i)).ok_or_else(|| {
                let error = self.wrong(i, "a position that is not a whole number");
                error.expecting("a whole number from 0").finding(quote(text(i)))
            })
        };
        if text(0).is_empty() {
            return Err(self.wrong(0, "a line without the name of a sequence").finding(quote(line)));
        }
        let (start, end) = (position(1)?, position(2)?);
        let Some(span) = Span::new(start, end) else {
            let error = self.lines.error(ErrorKind::Coordinate, "the end is in front of the start").at_column(3);
            return Err(error.expecting(format!("a number from {start}")).finding(end.to_string()));
        };
        let mut parsed = Parsed {
            columns,
            standard,
            extra,
            tabs,
            span,
            score: None,
            strand: None,
            thick: None,
            color: None,
            blocks: 0,
        };
        self.check_names(&parsed)?;
        self.check_columns(total)?;
        if standard > 4 {
            parsed.score = self.score(&parsed)?;
        }
        if standard > 5 {
            parsed.strand = self.strand(&parsed)?;
        }
        if standard > 7 {
            parsed.thick = self.thick(&parsed)?;
        }
        if standard == 7 && parse_u64(self.text(&parsed, 6)).is_none() {
            let error = self.wrong(6, "a position that is not a whole number").finding(quote(self.text(&parsed, 6)));
            self.guard.forgive("thick", error.expecting("a whole number from 0"))?;
        }
        if standard > 8 {
            parsed.color = self.color(&parsed)?;
        }
        if standard > 11 {
            parsed.blocks = self.blocks(&parsed)?;
        }
        Ok(parsed)
    }

    fn text(&self, parsed: &Parsed, column: usize) -> &[u8] {
        &self.lines.line()[parsed.columns[column].clone()]
    }

    /// All lines of a file have the same number of columns (BEDv1 1.3).
    fn check_columns(&mut self, total: usize) -> Result<()> {
        let expected = *self.columns.get_or_insert(total);
        if expected == total {
            return Ok(());
        }
        let error = self.lines.error(ErrorKind::Syntax, "the number of columns changes");
        let error = error.expecting(format!("{expected} as above")).finding(total.to_string());
        self.guard.forgive("column-count", error)
    }

    fn check_names(&mut self, parsed: &Parsed) -> Result<()> {
        // BEDv1 1.5 allows 255 characters; the letters are a choice of ours, see the module.
        let name = self.text(parsed, 0);
        if name.len() > 255 || !name.iter().all(u8::is_ascii_graphic) {
            let error = self.wrong(0, "the name of a sequence").expecting("1 to 255 visible ASCII letters");
            let error = error.finding(quote(name));
            self.guard.forgive("sequence-name", error)?;
        }
        if parsed.standard > 3 {
            let name = self.text(parsed, 3);
            if name.is_empty() || name.len() > 255 || !name.iter().all(|b| matches!(b, b' '..=b'~')) {
                let error =
                    self.wrong(3, "the name of a feature").expecting("1 to 255 visible ASCII letters or blanks");
                let error = error.finding(quote(name));
                self.guard.forgive("feature-name", error)?;
            }
        }
        Ok(())
    }

    /// BEDv1 1.5: a whole number from 0 to 1000. Nobody keeps to it (peaks, coverage), so any number is read.
    fn score(&mut self, parsed: &Parsed) -> Result<Option<f64>> {
        let text = self.text(parsed, 4);
        if let Some(score @ ..=1000) = parse_u64(text) {
            return Ok(Some(score as f64));
        }
        let score = parse_f64(text).filter(|score| score.is_finite());
        if score.is_none() {
            let error = self.wrong(4, "a score that is not a number").expecting("a number").finding(quote(text));
            self.guard.forgive("score", error)?;
        }
        Ok(score)
    }

    fn strand(&mut self, parsed: &Parsed) -> Result<Option<Strand>> {
        match self.text(parsed, 5) {
            b"+" => Ok(Some(Strand::Forward)),
            b"-" => Ok(Some(Strand::Reverse)),
            // `*` is how some tools write `.`.
            b"." | b"*" => Ok(None),
            other => {
                let error = self.wrong(5, "an unknown strand").expecting("+ - or .").finding(quote(other));
                self.guard.forgive("strand", error)?;
                Ok(None)
            }
        }
    }

    /// BEDv1 1.5: the thick part lies inside the feature; both ends at its start where there is none.
    fn thick(&mut self, parsed: &Parsed) -> Result<Option<Span>> {
        let span = parsed.span;
        let (start, end) = (self.text(parsed, 6), self.text(parsed, 7));
        let thick = parse_u64(start).zip(parse_u64(end)).and_then(|(start, end)| Span::new(start, end));
        match thick {
            Some(thick) if span.start() <= thick.start() && thick.end() <= span.end() => {
                return Ok((thick != Span::new(span.start(), span.start()).expect("equal ends")).then_some(thick));
            }
            _ => {}
        }
        let found = format!("{} and {}", quote(start), quote(end));
        let error = self.wrong(6, "the thick part is not inside the feature").finding(found);
        let error = error.expecting(format!("two positions from {} to {}", span.start(), span.end()));
        self.guard.forgive("thick", error)?;
        Ok(None)
    }

    /// BEDv1 1.5: three numbers from 0 to 255, or `0`. `.` is widespread and forgiven.
    fn color(&mut self, parsed: &Parsed) -> Result<Option<[u8; 3]>> {
        let text = self.text(parsed, 8);
        if text == b"0" {
            return Ok(None);
        }
        let mut parts = text.split(|b| *b == b',').map(|part| parse_u64(part).and_then(|n| u8::try_from(n).ok()));
        if let (Some(Some(red)), Some(Some(green)), Some(Some(blue)), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        {
            return Ok(Some([red, green, blue]));
        }
        let error = self.wrong(8, "a colour").expecting("red,green,blue from 0 to 255, or 0").finding(quote(text));
        self.guard.forgive("color", error)?;
        Ok(None)
    }

    /// Checks the blocks and counts them; 0 when they are broken and forgiven.
    fn blocks(&mut self, parsed: &Parsed) -> Result<usize> {
        let Err((column, problem)) =
            check_blocks(self.text(parsed, 9), self.text(parsed, 10), self.text(parsed, 11), parsed.span)
        else {
            return Ok(list(self.text(parsed, 10)).count());
        };
        let found = quote(self.text(parsed, column));
        self.guard.forgive("blocks", self.wrong(column, problem).finding(found))?;
        Ok(0)
    }
}

/// BEDv1 1.5: as many sizes and starts as the count says; the first block starts at 0, the last ends with the feature, and
/// blocks are in order without overlap. The error is a column, from 0, and the broken rule.
pub(super) fn check_blocks(
    number: &[u8],
    sizes: &[u8],
    starts: &[u8],
    span: Span,
) -> std::result::Result<(), (usize, &'static str)> {
    let number =
        parse_u64(number).filter(|n| *n > 0).ok_or((9, "the number of blocks is not a whole number from 1"))?;
    if list(sizes).count() as u64 != number {
        return Err((10, "the sizes are not as many as the blocks"));
    }
    if list(starts).count() as u64 != number {
        return Err((11, "the starts are not as many as the blocks"));
    }
    let mut end = 0;
    for (i, (size, start)) in list(sizes).zip(list(starts)).enumerate() {
        let size = parse_u64(size).ok_or((10, "the size of a block is not a whole number"))?;
        let start = parse_u64(start).ok_or((11, "the start of a block is not a whole number"))?;
        if i == 0 && start != 0 {
            return Err((11, "the first block does not start with the feature"));
        }
        if start < end {
            return Err((11, "blocks overlap or are out of order"));
        }
        end = start.checked_add(size).ok_or((10, "the size of a block is too large"))?;
    }
    if end != span.len() {
        return Err((10, "the last block does not end with the feature"));
    }
    Ok(())
}

/// The first `most` columns, the rest of the line, the number of columns found, and whether tabs part them.
fn split(line: &[u8], most: usize) -> ([Range<usize>; STANDARD], Range<usize>, usize, bool) {
    let mut columns: [Range<usize>; STANDARD] = std::array::from_fn(|_| 0..0);
    let tabs = memchr::memchr(b'\t', line).is_some();
    let blank = |at: usize| if tabs { line[at] == b'\t' } else { line[at] == b' ' };
    let (mut at, mut found) = (0, 0);
    while found < most {
        if !tabs {
            while at < line.len() && blank(at) {
                at += 1;
            }
            if at == line.len() {
                return (columns, 0..0, found, tabs);
            }
        }
        let start = at;
        while at < line.len() && !blank(at) {
            at += 1;
        }
        columns[found] = start..at;
        found += 1;
        if at == line.len() {
            return (columns, 0..0, found, tabs);
        }
        at += 1;
    }
    if !tabs && line[at..].iter().all(|b| *b == b' ') {
        return (columns, 0..0, found, tabs);
    }
    (columns, at..line.len(), found, tabs)
}

fn extra_columns(extra: &[u8], tabs: bool) -> usize {
    match (extra.is_empty(), tabs) {
        (true, _) => 0,
        (false, true) => 1 + memchr::memchr_iter(b'\t', extra).count(),
        (false, false) => extra.split(|b| *b == b' ').filter(|column| !column.is_empty()).count(),
    }
}

impl<R: Read> Iterator for BedReader<R> {
    type Item = Result<BedRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        let outcome = self.next_view().map(|view| view.map(|view| view.to_record()));
        self.guard.item(outcome)
    }
}

impl<R: Read> FusedIterator for BedReader<R> {}
