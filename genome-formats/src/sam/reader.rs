//! Reads SAM line by line.

use std::borrow::Cow;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use super::cigar::{CigarOp, CigarText, measure};
use super::flags::Flags;
use super::header::{LINE_COST, Problem, REFERENCE_NAME, SamHeader, SortOrder, is_reference_name};
use super::record::{Alignment, span_of};
use super::tags::{Checked, SamTag, Seen, check_tag};
use crate::coord::Span;
use crate::error::{Error, ErrorKind, Result, count, quote};
use crate::guard::{Forgiven, Guard, Mode};
use crate::input::{Input, Limits};
use crate::lines::LineReader;

/// The largest POS and PNEXT.
const MAX_POSITION: u64 = (1 << 31) - 1;

/// Columns of a line, in words.
const COLUMNS: [&str; 11] = ["QNAME", "FLAG", "RNAME", "POS", "MAPQ", "CIGAR", "RNEXT", "PNEXT", "TLEN", "SEQ", "QUAL"];

/// Reads SAM, header first, then alignments one by one. After an error it gives nothing more.
///
/// ```
/// use genome_formats::SamReader;
///
/// let text: &[u8] = b"@HD\tVN:1.6\n@SQ\tSN:chr1\tLN:1000\nr1\t0\tchr1\t11\t60\t4M\t*\t0\t0\tACGT\tIIII\tNM:i:0\n";
/// let mut reader = SamReader::new("reads.sam", text)?;
/// assert_eq!(reader.header().references()[0].length, 1000);
///
/// let read = reader.next().unwrap()?;
/// assert_eq!(read.position, Some(10)); // POS 11 counts from 1, `position` from 0
/// assert_eq!(read.qualities, Some(vec![40; 4])); // I is 73 - 33
/// assert_eq!(read.tags.int(b"NM"), Some(0));
/// # Ok::<(), genome_formats::Error>(())
/// ```
pub struct SamReader<R> {
    lines: LineReader<R>,
    guard: Guard,
    header: SamHeader,
    fields: Fields,
    seen: Seen,
    order: Order,
}

/// The numbers of a line, and where its columns end.
#[derive(Debug, Clone, Copy, Default)]
struct Fields {
    /// Byte behind each column.
    ends: [usize; 11],
    flags: Flags,
    reference: Name,
    position: Option<u64>,
    mapping_quality: Option<u8>,
    mate_reference: Name,
    mate_position: Option<u64>,
    template_length: i32,
    /// Bases of the reference under the CIGAR.
    covered: u64,
}

/// A reference in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Name {
    #[default]
    None,
    /// Index in the header.
    Known(u32),
    /// It has no line in the header.
    Other,
}

/// Whether records come in the order that the header promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Order {
    promised: bool,
    /// Reference and position of the record before; no reference is the largest.
    last: (u32, u64),
}

impl Order {
    pub(crate) fn new(header: &SamHeader) -> Self {
        Self { promised: header.sort_order() == SortOrder::Coordinate, last: (0, 0) }
    }

    /// `false` when the record should have come before the last one. POS is from 1, 0 for none.
    #[inline]
    pub(crate) fn is_kept(&mut self, reference: Option<u32>, one_based: u64) -> bool {
        if !self.promised {
            return true;
        }
        let place = (reference.unwrap_or(u32::MAX), if reference.is_some() { one_based } else { 0 });
        let kept = self.last <= place;
        self.last = place;
        kept
    }
}

impl SamReader<Input> {
    /// Opens a file, plain or compressed; `-` is standard input. Every rule holds.
    ///
    /// # Errors
    ///
    /// The file cannot be opened, or its header breaks a rule.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path, Mode::Strict, Limits::default())
    }

    /// Opens a file.
    ///
    /// # Errors
    ///
    /// As [`SamReader::open`].
    pub fn open_with(path: impl AsRef<Path>, mode: Mode, limits: Limits) -> Result<Self> {
        Self::from_input(Input::open(path)?.with_mode(mode), mode, limits)
    }

    /// Reads an opened input.
    ///
    /// # Errors
    ///
    /// The header breaks a rule.
    pub fn from_input(input: Input, mode: Mode, limits: Limits) -> Result<Self> {
        Self::from_lines(LineReader::from_input(input), mode, limits)
    }
}

impl<R: Read> SamReader<R> {
    /// Reads plain text; `name` stands in errors. Every rule holds.
    ///
    /// # Errors
    ///
    /// The header breaks a rule, or there is nothing to read.
    pub fn new(name: impl Into<String>, reader: R) -> Result<Self> {
        Self::new_with(name, reader, Mode::Strict, Limits::default())
    }

    /// Reads plain text.
    ///
    /// # Errors
    ///
    /// As [`SamReader::new`].
    pub fn new_with(name: impl Into<String>, reader: R, mode: Mode, limits: Limits) -> Result<Self> {
        Self::from_lines(LineReader::new(name, reader, 0), mode, limits)
    }

    fn from_lines(mut lines: LineReader<R>, mode: Mode, limits: Limits) -> Result<Self> {
        lines.set_max_line(limits.max_line);
        let mut guard = new_guard(mode, limits);
        let header = read_header(&mut lines, &mut guard)?;
        let order = Order::new(&header);
        Ok(Self { lines, guard, header, fields: Fields::default(), seen: Seen::default(), order })
    }

    /// The header.
    pub fn header(&self) -> &SamHeader {
        &self.header
    }

    /// What was let pass so far.
    pub fn forgiven(&self) -> &Forgiven {
        &self.guard.forgiven
    }

    /// The next alignment, in place: nothing is copied. `None` at the end of the file.
    ///
    /// # Errors
    ///
    /// The line breaks a rule, or reading fails; then every later call fails too.
    pub fn next_view(&mut self) -> Result<Option<SamView<'_>>> {
        let outcome = self.guard.check_failed(self.lines.name()).and_then(|()| self.read_line());
        match self.guard.note(self.lines.name(), outcome)? {
            Some(()) => Ok(Some(SamView { header: &self.header, line: self.lines.line(), fields: self.fields })),
            None => Ok(None),
        }
    }

    fn read_line(&mut self) -> Result<Option<()>> {
        loop {
            if !self.lines.next_line()? {
                return Ok(None);
            }
            if !self.lines.line().is_empty() {
                break;
            }
            let error = self.lines.error(ErrorKind::Syntax, "a blank line").expecting("an alignment");
            self.guard.forgive("blank line", error)?;
        }
        let mut report = Report { lines: &self.lines, guard: &mut self.guard, column: 0, start: 0, name: b"" };
        self.fields = report.record(&self.header, &mut self.seen, &mut self.order)?;
        Ok(Some(()))
    }
}

impl<R: Read> Iterator for SamReader<R> {
    type Item = Result<Alignment>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.next_view() {
            Ok(view) => view.map(|view| Ok(view.to_alignment())),
            Err(error) if error.kind() == ErrorKind::Failed => None,
            Err(error) => Some(Err(error)),
        }
    }
}

impl<R: Read> std::iter::FusedIterator for SamReader<R> {}

impl<R> std::fmt::Debug for SamReader<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SamReader").field("header", &self.header).field("guard", &self.guard).finish_non_exhaustive()
    }
}

pub(crate) fn new_guard(mode: Mode, limits: Limits) -> Guard {
    let mut guard = Guard::default();
    (guard.mode, guard.limits) = (mode, limits);
    guard
}

/// Whether a line is one of a header: `@`, two capitals, and a tab or nothing. A lenient reader takes other lines that
/// start with `@` for alignments with a bad name.
fn is_header_line(line: &[u8]) -> bool {
    line.first() == Some(&b'@') && (line.len() < 4 || line[3] == b'\t' || !line.contains(&b'\t'))
}

fn read_header<R: Read>(lines: &mut LineReader<R>, guard: &mut Guard) -> Result<SamHeader> {
    let mut text = String::new();
    let mut places: Vec<(u64, u64)> = Vec::new(); // line and byte
    let mut cost = 0;
    let mut empty = true;
    while lines.next_line()? {
        empty = false;
        let line = lines.line();
        let is_record = guard.is_lenient() && !is_header_line(line);
        if line.first() != Some(&b'@') || is_record {
            lines.hold();
            break;
        }
        cost += line.len() as u64 + LINE_COST;
        if cost > guard.limits.max_header {
            let problem = format!(
                "the header is larger than {} bytes (each line counts {LINE_COST} more)",
                guard.limits.max_header
            );
            return Err(lines.error(ErrorKind::Limit, problem));
        }
        if let Err(error) = std::str::from_utf8(line) {
            let at = lines.start() + error.valid_up_to() as u64;
            let error = lines.error(ErrorKind::Syntax, "a header line that is not UTF-8").at_byte(at);
            guard.forgive("header text", error)?;
        }
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
        places.push((lines.number(), lines.start()));
    }
    if empty {
        return Err(
            Error::new(ErrorKind::Empty, lines.name(), "the file is empty").expecting("a SAM header or alignments")
        );
    }
    let name = lines.name().to_owned();
    SamHeader::build(text, &mut |problem: Problem<'_>| {
        let (line, byte) = places.get(problem.number).copied().unwrap_or((1, 0));
        let rule = problem.rule;
        let error = lines.place(problem.error(&name).at_line(line).at_byte(byte));
        match rule {
            Some(rule) => guard.forgive(rule, error),
            None => Err(error),
        }
    })
}

/// Checks a line and tells what is wrong with it.
struct Report<'a, R> {
    lines: &'a LineReader<R>,
    guard: &'a mut Guard,
    /// The column at hand, from 0, and its first byte in the line.
    column: usize,
    start: usize,
    name: &'a [u8],
}

impl<'a, R: Read> Report<'a, R> {
    #[cold]
    fn error(&self, problem: impl Into<Cow<'static, str>>, expected: &'static str, found: &[u8]) -> Error {
        let byte = self.lines.start() + self.start as u64;
        let error = self.lines.error(ErrorKind::Syntax, problem).at_byte(byte).at_column(self.column as u64 + 1);
        let error = error.in_record(&String::from_utf8_lossy(self.name)).finding(quote(found));
        if expected.is_empty() { error } else { error.expecting(expected) }
    }

    #[cold]
    fn forgive(
        &mut self,
        rule: &'static str,
        problem: &'static str,
        expected: &'static str,
        found: &[u8],
    ) -> Result<()> {
        let error = self.error(problem, expected, found);
        self.guard.forgive(rule, error)
    }

    fn broken(&mut self, checked: Checked) -> Result<()> {
        match checked {
            Ok(()) => Ok(()),
            Err(broken) => {
                let error = self.error(broken.problem, broken.expected, b"").finding(broken.found);
                match broken.rule {
                    Some(rule) => self.guard.forgive(rule, error),
                    None => Err(error),
                }
            }
        }
    }

    fn record(&mut self, header: &SamHeader, seen: &mut Seen, order: &mut Order) -> Result<Fields> {
        let line: &'a [u8] = self.lines.line();
        let mut fields = Fields::default();
        let mut found = 0;
        for at in memchr::memchr_iter(b'\t', line).take(11) {
            fields.ends[found] = at;
            found += 1;
        }
        if found < 11 {
            fields.ends[found] = line.len();
            found += 1;
        }
        self.name = &line[..fields.ends[0]];
        if found < 11 {
            let problem = format!("a line with {}", count(found as u64, "column"));
            let error = self.lines.error(ErrorKind::Syntax, problem).in_record(&String::from_utf8_lossy(self.name));
            return Err(error.expecting("the 11 mandatory columns, parted by tabs"));
        }
        let ends = fields.ends;
        let column = |this: &mut Self, i: usize| -> &'a [u8] {
            this.column = i;
            this.start = if i == 0 { 0 } else { ends[i - 1] + 1 };
            &line[this.start..ends[i]]
        };

        let name = column(self, 0);
        self.check_name(name)?;
        let flags = column(self, 1);
        fields.flags = self.flags(flags)?;
        let text = column(self, 2);
        fields.reference = self.reference(header, text)?;
        let text = column(self, 3);
        let position = self.number(text, MAX_POSITION, "0 to 2147483647")?;
        fields.position = position.checked_sub(1);
        let reference = match fields.reference {
            Name::Known(id) => Some(id),
            _ => None,
        };
        if fields.reference != Name::Other && !order.is_kept(reference, position) {
            let expected = "alignments sorted by reference and position, as the @HD line says";
            self.forgive("sort order", "an alignment out of order", expected, text)?;
        }
        let text = column(self, 4);
        let quality = self.number(text, 255, "0 to 255")? as u8;
        fields.mapping_quality = (quality != 255).then_some(quality);
        let cigar = column(self, 5);
        let lengths = self.cigar(cigar)?;
        fields.covered = lengths.reference;
        let text = column(self, 6);
        fields.mate_reference = if text == b"=" { fields.reference } else { self.reference(header, text)? };
        let text = column(self, 7);
        fields.mate_position = self.number(text, MAX_POSITION, "0 to 2147483647")?.checked_sub(1);
        let text = column(self, 8);
        fields.template_length = self.template_length(text)?;
        let sequence = column(self, 9);
        self.sequence(sequence)?;
        if cigar != b"*" && sequence != b"*" && lengths.read != sequence.len() as u64 {
            // "Sum of lengths of the M/I/S/=/X operations shall equal the length of SEQ."
            column(self, 5);
            let found = format!("{} and {}", count(lengths.read, "base"), count(sequence.len() as u64, "letter"));
            let error = self.error(
                "CIGAR and SEQ differ in length",
                "as many letters in SEQ as bases in M, I, S, = and X",
                b"",
            );
            return Err(error.finding(found));
        }
        let qualities = column(self, 10);
        self.qualities(qualities, sequence)?;
        if ends[10] < line.len() {
            self.tags(header, &line[ends[10] + 1..], seen)?;
        }
        Ok(fields)
    }

    fn check_name(&mut self, name: &[u8]) -> Result<()> {
        // "[!-?A-~]{1,254}"
        const EXPECTED: &str = "* or up to 254 visible letters without @";
        if name.len() > 254 {
            self.forgive("read name", "a read name longer than 254 letters", EXPECTED, name)?;
        }
        if name.is_empty() {
            self.forgive("empty column", "an empty QNAME", EXPECTED, name)?;
        } else if !name.iter().all(|b| b.is_ascii_graphic() && *b != b'@') {
            self.forgive("read name", "a bad read name", EXPECTED, name)?;
        }
        Ok(())
    }

    fn flags(&mut self, text: &[u8]) -> Result<Flags> {
        // A leading zero stays an error in lenient mode: some tools read it as octal.
        let number = if has_leading_zero(text) { None } else { parse_unsigned(text, u64::from(u16::MAX)) };
        let Some(bits) = number else {
            return Err(self.error("FLAG is not a number of its range", "a decimal number from 0 to 4095", text));
        };
        let flags = Flags::from_bits(bits as u16);
        if flags.reserved() != 0 {
            // "Bits that are not listed in the table are reserved for future use. They should not be set when writing"
            self.forgive("reserved flags", "FLAG has reserved bits", "a decimal number from 0 to 4095", text)?;
        }
        Ok(flags)
    }

    fn number(&mut self, text: &[u8], max: u64, expected: &'static str) -> Result<u64> {
        let Some(number) = parse_unsigned(text, max) else {
            let problem = format!("{} is not a number of its range", COLUMNS[self.column]);
            return Err(self.error(problem, expected, text));
        };
        if has_leading_zero(text) {
            self.forgive("leading zero", "a number with a leading zero", expected, text)?;
        }
        Ok(number)
    }

    fn template_length(&mut self, text: &[u8]) -> Result<i32> {
        let digits = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
        // "[−2^31 + 1, 2^31 − 1]"
        match parse_unsigned(digits, MAX_POSITION) {
            Some(length) if text[0] == b'-' => Ok(-(length as i32)),
            Some(length) => Ok(length as i32),
            None => {
                Err(self.error("TLEN is not a number of its range", "an integer from -2147483647 to 2147483647", text))
            }
        }
    }

    fn reference(&mut self, header: &SamHeader, text: &[u8]) -> Result<Name> {
        if text == b"*" {
            return Ok(Name::None);
        }
        // Nearly all records of a file lie on the reference of the record before: binary search finds it in a few steps.
        let known = std::str::from_utf8(text).ok().and_then(|name| header.reference_id(name));
        if let Some(id) = known {
            if !is_reference_name(text) {
                self.forgive("reference name", "a bad reference name", REFERENCE_NAME, text)?;
            }
            return Ok(Name::Known(id as u32));
        }
        if text.is_empty() {
            self.forgive("empty column", "an empty reference name", "*, or the name of a reference", text)?;
            return Ok(Name::None);
        }
        if !is_reference_name(text) {
            self.forgive("reference name", "a bad reference name", REFERENCE_NAME, text)?;
        }
        if !header.references().is_empty() {
            // "If @SQ header lines are present, RNAME (if not ‘*’) must be present in one of the SQ-SN tag."
            self.forgive("reference in header", "a reference that has no @SQ line", "a name from the @SQ lines", text)?;
        }
        Ok(Name::Other)
    }

    fn cigar(&mut self, text: &[u8]) -> Result<super::cigar::CigarLengths> {
        if text == b"*" {
            return Ok(Default::default());
        }
        let mut bad = if text.is_empty() { Some(super::cigar::BadCigar::NoLength) } else { None };
        let lengths = measure(CigarText(text).map_while(|op| op.map_err(|error| bad = Some(error)).ok()));
        if let Some(bad) = bad {
            return Err(self.error(bad.problem(), bad.expected(), text));
        }
        if lengths.misplaced {
            self.forgive(
                "clip inside CIGAR",
                "a clip inside a CIGAR",
                "H at the ends only, S inside of H at the ends only",
                text,
            )?;
        }
        Ok(lengths)
    }

    fn sequence(&mut self, text: &[u8]) -> Result<()> {
        // "\*|[A-Za-z=.]+"
        const EXPECTED: &str = "*, or letters, = and .";
        if text == b"*" {
            return Ok(());
        }
        if text.is_empty() {
            return Err(self.error("an empty SEQ", EXPECTED, text));
        }
        if !text.iter().fold(true, |good, b| good & (b.is_ascii_alphabetic() || matches!(b, b'=' | b'.'))) {
            self.forgive("sequence letters", "a bad letter in SEQ", EXPECTED, text)?;
        }
        Ok(())
    }

    fn qualities(&mut self, text: &[u8], sequence: &[u8]) -> Result<()> {
        // "[!-~]+"; "If not a ‘*’, the length of SEQ must equal the length of the quality string"
        const EXPECTED: &str = "*, or as many visible characters as SEQ has letters";
        if text == b"*" {
            return Ok(());
        }
        if sequence == b"*" || text.len() != sequence.len() {
            let length = if sequence == b"*" { 0 } else { sequence.len() as u64 };
            let found = format!("{} for {}", count(text.len() as u64, "character"), count(length, "letter"));
            return Err(self.error("SEQ and QUAL differ in length", EXPECTED, text).finding(found));
        }
        let least = text.iter().fold(u8::MAX, |least, &b| least.min(b));
        let most = text.iter().fold(0, |most, &b| most.max(b));
        if least < b'!' {
            return Err(self.error("a bad character in QUAL", EXPECTED, text));
        }
        if most > b'~' {
            self.forgive("quality characters", "a bad character in QUAL", EXPECTED, text)?;
        }
        Ok(())
    }

    fn tags(&mut self, header: &SamHeader, text: &'a [u8], seen: &mut Seen) -> Result<()> {
        seen.clear();
        self.start = self.start.max(self.lines.line().len() - text.len());
        for field in text.split(|&b| b == b'\t') {
            self.column += 1;
            if field.is_empty() {
                self.forgive("empty column", "an empty optional field", "TAG:TYPE:VALUE", field)?;
                self.start += 1;
                continue;
            }
            let tag = match SamTag::split(field) {
                Ok(tag) => tag,
                Err(broken) => return self.broken(Err(broken)),
            };
            self.broken(check_tag(tag.tag()))?;
            self.broken(tag.check())?;
            self.broken(seen.check(tag.tag()))?;
            if tag.kind() == b'Z' && !is_linked(header, &tag.tag(), tag.text()) {
                self.forgive(
                    "group in header",
                    "RG or PG that has no line in the header",
                    "an ID of the header's lines",
                    field,
                )?;
            }
            self.start += field.len() + 1;
        }
        Ok(())
    }
}

/// "If @RG headers are present, then readgroup must match the RG-ID field of one of the headers", and so for PG (SAMtags).
pub(crate) fn is_linked(header: &SamHeader, tag: &[u8; 2], text: &[u8]) -> bool {
    let id = || std::str::from_utf8(text).unwrap_or("\u{fffd}");
    match tag {
        b"RG" => header.allows_read_group(id()),
        b"PG" => header.allows_program(id()),
        _ => true,
    }
}

fn has_leading_zero(text: &[u8]) -> bool {
    text.len() > 1 && text[0] == b'0'
}

/// Digits only; `None` above `max`.
fn parse_unsigned(text: &[u8], max: u64) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    let mut n: u64 = 0;
    for b in text {
        let digit = b.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        n = n * 10 + u64::from(digit);
        if n > max {
            return None;
        }
    }
    Some(n)
}

/// An alignment in place, in the buffer of a [`SamReader`].
#[derive(Debug, Clone, Copy)]
pub struct SamView<'a> {
    header: &'a SamHeader,
    line: &'a [u8],
    fields: Fields,
}

impl<'a> SamView<'a> {
    fn column(&self, i: usize) -> &'a [u8] {
        let start = if i == 0 { 0 } else { self.fields.ends[i - 1] + 1 };
        &self.line[start..self.fields.ends[i]]
    }

    /// QNAME; `None` for `*`.
    pub fn name(&self) -> Option<&'a [u8]> {
        Some(self.column(0)).filter(|name| !matches!(*name, b"*" | b""))
    }

    /// FLAG.
    pub fn flags(&self) -> Flags {
        self.fields.flags
    }

    /// RNAME; `None` for `*`.
    pub fn reference(&self) -> Option<&'a [u8]> {
        Some(self.column(2)).filter(|_| self.fields.reference != Name::None)
    }

    /// Index of the reference in the header, where it has one.
    pub fn reference_id(&self) -> Option<usize> {
        match self.fields.reference {
            Name::Known(id) => Some(id as usize),
            _ => None,
        }
    }

    /// POS, counted from 0.
    pub fn position(&self) -> Option<u64> {
        self.fields.position
    }

    /// As [`Alignment::span`].
    pub fn span(&self) -> Option<Span> {
        span_of(self.fields.position?, if self.flags().is_unmapped() { 0 } else { self.fields.covered })
    }

    /// MAPQ; `None` for 255.
    pub fn mapping_quality(&self) -> Option<u8> {
        self.fields.mapping_quality
    }

    /// The operations of CIGAR; none for `*`.
    pub fn cigar(&self) -> impl Iterator<Item = CigarOp> + use<'a> {
        let text = self.column(5);
        CigarText(if text == b"*" { b"" } else { text }).map_while(std::result::Result::ok)
    }

    /// RNEXT, with `=` resolved; `None` for `*`.
    pub fn mate_reference(&self) -> Option<&'a [u8]> {
        match self.column(6) {
            b"=" => self.reference(),
            text => Some(text).filter(|_| self.fields.mate_reference != Name::None),
        }
    }

    /// PNEXT, counted from 0.
    pub fn mate_position(&self) -> Option<u64> {
        self.fields.mate_position
    }

    /// TLEN.
    pub fn template_length(&self) -> i32 {
        self.fields.template_length
    }

    /// SEQ; empty for `*`.
    pub fn sequence(&self) -> &'a [u8] {
        match self.column(9) {
            b"*" => b"",
            text => text,
        }
    }

    /// QUAL as it stands, with an offset of 33; `None` for `*`.
    pub fn quality_text(&self) -> Option<&'a [u8]> {
        Some(self.column(10)).filter(|text| text != b"*")
    }

    /// The optional fields in their order.
    pub fn tags(&self) -> impl Iterator<Item = SamTag<'a>> + use<'a> {
        let text = self.line.get(self.fields.ends[10] + 1..).unwrap_or_default();
        text.split(|&b| b == b'\t').filter_map(|field| SamTag::split(field).ok())
    }

    /// The record, owned.
    pub fn to_alignment(&self) -> Alignment {
        let text = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
        let reference = |name: Name, text: Option<&[u8]>| -> Option<Arc<str>> {
            match name {
                Name::None => None,
                Name::Known(id) => Some(self.header.references()[id as usize].name.clone()),
                Name::Other => text.map(|text| String::from_utf8_lossy(text).into()),
            }
        };
        let fields = &self.fields;
        Alignment {
            name: self.name().map(text),
            flags: fields.flags,
            reference: reference(fields.reference, self.reference()),
            position: fields.position,
            mapping_quality: fields.mapping_quality,
            cigar: self.cigar().collect(),
            mate_reference: reference(fields.mate_reference, self.mate_reference()),
            mate_position: fields.mate_position,
            template_length: fields.template_length,
            sequence: self.sequence().to_vec(),
            qualities: self.quality_text().map(|text| text.iter().map(|b| b.wrapping_sub(33)).collect()),
            tags: self.tags().map(|tag| (tag.tag(), tag.value())).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "@HD\tVN:1.6\tSO:coordinate\n@SQ\tSN:a\tLN:100\n@SQ\tSN:b\tLN:100\n@RG\tID:g\n";
    const LINE: &str = "r\t0\ta\t5\t9\t2M\tb\t1\t0\tAC\tIJ\tRG:Z:g";

    fn read(text: &[u8], mode: Mode) -> Result<Vec<Alignment>> {
        SamReader::new_with("x.sam", text, mode, Limits::default())?.collect()
    }

    fn error(text: &str) -> String {
        read(text.as_bytes(), Mode::Strict).unwrap_err().to_string()
    }

    #[test]
    fn layouts_of_the_same_records() {
        let expected = read(format!("{HEAD}{LINE}\n").as_bytes(), Mode::Strict).unwrap();
        assert_eq!((expected[0].position, expected[0].mate_position), (Some(4), Some(0)));
        assert_eq!(expected[0].span(), Span::new(4, 6));
        let check = |text: String| assert_eq!(read(text.as_bytes(), Mode::Strict).unwrap(), expected, "{text:?}");
        check(format!("{HEAD}{LINE}"));
        check(format!("\u{feff}{HEAD}{LINE}\n"));
        check(format!("{HEAD}{LINE}\n").replace('\n', "\r\n"));
        assert!(read(HEAD.as_bytes(), Mode::Strict).unwrap().is_empty());
        // without a header, any reference may be named
        assert_eq!(read(LINE.as_bytes(), Mode::Strict).unwrap()[0].reference.as_deref(), Some("a"));
    }

    #[test]
    fn errors_give_line_byte_and_column() {
        assert_eq!(error(""), "x.sam: the file is empty: expected a SAM header or alignments");
        assert_eq!(
            error("r\t0\ta\n"),
            "x.sam:1: byte 0: a line with 3 columns in record \"r\": expected the 11 mandatory columns, parted by tabs"
        );
        let check = |from: &str, to: &str, expected: &str| {
            let text = format!("{HEAD}{}\n", LINE.replacen(from, to, 1));
            assert_eq!(error(&text), format!("x.sam:5: byte {expected}"));
        };
        check(
            "r\t0",
            "\t0",
            "66: column 1: an empty QNAME: expected * or up to 254 visible letters without @, found \"\"",
        );
        check(
            "\t0\ta",
            "\t-1\ta",
            "68: column 2: FLAG is not a number of its range in record \"r\": expected a decimal number from 0 to 4095, found \"-1\"",
        );
        check(
            "\ta\t",
            "\tc\t",
            "70: column 3: a reference that has no @SQ line in record \"r\": expected a name from the @SQ lines, found \"c\"",
        );
        check(
            "\t5\t",
            "\t2147483648\t",
            "72: column 4: POS is not a number of its range in record \"r\": expected 0 to 2147483647, found \"2147483648\"",
        );
        check(
            "\t9\t",
            "\t\t",
            "74: column 5: MAPQ is not a number of its range in record \"r\": expected 0 to 255, found \"\"",
        );
        check(
            "2M",
            "3M",
            "76: column 6: CIGAR and SEQ differ in length in record \"r\": expected as many letters in SEQ as bases in M, I, S, = and X, found 3 bases and 2 letters",
        );
        check(
            "\tb\t",
            "\t=x\t",
            "79: column 7: a bad reference name in record \"r\": expected visible ASCII without \\ , \" ' ` ( ) [ ] { } < >, not starting with * or =, found \"=x\"",
        );
        check(
            "\t0\tAC",
            "\t+\tAC",
            "83: column 9: TLEN is not a number of its range in record \"r\": expected an integer from -2147483647 to 2147483647, found \"+\"",
        );
        check(
            "AC",
            "A-",
            "85: column 10: a bad letter in SEQ in record \"r\": expected *, or letters, = and ., found \"A-\"",
        );
        check(
            "IJ",
            "I\0",
            "88: column 11: a bad character in QUAL in record \"r\": expected *, or as many visible characters as SEQ has letters, found \"I\\0\"",
        );
        check(
            "RG:Z:g",
            "RG:Z:h",
            "91: column 12: RG or PG that has no line in the header in record \"r\": expected an ID of the header's lines, found \"RG:Z:h\"",
        );
        check(
            "RG:Z:g",
            "NM:i:1\tNM:i:1",
            "98: column 13: a tag stands twice in record \"r\": expected each tag once in a record, found \"NM\"",
        );
        check(
            "RG:Z:g",
            "",
            "91: column 12: an empty optional field in record \"r\": expected TAG:TYPE:VALUE, found \"\"",
        );
    }

    #[test]
    fn lenient_counts_what_it_lets_pass() {
        let check = |line: &str, rule: &str| {
            let text = format!("{HEAD}{}\n{line}\n", LINE.replace("\t5\t", "\t4\t"));
            let strict = error(&text);
            let mut reader = SamReader::new_with("x.sam", text.as_bytes(), Mode::Lenient, Limits::default()).unwrap();
            let records = reader.by_ref().collect::<Result<Vec<_>>>().unwrap();
            assert_eq!(reader.forgiven().iter().collect::<Vec<_>>(), [(rule, 1, &*strict)]);
            records
        };
        assert_eq!(check("", "blank line").len(), 1);
        let line = |from: &str, to: &str| LINE.replacen(from, to, 1);
        assert_eq!(check(&line("r\t0", "\t0"), "empty column")[1].name, None);
        assert_eq!(check(&line("r\t", "r@\t"), "read name")[1].name.as_deref(), Some("r@"));
        assert_eq!(check(&line("\t0\ta", "\t4096\ta"), "reserved flags")[1].flags.bits(), 4096);
        assert_eq!(check(&line("\ta\t", "\tx\t"), "reference in header")[1].reference.as_deref(), Some("x"));
        assert_eq!(check(&line("\ta\t", "\t\t"), "empty column")[1].reference, None);
        assert_eq!(check(&line("\t5\t", "\t05\t"), "leading zero")[1].position, Some(4));
        assert_eq!(check(&line("\t5\t", "\t3\t"), "sort order").len(), 2);
        check(&line("2M", "1M1S0M"), "clip inside CIGAR");
        assert_eq!(check(&line("AC", "A "), "sequence letters")[1].sequence, b"A ");
        assert_eq!(check(&line("IJ", "I\u{7f}"), "quality characters")[1].qualities, Some(vec![40, 94]));
        check(&line("RG:Z:g", "RG:Z:h"), "group in header");
        check(&line("RG:Z:g", "NM:i:1\tNM:i:1"), "duplicate tag");
        check(&line("RG:Z:g", "NM:i:1\t"), "empty column");
        check(&line("RG:Z:g", "N_:i:1"), "tag name");
        check(&line("RG:Z:g", "NM:C:1"), "tag type");
        check(&line("RG:Z:g", "XF:f:nan"), "tag number");
    }

    #[test]
    fn what_cannot_be_understood_stays_an_error() {
        for (from, to) in [
            ("\t0\ta", "\t010\ta"),
            ("2M", "2Z"),
            ("2M", ""),
            ("AC", ""),
            ("IJ", "I"),
            ("g", "g\tNM:i:x"),
            ("\t5\t", "\t-1\t"),
        ] {
            let text = format!("{HEAD}{}\n", LINE.replacen(from, to, 1));
            assert!(read(text.as_bytes(), Mode::Lenient).is_err(), "{text}");
        }
        let twice = "@SQ\tSN:a\tLN:1\n@SQ\tSN:a\tLN:2\n";
        assert_eq!(read(twice.as_bytes(), Mode::Lenient).unwrap_err().kind(), ErrorKind::Duplicate);
    }

    #[test]
    fn header_errors_give_the_line_of_the_file() {
        let text = format!("{HEAD}@RG\tID:g\n").replace('\n', "\r\n");
        assert_eq!(
            error(&text),
            "x.sam:5: byte 70: two @RG lines have the same ID: expected an ID of its own for each read group, found \"g\""
        );
        let bytes = [HEAD.as_bytes(), b"@CO\t\xff\n"].concat();
        let error = read(&bytes, Mode::Strict).unwrap_err().to_string();
        assert_eq!(error, "x.sam:5: byte 70: a header line that is not UTF-8");
        assert!(read(&bytes, Mode::Lenient).is_ok());
    }

    #[test]
    fn limits_hold() {
        let limits = Limits { max_header: 200, ..Limits::default() };
        let text = "@CO\tx\n".repeat(5);
        let error = SamReader::new_with("x.sam", text.as_bytes(), Mode::Strict, limits).unwrap_err();
        assert_eq!(
            error.to_string(),
            "x.sam:3: byte 12: the header is larger than 200 bytes (each line counts 64 more)"
        );
        let limits = Limits { max_line: 10, ..Limits::default() };
        let mut reader = SamReader::new_with("x.sam", LINE.as_bytes(), Mode::Strict, limits);
        assert!(reader.is_err() || reader.as_mut().unwrap().next().unwrap().is_err());
    }

    #[test]
    fn a_reader_that_failed_stays_failed() {
        let text = format!("{LINE}\nx\n{LINE}\n").replace("RG:Z:g", "NM:i:0");
        let mut reader = SamReader::new("x.sam", text.as_bytes()).unwrap();
        assert!(reader.next().unwrap().is_ok());
        assert!(reader.next().unwrap().is_err());
        assert!(reader.next().is_none());
        assert_eq!(reader.next_view().unwrap_err().kind(), ErrorKind::Failed);
    }
}
