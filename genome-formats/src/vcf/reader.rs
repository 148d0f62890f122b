//! Reads VCF.

use std::fmt;
use std::io::Read;
use std::path::Path;

use crate::error::{Error, ErrorKind, Result};
use crate::guard::{Forgiven, Guard, Mode};
use crate::input::{Input, Limits};
use crate::lines::LineReader;

use super::header::{VcfHeader, VcfVersion};
use super::order::Order;
use super::problem::{Parsed, Problem, Report};
use super::record::Variant;
use super::validate::RecordParser;
use super::view::{Columns, VariantView};

/// How much of a record [`VcfReader::next_view`] checks. The iterator always checks all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Checks {
    /// That CHROM to ALT are there and POS is a number: as fast as the line can be found.
    #[default]
    Columns,
    /// All that the iterator checks: every column, the header's types and numbers, order and duplicates.
    Full,
}

/// How to read a VCF or BCF file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VcfOptions {
    /// What happens to broken rules.
    pub mode: Mode,
    /// How much is kept in memory.
    pub limits: Limits,
    /// How much the lending path checks.
    pub checks: Checks,
}

impl VcfOptions {
    /// Forgives what can be understood.
    pub fn lenient() -> Self {
        Self { mode: Mode::Lenient, ..Self::default() }
    }
}

/// Reads VCF records: an iterator of [`Variant`]s, or [`VcfReader::next_view`] for speed.
///
/// ```
/// use genome_formats::vcf::VcfReader;
///
/// let text: &[u8] = b"##fileformat=VCFv4.3\n\
///     #CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tmother\n\
///     chr1\t100\trs1\tC\tT\t50\tPASS\tDP=7\tGT\t0|1\n";
/// let mut reader = VcfReader::new("trio.vcf", text)?;
/// assert_eq!(reader.header().samples(), ["mother"]);
///
/// let variant = reader.next().unwrap()?;
/// assert!(variant.is_snv() && variant.is_pass());
/// assert_eq!(variant.span().start(), 99); // POS counts from 1, spans from 0
/// let genotype = variant.genotype(0).unwrap();
/// assert!(genotype.is_phased() && genotype.count(1) == 1);
/// # Ok::<(), genome_formats::Error>(())
/// ```
pub struct VcfReader<R> {
    lines: LineReader<R>,
    guard: Guard,
    checks: Checks,
    header: VcfHeader,
    parser: RecordParser,
    order: Order,
}

impl VcfReader<Input> {
    /// Opens a file, strictly; `-` is standard input.
    ///
    /// # Errors
    ///
    /// The file cannot be opened, or its header is broken.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path, VcfOptions::default())
    }

    /// Opens a file.
    ///
    /// # Errors
    ///
    /// As [`VcfReader::open`].
    pub fn open_with(path: impl AsRef<Path>, options: VcfOptions) -> Result<Self> {
        Self::from_input_with(Input::open(path)?.with_mode(options.mode), options)
    }

    /// Reads an opened input, strictly.
    ///
    /// # Errors
    ///
    /// The header is broken.
    pub fn from_input(input: Input) -> Result<Self> {
        Self::from_input_with(input, VcfOptions::default())
    }

    /// Reads an opened input.
    ///
    /// # Errors
    ///
    /// The header is broken.
    pub fn from_input_with(input: Input, options: VcfOptions) -> Result<Self> {
        Self::from_lines(LineReader::from_input(input), options)
    }
}

impl<R: Read> VcfReader<R> {
    /// Reads plain text, strictly; `name` stands in errors.
    ///
    /// # Errors
    ///
    /// The header is broken.
    pub fn new(name: impl Into<String>, reader: R) -> Result<Self> {
        Self::new_with(name, reader, VcfOptions::default())
    }

    /// Reads plain text; `name` stands in errors.
    ///
    /// # Errors
    ///
    /// The header is broken.
    pub fn new_with(name: impl Into<String>, reader: R, options: VcfOptions) -> Result<Self> {
        Self::from_lines(LineReader::new(name, reader, 0), options)
    }

    fn from_lines(mut lines: LineReader<R>, options: VcfOptions) -> Result<Self> {
        lines.set_max_line(options.limits.max_line);
        let mut guard = Guard::default();
        guard.mode = options.mode;
        guard.limits = options.limits;
        let header = read_header(&mut lines, &mut guard)?;
        let (parser, order) = (RecordParser::default(), Order::default());
        Ok(Self { lines, guard, checks: options.checks, header, parser, order })
    }

    /// The header.
    pub fn header(&self) -> &VcfHeader {
        &self.header
    }

    /// What a lenient reader let pass, each rule at most once a line.
    pub fn forgiven(&self) -> &Forgiven {
        &self.guard.forgiven
    }

    /// The next record in place. How much of it is checked is chosen by [`VcfOptions::checks`].
    ///
    /// # Errors
    ///
    /// A rule is broken that is not forgiven; after that every call gives [`ErrorKind::Failed`].
    #[inline]
    pub fn next_view(&mut self) -> Result<Option<VariantView<'_>>> {
        self.guard.check_failed(self.lines.name())?;
        let outcome = self.advance();
        let outcome = match outcome {
            Ok(Some(columns)) if self.checks == Checks::Full => self.parse(columns).map(|_| Some(columns)),
            outcome => outcome,
        };
        let columns = self.guard.note(self.lines.name(), outcome)?;
        Ok(columns.map(|columns| VariantView::new(self.lines.line(), columns, &self.header)))
    }

    fn next_record(&mut self) -> Result<Option<Variant>> {
        match self.advance()? {
            Some(columns) => Ok(Some(self.parse(columns)?)),
            None => Ok(None),
        }
    }

    /// Goes to the next line that is a record.
    #[inline]
    fn advance(&mut self) -> Result<Option<Columns>> {
        loop {
            let cut = self.lines.is_cut();
            if !self.lines.next_line()? {
                if cut {
                    self.check_last_line_end()?;
                }
                return Ok(None);
            }
            match Columns::find(self.lines.line()) {
                Ok(columns) => return Ok(Some(columns)),
                Err(problem) => self.skip_or_fail(*problem)?,
            }
        }
    }

    /// An empty line or a comment among the records is no record, and forgiven.
    #[cold]
    fn skip_or_fail(&mut self, problem: Problem) -> Result<()> {
        let line = self.lines.line();
        if line.is_empty() {
            let error = place(&self.lines, problem);
            return self.guard.forgive("empty line", error);
        }
        if line.starts_with(b"#") {
            let problem = Problem::new("header line", "a header line among the records").finding(line);
            let error = place(&self.lines, *problem);
            return self.guard.forgive("header line", error);
        }
        Err(place(&self.lines, problem))
    }

    fn parse(&mut self, columns: Columns) -> Result<Variant> {
        let mut report = Report::new(self.guard.mode);
        let view = VariantView::new(self.lines.line(), columns, &self.header);
        let outcome = self.parser.parse(&view, &mut report).and_then(|record| {
            self.order.check(&record, self.header.version(), &mut report)?;
            Ok(record)
        });
        settle(&self.lines, &mut self.guard, report, outcome)
    }

    /// "The last data line must end with a line separator" (VCFv4.3, 1.6). Earlier versions do not say so, and the
    /// specification's own example of 4.5 has none.
    #[cold]
    fn check_last_line_end(&mut self) -> Result<()> {
        if !matches!(self.header.version(), VcfVersion::V4_3 | VcfVersion::V4_4) {
            return Ok(());
        }
        let error = self.lines.error_at_end(ErrorKind::Truncated, "no newline at the end of the file");
        self.guard.forgive("last line end", error.expecting("a line feed behind the last line"))
    }
}

impl<R: Read> Iterator for VcfReader<R> {
    type Item = Result<Variant>;

    fn next(&mut self) -> Option<Self::Item> {
        let outcome = self.guard.check_failed(self.lines.name()).and_then(|()| self.next_record());
        let outcome = self.guard.note(self.lines.name(), outcome);
        self.guard.item(outcome)
    }
}

impl<R: Read> std::iter::FusedIterator for VcfReader<R> {}

impl<R> fmt::Debug for VcfReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VcfReader").field("guard", &self.guard).field("checks", &self.checks).finish_non_exhaustive()
    }
}

/// An error at the current line.
fn place<R: Read>(lines: &LineReader<R>, problem: Problem) -> Error {
    problem.into_error(|kind, text| lines.error(kind, text))
}

/// Counts what was forgiven, and gives the outcome its place.
fn settle<R: Read, T>(lines: &LineReader<R>, guard: &mut Guard, report: Report, outcome: Parsed<T>) -> Result<T> {
    for problem in report.forgiven {
        let rule = problem.rule;
        guard.forgive(rule, place(lines, problem))?;
    }
    outcome.map_err(|problem| place(lines, *problem))
}

fn read_header<R: Read>(lines: &mut LineReader<R>, guard: &mut Guard) -> Result<VcfHeader> {
    if !lines.next_line()? {
        let error = Error::new(ErrorKind::Empty, lines.name(), "the file is empty");
        return Err(error.expecting("##fileformat=VCFv4.x in the first line"));
    }
    let mut report = Report::new(guard.mode);
    let outcome = VcfHeader::begin(lines.line(), &mut report);
    let (mut header, mut done) = settle(lines, guard, report, outcome)?;
    while !done {
        if !lines.next_line()? {
            let problem = "the file ends inside its header";
            return Err(lines
                .error_at_end(ErrorKind::Truncated, problem)
                .expecting("the column line #CHROM POS ID ..."));
        }
        if lines.line().is_empty() {
            let error = lines.error(ErrorKind::Syntax, "an empty line in the header");
            guard.forgive("empty line", error)?;
            continue;
        }
        let mut report = Report::new(guard.mode);
        let outcome = header.add_line(lines.line(), &mut report);
        done = settle(lines, guard, report, outcome)?;
        if header.size() as u64 > guard.limits.max_header {
            let problem = format!("the header and its tables are larger than {} bytes", guard.limits.max_header);
            return Err(lines.error(ErrorKind::Limit, problem));
        }
    }
    Ok(header)
}
