//! Lines and words of flat files.

use std::borrow::Cow;
use std::io::Read;

use crate::error::{Error, ErrorKind, Result, letter};
use crate::guard::Guard;
use crate::lines::LineReader;

/// Where a parser is, and how strict it is.
#[derive(Debug)]
pub(crate) struct Place<'a, R> {
    pub(crate) lines: &'a LineReader<R>,
    pub(crate) guard: &'a mut Guard,
    /// Name of the record.
    pub(crate) record: &'a str,
}

impl<R: Read> Place<'_, R> {
    /// A syntax error at the current line.
    #[cold]
    pub(crate) fn error(&self, problem: impl Into<Cow<'static, str>>) -> Error {
        self.lines.error(ErrorKind::Syntax, problem).in_record(self.record)
    }

    /// A broken rule: the error in strict mode, counted in lenient mode.
    #[cold]
    pub(crate) fn forgive(&mut self, rule: &'static str, error: Error) -> Result<()> {
        self.guard.forgive(rule, error)
    }

    /// The line in the form that the parsers read: without tabs (each counts as blanks up to a column that is a multiple
    /// of 8), control characters and blanks at its end.
    pub(crate) fn clean<'l>(&mut self, line: &'l [u8]) -> Result<Cow<'l, [u8]>> {
        if is_plain(line) {
            return Ok(line.trim_ascii_end().into());
        }
        let mut out = Vec::with_capacity(line.len() + 16);
        for (at, &byte) in line.iter().enumerate() {
            if byte == b'\t' {
                out.resize(out.len() / 8 * 8 + 8, b' ');
            } else if byte.is_ascii_control() {
                let error = self.error("a control character").at_byte(self.lines.start() + at as u64);
                self.forgive("control character", error.expecting("printable text").finding(letter(byte)))?;
                out.push(b' ');
            } else {
                out.push(byte);
            }
        }
        out.truncate(out.trim_ascii_end().len());
        Ok(out.into())
    }
}

/// Whether all bytes are visible ASCII or blanks.
#[inline]
pub(crate) fn is_plain(line: &[u8]) -> bool {
    line.iter().fold(true, |plain, b| plain & (0x20..0x7f).contains(b))
}

pub(crate) fn starts_word(line: &[u8], word: &[u8]) -> bool {
    line.strip_prefix(word).is_some_and(|rest| rest.first().is_none_or(u8::is_ascii_whitespace))
}

/// Appends text; bytes that are not UTF-8 become replacement characters.
#[inline]
pub(crate) fn push_text(out: &mut String, text: &[u8]) {
    match std::str::from_utf8(text) {
        Ok(text) => out.push_str(text),
        Err(_) => out.push_str(&String::from_utf8_lossy(text)),
    }
}

/// How many blanks a line starts with.
pub(crate) fn indent(line: &[u8]) -> usize {
    line.iter().take_while(|&&b| b == b' ').count()
}

/// The words with single blanks between them; `None` for nothing and for the `.` that stands for nothing.
pub(crate) fn on_one_line(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    for word in text.split_ascii_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    (!out.is_empty() && out != ".").then_some(out)
}

/// The items of a list like `a; b c; d.`.
pub(crate) fn list(text: &str) -> Vec<String> {
    let text = text.trim();
    let text = text.strip_suffix('.').unwrap_or(text);
    text.split(';').filter_map(on_one_line).collect()
}

/// The lines without blank ones at either end; `None` when nothing is left.
pub(crate) fn block(text: &str) -> Option<String> {
    let text = text.trim_matches('\n');
    (!text.trim().is_empty()).then(|| text.to_owned())
}

/// The text of a location; `None` for nothing.
pub(crate) fn without_blanks(text: &str) -> Option<String> {
    let text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    (!text.is_empty()).then_some(text)
}
