//! The one error of this crate: what went wrong, in which file, at which line and byte.

use std::borrow::Cow;
use std::fmt;
use std::io;

/// Short for a result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Characters of foreign text that an error quotes before it cuts with `...`.
const QUOTE_CHARS: usize = 60;

/// What went wrong while reading or writing a file, and where.
///
/// [`Display`](fmt::Display) gives one line, whatever bytes the file holds:
///
/// ```
/// use genome_formats::{ErrorKind, FastaReader};
///
/// let text: &[u8] = b">chr1 demo\nACGT\nACJT\n";
/// let error = FastaReader::new("genes.fa", text).next().unwrap().unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::UnknownLetter);
/// assert_eq!((error.line(), error.byte()), (Some(3), Some(18)));
/// assert_eq!(
///     error.to_string(),
///     r#"genes.fa:3: byte 18: unknown letter in sequence "chr1": expected an IUPAC nucleotide, found 'J'"#
/// );
/// ```
#[derive(Debug, thiserror::Error)]
#[error("{report}")]
#[non_exhaustive]
pub struct Error {
    report: Box<Report>,
    #[source]
    source: Option<io::Error>,
}

/// The cause of an [`Error`], for code that reacts to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The operating system could not open, read or write the file.
    Io,
    /// The file ends in the middle of something: a gzip stream, a record, a promised length.
    Truncated,
    /// There is nothing to read: an empty file, a header without rows, a record without letters.
    Empty,
    /// The text breaks the rules of its format.
    Syntax,
    /// A sequence holds a letter outside its alphabet.
    UnknownLetter,
    /// A line, record or table is larger than [`Limits`](crate::Limits) allow.
    Limit,
    /// A table's header is not the one asked for.
    Header,
    /// The labels of a data set do not fit together.
    Label,
    /// A file that the folder should hold is not there.
    MissingFile,
    /// A position or span that its sequence does not have.
    Coordinate,
    /// Two files do not belong together: another reference base, another sequence length.
    Mismatch,
    /// A name that must be unique stands twice.
    Duplicate,
    /// An index is missing, older than its file, or describes another one.
    Index,
    /// The file is sound, but says something that this crate does not do.
    Unsupported,
    /// The reader failed before and gives nothing more.
    Failed,
}

/// The facts behind an error. Every field but `kind`, `path` and `problem` may be unknown.
#[derive(Debug)]
struct Report {
    kind: ErrorKind,
    path: String,
    line: Option<u64>,
    byte: Option<u64>,
    file_byte: Option<u64>,
    column: Option<u64>,
    record: Option<String>,
    problem: Cow<'static, str>,
    expected: Option<Cow<'static, str>>,
    found: Option<Cow<'static, str>>,
    snippet: Option<String>,
}

impl Error {
    /// The cause.
    pub fn kind(&self) -> ErrorKind {
        self.report.kind
    }

    /// The file as the caller named it; `<stdin>` for standard input.
    pub fn path(&self) -> &str {
        &self.report.path
    }

    /// The line, counted from 1.
    pub fn line(&self) -> Option<u64> {
        self.report.line
    }

    /// The byte, counted from 0 in the decompressed file.
    pub fn byte(&self) -> Option<u64> {
        self.report.byte
    }

    /// Where the file is compressed: how many of its bytes, as they lie on the disk, had been read.
    pub fn file_byte(&self) -> Option<u64> {
        self.report.file_byte
    }

    /// The column in the line, counted from 1 in bytes, where the format is a table.
    pub fn column(&self) -> Option<u64> {
        self.report.column
    }

    /// The name of the record, where it is known.
    pub fn record(&self) -> Option<&str> {
        self.report.record.as_deref()
    }

    /// What the format asks for at this place.
    pub fn expected(&self) -> Option<&str> {
        self.report.expected.as_deref()
    }

    /// What stands there instead.
    pub fn found(&self) -> Option<&str> {
        self.report.found.as_deref()
    }

    /// The start of the offending line, with control characters escaped.
    pub fn snippet(&self) -> Option<&str> {
        self.report.snippet.as_deref()
    }

    /// Whether the file ends too early.
    pub fn is_truncated(&self) -> bool {
        self.kind() == ErrorKind::Truncated
    }

    pub(crate) fn new(kind: ErrorKind, path: impl Into<String>, problem: impl Into<Cow<'static, str>>) -> Self {
        let report = Report {
            kind,
            path: path.into(),
            line: None,
            byte: None,
            file_byte: None,
            column: None,
            record: None,
            problem: problem.into(),
            expected: None,
            found: None,
            snippet: None,
        };
        Self { report: Box::new(report), source: None }
    }

    /// An error of the operating system or of the decompressor, sorted by what it means for the file. An error of this
    /// crate that went through [`Read`](io::Read) comes out as it was.
    pub(crate) fn from_io(path: impl Into<String>, error: io::Error) -> Self {
        let error = match error.downcast::<Self>() {
            Ok(ours) => return ours,
            Err(error) => error,
        };
        if let Some(cause) = error.get_ref().and_then(|e| e.downcast_ref::<Cause>()) {
            let mut this = Self::new(cause.kind, path, one_line(&cause.problem));
            this.source = Some(error);
            return this;
        }
        let (kind, problem): (_, Cow<'static, str>) = match error.kind() {
            io::ErrorKind::UnexpectedEof => (ErrorKind::Truncated, one_line(&error.to_string()).into()),
            io::ErrorKind::InvalidData => (ErrorKind::Syntax, one_line(&error.to_string()).into()),
            _ => (ErrorKind::Io, one_line(&error.to_string()).into()),
        };
        let mut this = Self::new(kind, path, problem);
        this.source = Some(error);
        this
    }

    pub(crate) fn at_line(mut self, line: u64) -> Self {
        self.report.line = Some(line);
        self
    }

    pub(crate) fn at_byte(mut self, byte: u64) -> Self {
        self.report.byte = Some(byte);
        self
    }

    pub(crate) fn at_file_byte(mut self, byte: u64) -> Self {
        self.report.file_byte = Some(byte);
        self
    }

    pub(crate) fn at_column(mut self, column: u64) -> Self {
        self.report.column = Some(column);
        self
    }

    /// Names the record, unless it has no name.
    pub(crate) fn in_record(mut self, name: &str) -> Self {
        if !name.is_empty() {
            self.report.record = Some(name.to_owned());
        }
        self
    }

    pub(crate) fn expecting(mut self, expected: impl Into<Cow<'static, str>>) -> Self {
        self.report.expected = Some(expected.into());
        self
    }

    pub(crate) fn finding(mut self, found: impl Into<Cow<'static, str>>) -> Self {
        self.report.found = Some(found.into());
        self
    }

    pub(crate) fn with_snippet(mut self, line: &[u8]) -> Self {
        self.report.snippet = Some(shorten(line));
        self
    }
}

impl From<Error> for io::Error {
    /// For readers of this crate that stand below another reader.
    fn from(error: Error) -> Self {
        let kind = match error.kind() {
            ErrorKind::Truncated => io::ErrorKind::UnexpectedEof,
            ErrorKind::Io => error.source.as_ref().map_or(io::ErrorKind::Other, io::Error::kind),
            _ => io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}

/// What a byte source has to say that no [`io::ErrorKind`] says, on its way to [`Error::from_io`].
#[derive(Debug, Clone, thiserror::Error)]
#[error("{problem}")]
pub(crate) struct Cause {
    pub(crate) kind: ErrorKind,
    pub(crate) problem: String,
}

impl Cause {
    pub(crate) fn io(kind: ErrorKind, problem: impl Into<String>) -> io::Error {
        let io_kind = match kind {
            ErrorKind::Truncated => io::ErrorKind::UnexpectedEof,
            ErrorKind::Io => io::ErrorKind::Other,
            _ => io::ErrorKind::InvalidData,
        };
        io::Error::new(io_kind, Self { kind, problem: problem.into() })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&one_line(&self.path))?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        f.write_str(": ")?;
        if let Some(byte) = self.byte {
            match self.file_byte {
                Some(file) => write!(f, "byte {byte} (compressed byte {file}): ")?,
                None => write!(f, "byte {byte}: ")?,
            }
        }
        if let Some(column) = self.column {
            write!(f, "column {column}: ")?;
        }
        f.write_str(&self.problem)?;
        if let Some(record) = &self.record {
            let noun = match self.kind {
                ErrorKind::UnknownLetter => "sequence",
                _ => "record",
            };
            write!(f, " in {noun} {}", quote(record.as_bytes()))?;
        }
        match (&self.expected, &self.found) {
            (Some(expected), Some(found)) => write!(f, ": expected {expected}, found {found}"),
            (Some(expected), None) => write!(f, ": expected {expected}"),
            (None, Some(found)) => write!(f, ": found {found}"),
            (None, None) => Ok(()),
        }
    }
}

/// `"text"` as an error shows it: escaped, cut after [`QUOTE_CHARS`] characters.
pub(crate) fn quote(text: &[u8]) -> String {
    format!("\"{}\"", shorten(text))
}

/// `'J'` for a visible letter, `byte 0x00` for anything else.
pub(crate) fn letter(byte: u8) -> String {
    if byte.is_ascii_graphic() || byte == b' ' { format!("'{}'", byte as char) } else { format!("byte 0x{byte:02x}") }
}

/// `1 letter`, `2 letters`.
pub(crate) fn count(n: u64, noun: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{n} {noun}{s}")
}

fn shorten(text: &[u8]) -> String {
    // A character has at most four bytes, so nothing behind this cut could be shown.
    let head = &text[..text.len().min(4 * QUOTE_CHARS)];
    let head = String::from_utf8_lossy(head);
    let mut out: String = head.chars().take(QUOTE_CHARS).flat_map(char::escape_debug).collect();
    if head.chars().count() > QUOTE_CHARS || head.len() < text.len() {
        out.push_str("...");
    }
    out
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_leaves_out_what_is_unknown() {
        let check = |error: Error, expected: &str| assert_eq!(error.to_string(), expected);
        check(Error::new(ErrorKind::Empty, "a.fa", "the file is empty"), "a.fa: the file is empty");
        check(
            Error::new(ErrorKind::Syntax, "a.gb", "broken feature").at_line(4).in_record("X1").finding("\"x\""),
            "a.gb:4: broken feature in record \"X1\": found \"x\"",
        );
        check(
            Error::new(ErrorKind::Header, "a.csv", "wrong header").at_line(1).at_column(2).expecting("b"),
            "a.csv:1: column 2: wrong header: expected b",
        );
    }

    #[test]
    fn foreign_text_stays_on_one_line() {
        let error = Error::new(ErrorKind::Syntax, "a\nb", "bad").in_record("x\ny\"z").finding(quote(b"1\r\n2\x00\xff"));
        let text = error.to_string();
        assert!(!text.contains(['\n', '\r', '\0']), "{text:?}");
        assert!(quote(&[b'A'; 1000]).len() < 80);
    }

    #[test]
    fn letters_are_shown_or_named() {
        assert_eq!(letter(b'J'), "'J'");
        assert_eq!(letter(0), "byte 0x00");
        assert_eq!(count(1, "letter"), "1 letter");
        assert_eq!(count(0, "letter"), "0 letters");
    }
}
