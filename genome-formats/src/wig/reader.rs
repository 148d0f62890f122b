//! Reads WIG and bedGraph: a fast path for lines of numbers, and a full parser for everything else.

use std::io::Read;
use std::iter::FusedIterator;
use std::path::Path;

use super::number::{parse_f64, parse_u64, scan_f64, scan_u64};
use super::track::TrackLine;
use crate::coord::Span;
use crate::error::{Error, ErrorKind, Result, quote};
use crate::guard::{Forgiven, Guard, Mode};
use crate::input::{Input, Limits};
use crate::lines::LineReader;

/// A value on a stretch of a sequence.
#[derive(Debug, Clone, PartialEq)]
pub struct Signal {
    /// Name of the sequence.
    pub seq_name: String,
    /// Where the value holds.
    pub span: Span,
    /// The value of each base of the span.
    pub value: f64,
}

/// A [`Signal`] that borrows its name from the reader.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SignalView<'a> {
    /// Name of the sequence, as the file writes it.
    pub seq_name: &'a [u8],
    /// Where the value holds.
    pub span: Span,
    /// The value of each base of the span.
    pub value: f64,
}

impl SignalView<'_> {
    /// The owned signal; a name that is not UTF-8 gets replacement characters.
    pub fn to_signal(&self) -> Signal {
        Signal { seq_name: String::from_utf8_lossy(self.seq_name).into_owned(), span: self.span, value: self.value }
    }
}

/// What the next data line looks like.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Layout {
    /// Four columns.
    Bed,
    /// One value; `start` is 0-based, `None` behind the last position that exists.
    Fixed { start: Option<u64>, step: u64, span: u64 },
    /// Position and value.
    Variable { span: u64 },
}

/// Values that are read ahead at most.
const BATCH: usize = 128;

impl Layout {
    /// The layout of the line behind one with this span.
    #[inline]
    fn behind(self, span: Span) -> Self {
        match self {
            Self::Fixed { step, span: length, .. } => {
                Self::Fixed { start: span.start().checked_add(step), step, span: length }
            }
            other => other,
        }
    }
}

/// A line, as the converter to BED sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Item {
    /// A value; `declared` tells whether it stands below a declaration.
    Value { span: Span, value: f64, declared: bool },
    /// The current line is `track`, `browser`, a declaration or a comment.
    Header { track: bool },
}

/// Reads WIG, bedGraph lines included. After an error it gives nothing more.
///
/// See [`WigReader::next_view`] for the fast path; as an iterator it gives owned [`Signal`]s.
#[derive(Debug)]
pub struct WigReader<R> {
    lines: LineReader<R>,
    guard: Guard,
    layout: Layout,
    /// The sequence of the declaration, or of the last four-column line.
    name: Vec<u8>,
    /// Where the last value of this declaration, or of this run of four-column lines, ends.
    last_end: u64,
    track: Option<TrackLine>,
    /// Whether four-column lines are bedGraph, which must not overlap; in a track of type wiggle_0 they may.
    is_bedgraph: bool,
    /// Values that were read ahead, and how many of them were given.
    batch: Vec<(Span, f64)>,
    given: usize,
    /// Whether declarations are refused.
    only_bedgraph: bool,
}

impl WigReader<Input> {
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

impl<R: Read> WigReader<R> {
    /// Reads plain text; `name` stands in errors.
    pub fn new(name: impl Into<String>, reader: R) -> Self {
        Self::from_lines(LineReader::new(name, reader, 0))
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

    /// The `track` line above the last value.
    pub fn track(&self) -> Option<&TrackLine> {
        self.track.as_ref()
    }

    /// The next value, without an allocation; `None` at the end.
    ///
    /// # Errors
    ///
    /// The text breaks the format, or reading fails; every later call fails too.
    #[inline]
    pub fn next_view(&mut self) -> Result<Option<SignalView<'_>>> {
        self.guard.check_failed(self.lines.name())?;
        let outcome = self.next_value();
        let outcome = self.guard.note(self.lines.name(), outcome)?;
        Ok(outcome.map(|(span, value)| SignalView { seq_name: &self.name, span, value }))
    }

    fn from_lines(lines: LineReader<R>) -> Self {
        Self {
            lines,
            guard: Guard::default(),
            layout: Layout::Bed,
            name: Vec::new(),
            last_end: 0,
            track: None,
            is_bedgraph: true,
            batch: Vec::new(),
            given: 0,
            only_bedgraph: false,
        }
    }

    #[inline]
    fn next_value(&mut self) -> Result<Option<(Span, f64)>> {
        if self.given == self.batch.len() && !self.fill_batch()? {
            return self.next_unusual();
        }
        let found = self.batch[self.given];
        self.given += 1;
        Ok(Some(found))
    }

    fn next_unusual(&mut self) -> Result<Option<(Span, f64)>> {
        loop {
            match self.parse_line()? {
                Some(Item::Value { span, value, .. }) => return Ok(Some((span, value))),
                Some(Item::Header { .. }) => {}
                None => return Ok(None),
            }
        }
    }

    /// For the converter: the next line that is not blank.
    pub(super) fn next_item(&mut self) -> Result<Option<Item>> {
        self.guard.check_failed(self.lines.name())?;
        let outcome = match self.batch.get(self.given) {
            Some(&(span, value)) => {
                self.given += 1;
                Ok(Some(Item::Value { span, value, declared: self.layout != Layout::Bed }))
            }
            None => self.parse_line(),
        };
        self.guard.note(self.lines.name(), outcome)
    }

    pub(super) fn line(&self) -> &[u8] {
        self.lines.line()
    }

    pub(super) fn seq_name(&self) -> &[u8] {
        &self.name
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.guard.limits
    }

    pub(super) fn error(&self, kind: ErrorKind, problem: impl Into<std::borrow::Cow<'static, str>>) -> Error {
        self.lines.error(kind, problem)
    }

    /// Reads plain data lines straight from the buffer; `false` where there is none. Whatever is unusual, wrong or cut at
    /// the end of the buffer is left for [`WigReader::parse_line`].
    #[inline(never)]
    fn fill_batch(&mut self) -> Result<bool> {
        self.batch.clear();
        self.given = 0;
        if self.lines.number() == 0 {
            return Ok(false); // a byte order mark may follow
        }
        let max_line = usize::try_from(self.guard.limits.max_line).unwrap_or(usize::MAX);
        // Four-column lines of a wiggle_0 track may overlap.
        let may_overlap = self.layout == Layout::Bed && !self.is_bedgraph;
        let (mut layout, mut last_end, mut at) = (self.layout, self.last_end, 0);
        let bytes = self.lines.ahead()?;
        while self.batch.len() < BATCH {
            let Some((span, value, length)) = scan_line(&bytes[at..], layout, &self.name) else { break };
            if (span.start() < last_end && !may_overlap) || span.is_empty() || length > max_line {
                break;
            }
            at += length;
            layout = layout.behind(span);
            last_end = last_end.max(span.end());
            self.batch.push((span, value));
        }
        if at > 0 {
            self.lines.skip(at, self.batch.len() as u64);
            (self.layout, self.last_end) = (layout, last_end);
        }
        Ok(at > 0)
    }

    /// Parses lines until one that is not blank; `None` at the end.
    #[inline(never)]
    fn parse_line(&mut self) -> Result<Option<Item>> {
        while self.lines.next_line()? {
            let line = self.lines.line().trim_ascii();
            let Some(word) = words(line).next() else { continue };
            let track = match word {
                _ if word[0] == b'#' => false,
                b"browser" => false,
                b"track" => {
                    self.open_track()?;
                    true
                }
                b"fixedStep" | b"variableStep" => {
                    self.declare(word == b"fixedStep")?;
                    false
                }
                _ => return self.parse_value().map(Some),
            };
            return Ok(Some(Item::Header { track }));
        }
        Ok(None)
    }

    fn open_track(&mut self) -> Result<()> {
        let line = self.lines.line().trim_ascii();
        let (track, problem) = TrackLine::parse(&line[b"track".len()..]);
        if let Some(problem) = problem {
            let error = self.lines.error(ErrorKind::Syntax, problem).expecting("key=value").finding(quote(line));
            self.guard.forgive("track-setting", error)?;
        }
        let kind = track.get("type");
        self.is_bedgraph = self.only_bedgraph || kind == Some("bedGraph");
        let known = match kind {
            Some("bedGraph") => true,
            Some("wiggle_0" | "wig") => !self.only_bedgraph,
            _ => false,
        };
        if !known {
            let found = kind.map_or("no type".to_owned(), |kind| quote(kind.as_bytes()));
            let error = self.lines.error(ErrorKind::Syntax, "a track of another type").finding(found);
            let expected = if self.only_bedgraph { "type=bedGraph" } else { "type=wiggle_0 or type=bedGraph" };
            self.guard.forgive("track-type", error.expecting(expected))?;
        }
        self.track = Some(track);
        self.layout = Layout::Bed;
        self.name.clear();
        self.last_end = 0;
        Ok(())
    }

    fn declare(&mut self, fixed: bool) -> Result<()> {
        let line = self.lines.line();
        let wrong = |problem: &'static str| self.lines.error(ErrorKind::Syntax, problem);
        if self.only_bedgraph {
            return Err(wrong("a WIG declaration in a bedGraph file").expecting("four columns").finding(quote(line)));
        }
        let positive = |key: &str, value: &[u8]| match parse_u64(value) {
            Some(number) if number > 0 => Ok(number),
            _ => {
                let error = self.lines.error(ErrorKind::Syntax, format!("{key} of a declaration"));
                Err(error.expecting("a whole number from 1").finding(quote(value)))
            }
        };
        let (mut chrom, mut start, mut step, mut span, mut unknown) = (None, None, None, None, None);
        for word in words(line).skip(1) {
            let at = memchr::memchr(b'=', word).unwrap_or(word.len());
            let value = word.get(at + 1..).unwrap_or_default();
            match &word[..at] {
                b"chrom" if chrom.is_none() && !value.is_empty() => chrom = Some(value),
                b"start" if start.is_none() && fixed => start = Some(positive("start", value)?),
                b"step" if step.is_none() && fixed => step = Some(positive("step", value)?),
                b"span" if span.is_none() => span = Some(positive("span", value)?),
                _ => unknown = Some(quote(word)),
            }
        }
        let Some(chrom) = chrom else {
            return Err(wrong("a declaration without a sequence").expecting("chrom=NAME").finding(quote(line)));
        };
        let span = span.unwrap_or(1);
        self.layout = match (fixed, start) {
            (true, Some(start)) => Layout::Fixed { start: Some(start - 1), step: step.unwrap_or(1), span },
            (true, None) => {
                return Err(wrong("fixedStep without a start").expecting("start=POSITION").finding(quote(line)));
            }
            (false, _) => Layout::Variable { span },
        };
        self.name.clear();
        self.name.extend_from_slice(chrom);
        self.last_end = 0;
        if self.is_bedgraph && self.track.is_some() {
            let error = wrong("a WIG declaration in a track of type bedGraph").expecting("four columns");
            self.guard.forgive("declaration-in-bedgraph", error)?;
        }
        if let Some(unknown) = unknown {
            let expected = if fixed { "chrom, start, step and span, each once" } else { "chrom and span, each once" };
            let error = self.lines.error(ErrorKind::Syntax, "a declaration with another setting");
            self.guard.forgive("declaration-setting", error.expecting(expected).finding(unknown))?;
        }
        Ok(())
    }

    fn parse_value(&mut self) -> Result<Item> {
        let line = self.lines.line();
        let mut words = words(line);
        let columns: [&[u8]; 4] = std::array::from_fn(|_| words.next().unwrap_or_default());
        let count = columns.iter().filter(|c| !c.is_empty()).count() + words.count();
        let wrong = |problem: &'static str| self.lines.error(ErrorKind::Syntax, problem);
        let whole = |column: usize| {
            parse_u64(columns[column]).ok_or_else(|| {
                let error = wrong("a position that is not a whole number").expecting("a whole number");
                error.finding(quote(columns[column]))
            })
        };
        let overflow = || self.lines.error(ErrorKind::Coordinate, "a position that is too large");
        let declared = count != 4 && self.layout != Layout::Bed;
        let (start, end, value) = match (self.layout, count) {
            (Layout::Fixed { start, span, .. }, 1) => {
                let start = start.ok_or_else(overflow)?;
                (start, start.checked_add(span).ok_or_else(overflow)?, columns[0])
            }
            (Layout::Variable { span }, 2) => {
                let Some(start) = whole(0)?.checked_sub(1) else {
                    let error = self.lines.error(ErrorKind::Coordinate, "position 0: WIG counts from 1");
                    return Err(error.expecting("a position from 1").finding("0"));
                };
                (start, start.checked_add(span).ok_or_else(overflow)?, columns[1])
            }
            (_, 4) => (whole(1)?, whole(2)?, columns[3]),
            (layout, _) => {
                let expected = match layout {
                    Layout::Fixed { .. } => "a value",
                    Layout::Variable { .. } => "a position and a value",
                    Layout::Bed if self.only_bedgraph => "four columns: name, start, end, value",
                    Layout::Bed => "fixedStep, variableStep, track or four columns",
                };
                let error = wrong("a line that does not fit").expecting(expected);
                return Err(error.finding(quote(line)));
            }
        };
        let Some(value) = parse_f64(value) else {
            return Err(wrong("a value that is not a number").expecting("a number").finding(quote(value)));
        };
        let Some(span) = Span::new(start, end) else {
            let error = self.lines.error(ErrorKind::Coordinate, "the end is in front of the start");
            return Err(error.expecting(format!("an end from {start}")).finding(end.to_string()));
        };

        if !value.is_finite() {
            let error = self.lines.error(ErrorKind::Syntax, "a value that is not finite");
            self.guard.forgive("value-not-finite", error.expecting("a finite number").finding(value.to_string()))?;
        }
        if !declared {
            if self.layout != Layout::Bed {
                let error = self.lines.error(ErrorKind::Syntax, "four columns below a declaration");
                self.guard.forgive("columns-below-declaration", error.expecting("a track line between them"))?;
                self.layout = Layout::Bed;
                self.name.clear();
            }
            if columns[0] != self.name {
                self.name.clear();
                self.name.extend_from_slice(columns[0]);
                self.last_end = 0;
            }
        }
        if span.is_empty() {
            let error =
                self.lines.error(ErrorKind::Coordinate, "a span without a base").expecting("an end behind the start");
            self.guard.forgive("empty-span", error.finding(format!("{start} and {end}")))?;
        }
        if start < self.last_end && (declared || self.is_bedgraph) {
            let error = self.lines.error(ErrorKind::Coordinate, "values overlap or are out of order");
            let error = error.expecting(format!("a 0-based start from {}", self.last_end)).finding(start.to_string());
            self.guard.forgive("overlap", error)?;
        }
        self.layout = self.layout.behind(span);
        self.last_end = self.last_end.max(span.end());
        Ok(Item::Value { span, value, declared })
    }
}

impl<R: Read> Iterator for WigReader<R> {
    type Item = Result<Signal>;

    fn next(&mut self) -> Option<Self::Item> {
        let outcome = self.next_view().map(|view| view.map(|view| view.to_signal()));
        self.guard.item(outcome)
    }
}

impl<R: Read> FusedIterator for WigReader<R> {}

/// Reads bedGraph: four columns, tabs or blanks between them, 0-based; `track`, `browser`, comments and blank lines are
/// passed over. A WIG declaration is an error.
///
/// ```
/// use genome_formats::{BedGraphReader, Span};
///
/// let text: &[u8] = b"track type=bedGraph\nchr1\t0\t10\t0.5\nchr1\t10\t20\t1\n";
/// let signals = BedGraphReader::new("x.bedgraph", text).collect::<Result<Vec<_>, _>>()?;
/// assert_eq!((signals[1].span, signals[1].value), (Span::new(10, 20).unwrap(), 1.0));
/// # Ok::<(), genome_formats::Error>(())
/// ```
#[derive(Debug)]
pub struct BedGraphReader<R>(WigReader<R>);

impl BedGraphReader<Input> {
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
        Self::restrict(WigReader::from_input(input))
    }
}

impl<R: Read> BedGraphReader<R> {
    /// Reads plain text; `name` stands in errors.
    pub fn new(name: impl Into<String>, reader: R) -> Self {
        Self::restrict(WigReader::new(name, reader))
    }

    /// Chooses strict, the default, or lenient.
    pub fn with_mode(self, mode: Mode) -> Self {
        Self(self.0.with_mode(mode))
    }

    /// Sets limits in place of [`Limits::default`].
    pub fn with_limits(self, limits: Limits) -> Self {
        Self(self.0.with_limits(limits))
    }

    /// What was forgiven so far.
    pub fn forgiven(&self) -> &Forgiven {
        self.0.forgiven()
    }

    /// The `track` line above the last value.
    pub fn track(&self) -> Option<&TrackLine> {
        self.0.track()
    }

    /// The next value, without an allocation; `None` at the end.
    ///
    /// # Errors
    ///
    /// As [`WigReader::next_view`].
    #[inline]
    pub fn next_view(&mut self) -> Result<Option<SignalView<'_>>> {
        self.0.next_view()
    }

    fn restrict(reader: WigReader<R>) -> Self {
        Self(WigReader { only_bedgraph: true, ..reader })
    }
}

impl<R: Read> Iterator for BedGraphReader<R> {
    type Item = Result<Signal>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

impl<R: Read> FusedIterator for BedGraphReader<R> {}

/// The words of a line, between blanks.
fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|b| b.is_ascii_whitespace()).filter(|word| !word.is_empty())
}

/// Span, value and length, line end included, of a plain data line at the front of `bytes`.
#[inline]
fn scan_line(bytes: &[u8], layout: Layout, name: &[u8]) -> Option<(Span, f64, usize)> {
    let (start, end, at) = match layout {
        Layout::Fixed { start, span, .. } => (start?, start?.checked_add(span)?, 0),
        Layout::Variable { span } => {
            let (position, length) = scan_u64(bytes)?;
            let start = position.checked_sub(1)?;
            (start, start.checked_add(span)?, length + 1)
        }
        Layout::Bed => {
            if name.is_empty() || !bytes.starts_with(name) {
                return None;
            }
            let from = name.len() + 1;
            let (start, length) = scan_u64(behind_blank(bytes, from)?)?;
            let to = from + length + 1;
            let (end, length) = scan_u64(behind_blank(bytes, to)?)?;
            (start, end, to + length + 1)
        }
    };
    let text = if at == 0 { bytes } else { behind_blank(bytes, at)? };
    let (value, length) = scan_f64(text)?;
    let line_end = match text.get(length..)? {
        [b'\n', ..] => 1,
        [b'\r', b'\n', ..] => 2,
        _ => return None,
    };
    Some((Span::new(start, end)?, value, at + length + line_end))
}

/// The bytes from `at`, in front of which stands a blank.
#[inline]
fn behind_blank(bytes: &[u8], at: usize) -> Option<&[u8]> {
    matches!(bytes.get(at - 1), Some(b' ' | b'\t')).then(|| &bytes[at..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &[u8], mode: Mode) -> Result<Vec<Signal>> {
        WigReader::new("x.wig", text).with_mode(mode).collect()
    }

    fn signal(name: &str, start: u64, end: u64, value: f64) -> Signal {
        Signal { seq_name: name.into(), span: Span::new(start, end).unwrap(), value }
    }

    #[test]
    fn layouts() {
        let check = |text: &str, expected: &[Signal]| {
            assert_eq!(read(text.as_bytes(), Mode::Strict).unwrap(), expected, "{text}");
            assert_eq!(
                read(text.replace('\n', "\r\n").as_bytes(), Mode::Strict).unwrap(),
                expected,
                "{text} with CRLF"
            );
            assert_eq!(
                read(text.trim_end().as_bytes(), Mode::Strict).unwrap(),
                expected,
                "{text} without a last line end"
            );
            assert_eq!(
                read(format!("\u{feff}{text}").as_bytes(), Mode::Strict).unwrap(),
                expected,
                "{text} with a mark"
            );
        };
        check("", &[]);
        check("\n\n# nothing\n", &[]);
        check("fixedStep chrom=c start=1\n5\n-6.5 \n", &[signal("c", 0, 1, 5.0), signal("c", 1, 2, -6.5)]);
        check(
            "fixedStep  span=2 step=3 start=10 chrom=c\n5\n6\n",
            &[signal("c", 9, 11, 5.0), signal("c", 12, 14, 6.0)],
        );
        check("variableStep chrom=c\n7 1e3\n9\t.5\n", &[signal("c", 6, 7, 1000.0), signal("c", 8, 9, 0.5)]);
        check(
            "browser position c:1-2\ntrack type=bedGraph name='a b'\nc 0 2 1\nc 2 4 2\nd\t1\t2\t3\nc 0 1 4\n",
            &[signal("c", 0, 2, 1.0), signal("c", 2, 4, 2.0), signal("d", 1, 2, 3.0), signal("c", 0, 1, 4.0)],
        );
        check("track type=wiggle_0\nc 0 5 1\nc 3 9 2\n", &[signal("c", 0, 5, 1.0), signal("c", 3, 9, 2.0)]);
        check(
            "variableStep chrom=c\n9 1\n\nvariableStep chrom=c\n7 1\n# x\n8 1\n",
            &[signal("c", 8, 9, 1.0), signal("c", 6, 7, 1.0), signal("c", 7, 8, 1.0)],
        );
    }

    #[test]
    fn errors_name_the_broken_rule() {
        let check = |text: &str, expected: &str| {
            let error = read(text.as_bytes(), Mode::Strict).unwrap_err();
            assert_eq!(error.to_string(), format!("x.wig:{expected}"), "{text:?}");
        };
        check(
            "5\n",
            "1: byte 0: a line that does not fit: expected fixedStep, variableStep, track or four columns, found \"5\"",
        );
        check(
            "fixedStep start=1\n",
            "1: byte 0: a declaration without a sequence: expected chrom=NAME, found \"fixedStep start=1\"",
        );
        check(
            "fixedStep chrom=c\n",
            "1: byte 0: fixedStep without a start: expected start=POSITION, found \"fixedStep chrom=c\"",
        );
        check(
            "fixedStep chrom=c start=0\n",
            "1: byte 0: start of a declaration: expected a whole number from 1, found \"0\"",
        );
        check(
            "fixedStep chrom=c start=1 step=0\n",
            "1: byte 0: step of a declaration: expected a whole number from 1, found \"0\"",
        );
        check(
            "variableStep chrom=c span=0\n",
            "1: byte 0: span of a declaration: expected a whole number from 1, found \"0\"",
        );
        check(
            "variableStep chrom=c start=3\n",
            "1: byte 0: a declaration with another setting: expected chrom and span, each once, found \"start=3\"",
        );
        check(
            "fixedStep chrom=c start=3 start=4\n",
            "1: byte 0: a declaration with another setting: expected chrom, start, step and span, each once, found \"start=4\"",
        );
        check(
            "variableStep chrom=c\n0 1\n",
            "2: byte 21: position 0: WIG counts from 1: expected a position from 1, found 0",
        );
        check(
            "variableStep chrom=c\nx 1\n",
            "2: byte 21: a position that is not a whole number: expected a whole number, found \"x\"",
        );
        check(
            "variableStep chrom=c\n1\n",
            "2: byte 21: a line that does not fit: expected a position and a value, found \"1\"",
        );
        check(
            "fixedStep chrom=c start=1\n1 2\n",
            "2: byte 26: a line that does not fit: expected a value, found \"1 2\"",
        );
        check(
            "fixedStep chrom=c start=1\nx\n",
            "2: byte 26: a value that is not a number: expected a number, found \"x\"",
        );
        check(
            "fixedStep chrom=c start=1\nNaN\n",
            "2: byte 26: a value that is not finite: expected a finite number, found NaN",
        );
        check(
            "fixedStep chrom=c start=1\n1e999\n",
            "2: byte 26: a value that is not finite: expected a finite number, found inf",
        );
        check(
            "fixedStep chrom=c start=1 span=2\n1\n2\n",
            "3: byte 35: values overlap or are out of order: expected a 0-based start from 2, found 1",
        );
        check(
            "variableStep chrom=c\n9 1\n7 1\n",
            "3: byte 25: values overlap or are out of order: expected a 0-based start from 9, found 6",
        );
        check("c 5 4 1\n", "1: byte 0: the end is in front of the start: expected an end from 5, found 4");
        check("c 5 5 1\n", "1: byte 0: a span without a base: expected an end behind the start, found 5 and 5");
        check(
            "c 1 5 1\nc 4 6 1\n",
            "2: byte 8: values overlap or are out of order: expected a 0-based start from 5, found 4",
        );
        check(
            "fixedStep chrom=c start=1\nc 0 1 1\n",
            "2: byte 26: four columns below a declaration: expected a track line between them",
        );
        check(
            "track name=a\n",
            "1: byte 0: a track of another type: expected type=wiggle_0 or type=bedGraph, found no type",
        );
        check(
            "track type=bedGraph\nfixedStep chrom=c start=1\n",
            "2: byte 20: a WIG declaration in a track of type bedGraph: expected four columns",
        );
        check("track db type=wig\n", "1: byte 0: a setting without =: expected key=value, found \"track db type=wig\"");
        let far = "fixedStep chrom=c start=18446744073709551615 span=2\n1\n";
        check(far, "2: byte 52: a position that is too large");
    }

    #[test]
    fn lenient_counts() {
        let text = b"track\nfixedStep chrom=c start=1 span=2 x=1\n1\nNaN\nc 7 7 1\n";
        let mut reader = WigReader::new("x.wig", &text[..]).with_mode(Mode::Lenient);
        let signals = reader.by_ref().collect::<Result<Vec<_>>>().unwrap();
        assert_eq!(signals.len(), 3);
        assert!(signals[1].value.is_nan());
        let rules: Vec<_> = reader.forgiven().iter().map(|(rule, n, _)| (rule, n)).collect();
        assert_eq!(
            rules,
            [
                ("columns-below-declaration", 1),
                ("declaration-setting", 1),
                ("empty-span", 1),
                ("overlap", 1),
                ("track-type", 1),
                ("value-not-finite", 1)
            ]
        );
    }

    #[test]
    fn bedgraph_refuses_declarations() {
        let check = |text: &str, expected: &str| {
            for mode in [Mode::Strict, Mode::Lenient] {
                let error = BedGraphReader::new("x", text.as_bytes()).with_mode(mode).next().unwrap().unwrap_err();
                assert_eq!(error.to_string(), expected);
            }
        };
        check(
            "fixedStep chrom=c start=1\n",
            "x:1: byte 0: a WIG declaration in a bedGraph file: expected four columns, found \"fixedStep chrom=c start=1\"",
        );
        check(
            "c 1 2\n",
            "x:1: byte 0: a line that does not fit: expected four columns: name, start, end, value, found \"c 1 2\"",
        );
    }

    #[test]
    fn limits_hold_on_both_paths() {
        let text = b"fixedStep chrom=c start=1\n1\n22222222222222222222222222222222\n";
        let limits = Limits { max_line: 26, ..Limits::default() };
        let error = WigReader::new("x", &text[..]).with_limits(limits).collect::<Result<Vec<_>>>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limit);
        let limits = Limits { max_records: 1, ..Limits::default() };
        let mut reader = WigReader::new("x", &b"variableStep chrom=c\n1 1\n2 2\n"[..]).with_limits(limits);
        assert!(reader.next_view().unwrap().is_some());
        assert_eq!(reader.next_view().unwrap_err().kind(), ErrorKind::Limit);
        assert_eq!(reader.next_view().unwrap_err().kind(), ErrorKind::Failed);
        assert!(reader.next().is_none());
    }

    /// Gives one byte at a time, so that no line lies in the buffer as a whole and the fast path never finds one.
    struct Drip<'a>(&'a [u8]);

    impl Read for Drip<'_> {
        fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
            let n = self.0.len().min(1).min(buf.len());
            buf[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Ok(n)
        }
    }

    fn line() -> impl Strategy<Value = String> {
        prop_oneof![
            3 => "-?[0-9]{1,3}(\\.[0-9]{1,3})? ?",
            4 => "[0-9]{1,3}[ \t]-?[0-9]{1,3}(\\.[0-9]{1,3})?(e[0-9])?",
            3 => "c[0-9]?[ \t][0-9]{1,2}[ \t][0-9]{1,3}[ \t]-?[0-9]{1,3}",
            1 => "variableStep chrom=c( span=[0-9])?",
            1 => "fixedStep chrom=c start=[0-9]( step=[0-9])?( span=[0-9])?",
            1 => "track( type=(wiggle_0|bedGraph|bed))?( name=\"a b\"?)?",
            1 => "\\PC{0,6}",
            1 => Just(String::new()),
        ]
    }

    fn text() -> impl Strategy<Value = Vec<u8>> {
        let text = proptest::collection::vec((line(), prop_oneof![4 => Just("\n"), 1 => Just("\r\n")]), 0..20);
        let text = text.prop_map(|lines| lines.into_iter().map(|(a, b)| a + b).collect::<String>().into_bytes());
        (text, proptest::collection::vec((any::<usize>(), any::<u8>()), 0..3)).prop_map(|(mut text, changes)| {
            for (at, byte) in changes {
                if !text.is_empty() {
                    let at = at % text.len();
                    text[at] = byte;
                }
            }
            text
        })
    }

    fn show(outcome: Result<Vec<Signal>>) -> std::result::Result<String, String> {
        outcome.map(|signals| format!("{signals:?}")).map_err(|error| error.to_string())
    }

    proptest! {
        #[test]
        fn fast_path_is_slow_path_and_strict_is_lenient(text in text()) {
            for mode in [Mode::Strict, Mode::Lenient] {
                let fast = show(read(&text, mode));
                let slow = show(WigReader::new("x.wig", Drip(&text)).with_mode(mode).collect());
                prop_assert_eq!(&fast, &slow);
            }
            if let Ok(strict) = read(&text, Mode::Strict) {
                prop_assert_eq!(read(&text, Mode::Lenient).unwrap(), strict);
            }
        }

        #[test]
        fn any_bytes_give_an_outcome(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&text, Mode::Lenient);
            let _ = BedGraphReader::new("x", &text[..]).count();
        }
    }
}
