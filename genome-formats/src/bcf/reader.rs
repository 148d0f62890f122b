//! Reads BCF.

use std::fmt;
use std::io::Read;
use std::path::Path;

use crate::error::{Error, ErrorKind, Result, quote};
use crate::guard::{Forgiven, Guard};
use crate::input::{FilePosition, Input};
use crate::vcf::problem::{Problem, Report};
use crate::vcf::{Variant, VcfHeader, VcfOptions};
use crate::window::Window;

use super::MAGIC;
use super::decode::{self, Context};
use super::dictionary::Dictionary;

/// Bytes looked at to tell a short file with an absurd size from a large record.
const PROBE: usize = 1 << 16;

/// Reads BCF records one by one. After an error it gives nothing more.
///
/// Strict and lenient differ in the header, whose text keeps the rules of VCF, and in bytes left over; the values of a
/// record are of the types that the file gives them.
pub struct BcfReader<R> {
    bytes: Bytes<R>,
    guard: Guard,
    header: VcfHeader,
    dictionary: Dictionary,
}

/// The decompressed bytes of a file, with its name.
struct Bytes<R> {
    window: Window<R>,
    name: String,
    file: Option<FilePosition>,
}

impl<R: Read> Bytes<R> {
    fn error(&self, kind: ErrorKind, problem: impl Into<std::borrow::Cow<'static, str>>) -> Error {
        let error = Error::new(kind, &self.name, problem).at_byte(self.window.position());
        match &self.file {
            Some(file) => error.at_file_byte(file.get()),
            None => error,
        }
    }

    /// Reads until `n` bytes are there; how many there are at most, at the end of the file. Memory grows with what was
    /// read, not with `n`.
    fn need(&mut self, n: usize) -> Result<usize> {
        while self.window.bytes().len() < n {
            match self.window.fill() {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => {
                    let at = self.window.position() + self.window.bytes().len() as u64;
                    return Err(Error::from_io(&self.name, error).at_byte(at));
                }
            }
        }
        Ok(self.window.bytes().len().min(n))
    }

    fn truncated(&self, what: &'static str, expected: usize, found: usize) -> Error {
        self.error(ErrorKind::Truncated, format!("the file ends inside {what}"))
            .expecting(crate::error::count(expected as u64, "byte"))
            .finding(found.to_string())
    }
}

impl BcfReader<Input> {
    /// Opens a file, strictly; `-` is standard input.
    ///
    /// # Errors
    ///
    /// The file cannot be opened, is no BCF, or its header is broken.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path, VcfOptions::default())
    }

    /// Opens a file.
    ///
    /// # Errors
    ///
    /// As [`BcfReader::open`].
    pub fn open_with(path: impl AsRef<Path>, options: VcfOptions) -> Result<Self> {
        Self::from_input_with(Input::open(path)?.with_mode(options.mode), options)
    }

    /// Reads an opened input, strictly.
    ///
    /// # Errors
    ///
    /// It is no BCF, or its header is broken.
    pub fn from_input(input: Input) -> Result<Self> {
        Self::from_input_with(input, VcfOptions::default())
    }

    /// Reads an opened input.
    ///
    /// # Errors
    ///
    /// It is no BCF, or its header is broken.
    pub fn from_input_with(input: Input, options: VcfOptions) -> Result<Self> {
        let (name, start, file) = (input.name().to_owned(), input.start_byte(), input.file_position());
        Self::from_bytes(Bytes { window: Window::new(input, start), name, file }, options)
    }
}

impl<R: Read> BcfReader<R> {
    /// Reads decompressed bytes, strictly; `name` stands in errors.
    ///
    /// # Errors
    ///
    /// It is no BCF, or its header is broken.
    pub fn new(name: impl Into<String>, reader: R) -> Result<Self> {
        Self::new_with(name, reader, VcfOptions::default())
    }

    /// Reads decompressed bytes; `name` stands in errors.
    ///
    /// # Errors
    ///
    /// It is no BCF, or its header is broken.
    pub fn new_with(name: impl Into<String>, reader: R, options: VcfOptions) -> Result<Self> {
        Self::from_bytes(Bytes { window: Window::new(reader, 0), name: name.into(), file: None }, options)
    }

    fn from_bytes(mut bytes: Bytes<R>, options: VcfOptions) -> Result<Self> {
        let mut guard = Guard::default();
        guard.mode = options.mode;
        guard.limits = options.limits;
        let header = read_header(&mut bytes, &mut guard)?;
        let dictionary = Dictionary::new(&header);
        Ok(Self { bytes, guard, header, dictionary })
    }

    /// The header.
    pub fn header(&self) -> &VcfHeader {
        &self.header
    }

    /// What a lenient reader let pass, each rule at most once a record.
    pub fn forgiven(&self) -> &Forgiven {
        &self.guard.forgiven
    }

    fn next_record(&mut self) -> Result<Option<Variant>> {
        let found = self.bytes.need(8)?;
        if found == 0 {
            return Ok(None);
        }
        if found < 8 {
            return Err(self.bytes.truncated("the sizes of a record", 8, found));
        }
        let head = self.bytes.window.bytes();
        let size = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let (shared, individual) = (size(0), size(4));
        let whole = 8 + u64::from(shared) + u64::from(individual);
        let limit = self.guard.limits.max_line;
        if whole > limit {
            let found = self.bytes.need(PROBE)?;
            if found < PROBE {
                return Err(self.bytes.truncated("a record", usize::try_from(whole).unwrap_or(usize::MAX), found));
            }
            return Err(self.bytes.error(ErrorKind::Limit, format!("the record is larger than {limit} bytes")));
        }
        let whole = whole as usize;
        let found = self.bytes.need(whole)?;
        if found < whole {
            return Err(self.bytes.truncated("a record", whole, found));
        }
        let (shared, individual) = self.bytes.window.bytes()[8..whole].split_at(shared as usize);
        let mut report = Report::new(self.guard.mode);
        let context = Context { header: &self.header, dictionary: &self.dictionary };
        let outcome = decode::record(shared, individual, context, &mut report);
        let number = self.guard.records + 1;
        let place = |problem: Problem| {
            problem.into_error(|kind, text| self.bytes.error(kind, text)).in_record(&number.to_string())
        };
        for problem in report.forgiven {
            self.guard.forgive(problem.rule, place(problem))?;
        }
        let record = outcome.map_err(|problem| place(*problem))?;
        self.bytes.window.consume(whole);
        Ok(Some(record))
    }
}

impl<R: Read> Iterator for BcfReader<R> {
    type Item = Result<Variant>;

    fn next(&mut self) -> Option<Self::Item> {
        let outcome = self.guard.check_failed(&self.bytes.name).and_then(|()| self.next_record());
        let outcome = self.guard.note(&self.bytes.name, outcome);
        self.guard.item(outcome)
    }
}

impl<R: Read> std::iter::FusedIterator for BcfReader<R> {}

impl<R> fmt::Debug for BcfReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BcfReader").field("name", &self.bytes.name).field("guard", &self.guard).finish_non_exhaustive()
    }
}

/// "BCF\2\2, l_text, then l_text bytes of the VCF header, NUL-terminated" (6.2).
fn read_header<R: Read>(bytes: &mut Bytes<R>, guard: &mut Guard) -> Result<VcfHeader> {
    let found = bytes.need(9)?;
    let head = bytes.window.bytes();
    if found == 0 {
        return Err(bytes.error(ErrorKind::Empty, "the file is empty").expecting("a BCF file"));
    }
    if !head.starts_with(&MAGIC[..found.min(MAGIC.len())]) {
        let found = quote(&head[..found.min(5)]);
        return Err(bytes
            .error(ErrorKind::Syntax, "this is no BCF file")
            .expecting("BCF and version 2")
            .finding(found));
    }
    if found < 9 {
        return Err(bytes.truncated("the size of the header", 9, found));
    }
    let minor = head[4];
    let size = u32::from_le_bytes([head[5], head[6], head[7], head[8]]) as usize;
    if !matches!(minor, 1 | 2) {
        let error = bytes.error(ErrorKind::Unsupported, "unknown version of BCF");
        return Err(error.expecting("2.1 or 2.2").finding(format!("2.{minor}")));
    }
    bytes.window.consume(9);
    if size as u64 > guard.limits.max_header {
        let found = bytes.need(PROBE)?;
        if found < PROBE {
            return Err(bytes.truncated("its header", size, found));
        }
        let problem = format!("the header is larger than {} bytes", guard.limits.max_header);
        return Err(bytes.error(ErrorKind::Limit, problem));
    }
    let found = bytes.need(size)?;
    if found < size {
        return Err(bytes.truncated("its header", size, found));
    }
    let header = parse_header(bytes, size, guard)?;
    bytes.window.consume(size);
    Ok(header)
}

fn parse_header<R: Read>(bytes: &Bytes<R>, size: usize, guard: &mut Guard) -> Result<VcfHeader> {
    let text = &bytes.window.bytes()[..size];
    let text = &text[..text.iter().position(|&b| b == 0).unwrap_or(size)];
    let mut lines = text.split(|&b| b == b'\n').map(|l| l.strip_suffix(b"\r").unwrap_or(l));
    let mut report = Report::new(guard.mode);
    let mut number = 1;
    let max_header = guard.limits.max_header;
    let outcome = VcfHeader::begin(lines.next().unwrap_or_default(), &mut report).and_then(|(mut header, mut done)| {
        for line in lines.by_ref() {
            if done || line.is_empty() {
                break;
            }
            number += 1;
            done = header.add_line(line, &mut report)?;
            if header.size() as u64 > max_header {
                let problem = format!("the header and its tables are larger than {max_header} bytes");
                return Err(Problem::new("size of the header", problem).of_kind(ErrorKind::Limit));
            }
        }
        if !done {
            return Err(Problem::new("column line", "the header has no column line").expecting("#CHROM POS ID ..."));
        }
        Ok(header)
    });
    let place = |problem: Problem| problem.into_error(|kind, text| bytes.error(kind, text)).at_line(number);
    for problem in report.forgiven {
        guard.forgive(problem.rule, place(problem))?;
    }
    outcome.map_err(|problem| place(*problem))
}
