//! Lines with their numbers and bytes, below every text parser of this crate.

use std::io::{self, BufRead, Read};

use crate::error::{Error, ErrorKind, Result};

const BOM: &[u8] = b"\xef\xbb\xbf";

/// Reads line by line and knows where it is.
///
/// As a [`BufRead`] it never shows more than the rest of one line, so a parser on top of it (noodles, for FASTA) cannot
/// run ahead, and the position stays exact.
#[derive(Debug)]
pub(crate) struct LineReader<R> {
    inner: R,
    name: String,
    /// The current line with its line end.
    buffer: Vec<u8>,
    /// How much of `buffer` was consumed.
    consumed: usize,
    /// Number of the current line from 1; 0 in front of the first.
    number: u64,
    /// Byte in the file of the first byte of `buffer`.
    start: u64,
    max_line: u64,
    /// The typed error behind the last `io::Error` that was given through `BufRead`.
    fault: Option<Error>,
}

impl<R: BufRead> LineReader<R> {
    pub(crate) fn new(name: impl Into<String>, inner: R, start_byte: u64) -> Self {
        Self {
            inner,
            name: name.into(),
            buffer: Vec::new(),
            consumed: 0,
            number: 0,
            start: start_byte,
            max_line: u64::MAX,
            fault: None,
        }
    }

    pub(crate) fn set_max_line(&mut self, max_line: u64) {
        self.max_line = max_line;
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
        self.start
    }

    /// Byte of the file behind what was consumed.
    pub(crate) fn position(&self) -> u64 {
        self.start + self.consumed as u64
    }

    /// The current line without its line end.
    pub(crate) fn line(&self) -> &[u8] {
        trim_line_end(&self.buffer)
    }

    /// Whether the current line has no line end: the last line of a file, or of a cut one.
    pub(crate) fn is_cut(&self) -> bool {
        !self.buffer.ends_with(b"\n")
    }

    /// Goes to the next line, or to one that `fill_buf` has shown; `false` at the end of the input.
    pub(crate) fn next_line(&mut self) -> Result<bool> {
        if self.consumed == self.buffer.len() {
            self.load()?;
        }
        self.consumed = self.buffer.len();
        Ok(!self.buffer.is_empty())
    }

    /// An error at the start of the current line.
    pub(crate) fn error(&self, kind: ErrorKind, problem: impl Into<std::borrow::Cow<'static, str>>) -> Error {
        Error::new(kind, &self.name, problem).at_line(self.number.max(1)).at_byte(self.start).with_snippet(self.line())
    }

    /// An error without a better place than the end of the input.
    pub(crate) fn error_at_end(&self, kind: ErrorKind, problem: impl Into<std::borrow::Cow<'static, str>>) -> Error {
        Error::new(kind, &self.name, problem).at_line(self.number.max(1)).at_byte(self.start + self.buffer.len() as u64)
    }

    /// Turns an `io::Error` that came back through `BufRead` into what it was.
    pub(crate) fn take_fault(&mut self, error: io::Error) -> Error {
        self.fault
            .take()
            .unwrap_or_else(|| Error::from_io(&self.name, error).at_line(self.number.max(1)).at_byte(self.start))
    }

    fn load(&mut self) -> Result<()> {
        let start = self.start + self.buffer.len() as u64;
        self.buffer.clear();
        self.consumed = 0;
        let most = self.max_line.saturating_add(1);
        let read = (&mut self.inner).take(most).read_until(b'\n', &mut self.buffer);
        let length = self.buffer.len() as u64;
        if let Err(error) = read {
            self.buffer.clear();
            return Err(Error::from_io(&self.name, error).at_line(self.number + 1).at_byte(start + length));
        }
        self.start = start;
        if length > 0 {
            self.number += 1; // at the end of the input it stays
        }
        if length > self.max_line {
            let problem = format!("the line is longer than {} bytes", self.max_line);
            return Err(self.error(ErrorKind::Limit, problem));
        }
        if self.number == 1 && self.start == 0 && self.buffer.starts_with(BOM) {
            self.buffer.drain(..BOM.len());
            self.start = BOM.len() as u64;
        }
        Ok(())
    }
}

impl<R: BufRead> Read for LineReader<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.fill_buf()?.read(buf)?;
        self.consume(n);
        Ok(n)
    }
}

impl<R: BufRead> BufRead for LineReader<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.consumed == self.buffer.len()
            && let Err(error) = self.load()
        {
            let text = error.to_string();
            self.fault = Some(error);
            return Err(io::Error::other(text));
        }
        Ok(&self.buffer[self.consumed..])
    }

    fn consume(&mut self, amount: usize) {
        self.consumed = (self.consumed + amount).min(self.buffer.len());
    }
}

/// Takes `\n` or `\r\n` from the end. A lone `\r` at the end of a file without a last line feed counts too.
pub(crate) fn trim_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8]) -> Vec<(u64, u64, Vec<u8>)> {
        let mut reader = LineReader::new("x", text, 0);
        let mut out = Vec::new();
        while reader.next_line().unwrap() {
            out.push((reader.number(), reader.start(), reader.line().to_vec()));
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
        check(b"a", &[(1, 0, b"a")]);
        check(b"a\nbc\n", &[(1, 0, b"a"), (2, 2, b"bc")]);
        check(b"a\r\n\r\nb\r", &[(1, 0, b"a"), (2, 3, b""), (3, 5, b"b")]);
        check(b"\xef\xbb\xbfa\nb", &[(1, 3, b"a"), (2, 5, b"b")]);
    }

    #[test]
    fn buf_read_shows_one_line_at_a_time() {
        let mut reader = LineReader::new("x", &b"ab\ncd\n"[..], 0);
        assert_eq!(reader.fill_buf().unwrap(), b"ab\n");
        reader.consume(1);
        assert_eq!(reader.fill_buf().unwrap(), b"b\n");
        reader.consume(2);
        assert_eq!(reader.fill_buf().unwrap(), b"cd\n");
        assert_eq!((reader.number(), reader.start()), (2, 3));
    }

    #[test]
    fn a_long_line_is_refused_before_it_is_kept() {
        let mut reader = LineReader::new("x", io::BufReader::new(io::repeat(b'A')), 0);
        reader.set_max_line(100);
        let error = reader.next_line().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limit);
        assert_eq!(error.to_string(), "x:1: byte 0: the line is longer than 100 bytes");
    }
}
