//! Lines with their numbers and bytes, below every text parser of this crate. A line is shown in place, never copied.

use std::borrow::Cow;
use std::io::Read;

use crate::error::{Error, ErrorKind, Result};
use crate::guard::Mode;
use crate::input::{FilePosition, Input, Limits};
use crate::window::Window;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// Reads line by line and knows where it is.
#[derive(Debug)]
pub(crate) struct LineReader<R> {
    window: Window<R>,
    name: String,
    /// Bytes of the current line, its line end included; it is the front of the window.
    length: usize,
    /// Whether the next call of `next_line` shows the current line once more.
    held: bool,
    /// Number of the current line from 1; 0 in front of the first.
    number: u64,
    max_line: u64,
    file: Option<FilePosition>,
}

impl LineReader<Input> {
    pub(crate) fn from_input(input: Input) -> Self {
        let (name, start, file) = (input.name().to_owned(), input.start_byte(), input.file_position());
        Self { file, ..Self::new(name, input, start) }
    }
}

impl<R: Read> LineReader<R> {
    /// `start_byte` is the byte of the file at which `inner` stands.
    pub(crate) fn new(name: impl Into<String>, inner: R, start_byte: u64) -> Self {
        Self {
            window: Window::new(inner, start_byte),
            name: name.into(),
            length: 0,
            held: false,
            number: 0,
            max_line: Limits::default().max_line,
            file: None,
        }
    }

    pub(crate) fn set_max_line(&mut self, max_line: u64) {
        self.max_line = max_line;
    }

    /// Tells the decompressor too, which may then forgive a missing end.
    pub(crate) fn set_mode(&mut self, mode: Mode) {
        if let Some(file) = &self.file {
            file.set_mode(mode);
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Number of the current line, from 1.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Byte of the file where the current line starts.
    pub(crate) fn start(&self) -> u64 {
        self.window.position()
    }

    /// The current line without its line end, `\n` or `\r\n`.
    #[inline]
    pub(crate) fn line(&self) -> &[u8] {
        trim_line_end(self.raw())
    }

    /// The current line with its line end.
    #[inline]
    pub(crate) fn raw(&self) -> &[u8] {
        &self.window.bytes()[..self.length]
    }

    /// Whether the current line has no line end: the last line of a file, or of a cut one.
    pub(crate) fn is_cut(&self) -> bool {
        !self.raw().ends_with(b"\n")
    }

    /// Goes to the next line; `false` at the end of the input.
    #[inline]
    pub(crate) fn next_line(&mut self) -> Result<bool> {
        if self.held {
            self.held = false;
            return Ok(self.length > 0);
        }
        self.window.consume(self.length);
        self.length = 0;
        match memchr::memchr(b'\n', self.window.bytes()) {
            Some(at) if (at as u64) < self.max_line && self.number > 0 => {
                self.length = at + 1;
                self.number += 1;
                Ok(true)
            }
            _ => self.load(),
        }
    }

    /// Lets the next call of [`LineReader::next_line`] show the current line once more.
    pub(crate) fn hold(&mut self) {
        self.held = true;
    }

    /// The bytes behind the current line that are in memory; read first if there are none. Empty at the end of the input.
    /// A parser that does not need lines takes them with [`LineReader::skip`].
    #[inline]
    pub(crate) fn ahead(&mut self) -> Result<&[u8]> {
        if self.length == self.window.bytes().len() {
            self.fill()?;
        }
        Ok(&self.window.bytes()[self.length..])
    }

    /// What [`LineReader::ahead`] showed, without reading.
    #[inline]
    pub(crate) fn behind(&self) -> &[u8] {
        &self.window.bytes()[self.length..]
    }

    /// Reads more behind what [`LineReader::ahead`] shows; `false` at the end of the input.
    pub(crate) fn fill(&mut self) -> Result<bool> {
        match self.window.fill() {
            Ok(n) => Ok(n > 0),
            Err(error) => {
                let at = self.window.position() + self.window.bytes().len() as u64;
                Err(self.place(Error::from_io(&self.name, error).at_line(self.number + 1).at_byte(at)))
            }
        }
    }

    /// Consumes the current line and `bytes` of what [`LineReader::ahead`] shows, in which `lines` lines end. There is no
    /// current line then.
    #[inline]
    pub(crate) fn skip(&mut self, bytes: usize, lines: u64) {
        self.window.consume(self.length + bytes);
        self.length = 0;
        self.held = false;
        self.number += lines;
    }

    /// An error at the start of the current line.
    pub(crate) fn error(&self, kind: ErrorKind, problem: impl Into<Cow<'static, str>>) -> Error {
        let error = Error::new(kind, &self.name, problem).at_line(self.number.max(1)).at_byte(self.start());
        self.place(error.with_snippet(self.line()))
    }

    /// An error at byte `at` of what [`LineReader::ahead`] showed.
    pub(crate) fn error_ahead(&self, at: usize, kind: ErrorKind, problem: impl Into<Cow<'static, str>>) -> Error {
        let ahead = self.behind();
        let (before, behind) = ahead.split_at(at.min(ahead.len()));
        let from = memchr::memrchr(b'\n', before).map_or(0, |i| i + 1);
        let to = memchr::memchr(b'\n', behind).map_or(ahead.len(), |i| at + i);
        let line = self.number + 1 + memchr::memchr_iter(b'\n', before).count() as u64;
        let byte = self.window.position() + (self.length + at) as u64;
        let error = Error::new(kind, &self.name, problem).at_line(line).at_byte(byte);
        self.place(error.with_snippet(trim_line_end(&ahead[from..to])))
    }

    /// An error without a better place than the end of the input.
    pub(crate) fn error_at_end(&self, kind: ErrorKind, problem: impl Into<Cow<'static, str>>) -> Error {
        let end = self.start() + self.length as u64;
        self.place(Error::new(kind, &self.name, problem).at_line(self.number.max(1)).at_byte(end))
    }

    /// Adds how far a compressed file was read.
    pub(crate) fn place(&self, error: Error) -> Error {
        match &self.file {
            Some(file) => error.at_file_byte(file.get()),
            None => error,
        }
    }

    /// Where the next line may start: the whole search, with reading, limits and the byte order mark.
    #[cold]
    fn load(&mut self) -> Result<bool> {
        let mut searched = 0;
        loop {
            let found = memchr::memchr(b'\n', &self.window.bytes()[searched..]).map(|at| searched + at + 1);
            searched = self.window.bytes().len();
            let length = found.unwrap_or(searched);
            if length as u64 > self.max_line {
                self.number += 1;
                self.length = length.min(1024); // what the error shows
                let error = self.error(ErrorKind::Limit, format!("the line is longer than {} bytes", self.max_line));
                self.length = length;
                return Err(error);
            }
            if found.is_some() || !self.fill()? {
                self.length = length;
                break;
            }
        }
        if self.length > 0 {
            self.number += 1; // at the end of the input it stays
        }
        if self.number == 1 && self.window.position() == 0 && self.raw().starts_with(BOM) {
            self.window.consume(BOM.len());
            self.length -= BOM.len();
            if self.length == 0 {
                self.number = 0; // a file of a mark alone
                return Ok(false);
            }
        }
        Ok(self.length > 0)
    }
}

/// Takes `\n` or `\r\n` from the end. A lone `\r` at the end of a file without a last line feed counts too.
#[inline]
pub(crate) fn trim_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    fn lines(text: &[u8]) -> Vec<(u64, u64, Vec<u8>)> {
        let mut reader = LineReader::new("x", text, 0);
        let mut out = Vec::new();
        while reader.next_line().unwrap() {
            out.push((reader.number(), reader.start(), reader.line().to_vec()));
            reader.hold();
            assert!(reader.next_line().unwrap());
        }
        assert!(!reader.next_line().unwrap());
        out
    }

    #[test]
    fn numbers_and_bytes() {
        let check = |text: &[u8], expected: &[(u64, u64, &[u8])]| {
            let expected: Vec<_> = expected.iter().map(|&(n, b, t)| (n, b, t.to_vec())).collect();
            assert_eq!(lines(text), expected);
        };
        check(b"", &[]);
        check(b"\xef\xbb\xbf", &[]);
        check(b"a", &[(1, 0, b"a")]);
        check(b"a\nbc\n", &[(1, 0, b"a"), (2, 2, b"bc")]);
        check(b"a\r\n\r\nb\r", &[(1, 0, b"a"), (2, 3, b""), (3, 5, b"b")]);
        check(b"\xef\xbb\xbfa\nb", &[(1, 3, b"a"), (2, 5, b"b")]);
    }

    #[test]
    fn a_parser_may_look_ahead() {
        let mut reader = LineReader::new("x", &b"ab\ncd\nef\ngh\n"[..], 0);
        assert!(reader.next_line().unwrap());
        assert_eq!(reader.ahead().unwrap(), b"cd\nef\ngh\n");
        reader.skip(6, 2);
        assert!(reader.next_line().unwrap());
        assert_eq!((reader.number(), reader.start(), reader.line()), (4, 9, &b"gh"[..]));
        assert_eq!(reader.ahead().unwrap(), b"");
    }

    #[test]
    fn a_long_line_is_refused_before_it_is_kept() {
        let mut reader = LineReader::new("x", io::repeat(b'A'), 0);
        reader.set_max_line(100);
        let error = reader.next_line().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limit);
        assert_eq!(error.to_string(), "x:1: byte 0: the line is longer than 100 bytes");
    }
}
